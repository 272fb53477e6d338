package measure_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
)

// whole and perSite are measures of the catalogue that are attested, for the whole and for each site.
const whole, perSite = "PHY-6", "PHY-1"

func TestDeriveAttested(t *testing.T) {
	reg := registry(t)
	said := func(measureID, target string, change ...func(*measure.Attested)) *measure.Attested {
		a := &measure.Attested{
			Measure: measureID, Target: target, ObservedAt: noon.Add(-48 * time.Hour), ReceivedAt: noon.Add(-time.Hour),
			ValidUntil: noon.Add(24 * time.Hour), Sentence: reg.Catalogue.SentenceHash(measureID),
		}
		for _, f := range change {
			f(a)
		}
		return a
	}
	refused := func(a *measure.Attested) { a.Refused = true }
	expired := func(a *measure.Attested) { a.ValidUntil = noon }
	other := func(a *measure.Attested) { a.Sentence = "another sentence" }
	future := func(a *measure.Attested) { a.ReceivedAt = noon.Add(time.Hour) }
	sites := func(ids ...string) measure.View {
		return measure.View{Estate: twoEndpoints(), Version: 1, Subjects: map[string][]string{catalogue.PerSite: ids}}
	}
	for _, c := range []struct {
		name, measure string
		view          measure.View
		said          []*measure.Attested
		state         measure.State
		reason        string
	}{
		{"confirmed", whole, sites(), []*measure.Attested{said(whole, "")}, measure.Met, measure.ReasonAttested},
		{"nobody has spoken", whole, sites(), nil, measure.Unproven, measure.ReasonUnattested},
		{"no longer so", whole, sites(), []*measure.Attested{said(whole, "", refused)}, measure.NotMet, measure.ReasonRefused},
		{"no longer so does not grow harmless", whole, sites(), []*measure.Attested{said(whole, "", refused, expired)}, measure.NotMet, measure.ReasonRefused},
		{"expired to the second", whole, sites(), []*measure.Attested{said(whole, "", expired)}, measure.Stale, measure.ReasonAttestationExpired},
		{"another sentence was confirmed", whole, sites(), []*measure.Attested{said(whole, "", other)}, measure.Stale, measure.ReasonTextChanged},
		{"said in the future", whole, sites(), []*measure.Attested{said(whole, "", future)}, measure.Stale, measure.ReasonFuture},
		{"every site", perSite, sites("a", "b"), []*measure.Attested{said(perSite, "a"), said(perSite, "b")}, measure.Met, measure.ReasonAttested},
		{"no site is known", perSite, sites(), []*measure.Attested{said(perSite, "a")}, measure.Unproven, measure.ReasonNoScope},
		{"a site has come since", perSite, sites("a", "b"), []*measure.Attested{said(perSite, "a")}, measure.Unproven, measure.ReasonNewScope},
		{"one site is no longer so", perSite, sites("a", "b"), []*measure.Attested{said(perSite, "a"), said(perSite, "b", refused)}, measure.NotMet, measure.ReasonRefused},
		{"a word on the whole covers no site", perSite, sites("a"), []*measure.Attested{said(perSite, "")}, measure.Unproven, measure.ReasonUnattested},
		{"without an estate", whole, measure.View{}, []*measure.Attested{said(whole, "")}, measure.Unproven, measure.ReasonNoCheck},
	} {
		s := reg.Derive(c.measure, c.view, measure.Known{Attested: map[string][]*measure.Attested{c.measure: c.said}}, noon)
		if s.State != c.state || s.Reason != c.reason {
			t.Errorf("%s: %s (%s), want %s (%s)", c.name, s.State, s.Reason, c.state, c.reason)
		}
	}
}

