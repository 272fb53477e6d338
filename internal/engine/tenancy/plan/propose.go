package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/estate/personal"
	"github.com/garant-project/garant/internal/pg/sqlname"
)

// Wish is what whoever runs plan says beforehand.
type Wish struct {
	Key    *manifest.Key // nil: found by itself
	App    []string      // nil: found by itself
	Design string        // empty: what applies here
}

// Proposal is a manifest for a database, and what is to be said of it.
type Proposal struct {
	Manifest *manifest.Manifest
	Why      string   // of the design
	Notes    []string // on the key, the roles, what could not be seen
	New      []string // relations that the manifest before did not have
	Changed  []string // what is no longer as the manifest has it, a sentence each
	Gone     []string // relations of the manifest before that are not there
}

// Propose classifies every relation of a database. before is the manifest that a person reviewed,
// nil the first time: its decisions stay, and only what is new is classified.
func Propose(db *schema.Database, before *manifest.Manifest, w Wish) (*Proposal, error) {
	p := &Proposal{}
	if before != nil {
		w.Key = &before.Key
		w.App, w.Design = before.App, before.Design
	}
	f, err := findKey(db, w.Key)
	if err != nil {
		return nil, err
	}
	m := &manifest.Manifest{Version: 1, Database: db.Name, Key: f.key, App: w.App, Design: w.Design}
	p.Manifest = m
	design, why := design(db)
	p.Why = why
	if m.Design == "" {
		m.Design = design
	} else if m.Design != design {
		p.Why = fmt.Sprintf("The manifest says %s. By itself plan would choose %s: %s", m.Design, design, why)
	}
	c := &classifier{db: db, found: f, entries: map[*schema.Relation]*manifest.Table{}}
	_, c.ways = reach(db, f)
	if len(m.App) == 0 {
		m.App, c.fresh = c.application(p)
	}
	c.app = m.App
	c.column = c.commonColumn()
	c.all()
	m.Around = c.around()
	for _, r := range db.Relations {
		m.Tables = append(m.Tables, *c.entries[r])
	}
	m.Sort()
	if before != nil {
		p.keep(db, before)
	} else {
		p.notes(f)
	}
	p.Notes = append(p.Notes, db.Unseen...)
	return p, nil
}

// notes tells how the key was chosen.
func (p *Proposal) notes(f *found) {
	if f.root == nil {
		p.Notes = append(p.Notes, fmt.Sprintf("Tenants have no table here; the column %s tells them apart.", f.key.Column))
	}
	if len(f.rest) > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("Tenants seem to be the rows of %s. Levels below or beside it that could be meant instead: %s (garant isolation plan --key TABLE.COLUMN).", f.key.Table, strings.Join(f.rest, ", ")))
	}
}

// keep puts the reviewer's decisions over what was proposed, and says what is new.
func (p *Proposal) keep(db *schema.Database, before *manifest.Manifest) {
	m := p.Manifest
	m.Around, m.Accepted = before.Around, before.Accepted
	if before.Database != m.Database {
		p.Changed = append(p.Changed, fmt.Sprintf("The manifest is of database %s, this one is %s.", before.Database, m.Database))
	}
	for i := range m.Tables {
		t := &m.Tables[i]
		old := before.Table(t.Schema, t.Name)
		if old == nil && covered(db.Relation(t.Schema, t.Name), before) {
			continue // partitions come and go by themselves
		}
		if old == nil {
			p.New = append(p.New, t.QualifiedName())
			t.Doubts = append([]string{manifest.Blocks + " new since the manifest was reviewed; the application has no right on it until this line is removed"}, withoutBlocks(t.Doubts)...)
			continue
		}
		r := db.Relation(t.Schema, t.Name)
		kept := *old
		if old.Kind != t.Kind {
			p.Changed = append(p.Changed, fmt.Sprintf("%s was a %s and is a %s.", t.QualifiedName(), old.Kind, t.Kind))
			kept.Kind = t.Kind
		}
		if old.Class == manifest.Tenant && old.Column != "" && !old.Add && r.Column(old.Column) == nil {
			p.Changed = append(p.Changed, fmt.Sprintf("%s has no column %s any more.", t.QualifiedName(), old.Column))
		}
		*t = kept
	}
	for _, t := range before.Tables {
		if db.Relation(t.Schema, t.Name) == nil && t.Kind != manifest.KindPartition {
			p.Gone = append(p.Gone, t.QualifiedName())
		}
	}
}

