package journey

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/demo"
	"github.com/garant-project/garant/internal/demo/servers"
)

// withdrawal is how soon a sentence must be gone after what it says stopped being so, on a machine that
// has nothing else to do.
const withdrawal = 15 * time.Second

// words of the five states, as readers see them.
func words(lang string) []string {
	if lang == "fr" {
		return []string{"tenu", "non tenu", "à reconfirmer", "pas encore prouvé", "exclu"}
	}
	return []string{"met", "not met", "stale", "not proven yet", "excluded"}
}

func TestJourney(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the whole program and a browser")
	}
	j := &journey{T: t, whole: t, shots: os.Getenv("GARANT_SHOTS_DIR")}
	if j.shots != "" {
		if err := os.MkdirAll(j.shots, 0o750); err != nil {
			t.Fatal(err)
		}
	}
	binary := build(t)
	j.open()
	t.Run("new company", func(t *testing.T) { begin(j.of(t, &program{binary: binary})) })
	t.Run("example", func(t *testing.T) { walk(j.of(t, example(t, binary))) })
}

// walk goes through the example as each person would.
func walk(j *journey) {
	reader := j.machine("reader", j.annex, french)
	lead := j.machine("security lead", j.console, english)
	lead.authenticator()
	j.step("the instruments", func() { instruments(reader) })
	j.step("read the annex", func() { read(reader) })
	j.step("read on", func() { readOn(reader) })
	var codes []string
	j.step("first sign-in", func() { codes = enrol(lead) })
	j.step("run a check", func() { run(lead) })
	j.step("withdrawn and back", func() { withdraw(reader, lead) })
	j.step("the other pages of the console", func() { console(lead) })
	j.step("a list from the reception", func() { reception(j) })
	j.step("a policy to acknowledge", func() { acknowledge(lead) })
	j.step("without scripts", func() { scriptless(reader, lead) })
	j.step("in and out", func() { inAndOut(lead, codes) })
	j.step("the auditor's seat", func() { audit(lead) })
	j.Logf("%d pages looked at, in %v of axe-core and %v of pictures", j.looks, j.spent.axe.Round(time.Second), j.spent.shots.Round(time.Second))
}

// instruments spoils a page, to show that what examine looks for would be seen.
func instruments(b *tab) {
	b.visit("/")
	b.silent()
	b.page().LoadAxe()
	if found := b.page().Violations(); len(found) > 0 {
		b.Errorf("before anything was spoilt, axe found %q", found)
	}
	eval[bool](b, `document.head.append(Object.assign(document.createElement("style"), {textContent: "body { color: red }"}))
		document.querySelector("main").append(Object.assign(document.createElement("img"), {src: "data:image/gif;base64,R0lGODlhAQABAAAAACw="}))
		document.querySelector("main").style.width = "200vw"; true`)
	if found := strings.Join(b.page().Violations(), "\n"); !strings.Contains(found, "image-alt") {
		b.Errorf("a picture without words is not seen: %q", found)
	}
	if out := b.page().StickingOut(); !strings.Contains(out, "annex") {
		b.Errorf("what is wider than the window is not seen: %q", out)
	}
	b.until("hears of a style that the policy refuses", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return strings.Contains(strings.Join(b.wrong, "\n"), "style-src")
	})
	b.mu.Lock()
	b.wrong = nil
	b.mu.Unlock()
}

