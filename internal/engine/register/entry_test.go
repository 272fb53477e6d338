package register_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/engine/register"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// Every word of every register is there, in both languages.
func TestDefinitionsHaveWords(t *testing.T) {
	w := open(t)
	for _, lang := range w.r.Words.Languages() {
		p := w.r.Words.For(lang, nil)
		want := func(id string) {
			if !p.Has(id) {
				t.Errorf("%s: no words for %s", lang, id)
			}
		}
		for _, d := range w.r.Definitions() {
			for _, part := range []string{"title", "one", "about", "new", "empty"} {
				want("register." + d.Key + "." + part)
			}
			for _, f := range d.Fields {
				want("register." + d.Key + ".field." + f.Key)
				for _, o := range f.Options {
					vocabulary := f.Vocabulary
					if vocabulary == "" {
						vocabulary = d.Key + "_" + f.Key
					}
					want("register.option." + vocabulary + "." + o)
				}
			}
			for _, s := range d.States {
				want("register." + d.Key + ".state." + s.Key)
				for _, to := range s.To {
					want("register." + d.Key + ".move." + to)
				}
			}
		}
	}
}

func TestDefinitionsThatAreRefused(t *testing.T) {
	name := register.Field{Key: "name", Type: register.Text, Required: true}
	sound := func(change func(*register.Definition)) register.Definition {
		d := register.Definition{Key: "keys", Icon: "key", Label: "name", Fields: []register.Field{name}, States: []register.State{{Key: "here"}}}
		change(&d)
		return d
	}
	for what, d := range map[string]register.Definition{
		"key taken":          sound(func(d *register.Definition) { d.Key = register.Assets }),
		"key with a capital": sound(func(d *register.Definition) { d.Key = "Keys" }),
		"no states":          sound(func(d *register.Definition) { d.States = nil }),
		"label is no field":  sound(func(d *register.Definition) { d.Label = "title" }),
		"field twice":        sound(func(d *register.Definition) { d.Fields = append(d.Fields, name) }),
		"choice of nothing": sound(func(d *register.Definition) {
			d.Fields = append(d.Fields, register.Field{Key: "x", Type: register.Choice})
		}),
		"reference elsewhere": sound(func(d *register.Definition) {
			d.Fields = append(d.Fields, register.Field{Key: "x", Type: register.Reference, To: "nowhere"})
		}),
		"personal choice": sound(func(d *register.Definition) {
			d.Fields = append(d.Fields, register.Field{Key: "x", Type: register.Choice, Options: []string{"a"}, Personal: true})
		}),
		"state to nowhere": sound(func(d *register.Definition) { d.States[0].To = []string{"gone"} }),
		"column":           sound(func(d *register.Definition) { d.Columns = []string{"x"} }),
		"filter by text":   sound(func(d *register.Definition) { d.Filters = []string{"name"} }),
		"reminder of text": sound(func(d *register.Definition) { d.Reminders = []register.Reminder{{Field: "name"}} }),
		"kept by text":     sound(func(d *register.Definition) { d.Retention = &register.Retention{From: "name"} }),
	} {
		if _, err := register.Open(register.Deps{Own: []register.Definition{d}}); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
	if _, err := register.Open(register.Deps{Own: []register.Definition{sound(func(*register.Definition) {})}}); err != nil {
		t.Errorf("a sound one: %v", err)
	}
}

func TestCreate(t *testing.T) {
	w := open(t)
	owner := w.person("Ana", nil)
	site := w.add(register.Sites, register.Values{"name": "Siège", "kind": "office"})
	e := w.add(register.Assets, register.Values{"tag": "PC-0001", "kind": "Ordinateur portable", "owner": "ANA@ardoise.example", "site": "siège", "class": "confidentiel",
		"serial": " SN 1 ", "encrypted": "oui", "acquired": "29/02/2024", "note": "deux\r\nlignes"})
	want := register.Values{"tag": "PC-0001", "kind": "laptop", "owner": owner.ID.String(), "site": site.ID.String(), "class": "confidential",
		"serial": "SN 1", "encrypted": "true", "acquired": "2024-02-29", "note": "deux\nlignes"}
	got := w.get(e)
	for k, v := range want {
		if got.Values[k] != v {
			t.Errorf("%s is %q, want %q", k, got.Values[k], v)
		}
	}
	if got.State != "in_use" || got.Revision != 1 {
		t.Errorf("state %s, revision %d", got.State, got.Revision)
	}

	for what, c := range map[string]struct {
		v    register.Values
		want []string
	}{
		"nothing":                  {register.Values{}, []string{"tag required", "kind required"}},
		"all bad":                  {register.Values{"tag": strings.Repeat("x", 61), "kind": "boat", "owner": "nobody@ardoise.example", "encrypted": "maybe", "acquired": "2026-02-29", "name": "a\nb"}, []string{"acquired date", "encrypted bool", "kind option", "name characters", "tag long", "owner reference"}},
		"taken":                    {register.Values{"tag": "pc-0001", "kind": "laptop", "serial": "sn 1"}, []string{"tag taken", "serial taken"}},
		"unknown":                  {register.Values{"tag": "PC-2", "kind": "laptop", "colour": "red"}, []string{"unknown"}},
		"not text":                 {register.Values{"tag": "PC\xff", "kind": "laptop"}, []string{"tag characters"}},
		"the id of something else": {register.Values{"tag": "PC-2", "kind": "laptop", "owner": site.ID.String()}, []string{"owner reference"}},
	} {
		_, err := w.r.Create(w.ctx, w.lead, register.Assets, c.v, w.now)
		if !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if got := faults(t, err); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
	}
	if n := w.all("SELECT count(*)::text FROM register.entry WHERE register = 'assets'")[0]; n != "1" {
		t.Errorf("what was refused left %s assets", n)
	}
	// Every fault has words.
	for _, lang := range []string{"fr", "en"} {
		p := w.r.Words.For(lang, nil)
		for _, id := range []string{"required", "characters", "long", "pattern", "date", "bool", "number", "option", "email", "url", "account", "reference", "taken", "twice", "unknown", "cells", "column_twice",
			"before_arrival", "before_public", "public_purpose", "nothing_to_read", "no_such_state", "state_by_hand"} {
			if !p.Has("register.fault." + id) {
				t.Errorf("%s: no words for the fault %s", lang, id)
			}
		}
	}
}

func TestUpdateAndHistory(t *testing.T) {
	w := open(t)
	ana, ben := w.person("Ana", nil), w.person("Ben", nil)
	e := w.add(register.Assets, register.Values{"tag": "PC-1", "kind": "laptop", "owner": ana.ID.String(), "serial": "S1"})
	e = w.set(e, register.Values{"owner": ben.ID.String(), "serial": "", "class": "internal"})
	if e.Revision != 2 || e.Values["tag"] != "PC-1" || e.Values["serial"] != "" {
		t.Errorf("%+v", e)
	}
	if same := w.set(e, register.Values{"class": "internal"}); same.Revision != 2 {
		t.Errorf("nothing changed, and yet it is revision %d", same.Revision)
	}
	w.add(register.Assets, register.Values{"tag": "PC-2", "kind": "laptop", "serial": "S1"}) // free again
	history := must[[]register.Change](t)(w.r.History(w.ctx, w.lead, register.Assets, e.ID, 0, 10))
	if len(history) != 2 || history[0].Action != "changed" || history[1].Action != "created" {
		t.Fatalf("%+v", history)
	}
	if c := history[0]; c.Changes["owner"] != (register.Diff{From: ana.ID.String(), To: ben.ID.String()}) || c.Changes["serial"] != (register.Diff{From: "S1"}) || c.Actor != w.lead.ID || len(c.Changes) != 3 {
		t.Errorf("%+v", c)
	}
	if got := w.all("SELECT detail::text FROM audit.entry WHERE action = 'register.entry_changed' AND object_id = $1", e.ID.String()); len(got) != 1 || strings.Contains(got[0], "S1") || !strings.Contains(got[0], "serial") {
		t.Errorf("audit: %q", got)
	}
	if _, err := w.r.History(w.ctx, w.lead, register.Persons, e.ID, 0, 10); err != nil {
		t.Error(err)
	}

	if _, err := w.r.Move(w.ctx, w.lead, register.Assets, e.ID, 2, "in_use", w.now); !errs.Is(err, errs.Conflict) {
		t.Errorf("in use already: %v", err)
	}
	e = w.move(e, "disposed")
	if _, err := w.r.Move(w.ctx, w.lead, register.Assets, e.ID, e.Revision, "in_use", w.now); !errs.Is(err, errs.Conflict) {
		t.Errorf("back from disposal: %v", err)
	}
	if _, err := w.r.Move(w.ctx, w.lead, register.Assets, e.ID, e.Revision, "flying", w.now); !errs.Is(err, errs.Invalid) {
		t.Errorf("a state that there is not: %v", err)
	}
	if err := w.r.Remove(w.ctx, w.lead, register.Persons, ben.ID, 1, w.now); !errs.Is(err, errs.Conflict) {
		t.Errorf("an owner was removed: %v", err)
	}
	if err := w.r.Remove(w.ctx, w.lead, register.Persons, ana.ID, 1, w.now); err != nil {
		t.Error(err)
	}
	if _, err := w.r.Get(w.ctx, w.lead, register.Persons, ana.ID); !errs.Is(err, errs.NotFound) {
		t.Errorf("removed, and there: %v", err)
	}
	w.person("Ana", nil) // the address is free again
}

func TestTwoPeopleEdit(t *testing.T) {
	w := open(t)
	e := w.add(register.Assets, register.Values{"tag": "PC-1", "kind": "laptop"})
	var wg sync.WaitGroup
	results := make([]error, 8)
	for i := range results {
		wg.Go(func() {
			_, results[i] = w.r.Update(w.ctx, w.lead, register.Assets, e.ID, 1, register.Values{"name": strings.Repeat("x", i+1)}, w.now)
		})
	}
	wg.Wait()
	won := 0
	for _, err := range results {
		var changed *register.Changed
		switch {
		case err == nil:
			won++
		case !errs.Is(err, errs.Conflict) || !errors.As(err, &changed):
			t.Errorf("neither done nor a conflict: %v", err)
		case changed.Current.Revision != 2 || changed.Current.Values["name"] == "":
			t.Errorf("the conflict does not show the present version: %+v", changed.Current)
		}
	}
	if won != 1 || w.get(e).Revision != 2 {
		t.Errorf("%d of 8 changes of one revision were saved; it is revision %d", won, w.get(e).Revision)
	}
}

// Two that take a unique value at once do not both get it.
func TestUniqueAtOnce(t *testing.T) {
	w := open(t)
	var wg sync.WaitGroup
	results := make([]error, 6)
	for i := range results {
		wg.Go(func() {
			_, results[i] = w.r.Create(w.ctx, w.lead, register.Assets, register.Values{"tag": "PC-1", "kind": "laptop"}, w.now)
		})
	}
	wg.Wait()
	won := 0
	for _, err := range results {
		if err == nil {
			won++
		} else if got := faults(t, err); !slices.Equal(got, []string{"tag taken"}) {
			t.Errorf("%q", got)
		}
	}
	if won != 1 {
		t.Errorf("%d got the tag", won)
	}
}

func TestPersonalValues(t *testing.T) {
	w := open(t)
	e := w.person("Ana", register.Values{"leaving": "2026-11-30"})
	w.set(e, register.Values{"name": "Ana Autre"})
	// Nowhere in what is stored, as far as it can be read without the key.
	for _, table := range []string{"register.entry", "register.unique_value", "register.change", "audit.entry"} {
		for _, row := range w.all("SELECT t::text FROM " + table + " t") {
			for _, value := range []string{"Exemple", "Autre", "ana@"} {
				if strings.Contains(row, value) {
					t.Errorf("%s holds %q: %s", table, value, row)
				}
			}
		}
	}
	seen := must[register.Entry](t)(w.r.Get(w.ctx, w.op, register.Persons, e.ID))
	if !seen.Hidden || seen.Values["name"] != "" || seen.Values["email"] != "" || seen.Values["leaving"] != "2026-11-30" {
		t.Errorf("who may not read persons sees %+v", seen)
	}
	// Who may not see them may change the rest, and loses nothing.
	changed := must[register.Entry](t)(w.r.Update(w.ctx, w.op, register.Persons, e.ID, seen.Revision, register.Values{"nda": "2024-03-01"}, w.now))
	if changed.Values["name"] != "" {
		t.Error("the answer to a change shows a name")
	}
	if got := w.get(e); got.Values["name"] != "Ana Autre" || got.Values["email"] != "ana@ardoise.example" || got.Values["nda"] != "2024-03-01" {
		t.Errorf("%+v", got)
	}
	history := must[[]register.Change](t)(w.r.History(w.ctx, w.lead, register.Persons, e.ID, 0, 10))
	if c, ok := history[1].Changes["name"]; !ok || c != (register.Diff{}) {
		t.Errorf("history of a name: %+v", history[1])
	}
	list := must[register.Listing](t)(w.r.List(w.ctx, w.op, register.Persons, register.Query{}, w.now))
	if len(list.Entries) != 1 || list.Entries[0].Values["name"] != "" {
		t.Errorf("%+v", list)
	}
	for q, n := range map[string]int{"ana@ardoise.example": 1, "ANA@ardoise.example": 1, "ana": 0, "exemple": 0} {
		if got := must[register.Listing](t)(w.r.List(w.ctx, w.lead, register.Persons, register.Query{Search: q}, w.now)); got.Total != n {
			t.Errorf("searching %q finds %d, want %d", q, got.Total, n)
		}
	}
	names := must[map[uuid.UUID]string](t)(w.r.Names(w.ctx, w.op, []uuid.UUID{e.ID}))
	if len(names) != 0 {
		t.Errorf("a name for who may not read it: %v", names)
	}

	if err := w.r.Remove(w.ctx, w.lead, register.Persons, e.ID, changed.Revision, w.now); err != nil {
		t.Fatal(err)
	}
	if n := w.all("SELECT count(*)::text FROM crypt.key WHERE subject = $1", "register:"+e.ID.String())[0]; n != "0" {
		t.Error("the key of a removed person is still there")
	}
}

func TestRights(t *testing.T) {
	w := open(t)
	e := w.add(register.Assets, register.Values{"tag": "PC-1", "kind": "laptop"})
	reader := person(actor.ReadRegisters)
	nobody := person()
	stranger := actor.Anonymous("192.0.2.1")
	for what, do := range map[string]func(actor.Actor) error{
		"create": func(a actor.Actor) error {
			_, err := w.r.Create(w.ctx, a, register.Assets, register.Values{"tag": "PC-2", "kind": "laptop"}, w.now)
			return err
		},
		"update": func(a actor.Actor) error {
			_, err := w.r.Update(w.ctx, a, register.Assets, e.ID, 1, register.Values{"name": "x"}, w.now)
			return err
		},
		"move": func(a actor.Actor) error {
			_, err := w.r.Move(w.ctx, a, register.Assets, e.ID, 1, "lost", w.now)
			return err
		},
		"remove": func(a actor.Actor) error { return w.r.Remove(w.ctx, a, register.Assets, e.ID, 1, w.now) },
	} {
		for _, a := range []actor.Actor{reader, nobody, stranger} {
			if err := do(a); !errs.Is(err, errs.Denied) {
				t.Errorf("%s as %v: %v", what, a.Permissions, err)
			}
		}
	}
	for what, do := range map[string]func(actor.Actor) error{
		"get": func(a actor.Actor) error { _, err := w.r.Get(w.ctx, a, register.Assets, e.ID); return err },
		"list": func(a actor.Actor) error {
			_, err := w.r.List(w.ctx, a, register.Assets, register.Query{}, w.now)
			return err
		},
		"history": func(a actor.Actor) error { _, err := w.r.History(w.ctx, a, register.Assets, e.ID, 0, 10); return err },
	} {
		if err := do(reader); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if err := do(nobody); !errs.Is(err, errs.Denied) {
			t.Errorf("%s by nobody: %v", what, err)
		}
	}
	if n := w.all("SELECT count(*)::text FROM audit.entry WHERE outcome = 'refused'")[0]; n != "11" {
		t.Errorf("%s refusals are recorded, want 11", n)
	}
	if w.get(e).Revision != 1 {
		t.Error("somebody changed it")
	}
	// The roles of the database hold it too.
	for _, c := range []struct {
		role pg.Role
		sql  string
	}{
		{pg.Public, "SELECT id FROM register.entry"},
		{pg.Login, "SELECT id FROM register.entry"},
		{pg.Checker, "SELECT sealed FROM register.entry"},
		{pg.Checker, "SELECT search FROM register.entry"},
		{pg.Checker, "UPDATE register.entry SET state = 'x'"},
		{pg.Worker, "SELECT sealed FROM register.entry"},
		{pg.Worker, "DELETE FROM register.entry"},
		{pg.Staff, "DELETE FROM register.entry"},
		{pg.Staff, "UPDATE register.change SET actor_id = 'x'"},
		{pg.Staff, "DELETE FROM register.change"},
		{pg.Staff, "UPDATE register.acknowledgement SET at = now()"},
		{pg.Staff, "DELETE FROM register.acknowledgement"},
		{pg.Staff, "UPDATE register.publication SET version = 9"},
		{pg.Staff, "DELETE FROM register.publication"},
		{pg.Staff, "SELECT register.purge(gen_random_uuid(), current_date, now())"},
	} {
		if _, err := w.db.Pool(c.role).Exec(w.ctx, c.sql); err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("%s: %s: %v", c.role, c.sql, err)
		}
	}
}

