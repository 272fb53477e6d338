package stream

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
)

const (
	checkEvery   = time.Minute
	checkValid   = 5 * time.Minute
	checkTimeout = 30 * time.Second
	longItem     = 200 // bytes
)

// CheckID is the id of the check of streams.
const CheckID = "auditlog.streamed"

// Check sees that every declared stream has delivered what is older than it may be (ACC-6).
func (s *Streams) Check() measure.Check {
	return measure.Check{
		ID: CheckID, Measures: []string{"ACC-6"}, Every: checkEvery, Valid: checkValid, Timeout: checkTimeout,
		Scope: func(e *estate.Estate) []string {
			var targets []string
			for _, d := range e.Streams {
				targets = append(targets, d.Target())
			}
			slices.Sort(targets)
			return targets
		},
		Run: s.look,
	}
}

// seen is what was observed of a stream.
type seen struct {
	items []measure.Item
	raw   map[string]any // without times of day
}

func (s *Streams) look(ctx context.Context, in measure.In) measure.Finding {
	list := in.Estate.Streams
	if len(list) == 0 {
		return measure.Finding{Outcome: measure.NotApplicable}
	}
	states, err := States(ctx, s.DB.Pool(pg.Checker))
	f := measure.Finding{Outcome: measure.Pass}
	raw := map[string]any{}
	for _, d := range list {
		one := seen{raw: map[string]any{}}
		if err != nil {
			one.add(d, Unknown, "how far the stream is", "Garant’s own database does not answer")
		} else {
			s.judge(ctx, &one, d, states, in.Now)
		}
		measure.Look(&f, d.Target(), one.items, func(i measure.Item) bool { return Problem(i.Problem).Blind() })
		f.Failed = append(f.Failed, one.items...)
		raw[d.Name] = one.raw
	}
	f.Raw, _ = json.Marshal(raw) // of words: cannot fail
	return f
}

func (o *seen) add(d estate.Stream, p Problem, expected, actual string) {
	o.items = append(o.items, measure.Item{Target: d.Target(), Problem: string(p), Expected: measure.Shown(expected, longItem), Actual: measure.Shown(actual, longItem)})
}

// judge looks at one stream.
func (s *Streams) judge(ctx context.Context, o *seen, d estate.Stream, states []State, now time.Time) {
	defer func() {
		if recover() != nil { // only a fault of ours can cause it: it blinds this stream and no other
			o.items = nil
			o.add(d, CheckBroken, "an observation", "the check itself failed")
		}
	}()
	i := slices.IndexFunc(states, func(st State) bool { return st.Name == d.Name })
	if i < 0 {
		o.add(d, Unstarted, "a server that sends it", "it was never begun")
		return
	}
	st := states[i]
	o.raw["problem"] = string(st.Problem)
	if st.Position > 0 {
		lines, err := s.Source.After(ctx, st.Position-1, 1)
		switch {
		case err != nil:
			o.add(d, Unknown, "the audit log", "it does not answer")
			return
		case len(lines) == 0 || lines[0].Place.Position != st.Position:
			o.add(d, Ahead, "the position of an entry that was sent", "one that no entry has")
			return
		}
	}
	lag, err := s.Lag(ctx, st, now)
	if err != nil {
		o.add(d, Unknown, "the audit log", "it does not answer")
		return
	}
	late := lag > d.MaxLag
	if late {
		o.add(d, Late, "delivered within "+estate.FormatDuration(d.MaxLag), "older entries wait")
	}
	if st.Problem != "" && (late || st.Problem.Stops()) {
		p := st.Problem
		if !slices.Contains(Problems(), p) || p.Blind() { // of another build, or that of the sender, which is none of this look
			p = Failing
		}
		o.add(d, p, "a receiver that takes entries", st.Said)
	}
}

// Lag is how long the oldest entry that a stream has not delivered has been waiting; 0: none is waiting.
func (s *Streams) Lag(ctx context.Context, st State, now time.Time) (time.Duration, error) {
	next, err := s.Source.After(ctx, st.Position, 1)
	if err != nil || len(next) == 0 {
		return 0, err
	}
	return max(0, now.Sub(next[0].Entry.At)), nil
}
