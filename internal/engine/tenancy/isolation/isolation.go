package isolation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/verify"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
)

// Deps is what the checks need from outside. The zero value looks with the usual bounds.
type Deps struct {
	Live  time.Duration // longest time spent on one database; 0: 60 s
	Write time.Duration // longest time for one scratch copy; 0: 5 min
}

// New returns the checks as an engine.
func New(deps Deps) measure.Engine {
	return measure.Engine{Name: "isolation", Checks: Checks(deps).All(), Messages: Messages()}
}

// The bounds of a run. The kernel replaces every by the policy's.
const (
	every      = time.Minute
	valid      = 5 * time.Minute
	daily      = 24 * time.Hour
	validDaily = 50 * time.Hour
	maxItems   = 100
	maxActual  = 240 // bytes of what an item shows
	maxRaw     = 48 << 10
)

// Set holds one T for each check. Its literals are written without keys, so that a new check does
// not compile until it has a T everywhere one is due, fault injections included.
type Set[T any] struct {
	Live   T
	Writes T
}

// All returns the set's members in the order of its fields.
func (s Set[T]) All() []T { return []T{s.Live, s.Writes} }

// Checks returns the checks.
func Checks(deps Deps) Set[measure.Check] {
	measures := []string{"SEG-1", "SEG-2"}
	live := look{id: "isolation.live", time: cmp.Or(deps.Live, time.Minute), in: held}
	writes := look{id: "isolation.writes", time: cmp.Or(deps.Write, 5*time.Minute), in: copied, scratch: true}
	return Set[measure.Check]{
		measure.Check{ID: live.id, Measures: measures, Every: every, Valid: valid, Timeout: live.time + 10*time.Second, Facts: live.facts(), Scope: live.scope, Run: live.run},
		measure.Check{ID: writes.id, Measures: measures, Every: daily, Valid: validDaily, OwnPace: true, Timeout: 2*writes.time + 10*time.Second, Facts: writes.facts(), Scope: writes.scope, Run: writes.run},
	}
}

// held reports whether a database is held to a manifest; copied, whether writes are tried on a copy.
func held(d *estate.Database) bool   { return d.Tenancy != nil && d.Tenancy.Manifest != nil }
func copied(d *estate.Database) bool { return held(d) && !d.Tenancy.Copy.IsZero() }

// look is one way of looking at guarded databases.
type look struct {
	id      string
	time    time.Duration // for one database
	in      func(*estate.Database) bool
	scratch bool
}

func (l look) scope(e *estate.Estate) []string {
	var names []string
	for _, d := range e.DatabasesWhere(l.in) {
		names = append(names, d.Name)
	}
	return names
}

// facts are given by the look at the live database: a copy need not be declared, and the sentences must read well without.
func (l look) facts() []string {
	if l.scratch {
		return nil
	}
	return []string{l.id + ".examined", l.id + ".tables", l.id + ".checks"}
}

// run looks at one database after the other: each is as much as a server should carry at a time.
func (l look) run(ctx context.Context, in measure.In) measure.Finding {
	targets := in.Estate.DatabasesWhere(l.in)
	if len(targets) == 0 {
		return measure.Finding{Outcome: measure.NotApplicable}
	}
	f := measure.Finding{Outcome: measure.Pass}
	reports := map[string]report{}
	tables, checks := 0, 0
	for _, d := range targets {
		seen, items := l.database(ctx, d, in.Now)
		measure.Look(&f, d.Name, items, func(i measure.Item) bool { return Problem(i.Problem).Blind() })
		if more := len(items) - maxItems; more > 0 {
			items = append(items[:maxItems], measure.Item{Target: d.Name, Problem: items[0].Problem, Expected: "none", Actual: fmt.Sprintf("%d more are not listed", more)})
		}
		f.Failed = append(f.Failed, items...)
		if seen.Report != nil {
			reports[d.Name] = seen
			tables += seen.Tables
			passed, _ := seen.Count(verify.Pass)
			checks += passed
		}
	}
	if len(f.Scope) > 0 && !l.scratch {
		f.Facts = map[string]measure.Fact{l.id + ".examined": measure.Count(len(f.Scope)), l.id + ".tables": measure.Count(tables), l.id + ".checks": measure.Count(checks)}
	}
	f.Raw = observe(reports)
	return f
}

