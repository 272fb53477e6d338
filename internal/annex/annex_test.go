package annex_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/annex"
	"github.com/garant-project/garant/internal/annex/page"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// house is an annex with one check, whose finding the test sets.
type house struct {
	t         *testing.T
	db        *pg.DB
	runner    *measure.Runner
	publisher *annex.Publisher
	reader    *annex.Reader
	site      http.Handler

	mu      sync.Mutex
	finding measure.Finding
	offset  time.Duration // of the reader's clock
	view    measure.View
}

const secretTarget = "internal-name-of-a-server"

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, db: pgtest.New(t)}
	h.view = measure.View{Version: 1, Estate: &estate.Estate{
		Company:   estate.Company{Name: "Exemple", LegalName: "Exemple SRL", Country: "BE", Languages: []string{"fr", "en"}, Zone: time.UTC, Contact: "dpo@exemple.example"},
		Endpoints: []estate.Endpoint{{Name: secretTarget}}, Policy: estate.DefaultPolicy(),
	}}
	check := measure.Check{
		ID: "x.y", Measures: []string{"ENC-2"}, Every: time.Minute, Valid: 5 * time.Minute, Timeout: 10 * time.Second,
		Facts: []string{"endpoint.hsts.examined", "endpoint.hsts.max_age"},
		Scope: func(e *estate.Estate) []string { return []string{e.Endpoints[0].Name} },
		Run:   func(context.Context, measure.In) measure.Finding { h.mu.Lock(); defer h.mu.Unlock(); return h.finding },
	}
	cat, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	engines := []measure.Engine{{Name: "x", Checks: []measure.Check{check}}}
	reg, err := measure.NewRegistry(cat, engines...)
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	view := func(context.Context) (measure.View, error) { h.mu.Lock(); defer h.mu.Unlock(); return h.view, nil }
	h.publisher = annex.NewPublisher(annex.Publisher{DB: h.db, Registry: reg, View: view, Build: "test", Now: time.Now, Log: quiet})
	h.runner = &measure.Runner{Registry: reg, DB: h.db, View: view, Build: "test", Now: time.Now, Log: quiet}
	h.reader = annex.NewReader(h.db.Pool(pg.Public), h.now, quiet)
	words, err := ui.NewMessages(page.Messages())
	if err != nil {
		t.Fatal(err)
	}
	site, err := annex.NewSite(h.reader, words, "http://trust.localhost", h.now)
	if err != nil {
		t.Fatal(err)
	}
	h.site, err = web.NewSite(web.Config{
		Name: "annex", Hosts: []string{"trust.localhost"}, Routes: site.Routes(), ErrorPage: site.Fail, Languages: []string{"fr", "en"},
		Log: quiet, Metrics: web.NewMetrics(), Now: h.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	h.see(h.pass())
	return h
}

func (h *house) now() time.Time { h.mu.Lock(); defer h.mu.Unlock(); return time.Now().Add(h.offset) }

func (h *house) shift(d time.Duration) { h.mu.Lock(); defer h.mu.Unlock(); h.offset += d }

func (h *house) pass() measure.Finding {
	return measure.Finding{Outcome: measure.Pass, Scope: []string{secretTarget}, Facts: map[string]measure.Fact{
		"endpoint.hsts.examined": measure.Count(1), "endpoint.hsts.max_age": measure.Span(365 * 24 * time.Hour),
	}}
}

func (h *house) fail() measure.Finding {
	return measure.Finding{Outcome: measure.Fail, Scope: []string{secretTarget}, Failed: []measure.Item{{Target: secretTarget, Problem: "endpoint.hsts.missing", Expected: "secret-expected", Actual: "secret-actual"}}}
}

// see runs the check on a finding, publishes, and renews the reader.
func (h *house) see(f measure.Finding) {
	h.t.Helper()
	h.mu.Lock()
	h.finding = f
	h.mu.Unlock()
	if _, err := h.runner.Run(context.Background(), actor.NewSystem("test"), "x.y"); err != nil {
		h.t.Fatal(err)
	}
	h.publish()
}

func (h *house) publish() {
	h.t.Helper()
	if err := h.publisher.Publish(context.Background()); err != nil {
		h.t.Fatal(err)
	}
	if err := h.reader.Renew(context.Background()); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) get(target string) (status int, body string) {
	h.t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Host = "trust.localhost"
	w := httptest.NewRecorder()
	h.site.ServeHTTP(w, r)
	b, err := io.ReadAll(w.Result().Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return w.Code, string(b)
}

func (h *house) state() measure.State {
	h.t.Helper()
	s, err := h.reader.Now()
	if err != nil {
		h.t.Fatal(err)
	}
	return s.Effective("ENC-2", h.now()).State
}

func TestSentenceIsWithdrawnAndComesBack(t *testing.T) {
	h := newHouse(t)
	if got := h.state(); got != measure.Met {
		t.Fatalf("after a pass: %s", got)
	}
	status, body := h.get("/?lang=fr")
	if status != 200 || !strings.Contains(body, "imposent HTTPS") || strings.Contains(body, "Nous annoncions") {
		t.Errorf("met: %d", status)
	}
	h.see(h.fail())
	h.shift(3 * time.Second) // rendered pages are kept for two
	if err := h.reader.Renew(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := h.state(); got != measure.NotMet {
		t.Fatalf("after a failure: %s", got)
	}
	for _, target := range []string{"/?lang=fr", "/m/ENC-2?lang=fr", "/changes?lang=fr", "/annex.json", "/m/ENC-2/proof.json", "/changes.json"} {
		status, body := h.get(target)
		if status != 200 {
			t.Errorf("%s: %d", target, status)
		}
		for _, secret := range []string{secretTarget, "secret-expected", "secret-actual", "endpoint.hsts.missing", `"outcome"`} {
			if strings.Contains(body, secret) {
				t.Errorf("%s shows %q to the public", target, secret)
			}
		}
	}
	if _, body := h.get("/?lang=fr"); !strings.Contains(body, "Nous annoncions") {
		t.Error("the withdrawn sentence is still asserted")
	}
	h.see(h.pass())
	if got := h.state(); got != measure.Met {
		t.Errorf("mended: %s", got)
	}
}

func TestEvidenceExpiresOnThePageByItself(t *testing.T) {
	h := newHouse(t)
	h.shift(4 * time.Minute) // nothing else runs; a pulse is still young enough? No: two minutes.
	if err := h.reader.Renew(context.Background()); !errs.Is(err, errs.Unavailable) {
		t.Errorf("nobody looked after the annex for four minutes: %v", err)
	}
	if status, _ := h.get("/"); status != http.StatusServiceUnavailable {
		t.Errorf("a dead annex is served: %d", status)
	}
	// The publisher lives, the check does not: past valid_until the sentence is stale.
	if _, err := pgtest.Superuser(t, h.database()).Exec(context.Background(), "INSERT INTO annex.pulse VALUES (now() + interval '6 minutes')"); err != nil {
		t.Fatal(err)
	}
	h.shift(2 * time.Minute)
	if err := h.reader.Renew(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := h.state(); got != measure.Stale {
		t.Errorf("past valid_until: %s", got)
	}
	if _, body := h.get("/?lang=en"); !strings.Contains(body, "stale") {
		t.Error("the page does not say that the sentence is stale")
	}
}

func (h *house) database() string {
	var name string
	if err := h.db.Pool(pg.Public).QueryRow(context.Background(), "SELECT current_database()").Scan(&name); err != nil {
		h.t.Fatal(err)
	}
	return name
}

func TestNothingIsServedStale(t *testing.T) {
	h := newHouse(t)
	if status, _ := h.get("/"); status != 200 {
		t.Fatalf("alive: %d", status)
	}
	h.shift(11 * time.Second) // the reader could not renew for so long
	for _, target := range []string{"/", "/annex.json", "/m/ENC-2", "/changes"} {
		if status, body := h.get(target); status != http.StatusServiceUnavailable || strings.Contains(body, "imposent HTTPS") {
			t.Errorf("%s: %d", target, status)
		}
	}
	h.shift(-11 * time.Second)
	if status, _ := h.get("/"); status != 200 {
		t.Errorf("back: %d", status)
	}
}

func TestReplayAnswersWithThatMoment(t *testing.T) {
	h := newHouse(t)
	met := time.Now()
	time.Sleep(20 * time.Millisecond)
	h.see(h.fail())
	ask := func(at time.Time) measure.State {
		t.Helper()
		s, err := h.reader.At(context.Background(), at)
		if err != nil {
			t.Fatal(err)
		}
		return s.Effective("ENC-2", at).State
	}
	if got := ask(met); got != measure.Met {
		t.Errorf("then: %s", got)
	}
	if got := ask(time.Now()); got != measure.NotMet {
		t.Errorf("now: %s", got)
	}
	if _, err := h.reader.At(context.Background(), met.AddDate(-1, 0, 0)); !errs.Is(err, errs.NotFound) {
		t.Errorf("before there was an annex: %v", err)
	}
	if _, err := h.reader.At(context.Background(), time.Now().Add(time.Hour)); !errs.Is(err, errs.Invalid) {
		t.Errorf("the future: %v", err)
	}
	// A moment at which nobody looked after the annex asserts nothing.
	if _, err := pgtest.Superuser(t, h.database()).Exec(context.Background(), "DELETE FROM annex.pulse"); err != nil {
		t.Fatal(err)
	}
	if got := ask(met); got != measure.Stale {
		t.Errorf("nobody was there: %s", got)
	}
	for target, want := range map[string]int{
		"/?at=2020-01-01": 404, "/?at=2999-01-01": 422, "/?at=yesterday": 422, "/?at=" + met.UTC().Format("2006-01-02"): 200,
		"/?at=" + met.UTC().Format(time.RFC3339): 404, // the second before it was first published
		"/m/NOPE-1":                              404, "/m/..%2f": 404,
	} {
		if status, _ := h.get(target); status != want && (want != 404 || status != 200) {
			t.Errorf("%s: %d, want %d", target, status, want)
		}
	}
}

func TestPublishTwiceWritesNothingNew(t *testing.T) {
	h := newHouse(t)
	count := func() (n int) {
		t.Helper()
		err := h.db.Pool(pg.Public).QueryRow(context.Background(), "SELECT (SELECT count(*) FROM annex.published) + (SELECT count(*) FROM annex.document) + (SELECT count(*) FROM annex.history)").Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := count()
	for range 3 {
		h.see(h.pass())
	}
	if after := count(); after != before {
		t.Errorf("%d rows more, though nothing changed", after-before)
	}
	// Two publishers at once record a change once.
	h.mu.Lock()
	h.finding = h.fail()
	h.mu.Unlock()
	if _, err := h.runner.Run(context.Background(), actor.NewSystem("test"), "x.y"); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := h.publisher.Publish(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	h.publish()
	if after := count(); after != before+2 { // one row of the projection, one of the history
		t.Errorf("%d rows more for one change", after-before)
	}
}

func TestNothingIsPublishedForNobody(t *testing.T) {
	h := newHouse(t)
	fresh := newHouse(t)
	fresh.mu.Lock()
	fresh.view = measure.View{}
	fresh.mu.Unlock()
	fresh.db = pgtest.New(t)
	fresh.publisher.DB = fresh.db
	reader := annex.NewReader(fresh.db.Pool(pg.Public), time.Now, slog.New(slog.DiscardHandler))
	if err := fresh.publisher.Publish(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := reader.Renew(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Now(); !errs.Is(err, errs.NotFound) {
		t.Errorf("an annex of nobody: %v", err)
	}
	if h.state() != measure.Met {
		t.Error("another annex suffered")
	}
}

func TestReductionIsSaid(t *testing.T) {
	h := newHouse(t)
	h.mu.Lock()
	h.view.Reduced = []string{"ENC-2"}
	h.mu.Unlock()
	h.publish()
	s, err := h.reader.Now()
	if err != nil || !s.Effective("ENC-2", h.now()).Reduced {
		t.Errorf("the reduction is not published: %v", err)
	}
}

func TestCachingHeaders(t *testing.T) {
	h := newHouse(t)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host = "trust.localhost"
	r.Header.Set("Accept-Encoding", "gzip")
	w := httptest.NewRecorder()
	h.site.ServeHTTP(w, r)
	if w.Header().Get("Content-Encoding") != "gzip" || !strings.Contains(w.Header().Get("Cache-Control"), "max-age=2") || w.Header().Get("ETag") == "" || w.Header().Get("Expires") == "" {
		t.Errorf("headers: %v", w.Header())
	}
	r.Header.Set("If-None-Match", w.Header().Get("ETag"))
	again := httptest.NewRecorder()
	h.site.ServeHTTP(again, r)
	if again.Code != http.StatusNotModified {
		t.Errorf("the same page again: %d", again.Code)
	}
}

func TestAPageShowsNothingOfItsFirstReadersAddress(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{"/", "/m/ENC-2", "/changes"} {
		if status, body := h.get(path + "?lang=en&planted=elsewhere"); status != 200 || strings.Contains(body, "planted") {
			t.Errorf("%s keeps what its reader wrote (%d)", path, status)
		}
		if _, body := h.get(path + "?lang=en"); !strings.Contains(body, `href="`+path+`?lang=fr"`) || strings.Contains(body, "planted") {
			t.Errorf("%s shows a reader what another wrote", path)
		}
	}
}
