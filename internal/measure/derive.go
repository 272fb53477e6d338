package measure

import (
	"reflect"
	"slices"
	"time"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure/catalogue"
)

// Skew is how far the clocks of two machines may differ.
const Skew = 2 * time.Second

// Current is the run of equal findings that a check is in.
type Current struct {
	CheckID       string
	EvidenceID    string // the last evidence row written of it
	Digest        string // of that row
	Finding       Finding
	FirstAt       time.Time // when the run of equal findings began
	ObservedAt    time.Time // when it was last seen
	ValidUntil    time.Time
	Observations  int64
	EstateVersion int64
	CatalogueHash string
	Build         string

	// The last finding before a check went blind; empty unless Finding is an Error.
	Definite   Outcome
	DefiniteAt time.Time
}

// Reasons of a state, as message ids.
const (
	ReasonPass       = "reason.pass"
	ReasonFail       = "reason.fail"
	ReasonBlind      = "reason.blind"       // could not look
	ReasonExpired    = "reason.expired"     // past valid_until
	ReasonFuture     = "reason.future"      // the clock went back
	ReasonNoCheck    = "reason.no_check"    // no check of this build proves it
	ReasonNoScope    = "reason.no_scope"    // the estate declares nothing to look at
	ReasonNoEvidence = "reason.no_evidence" // not looked at yet
	ReasonNewScope   = "reason.new_scope"   // the estate declares more than was examined

	ReasonAttested           = "reason.attested"
	ReasonUnattested         = "reason.unattested"          // waits for its owner's first word
	ReasonRefused            = "reason.refused"             // the owner said that it is no longer so
	ReasonAttestationExpired = "reason.attestation_expired" // past valid_until
	ReasonTextChanged        = "reason.text_changed"        // another sentence was attested than the one announced
	ReasonExcluded           = "reason.excluded"            // by the company, with a reason
)

// Status is what a measure is worth at a moment, and why.
type Status struct {
	Measure    string
	State      State
	Reason     string
	Checks     []CheckStatus
	Attested   *AttestationStatus // nil: nobody has to attest it
	Facts      map[string]Fact
	Sources    map[string]string // fact → check that saw it
	ObservedAt time.Time         // the oldest of its checks' last looks; zero: never
	ValidUntil time.Time         // the first of its evidence to expire
	NextAt     time.Time         // the next look
	Examined   int               // distinct targets examined
	Expected   int               // distinct targets declared
	Failed     int               // distinct targets that fail
}

// CheckStatus is one check's part in a Status.
type CheckStatus struct {
	Check   Check
	State   State // Met, NotMet, Stale or Unproven; empty: nothing to look at in this estate
	Reason  string
	Current *Current // nil: never ran
	Scope   []string // declared
	NextAt  time.Time
}

// View is the estate and the annex that states are derived for.
type View struct {
	Estate  *estate.Estate // nil: none applied yet
	Version int64
	// Registry is the annex in force, as the company has tailored it, with the checks of this build
	// and those that the estate declares. nil: that of the build.
	Registry *Registry
	// Tailoring is the number of the published version of the annex; 0: none.
	Tailoring int64
	Published time.Time // when that was
	// Private says that the company has not published its annex: nothing of it may be shown to the public.
	Private bool
	// Outdated says that this build cannot read the annex that the company has published; nil: it can.
	Outdated error
	// Subjects lists what attestations have to cover one by one: catalogue.PerSite → ids of sites.
	Subjects map[string][]string
	// Past returns the estate of an earlier version, or nil.
	Past func(version int64) *estate.Estate
	// Reduced lists the measures whose scope, threshold or cadence was reduced and whose
	// reduction no second person has confirmed yet.
	Reduced []string
	// Pending are those reductions themselves.
	Pending []estate.Reduction
}

// same reports whether evidence made under an earlier version still speaks of the same targets
// held to the same thresholds.
func (v View) same(version int64, targets []string) bool {
	if version == v.Version {
		return true
	}
	if v.Past == nil {
		return false
	}
	past := v.Past(version)
	if past == nil {
		return false
	}
	then, now := past.Policy, v.Estate.Policy
	then.Every, now.Every = 0, 0
	if !reflect.DeepEqual(then, now) {
		return false
	}
	for _, t := range targets {
		if !reflect.DeepEqual(past.Declared(t), v.Estate.Declared(t)) {
			return false
		}
	}
	return true
}

