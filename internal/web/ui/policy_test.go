package ui

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Every layout, with its scripts, works under the policy of package web: the browser reports no
// breach of it. That breaches are reported at all is tried with a page that has one.
func TestPolicyInBrowser(t *testing.T) {
	program := "/usr/bin/chromium"
	if _, err := os.Stat(program); err != nil {
		t.Skip("chromium is not installed")
	}
	pages := map[string]string{"/breach": `<!doctype html><html lang="en"><title>x</title><p style="color:red">x</p></html>`}
	for _, layout := range layouts() {
		pages["/"+layout] = render(t, layout, samplePage(messages(t).For("en", time.UTC), time.Date(2026, 11, 12, 20, 4, 0, 0, time.UTC)))
	}
	var mu sync.Mutex
	var breaches []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
	defer server.Close()
	allocator, stop := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.Flag("disable-background-networking", true))...)
	defer stop()
	ctx, cancel := chromedp.NewContext(allocator)
	defer cancel()
	reported := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), breaches...)
	}
	for _, layout := range layouts() {
		if err := chromedp.Do(ctx, chromedp.Navigate(server.URL+"/"+layout)); err != nil {
			t.Fatal(err)
		}
		// htmx is there in the console alone, and obeys its settings.
		want := layout == "console"
		got, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`typeof htmx == "object" && htmx.config.allowEval === false && htmx.config.includeIndicatorStyles === false`))
		if err != nil || got != want {
			t.Errorf("%s: htmx %t, want %t (%v)", layout, got, want, err)
		}
	}
	// Reports are sent later than what they are about: the one that must come is waited for, and
	// those before it would have come first.
	if err := chromedp.Do(ctx, chromedp.Navigate(server.URL+"/breach")); err != nil {
		t.Fatal(err)
	}
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
