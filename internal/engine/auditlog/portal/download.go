package portal

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/trees"
	"github.com/garant-project/garant/internal/engine/auditlog/export"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

// batch is how many entries are read at a time; writing one to a slow reader may take stalled.
const (
	batch   = 500
	stalled = time.Minute
)

// formats are those that an export can have, as addresses name them.
func formats() map[string]export.Format {
	return map[string]export.Format{"csv": export.CSV, "jsonl": export.JSON, "ocsf": export.OCSF}
}

// choices are the formats in the order in which they are offered.
func choices() []string { return []string{"csv", "jsonl", "ocsf", bundle} }

type exportForm struct {
	Filters []ui.Detail
	Hidden  []ui.Hidden
	Format  ui.Field
	Values  ui.Field
	Back    string
	Log     []ui.Detail // what is held against what the reader has from elsewhere
}

// exportPage asks for the format of what the filter shows.
func (p *Portal) exportPage(w http.ResponseWriter, r *web.Request, v *visit) error {
	pr := p.printer(r)
	_, query, err := searchOf(r.URL.Query(), pr.Zone())
	if err != nil {
		return err
	}
	own := &exportForm{
		Back:   ui.At(trailPath, query),
		Format: ui.Field{Name: "format", Type: "select", Label: pr.T("portal.export.format"), Help: pr.T("portal.export.format.help")},
		Values: ui.Field{Name: "values", Type: "checkbox", Label: pr.T("portal.export.values"), Help: pr.T("portal.export.values.help")},
	}
	for _, f := range choices() {
		own.Format.Options = append(own.Format.Options, ui.Option{Value: f, Label: pr.T("portal.export." + f)})
	}
	for _, name := range filterNames() {
		if said := query.Get(name); said != "" {
			own.Hidden = append(own.Hidden, ui.Hidden{Name: name, Value: said})
			if name == "action" {
				said = actionWord(pr, said)
			}
			own.Filters = append(own.Filters, ui.Detail{Term: pr.T("portal.filter." + name), Text: said})
		}
	}
	own.Log = []ui.Detail{{Term: pr.T("portal.export.tree"), Code: trees.TenantTree(v.who.Customer.String())}}
	generations, err := trees.Generations(r.Context(), p.DB.Pool(pg.Staff))
	if err != nil {
		return err
	}
	for _, g := range generations {
		own.Log = append(own.Log, ui.Detail{Term: pr.T("portal.export.key"), Code: g.Key, Note: pr.T("portal.export.key.since", "Day", pr.Day(g.BeganAt))})
	}
	return p.write(w, http.StatusOK, "export", p.page(r, pr, v, trailPath, "portal.export.title", own))
}

// download sends what the form asks for.
func (p *Portal) download(w http.ResponseWriter, r *web.Request, v *visit) error {
	if err := r.ParseForm(); err != nil {
		return errs.New(errs.Invalid, "portal.form", "What was sent could not be read.").WithFix("Open your activity log from your application again.").Wrap(err)
	}
	search, query, err := searchOf(r.PostForm, p.printer(r).Zone())
	if err != nil {
		return err
	}
	return p.send(w, r, v, r.PostForm.Get("format"), r.PostForm.Get("values") != "", search, query)
}

// send records an export and streams it. An error before the first byte is returned; later ones end the connection, so that what
// was received is not taken for the whole.
func (p *Portal) send(w http.ResponseWriter, r *web.Request, v *visit, format string, values bool, search audit.Search, query url.Values) error {
	ctx := r.Context()
	if format == bundle {
		return p.sendBundle(w, r, v, values, search, query)
	}
	f, ok := formats()[format]
	if !ok {
		return errs.New(errs.Invalid, "portal.format", "There is no such format.").WithFix("Take csv, jsonl, ocsf or bundle.")
	}
	out, err := export.New(f, writer{w}, export.Options{Values: values, Build: p.Build})
	if err != nil {
		return err
	}
	// What is there now is exported: not what is written meanwhile, of which this export itself is the first.
	newest := search
	newest.Limit = 1
	last, err := audit.Seen(ctx, v, newest)
	if err != nil {
		return err
	}
	if err := p.record(ctx, v, audit.Event{Action: "trail.exported", On: trailOf(v), Detail: map[string]any{"format": format, "values": values, "filters": slices.Sorted(maps.Keys(query))}}); err != nil {
		return err
	}
	search.Before, search.Up, search.Limit = 0, true, batch
	if len(last) > 0 {
		search.Before = last[0].ID + 1
	}
	next := func() ([]export.Line, error) {
		if search.Before == 0 {
			return nil, nil
		}
		lines, err := p.lines(ctx, v, search, values)
		if len(lines) > 0 {
			search.After = lines[len(lines)-1].Entry.ID
		}
		return lines, err
	}
	lines, err := next()
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", f.ContentType())
	h.Set("Content-Disposition", `attachment; filename="activity-log-`+p.Now().UTC().Format("20060102-150405")+f.Extension()+`"`)
	for len(lines) > 0 {
		for _, l := range lines {
			if err := out.Write(l); err != nil {
				panic(http.ErrAbortHandler)
			}
		}
		if lines, err = next(); err != nil {
			p.Log.Error("an export broke off", "trace.id", r.ID, "error.message", err.Error())
			panic(http.ErrAbortHandler)
		}
	}
	if err := out.Close(); err != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}

// lines reads entries as they are written, with their places in the log. Their values are opened where they are asked for.
func (p *Portal) lines(ctx context.Context, v *visit, search audit.Search, values bool) ([]export.Line, error) {
	ctx, cancel := context.WithTimeout(ctx, stalled)
	defer cancel()
	entries, err := p.seen(ctx, v, search)
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	if values {
		if err := p.open(ctx, entries); err != nil {
			return nil, err
		}
	}
	ids := make([]int64, len(entries))
	for i := range entries {
		ids[i] = entries[i].ID
	}
	places, err := audit.Places(ctx, p.DB.Pool(pg.Staff), ids)
	if err != nil {
		return nil, err
	}
	lines := make([]export.Line, len(entries))
	for i, e := range entries {
		lines[i].Entry = e
		if at, ok := places[e.ID]; ok {
			lines[i].Place = export.Place{Log: at.Log, Position: at.Position, Tree: at.Tree, Index: at.Index, Leaf: at.Leaf}
		}
	}
	return lines, nil
}

// seen reads entries that are shown or handed out, which are what the log holds: of one that was changed in the database after it was put in order nothing is. Error
// Internal: there is such a one.
func (p *Portal) seen(ctx context.Context, v *visit, search audit.Search) ([]audit.Entry, error) {
	entries, err := audit.Seen(ctx, v, search)
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	ids := make([]int64, len(entries))
	for i := range entries {
		ids[i] = entries[i].ID
	}
	altered, err := trees.Altered(ctx, p.DB.Pool(pg.Staff), ids)
	if err != nil {
		return nil, err
	}
	for _, id := range ids { // the first
		if altered[id] {
			return nil, errs.New(errs.Internal, "portal.altered", fmt.Sprintf("Entry %d is not what the signed log holds: it was changed in the database.", id)).
				WithFix("Tell the company that runs this service: garant audit verify says what was changed. A filter that leaves it out shows the others.")
		}
	}
	return entries, nil
}

// writer gives each piece that is sent its own time, however long the whole takes.
type writer struct{ http.ResponseWriter }

func (w writer) Write(b []byte) (int, error) {
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(stalled)) // where it cannot be set there is none
	return w.ResponseWriter.Write(b)
}
