package anonymise

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/console/consoletest"
	"github.com/garant-project/garant/internal/web/signin"
	"github.com/garant-project/garant/internal/web/ui"
)

// reader signs everybody in as one actor.
type reader struct{ who actor.Actor }

func (a *reader) Authenticate(*http.Request) (actor.Actor, error) { return a.who, nil }

// house is the pages in the console.
type house struct {
	*world
	reader *reader
	site   *web.Site
}

func (w *world) house() *house {
	w.t.Helper()
	brussels, err := time.LoadLocation("Europe/Brussels")
	w.must(err)
	messages, err := ui.NewMessages(console.Messages(), signin.Messages(), Messages())
	w.must(err)
	c := &console.Chrome{Messages: messages, Company: func(context.Context) string { return "Ardoise Mécénat" }, Zone: func(context.Context) *time.Location { return brussels }}
	h := &house{world: w, reader: &reader{w.lead}}
	routes, err := Pages(c, w.copies)
	w.must(err)
	routes = append(routes, web.Route{Pattern: "GET /static/", Permission: web.Public, Handler: web.Serve(ui.Static())}, web.Route{Pattern: "GET /due", Permission: web.Public, Handler: func(rw http.ResponseWriter, r *web.Request) error {
		list, err := c.Due(r, c.Printer(r))
		for _, d := range list {
			_, _ = io.WriteString(rw, strings.Join([]string{d.What, d.Href, d.Why, d.Next, d.Whom}, " ")+"\n")
		}
		return err
	}})
	routes = append(routes, web.Route{Pattern: "GET /told", Permission: web.Public, Handler: func(rw http.ResponseWriter, r *web.Request) error {
		told, err := c.Told(r)
		for id := range told {
			_, _ = io.WriteString(rw, id)
		}
		return err
	}})
	api := web.NewAPI("Garant", "test")
	w.copies.AddAPI(api)
	h.site, err = web.NewSite(web.Config{Name: "console", Hosts: []string{"admin.localhost"}, Routes: append(routes, api.Routes()...), Auth: h.reader, SignInPath: "/sign-in", ErrorPage: c.Error,
		Languages: []string{"fr", "en"}, Log: slog.New(slog.NewJSONHandler(w, nil)), Metrics: web.NewMetrics(), Now: w.now})
	w.must(err)
	return h
}

// in adds a language to an address.
func in(lang, target string) string {
	if strings.Contains(target, "?") {
		return target + "&lang=" + lang
	}
	return target + "?lang=" + lang
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
		w, text := h.ask(http.MethodGet, in(lang, target), nil)
		if w.Code != http.StatusOK {
			h.t.Fatalf("GET %s in %s: %d\n%s\n%s", target, lang, w.Code, text, h.log.String())
		}
		page = text
	}
	return page
}

// send posts a form and expects a status; it returns what the page says, or where it leads.
func (h *house) send(target string, want int, pairs ...string) string {
	h.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	w, text := h.ask(http.MethodPost, in("en", target), form)
	if w.Code != want {
		h.t.Fatalf("POST %s: %d, want %d\n%s", target, w.Code, want, text)
	}
	if want == http.StatusSeeOther {
		return w.Header().Get("Location")
	}
	return text
}

// fresh has a copy published whose data are of the world's clock: a run reads that of the machine.
func (w *world) fresh() *Run {
	w.t.Helper()
	r := w.published()
	pgtest.Exec(w.t, w.garantConn(), `UPDATE anonymise.run SET snapshot_at = began_at WHERE id = '`+r.ID.String()+`'`)
	return r
}

// garantConn is a connection to Garant's own database, as the superuser.
func (w *world) garantConn() *pgx.Conn {
	w.t.Helper()
	return w.connect(running.main, w.db.Pool(pg.Staff).Config().ConnConfig.Database)
}

const one = Path + "/production"

