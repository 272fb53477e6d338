package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/pg/sqlname"
)

// The policies that apply makes.
const (
	PolicySelect   = "garant_select" // the application reads within its tenant
	PolicyInsert   = "garant_insert" // and writes within it, unless its token is for reading
	PolicyUpdate   = "garant_update"
	PolicyDelete   = "garant_delete"
	PolicyOwner    = "garant_owner"    // the owner's migrations, which FORCE would bind
	PolicyDeclared = "garant_declared" // roles that the manifest lets around
)

// policy holds a table's rows for the application's roles.
func (b *builder) policy(r *schema.Relation) {
	t := b.tenant(r)
	name := r.QualifiedName()
	var sql, undo []string
	hold := func(p schema.Policy) {
		i := slices.IndexFunc(r.Policies, func(o schema.Policy) bool { return o.Name == p.Name })
		if i >= 0 {
			if alike(r.Policies[i], p) {
				return
			}
			sql = append(sql, fmt.Sprintf("DROP POLICY %s ON %s", p.Name, name))
			undo = append([]string{written(r.Policies[i], name)}, undo...)
		}
		sql = append(sql, written(p, name))
		undo = append([]string{fmt.Sprintf("DROP POLICY IF EXISTS %s ON %s", p.Name, name)}, undo...)
	}
	reads, writes := b.m.Key.Policy(t.Column, b.typeOf(r, t)), b.m.Key.WritePolicy(t.Column, b.typeOf(r, t))
	for _, p := range []schema.Policy{
		{Name: PolicySelect, Command: "r", Using: reads},
		{Name: PolicyInsert, Command: "a", Check: writes},
		{Name: PolicyUpdate, Command: "w", Using: writes, Check: writes},
		{Name: PolicyDelete, Command: "d", Using: writes},
	} {
		p.Permissive, p.Roles = !b.widening(r), b.m.App
		hold(p)
	}
	hold(schema.Policy{Name: PolicyOwner, Permissive: true, Command: "*", Roles: []string{r.Owner}, Using: "true", Check: "true"})
	i := slices.IndexFunc(r.Policies, func(o schema.Policy) bool { return o.Name == PolicyDeclared })
	if declared := b.declared(r); len(declared) > 0 {
		hold(schema.Policy{Name: PolicyDeclared, Permissive: true, Command: "*", Roles: declared, Using: "true", Check: "true"})
	} else if i >= 0 {
		sql = append(sql, fmt.Sprintf("DROP POLICY %s ON %s", PolicyDeclared, name))
		undo = append([]string{written(r.Policies[i], name)}, undo...)
	}
	var on []string
	if !r.RLS {
		on = append(on, "ENABLE ROW LEVEL SECURITY")
		undo = append(undo, "ALTER TABLE "+name+" DISABLE ROW LEVEL SECURITY")
	}
	if !r.Force {
		on = append(on, "FORCE ROW LEVEL SECURITY")
		undo = append(undo, "ALTER TABLE "+name+" NO FORCE ROW LEVEL SECURITY")
	}
	if len(on) > 0 {
		sql = append(sql, "ALTER TABLE "+name+" "+strings.Join(on, ", "))
	}
	if len(sql) == 0 {
		return
	}
	b.add(Step{ID: "policy:" + name, Phase: Switch, Table: name, Title: "Show the application the rows of " + name + " that are its token's tenant's, and no others",
		SQL: sql, Lock: lockBrief, Cost: catalogueOnly, Undo: [][]string{undo}, Back: "drops the policies and brings back what was switched"})
}

// widening reports whether the table has policies of somebody else that let the application in: ours then narrows them.
func (b *builder) widening(r *schema.Relation) bool {
	return slices.ContainsFunc(r.Policies, func(p schema.Policy) bool {
		return p.Permissive && !strings.HasPrefix(p.Name, "garant_") && slices.ContainsFunc(p.Roles, func(role string) bool { return role == "public" || slices.Contains(b.act, role) })
	})
}

