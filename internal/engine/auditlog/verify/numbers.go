package verify

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/spans"
	"github.com/garant-project/garant/internal/pg"
)

// written are the numbers that writers gave to entries of one generation.
type written map[uuid.UUID]*spans.Set

// number takes the number of an entry: a writer gives each once, so that who has none of its keys can only copy what it signed.
func (x *examining) number(l *row) {
	if !l.numbered {
		return
	}
	if x.writer == nil || x.writerID != l.writer {
		if x.writer = x.g.written[l.writer]; x.writer == nil {
			x.writer = &spans.Set{}
			x.g.written[l.writer] = x.writer
		}
		x.writerID = l.writer
	}
	switch {
	case !x.writer.Add(l.n):
		x.twice = append(x.twice, *l)
	case x.g.number > 1 && x.e.numbered(l.writer, l.n, x.g.number):
		x.again = append(x.again, *l)
	}
}

// numbered reports whether an entry of a generation before another has a number.
func (e *examiner) numbered(writer uuid.UUID, n int64, before int) bool {
	return slices.ContainsFunc(e.generations, func(g *generation) bool {
		s := g.written[writer]
		return g.number < before && s != nil && s.Has(n)
	})
}

// replanted tells entries that were planted again after a restore from those that only have the number of another.
func (x *examining) replanted(ctx context.Context) error {
	if len(x.again) == 0 {
		return nil
	}
	ids := make([]int64, len(x.again))
	for i := range x.again {
		ids[i] = x.again[i].entry
	}
	rows, err := x.e.main.Query(ctx, `SELECT l.entry FROM audit.leaf AS l JOIN audit.tree AS t ON t.tree = l.tree WHERE l.entry = ANY ($1) AND t.generation < $2`, ids, x.g.number)
	if err != nil {
		return pg.Wrap(err)
	}
	known, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return pg.Wrap(err)
	}
	slices.Sort(known)
	for _, l := range x.again {
		if _, is := slices.BinarySearch(known, l.entry); !is {
			x.twice = append(x.twice, l)
		}
	}
	x.again = x.again[:0]
	return nil
}

// doubles says of entries whose number another has which that is.
func (x *examining) doubles(ctx context.Context) error {
	if len(x.twice) == 0 {
		return nil
	}
	named := x.twice[:min(len(x.twice), MostFindings)]
	writers, numbers := make([]uuid.UUID, len(named)), make([]int64, len(named))
	for i, l := range named {
		writers[i], numbers[i] = l.writer, l.n
	}
	rows, err := x.e.main.Query(ctx, `SELECT e.id, e.writer, e.n FROM audit.entry AS e JOIN (SELECT DISTINCT u.writer, u.n FROM unnest($1::uuid[], $2::bigint[]) AS u(writer, n)) AS d ON d.writer = e.writer AND d.n = e.n ORDER BY e.id`, writers, numbers)
	if err != nil {
		return pg.Wrap(err)
	}
	type key struct {
		writer uuid.UUID
		n      int64
	}
	ids := map[key][]int64{}
	var id int64
	var k key
	if _, err := pgx.ForEachRow(rows, []any{&id, &k.writer, &k.n}, func() error {
		ids[k] = append(ids[k], id)
		return nil
	}); err != nil {
		return pg.Wrap(err)
	}
	for i := range x.twice {
		l := &x.twice[i]
		text := fmt.Sprintf("Entry %d is a leaf twice: one was put in.", l.entry)
		if i >= len(named) {
			text = fmt.Sprintf("Entry %d has the number of another of its process: it was copied, and put in.", l.entry)
		} else if at := slices.IndexFunc(ids[key{l.writer, l.n}], func(id int64) bool { return id != l.entry }); at >= 0 {
			text = fmt.Sprintf("Entry %d is entry %d again, which its process signed once, under number %d: it was copied, and put in.", l.entry, ids[key{l.writer, l.n}][at], l.n)
		}
		x.find(Finding{Kind: Inserted, Tree: x.g.treeName(l.tree), Index: l.index, Entry: l.entry, Text: text, seq: l.seq})
	}
	return nil
}

