package scale

import (
	"fmt"
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/pg/sqlname"
)

// Obstacle is something that Citus would refuse, or that would not hold there any more.
type Obstacle struct {
	Relation string `json:"relation"`
	Found    string `json:"found"`
	Fix      string `json:"fix"`
}

// Distribution is how a database would be spread over the nodes of Citus.
type Distribution struct {
	Statements []string   `json:"statements"` // in order, to be run by an administrator on the coordinator
	Obstacles  []Obstacle `json:"obstacles"`  // as long as there is one, the statements are not to be run
	Notes      []string   `json:"notes"`
}

// Citus plans the distribution of a database by its manifest.
//
// What it holds tables to is documented by Citus (docs.citusdata.com, "Creating and Modifying Distributed
// Objects"): unique constraints hold the distribution column; foreign keys between distributed tables
// hold it on both sides, at the same place; a reference table refers to no distributed one; a table that
// stays on the coordinator is referred to by none.
func Citus(db *schema.Database, m *manifest.Manifest) Distribution {
	d := Distribution{Statements: []string{"CREATE EXTENSION IF NOT EXISTS citus"}}
	c := citus{db: db, m: m, d: &d}
	var references, tenants []*schema.Relation
	for i := range m.Tables {
		t := &m.Tables[i]
		r := db.Relation(t.Schema, t.Name)
		if r == nil {
			c.obstacle(t.QualifiedName(), "it is in the manifest and not in the database", "Plan the isolation again: garant isolation plan.")
			continue
		}
		if r.Kind != manifest.KindTable && r.Kind != manifest.KindPartitioned {
			continue
		}
		switch {
		case len(t.Blocking()) > 0:
			c.obstacle(t.QualifiedName(), "a doubt about it was never decided", "Decide it in isolation.yaml.")
		case t.Class == manifest.Shared:
			references = append(references, r)
		case t.Class == manifest.Tenant:
			if c.tenant(t, r) {
				tenants = append(tenants, r)
			}
		}
	}
	for _, r := range db.Relations {
		if (r.Kind == manifest.KindTable || r.Kind == manifest.KindPartitioned) && m.Table(r.Schema, r.Name) == nil {
			c.obstacle(r.QualifiedName(), "nobody classified it", "Plan the isolation again: garant isolation plan.")
		}
	}
	c.types(tenants)
	// Reference tables first: distributed ones may refer to them. Those that are referred to come before.
	for _, r := range c.inOrder(references) {
		c.shared(r)
		d.Statements = append(d.Statements, "SELECT create_reference_table("+quoted(r.QualifiedName())+")")
	}
	first := ""
	for _, r := range c.inOrder(tenants) {
		sql := "SELECT create_distributed_table(" + quoted(r.QualifiedName()) + ", " + quoted(c.column(r))
		if first == "" {
			first = r.QualifiedName()
			sql += ")"
		} else {
			sql += ", colocate_with => " + quoted(first) + ")"
		}
		d.Statements = append(d.Statements, sql)
	}
	d.Notes = append(d.Notes,
		"Policies on shards are asked on the worker, and the tenant of a transaction is known on the node that it entered on. Where the two differ, no row is seen: nothing leaks, and nothing works. Enter on the node that has the tenant's shard (every node takes queries), or keep the coordinator as the only worker; garant isolation verify on each node says whether it holds.",
		"Schema garant is installed on every node, each as a guarded database with a key of its own: garant isolation apply for each.",
		"Moving a shard between nodes is not a move of a tenant by Garant: both can be used, one at a time.")
	return d
}

type citus struct {
	db *schema.Database
	m  *manifest.Manifest
	d  *Distribution
}

func (c *citus) obstacle(relation, found, fix string) {
	c.d.Obstacles = append(c.d.Obstacles, Obstacle{relation, found, fix})
}

func (c *citus) column(r *schema.Relation) string {
	if t := c.m.Table(r.Schema, r.Name); t != nil {
		return t.Column
	}
	return ""
}

func (c *citus) class(r *schema.Relation) manifest.Class {
	root := r.Root()
	if t := c.m.Table(root.Schema, root.Name); t != nil {
		return t.Class
	}
	return manifest.Private
}

