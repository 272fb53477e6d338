package console_test

import (
	"context"
	"encoding/csv"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web/console/consoletest"
)

func TestPeople(t *testing.T) {
	h := open(t)
	karim := h.person("karim@ardoise.example", "Karim <b>Exemple</b>", actor.Reader)
	page := h.get("/people")
	consoletest.Wants(t, page, "Camille Exemple", "Karim <b>Exemple</b>", "karim@ardoise.example", "Security lead", "not yet", "Open an account", "[/people/"+karim.ID.String()+"]")

	h.as(karim)
	for _, target := range []string{"/people", "/people/" + karim.ID.String(), "/people.csv"} {
		if w, body := h.ask(http.MethodGet, target, nil); w.Code != http.StatusForbidden || strings.Contains(body, "camille@") {
			t.Errorf("a reader asks for %s: %d", target, w.Code)
		}
	}
	for _, target := range []string{"/people", "/people/" + h.lead.ID.String() + "/role", "/people/" + h.lead.ID.String() + "/disable", "/people/" + h.lead.ID.String() + "/enable", "/people/" + h.lead.ID.String() + "/link"} {
		if w, _ := h.post(target, url.Values{"role": {"reader"}, "purpose": {"sign_in"}}); w.Code != http.StatusForbidden {
			t.Errorf("a reader posts to %s: %d", target, w.Code)
		}
	}
	if p, err := h.dir.Person(context.Background(), cli, h.lead.ID); err != nil || p.Role != actor.Lead || !p.DisabledAt.IsZero() {
		t.Errorf("a reader changed the lead: %+v, %v", p, err)
	}
	consoletest.Lacks(t, h.get("/record"), "[/people")
}

func TestNobodyIsSentToSignIn(t *testing.T) {
	h := open(t)
	h.auth.who = actor.Anonymous("192.0.2.1")
	for _, target := range []string{"/people", "/estate", "/record"} {
		w, _ := h.ask(http.MethodGet, target, nil)
		if w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/sign-in") {
			t.Errorf("%s: %d to %q", target, w.Code, w.Header().Get("Location"))
		}
	}
}

func TestAddPerson(t *testing.T) {
	h := open(t)
	for name, c := range map[string]struct {
		form url.Values
		says string
	}{
		"no address":    {url.Values{"email": {"nobody"}, "name": {"Ana"}, "role": {"reader"}}, "This is not an e-mail address."},
		"no name":       {url.Values{"email": {"ana@ardoise.example"}, "name": {" "}, "role": {"reader"}}, "A name has 1 to 80"},
		"no role":       {url.Values{"email": {"ana@ardoise.example"}, "name": {"Ana"}, "role": {"king"}}, "There is no such role."},
		"address taken": {url.Values{"email": {"CAMILLE@ardoise.example"}, "name": {"Ana"}, "role": {"reader"}}, "belongs to a person already"},
	} {
		t.Run(name, func(t *testing.T) {
			w, page := h.post("/people", c.form)
			if w.Code != http.StatusUnprocessableEntity {
				t.Fatalf("status %d", w.Code)
			}
			consoletest.Wants(t, page, c.says)
			if body := w.Body.String(); !strings.Contains(body, `value="`+c.form.Get("name")+`"`) || !strings.Contains(body, `value="`+c.form.Get("email")+`"`) || !strings.Contains(body, `aria-invalid="true"`) {
				t.Errorf("the form does not keep what was written, or marks no field:\n%s", body)
			}
		})
	}
	if list, err := h.dir.List(context.Background(), cli, uuid.Nil, 10); err != nil || len(list) != 1 {
		t.Fatalf("bad input added somebody: %d, %v", len(list), err)
	}
	w, _ := h.post("/people", url.Values{"email": {"ana@ardoise.example"}, "name": {"Ana Exemple"}, "role": {"operator"}})
	to := w.Header().Get("Location")
	if w.Code != http.StatusSeeOther || !strings.HasPrefix(to, "/people/") {
		t.Fatalf("%d to %q", w.Code, to)
	}
	consoletest.Wants(t, h.get(to), "Ana Exemple", "ana@ardoise.example", "Operator", "The person has been added.", "First sign-in link", "No open session", "added a person", "Camille Exemple")
	consoletest.Lacks(t, h.get("/people?done=nothing_of_ours"), "nothing_of_ours", "console.done")
}