// read is a customer's way through the public annex.
func read(b *tab) {
	b.visit("/")
	b.reloads("proven", `!!document.querySelector("article#ENC-1.annex-measure-met") && !!document.querySelector("article#ENC-2.annex-measure-not_met")`)
	for _, lang := range []string{"fr", "en"} {
		if lang == "en" {
			b.click(`.languages a[lang="en"]`)
			b.sees("Technical and organisational measures")
		}
		if got := eval[string](b, "document.documentElement.lang"); got != lang {
			b.Errorf("the page is in %q, not %q", got, lang)
		}
		for _, word := range words(lang) {
			if !eval[bool](b, fmt.Sprintf(`[...document.querySelectorAll(".annex-key .pill")].some(e => %s(e.innerText) === %s)`, plain, quote(word))) {
				b.Errorf("%s: no state %q in the key", lang, word)
			}
		}
	}
	b.visit("/changes")
	b.visit("/") // the language stays
	b.sees("Technical and organisational measures")
	b.reloads("proven at this moment", `!!document.querySelector("article#ENC-1 .annex-measure-proof a")`)

	proof := eval[string](b, `document.querySelector("article#ENC-1 .annex-measure-proof a").getAttribute("href")`)
	b.click("article#ENC-1 .annex-measure-proof a")
	b.sees("How we know")
	if got := b.path(); got != proof || proof != "/m/ENC-1" {
		b.Errorf("the proof of ENC-1 is at %s, after a link to %s", got, proof)
	}
	b.sees("Check it yourself")
	digest := regexp.MustCompile(`^[0-9a-f]{64}$`)
	if got := eval[string](b, `document.querySelector(".annex-digests .digest").innerText.replace(/\s/g, "")`); !digest.MatchString(got) {
		b.Errorf("%q is no digest", got)
	}
	b.click(`.tabs a[href^="/changes"]`)
	b.sees("Coverage over time")
	b.sees("ENC-2")

	yesterday := time.Now().AddDate(0, 0, -2).Format(time.DateOnly) // whichever zone the company is in
	b.refused("/?at="+yesterday, "No annex had been published on that date.")
	b.refused("/?at=2026-02-30", "That date cannot be read.")
	b.refused("/?at="+time.Now().AddDate(0, 0, 2).Format(time.DateOnly), "That day has not come yet.")
	b.refused("/m/XXX-9", "The annex holds no measure of that name.")
	b.refused("/nowhere", "There is no page at this address.")

	b.visit("/")
	doc := published(b)
	if len(doc) != 82 || doc["ENC-1"] != "met" || doc["ENC-2"] != "not_met" {
		b.Errorf("annex.json holds %d measures; ENC-1 %s, ENC-2 %s", len(doc), doc["ENC-1"], doc["ENC-2"])
	}

	b.look("annex", "/")
	b.look("proof-met", "/m/ENC-1")
	b.look("proof-withdrawn", "/m/ENC-2")
	b.look("proof-unproven", "/m/BAK-1")
	b.look("changes", "/changes")
	b.look("nothing-then", "/?at="+yesterday)
	b.look("bad-day", "/?at=2026-02-30")
	b.look("not-found", "/nowhere")
	b.lang = "fr"
	b.visit("/?lang=fr")
	b.silent()
}

// published reads the annex as programs do: the state of each measure.
func published(b *tab) map[string]string {
	b.Helper()
	return eval[map[string]string](b, `fetch("/annex.json").then(r => r.json()).then(d => Object.fromEntries(d.measures.map(m => [m.id, m.state])))`)
}

// enrol follows the one-time link to a passkey, recovery codes and the desk.
func enrol(b *tab) (codes []string) {
	b.look("sign-in", "/sign-in")
	b.look("recovery", "/sign-in/recovery")
	link := strings.TrimPrefix(b.signIn, b.site)
	b.look("link", link)
	codes = b.enrol(link, func() { b.look("enrol", "/enrol") }, func() { b.examine("codes") })
	b.sees("Coverage of the annex")
	if got := b.path(); got != "/" {
		b.Errorf("landed on %s", got)
	}
	for _, want := range []string{"ENC-2", "staging", "no Strict-Transport-Security header", "Add the expected header"} {
		if !b.shows(want) {
			b.Errorf("the desk does not say %q", want)
		}
	}
	// The link has been used.
	b.refused(link, "Sign in by link")
	return codes
}

// run looks at a check and has it run.
func run(b *tab) {
	b.visit("/")
	b.click(`nav a[href="/checks"]`)
	b.sees("What Garant itself looks at")
	b.look("checks", "/checks")
	b.look("checks-filtered", "/checks?state=not_met")
	b.look("checks-none", "/checks?state=stale")
	b.visit("/checks")
	b.click(`main a[href="/checks/endpoint.tls"]`)
	b.sees("Evidence holds")
	b.look("check", "/checks/endpoint.tls")
	b.look("check-failing", "/checks/endpoint.hsts")
	evidence := eval[string](b, `document.querySelector('main a[href^="/evidence/"]').getAttribute("href")`)
	b.click(`main a[href^="/evidence/"]`)
	b.sees("The digest, recomputed just now, matches")
	b.look("evidence", evidence)

	b.visit("/checks/endpoint.hsts")
	b.click(`form[action="/checks/endpoint.hsts/run"] button`)
	b.sees("Run on request")
	b.sees("Not everything is as it should be") // without a reload: the page asks by itself
	b.sees("Add the expected header")
	b.look("run", b.path())
	b.click(`main a.button-primary[href^="/evidence/"]`)
	b.sees("The digest, recomputed just now, matches")
	b.silent()
}

