package console_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/measure"
	annexes "github.com/garant-project/garant/internal/measure/tailoring/console"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console/consoletest"
)

// Where a check found its register empty, the next step is that register and not garant.yaml.
func TestListLeadsToAnEmptyRegister(t *testing.T) {
	h := open(t)
	h.scope, h.finding = []string{measure.RegisterScope + "assets"}, measure.Finding{Outcome: measure.NotApplicable}
	h.look()
	consoletest.Wants(t, h.get("/annex?kind=checked"), "No target is declared yet.")
	h.chrome.Serves([]web.Route{{Pattern: "GET /registers/{key}", Permission: actor.ReadRegisters, Handler: func(http.ResponseWriter, *web.Request) error { return nil }}})
	consoletest.Wants(t, h.get("/annex?waits=target&kind=checked"), "ENC-1", "The register holds nothing to look at yet.", "[/registers/assets] Open the register")
}

func TestListBeforeAnything(t *testing.T) {
	h := open(t)
	page := h.get("/annex")
	consoletest.Wants(t, page, "Private: not published", "[/annex/review] Review and publish", "ENC-1 · [/annex/ENC-1] Encryption in transit", "1.1 · Physical entry", "All 80",
		"No check of it exists yet.", "[/annex/ACC-1#kind] Choose", "[/checks/test.tls] See the check", "Waits for", "[/annex.csv]", "[/annex.yaml]")
	h.look()
	page = h.get("/annex?state=met")
	consoletest.Wants(t, page, "ENC-1", "met 1", "Show all")
	consoletest.Lacks(t, page, "ENC-2 ·")
	h.finding = measure.Finding{Outcome: measure.Fail, Scope: []string{"application"}, Failed: []measure.Item{{Target: "application", Problem: measure.ProblemTimeout}}}
	h.look()
	page = h.get("/annex?waits=mending&kind=checked")
	consoletest.Wants(t, page, "[/checks/test.tls#mending] See the fix", "ENC-1")
	consoletest.Wants(t, h.get("/annex?state=stale"), "No measure is like that", "[/annex] Show all")
	consoletest.Wants(t, h.get("/annex?owner=facilities"), "PHY-1")
	for _, bad := range []string{"state=fine", "kind=x", "owner=nobody", "waits=x"} {
		if w, body := h.ask(http.MethodGet, "/annex?lang=en&"+bad, nil); w.Code != http.StatusUnprocessableEntity || !strings.Contains(consoletest.Text(t, body), "cannot be narrowed") {
			t.Errorf("%s: %d", bad, w.Code)
		}
	}
	w, body := h.ask(http.MethodGet, "/annex.csv?state=not_met", nil)
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil || w.Code != http.StatusOK || len(rows) != 2 || rows[1][0] != "ENC-1" || rows[1][4] != "not_met" || rows[1][9] != "mending" {
		t.Errorf("%d %q %v", w.Code, rows, err)
	}
	if w, _ := h.ask(http.MethodGet, "/annex.yaml", nil); w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Content-Disposition"), "annex.yaml") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestListWithOwnersAndAttestations(t *testing.T) {
	h := open(t, func(d *annexes.Deps) {
		d.Attest = func(id string) string { return "/attest/" + id }
		d.Assign = func(id string) string { return "/assign/" + id }
		d.Unowned = func(context.Context) (map[string]bool, error) { return map[string]bool{"PWR-1": true}, nil }
	})
	page := h.get("/annex")
	consoletest.Wants(t, page, "[/assign/PWR-1] Name somebody", "somebody to answer for it", "[/attest/PHY-6] Confirm", "[/estate] Declare a site")
	consoletest.Wants(t, h.get("/annex?waits=owner"), "PWR-1")
	consoletest.Lacks(t, h.get("/annex?waits=owner"), "PHY-6")
}

