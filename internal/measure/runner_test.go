package measure_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func registry(t *testing.T, engines ...measure.Engine) *measure.Registry {
	t.Helper()
	cat, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	reg, err := measure.NewRegistry(cat, engines...)
	if err != nil {
		t.Fatal(err)
	}
	return reg
}

var scheduler = actor.NewSystem("scheduler")

// bench is a runner with one check whose finding the test sets.
type bench struct {
	*measure.Runner
	mu      sync.Mutex
	finding measure.Finding
	offset  time.Duration
	estate  *estate.Estate
	version int64
}

func (b *bench) set(f measure.Finding)  { b.mu.Lock(); defer b.mu.Unlock(); b.finding = f }
func (b *bench) shift(by time.Duration) { b.mu.Lock(); defer b.mu.Unlock(); b.offset += by }

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{estate: twoEndpoints(), version: 1}
	c := checkOf("x.y", "ENC-1")
	c.Run = func(context.Context, measure.In) measure.Finding { b.mu.Lock(); defer b.mu.Unlock(); return b.finding }
	b.Runner = &measure.Runner{
		Registry: registry(t, measure.Engine{Name: "x", Checks: []measure.Check{c}}),
		DB:       pgtest.New(t),
		View: func(context.Context) (measure.View, error) {
			return measure.View{Estate: b.estate, Version: b.version}, nil
		},
		Build: "test",
		Now:   func() time.Time { b.mu.Lock(); defer b.mu.Unlock(); return time.Now().Add(b.offset) },
		Log:   slog.New(slog.DiscardHandler),
	}
	b.set(measure.Finding{Outcome: measure.Pass, Scope: []string{"a", "b"}})
	return b
}

func (b *bench) run(t *testing.T) {
	t.Helper()
	if _, err := b.Run(context.Background(), scheduler, "x.y"); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) current(t *testing.T) *measure.Current {
	t.Helper()
	all, err := measure.LoadCurrent(context.Background(), b.DB.Pool(pg.Staff))
	if err != nil {
		t.Fatal(err)
	}
	return all["x.y"]
}

func (b *bench) evidence(t *testing.T) []measure.Evidence {
	t.Helper()
	list, err := measure.ListEvidence(context.Background(), b.DB.Pool(pg.Staff), "x.y", "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if !e.Intact() {
			t.Errorf("evidence %s does not match its digest", e.ID)
		}
	}
	return list
}

func TestEqualFindingsAreRolledUp(t *testing.T) {
	b := newBench(t)
	for range 5 {
		b.run(t)
	}
	if list := b.evidence(t); len(list) != 1 {
		t.Fatalf("5 equal findings left %d rows", len(list))
	}
	cur := b.current(t)
	if cur.Observations != 5 || !cur.ObservedAt.After(cur.FirstAt) {
		t.Errorf("rolled up as %d observations from %v to %v", cur.Observations, cur.FirstAt, cur.ObservedAt)
	}
	// Another finding closes the run of equal ones with a rollup and begins its own.
	b.set(measure.Finding{Outcome: measure.Fail, Scope: []string{"a", "b"}, Failed: []measure.Item{{Target: "a", Problem: "p"}}})
	b.run(t)
	list := b.evidence(t)
	if len(list) != 3 || list[1].Kind != "rollup" || list[1].Observations != 5 || list[0].Outcome != measure.Fail {
		t.Fatalf("after a change: %+v", list)
	}
	entries, err := audit.List(context.Background(), b.DB.Pool(pg.Staff), audit.Filter{Object: audit.Object{Kind: "check", ID: "x.y"}})
	if err != nil || len(entries) != len(list) {
		t.Errorf("%d audit entries for %d evidence rows (%v)", len(entries), len(list), err)
	}
}

