package annex

import (
	"time"

	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/web/ui"
)

// Listed is one measure as programs read it.
type Listed struct {
	ID       string            `json:"id"`
	Kind     catalogue.Kind    `json:"kind"`
	State    measure.State     `json:"state"`
	Sentence map[string]string `json:"sentence"` // by language; what is announced, whatever the state
}

// Detail is a measure as programs read it, whole.
type Detail struct {
	Listed
	Section    string            `json:"section"`
	Title      map[string]string `json:"title"`
	Method     map[string]string `json:"method,omitempty"`
	Reason     string            `json:"reason"`
	Since      time.Time         `json:"since,omitzero"`
	ObservedAt time.Time         `json:"observed_at,omitzero"`
	ValidUntil time.Time         `json:"valid_until,omitzero"`
	NextAt     time.Time         `json:"next_at,omitzero"`
	Examined   int               `json:"examined"`
	Expected   int               `json:"expected"`
	Failed     int               `json:"failed"`
	Reduced    bool              `json:"scope_reduced,omitempty"`
	Operator   string            `json:"operator"`
	Proofs     []Proof           `json:"proofs,omitempty"`
	Refs       catalogue.Refs    `json:"refs"`
	Confirmed  *Confirmation     `json:"confirmed,omitempty"`
	Witness    *WitnessMark      `json:"witness,omitempty"`
	Exclusion  *Exclusion        `json:"exclusion,omitempty"`
}

// List makes the short list of every measure.
func (s *Snapshot) List(words *ui.Messages, now time.Time) []Listed {
	out := make([]Listed, 0, len(s.Document.Measures))
	for _, m := range s.Document.Measures {
		out = append(out, s.listed(words, m, s.Effective(m.ID, now)))
	}
	return out
}

func (s *Snapshot) listed(words *ui.Messages, m Measure, row Row) Listed {
	l := Listed{ID: m.ID, Kind: m.Kind, State: row.State, Sentence: map[string]string{}}
	for lang, text := range m.Sentence {
		if spans, ok := Fill(text, words.For(lang, s.zone()), s.Document.Parameters, row, s.Fresh[m.ID].ObservedAt); ok {
			l.Sentence[lang] = Plain(spans)
		}
	}
	return l
}

// Details makes the whole list of every measure.
func (s *Snapshot) Details(words *ui.Messages, now time.Time) []Detail {
	out := make([]Detail, 0, len(s.Document.Measures))
	for _, m := range s.Document.Measures {
		out = append(out, s.detail(words, m, now))
	}
	return out
}

func (s *Snapshot) detail(words *ui.Messages, m Measure, now time.Time) Detail {
	row := s.Effective(m.ID, now)
	d := Detail{
		Listed: s.listed(words, m, row), Section: m.Section, Title: m.Title, Reason: row.Reason, Since: row.Since,
		Examined: row.Examined, Expected: row.Expected, Failed: row.Failed, Reduced: row.Reduced,
		Operator: m.Operator, Proofs: row.Proofs, Refs: m.Refs,
		Confirmed: row.Confirmed, Witness: row.Witness, Exclusion: m.Exclusion,
	}
	if f, ok := s.Fresh[m.ID]; ok && s.At.IsZero() {
		d.ObservedAt, d.ValidUntil, d.NextAt = f.ObservedAt, f.ValidUntil, f.NextAt
	}
	if row.State == measure.Met {
		d.Method = map[string]string{}
		for lang, text := range m.Method {
			if spans, ok := Fill(text, words.For(lang, s.zone()), s.Document.Parameters, row, d.ObservedAt); ok {
				d.Method[lang] = Plain(spans)
			}
		}
	}
	return d
}

func (s *Snapshot) zone() *time.Location {
	zone, err := time.LoadLocation(s.Document.Company.Zone)
	if err != nil {
		return time.UTC
	}
	return zone
}