func TestEditAMeasure(t *testing.T) {
	h := open(t)
	h.look()
	page := h.get("/annex/ENC-1")
	consoletest.Wants(t, page, "As it will be read", "TLS 1.2 et TLS 1.3 est refusée", "TLS 1.2 and TLS 1.3 is refused", "{endpoint.tls.accepted}", "[/annex/parameters#p.endpoint.tls.accepted]", "What the catalogue says", "… addresses")
	// Saved as it is, nothing changes.
	h.send("/annex/ENC-1", "/annex/ENC-1")
	if got := h.draft(); got != "" {
		t.Errorf("the draft is %q", got)
	}
	to := h.send("/annex/ENC-1", "/annex/ENC-1", "sentence.fr", "Tout passe par HTTPS : seules les versions\r\n{endpoint.tls.accepted} sont acceptées.", "sentence.en", "Everything uses HTTPS, and only {endpoint.tls.accepted} is accepted.", "owner", "security", "operator", "supplier")
	consoletest.Wants(t, h.get(to), "The draft is saved.", "seules les versions TLS 1.2 et TLS 1.3 sont acceptées", "Security")
	draft := h.draft()
	for _, want := range []string{"HTTPS\u202f: seules", "owner: security", "operator: supplier"} {
		if !strings.Contains(draft, want) {
			t.Errorf("%q is not in the draft:\n%s", want, draft)
		}
	}
	if strings.Contains(draft, "title") || strings.Contains(draft, "method") || strings.Contains(draft, "drops") {
		t.Errorf("words that are the catalogue's are written down:\n%s", draft)
	}
	consoletest.Wants(t, h.get("/annex"), "checked changed", "Private")

	// A fact that is dropped is asked for; with a reason it goes.
	body := h.refused("/annex/ENC-1", "/annex/ENC-1", "sentence.fr", "Tout est chiffré.", "sentence.en", "All is encrypted.")
	said := consoletest.Text(t, body)
	consoletest.Wants(t, said, "no longer quotes {endpoint.tls.accepted}", "Why the sentence no longer says {endpoint.tls.accepted}", "Tout est chiffré.", "All is encrypted.")
	form := h.form(body, "/annex/ENC-1")
	form.Set("drops.endpoint.tls.accepted", "the supplier decides")
	if w, body := h.ask(http.MethodPost, "/annex/ENC-1", form); w.Code != http.StatusSeeOther {
		t.Fatalf("%d\n%s", w.Code, consoletest.Text(t, body))
	}
	if !strings.Contains(h.draft(), "the supplier decides") {
		t.Errorf("%s", h.draft())
	}
	consoletest.Wants(t, h.get("/annex/review"), "The annex announces less", "weaker", "All is encrypted.")

	for name, c := range map[string][]string{
		"a literal figure":  {"sentence.en", "Only {endpoint.tls.accepted} since 2019.", "A literal figure"},
		"a boast":           {"title.en", "State of the art", "no check can refute"},
		"no full stop":      {"sentence.fr", "Tout est chiffré", "full stop"},
		"a hedge in French": {"sentence.fr", "Tout est régulièrement chiffré.", "no check can refute"},
		"nothing":           {"title.fr", "", "The value is missing."},
		"a cadence":         {"cadence", "30d", "checks set the pace"},
		"an unknown team":   {"owner", "nobody", "The team nobody has no name."},
		"braces":            {"sentence.en", "All {is encrypted.", "A brace is not closed"},
	} {
		page, _ := h.raw("/annex/ENC-1")
		form := h.form(page, "/annex/ENC-1")
		form.Set(c[0], c[1])
		w, body := h.ask(http.MethodPost, "/annex/ENC-1?lang=en", form)
		if w.Code == http.StatusSeeOther && name == "a cadence" {
			continue // of a measure that nobody confirms, the field does not count
		}
		if w.Code != http.StatusUnprocessableEntity || !strings.Contains(consoletest.Text(t, body), c[2]) {
			t.Errorf("%s: %d\n%s", name, w.Code, consoletest.Text(t, body))
		}
	}
	// A preview writes nothing.
	before := h.draft()
	w, body := h.post("/annex/ENC-1", "/annex/ENC-1", "do", "preview", "title.en", "Another title")
	form = h.form(body, "/annex/ENC-1")
	if w.Code != http.StatusOK || !strings.Contains(consoletest.Text(t, body), "Preview, not saved yet") || form.Get("title.en") != "Another title" || h.draft() != before {
		t.Errorf("%d %v", w.Code, form)
	}
	if w, _ := h.ask(http.MethodGet, "/annex/ENC-99", nil); w.Code != http.StatusNotFound {
		t.Errorf("an unknown measure: %d", w.Code)
	}
}

