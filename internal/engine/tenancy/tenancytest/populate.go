package tenancytest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/pg/sqlname"
)

// Population says how a database whose schema is somebody else's is filled.
type Population struct {
	Root    string   // the table with a row for each tenant, as PostgreSQL prints it
	Key     string   // its column
	Names   []string // of columns that hold the key of a tenant, beside those that refer to Root
	Tenants int
	Rows    int // of each tenant in each table
}

// Populate gives every table rows of every tenant, as far as its keys, checks and triggers let it, and tells how many rows of
// each it has then, and why those have none that have none.
//
// What a column holds is a function of its type, the tenant and the row alone. So a column that names a row of another table,
// by a foreign key or by its name only, names one of the same tenant.
func Populate(ctx context.Context, conn *pgx.Conn, p Population) (rows map[string]int, left map[string]string, err error) {
	db, err := schema.Read(ctx, conn)
	if err != nil {
		return nil, nil, err
	}
	f := &filler{Population: p, conn: conn, db: db, labels: map[string][]string{}}
	if err := f.enums(ctx); err != nil {
		return nil, nil, err
	}
	rows, left = map[string]int{}, map[string]string{}
	for _, r := range f.order() {
		for tenant := range p.Tenants {
			for row := range p.Rows {
				if r.QualifiedName() == p.Root && row > 0 {
					continue
				}
				if err := f.insert(ctx, r, tenant, row); err != nil {
					left[r.QualifiedName()] = err.Error()
				}
			}
		}
	}
	for _, r := range db.Relations {
		if r.Kind != manifest.KindTable && r.Kind != manifest.KindPartitioned {
			continue
		}
		var n int
		if err := conn.QueryRow(ctx, "SELECT count(*) FROM "+r.QualifiedName()).Scan(&n); err != nil {
			return nil, nil, err
		}
		rows[r.QualifiedName()] = n
	}
	return rows, left, nil
}

type filler struct {
	Population
	conn   *pgx.Conn
	db     *schema.Database
	labels map[string][]string // of enumerations, by type
}

func (f *filler) enums(ctx context.Context) error {
	rows, err := f.conn.Query(ctx, `SELECT quote_ident(n.nspname) || '.' || quote_ident(t.typname), array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_enum AS e JOIN pg_type AS t ON t.oid = e.enumtypid JOIN pg_namespace AS n ON n.oid = t.typnamespace GROUP BY 1`)
	if err != nil {
		return err
	}
	var name string
	var labels []string
	_, err = pgx.ForEachRow(rows, []any{&name, &labels}, func() error { f.labels[name] = slices.Clone(labels); return nil })
	return err
}

// order lists the tables so that what a row must refer to is there before it.
func (f *filler) order() []*schema.Relation {
	var all []*schema.Relation
	done := map[*schema.Relation]bool{}
	var visit func(*schema.Relation)
	visit = func(r *schema.Relation) {
		if done[r] || r.Kind != manifest.KindTable && r.Kind != manifest.KindPartitioned {
			return
		}
		done[r] = true
		for _, must := range []bool{true, false} {
			for _, k := range r.ForeignKeys {
				if r.NeverEmpty(k.Columns) == must {
					visit(k.Target)
				}
			}
		}
		all = append(all, r)
	}
	if root := slices.IndexFunc(f.db.Relations, func(r *schema.Relation) bool { return r.QualifiedName() == f.Root }); root >= 0 {
		visit(f.db.Relations[root])
	}
	for _, r := range f.db.Relations {
		visit(r)
	}
	return all
}

// insert tries a whole row, one with what must be there only, and each of them without triggers.
func (f *filler) insert(ctx context.Context, r *schema.Relation, tenant, row int) error {
	var last error
	for _, try := range []struct{ whole, quiet bool }{{true, false}, {false, false}, {true, true}, {false, true}} {
		without := map[string]bool{}
		for range len(r.Columns) {
			err := f.once(ctx, r, tenant, row, try.whole, try.quiet, without)
			var answer *pgconn.PgError
			if err == nil || errors.As(err, &answer) && answer.Code == "23505" && (answer.TableName == r.Name || r.Kind == manifest.KindPartitioned && answer.TableName != "" && f.partition(r, answer.TableName)) {
				return nil // a trigger, or a key of fewer values, was before us
			}
			if !errors.As(err, &answer) {
				return err
			}
			last = fmt.Errorf("SQLSTATE %s, %s", answer.Code, answer.ConstraintName)
			// A column that a check or a key speaks of is left out, where it may be empty.
			more := false
			for _, c := range r.Columns {
				if !without[c.Name] && !c.NotNull && (answer.ColumnName == c.Name || f.speaks(ctx, r, answer.ConstraintName, c.Name)) {
					without[c.Name], more = true, true
				}
			}
			if !more {
				break
			}
		}
	}
	return last
}

