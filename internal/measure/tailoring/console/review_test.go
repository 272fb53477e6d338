package console_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	checks "github.com/garant-project/garant/internal/measure/console"
	annexes "github.com/garant-project/garant/internal/measure/tailoring/console"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/console/consoletest"
	"github.com/garant-project/garant/internal/web/signin"
	"github.com/garant-project/garant/internal/web/ui"
)

func TestTwoEditors(t *testing.T) {
	h := open(t)
	page, _ := h.raw("/annex/ENC-1")
	mine := h.form(page, "/annex/ENC-1")
	h.send("/annex/ENC-1", "/annex/ENC-1", "title.en", "Theirs", "title.fr", "La leur")
	mine.Set("owner", "security") // another field: goes through
	if w, body := h.ask(http.MethodPost, "/annex/ENC-1", mine); w.Code != http.StatusSeeOther || !strings.Contains(h.draft(), "Theirs") || !strings.Contains(h.draft(), "security") {
		t.Fatalf("%d %s\n%s", w.Code, h.draft(), consoletest.Text(t, body))
	}
	mine.Set("title.en", "Mine")
	mine.Set("title.fr", "La mienne")
	w, body := h.ask(http.MethodPost, "/annex/ENC-1?lang=en", mine)
	if w.Code != http.StatusUnprocessableEntity {
		t.Fatal(w.Code)
	}
	consoletest.Wants(t, consoletest.Text(t, body), "Somebody else has just changed the same place", "What the draft says now")
	again := h.form(body, "/annex/ENC-1")
	if again.Get("title.en") != "Mine" {
		t.Error("mine is lost")
	}
	if w, _ := h.ask(http.MethodPost, "/annex/ENC-1", again); w.Code != http.StatusSeeOther || !strings.Contains(h.draft(), "Mine") {
		t.Errorf("%d %s", w.Code, h.draft())
	}

	for _, target := range []string{"/annex/text", "/annex/parameters", "/annex/company"} {
		page, _ := h.raw(target)
		mine := h.form(page, target)
		h.send("/annex/parameters", "/annex/parameters", "p.backup.database.retention", map[string]string{"/annex/text": "31d", "/annex/parameters": "32d", "/annex/company": "33d"}[target])
		h.send("/annex/company", "/annex/company", "company.legal_name", "Theirs "+strings.TrimPrefix(target, "/annex/"))
		switch target {
		case "/annex/text":
			mine.Set("text", "# mine\n")
		case "/annex/parameters":
			mine.Set("p.backup.database.retention", "99d")
		default:
			mine.Set("company.legal_name", "Mine")
		}
		w, body := h.ask(http.MethodPost, target+"?lang=en", mine)
		if w.Code != http.StatusUnprocessableEntity {
			t.Fatalf("%s: %d", target, w.Code)
		}
		consoletest.Wants(t, consoletest.Text(t, body), "Somebody else has just changed the same place", "What the draft says now")
		if w, body := h.ask(http.MethodPost, target, h.form(body, target)); w.Code != http.StatusSeeOther {
			t.Errorf("%s again: %d %s", target, w.Code, consoletest.Text(t, body))
		}
	}
}

