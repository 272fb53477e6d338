package console_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/measure"
	checks "github.com/garant-project/garant/internal/measure/console"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/console/consoletest"
	"github.com/garant-project/garant/internal/web/ui"
)

func TestDeskBeforeAnyEstate(t *testing.T) {
	h := open(t)
	page := h.get("/")
	consoletest.Wants(t, page, "No estate has been applied yet", "[/estate] See how", "No check has run yet.", "80")
	consoletest.Wants(t, page, "One person has no passkey yet", "Camille Exemple")
}

func TestDesk(t *testing.T) {
	h := open(t)
	h.apply()
	page := h.get("/")
	consoletest.Wants(t, page, "4 items are due.", "Nothing has been looked at yet.", "Its sentence is not proven yet in the annex.", "[/checks/test.tls/run] Run now")

	h.look()
	page = h.get("/")
	consoletest.Wants(t, page, "1 item is due.", "One person has no passkey yet", "Transport encryption", "met 3")
	consoletest.Lacks(t, page, "ENC-1 ·", "no longer asserted")

	h.sees["test.tls"] = failing()
	h.sees["test.hsts"] = measure.Finding{Outcome: measure.Error, Failed: []measure.Item{{Target: "application", Problem: measure.ProblemTimeout}}}
	h.look("test.hsts", "test.tls")
	h.state("ENC-1", measure.NotMet, h.now().Add(-3*time.Hour-time.Minute))
	page = h.get("/")
	consoletest.Wants(t, page, "3 items are due.", "2 sentences are no longer asserted in the public annex.",
		"Sentence ENC-1 withdrawn from the public annex for 3 h.", "back-office The endpoint accepts a version that is too old.", "Raise the lowest version to TLS 1.2.",
		"[/checks/test.tls#mending] See the fix", "The check could not look. Its sentence is being withdrawn", "The check took longer than it is given.",
		"4 checks, 1 of them failing")
	if strings.Index(page, "ENC-1 ·") > strings.Index(page, "ENC-2 ·") || strings.Index(page, "ENC-2 ·") > strings.Index(page, "no passkey yet") {
		t.Errorf("the most urgent is not first:\n%s", page)
	}

	h.as(actor.Reader)
	page = h.get("/")
	consoletest.Wants(t, page, "2 items are due.", "[/checks/test.tls#mending]")
	consoletest.Lacks(t, page, "/run]", "no passkey yet", "[/people]")
}

func TestDeskWithNothingDue(t *testing.T) {
	h := open(t)
	h.apply()
	h.look()
	h.as(actor.Operator)
	consoletest.Wants(t, h.get("/"), "0 items are due.", "Nothing is due", "The curve begins tomorrow")
}

func TestDeskCurve(t *testing.T) {
	h := open(t)
	h.apply()
	h.look()
	now := h.now()
	for id, days := range map[string]int{"ENC-1": 100, "ENC-2": 30, "CRT-1": 10} {
		h.state(id, measure.Met, now.AddDate(0, 0, -days))
	}
	h.state("CRT-1", measure.NotMet, now.AddDate(0, 0, -5))
	w, body := h.ask(http.MethodGet, "/?lang=en")
	if w.Code != http.StatusOK {
		t.Fatal(w.Code)
	}
	consoletest.Wants(t, body, "Measures met at the end of the day, over 90 days: 1 at first, 3 now, 3 at most, of 80.")
	line := regexp.MustCompile(`class="chart-line" d="M0\.0 ([\d.]+)((?:L[\d.]+ [\d.]+)+)"`).FindStringSubmatch(body)
	if line == nil || strings.Count(line[2], "L") != 89 {
		t.Fatalf("the curve: %q", line)
	}
	// One of eighty is 108/80 units above the foot, drawn at 132.
	if line[1] != "130.7" || !strings.HasSuffix(line[2], " 128.0") {
		t.Errorf("the curve begins at %s and ends %s", line[1], line[2][len(line[2])-14:])
	}
	if n := strings.Count(line[2], " 128.0"); n != 6 { // five days in CRT-1's good time, and now
		t.Errorf("three were met at the end of %d days", n)
	}
}

