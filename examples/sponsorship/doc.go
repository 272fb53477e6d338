// Package sponsorship is a small real application on Garant: associations ask companies for a
// sponsorship, the companies' staff review what is asked, grant or refuse it, and pay.
//
// Several companies, its customers, live in one PostgreSQL database. No statement here says whose
// rows it wants: there is no condition on a customer anywhere (TestNoStatementNamesACustomer holds
// it). Each transaction begins with a tenant token, through the SDK, and the database itself shows
// and takes the rows of that token's customer and no others.
//
// # Where tokens come from
//
// Staff sign in at an OpenID issuer (the login that a company already has). The application
// exchanges their ID token at Garant for a tenant token ([Exchanger]), one for reading, which every
// page uses, and one for writing, which only forms that change something ask for. Tokens live in
// memory, a quarter of an hour, and are renewed from the session.
//
// Whoever asks for a sponsorship has no login. The public form of a customer runs under a token of
// the named service job "application-form", which that customer has accepted: what a stranger
// sends reaches that one customer's rows, whatever they manage to make of it.
//
// # What the application still does itself
//
// Who of a customer's staff may review or pay is the application's own rule (role in
// customer.member, read under the token). Isolation between customers is not: a mistake here, or
// SQL injected into it, stays within one customer.
//
// Everybody and everything in it is invented.
package sponsorship
