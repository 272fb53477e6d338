package token

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/tenant"
)

// Whatever the application's role sets, what it is told of enter holds neither the key nor a MAC of it.
func TestKeyStaysIn(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		rows, err := w.super.Query(ctx, `SELECT name, vartype, coalesce(enumvals, '{}'), coalesce(min_val, ''), coalesce(max_val, '') FROM pg_settings WHERE context = 'user' ORDER BY name`)
		if err != nil {
			t.Fatal(err)
		}
		type setting struct {
			Name, Type string
			Values     []string
			Min, Max   string
		}
		settings, err := pgx.CollectRows(rows, pgx.RowToStructByPos[setting])
		if err != nil || len(settings) < 100 {
			t.Fatalf("%d settings of users, %v", len(settings), err)
		}
		var heard bytes.Buffer
		config, err := pgx.ParseConfig(running.DSN("app", "shop"))
		if err != nil {
			t.Fatal(err)
		}
		config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
			fmt.Fprintln(&heard, n.Severity, n.Message, n.Detail, n.Hint, n.InternalQuery, n.Where)
		}
		var conn *pgx.Conn
		connect := func() {
			t.Helper()
			if conn, err = pgx.ConnectConfig(ctx, config); err != nil {
				t.Fatal(err)
			}
		}
		connect()
		defer func() { _ = conn.Close(ctx) }()

		good := w.token(w.a)
		forged := append([]byte(nil), good.Bytes()...)
		forged[len(forged)-1] ^= 1
		short := good.Bytes()[:40]
		secrets := w.secrets(good)
		check := func(what string) {
			t.Helper()
			text := strings.ToLower(heard.String())
			for name, s := range secrets {
				if strings.Contains(text, s) {
					t.Errorf("under %s, the application is told %s", what, name)
				}
			}
			heard.Reset()
		}
		try := func(what string) {
			t.Helper()
			ctx, cancel := context.WithTimeout(ctx, 5*time.Second) // which closes the connection
			defer cancel()
			for _, token := range [][]byte{good.Bytes(), forged, short} {
				for _, sql := range []string{`SELECT garant.enter($1)`, `EXPLAIN (ANALYZE, VERBOSE, COSTS) SELECT garant.enter($1)`} {
					_, _ = conn.Exec(ctx, `BEGIN`)
					rows, err := conn.Query(ctx, sql, pgx.QueryExecModeExec, token)
					if err == nil {
						for rows.Next() {
							values, _ := rows.Values()
							fmt.Fprintln(&heard, values...)
						}
						err = rows.Err()
					}
					if err != nil {
						fmt.Fprintf(&heard, "%+v\n", err)
					}
					_, _ = conn.Exec(ctx, `SELECT count(*) FROM shop.item`)
					_, _ = conn.Exec(ctx, `ROLLBACK`)
				}
			}
			check(what)
		}

		// Each alone, with everything heard.
		for _, s := range settings {
			values := s.Values
			switch s.Type {
			case "bool":
				values = []string{"on", "off"}
			case "integer", "real":
				values = []string{s.Min, s.Max}
			case "string":
				values = []string{"", "x"}
			}
			if s.Name == "client_min_messages" || s.Name == "client_encoding" || strings.HasSuffix(s.Name, "_timeout") || s.Name == "post_auth_delay" {
				continue // heard anyway; would garble or cut off the rest
			}
			for _, v := range values {
				_, _ = conn.Exec(ctx, `SET client_min_messages = debug5`)
				if _, err := conn.Exec(ctx, `SELECT set_config($1, $2, false)`, pgx.QueryExecModeExec, s.Name, v); err != nil {
					continue
				}
				try(s.Name + " = " + v)
				if _, err := conn.Exec(ctx, `RESET ALL`); err != nil {
					t.Log("the connection did not survive", s.Name, v)
					connect()
				}
				heard.Reset()
			}
		}
		// All that prints, at once; and what an application could load or switch off.
		for _, sql := range []string{
			`SET debug_print_parse = on`, `SET debug_print_rewritten = on`, `SET debug_print_plan = on`, `SET debug_pretty_print = on`, `SET client_min_messages = log`,
			`SET plpgsql.check_asserts = off`, `SET plpgsql.print_strict_params = on`, `SET plpgsql.extra_warnings = 'all'`, `SET plan_cache_mode = force_custom_plan`,
			`SET trace_sort = on`, `SET search_path = shop, public`, `SET bytea_output = escape`, `SET extra_float_digits = 3`,
		} {
			_, _ = conn.Exec(ctx, sql)
		}
		try("everything that prints")
		if _, err := conn.Exec(ctx, `SET plan_cache_mode = force_generic_plan`); err != nil {
			t.Fatal(err)
		}
		try("everything that prints, with generic plans")
		if _, err := conn.Exec(ctx, `LOAD 'auto_explain'`); err == nil {
			t.Error("the application may load auto_explain: then nested plans are printed")
		}
	})
}

