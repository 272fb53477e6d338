// Package discover proposes an estate: it looks at what the user named, and only at that, and
// writes a garant.yaml in which every line says why it is there.
//
// # Sources
//
// A [Source] is an adapter to one kind of place where systems can be seen. Today: names and
// certificates ([DNS]) and PostgreSQL ([Postgres]). A further one (a cloud account, a cluster)
// is a type with three methods, and passes the one suite that all of them pass, discovertest.Check.
// [Find] runs sources side by side, within [Budget], and turns what they found into a [Result].
//
// # Invariants
//
//   - Nothing but the resolver and what was named is asked: hosts at or below a domain of
//     [Ask], and the hosts of a database URL. A source reaches the network only through the
//     [Way] that it is handed, and that refuses everything else ([Guard]); an address may be
//     dialled once a permitted name has resolved to it. No certificate log, no search engine,
//     no public service; nothing is reported to anyone.
//   - Looking changes nothing: one GET, one TLS handshake, one SSLRequest; in PostgreSQL one
//     transaction that the server itself holds to reading.
//   - A certificate is read, never trusted: the handshake takes any, so that a bad one can be
//     told, and nothing secret is sent after it (probe.go).
//   - What could not be looked at is a [Note], with the reason; nothing is left out silently.
//   - The same answers give the same proposal, whatever came back first.
//   - No password or other secret gets into a proposal, a note, an error or progress.
//   - What strangers send is bounded in size, time and number, made printable, and written by
//     an encoder; the text is then read back by estate.Validate and compared with what was
//     meant, so that a name cannot become a key. A draft that differs is refused.
//   - Whatever hangs, Find returns within Budget and [grace].
//
// # Files
//
// [Write] never replaces a file and leaves either the whole of it or nothing.
//
// The proof: discovertest (each source), guard_test.go, draft_test.go and FuzzDraft (what the
// writer does with hostile names), dns_test.go (time), interview_test.go, write_test.go; the
// command as a whole in cmd/garant/testdata/init.txtar.
package discover
