// Package watch is the witness itself: a process of another administrator, with its own key, its own configuration and its
// own list of what to look at. It does not trust Garant's estate, and needs none of its database.
//
// Each round it looks at its endpoints with the same checks as Garant, tries the addresses that must be refused, reads the public
// annex as readers do, compares, signs what it saw and sends that to Garant. It alarms when
//
//   - the annex announces as met what it sees to fail, at two looks with a while between them;
//   - the annex does not answer, is not of the company, or is old, several rounds in a row;
//   - the annex goes back: an earlier document, or one from before;
//   - Garant does not take its statements, several rounds in a row.
//
// An alarm is given once an episode, and an all-clear at its end. What it has alarmed of, its last number and the last
// document are in its state file, so that a restart forgets nothing.
//
// # The audit log
//
// Where witness.yaml names a log, its head is cosigned in each round in which it has grown from the last one that was cosigned: by hashes that are each checked against the
// signed head (golang.org/x/mod/sumdb/tlog), never by a proof that somebody gives. What holds:
//
//   - A head is on the disk before it is signed, so that no two that contradict each other are ever signed: not by a process that is killed at any
//     step (TestKilled), not by two at once, not after the file of heads was lost (TestMemory).
//   - Nothing is signed of a log that forks, shrinks, is signed with another key, bears another name or begins anew, and each is an alarm (TestTheLogIsNotAsItWas, TestNewGeneration); a log
//     that does not answer or does not grow is one, too (TestLogSilent).
//   - Of a fork the alarm bears both signed heads, and Garant is shown them: it may not know of one.
//
// # Not seen is not refused
//
// An address that does not answer counts as refused only in a round in which something else did answer: a witness without a
// network would see every port closed (TestNoSignOfLife).
package watch
