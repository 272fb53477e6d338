package console_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/web/console/consoletest"
)

// day is a day so many days from now, as the company in Brussels counts them.
func (h *house) day(n int) string {
	zone, err := time.LoadLocation("Europe/Brussels")
	if err != nil {
		h.t.Fatal(err)
	}
	return h.now.In(zone).AddDate(0, 0, n).Format(time.DateOnly)
}

func (h *house) personOf(path string) directory.Person {
	h.t.Helper()
	list, err := h.dir.Seats(context.Background(), cli, h.now.AddDate(-1, 0, 0), h.now.AddDate(3, 0, 0))
	if err != nil {
		h.t.Fatal(err)
	}
	for _, p := range list {
		if strings.Contains(path, p.ID.String()) {
			return p
		}
	}
	h.t.Fatalf("nobody at %s has a seat that ends", path)
	return directory.Person{}
}

func TestAuditorsSeat(t *testing.T) {
	h := open(t)
	form := func(role, until string) url.Values {
		return url.Values{"name": {"Auditrice (exemple)"}, "email": {"audit@cabinet.example"}, "role": {role}, "until": {until}}
	}
	for name, c := range map[string]struct{ role, until, says string }{
		"no end":    {"auditor", "", "An auditor’s seat needs an end."},
		"no date":   {"auditor", "<script>", "This is not a date."},
		"no day":    {"auditor", "2027-02-29", "This is not a date."},
		"yesterday": {"auditor", h.day(-1), "a day to come, at most a year"},
		"too far":   {"auditor", h.day(400), "a day to come, at most a year"},
		"a reader":  {"reader", h.day(10), "Only the seat of an auditor has an end."},
	} {
		t.Run(name, func(t *testing.T) {
			w, page := h.post("/people", form(c.role, c.until))
			if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), `aria-invalid="true"`) {
				t.Errorf("status %d, no field is marked", w.Code)
			}
			consoletest.Wants(t, page, c.says)
		})
	}
	w, _ := h.post("/people", form("auditor", h.day(5)))
	path := w.Header().Get("Location")
	if w.Code != http.StatusSeeOther {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	path, _, _ = strings.Cut(path, "?")
	p := h.personOf(path)
	if got := p.Until.In(time.UTC); got.Sub(h.now) < 5*24*time.Hour || got.Sub(h.now) > 6*24*time.Hour {
		t.Errorf("the seat ends %v", got)
	}
	consoletest.Wants(t, h.get(path), "Seat ends", "Last day", "Set the end", "["+path+"/seat]")
	consoletest.Wants(t, h.get("/people"), "Auditor", "Last day")

	// Extended, refused, ended.
	for until, says := range map[string]string{"": "needs an end", h.day(-2): "a day to come", h.day(500): "a day to come"} {
		if w, page := h.post(path+"/seat", url.Values{"until": {until}}); w.Code != http.StatusUnprocessableEntity || !strings.Contains(page, says) {
			t.Errorf("until %q: %d", until, w.Code)
		}
	}
	if w, _ := h.post(path+"/seat", url.Values{"until": {h.day(30)}}); w.Code != http.StatusSeeOther {
		t.Fatalf("extending: %d", w.Code)
	}
	consoletest.Wants(t, h.get(path), "set the end of a seat", "Camille Exemple")
	later := h.personOf(path).Until
	if !later.After(p.Until) {
		t.Errorf("not extended: %v", later)
	}
	h.now = later.Add(time.Minute)
	consoletest.Wants(t, h.get(path), "Seat ended: its last day was")
	consoletest.Wants(t, h.get("/people"), "Seat ended")

	// To another role and back, with an end each time.
	if w, _ := h.post(path+"/role", url.Values{"role": {"reader"}}); w.Code != http.StatusSeeOther {
		t.Fatalf("to reader: %d", w.Code)
	}
	consoletest.Lacks(t, h.get(path), "Seat ended")
	if w, page := h.post(path+"/role", url.Values{"role": {"auditor"}, "until": {""}}); w.Code != http.StatusUnprocessableEntity || !strings.Contains(page, "needs an end") {
		t.Errorf("to auditor without an end: %d", w.Code)
	}
	if w, _ := h.post(path+"/role", url.Values{"role": {"auditor"}, "until": {h.day(3)}}); w.Code != http.StatusSeeOther {
		t.Errorf("to auditor: %d", w.Code)
	}
	if w, page := h.post("/people/"+h.lead.ID.String()+"/seat", url.Values{"until": {h.day(3)}}); w.Code != http.StatusUnprocessableEntity || !strings.Contains(page, "Only the seat of an auditor") {
		t.Errorf("a seat for the lead: %d", w.Code)
	}

	operator := h.person("op@ardoise.example", "Exploitation (exemple)", actor.Operator)
	h.as(operator)
	if w, _ := h.post(path+"/seat", url.Values{"until": {h.day(30)}}); w.Code != http.StatusForbidden {
		t.Errorf("an operator extends a seat: %d", w.Code)
	}
}
