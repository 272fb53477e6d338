package subset

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/run"
	"github.com/garant-project/garant/internal/errs"
)

// Sizes of a piece.
const (
	pieceRows  = 1 << 15
	piecePages = 8192
)

// piece is what one COPY carries: rows by their places or, of a table that is wanted with all rows, a range of its pages.
type piece struct {
	part     *relation
	rows     []pgtype.TID
	all      bool
	from, to int64 // pages; to 0: to the end
}

// pieces cuts what is chosen, the largest relations first.
func (p *pull) pieces() iter.Seq[piece] {
	all := p.o.Subset.Kind == All
	var parts []*relation
	for _, t := range p.model.tables {
		parts = append(parts, t.parts...)
	}
	slices.SortStableFunc(parts, func(a, b *relation) int {
		return cmp.Or(cmp.Compare(b.chosen.n, a.chosen.n), cmp.Compare(b.pages, a.pages))
	})
	return func(yield func(piece) bool) {
		for _, part := range parts {
			if all {
				for from := int64(0); from == 0 || from < part.pages; from += piecePages {
					x := piece{part: part, all: true, from: from, to: from + piecePages}
					if x.to >= part.pages {
						x.to = 0
					}
					if !yield(x) {
						return
					}
				}
				continue
			}
			var rows []pgtype.TID
			for r := range part.chosen.rows() {
				if rows = append(rows, r); len(rows) == pieceRows {
					if !yield(piece{part: part, rows: rows}) {
						return
					}
					rows = nil
				}
			}
			if len(rows) > 0 && !yield(piece{part: part, rows: rows}) {
				return
			}
		}
	}
}

// statement reads a piece. Rows come in the text form, which every type has and all versions read.
func (x *piece) statement(columns string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "COPY (SELECT %s FROM ONLY %s", columns, sqlName(x.part.name))
	switch {
	case !x.all:
		b.WriteString(" WHERE ctid = ANY ('{")
		for i, r := range x.rows {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(`"(`)
			b.WriteString(strconv.FormatUint(uint64(r.BlockNumber), 10))
			b.WriteByte(',')
			b.WriteString(strconv.FormatUint(uint64(r.OffsetNumber), 10))
			b.WriteString(`)"`)
		}
		b.WriteString("}'::tid[])")
	case x.to > 0:
		fmt.Fprintf(&b, " WHERE ctid >= '(%d,0)' AND ctid < '(%d,0)'", x.from, x.to)
	case x.from > 0:
		fmt.Fprintf(&b, " WHERE ctid >= '(%d,0)'", x.from)
	}
	b.WriteString(") TO STDOUT")
	return b.String()
}

// copy carries the chosen rows over.
func (p *pull) copy(ctx context.Context) error {
	var writers []*pgx.Conn
	defer func() {
		for _, w := range writers {
			run.HangUp(w)
		}
	}()
	for range p.readers.conns {
		conn, err := p.place.server.Connect(ctx, p.place.database)
		if err != nil {
			return err
		}
		writers = append(writers, conn)
	}
	var want, done int64
	copied := map[*table]*atomic.Int64{}
	for _, t := range p.model.tables {
		copied[t] = &atomic.Int64{}
		want += p.wants(t)
	}
	var progress atomic.Int64
	if err := each(ctx, p.readers, p.pieces(), func(ctx context.Context, conn *pgx.Conn, worker int, x piece) error {
		n, err := p.carry(ctx, conn, writers[worker], &x)
		if err != nil {
			return err
		}
		copied[x.part.table].Add(n)
		p.say(progress.Add(n), want)
		return nil
	}); err != nil {
		return err
	}
	for _, t := range p.model.tables {
		n := copied[t].Load()
		if done += n; n != p.wants(t) {
			return errs.New(errs.Internal, "anonymise.rows", fmt.Sprintf("The database took %d of %d rows of %s.", n, p.wants(t), t.name)).WithFix("Pull again.")
		}
	}
	return nil
}