// tenant holds a table that is to be distributed to what Citus demands, and reports whether it can be at all.
func (c *citus) tenant(t *manifest.Table, r *schema.Relation) bool {
	name := r.QualifiedName()
	col := r.Column(t.Column)
	if col == nil {
		c.obstacle(name, "the column "+sqlname.Quote(t.Column)+" is not there yet", "Apply the isolation: garant isolation apply.")
		return false
	}
	if !col.NotNull {
		c.obstacle(name, "the column "+sqlname.Quote(t.Column)+" may be empty, and a row without it belongs on no node", "ALTER TABLE "+name+" ALTER COLUMN "+sqlname.Quote(t.Column)+" SET NOT NULL.")
	}
	if col.Generated {
		c.obstacle(name, "the column "+sqlname.Quote(t.Column)+" is generated", "Keep it as a column of its own.")
	}
	if r.Kind == manifest.KindTable && (len(r.Children) > 0 || len(r.Parents) > 0) {
		c.obstacle(name, "it inherits, or others inherit from it", "Make it a partitioned table, or tables of their own.")
	}
	for _, x := range r.Indexes {
		if (x.Unique || x.Exclusion) && !slices.Contains(x.Columns, t.Column) {
			c.obstacle(name, "the unique index "+sqlname.Quote(x.Name)+" does not hold "+sqlname.Quote(t.Column), "Make it unique on ("+sqlname.Quote(t.Column)+", …): garant isolation plan proposes such keys.")
		}
	}
	for _, k := range r.ForeignKeys {
		if k.Target == nil || k.Inherited {
			continue
		}
		switch c.class(k.Target) {
		case manifest.Private:
			c.obstacle(name, "the foreign key "+sqlname.Quote(k.Name)+" leads to "+k.Target.QualifiedName()+", which stays on the coordinator", "Class that table shared, or drop the key.")
		case manifest.Tenant:
			at := slices.Index(k.Columns, t.Column)
			if at < 0 || at >= len(k.Refers) || k.Refers[at] != c.column(k.Target.Root()) {
				c.obstacle(name, "the foreign key "+sqlname.Quote(k.Name)+" does not hold the tenant's column on both sides", "Make it FOREIGN KEY ("+sqlname.Quote(t.Column)+", …): garant isolation plan proposes such keys.")
			}
		}
	}
	if len(r.Triggers) > 0 {
		c.obstacle(name, "it has the trigger "+sqlname.Quote(r.Triggers[0].Name)+", which Citus refuses on distributed tables", "Do its work in the application, or decide for citus.enable_unsafe_triggers.")
	}
	for _, column := range r.Columns {
		if (column.Identity || strings.HasPrefix(column.Default, "nextval(")) && column.Base != "bigint" {
			c.obstacle(name, "the column "+sqlname.Quote(column.Name)+" takes its numbers from a sequence and is no bigint: nodes number from ranges of their own", "ALTER TABLE "+name+" ALTER COLUMN "+sqlname.Quote(column.Name)+" TYPE bigint.")
		}
	}
	return true
}

// shared holds a table that is to be on every node.
func (c *citus) shared(r *schema.Relation) {
	for _, k := range r.ForeignKeys {
		if k.Target == nil || k.Inherited {
			continue
		}
		if class := c.class(k.Target); class != manifest.Shared {
			c.obstacle(r.QualifiedName(), fmt.Sprintf("the foreign key %s leads to %s, which is %s: a table that is on every node refers to such ones only", sqlname.Quote(k.Name), k.Target.QualifiedName(), class), "Drop the key, or class both alike.")
		}
	}
}

// types holds all tenant's columns to one type: tables are on the same nodes by the hash of one.
func (c *citus) types(tenants []*schema.Relation) {
	if len(tenants) == 0 {
		c.obstacle(c.db.Name, "no table has a tenant's column", "Classify the tables first: garant isolation plan.")
		return
	}
	want := c.m.Key.Type
	for _, r := range tenants {
		if col := r.Column(c.column(r)); col.Base != want {
			c.obstacle(r.QualifiedName(), "its column "+sqlname.Quote(col.Name)+" is "+col.Type+", and the tenants' key is "+want+": their hashes differ", "ALTER TABLE "+r.QualifiedName()+" ALTER COLUMN "+sqlname.Quote(col.Name)+" TYPE "+want+".")
		}
	}
}

// inOrder sorts tables so that what is referred to comes before what refers.
func (c *citus) inOrder(list []*schema.Relation) []*schema.Relation {
	var done []*schema.Relation
	visiting := map[*schema.Relation]bool{}
	var visit func(r *schema.Relation)
	visit = func(r *schema.Relation) {
		if visiting[r] || !slices.Contains(list, r) {
			return
		}
		visiting[r] = true
		for _, k := range r.ForeignKeys {
			if k.Target != nil {
				visit(k.Target.Root())
			}
		}
		done = append(done, r)
	}
	for _, r := range list {
		visit(r)
	}
	return done
}

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
