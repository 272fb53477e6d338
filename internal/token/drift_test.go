package token

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// The list of what an installation leaves behind is that of this SQL. GARANT_UPDATE=1 writes it anew.
func TestInstalledIsKnown(t *testing.T) {
	var lines []string
	both(t, func(t *testing.T, w *world) {
		w.must(pg.InTx(context.Background(), w.super, func(tx pgx.Tx) error {
			there, err := pieces(context.Background(), tx, w.design)
			for _, p := range there {
				lines = append(lines, strings.Join([]string{string(w.design), p.Kind, p.Name, p.State}, "\t"))
			}
			return err
		}))
	})
	now := strings.Join(lines, "\n") + "\n"
	if os.Getenv("GARANT_UPDATE") != "" {
		if err := os.WriteFile("installed.txt", []byte(now), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if now != known {
		t.Error("installed.txt is of another SQL: GARANT_UPDATE=1 go test ./internal/token -run TestInstalledIsKnown")
	}
}

// written is when each row of the catalogue that belongs to schema garant was written last.
func (w *world) written() (all string) {
	w.t.Helper()
	w.must(w.super.QueryRow(context.Background(), `SELECT string_agg(x, ' ' ORDER BY x) FROM (
	SELECT p.xmin::text || p.oid FROM pg_proc p WHERE p.pronamespace = 'garant'::regnamespace
	UNION ALL SELECT c.xmin::text || c.oid FROM pg_class c WHERE c.relnamespace = 'garant'::regnamespace
	UNION ALL SELECT p.xmin::text || p.oid FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE c.relnamespace = 'garant'::regnamespace
	UNION ALL SELECT n.xmin::text || n.oid FROM pg_namespace n WHERE n.nspname = 'garant'
	UNION ALL SELECT 'at' || i.xmin || ' ' || i.ctid FROM garant.installed i) AS x (x)`).Scan(&all))
	return all
}

// What somebody changed, dropped or granted in schema garant is named and put back by another Install,
// for whoever was admitted, and what is as it should be is not written to.
func TestRepair(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		installer := w.super
		if w.design == Statement {
			installer = w.connect("dba", "shop")
		}
		whole := func() {
			t.Helper()
			if names, err := Drift(ctx, w.app(), w.design); err != nil || len(names) > 0 {
				t.Fatal(names, err)
			}
		}
		install := func(with *pgx.Conn) {
			t.Helper()
			if _, err := Install(ctx, with, w.design); err != nil {
				t.Fatal(err)
			}
		}
		whole()
		before := w.written()
		install(installer)
		if w.written() != before {
			t.Error("a schema that is as it should be was written to")
		}
		w.exec(w.super, `CREATE FUNCTION garant.stranger() RETURNS int LANGUAGE sql RETURN 1`)
		install(installer)
		for what, sql := range map[string]string{
			"function garant.tenant_uuid()":                                  `CREATE OR REPLACE FUNCTION garant.tenant_uuid() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE RETURN '` + w.b.String() + `'::uuid`,
			"function garant.writer_text()":                                  `ALTER FUNCTION garant.writer_text() SET work_mem = '1MB'`,
			"function garant.sweep()":                                        `CREATE OR REPLACE FUNCTION garant.sweep() RETURNS integer LANGUAGE sql AS 'SELECT 0'`,
			"function garant.note()":                                         `DROP FUNCTION garant.note() CASCADE`,
			"function garant.tenant_bigint()":                                `DROP FUNCTION garant.tenant_bigint(); CREATE FUNCTION garant.tenant_bigint() RETURNS text LANGUAGE sql RETURN 'x'; ALTER FUNCTION garant.tenant_bigint() OWNER TO garant_sec`,
			"function garant.enter(bytea)":                                   `ALTER FUNCTION garant.enter(bytea) SECURITY INVOKER`,
			"owner function garant.enter(bytea)":                             `ALTER FUNCTION garant.enter(bytea) OWNER TO app_owner`,
			"trigger garant.key_inbox.take_key":                              `ALTER TABLE garant.key_inbox DISABLE TRIGGER take_key`,
			"function garant.take_key()":                                     `DROP FUNCTION garant.take_key() CASCADE`,
			"right garant.retire(smallint, timestamp with time zone) of app": `GRANT EXECUTE ON FUNCTION garant.retire(smallint, timestamptz) TO app`,
			"right garant.enter(bytea) of PUBLIC":                            `GRANT EXECUTE ON FUNCTION garant.enter(bytea) TO PUBLIC`,
			"right garant.sweep() of garant_keeper":                          `REVOKE EXECUTE ON FUNCTION garant.sweep() FROM garant_keeper`,
			"right garant.key of snoop":                                      `GRANT SELECT ON garant.key TO snoop`,
			"right garant.key.inner_pad of app":                              `GRANT SELECT (inner_pad) ON garant.key TO app`,
			"right garant.key_inbox of garant_keeper":                        `GRANT SELECT ON garant.key_inbox TO garant_keeper`,
			"right garant of app":                                            `GRANT CREATE ON SCHEMA garant TO app`,
			"right garant of PUBLIC":                                         `REVOKE USAGE ON SCHEMA garant FROM PUBLIC`,
			"row-level security garant.key":                                  `ALTER TABLE garant.key DISABLE ROW LEVEL SECURITY`,
			"row-level security garant.revocation":                           `ALTER TABLE garant.revocation NO FORCE ROW LEVEL SECURITY`,
			"policy garant.key.sec":                                          `ALTER POLICY sec ON garant.key TO PUBLIC`,
			"policy garant.revocation.sec":                                   `DROP POLICY sec ON garant.revocation`,
			"policy garant.key.mine":                                         `CREATE POLICY mine ON garant.key FOR SELECT TO app USING (true)`,
			"samples garant.key.outer_pad":                                   `ALTER TABLE garant.key ALTER outer_pad SET STATISTICS -1`,
		} {
			w.exec(w.super, sql)
			on, with := w.app(), installer
			if what == "right garant of PUBLIC" { // nobody else sees anything then
				on, with = w.super, w.super
			}
			if names, err := Drift(ctx, on, w.design); err != nil || !slices.Contains(names, what) {
				t.Errorf("after %s: %q, %v", sql, names, err)
			}
			install(with)
			whole()
		}
		// With what called it: policies and defaults are apply's to put back.
		w.exec(w.super, `DROP FUNCTION garant.tenant_uuid() CASCADE; DROP FUNCTION garant.writer_uuid() CASCADE`)
		install(installer)
		whole()
		app := w.app()
		tx := w.begin(app)
		w.must(enter(tx, w.token(w.a).Bytes()))
		var who string
		w.must(tx.QueryRow(ctx, `SELECT garant.writer_uuid()`).Scan(&who))
		if who != w.a.String() {
			t.Errorf("the transaction is of %s", who)
		}
		var strange bool
		w.must(w.super.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_proc WHERE proname = 'stranger' AND proowner <> 'garant_sec'::regrole)`).Scan(&strange))
		if w.written() == before || !strange {
			t.Error("what is not ours was touched")
		}
	})
}

// What no statement brings back is refused with what to do, and nothing of it is half done.
func TestRepairRefuses(t *testing.T) {
	w := newWorld(t, Pinned)
	ctx := context.Background()
	for i, sql := range []string{
		`ALTER TABLE garant.key DROP COLUMN ended`,
		`ALTER TABLE garant.key DROP CONSTRAINT key_id_check`,
		`ALTER TABLE garant.key OWNER TO app_owner`,
		`DROP TABLE garant.key_inbox`,
		`DROP FUNCTION garant.tenant_text(); CREATE FUNCTION garant.tenant_text() RETURNS uuid LANGUAGE sql RETURN NULL::uuid; CREATE VIEW public.leans AS SELECT garant.tenant_text()`,
	} {
		name := fmt.Sprintf("broken_%d", i)
		w.exec(w.connect(cluster.SuperUser, "postgres"), "CREATE DATABASE "+name)
		t.Cleanup(func() { w.exec(w.connect(cluster.SuperUser, "postgres"), "DROP DATABASE "+name+" WITH (FORCE)") })
		on := w.connect(cluster.SuperUser, name)
		if _, err := Install(ctx, on, Pinned); err != nil {
			t.Fatal(err)
		}
		w.exec(on, sql+`; GRANT EXECUTE ON FUNCTION garant.retire(smallint, timestamptz) TO app`)
		_, err := Install(ctx, on, Pinned)
		if _, fix := errs.Sentence(err); !errs.Is(err, errs.Conflict) || !strings.Contains(fix, "garant isolation undo") {
			t.Errorf("after %s: %v", sql, err)
		}
		if names, err := Drift(ctx, on, Pinned); err != nil || !slices.ContainsFunc(names, func(n string) bool { return strings.Contains(n, "retire") }) {
			t.Errorf("after a refusal: %q, %v", names, err)
		}
	}
}
