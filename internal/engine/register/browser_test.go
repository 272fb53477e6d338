package register_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/garant-project/garant/internal/engine/register"
	"github.com/garant-project/garant/internal/engine/register/registertest"
	"github.com/garant-project/garant/internal/web/ui"
)

// browser opens a browser on the site, under its own policy.
func browser(t *testing.T, h *site) (ctx context.Context, address string) {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			program = found
			break
		}
	}
	if program == "" {
		t.Skip("needs Chromium: apt-get install chromium")
	}
	if testing.Short() {
		t.Skip("starts a browser")
	}
	mux := http.NewServeMux()
	mux.Handle("/static/", ui.Static())
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		r.Host = "admin.localhost" // the browser came by an address
		h.site.ServeHTTP(w, r)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	ctx, stop := chromedp.NewExecAllocator(context.Background(), chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.Headless)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(stop)
	return ctx, server.URL
}

func visit(ctx context.Context, t *testing.T, address, lang, theme string, width int64) {
	t.Helper()
	u := must[*url.URL](t)(url.Parse(address))
	q := u.Query()
	q.Set("lang", lang)
	u.RawQuery = q.Encode()
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}})
	if err == nil {
		err = chromedp.Do(ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate(u.String()))
	}
	if err != nil {
		t.Fatal(address, err)
	}
	if !evaluate[bool](ctx, t, `document.fonts.ready.then(() => true)`) {
		t.Fatal("no fonts")
	}
}

func evaluate[T any](ctx context.Context, t *testing.T, script string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// axe finds nothing to say, in either theme, on a wide window and on a phone; and no page is
// wider than its window (WCAG 2.2, 1.4.10).
func TestAccessibility(t *testing.T) {
	axe := string(must[[]byte](t)(os.ReadFile("../../web/ui/testdata/axe.min.js")))
	w := open(t)
	if err := registertest.Seed(w.ctx, w.r, w.lead, 40, 60, w.now); err != nil {
		t.Fatal(err)
	}
	h := w.site()
	ctx, address := browser(t, h)
	first := func(key string) string {
		l := must[register.Listing](t)(w.r.List(w.ctx, w.lead, key, register.Query{Limit: 3}, w.now))
		return "/registers/" + key + "/" + l.Entries[0].ID.String()
	}
	pages := map[string]string{"registers": "/registers", "list": "/registers/assets", "nothing": "/registers/assets?kind=storage", "entry": first(register.Assets), "document": first(register.Documents),
		"form": first(register.Assets) + "/edit", "new": "/registers/suppliers/new", "import": "/registers/persons/import"}
	for _, look := range []struct {
		theme, lang string
		width       int64
	}{{"light", "fr", 1280}, {"dark", "en", 360}} {
		for name, path := range pages {
			visit(ctx, t, address+path, look.lang, look.theme, look.width)
			evaluate[bool](ctx, t, axe+"; true")
			found := evaluate[[]string](ctx, t, `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(r =>
				r.passes.length < 15 ? ["axe looked at too little"] : r.violations.map(v => v.id + ": " + v.nodes.map(n => n.target + " " + n.failureSummary).join("; ")))`)
			for _, f := range found {
				t.Errorf("%s, %s, %s, %d px: %s", name, look.lang, look.theme, look.width, f)
			}
			if wide := evaluate[int64](ctx, t, `document.documentElement.scrollWidth`); wide > look.width {
				t.Errorf("%s, %d px: the page is %d px wide", name, look.width, wide)
			}
		}
	}
}

// Somebody at reception imports the staff from a spreadsheet: it is checked, mended and imported, by
// the form as a browser sends it.
func TestReceptionImports(t *testing.T) {
	w := open(t)
	h := w.site()
	ctx, address := browser(t, h)
	bad, good := filepath.Join(t.TempDir(), "staff.csv"), filepath.Join(t.TempDir(), "staff.csv")
	for path, text := range map[string]string{bad: "Nom;Adresse électronique;Statut;Arrivée\nAna Exemple;ana@ardoise.example;stagiaire;29/02/2024\n", good: "Nom;Adresse électronique;Statut;Arrivée\nAna Exemple;ana@ardoise.example;employé;29/02/2024\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	send := func(path, button string) string {
		t.Helper()
		visit(ctx, t, address+"/registers/persons/import", "fr", "light", 1280)
		if err := chromedp.Do(ctx, chromedp.SetUploadFiles("#file", []string{path}), chromedp.Click(`button[value="`+button+`"]`), chromedp.WaitVisible(".notice")); err != nil {
			t.Fatal(err)
		}
		return evaluate[string](ctx, t, `document.querySelector("main").innerText`)
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