func TestReview(t *testing.T) {
	h := open(t)
	page := h.get("/annex/review")
	consoletest.Wants(t, page, "Nothing to review yet", "[/annex/company] Describe the company", "Submit for review")
	h.send("/annex/parameters", "/annex/parameters", "p.backup.database.retention", "30d")
	h.send("/annex/ENC-1", "/annex/ENC-1", "title.fr", "Chiffrement des échanges", "title.en", "Encryption of traffic")
	page = h.get("/annex/review")
	consoletest.Wants(t, page, "The annex announces less in one place.", "1 year", "30 days", "weaker", "reworded", "ENC-1 · Encryption of traffic")
	to := h.send("/annex/review", "/annex/review", "note", "Retention as in the contract")
	page = h.get(to)
	consoletest.Wants(t, page, "The draft is submitted.", "Nobody can review this text", "[/people] Add a person", "Retention as in the contract", "Alice (exemple)", "Withdraw the request")
	consoletest.Lacks(t, page, "Publish the annex")
	consoletest.Wants(t, h.get("/annex"), "A text waits for its review")
	consoletest.Lacks(t, h.get("/"), "waits for your review")

	bob := h.person("bob")
	consoletest.Wants(t, h.get("/annex/review"), "These may review it: Bob (exemple).")
	last, err := h.book.Last(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	base := fmt.Sprintf("/annex/review/%d/", last.ID)
	// Who wrote it cannot, whatever they send.
	if w, body := h.ask(http.MethodPost, base+"publish?lang=en", url.Values{}); w.Code != http.StatusUnprocessableEntity || !strings.Contains(consoletest.Text(t, body), "You had a hand in this text") {
		t.Errorf("%d", w.Code)
	}
	h.as(actor.Operator)
	consoletest.Wants(t, h.get("/annex/review"), "A security lead has to review this text")
	if w, _ := h.ask(http.MethodPost, base+"publish", url.Values{}); w.Code != http.StatusForbidden {
		t.Errorf("an operator publishes: %d", w.Code)
	}
	h.auth.who = bob
	consoletest.Wants(t, h.get("/"), "A version of the annex waits for your review", "[/annex/review] Review")
	page = h.get("/annex/review")
	consoletest.Wants(t, page, "Publish the annex", "Send back with this reason")
	body := h.refused("/annex/review", base+"refuse")
	consoletest.Wants(t, consoletest.Text(t, body), "Those who wrote the text have to know why it comes back.")
	h.send("/annex/review", base+"refuse", "reason", "Keep a year")
	h.auth.who = h.alice
	consoletest.Wants(t, h.get("/annex/review"), "Sent back by Bob (exemple)", "Keep a year", "Submit for review")
	consoletest.Wants(t, h.get("/"), "Your text of the annex was sent back", "Keep a year")

	h.send("/annex/review", "/annex/review")
	last, _ = h.book.Last(context.Background())
	h.send("/annex/review", fmt.Sprintf("/annex/review/%d/withdraw", last.ID))
	h.send("/annex/review", "/annex/review")
	h.auth.who = bob
	h.publish()
	if h.published != 1 {
		t.Errorf("told %d times", h.published)
	}
	page = h.get("/annex?done=annex_published")
	consoletest.Wants(t, page, "The annex is published.", "Version 1 published", "The draft does not differ from it.")
	consoletest.Wants(t, h.get("/annex/review"), "Nothing new to review")
	h.send("/annex/ENC-2", "/annex/ENC-2", "owner", "security")
	consoletest.Wants(t, h.get("/annex"), "Version 1 published", "The draft differs from it in one place.")
	if w, _ := h.ask(http.MethodPost, "/annex/review/x/publish", url.Values{}); w.Code != http.StatusNotFound {
		t.Errorf("an unknown proposal: %d", w.Code)
	}
	if w, _ := h.ask(http.MethodPost, "/annex/review", url.Values{"revision": {"1"}}); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("an old revision was submitted: %d", w.Code)
	}
}

