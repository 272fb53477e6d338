package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg"
)

// seen is when somebody who looks again and again saw that leaves up to one are there.
type seen struct {
	at  time.Time
	seq int64
}

// watch looks every few milliseconds until ctx ends.
func (l *log) watch(ctx context.Context, sql string, every time.Duration) (list []seen, err error) {
	conn, err := pgx.Connect(ctx, l.s.cluster.DSN(string(pg.Worker), l.name))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	last := int64(0)
	for ctx.Err() == nil {
		var seq int64
		if err := conn.QueryRow(ctx, sql).Scan(&seq); err != nil {
			if ctx.Err() != nil {
				break
			}
			return nil, err
		}
		if seq > last {
			last = seq
			list = append(list, seen{time.Now(), seq})
		}
		select {
		case <-ctx.Done():
		case <-time.After(every):
		}
	}
	return list, nil
}

const (
	signedUpTo = `SELECT coalesce((SELECT c.seq FROM audit.checkpoint AS c ORDER BY c.at DESC LIMIT 1), 0)`
	copiedUpTo = `SELECT coalesce((SELECT max(g.to_seq) FROM auditlog.segment AS g WHERE g.put_at IS NOT NULL), 0)`
)

// lag measures from the moment at which a writer knows that it has committed to the moment at which somebody sees it signed, and copied.
func (s *stand) lag(ctx context.Context) error {
	l, err := s.newLog(ctx, "lag")
	if err != nil {
		return err
	}
	defer l.close()
	if err := l.exec(ctx, things); err != nil {
		return err
	}
	if err := l.second(ctx); err != nil {
		return err
	}
	l.start(ctx)
	tenants := customers(20)
	conns, err := l.connections(ctx, 8)
	if err != nil {
		return err
	}
	write := l.arms(tenants)[1].do
	if err := write(ctx, conns[0], 0); err != nil { // everything is made that is made once
		return err
	}
	for arrived := int64(0); arrived == 0; {
		if arrived, err = l.count(ctx, copiedUpTo); err != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}

	watching, stop := context.WithCancel(ctx)
	defer stop()
	var signed, copies []seen
	var signedErr, copiesErr error
	var watchers sync.WaitGroup
	watchers.Go(func() { signed, signedErr = l.watch(watching, signedUpTo, 5*time.Millisecond) })
	watchers.Go(func() { copies, copiesErr = l.watch(watching, copiedUpTo, 20*time.Millisecond) })

	committed := make([]time.Time, 1+int(float64(s.rate)*s.options.load.Seconds()))
	late, err := steady(ctx, conns, s.rate, committed, write)
	for _, c := range conns {
		c.Release()
	}
	if err != nil {
		return err
	}
	if err := l.settled(ctx); err != nil {
		return err
	}
	all, err := l.count(ctx, `SELECT max(seq) FROM audit.leaf`)
	if err != nil {
		return err
	}
	for arrived := int64(0); arrived < all; {
		if arrived, err = l.count(ctx, copiedUpTo); err != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond) // the watchers see the last
	stop()
	watchers.Wait()
	if signedErr != nil || copiesErr != nil {
		return fmt.Errorf("%w; %w", signedErr, copiesErr)
	}
	if err := l.pen.Speak(ctx, l.dbs[0].Pool(pg.Worker)); err != nil {
		return err
	}
	if err := l.settled(ctx); err != nil {
		return err
	}
	if err := l.halt(); err != nil {
		return err
	}
	if err := l.sound(ctx); err != nil {
		return err
	}
	toSigned, toCopied, err := l.lags(ctx, committed, signed, copies)
	if err != nil {
		return err
	}
	// That it is in the second account is not the database's word alone.
	if _, err := l.verified(ctx, true); err != nil {
		return err
	}
	note := fmt.Sprintf("%d entries, %d/s asked for; written %.0f ms late, p99", len(toSigned), s.rate, at(0.99, late))
	for _, f := range []struct {
		what string
		lags []time.Duration
		goal float64
		text string
	}{{"from commit to a signed checkpoint", toSigned, 400, "400 ms"}, {"from commit to the second account", toCopied, 5000, "5 s"}} {
		s.add(figure{What: f.what + ", p50", Value: at(0.5, f.lags), Unit: "ms"})
		p99 := at(0.99, f.lags)
		s.add(figure{What: f.what + ", p99", Value: p99, Unit: "ms", Note: note}.atMost(p99, f.goal, f.text))
		s.add(figure{What: f.what + ", most", Value: at(1, f.lags), Unit: "ms"})
	}
	return nil
}

// steady writes at a rate whatever the last one took, and notes when each was committed; late is how much after its moment each began.
func steady(ctx context.Context, conns []*connection, rate int, committed []time.Time, write func(context.Context, *connection, int) error) (late []time.Duration, err error) {
	late = make([]time.Duration, len(committed))
	var next atomic.Int64
	var wg sync.WaitGroup
	failed := make(chan error, len(conns))
	began := time.Now()
	for _, c := range conns {
		wg.Go(func() {
			for {
				n := int(next.Add(1))
				if n >= len(committed) || ctx.Err() != nil {
					return
				}
				due := began.Add(time.Duration(n) * time.Second / time.Duration(rate))
				time.Sleep(time.Until(due))
				late[n] = time.Since(due)
				if err := write(ctx, c, n); err != nil {
					failed <- err
					return
				}
				committed[n] = time.Now()
			}
		})
	}
	wg.Wait()
	select {
	case err := <-failed:
		return nil, err
	default:
		return late[1:], ctx.Err()
	}
}

// lags holds what was committed against what was seen.
func (l *log) lags(ctx context.Context, committed []time.Time, signed, copies []seen) (toSigned, toCopied []time.Duration, err error) {
	rows, err := l.super.Query(ctx, `SELECT e.object_id, f.seq FROM audit.entry AS e JOIN audit.leaf AS f ON f.entry = e.id`)
	if err != nil {
		return nil, nil, err
	}
	var name string
	var seq int64
	_, err = pgx.ForEachRow(rows, []any{&name, &seq}, func() error {
		n, err := strconv.Atoi(name)
		if err != nil || n >= len(committed) {
			return fmt.Errorf("an entry of nothing that was written: %q", name)
		}
		if n == 0 {
			return nil
		}
		for _, side := range []struct {
			seen []seen
			lags *[]time.Duration
		}{{signed, &toSigned}, {copies, &toCopied}} {
			first := firstWith(side.seen, seq)
			if first == nil {
				return fmt.Errorf("leaf %d was never seen", seq)
			}
			*side.lags = append(*side.lags, max(0, first.at.Sub(committed[n])))
		}
		return nil
	})
	if err == nil && len(toSigned) != len(committed)-1 {
		err = fmt.Errorf("%d entries of %d", len(toSigned), len(committed)-1)
	}
	return toSigned, toCopied, err
}

// firstWith is when a leaf was seen first; nil: never.
func firstWith(list []seen, seq int64) *seen {
	for i := range list {
		if list[i].seq >= seq {
			return &list[i]
		}
	}
	return nil
}
