package measure_test

import (
	"context"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func twoEndpoints() *estate.Estate {
	return &estate.Estate{Endpoints: []estate.Endpoint{{Name: "a", Host: "a.example"}, {Name: "b", Host: "b.example"}}, Policy: estate.DefaultPolicy()}
}

func names(e *estate.Estate) []string {
	var out []string
	for _, ep := range e.Endpoints {
		out = append(out, ep.Name)
	}
	return out
}

func checkOf(id string, measures ...string) measure.Check {
	return measure.Check{
		ID: id, Measures: measures, Every: time.Minute, Valid: 5 * time.Minute, Timeout: 10 * time.Second, Scope: names,
		Run: func(context.Context, measure.In) measure.Finding { return measure.Finding{} },
	}
}

func TestDeriveCheck(t *testing.T) {
	pass := func() *measure.Current {
		return &measure.Current{
			Finding:    measure.Finding{Outcome: measure.Pass, Scope: []string{"a", "b"}},
			ObservedAt: noon.Add(-time.Minute), ValidUntil: noon.Add(4 * time.Minute), EstateVersion: 1,
		}
	}
	change := func(f func(*measure.Current)) *measure.Current { c := pass(); f(c); return c }
	outcome := func(o, definite measure.Outcome) *measure.Current {
		return change(func(c *measure.Current) {
			c.Finding = measure.Finding{Outcome: o, Failed: []measure.Item{{Target: "a", Problem: "p"}}}
			c.Definite = definite
		})
	}
	view := measure.View{Estate: twoEndpoints(), Version: 1}
	for _, c := range []struct {
		name   string
		view   measure.View
		cur    *measure.Current
		state  measure.State
		reason string
	}{
		{"a fresh pass over the whole scope", view, pass(), measure.Met, measure.ReasonPass},
		{"nothing seen yet", view, nil, measure.Unproven, measure.ReasonNoEvidence},
		{"no estate", measure.View{}, pass(), "", measure.ReasonNoScope},
		{"an empty scope", measure.View{Estate: &estate.Estate{}}, pass(), "", measure.ReasonNoScope},
		{"a failure", view, outcome(measure.Fail, measure.Fail), measure.NotMet, measure.ReasonFail},
		{"blind after a pass", view, outcome(measure.Error, measure.Pass), measure.Stale, measure.ReasonBlind},
		{"blind after a failure stays a failure", view, outcome(measure.Error, measure.Fail), measure.NotMet, measure.ReasonFail},
		{"blind from the start", view, outcome(measure.Error, ""), measure.Unproven, measure.ReasonBlind},
		{"not applicable proves nothing", view, outcome(measure.NotApplicable, measure.NotApplicable), measure.Unproven, measure.ReasonNoScope},
		{"expired to the second", view, change(func(c *measure.Current) { c.ValidUntil = noon }), measure.Stale, measure.ReasonExpired},
		{"an old failure does not grow harmless", view, func() *measure.Current {
			c := outcome(measure.Fail, measure.Fail)
			c.ValidUntil = noon.Add(-time.Hour)
			return c
		}(), measure.NotMet, measure.ReasonFail},
		{"from the future", view, change(func(c *measure.Current) {
			c.ObservedAt, c.ValidUntil = noon.Add(24*time.Hour), noon.Add(25*time.Hour)
		}), measure.Stale, measure.ReasonFuture},
		{"a target was added since", view, change(func(c *measure.Current) { c.Finding.Scope = []string{"a"} }), measure.Unproven, measure.ReasonNewScope},
		{"an unknown earlier estate", measure.View{Estate: twoEndpoints(), Version: 2}, pass(), measure.Unproven, measure.ReasonNewScope},
		{"an earlier estate that was the same", measure.View{Estate: twoEndpoints(), Version: 2, Past: func(int64) *estate.Estate { return twoEndpoints() }}, pass(), measure.Met, measure.ReasonPass},
		{"a target of the same name was replaced", measure.View{Estate: twoEndpoints(), Version: 2, Past: func(int64) *estate.Estate {
			e := twoEndpoints()
			e.Endpoints[1].Host = "elsewhere.example"
			return e
		}}, pass(), measure.Unproven, measure.ReasonNewScope},
		{"a threshold was raised", measure.View{Estate: twoEndpoints(), Version: 2, Past: func(int64) *estate.Estate {
			e := twoEndpoints()
			e.Policy.HSTSMaxAge = time.Hour
			return e
		}}, pass(), measure.Unproven, measure.ReasonNewScope},
		{"only the cadence changed", measure.View{Estate: twoEndpoints(), Version: 2, Past: func(int64) *estate.Estate {
			e := twoEndpoints()
			e.Policy.Every = time.Hour
			return e
		}}, pass(), measure.Met, measure.ReasonPass},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := measure.DeriveCheck(checkOf("x.y", "ENC-1"), c.view, c.cur, noon)
			if got.State != c.state || got.Reason != c.reason {
				t.Errorf("%s (%s), want %s (%s)", got.State, got.Reason, c.state, c.reason)
			}
		})
	}
}