// covered reports whether a relation is a partition of a table that the manifest names: its rows
// are reached through that table only, whose class it has.
func covered(r *schema.Relation, m *manifest.Manifest) bool {
	root := r.Root()
	return root != r && m.Table(root.Schema, root.Name) != nil
}

func withoutBlocks(doubts []string) []string {
	var all []string
	for _, d := range doubts {
		all = append(all, strings.TrimSpace(strings.TrimPrefix(d, manifest.Blocks)))
	}
	return all
}

// design tells which design applies in a database, and why.
func design(db *schema.Database) (name, why string) {
	me := db.Role(db.Me)
	switch {
	case db.Version < 150000:
		return manifest.Statement, "PostgreSQL before 15 cannot grant a parameter, which the pinned design needs."
	case db.SetsPin:
		return manifest.Pinned, "garant_sec may set backtrace_functions in this cluster: the token is verified once per transaction."
	case me != nil && me.Super:
		return manifest.Pinned, "You are superuser, so the one grant that the pinned design needs can be given: the token is verified once per transaction."
	}
	return manifest.Statement, "You are not superuser and garant_sec may not set backtrace_functions: the token is verified in each statement. If a superuser can run GRANT SET ON PARAMETER backtrace_functions TO garant_sec, choose --design pinned, which is faster and closes more."
}

// classifier decides the class of each relation.
type classifier struct {
	db      *schema.Database
	found   *found
	ways    map[*schema.Relation]*way
	app     []string
	fresh   bool // the application's role is not there yet
	column  func(*schema.Relation) string
	entries map[*schema.Relation]*manifest.Table
}

func (c *classifier) all() {
	for _, r := range c.db.Relations {
		if stored(r) {
			c.entries[r] = c.table(r)
		}
	}
	for _, r := range c.db.Relations {
		switch r.Kind {
		case manifest.KindPartition:
			c.entries[r] = c.partition(r)
		case manifest.KindForeign:
			c.entries[r] = c.foreign(r)
		}
	}
	// Views after what they read, which may be views.
	for left := true; left; {
		left = false
		for _, r := range c.db.Relations {
			if c.entries[r] == nil && !slices.ContainsFunc(r.Reads, func(o *schema.Relation) bool { return c.entries[o] == nil }) {
				c.entries[r], left = c.view(r), true
			}
		}
	}
	for _, r := range c.db.Relations {
		if c.entries[r] == nil { // reads itself: a recursive view that was replaced
			c.entries[r] = c.entry(r, manifest.Private, "reads itself")
		}
	}
}

func (c *classifier) entry(r *schema.Relation, class manifest.Class, reason string) *manifest.Table {
	return &manifest.Table{Schema: r.Schema, Name: r.Name, Kind: r.Kind, Class: class, Reason: reason}
}

func doubt(t *manifest.Table, format string, args ...any) {
	t.Doubts = append(t.Doubts, fmt.Sprintf(format, args...))
}

// decide adds a doubt that keeps apply from starting.
func decide(t *manifest.Table, format string, args ...any) {
	t.Doubts = append(t.Doubts, manifest.Blocks+" "+fmt.Sprintf(format, args...))
}

