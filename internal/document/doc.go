// Package document keeps the documents that attestations and registers hang on: encrypted in
// PostgreSQL, never opened by Garant, given back as they came.
//
// # What it promises
//
//   - A document is at most [MaxSize] and of a type on the list in kinds.go, told by its content.
//     What the name says must agree: a document that lies about its type is refused, and so is
//     whatever a browser or an office program would run (HTML, SVG, scripts, programs, macros).
//     What cannot be told is refused.
//   - Content and name are sealed under a key of the document's own ([crypt.Box], subject
//     "document:ID"), in pieces whose order and number are part of what is sealed: none can be
//     swapped, dropped or moved to another document. Erasing is destroying that key ([Store.Forget]);
//     the rows stay, unreadable, in backups too.
//   - A document belongs to one owner and opens for that owner only: an address that names another
//     register's document finds nothing.
//   - Every reading is in the audit record, in the transaction that reads.
//   - It is served as an attachment that no browser runs or guesses at ([Serve]).
//
// Garant never parses a document beyond its first bytes and, of an office document, its list of
// parts; nothing is unpacked. A file that is two things at once therefore costs its reader's
// program, not this one.
//
// # Who may
//
// The package knows no permissions: who may add to an owner or read from it is the owner's to say
// (an attestation, a register), before it calls.
//
// # Personal data
//
// Name and content are sealed. Type, size, times and SHA-256 are not: who holds both the database
// and a copy of the document can see that it is the same.
package document
