package annex

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

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

	Address      string    `json:"address,omitempty"`
	Registration string    `json:"registration,omitempty"`
	DPO          string    `json:"dpo,omitempty"`      // address of the data protection officer
	Revised      time.Time `json:"revised,omitzero"`   // when the company last reviewed its annex
	Revision     string    `json:"revision,omitempty"` // the day of the next review, "2027-11-12"
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
	Attest   bool              `json:"attest,omitempty"`  // an owner's attestation is part of the proof
	Cadence  time.Duration     `json:"cadence,omitempty"` // between two of them
	Refs     catalogue.Refs    `json:"refs"`
	// Exclusion says why the company does not commit itself; nil: it does.
	Exclusion *Exclusion `json:"exclusion,omitempty"`
}

// Exclusion is why a measure is no commitment of the company.
type Exclusion struct {
	Reason map[string]string `json:"reason"` // by language
	At     time.Time         `json:"at,omitzero"`
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

	Confirmed *Confirmation `json:"confirmed,omitempty"` // by its owner, while it holds
	Witness   *WitnessMark  `json:"witness,omitempty"`
}

// Confirmation is the attestation behind a measure. It names no person.
type Confirmation struct {
	At     time.Time `json:"at"`
	Until  time.Time `json:"until"`  // when it expires
	Digest string    `json:"digest"` // SHA-256 of the attestation
}

// WitnessMark says that somebody outside the company looked too.
type WitnessMark struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"`
	Key  string    `json:"key"` // fingerprint of the key that signed
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
		d.Company = companyOf(v)
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

func companyOf(v measure.View) Company {
	e, own := v.Estate, v.Registry.Catalogue.Identity()
	c := Company{Name: e.Company.Name, LegalName: e.Company.LegalName, Country: e.Company.Country, Languages: e.Company.Languages, Contact: e.Company.Contact, Zone: "UTC"}
	if e.Company.Zone != nil {
		c.Zone = e.Company.Zone.String()
	}
	c.LegalName = cmp.Or(own.LegalName, c.LegalName)
	c.Address, c.Registration, c.DPO, c.Revision, c.Revised = own.Address, own.Registration, own.DPO.Email, own.Revision, v.Published
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
		out.Exclusion = &Exclusion{Reason: m.Excluded.Reason}
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
	if s.State == measure.Met && s.Attested != nil {
		row.Confirmed = confirmationOf(s.Attested.Last)
	}
	slices.SortFunc(row.Proofs, func(a, b Proof) int { return strings.Compare(a.Check, b.Check) })
	return row
}

// confirmationOf joins what owners said: the earliest moment, the first end, and the digest of the
// record, or of the sorted digests, a line each, where there is a record for each target.
func confirmationOf(said []*measure.Attested) *Confirmation {
	if len(said) == 0 {
		return nil
	}
	out := &Confirmation{At: said[0].ObservedAt.UTC(), Until: said[0].ValidUntil.UTC(), Digest: said[0].Digest}
	digests := make([]string, 0, len(said))
	for _, a := range said {
		if a.ObservedAt.Before(out.At) {
			out.At = a.ObservedAt.UTC()
		}
		if a.ValidUntil.Before(out.Until) {
			out.Until = a.ValidUntil.UTC()
		}
		digests = append(digests, a.Digest)
	}
	if slices.Sort(digests); len(slices.Compact(digests)) > 1 {
		sum := sha256.Sum256([]byte(strings.Join(slices.Compact(digests), "\n")))
		out.Digest = hex.EncodeToString(sum[:])
	}
	return out
}
