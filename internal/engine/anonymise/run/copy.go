package run

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"unsafe"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/internal/engine/anonymise/detect"
	"github.com/garant-project/garant/internal/engine/anonymise/leak"
	"github.com/garant-project/garant/internal/engine/anonymise/names"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/reidentify"
	"github.com/garant-project/garant/internal/engine/anonymise/seen"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
	"github.com/garant-project/garant/internal/errs"
)

var errColumns = errors.New("a row of the source has another number of columns")

// finder finds values in sentences by how they look.
type finder struct {
	found []detect.Found
	plain *plainTexts // nil: nothing is known of any
}

// Find implements transform.Finder.
func (f *finder) Find(dst []transform.Mention, text []byte) []transform.Mention {
	if f.plain.has(text) {
		return dst
	}
	f.found = detect.AppendFound(f.found[:0], unsafe.String(unsafe.SliceData(text), len(text))) // which does not keep it
	for _, m := range f.found {
		dst = append(dst, transform.Mention{Start: m.Start, End: m.End, Kind: m.Kind})
	}
	return dst
}

// copyRows carries the rows of all tables over.
func (r *run) copyRows(ctx context.Context, set *seen.Set, scan *leak.Scan, attacks []*reidentify.Attack) error {
	if err := r.newPaths(set.Prober()); err != nil {
		return err
	}
	units, err := r.layout.units(r.relations, func(t *table) bool { return !t.empty })
	if err != nil {
		return err
	}
	for _, u := range units {
		r.progress.total(u.bytes)
	}
	key := transform.NewKey()
	defer key.Erase()
	q, canaries := &queue[unit]{all: units}, &queue[leak.Canary]{all: r.canaries}
	defer func() { r.plain = nil }()
	return parallel(ctx, r.o.Workers, func(ctx context.Context, _ int) error {
		w := &copier{run: r, scanner: scan.Scanner(), canaries: canaries, share: max(1, len(r.canaries)/(len(units)+1)), order: newOrder()}
		w.finder.plain = r.plain
		w.env = transform.Env{Key: key, Finder: &w.finder, Language: names.Language(r.o.Plan.Language), Country: r.o.Plan.Country, Drawn: transform.Drawn{}}
		if !r.o.Unproven {
			w.env.Taken, w.env.Leaks = set.Prober(), w.scanner.Leaks
		}
		for _, a := range attacks {
			w.attackers = append(w.attackers, a.Attacker())
		}
		return w.work(ctx, q)
	})
}

// copier carries rows over, in one goroutine.
type copier struct {
	run       *run
	env       transform.Env
	finder    finder
	scanner   *leak.Scanner
	canaries  *queue[leak.Canary]
	share     int // canaries for each unit
	attackers []*reidentify.Attacker

	table        *table // for which the transformers are
	transformers []transform.Transformer

	fields  [][]byte
	subject []byte
	known   []byte
	made    []byte
	copied  []byte
	own     []int    // columns whose values of the source a kept value of the same row must not hold
	seen    []seenBy // of the columns on which somebody may attack
	sides   [2][][]byte
	names   [2]namesIn
	row     uint64
	out     []byte // rows of the block to come
	block   []span // where they stand
	order   *rand.Rand
	to      *pipe
	pause   func() error // while the source is busy
	rows    int64
}

func (w *copier) work(ctx context.Context, q *queue[unit]) (err error) {
	defer func() { err = errors.Join(err, w.close()) }()
	w.pause = func() error { return w.run.load.wait(ctx) }
	source, err := w.run.source.connect(ctx, "")
	if err != nil {
		return err
	}
	defer hangUp(source)
	source.PgConn().Frontend().SetMaxBodyLen(w.run.o.MaxRow)
	target, err := w.run.target.connect(ctx, w.run.staging.database)
	if err != nil {
		return err
	}
	defer hangUp(target)
	for u, ok := q.take(); ok && ctx.Err() == nil; u, ok = q.take() {
		t := &w.run.layout.tables[u.table]
		if err := w.run.load.wait(ctx); err != nil {
			return err
		}
		if err := w.prepare(t); err != nil {
			return err
		}
		rows, err := w.unit(ctx, source, target, t, u)
		if err != nil {
			return err
		}
		w.plant(w.share)
		w.run.counts[u.table].copied.Add(rows)
		w.run.progress.did(t.name.String(), rows, u.bytes)
	}
	w.plant(len(w.canaries.all))
	return ctx.Err()
}

// plant puts canaries among the values that are scanned.
func (w *copier) plant(n int) {
	for range n {
		c, ok := w.canaries.take()
		if !ok {
			return
		}
		w.scanner.Row(0)
		w.scanner.Value(&leak.Field{Table: "canary", Column: "canary", Type: c.Type}, c.Text)
	}
}

