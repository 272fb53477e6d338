package console_test

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/web/console/consoletest"
)

// hostile is what somebody may write wherever text can be written.
const hostile = `<script>alert(1)</script>"'=HYPERLINK("x")`

// auditing signs an auditor in, ten minutes after everything that the test has done.
func (h *house) auditing() {
	h.t.Helper()
	if h.now.Before(time.Now().Add(5 * time.Minute)) {
		h.now = h.now.Add(10 * time.Minute)
	}
	p, err := h.dir.AddAuditor(context.Background(), cli, uuid.NewString()+"@cabinet.example", "Auditrice (exemple)", h.now.AddDate(0, 1, 0), h.now)
	if err != nil {
		h.t.Fatal(err)
	}
	h.as(p)
}

func (h *house) drawForm(population string, size int) url.Values {
	return url.Values{"population": {population}, "from": {h.day(-30)}, "until": {h.day(0)}, "method": {"random"}, "size": {fmt.Sprint(size)}, "seed": {"2026-Q4"}, "purpose": {hostile}}
}

// drawn draws and returns the path of the sample.
func (h *house) drawn(form url.Values) string {
	h.t.Helper()
	w, page := h.post("/audit", form)
	if w.Code != http.StatusSeeOther {
		h.t.Fatalf("drawing: %d %s", w.Code, page)
	}
	path, _, _ := strings.Cut(w.Header().Get("Location"), "?")
	return path
}

type workingPaper struct {
	Seed, Digest     string
	Intact           bool
	PopulationSize   int    `json:"population_size"`
	PopulationDigest string `json:"population_digest"`
	Items            []struct {
		ID, Record, Verdict, Digest string
		Notes                       []struct{ Result, Note, By string }
	}
}

func (h *house) paper(path string) workingPaper {
	h.t.Helper()
	w, body := h.ask(http.MethodGet, path+"/paper.json?lang=en", nil)
	var p workingPaper
	if err := json.Unmarshal([]byte(body), &p); err != nil || w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Content-Disposition"), "attachment") {
		h.t.Fatalf("%d %v %s", w.Code, err, body)
	}
	return p
}

