package isolation

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	checks "github.com/garant-project/garant/internal/measure/console"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/signin"
	"github.com/garant-project/garant/internal/web/ui"
)

// own is the cluster of Garant's own database, apart from the guarded one; it starts with the first
// test that needs it.
var own struct {
	dir     string
	cluster *cluster.Cluster
	db      *pg.DB
}

func closeOwn() {
	if own.db != nil {
		own.db.Close()
	}
	if own.cluster != nil {
		_ = own.cluster.Close(context.Background())
	}
	if own.dir != "" {
		_ = os.RemoveAll(own.dir)
	}
}

// ownDB is Garant's own database, without evidence and estate.
func ownDB(t testing.TB) *pg.DB {
	t.Helper()
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if own.db == nil {
		var err error
		own.dir, err = os.MkdirTemp("", "garant-own-")
		must(err)
		own.cluster, err = pgtest.Start(ctx, filepath.Join(own.dir, "pg"))
		must(err)
		must(pg.Bootstrap(ctx, own.cluster.DSN(cluster.SuperUser, "postgres"), "garant"))
		_, err = pg.Migrate(ctx, own.cluster.DSN(string(pg.Owner), "garant"))
		must(err)
		own.db, err = pg.Open(ctx, func(r pg.Role) string { return own.cluster.DSN(string(r), "garant") }, pg.ServingRoles()...)
		must(err)
	}
	return own.db
}

// auth signs everybody in as one actor.
type auth struct{ who actor.Actor }

func (a *auth) Authenticate(*http.Request) (actor.Actor, error) { return a.who, nil }

// house is the pages over Garant's own database, with the checks of this package.
type house struct {
	t      testing.TB
	runner *measure.Runner
	auth   *auth
	site   *web.Site
	estate *estate.Estate // in force; nil: none
	number int64          // of its version
	ahead  time.Duration  // of the clock
}

func newHouse(t testing.TB, set Set[measure.Check]) *house {
	t.Helper()
	h := &house{t: t, auth: &auth{}, number: 1}
	db := ownDB(t)
	cat, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	list := set.All()
	for i := range list {
		list[i].Facts = nil // the pages show none
	}
	reg, err := measure.NewRegistry(cat, measure.Engine{Name: "isolation", Checks: list})
	if err != nil {
		t.Fatal(err)
	}
	view := func(context.Context) (measure.View, error) {
		return measure.View{Estate: h.estate, Version: h.number}, nil
	}
	h.runner = &measure.Runner{Registry: reg, DB: db, View: view, Build: "test", Now: h.now, Log: slog.New(slog.DiscardHandler)}
	msgs, err := ui.NewMessages(console.Messages(), checks.Messages(), signin.Messages(), Messages(), PageMessages())
	if err != nil {
		t.Fatal(err)
	}
	c := &console.Chrome{Messages: msgs, Company: func(context.Context) string { return "Ardoise Mécénat" }}
	routes, err := Pages(c, h.runner)
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
	h.as(actor.Lead)
	return h
}

func (h *house) now() time.Time { return time.Now().Add(h.ahead) }

// as signs somebody of a role in.
func (h *house) as(role actor.Role) {
	h.auth.who = actor.Actor{Kind: actor.Person, ID: uuid.Must(uuid.NewV7()).String(), Name: "Camille Exemple", Role: role, Permissions: role.Permissions()}
}

// look runs the checks.
func (h *house) look(ids ...string) {
	h.t.Helper()
	if len(ids) == 0 {
		ids = []string{"isolation.live"}
	}
	for _, id := range ids {
		if _, err := h.runner.Run(context.Background(), actor.NewSystem("scheduler"), id); err != nil {
			h.t.Fatal(err)
		}
	}
}

// get asks for a page.
func (h *house) get(path, lang string) (int, string) {
	h.t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = "admin.localhost"
	r.Header.Set("Accept-Language", lang)
	w := httptest.NewRecorder()
	h.site.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// page asks for a page that is there, and returns it without the frame's line breaks.
func (h *house) page(path, lang string) string {
	h.t.Helper()
	code, body := h.get(path, lang)
	if code != http.StatusOK {
		h.t.Fatalf("%s: %d %.600s", path, code, body)
	}
	return body
}

// forget empties the evidence, as of a Garant that has just been installed.
func (h *house) forget() {
	h.t.Helper()
	super, err := connectOwn()
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = super.Close(context.Background()) }()
	for _, sql := range []string{"DELETE FROM measure.run", "DELETE FROM measure.current", "DELETE FROM measure.evidence"} {
		if _, err := super.Exec(context.Background(), "SET session_replication_role = replica; "+sql); err != nil && !errs.Is(err, errs.NotFound) {
			h.t.Fatal(err)
		}
	}
}
