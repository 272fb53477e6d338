package ui

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// The source of a fact is shown to the keyboard, within the window, and Escape hides it.
func TestFactInBrowser(t *testing.T) {
	program := "/usr/bin/chromium"
	if _, err := os.Stat(program); err != nil {
		t.Skip("chromium is not installed")
	}
	page := render(t, "public", samplePage(messages(t).For("fr", time.UTC), time.Date(2026, 11, 12, 20, 4, 0, 0, time.UTC)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
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
	check := func(what, script string, want bool) {
		t.Helper()
		got, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script))
		if err != nil || got != want {
			t.Errorf("%s: %t (%v)", what, got, err)
		}
	}
	err := chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, width := range []int64{1280, 360} {
		if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate(server.URL)); err != nil {
			t.Fatal(err)
		}
		first := `(() => {
			const note = document.querySelectorAll(".fact-about")[0], r = note.getBoundingClientRect();
			return getComputedStyle(note).display != "none" && r.width > 50 && r.left >= 0 && r.right <= innerWidth && note.innerText.length > 10;
		})()`
		check("hidden at first", first, false)
		check("focused", `document.querySelectorAll(".fact")[0].focus({focusVisible: true}); true`, true)
		check("shown on focus", first, true)
		check("near its fact", `(() => { const f = document.querySelectorAll(".fact")[0].getBoundingClientRect(), n = document.querySelectorAll(".fact-about")[0].getBoundingClientRect();
			return Math.abs(n.top - f.bottom) < 24 || Math.abs(f.top - n.bottom) < 24; })()`, true)
		if dir := os.Getenv("GARANT_PREVIEW_DIR"); dir != "" {
			picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "fact-"+map[int64]string{1280: "1280", 360: "360"}[width]+".png"), picture, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		check("Escape", `document.dispatchEvent(new KeyboardEvent("keydown", {key: "Escape"})); true`, true)
		check("hidden by Escape", first, false)
		check("focused again", `document.activeElement.blur(); document.querySelectorAll(".fact")[0].focus({focusVisible: true}); true`, true)
		check("shown again", first, true)
	}
}
