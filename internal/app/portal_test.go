package app

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/annex"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/trees"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/engine/tenancy"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/tenant"
)

// counter is a Garant with two customers whose activity is recorded, on the handlers that a server has.
type counter struct {
	t       *testing.T
	g       *Garant
	super   *pgx.Conn
	key     tenant.Key
	a, b    uuid.UUID
	portal  http.Handler
	console http.Handler
	annex   http.Handler
}

func newCounter(t *testing.T) *counter {
	t.Helper()
	ctx := context.Background()
	c := &counter{t: t, key: tenant.Key{ID: 9, Secret: [32]byte{7}}}
	name := pgtest.NewName(t)
	c.super = pgtest.Superuser(t, name)
	c.must(tenancy.GuardOwn(ctx, c.super, ""))
	c.key.Audience = tenant.Audience(uuid.New())
	c.must(token.InstallKey(ctx, c.super, c.key, nil))
	db, err := pg.Open(ctx, func(r pg.Role) string { return pgtest.DSN(string(r), name) }, pg.ServingRoles()...)
	c.must(err)
	t.Cleanup(db.Close)
	provider, err := crypt.OpenKeyfile(ctx, db.Pool(pg.Staff), filepath.Join(t.TempDir(), "key"))
	c.must(err)
	box, err := crypt.NewBox(ctx, db.Pool(pg.Staff), provider)
	c.must(err)
	pen, err := audit.NewPen(box, time.Now)
	c.must(err)
	pen.Use(db)
	c.g = &Garant{Options: Options{DataDir: t.TempDir(), Build: "test", Log: slog.New(slog.DiscardHandler), Now: time.Now}, Store: &Store{DB: db, Box: box, Pen: pen}, Server: estate.DefaultServer()}
	c.must(c.g.wire())
	_, err = estate.Apply(ctx, db.Pool(pg.Staff), actor.NewSystem("cli:root"), []byte("company: {name: Ardoise Mécénat, country: BE, languages: [fr, en], time_zone: Europe/Brussels, contact: dpo@ardoise.example}\n"), withManifest(t))
	c.must(err)
	c.a, c.b = c.customer("1"), c.customer("2")
	sites, err := c.g.sites(web.NewMetrics(), annex.NewReader(db.Pool(pg.Public), time.Now, c.g.Log))
	c.must(err)
	c.console, c.annex, c.portal = sites[0].handler, sites[1].handler, sites[2].handler
	return c
}

func (c *counter) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// customer makes a customer of the database production known.
func (c *counter) customer(key string) (id uuid.UUID) {
	c.t.Helper()
	c.must(c.super.QueryRow(context.Background(), `INSERT INTO tenancy.customer (customer, database, tenant) VALUES (tenancy.customer_of('production', $1), 'production', $1) RETURNING customer`, key).Scan(&id))
	return id
}

// token is one of a customer, as Garant would mint it.
func (c *counter) token(of uuid.UUID, change func(*tenant.Claims, *tenant.Key)) (token string, session uuid.UUID) {
	c.t.Helper()
	session = uuid.New()
	claims, key := tenant.Claims{Tenant: tenant.UUID(of), Session: session, Kind: tenant.Login, Access: tenant.Read, Expires: time.Now().Add(10 * time.Minute)}, c.key
	if change != nil {
		change(&claims, &key)
	}
	t, err := key.Mint(claims)
	c.must(err)
	return t.Encode(), session
}

func (c *counter) write(events ...audit.Event) {
	c.t.Helper()
	c.must(pg.InTx(context.Background(), c.g.DB.Pool(pg.Staff), func(tx pgx.Tx) error { return audit.Write(context.Background(), tx, events...) }))
}

// browser is one with its cookies.
type browser struct {
	c       *counter
	cookies []*http.Cookie
}

