package plan

import (
	"fmt"
	"slices"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/pg/sqlname"
	"github.com/garant-project/garant/internal/token"
)

// Captures lists the tables whose changes become events by a manifest's entry: the table itself, its partitions and what inherits from
// it, each with how. Partitions are recorded under the name of their table.
func Captures(m *manifest.Manifest, r *schema.Relation, t *manifest.Table) []token.Capture {
	if t.Record == nil {
		return nil
	}
	c := token.Capture{Table: r.QualifiedName(), Type: m.Key.Type, Mode: t.Record.Mode, Columns: t.Record.Columns, As: r.QualifiedName()}
	if t.Class == manifest.Tenant {
		c.Tenant = t.Column
	}
	c.Keys = token.NamingKeys(r.Primary(), c.Tenant)
	all := []token.Capture{c}
	for _, child := range family(r) {
		one := c
		one.Table = child.QualifiedName()
		if child.Bound == "" {
			if entry := m.Table(child.Schema, child.Name); entry != nil && entry.Record != nil {
				continue // inherits, and says itself what is recorded
			}
			one.As, one.Keys = one.Table, token.NamingKeys(child.Primary(), c.Tenant)
		}
		all = append(all, one)
	}
	return all
}

// family are the relations below one, its partitions and what inherits from it, whose rows can be written by themselves.
func family(r *schema.Relation) []*schema.Relation {
	var all []*schema.Relation
	for _, c := range r.Children {
		if c.Kind == manifest.KindForeign {
			continue // which has no transition tables
		}
		all = append(all, c)
		all = append(all, family(c)...)
	}
	return all
}

// record has the changes of a table become events, or no longer.
func (b *builder) record(r *schema.Relation) {
	t := b.entry(r)
	if t != nil && t.Record != nil {
		b.captured(r, t)
		return
	}
	if b.covered(r) {
		return
	}
	var sql, undo []string
	for _, g := range r.Triggers {
		if g.Found.Captures() && slices.Contains(token.CaptureTriggers(), g.Name) {
			sql = append(sql, fmt.Sprintf("DROP TRIGGER %s ON %s", g.Name, r.QualifiedName()))
			undo = append(undo, g.Definition)
		}
	}
	if len(sql) > 0 {
		b.add(Step{ID: "unrecord:" + r.QualifiedName(), Table: r.QualifiedName(), Title: "Record the changes of " + r.QualifiedName() + " no longer", SQL: sql,
			Lock: lockBrief, Cost: catalogueOnly, Undo: [][]string{undo}, Back: "makes the triggers again"})
	}
}

// covered reports whether a relation is recorded with one above it.
func (b *builder) covered(r *schema.Relation) bool {
	return slices.ContainsFunc(r.Parents, func(p *schema.Relation) bool {
		t := b.entry(p)
		return t != nil && t.Record != nil || b.covered(p)
	})
}

func (b *builder) captured(r *schema.Relation, t *manifest.Table) {
	var sql, undo []string
	for _, c := range Captures(b.m, r, t) {
		at := b.at(r, c.Table)
		for _, want := range c.Triggers() {
			i := slices.IndexFunc(at.Triggers, func(g schema.Trigger) bool { return g.Name == want.Name })
			switch {
			case i >= 0 && want.Is(at.Triggers[i].Found) && at.Triggers[i].Found.Enabled():
			case i >= 0 && want.Is(at.Triggers[i].Found):
				sql = append(sql, fmt.Sprintf("ALTER TABLE %s ENABLE TRIGGER %s", c.Table, want.Name))
			case i >= 0:
				sql = append(sql, fmt.Sprintf("DROP TRIGGER %s ON %s", want.Name, c.Table), want.SQL)
				undo = append(undo, fmt.Sprintf("DROP TRIGGER IF EXISTS %s ON %s", want.Name, c.Table))
			default:
				sql = append(sql, want.SQL)
				undo = append(undo, fmt.Sprintf("DROP TRIGGER IF EXISTS %s ON %s", want.Name, c.Table))
			}
		}
	}
	if len(sql) == 0 {
		return
	}
	what := "the values of every column"
	switch columns := len(t.Record.Columns); {
	case t.Record.Mode == manifest.RecordOnly && columns == 0:
		what = "which columns changed, and no values"
	case t.Record.Mode == manifest.RecordOnly:
		what = "the values of " + quoted(t.Record.Columns)
	case t.Record.Mode == manifest.RecordBut && columns > 0:
		what = "the values of every column but " + quoted(t.Record.Columns)
	}
	name := r.QualifiedName()
	b.add(Step{ID: "record:" + name, Table: name, Title: "Have every change of " + name + " recorded as an event, with " + what, SQL: sql,
		Lock: lockWrites + ", for a moment", Cost: "a change of the catalogue; from then on each statement writes its rows down once more", Undo: [][]string{undo}, Back: "takes the triggers away"})
}

// at finds a relation of the family by its printed name.
func (b *builder) at(r *schema.Relation, name string) *schema.Relation {
	for _, c := range family(r) {
		if c.QualifiedName() == name {
			return c
		}
	}
	return r
}

// unrecordable says why the changes of tables cannot be recorded as the manifest asks.
func unrecordable(db *schema.Database, m *manifest.Manifest) []string {
	var all []string
	asked := false
	for i := range m.Tables {
		t := &m.Tables[i]
		r := db.Relation(t.Schema, t.Name)
		if t.Record == nil || r == nil {
			continue
		}
		asked = true
		for _, c := range t.Record.Columns {
			if r.Column(c) == nil && !(t.Add && c == t.Column) {
				all = append(all, fmt.Sprintf("%s: record names %s, and the table has no such column.", r.QualifiedName(), sqlname.Quote(c)))
			}
		}
	}
	if asked {
		for _, c := range db.JSONCasts {
			all = append(all, fmt.Sprintf("%s would run with the rights of garant_sec when changes are recorded, which is refused then: drop it, or record nothing.", c))
		}
	}
	return all
}
