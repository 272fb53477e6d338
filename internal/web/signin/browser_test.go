package signin_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/garant-project/garant/internal/directory"
)

// chrome is a tab with an authenticator of its own.
type chrome struct {
	t   testing.TB
	c   *console
	ctx context.Context
}

// browsers starts Chromium and returns a function that opens a tab in a profile of its own.
func (c *console) browsers() func() *chrome {
	c.t.Helper()
	path := ""
	for _, p := range []string{"/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"} {
		if _, err := os.Stat(p); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		c.t.Fatal("no Chromium here: scripts/need chromium installs it")
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.Flag("host-resolver-rules", "MAP *.localhost 127.0.0.1"), chromedp.Flag("disable-dev-shm-usage", true))...)
	first, end := chromedp.NewContext(allocator)
	c.t.Cleanup(func() { end(); stop() })
	// The first Do must not have a deadline: the browser lives as long as its context.
	if err := chromedp.Do(first); err != nil {
		c.t.Fatal(err)
	}
	return func() *chrome {
		c.t.Helper()
		ctx, end := chromedp.NewContext(first, chromedp.WithNewBrowserContext())
		c.t.Cleanup(end)
		b := &chrome{t: c.t, c: c, ctx: ctx}
		b.command("WebAuthn.enable", map[string]any{})
		b.command("WebAuthn.addVirtualAuthenticator", map[string]any{"options": map[string]any{
			"protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true, "isUserVerified": true, "automaticPresenceSimulation": true,
		}})
		return b
	}
}

// command sends a command of the DevTools protocol.
func (b *chrome) command(method string, params map[string]any) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		var out map[string]any
		return t.Call(ctx, method, params, &out)
	}))
}

func (b *chrome) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	done := make(chan error, 1)
	go func() { done <- chromedp.Do(b.ctx, steps...) }()
	select {
	case err := <-done:
		if err != nil {
			b.t.Fatalf("%v\non %s\n%s", err, eval[string](b, "location.href"), b.text())
		}
	case <-time.After(20 * time.Second):
		b.t.Fatal("the browser does not get on")
	}
}

func eval[T any](b *chrome, script string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script))
	if err != nil {
		b.t.Fatalf("%s: %v", script, err)
	}
	return v
}

func (b *chrome) text() string { return eval[string](b, "document.body.innerText") }

func (b *chrome) open(path string) { b.t.Helper(); b.do(chromedp.Navigate(b.c.origin + path)) }

// press clicks and waits until a text stands on the page.
func (b *chrome) press(selector, until string) {
	b.t.Helper()
	if !eval[bool](b, "!!document.querySelector("+quote(selector)+")") {
		b.t.Fatalf("no %s on\n%s", selector, b.text())
	}
	eval[chromedp.Void](b, "document.querySelector("+quote(selector)+").click()")
	b.wait(until)
}

func (b *chrome) wait(until string) {
	b.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		found, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("document.readyState === 'complete' && document.body.innerText.includes("+quote(until)+")"))
		if err == nil && found {
			return
		}
	}
	b.t.Fatalf("no %q on %s\n%s", until, eval[string](b, "location.href"), b.text())
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// look holds the page to what every page promises, in both themes and two widths: nothing wider
// than the screen, no violation that axe finds, no text missing. With SCREENSHOTS=directory it
// leaves pictures there.
func (b *chrome) look(name string) {
	b.t.Helper()
	axe, err := os.ReadFile(filepath.Join("..", "ui", "testdata", "axe.min.js"))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, width := range []int{1280, 360} {
		for _, theme := range []string{"light", "dark"} {
			b.do(chromedp.EmulateViewport(int64(width), 800))
			b.command("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": theme}, {"name": "prefers-reduced-motion", "value": "reduce"}}})
			where := name + " " + theme
			if over := eval[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
				b.t.Errorf("%s at %d: %d pixels wider than the screen", where, width, over)
			}
			if strings.Contains(eval[string](b, "document.documentElement.innerHTML"), "⟦") {
				b.t.Errorf("%s: a text is missing", where)
			}
			eval[chromedp.Void](b, string(axe)+";0")
			eval[chromedp.Void](b, `window.axeDone = null; axe.run(document, {resultTypes: ["violations"]}).then((r) => { window.axeDone = r.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.html.slice(0, 120)).join(" | ")); });0`)
			var violations []string
			for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
				if eval[bool](b, "window.axeDone !== null") {
					violations = eval[[]string](b, "window.axeDone")
					break
				}
			}
			for _, v := range violations {
				b.t.Errorf("%s at %d: %s", where, width, v)
			}
			if dir := os.Getenv("SCREENSHOTS"); dir != "" {
				b.shoot(filepath.Join(dir, name+"-"+theme+"-"+map[int]string{1280: "wide", 360: "phone"}[width]+".png"))
			}
		}
	}
	b.do(chromedp.EmulateViewport(1280, 800))
}

