// Package merkle holds the trees of the record: what of them is signed, stored, proven and verified, without a database.
//
// Hashes are those of RFC 6962; tiles, checkpoints and cosignatures have the forms of C2SP (tlog-tiles, tlog-checkpoint,
// tlog-cosignature), so that any client of a transparency log follows ours. One tree holds the company's entries, one those of each
// customer, and the root log the heads of all these, as lines:
//
//	garant/tree v1
//	NAME SIZE HASH        (tenant/UUID or company; decimal; base64)
//
//	garant/time v1
//	2026-11-27T18:20:00Z  (the log was looked after at that time)
//
// Only the root log is signed as it grows, and cosigned. The head of another tree counts by being in it; a signed
// checkpoint of that tree is made when somebody asks.
package merkle