func (c *classifier) table(r *schema.Relation) *manifest.Table {
	var t *manifest.Table
	switch column, carries := c.found.direct[r]; {
	case carries:
		t = c.carrier(r, column)
	case c.ways[r] != nil:
		t = c.follower(r, c.ways[r])
	default:
		return c.unrelated(r)
	}
	t.Grants = c.granted(r)
	for _, pair := range polymorphic(r) {
		doubt(t, "%s names its row by %s: no key holds that it is of the same tenant", pair[1], pair[0])
	}
	for _, x := range r.Indexes {
		if !x.Unique || len(x.Columns) == 0 || slices.Contains(x.Columns, t.Column) || numbered(r, x.Columns) {
			continue
		}
		name, columns := sqlname.Qualified(r.Schema, x.Name), strings.Join(x.Columns, ", ")
		switch column, length, kind := random(r, x.Columns); {
		case kind != "":
			doubt(t, "unique %s over all tenants: the keys look random (%s: %d characters, as %s has). If nobody can guess them, confirm it under accepted: check constraints.unique_without_tenant, object %s", columns, column, length, kind, name)
		case identifies(r, x.Columns):
			doubt(t, "unique %s over all tenants: if nobody can guess these keys, confirm it under accepted: check constraints.unique_without_tenant, object %s; else an insert tells whether another tenant has the value", columns, name)
		default:
			doubt(t, "unique %s over all tenants (%s): an insert tells whether another tenant has the value", columns, x.Name)
		}
	}
	return t
}

// numbered reports whether a unique key has a part that is a random uuid, or a number that a sequence gives or that refers to one.
func numbered(r *schema.Relation, columns []string) bool {
	return slices.ContainsFunc(columns, func(name string) bool {
		col := r.Column(name)
		return col != nil && (col.Base == "uuid" || col.Identity || strings.HasPrefix(col.Default, "nextval(") || !isText(col) && (refers(r, name) || squeezed(name) == "id"))
	})
}

func isText(col *schema.Column) bool {
	return col.Base == "text" || strings.HasPrefix(col.Base, "character")
}

func refers(r *schema.Relation, column string) bool {
	return slices.ContainsFunc(r.ForeignKeys, func(k schema.ForeignKey) bool { return slices.Contains(k.Columns, column) })
}

// identifies reports whether a unique key has a part that names this row or another: what refers is as good as what it refers to.
func identifies(r *schema.Relation, columns []string) bool {
	return slices.ContainsFunc(columns, func(name string) bool { return refers(r, name) || squeezed(name) == "id" })
}

// random finds a column of a unique key whose values look as if a library had made them at random, by their length: as ANALYZE
// counted it, or as the type allows. Nothing is decided by that: a person confirms it.
func random(r *schema.Relation, columns []string) (column string, length int, kind string) {
	kinds := map[int]string{21: "a nanoid", 24: "a cuid2", 25: "a cuid", 26: "a ULID", 27: "a KSUID", 36: "a UUID as text"}
	for _, name := range columns {
		col := r.Column(name)
		if w := words(name); col == nil || !isText(col) || len(w) == 0 || !refers(r, name) && !slices.Contains([]string{"id", "uid", "uuid"}, w[len(w)-1]) {
			continue
		}
		n := col.Width - 1 // with a byte that says how long it is
		if _, limit, ok := strings.Cut(col.Base, "("); ok && n < 1 {
			n, _ = strconv.Atoi(strings.TrimSuffix(limit, ")"))
		}
		if kinds[n] != "" {
			return name, n, kinds[n]
		}
	}
	return "", 0, ""
}

func (c *classifier) carrier(r *schema.Relation, column string) *manifest.Table {
	col := r.Column(column)
	reason := column + " is named like the tenant's key"
	for _, k := range r.ForeignKeys {
		if c.found.refers(&k) == column {
			reason = column + " refers to " + c.found.key.Table
		}
	}
	if r == c.found.root {
		reason = "one row for each tenant; making and deleting tenants is the work of another role"
	} else if c.found.root == nil {
		reason = column + " holds the tenant's key"
	}
	t := c.entry(r, manifest.Tenant, reason)
	t.Column = column
	if r == c.found.root {
		for _, k := range r.ForeignKeys {
			if k.Target == r {
				doubt(t, "%s refers to another tenant: by its ON DELETE, what happens to one reaches the other", strings.Join(k.Columns, ", "))
			}
		}
	}
	if keyType(col.Base) != c.found.key.Type {
		decide(t, "%s is %s, the key is %s: are they the same tenants?", column, col.Type, c.found.key.Type)
	}
	if !col.NotNull {
		decide(t, "%s may be empty: no tenant sees such rows, nor can write them. Make it NOT NULL if every row has a tenant; else say in reason what they are", column)
	}
	if col.Generated {
		doubt(t, "%s is generated: PostgreSQL fills it, apply gives it no default", column)
	}
	if rest := c.found.another[r]; len(rest) > 0 && r != c.found.root {
		reason := fmt.Sprintf("the row belongs to one tenant only: by %s, or by %s?", column, strings.Join(rest, ", "))
		if c.found.names[squeezed(column)] && !c.found.names[squeezed(rest[0])] {
			doubt(t, "%s", reason)
		} else {
			decide(t, "%s", reason)
		}
	}
	return t
}

