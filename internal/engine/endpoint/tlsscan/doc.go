// Package tlsscan looks at a TLS server as a stranger does: it writes ClientHello records by
// hand, one connection per protocol version and per cipher suite, and reads what comes back.
// It holds no opinion of crypto/tls about what is worth offering, so it can offer SSL 3.0 and
// export ciphers and see whether the server takes them.
//
// # Verdicts
//
// Accepted: the server chose exactly the version that was offered and sent its whole first
// flight (up to ServerHelloDone, or in TLS 1.3 the first encrypted record).
//
// Refused: the server answered the hello with an alert, a close, a reset, or a ServerHello of
// a lower version, and another version was Accepted in the same scan. A close or a reset is
// tried twice before it counts.
//
// Unknown: everything else. Silence, a cut answer, bytes that are no TLS, a version nobody
// offered, a refusal by a server that accepted nothing. Unknown is never a refusal.
//
// # Bounds
//
// Each connection has a deadline; a record is at most 16 KiB + 2 KiB, a flight at most 256 KiB
// in at most 512 records; a server is asked at most once per suite that the table knows. What
// a stranger sends is parsed by [cryptobyte] and fuzzed (FuzzServerHello).
//
// # What it cannot see
//
// Suites that need a shared secret (PSK, SRP, Kerberos) and national suites outside the table
// (GOST) are not offered. In TLS 1.3 the key exchange is not completed: the server's Finished
// is not verified. Whose server it is, is the certificate check's business.
//
// Sources: RFC 6101 (SSL 3.0), 2246, 4346, 5246, 8446 (TLS 1.0–1.3), 5746 (renegotiation
// SCSV), 6066 (SNI), 7627, 7685 (padding), 8422 (curves); PostgreSQL's protocol 3.0, "SSL
// Session Encryption".
package tlsscan
