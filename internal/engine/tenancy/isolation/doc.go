// Package isolation is the evidence for SEG-1 and SEG-2: it holds each guarded database to its
// manifest, over and over.
//
// # Checks
//
//	isolation.live    SEG-1, SEG-2  the database is as the manifest says, and refuses the application what is not its tenant's
//	isolation.writes  SEG-1, SEG-2  a copy without rows refuses every write across tenants that is tried
//
// What is looked at, one by one, is package verify's. The live look reads the catalogue as the
// declared reader and tries reads as the application's role, in transactions that are rolled back;
// it writes nothing. The other makes a copy of the schema in a cluster of its own, fills it with two
// invented tenants, tries writes, and throws it away.
//
// # Invariants
//
//   - Unknown is never right: a manifest that cannot be read, a check that could not look, a probe
//     that was skipped, no address of the application, no time left: Error (TestFaults).
//   - A decoy does not pass: system identifier and name of the database are compared before anything
//     is judged (the fault "another system").
//   - Whatever is of severity medium or worse fails. What is low stands in the observation only.
//   - Findings name checks and objects; no value of a row, no part of an address.
//   - Evidence has room for a database in which everything is wrong: up to ten findings of each check
//     are kept, the rest is counted, every table in trouble is named; what does not fit is counted
//     (TestEvidenceHasRoom).
//
// # Pages
//
// The guarded databases (/isolation) and the map of each: every relation of the manifest in force with
// its class and what was found of it, the drift since, the declared ways around, all checks, and the
// statement that mends each finding. They are open to who may read checks and change nothing. A
// relation is called as declared only by a look that is in date, saw everything, and was held to this very
// manifest; what was found stays shown when Garant goes blind (TestPagesOfARealDatabase).
//
// # Threat model
//
// A migration that adds a table nobody classified, a policy dropped in an incident and not put back,
// a view made with its owner's rights, a role that became owner, a setting that stands in for a
// login; an operator who narrows the manifest (that waits for a second person: package estate).
// Not covered: who changes the catalogue between two looks, and back; what package verify does not know.
package isolation
