package verify

import (
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/pg/sqlname"
)

func sessionProbes() []Check {
	p := func(id string, severity Severity, title, why string, probe func(*attempt)) Check {
		return Check{ID: "probe." + id, Kind: Probe, Severity: severity, Title: title, Why: why, Scratch: true, probe: probe}
	}
	return []Check{
		p("context_left", Critical, "The tenant is still there after the transaction", "The next tenant on the pooled connection is the one before.", contextLeft),
		p("generic_plan", Critical, "A prepared statement shows the tenant that it was first run for", "A plan that is kept on a pooled connection was made for somebody else.", genericPlan),
		p("context_defaults", Critical, "The application gives its sessions a tenant", "A default of the role or the database holds from the first statement on, without a token.", contextDefaults),
		p("session_authorization", Critical, "The application signs in as somebody else from inside", "SET SESSION AUTHORIZATION is one statement.", sessionAuthorization),
		p("temporary_table", Medium, "A temporary table stands in front of yours", "It stays on the pooled connection, and the next tenant writes into it.", temporaryTable),
		p("create_objects", High, "The application creates objects", "A table, function or schema of its own is taken for yours.", createObjects),
		p("alter_tables", Critical, "The application changes tables or policies", "One statement switches the policy off.", alterTables),
		p("server_program", Critical, "The application runs programs on the server", "COPY … PROGRAM is a shell on the server.", serverProgram),
		p("large_object", Medium, "A large object passes from one tenant to another", "No policy holds large objects.", passedObject),
		p("activity", Medium, "A session shows its statement to another tenant’s", "Values that stand in the text of a statement are read by whoever looks at the right moment.", activity),
		p("sequences", Low, "The application reads or sets a sequence", "The last value tells how much the others write.", sequenceState),
		p("shared_write", High, "A tenant changes a shared table", "What it writes there every other tenant reads.", sharedWrite),
		p("private_read", High, "A tenant reads a private table", "It has no policy, because nobody is to read it.", privateRead),
	}
}

func contextLeft(a *attempt) {
	a.signIn(func(conn *pgx.Conn) error {
		for _, end := range []string{"COMMIT", "ROLLBACK", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "an error"} {
			if _, err := conn.Exec(a.ctx, `BEGIN`); err != nil {
				return err
			}
			if _, err := conn.Exec(a.ctx, `SELECT garant.enter($1)`, a.copy.token(ofA)); err != nil {
				return err
			}
			if end == "an error" {
				_, _ = conn.Exec(a.ctx, `SELECT 1 / 0`)
				if _, err := conn.Exec(a.ctx, `ROLLBACK`); err != nil {
					return err
				}
			} else if _, err := conn.Exec(a.ctx, end); err != nil {
				return err
			}
			a.see()
			var n int64
			if err := conn.QueryRow(a.ctx, a.tenantNow()).Scan(&n); err != nil {
				return err
			}
			if n > 0 {
				a.found(a.here("tenant context"), "It is there after "+end+".", a.reinstall())
			}
			_, _ = conn.Exec(a.ctx, `ROLLBACK`) // of a chained transaction
		}
		a.see()
		if _, err := conn.Exec(a.ctx, `SELECT garant.enter($1)`, a.copy.token(ofA)); err != nil {
			return err
		}
		var n int64
		err := conn.QueryRow(a.ctx, a.tenantNow()).Scan(&n)
		if err == nil && n > 0 {
			a.found(a.here("tenant context"), "It is there after a statement of its own.", a.reinstall())
		}
		return err
	})
}

