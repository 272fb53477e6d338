package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/pg/sqlname"
)

func liveProbes() []Check {
	return []Check{
		{ID: "probe.connected_as", Kind: Probe, Severity: High, Title: "The application is not who the manifest says",
			Why: "Everything here was asked about another role than the one that serves the tenants.", probe: connectedAs},
		{ID: "probe.no_context", Kind: Probe, Severity: Critical, Title: "Rows of tenants show without a token",
			Why: "A session that never presented a token reads tenants’ rows.", probe: noContext},
		{ID: "probe.row_security_off", Kind: Probe, Severity: Critical, Title: "Switching row_security off shows rows",
			Why: "The setting is everybody’s; where no policy binds, it changes nothing and everything shows.", probe: rowSecurityOff},
		{ID: "probe.forged_token", Kind: Probe, Severity: Critical, Title: "A token that nobody minted is accepted",
			Why: "Whoever can send SQL makes up a token of any tenant.", probe: forgedToken},
		{ID: "probe.context_set", Kind: Probe, Severity: Critical, Title: "The application sets the tenant context itself",
			Why: "Whoever can send SQL chooses the tenant.", probe: contextSet},
		{ID: "probe.keys_readable", Kind: Probe, Severity: Critical, Title: "The application reads the keys, or acts as their keeper",
			Why: "With a key it mints tokens of any tenant.", probe: keysReadable},
		{ID: "probe.catalogue_closed", Kind: Probe, Severity: Critical, Title: "The application reads passwords, statistics or files",
			Why: "Statistics hold values of all tenants’ rows; files hold everything.", probe: catalogueClosed},
		{ID: "probe.set_role", Kind: Probe, Severity: Critical, Title: "The application becomes a role that goes around tenancy",
			Why: "SET ROLE is one statement.", probe: setRole},
		{ID: "probe.pooler_reset", Kind: Probe, Severity: Medium, Title: "The pooler hands a connection on as it was left",
			Why: "Settings, prepared statements and cursors of one tenant’s session are there for the next.", probe: poolerReset},
	}
}

func connectedAs(a *attempt) {
	err := a.live.within(a.ctx, func(tx pgx.Tx) error {
		var current, session string
		if err := tx.QueryRow(a.ctx, `SELECT current_user::text, session_user::text`).Scan(&current, &session); err != nil {
			return err
		}
		a.see()
		if !slices.Contains(a.m.App, current) || a.live.become == "" && session != current {
			a.found(quote(current), "It signed in as this role, which the manifest does not name under app.", "Name it in the manifest, or give the application’s own address with --app-url.")
		}
		return nil
	})
	if err != nil {
		a.failed("The application’s part cannot be taken; give its address with --app-url", err)
	}
}

// rowsShow looks whether any row of tenants is visible in a transaction that was prepared so.
func (a *attempt) rowsShow(prepare string, calm []string, text string) {
	err := a.live.within(a.ctx, func(tx pgx.Tx) error {
		if prepare != "" {
			if _, err := tx.Exec(a.ctx, prepare); err != nil {
				return err
			}
		}
		for _, t := range a.mayRead() {
			if t.entry.Class == manifest.Shared || t.rel.kind == matview && !t.rel.populated {
				continue
			}
			a.see()
			n, err := a.count(tx, "SELECT count(*) FROM (SELECT 1 FROM "+t.rel.printed+" LIMIT 1) AS x")
			switch {
			case err == nil && n > 0:
				a.found(a.here(t.rel.printed), text, "See the findings about its policies, or: "+a.policySQL(t))
			case err != nil && !refusal(err, calm...):
				a.failed(t.rel.printed+" cannot be read", err)
			}
		}
		return nil
	})
	if err != nil {
		a.failed("The application’s part cannot be taken; give its address with --app-url", err)
	}
}

func noContext(a *attempt) {
	a.rowsShow("", []string{denied}, "It shows rows to a session without a token.")
}

func rowSecurityOff(a *attempt) {
	// Where a policy binds, PostgreSQL refuses the query.
	a.rowsShow(`SET LOCAL row_security = off`, []string{denied}, "It shows rows to a session without a token that sets row_security off.")
}