// database looks at one; what was seen has no Report when nothing was.
func (l look) database(ctx context.Context, d *estate.Database, now time.Time) (seen report, items []measure.Item) {
	ctx, cancel := context.WithTimeout(ctx, l.time)
	defer cancel()
	item := func(p Problem, expected, actual string) {
		items = append(items, measure.Item{Target: d.Name, Problem: string(p), Expected: expected, Actual: measure.Shown(actual, maxActual)})
	}
	defer func() {
		if recover() != nil {
			seen, items = report{}, nil
			item(CheckBroken, "an observation", "the check itself failed")
		}
	}()
	m, problems := manifest.Parse(d.Tenancy.Manifest)
	if problems != nil {
		first, _ := errs.Sentence(problems)
		item(BadManifest, "a manifest", first)
		return report{}, items
	}
	options := verify.Options{Manifest: m, System: d.System, Scratch: l.scratch, Timeout: l.time, MaxKeyAge: 2 * d.Tenancy.Rotate, Now: func() time.Time { return now }}
	source := d.URL
	if l.scratch {
		source = d.Tenancy.Copy
	}
	if d.Tenancy.Application.IsZero() {
		item(NoApplication, "an address of the application", "none is declared")
		return report{}, items
	}
	var err error
	if options.URL, err = source.Reveal(); err == nil {
		options.AppURL, err = d.Tenancy.Application.Reveal()
	}
	if err != nil {
		item(BadAddress, "an address", "it cannot be read")
		return report{}, items
	}
	found, err := verify.Run(ctx, options)
	if err != nil {
		said, _ := errs.Sentence(err)
		var e *errs.Error
		switch {
		case ctx.Err() != nil || errors.As(err, &e) && e.ID == "tenancy.verify.timeout":
			item(OutOfTime, "a whole look", fmt.Sprintf("not over after %s", l.time))
		case e != nil && (e.ID == "tenancy.verify.other_database" || e.ID == "tenancy.verify.other_system"):
			item(Impostor, d.Database+" of "+d.System, said)
		default:
			item(Unreachable, "an answer", said)
		}
		return report{}, items
	}
	return report{found, m, printOf(d.Tenancy.Manifest)}, append(items, judged(d.Name, found)...)
}

// judged turns what was seen into items. What is of low severity is told in the observation only.
func judged(target string, r *verify.Report) []measure.Item {
	var items []measure.Item
	for _, one := range r.Results {
		switch {
		case one.Outcome == verify.Error:
			items = append(items, measure.Item{Target: target, Problem: string(Unseen), Expected: one.ID, Actual: measure.Shown(one.Error, maxActual)})
		case one.Outcome == verify.Fail && one.Severity.AtLeast(verify.Medium):
			for _, found := range one.Findings {
				items = append(items, measure.Item{Target: target, Problem: string(problem(one)), Expected: one.ID, Actual: measure.Shown(found.Object+": "+found.Found, maxActual)})
			}
		}
	}
	slices.SortStableFunc(items, func(a, b measure.Item) int {
		return cmp.Or(strings.Compare(a.Problem, b.Problem), strings.Compare(a.Expected, b.Expected), strings.Compare(a.Actual, b.Actual))
	})
	return items
}

func problem(r verify.Result) Problem {
	switch {
	case r.ID == "tables.unclassified":
		return Unclassified
	case strings.HasPrefix(r.ID, "around.") && r.Severity.AtLeast(verify.Medium):
		return Undeclared
	case r.Kind == verify.Probe:
		return Crossed
	case r.Severity == verify.Critical:
		return Open
	case r.Severity == verify.High:
		return Weak
	}
	return Shows
}
