// Package scanner takes the reports of scanners as evidence: Prowler, Trivy, Steampipe or Powerpipe,
// SARIF 2.1.0, and a plain JSON of our own. It scans nothing itself.
//
// An import is declared in garant.yaml with what a report must hold (accounts, images,
// repositories) and how old it may be. One check is made of it for each of its measures, whose
// findings are pushed: by garant evidence import, or by POST /api/v1/evidence/{name}.
//
// # Invariants
//
//   - Not looked at is not right. A declared account without a decided result of a check that is
//     mapped to the measure makes the finding an error, whatever the rest of the report says
//     (TestFaults, TestNoRelevantResults).
//   - Only passed and failed results decide. Skipped ones count for nothing; what the tool could not
//     decide makes an error; so does a failure that was muted in the tool, unless the import says
//     accept_muted. All are counted in the finding (TestFaults, TestAcceptMuted).
//   - A failure counts wherever it is, also in an account that is not declared.
//   - Evidence has the age of the report: the oldest time in it. A report without a time needs one
//     from whoever imports it, and the finding says so. A time without a zone is taken for the
//     earliest moment that it can mean. What is of the future or not newer than what is known is
//     refused by the runner.
//   - A report is read in one pass, at most 100 MB of it, results one at a time; what cannot be read to its
//     end changes nothing (TestHostileReports, FuzzReports).
//   - The finding names the tool, its version and the SHA-256 of the file.
//
// # Threat model
//
// Reports are made by others and hold words of others: they are bounded, made printable, and shown to staff
// alone. Who may import can lie, as can who runs the scanner: the record says who sent what. A scanner that
// sees less than it should shows as a missing account, not as a pass; what it should see
// within an account is not known here.
package scanner
