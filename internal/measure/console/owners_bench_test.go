package console_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/measure"
)

// BenchmarkMeasurePages asks for the pages on measures of a company of 500 persons in which every
// measure has somebody who answers for it and two years of words.
func BenchmarkMeasurePages(b *testing.B) {
	f := openFirm(b)
	for i := range 500 {
		f.hire(fmt.Sprintf("person%d", i), fmt.Sprintf("Personne %d (exemple)", i), actor.Member)
	}
	for _, m := range f.runner.Registry.Catalogue.Measures {
		if !measure.NeedsOwner(m) {
			continue
		}
		f.post("/measures/"+m.ID+"/owner", http.StatusSeeOther, "seen", "0", "responsible", f.lead.ID)
		for range 3 {
			if m.Attest && m.Per == "" {
				f.post("/measures/"+m.ID+"/attestations", http.StatusSeeOther, "words", f.words(m.ID), "observed_on", f.today(), "statement", "confirmed")
			}
		}
	}
	for name, path := range map[string]string{"list": "/measures", "one": "/measures/" + whole, "desk": "/"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r := httptest.NewRequest(http.MethodGet, path, nil)
				r.Host = "admin.localhost"
				w := httptest.NewRecorder()
				if f.site.ServeHTTP(w, r); w.Code != http.StatusOK {
					b.Fatal(w.Code)
				}
			}
		})
	}
}
