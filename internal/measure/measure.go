package measure

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/web/ui"
)

// Outcome is what came of looking.
type Outcome string

// The outcomes. Only Pass over a scope that is not empty can make a measure met.
const (
	Pass          Outcome = "pass"
	Fail          Outcome = "fail"
	Error         Outcome = "error" // could not look: never a pass
	NotApplicable Outcome = "not_applicable"
)

// State is what a measure is worth now. It is derived from evidence, never typed in.
type State string

// The states.
const (
	Met      State = "met"
	NotMet   State = "not_met"
	Stale    State = "stale"
	Unproven State = "unproven"
	Excluded State = "excluded"
)

// Finding is what one run of a check saw.
//
// Targets, expected and actual values come from the systems looked at: they are shown to
// staff, never to the public, and must not hold a secret or a person's data.
type Finding struct {
	Outcome Outcome         `json:"outcome"`
	Scope   []string        `json:"scope"`            // names of the targets really examined, sorted
	Failed  []Item          `json:"failed,omitempty"` // what was not as it should be (Fail) or could not be seen (Error)
	Facts   map[string]Fact `json:"facts,omitempty"`  // for the sentences; only facts the check declares
	Raw     json.RawMessage `json:"raw,omitempty"`    // the observation itself, at most 64 KiB; no times of day in it
	Source  string          `json:"source,omitempty"` // of a finding that was received: who made it, of what; no secret
}

// Look takes what a look at one target met with into the finding, and reports whether the target was examined: something
// wrong was seen, or nothing hid it. Only what was examined is in the scope. One fault, which does not hide its target, makes the
// finding Fail; else what hides one makes it Error. Failed is left to the caller, who knows how many items are too many.
func Look[T any](f *Finding, target string, met []T, hides func(T) bool) (examined bool) {
	hidden := slices.ContainsFunc(met, hides)
	failed := slices.ContainsFunc(met, func(one T) bool { return !hides(one) })
	switch {
	case failed:
		f.Outcome = Fail
	case hidden && f.Outcome != Fail:
		f.Outcome = Error
	}
	if examined = failed || !hidden; examined {
		f.Scope = append(f.Scope, target)
	}
	return examined
}

// Item is one thing that is not as it should be.
type Item struct {
	Target   string `json:"target"`   // name in the estate
	Problem  string `json:"problem"`  // message id; its next step is Problem + ".fix"
	Expected string `json:"expected"` // short, as an engineer would write it: "TLS 1.2, TLS 1.3"
	Actual   string `json:"actual"`
	Said     string `json:"said,omitempty"` // message id of what was seen, where that is a sentence
}

// FactKind is the type of a fact.
type FactKind string

// The kinds of facts.
const (
	CountFact    FactKind = "count"
	DurationFact FactKind = "duration"
	InstantFact  FactKind = "instant"
	TextFact     FactKind = "text"
	ListFact     FactKind = "list"
	ProvenFact   FactKind = "proven"
)

// Fact is a typed value that a sentence quotes.
type Fact struct {
	Kind     FactKind      `json:"kind"`
	Count    int64         `json:"count,omitempty"`
	Duration time.Duration `json:"duration,omitempty"` // nanoseconds
	Instant  time.Time     `json:"instant,omitzero"`
	Text     string        `json:"text,omitempty"`
	List     []string      `json:"list,omitempty"`
	Proven   bool          `json:"proven,omitempty"`
}

// Count returns a number of things.
func Count(n int) Fact { return Fact{Kind: CountFact, Count: int64(n)} }

// Span returns a length of time.
func Span(d time.Duration) Fact { return Fact{Kind: DurationFact, Duration: d} }

// At returns a moment.
func At(t time.Time) Fact { return Fact{Kind: InstantFact, Instant: t.UTC().Truncate(time.Second)} }

// Text returns a name or a word that is the same in every language.
func Text(s string) Fact { return Fact{Kind: TextFact, Text: s} }

// List returns names, shown as "a, b and c".
func List(names ...string) Fact { return Fact{Kind: ListFact, List: names} }

// Proven returns whether something more was shown than the check asks for: by it a text chooses its words
// (catalogue.Segment.Proven).
func Proven(yes bool) Fact { return Fact{Kind: ProvenFact, Proven: yes} }

// Figures reads the parameters of a catalogue as facts.
func Figures(cat *catalogue.Catalogue) map[string]Fact {
	out := make(map[string]Fact, len(cat.Parameters))
	for name, p := range cat.Parameters {
		switch p.Kind {
		case catalogue.CountKind:
			out[name] = Count(int(p.Count))
		case catalogue.DurationKind:
			out[name] = Span(p.Duration)
		case catalogue.ListKind:
			out[name] = List(p.List...)
		default:
			out[name] = Text(p.Text)
		}
	}
	return out
}

// Figures reads what the annex announces for an estate: the parameters of the catalogue, with
// those that the engines take from the estate.
func (r *Registry) Figures(e *estate.Estate) map[string]Fact {
	out := Figures(r.Catalogue)
	if e == nil {
		return out
	}
	for _, engine := range r.engines {
		if engine.Parameters == nil {
			continue
		}
		for name, f := range engine.Parameters(e) {
			if _, known := out[name]; known {
				out[name] = f
			}
		}
	}
	return out
}

// Words writes the value for a reader; instant says how precise a moment is to be.
func (f Fact) Words(p *ui.Printer, instant func(time.Time) string) string {
	switch f.Kind {
	case CountFact:
		return p.Number(f.Count)
	case DurationFact:
		return p.Duration(f.Duration)
	case InstantFact:
		return instant(f.Instant)
	case ListFact:
		return p.List(f.List)
	case ProvenFact:
		if f.Proven {
			return p.T("fact.proven")
		}
		return p.T("fact.not_proven")
	}
	return f.Text
}

// Chosen is which of two words a segment of a text says: the stronger only while evidence says that it may.
func Chosen(s catalogue.Segment, f Fact) string {
	if f.Kind == ProvenFact && f.Proven {
		return s.Proven
	}
	return s.Else
}

// Check looks at real systems and can come out false.
type Check struct {
	ID       string            // "endpoint.tls"; stable, stored with the evidence
	Measures []string          // ids of the measures it proves; never empty
	Every    time.Duration     // how often it runs
	Valid    time.Duration     // how long its evidence holds; longer than Every
	Timeout  time.Duration     // of one run over all targets
	Facts    []string          // names of the facts it may give
	Self     bool              // it looks at Garant itself, and its evidence says so
	OwnPace  bool              // Every holds whatever policy.every says
	Title    map[string]string // what it is called, by language, of a check that the estate declares; nil: message "check."+ID
	Pushed   bool              // its findings are received from elsewhere, with a time of their own: Run is nil

	// Scope names the targets in an estate that the check must examine. None: its measures
	// are unproven. A run that examined fewer than these does not pass.
	Scope func(*estate.Estate) []string
	// Run looks; nil of a check that is Pushed. It honours ctx, never panics on what a stranger sends, and returns an Error
	// finding when it could not look.
	Run func(ctx context.Context, in In) Finding
}

// In is what a run is given.
type In struct {
	Estate *estate.Estate
	Now    time.Time
	// Figures are what the annex in force announces, by name: what a check compares with.
	Figures map[string]Fact
}
