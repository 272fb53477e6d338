package register

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

type formPage struct {
	Post     string
	Cancel   string
	Revision int64 // 0: of a new entry
	Problem  *ui.Notice
	Compare  *ui.Table // of a conflict
	Fields   []ui.Field
}

// draft is what somebody is writing.
type draft struct {
	entry   Entry  // zero: a new one
	values  Values // as they stand in the form
	faults  []Fault
	current *Entry // of a conflict: what somebody else has saved
}

func (h *pages) new(w http.ResponseWriter, r *web.Request) error {
	d, err := h.definition(r)
	if err != nil {
		return err
	}
	values := Values{}
	for _, f := range d.Fields { // a link may fill in what it knows: /registers/assets/new?kind=laptop
		if v := r.URL.Query().Get(f.Key); v != "" && !f.Fixed && !f.Personal {
			values[f.Key] = shorten(v, 200)
		}
	}
	return h.showForm(w, r, http.StatusOK, d, draft{values: values})
}

func (h *pages) create(w http.ResponseWriter, r *web.Request) error {
	d, err := h.definition(r)
	if err != nil {
		return err
	}
	if err := form(r); err != nil {
		return err
	}
	values := h.sent(r, d, Entry{})
	e, err := h.r.Create(r.Context(), r.Actor, d.Key, values, r.Now)
	var bad *Invalid
	if errors.As(err, &bad) {
		return h.showForm(w, r, http.StatusUnprocessableEntity, d, draft{values: values, faults: bad.Faults})
	}
	if err != nil {
		return err
	}
	return web.SeeOther(w, r, entryPath(d, e.ID.String())+"?done=register_created")
}

func (h *pages) edit(w http.ResponseWriter, r *web.Request) error {
	d, id, err := h.named(r)
	if err != nil {
		return err
	}
	e, err := h.r.Get(r.Context(), r.Actor, d.Key, id)
	if err != nil {
		return err
	}
	return h.showForm(w, r, http.StatusOK, d, draft{entry: e, values: e.Values})
}

func (h *pages) update(w http.ResponseWriter, r *web.Request) error {
	d, id, err := h.named(r)
	if err != nil {
		return err
	}
	if err := form(r); err != nil {
		return err
	}
	revision, _ := strconv.ParseInt(r.PostForm.Get("revision"), 10, 64) // none: a conflict
	e, err := h.r.Get(r.Context(), r.Actor, d.Key, id)
	if err != nil {
		return err
	}
	values := h.sent(r, d, e)
	_, err = h.r.Update(r.Context(), r.Actor, d.Key, id, revision, values, r.Now)
	var bad *Invalid
	var changed *Changed
	switch {
	case errors.As(err, &bad):
		e.Revision = revision
		return h.showForm(w, r, http.StatusUnprocessableEntity, d, draft{entry: e, values: values, faults: bad.Faults})
	case errors.As(err, &changed):
		return h.showForm(w, r, http.StatusConflict, d, draft{entry: changed.Current, values: values, current: &changed.Current})
	case err != nil:
		return err
	}
	return web.SeeOther(w, r, entryPath(d, id.String())+"?done=register_saved")
}

// editable lists the fields that a form shows to somebody: what is theirs to see, or everything
// for a new entry.
func (h *pages) editable(by actor.Actor, d *Definition, e Entry) []Field {
	var out []Field
	for _, f := range d.Fields {
		switch {
		case f.Fixed, f.Personal && e.ID != uuid.Nil && !by.May(d.readPersonal()):
		case f.Type == Account && (!by.May(actor.ReadPersons) || h.r.Directory == nil):
		default:
			out = append(out, f)
		}
	}
	return out
}

// sent reads the values of a form.
func (h *pages) sent(r *web.Request, d *Definition, e Entry) Values {
	v := Values{}
	for _, f := range h.editable(r.Actor, d, e) {
		v[f.Key] = r.PostForm.Get(f.Key)
	}
	return v
}