func TestDeriveTakesTheWorstCheck(t *testing.T) {
	good, bad, idle := checkOf("x.good", "ENC-1"), checkOf("x.bad", "ENC-1"), checkOf("x.idle", "ENC-1")
	idle.Scope = func(*estate.Estate) []string { return nil }
	good.Facts = []string{"endpoint.tls.examined", "endpoint.tls.versions", "endpoint.tls.suites"}
	bad.Facts = []string{"endpoint.plainhttp.examined"}
	reg := registry(t, measure.Engine{Name: "x", Checks: []measure.Check{good, bad, idle}})
	view := measure.View{Estate: twoEndpoints(), Version: 1}
	cur := func(o, definite measure.Outcome) *measure.Current {
		return &measure.Current{
			Finding:    measure.Finding{Outcome: o, Scope: []string{"a", "b"}, Failed: []measure.Item{{Target: "b", Problem: "p"}}},
			ObservedAt: noon, ValidUntil: noon.Add(time.Minute), EstateVersion: 1, Definite: definite,
		}
	}
	for _, c := range []struct {
		name      string
		good, bad *measure.Current
		want      measure.State
	}{
		{"both pass", cur(measure.Pass, ""), cur(measure.Pass, ""), measure.Met},
		{"one fails", cur(measure.Pass, ""), cur(measure.Fail, ""), measure.NotMet},
		{"one is blind", cur(measure.Pass, ""), cur(measure.Error, measure.Pass), measure.Stale},
		{"one never ran", cur(measure.Pass, ""), nil, measure.Unproven},
		{"a failure outweighs one that never ran", nil, cur(measure.Fail, ""), measure.NotMet},
		{"unproven outweighs stale", nil, cur(measure.Error, measure.Pass), measure.Unproven},
	} {
		s := reg.Derive("ENC-1", view, measure.Known{Runs: map[string]*measure.Current{"x.good": c.good, "x.bad": c.bad}}, noon)
		if s.State != c.want {
			t.Errorf("%s: %s, want %s", c.name, s.State, c.want)
		}
	}
	if s := reg.Derive("ENC-2", view, measure.Known{}, noon); s.State != measure.Unproven || s.Reason != measure.ReasonNoCheck {
		t.Errorf("a measure without a check: %s (%s)", s.State, s.Reason)
	}
	// A check that this build no longer has proves nothing, whatever evidence is left of it.
	without := registry(t, measure.Engine{Name: "x"})
	if s := without.Derive("ENC-1", view, measure.Known{Runs: map[string]*measure.Current{"x.good": cur(measure.Pass, "")}}, noon); s.State != measure.Unproven {
		t.Errorf("a check that was removed: %s", s.State)
	}
	// Nor do those that are left of several prove what one that is gone had to.
	left := registry(t, measure.Engine{Name: "x", Checks: []measure.Check{good}})
	all := measure.Known{Runs: map[string]*measure.Current{"x.good": cur(measure.Pass, ""), "x.bad": cur(measure.Pass, "")}}
	if s := left.Derive("ENC-1", view, all, noon); s.State != measure.Unproven || s.Reason != measure.ReasonNoCheck {
		t.Errorf("one of its checks was removed: %s (%s)", s.State, s.Reason)
	}
	all.Runs["x.good"] = cur(measure.Fail, "")
	if s := left.Derive("ENC-1", view, all, noon); s.State != measure.NotMet {
		t.Errorf("one of its checks was removed, and the other fails: %s", s.State)
	}
}
