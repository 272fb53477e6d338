package tenancy

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/directory/directorytest"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/signin"
	"github.com/garant-project/garant/internal/web/ui"
	"github.com/garant-project/garant/tenant"
)

// front is a console with real persons, sign-in and API tokens in front of the engine.
type front struct {
	*world
	server *httptest.Server
	cookie *http.Cookie // of somebody who has just used their passkey
	dir    *directory.Directory
	by     actor.Actor // the same
}

func (w *world) front() *front {
	w.t.Helper()
	ctx, h := context.Background(), &front{world: w}
	h.server = httptest.NewUnstartedServer(nil)
	const origin = "http://admin.localhost" // as a passkey takes it; programs ask at 127.0.0.1
	var err error
	h.dir, err = directory.New(directory.Config{Staff: w.db.Pool(pg.Staff), Login: w.db.Pool(pg.Login), Box: w.box, Policy: directory.DefaultPolicy(),
		Site: directory.Site{Host: "admin.localhost", Origin: origin, Name: "Garant"}})
	if err != nil {
		w.t.Fatal(err)
	}
	enter, err := signin.New(signin.Config{Directory: h.dir, Messages: must(ui.NewMessages(signin.Messages())), Now: w.now})
	if err != nil {
		w.t.Fatal(err)
	}
	api := web.NewAPI("Garant", "test")
	w.tenancy.AddAPI(api)
	h.server.Config.Handler = must(web.NewSite(web.Config{Name: "console", Hosts: []string{"127.0.0.1"}, Routes: append(enter.Routes(), api.Routes()...), Auth: enter, SignInPath: signin.Path,
		Languages: []string{"fr", "en"}, Log: slog.New(slog.NewJSONHandler(w, nil)), Metrics: web.NewMetrics(), Now: w.now}))
	h.server.Start()
	w.t.Cleanup(h.server.Close)

	visit := directory.Visit{Origin: "192.0.2.7", Agent: "Firefox, Linux"}
	p := must(h.dir.AddPerson(ctx, actor.NewSystem("cli"), "camille@example.test", "Camille Exemple", actor.Lead, w.now()))
	link := must(h.dir.CreateLink(ctx, actor.NewSystem("cli"), p.ID, directory.SignIn, w.now()))
	half := must(h.dir.RedeemLink(ctx, visit, link.Token, w.now()))
	begun := must(h.dir.BeginRegistration(ctx, must(h.dir.Authenticate(ctx, half.Token, visit.Origin, w.now())).Actor, w.now()))
	key := directorytest.New(w.t, origin, "admin.localhost")
	whole := must(h.dir.FinishRegistration(ctx, must(h.dir.Authenticate(ctx, half.Token, visit.Origin, w.now())).Actor, begun.ID, key.Register(w.t, begun.Options), "Laptop", w.now()))
	h.by = must(h.dir.Authenticate(ctx, whole.Token, visit.Origin, w.now())).Actor
	h.cookie = &http.Cookie{Name: "garant", Value: whole.Token}
	return h
}

// form sends a form of the console, and returns the page.
func (h *front) form(path string, values url.Values) string {
	h.t.Helper()
	r := must(http.NewRequest(http.MethodPost, h.server.URL+path, strings.NewReader(values.Encode())))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.AddCookie(h.cookie)
	rec := httptest.NewRecorder()
	h.server.Config.Handler.ServeHTTP(rec, r)
	if rec.Code != http.StatusOK && rec.Code != http.StatusSeeOther {
		h.t.Fatalf("POST %s answers %d: %s", path, rec.Code, rec.Body)
	}
	return rec.Body.String()
}

var apiToken = regexp.MustCompile(`garant_[A-Za-z0-9_-]{43}`)

func (h *front) apiToken(scope string, bound url.Values) string {
	h.t.Helper()
	values := url.Values{"name": {"shop"}, "days": {"7"}, "scope": {scope}}
	for k, v := range bound {
		values[k] = v
	}
	text := apiToken.FindString(h.form("/account/tokens", values))
	if text == "" {
		h.t.Fatal("no token is shown")
	}
	return text
}

