// Package issuer is an OpenID provider for development: its sign-in page asks for no password, but
// lets whoever sees it choose one of the invented users it was given. It must never be reachable
// from another machine; it serves what speaks to it on loopback and refuses everything else.
//
// It is otherwise what an application would meet in production: discovery, a key set, the
// authorization code flow with PKCE (S256 only), single-use codes, rotated refresh tokens, ID
// tokens signed with RS256 (OpenID Connect Core 1.0, RFC 7636).
package issuer
