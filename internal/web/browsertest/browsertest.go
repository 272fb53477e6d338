// Package browsertest reads pages in a real browser, as tests of several packages do: it starts Chromium, opens
// tabs, and holds pages to what every page promises.
//
// A test that needs the browser fails where there is none: make test installs it. Under -short it is left out.
package browsertest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// patience is how long the browser may take over one thing on a slow machine.
const patience = 3 * time.Minute

// settled is how long an address may leave the page as it is: a place on it, or a download.
const settled = 5 * time.Second

// Tab is one page before one reader.
type Tab struct {
	testing.TB
	Ctx  context.Context // of chromedp
	Site string          // origin of relative addresses
}

// Open opens a tab on what a handler serves, under its own policy, until the test ends.
func Open(t testing.TB, h http.Handler) *Tab {
	t.Helper()
	b := Start(t)
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	b.Site = server.URL
	return b
}

// Start starts Chromium with a tab, until the test ends. Names below localhost lead to this machine.
func Start(t testing.TB) *Tab {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	program := ""
	for _, name := range []string{"chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			program = found
			break
		}
	}
	if program == "" {
		t.Fatal("no Chromium here: scripts/need chromium installs it")
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("host-resolver-rules", "MAP *.localhost 127.0.0.1"))...)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil { // waits until it has ended
			t.Errorf("the browser does not end: %v", err)
		}
		end()
		stop()
	})
	// The browser lives as long as the context of its first run: no deadline here.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return &Tab{TB: t, Ctx: ctx}
}

// Another opens a tab in a profile of its own: another machine.
func (b *Tab) Another() *Tab {
	b.Helper()
	ctx, end := chromedp.NewContext(b.Ctx, chromedp.WithNewBrowserContext())
	b.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil {
		b.Fatal(err)
	}
	return &Tab{TB: b.TB, Ctx: ctx, Site: b.Site}
}

// Do does something on the page.
func (b *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.Fatalf("%v\non %s", err, b.Where())
	}
}

// Command sends a command of the DevTools protocol and returns its answer.
func (b *Tab) Command(method string, params map[string]any) (answer map[string]any) {
	b.Helper()
	b.Do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error { return t.Call(ctx, method, params, &answer) }))
	return answer
}

// Try evaluates a script, and waits for what it promises; a page on its way to another is no answer.
func Try[T any](b *Tab, script string) (T, error) {
	ctx, cancel := context.WithTimeout(b.Ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
}

// Eval is Try of what has to succeed.
func Eval[T any](b *Tab, script string) T {
	b.Helper()
	v, err := Try[T](b, script)
	if err != nil {
		b.Fatalf("%.300s: %v", script, err)
	}
	return v
}

// Where is the address and the text of the page, for a failure.
func (b *Tab) Where() string {
	text, err := Try[string](b, `location.href + "\n" + document.body.innerText`)
	if err != nil {
		return "a page that does not answer: " + err.Error()
	}
	const most = 3000
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + " …"
	}
	return text
}

// Quote writes a text as a script has it.
func Quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // of a string
	}
	return string(b)
}

// Look is one way of looking at a page. Lang is asked for in the address; empty: it is left as it is.
type Look struct {
	Theme, Lang string
	Width       int64
}

// Dress sets the theme and the width of the window.
func (b *Tab) Dress(look Look) {
	b.Helper()
	b.Do(chromedp.EmulateViewport(look.Width, map[bool]int64{true: 900, false: 740}[look.Width > 1000]))
	b.Command("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{
		{"name": "prefers-color-scheme", "value": look.Theme}, {"name": "prefers-reduced-motion", "value": "reduce"}}})
}

// Visit opens an address, of the site when it is relative, and waits for its fonts: what is measured before them
// is another page.
func (b *Tab) Visit(address string, look Look) {
	b.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.Site + address
	}
	u, err := url.Parse(address)
	if err != nil {
		b.Fatal(err)
	}
	if look.Lang != "" {
		q := u.Query()
		q.Set("lang", look.Lang)
		u.RawQuery = q.Encode()
	}
	b.Dress(look)
	b.Go(u.String())
	if !Eval[bool](b, `document.fonts.ready.then(() => true)`) {
		b.Fatal("no fonts")
	}
}

// Go opens an address and waits until its page is there in place of the one before: the load event of that one may come late, and be taken for the new one's.
func (b *Tab) Go(address string) {
	b.Helper()
	_, _ = Try[bool](b, `window.garantLeft = true`)
	b.Do(chromedp.Navigate(address))
	for end := time.Now().Add(settled); time.Now().Before(end); time.Sleep(20 * time.Millisecond) { // a place on the same page and a download stay with the old one
		if there, err := Try[bool](b, `!window.garantLeft && document.readyState === "complete"`); err == nil && there {
			return
		}
	}
}

// Authenticator gives the tab a device that keeps passkeys, and verifies its user or does not.
func (b *Tab) Authenticator(verifies bool) {
	b.Helper()
	b.Command("WebAuthn.enable", map[string]any{})
	b.Command("WebAuthn.addVirtualAuthenticator", map[string]any{"options": map[string]any{
		"protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": verifies, "isUserVerified": verifies, "automaticPresenceSimulation": true,
	}})
}

// Picture writes a picture of the whole page.
func (b *Tab) Picture(file string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(file, png, 0o600)
	}
	if err != nil {
		b.Fatal(err)
	}
}
