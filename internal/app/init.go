package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/discover"
	"github.com/garant-project/garant/internal/engine/register"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
)

// Sources is the one list of places where garant init looks.
func Sources(now func() time.Time) []discover.Source {
	return []discover.Source{&discover.DNS{Now: now}, &discover.Postgres{}}
}

// InitPath is where garant init writes unless told: the garant.yaml that every other command
// reads.
func InitPath(o Options) string {
	if o.Config != "" {
		return o.Config
	}
	return filepath.Join(o.DataDir, estate.FileName)
}

// PrepareInit makes the data directory when that is where path lies.
func PrepareInit(o Options, path string) error {
	if filepath.Dir(path) != o.DataDir {
		return nil
	}
	return makeDataDir(o.DataDir)
}

// AddSites puts offices into the register of sites. One whose name is there already is left as it
// is; added lists the others.
func (g *Garant) AddSites(ctx context.Context, by actor.Actor, names []string) (added []string, err error) {
	for _, name := range names {
		_, err := g.Registers.Create(ctx, by, register.Sites, register.Values{"name": name, "kind": "office"}, g.Now())
		var invalid *register.Invalid
		switch {
		case err == nil:
			added = append(added, name)
		case errors.As(err, &invalid) && len(invalid.Faults) == 1 && invalid.Faults[0].ID == "register.fault.taken":
		default:
			return added, err
		}
	}
	return added, nil
}

// Outlook is what an estate will let Garant prove, before it is applied.
type Outlook struct {
	Looked  []Looked `json:"looked"`  // by kind of target
	Waiting []Wait   `json:"waiting"` // the other measures, by what they wait for
}

// Looked is the measures that checks will look at through targets of one kind.
type Looked struct {
	Kind     string   `json:"kind"`
	Targets  int      `json:"targets"`
	Measures []string `json:"measures"`
}

// Wait is measures that wait for the same thing.
type Wait struct {
	For      string   `json:"for"`
	Measures []string `json:"measures"`
}

// LookAhead says of an estate: which measures its targets reach, and what the others wait for.
func LookAhead(e *estate.Estate) (Outlook, error) {
	reg, err := newRegistry(Engines())
	if err != nil {
		return Outlook{}, err
	}
	if reg, err = reg.For(reg.Catalogue, e); err != nil {
		return Outlook{}, err
	}
	var out Outlook
	reached := map[string]bool{}
	for _, k := range []struct {
		kind string
		is   func(string) bool
	}{
		{"endpoint", func(name string) bool { _, ok := e.Endpoint(name); return ok }},
		{"database", func(name string) bool { _, ok := e.Database(name); return ok }},
	} {
		l := Looked{Kind: k.kind}
		targets := map[string]bool{}
		for _, c := range reg.Checks() {
			found := false
			for _, name := range c.Scope(e) {
				if k.is(name) {
					found, targets[name] = true, true
				}
			}
			if found {
				l.Measures = append(l.Measures, c.Measures...)
			}
		}
		if l.Targets = len(targets); l.Targets == 0 {
			continue
		}
		slices.Sort(l.Measures)
		l.Measures = slices.Compact(l.Measures)
		for _, id := range l.Measures {
			reached[id] = true
		}
		out.Looked = append(out.Looked, l)
	}
	waiting := map[string][]string{}
	for _, m := range reg.Catalogue.Measures {
		if !reached[m.ID] {
			what := waitsFor(reg, m)
			waiting[what] = append(waiting[what], m.ID)
		}
	}
	for _, what := range []string{waitTarget, waitOwner, waitWork, waitCheck} {
		if ids := waiting[what]; len(ids) > 0 {
			out.Waiting = append(out.Waiting, Wait{For: what, Measures: ids})
		}
	}
	return out, nil
}

// What measures wait for.
const (
	waitTarget = "a system to look at, which this garant.yaml does not declare"
	waitOwner  = "their owner's attestation"
	waitWork   = "people, in a register or a review"
	waitCheck  = "something that does not look at an estate: registers, or a part of Garant still to come"
)

func waitsFor(reg *measure.Registry, m catalogue.Measure) string {
	switch {
	case m.Kind == catalogue.Attested || m.Attest:
		return waitOwner
	case m.Kind == catalogue.Run:
		return waitWork
	case len(reg.Of(m.ID)) > 0:
		return waitTarget
	}
	return waitCheck
}

func (o Outlook) String() string {
	var b strings.Builder
	for _, l := range o.Looked {
		kind := l.Kind
		if l.Targets != 1 {
			kind += "s"
		}
		fmt.Fprintf(&b, "  %-14s → %s\n", fmt.Sprintf("%d %s", l.Targets, kind), strings.Join(l.Measures, ", "))
	}
	if len(o.Looked) == 0 {
		b.WriteString("  nothing yet: no endpoint and no database is declared\n")
	}
	for _, w := range o.Waiting {
		ids := w.Measures
		more := ""
		if len(ids) > 6 {
			ids, more = ids[:6], ", …"
		}
		fmt.Fprintf(&b, "  %-14s wait for %s: %s%s\n", fmt.Sprintf("%d measures", len(w.Measures)), w.For, strings.Join(ids, ", "), more)
	}
	return b.String()
}
