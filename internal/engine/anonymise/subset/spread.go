package subset

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// direction is whether rows bring those that refer to them or those that they refer to.
type direction bool

const (
	down direction = true  // to children
	up   direction = false // to parents
)

// What one statement is given at most: rows, and relations that they are of.
const (
	mostRows  = 1 << 20
	mostParts = 64
)

// step is one statement: a reference, and the rows that it is followed from.
type step struct {
	ref       *reference
	direction direction
	parts     []*relation
	rows      [][]pgtype.TID
}

// spread follows references from rows that were not followed yet until nothing new is found.
func (c *choice) spread(ctx context.Context, refs map[*table][]*reference, d direction) error {
	for {
		steps := c.steps(refs, d)
		if len(steps) == 0 {
			return nil
		}
		if err := each(ctx, c.readers, slices.Values(steps), func(ctx context.Context, conn *pgx.Conn, _ int, s step) error {
			sql, args := s.statement()
			_, err := c.finder.find(ctx, conn, sql, args...)
			return c.source.Failed("Following "+s.ref.describe(), err)
		}); err != nil {
			return err
		}
		c.finder.mu.Lock()
		n := c.finder.n
		c.finder.mu.Unlock()
		c.say(n, 0)
	}
}

// steps makes statements of the fresh rows of all tables.
func (c *choice) steps(refs map[*table][]*reference, d direction) []step {
	var out []step
	for _, t := range c.model.tables {
		for _, r := range refs[t] {
			given := r.child.parts
			if d == down {
				given = r.parent.parts
			}
			s, n := step{ref: r, direction: d}, 0
			flush := func() {
				if len(s.parts) > 0 {
					out = append(out, s)
				}
				s, n = step{ref: r, direction: d}, 0
			}
			for _, part := range given {
				for rows := range slices.Chunk(part.fresh, mostRows) {
					if n+len(rows) > mostRows || len(s.parts) == mostParts {
						flush()
					}
					s.parts, s.rows = append(s.parts, part), append(s.rows, rows)
					n += len(rows)
				}
			}
			flush()
		}
	}
	for _, t := range c.model.tables {
		for _, part := range t.parts {
			part.fresh = nil // the steps have them
		}
	}
	return out
}

// statement writes a step: the rows that it finds, of those that it is given.
func (s *step) statement() (string, []any) {
	given, found := s.ref.child, s.ref.parent
	if s.direction == down {
		given, found = found, given
	}
	when := func(of string) string {
		if s.ref.when == "" {
			return ""
		}
		return " AND " + of + quoted(s.ref.when) + "::text = $1"
	}
	args := make([]any, 0, len(s.parts)+1)
	if s.ref.when != "" {
		args = append(args, s.ref.value)
	}
	var keys, on []string
	notNull := ""
	for i, c := range given.columns {
		keys = append(keys, fmt.Sprintf("x.%s AS k%d", quoted(c), i))
		notNull += " AND x." + quoted(c) + " IS NOT NULL"
		parent, child := fmt.Sprintf("f.k%d", i), "y."+quoted(found.columns[i])
		if s.direction == up {
			parent, child = child, parent
		}
		on = append(on, parent+" "+s.ref.operators[i]+" "+child)
	}
	var parts []string
	for i, p := range s.parts {
		args = append(args, pgtype.FlatArray[pgtype.TID](s.rows[i]))
		part := fmt.Sprintf("SELECT %s FROM ONLY %s x WHERE x.ctid = ANY ($%d)%s", strings.Join(keys, ", "), sqlName(p.name), len(args), notNull)
		if s.direction == up {
			part += when("x.")
		}
		parts = append(parts, part)
	}
	from := strings.Join(parts, " UNION ALL ")
	if s.direction == down {
		return fmt.Sprintf("SELECT y.tableoid, y.ctid FROM %s y WHERE EXISTS (SELECT FROM (%s) f WHERE %s)%s", found.from, from, strings.Join(on, " AND "), when("y.")), args
	}
	return fmt.Sprintf("SELECT y.tableoid, y.ctid FROM (SELECT DISTINCT * FROM (%s) g) f JOIN %s y ON %s", from, found.from, strings.Join(on, " AND ")), args
}

// close brings everything that chosen rows refer to, by whatever reference, and what that refers to.
func (c *choice) close(ctx context.Context) error {
	all := map[*table][]*reference{}
	before := make([]int64, len(c.model.tables))
	for i, t := range c.model.tables {
		before[i] = t.chosen()
		for _, r := range t.out {
			if !r.parent.table.whole {
				all[t] = append(all[t], r)
			}
		}
		for _, part := range t.parts {
			if len(all[t]) > 0 {
				part.fresh = slices.AppendSeq(make([]pgtype.TID, 0, part.chosen.n), part.chosen.rows())
			}
		}
	}
	if err := c.spread(ctx, all, up); err != nil {
		return err
	}
	for i, t := range c.model.tables {
		switch n := t.chosen() - before[i]; {
		case n > 0 && t.how == "":
			t.how = "what others refer to"
		case n > 0:
			t.how += fmt.Sprintf("; %d more that others refer to", n)
		case t.how == "":
			t.how = "nothing refers to its rows"
		}
	}
	return nil
}
