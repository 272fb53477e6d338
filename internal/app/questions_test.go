package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/annex"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/demo"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/engine/register"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

// house is a Garant of a company with so many of everything, at a moment that stands still.
type house struct {
	*Garant
	t             *testing.T
	now           time.Time
	super         *pgx.Conn
	leads         []actor.Actor
	staff, public http.Handler
	token         string
}

const questionsEstate = `company: {name: Ardoise Mécénat, country: BE, languages: [fr, en], time_zone: Europe/Brussels, contact: dpo@ardoise.example}
endpoints:
  - {name: application, url: "https://app.ardoise.example", environment: production, audience: public}
policy: {every: 5m}
` + guarded

func openHouse(t *testing.T, n int) *house {
	t.Helper()
	ctx := context.Background()
	h := &house{t: t, now: time.Now().Truncate(time.Microsecond)}
	db := pgtest.New(t)
	var name string
	h.must(db.Pool(pg.Staff).QueryRow(ctx, "SELECT current_database()").Scan(&name))
	h.super = pgtest.Superuser(t, name)
	provider, err := crypt.OpenKeyfile(ctx, db.Pool(pg.Staff), filepath.Join(t.TempDir(), "key"))
	h.must(err)
	box, err := crypt.NewBox(ctx, db.Pool(pg.Staff), provider)
	h.must(err)
	h.Garant = &Garant{
		Options: Options{Build: "test", Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return h.now }},
		Store:   &Store{DB: db, Box: box}, Server: estate.DefaultServer(),
	}
	h.must(h.wire())
	for i := range 2 {
		p, err := h.AddPerson(ctx, actor.NewSystem("test"), fmt.Sprintf("lead-%d@ardoise.example", i), fmt.Sprintf("Lead %d (exemple)", i), actor.Lead)
		h.must(err)
		h.leads = append(h.leads, acting(p))
	}
	_, err = estate.Apply(ctx, db.Pool(pg.Staff), h.leads[0], []byte(questionsEstate), withManifest(t))
	h.must(err)
	h.fill(ctx, n)
	reader := annex.NewReader(db.Pool(pg.Public), h.Now, h.Log)
	h.must(h.Publisher.Publish(ctx))
	h.now = time.Now().Add(time.Second).Truncate(time.Microsecond) // after what was published
	h.must(reader.Renew(ctx))
	h.staff, h.public, err = h.Handlers(reader)
	h.must(err)
	h.token = uuid.NewString()
	sum := sha256.Sum256([]byte(h.token))
	h.exec(`INSERT INTO directory.session (id, hash, person_id, method, enrolled, opened_at, verified_at, last_seen_at, expires_at, origin, agent)
VALUES (gen_random_uuid(), $1, $2, 'passkey', true, $3::timestamptz, $3::timestamptz, $3::timestamptz, $3::timestamptz + $4::interval, '127.0.0.1', 'test')`, sum[:], h.leads[0].ID, h.now, directory.DefaultPolicy().Absolute)
	return h
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) exec(sql string, args ...any) {
	h.t.Helper()
	_, err := h.super.Exec(context.Background(), sql, args...)
	h.must(err)
}

func (h *house) day(days int) string { return h.now.AddDate(0, 0, days).Format(time.DateOnly) }

