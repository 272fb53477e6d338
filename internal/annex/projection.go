package annex

import (
	"slices"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
)

// Document is what a version of the annex says, without states.
type Document struct {
	Company    Company                 `json:"company"`
	Catalogue  string                  `json:"catalogue"` // hash
	Estate     int64                   `json:"estate"`    // version
	Tailoring  int64                   `json:"tailoring"` // version that the company published
	Build      string                  `json:"build"`
	Sections   []Section               `json:"sections"`
	Measures   []Measure               `json:"measures"`
	Parameters map[string]measure.Fact `json:"parameters"`
	Checks     map[string]CheckInfo    `json:"checks"`
	Clauses    []Heading               `json:"clauses,omitempty"`
	Topics     []Topic                 `json:"also,omitempty"`
	// Subprocessors is null where none are declared here yet, and empty where there are none.
	Subprocessors []Subprocessor `json:"subprocessors"`
}

// Company is whose annex it is.
type Company struct {
	Name      string   `json:"name"`
	LegalName string   `json:"legal_name"`
	Country   string   `json:"country"`
	Languages []string `json:"languages"`
	Zone      string   `json:"zone"`
	Contact   string   `json:"contact"`

	DPO     string    `json:"dpo,omitempty"`    // address of the data protection officer
	Revised time.Time `json:"revised,omitzero"` // when the company last reviewed its annex
}

// Section is a chapter.
type Section struct {
	ID    string            `json:"id"`
	GDPR  []string          `json:"gdpr"`
	Title map[string]string `json:"title"` // by language
}

// Heading is a heading of Annex III of the clauses of Decision (EU) 2021/915, in our words.
type Heading struct {
	Key   string            `json:"key"`
	Title map[string]string `json:"title"` // by language
}

// Topic is something that readers ask besides.
type Topic struct {
	Key      string            `json:"key"`
	Question map[string]string `json:"question"` // by language
	Measures []string          `json:"measures"` // that answer it
	Answer   map[string]string `json:"answer,omitempty"`
}

// Measure is the text of one measure.
type Measure struct {
	ID       string            `json:"id"`
	Section  string            `json:"section"`
	Kind     catalogue.Kind    `json:"kind"`
	Operator string            `json:"operator"`
	Owner    map[string]string `json:"owner"` // team's name by language
	Title    map[string]string `json:"title"`
	Sentence map[string]string `json:"sentence"` // with placeholders
	Method   map[string]string `json:"method"`
	Checks   []string          `json:"checks,omitempty"`
	Attest   bool              `json:"attest,omitempty"`   // an owner's attestation is part of the proof
	Cadence  time.Duration     `json:"cadence,omitempty"`  // between two of them
	Excluded map[string]string `json:"excluded,omitempty"` // why the company left it out, by language
	Refs     catalogue.Refs    `json:"refs"`
}

// CheckInfo is what the public may know of a check.
type CheckInfo struct {
	Every time.Duration `json:"every"`
}

// Row is the published state of one measure.
type Row struct {
	Measure  string                  `json:"measure"`
	State    measure.State           `json:"state"`
	Reason   string                  `json:"reason"`
	Since    time.Time               `json:"since"`
	Facts    map[string]measure.Fact `json:"facts,omitempty"`
	Sources  map[string]string       `json:"sources,omitempty"` // fact → check
	Proofs   []Proof                 `json:"proofs,omitempty"`
	Examined int                     `json:"examined"`
	Expected int                     `json:"expected"`
	Failed   int                     `json:"failed"`
	Reduced  bool                    `json:"reduced,omitempty"`
	Attested *Attested               `json:"attested,omitempty"` // nil: nobody has attested it
	Witness  *WitnessMark            `json:"witness,omitempty"`
}

// WitnessMark says that somebody outside the company looked too.
type WitnessMark struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"`
	Key  string    `json:"key"` // fingerprint of the key that signed
}

// Attested is what the public may know of an attestation: never by whom.
type Attested struct {
	ObservedAt time.Time `json:"observed_at"` // the earliest, where there is one for each target
	ValidUntil time.Time `json:"valid_until"`
	Digests    []string  `json:"digests"` // SHA-256 of the records
}

// Proof names the evidence behind a state.
type Proof struct {
	Check   string          `json:"check"`
	Outcome measure.Outcome `json:"outcome,omitempty"` // only while the measure is met: which check fails is not for the public
	Digest  string          `json:"digest"`            // SHA-256 of the evidence record
	FirstAt time.Time       `json:"first_at"`
}

// Freshness is what moves with every look.
type Freshness struct {
	ObservedAt time.Time `json:"observed_at"`
	ValidUntil time.Time `json:"valid_until"`
	NextAt     time.Time `json:"next_at"`
}

