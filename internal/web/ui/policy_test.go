package ui

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/garant-project/garant/internal/web/browsertest"
)

// Every layout, with its scripts, works under the policy of package web: the browser reports no
// breach of it. That breaches are reported at all is tried with a page that has one.
func TestPolicyInBrowser(t *testing.T) {
	pages := map[string]string{"/breach": `<!doctype html><html lang="en"><title>x</title><p style="color:red">x</p></html>`}
	for _, layout := range layouts() {
		pages["/"+layout] = render(t, layout, samplePage(messages(t).For("en", time.UTC), time.Date(2026, 11, 12, 20, 4, 0, 0, time.UTC)))
	}
	var mu sync.Mutex
	var breaches []string
	tab := browsertest.Open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; report-uri /report")
		if r.URL.Path == "/report" {
			b, _ := io.ReadAll(r.Body)
			mu.Lock()
			breaches = append(breaches, string(b))
			mu.Unlock()
			return
		}
		if page, ok := pages[r.URL.Path]; ok {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write([]byte(page))
			return
		}
		Static().ServeHTTP(w, r)
	}))
	reported := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), breaches...)
	}
	for _, layout := range layouts() {
		tab.Do(chromedp.Navigate(tab.Site + "/" + layout))
		// htmx is there in the console alone, and obeys its settings.
		want := layout == "console"
		got, err := browsertest.Try[bool](tab, `typeof htmx == "object" && htmx.config.allowEval === false && htmx.config.includeIndicatorStyles === false`)
		if err != nil || got != want {
			t.Errorf("%s: htmx %t, want %t (%v)", layout, got, want, err)
		}
	}
	// Reports are sent later than what they are about: the one that must come is waited for, and
	// those before it would have come first.
	tab.Do(chromedp.Navigate(tab.Site + "/breach"))
	for end := time.Now().Add(10 * time.Second); len(reported()) == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the browser does not report breaches")
		}
	}
	for _, b := range reported() {
		if !strings.Contains(b, "/breach") {
			t.Errorf("the policy was broken: %s", b)
		}
	}
}
