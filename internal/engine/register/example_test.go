package register_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/engine/register"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web/ui"
)

// badges are what opens our doors: each has one holder.
func badges() register.Definition {
	return register.Definition{
		Key: "badges", Icon: "key", Label: "number",
		Fields: []register.Field{
			{Key: "number", Type: register.Text, Required: true, Unique: true, Max: 40},
			{Key: "kind", Type: register.Choice, Required: true, Options: []string{"badge", "key", "opener"}},
			{Key: "holder", Type: register.Reference, To: register.Persons},
			{Key: "site", Type: register.Reference, To: register.Sites, Required: true},
			{Key: "handed_over", Type: register.Date},
			{Key: "count", Type: register.Date},
			{Key: "pin", Type: register.Text, Personal: true, Max: 12},
		},
		States: []register.State{
			{Key: "held", To: []string{"returned", "lost"}},
			{Key: "returned", To: []string{"held"}},
			{Key: "lost", Over: true},
		},
		Reminders: []register.Reminder{{Field: "count", Before: calendar.Daily(14)}},
		Columns:   []string{"number", "kind", "holder", "site", "state"},
		Filters:   []string{"kind", "site", "state"},
		Rule: func(v register.Values, state string) []register.Fault {
			if state == "held" && v["holder"] == "" {
				return []register.Fault{{Field: "holder", ID: "register.fault.required"}}
			}
			return nil
		},
	}
}

// TestManual holds the manual to what compiles and works: its register is the one above, its words
// are all that the register needs.
func TestManual(t *testing.T) {
	manual := string(must[[]byte](t)(os.ReadFile("../../../docs/registers.md")))
	block := func(lang string) string {
		m := regexp.MustCompile("(?s)```" + lang + "\n(.*?)```").FindStringSubmatch(manual)
		if m == nil {
			t.Fatalf("the manual has no block of %s", lang)
		}
		return m[1]
	}
	source := string(must[[]byte](t)(os.ReadFile("example_test.go")))
	if !strings.Contains(source, "\n"+block("go")) {
		t.Error("the register of the manual is not the one that is compiled here")
	}
	words := []byte(block("yaml"))
	w := open(t, badges())
	w.r.Words = must[*ui.Messages](t)(ui.NewMessages(register.Messages(), map[string][]byte{"fr": words, "en": words}))
	p := w.r.Words.For("en", nil)
	d := must[*register.Definition](t)(w.r.Definition("badges"))
	for _, f := range d.Fields {
		if !p.Has("register.badges.field." + f.Key) {
			t.Errorf("the manual has no word for %s", f.Key)
		}
	}
	for _, s := range d.States {
		for _, id := range append([]string{"state." + s.Key}, s.To...) {
			if !strings.Contains(id, ".") {
				id = "move." + id
			}
			if !p.Has("register.badges." + id) {
				t.Errorf("the manual has no word for %s", id)
			}
		}
	}

	ana := w.person("Ana", nil)
	site := w.add(register.Sites, register.Values{"name": "Siège", "kind": "office"})
	_, err := w.r.Create(w.ctx, w.lead, "badges", register.Values{"number": "B-1", "kind": "badge", "site": site.ID.String()}, w.now)
	if got := faults(t, err); len(got) != 1 || got[0] != "holder required" {
		t.Errorf("%q", got)
	}
	e := w.add("badges", register.Values{"number": "B-1", "kind": "badge", "site": site.ID.String(), "holder": ana.ID.String(), "pin": "0000"})
	w.move(e, "lost")
	if _, err := w.r.Move(w.ctx, w.lead, "badges", e.ID, 2, "held", w.now); !errs.Is(err, errs.Conflict) {
		t.Errorf("a lost badge is held again: %v", err)
	}
	if r := w.load("badges", "Number;Kind;Holder;Site\nB-2;badge;ana@ardoise.example;Siège\n", false); r.Imported != 1 {
		t.Errorf("%q", said(r))
	}
}
