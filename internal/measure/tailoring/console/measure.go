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

// said is what a measure says in one language.
type spoken struct {
	Lang, Language          string
	Title, Sentence, Method string
}

// figure is a name that the words quote.
type figure struct {
	Name, Value, Href string
	Fact              bool // seen by a check, not set by the company
}

type measurePage struct {
	ID, Path string
	Line     line
	Preview  []spoken // filled in
	Original []spoken // as the catalogue has it, with the names of figures
	Figures  []figure
	Revision string
	Change   bool
	Conflict *conflict
	Problems []problem
	Previews bool // the preview shows what was sent and not saved

	Fields   []ui.Field // title, sentence, method; two languages in turn
	Drops    []ui.Field
	Kind     *ui.Field // nil: it is attested anyway
	Owner    ui.Field
	Operator ui.Field
	Cadence  *ui.Field

	Excluded *ui.Notice
	Reasons  []ui.Field
	Own      *ownForm // a measure of one's own is edited by its own form
}

// conflict shows what somebody else wrote meanwhile.
type conflict struct {
	Notice ui.Notice
	Theirs []ui.Detail
	Text   string // whole texts
}

func noMeasure() error {
	return errs.New(errs.NotFound, "annexes.no_measure", "The annex has no such measure.").WithFix("Look in the list.")
}

// measureForm is what the form of a measure sent, or what the draft says.
type measureForm struct {
	title, sentence, method catalogue.ByLanguage
	drops                   map[string]string
	attested                bool
	owner, operator         string
	cadence                 string
}

// now reads the form's values from the draft.
func now(cat *catalogue.Catalogue, m catalogue.Measure) measureForm {
	f := measureForm{title: catalogue.ByLanguage{}, sentence: catalogue.ByLanguage{}, method: catalogue.ByLanguage{}, drops: map[string]string{}, owner: m.Owner, operator: m.Operator, cadence: cadence(m)}
	for _, lang := range cat.Languages() {
		w := cat.Words(lang, m.ID)
		f.title[lang], f.sentence[lang], f.method[lang] = w.Title, w.Sentence.String(), w.Method.String()
	}
	if t := cat.Tailoring(); t != nil {
		f.drops, f.attested = t.Measures[m.ID].Drops, t.Measures[m.ID].Attested
	}
	return f
}

func sentForm(r *web.Request, cat *catalogue.Catalogue, m catalogue.Measure) measureForm {
	f := measureForm{title: catalogue.ByLanguage{}, sentence: catalogue.ByLanguage{}, method: catalogue.ByLanguage{}, drops: map[string]string{},
		owner: sent(r, "owner"), operator: sent(r, "operator"), cadence: strings.ReplaceAll(sent(r, "cadence"), " ", ""), attested: r.PostForm.Get("attested") != ""}
	for _, lang := range cat.Languages() {
		f.title[lang], f.sentence[lang], f.method[lang] = ui.Typeset(lang, sent(r, "title."+lang)), ui.Typeset(lang, sent(r, "sentence."+lang)), ui.Typeset(lang, sent(r, "method."+lang))
	}
	for _, name := range quoted(cat.Base(), m.ID) {
		if why := sent(r, "drops."+name); why != "" {
			f.drops[name] = why
		}
	}
	return f
}

