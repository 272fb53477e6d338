package browsertest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// heard keeps what a test would have complained of.
type heard struct {
	testing.TB
	errors []string
}

func (h *heard) Errorf(format string, args ...any) {
	h.errors = append(h.errors, fmt.Sprintf(format, args...))
}

const sound = `<!doctype html><html lang="en"><title>Sound</title><main><h1>Sound</h1><p>Nothing is wrong with this page.</p></main></html>`

// A page without fault is let through; each fault is told of, and only where it is.
func TestFaultsAreHeard(t *testing.T) {
	page := func(body string) string {
		return strings.Replace(sound, "<p>", body+"<p>", 1)
	}
	pages := map[string]string{
		"/sound":   sound,
		"/picture": page(`<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">`),
		"/faint":   page(`<p style="color: #ccc; background: #fff">Hardly to be read.</p>`),
		"/wide":    page(`<div style="width: 3000px">wide</div>`),
		"/night":   page(`<style>@media (prefers-color-scheme: dark) { .n { color: #ccc; background: #fff } } @media (max-width: 400px) { .n { width: 600px; margin-left: -8px } }</style><p class="n">Faint by night, wide on a phone.</p>`),
		"/words":   page(`<p>⟦desk.title⟧</p>`),
	}
	tab := Open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(pages[r.URL.Path]))
	}))
	for path, want := range map[string]string{"/sound": "", "/picture": "image-alt", "/faint": "color-contrast", "/wide": "wider than the window: div", "/words": "a text is missing"} {
		h := &heard{TB: t}
		(&Tab{TB: h, Ctx: tab.Ctx, Site: tab.Site}).Accessible(map[string]string{"page": path}, Look{Theme: "light", Width: 1280})
		if said := strings.Join(h.errors, "\n"); (said == "") != (want == "") || !strings.Contains(said, want) {
			t.Errorf("of %s it is said:\n%s", path, said)
		}
	}
	// What is wrong in one look alone is told of that look, though the page is not opened again for it.
	h := &heard{TB: t}
	(&Tab{TB: h, Ctx: tab.Ctx, Site: tab.Site}).Accessible(map[string]string{"page": "/night"}, Look{Theme: "light", Width: 1280}, Look{Theme: "dark", Width: 1280}, Look{Theme: "light", Width: 360})
	if len(h.errors) != 2 || !strings.Contains(h.errors[0], "dark, 1280 px: color-contrast") || !strings.Contains(h.errors[1], "light, 360 px: 240 pixels wider") {
		t.Errorf("of a page that is faint by night and wide on a phone it is said:\n%s", strings.Join(h.errors, "\n"))
	}
}

// Tabs of their own share no cookies; a script's failure and a promise are told apart.
func TestTabs(t *testing.T) {
	tab := Open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(sound))
	}))
	other := tab.Another()
	for _, b := range []*Tab{tab, other} {
		b.Visit("/?x=1", Look{Theme: "dark", Lang: "fr", Width: 360})
	}
	Eval[bool](tab, `document.cookie = "a=b"; true`)
	if got := Eval[string](other, "document.cookie"); got != "" {
		t.Errorf("another machine has the cookie %s", got)
	}
	if got := Eval[string](tab, `new Promise(r => setTimeout(() => r(location.search + matchMedia("(prefers-color-scheme: dark)").matches + innerWidth), 20))`); got != "?lang=fr&x=1true360" {
		t.Errorf("the page is looked at as %s", got)
	}
	if _, err := Try[string](tab, "nothing.there"); err == nil {
		t.Error("a script that fails is no failure")
	}
}
