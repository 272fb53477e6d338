package signin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/directory/directorytest"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/signin"
	"github.com/garant-project/garant/internal/web/ui"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const host = "admin.localhost"

var cli = actor.NewSystem("cli")

// clock is the server's clock, which tests may move.
// zone is the company's, half an hour off most others.
func zone() *time.Location { return time.FixedZone("company", -(9*3600 + 1800)) }

type clock struct {
	mu    sync.Mutex
	shift time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.shift)
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shift += d
}

// console is a running site with sign-in, the account page and a desk.
type console struct {
	t      testing.TB
	dir    *directory.Directory
	db     *pg.DB
	origin string
	addr   string
	clock  *clock
	lead   directory.Person
}

func start(t testing.TB, https ...bool) *console {
	t.Helper()
	ctx := context.Background()
	db := pgtest.New(t)
	provider, err := crypt.OpenKeyfile(ctx, db.Pool(pg.Staff), filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	box, err := crypt.NewBox(ctx, db.Pool(pg.Login), provider)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &console{t: t, db: db, addr: l.Addr().String(), clock: &clock{}}
	_, port, _ := net.SplitHostPort(c.addr)
	c.origin = "http://" + host + ":" + port
	c.dir, err = directory.New(directory.Config{Staff: db.Pool(pg.Staff), Login: db.Pool(pg.Login), Box: box, Policy: directory.DefaultPolicy(),
		Site: directory.Site{Host: host, Origin: c.origin, Name: "Garant"}})
	if err != nil {
		t.Fatal(err)
	}
	messages, err := ui.NewMessages(signin.Messages())
	if err != nil {
		t.Fatal(err)
	}
	s, err := signin.New(signin.Config{Directory: c.dir, Messages: messages, Now: c.clock.now, HTTPS: len(https) > 0, Zone: func(context.Context) *time.Location { return zone() }, Frame: func(r *web.Request) ui.Page {
		return ui.Page{Site: "Garant", User: r.Actor.Name, Account: "/account", Nav: []ui.NavItem{{Href: "/", Label: "Desk", Icon: "inbox"}}}
	}})
	if err != nil {
		t.Fatal(err)
	}
	site, err := web.NewSite(web.Config{
		Name: "console", Hosts: []string{host}, Auth: s, SignInPath: signin.Path, Languages: []string{"fr", "en"}, Now: c.clock.now,
		Log: slog.New(slog.DiscardHandler),
		ErrorPage: func(w http.ResponseWriter, r *web.Request, status int, err error) {
			p := &ui.Page{Printer: messages.For(r.Lang, nil), Site: "Garant", Layout: "card"}
			text, fix := p.Printer.Error(err)
			b, pageErr := ui.ErrorPage(p, status, "", text, fix, r.ID)
			if pageErr != nil {
				t.Error(pageErr)
			}
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.WriteHeader(status)
			_, _ = w.Write(b)
		},
		Routes: append(s.Routes(),
			web.Route{Pattern: "GET /static/", Permission: web.Public, Handler: web.Serve(ui.Static())},
			web.Route{Pattern: "GET /{$}", Permission: actor.ReadChecks, Handler: desk},
			web.Route{Pattern: "GET /checks/{id}", Permission: actor.ReadChecks, Handler: desk}),
	})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: site, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	if c.lead, err = c.dir.AddPerson(ctx, cli, "camille@example.test", "Camille Exemple", actor.Lead, c.clock.now()); err != nil {
		t.Fatal(err)
	}
	return c
}

func desk(w http.ResponseWriter, r *web.Request) error {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, err := io.WriteString(w, "<!doctype html><title>Desk</title><h1>Desk of "+r.Actor.Name+"</h1><p>"+r.URL.Path+"</p>")
	return err
}

func (c *console) link(purpose directory.Purpose) string {
	c.t.Helper()
	link, err := c.dir.CreateLink(context.Background(), cli, c.lead.ID, purpose, c.clock.now())
	if err != nil {
		c.t.Fatal(err)
	}
	return "/link/" + link.Token
}

// Over TLS the cookie is bound to this very host, and the one for plain HTTP counts for nothing.
func TestCookieOverTLS(t *testing.T) {
	c := start(t, true)
	r := c.browser().post(c.link(directory.SignIn), nil)
	r.want(t, 303, "/enrol")
	set := r.header.Get("Set-Cookie")
	for _, attribute := range []string{"__Host-garant=", "Secure", "HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(set, attribute) {
			t.Errorf("cookie %q lacks %s", set, attribute)
		}
	}
	if strings.Contains(set, "Domain") {
		t.Errorf("cookie %q is shared with other hosts", set)
	}
	value, _, _ := strings.Cut(strings.TrimPrefix(set, "__Host-garant="), ";")
	b := c.browser()
	b.header.Set("Cookie", "garant="+value)
	b.get("/enrol").want(t, 303, "/sign-in")
	b.header.Set("Cookie", "__Host-garant="+value)
	b.get("/enrol").want(t, 200, "Camille Exemple")
}

