package verify

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/pg/sqlname"
	"github.com/garant-project/garant/tenant"
)

// The owners of canary rows: two tenants that do not exist, nobody for shared rows, and what is
// private. A row's texts begin with the mark of its owner.
const (
	ofA       = "a"
	ofB       = "b"
	ofAll     = "s"
	ofPrivate = "p"

	canaryMark = "garantcanary"
)

// canaryColumn is what the canaries need to know of a column.
type canaryColumn struct {
	number    int16
	printed   string
	cast      string // its type with modifiers
	base      string // what it is made of
	class     string // typtype of that
	length    int    // of a string; 0: any
	digits    int    // before the point, of a numeric; 0: any
	label     string // first of an enumeration
	notNull   bool
	hasValue  bool
	generated bool
}

// flock makes canary rows.
type flock struct {
	j       *judge
	columns map[uint32][]canaryColumn
	serial  int
	values  map[string]string // by relation, column and owner
}

const canaryColumns = `
WITH RECURSIVE base (top, oid, mod, depth) AS (
	SELECT t.oid, t.oid, -1, 0 FROM pg_type AS t
	UNION ALL SELECT b.top, t.typbasetype, CASE WHEN t.typtypmod >= 0 THEN t.typtypmod ELSE b.mod END, b.depth + 1 FROM base AS b JOIN pg_type AS t ON t.oid = b.oid AND t.typtype = 'd'
), made AS (SELECT DISTINCT ON (top) top, oid, mod FROM base ORDER BY top, depth DESC)
SELECT a.attrelid, a.attnum, quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), format_type(m.oid, NULL), CASE WHEN t.typelem <> 0 AND t.typlen = -1 THEN 'a' ELSE t.typtype::text END,
	greatest(a.atttypmod, m.mod), coalesce((SELECT e.enumlabel::text FROM pg_enum AS e WHERE e.enumtypid = m.oid ORDER BY e.enumsortorder LIMIT 1), ''),
	a.attnotnull, a.atthasdef OR a.attidentity <> '', a.attgenerated <> ''
FROM pg_attribute AS a JOIN made AS m ON m.top = a.atttypid JOIN pg_type AS t ON t.oid = m.oid JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p') AND` + ours + `ORDER BY a.attrelid, a.attnum`

// newFlock reads the columns of a scratch copy.
func newFlock(ctx context.Context, root *pgx.Conn, j *judge) (*flock, error) {
	f := &flock{j: j, columns: map[uint32][]canaryColumn{}, values: map[string]string{}, serial: 100}
	rows, err := root.Query(ctx, canaryColumns)
	if err != nil {
		return nil, err
	}
	var rel uint32
	var mod int
	var c canaryColumn
	_, err = pgx.ForEachRow(rows, []any{&rel, &c.number, &c.printed, &c.cast, &c.base, &c.class, &mod, &c.label, &c.notNull, &c.hasValue, &c.generated}, func() error {
		one := c
		if mod >= 4 {
			switch c.base {
			case "character varying", "character":
				one.length = mod - 4
			case "numeric":
				one.digits = max((mod-4)>>16&0xffff-(mod-4)&0x7ff, 1)
			}
		}
		if c.base == "bit" {
			one.length = max(mod, 1)
		}
		if c.base == `"char"` {
			one.length = 1
		}
		f.columns[rel] = append(f.columns[rel], one)
		return nil
	})
	return f, err
}

// tenantValue is the key of a canary tenant, as text.
func (f *flock) tenantValue(owner string) string {
	switch f.j.m.Key.Type {
	case manifest.TypeBigint:
		return map[string]string{ofA: "30001", ofB: "30002"}[owner]
	case manifest.TypeText:
		return canaryMark + "-tenant-" + owner
	}
	return map[string]string{ofA: "0a000000-0000-4000-8000-00000000000a", ofB: "0b000000-0000-4000-8000-00000000000b"}[owner]
}

// id is the canary tenant as a token names it.
func (f *flock) id(owner string) tenant.ID {
	id, err := tenant.ParseID(f.j.m.Key.Type, f.tenantValue(owner))
	if err != nil {
		panic("verify: the canary tenants are not of the key's types") // they stand above
	}
	return id
}

// owners are whose rows a relation gets.
func (f *flock) owners(t *target) []string {
	switch {
	case t.entry.Class == manifest.Tenant, f.j.keyTable(t.rel):
		return []string{ofA, ofB}
	case t.entry.Class == manifest.Shared:
		return []string{ofAll}
	}
	return []string{ofPrivate}
}

// column returns the tenant's column of a relation, 0 when it has none.
func (f *flock) tenantColumn(rel *relation) int16 {
	t := f.j.byOID[rel.oid]
	if t == nil {
		return 0
	}
	name := t.entry.Column
	if f.j.keyTable(rel) {
		name = f.j.m.Key.Column
	}
	if c := rel.column(name); c != nil {
		return c.number
	}
	return 0
}

