package sponsorship

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/examples/sponsorship/issuer"
	"github.com/garant-project/garant/tenant"
)

// No statement of the application names a customer: neither the column nor a function of the token.
// The rule is held on every file of the module, templates and words included.
func TestNoStatementNamesACustomer(t *testing.T) {
	forbidden := regexp.MustCompile(`(?i)organisation_id|tenant_(id|uuid|bigint|text)\b|writer_(uuid|bigint|text)\b|garant\.|set_config|current_setting|customer\.organisation\s+\w*\s*where`)
	for wrong, want := range map[string]bool{
		"SELECT 1 FROM t WHERE organisation_id = $1": true, "… garant.tenant_bigint()": true, "set_config('x', …)": true, "FROM customer.organisation o WHERE o.id = 1": true,
		"SELECT name FROM customer.organisation": false,
	} {
		if forbidden.MatchString(wrong) != want {
			t.Fatalf("the rule itself: %q", wrong)
		}
	}
	statements, seen := regexp.MustCompile(`\b(SELECT|INSERT INTO|UPDATE|DELETE FROM)\b`), 0
	begins := regexp.MustCompile(`\.(Begin|BeginTx|Query|QueryRow|Exec|SendBatch|CopyFrom|Acquire)\(`)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") || !slices.Contains([]string{".go", ".html", ".json"}, filepath.Ext(path)) {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for n, line := range strings.Split(string(text), "\n") {
			code, _, _ := strings.Cut(line, "//")
			if filepath.Ext(path) == ".json" {
				code = ""
			}
			if found := forbidden.FindString(code); found != "" && !strings.Contains(code, "garant.example") {
				t.Errorf("%s:%d names a customer: %s", path, n+1, found)
			}
			if statements.MatchString(code) && filepath.Ext(path) == ".go" {
				seen++
				if path != "store.go" {
					t.Errorf("%s:%d: SQL stands in store.go", path, n+1)
				}
			}
			// A way to the database that is neither the SDK's nor that of a transaction which the SDK began.
			for _, call := range begins.FindAllString(code, -1) {
				if strings.Contains(code, "s.db"+call) || strings.Contains(code, "tx"+call) {
					continue
				}
				if path == "store.go" {
					t.Errorf("%s:%d goes to the database without a token: %s", path, n+1, call)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 12 {
		t.Fatalf("%d statements seen: the test is blind", seen)
	}
}

// The words are there in both languages, and each is used.
func TestWords(t *testing.T) {
	v, err := newViews()
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, pattern := range []string{"*.go", "templates/*.html"} {
		files, _ := filepath.Glob(pattern)
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			source.Write(text)
		}
	}
	code := source.String()
	for id := range v.words["fr"] {
		if v.words["en"][id] == "" {
			t.Errorf("%s is not there in English", id)
		}
		stem := id[:strings.LastIndexByte("."+id, '.')]
		if !strings.Contains(code, `"`+id+`"`) && !strings.Contains(code, `"`+stem+`"`) && !strings.HasSuffix(id, ".title") && !strings.HasPrefix(id, "apply.") {
			t.Errorf("%s is used nowhere", id)
		}
	}
	for id, text := range v.words["fr"] {
		if regexp.MustCompile(`[^\x{202f}\x{00a0}][:;?!»]|'`).MatchString(text) {
			t.Errorf("%s: typography: %q", id, text)
		}
	}
	if len(v.words["en"]) != len(v.words["fr"]) {
		t.Error("English has words that French has not")
	}
}

// Every page, in both languages, with typical, empty and hostile data.
func TestPages(t *testing.T) {
	a := testApp(t)
	hostile := `"><script>alert(1)</script>` + strings.Repeat("œ ", 200)
	at := time.Date(2026, 3, 1, 23, 30, 0, 0, time.UTC)
	for _, lang := range []string{"fr", "en"} {
		for _, text := range []string{"Un projet", "", hostile} {
			one := application{ID: "00000000-0000-4000-8000-000000000001", Applicant: text, Subject: text, FieldFR: text, FieldEN: text, Cents: 123456789, Status: granted, SubmittedAt: at}
			b := base{Lang: lang, Title: text, Path: "/x?y=" + text, Me: &member{Name: text, Role: reviewer, Organisation: text}, Link: Link{text, "/"}, views: a.views}
			for _, p := range []page{
				homePage{b, []Form{{Slug: "x", Name: text}}, "home.again"}, homePage{base: b},
				listPage{b, granted, []total{{submitted, 0, 0}, {granted, 3, 100}, {refused, 1, 1}, {paid, 2, 2}}, []application{one}, "1_" + one.ID}, listPage{base: b},
				onePage{b, dossier{one, text, text, text, text, text, text, []step{{at, submitted, "", ""}, {at, refused, text, text}}}, text, "one.fault.reason", true, true}, onePage{base: b, D: dossier{application: one}},
				paymentsPage{b, []application{one}, []payment{{one.ID, text, text, text, text, 1, at}}, true}, paymentsPage{base: b},
				applyPage{b, Form{Slug: "x", Name: text}, []field{{"sport", text, text}}, map[string]string{"subject": text, "field": "sport"}, map[string]string{"subject": "apply.fault.long", "field": "apply.fault.missing", "description": "apply.fault.missing"}},
				applyPage{base: b}, receivedPage{b, Form{Name: text}},
				faultPage{b, "fault.internal"}, faultPage{b, "fault.not_found"}, faultPage{b, "fault.cross_origin"}, faultPage{b, "fault.forbidden"}, faultPage{b, "fault.gone"}, faultPage{b, "fault.sign_in"}, faultPage{b, "fault.unavailable"}, faultPage{b, "fault.too_large"},
			} {
				w := httptest.NewRecorder()
				a.render(w, httptest.NewRequest(http.MethodGet, "/", nil), 200, p)
				out := w.Body.String()
				if w.Code != 200 || !strings.Contains(out, "</html>") || !strings.Contains(out, `<html lang="`+lang+`">`) {
					t.Errorf("%s %T: %d\n%s", lang, p, w.Code, out)
				}
				if strings.Contains(out, "<script") || strings.Contains(out, "style=") || strings.Contains(out, "%!") {
					t.Errorf("%s %T: hostile text, or a style that the policy refuses", lang, p)
				}
			}
		}
	}
}

func TestFormats(t *testing.T) {
	a := testApp(t)
	fr, en := base{Lang: "fr", views: a.views}, base{Lang: "en", views: a.views}
	at := time.Date(2026, 2, 28, 23, 30, 0, 0, time.UTC) // the first of March where the company is
	for _, c := range [][2]string{
		{fr.Money(123456789), "1\u202f234\u202f567,89\u00a0€"}, {en.Money(123456789), "€1,234,567.89"}, {fr.Money(5), "0,05\u00a0€"}, {en.Money(100000), "€1,000.00"},
		{fr.Day(at), "1er\u00a0mars\u00a02026"}, {en.Day(at), "1\u00a0March\u00a02026"},
	} {
		if c[0] != c[1] {
			t.Errorf("%q, want %q", c[0], c[1])
		}
	}
	for text, want := range map[string]int64{"1250": 125000, "1250,5": 125050, "1 250,50 €": 125050, "1.250": 125000, "1.250,75": 0, "12.50": 1250, "0": 0, "-5": 0, "1e3": 0, "": 0, "€ 3": 300} {
		if got, _ := parseAmount(text); got != want {
			t.Errorf("%q is %d cents, want %d", text, got, want)
		}
	}
	for text, want := range map[string]bool{"BE68539007547034": true, "BE68539007547035": false, "XX00000000000001": false, "GB82WEST12345698765432": true, "": false, "BE68": false} {
		if isIBAN(text) != want {
			t.Errorf("%q: %t", text, !want)
		}
	}
}

// noTokens refuses everybody.
type noTokens struct{ err error }

func (n noTokens) Exchange(context.Context, string, string, tenant.Access) (tenant.Token, error) {
	return tenant.Token{}, n.err
}
func (n noTokens) Job(context.Context, string, string, tenant.ID) (tenant.Token, error) {
	return tenant.Token{}, n.err
}

func config(t *testing.T) Config {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), "postgres://app@127.0.0.1:1/none?sslmode=disable") // never asked
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return Config{Origin: "http://ardoise.localhost:8482", Pools: tenant.Single(pool), Exchanger: noTokens{ErrRefused}, Issuer: "http://127.0.0.1:1", Client: "sponsorship", Forms: []Form{{"x", tenant.Int(1), "X"}}}
}