// browser is a client with cookies that behaves like a page of the site.
type browser struct {
	c      *console
	client *http.Client
	header http.Header // sent with every request
}

func (c *console) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", c.addr)
	}
	return &browser{c: c, header: http.Header{"Accept-Language": {"en"}, "User-Agent": {"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}}, client: &http.Client{
		Jar: jar, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

type reply struct {
	status   int
	location string
	body     string
	header   http.Header
}

func (b *browser) do(method, path, contentType string, body []byte, change ...func(*http.Request)) reply {
	b.c.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, b.c.origin+path, bytes.NewReader(body))
	if err != nil {
		b.c.t.Fatal(err)
	}
	for k, v := range b.header {
		req.Header[k] = v
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if method == http.MethodPost {
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		req.Header.Set("Origin", b.c.origin)
	}
	for _, f := range change {
		f(req)
	}
	res, err := b.client.Do(req)
	if err != nil {
		b.c.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.c.t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header.Get("Location"), string(text), res.Header}
}

func (b *browser) get(path string) reply { b.c.t.Helper(); return b.do("GET", path, "", nil) }

func (b *browser) post(path string, form url.Values, change ...func(*http.Request)) reply {
	b.c.t.Helper()
	return b.do("POST", path, "application/x-www-form-urlencoded", []byte(form.Encode()), change...)
}

func (b *browser) json(path string, v any, change ...func(*http.Request)) (reply, map[string]any) {
	b.c.t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		b.c.t.Fatal(err)
	}
	r := b.do("POST", path, "application/json", body, append([]func(*http.Request){func(r *http.Request) { r.Header.Set("Accept", "application/json") }}, change...)...)
	out := map[string]any{}
	if err := json.Unmarshal([]byte(r.body), &out); err != nil {
		b.c.t.Fatalf("%s answers %d %q", path, r.status, r.body)
	}
	return r, out
}

func (b *browser) cookie() string {
	u, _ := url.Parse(b.c.origin)
	for _, c := range b.client.Jar.Cookies(u) {
		if c.Name == "garant" {
			return c.Value
		}
	}
	return ""
}

func (r reply) want(t testing.TB, status int, texts ...string) {
	t.Helper()
	if r.status != status {
		t.Errorf("status %d (%s), want %d: %s", r.status, r.location, status, r.body)
	}
	for _, text := range texts {
		if !strings.Contains(r.body+r.location, text) {
			t.Errorf("no %q in: %s %s", text, r.location, r.body)
		}
	}
	if strings.Contains(r.body, "⟦") {
		t.Errorf("a text is missing: %s", r.body[strings.Index(r.body, "⟦"):])
	}
}

// enrol goes from a link to a whole session.
func (b *browser) enrol(purpose directory.Purpose) *directorytest.Authenticator {
	b.c.t.Helper()
	b.post(b.c.link(purpose), nil).want(b.c.t, 303, "/enrol")
	key := directorytest.New(b.c.t, b.c.origin, host)
	r, begun := b.json("/enrol/begin", nil)
	r.want(b.c.t, 200)
	r, _ = b.json("/enrol/finish", map[string]any{"ceremony": begun["ceremony"], "name": "Laptop", "credential": json.RawMessage(key.Register(b.c.t, begun["options"]))})
	r.want(b.c.t, 200)
	return key
}

func (b *browser) login(key *directorytest.Authenticator, next string) (reply, map[string]any) {
	b.c.t.Helper()
	r, begun := b.json("/sign-in/passkey/begin", nil)
	r.want(b.c.t, 200)
	return b.json("/sign-in/passkey/finish", map[string]any{"ceremony": begun["ceremony"], "next": next, "credential": json.RawMessage(key.Login(b.c.t, begun["options"]))})
}

func TestJourneyWithoutABrowser(t *testing.T) {
	c := start(t)
	b := c.browser()
	b.get("/").want(t, 303, "/sign-in")
	b.get("/sign-in").want(t, 200, "Sign in with your passkey")
	link := c.link(directory.SignIn)
	// A mail scanner follows the link, twice; then the person does.
	for range 2 {
		scanner := c.browser()
		scanner.get(link).want(t, 200, "Go on")
		scanner.do("HEAD", link, "", nil).want(t, 200)
		if scanner.cookie() != "" {
			t.Error("following the link set a cookie")
		}
	}
	b.get(link).want(t, 200, "Go on")
	r := b.post(link, nil)
	r.want(t, 303, "/enrol")
	set := r.header.Get("Set-Cookie")
	for _, attribute := range []string{"garant=", "HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(set, attribute) {
			t.Errorf("cookie %q lacks %s", set, attribute)
		}
	}
	if strings.Contains(set, "Domain") || strings.Contains(set, "Expires") || strings.Contains(set, "Max-Age") {
		t.Errorf("cookie %q", set)
	}
	// Nothing but registering a passkey.
	narrow := b.cookie()
	for _, path := range []string{"/", "/account", "/checks/x"} {
		b.get(path).want(t, 303, "/sign-in")
	}
	b.get("/sign-in").want(t, 303, "/enrol")
	b.post("/account/codes", nil).want(t, 303, "/sign-in")
	b.get("/enrol").want(t, 200, "Camille Exemple", "Firefox, Linux", "/sign-in/static/signin.")
	key := directorytest.New(t, c.origin, host)
	_, begun := b.json("/enrol/begin", nil)
	r, _ = b.json("/enrol/finish", map[string]any{"ceremony": begun["ceremony"], "name": "Laptop", "credential": json.RawMessage(key.Register(t, begun["options"]))})
	r.want(t, 200, "/account")
	if b.cookie() == narrow {
		t.Error("the token stays the same when the session becomes whole")
	}
	r = b.post("/account/codes", nil)
	r.want(t, 200, "Recovery codes")
	codes := regexp.MustCompile(`[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}`).FindAllString(r.body, -1)
	if len(codes) != 10 {
		t.Fatalf("codes %v", codes)
	}
	if r.header.Get("Cache-Control") != "no-store" {
		t.Error("the page with the codes may be kept")
	}
	b.get("/").want(t, 200, "Desk of Camille Exemple")
	r = b.get("/account")
	r.want(t, 200, "Laptop", "this one", "10 codes")
	if now := b.c.clock.now().In(zone()); !strings.Contains(r.body, now.Format(", 15:04")) && !strings.Contains(r.body, now.Add(-time.Minute).Format(", 15:04")) {
		t.Errorf("the session's time of day is not the company's:\n%s", r.body)
	}
	b.get("/account?lang=fr").want(t, 200, "Clés d’accès", "celui-ci")
	b.get("/account?lang=en").want(t, 200, "this one")
	b.get("/sign-in").want(t, 303, "/")

	token := b.cookie()
	b.post("/sign-out", nil).want(t, 200, "You are signed out")
	if b.cookie() != "" {
		t.Error("the cookie stays")
	}
	thief := c.browser()
	thief.header.Set("Cookie", "garant="+token)
	thief.get("/account").want(t, 303, "/sign-in")

	// By passkey, to the page that was asked for.
	r, done := b.login(key, "/checks/backup")
	r.want(t, 200)
	if done["next"] != "/checks/backup" {
		t.Errorf("goes to %v", done["next"])
	}
	b.get("/checks/backup").want(t, 200, "Camille")

	// By recovery code on another machine.
	other := c.browser()
	other.get("/sign-in/recovery").want(t, 200, "Recovery code")
	other.post("/sign-in/recovery", url.Values{"email": {"camille@example.test"}, "code": {"0000-0000-0000-0000"}}).want(t, 422, "do not work together", `value="camille@example.test"`)
	other.post("/sign-in/recovery", url.Values{"email": {"camille@example.test"}, "code": {codes[3]}}).want(t, 303, "/enrol")
	other.get("/enrol").want(t, 200, "recovery code was accepted")
	second := directorytest.New(t, c.origin, host)
	_, begun = other.json("/enrol/begin", nil)
	r, _ = other.json("/enrol/finish", map[string]any{"ceremony": begun["ceremony"], "name": "", "credential": json.RawMessage(second.Register(t, begun["options"]))})
	r.want(t, 200)
	r = b.get("/account")
	r.want(t, 200, "recovery codes was used", "A passkey was added", "9 codes", "Firefox, Linux")
	// The first browser ends the other's session.
	id := regexp.MustCompile(`action="/account/sessions/end"><input type="hidden" name="id" value="([^"]+)"`).FindStringSubmatch(r.body)
	if id == nil {
		t.Fatalf("no other session in %s", r.body)
	}
	other.get("/").want(t, 200)
	b.post("/account/sessions/end", url.Values{"id": {id[1]}}).want(t, 303, "/account?done=session_ended")
	b.get("/account?done=session_ended").want(t, 200, "The session has ended")
	other.get("/").want(t, 303, "/sign-in")
	other.get("/sign-in").want(t, 200, "You are signed out")
	b.get("/account?done=<script>").want(t, 200)
	upTo := regexp.MustCompile(`name="up_to" value="([^"]+)"`).FindStringSubmatch(r.body)
	b.post("/account/notices/dismiss", url.Values{"up_to": {strings.ReplaceAll(upTo[1], "&#43;", "+")}}).want(t, 303, "/account")
	if r := b.get("/account"); strings.Contains(r.body, "recovery codes was used") {
		t.Error("the notices stay")
	}
}

func TestLinkPages(t *testing.T) {
	c := start(t)
	b := c.browser()
	link := c.link(directory.SignIn)
	forged := b.post("/link/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", nil)
	forged.want(t, 403, "This link was used already, is too old, or was never made.")
	b.post(link, nil).want(t, 303)
	used := c.browser().post(link, nil)
	expired := c.link(directory.SignIn)
	c.clock.pass(16 * time.Minute)
	late := c.browser().post(expired, nil)
	// What a stranger learns of the three is the same, to the letter.
	for name, r := range map[string]reply{"used": used, "expired": late} {
		if r.body != forged.body || r.status != forged.status {
			t.Errorf("%s is told apart from forged: %d %s", name, r.status, r.body)
		}
	}
	for i := range 25 {
		r := c.browser().post("/link/x", nil)
		if i == 24 {
			r.want(t, 429, "too many attempts")
			if r.header.Get("Retry-After") == "" {
				t.Error("does not say when to come back")
			}
		}
	}
	// A page that lists links or a log of addresses gives nothing to another site.
	if got := b.get(link).header.Get("Referrer-Policy"); got != "same-origin" {
		t.Errorf("Referrer-Policy %q", got)
	}
}

// Requests of another site change nothing, whatever they send.
func TestCrossOriginIsRefused(t *testing.T) {
	c := start(t)
	b := c.browser()
	key := b.enrol(directory.SignIn)
	link := c.link(directory.Recover)
	crosses := map[string]func(*http.Request){
		"fetch metadata": func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Set("Origin", "https://evil.test")
		},
		"sibling": func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "same-site")
			r.Header.Set("Origin", "http://portal.localhost")
		},
		"origin only": func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://evil.test") },
		"null origin": func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") },
	}
	for name, cross := range crosses {
		for _, path := range []string{link, "/sign-out", "/account/codes", "/account/sessions/end-others", "/account/tokens", "/account/passkeys/delete", "/sign-in/recovery", "/enrol/begin", "/sign-in/passkey/begin"} {
			r := b.post(path, nil, cross)
			if r.status != 403 || !strings.Contains(r.body, "another site") {
				t.Errorf("%s: POST %s answers %d", name, path, r.status)
			}
		}
	}
	b.get("/").want(t, 200)
	c.browser().post(link, nil).want(t, 303, "/enrol") // not used up by any of them
	// A form cannot pretend to be the script.
	_, begun := c.browser().json("/sign-in/passkey/begin", nil)
	body, _ := json.Marshal(map[string]any{"ceremony": begun["ceremony"], "credential": json.RawMessage(key.Login(t, begun["options"]))})
	r := c.browser().do("POST", "/sign-in/passkey/finish", "text/plain", body)
	r.want(t, 422)
	// Another name for the same address reaches nothing.
	r = b.do("GET", "/account", "", nil, func(r *http.Request) { r.Host = "evil.test" })
	r.want(t, 421)
}

