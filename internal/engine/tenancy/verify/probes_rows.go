package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/pg/sqlname"
)

func rowProbes() []Check {
	p := func(id string, severity Severity, title, why string, probe func(*attempt)) Check {
		return Check{ID: "probe." + id, Kind: Probe, Severity: severity, Title: title, Why: why, Scratch: true, probe: probe}
	}
	unique := p("unique", Medium, "A refused insert tells what another tenant has", "ON CONFLICT DO NOTHING says yes or no to every guess.", uniqueOracle)
	unique.accepted = "constraints.unique_without_tenant"
	return []Check{
		p("own_rows", Medium, "The application does not see its tenant’s own rows", "What does not work will be made to work in a hurry, by a policy that is too wide; and probes that see nothing prove nothing.", ownRows),
		p("reads", Critical, "A tenant reads another tenant’s rows", "It is the sentence of the annex, come out false.", reads),
		p("by_key", Critical, "A tenant reads another tenant’s row by its key", "A key from a link or a log is enough.", byKey),
		p("insert", Critical, "A tenant writes a row for another", "What it plants there the other tenant reads as its own.", insertForeign),
		p("update_to", Critical, "A tenant gives its row to another", "An update moves a row, with what it says, into another tenant’s data.", updateTo),
		p("update_of", Critical, "A tenant changes another tenant’s row", "Without reading it, it overwrites it.", updateOf),
		p("delete_of", Critical, "A tenant deletes another tenant’s row", "One statement without WHERE empties the table for everybody.", deleteOf),
		p("upsert", Critical, "A tenant overwrites another tenant’s row by ON CONFLICT", "A key that it guesses is enough.", upsert),
		unique,
		p("foreign_key", High, "A tenant’s row points at another tenant’s", "The database accepts the reference, and its errors tell which keys exist.", foreignKey),
		p("cascade", Critical, "A tenant’s delete changes another tenant’s rows", "Referential actions run past the policies.", cascade),
		p("truncate", Critical, "The application empties a table", "Policies do not bind TRUNCATE.", truncate),
		p("copy_out", Critical, "COPY gives another tenant’s rows", "An export takes more than its tenant’s rows.", copyOut),
		p("views", Critical, "A view shows another tenant’s rows", "A report or list reads with somebody else’s rights.", views),
		p("partitions", Critical, "A partition shows another tenant’s rows", "Read by its own name, a partition is not under its parent’s policy.", partitions),
		p("functions", Critical, "A function returns another tenant’s rows", "It runs with rights that are not the caller’s.", functions),
		p("leaky_condition", Critical, "A condition is asked of another tenant’s rows", "An error or a message in the condition carries their values out.", leakyCondition),
		p("parallel", Critical, "A parallel plan shows another tenant’s rows", "Workers see another context than the session.", parallel),
		p("statistics", High, "Statistics show values of other tenants", "The most common values of a column are values of somebody’s rows.", statistics),
	}
}

// inside runs fn as a tenant's application; that it cannot is a failure of the probe.
func (a *attempt) inside(h how, fn func(pgx.Tx) error) {
	if err := a.as(h, fn); err != nil {
		a.failed("The attempt could not be carried out", err)
	}
}

func (a *attempt) asTenant(fn func(pgx.Tx) error) {
	a.inside(how{token: a.copy.token(ofA)}, fn)
}

func ownRows(a *attempt) {
	a.asTenant(func(tx pgx.Tx) error {
		a.canaried("SELECT", func(t *target) {
			a.see()
			n, err := a.count(tx, "SELECT count(*) FROM "+t.rel.printed+" WHERE "+a.of(t, ofA))
			if err != nil {
				a.found(a.here(t.rel.printed), "A tenant with a valid token is refused (SQLSTATE "+code(err)+").", "Look at its policies, and at the rights on schemas and functions that they need.")
			} else if n == 0 {
				a.found(a.here(t.rel.printed), "A tenant with a valid token does not see its own row.", "Look at its policies for more conditions than the tenant: "+a.policySQL(t))
			}
		})
		return nil
	})
}

