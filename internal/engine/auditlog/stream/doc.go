// Package stream sends the entries of the record to SIEMs as they are sequenced: by webhook, by syslog over TLS, or as objects in
// a bucket. What is sent where is declared under audit.streams; docs/audit-streams.md is the manual.
//
// What it guards, and how:
//
//   - Nothing is skipped. Each stream has a position in the order of sequencing, which only goes on when the receiver has taken a
//     batch. A batch that the receiver refuses is sent again, ever more slowly, and everything behind it waits: the stream has
//     stopped, and the check auditlog.streamed says so.
//   - At least once, in order. Before a batch is sent, where it ends is noted; whatever happens then, the same lines are sent
//     again under the same id. Each line has a uid that stays the same, by which receivers drop what they have.
//   - A write never waits. Streams read the database in a loop of their own; a receiver that hangs holds up its own stream alone.
//   - One server sends. The right to do so is an advisory lock on a connection of its own, over which positions are written by
//     compare and swap: whoever has lost the connection writes no position any more.
//   - The proof goes along: each line tells its tree, index and leaf hash, the last one of a batch the checkpoint.
//
// Addresses are staff's, declared in the estate, not customers'. Still a loopback or private address is called only where the
// stream says private: true, so that no name of the Internet leads inside by what it resolves to; the clouds' own addresses never
// (package outgoing). Redirects are not followed: entries go to the address that was declared.
//
// Against: receivers that hang, cut off, answer slowly or without end, refuse, or lie in what they say (nothing of an answer is
// kept but its status); replayed or forged batches (signed with time and id); a server killed at any line; two servers; a clock
// that jumps. Not against: a receiver that says it took a batch and did not keep it. Syslog has no answer at all: a batch counts as
// taken when the receiver, having read to our close, closes in turn; where an entry must not be lost to a receiver that dies after
// reading, take webhook or s3.
//
// Shown by the tests: faults_test.go breaks receivers in every way the check claims to see; kill_test.go kills senders at random
// moments and finds every entry, in order; webhook_test.go, syslog_test.go and object_test.go have receivers that verify strictly.
package stream
