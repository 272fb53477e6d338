package console_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web/browsertest"
	"github.com/garant-project/garant/internal/web/console"
)

const smaller = `company: {name: Ardoise Mécénat, country: BE, languages: [fr, en], time_zone: Europe/Brussels, contact: dpo@ardoise.example}
endpoints:
  - {name: application, url: "https://app.ardoise.example", environment: production, audience: public}
  - {name: back-office, url: "https://admin.ardoise.example", environment: production, audience: admin}
policy: {every: 5m}
`

// sample fills a house with something of everything, and returns the pages that show it.
func sample(t *testing.T) (h *house, pages map[string]string) {
	t.Helper()
	h = open(t)
	ctx := context.Background()
	h.apply()
	h.look()
	f := failing()
	f.Facts = map[string]measure.Fact{"endpoint.tls.versions": measure.List("TLS 1.2", "TLS 1.3"), "endpoint.tls.examined": measure.Count(2)}
	h.sees["test.tls"] = f
	h.sees["test.hsts"] = measure.Finding{Outcome: measure.Error, Failed: []measure.Item{{Target: "application", Problem: measure.ProblemTimeout}, {Target: "back-office", Problem: measure.ProblemTimeout}}}
	h.look("test.tls", "test.hsts")
	now := h.now()
	for i, m := range h.runner.Registry.Catalogue.Measures {
		if i < 40 {
			h.state(m.ID, measure.Met, now.AddDate(0, 0, -2*i-3))
		}
	}
	h.state("ENC-1", measure.NotMet, now.Add(-72*time.Hour))
	if _, err := estate.Apply(ctx, h.db.Pool(pg.Staff), actor.NewSystem("cli:root"), []byte(smaller), estate.Dir(t.TempDir())); err != nil {
		t.Fatal(err)
	}
	if _, err := h.runner.Run(ctx, actor.NewSystem("scheduler"), "test.certificate"); err != nil {
		t.Fatal(err)
	}
	list, err := measure.ListEvidence(ctx, h.db.Pool(pg.Staff), "test.tls", "", 1)
	if err != nil || len(list) != 1 {
		t.Fatal(err)
	}
	done, err := h.runner.Ask(ctx, h.lead, "test.tls")
	if err == nil {
		err = h.work("test.tls", done)
	}
	if err != nil {
		t.Fatal(err)
	}
	waiting, err := h.runner.Ask(ctx, h.lead, "test.certificate")
	if err != nil {
		t.Fatal(err)
	}
	code, drawn := h.send("/audit", url.Values{"population": {"evidence:test.tls"}, "from": {now.AddDate(0, 0, -30).Format(time.DateOnly)}, "until": {now.Format(time.DateOnly)}, "method": {"random"}, "size": {"25"}, "purpose": {"ENC-1 et la suite"}})
	if code != http.StatusUnprocessableEntity { // nothing is old enough yet
		t.Fatal(code, drawn)
	}
	h.ahead = 10 * time.Minute
	code, drawn = h.send("/audit", url.Values{"population": {"evidence:test.tls"}, "from": {now.AddDate(0, 0, -30).Format(time.DateOnly)}, "until": {h.now().Format(time.DateOnly)}, "method": {"random"}, "size": {"25"}, "purpose": {"ENC-1 et la suite"}})
	if code != http.StatusSeeOther {
		t.Fatal(code)
	}
	if code, _ := h.send(drawn+"/items/1", url.Values{"result": {"exception"}, "note": {"TLS 1.1 est encore accepté."}}); code != http.StatusSeeOther {
		t.Fatal(code)
	}
	h.ahead = 0
	h.gives(console.Due{What: "Lire la charte", Href: "/", Why: "Elle est nouvelle.", Whom: "Accueil", Teams: []string{"facilities"}, Until: now.AddDate(0, 0, -2), Urgency: console.Decide, Mine: true})
	return h, map[string]string{
		"desk-mine": "/?whose=mine", "samples": "/audit", "sample": drawn, "sample-item": drawn + "/items/1",
		"desk": "/", "checks": "/checks", "check-failing": "/checks/test.tls", "check-blind": "/checks/test.hsts", "evidence": "/evidence/" + list[0].ID,
		"run-waiting": "/runs/" + waiting, "run-done": "/runs/" + done, "estate": "/estate", "version": "/estate/2", "people": "/people",
		"person": "/people/" + h.lead.ID + "?done=person_added", "record": "/record", "error": "/checks/test.nothing",
	}
}

// axe finds nothing to say, in either theme, on a wide window and on a phone; and no page is
// wider than its window (WCAG 2.2, 1.4.10).
func TestAccessibility(t *testing.T) {
	h, pages := sample(t)
	browsertest.Open(t, h.site).Accessible(pages, browsertest.Looks()...)
}

// A run that somebody waits for tells by itself that it has finished, and then asks no more.
func TestRunIsFollowed(t *testing.T) {
	h, pages := sample(t)
	tab := browsertest.Open(t, h.site)
	tab.Visit(pages["run-waiting"], browsertest.Look{Theme: "light", Lang: "en", Width: 1280})
	if s := browsertest.Eval[string](tab, `document.querySelector("#run").innerText`); !strings.Contains(s, "Waiting") {
		t.Fatalf("the page says %q", s)
	}
	if err := h.work("test.certificate", strings.TrimPrefix(pages["run-waiting"], "/runs/")); err != nil {
		t.Fatal(err)
	}
	said := browsertest.Eval[string](tab, `new Promise(done => {
		const until = Date.now() + 8000;
		const look = () => {
			const run = document.querySelector("#run");
			if (run.innerText.includes("See the evidence") || Date.now() > until) { done(run.innerText + "|" + run.hasAttribute("hx-get") + "|" + document.querySelectorAll("#run").length); }
			else { setTimeout(look, 50); }
		};
		look();
	})`)
	if !strings.Contains(said, "Everything is as it should be") || !strings.HasSuffix(said, "|false|1") {
		t.Errorf("after the run: %q", said)
	}
}
