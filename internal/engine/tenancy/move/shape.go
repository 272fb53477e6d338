package move

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg/sqlname"
)

// table is one whose rows move, or of shared rows that the target needs too. A partitioned table
// stands for its partitions.
type table struct {
	id           int16 // place in the order of names; the same for the whole move
	schema, name string
	class        manifest.Class
	column       string // with the tenant's key
	of           string // condition that a row, called t, is the tenant's; of a shared table: true
	whole        bool   // a partitioned table: its rows are read through it
	copied       []string
	all          []string
	key          []keyColumn // what tells its rows apart; nil: nothing does
	relation     *schema.Relation
}

type keyColumn struct{ name, typ string }

func (t *table) qualified() string { return sqlname.Qualified(t.schema, t.name) }

// from is the table as a query names it: of one that others inherit from, its own rows only.
func (t *table) from() string {
	if t.whole {
		return t.qualified()
	}
	return "ONLY " + t.qualified()
}

// parts are the table and its partitions, which are reached directly too.
func (t *table) parts() []string {
	parts := []string{t.qualified()}
	for _, l := range t.relation.Leaves() {
		if t.whole {
			parts = append(parts, l.QualifiedName())
		}
	}
	return parts
}

func (t *table) tenant() bool { return t.class == manifest.Tenant }

// list writes columns, each after a prefix.
func list(prefix string, columns []string) string {
	var b strings.Builder
	for i, c := range columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(prefix + sqlname.Quote(c))
	}
	return b.String()
}

// keyText is the key of a row as an array of texts.
func (t *table) keyText(row string) string {
	if t.key == nil {
		return "'{}'::text[]"
	}
	var parts []string
	for _, k := range t.key {
		parts = append(parts, row+"."+sqlname.Quote(k.name)+"::text")
	}
	return "ARRAY[" + strings.Join(parts, ", ") + "]"
}

// among is the condition that a row, called t, has a key of the relation k.
func (t *table) among() string {
	var parts []string
	for i, k := range t.key {
		parts = append(parts, fmt.Sprintf("t.%s = k.key[%d]::%s", sqlname.Quote(k.name), i+1, k.typ))
	}
	return strings.Join(parts, " AND ")
}

// survey reads from manifest and catalogue which tables move, and refuses what a move cannot carry.
func (m *Mover) survey(db *schema.Database) ([]*table, error) {
	var tables []*table
	var bad []string
	seen := map[string]bool{}
	for i := range m.o.Manifest.Tables {
		entry := &m.o.Manifest.Tables[i]
		seen[entry.QualifiedName()] = true
		r := db.Relation(entry.Schema, entry.Name)
		switch {
		case r == nil:
			bad = append(bad, entry.QualifiedName()+" is in the manifest and not in the database")
			continue
		case len(entry.Blocking()) > 0:
			bad = append(bad, entry.QualifiedName()+" has a doubt that nobody decided")
		case r.Kind == manifest.KindForeign && entry.Class == manifest.Tenant:
			bad = append(bad, entry.QualifiedName()+" is a foreign table: its rows are elsewhere")
		}
		if entry.Class == manifest.Private || r.Kind != manifest.KindTable && r.Kind != manifest.KindPartitioned {
			continue
		}
		t := &table{schema: entry.Schema, name: entry.Name, class: entry.Class, column: entry.Column, of: "true", whole: r.Kind == manifest.KindPartitioned, relation: r}
		if t.tenant() {
			c := r.Column(entry.Column)
			if c == nil {
				bad = append(bad, entry.QualifiedName()+" has no column "+sqlname.Quote(entry.Column)+" yet: apply the isolation first")
				continue
			}
			t.of = "t." + sqlname.Quote(entry.Column) + " = " + sqlname.Literal(m.o.Tenant) + "::" + c.Type
		}
		t.describe(r)
		tables = append(tables, t)
	}
	for _, r := range db.Relations {
		if !seen[r.QualifiedName()] && r.Bound == "" {
			bad = append(bad, r.QualifiedName()+" is not classified: plan the isolation again")
		}
		bad = append(bad, m.crossing(r)...)
	}
	if len(bad) > 0 {
		slices.Sort(bad)
		return nil, errs.New(errs.Invalid, "move.shape", fmt.Sprintf("The database cannot be moved by this manifest: %s.", strings.Join(bad, "; "))).
			WithFix("Correct isolation.yaml, apply it (garant isolation apply), then move.")
	}
	slices.SortFunc(tables, func(a, b *table) int { return cmp.Or(cmp.Compare(a.schema, b.schema), cmp.Compare(a.name, b.name)) })
	for i, t := range tables {
		t.id = int16(i) //nolint:gosec // a manifest has no 32,767 tables
	}
	return tables, nil
}

