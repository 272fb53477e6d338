package plan

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
	"github.com/garant-project/garant/internal/pg"
)

// Bounds of what is read.
const (
	mostRows      = 60      // of a table
	mostDocuments = 200     // of a table that has JSON columns: what paths there are is seen only in them
	mostLetters   = 1000    // of a value
	largestStored = 1 << 16 // bytes of a value as it is stored; larger ones are not fetched
	largeTable    = 10_000  // rows from which on a table is read here and there instead of from its beginning
)

// A Skipped table gave no samples.
type Skipped struct {
	Table catalog.Name
	Why   string // a sentence
}

// Sample reads values of every table, as a role that reads: of large tables from blocks here and there. What it may not read, or not soon, it skips. What it
// reads stays in memory.
func Sample(ctx context.Context, conn *pgx.Conn, db *catalog.Database) (Samples, []Skipped, error) {
	out := Samples{}
	var skipped []Skipped
	for _, t := range db.Planned() {
		switch {
		case len(t.Columns) == 0:
			continue
		case t.Unreadable:
			skipped = append(skipped, Skipped{t.Name, "The role may not read it."})
			continue
		}
		values, err := sample(ctx, conn, t)
		var refused *pgconn.PgError
		switch {
		case err == nil:
			out[t.Name] = values
		case errors.As(err, &refused) && ctx.Err() == nil && !conn.IsClosed():
			skipped = append(skipped, Skipped{t.Name, "The database refused to read it (" + refused.Code + ")."})
		default:
			return nil, nil, pg.Wrap(err)
		}
	}
	return out, skipped, nil
}

// sample reads one table in a transaction of its own, which waits for no lock and holds up nobody; all in one message, since there may be thousands.
func sample(ctx context.Context, conn *pgx.Conn, t *catalog.Table) (map[string][]string, error) {
	var selected, names []string
	var documents []bool
	most := mostRows
	for i := range t.Columns {
		c := &t.Columns[i]
		quoted := pgx.Identifier{c.Name}.Sanitize()
		switch f := transform.FamilyOf(c.Type); {
		case c.Generated || f == transform.Bytes: // says nothing, and is large
			continue
		case f == transform.JSON: // whole or not at all
			most = mostDocuments
			selected = append(selected, fmt.Sprintf("CASE WHEN pg_column_size(%[1]s) <= %[2]d THEN %[1]s::text END", quoted, largestStored))
		default:
			selected = append(selected, fmt.Sprintf("CASE WHEN pg_column_size(%[1]s) <= %[2]d THEN left(%[1]s::text, %[3]d) END", quoted, largestStored, mostLetters))
		}
		names = append(names, c.Name)
		documents = append(documents, transform.FamilyOf(c.Type) == transform.JSON)
	}
	values := map[string][]string{}
	if len(selected) == 0 {
		return values, nil
	}
	from := pgx.Identifier{t.Name.Schema, t.Name.Table}.Sanitize()
	if t.Rows > largeTable { // the same blocks each time
		from += fmt.Sprintf(" TABLESAMPLE SYSTEM (%g) REPEATABLE (1)", 100*float64(most)*20/float64(t.Rows))
	}
	sql := fmt.Sprintf("BEGIN READ ONLY; SET LOCAL lock_timeout = '500ms'; SET LOCAL statement_timeout = '10s'; SELECT %s FROM %s LIMIT %d; ROLLBACK", strings.Join(selected, ", "), from, most)
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		if !conn.IsClosed() && conn.PgConn().TxStatus() != 'I' {
			err = errors.Join(err, conn.PgConn().Exec(context.WithoutCancel(ctx), "ROLLBACK").Close())
		}
		return nil, err
	}
	for _, r := range results {
		for _, row := range r.Rows {
			for i, v := range row {
				if v != nil && (len(values[names[i]]) < mostRows || documents[i]) {
					values[names[i]] = append(values[names[i]], string(v))
				}
			}
		}
	}
	return values, nil
}
