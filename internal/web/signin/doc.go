// Package signin lets the staff in and gives each person their account page.
//
// # The way in
//
// A one-time link leads to a page with a button: programs that follow links in mail do not press
// buttons, so they use nothing up. The button opens a session that can register a passkey and do
// nothing else; after that recovery codes are shown, once. From then on the passkey alone signs
// in. A recovery code opens the same narrow session as a link does.
//
// # The cookie
//
// It holds the session's token and nothing else. Over TLS it is called __Host-garant, which
// browsers accept only as Secure, for the whole path and for this very host; on plain HTTP, which
// the server speaks on loopback only, it is called garant. It is HttpOnly and ends with the
// browser. SameSite is Lax, not Strict: with Strict, whoever follows a link from a mail or a chat
// into the console would arrive signed out. Requests that change something are POST, and the kit
// refuses those that come from another site, so that Lax gives nothing away.
//
// Programs send an API token instead: Authorization: Bearer garant_….
//
// # Scripts
//
// WebAuthn needs one; signin.js is all there is. It sends JSON to the addresses that the page
// names and shows errors in the page's own words.
package signin
