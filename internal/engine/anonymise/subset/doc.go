// Package subset fills a developer's own database, or a directory that pg_restore reads, with a consistent part of a published copy.
//
//	report, err := subset.Take(ctx, subset.Options{
//		Source: "postgres://dev@copies/shop_dev", Target: "postgres:///shop_dev", Subset: subset.Subset{Kind: subset.Percent, Percent: 5},
//	})
//
// A subset is always of the published copy, never of production. The developer has credentials for the copy and no way to the source; what leaves has been proven already, so nothing is
// replaced here. A database whose comment does not say that a run proved and published it is refused.
//
// # Which rows come
//
// A reference is a foreign key; or a pair x_type, x_id whose types name tables; or what [Subset.References] declares. It is mandatory when none of its columns may be NULL.
//
//   - Tables of at most [Subset.Small] rows that have no mandatory reference to a table that is not such a one come whole, as do those named in [Subset.Whole].
//   - Percent: that part of the rows of each table that leads, chosen by a hash of their keys under the seed. A table leads when it has no mandatory reference to a table that does not come whole;
//     of tables that depend on each other in a cycle the one with fewest rows. Every other table comes with the parent that leads it: of its mandatory parents the one with most rows, since
//     that one's rows have the fewest children. So an order's lines come with the order, and not with the product. Where there is a table of tenants, and the part makes at least one of
//     them, tenants are chosen, and rows come as with Tenants.
//   - Tenants: the tenants, all rows that hang on them by any path of mandatory references, and rows that refer to a tenant directly.
//   - Queries: rows that fulfil the condition of their table, and all that hang on them. A table with a condition has no other rows but those that others refer to.
//   - Always: everything that a chosen row refers to, by any reference, and so on. These rows do not bring their children.
//
// The last rule is a fixpoint over sets of rows: composite keys, references to the same table, cycles of any length and NULL on the way need no rule of their own.
//
// # Invariants
//
//   - Every foreign key holds, because PostgreSQL validates them when they are made; a subset that breaks one fails as a whole. Schema and sequences are those of the copy; a difference fails.
//   - The same copy, subset and seed give the same rows. The next copy has other keys, and so other rows.
//   - Nothing stands under the name of the target before it is whole: the database is made as NAME_pull_ID and renamed in one transaction, the directory beside its place. A killed
//     pull leaves one of these, which the next one takes away.
//   - All is read under one snapshot. Rows are known by their places (ctid), kept in memory as one bit for each place of a page that a relation has up to its last chosen row: half a per cent of its file. While the pull
//     lasts, locks keep the tables from being rewritten. No right but SELECT is needed, no temporary table, no key; a standby can be read.
//   - Errors, progress and reports hold no value.
//
// # Not covered
//
// Whoever may write the comment of a database can make it look like a copy. A reference inside a document or an array is not seen. The foreign key of a copy that is NOT VALID stays so, and rows may break it.
//
// Tests: subset_test.go and shapes_test.go (each kind on a database with everything that is awkward, held against the rules by SQL of the test's own), directory_test.go, broken_test.go (what is refused, broken off or killed).
package subset
