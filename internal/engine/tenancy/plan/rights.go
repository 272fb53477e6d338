package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/pg/sqlname"
)

// grantable is a thing that has an access list.
type grantable struct {
	on    string // "TABLE s.t", "SCHEMA s", "DATABASE d", "SEQUENCE s.q"
	owner string
	acl   []schema.Right
	cols  map[string][]schema.Right
	order []string // of the columns
}

// rights brings the application's rights to what the manifest says, on everything.
func (b *builder) rights() {
	for _, r := range b.db.Relations {
		b.relation(r)
	}
	b.namespaces()
	b.database()
	b.defaults()
	b.largeObjects()
	b.activities()
}

func (b *builder) relation(r *schema.Relation) {
	t := b.entry(r)
	var want []string
	if t != nil && r.Kind != manifest.KindPartition {
		want = t.Grants
	}
	g := &grantable{on: "TABLE " + r.QualifiedName(), owner: r.Owner, acl: r.ACL, cols: r.ColumnACL}
	for _, c := range r.Columns {
		g.order = append(g.order, c.Name)
	}
	sql := b.narrow(g, nil, want)
	for _, role := range b.m.App {
		missing := slices.DeleteFunc(slices.Clone(want), func(p string) bool { return b.holds(r, role, p) })
		if len(missing) > 0 {
			sql = append(sql, fmt.Sprintf("GRANT %s ON %s TO %s", strings.Join(missing, ", "), g.on, sqlname.Quote(role)))
		}
	}
	if len(sql) > 0 {
		title := "Give the application " + strings.Join(want, ", ") + " on " + r.QualifiedName() + ", and nothing else"
		if len(want) == 0 {
			title = "Take the application's and everybody's rights on " + r.QualifiedName()
		}
		b.add(Step{ID: "rights:" + r.QualifiedName(), Phase: Switch, Table: r.QualifiedName(), Title: title, SQL: sql, Lock: lockNone, Cost: catalogueOnly,
			Undo: b.restored(g), Back: "brings every right back that was there"})
	}
	if slices.Contains(want, "INSERT") {
		b.sequences(r)
	}
}

// holds reports whether a role has a right, by itself or by a group, on the relation or columns of it.
func (b *builder) holds(r *schema.Relation, role, privilege string) bool {
	as := []string{role}
	if o := b.db.Role(role); o != nil {
		as = append(as, o.MemberOf...)
	}
	return slices.ContainsFunc(as, func(name string) bool { return r.Holds(name, privilege) })
}

// narrow takes the rights that are not wanted: of PUBLIC, and of the application and its groups.
func (b *builder) narrow(g *grantable, public, want []string) []string {
	var sql []string
	for _, grantee := range append([]string{""}, b.act...) {
		if grantee == g.owner {
			continue
		}
		keep := want
		if grantee == "" {
			keep = public
		}
		surplus := map[string][]string{} // by grantor
		note := func(rights []schema.Right) {
			for _, r := range rights {
				if r.Grantee == grantee && !slices.Contains(keep, r.Privilege) && !slices.Contains(surplus[r.Grantor], r.Privilege) {
					surplus[r.Grantor] = append(surplus[r.Grantor], r.Privilege)
				}
			}
		}
		note(g.acl)
		for _, column := range g.order {
			note(g.cols[column])
		}
		to := publicOr(grantee)
		for _, grantor := range sortedKeys(surplus) {
			sql = append(sql, as(grantor, g.owner, fmt.Sprintf("REVOKE %s ON %s FROM %s", strings.Join(surplus[grantor], ", "), g.on, to))...)
		}
	}
	return sql
}