func (h *pages) showForm(w http.ResponseWriter, r *web.Request, status int, d *Definition, f draft) error {
	p := h.c.Printer(r)
	body := &formPage{Post: listPath(d), Cancel: listPath(d), Revision: f.entry.Revision}
	title := p.T("register." + d.Key + ".new")
	var trail []ui.Link
	if f.entry.ID != uuid.Nil {
		s, err := h.show(r, p, d)
		if err != nil {
			return err
		}
		body.Post = entryPath(d, f.entry.ID.String())
		body.Cancel, title = body.Post, p.T("register.form.edit")
		trail = []ui.Link{{Label: s.label(d, f.entry), Href: body.Post}}
	}
	var err error
	if body.Fields, err = h.fields(r, p, d, f); err != nil {
		return err
	}
	switch {
	case f.current != nil:
		body.Problem = &ui.Notice{Tone: ui.Warning, Title: p.T("register.form.conflict"), Text: p.T("register.form.conflict.text"), Live: true}
		if body.Compare, err = h.compare(r, p, d, f); err != nil {
			return err
		}
	case len(f.faults) > 0:
		body.Problem = &ui.Notice{Tone: ui.Danger, Title: p.T("register.form.wrong"), Live: true}
		for _, x := range f.faults {
			if x.Field == "" {
				body.Problem.Text += p.T(x.ID, x.Args) + " "
			}
		}
	}
	return h.write(w, status, "form", h.page(r, d, title, body, trail...))
}

// compare sets what somebody has written beside what somebody else has saved meanwhile.
func (h *pages) compare(r *web.Request, p *ui.Printer, d *Definition, f draft) (*ui.Table, error) {
	s, err := h.show(r, p, d, f.values, f.current.Values)
	if err != nil {
		return nil, err
	}
	t := &ui.Table{Caption: p.T("register.form.compare"), Shown: true,
		Columns: []ui.Column{{Label: p.T("register.form.field")}, {Label: p.T("register.form.yours")}, {Label: p.T("register.form.theirs")}}}
	written := func(field Field, v Values) string {
		if v[field.Key] == "" {
			return p.T("register.entry.nothing")
		}
		return s.text(d, field, v[field.Key])
	}
	for _, field := range h.editable(r.Actor, d, f.entry) {
		mine, theirs := f.values[field.Key], f.current.Values[field.Key]
		if value, bad := parseValue(d, field, mine, h.r.option); bad == nil {
			mine = value
		}
		if mine != theirs {
			t.Rows = append(t.Rows, []ui.Cell{{Strong: fieldName(p, d, field.Key)}, {Text: written(field, Values{field.Key: mine})}, {Text: written(field, f.current.Values)}})
		}
	}
	if len(t.Rows) == 0 {
		return nil, nil //nolint:nilnil // both wrote the same
	}
	return t, nil
}