func TestAttestedAndExcluded(t *testing.T) {
	h := open(t)
	h.send("/annex/LOG-3", "/annex/LOG-3", "attested", "1", "cadence", "180d")
	draft := h.draft()
	if !strings.Contains(draft, "attested: true") {
		t.Fatal(draft)
	}
	page := h.get("/annex/LOG-3")
	consoletest.Wants(t, page, "attested", "lapses by itself")
	// The box is set; saved again nothing moves; unset, all is as before.
	if !h.formHas("/annex/LOG-3", "attested") {
		t.Error("the box is not set")
	}
	h.send("/annex/LOG-3", "/annex/LOG-3")
	if h.draft() != draft {
		t.Errorf("saving what is there changed it:\n%s\n%s", draft, h.draft())
	}
	raw, _ := h.raw("/annex/LOG-3")
	form := h.form(raw, "/annex/LOG-3")
	form.Del("attested")
	if w, body := h.ask(http.MethodPost, "/annex/LOG-3", form); w.Code != http.StatusSeeOther || strings.Contains(h.draft(), "LOG-3") {
		t.Errorf("%d %s\n%s", w.Code, h.draft(), consoletest.Text(t, body))
	}

	body := h.refused("/annex/BAK-4", "/annex/BAK-4/exclude")
	consoletest.Wants(t, consoletest.Text(t, body), "The value is missing.")
	body = h.refused("/annex/BAK-4", "/annex/BAK-4/exclude", "excluded.reason.fr", "Nous n'avons pas Redis.")
	consoletest.Wants(t, consoletest.Text(t, body), "A language is missing: English.", "Nous n’avons pas Redis.")
	h.send("/annex/BAK-4", "/annex/BAK-4/exclude", "excluded.reason.fr", "Nous n'avons pas Redis.", "excluded.reason.en", "We have no Redis.")
	consoletest.Wants(t, h.get("/annex/BAK-4"), "This measure is excluded from the annex We have no Redis.", "Change the reason")
	consoletest.Wants(t, h.get("/annex?state=excluded"), "BAK-4")
	h.send("/annex/BAK-4", "/annex/BAK-4/include")
	if strings.Contains(h.draft(), "BAK-4") {
		t.Error(h.draft())
	}
	for _, path := range []string{"/annex/ENC-99/exclude", "/annex/ENC-99/include", "/annex/ENC-1/remove", "/annex/ENC-99"} {
		if w, _ := h.ask(http.MethodPost, path, url.Values{"revision": {"0"}}); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w, _ := h.ask(http.MethodPost, "/annex/ENC-1", url.Values{"revision": {"x"}}); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("no revision: %d", w.Code)
	}
}

func (h *house) formHas(target, field string) bool {
	page, _ := h.raw(target)
	return h.form(page, target).Has(field)
}

func TestParameters(t *testing.T) {
	h := open(t)
	page := h.get("/annex/parameters")
	for name := range h.book.Base.Parameters {
		for lang, words := range annexes.Messages() {
			if !strings.Contains(string(words), "\nannexes.parameter."+name+": ") {
				t.Errorf("%s: the figure %s has no words", lang, name)
			}
		}
	}
	consoletest.Wants(t, page, "Retention of database snapshots", "backup.database.retention", "1 year", "[/annex/BAK-1] BAK-1", "Read from garant.yaml, which wins", "2 years")
	h.send("/annex/parameters", "/annex/parameters", "p.backup.database.retention", "30d", "p.endpoint.tls.accepted", "TLS 1.3")
	if got := h.draft(); !strings.Contains(got, "backup.database.retention: 30d") || !strings.Contains(got, "[TLS 1.3]") || strings.Count(got, "\n") != 3 {
		t.Errorf("%s", got)
	}
	page = h.get("/annex/parameters")
	consoletest.Wants(t, page, "30 days", "weaker")
	consoletest.Wants(t, h.get("/annex/BAK-1"), "30 days")
	body := h.refused("/annex/parameters", "/annex/parameters", "p.backup.database.retention", "soon")
	consoletest.Wants(t, consoletest.Text(t, body), "This is not a length of time.")
	if h.form(body, "/annex/parameters").Get("p.backup.database.retention") != "soon" {
		t.Error("the form was not kept")
	}
	h.send("/annex/parameters", "/annex/parameters", "own.name", "training.period", "own.kind", "duration", "own.value", "365d")
	consoletest.Wants(t, h.get("/annex/parameters"), "own.training.period", "no measure")
	for name, c := range map[string][3]string{
		"twice":      {"own.training.period", "30d", "There is a figure own.training.period already."},
		"no value":   {"own.other", "", "The value is missing."},
		"no length":  {"own.other", "soon", "This is not a length of time."},
		"a bad name": {"own.Oth er", "30d", "The name of a figure holds something else"},
	} {
		body := h.refused("/annex/parameters", "/annex/parameters", "own.name", c[0], "own.kind", "duration", "own.value", c[1])
		if !strings.Contains(consoletest.Text(t, body), c[2]) {
			t.Errorf("%s: %s", name, consoletest.Text(t, body))
		}
	}
	h.send("/annex/parameters", "/annex/parameters", "p.backup.database.retention", "365d", "p.own.training.period", "", "p.endpoint.tls.accepted", "TLS 1.2, TLS 1.3")
	if got := h.draft(); strings.Contains(got, "retention") {
		t.Errorf("%s", got)
	}
}