func TestChecks(t *testing.T) {
	h := open(t)
	h.apply()
	h.sees["test.tls"] = failing()
	h.look()
	page := h.get("/checks")
	consoletest.Wants(t, page, "[/checks] All 4", "[/checks?state=not_met] not met 1", "[/checks?state=met] met 2", "[/checks?state=none] nothing to look at 1",
		"2 of 2", "No target is declared yet.")
	if strings.Index(page, "Transport encryption") > strings.Index(page, "HTTPS required") {
		t.Error("the failing check is not first")
	}
	page = h.get("/checks?state=met")
	consoletest.Wants(t, page, "HTTPS required by browsers")
	consoletest.Lacks(t, page, "Transport encryption")
	consoletest.Wants(t, h.get("/checks?state=stale"), "No check is in this state")
	consoletest.Wants(t, h.get("/checks?state=Not_Met"), "[/checks?state=not_met] not met 1")
	if w, body := h.ask(http.MethodGet, "/checks?state=fine&lang=en"); w.Code != http.StatusUnprocessableEntity || !strings.Contains(consoletest.Text(t, body), "There is no such state.") {
		t.Errorf("state=fine: %d", w.Code)
	}
	w, body := h.ask(http.MethodGet, "/checks.csv?state=not_met")
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil || w.Code != http.StatusOK || len(rows) != 2 || rows[1][0] != "test.tls" || rows[1][1] != "not_met" || rows[1][2] != "fail" || rows[1][4] != "2" || rows[1][6] != "fail" {
		t.Errorf("%d %q %v", w.Code, rows, err)
	}
}

func TestCheck(t *testing.T) {
	h := open(t)
	h.apply()
	consoletest.Wants(t, h.get("/checks/test.tls"), "Looks at every endpoint.", "Nothing has been looked at yet.", "No evidence so far", "never", "0 of 2")
	h.look("test.tls")
	consoletest.Wants(t, h.get("/checks/test.tls"), "All targets are as they should be.", "ENC-1", "2 of 2", "1 minute", "Evidence holds for 5 minutes.", "stored evidence")
	consoletest.Lacks(t, h.get("/checks/test.tls"), "What is wrong", "Blind since")

	f := failing()
	f.Facts = map[string]measure.Fact{"endpoint.tls.versions": measure.List("TLS 1.2", "TLS 1.3"), "endpoint.tls.examined": measure.Count(2)}
	h.sees["test.tls"] = f
	h.look("test.tls")
	page := h.get("/checks/test.tls")
	consoletest.Wants(t, page, "What is wrong, and how to mend it", "back-office", "The endpoint accepts a version that is too old.", "Raise the lowest version to TLS 1.2.",
		"TLS 1.2, TLS 1.3", "TLS 1.1 <accepted>", "endpoint.tls.versions TLS 1.2 and TLS 1.3", "endpoint.tls.examined 2", "[/checks/test.tls/run] Run now")

	h.sees["test.tls"] = measure.Finding{Outcome: measure.Error, Failed: []measure.Item{{Target: "application", Problem: measure.ProblemTimeout}}}
	h.look("test.tls")
	page = h.get("/checks/test.tls")
	consoletest.Wants(t, page, "Blind since", "Its last clear finding was “failed”")

	h.as(actor.Reader)
	consoletest.Lacks(t, h.get("/checks/test.tls"), "Run now")
	w, body := h.ask(http.MethodPost, "/checks/test.tls/run?lang=en")
	if w.Code != http.StatusForbidden {
		t.Errorf("a reader runs a check: %d %s", w.Code, body)
	}
	for target, says := range map[string]string{"/checks/test.nothing": "no such check", "/evidence/x": "no such evidence", "/evidence/" + uuid.Must(uuid.NewV7()).String(): "no such evidence", "/runs/x": "no such run", "/runs/" + uuid.Must(uuid.NewV7()).String(): "no such run"} {
		w, body := h.ask(http.MethodGet, target+"?lang=en")
		if w.Code != http.StatusNotFound || !strings.Contains(consoletest.Text(t, body), says) {
			t.Errorf("%s: %d %s", target, w.Code, consoletest.Text(t, body))
		}
	}
	if w, _ := h.ask(http.MethodGet, "/checks/test.tls?before=x"); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("before=x: %d", w.Code)
	}
	h.auth.who = actor.Anonymous("192.0.2.1")
	for _, target := range []string{"/", "/checks", "/checks/test.tls", "/checks.csv", "/checks/test.tls/evidence.csv"} {
		if w, _ := h.ask(http.MethodGet, target); w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/sign-in") {
			t.Errorf("%s for a stranger: %d", target, w.Code)
		}
	}
}

