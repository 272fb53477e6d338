// Package token puts schema garant into a database under guard: what lets stock PostgreSQL refuse
// a row to a transaction without a login of its tenant. Tokens are minted by
// github.com/garant-project/garant/tenant; here is what verifies them, in SQL, without an extension.
//
// # Two designs, one interface
//
// An application calls garant.enter(token) at the beginning of a transaction; policies compare a
// table's tenant column with (SELECT garant.tenant_uuid()), tenant_bigint() or tenant_text(). Without
// a context these are NULL, and there is no row.
//
//   - [Pinned]: enter verifies once per transaction and pins the context in a setting that the
//     application's role may not set. It needs one statement of a superuser, once.
//   - [Statement]: where nobody is superuser. The context is a ticket in a setting that anybody may
//     set; each statement verifies it. The ticket is bound to the beginning of the transaction.
//
// # Invariants, and the tests that prove them
//
//   - No setting that the application's role may choose makes the key, or a MAC that the caller did
//     not bring, appear in what the server answers (TestKeyStaysIn).
//   - One transaction serves one session: a second tenant, other rights, an open cursor are
//     refused (TestSecondTenant, TestCursors); savepoints give back what was (TestSavepoints). RESET ALL throws the
//     context away: then only another token gives one again (TestThrownAway).
//   - The end of a session, of a token and of a key ends the transactions that entered with it, within a
//     sweep, whatever they say (TestRevocation, TestExpiry, TestLeakedKey, TestLocksStay, TestDiscardAll); an older
//     snapshot, own or imported, does not let it in (TestSnapshots, TestImportedSnapshot). A ticket of design
//     [Statement] that gave up its locks opens nothing after that end (TestTicketWithoutLocks, TestTicketOfOneMessage);
//     above READ COMMITTED the end of its session shows only when its token expires.
//   - What was ended stays out however many they are, at once or one after the other (TestManyEnds, TestEndsAtOnce),
//     and after an upgrade (TestUpgradeFromVersion1).
//   - A token of another database or installation, of an unknown or retired key, with any bit
//     changed, is refused (TestRefused); a copy under another name refuses all (TestCopyRefuses).
//   - The pin and the ticket cannot be set, kept or brought along (TestContextCannotBeSet,
//     TestNothingStays); what the session's id looks like is no tenant (TestSessionIsNoTenant).
//   - Keys stand in no dump of who may read all data, and come in without standing in a statement
//     (TestKeyIsUnreadable, TestStatisticsHoldNoKey).
//   - Another [Install] puts back what somebody changed, dropped or granted in the schema, or refuses where it
//     cannot; it does not write to what is as it should be (TestRepair, TestRepairRefuses).
//
// # Threat model
//
// Who speaks SQL as the application's role, by injection or with its password, together with valid tokens of
// tenants of their own. Not covered: a superuser, the owner of tables, roles with BYPASSRLS,
// backups and replication (they are declared, and the isolation check holds the database to the
// declaration); denial of service by who speaks SQL as the application, who may also terminate its other
// connections; what a session wrote before its end and prepared for a commit in two phases (leave max_prepared_transactions
// at 0); rows that a policy does not guard (package verify of engine tenancy).
package token
