package run

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
)

// Pause says when the source is too busy to be read. Nothing set: it never is.
type Pause struct {
	Sessions int           // above so many that work there at the moment, the run's own apart; 0: any number
	Lag      time.Duration // of a replica, more than so far behind; 0: any
}

// load looks at the source now and then, and has the run's workers wait while it is busy. A nil one never does.
type load struct {
	source *server
	when   Pause
	most   time.Duration // that all pauses of the run may take together
	every  time.Duration
	say    func(busy string) // when a pause begins; empty: when it ends
	stop   context.CancelFunc
	ended  chan struct{}

	busy  atomic.Bool // there is a gate, or an error
	mu    sync.Mutex
	gate  chan struct{} // closed when the pause is over; nil: none
	since time.Time
	spent time.Duration // in pauses that are over
	times int
	err   error
}

// watch has the run pause when the source is busy.
func (r *run) watch(ctx context.Context) (*load, error) {
	return watch(ctx, r.source, r.o.Pause, r.o.PauseAtMost, r.o.look, func(busy string) {
		if r.o.Say != nil {
			p := Progress{Waiting: busy}
			if now := r.now.Load(); now != nil {
				p = now.at("")
				p.Waiting = busy
			}
			r.o.Say(p)
		}
	})
}

// unwatch ends that, when nothing more is read.
func (r *run) unwatch() {
	if r.load != nil {
		times, spent := r.load.close()
		r.report.Pauses, r.report.PausedSeconds = r.report.Pauses+times, r.report.PausedSeconds+spent.Seconds()
		r.load = nil
	}
}

// watch begins to look at the source. It fails when it could not see what it is to look at.
func watch(ctx context.Context, source *server, when Pause, most, every time.Duration, say func(string)) (*load, error) {
	if when == (Pause{}) {
		return nil, nil
	}
	l := &load{source: source, when: when, most: most, every: every, say: say, ended: make(chan struct{})}
	conn, err := source.connect(ctx, "")
	if err != nil {
		return nil, err
	}
	var sees bool
	if err := conn.QueryRow(ctx, `SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')`).Scan(&sees); err != nil {
		hangUp(conn)
		return nil, failed(atSource, "Looking at the load", err)
	}
	if when.Sessions > 0 && !sees {
		hangUp(conn)
		return nil, errs.New(errs.Denied, "anonymise.load", "The reader does not see what others do on the source, so that the run cannot pause for them.").WithFix("GRANT pg_read_all_stats to it, or let the run go on whatever happens there.")
	}
	busy, err := l.look(ctx, conn)
	if err != nil {
		hangUp(conn)
		return nil, err
	}
	l.found(busy)
	ctx, l.stop = context.WithCancel(ctx)
	go l.run(ctx, conn)
	return l, nil
}

func (l *load) run(ctx context.Context, conn *pgx.Conn) {
	defer close(l.ended)
	defer func() { hangUp(conn) }()
	tick := time.NewTicker(l.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		busy, err := l.look(ctx, conn)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			l.fail(err)
			return
		case !l.found(busy):
			return
		}
	}
}

// look tells what the source is busy with; empty: it is not.
func (l *load) look(ctx context.Context, conn *pgx.Conn) (string, error) {
	var sessions int
	var lag float64
	if err := conn.QueryRow(ctx, `
SELECT (SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND NOT (usename = current_user AND application_name = $1)),
	CASE WHEN NOT pg_is_in_recovery() OR pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0 ELSE coalesce(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0) END::float8`,
		application).Scan(&sessions, &lag); err != nil {
		return "", failed(atSource, "Looking at the load", err)
	}
	switch behind := time.Duration(lag * float64(time.Second)); {
	case l.when.Sessions > 0 && sessions > l.when.Sessions:
		return fmt.Sprintf("%d sessions at work, more than %d", sessions, l.when.Sessions), nil
	case l.when.Lag > 0 && behind > l.when.Lag:
		return fmt.Sprintf("%s of the primary's work still to follow, more than %s", behind.Round(time.Second), l.when.Lag), nil
	}
	return "", nil
}

// found begins or ends a pause. It reports false when the run has waited for too long.
func (l *load) found(busy string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case busy != "" && l.gate == nil:
		l.gate, l.since = make(chan struct{}), time.Now()
		l.times++
		l.busy.Store(true)
		l.say(busy)
	case busy == "" && l.gate != nil:
		l.open()
		l.busy.Store(false)
		l.say("")
	case l.gate != nil && l.spent+time.Since(l.since) > l.most:
		l.err = errs.New(errs.Unavailable, "anonymise.busy", fmt.Sprintf("The source was too busy for %s: %s.", l.most, busy)).WithFix("Run again when less happens there, or let the run go on under more load.")
		l.open()
		return false
	}
	return true
}

// open lets those go on who wait.
func (l *load) open() {
	l.spent += time.Since(l.since)
	close(l.gate)
	l.gate = nil
}

func (l *load) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
	if l.gate != nil {
		l.open()
	}
	l.busy.Store(true)
}

// wait returns when the source is not busy, or in error when it was for too long.
func (l *load) wait(ctx context.Context) error {
	for l != nil && l.busy.Load() {
		l.mu.Lock()
		gate, err := l.gate, l.err
		l.mu.Unlock()
		switch {
		case err != nil:
			return err
		case gate == nil:
			return nil
		}
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// close ends the watch and tells how often and for how long the run waited.
func (l *load) close() (times int, spent time.Duration) {
	if l == nil {
		return 0, 0
	}
	l.stop()
	<-l.ended
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gate != nil {
		l.open()
	}
	return l.times, l.spent
}