func forgedToken(a *attempt) {
	err := a.live.within(a.ctx, func(tx pgx.Tx) error {
		made := random(132)
		made[0] = 1
		for _, x := range []struct {
			what  string
			bytes []byte
		}{{"132 bytes made up", made}, {"131 bytes", random(131)}, {"nothing", []byte{}}, {"4,096 bytes", random(4096)}} {
			a.see()
			_, err := a.count(tx, `SELECT garant.enter($1)`, x.bytes)
			switch {
			case err == nil:
				a.found(a.here("garant.enter(bytea)"), "It accepts "+x.what+" as a token.", a.reinstall())
			case !refusal(err, "GT001"):
				a.failed("A forged token cannot be presented", err)
			}
		}
		n, err := a.count(tx, a.tenantNow())
		if err == nil && n > 0 {
			a.found(a.here("garant.enter(bytea)"), "After a refused token the transaction has a tenant.", a.reinstall())
		}
		return err
	})
	if err != nil {
		a.failed("A forged token cannot be presented", err)
	}
}

// pins are what would be the context of canary B, in either design; schema garant's enter.sql says
// how they are written.
func (a *attempt) pins() []string {
	form := map[string]byte{manifest.TypeUUID: 'u', manifest.TypeBigint: 'i', manifest.TypeText: 't'}[a.m.Key.Type]
	key := map[string]string{manifest.TypeUUID: "0b00000000004000800000000000000b", manifest.TypeBigint: "0000000000007532", manifest.TypeText: "6761"}[a.m.Key.Type]
	pin := "garant_" + strings.Repeat("0", 31) + "1" + "70" + strings.Repeat("0", 32) + "77_garant_" + fmt.Sprintf("%02x%02x", form, len(key)/2) + key
	return []string{pin, strings.Repeat("0", 64+16) + strings.Repeat("7", 16) + pin}
}

func contextSet(a *attempt) {
	err := a.live.within(a.ctx, func(tx pgx.Tx) error {
		pin := sqlname.Literal(a.pins()[0])
		ticket := sqlname.Literal(a.pins()[1])
		for _, way := range []struct{ name, sql string }{
			{"SET", `SET LOCAL backtrace_functions = ` + pin},
			{"set_config", `SELECT set_config('backtrace_functions', ` + pin + `, true)`},
			{"a DO block", `DO $$ BEGIN PERFORM set_config('backtrace_functions', '` + a.pins()[0] + `', true); END $$`},
			{"pg_settings", `UPDATE pg_settings SET setting = ` + pin + ` WHERE name = 'backtrace_functions'`},
			{"a ticket of its own", `SET LOCAL garant.context = ` + ticket},
			{"a ticket without a signature", `SET LOCAL garant.context = ` + pin},
			{"a setting of another name", `SET LOCAL garant.tenant = ` + pin},
		} {
			sub, err := tx.Begin(a.ctx)
			if err != nil {
				return err
			}
			a.see()
			_, refusedBy := sub.Exec(a.ctx, way.sql)
			if refusedBy == nil {
				n, err := a.count(sub, a.tenantNow())
				if err != nil && !refusal(err, "22P02", "22023", "22003") {
					a.failed("What the context is after setting it cannot be asked", err)
				}
				if n > 0 {
					a.found(a.here("tenant context"), "The application set it without a token, by "+way.name+".", "See the findings token.pin_grant and token.function_changed; "+a.reinstall())
				}
			}
			if err := sub.Rollback(a.ctx); err != nil {
				return err
			}
			if code(refusedBy) == "" && refusedBy != nil {
				return refusedBy
			}
		}
		return nil
	})
	if err != nil {
		a.failed("The context cannot be tried", err)
	}
}

func keysReadable(a *attempt) {
	const mend = "See the findings token.table_acl and token.function_acl."
	err := a.live.within(a.ctx, func(tx pgx.Tx) error {
		for _, what := range []string{"garant.key", "garant.revocation", "garant.key_inbox"} {
			a.refuses(tx, "SELECT count(*) FROM "+what, []string{denied, "42P01", "42883", "3F000"}, "The keys cannot be tried", func() {
				a.found(a.here(what), "The application reads it.", mend)
			})
		}
		// These are not called: they end sessions.
		a.see()
		n, err := a.count(tx, `SELECT count(*) FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE n.nspname = 'garant' AND p.proname IN ('sweep', 'retire', 'revoke')
	AND has_function_privilege(p.oid, 'EXECUTE')`)
		if err == nil && n > 0 {
			a.found(a.here("schema garant"), "The application may call functions that are the keeper’s.", mend)
		}
		return err
	})
	if err != nil {
		a.failed("The keys cannot be tried", err)
	}
}

