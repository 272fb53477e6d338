package console_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/search"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/web/console/consoletest"
)

// pen lets what is written hold personal data.
func (h *house) pen() {
	h.t.Helper()
	pen, err := audit.NewPen(h.box, time.Now)
	if err != nil {
		h.t.Fatal(err)
	}
	pen.Use(h.db)
}

func (h *house) write(events ...audit.Event) {
	h.t.Helper()
	if err := pg.InTx(context.Background(), h.db.Pool(pg.Staff), func(tx pgx.Tx) error { return audit.Write(context.Background(), tx, events...) }); err != nil {
		h.t.Fatal(err)
	}
}

// order puts entries in order, and keeps what they are found by.
func (h *house) order() {
	h.t.Helper()
	log := slog.New(slog.DiscardHandler)
	if err := (&sequence.Sequencer{DB: h.db, Box: h.box, Origin: "trust.example.com/log", Now: time.Now, Log: log}).Drain(context.Background()); err != nil {
		h.t.Fatal(err)
	}
	if err := (&search.Keeper{DB: h.db, Log: log}).Drain(context.Background()); err != nil {
		h.t.Fatal(err)
	}
}

func text(s string) *string { return &s }

// shopper is a customer's person whose address was changed.
func (h *house) shopper() (tenant string, on audit.Object) {
	h.t.Helper()
	tenant = uuid.NewString()
	on = audit.Object{Kind: "application.person", ID: "P 17/ä"}
	h.write(audit.Event{By: actor.Actor{Kind: actor.User, ID: "agent-7"}, Tenant: tenant, Action: "record.updated", On: on, Reason: "Déménagement annoncé par téléphone", Request: "req-8842",
		Detail: map[string]any{"table": "public.person"}, Subject: "person:17",
		Changes: []audit.Change{{Field: "street", Before: text("Rue Longue 1"), After: text("Quai Neuf 2")}, {Field: "phone", After: text("0470 11 22 33")}, {Field: "note", Before: text(""), After: nil}}})
	return tenant, on
}

// The record is narrowed by whom staff know by name, by times of the company's zone, by customer, request and words.
func TestRecordIsSearched(t *testing.T) {
	h := open(t)
	h.pen()
	tenant, _ := h.shopper()
	karim := h.person("karim@ardoise.example", "Karim Exemple", actor.Reader)
	for range 2 { // before and after the words are kept
		for query, want := range map[string]bool{
			"text=demenagement+TELEPHONE": true, "text=demenagement+mail": false, "text=public": true, "request=req-8842": true, "request=req-8843": false,
			"tenant=" + tenant: true, "tenant=" + uuid.NewString(): false, "object=application.person:P+17/ä": true, "actor=agent-7": true, "action=record.updated": true,
			"from=" + h.now.Add(-time.Hour).In(h.zone()).Format("2006-01-02T15:04"):                                                            true,
			"from=" + h.now.Add(time.Hour).In(h.zone()).Format("2006-01-02T15:04"):                                                             false,
			"until=" + h.now.Add(-time.Hour).In(h.zone()).Format("2006-01-02T15:04"):                                                           false,
			"text=demenagement&until=" + h.now.AddDate(0, 0, 2).Format("2006-01-02") + "&from=" + h.now.AddDate(0, 0, -1).Format("2006-01-02"): true,
		} {
			page := h.get("/record?" + query)
			if got := strings.Contains(page, "Déménagement annoncé"); got != want {
				t.Errorf("%s: found %t, want %t", query, got, want)
			}
		}
		h.order()
	}
	added := "[/record/object?id=" + karim.ID.String() + "&kind=person]"
	for _, query := range []string{"object=karim", "object=Karim+Exemple", "object=karim@ardoise.example", "object=" + karim.ID.String()[28:], "object=person:" + karim.ID.String(), "actor=The+command+line+(root)&action=person.added", "actor=cli:root"} {
		consoletest.Wants(t, h.get("/record?"+query), added)
	}
	page := h.get("/record?actor=Zo%C3%A9+Personne")
	consoletest.Wants(t, page, "Nobody is called", "No entry matches")
	for _, query := range []string{"tenant=x", "from=yesterday", "text=" + strings.Repeat("x", 600)} {
		if w, _ := h.ask(http.MethodGet, "/record?"+query, nil); w.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", query, w.Code)
		}
	}
	if _, csv := h.ask(http.MethodGet, "/record.csv?text=demenagement", nil); !strings.Contains(csv, "req-8842") || !strings.Contains(csv, tenant) || strings.Contains(csv, "Quai") {
		t.Errorf("as CSV: %s", csv)
	}
	// The choice of actions is what there is, in parts; what an application named stands as code.
	_, page = h.ask(http.MethodGet, "/record?lang=en", nil)
	for _, want := range []string{`<optgroup label="People and sign-ins"><option value="`, `<option value="person.added">added a person</option>`, `<optgroup label="Applications and their data"><option value="record.updated">record.updated</option></optgroup>`, "<code>record.updated</code>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if strings.Contains(page, `value="sample.drawn"`) {
		t.Error("an action that nobody did is offered")
	}
	// Who may not read names searches by the ids that are shown to them.
	h.as(karim)
	consoletest.Lacks(t, h.get("/record?object=camille"), "[/record/object?id="+h.lead.ID.String())
	consoletest.Wants(t, h.get("/record?object="+h.lead.ID.String()[28:]), "[/record/object?id="+h.lead.ID.String())
}