func TestCompany(t *testing.T) {
	h := open(t)
	page := h.get("/annex/company")
	consoletest.Wants(t, page, "0 of 9 answered", "Data protection officer", "Names of the teams")
	h.send("/annex/company", "/annex/company", "company.legal_name", "Ardoise Mécénat SRL", "company.revision", "2020-01-31", "company.dpo.email", "dpo@ardoise.example",
		"also.training.fr", "Chacun est formé à l'arrivée.", "also.training.en", "Everybody is trained on arrival.", "teams.operations.fr", "Plateforme", "teams.operations.en", "Platform",
		"team.key", "support", "team.name.fr", "Assistance", "team.name.en", "Support")
	draft := h.draft()
	for _, want := range []string{"legal_name: Ardoise Mécénat SRL", "l’arrivée", "Plateforme", "support:"} {
		if !strings.Contains(draft, want) {
			t.Errorf("%q is not in\n%s", want, draft)
		}
	}
	if strings.Contains(draft, "security") {
		t.Errorf("a team that nobody renamed is written down:\n%s", draft)
	}
	consoletest.Wants(t, h.get("/annex/company"), "1 of 9 answered", "support · French")
	for name, c := range map[string][3]string{
		"no address":     {"company.dpo.email", "dpo", "This is no e-mail address."},
		"no day":         {"company.revision", "tomorrow", "This is not a day."},
		"one language":   {"also.ai.fr", "Aucune.", "A language is missing: English."},
		"a team twice":   {"team.key", "support", "There is a team support already."},
		"a nameless one": {"team.key", "sales", "The value is missing."},
	} {
		body := h.refused("/annex/company", "/annex/company", c[0], c[1])
		if !strings.Contains(consoletest.Text(t, body), c[2]) || h.form(body, "/annex/company").Get(c[0]) != c[1] {
			t.Errorf("%s: %s", name, consoletest.Text(t, body))
		}
	}
	// An answer is read by the public only when it is published; the day of revision then counts.
	bob := h.person("bob")
	h.send("/annex/review", "/annex/review")
	h.auth.who = bob
	h.publish()
	h.auth.who = h.alice
	consoletest.Wants(t, h.get("/"), "The annex is due for revision", "31 January 2020")
}

// publish publishes what waits, as whoever is signed in.
func (h *house) publish() {
	h.t.Helper()
	last, err := h.book.Last(context.Background())
	if err != nil {
		h.t.Fatal(err)
	}
	h.send("/annex/review", fmt.Sprintf("/annex/review/%d/publish", last.ID))
}

