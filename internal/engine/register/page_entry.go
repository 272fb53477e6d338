package register

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/document"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

type entryPage struct {
	Path     string
	Revision int64
	Edit     string // empty: not for this reader
	Problem  *ui.Notice
	Hidden   *ui.Notice
	Draft    *ui.Notice // the text has changed since it was published
	Details  []ui.Detail
	Texts    []text
	Moves    []ui.Action
	Read     *readBy
	Files    *filesPart
	History  ui.Table
	Pager    ui.Pager
	Remove   *ui.Action
}

// text is a longer value, with its line breaks.
type text struct{ Title, Text string }

// readBy tells who has acknowledged a document.
type readBy struct {
	Details []ui.Detail
	Missing []string
	All     bool
}

type filesPart struct {
	Table ui.Table
	Post  string // empty: not for this reader
	Field ui.Field
}

const historyPage = 15

func (h *pages) entry(w http.ResponseWriter, r *web.Request) error {
	d, id, err := h.named(r)
	if err != nil {
		return err
	}
	return h.showEntry(w, r, d, id, nil)
}

// showEntry shows an entry, with what went wrong with a change of it.
func (h *pages) showEntry(w http.ResponseWriter, r *web.Request, d *Definition, id uuid.UUID, problem error) error {
	e, err := h.r.Get(r.Context(), r.Actor, d.Key, id)
	if err != nil {
		return err
	}
	p := h.c.Printer(r)
	s, err := h.show(r, p, d, e.Values)
	if err != nil {
		return err
	}
	body := &entryPage{Path: entryPath(d, id.String()), Revision: e.Revision}
	status := http.StatusOK
	if problem != nil {
		status = errs.HTTPStatus(problem)
		body.Problem = h.problem(p, d, problem)
	}
	switch {
	case e.Unreadable:
		body.Hidden = &ui.Notice{Tone: ui.Warning, Text: p.T("register.unreadable")}
	case e.Hidden:
		body.Hidden = &ui.Notice{Text: p.T("register.hidden.about")}
	}
	h.describe(s, d, e, body)
	may := r.Actor.May(d.change())
	if may {
		body.Edit = body.Path + "/edit"
		body.Remove = &ui.Action{Post: body.Path + "/remove", Hidden: []ui.Hidden{{Name: "revision", Value: strconv.FormatInt(e.Revision, 10)}},
			Button: ui.Button{Label: p.T("register.entry.remove.button"), Icon: "trash", Danger: true}}
	}
	state, _ := d.State(e.State)
	for _, to := range state.To {
		next, _ := d.State(to)
		if may && (next.May == "" || r.Actor.May(next.May)) {
			body.Moves = append(body.Moves, ui.Action{Post: body.Path + "/state",
				Hidden: []ui.Hidden{{Name: "revision", Value: strconv.FormatInt(e.Revision, 10)}, {Name: "to", Value: to}},
				Button: ui.Button{Label: p.T("register." + d.Key + ".move." + to), Primary: next.Publishes && e.State != to}})
		}
	}
	if d.publishes() {
		if err := h.published(r, p, d, e, body); err != nil {
			return err
		}
	}
	if body.Files, err = h.files(r, p, d, e, may); err != nil {
		return err
	}
	if err := h.history(r, p, d, e, body); err != nil {
		return err
	}
	return h.write(w, status, "entry", h.page(r, d, s.label(d, e), body))
}

// problem is what went wrong with a change, for the page of the entry.
func (h *pages) problem(p *ui.Printer, d *Definition, problem error) *ui.Notice {
	n := &ui.Notice{Tone: ui.Danger, Live: true}
	n.Title, n.Text = p.Error(problem)
	if bad := invalidOf(problem); bad != nil {
		n.Text = ""
		for _, f := range bad.Faults {
			n.Text += f.words(p, d) + " "
		}
	}
	return n
}

