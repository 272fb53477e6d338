// Package sequence puts the entries of the record in order: into the trees whose heads are signed.
//
// # How
//
// Every 200 ms one leader, behind an advisory lock of its connection, reads the entries of transactions that have ended since
// it last did: those whose transaction number is below every number still at work in the cluster (pg_snapshot_xmin), in the
// order of (xid, id). Leaves, tiles, heads, the signed checkpoint and the cursor are written in one transaction on that same
// connection, and the cursor is moved by compare and swap. So an entry is in a tree once, whatever is killed when: a late
// commit has a number that was not read yet, and a second leader finds the cursor elsewhere.
//
// Somebody's transaction that writes and is left open holds the order up, in any database of the cluster: Health names it.
//
// # What it notices
//
// Each entry's MAC is verified with its writer's key, its number held against those seen, its writer's clock against the database's;
// heartbeats are verified, and what they claim is held against what was seen. What does not fit is an anomaly: a row that
// stays, and fails the checks until somebody has said what it was. The entry goes into its tree all the same: nothing is lost. Each
// anomaly, of whomever, becomes a line of the root log: who deletes the row does not delete that.
//
// # What it believes
//
// Of what the database says of the log itself, only what is signed with keys outside of it. The cursor's MAC covers the root log as it was then, so
// that one of before does not fit what is there. A cursor that does not fit is an anomaly, and nothing is concluded from it: everything that is in no tree is
// taken in, as from another cluster, and all that was not heard is heard. To stop instead would leave entries outside all trees for as long as somebody wants.
// A leader that has itself signed more than there is does stop: what it would sign would fork the log.
//
// What is known of a writer has a MAC of its own, and is changed only where it stands as it was read. Rows that say that entries were dropped count when an entry tells of
// them that is signed, and a person's word about an anomaly when it is signed itself (Dropped, Answered).
//
// # Other clusters
//
// Transaction numbers are those of one cluster. When the database turns up in another one (a dump that was restored), what is
// there and in no tree is adopted in the order of its numbers, and the cursor begins anew; the same when it holds transaction numbers that are still to come
// here. When it was set back (a restore to an
// earlier moment), trees would fork: Restart begins a new generation, with an origin and a key of its own.
//
// Proven by TestNeverLostNorDoubled (random kills of writers and sequencer), TestTwoLeaders, TestNotices, TestAdopts, TestRestart; by attacks of
// a superuser: TestNotHeard, TestCursorChanged, TestChangedWhileLeading, TestSetBackWhileRunning, TestForgedDrop, TestAnswered.
package sequence
