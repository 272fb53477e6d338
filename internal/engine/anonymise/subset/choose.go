package subset

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
)

// choose finds the rows that the subset has.
func (p *pull) choose(ctx context.Context) error {
	if err := p.count(ctx); err != nil {
		return err
	}
	c := &choice{pull: p, finder: &finder{m: p.model}, down: map[*table][]*reference{}}
	if p.o.Subset.Kind == All {
		for _, t := range p.model.tables {
			t.how = "all"
		}
		return nil
	}
	if err := c.wholes(); err != nil {
		return err
	}
	var err error
	switch p.o.Subset.Kind {
	case Percent:
		err = c.percent()
	case Tenants:
		err = c.tenants()
	case Queries:
		err = c.queries()
	}
	if err != nil {
		return err
	}
	if err := c.sow(ctx); err != nil {
		return err
	}
	if err := c.spread(ctx, c.down, down); err != nil {
		return err
	}
	return c.close(ctx)
}

// count counts the rows of all tables.
func (p *pull) count(ctx context.Context) error {
	return each(ctx, p.readers, slices.Values(p.model.tables), func(ctx context.Context, conn *pgx.Conn, _ int, t *table) error {
		err := conn.QueryRow(ctx, `SELECT count(*) FROM `+t.only()+t.sql()).Scan(&t.rows)
		return p.source.Failed("Counting the rows of "+t.name.String(), err)
	})
}

// seed is a statement that finds the rows with which a choice begins.
type seed struct {
	table     *table
	condition string // of SQL; empty: all rows
	args      []any
	atLeast   string // when nothing was found: what rows are ordered by, of which the first is taken; empty: nothing is
	given     bool   // somebody wrote the condition
	exactly   int64  // as many rows are expected; 0: any number
}

// choice is how rows are chosen: with which they begin, and by which references rows come to those that are chosen already.
type choice struct {
	*pull
	finder *finder
	seeds  []seed
	down   map[*table][]*reference // of a table: those by which its rows bring others
}

// wholes finds the tables that come whole: those that somebody named, and those that are small and depend on no other that is not.
func (c *choice) wholes() error {
	s, m := &c.o.Subset, c.model
	if t := m.tenants; t != nil && s.Kind == Percent && float64(t.rows)*s.Percent < 100 {
		if s.Percent > 0 {
			m.notes = append(m.notes, fmt.Sprintf("%s has too few rows for %g %% of them: it comes whole, and what depends on it is sampled.", t.name, s.Percent))
		}
		m.tenants, t.isTenant, t.whole, t.how = nil, false, true, "tenants, too few to choose from"
	}
	named := map[*table]bool{}
	for _, q := range s.Queries {
		t := c.model.byName[q.Table]
		if t == nil {
			return errs.New(errs.Invalid, "anonymise.subset", fmt.Sprintf("The copy has no table %s.", q.Table)).WithFix("Write SCHEMA.TABLE, as garant anonymise plan does; a partitioned table by its root.")
		}
		named[t] = true
	}
	for _, t := range c.model.tables {
		if t.rows <= s.Small && !t.isTenant && !named[t] {
			t.whole, t.how = true, "small, and needs nothing larger"
		}
	}
	for again := true; again; {
		again = false
		for _, t := range c.model.tables {
			if t.whole && slices.ContainsFunc(t.out, func(r *reference) bool { return c.brings(r) && !r.parent.table.whole }) {
				t.whole, t.how, again = false, "", true
			}
		}
	}
	for _, w := range s.Whole {
		t, err := c.model.named(w)
		if err != nil {
			return err
		}
		t.whole, t.how = true, "wanted whole"
	}
	for _, t := range c.model.tables {
		if t.whole {
			c.seeds = append(c.seeds, seed{table: t})
		}
	}
	return nil
}