func (b *browser) do(method, target string, form url.Values, headers ...string) *httptest.ResponseRecorder {
	b.c.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(form.Encode()))
	r.Host = "portal.localhost:8486"
	r.Header.Set("Accept-Language", "en")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	for _, cookie := range b.cookies {
		r.AddCookie(cookie)
	}
	w := httptest.NewRecorder()
	func() {
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // a sentinel that is thrown, not returned
				panic(p)
			}
		}()
		b.c.portal.ServeHTTP(w, r)
	}()
	for _, set := range w.Result().Cookies() {
		b.cookies = slices.DeleteFunc(b.cookies, func(o *http.Cookie) bool { return o.Name == set.Name })
		if set.MaxAge >= 0 {
			b.cookies = append(b.cookies, set)
		}
	}
	if strings.Contains(w.Body.String(), "⟦") {
		b.c.t.Errorf("%s: a word is missing: %s", target, w.Body.String()[strings.Index(w.Body.String(), "⟦"):][:60])
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		b.c.t.Errorf("%s may be kept: %q", target, w.Header().Get("Cache-Control"))
	}
	return w
}

// enter comes in as the page of an application sends somebody.
func (c *counter) enter(token string) (*browser, *httptest.ResponseRecorder) {
	c.t.Helper()
	b := &browser{c: c}
	return b, b.do("POST", "/enter", url.Values{"token": {token}, "back": {"https://app.ardoise.example/home"}}, "Sec-Fetch-Site", "cross-site", "Origin", "https://app.ardoise.example")
}

// sees is the page, which is there.
func (b *browser) sees(target string) string {
	b.c.t.Helper()
	w := b.do("GET", target, nil)
	if w.Code != http.StatusOK {
		b.c.t.Fatalf("%s: %d %.500s", target, w.Code, w.Body)
	}
	return w.Body.String()
}

func text(s string) *string { return &s }

// fill records what happened at both customers, and at the company.
func (c *counter) fill() {
	user := func(id string) actor.Actor { return actor.Actor{Kind: actor.User, ID: id, Session: "s-" + id} }
	for customer, mark := range map[uuid.UUID]string{c.a: "ours", c.b: "theirs"} {
		for i := range 3 {
			c.write(audit.Event{By: user(mark + "-user"), Tenant: customer.String(), Action: "application.granted", On: audit.Object{Kind: "application", ID: mark + "-" + fmt.Sprint(i)}, Detail: map[string]any{"amount": i, "mark": mark}, Reason: "decided by " + mark})
		}
		c.write(audit.Event{By: user(mark + "-user"), Tenant: customer.String(), Action: "applicant.changed", On: audit.Object{Kind: "applicant", ID: mark + "-person"}, Subject: "applicant:" + mark,
			Changes: []audit.Change{{Field: "email", Before: text("before@" + mark + ".example"), After: text("after@" + mark + ".example")}}},
			audit.Event{By: actor.Actor{Kind: actor.Person, ID: uuid.NewString(), Name: "Nobody’s Name"}, Tenant: customer.String(), Action: "tenant_session.revoked", On: audit.Object{Kind: "session", ID: mark + "-session"}, Refused: true})
	}
	c.write(audit.Event{By: actor.NewSystem("scheduler"), Action: "estate.applied", On: audit.Object{Kind: "estate", ID: "company-only"}, Reason: "theirs of the company"})
}

