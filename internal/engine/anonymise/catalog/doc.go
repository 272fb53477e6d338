// Package catalog is what a database holds, as far as a copy of it must know: tables and their columns, keys, sequences, partitions, large objects.
//
// [Read] asks PostgreSQL's own catalogue, which any role that may connect can read; the number of its questions does not depend on the number of
// tables. It reads no row.
//
// Left out are the schemas of PostgreSQL, the schema garant, and temporary tables. Named in [Database.Other], because a copy does not carry them, are foreign
// tables, tables of extensions, publications, subscriptions and event triggers.
//
// Tests: read_test.go, on a schema with everything that is odd, as a role that may read nothing but the catalogue; TestReadManyTables for its speed.
package catalog
