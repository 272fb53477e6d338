package app

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
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
	text := func() string { // of a page that has loaded
		got, _ := browsertest.Try[string](b, `document.readyState === "complete" ? document.body.innerText : ""`)
		return got
	}
	waits := func(what string, words ...string) (got string) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			got = text()
			if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(got, word) }) {
				return got
			}
			if time.Now().After(end) {
				t.Fatalf("%s: %s\n%.800s", what, b.Where(), got)
			}
		}
	}
	look := func(name string) {
		t.Helper()
		for _, l := range []browsertest.Look{{Theme: "light", Lang: "fr", Width: 1280}, {Theme: "dark", Lang: "en", Width: 360}} {
			address := browsertest.Eval[string](b, `(() => { const u = new URL(location.href); u.searchParams.set("lang", "`+l.Lang+`"); return u.href })()`)
			b.Dress(l)
			b.Go(address)
			b.Holds(name + ", " + l.Theme)
			if dir := os.Getenv(browsertest.PreviewVariable); dir != "" {
				b.Picture(filepath.Join(dir, "portal-"+name+"-"+l.Lang+"-"+l.Theme+".png"))
			}
		}
	}
	b.Go(origin + "/")
	look("welcome")
	b.Go(strings.Replace(application.URL, "127.0.0.1", "ardoise.localhost", 1))
	b.Do(chromedp.Click("button"))
	waits("the application does not lead to the log", "customer 1", "payment.made")
	look("trail")
	b.Go(origin + "/?lang=en")
	b.Do(chromedp.Click(".filters-fold > summary"), chromedp.SetValue("#action", "applicant.changed"), chromedp.Click(`.filters button[type="submit"]`))
	for end := time.Now().Add(30 * time.Second); strings.Contains(waits("the filter", "ours-person"), "decided by ours"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the filter: %.600s", text())
		}
	}
	b.Do(chromedp.Click(`a[href^="/object?"]`))
	waits("the story", "before@ours.example", "after@ours.example")
	look("story")
	for name, path := range map[string]string{"signins": "/sign-ins", "jobs": "/jobs", "export": "/export?object=application:ours-1", "none": "/?text=zzz"} {
		b.Go(origin + path)
		look(name)
	}
	// What the form of the export page sends, sent from that page.
	b.Go(origin + "/export")
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
	b.Go(origin + "/")
	b.Do(chromedp.Click(`form[action="/leave"] button`))
	for end := time.Now().Add(30 * time.Second); strings.Contains(waits("leaving", "Ardoise Mécénat"), "payment.made"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("leaving does not lead away from the log")
		}
	}
	b.Go(origin + "/")
	if got := waits("after leaving", "Ardoise Mécénat"); strings.Contains(got, "payment.made") {
		t.Error("after leaving the log is open")
	}
}
