package auditlog

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/search"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/engine/auditlog/ship"
	"github.com/garant-project/garant/internal/engine/auditlog/stream"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/console/consoletest"
	"github.com/garant-project/garant/internal/web/signin"
	"github.com/garant-project/garant/internal/web/ui"
)

// signed signs everybody in as one actor.
type signed struct{ who actor.Actor }

func (a *signed) Authenticate(*http.Request) (actor.Actor, error) { return a.who, nil }

// seen is how checks stand.
type seen []measure.CheckStatus

func (s seen) Statuses(context.Context) ([]measure.CheckStatus, error) { return s, nil }

// house is the pages in the console.
type house struct {
	*world
	reader *signed
	site   *web.Site
	estate *estate.Estate
	checks seen
}

func (w *world) house() *house {
	w.t.Helper()
	brussels, err := time.LoadLocation("Europe/Brussels")
	if err != nil {
		w.t.Fatal(err)
	}
	messages, err := ui.NewMessages(console.Messages(), signin.Messages(), Messages(), stream.Messages(), ship.Messages())
	if err != nil {
		w.t.Fatal(err)
	}
	c := &console.Chrome{Messages: messages, Company: func(context.Context) string { return "Ardoise Mécénat" }, Zone: func(context.Context) *time.Location { return brussels }}
	h := &house{world: w, reader: &signed{lead}, estate: &estate.Estate{Company: estate.Company{Name: "Ardoise Mécénat"}}}
	h.reader.who.Name = "Camille Exemple"
	w.log.View = func(context.Context) (measure.View, error) { return measure.View{Estate: h.estate}, nil }
	dir, err := directory.New(directory.Config{Staff: w.db.Pool(pg.Staff), Login: w.db.Pool(pg.Login), Box: w.log.Box, Policy: directory.DefaultPolicy()})
	if err != nil {
		w.t.Fatal(err)
	}
	routes, err := console.Pages(c, console.Deps{DB: w.db, Directory: dir, Box: w.log.Box, LinkURL: func(string) string { return "" }})
	if err != nil {
		w.t.Fatal(err)
	}
	more, err := Pages(c, w.log, h)
	if err != nil {
		w.t.Fatal(err)
	}
	routes = append(routes, append(more, web.Route{Pattern: "GET /static/", Permission: web.Public, Handler: web.Serve(ui.Static())})...)
	c.Serves(routes)
	h.site, err = web.NewSite(web.Config{Name: "console", Hosts: []string{"admin.localhost"}, Routes: routes, Auth: h.reader, SignInPath: "/sign-in", ErrorPage: c.Error,
		Languages: []string{"fr", "en"}, Log: slog.New(slog.DiscardHandler), Metrics: web.NewMetrics(), Now: w.now})
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

// Statuses implements Checked.
func (h *house) Statuses(ctx context.Context) ([]measure.CheckStatus, error) {
	return h.checks.Statuses(ctx)
}

func (h *house) ask(method, target string, form url.Values) (*httptest.ResponseRecorder, string) {
	h.t.Helper()
	w := consoletest.Ask(h.t, h.site, method, target, form)
	text := w.Body.String()
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		text = consoletest.Text(h.t, strings.ReplaceAll(text, "\u00a0", " "))
	}
	return w, text
}

// get expects a page in both languages and returns the English one.
func (h *house) get(target string) (page string) {
	h.t.Helper()
	for _, lang := range []string{"fr", "en"} {
		sep := "?"
		if strings.Contains(target, "?") {
			sep = "&"
		}
		w, text := h.ask(http.MethodGet, target+sep+"lang="+lang, nil)
		if w.Code != http.StatusOK {
			h.t.Fatalf("GET %s in %s: %d\n%s", target, lang, w.Code, text)
		}
		page = text
	}
	return page
}

