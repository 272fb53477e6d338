// Package workspace is the evidence for LOG-6: the logs of Google Workspace are with Google, and fresh.
//
//	auditlog.workspace  LOG-6  for each Google Workspace under workspace of the estate
//
// It asks the Reports API (activities.list) on behalf of an administrator, by a service account with domain-wide delegation, for
// the newest entry of each declared log, and holds its age to what was agreed for that log.
//
// # Silence or loss
//
// A log without a new entry may be one in which nothing happened, or one that lost something; from outside they look the same. The check
// decides for loss. For one log it knows better: Google records in the log token what a service account does, with its client id.
// Every run of the check is given a token of its own and asks with it, so that there must be an entry of its own, no older than was
// agreed. That entry is the canary: it proves that Google recorded, kept and gave out something that is known to have happened. It proves
// this of the log token, in that workspace; of other logs it is known only that their newest entry is young enough.
//
// # Invariants
//
//   - Every entry that counts has the declared customer id: a decoy workspace does not pass.
//   - The first run cannot have been recorded before: until the agreed age has passed since this process was first given a token, a
//     missing canary is Error (Waiting), then Fail (Lost). A start takes this time anew; a failure is not cleared by it.
//   - What hides a log (key, delegation, privilege, quota, clock) is Error, never a pass.
//   - Tokens are asked for at Google's own address, whatever the key file says, and no redirect is followed.
//   - Of an entry only time, customer and name of the log are asked for, of the log token the client id too: no address, no name. Texts of
//     Google's errors name people, and are not kept.
//
// # Threat model
//
// A log that is switched off, an edition without it, delegation withdrawn, a key of another company's workspace put in the place of ours.
// Not covered: administrators of Google; entries that Google never made; how long old entries are kept, which Google documents
// (six months for these logs) and the check repeats as Google's word.
//
// # Proof
//
// faults_test.go brings about each problem against the server in google_test.go, which verifies assertions, filters, pages and refuses as
// Google documents; TestRetries holds Retry-After, TestNothingPersonal that nothing personal is in a finding.
package workspace
