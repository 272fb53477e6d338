package console_test

import (
	"context"
	"encoding/csv"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web/console/consoletest"
)

const (
	first = `company: {name: Ardoise Mécénat, country: BE, languages: [fr, en], time_zone: Europe/Brussels, contact: dpo@ardoise.example}
endpoints:
  - {name: application, url: "https://app.ardoise.example", environment: production, audience: public}
  - {name: back-office, url: "https://admin.ardoise.example:8443/login", environment: production, audience: admin}
policy: {certificate_remaining: 14d, every: 1m}
`
	second = `company: {name: Ardoise Mécénat, country: BE, languages: [fr, en], time_zone: Europe/Brussels, contact: privacy@ardoise.example}
endpoints:
  - {name: application, url: "https://www.ardoise.example", environment: production, audience: public}
policy: {certificate_remaining: 7d, every: 1h}
`
)

func TestEstateBeforeAny(t *testing.T) {
	h := open(t)
	consoletest.Wants(t, h.get("/estate"), "No estate has been applied yet", "garant estate apply garant.yaml")
	if w, body := h.ask(http.MethodGet, "/estate/1?lang=en", nil); w.Code != http.StatusNotFound || !strings.Contains(consoletest.Text(t, body), "no such version") {
		t.Errorf("a version that there is not: %d", w.Code)
	}
	if w, _ := h.ask(http.MethodGet, "/estate/one", nil); w.Code != http.StatusNotFound {
		t.Errorf("a version that is no number: %d", w.Code)
	}
}

func TestEstate(t *testing.T) {
	h := open(t)
	v := h.apply(cli, first)
	page := h.get("/estate")
	consoletest.Wants(t, page, "Version 1", "in force", "the command line (root)", v.Hash, "https://admin.ardoise.example:8443/login", "customers", "14 days", "certificate_remaining: 14d")
	consoletest.Lacks(t, page, "waiting for a second person")
	consoletest.Wants(t, h.get("/estate/1"), "This is the first version", "applied the estate")
	if w, _ := h.ask(http.MethodGet, "/estate?before=x", nil); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("before=x: %d", w.Code)
	}
}

// TestDatabases: what is declared of databases is shown, without the place of its secret address
// where it is not asked for, and a role let near personal data waits for a second person.
func TestDatabases(t *testing.T) {
	h := open(t)
	const production = first + `databases:
  - name: production
    url: env:GARANT_PRODUCTION_URL
    database: "<ardoise>"
    system: "7312345678901234567"
    environment: production
    customer_data: true
    readers: [{role: app, service: Application}]
    privileged: [{role: postgres, holder: IT Operations, why: Runs the cluster}]
`
	h.apply(cli, production)
	consoletest.Wants(t, h.get("/estate"), "Databases", "production", "<ardoise>", "holds customers’ data", "Teams that may reach customers’ data", "Customer Success and IT Operations")
	h.apply(cli, strings.Replace(production, "service: Application}", "service: Application}, {role: sales, team: Customer Success}", 1))
	consoletest.Wants(t, h.get("/estate/2"), "Database production: roles that may reach personal data", "Less is demanded", "sales (team Customer Success)", "ACC-2")
	h.apply(cli, first)
	consoletest.Wants(t, h.get("/estate/3"), "Database production", "No longer looked at", "ACC-2, ACC-5, CLS-1, ENC-1, NET-1, SEG-5")
	consoletest.Lacks(t, h.get("/estate"), "Databases")
}

