package console

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

// storySize is how many entries of a story are on a page.
const storySize = 20

// storyPage is all that happened to one object.
type storyPage struct {
	Object    []ui.Detail
	Entries   []storyEntry
	Empty     ui.Empty
	Pager     ui.Pager
	Sealed    int        // entries of this page with personal data before and after
	Opened    bool       // they are shown
	Show      *ui.Action // to have them shown; nil: the reader may not, or there are none
	Forbidden bool       // there are some, and the reader may not
}

// storyEntry is one entry of it.
type storyEntry struct {
	ID      string // of the element
	Entry   string // address
	When    string
	What    string
	Code    string // of an action that has no words
	Refused string
	Who     ui.Link
	Details []ui.Detail
	Sealed  bool
	Erased  bool
	Changes *ui.Table
}

// storyObject reads which object the address, or the form, is about.
func storyObject(get func(string) string) (audit.Object, error) {
	o := audit.Object{Kind: strings.TrimSpace(get("kind")), ID: get("id")}
	for _, v := range []string{o.Kind, o.ID} {
		if v == "" || !utf8.ValidString(v) || strings.ContainsRune(v, 0) || len(v) > 2000 {
			return o, errs.New(errs.Invalid, "console.story_address", "This address names no object.").WithFix("Open the object from an entry of the audit log.")
		}
	}
	return o, nil
}

// story shows what happened to an object; personal data before and after stay sealed.
func (h *pages) story(w http.ResponseWriter, r *web.Request) error {
	return h.showStory(w, r, r.URL.Query().Get, false)
}

// openStory shows it with personal data before and after. That somebody looked at them is an entry itself, written before they are shown.
func (h *pages) openStory(w http.ResponseWriter, r *web.Request) error {
	if err := form(r); err != nil {
		return err
	}
	return h.showStory(w, r, r.PostForm.Get, true)
}

func (h *pages) showStory(w http.ResponseWriter, r *web.Request, get func(string) string, opened bool) error {
	object, err := storyObject(get)
	if err != nil {
		return err
	}
	f := audit.Filter{Object: object, Limit: storySize + 1}
	if before := get("before"); before != "" {
		if f.Before, err = strconv.ParseInt(before, 10, 64); err != nil || f.Before <= 0 {
			return ErrBefore()
		}
	}
	ctx, staff, p := r.Context(), h.DB.Pool(pg.Staff), h.c.Printer(r)
	entries, err := audit.List(ctx, staff, f)
	if err != nil {
		return err
	}
	body := &storyPage{Opened: opened, Empty: ui.Empty{Icon: "record", Title: p.T("console.story.none"), Text: p.T("console.story.none.text"), Action: &ui.Button{Label: p.T("console.record.title"), Href: RecordPath}}}
	path := storyPath(object)
	if f.Before > 0 {
		body.Pager.Newer = path
	}
	if len(entries) > storySize {
		entries = entries[:storySize]
		body.Pager.Older = ui.At(RecordPath+"/object", nil, "kind", object.Kind, "id", object.ID, "before", strconv.FormatInt(entries[storySize-1].ID, 10))
	}
	var sealed []audit.Entry
	for _, e := range entries {
		if e.Sealed {
			sealed = append(sealed, e)
		}
	}
	may := r.Actor.May(actor.ReadPersons) && h.Box != nil
	switch body.Sealed = len(sealed); {
	case opened:
		if err := h.open(ctx, r.Actor, object, sealed, entries); err != nil {
			return err
		}
	case len(sealed) > 0 && may:
		body.Show = &ui.Action{Post: RecordPath + "/object", Button: ui.Button{Label: p.T("console.story.show"), Icon: "lock"}, Hidden: []ui.Hidden{{Name: "kind", Value: object.Kind}, {Name: "id", Value: object.ID}}}
		if f.Before > 0 {
			body.Show.Hidden = append(body.Show.Hidden, ui.Hidden{Name: "before", Value: strconv.FormatInt(f.Before, 10)})
		}
	case len(sealed) > 0:
		body.Forbidden = true
	}
	names := h.c.Names(r, p)
	names.learnOf(ctx, entries, true)
	label, href := names.object(ctx, object)
	body.Object = []ui.Detail{{Term: p.T("console.story.kind"), Code: object.Kind}, {Term: p.T("console.story.id"), Code: object.ID}}
	if href != "" {
		body.Object = append(body.Object, ui.Detail{Term: p.T("console.story.page"), Link: &ui.Link{Label: label, Href: href}})
	}
	for i := range entries {
		body.Entries = append(body.Entries, storyOf(ctx, p, names, &entries[i], opened))
	}
	page := h.c.Page(r, "console.record.title", RecordPath, body)
	page.Crumbs = []ui.Link{{Label: page.Title, Href: RecordPath}, {Label: label}}
	page.Title = p.T("console.story.title", "Object", label)
	if r.Method == http.MethodPost {
		page.Path = path
	}
	return h.write(w, http.StatusOK, "story", page)
}