// value is what a column of an owner's canary row holds, as SQL: the tenant, what the row it points
// at holds, or something of the column's type that no other row holds. The same question has the
// same answer.
func (f *flock) value(rel *relation, number int16, owner string) string {
	key := fmt.Sprint(rel.oid, " ", number, " ", owner)
	if v, ok := f.values[key]; ok {
		return v
	}
	col := f.column(rel, number)
	f.values[key] = f.fresh(col, owner) // a way that comes back here ends here
	if number == f.tenantColumn(rel) && (owner == ofA || owner == ofB) {
		f.values[key] = sqlname.Literal(f.tenantValue(owner)) + "::" + col.cast
		return f.values[key]
	}
	for _, k := range rel.constraints {
		i := slices.Index(k.columns, number)
		to := f.j.c.relations[k.references]
		if k.kind != "f" || i < 0 || to == nil || to == rel && k.referenced[i] == number {
			continue
		}
		target := f.j.byOID[to.oid]
		if target == nil {
			continue
		}
		theirs := owner
		if all := f.owners(target); !slices.Contains(all, owner) {
			theirs = all[0]
		}
		f.values[key] = "(" + f.value(to, k.referenced[i], theirs) + ")::" + col.cast
		break
	}
	return f.values[key]
}

func (f *flock) column(rel *relation, number int16) canaryColumn {
	if i := slices.IndexFunc(f.columns[rel.oid], func(c canaryColumn) bool { return c.number == number }); i >= 0 {
		return f.columns[rel.oid][i]
	}
	return canaryColumn{}
}

// fresh is a value of a column's type that no other row holds, as far as the type has so many.
func (f *flock) fresh(c canaryColumn, owner string) string {
	f.serial++
	n := f.serial
	typed := func(s string) string { return sqlname.Literal(s) + "::" + c.cast }
	switch c.class {
	case "a":
		return typed("{}")
	case "e":
		return typed(c.label)
	case "r":
		return typed("empty")
	case "m":
		return typed("{}")
	case "c", "p":
		return "NULL"
	}
	text := canaryMark + owner + strconv.Itoa(n)
	switch c.base {
	case "text", "character varying", "character", "citext", "name", `"char"`:
		if c.length > 0 && len(text) > c.length {
			text = strconv.FormatInt(int64(n), 36)
			text = text[max(0, len(text)-c.length):]
		}
		return typed(text)
	case "uuid":
		return typed(fmt.Sprintf("%08x-0000-4000-8000-%012x", n, n))
	case "smallint", "integer", "bigint", "real", "double precision", "money", "oid", "xid":
		return typed(strconv.Itoa(n))
	case "numeric":
		if c.digits > 0 && c.digits < 5 {
			limit := 1
			for range c.digits {
				limit *= 10
			}
			n %= limit
		}
		return typed(strconv.Itoa(n))
	case "boolean":
		return typed("false")
	case "date":
		return "(date '2026-01-01' + " + strconv.Itoa(n) + ")::" + c.cast
	case "timestamp without time zone", "timestamp with time zone":
		return "(timestamptz '2026-01-01' + " + strconv.Itoa(n) + " * interval '1 minute')::" + c.cast
	case "time without time zone", "time with time zone":
		return typed("12:00")
	case "interval":
		return typed(strconv.Itoa(n) + " minutes")
	case "json", "jsonb":
		return typed(`{"canary": "` + text + `"}`)
	case "bytea":
		return "convert_to(" + sqlname.Literal(text) + ", 'UTF8')::" + c.cast
	case "inet", "cidr":
		return typed(fmt.Sprintf("10.%d.%d.%d", n>>16&255, n>>8&255, n&255))
	case "macaddr", "macaddr8":
		return typed("08:00:2b:01:02:03")
	case "xml":
		return typed("<canary>" + text + "</canary>")
	case "tsvector", "tsquery", "ltree", "jsonpath", "hstore", "bit varying":
		return map[string]string{"tsvector": typed(text), "tsquery": typed(text), "ltree": typed(text), "jsonpath": typed("$"), "hstore": typed(`"canary"=>"` + text + `"`), "bit varying": typed("")}[c.base]
	case "point":
		return typed(fmt.Sprintf("(%d,0)", n))
	case "box", "lseg", "path", "polygon":
		return typed("((0,0),(1,1))")
	case "circle":
		return typed("<(0,0),1>")
	case "line":
		return typed("{1,1,1}")
	case "bit":
		return typed(strings.Repeat("0", c.length))
	}
	return "NULL"
}

