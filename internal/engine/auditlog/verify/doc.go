// Package verify says whether the audit log is what it was: the database by itself, the second account by itself, or one against the other.
//
// # Invariants, and the tests that prove them
//
//   - What was left out is said, and then the log is never called intact (TestNotExamined).
//   - Whatever somebody with all rights on the database does to any of its tables is found, and the first entry that is wrong is named with what was done to it
//     (TestAttacks). With the second account that holds even when everything was rewritten to fit and signed with stolen keys.
//   - What is signed counts once: who has no keys and writes a signed entry a second time is found, whatever the sequencer remembers of its writer (TestAttacks).
//   - Entries that a restore lost, and those that were dropped at the end of their time, are told apart from those that somebody took away (TestGenerations, TestAttacks).
//   - The database is read in one snapshot, by several connections; nothing is written, and nobody waits for it.
//
// # Threat model
//
// Somebody with the superuser's rights, the keys of writers and the key of the log, before and after entries are in order, who also puts views, policies, rules and
// triggers between us and the tables. Not covered: who has changed the program that verifies, or the server it asks, so that rows are made up for
// us alone; the second account's owner together with the keys. What remains possible stands in each report.
package verify
