package tenancy

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	osexec "os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/web/ui"
)

// axe finds nothing to say, in either theme, on a wide window and on a phone; and no page is wider
// than its window (WCAG 2.2, 1.4.10). GARANT_SCREENSHOTS names a directory to keep pictures in.
func TestAccessibility(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	program, err := osexec.LookPath("chromium")
	if err != nil {
		t.Skip("needs Chromium: apt-get install chromium")
	}
	axe := string(must(os.ReadFile("../../web/ui/testdata/axe.min.js")))
	w := newWorld(t)
	w.tend()
	h := w.house()
	garant := w.connect(cluster.SuperUser, w.name)
	exec(t, garant, `UPDATE tenancy.key SET made_at = made_at - interval '91 days', installed_at = installed_at - interval '91 days'`)
	w.tend()
	for range 3 {
		w.mustLogin(w.a)
	}
	ended := w.mustLogin(w.b)
	exec(t, garant, `INSERT INTO tenancy.minting (id, at, database, place, key_id, kind, tenant_type, tenant, session, access, expires_at, subject, actor_kind, actor_id)
SELECT gen_random_uuid(), m.at - make_interval(days => n), m.database, m.place, m.key_id, m.kind, m.tenant_type, m.tenant, gen_random_uuid(), m.access, m.expires_at - make_interval(days => n), m.subject, m.actor_kind, m.actor_id
FROM tenancy.minting AS m, generate_series(1, 28) AS n, generate_series(0, (n * 7 + ascii(m.tenant)) % 9) AS k WHERE n % 7 > 1`)
	if _, err := w.tenancy.Revoke(context.Background(), w.anna, ended.Token.Claims().Session, "", "a lost laptop"); err != nil {
		t.Fatal(err)
	}
	job := must(w.tenancy.AskJob(context.Background(), w.bob, w.ask(nil)))
	anyone := must(w.tenancy.AskJob(context.Background(), w.bob, w.ask(func(a *Ask) { a.Name, a.Tenants, a.AnyTenant, a.Write = "migration", nil, true, true })))
	if err := w.tenancy.AcceptJob(context.Background(), w.anna, job, false); err != nil {
		t.Fatal(err)
	}
	_, _ = w.tenancy.Mint(context.Background(), w.app, Request{Database: "shop", IDToken: "a.b.c"})
	_, _ = w.serve(w.b, true)

	mux := http.NewServeMux()
	mux.Handle("/static/", ui.Static())
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		r.Host = "admin.localhost" // the browser came by an address
		h.site.ServeHTTP(rw, r)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	ctx, stop := chromedp.NewExecAllocator(context.Background(), chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.Headless)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(stop)
	evaluate := func(script string) []string {
		t.Helper()
		v, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](script, chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	pages := map[string]string{"databases": Path, "database": Path + "/shop", "ask": Path + "/shop/jobs/new", "job": Path + "/shop/jobs/" + job.String(), "decide": Path + "/shop/jobs/" + anyone.String()}
	for _, look := range []struct {
		theme, lang string
		width       int64
	}{{"light", "fr", 1280}, {"dark", "en", 360}} {
		for name, path := range pages {
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.theme}}})
			if err == nil {
				err = chromedp.Do(ctx, chromedp.EmulateViewport(look.width, 900), chromedp.Navigate(server.URL+path+"?lang="+look.lang))
			}
			if err != nil {
				t.Fatal(err)
			}
			evaluate(`document.fonts.ready.then(() => [])`)
			if dir := os.Getenv("GARANT_SCREENSHOTS"); dir != "" {
				if picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100)); err == nil {
					_ = os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s-%d.png", name, look.theme, look.width)), picture, 0o600)
				}
			}
			evaluate(axe + `; []`)
			found := evaluate(`axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(r =>
				r.passes.length < 15 ? ["axe looked at too little"] : r.violations.map(v => v.id + ": " + v.nodes.map(n => n.target + " " + n.failureSummary).join("; ")))`)
			for _, f := range found {
				t.Errorf("%s, %s, %s, %d px: %s", name, look.lang, look.theme, look.width, f)
			}
			for _, wide := range evaluate(fmt.Sprintf(`document.documentElement.scrollWidth > %d ? ["the page is " + document.documentElement.scrollWidth + " px wide"] : []`, look.width)) {
				t.Errorf("%s, %d px: %s", name, look.width, wide)
			}
		}
	}
}
