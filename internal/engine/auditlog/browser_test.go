package auditlog

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web/browsertest"
	"github.com/garant-project/garant/internal/web/ui"
)

// front serves the console whatever name the browser came by.
func (h *house) front() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/static/", ui.Static())
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		r.Host = "admin.localhost"
		h.site.ServeHTTP(rw, r)
	})
	return mux
}

// rich fills the record with something of everything, and returns the pages that show it.
func (h *house) rich() map[string]string {
	h.t.Helper()
	text := func(s string) *string { return &s }
	tenant := uuid.NewString()
	on := audit.Object{Kind: "application.person", ID: "019ac3d1-7c1b-7d2e-9f00-0123456789ab"}
	events := []audit.Event{
		{By: lead, Action: "estate.applied", On: audit.Object{Kind: "estate", ID: "4"}, Detail: map[string]any{"changes": 2, "hash": strings.Repeat("ab", 32)}},
		{By: actor.Actor{Kind: actor.User, ID: "agent-7", Origin: "198.51.100.7"}, Tenant: tenant, Action: "record.updated", On: on, Reason: "Déménagement annoncé par téléphone, confirmé par courrier le lendemain", Request: "req-8842",
			Detail: map[string]any{"table": "public.person"}, Subject: "person:17", Changes: []audit.Change{{Field: "street", Before: text("Rue Longue 1"), After: text("Quai Neuf 2, bâtiment C")}, {Field: "phone", After: text("0470 11 22 33")}}},
		{By: actor.NewSystem("runner"), Refused: true, Action: "request.refused", On: audit.Object{Kind: strings.Repeat("x", 40), ID: strings.Repeat("y", 200)}, Detail: map[string]any{"permission": "persons:change"}},
		{By: actor.Actor{Kind: actor.User, ID: "agent-7"}, Tenant: tenant, Action: "record.updated", On: on, Subject: "person:18", Changes: []audit.Change{{Field: "street", After: text("x")}}, Occurred: h.now().Add(-time.Hour)},
	}
	for _, e := range events {
		if err := pg.InTx(h.t.Context(), h.db.Pool(pg.Staff), func(tx pgx.Tx) error { return audit.Write(h.t.Context(), tx, e) }); err != nil {
			h.t.Fatal(err)
		}
		h.drain()
	}
	h.write("thing.changed")
	h.exec(`UPDATE audit.entry SET object_id = '2' WHERE action = 'thing.changed'`)
	h.drain()
	h.found()
	if err := pg.InTx(h.t.Context(), h.db.Pool(pg.Staff), func(tx pgx.Tx) error { _, err := h.log.Box.Forget(h.t.Context(), tx, "person:18"); return err }); err != nil {
		h.t.Fatal(err)
	}
	h.exec(`INSERT INTO audit.hour SELECT date_trunc('hour', now()) - n * interval '1 hour', 40 + (100 * (1 + sin(n / 4.0)))::int + n % 7, n % 5, 1, 1 FROM generate_series(1, 150) AS n ON CONFLICT DO NOTHING`)
	h.exec(`INSERT INTO audit.anomaly (kind, about) VALUES ('missing', 'writer 019ac3d1-7c1b-7d2e-9f00-0123456789ab, numbers 12 to 14')`)
	list, err := unanswered(h.t.Context(), h.db.Pool(pg.Staff), h.log.Box, 10)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, a := range list {
		if a.Kind != sequence.Missing {
			continue
		}
		if err := h.log.Acknowledge(h.t.Context(), lead, a.ID, "La machine virtuelle a été arrêtée net pendant un essai de restauration ; les entrées sont dans le second compte."); err != nil {
			h.t.Fatal(err)
		}
	}
	h.estate = declared()
	h.exec(`INSERT INTO auditlog.stream (name, position, sent, sent_at, failed_since, problem, said) VALUES ('siem', 1, 128044, now(), now() - interval '3 minutes', 'auditlog.stream_no_answer', 'x'), ('archive', 1, 9, now(), NULL, '', '')`)
	h.exec(`INSERT INTO auditlog.replica (place, put_at, compared_at, bytes, objects, segments) VALUES ('s3.eu-west-3/ardoise-log/garant', now(), now(), 123456789, 12044, 4)`)
	h.exec(`INSERT INTO auditlog.collected (database, events, collected_at, waiting, oldest) VALUES ('shop', 1234, now(), 3, '4 seconds')`)
	h.exec(`INSERT INTO audit.cosignature (tree, size, witness, line, at) SELECT tree, size, 'fiduciary', '', now() FROM audit.checkpoint ORDER BY size LIMIT 1`)
	h.exec(`INSERT INTO audit.dropped (part, before, seq, entries, tree, size) VALUES ('2023-11', now() - interval '3 years', 0, 48211, 1, 9)`)
	h.checks = seen{{Check: measure.Check{ID: "auditlog.system_logs"}, State: measure.Met, Scope: []string{"logs:hosts"}, Current: &measure.Current{ObservedAt: h.now(), Finding: measure.Finding{Outcome: measure.Pass,
		Facts: map[string]measure.Fact{"auditlog.system_logs.slowest": measure.Span(2 * time.Second), "auditlog.system_logs.agreed": measure.Span(time.Minute)}}}}}
	number := func(action string) (id int64) {
		h.scan(&id, `SELECT max(id) FROM audit.entry WHERE action = '`+action+`'`)
		return id
	}
	return map[string]string{
		"record": "/record", "record-filtered": "/record?text=demenagement&action=record.updated", "record-none": "/record?text=nichts", "story": "/record/object?kind=application.person&id=" + on.ID,
		"entry": fmt.Sprintf("/record/entry/%d", number("estate.applied")), "entry-altered": fmt.Sprintf("/record/entry/%d", number("thing.changed")), "health": Path,
	}
}

// axe finds nothing to say, in either theme, on a wide window and on a phone; and no page is wider than its window (WCAG 2.2, 1.4.10).
func TestAccessibility(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	w := newWorld(t)
	h := w.house()
	tab := browsertest.Open(t, h.front())
	tab.Accessible(map[string]string{"health-first": Path}, browsertest.Looks()...)
	pages := h.rich()
	h.exec(`UPDATE audit.entry SET object_id = '3' WHERE action = 'thing.changed'`) // after it was put in order
	tab.Accessible(pages, browsertest.Looks()...)

	look := browsertest.Look{Theme: "light", Lang: "fr", Width: 1280}
	tab.Visit(pages["story"], look)
	browsertest.Eval[bool](tab, `document.querySelector('form[action="/record/object"] button').click(), true`)
	until(tab, `document.body.innerText.includes("Quai Neuf")`)
	tab.Holds("story-opened")
	if dir := os.Getenv(browsertest.PreviewVariable); dir != "" {
		tab.Picture(filepath.Join(dir, "story-opened.png"))
	}

	// The newest page follows by itself.
	tab.Visit("/record?action=thing.removed", look)
	h.write("thing.removed")
	until(tab, `document.querySelectorAll(".record-entries tbody tr").length === 1`)
}

// until waits for what a script says of the page.
func until(b *browsertest.Tab, script string) {
	b.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if so, err := browsertest.Try[bool](b, script); err == nil && so {
			return
		}
		if time.Now().After(end) {
			b.Fatalf("never: %s\n%s", script, b.Where())
		}
	}
}