// From nothing to a copy, to a migration that stops the next, to the copy after the plan was extended.
func TestPages(t *testing.T) {
	w := newWorld(t)
	h := w.house()
	declared := w.estate
	w.estate = nil
	consoletest.Wants(t, h.get(Path), "No database is copied yet", "[/estate] See the estate")
	w.estate = declared
	consoletest.Wants(t, h.get(Path), "[/copies/production] production", "none yet", "never", "due now", w.name)
	consoletest.Wants(t, h.get(one), "No copy yet", "No run yet", "Nothing was destroyed yet")
	consoletest.Wants(t, h.get(one+"/developers"), "There is no copy yet", "No password was issued yet")

	pgtest.Exec(t, w.source, `ALTER TABLE purchase ADD COLUMN placed timestamptz NOT NULL DEFAULT now()`)
	w.plan = strings.Replace(shopPlan, "what: keep text", "what: keep text\n      placed: keep timestamp with time zone", 1)
	w.declare()
	first := w.fresh()
	consoletest.Wants(t, h.get(Path), "up to date", "pseudonymised", "kept value", "at most 3 hours", "[/copies/production/developers] Connect to the copy", "1 run since", "1 published")
	consoletest.Wants(t, h.get(one), "the schedule", "published", "proven, pseudonymised", "120", "Vacuum held back")
	page := h.get(runPath("production", first.ID))
	consoletest.Wants(t, page, "The copy was proven and published", "holds 120 rows in 2 tables", "2 of 2 tables are equal", "holds 0 found in", "holds 266 of 266 found", "holds 1 table measured", "a time of day stays as it is", "public.purchase.placed",
		"public.person", "born", "of 3 required", "What leads back to production", "Rows are replaced and carried over", "the plan in force", first.Proof, "public.purchase 60 60 60", "Everything is proven")
	consoletest.Lacks(t, page, "Values that got through", "What the scan did not see", "What stopped it")
	if h.get(one+"?watch="+first.ID.String()) == "" {
		t.Error("no page")
	}
	consoletest.Wants(t, h.get(one+"?watch="+first.ID.String()), "The run has ended: published")

	// A migration stops the next run.
	pgtest.Exec(t, w.source, `ALTER TABLE person ADD COLUMN mobile text`)
	w.ahead = 2 * time.Hour
	stopped := w.tend()
	consoletest.Wants(t, h.get(Path), "stopped", "The copy before is still served", "[/copies/production/runs/"+stopped.ID.String()+"] See why", "2 h")
	consoletest.Wants(t, h.get(one), "The last run was stopped", "1 open question")
	consoletest.Wants(t, h.get(runPath("production", stopped.ID)), "The run was stopped, and nothing was published", "The plan leaves open", "public.person.mobile", "public.person: columns: mobile:", "garant anonymise plan --database env:TEST_DATABASE_URL --no-samples --diff", "garant estate apply")
	for who, want := range map[*actor.Actor]string{&w.lead: "Copies of production: nothing new is published /copies/production/runs/" + stopped.ID.String(), &w.dev: "Developer and Security lead"} {
		h.reader.who = *who
		if w, _ := h.ask(http.MethodGet, "/due?lang=en", nil); !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s is not told: %s", who.Name, w.Body)
		}
	}
	h.reader.who = w.lead
	if w, _ := h.ask(http.MethodGet, "/told?lang=en", nil); w.Body.String() != "anonymise.copied" {
		t.Errorf("the check is told beside it: %q", w.Body)
	}
	w.ahead = 4 * time.Hour
	consoletest.Wants(t, h.get(Path), "too old")
	consoletest.Wants(t, h.get(one), "The copy is too old", "The last run was stopped")

	w.plan = strings.Replace(w.plan, "      photo:", "      mobile: {class: identifier, kind: phone, transform: phone, type: text}\n      photo:", 1)
	w.declare()
	second := w.fresh()
	consoletest.Wants(t, h.get(Path), "up to date", "2 published", "1 stopped")
	consoletest.Wants(t, h.get(one+"/developers"), "What changed in the schema", "public.person.mobile – text", "[/copies/production/runs/"+second.ID.String()+"] Copy of")
	if w, _ := h.ask(http.MethodGet, "/due?lang=en", nil); w.Body.Len() > 0 {
		t.Errorf("somebody is still told: %s", w.Body)
	}
	w.ahead *= 2
	w.fresh()
	consoletest.Wants(t, h.get(one), w.name+"_old_", "a newer one took its place")

	// A run under way.
	pgtest.Exec(t, w.garantConn(), `INSERT INTO anonymise.run (id, database, name, origin, plan, began_at, heard_at, stage, tables, rows, bytes, bytes_all)
VALUES ('01900000-0000-7000-8000-000000000001', 'production', 'x', 'schedule', sha256(''), now() + interval '9 hours', now() + interval '9 hours', 'copy', 'public.person', 1234567, 700000000, 1400000000)`)
	w.ahead = 9*time.Hour + 2*time.Second
	consoletest.Wants(t, h.get(one), "A run is under way", "step 3 of 5", "700 MB of 1.4 GB, 50%", "1,234,567", "public.person")
	raw, _ := h.ask(http.MethodGet, one+"?lang=en", nil)
	if !strings.Contains(raw.Body.String(), `hx-get="/copies/production?watch=01900000-0000-7000-8000-000000000001"`) {
		t.Error("the page does not watch the run")
	}
	consoletest.Wants(t, h.get(Path), "under way")
	consoletest.Wants(t, h.get(runPath("production", uuid.MustParse("01900000-0000-7000-8000-000000000001"))), "Rows are replaced and carried over", "step 3 of 5")
	pgtest.Exec(t, w.garantConn(), `UPDATE anonymise.run SET outcome = 'lost', code = 'anonymise.lost', said = 'gone', ended_at = began_at WHERE outcome = 'running'`)
	consoletest.Wants(t, h.get(runPath("production", uuid.MustParse("01900000-0000-7000-8000-000000000001"))), "The run was cut off, and nothing was published", "gone")
	for _, bad := range []string{Path + "/other", Path + "/other/plan", Path + "/other/developers", one + "/runs/x", one + "/runs/01900000-0000-7000-8000-00000000000f"} {
		if w, _ := h.ask(http.MethodGet, bad, nil); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", bad, w.Code)
		}
	}
}

