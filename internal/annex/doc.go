// Package annex is the live document.
//
// The Publisher, as garant_worker, derives the state of every measure, records each change of
// state, and writes the published projection: what the public may know, and nothing else.
// Names of targets, expected and actual values, persons and addresses are not in it.
//
// The Reader, as garant_public, sees only the projection. It holds a snapshot in memory that
// it renews twice a second; a sentence therefore withdraws itself within a second of its
// evidence. When the projection cannot be read for ten seconds, or nobody has looked after it
// for a minute, the pages say that the annex cannot be verified now: they are never served
// stale. A state that was met turns stale on the page by itself when its evidence expires,
// whether or not anything else runs.
//
// Beside the changes of state, the Publisher records what changes of the text: sentences and the
// figures in them, the systems that a measure covers, the company, its sub-processors. It does so
// in the transaction that publishes the change, by comparing what is published with what was.
// Both histories together are the changes that readers see, as a page and as a feed (RFC 4287).
//
// Rows of the projection are only ever added, so the page of a past day is what was published
// at that moment; a moment at which nobody looked after the annex asserts nothing.
package annex