func TestOpenRedirect(t *testing.T) {
	c := start(t)
	b := c.browser()
	key := b.enrol(directory.SignIn)
	for _, next := range []string{"https://evil.test/", "//evil.test", "/\\evil.test", "\\\\evil.test", "javascript:alert(1)", "evil.test", "/\tevil", "/\r\nSet-Cookie: x=y", "", "http:evil.test"} {
		r, done := c.browser().login(key, next)
		r.want(t, 200)
		if done["next"] != "/" {
			t.Errorf("next=%q leads to %v", next, done["next"])
		}
		page := b.get("/sign-in?next=" + url.QueryEscape(next))
		if page.status != 303 || page.location != "/" {
			t.Errorf("signed in, next=%q leads to %q", next, page.location)
		}
		page = c.browser().get("/sign-in?next=" + url.QueryEscape(next))
		if !strings.Contains(page.body, `data-next=""`) {
			t.Errorf("the page keeps next=%q", next)
		}
	}
	c.browser().get("/checks/a%20b?x=1").want(t, 303, "/sign-in?next="+url.QueryEscape("/checks/a%20b?x=1"))
	c.browser().get("/sign-in?next=/checks/x").want(t, 200, `data-next="/checks/x"`)
}

func TestPasskeyErrorsInThePagesLanguage(t *testing.T) {
	c := start(t)
	b := c.browser()
	key := b.enrol(directory.SignIn)
	lie := *key
	lie.NotVerified = true
	r, problem := c.browser().login(&lie, "")
	r.want(t, 403)
	if problem["title"] != "This passkey was not accepted." || problem["code"] != "directory.passkey" {
		t.Errorf("problem %v", problem)
	}
	french := c.browser()
	french.header.Set("Accept-Language", "fr-BE")
	r, problem = french.login(&lie, "")
	r.want(t, 403)
	if problem["title"] != "Cette clé d’accès n’a pas été acceptée." {
		t.Errorf("problem %v", problem)
	}
	if french.cookie() != "" {
		t.Error("a cookie was set")
	}
	for _, body := range []string{"", "{", "[]", `{"ceremony":1}`, "null", `{"ceremony":"x","credential":{}}`, strings.Repeat("x", 70<<10)} {
		r := b.do("POST", "/sign-in/passkey/finish", "application/json", []byte(body), func(r *http.Request) { r.Header.Set("Accept", "application/json") })
		if r.status < 400 || r.status >= 500 {
			t.Errorf("%.20q answers %d", body, r.status)
		}
	}
}

