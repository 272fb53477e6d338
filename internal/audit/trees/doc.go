// Package trees reads the trees of the record from the database: hashes and tiles, leaves made again from their entries, proofs,
// signed checkpoints; it serves them as a C2SP tlog-tiles log, and makes bundles for customers.
//
// A Tree is opened at the size that it has then. What it reads is written once and never changed, so that it needs no transaction and
// any role that may read the tables: garant_staff and garant_worker all; garant_public and garant_portal the root log, and of
// other trees the full tiles only.
//
// # Invariants
//
//   - A leaf that is given out hashes to what stands in its tree: an entry that was changed afterwards is an error (trees.edited),
//     not an answer; so is one that is missing (trees.missing). One that was dropped at the end of its time is told apart by the signed entry that
//     tells of it (Tree.Keys), not by audit.dropped: Leaves and bundles say so, and an entry bundle with it is an error (trees.dropped).
//   - Hashes stay when entries are dropped: whatever was proven can be proven again.
//   - A head is given out as signed only when the root log holds it.
//   - A proof takes one question to the database, whatever the size of the tree.
//
// # What it does not do
//
//   - It does not say who may see a tree: callers do, before they open it for somebody. The root log is public: it holds sizes, hashes and
//     the ids of customers, nothing of entries.
//   - It does not judge the database: whoever can write the tables can make trees of their own. That is found by those who keep a
//     checkpoint, by witnesses, and by the second account.
//
// Proven by: TestTreesAreThoseOfRFC6962 (hashes, tiles and proofs of every size against a tree in memory), TestATorchwoodClientFollows
// (root log and a customer's tree while they grow), TestAnAlteredEntryIsNotGivenOut, TestOneQuestionAProof,
// TestAProofAmongAHundredMillion, TestTreesOfTheSequencer, TestBundlesOfTheDatabaseHold, TestABundleOfAnAlteredDatabase,
// TestDroppedForReal, TestForgedDropHidesNothing.
package trees
