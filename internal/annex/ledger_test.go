package annex

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
)

func brussels(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Brussels")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// The coverage counts a measure as its history strip shows it, over both changes of the hour.
func TestCoverageAgreesWithTheStrip(t *testing.T) {
	zone := brussels(t)
	now := time.Date(2026, 11, 24, 20, 4, 0, 0, time.UTC)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
	states := []measure.State{measure.Met, measure.NotMet, measure.Stale, measure.Unproven}
	for range 50 {
		s := &Snapshot{
			Document: Document{Company: Company{Zone: zone.String()}, Measures: []Measure{{ID: "A-1", Kind: catalogue.Checked}}},
			History:  map[string][]Change{}, Rows: map[string]Row{}, At: now, ledger: &ledger{states: map[string][]dayRecord{}},
		}
		at := now.AddDate(0, 0, -89)
		for at = at.Add(time.Duration(random.IntN(90)) * time.Hour); at.Before(now); at = at.Add(time.Duration(1+random.IntN(70)) * time.Hour) {
			c := Change{Measure: "A-1", At: at, State: states[random.IntN(len(states))]}
			s.History["A-1"] = append(s.History["A-1"], c)
			s.ledger.states["A-1"] = record(s.ledger.states["A-1"], dayOf(at, zone), c.State)
			s.Rows["A-1"] = Row{Measure: "A-1", State: c.State}
		}
		strip, cover := s.Strip("A-1", now, zone), s.Coverage(now.AddDate(0, 0, -89), now, 90)
		if len(cover) != len(strip) {
			t.Fatalf("%d days, and the strip has %d", len(cover), len(strip))
		}
		for i, d := range cover[:len(cover)-1] { // the last day is told by its end
			want := strip[i].State
			if want == "" {
				want = measure.Unproven
			}
			if !d.Date.Equal(strip[i].Date) || d.Count[catalogue.Checked][want] != 1 {
				t.Fatalf("%s: %v, and the strip says %s on %s", d.Date, d.Count, want, strip[i].Date)
			}
		}
		if last := cover[len(cover)-1]; last.Count[catalogue.Checked][s.Rows["A-1"].State] != 1 {
			t.Fatalf("today: %v", last.Count)
		}
	}
}

// Of a long time some days are told, always the last, and never more than asked for.
func TestCoverageOfALongTime(t *testing.T) {
	s := &Snapshot{Document: Document{Measures: []Measure{{ID: "A-1", Kind: catalogue.Run}}}, Rows: map[string]Row{"A-1": {State: measure.Met}}, ledger: &ledger{}}
	s.At = time.Date(2026, 11, 24, 20, 4, 0, 0, time.UTC)
	for _, days := range []int{1, 2, 90, 149, 150, 151, 730, 5000} {
		got := s.Coverage(s.At.AddDate(0, 0, 1-days), s.At, 150)
		if len(got) == 0 || len(got) > 150 || !got[len(got)-1].Date.Equal(midnight(s.At, time.UTC)) {
			t.Errorf("%d days: %d are told", days, len(got))
		}
		if days <= 150 && len(got) != days {
			t.Errorf("%d days: %d are told", days, len(got))
		}
	}
	if got := s.Coverage(s.At.AddDate(0, 0, 1), s.At, 150); got != nil {
		t.Errorf("of days to come: %v", got)
	}
}

// Each kind of change between two documents is told, and what promises nothing else is not.
func TestCompareDocuments(t *testing.T) {
	base := func() Document {
		return Document{
			Company: Company{Name: "Exemple", Contact: "a@exemple.example"}, Estate: 1, Build: "1",
			Measures: []Measure{
				{ID: "A-1", Kind: catalogue.Checked, Title: map[string]string{"fr": "Un"}, Sentence: map[string]string{"fr": "Gardé {keep}."}, Method: map[string]string{"fr": "Vu."}},
				{ID: "B-1", Kind: catalogue.Attested, Title: map[string]string{"fr": "Deux"}, Sentence: map[string]string{"fr": "Fermé."}},
			},
			Parameters: map[string]measure.Fact{"keep": measure.Span(14 * 24 * time.Hour), "other": measure.Count(1)},
		}
	}
	for name, tt := range map[string]struct {
		change func(*Document)
		want   []string
	}{
		"nothing":                {func(*Document) {}, nil},
		"build":                  {func(d *Document) { d.Build = "2" }, nil},
		"a method":               {func(d *Document) { d.Measures[0].Method = map[string]string{"fr": "Revu."} }, nil},
		"a cadence":              {func(d *Document) { d.Checks = map[string]CheckInfo{"x": {Every: time.Hour}} }, nil},
		"a figure nobody quotes": {func(d *Document) { d.Parameters["other"] = measure.Count(2) }, nil},
		"a figure":               {func(d *Document) { d.Parameters["keep"] = measure.Span(time.Hour) }, []string{"wording A-1"}},
		"a sentence":             {func(d *Document) { d.Measures[1].Sentence = map[string]string{"fr": "Ouvert."} }, []string{"wording B-1"}},
		"a kind":                 {func(d *Document) { d.Measures[1].Kind = catalogue.Run }, []string{"wording B-1"}},
		"an exclusion": {func(d *Document) {
			d.Measures[1].Exclusion = &Exclusion{Reason: map[string]string{"fr": "Sans objet."}}
		}, []string{"wording B-1"}},
		"a measure less":            {func(d *Document) { d.Measures = d.Measures[:1] }, []string{"removed B-1"}},
		"a measure more":            {func(d *Document) { d.Measures = append(d.Measures, Measure{ID: "C-1"}) }, []string{"added C-1"}},
		"another order":             {func(d *Document) { slices.Reverse(d.Measures) }, nil},
		"the estate":                {func(d *Document) { d.Estate = 2 }, []string{"estate "}},
		"the contact":               {func(d *Document) { d.Company.Contact = "b@exemple.example" }, []string{"company "}},
		"the zone":                  {func(d *Document) { d.Company.Zone = "UTC" }, nil},
		"a list, though empty":      {func(d *Document) { d.Subprocessors = []Subprocessor{} }, []string{"subprocessors "}},
		"a first sub-processor":     {func(d *Document) { d.Subprocessors = []Subprocessor{{ID: "1"}} }, []string{"subprocessors "}},
		"the estate and a sentence": {func(d *Document) { d.Estate, d.Measures[0].Title = 2, nil }, []string{"estate ", "wording A-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := base(), base()
			tt.change(&after)
			var got []string
			for _, r := range compareDocuments(before, after) {
				got = append(got, string(r.Kind)+" "+r.Measure)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCompareSubprocessors(t *testing.T) {
	since := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	before := []Subprocessor{{ID: "1", Name: "A", Since: since}, {ID: "2", Name: "B"}, {ID: "3", Name: "C"}}
	after := []Subprocessor{{ID: "1", Name: "A", Since: since.In(brussels(t))}, {ID: "2", Name: "B2"}, {ID: "4", Name: "D"}}
	r, changed := compareSubprocessors(before, after)
	if !changed || len(r.Joined) != 1 || r.Joined[0].Name != "D" || len(r.Left) != 1 || r.Left[0].Name != "C" || len(r.Altered) != 1 || r.Altered[0].After.Name != "B2" {
		t.Errorf("%+v", r)
	}
	if _, changed := compareSubprocessors(before, before); changed {
		t.Error("a list differs from itself")
	}
}

func TestCompareRows(t *testing.T) {
	row := func(r Row) []byte { b, _ := json.Marshal(r); return b }
	a, b := Row{Measure: "A-1", Expected: 4}, Row{Measure: "A-1", Expected: 3, Reduced: true}
	for name, tt := range map[string]struct {
		before, after []byte
		want          []RevisionKind
	}{
		"the first": {nil, row(b), nil}, "the same": {row(a), row(a), nil},
		"less": {row(a), row(b), []RevisionKind{ScopeChanged, Reduced}}, "back": {row(b), row(a), []RevisionKind{ScopeChanged, Confirmed}},
	} {
		list, err := compareRows(tt.before, tt.after)
		var got []RevisionKind
		for _, r := range list {
			got = append(got, r.Kind)
		}
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Error(name, err, diff)
		}
	}
	if _, err := compareRows([]byte("{"), row(a)); err == nil {
		t.Error("a row that cannot be read is compared")
	}
}

// Documents and rows of earlier versions of the program are read as they were.
func TestOldRowsAreReadable(t *testing.T) {
	var d Document
	if err := json.Unmarshal([]byte(`{"company":{"name":"A"},"measures":[{"id":"A-1","refs":{"GDPR":["33"],"ISO":null,"CNIL":null}}]}`), &d); err != nil {
		t.Fatal(err)
	}
	if d.Subprocessors != nil || d.Clauses != nil || d.Topics != nil || !d.Company.Revised.IsZero() || d.Measures[0].Exclusion != nil || len(d.Measures[0].Refs.Clauses) != 0 {
		t.Errorf("%+v", d)
	}
	var r Row
	if err := json.Unmarshal([]byte(`{"measure":"A-1","state":"met"}`), &r); err != nil || r.Confirmed != nil || r.Witness != nil {
		t.Errorf("%+v %v", r, err)
	}
}

func TestNumbersAreOrdered(t *testing.T) {
	got := []string{"5.10", "8.2", "5.9", "5", "5.9.1", "x.1", "6.1.2"}
	slices.SortFunc(got, compareNumbers)
	if diff := cmp.Diff([]string{"5", "5.9", "5.9.1", "5.10", "6.1.2", "8.2", "x.1"}, got); diff != "" {
		t.Error(diff)
	}
}
