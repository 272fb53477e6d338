// Package tenancy mints the tokens without which a guarded database gives no row of a tenant, and
// keeps what that takes: the keys, the record of every minting, the sessions that were ended, the
// service jobs that two people accepted. The SQL that verifies tokens is package token; what puts a
// database under guard and proves it apart are the sub-packages.
//
// # Who is given a token
//
// An application with an API token that may ([actor.MintTokens]), and only against a proof:
//
//   - a verified ID token of the issuer that the estate declares (OpenID Connect): its tenant claim
//     is the tenant, its session claim the session;
//   - a service job: named, asked for by one person, accepted by a second, for tenants that are
//     listed, or for any where both said so, until a day.
//
// A check may have a token of its own kind for probing. A developer mints with a key of their own,
// on their machine ([DevelopmentKey]); that needs no Garant, and works for no database of an estate.
//
// # Invariants, and the tests that prove them
//
//   - No token without its row in tenancy.minting and in the audit record, in one transaction that
//     commits first; nothing of a token or of an ID token is in either, in a log or in an error
//     (TestMinting, TestNothingLeaks).
//   - Nobody chooses a tenant: forged, expired, foreign, unsigned and re-targeted ID tokens are
//     refused (TestIDTokens); the issuer's keys are asked for within bounds, and held when it is
//     away, until they are too old (TestIssuerAway, TestIssuerKeys).
//   - A service token is refused by the database itself unless a second person accepted the job
//     (TestServiceJobs). A session that was ended is given no token again (TestRevocation).
//   - A key is sealed here before it is there, and used once it is there. Whatever is killed in
//     between is taken up again, whoever comes first; two servers make one key (TestKilled,
//     TestTwoServers). A key that retires lives as long as its last token (TestRotation).
//   - A database that was restored, copied or moved is told by its keys, its name and its system's
//     identifier, and gets no token until somebody keys it anew (TestRekey).
//   - A customer reads what Garant knows of it through garant_portal, which sees no row but inside its tenant context
//     (TestPortal, TestPortalRole); Garant's own database is held to that as any other (TestOwnIsApart, TestOwnIsLookedAfter).
//   - What one person has changed in the estate widens nothing by itself (estate.Database.Minting).
//
// # Threat model
//
// Somebody with the application's credentials and those of users of their own, who wants another
// tenant's token. Somebody who may read Garant's database, without its key file. An operator who
// points Garant to another database or another issuer. Not covered: the issuer itself, which says
// who is of which tenant; a member of garant_keeper, who can put a key in (the check tells a key that is
// not ours); who holds Garant's database and its key file.
package tenancy
