package tenancy

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/tenant"
)

// bearers knows callers by what they send.
type bearers map[string]actor.Actor

func (b bearers) Authenticate(r *http.Request) (actor.Actor, error) {
	sent, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return actor.Anonymous(""), nil
	}
	if a, ok := b[sent]; ok {
		return a, nil
	}
	return actor.Actor{}, errs.New(errs.Denied, "directory.token", "This API token does not work: it is unknown, expired or revoked.")
}

// api is the interface for programs, served.
func (w *world) api(known bearers) http.Handler {
	w.t.Helper()
	api := web.NewAPI("Garant", "test")
	w.tenancy.AddAPI(api)
	site, err := web.NewSite(web.Config{Name: "console", Hosts: []string{"garant.test"}, Routes: api.Routes(), Auth: known, Languages: []string{"fr", "en"},
		Log: slog.New(slog.NewJSONHandler(w, nil)), Metrics: web.NewMetrics(), Now: w.now})
	if err != nil {
		w.t.Fatal(err)
	}
	return site
}

func post(h http.Handler, bearer, body string, change ...func(*http.Request)) (*httptest.ResponseRecorder, map[string]any) {
	r := httptest.NewRequest(http.MethodPost, "http://garant.test/api/v1/tenant/token", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	for _, c := range change {
		c(r)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	var answer map[string]any
	_ = json.Unmarshal(rec.Body.Bytes(), &answer)
	return rec, answer
}

func form(pairs ...string) string {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v.Encode()
}

// The exchange as RFC 8693 and RFC 6749 have it.
func TestExchange(t *testing.T) {
	w := newWorld(t)
	w.tend()
	session := w.anna
	h := w.api(bearers{"app": w.app, "browser": session, "reader": {Kind: actor.Person, ID: uuid.NewString(), Session: "token:x", Permissions: []actor.Permission{actor.ReadChecks}}})
	exchange := func(more ...string) string {
		return form(append([]string{"grant_type", grantExchange, "subject_token", w.idp.sign(w.idp.claims(w.a.String())), "subject_token_type", typeIDToken, "audience", "shop"}, more...)...)
	}
	rec, answer := post(h, "app", exchange())
	if rec.Code != http.StatusOK || answer["issued_token_type"] != typeTenant || answer["token_type"] != "N_A" || answer["expires_in"] != 900.0 || rec.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", rec.Code, answer)
	}
	token, err := tenant.ParseToken(answer["access_token"].(string))
	if err != nil {
		t.Fatal(err)
	}
	w.opens(Minted{Token: token}, 3)
	rec, answer = post(h, "app", exchange("scope", "read"))
	if token, err = tenant.ParseToken(answer["access_token"].(string)); err != nil || token.Claims().Access != tenant.Read || answer["scope"] != "read" {
		t.Errorf("%d %v", rec.Code, err)
	}

	job, err := w.tenancy.AskJob(t.Context(), w.anna, w.ask(nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.tenancy.AcceptJob(t.Context(), w.bob, job, false); err != nil {
		t.Fatal(err)
	}
	service := func(of uuid.UUID, more ...string) string {
		return form(append([]string{"grant_type", grantClient, "audience", "shop", "purpose", "monthly-statement", "tenant", of.String()}, more...)...)
	}
	if rec, answer = post(h, "app", service(w.a, "scope", "read")); rec.Code != http.StatusOK {
		t.Errorf("%d %v", rec.Code, answer)
	}

	for _, c := range []struct {
		name, bearer, body, code string
		status                   int
		change                   func(*http.Request)
	}{
		{"nobody", "", exchange(), "invalid_client", 401, nil},
		{"an unknown API token", "forged", exchange(), "invalid_client", 401, nil},
		{"somebody in a browser", "browser", exchange(), "invalid_client", 401, nil},
		{"an API token for something else", "reader", exchange(), "unauthorized_client", 403, nil},
		{"a forged ID token", "app", exchange("subject_token", "a.b.c"), "invalid_grant", 400, nil},
		{"no ID token", "app", exchange("subject_token", ""), "invalid_request", 400, nil},
		{"an access token", "app", exchange("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"), "invalid_request", 400, nil},
		{"another kind of token wanted", "app", exchange("requested_token_type", "urn:ietf:params:oauth:token-type:jwt"), "invalid_request", 400, nil},
		{"no database", "app", exchange("audience", ""), "invalid_request", 400, nil},
		{"another database", "app", exchange("audience", "other"), "invalid_target", 400, nil},
		{"a scope that is none", "app", exchange("scope", "admin"), "invalid_scope", 400, nil},
		{"no grant", "app", exchange("grant_type", ""), "invalid_request", 400, nil},
		{"another grant", "app", exchange("grant_type", "password"), "unsupported_grant_type", 400, nil},
		{"twice", "app", exchange() + "&audience=other", "invalid_request", 400, nil},
		{"in the address", "app", exchange(), "invalid_request", 400, func(r *http.Request) { r.URL.RawQuery = "audience=other" }},
		{"as JSON", "app", `{}`, "invalid_request", 400, func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }},
		{"too large", "app", exchange("x", strings.Repeat("x", 70_000)), "invalid_request", 400, nil},
		{"a job for another tenant", "app", service(w.b, "scope", "read"), "invalid_grant", 400, nil},
		{"a job that reads", "app", service(w.a), "invalid_scope", 400, nil},
		{"a job that is none", "app", service(w.a, "purpose", "other"), "invalid_grant", 400, nil},
		{"a job for nobody", "app", service(w.a, "tenant", ""), "invalid_request", 400, nil},
		{"a job for what is no tenant", "app", service(w.a, "tenant", "*"), "invalid_request", 400, nil},
	} {
		change := c.change
		if change == nil {
			change = func(*http.Request) {}
		}
		rec, answer := post(h, c.bearer, c.body, change)
		said, _ := answer["error_description"].(string)
		if rec.Code != c.status || answer["error"] != c.code || said == "" || strings.ContainsFunc(said, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
			t.Errorf("%s: %d %s", c.name, rec.Code, rec.Body)
		}
		if answer["access_token"] != nil {
			t.Errorf("%s: a token", c.name)
		}
		if c.status == 401 && rec.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no challenge", c.name)
		}
	}
	// From a page of another site, in a browser.
	if rec, _ := post(h, "app", exchange(), func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }); rec.Code != http.StatusForbidden {
		t.Errorf("from another site: %d", rec.Code)
	}
	if rec := httptest.NewRecorder(); true {
		h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "http://garant.test/api/v1/openapi.json", nil))
		if body, _ := io.ReadAll(rec.Body); !strings.Contains(string(body), "/tenant/token") || !strings.Contains(string(body), "subject_token_type") {
			t.Error("it is not described")
		}
	}
	// The end of the session.
	r := httptest.NewRequest(http.MethodPost, "http://garant.test/api/v1/tenant/sessions/"+uuid.UUID(token.Claims().Session).String()+"/revoke", strings.NewReader(`{"reason": "a lost laptop"}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer browser")
	out := httptest.NewRecorder()
	h.ServeHTTP(out, r)
	if out.Code != http.StatusOK || !strings.Contains(out.Body.String(), `"databases":["shop"]`) {
		t.Errorf("%d %s", out.Code, out.Body)
	}
	if strings.Contains(w.log.String(), "subject_token") {
		t.Error("a form is logged")
	}
}

// Who fails too often is asked to wait; others are not.
func TestExchangeThrottled(t *testing.T) {
	w := newWorld(t)
	w.tend()
	other := w.app
	other.Session = "token:" + uuid.NewString()
	h := w.api(bearers{"app": w.app, "other": other})
	bad := form("grant_type", grantExchange, "subject_token", "a.b.c", "subject_token_type", typeIDToken, "audience", "shop")
	for range maxFailures {
		if rec, _ := post(h, "app", bad); rec.Code != http.StatusBadRequest {
			t.Fatal(rec.Code, rec.Body)
		}
	}
	rec, answer := post(h, "app", bad)
	if rec.Code != http.StatusTooManyRequests || answer["error"] != "temporarily_unavailable" || rec.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v", rec.Code, answer)
	}
	if n := one[int](w, `SELECT count(*) FROM audit.entry WHERE action = 'tenant_token.refused'`); n != maxFailures {
		t.Errorf("%d refusals are recorded", n)
	}
	good := form("grant_type", grantExchange, "subject_token", w.idp.sign(w.idp.claims(w.a.String())), "subject_token_type", typeIDToken, "audience", "shop")
	if rec, _ := post(h, "other", good); rec.Code != http.StatusOK {
		t.Errorf("another: %d", rec.Code)
	}
	w.ahead += time.Minute
	if rec, _ := post(h, "app", good); rec.Code != http.StatusOK && rec.Code != http.StatusBadRequest {
		t.Errorf("a minute later: %d", rec.Code)
	}
}

// FuzzForm: whatever is sent, the answer is one of the protocol's.
func FuzzForm(f *testing.F) {
	for _, s := range []string{"", "grant_type=" + url.QueryEscape(grantExchange), "audience=shop&audience=x", "%zz", "a=%00&audience=%ff", strings.Repeat("a=b&", 2000)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "/api/v1/tenant/token", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req, err := tokenRequest(&web.Request{Request: r})
		if err == nil && (req.Database == "" || (req.IDToken == "") == (req.Job == "")) {
			t.Errorf("%q: %+v", body, req)
		}
		if err != nil {
			code, status := oauthError(&web.Request{Request: r}, errs.HTTPStatus(err), err)
			if code == "" || status < 400 || status >= 500 {
				t.Errorf("%q: %s %d", body, code, status)
			}
		}
	})
}
