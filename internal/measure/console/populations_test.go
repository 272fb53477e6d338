package console_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/web/console/consoletest"
)

// send posts a form and returns where it leads.
func (h *house) send(target string, form url.Values) (status int, to string) {
	h.t.Helper()
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(form.Encode()))
	r.Host = "admin.localhost"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.site.ServeHTTP(w, r)
	to, _, _ = strings.Cut(w.Header().Get("Location"), "?")
	return w.Code, to
}

func TestSamplesOfEvidenceAndOfStates(t *testing.T) {
	h := open(t)
	h.apply()
	for i := range 12 {
		h.sees["test.tls"] = measure.Finding{Outcome: measure.Pass, Scope: []string{"application", "back-office"}, Raw: fmt.Appendf(nil, `{"n":%d}`, i)}
		h.look("test.tls")
	}
	list, err := measure.ListEvidence(context.Background(), h.db.Pool(pg.Staff), "test.tls", "", 1)
	if err != nil || len(list) != 1 {
		t.Fatal(err)
	}
	conn := pgtest.Superuser(t, h.database())
	for _, cause := range []string{list[0].ID, "", "something else"} {
		if _, err := conn.Exec(context.Background(), "INSERT INTO measure.state_change (measure_id, state, cause, reason) VALUES ('ENC-1', 'met', $1, 'reason.pass')", cause); err != nil {
			t.Fatal(err)
		}
	}
	h.as(actor.Auditor)
	h.ahead = 10 * time.Minute
	consoletest.Wants(t, h.get("/audit"), "Evidence: Transport encryption", "Changes of state of the measures")
	form := url.Values{"population": {"evidence:test.tls"}, "from": {time.Now().AddDate(0, 0, -2).Format(time.DateOnly)}, "until": {h.now().Format(time.DateOnly)}, "method": {"systematic"}, "size": {"12"}, "seed": {"s"}}
	code, path := h.send("/audit", form)
	if code != http.StatusSeeOther {
		t.Fatal(code)
	}
	page := h.get(path)
	consoletest.Wants(t, page, "Evidence: Transport encryption", "Transport encryption: passed", "2 targets", "12 of 12", "as when it was drawn")
	consoletest.Wants(t, h.get(path+"/items/1"), "See where it stands", "[/evidence/", "SHA-256 digest", "Digest when drawn")
	_, body := h.ask(http.MethodGet, path+"/paper.json")
	var paper struct{ Items []struct{ ID string } }
	if err := json.Unmarshal([]byte(body), &paper); err != nil || len(paper.Items) != 12 {
		t.Fatal(err)
	}
	// A row that was forged after it was drawn, and one that no longer has its own digest.
	if _, err := conn.Exec(context.Background(), "UPDATE measure.evidence SET outcome = 'fail' WHERE id = $1", paper.Items[3].ID); err != nil {
		t.Fatal(err)
	}
	consoletest.Wants(t, h.get(path+"/items/4"), "DOES NOT MATCH ITS OWN DIGEST")
	consoletest.Wants(t, h.get(path), "DOES NOT MATCH ITS OWN DIGEST")

	form.Set("population", "state_changes")
	code, path = h.send("/audit", form)
	if code != http.StatusSeeOther {
		t.Fatal(code)
	}
	page = h.get(path)
	consoletest.Wants(t, page, "Changes of state of the measures", "ENC-1", "met", "3 of 3")
	consoletest.Wants(t, h.get(path+"/items/1"), "[/evidence/"+list[0].ID+"]")
	consoletest.Lacks(t, h.get(path+"/items/3"), "[/evidence/")
}

func TestSampleOfAttestations(t *testing.T) {
	f := openFirm(t)
	f.post("/measures/"+whole+"/owner", http.StatusSeeOther, "seen", "0", "responsible", f.anna.ID)
	f.is(f.anna)
	target := "/measures/" + whole + "/attestations"
	f.post(target, http.StatusSeeOther, "words", f.words(whole), "observed_on", f.today(), "statement", "confirmed", "note", "Secret de la note")
	f.post(target, http.StatusSeeOther, "words", f.words(whole), "observed_on", f.today(), "statement", "refused", "note", "La serrure est cassée.")
	f.ahead = 10 * time.Minute
	f.as(actor.Auditor)
	w, _ := f.post("/audit", http.StatusSeeOther, "population", "attestations", "from", time.Now().AddDate(0, 0, -2).Format(time.DateOnly), "until", f.now().Format(time.DateOnly), "method", "random", "size", "10")
	path, _, _ := strings.Cut(w.Header().Get("Location"), "?")
	page := f.get(path)
	consoletest.Wants(t, page, whole, "2 of 2", "as when it was drawn", " met ", " not met ")
	for _, address := range []string{path, path + "/items/1", path + "/items/2", path + "/paper.csv", path + "/paper.json"} {
		_, body := f.ask(http.MethodGet, address)
		consoletest.Lacks(t, body, "Anna", "Secret de la note", "serrure")
	}
	consoletest.Wants(t, f.get(path+"/items/1"), "[/measures/"+whole+"] See where it stands", "Seen on", "Holds until")
	if _, err := pgtest.Superuser(t, f.database()).Exec(context.Background(), "UPDATE measure.attestation SET statement = 'confirmed' WHERE statement = 'refused'"); err != nil {
		t.Fatal(err)
	}
	consoletest.Wants(t, f.get(path), "DOES NOT MATCH ITS OWN DIGEST")
	f.is(f.lead)
	consoletest.Wants(t, f.get(path), "Anna Exemple")
}
