package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/pg/sqlname"
)

// application finds the roles that the application signs in as: logins with rights on the tables
// who own none and are bound by policies. fresh is true when a new role is proposed.
func (c *classifier) application(p *Proposal) (roles []string, fresh bool) {
	owners := c.owners()
	count := map[string]int{}
	for _, r := range c.db.Relations {
		for _, role := range c.db.Roles {
			if role.CanLogin && !unbound(role) && owners[role.Name] == 0 && !slices.ContainsFunc(role.MemberOf, func(m string) bool { return owners[m] > 0 }) {
				for _, as := range append([]string{role.Name}, role.MemberOf...) {
					if r.Holds(as, "INSERT") || r.Holds(as, "UPDATE") {
						count[role.Name]++
						break
					}
				}
			}
		}
	}
	best := ""
	for _, name := range sorted(count) {
		if best == "" || count[name] > count[best] {
			best = name
		}
	}
	if best != "" && count[best]*3 > len(c.db.Relations) {
		return []string{best}, false
	}
	name := c.db.Name + "_app"
	if len(name) > 63 || c.db.Role(name) != nil {
		name = "garant_application"
	}
	owner := sorted(owners)
	p.Notes = append(p.Notes, fmt.Sprintf("No login role has rights on the tables without owning them (owners: %s). The application must sign in as a role of its own: apply makes %s, without a password; name another with --app.", some(owner), name))
	return []string{name}, true
}

// owners counts the relations that roles own.
func (c *classifier) owners() map[string]int {
	owners := map[string]int{}
	for _, r := range c.db.Relations {
		owners[r.Owner]++
	}
	return owners
}

func sorted(count map[string]int) []string {
	names := make([]string, 0, len(count))
	for n := range count {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b)) })
	return names
}

// unbound reports whether no policy holds a role.
func unbound(r *schema.Role) bool { return r.Super || r.Bypass }

// around lists the ways around tenancy that the catalogue shows.
func (c *classifier) around() []manifest.Path {
	var all []manifest.Path
	add := func(role, kind, format string, args ...any) {
		if !slices.ContainsFunc(all, func(p manifest.Path) bool { return p.Role == role && p.Kind == kind }) && !slices.Contains(c.app, role) {
			all = append(all, manifest.Path{Role: role, Kind: kind, Why: fmt.Sprintf(format, args...)})
		}
	}
	owners := c.owners()
	for _, role := range c.db.Roles {
		switch {
		case role.Super:
			add(role.Name, "superuser", "superuser of the cluster")
		case role.Bypass:
			add(role.Name, "bypass", "has BYPASSRLS: say what for")
		}
		if role.Replication && !role.Super {
			add(role.Name, "replication", "may stream the whole cluster: say what for")
		}
		if n := owners[role.Name]; n > 0 && !role.Super {
			add(role.Name, "owner", "owner of %s: migrations", relations(n))
		}
		if i := slices.IndexFunc(role.MemberOf, func(m string) bool { return owners[m] > 0 }); i >= 0 && !role.Super {
			add(role.Name, "owner", "member of %s: say what for", role.MemberOf[i])
		}
		if role.Create && !role.Super && c.db.Version < 160000 {
			add(role.Name, "superuser", "has CREATEROLE, by which it can give itself every role but a superuser's: say what for")
		}
	}
	definers := map[string]int{}
	for _, d := range c.db.Definers {
		definers[d.Owner]++
	}
	for _, name := range sorted(definers) {
		if role := c.db.Role(name); role != nil && !role.Super {
			add(name, "definer", "%s that run with its rights: say what they show", functions(definers[name]))
		}
	}
	return all
}

func functions(n int) string {
	if n == 1 {
		return "owner of a function"
	}
	return fmt.Sprintf("owner of %d functions", n)
}

func relations(n int) string {
	if n == 1 {
		return "one relation"
	}
	return fmt.Sprintf("%d relations", n)
}

// Refusals are the reasons for which nothing can be applied: what no step mends.
func Refusals(db *schema.Database, m *manifest.Manifest) []string {
	var all []string
	refuse := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if m.Database != db.Name {
		refuse("The manifest is of database %s, and this is %s: write database: %s if that is meant.", m.Database, db.Name, db.Name)
	}
	for _, r := range db.Relations {
		if m.Table(r.Schema, r.Name) == nil && !covered(r, m) {
			refuse("%s is not classified: run garant isolation plan, which adds it.", r.QualifiedName())
		}
	}
	for i := range m.Tables {
		t := &m.Tables[i]
		for _, d := range t.Blocking() {
			refuse("%s (line %d): %s", t.QualifiedName(), t.Line, d)
		}
		refuseTable(db, m, t, refuse)
	}
	all = append(all, unrecordable(db, m)...)
	for _, name := range m.App {
		refuseRole(db, m, name, refuse)
	}
	return all
}

