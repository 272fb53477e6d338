package access

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
)

// Deps is what the engine needs from outside. The zero value looks with the usual bounds.
type Deps struct {
	Target time.Duration // longest time spent on one database; 0: 10 s
	Tables int           // most tables and views of a database that is looked at; 0: 5,000
}

// New returns the engine.
func New(deps Deps) measure.Engine {
	return measure.Engine{Name: "access", Checks: Checks(deps).All(), Messages: Messages(), Parameters: parameters}
}

// parameters are the figures of the annex that the policy of an estate sets.
func parameters(e *estate.Estate) map[string]measure.Fact {
	return map[string]measure.Fact{"access.customer_data.teams": measure.List(e.Policy.CustomerDataTeams...)}
}

// The bounds of a run. The kernel replaces every by the policy's.
const (
	every         = time.Minute
	valid         = 5 * time.Minute
	timeout       = 40 * time.Second
	targetTimeout = 10 * time.Second
	atOnce        = 4
	maxTables     = 5000
	maxColumns    = 200_000
	maxRoles      = 10_000
	maxFunctions  = 5000
	maxSource     = 20_000   // characters of a function's text
	maxItems      = 200      // of one database; the rest is counted
	maxRaw        = 48 << 10 // bytes of Finding.Raw
	maxActual     = 240      // bytes of what an item shows
)

// looker looks at databases within the bounds of Deps.
type looker struct {
	target time.Duration
	tables int
}

func newLooker(d Deps) *looker {
	return &looker{target: cmp.Or(d.Target, targetTimeout), tables: cmp.Or(d.Tables, maxTables)}
}

// look is what one check of one database saw.
type look struct {
	items []item
	raw   any            // JSON of what was observed: names of roles and tables, counts; no time of day
	count map[string]int // for the facts
}

type item struct {
	problem          Problem
	expected, actual string
}

func (l *look) add(p Problem, expected, actual string) {
	l.items = append(l.items, item{p, expected, clean(actual)})
}

// judge looks at what was read of a database.
type judge func(*snapshot, *estate.Database, *estate.Policy) *look

// run reads every database, each within its own time, and joins what the judge said into one
// finding. A database that fails makes the finding Fail, else one that could not be seen makes
// it Error; only a whole scope, seen and right, passes.
func (k *looker) run(ctx context.Context, in measure.In, targets []*estate.Database, verdict judge, facts func([]*look) map[string]measure.Fact) measure.Finding {
	if len(targets) == 0 {
		return measure.Finding{Outcome: measure.NotApplicable}
	}
	looks := make([]*look, len(targets))
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i, d := range targets {
		wg.Go(func() {
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
			case <-ctx.Done():
				looks[i] = &look{}
				looks[i].add(Unreachable, "an answer", "no time was left to look")
				return
			}
			looks[i] = k.guarded(ctx, d, &in.Estate.Policy, verdict)
		})
	}
	wg.Wait()
	return join(targets, looks, facts)
}

// guarded looks at one database within its time. A panic, which only a fault of ours can cause,
// blinds this database and no other.
func (k *looker) guarded(ctx context.Context, d *estate.Database, policy *estate.Policy, verdict judge) (l *look) {
	ctx, cancel := context.WithTimeout(ctx, k.target)
	defer cancel()
	defer func() {
		if recover() != nil {
			l = &look{}
			l.add(CheckBroken, "an observation", "the check itself failed")
		}
	}()
	s, trouble := k.read(ctx, d)
	if trouble != nil {
		return &look{items: []item{*trouble}}
	}
	return verdict(s, d, policy)
}

func join(targets []*estate.Database, looks []*look, facts func([]*look) map[string]measure.Fact) measure.Finding {
	f := measure.Finding{Outcome: measure.Pass}
	raw := map[string]any{}
	var examined []*look
	for i, d := range targets {
		l := looks[i]
		raw[d.Name] = l.raw
		if measure.Look(&f, d.Name, l.items, func(i item) bool { return i.problem.Blind() }) {
			examined = append(examined, l)
		}
		for n, it := range l.items {
			if n == maxItems {
				f.Failed = append(f.Failed, measure.Item{Target: d.Name, Problem: string(it.problem), Expected: it.expected, Actual: number(len(l.items)-n) + " more are not listed"})
				break
			}
			f.Failed = append(f.Failed, measure.Item{Target: d.Name, Problem: string(it.problem), Expected: it.expected, Actual: it.actual})
		}
	}
	slices.Sort(f.Scope)
	slices.SortStableFunc(f.Failed, func(a, b measure.Item) int {
		return cmp.Or(strings.Compare(a.Target, b.Target), strings.Compare(a.Problem, b.Problem), strings.Compare(a.Actual, b.Actual))
	})
	if len(examined) > 0 {
		f.Facts = facts(examined)
	}
	f.Raw = encodeRaw(raw)
	return f
}

// encodeRaw writes the observations within maxRaw, or the digest of the whole, by which two runs
// that saw the same are still seen to be equal.
func encodeRaw(raw map[string]any) json.RawMessage {
	whole, err := json.Marshal(raw)
	if err != nil {
		return nil
	}
	if len(whole) <= maxRaw {
		return whole
	}
	sum := sha256.Sum256(whole)
	short, err := json.Marshal(map[string]any{"sha256": "sha256:" + hex.EncodeToString(sum[:]), "databases": len(raw), "bytes": len(whole)})
	if err != nil {
		return nil
	}
	return short
}

// clean makes words of others fit to be shown.
func clean(s string) string { return measure.Shown(s, maxActual) }