func (b *chrome) shoot(path string) {
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, png, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// The way of a person: link, passkey, codes, out, in again, recovery on another machine, and
// ending that machine's session.
func TestBrowserJourney(t *testing.T) {
	if testing.Short() {
		t.Skip("drives a browser")
	}
	c := start(t)
	tab := c.browsers()
	a := tab()
	a.open("/?lang=en")
	a.wait("Sign in with your passkey")
	a.look("signin-en")
	a.press(`form[data-ceremony="login"] button`, "No passkey was used.")
	a.look("signin-failed-en")
	a.open(c.link(directory.SignIn))
	a.wait("Go on")
	a.look("link-en")
	a.press("main form button", "Register a passkey")
	a.look("enrol-en")
	a.press(`form[data-ceremony="register"] button`, "Recovery codes")
	a.look("codes-en")
	codes := regexp.MustCompile(`[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}`).FindAllString(a.text(), -1)
	if len(codes) != 10 {
		t.Fatalf("codes %v on\n%s", codes, a.text())
	}
	a.press("main .signin-row a.button-primary", "Desk of Camille Exemple")
	a.open("/account")
	a.wait("Passkeys")
	a.look("account-en")
	a.press(`main form[action="/account/codes"] button`, "Keep these codes")
	codes = regexp.MustCompile(`[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}`).FindAllString(a.text(), -1)
	a.open("/account")
	a.press(`form[action="/sign-out"] button`, "You are signed out")
	a.look("signedout-en")
	a.open("/checks/backup")
	a.wait("Sign in with your passkey")
	a.press(`form[data-ceremony="login"] button`, "Desk of Camille Exemple")
	if where := eval[string](a, "location.pathname"); where != "/checks/backup" {
		t.Errorf("arrived at %s", where)
	}

	// Another machine, in French, by recovery code.
	b := tab()
	b.open("/sign-in/recovery?lang=fr")
	b.wait("Utiliser un code de secours")
	b.look("recovery-fr")
	fill := func(email, code string) {
		eval[chromedp.Void](b, `document.getElementById("email").value = `+quote(email)+`; document.getElementById("code").value = `+quote(code)+`;0`)
	}
	fill("camille@example.test", "0000-0000-0000-0000")
	b.press("main form button", "ne vont pas ensemble")
	b.look("recovery-wrong-fr")
	fill("camille@example.test", strings.ToLower(codes[0]))
	b.press("main form button", "Votre code de secours a été accepté")
	b.look("enrol-fr")
	b.press(`form[data-ceremony="register"] button`, "Codes de secours")
	b.look("codes-fr")
	b.open("/account")
	b.wait("Un de vos codes de secours a servi")
	b.look("account-fr")

	// The first machine reads of it and ends that session.
	a.open("/account")
	a.wait("One of your recovery codes was used")
	a.press(`form[action="/account/sessions/end"] button`, "The session has ended.")
	b.open("/account")
	b.wait("Vous êtes déconnecté")
	b.look("ended-fr")

	// After a while, what outlives the session asks for the passkey once more, by itself.
	c.clock.pass(12 * time.Minute)
	a.open("/account")
	a.press(`main form[action="/account/codes"] button`, "Keep these codes")
	// A further passkey; this device holds one already and says so.
	a.open("/enrol")
	a.press(`form[data-ceremony="register"] button`, "already holds a passkey")
	// The other codes of that set went with the renewal that came after enrolling.
	b.open("/sign-in/recovery")
	fill("camille@example.test", codes[1])
	b.press("main form button", "ne vont pas ensemble")
	// An authenticator whose user is not verified is turned away by the browser or by us.
	a.command("WebAuthn.disable", map[string]any{})
	a.command("WebAuthn.enable", map[string]any{})
	a.command("WebAuthn.addVirtualAuthenticator", map[string]any{"options": map[string]any{
		"protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": false, "isUserVerified": false, "automaticPresenceSimulation": true,
	}})
	a.open("/enrol")
	eval[chromedp.Void](a, `document.querySelector('form[data-ceremony="register"] button').click()`)
	time.Sleep(time.Second)
	if where := eval[string](a, "location.pathname"); where != "/enrol" {
		t.Errorf("a passkey without user verification was registered; now at %s", where)
	}
}
