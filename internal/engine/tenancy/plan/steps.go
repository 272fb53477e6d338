package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/pg/sqlname"
	"github.com/garant-project/garant/internal/token"
)

// Version is the version of schema garant that a database should have.
type Version struct {
	Number    int
	Functions []string // that the application's roles may execute
	Drift     []string // what of it somebody changed since it was installed
}

// Steps gives what is missing for a database to be as the manifest says, in the order in which it
// is done. filled tells of the steps of mode Batches, by id, that ran to their end; nil where that
// may not be seen. Refusals says beforehand whether the steps may be done at all.
func Steps(db *schema.Database, m *manifest.Manifest, garant Version, filled map[string]bool) []Step {
	b := newBuilder(db, m)
	b.garant, b.filled = garant, filled
	b.install()
	b.roles()
	b.executes()
	order := b.order()
	each := func(steps ...func(*schema.Relation)) {
		for _, step := range steps {
			for _, r := range order {
				step(r)
			}
		}
	}
	each(b.addColumn, b.fill, b.notNull, b.keys, b.index, b.foreignKeys, b.fallback)
	b.views()
	for _, r := range db.Relations {
		b.record(r)
	}
	each(b.policy)
	b.rights()
	// What the application notices comes last, in the order found.
	slices.SortStableFunc(b.steps, func(x, y Step) int { return rank(x.Phase) - rank(y.Phase) })
	return b.steps
}

func rank(p Phase) int {
	if p == Switch {
		return 1
	}
	return 0
}

type builder struct {
	db     *schema.Database
	m      *manifest.Manifest
	garant Version
	filled map[string]bool
	steps  []Step
	ids    map[string]bool                // of the steps
	keyed  map[*schema.Relation]bool      // gets a unique key that begins with the tenant
	wider  map[*schema.Relation][]widened // remembered: by the table that refers
	to     map[*schema.Relation][]widened // by the table referred to
	act    []string                       // remembered: applying
	ways   map[*schema.Relation]bool      // remembered: neverEmptyWay
}

func newBuilder(db *schema.Database, m *manifest.Manifest) *builder {
	b := &builder{db: db, m: m, ids: map[string]bool{}, keyed: map[*schema.Relation]bool{}, wider: map[*schema.Relation][]widened{}, to: map[*schema.Relation][]widened{},
		ways: map[*schema.Relation]bool{}}
	b.act = b.applying()
	for _, r := range db.Relations {
		if b.tenant(r) != nil {
			b.wider[r] = b.wide(r)
			for _, w := range b.wider[r] {
				b.to[w.key.Target] = append(b.to[w.key.Target], w)
			}
		}
	}
	return b
}

func (b *builder) add(s Step) {
	if s.Mode == "" {
		s.Mode = InTransaction
	}
	if s.Phase == "" {
		s.Phase = Prepare
	}
	for _, sql := range s.SQL {
		if role, found := strings.CutPrefix(sql, actAs); found && !slices.Contains(s.Needs, role) {
			s.Needs = append(s.Needs, role)
		}
	}
	b.ids[s.ID] = true
	b.steps = append(b.steps, s)
}

func (b *builder) entry(r *schema.Relation) *manifest.Table { return b.m.Table(r.Schema, r.Name) }

// tenant reports whether a relation is a table of tenants with a column to compare.
func (b *builder) tenant(r *schema.Relation) *manifest.Table {
	t := b.entry(r)
	if t == nil || t.Class != manifest.Tenant || t.Column == "" || !stored(r) {
		return nil
	}
	return t
}

// order lists the tables of tenants so that a table comes after those it takes its new column from.
func (b *builder) order() []*schema.Relation {
	var all []*schema.Relation
	done := map[*schema.Relation]bool{}
	var visit func(r *schema.Relation, depth int)
	visit = func(r *schema.Relation, depth int) {
		t := b.tenant(r)
		if t == nil || done[r] || depth > len(b.db.Relations) {
			return
		}
		done[r] = true
		for _, p := range r.Parents {
			visit(p, depth+1)
		}
		if t.Add {
			if hops, problem := trace(b.db, b.m, r, t); problem == "" {
				visit(hops[len(hops)-1].target, depth+1)
			}
		}
		all = append(all, r)
	}
	for _, r := range b.db.Relations {
		visit(r, 0)
	}
	return all
}

