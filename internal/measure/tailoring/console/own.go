package console

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/measure/tailoring"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

// ownForm is the form of a measure of the company's own.
type ownForm struct {
	m       catalogue.OwnMeasure
	cadence string // as written

	Head  []ui.Field // id, section, kind, owner…
	Words []ui.Field // title, sentence, method; two languages in turn
	More  []ui.Field // checks, facts, references
}

func (f *ownForm) all() []*ui.Field {
	var out []*ui.Field
	for _, list := range [][]ui.Field{f.Head, f.Words, f.More} {
		for i := range list {
			out = append(out, &list[i])
		}
	}
	return out
}

type ownPage struct {
	Revision string
	Form     *ownForm
	Problems []problem
	Conflict *conflict
	Change   bool
	Denied   *ui.Notice
}

// ownFormOf reads a measure of one's own from the draft.
func ownFormOf(cat *catalogue.Catalogue, id string) *ownForm {
	for _, m := range cat.Tailoring().Own {
		if m.ID == id {
			return &ownForm{m: m, cadence: tailoring.Span(m.Cadence)}
		}
	}
	return &ownForm{m: catalogue.OwnMeasure{ID: id}}
}

// nextOwn proposes an id that is free.
func nextOwn(cat *catalogue.Catalogue) string {
	for n := 1; ; n++ {
		id := "OWN-" + strconv.Itoa(n)
		if _, taken := cat.Measure(id); !taken {
			return id
		}
	}
}