func refuseTable(db *schema.Database, m *manifest.Manifest, t *manifest.Table, refuse func(string, ...any)) {
	r := db.Relation(t.Schema, t.Name)
	switch {
	case r == nil && t.Kind == manifest.KindPartition: // dropped with its rows
	case r == nil:
		refuse("%s (line %d) is not in the database: run garant isolation plan, which removes it.", t.QualifiedName(), t.Line)
	case r.Kind != t.Kind:
		refuse("%s (line %d) is a %s and not a %s: run garant isolation plan.", t.QualifiedName(), t.Line, r.Kind, t.Kind)
	case t.Class == manifest.Tenant && r.Kind == manifest.KindForeign:
		refuse("%s (line %d) is a foreign table, on which PostgreSQL holds no policy: write class private.", t.QualifiedName(), t.Line)
	case t.Class == manifest.Tenant && t.Column != "" && !t.Add && r.Column(t.Column) == nil:
		refuse("%s (line %d) has no column %s: correct it, or write add: true and via.", t.QualifiedName(), t.Line, t.Column)
	case t.Class == manifest.Tenant && t.Column != "" && r.Column(t.Column) != nil && keyType(r.Column(t.Column).Base) == "":
		refuse("%s (line %d): the column %s is of type %s, in which no tenant's key is held.", t.QualifiedName(), t.Line, t.Column, r.Column(t.Column).Type)
	case t.Add && r.Column(t.Column) == nil:
		hops, err := trace(db, m, r, t)
		if err != "" {
			refuse("%s (line %d): %s", t.QualifiedName(), t.Line, err)
		}
		refuseWriters(db, r, hops, refuse)
	}
}

// refuseWriters holds that whoever writes a table may read those that its new column is filled
// from: the trigger that fills it runs with the writer's rights.
func refuseWriters(db *schema.Database, r *schema.Relation, hops []hop, refuse func(string, ...any)) {
	var told []string
	for _, right := range r.ACL {
		role := db.Role(right.Grantee)
		if right.Privilege != "INSERT" && right.Privilege != "UPDATE" || role == nil || role.Super || slices.Contains(told, role.Name) {
			continue
		}
		as := append([]string{role.Name, ""}, role.MemberOf...)
		for _, h := range hops {
			if !slices.ContainsFunc(as, func(name string) bool { return name == h.target.Owner || h.target.Holds(name, "SELECT") }) {
				told = append(told, role.Name)
				refuse("%s writes %s and may not read %s, from which the new column is filled: its writing would fail. Run GRANT SELECT ON %s TO %s.", role.Name, r.QualifiedName(), h.target.QualifiedName(), h.target.QualifiedName(), sqlname.Quote(role.Name))
				break
			}
		}
	}
}

func refuseRole(db *schema.Database, m *manifest.Manifest, name string, refuse func(string, ...any)) {
	role := db.Role(name)
	if role == nil {
		return // apply makes it
	}
	if role.Super {
		refuse("The application's role %s is superuser: no policy holds it. Give the application a role of its own, and name it under app.", name)
		return
	}
	if role.Bypass {
		refuse("The application's role %s has BYPASSRLS: no policy holds it. Run ALTER ROLE %s NOBYPASSRLS, or name another role under app.", name, sqlname.Quote(name))
	}
	if role.Create {
		refuse("The application's role %s has CREATEROLE and can give itself rights. Run ALTER ROLE %s NOCREATEROLE, or name another role under app.", name, sqlname.Quote(name))
	}
	for _, owner := range append([]string{name}, role.MemberOf...) {
		var owned []string
		for _, r := range db.Relations {
			if r.Owner == owner {
				owned = append(owned, r.QualifiedName())
			}
		}
		what := "owns"
		if owner != name {
			what = "is a member of " + owner + ", which owns"
		}
		if len(owned) > 0 {
			refuse("The application's role %s %s %s: an owner can switch policies off. Give the application a role of its own, and name it under app.", name, what, some(owned))
		}
	}
	if db.Owner == name || slices.Contains(role.MemberOf, db.Owner) {
		refuse("The application's role %s owns the database, or is a member of its owner. Run ALTER DATABASE %s OWNER TO another role.", name, sqlname.Quote(db.Name))
	}
	for _, n := range db.Namespaces {
		if n.Owner == name || slices.Contains(role.MemberOf, n.Owner) {
			refuse("The application's role %s owns schema %s, or is a member of its owner, and may drop what is in it. Run ALTER SCHEMA %s OWNER TO another role.", name, n.Name, sqlname.Quote(n.Name))
		}
	}
	for _, member := range role.MemberOf {
		if o := db.Role(member); o != nil && unbound(o) {
			refuse("The application's role %s is a member of %s, which no policy holds. Run REVOKE %s FROM %s.", name, member, sqlname.Quote(member), sqlname.Quote(name))
		}
		if strings.HasPrefix(member, "pg_") && member != "pg_checkpoint" {
			refuse("The application's role %s is a member of %s, which reads past its own rows or acts on the server. Run REVOKE %s FROM %s.", name, member, member, sqlname.Quote(name))
		}
	}
}