// newDocument makes the document of a catalogue and an estate.
func newDocument(v measure.View, build string) Document {
	reg := v.Registry
	cat := reg.Catalogue
	d := Document{Catalogue: cat.Hash(), Estate: v.Version, Tailoring: v.Tailoring, Build: build, Parameters: reg.Figures(v.Estate), Checks: map[string]CheckInfo{}}
	if v.Estate != nil {
		d.Company = companyOf(v.Estate)
	}
	languages := cat.Languages()
	for _, s := range cat.Sections {
		section := Section{ID: s.ID, GDPR: s.GDPR, Title: map[string]string{}}
		for _, l := range languages {
			section.Title[l] = cat.SectionTitle(l, s.ID)
		}
		d.Sections = append(d.Sections, section)
	}
	d.Clauses, d.Topics = headingsOf(cat, languages), topicsOf(cat, languages)
	for _, m := range cat.Measures {
		d.Measures = append(d.Measures, measureOf(cat, reg, m, languages))
	}
	for _, c := range reg.Checks() {
		every, _ := measure.Cadence(c, v.Estate)
		d.Checks[c.ID] = CheckInfo{Every: every}
	}
	return d
}

func headingsOf(cat *catalogue.Catalogue, languages []string) []Heading {
	var out []Heading
	for _, key := range cat.Clauses {
		h := Heading{Key: key, Title: map[string]string{}}
		for _, l := range languages {
			h.Title[l] = cat.ClauseTitle(l, key)
		}
		out = append(out, h)
	}
	return out
}

func topicsOf(cat *catalogue.Catalogue, languages []string) []Topic {
	var out []Topic
	for _, topic := range cat.Topics {
		t := Topic{Key: topic.Key, Question: map[string]string{}, Measures: topic.Measures, Answer: cat.Answers[topic.Key]}
		for _, l := range languages {
			t.Question[l] = cat.Question(l, topic.Key)
		}
		out = append(out, t)
	}
	return out
}

func companyOf(e *estate.Estate) Company {
	c := Company{Name: e.Company.Name, LegalName: e.Company.LegalName, Country: e.Company.Country, Languages: e.Company.Languages, Contact: e.Company.Contact, Zone: "UTC"}
	if e.Company.Zone != nil {
		c.Zone = e.Company.Zone.String()
	}
	return c
}

func measureOf(cat *catalogue.Catalogue, reg *measure.Registry, m catalogue.Measure, languages []string) Measure {
	out := Measure{
		ID: m.ID, Section: m.Section, Kind: m.Kind, Operator: m.Operator, Refs: m.Refs, Attest: m.Attest, Cadence: m.Cadence,
		Owner: map[string]string{}, Title: map[string]string{}, Sentence: map[string]string{}, Method: map[string]string{},
	}
	for _, l := range languages {
		w := cat.Words(l, m.ID)
		out.Owner[l], out.Title[l] = cat.TeamName(l, m.Owner), w.Title
		out.Sentence[l], out.Method[l] = w.Sentence.String(), w.Method.String()
	}
	if m.Excluded != nil {
		out.Excluded = m.Excluded.Reason
	}
	for _, c := range reg.Of(m.ID) {
		out.Checks = append(out.Checks, c.ID)
	}
	return out
}

// rowOf makes the published row of a status.
func rowOf(s measure.Status, since time.Time, reduced bool) Row {
	row := Row{
		Measure: s.Measure, State: s.State, Reason: s.Reason, Since: since.UTC(),
		Examined: s.Examined, Expected: s.Expected, Failed: s.Failed, Reduced: reduced,
	}
	if s.State == measure.Met { // facts of anything else are not asserted
		row.Facts, row.Sources = s.Facts, s.Sources
	}
	for _, c := range s.Checks {
		if c.Current != nil && c.State != "" {
			proof := Proof{Check: c.Check.ID, Digest: c.Current.Digest, FirstAt: c.Current.FirstAt.UTC()}
			if s.State == measure.Met {
				proof.Outcome = c.Current.Finding.Outcome
			}
			row.Proofs = append(row.Proofs, proof)
		}
	}
	if s.Attested != nil && len(s.Attested.Last) > 0 {
		row.Attested = attestedOf(s.Attested.Last)
	}
	slices.SortFunc(row.Proofs, func(a, b Proof) int { return strings.Compare(a.Check, b.Check) })
	return row
}

func attestedOf(said []*measure.Attested) *Attested {
	out := &Attested{ObservedAt: said[0].ObservedAt.UTC(), ValidUntil: said[0].ValidUntil.UTC()}
	for _, a := range said {
		if a.ObservedAt.Before(out.ObservedAt) {
			out.ObservedAt = a.ObservedAt.UTC()
		}
		if a.ValidUntil.Before(out.ValidUntil) {
			out.ValidUntil = a.ValidUntil.UTC()
		}
		out.Digests = append(out.Digests, a.Digest)
	}
	slices.Sort(out.Digests)
	return out
}