// What a person may see and do goes by their permissions, and a look at a password is recorded.
func TestPagePermissions(t *testing.T) {
	w := newWorld(t)
	w.published()
	h := w.house()
	h.reader.who = w.dev
	page := h.get(one + "/developers")
	consoletest.Wants(t, page, "psql 'postgres://"+w.role()+"@127.0.0.1:", "[/copies] Copies", "Show the password", "sslrootcert", "May be called anonymised")
	consoletest.Lacks(t, page, "Replace the password", "[/checks]", "[/estate]", "[/people]")
	for _, target := range []string{Path, one, one + "/plan"} {
		h.get(target)
	}
	shown := h.send(one+"/developers/reveal", http.StatusOK, "role", w.role())
	rec, _ := h.ask(http.MethodPost, one+"/developers/reveal?lang=fr", url.Values{"role": {w.role()}})
	if rec.Header().Get("Cache-Control") != "no-store" {
		t.Error("a password may be kept by a cache")
	}
	address := strings.Trim(strings.Fields(shown[strings.Index(shown, "export DATABASE_URL="):])[1], "'")
	address = strings.TrimPrefix(address, "DATABASE_URL='")
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatalf("the address that is shown does not open the copy: %v", err)
	}
	var n int
	w.must(conn.QueryRow(t.Context(), `SELECT count(*) FROM person`).Scan(&n))
	w.must(conn.Close(t.Context()))
	if n != 60 {
		t.Errorf("the copy has %d persons", n)
	}
	entries, err := audit.List(t.Context(), w.db.Pool(pg.Staff), audit.Filter{Object: object("production"), Action: "credential.read", Limit: 10})
	w.must(err)
	if len(entries) != 2 || entries[0].Actor.ID != w.dev.ID || entries[0].Detail["role"] != w.role() {
		t.Errorf("recorded are %+v", entries)
	}
	if w, _ := h.ask(http.MethodPost, one+"/developers/rotate", url.Values{"role": {w.role()}}); w.Code != http.StatusForbidden {
		t.Errorf("a developer replaces a password: %d", w.Code)
	}
	if w, _ := h.ask(http.MethodPost, one+"/developers/reveal", url.Values{"role": {"copier"}}); w.Code != http.StatusNotFound {
		t.Errorf("the password of another role: %d", w.Code)
	}

	h.reader.who = w.lead
	consoletest.Wants(t, h.send(one+"/developers/rotate", http.StatusUnprocessableEntity, "role", w.role()), "Tick this to replace the password.")
	if to := h.send(one+"/developers/rotate", http.StatusSeeOther, "role", w.role(), "sure-r-"+hexOf(sum(w.role())), "1"); to != one+"/developers?done=copies_rotated" {
		t.Error(to)
	}
	consoletest.Wants(t, h.get(one+"/developers?done=copies_rotated"), "The password has been replaced.")
	if _, err := pgx.Connect(t.Context(), address); err == nil {
		t.Error("the password before still opens the copy")
	}

	h.reader.who.Permissions = actor.Reader.Permissions()
	consoletest.Lacks(t, h.get(one+"/developers"), "Show the password", "Replace the password")
	if w, _ := h.ask(http.MethodPost, one+"/developers/reveal", url.Values{"role": {w.role()}}); w.Code != http.StatusForbidden {
		t.Errorf("a reader sees a password: %d", w.Code)
	}
	h.reader.who.Permissions = actor.Member.Permissions()
	for _, target := range []string{Path, one, one + "/plan", one + "/developers"} {
		if w, _ := h.ask(http.MethodGet, target, nil); w.Code != http.StatusForbidden {
			t.Errorf("a member reads %s: %d", target, w.Code)
		}
	}
	if w, _ := h.ask(http.MethodGet, web.APIPath+"/copies/production", nil); w.Code != http.StatusForbidden {
		t.Errorf("a member's program reads: %d", w.Code)
	}
}

