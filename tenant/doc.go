// Package tenant lets an application work under a login of its customer, held apart from every
// other customer by PostgreSQL itself.
//
// A [Token] proves the login: Garant mints it against an ID token ([Exchange]) or for an accepted job
// ([Job]), the application carries it, and the database verifies it at the beginning of each transaction,
// in that transaction's own round trip. What is not entered with one sees no row of any tenant.
//
//	login := tenant.Cache(tenant.Exchange{Endpoint: garant, Audience: "shop", IDToken: idToken}) // kept with the session
//	db := tenant.For(tenant.Single(pool), login)
//	rows, err := db.Query(ctx, `SELECT id, name FROM shop.item WHERE done = $1`, false)
//
// [Places] follows tenants who have a database of their own. Package stdsql is the same for database/sql.
// docs/tenant-sdk.md has the contract in SQL and HTTP, and the Go side of it with every error.
package tenant
