package anonymise

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/web/browsertest"
)

// A developer's way: a migration adds a column, publication stops, the plan is extended by the lines that the page shows, and the next copy has the column.
func TestJourney(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	w := newWorld(t)
	w.section = "every: 1s\nmax_age: 10m"
	w.declare()
	h := w.house()
	h.reader.who = w.dev
	tab := browsertest.Open(t, h.front())
	look := browsertest.Look{Theme: "light", Lang: "en", Width: 1280}
	says := func(text string) string {
		return `document.querySelector("main").innerText.includes(` + browsertest.Quote(text) + `)`
	}
	// shows lets the schedule have its way until a page says something.
	shows := func(page, text string) {
		t.Helper()
		for end := time.Now().Add(3 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
			w.must(w.copies.Tend(t.Context(), "production"))
			tab.Visit(page, look)
			if browsertest.Eval[bool](tab, says(text)) {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%s never says %q:\n%s\n%s", page, text, tab.Where(), w.log.String())
			}
		}
		tab.Holds(page)
	}
	press := func(selector, then string) {
		t.Helper()
		browsertest.Eval[bool](tab, `document.querySelector(`+browsertest.Quote(selector)+`).click(), true`)
		until(tab, then, `document.readyState === "complete" && `+says(then))
		tab.Holds(then)
	}

	shows(Path, "up to date")

	pgtest.Exec(t, w.source, `ALTER TABLE person ADD COLUMN mobile text; UPDATE person SET mobile = '+32 470 55 ' || to_char(id, 'FM00') || ' 01'`)
	shows(Path, "stopped")
	press(".copies-card p a", "What the plan does not say")
	lines := browsertest.Eval[string](tab, `document.querySelector(".copies-questions code:not(p code)").textContent`)
	_, lines, ok := strings.Cut(lines, "  public.person:\n    columns:\n")
	if !ok || !strings.Contains(lines, "mobile:") {
		t.Fatalf("the page shows as lines to add:\n%s", lines)
	}
	last, err := lastRun(t.Context(), w.db.Pool(pg.Staff), "production", Published)
	w.must(err)
	if now := w.served(); now.Run != last.Run {
		t.Errorf("served is %+v, and not what was published last", now)
	}

	w.plan = strings.Replace(w.plan, "      photo:", lines+"\n      photo:", 1)
	w.declare()
	shows(Path, "up to date")
	press(".copies-card .button-primary", "What changed in the schema")
	if !browsertest.Eval[bool](tab, says("public.person.mobile")) {
		t.Errorf("the page does not tell of the new column:\n%s", tab.Where())
	}
	press(`form[action$="/reveal"] button`, "Password of")
	address := browsertest.Eval[string](tab, `[...document.querySelectorAll("main code")].map(c => c.textContent).find(c => c.startsWith("export DATABASE_URL="))`)
	address = strings.Trim(strings.TrimPrefix(address, "export DATABASE_URL="), "'")
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatalf("the address on the page does not open the copy: %v", err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	mobiles := func(on *pgx.Conn) map[string]bool {
		rows, err := on.Query(t.Context(), `SELECT mobile FROM person WHERE mobile LIKE '+32%'`)
		w.must(err)
		list, err := pgx.CollectRows(rows, pgx.RowTo[string])
		w.must(err)
		if len(list) != 60 {
			t.Errorf("%d of 60 have a number", len(list))
		}
		out := map[string]bool{}
		for _, m := range list {
			out[m] = true
		}
		return out
	}
	known := mobiles(w.source)
	for m := range mobiles(conn) {
		if known[m] {
			t.Error("a number of production is in the copy")
		}
	}
}
