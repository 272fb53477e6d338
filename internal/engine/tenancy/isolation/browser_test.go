package isolation

import (
	"context"
	"fmt"
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

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/estate"
)

// looking is how somebody looks at a page.
type looking struct {
	theme, lang string
	width       int64
}

// browser opens the pages of a house in a browser.
func browser(t *testing.T, h *house) (context.Context, string) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser")
	}
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
	server := httptest.NewServer(h.site)
	t.Cleanup(server.Close)
	ctx, stop := chromedp.NewExecAllocator(context.Background(), chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.Headless)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(stop)
	return ctx, server.URL
}

func visit(ctx context.Context, t *testing.T, address string, as looking) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("lang", as.lang)
	u.RawQuery = q.Encode()
	theme := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: as.theme}}}
	if _, err = chromedp.Call(ctx, emulation.SetEmulatedMedia, theme); err == nil {
		err = chromedp.Do(ctx, chromedp.EmulateViewport(as.width, 900), chromedp.Navigate(u.String()))
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

// large adds a schema of 150 tables to a world, some with doubts, and classifies them anew.
func (w *world) large() {
	w.t.Helper()
	var sql strings.Builder
	sql.WriteString("SET ROLE app_owner; CREATE SCHEMA accounting; GRANT USAGE ON SCHEMA accounting TO app; SET search_path = accounting;")
	m, err := manifest.Parse(w.manifest)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range 150 {
		name := fmt.Sprintf("%s_%03d", []string{"invoice", "payment_reminder", "ledger_entry_of_the_customer", "rate"}[i%4], i)
		fmt.Fprintf(&sql, "CREATE TABLE %s (id bigint PRIMARY KEY, customer_id uuid);", name)
		entry := manifest.Table{Schema: "accounting", Name: name, Kind: manifest.KindTable, Class: []manifest.Class{manifest.Tenant, manifest.Private, manifest.Tenant, manifest.Private}[i%4], Reason: "customer_id refers to shop.customer"}
		if entry.Class == manifest.Tenant {
			entry.Column, entry.Grants = "customer_id", []string{"SELECT"}
		}
		if i%23 == 0 {
			entry.Doubts = []string{"It may be emptied each night: is it kept on purpose?", manifest.Blocks + " whose rows are these?"}
		}
		m.Tables = append(m.Tables, entry)
	}
	sql.WriteString("RESET ROLE; RESET search_path")
	w.exec(sql.String())
	var b strings.Builder
	if err := m.Write(&b); err != nil {
		w.t.Fatal(err)
	}
	w.declare([]byte(b.String()))
}

// pagesOf are pages of a real database: sound, broken, and broken all over.
func pagesOf(t *testing.T, look func(ctx context.Context, state, address string, paths map[string]string)) {
	w := newWorld(t)
	h := newHouse(t, Checks(Deps{}))
	h.forget()
	ctx, address := browser(t, h)
	each := func(state string, paths map[string]string) { look(ctx, state, address, paths) }
	each("none", map[string]string{"none": "/isolation"})
	h.estate = w.estate
	h.look()
	each("sound", map[string]string{"list": "/isolation", "sound": "/isolation/production"})
	w.exec(careless)
	h.look()
	each("broken", map[string]string{"list-broken": "/isolation", "broken": "/isolation/production", "filtered": "/isolation/production?severity=critical&q=line"})
	w.address("GARANT_TEST_URL", "postgres://reader@127.0.0.1:1/shop?connect_timeout=1")
	h.look()
	each("blind", map[string]string{"blind": "/isolation/production"})
	w.large()
	h.estate, h.number = w.estate, 2
	h.look()
	each("large", map[string]string{"large": "/isolation/production"})
	bare := *h.estate
	bare.Databases = []estate.Database{h.estate.Databases[0]}
	tenancy := *bare.Databases[0].Tenancy
	tenancy.Manifest = nil
	bare.Databases[0].Tenancy = &tenancy
	h.estate, h.number = &bare, 3
	each("bare", map[string]string{"bare": "/isolation/production", "list-bare": "/isolation"})
}

// axe finds nothing to say, in either theme, on a wide window and on a phone; no page is wider than its
// window (WCAG 2.2, 1.4.10).
func TestAccessibility(t *testing.T) {
	axe, err := os.ReadFile("../../../web/ui/testdata/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	pagesOf(t, func(ctx context.Context, state, address string, paths map[string]string) {
		looks := []looking{{"light", "fr", 1280}, {"dark", "en", 360}}
		if state == "broken" { // has everything
			looks = append(looks, looking{"light", "en", 360}, looking{"dark", "fr", 1280})
		}
		for _, as := range looks {
			for name, path := range paths {
				visit(ctx, t, address+path, as)
				evaluate[bool](ctx, t, string(axe)+"; true")
				found := evaluate[[]string](ctx, t, `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(r =>
					r.passes.length < 15 ? ["axe looked at too little"] : r.violations.map(v => v.id + ": " + v.nodes.slice(0, 5).map(n => n.target + " " + n.failureSummary).join("; ")))`)
				for _, f := range found {
					t.Errorf("%s, %+v: %s", name, as, f)
				}
				if wide := evaluate[int64](ctx, t, `document.documentElement.scrollWidth`); wide > as.width {
					t.Errorf("%s, %+v: the page is %d px wide", name, as, wide)
				}
			}
		}
	})
}

// With GARANT_PREVIEW_DIR set, pictures of every page are left there, for whoever designs them.
func TestPreview(t *testing.T) {
	dir := os.Getenv("GARANT_PREVIEW_DIR")
	if dir == "" {
		t.Skip("GARANT_PREVIEW_DIR is not set")
	}
	pagesOf(t, func(ctx context.Context, _, address string, paths map[string]string) {
		for _, as := range []looking{{"light", "fr", 1280}, {"dark", "en", 1280}, {"light", "fr", 360}} {
			for name, path := range paths {
				visit(ctx, t, address+path, as)
				picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s-%s-%d.png", name, as.lang, as.theme, as.width)), picture, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
