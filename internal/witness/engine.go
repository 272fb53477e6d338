package witness

import (
	_ "embed"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
)

//go:embed messages/fr.yaml
var french []byte

//go:embed messages/en.yaml
var english []byte

// Messages are the words of what witnesses see, by language.
func Messages() map[string][]byte { return map[string][]byte{"fr": french, "en": english} }

// CheckReach is the check of addresses that must not be reachable from outside.
const CheckReach = "reach.refused"

// The problems of its findings, as message ids.
const (
	ProblemOpen    = "reach.open"    // makes a finding fail
	ProblemUnknown = "reach.unknown" // could not be told
	ProblemUntold  = "reach.untold"  // the witness said nothing of it
)

// The facts that it gives.
const (
	FactExamined = "reach.examined"
	FactRefused  = "reach.refused"
)

// New returns what witnesses add to the checks. db has the pool of pg.Worker; nil: checks are listed and none is run.
func New(db *pg.DB, box *crypt.Box) measure.Engine {
	return measure.Engine{Name: "witness", Messages: Messages(), CheckFor: func(e *estate.Estate) []measure.Check {
		return append(checkFor(e), cosignedCheck(db, box, e)...)
	}}
}

// checkFor makes the check of what must be refused, where the estate declares a witness for that: without one its facts are
// given by nobody, and NET-1 is not proven by the other checks alone. Its findings hold as long as a witness is not
// silent.
func checkFor(e *estate.Estate) []measure.Check {
	every := time.Duration(0)
	for _, w := range e.Witnesses {
		if len(w.Refused) > 0 {
			every = max(every, w.Every)
		}
	}
	if every == 0 {
		return nil
	}
	return []measure.Check{{
		ID: CheckReach, Measures: []string{"NET-1"}, Every: every, Valid: silentAfter * every, Pushed: true, OwnPace: true,
		Facts: []string{FactExamined, FactRefused}, Scope: reachScope,
	}}
}

func reachScope(e *estate.Estate) []string {
	var scope []string
	for _, w := range e.Witnesses {
		scope = append(scope, w.Targets()...)
	}
	slices.Sort(scope)
	return scope
}

// reachFinding makes one finding of the last statements of the witnesses. at is when the oldest of them was made: so
// old is what all of them together say. Of a finding that fails it is when the last that sees something open said so,
// which counts whatever the others have or have not said since. zero: none has anything to say of it.
func reachFinding(e *estate.Estate, statements map[string]*kept) (f measure.Finding, at time.Time) {
	f.Outcome = measure.Pass
	var open time.Time
	raw, refused := map[string]*Reach{}, 0
	var sources []string
	for _, w := range e.Witnesses {
		if len(w.Refused) == 0 {
			continue
		}
		k := statements[w.Name]
		if k == nil {
			k = &kept{}
		} else {
			sources = append(sources, w.Name+" ("+Fingerprint(w.Key)+")")
			if at.IsZero() || k.MadeAt.Before(at) {
				at = k.MadeAt
			}
		}
		said := k.Reach
		if said == nil {
			said = &Reach{}
		}
		raw[w.Name] = said
		for _, address := range w.Refused {
			item := measure.Item{Target: w.Target(address), Expected: "no connection"}
			switch {
			case slices.Contains(said.Open, address):
				item.Problem, item.Actual = ProblemOpen, "a connection"
				f.Outcome, f.Scope = measure.Fail, append(f.Scope, item.Target)
				if k.MadeAt.After(open) {
					open = k.MadeAt
				}
			case slices.Contains(said.Refused, address):
				refused++
				f.Scope = append(f.Scope, item.Target)
				continue
			case slices.Contains(said.Unknown, address):
				item.Problem, item.Actual = ProblemUnknown, "not known"
			default:
				item.Problem, item.Actual = ProblemUntold, "nothing said"
			}
			f.Failed = append(f.Failed, item)
		}
	}
	switch {
	case f.Outcome == measure.Fail:
		at = open
	case len(f.Failed) > 0:
		f.Outcome = measure.Error
	}
	slices.Sort(f.Scope)
	slices.Sort(sources)
	f.Facts = map[string]measure.Fact{FactExamined: measure.Count(len(f.Scope)), FactRefused: measure.Count(refused)}
	f.Source = "witness " + strings.Join(sources, ", ")
	f.Raw, _ = json.Marshal(raw) // of texts: always encodes
	return f, at
}
