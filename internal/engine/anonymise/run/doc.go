// Package run makes anonymised copies of a database: it reads the source under one snapshot, replaces what the plan names on the way, scans what comes out, makes a whole database of it in
// another cluster, proves it, and only then gives it the name under which developers know it.
//
//	report, err := run.Copy(ctx, run.Options{Source: …, Target: …, Name: "shop_dev", Plan: p})
//	if err == nil && report.Passed() {
//		_, err = run.Publish(ctx, run.PublishOptions{Target: …, Report: report})
//	}
//
// # Stages
//
//	schema  the catalogue is held against the plan; pg_dump under the snapshot, into a database that nobody but the copier may enter
//	set     identifying columns are read into the set of package seen, with the canaries
//	copy    COPY … TO → transform → scan → COPY … FROM, by tables and by ranges of pages; then the key is erased and the snapshot let go
//	after   indexes, constraints and triggers; sequences, materialised views, rights, statistics
//	proof   rows, schema, k-anonymity, leaks
//
// # Invariants
//
//   - Nothing that the plan does not know is copied: a table, a column, another type, an open question, a transformer that does not fit stop the run before a row is read; an unknown path in a document
//     stops it when it comes.
//   - No row touches a disk between the two servers. The schema passes through a file without a name.
//   - A copy that is not proven is dropped. What a killed run leaves behind is not served, nobody else may enter it, and Clean takes it; the lock that tells living runs from dead ones goes with the
//     connection.
//   - The names change in one transaction of the target. There is no moment at which a name is served by half a copy, and nothing to mend after a crash.
//   - Errors and reports tell SQLSTATE, table, column, constraint, counts; never a value. Of what PostgreSQL's programs say only names of the schema are repeated.
//   - The key lives as long as the copy stage. A run is never resumed: it begins again with another one.
//   - The source is only read, in short transactions under the exported snapshot, so that no lock outlives a piece of work; that the tables were not rewritten meanwhile is proven
//     by the files that they lie in. The reader sees through row-level security or the run stops.
//   - Memory is bounded: blocks of 128 KiB, one row of at most [Options.MaxRow] for each worker, the set.
//
// # What the copy does not get
//
// Publications, subscriptions, foreign servers and tables, user mappings, event triggers, large objects, owners, rights, statistics, the schema garant and what hangs on it
// (defaults, policies, triggers). [Report.LeftOut] names them.
//
// # Threat model
//
// A developer with all rights in the copy, who knows people of the source: see packages transform, leak and reidentify. Whoever publishes by hand: a database says by its comment which run
// made it, and with what proof; others show as foreign and are never overwritten. An operator who names the source's cluster as target: refused by its system identifier, which replicas share.
// Not covered: an administrator of the target who forges a comment. Rows come in random order: pieces of 64 MB, within each its megabytes, and the rows within blocks of 128 KB. What remains: rows
// that lie within one megabyte of the source, or a sixteenth of a smaller table, lie within one of the copy.
//
// Tests: run_test.go (a shop end to end, read again by a scanner of the test's own), fault_test.go (what must stop a run), killed_test.go (connections cut in each stage), publish_test.go, order_test.go.
package run