func catalogueClosed(a *attempt) {
	err := a.live.within(a.ctx, func(tx pgx.Tx) error {
		for _, sql := range []string{
			`SELECT count(rolpassword) FROM pg_authid`, `SELECT count(*) FROM pg_statistic`, `SELECT count(*) FROM pg_largeobject`, `SELECT count(*) FROM pg_file_settings`,
			`SELECT length(pg_read_file('PG_VERSION'))`, `SELECT count(*) FROM pg_ls_dir('.')`, `SELECT count(umoptions) FROM pg_user_mapping`,
		} {
			a.refuses(tx, sql, []string{denied}, "The closed catalogue cannot be tried", func() {
				a.found(a.here("pg_catalog"), "The application reads what is not for everybody: "+sql+".", "See the findings code.catalogue, code.server_functions and roles.*.")
			})
		}
		for _, t := range a.guarded() {
			a.see()
			n, err := a.count(tx, "SELECT count(*) FROM pg_stats WHERE schemaname = $1 AND tablename = $2", t.rel.schema.name, t.rel.name)
			if err != nil {
				return err
			}
			if n > 0 {
				a.found(a.here(t.rel.printed), "The application reads the statistics of its columns, values of all tenants among them.", "ALTER TABLE "+t.rel.printed+" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;")
			}
		}
		return nil
	})
	if err != nil {
		a.failed("The closed catalogue cannot be tried", err)
	}
}

// dangerous are roles that the application must not become: what goes around tenancy, owns its
// tables, or keeps its keys.
func (a *attempt) dangerous() []*role {
	owners := a.owners()
	return slices.DeleteFunc(a.c.orderedRoles(), func(r *role) bool {
		if a.judge.app(r.oid) {
			return true
		}
		owns, _ := a.owns(r, owners)
		serves := slices.Contains([]string{"pg_execute_server_program", "pg_read_server_files", "pg_write_server_files", "pg_read_all_data", "pg_write_all_data", "pg_signal_backend", "pg_monitor"}, r.name)
		return !(r.super || r.bypassRLS || r.createRole || r.replication || owns != "" || serves || r.name == secRole || r.name == keeperRole)
	})
}

func setRole(a *attempt) {
	if a.live.become != "" && !a.c.super {
		a.cannot("By SET ROLE nothing can be said of SET ROLE; give the application’s address with --app-url.")
		return
	}
	err := a.live.within(a.ctx, func(tx pgx.Tx) error {
		for _, r := range a.dangerous() {
			a.refuses(tx, "SET LOCAL ROLE "+r.printed, []string{denied}, "SET ROLE cannot be tried", func() {
				a.found(a.here(r.printed), "The application became it.", "REVOKE "+r.printed+" FROM "+a.app.role.printed+"; or the group between them.")
			})
		}
		return nil
	})
	if err != nil {
		a.failed("SET ROLE cannot be tried", err)
	}
}

// poolerReset leaves a mark in a session of its own name, goes, and looks whether the next client
// finds it. The mark is a setting that means nothing; it is taken back.
func poolerReset(a *attempt) {
	if !a.live.through {
		return
	}
	const mark = "garant_verify.mark"
	type seen struct {
		pid  int32
		mark string
	}
	ask := func(conn *pgx.Conn) (s seen, err error) {
		err = conn.QueryRow(a.ctx, `SELECT pg_backend_pid(), coalesce(current_setting('`+mark+`', true), '')`).Scan(&s.pid, &s.mark)
		return s, err
	}
	left := map[int32]bool{}
	for range 5 {
		conn, err := connect(a.ctx, a.live.url, "--app-url")
		if err != nil {
			a.failed("The application’s address does not answer again", err)
			return
		}
		s, err := ask(conn)
		if err == nil {
			a.see()
			if s.mark != "" {
				a.found("the pooler behind --app-url", "A connection came with what the client before had set.", "In pgbouncer.ini: server_reset_query = DISCARD ALL and server_reset_query_always = 1.")
				_, err = conn.Exec(a.ctx, `RESET `+mark)
				left[s.pid] = false
				_ = conn.Close(context.WithoutCancel(a.ctx))
				if err != nil {
					a.failed("The mark cannot be taken back", err)
				}
				return
			}
			_, err = conn.Exec(a.ctx, `SET `+mark+` = 'x'`)
			left[s.pid] = true
		}
		_ = conn.Close(context.WithoutCancel(a.ctx))
		if err != nil {
			a.failed("The pooler cannot be tried", err)
			return
		}
	}
}