// insert writes an INSERT of a canary row: of what override says, else of the owner's values or,
// with anew, of values that no row holds where nothing but the column decides.
func (f *flock) insert(rel *relation, owner string, anew bool, override map[int16]string) string {
	var columns, values []string
	for _, c := range f.columns[rel.oid] {
		if c.generated {
			continue
		}
		v, ok := override[c.number]
		if !ok {
			v = f.value(rel, c.number, owner)
			if anew && c.number != f.tenantColumn(rel) && !f.points(rel, c.number) {
				v = f.fresh(c, owner)
			}
		}
		if v == "NULL" && (c.hasValue || !c.notNull) {
			continue
		}
		columns, values = append(columns, c.printed), append(values, v)
	}
	return "INSERT INTO " + rel.printed + " (" + strings.Join(columns, ", ") + ") OVERRIDING SYSTEM VALUE VALUES (" + strings.Join(values, ", ") + ")"
}

// points reports whether a column is part of a foreign key.
func (f *flock) points(rel *relation, number int16) bool {
	return slices.ContainsFunc(rel.constraints, func(k *constraint) bool { return k.kind == "f" && slices.Contains(k.columns, number) })
}

// settle puts the canary rows in, as the copy's superuser. What keeps rows out for other reasons
// than tenancy is taken away first: conditions on values, missing partitions. It returns the
// tables that took none, with the reason.
func (f *flock) settle(ctx context.Context, root *pgx.Conn) (map[uint32]string, error) {
	for _, sql := range []string{
		`DO $$ DECLARE s text; BEGIN
	FOR s IN SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', q.conrelid::regclass, q.conname) FROM pg_constraint AS q JOIN pg_class AS c ON c.oid = q.conrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE q.contype = 'c' AND q.coninhcount = 0 AND` + ours + `AND n.nspname <> 'garant' LOOP EXECUTE s; END LOOP;
	FOR s IN SELECT format('ALTER DOMAIN %s DROP CONSTRAINT %I', q.contypid::regtype, q.conname) FROM pg_constraint AS q WHERE q.contype = 'c' AND q.contypid <> 0 AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_type'::regclass AND d.objid = q.contypid AND d.deptype = 'e') AND q.connamespace <> 'information_schema'::regnamespace LOOP EXECUTE s; END LOOP;
END $$`,
		`CREATE SCHEMA garant_canary`,
		`DO $$ DECLARE p record; BEGIN
	FOR p IN SELECT partrelid FROM pg_partitioned_table WHERE partdefid = 0 AND partstrat <> 'h' LOOP
		EXECUTE format('CREATE TABLE garant_canary.%I PARTITION OF %s DEFAULT', 'p' || p.partrelid, p.partrelid::regclass); END LOOP;
	FOR p IN SELECT partrelid FROM pg_partitioned_table WHERE partstrat = 'h' AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = partrelid) LOOP
		EXECUTE format('CREATE TABLE garant_canary.%I PARTITION OF %s FOR VALUES WITH (MODULUS 1, REMAINDER 0)', 'p' || p.partrelid, p.partrelid::regclass); END LOOP;
END $$`,
		`SET session_replication_role = replica`,
	} {
		if _, err := root.Exec(ctx, sql); err != nil {
			return nil, err
		}
	}
	refused := map[uint32]string{}
	for _, t := range f.j.targets {
		if t.rel.kind != table && t.rel.kind != partitioned || len(t.rel.parents) > 0 && !f.j.exposed(t.rel) {
			continue
		}
		if len(t.rel.parents) > 0 { // a partition that is reached by itself gets rows of its own
			_, _ = root.Exec(ctx, "ALTER TABLE "+f.j.c.relations[t.rel.parents[0]].printed+" DETACH PARTITION "+t.rel.printed) // of a child by inheritance it fails
		}
		for _, owner := range f.owners(t) {
			if _, err := root.Exec(ctx, f.insert(t.rel, owner, false, nil)); err != nil {
				refused[t.rel.oid] = "it takes no row that verify can make up (SQLSTATE " + code(err) + ")"
			}
		}
	}
	for _, rel := range f.j.c.ordered() {
		if rel.kind == matview && !rel.extension {
			_, _ = root.Exec(ctx, "REFRESH MATERIALIZED VIEW "+rel.printed) // in the order of names: one that reads another may come too early
		}
	}
	for _, rel := range f.j.c.ordered() {
		if rel.kind == matview && !rel.extension {
			if _, err := root.Exec(ctx, "REFRESH MATERIALIZED VIEW "+rel.printed); err != nil {
				refused[rel.oid] = "it cannot be filled (SQLSTATE " + code(err) + ")"
			}
		}
	}
	_, err := root.Exec(ctx, `SET session_replication_role = origin`)
	if err == nil {
		_, err = root.Exec(ctx, `ANALYZE`)
	}
	return refused, err
}