// open records that somebody looks at personal data before and after, then opens them.
func (h *pages) open(ctx context.Context, by actor.Actor, object audit.Object, sealed, entries []audit.Entry) error {
	staff := h.DB.Pool(pg.Staff)
	refused := errs.New(errs.Denied, "console.changes_denied", "You may not read personal data before and after changes.").WithFix("Ask the security lead for the permission to read the list of persons.")
	if err := audit.May(ctx, staff, by, actor.ReadPersons, "record.changes_read", object, refused); err != nil {
		return err
	}
	if h.Box == nil {
		return errs.New(errs.Unavailable, "console.changes_key", "What is sealed cannot be opened here: this server has no key.").WithFix("Open the page on a server that has it.")
	}
	if len(sealed) == 0 {
		return nil
	}
	// Each customer whose data they are finds it among its own entries.
	var tenants []string
	count, first, last := map[string]int{}, map[string]int64{}, map[string]int64{}
	for _, e := range sealed {
		if count[e.Tenant]++; count[e.Tenant] == 1 {
			tenants, last[e.Tenant] = append(tenants, e.Tenant), e.ID
		}
		first[e.Tenant] = e.ID
	}
	err := pg.InTx(ctx, staff, func(tx pgx.Tx) error {
		var events []audit.Event
		for _, t := range tenants {
			events = append(events, audit.Event{By: by, Tenant: t, Action: "record.changes_read", On: object,
				Detail: map[string]any{"entries": count[t], "from_entry": strconv.FormatInt(first[t], 10), "to_entry": strconv.FormatInt(last[t], 10)}})
		}
		return audit.Write(ctx, tx, events...)
	})
	if err != nil {
		return err
	}
	return audit.Open(ctx, staff, h.Box, entries)
}

// storyOf is one entry as a story tells it.
func storyOf(ctx context.Context, p *ui.Printer, names *Names, e *audit.Entry, opened bool) storyEntry {
	s := storyEntry{ID: "entry-" + strconv.FormatInt(e.ID, 10), Entry: entryPath(e.ID), When: p.Instant(e.At), Sealed: e.Sealed, Erased: e.Erased,
		Who: ui.Link{Label: names.Of(ctx, e.Actor.Kind, e.Actor.ID), Href: ui.At(RecordPath, nil, "actor", e.Actor.ID)}}
	if s.What, s.Code = done(p, e.Action); e.Refused {
		s.Refused = p.T("console.record.refused")
	}
	if e.Reason != "" {
		s.Details = append(s.Details, ui.Detail{Term: p.T("console.record.reason"), Text: e.Reason})
	}
	if t := tenantLink(p, e.Tenant); t != nil {
		s.Details = append(s.Details, ui.Detail{Term: p.T("console.record.tenant.label"), Link: t})
	}
	if tells(e) {
		s.Details = append(s.Details, ui.Detail{Term: p.T("console.record.occurred"), Text: p.Instant(e.Occurred)})
	}
	if d := p.Values(e.Detail, "console"); d != "" {
		s.Details = append(s.Details, ui.Detail{Term: p.T("console.record.detail"), Text: d})
	}
	if opened && e.Sealed && !e.Erased {
		s.Changes = changesTable(p, e.Changes)
	}
	return s
}

// tells reports whether an entry was written notably later than what it tells of happened.
func tells(e *audit.Entry) bool {
	return !e.Occurred.IsZero() && e.At.Sub(e.Occurred).Abs() >= time.Minute
}

// changesTable is personal data before and after, field by field.
func changesTable(p *ui.Printer, list []audit.Change) *ui.Table {
	t := &ui.Table{Caption: p.T("console.story.changes"), Columns: []ui.Column{{Label: p.T("console.story.field")}, {Label: p.T("console.story.before")}, {Label: p.T("console.story.after")}}}
	value := func(v *string) ui.Cell {
		switch {
		case v == nil:
			return ui.Cell{Note: p.T("console.story.nothing")}
		case *v == "":
			return ui.Cell{Note: p.T("console.story.empty")}
		}
		return ui.Cell{Text: *v}
	}
	for _, c := range list {
		t.Rows = append(t.Rows, []ui.Cell{{Code: c.Field}, value(c.Before), value(c.After)})
	}
	return t
}
