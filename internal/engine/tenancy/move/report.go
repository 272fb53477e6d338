package move

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/tenant"
)

// Progress is how far a move is, for people.
type Progress struct {
	State
	Database string // whose tenant it is: the name of the shared database
	ID       tenant.ID
	Bytes    int64 // that were copied, since this mover began
	Rate     int64 // bytes a second, lately
	Behind   int64 // changes that the last round carried over
	Failure  string
}

// every is how often a mover that works tells how far it is.
const every = 2 * time.Second

// reporter tells Garant how far the move is. What it says is of use to people only: that it cannot
// be said stops no move.
type reporter struct {
	mu           sync.Mutex
	state        State
	bytes, rows  atomic.Int64 // of this mover
	behind       atomic.Int64
	last         int64 // bytes at the last report
	when         time.Time
	everReported bool
}

// reporting tells now and then until what it returns is called, with what came of it.
func (m *Mover) reporting(ctx context.Context) (end func(error)) {
	if m.o.Routes == nil {
		return func(error) {}
	}
	m.report.note(m.st)
	ctx = context.WithoutCancel(ctx)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			m.tell(ctx, "")
			select {
			case <-stop:
				return
			case <-time.After(every):
			}
		}
	}()
	return func(err error) {
		close(stop)
		<-done
		m.report.note(m.st)
		m.tell(ctx, said(err))
	}
}

// said is what people are told of an error.
func said(err error) string {
	if err == nil {
		return ""
	}
	if errors.Is(err, context.Canceled) {
		return "It was stopped. Run it again: it goes on where it stood."
	}
	text, fix := errs.Sentence(err)
	if fix != "" {
		text += " " + fix
	}
	return text
}

func (r *reporter) note(s State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); s.FinishedAt == nil && (s.Step == Done || s.Step == Undone) {
		s.FinishedAt = &now
	}
	r.state = s
}

func (m *Mover) tell(ctx context.Context, failure string) {
	r := &m.report
	r.mu.Lock()
	p := Progress{State: r.state, ID: m.id, Bytes: r.bytes.Load(), Behind: r.behind.Load(), Failure: failure}
	if now := time.Now(); r.everReported {
		p.Rate = int64(float64(p.Bytes-r.last) / max(now.Sub(r.when).Seconds(), 0.001))
		r.last, r.when = p.Bytes, now
	} else {
		r.last, r.when, r.everReported = p.Bytes, now, true
	}
	r.mu.Unlock()
	p.Rows = max(p.Rows, r.rows.Load())
	p.Database = home(p.State)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_ = m.o.Routes.Progress(ctx, p) // for people; the next one tells it again
}

// home is the database whose tenant it is: the shared one, whichever way the move goes.
func home(s State) string {
	if s.Fresh {
		return s.From
	}
	return s.To
}
