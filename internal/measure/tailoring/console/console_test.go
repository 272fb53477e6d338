package console_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/directory/directorytest"
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
	scope     []string // of the one check
	published int
	ahead     time.Duration
	alice     actor.Actor
}

func open(t testing.TB, change ...func(*annexes.Deps)) *house {
	t.Helper()
	ctx := context.Background()
	h := &house{t: t, db: pgtest.New(t), auth: &auth{}, finding: measure.Finding{Outcome: measure.Pass, Scope: []string{"application"}}, scope: []string{"application"}}
	cat, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	enc, _ := cat.Measure("ENC-1")
	engine := measure.Engine{Name: "test", Checks: []measure.Check{{
		ID: "test.tls", Measures: []string{"ENC-1"}, Every: time.Minute, Valid: 5 * time.Minute, Timeout: 10 * time.Second, Facts: enc.Facts,
		Scope: func(*estate.Estate) []string { return h.scope },
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
	h.dir, _ = directorytest.Open(t, h.db)
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
	w := consoletest.Ask(h.t, h.site, method, target, form)
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
