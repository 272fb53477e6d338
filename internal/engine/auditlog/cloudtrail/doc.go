// Package cloudtrail is the evidence for LOG-2: the audit logs of AWS are kept, and copied in near real time to a second, secured
// account.
//
//	auditlog.cloud  LOG-2  for each trail under cloud_logs of the estate
//
// CloudTrail delivers log files, and every hour, for every region, a digest file that names them with their hashes, is signed with a
// key of the region and holds hash and signature of the digest before. The check reads the trail's settings, verifies this chain as
// the CloudTrail user guide documents it ("CloudTrail digest file structure", "Custom implementations of CloudTrail log file integrity
// validation"), holds every log file to its hash and to its copy in the second account, byte for byte, and reads back that each copy is
// locked in COMPLIANCE mode for as long as was agreed.
//
// # Invariants
//
//   - Nothing is believed but what AWS signed: a digest that is deleted, edited, moved, or signed by somebody else is told apart; a log
//     file that no digest names was added; a chain that begins anew in the middle is a gap.
//   - What is in one bucket and not in the other is missing, in either direction. Deleting a whole region, or the newest digest,
//     which nothing names yet, is seen that way.
//   - A file is late only while nothing that was delivered after it has been copied; else it is missing.
//   - What hides a file (permission, throttling, size, clock) makes the finding Error, never a pass, and never forgets a failure.
//   - A copy in the same account is refused when the estate is read; S3 itself refuses a bucket of another owner than the declared one.
//   - Findings name files and regions, never what a file says: log files hold personal data and are hashed as they stream.
//
// # What is read, and when
//
// Today and yesterday are listed in every run; of them, what was read before and is by its listing unchanged is not read again: S3
// gives an object that was put again another time. Each day before is read as a whole once a day, a few in each run, within bounds; a day
// that was wrong is read in every run until it is right. What was verified is remembered in memory alone, for the trail as it is
// declared: after a start, and for another bucket or promise, the check is blind (Unfinished) until every day was read.
//
// # Threat model
//
// Administrators of the first account, who can delete, edit and stop everything in it, and put files with any name into the bucket; an
// administrator of the second account, who can withhold, or write over what is not locked; somebody who changes replication. Not
// covered: AWS itself, what was never delivered (CloudTrail says so in the status, and the gap shows), events that selectors leave
// out, and the seconds between delivery and copy.
//
// # Proof
//
// faults_test.go breaks each of these against a server in aws_test.go that speaks both wire protocols, recomputes every signature
// of a request and pages its listings; cloudtrail_test.go shows what is read again and what is not, key rotation, backfilled digests,
// and trails of organisations.
package cloudtrail