// claims holds what writers said that they wrote, as far as it is kept, against the record.
func (e *examiner) claims(ctx context.Context) error {
	if e.Box == nil {
		return nil
	}
	rows, err := e.main.Query(ctx, `SELECT h.id, h.writer, h.n, h.below, h.claimed::text, h.last, h.written, h.mac, h.claimed, coalesce((h.xid, h.id) <= (c.heard, c.heartbeat), false) FROM audit.heartbeat AS h LEFT JOIN audit.cursor AS c ON true ORDER BY h.writer`)
	if err != nil {
		return pg.Wrap(err)
	}
	var id, beats int64
	var h audit.Heartbeat
	var ranges pgtype.Multirange[pgtype.Range[int64]]
	var heard bool
	var key []byte
	of := uuid.Nil
	missing := map[uuid.UUID]spans.Set{}
	if _, err = pgx.ForEachRow(rows, []any{&id, &h.Writer, &h.N, &h.Below, &h.Claimed, &h.Last, &h.Written, &h.MAC, &ranges, &heard}, func() error {
		beats++
		if key == nil || of != h.Writer {
			key, of = audit.Key(e.Box, h.Writer.String()), h.Writer
		}
		if !h.Signed(key) {
			e.r.find(Finding{Kind: WrongMAC, Index: -1, Text: fmt.Sprintf("What process %s says that it wrote, in its message %d, is not signed by it.", h.Writer, id)})
			return nil
		}
		if !heard { // what was claimed since may be in the making
			return nil
		}
		for _, r := range ranges {
			left := spans.Set{{From: r.Lower, Until: r.Upper}}
			for _, g := range e.generations {
				if s := g.written[h.Writer]; s != nil {
					left = left.Without(*s)
				}
			}
			for _, one := range left { // it may have been told twice
				missing[h.Writer] = append(missing[h.Writer], missing[h.Writer].Lacks(one)...)
				slices.SortFunc(missing[h.Writer], func(a, b spans.Span) int { return cmp.Compare(a.From, b.From) })
			}
		}
		return nil
	}); err != nil {
		return pg.Wrap(err)
	}
	e.r.examined("heartbeats of writers", beats)
	return e.unclaimed(ctx, missing)
}

// unclaimed says which writers claim entries that are in no tree and not beside them either.
func (e *examiner) unclaimed(ctx context.Context, missing map[uuid.UUID]spans.Set) error {
	if len(missing) == 0 {
		return nil
	}
	ids := make([]uuid.UUID, 0, len(missing))
	for id := range missing {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	there := written{}
	rows, err := e.main.Query(ctx, `SELECT e.writer, e.n FROM audit.entry AS e WHERE e.writer = ANY ($1) AND e.at > (SELECT coalesce(min(h.at), now()) FROM audit.heartbeat AS h) - interval '1 day'`, ids)
	if err != nil {
		return pg.Wrap(err)
	}
	var id uuid.UUID
	var n int64
	if _, err := pgx.ForEachRow(rows, []any{&id, &n}, func() error {
		if there[id] == nil {
			there[id] = &spans.Set{}
		}
		there[id].Add(n)
		return nil
	}); err != nil {
		return pg.Wrap(err)
	}
	for _, id := range ids {
		many, first := int64(0), int64(0)
		lost := missing[id]
		if s := there[id]; s != nil {
			lost = lost.Without(*s)
		}
		for _, l := range lost {
			if many == 0 || l.From < first {
				first = l.From
			}
			many += l.Until - l.From
		}
		if many > 0 { // what was put in order and deleted afterwards is named as such
			e.unsure = append(e.unsure, Finding{Kind: Unclaimed, Index: -1, Text: fmt.Sprintf("Process %s says that it wrote entries which are not there (%d, from its number %d on): they were deleted.", id, many, first)})
		}
	}
	return nil
}
