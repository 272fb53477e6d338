// Package directory knows the persons of the staff, what each may do, and how each proves who
// they are.
//
// # What it promises
//
//   - Nobody signs in by one link or one code. A link or a recovery code opens a session that may
//     do one thing: register a passkey with user verification. From then on the session is whole,
//     under a new token. The passkey is the same strength on every path (OWASP ASVS 6.3.4, 6.4.3).
//   - A sign-in link of a person who has a passkey does not work: a link made by somebody else
//     must not stand in for what the person holds. A recovery link does, ends the person's other
//     sessions and leaves a notice.
//   - Every secret is random, shown once, and stored as SHA-256. Slow hashing protects what people
//     choose; against 80 random bits (recovery codes) or 256 (the rest) guessing is hopeless
//     either way, and a fast hash gives strangers no way to keep the processor busy.
//   - Links, codes and ceremonies work once, whatever arrives at the same moment on whatever
//     server: a single statement decides in the database.
//   - Unknown address, wrong code and disabled person are answered alike, after the same
//     statements.
//   - Sessions end after idling, absolutely, at sign-out, when revoked and when the person is
//     disabled; the token of a session means nothing elsewhere. A clock that jumped back opens
//     nothing: a session from the future is refused.
//   - An auditor's seat has an end, a year away at most. From that moment on sessions, API tokens,
//     links, passkeys and recovery codes open nothing, and it stays over when a clock goes back:
//     only somebody who manages persons sets another end, and that is recorded.
//   - The last security lead can be neither disabled nor made something else.
//
// Each operation takes the actor, checks the permission, and commits with its entry in the audit
// record or not at all; a refused attempt is recorded too. Addresses, names of persons and names
// of their devices are sealed under the person's own key.
//
// # Two database roles
//
// Sign-in and one's own account work as garant_login, the management of persons as garant_staff.
// Migration 20261124000002 gives each the columns it needs: staff reads no hash, login writes no
// person.
//
// # Threats considered
//
// A scanner that follows links in mail (following is not redeeming: see web/signin); a link
// forwarded or found in a log (15 minutes, once, enrols only, and leaves a trace that the person
// sees); a copied session cookie (revocable, idle end, fresh passkey needed for what would
// outlive the session); a copied passkey (counter that goes back is refused and recorded);
// guessing by one machine or by many at one person (counts per origin and per person, in the
// database); a database dump (no usable secret). Not covered: who controls the person's unlocked
// device, and who is root on the server.
//
// The proof is in the tests of this package and of web/signin, where each of these is tried.
package directory
