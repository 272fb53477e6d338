// Package portal is where a customer reads and exports its own activity log: pages of an origin of their own, and calls for
// programs. There is no login here: the application that a customer uses has its users' tokens of tenants, and sends the
// browser with one of them.
//
// # How a customer comes in
//
// The application asks for a token with the audience NAME@garant for the login of its user, and has the browser post it, by a form
// of its own page, to /enter of the portal. The database says whose it is; the browser is given it back in a cookie that no
// script reads and that goes to no other host, until it expires, a quarter of an hour later. Each request shows the token to the
// database anew, so that a session that was ended is refused at its next request.
//
// # What it guards
//
//   - A customer sees its own rows and nobody else's. No query here names a customer: they run as garant_portal, under the token,
//     by policies with FORCE ROW LEVEL SECURITY (own.sql of engine tenancy). Its tree of the log is chosen by whom the database named.
//   - What is shown and handed out is what the log holds: an entry that somebody changed in the database since is an error, on pages, in exports
//     and at the API.
//   - Personal data before and after a change is opened in the story of one object and in exports that ask for it, and nowhere else. Both
//     are entries of the customer's own record, written before anything is shown.
//   - Of the company's people a customer sees that they are its people and an id that stays the same, no name; addresses of
//     requests are not shown.
//
// # Against
//
//   - Another customer's token put upon a browser (login CSRF; /enter takes posts of other origins, that is what it is for): every
//     page says whose log it is, and there is nothing to type in that such an attacker could read later.
//   - Tokens in addresses, logs, the history, the Referer header: they travel in bodies and the cookie only; pages are never cached.
//   - Guessing: refused tokens are counted by address, as at the API.
//   - A way back that leads elsewhere: the application says it, so that the link shows its host, and nothing is sent there.
//   - SQL and formulas in filters and entries: filters are parameters; exports guard cells.
//
// Shown by TestPortal… (pages, exports, API and attacks on a real database), TestInABrowser (from the application to a verified
// bundle, axe-core, without JavaScript).
package portal
