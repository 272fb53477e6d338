package own

import (
	"context"
	_ "embed"
	"encoding/json"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
)

//go:embed messages/fr.yaml
var french []byte

//go:embed messages/en.yaml
var english []byte

// Messages are the words of this engine's problems, by language.
func Messages() map[string][]byte { return map[string][]byte{"fr": french, "en": english} }

// New returns the engine.
func New() measure.Engine {
	return measure.Engine{Name: "own", CheckFor: CheckFor, Messages: Messages()}
}

// CheckFor makes the checks that an estate declares, but for those that are imported.
func CheckFor(e *estate.Estate) []measure.Check {
	var checks []measure.Check
	for _, c := range e.Checks {
		if c.Imported == nil {
			checks = append(checks, check(c))
		}
	}
	return checks
}

const (
	sqlTimeout  = 30 * time.Second
	httpTimeout = 15 * time.Second
	grace       = 5 * time.Second
	maxActual   = 160
)

func check(c estate.OwnCheck) measure.Check {
	out := measure.Check{ID: c.ID(), Measures: c.Measures, Every: c.Every, Valid: c.Valid, OwnPace: true, Title: c.Title}
	for _, f := range c.Facts {
		out.Facts = append(out.Facts, c.ID()+"."+f)
	}
	var look func(context.Context, estate.OwnCheck, measure.In, *seen)
	switch {
	case c.SQL != nil:
		out.Timeout, look = sqlTimeout, askDatabase
	case c.HTTP != nil:
		out.Timeout, look = httpTimeout, call
	default:
		out.Timeout, look = c.Command.Timeout+grace, runCommand
	}
	out.Scope = func(e *estate.Estate) []string {
		if now, ok := declared(e, c.Name); ok {
			return now.Targets()
		}
		return nil
	}
	out.Run = func(ctx context.Context, in measure.In) measure.Finding {
		now, ok := declared(in.Estate, c.Name)
		if !ok {
			return measure.Finding{Outcome: measure.NotApplicable}
		}
		s := &seen{check: now, facts: map[string]measure.Fact{}}
		look(ctx, now, in, s)
		return s.finding()
	}
	return out
}

// declared returns the check of a name in an estate that may be another one than that which made it.
func declared(e *estate.Estate, name string) (estate.OwnCheck, bool) {
	for _, c := range e.Checks {
		if c.Name == name && c.Imported == nil {
			return c, true
		}
	}
	return estate.OwnCheck{}, false
}

// seen is what one run saw.
type seen struct {
	check   estate.OwnCheck
	failed  []measure.Item
	blind   bool
	facts   map[string]measure.Fact
	raw     any
	secrets []string // that were given away: what comes back is kept without them
}

// given notes a secret that is given to whom is asked.
func (s *seen) given(secret string) {
	if len(secret) >= 4 { // shorter ones are in any text
		s.secrets = append(s.secrets, secret)
	}
}

// without is a text of whom was asked, without the secrets that they were given.
func (s *seen) without(text string) string {
	for _, secret := range s.secrets {
		text = strings.ReplaceAll(text, secret, "[secret]")
	}
	return text
}

// add notes something that is wrong, or that hides what is asked.
func (s *seen) add(p Problem, expected, actual string) {
	s.failed = append(s.failed, measure.Item{Target: s.check.Target(), Problem: string(p), Expected: clean(s.without(expected)), Actual: clean(s.without(actual))})
	if p.Blind() {
		s.blind = true
	}
}

// fact keeps a value that the check declares.
func (s *seen) fact(name string, f measure.Fact) {
	f.Text = s.without(f.Text)
	s.facts[s.check.ID()+"."+name] = f
}

func (s *seen) finding() measure.Finding {
	f := measure.Finding{Outcome: measure.Pass, Failed: s.failed, Facts: s.facts}
	switch {
	case s.blind:
		f.Outcome = measure.Error
	case len(s.failed) > 0:
		f.Outcome = measure.Fail
	}
	if !s.blind {
		f.Scope = []string{s.check.Target()}
	}
	if b, err := json.Marshal(s.raw); err == nil && s.raw != nil {
		f.Raw = b
	}
	return f
}

// clean makes words of others fit to be shown.
func clean(s string) string { return measure.Shown(s, maxActual) }