// prepare makes the transformers of a table.
func (w *copier) prepare(t *table) error {
	if w.table == t {
		return nil
	}
	if err := w.close(); err != nil {
		return err
	}
	w.table, w.transformers, w.own, w.seen = t, make([]transform.Transformer, len(t.columns)), nil, make([]seenBy, len(t.columns))
	for i := range t.columns {
		c := &t.columns[i]
		if c.own != "" && c.own != personal.Town || c.ownPaths != nil {
			w.own = append(w.own, i)
		}
		if !c.replaced {
			continue
		}
		tr, err := transform.New(c.plan.Transform, c.shape, w.env)
		if err != nil {
			return misfit(c, err)
		}
		w.transformers[i] = tr
	}
	return nil
}

func misfit(c *column, err error) error {
	return errs.New(errs.Invalid, "anonymise.transformer", fmt.Sprintf("The transformer %s of %s (line %d): %v.", c.plan.Transform.Name, c.shape.Name, c.plan.Line, err)).WithFix("Correct the plan.")
}

// close ends the transformers of the table before.
func (w *copier) close() error {
	var err error
	for _, tr := range w.transformers {
		if tr != nil {
			err = errors.Join(err, tr.Close())
		}
	}
	w.table, w.transformers = nil, nil
	return err
}

// unit carries a piece over, and tells how many rows the source gave and the target took, which must be the same.
func (w *copier) unit(ctx context.Context, source, target *pgx.Conn, t *table, u *unit) (int64, error) {
	values := make([]string, 0, len(t.columns))
	for i := range t.columns {
		values = append(values, t.columns[i].value)
	}
	in := `COPY ` + sqlName(t.name)
	if len(t.columns) > 0 {
		in += ` (` + t.list() + `)`
	}
	w.to, w.rows, w.row = newPipe(), 0, uint64(u.from)<<9 //nolint:gosec // pages are not negative
	type outcome struct {
		tag pgconn.CommandTag
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		tag, err := target.PgConn().CopyFrom(ctx, w.to, in+` FROM STDIN`)
		close(w.to.gone)
		done <- outcome{tag, err}
	}()
	out := &lines{row: func(row []byte) error { return w.carry(t, row) }}
	w.out, w.block = w.out[:0], w.block[:0]
	readErr := w.run.snapshot.under(ctx, source, func(tx pgx.Tx) error {
		if _, err := tx.Conn().PgConn().CopyTo(ctx, out, `COPY (`+u.rows(strings.Join(values, ", "), w.order)+`) TO STDOUT`); err != nil {
			return err
		}
		return out.end()
	})
	if readErr == nil && len(w.block) > 0 {
		readErr = w.give()
	}
	if readErr == nil {
		w.to.close(io.EOF)
	} else {
		w.to.close(errAborted)
	}
	wrote := <-done
	switch {
	case readErr != nil && !errors.Is(readErr, errGone):
		return 0, failed(atSource, "Reading "+u.source.String(), readErr)
	case wrote.err != nil:
		return 0, failed(atTarget, "Filling "+t.name.String(), wrote.err)
	case readErr != nil:
		return 0, failed(atTarget, "Filling "+t.name.String(), io.ErrUnexpectedEOF)
	case wrote.tag.RowsAffected() != w.rows:
		return 0, errs.New(errs.Conflict, "anonymise.rows", fmt.Sprintf("The target took %d of %d rows of %s.", wrote.tag.RowsAffected(), w.rows, t.name)).WithFix("Run again.")
	}
	return w.rows, nil
}

// carry makes a row of the copy of a row of the source.
func (w *copier) carry(t *table, row []byte) error {
	w.rows++
	w.row++
	if len(t.columns) == 0 {
		w.out = append(w.out, '\n')
		return w.full()
	}
	w.fields = appendFields(w.fields[:0], row)
	if len(w.fields) != len(t.columns) {
		return errColumns
	}
	var who transform.Row
	if t.subject >= 0 && !isNull(w.fields[t.subject]) {
		w.subject = appendPlain(w.subject[:0], w.fields[t.subject])
		who.Subject = w.subject
	}
	for i, field := range w.fields {
		if i > 0 {
			w.out = append(w.out, '\t')
		}
		c := &t.columns[i]
		if c.replaced && !isNull(field) {
			var err error
			if err = w.replace(i, c, w.transformers[i], field, who); err != nil {
				return err
			}
			continue
		}
		if c.attacked {
			w.seen[i].kept(field)
		}
		w.out = append(w.out, field...)
	}
	w.out = append(w.out, '\n')
	w.scanKept(t)
	if err := w.attack(t, who.Subject); err != nil {
		return err
	}
	return w.full()
}

