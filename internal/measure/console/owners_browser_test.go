package console_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
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
		"desk": "/", "measures": "/measures", "mine": "/measures?show=mine", "refused": "/measures/" + whole, "sites": "/measures/" + perSite, "unowned": "/measures/ORG-1", "checked": "/measures/ENC-1",
	}
}

func TestOwnerAccessibility(t *testing.T) {
	axe, err := os.ReadFile("../../web/ui/testdata/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	f, pages := ownerSample(t)
	ctx, address := browser(t, f.house)
	dir := os.Getenv("GARANT_PREVIEW_DIR")
	for _, look := range []struct {
		theme, lang string
		width       int64
	}{{"light", "fr", 1280}, {"dark", "en", 360}} {
		for name, path := range pages {
			visit(ctx, t, address+path, look.lang, look.theme, look.width)
			evaluate[bool](ctx, t, string(axe)+"; true")
			found := evaluate[[]string](ctx, t, `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(r =>
				r.passes.length < 15 ? ["axe looked at too little"] : r.violations.map(v => v.id + ": " + v.nodes.map(n => n.target + " " + n.failureSummary).join("; ")))`)
			for _, v := range found {
				t.Errorf("%s, %s, %s, %d px: %s", name, look.lang, look.theme, look.width, v)
			}
			if wide := evaluate[int64](ctx, t, `document.documentElement.scrollWidth`); wide > look.width {
				t.Errorf("%s, %d px: the page is %d px wide", name, look.width, wide)
			}
			if dir == "" {
				continue
			}
			picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("owners-%s-%s-%d.png", name, look.lang, look.width)), picture, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}
