package portal

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/trees"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
)

// bundle is the format of what is verified offline. mostSelected is how many entries one may select by more than time: each has a proof of its own.
const (
	bundle       = "bundle"
	mostSelected = 20_000
)

// sendBundle records an export as a signed bundle and streams it.
func (p *Portal) sendBundle(w http.ResponseWriter, r *web.Request, v *visit, values bool, search audit.Search, query url.Values) error {
	ctx, staff := r.Context(), p.DB.Pool(pg.Staff)
	order := trees.BundleOrder{Tree: trees.TenantTree(v.who.Customer.String()), From: search.From, Until: search.Until, Keys: p.Box, Now: p.Now}
	if values {
		order.Box = p.Box
	}
	for _, name := range []string{"text", "action", "person", "object"} {
		if !query.Has(name) {
			continue
		}
		ids, err := p.selected(ctx, v, search)
		if err != nil {
			return err
		}
		order.Entries = ids
		break
	}
	if err := p.record(ctx, v, audit.Event{Action: "trail.exported", On: trailOf(v), Detail: map[string]any{"format": bundle, "values": values, "filters": slices.Sorted(maps.Keys(query))}}); err != nil {
		return err
	}
	out := &late{writer: writer{w}, begin: func() {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Disposition", `attachment; filename="activity-log-`+p.Now().UTC().Format("20060102-150405")+`.garant.json"`)
	}}
	if _, err := trees.Bundle(ctx, staff, order, out); err != nil {
		if !out.begun {
			return err
		}
		p.Log.Error("a bundle broke off", "trace.id", r.ID, "error.message", err.Error())
		panic(http.ErrAbortHandler)
	}
	return nil
}

// selected are the entries that a filter shows, those that are in the customer's tree.
func (p *Portal) selected(ctx context.Context, v *visit, search audit.Search) (ids []int64, err error) {
	search.Before, search.Up, search.Limit = 0, true, batch
	for {
		entries, err := audit.Seen(ctx, v, search)
		if err != nil {
			return nil, err
		}
		page := make([]int64, len(entries))
		for i := range entries {
			page[i] = entries[i].ID
		}
		places, err := audit.Places(ctx, p.DB.Pool(pg.Staff), page)
		if err != nil {
			return nil, err
		}
		for _, id := range page {
			if _, ok := places[id]; ok {
				ids = append(ids, id)
			}
		}
		switch {
		case len(ids) > mostSelected:
			return nil, errs.New(errs.Invalid, "portal.bundle_large", "This filter selects too many entries for a bundle of its own: each would bring a proof.").
				WithFix("Narrow it by days alone, or export the whole log: a whole log needs one proof.")
		case len(entries) < search.Limit && len(ids) == 0:
			return nil, errs.New(errs.Conflict, "portal.bundle_empty", "Nothing that this filter shows is in the signed log yet.").WithFix("Wait a moment, or widen the filter.")
		case len(entries) < search.Limit:
			return ids, nil
		}
		search.After = entries[len(entries)-1].ID
	}
}

// late begins an answer with its first byte.
type late struct {
	writer
	begin func()
	begun bool
}

func (l *late) Write(b []byte) (int, error) {
	if !l.begun {
		l.begun = true
		l.begin()
	}
	return l.writer.Write(b)
}
