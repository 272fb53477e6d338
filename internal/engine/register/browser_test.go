package register_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/garant-project/garant/internal/engine/register"
	"github.com/garant-project/garant/internal/engine/register/registertest"
	"github.com/garant-project/garant/internal/web/browsertest"
	"github.com/garant-project/garant/internal/web/ui"
)

// browser opens a browser on the site, under its own policy.
func browser(t *testing.T, h *site) *browsertest.Tab {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/static/", ui.Static())
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		r.Host = "admin.localhost" // the browser came by an address
		h.site.ServeHTTP(w, r)
	})
	return browsertest.Open(t, mux)
}

// axe finds nothing to say, in either theme, on a wide window and on a phone; and no page is
// wider than its window (WCAG 2.2, 1.4.10).
func TestAccessibility(t *testing.T) {
	w := open(t)
	if err := registertest.Seed(w.ctx, w.r, w.lead, 40, 60, w.now); err != nil {
		t.Fatal(err)
	}
	h := w.site()
	tab := browser(t, h)
	first := func(key string) string {
		l := must[register.Listing](t)(w.r.List(w.ctx, w.lead, key, register.Query{Limit: 3}, w.now))
		return "/registers/" + key + "/" + l.Entries[0].ID.String()
	}
	tab.Accessible(map[string]string{"registers": "/registers", "list": "/registers/assets", "nothing": "/registers/assets?kind=storage", "entry": first(register.Assets), "document": first(register.Documents),
		"form": first(register.Assets) + "/edit", "new": "/registers/suppliers/new", "import": "/registers/persons/import"}, browsertest.Looks()...)
}

// Somebody at reception imports the staff from a spreadsheet: it is checked, mended and imported, by
// the form as a browser sends it.
func TestReceptionImports(t *testing.T) {
	w := open(t)
	h := w.site()
	tab := browser(t, h)
	bad, good := filepath.Join(t.TempDir(), "staff.csv"), filepath.Join(t.TempDir(), "staff.csv")
	for path, text := range map[string]string{bad: "Nom;Adresse électronique;Statut;Arrivée\nAna Exemple;ana@ardoise.example;stagiaire;29/02/2024\n", good: "Nom;Adresse électronique;Statut;Arrivée\nAna Exemple;ana@ardoise.example;employé;29/02/2024\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	send := func(path, button string) string {
		t.Helper()
		tab.Visit("/registers/persons/import", browsertest.Look{Theme: "light", Lang: "fr", Width: 1280})
		tab.Do(chromedp.SetUploadFiles("#file", []string{path}), chromedp.Click(`button[value="`+button+`"]`), chromedp.WaitVisible(".notice"))
		return browsertest.Eval[string](tab, `document.querySelector("main").innerText`)
	}
	if text := send(bad, "check"); !strings.Contains(text, "1 ligne pose problème") || !strings.Contains(text, "stagiaire") {
		t.Errorf("the check of a wrong file says %q", text)
	}
	if text := send(good, "check"); !strings.Contains(text, "1 ligne est prête") {
		t.Errorf("the check of a right file says %q", text)
	}
	if w.count(register.Persons) != 0 {
		t.Error("a check saved somebody")
	}
	if text := send(good, "import"); !strings.Contains(text, "Le fichier est importé.") || !strings.Contains(text, "Ana Exemple") {
		t.Errorf("after the import: %q", text)
	}
}
