package web_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web"
)

type fakeAuth struct{ who actor.Actor }

func (f fakeAuth) Authenticate(*http.Request) (actor.Actor, error) {
	if f.who.ID == "" {
		return actor.Anonymous(""), nil
	}
	return f.who, nil
}

func newSite(t *testing.T, change func(*web.Config)) *web.Site {
	t.Helper()
	hello := func(w http.ResponseWriter, r *web.Request) error {
		_, err := io.WriteString(w, r.Lang+" "+r.Actor.Origin)
		return err
	}
	cfg := web.Config{
		Name: "test", Hosts: []string{"admin.localhost"}, Languages: []string{"fr", "en"}, Now: time.Now,
		Log: slog.New(slog.DiscardHandler), Metrics: web.NewMetrics(), Auth: fakeAuth{}, SignInPath: "/sign-in",
		Routes: []web.Route{
			{Pattern: "GET /open", Permission: web.Public, Handler: hello},
			{Pattern: "GET /checks", Permission: actor.ReadChecks, Handler: hello},
			{Pattern: "POST /checks", Permission: actor.RunChecks, Handler: hello},
			{Pattern: "POST /hook", Permission: web.Public, Handler: hello, CrossOrigin: true},
			{Pattern: "POST /body", Permission: web.Public, MaxBody: 10, Handler: func(_ http.ResponseWriter, r *web.Request) error {
				_, err := io.ReadAll(r.Body)
				return err
			}},
			{Pattern: "GET /panic", Permission: web.Public, Handler: func(http.ResponseWriter, *web.Request) error { panic("secret-of-a-customer") }},
			{Pattern: "GET /secret", Permission: web.Public, Handler: func(http.ResponseWriter, *web.Request) error {
				return errs.New(errs.Conflict, "x", "Public sentence.").Wrap(io.ErrUnexpectedEOF)
			}},
		},
	}
	if change != nil {
		change(&cfg)
	}
	s, err := web.NewSite(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ask(s *web.Site, method, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(strings.Repeat("x", 20)))
	r.Host = "admin.localhost:8480"
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestRoutesNeedPermissions(t *testing.T) {
	_, err := web.NewSite(web.Config{Routes: []web.Route{{Pattern: "GET /x", Handler: func(http.ResponseWriter, *web.Request) error { return nil }}}})
	if err == nil {
		t.Error("a route without a permission was accepted")
	}
	s := newSite(t, nil)
	for _, c := range []struct {
		method, target string
		headers        []string
		status         int
		location       string
	}{
		{"GET", "/open", nil, 200, ""},
		{"GET", "/checks", nil, 303, "/sign-in?next=%2Fchecks"},
		{"GET", "/checks?state=met&x=%2F", nil, 303, "/sign-in?next=%2Fchecks%3Fstate%3Dmet%26x%3D%252F"},
		{"GET", "/checks", []string{"Accept", "application/json"}, 403, ""},
		{"POST", "/checks", nil, 303, "/sign-in"},
		{"GET", "/nowhere", nil, 404, ""},
		{"DELETE", "/open", nil, 405, ""},
		{"GET", "/open", []string{"Host", "rebound.example"}, 421, ""},
		{"GET", "/open", []string{"Host", "127.0.0.1:8480"}, 421, ""},
		{"POST", "/checks", []string{"Sec-Fetch-Site", "cross-site"}, 403, ""},
		{"POST", "/checks", []string{"Origin", "https://evil.example"}, 403, ""},
		{"POST", "/hook", []string{"Sec-Fetch-Site", "cross-site"}, 200, ""},
		{"POST", "/body", nil, 422, ""},
		{"GET", "/panic", nil, 500, ""},
	} {
		w := ask(s, c.method, c.target, c.headers...)
		if w.Code != c.status || w.Header().Get("Location") != c.location {
			t.Errorf("%s %s %v: %d %q, want %d %q", c.method, c.target, c.headers, w.Code, w.Header().Get("Location"), c.status, c.location)
		}
		if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s %s: CSP %q", c.method, c.target, csp)
		}
		for _, leak := range []string{"secret-of-a-customer", "goroutine", "unexpected EOF", ".go:"} {
			if strings.Contains(w.Body.String(), leak) {
				t.Errorf("%s %s shows %q", c.method, c.target, leak)
			}
		}
	}
	if body := ask(s, "GET", "/secret", "Accept", "application/json").Body.String(); !strings.Contains(body, "Public sentence.") || strings.Contains(body, "EOF") {
		t.Errorf("problem: %s", body)
	}
	var refused []actor.Permission
	reader := newSite(t, func(c *web.Config) {
		c.Auth = fakeAuth{actor.Actor{Kind: actor.Person, ID: "p", Permissions: actor.Reader.Permissions()}}
		c.Refused = func(_ *web.Request, p actor.Permission) { refused = append(refused, p) }
	})
	if w := ask(reader, "GET", "/checks"); w.Code != 200 {
		t.Errorf("a reader reads: %d", w.Code)
	}
	if w := ask(reader, "POST", "/checks"); w.Code != 403 {
		t.Errorf("a reader runs: %d", w.Code)
	}
	if !slices.Equal(refused, []actor.Permission{actor.RunChecks}) {
		t.Errorf("refusals told of: %v", refused)
	}
}

func TestLanguage(t *testing.T) {
	s := newSite(t, nil)
	for _, c := range []struct{ target, accept, want string }{
		{"/open", "", "fr"}, {"/open", "en-GB,en;q=0.9", "en"}, {"/open", "nl-BE,nl;q=0.9,en;q=0.5", "en"}, {"/open", "de", "fr"},
		{"/open?lang=en", "fr", "en"}, {"/open?lang=xx", "", "fr"}, {"/open", "fr-CA;q=broken", "fr"},
	} {
		if w := ask(s, "GET", c.target, "Accept-Language", c.accept); !strings.HasPrefix(w.Body.String(), c.want) {
			t.Errorf("%s with %q: %s", c.target, c.accept, w.Body)
		}
	}
	if w := ask(s, "GET", "/open", "Cookie", "lang=en"); !strings.HasPrefix(w.Body.String(), "en") {
		t.Errorf("cookie: %s", w.Body)
	}
}

func TestProxies(t *testing.T) {
	behind := newSite(t, func(c *web.Config) { c.Proxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} }) // httptest comes from 192.0.2.1
	if w := ask(behind, "GET", "/open", "X-Forwarded-For", "198.51.100.9, 203.0.113.7"); w.Code != 200 || !strings.HasSuffix(w.Body.String(), "203.0.113.7") {
		t.Errorf("through the proxy: %d %s", w.Code, w.Body)
	}
	around := newSite(t, func(c *web.Config) { c.Proxies = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")} })
	if w := ask(around, "GET", "/open"); w.Code != 403 {
		t.Errorf("around the proxy: %d", w.Code)
	}
	alone := newSite(t, nil)
	if w := ask(alone, "GET", "/open", "X-Forwarded-For", "203.0.113.7"); !strings.HasSuffix(w.Body.String(), "192.0.2.1") {
		t.Errorf("a header nobody vouches for was believed: %s", w.Body)
	}
}

func TestLocalPath(t *testing.T) {
	for next, want := range map[string]string{
		"/checks?x=1": "/checks?x=1", "//evil.example": "/", "https://evil.example": "/", `/\evil.example`: "/", "": "/", "javascript:x": "/", "/a\nb": "/",
	} {
		if got := web.LocalPath(next, "/"); got != want {
			t.Errorf("%q: %q, want %q", next, got, want)
		}
	}
}