// asserted is the text of a sentence without what facts show beside it; "" when it is not
// asserted. quoted is the one that was announced.
func sentence(b *tab, kind string) string {
	b.Helper()
	return eval[string](b, fmt.Sprintf(`(() => {
		const e = document.querySelector("article#ENC-1 .annex-sentence%s"); if (!e) return ""
		const c = e.cloneNode(true); c.querySelectorAll("[role=tooltip]").forEach(t => t.remove())
		return c.textContent.replace(/\s+/g, " ").trim() })()`, kind))
}

// withdraw breaks a real endpoint, sees what readers and staff see, and mends it.
func withdraw(reader, lead *tab) {
	reader.lang = "fr"
	reader.visit("/")
	before := sentence(reader, ":not(.annex-sentence-quoted)")
	if !strings.Contains(before, "HTTPS") || sentence(reader, ".annex-sentence-quoted") != "" {
		reader.Fatalf("before anything breaks, ENC-1 reads %q", before)
	}
	lead.visit("/")
	begin := time.Now()
	reader.order(reader.T, demo.Order{Do: "break", Endpoint: "application", Fault: servers.FaultTLS10})
	reader.reloads("withdrawn", `!!document.querySelector("article#ENC-1.annex-measure-not_met .annex-sentence-quoted")`)
	took := time.Since(begin)
	reader.Logf("withdrawn from the public page %v after the endpoint broke", took.Round(10*time.Millisecond))
	if got := sentence(reader, ":not(.annex-sentence-quoted)"); got != "" {
		reader.Errorf("still asserted: %q", got)
	}
	quoted := sentence(reader, ".annex-sentence-quoted")
	if !strings.HasPrefix(quoted, "Nous annoncions") || strings.Count(eval[string](reader, "document.body.textContent.replace(/\\s+/g, ' ')"), "Toutes les données circulent en HTTPS") != 1 {
		reader.Errorf("the withdrawn sentence reads %q", quoted)
	}
	reader.sees("Phrase retirée")
	// Nothing that helps an attacker: which system, which weakness.
	for _, path := range []string{"/", "/m/ENC-1", "/annex.json", "/m/ENC-1/proof.json", "/changes.json"} {
		text := eval[string](reader, "fetch("+quote(path)+").then(r => r.text())")
		for _, secret := range []string{"ardoise.example:", "app.ardoise", "127.0.0.1", "18443", "old_version"} {
			if strings.Contains(text, secret) {
				reader.Errorf("%s tells strangers %q", path, secret)
			}
		}
	}
	reader.look("annex-withdrawn", "/")

	row := `[...document.querySelectorAll("table.due tbody tr")].find(r => r.textContent.includes("ENC-1"))`
	lead.reloads("due on the desk", "!!"+row)
	said := eval[string](lead, row+".innerText")
	for _, want := range []string{"application", "accepts a protocol version that the policy does not permit", "Raise the server’s lowest protocol version to TLS 1.2"} {
		if !strings.Contains(strings.ReplaceAll(said, "\u00a0", " "), want) {
			lead.Errorf("the desk does not say %q but\n%s", want, said)
		}
	}
	lead.look("desk", "/")

	begin = time.Now()
	reader.order(reader.T, demo.Order{Do: "mend", Endpoint: "application"})
	reader.reloads("back", `!!document.querySelector("article#ENC-1.annex-measure-met")`)
	reader.Logf("back on the public page %v after the endpoint was mended", time.Since(begin).Round(10*time.Millisecond))
	reader.holds("the sentence withdrawn", took, withdrawal)
	if after := sentence(reader, ":not(.annex-sentence-quoted)"); after != before {
		reader.Errorf("the sentence came back as %q; it was %q", after, before)
	}
	lead.reloads("off the desk", "!"+row)
	reader.silent()
	lead.silent()
}

// console looks at what is left of the console.
func console(b *tab) {
	b.look("estate", "/estate")
	b.look("estate-version", "/estate/1")
	b.look("people", "/people")
	b.look("record", "/record")
	b.look("account", "/account")
	b.look("console-not-found", expected(b, "/nowhere"))

	b.visit("/people?lang=en")
	b.fill("name", "Colleague (example)")
	b.fill("email", "colleague@ardoise.example")
	b.click(`form[action="/people"] button`)
	b.sees("Colleague (example)")
	person := eval[string](b, `[...document.querySelectorAll('main a[href^="/people/"], link')].map(a => a.getAttribute("href")).find(h => !h.endsWith(".csv")) || location.pathname`)
	if strings.HasPrefix(b.path(), "/people/") {
		person = b.path()
	}
	b.look("person", person)
	b.click(`form[action$="/link"] button`)
	b.sees("/link/")
	b.examine("one-time-link")

	// On a phone the menu opens over the page.
	b.visit("/")
	b.dress(view{"light", 360})
	b.click(".topbar-menu summary")
	b.until("shows the menu", func() bool {
		open, err := try[bool](b, `document.querySelector(".topbar-panel a[href='/checks']").getBoundingClientRect().height > 0`)
		return err == nil && open
	})
	b.fits("menu")
	if b.shots != "" {
		b.shoot(filepath.Join(b.shots, "menu-en-light-360.png"))
	}
	b.click(`.topbar-panel a[href="/checks"]`)
	b.sees("What Garant itself looks at")
	b.dress(view{"light", 1280})
	b.silent()
}

