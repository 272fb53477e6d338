package console_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	checks "github.com/garant-project/garant/internal/measure/console"
	"github.com/garant-project/garant/internal/measure/tailoring"
	annexes "github.com/garant-project/garant/internal/measure/tailoring/console"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/console/consoletest"
	"github.com/garant-project/garant/internal/web/signin"
	"github.com/garant-project/garant/internal/web/ui"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const source = `company: {name: Ardoise Mécénat, country: BE, languages: [fr, en], time_zone: Europe/Brussels, contact: dpo@ardoise.example}
endpoints:
  - {name: application, url: "https://app.ardoise.example", environment: production, audience: public}
policy: {every: 1m}
`

type auth struct{ who actor.Actor }

func (a *auth) Authenticate(*http.Request) (actor.Actor, error) { return a.who, nil }

// house is the pages of the annex over a database of the test's own, with one check whose finding
// the test decides.
type house struct {
	t         testing.TB
	db        *pg.DB
	dir       *directory.Directory
	runner    *measure.Runner
	book      *tailoring.Book
	deps      annexes.Deps
	auth      *auth
	site      *web.Site
	chrome    *console.Chrome
	finding   measure.Finding
	published int
	ahead     time.Duration
	alice     actor.Actor
}

func open(t testing.TB, change ...func(*annexes.Deps)) *house {
	t.Helper()
	ctx := context.Background()
	h := &house{t: t, db: pgtest.New(t), auth: &auth{}, finding: measure.Finding{Outcome: measure.Pass, Scope: []string{"application"}}}
	cat, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	enc, _ := cat.Measure("ENC-1")
	engine := measure.Engine{Name: "test", Checks: []measure.Check{{
		ID: "test.tls", Measures: []string{"ENC-1"}, Every: time.Minute, Valid: 5 * time.Minute, Timeout: 10 * time.Second, Facts: enc.Facts,
		Scope: func(*estate.Estate) []string { return []string{"application"} },
		Run:   func(context.Context, measure.In) measure.Finding { return h.finding },
	}}, Parameters: func(*estate.Estate) map[string]measure.Fact {
		return map[string]measure.Fact{"endpoint.hsts.required_max_age": measure.Span(730 * 24 * time.Hour)}
	}}
	reg, err := measure.NewRegistry(cat, engine)
	if err != nil {
		t.Fatal(err)
	}
	h.runner = &measure.Runner{Registry: reg, DB: h.db, View: h.view, Build: "0.1.0-test", Now: h.now, Log: slog.New(slog.DiscardHandler)}
	h.book = &tailoring.Book{DB: h.db.Pool(pg.Staff), Base: cat}
	msgs, err := ui.NewMessages(console.Messages(), checks.Messages(), signin.Messages(), annexes.Messages())
	if err != nil {
		t.Fatal(err)
	}
	h.dir = directoryOf(t, h.db)
	h.chrome = &console.Chrome{Messages: msgs, Company: func(context.Context) string { return "Ardoise Mécénat" }}
	routes, err := console.Pages(h.chrome, console.Deps{DB: h.db, Directory: h.dir, LinkURL: func(token string) string { return "http://admin.localhost/link/" + token }})
	if err != nil {
		t.Fatal(err)
	}
	desk, err := checks.Pages(h.chrome, h.runner)
	if err != nil {
		t.Fatal(err)
	}
	h.deps = annexes.Deps{Book: h.book, Runner: h.runner, Directory: h.dir, Published: func() { h.published++ }}
	for _, c := range change {
		c(&h.deps)
	}
	own, err := annexes.Pages(h.chrome, h.deps)
	if err != nil {
		t.Fatal(err)
	}
	routes = append(append(append(routes, desk...), own...), web.Route{Pattern: "GET /static/", Permission: web.Public, Handler: web.Serve(ui.Static())})
	h.site, err = web.NewSite(web.Config{
		Name: "console", Hosts: []string{"admin.localhost", "127.0.0.1"}, Routes: routes, Auth: h.auth, SignInPath: "/sign-in", ErrorPage: h.chrome.Error,
		Languages: []string{"fr", "en"}, Log: slog.New(slog.DiscardHandler), Metrics: web.NewMetrics(), Now: h.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := estate.Apply(ctx, h.db.Pool(pg.Staff), actor.NewSystem("cli:root"), []byte(source), estate.Dir(t.TempDir())); err != nil {
		t.Fatal(err)
	}
	h.alice = h.person("alice")
	h.auth.who = h.alice
	return h
}

// person adds a security lead.
func (h *house) person(name string) actor.Actor {
	h.t.Helper()
	p, err := h.dir.AddPerson(context.Background(), actor.NewSystem("cli:root"), name+"@ardoise.example", strings.ToUpper(name[:1])+name[1:]+" (exemple)", actor.Lead, h.now())
	if err != nil {
		h.t.Fatal(err)
	}
	return actor.Actor{Kind: actor.Person, ID: p.ID.String(), Name: p.Name, Role: actor.Lead, Permissions: actor.Lead.Permissions()}
}

func directoryOf(t testing.TB, db *pg.DB) *directory.Directory {
	t.Helper()
	ctx := context.Background()
	provider, err := crypt.OpenKeyfile(ctx, db.Pool(pg.Staff), filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	box, err := crypt.NewBox(ctx, db.Pool(pg.Login), provider)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := directory.New(directory.Config{Staff: db.Pool(pg.Staff), Login: db.Pool(pg.Login), Box: box, Policy: directory.DefaultPolicy()})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func (h *house) now() time.Time { return time.Now().Add(h.ahead) }

func (h *house) view(ctx context.Context) (measure.View, error) {
	v, err := estate.Current(ctx, h.db.Pool(pg.Staff))
	if errs.Is(err, errs.NotFound) {
		return measure.View{}, nil
	}
	return measure.View{Estate: v.Estate, Version: v.ID}, err
}

func (h *house) look() {
	h.t.Helper()
	if _, err := h.runner.Run(context.Background(), actor.NewSystem("scheduler"), "test.tls"); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) as(role actor.Role) {
	h.auth.who = actor.Actor{Kind: actor.Person, ID: uuid.Must(uuid.NewV7()).String(), Name: "Karim Exemple", Role: role, Permissions: role.Permissions()}
}

func (h *house) ask(method, target string, form url.Values) (*httptest.ResponseRecorder, string) {
	h.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(form.Encode()))
	r.Host = "admin.localhost"
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	h.site.ServeHTTP(w, r)
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		consoletest.Sound(h.t, method+" "+target, w.Body.String())
	}
	return w, w.Body.String()
}

// get expects a page in both languages and returns what the English one says.
func (h *house) get(target string) string {
	h.t.Helper()
	page, _ := h.raw(target)
	return consoletest.Text(h.t, page)
}

func (h *house) raw(target string) (page, french string) {
	h.t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, lang := range []string{"fr", "en"} {
		q := u.Query()
		q.Set("lang", lang)
		w, body := h.ask(http.MethodGet, u.Path+"?"+q.Encode(), nil)
		if w.Code != http.StatusOK {
			h.t.Fatalf("GET %s in %s: %d\n%s", target, lang, w.Code, consoletest.Text(h.t, body))
		}
		if lang == "fr" {
			french = body
		}
		page = body
	}
	return page, french
}

var (
	inputs    = regexp.MustCompile(`<input[^>]*>`)
	attribute = regexp.MustCompile(`([a-z]+)="([^"]*)"`)
	areas     = regexp.MustCompile(`(?s)<textarea[^>]* name="([^"]*)"[^>]*>(.*?)</textarea>`)
	choices   = regexp.MustCompile(`(?s)<select[^>]* name="([^"]*)"[^>]*>(.*?)</select>`)
	chosen    = regexp.MustCompile(`<option value="([^"]*)" selected>`)
	first     = regexp.MustCompile(`<option value="([^"]*)"`)
)

// form reads the form of a page that posts to an address, as a browser would send it.
func (h *house) form(page, action string) url.Values {
	h.t.Helper()
	_, rest, ok := strings.Cut(page, `method="post" action="`+action+`"`)
	if !ok {
		h.t.Fatalf("no form posts to %s:\n%s", action, consoletest.Text(h.t, page))
	}
	rest, _, _ = strings.Cut(rest, "</form>")
	out := url.Values{}
	for _, tag := range inputs.FindAllString(rest, -1) {
		a := map[string]string{}
		for _, m := range attribute.FindAllStringSubmatch(tag, -1) {
			a[m[1]] = unescape(m[2])
		}
		if a["type"] == "checkbox" && !strings.Contains(tag, " checked") {
			continue
		}
		out.Set(a["name"], a["value"])
	}
	for _, m := range areas.FindAllStringSubmatch(rest, -1) {
		out.Set(m[1], unescape(m[2]))
	}
	for _, m := range choices.FindAllStringSubmatch(rest, -1) {
		value := first.FindStringSubmatch(m[2])
		if sel := chosen.FindStringSubmatch(m[2]); sel != nil {
			value = sel
		}
		out.Set(m[1], unescape(value[1]))
	}
	return out
}

func unescape(s string) string {
	return strings.NewReplacer("&#34;", `"`, "&#39;", "'", "&lt;", "<", "&gt;", ">", "&#43;", "+", "&amp;", "&").Replace(s)
}

// send changes fields of a form and posts it; 303 is expected, and where to is returned.
func (h *house) send(target, action string, fields ...string) string {
	h.t.Helper()
	w, body := h.post(target, action, fields...)
	if w.Code != http.StatusSeeOther {
		h.t.Fatalf("POST %s: %d\n%s", action, w.Code, consoletest.Text(h.t, body))
	}
	return w.Header().Get("Location")
}

func (h *house) post(target, action string, fields ...string) (*httptest.ResponseRecorder, string) {
	h.t.Helper()
	page, _ := h.raw(target)
	form := h.form(page, action)
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i+1] == "" && !form.Has(fields[i]) {
			continue
		}
		form.Set(fields[i], fields[i+1])
	}
	return h.ask(http.MethodPost, action+"?lang=en", form)
}

