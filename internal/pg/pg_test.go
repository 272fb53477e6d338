package pg_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// Each statement is one that a serving role must not be able to run: the design's promise that
// rows of the record and of evidence are only ever added, and that public pages read the
// projection only, stands or falls here.
func TestRolesAreRefused(t *testing.T) {
	db := pgtest.New(t)
	ctx := context.Background()
	appendOnly := map[string]string{
		"audit.entry": "action", "measure.evidence": "outcome", "measure.state_change": "state", "annex.published": "measure_id",
		"witness.statement": "signature", "annex.history": "state", "annex.document": "hash", "annex.revision": "kind", "annex.pulse": "minute", "estate.version": "source", "estate.confirmation": "reason",
	}
	for _, role := range pg.ServingRoles() {
		for table, column := range appendOnly {
			for _, sql := range []string{"DELETE FROM " + table, "UPDATE " + table + " SET " + column + " = " + column, "TRUNCATE " + table} {
				if err := try(ctx, db, role, sql); !errs.Is(err, errs.Denied) {
					t.Errorf("%s may run %q: %v", role, sql, err)
				}
			}
		}
	}
	refused := map[pg.Role][]string{
		pg.Public: {
			"SELECT count(*) FROM audit.entry", "SELECT count(*) FROM measure.evidence", "SELECT count(*) FROM estate.version",
			"SELECT count(*) FROM directory.person", "SELECT count(*) FROM crypt.key", "CREATE TEMP TABLE x (y int)", "CREATE TABLE public.x (y int)",
		},
		pg.Portal:  {"SELECT mac FROM audit.entry", "SELECT origin FROM audit.entry", "SELECT count(*) FROM audit.leaf", "SELECT sealed FROM tenancy.key", "SELECT tenants FROM tenancy.job", "SELECT reason FROM tenancy.revocation", "SELECT actor_id FROM tenancy.minting", "SELECT count(*) FROM directory.person"},
		pg.Worker:  {"UPDATE audit.entry SET action = 'a.b'", "DELETE FROM audit.entry", "TRUNCATE audit.entry", "INSERT INTO audit.leaf DEFAULT VALUES", "INSERT INTO measure.evidence DEFAULT VALUES", "SELECT count(*) FROM directory.person"},
		pg.Checker: {"SELECT count(*) FROM audit.entry", "SELECT count(*) FROM river.river_job", "SELECT count(*) FROM crypt.key", "INSERT INTO annex.published (measure_id, payload) VALUES ('X', '{}')"},
		pg.Staff:   {"INSERT INTO measure.evidence DEFAULT VALUES", "INSERT INTO measure.state_change (measure_id, state, reason) VALUES ('ENC-1', 'met', 'x')", "SELECT count(*) FROM river.river_job", "UPDATE measure.current SET valid_until = 'infinity'"},
		pg.Login:   {"SELECT count(*) FROM audit.entry", "SELECT count(*) FROM measure.evidence", "INSERT INTO job.outbox (name, args) VALUES ('x', '{}')"},
	}
	for _, bad := range []string{ // nor write an entry that is none
		"'robot', 'x', 'a.b', 'permitted', NULL, NULL, NULL", "'person', '', 'a.b', 'permitted', NULL, NULL, NULL", "'person', 'x', 'no action', 'permitted', NULL, NULL, NULL", "'person', 'x', 'a.b', 'perhaps', NULL, NULL, NULL",
		"'person', 'x', 'a.b', 'permitted', repeat('x', 4001), NULL, NULL", "'person', 'x', 'a.b', 'permitted', NULL, 'mac', NULL", "'person', 'x', 'a.b', 'permitted', NULL, NULL, 'sealed'",
	} {
		for _, role := range []pg.Role{pg.Staff, pg.Worker} {
			refused[role] = append(refused[role], "INSERT INTO audit.entry (actor_kind, actor_id, action, outcome, reason, mac, changes, object_kind, object_id) VALUES ("+strings.ReplaceAll(bad, "'mac'", "'\\x00'")+", 'thing', '1')")
		}
	}
	for _, role := range pg.ServingRoles() { // nor fill the disk with what nobody watches
		refused[role] = append(refused[role], "SELECT lo_from_bytea(0, '')", "SELECT lo_create(0)", "SELECT lo_creat(-1)", "CREATE TEMP TABLE y (z int)")
		for _, elsewhere := range []string{"postgres", "template1"} {
			cfg := db.Pool(role).Config().ConnConfig
			cfg.Database = elsewhere
			if conn, err := pgx.ConnectConfig(ctx, cfg); err == nil {
				conn.Close(ctx)
				t.Errorf("%s may enter the database %s", role, elsewhere)
			}
		}
	}
	for role, statements := range refused {
		for _, sql := range statements {
			if err := try(ctx, db, role, sql); !errs.Is(err, errs.Denied) {
				t.Errorf("%s may run %q: %v", role, sql, err)
			}
		}
	}
	for _, column := range []string{"at", "xid"} {
		sql := "INSERT INTO audit.entry (" + column + ", actor_kind, actor_id, action, outcome, object_kind, object_id) VALUES (DEFAULT, 'system', 'x', 'a.b', 'permitted', 'o', 'i')"
		if column == "at" {
			sql = strings.Replace(sql, "DEFAULT", "'2020-01-01'", 1)
		}
		if _, err := db.Pool(pg.Staff).Exec(ctx, sql); !errs.Is(pg.Wrap(err), errs.Denied) {
			t.Errorf("staff may choose the %s of an audit entry: %v", column, err)
		}
	}
}

