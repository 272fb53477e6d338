package app

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/annex"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/directory/directorytest"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/web"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const declared = `company: {name: Ardoise Mécénat, country: BE, languages: [fr, en], time_zone: Europe/Brussels, contact: dpo@ardoise.example}
endpoints:
  - {name: application, url: "https://app.ardoise.example", environment: production, audience: public}
` + guarded

// guarded is a database under guard, as an estate declares it, and its manifest.
const (
	guarded = `databases:
  - name: production
    url: env:GARANT_TEST_READER
    database: ardoise
    system: "7412345678901234567"
    environment: production
    customer_data: true
    tenancy: {keeper: "env:GARANT_TEST_KEEPER", design: pinned, key: {type: uuid}, manifest: "file:isolation.yaml", application: "env:GARANT_TEST_APP"}
`
	isolated = `isolation: 1
database: ardoise
design: pinned
key: {table: customer.organisation, column: id, type: uuid}
app: [app]
around: []
tables:
  customer.organisation: {class: tenant, column: id, grants: [SELECT], reason: one row for each customer}
  customer.member: {class: tenant, column: organisation_id, grants: [SELECT], reason: organisation_id refers to customer.organisation}
`
)

// withManifest is a directory that holds what a declared estate names.
func withManifest(t *testing.T) estate.FileReader {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "isolation.yaml"), []byte(isolated), 0o600); err != nil {
		t.Fatal(err)
	}
	return estate.Dir(dir)
}

// seats is the console as it is served, with somebody of each role signed in.
type seats struct {
	t    *testing.T
	g    *Garant
	dir  *directory.Directory
	site *web.Site
	now  time.Time
}

func serve(t *testing.T) *seats {
	t.Helper()
	ctx := context.Background()
	s := &seats{t: t, now: time.Now().UTC()}
	db := pgtest.New(t)
	provider, err := crypt.OpenKeyfile(ctx, db.Pool(pg.Staff), filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	box, err := crypt.NewBox(ctx, db.Pool(pg.Staff), provider)
	if err != nil {
		t.Fatal(err)
	}
	s.g = &Garant{Options: Options{DataDir: t.TempDir(), Build: "test", Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return s.now }},
		Store: &Store{DB: db, Box: box}, Server: estate.DefaultServer()}
	if err := s.g.wire(); err != nil {
		t.Fatal(err)
	}
	if _, err := estate.Apply(ctx, db.Pool(pg.Staff), actor.NewSystem("cli:root"), []byte(declared), withManifest(t)); err != nil {
		t.Fatal(err)
	}
	console, err := s.g.consoleSite(web.NewMetrics(), annex.NewReader(db.Pool(pg.Public), s.g.Now, s.g.Log))
	if err != nil {
		t.Fatal(err)
	}
	s.site = console.handler.(*web.Site) //nolint:forcetypeassert // made by web.NewSite
	if s.dir, err = s.g.Directory(s.g.Server.Hosts.Console, s.g.ConsoleOrigin()); err != nil {
		t.Fatal(err)
	}
	return s
}

// signIn adds somebody of a role and signs them in as people do; it returns the session's token.
func (s *seats) signIn(role actor.Role) (person directory.Person, token string) {
	s.t.Helper()
	ctx, by := context.Background(), actor.NewSystem("cli:root")
	visit := directory.Visit{Origin: "192.0.2.7"}
	var err error
	if role == actor.Auditor {
		person, err = s.dir.AddAuditor(ctx, by, "auditor@cabinet.example", "Auditrice (exemple)", s.now.AddDate(0, 1, 0), s.now)
	} else {
		person, err = s.dir.AddPerson(ctx, by, string(role)+"@ardoise.example", "Zoé "+string(role)+" (exemple)", role, s.now)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	link, err := s.dir.CreateLink(ctx, by, person.ID, directory.SignIn, s.now)
	if err != nil {
		s.t.Fatal(err)
	}
	opened, err := s.dir.RedeemLink(ctx, visit, link.Token, s.now)
	if err != nil {
		s.t.Fatal(err)
	}
	who, err := s.dir.Authenticate(ctx, opened.Token, visit.Origin, s.now)
	if err != nil {
		s.t.Fatal(err)
	}
	ceremony, err := s.dir.BeginRegistration(ctx, who.Actor, s.now)
	if err != nil {
		s.t.Fatal(err)
	}
	key := directorytest.New(s.t, s.g.ConsoleOrigin(), s.g.Server.Hosts.Console)
	whole, err := s.dir.FinishRegistration(ctx, who.Actor, ceremony.ID, key.Register(s.t, ceremony.Options), "Portable", s.now)
	if err != nil {
		s.t.Fatal(err)
	}
	return person, whole.Token
}

func (s *seats) ask(method, target, token string) (int, string) {
	s.t.Helper()
	var body io.Reader
	if method != http.MethodGet {
		body = strings.NewReader("")
	}
	r := httptest.NewRequest(method, target, body)
	r.Host = s.g.Server.Hosts.Console
	r.AddCookie(&http.Cookie{Name: "garant", Value: token})
	r.Header.Set("Accept-Language", "en")
	if method != http.MethodGet {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	w := httptest.NewRecorder()
	s.site.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// addresses are the site's, with something in the place of what varies: things that are there
// for those that the test made, else an id of nothing.
func (s *seats) addresses(of func(method string) bool) (out []address) {
	for _, r := range s.site.Routes() {
		method, path, ok := strings.Cut(r.Pattern, " ")
		if !ok {
			method, path = http.MethodGet, r.Pattern // the interface for programs, below
		}
		if !of(method) {
			continue
		}
		for wild, real := range map[string]string{
			"/checks/{id}": "/checks/endpoint.tls", "/estate/{version}": "/estate/1", "/registers/{key}": "/registers/sites", "/annex/{id}": "/annex/ENC-1", "/measures/{id}": "/measures/ENC-1",
			"/isolation/{database}": "/isolation/production",
		} {
			path = strings.Replace(path, wild, real, 1)
		}
		parts := strings.Split(strings.TrimSuffix(path, "{$}"), "/")
		for i, part := range parts {
			if strings.HasPrefix(part, "{") {
				parts[i] = "01a21a2b-0325-79b8-9f85-8940067caad4"
			}
		}
		out = append(out, address{Route: r, method: method, path: strings.Join(parts, "/")})
	}
	return out
}

type address struct {
	web.Route
	method, path string
}

// ofOwn are the permissions on one's own account, which everybody has.
func ofOwn() []actor.Permission {
	return []actor.Permission{web.Public, actor.OwnAccount, directory.EnrolPasskey}
}

// posts lists where the forms of a page post to.
func posts(t *testing.T, page string) (out []string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range doc.Descendants() {
		at := map[string]string{}
		for _, a := range n.Attr {
			at[a.Key] = a.Val
		}
		if n.Data == "form" && strings.EqualFold(at["method"], "post") {
			out = append(out, at["action"])
		}
		if to := at["hx-post"]; to != "" {
			out = append(out, to)
		}
	}
	return out
}

// An auditor reads everything and changes nothing: every page that their permissions open works
// and has no form but those of their samples and their own account, and everything that is sent
// in anywhere else is refused, and recorded.
func TestAuditorChangesNothing(t *testing.T) {
	s := serve(t)
	person, token := s.signIn(actor.Auditor)
	s.signIn(actor.Lead)
	permissions := actor.Auditor.Permissions()
	pages := 0
	for _, a := range s.addresses(func(method string) bool { return method == http.MethodGet }) {
		if a.path == "/enrol" || strings.HasPrefix(a.path, "/sign-in") || strings.HasPrefix(a.path, "/link") || strings.HasPrefix(a.path, "/static") || strings.HasPrefix(a.path, web.APIPath) {
			continue
		}
		code, body := s.ask(http.MethodGet, a.path, token)
		may := slices.Contains(ofOwn(), a.Permission) || slices.Contains(permissions, a.Permission)
		switch {
		case may && code == http.StatusNotFound && strings.Contains(a.Pattern, "{") && !strings.HasSuffix(a.Pattern, "{$}"):
			continue // of nothing that is there
		case may && code == http.StatusUnprocessableEntity && a.path == "/record/object":
			continue // of no object
		case may && code != http.StatusOK && code != http.StatusSeeOther:
			t.Errorf("%s for an auditor: %d\n%.400s", a.Pattern, code, body)
		case !may && code != http.StatusForbidden:
			t.Errorf("%s needs %s, and answers an auditor %d", a.Pattern, a.Permission, code)
		}
		if strings.Contains(body, "Zoé") || strings.Contains(body, "lead@ardoise") {
			t.Errorf("%s tells an auditor who others are", a.Pattern)
		}
		for _, to := range posts(t, body) {
			if to != "/sign-out" && !strings.HasPrefix(to, "/account") && to != "/audit" && !strings.HasPrefix(to, "/audit/") && to != "/record/log/bundle" && !strings.HasPrefix(to, "/record/object") {
				t.Errorf("%s offers an auditor to post to %s", a.Pattern, to)
			}
		}
		pages++
	}
	if pages < 15 {
		t.Errorf("only %d pages were looked at", pages)
	}
	refused := 0
	for _, a := range s.addresses(func(method string) bool { return method != http.MethodGet }) {
		if slices.Contains(ofOwn(), a.Permission) {
			if !strings.HasPrefix(a.path, "/sign-") && !strings.HasPrefix(a.path, "/link/") && !strings.HasPrefix(a.path, "/enrol/") && !strings.HasPrefix(a.path, "/account/") {
				t.Errorf("%s changes something and anybody may: %s", a.Pattern, a.Permission)
			}
			continue
		}
		code, _ := s.ask(a.method, a.path, token)
		if a.path == "/record/object" || a.path == "/record/log/bundle" {
			continue // what they may read anyway: the first opens personal data for who may see it, the second hands out a bundle; both leave an entry
		}
		if a.Permission == actor.SampleRecords {
			if code == http.StatusForbidden {
				t.Errorf("%s refuses an auditor", a.Pattern)
			}
			continue
		}
		if code != http.StatusForbidden {
			t.Errorf("%s answers an auditor %d", a.Pattern, code)
		}
		refused++
	}
	if refused < 8 {
		t.Errorf("only %d changes were tried", refused)
	}
	entries, err := audit.List(context.Background(), s.g.DB.Pool(pg.Staff), audit.Filter{Action: "request.refused", ActorID: person.ID.String(), Limit: 200})
	if err != nil || len(entries) < refused {
		t.Errorf("%d refusals recorded of %d, %v", len(entries), refused, err)
	}

	// The seat ends: the next request is nobody's.
	if code, _ := s.ask(http.MethodGet, "/checks", token); code != http.StatusOK {
		t.Errorf("before the end: %d", code)
	}
	s.now = person.Until
	for _, path := range []string{"/", "/checks", "/audit", "/record"} {
		if code, body := s.ask(http.MethodGet, path, token); code != http.StatusSeeOther {
			t.Errorf("%s after the end: %d %.200s", path, code, body)
		}
	}
}

// The interface for programs asks each call for its permission: none that changes something lets
// an auditor in, and none is open.
func TestAuditorChangesNothingByProgram(t *testing.T) {
	s := serve(t)
	_, token := s.signIn(actor.Auditor)
	code, spec := s.ask(http.MethodGet, web.APIPath+"/openapi.json", token)
	if code != http.StatusOK {
		t.Fatal(code)
	}
	calls := changes(t, spec)
	if len(calls) == 0 {
		t.Fatal("no call changes anything: this test looks at nothing")
	}
	for _, c := range calls {
		if code, body := s.ask(c.method, web.APIPath+c.path, token); code != http.StatusForbidden {
			t.Errorf("%s %s answers an auditor %d %.200s", c.method, c.path, code, body)
		}
	}
}

type call struct{ method, path string }

// changes lists the calls of an OpenAPI document that change something.
func changes(t *testing.T, spec string) (out []call) {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]any
	}
	if err := json.Unmarshal([]byte(spec), &doc); err != nil {
		t.Fatal(err)
	}
	for path, methods := range doc.Paths {
		for method := range methods {
			if method = strings.ToUpper(method); method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch || method == http.MethodDelete {
				out = append(out, call{method, varying.ReplaceAllString(path, "01a21a2b-0325-79b8-9f85-8940067caad4")})
			}
		}
	}
	return out
}

var varying = regexp.MustCompile(`\{[^}]+\}`)

// A member of staff opens their desk, the annex, their tasks and their account, and nothing else.
func TestMemberSeesTheirOwn(t *testing.T) {
	s := serve(t)
	_, token := s.signIn(actor.Member)
	s.signIn(actor.Lead)
	permissions := actor.Member.Permissions()
	for _, a := range s.addresses(func(method string) bool { return method == http.MethodGet }) {
		if slices.Contains(ofOwn(), a.Permission) {
			continue
		}
		code, body := s.ask(http.MethodGet, a.path, token)
		switch may := slices.Contains(permissions, a.Permission); {
		case !may && code != http.StatusForbidden:
			t.Errorf("%s needs %s, and answers a member of staff %d", a.Pattern, a.Permission, code)
		case may && code >= 500:
			t.Errorf("%s for a member of staff: %d", a.Pattern, code)
		}
		if strings.Contains(body, "Zoé lead") {
			t.Errorf("%s tells a member of staff who others are", a.Pattern)
		}
	}
	if code, body := s.ask(http.MethodGet, "/", token); code != http.StatusOK || strings.Contains(body, "ENC-1") {
		t.Errorf("the desk of a member of staff: %d", code)
	}
}
