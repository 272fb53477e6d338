// Package access guards who gets to the company's PostgreSQL databases. It reads their catalogue,
// and never a row, and gives the evidence for ACC-2 (who reaches personal data), ACC-5 (register
// of privileged rights), SEG-5 (no path for development teams) and part of that for ENC-1 (TLS),
// NET-1 (private networks) and CLS-1 (classification).
//
// # Checks
//
//	access.readers     ACC-2  every login role that reaches personal data is declared, of a team that may
//	access.privileged  ACC-5  every privileged role is in the register; PUBLIC creates nothing
//	access.developers  SEG-5  nothing leads from a role of a development team to production
//	access.transport   ENC-1  no connection from another machine without TLS
//	access.network     NET-1  no address of the whole internet, in part: what the network lets through is seen from outside
//	access.labels      CLS-1  every column that looks personal has a class, in part: assets and documents are the register's
//
// They sign in with the declared address as a role that has no right on any table; docs/access.md
// lists its grants. One read-only transaction reads the catalogue, within 10 seconds.
//
// # Invariants
//
//   - Unknown is never right. A catalogue, a rule or a setting that may not be read, a line of
//     pg_hba.conf in error, more tables than are looked at, a database of customers in which
//     nothing looks personal, a production database for which nobody named the developers: Error
//     (TestFaults, TestTooLarge).
//   - A decoy does not pass: the server's certificate is verified on every way that leaves the
//     machine, then the identifier of the system and the name of the database are compared
//     before anything is judged (the faults "another system", "a neighbour", "not verified").
//   - A right counts when it can be used: with CONNECT and USAGE, by membership inherited or by
//     SET ROLE, by PUBLIC, on a column, as owner, through views and functions with their owner's
//     rights, through attributes and PostgreSQL's own powerful roles (TestFaults), and not else
//     (TestSoundVariants).
//   - Findings name roles, tables and columns; no value of a row, no part of the address.
//   - Findings of an unchanged database are equal, byte for byte (measuretest.Run).
//
// # Threat model
//
// Rights that grew: a grant for a day that stayed, a group that gained members, a view made for a
// report, a function that reads for others, a developer let in to debug. Somebody who hides a
// path from a reader of grants: memberships of memberships, NOINHERIT, column grants, ownership,
// default privileges. Somebody who points Garant to a tamer database. An operator who widens the
// declaration to make a check pass: that waits for a second person (package estate).
//
// Not covered: a superuser who changes the catalogue while it is read, and back after; what the
// server goes by when pg_hba.conf was changed and not reloaded; rows copied elsewhere (SEG-4);
// columns whose names say nothing; foreign servers and what they open; maps of operating system
// accounts (pg_ident.conf); passwords that several people share; rights on tables to come, until
// the tables are there. Row-level security is not
// taken into account: whoever may read one row of a table reaches it.
package access
