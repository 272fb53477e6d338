package witness

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const document = "4c0ffee0000000000000000000000000000000000000000000000000000000aa"

// world is a Garant that declares two witnesses.
type world struct {
	*Book
	runner *measure.Runner
	estate *estate.Estate
	keys   map[string]ed25519.PrivateKey
	at     time.Time
	seq    int64
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{keys: map[string]ed25519.PrivateKey{}, at: time.Now().Add(-10 * time.Minute).UTC().Truncate(time.Second), seq: 1000} // the database refuses what is of the future
	source := "company: {name: Ardoise, legal_name: Ardoise SRL, country: BE, languages: [fr, en], time_zone: Europe/Brussels, contact: dpo@ardoise.example}\nwitness:\n"
	for _, name := range []string{"vigie", "guet"} {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		w.keys[name] = private
		source += "  - name: " + name + "\n    key: " + estate.FormatWitnessKey(public) + "\n    every: 1m\n"
		if name == "vigie" {
			source += "    refused: [db.ardoise.example:5432, admin.ardoise.example:22]\n"
		}
	}
	e, err := estate.Parse([]byte(source), nil)
	if err != nil {
		t.Fatal(err)
	}
	cat, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	base, err := measure.NewRegistry(cat, New(nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	reg, err := base.For(cat, e)
	if err != nil {
		t.Fatal(err)
	}
	w.estate = e
	w.runner = &measure.Runner{Registry: reg, DB: pgtest.New(t), Build: "test", Now: time.Now, Log: slog.New(slog.DiscardHandler),
		View: func(context.Context) (measure.View, error) {
			return measure.View{Estate: w.estate, Version: 1, Registry: reg}, nil
		}}
	w.Book = &Book{DB: w.runner.DB, Receiver: w.runner, Now: func() time.Time { return w.at }}
	return w
}

// says is a statement of a witness at the moment of the world.
func (w *world) says(name string, change func(*Statement)) Statement {
	w.seq++
	s := Statement{Format: Format, Witness: name, Company: "Ardoise SRL", Sequence: w.seq, MadeAt: w.at, Document: document, Version: 3,
		States: []State{{Measure: "ENC-2", Announced: "met", Saw: SawPass, ObservedAt: w.at}, {Measure: "ENC-1", Announced: "met", Saw: SawPass, ObservedAt: w.at}}}
	if name == "vigie" {
		s.Reach = &Reach{Refused: []string{"db.ardoise.example:5432", "admin.ardoise.example:22"}}
	}
	if change != nil {
		change(&s)
	}
	return s
}

func (w *world) sign(t testing.TB, name string, s Statement) Signed {
	t.Helper()
	signed, err := Sign(s, w.keys[name])
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func (w *world) take(t testing.TB, name string, change func(*Statement)) {
	t.Helper()
	if _, err := w.Take(context.Background(), actor.NewSystem("test"), w.sign(t, name, w.says(name, change))); err != nil {
		t.Fatal(err)
	}
}

func (w *world) marks(t testing.TB, document string) map[string]Mark {
	t.Helper()
	marks, err := Marks(context.Background(), w.DB.Pool(pg.Worker), w.estate, document, w.at)
	if err != nil {
		t.Fatal(err)
	}
	return marks
}

// TestRefused: what is forged, repeated, old, of the future or of somebody else is refused, recorded, and changes
// nothing.
func TestRefused(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	good := w.sign(t, "vigie", w.says("vigie", nil))
	swapped := func(s Signed, old, new string) Signed {
		s.Statement = strings.Replace(s.Statement, old, new, 1)
		return s
	}
	refusals := 0
	refused := func(what, id string, signed Signed) {
		t.Helper()
		_, err := w.Take(ctx, actor.NewSystem("test"), signed)
		var e *errs.Error
		if !errors.As(err, &e) || e.ID != id {
			t.Errorf("%s: %v, want %s", what, err, id)
		}
		refusals++
	}
	refused("nothing", "witness.form", Signed{})
	refused("no JSON", "witness.form", Signed{Statement: "hello", Signature: good.Signature})
	refused("one too large", "witness.form", Signed{Statement: strings.Repeat(" ", maxStatement+1), Signature: good.Signature})
	refused("a changed word", "witness.signature", swapped(good, `"saw":"pass"`, `"saw":"fail"`))
	refused("another order", "witness.form", swapped(good, `"format":"`+Format+`","witness":"vigie"`, `"witness":"vigie","format":"`+Format+`"`))
	refused("white space", "witness.form", swapped(good, `{"format"`, `{ "format"`))
	refused("an unknown member", "witness.form", swapped(good, `"version":3`, `"version":3,"x":1`))
	refused("a member twice", "witness.form", swapped(good, `"version":3`, `"version":2,"version":3`))
	refused("another format", "witness.form", swapped(good, Format, "garant checkpoint v1"))
	refused("no signature", "witness.signature", Signed{Statement: good.Statement})
	refused("a signature of something else", "witness.signature", Signed{Statement: good.Statement,
		Signature: base64.StdEncoding.EncodeToString(ed25519.Sign(w.keys["vigie"], []byte(good.Statement)))})
	refused("the key of the other witness", "witness.signature", w.sign(t, "guet", w.says("vigie", nil)))
	_, stranger, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w.keys["stranger"] = stranger
	refused("a stranger's key", "witness.signature", w.sign(t, "stranger", w.says("vigie", nil)))
	refused("a stranger's name", "witness.unknown", w.sign(t, "stranger", w.says("stranger", nil)))
	refused("another company", "witness.company", w.sign(t, "vigie", w.says("vigie", func(s *Statement) { s.Company = "Other SRL" })))
	refused("the future", "witness.future", w.sign(t, "vigie", w.says("vigie", func(s *Statement) { s.MadeAt = w.at.Add(3 * time.Second) })))
	refused("long ago", "witness.old", w.sign(t, "vigie", w.says("vigie", func(s *Statement) { s.MadeAt = w.at.Add(-4 * time.Minute) })))
	refused("seen after it was said", "witness.form", w.sign(t, "vigie", w.says("vigie", func(s *Statement) { s.States[0].ObservedAt = w.at.Add(time.Minute) })))
	if marks := w.marks(t, document); len(marks) != 0 {
		t.Errorf("something is confirmed: %v", marks)
	}
	if _, err := w.Take(ctx, actor.NewSystem("test"), good); err != nil {
		t.Fatal(err)
	}
	refused("the same again", "witness.replayed", good)
	refused("a lower number", "witness.replayed", w.sign(t, "vigie", w.says("vigie", func(s *Statement) { s.Sequence = 1; s.MadeAt = w.at.Add(time.Second) })))
	refused("an earlier time", "witness.replayed", w.sign(t, "vigie", w.says("vigie", func(s *Statement) { s.MadeAt = w.at.Add(-time.Second) })))
	reader := actor.Actor{Kind: actor.Person, ID: "019b0000-0000-7000-8000-000000000001", Role: actor.Reader, Permissions: actor.Reader.Permissions()}
	if _, err := w.Take(ctx, reader, w.sign(t, "vigie", w.says("vigie", nil))); !errs.Is(err, errs.Denied) {
		t.Errorf("who may not: %v", err)
	}
	var kept, recorded int
	if err := w.DB.Pool(pg.Staff).QueryRow(ctx, "SELECT (SELECT count(*) FROM witness.statement), (SELECT count(*) FROM audit.entry WHERE action = 'witness.stated' AND outcome = 'refused')").
		Scan(&kept, &recorded); err != nil || kept != 1 || recorded != refusals+1 {
		t.Errorf("%d kept, %d refusals recorded of %d (%v)", kept, recorded, refusals+1, err)
	}
	if len(w.marks(t, document)) != 2 {
		t.Errorf("the good one does not confirm: %v", w.marks(t, document))
	}
}

func TestMarks(t *testing.T) {
	w := newWorld(t)
	if marks := w.marks(t, document); len(marks) != 0 {
		t.Errorf("nothing was said: %v", marks)
	}
	w.take(t, "vigie", nil)
	marks := w.marks(t, document)
	if m := marks["ENC-1"]; len(marks) != 2 || m.Name != "vigie" || m.Key == "" || m.At.After(w.at) || w.at.Sub(m.At) > time.Hour {
		t.Errorf("%+v", marks)
	}
	if marks := w.marks(t, strings.Repeat("0", 64)); len(marks) != 0 {
		t.Errorf("another document is confirmed: %v", marks)
	}
	w.at = w.at.Add(3*time.Minute + time.Second)
	if marks := w.marks(t, document); len(marks) != 0 {
		t.Errorf("a silent witness confirms: %v", marks)
	}
	w.at = w.at.Add(-2 * time.Minute)
	w.take(t, "vigie", func(s *Statement) { s.States[0].Saw, s.States[1].Announced = SawError, "not_met" })
	if marks := w.marks(t, document); len(marks) != 0 {
		t.Errorf("what was not seen, or is not announced, is confirmed: %v", marks)
	}
	w.at = w.at.Add(time.Second)
	w.take(t, "vigie", nil)
	w.take(t, "guet", func(s *Statement) { s.States[0].Saw = SawFail })
	if marks := w.marks(t, document); len(marks) != 1 || marks["ENC-1"].Name != "guet" {
		t.Errorf("what another witness saw to fail is confirmed: %v", marks)
	}
	// Another key in the estate: what the old one said no longer counts.
	w.estate.Witnesses[0].Key, w.estate.Witnesses[1].Key = w.estate.Witnesses[1].Key, w.estate.Witnesses[0].Key
	if marks := w.marks(t, document); len(marks) != 0 {
		t.Errorf("another key: %v", marks)
	}
}

func TestReach(t *testing.T) {
	const db, ssh = "reach:vigie/db.ardoise.example:5432", "reach:vigie/admin.ardoise.example:22"
	for what, c := range map[string]struct {
		reach *Reach
		want  measure.Outcome
		item  measure.Item
	}{
		"closed":             {&Reach{Refused: []string{"db.ardoise.example:5432", "admin.ardoise.example:22", "more.ardoise.example:1"}}, measure.Pass, measure.Item{}},
		"open":               {&Reach{Open: []string{"db.ardoise.example:5432"}, Refused: []string{"admin.ardoise.example:22"}}, measure.Fail, measure.Item{Target: db, Problem: ProblemOpen}},
		"open and unknown":   {&Reach{Open: []string{"db.ardoise.example:5432"}, Unknown: []string{"admin.ardoise.example:22"}}, measure.Fail, measure.Item{Target: ssh, Problem: ProblemUnknown}},
		"in two lists":       {&Reach{Open: []string{"db.ardoise.example:5432"}, Refused: []string{"db.ardoise.example:5432", "admin.ardoise.example:22"}}, measure.Fail, measure.Item{Target: db, Problem: ProblemOpen}},
		"unknown":            {&Reach{Unknown: []string{"db.ardoise.example:5432"}, Refused: []string{"admin.ardoise.example:22"}}, measure.Error, measure.Item{Target: db, Problem: ProblemUnknown}},
		"one is not told of": {&Reach{Refused: []string{"db.ardoise.example:5432"}}, measure.Error, measure.Item{Target: ssh, Problem: ProblemUntold}},
		"nothing is told of": {nil, measure.Error, measure.Item{Target: db, Problem: ProblemUntold}},
		"another address":    {&Reach{Refused: []string{"db.ardoise.example:5433", "admin.ardoise.example:22"}}, measure.Error, measure.Item{Target: db, Problem: ProblemUntold}},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			w.take(t, "vigie", func(s *Statement) { s.Reach = c.reach })
			current, err := measure.LoadCurrent(context.Background(), w.DB.Pool(pg.Staff))
			if err != nil {
				t.Fatal(err)
			}
			got := current[CheckReach]
			if got == nil || got.Finding.Outcome != c.want || !got.ObservedAt.Equal(w.at) {
				t.Fatalf("%+v", got)
			}
			if c.item.Problem != "" && !slices.ContainsFunc(got.Finding.Failed, func(i measure.Item) bool { return i.Target == c.item.Target && i.Problem == c.item.Problem }) {
				t.Errorf("no item names %+v: %+v", c.item, got.Finding.Failed)
			}
			if c.want == measure.Pass && (got.Finding.Facts[FactExamined].Count != 2 || got.Finding.Facts[FactRefused].Count != 2 || !strings.Contains(got.Finding.Source, "vigie")) {
				t.Errorf("%+v", got.Finding)
			}
		})
	}
	w := newWorld(t)
	w.take(t, "guet", nil) // has nothing to do with it
	w.take(t, "vigie", nil)
	w.at = w.at.Add(time.Second)
	w.take(t, "guet", nil) // nothing new of the addresses: no error
}

// TestReachOfTwoWitnesses: what one of them sees open counts at once, also while another has fallen silent whose
// last word was that all is closed; and it is mended when all of them have seen it closed since.
func TestReachOfTwoWitnesses(t *testing.T) {
	w := newWorld(t)
	e := *w.estate
	e.Witnesses = slices.Clone(e.Witnesses)
	for i := range e.Witnesses {
		e.Witnesses[i].Refused = []string{"db.ardoise.example:5432"}
	}
	w.estate = &e
	closed := func(s *Statement) { s.Reach = &Reach{Refused: []string{"db.ardoise.example:5432"}} }
	open := func(s *Statement) { s.Reach = &Reach{Open: []string{"db.ardoise.example:5432"}} }
	expect := func(what string, want measure.Outcome) {
		t.Helper()
		current, err := measure.LoadCurrent(context.Background(), w.DB.Pool(pg.Staff))
		if err != nil {
			t.Fatal(err)
		}
		if got := current[CheckReach]; got == nil || got.Finding.Outcome != want {
			t.Errorf("%s: %+v, want %s", what, got, want)
		}
	}
	later := func() { w.at = w.at.Add(30 * time.Second) }
	w.take(t, "vigie", closed)
	later()
	w.take(t, "guet", closed)
	later()
	w.take(t, "vigie", closed)
	expect("both saw it closed", measure.Pass)
	later()
	w.take(t, "guet", closed)
	later()
	w.take(t, "guet", open) // vigie says nothing any more
	expect("one sees it open", measure.Fail)
	later()
	w.take(t, "guet", closed)
	expect("the other has not looked since", measure.Fail)
	later()
	w.take(t, "vigie", closed)
	later()
	w.take(t, "guet", closed)
	expect("both saw it closed since", measure.Pass)
}

func TestStatementIsCanonical(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("x", 3600))
	a, err := Sign(Statement{Witness: "w", Company: "A & B <SRL>", Sequence: 1, MadeAt: at, States: []State{{Measure: "B"}, {Measure: "A"}}, Reach: &Reach{Open: []string{"b:1", "a:1"}}}, key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Sign(Statement{Witness: "w", Company: "A & B <SRL>", Sequence: 1, MadeAt: at.UTC(), States: []State{{Measure: "A"}, {Measure: "B"}}, Reach: &Reach{Open: []string{"a:1", "b:1"}, Refused: []string{}}}, key)
	if err != nil || a != b {
		t.Errorf("%v\n%s\n%s", err, a.Statement, b.Statement)
	}
	public, _ := key.Public().(ed25519.PublicKey)
	s, err := a.Open(public)
	if err != nil || s.Company != "A & B <SRL>" || !s.MadeAt.Equal(at) {
		t.Errorf("%+v %v", s, err)
	}
	if len(strings.Split(Fingerprint(public), " ")) != 3 {
		t.Error(Fingerprint(public))
	}
}

func FuzzStatement(f *testing.F) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	good, err := Sign(Statement{Witness: "w", MadeAt: time.Unix(1, 0)}, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good.Statement, good.Signature)
	f.Fuzz(func(t *testing.T, statement, signature string) {
		s := Signed{statement, signature}
		if _, err := s.Open(public); err == nil && s != good {
			t.Errorf("accepted: %+v", s)
		}
		_, _ = s.read()
	})
}

