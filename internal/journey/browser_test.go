package journey

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/garant-project/garant/internal/web/browsertest"
)

// patience is how long the browser may take over one thing on a slow machine.
const patience = 30 * time.Second

// journey is what the steps share.
type journey struct {
	*testing.T // of the step that is under way
	*program
	whole   *testing.T
	browser context.Context
	shots   string // directory for pictures; empty: none
	looks   int    // pages looked at, each in one language
	spent   struct{ axe, shots time.Duration }
}

// step is one part of the way. A complaint does not end the journey; a step that could not be
// walked to its end does. One that -run leaves out is not walked.
func (j *journey) step(name string, walk func()) {
	arrived := true
	j.whole.Run(name, func(t *testing.T) {
		arrived, j.T = false, t
		begin := time.Now()
		walk()
		arrived = true
		t.Logf("%s took %v", name, time.Since(begin).Round(time.Millisecond))
	})
	if j.T = j.whole; !arrived {
		j.FailNow()
	}
}

// of is the journey through another program, with the browser there is.
func (j *journey) of(t *testing.T, p *program) *journey {
	return &journey{T: t, whole: t, program: p, browser: j.browser, shots: j.shots}
}

// open starts Chromium.
func (j *journey) open() { j.browser = browsertest.Start(j).Ctx }

// tab is one page before one reader.
type tab struct {
	*journey
	ctx  context.Context
	name string
	site string // origin of relative addresses
	lang string

	mu       sync.Mutex
	expected map[string]bool // addresses that answer with an error on purpose
	wrong    []string        // what the console said
}

// machine opens a tab in a profile of its own, in a window of 1280 pixels, for a reader who
// prefers a language.
func (j *journey) machine(name, site, accepts string) *tab {
	j.Helper()
	b := j.newTab(j.browser, name, site, chromedp.WithNewBrowserContext())
	agent := eval[string](b, "navigator.userAgent")
	b.command("Emulation.setUserAgentOverride", map[string]any{"userAgent": agent, "acceptLanguage": accepts})
	return b
}

// withoutScripts opens a second tab with the cookies of another, in which no page runs scripts.
func (b *tab) withoutScripts(name string) *tab {
	b.Helper()
	plain := b.newTab(b.ctx, name, b.site)
	plain.lang = b.lang
	plain.command("Emulation.setScriptExecutionDisabled", map[string]any{"value": true})
	return plain
}

func (j *journey) newTab(parent context.Context, name, site string, options ...chromedp.ContextOption) *tab {
	j.Helper()
	ctx, end := chromedp.NewContext(parent, options...)
	j.whole.Cleanup(end)
	b := &tab{journey: j, ctx: ctx, name: name, site: site, expected: map[string]bool{}}
	if err := chromedp.Do(ctx); err != nil {
		j.Fatal(err)
	}
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			b.hear(m)
		}
	}()
	b.do(chromedp.EmulateViewport(1280, 900))
	return b
}

// hear keeps what should not have been said: errors, warnings, refusals of the policy.
func (b *tab) hear(m chromedp.ConsoleMessage) {
	if !m.IsException() && m.Type != chromedp.ConsoleError && m.Type != chromedp.ConsoleWarning {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if m.Source == "network" && b.expected[m.URL] {
		return
	}
	b.wrong = append(b.wrong, fmt.Sprintf("%s (%s, %s)", m, m.URL, m.Source))
}

// silent fails when the console of the browser said something wrong since the last time.
func (b *tab) silent() {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range b.wrong {
		b.Errorf("%s: the browser's console says %s", b.name, w)
	}
	b.wrong = nil
}

// page is the tab as tests of other packages have it, in the step that is under way.
func (b *tab) page() *browsertest.Tab { return &browsertest.Tab{TB: b.T, Ctx: b.ctx, Site: b.site} }

func (b *tab) authenticator() { b.Helper(); b.page().Authenticator(true) }

func (b *tab) command(method string, params map[string]any) map[string]any {
	b.Helper()
	return b.page().Command(method, params)
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.Fatalf("%s: %v\non %s", b.name, err, b.where())
	}
}

// try evaluates a script; a page on its way to another is no answer.
func try[T any](b *tab, script string) (T, error) { return browsertest.Try[T](b.page(), script) }

func eval[T any](b *tab, script string) T {
	b.Helper()
	v, err := try[T](b, script)
	if err != nil {
		b.Fatalf("%s: %s: %v\non %s", b.name, script, err, b.where())
	}
	return v
}

// where is the address and the text of the page, for a failure.
func (b *tab) where() string { return b.page().Where() }

// visit opens an address of the tab's site, or of another when it is whole.
func (b *tab) visit(address string) {
	b.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.site + address
	}
	b.page().Go(address)
}

// refused visits an address that answers with an error, and expects it to say something.
func (b *tab) refused(address, says string) {
	b.Helper()
	b.expect(address)
	b.visit(address)
	b.sees(says)
}

func (b *tab) expect(path string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected[b.site+path] = true
}

// click presses what a selector finds, as a hand would, in the middle.
func (b *tab) click(selector string) {
	b.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector)))
}

// plain takes away what typography adds, so that words can be looked for.
const plain = `(s => s.replace(/[\u202f\u00a0]/g, " ").replace(/\u2019/g, "'").replace(/\s+/g, " ").toLowerCase())`