// From the form in which an API token is made to the rows of one customer: each part is the real one.
func TestExchangeJoined(t *testing.T) {
	w := newWorld(t)
	w.tend()
	h, ctx := w.front(), context.Background()
	pool, err := pgxpool.New(ctx, running.cluster.DSN("app", "shop"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)

	login := func(of uuid.UUID) func(context.Context) (string, error) {
		return func(context.Context) (string, error) { return w.idp.sign(w.idp.claims(of.String())), nil }
	}
	at := func(api string) tenant.Endpoint {
		return tenant.Endpoint{URL: h.server.URL + "/api/v1/tenant/token", APIToken: func(context.Context) (string, error) { return api, nil }}
	}
	shop := url.Values{"databases": {"shop"}, "logins": {"yes"}}
	api := h.apiToken("tenancy:mint", shop)
	for of, want := range map[uuid.UUID]int{w.a: 3, w.b: 5} {
		db := tenant.For(tenant.Single(pool), tenant.Cache(tenant.Exchange{Endpoint: at(api), Audience: "shop", IDToken: login(of)}))
		var owners []uuid.UUID
		rows, err := db.Query(ctx, `SELECT tenant_id FROM shop.item`)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var id uuid.UUID
			if err := rows.Scan(&id); err != nil {
				t.Fatal(err)
			}
			owners = append(owners, id)
		}
		if err := rows.Err(); err != nil || len(owners) != want || slices.ContainsFunc(owners, func(id uuid.UUID) bool { return id != of }) {
			t.Errorf("%d rows of %v, %v; want %d of %s", len(owners), owners, err, want, of)
		}
	}

	const jobName = "monthly-statement"
	job, err := w.tenancy.AskJob(ctx, w.anna, w.ask(nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.tenancy.AcceptJob(ctx, w.bob, job, false); err != nil {
		t.Fatal(err)
	}
	exchange := func(api, audience string, id func(context.Context) (string, error)) tenant.Source {
		return tenant.Exchange{Endpoint: at(api), Audience: audience, IDToken: id}
	}
	service := func(api string) tenant.Source {
		return tenant.Job{Endpoint: at(api), Audience: "shop", Purpose: jobName, Tenant: tenant.UUID(w.a), ReadOnly: true}
	}
	expired := func(context.Context) (string, error) {
		claims := w.idp.claims(w.a.String())
		claims["iat"], claims["exp"] = w.now().Add(-time.Hour).Unix(), w.now().Add(-10*time.Minute).Unix()
		return w.idp.sign(claims), nil
	}
	worker := h.apiToken("tenancy:mint", url.Values{"databases": {"shop"}, "jobs": {jobName}})
	if _, err := service(worker).Token(ctx); err != nil {
		t.Errorf("the job's own API token: %v", err)
	}
	old := h.apiToken("tenancy:mint", shop) // as they were before they were bound
	exec(t, w.connect(cluster.SuperUser, w.name), `UPDATE directory.api_token SET mint_databases = NULL, mint_logins = NULL, mint_jobs = NULL WHERE id = (SELECT id FROM directory.api_token ORDER BY id DESC LIMIT 1)`)
	if _, err := exchange(old, "shop", login(w.a)).Token(ctx); err != nil {
		t.Errorf("an API token from before they were bound: %v", err)
	}
	revoked := h.apiToken("tenancy:mint", shop)
	tokens := must(h.dir.Tokens(ctx, h.by, w.now()))
	h.form("/account/tokens/revoke", url.Values{"id": {tokens[len(tokens)-1].ID.String()}})
	for name, c := range map[string]struct {
		source tenant.Source
		code   string
	}{
		"an API token that was revoked":        {exchange(revoked, "shop", login(w.a)), "invalid_client"},
		"no API token":                         {exchange("garant_"+strings.Repeat("x", 43), "shop", login(w.a)), "invalid_client"},
		"another scope":                        {exchange(h.apiToken("tenancy:read", nil), "shop", login(w.a)), "unauthorized_client"},
		"a database that it is not bound to":   {exchange(h.apiToken("tenancy:mint", url.Values{"databases": {"other"}, "logins": {"yes"}}), "shop", login(w.a)), "invalid_target"},
		"a database that there is not":         {exchange(api, "other", login(w.a)), "invalid_target"},
		"a login, for one of jobs":             {exchange(worker, "shop", login(w.a)), "unauthorized_client"},
		"a job, for one of logins":             {service(api), "unauthorized_client"},
		"another job":                          {service(h.apiToken("tenancy:mint", url.Values{"databases": {"shop"}, "jobs": {"other, another"}})), "unauthorized_client"},
		"an expired ID token":                  {exchange(api, "shop", expired), "invalid_grant"},
		"an ID token that somebody else signs": {exchange(api, "shop", func(context.Context) (string, error) { return newIDP(t).sign(w.idp.claims(w.a.String())), nil }), "invalid_grant"},
	} {
		var refused *tenant.RefusedError
		if _, err := c.source.Token(ctx); !errors.As(err, &refused) || refused.Code != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
}
