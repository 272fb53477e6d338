package demo

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/garant-project/garant/internal/web/browsertest"
)

// Somebody of each customer in a real browser, under the pages' own policy: in both themes and
// languages, on a wide window and on a phone, axe finds nothing to say, and no page is wider than its window
// (WCAG 2.2, 1.4.10). What one customer's window shows, the other's never does.
func TestInABrowser(t *testing.T) {
	s := newStage(t)
	a := s.openArena(said)
	b := browsertest.Start(t)
	look := func(name, theme string, width int64) {
		t.Helper()
		b.Dress(browsertest.Look{Theme: theme, Width: width})
		b.Holds(name + ", " + theme)
		if dir := os.Getenv(browsertest.PreviewVariable); dir != "" {
			b.Picture(filepath.Join(dir, name+"-"+theme+".png"))
		}
	}
	both := func(name string) {
		t.Helper()
		look(name, "light", 1100)
		look(name, "dark", 360)
	}
	visit := func(address string) {
		t.Helper()
		b.Go(address)
	}
	text := func() string { return browsertest.Eval[string](b, `document.body.innerText`) }
	click := func(selector string) { // and wait for the page that answers
		t.Helper()
		browsertest.Eval[bool](b, `window.before = true`)
		b.Do(chromedp.Click(selector))
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			came, err := browsertest.Try[bool](b, `!window.before && document.readyState === "complete"`)
			if err == nil && came {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("no page answers %s:\n%s", selector, text())
			}
		}
	}
	signIn := func(customer, role string) {
		t.Helper()
		click(`a[href="/signin"]`)
		click(`button[value="00000000-0000-4000-8000-0000000000` + customer + role + `"]`)
		if at := browsertest.Eval[string](b, `location.pathname`); at != "/applications" {
			t.Fatalf("after signing in at %s:\n%s", at, text())
		}
	}

	visit(s.app.Origin + "/language/fr")
	both("home")
	visit(s.app.Origin + "/apply/brasserie")
	both("apply")
	b.Do(chromedp.SendKeys("#first_name", "Prénom"), chromedp.SendKeys("#last_name", "Exemple"), chromedp.SendKeys("#email", "navigateur@mail.example"), chromedp.SendKeys("#iban", "BE00"),
		chromedp.SendKeys("#subject", "Une fête de quartier"), chromedp.SendKeys("#amount", "350,50"), chromedp.SendKeys("#description", "Pour le voisinage."))
	browsertest.Eval[bool](b, `(document.querySelector("#field").value = "culture") === "culture"`)
	click("main button")
	if got := text(); !strings.Contains(got, "Cet IBAN n’est pas valable") {
		t.Errorf("a wrong number is taken:\n%s", got)
	}
	both("apply-fault")
	browsertest.Eval[bool](b, `(document.querySelector("#iban").value = "BE68 5390 0754 7034") !== ""`)
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
	path := browsertest.Eval[string](b, `location.pathname`)
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
	b.Do(chromedp.SendKeys("#text", "PRIX-X"))
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