// others counts, as tenant A, what a query shows of anybody else.
func (a *attempt) others(privilege string, prepare string, query func(*target) string, text string) {
	a.asTenant(func(tx pgx.Tx) error {
		if prepare != "" {
			if _, err := tx.Exec(a.ctx, prepare); err != nil {
				return err
			}
		}
		a.canaried(privilege, func(t *target) {
			a.see()
			n, err := a.count(tx, query(t))
			switch {
			case err == nil && n > 0:
				a.found(a.here(t.rel.printed), text, a.policySQL(t))
			case err != nil && !refusal(err, denied):
				a.failed(t.rel.printed+" cannot be read", err)
			}
		})
		return nil
	})
}

func reads(a *attempt) {
	a.others("SELECT", "", func(t *target) string {
		own := t.rel.column(t.entry.Column)
		if slices.Contains(a.visibleColumns(t.rel), own.printed) {
			return "SELECT count(*) FROM " + t.rel.printed + " WHERE NOT coalesce(" + a.of(t, ofA) + ", false)"
		}
		return "SELECT greatest(count(*) - 1, 0) FROM " + t.rel.printed // each canary has one row
	}, "A tenant sees rows that are not its own.")
}

func byKey(a *attempt) {
	a.others("SELECT", "", func(t *target) string {
		conditions := []string{}
		visible := a.visibleColumns(t.rel)
		for _, i := range t.rel.indexes {
			if !i.unique || len(i.columns) == 0 || i.partial {
				continue
			}
			var all []string
			for _, n := range i.columns {
				col := t.rel.number(n)
				if col == nil || !slices.Contains(visible, col.printed) {
					all = nil
					break
				}
				all = append(all, col.printed+" = "+a.copy.value(t.rel, n, ofB))
			}
			if len(all) > 0 {
				conditions = append(conditions, "("+strings.Join(all, " AND ")+")")
			}
		}
		if len(conditions) == 0 {
			conditions = []string{a.of(t, ofB)}
		}
		return "SELECT count(*) FROM " + t.rel.printed + " WHERE " + strings.Join(conditions, " OR ")
	}, "A tenant reads the row that has another tenant’s key.")
}

func insertForeign(a *attempt) {
	a.inside(how{token: a.copy.token(ofA), quiet: true}, func(tx pgx.Tx) error {
		a.canaried("INSERT", func(t *target) {
			a.see()
			_, err := a.count(tx, a.copy.insert(t.rel, ofB, true, nil))
			switch {
			case err == nil:
				a.found(a.here(t.rel.printed), "A tenant inserted a row of another.", a.policySQL(t, "INSERT"))
			case !refusal(err, denied):
				a.failed("An insert into "+t.rel.printed+" cannot be tried", err)
			}
		})
		return nil
	})
}

func updateTo(a *attempt) {
	a.inside(how{token: a.copy.token(ofA), quiet: true}, func(tx pgx.Tx) error {
		a.canaried("UPDATE", func(t *target) {
			if a.copy.alwaysColumn(t) {
				return // a generated column takes no value
			}
			a.see()
			col := t.rel.column(t.entry.Column)
			n, err := a.count(tx, "UPDATE "+t.rel.printed+" SET "+col.printed+" = "+a.copy.value(t.rel, col.number, ofB))
			switch {
			case err == nil && n > 0:
				a.found(a.here(t.rel.printed), "A tenant gave its row to another.", a.policySQL(t, "UPDATE"))
			case err != nil && !refusal(err, denied):
				a.failed("An update of "+t.rel.printed+" cannot be tried", err)
			}
		})
		return nil
	})
}

func (f *flock) alwaysColumn(t *target) bool {
	col := t.rel.column(t.entry.Column)
	return col != nil && f.column(t.rel, col.number).generated
}