func sortedKeys(m map[string][]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

const actAs = "SET LOCAL ROLE "

// as runs a statement as the grantor of a right where that is not the owner: only the grantor's own are touched.
func as(grantor, owner, sql string) []string {
	if grantor == owner {
		return []string{sql}
	}
	return []string{actAs + sqlname.Quote(grantor), sql, "RESET ROLE"}
}

// restored brings an access list back to what it was, in its order. Grants of the owner to others
// than those it names stay.
func (b *builder) restored(g *grantable) [][]string {
	var sql []string
	names := []string{""}
	for _, r := range append(append([]schema.Right{}, g.acl...), columnRights(g)...) {
		if !slices.Contains(names, r.Grantee) && r.Grantee != g.owner {
			names = append(names, r.Grantee)
		}
	}
	for _, name := range b.act {
		if !slices.Contains(names, name) && name != g.owner {
			names = append(names, name)
		}
	}
	for _, name := range names {
		sql = append(sql, fmt.Sprintf("REVOKE ALL ON %s FROM %s CASCADE", g.on, publicOr(name)))
	}
	sql = append(sql, granting(g.acl, g.owner, g.on, "")...)
	for _, column := range g.order {
		sql = append(sql, granting(g.cols[column], g.owner, g.on, " ("+sqlname.Quote(column)+")")...)
	}
	return [][]string{sql}
}

func columnRights(g *grantable) []schema.Right {
	var all []schema.Right
	for _, column := range g.order {
		all = append(all, g.cols[column]...)
	}
	return all
}

// granting writes an access list as statements, neighbours of one grantee together.
func granting(acl []schema.Right, owner, on, columns string) []string {
	var sql []string
	for i := 0; i < len(acl); {
		r := acl[i]
		var words []string
		for ; i < len(acl) && acl[i].Grantee == r.Grantee && acl[i].Grantor == r.Grantor && acl[i].Grantable == r.Grantable; i++ {
			words = append(words, acl[i].Privilege+columns)
		}
		if r.Grantee == owner {
			continue // was never taken
		}
		s := fmt.Sprintf("GRANT %s ON %s TO %s", strings.Join(words, ", "), on, publicOr(r.Grantee))
		if r.Grantable {
			s += " WITH GRANT OPTION"
		}
		sql = append(sql, as(r.Grantor, owner, s)...)
	}
	return sql
}

func (b *builder) sequences(r *schema.Relation) {
	for _, s := range r.Sequences {
		if s.Identity {
			continue
		}
		g := &grantable{on: "SEQUENCE " + sqlname.Qualified(s.Schema, s.Name), owner: s.Owner, acl: s.ACL}
		var sql []string
		for _, role := range b.m.App {
			names := []string{role, ""}
			if o := b.db.Role(role); o != nil {
				names = append(names, o.MemberOf...)
			}
			if !slices.ContainsFunc(names, func(n string) bool { return schema.Has(s.ACL, n, "USAGE") }) {
				sql = append(sql, fmt.Sprintf("GRANT USAGE ON %s TO %s", g.on, sqlname.Quote(role)))
			}
		}
		if len(sql) > 0 && !b.ids["rights:"+g.on] {
			b.add(Step{ID: "rights:" + g.on, Table: r.QualifiedName(), Title: "Let the application take numbers from " + sqlname.Qualified(s.Schema, s.Name),
				SQL: sql, Lock: lockNone, Cost: catalogueOnly, Undo: b.restored(g), Back: "brings every right back that was there"})
		}
	}
}

func (b *builder) namespaces() {
	for _, n := range b.db.Namespaces {
		needed := slices.ContainsFunc(b.m.Tables, func(t manifest.Table) bool { return t.Schema == n.Name && len(t.Grants) > 0 })
		g := &grantable{on: "SCHEMA " + sqlname.Quote(n.Name), owner: n.Owner, acl: n.ACL}
		sql := b.narrow(g, []string{"USAGE"}, []string{"USAGE"})
		for _, role := range b.m.App {
			names := []string{role, ""}
			if o := b.db.Role(role); o != nil {
				names = append(names, o.MemberOf...)
			}
			if needed && !slices.ContainsFunc(names, func(name string) bool { return schema.Has(n.ACL, name, "USAGE") || name == n.Owner }) {
				sql = append(sql, "GRANT USAGE ON "+g.on+" TO "+sqlname.Quote(role))
			}
		}
		if len(sql) > 0 {
			b.add(Step{ID: "schema:" + n.Name, Phase: Switch, Title: "Let the application use schema " + n.Name + ", and make nothing in it", SQL: sql,
				Lock: lockNone, Cost: catalogueOnly, Undo: b.restored(g), Back: "brings every right back that was there"})
		}
	}
}

// database takes temporary tables, which shadow others and outlive a transaction on a pooled connection.
func (b *builder) database() {
	g := &grantable{on: "DATABASE " + sqlname.Quote(b.db.Name), owner: b.db.Owner, acl: b.db.ACL}
	sql := b.narrow(g, []string{"CONNECT"}, []string{"CONNECT"})
	for _, role := range b.m.App {
		if !schema.Has(g.acl, "", "CONNECT") && !schema.Has(g.acl, role, "CONNECT") {
			sql = append(sql, "GRANT CONNECT ON "+g.on+" TO "+sqlname.Quote(role))
		}
	}
	if len(sql) > 0 {
		b.add(Step{ID: "database:" + b.db.Name, Phase: Switch, Title: "Let the application, and whoever has no right by name, make no temporary tables and no schemas", SQL: sql,
			Lock: lockNone, Cost: catalogueOnly, Undo: b.restored(g), Back: "brings every right back that was there"})
	}
}

// defaults sees that tables to come are not for the application until they are classified.
func (b *builder) defaults() {
	for _, d := range b.db.Defaults {
		if d.Kind != "r" {
			continue
		}
		in := "ALTER DEFAULT PRIVILEGES FOR ROLE " + sqlname.Quote(d.Role)
		if d.Schema != "" {
			in += " IN SCHEMA " + sqlname.Quote(d.Schema)
		}
		var sql, undo []string
		for _, r := range d.ACL {
			if r.Grantee != d.Role && (r.Grantee == "" || slices.Contains(b.act, r.Grantee)) {
				if s := in + " REVOKE ALL ON TABLES FROM " + publicOr(r.Grantee); !slices.Contains(sql, s) {
					sql = append(sql, s)
				}
			}
		}
		if len(sql) == 0 {
			continue
		}
		seen := map[string]bool{d.Role: true}
		for _, r := range d.ACL {
			if !seen[r.Grantee] {
				seen[r.Grantee] = true
				undo = append(undo, in+" REVOKE ALL ON TABLES FROM "+publicOr(r.Grantee))
			}
		}
		for _, s := range granting(d.ACL, d.Role, "TABLES", "") {
			undo = append(undo, in+" "+s)
		}
		b.add(Step{ID: "defaults:" + d.Role + "." + d.Schema, Phase: Switch, Title: "Give the application no right on tables that " + d.Role + " will make: each is to be classified first", SQL: sql,
			Lock: lockNone, Cost: catalogueOnly, Undo: [][]string{undo}, Back: "brings the default rights back"})
	}
}

func publicOr(name string) string {
	if name == "" {
		return "PUBLIC"
	}
	return sqlname.Quote(name)
}

// largeObjects takes the right to make large objects, which no policy holds. Only a superuser may.
func (b *builder) largeObjects() {
	if me := b.db.Role(b.db.Me); me == nil || !me.Super {
		return
	}
	for _, f := range b.db.Large {
		g := &grantable{on: "FUNCTION " + f.Name, owner: f.Owner, acl: f.ACL}
		if sql := b.narrow(g, nil, nil); len(sql) > 0 {
			b.add(Step{ID: "large:" + f.Name, Phase: Switch, Title: "Let the application, and whoever has no right by name, make no large objects: no policy holds them (" + f.Name + ")", SQL: sql,
				Lock: lockNone, Cost: catalogueOnly, Undo: b.restored(g), Back: "brings every right back that was there"})
		}
	}
}

// makesLarge reports whether the application may make large objects.
func (b *builder) makesLarge() bool {
	return slices.ContainsFunc(b.db.Large, func(f schema.Function) bool {
		return len(b.narrow(&grantable{on: "FUNCTION " + f.Name, owner: f.Owner, acl: f.ACL}, nil, nil)) > 0
	})
}

// activities hides the text of statements from other connections of the application's role, which
// pg_stat_activity would show. Only a superuser may.
func (b *builder) activities() {
	if me := b.db.Role(b.db.Me); me == nil || !me.Super {
		return
	}
	for _, name := range b.m.App {
		role := b.db.Role(name)
		before := ""
		if role != nil {
			for _, s := range role.Settings {
				if value, found := strings.CutPrefix(s, "track_activities="); found {
					before = value
				}
			}
		}
		if before == "off" || before == "false" {
			continue
		}
		alter := "ALTER ROLE " + sqlname.Quote(name)
		undo := alter + " RESET track_activities"
		if before != "" {
			undo = alter + " SET track_activities = " + sqlname.Literal(before)
		}
		b.add(Step{ID: "activities:" + name, Title: "Hide the statements of " + name + " from its other connections, which serve other tenants",
			SQL: []string{alter + " SET track_activities = off"}, Lock: lockNone, Cost: catalogueOnly, Undo: [][]string{{undo}}, Back: "brings the setting back"})
	}
}
