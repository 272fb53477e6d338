package catalog

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg"
)

// own are the schemas that are the database's own; notOfExtension tells relations that CREATE EXTENSION brings by itself.
const (
	own            = `n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'garant', 'garant_move') AND c.relpersistence <> 't'`
	notOfExtension = `NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')`
	tables         = `pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND c.relkind IN ('r', 'p') AND ` + own + ` AND ` + notOfExtension
)

// Read reads the catalogue within a transaction, whose snapshot it is. Any role may.
func Read(ctx context.Context, tx pgx.Tx) (Database, error) {
	r := reader{tx: tx, by: map[uint32]*Table{}, columns: map[column]int{}, above: map[uint32][]uint32{}, types: map[uint32]*kind{}, root: map[uint32]bool{}}
	var path string
	if err := tx.QueryRow(ctx, `SELECT current_setting('search_path'), current_database()`).Scan(&path, &r.db.Name); err != nil {
		return Database{}, pg.Wrap(err)
	}
	// With an empty path every name that PostgreSQL prints has its schema, whoever asks.
	if _, err := tx.Exec(ctx, `SET LOCAL search_path = ''`); err != nil {
		return Database{}, pg.Wrap(err)
	}
	for _, step := range []func(context.Context) error{r.relations, r.inheritance, r.readTypes, r.readColumns, r.constraints, r.indexes, r.statistics, r.rest} {
		if err := step(ctx); err != nil {
			return Database{}, pg.Wrap(err)
		}
	}
	if _, err := tx.Exec(ctx, `SELECT set_config('search_path', $1, true)`, path); err != nil {
		return Database{}, pg.Wrap(err)
	}
	r.finish()
	return r.db, nil
}

type column struct {
	table  uint32
	number int16
}

// kind is a type.
type kind struct {
	name, bare string // with the schema where it is not PostgreSQL's own, and without where an extension brought it
	typ        string // as pg_type.typtype has it: b, c, d, e, m, r
	base       uint32 // of a domain
	modifier   int32  // of a domain
	element    uint32 // of an array
	notNull    bool
	labels     []string
	fields     []Field
	checks     []string
}

type reader struct {
	tx      pgx.Tx
	db      Database
	by      map[uint32]*Table
	order   []uint32
	root    map[uint32]bool     // partitioned tables
	columns map[column]int      // where it stands among the columns of its table
	above   map[uint32][]uint32 // of a table: what it inherits from
	types   map[uint32]*kind
}

// each runs a query and calls scan for each of its rows.
func (r *reader) each(ctx context.Context, sql string, into []any, row func()) error {
	rows, err := r.tx.Query(ctx, sql)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, into, func() error { row(); return nil })
	return err
}

func (r *reader) relations(ctx context.Context) error {
	var oid uint32
	var t Table
	var partitioned bool
	return r.each(ctx, `SELECT c.oid, n.nspname, c.relname, c.relkind = 'p', coalesce(d.description, ''), c.reltuples::bigint, CASE c.relkind WHEN 'p' THEN 0 ELSE coalesce(pg_table_size(c.oid), 0) END,
	c.relrowsecurity, row_security_active(c.oid), NOT (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'))
FROM `+tables+` LEFT JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = c.oid AND d.objsubid = 0`,
		[]any{&oid, &t.Name.Schema, &t.Name.Table, &partitioned, &t.Comment, &t.Rows, &t.Bytes, &t.Guarded, &t.Filtered, &t.Unreadable}, func() {
			one := t
			r.by[oid], r.root[oid] = &one, partitioned
			r.order = append(r.order, oid)
		})
}

func (r *reader) inheritance(ctx context.Context) error {
	var child, parent uint32
	return r.each(ctx, `SELECT i.inhrelid, i.inhparent FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid AND c.relkind IN ('r', 'p') WHERE NOT i.inhdetachpending ORDER BY i.inhrelid, i.inhseqno`,
		[]any{&child, &parent}, func() { r.above[child] = append(r.above[child], parent) })
}