// fill keeps n persons, assets, documents, suppliers and attestations, and n of whatever else lists show.
func (h *house) fill(ctx context.Context, n int) {
	h.t.Helper()
	site := func(i int) string { return fmt.Sprintf("Site %d (exemple)", i%max(2, n/25)) }
	rows := map[string][][]string{
		register.Sites: {{"name", "kind", "owner", "review"}}, register.Persons: {{"name", "email", "kind", "arrival", "nda", "site", "leaving"}},
		register.Assets: {{"tag", "kind", "owner", "site"}}, register.Suppliers: {{"name", "country", "subprocessor", "owner", "review"}},
	}
	for i := range max(2, n/25) {
		rows[register.Sites] = append(rows[register.Sites], []string{site(i), "office", "", h.day(i)})
	}
	rows[register.Persons] = append(rows[register.Persons], []string{h.leads[0].Name, "lead-0@ardoise.example", "employee", h.day(-100), h.day(-99), site(0), ""})
	for i := range n {
		email, leaving := fmt.Sprintf("p%d@ardoise.example", i), ""
		if i%5 == 4 {
			leaving = h.day(-1)
		}
		rows[register.Persons] = append(rows[register.Persons], []string{fmt.Sprintf("Personne %d (exemple)", i), email, "employee", h.day(-100), h.day(-99), site(i), leaving})
		rows[register.Assets] = append(rows[register.Assets], []string{fmt.Sprintf("EX-%d", i), "laptop", email, site(i)})
		rows[register.Suppliers] = append(rows[register.Suppliers], []string{fmt.Sprintf("Fournisseur %d (exemple)", i), "BE", "true", email, h.day(1)})
	}
	for _, key := range []string{register.Sites, register.Persons, register.Assets, register.Suppliers} {
		var b bytes.Buffer
		h.must(csv.NewWriter(&b).WriteAll(rows[key]))
		report, err := h.Registers.Import(ctx, h.leads[0], key, b.Bytes(), false, h.now)
		h.must(err)
		if report.Bad > 0 {
			h.t.Fatalf("%s: %+v", key, report.Faults)
		}
	}
	h.views.reset()
	for i := range min(n, 30) + 1 {
		_, err := h.AddPerson(ctx, h.leads[0], fmt.Sprintf("p%d@ardoise.example", i), fmt.Sprintf("Personne %d (exemple)", i), actor.Member)
		h.must(err)
		e, err := h.Registers.Create(ctx, h.leads[0], register.Documents, register.Values{"title": fmt.Sprintf("Document %d (exemple)", i), "kind": "policy", "acknowledge": "true", "text": "Lire.", "review": h.day(i)}, h.now)
		h.must(err)
		_, err = h.Registers.Move(ctx, h.leads[0], register.Documents, e.ID, e.Revision, "published", h.now)
		h.must(err)
	}
	h.answerFor(ctx, n)
	h.publishAnnex(ctx, 2+n/250)
	h.past(n)
}

// answerFor names an owner for each measure, another one each, who have said n things of one.
func (h *house) answerFor(ctx context.Context, n int) {
	h.t.Helper()
	var people []string
	rows, err := h.super.Query(ctx, "SELECT id::text FROM directory.person ORDER BY id")
	h.must(err)
	people, err = pgx.CollectRows(rows, pgx.RowTo[string])
	h.must(err)
	for i, m := range h.Registry.Catalogue.Measures {
		h.must(h.Owners.Assign(ctx, h.leads[0], measure.Assigned{Measure: m.ID, Responsible: people[i%len(people)]}))
	}
	sites, err := h.subjects(ctx)
	h.must(err)
	h.exec(`INSERT INTO measure.attestation (id, measure_id, targets, statement, person_id, observed_on, observed_at, valid_until, documents, words_hash, catalogue_hash, estate_version, build, digest)
SELECT gen_random_uuid(), m, CASE WHEN m = 'PHY-2' THEN $1::text[] ELSE '{""}' END, 'confirmed', p.id, current_date, now() - interval '1 day', now() + interval '30 days', '[]', repeat('a', 64), 'h', 1, 'b', repeat('b', 64)
FROM (SELECT id FROM directory.person ORDER BY id LIMIT $2) AS p CROSS JOIN unnest(ARRAY['PHY-2', 'ACC-8']) AS m`, sites[catalogue.PerSite], n)
}

// publishAnnex drafts, reviews and publishes the annex a number of times, by two leads in turn.
func (h *house) publishAnnex(ctx context.Context, times int) {
	h.t.Helper()
	text := demo.Annex(h.now)
	for i := range times {
		draft, err := h.Book.Draft(ctx)
		h.must(err)
		draft, err = h.Book.Edit(ctx, h.leads[i%2], draft.Revision, text+strings.Repeat("# \n", i))
		h.must(err)
		proposal, err := h.Book.Propose(ctx, h.leads[i%2], draft.Revision, "")
		h.must(err)
		_, err = h.Book.Publish(ctx, h.leads[1-i%2], proposal.ID, "")
		h.must(err)
	}
	h.views.reset()
}

