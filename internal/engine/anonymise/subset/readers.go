package subset

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"golang.org/x/sync/errgroup"

	"github.com/garant-project/garant/internal/engine/anonymise/run"
	"github.com/garant-project/garant/internal/errs"
)

// readers are connections that all see the same snapshot.
type readers struct{ conns []*pgx.Conn }

func newReaders(ctx context.Context, source *run.Server, s *run.Snapshot, n int) (*readers, error) {
	r := &readers{}
	for range n {
		conn, err := source.Connect(ctx, "")
		if err != nil {
			r.close()
			return nil, err
		}
		r.conns = append(r.conns, conn)
		// Each statement is planned for its own rows: how many they are decides how they are found. Places come in order, so that no page is read twice.
		if _, err = conn.Exec(ctx, `SET plan_cache_mode = force_custom_plan; SET jit = off; SET random_page_cost = 0.2`); err == nil {
			err = s.Join(ctx, conn)
		}
		if err != nil {
			r.close()
			return nil, source.Failed("Reading under the snapshot", err)
		}
	}
	return r, nil
}

func (r *readers) close() {
	for _, c := range r.conns {
		run.HangUp(c)
	}
}

// each works through pieces, as many at once as there are connections. The first error stops all.
func each[T any](ctx context.Context, r *readers, pieces iter.Seq[T], fn func(ctx context.Context, conn *pgx.Conn, worker int, piece T) error) error {
	g, ctx := errgroup.WithContext(ctx)
	next := make(chan T)
	g.Go(func() error {
		defer close(next)
		for p := range pieces {
			select {
			case next <- p:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for i, conn := range r.conns {
		g.Go(func() error {
			for p := range next {
				if err := fn(ctx, conn, i, p); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// finder takes the rows that statements find into the sets.
type finder struct {
	m  *model
	mu sync.Mutex
	n  int64
}

// found is a row that a statement found.
type found struct {
	oid uint32
	row pgtype.TID
}

// find runs a statement that selects tableoid and ctid, and takes what it finds. How many rows it found is returned, those that were known among them.
func (f *finder) find(ctx context.Context, conn *pgx.Conn, sql string, args ...any) (int64, error) {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return 0, err
	}
	var one found
	var block []found
	var n int64
	if _, err := pgx.ForEachRow(rows, []any{&one.oid, &one.row}, func() error {
		n++
		if block = append(block, one); len(block) == 4096 {
			err := f.take(block)
			block = block[:0]
			return err
		}
		return nil
	}); err != nil {
		return n, err
	}
	return n, f.take(block)
}

func (f *finder) take(block []found) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range block {
		r := f.m.byOID[b.oid]
		if r == nil {
			return errs.New(errs.Conflict, "anonymise.changed", "A table of the copy was altered while it was read.").WithFix("Pull again.")
		}
		added, fits := r.chosen.add(b.row)
		if !fits {
			return errs.New(errs.Invalid, "anonymise.heap", "The rows of "+r.name.String()+" do not lie as in an ordinary table.").WithFix("Leave out tables with an access method of their own, or pull all of the copy.")
		}
		if added {
			r.fresh = append(r.fresh, b.row)
			f.n++
		}
	}
	return nil
}

func asError(err error) (*errs.Error, bool) {
	var e *errs.Error
	return e, errors.As(err, &e)
}