// A look that began before a failure was seen, on another server, and ends after it does not clear it.
func TestALatePassClearsNothing(t *testing.T) {
	b := newBench(t)
	b.run(t)
	began, end := make(chan struct{}), make(chan struct{})
	slow := checkOf("x.y", "ENC-1")
	slow.Run = func(context.Context, measure.In) measure.Finding {
		close(began)
		<-end
		return measure.Finding{Outcome: measure.Pass, Scope: []string{"a", "b"}}
	}
	other := &measure.Runner{Registry: registry(t, measure.Engine{Name: "x", Checks: []measure.Check{slow}}), DB: b.DB, View: b.View, Build: b.Build, Now: b.Now, Log: b.Log}
	var late measure.Result
	var failed error
	var wg sync.WaitGroup
	wg.Go(func() { late, failed = other.Run(context.Background(), scheduler, "x.y") })
	<-began
	b.set(measure.Finding{Outcome: measure.Fail, Scope: []string{"a", "b"}, Failed: []measure.Item{{Target: "a", Problem: "p"}}})
	b.run(t)
	close(end)
	wg.Wait()
	if failed != nil {
		t.Fatal(failed)
	}
	if cur := b.current(t); cur.Finding.Outcome != measure.Fail {
		t.Errorf("the check is at %s, seen at %v", cur.Finding.Outcome, cur.ObservedAt)
	}
	if list := b.evidence(t); len(list) != 3 || list[0].ID != late.EvidenceID || list[0].Outcome != measure.Pass {
		t.Errorf("the evidence is %+v", list)
	}
	b.set(measure.Finding{Outcome: measure.Pass, Scope: []string{"a", "b"}})
	b.run(t)
	if cur := b.current(t); cur.Finding.Outcome != measure.Pass {
		t.Errorf("after a look that passed, the check is at %s", cur.Finding.Outcome)
	}
}

func TestBlindnessKeepsWhatWasLastSeen(t *testing.T) {
	b := newBench(t)
	b.run(t)
	b.set(measure.Finding{Outcome: measure.Error, Failed: []measure.Item{{Target: "a", Problem: "p"}}})
	b.run(t)
	b.run(t)
	cur := b.current(t)
	if cur.Finding.Outcome != measure.Error || cur.Definite != measure.Pass || cur.DefiniteAt.IsZero() || cur.FirstAt.Before(cur.DefiniteAt) {
		t.Errorf("blind since %v, last saw %s at %v", cur.FirstAt, cur.Definite, cur.DefiniteAt)
	}
}

func TestAnotherEstateBeginsANewRun(t *testing.T) {
	b := newBench(t)
	b.run(t)
	b.version = 2
	b.run(t)
	if list := b.evidence(t); len(list) != 2 || list[0].EstateVersion != 2 {
		t.Errorf("evidence of two estates: %+v", list)
	}
}

func TestClocksThatDisagreeStoreNothing(t *testing.T) {
	b := newBench(t)
	b.shift(24 * time.Hour)
	_, err := b.Run(context.Background(), scheduler, "x.y")
	if !errs.Is(err, errs.Unavailable) || b.current(t) != nil {
		t.Errorf("a clock a day ahead: %v, %+v", err, b.current(t))
	}
	b.shift(-24 * time.Hour)
	b.run(t)
}

func TestObserveHoldsTheContract(t *testing.T) {
	in := measure.In{Estate: twoEndpoints(), Now: noon}
	quiet := slog.New(slog.DiscardHandler)
	whole := []string{"a", "b"}
	for name, c := range map[string]struct {
		run     func(context.Context, measure.In) measure.Finding
		want    measure.Outcome
		problem string
	}{
		"less than the scope": {func(context.Context, measure.In) measure.Finding {
			return measure.Finding{Outcome: measure.Pass, Scope: []string{"a"}}
		}, measure.Error, measure.ProblemNotExamined},
		"nothing at all": {func(context.Context, measure.In) measure.Finding { return measure.Finding{} }, measure.Error, ""},
		"a pass that names failures": {func(context.Context, measure.In) measure.Finding {
			return measure.Finding{Outcome: measure.Pass, Scope: whole, Failed: []measure.Item{{Target: "a", Problem: "p"}}}
		}, measure.Fail, "p"},
		"a panic": {func(context.Context, measure.In) measure.Finding { panic("boom") }, measure.Error, measure.ProblemPanic},
		"a raw observation that is too large": {func(context.Context, measure.In) measure.Finding {
			return measure.Finding{Outcome: measure.Pass, Scope: whole, Raw: json.RawMessage(`"` + strings.Repeat("x", 65<<10) + `"`)}
		}, measure.Error, measure.ProblemTooLarge},
		"never coming back": {func(context.Context, measure.In) measure.Finding { select {} }, measure.Error, measure.ProblemTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			check := checkOf("x.y", "ENC-1")
			check.Run, check.Timeout = c.run, 10*time.Millisecond
			f := measure.Observe(context.Background(), check, in, quiet)
			if f.Outcome != c.want || (c.problem != "" && (len(f.Failed) == 0 || f.Failed[0].Problem != c.problem)) {
				t.Errorf("%s %+v", f.Outcome, f.Failed)
			}
		})
	}
	check := checkOf("x.y", "ENC-1")
	check.Run = func(context.Context, measure.In) measure.Finding {
		return measure.Finding{Outcome: measure.Pass, Scope: whole, Facts: map[string]measure.Fact{"undeclared": measure.Count(1)}}
	}
	if f := measure.Observe(context.Background(), check, in, quiet); len(f.Facts) != 0 {
		t.Errorf("an undeclared fact came through: %v", f.Facts)
	}
}

