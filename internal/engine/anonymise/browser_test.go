package anonymise

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/engine/anonymise/leak"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/reidentify"
	"github.com/garant-project/garant/internal/engine/anonymise/run"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/web/browsertest"
	"github.com/garant-project/garant/internal/web/ui"
)

// richPlan has something of everything that a plan may hold.
func richPlan() string {
	p := strings.Replace(shopPlan, "what: keep text", "what: keep text\n      placed: keep timestamp with time zone\n      total: {class: harmless, kind: none, transform: generalise, digits: 2, type: 'numeric(10,2)', reason: 'Reports are tried with amounts, and two digits are enough for that.'}", 1)
	p = strings.Replace(p, "          theme: keep\n", "          theme: keep\n          contact.emails[].address: email\n          contact.name: full_name\n", 1)
	p = strings.Replace(p, "  public.purchase:", "  public.login_session: {rows: none, reason: sessions open accounts}\n  public.purchase:", 1)
	return p
}

// rich makes the source fit for richPlan.
func (w *world) rich() {
	w.t.Helper()
	pgtest.Exec(w.t, w.source, `ALTER TABLE purchase ADD COLUMN placed timestamptz NOT NULL DEFAULT now(), ADD COLUMN total numeric(10,2);
CREATE TABLE login_session (id uuid PRIMARY KEY, secret text NOT NULL);
UPDATE person SET profile = profile || jsonb_build_object('contact', jsonb_build_object('name', name, 'emails', jsonb_build_array(jsonb_build_object('address', email))));
UPDATE purchase SET total = 100 * id + 0.9`)
	w.plan = richPlan()
	w.declare()
}

// history is two days of runs, a few of them no good, before those that the test makes.
func (w *world) history() {
	w.t.Helper()
	var b strings.Builder
	now := w.now()
	for i := 18; i > 0; i-- {
		outcome := map[int]Outcome{13: Stopped, 12: Stopped, 6: Failed, 3: Unproven}[i]
		if outcome == "" {
			outcome = Published
		}
		began := now.Add(-time.Duration(i) * 2 * time.Hour)
		took := time.Duration(9+i%5*4) * time.Minute
		published := "NULL"
		if outcome == Published {
			published = "'" + began.Add(took).Format(time.RFC3339) + "'"
		}
		fmt.Fprintf(&b, `INSERT INTO anonymise.run (id, database, name, origin, plan, began_at, heard_at, ended_at, outcome, code, snapshot_at, anonymised, rows, published_at)
VALUES ('%s', 'production', '%s', 'schedule', sha256(''), '%s', '%[3]s', '%s', '%s', '', '%[3]s', true, 4500000, %[6]s);`, uuid.NewString(), w.name, began.Format(time.RFC3339), began.Add(took).Format(time.RFC3339), outcome, published)
	}
	for i := range 3 {
		fmt.Fprintf(&b, `INSERT INTO anonymise.certificate (database, copy, run, began_at, bytes, destroyed_at, reason) VALUES ('production', '%s_old_%d', 'x', now() - interval '1 day', 1490000000, now(), 'superseded');`, w.name, i)
	}
	pgtest.Exec(w.t, w.garantConn(), b.String())
}

// unproven is a run whose proofs failed in every way that there is.
func (w *world) unproven() uuid.UUID {
	w.t.Helper()
	last, err := lastRun(w.t.Context(), w.db.Pool(pg.Staff), "production", Published)
	w.must(err)
	one, err := runOf(w.t.Context(), w.db.Pool(pg.Staff), last.ID)
	w.must(err)
	r := *one.Report
	r.Leaks.Hits = []leak.Hit{
		{Table: "public.person", Column: "profile", Path: "contact.emails[].address", Kind: personal.Email, Count: 12},
		{Table: "public.person", Column: "note", Kind: personal.FullName, Encoding: "base64 > gzip", Count: 1},
		{Table: "public.person", Column: "name", Kind: personal.GivenName, Own: true, Count: 3},
	}
	r.Leaks.NotScanned = []leak.Skipped{{Table: "public.person", Column: "photo", Reason: "an archive within archives", Count: 2}}
	r.Leaks.Recall.Found, r.Leaks.Recall.Missing = r.Leaks.Recall.Planted-1, []leak.Lost{{Kind: personal.IBAN, Encoding: "hex"}}
	r.Tables = append([]run.TableReport{{Table: "public.invoice", Source: 1_204_711, Copied: 1_204_711, There: 1_204_710}}, r.Tables...)
	r.Schema.Problems = []string{`the copy lacks the index public."Order_idx"`}
	r.Pauses, r.PausedSeconds, r.Before, r.Resumed = 3, 125, []run.Attempt{{Run: "x"}}, []run.Resumption{{}}
	r.LeftOut = []string{"subscription crm", "3 large objects"}
	r.Persons = []run.Measured{{Table: "public.person", Quasi: []string{"born", "town", "sex"}, K: 5, L: 2, Classes: reidentify.Classes{Rows: 600_000, Persons: 600_000, Classes: 81_000, Smallest: 1, Small: 9_204, Alone: 311, Diversity: []reidentify.Diversity{{Column: "illness", Least: 1, Rows: 12}}},
		Attack: reidentify.Outcome{Rows: 600_000, Worst: reidentify.Linked{Columns: []string{"born", "town"}, Right: 8_120, Sampled: 1}}, Problems: []string{"k"}}}
	r.Problems = []string{"public.person.profile: 12 times a value of the source of kind email, at contact.emails[].address"}
	encoded, err := json.Marshal(r)
	w.must(err)
	id, err := uuid.NewV7()
	w.must(err)
	_, err = w.garantConn().Exec(w.t.Context(), `INSERT INTO anonymise.run (id, database, name, run, origin, plan, began_at, heard_at, ended_at, outcome, code, said, report) VALUES ($1, 'production', $2, 'y', 'schedule', $3, now(), now(), now(), 'unproven', 'anonymise.proof', $4, $5)`,
		id, w.name, one.Plan, r.Problems[0], encoded)
	w.must(err)
	return id
}

