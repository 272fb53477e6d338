package console

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/measure/tailoring"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

// setting is a figure that the annex announces.
type setting struct {
	Name     string
	Quoted   []ui.Link // measures whose words quote it
	Original string    // the catalogue's, in words; empty: one's own
	Value    string    // announced now, in words
	Estate   bool      // garant.yaml says what is announced, whatever stands here
	Changed  bool
	Weaker   bool
	Field    ui.Field
	now      string // what the draft says, as annex.yaml has it
}

type parametersPage struct {
	Revision string
	Settings []setting
	Fresh    []ui.Field // name, kind and value of one that is added
	Change   bool
	Problems []problem
	Conflict *conflict
}

func (h *pages) parameters(w http.ResponseWriter, r *web.Request) error {
	return h.showParameters(w, r, http.StatusOK, nil, nil)
}

// showParameters shows the figures; values are what was sent, by name, nil: the draft's.
func (h *pages) showParameters(w http.ResponseWriter, r *web.Request, status int, values map[string]string, wrong error) error {
	p := h.c.Printer(r)
	a, err := h.read(r.Context())
	if err != nil {
		return err
	}
	if a.cat == nil {
		return web.SeeOther(w, r, Path)
	}
	view, err := h.Runner.Effective(r.Context())
	if err != nil {
		return err
	}
	reg, err := h.Runner.Registry.For(a.cat, view.Estate)
	if err != nil {
		return err
	}
	announced, asked := reg.Figures(view.Estate), measure.Figures(a.cat)
	quoting := quotes(a.cat)
	body := &parametersPage{Revision: strconv.FormatInt(a.draft.Revision, 10), Change: r.Actor.May(actor.ChangeAnnex)}
	for _, name := range ordered(a.cat, quoting) {
		v := a.cat.Parameters[name]
		original, theirs := h.Book.Base.Parameters[name]
		s := setting{Name: name, now: notation(v), Value: announced[name].Words(p, p.Instant)}
		s.Estate = s.Value != asked[name].Words(p, p.Instant)
		for _, id := range quoting[name] {
			s.Quoted = append(s.Quoted, ui.Link{Label: id, Href: measurePath(id)})
		}
		if theirs {
			s.Original = words(p, original)
			s.Changed = notation(original) != notation(v)
			s.Weaker = s.Changed && tailoring.Strength(original, v) == tailoring.Weakened
		}
		s.Field = ui.Field{Name: "p." + name, Label: called(p, name), Help: name, Value: notation(v), MaxLength: 400, Autocomplete: "off"}
		if sent, ok := values[name]; ok {
			s.Field.Value = sent
		}
		body.Settings = append(body.Settings, s)
	}
	body.Fresh = []ui.Field{
		{Name: "own.name", Label: p.T("annexes.parameters.name"), Help: p.T("annexes.parameters.name.help"), Value: values["own.name"], MaxLength: 80, Autocomplete: "off"},
		{Name: "own.kind", Type: "select", Label: p.T("annexes.parameters.kind")},
		{Name: "own.value", Label: p.T("annexes.parameters.value"), Help: p.T("annexes.parameters.value.help"), Value: values["own.value"], MaxLength: 400, Autocomplete: "off"},
	}
	for _, k := range []string{catalogue.DurationKind, catalogue.CountKind, catalogue.TextKind, catalogue.ListKind} {
		body.Fresh[1].Options = append(body.Fresh[1].Options, ui.Option{Value: k, Label: p.T("annexes.value." + k), Selected: values["own.kind"] == k})
	}
	body.wrong(p, values, wrong)
	return h.write(w, status, "parameters", h.page(r, p.T("annexes.parameters.title"), ParametersPath, body))
}