func TestLists(t *testing.T) {
	w := open(t)
	ana := w.person("Ana", nil)
	kinds := []string{"laptop", "server", "phone"}
	for i := range 57 {
		v := register.Values{"tag": "PC-" + string(rune('A'+i/26)) + string(rune('a'+i%26)), "kind": kinds[i%3], "name": "Écran n° " + string(rune('a'+i%26))}
		if i%2 == 0 {
			v["owner"] = ana.ID.String()
		}
		e := w.add(register.Assets, v)
		if i == 0 {
			w.move(e, "disposed")
		}
	}
	seen := map[uuid.UUID]bool{}
	var order []string
	q := register.Query{Limit: 10}
	for pages := 0; ; pages++ {
		l := must[register.Listing](t)(w.r.List(w.ctx, w.lead, register.Assets, q, w.now))
		if l.Total != 56 {
			t.Errorf("total %d", l.Total)
		}
		for _, e := range l.Entries {
			if seen[e.ID] {
				t.Errorf("%s comes twice", e.Values["tag"])
			}
			seen[e.ID] = true
			order = append(order, strings.ToLower(e.Values["tag"]))
		}
		if l.Next == "" {
			break
		}
		if q.After = l.Next; pages > 10 {
			t.Fatal("the list has no end")
		}
	}
	if len(seen) != 56 || !slices.IsSorted(order) {
		t.Errorf("%d seen, sorted %t", len(seen), slices.IsSorted(order))
	}
	for what, c := range map[string]struct {
		q    register.Query
		want int
	}{
		"kind":                {register.Query{Filters: map[string]string{"kind": "server"}}, 19},
		"kind and owner":      {register.Query{Filters: map[string]string{"kind": "server", "owner": ana.ID.String()}}, 9},
		"without owner":       {register.Query{Filters: map[string]string{"owner": register.None}}, 28},
		"disposed":            {register.Query{State: "disposed"}, 1},
		"any state":           {register.Query{State: register.Any}, 57},
		"words":               {register.Query{Search: "ECRAN N° A"}, 2}, // without PC-Aa, which is disposed of
		"a sign of the like":  {register.Query{Search: "%"}, 0},
		"a kind that is none": {register.Query{Filters: map[string]string{"kind": "x' OR true --"}}, 0},
	} {
		if got := must[register.Listing](t)(w.r.List(w.ctx, w.lead, register.Assets, c.q, w.now)); got.Total != c.want || len(got.Entries) != min(c.want, 50) {
			t.Errorf("%s: %d of %d, want %d", what, len(got.Entries), got.Total, c.want)
		}
	}
	for what, q := range map[string]register.Query{
		"by a field that is none": {Filters: map[string]string{"colour": "red"}},
		"by free text":            {Filters: map[string]string{"note": "x"}},
		"by a state that is none": {State: "flying"},
		"due for nothing":         {Due: "acquired"},
		"by an id that is none":   {Filters: map[string]string{"owner": "x' OR true --"}},
		"from nowhere":            {After: "@@"},
		"from no id":              {After: "YQ"},
		"NUL":                     {Search: "a\x00"},
		"not UTF-8":               {Search: "\xff"},
	} {
		if _, err := w.r.List(w.ctx, w.lead, register.Assets, q, w.now); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := w.r.List(w.ctx, w.lead, "boats", register.Query{}, w.now); !errs.Is(err, errs.NotFound) {
		t.Errorf("a register that is none: %v", err)
	}
}

// What is due is due by the company's day: at half past ten in the evening UTC it is tomorrow in
// Brussels.
func TestDueByTheCompanysDay(t *testing.T) {
	w := open(t)
	w.add(register.Sites, register.Values{"name": "A", "kind": "office", "review": "2026-12-26"}) // 30 days before: 26 November
	w.add(register.Sites, register.Values{"name": "B", "kind": "office", "review": "2026-12-27"})
	w.add(register.Sites, register.Values{"name": "C", "kind": "office"})
	count := func(now time.Time) int {
		return must[register.Listing](t)(w.r.List(context.Background(), w.lead, register.Sites, register.Query{Due: "review"}, now)).Total
	}
	if n := count(time.Date(2026, 11, 26, 22, 30, 0, 0, time.UTC)); n != 1 {
		t.Errorf("at 23:30 in Brussels %d are due", n)
	}
	if n := count(time.Date(2026, 11, 26, 23, 30, 0, 0, time.UTC)); n != 2 {
		t.Errorf("half an hour after midnight in Brussels %d are due", n)
	}
}