// secrets are what must not be read, in the ways in which PostgreSQL writes bytes.
func (w *world) secrets(minted tenant.Token) map[string]string {
	inner, outer := w.key.Pads()
	mac := minted.Bytes()[tenant.Size-32:]
	out := map[string]string{}
	for name, b := range map[string][]byte{"the key": w.key.Secret[:], "the inner pad": inner[:32], "the outer pad": outer[:32], "the MAC of a forged token": mac} {
		// As hex, and as the numbers of a Const node in a printed plan.
		out[name] = hex.EncodeToString(b[4:20])
		var numbers []string
		for _, c := range b[4:20] {
			numbers = append(numbers, fmt.Sprint(int8(c))) //nolint:gosec // as outDatum writes it
		}
		out[name+" as numbers"] = strings.Join(numbers, " ")
	}
	// The caller's own token is theirs: its MAC may be told back when they brought it whole.
	delete(out, "the MAC of a forged token")
	delete(out, "the MAC of a forged token as numbers")
	return out
}

// A table, a function, an operator or a cast of the caller's own does not get between enter and what it calls.
func TestSearchPath(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		w.exec(w.super, `CREATE SCHEMA evil; GRANT ALL ON SCHEMA evil TO app`)
		conn := w.app()
		w.exec(conn, `SET search_path = evil, pg_temp, pg_catalog, public;
CREATE FUNCTION evil.sha256(bytea) RETURNS bytea LANGUAGE sql AS $f$ SELECT '\x00'::bytea $f$;
CREATE FUNCTION evil.same(bytea, bytea) RETURNS boolean LANGUAGE sql AS $f$ SELECT true $f$;
CREATE OPERATOR evil.= (FUNCTION = evil.same, LEFTARG = bytea, RIGHTARG = bytea);
CREATE FUNCTION evil.current_setting(text) RETURNS text LANGUAGE sql AS $f$ SELECT '`+w.pin(w.b)+`' $f$;
CREATE FUNCTION evil.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS $f$ SELECT pg_catalog.set_config($1, $2, false) $f$;
CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $f$ SELECT timestamptz '2000-01-01' $f$;
CREATE FUNCTION evil.starts_with(text, text) RETURNS boolean LANGUAGE sql AS $f$ SELECT true $f$;
CREATE TEMP TABLE key (id smallint); CREATE TEMP TABLE pg_locks (pid int)`)
		forged := w.token(w.b).Bytes()
		forged[len(forged)-1] ^= 1
		tx := w.begin(conn)
		w.wants(enter(tx, forged), tenant.ErrInvalid)
		_ = tx.Rollback(ctx)
		if n := w.count(conn); n != 0 {
			t.Errorf("%d rows are seen without a token", n)
		}
		tx = w.begin(conn)
		if err := enter(tx, w.token(w.a).Bytes()); err != nil {
			t.Fatal(err)
		}
		if n := w.count(tx); n != 3 {
			t.Errorf("%d rows are seen, want 3", n)
		}
		_ = tx.Rollback(ctx)
		if n := w.count(conn); n != 0 {
			t.Errorf("%d rows are seen after the transaction", n)
		}
	})
}

