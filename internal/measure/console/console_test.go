package console_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/directory/directorytest"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	checks "github.com/garant-project/garant/internal/measure/console"
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
  - {name: back-office, url: "https://admin.ardoise.example", environment: production, audience: admin}
policy: {every: 1m}
`

// auth signs everybody in as one actor.
type auth struct{ who actor.Actor }

func (a *auth) Authenticate(*http.Request) (actor.Actor, error) { return a.who, nil }

// house is the pages of the checks over a database of the test's own, with checks whose findings
// the test decides.
type house struct {
	t      testing.TB
	db     *pg.DB
	runner *measure.Runner
	auth   *auth
	site   *web.Site
	chrome *console.Chrome
	tells  func(*measure.View) // changes the view
	ahead  time.Duration       // of the clock
	lead   actor.Actor

	mu    sync.Mutex
	sees  map[string]measure.Finding // check → what it sees; nothing: a pass over its scope
	scope map[string][]string
}

// engineWords are the words that an engine would bring.
func engineWords() map[string][]byte {
	return map[string][]byte{
		"fr": []byte(`check.test.tls: Chiffrement des échanges
check.test.tls.about: Regarde chaque point d'accès.
check.test.hsts: HTTPS imposé aux navigateurs
check.test.hsts.about: Lit l'en-tête de chaque point d'accès.
check.test.certificate: Certificats de production
check.test.certificate.about: Lit la chaîne de certificats de chaque point d'accès de production.
check.test.other: Certificats hors production
check.test.other.about: Lit la chaîne de certificats des autres points d'accès.
test.old: Le point d'accès accepte une version trop ancienne.
test.old.fix: Relevez la version minimale à TLS 1.2.
`),
		"en": []byte(`check.test.tls: Transport encryption
