// Package tenant lets an application work under a login of its customer, held apart from every
// other customer by PostgreSQL itself.
//
// A [Token] proves the login: the key holder mints it ([Key.Mint]), the application carries it, and
// the database verifies it at the beginning of each transaction. What is entered without one sees no
// row of any tenant.
package tenant
