// Package manifest holds isolation.yaml: which relations of a guarded database belong to
// tenants, which are shared and which the application never sees.
//
// It is written by garant isolation plan, corrected by a person, kept beside the application's
// migrations, and is what apply carries out and verify holds the database to. [Write] gives
// sorted YAML that explains itself; [Parse] reads it strictly: an unknown key, a name that
// PostgreSQL would read otherwise, an anchor are mistakes, each told with its line and what to
// write instead ([Problem]). A file with a mistake gives nothing.
//
// # Fail closed
//
// What the file does not name is unclassified: the application has no right on it. A doubt that
// begins with "decide:" blocks apply until the reviewer has removed the line ([Table.Blocking]).
//
// # Names
//
// Relations are written as PostgreSQL would print them ("Odd Schema"."T.x"), because two
// identifiers stand in one word ([Qualified], [Split]). Columns, roles and the database are one
// identifier each and stand as they are: tenantId, not "tenantId".
package manifest