// touchable is a column of a table, other than the tenant's, that the login may update.
func (a *attempt) touchable(t *target) (canaryColumn, bool) {
	for _, c := range a.copy.columns[t.rel.oid] {
		col := t.rel.number(c.number)
		if col == nil || c.generated || col.always || col.name == t.entry.Column {
			continue
		}
		if _, ok := through(t.rel.acl, t.rel.owner, a.app.reach, "UPDATE"); ok {
			return c, true
		}
		if _, ok := through(col.acl, t.rel.owner, a.app.reach, "UPDATE"); ok {
			return c, true
		}
	}
	return canaryColumn{}, false
}

func updateOf(a *attempt) {
	a.inside(how{token: a.copy.token(ofA), quiet: true}, func(tx pgx.Tx) error {
		a.canaried("UPDATE", func(t *target) {
			c, ok := a.touchable(t)
			if !ok {
				return
			}
			a.see()
			// Without WHERE and without reading: only the policy of UPDATE stands in between.
			n, err := a.count(tx, "UPDATE "+t.rel.printed+" SET "+c.printed+" = "+a.copy.fresh(c, ofA))
			switch {
			case err == nil && n > 1, err == nil && n == 1 && !a.may(a.app, t.rel, "SELECT"):
				a.found(a.here(t.rel.printed), "A tenant’s update without WHERE reached rows that are not its own.", a.policySQL(t, "UPDATE"))
			case refusal(err, "23505"): // more than one row was reached, and they collided
				a.found(a.here(t.rel.printed), "A tenant’s update without WHERE reached rows that are not its own.", a.policySQL(t, "UPDATE"))
			case err != nil && !refusal(err, denied):
				a.failed("An update of "+t.rel.printed+" cannot be tried", err)
			}
		})
		return nil
	})
}

func deleteOf(a *attempt) {
	a.inside(how{token: a.copy.token(ofA), quiet: true}, func(tx pgx.Tx) error {
		a.canaried("DELETE", func(t *target) {
			a.see()
			n, err := a.count(tx, "DELETE FROM "+t.rel.printed)
			switch {
			case err == nil && n > 1:
				a.found(a.here(t.rel.printed), "A tenant’s delete without WHERE reached rows that are not its own.", a.policySQL(t, "DELETE"))
			case err != nil && !refusal(err, denied):
				a.failed("A delete from "+t.rel.printed+" cannot be tried", err)
			}
		})
		return nil
	})
}

// collisions calls each for every unique key of a table that could be another tenant's: the row is
// A's, the key B's but for the tenant.
func (a *attempt) collisions(each func(t *target, i *index, columns []string, insert string)) {
	a.canaried("INSERT", func(t *target) {
		for _, i := range t.rel.indexes {
			if !i.unique || i.partial || i.inherited || slices.Contains(i.columns, 0) || a.settledKey(t, i) {
				continue
			}
			override := map[int16]string{}
			var columns []string
			own := true // the key is A's own as well: it refers to what both share
			for _, n := range i.columns {
				col := t.rel.number(n)
				columns = append(columns, col.printed)
				if col.name != t.entry.Column {
					override[n] = a.copy.value(t.rel, n, ofB)
					own = own && override[n] == a.copy.value(t.rel, n, ofA)
				}
			}
			if len(override) == 0 || own {
				continue
			}
			a.see()
			each(t, i, columns, a.copy.insert(t.rel, ofA, true, override))
		}
	})
}

// settledKey reports whether a key holds a generated column, for which no value can be given.
func (a *attempt) settledKey(t *target, i *index) bool {
	return slices.ContainsFunc(i.columns, func(n int16) bool { return a.copy.column(t.rel, n).generated })
}