func expected(b *tab, path string) string {
	b.expect(path)
	return path
}

// scriptless does without JavaScript what can be done without it.
func scriptless(reader, lead *tab) {
	annex := reader.withoutScripts("reader without scripts")
	annex.visit("/?lang=en")
	annex.sees("Technical and organisational measures")
	annex.sees("met")
	annex.click(".annex-fold summary")
	annex.until("unfolds", func() bool {
		open, err := try[bool](annex, `document.querySelector(".annex-fold").open`)
		return err == nil && open
	})
	annex.visit("/m/ENC-1")
	annex.sees("How we know")
	annex.visit("/changes")
	annex.sees("Coverage over time")
	annex.click(`.languages a[lang="fr"]`)
	annex.sees("Couverture au fil du temps")

	b := lead.withoutScripts("security lead without scripts")
	for path, says := range map[string]string{
		"/?lang=en": "Coverage of the annex", "/checks": "What Garant itself looks at", "/checks/endpoint.tls": "Evidence holds", "/estate": "Ardoise", "/people": "Colleague (example)",
		"/record": "Audit log", "/account": "Where you are signed in",
	} {
		b.visit(path)
		b.sees(says)
	}
	b.visit("/checks/endpoint.tls")
	b.click(`form[action="/checks/endpoint.tls/run"] button`)
	b.sees("Everything is as it should be") // the page renews itself
	if !strings.HasPrefix(b.path(), "/runs/") {
		b.Errorf("the run is shown at %s", b.path())
	}
	b.click(`main a.button-primary[href^="/evidence/"]`)
	b.sees("The digest, recomputed just now, matches")
	annex.silent()
	b.silent()
}

// inAndOut signs out and in with the passkey, and with a recovery code on another machine, whose
// session the first one then ends.
func inAndOut(b *tab, codes []string) {
	b.visit("/?lang=en")
	b.click(`.sidebar form[action="/sign-out"] button`)
	b.sees("You are signed out")
	b.examine("signed-out")
	b.visit("/checks/endpoint.tls")
	b.sees("Sign in with your passkey")
	if u, err := url.Parse(eval[string](b, "location.href")); err != nil || u.Path != "/sign-in" || u.Query().Get("next") != "/checks/endpoint.tls" {
		b.Errorf("a page of the console leads strangers to %v (%v)", u, err)
	}
	b.click(`form[data-ceremony="login"] button`)
	b.sees("Evidence holds")

	other := b.machine("another machine", b.console, french)
	other.lang = "fr"
	other.authenticator()
	other.visit("/sign-in/recovery")
	other.expect("/sign-in/recovery")
	other.fill("email", "securite@ardoise.example")
	other.fill("code", "0000-0000-0000-0000")
	other.click("main form button")
	other.sees("ne vont pas ensemble")
	other.examine("recovery-wrong")
	other.fill("email", "securite@ardoise.example")
	other.fill("code", codes[3])
	other.click("main form button")
	other.sees("Votre code de secours a été accepté")
	other.visit("/checks") // nothing before a passkey
	if got := other.path(); got == "/checks" && other.shows("Ce que Garant regarde") {
		other.Error("a recovery code alone opens the console")
	}
	other.visit("/enrol")
	other.click(`form[data-ceremony="register"] button`)
	other.sees("Conservez ces codes")
	other.examine("codes")
	other.visit("/checks")
	other.sees("Ce que Garant regarde")

	b.visit("/account")
	b.sees("One of your recovery codes was used")
	b.look("account-notices", "/account")
	b.click(`form[action="/account/sessions/end"] button`)
	b.sees("The session has ended")
	other.visit("/checks")
	other.sees("Vous êtes déconnecté")
	if got := other.path(); got != "/sign-in" {
		other.Errorf("after its session was ended, the other machine is at %s", got)
	}
	other.silent()
	b.silent()
}