func sentOwn(r *web.Request, cat *catalogue.Catalogue, id string) *ownForm {
	list := func(name string) []string {
		var out []string
		for s := range strings.SplitSeq(sent(r, name), ",") {
			if s = strings.TrimSpace(s); s != "" && !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
		return out
	}
	f := &ownForm{cadence: strings.ReplaceAll(sent(r, "cadence"), " ", ""), m: catalogue.OwnMeasure{
		ID: id, Section: sent(r, "section"), Kind: catalogue.Kind(sent(r, "kind")), Owner: sent(r, "owner"), Operator: sent(r, "operator"),
		Attest: r.PostForm.Get("attest") != "", Checks: list("checks"), Facts: list("facts"), Refs: catalogue.Refs{GDPR: list("refs.gdpr"), ISO: list("refs.iso"), CNIL: list("refs.cnil"), Clauses: list("refs.clauses")},
		Title: catalogue.ByLanguage{}, Sentence: catalogue.ByLanguage{}, Method: catalogue.ByLanguage{},
	}}
	if r.PostForm.Get("per") != "" {
		f.m.Per = catalogue.PerSite
	}
	for _, lang := range cat.Languages() {
		f.m.Title[lang], f.m.Sentence[lang], f.m.Method[lang] = ui.Typeset(lang, sent(r, "title."+lang)), ui.Typeset(lang, sent(r, "sentence."+lang)), ui.Typeset(lang, sent(r, "method."+lang))
	}
	return f
}

// fields makes the form; fresh: of a measure that is not there yet.
func (f *ownForm) fields(p *ui.Printer, cat *catalogue.Catalogue, fresh bool) {
	m := f.m
	if fresh {
		f.Head = append(f.Head, ui.Field{Name: "id", Label: p.T("annexes.own.id"), Help: p.T("annexes.own.id.help"), Value: m.ID, Required: true, MaxLength: 9, Autocomplete: "off"})
	}
	section := ui.Field{Name: "section", Type: "select", Label: capital(p.T("annexes.field.section"))}
	for _, s := range cat.Sections {
		section.Options = append(section.Options, ui.Option{Value: s.ID, Label: s.ID + " · " + cat.SectionTitle(p.Lang(), s.ID), Selected: s.ID == m.Section})
	}
	kind := ui.Field{Name: "kind", Type: "select", Label: capital(p.T("annexes.field.kind")), Help: p.T("annexes.own.kind.help")}
	for _, k := range []catalogue.Kind{catalogue.Attested, catalogue.Checked} {
		kind.Options = append(kind.Options, ui.Option{Value: string(k), Label: p.KindName(ui.Kind(k)), Selected: k == m.Kind})
	}
	f.Head = append(f.Head, section, kind, ownerField(p, cat, m.Owner), operatorField(p, m.Operator),
		ui.Field{Name: "cadence", Label: capital(p.T("annexes.field.cadence")), Help: p.T("annexes.own.cadence.help"), Value: f.cadence, MaxLength: 12},
		ui.Field{Name: "attest", Type: "checkbox", Label: p.T("annexes.own.attest"), Checked: m.Attest && m.Kind != catalogue.Attested},
		ui.Field{Name: "per", Type: "checkbox", Label: p.T("annexes.own.per"), Checked: m.Per == catalogue.PerSite})
	f.Words = wordFields(p, cat, m.Title, m.Sentence, m.Method)
	joined := func(list []string) string { return strings.Join(list, ", ") }
	f.More = []ui.Field{
		{Name: "checks", Label: p.T("annexes.own.checks"), Help: p.T("annexes.own.checks.help"), Value: joined(m.Checks), MaxLength: 400},
		{Name: "facts", Label: p.T("annexes.own.facts"), Help: p.T("annexes.own.facts.help"), Value: joined(m.Facts), MaxLength: 400},
		{Name: "refs.gdpr", Label: p.T("annexes.own.gdpr"), Help: p.T("annexes.own.gdpr.help"), Value: joined(m.Refs.GDPR), Required: true, MaxLength: 200},
		{Name: "refs.iso", Label: p.T("annexes.own.iso"), Value: joined(m.Refs.ISO), MaxLength: 200},
		{Name: "refs.cnil", Label: p.T("annexes.own.cnil"), Value: joined(m.Refs.CNIL), MaxLength: 200},
		{Name: "refs.clauses", Label: p.T("annexes.own.clauses"), Help: p.T("annexes.own.clauses.help", "Names", cat.Clauses), Value: joined(m.Refs.Clauses), MaxLength: 400},
	}
}

// edits are those that write the measure whole.
func (f *ownForm) edits() []tailoring.Edit {
	return []tailoring.Edit{tailoring.SetOwn(f.m, f.cadence)}
}

func (h *pages) own(w http.ResponseWriter, r *web.Request) error {
	return h.showOwn(w, r, http.StatusOK, nil, nil)
}

func (h *pages) showOwn(w http.ResponseWriter, r *web.Request, status int, f *ownForm, wrong error) error {
	p := h.c.Printer(r)
	a, err := h.read(r.Context())
	if err != nil {
		return err
	}
	if a.cat == nil {
		return web.SeeOther(w, r, Path)
	}
	body := &ownPage{Revision: strconv.FormatInt(a.draft.Revision, 10), Change: r.Actor.May(actor.ChangeAnnex), Form: f}
	if !body.Change {
		body.Denied = &ui.Notice{Tone: ui.Info, Title: p.T("annexes.denied"), Text: p.T("annexes.denied.text")}
	}
	if f == nil {
		body.Form = &ownForm{cadence: "365d", m: catalogue.OwnMeasure{ID: nextOwn(a.cat), Kind: catalogue.Attested, Owner: "security", Refs: catalogue.Refs{GDPR: []string{"32(1)(b)"}}}}
	}
	body.Form.fields(p, a.cat, true)
	if wrong != nil {
		if _, ok := isConflict(wrong); ok {
			notice := conflictNotice(p)
			body.Conflict = &conflict{Notice: notice}
		} else if problems := problemsOf(p, wrong); len(problems) > 0 {
			for i, pr := range problems {
				if pr.at == "own."+body.Form.m.ID {
					problems[i].at = "own." + body.Form.m.ID + ".id"
				}
			}
			body.Problems = beside(problems, "own."+body.Form.m.ID+".", body.Form.all()...)
		} else {
			text, fix := p.Error(wrong)
			body.Problems = []problem{{Text: text, Fix: fix}}
		}
	}
	return h.write(w, status, "own", h.page(r, p.T("annexes.own.title"), OwnPath, body))
}

func (h *pages) addOwn(w http.ResponseWriter, r *web.Request) error {
	a, seen, err := h.edited(r)
	if err != nil {
		return err
	}
	id := strings.ToUpper(sent(r, "id"))
	f := sentOwn(r, a.cat, id)
	if a.cat.IsOwn(id) {
		err = errs.New(errs.Invalid, "tailoring.own_taken", "There is a measure "+id+" already.").With("at", "own."+id).With("Name", id).WithFix("Choose another number.")
		return h.showOwn(w, r, http.StatusUnprocessableEntity, f, err)
	}
	switch _, err = h.Book.Change(r.Context(), r.Actor, seen, f.edits()...); {
	case err == nil:
		return web.SeeOther(w, r, measurePath(id)+"?done=annex_saved")
	case correctable(err):
		return h.showOwn(w, r, http.StatusUnprocessableEntity, f, err)
	}
	return err
}

// saveOwn writes a measure of one's own that is there.
func (h *pages) saveOwn(w http.ResponseWriter, r *web.Request, a *annex, seen int64, id string) error {
	f := sentOwn(r, a.cat, id)
	if r.PostForm.Get("do") == "preview" {
		cat, err := h.Book.Try(a.draft.Text, f.edits()...)
		if err != nil {
			return h.showMeasure(w, r, http.StatusUnprocessableEntity, showing{own: f, wrong: err})
		}
		return h.showMeasure(w, r, http.StatusOK, showing{own: f, preview: cat})
	}
	switch _, err := h.Book.Change(r.Context(), r.Actor, seen, f.edits()...); {
	case err == nil:
		return web.SeeOther(w, r, measurePath(id)+"?done=annex_saved")
	case correctable(err):
		return h.showMeasure(w, r, http.StatusUnprocessableEntity, showing{own: f, wrong: err})
	default:
		return err
	}
}

func (h *pages) removeOwn(w http.ResponseWriter, r *web.Request) error {
	a, seen, err := h.edited(r)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	if !a.cat.IsOwn(id) {
		return noMeasure()
	}
	switch _, err = h.Book.Change(r.Context(), r.Actor, seen, tailoring.RemoveOwn(id)); {
	case err == nil:
		return web.SeeOther(w, r, Path+"?done=annex_removed")
	case correctable(err):
		return h.showMeasure(w, r, http.StatusUnprocessableEntity, showing{wrong: err})
	}
	return err
}