func TestRegistryRefusesWrongChecks(t *testing.T) {
	cat, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	run := func(context.Context, measure.In) measure.Finding { return measure.Finding{} }
	for name, change := range map[string]func(*measure.Check){
		"no measure":         func(c *measure.Check) { c.Measures = nil },
		"an unknown measure": func(c *measure.Check) { c.Measures = []string{"XXX-1"} },
		"an unknown fact":    func(c *measure.Check) { c.Facts = []string{"x.z"} },
		"a strange id":       func(c *measure.Check) { c.ID = "Bad" },
		"no run":             func(c *measure.Check) { c.Run = nil },
		"no scope":           func(c *measure.Check) { c.Scope = nil },
		"a short validity":   func(c *measure.Check) { c.Valid = c.Every },
	} {
		c := checkOf("x.y", "ENC-1")
		c.Run = run
		change(&c)
		if _, err := measure.NewRegistry(cat, measure.Engine{Name: "x", Checks: []measure.Check{c}}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	c := checkOf("x.y", "ENC-1")
	c.Run = run
	if _, err := measure.NewRegistry(cat, measure.Engine{Name: "x", Checks: []measure.Check{c, c}}); err == nil {
		t.Error("the same id twice: accepted")
	}
}

func TestAskNeedsThePermission(t *testing.T) {
	b := newBench(t)
	reader := actor.Actor{Kind: actor.Person, ID: "p1", Permissions: actor.Reader.Permissions()}
	if _, err := b.Ask(context.Background(), reader, "x.y"); !errs.Is(err, errs.Denied) {
		t.Errorf("a reader asked: %v", err)
	}
	operator := actor.Actor{Kind: actor.Person, ID: "p2", Permissions: actor.Operator.Permissions()}
	id, err := b.Ask(context.Background(), operator, "x.y")
	if err != nil {
		t.Fatal(err)
	}
	asked, err := measure.LoadAsked(context.Background(), b.DB.Pool(pg.Staff), id)
	if err != nil || asked.AskedBy != "p2" || asked.FinishedAt != nil {
		t.Errorf("%+v, %v", asked, err)
	}
	if err := b.Jobs()[0].Work(context.Background(), json.RawMessage(`{"check":"x.y","run":"`+id+`"}`)); err != nil {
		t.Fatal(err)
	}
	asked, err = measure.LoadAsked(context.Background(), b.DB.Pool(pg.Staff), id)
	if err != nil || asked.FinishedAt == nil || *asked.Outcome != "pass" || asked.EvidenceID == nil {
		t.Errorf("%+v, %v", asked, err)
	}
	entries, err := audit.List(context.Background(), b.DB.Pool(pg.Staff), audit.Filter{Action: "check.run_asked"})
	if err != nil || len(entries) != 2 || !entries[1].Refused || entries[0].Refused {
		t.Errorf("%+v, %v", entries, err)
	}
}

// What is looked for in vain says so in words of its own, whether the id is one or not.
func TestNoSuchRunOrEvidence(t *testing.T) {
	staff := newBench(t).DB.Pool(pg.Staff)
	for _, id := range []string{"", "x", "01890000-0000-7000-8000-000000000000"} {
		var got *errs.Error
		if _, err := measure.LoadAsked(context.Background(), staff, id); !errors.As(err, &got) || got.ID != "measure.no_run" || got.Fix == "" {
			t.Errorf("run %q: %v", id, err)
		}
		if _, err := measure.LoadEvidence(context.Background(), staff, id); !errors.As(err, &got) || got.ID != "measure.no_evidence" || got.Fix == "" {
			t.Errorf("evidence %q: %v", id, err)
		}
	}
}