func TestAccount(t *testing.T) {
	c := start(t)
	b := c.browser()
	key := b.enrol(directory.SignIn)
	b.post("/account/codes", nil).want(t, 200)
	b.post("/account/tokens", url.Values{"name": {"CI"}, "days": {"30"}}).want(t, 422, "at least one permission", `value="CI"`)
	b.post("/account/tokens", url.Values{"name": {""}, "days": {"30"}, "scope": {"checks:read"}}).want(t, 422, "1 to 80 letters")
	b.post("/account/tokens", url.Values{"name": {"CI"}, "days": {"9999"}, "scope": {"checks:read"}}).want(t, 422, "a day to a year")
	b.post("/account/tokens", url.Values{"name": {"CI"}, "days": {"30"}, "scope": {"account:own"}}).want(t, 422, "more than you can")
	b.post("/account/tokens", url.Values{"name": {"App"}, "days": {"30"}, "scope": {"tenancy:mint"}, "jobs": {"a"}}).want(t, 422, "bound to databases", `value="App"`, `name="jobs"`)
	b.post("/account/tokens", url.Values{"name": {"App"}, "days": {"30"}, "scope": {"tenancy:mint"}, "databases": {"shop, other"}, "logins": {"yes"}, "jobs": {"nightly invoices"}}).want(t, 200, "shown only once")
	bound := b.get("/account")
	bound.want(t, 200, "Only for other, shop · in exchange for logins · for the service jobs invoices, nightly")
	app := regexp.MustCompile(`action="/account/tokens/revoke"><input type="hidden" name="id" value="([^"]+)"`).FindStringSubmatch(bound.body)
	b.post("/account/tokens/revoke", url.Values{"id": {app[1]}}).want(t, 303, "token_revoked")
	r := b.post("/account/tokens", url.Values{"name": {`CI <b>"x"`}, "days": {"30"}, "scope": {"checks:read"}})
	r.want(t, 200, "shown only once")
	token := regexp.MustCompile(`garant_[A-Za-z0-9_-]{43}`).FindString(r.body)
	if token == "" {
		t.Fatal("no token shown")
	}
	program := c.browser()
	program.header.Set("Authorization", "Bearer "+token)
	program.get("/").want(t, 200, "Desk of Camille")
	program.get("/account").want(t, 403)
	program.post("/account/codes", nil).want(t, 403)
	program.header.Set("Authorization", "Bearer garant_forged")
	program.get("/").want(t, 403, "unknown, expired or revoked")
	r = b.get("/account")
	r.want(t, 200, "CI &lt;b&gt;&#34;x&#34;", "read checks and their evidence", "An API token was made")
	id := regexp.MustCompile(`action="/account/tokens/revoke"><input type="hidden" name="id" value="([^"]+)"`).FindStringSubmatch(r.body)
	b.post("/account/tokens/revoke", url.Values{"id": {id[1]}}).want(t, 303, "token_revoked")
	program.header.Set("Authorization", "Bearer "+token)
	program.get("/").want(t, 403)
	b.post("/account/tokens/revoke", url.Values{"id": {"x"}}).want(t, 422)
	b.post("/account/sessions/end", url.Values{"id": {uuid.NewString()}}).want(t, 404)

	// After ten minutes what outlives the session needs the passkey once more.
	c.clock.pass(11 * time.Minute)
	b.get("/account").want(t, 200, `data-fresh="ask"`)
	b.post("/account/codes", nil).want(t, 403, "needs your passkey once more")
	r, problem := b.json("/enrol/begin", nil)
	r.want(t, 403)
	if problem["code"] != "directory.verify_again" {
		t.Errorf("problem %v", problem)
	}
	old := b.cookie()
	r, done := b.login(key, "/account")
	r.want(t, 200)
	if done["changed"] != false {
		t.Error("the same person is taken for another")
	}
	b.post("/account/codes", nil).want(t, 200)
	thief := c.browser()
	thief.header.Set("Cookie", "garant="+old)
	thief.get("/account").want(t, 303, "/sign-in")

	// Somebody else answers the question for the passkey: they are themselves, and the page says so.
	ctx := context.Background()
	p, err := c.dir.AddPerson(ctx, cli, "paul@example.test", "Paul", actor.Reader, c.clock.now())
	if err != nil {
		t.Fatal(err)
	}
	link, err := c.dir.CreateLink(ctx, cli, p.ID, directory.SignIn, c.clock.now())
	if err != nil {
		t.Fatal(err)
	}
	paul := c.browser()
	paul.post("/link/"+link.Token, nil).want(t, 303)
	pk := directorytest.New(t, c.origin, host)
	_, begun := paul.json("/enrol/begin", nil)
	paul.json("/enrol/finish", map[string]any{"ceremony": begun["ceremony"], "name": "P", "credential": json.RawMessage(pk.Register(t, begun["options"]))})
	_, done = b.login(pk, "/account")
	if done["changed"] != true {
		t.Error("a change of person goes unnoticed")
	}
	b.get("/").want(t, 200, "Desk of Paul")
}

// Every error that the packages can show has words in both languages.
func TestEveryErrorHasWords(t *testing.T) {
	messages, err := ui.NewMessages(signin.Messages())
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	// Mistakes of the wiring and failures that are logged have no words of their own.
	internal := []string{"directory.policy", "directory.site", "directory.state", "directory.purpose", "signin.config"}
	pattern := regexp.MustCompile(`errs\.New\(errs\.\w+, "((?:directory|signin)\.[a-z_]+)"`)
	for _, dir := range []string{"../../directory", "."} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range pattern.FindAllStringSubmatch(string(b), -1) {
				found++
				if !messages.Has(m[1]) && !slices.Contains(internal, m[1]) {
					t.Errorf("%s has no words", m[1])
				}
			}
		}
	}
	if found < 30 {
		t.Fatalf("only %d errors seen", found)
	}
	for _, role := range actor.Roles() {
		if !messages.Has("ui.role." + string(role)) {
			t.Errorf("the role %s has no words", role)
		}
		for _, p := range role.Permissions() {
			if p != actor.OwnAccount && !messages.Has("signin.scope."+strings.ReplaceAll(string(p), ":", "_")) {
				t.Errorf("the permission %s has no words", p)
			}
		}
	}
}