// wants is how many rows of a table are to come.
func (p *pull) wants(t *table) int64 {
	if p.o.Subset.Kind == All {
		return t.rows
	}
	return t.chosen()
}

var errGone = errors.New("nobody reads any more")

// carry carries one piece over and returns how many rows were taken.
func (p *pull) carry(ctx context.Context, from, to *pgx.Conn, x *piece) (int64, error) {
	t := x.part.table
	names := make([]string, 0, len(t.columns))
	for _, c := range t.columns {
		names = append(names, quoted(c))
	}
	columns := strings.Join(names, ", ")
	into := `COPY ` + t.sql()
	if columns != "" {
		into += ` (` + columns + `)`
	}
	r, w := io.Pipe()
	read := make(chan error, 1)
	go func() {
		buffer := bufio.NewWriterSize(w, 128<<10)
		_, err := from.PgConn().CopyTo(ctx, buffer, x.statement(columns))
		if err == nil {
			err = buffer.Flush()
		}
		_ = w.CloseWithError(err) // nil ends the stream
		read <- err
	}()
	tag, wrote := to.PgConn().CopyFrom(ctx, r, into+` FROM STDIN`)
	_ = r.CloseWithError(errGone)
	if err := <-read; err != nil && !errors.Is(err, errGone) {
		return 0, p.source.Failed("Reading "+x.part.name.String(), err)
	}
	return tag.RowsAffected(), p.place.server.Failed("Filling "+t.name.String(), wrote)
}

// after makes a database of the rows.
func (p *pull) after(ctx context.Context) error {
	if err := p.schema.Restore(ctx, p.place.server, p.place.database, "post-data", max(2, p.o.Workers)); err != nil {
		return err
	}
	p.report.LeftOut = append(append(p.report.LeftOut, p.schema.LeftOut()...), p.model.db.Other...)
	conn, err := p.place.server.Connect(ctx, p.place.database)
	if err != nil {
		return err
	}
	defer run.HangUp(conn)
	if err := p.sequences(ctx, conn); err != nil {
		return err
	}
	if err := run.Complete(ctx, conn); err != nil {
		return p.place.server.Failed("Completing the database", err)
	}
	if err := p.schema.Guard(ctx, p.place.server, p.place.database); err != nil {
		return err
	}
	problems, err := run.Differences(ctx, p.snapshot.Tx(), conn)
	switch {
	case err != nil:
		return p.place.server.Failed("Comparing the schemas", err)
	case len(problems) > 0:
		return errs.New(errs.Internal, "anonymise.schema", fmt.Sprintf("The database is not as the copy: %s (%s).", problems[0], counted(len(problems), "difference", "differences"))).WithFix("Pull again; if it lasts, tell us.")
	}
	return nil
}

// sequences sets each sequence to where the copy's stands, which is beyond all its rows.
func (p *pull) sequences(ctx context.Context, to *pgx.Conn) error {
	for chunk := range slices.Chunk(p.model.db.Sequences, 200) {
		var parts []string
		for i, s := range chunk {
			parts = append(parts, fmt.Sprintf("SELECT %d, last_value, is_called FROM %s", i, sqlName(s)))
		}
		rows, err := p.snapshot.Tx().Query(ctx, strings.Join(parts, " UNION ALL "))
		if err != nil {
			return p.source.Failed("Reading sequences", err)
		}
		var set []string
		var i int
		var last int64
		var called bool
		if _, err := pgx.ForEachRow(rows, []any{&i, &last, &called}, func() error {
			set = append(set, setval(chunk[i], last, called))
			return nil
		}); err != nil {
			return p.source.Failed("Reading sequences", err)
		}
		if _, err := to.Exec(ctx, `SELECT `+strings.Join(set, ", ")); err != nil {
			return p.place.server.Failed("Setting sequences", err)
		}
	}
	return nil
}

func setval(s catalog.Name, last int64, called bool) string {
	return fmt.Sprintf("setval('%s', %d, %t)", strings.ReplaceAll(sqlName(s), `'`, `''`), last, called)
}
