// Package pg is the way to PostgreSQL: roles, pools, transactions and migrations.
//
// Every part of Garant connects as the database role that its work needs and no other
// (roles.sql says what each may do), so that a fault in the public pages, say, meets the
// database's refusal and not only ours. Nobody holds a connection of the owner while serving:
// migrations open one and close it.
//
// Errors of the database carry values of rows (DETAIL, CONTEXT). They are cut down by Wrap to
// SQLSTATE, table and constraint before anybody sees or logs them.
//
// Sub-packages: cluster runs private clusters from the machine's binaries, pgtest gives tests
// a migrated database of their own.
package pg