// declared are the roles that the manifest lets around tenancy here: those that policies would hold, and that have a right
// on the relation of their own, or of a group's. What PUBLIC has apply takes.
func (b *builder) declared(r *schema.Relation) []string {
	var all []string
	for _, p := range b.m.Around {
		role := b.db.Role(p.Role)
		if role == nil || unbound(role) || p.Role == r.Owner || slices.Contains(all, p.Role) || !slices.Contains([]string{"bypass", "backup", "definer"}, p.Kind) || !b.reaches(r, role) {
			continue
		}
		all = append(all, p.Role)
	}
	slices.Sort(all)
	return all
}

// reaches reports whether a role may do something with the rows of a relation.
func (b *builder) reaches(r *schema.Relation, role *schema.Role) bool {
	as := append([]string{role.Name}, role.MemberOf...)
	if slices.Contains(as, "pg_read_all_data") || slices.Contains(as, "pg_write_all_data") || slices.Contains(as, r.Owner) {
		return true
	}
	return slices.ContainsFunc(as, func(name string) bool {
		return slices.ContainsFunc(manifest.GrantWords(), func(g string) bool { return r.Holds(name, g) })
	})
}

// applying are the application's roles and every group that they can act as.
func (b *builder) applying() []string {
	all := slices.Clone(b.m.App)
	for _, name := range b.m.App {
		if role := b.db.Role(name); role != nil {
			for _, g := range role.MemberOf {
				if !slices.Contains(all, g) && !strings.HasPrefix(g, "pg_") {
					all = append(all, g)
				}
			}
		}
	}
	return all
}

// alike compares a policy of the catalogue with one that should be there.
func alike(have, want schema.Policy) bool {
	return have.Permissive == want.Permissive && have.Command == want.Command && slices.Equal(slices.Sorted(slices.Values(have.Roles)), slices.Sorted(slices.Values(want.Roles))) &&
		same(have.Using, want.Using) && same(have.Check, want.Check)
}

var printed = regexp.MustCompile(` AS "?(tenant|writer)_(uuid|bigint|text)"?|::[a-z]+( varying)?(\(\d+\))?|[\s()]`)

// same compares an expression with how PostgreSQL prints it: without its parentheses, casts and names.
func same(a, b string) bool {
	return printed.ReplaceAllString(a, "") == printed.ReplaceAllString(b, "")
}

// written is the statement that makes a policy of the catalogue again.
func written(p schema.Policy, table string) string {
	kind := "PERMISSIVE"
	if !p.Permissive {
		kind = "RESTRICTIVE"
	}
	roles := make([]string, len(p.Roles))
	for i, r := range p.Roles {
		if roles[i] = sqlname.Quote(r); r == "public" {
			roles[i] = "PUBLIC"
		}
	}
	s := fmt.Sprintf("CREATE POLICY %s ON %s AS %s FOR %s TO %s", sqlname.Quote(p.Name), table, kind,
		map[string]string{"*": "ALL", "r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE"}[p.Command], strings.Join(roles, ", "))
	if p.Using != "" {
		s += " USING (" + p.Using + ")"
	}
	if p.Check != "" {
		s += " WITH CHECK (" + p.Check + ")"
	}
	return s
}

// views lets views of tenants' rows read with the rights, and under the policies, of who asks.
func (b *builder) views() {
	for _, r := range b.db.Relations {
		t := b.entry(r)
		if r.Kind != manifest.KindView || t == nil || t.Class != manifest.Tenant || r.Invoker {
			continue
		}
		name := r.QualifiedName()
		undo, back := "RESET (security_invoker)", "lets it read with its owner's rights again"
		if r.InvokerSet {
			undo = "SET (security_invoker = false)"
		}
		b.add(Step{ID: "view:" + name, Phase: Switch, Table: name, Title: "Let the view " + name + " read under the policies of who asks",
			SQL: []string{"ALTER VIEW " + name + " SET (security_invoker = true)"}, Lock: lockBrief, Cost: catalogueOnly, Undo: [][]string{{"ALTER VIEW " + name + " " + undo}}, Back: back})
	}
}