// past is n rows of what time leaves behind, each of somebody else.
func (h *house) past(n int) {
	h.t.Helper()
	h.exec(`INSERT INTO audit.entry (actor_kind, actor_id, action, outcome, object_kind, object_id)
SELECT 'person', p.id::text, 'person.role_changed', 'permitted', 'person', p.id::text FROM (SELECT id FROM directory.person ORDER BY id LIMIT $1) AS p`, n)
	h.exec(`INSERT INTO audit.entry (actor_kind, actor_id, action, outcome, object_kind, object_id)
SELECT 'person', p.id::text, 'person.role_changed', 'permitted', k, i FROM (SELECT id FROM directory.person ORDER BY id LIMIT $1) AS p
CROSS JOIN (VALUES ('person', $2), ('annex', 'draft'), ('check', 'endpoint.tls')) AS o (k, i)`, n, h.leads[1].ID)
	h.exec(`INSERT INTO register.change (entry_id, revision, at, actor_kind, actor_id, action)
SELECT e.id, 1, now(), 'person', p.id::text, 'changed' FROM register.entry e CROSS JOIN (SELECT id FROM directory.person ORDER BY id LIMIT $1) AS p WHERE e.sort_key <> '' AND e.register = 'assets'`, min(n, 20))
	h.exec(`INSERT INTO mail.message (id, template, person_id, due, expires_at, next_at, state) SELECT gen_random_uuid(), 'desk.digest', id, 'x', now(), now(), 'sent' FROM directory.person ORDER BY id LIMIT $1`, n)
	h.exec(`INSERT INTO measure.evidence (id, check_id, kind, outcome, finding, content_hash, digest, first_at, observed_at, observations, valid_until, catalogue_hash, estate_version, build)
SELECT gen_random_uuid(), 'endpoint.tls', 'finding', 'fail', '{"outcome": "fail", "scope": ["application"], "failed": [{"target": "application", "problem": "endpoint.tls.version", "expected": "x", "actual": "y"}]}', 'c', 'd', now(), now(), 1, now() + interval '1 hour', 'h', 1, 'b'
FROM generate_series(1, $1::int)`, n)
	h.exec(`INSERT INTO measure.evidence (id, check_id, kind, outcome, finding, content_hash, digest, first_at, observed_at, observations, valid_until, catalogue_hash, estate_version, build)
SELECT gen_random_uuid(), 'isolation.live', 'finding', 'error', '{"outcome": "error", "scope": [], "failed": [{"target": "production", "problem": "isolation.unreachable", "expected": "x", "actual": "y"}]}', 'c', 'd', now(), now(), 1, now() + interval '1 hour', 'h', 1, 'b'
FROM generate_series(1, $1::int)`, n)
	h.exec(`INSERT INTO measure.current (check_id, evidence_id, content_hash, first_at, observed_at, valid_until, observations, written_at, written_count, estate_version, catalogue_hash, build)
SELECT DISTINCT ON (check_id) check_id, id, 'c', now(), now(), now() + interval '1 hour', 1, now(), 1, 1, 'h', 'b' FROM measure.evidence ORDER BY check_id, id`)
}

// id finds an id to ask a page for.
func (h *house) id(sql string) (id string) {
	h.t.Helper()
	h.must(h.super.QueryRow(context.Background(), sql).Scan(&id))
	return id
}