// hop is one step of the way from a table to one with the tenant's key.
type hop struct {
	from            *schema.Relation
	columns, refers []string
	target          *schema.Relation
}

// trace follows the way of a new column to the first table of tenants that has one, or gets one.
// problem says why there is no such way.
func trace(db *schema.Database, m *manifest.Manifest, r *schema.Relation, t *manifest.Table) (hops []hop, problem string) {
	at := r
	end := func(to *schema.Relation) bool {
		entry := m.Table(to.Schema, to.Name)
		return entry != nil && entry.Class == manifest.Tenant && entry.Column != "" && stored(to)
	}
	for _, step := range t.Via {
		if l, named, ok := readLink(db, at, step); named {
			if !ok {
				return nil, fmt.Sprintf("via says %q: write it as column = schema.table(key), with columns that are there.", step)
			}
			hops = append(hops, hop{from: at, columns: l.columns, refers: l.refers, target: l.target})
			if at = l.target; end(at) {
				return hops, ""
			}
			continue
		}
		columns := strings.Split(step, ",")
		i := slices.IndexFunc(at.ForeignKeys, func(k schema.ForeignKey) bool {
			// After apply a key leads with the tenant's column.
			own := m.Table(at.Schema, at.Name)
			rest := k.Columns
			if own != nil && len(rest) == len(columns)+1 && rest[0] == own.Column {
				rest = rest[1:]
			}
			return slices.Equal(rest, columns) && (k.Target.Root() != at.Root() || len(at.ForeignKeys) == 1)
		})
		if i < 0 {
			return nil, fmt.Sprintf("via names %s, and %s has no foreign key of just these columns.", step, at.QualifiedName())
		}
		k := at.ForeignKeys[i]
		h := hop{from: at, columns: k.Columns, refers: k.Refers, target: k.Target}
		if len(h.columns) == len(columns)+1 {
			h.columns, h.refers = h.columns[1:], h.refers[1:]
		}
		hops = append(hops, h)
		at = k.Target
		if end(at) {
			return hops, ""
		}
	}
	return nil, fmt.Sprintf("via leads to %s, which is no table of tenants.", at.QualifiedName())
}

// typeOf is the type that a table's column of tenants has, or gets.
func (b *builder) typeOf(r *schema.Relation, t *manifest.Table) string {
	for range len(b.db.Relations) {
		if c := r.Column(t.Column); c != nil {
			return c.Base
		}
		hops, problem := trace(b.db, b.m, r, t)
		if problem != "" {
			break
		}
		r = hops[len(hops)-1].target
		t = b.entry(r)
	}
	return b.m.Key.Type
}

func (b *builder) roles() {
	for _, name := range b.m.App {
		if role := b.db.Role(name); role == nil {
			b.add(Step{ID: "role:" + name, Title: "Make the application's role " + name + ", without a password: set one before the application uses it",
				SQL: []string{"CREATE ROLE " + sqlname.Quote(name) + " LOGIN"}, Lock: lockNone, Cost: catalogueOnly,
				Undo: [][]string{{"DROP ROLE IF EXISTS " + sqlname.Quote(name)}}, Back: "drops the role"})
		}
	}
}

func (b *builder) install() {
	title := "Install schema garant, design " + b.m.Design
	switch {
	case b.db.Design == b.m.Design && b.db.GarantVersion >= b.garant.Number:
		if len(b.garant.Drift) == 0 {
			return
		}
		title = "Put back what somebody changed in schema garant: " + strings.Join(b.garant.Drift, ", ")
	case b.db.Design != "":
		title = fmt.Sprintf("Bring schema garant from version %d, design %s, to version %d, design %s", b.db.GarantVersion, b.db.Design, b.garant.Number, b.m.Design)
	}
	b.add(Step{ID: "install:" + b.m.Design, Mode: Install, Title: title, Lock: lockNone, Cost: catalogueOnly,
		Back: "removes the schema at the end, with its keys"})
}