// found keeps what entries are found by.
func (w *world) found() {
	w.t.Helper()
	if err := (&search.Keeper{DB: w.db, Log: slog.New(slog.DiscardHandler)}).Drain(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

// declared is an estate with a second account and streams.
func declared() *estate.Estate {
	return &estate.Estate{Company: estate.Company{Name: "Ardoise Mécénat"}, AuditKeep: 3 * 365 * 24 * time.Hour,
		AuditCopies: []estate.AuditCopy{{Region: "eu-west-3", Bucket: "ardoise-log", Prefix: "garant", MaxLag: 5 * time.Second}},
		Streams:     []estate.Stream{{Name: "siem", Kind: estate.SyslogStream}, {Name: "archive", Kind: estate.S3Stream}}}
}

// From a record that was never put in order to one whose copy fails.
func TestHealthPage(t *testing.T) {
	w := newWorld(t)
	h := w.house()
	consoletest.Wants(t, h.get(Path), "Nothing was ever put in order", "Everything fits", "No second account is declared", "No stream is declared", "everything is kept")
	w.write("thing.changed")
	w.drain()
	w.found()
	page := h.get(Path)
	consoletest.Wants(t, page, "trust.example.com/log", "Writing now 1", "1 entry in seven days", "no witness", "Key to pin", "0 entries behind", "[/record]")
	key := ""
	w.scan(&key, `SELECT key FROM audit.generation`)
	consoletest.Wants(t, page, key)

	h.estate = declared()
	w.exec(`INSERT INTO auditlog.stream (name, position, sent, sent_at, failed_since, problem, said) VALUES ('siem', 1, 1, now(), now() - interval '3 minutes', 'auditlog.stream_no_answer', 'x')`)
	w.exec(`INSERT INTO auditlog.replica (place, put_at, failing, why, fix, bytes, objects, segments) VALUES ('s3.eu-west-3/ardoise-log/garant', now() - interval '2 hours', now() - interval '1 hour', 'The bucket refuses.', 'Ask why.', 123456, 12, 4)`)
	w.exec(`INSERT INTO auditlog.collected (database, events, collected_at, waiting, oldest) VALUES ('shop', 1234, now(), 3, '4 seconds')`)
	w.exec(`INSERT INTO audit.cosignature (tree, size, witness, line, at) SELECT tree, size, 'fiduciary', 'x', now() FROM audit.checkpoint ORDER BY size DESC LIMIT 1`)
	w.exec(`INSERT INTO audit.dropped (part, before, seq, entries, tree, size) VALUES ('2023-11', now() - interval '3 years', 0, 48211, 1, 9)`)
	h.checks = seen{{Check: measure.Check{ID: "auditlog.system_logs"}, State: measure.NotMet, Scope: []string{"logs:hosts"}, Current: &measure.Current{ObservedAt: w.now(), Finding: measure.Finding{
		Outcome: measure.Fail, Failed: []measure.Item{{Target: "logs:hosts", Problem: "auditlog.logs.not_found"}},
		Facts: map[string]measure.Fact{"auditlog.system_logs.slowest": measure.Span(2 * time.Second), "auditlog.system_logs.agreed": measure.Span(time.Minute)}}}}}
	page = h.get(Path)
	consoletest.Wants(t, page, "The bucket refuses. Ask why.", "failing for 1 h", "The receiver does not answer.", "siem", "archive", "not begun", "shop", "1,234", "the oldest for 4 s", "fiduciary", "witnessed", "2023-11", "48,211", "3 years", "logs:hosts", "2 s", "not met")

	w.ahead = 10 * time.Minute
	consoletest.Wants(t, h.get(Path), "stopped")
	h.reader.who = actor.Actor{Kind: actor.Person, ID: uuid.NewString(), Permissions: actor.Member.Permissions()}
	if w, _ := h.ask(http.MethodGet, Path, nil); w.Code != http.StatusForbidden {
		t.Errorf("a member: %d", w.Code)
	}
}

func (w *world) scan(to any, sql string) {
	w.t.Helper()
	if err := w.super.QueryRow(context.Background(), sql).Scan(to); err != nil {
		w.t.Fatal(err)
	}
}

// An anomaly is shown until somebody says what it was, and their word stays beside it.
func TestAnomaliesAreAnswered(t *testing.T) {
	w := newWorld(t)
	h := w.house()
	w.write("thing.changed")
	w.exec(`UPDATE audit.entry SET object_id = '2' WHERE id = 1`)
	w.drain()
	page := h.get(Path)
	consoletest.Wants(t, page, "An entry that is not as its writer signed it", "entry 1", "to be answered", "2 are to be answered", "writer ")
	var id int64
	w.scan(&id, `SELECT id FROM audit.anomaly WHERE kind = 'forged'`)
	action := fmt.Sprintf("%s/anomalies/%d", Path, id)
	for _, word := range []string{" ", strings.Repeat("é", 2001), strings.Repeat("…", 1400), "a\x00b", "\xff"} {
		if w, page := h.ask(http.MethodPost, action+"?lang=en", url.Values{"reason": {word}}); w.Code != http.StatusUnprocessableEntity || !strings.Contains(page, "What you found out is missing, or too long.") {
			t.Errorf("%.10q: %d %s", word, w.Code, page)
		}
	}
	h.reader.who = reader
	if w, _ := h.ask(http.MethodPost, action, url.Values{"reason": {"x"}}); w.Code != http.StatusForbidden {
		t.Errorf("a reader: %d", w.Code)
	}
	consoletest.Lacks(t, h.get(Path), "Say what it was")
	h.reader.who = lead
	if w, _ := h.ask(http.MethodPost, action, url.Values{"reason": {"A restore drill on the wrong machine."}}); w.Code != http.StatusSeeOther || w.Header().Get("Location") != fmt.Sprintf("%s?done=anomaly_answered#anomaly-%d", Path, id) {
		t.Errorf("%d %s", w.Code, w.Header().Get("Location"))
	}
	w.scan(&id, `SELECT id FROM audit.anomaly WHERE kind = 'missing'`) // the number that was recorded is the one that is not there as signed
	consoletest.Wants(t, h.get(Path), "1 is to be answered", "Say what it was")
	if w, _ := h.ask(http.MethodPost, fmt.Sprintf("%s/anomalies/%d", Path, id), url.Values{"reason": {strings.Repeat("é", 1998) + "\r\né"}}); w.Code != http.StatusSeeOther { // as many characters as the field takes
		t.Error(w.Code)
	}
	page = h.get(Path + "?done=anomaly_answered")
	consoletest.Wants(t, page, "A restore drill on the wrong machine.", "answered", "is an entry of the audit log")
	consoletest.Lacks(t, page, "to be answered", "Say what it was")
	if w, _ := h.ask(http.MethodPost, Path+"/anomalies/99999", url.Values{"reason": {"x"}}); w.Code != http.StatusNotFound {
		t.Errorf("of none: %d", w.Code)
	}
	for range 25 {
		w.exec(`INSERT INTO audit.anomaly (kind, about) VALUES ('something_new', gen_random_uuid()::text)`)
	}
	consoletest.Wants(t, h.get(Path), "something_new", "[/record/log?before=")
	if w, _ := h.ask(http.MethodGet, Path+"?before=x", nil); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("of no place: %d", w.Code)
	}
}

// The bundle verifies with the key of the log alone, and that it was made is an entry.
func TestBundleIsDownloaded(t *testing.T) {
	w := newWorld(t)
	h := w.house()
	if w, page := h.ask(http.MethodPost, Path+"/bundle?lang=en", url.Values{}); w.Code == http.StatusOK || !strings.Contains(page, "no such tree") {
		t.Errorf("of no log: %d %s", w.Code, page)
	}
	w.write("thing.changed")
	w.write("thing.removed")
	w.drain()
	answer, _ := h.ask(http.MethodPost, Path+"/bundle", url.Values{})
	if answer.Code != http.StatusOK || !strings.HasPrefix(answer.Header().Get("Content-Disposition"), `attachment; filename="audit-log-`) {
		t.Fatal(answer.Code, answer.Header())
	}
	var key string
	w.scan(&key, `SELECT key FROM audit.generation`)
	report, err := merkle.VerifyBundle(answer.Body, merkle.Pins{Logs: []string{key}, Tree: "company"})
	if err != nil || !report.Holds || report.Trust != merkle.Pinned {
		t.Fatalf("%v: %+v", err, report)
	}
	list, err := audit.List(t.Context(), w.db.Pool(pg.Staff), audit.Filter{Action: "record.bundle_exported"})
	if err != nil || len(list) != 1 || list[0].Actor.ID != lead.ID {
		t.Errorf("%+v, %v", list, err)
	}
}
