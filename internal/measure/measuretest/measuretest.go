// Package measuretest holds every check to the contract of package measure.
//
// A check is worth what it can see: for each one a test breaks the real thing in every way
// that the check claims to notice, runs it, expects a failure that names the item, mends the
// thing, and expects a pass. Engines declare their checks as a struct with one field a check
// and give the faults as the same struct, in an unkeyed literal, so that a check without
// faults does not compile.
package measuretest

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
)

// Fault is one way to break a real system.
type Fault struct {
	Name  string
	Break func(t testing.TB)
	Mend  func(t testing.TB)
	// Want is the outcome while broken: measure.Fail, or measure.Error when nobody can look.
	Want measure.Outcome
	// Item is what the finding must name: target and problem.
	Item measure.Item
}

// Subject is a check with the real system that it looks at.
type Subject struct {
	Check  measure.Check
	Estate *estate.Estate
	Faults []Fault
	Now    func() time.Time // nil: time.Now
}

// Run breaks and mends the system of a check in every declared way.
func Run(t *testing.T, s Subject) {
	t.Helper()
	if len(s.Faults) == 0 {
		t.Fatalf("check %s has no fault injection: nothing shows that it can come out false", s.Check.ID)
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	look := func(t *testing.T) measure.Finding {
		t.Helper()
		f := measure.Observe(context.Background(), s.Check, measure.In{Estate: s.Estate, Now: s.Now()}, slog.New(slog.DiscardHandler))
		contract(t, s, f)
		return f
	}
	if f := look(t); f.Outcome != measure.Pass {
		t.Fatalf("%s on a sound system: %s %+v", s.Check.ID, f.Outcome, f.Failed)
	}
	for _, fault := range s.Faults {
		t.Run(fault.Name, func(t *testing.T) {
			fault.Break(t)
			broken := look(t)
			fault.Mend(t)
			want := fault.Want
			if want == "" {
				want = measure.Fail
			}
			if broken.Outcome != want {
				t.Errorf("broken: outcome %s, want %s; items %+v", broken.Outcome, want, broken.Failed)
			}
			if !slices.ContainsFunc(broken.Failed, func(i measure.Item) bool {
				return i.Target == fault.Item.Target && i.Problem == fault.Item.Problem
			}) {
				t.Errorf("broken: no item names %s: %s; items %+v", fault.Item.Target, fault.Item.Problem, broken.Failed)
			}
			if f := look(t); f.Outcome != measure.Pass {
				t.Errorf("mended: outcome %s; items %+v", f.Outcome, f.Failed)
			}
		})
	}
	t.Run("equal findings are equal", func(t *testing.T) {
		a, b := look(t), look(t)
		if string(a.Raw) != string(b.Raw) {
			t.Errorf("two looks at the same system differ, so they cannot be rolled up:\n%s\n%s", a.Raw, b.Raw)
		}
	})
	t.Run("an ended context is no pass", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		f := measure.Observe(ctx, s.Check, measure.In{Estate: s.Estate, Now: s.Now()}, slog.New(slog.DiscardHandler))
		if f.Outcome == measure.Pass {
			t.Error("a check that was stopped passed")
		}
	})
	t.Run("an empty estate is no pass", func(t *testing.T) {
		empty := &estate.Estate{Policy: s.Estate.Policy}
		if scope := s.Check.Scope(empty); len(scope) != 0 {
			t.Errorf("scope of an empty estate: %v", scope)
		}
		f := measure.Observe(context.Background(), s.Check, measure.In{Estate: empty, Now: s.Now()}, slog.New(slog.DiscardHandler))
		if f.Outcome == measure.Pass {
			t.Error("a check with nothing to look at passed")
		}
	})
}

func contract(t *testing.T, s Subject, f measure.Finding) {
	t.Helper()
	for _, item := range f.Failed {
		if item.Problem == "" {
			t.Errorf("an item names no problem: %+v", item)
		}
	}
	if f.Outcome == measure.Fail && len(f.Failed) == 0 {
		t.Error("a failure names nothing that failed")
	}
	for name := range f.Facts {
		if !slices.Contains(s.Check.Facts, name) {
			t.Errorf("the check gives the fact %s without declaring it", name)
		}
	}
}
