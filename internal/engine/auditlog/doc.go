// Package auditlog looks after the record: that nobody can rewrite it, that it is in order, that a second account holds it, and
// that logs of systems are really found again.
//
// The record itself is package audit, its order package audit/sequence, its trees audit/merkle and audit/trees. Here are
//
//   - the checks of the record (this package): who may write where, whether the order is kept, whether sign-ins are in it;
//   - worm and replica: the second account; verify: the database against it;
//   - collect: the events of guarded applications; export and stream: entries for people and for SIEMs; portal: for customers;
//   - ship, cloudtrail and workspace: logs of other systems.
//
// # Invariants
//
//   - No role that serves may change or take away an entry, a leaf or a tile, and none may add leaves but garant_checkpoint
//     (TestWritten, with a fault injection for each way that a right can be given).
//   - What does not fit together fails the checks until a person has said what it was, and that word is an entry itself
//     (TestAcknowledge).
//
// # Threat model
//
// A superuser of the database can do anything to it. What they do before an entry is in a tree is found out by its MAC, its
// number and the heartbeats; afterwards by the trees; when they rewrite these too, by the second account and the witnesses, whose
// keys and credentials they do not hold. What remains possible stands in docs/audit.md.
package auditlog