// readTypes reads the types of columns with all that they are made of.
func (r *reader) readTypes(ctx context.Context) error {
	var oid uint32
	var k kind
	var extension bool
	var bare string
	var fields [][]string
	return r.each(ctx, `WITH RECURSIVE used AS (
	SELECT DISTINCT a.atttypid AS oid FROM `+tables+` JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
	UNION SELECT p.oid FROM used u JOIN pg_type t ON t.oid = u.oid CROSS JOIN LATERAL (
		SELECT t.typbasetype AS oid WHERE t.typtype = 'd'
		UNION ALL SELECT t.typelem WHERE t.typelem <> 0 AND t.typlen = -1 AND t.typcategory = 'A') p)
SELECT t.oid, format_type(t.oid, NULL), t.typname, EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_type'::regclass AND x.objid = t.oid AND x.deptype = 'e'), t.typtype::text,
	CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE 0 END, t.typtypmod, CASE WHEN t.typlen = -1 AND t.typcategory = 'A' THEN t.typelem ELSE 0 END, t.typnotnull,
	ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder),
	ARRAY(SELECT ARRAY[a.attname::text, format_type(a.atttypid, a.atttypmod)] FROM pg_attribute a WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
	ARRAY(SELECT pg_get_constraintdef(k.oid) FROM pg_constraint k WHERE t.typtype = 'd' AND k.contypid = t.oid ORDER BY k.conname)
FROM used u JOIN pg_type t ON t.oid = u.oid`, []any{&oid, &k.name, &bare, &extension, &k.typ, &k.base, &k.modifier, &k.element, &k.notNull, &k.labels, &fields, &k.checks}, func() {
		one := k
		one.bare = one.name
		if extension && one.element == 0 {
			one.bare = bare
		}
		one.labels, one.checks, one.fields = slices.Clone(k.labels), slices.Clone(k.checks), nil
		for _, f := range fields {
			one.fields = append(one.fields, Field{f[0], f[1]})
		}
		r.types[oid] = &one
	})
}

// resolve finds what stands under domains and arrays: the type, the modifier, and what is said of it on the way.
func (r *reader) resolve(oid uint32, modifier int32, c *Column) (string, int32) {
	k := r.types[oid]
	switch {
	case k == nil:
		return "unknown", modifier
	case k.typ == "d":
		c.Checks = append(c.Checks, k.checks...)
		c.NotNull = c.NotNull || k.notNull
		if modifier < 0 {
			modifier = k.modifier
		}
		return r.resolve(k.base, modifier, c)
	case k.element != 0:
		notNull := c.NotNull // what a domain says of elements is not said of the array
		name, modifier := r.resolve(k.element, modifier, c)
		c.NotNull = notNull
		return name + "[]", modifier
	}
	c.Labels, c.Fields = k.labels, k.fields
	return k.bare, modifier
}

func (r *reader) readColumns(ctx context.Context) error {
	var at column
	var c Column
	var typ uint32
	var modifier int32
	return r.each(ctx, `SELECT c.oid, a.attnum, a.attname, a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated <> '', a.attidentity <> '',
	coalesce(pg_get_expr(e.adbin, e.adrelid), ''), coalesce(d.description, '')
FROM `+tables+` JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef e ON e.adrelid = a.attrelid AND e.adnum = a.attnum
LEFT JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = a.attrelid AND d.objsubid = a.attnum
ORDER BY c.oid, a.attnum`, []any{&at.table, &at.number, &c.Name, &typ, &modifier, &c.Declared, &c.NotNull, &c.Generated, &c.Identity, &c.Default, &c.Comment}, func() {
		one := c
		var m int32
		one.Type, m = r.resolve(typ, modifier, &one)
		one.modified(m)
		if t := r.by[at.table]; t != nil {
			r.columns[at] = len(t.Columns)
			t.Columns = append(t.Columns, one)
		}
	})
}

// modified reads the modifier of a type as PostgreSQL keeps it.
func (c *Column) modified(m int32) {
	if m < 4 {
		return
	}
	switch strings.TrimSuffix(c.Type, "[]") {
	case "character varying", "character":
		c.Length = int(m - 4)
	case "numeric":
		c.Precision = int((m - 4) >> 16 & 0xffff)
		c.Scale = int((m-4)&0x7ff^1024) - 1024 // since PostgreSQL 15 it may be negative
	}
}