// Derive makes the state of a measure.
func (r *Registry) Derive(measure string, v View, known Known, now time.Time) Status {
	m, _ := r.Catalogue.Measure(measure)
	s := Status{Measure: measure, State: Unproven, Reason: ReasonNoCheck, Facts: map[string]Fact{}, Sources: map[string]string{}}
	examined, expected, failed := map[string]bool{}, map[string]bool{}, map[string]bool{}
	weighed := false
	for _, c := range r.Of(measure) {
		cs := DeriveCheck(c, v, known.Runs[c.ID], now)
		s.Checks = append(s.Checks, cs)
		if cs.State == "" {
			if !weighed {
				s.Reason = ReasonNoScope
			}
			continue
		}
		if !weighed || weight(cs.State) > weight(s.State) {
			s.State, s.Reason = cs.State, cs.Reason
		}
		weighed = true
		for _, t := range cs.Scope {
			expected[t] = true
		}
		s.NextAt = earliest(s.NextAt, cs.NextAt)
		if cs.Current == nil {
			continue
		}
		for _, t := range cs.Current.Finding.Scope {
			examined[t] = true
		}
		if cur := cs.Current.Finding; cur.Outcome == Fail {
			for _, item := range cur.Failed {
				failed[item.Target] = true
			}
		}
		for name, f := range cs.Current.Finding.Facts {
			s.Facts[name], s.Sources[name] = f, c.ID
		}
		s.ObservedAt = earliest(s.ObservedAt, cs.Current.ObservedAt)
		s.ValidUntil = earliest(s.ValidUntil, cs.Current.ValidUntil)
	}
	s.Examined, s.Expected, s.Failed = len(examined), len(expected), len(failed)
	lacks := m.Kind != catalogue.Attested && r.lacks(measure)
	if lacks && weight(s.State) < weight(Unproven) {
		s.State, s.Reason = Unproven, ReasonNoCheck
	}
	if m.Attest && v.Estate != nil {
		// Where checks have no part, or nothing to look at in a measure that is attested instead, the
		// owner's word decides alone; else it is one more part, and the heaviest decides.
		alone := !weighed && (m.Kind == catalogue.Attested || len(s.Checks) == 0 && !lacks)
		s.attest(deriveAttested(r.Catalogue, m, v, known.Attested[measure], now), alone)
	}
	if m.Excluded != nil {
		s.State, s.Reason, s.Facts, s.Sources = Excluded, ReasonExcluded, map[string]Fact{}, map[string]string{}
	}
	return s
}

// attest adds the owner's part.
func (s *Status) attest(a AttestationStatus, alone bool) {
	s.Attested = &a
	if alone || weight(a.State) > weight(s.State) {
		s.State, s.Reason = a.State, a.Reason
	}
	s.Expected += len(a.Targets)
	s.Examined += len(a.Targets) - len(a.Missing)
	looked := !alone && !s.ObservedAt.IsZero() // by checks, whose moment it is: people say days
	for _, said := range a.Last {
		if !looked {
			s.ObservedAt = earliest(s.ObservedAt, said.ObservedAt)
		}
		s.ValidUntil = earliest(s.ValidUntil, said.ValidUntil)
		s.NextAt = earliest(s.NextAt, said.ValidUntil)
		if said.Refused {
			s.Failed++
		}
	}
}

// earliest returns the earlier of two moments of which either may be unknown.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// lacks reports whether a fact that the catalogue names for a measure is given by no check of
// this build: a check was removed, and those that are left do not prove the measure.
func (r *Registry) lacks(measure string) bool {
	m, _ := r.Catalogue.Measure(measure)
	return slices.ContainsFunc(m.Facts, func(fact string) bool {
		return !slices.ContainsFunc(r.Of(measure), func(c Check) bool { return slices.Contains(c.Facts, fact) })
	})
}

// weight orders states: the heaviest of its checks' is the measure's.
func weight(s State) int {
	return slices.Index([]State{Met, Stale, Unproven, NotMet}, s)
}

// DeriveCheck makes the state of one check. See the package comment for what always holds.
func DeriveCheck(c Check, v View, cur *Current, now time.Time) CheckStatus {
	cs := CheckStatus{Check: c, Current: cur}
	if v.Estate == nil {
		cs.Reason = ReasonNoScope
		return cs
	}
	cs.Scope = c.Scope(v.Estate)
	if len(cs.Scope) == 0 {
		cs.Reason = ReasonNoScope
		return cs
	}
	every, _ := Cadence(c, v.Estate)
	if cur == nil {
		cs.State, cs.Reason, cs.NextAt = Unproven, ReasonNoEvidence, now
		return cs
	}
	cs.NextAt = cur.ObservedAt.Add(every)
	outcome, blind := cur.Finding.Outcome, false
	if outcome == Error {
		outcome, blind = cur.Definite, true
	}
	switch {
	case outcome == Fail:
		cs.State, cs.Reason = NotMet, ReasonFail
	case blind && outcome == Pass:
		cs.State, cs.Reason = Stale, ReasonBlind
	case blind:
		cs.State, cs.Reason = Unproven, ReasonBlind
	case outcome != Pass:
		cs.State, cs.Reason = Unproven, ReasonNoScope
	case !covers(cur.Finding.Scope, cs.Scope), !v.same(cur.EstateVersion, cs.Scope):
		cs.State, cs.Reason = Unproven, ReasonNewScope
	case cur.ObservedAt.After(now.Add(Skew)):
		cs.State, cs.Reason = Stale, ReasonFuture
	case !now.Before(cur.ValidUntil):
		cs.State, cs.Reason = Stale, ReasonExpired
	default:
		cs.State, cs.Reason = Met, ReasonPass
	}
	return cs
}

func covers(examined, declared []string) bool {
	for _, t := range declared {
		if !slices.Contains(examined, t) {
			return false
		}
	}
	return true
}