func TestReductionIsConfirmedBySecondPerson(t *testing.T) {
	h := open(t)
	ana := h.person("ana@ardoise.example", "Ana Exemple", actor.Lead)
	karim := h.person("karim@ardoise.example", "Karim Exemple", actor.Reader)
	h.apply(cli, first)
	claire := h.auth.who
	h.apply(claire, second)

	consoletest.Wants(t, h.get("/estate"), "reductions are waiting for a second person", "[/estate/2]", "to be confirmed")
	page := h.get("/estate/2")
	consoletest.Wants(t, page, "No longer looked at", "https://admin.ardoise.example:8443/login", "Stands for something else", "Endpoint application: address", "Less is demanded",
		"Least time left of a certificate", "Looked at less often", "Contact address", "dpo@ardoise.example", "privacy@ardoise.example", "CRT-1, ENC-1, ENC-2",
		"Compared with version 1", "Somebody else has to confirm", "Camille Exemple")
	consoletest.Lacks(t, page, "Confirm the reduction")

	// Who brought it about cannot confirm it.
	w, page := h.post("/estate/2/confirm", url.Values{"reason": {"It is meant."}})
	if w.Code != http.StatusUnprocessableEntity {
		t.Errorf("the first person confirms: %d", w.Code)
	}
	consoletest.Wants(t, page, "You had a hand in this reduction; somebody else has to confirm it.", "Ask another security lead.")

	h.as(karim)
	consoletest.Wants(t, h.get("/estate/2"), "Only a security lead can confirm it.")
	consoletest.Lacks(t, h.get("/estate/2"), "Camille Exemple", "Confirm the reduction")
	if w, _ := h.post("/estate/2/confirm", url.Values{"reason": {"Me too."}}); w.Code != http.StatusForbidden {
		t.Errorf("a reader confirms: %d", w.Code)
	}

	h.as(ana)
	consoletest.Wants(t, h.get("/estate/2"), "Confirm the reduction")
	for _, reason := range []string{"", "  ", strings.Repeat("x", 1001)} {
		w, page := h.post("/estate/2/confirm", url.Values{"reason": {reason}})
		if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), `aria-invalid="true"`) {
			t.Errorf("a reason of %d letters: %d", len(reason), w.Code)
		}
		consoletest.Wants(t, page, "A confirmation needs a reason", "Confirm the reduction")
	}
	if w, page := h.post("/estate/1/confirm", url.Values{"reason": {"The old one."}}); w.Code != http.StatusUnprocessableEntity || !strings.Contains(page, "Another version has come into force") {
		t.Errorf("an old version: %d", w.Code)
	}
	if v, err := estate.Current(context.Background(), h.db.Pool(pg.Staff)); err != nil || len(v.Pending()) != 4 {
		t.Fatalf("pending after refusals: %d, %v", len(v.Pending()), err)
	}

	w, _ = h.post("/estate/2/confirm", url.Values{"reason": {"The back office moved <elsewhere>."}})
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/estate/2?done=confirmed" {
		t.Fatalf("%d to %q", w.Code, w.Header().Get("Location"))
	}
	consoletest.Wants(t, h.get("/estate/2?done=confirmed"), "The reduction is confirmed.", "Confirmed by Ana Exemple", "The back office moved <elsewhere>.", "confirmed a reduction")
	consoletest.Lacks(t, h.get("/estate"), "waiting for a second person")
	if w, page := h.post("/estate/2/confirm", url.Values{"reason": {"Again."}}); w.Code != http.StatusUnprocessableEntity || !strings.Contains(page, "Nothing is waiting to be confirmed.") {
		t.Errorf("confirmed twice: %d", w.Code)
	}
}

func TestEstateCSV(t *testing.T) {
	h := open(t)
	h.apply(cli, first)
	h.apply(cli, second)
	_, body := h.ask(http.MethodGet, "/estate.csv", nil)
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil || len(rows) != 3 || rows[1][0] != "2" || rows[1][3] != "system:cli:root" || rows[1][4] != "4" || rows[2][0] != "1" {
		t.Errorf("%q, %v", rows, err)
	}
}

func TestVersionsPaging(t *testing.T) {
	h := open(t)
	for i := range 52 {
		h.apply(cli, strings.Replace(first, "every: 1m", "every: "+strconv.Itoa(60-i)+"s", 1))
	}
	page := h.get("/estate")
	consoletest.Wants(t, page, "Version 52", "Version 3 ", "[/estate?before=3]")
	consoletest.Lacks(t, page, "Version 2 ")
	consoletest.Wants(t, h.get("/estate?before=3"), "Version 2 ", "Version 1 ")
}