func TestMessages(t *testing.T) {
	words := map[string]map[string]string{}
	for lang, text := range Messages() {
		m := map[string]string{}
		if err := yaml.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		words[lang] = m
	}
	for id := range words["en"] {
		if words["fr"][id] == "" {
			t.Errorf("fr has no words for %s", id)
		}
	}
	for _, p := range []string{ProblemOpen, ProblemUnknown, ProblemUntold, ProblemSilent, ProblemBehind, ProblemForked, ProblemRewritten, ProblemRolledBack, ProblemWrongKey, ProblemNoAnswer} {
		if words["en"][p] == "" || words["en"][p+".fix"] == "" {
			t.Errorf("no words for %s", p)
		}
	}
	if len(words["fr"]) != len(words["en"]) {
		t.Error("the languages differ in number")
	}
}

// TestNoWitnessNoProof: without a witness nothing gives the facts of NET-1, so that no other check proves it alone.
func TestNoWitnessNoProof(t *testing.T) {
	w := newWorld(t)
	if checks := New(nil, nil).CheckFor(w.estate); len(checks) != 1 || checks[0].ID != CheckReach || checks[0].Valid != 3*time.Minute {
		t.Errorf("%+v", checks)
	}
	for i := range w.estate.Witnesses {
		w.estate.Witnesses[i].Refused = nil
	}
	if checks := New(nil, nil).CheckFor(w.estate); len(checks) != 0 {
		t.Errorf("%+v", checks)
	}
	w.take(t, "vigie", nil) // has no addresses to tell of any more
}

