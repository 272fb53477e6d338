package register

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

type listPage struct {
	About     string
	Path      string
	Total     string
	Filters   []ui.Field
	Filtered  bool
	Table     ui.Table
	Pager     ui.Pager
	CSV       string
	Import    string // empty: not for this reader
	New       string
	NewButton string
}

// query reads an address; narrowing holds what of it narrows the list, without the page.
func (h *pages) query(r *web.Request, d *Definition) (q Query, narrowing url.Values) {
	in, narrowing := r.URL.Query(), url.Values{}
	q = Query{Search: in.Get("q"), State: in.Get("state"), Due: in.Get("due"), Filters: map[string]string{}, After: in.Get("after"), Limit: pageSize}
	for name, value := range map[string]string{"q": q.Search, "state": q.State, "due": q.Due} {
		if value != "" {
			narrowing.Set(name, value)
		}
	}
	for _, f := range d.Filters {
		if value := in.Get(f); f != "state" && value != "" {
			q.Filters[f] = value
			narrowing.Set(f, value)
		}
	}
	return q, narrowing
}

func (h *pages) list(w http.ResponseWriter, r *web.Request) error {
	d, err := h.definition(r)
	if err != nil {
		return err
	}
	q, narrowing := h.query(r, d)
	found, err := h.r.List(r.Context(), r.Actor, d.Key, q, r.Now)
	if err != nil {
		return err
	}
	p := h.c.Printer(r)
	values := make([]Values, len(found.Entries))
	for i, e := range found.Entries {
		values[i] = e.Values
	}
	s, err := h.show(r, p, d, values...)
	if err != nil {
		return err
	}
	body := &listPage{
		About: p.T("register." + d.Key + ".about"), Path: listPath(d), Total: p.T("register.list.total", "Count", found.Total),
		Filtered: len(narrowing) > 0, CSV: at(listPath(d)+"/export.csv", narrowing),
		Table: ui.Table{Caption: p.T(titleID(d))},
	}
	if r.Actor.May(d.change()) {
		body.Import, body.New, body.NewButton = listPath(d)+"/import", listPath(d)+"/new", p.T("register."+d.Key+".new")
	}
	body.Table.Empty = &ui.Empty{Icon: d.Icon, Title: p.T("register.list.nothing"), Text: p.T("register.list.nothing.text")}
	if !body.Filtered {
		body.Table.Empty = &ui.Empty{Icon: d.Icon, Title: p.T("register.list.none"), Text: p.T("register." + d.Key + ".empty")}
		if body.New != "" {
			body.Table.Empty.Action = &ui.Button{Label: body.NewButton, Href: body.New, Icon: "plus", Primary: true}
		}
	}
	for _, c := range d.Columns {
		body.Table.Columns = append(body.Table.Columns, ui.Column{Label: fieldName(p, d, c)})
	}
	for _, e := range found.Entries {
		row := make([]ui.Cell, len(d.Columns))
		for i, c := range d.Columns {
			row[i] = s.cell(d, e, c)
		}
		body.Table.Rows = append(body.Table.Rows, row)
	}
	if body.Filters, err = h.filters(r, p, d, q, s); err != nil {
		return err
	}
	if q.After != "" {
		body.Pager.Newer = at(listPath(d), narrowing)
	}
	if found.Next != "" {
		next := url.Values{}
		for k, v := range narrowing {
			next[k] = v
		}
		next.Set("after", found.Next)
		body.Pager.Older = at(listPath(d), next)
	}
	return h.write(w, http.StatusOK, "list", h.page(r, d, "", body))
}

// maxFilterOptions is how many entries a filter offers; a longer one is not offered, but heeded
// when an address has it.
const maxFilterOptions = 60

// filters are the fields by which a list is narrowed.
func (h *pages) filters(r *web.Request, p *ui.Printer, d *Definition, q Query, s *shower) ([]ui.Field, error) {
	help := "register.list.search.plain"
	if slices.ContainsFunc(d.Fields, func(f Field) bool { return f.Type == Email && f.Unique }) {
		help = "register.list.search.help"
	}
	fields := []ui.Field{{Name: "q", Type: "search", Label: p.T(help), Value: q.Search, Autocomplete: "off", MaxLength: 200}}
	for _, key := range d.Filters {
		field := ui.Field{Name: key, Type: "select", Label: fieldName(p, d, key)}
		add := func(value, label string) {
			chosen := q.Filters[key]
			if key == "state" {
				chosen = q.State
			}
			field.Options = append(field.Options, ui.Option{Value: value, Label: label, Selected: value == chosen})
		}
		if key == "state" {
			add("", p.T("register.list.in_life"))
			for _, state := range d.States {
				add(state.Key, p.T(stateID(d, state.Key)))
			}
			add(Any, p.T("register.list.any"))
			fields = append(fields, field)
			continue
		}
		f, _ := d.Field(key)
		add("", p.T("register.list.every"))
		switch f.Type {
		case Bool:
			add("true", p.T("register.yes"))
			add("false", p.T("register.no"))
		case Choice:
			for _, o := range f.Options {
				add(o, p.T(optionID(d, f, o)))
			}
		case Reference:
			options, err := h.few(r, f.To)
			if err != nil {
				return nil, err
			}
			for _, o := range options {
				add(o.ID.String(), s.optionName(f.To, o))
			}
			if chosen := q.Filters[key]; options == nil && chosen != "" && chosen != None {
				named := s
				if id, err := uuid.Parse(chosen); err != nil || s.names[id] == "" { // not named by the entries that are shown
					if named, err = h.show(r, p, d, Values{key: chosen}); err != nil {
						return nil, err
					}
				}
				add(chosen, named.name(f.To, chosen))
			}
		}
		if !f.Required {
			add(None, p.T("register.none_value"))
		}
		fields = append(fields, field)
	}
	if q.Due != "" { // kept while other filters are set
		fields = append(fields, ui.Field{Name: "due", Type: "checkbox", Label: p.T("register.list.due_only"), Value: q.Due, Checked: true})
	}
	return fields, nil
}

// few lists the entries of a register that a filter offers; nil when there are too many.
func (h *pages) few(r *web.Request, key string) ([]Option, error) {
	return h.r.atMost(r.Context(), r.Actor, key, maxFilterOptions)
}

// optionName is what an option of a register is called.
func (s *shower) optionName(register string, o Option) string {
	return cmp.Or(o.Name, s.nameless(register, o.ID.String()))
}

func (h *pages) export(w http.ResponseWriter, r *web.Request) error {
	d, err := h.definition(r)
	if err != nil {
		return err
	}
	q, _ := h.query(r, d)
	header, next, err := h.r.Export(r.Context(), r.Actor, d.Key, q, r.Now)
	if err != nil {
		return err
	}
	return console.CSV(w, d.Key+".csv", header, next)
}

// template sends the first line of a file to import, by the names of the reader's language.
func (h *pages) template(w http.ResponseWriter, r *web.Request) error {
	d, err := h.definition(r)
	if err != nil {
		return err
	}
	p := h.c.Printer(r)
	var header []string
	for _, f := range d.Fields {
		if !f.Fixed && f.Type != Account {
			header = append(header, fieldName(p, d, f.Key))
		}
	}
	if len(d.States) > 1 {
		header = append(header, p.T("register.state"))
	}
	return console.CSV(w, d.Key+"-template.csv", header, console.Once(nil))
}
