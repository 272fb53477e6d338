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
//	garant/noticed v1
//	KIND
//	ABOUT                 (what did not fit together: package audit/sequence)
//
// Only the root log is signed as it grows, and cosigned. The head of another tree counts by being in it; a signed
// checkpoint of that tree is made when somebody asks.
//
// # Bundles
//
// What a customer downloads and verifies years later is a bundle (BundleWriter, VerifyBundle; docs/audit-bundle.md). A verifier is as good as what is
// pinned: without the log's key from elsewhere nothing is called verified, without those of witnesses nobody vouches that others saw the same
// log, without an earlier checkpoint a history that was made anew looks like any other. A report says which of these it rests on, and what it does not prove.
//
// Proven by TestCosignaturesAreThoseOfTorchwood, TestBundlesOfEverySizeHold, TestTamperingIsFoundOut, TestABundleGoesOnFromWhatWasKept, TestOnlyTheOneFormIsRead,
// TestEveryByteOfABundleCounts, FuzzVerifyBundle; bundles are read a second time there by a verifier that shares no code with this one.
package merkle
