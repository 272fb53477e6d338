package register_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/engine/register"
	"github.com/garant-project/garant/internal/engine/register/registertest"
	"github.com/garant-project/garant/internal/measure"
)

// large is a company of 500 persons and 5 000 assets.
func large(t testing.TB) *site {
	w := open(t)
	start := time.Now()
	if err := registertest.Seed(w.ctx, w.r, w.lead, 500, 5000, w.now); err != nil {
		t.Fatal(err)
	}
	t.Logf("500 persons and 5 000 assets in %s", time.Since(start))
	return w.site()
}

// largePages are the pages that a reader of it opens.
func (h *site) largePages() []string {
	first := func(key string) string {
		l := must[register.Listing](h.t)(h.r.List(h.ctx, h.lead, key, register.Query{Limit: 1}, h.now))
		return "/registers/" + key + "/" + l.Entries[0].ID.String()
	}
	return []string{
		"/registers", "/registers/assets", "/registers/persons", "/registers/documents",
		"/registers/assets?kind=server", "/registers/assets?owner=-", "/registers/assets?q=materiel+n°+4999", "/registers/assets?state=lost", "/registers/persons?q=p499@ardoise.example",
		first(register.Assets), first(register.Persons), first(register.Documents), first(register.Assets) + "/edit", "/registers/assets/new", "/registers/assets/import",
	}
}

// Pages come within 15 ms at the median on a machine by itself. The median is said; held is the
// fastest of the runs, to twice as much, so that a machine that is busy with something else does not
// fail it, and what grows with the number of entries does.
func TestPagesOfALargeCompany(t *testing.T) {
	if testing.Short() {
		t.Skip("5 000 assets")
	}
	h := large(t)
	for _, target := range h.largePages() {
		var took []time.Duration
		for range 25 {
			start := time.Now()
			r, text := h.raw(target)
			took = append(took, time.Since(start))
			if r != http.StatusOK {
				t.Fatalf("%s: %d %s", target, r, text)
			}
		}
		slices.Sort(took)
		p50 := took[len(took)/2]
		t.Logf("%-60s p50 %s, fastest %s", target, p50, took[0])
		if took[0] > 30*time.Millisecond {
			t.Errorf("%s takes %s at best", target, took[0])
		}
	}
	for _, c := range register.Checks(h.r).All() {
		start := time.Now()
		f := (&sound{world: h.world}).look(c, h.now)
		t.Logf("%-30s %s in %s", c.ID, f.Outcome, time.Since(start))
		if f.Outcome == measure.Error {
			t.Errorf("%s: %+v", c.ID, f.Failed)
		}
	}
}

func BenchmarkPages(b *testing.B) {
	h := large(b)
	for _, target := range h.largePages() {
		b.Run(target, func(b *testing.B) {
			for range b.N {
				h.raw(target)
			}
		})
	}
}
