package register_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/engine/register"
	"github.com/garant-project/garant/internal/web/console/consoletest"
)

// Auditors draw from what was changed in a register, and read no value of it.
func TestSampleOfARegister(t *testing.T) {
	w := open(t)
	h := w.site()
	for _, name := range []string{"Zéphyrine", "Yvain"} {
		w.person(name, register.Values{"nda": "2024-03-01"})
	}
	w.policy("Charte", nil)
	changed := w.now
	w.now = w.now.Add(time.Hour)
	draw := func(population string) (*url.URL, int) {
		form := url.Values{"population": {population}, "from": {changed.AddDate(0, 0, -1).Format(time.DateOnly)}, "until": {w.now.Format(time.DateOnly)}, "method": {"random"}, "size": {"5"}}
		rec, _ := h.ask(http.MethodPost, "/audit?lang=en", "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
		return must[*url.URL](t)(url.Parse(rec.Header().Get("Location"))), rec.Code
	}
	h.auth.who.Permissions = actor.Lead.Permissions()
	persons, code := draw("register_changes:" + register.Persons)
	if code != http.StatusSeeOther {
		t.Fatalf("a lead draws: %d", code)
	}
	h.auth.who = actor.Actor{Kind: actor.Person, ID: uuid.NewString(), Role: actor.Auditor, Permissions: actor.Auditor.Permissions()}
	documents, code := draw("register_changes:" + register.Documents)
	if code != http.StatusSeeOther {
		t.Fatalf("an auditor draws: %d", code)
	}
	consoletest.Wants(t, h.get(documents.Path), "Changes of a register", "1 of 1", "as when it was drawn", "The population is as it was")
	for _, path := range []string{persons.Path, persons.Path + "/items/1", persons.Path + "/paper.csv", persons.Path + "/paper.json"} {
		status, body := h.raw(path)
		if status != http.StatusOK || strings.Contains(body, "phyrine") || strings.Contains(body, "Yvain") {
			t.Errorf("%s: %d, or it names somebody", path, status)
		}
	}
	consoletest.Wants(t, h.get(documents.Path+"/items/1"), "[/registers/documents/", "See where it stands")
}
