package console_test

import (
	"context"
	"encoding/csv"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/console/consoletest"
	"github.com/garant-project/garant/internal/web/ui"
)

const hostile = `<script>alert(1)</script>"'=HYPERLINK("x")`

// gives registers things that are due.
func (h *house) gives(list ...console.Due) {
	h.chrome.AddDue(console.DueSource{
		Count: func(*web.Request) (int, error) { return len(list), nil },
		List: func(*web.Request, *ui.Printer) ([]console.Due, error) {
			return append([]console.Due(nil), list...), nil
		},
	})
}

func TestDeskSaysForWhomAndUntilWhen(t *testing.T) {
	h := open(t)
	h.apply()
	h.look()
	now := h.now()
	long := strings.Repeat("very long ", 60)
	h.gives(
		console.Due{What: "Without a day", Href: "/a", Why: "b", Urgency: console.Decide, Since: now.Add(-time.Hour)},
		console.Due{What: "Next month", Href: "/a", Why: "b", Urgency: console.Decide, Until: now.AddDate(0, 1, 0), Whom: "Reception", Teams: []string{"facilities"}},
		console.Due{What: "Yesterday", Href: "/a", Why: "b", Urgency: console.Decide, Until: now.AddDate(0, 0, -1), Whom: "Operations", Teams: []string{"operations"}, Mine: true},
		console.Due{What: hostile, Href: "/x?a=1&b=2", Why: hostile, Next: hostile, Whom: hostile, Tag: hostile, Teams: []string{"operations"}, Lines: []console.DueLine{{Target: hostile, Text: long}},
			Urgency: console.Blocked, Button: &ui.Button{Label: hostile, Href: "/x"}, Action: &ui.Action{Post: "/never", Button: ui.Button{Label: "never"}}},
	)
	page := h.get("/")
	consoletest.Wants(t, page, "What Why For Until", "Reception", "Operations", "late", hostile, long[:100], "5 items are due.", "All 5", "For me 2", "All teams 5", "Waiting for 1 h")
	consoletest.Lacks(t, page, "[/never]") // one button: the action is not shown beside it
	at := func(what string) int { return strings.Index(page, what) }
	if at("Yesterday") > at("Next month") || at("Next month") > at("Without a day") || at(hostile) > at("Yesterday") {
		t.Errorf("out of order:\n%s", page)
	}
	// The number in the navigation is that of the list.
	if !strings.Contains(page, "[/] Desk 5 ") {
		t.Errorf("the navigation counts otherwise:\n%s", page)
	}
	mine := h.get("/?whose=mine")
	consoletest.Wants(t, mine, "Yesterday", "One person has no passkey yet", "5 items are due.")
	consoletest.Lacks(t, mine, "Next month", "Without a day")
	both := h.get("/?whose=mine&team=operations")
	consoletest.Wants(t, both, "Yesterday", "[/desk.csv?team=operations&whose=mine]")
	consoletest.Lacks(t, both, "passkey yet")
	consoletest.Wants(t, h.get("/?team=nobodys"), "Nothing in this selection", "Show everything", "nobodys 0")
	for _, bad := range []string{"/?whose=yours", "/?team=" + url.QueryEscape(hostile), "/desk.csv?whose=yours"} {
		if w, _ := h.ask(http.MethodGet, bad); w.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", bad, w.Code)
		}
	}
	w, body := h.ask(http.MethodGet, "/desk.csv?team=operations&lang=en")
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil || w.Code != http.StatusOK || len(rows) != 3 || rows[1][2] != hostile || rows[2][2] != "Yesterday" || rows[2][8] != "true" || rows[2][9] == "" {
		t.Errorf("%d %v %q", w.Code, err, rows)
	}
}

func TestDeskNamesWhoAnswers(t *testing.T) {
	h := open(t)
	h.apply()
	h.look()
	h.sees["test.tls"] = failing()
	h.look("test.tls")
	consoletest.Wants(t, h.get("/"), "ENC-1", "All 2", "For me 1")
	if _, err := pgtest.Superuser(t, h.database()).Exec(context.Background(),
		"INSERT INTO measure.assignment (measure_id, responsible, assigned_by) VALUES ('ENC-1', $1::uuid, 'person:' || $1)", h.lead.ID); err != nil {
		t.Fatal(err)
	}
	consoletest.Wants(t, h.get("/?whose=mine"), "ENC-1", "For me 2", "Camille Exemple")
	h.as(actor.Reader) // knows no names
	page := h.get("/")
	consoletest.Wants(t, page, "ENC-1", "For me 0")
	consoletest.Lacks(t, page, "Camille", h.lead.ID[len(h.lead.ID)-8:])
	_, body := h.ask(http.MethodGet, "/desk.csv")
	consoletest.Lacks(t, body, "Camille", h.lead.ID)
	cat := h.runner.Registry.Catalogue
	m, _ := cat.Measure("ENC-1")
	consoletest.Wants(t, page, cat.TeamName("en", m.Owner))
}