// going puts a run under way.
func (w *world) going() uuid.UUID {
	w.t.Helper()
	id, err := uuid.NewV7()
	w.must(err)
	pgtest.Exec(w.t, w.garantConn(), fmt.Sprintf(`INSERT INTO anonymise.run (id, database, name, origin, plan, began_at, heard_at, stage, tables, rows, bytes, bytes_all)
VALUES ('%s', 'production', '%s', 'schedule', sha256(''), '%s', '%s', 'copy', 'public.person', 1234567, 700000000, 1490000000)`, id, w.name, w.now().Add(-3*time.Minute).Format(time.RFC3339), w.now().Format(time.RFC3339)))
	return id
}

// front serves the console whatever name the browser came by.
func (h *house) front() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/static/", ui.Static())
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		r.Host = "admin.localhost"
		seen := &statusSeen{ResponseWriter: rw}
		if h.site.ServeHTTP(seen, r); seen.status >= http.StatusBadRequest {
			h.t.Errorf("%s %s: %d\n%s", r.Method, r.URL, seen.status, h.log.String())
		}
	})
	return mux
}

// statusSeen keeps the status of an answer: a page that says that something went wrong is a fine page.
type statusSeen struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (s *statusSeen) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// axe finds nothing to say, in either theme, on a wide window and on a phone; and no page is wider than its window (WCAG 2.2, 1.4.10).
func TestAccessibility(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	w := newWorld(t)
	h := w.house()
	tab := browsertest.Open(t, h.front())
	declared := w.estate
	w.estate = nil
	tab.Accessible(map[string]string{"none": Path}, browsertest.Looks()...)
	w.estate = declared
	tab.Accessible(map[string]string{"first": one, "first-developers": one + "/developers"}, browsertest.Looks()...)

	w.rich()
	w.history()
	served := w.fresh()
	pgtest.Exec(t, w.source, `ALTER TABLE purchase ADD COLUMN mobile text`)
	w.ahead = 90 * time.Minute
	stopped := w.tend()
	unproven := w.unproven()
	tab.Accessible(map[string]string{"copies": Path, "copy": one, "run": runPath("production", served.ID), "stopped": runPath("production", stopped.ID), "unproven": runPath("production", unproven), "plan": one + "/plan", "plan-documents": one + "/plan?show=documents", "developers": one + "/developers"},
		browsertest.Looks()...)
	going := w.going()
	tab.Accessible(map[string]string{"going": one, "going-run": runPath("production", going)}, browsertest.Looks()...)

	// Names as long as PostgreSQL has them, a question, and a plan that waits.
	long := strings.Repeat("x", 63)
	w.plan = strings.Replace(richPlan(), "  public.purchase:", "  public."+long+":\n    columns:\n      "+long+": {class: identifier, kind: email, transform: email, type: 'character varying(200)', question: 'Is "+long+" somebody?'}\n      doc:\n        class: free_text\n        kind: text\n        transform: json\n        type: jsonb\n        paths:\n          "+long+"."+long+": phone\n  public.purchase:", 1)
	w.declare()
	w.pending = pendingPlan("production")
	tab.Accessible(map[string]string{"plan-long": one + "/plan", "waits": Path}, browsertest.Looks()...)

	// The password, once.
	look := browsertest.Look{Theme: "light", Lang: "en", Width: 1280}
	tab.Visit(one+"/developers", look)
	browsertest.Eval[bool](tab, `document.querySelector('form[action$="/reveal"] button').click(), true`)
	until(tab, "the password is shown", `document.title.startsWith("Password of")`)
	tab.Holds("credentials")
}

// until waits for what a script says of the page.
func until(b *browsertest.Tab, what, script string) {
	b.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if so, err := browsertest.Try[bool](b, script); err == nil && so {
			return
		}
		if time.Now().After(end) {
			b.Fatalf("never: %s\n%s", what, b.Where())
		}
	}
}