// fields makes the fields of a form.
func (h *pages) fields(r *web.Request, p *ui.Printer, d *Definition, f draft) ([]ui.Field, error) {
	wrong := map[string]string{}
	for _, x := range f.faults {
		if wrong[x.Field] == "" {
			wrong[x.Field] = p.T(x.ID, x.Args)
		}
	}
	options := map[string][]Option{} // of each register, once
	var out []ui.Field
	focused := false
	for _, field := range h.editable(r.Actor, d, f.entry) {
		u := ui.Field{Name: field.Key, Label: fieldName(p, d, field.Key), Value: f.values[field.Key], Required: field.Required, Error: wrong[field.Key], Autocomplete: "off"}
		if id := fieldID(d, field.Key) + ".help"; p.Has(id) {
			u.Help = p.T(id)
		}
		if u.Error != "" && !focused {
			u.Focus, focused = true, true
		}
		if err := h.control(r, p, d, field, &u, options); err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	return out, nil
}

// control makes a field what its type asks for.
func (h *pages) control(r *web.Request, p *ui.Printer, d *Definition, field Field, u *ui.Field, options map[string][]Option) error {
	choose := func(value, label string) {
		u.Options = append(u.Options, ui.Option{Value: value, Label: label, Selected: value == u.Value})
	}
	switch field.Type {
	case LongText:
		u.Type, u.Rows, u.MaxLength = "textarea", 5, field.maxLetters()
		if field.maxLetters() > 4000 {
			u.Rows = 16
		}
	case Date, Email:
		u.Type = string(field.Type)
	case URL:
		u.Type, u.MaxLength = "url", field.maxLetters()
	case Number:
		u.InputMode = "numeric"
	case List:
		u.MaxLength = field.maxLetters()
		if u.Help == "" {
			u.Help = p.T("register.form.list_help")
		}
	case Bool:
		u.Type = "select"
		choose("", p.T("register.form.choose"))
		choose("true", p.T("register.yes"))
		choose("false", p.T("register.no"))
	case Choice:
		u.Type = "select"
		choose("", p.T("register.form.choose"))
		for _, o := range field.Options {
			choose(o, p.T(optionID(d, field, o)))
		}
	case Reference:
		return h.reference(r, p, field, u, options, choose)
	case Account:
		u.Type = "select"
		choose("", p.T("register.form.choose"))
		people, err := h.r.Directory.Everybody(r.Context(), r.Actor)
		if err != nil {
			return err
		}
		for _, one := range people {
			choose(one.ID.String(), one.Name)
		}
	default:
		u.MaxLength = field.maxLetters()
	}
	return nil
}

// reference lets one choose an entry, or write its name where there are too many to choose from.
func (h *pages) reference(r *web.Request, p *ui.Printer, field Field, u *ui.Field, options map[string][]Option, choose func(value, label string)) error {
	list, known := options[field.To]
	if !known {
		var err error
		if list, err = h.r.Options(r.Context(), r.Actor, field.To); err != nil {
			return err
		}
		options[field.To] = list
	}
	s := &shower{p: p, r: h.r}
	if list != nil {
		u.Type = "select"
		choose("", p.T("register.form.choose"))
		seen := u.Value == ""
		for _, o := range list {
			choose(o.ID.String(), s.optionName(field.To, o))
			seen = seen || o.ID.String() == u.Value
		}
		if !seen { // out of use, or gone: it stays chosen until somebody chooses another
			names, err := h.nameOf(r, u.Value)
			if err != nil {
				return err
			}
			s.names = names
			choose(u.Value, s.name(field.To, u.Value))
		}
		return nil
	}
	help := "register.form.write_name"
	if to, err := h.r.Definition(field.To); err == nil && to.personal() {
		help = "register.form.write_email"
	}
	if u.Help = p.T(help); u.Value != "" {
		if id, err := uuid.Parse(u.Value); err == nil {
			known := map[uuid.UUID]string{}
			if err := h.r.writtenNames(r.Context(), r.Actor, []Field{field}, []Entry{{Values: Values{field.Key: u.Value}}}, known); err != nil {
				return err
			}
			if known[id] != "" {
				u.Value = known[id]
			}
		}
	}
	return nil
}

func (h *pages) nameOf(r *web.Request, id string) (map[uuid.UUID]string, error) {
	parsed, err := uuid.Parse(id)
	if err != nil {
		return nil, nil //nolint:nilnil,nilerr // no id: no name
	}
	return h.r.Names(r.Context(), r.Actor, []uuid.UUID{parsed})
}

func (h *pages) move(w http.ResponseWriter, r *web.Request) error {
	d, id, err := h.named(r)
	if err != nil {
		return err
	}
	if err := form(r); err != nil {
		return err
	}
	revision, _ := strconv.ParseInt(r.PostForm.Get("revision"), 10, 64)
	_, err = h.r.Move(r.Context(), r.Actor, d.Key, id, revision, r.PostForm.Get("to"), r.Now)
	if errs.Is(err, errs.Invalid) || errs.Is(err, errs.Conflict) {
		return h.showEntry(w, r, d, id, err)
	}
	if err != nil {
		return err
	}
	return web.SeeOther(w, r, entryPath(d, id.String())+"?done=register_moved")
}

func (h *pages) remove(w http.ResponseWriter, r *web.Request) error {
	d, id, err := h.named(r)
	if err != nil {
		return err
	}
	if err := form(r); err != nil {
		return err
	}
	revision, _ := strconv.ParseInt(r.PostForm.Get("revision"), 10, 64)
	err = h.r.Remove(r.Context(), r.Actor, d.Key, id, revision, r.Now)
	if errs.Is(err, errs.Conflict) {
		return h.showEntry(w, r, d, id, err)
	}
	if err != nil {
		return err
	}
	return web.SeeOther(w, r, listPath(d)+"?done=register_removed")
}
