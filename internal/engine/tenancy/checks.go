package tenancy

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/token"
)

// Set holds one T for each check of this engine. Its literals are written without keys, so that a
// new check does not compile until it has a T everywhere one is due, fault injections included.
type Set[T any] struct {
	Keys T
}

// All returns the set's members in the order of its fields.
func (s Set[T]) All() []T { return []T{s.Keys} }

const (
	every     = time.Minute
	valid     = 5 * time.Minute
	timeout   = 30 * time.Second
	atOnce    = 4
	keyGrace  = 24 * time.Hour // how late a rotation may be
	sweepLate = time.Minute    // how long ago the last look for ended sessions may be
)

// Checks returns the checks of this engine. That tenants are held apart is proven by package
// isolation, for the same measures.
func (t *Tenancy) Checks() Set[measure.Check] {
	scope := func(e *estate.Estate) []string {
		var names []string
		for _, d := range e.Guarded() {
			names = append(names, d.Name)
		}
		if len(names) > 0 && t.Own != nil {
			names = append(names, Own)
		}
		slices.Sort(names)
		return names
	}
	return Set[measure.Check]{
		measure.Check{ID: "tenancy.keys", Measures: []string{"SEG-2"}, Every: every, Valid: valid, Timeout: timeout, Scope: scope, Run: t.lookAtKeys},
	}
}

// rawKeys is what was observed of a database.
type rawKeys struct {
	Version int      `json:"version,omitempty"`
	Design  string   `json:"design,omitempty"`
	Keys    []string `json:"keys,omitempty"`
}

// keysLook is what the check of one database saw.
type keysLook struct {
	raw   rawKeys
	items []measure.Item
	blind bool
}

func (l *keysLook) add(d *estate.Database, p Problem, expected, actual string) {
	l.blind = l.blind || p.Blind()
	l.items = append(l.items, measure.Item{Target: d.Name, Problem: string(p), Expected: expected, Actual: clean(actual)})
}

// lookAtKeys compares the keys in each guarded database with ours, and sees that sessions can be
// and are ended there.
func (t *Tenancy) lookAtKeys(ctx context.Context, in measure.In) measure.Finding {
	guarded, ownErr := t.guardedIn(ctx, in.Estate)
	if len(guarded) == 0 {
		return measure.Finding{Outcome: measure.NotApplicable}
	}
	looks := make([]keysLook, len(guarded))
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i := range guarded {
		wg.Go(func() {
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
			case <-ctx.Done():
				looks[i].add(&guarded[i], Unreachable, "an answer", "no time was left to look")
				return
			}
			defer func() {
				if recover() != nil { // only a fault of ours can cause it: it blinds this database and no other
					looks[i] = keysLook{}
					looks[i].add(&guarded[i], CheckBroken, "an observation", "the check itself failed")
				}
			}()
			if guarded[i].Name == Own && ownErr != nil {
				looks[i].add(&guarded[i], ownProblem(ownErr), "schema garant", "none, or no answer")
				return
			}
			t.lookAt(ctx, &guarded[i], in.Now, &looks[i])
		})
	}
	wg.Wait()
	f := measure.Finding{Outcome: measure.Pass}
	raw := map[string]rawKeys{}
	for i, d := range guarded {
		l := looks[i]
		raw[d.Name] = l.raw
		f.Failed = append(f.Failed, l.items...)
		switch {
		case len(l.items) == 0:
			f.Scope = append(f.Scope, d.Name)
		case !l.blind:
			f.Scope, f.Outcome = append(f.Scope, d.Name), measure.Fail
		case f.Outcome == measure.Pass:
			f.Outcome = measure.Error
		}
	}
	slices.SortStableFunc(f.Failed, func(a, b measure.Item) int {
		return cmp.Or(strings.Compare(a.Target, b.Target), strings.Compare(a.Problem, b.Problem), strings.Compare(a.Actual, b.Actual))
	})
	f.Raw, _ = json.Marshal(raw) // of names and numbers: cannot fail
	return f
}

func (t *Tenancy) lookAt(ctx context.Context, d *estate.Database, now time.Time, l *keysLook) {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	on := t.DB.Pool(pg.Checker)
	last, err := statusOf(ctx, on, d.Name)
	if err != nil {
		l.add(d, Unknown, "the keys as they were made", "Garant’s own database does not answer")
		return
	}
	k, err := t.reach(ctx, d)
	if err != nil {
		var x *trouble
		if !errors.As(err, &x) {
			x = &trouble{Unreachable, "a connection", "no answer"}
		}
		l.add(d, x.problem, x.expected, x.actual)
		return
	}
	defer k.close(ctx)
	p, ours, problem, found, err := t.examine(ctx, on, d, k, false)
	var x *trouble
	switch {
	case errors.As(err, &x):
		l.add(d, x.problem, x.expected, x.actual)
		return
	case err != nil:
		l.add(d, Unknown, "the keys as they were made", "Garant’s own database does not answer")
		return
	}
	s := &k.seen
	l.raw = rawKeys{Version: s.installed.Version, Design: string(s.installed.Design)}
	for _, there := range s.keys {
		l.raw.Keys = append(l.raw.Keys, strconv.Itoa(int(there.ID)))
	}
	if s.installed.Version != token.Version {
		l.add(d, OtherSchema, "version "+strconv.Itoa(token.Version), "version "+strconv.Itoa(s.installed.Version))
	}
	if string(s.installed.Design) != d.Tenancy.Design {
		l.add(d, OtherDesign, d.Tenancy.Design, string(s.installed.Design))
	}
	if s.powers {
		l.add(d, KeeperPower, "a member of garant_keeper and no more", "a role with further powers")
	}
	if !s.sweeps {
		l.add(d, CannotSweep, "EXECUTE on garant.sweep(), and pg_signal_backend for garant_sec", "not both")
	}
	if last.SweptAt == nil || now.Sub(*last.SweptAt) > sweepLate {
		l.add(d, Unswept, "at least once a minute", "not within the last minute")
	}
	if problem != "" {
		l.add(d, problem, "the keys that Garant put in", found)
		return
	}
	i := slices.IndexFunc(ours, Key.mints)
	switch {
	case i < 0 || p.settledAt == nil:
		l.add(d, Unkeyed, "a key of its own", "none yet")
	case now.Sub(*ours[i].InstalledAt) > d.Tenancy.Rotate+keyGrace:
		l.add(d, KeyOld, "at most "+estate.FormatDuration(d.Tenancy.Rotate), "older")
	}
}
