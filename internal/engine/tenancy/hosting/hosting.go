package hosting

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
)

// New returns the check as an engine.
func New() measure.Engine {
	return measure.Engine{Name: "hosting", Checks: Checks().All(), Messages: Messages()}
}

// The bounds of a run. The kernel replaces every by the policy's.
const (
	every   = 10 * time.Minute
	valid   = time.Hour
	timeout = 2 * time.Minute
	perOne  = 30 * time.Second // of one dedicated database
)

// Set holds one T for each check. Its literals are written without keys, so that a new check does
// not compile until it has a T everywhere one is due, fault injections included.
type Set[T any] struct {
	Dedicated T
}

// All returns the set's members in the order of its fields.
func (s Set[T]) All() []T { return []T{s.Dedicated} }

// Checks returns the check of this package.
func Checks() Set[measure.Check] {
	return Set[measure.Check]{measure.Check{
		ID: "tenancy.dedicated", Measures: []string{"SEG-3"}, Every: every, Valid: valid, Timeout: timeout,
		Facts: []string{"hosting.dedicated", "hosting.places"},
		Scope: func(e *estate.Estate) []string {
			var names []string
			for _, d := range e.DatabasesWhere(dedicated) {
				names = append(names, d.Name)
			}
			return names
		},
		Run: run,
	}}
}

func dedicated(d *estate.Database) bool { return d.Dedicated != nil }

func run(ctx context.Context, in measure.In) measure.Finding {
	list := in.Estate.DatabasesWhere(dedicated)
	if len(list) == 0 {
		return measure.Finding{Outcome: measure.NotApplicable}
	}
	f := measure.Finding{Outcome: measure.Pass}
	raw := map[string]any{}
	var places []string
	for _, d := range list {
		l := look{in: in.Estate, own: *d}
		l.guarded(ctx)
		if measure.Look(&f, d.Name, l.items, func(i measure.Item) bool { return Problem(i.Problem).Blind() }) {
			raw[d.Name] = map[string]any{"of": d.Dedicated.Of, "place": d.Dedicated.Place, "tables": l.tables}
			if !slices.Contains(places, d.Dedicated.Place) {
				places = append(places, d.Dedicated.Place)
			}
		}
		f.Failed = append(f.Failed, l.items...)
	}
	if len(f.Scope) > 0 {
		slices.Sort(places)
		f.Facts = map[string]measure.Fact{"hosting.dedicated": measure.Count(len(f.Scope)), "hosting.places": measure.List(places...)}
	}
	if encoded, err := json.Marshal(raw); err == nil {
		f.Raw = encoded
	}
	return f
}

// look is at one dedicated database and the shared one that it was taken out of.
type look struct {
	in     *estate.Estate
	own    estate.Database
	items  []measure.Item
	tables int
}

func (l *look) add(p Problem, expected, actual string) {
	l.items = append(l.items, measure.Item{Target: l.own.Name, Problem: string(p), Expected: expected, Actual: actual})
}

// guarded looks within its time. A panic, which only a fault of ours can cause, blinds this database and no other.
func (l *look) guarded(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, perOne)
	defer cancel()
	defer func() {
		if recover() != nil {
			l.items = nil
			l.add(CheckBroken, "an observation", "the check itself failed")
		}
	}()
	shared, ok := l.in.Database(l.own.Dedicated.Of)
	if !ok || shared.Tenancy == nil || shared.Tenancy.Manifest == nil {
		l.add(BadManifest, "a manifest", "the shared database has none")
		return
	}
	m, err := manifest.Parse(shared.Tenancy.Manifest)
	if err != nil {
		text, _ := errs.Sentence(err)
		l.add(BadManifest, "a manifest", text)
		return
	}
	l.at(ctx, shared, l.own.Dedicated.SharedCounter, m, false)
	l.at(ctx, l.own, l.own.Dedicated.Counter, m, true)
}

// at looks at one of the two databases: own, for rows of other customers; shared, for rows of this one.
func (l *look) at(ctx context.Context, d estate.Database, address estate.Secret, m *manifest.Manifest, own bool) {
	dsn, err := address.Reveal()
	if err != nil {
		l.add(BadAddress, "an address", "it cannot be read: "+d.Name)
		return
	}
	c, err := connect(ctx, dsn)
	if err != nil {
		l.add(Unreachable, "an answer", "none of "+d.Name)
		return
	}
	defer c.close()
	if system, name, err := c.identity(ctx); err != nil {
		l.add(Unreachable, "an answer", "none of "+d.Name)
		return
	} else if system != d.System || name != d.Database {
		l.add(Impostor, d.Database+" of "+d.System, "another database at the address of "+d.Name)
		return
	}
	found := 0
	for i := range m.Tables {
		t := &m.Tables[i]
		if t.Class != manifest.Tenant || t.Kind != manifest.KindTable && t.Kind != manifest.KindPartitioned {
			continue
		}
		l.tables++
		seen, err := c.rows(ctx, t, l.own.Dedicated.Tenant)
		switch {
		case errors.Is(err, errHidden):
			l.add(Hidden, "every row", "policies hide rows of "+t.QualifiedName()+" in "+d.Name)
			return
		case err != nil:
			l.add(Unseen, "an answer", t.QualifiedName()+" of "+d.Name+" cannot be read")
			return
		case own && seen.others:
			l.add(Others, "rows of one customer", t.QualifiedName())
		case !own && seen.mine:
			l.add(LeftBehind, "no row of the customer", t.QualifiedName()+" of "+d.Name)
		}
		if seen.mine {
			found++
		}
	}
	unknown, err := c.unclassified(ctx, m)
	if err != nil {
		l.add(Unseen, "an answer", "the catalogue of "+d.Name+" cannot be read")
		return
	}
	for _, name := range unknown {
		l.add(Unclassified, "a table of the manifest", name+" of "+d.Name)
	}
	if own && found == 0 {
		l.add(Nobody, "rows of the customer", "none in "+d.Name)
	}
}