// The context cannot be set by who may not enter, kept from one transaction to the next, or turned to another tenant.
func TestContextCannotBeSet(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		theirs := w.pin(w.b)
		conn := w.app()

		// What enter wrote, read back by the caller in a transaction of their own right.
		tx := w.begin(conn)
		if err := enter(tx, w.token(w.a).Bytes()); err != nil {
			t.Fatal(err)
		}
		var pin, ticket string
		if err := tx.QueryRow(ctx, `SELECT current_setting('backtrace_functions'), coalesce(current_setting('garant.context', true), '')`).Scan(&pin, &ticket); err != nil {
			t.Fatal(err)
		}
		_ = tx.Rollback(ctx)
		turned := ticket
		if w.design == Statement {
			turned = ticket[:96] + theirs
		}
		for _, setting := range []string{"backtrace_functions", "garant.context"} {
			for _, value := range []string{theirs, pin, ticket, turned} {
				if value == "" {
					continue
				}
				quoted := "'" + value + "'"
				for _, sql := range []string{
					`SET ` + setting + ` = ` + quoted, `SET LOCAL ` + setting + ` = ` + quoted, `SELECT set_config('` + setting + `', ` + quoted + `, false)`,
					`UPDATE pg_settings SET setting = ` + quoted + ` WHERE name = '` + setting + `'`,
					`ALTER ROLE app SET ` + setting + ` = ` + quoted, `ALTER DATABASE shop SET ` + setting + ` = ` + quoted,
					`CREATE FUNCTION pg_temp.f() RETURNS bigint LANGUAGE sql SET ` + setting + ` = ` + quoted + ` AS $f$ SELECT count(*) FROM shop.item $f$; SELECT pg_temp.f()`,
					`DO $d$ BEGIN PERFORM set_config('` + setting + `', ` + quoted + `, true); PERFORM count(*) FROM shop.item; END $d$`,
				} {
					tx := w.begin(conn)
					if _, err := tx.Exec(ctx, sql); err == nil {
						if n := w.count(tx); n != 0 {
							t.Errorf("%d rows are seen after %s", n, sql)
						}
					}
					_ = tx.Rollback(ctx)
				}
				// As a standing setting of the session, and of the connection.
				if _, err := conn.Exec(ctx, `SET `+setting+` = `+quoted); err == nil {
					if n := w.count(conn); n != 0 {
						t.Errorf("%d rows are seen under a standing %s", n, setting)
					}
					w.exec(conn, `RESET `+setting)
				}
				config, err := pgx.ParseConfig(running.DSN("app", "shop"))
				if err != nil {
					t.Fatal(err)
				}
				config.RuntimeParams[setting] = value
				if other, err := pgx.ConnectConfig(ctx, config); err == nil {
					if n := w.count(other); n != 0 {
						t.Errorf("%d rows are seen on a connection that brings %s", n, setting)
					}
					_ = other.Close(ctx)
				}
			}
		}
		// Within a transaction of A: turned to B.
		tx = w.begin(conn)
		if err := enter(tx, w.token(w.a).Bytes()); err != nil {
			t.Fatal(err)
		}
		if err := tx.QueryRow(ctx, `SELECT coalesce(current_setting('garant.context', true), '')`).Scan(&ticket); err != nil {
			t.Fatal(err)
		}
		if w.design == Statement {
			if _, err := tx.Exec(ctx, `SELECT set_config('garant.context', $1, true)`, ticket[:96]+theirs); err != nil {
				t.Fatal(err)
			}
			if n := w.count(tx); n != 0 {
				t.Errorf("%d rows are seen under a ticket turned to another tenant", n)
			}
		}
	})
}

// pin is what enter would write for a login of a tenant.
func (w *world) pin(of uuid.UUID) string {
	_, who := standsFor(tenant.UUID(of))
	return "garant_" + strings.Repeat("0", 32) + "6c" + strings.Repeat("0", 32) + "77_garant_" + who
}

