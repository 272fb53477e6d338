package portal

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

// patience is how long the database may look through a customer's entries for one page.
const patience = 15 * time.Second

// newest is how many of the newest entries are looked at for the choice of actions.
const newest = 5000

type trailPage struct {
	Filters  []ui.Field
	Filtered bool
	Table    ui.Table
	Pager    ui.Pager
	Export   string
	All      string
}

func (p *Portal) trail(w http.ResponseWriter, r *web.Request, v *visit) error {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	pr := p.printer(r)
	search, query, err := searchOf(r.URL.Query(), pr.Zone())
	if err != nil {
		return err
	}
	search.Limit = pageSize + 1
	entries, err := p.seen(ctx, v, search)
	if err != nil {
		return err
	}
	actions, err := audit.SeenActions(ctx, v, newest)
	if err != nil {
		return err
	}
	own := &trailPage{Filters: fields(pr, query, actions), Filtered: len(query) > 0, Export: ui.At(exportPath, query), All: trailPath}
	if search.Before > 0 {
		own.Pager.Newer = ui.At(trailPath, query)
	}
	if len(entries) > pageSize {
		entries = entries[:pageSize]
		own.Pager.Older = ui.At(trailPath, query, "before", strconv.FormatInt(entries[pageSize-1].ID, 10))
	}
	own.Table = table(pr, v, entries)
	if own.Filtered {
		own.Table.Empty = &ui.Empty{Icon: "search", Title: pr.T("portal.trail.none"), Text: pr.T("portal.trail.none.text"), Action: &ui.Button{Label: pr.T("portal.filter.all"), Href: trailPath}}
	}
	return p.write(w, http.StatusOK, "trail", p.page(r, pr, v, trailPath, "portal.trail.title", own))
}

// table makes the table of entries.
func table(p *ui.Printer, v *visit, entries []audit.Entry) ui.Table {
	t := ui.Table{
		Caption: p.T("portal.trail.title"),
		Columns: []ui.Column{{Label: p.T("portal.when")}, {Label: p.T("portal.whom")}, {Label: p.T("portal.what")}, {Label: p.T("portal.object")}, {Label: p.T("portal.detail.title")}},
		Empty:   &ui.Empty{Icon: "record", Title: p.T("portal.trail.empty"), Text: p.T("portal.trail.empty.text")},
	}
	for _, e := range entries {
		var what ui.Cell
		if what.Text, what.Code = done(p, e.Action); e.Refused {
			what.Chip = p.T("portal.refused.word")
		}
		when := ui.Cell{Text: p.Instant(e.At)}
		if tells(&e) {
			when.Note = p.T("portal.occurred", "At", p.Instant(e.Occurred))
		}
		more := ui.Cell{Text: e.Reason, Note: detail(p, &e)}
		if e.Sealed {
			more.Chip = p.T("portal.sealed")
		}
		t.Rows = append(t.Rows, []ui.Cell{
			when,
			{Link: &ui.Link{Label: who(p, v, e.Actor), Href: ui.At(trailPath, nil, "person", e.Actor.ID)}},
			what,
			{Link: &ui.Link{Label: objectWord(p, e.Object), Href: storyOf(e.Object)}},
			more,
		})
	}
	return t
}

// tells reports whether an entry was written notably later than what it tells of happened.
func tells(e *audit.Entry) bool {
	return !e.Occurred.IsZero() && e.At.Sub(e.Occurred).Abs() >= time.Minute
}

// detail is the detail of an entry on one line, without how the event came to be: its action says that.
func detail(p *ui.Printer, e *audit.Entry) string {
	shown := maps.Clone(e.Detail)
	delete(shown, "kind")
	return p.Values(shown, "portal", "console")
}

// storyOf is the page of an object.
func storyOf(o audit.Object) string {
	return ui.At(storyPath, url.Values{"kind": {o.Kind}, "id": {o.ID}})
}

// open opens what is sealed beside entries.
func (p *Portal) open(ctx context.Context, entries []audit.Entry) error {
	return audit.Open(ctx, p.DB.Pool(pg.Staff), p.Box, entries)
}
