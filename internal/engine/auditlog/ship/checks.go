package ship

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/garant-project/garant/internal/engine/auditlog/ship/spool"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
)

// Set holds one T for each check of this package. Its literals are written without keys, so that a
// new check does not compile until it has a T everywhere one is due, fault injections included.
type Set[T any] struct {
	System      T
	Application T
}

// All returns the set's members in the order of its fields.
func (s Set[T]) All() []T { return []T{s.System, s.Application} }

// The bounds of a check. Each look leaves a line in every log, so that the policy's cadence does not hold. A run may last as long as the longest agreed time, and a little.
const (
	every    = 5 * time.Minute
	valid    = 20 * time.Minute
	timeout  = estate.MaxLogWithin + mostExtra + 30*time.Second
	lately   = time.Hour // for which lines that were lost are told
	longItem = 300       // bytes of what an item says
)

// Checks returns the checks of this package.
func (s *Ship) Checks() Set[measure.Check] {
	check := func(id, proves string, kind estate.LogKind) measure.Check {
		return measure.Check{
			ID: id, Measures: []string{proves}, Every: every, Valid: valid, Timeout: timeout, OwnPace: true,
			Facts: []string{id + ".sources", id + ".slowest", id + ".agreed"},
			Scope: func(e *estate.Estate) []string {
				var names []string
				for _, l := range e.LogsOf(kind) {
					names = append(names, l.Target())
				}
				slices.Sort(names)
				return names
			},
			Run: func(ctx context.Context, in measure.In) measure.Finding { return s.each(ctx, in, id, kind) },
		}
	}
	return Set[measure.Check]{
		check("auditlog.system_logs", "LOG-3", estate.SystemLog),
		check("auditlog.application_logs", "LOG-4", estate.ApplicationLog),
	}
}

// each looks at every log of a kind, side by side: most of a look is waiting.
func (s *Ship) each(ctx context.Context, in measure.In, id string, kind estate.LogKind) measure.Finding {
	list := in.Estate.LogsOf(kind)
	if len(list) == 0 {
		return measure.Finding{Outcome: measure.NotApplicable}
	}
	looks := make([]*look, len(list))
	var wg sync.WaitGroup
	for i, l := range list {
		looks[i] = &look{log: l}
		wg.Go(func() {
			defer func() {
				if recover() != nil { // only a fault of ours can cause it: it blinds this log and no other
					looks[i].items = nil
					looks[i].add(CheckBroken, "an observation", "the check itself failed")
				}
			}()
			s.search(ctx, looks[i])
			s.losses(looks[i], in.Now)
		})
	}
	wg.Wait()
	f := measure.Finding{Outcome: measure.Pass}
	raw := map[string]any{}
	whole := true
	s.mu.Lock()
	for _, l := range looks {
		whole = measure.Look(&f, l.log.Target(), l.items, func(i measure.Item) bool { return Problem(i.Problem).Blind() }) && whole
		f.Failed = append(f.Failed, l.items...)
		raw[l.log.Name] = map[string]any{"found": l.found, "product": l.product}
		s.results[l.log.Name] = Result{Log: l.log.Name, Kind: kind, At: in.Now, Found: l.found, Took: l.took, Agreed: l.log.Within}
	}
	s.mu.Unlock()
	if whole {
		f.Facts = facts(id, looks)
	}
	f.Raw, _ = json.Marshal(raw) // of names: cannot fail
	return f
}

// losses says what the shipper of a log could not keep, lately.
func (s *Ship) losses(l *look, now time.Time) {
	if l.log.Ship == nil {
		return
	}
	st, err := spool.ReadState(spoolDir(s.deps.DataDir, l.log.Name))
	if err != nil {
		l.add(Damaged, "a record of what was lost", "one that cannot be read")
		return
	}
	told := func(p Problem, n int64, at time.Time, expected, what string) {
		if n > 0 && now.Sub(at) < lately {
			l.add(p, expected, fmt.Sprintf("%d %s so far", n, what))
		}
	}
	told(Dropped, st.Dropped, st.DroppedAt, "every line", "lines left out")
	told(SetAside, st.Refused, st.RefusedAt, "every line", "lines set aside")
	told(Missed, st.Missed, st.MissedAt, "every file read to its end", "files gone before")
	told(Damaged, st.Damaged, st.DamagedAt, "what was written", "places where the disk has something else")
}

// facts sums up. The slowest time is rounded up to one that a person would name, so that findings that say the same are equal.
func facts(id string, looks []*look) map[string]measure.Fact {
	var slowest, agreed time.Duration
	found := true
	for _, l := range looks {
		found = found && l.took > 0
		slowest, agreed = max(slowest, l.took), max(agreed, l.log.Within)
	}
	out := map[string]measure.Fact{id + ".sources": measure.Count(len(looks)), id + ".agreed": measure.Span(agreed)}
	if found {
		out[id+".slowest"] = measure.Span(round(slowest))
	}
	return out
}

func round(d time.Duration) time.Duration {
	for _, seconds := range []int{1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300} {
		if step := time.Duration(seconds) * time.Second; d <= step {
			return step
		}
	}
	return d.Truncate(time.Minute) + time.Minute
}