func (h *house) zone() *time.Location {
	h.t.Helper()
	zone, err := time.LoadLocation("Europe/Brussels")
	if err != nil {
		h.t.Fatal(err)
	}
	return zone
}

// The newest page follows by itself for a while, sends nothing where nothing is new, and can be stopped.
func TestRecordFollows(t *testing.T) {
	h := open(t)
	poll := func(page string) string {
		t.Helper()
		m := regexp.MustCompile(`hx-get="([^"]+)"`).FindStringSubmatch(page)
		if m == nil {
			return ""
		}
		return strings.ReplaceAll(m[1], "&amp;", "&")
	}
	_, page := h.ask(http.MethodGet, "/record?action=person.added", nil)
	next := poll(page)
	if next == "" {
		t.Fatal("the page does not follow")
	}
	if w, body := h.ask(http.MethodGet, next, nil); w.Code != http.StatusNoContent || body != "" {
		t.Errorf("nothing is new: %d", w.Code)
	}
	h.person("new@ardoise.example", "Nadia Exemple", actor.Reader)
	w, page := h.ask(http.MethodGet, next, nil)
	if w.Code != http.StatusOK || !strings.Contains(page, "Nadia") || poll(page) == next || poll(page) == "" {
		t.Errorf("something is new: %d, then %q", w.Code, poll(page))
	}
	h.now = h.now.Add(11 * time.Minute)
	if w, page = h.ask(http.MethodGet, next, nil); w.Code != http.StatusOK || poll(page) != "" {
		t.Errorf("after ten minutes: %d, %q", w.Code, poll(page))
	}
	consoletest.Wants(t, h.get("/record?live=0"), "no longer appear")
	if _, page = h.ask(http.MethodGet, "/record?before=2", nil); poll(page) != "" {
		t.Error("an older page follows")
	}
}

