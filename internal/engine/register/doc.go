// Package register runs the registers: typed lists with a life cycle that the law or the annex
// asks for. A register is declared once (Definition); from the declaration come its list, form,
// page, history, CSV in and out, calls of the API and reminders. docs/registers.md shows how to
// add one.
//
// The first registers are persons, teams, sites, assets, documents and suppliers. Their checks
// give evidence for PHY-3, PHY-7, PHY-8, PHY-9, CLS-1, AST-1, BCP-1, CON-1, NDA-1 and TEL-1.
//
// # Invariants
//
//   - A change, its line of history and its audit row commit together or not at all; a refused
//     attempt is recorded. Two people who edit one entry never overwrite each other unseen: the
//     second gets a conflict with both versions (TestTwoPeopleEdit).
//   - A personal value is sealed under a key of its entry's own. It is in no index, no history, no
//     audit row, no log and no search, and is shown to who may read persons only; a unique one is
//     compared by a keyed hash (TestPersonalValues). Erasing an entry destroys its key.
//   - A CSV file is imported whole or not at all, and each line that is wrong is named with its
//     column and reason (TestImport…).
//   - What was published of a document no longer changes. An acknowledgement names the version and
//     the digest of what was shown, and rows of both are only ever added (TestAcknowledge…).
//   - A check reads as a role that sees no personal value. A register without entries proves
//     nothing, and a database that does not answer is an error, never a pass.
//
// # Threat model
//
// Somebody who may change registers can write what is not so: the registers show who did and
// when, they cannot tell truth. Somebody with the database alone reads dates and kinds, not names
// or addresses. A spreadsheet that is imported can hold formulas: they are kept as text, and
// every cell that goes out is made harmless. A large or crooked file is bounded in bytes, lines
// and letters before it is kept.
//
// Not covered: whether a person really read what they confirm.
package register
