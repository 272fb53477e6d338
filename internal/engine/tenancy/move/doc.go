// Package move gives a tenant a database of its own, and brings it back: dedicated hosting (SEG-3).
//
// A move is a row in schema garant_move of the database that it leads out of, and goes from step to
// step ([Steps]); each can be killed at every line and is done again from its beginning by whoever
// runs the move next:
//
//	planned    both ends looked at; nothing changed but the record
//	prepared   the target has schema garant, the tables of the source, and no row
//	journaled  triggers write down which rows of the tenant change from now on
//	copied     the rows of one or more snapshots are in the target
//	equal      the target has its keys and indexes, and equalled the source at one snapshot, by count and checksum
//	switched   in a short pause the last changes followed; the tenant is away from the source
//	opened     the target takes the tenant's tokens, and the route leads there
//	proved     foreign keys validated, both ends equal but for what changed since the switch
//	erasing    a person asked for it: the source's rows go in batches
//	done       no row is left in the source
//
// Until erasing, [Mover.Undo] leads back (undoing, returned, undone): before the switch by forgetting the
// target, after it by carrying what changed in the target into the source.
//
// # Invariants, and the tests that prove them
//
//   - A row that an application was told is committed is at the place where the tenant lives, once
//     (TestWritersDuringMove), whenever the mover is killed (TestKilled; at every point: TestSoakKilledEverywhere).
//   - The switch is one commit in the source: the gate closes, tokens are refused and the move is
//     past the point together or not at all. A mover that dies in the pause lets the waiting writers go on.
//   - Other tenants are never made to wait for longer than a trigger is created (TestWritersDuringMove).
//   - The target's triggers do not fire on what is copied, and its foreign keys hold afterwards (TestOddSchema).
//   - What cannot be followed is refused before anything is done: unclassified relations, keys that lead
//     to private tables, a target with rows of the tenant (TestRefusals).
//   - Two moves of a tenant at once: one is refused (TestTwoAtOnce).
//
// # Threat model
//
// The mover signs in as an administrator of both databases, and can read and change everything
// there; it is to be trusted as they are. The application's role cannot pass the gate, write into the
// journal, or make the triggers look away (TestGateHolds). Not covered: DDL on the tables during a move
// (found before the switch, and refused), what owners and superusers do with triggers switched off
// (found by the checksums), large objects, and whatever of the application is kept outside the database.
package move