// refused expects a post to come back with its form, and returns what the page says.
func (h *house) refused(target, action string, fields ...string) string {
	h.t.Helper()
	w, body := h.post(target, action, fields...)
	if w.Code != http.StatusUnprocessableEntity {
		h.t.Fatalf("POST %s: %d\n%s", action, w.Code, consoletest.Text(h.t, body))
	}
	return body
}

func (h *house) draft() string {
	h.t.Helper()
	d, err := h.book.Draft(context.Background())
	if err != nil {
		h.t.Fatal(err)
	}
	return d.Text
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
	consoletest.Wants(t, page, "backup.database.retention", "1 year", "[/annex/BAK-1] BAK-1", "Read from garant.yaml, which wins", "2 years")
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

func TestTwoEditors(t *testing.T) {
	h := open(t)
	page, _ := h.raw("/annex/ENC-1")
	mine := h.form(page, "/annex/ENC-1")
	h.send("/annex/ENC-1", "/annex/ENC-1", "title.en", "Theirs", "title.fr", "La leur")
	mine.Set("owner", "security") // another field: goes through
	if w, body := h.ask(http.MethodPost, "/annex/ENC-1", mine); w.Code != http.StatusSeeOther || !strings.Contains(h.draft(), "Theirs") || !strings.Contains(h.draft(), "security") {
		t.Fatalf("%d %s\n%s", w.Code, h.draft(), consoletest.Text(t, body))
	}
	mine.Set("title.en", "Mine")
	mine.Set("title.fr", "La mienne")
	w, body := h.ask(http.MethodPost, "/annex/ENC-1?lang=en", mine)
	if w.Code != http.StatusUnprocessableEntity {
		t.Fatal(w.Code)
	}
	consoletest.Wants(t, consoletest.Text(t, body), "Somebody else has just changed the same place", "What the draft says now")
	again := h.form(body, "/annex/ENC-1")
	if again.Get("title.en") != "Mine" {
		t.Error("mine is lost")
	}
	if w, _ := h.ask(http.MethodPost, "/annex/ENC-1", again); w.Code != http.StatusSeeOther || !strings.Contains(h.draft(), "Mine") {
		t.Errorf("%d %s", w.Code, h.draft())
	}

	for _, target := range []string{"/annex/text", "/annex/parameters", "/annex/company"} {
		page, _ := h.raw(target)
		mine := h.form(page, target)
		h.send("/annex/parameters", "/annex/parameters", "p.backup.database.retention", map[string]string{"/annex/text": "31d", "/annex/parameters": "32d", "/annex/company": "33d"}[target])
		h.send("/annex/company", "/annex/company", "company.legal_name", "Theirs "+strings.TrimPrefix(target, "/annex/"))
		switch target {
		case "/annex/text":
			mine.Set("text", "# mine\n")
		case "/annex/parameters":
			mine.Set("p.backup.database.retention", "99d")
		default:
			mine.Set("company.legal_name", "Mine")
		}
		w, body := h.ask(http.MethodPost, target+"?lang=en", mine)
		if w.Code != http.StatusUnprocessableEntity {
			t.Fatalf("%s: %d", target, w.Code)
		}
		consoletest.Wants(t, consoletest.Text(t, body), "Somebody else has just changed the same place", "What the draft says now")
		if w, body := h.ask(http.MethodPost, target, h.form(body, target)); w.Code != http.StatusSeeOther {
			t.Errorf("%s again: %d %s", target, w.Code, consoletest.Text(t, body))
		}
	}
}

func TestReview(t *testing.T) {
	h := open(t)
	page := h.get("/annex/review")
	consoletest.Wants(t, page, "Nothing to review yet", "[/annex/company] Describe the company", "Submit for review")
	h.send("/annex/parameters", "/annex/parameters", "p.backup.database.retention", "30d")
	h.send("/annex/ENC-1", "/annex/ENC-1", "title.fr", "Chiffrement des échanges", "title.en", "Encryption of traffic")
	page = h.get("/annex/review")
	consoletest.Wants(t, page, "The annex announces less in one place.", "1 year", "30 days", "weaker", "reworded", "ENC-1 · Encryption of traffic")
	to := h.send("/annex/review", "/annex/review", "note", "Retention as in the contract")
	page = h.get(to)
	consoletest.Wants(t, page, "The draft is submitted.", "Nobody can review this text", "[/people] Add a person", "Retention as in the contract", "Alice (exemple)", "Withdraw the request")
	consoletest.Lacks(t, page, "Publish the annex")
	consoletest.Wants(t, h.get("/annex"), "A text waits for its review")
	consoletest.Lacks(t, h.get("/"), "waits for your review")

	bob := h.person("bob")
	consoletest.Wants(t, h.get("/annex/review"), "These may review it: Bob (exemple).")
	last, err := h.book.Last(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	base := fmt.Sprintf("/annex/review/%d/", last.ID)
	// Who wrote it cannot, whatever they send.
	if w, body := h.ask(http.MethodPost, base+"publish?lang=en", url.Values{}); w.Code != http.StatusUnprocessableEntity || !strings.Contains(consoletest.Text(t, body), "You had a hand in this text") {
		t.Errorf("%d", w.Code)
	}
	h.as(actor.Operator)
	consoletest.Wants(t, h.get("/annex/review"), "A security lead has to review this text")
	if w, _ := h.ask(http.MethodPost, base+"publish", url.Values{}); w.Code != http.StatusForbidden {
		t.Errorf("an operator publishes: %d", w.Code)
	}
	h.auth.who = bob
	consoletest.Wants(t, h.get("/"), "A version of the annex waits for your review", "[/annex/review] Review")
	page = h.get("/annex/review")
	consoletest.Wants(t, page, "Publish the annex", "Send back with this reason")
	body := h.refused("/annex/review", base+"refuse")
	consoletest.Wants(t, consoletest.Text(t, body), "Those who wrote the text have to know why it comes back.")
	h.send("/annex/review", base+"refuse", "reason", "Keep a year")
	h.auth.who = h.alice
	consoletest.Wants(t, h.get("/annex/review"), "Sent back by Bob (exemple)", "Keep a year", "Submit for review")
	consoletest.Wants(t, h.get("/"), "Your text of the annex was sent back", "Keep a year")

	h.send("/annex/review", "/annex/review")
	last, _ = h.book.Last(context.Background())
	h.send("/annex/review", fmt.Sprintf("/annex/review/%d/withdraw", last.ID))
	h.send("/annex/review", "/annex/review")
	h.auth.who = bob
	h.publish()
	if h.published != 1 {
		t.Errorf("told %d times", h.published)
	}
	page = h.get("/annex?done=annex_published")
	consoletest.Wants(t, page, "The annex is published.", "Version 1 published", "The draft does not differ from it.")
	consoletest.Wants(t, h.get("/annex/review"), "Nothing new to review")
	h.send("/annex/ENC-2", "/annex/ENC-2", "owner", "security")
	consoletest.Wants(t, h.get("/annex"), "Version 1 published", "The draft differs from it in one place.")
	if w, _ := h.ask(http.MethodPost, "/annex/review/x/publish", url.Values{}); w.Code != http.StatusNotFound {
		t.Errorf("an unknown proposal: %d", w.Code)
	}
	if w, _ := h.ask(http.MethodPost, "/annex/review", url.Values{"revision": {"1"}}); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("an old revision was submitted: %d", w.Code)
	}
}

func TestVersions(t *testing.T) {
	h := open(t)
	consoletest.Wants(t, h.get("/annex/versions"), "No version is published", "[/annex/review] Review and publish")
	bob := h.person("bob")
	for _, retention := range []string{"300d", "30d"} {
		h.auth.who = h.alice
		h.send("/annex/parameters", "/annex/parameters", "p.backup.database.retention", retention)
		h.send("/annex/review", "/annex/review", "note", "Now "+retention)
		h.auth.who = bob
		h.publish()
	}
	page := h.get("/annex/versions")
	consoletest.Wants(t, page, "[/annex/versions/2] Version 2", "1 weaker", "Now 30d", "Bob (exemple)", "1 place")
	page = h.get("/annex/versions/2")
	consoletest.Wants(t, page, "Compared with version 1.", "300 days", "30 days", "backup.database.retention: 30d", "published the annex")
	consoletest.Wants(t, h.get("/annex/versions/1"), "Compared with the catalogue as it is delivered.", "1 year", "300 days")
	consoletest.Wants(t, h.get("/annex/versions/1?against=2"), "Compared with version 2.", "stronger")
	for target, want := range map[string]int{"/annex/versions/9": 404, "/annex/versions/x": 404, "/annex/versions/1?against=x": 422, "/annex/versions/1?against=9": 404, "/annex/versions?before=x": 422} {
		if w, _ := h.ask(http.MethodGet, target, nil); w.Code != want {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	w, body := h.ask(http.MethodGet, "/annex/versions/1/annex.yaml", nil)
	if w.Code != http.StatusOK || !strings.Contains(body, "300d") {
		t.Errorf("%d %s", w.Code, body)
	}
	w, body = h.ask(http.MethodGet, "/annex/versions.csv", nil)
	if rows, err := csv.NewReader(strings.NewReader(body)).ReadAll(); err != nil || w.Code != http.StatusOK || len(rows) != 3 || rows[1][0] != "2" || rows[1][10] != "1" {
		t.Errorf("%d %v %v", w.Code, rows, err)
	}
}

// What an older build published and a newer one cannot read is told with its lines on every page.
func TestAnotherBuild(t *testing.T) {
	h := open(t)
	bob := h.person("bob")
	h.send("/annex/text", "/annex/text", "text", "measures:\n  ENC-1: {owner: security}\n")
	h.send("/annex/review", "/annex/review")
	h.auth.who = bob
	h.publish()
	other, err := catalogue.Parse([]byte("sections: [{id: 1, gdpr: [32(1)(a)]}]\nmeasures:\n  - {id: AAA-1, section: 1, kind: checked, owner: ops, operator: own, refs: {gdpr: [32(1)(a)]}}\n"), map[string][]byte{
		"fr": []byte("sections: {1: Un titre}\nteams: {ops: Exploitation}\nmeasures: {AAA-1: {title: Copies, sentence: Nous gardons des copies., method: Garant les compte.}}\n"),
		"en": []byte("sections: {1: A title}\nteams: {ops: Operations}\nmeasures: {AAA-1: {title: Copies, sentence: We keep copies., method: Garant counts them.}}\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	reg, err := measure.NewRegistry(other)
	if err != nil {
		t.Fatal(err)
	}
	h.runner.Registry, h.book.Base = reg, other
	routes, err := annexes.Pages(h.chrome, h.deps) // another process
	if err != nil {
		t.Fatal(err)
	}
	h.site, err = web.NewSite(web.Config{Name: "console", Hosts: []string{"admin.localhost"}, Routes: routes, Auth: h.auth, SignInPath: "/sign-in", ErrorPage: h.chrome.Error,
		Languages: []string{"fr", "en"}, Log: slog.New(slog.DiscardHandler), Metrics: web.NewMetrics(), Now: h.now})
	if err != nil {
		t.Fatal(err)
	}
	page := h.get("/annex")
	consoletest.Wants(t, page, "This version of Garant can no longer read the draft", "can no longer read version 1", "line 2", "The catalogue has no measure ENC-1.", "[/annex/text] Correct the text")
	consoletest.Wants(t, h.get("/annex/text"), "The catalogue has no measure ENC-1.")
	consoletest.Wants(t, h.get("/annex/review"), "line 2")
	consoletest.Wants(t, h.get("/annex/versions/1"), "This program can no longer read")
	for _, target := range []string{"/annex/AAA-1", "/annex/own", "/annex/parameters", "/annex/company"} {
		if w, _ := h.ask(http.MethodGet, target, nil); w.Code != http.StatusSeeOther {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	if w, _ := h.ask(http.MethodGet, "/annex.csv", nil); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("half a list: %d", w.Code)
	}
	if w, _ := h.ask(http.MethodPost, "/annex/AAA-1", url.Values{"revision": {"1"}}); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("half a change: %d", w.Code)
	}
	h.send("/annex/text", "/annex/text", "text", "measures:\n  AAA-1: {operator: supplier}\n")
	consoletest.Wants(t, h.get("/annex"), "AAA-1", "can no longer read version 1")
	consoletest.Wants(t, h.get("/annex/review"), "the differences cannot be shown")
}

func TestWhoMay(t *testing.T) {
	h := open(t)
	h.as(actor.Reader)
	for _, target := range []string{"/annex", "/annex/ENC-1", "/annex/own", "/annex/parameters", "/annex/company", "/annex/text", "/annex/review", "/annex/versions"} {
		page, _ := h.raw(target)
		if strings.Contains(page, `method="post" action="/annex/ENC-1`) || strings.Contains(page, ">Save to the draft<") || strings.Contains(page, ">Submit for review<") || strings.Contains(page, ">Add to the draft<") {
			t.Errorf("%s offers a change to a reader", target)
		}
	}
	for _, target := range []string{"/annex/ENC-1", "/annex/ENC-1/exclude", "/annex/own", "/annex/parameters", "/annex/company", "/annex/text", "/annex/review", "/annex/review/1/publish"} {
		if w, _ := h.ask(http.MethodPost, target, url.Values{"revision": {"0"}}); w.Code != http.StatusForbidden {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	if h.draft() != "" {
		t.Error("a reader changed the draft")
	}
}

func TestHostileWords(t *testing.T) {
	h := open(t)
	hostile := `<script>alert(1)</script> “x” & 'y' ` + strings.Repeat("très long ", 15)
	h.send("/annex/company", "/annex/company", "company.legal_name", strings.TrimSpace(hostile), "also.ai.fr", "Non <b>jamais</b>.", "also.ai.en", "No <b>never</b>.")
	h.send("/annex/ENC-1", "/annex/ENC-1", "title.fr", "<img src=x>", "title.en", "<img src=x>")
	h.send("/annex/review", "/annex/review", "note", "<script>alert(1)</script>")
	for _, target := range []string{"/annex", "/annex/ENC-1", "/annex/company", "/annex/text", "/annex/review"} {
		for _, page := range func() []string { en, fr := h.raw(target); return []string{en, fr} }() {
			for _, bad := range []string{"<script>alert", "<img src=x", "<b>never"} {
				if strings.Contains(page, bad) {
					t.Errorf("%s shows %s as it is", target, bad)
				}
			}
		}
	}
}

// Every problem that a reader of annex.yaml can meet has words in both languages.
func TestEveryProblemHasWords(t *testing.T) {
	words, err := ui.NewMessages(console.Messages(), checks.Messages(), signin.Messages(), annexes.Messages())
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range []string{"tailoring.go", "node.go", "style.go", "text.go"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "catalogue", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"(catalogue|tailoring)\.([a-z_]+)"`).FindAllStringSubmatch(string(text), -1) {
			found++
			for _, lang := range []string{"fr", "en"} {
				p := words.For(lang, time.UTC)
				if id := "annexes.problem." + m[1] + "_" + m[2]; !p.Has(id) || !p.Has(id+".fix") {
					t.Errorf("%s has no words in %s", id, lang)
				}
			}
		}
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "catalogue", "tailor.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\.wrong\([^"\n]*(?:"[^"]*"[^",]*)?, "([a-z_]+)", `).FindAllStringSubmatch(string(text), -1) {
		found++
		if id := "annexes.problem.tailoring_" + m[1]; !words.For("fr", time.UTC).Has(id) {
			t.Errorf("%s has no words", id)
		}
	}
	if found < 60 {
		t.Errorf("only %d problems were found in the source", found)
	}
}

func BenchmarkList(b *testing.B) {
	h := open(b)
	h.look()
	h.send("/annex/ENC-1", "/annex/ENC-1", "owner", "security")
	for b.Loop() {
		if w, _ := h.ask(http.MethodGet, "/annex", nil); w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}
