package run

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/anonymise/detect"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/seen"
	"github.com/garant-project/garant/internal/errs"
)

// gather reads everything that identifies somebody into the set.
func (r *run) gather(ctx context.Context, b *seen.Builder) error {
	units, err := r.layout.units(r.relations, (*table).reads)
	if err != nil {
		return err
	}
	q := &queue[unit]{all: units}
	var bytes atomic.Int64
	for _, u := range units {
		r.progress.total(u.bytes)
	}
	if len(units) > 0 {
		r.plain = newPlainTexts()
	}
	adder := b.Adder()
	for _, c := range r.canaries {
		if reason := adder.Add(c.Kind, []byte(c.Value)); reason != seen.Usable {
			return errs.New(errs.Internal, "anonymise.canary", "A canary cannot be planted: "+reason.String()+".")
		}
	}
	return parallel(ctx, r.o.Workers, func(ctx context.Context, _ int) error {
		conn, err := r.source.connect(ctx, "")
		if err != nil {
			return err
		}
		defer hangUp(conn)
		conn.PgConn().Frontend().SetMaxBodyLen(r.o.MaxRow)
		g := &gatherer{adder: b.Adder(), plain: r.plain, bytes: &bytes, pause: func() error { return r.load.wait(ctx) }}
		for u, ok := q.take(); ok && ctx.Err() == nil; u, ok = q.take() {
			t := &r.layout.tables[u.table]
			if err := r.load.wait(ctx); err != nil {
				return err
			}
			if err := r.snapshot.under(ctx, conn, func(tx pgx.Tx) error { return g.unit(ctx, tx, t, u) }); err != nil {
				return failed(atSource, "Reading "+u.source.String(), err)
			}
			r.progress.did(t.name.String(), 0, u.bytes)
		}
		return ctx.Err()
	})
}

// gatherer reads rows into the set, in one goroutine.
type gatherer struct {
	adder   *seen.Adder
	plain   *plainTexts
	bytes   *atomic.Int64
	fields  [][]byte
	buf     []byte
	element []byte
	found   []detect.Found
	pause   func() error // while the source is busy
	names   [][]byte     // given and family names of a row, by pairs
}

// unit reads the identifying columns of a piece. Names that stand apart are read as the names of one person: the first given name with the first family name, and so on.
func (g *gatherer) unit(ctx context.Context, tx pgx.Tx, t *table, u *unit) error {
	var reads []reading
	var list []string
	given, family := 0, 0
	for i := range t.columns {
		c := &t.columns[i]
		name := pgx.Identifier{c.name}.Sanitize()
		switch {
		case c.sentences:
			list, reads = append(list, c.bounded(name)), append(reads, reading{of: c, kind: personal.Text, array: isArray(c.shape.Type)})
			continue
		case c.documents != nil:
			sql, kinds, ok := c.documents.selected(name)
			if ok && c.shape.Type == "jsonb" {
				for i := range sql {
					list, reads = append(list, sql[i]), append(reads, reading{kind: kinds[i]})
				}
			} else {
				list, reads = append(list, c.bounded(name)), append(reads, reading{of: c, documents: true})
			}
		}
		if !c.gathers {
			continue
		}
		list, reads = append(list, name), append(reads, reading{of: c, kind: c.plan.Kind, own: c.own, array: isArray(c.shape.Type)})
		switch c.own {
		case personal.GivenName:
			given++
		case personal.FamilyName:
			family++
		}
	}
	pairs := min(given, family)
	g.names = make([][]byte, 2*pairs)
	out := &lines{row: func(row []byte) error { return g.row(row, reads, pairs) }}
	if _, err := tx.Conn().PgConn().CopyTo(ctx, out, `COPY (SELECT `+strings.Join(list, ", ")+` FROM ONLY `+sqlName(u.source)+u.where()+`) TO STDOUT`); err != nil {
		return err
	}
	return out.end()
}

// largestSuppressed is up to which size what the plan suppresses is read, in bytes: rows may be larger than a run takes, and the plan's way out is to suppress what makes them so.
const largestSuppressed = 64 << 10

// bounded is what is read of a column that is looked through for what identifies somebody.
func (c *column) bounded(name string) string {
	switch c.plan.Transform.Name {
	case "suppress", "constant", "file":
		return fmt.Sprintf("CASE WHEN octet_length(%[1]s::text) <= %[2]d THEN %[1]s END", name, largestSuppressed)
	}
	return name
}

// add enters a value into the set; of sentences, what in them is proven to identify somebody, or names somebody as names and addresses look.
func (g *gatherer) add(kind personal.Kind, value []byte) {
	if kind != personal.Text {
		g.adder.Add(kind, value)
		return
	}
	if g.plain.has(value) {
		return
	}
	if g.found = detect.AppendFound(g.found[:0], unsafe.String(unsafe.SliceData(value), len(value))); len(g.found) == 0 {
		g.plain.add(value)
	}
	for _, m := range g.found {
		if m.Sure && gathered(m.Kind) || slices.Contains([]personal.Kind{personal.FullName, personal.FamilyName, personal.Address}, m.Kind) {
			g.adder.Add(m.Kind, value[m.Start:m.End])
		}
	}
}

// reading is what is read of a row and how: a value, the elements of an array, or what stands in a document at its paths.
type reading struct {
	of        *column
	kind      personal.Kind
	own       personal.Kind
	array     bool
	documents bool
}

func (g *gatherer) row(row []byte, reads []reading, pairs int) error {
	g.bytes.Add(int64(len(row)))
	if err := g.pause(); err != nil {
		return err
	}
	g.fields = appendFields(g.fields[:0], row)
	if len(g.fields) != len(reads) {
		return errColumns
	}
	given, family := 0, 0
	for i := range g.names {
		g.names[i] = g.names[i][:0]
	}
	for i, r := range reads {
		f := g.fields[i]
		if isNull(f) {
			f = nil
		}
		var value []byte
		value, g.buf = plain(g.buf, f)
		switch r.own {
		case personal.GivenName:
			if given < pairs {
				g.names[2*given] = append(g.names[2*given], value...)
			}
			given++
		case personal.FamilyName:
			if family < pairs {
				g.names[2*family+1] = append(g.names[2*family+1], value...)
			}
			family++
		}
		if len(value) == 0 {
			continue
		}
		switch {
		case r.documents:
			if err := r.of.documents.visit(value, g.add); err != nil {
				return errs.New(errs.Invalid, "anonymise.document", fmt.Sprintf("The column %s holds what is no JSON document.", r.of.shape.Name)).WithFix("Take another transformer for it, such as free_text or suppress.")
			}
		case r.array:
			g.element = elements(g.element, value, func(v []byte) { g.add(r.kind, v) })
		default:
			g.add(r.kind, value)
		}
	}
	for i := range pairs {
		if len(g.names[2*i]) > 0 && len(g.names[2*i+1]) > 0 {
			g.adder.AddPerson(g.names[2*i], g.names[2*i+1])
		}
	}
	return nil
}
