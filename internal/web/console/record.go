package console

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

// pageSize is how many rows a list shows at a time.
const pageSize = 50

// hidden are the actions that programs leave behind all day: they would hide what people do. The page says how many
// there are, and leads to them. What was refused of them is shown.
func hidden() []string { return []string{"evidence.stored", "tenant_token.minted"} }

// counted is how many of the newest hidden entries are counted.
const counted = 10_000

// everything is the action that filters nothing.
const everything = "all"

// How the newest entries follow by themselves: so often, and for so long, so that a window that was left open does not keep
// its session from ending.
const liveFor = 10 * time.Minute

type recordPage struct {
	Tabs     []Tab
	Filters  []ui.Field
	Filtered bool
	Nobody   string // who was looked for and is not known by that name
	Hidden   []ui.Link
	Live     *live
	Entries  entryList
	Pager    ui.Pager
	CSV      string
	Newest   string // without filter
}

// live is how the list follows; nil: it is not the newest page.
type live struct {
	Href   string // asked for again and again; empty: it does not follow
	Toggle ui.Link
	Text   string
}

// Tab is one of the pages about the record.
type Tab struct {
	Label, Href string
	Here        bool
}

// RecordTabs lead between the pages about the record that this console has; none when there is one alone.
func (c *Chrome) RecordTabs(p *ui.Printer, here string) []Tab {
	if !c.Has(LogPath) {
		return nil
	}
	return []Tab{{p.T("console.record.tab.entries"), RecordPath, here == RecordPath}, {p.T("console.record.tab.log"), LogPath, here == LogPath}}
}

func (h *pages) record(w http.ResponseWriter, r *web.Request) error {
	p := h.c.Printer(r)
	filter, query, nobody, err := h.recordFilter(r, p)
	if err != nil {
		return err
	}
	filter.Limit = pageSize + 1
	entries, err := audit.List(r.Context(), h.DB.Pool(pg.Staff), filter)
	if err != nil {
		return err
	}
	newest := int64(0)
	if len(entries) > 0 {
		newest = entries[0].ID
	}
	since, follows := following(r)
	if seen := r.URL.Query().Get("seen"); follows && seen == strconv.FormatInt(newest, 10) {
		w.WriteHeader(http.StatusNoContent) // nothing is new: htmx leaves what is there
		return nil
	}
	body := &recordPage{Tabs: h.c.RecordTabs(p, RecordPath), Filtered: len(query) > 0, Nobody: nobody, Newest: RecordPath, CSV: ui.At(RecordPath+".csv", query)}
	if filter.Before > 0 {
		body.Pager.Newer = ui.At(RecordPath, query)
	} else {
		body.Live = followed(r, p, query, newest, since, follows)
	}
	if len(entries) > pageSize {
		entries = entries[:pageSize]
		body.Pager.Older = ui.At(RecordPath, query, "before", strconv.FormatInt(entries[pageSize-1].ID, 10))
	}
	body.Entries = h.c.entries(r, p, entries)
	if body.Filtered {
		body.Entries.Empty = ui.Empty{Icon: "record", Title: p.T("console.record.none"), Text: p.T("console.record.none.text"),
			Action: &ui.Button{Label: p.T("console.record.all"), Href: RecordPath}}
	}
	there, err := audit.Actions(r.Context(), h.DB.Pool(pg.Staff))
	if err != nil {
		return err
	}
	body.Filters = recordFields(p, query, there)
	if len(filter.Without) > 0 && filter.Before == 0 {
		if body.Hidden, err = h.hidden(r, p); err != nil {
			return err
		}
	}
	return h.write(w, http.StatusOK, "record", h.c.Page(r, "console.record.title", RecordPath, body))
}

// following tells since when the reader has the list follow, and whether it still does.
func following(r *web.Request) (since time.Time, follows bool) {
	text := r.URL.Query().Get("live")
	if text == "" {
		return r.Now, true
	}
	n, err := strconv.ParseInt(text, 10, 64)
	since = time.Unix(n, 0)
	return since, err == nil && !since.After(r.Now.Add(time.Minute)) && r.Now.Sub(since) < liveFor
}

func followed(r *web.Request, p *ui.Printer, query url.Values, newest int64, since time.Time, follows bool) *live {
	if !follows {
		return &live{Text: p.T("console.record.live.off"), Toggle: ui.Link{Label: p.T("console.record.live.start"), Href: ui.At(RecordPath, query)}}
	}
	return &live{
		Href: ui.At(RecordPath, query, "live", strconv.FormatInt(since.Unix(), 10), "seen", strconv.FormatInt(newest, 10), "lang", r.Lang),
		Text: p.T("console.record.live.on"), Toggle: ui.Link{Label: p.T("console.record.live.stop"), Href: ui.At(RecordPath, query, "live", "0")},
	}
}