// A customer reads its own log from its application, and nothing else, whatever it asks for.
func TestPortal(t *testing.T) {
	c := newCounter(t)
	c.fill()
	mine, _ := c.token(c.a, nil)
	b, in := c.enter(mine)
	if in.Code != http.StatusSeeOther || in.Header().Get("Location") != "/" {
		t.Fatalf("%d %s", in.Code, in.Body)
	}
	set := in.Header().Values("Set-Cookie")
	if len(set) < 1 || !strings.Contains(set[0], "HttpOnly") || !strings.Contains(set[0], "SameSite=Lax") || strings.Contains(set[0], "Domain") || !strings.Contains(set[0], "Max-Age=5") {
		t.Errorf("%q", set)
	}
	page := b.sees("/")
	for _, want := range []string{"customer 1", "production", "application.granted", "ours-user", "ours-0", "decided by ours", "Back to app.ardoise.example", "refused", "our staff", "personal data"} {
		if !strings.Contains(page, want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	if strings.Contains(page, "@ours.example") || strings.Contains(page, "Nobody’s Name") {
		t.Error("the list opens personal data, or names staff")
	}
	foreign := func(where, body string) {
		t.Helper()
		for _, never := range []string{"theirs", "company-only", c.b.String()} {
			if i := strings.Index(body, never); i >= 0 {
				t.Errorf("%s shows %q: …%s", where, never, body[max(0, i-80):min(len(body), i+80)])
			}
		}
	}
	foreign("/", page)

	// Whatever is asked for.
	for _, q := range []string{
		"?person=theirs-user", "?object=application:theirs-0", "?object=estate", "?action=estate.applied", "?action=applicant.changed", "?from=2000-01-01", "?until=2999-01-01", "?before=9000000000000000000", "?before=1", "?text=1",
		"?text=" + url.QueryEscape("' OR true --"), "?text=" + url.QueryEscape("%"), "?text=" + url.QueryEscape(`\`), "?person=" + url.QueryEscape("x' OR tenant IS NOT NULL OR 'a'='a"), "?action=" + url.QueryEscape("$1"),
	} {
		body := b.sees("/" + q)
		_, rows, _ := strings.Cut(body, "<tbody>")
		foreign("/"+q, rows)
	}
	for _, q := range []string{"?before=x", "?before=-1", "?from=yesterday", "?text=%00", "?text=%ff", "?until=2026-13-01"} {
		if w := b.do("GET", "/"+q, nil); w.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", q, w.Code)
		}
	}
	if n := strings.Count(b.sees("/?text=DECIDED"), "decided by ours"); n != 3 {
		t.Errorf("text finds %d", n)
	}
	if n := strings.Count(b.sees("/?object=application:ours-1"), "<tr>"); n != 2 {
		t.Errorf("the object has %d rows", n)
	}
	if body := b.sees("/object?kind=applicant&id=theirs-person"); strings.Contains(body, "@theirs") || !strings.Contains(body, "Nothing is recorded") {
		t.Error("the story of another’s object")
	}

	// The story opens what is sealed, and says so in the log first; what was erased stays erased.
	story := b.sees("/object?kind=applicant&id=ours-person")
	for _, want := range []string{"before@ours.example", "after@ours.example", "email", "is recorded in your log"} {
		if !strings.Contains(story, want) {
			t.Errorf("the story does not say %q", want)
		}
	}
	if !strings.Contains(b.sees("/"), "opened personal data of the activity log") {
		t.Error("reading personal data is not recorded")
	}
	c.must(pg.InTx(context.Background(), c.g.DB.Pool(pg.Staff), func(tx pgx.Tx) error {
		_, err := c.g.Box.Forget(context.Background(), tx, "applicant:ours")
		return err
	}))
	if story = b.sees("/object?kind=applicant&id=ours-person"); strings.Contains(story, "@ours.example") || !strings.Contains(story, "erased") {
		t.Error("erased data is shown, or not said to be erased")
	}
	for path, want := range map[string]string{"/sign-ins": "No sign-in", "/jobs": "No job", "/export": "Signed bundle"} {
		body := b.sees(path)
		foreign(path, body)
		if !strings.Contains(body, want) {
			t.Errorf("%s does not say %q", path, want)
		}
	}
	// Page by page it is the whole.
	for i := range 120 {
		c.write(audit.Event{By: actor.NewSystem("x"), Tenant: c.a.String(), Action: "thing.counted", On: audit.Object{Kind: "thing", ID: fmt.Sprintf("t-%03d", i)}})
	}
	seen := map[string]int{}
	for next := "/?action=thing.counted"; next != ""; {
		body := b.sees(next)
		for i := range 120 {
			seen[fmt.Sprintf("t-%03d", i)] += strings.Count(body, fmt.Sprintf(">thing t-%03d<", i))
		}
		next = ""
		if i := strings.Index(body, `rel="next"`); i >= 0 {
			from := strings.LastIndex(body[:i], `href="`) + 6
			next = strings.ReplaceAll(body[from:from+strings.IndexByte(body[from:], '"')], "&amp;", "&")
		}
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s is listed %d times", id, n)
		}
	}
	if w := b.do("POST", "/leave", url.Values{}); w.Code != http.StatusOK || b.do("GET", "/", nil).Code != http.StatusForbidden {
		t.Error("after leaving the log is open")
	}
}

// Nobody comes in with what is no token of a customer for Garant, that has expired, or whose session was ended.
func TestPortalRefuses(t *testing.T) {
	c := newCounter(t)
	c.fill()
	good, session := c.token(c.a, nil)
	late, _ := c.token(c.a, func(x *tenant.Claims, _ *tenant.Key) { x.Expires = time.Now().Add(-time.Second) })
	elsewhere, _ := c.token(c.a, func(_ *tenant.Claims, k *tenant.Key) { k.Audience = tenant.Audience(uuid.New()) })
	forged, _ := c.token(c.b, func(_ *tenant.Claims, k *tenant.Key) { k.Secret = [32]byte{8} })
	stranger, _ := c.token(uuid.New(), nil) // a customer that nobody knows
	for name, sent := range map[string]string{"nothing": "", "rubbish": "x' OR true --", "expired": late, "of another database": elsewhere, "forged": forged} {
		b, w := c.enter(sent)
		if w.Code != http.StatusForbidden || len(b.cookies) != 0 {
			t.Errorf("%s: %d, %v", name, w.Code, b.cookies)
		}
		b.cookies = []*http.Cookie{{Name: "garant-portal", Value: sent}}
		for _, path := range []string{"/", "/object?kind=applicant&id=ours-person", "/sign-ins", "/jobs", "/export"} {
			if w := b.do("GET", path, nil); w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), "decided by") || strings.Contains(w.Body.String(), "@ours") {
				t.Errorf("%s: %s answers %d", name, path, w.Code)
			}
			b.cookies = []*http.Cookie{{Name: "garant-portal", Value: sent}}
		}
		for _, path := range []string{"", "/export?format=csv", "/log/1/tile/0/000.p/1"} {
			if w := c.call(path, sent); w.Code != http.StatusForbidden {
				t.Errorf("%s: GET /api/v1/tenant/audit%s answers %d %.200s", name, path, w.Code, w.Body)
			}
		}
	}
	if _, w := c.enter(stranger); w.Code == http.StatusSeeOther {
		t.Error("a customer whom nobody knows came in")
	}
	// In an address a token is no token, and other sites may send nothing but the form of /enter.
	b := &browser{c: c}
	if w := b.do("POST", "/enter?token="+good, url.Values{}, "Sec-Fetch-Site", "cross-site"); w.Code != http.StatusForbidden || len(b.cookies) != 0 {
		t.Errorf("a token in the address: %d", w.Code)
	}
	b, _ = c.enter(good)
	for _, path := range []string{"/export", "/leave"} {
		if w := b.do("POST", path, url.Values{"format": {"csv"}}, "Sec-Fetch-Site", "cross-site"); w.Code != http.StatusForbidden {
			t.Errorf("%s from another site: %d", path, w.Code)
		}
	}
	b.sees("/")
	for _, back := range []string{"javascript:alert(1)", "http://evil.example/", "//evil.example", "https://user@evil.example/", "https:evil", "data:text/html,x"} {
		o := &browser{c: c}
		o.do("POST", "/enter", url.Values{"token": {good}, "back": {back}}, "Sec-Fetch-Site", "cross-site")
		if strings.Contains(o.sees("/"), "Back to") {
			t.Errorf("a way back to %q", back)
		}
	}
	// The session is ended: the next request is refused.
	c.must(token.Revoke(context.Background(), c.super, session, time.Now().Add(time.Hour)))
	if w := b.do("GET", "/", nil); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "session was ended") || len(b.cookies) != 1 {
		t.Errorf("an ended session: %d %v %.300s", w.Code, b.cookies, w.Body)
	}
	if w := c.call("", good); w.Code != http.StatusForbidden {
		t.Errorf("an ended session at the API: %d", w.Code)
	}
}

