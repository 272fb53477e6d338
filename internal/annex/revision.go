package annex

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/measure/tailoring"
)

// RevisionKind is what changed of what the annex says. The words are those of the database.
type RevisionKind string

// The kinds.
const (
	Published     RevisionKind = "published"     // the annex became public
	Wording       RevisionKind = "wording"       // of a measure, or a figure that it quotes
	Added         RevisionKind = "added"         // a measure
	Removed       RevisionKind = "removed"       // a measure
	EstateChanged RevisionKind = "estate"        // another version of the declared systems is in force
	ScopeChanged  RevisionKind = "scope"         // a measure covers more or fewer systems
	Reduced       RevisionKind = "reduced"       // the scope, a threshold or a cadence of a measure was reduced
	Confirmed     RevisionKind = "confirmed"     // the reduction was confirmed, or taken back
	CompanyEdited RevisionKind = "company"       // whose annex it is
	Subcontracted RevisionKind = "subprocessors" // the list of sub-processors
)

// Revision is a change of what the annex says, as published. Fields that do not belong to its
// kind are empty.
type Revision struct {
	ID      int64        `json:"-"`
	At      time.Time    `json:"at"`
	Kind    RevisionKind `json:"kind"`
	Measure string       `json:"measure,omitempty"`
	// Effect is what the change means to readers: "weakened" or "strengthened", by the rules of the versions that
	// the company reviews; empty where it cannot be said. It follows from the rest.
	Effect tailoring.Effect `json:"effect,omitempty"`
	RevisionDetail
}

// RevisionDetail is what the database holds of a revision.
type RevisionDetail struct {
	Before *Said `json:"before,omitempty"` // Wording, Removed
	After  *Said `json:"after,omitempty"`  // Wording, Added
	From   int64 `json:"from,omitempty"`   // EstateChanged: version; ScopeChanged: systems
	To     int64 `json:"to,omitempty"`

	Fields  []FieldChange        `json:"fields,omitempty"`  // CompanyEdited
	Joined  []Subprocessor       `json:"joined,omitempty"`  // Subcontracted
	Left    []Subprocessor       `json:"left,omitempty"`    // Subcontracted
	Altered []SubprocessorChange `json:"altered,omitempty"` // Subcontracted
}

// Said is what a measure announces, with the figures that it quotes.
type Said struct {
	Title    map[string]string       `json:"title"`
	Sentence map[string]string       `json:"sentence"`
	Kind     catalogue.Kind          `json:"kind"`
	Operator string                  `json:"operator"`
	Values   map[string]measure.Fact `json:"values,omitempty"` // of the placeholders
	Excluded *Exclusion              `json:"exclusion,omitempty"`
}

// effect tells whether less or more is promised. Who promises less in one thing promises less, whatever else
// is better. Words alone tell nothing.
func (d RevisionDetail) effect() tailoring.Effect {
	if d.Before == nil || d.After == nil {
		return ""
	}
	found := map[tailoring.Effect]bool{}
	switch was, is := d.Before.Excluded != nil, d.After.Excluded != nil; {
	case is && !was:
		found[tailoring.Weakened] = true
	case was && !is:
		found[tailoring.Strengthened] = true
	}
	if d.Before.Kind != d.After.Kind {
		found[tailoring.StrengthOfKind(d.Before.Kind, d.After.Kind)] = true
	}
	for name, was := range d.Before.Values {
		switch is, still := d.After.Values[name]; {
		case !still: // who no longer quotes a figure says less
			found[tailoring.Weakened] = true
		case !reflect.DeepEqual(was, is):
			found[tailoring.Strength(parameter(name, was), parameter(name, is))] = true
		}
	}
	for name := range d.After.Values {
		if _, before := d.Before.Values[name]; !before {
			found[tailoring.Strengthened] = true
		}
	}
	for _, e := range []tailoring.Effect{tailoring.Weakened, tailoring.Strengthened} {
		if found[e] {
			return e
		}
	}
	return ""
}

// parameter is a published figure as the catalogue has it. Kinds have the same names in both.
func parameter(name string, f measure.Fact) catalogue.Parameter {
	return catalogue.Parameter{Name: name, Kind: string(f.Kind), Count: f.Count, Duration: f.Duration, Text: f.Text, List: f.List}
}

// FieldChange is a change of one thing that is said of the company.
type FieldChange struct {
	Field  string `json:"field"` // as in the JSON of Company
	Before string `json:"before"`
	After  string `json:"after"`
}

// SubprocessorChange is an entry that reads differently.
type SubprocessorChange struct {
	Before Subprocessor `json:"before"`
	After  Subprocessor `json:"after"`
}

