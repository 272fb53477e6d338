package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/pg/sqlname"
)

// Advice is what no statement of apply can do, or what the application has to decide.
func Advice(db *schema.Database, m *manifest.Manifest) []string {
	var all []string
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	b := newBuilder(db, m)
	say("Pooler: a connection must bring nothing of one tenant to the next. pgbouncer: server_reset_query = DISCARD ALL, server_reset_query_always = 1. Elsewhere: DISCARD ALL when a connection is given back.")
	say("Server: log_parameter_max_length = 0 and log_parameter_max_length_on_error = 0, and the extended protocol in the driver, so that no token stands in a log.")
	if me := db.Role(db.Me); me == nil || !me.Super {
		if b.makesLarge() {
			say("Large objects: no policy holds them, and only a superuser can take the right to make them: REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC.")
		}
		say("Statements of the application's other connections show in pg_stat_activity: a superuser hides them with ALTER ROLE %s SET track_activities = off.", quoted(m.App))
	}
	for _, p := range db.Publications {
		say("Publication %s sends rows of every tenant without a filter: whoever subscribes goes around tenancy. Declare it under around (kind replication), or give it a WHERE.", p)
	}
	left, unique := map[string]int{}, 0
	for _, r := range db.Relations {
		t := b.tenant(r)
		if t == nil {
			continue
		}
		for _, x := range r.Indexes {
			if x.Unique && x.Valid && !slices.Contains(x.Columns, t.Column) && !slices.ContainsFunc(x.Columns, func(name string) bool { c := r.Column(name); return c != nil && c.Base == "uuid" }) {
				unique++
			}
		}
		for _, role := range db.Roles {
			if role.CanLogin && !unbound(role) && role.Name != r.Owner && !slices.Contains(m.App, role.Name) && r.Holds(role.Name, "SELECT") && !slices.Contains(b.declared(r), role.Name) {
				left[role.Name]++
			}
		}
		b.keysLeft(r, t, say)
	}
	if unique > 0 {
		say("%d unique keys hold over all tenants: a refused insert tells that somebody has the value. Apply leaves them, because applications name them in ON CONFLICT; garant isolation verify lists them with what widens each (constraints.unique_without_tenant; constraints.counted_key where a sequence fills them).", unique)
	}
	for _, name := range sorted(left) {
		say("%s reads %d tables of tenants today and is no role of the application: after apply it sees no row of them. Declare it under around (kind bypass, with why), or let it enter with a token (app).", name, left[name])
	}
	var definers []string
	for _, d := range db.Definers {
		definers = append(definers, sqlname.Qualified(d.Schema, d.Name))
	}
	if len(definers) > 0 {
		say("Functions that run with their owner's rights see every tenant: %s. Read them, or make them SECURITY INVOKER.", some(definers))
	}
	return all
}

// keysLeft names the foreign keys that stay as they are, and why.
func (b *builder) keysLeft(r *schema.Relation, t *manifest.Table, say func(string, ...any)) {
	for _, k := range r.ForeignKeys {
		to := b.tenant(k.Target)
		if k.Inherited || to == nil || slices.Contains(k.Columns, t.Column) || slices.Contains(k.Refers, to.Column) && k.Target.QualifiedName() != b.m.Key.Table {
			continue
		}
		switch {
		case k.Target.QualifiedName() == b.m.Key.Table:
			say("%s of %s (%s) names a tenant beside %s: the application can name another's. Nothing of theirs is shown by it.", k.Name, r.QualifiedName(), strings.Join(k.Columns, ", "), t.Column)
		case !b.certain(k.Target, to) && !reaches(k):
			say("%s of %s stays without the tenant: %s of %s may be empty, and what belongs to nobody could not be referred to.", k.Name, r.QualifiedName(), to.Column, k.Target.QualifiedName())
		case stays(k):
			say("%s of %s stays without the tenant: its ON UPDATE SET NULL or SET DEFAULT would empty %s too.", k.Name, r.QualifiedName(), t.Column)
		}
	}
}