// call asks the API as a program of a customer.
func (c *counter) call(path, token string) *httptest.ResponseRecorder {
	c.t.Helper()
	r := httptest.NewRequest("GET", "/api/v1/tenant/audit"+path, nil)
	r.Host = "admin.localhost:8480"
	if token != "" {
		r.Header.Set(tenancy.PortalHeader, token)
	}
	w := httptest.NewRecorder()
	c.console.ServeHTTP(w, r)
	return w
}

// What a customer takes away is its own, whole, in each format, recorded; and a bundle holds without us.
func TestPortalExports(t *testing.T) {
	ctx := context.Background()
	c := newCounter(t)
	c.fill()
	mine, _ := c.token(c.a, nil)
	b, _ := c.enter(mine)
	c.must(c.g.Sequencer().Drain(ctx))
	ask := func(form url.Values) string {
		t.Helper()
		w := b.do("POST", "/export", form)
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Disposition"), "attachment") {
			t.Fatalf("%v: %d %.500s", form, w.Code, w.Body)
		}
		if body := w.Body.String(); strings.Contains(body, "theirs") || strings.Contains(body, "company-only") || strings.Contains(body, c.b.String()) {
			t.Errorf("%v holds what is another’s", form)
		}
		return w.Body.String()
	}
	rows, err := csv.NewReader(strings.NewReader(ask(url.Values{"format": {"csv"}}))).ReadAll()
	if err != nil || len(rows) != 6 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	for i, row := range rows[1:] {
		if tree := row[slices.Index(rows[0], "tree")]; tree != trees.TenantTree(c.a.String()) || row[slices.Index(rows[0], "index")] != fmt.Sprint(i) {
			t.Errorf("row %d is said to be in %q", i, tree)
		}
	}
	without := ask(url.Values{"format": {"jsonl"}})
	with := ask(url.Values{"format": {"jsonl"}, "values": {"1"}, "action": {"applicant.changed"}})
	if strings.Contains(without, "@ours.example") || strings.Count(with, "\n") != 1 || !strings.Contains(with, "before@ours.example") {
		t.Errorf("%s\n%s", without, with)
	}
	for _, format := range []string{"jsonl", "ocsf"} {
		for line := range strings.Lines(ask(url.Values{"format": {format}})) {
			if !json.Valid([]byte(line)) {
				t.Errorf("%s: %s", format, line)
			}
		}
	}
	if w := b.do("POST", "/export", url.Values{"format": {"xml"}}); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("%d", w.Code)
	}
	if n := strings.Count(b.sees("/?action=trail.exported"), "<tr>") - 1; n != 5 {
		t.Errorf("%d exports are recorded", n)
	}

	// The bundle, verified with the log's key alone.
	c.must(c.g.Sequencer().Drain(ctx))
	generations, err := trees.Generations(ctx, c.g.DB.Pool(pg.Public))
	if err != nil || len(generations) != 1 {
		t.Fatalf("%v %v", generations, err)
	}
	pins := merkle.Pins{Logs: []string{generations[0].Key}, Tree: trees.TenantTree(c.a.String())}
	for name, form := range map[string]url.Values{"whole": {}, "with values": {"values": {"1"}}, "one object": {"object": {"application:ours-1"}}, "days": {"from": {"2020-01-01"}}} {
		form.Set("format", "bundle")
		file := ask(form)
		r, err := merkle.VerifyBundle(strings.NewReader(file), pins)
		if err != nil || !r.Verified() {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if name == "one object" && r.Entries != 1 || name == "whole" && r.Entries != 10 || (name == "with values") != strings.Contains(file, "before@ours.example") {
			t.Errorf("%s: %d entries", name, r.Entries)
		}
		if changed := strings.Replace(file, "ours-1", "ours-9", 1); changed != file {
			if r, err := merkle.VerifyBundle(strings.NewReader(changed), pins); err == nil && r.Verified() {
				t.Errorf("%s: what was changed in it is not found out", name)
			}
		}
		pins := merkle.Pins{Logs: pins.Logs, Tree: trees.TenantTree(c.b.String())}
		if r, err := merkle.VerifyBundle(strings.NewReader(file), pins); err == nil && r.Verified() {
			t.Errorf("%s: it passes for that of another customer", name)
		}
	}

	// The same by the API.
	var got struct {
		Entries []struct{ Action, Tenant string }
		Next    string
	}
	many := 0
	for next := ""; ; {
		w := c.call("?limit=4&before="+next, mine)
		got.Entries, got.Next = nil, ""
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		for _, e := range got.Entries {
			if many++; e.Tenant != c.a.String() {
				t.Errorf("%+v", e)
			}
		}
		if next = got.Next; next == "" {
			break
		}
	}
	if want := strings.Count(ask(url.Values{"format": {"jsonl"}}), "\n"); many != want {
		t.Errorf("%d of %d entries", many, want)
	}
	if w := c.call("/export?format=bundle", mine); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	} else if r, err := merkle.VerifyBundle(bytes.NewReader(w.Body.Bytes()), pins); err != nil || !r.Verified() {
		t.Errorf("%v", err)
	}
	for path, code := range map[string]int{"/export?format=xml": 422, "/export?format=csv&values=maybe": 422, "?from=x": 422, "/log/0/tile/0/000.p/1": 404, "/log/2/tile/0/000.p/1": 404, "/log/1/tile/0/001": 404, "/log/1/../../../tenant/mintings": 404, "/log/1/tile/0/000.p/5": 200, "/log/1/tile/entries/000.p/5": 200} {
		if w := c.call(path, mine); w.Code != code && w.Code != http.StatusTemporaryRedirect && w.Code != http.StatusMovedPermanently {
			t.Errorf("%s: %d %.200s", path, w.Code, w.Body)
		}
	}
	if w := c.call("/log/1/tile/entries/000.p/5", mine); !bytes.Contains(w.Body.Bytes(), []byte("ours")) || bytes.Contains(w.Body.Bytes(), []byte("theirs")) {
		t.Error("the leaves are not those of the customer")
	}

	// What somebody changed in the database is not handed out as what the log holds.
	pgtest.Exec(t, pgtest.Superuser(t, c.g.DB.Pool(pg.Staff).Config().ConnConfig.Database), `UPDATE audit.entry SET reason = 'never said' WHERE object_id = 'ours-1'`)
	for _, format := range []string{"csv", "jsonl", "ocsf", "bundle"} {
		if w := c.call("/export?format="+format, mine); w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "never said") {
			t.Errorf("%s of what was changed: %d %.300s", format, w.Code, w.Body)
		}
	}
	if w := c.call("?limit=200", mine); w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "never said") {
		t.Errorf("a list of what was changed: %d %.300s", w.Code, w.Body)
	}
	for _, path := range []string{"/", "/object?kind=application&id=ours-1"} {
		if w := b.do("GET", path, nil); w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "never said") {
			t.Errorf("%s with what was changed: %d", path, w.Code)
		}
	}

	// The root log is for everybody.
	public := func(path string) (int, string) {
		r := httptest.NewRequest("GET", path, nil)
		r.Host = "trust.localhost:8481"
		w := httptest.NewRecorder()
		c.annex.ServeHTTP(w, r)
		body, _ := io.ReadAll(w.Body)
		return w.Code, string(body)
	}
	code, checkpoint := public("/log/checkpoint")
	if code != http.StatusOK || !strings.HasPrefix(checkpoint, c.g.LogOrigin()+"\n") {
		t.Errorf("%d %s", code, checkpoint)
	}
	if code, _ := public("/log/tile/0/000.p/1"); code != http.StatusOK {
		t.Errorf("a tile of the root log: %d", code)
	}
	for _, path := range []string{"/log/1/checkpoint", "/log/2/checkpoint", "/log/x/checkpoint", "/log/tile/0/xyz", "/log/tile/../../m/ENC-1", "/log/" + url.PathEscape(trees.TenantTree(c.a.String())) + "/tile/0/000.p/1"} {
		if code, _ := public(path); code == http.StatusOK {
			t.Errorf("%s is there", path)
		}
	}
}