func genericPlan(a *attempt) {
	a.signIn(func(conn *pgx.Conn) error {
		if _, err := conn.Exec(a.ctx, `SET plan_cache_mode = force_generic_plan`); err != nil {
			return err
		}
		counted := 0
		a.canaried("SELECT", func(t *target) {
			col := t.rel.column(t.entry.Column)
			if !slices.Contains(a.visibleColumns(t.rel), col.printed) {
				return
			}
			counted++
			name := "kept_" + number(int64(counted))
			if _, err := conn.Exec(a.ctx, "PREPARE "+name+" AS SELECT count(*) FROM "+t.rel.printed+" WHERE "+a.of(t, ofA)); err != nil {
				a.failed("A statement on "+t.rel.printed+" cannot be prepared", err)
				return
			}
			a.see()
			for _, owner := range []string{ofA, ofA, ofB} {
				tx, err := conn.Begin(a.ctx)
				if err != nil {
					a.failed("A prepared statement cannot be tried", err)
					return
				}
				_, err = tx.Exec(a.ctx, `SELECT garant.enter($1)`, a.copy.token(owner))
				var n int64
				if err == nil {
					n, err = a.count(tx, "EXECUTE "+name)
				}
				if err != nil && !refusal(err, denied) {
					a.failed("A prepared statement cannot be tried", err)
				}
				if owner == ofB && n > 0 {
					a.found(a.here(t.rel.printed), "A statement prepared under one tenant shows its rows to the next.", a.policySQL(t, "SELECT"))
				}
				_ = tx.Rollback(a.ctx)
			}
		})
		return nil
	})
}

// contextDefaults tries the ways by which a session could begin with a context. In the statement
// design everybody may set the setting, and nobody can sign what stands there.
func contextDefaults(a *attempt) {
	a.signIn(func(conn *pgx.Conn) error {
		pin := sqlname.Literal(a.pins()[0])
		for _, sql := range []string{
			"ALTER ROLE CURRENT_USER SET backtrace_functions = " + pin, "ALTER DATABASE " + a.c.printed + " SET backtrace_functions = " + pin, "ALTER ROLE ALL SET backtrace_functions = " + pin,
			"ALTER SYSTEM SET backtrace_functions = " + pin, "ALTER DATABASE " + a.c.printed + " SET garant.context = " + sqlname.Literal(a.pins()[1]),
		} {
			a.see()
			_, err := conn.Exec(a.ctx, sql)
			if err == nil {
				a.found(a.here("tenant context"), "The application set a default of it.", "See the findings token.pin_grant and roles.*.")
				_, _ = a.copy.root.Exec(a.ctx, "ALTER ROLE "+a.app.role.printed+" RESET backtrace_functions; ALTER ROLE ALL RESET backtrace_functions; ALTER DATABASE "+a.c.printed+" RESET ALL")
				_, _ = a.copy.root.Exec(a.ctx, "ALTER SYSTEM RESET backtrace_functions")
			} else if !refusal(err, denied) {
				return err
			}
		}
		a.see()
		if _, err := conn.Exec(a.ctx, `SET SESSION garant.context = `+sqlname.Literal(a.pins()[1])); err != nil {
			return err
		}
		var n int64
		err := conn.QueryRow(a.ctx, a.tenantNow()).Scan(&n)
		if err == nil && n > 0 {
			a.found(a.here("tenant context"), "A ticket that nobody signed is one.", a.reinstall())
		}
		return err
	})
}

func sessionAuthorization(a *attempt) {
	if !plain(a.app.role.name) {
		a.cannot("The role’s name cannot sign in to the copy, so that this cannot be tried.")
		return
	}
	a.signIn(func(conn *pgx.Conn) error {
		for _, r := range a.c.orderedRoles() {
			if a.judge.app(r.oid) || r.system() && r.oid != bootstrapRole {
				continue
			}
			a.see()
			_, err := conn.Exec(a.ctx, "SET SESSION AUTHORIZATION "+r.printed)
			if err == nil {
				a.found(a.here(r.printed), "The application took its part.", "ALTER ROLE "+a.app.role.printed+" NOSUPERUSER;")
				_, _ = conn.Exec(a.ctx, `RESET SESSION AUTHORIZATION`)
			} else if !refusal(err, denied) {
				return err
			}
		}
		return nil
	})
}

