package annex

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure"
)

const (
	// blindAfter is how long the projection may be out of reach before pages stop asserting.
	blindAfter = 10 * time.Second
	// deadAfter is how long nobody may have looked after the projection before the same.
	deadAfter = 2*time.Minute + 10*time.Second // a pulse is a minute long
	// historyDays is the length of the history strip.
	historyDays = 90
)

// Change is a published change of state.
type Change struct {
	ID      int64         `json:"-"`
	Measure string        `json:"measure"`
	State   measure.State `json:"state"`
	At      time.Time     `json:"at"`
	Reason  string        `json:"reason"`
}

// Snapshot is the annex at a moment. It is never changed once made.
type Snapshot struct {
	Document Document
	Version  int64     // number of the document
	Since    time.Time // when that document was published
	Hash     string    // of the document
	Rows     map[string]Row
	Fresh    map[string]Freshness
	History  map[string][]Change // the last 90 days and the change before, oldest first
	At       time.Time           // the moment it speaks of; zero: now
	ReadAt   time.Time

	Published time.Time  // when the annex first was
	Revisions []Revision // of the same days as History, newest first

	source []byte  // the document to the letter, as hashed
	ledger *ledger // every change of state since the beginning
	key    string  // equal keys: nothing has changed
}

// Effective returns the row of a measure as it holds at now: a state whose evidence has
// expired since is stale.
func (s *Snapshot) Effective(id string, now time.Time) Row {
	row, ok := s.Rows[id]
	if !ok {
		return Row{Measure: id, State: measure.Unproven, Reason: measure.ReasonNoCheck}
	}
	if row.State != measure.Met || !s.At.IsZero() {
		return row
	}
	f, ok := s.Fresh[id]
	switch {
	case !ok:
		row.State, row.Reason, row.Facts = measure.Stale, measure.ReasonExpired, nil
	case !now.Before(f.ValidUntil):
		row.State, row.Reason, row.Facts, row.Since = measure.Stale, measure.ReasonExpired, nil, f.ValidUntil
	case f.ObservedAt.After(now.Add(measure.Skew)):
		row.State, row.Reason, row.Facts = measure.Stale, measure.ReasonFuture, nil
	}
	return row
}

// Reader holds the annex for readers, as garant_public.
type Reader struct {
	pool *pgxpool.Pool
	now  func() time.Time
	log  *slog.Logger
	last atomic.Pointer[Snapshot]
	none atomic.Bool   // the database answers, and no annex was ever published
	old  chan struct{} // replays under way
	kept documents
	past ledger
}

// NewReader makes a reader on a pool of garant_public.
func NewReader(pool *pgxpool.Pool, now func() time.Time, log *slog.Logger) *Reader {
	return &Reader{pool: pool, now: now, log: log, old: make(chan struct{}, 4)}
}

// Run renews the snapshot twice a second until ctx ends.
func (r *Reader) Run(ctx context.Context) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for failing := false; ; {
		err := r.Renew(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			r.log.Error("the published annex cannot be read", "error.message", err.Error())
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Renew reads the projection once.
func (r *Reader) Renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	at := r.now()
	key, pulse, err := mark(ctx, r.pool)
	if err != nil {
		return err
	}
	if at.Sub(pulse) > deadAfter || pulse.Sub(at) > deadAfter {
		r.last.Store(nil)
		return errs.New(errs.Unavailable, "annex.dead", "Nobody has looked after the annex for more than two minutes.")
	}
	if last := r.last.Load(); last != nil && last.key == key {
		again := *last
		again.ReadAt = at
		r.last.Store(&again)
		return nil
	}
	s, err := load(ctx, r.pool, &r.kept, time.Time{}, at)
	r.none.Store(errs.Is(err, errs.NotFound))
	if err != nil {
		if r.none.Load() {
			return nil
		}
		return err
	}
	if err := r.past.advance(ctx, r.pool, s.zone(), s.Version); err != nil {
		return err
	}
	s.key, s.ReadAt, s.ledger = key, at, &r.past
	r.last.Store(s)
	return nil
}

// Now returns the annex as it stands, or an error when that cannot be told.
func (r *Reader) Now() (*Snapshot, error) {
	s := r.last.Load()
	now := r.now()
	if s == nil && r.none.Load() {
		return nil, errs.New(errs.NotFound, "annex.unpublished", "No annex is published here yet.").
			WithFix("A company's annex is private until a second person has published it: in the console under Annex.")
	}
	if s == nil || now.Sub(s.ReadAt) > blindAfter || s.ReadAt.Sub(now) > blindAfter {
		return nil, errs.New(errs.Unavailable, "annex.blind", "The annex cannot be verified at this moment, so nothing is asserted.").
			WithFix("Come back in a minute.")
	}
	return s, nil
}

// At returns the annex as it was published at a moment of the past.
func (r *Reader) At(ctx context.Context, at time.Time) (*Snapshot, error) {
	if at.After(r.now()) {
		return nil, errs.New(errs.Invalid, "annex.future", "That day has not come yet.").WithFix("Choose a day up to today.")
	}
	select {
	case r.old <- struct{}{}:
		defer func() { <-r.old }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	s, err := load(ctx, r.pool, &r.kept, at, at)
	if err != nil {
		return nil, err
	}
	if err := r.past.advance(ctx, r.pool, s.zone(), s.Version); err != nil {
		return nil, err
	}
	alive, err := lookedAfter(ctx, r.pool, at)
	if err != nil {
		return nil, err
	}
	if !alive {
		for id, row := range s.Rows {
			if row.State == measure.Met {
				row.State, row.Reason, row.Facts = measure.Stale, measure.ReasonBlind, nil
				s.Rows[id] = row
			}
		}
	}
	s.At, s.ReadAt, s.ledger = at, r.now(), &r.past
	return s, nil
}

// Day is one bar of a history strip.
type Day struct {
	Date  time.Time     // midnight in the company's zone
	State measure.State // the worst of the day; empty: nothing is known of it
}

// Strip makes the history strip of a measure: the last 90 days up to now, oldest first.
func (s *Snapshot) Strip(id string, now time.Time, zone *time.Location) []Day {
	changes := s.History[id]
	today := midnight(now, zone)
	days := make([]Day, historyDays)
	state, next := measure.State(""), 0
	for i := range days {
		date := today.AddDate(0, 0, i-historyDays+1)
		end := date.AddDate(0, 0, 1)
		// What held when the day began is carried in; within it the worst counts.
		for next < len(changes) && !changes[next].At.After(date) {
			state = changes[next].State
			next++
		}
		worst := state
		for next < len(changes) && changes[next].At.Before(end) {
			state = changes[next].State
			// A day that began with nothing proven is judged by what came.
			if worst == "" || worst == measure.Unproven || severity(state) > severity(worst) {
				worst = state
			}
			next++
		}
		days[i] = Day{Date: date, State: worst}
	}
	return days
}

func severity(s measure.State) int {
	switch s {
	case measure.NotMet:
		return 3
	case measure.Stale:
		return 2
	case measure.Unproven:
		return 1
	}
	return 0
}

func midnight(t time.Time, zone *time.Location) time.Time {
	y, m, d := t.In(zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, zone)
}