// A measure that checks prove and an owner attests needs both, and the heavier decides.
func TestAttestationBesideChecks(t *testing.T) {
	const id = "ORG-1"
	check := checkOf("x.y", id)
	reg := registry(t, measure.Engine{Name: "x", Checks: []measure.Check{check}})
	view := measure.View{Estate: twoEndpoints(), Version: 1}
	known := func(outcome measure.Outcome, refused bool, attested bool) measure.Known {
		k := measure.Known{Runs: map[string]*measure.Current{}, Attested: map[string][]*measure.Attested{}}
		if outcome != "" {
			k.Runs["x.y"] = &measure.Current{
				Finding:    measure.Finding{Outcome: outcome, Scope: []string{"a", "b"}, Failed: nil},
				ObservedAt: noon, ValidUntil: noon.Add(time.Minute), EstateVersion: 1,
			}
		}
		if attested {
			k.Attested[id] = []*measure.Attested{{Measure: id, Refused: refused, ObservedAt: noon.AddDate(0, 0, -40), ReceivedAt: noon, ValidUntil: noon.Add(time.Hour), Sentence: reg.Catalogue.SentenceHash(id)}}
		}
		return k
	}
	for _, c := range []struct {
		name  string
		known measure.Known
		want  measure.State
	}{
		{"both", known(measure.Pass, false, true), measure.Met},
		{"the check alone", known(measure.Pass, false, false), measure.Unproven},
		{"the owner alone", known("", false, true), measure.Unproven},
		{"a failing check is not talked away", known(measure.Fail, false, true), measure.NotMet},
		{"an owner's no outweighs a passing check", known(measure.Pass, true, true), measure.NotMet},
	} {
		if s := reg.Derive(id, view, c.known, noon); s.State != c.want {
			t.Errorf("%s: %s (%s), want %s", c.name, s.State, s.Reason, c.want)
		} else if len(c.known.Runs) > 0 && !s.ObservedAt.Equal(noon) {
			t.Errorf("%s: the checks looked at %v", c.name, s.ObservedAt)
		}
	}
}

func TestDeclaredChecks(t *testing.T) {
	own := checkOf("own.orders", "OWN-1", "ENC-1")
	own.OwnPace, own.Every, own.Valid = true, time.Hour, 3*time.Hour
	reg := registry(t, measure.Engine{Name: "own", CheckFor: func(*estate.Estate) []measure.Check { return []measure.Check{own} }})
	mine, err := reg.For(reg.Catalogue, twoEndpoints())
	if err != nil {
		t.Fatal(err)
	}
	if len(reg.Checks()) != 0 || len(mine.Checks()) != 1 || len(mine.Of("ENC-1")) != 1 || len(mine.Of("OWN-1")) != 0 {
		t.Errorf("of the build %d, of the estate %d, of ENC-1 %d", len(reg.Checks()), len(mine.Checks()), len(mine.Of("ENC-1")))
	}
	if every, _ := measure.Cadence(own, twoEndpoints()); every != time.Hour {
		t.Errorf("a check that keeps its own pace runs every %v", every)
	}
	twice := registry(t, measure.Engine{Name: "own", Checks: []measure.Check{checkOf("own.orders", "ENC-1")}, CheckFor: func(*estate.Estate) []measure.Check { return []measure.Check{own} }})
	if _, err := twice.For(twice.Catalogue, twoEndpoints()); err == nil {
		t.Error("a check of the estate took the name of one of the build")
	}
}

func TestReceive(t *testing.T) {
	b := newBench(t)
	pushed := checkOf("x.sent", "ENC-1")
	pushed.Run, pushed.Pushed, pushed.Valid = nil, true, 24*time.Hour
	looked := checkOf("x.y", "ENC-1")
	b.Registry = registry(t, measure.Engine{Name: "x", Checks: []measure.Check{pushed, looked}})
	ctx, seen := context.Background(), time.Now().Add(-time.Hour)
	pass := measure.Finding{Outcome: measure.Pass, Scope: []string{"a", "b"}, Source: "scanner 1.2"}
	send := func(f measure.Finding, at time.Time) error {
		_, err := b.Receive(ctx, scheduler, "x.sent", f, at)
		return err
	}
	if err := send(pass, seen); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"the same again":           send(pass, seen),
		"an older one":             send(pass, seen.Add(-time.Minute)),
		"one from the future":      send(pass, time.Now().Add(time.Hour)),
		"for a check that is run":  func() error { _, err := b.Receive(ctx, scheduler, "x.y", pass, seen); return err }(),
		"running what is received": func() error { _, err := b.Run(ctx, scheduler, "x.sent"); return err }(),
	} {
		if !errs.Is(err, errs.Conflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	reader := actor.Actor{Kind: actor.Person, ID: "p1", Permissions: actor.Reader.Permissions()}
	if _, err := b.Receive(ctx, reader, "x.sent", pass, time.Now()); !errs.Is(err, errs.Denied) {
		t.Errorf("a reader: %v", err)
	}
	if err := send(measure.Finding{Outcome: measure.Pass, Scope: []string{"a"}}, seen.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	all, err := b.Statuses(ctx)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(s measure.CheckStatus) bool { return s.Check.ID == "x.sent" })
	if i < 0 || all[i].Current == nil || all[i].Current.Finding.Outcome != measure.Error || all[i].State == measure.Met {
		t.Errorf("a result that leaves out a target counts as %+v", all[i])
	}
	if len(b.Recurrences(measure.View{Estate: b.estate, Version: 1})) != 1 {
		t.Error("what is received from elsewhere is scheduled here")
	}
}
