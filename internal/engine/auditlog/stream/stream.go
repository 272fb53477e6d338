package stream

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"time"

	"github.com/garant-project/garant/internal/engine/auditlog/export"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
)

// Source gives the record in the order of sequencing.
type Source interface {
	// After returns the entries above a position, upwards, at most limit of them, with their places and with their changes opened.
	// What is sequenced later must never come before what was returned once.
	After(ctx context.Context, position int64, limit int) ([]export.Line, error)
	// Checkpoint returns the newest signed note that covers the entry at a position and all before it; empty: there is none yet.
	Checkpoint(ctx context.Context, position int64) (string, error)
}

// Putter stores objects. An object that is there under the key already is either the same, or an error of kind Conflict.
type Putter interface {
	Put(ctx context.Context, key string, data []byte, now time.Time) error
}

// Deps are what streams are made of.
type Deps struct {
	DB       *pg.DB // pg.Worker sends, pg.Checker is asked by the check
	Source   Source
	Putter   func(estate.Stream) (Putter, error) // of a stream of kind s3
	Declared func() []estate.Stream              // asked again and again: the estate may change
	Now      func() time.Time
	Log      *slog.Logger
	Build    string // version of Garant, told to receivers
	Host     string // what syslog calls this machine

	Every   time.Duration // how often it is looked for new entries; 0: 1 s
	Timeout time.Duration // of one delivery; 0: 30 s
	Backoff time.Duration // after the first failure; 0: 1 s
}

// Streams sends entries.
type Streams struct{ Deps }

// Open makes streams; Run sets them going.
func Open(d Deps) *Streams {
	if d.Every == 0 {
		d.Every = time.Second
	}
	if d.Timeout == 0 {
		d.Timeout = 30 * time.Second
	}
	if d.Backoff == 0 {
		d.Backoff = time.Second
	}
	return &Streams{d}
}

// The bounds of waiting after failures in a row.
const (
	retryMost   = time.Minute     // when the receiver may be there again at any time
	stoppedMost = 5 * time.Minute // when somebody has to do something
	longestWait = time.Hour       // however long a receiver asks for
)

// Run sends until ctx ends, on the one server of several that leads. It returns when nothing is on its way any more.
func (s *Streams) Run(ctx context.Context) {
	for failing := false; ctx.Err() == nil; {
		l, err := s.lead(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			s.Log.Error("streams of the audit log cannot be led", "error.message", err.Error())
		}
		failing = err != nil
		if l != nil {
			s.under(ctx, l)
		}
		pause(ctx, s.Every)
	}
}

// under sends for as long as this server leads.
func (s *Streams) under(ctx context.Context, l *leader) {
	ctx, cancel := context.WithCancel(ctx)
	type worker struct {
		stop context.CancelFunc
		of   estate.Stream
		done chan struct{}
	}
	workers := map[string]*worker{}
	defer func() {
		cancel()
		for _, w := range workers {
			<-w.done
		}
		l.close()
	}()
	for ctx.Err() == nil {
		if !l.leads(ctx) {
			return
		}
		declared := map[string]estate.Stream{}
		for _, d := range s.Declared() {
			declared[d.Name] = d
		}
		for name, w := range workers {
			if d, ok := declared[name]; !ok || !reflect.DeepEqual(d, w.of) {
				w.stop()
				<-w.done // one delivery at a time
				delete(workers, name)
			}
		}
		for name, d := range declared {
			if workers[name] != nil {
				continue
			}
			own, stop := context.WithCancel(ctx)
			w := &worker{stop: stop, of: d, done: make(chan struct{})}
			workers[name] = w
			go func() {
				defer close(w.done)
				defer stop()
				s.follow(own, l, d)
			}()
		}
		pause(ctx, s.Every)
	}
}

// follow sends one stream, again and again.
func (s *Streams) follow(ctx context.Context, l *leader, d estate.Stream) {
	for failures := 0; ctx.Err() == nil && l.leads(ctx); {
		more, err := s.step(ctx, l, d)
		switch {
		case err != nil:
			failures++
			pause(ctx, s.wait(failures, err))
		case more:
			failures = 0
		default:
			failures = 0
			pause(ctx, s.Every)
		}
	}
}

// wait is how long to wait after failures in a row: twice as long each time, up to a bound, less a random part, so that many senders
// do not come back together; at least what the receiver asked for.
func (s *Streams) wait(failures int, err error) time.Duration {
	most := retryMost
	var f *failure
	if errors.As(err, &f) && f.problem.Stops() {
		most = stoppedMost
	}
	d := most
	if failures < 16 {
		d = min(s.Backoff<<(failures-1), most)
	}
	d = d/2 + rand.N(d/2+1) //nolint:gosec // to spread, not to hide
	if f != nil {
		d = max(d, min(f.wait, longestWait))
	}
	return d
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