func TestOwnMeasure(t *testing.T) {
	h := open(t)
	fill := []string{"title.fr", "Formation", "title.en", "Training", "sentence.fr", "Chacun est formé à l'arrivée.", "sentence.en", "Everybody is trained on arrival.", "method.fr", "On le confirme.", "method.en", "Somebody confirms it.", "section", "1.2"}
	if to := h.send("/annex/own", "/annex/own", fill...); to != "/annex/OWN-1?done=annex_saved" {
		t.Errorf("led to %s", to)
	}
	page := h.get("/annex/OWN-1")
	consoletest.Wants(t, page, "your own", "Everybody is trained on arrival.", "attested", "Remove this measure")
	consoletest.Lacks(t, page, "Exclude from the annex")
	consoletest.Wants(t, h.get("/annex?waits=attestation&owner=security"), "OWN-1")
	draft := h.draft()
	h.send("/annex/OWN-1", "/annex/OWN-1")
	if h.draft() != draft {
		t.Errorf("saving what is there changed it:\n%s\n%s", draft, h.draft())
	}
	h.send("/annex/OWN-1", "/annex/OWN-1", "kind", "checked", "cadence", " ", "checks", "vpn, vpn-2", "facts", "own.vpn.users", "method.fr", "On compte {own.vpn.users|compte|comptes}.", "method.en", "We count {own.vpn.users|account|accounts}.")
	consoletest.Wants(t, h.get("/annex/OWN-1"), "… accounts", "Declare in garant.yaml the checks that it names.")
	if raw, _ := h.raw("/annex/OWN-1"); h.form(raw, "/annex/OWN-1").Get("checks") != "vpn, vpn-2" {
		t.Error("the checks are not in the form")
	}
	w, body := h.post("/annex/OWN-1", "/annex/OWN-1", "do", "preview", "title.en", "Schooling")
	if w.Code != http.StatusOK || !strings.Contains(body, "Preview, not saved yet") || strings.Contains(h.draft(), "Schooling") {
		t.Errorf("%d", w.Code)
	}
	body = h.refused("/annex/OWN-1", "/annex/OWN-1", "checks", "")
	_ = body
	for name, c := range map[string][3]string{
		"the same id":         {"id", "OWN-1", "There is a measure OWN-1 already."},
		"an id of Garant's":   {"id", "enc-1", "The ids that begin with ENC- are the catalogue’s."},
		"no id":               {"id", "own 1", "The id is not capitals, a hyphen and a number."},
		"checked by nothing":  {"kind", "checked", "names no check"},
		"no cadence":          {"cadence", " ", "has no cadence"},
		"a literal figure":    {"sentence.en", "We train 3 times.", "A literal figure"},
		"a heading":           {"refs.clauses", "none", "no heading none"},
		"no article":          {"refs.gdpr", " ", "The value is missing."},
		"a figure in one":     {"sentence.fr", "Chacun l'est {storage.encryption}.", "is quoted in one language"},
		"words in one":        {"method.en", " ", "The value is missing."},
		"a fact that is none": {"facts", "A B", "The name of a fact"},
	} {
		page, _ := h.raw("/annex/own")
		form := h.form(page, "/annex/own")
		for i := 0; i+1 < len(fill); i += 2 {
			form.Set(fill[i], fill[i+1])
		}
		form.Set(c[0], c[1])
		w, body := h.ask(http.MethodPost, "/annex/own?lang=en", form)
		if w.Code != http.StatusUnprocessableEntity || !strings.Contains(consoletest.Text(t, body), c[2]) {
			t.Errorf("%s: %d %s", name, w.Code, consoletest.Text(t, body))
		}
	}
	h.send("/annex/OWN-1", "/annex/OWN-1/remove")
	if strings.Contains(h.draft(), "OWN-1") {
		t.Error(h.draft())
	}
}

func TestWholeText(t *testing.T) {
	h := open(t)
	h.send("/annex/text", "/annex/text", "text", "# ours\r\nmeasures:\r\n  ENC-1: {owner: security}\r\n")
	if got := h.draft(); got != "# ours\nmeasures:\n  ENC-1: {owner: security}\n" {
		t.Errorf("%q", got)
	}
	body := h.refused("/annex/text", "/annex/text", "text", "measures:\n  ENC-1: {owner: nobody}\n  ENC-99: {owner: security}\n# <script>: x\n")
	consoletest.Wants(t, consoletest.Text(t, body), "2 things to correct", "line 2", "line 3")
	if !strings.Contains(h.form(body, "/annex/text").Get("text"), "<script>: x") {
		t.Error("the text was not kept")
	}
	large := "# " + strings.Repeat("é", 400_000) + "\n"
	h.send("/annex/text", "/annex/text", "text", large)
	if h.draft() != large {
		t.Error("a large text was not kept")
	}
	consoletest.Wants(t, consoletest.Text(t, h.refused("/annex/text", "/annex/text", "text", "# "+strings.Repeat("x", 1<<20))), "larger than 1 MiB")
}
