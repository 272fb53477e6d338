package console_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/directory/directorytest"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/console/consoletest"
	"github.com/garant-project/garant/internal/web/signin"
	"github.com/garant-project/garant/internal/web/ui"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var cli = actor.NewSystem("cli:root")

// auth signs everybody in as one actor.
type auth struct{ who actor.Actor }

func (a *auth) Authenticate(*http.Request) (actor.Actor, error) { return a.who, nil }

// house is the console's own pages over a database of the test's own.
type house struct {
	t    testing.TB
	db   *pg.DB
	dir  *directory.Directory
	box  *crypt.Box
	auth *auth
	site *web.Site
	now  time.Time
	lead directory.Person
}

func words(t testing.TB) *ui.Messages {
	t.Helper()
	msgs, err := ui.NewMessages(console.Messages(), signin.Messages())
	if err != nil {
		t.Fatal(err)
	}
	return msgs
}

func open(t testing.TB) *house {
	t.Helper()
	h := &house{t: t, db: pgtest.New(t), auth: &auth{}, now: time.Now().UTC()}
	h.dir, h.box = directorytest.Open(t, h.db)
	brussels, err := time.LoadLocation("Europe/Brussels")
	if err != nil {
		t.Fatal(err)
	}
	c := &console.Chrome{
		Messages: words(t), AnnexURL: "http://trust.localhost:8481/",
		Company: func(context.Context) string { return "Ardoise Mécénat" },
		Zone:    func(context.Context) *time.Location { return brussels },
	}
	routes, err := console.Pages(c, console.Deps{DB: h.db, Directory: h.dir, Box: h.box, LinkURL: func(token string) string { return "http://admin.localhost:8480/link/" + token }})
	if err != nil {
		t.Fatal(err)
	}
	h.site, err = web.NewSite(web.Config{
		Name: "console", Hosts: []string{"admin.localhost"}, Routes: routes, Auth: h.auth, SignInPath: "/sign-in", ErrorPage: c.Error,
		Languages: []string{"fr", "en"}, Log: slog.New(slog.DiscardHandler), Metrics: web.NewMetrics(), Now: func() time.Time { return h.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	h.lead = h.person("camille@ardoise.example", "Camille Exemple", actor.Lead)
	h.as(h.lead)
	return h
}

func (h *house) person(email, name string, role actor.Role) directory.Person {
	h.t.Helper()
	p, err := h.dir.AddPerson(context.Background(), cli, email, name, role, h.now)
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

// as signs a person in.
func (h *house) as(p directory.Person) {
	h.auth.who = actor.Actor{Kind: actor.Person, ID: p.ID.String(), Name: p.Name, Role: p.Role, Session: uuid.Must(uuid.NewV7()).String(), Permissions: p.Role.Permissions()}
}

func (h *house) apply(by actor.Actor, source string) estate.Version {
	h.t.Helper()
	v, err := estate.Apply(context.Background(), h.db.Pool(pg.Staff), by, []byte(source), estate.Dir(h.t.TempDir()))
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

// ask sends a request and returns status and body; pages are held to what holds of all pages.
func (h *house) ask(method, target string, form url.Values) (*httptest.ResponseRecorder, string) {
	h.t.Helper()
	w := consoletest.Ask(h.t, h.site, method, target, form)
	return w, w.Body.String()
}

// get expects a page in both languages and returns the English one.
func (h *house) get(target string) string {
	h.t.Helper()
	var page string
	for _, lang := range []string{"fr", "en"} {
		sep := "?"
		if strings.Contains(target, "?") {
			sep = "&"
		}
		w, body := h.ask(http.MethodGet, target+sep+"lang="+lang, nil)
		if w.Code != http.StatusOK {
			h.t.Fatalf("GET %s in %s: %d\n%s", target, lang, w.Code, consoletest.Text(h.t, body))
		}
		if !strings.Contains(body, `<html lang="`+lang+`">`) {
			h.t.Errorf("GET %s: not in %s", target, lang)
		}
		page = body
	}
	return consoletest.Text(h.t, page)
}

// post sends a form in English.
func (h *house) post(target string, form url.Values) (*httptest.ResponseRecorder, string) {
	h.t.Helper()
	if form == nil {
		form = url.Values{}
	}
	w, body := h.ask(http.MethodPost, target+"?lang=en", form)
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		body = consoletest.Text(h.t, body)
	}
	return w, body
}