// Neither who may read all data, nor the application, nor a dump of either holds a key. The inbox is empty.
func TestKeyIsUnreadable(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		for _, role := range []string{"snoop", "app", "keeper"} {
			conn := w.connect(role, "shop")
			for _, table := range []string{"key", "key_inbox", "revocation"} {
				var n int
				if err := conn.QueryRow(ctx, `SELECT count(*) FROM garant.`+table).Scan(&n); err == nil && n > 0 {
					t.Errorf("%s reads %d rows of garant.%s", role, n, table)
				}
			}
			for _, sql := range []string{`SET ROLE garant_sec`, `GRANT garant_sec TO ` + role, `ALTER TABLE garant.key NO FORCE ROW LEVEL SECURITY`, `SELECT garant.verified('\x00')`} {
				if _, err := conn.Exec(ctx, sql); err == nil {
					t.Errorf("%s may %s", role, sql)
				}
			}
		}
		for _, sql := range []string{`INSERT INTO garant.key_inbox DEFAULT VALUES`, `SELECT garant.retire(1::smallint, now())`, `SELECT garant.revoke(gen_random_uuid(), now())`, `SELECT garant.sweep()`} {
			if _, err := w.app().Exec(ctx, sql); err == nil {
				t.Errorf("the application may %s", sql)
			}
		}
		// A key in a bad row is not in the error, nor in the server's log.
		bad := w.newKey(9)
		inner, _ := bad.Pads()
		_, err := w.keeper.CopyFrom(ctx, pgx.Identifier{"garant", "key_inbox"}, []string{"id", "audience", "inner_pad", "outer_pad"},
			pgx.CopyFromRows([][]any{{int16(9), bad.Audience[:], inner[:], []byte("short")}}))
		if err == nil || strings.Contains(fmt.Sprintf("%+v", err), hex.EncodeToString(inner[:8])) {
			t.Errorf("a bad key: %+v", err)
		}
		secrets := w.secrets(w.token(w.a))
		secrets["a bad key"] = hex.EncodeToString(inner[4:20])
		var log bytes.Buffer
		_ = filepath.WalkDir(filepath.Dir(running.DataDir()), func(path string, e os.DirEntry, err error) error {
			if err == nil && !e.IsDir() && strings.Contains(e.Name(), "log") && !strings.Contains(path, "pg_wal") {
				if b, err := os.ReadFile(path); err == nil { //nolint:gosec // the test's own cluster
					log.Write(b)
				}
			}
			return nil
		})
		for name, s := range secrets {
			if strings.Contains(log.String(), s) {
				t.Errorf("the server's log holds %s", name)
			}
		}
	})
}

// A standing pin of a superuser gives rows without a token: enter refuses then, so that it does not go unseen.
func TestStandingPin(t *testing.T) {
	w := newWorld(t, Pinned)
	theirs := w.pin(w.b)
	w.exec(w.super, `ALTER DATABASE shop SET backtrace_functions = '`+theirs+`'`)
	conn := w.app()
	if n := w.count(conn); n != 5 {
		t.Errorf("%d rows under a standing pin: the attack is another now", n)
	}
	w.wants(enter(w.begin(conn), w.token(w.a).Bytes()), tenant.ErrOther)
	w.exec(w.super, `ALTER DATABASE shop RESET backtrace_functions`)
}