// forbidden expects each statement to be refused to a tenant's application.
func (a *attempt) forbidden(object string, statements []string, codes []string, text, mend string) {
	a.asTenant(func(tx pgx.Tx) error {
		for _, sql := range statements {
			a.refuses(tx, sql, codes, object+" cannot be tried", func() { a.found(a.here(object), text, mend) })
		}
		return nil
	})
}

func temporaryTable(a *attempt) {
	a.forbidden("database "+a.c.printed, []string{`CREATE TEMPORARY TABLE member (id integer)`, `CREATE TEMPORARY VIEW member AS SELECT 1`, `CREATE TEMPORARY SEQUENCE member`},
		[]string{denied}, "The application made a temporary table.", "REVOKE TEMPORARY ON DATABASE "+a.c.printed+" FROM "+a.everyApp()+";")
}

func createObjects(a *attempt) {
	a.forbidden("database "+a.c.printed, []string{`CREATE SCHEMA probed`}, []string{denied}, "The application made a schema.", "REVOKE CREATE ON DATABASE "+a.c.printed+" FROM "+a.everyApp()+";")
	for _, id := range sortedKeys(a.c.schemas) {
		if s := a.c.schemas[id]; s.name != "garant_canary" {
			a.forbidden("schema "+s.printed, []string{"CREATE TABLE " + s.printed + ".probed (id integer)", "CREATE FUNCTION " + s.printed + ".probed() RETURNS integer LANGUAGE sql AS 'SELECT 1'"},
				[]string{denied}, "The application made an object in it.", "REVOKE CREATE ON SCHEMA "+s.printed+" FROM "+a.everyApp()+";")
		}
	}
}

func alterTables(a *attempt) {
	for _, t := range a.guarded() {
		statements := []string{"ALTER TABLE " + t.rel.printed + " DISABLE ROW LEVEL SECURITY", "ALTER TABLE " + t.rel.printed + " NO FORCE ROW LEVEL SECURITY", "CREATE POLICY probed ON " + t.rel.printed + " USING (true)",
			"CREATE TRIGGER probed BEFORE INSERT ON " + t.rel.printed + " FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()", "DROP TABLE " + t.rel.printed + " CASCADE", "CREATE RULE probed AS ON INSERT TO " + t.rel.printed + " DO INSTEAD NOTHING"}
		for _, p := range t.rel.policies {
			statements = append(statements, "DROP POLICY "+p.printed+" ON "+t.rel.printed)
		}
		a.forbidden(t.rel.printed, statements, []string{denied}, "The application changed the table or its policies.", "ALTER TABLE "+t.rel.printed+" OWNER TO "+someOwner)
	}
	a.forbidden("schema garant", []string{`CREATE OR REPLACE FUNCTION garant.tenant_` + a.m.Key.Type + `() RETURNS ` + a.m.Key.Type + ` LANGUAGE sql AS 'SELECT NULL::` + a.m.Key.Type + `'`, `DROP SCHEMA garant CASCADE`},
		[]string{denied}, "The application changed schema garant.", a.reinstall())
}

func serverProgram(a *attempt) {
	a.forbidden("the server", []string{`COPY (SELECT 1) TO PROGRAM 'true'`, `COPY (SELECT 1) TO '/dev/null'`, `SELECT pg_read_file('PG_VERSION')`, `SELECT lo_import('/dev/null')`, `LOAD 'auto_explain'`},
		[]string{denied, "58P01"}, "The application reached a program or a file of the server.", "See the findings roles.server_files and code.server_functions.")
}

func passedObject(a *attempt) {
	a.asTenant(func(tx pgx.Tx) error {
		a.see()
		sub, err := tx.Begin(a.ctx)
		if err != nil {
			return err
		}
		defer func() { _ = sub.Rollback(a.ctx) }()
		var id uint32
		if err := sub.QueryRow(a.ctx, `SELECT lo_from_bytea(0, 'canary')`).Scan(&id); err != nil {
			if refusal(err, denied, "25006") {
				return nil
			}
			return err
		}
		// There is no tenant in a large object: whoever is this role reads it.
		a.limit(a.here("large objects"), "A tenant left one that every session of the application reads.", "See the finding side.large_objects.")
		return nil
	})
}