// executes lets those who fill a tenant's column execute the functions of schema garant, the
// application all of them.
func (b *builder) executes() {
	fill := map[string]bool{}
	for _, r := range b.db.Relations {
		if b.tenant(r) == nil {
			continue
		}
		fill[r.Owner] = true
		for _, right := range r.ACL {
			if right.Privilege == "INSERT" && right.Grantee != "" {
				fill[right.Grantee] = true
			}
		}
	}
	for _, name := range b.m.App {
		delete(fill, name)
	}
	has := func(function, role string) bool {
		return slices.ContainsFunc(b.db.Executes, func(r schema.Right) bool {
			return r.Grantee == role && strings.HasPrefix(r.Object, function[:strings.Index(function, "(")+1]) && r.Privilege == "EXECUTE"
		})
	}
	grant := func(role string, functions []string) {
		missing := slices.DeleteFunc(slices.Clone(functions), func(f string) bool { return has(f, role) })
		if len(missing) > 0 {
			list := strings.Join(missing, ", ")
			b.add(Step{ID: "execute:" + role, Guard: true, Title: "Let " + role + " ask for the tenant of its transaction",
				SQL: []string{"GRANT EXECUTE ON FUNCTION " + list + " TO " + sqlname.Quote(role)}, Lock: lockNone, Cost: catalogueOnly,
				Undo: [][]string{{"REVOKE EXECUTE ON FUNCTION " + list + " FROM " + sqlname.Quote(role)}}, Back: "revokes it"})
		}
	}
	for _, name := range b.m.App {
		grant(name, b.garant.Functions)
	}
	readers := slices.DeleteFunc(slices.Clone(b.garant.Functions), func(f string) bool { return strings.HasPrefix(f, "garant.enter(") || f == token.RecordFunction })
	for _, role := range sortedSet(fill) {
		if o := b.db.Role(role); o != nil && !o.Super {
			grant(role, readers)
		}
	}
}