func TestInstall(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		installer := w.super
		if w.design == Statement {
			installer = w.connect("dba", "shop")
			if _, err := Install(ctx, installer, Pinned); err == nil || !strings.Contains(err.Error(), "superuser") {
				t.Error("the pinned design without a superuser:", err)
			}
		}
		if is, err := Look(ctx, w.app()); err != nil || is != (Installed{Version, w.design}) {
			t.Errorf("%+v, %v", is, err)
		}
		before := w.objects()
		if _, err := Install(ctx, installer, w.design); err != nil {
			t.Error("a second time:", err)
		}
		if after := w.objects(); after != before {
			t.Errorf("a second install changed something:\n%s\n→\n%s", before, after)
		}
		if err := Remove(ctx, installer); err == nil || !strings.Contains(err.Error(), "in use") {
			t.Error("removed although policies call it:", err)
		}
		// As after a newer program, and as before this one.
		w.exec(w.super, `UPDATE garant.installed SET version = 999`)
		if _, err := Install(ctx, installer, w.design); err == nil || !strings.Contains(err.Error(), "this program knows") {
			t.Error("over a newer version:", err)
		}
		w.exec(w.super, `UPDATE garant.installed SET version = 0; DROP FUNCTION garant.sweep()`)
		if _, err := Install(ctx, installer, w.design); err != nil {
			t.Fatal(err)
		}
		if after := w.objects(); after != before {
			t.Errorf("an upgrade does not end where an install does:\n%s\n→\n%s", before, after)
		}
		used := w.begin(w.app())
		if err := enter(used, w.token(w.a).Bytes()); err != nil {
			t.Error("after an upgrade:", err)
		}
		_ = used.Rollback(ctx)
		var members int
		if err := w.super.QueryRow(ctx, `SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid WHERE r.rolname = 'garant_sec'`).Scan(&members); err != nil || members != 0 {
			t.Errorf("%d members of garant_sec are left, %v", members, err)
		}

		// The other design and back, with the keys, the rights and the policies as they were.
		if _, err := Install(ctx, w.super, map[Design]Design{Pinned: Statement, Statement: Pinned}[w.design]); err != nil {
			t.Fatal(err)
		}
		tx := w.begin(w.app())
		if err := enter(tx, w.token(w.a).Bytes()); err != nil {
			t.Fatal(err)
		}
		if n := w.count(tx); n != 3 {
			t.Errorf("%d rows under the other design, want 3", n)
		}
		_ = tx.Rollback(ctx)
		if _, err := Install(ctx, w.super, w.design); err != nil {
			t.Fatal(err)
		}
		if after := w.objects(); after != before {
			t.Errorf("there and back:\n%s\n→\n%s", before, after)
		}

		w.exec(w.super, `DROP TABLE shop.item`)
		if err := Remove(ctx, w.super); err != nil {
			t.Fatal(err)
		}
		if is, err := Look(ctx, w.app()); err != nil || is.Here() {
			t.Errorf("after removal: %+v, %v", is, err)
		}
		if err := Remove(ctx, w.super); err != nil {
			t.Error("removed twice:", err)
		}
		if err := Admit(ctx, w.super, "app"); err == nil || !strings.Contains(err.Error(), "no schema garant") {
			t.Error("admitted where nothing is:", err)
		}
		// The keeper still has a member, so that the roles stay; without it they go with the next removal.
		var roles int
		if err := w.super.QueryRow(ctx, `SELECT count(*) FROM pg_roles WHERE rolname IN ('garant_sec', 'garant_keeper')`).Scan(&roles); err != nil || roles != 2 {
			t.Errorf("%d of the two roles are left, %v", roles, err)
		}
		if _, err := Install(ctx, w.super, w.design); err != nil {
			t.Fatal("installed again:", err)
		}
		w.exec(w.super, `REVOKE garant_keeper FROM keeper`)
		if err := Remove(ctx, w.super); err != nil {
			t.Fatal(err)
		}
		if err := w.super.QueryRow(ctx, `SELECT count(*) FROM pg_roles WHERE rolname IN ('garant_sec', 'garant_keeper')`).Scan(&roles); err != nil || roles != 0 {
			t.Errorf("%d of the two roles are left, %v", roles, err)
		}
	})
}

// objects tells what stands in schema garant, with owners and rights.
func (w *world) objects() string {
	w.t.Helper()
	rows, err := w.super.Query(context.Background(), `SELECT pg_describe_object('pg_proc'::regclass, p.oid, 0) || ' ' || p.proowner::regrole || ' ' || coalesce((SELECT string_agg(x::text, ',' ORDER BY x::text) FROM unnest(p.proacl) x), '') || ' ' || md5(p.prosrc || coalesce(pg_get_function_sqlbody(p.oid), ''))
FROM pg_proc p WHERE pronamespace = 'garant'::regnamespace
UNION ALL SELECT pg_describe_object('pg_class'::regclass, c.oid, 0) || ' ' || c.relowner::regrole || ' ' || coalesce(c.relacl::text, '') || ' ' || c.relforcerowsecurity
FROM pg_class c WHERE relnamespace = 'garant'::regnamespace ORDER BY 1`)
	if err != nil {
		w.t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// A role of that name that may log in is somebody else's: nothing is installed.
func TestRoleTaken(t *testing.T) {
	w := &world{t: t}
	root := w.connect(cluster.SuperUser, "postgres")
	w.exec(root, `CREATE ROLE garant_sec LOGIN`)
	defer w.exec(root, `DROP ROLE garant_sec`)
	w.exec(root, `CREATE DATABASE bare`)
	defer w.exec(root, `DROP DATABASE bare WITH (FORCE)`)
	conn := w.connect(cluster.SuperUser, "bare")
	if _, err := Install(context.Background(), conn, Pinned); err == nil || !strings.Contains(err.Error(), "may log in") {
		t.Error(err)
	}
	if is, err := Look(context.Background(), conn); err != nil || is.Here() {
		t.Errorf("%+v, %v", is, err)
	}
	if _, err := Install(context.Background(), conn, "other"); err == nil {
		t.Error("a design that is none")
	}
	_ = conn.Close(context.Background())
}