func (c *classifier) follower(r *schema.Relation, w *way) *manifest.Table {
	t := c.entry(r, manifest.Tenant, fmt.Sprintf("%s leads to %s", strings.Join(w.via, " → "), w.target.QualifiedName()))
	t.Column, t.Add, t.Via = c.column(r), true, w.via
	if old := r.Column(t.Column); old != nil {
		decide(t, "there is a column %s of type %s already: choose the name of the new one", t.Column, old.Type)
	}
	if len(w.named) > 0 {
		decide(t, "no foreign key says so, only the names of the columns (%s). Apply stops at rows that lead nowhere", strings.Join(w.named, "; "))
	}
	if len(w.nullable) > 0 {
		decide(t, "%s may be empty: such rows belong to no tenant, and none will see them. Is that meant?", strings.Join(w.nullable, ", "))
	}
	if len(w.rivals) > 0 {
		doubt(t, "%s leads to a tenant too: rows for which the two differ keep apply from finishing", strings.Join(w.rivals, ", "))
	}
	return t
}

// unrelated classifies a table that no key leads from to a tenant.
func (c *classifier) unrelated(r *schema.Relation) *manifest.Table {
	name := strings.ToLower(r.Name)
	if slices.Contains(toolTables(), name) {
		return c.entry(r, manifest.Private, "kept by a tool of migration")
	}
	var people []string
	for _, col := range r.Columns {
		if _, is := personal.Detect(personal.Column{Schema: r.Schema, Table: r.Name, Name: col.Name, Type: col.Type}); is {
			people = append(people, col.Name)
		}
	}
	joined := c.joined(r)
	pairs := polymorphic(r)
	t := c.entry(r, manifest.Private, "no key leads to a tenant")
	use := c.used(r)
	ask := func(format string, args ...any) {
		if use {
			decide(t, format, args...)
		} else {
			doubt(t, format, args...)
		}
	}
	switch {
	case len(pairs) > 0:
		ask("the row belongs to what %s and %s name together, which no foreign key follows: add a column with the tenant's key, fill it in the application, and write class tenant", pairs[0][0], pairs[0][1])
	case len(joined) > 0 && len(people) > 0:
		ask("its rows may belong to several tenants at once (referred to by %s), and %s. As private the application cannot read it; as shared every tenant's login reads all of it", strings.Join(joined, ", "), personalLooking(people))
	case len(c.global(r)) > 0:
		t.Reason = "belongs to " + strings.Join(c.global(r), ", ") + ", whose rows belong to no one tenant"
		ask("as private the application cannot reach it: let a login service with a role of its own do, or decide as for %s", c.global(r)[0])
	case len(people) > 0:
		ask("%s, and no key leads to a tenant", personalLooking(people))
	case c.lookup(r):
		t.Class, t.Reason, t.Grants = manifest.Shared, "referred to by tables of tenants, refers to none, nothing in it looks personal", []string{"SELECT"}
		if writes := c.writes(r); len(writes) > 0 {
			decide(t, "the application may write it today (%s): what one tenant's login writes, all others read. Add the rights to grants if it has to", strings.Join(writes, ", "))
		}
	default:
		ask("nothing of a tenant refers to it, and it refers to none: does the application read it?")
	}
	return t
}