// A story shows personal data to who may see them, says so in the record before it does, and says what is erased.
func TestStory(t *testing.T) {
	h := open(t)
	h.pen()
	tenant, on := h.shopper()
	path := "/record/object?" + url.Values{"kind": {on.Kind}, "id": {on.ID}}.Encode()
	page := h.get(path)
	consoletest.Wants(t, page, "Déménagement annoncé", "P 17/ä", "1 entry holds personal data", "Show personal data")
	consoletest.Lacks(t, page, "Quai Neuf")

	form := url.Values{"kind": {on.Kind}, "id": {on.ID}}
	w, page := h.post("/record/object", form)
	if w.Code != http.StatusOK {
		t.Fatal(w.Code, page)
	}
	consoletest.Wants(t, page, "street", "Rue Longue 1", "Quai Neuf 2", "no value", "0470 11 22 33", "empty", "The audit log says that you looked")
	looks, err := audit.List(t.Context(), h.db.Pool(pg.Staff), audit.Filter{Action: "record.changes_read"})
	if err != nil || len(looks) != 1 || looks[0].Actor.ID != h.lead.ID.String() || looks[0].Tenant != tenant || looks[0].Object != on || looks[0].Refused {
		t.Fatalf("%+v, %v", looks, err)
	}

	reader := h.person("reader@ardoise.example", "Rita Exemple", actor.Reader)
	h.as(reader)
	consoletest.Wants(t, h.get(path), "stays sealed")
	if w, page := h.post("/record/object", form); w.Code != http.StatusForbidden || strings.Contains(page, "Quai Neuf") {
		t.Errorf("a reader: %d %s", w.Code, page)
	}
	if looks, err = audit.List(t.Context(), h.db.Pool(pg.Staff), audit.Filter{Action: "record.changes_read", ActorID: reader.ID.String()}); err != nil || len(looks) != 1 || !looks[0].Refused {
		t.Errorf("the attempt: %+v, %v", looks, err)
	}

	h.as(h.lead)
	if err := pg.InTx(t.Context(), h.db.Pool(pg.Staff), func(tx pgx.Tx) error { _, err := h.box.Forget(t.Context(), tx, "person:17"); return err }); err != nil {
		t.Fatal(err)
	}
	_, page = h.post("/record/object", form)
	consoletest.Wants(t, page, "The personal data is erased")
	consoletest.Lacks(t, page, "Quai Neuf")
	for _, q := range []string{"", "?kind=x", "?kind=x&id=%00", "?kind=x&id=y&before=z"} {
		if w, _ := h.ask(http.MethodGet, "/record/object"+q, nil); w.Code != http.StatusUnprocessableEntity {
			t.Errorf("%q: %d", q, w.Code)
		}
	}
	consoletest.Wants(t, h.get("/record/object?kind=x&id=y"), "Nothing was done")
}

// An entry is proven there and then, and an altered one is not.
func TestEntry(t *testing.T) {
	h := open(t)
	h.pen()
	h.shopper()
	number := func() string {
		list, err := audit.List(t.Context(), h.db.Pool(pg.Staff), audit.Filter{Action: "record.updated"})
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		return regexp.MustCompile(`/record/entry/\d+`).FindString(h.get("/record?action=record.updated"))
	}
	path := number()
	consoletest.Wants(t, h.get(path), "No checkpoint covers this entry yet", "req-8842", "public.person")
	h.order()
	page := h.get(path)
	consoletest.Wants(t, page, "The proof holds", "The leaf is in its tree", "garant/tree v1 tenant/", "trust.example.com/log", `{"v":1,"id":`)
	consoletest.Lacks(t, page, "does not hold", "not reached", "Quai Neuf")

	super := pgtest.Superuser(t, h.db.Pool(pg.Staff).Config().ConnConfig.Database)
	exec := func(sql string) {
		t.Helper()
		if _, err := super.Exec(context.Background(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(`UPDATE audit.entry SET reason = 'Autre chose' WHERE action = 'record.updated'`)
	consoletest.Wants(t, h.get(path), "The proof does not hold", "was changed in the database", "not reached")
	exec(`UPDATE audit.entry SET reason = 'Déménagement annoncé par téléphone' WHERE action = 'record.updated'`)
	consoletest.Wants(t, h.get(path), "The proof holds")
	exec(`UPDATE audit.root_leaf SET text = replace(text, ' 1 ', ' 2 ') WHERE text LIKE 'garant/tree v1%tenant/%'`)
	consoletest.Wants(t, h.get(path), "The proof does not hold")
	exec(`UPDATE audit.root_leaf SET text = replace(text, ' 2 ', ' 1 ') WHERE text LIKE 'garant/tree v1%tenant/%'`)
	exec(`UPDATE audit.checkpoint SET note = replace(note, '— ', '— x')`)
	consoletest.Wants(t, h.get(path), "The proof does not hold", "holds The leaf is in its tree")
	for _, path := range []string{"/record/entry/999999", "/record/entry/x", "/record/entry/-1"} {
		if w, _ := h.ask(http.MethodGet, path, nil); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}
