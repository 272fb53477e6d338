// Package witness is Garant's side of a witness: a small process of another administrator, on another
// machine, that looks at what Garant announces from where it stands (package watch below), and says in signed
// statements what it confirms.
//
// # What a statement does
//
//   - Confirms: measures that the annex announces as met and that the witness saw to be so bear its name
//     in the annex, as long as it is not silent for more than three of its intervals and the
//     document it confirmed is the one that is published.
//   - Disagrees: a measure that is announced as met and that it saw to fail. It raises the alarm on its
//     side; here it is recorded, and due on the desk.
//   - Reaches: addresses that must not be reachable from outside (NET-1), as findings of the check
//     reach.refused. Every declared address has to be told of by its witness, else the check has not looked.
//
// # Cosignatures
//
// Beside statements a witness sends checkpoints of the audit log's root with its cosignature (C2SP tlog-cosignature), made with a key of its own. One is kept, and
// published under the checkpoint, when it is of the declared key, was made within three intervals, and the checkpoint is what the log holds: by the hashes of its tree, not by what is kept
// of checkpoints (TestCosignatureRefused). A checkpoint that the log signed and does not hold is kept as an anomaly: somebody was shown another history (TestForkShownToOneCustomer).
// The check auditlog.cosigned sees that each such witness cosigns what the log holds, and lately (TestCosignedFaults).
//
// # Invariants
//
//   - A statement counts when it is signed by the key that the estate in force declares for that name, is of
//     this company, was made within three intervals, and is newer than every other of that key: in number and
//     in time (TestRefused).
//   - What is refused leaves a row in the record and changes nothing.
//   - Statements are kept to the letter, with their signature, by a role that can only insert them.
//   - A witness adds and takes nothing of the states: silence only takes away its name.
//
// # Threat model
//
// Whoever has the token of the interface can send statements and cannot sign them. Whoever has the key can
// claim to have seen what they like: it belongs to another administrator for that reason, and is not on a machine that
// Garant's administrators reach. An administrator of Garant who removes the witness makes a reduction of the scope,
// which shows in public until a second person confirms it. Whether Garant withholds what the witness sends is for
// the witness to notice: it reads the public annex, as readers do.
package witness
