package estate

import (
	"slices"
	"time"

	"github.com/garant-project/garant/internal/actor"
)

// ReductionKind says in what way less is looked at, or less is demanded.
type ReductionKind string

// The kinds of reductions.
const (
	TargetRemoved      ReductionKind = "removed"
	Replaced           ReductionKind = "replaced"    // the name stands for another address
	Weakened           ReductionKind = "weakened"    // a threshold demands less
	Slowed             ReductionKind = "slowed"      // looked at less often
	TrustWidened       ReductionKind = "trust"       // other authorities are believed
	IdentityChanged    ReductionKind = "identity"    // a pin was removed or replaced
	IssuerChanged      ReductionKind = "issuer"      // another issuer is accepted
	EnvironmentChanged ReductionKind = "environment" // its certificate is held to the other measure
	AudienceChanged    ReductionKind = "audience"
)

// The measures that lean on endpoints and on databases.
const (
	encTransport  = "ENC-1"
	encHSTS       = "ENC-2"
	crtProduction = "CRT-1"
	crtOther      = "CRT-2"
	accTeams      = "ACC-2"
	accRegister   = "ACC-5"
	segDevelopers = "SEG-5"
	netPrivate    = "NET-1"
	clsLabels     = "CLS-1"
)

// Identity is who applied or confirmed a version: a person, or a named part of Garant.
type Identity struct {
	Kind actor.Kind
	ID   string
}

// Of is the identity of who acts.
func Of(a actor.Actor) Identity { return Identity{Kind: a.Kind, ID: a.ID} }

// String returns the identity as the database keeps it: "person:ID", "system:cli".
func (i Identity) String() string { return string(i.Kind) + ":" + i.ID }

// Reduction is something expected that an estate no longer gives.
type Reduction struct {
	Kind     ReductionKind `json:"kind"`
	Target   string        `json:"target,omitempty"` // name of the endpoint or database; empty: all of them
	Key      string        `json:"key"`              // "endpoints.application", "endpoints.application.url", "databases.production.system", "policy.every"
	From     string        `json:"from"`             // what is expected; empty: nothing was declared
	To       string        `json:"to"`
	Measures []string      `json:"measures"` // ids, sorted

	// Of a pending reduction: the version that brought it, when that was applied, and everybody
	// who had a hand in it (Identity.String). None of them can confirm it.
	Version int64     `json:"version,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	By      []string  `json:"by,omitempty"`
}

// Reductions tells what an estate takes away from another: a target removed, replaced or moved
// to another environment, a threshold lowered, a slower cadence, an identity pin removed or replaced,
// other authorities or another issuer accepted, another role let near personal data. Endpoints by
// name, then databases, own checks, imports, witnesses and logs by name, then the policy. What is added
// or tightened is none.
func Reductions(before, after *Estate) []Reduction {
	reductions := []Reduction{}
	names := make([]string, 0, len(before.Endpoints))
	for _, e := range before.Endpoints {
		names = append(names, e.Name)
	}
	slices.Sort(names)
	for _, name := range names {
		was, _ := before.Endpoint(name)
		now, ok := after.Endpoint(name)
		if !ok {
			reductions = append(reductions, Reduction{Kind: TargetRemoved, Target: name, Key: "endpoints." + name, From: was.URL(), Measures: measuresOf(was)})
			continue
		}
		for _, f := range facets() {
			if f.reduced(was, now) {
				reductions = append(reductions, Reduction{Kind: f.kind, Target: name, Key: "endpoints." + name + "." + f.key, From: f.show(was), To: f.show(now), Measures: f.measures(was)})
			}
		}
	}
	reductions = append(reductions, databaseReductions(before, after)...)
	for _, s := range comparableSections() {
		reductions = append(reductions, s.reductions(before, after)...)
	}
	for _, t := range thresholds() {
		if t.reduced(before.Policy, after.Policy) {
			reductions = append(reductions, Reduction{Kind: t.kind, Key: "policy." + t.key, From: t.show(before.Policy), To: t.show(after.Policy), Measures: t.measures(before)})
		}
	}
	return reductions
}

// measuresOf lists the measures that an endpoint proves, sorted.
func measuresOf(e Endpoint) []string {
	if e.Protocol == HTTPS {
		return []string{certificateMeasure(e), encTransport, encHSTS}
	}
	return []string{certificateMeasure(e), encTransport}
}

func certificateMeasure(e Endpoint) string {
	if e.Environment == Production {
		return crtProduction
	}
	return crtOther
}

// Expect returns what is expected once an estate replaces another of which expected was
// expected: all that is new or stricter in it, and still everything that it takes away.
func Expect(expected, next *Estate) *Estate {
	grown := *next
	grown.Endpoints = slices.Clone(next.Endpoints)
	for _, was := range expected.Endpoints {
		i := slices.IndexFunc(grown.Endpoints, func(e Endpoint) bool { return e.Name == was.Name })
		if i < 0 {
			grown.Endpoints = append(grown.Endpoints, was)
			continue
		}
		now := grown.Endpoints[i]
		for _, f := range facets() {
			if f.reduced(was, now) {
				f.keep(&grown.Endpoints[i], was)
			}
		}
	}
	grown.Databases = expectDatabases(expected.Databases, next.Databases)
	for _, s := range comparableSections() {
		s.expect(&grown, expected)
	}
	for _, t := range thresholds() {
		if t.reduced(expected.Policy, next.Policy) {
			t.keep(&grown.Policy, expected.Policy)
		}
	}
	return &grown
}

// pending folds versions, the oldest first, into what the last of them leaves to be confirmed.
// The first is one of which nothing was pending, or that was confirmed.
func pending(versions []Version) []Reduction {
	expected := versions[0].Estate
	reductions := []Reduction{}
	for _, v := range versions[1:] {
		before := reductions
		reductions = Reductions(expected, v.Estate)
		for i := range reductions {
			r := &reductions[i]
			known := slices.IndexFunc(before, func(b Reduction) bool { return b.Key == r.Key })
			if known < 0 {
				r.Version, r.Since, r.By = v.ID, v.AppliedAt, []string{v.AppliedBy.String()}
				continue
			}
			was := before[known]
			r.Version, r.Since, r.By = was.Version, was.Since, was.By
			if by := v.AppliedBy.String(); was.To != r.To && !slices.Contains(was.By, by) {
				r.By = append(slices.Clone(was.By), by)
			}
		}
		expected = Expect(expected, v.Estate)
	}
	return reductions
}