// full hands a block on when it is large enough.
func (w *copier) full() error {
	from := 0
	if last := len(w.block) - 1; last >= 0 {
		from = w.block[last].to
	}
	w.block = append(w.block, span{from, len(w.out)})
	if len(w.out) < blockSize {
		return nil
	}
	return w.give()
}

// give hands the rows of a block on, in random order.
func (w *copier) give() error {
	if err := w.pause(); err != nil {
		return err
	}
	mixed := w.to.take()
	if len(w.block) == 1 { // it may be large
		mixed, w.out = w.out, mixed
	} else {
		mixed = mix(mixed, w.out, w.block, w.order)
	}
	w.out, w.block = w.out[:0], w.block[:0]
	if cap(w.out) > 8*blockSize { // of one large row
		w.out = nil
	}
	return w.to.give(mixed)
}

// replace puts another value in the place of one, and scans it. What it replaces must not stand in it, not even a name that others bear.
func (w *copier) replace(i int, c *column, tr transform.Transformer, field []byte, who transform.Row) error {
	var value []byte
	value, w.known = plain(w.known, field)
	made, err := tr.Append(w.made[:0], value, who)
	if errors.Is(err, transform.ErrNull) {
		w.out = append(w.out, null...)
		if c.attacked {
			w.seen[i].replaced(c, value, nil)
		}
		return nil
	}
	if err != nil {
		return w.refused(c, value, err)
	}
	if made == nil {
		made = []byte{} // nil would be NULL
	}
	w.made = made
	if c.attacked {
		w.seen[i].replaced(c, value, made)
	}
	if c.field != nil {
		w.scanner.Row(w.row)
		if c.own != "" && !c.shown {
			w.scanner.Own(c.own, value)
		}
		w.scanner.Value(c.field, made)
	}
	if c.ownPaths != nil {
		if err := w.scanNames(c, value, made); err != nil {
			return err
		}
	}
	w.out = appendEscaped(w.out, made)
	return nil
}

// scanKept scans the values of a row that are those of the source. Names of the row's own person must not stand in them.
func (w *copier) scanKept(t *table) {
	w.scanner.Row(w.row)
	for _, i := range w.own {
		if f := w.fields[i]; !isNull(f) && t.columns[i].replaced && !t.columns[i].shown {
			w.known = appendPlain(w.known[:0], f)
			if c := &t.columns[i]; c.ownPaths != nil {
				w.ownNames(c, w.known)
			} else {
				w.scanner.Own(c.own, w.known)
			}
		}
	}
	for i := range t.columns {
		c := &t.columns[i]
		if c.replaced || c.field == nil || isNull(w.fields[i]) {
			continue
		}
		var value []byte
		value, w.copied = plain(w.copied, w.fields[i])
		if c.own != "" && !c.shown {
			w.scanner.Own(c.own, value)
		}
		w.scanner.Value(c.field, value)
	}
}

// seenBy is what an attacker knows of a value and what the copy shows of it.
type seenBy struct {
	known, shown         []byte
	knownNull, shownNull bool
}

func (s *seenBy) kept(field []byte) {
	s.knownNull, s.known = isNull(field), appendPlain(s.known[:0], field)
	s.shownNull, s.shown = s.knownNull, append(s.shown[:0], s.known...)
}

// replaced notes what became of a value; shown is nil for NULL. Who knows the value can generalise it, too.
func (s *seenBy) replaced(c *column, known, shown []byte) {
	s.knownNull, s.shownNull = false, shown == nil
	s.shown = append(s.shown[:0], shown...)
	if c.shown {
		s.knownNull, known = s.shownNull, shown
	}
	s.known = append(s.known[:0], known...)
}

// attack joins the row of the copy with what is known of its person. A row that names nobody is one of its own.
func (w *copier) attack(t *table, person []byte) error {
	if len(t.attacks) == 0 {
		return nil
	}
	if person == nil {
		w.subject = binary.BigEndian.AppendUint64(w.subject[:0], w.run.ordinal.Add(1))
		person = w.subject
	}
	for _, a := range t.attacks {
		known, shown := w.sides[0][:0], w.sides[1][:0]
		for _, i := range a.columns {
			s := &w.seen[i]
			known, shown = append(known, s.known), append(shown, s.shown)
			if last := len(known) - 1; s.knownNull {
				known[last] = nil
			} else if s.known == nil {
				known[last] = []byte{}
			}
			if last := len(shown) - 1; s.shownNull {
				shown[last] = nil
			} else if s.shown == nil {
				shown[last] = []byte{}
			}
		}
		w.sides = [2][][]byte{known, shown}
		if err := w.attackers[a.identity].Row(person, known, shown); err != nil {
			return err
		}
	}
	return nil
}
