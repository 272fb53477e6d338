package anonymise

import (
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/measure/measuretest"
)

func TestMessages(t *testing.T) {
	a := &Anonymise{}
	measuretest.Words(t, CheckMessages(), Problems(), a.Checks().All()...)
	measuretest.Listed(t, Problems())
}

// TestProblemsHaveFaults: no problem is claimed that no fault brings about.
func TestProblemsHaveFaults(t *testing.T) {
	w := &world{t: t}
	brought := map[string]bool{}
	for _, list := range w.faults().All() {
		for _, f := range list {
			brought[f.Item.Problem] = true
		}
	}
	for _, p := range Problems() {
		if !brought[string(p)] && p != CheckBroken { // a panic is ours, and no state of a system
			t.Errorf("no fault brings about %s", p)
		}
	}
}

// TestCatalogueKnowsTheChecks: the measures and facts that the checks name are the catalogue's, and each fact that the catalogue expects of this engine is given.
func TestCatalogueKnowsTheChecks(t *testing.T) {
	known, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	a := &Anonymise{}
	if _, err := measure.NewRegistry(known, measure.Engine{Name: "anonymise", Checks: a.Checks().All()}); err != nil {
		t.Fatal(err)
	}
	given := map[string]bool{}
	for _, c := range a.Checks().All() {
		for _, f := range c.Facts {
			given[f] = true
		}
	}
	for _, m := range known.Measures {
		for _, f := range m.Facts {
			if strings.HasPrefix(f, "anonymise.") && !given[f] {
				t.Errorf("no check gives %s of %s", f, m.ID)
			}
		}
	}
}