// describe fills in the values of an entry.
func (h *pages) describe(s *shower, d *Definition, e Entry, body *entryPage) {
	p := s.p
	if len(d.States) > 1 {
		body.Details = append(body.Details, ui.Detail{Term: p.T("register.state"), Text: p.T(stateID(d, e.State))})
	}
	for _, f := range d.Fields {
		value, name := e.Values[f.Key], fieldName(p, d, f.Key)
		detail := ui.Detail{Term: name, Text: s.text(d, f, value)}
		switch {
		case f.Personal && (e.Hidden || e.Unreadable):
			detail.Text = p.T("register.hidden")
		case value == "":
			continue
		case f.Type == LongText:
			body.Texts = append(body.Texts, text{name, value})
			continue
		case f.Type == Reference:
			detail.Text, detail.Link = "", &ui.Link{Label: detail.Text, Href: Path + "/" + f.To + "/" + value}
		case f.Type == URL:
			detail.Text, detail.Link = "", &ui.Link{Label: value, Href: value}
		case f.Type == Date && value < s.today.String() && slices.ContainsFunc(d.Reminders, func(x Reminder) bool { return x.Field == f.Key }):
			detail.State = ui.Stale
		}
		body.Details = append(body.Details, detail)
	}
	if on := purgeOn(d, e.Values); on != nil {
		body.Details = append(body.Details, ui.Detail{Term: p.T("register.entry.purge"), Text: s.day(calendar.Of(*on, nil).String())})
	}
	body.Details = append(body.Details, ui.Detail{Term: p.T("register.entry.updated"), Time: e.UpdatedAt})
}

// published fills in which version is in force and who has acknowledged it.
func (h *pages) published(r *web.Request, p *ui.Printer, d *Definition, e Entry, body *entryPage) error {
	ack, err := h.r.Acknowledgements(r.Context(), r.Actor, e.ID, r.Now)
	if err != nil || ack.Version == 0 {
		return err
	}
	changed, err := h.r.changedSince(r.Context(), d, e)
	if err != nil {
		return err
	}
	if changed {
		body.Draft = &ui.Notice{Tone: ui.Warning, Text: p.T("register.entry.unpublished", "Version", ack.Version)}
	}
	if e.Values["acknowledge"] != "true" {
		return nil
	}
	body.Read = &readBy{All: len(ack.Missing) == 0 && ack.Asked > 0, Details: []ui.Detail{
		{Term: p.T("register.entry.read_by.version", "Version", ack.Version, "Day", p.OnDay(ack.At)),
			Text: p.T("register.entry.read_by.count", "Read", len(ack.Dated), "Asked", ack.Asked)},
	}}
	const named = 30
	ids := ack.Missing[:min(len(ack.Missing), named)]
	names, err := h.r.Names(r.Context(), r.Actor, ids)
	if err != nil {
		return err
	}
	s := &shower{p: p, names: names}
	for _, id := range ids {
		body.Read.Missing = append(body.Read.Missing, s.name(Persons, id.String()))
	}
	if more := ack.Asked - len(ack.Dated) - len(ids); more > 0 {
		body.Read.Missing = append(body.Read.Missing, p.T("register.due.more", "Count", more))
	}
	return nil
}

// files lists the documents attached to an entry.
func (h *pages) files(r *web.Request, p *ui.Printer, d *Definition, e Entry, may bool) (*filesPart, error) {
	list, err := h.r.Files(r.Context(), r.Actor, d.Key, e.ID)
	if err != nil || list == nil {
		return nil, err
	}
	part := &filesPart{Table: ui.Table{
		Caption: p.T("register.entry.files"), Columns: []ui.Column{{Label: p.T("register.entry.files.file")}, {Label: p.T("register.entry.history.when")}},
		Empty: &ui.Empty{Icon: "file", Title: p.T("register.entry.files.empty")},
	}}
	for _, f := range list {
		cell := ui.Cell{Link: &ui.Link{Label: f.Name, Href: entryPath(d, e.ID.String()) + "/files/" + f.ID.String()}, Note: f.Type + " · " + p.Bytes(f.Size)}
		if f.Erased || f.Unreadable {
			cell = ui.Cell{Text: p.T("register.erased")}
		}
		part.Table.Rows = append(part.Table.Rows, []ui.Cell{cell, {Time: f.AddedAt}})
	}
	if may {
		part.Post = entryPath(d, e.ID.String()) + "/files"
		part.Field = ui.Field{Name: "file", Type: "file", Label: p.T("register.entry.files.file"), Help: p.T("register.entry.files.help"), Required: true}
	}
	return part, nil
}