func upsert(a *attempt) {
	a.inside(how{token: a.copy.token(ofA), quiet: true}, func(tx pgx.Tx) error {
		a.collisions(func(t *target, i *index, columns []string, insert string) {
			c, ok := a.touchable(t)
			if !ok || !a.may(a.app, t.rel, "SELECT") {
				return
			}
			// Which of the two it was shows in xmax or, of a partitioned table, in a value that only the update has.
			set, was := "excluded."+c.printed, "xmax::text <> '0'"
			if t.rel.kind == partitioned {
				set = a.copy.fresh(c, ofA)
				was = c.printed + "::text = (" + set + ")::text"
			}
			n, err := a.count(tx, insert+" ON CONFLICT ("+strings.Join(columns, ", ")+") DO UPDATE SET "+c.printed+" = "+set+" RETURNING ("+was+")::integer::bigint")
			switch {
			case err == nil && n > 0:
				a.found(a.here(t.rel.printed), "By ON CONFLICT a tenant overwrote the row of another that has the key.", a.policySQL(t, "UPDATE"))
			case err != nil && !refusal(err, denied, "23505", "55000", "42P10"): // an index that cannot be inferred (deferrable) cannot be abused so
				a.failed("An upsert into "+t.rel.printed+" cannot be tried", err)
			}
		})
		return nil
	})
}

func uniqueOracle(a *attempt) {
	exempt := map[string]bool{}
	for _, t := range a.storing() {
		for _, i := range t.rel.indexes {
			exempt[i.printed] = true
		}
	}
	seen := a.examined
	a.keysWithout(func(t *target, i *index) { exempt[i.printed] = counts(t, i) })
	a.examined = seen
	a.inside(how{token: a.copy.token(ofA), quiet: true}, func(tx pgx.Tx) error {
		a.collisions(func(t *target, i *index, _ []string, insert string) {
			n, err := a.count(tx, insert+" ON CONFLICT DO NOTHING")
			switch {
			case exempt[i.printed]:
			case err == nil && n == 0, refusal(err, "23505"):
				a.found(i.printed, "A tenant learned that another has the key.", "See the finding constraints.unique_without_tenant.")
			case err != nil && !refusal(err, denied):
				a.failed("An insert into "+t.rel.printed+" cannot be tried", err)
			}
		})
		return nil
	})
}

// references calls each for every foreign key between tenant tables that have canaries.
func (a *attempt) references(each func(t, to *target, k *constraint)) {
	for _, t := range a.storing() {
		for _, k := range t.rel.constraints {
			to := a.byOID[k.references]
			if k.kind != "f" || k.inherited || to == nil || to.entry.Class != manifest.Tenant || len(t.rel.parents) > 0 {
				continue
			}
			for _, x := range []*target{t, to} {
				if why := a.copy.refused[x.rel.oid]; why != "" {
					a.cannot(x.rel.printed + " cannot be tried: " + why + ".")
				}
			}
			if a.copy.refused[t.rel.oid] == "" && a.copy.refused[to.rel.oid] == "" {
				each(t, to, k)
			}
		}
	}
}

// foreignColumns are the columns of a foreign key, less the tenant's, with an owner's values.
func (a *attempt) foreignColumns(t, to *target, k *constraint, owner string) map[int16]string {
	values := map[int16]string{}
	for i, n := range k.columns {
		if n != t.rel.column(t.entry.Column).number {
			values[n] = "(" + a.copy.value(to.rel, k.referenced[i], owner) + ")::" + a.copy.column(t.rel, n).cast
		}
	}
	return values
}

