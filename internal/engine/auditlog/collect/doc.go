// Package collect brings what applications record of themselves into the record: each event that stands in the
// outbox of a guarded database (garant.event, internal/token/schema) becomes one entry.
//
// # Invariants, and the tests that prove them
//
//   - Exactly once: an event is written in one transaction with its mark, and forgotten in the guarded database only after that
//     was committed. What was taken already is known by its mark (TestKilledAtEveryStep, TestTwoServers).
//   - A guarded database that is set back gives events again that were taken: they are not written again, and what is new there is, though
//     it has the numbers of what was before (TestSetBack). One that does not answer for days loses nothing (TestAwayForDays).
//   - Whose event it is, and in which session, the guarded database says, which verified a token: never the application
//     (internal/token, TestEventAttacks). What the application says of its user is kept beside it, sealed.
//   - Values before and after, and what is said of the user, are sealed under the customer's key (TestWritten).
//   - Nothing is asked of a database that is not the declared one (TestImpostor).
//
// # Threat model
//
// Whoever speaks SQL as the application, with tokens of tenants of their own: they can record for their own login what is not so, and
// fill the outbox, which is bounded by the disk of their database only. Not covered: a superuser of the guarded database, who can
// write to the outbox; owners of tables, who can switch triggers off: the check auditlog.events finds the second.
package collect
