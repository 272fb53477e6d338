// Package replica copies the audit log into the second account, whose bucket nobody can delete from: leaves, the root log and its
// signed heads as segments (docs/audit-segments.md), full tiles as any client of a transparency log reads them. It holds the database against the bucket before the
// log goes on, and begins a new generation after a restore.
//
// # Invariants, and the tests that prove them
//
//   - Segments follow each other without gap, overlap or double, whatever is killed when: a segment's range is written down before it is put, and one that was
//     put and not noted is found again (TestKilledAtEveryStep, TestTwoServers).
//   - Only what stands under a signed head is copied, and only when the root log has the root that was signed. An entry that is not what its leaf holds is
//     copied by its hash, and is an anomaly (TestAlteredBeforeTheCopy).
//   - A bucket that hangs, refuses or is away for days holds up nobody but the copy, which catches up (TestHangingBucket, TestBacklog).
//   - The log does not go on in a database that was set back or forked: Hold (TestSetBack, TestForked, TestBlind). After Recover it goes on, under another origin, and
//     what was lost is listed (TestRecover).
//
// # Threat model
//
// Who holds the database and the writer's credentials can put objects where ours belong: they are told from ours by signature, the segment gets
// another name, and it is an anomaly (TestOccupied). What is younger than the lag can be rewritten by who also has the log's key; Status says how much that is.
package replica
