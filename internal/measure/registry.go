package measure

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/job"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/web"
)

// Engine is what an engine brings to the house.
type Engine struct {
	Name     string
	Checks   []Check
	Routes   []web.Route // of the console
	Jobs     []job.Kind
	Messages map[string][]byte // words of its problems and pages, by language
	// CheckFor makes the checks that an estate declares by itself; may be nil. They may bind measures
	// that only a company's own annex has.
	CheckFor func(*estate.Estate) []Check
	// Parameters reads the figures of the catalogue that the estate sets for this engine; may be nil.
	Parameters func(*estate.Estate) map[string]Fact
}

// Registry is the checks of this build, held against the catalogue.
type Registry struct {
	Catalogue *catalogue.Catalogue
	engines   []Engine
	checks    []Check
	byID      map[string]Check
	byMeasure map[string][]Check
}

var checkID = regexp.MustCompile(`^[a-z]+(\.[a-z0-9_]+)+$`)

// NewRegistry collects the checks of the engines. A check that binds no measure, names one or
// a fact that the catalogue lacks, or whose evidence would expire before the next run, is
// refused.
func NewRegistry(cat *catalogue.Catalogue, engines ...Engine) (*Registry, error) {
	r := &Registry{Catalogue: cat, engines: engines, byID: map[string]Check{}, byMeasure: map[string][]Check{}}
	for _, e := range engines {
		for _, c := range e.Checks {
			if err := r.add(c, true); err != nil {
				return nil, errs.New(errs.Internal, "measure.check", fmt.Sprintf("The check %q of engine %s is wrong: %v.", c.ID, e.Name, err))
			}
		}
	}
	r.sort()
	return r, nil
}

// For returns a registry of the same engines for a company: with its own catalogue, and with the
// checks that its estate declares (nil: none). Checks of the estate whose measures the catalogue does not
// have run all the same and prove nothing.
func (r *Registry) For(cat *catalogue.Catalogue, e *estate.Estate) (*Registry, error) {
	out, err := NewRegistry(cat, r.engines...)
	if err != nil || e == nil {
		return out, err
	}
	for _, engine := range r.engines {
		if engine.CheckFor == nil {
			continue
		}
		for _, c := range engine.CheckFor(e) {
			if err := out.add(c, false); err != nil {
				return nil, errs.New(errs.Internal, "measure.check", fmt.Sprintf("The check %q that the estate declares is wrong: %v.", c.ID, err))
			}
		}
	}
	out.sort()
	return out, nil
}

func (r *Registry) sort() {
	slices.SortFunc(r.checks, func(a, b Check) int { return strings.Compare(a.ID, b.ID) })
}

// add takes a check in. strict: of the build, whose catalogue is known.
func (r *Registry) add(c Check, strict bool) error {
	switch _, twice := r.byID[c.ID]; {
	case !checkID.MatchString(c.ID):
		return fmt.Errorf("its id does not look like engine.name")
	case twice:
		return fmt.Errorf("its id is taken")
	case len(c.Measures) == 0:
		return fmt.Errorf("it binds no measure")
	case (c.Run == nil) != c.Pushed || c.Scope == nil:
		return fmt.Errorf("it lacks Run or Scope")
	case c.Pushed:
		if c.Valid <= 0 {
			return fmt.Errorf("its evidence never holds")
		}
	case c.Every <= 0 || c.Timeout <= 0 || c.Valid < c.Every+c.Timeout:
		return fmt.Errorf("its evidence expires before the next run can end")
	}
	for _, id := range c.Measures {
		if _, ok := r.Catalogue.Measure(id); !ok {
			if strict {
				return fmt.Errorf("the catalogue has no measure %s", id)
			}
			continue
		}
		r.byMeasure[id] = append(r.byMeasure[id], c)
	}
	for _, f := range c.Facts {
		if strict && !slices.ContainsFunc(c.Measures, func(id string) bool {
			m, _ := r.Catalogue.Measure(id)
			return slices.Contains(m.Facts, f)
		}) {
			return fmt.Errorf("the catalogue does not know the fact %s", f)
		}
	}
	r.byID[c.ID] = c
	r.checks = append(r.checks, c)
	return nil
}

// Checks lists the checks by id.
func (r *Registry) Checks() []Check { return slices.Clone(r.checks) }

// Check returns the check of an id.
func (r *Registry) Check(id string) (Check, error) {
	c, ok := r.byID[id]
	if !ok {
		return Check{}, errs.New(errs.NotFound, "measure.no_check", fmt.Sprintf("There is no check called %q.", id)).
			WithFix("Run garant check --list to see them.")
	}
	return c, nil
}

// Of lists the checks of a measure.
func (r *Registry) Of(measure string) []Check { return r.byMeasure[measure] }

// Cadence says how often a check runs in an estate and how long its evidence holds: the
// estate's own cadence where it declares one, with the same proportion between the two. A check
// that keeps its own pace, or whose findings are received, follows its own.
func Cadence(c Check, e *estate.Estate) (every, valid time.Duration) {
	every, valid = c.Every, c.Valid
	if c.OwnPace || c.Pushed {
		return every, max(valid, every+c.Timeout)
	}
	if e != nil && e.Policy.Every > 0 && e.Policy.Every != every {
		valid = time.Duration(float64(valid) / float64(every) * float64(e.Policy.Every))
		every = e.Policy.Every
	}
	return every, max(valid, every+c.Timeout)
}

// Select returns the checks of the given ids, or of the measures of the given ids; all, when
// none are given. errs.NotFound for an id that is neither, and for a measure without a check.
func (r *Registry) Select(ids []string) ([]Check, error) {
	if len(ids) == 0 {
		return r.Checks(), nil
	}
	var out []Check
	for _, id := range ids {
		if _, ok := r.Catalogue.Measure(id); ok {
			of := r.Of(id)
			if len(of) == 0 {
				return nil, errs.New(errs.NotFound, "measure.no_check_of", "No check of this version proves "+id+".").
					WithFix("Run garant check --list to see what can be checked.")
			}
			out = append(out, of...)
			continue
		}
		c, err := r.Check(id)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}