func testApp(t *testing.T) *app {
	t.Helper()
	views, err := newViews()
	if err != nil {
		t.Fatal(err)
	}
	return &app{views: views}
}

func TestConfig(t *testing.T) {
	for name, spoil := range map[string]func(*Config){
		"no origin": func(c *Config) { c.Origin = "" }, "a path": func(c *Config) { c.Origin += "/x" }, "no TLS": func(c *Config) { c.Origin = "http://app.example" },
		"no database": func(c *Config) { c.Pools = nil }, "no exchanger": func(c *Config) { c.Exchanger = nil }, "the same form twice": func(c *Config) { c.Forms = append(c.Forms, c.Forms[0]) }, "a form of nobody": func(c *Config) { c.Forms[0].Customer = tenant.ID{} },
	} {
		c := config(t)
		spoil(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// What every answer has, and what is refused before any page.
func TestGuard(t *testing.T) {
	h, err := New(config(t))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, path, host string, body string, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Host = host
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	const host = "ardoise.localhost:8482"
	w := ask("GET", "/", host, "")
	for header, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "no-store", "Cross-Origin-Opener-Policy": "same-origin"} {
		if w.Header().Get(header) != want {
			t.Errorf("%s: %q", header, w.Header().Get(header))
		}
	}
	policy := w.Header().Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; ") || strings.Contains(policy, "unsafe") {
		t.Error(policy)
	}
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	for name, c := range map[string]struct {
		w    *httptest.ResponseRecorder
		want int
	}{
		"another host":                {ask("GET", "/", "evil.example", ""), 421},
		"nothing there":               {ask("GET", "/nothing", host, ""), 404},
		"another site's form":         {ask("POST", "/signout", host, "", append(form, "Sec-Fetch-Site", "cross-site")...), 403},
		"another site's form, old":    {ask("POST", "/signout", host, "", append(form, "Origin", "http://evil.example")...), 403},
		"our form":                    {ask("POST", "/signout", host, "", append(form, "Sec-Fetch-Site", "same-origin")...), 303},
		"a callback out of nowhere":   {ask("GET", "/callback?code=x&state=y", host, ""), 400},
		"a callback of another state": {ask("GET", "/callback?code=x&state=y", host, "", "Cookie", "signin=aaaa.bbbb.cccc"), 400},
		"a session that is none":      {ask("GET", "/applications", host, "", "Cookie", "session=x"), 303},
		"a form that no job is for":   {ask("GET", "/apply/x", host, ""), 404},
		"a form that is not there":    {ask("GET", "/apply/y", host, ""), 404},
		"the issuer away":             {ask("GET", "/signin", host, ""), 503},
		"an asset of another day":     {ask("GET", "/static/000000000000/app.css", host, ""), 404},
		"an asset outside":            {ask("GET", "/static/000000000000/..%2fapp.go", host, ""), 404},
		"a style sheet":               {ask("GET", asset("app.css"), host, ""), 200},
		"a language, and back":        {ask("GET", "/language/en?to=/apply/x", host, ""), 303},
	} {
		if c.w.Code != c.want {
			t.Errorf("%s: %d, want %d", name, c.w.Code, c.want)
		}
	}
	for _, to := range []string{"//evil.example", "https://evil.example", `/\evil.example`, "evil"} {
		if at := ask("GET", "/language/en?to="+url.QueryEscape(to), host, "").Header().Get("Location"); at != "/" {
			t.Errorf("a choice of language leads to %s", at)
		}
	}
}

// A session ends when nobody uses it, and after a working day in any case.
func TestSessions(t *testing.T) {
	now := time.Now()
	s := newSessions(func() time.Time { return now })
	secret := s.begin(&session{})
	if s.find(secret) == nil || s.find("") != nil || s.find(secret+"x") != nil {
		t.Fatal("found by something else than its secret")
	}
	for n := 1; n <= 25; n++ { // used every 29 minutes, for over twelve hours
		now = now.Add(29 * time.Minute)
		if found := s.find(secret) != nil; found != (n < 25) {
			t.Errorf("after %d times 29 minutes: %t", n, found)
		}
	}
	secret = s.begin(&session{})
	now = now.Add(idle + time.Second)
	if s.find(secret) != nil {
		t.Error("a session that nobody uses lives on")
	}
	secret = s.begin(&session{})
	s.end(secret)
	if s.find(secret) != nil || len(s.by) != 0 {
		t.Error("a session outlives signing out")
	}
}

// The exchanger tells a refusal from what may be otherwise in a moment.
func TestGarantAnswers(t *testing.T) {
	var status int
	var body any
	var got url.Values
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		got = r.PostForm
		if r.Header.Get("Authorization") != "Bearer garant_x" {
			status = 401
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}))
	defer server.Close()
	g := &Garant{Database: "production", Endpoint: tenant.Endpoint{URL: server.URL, APIToken: func(context.Context) (string, error) { return "garant_x", nil }}}
	key := tenant.Key{ID: 1}
	token, err := key.Mint(tenant.Claims{Tenant: tenant.Int(1), Session: [16]byte{1}, Kind: tenant.Login, Access: tenant.Read, Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		status int
		body   any
		want   error
	}{
		{200, map[string]any{"access_token": token.Encode(), "issued_token_type": "urn:garant:token-type:tenant"}, nil},
		{400, map[string]any{"error": "invalid_grant"}, ErrRefused},
		{401, map[string]any{"error": "invalid_client"}, ErrUnavailable}, // the application's own token: not the user's fault
		{503, map[string]any{"error": "temporarily_unavailable"}, ErrUnavailable},
		{200, "nothing", ErrUnavailable},
	} {
		status, body = c.status, c.body
		_, err := g.Exchange(t.Context(), "", "id", tenant.Read)
		if !errors.Is(err, c.want) {
			t.Errorf("%d %v: %v", c.status, c.body, err)
		}
		if got.Get("scope") != "read" || got.Get("subject_token") != "id" || got.Get("audience") != "production" {
			t.Errorf("asked with %v", got)
		}
		if _, err := g.Job(t.Context(), "", Purpose, tenant.Int(7)); !errors.Is(err, c.want) || got.Get("tenant") != "7" || got.Get("purpose") != Purpose {
			t.Errorf("job: %v, asked with %v", err, got)
		}
	}
}

