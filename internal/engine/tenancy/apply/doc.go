// Package apply carries out what package plan found missing in a live database, and takes it back.
//
// [Run] does the steps one after another. Each that PostgreSQL can do in a transaction commits
// together with the record of it in garant.applied, which says what takes it back; those that it
// cannot (an index built beside writers, a column filled in batches) are recorded before they
// begin. So it may be cut off at any moment: the next run reads the catalogue, sees what is missing
// still and goes on (TestCutOffAtEveryStep). One run at a time holds an advisory lock of the
// session; a second is refused (TestTwoAtOnce). It needs a connection of its own, not a pooler's
// that changes sessions between transactions.
//
// Locks that readers or writers would wait for are asked for with a short lock_timeout, given up
// and asked for again, so that the application never queues long behind a step ([Options.LockTimeout]).
//
// [Undo] takes everything back in reverse order, from the record and not from the manifest, so that
// the schema is what it was, byte for byte (TestApply, TestWithoutSuperuser).
package apply