// global lists the tables that a table refers to, none of which leads to a tenant.
func (c *classifier) global(r *schema.Relation) []string {
	var all []string
	for _, k := range r.ForeignKeys {
		if k.Target != r && !k.Inherited && !slices.Contains(all, k.Target.QualifiedName()) {
			all = append(all, k.Target.QualifiedName())
		}
	}
	if c.lookup(r) {
		return nil
	}
	return all
}

func personalLooking(columns []string) string {
	if len(columns) == 1 {
		return columns[0] + " looks personal"
	}
	return some(columns) + " look personal"
}

// joined lists the tables of tenants that refer to this one together with a tenant of their own.
func (c *classifier) joined(r *schema.Relation) []string {
	var all []string
	for _, o := range c.db.Relations {
		if _, direct := c.found.direct[o]; !direct && c.ways[o] == nil {
			continue
		}
		if slices.ContainsFunc(o.ForeignKeys, func(k schema.ForeignKey) bool { return k.Target == r && !k.Inherited }) && o.Bound == "" {
			all = append(all, o.QualifiedName())
		}
	}
	return all[:min(len(all), 3)]
}

// lookup reports whether a table is one that tables of tenants take values from.
func (c *classifier) lookup(r *schema.Relation) bool {
	if slices.ContainsFunc(r.ForeignKeys, func(k schema.ForeignKey) bool { return k.Target != r && !c.lookup(k.Target) }) {
		return false
	}
	return len(c.joined(r)) > 0
}

func (c *classifier) partition(r *schema.Relation) *manifest.Table {
	root := c.entries[r.Root()]
	if root == nil {
		return c.entry(r, manifest.Private, "partition of a table that cannot be seen")
	}
	t := c.entry(r, root.Class, "partition of "+r.Root().QualifiedName())
	t.Column, t.Add, t.Via = root.Column, root.Add, root.Via
	return t
}

func (c *classifier) foreign(r *schema.Relation) *manifest.Table {
	t := c.entry(r, manifest.Private, "its rows are on another server, where no policy of this one holds")
	if c.used(r) {
		decide(t, "the application may read it today, and PostgreSQL holds no policy on foreign tables: isolate the other side, or keep it private")
	}
	return t
}

func (c *classifier) view(r *schema.Relation) *manifest.Table {
	var tenant, private []string
	for _, o := range r.Reads {
		switch c.entries[o].Class {
		case manifest.Tenant:
			tenant = append(tenant, o.QualifiedName())
		case manifest.Private:
			private = append(private, o.QualifiedName())
		}
	}
	var t *manifest.Table
	switch {
	case len(private) > 0:
		t = c.entry(r, manifest.Private, "reads "+some(private)+", which the application may not")
		if c.used(r) {
			decide(t, "the application may read it today, and what it reads is private: decide those first")
		}
		return t
	case len(tenant) > 0:
		t = c.entry(r, manifest.Tenant, "reads "+some(tenant))
		for name := range c.found.names {
			for _, col := range r.Columns {
				if squeezed(col.Name) == name {
					t.Column = col.Name
				}
			}
		}
	case len(r.Reads) == 0:
		t = c.entry(r, manifest.Private, "reads no table of this database that can be seen")
		if c.used(r) {
			decide(t, "its rows come from functions or catalogues: what do they show?")
		}
		return t
	default:
		t = c.entry(r, manifest.Shared, "reads shared tables only")
	}
	if r.Kind == manifest.KindMatview {
		if t.Class == manifest.Tenant && c.used(r) {
			decide(t, "it holds rows of all tenants and PostgreSQL holds no policy on materialised views: the application loses it. Make it a table with the tenant's column, or keep it from the application")
		}
		if t.Class == manifest.Tenant {
			return t
		}
	}
	t.Grants = []string{"SELECT"}
	return t
}

// used reports whether the application may reach a relation today; what is not known counts as yes.
func (c *classifier) used(r *schema.Relation) bool {
	return c.fresh || slices.ContainsFunc(manifest.GrantWords(), func(g string) bool { return c.may(r, g) })
}

