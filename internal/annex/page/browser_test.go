package page

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"github.com/garant-project/garant/internal/web/browsertest"
	"github.com/garant-project/garant/internal/web/ui"
)

// browser opens a browser on a site that serves the sample, under the policy of the real one.
func browser(t *testing.T) *browsertest.Tab {
	t.Helper()
	files := map[string][]byte{}
	for _, lang := range []string{"fr", "en"} {
		for name, b := range written(t, lang) {
			files[address(lang, name)] = b
		}
	}
	static := ui.Static()
	return browsertest.Open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, ok := files[r.URL.Path]
		if !ok {
			static.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(b)
	}))
}

func address(lang, name string) string { return "/" + lang + "/" + name }

const openAll = `document.querySelectorAll("details").forEach(d => { d.open = true }); true`

// axe finds nothing to say, in either theme, on a wide window and on a phone, with everything
// open.
func TestAccessibility(t *testing.T) {
	tab := browser(t)
	pages := []string{"annex", "replay", "nothing", "order-clauses", "order-iso", "proof-ENC-1", "proof-ENC-2", "proof-PHY-2", "changes", "changes-replay", "changes-none", "subprocessors", "subprocessors-none", "verify", "unavailable", "error"}
	looks := slices.Insert(browsertest.Looks(), 1, browsertest.Look{Theme: "dark", Lang: "fr", Width: 1280})
	for _, name := range pages {
		for i, look := range looks {
			if i > 0 && look.Lang == looks[i-1].Lang { // the same page: axe-core is warm on it
				tab.Dress(look)
			} else {
				tab.Visit(address(look.Lang, name), look)
				browsertest.Eval[bool](tab, openAll)
			}
			tab.Holds(fmt.Sprintf("%s, %s, %s, %d px", name, look.Lang, look.Theme, look.Width))
		}
	}
}

// Sentences stay within 62 characters a line, and no page is wider than its window,
// down to 320 px (WCAG 2.2, 1.4.10).
func TestLayout(t *testing.T) {
	tab := browser(t)
	for _, width := range []int64{1280, 360, 320} {
		for _, name := range []string{"annex", "order-clauses", "order-iso", "proof-ENC-1", "proof-PHY-2", "changes", "subprocessors", "verify", "unavailable"} {
			for _, lang := range []string{"fr", "en"} {
				tab.Visit(address(lang, name), browsertest.Look{Theme: "light", Width: width})
				browsertest.Eval[bool](tab, openAll)
				if over, what := tab.Overflow(); over > 0 {
					t.Errorf("%s/%s is %d px wider than a window of %d: %s", lang, name, over, width, what)
				}
				longest := browsertest.Eval[float64](tab, longestLine)
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
	pdf := printed(browser(t), address("fr", "annex"))
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

func printed(tab *browsertest.Tab, address string) []byte {
	tab.Helper()
	tab.Visit(address, browsertest.Look{Theme: "light", Width: 1280})
	pdf, err := chromedp.Run(tab.Ctx, chromedp.PrintToPDF(chromedp.PDFPreferCSSPageSize(), chromedp.PDFPrintBackground()))
	if err != nil {
		tab.Fatal(err)
	}
	return pdf
}

// TestPreview writes pictures of every page into the directory that browsertest.PreviewVariable names,
// for people to look at.
func TestPreview(t *testing.T) {
	dir := os.Getenv(browsertest.PreviewVariable)
	if dir == "" {
		t.Skip(browsertest.PreviewVariable + " names no directory")
	}
	tab := browser(t)
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
			for _, theme := range []string{"light", "dark"} {
				for _, width := range []int64{1280, 360} {
					tab.Visit(address(lang, name), browsertest.Look{Theme: theme, Width: width})
					tab.Picture(filepath.Join(dir, fmt.Sprintf("%s.%s.%s.%d.png", name, lang, theme, width)))
				}
			}
		}
		tab.Visit(address(lang, "annex"), browsertest.Look{Theme: "light", Width: 1280})
		at := browsertest.Eval[[]float64](tab, `document.querySelector("#ENC-1").scrollIntoView(); (r => [r.x + 5, r.y + 5])(document.querySelector("#ENC-1 .annex-method .fact").getBoundingClientRect())`)
		tab.Do(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, at[0], at[1]))
		png, err := chromedp.Run(tab.Ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		save("fact."+lang+".png", png)
		save("annex."+lang+".pdf", printed(tab, address(lang, "annex")))
	}
}
