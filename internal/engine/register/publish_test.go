package register_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/engine/register"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web/console/consoletest"
)

// signedIn adds somebody who signs in, and their entry in the register of persons.
func (w *world) signedIn(name string, more register.Values) (actor.Actor, register.Entry) {
	w.t.Helper()
	email := strings.ToLower(name) + "@ardoise.example"
	p, err := w.dir.AddPerson(w.ctx, actor.NewSystem("cli:root"), email, name+" Exemple", actor.Reader, w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	return actor.Actor{Kind: actor.Person, ID: p.ID.String(), Name: p.Name, Role: actor.Reader, Permissions: []actor.Permission{actor.OwnTasks}}, w.person(name, more)
}

func (w *world) policy(title string, more register.Values) register.Entry {
	w.t.Helper()
	v := register.Values{"title": title, "kind": "policy", "acknowledge": "true", "text": "Nothing stays on the desk.", "review": "2027-11-01", "measures": "PHY-7"}
	for k, x := range more {
		v[k] = x
	}
	return w.add(register.Documents, v)
}

func TestAcknowledge(t *testing.T) {
	w := open(t)
	ana, anaEntry := w.signedIn("Ana", nil)
	ben, _ := w.signedIn("Ben", nil)
	e := w.policy("Clear desk", nil)
	if tasks := must[[]register.Task](t)(w.r.Tasks(w.ctx, ana, w.now)); len(tasks) != 0 {
		t.Errorf("a draft is to be read: %+v", tasks)
	}
	if _, err := w.r.Read(w.ctx, ana, e.ID, w.now); !errs.Is(err, errs.NotFound) {
		t.Errorf("a draft is read: %v", err)
	}
	e = w.move(e, "published")
	if e.Values["version"] != "1" || e.Values["published"] != "2026-11-26" {
		t.Errorf("%+v", e.Values)
	}
	tasks := must[[]register.Task](t)(w.r.Tasks(w.ctx, ana, w.now))
	if len(tasks) != 1 || tasks[0].Version != 1 || tasks[0].Title != "Clear desk" || tasks[0].Due.String() != "2026-12-26" {
		t.Fatalf("%+v", tasks)
	}
	// The account was linked by the address, once and for all.
	if got := w.get(anaEntry).Values["account"]; got != ana.ID {
		t.Errorf("linked to %q", got)
	}
	reading := must[register.Reading](t)(w.r.Read(w.ctx, ana, e.ID, w.now))
	// A later change of the draft changes nothing of what was published.
	w.set(e, register.Values{"text": "Nothing stays anywhere."})
	if again := must[register.Reading](t)(w.r.Read(w.ctx, ana, e.ID, w.now)); again.Digest != reading.Digest || again.Values["text"] != "Nothing stays on the desk." {
		t.Errorf("%+v", again)
	}
	if err := w.r.Acknowledge(w.ctx, ana, e.ID, 1, strings.Repeat("0", 64), w.now); !errs.Is(err, errs.Conflict) {
		t.Errorf("something else was acknowledged: %v", err)
	}
	for range 2 {
		if err := w.r.Acknowledge(w.ctx, ana, e.ID, 1, reading.Digest, w.now); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.all("SELECT count(*)::text FROM register.acknowledgement")[0] + w.all("SELECT count(*)::text FROM audit.entry WHERE action = 'register.acknowledged'")[0]; got != "11" {
		t.Errorf("acknowledged %s times", got)
	}
	if tasks := must[[]register.Task](t)(w.r.Tasks(w.ctx, ana, w.now)); len(tasks) != 0 {
		t.Errorf("%+v", tasks)
	}
	ack := must[register.Acknowledgements](t)(w.r.Acknowledgements(w.ctx, w.lead, e.ID, w.now))
	if ack.Asked != 2 || len(ack.Dated) != 1 || len(ack.Missing) != 1 || ack.Dated[anaEntry.ID].IsZero() {
		t.Errorf("%+v", ack)
	}

	// Another version is another task, and what is confirmed of the old one no longer counts.
	w.move(e, "published")
	if err := w.r.Acknowledge(w.ctx, ben, e.ID, 1, reading.Digest, w.now); !errs.Is(err, errs.Conflict) {
		t.Errorf("the version before was acknowledged: %v", err)
	}
	if tasks := must[[]register.Task](t)(w.r.Tasks(w.ctx, ana, w.now)); len(tasks) != 1 || tasks[0].Version != 2 {
		t.Errorf("%+v", tasks)
	}
	w.move(e, "withdrawn")
	if tasks := must[[]register.Task](t)(w.r.Tasks(w.ctx, ana, w.now)); len(tasks) != 0 {
		t.Errorf("what was withdrawn is to be read: %+v", tasks)
	}
	if got := strings.Join(w.all("SELECT version::text FROM register.publication ORDER BY version"), " "); got != "1 2" {
		t.Errorf("publications %s", got)
	}
}

func TestAcknowledgeOnlyWhatConcerns(t *testing.T) {
	w := open(t)
	security := w.add(register.Teams, register.Values{"name": "Sécurité", "key": "security"})
	ana, _ := w.signedIn("Ana", register.Values{"team": security.ID.String()})
	ben, _ := w.signedIn("Ben", nil)
	gone, _ := w.signedIn("Gus", register.Values{"leaving": "2026-11-26", "team": security.ID.String()}) // in Brussels it is still the 26th
	late, _ := w.signedIn("Lea", register.Values{"arrival": "2026-12-10", "team": security.ID.String()})
	e := w.move(w.policy("Keys", register.Values{"teams": "security"}), "published")
	count := func(by actor.Actor) int { return len(must[[]register.Task](t)(w.r.Tasks(w.ctx, by, w.now))) }
	if count(ana) != 1 || count(ben) != 0 {
		t.Errorf("ana %d, ben %d", count(ana), count(ben))
	}
	if n := must[register.Acknowledgements](t)(w.r.Acknowledgements(w.ctx, w.lead, e.ID, w.now)).Asked; n != 2 {
		t.Errorf("%d are asked on the last day of one of two", n)
	}
	if n := must[register.Acknowledgements](t)(w.r.Acknowledgements(w.ctx, w.lead, e.ID, w.now.Add(24*time.Hour))).Asked; n != 1 {
		t.Errorf("%d are asked the day after", n)
	}
	_ = gone
	if tasks := must[[]register.Task](t)(w.r.Tasks(w.ctx, late, w.now)); len(tasks) != 1 || tasks[0].Due.String() != "2027-01-09" {
		t.Errorf("who arrives later has from then on: %+v", tasks)
	}
	// Somebody who is not in the register has no tasks, and cannot acknowledge.
	stranger := person(actor.OwnTasks)
	if count(stranger) != 0 {
		t.Error("a stranger has tasks")
	}
	if err := w.r.Acknowledge(w.ctx, stranger, e.ID, 1, "", w.now); !errs.Is(err, errs.NotFound) {
		t.Errorf("a stranger acknowledges: %v", err)
	}
	if _, err := w.r.Tasks(w.ctx, person(actor.ReadRegisters), w.now); !errs.Is(err, errs.Denied) {
		t.Errorf("without the right: %v", err)
	}
	// An entry that is linked to somebody else is not taken over by an address.
	dan, _ := w.dir.AddPerson(w.ctx, actor.NewSystem("cli:root"), "eve@ardoise.example", "Eve Exemple", actor.Reader, w.now)
	w.person("Eve", register.Values{"account": uuid.Must(uuid.NewV7()).String()})
	if _, err := w.r.PersonOf(w.ctx, actor.Actor{Kind: actor.Person, ID: dan.ID.String()}, w.now); !errs.Is(err, errs.NotFound) {
		t.Errorf("an entry of somebody else: %v", err)
	}
}

func TestPublishNeedsText(t *testing.T) {
	w := open(t)
	e := w.add(register.Documents, register.Values{"title": "Empty", "kind": "plan"})
	_, err := w.r.Move(w.ctx, w.lead, register.Documents, e.ID, 1, "published", w.now)
	if got := faults(t, err); len(got) != 1 || got[0] != "text nothing_to_read" {
		t.Errorf("%q", got)
	}
}

func TestTaskPages(t *testing.T) {
	w := open(t)
	h := w.site()
	ana, _ := w.signedIn("Ana", nil)
	w.signedIn("Ben", nil)
	e := w.move(w.policy("Clear <desk>", register.Values{"text": "One.\n<b>Two</b>.", "link": "https://ardoise.example/policy"}), "published")
	path := register.TaskPath + e.ID.String()
	h.auth.who = ana
	consoletest.Wants(t, h.get("/due"), "Clear <desk>: to read and confirm", path, "To be confirmed on 26 December 2026 at the latest.")
	page := h.get(path)
	consoletest.Wants(t, page, "Clear <desk>", "<b>Two</b>.", "Version 1, published on 26 November 2026", "I have read this version", "[https://ardoise.example/policy]")
	reading := must[register.Reading](t)(w.r.Read(w.ctx, ana, e.ID, w.now))
	_, page = h.post(path, url.Values{"version": {"7"}, "digest": {reading.Digest}}, 409)
	consoletest.Wants(t, page, "A newer version has been published meanwhile.")
	rw, _ := h.post(path, url.Values{"version": {"1"}, "digest": {reading.Digest}}, 303)
	page = h.get(rw.Header().Get("Location"))
	consoletest.Wants(t, page, "You confirmed this version on 26 November 2026.")
	consoletest.Lacks(t, page, "I have read this version")
	consoletest.Lacks(t, h.get("/due"), "to read and confirm")
	if rw, _ := h.ask(http.MethodGet, "/registers/documents", "", nil); rw.Code != 403 {
		t.Errorf("somebody with tasks only reads a register: %d", rw.Code)
	}

	h.auth.who = w.lead
	page = h.get("/registers/documents/" + e.ID.String())
	consoletest.Wants(t, page, "Read by staff", "1 of 2", "Have not confirmed yet", "Ben Exemple", "published a version", "Publish a version")
	w.set(e, register.Values{"text": "Another text."})
	consoletest.Wants(t, h.get("/registers/documents/"+e.ID.String()), "people still read version 1")
	stranger := person(actor.OwnTasks)
	h.auth.who = stranger
	if rw, text := h.ask(http.MethodGet, path+"?lang=en", "", nil); rw.Code != 404 || !strings.Contains(text, "You are not in the register of persons yet.") {
		t.Errorf("%d %s", rw.Code, text)
	}
	// Past the thirty days it says so.
	h.auth.who = actor.Actor{Kind: actor.Person, ID: w.all("SELECT id::text FROM directory.person ORDER BY id")[1], Permissions: []actor.Permission{actor.OwnTasks}}
	w.now = w.now.Add(31 * 24 * time.Hour)
	consoletest.Wants(t, h.get("/due"), "It has been overdue since 26 December 2026")
}

func TestDueOnTheDesk(t *testing.T) {
	w := open(t)
	h := w.site()
	ana := w.person("Ana", nil)
	gus := w.person("Gus", register.Values{"leaving": "2026-12-01"})
	out := w.person("Out", register.Values{"leaving": "2026-10-01"})
	w.add(register.Assets, register.Values{"tag": "PC-1", "kind": "laptop", "owner": ana.ID.String()})
	w.add(register.Assets, register.Values{"tag": "PC-2", "kind": "laptop", "owner": gus.ID.String()})
	w.add(register.Assets, register.Values{"tag": "PC-3", "kind": "laptop", "owner": out.ID.String()})
	w.add(register.Assets, register.Values{"tag": "PC-4", "kind": "laptop"})
	w.move(w.add(register.Assets, register.Values{"tag": "PC-5", "kind": "laptop"}), "disposed")
	w.add(register.Sites, register.Values{"name": "Siège", "kind": "office", "review": "2026-11-01", "owner": out.ID.String()})
	text := h.get("/due")
	consoletest.Wants(t, text, "2 assets without a present owner", "{PC-3 } {PC-4 }", "2 people who have left or are leaving still answer for something",
		"{Out Exemple 2 entries, leaving on 1 October 2026} {Gus Exemple 1 entry", "1 review to do: Sites", "{Siège 1 November 2026}", "stale")
	h.auth.who = person(actor.ReadRegisters, actor.OwnTasks)
	consoletest.Lacks(t, h.get("/due"), "PC-3", "review")
	if list := must[[]register.Leaver](t)(w.r.Leavers(w.ctx, w.now)); len(list) != 2 || list[0].Person != out.ID || list[0].Entries != 2 {
		t.Errorf("%+v", list)
	}
}

func TestAPI(t *testing.T) {
	w := open(t)
	h := w.site()
	call := func(method, path string, body any, want int) map[string]any {
		t.Helper()
		b := must[[]byte](t)(json.Marshal(body))
		rw, text := h.ask(method, "/api/v1"+path, "application/json", strings.NewReader(string(b)))
		if rw.Code != want {
			t.Fatalf("%s %s: %d, want %d: %s", method, path, rw.Code, want, text)
		}
		out := map[string]any{}
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	type m = map[string]any
	e := call("POST", "/registers/assets", m{"fields": m{"tag": "PC-1", "kind": "laptop", "encrypted": true}}, 201)
	id := e["id"].(string)
	if f := e["fields"].(m); f["encrypted"] != true || f["tag"] != "PC-1" || e["revision"] != 1.0 || e["state"] != "in_use" {
		t.Errorf("%v", e)
	}
	bad := call("POST", "/registers/assets", m{"fields": m{"tag": "pc-1", "kind": "boat"}}, 422)
	if bad["code"] != "register.invalid" || !strings.Contains(bad["detail"].(string), "Kind: is none of the choices.") {
		t.Errorf("%v", bad)
	}
	call("POST", "/registers/assets", m{"fields": m{"tag": m{"a": 1}}}, 422)
	e = call("PATCH", "/registers/assets/"+id, m{"revision": 1, "fields": m{"encrypted": nil, "name": "x"}}, 200)
	if f := e["fields"].(m); f["encrypted"] != nil || f["name"] != "x" || f["tag"] != "PC-1" {
		t.Errorf("%v", e)
	}
	if c := call("PATCH", "/registers/assets/"+id, m{"revision": 1, "fields": m{"name": "y"}}, 409); c["code"] != "register.changed" {
		t.Errorf("%v", c)
	}
	call("POST", "/registers/assets/"+id+"/state", m{"revision": 2, "state": "lost"}, 200)
	call("POST", "/registers/assets/"+id+"/state", m{"revision": 3, "state": "lent"}, 409)
	for i := range 3 {
		call("POST", "/registers/assets", m{"fields": m{"tag": "S-" + strconv.Itoa(i), "kind": "server"}}, 201)
	}
	page := call("GET", "/registers/assets?filter=kind:server&limit=2", nil, 200)
	if len(page["entries"].([]any)) != 2 || page["total"] != 3.0 {
		t.Errorf("%v", page)
	}
	page = call("GET", "/registers/assets?filter=kind:server&limit=2&after="+page["next"].(string), nil, 200)
	if len(page["entries"].([]any)) != 1 || page["next"] != nil {
		t.Errorf("%v", page)
	}
	call("GET", "/registers/assets?filter=note:x", nil, 422)
	call("GET", "/registers/boats", nil, 404)
	d := call("POST", "/registers/documents", m{"fields": m{"title": "T", "kind": "policy", "measures": []string{"TEL-1", "PHY-8"}, "text": "x"}}, 201)
	if list := d["fields"].(m)["measures"].([]any); len(list) != 2 || list[0] != "PHY-8" {
		t.Errorf("%v", d)
	}
	d = call("POST", "/registers/documents/"+d["id"].(string)+"/state", m{"revision": 1, "state": "published"}, 200)
	if d["fields"].(m)["version"] != 1.0 {
		t.Errorf("%v", d)
	}
	w.person("Ana", nil)
	h.auth.who = w.op
	page = call("GET", "/registers/persons", nil, 200)
	if one := page["entries"].([]any)[0].(m); one["hidden"] != true || one["fields"].(m)["name"] != nil {
		t.Errorf("%v", one)
	}
	h.auth.who = person(actor.ReadRegisters)
	call("POST", "/registers/assets", m{"fields": m{"tag": "PC-9", "kind": "laptop"}}, 403)
	registers := call("GET", "/registers", nil, 200)
	if len(registers["registers"].([]any)) != 6 {
		t.Errorf("%v", registers)
	}
}