func TestRecord(t *testing.T) {
	h := open(t)
	h.apply(cli, first)
	karim := h.person("karim@ardoise.example", "Karim Exemple", actor.Reader)
	h.as(karim)
	if _, err := h.dir.AddPerson(context.Background(), h.auth.who, "x@ardoise.example", "X", actor.Lead, h.now); err == nil {
		t.Fatal("a reader added somebody")
	}
	page := h.get("/record")
	consoletest.Wants(t, page, "applied the estate", "Version 1", "the command line (root)", "refused", "Karim Exemple")
	consoletest.Lacks(t, page, "Camille Exemple")
	h.as(h.lead)
	page = h.get("/record")
	consoletest.Wants(t, page, "Camille Exemple", "[/estate/1]", "[/people/"+karim.ID.String()+"]", "[/record?actor="+karim.ID.String()+"]")

	if err := pg.InTx(context.Background(), h.db.Pool(pg.Staff), func(tx pgx.Tx) error {
		return audit.Record(context.Background(), tx, actor.NewSystem("shop"), "tenant_token.minted", audit.Object{Kind: "database", ID: "shop"}, nil)
	}); err != nil {
		t.Fatal(err)
	}
	page = h.get("/record")
	consoletest.Wants(t, page, "Not listed, of the last 24 hours: [/record?action=tenant_token.minted] 1 minted token New entries")
	consoletest.Lacks(t, page, "shop")
	consoletest.Wants(t, h.get("/record?action=tenant_token.minted"), "shop")

	only := h.get("/record?actor=" + karim.ID.String())
	consoletest.Wants(t, only, "refused", "Show everything")
	consoletest.Lacks(t, only, "[/estate/1]")
	only = h.get("/record?object=estate:1&action=estate.applied")
	consoletest.Wants(t, only, "[/estate/1]")
	consoletest.Lacks(t, only, "[/people/"+karim.ID.String()+"]")
	consoletest.Wants(t, h.get("/record?object=estate:99"), "No entry matches", "Show everything")
	for _, before := range []string{"x", "-1", "0"} {
		if w, _ := h.ask(http.MethodGet, "/record?before="+before, nil); w.Code != http.StatusUnprocessableEntity {
			t.Errorf("before=%s: %d", before, w.Code)
		}
	}
	for _, query := range []string{"actor=%00", "object=x:%ff", "action=a%00b"} { // no text that a database takes
		for _, path := range []string{"/record", "/record.csv"} {
			if w, _ := h.ask(http.MethodGet, path+"?"+query, nil); w.Code != http.StatusUnprocessableEntity {
				t.Errorf("%s?%s: %d", path, query, w.Code)
			}
		}
	}
}

func TestRecordPagingAndCSV(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	const total = 230
	for i := range total {
		if err := audit.Refused(ctx, h.db.Pool(pg.Staff), cli, "thing.done", audit.Object{Kind: "thing", ID: "+" + strconv.Itoa(i)}, map[string]any{"n": i}); err != nil {
			t.Fatal(err)
		}
	}
	older := regexp.MustCompile(`\[(/record\?action=thing\.done&before=\d+)\] Older`)
	seen, target := 0, "/record?action=thing.done"
	for pages := 0; ; pages++ {
		page := h.get(target)
		seen += strings.Count(page, "thing.done refused")
		next := older.FindStringSubmatch(page)
		if next == nil {
			break
		}
		target = next[1]
		if pages > 10 {
			t.Fatal("pages without end")
		}
	}
	if seen != total {
		t.Errorf("the pages show %d of %d entries", seen, total)
	}
	_, body := h.ask(http.MethodGet, "/record.csv?action=thing.done", nil)
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil || len(rows) != total+1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if r := rows[1]; r[6] != "thing.done" || r[7] != "refused" || r[9] != "'+229" || r[10] != `{"n":229}` {
		t.Errorf("row: %q", r)
	}
	if at, err := time.Parse(time.RFC3339Nano, rows[1][1]); err != nil || time.Since(at) > time.Minute {
		t.Errorf("time: %q", rows[1][1])
	}
}
