// Package audit is the record of who did what, which nobody can rewrite unnoticed.
//
// A permitted change and its entry commit together or not at all: Record and Write take the
// transaction of the change. A refused attempt is recorded in a transaction of its own by
// Refused. Serving roles may only insert; the number, the time and the transaction of an entry
// are given by the database and cannot be chosen. Entries hold ids, never names or values of
// personal data, but for Changes, which are sealed under the key of whose data it is.
//
// # What makes it hold
//
//   - Each entry is signed (Pen) with a key of its process that does not stand in the database: who changes or invents a row
//     cannot sign it.
//   - Each process counts its entries and tells in signed heartbeats which of them were committed: who takes a row away before it is in
//     a tree leaves a number that is missed. Writers take no lock for that. A server sees every ten seconds that what it told is still there or was heard.
//   - Within a fraction of a second package sequence puts entries into Merkle trees (package merkle) whose heads are signed: from then
//     on who changes, adds, moves or takes away one is found out by whoever holds a head.
//   - Engine auditlog brings heads and leaves to a second account where nobody can delete, and has them cosigned by witnesses.
//
// # What remains possible
//
//   - A process that lies when it writes: the record says what it was told.
//   - Who holds both the database and the key can rewrite what no witness and no second account has seen yet.
//   - What a process wrote in its last second before it was killed is in the record, but nobody told of it: taken away before it
//     is sequenced, it is not missed.
package audit
