package ui

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/web/browsertest"
)

// The source of a fact is shown to the keyboard, within the window, and Escape hides it.
func TestFactInBrowser(t *testing.T) {
	page := render(t, "public", samplePage(messages(t).For("fr", time.UTC), time.Date(2026, 11, 12, 20, 4, 0, 0, time.UTC)))
	tab := browsertest.Open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write([]byte(page))
			return
		}
		Static().ServeHTTP(w, r)
	}))
	check := func(what, script string, want bool) {
		t.Helper()
		got, err := browsertest.Try[bool](tab, script)
		if err != nil || got != want {
			t.Errorf("%s: %t (%v)", what, got, err)
		}
	}
	tab.Command("Emulation.setFocusEmulationEnabled", map[string]any{"enabled": true})
	for _, width := range []int64{1280, 360} {
		tab.Visit("/", browsertest.Look{Theme: "light", Width: width})
		first := `(() => {
			const note = document.querySelectorAll(".fact-about")[0], r = note.getBoundingClientRect();
			return getComputedStyle(note).display != "none" && r.width > 50 && r.left >= 0 && r.right <= innerWidth && note.innerText.length > 10;
		})()`
		check("hidden at first", first, false)
		check("focused", `document.querySelectorAll(".fact")[0].focus({focusVisible: true}); true`, true)
		check("shown on focus", first, true)
		check("near its fact", `(() => { const f = document.querySelectorAll(".fact")[0].getBoundingClientRect(), n = document.querySelectorAll(".fact-about")[0].getBoundingClientRect();
			return Math.abs(n.top - f.bottom) < 24 || Math.abs(f.top - n.bottom) < 24; })()`, true)
		if dir := os.Getenv(browsertest.PreviewVariable); dir != "" {
			tab.Picture(filepath.Join(dir, "fact-"+map[int64]string{1280: "1280", 360: "360"}[width]+".png"))
		}
		check("Escape", `document.dispatchEvent(new KeyboardEvent("keydown", {key: "Escape"})); true`, true)
		check("hidden by Escape", first, false)
		check("focused again", `document.activeElement.blur(); document.querySelectorAll(".fact")[0].focus({focusVisible: true}); true`, true)
		check("shown again", first, true)
	}
}
