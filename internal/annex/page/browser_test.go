package page

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"github.com/garant-project/garant/internal/web/ui"
)

// browser opens a browser on a site that serves the sample, under the policy of the real one.
func browser(t *testing.T) (ctx context.Context, address func(lang, name string) string) {
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
	files := map[string][]byte{}
	for _, lang := range []string{"fr", "en"} {
		for name, b := range written(t, lang) {
			files["/"+lang+"/"+name] = b
		}
	}
	static := ui.Static()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, ok := files[r.URL.Path]
		if !ok {
			static.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(b)
	}))
	t.Cleanup(server.Close)
	ctx, stop := chromedp.NewExecAllocator(context.Background(), chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.Headless)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(stop)
	return ctx, func(lang, name string) string { return server.URL + "/" + lang + "/" + name }
}

// visit opens a page and waits for its fonts: what is measured before them is another page.
func visit(ctx context.Context, t *testing.T, address, theme string, width int64) {
	t.Helper()
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}},
	})
	if err == nil {
		err = chromedp.Do(ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate(address))
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

const openAll = `document.querySelectorAll("details").forEach(d => { d.open = true }); true`

// axe finds nothing to say, in either theme, on a wide window and on a phone, with everything
// open.
func TestAccessibility(t *testing.T) {
	axe, err := os.ReadFile("../../web/ui/testdata/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	ctx, address := browser(t)
	pages := []string{"annex", "replay", "nothing", "order-clauses", "order-iso", "proof-ENC-1", "proof-ENC-2", "proof-PHY-2", "changes", "changes-replay", "changes-none", "subprocessors", "subprocessors-none", "verify", "unavailable", "error"}
	for _, look := range []struct {
		theme, lang string
		width       int64
	}{{"light", "fr", 1280}, {"dark", "en", 360}, {"dark", "fr", 1280}} {
		for _, name := range pages {
			visit(ctx, t, address(look.lang, name), look.theme, look.width)
			evaluate[bool](ctx, t, openAll)
			evaluate[bool](ctx, t, string(axe)+"; true")
			found := evaluate[[]string](ctx, t, `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(r =>
				r.passes.length < 20 ? ["axe looked at too little"] : r.violations.map(v => v.id + ": " + v.nodes.map(n => n.target + " " + n.failureSummary).join("; ")))`)
			for _, f := range found {
				t.Errorf("%s, %s, %s, %d px: %s", name, look.lang, look.theme, look.width, f)
			}
		}
	}
}

// Sentences stay within 62 characters a line, and no page is wider than its window,
// down to 320 px (WCAG 2.2, 1.4.10).
func TestLayout(t *testing.T) {
	ctx, address := browser(t)
	for _, width := range []int64{1280, 360, 320} {
		for _, name := range []string{"annex", "order-clauses", "order-iso", "proof-ENC-1", "proof-PHY-2", "changes", "subprocessors", "verify", "unavailable"} {
			for _, lang := range []string{"fr", "en"} {
				visit(ctx, t, address(lang, name), "light", width)
				evaluate[bool](ctx, t, openAll)
				over := evaluate[int](ctx, t, `document.documentElement.scrollWidth - document.documentElement.clientWidth`)
				longest := evaluate[float64](ctx, t, longestLine)
				if over > 0 {
					t.Errorf("%s/%s is %d px wider than a window of %d", lang, name, over, width)
				}
				if longest > 62 {
					t.Errorf("%s/%s at %d px has a sentence line of %.0f characters", lang, name, width, longest)
				}
				t.Logf("%s/%s at %d px: longest line %.0f", lang, name, width, longest)
			}
		}
	}
}

// longestLine counts the characters of the longest line of any sentence, tooltips aside.
const longestLine = `Math.max(0, ...[...document.querySelectorAll(".annex-sentence")].flatMap(p => {
	const lines = new Map(), walk = document.createTreeWalker(p, NodeFilter.SHOW_TEXT), range = document.createRange()
	for (let n = walk.nextNode(); n; n = walk.nextNode()) {
		if (n.parentElement.closest("[role=tooltip]")) continue
		for (let i = 0; i < n.length; i++) {
			range.setStart(n, i); range.setEnd(n, i + 1)
			const r = range.getClientRects()[0]
			if (r && r.width > 0) { const y = Math.round(r.bottom / 8); lines.set(y, (lines.get(y) || 0) + 1) }
		}
	}
	return [...lines.values()]
}))`

// Printed, every measure is there whatever was folded, and no measure is torn between two pages.
func TestPrint(t *testing.T) {
	if _, err := exec.LookPath("pdftotext"); err != nil {
		t.Skip("needs pdftotext: apt-get install poppler-utils")
	}
	ctx, address := browser(t)
	pdf := printed(ctx, t, address("fr", "annex"))
	file := filepath.Join(t.TempDir(), "annex.pdf")
	if err := os.WriteFile(file, pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("pdftotext", "-layout", file, "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	sheets := strings.Split(strings.TrimSuffix(string(out), "\f"), "\f")
	_, words := samplePages(t)
	for _, s := range sampleAnnex(t, words, "fr").Sections {
		for _, m := range s.Measures {
			if !strings.Contains(string(out), m.ID) {
				t.Errorf("%s is not printed", m.ID)
			}
			for _, sheet := range sheets {
				if len(m.Digests) > 0 && strings.Contains(sheet, m.Digests[0].SHA256[:12]) && !strings.Contains(sheet, m.Title) {
					t.Errorf("%s is torn: its head and its proof are on two sheets", m.ID)
				}
			}
		}
	}
	for i, sheet := range sheets {
		if !strings.Contains(sheet, "trust.ardoise.example") || !strings.Contains(sheet, documentHash[:12]) {
			t.Errorf("sheet %d of %d lacks the foot", i+1, len(sheets))
		}
	}
	if strings.Contains(string(out), "Changements") || strings.Contains(string(out), "Relire l’annexe") {
		t.Error("the navigation or the form is printed")
	}
}

func printed(ctx context.Context, t *testing.T, address string) []byte {
	t.Helper()
	visit(ctx, t, address, "light", 1280)
	pdf, err := chromedp.Run(ctx, chromedp.PrintToPDF(chromedp.PDFPreferCSSPageSize(), chromedp.PDFPrintBackground()))
	if err != nil {
		t.Fatal(err)
	}
	return pdf
}

// TestPreview writes pictures of every page into the directory that GARANT_PREVIEW_DIR names,
// for people to look at.
func TestPreview(t *testing.T) {
	dir := os.Getenv("GARANT_PREVIEW_DIR")
	if dir == "" {
		t.Skip("GARANT_PREVIEW_DIR names no directory")
	}
	ctx, address := browser(t)
	save := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	only := os.Getenv("GARANT_PREVIEW_ONLY")
	for _, lang := range []string{"fr", "en"} {
		for name := range written(t, lang) {
			if only != "" && only != name {
				continue
			}
			for _, look := range []string{"light", "dark"} {
				for _, width := range []int64{1280, 360} {
					visit(ctx, t, address(lang, name), look, width)
					png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
					if err != nil {
						t.Fatal(name, err)
					}
					save(fmt.Sprintf("%s.%s.%s.%d.png", name, lang, look, width), png)
				}
			}
		}
		visit(ctx, t, address(lang, "annex"), "light", 1280)
		at := evaluate[[]float64](ctx, t, `document.querySelector("#ENC-1").scrollIntoView(); (r => [r.x + 5, r.y + 5])(document.querySelector("#ENC-1 .annex-method .fact").getBoundingClientRect())`)
		if err := chromedp.Do(ctx, chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, at[0], at[1])); err != nil {
			t.Fatal(err)
		}
		png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		save("fact."+lang+".png", png)
		save("annex."+lang+".pdf", printed(ctx, t, address(lang, "annex")))
	}
}
