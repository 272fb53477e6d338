package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/pg"
)

// many is how many entries go into a transaction.
const many = 1000

// copied is a table like the record's, with its indexes and constraints.
const copied = `
CREATE SCHEMA bench;
CREATE TABLE bench.copied (LIKE audit.entry INCLUDING ALL);
GRANT USAGE ON SCHEMA bench TO garant_staff;
GRANT INSERT ON bench.copied TO garant_staff`

// batch writes the record of part verify, and measures on the way.
func (s *stand) batch(ctx context.Context) error {
	l, err := s.record(ctx)
	if err != nil {
		return err
	}
	conns, err := l.connections(ctx, 1)
	if err != nil {
		return err
	}
	defer conns[0].Release()
	if err := l.batches(ctx, conns[0]); err != nil {
		return err
	}
	if err := l.heartbeats(ctx, conns[0]); err != nil {
		return err
	}
	return l.ordered(ctx)
}

// record is the one that parts batch and verify share.
func (s *stand) record(ctx context.Context) (*log, error) {
	if s.made != nil {
		return s.made, nil
	}
	l, err := s.newLog(ctx, "record")
	if err != nil {
		return nil, err
	}
	if err := l.exec(ctx, copied); err != nil {
		l.close()
		return nil, err
	}
	s.made = l
	return l, nil
}

// batches compares audit.Write with COPY.
func (l *log) batches(ctx context.Context, c *connection) error {
	s := l.s
	tenants := customers(50)
	var columns = []string{"actor_kind", "actor_id", "session", "origin", "action", "outcome", "object_kind", "object_id", "detail", "tenant", "request", "writer", "n", "written", "mac"}
	arms := []arm{
		{"write", func(ctx context.Context, c *connection, n int) error {
			events := make([]audit.Event, many)
			for i := range events {
				events[i] = event(tenants, n*many+i)
			}
			return pg.InTx(ctx, c, func(tx pgx.Tx) error { return audit.Write(ctx, tx, events...) })
		}},
		{"copy", func(ctx context.Context, c *connection, n int) error {
			return pg.InTx(ctx, c, func(tx pgx.Tx) error {
				mac, now := make([]byte, 32), time.Now()
				_, err := tx.CopyFrom(ctx, pgx.Identifier{"bench", "copied"}, columns, pgx.CopyFromSlice(many, func(i int) ([]any, error) {
					e := event(tenants, n*many+i)
					var tenant any
					if e.Tenant != "" {
						tenant = e.Tenant
					}
					detail := fmt.Sprintf(`{"fields":["name","state"],"number":%d}`, n*many+i)
					return []any{string(e.By.Kind), e.By.ID, e.By.Session, e.By.Origin, e.Action, "permitted", e.On.Kind, e.On.ID, detail, tenant, e.Request, "0192f3c4-0000-7000-8000-000000000001", int64(i), now, mac}, nil
				}))
				return err
			})
		}},
	}
	rates := make([][]float64, len(arms))
	var n atomic.Int64
	for round := range s.rounds {
		for _, i := range turns(len(arms), round) {
			rate, err := drive(ctx, []*connection{c}, s.time, &n, arms[i].do)
			if err != nil {
				return fmt.Errorf("%s: %w", arms[i].name, err)
			}
			rates[i] = append(rates[i], rate*many)
			s.say("  round %d %-6s %8.0f rows/s  load %s", round+1, arms[i].name, rate*many, load1())
		}
	}
	if err := l.exec(ctx, "TRUNCATE bench.copied"); err != nil {
		return err
	}
	rate := middle(rates[0])
	s.add(figure{
		What: "audit.Write of 1,000 entries a transaction, one writer", Value: rate, Unit: "/s", Reference: "COPY of equal rows into an equal table", Of: middle(rates[1]), Ratio: middle(ratios(rates[0], rates[1])),
	}.atLeast(rate, 50_000, "50,000/s"))
	return nil
}

// heartbeats measures what it takes to tell of entries, beside a row of one's own.
func (l *log) heartbeats(ctx context.Context, c *connection) error {
	tenants := customers(20)
	var spoken, rows []time.Duration
	for n := range 50 {
		for i := range 10 {
			if err := pg.InTx(ctx, c, func(tx pgx.Tx) error { return audit.Write(ctx, tx, event(tenants, 10*n+i)) }); err != nil {
				return err
			}
		}
		began := time.Now()
		if err := l.pen.Speak(ctx, l.dbs[0].Pool(pg.Worker)); err != nil {
			return err
		}
		spoken = append(spoken, time.Since(began))
		began = time.Now()
		if err := l.exec(ctx, "INSERT INTO bench.copied (actor_kind, actor_id, action, outcome, object_kind, object_id) VALUES ('system', 'x', 'thing.changed', 'permitted', 'thing', 'x')"); err != nil {
			return err
		}
		rows = append(rows, time.Since(began))
	}
	l.s.add(figure{
		What: "a heartbeat, one a second of each process, p50", Value: at(0.5, spoken), Unit: "ms", Reference: "a row", Of: at(0.5, rows), Ratio: at(0.5, spoken) / at(0.5, rows),
	})
	return nil
}

// ordered brings the record to its size, measures how fast the backlog is put in order, and how fast it is copied.
func (l *log) ordered(ctx context.Context) error {
	if err := l.grow(ctx); err != nil {
		return err
	}
	s := l.s
	entries, err := l.waiting(ctx)
	if err != nil {
		return err
	}
	done, err := s.profiled("order")
	if err != nil {
		return err
	}
	began := time.Now()
	err = l.seq.Drain(ctx)
	took := time.Since(began)
	done()
	if err != nil {
		return err
	}
	s.add(figure{What: fmt.Sprintf("a backlog of %s entries put in order", number(float64(entries))), Value: float64(entries) / took.Seconds(), Unit: "/s"})
	if err := l.sound(ctx); err != nil {
		return err
	}
	if err := l.second(ctx); err != nil {
		return err
	}
	if done, err = s.profiled("copy"); err != nil {
		return err
	}
	began = time.Now()
	err = l.rep.Drain(ctx)
	took = time.Since(began)
	done()
	if err != nil {
		return err
	}
	s.add(figure{What: "the same copied into the second account", Value: float64(entries) / took.Seconds(), Unit: "/s"})
	return nil
}

// grow writes entries until there are as many as are to be verified, one in a hundred with personal data, and tells of them.
func (l *log) grow(ctx context.Context) error {
	have, err := l.count(ctx, `SELECT count(*) FROM audit.entry`)
	if err != nil {
		return err
	}
	tenants := customers(50)
	before, after := "Ann Onymous", "Zoé Brechébert"
	var next atomic.Int64
	next.Store(have)
	var wg sync.WaitGroup
	failed := make(chan error, 2)
	for range 2 {
		wg.Go(func() {
			for {
				from := next.Add(many) - many
				if from >= int64(l.s.entries) {
					return
				}
				events := make([]audit.Event, min(many, int64(l.s.entries)-from))
				for i := range events {
					events[i] = event(tenants, int(from)+i)
					if i%100 == 0 {
						events[i].Changes = []audit.Change{{Field: "name", Before: &before, After: &after}}
					}
				}
				if err := pg.InTx(ctx, l.dbs[0].Pool(pg.Staff), func(tx pgx.Tx) error { return audit.Write(ctx, tx, events...) }); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return err
	default:
	}
	return l.pen.Speak(ctx, l.dbs[0].Pool(pg.Worker))
}