func (b *parametersPage) wrong(p *ui.Printer, values map[string]string, wrong error) {
	if wrong == nil {
		return
	}
	if c, ok := isConflict(wrong); ok {
		notice := conflictNotice(p)
		b.Conflict = &conflict{Notice: notice}
		for _, s := range b.Settings {
			if sent, ok := values[s.Name]; ok && sent != s.now {
				b.Conflict.Theirs = append(b.Conflict.Theirs, ui.Detail{Term: s.Name, Text: s.Value})
			}
		}
		b.Revision = strconv.FormatInt(c.Theirs.Revision, 10)
		return
	}
	var fields []*ui.Field
	for i := range b.Settings {
		fields = append(fields, &b.Settings[i].Field)
	}
	problems := problemsOf(p, wrong)
	if len(problems) == 0 {
		text, fix := p.Error(wrong)
		b.Problems = []problem{{Text: text, Fix: fix}}
		return
	}
	for i, pr := range problems {
		name, ok := strings.CutPrefix(pr.at, "parameters.")
		switch {
		case ok && name == ownName(values["own.name"]) && values["own.name"] != "":
			problems[i].at = "parameters.own.value"
		case ok:
			problems[i].at = "parameters.p." + name
		}
	}
	for i := range b.Fresh {
		fields = append(fields, &b.Fresh[i])
	}
	b.Problems = beside(problems, "parameters.", fields...)
}

// called is what a figure of the catalogue is, in words; the name of one's own.
func called(p *ui.Printer, name string) string {
	if id := "annexes.parameter." + name; p.Has(id) {
		return p.T(id)
	}
	return name
}

// ownName is the name of a parameter of one's own, however it was written.
func ownName(s string) string {
	if s = strings.ToLower(s); s != "" && !strings.HasPrefix(s, "own.") {
		return "own." + s
	}
	return s
}

// quotes tells which measures quote each name.
func quotes(cat *catalogue.Catalogue) map[string][]string {
	out := map[string][]string{}
	lang := cat.Languages()[0]
	for _, m := range cat.Measures {
		w := cat.Words(lang, m.ID)
		for _, name := range append(w.Sentence.Names(), w.Method.Names()...) {
			if !slices.Contains(out[name], m.ID) {
				out[name] = append(out[name], m.ID)
			}
		}
	}
	return out
}

// ordered puts the parameters in the order in which the annex quotes them; what nobody quotes last.
func ordered(cat *catalogue.Catalogue, quoting map[string][]string) []string {
	place := map[string]int{}
	for i, m := range cat.Measures {
		place[m.ID] = i
	}
	at := func(name string) int {
		if len(quoting[name]) == 0 {
			return len(cat.Measures)
		}
		return place[quoting[name][0]]
	}
	names := make([]string, 0, len(cat.Parameters))
	for name := range cat.Parameters {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := at(a) - at(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return names
}

func (h *pages) saveParameters(w http.ResponseWriter, r *web.Request) error {
	a, seen, err := h.edited(r)
	if err != nil {
		return err
	}
	values := map[string]string{}
	var edits []tailoring.Edit
	for name, v := range a.cat.Parameters {
		if !r.PostForm.Has("p." + name) {
			continue
		}
		values[name] = sent(r, "p."+name)
		value := values[name]
		if original, theirs := h.Book.Base.Parameters[name]; theirs && value == notation(original) {
			value = ""
		}
		edits = append(edits, tailoring.SetParameter(v, value))
	}
	slices.SortFunc(edits, func(a, b tailoring.Edit) int { return strings.Compare(a.At(), b.At()) })
	if name := ownName(sent(r, "own.name")); name != "" {
		values["own.name"], values["own.kind"], values["own.value"] = name, sent(r, "own.kind"), sent(r, "own.value")
		fresh := catalogue.Parameter{Name: name, Kind: values["own.kind"]}
		_, taken := a.cat.Parameters[name]
		switch {
		case taken:
			err = errs.New(errs.Invalid, "tailoring.parameter_taken", "There is a parameter "+name+" already.").With("at", "parameters.own.name").With("Name", name).WithFix("Change it in the list.")
		case values["own.value"] == "":
			err = errs.New(errs.Invalid, "catalogue.empty", "The value is empty.").With("at", "parameters.own.value")
		}
		if err != nil {
			return h.showParameters(w, r, http.StatusUnprocessableEntity, values, err)
		}
		edits = append(edits, tailoring.SetParameter(fresh, values["own.value"]))
	}
	switch _, err = h.Book.Change(r.Context(), r.Actor, seen, edits...); {
	case err == nil:
		return web.SeeOther(w, r, ParametersPath+"?done=annex_saved")
	case correctable(err):
		return h.showParameters(w, r, http.StatusUnprocessableEntity, values, err)
	}
	return err
}