// may reports whether a role of the application has a right today, by whatever way.
func (c *classifier) may(r *schema.Relation, privilege string) bool {
	if r.Holds("", privilege) {
		return true
	}
	for _, name := range c.app {
		role := c.db.Role(name)
		if role == nil {
			continue
		}
		for _, as := range append([]string{name}, role.MemberOf...) {
			if as == r.Owner || r.Holds(as, privilege) {
				return true
			}
		}
	}
	return false
}

// granted are the rights that the application has today, or of a new role all; not those that
// policies of somebody else leave without effect, nor that of deleting a tenant.
func (c *classifier) granted(r *schema.Relation) []string {
	commands := map[string]string{"SELECT": "r", "INSERT": "a", "UPDATE": "w", "DELETE": "d"}
	return slices.DeleteFunc(manifest.GrantWords(), func(g string) bool {
		return !c.fresh && !c.may(r, g) || r == c.found.root && g == "DELETE" || r.RLS && !strings.HasPrefix(firstPolicy(r), "garant_") &&
			!slices.ContainsFunc(r.Policies, func(p schema.Policy) bool { return p.Permissive && (p.Command == "*" || p.Command == commands[g]) })
	})
}

func firstPolicy(r *schema.Relation) string {
	if len(r.Policies) == 0 {
		return ""
	}
	return r.Policies[0].Name
}

func (c *classifier) writes(r *schema.Relation) []string {
	if c.fresh {
		return nil
	}
	return slices.DeleteFunc(c.granted(r), func(g string) bool { return g == "SELECT" })
}

// commonColumn tells how a new column of a table is called: as in most tables of its schema.
func (c *classifier) commonColumn() func(*schema.Relation) string {
	count, all := map[string]map[string]int{}, map[string]int{}
	for r, column := range c.found.direct {
		if r != c.found.root && stored(r) {
			if count[r.Schema] == nil {
				count[r.Schema] = map[string]int{}
			}
			count[r.Schema][column]++
			all[column]++
		}
	}
	most := func(of map[string]int) string {
		names := make([]string, 0, len(of))
		for n := range of {
			names = append(names, n)
		}
		slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(of[b], of[a]), cmp.Compare(a, b)) })
		if len(names) == 0 {
			return ""
		}
		return names[0]
	}
	return func(r *schema.Relation) string {
		// A table writes its names in one manner, whatever its neighbours do.
		style := slices.ContainsFunc(r.Columns, func(col schema.Column) bool { return camel(col.Name) })
		snake := slices.ContainsFunc(r.Columns, func(col schema.Column) bool { return strings.Contains(col.Name, "_") })
		own := map[string]int{}
		for n, k := range count[r.Schema] {
			if camel(n) == style || style == snake {
				own[n] = k
			}
		}
		if name := cmp.Or(most(own), most(count[r.Schema]), most(all)); name != "" {
			return name
		}
		if c.found.root == nil {
			return c.found.key.Column
		}
		if style {
			return strings.ToLower(c.found.root.Name[:1]) + c.found.root.Name[1:] + "Id"
		}
		return strings.Join(entity(c.found.root.Name), "_") + "_id"
	}
}

// polymorphic lists the pairs of columns that name a row of any table: commentable_type, commentable_id.
func polymorphic(r *schema.Relation) [][2]string {
	var pairs [][2]string
	for _, col := range r.Columns {
		w := words(col.Name)
		if len(w) < 2 || w[len(w)-1] != "type" {
			continue
		}
		stem := strings.Join(w[:len(w)-1], "")
		for _, id := range r.Columns {
			if squeezed(id.Name) == stem+"id" && !slices.ContainsFunc(r.ForeignKeys, func(k schema.ForeignKey) bool { return slices.Contains(k.Columns, id.Name) }) {
				pairs = append(pairs, [2]string{col.Name, id.Name})
			}
		}
	}
	return pairs
}

// some lists the first of many.
func some(names []string) string {
	if len(names) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
	}
	return strings.Join(names, ", ")
}