// staged runs fn as tenant A after the copy's superuser has prepared rows, past triggers and keys; all
// of it is rolled back.
func (a *attempt) staged(prepare string, fn func(pgx.Tx) error) {
	a.inside(how{bare: true}, func(tx pgx.Tx) error {
		for _, sql := range []string{`SET LOCAL SESSION AUTHORIZATION DEFAULT`, `SET LOCAL session_replication_role = replica`, prepare, `SET LOCAL session_replication_role = origin`, `SET CONSTRAINTS ALL IMMEDIATE`,
			"SET LOCAL SESSION AUTHORIZATION " + a.app.role.printed} {
			if _, err := tx.Exec(a.ctx, sql); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(a.ctx, `SELECT garant.enter($1)`, a.copy.token(ofA)); err != nil {
			return err
		}
		return fn(tx)
	})
}

// assigned writes values for columns, in their order.
func assigned(rel *relation, values map[int16]string) []string {
	var list []string
	for _, n := range sortedKeys(values) {
		list = append(list, rel.number(n).printed+" = "+values[n])
	}
	return list
}

func foreignKey(a *attempt) {
	a.references(func(t, to *target, k *constraint) {
		values := a.foreignColumns(t, to, k, ofB)
		if len(values) == 0 || a.keyTable(to.rel) && !k.acts() {
			return // the tenant alone, or the name of another beside it
		}
		// The rows that a unique key could be in the way of are taken away first: B's, and A's own for an insert.
		prepare, sql := "DELETE FROM "+t.rel.printed+" WHERE "+a.of(t, ofB), "UPDATE "+t.rel.printed+" SET "+strings.Join(assigned(t.rel, values), ", ")
		switch {
		case a.may(a.app, t.rel, "UPDATE") && a.may(a.app, t.rel, "SELECT"):
		case a.may(a.app, t.rel, "INSERT"):
			prepare, sql = "DELETE FROM "+t.rel.printed, a.copy.insert(t.rel, ofA, true, values)
		default:
			return
		}
		a.see()
		a.staged(prepare, func(tx pgx.Tx) error {
			n, err := a.count(tx, sql)
			switch {
			case err == nil && n == 0:
				a.cannot("A tenant has no row of " + t.rel.printed + " to try the constraint " + k.printed + " with.")
			case err == nil:
				a.found("constraint "+k.printed+" on "+t.rel.printed, "A tenant’s row points at another tenant’s row of "+to.rel.printed+".", composite(t, to, k))
			case !refusal(err, "23503", denied):
				a.failed("The constraint "+k.printed+" on "+t.rel.printed+" cannot be tried", err)
			}
			return nil
		})
	})
}

func cascade(a *attempt) {
	a.references(func(t, to *target, k *constraint) {
		a.see()
		values := a.foreignColumns(t, to, k, ofA)
		if !k.acts() || len(values) < len(k.columns) || !a.may(a.app, to.rel, "DELETE") {
			return // with the tenant in the key no row of B can point at one of A
		}
		points := assigned(t.rel, values)
		// A's own row makes room for B's, which is to point at A's.
		prepare := "DELETE FROM " + t.rel.printed + " WHERE " + a.of(t, ofA) + "; UPDATE " + t.rel.printed + " SET " + strings.Join(points, ", ") + " WHERE " + a.of(t, ofB)
		if t == to {
			prepare = "UPDATE " + t.rel.printed + " SET " + strings.Join(points, ", ") + " WHERE " + a.of(t, ofB)
		}
		a.staged(prepare, func(tx pgx.Tx) error {
			_, err := a.count(tx, "DELETE FROM "+to.rel.printed+" WHERE "+a.of(to, ofA))
			if err != nil && !refusal(err, "23503", denied, "23502") {
				return err
			}
			left, err := a.truth(tx, "SELECT count(*) FROM "+t.rel.printed+" WHERE "+a.of(t, ofB)+" AND "+strings.Join(points, " AND "))
			if err == nil && left == 0 {
				a.found("constraint "+k.printed+" on "+t.rel.printed, "A tenant’s delete from "+to.rel.printed+" changed a row of another tenant.", composite(t, to, k))
			}
			return err
		})
	})
}

func truncate(a *attempt) {
	a.inside(how{token: a.copy.token(ofA)}, func(tx pgx.Tx) error {
		for _, t := range a.guarded() {
			a.refuses(tx, "TRUNCATE "+t.rel.printed+" CASCADE", []string{denied}, t.rel.printed+" cannot be tried", func() {
				a.found(a.here(t.rel.printed), "The application emptied it.", "REVOKE TRUNCATE ON "+t.rel.printed+" FROM "+a.everyApp()+";")
			})
		}
		return nil
	})
}

func copyOut(a *attempt) {
	a.asTenant(func(tx pgx.Tx) error {
		a.canaried("SELECT", func(t *target) {
			a.see()
			var out strings.Builder
			sub, err := tx.Begin(a.ctx)
			if err == nil {
				_, err = sub.Conn().PgConn().CopyTo(a.ctx, &out, "COPY "+t.rel.printed+" ("+strings.Join(a.copyable(t), ", ")+") TO STDOUT")
				if err != nil {
					_ = sub.Rollback(a.ctx)
				} else {
					err = sub.Commit(a.ctx)
				}
			}
			switch {
			case err == nil && strings.Count(out.String(), "\n") > 1:
				a.found(a.here(t.rel.printed), "COPY gave a tenant rows that are not its own.", a.policySQL(t, "SELECT"))
			case err != nil && !refusal(err, denied):
				a.failed("COPY of "+t.rel.printed+" cannot be tried", err)
			}
		})
		return nil
	})
}

// copyable are the columns that COPY can give: no generated ones.
func (a *attempt) copyable(t *target) []string {
	visible := a.visibleColumns(t.rel)
	var list []string
	for _, c := range a.copy.columns[t.rel.oid] {
		if !c.generated && slices.Contains(visible, c.printed) {
			list = append(list, c.printed)
		}
	}
	return list
}

// scan reads relations whole, and looks for canaries that are not A's.
func (a *attempt) scan(which func(*target) bool, text string) {
	a.asTenant(func(tx pgx.Tx) error {
		for _, t := range a.mayRead() {
			if !which(t) {
				continue
			}
			if why := a.copy.refused[t.rel.oid]; why != "" {
				a.cannot(t.rel.printed + " cannot be tried: " + why + ".")
				continue
			}
			a.see()
			n, err := a.count(tx, a.marked(t.rel))
			switch {
			case err == nil && n > 0:
				a.found(a.here(t.rel.printed), text, "See the findings about it, or: REVOKE ALL ON "+t.rel.printed+" FROM "+a.everyApp()+";")
			case err != nil && !refusal(err, denied):
				a.failed(t.rel.printed+" cannot be read", err)
			}
		}
		return nil
	})
}

func views(a *attempt) {
	a.scan(func(t *target) bool { return t.rel.kind == view || t.rel.kind == matview }, "It shows a tenant what is another’s.")
}

func partitions(a *attempt) {
	a.scan(func(t *target) bool { return len(t.rel.parents) > 0 }, "Read by its own name it shows a tenant what is another’s.")
}

// functions calls what the application may call, in languages that can be held, with arguments of
// the canary A, and looks for B in what comes back.
func functions(a *attempt) {
	trusted := map[string]bool{"sql": true}
	for _, l := range a.c.languages {
		trusted[l.name] = l.trusted
	}
	a.inside(how{token: a.copy.token(ofA)}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(a.ctx, `SET LOCAL statement_timeout = '2s'`); err != nil {
			return err
		}
		for _, f := range a.c.orderedFunctions() {
			if _, ok := a.executes(f); !ok || f.system || f.extension || f.kind == "a" || f.kind == "w" || f.schema.name == tenancyName || !trusted[f.language] {
				continue
			}
			a.see()
			name := f.schema.printed + "." + quote(f.name)
			for _, owner := range []string{ofA, ofB} {
				args := a.arguments(f, owner)
				sql := "SELECT count(*) FROM (SELECT x::text AS r FROM " + name + "(" + args + ") AS x) AS y WHERE r LIKE '%" + canaryMark + ofB + "%' OR r LIKE '%" + canaryMark + ofPrivate + "%'"
				if f.kind == "p" {
					sql = "CALL " + name + "(" + args + ")"
				}
				n, err := a.count(tx, sql)
				if err == nil && n > 0 && f.kind != "p" {
					a.found(a.here(f.printed), "It returned another tenant’s row to a tenant.", "ALTER FUNCTION "+f.printed+" SECURITY INVOKER; or REVOKE EXECUTE ON FUNCTION "+f.printed+" FROM "+a.everyApp()+";")
					break
				}
			}
		}
		return nil
	})
}

