package console_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/web/browsertest"
)

// ownerSample fills a firm with something of everything, and returns the pages that show it.
func ownerSample(t *testing.T) (f *firm, pages map[string]string) {
	t.Helper()
	f = openFirm(t)
	for _, id := range []string{whole, perSite} {
		f.post("/measures/"+id+"/owner", http.StatusSeeOther, "seen", "0", "responsible", f.lead.ID, "deputy", f.ben.ID, "until", f.today())
	}
	f.upload("/measures/"+whole+"/attestations", http.StatusSeeOther, strings.Repeat("rapport-de-visite-", 6)+".pdf", "%PDF-1.7\n%%EOF\n",
		"words", f.words(whole), "observed_on", f.today(), "statement", "confirmed", "note", "Visite avec le gestionnaire de l'immeuble ; exercice d'évacuation le matin même.")
	f.post("/measures/"+whole+"/attestations", http.StatusSeeOther, "words", f.words(whole), "observed_on", f.today(), "statement", "refused")
	f.post("/measures/"+perSite+"/attestations", http.StatusSeeOther, "words", f.words(perSite), "observed_on", f.today(), "statement", "confirmed", "site", "liege")
	return f, map[string]string{
		"owners-desk": "/", "owners-measures": "/measures", "owners-mine": "/measures?show=mine", "owners-refused": "/measures/" + whole, "owners-sites": "/measures/" + perSite, "owners-unowned": "/measures/ORG-1", "owners-checked": "/measures/ENC-1",
	}
}

func TestOwnerAccessibility(t *testing.T) {
	f, pages := ownerSample(t)
	browsertest.Open(t, f.site).Accessible(pages, browsertest.Looks()...)
}
