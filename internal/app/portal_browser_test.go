package app

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/trees"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web/browsertest"
)

// Somebody of a customer in a real browser, under the pages' own policy: from a page of their application, which is another origin, to
// their log, through it, and to a bundle that holds without us. In both themes and languages, on a wide window and on a
// phone, axe finds nothing to say, and no page is wider than its window (WCAG 2.2, 1.4.10).
func TestPortalInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	ctx := context.Background()
	c := newCounter(t)
	c.fill()
	for i, say := range []string{"application.submitted", "application.refused", "payment.made"} {
		c.write(audit.Event{By: actor.NewSystem("sponsorship"), Tenant: c.a.String(), Action: say, On: audit.Object{Kind: "application", ID: fmt.Sprintf("00000000-0000-4000-8000-00000000000%d", i)}, Occurred: time.Now().Add(-time.Hour), Reason: "Une raison assez longue pour tenir sur plusieurs lignes d’un téléphone."})
	}
	c.must(c.g.Sequencer().Drain(ctx))
	server := httptest.NewServer(c.portal)
	defer server.Close()
	at, err := url.Parse(server.URL)
	c.must(err)
	origin := "http://portal.localhost:" + at.Port()
	mine, _ := c.token(c.a, nil)
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Referrer-Policy", "same-origin")
		_, _ = fmt.Fprintf(w, `<!doctype html><title>Application</title><form method="post" action="%s/enter"><input type="hidden" name="token" value="%s"><input type="hidden" name="back" value="http://ardoise.localhost:%s/"><button>Journal</button></form>`, origin, mine, at.Port())
	}))
	defer application.Close()

	b := browsertest.Start(t)
	text := func() string { return browsertest.Eval[string](b, `document.body ? document.body.innerText : ""`) }
	look := func(name string) {
		t.Helper()
		for _, l := range []browsertest.Look{{Theme: "light", Lang: "fr", Width: 1280}, {Theme: "dark", Lang: "en", Width: 360}} {
			address := browsertest.Eval[string](b, `(() => { const u = new URL(location.href); u.searchParams.set("lang", "`+l.Lang+`"); return u.href })()`)
			b.Dress(l)
			b.Do(chromedp.Navigate(address))
			b.Holds(name + ", " + l.Theme)
			if dir := os.Getenv(browsertest.PreviewVariable); dir != "" {
				b.Picture(filepath.Join(dir, "portal-"+name+"-"+l.Lang+"-"+l.Theme+".png"))
			}
		}
	}
	b.Do(chromedp.Navigate(origin + "/"))
	look("welcome")
	b.Do(chromedp.Navigate(strings.Replace(application.URL, "127.0.0.1", "ardoise.localhost", 1)), chromedp.Click("button"))
	time.Sleep(time.Second)
	if got := text(); !strings.Contains(got, "customer 1") || !strings.Contains(got, "payment.made") {
		t.Fatalf("the application does not lead to the log: %s\n%.800s", b.Where(), got)
	}
	look("trail")
	b.Do(chromedp.Navigate(origin+"/?lang=en"), chromedp.Click(".filters-fold > summary"), chromedp.SetValue("#action", "applicant.changed"), chromedp.Click(`.filters button[type="submit"]`))
	time.Sleep(time.Second)
	if got := text(); strings.Contains(got, "decided by ours") || !strings.Contains(got, "ours-person") {
		t.Fatalf("the filter: %.600s", got)
	}
	b.Do(chromedp.Click(`a[href^="/object?"]`))
	time.Sleep(time.Second)
	if got := text(); !strings.Contains(got, "before@ours.example") || !strings.Contains(got, "after@ours.example") {
		t.Fatalf("the story: %.600s", got)
	}
	look("story")
	for name, path := range map[string]string{"signins": "/sign-ins", "jobs": "/jobs", "export": "/export?object=application:ours-1", "none": "/?text=zzz"} {
		b.Do(chromedp.Navigate(origin + path))
		look(name)
	}
	// What the form of the export page sends, sent from that page.
	b.Do(chromedp.Navigate(origin + "/export"))
	c.must(c.g.Sequencer().Drain(ctx))
	file := browsertest.Eval[string](b, `fetch("/export", {method: "POST", body: new URLSearchParams({format: "bundle", values: "1"})}).then(r => r.status + "\n" + r.headers.get("Content-Disposition"))`)
	if !strings.HasPrefix(file, "200\nattachment") {
		t.Fatalf("%q", file)
	}
	bundle := browsertest.Eval[string](b, `fetch("/export", {method: "POST", body: new URLSearchParams({format: "bundle", values: "1"})}).then(r => r.text())`)
	generations, err := trees.Generations(ctx, c.g.DB.Pool(pg.Public))
	c.must(err)
	r, err := merkle.VerifyBundle(strings.NewReader(bundle), merkle.Pins{Logs: []string{generations[0].Key}, Tree: trees.TenantTree(c.a.String())})
	if err != nil || !r.Verified() || r.Opened != 1 {
		t.Errorf("%+v %v", r, err)
	}
	b.Do(chromedp.Navigate(origin+"/"), chromedp.Click(`form[action="/leave"] button`))
	time.Sleep(500 * time.Millisecond)
	b.Do(chromedp.Navigate(origin + "/"))
	if got := text(); strings.Contains(got, "payment.made") {
		t.Error("after leaving the log is open")
	}
}