// sampled is a condition that a part of a table's rows fulfil, always the same for a seed, wherever they lie.
func (c *choice) sampled(t *table, condition string) seed {
	sum := sha256.Sum256([]byte("garant subset\x00" + c.o.Subset.Seed + "\x00" + t.name.String()))
	key := int64(binary.BigEndian.Uint64(sum[:8])) //nolint:gosec // any number will do
	row := "(x.*)::text"
	if t.key != nil {
		columns := make([]string, 0, len(t.key))
		for _, k := range t.key {
			columns = append(columns, "x."+quoted(k))
		}
		row = "ROW(" + strings.Join(columns, ", ") + ")::text"
	}
	hash := fmt.Sprintf("hashtextextended(%s, '%d'::bigint)", row, key)
	below := int64(math.MaxInt64)
	if f := c.o.Subset.Percent / 100 * math.MaxUint64; f < math.MaxUint64 {
		below = int64(uint64(f) ^ 1<<63) //nolint:gosec // the middle of uint64 is the zero of int64
	}
	s := seed{table: t, condition: fmt.Sprintf("%s < '%d'::bigint", hash, below)}
	if condition != "" {
		s.condition += " AND " + condition
	}
	if c.o.Subset.Percent > 0 {
		s.atLeast = hash
	}
	return s
}

// percent chooses a part of the tables that lead; the others have their rows by the parent that leads them.
func (c *choice) percent() error {
	m := c.model
	if m.tenants != nil {
		c.seeds = append(c.seeds, c.sampled(m.tenants, ""))
		m.tenants.how = fmt.Sprintf("%g %% of the tenants", c.o.Subset.Percent)
		c.hanging(map[*table]bool{m.tenants: true})
		return nil
	}
	for _, group := range components(m.tables) {
		c.lead(group)
	}
	return nil
}

// lead finds for each table of a component what its rows come with: a parent outside, if there is a mandatory one, else one of the component. A component without any parent outside is led by its
// smallest table.
func (c *choice) lead(group []*table) {
	inside := map[*table]bool{}
	for _, t := range group {
		inside[t] = true
	}
	led := map[*table]bool{}
	for _, t := range group {
		if t.whole {
			led[t] = true
		}
	}
	follow := func(t *table, may func(*table) bool) bool {
		refs := leading(t, func(r *reference) bool {
			return r.mandatory && !r.parent.table.whole && r.parent.table != t && may(r.parent.table)
		})
		if refs == nil {
			return false
		}
		led[t] = true
		var with []string
		for _, r := range refs {
			c.down[r.parent.table] = append(c.down[r.parent.table], r)
			with = append(with, r.parent.table.name.String())
		}
		t.how = "with " + strings.Join(with, ", ")
		if refs[0].when != "" { // rows of which the parent is none of these
			values := make([]string, 0, len(refs))
			for _, r := range refs {
				values = append(values, r.value)
			}
			s := c.sampled(t, "x."+quoted(refs[0].when)+"::text <> ALL ($1)")
			s.args, s.atLeast = []any{values}, ""
			c.seeds = append(c.seeds, s)
		}
		return true
	}
	for _, t := range group {
		if !led[t] {
			follow(t, func(p *table) bool { return !inside[p] })
		}
	}
	for {
		var left []*table
		moved := false
		for _, t := range group {
			if !led[t] {
				if follow(t, func(p *table) bool { return led[p] }) {
					moved = true
				} else {
					left = append(left, t)
				}
			}
		}
		switch {
		case len(left) == 0:
			return
		case !moved:
			first := slices.MinFunc(left, func(a, b *table) int {
				return cmp.Or(cmp.Compare(a.rows, b.rows), a.name.Compare(b.name))
			})
			led[first], first.how = true, fmt.Sprintf("%g %% of its rows", c.o.Subset.Percent)
			c.seeds = append(c.seeds, c.sampled(first, ""))
		}
	}
}

// leading are the references by which a table's rows come with another's: of those that may, the one to the table with most rows, for its rows have the fewest children each; with it those of its group.
func leading(t *table, may func(*reference) bool) []*reference {
	var best *reference
	for _, r := range t.out {
		if may(r) && (best == nil || r.parent.table.rows > best.parent.table.rows) {
			best = r
		}
	}
	if best == nil {
		return nil
	}
	out := []*reference{best}
	for _, r := range t.out {
		if r != best && r.group == best.group && r.group > 0 && may(r) {
			out = append(out, r)
		}
	}
	return out
}