func TestEvidencePagingAndCSV(t *testing.T) {
	h := open(t)
	h.apply()
	const looks = 30
	for i := range looks {
		h.sees["test.tls"] = measure.Finding{Outcome: measure.Pass, Scope: []string{"application", "back-office"}, Raw: fmt.Appendf(nil, `{"n":%d}`, i)}
		h.look("test.tls")
	}
	older := regexp.MustCompile(`\[(/checks/test\.tls\?before=[0-9a-f-]+)\] Older`)
	first := h.get("/checks/test.tls")
	next := older.FindStringSubmatch(first)
	if n := strings.Count(first, "[/evidence/"); n != 25 || next == nil {
		t.Fatalf("the first page has %d rows, next %q", n, next)
	}
	second := h.get(next[1])
	if n := strings.Count(second, "[/evidence/"); n != 5 || older.MatchString(second) {
		t.Errorf("the second page has %d rows", n)
	}
	w, body := h.ask(http.MethodGet, "/checks/test.tls/evidence.csv")
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil || w.Code != http.StatusOK || len(rows) != looks+1 {
		t.Fatalf("%d, %d rows, %v", w.Code, len(rows), err)
	}
	if r := rows[1]; r[1] != "test.tls" || r[3] != "pass" || r[9] != "application back-office" || r[12] != "true" || r[15] != "0.1.0-test" {
		t.Errorf("row %q", r)
	}
}

func TestEvidence(t *testing.T) {
	h := open(t)
	h.apply()
	h.sees["test.tls"] = failing()
	h.look("test.tls")
	list, err := measure.ListEvidence(context.Background(), h.db.Pool(pg.Staff), "test.tls", "", 1)
	if err != nil || len(list) != 1 {
		t.Fatal(err)
	}
	target := "/evidence/" + list[0].ID
	page := h.get(target)
	consoletest.Wants(t, page, "The digest, recomputed just now, matches", list[0].Digest, list[0].CatalogueHash, "0.1.0-test", "[/estate/1] Version 1", "first finding",
		`{ "back-office": { "versions": [ "1.1", "1.2" ] } }`, "TLS 1.1 <accepted>", "[/api/v1/evidence/"+list[0].ID+"] JSON")
	consoletest.Lacks(t, page, "DOES NOT MATCH")

	// Somebody with the database's own rights changes the row.
	conn := pgtest.Superuser(t, h.database())
	if _, err := conn.Exec(context.Background(), `UPDATE measure.evidence SET outcome = 'pass' WHERE id = $1`, list[0].ID); err != nil {
		t.Fatal(err)
	}
	page = h.get(target)
	consoletest.Wants(t, page, "THE RECOMPUTED DIGEST DOES NOT MATCH")
	consoletest.Lacks(t, page, "recomputed just now, matches")
}

// work does what the worker does with a run that was asked for.
func (h *house) work(check, run string) error {
	raw, err := json.Marshal(map[string]string{"check": check, "run": run})
	if err != nil {
		h.t.Fatal(err)
	}
	return h.runner.Jobs()[0].Work(context.Background(), raw)
}

func TestRun(t *testing.T) {
	h := open(t)
	h.apply()
	h.sees["test.tls"] = failing()
	w, _ := h.ask(http.MethodPost, "/checks/test.tls/run")
	target := w.Header().Get("Location")
	if w.Code != http.StatusSeeOther || !strings.HasPrefix(target, "/runs/") {
		t.Fatalf("%d to %q", w.Code, target)
	}
	run := strings.TrimPrefix(target, "/runs/")
	entries, err := audit.List(context.Background(), h.db.Pool(pg.Staff), audit.Filter{Action: "check.run_asked"})
	if err != nil || len(entries) != 1 || entries[0].Actor.ID != h.lead.ID {
		t.Errorf("the record: %+v, %v", entries, err)
	}

	consoletest.Wants(t, h.get(target), "Waiting", "Transport encryption", "Camille Exemple", "["+target+"] Refresh")
	_, body := h.ask(http.MethodGet, target)
	consoletest.Wants(t, body, `hx-get="`+target+`?phase=queued"`, `hx-trigger="every 1s"`, `hx-select="#run"`, `<noscript><meta http-equiv="refresh" content="2"></noscript>`)
	if w, body := h.ask(http.MethodGet, target+"?phase=queued", "HX-Request", "true"); w.Code != http.StatusNoContent || body != "" {
		t.Errorf("asked again while nothing has changed: %d", w.Code)
	}
	if w, _ := h.ask(http.MethodGet, target+"?phase=queued"); w.Code != http.StatusOK {
		t.Errorf("a reader without scripts: %d", w.Code)
	}

	h.ahead = 30 * time.Second
	if w, _ := h.ask(http.MethodGet, target+"?phase=queued", "HX-Request", "true"); w.Code != http.StatusOK {
		t.Errorf("that nobody takes the run is not told: %d", w.Code)
	}
	consoletest.Wants(t, h.get(target), "Nobody takes this run")
	h.ahead = 0

	if _, err := h.db.Pool(pg.Checker).Exec(context.Background(), "UPDATE measure.run SET started_at = clock_timestamp() WHERE id = $1", run); err != nil {
		t.Fatal(err)
	}
	consoletest.Wants(t, h.get(target), "Running", "Started")
	if w, _ := h.ask(http.MethodGet, target+"?phase=queued", "HX-Request", "true"); w.Code != http.StatusOK {
		t.Errorf("that the run has started is not told: %d", w.Code)
	}

	if err := h.work("test.tls", run); err != nil {
		t.Fatal(err)
	}
	page := h.get(target)
	consoletest.Wants(t, page, "Not everything is as it should be", "The endpoint accepts a version that is too old.", "Took", "See the evidence", "[/checks/test.tls] See the check")
	_, body = h.ask(http.MethodGet, target)
	consoletest.Lacks(t, body, "hx-get", "http-equiv")
	evidence := regexp.MustCompile(`\[(/evidence/[0-9a-f-]+)\] See the evidence`).FindStringSubmatch(page)
	if evidence == nil {
		t.Fatal("no way to the evidence")
	}
	consoletest.Wants(t, h.get(evidence[1]), "Transport encryption")
}