func activity(a *attempt) {
	a.signIn(func(one *pgx.Conn) error {
		const said = "what the first tenant asks"
		if _, err := one.Exec(a.ctx, "SELECT '"+said+"'"); err != nil {
			return err
		}
		a.signIn(func(other *pgx.Conn) error {
			a.see()
			var n int64
			err := other.QueryRow(a.ctx, `SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE '%' || $1 || '%'`, said).Scan(&n)
			if err == nil && n > 0 {
				a.limit(a.here(a.app.role.printed), "One of its sessions read the statement of another.", "ALTER ROLE "+a.app.role.printed+" SET track_activities = off; -- by a superuser")
			}
			return err
		})
		return nil
	})
}

func sequenceState(a *attempt) {
	for _, rel := range a.c.ordered() {
		if rel.kind != sequence || rel.extension || rel.schema.name == tenancyName || !a.enters(rel.schema) {
			continue
		}
		if owned := a.byOID[rel.ownedBy]; owned != nil && owned.entry.Class == manifest.Shared {
			continue
		}
		a.forbidden(rel.printed, []string{"SELECT last_value FROM " + rel.printed, "SELECT setval(" + sqlname.Literal(rel.printed) + ", 1)"}, []string{denied},
			"The application read or set it.", "REVOKE SELECT, UPDATE ON SEQUENCE "+rel.printed+" FROM "+a.everyApp()+";")
	}
}

func sharedWrite(a *attempt) {
	a.inside(how{token: a.copy.token(ofA), quiet: true}, func(tx pgx.Tx) error {
		for _, t := range a.targets {
			if t.entry.Class != manifest.Shared || t.rel.kind != table && t.rel.kind != partitioned {
				continue
			}
			if why := a.copy.refused[t.rel.oid]; why != "" {
				a.cannot(t.rel.printed + " cannot be tried: " + why + ".")
				continue
			}
			for _, x := range [][2]string{{"INSERT", a.copy.insert(t.rel, ofAll, true, nil)}, {"DELETE", "DELETE FROM " + t.rel.printed}, {"UPDATE", a.updateAny(t)}} {
				if slices.Contains(t.entry.Grants, x[0]) || x[1] == "" {
					continue
				}
				a.refuses(tx, x[1], []string{denied}, t.rel.printed+" cannot be tried", func() {
					a.found(a.here(t.rel.printed), "A tenant’s "+x[0]+" went through.", "REVOKE "+x[0]+" ON "+t.rel.printed+" FROM "+a.everyApp()+";")
				})
			}
		}
		return nil
	})
}

// updateAny writes an update of whatever column can be written.
func (a *attempt) updateAny(t *target) string {
	for _, c := range a.copy.columns[t.rel.oid] {
		if col := t.rel.number(c.number); col != nil && !c.generated && !col.always && !strings.HasPrefix(a.copy.fresh(c, ofAll), "NULL") {
			return "UPDATE " + t.rel.printed + " SET " + c.printed + " = " + a.copy.fresh(c, ofAll)
		}
	}
	return ""
}

func privateRead(a *attempt) {
	a.asTenant(func(tx pgx.Tx) error {
		for _, t := range a.targets {
			if t.entry.Class != manifest.Private || t.rel.kind == foreign || len(t.rel.columns) == 0 {
				continue
			}
			a.refuses(tx, "SELECT count("+t.rel.columns[0].printed+") FROM "+t.rel.printed, []string{denied}, t.rel.printed+" cannot be tried", func() {
				a.found(a.here(t.rel.printed), "The application reads it.", "REVOKE ALL ON "+t.rel.printed+" FROM "+a.everyApp()+";")
			})
		}
		return nil
	})
}