// quoted lists what the catalogue's own words quote.
func quoted(base *catalogue.Catalogue, id string) []string {
	lang := base.Languages()[0]
	names := base.Words(lang, id).Sentence.Names()
	for _, n := range base.Words(lang, id).Method.Names() {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

// edits are what the form changes: words that are the catalogue's are not written down.
func (f measureForm) edits(base *catalogue.Catalogue, id string) []tailoring.Edit {
	original, _ := base.Measure(id)
	then := now(base, original)
	attestedThen := now(attestedBase(base, id), original)
	unless := func(words, same catalogue.ByLanguage) catalogue.ByLanguage {
		for lang, s := range words {
			if s != same[lang] {
				return words
			}
		}
		return nil
	}
	// Ticking or unticking the box changes the words by itself: those that were on the page before are
	// nobody's own.
	method := unless(f.method, then.method)
	if method != nil && unless(f.method, attestedThen.method) == nil {
		method = nil
	}
	title, sentence := unless(f.title, then.title), unless(f.sentence, then.sentence)
	drops := map[string]string{}
	for name, why := range f.drops {
		if f.leavesOut(base, id, name, sentence, method) {
			drops[name] = why
		}
	}
	same := func(v, original string) string {
		if v == original {
			return ""
		}
		return v
	}
	every := same(f.cadence, then.cadence)
	if f.attested && every == attestedThen.cadence {
		every = ""
	}
	if !f.attested && original.Cadence == 0 {
		every = ""
	}
	return []tailoring.Edit{
		tailoring.SetWords(id, tailoring.FieldTitle, title), tailoring.SetWords(id, tailoring.FieldSentence, sentence), tailoring.SetWords(id, tailoring.FieldMethod, method),
		tailoring.SetOwner(id, same(f.owner, then.owner)), tailoring.SetOperator(id, same(f.operator, then.operator)), tailoring.SetCadence(id, every),
		tailoring.SetAttested(id, f.attested && original.Kind != catalogue.Attested), tailoring.SetDrops(id, drops),
	}
}

// leavesOut reports whether new words no longer quote a name that the old ones do.
func (f measureForm) leavesOut(base *catalogue.Catalogue, id, name string, sentence, method catalogue.ByLanguage) bool {
	for _, lang := range base.Languages() {
		was := base.Words(lang, id)
		if sentence != nil && slices.Contains(was.Sentence.Names(), name) && !strings.Contains(sentence[lang], "{"+name+"}") && !strings.Contains(sentence[lang], "{"+name+"|") {
			return true
		}
		if method != nil && !f.attested && slices.Contains(was.Method.Names(), name) && !strings.Contains(method[lang], "{"+name+"}") && !strings.Contains(method[lang], "{"+name+"|") {
			return true
		}
	}
	return false
}

// attestedBase is the catalogue with one measure attested; the catalogue itself when that cannot be.
func attestedBase(base *catalogue.Catalogue, id string) *catalogue.Catalogue {
	t, err := catalogue.ParseTailoring([]byte("measures: {" + id + ": {attested: true}}\n"))
	if err != nil {
		return base
	}
	if cat, err := base.Tailor(t); err == nil {
		return cat
	}
	return base
}

func (h *pages) measure(w http.ResponseWriter, r *web.Request) error {
	return h.showMeasure(w, r, http.StatusOK, showing{})
}

// showing is how the page of a measure is to be shown.
type showing struct {
	sent    *measureForm // nil: the draft's values
	own     *ownForm
	preview *catalogue.Catalogue // what the preview is made of; nil: the draft
	wrong   error
	reasons catalogue.ByLanguage // of an exclusion that was refused
}

func (h *pages) showMeasure(w http.ResponseWriter, r *web.Request, status int, show showing) error {
	p, id := h.c.Printer(r), r.PathValue("id")
	a, err := h.read(r.Context())
	if err != nil {
		return err
	}
	if a.cat == nil {
		return web.SeeOther(w, r, Path) // which says what is wrong with the draft
	}
	m, ok := a.cat.Measure(id)
	if !ok {
		return noMeasure()
	}
	all, err := h.lines(r, p, a)
	if err != nil {
		return err
	}
	body := &measurePage{ID: id, Path: measurePath(id), Revision: strconv.FormatInt(a.draft.Revision, 10), Change: r.Actor.May(actor.ChangeAnnex)}
	body.Line = all[slices.IndexFunc(all, func(l line) bool { return l.ID == id })]
	preview := a.cat
	if show.preview != nil {
		preview, body.Previews = show.preview, true
	}
	if err := h.speak(r, body, preview, m); err != nil {
		return err
	}
	if m.Excluded != nil {
		body.Excluded = &ui.Notice{Tone: ui.Info, Title: p.T("annexes.excluded"), Text: m.Excluded.Reason[p.Lang()]}
	}
	if a.cat.IsOwn(id) {
		body.Own = show.own
		if body.Own == nil {
			body.Own = ownFormOf(a.cat, id)
		}
		body.Own.fields(p, a.cat, false)
	} else {
		body.original(p, h.Book.Base, m)
		values := now(a.cat, m)
		if show.sent != nil {
			values = *show.sent
		}
		body.fields(p, a.cat, m, values)
	}
	body.reasons(p, a.cat, m, show.reasons)
	if show.wrong != nil {
		body.wrong(p, a, show)
	}
	page := h.page(r, id+" · "+a.cat.Words(p.Lang(), id).Title, body.Path, body)
	return h.write(w, status, "measure", page)
}

// wrong shows why something was not saved.
func (b *measurePage) wrong(p *ui.Printer, a *annex, show showing) {
	if c, ok := isConflict(show.wrong); ok {
		b.Conflict = &conflict{}
		b.Conflict.Notice = conflictNotice(p)
		m, _ := a.cat.Measure(b.ID)
		for _, lang := range langs(a.cat) {
			w := a.cat.Words(lang, m.ID)
			b.Conflict.Theirs = append(b.Conflict.Theirs,
				ui.Detail{Term: capital(p.T("annexes.field.sentence")) + " · " + language(p, lang), Text: w.Sentence.String()},
				ui.Detail{Term: capital(p.T("annexes.field.method")) + " · " + language(p, lang), Text: w.Method.String()})
		}
		b.Conflict.Theirs = append(b.Conflict.Theirs, ui.Detail{Term: capital(p.T("annexes.field.owner")), Text: a.cat.TeamName(p.Lang(), m.Owner)})
		b.Revision = strconv.FormatInt(c.Theirs.Revision, 10)
		return
	}
	problems := problemsOf(p, show.wrong)
	if len(problems) == 0 {
		text, fix := p.Error(show.wrong)
		b.Problems = []problem{{Text: text, Fix: fix}}
		return
	}
	// A figure that was dropped can be left out on purpose: the page asks why.
	for _, e := range catalogue.Problems(show.wrong) {
		name, _ := e.Args["Name"].(string)
		if e.ID == "tailoring.dropped" && !slices.ContainsFunc(b.Drops, func(f ui.Field) bool { return f.Name == "drops."+name }) {
			b.Drops = append(b.Drops, dropField(p, name, ""))
		}
	}
	fields := []*ui.Field{&b.Owner, &b.Operator}
	for i := range b.Fields {
		fields = append(fields, &b.Fields[i])
	}
	for i := range b.Drops {
		fields = append(fields, &b.Drops[i])
	}
	for i := range b.Reasons {
		fields = append(fields, &b.Reasons[i])
	}
	for _, f := range []*ui.Field{b.Kind, b.Cadence} {
		if f != nil {
			fields = append(fields, f)
		}
	}
	if b.Own != nil {
		b.Problems = beside(problems, "own."+b.ID+".", b.Own.all()...)
		return
	}
	b.Problems = beside(problems, "measures."+b.ID+".", fields...)
}

func conflictNotice(p *ui.Printer) ui.Notice {
	return ui.Notice{Tone: ui.Warning, Title: p.T("annexes.conflict"), Text: p.T("annexes.conflict.text"), Live: true}
}

// speak fills the sentences in, in every language, and lists the figures.
func (h *pages) speak(r *web.Request, b *measurePage, cat *catalogue.Catalogue, m catalogue.Measure) error {
	view, known, err := h.registry(r.Context(), cat)
	if err != nil {
		return err
	}
	figures := view.Registry.Figures(view.Estate)
	status := view.Registry.Derive(m.ID, view, known, r.Now)
	own := h.c.Printer(r)
	for _, lang := range langs(cat) {
		p, said := h.c.Messages.For(lang, own.Zone()), cat.Words(lang, m.ID)
		b.Preview = append(b.Preview, spoken{Lang: lang, Language: language(own, lang), Title: said.Title, Sentence: Fill(p, said.Sentence, figures, status.Facts), Method: Fill(p, said.Method, figures, status.Facts)})
	}
	said := cat.Words(own.Lang(), m.ID)
	for _, name := range append(said.Sentence.Names(), said.Method.Names()...) {
		if slices.ContainsFunc(b.Figures, func(f figure) bool { return f.Name == name }) {
			continue
		}
		f := figure{Name: name, Value: unknown, Fact: true}
		if v, ok := figures[name]; ok {
			f.Value, f.Href, f.Fact = v.Words(own, own.Instant), ParametersPath+"#p."+name, false
		} else if v, ok := status.Facts[name]; ok {
			f.Value = v.Words(own, own.Instant)
		}
		b.Figures = append(b.Figures, f)
	}
	return nil
}

func (b *measurePage) original(p *ui.Printer, base *catalogue.Catalogue, m catalogue.Measure) {
	for _, lang := range langs(base) {
		w := base.Words(lang, m.ID)
		b.Original = append(b.Original, spoken{Lang: lang, Language: language(p, lang), Title: w.Title, Sentence: w.Sentence.String(), Method: w.Method.String()})
	}
}

// fields makes the form.
func (b *measurePage) fields(p *ui.Printer, cat *catalogue.Catalogue, m catalogue.Measure, f measureForm) {
	original, _ := cat.Base().Measure(m.ID)
	b.Fields = wordFields(p, cat, f.title, f.sentence, f.method)
	for _, name := range quoted(cat.Base(), m.ID) {
		if why := f.drops[name]; why != "" {
			b.Drops = append(b.Drops, dropField(p, name, why))
		}
	}
	if original.Kind != catalogue.Attested {
		b.Kind = &ui.Field{Name: "attested", Type: "checkbox", Label: p.T("annexes.attested"), Help: p.T("annexes.attested.help", "Kind", p.KindName(ui.Kind(original.Kind))), Checked: f.attested}
	}
	b.Owner = ownerField(p, cat, f.owner)
	b.Operator = operatorField(p, f.operator)
	if original.Kind != catalogue.Attested || original.Cadence > 0 {
		b.Cadence = &ui.Field{Name: "cadence", Label: capital(p.T("annexes.field.cadence")), Help: p.T("annexes.cadence.help"), Value: f.cadence, MaxLength: 12}
	}
}

// wordFields are title, sentence and method, each in every language.
func wordFields(p *ui.Printer, cat *catalogue.Catalogue, title, sentence, method catalogue.ByLanguage) []ui.Field {
	var out []ui.Field
	for _, f := range []struct {
		name  string
		words catalogue.ByLanguage
		rows  int
	}{{"title", title, 0}, {"sentence", sentence, 4}, {"method", method, 5}} {
		for _, lang := range langs(cat) {
			field := ui.Field{Name: f.name + "." + lang, Label: capital(p.T("annexes.field."+f.name)) + " · " + language(p, lang), Value: f.words[lang], Required: true, MaxLength: 4000, Autocomplete: "off"}
			if f.rows > 0 {
				field.Type, field.Rows = "textarea", f.rows
			}
			out = append(out, field)
		}
	}
	return out
}

func dropField(p *ui.Printer, name, why string) ui.Field {
	return ui.Field{Name: "drops." + name, Label: p.T("annexes.drop", "Name", name), Help: p.T("annexes.drop.help"), Value: why, MaxLength: 200}
}

func ownerField(p *ui.Printer, cat *catalogue.Catalogue, owner string) ui.Field {
	f := ui.Field{Name: "owner", Type: "select", Label: capital(p.T("annexes.field.owner"))}
	for _, t := range cat.Teams() {
		f.Options = append(f.Options, ui.Option{Value: t, Label: cat.TeamName(p.Lang(), t), Selected: t == owner})
	}
	return f
}

func operatorField(p *ui.Printer, operator string) ui.Field {
	f := ui.Field{Name: "operator", Type: "select", Label: capital(p.T("annexes.field.operator"))}
	for _, o := range []string{catalogue.Own, catalogue.Supplier} {
		f.Options = append(f.Options, ui.Option{Value: o, Label: p.T("annexes.operator." + o), Selected: o == operator})
	}
	return f
}

// reasons makes the form of an exclusion.
func (b *measurePage) reasons(p *ui.Printer, cat *catalogue.Catalogue, m catalogue.Measure, sent catalogue.ByLanguage) {
	if b.Own != nil {
		return // one's own is removed
	}
	for _, lang := range langs(cat) {
		v := ""
		if m.Excluded != nil {
			v = m.Excluded.Reason[lang]
		}
		if sent != nil {
			v = sent[lang]
		}
		b.Reasons = append(b.Reasons, ui.Field{Name: "excluded.reason." + lang, Type: "textarea", Rows: 2, Label: p.T("annexes.reason") + " · " + language(p, lang), Value: v, MaxLength: 4000, Required: true})
	}
}

// revision is that of the draft which the sender had before them.
func revision(r *web.Request) (int64, error) {
	n, err := strconv.ParseInt(r.PostForm.Get("revision"), 10, 64)
	if err != nil || n < 0 {
		return 0, errs.New(errs.Invalid, "console.form", "What was sent could not be read.").WithFix("Go back, reload the page and try again.")
	}
	return n, nil
}

// edited is the draft that a form changes, as it is now, and the revision that its sender saw.
func (h *pages) edited(r *web.Request) (a *annex, seen int64, err error) {
	if err := form(r); err != nil {
		return nil, 0, err
	}
	if seen, err = revision(r); err != nil {
		return nil, 0, err
	}
	if a, err = h.read(r.Context()); err != nil {
		return nil, 0, err
	}
	if a.cat == nil {
		return nil, 0, a.broken
	}
	return a, seen, nil
}

// correctable reports whether an error belongs on the page with the form.
func correctable(err error) bool {
	return errs.Is(err, errs.Invalid) || errs.Is(err, errs.Conflict)
}

func (h *pages) saveMeasure(w http.ResponseWriter, r *web.Request) error {
	a, seen, err := h.edited(r)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	m, ok := a.cat.Measure(id)
	if !ok {
		return noMeasure()
	}
	if a.cat.IsOwn(id) {
		return h.saveOwn(w, r, a, seen, id)
	}
	f := sentForm(r, a.cat, m)
	edits := f.edits(h.Book.Base, id)
	if r.PostForm.Get("do") == "preview" {
		cat, err := h.Book.Try(a.draft.Text, edits...)
		if err != nil {
			return h.showMeasure(w, r, http.StatusUnprocessableEntity, showing{sent: &f, wrong: err})
		}
		return h.showMeasure(w, r, http.StatusOK, showing{sent: &f, preview: cat})
	}
	switch _, err = h.Book.Change(r.Context(), r.Actor, seen, edits...); {
	case err == nil:
		return web.SeeOther(w, r, measurePath(id)+"?done=annex_saved")
	case correctable(err):
		return h.showMeasure(w, r, http.StatusUnprocessableEntity, showing{sent: &f, wrong: err})
	}
	return err
}

func (h *pages) exclude(w http.ResponseWriter, r *web.Request) error {
	if err := form(r); err != nil {
		return err
	}
	reasons := catalogue.ByLanguage{}
	for _, lang := range h.Book.Base.Languages() {
		if s := ui.Typeset(lang, sent(r, "excluded.reason."+lang)); s != "" {
			reasons[lang] = s
		}
	}
	return h.changeOne(w, r, showing{reasons: reasons}, func(id string) tailoring.Edit { return tailoring.Exclude(id, reasons) })
}

func (h *pages) include(w http.ResponseWriter, r *web.Request) error {
	if err := form(r); err != nil {
		return err
	}
	return h.changeOne(w, r, showing{}, tailoring.Include)
}

// changeOne makes one edit of a measure of the catalogue.
func (h *pages) changeOne(w http.ResponseWriter, r *web.Request, show showing, edit func(id string) tailoring.Edit) error {
	seen, err := revision(r)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	if _, ok := h.Book.Base.Measure(id); !ok {
		return noMeasure()
	}
	switch _, err = h.Book.Change(r.Context(), r.Actor, seen, edit(id)); {
	case err == nil:
		return web.SeeOther(w, r, measurePath(id)+"?done=annex_saved")
	case correctable(err):
		show.wrong = err
		return h.showMeasure(w, r, http.StatusUnprocessableEntity, show)
	}
	return err
}