// TestDue: a witness that never spoke, one that is silent and one that disputes are each due, in both languages.
func TestDue(t *testing.T) {
	words, err := ui.NewMessages(Messages())
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	r := &web.Request{Request: httptest.NewRequest(http.MethodGet, "/", nil), Actor: actor.NewSystem("test"), Now: w.at}
	due := func() []console.Due {
		t.Helper()
		source := w.Due()
		n, err := source.Count(r)
		if err != nil {
			t.Fatal(err)
		}
		var list []console.Due
		for _, lang := range []string{"fr", "en"} {
			if list, err = source.List(r, words.For(lang, time.UTC)); err != nil || len(list) != n {
				t.Fatalf("%d of %d (%v)", len(list), n, err)
			}
			for _, d := range list {
				if !strings.Contains(d.What, "vigie") && !strings.Contains(d.What, "guet") || strings.Contains(d.What, "{") || d.Why == "" || d.Next == "" {
					t.Errorf("%s: %+v", lang, d)
				}
			}
		}
		return list
	}
	if list := due(); len(list) != 2 || list[0].State != ui.Unproven {
		t.Errorf("%+v", list)
	}
	w.take(t, "guet", nil)
	w.take(t, "vigie", func(s *Statement) { s.States[0].Saw = SawFail })
	if list := due(); len(list) != 1 || list[0].State != ui.NotMet || list[0].Tag != "ENC-2" {
		t.Errorf("%+v", list)
	}
	w.at = w.at.Add(4 * time.Minute)
	if list := due(); len(list) != 2 || list[0].State != ui.Stale || list[0].Since.IsZero() {
		t.Errorf("%+v", list)
	}
	r.Actor = actor.Anonymous("")
	if list, err := w.Due().List(r, words.For("en", time.UTC)); err != nil || len(list) != 0 {
		t.Errorf("shown to strangers: %+v %v", list, err)
	}
}
