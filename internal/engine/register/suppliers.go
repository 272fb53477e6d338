package register

import (
	"context"

	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/pg"
)

// Subprocessor is a supplier as the public list has it: nothing of it is personal.
type Subprocessor struct {
	ID        string
	Name      string
	Country   string            // ISO 3166-1 alpha-2
	Purpose   map[string]string // by language
	Data      map[string]string // categories of data, by language; may be empty
	Safeguard string            // of the transfer: "eea", "adequacy", "clauses" or "rules"
	Since     calendar.Date     // on the public list
	Until     calendar.Date     // zero: no end is known
}

// Subprocessors lists the sub-processors that are on the public list on the day that it is, and
// those who were or will be: the caller shows what it needs by Since and Until. It reads as
// garant_worker, which publishes the annex.
func (r *Registers) Subprocessors(ctx context.Context) ([]Subprocessor, error) {
	list, err := suppliersInUse(ctx, r.DB.Pool(pg.Worker))
	if err != nil {
		return nil, err
	}
	out := []Subprocessor{}
	for _, s := range list {
		v := s.Values
		since, err := calendar.Parse(v["public_since"])
		if v["subprocessor"] != "true" || err != nil {
			continue
		}
		p := Subprocessor{ID: s.ID.String(), Name: v["name"], Country: v["country"], Safeguard: v["safeguard"], Since: since,
			Purpose: map[string]string{"fr": v["purpose_fr"], "en": v["purpose_en"]}, Data: map[string]string{"fr": v["data_fr"], "en": v["data_en"]}}
		if until, err := calendar.Parse(v["public_until"]); err == nil {
			p.Until = until
		}
		out = append(out, p)
	}
	return out, nil
}

// On reports whether a sub-processor is on the public list on a day.
func (s Subprocessor) On(day calendar.Date) bool {
	return !s.Since.After(day) && (s.Until.IsZero() || !s.Until.Before(day))
}
