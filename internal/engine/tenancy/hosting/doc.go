// Package hosting is the evidence for SEG-3: customers who have a database of their own are alone
// there, and nothing of them is left where they were.
//
//	tenancy.dedicated  SEG-3  for each database that the estate declares as one customer's own
//
// It looks as two declared logins that no policy hides a row from, asks of each table of the shared
// database's manifest whether there is a row that should not be there, and reads nothing else.
//
// # Invariants
//
//   - A login from which policies hide rows sees none and would pass: that is Error (the fault "a
//     login that sees nothing").
//   - Neither database may be a decoy: system identifiers and names are compared first.
//   - A customer without any row in their own database is no pass: a move that never happened looks so.
//   - A table of the manifest that is missing, or a table with the customers' key that the manifest does
//     not have, is no pass.
//   - Findings name tables and databases, never a value.
//
// # Threat model
//
// A move that was recorded and not carried out, rows put back by a restore, a job that writes as an
// owner where the customer no longer lives, a second customer placed into a dedicated database.
// Not covered: copies outside the two databases (backups are BAK-…), and where the machine stands: the
// place is the company's declaration.
package hosting