// pages lists the pages to ask for, by what they are called in this test.
func (h *house) pages() map[string]string {
	entry := func(key string) string {
		return "/registers/" + key + "/" + h.id("SELECT id::text FROM register.entry WHERE register = '"+key+"' AND fields ->> 'leaving' IS NULL ORDER BY sort_key, id LIMIT 1")
	}
	pages := map[string]string{
		"person": "/people/" + h.leads[1].ID, "record of a person": "/record?object=person:" + h.leads[1].ID,
		"task": "/tasks/acknowledge/" + strings.TrimPrefix(entry("documents"), "/registers/documents/"), "asset with a filter": "/registers/assets?owner=" + h.id("SELECT fields ->> 'owner' FROM register.entry WHERE register = 'assets' ORDER BY sort_key LIMIT 1"),
	}
	for _, path := range []string{
		"/", "/?whose=mine", "/annex", "/annex/PHY-2", "/annex/review", "/annex/versions", "/annex/versions/1", "/annex/company", "/annex/parameters", "/annex/text",
		"/measures", "/measures?show=unowned", "/measures/PHY-2", "/measures/ACC-8", "/checks", "/checks/endpoint.tls", "/isolation", "/isolation/production", "/people", "/account", "/mail", "/mail/preferences",
		"/record", "/record?action=person.role_changed", "/record?text=exemple", "/record/log", "/record/entry/1", "/record/object?kind=estate&id=1", "/audit", "/estate", "/registers", "/api/v1/measures", "/api/v1/checks", "/api/v1/tasks", "/api/v1/measures/PHY-2/attestations",
		"/api/v1/registers/assets?limit=500", "/api/v1/registers/persons?limit=500",
	} {
		pages[path] = path
	}
	for _, key := range []string{"assets", "persons", "documents", "suppliers", "sites", "teams"} {
		pages["/registers/"+key], pages["new "+key] = "/registers/"+key, "/registers/"+key+"/new"
		pages["search "+key] = "/registers/" + key + "?q=exemple"
		if key != "teams" {
			pages["one of "+key], pages["edit one of "+key] = entry(key), entry(key)+"/edit"
		}
	}
	for _, path := range []string{"/", "/m/PHY-2", "/changes", "/changes.atom", "/subprocessors", "/annex.json"} {
		pages["public "+path] = "public:" + path
		pages["public past "+path] = "public:" + path + "?at=" + url.QueryEscape(h.now.UTC().Format(time.RFC3339Nano))
	}
	return pages
}

// asked notes the statements of a request.
type asked struct {
	mu   sync.Mutex
	list []string
}

// TraceQueryStart notes a statement.
func (a *asked) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, strings.Join(strings.Fields(d.SQL), " "))
	return ctx
}

// TraceQueryEnd has nothing to note.
func (*asked) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// questions returns the statements that a page asks when it is asked for the second time.
func (h *house) questions(path string) []string {
	h.t.Helper()
	handler, host := h.staff, h.Server.Hosts.Console
	if rest, ok := strings.CutPrefix(path, "public:"); ok {
		handler, host, path = h.public, h.Server.Hosts.Annex, rest
	}
	var a *asked
	for range 2 {
		a = &asked{}
		r := httptest.NewRequest(http.MethodGet, path, nil).WithContext(pg.Traced(context.Background(), a))
		r.Host = host
		r.AddCookie(&http.Cookie{Name: "garant", Value: h.token})
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			h.t.Errorf("%s: %d %.300s", path, w.Code, w.Body)
			return nil
		}
	}
	return a.list
}

// mostQuestions is how many statements any page may ask.
const mostQuestions = 40

// However much there is to show, a page asks no more of the database.
func TestNoPageAsksMoreOfMoreRows(t *testing.T) {
	few, many := openHouse(t, 10), openHouse(t, 500)
	others := many.pages()
	for name, path := range few.pages() {
		ten, all := few.questions(path), many.questions(others[name])
		if len(all) > len(ten) {
			for _, s := range ten {
				if i := slices.Index(all, s); i >= 0 {
					all = slices.Delete(all, i, i+1)
				}
			}
			t.Errorf("%s asks %d times of 10 rows, and of 500 also:\n%s", name, len(ten), strings.Join(all, "\n"))
		}
		if len(all) > mostQuestions {
			t.Errorf("%s asks %d times, more than %d:\n%s", name, len(all), mostQuestions, strings.Join(all, "\n"))
		}
	}
}