// hidden says what of the last day is not listed.
func (h *pages) hidden(r *web.Request, p *ui.Printer) (out []ui.Link, err error) {
	for _, action := range hidden() {
		n, err := audit.Recent(r.Context(), h.DB.Pool(pg.Staff), action, r.Now.Add(-24*time.Hour), counted)
		if err != nil {
			return nil, err
		}
		id := "console.record.hidden." + strings.ReplaceAll(action, ".", "_")
		if n == counted {
			id += "_many"
		}
		if n > 0 {
			out = append(out, ui.Link{Label: p.T(id, "Count", n), Href: ui.At(RecordPath, nil, "action", action)})
		}
	}
	return out, nil
}

// entryList is entries of the record in a table.
type entryList struct {
	Caption string
	Rows    []entryRow
	Empty   ui.Empty
}

// entryRow is one of them, with where it leads.
type entryRow struct {
	When                     string
	Entry, Story             string // addresses
	Who                      ui.Link
	Origin                   string
	What, Code, Refused      string // Code: of an action that has no words
	Object                   string
	Page                     string // of the object itself
	Tenant                   *ui.Link
	Reason, Request, Details string
	Sealed                   string
}

// entries makes the table of entries.
func (c *Chrome) entries(r *web.Request, p *ui.Printer, list []audit.Entry) entryList {
	names, ctx := c.Names(r, p), r.Context()
	names.learnOf(ctx, list, true)
	t := entryList{Caption: p.T("console.record.caption"), Empty: ui.Empty{Icon: "record", Title: p.T("console.record.empty"), Text: p.T("console.record.empty.text")}}
	for i := range list {
		e := &list[i]
		row := entryRow{
			When: p.Instant(e.At), Entry: entryPath(e.ID), Story: storyPath(e.Object), Origin: e.Actor.Origin,
			Who:    ui.Link{Label: names.Of(ctx, e.Actor.Kind, e.Actor.ID), Href: ui.At(RecordPath, nil, "actor", e.Actor.ID)},
			Reason: e.Reason, Details: p.Values(e.Detail, "console"), Request: e.Request, Tenant: tenantLink(p, e.Tenant),
		}
		if row.What, row.Code = done(p, e.Action); e.Refused {
			row.Refused = p.T("console.record.refused")
		}
		if e.Sealed {
			row.Sealed = p.T("console.record.sealed")
		}
		row.Object, row.Page = names.object(ctx, e.Object)
		t.Rows = append(t.Rows, row)
	}
	return t
}

// tenantLink leads to the entries of a customer.
func tenantLink(p *ui.Printer, tenant string) *ui.Link {
	if tenant == "" {
		return nil
	}
	return &ui.Link{Label: p.T("console.record.customer", "ID", ShortID(tenant)), Href: ui.At(RecordPath, nil, "tenant", tenant)}
}

// entryPath is where one entry is, for good.
func entryPath(id int64) string { return RecordPath + "/entry/" + strconv.FormatInt(id, 10) }

// storyPath is where everything about an object is.
func storyPath(o audit.Object) string {
	return ui.At(RecordPath+"/object", nil, "kind", o.Kind, "id", o.ID)
}

func (h *pages) recordCSV(w http.ResponseWriter, r *web.Request) error {
	filter, _, _, err := h.recordFilter(r, h.c.Printer(r))
	if err != nil {
		return err
	}
	filter.Limit = 200
	over := false
	return CSV(w, "record.csv", []string{"id", "at", "actor_kind", "actor_id", "session", "origin", "action", "outcome", "object_kind", "object_id", "detail", "tenant", "reason", "request", "occurred"}, func() ([][]string, error) {
		if over {
			return nil, nil
		}
		entries, err := audit.List(r.Context(), h.DB.Pool(pg.Staff), filter)
		if err != nil {
			return nil, err
		}
		over = len(entries) < filter.Limit
		rows := make([][]string, 0, len(entries))
		for _, e := range entries {
			detail, err := detailJSON(e.Detail)
			if err != nil {
				return nil, err
			}
			outcome := "permitted"
			if e.Refused {
				outcome = "refused"
			}
			rows = append(rows, []string{strconv.FormatInt(e.ID, 10), Stamp(e.At), string(e.Actor.Kind), e.Actor.ID, e.Actor.Session, e.Actor.Origin,
				e.Action, outcome, e.Object.Kind, e.Object.ID, detail, e.Tenant, e.Reason, e.Request, Stamp(e.Occurred)})
			filter.Before = e.ID
		}
		return rows, nil
	})
}
