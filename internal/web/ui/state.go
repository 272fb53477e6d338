package ui

// State is what a measure is worth, as pages show it. The words are those of package measure.
type State string

// The states, in the order of a row of counts.
const (
	Met      State = "met"
	NotMet   State = "not_met"
	Stale    State = "stale"
	Unproven State = "unproven"
	Excluded State = "excluded"
)

// States lists the states in the order of a row of counts.
func States() []State { return []State{Met, NotMet, Stale, Unproven, Excluded} }

// known returns s, or Unproven for anything else: what a page does not know it does not assert.
func (s State) known() State {
	switch s {
	case Met, NotMet, Stale, Excluded:
		return s
	}
	return Unproven
}

// Class is the state as part of a CSS class.
func (s State) Class() string { return string(s.known()) }

// Icon is the name of the state's icon.
func (s State) Icon() string {
	switch s {
	case Met:
		return "check-circle"
	case NotMet:
		return "x-circle"
	case Stale:
		return "clock-alert"
	case Excluded:
		return "minus-circle"
	}
	return "circle-dashed"
}

// Kind is how a measure is carried out. The words are those of package catalogue.
type Kind string

// The kinds, from strongest to weakest.
const (
	Enforced Kind = "enforced"
	Checked  Kind = "checked"
	Run      Kind = "run"
	Attested Kind = "attested"
)

// Kinds lists the kinds.
func Kinds() []Kind { return []Kind{Enforced, Checked, Run, Attested} }
