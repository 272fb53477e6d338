package run

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/errs"
)

// unitPages is how large a range of a big table is, unless Options say otherwise: 64 MB of its file.
const unitPages = 8192

// unit is a piece of work: a relation or a range of its pages.
type unit struct {
	table    int
	source   catalog.Name
	from, to int64 // pages; to 0: to the end
	pages    int64 // of the whole relation; 0: it cannot be read by ranges
	bytes    int64
}

func (u *unit) where() string {
	switch {
	case u.from == 0 && u.to == 0:
		return ""
	case u.to == 0:
		return fmt.Sprintf(" WHERE ctid >= '(%d,0)'", u.from)
	}
	return fmt.Sprintf(" WHERE ctid >= '(%d,0)' AND ctid < '(%d,0)'", u.from, u.to)
}

// relation is how a relation lies on the source's disk. A change of its file means that it was rewritten, and a snapshot then no longer shows what it held.
type relation struct {
	File  uint32
	Pages int64
	Heap  bool
}

func relations(ctx context.Context, conn pgx.Tx) (map[catalog.Name]relation, error) {
	rows, err := conn.Query(ctx, `
SELECT n.nspname, c.relname, pg_relation_filenode(c.oid), pg_relation_size(c.oid) / current_setting('block_size')::bigint, a.amname = 'heap' AND current_setting('server_version_num')::int >= 140000
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am a ON a.oid = c.relam
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'garant', 'garant_move')`)
	if err != nil {
		return nil, err
	}
	out := map[catalog.Name]relation{}
	var n catalog.Name
	var r relation
	_, err = pgx.ForEachRow(rows, []any{&n.Schema, &n.Table, &r.File, &r.Pages, &r.Heap}, func() error {
		out[n] = r
		return nil
	})
	return out, err
}

// units cuts the tables that want says into pieces, the largest first, those of one size in random order.
func (l *layout) units(rel map[catalog.Name]relation, want func(*table) bool) ([]unit, error) {
	var out []unit
	size := cmp.Or(l.pages, unitPages)
	for i := range l.tables {
		t := &l.tables[i]
		if !want(t) {
			continue
		}
		for _, s := range t.sources {
			r, ok := rel[s]
			if !ok {
				return nil, errs.New(errs.Conflict, "anonymise.changed", fmt.Sprintf("%s went away while the copy was made.", s)).WithFix("Run again.")
			}
			if !r.Heap || r.Pages <= 2*size {
				u := unit{table: i, source: s, bytes: r.Pages * 8192}
				if r.Heap {
					u.pages = r.Pages
				}
				out = append(out, u)
				continue
			}
			for from := int64(0); from < r.Pages; from += size {
				u := unit{table: i, source: s, from: from, to: from + size, pages: r.Pages, bytes: size * 8192}
				if u.to >= r.Pages {
					u.to = 0
				}
				out = append(out, u)
			}
		}
	}
	newOrder().Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	slices.SortStableFunc(out, func(a, b unit) int { return cmp.Compare(b.bytes, a.bytes) })
	return out, nil
}

// parallel runs fn several times at once; the first error stops all.
func parallel(ctx context.Context, workers int, fn func(ctx context.Context, worker int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			if err := fn(ctx, i); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// queue hands out pieces of work.
type queue[T any] struct {
	all  []T
	next atomic.Int64
}

func (q *queue[T]) take() (*T, bool) {
	i := q.next.Add(1) - 1
	if i >= int64(len(q.all)) {
		return nil, false
	}
	return &q.all[i], true
}
