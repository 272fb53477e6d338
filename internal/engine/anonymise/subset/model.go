package subset

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/run"
	"github.com/garant-project/garant/internal/errs"
)

// relation is a table or a partition: something that has rows at places.
type relation struct {
	oid    uint32
	name   catalog.Name
	table  *table
	pages  int64
	chosen set
	fresh  []pgtype.TID // chosen, and not yet followed
}

// table is a table, or a partitioned one with all its partitions.
type table struct {
	name     catalog.Name
	root     bool
	parts    []*relation
	columns  []string // that are copied
	key      []string // that tells rows from each other; nil: all that they are
	mainKey  []string // the primary key
	rows     int64
	whole    bool // it comes with all its rows
	isTenant bool
	how      string
	out      []*reference // to others
	in       []*reference // from others
}

func (t *table) sql() string { return sqlName(t.name) }

func (t *table) only() string {
	if t.root {
		return ""
	}
	return "ONLY "
}

func (t *table) chosen() int64 {
	var n int64
	for _, r := range t.parts {
		n += r.chosen.n
	}
	return n
}

func sqlName(n catalog.Name) string { return pgx.Identifier{n.Schema, n.Table}.Sanitize() }

func quoted(column string) string { return pgx.Identifier{column}.Sanitize() }

// side is one end of a reference: a table or some of its partitions, and columns of it.
type side struct {
	table   *table
	from    string // as FROM names it
	parts   []*relation
	columns []string
}

// reference is a foreign key, or what acts as one.
type reference struct {
	child, parent side
	operators     []string // parent = child, for each column
	when, value   string   // it counts where the child's column has this value; empty: always
	mandatory     bool     // no row can be without
	group         int      // references of which each row has one have the same; 0: it stands alone
	virtual       bool
}

func (r *reference) describe() string {
	s := r.child.table.name.String() + "(" + strings.Join(r.child.columns, ", ") + ")"
	if r.when != "" {
		s += " by " + catalog.Quote(r.when)
	}
	return s
}

// model is the copy, as far as a choice of rows must know it.
type model struct {
	tables  []*table // sorted by name
	byOID   map[uint32]*relation
	byName  map[catalog.Name]*table
	sides   map[uint32]side // of all relations, partitioned ones among them, without columns
	oids    map[catalog.Name]uint32
	refs    []*reference
	tenants *table // nil: there is none, or nobody asked
	notes   []string
	db      catalog.Database
}

func readModel(ctx context.Context, source *run.Server, tx pgx.Tx, s *Subset) (*model, error) {
	m := &model{byOID: map[uint32]*relation{}, byName: map[catalog.Name]*table{}, sides: map[uint32]side{}, oids: map[catalog.Name]uint32{}}
	var err error
	if m.db, err = catalog.Read(ctx, tx); err != nil {
		return nil, source.Failed("Reading the catalogue", err)
	}
	for _, t := range m.db.Tables {
		switch {
		case t.Unreadable:
			return nil, errs.New(errs.Denied, "anonymise.reader", fmt.Sprintf("The copy does not let this role read %s.", t.Name)).WithFix("Take the role for which the copy was published (--developer).")
		case t.Filtered:
			return nil, errs.New(errs.Denied, "anonymise.filtered", fmt.Sprintf("Row-level security hides rows of %s from this role.", t.Name)).
				WithFix("Let an administrator of the copies' server run ALTER ROLE … BYPASSRLS for it: nobody is in the copy.")
		}
	}
	for _, step := range []func(context.Context, pgx.Tx) error{m.relations, m.foreignKeys} {
		if err := step(ctx, tx); err != nil {
			return nil, source.Failed("Reading the catalogue", err)
		}
	}
	if err := m.declared(s.References); err != nil {
		return nil, err
	}
	if err := m.polymorphic(ctx, tx); err != nil {
		return nil, source.Failed("Looking for references by type and number", err)
	}
	for _, r := range m.refs {
		r.child.table.out = append(r.child.table.out, r)
		r.parent.table.in = append(r.parent.table.in, r)
	}
	return m, m.findTenants(s)
}

