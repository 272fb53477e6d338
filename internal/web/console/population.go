package console

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/audit/sample"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

// Population is a set of records of which auditors draw samples. Packages that keep records
// register theirs with Chrome.AddPopulation.
type Population struct {
	// Key is kept with each sample and never changed: small letters and _.
	Key string
	// Parts lists what the population falls into, of which one is drawn from at a time; nil: it is
	// drawn from as a whole.
	Parts func(r *web.Request, p *ui.Printer) ([]string, error)
	// Title names the population, or a part of it.
	Title func(p *ui.Printer, part string) string
	// Personal says that its records tell who did what. Reading them with names is recorded.
	Personal bool
	// List gives the ids of the records of a span in an order that only grows at its end: those
	// after one, the first for an empty one. on acts as garant_staff. Ids are short texts without
	// line breaks.
	List func(ctx context.Context, on pg.Querier, s Span, after string, limit int) ([]string, error)
	// Records reads records by their ids, in any order; those that are gone are left out. It heeds
	// what the reader may see: no name for who may not read persons (Chrome.Names does that).
	Records func(r *web.Request, p *ui.Printer, on pg.Querier, ids []string) ([]Record, error)
}

// Span is what of a population is drawn from.
type Span struct {
	Part  string    // empty: the whole
	From  time.Time // part of it
	Until time.Time // not part of it
}

// Record is one record of a population as it is now.
type Record struct {
	ID     string
	Title  string
	Href   string // its page; empty: it has none
	At     time.Time
	State  ui.State // empty: none to show
	Note   string
	Digest string      // hex SHA-256 over everything that must not change, the same for every reader: sample.DigestOf
	Broken bool        // it does not have the digest that it was written with
	Detail []ui.Detail // what it holds, for its page
}

// AddPopulation registers a population. Not safe once requests are served.
func (c *Chrome) AddPopulation(p Population) { c.populations = append(c.populations, p) }

// population returns the population of a key; nil when this build has none.
func (c *Chrome) population(key string) *Population {
	i := slices.IndexFunc(c.populations, func(p Population) bool { return p.Key == key })
	if i < 0 {
		return nil
	}
	return &c.populations[i]
}

// choice is a population, or a part of one, as the form names it: "key" or "key:part".
type choice struct {
	population *Population
	part       string
}

func (c choice) value() string {
	if c.part == "" {
		return c.population.Key
	}
	return c.population.Key + ":" + c.part
}

// choices lists what can be drawn from.
func (c *Chrome) choices(r *web.Request, p *ui.Printer) ([]choice, error) {
	var list []choice
	for i := range c.populations {
		population := &c.populations[i]
		if population.Parts == nil {
			list = append(list, choice{population: population})
			continue
		}
		parts, err := population.Parts(r, p)
		if err != nil {
			return nil, err
		}
		for _, part := range parts {
			list = append(list, choice{population, part})
		}
	}
	return list, nil
}

// chosen finds the choice of a form.
func (c *Chrome) chosen(r *web.Request, p *ui.Printer, value string) (choice, error) {
	list, err := c.choices(r, p)
	if err != nil {
		return choice{}, err
	}
	i := slices.IndexFunc(list, func(one choice) bool { return one.value() == value })
	if i < 0 {
		return choice{}, errs.New(errs.Invalid, "sample.population", "There is no such population.").WithFix("Choose one of those that are offered.")
	}
	return list[i], nil
}

// populationTitle names what a sample was drawn from; its key when this build does not know it.
func (c *Chrome) populationTitle(p *ui.Printer, o sample.Order) string {
	if population := c.population(o.Population); population != nil {
		return population.Title(p, o.Part)
	}
	return strings.TrimSuffix(o.Population+":"+o.Part, ":")
}

// source reads a population for a reader.
func (c choice) source(r *web.Request, p *ui.Printer, s Span) sample.Source {
	return sample.Source{
		List: func(ctx context.Context, on pg.Querier, after string, limit int) ([]string, error) {
			return c.population.List(ctx, on, s, after, limit)
		},
		Digests: func(_ context.Context, on pg.Querier, ids []string) (map[string]string, error) {
			records, err := c.population.Records(r, p, on, ids)
			if err != nil {
				return nil, err
			}
			digests := make(map[string]string, len(records))
			for _, one := range records {
				digests[one.ID] = one.Digest
			}
			return digests, nil
		},
	}
}
