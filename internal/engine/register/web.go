package register

import (
	"cmp"
	"context"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/document"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// Path is where the registers are in the console.
const Path = "/registers"

// TaskPath is where somebody reads and acknowledges a document.
const TaskPath = "/tasks/acknowledge/"

const pageSize = 25

// pages are the handlers of this package.
type pages struct {
	c         *console.Chrome
	r         *Registers
	templates map[string]*template.Template
}

// Pages makes the routes of the registers, puts them into the navigation of c, and registers with
// it what is due.
func Pages(c *console.Chrome, r *Registers) ([]web.Route, error) {
	h := &pages{c: c, r: r, templates: map[string]*template.Template{}}
	for _, name := range []string{"registers", "list", "entry", "form", "import", "task"} {
		t, err := ui.Parse("console", templates, "templates/"+name+".html")
		if err != nil {
			return nil, err
		}
		h.templates[name] = t
	}
	c.AddItems(h.items)
	c.AddDue(console.DueSource{Count: h.countDue, List: h.due, Tells: h.tells})
	h.addPopulations()
	const entry = Path + "/{key}/{id}"
	return []web.Route{
		{Pattern: "GET " + Path, Permission: actor.ReadRegisters, Handler: h.registers},
		{Pattern: "GET " + Path + "/{key}", Permission: actor.ReadRegisters, Handler: h.list},
		{Pattern: "GET " + Path + "/{key}/export.csv", Permission: actor.ReadRegisters, Handler: h.export},
		{Pattern: "GET " + Path + "/{key}/template.csv", Permission: actor.ReadRegisters, Handler: h.template},
		{Pattern: "GET " + Path + "/{key}/new", Permission: actor.ChangeRegisters, Handler: h.new},
		{Pattern: "POST " + Path + "/{key}", Permission: actor.ChangeRegisters, Handler: h.create, MaxBody: 1 << 20},
		{Pattern: "GET " + Path + "/{key}/import", Permission: actor.ChangeRegisters, Handler: h.importForm},
		{Pattern: "POST " + Path + "/{key}/import", Permission: actor.ChangeRegisters, Handler: h.importFile, MaxBody: MaxImport + 1<<20},
		{Pattern: "GET " + entry, Permission: actor.ReadRegisters, Handler: h.entry},
		{Pattern: "GET " + entry + "/edit", Permission: actor.ChangeRegisters, Handler: h.edit},
		{Pattern: "POST " + entry, Permission: actor.ChangeRegisters, Handler: h.update, MaxBody: 1 << 20},
		{Pattern: "POST " + entry + "/state", Permission: actor.ChangeRegisters, Handler: h.move},
		{Pattern: "POST " + entry + "/remove", Permission: actor.ChangeRegisters, Handler: h.remove},
		{Pattern: "POST " + entry + "/files", Permission: actor.ChangeRegisters, Handler: h.attach, MaxBody: document.MaxForm},
		{Pattern: "GET " + entry + "/files/{file}", Permission: actor.ReadRegisters, Handler: h.file},
		{Pattern: "GET " + TaskPath + "{id}", Permission: actor.OwnTasks, Handler: h.task},
		{Pattern: "POST " + TaskPath + "{id}", Permission: actor.OwnTasks, Handler: h.acknowledge},
	}, nil
}

// items are the registers in the navigation.
func (h *pages) items(r *web.Request) []ui.NavItem {
	if !r.Actor.May(actor.ReadRegisters) {
		return nil
	}
	p := h.c.Printer(r)
	var out []ui.NavItem
	for _, d := range h.r.Definitions() {
		if !r.Actor.May(d.read()) {
			continue
		}
		href := listPath(d)
		out = append(out, ui.NavItem{Href: href, Label: p.T(titleID(d)), Icon: d.Icon, Group: p.T("register.nav"),
			Current: r.URL.Path == href || strings.HasPrefix(r.URL.Path, href+"/")})
	}
	return out
}

func titleID(d *Definition) string { return "register." + d.Key + ".title" }

func listPath(d *Definition) string { return Path + "/" + d.Key }

func entryPath(d *Definition, id string) string { return listPath(d) + "/" + id }

func (h *pages) write(w http.ResponseWriter, status int, name string, p *ui.Page) error {
	return h.c.Write(w, status, h.templates[name], p)
}

// page makes a page of a register; trail are the links from the list to it.
func (h *pages) page(r *web.Request, d *Definition, title string, body any, trail ...ui.Link) *ui.Page {
	page := h.c.Page(r, titleID(d), listPath(d), body)
	if title != "" {
		page.Crumbs = append([]ui.Link{{Label: page.Title, Href: listPath(d)}}, trail...)
		page.Title = title
		page.Crumbs = append(page.Crumbs, ui.Link{Label: title})
	}
	return page
}

// definition is the register that an address names.
func (h *pages) definition(r *web.Request) (*Definition, error) {
	return h.r.Definition(r.PathValue("key"))
}

// named is the register and the entry that an address names.
func (h *pages) named(r *web.Request) (*Definition, uuid.UUID, error) {
	d, err := h.definition(r)
	if err != nil {
		return nil, uuid.Nil, err
	}
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return nil, uuid.Nil, errGone()
	}
	return d, id, nil
}