// relations reads where rows lie.
func (m *model) relations(ctx context.Context, tx pgx.Tx) error {
	for _, t := range m.db.Planned() {
		one := &table{name: t.Name, mainKey: t.Key, key: t.Key, root: t.Partition == nil && slices.ContainsFunc(m.db.Partitioned, func(r catalog.Table) bool { return r.Name == t.Name })}
		for i := range t.Columns {
			if !t.Columns[i].Generated {
				one.columns = append(one.columns, t.Columns[i].Name)
			}
		}
		for _, set := range t.Unique {
			if one.key == nil && !slices.ContainsFunc(set, func(c string) bool { return !t.Column(c).NotNull }) {
				one.key = set
			}
		}
		m.tables = append(m.tables, one)
		m.byName[t.Name] = one
	}
	var blockSize int64
	if err := tx.QueryRow(ctx, `SELECT current_setting('block_size')::bigint`).Scan(&blockSize); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `
SELECT c.oid, n.nspname, c.relname, c.relkind = 'p', coalesce((SELECT i.inhparent FROM pg_inherits i WHERE c.relispartition AND i.inhrelid = c.oid AND NOT i.inhdetachpending), 0),
	CASE WHEN c.relkind = 'r' THEN pg_relation_size(c.oid) / $1 ELSE 0 END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`, blockSize)
	if err != nil {
		return err
	}
	type found struct {
		oid, above  uint32
		name        catalog.Name
		partitioned bool
		pages       int64
	}
	var f found
	all := map[uint32]found{}
	var order []uint32
	if _, err := pgx.ForEachRow(rows, []any{&f.oid, &f.name.Schema, &f.name.Table, &f.partitioned, &f.above, &f.pages}, func() error {
		all[f.oid] = f
		order = append(order, f.oid)
		return nil
	}); err != nil {
		return err
	}
	slices.SortFunc(order, func(a, b uint32) int { return all[a].name.Compare(all[b].name) })
	for _, oid := range order {
		f := all[oid]
		top := f
		for top.above != 0 {
			top = all[top.above]
		}
		t := m.byName[top.name]
		if t == nil {
			continue // of an extension
		}
		m.oids[f.name] = oid
		s := m.sides[oid]
		s.table, s.from = t, sqlName(f.name)
		if f.partitioned {
			m.sides[oid] = s
			continue
		}
		s.from = "ONLY " + s.from
		r := &relation{oid: oid, name: f.name, table: t, pages: f.pages, chosen: newSet(blockSize)}
		m.byOID[oid] = r
		t.parts = append(t.parts, r)
		s.parts = []*relation{r}
		m.sides[oid] = s
		for up := f.above; up != 0; up = all[up].above {
			s := m.sides[up]
			s.parts = append(s.parts, r)
			m.sides[up] = s
		}
	}
	return nil
}

func (m *model) side(oid uint32, columns []string) side {
	s := m.sides[oid]
	s.columns = columns
	return s
}

func (m *model) foreignKeys(ctx context.Context, tx pgx.Tx) error {
	const columns = `ARRAY(SELECT a.attname::text FROM unnest(k.%s) WITH ORDINALITY u(number, nr) JOIN pg_attribute a ON a.attrelid = k.%s AND a.attnum = u.number ORDER BY u.nr)`
	rows, err := tx.Query(ctx, `
SELECT k.conrelid, k.confrelid, `+fmt.Sprintf(columns, "conkey", "conrelid")+`, `+fmt.Sprintf(columns, "confkey", "confrelid")+`,
	ARRAY(SELECT format('OPERATOR(%I.%s)', n.nspname, o.oprname) FROM unnest(k.conpfeqop) WITH ORDINALITY u(op, nr) JOIN pg_operator o ON o.oid = u.op JOIN pg_namespace n ON n.oid = o.oprnamespace ORDER BY u.nr),
	NOT EXISTS (SELECT FROM unnest(k.conkey) u(number) JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number AND NOT a.attnotnull)
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0 ORDER BY n.nspname, c.relname, k.conname`)
	if err != nil {
		return err
	}
	var from, to uint32
	var columnsOf, keys, operators []string
	var mandatory bool
	_, err = pgx.ForEachRow(rows, []any{&from, &to, &columnsOf, &keys, &operators, &mandatory}, func() error {
		r := &reference{child: m.side(from, slices.Clone(columnsOf)), parent: m.side(to, slices.Clone(keys)), operators: slices.Clone(operators), mandatory: mandatory}
		if r.child.table != nil && r.parent.table != nil {
			m.refs = append(m.refs, r)
		}
		return nil
	})
	return err
}

// findTenants finds the table whose rows are the tenants.
func (m *model) findTenants(s *Subset) error {
	if s.Kind != Percent && s.Kind != Tenants {
		return nil
	}
	if s.TenantTable != "" {
		n, ok := catalog.ParseName(s.TenantTable)
		if m.tenants = m.byName[n]; !ok || m.tenants == nil {
			return errs.New(errs.Invalid, "anonymise.subset", "The copy has no table "+s.TenantTable+".").WithFix("Write SCHEMA.TABLE, as garant anonymise plan does.")
		}
	} else {
		var found []*table
		for _, t := range m.tables {
			if n := strings.ToLower(t.name.Table); n == "tenant" || n == "tenants" {
				found = append(found, t)
			}
		}
		if len(found) == 1 {
			m.tenants = found[0]
		}
	}
	switch {
	case m.tenants == nil && s.Kind == Tenants:
		return errs.New(errs.Invalid, "anonymise.subset", "It is not known which table holds the tenants.").WithFix("Name it by --tenants SCHEMA.TABLE.")
	case m.tenants != nil && len(m.tenants.mainKey) != 1 && s.Kind == Tenants:
		return errs.New(errs.Invalid, "anonymise.subset", fmt.Sprintf("The table %s has no primary key of one column.", m.tenants.name)).WithFix("Choose by a condition instead.")
	case m.tenants != nil:
		m.tenants.isTenant = true
	}
	return nil
}

// named returns a table by how it is written.
func (m *model) named(written string) (*table, error) {
	n, ok := catalog.ParseName(written)
	if !ok || m.byName[n] == nil {
		return nil, errs.New(errs.Invalid, "anonymise.subset", "The copy has no table "+written+".").WithFix("Write SCHEMA.TABLE, as garant anonymise plan does; a partitioned table by its root.")
	}
	return m.byName[n], nil
}