func sortedSet(set map[string]bool) []string {
	names := make([]string, 0, len(set))
	for n := range set {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// The triggers of a column that apply adds.
const (
	FillTrigger   = "garant_fill"   // fills it where a writer did not
	FollowTrigger = "garant_follow" // lets it follow the row that it was taken from to another
)

func (b *builder) addColumn(r *schema.Relation) {
	t := b.tenant(r)
	if !t.Add {
		return
	}
	hops, problem := trace(b.db, b.m, r, t)
	if problem != "" {
		return
	}
	name, column := r.QualifiedName(), sqlname.Quote(t.Column)
	var sql, undo []string
	if r.Column(t.Column) == nil && !b.inherits(r, t.Column) {
		sql = append(sql, fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s", name, column, b.typeOf(r, t)))
		undo = []string{fmt.Sprintf("ALTER TABLE %s DROP COLUMN IF EXISTS %s", name, column)}
	}
	var changed []string
	for _, c := range hops[0].columns {
		changed = append(changed, fmt.Sprintf("OLD.%[1]s IS DISTINCT FROM NEW.%[1]s", sqlname.Quote(c)))
	}
	for _, g := range []struct{ name, on, when string }{
		{FillTrigger, "INSERT OR UPDATE", fmt.Sprintf("NEW.%s IS NULL", column)},
		{FollowTrigger, "UPDATE OF " + quoted(hops[0].columns), fmt.Sprintf("OLD.%[1]s IS NOT DISTINCT FROM NEW.%[1]s AND (%[2]s)", column, strings.Join(changed, " OR "))},
	} {
		if slices.ContainsFunc(r.Triggers, func(o schema.Trigger) bool { return o.Name == g.name }) {
			continue
		}
		sql = append(sql, fmt.Sprintf("CREATE TRIGGER %s BEFORE %s ON %s FOR EACH ROW WHEN (%s) EXECUTE FUNCTION garant.fill(%s, %s)", g.name, g.on, name, g.when, sqlname.Literal(t.Column), sqlname.Literal(b.query(hops))))
		undo = append([]string{fmt.Sprintf("DROP TRIGGER IF EXISTS %s ON %s", g.name, name)}, undo...)
	}
	if len(sql) == 0 {
		return
	}
	b.add(Step{ID: "column:" + name, Table: name, Title: "Give " + name + " its own column " + t.Column + ", filled for new rows from " + hops[len(hops)-1].target.QualifiedName(),
		SQL: sql, Lock: lockBrief, Cost: catalogueOnly + ", whatever the size", Undo: [][]string{undo}, Back: "drops the column, with its index and keys"})
}

// inherits reports whether a parent has, or gets, the column.
func (b *builder) inherits(r *schema.Relation, column string) bool {
	return slices.ContainsFunc(r.Parents, func(p *schema.Relation) bool {
		t := b.tenant(p)
		return t != nil && t.Column == column
	})
}

// query asks for the tenant of the row that $1 holds.
func (b *builder) query(hops []hop) string {
	last := hops[len(hops)-1]
	var s strings.Builder
	fmt.Fprintf(&s, "SELECT p%d.%s FROM %s p1", len(hops), sqlname.Quote(b.entry(last.target).Column), hops[0].target.QualifiedName())
	for i, h := range hops[1:] {
		fmt.Fprintf(&s, " JOIN %s p%d ON %s", h.target.QualifiedName(), i+2, equal(fmt.Sprintf("p%d.", i+2), h.refers, fmt.Sprintf("p%d.", i+1), h.columns))
	}
	s.WriteString(" WHERE " + equal("p1.", hops[0].refers, "($1).", hops[0].columns))
	return s.String()
}

// equal joins two lists of columns.
func equal(left string, l []string, right string, r []string) string {
	parts := make([]string, len(l))
	for i := range l {
		parts[i] = left + sqlname.Quote(l[i]) + " = " + right + sqlname.Quote(r[i])
	}
	return strings.Join(parts, " AND ")
}

func (b *builder) fill(r *schema.Relation) {
	t := b.tenant(r)
	id := "fill:" + r.QualifiedName()
	if !t.Add || r.NeverEmpty([]string{t.Column}) {
		return
	}
	// Where the record may not be read: the index comes after the filling.
	if r.Column(t.Column) != nil && (b.filled[id] || b.filled == nil && r.LedBy(t.Column) != nil) {
		return
	}
	hops, problem := trace(b.db, b.m, r, t)
	if problem != "" {
		return
	}
	last := hops[len(hops)-1]
	f := &Fill{Column: t.Column, Value: fmt.Sprintf("p%d.%s", len(hops), sqlname.Quote(b.entry(last.target).Column)), Where: equal("p1.", hops[0].refers, "t.", hops[0].columns)}
	from := []string{hops[0].target.QualifiedName() + " p1"}
	for i, h := range hops[1:] {
		from = append(from, fmt.Sprintf("%s p%d", h.target.QualifiedName(), i+2))
		f.Where += " AND " + equal(fmt.Sprintf("p%d.", i+2), h.refers, fmt.Sprintf("p%d.", i+1), h.columns)
	}
	f.From = strings.Join(from, ", ")
	for _, l := range leavesOf(r) {
		f.Leaves = append(f.Leaves, Leaf{l.QualifiedName(), l.OID})
	}
	title := "Fill " + t.Column + " of " + r.QualifiedName() + " in batches"
	var fires []string
	for _, g := range r.Triggers {
		if g.OnUpdate && g.Name != FillTrigger && g.Name != FollowTrigger {
			fires = append(fires, g.Name)
		}
	}
	if me := b.db.Role(b.db.Me); len(fires) > 0 && (me == nil || !me.Super) {
		title += "; the table's own triggers run for each row: " + some(fires)
	}
	leaf := r.QualifiedName()
	if len(f.Leaves) > 0 {
		leaf = f.Leaves[0].Name
	}
	b.add(Step{ID: id, Mode: Batches, Table: r.QualifiedName(), Title: title, SQL: []string{f.Update(leaf, 0, 128)}, Fill: f,
		Lock: "each batch locks its rows, for half a second at most", Cost: "writes each row once: " + size(r), Back: "goes with the column"})
}

// leavesOf lists the tables with rows that an ordinary statement on r reaches and that are not
// tables of tenants of their own.
func leavesOf(r *schema.Relation) []*schema.Relation {
	if r.Kind == manifest.KindTable {
		return []*schema.Relation{r}
	}
	return r.Leaves()
}

const notNullCheck = "garant_not_null"

func (b *builder) notNull(r *schema.Relation) {
	t := b.tenant(r)
	if !t.Add || r.NeverEmpty([]string{t.Column}) || !b.neverEmptyWay(r, t) {
		return
	}
	name, column := r.QualifiedName(), sqlname.Quote(t.Column)
	find := fmt.Sprintf("SELECT %s FROM %s WHERE %s IS NULL", identity(r, ""), name, column)
	valid, exists := r.Checks[notNullCheck]
	if !exists {
		b.add(Step{ID: "notnull-check:" + name, Table: name, Title: "Ask of new rows of " + name + " that " + t.Column + " is filled",
			SQL:  []string{fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s IS NOT NULL) NOT VALID", name, notNullCheck, column)},
			Find: find, Lock: lockBrief, Cost: catalogueOnly, Back: "goes with the column"})
	}
	if !valid {
		b.add(Step{ID: "notnull-validate:" + name, Table: name, Title: "Hold that no row of " + name + " was left out",
			SQL:  []string{fmt.Sprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", name, notNullCheck)},
			Find: find, Lock: lockAlongside, Cost: "reads the table once: " + size(r), Back: "goes with the column"})
	}
	b.add(Step{ID: "notnull:" + name, Table: name, Title: "Make " + t.Column + " of " + name + " NOT NULL, by the constraint that was just held",
		SQL:  []string{fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s SET NOT NULL", name, column), fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT %s", name, notNullCheck)},
		Lock: lockBrief, Cost: catalogueOnly, Back: "goes with the column"})
}

// identity lists the columns that tell a row from others.
func identity(r *schema.Relation, prefix string) string {
	columns := r.Primary()
	if len(columns) == 0 {
		return prefix + "ctid"
	}
	all := make([]string, len(columns))
	for i, c := range columns {
		all[i] = prefix + sqlname.Quote(c)
	}
	return strings.Join(all, ", ")
}

// neverEmptyWay reports whether every row leads to a tenant: no column on the way may be empty.
func (b *builder) neverEmptyWay(r *schema.Relation, t *manifest.Table) bool {
	never, known := b.ways[r]
	if !known {
		never = b.followed(r, t)
		b.ways[r] = never
	}
	return never
}

func (b *builder) followed(r *schema.Relation, t *manifest.Table) bool {
	for range len(b.db.Relations) {
		if c := r.Column(t.Column); c != nil && !t.Add {
			return c.NotNull
		}
		hops, problem := trace(b.db, b.m, r, t)
		if problem != "" {
			return false
		}
		for _, h := range hops {
			if !h.from.NeverEmpty(h.columns) {
				return false
			}
		}
		r = hops[len(hops)-1].target
		t = b.entry(r)
	}
	return false
}

// certain reports whether a table's column of tenants is, or becomes, NOT NULL.
func (b *builder) certain(r *schema.Relation, t *manifest.Table) bool {
	if c := r.Column(t.Column); c != nil && c.NotNull {
		return true
	}
	return t.Add && b.neverEmptyWay(r, t)
}

// fallback gives the column of tenants the tenant of the transaction where an insert names none.
func (b *builder) fallback(r *schema.Relation) {
	t := b.tenant(r)
	c := r.Column(t.Column)
	if r.QualifiedName() == b.m.Key.Table || c != nil && (c.Generated || c.Identity) {
		return
	}
	value := b.m.Key.Value(b.typeOf(r, t))
	if c != nil && same(c.Default, value) {
		return
	}
	name, column := r.QualifiedName(), sqlname.Quote(t.Column)
	s := Step{ID: "default:" + name, Table: name, Title: "Let an insert into " + name + " that names no " + t.Column + " take that of its token",
		SQL:  []string{fmt.Sprintf("ALTER TABLE ONLY %s ALTER COLUMN %s SET DEFAULT %s", name, column, value)},
		Lock: lockBrief, Cost: catalogueOnly, Undo: [][]string{{fmt.Sprintf("ALTER TABLE ONLY %s ALTER COLUMN %s DROP DEFAULT", name, column)}}, Back: "removes the default"}
	if c != nil && c.Default != "" {
		s.Phase = Switch
		s.Title += ", in place of the default it has"
		s.Undo = [][]string{{fmt.Sprintf("ALTER TABLE ONLY %s ALTER COLUMN %s SET DEFAULT %s", name, column, c.Default)}}
		s.Back = "brings the default back that was there"
	}
	b.add(s)
}
