package console_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	annexes "github.com/garant-project/garant/internal/measure/tailoring/console"
)

// sample fills a house with something of everything, and returns the pages that show it.
func sample(t *testing.T) (h *house, pages map[string]string) {
	t.Helper()
	h = open(t, func(d *annexes.Deps) {
		d.Unowned = func(context.Context) (map[string]bool, error) {
			return map[string]bool{"PHY-7": true, "PWR-1": true}, nil
		}
	})
	h.look()
	bob := h.person("bob")
	h.send("/annex/company", "/annex/company", "company.legal_name", "Ardoise Mécénat SRL", "company.revision", "2027-11-12", "company.dpo.email", "dpo@ardoise.example", "also.training.fr", "Chacun est formé à l'arrivée.", "also.training.en", "Everybody is trained on arrival.")
	h.send("/annex/BAK-4", "/annex/BAK-4/exclude", "excluded.reason.fr", "Nous n'utilisons pas Redis.", "excluded.reason.en", "We do not use Redis.")
	h.send("/annex/review", "/annex/review", "note", "Première version")
	h.auth.who = bob
	h.publish()
	h.auth.who = h.alice
	h.send("/annex/parameters", "/annex/parameters", "p.backup.database.retention", "30d", "p.endpoint.tls.accepted", "TLS 1.3")
	h.send("/annex/ENC-1", "/annex/ENC-1", "sentence.fr", "Toutes les données circulent en HTTPS, partout, et seule la version {endpoint.tls.accepted} est acceptée.", "sentence.en", "All data travels over HTTPS, everywhere, and only {endpoint.tls.accepted} is accepted.", "owner", "security")
	h.send("/annex/LOG-3", "/annex/LOG-3", "attested", "1")
	h.send("/annex/own", "/annex/own", "title.fr", "Formation", "title.en", "Training", "sentence.fr", "Chacun est formé à l'arrivée.", "sentence.en", "Everybody is trained on arrival.", "method.fr", "On le confirme.", "method.en", "Somebody confirms it.", "section", "1.2")
	h.send("/annex/review", "/annex/review", "note", "Trente jours de rétention, comme au contrat")
	h.auth.who = bob
	return h, map[string]string{
		"list": "/annex", "list-narrowed": "/annex?state=unproven&kind=attested", "list-empty": "/annex?state=stale", "measure": "/annex/ENC-1", "measure-attested": "/annex/LOG-3", "measure-excluded": "/annex/BAK-4", "measure-own": "/annex/OWN-1",
		"own": "/annex/own", "parameters": "/annex/parameters", "company": "/annex/company", "text": "/annex/text", "review": "/annex/review", "versions": "/annex/versions", "version": "/annex/versions/1",
	}
}

// browser opens a browser on the site, under its own policy.
func browser(t *testing.T, h *house) (ctx context.Context, address string) {
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
	server := httptest.NewServer(http.Handler(h.site))
	t.Cleanup(server.Close)
	ctx, stop := chromedp.NewExecAllocator(context.Background(), chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.Headless)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(stop)
	return ctx, server.URL
}

// visit opens a page and waits for its fonts.
func visit(ctx context.Context, t *testing.T, address, lang, theme string, width int64) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("lang", lang)
	u.RawQuery = q.Encode()
	_, err = chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}},
	})
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
	axe, err := os.ReadFile("../../../web/ui/testdata/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	h, pages := sample(t)
	ctx, address := browser(t, h)
	for _, look := range []struct {
		theme, lang string
		width       int64
	}{{"light", "fr", 1280}, {"dark", "en", 360}} {
		for name, path := range pages {
			visit(ctx, t, address+path, look.lang, look.theme, look.width)
			evaluate[bool](ctx, t, string(axe)+"; true")
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

// With GARANT_PREVIEW_DIR set, pictures of every page are left there, for whoever designs them.
func TestPreview(t *testing.T) {
	dir := os.Getenv("GARANT_PREVIEW_DIR")
	if dir == "" {
		t.Skip("GARANT_PREVIEW_DIR is not set")
	}
	h, pages := sample(t)
	ctx, address := browser(t, h)
	for _, look := range []struct {
		theme, lang string
		width       int64
	}{{"light", "fr", 1280}, {"dark", "en", 1280}, {"light", "fr", 360}} {
		for name, path := range pages {
			visit(ctx, t, address+path, look.lang, look.theme, look.width)
			picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s-%s-%d.png", name, look.lang, look.theme, look.width)), picture, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}