check.test.tls.about: Looks at every endpoint.
check.test.hsts: HTTPS required by browsers
check.test.hsts.about: Reads the header of every endpoint.
check.test.certificate: Certificates in production
check.test.certificate.about: Reads the certificate chain of every production endpoint.
check.test.other: Certificates outside production
check.test.other.about: Reads the certificate chain of the other endpoints.
test.old: The endpoint accepts a version that is too old.
test.old.fix: Raise the lowest version to TLS 1.2.
`),
	}
}

func (h *house) checkOf(id, proves string, facts ...string) measure.Check {
	return measure.Check{
		ID: id, Measures: []string{proves}, Every: time.Minute, Valid: 5 * time.Minute, Timeout: 10 * time.Second, Facts: facts,
		Scope: func(e *estate.Estate) []string {
			if fixed, ok := h.scope[id]; ok {
				return fixed
			}
			var names []string
			for _, ep := range e.Endpoints {
				names = append(names, ep.Name)
			}
			return names
		},
		Run: func(_ context.Context, in measure.In) measure.Finding {
			h.mu.Lock()
			defer h.mu.Unlock()
			if f, ok := h.sees[id]; ok {
				return f
			}
			return measure.Finding{Outcome: measure.Pass, Scope: []string{"application", "back-office"}}
		},
	}
}

func open(t testing.TB) *house {
	t.Helper()
	ctx := context.Background()
	h := &house{t: t, db: pgtest.New(t), auth: &auth{}, sees: map[string]measure.Finding{}, scope: map[string][]string{"test.other": nil}}
	cat, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	facts := func(measure string) []string { m, _ := cat.Measure(measure); return m.Facts }
	engine := measure.Engine{Name: "test", Checks: []measure.Check{
		h.checkOf("test.tls", "ENC-1", facts("ENC-1")...), h.checkOf("test.hsts", "ENC-2", facts("ENC-2")...),
		h.checkOf("test.certificate", "CRT-1", facts("CRT-1")...), h.checkOf("test.other", "CRT-2", facts("CRT-2")...),
	}}
	reg, err := measure.NewRegistry(cat, engine)
	if err != nil {
		t.Fatal(err)
	}
	h.runner = &measure.Runner{Registry: reg, DB: h.db, View: h.view, Build: "0.1.0-test", Now: h.now, Log: slog.New(slog.DiscardHandler)}
	msgs, err := ui.NewMessages(console.Messages(), checks.Messages(), signin.Messages(), engineWords())
	if err != nil {
		t.Fatal(err)
	}
	dir, _ := directorytest.Open(t, h.db)
	h.chrome = &console.Chrome{Messages: msgs, AnnexURL: "http://trust.localhost:8481", Company: func(context.Context) string { return "Ardoise Mécénat" }}
	c := h.chrome
	c.Private = func(ctx context.Context) bool {
		v, err := h.view(ctx)
		return err == nil && v.Private
	}
	routes, err := console.Pages(c, console.Deps{DB: h.db, Directory: dir, LinkURL: func(token string) string { return "http://admin.localhost/link/" + token }})
	if err != nil {
		t.Fatal(err)
	}
	looks, err := checks.Pages(c, h.runner)
	if err != nil {
		t.Fatal(err)
	}
	routes = append(append(routes, looks...), web.Route{Pattern: "GET /static/", Permission: web.Public, Handler: web.Serve(ui.Static())})
	h.site, err = web.NewSite(web.Config{
		Name: "console", Hosts: []string{"admin.localhost", "127.0.0.1"}, Routes: routes, Auth: h.auth, SignInPath: "/sign-in", ErrorPage: c.Error,
		Languages: []string{"fr", "en"}, Log: slog.New(slog.DiscardHandler), Metrics: web.NewMetrics(), Now: h.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	claire, err := dir.AddPerson(ctx, actor.NewSystem("cli:root"), "camille@ardoise.example", "Camille Exemple", actor.Lead, h.now())
	if err != nil {
		t.Fatal(err)
	}
	h.lead = actor.Actor{Kind: actor.Person, ID: claire.ID.String(), Name: claire.Name, Role: actor.Lead, Permissions: actor.Lead.Permissions()}
	h.auth.who = h.lead
	return h
}

func (h *house) now() time.Time { return time.Now().Add(h.ahead) }

func (h *house) view(ctx context.Context) (measure.View, error) {
	v, err := estate.Current(ctx, h.db.Pool(pg.Staff))
	if errs.Is(err, errs.NotFound) {
		return measure.View{}, nil
	}
	view := measure.View{Estate: v.Estate, Version: v.ID}
	if h.tells != nil {
		h.tells(&view)
	}
	return view, err
}

// as signs somebody of a role in.
func (h *house) as(role actor.Role) {
	h.auth.who = actor.Actor{Kind: actor.Person, ID: uuid.Must(uuid.NewV7()).String(), Name: "Karim Exemple", Role: role, Permissions: role.Permissions()}
}

func (h *house) apply() {
	h.t.Helper()
	if _, err := estate.Apply(context.Background(), h.db.Pool(pg.Staff), actor.NewSystem("cli:root"), []byte(source), estate.Dir(h.t.TempDir())); err != nil {
		h.t.Fatal(err)
	}
}

// look runs checks; none named: all.
func (h *house) look(ids ...string) {
	h.t.Helper()
	if len(ids) == 0 {
		ids = []string{"test.tls", "test.hsts", "test.certificate", "test.other"}
	}
	for _, id := range ids {
		if _, err := h.runner.Run(context.Background(), actor.NewSystem("scheduler"), id); err != nil {
			h.t.Fatal(err)
		}
	}
}

// failing is a finding with one thing wrong.
func failing() measure.Finding {
	return measure.Finding{Outcome: measure.Fail, Scope: []string{"application", "back-office"},
		Failed: []measure.Item{{Target: "back-office", Problem: "test.old", Expected: "TLS 1.2, TLS 1.3", Actual: "TLS 1.1 <accepted>"}},
		Raw:    []byte(`{"back-office":{"versions":["1.1","1.2"]}}`)}
}

// state records a published change of state, as the publisher would.
func (h *house) state(id string, s measure.State, at time.Time) {
	h.t.Helper()
	conn := pgtest.Superuser(h.t, h.database())
	if _, err := conn.Exec(context.Background(), "INSERT INTO measure.state_change (measure_id, state, at, reason) VALUES ($1, $2, $3, 'reason.fail')", id, s, at); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) database() string { return h.db.Pool(pg.Staff).Config().ConnConfig.Database }

func (h *house) ask(method, target string, headers ...string) (*httptest.ResponseRecorder, string) {
	h.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(""))
	r.Host = "admin.localhost"
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.site.ServeHTTP(w, r)
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		consoletest.Sound(h.t, target, w.Body.String())
	}
	return w, w.Body.String()
}

// get expects a page in both languages and returns what the English one says.
func (h *house) get(target string) string {
	h.t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		h.t.Fatal(err)
	}
	page := ""
	for _, lang := range []string{"fr", "en"} {
		q := u.Query()
		q.Set("lang", lang)
		w, body := h.ask(http.MethodGet, u.Path+"?"+q.Encode())
		if w.Code != http.StatusOK {
			h.t.Fatalf("GET %s in %s: %d\n%s", target, lang, w.Code, consoletest.Text(h.t, body))
		}
		page = body
	}
	return consoletest.Text(h.t, page)
}
