// Package crypt keeps personal data and secrets unreadable in the database and in its backups,
// and makes erasure possible where rows must stay.
//
// # Envelope
//
// Each subject (a person, a tenant, a purpose) has a data key of its own: a Tink keyset with
// AES-256-GCM, kept in table crypt.key wrapped by a [Provider], with the subject as associated
// data. A [Box] seals a value under its subject's key with subject and field as associated data,
// so that a value copied to another row or another column does not open. Destroying the row of
// crypt.key ([Box.Forget]) destroys all that was sealed under it, in backups made later too.
//
// The row is read for every value that is opened or sealed; only the unwrapping is remembered
// (bounded, by the digest of the wrapped key). Erasure therefore holds at once on every server,
// and a key made by a transaction that rolled back is never used again.
//
// # Looking up what is sealed
//
// [Box.Index] is a keyed hash (HKDF-SHA-256 as a PRF, its key wrapped like the others under the
// reserved subject "index"), by which a row can be found by its e-mail address without storing
// the address. It tells equal values apart from different ones, nothing else, and nothing at all
// to who holds the database without the provider's key.
//
// # Providers
//
// The key file ([OpenKeyfile]) is the provider of a single machine. Others satisfy [Provider]
// and pass the suite in crypttest. A provider's name is stored beside each key that it wrapped:
// another key file is told apart from a damaged row. A key file that is missing is never made
// anew while the database holds keys that need the old one.
package crypt
