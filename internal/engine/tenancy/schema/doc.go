// Package schema is a model of a database as tenancy needs it: relations with columns, keys,
// policies and rights, roles, what views read. [Read] takes it from the catalogue in one
// read-only transaction, as any role that may connect, and never reads a row of a table.
//
// What the catalogue does not tell this role, or does not know, is said in [Database.Unseen].
package schema
