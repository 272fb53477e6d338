package browsertest

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
)

// axe is axe-core, for tests only: never linked into the product or served by it.
//
//go:embed axe.min.js
var axe string

// PreviewVariable in the environment names a directory that gets pictures of pages, for people to look at.
const PreviewVariable = "GARANT_PREVIEW_DIR"

const (
	// loaded waits for the fonts of a page, and says whether axe-core is ready on it.
	loaded = `document.fonts.ready.then(() => "axe" in window)`
	// rules are those of WCAG 2.2 AA and the usual good practice; asked for two frames after the last change.
	rules = `new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))
	.then(() => axe.run(document, {resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}))
	.then(r => r.passes.length < 10 ? ["axe looked at too little"] : r.violations.map(v => v.id + ": " + v.nodes.map(n => n.target + " " + n.failureSummary).join("; ")))`
	// stickingOut names the elements that end outside the window, the innermost of each.
	stickingOut = `[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
	.filter((e, _, all) => !all.some(o => o !== e && e.contains(o)))
	.slice(0, 5).map(e => e.tagName.toLowerCase() + "." + e.className + " " + Math.round(e.getBoundingClientRect().right) + " " + e.textContent.trim().slice(0, 40)).join(" | ")`
)

// LoadAxe makes axe-core ready on the page, once its fonts are there.
func (b *Tab) LoadAxe() {
	b.Helper()
	if !Eval[bool](b, loaded) && !Eval[bool](b, axe+"; "+loaded) {
		b.Fatal("axe-core is not ready")
	}
}

// Violations are what axe-core objects to on a page on which it was made ready.
func (b *Tab) Violations() []string {
	b.Helper()
	return Eval[[]string](b, rules)
}

// Overflow says by how many pixels the page is wider than its window (WCAG 2.2, 1.4.10), and what sticks out.
func (b *Tab) Overflow() (pixels int, what string) {
	b.Helper()
	if pixels = Eval[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); pixels > 0 {
		what = b.StickingOut()
	}
	return pixels, what
}

// StickingOut names elements that end outside the window.
func (b *Tab) StickingOut() string {
	b.Helper()
	return Eval[string](b, stickingOut)
}

// Holds fails when axe-core objects to the page that is open, when it is wider than its window, or lacks a text.
func (b *Tab) Holds(name string) {
	b.Helper()
	if over, what := b.Overflow(); over > 0 {
		b.Errorf("%s: %d pixels wider than the window: %s", name, over, what)
	}
	if Eval[bool](b, `document.documentElement.outerHTML.includes("⟦")`) {
		b.Errorf("%s: a text is missing", name)
	}
	b.LoadAxe()
	for _, v := range b.Violations() {
		b.Errorf("%s: %s", name, v)
	}
}

// Accessible holds pages, by what they are called, to what every page promises, in each look. With PreviewVariable
// it leaves a picture of each.
func (b *Tab) Accessible(pages map[string]string, looks ...Look) {
	b.Helper()
	dir := os.Getenv(PreviewVariable)
	for name, path := range pages {
		for i, look := range looks {
			if i > 0 && look.Lang == looks[i-1].Lang { // the same page: axe-core is warm on it
				b.Dress(look)
			} else {
				b.Visit(path, look)
			}
			b.Holds(fmt.Sprintf("%s, %s, %s, %d px", name, look.Lang, look.Theme, look.Width))
			if dir != "" {
				b.Picture(filepath.Join(dir, fmt.Sprintf("%s-%s-%s-%d.png", name, look.Lang, look.Theme, look.Width)))
			}
		}
	}
}

// Looks are two looks that between them have each language, each theme and each width.
func Looks() []Look {
	return []Look{{Theme: "light", Lang: "fr", Width: 1280}, {Theme: "dark", Lang: "en", Width: 360}}
}