// arguments writes values for a function. Texts are neutral, so that what echoes its arguments shows
// nobody; keys are an owner's.
func (a *attempt) arguments(f *function, owner string) string {
	var list []string
	for _, typ := range f.arguments {
		v := "NULL"
		switch {
		case typ == a.m.Key.Type && typ != manifest.TypeText:
			v = sqlname.Literal(a.copy.tenantValue(owner))
		case typ == "boolean":
			v = "true"
		case slices.Contains([]string{"text", "character varying", "citext", "name"}, typ):
			v = "'%'"
		case slices.Contains([]string{"integer", "bigint", "smallint", "numeric", "double precision"}, typ):
			v = "1000"
		}
		list = append(list, v+"::"+typ)
	}
	return strings.Join(list, ", ")
}

// leakyCondition divides by zero on B's rows only.
func leakyCondition(a *attempt) {
	a.asTenant(func(tx pgx.Tx) error {
		a.canaried("SELECT", func(t *target) {
			visible := a.visibleColumns(t.rel)
			i := slices.IndexFunc(a.copy.columns[t.rel.oid], func(c canaryColumn) bool {
				return slices.Contains(visible, c.printed) && strings.Contains(a.copy.value(t.rel, c.number, ofB), canaryMark+ofB) && c.number != a.copy.tenantColumn(t.rel)
			})
			condition := ""
			if i >= 0 {
				condition = "1 / (CASE WHEN " + a.copy.columns[t.rel.oid][i].printed + "::text LIKE '%" + canaryMark + ofB + "%' THEN 0 ELSE 1 END) = 1"
			} else if col := t.rel.column(t.entry.Column); slices.Contains(visible, col.printed) {
				condition = "1 / (CASE WHEN " + a.of(t, ofB) + " THEN 0 ELSE 1 END) = 1"
			} else {
				return
			}
			a.see()
			_, err := a.count(tx, "SELECT count(*) FROM "+t.rel.printed+" WHERE "+condition)
			switch {
			case refusal(err, "22012"):
				a.found(a.here(t.rel.printed), "A condition that fails on another tenant’s row failed.", a.policySQL(t, "SELECT"))
			case err != nil && !refusal(err, denied):
				a.failed(t.rel.printed+" cannot be read", err)
			}
		})
		return nil
	})
}

func parallel(a *attempt) {
	const force = `SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL min_parallel_index_scan_size = 0; SET LOCAL max_parallel_workers_per_gather = 1;`
	name := "force_parallel_mode"
	if a.c.version >= 160000 {
		name = "debug_parallel_query"
	}
	a.others("SELECT", force+fmt.Sprintf(" SET LOCAL %s = on", name), func(t *target) string {
		return "SELECT greatest(count(*) - 1, 0) FROM " + t.rel.printed // each canary has one row
	}, "In a parallel plan a tenant sees rows that are not its own.")
}

func statistics(a *attempt) {
	a.others("SELECT", "", func(t *target) string {
		return "SELECT count(*) FROM pg_stats WHERE schemaname = " + sqlname.Literal(t.rel.schema.name) + " AND tablename = " + sqlname.Literal(t.rel.name)
	}, "A tenant reads the statistics of its columns.")
}