// try runs a statement in a transaction that may write, whatever the role's default is: a
// default is a setting that whoever holds the role can change.
func try(ctx context.Context, db *pg.DB, role pg.Role, sql string) error {
	err := pgx.BeginTxFunc(ctx, db.Pool(role), pgx.TxOptions{AccessMode: pgx.ReadWrite}, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, sql)
		return err
	})
	return pg.Wrap(err)
}

func TestWrapShowsNoValue(t *testing.T) {
	db := pgtest.New(t)
	_, err := db.Pool(pg.Worker).Exec(context.Background(), "INSERT INTO job.recurrence (name, slot) VALUES ('secret-value', now()), ('secret-value', now())")
	wrapped := pg.Wrap(err)
	if wrapped == nil || strings.Contains(wrapped.Error(), "secret-value") {
		t.Errorf("the error shows a value: %v", wrapped)
	}
	if !pg.Violates(err, "recurrence_pkey") || !pg.Violates(wrapped, "recurrence_pkey") {
		t.Errorf("the constraint is lost: %v", wrapped)
	}
}

// What only somebody else's statement stopped is known as that, bare or wrapped; nothing else is.
func TestInTheWay(t *testing.T) {
	conn := pgtest.Superuser(t, "postgres")
	for code, want := range map[string]bool{"55P03": true, "40P01": true, "40001": true, "42601": false, "23505": false} {
		_, err := conn.Exec(context.Background(), "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '"+code+"'; END $$")
		for name, err := range map[string]error{"bare": err, "wrapped": pg.Wrap(err)} {
			if pg.InTheWay(err) != want || pg.SQLState(err) != code {
				t.Errorf("%s, %s: %v, %q", code, name, pg.InTheWay(err), pg.SQLState(err))
			}
		}
	}
	if pg.InTheWay(nil) || pg.InTheWay(errors.New("55P03")) || pg.SQLState(nil) != "" {
		t.Error("something that the database did not say")
	}
}

func TestMigrateTwice(t *testing.T) {
	name := pgtest.NewName(t)
	dsn := pgtest.DSN(string(pg.Owner), name)
	taken, err := pg.Migrate(context.Background(), dsn)
	if err != nil || len(taken) != 0 {
		t.Errorf("a second migration took %v, %v", taken, err)
	}
}

func TestMigrateRefusesNewerSchema(t *testing.T) {
	name := pgtest.NewName(t)
	conn := pgtest.Superuser(t, name)
	if _, err := conn.Exec(context.Background(), "INSERT INTO public.goose_db_version (version_id, is_applied) VALUES (29990101000000, true)"); err != nil {
		t.Fatal(err)
	}
	_, err := pg.Migrate(context.Background(), pgtest.DSN(string(pg.Owner), name))
	if !errs.Is(err, errs.Conflict) {
		t.Errorf("a database of a newer build: %v", err)
	}
}

func TestInTxRollsBack(t *testing.T) {
	db := pgtest.New(t)
	ctx := context.Background()
	boom := errors.New("boom")
	err := pg.InTx(ctx, db.Pool(pg.Worker), func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO job.outbox (name, args) VALUES ('x', '{}')"); err != nil {
			return err
		}
		return boom
	})
	if err == nil {
		t.Fatal("no error")
	}
	var n int
	if err := db.Pool(pg.Worker).QueryRow(ctx, "SELECT count(*) FROM job.outbox").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows, %v", n, err)
	}
}