func TestSampleOfTheRecord(t *testing.T) {
	h := open(t)
	for i := range 30 {
		h.person(fmt.Sprintf("p%02d@ardoise.example", i), hostile[:20], actor.Reader)
	}
	h.auditing()
	consoletest.Wants(t, h.get("/audit"), "No sample has been drawn yet", "Audit log: added a person", "Persons added", "Versions of the estate")
	path := h.drawn(h.drawForm("record:person.added", 8))
	page := h.get(path)
	consoletest.Wants(t, page, "2026-Q4", "8 of 32", "not looked at yet", "as when it was drawn", "The population is as it was", "openssl dgst -sha256 -hmac 2026-Q4", "<script>alert(1)</script>", "drew a sample")
	consoletest.Lacks(t, page, "Camille Exemple", "CHANGED", "NOT AS IT WAS")
	p := h.paper(path)
	if len(p.Items) != 8 || !p.Intact || p.PopulationSize != 32 {
		t.Fatalf("the paper: %+v", p)
	}

	// The list that it gives out is what the digest says, and what was drawn from.
	w, list := h.ask(http.MethodGet, path+"/population.txt", nil)
	sum := sha256.Sum256([]byte(list))
	if w.Code != http.StatusOK || strings.Count(list, "\n") != 32 || hex.EncodeToString(sum[:]) != p.PopulationDigest {
		t.Errorf("population.txt: %d, %d lines", w.Code, strings.Count(list, "\n"))
	}
	// The same seed draws the same items, another one others.
	again := h.paper(h.drawn(h.drawForm("record:person.added", 8)))
	other := h.drawForm("record:person.added", 8)
	other.Set("seed", "")
	third := h.paper(h.drawn(other))
	ids := func(p workingPaper) (out []string) {
		for _, i := range p.Items {
			out = append(out, i.ID)
		}
		return out
	}
	if !slices.Equal(ids(p), ids(again)) || again.Digest == p.Digest || slices.Equal(ids(p), ids(third)) || len(third.Seed) != 32 {
		t.Errorf("drawn again: %v and %v; with another seed %v", ids(p), ids(again), ids(third))
	}

	// Notes: refused, kept, kept beside.
	item := path + "/items/3"
	consoletest.Wants(t, h.get(item), "Item 3 of 8", "Nothing is noted yet", "["+path+"/items/2] Previous", "["+path+"/items/4] Next", "person.added")
	for _, c := range []struct {
		result, note string
		says         string
	}{{"", "", "There is no such result."}, {"perfect", "x", "There is no such result."}, {"exception", " ", "needs a note"}, {"ok", strings.Repeat("é", 2001), "at most 2,000"}} {
		w, page := h.post(item, url.Values{"result": {c.result}, "note": {c.note}})
		if w.Code != http.StatusUnprocessableEntity || !strings.Contains(page, c.says) {
			t.Errorf("%.10q %.10q: %d", c.result, c.note, w.Code)
		}
	}
	for _, v := range []url.Values{{"result": {"exception"}, "note": {hostile}}, {"result": {"ok"}, "note": {"The approval was elsewhere."}}} {
		if w, page := h.post(item, v); w.Code != http.StatusSeeOther {
			t.Fatalf("%d %s", w.Code, page)
		}
	}
	consoletest.Wants(t, h.get(item), hostile, "The approval was elsewhere.", "in order", "exception")
	consoletest.Wants(t, h.get(path), "The approval was elsewhere.", "noted what they found")
	consoletest.Wants(t, h.get("/audit"), "1 of 8 looked at")
	p = h.paper(path)
	if n := p.Items[2].Notes; len(n) != 2 || n[0].Note != hostile || n[1].Result != "ok" {
		t.Errorf("notes of the paper: %+v", n)
	}
	_, body := h.ask(http.MethodGet, path+"/paper.csv", nil)
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil || len(rows) != 10 || rows[3][9] != "exception" || rows[3][10] != hostile || rows[4][9] != "ok" || rows[4][1] != "3" || rows[5][9] != "" {
		t.Errorf("paper.csv: %v %q", err, rows)
	}
	if _, body := h.ask(http.MethodGet, "/audit.csv", nil); strings.Count(body, "\r\n") != 4 || !strings.Contains(body, p.Digest) {
		t.Errorf("samples.csv: %s", body)
	}

	// What came later is said; what was changed is seen.
	h.person("later@ardoise.example", "Later", actor.Reader)
	h.now = h.now.Add(10 * time.Minute)
	consoletest.Wants(t, h.get(path), "The population has grown since by one record") // the record has its own clock, ten minutes behind
	conn := pgtest.Superuser(t, h.db.Pool(pg.Staff).Config().ConnConfig.Database)
	if _, err := conn.Exec(context.Background(), `UPDATE audit.entry SET actor_id = 'somebody else' WHERE id = $1::bigint`, p.Items[0].ID); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(context.Background(), `DELETE FROM audit.entry WHERE id = $1::bigint`, p.Items[1].ID); err != nil {
		t.Fatal(err)
	}
	page = h.get(path)
	consoletest.Wants(t, page, "CHANGED SINCE IT WAS DRAWN", "NO LONGER THERE", "THE POPULATION IS NO LONGER THE ONE THAT WAS DRAWN FROM")
	consoletest.Wants(t, h.get(path+"/items/1"), "CHANGED SINCE IT WAS DRAWN")
	consoletest.Wants(t, h.get(path+"/items/2"), "NO LONGER THERE")
	if p := h.paper(path); p.Items[0].Verdict != "changed" || p.Items[1].Verdict != "gone" || p.Items[2].Verdict != "same" {
		t.Errorf("verdicts: %+v", p.Items)
	}
	if _, err := conn.Exec(context.Background(), `UPDATE audit.sample SET seed = 'chosen' WHERE id = $1::uuid`, strings.TrimPrefix(path, "/audit/")); err != nil {
		t.Fatal(err)
	}
	consoletest.Wants(t, h.get(path), "THIS SAMPLE IS NOT AS IT WAS DRAWN")
}

func TestPopulationGrows(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	for i := range 5 {
		h.person(fmt.Sprintf("p%02d@ardoise.example", i), "Exemple", actor.Reader)
	}
	h.auditing()
	path := h.drawn(h.drawForm("persons_added", 3))
	consoletest.Wants(t, h.get(path), "The population is as it was")
	// Somebody who was added within the period, and whose row came later.
	if _, err := h.dir.AddPerson(ctx, cli, "late@ardoise.example", "Late", actor.Reader, h.now.Add(-5*time.Minute)); err != nil {
		t.Fatal(err)
	}
	consoletest.Wants(t, h.get(path), "The population has grown since by one record")
	if _, list := h.ask(http.MethodGet, path+"/population.txt", nil); strings.Count(list, "\n") != 6 {
		t.Errorf("the list of then has %d lines", strings.Count(list, "\n"))
	}
}