// form reads what a form sent.
func form(r *web.Request) error {
	if err := r.ParseForm(); err != nil {
		return errs.New(errs.Invalid, "console.form", "What was sent could not be read.").WithFix("Go back, reload the page and try again.").Wrap(err)
	}
	return nil
}

// registersPage is the list of registers.
type registersPage struct{ Table ui.Table }

func (h *pages) registers(w http.ResponseWriter, r *web.Request) error {
	p := h.c.Printer(r)
	counts, err := h.r.Counts(r.Context())
	if err != nil {
		return err
	}
	body := &registersPage{Table: ui.Table{
		Caption: p.T("register.title"), Columns: []ui.Column{{Label: p.T("register.list.name")}, {Label: p.T("register.list.entries"), Numeric: true}},
		Empty: &ui.Empty{Title: p.T("register.list.nothing")},
	}}
	for _, d := range h.r.Definitions() {
		if r.Actor.May(d.read()) {
			body.Table.Rows = append(body.Table.Rows, []ui.Cell{
				{Link: &ui.Link{Label: p.T(titleID(d)), Href: listPath(d)}, Note: p.T("register." + d.Key + ".about")},
				{Text: p.Number(int64(counts[d.Key]))},
			})
		}
	}
	return h.write(w, http.StatusOK, "registers", h.c.Page(r, "register.title", Path, body))
}

// shower writes values for a reader.
type shower struct {
	p     *ui.Printer
	r     *Registers
	today calendar.Date
	names map[uuid.UUID]string
}

// show prepares to write the values of entries: it looks up what they name, all at once.
func (h *pages) show(r *web.Request, p *ui.Printer, d *Definition, values ...Values) (*shower, error) {
	var ids []uuid.UUID
	for _, v := range values {
		for _, f := range d.Fields {
			if f.Type == Reference && v[f.Key] != "" {
				if id, err := uuid.Parse(v[f.Key]); err == nil {
					ids = append(ids, id)
				}
			}
		}
	}
	names, err := h.r.Names(r.Context(), r.Actor, ids)
	return &shower{p: p, r: h.r, today: h.r.today(r.Context(), r.Now), names: names}, err
}

// day writes a date.
func (s *shower) day(value string) string {
	d, err := calendar.Parse(value)
	if err != nil {
		return value
	}
	return s.p.Day(d.Start(s.p.Zone()))
}

// text writes a value on one line.
func (s *shower) text(d *Definition, f Field, value string) string {
	if value == "" {
		return ""
	}
	switch f.Type {
	case Date:
		return s.day(value)
	case Bool:
		if value == "true" {
			return s.p.T("register.yes")
		}
		return s.p.T("register.no")
	case Choice:
		return s.p.T(optionID(d, f, value))
	case Reference:
		return s.name(f.To, value)
	case List:
		return s.p.List(listWords(value))
	case Number:
		return value
	case Account:
		return console.ShortID(value)
	}
	return value
}

// name is what an entry of a register is called; the end of its id for who may not know, or when it is gone.
func (s *shower) name(register, id string) string {
	if parsed, err := uuid.Parse(id); err == nil && s.names[parsed] != "" {
		return s.names[parsed]
	}
	return s.nameless(register, id)
}

// nameless tells entries apart whose names the reader may not know: a person is called a colleague.
func (s *shower) nameless(register, id string) string {
	word := "register.nameless"
	if register == Persons {
		word = "register.nameless.person"
	}
	return s.p.T(word, "ID", console.ShortID(id))
}

// cell writes a value for a table.
func (s *shower) cell(d *Definition, e Entry, key string) ui.Cell {
	if key == "state" {
		return ui.Cell{Chip: s.p.T(stateID(d, e.State))}
	}
	f, _ := d.Field(key)
	value := e.Values[key]
	cell := ui.Cell{Text: s.text(d, f, value)}
	switch {
	case f.Personal && e.Unreadable:
		cell.Text = "–"
	case f.Personal && e.Hidden:
		cell.Text = s.p.T("register.hidden")
	case value == "":
		return ui.Cell{Text: "–"}
	case f.Type == Reference:
		cell = ui.Cell{Link: &ui.Link{Label: cell.Text, Href: Path + "/" + f.To + "/" + value}}
	case f.Type == LongText:
		cell.Text = shorten(value, 80)
	}
	if key == d.Label {
		cell = ui.Cell{Link: &ui.Link{Label: s.label(d, e), Href: entryPath(d, e.ID.String())}}
	}
	for _, reminder := range d.Reminders {
		if reminder.Field == key && value != "" && value < s.today.String() && !d.over(e.State) {
			cell.State = ui.Stale
		}
	}
	return cell
}

// over reports whether entries in a state are out of use.
func (d *Definition) over(state string) bool {
	s, _ := d.State(state)
	return s.Over
}

// label is what an entry is called.
func (s *shower) label(d *Definition, e Entry) string {
	return cmp.Or(e.Values[d.Label], s.nameless(d.Key, e.ID.String()))
}

// at is an address with a query.
func at(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// Counts counts the entries of each register, those out of use too.
func (r *Registers) Counts(ctx context.Context) (map[string]int, error) {
	type key struct{}
	return web.Once(ctx, key{}, func() (map[string]int, error) { return countAll(ctx, r.DB) })
}