func TestRunOutcomes(t *testing.T) {
	h := open(t)
	h.apply()
	for name, c := range map[string]struct {
		sees measure.Finding
		says string
	}{
		"pass":  {measure.Finding{Outcome: measure.Pass, Scope: []string{"application", "back-office"}}, "Everything is as it should be"},
		"error": {measure.Finding{Outcome: measure.Error}, "The check could not look at everything"},
		// A pass over less than the scope is not a pass.
		"narrow": {measure.Finding{Outcome: measure.Pass, Scope: []string{"application"}}, "This target is declared but was not examined."},
	} {
		t.Run(name, func(t *testing.T) {
			h.sees["test.hsts"] = c.sees
			w, _ := h.ask(http.MethodPost, "/checks/test.hsts/run")
			target := w.Header().Get("Location")
			if err := h.work("test.hsts", strings.TrimPrefix(target, "/runs/")); err != nil {
				t.Fatal(err)
			}
			page := h.get(target)
			consoletest.Wants(t, page, c.says)
			if name != "pass" {
				consoletest.Lacks(t, page, "Everything is as it should be")
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		w, _ := h.ask(http.MethodPost, "/checks/test.hsts/run")
		target := w.Header().Get("Location")
		h.ahead = 10 * time.Second // the clocks disagree: nothing is stored
		if err := h.work("test.hsts", strings.TrimPrefix(target, "/runs/")); err == nil {
			t.Fatal("stored in spite of the clocks")
		}
		h.ahead = 0
		page := h.get(target)
		consoletest.Wants(t, page, "The run did not take place", "Nothing was stored.")
		consoletest.Lacks(t, page, "See the evidence")
	})
}

func TestReasonsAndProblemsHaveWords(t *testing.T) {
	msgs, err := ui.NewMessages(console.Messages(), checks.Messages())
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{measure.ReasonPass, measure.ReasonFail, measure.ReasonBlind, measure.ReasonExpired, measure.ReasonFuture, measure.ReasonNoCheck,
		measure.ReasonNoScope, measure.ReasonNoEvidence, measure.ReasonNewScope} {
		if !msgs.Has(id) {
			t.Errorf("%s has no words", id)
		}
	}
	for _, id := range []string{measure.ProblemNotExamined, measure.ProblemPanic, measure.ProblemTimeout, measure.ProblemTooLarge,
		"measure.no_check", "measure.no_estate", "measure.no_evidence", "measure.no_run", "measure.skew", "console.check.state"} {
		if !msgs.Has(id) || !msgs.Has(id+".fix") {
			t.Errorf("%s has no words, or no next step", id)
		}
	}
	for _, o := range []measure.Outcome{measure.Pass, measure.Fail, measure.Error, measure.NotApplicable} {
		if !msgs.Has("console.outcome."+string(o)) || !msgs.Has("console.run.came."+string(o)) {
			t.Errorf("the outcome %s has no words", o)
		}
	}
}
