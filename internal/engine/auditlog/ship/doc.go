// Package ship finds out whether logs are really found again, and ships those that nobody else does: LOG-3 (system logs) and LOG-4 (application logs).
//
// "Searchable" means that a canary was found: a line of two words that nobody has seen before is written at the far end of a log, as the estate says (by the application itself,
// into a file that a shipper follows, by Garant's own shipper), and a search in Elasticsearch or OpenSearch must find it within the agreed time. Shipping is best left to Vector or Fluent Bit where
// one of them runs; Garant ships its own log, and files that it is told to follow. Sub-packages: spool keeps lines on disk, tail follows files, redact leaves out what must not be
// kept, elastic speaks with the cluster, shiptest is a cluster for tests. docs/logs.md.
//
// # Invariants, and the tests that prove them
//
//   - A log passes only by a document that holds the second word of the line, which no question held: an echo, a log of queries, an older canary and
//     a page of something else do not (TestFaults).
//   - What was not asked in time, refused or answered in part is never a pass, and never "not found" either (TestFaults).
//   - Whoever logs never waits for the cluster, the spool or the disk (TestNeverBlocks).
//   - A line that is in the spool reaches the index once, whatever is killed, cut off or refused in between: TestKilled ships a file that is rotated
//     while its shipper is killed at random and the cluster refuses, cuts off and forgets to answer.
//   - A line that the cluster, or something in front of it, will never take holds up no other: it is set aside and counted (TestSetAside, TestRefusedInFront). Lines for which there is no room are counted, told in the log
//     itself and in the check (TestFull).
//   - What looks like a secret or names a person is not shipped, nor spooled (TestRedacted, package redact).
//   - Applied anew, another estate changes what is shipped without a restart (TestFollowsTheEstate).
//
// # Threat model
//
// Somebody who wants logs to look searchable: needs the line itself, at the far end or in the index, and so makes it searchable. Somebody who floods the log to hide what
// they did: the oldest lines are kept (package spool). Somebody with the search login: reads logs, and nothing else; give it no more. Not covered: whoever may write in the index can
// forge any line in it, and whoever administers the cluster can take lines away; the audit log is where that does not hold. The life of a line
// that is in memory and not yet in the spool, a fifth of a second, ends with kill -9: it stands on standard error all the same.
package ship
