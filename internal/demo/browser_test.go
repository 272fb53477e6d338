package demo

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// pictures in the environment names a directory into which every page is drawn that the browser visits.
const pictures = "GARANT_PICTURES"

func (s *stage) chromium() context.Context {
	s.t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			program = found
			break
		}
	}
	if program == "" {
		s.t.Skip("needs Chromium: apt-get install chromium")
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.Headless)
	s.t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	s.t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, 5*time.Minute)
	s.t.Cleanup(stop)
	return ctx
}

func evaluate[T any](ctx context.Context, t *testing.T, script string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(script[:min(len(script), 80)], err)
	}
	return v
}

// Somebody of each customer in a real browser, under the pages' own policy: in both themes and
// languages, on a wide window and on a phone, axe finds nothing to say, and no page is wider than its window
// (WCAG 2.2, 1.4.10). What one customer's window shows, the other's never does.
func TestInABrowser(t *testing.T) {
	s := newStage(t)
	a := s.openArena(said)
	axe, err := os.ReadFile("../web/ui/testdata/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	ctx := s.chromium()
	look := func(name, theme string, width int64) {
		t.Helper()
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}})
		if err == nil {
			err = chromedp.Do(ctx, chromedp.EmulateViewport(width, 900))
		}
		if err != nil {
			t.Fatal(err)
		}
		evaluate[bool](ctx, t, string(axe)+"; true")
		for _, f := range evaluate[[]string](ctx, t, `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(r =>
			r.passes.length < 10 ? ["axe looked at too little"] : r.violations.map(v => v.id + ": " + v.nodes.map(n => n.target + " " + n.failureSummary).join("; ")))`) {
			t.Errorf("%s, %s, %d px: %s", name, theme, width, f)
		}
		if wide := evaluate[int64](ctx, t, `document.documentElement.scrollWidth`); wide > width {
			t.Errorf("%s, %d px: the page is %d px wide", name, width, wide)
		}
		if dir := os.Getenv(pictures); dir != "" {
			shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, name+"-"+theme+".png"), shot, 0o600)
			}
			if err != nil {
				t.Error(err)
			}
		}
	}
	both := func(name string) {
		t.Helper()
		look(name, "light", 1100)
		look(name, "dark", 360)
	}
	visit := func(address string) {
		t.Helper()
		if err := chromedp.Do(ctx, chromedp.Navigate(address)); err != nil {
			t.Fatal(address, err)
		}
	}
	text := func() string { return evaluate[string](ctx, t, `document.body.innerText`) }
	click := func(selector string) {
		t.Helper()
		if err := chromedp.Do(ctx, chromedp.Click(selector)); err != nil {
			t.Fatal(selector, err)
		}
		time.Sleep(time.Second)
	}
	signIn := func(customer, role string) {
		t.Helper()
		click(`a[href="/signin"]`)
		click(`button[value="00000000-0000-4000-8000-0000000000` + customer + role + `"]`)
		if at := evaluate[string](ctx, t, `location.pathname`); at != "/applications" {
			t.Fatalf("after signing in at %s:\n%s", at, text())
		}
	}

	visit(s.app.Origin + "/language/fr")
	both("home")
	visit(s.app.Origin + "/apply/brasserie")
	both("apply")
	if err := chromedp.Do(ctx, chromedp.SendKeys("#first_name", "Prénom"), chromedp.SendKeys("#last_name", "Exemple"), chromedp.SendKeys("#email", "navigateur@mail.example"), chromedp.SendKeys("#iban", "BE00"),
		chromedp.SendKeys("#subject", "Une fête de quartier"), chromedp.SendKeys("#amount", "350,50"), chromedp.SendKeys("#description", "Pour le voisinage.")); err != nil {
		t.Fatal(err)
	}
	evaluate[bool](ctx, t, `(document.querySelector("#field").value = "culture") === "culture"`)
	click("main button")
	if got := text(); !strings.Contains(got, "Cet IBAN n’est pas valable") {
		t.Errorf("a wrong number is taken:\n%s", got)
	}
	both("apply-fault")
	evaluate[bool](ctx, t, `(document.querySelector("#iban").value = "BE68 5390 0754 7034") !== ""`)
	click("main button")
	if got := text(); !strings.Contains(got, "a reçu votre demande") {
		t.Errorf("the form does not arrive:\n%s", got)
	}
	both("received")

	visit(s.app.Origin + "/")
	click(`a[href="/signin"]`)
	both("login")
	visit(s.app.Origin + "/")
	signIn("1", "1")
	both("list")
	if got := text(); !strings.Contains(got, "Une fête de quartier") || !strings.Contains(got, "Brasserie de l’Exemple") {
		t.Errorf("the list of the customer who was asked:\n%s", got)
	}
	click(`.rows li a`)
	both("review")
	click(`button[value="refused"]`)
	both("review-fault")
	click(`button[value="granted"]`)
	both("granted")
	path := evaluate[string](ctx, t, `location.pathname`)
	click(`.who button`)
	signIn("1", "2")
	visit(s.app.Origin + path)
	both("pay")
	click(`main form button`)
	both("payments")
	click(`.who button`)
	// The other customer, in English.
	visit(s.app.Origin + "/language/en")
	signIn("2", "3")
	both("list-other")
	if got := text(); strings.Contains(got, "Une fête de quartier") || !strings.Contains(got, "Assurances de l’Exemple") {
		t.Errorf("the other customer's list:\n%s", got)
	}
	visit(s.app.Origin + path)
	both("not-found")
	if got := text(); strings.Contains(got, "fête") || !strings.Contains(got, "Page not found") {
		t.Errorf("the other customer opens the page:\n%s", got)
	}

	visit(a.Origin + "/?lang=fr")
	both("arena")
	click(`form[action^="/login"] button`)
	both("arena-login")
	visit(a.Origin + "/?lang=en")
	if err := chromedp.Do(ctx, chromedp.SendKeys("#text", "PRIX-X")); err != nil {
		t.Fatal(err)
	}
	click(`form[action^="/try"] button`)
	both("arena-wrong")
	// An open page follows what happens, without being loaded again.
	visit(a.Origin + "/?lang=en")
	if err := (production{s.c.db}).exec(`DROP POLICY garant_select ON customer.application`); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(15 * time.Second); !strings.Contains(text(), "The wall is down"); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("an open page does not follow:\n%s", text())
		}
	}
	both("arena-down")
	if err := s.c.Mend(productionName); err != nil {
		t.Fatal(err)
	}
}