// said is what a document announces of a measure. The method is not part of it: it tells how
// something is known, not what is promised.
func (d Document) said(m Measure) *Said {
	s := &Said{Title: m.Title, Sentence: m.Sentence, Kind: m.Kind, Operator: m.Operator, Values: map[string]measure.Fact{}, Excluded: m.Exclusion}
	for _, text := range m.Sentence {
		parsed, err := catalogue.ParseText(text)
		if err != nil {
			continue
		}
		for _, name := range parsed.Names() {
			if f, ok := d.Parameters[name]; ok {
				s.Values[name] = f
			}
		}
	}
	return s
}

// compareDocuments lists what differs between two versions of the annex, for readers: a new
// build, another cadence or a reworded method change the document and promise nothing else.
func compareDocuments(before, after Document) []Revision {
	var out []Revision
	if fields := compareCompanies(before.Company, after.Company); len(fields) > 0 {
		out = append(out, Revision{Kind: CompanyEdited, RevisionDetail: RevisionDetail{Fields: fields}})
	}
	if before.Estate != after.Estate {
		out = append(out, Revision{Kind: EstateChanged, RevisionDetail: RevisionDetail{From: before.Estate, To: after.Estate}})
	}
	if r, changed := compareSubprocessors(before.Subprocessors, after.Subprocessors); changed {
		out = append(out, r)
	}
	old := map[string]*Said{}
	for _, m := range before.Measures {
		old[m.ID] = before.said(m)
	}
	for _, m := range after.Measures {
		now, then := after.said(m), old[m.ID]
		delete(old, m.ID)
		switch {
		case then == nil:
			out = append(out, Revision{Kind: Added, Measure: m.ID, RevisionDetail: RevisionDetail{After: now}})
		case !reflect.DeepEqual(then, now):
			out = append(out, Revision{Kind: Wording, Measure: m.ID, RevisionDetail: RevisionDetail{Before: then, After: now}})
		}
	}
	for _, m := range before.Measures {
		if then := old[m.ID]; then != nil {
			out = append(out, Revision{Kind: Removed, Measure: m.ID, RevisionDetail: RevisionDetail{Before: then}})
		}
	}
	return out
}

func compareCompanies(before, after Company) []FieldChange {
	var out []FieldChange
	add := func(field, a, b string) {
		if a != b {
			out = append(out, FieldChange{Field: field, Before: a, After: b})
		}
	}
	day := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.DateOnly)
	}
	add("name", before.Name, after.Name)
	add("legal_name", before.LegalName, after.LegalName)
	add("country", before.Country, after.Country)
	add("contact", before.Contact, after.Contact)
	add("address", before.Address, after.Address)
	add("registration", before.Registration, after.Registration)
	add("dpo", before.DPO, after.DPO)
	add("revised", day(before.Revised), day(after.Revised))
	add("revision", before.Revision, after.Revision)
	return out
}

func compareSubprocessors(before, after []Subprocessor) (Revision, bool) {
	r := Revision{Kind: Subcontracted}
	find := func(list []Subprocessor, id string) int {
		return slices.IndexFunc(list, func(s Subprocessor) bool { return s.ID == id })
	}
	for _, s := range after {
		switch i := find(before, s.ID); {
		case i < 0:
			r.Joined = append(r.Joined, s)
		case !equalJSON(before[i], s):
			r.Altered = append(r.Altered, SubprocessorChange{Before: before[i], After: s})
		}
	}
	for _, s := range before {
		if find(after, s.ID) < 0 {
			r.Left = append(r.Left, s)
		}
	}
	return r, len(r.Joined)+len(r.Left)+len(r.Altered) > 0 || (before == nil) != (after == nil)
}

// equalJSON compares entries as they are published, times by their moment.
func equalJSON(a, b Subprocessor) bool {
	a.Since, b.Since = a.Since.UTC(), b.Since.UTC()
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(x) == string(y)
}

// compareRows lists what differs in what a measure covers. before is nil for its first row.
func compareRows(before, after []byte) ([]Revision, error) {
	if before == nil {
		return nil, nil
	}
	var a, b struct {
		Measure  string `json:"measure"`
		Expected int    `json:"expected"`
		Reduced  bool   `json:"reduced"`
	}
	if err := json.Unmarshal(before, &a); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(after, &b); err != nil {
		return nil, err
	}
	var out []Revision
	if a.Expected != b.Expected {
		out = append(out, Revision{Kind: ScopeChanged, Measure: b.Measure, RevisionDetail: RevisionDetail{From: int64(a.Expected), To: int64(b.Expected)}})
	}
	switch {
	case b.Reduced && !a.Reduced:
		out = append(out, Revision{Kind: Reduced, Measure: b.Measure})
	case a.Reduced && !b.Reduced:
		out = append(out, Revision{Kind: Confirmed, Measure: b.Measure})
	}
	return out, nil
}

// name is what a revision is called in addresses and ids.
func (r Revision) name() string { return strings.ToLower(string(r.Kind)) }