// crossing finds foreign keys that would lead nowhere in the target.
func (m *Mover) crossing(r *schema.Relation) (bad []string) {
	of := m.class(r)
	for _, k := range r.ForeignKeys {
		if k.Inherited || k.Target == nil {
			continue
		}
		if to := m.class(k.Target); of != manifest.Private && to == manifest.Private {
			bad = append(bad, fmt.Sprintf("%s refers to %s, which is private and stays: class it tenant or shared", r.QualifiedName(), k.Target.QualifiedName()))
		} else if of == manifest.Shared && to == manifest.Tenant {
			bad = append(bad, fmt.Sprintf("%s is shared and refers to rows of tenants in %s", r.QualifiedName(), k.Target.QualifiedName()))
		}
	}
	return bad
}

// class of a relation; of a partition that of its root. What nobody classified is private.
func (m *Mover) class(r *schema.Relation) manifest.Class {
	for _, of := range []*schema.Relation{r, r.Root()} {
		if t := m.o.Manifest.Table(of.Schema, of.Name); t != nil {
			return t.Class
		}
	}
	return manifest.Private
}

func (t *table) describe(r *schema.Relation) {
	for _, c := range r.Columns {
		t.all = append(t.all, c.Name)
		if !c.Generated {
			t.copied = append(t.copied, c.Name)
		}
	}
	usable := func(x *schema.Index) bool {
		return x.Unique && x.Valid && !x.Partial && x.Immediate && len(x.Columns) > 0 && r.NeverEmpty(x.Columns)
	}
	var best *schema.Index
	for i := range r.Indexes {
		if x := &r.Indexes[i]; usable(x) && (best == nil || x.Primary) {
			best = x
		}
	}
	if best != nil {
		for _, name := range best.Columns {
			t.key = append(t.key, keyColumn{name, r.Column(name).Type})
		}
	}
}

// differences compares the tables that move at both ends: what stands in the way of an exact copy.
func differences(tables []*table, at *schema.Database) (missing int, bad []string) {
	for _, t := range tables {
		r := at.Relation(t.schema, t.name)
		if r == nil {
			missing++
			bad = append(bad, t.qualified()+" is not there")
			continue
		}
		if (r.Kind == manifest.KindPartitioned) != t.whole {
			bad = append(bad, t.qualified()+" is partitioned at one end only")
		}
		for _, c := range t.relation.Columns {
			switch o := r.Column(c.Name); {
			case o == nil:
				bad = append(bad, t.qualified()+" lacks the column "+sqlname.Quote(c.Name))
			case o.Type != c.Type || o.Generated != c.Generated:
				bad = append(bad, fmt.Sprintf("the column %s of %s is %s there and %s here", sqlname.Quote(c.Name), t.qualified(), o.Type, c.Type))
			}
		}
		for _, c := range r.Columns {
			if t.relation.Column(c.Name) == nil {
				bad = append(bad, t.qualified()+" has the column "+sqlname.Quote(c.Name)+" there and not here")
			}
		}
	}
	return missing, bad
}
