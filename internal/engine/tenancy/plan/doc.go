// Package plan decides what isolation needs of a database. [Propose] classifies every relation
// and writes what it decided, and what it could not, into a manifest; [Steps] compares a manifest
// with the catalogue and gives the statements that are missing, each with its lock, its cost and
// what takes it back.
//
// Both are functions of what package schema read: they ask nothing and change nothing. A database
// to which everything was applied has no steps.
//
// # Fail closed
//
// What leads to no tenant is private until the reviewer says otherwise; what is new since the
// manifest was reviewed has a doubt that blocks; a relation without an entry is never granted
// (TestNewTableIsNotGranted). A role of the application that owns tables, bypasses policies or is
// superuser stops the plan ([Refusals]).
package plan