// partition reports whether a name is that of a partition of a table.
func (f *filler) partition(r *schema.Relation, name string) bool {
	return slices.ContainsFunc(f.db.Relations, func(o *schema.Relation) bool { return o.Name == name && o.Schema == r.Schema && o.Root() == r })
}

// speaks reports whether a constraint of a table is on a column.
func (f *filler) speaks(ctx context.Context, r *schema.Relation, constraint, column string) bool {
	var yes bool
	err := f.conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_constraint AS k JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey) WHERE k.conrelid = $1 AND k.conname = $2 AND a.attname = $3)`,
		r.OID, constraint, column).Scan(&yes)
	return err == nil && yes
}

func (f *filler) once(ctx context.Context, r *schema.Relation, tenant, row int, whole, quiet bool, without map[string]bool) error {
	tx, err := f.conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if quiet {
		if _, err := tx.Exec(ctx, "SET LOCAL session_replication_role = replica"); err != nil {
			return err
		}
	}
	values := map[string]string{}
	for _, c := range r.Columns {
		if c.Generated || without[c.Name] || !whole && !f.wanted(r, c) {
			continue
		}
		if v, ok := f.value(r, c, tenant, row); ok {
			values[c.Name] = v
		}
	}
	var columns, written []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		columns, written = append(columns, sqlname.Quote(name)), append(written, values[name])
	}
	sql := fmt.Sprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE VALUES (%s)", r.QualifiedName(), strings.Join(columns, ", "), strings.Join(written, ", "))
	if len(columns) == 0 {
		sql = "INSERT INTO " + r.QualifiedName() + " DEFAULT VALUES"
	}
	if _, err := tx.Exec(ctx, sql); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// wanted reports whether a row cannot be without a column, or should not: a key, the tenant, a reference.
func (f *filler) wanted(r *schema.Relation, c schema.Column) bool {
	return c.NotNull && c.Default == "" || slices.Contains(r.Primary(), c.Name) || slices.Contains(f.Names, c.Name) || c.Name == "id" ||
		slices.ContainsFunc(r.ForeignKeys, func(k schema.ForeignKey) bool { return slices.Contains(k.Columns, c.Name) && k.Target != r })
}

// value is what a column holds in a row of a tenant, as SQL. Not ok: nothing is known for its type.
func (f *filler) value(r *schema.Relation, c schema.Column, tenant, row int) (string, bool) {
	for _, k := range r.ForeignKeys {
		if !slices.Contains(k.Columns, c.Name) {
			continue
		}
		switch {
		case k.Target == r && !c.NotNull:
			return "NULL", true
		case k.Target.QualifiedName() == f.Root:
			row = 0
		}
	}
	if r.QualifiedName() == f.Root && c.Name == f.Key || slices.Contains(f.Names, c.Name) {
		row = 0
	}
	n := (tenant+1)*1000 + row
	base, limit, _ := strings.Cut(c.Base, "(")
	text := func(s string) string { return sqlname.Literal(s) + "::" + c.Type }
	if labels := f.labels[c.Base]; labels != nil {
		return text(labels[row%len(labels)]), true
	}
	switch {
	case strings.HasSuffix(c.Base, "[]"):
		return text("{}"), true
	case base == "uuid":
		return text(fmt.Sprintf("%08d-0000-4000-8000-%012d", tenant+1, row)), true
	case base == "text", base == "citext", base == "character varying", base == "character":
		most := 25
		if limit != "" {
			_, _ = fmt.Sscan(strings.TrimSuffix(limit, ")"), &most)
		}
		s := fmt.Sprintf("c%07dx%016d", tenant+1, row)
		if strings.Contains(strings.ToLower(c.Name), "mail") {
			s = fmt.Sprintf("c%dx%d@company.example", tenant+1, row)
		}
		return text(s[max(0, len(s)-most):]), true
	case base == "integer", base == "bigint", base == "smallint", base == "numeric", base == "double precision", base == "real":
		return text(fmt.Sprint(n)), true
	case base == "boolean":
		return text(fmt.Sprint(row%2 == 0)), true
	case strings.HasPrefix(base, "timestamp"), base == "date":
		return fmt.Sprintf("(date_trunc('day', now()) + interval '%d seconds')::%s", n, c.Type), true
	case base == "interval", strings.HasPrefix(base, "time"):
		return fmt.Sprintf("interval '%d seconds'::%s", n, c.Type), true
	case base == "jsonb", base == "json":
		return text("{}"), true
	case base == "bytea":
		return text(fmt.Sprintf(`\x%08d`, n)), true
	case strings.HasSuffix(base, "range"):
		return text("empty"), true
	case base == "inet", base == "cidr":
		return text("192.0.2.1"), true
	}
	return "", false
}