func TestVersions(t *testing.T) {
	h := open(t)
	consoletest.Wants(t, h.get("/annex/versions"), "No version is published", "[/annex/review] Review and publish")
	bob := h.person("bob")
	for _, retention := range []string{"300d", "30d"} {
		h.auth.who = h.alice
		h.send("/annex/parameters", "/annex/parameters", "p.backup.database.retention", retention)
		h.send("/annex/review", "/annex/review", "note", "Now "+retention)
		h.auth.who = bob
		h.publish()
	}
	page := h.get("/annex/versions")
	consoletest.Wants(t, page, "[/annex/versions/2] Version 2", "1 weaker", "Now 30d", "Bob (exemple)", "1 place")
	page = h.get("/annex/versions/2")
	consoletest.Wants(t, page, "Compared with version 1.", "300 days", "30 days", "backup.database.retention: 30d", "published the annex")
	consoletest.Wants(t, h.get("/annex/versions/1"), "Compared with the catalogue as it is delivered.", "1 year", "300 days")
	consoletest.Wants(t, h.get("/annex/versions/1?against=2"), "Compared with version 2.", "stronger")
	for target, want := range map[string]int{"/annex/versions/9": 404, "/annex/versions/x": 404, "/annex/versions/1?against=x": 422, "/annex/versions/1?against=9": 404, "/annex/versions?before=x": 422} {
		if w, _ := h.ask(http.MethodGet, target, nil); w.Code != want {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	w, body := h.ask(http.MethodGet, "/annex/versions/1/annex.yaml", nil)
	if w.Code != http.StatusOK || !strings.Contains(body, "300d") {
		t.Errorf("%d %s", w.Code, body)
	}
	w, body = h.ask(http.MethodGet, "/annex/versions.csv", nil)
	if rows, err := csv.NewReader(strings.NewReader(body)).ReadAll(); err != nil || w.Code != http.StatusOK || len(rows) != 3 || rows[1][0] != "2" || rows[1][10] != "1" {
		t.Errorf("%d %v %v", w.Code, rows, err)
	}
}

// What an older build published and a newer one cannot read is told with its lines on every page.
func TestAnotherBuild(t *testing.T) {
	h := open(t)
	bob := h.person("bob")
	h.send("/annex/text", "/annex/text", "text", "measures:\n  ENC-1: {owner: security}\n")
	h.send("/annex/review", "/annex/review")
	h.auth.who = bob
	h.publish()
	other, err := catalogue.Parse([]byte("sections: [{id: 1, gdpr: [32(1)(a)]}]\nmeasures:\n  - {id: AAA-1, section: 1, kind: checked, owner: ops, operator: own, refs: {gdpr: [32(1)(a)]}}\n"), map[string][]byte{
		"fr": []byte("sections: {1: Un titre}\nteams: {ops: Exploitation}\nmeasures: {AAA-1: {title: Copies, sentence: Nous gardons des copies., method: Garant les compte.}}\n"),
		"en": []byte("sections: {1: A title}\nteams: {ops: Operations}\nmeasures: {AAA-1: {title: Copies, sentence: We keep copies., method: Garant counts them.}}\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	reg, err := measure.NewRegistry(other)
	if err != nil {
		t.Fatal(err)
	}
	h.runner.Registry, h.book.Base = reg, other
	routes, err := annexes.Pages(h.chrome, h.deps) // another process
	if err != nil {
		t.Fatal(err)
	}
	h.site, err = web.NewSite(web.Config{Name: "console", Hosts: []string{"admin.localhost"}, Routes: routes, Auth: h.auth, SignInPath: "/sign-in", ErrorPage: h.chrome.Error,
		Languages: []string{"fr", "en"}, Log: slog.New(slog.DiscardHandler), Metrics: web.NewMetrics(), Now: h.now})
	if err != nil {
		t.Fatal(err)
	}
	page := h.get("/annex")
	consoletest.Wants(t, page, "This version of Garant can no longer read the draft", "can no longer read version 1", "line 2", "The catalogue has no measure ENC-1.", "[/annex/text] Correct the text")
	consoletest.Wants(t, h.get("/annex/text"), "The catalogue has no measure ENC-1.")
	consoletest.Wants(t, h.get("/annex/review"), "line 2")
	consoletest.Wants(t, h.get("/annex/versions/1"), "This program can no longer read")
	for _, target := range []string{"/annex/AAA-1", "/annex/own", "/annex/parameters", "/annex/company"} {
		if w, _ := h.ask(http.MethodGet, target, nil); w.Code != http.StatusSeeOther {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	if w, _ := h.ask(http.MethodGet, "/annex.csv", nil); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("half a list: %d", w.Code)
	}
	if w, _ := h.ask(http.MethodPost, "/annex/AAA-1", url.Values{"revision": {"1"}}); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("half a change: %d", w.Code)
	}
	h.send("/annex/text", "/annex/text", "text", "measures:\n  AAA-1: {operator: supplier}\n")
	consoletest.Wants(t, h.get("/annex"), "AAA-1", "can no longer read version 1")
	consoletest.Wants(t, h.get("/annex/review"), "the differences cannot be shown")
}

func TestWhoMay(t *testing.T) {
	h := open(t)
	h.as(actor.Reader)
	for _, target := range []string{"/annex", "/annex/ENC-1", "/annex/own", "/annex/parameters", "/annex/company", "/annex/text", "/annex/review", "/annex/versions"} {
		page, _ := h.raw(target)
		if strings.Contains(page, `method="post" action="/annex/ENC-1`) || strings.Contains(page, ">Save to the draft<") || strings.Contains(page, ">Submit for review<") || strings.Contains(page, ">Add to the draft<") {
			t.Errorf("%s offers a change to a reader", target)
		}
	}
	for _, target := range []string{"/annex/ENC-1", "/annex/ENC-1/exclude", "/annex/own", "/annex/parameters", "/annex/company", "/annex/text", "/annex/review", "/annex/review/1/publish"} {
		if w, _ := h.ask(http.MethodPost, target, url.Values{"revision": {"0"}}); w.Code != http.StatusForbidden {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	if h.draft() != "" {
		t.Error("a reader changed the draft")
	}
}

func TestHostileWords(t *testing.T) {
	h := open(t)
	hostile := `<script>alert(1)</script> “x” & 'y' ` + strings.Repeat("très long ", 15)
	h.send("/annex/company", "/annex/company", "company.legal_name", strings.TrimSpace(hostile), "also.ai.fr", "Non <b>jamais</b>.", "also.ai.en", "No <b>never</b>.")
	h.send("/annex/ENC-1", "/annex/ENC-1", "title.fr", "<img src=x>", "title.en", "<img src=x>")
	h.send("/annex/review", "/annex/review", "note", "<script>alert(1)</script>")
	for _, target := range []string{"/annex", "/annex/ENC-1", "/annex/company", "/annex/text", "/annex/review"} {
		for _, page := range func() []string { en, fr := h.raw(target); return []string{en, fr} }() {
			for _, bad := range []string{"<script>alert", "<img src=x", "<b>never"} {
				if strings.Contains(page, bad) {
					t.Errorf("%s shows %s as it is", target, bad)
				}
			}
		}
	}
}

// Every problem that a reader of annex.yaml can meet has words in both languages.
func TestEveryProblemHasWords(t *testing.T) {
	words, err := ui.NewMessages(console.Messages(), checks.Messages(), signin.Messages(), annexes.Messages())
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range []string{"tailoring.go", "node.go", "style.go", "text.go"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "catalogue", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"(catalogue|tailoring)\.([a-z_]+)"`).FindAllStringSubmatch(string(text), -1) {
			found++
			for _, lang := range []string{"fr", "en"} {
				p := words.For(lang, time.UTC)
				if id := "annexes.problem." + m[1] + "_" + m[2]; !p.Has(id) || !p.Has(id+".fix") {
					t.Errorf("%s has no words in %s", id, lang)
				}
			}
		}
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "catalogue", "tailor.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\.wrong\([^"\n]*(?:"[^"]*"[^",]*)?, "([a-z_]+)", `).FindAllStringSubmatch(string(text), -1) {
		found++
		if id := "annexes.problem.tailoring_" + m[1]; !words.For("fr", time.UTC).Has(id) {
			t.Errorf("%s has no words", id)
		}
	}
	if found < 60 {
		t.Errorf("only %d problems were found in the source", found)
	}
}