// Programs ask how old a copy is.
func TestAPI(t *testing.T) {
	w := newWorld(t)
	h := w.house()
	h.reader.who = w.dev
	if w, _ := h.ask(http.MethodGet, web.APIPath+"/copies/production", nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"state":"none"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	r := w.published()
	w.ahead = time.Minute
	got, _ := h.ask(http.MethodGet, web.APIPath+"/copies/production", nil)
	for _, want := range []string{`"state":"served"`, `"name":"` + w.name + `"`, `"run":"` + r.ID.String() + `"`, `"anonymised":true`, `"age_seconds":6`, `"max_age_seconds":10800`} {
		if !strings.Contains(got.Body.String(), want) {
			t.Errorf("%s is not in %s", want, got.Body)
		}
	}
	if w, _ := h.ask(http.MethodGet, web.APIPath+"/copies/other", nil); w.Code != http.StatusNotFound {
		t.Errorf("%d", w.Code)
	}
}

// A waiting change, and names that others chose.
func TestPagesOfHostileNames(t *testing.T) {
	w := newWorld(t)
	w.plan = shopPlan + "\n"
	w.plan = strings.Replace(w.plan, "  public.purchase:", `  '"<b>"."Ta ble''&amp;"':
    reason: "<script>alert(1)</script>"
    columns:
      '<i>x</i>': {class: harmless, kind: none, transform: keep, type: text, question: '<img src=x onerror=alert(1)>'}
      doc:
        class: free_text
        kind: text
        transform: json
        type: jsonb
        paths:
          '"<u>a.b"': phone
          list[].who: {transform: full_name}
          '*': suppress
  public.purchase:`, 1)
	w.declare()
	h := w.house()
	page := h.get(one + "/plan")
	consoletest.Wants(t, page, `"<b>"."Ta ble'&amp;"`, "<i>x</i>", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", `"<u>a.b"`, "1 question is open")
	raw, _ := h.ask(http.MethodGet, one+"/plan?lang=en", nil)
	for _, never := range []string{"<script>alert", "<img", "<u>", "<i>x"} {
		if strings.Contains(raw.Body.String(), never) {
			t.Errorf("the page has the element %s", never)
		}
	}
	r := w.tend()
	if r.Outcome != Stopped {
		t.Fatalf("the run is %s", r.Outcome)
	}
	consoletest.Wants(t, h.get(runPath("production", r.ID)), `"<b>"."Ta ble'&amp;"`)
	w.pending = pendingPlan("production")
	consoletest.Wants(t, h.get(one), "Waits for a second person", "[/estate] See what waits")
	consoletest.Wants(t, h.get(one+"/plan"), "Waits for a second person")
	consoletest.Wants(t, h.get(Path), "waits for a second person", "after a second person’s word")
}

// A plan that cannot be read says why.
func TestPageOfABrokenPlan(t *testing.T) {
	w := newWorld(t)
	w.plan = strings.Replace(shopPlan, "transform: email", "transform: nonsense", 1)
	w.declare()
	h := w.house()
	consoletest.Wants(t, h.get(one+"/plan"), "The plan cannot be read", "nonsense")
	w.tend()
	h.get(one)
}

// A plan of 1,000 tables is narrowed and paged, and a page of it does not keep its reader waiting.
func TestPageOfALargePlan(t *testing.T) {
	w := newWorld(t)
	var b strings.Builder
	b.WriteString("anonymise: 1\nlanguage: fr-BE\ncountry: BE\ntables:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "  public.t%04d:\n    columns:\n      id: keep bigint\n      name: {class: identifier, kind: full_name, transform: full_name, type: text}\n      email: {class: identifier, kind: email, transform: email, type: text}\n      at: keep timestamp with time zone\n      note: {class: free_text, kind: text, transform: free_text, type: text}\n", i)
	}
	w.plan = b.String()
	w.declare()
	h := w.house()
	page := h.get(one + "/plan")
	consoletest.Wants(t, page, "1,000 tables, 5,000 columns", "1 to 120 of 5,000 entries", "public.t0000", "public.t0023", "[/copies/production/plan?page=2]")
	consoletest.Lacks(t, page, "public.t0024")
	consoletest.Wants(t, h.get(one+"/plan?page=42"), "public.t0999", "[/copies/production/plan?page=41]")
	consoletest.Wants(t, h.get(one+"/plan?page=99"), "[/copies/production/plan?page=98]")
	consoletest.Wants(t, h.get(one+"/plan?q=T0500&class=identifier"), "1 to 2 of 2 entries", "public.t0500", "email")
	consoletest.Wants(t, h.get(one+"/plan?q=nowhere"), "Nothing in the plan is like that")
	least := time.Hour
	for range 5 {
		began := time.Now()
		if w, _ := h.ask(http.MethodGet, one+"/plan?page=7", nil); w.Code != http.StatusOK {
			t.Fatal(w.Code)
		}
		least = min(least, time.Since(began))
	}
	t.Logf("a page of 120 columns of a plan of 1,000 tables: %v", least)
	if least > time.Second {
		t.Errorf("a page of the plan takes %v", least)
	}
}

// The next run that is shown is the one that the schedule begins.
func TestNextIsDue(t *testing.T) {
	w := newWorld(t)
	for range 2 {
		w.tend()
		c, err := w.copies.CopyOf(t.Context(), w.lead, "production")
		w.must(err)
		d := w.estate.WithCopies()[0]
		if due(d, &c.Last.Run, c.Next.Add(-time.Millisecond)) || !due(d, &c.Last.Run, c.Next) {
			t.Errorf("after a run that was %s the next is not due at %s", c.Last.Outcome, c.Next)
		}
		pgtest.Exec(t, w.source, `ALTER TABLE person ADD COLUMN IF NOT EXISTS mobile text`)
		w.ahead += 2 * time.Hour
	}
}

func pendingPlan(database string) []estate.Reduction {
	return []estate.Reduction{{Key: "databases." + database + ".anonymised.plan"}}
}

// A run whose proofs failed says which, where and by which figures, and no value.
func TestPageOfFailedProofs(t *testing.T) {
	w := newWorld(t)
	w.published()
	h := w.house()
	page := h.get(runPath("production", w.unproven()))
	consoletest.Wants(t, page, "A proof failed, and nothing was published", "The proofs below say which, and where.", "fails 16 found in", "fails 265 of 266 found", "2 of 3 tables are equal",
		"public.person.profile at contact.emails[].address e-mail address 12 plain text", "public.person.note full name 1 base64 > gzip", "given name in its own row 3", "public.person.photo 2 an archive within archives", "a planted value that was not found 1 IBAN hex",
		"public.invoice 1,204,711 1,204,711 1,204,710", "the copy lacks the index", "600,000 rows in 81,000 groups born, town and sex 1, of 5 required 1, of 2 required illness 1% 311 alone in theirs 1% mostly by born and town", "subscription crm", "3 large objects", "Waited for production 2 min 5 s 3 times", "Begun anew 1 time", "Gone on after a break 1 time")
	consoletest.Wants(t, h.get(one), "not proven", "A proof failed, and the copy was thrown away.")
	if w, _ := h.ask(http.MethodGet, "/due?lang=en", nil); !strings.Contains(w.Body.String(), "See which proof failed and where") {
		t.Errorf("nobody is told: %s", w.Body)
	}
}

// Without a route to what others did, and with more runs than a page holds, the list goes on.
func TestRunsArePaged(t *testing.T) {
	w := newWorld(t)
	w.history()
	w.history()
	h := w.house()
	first, second := h.get(one), ""
	if at := strings.Index(first, "[/copies/production?before="); at >= 0 {
		second = h.get(first[at+1 : at+1+len("/copies/production?before=")+36])
	}
	if n, m := strings.Count(first, "[/copies/production/runs/"), strings.Count(second, "[/copies/production/runs/"); n < runsShown || m != 36-runsShown {
		t.Errorf("%d and %d runs are shown", n, m)
	}
	consoletest.Wants(t, second, "[/copies/production]")
}
