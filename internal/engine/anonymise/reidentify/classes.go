package reidentify

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// A Table says which columns of a table of the copy tell how much.
type Table struct {
	Schema, Name string
	Quasi        []string // that lead to a person together
	Sensitive    []string // that say of a person what would hurt
	Person       string   // that names the person, by whatever number; empty when each row is one
}

// Classes are the figures of a table.
type Classes struct {
	Rows, Persons int64 // persons are rows where no column names them
	Classes       int64
	Smallest      int64 // k: persons in the smallest class
	Small         int64 // rows in classes of fewer persons than asked for
	Alone         int64 // rows in classes of one person
	Diversity     []Diversity
}

// Diversity says how many values a sensitive column has within a class.
type Diversity struct {
	Column string
	Least  int64 // l: in the class that has fewest
	Rows   int64 // in classes with fewer than asked for
}

// Querier is a connection or a transaction of the copy's database.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// ErrColumns says that a table does not have the columns that are to be measured.
var ErrColumns = errors.New("the copy does not have all the columns that are to be measured")

// Measure reckons the classes of a table in the copy. Classes of fewer than k persons and of fewer than l values are counted as small.
func Measure(ctx context.Context, q Querier, t Table, k, l int) (Classes, error) {
	if len(t.Quasi) == 0 {
		return Classes{}, fmt.Errorf("%s.%s: no quasi-identifiers to measure", t.Schema, t.Name)
	}
	expressions, err := columns(ctx, q, t)
	if err != nil {
		return Classes{}, err
	}
	sql := query(t, expressions)
	c := Classes{}
	least, few := make([]int64, len(t.Sensitive)), make([]int64, len(t.Sensitive))
	into := []any{&c.Rows, &c.Persons, &c.Classes, &c.Smallest, &c.Small, &c.Alone}
	for i := range t.Sensitive {
		into = append(into, &least[i], &few[i])
	}
	args := []any{int64(k)}
	if len(t.Sensitive) > 0 {
		args = append(args, int64(l))
	}
	if err := q.QueryRow(ctx, sql, args...).Scan(into...); err != nil {
		return Classes{}, err
	}
	for i, name := range t.Sensitive {
		c.Diversity = append(c.Diversity, Diversity{name, least[i], few[i]})
	}
	return c, nil
}

// columns gives for each column how it is compared: as it is, or as text where its type may have no equality.
func columns(ctx context.Context, q Querier, t Table) (map[string]string, error) {
	names := append(append([]string{}, t.Quasi...), t.Sensitive...)
	if t.Person != "" {
		names = append(names, t.Person)
	}
	rows, err := q.Query(ctx, `
SELECT a.attname, y.typcategory IN ('A', 'B', 'D', 'E', 'I', 'N', 'S', 'T') AND y.typname <> 'json'
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped AND a.attname::text = ANY($3)`, t.Schema, t.Name, names)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	var name string
	var comparable bool
	if _, err := pgx.ForEachRow(rows, []any{&name, &comparable}, func() error {
		out[name] = pgx.Identifier{name}.Sanitize()
		if !comparable {
			out[name] += "::text"
		}
		return nil
	}); err != nil {
		return nil, err
	}
	for _, name := range names {
		if out[name] == "" {
			return nil, fmt.Errorf("%w: %s.%s has no column %s", ErrColumns, t.Schema, t.Name, name)
		}
	}
	return out, nil
}

// query is the statement that reckons the classes. $1 is k, $2 is l.
func query(t Table, expression map[string]string) string {
	var groups []string
	for _, name := range t.Quasi {
		groups = append(groups, expression[name])
	}
	persons := "count(*)"
	if t.Person != "" {
		// A row without a person hides nobody and is nobody: all such rows of a class count for one.
		persons = fmt.Sprintf("count(DISTINCT %[1]s) + (count(*) > count(%[1]s))::int", expression[t.Person])
	}
	var inner, outer strings.Builder
	for i, name := range t.Sensitive {
		fmt.Fprintf(&inner, ", count(DISTINCT %[1]s) + (count(*) > count(%[1]s))::int AS l%[2]d", expression[name], i)
		fmt.Fprintf(&outer, ", coalesce(min(l%[1]d), 0), coalesce(sum(n) FILTER (WHERE l%[1]d < $2), 0)::bigint", i)
	}
	return fmt.Sprintf(`WITH class AS (SELECT count(*) AS n, %s AS k%s FROM %s GROUP BY %s)
SELECT coalesce(sum(n), 0)::bigint, coalesce(sum(k), 0)::bigint, count(*), coalesce(min(k), 0),
  coalesce(sum(n) FILTER (WHERE k < $1), 0)::bigint, coalesce(sum(n) FILTER (WHERE k = 1), 0)::bigint%s
FROM class`, persons, inner.String(), pgx.Identifier{t.Schema, t.Name}.Sanitize(), strings.Join(groups, ", "), outer.String())
}