func TestPersonChanges(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	ana := h.person("ana@ardoise.example", "Ana Exemple", actor.Reader)
	path := "/people/" + ana.ID.String()
	change := func(what string, form url.Values) string {
		t.Helper()
		w, _ := h.post(path+"/"+what, form)
		if w.Code != http.StatusSeeOther {
			t.Fatalf("%s: %d %s", what, w.Code, w.Body)
		}
		return h.get(w.Header().Get("Location"))
	}
	consoletest.Wants(t, change("role", url.Values{"role": {"operator"}}), "The role has been changed", "Operator", "changed a role", "from reader · to operator")
	consoletest.Wants(t, change("disable", nil), "The person is disabled", "Enable this person", "disabled a person")
	consoletest.Lacks(t, h.get(path), "Make the link")
	if w, page := h.post(path+"/link", url.Values{"purpose": {"sign_in"}}); w.Code != http.StatusUnprocessableEntity || !strings.Contains(page, "This person is disabled.") {
		t.Errorf("a link for a disabled person: %d", w.Code)
	}
	consoletest.Wants(t, change("enable", nil), "The person is enabled again", "Disable this person")

	lead := "/people/" + h.lead.ID.String()
	for what, form := range map[string]url.Values{"role": {"role": {"reader"}}, "disable": {}} {
		w, page := h.post(lead+"/"+what, form)
		if w.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s of the last lead: %d", what, w.Code)
		}
		consoletest.Wants(t, page, "last security lead", "Camille Exemple")
	}
	if w, page := h.post(path+"/role", url.Values{"role": {"king"}}); w.Code != http.StatusUnprocessableEntity || !strings.Contains(page, "no such role") {
		t.Errorf("an unknown role: %d", w.Code)
	}
	if p, err := h.dir.Person(ctx, cli, h.lead.ID); err != nil || p.Role != actor.Lead || !p.DisabledAt.IsZero() {
		t.Errorf("the last lead was changed: %+v, %v", p, err)
	}
	for _, target := range []string{"/people/nobody", "/people/" + uuid.Must(uuid.NewV7()).String()} {
		w, body := h.ask(http.MethodGet, target+"?lang=en", nil)
		if w.Code != http.StatusNotFound || !strings.Contains(consoletest.Text(t, body), "no such person") {
			t.Errorf("%s: %d %s", target, w.Code, consoletest.Text(t, body))
		}
	}
}

func TestOneTimeLink(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	ana := h.person("ana@ardoise.example", "Ana Exemple", actor.Reader)
	path := "/people/" + ana.ID.String()
	w, page := h.post(path+"/link", url.Values{"purpose": {"sign_in"}})
	if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d, Cache-Control %q", w.Code, w.Header().Get("Cache-Control"))
	}
	consoletest.Wants(t, page, "shown here and nowhere else", "To be given to Ana Exemple")
	_, after, ok := strings.Cut(page, "http://admin.localhost:8480/link/")
	if !ok {
		t.Fatalf("no link:\n%s", page)
	}
	token, _, _ := strings.Cut(after, " ")
	consoletest.Lacks(t, h.get(path), token)
	entries, err := audit.List(ctx, h.db.Pool(pg.Staff), audit.Filter{Action: "link.created"})
	if err != nil || len(entries) != 1 || strings.Contains(detailOf(entries[0]), token) {
		t.Errorf("the record: %+v, %v", entries, err)
	}
	opened, err := h.dir.RedeemLink(ctx, directory.Visit{Origin: "192.0.2.7", Agent: "Firefox on Linux"}, token, h.now.Add(time.Minute))
	if err != nil {
		t.Fatalf("the link does not work: %v", err)
	}
	h.now = h.now.Add(2 * time.Minute)
	consoletest.Wants(t, h.get(path), "Firefox on Linux", "192.0.2.7", "can only register a passkey so far")
	if err := h.dir.SignOut(ctx, opened.Token, "192.0.2.7", h.now); err != nil {
		t.Fatal(err)
	}
	consoletest.Lacks(t, h.get(path), "Firefox on Linux")
	if w, page := h.post(path+"/link", url.Values{"purpose": {"anything"}}); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("an unknown purpose: %d %s", w.Code, page)
	}
}