// What is wrong in a register is said of its entry, and in the pages of the check of the register, by
// the words for it; an id tells nobody anything.
func TestDeskNamesEntries(t *testing.T) {
	h := open(t)
	h.apply()
	h.look()
	h.chrome.Target = func(_ *ui.Printer, target string) (ui.Link, bool) {
		return ui.Link{Label: "Their register", Href: "/registers/things"}, target == "back-office"
	}
	for actual, says := range map[string]string{"PC-11": ": PC-11", "entry 01a21ab1-3dcb-76fa-baea-ca747d60182a": "ENC-1"} {
		f := failing()
		f.Failed[0].Actual = actual
		h.sees["test.tls"] = f
		h.look("test.tls")
		page := h.get("/")
		consoletest.Wants(t, page, says)
		consoletest.Lacks(t, page, "back-office", "01a21ab1")
		consoletest.Wants(t, h.get("/checks/test.tls"), "[/registers/things] Their register", "back-office")
	}
}

// A member of staff has a desk with nothing but their own on it.
func TestDeskOfAMember(t *testing.T) {
	h := open(t)
	h.apply()
	h.sees["test.tls"] = failing()
	h.look()
	h.as(actor.Member)
	page := h.get("/")
	consoletest.Wants(t, page, "0 items are due.", "Nothing is due", "[http://trust.localhost:8481] Read the annex", "[/] Desk")
	consoletest.Lacks(t, page, "ENC-1", "Coverage", "Latest checks", "[/checks]", "passkey", "For me", "[/estate]", "[/record]", "CSV")
	for _, target := range []string{"/checks", "/checks.csv", "/checks/test.tls", "/estate", "/people", "/record", "/audit"} {
		if w, _ := h.ask(http.MethodGet, target); w.Code != http.StatusForbidden {
			t.Errorf("a member reads %s: %d", target, w.Code)
		}
	}
	if w, body := h.ask(http.MethodGet, "/desk.csv"); w.Code != http.StatusOK || strings.Count(body, "\n") != 1 {
		t.Errorf("desk.csv of a member: %d %s", w.Code, body)
	}
	h.gives(console.Due{What: "Read the charter", Href: "/tasks/1", Why: "It is new.", Urgency: console.Decide, Until: h.now().Add(time.Minute)})
	page = h.get("/")
	consoletest.Wants(t, page, "1 item is due.", "Read the charter", "today", "[/] Desk 1 ")
	consoletest.Lacks(t, page, "For me")
}

// Before the first publication the desk leads through what is left to do, where there is a page
// for it and the reader can take the step.
func TestDeskLeadsToTheFirstPublication(t *testing.T) {
	h := open(t)
	consoletest.Lacks(t, h.get("/"), "still private", "Enter the places")
	h.tells = func(v *measure.View) { v.Private = true }
	consoletest.Wants(t, h.get("/"), "No estate has been applied yet")
	h.apply()
	h.look()
	page := h.get("/")
	consoletest.Wants(t, page, "Publishing the annex takes a second person", "[/people#add] Add a person")
	consoletest.Lacks(t, page, "still private", "Enter the places") // there is no page to take these steps on
	nothing := func(http.ResponseWriter, *web.Request) error { return nil }
	h.chrome.Serves([]web.Route{{Pattern: "GET /annex", Permission: actor.ReadAnnex, Handler: nothing}, {Pattern: "GET /registers/{key}", Permission: actor.ReadRegisters, Handler: nothing}})
	page = h.get("/")
	consoletest.Wants(t, page, "[/registers/sites] Enter sites", "[/annex] Open the draft", "takes a second person", "4 items are due.", "[/] Desk 4 ")
	h.tells = func(v *measure.View) { v.Private, v.Subjects = true, map[string][]string{"site": {"x"}} }
	consoletest.Lacks(t, h.get("/"), "Enter sites")
	for _, role := range []actor.Role{actor.Reader, actor.Auditor, actor.Member, actor.Operator} {
		h.as(role)
		page := h.get("/")
		consoletest.Lacks(t, page, "Open the draft", "second person")
		consoletest.Wants(t, page, "0 items are due.")
	}
	h.auth.who = h.lead
	h.tells = nil
	consoletest.Lacks(t, h.get("/"), "Enter sites", "Open the draft", "second person")
}

// Of a private annex the desk does not say that the public has lost a sentence; and where a
// register has no entry it leads there, not to another run.
func TestDeskOfAPrivateAnnex(t *testing.T) {
	h := open(t)
	h.sees["test.tls"] = measure.Finding{Outcome: measure.Fail, Scope: []string{"application"}, Failed: []measure.Item{{Target: "application", Problem: "test.old"}}}
	h.sees["test.other"], h.scope["test.other"] = measure.Finding{Outcome: measure.NotApplicable}, []string{measure.RegisterScope + "assets"}
	h.apply()
	h.look()
	h.state("ENC-1", measure.NotMet, h.now().Add(-time.Hour))
	consoletest.Wants(t, h.get("/"), "no longer asserted in the public annex", "withdrawn from the public annex", "No target is declared yet.")
	h.tells = func(v *measure.View) { v.Private = true }
	h.chrome.Serves([]web.Route{{Pattern: "GET /registers/{key}", Permission: actor.ReadRegisters, Handler: func(http.ResponseWriter, *web.Request) error { return nil }}})
	page := h.get("/")
	consoletest.Wants(t, page, "One sentence of your draft is not met; the public reads none of it yet.", "Published as it is, the annex would withdraw its sentence.",
		"The register holds nothing to look at yet.", "[/registers/assets] Open the register")
	consoletest.Lacks(t, page, "no longer asserted", "withdrawn from the public annex", "No target is declared yet.")
}