// history fills in what was changed, when and by whom.
func (h *pages) history(r *web.Request, p *ui.Printer, d *Definition, e Entry, body *entryPage) error {
	before, err := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64)
	if err != nil || before < 0 {
		before = 0
	}
	list, err := h.r.History(r.Context(), r.Actor, d.Key, e.ID, before, historyPage+1)
	if err != nil {
		return err
	}
	if before > 0 {
		body.Pager.Newer = body.Path
	}
	if len(list) > historyPage {
		list = list[:historyPage]
		body.Pager.Older = body.Path + "?before=" + strconv.FormatInt(list[historyPage-1].ID, 10)
	}
	var values []Values
	for _, c := range list {
		from, to := Values{}, Values{}
		for field, x := range c.Changes {
			from[field], to[field] = x.From, x.To
		}
		values = append(values, from, to)
	}
	s, err := h.show(r, p, d, values...)
	if err != nil {
		return err
	}
	names := h.c.Names(r, p)
	names.Learn(r.Context(), changedBy(list)...)
	body.History = ui.Table{
		Caption: p.T("register.entry.history"),
		Columns: []ui.Column{{Label: p.T("register.entry.history.when")}, {Label: p.T("register.entry.history.who")}, {Label: p.T("register.entry.history.what")}},
		Empty:   &ui.Empty{Icon: "history", Title: p.T("register.entry.history.empty")},
	}
	for _, c := range list {
		body.History.Rows = append(body.History.Rows, []ui.Cell{
			{Text: p.Instant(c.At)}, {Text: names.Of(r.Context(), c.Kind, c.Actor)},
			{Text: p.T("register.entry.action." + c.Action), Note: s.changes(d, c)},
		})
	}
	return nil
}

// changedBy are the persons who made changes.
func changedBy(list []Change) []string {
	var ids []string
	for _, c := range list {
		if c.Kind == actor.Person {
			ids = append(ids, c.Actor)
		}
	}
	return ids
}

// changes writes what was changed on one line.
func (s *shower) changes(d *Definition, c Change) string {
	written := func(key, value string) string {
		if value == "" {
			return s.p.T("register.entry.nothing")
		}
		if key == "state" {
			return s.p.T(stateID(d, value))
		}
		f, _ := d.Field(key)
		return shorten(strings.Join(strings.Fields(s.text(d, f, value)), " "), 60)
	}
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(c.Changes)) {
		x := c.Changes[key]
		f, known := d.Field(key)
		if !known && key != "state" || x.From == x.To { // of a field that there is no more; published anew
			continue
		}
		id := "register.entry.diff"
		if f.Personal {
			id = "register.entry.diff.personal"
		}
		parts = append(parts, s.p.T(id, "Field", fieldName(s.p, d, key), "From", written(key, x.From), "To", written(key, x.To)))
	}
	return strings.Join(parts, " · ")
}

func (h *pages) attach(w http.ResponseWriter, r *web.Request) error {
	d, id, err := h.named(r)
	if err != nil {
		return err
	}
	_, files, err := document.ParseForm(w, r.Request)
	if err == nil && len(files["file"]) == 0 {
		err = errs.New(errs.Invalid, "register.import.none", "Choose a file.")
	}
	for _, f := range files["file"] {
		if err == nil {
			err = h.r.Attach(r.Context(), r.Actor, d.Key, id, f, r.Now)
		}
	}
	if errs.Is(err, errs.Invalid) {
		return h.showEntry(w, r, d, id, err)
	}
	if err != nil {
		return err
	}
	return web.SeeOther(w, r, entryPath(d, id.String())+"?done=register_attached")
}

func (h *pages) file(w http.ResponseWriter, r *web.Request) error {
	d, id, err := h.named(r)
	if err != nil {
		return err
	}
	file, err := uuid.Parse(r.PathValue("file"))
	if err != nil {
		return errGone()
	}
	info, content, err := h.r.File(r.Context(), r.Actor, d.Key, id, file)
	if err != nil {
		return err
	}
	document.Serve(w, info, content)
	return nil
}
