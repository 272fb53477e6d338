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
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web/console"
)

const smaller = `company: {name: Ardoise Mécénat, country: BE, languages: [fr, en], time_zone: Europe/Brussels, contact: dpo@ardoise.example}
endpoints:
  - {name: application, url: "https://app.ardoise.example", environment: production, audience: public}
  - {name: back-office, url: "https://admin.ardoise.example", environment: production, audience: admin}
policy: {every: 5m}
`

// sample fills a house with something of everything, and returns the pages that show it.
func sample(t *testing.T) (h *house, pages map[string]string) {
	t.Helper()
	h = open(t)
	ctx := context.Background()
	h.apply()
	h.look()
	f := failing()
	f.Facts = map[string]measure.Fact{"endpoint.tls.versions": measure.List("TLS 1.2", "TLS 1.3"), "endpoint.tls.examined": measure.Count(2)}
	h.sees["test.tls"] = f
	h.sees["test.hsts"] = measure.Finding{Outcome: measure.Error, Failed: []measure.Item{{Target: "application", Problem: measure.ProblemTimeout}, {Target: "back-office", Problem: measure.ProblemTimeout}}}
	h.look("test.tls", "test.hsts")
	now := h.now()
	for i, m := range h.runner.Registry.Catalogue.Measures {
		if i < 40 {
			h.state(m.ID, measure.Met, now.AddDate(0, 0, -2*i-3))
		}
	}
	h.state("ENC-1", measure.NotMet, now.Add(-72*time.Hour))
	if _, err := estate.Apply(ctx, h.db.Pool(pg.Staff), actor.NewSystem("cli:root"), []byte(smaller), estate.Dir(t.TempDir())); err != nil {
		t.Fatal(err)
	}
	if _, err := h.runner.Run(ctx, actor.NewSystem("scheduler"), "test.certificate"); err != nil {
		t.Fatal(err)
	}
	list, err := measure.ListEvidence(ctx, h.db.Pool(pg.Staff), "test.tls", "", 1)
	if err != nil || len(list) != 1 {
		t.Fatal(err)
	}
	done, err := h.runner.Ask(ctx, h.lead, "test.tls")
	if err == nil {
		err = h.work("test.tls", done)
	}
	if err != nil {
		t.Fatal(err)
	}
	waiting, err := h.runner.Ask(ctx, h.lead, "test.certificate")
	if err != nil {
		t.Fatal(err)
	}
	code, drawn := h.send("/audit", url.Values{"population": {"evidence:test.tls"}, "from": {now.AddDate(0, 0, -30).Format(time.DateOnly)}, "until": {now.Format(time.DateOnly)}, "method": {"random"}, "size": {"25"}, "purpose": {"ENC-1 et la suite"}})
	if code != http.StatusUnprocessableEntity { // nothing is old enough yet
		t.Fatal(code, drawn)
	}
	h.ahead = 10 * time.Minute
	code, drawn = h.send("/audit", url.Values{"population": {"evidence:test.tls"}, "from": {now.AddDate(0, 0, -30).Format(time.DateOnly)}, "until": {h.now().Format(time.DateOnly)}, "method": {"random"}, "size": {"25"}, "purpose": {"ENC-1 et la suite"}})
	if code != http.StatusSeeOther {
		t.Fatal(code)
	}
	if code, _ := h.send(drawn+"/items/1", url.Values{"result": {"exception"}, "note": {"TLS 1.1 est encore accepté."}}); code != http.StatusSeeOther {
		t.Fatal(code)
	}
	h.ahead = 0
	h.gives(console.Due{What: "Lire la charte", Href: "/", Why: "Elle est nouvelle.", Whom: "Accueil", Teams: []string{"facilities"}, Until: now.AddDate(0, 0, -2), Urgency: console.Decide, Mine: true})
	return h, map[string]string{
		"desk-mine": "/?whose=mine", "samples": "/audit", "sample": drawn, "sample-item": drawn + "/items/1",
		"desk": "/", "checks": "/checks", "check-failing": "/checks/test.tls", "check-blind": "/checks/test.hsts", "evidence": "/evidence/" + list[0].ID,
		"run-waiting": "/runs/" + waiting, "run-done": "/runs/" + done, "estate": "/estate", "version": "/estate/2", "people": "/people",
		"person": "/people/" + h.lead.ID + "?done=person_added", "record": "/record", "error": "/checks/test.nothing",
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
	axe, err := os.ReadFile("../../web/ui/testdata/axe.min.js")
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

// A run that somebody waits for tells by itself that it has finished, and then asks no more.
func TestRunIsFollowed(t *testing.T) {
	h, pages := sample(t)
	ctx, address := browser(t, h)
	visit(ctx, t, address+pages["run-waiting"], "en", "light", 1280)
	if s := evaluate[string](ctx, t, `document.querySelector("#run").innerText`); !strings.Contains(s, "Waiting") {
		t.Fatalf("the page says %q", s)
	}
	if err := h.work("test.certificate", strings.TrimPrefix(pages["run-waiting"], "/runs/")); err != nil {
		t.Fatal(err)
	}
	said := evaluate[string](ctx, t, `new Promise(done => {
		const until = Date.now() + 8000;
		const look = () => {
			const run = document.querySelector("#run");
			if (run.innerText.includes("See the evidence") || Date.now() > until) { done(run.innerText + "|" + run.hasAttribute("hx-get") + "|" + document.querySelectorAll("#run").length); }
			else { setTimeout(look, 50); }
		};
		look();
	})`)
	if !strings.Contains(said, "Everything is as it should be") || !strings.HasSuffix(said, "|false|1") {
		t.Errorf("after the run: %q", said)
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
