// Package verify holds a database to its isolation.yaml. It reads the catalogue and judges it by a table
// of checks, and tries, as the application's role, what an attacker would try.
//
// # Checks and probes
//
// [Checks] is the one table. A static check judges a catalogue that was read in one read-only snapshot
// ([Static]). A probe ([Probe]) acts: on the database itself in transactions for reading that are rolled back,
// or, when it writes, on a scratch copy. The areas:
//
//	roles        who the application is, and what it can become
//	around       who goes around tenancy, held to the manifest's list
//	tables       classes, row-level security, the tenant's column, rights
//	policies     what each policy says, read from how PostgreSQL deparses it
//	code         views, functions, triggers, rules, foreign servers
//	constraints  keys that tell or point across tenants
//	side         publications, large objects, activity, logs
//	token        schema garant: owners, rights, keys, and that its functions are ours
//	probe        attempts
//
// # The scratch copy
//
// The schema without its rows (pg_dump, pg_restore), in a PostgreSQL of its own that is thrown away: the
// same roles, rights, defaults and policies, two tenants that do not exist, a row of each in every table of
// tenants, and a key that exists nowhere else. Nothing is written to the database under guard, no row of a
// tenant leaves it, and the code of its functions runs where it reaches nothing: superusers of the original
// are none there, and user mappings, subscriptions and event triggers are left out.
//
// # Invariants
//
//   - What could not be seen is Error, never a pass: a table that took no canary row, a statement that failed for
//     another reason than the one by which the database should refuse it, a catalogue that may not be read, a
//     role that cannot be taken, the end of the time (TestCannotLook, TestWithoutSuperuser).
//   - Each check can come out false, and only it does (TestMutations, TestProbeMutations, TestLiveMutations:
//     a check without a mutation fails them); what is sound stays green (TestSoundVariants, TestOtherKeys), and
//     so does what plan and apply made (TestAppliedIsSound).
//   - Findings name objects and roles, never a value, a part of an address or an expression's text.
//   - Nothing is left behind (TestLeavesNoTrace); reports on an unchanged database are equal, byte for byte.
//   - Names are names, whatever stands in them (TestHostileNames); expressions are judged by a reader that
//     knows one sound form and calls everything else unsound (TestExpressions).
//
// # Threat model
//
// A migration, a hand or a habit that opens what was closed; somebody who hides a path in a group of a group, a
// column grant, a second permissive policy, a view of a view, a partition, a default; somebody who points the
// verifier to a tamer database (Options.System). Not covered: a superuser who changes the catalogue while it is read,
// and back after; how many rows other tenants have, which EXPLAIN and reltuples show to everybody; NOTIFY
// between sessions that cooperate; time that a query takes.
package verify
