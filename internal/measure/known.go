package measure

import (
	"context"
	"time"

	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/pg"
)

// Known is everything that states are derived from at a moment, beside the estate: what each
// check last saw and what each owner last said.
type Known struct {
	Runs     map[string]*Current    // by check
	Attested map[string][]*Attested // by measure; the last statement about each target
}

// Attested is the last statement of an owner about a measure, or about one target of it.
type Attested struct {
	ID         string
	Measure    string
	Target     string // of a measure that is attested for each; empty: the whole
	Refused    bool   // "this is no longer so"
	ObservedAt time.Time
	ValidUntil time.Time
	ReceivedAt time.Time
	Sentence   string // catalogue.SentenceHash of what was attested
	Digest     string // of the row
}

// Load reads what is known now.
func Load(ctx context.Context, on pg.Querier) (Known, error) {
	runs, err := LoadCurrent(ctx, on)
	if err != nil {
		return Known{}, err
	}
	known := Known{Runs: runs, Attested: map[string][]*Attested{}}
	said, err := loadAttested(ctx, on, "")
	for _, a := range said {
		known.Attested[a.Measure] = append(known.Attested[a.Measure], a)
	}
	return known, err
}

// AttestationStatus is the owner's part in a Status.
type AttestationStatus struct {
	State   State
	Reason  string
	Targets []string // to be covered; nil: the whole
	Missing []string // of Targets, those that no statement covers
	Last    []*Attested
}

// deriveAttested makes the state of what the owner of a measure says. One statement that was
// withdrawn is enough for the measure not to be met; one that is missing, or that speaks of
// another sentence than the one announced now, for it not to be proven.
func deriveAttested(cat *catalogue.Catalogue, m catalogue.Measure, v View, said []*Attested, now time.Time) AttestationStatus {
	s := AttestationStatus{State: Met, Reason: ReasonAttested}
	targets := []string{""}
	if m.Per != "" {
		targets = v.Subjects[m.Per]
		s.Targets = targets
	}
	worst := func(state State, reason string) {
		if weight(state) > weight(s.State) {
			s.State, s.Reason = state, reason
		}
	}
	if len(targets) == 0 {
		worst(Unproven, ReasonNoScope)
	}
	by := map[string]*Attested{}
	for _, a := range said {
		by[a.Target] = a
	}
	sentence := cat.SentenceHash(m.ID)
	for _, target := range targets {
		a := by[target]
		if a == nil {
			s.Missing = append(s.Missing, target)
			worst(Unproven, ReasonUnattested)
			continue
		}
		s.Last = append(s.Last, a)
		switch {
		case a.Refused:
			worst(NotMet, ReasonRefused)
		case a.ReceivedAt.After(now.Add(Skew)):
			worst(Stale, ReasonFuture)
		case a.Sentence != sentence:
			worst(Stale, ReasonTextChanged)
		case !now.Before(a.ValidUntil):
			worst(Stale, ReasonAttestationExpired)
		}
	}
	if s.Reason == ReasonUnattested && len(s.Last) > 0 {
		s.Reason = ReasonNewScope // attested for some, and others have come since
	}
	return s
}
