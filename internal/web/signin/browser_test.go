package signin_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/web/browsertest"
)

// chrome is a tab with an authenticator of its own.
type chrome struct{ *browsertest.Tab }

// browsers starts Chromium and returns a function that opens a tab in a profile of its own.
func (c *console) browsers() func() *chrome {
	c.t.Helper()
	first := browsertest.Start(c.t)
	first.Site = c.origin
	return func() *chrome {
		c.t.Helper()
		b := &chrome{first.Another()}
		b.Authenticator(true)
		return b
	}
}

func (b *chrome) text() string {
	return browsertest.Eval[string](b.Tab, "document.body.innerText")
}

func (b *chrome) path() string { return browsertest.Eval[string](b.Tab, "location.pathname") }

func (b *chrome) open(path string) { b.Helper(); b.Go(b.Site + path) }

// run runs a script of which nothing is expected back.
func (b *chrome) run(script string) { b.Helper(); browsertest.Eval[bool](b.Tab, script+";true") }

// press clicks and waits until a text stands on the page.
func (b *chrome) press(selector, until string) {
	b.Helper()
	found := "document.querySelector(" + browsertest.Quote(selector) + ")"
	if !browsertest.Eval[bool](b.Tab, "!!"+found) {
		b.Fatalf("no %s on\n%s", selector, b.Where())
	}
	b.run(found + ".click()")
	b.wait(until)
}

func (b *chrome) wait(until string) {
	b.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		found, err := browsertest.Try[bool](b.Tab, "document.readyState === 'complete' && document.body.innerText.includes("+browsertest.Quote(until)+")")
		if err == nil && found {
			return
		}
	}
	b.Fatalf("no %q on %s", until, b.Where())
}

// look holds the page to what every page promises, in both themes and two widths. With SCREENSHOTS=directory it
// leaves pictures there.
func (b *chrome) look(name string) {
	b.Helper()
	for _, width := range []int64{1280, 360} {
		for _, theme := range []string{"light", "dark"} {
			b.Dress(browsertest.Look{Theme: theme, Width: width})
			b.Holds(fmt.Sprintf("%s %s at %d", name, theme, width))
			if dir := os.Getenv("SCREENSHOTS"); dir != "" {
				b.Picture(filepath.Join(dir, name+"-"+theme+"-"+map[int64]string{1280: "wide", 360: "phone"}[width]+".png"))
			}
		}
	}
	b.Dress(browsertest.Look{Theme: "light", Width: 1280})
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
	if where := a.path(); where != "/checks/backup" {
		t.Errorf("arrived at %s", where)
	}

	// Another machine, in French, by recovery code.
	b := tab()
	b.open("/sign-in/recovery?lang=fr")
	b.wait("Utiliser un code de secours")
	b.look("recovery-fr")
	fill := func(email, code string) {
		b.run(`document.getElementById("email").value = ` + browsertest.Quote(email) + `; document.getElementById("code").value = ` + browsertest.Quote(code))
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
	a.Command("WebAuthn.disable", map[string]any{})
	a.Authenticator(false)
	a.open("/enrol")
	a.run(`document.querySelector('form[data-ceremony="register"] button').click()`)
	time.Sleep(time.Second)
	if where := a.path(); where != "/enrol" {
		t.Errorf("a passkey without user verification was registered; now at %s", where)
	}
}