// Who may not read persons finds no name in any sample; who may leaves a trace.
func TestSamplesNameNobodyToAuditors(t *testing.T) {
	h := open(t)
	named := h.person("zorro@ardoise.example", "Zorro Exemple", actor.Operator)
	h.apply(actor.Actor{Kind: actor.Person, ID: h.lead.ID.String(), Role: actor.Lead, Permissions: actor.Lead.Permissions()},
		"company: {name: Ardoise, country: BE, languages: [fr, en], time_zone: Europe/Brussels, contact: dpo@ardoise.example}\n")
	lead := h.lead
	h.auditing()
	var paths []string
	for _, population := range []string{"persons_added", "record:person.added", "estate_versions"} {
		paths = append(paths, h.drawn(h.drawForm(population, 10)))
	}
	h.as(lead)
	paths = append(paths, h.drawn(h.drawForm("record:sample.drawn", 10)))
	consoletest.Wants(t, h.get(paths[0]), "Zorro Exemple")
	consoletest.Wants(t, h.get(paths[2]), "Camille Exemple")
	entries, err := audit.List(context.Background(), h.db.Pool(pg.Staff), audit.Filter{Action: "sample.read", ActorID: lead.ID.String()})
	if err != nil || len(entries) != 4 { // each in two languages
		t.Errorf("reading names left %d entries, %v", len(entries), err)
	}
	h.auditing()
	for _, path := range paths {
		addresses := []string{path, path + "/paper.csv", path + "/paper.json", path + "/population.txt", path + "/items/1", "/audit", "/audit.csv"}
		for _, address := range addresses {
			w, body := h.ask(http.MethodGet, address, nil)
			if w.Code != http.StatusOK {
				t.Errorf("%s: %d", address, w.Code)
			}
			consoletest.Lacks(t, body, "Zorro", "Camille", "zorro@", "camille@", "/people/"+named.ID.String())
		}
	}
}

func TestDrawingRefused(t *testing.T) {
	h := open(t)
	h.auditing()
	for name, c := range map[string]struct{ field, value, says string }{
		"no population":      {"population", "", "There is no such population."},
		"unknown population": {"population", hostile, "There is no such population."},
		"unknown part":       {"population", "record:nothing.done", "There is no such population."},
		"nothing in it":      {"population", "estate_versions", "There is nothing to draw from"},
		"no first day":       {"from", "", "This is not a date."},
		"no last day":        {"until", "2026-02-30", "This is not a date."},
		"backwards":          {"until", h.day(-40), "ends before it begins"},
		"to come":            {"from", h.day(2), "ends before it begins"},
		"no method":          {"method", "favourites", "There is no such method."},
		"no size":            {"size", "many", "A sample has 1 to 500 items."},
		"too many":           {"size", "501", "A sample has 1 to 500 items."},
		"a bad seed":         {"seed", "$(id)", "A seed has 1 to 64"},
		"a long purpose":     {"purpose", strings.Repeat("x", 501), "at most 500"},
	} {
		t.Run(name, func(t *testing.T) {
			form := h.drawForm("persons_added", 5)
			form.Set(c.field, c.value)
			w, page := h.post("/audit", form)
			if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), `aria-invalid="true"`) {
				t.Errorf("status %d, or no field is marked", w.Code)
			}
			consoletest.Wants(t, page, c.says)
		})
	}
	for _, target := range []string{"/audit/x", "/audit/" + uuid.NewString(), "/audit/" + uuid.NewString() + "/items/1", "/audit/x/paper.csv", "/audit/x/paper.json", "/audit/x/population.txt"} {
		if w, _ := h.ask(http.MethodGet, target, nil); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	path := h.drawn(h.drawForm("persons_added", 5))
	for _, target := range []string{path + "/items/0", path + "/items/99", path + "/items/x"} {
		if w, _ := h.ask(http.MethodGet, target, nil); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	for _, target := range []string{path + "?after=x", path + "?after=-1", "/audit?before=x"} {
		if w, _ := h.ask(http.MethodGet, target, nil); w.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	for _, role := range []actor.Role{actor.Reader, actor.Operator, actor.Member} {
		h.as(h.person(string(role)+"@ardoise.example", "Exemple", role))
		for _, target := range []string{"/audit", path, path + "/paper.json", path + "/population.txt"} {
			if w, _ := h.ask(http.MethodGet, target, nil); w.Code != http.StatusForbidden {
				t.Errorf("%s reads %s: %d", role, target, w.Code)
			}
		}
		if w, _ := h.post("/audit", h.drawForm("persons_added", 5)); w.Code != http.StatusForbidden {
			t.Errorf("%s draws: %d", role, w.Code)
		}
	}
}

func TestSamplePaging(t *testing.T) {
	h := open(t)
	for i := range 60 {
		h.person(fmt.Sprintf("p%02d@ardoise.example", i), "Exemple", actor.Reader)
	}
	h.auditing()
	form := h.drawForm("persons_added", 60)
	form.Set("method", "systematic")
	path := h.drawn(form)
	first := h.get(path)
	older := regexp.MustCompile(`\[(` + path + `\?after=\d+)\] Older`).FindStringSubmatch(first)
	if n := strings.Count(first, "["+path+"/items/"); n != 50 || older == nil {
		t.Fatalf("the first page has %d items", n)
	}
	if n := strings.Count(h.get(older[1]), "["+path+"/items/"); n != 10 {
		t.Errorf("the second page has %d items", n)
	}
	consoletest.Wants(t, first, "the first 60 of it", "60 of 61")
}