// The sign-in takes no ID token of another issuer, for another application, without a customer, or too late.
func TestIdentity(t *testing.T) {
	users := []issuer.User{{ID: "u", Name: "U", Organisation: "1", Customer: "C"}, {ID: "nobody's", Name: "N"}}
	now := time.Now()
	made := func(c issuer.Config) string {
		c.Users, c.Redirect, c.Now = users, "http://a.localhost/callback", func() time.Time { return now }
		i, err := issuer.New(c)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := i.Sign("u")
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	l := &login{issuer: "http://127.0.0.1:1", client: "sponsorship", now: func() time.Time { return now }}
	good := issuer.Config{URL: "http://127.0.0.1:1", Client: "sponsorship"}
	if who, err := l.read(made(good)); err != nil || who.Subject != "u" || who.Customer != "1" {
		t.Fatal(who, err)
	}
	raw := made(good)
	for name, text := range map[string]string{
		"another issuer": made(issuer.Config{URL: "http://127.0.0.1:2", Client: "sponsorship"}), "another application": made(issuer.Config{URL: good.URL, Client: "other"}),
		"no customer": made(issuer.Config{URL: good.URL, Client: good.Client, TenantKey: "org"}), "half": raw[:len(raw)/2], "nothing": "", "three dots": "...",
	} {
		if _, err := l.read(text); !errors.Is(err, errSignIn) {
			t.Errorf("%s: %v", name, err)
		}
	}
	now = now.Add(time.Hour)
	if _, err := l.read(raw); !errors.Is(err, errSignIn) {
		t.Error("an old one is taken")
	}
}

// moved gives tokens for the customer's own database only, and says so where it is asked for others.
type moved struct{ token tenant.Token }

func (m moved) Exchange(_ context.Context, database, _ string, _ tenant.Access) (tenant.Token, error) {
	if database != "own" {
		return tenant.Token{}, told(&tenant.RefusedError{Status: 400, Code: "invalid_target", Place: "own"})
	}
	return m.token, nil
}

func (m moved) Job(ctx context.Context, database, _ string, _ tenant.ID) (tenant.Token, error) {
	return m.Exchange(ctx, database, "", tenant.Write)
}

// The tokens of a login follow its customer to a database of its own.
func TestTokensFollowTheCustomer(t *testing.T) {
	key := tenant.Key{ID: 1}
	want, err := key.Mint(tenant.Claims{Tenant: tenant.Int(1), Session: [16]byte{1}, Kind: tenant.Login, Access: tenant.Read, Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	tokens := placed(func(ctx context.Context, database string) (tenant.Token, error) {
		return moved{want}.Exchange(ctx, database, "", tenant.Read)
	})
	for _, from := range []tenant.Source{tenant.Cache(tokens), tenant.Cache(tokens).At("own")} {
		if got, err := from.Token(t.Context()); err != nil || got != want {
			t.Errorf("%v", err)
		}
	}
}

// somewhere gives tokens, and remembers for what they were asked.
type somewhere struct {
	tenant.Token
	asked *[]string
}

func (s somewhere) Exchange(_ context.Context, database, idToken string, access tenant.Access) (tenant.Token, error) {
	*s.asked = append(*s.asked, database+" "+idToken+" "+string(access))
	return s.Token, nil
}

func (s somewhere) Job(context.Context, string, string, tenant.ID) (tenant.Token, error) {
	return tenant.Token{}, ErrRefused
}

// The page that leads to Garant's portal has a token for reading there in a form, in no address, under a policy that lets the form go
// there and nowhere else; without a portal there is neither page nor link.
func TestPortalPage(t *testing.T) {
	key := tenant.Key{ID: 1, Secret: [32]byte{1}}
	token, err := key.Mint(tenant.Claims{Tenant: tenant.Int(1), Session: [16]byte{1}, Kind: tenant.Login, Access: tenant.Read, Expires: time.Now().Add(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	v, err := newViews()
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	a := &app{views: v, Config: Config{Origin: "https://app.example", Portal: Portal{"https://portal.example", "production@garant"}, Exchanger: somewhere{token, &asked}, Now: time.Now, Log: slog.New(slog.DiscardHandler)}}
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/activity-log", nil)
	b := a.base(r, "portal.title")
	b.Me = &member{Role: reviewer}
	if err := a.handOver(w, r, b, "id-token"); err != nil {
		t.Fatal(err)
	}
	if len(asked) != 1 || asked[0] != "production@garant id-token r" {
		t.Errorf("%q", asked)
	}
	page := w.Body.String()
	for _, want := range []string{`action="https://portal.example/enter"`, `method="post"`, `value="` + token.Encode() + `"`, `href="/activity-log"`, "<button>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self' https://portal.example;") || strings.Contains(policy, "unsafe") {
		t.Errorf("%s", policy)
	}
	if strings.Contains(page, "?token") {
		t.Error("the token is in an address")
	}
	a.Portal = Portal{}
	w = httptest.NewRecorder()
	a.routes().ServeHTTP(w, r)
	if w.Code != http.StatusNotFound || strings.Contains(w.Body.String(), `href="/activity-log"`) {
		t.Errorf("without a portal: %d", w.Code)
	}
}