func detailOf(e audit.Entry) string {
	var b strings.Builder
	for k, v := range e.Detail {
		b.WriteString(k)
		if s, ok := v.(string); ok {
			b.WriteString(s)
		}
	}
	return b.String()
}

func TestPeoplePaging(t *testing.T) {
	h := open(t)
	for i := range 52 {
		h.person("p"+string(rune('a'+i/26))+string(rune('a'+i%26))+"@ardoise.example", "Person "+string(rune('A'+i/26))+string(rune('A'+i%26)), actor.Reader)
	}
	page := h.get("/people")
	if n := strings.Count(page, "@ardoise.example"); n != 50 {
		t.Errorf("the first page has %d people", n)
	}
	_, next, ok := strings.Cut(page, "[/people?after=")
	if !ok {
		t.Fatal("no way to the next page")
	}
	id, _, _ := strings.Cut(next, "]")
	second := h.get("/people?after=" + id)
	if n := strings.Count(second, "@ardoise.example"); n != 3 {
		t.Errorf("the second page has %d people:\n%s", n, second)
	}
	if w, _ := h.ask(http.MethodGet, "/people?after=x", nil); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("after=x: %d", w.Code)
	}
}

func TestPeopleCSV(t *testing.T) {
	h := open(t)
	h.person("eve@ardoise.example", `=HYPERLINK("http://evil.example","a, b")`, actor.Reader)
	w, body := h.ask(http.MethodGet, "/people.csv", nil)
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/csv") || !strings.Contains(w.Header().Get("Content-Disposition"), "attachment") {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	if !strings.Contains(body, "\r\n") || strings.Contains(strings.ReplaceAll(body, "\r\n", ""), "\n") {
		t.Error("lines do not end in CRLF (RFC 4180 §2.1)")
	}
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if rows[0][1] != "name" || rows[1][1] != "Camille Exemple" || rows[2][1] != `'=HYPERLINK("http://evil.example","a, b")` {
		t.Errorf("rows: %q", rows)
	}
	entries, err := audit.List(context.Background(), h.db.Pool(pg.Staff), audit.Filter{Action: "person.exported"})
	if err != nil || len(entries) != 1 || entries[0].Actor.ID != h.lead.ID.String() {
		t.Errorf("the export is not in the record: %+v, %v", entries, err)
	}
}

// An error page needs no database: it is what is shown when there is none.
func TestErrorsWithoutDatabase(t *testing.T) {
	h := open(t)
	h.db.Close()
	for lang, says := range map[string]string{"fr": "La base de données ne répond pas.", "en": "The database does not answer."} {
		w, body := h.ask(http.MethodGet, "/estate?lang="+lang, nil)
		if w.Code != http.StatusServiceUnavailable {
			t.Fatalf("%d %s", w.Code, body)
		}
		consoletest.Wants(t, consoletest.Text(t, body), says, w.Header().Get("X-Request-Id"))
	}
}

func TestEveryErrorThatShowsHasWords(t *testing.T) {
	msgs := words(t)
	for _, id := range []string{"not_found", "pg.denied", "pg.disk_full", "pg.timeout", "pg.refused", "pg.unavailable", "pg.failed", "crypt.destroyed", "crypt.unreadable", "crypt.key_unreadable",
		"audit.no_actor", "audit.detail", "web.denied", "web.not_found", "web.cross_origin", "web.too_large", "estate.denied", "estate.no_person", "estate.reason", "estate.second_person",
		"estate.not_current", "estate.nothing_pending", "estate.none", "estate.unreadable_version", "directory.email", "directory.email_taken", "directory.name", "directory.role",
		"directory.last_lead", "directory.disabled", "directory.has_passkey", "directory.no_person", "console.before", "console.form", "console.no_version"} {
		if !msgs.Has(id) || !msgs.Has(id+".fix") {
			t.Errorf("%s: no words, or no next step", id)
		}
	}
	for _, role := range actor.Roles() {
		if !msgs.Has("ui.role."+string(role)) || !msgs.Has("console.role."+string(role)+".about") {
			t.Errorf("the role %s has no words", role)
		}
	}
}