// sees waits until a text stands on a page that has loaded.
func (b *tab) sees(text string) {
	b.Helper()
	b.until(fmt.Sprintf("sees %q", text), func() bool { return b.shows(text) })
}

// shows reports whether a text stands on a page that has loaded.
func (b *tab) shows(text string) bool {
	found, err := try[bool](b, fmt.Sprintf(`document.readyState === "complete" && %s(document.body.innerText).includes(%s(%s))`, plain, plain, quote(text)))
	return err == nil && found
}

// until waits for something.
func (b *tab) until(what string, so func() bool) {
	b.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			b.Fatalf("%s: never %s on %s", b.name, what, b.where())
		}
	}
}

// reloads reads the page again and again until something is so, and says how long that took.
func (b *tab) reloads(what string, script string) time.Duration {
	b.Helper()
	begin := time.Now()
	for {
		b.do(chromedp.Reload())
		if so, err := try[bool](b, script); err == nil && so {
			return time.Since(begin)
		}
		if time.Since(begin) > patience {
			b.Fatalf("%s: not %s after %v: %s", b.name, what, patience, b.where())
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func (b *tab) path() string { return eval[string](b, "location.pathname") }

func quote(s string) string { return browsertest.Quote(s) }

// look visits a page in both languages and examines it in each.
func (b *tab) look(name, address string) {
	b.Helper()
	b.both(name, address, false)
}

// glance is look for a page of which another of its kind was looked at, or which is long.
func (b *tab) glance(name, address string) {
	b.Helper()
	b.both(name, address, true)
}

func (b *tab) both(name, address string, less bool) {
	b.Helper()
	order := []string{"fr", "en"}
	if b.lang == "fr" { // leave the reader in the language of choice
		slices.Reverse(order)
	}
	for _, lang := range order {
		u, err := url.Parse(address)
		if err != nil {
			b.Fatal(err)
		}
		q := u.Query()
		q.Set("lang", lang)
		u.RawQuery = q.Encode()
		if b.isExpected(address) {
			b.expect(u.String())
		}
		b.visit(u.String())
		b.examineIn(name, less)
	}
}

func (b *tab) isExpected(path string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.expected[b.site+path]
}

// view is one way of looking at a page.
type view struct {
	theme string
	width int64
}

// views are the ways in which a page is held to what every page promises, in one language: over the
// two languages, each theme and each width comes with each other. The rest is for pictures.
func views(lang string, less bool) (held, rest []view) {
	wide, narrow := view{"light", 1280}, view{"dark", 360}
	other, otherNarrow := view{"dark", 1280}, view{"light", 360}
	if lang != "fr" {
		wide, narrow, other, otherNarrow = other, otherNarrow, wide, narrow
	}
	switch {
	case !less:
		return []view{wide, narrow}, []view{other, otherNarrow}
	case lang == "fr":
		return []view{wide}, []view{narrow}
	}
	return []view{narrow}, []view{wide}
}

// examine holds the page that is open to what every page promises: both themes, both widths. What is
// folded is opened on the phone, where there is least room for it.
func (b *tab) examine(name string) {
	b.Helper()
	b.examineIn(name, false)
}

func (b *tab) examineIn(name string, less bool) {
	b.Helper()
	b.looks++
	b.until("is loaded", func() bool { ok, err := try[bool](b, `document.readyState === "complete"`); return err == nil && ok })
	lang := eval[string](b, "document.documentElement.lang")
	if eval[bool](b, `document.documentElement.outerHTML.includes("⟦")`) {
		b.Errorf("%s %s: a text is missing", name, lang)
	}
	b.page().LoadAxe()
	held, rest := views(lang, less)
	for _, v := range held {
		b.dress(v)
		what := picture(name, lang, v)
		b.fits(what)
		if b.shots != "" {
			b.shoot(filepath.Join(b.shots, what+".png"))
		}
		if v.width < 1280 {
			eval[bool](b, unfold)
			b.fits(what + ", unfolded")
		}
		begin := time.Now()
		for _, v := range b.page().Violations() {
			b.Errorf("%s: %s", what, v)
		}
		b.spent.axe += time.Since(begin)
		eval[bool](b, fold)
	}
	if b.shots != "" {
		for _, v := range rest {
			b.dress(v)
			b.shoot(filepath.Join(b.shots, picture(name, lang, v)+".png"))
		}
	}
	b.dress(view{"light", 1280})
	b.silent()
}

func picture(name, lang string, v view) string {
	return fmt.Sprintf("%s-%s-%s-%d", name, lang, v.theme, v.width)
}

// unfold opens what is folded, fold closes what it opened.
const (
	unfold = `document.querySelectorAll("main details:not([open])").forEach(d => { d.open = true; d.dataset.unfolded = "" }); true`
	fold   = `document.querySelectorAll("main details[data-unfolded]").forEach(d => { d.open = false; delete d.dataset.unfolded }); true`
)

func (b *tab) dress(v view) {
	b.Helper()
	b.page().Dress(browsertest.Look{Theme: v.theme, Width: v.width})
}

// fits fails when the page scrolls sideways.
func (b *tab) fits(what string) {
	b.Helper()
	if over, which := b.page().Overflow(); over > 0 {
		b.Errorf("%s: %d pixels wider than the window: %s", what, over, which)
	}
}

// shoot writes a picture of the whole page.
func (b *tab) shoot(path string) {
	b.Helper()
	defer func(begin time.Time) { b.spent.shots += time.Since(begin) }(time.Now())
	b.page().Picture(path)
}