// hanging lets all rows come that hang on those of some tables by any path of mandatory references; with tenants also by a reference to a tenant that a row may be without.
func (c *choice) hanging(begin map[*table]bool) {
	reached := map[*table]bool{}
	for t := range begin {
		reached[t] = true
	}
	for again := true; again; {
		again = false
		for _, t := range c.model.tables {
			if reached[t] {
				continue
			}
			if !t.whole && slices.ContainsFunc(t.out, func(r *reference) bool { return c.brings(r) && reached[r.parent.table] }) {
				reached[t], again = true, true
			}
		}
	}
	for _, t := range c.model.tables {
		for _, r := range t.in {
			child := r.child.table
			if !reached[t] || child.whole || !c.brings(r) || c.named(child) {
				continue
			}
			c.down[t] = append(c.down[t], r)
			if child.how == "" {
				child.how = "with " + t.name.String()
			}
		}
	}
}

func (c *choice) brings(r *reference) bool { return r.mandatory || r.parent.table.isTenant }

// named tells whether a table's rows are chosen by a condition and by nothing else.
func (c *choice) named(t *table) bool {
	return slices.ContainsFunc(c.o.Subset.Queries, func(q Query) bool { return q.Table == t.name })
}

func (c *choice) tenants() error {
	t := c.model.tenants
	ids := slices.Compact(slices.Sorted(slices.Values(c.o.Subset.Tenants)))
	t.how = "tenants that were named"
	c.seeds = append(c.seeds, seed{table: t, condition: "x." + quoted(t.mainKey[0]) + "::text = ANY ($1)", args: []any{ids}, exactly: int64(len(ids))})
	c.hanging(map[*table]bool{t: true})
	return nil
}

func (c *choice) queries() error {
	begin := map[*table]bool{}
	for _, q := range c.o.Subset.Queries {
		t := c.model.byName[q.Table]
		t.how = "rows that fulfil the condition"
		begin[t] = true
		c.seeds = append(c.seeds, seed{table: t, condition: "(" + q.Condition + "\n)", given: true})
	}
	c.hanging(begin)
	return nil
}

// sow finds the rows with which the choice begins.
func (c *choice) sow(ctx context.Context) error {
	return each(ctx, c.readers, slices.Values(c.seeds), func(ctx context.Context, conn *pgx.Conn, _ int, s seed) error {
		from := ` FROM ` + s.table.only() + s.table.sql()
		if !s.given {
			from += ` x`
		}
		sql, where := `SELECT `+s.places()+from, ""
		if s.condition != "" {
			where = ` WHERE ` + s.condition
		}
		n, err := c.finder.find(ctx, conn, sql+where, s.args...)
		if err == nil && n == 0 && s.atLeast != "" {
			_, err = c.finder.find(ctx, conn, sql+` ORDER BY `+s.atLeast+` LIMIT 1`)
		}
		if err == nil && s.exactly > 0 && n != s.exactly {
			return errs.New(errs.NotFound, "anonymise.subset", fmt.Sprintf("%d of %d tenants are not in the copy.", s.exactly-n, s.exactly)).
				WithFix(fmt.Sprintf("Look into %s of the copy: keys may be other ones there than in production, and than in the copy before.", s.table.name))
		}
		if err != nil && s.given {
			return badCondition(c.source.Failed("Choosing rows of "+s.table.name.String(), err), s.table)
		}
		return c.source.Failed("Choosing rows of "+s.table.name.String(), err)
	})
}

// places selects where rows lie. In a condition that somebody wrote the table has its own name.
func (s *seed) places() string {
	of := "x"
	if s.given {
		of = quoted(s.table.name.Table)
	}
	return of + `.tableoid, ` + of + `.ctid`
}

// badCondition says of an error that it is the condition's.
func badCondition(err error, t *table) error {
	e, ok := asError(err)
	if !ok || e.Kind != errs.Invalid && e.Kind != errs.Denied {
		return err
	}
	return errs.New(e.Kind, "anonymise.condition", fmt.Sprintf("The condition on %s cannot be asked: %s", t.name, e.Text)).
		WithFix("Write a condition of SQL on its columns; functions and types that are not PostgreSQL's own with their schema.").Wrap(err)
}
