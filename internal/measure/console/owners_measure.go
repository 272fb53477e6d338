package console

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/document"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// sentence is what a measure says in a language.
type sentence struct{ Lang, Name, Text string }

// site is a site that an attestation may cover.
type site struct {
	ID, Name string
	Chosen   bool
	Note     string // what was last said of it
}

// attestForm is the form of an attestation.
type attestForm struct {
	Path      string
	Words     string // hash of the sentence shown
	Alert     string
	Sites     []site
	SiteError string
	Day       ui.Field
	Note      ui.Field
	DocsError string
	Accept    string
	OnBehalf  string
}

// said is a line of the history of attestations.
type said struct {
	Refused   bool
	Text      string
	Details   []ui.Detail
	Documents []ui.Link
	Erased    int // documents that were erased
	Changed   bool
	Digest    string
}

type measurePage struct {
	ID        string
	Status    *ui.Notice
	Sentences []sentence
	Details   []ui.Detail
	Checks    *ui.Table
	Form      *attestForm
	Other     string // why there is no form, when there could be one
	Attested  bool   // the measure is attested at all
	Full      bool   // the reader may see what was said
	Said      []said
	CSV       string
	Pager     ui.Pager
	Assign    *assignForm
	Deputy    *assignForm
	Past      *console.Past
}

// assignForm names who answers for a measure, or who stands in.
type assignForm struct {
	Path   string
	Seen   string
	Alert  string
	Fields []ui.Field
}

// asked is what was sent with a form that is shown again; zero: nothing was.
type asked struct {
	form   string // "attest", "owner" or "deputy"
	wrong  *errs.Error
	values map[string][]string
}

func (h *ownerPages) measure(w http.ResponseWriter, r *web.Request) error {
	return h.show(w, r, http.StatusOK, asked{})
}

func (h *ownerPages) show(w http.ResponseWriter, r *web.Request, code int, in asked) error {
	ctx, id, p := r.Context(), r.PathValue("id"), h.c.Printer(r)
	view, err := h.Owners.Runner.Effective(ctx)
	if err != nil {
		return err
	}
	cat := view.Registry.Catalogue
	m, ok := cat.Measure(id)
	if !ok {
		return errNoMeasure()
	}
	known, err := h.Owners.Runner.Known(ctx, h.staff())
	if err != nil {
		return err
	}
	owner, err := measure.LoadAssignment(ctx, h.staff(), id)
	if err != nil {
		return err
	}
	status := view.Registry.Derive(id, view, known, r.Now)
	mine := own(r, owner, view)
	if hidden(r, mine, view) {
		return errNoMeasure()
	}
	body := &measurePage{ID: id, Attested: m.Attest && m.Excluded == nil, Full: mine || r.Actor.May(actor.ReadChecks)}
	body.Status = statusNotice(p, status, mine && body.Attested)
	figures := view.Registry.Figures(view.Estate)
	for _, lang := range cat.Languages() {
		in := h.c.Messages.For(lang, p.Zone())
		body.Sentences = append(body.Sentences, sentence{Lang: lang, Name: map[string]string{"fr": "Français", "en": "English"}[lang], Text: filled(in, cat.Words(lang, id).Sentence, figures)})
	}
	slices.SortStableFunc(body.Sentences, func(a, b sentence) int { // the reader's first
		return strings.Compare(strconv.FormatBool(a.Lang != p.Lang()), strconv.FormatBool(b.Lang != p.Lang()))
	})
	people := h.names(p)
	body.Details = h.details(r, p, view, m, status, owner, people)
	if r.Actor.May(actor.ReadChecks) && len(status.Checks) > 0 {
		list := checkTable(p, status.Checks)
		body.Checks = &list
	}
	if body.Attested {
		if err := h.attestation(r, p, view, m, status, owner, mine, people, body, in); err != nil {
			return err
		}
	}
	if measure.NeedsOwner(m) {
		if err := h.forms(r, p, view, owner, mine, body, in); err != nil {
			return err
		}
	}
	if body.Past, err = h.c.History(r, h.staff(), p, audit.Object{Kind: "measure", ID: id}); err != nil {
		return err
	}
	page := h.c.Page(r, "measures.title", console.MeasuresPath, body)
	page.Crumbs = []ui.Link{{Label: page.Title, Href: console.MeasuresPath}, {Label: id}}
	page.Title = id + " · " + cat.Words(p.Lang(), id).Title
	if code != http.StatusOK {
		page.Path = measurePath(id)
	}
	return h.c.Write(w, code, h.one, page)
}

// statusNotice says the state of a measure, why, and the next step. mine: the reader may attest it.
func statusNotice(p *ui.Printer, s measure.Status, mine bool) *ui.Notice {
	n := &ui.Notice{Title: p.T("measures.is", "State", p.StateName(ui.State(s.State))), Text: reason(p, s.Reason)}
	switch s.State {
	case measure.Met:
		n.Tone = ui.Success
	case measure.NotMet:
		n.Tone = ui.Danger
	case measure.Stale:
		n.Tone = ui.Warning
	}
	if s.Attested != nil && s.Attested.Reason == s.Reason {
		next := "measures.next.unattested"
		if mine {
			next = "measures.next.mine"
		}
		switch s.Reason {
		case measure.ReasonNewScope:
			n.Text = p.T("measure.task.scope") + " " + p.T(next)
			return n
		case measure.ReasonUnattested, measure.ReasonAttestationExpired, measure.ReasonTextChanged:
			if mine {
				n.Text += " " + p.T(next)
				return n
			}
		}
	}
	for _, id := range []string{"measures.next." + strings.TrimPrefix(s.Reason, "reason."), "console.next." + strings.TrimPrefix(s.Reason, "reason.")} {
		if p.Has(id) {
			n.Text += " " + p.T(id)
			break
		}
	}
	return n
}

func (h *ownerPages) attestation(r *web.Request, p *ui.Printer, view measure.View, m catalogue.Measure, s measure.Status, owner measure.Assignment, mine bool, people *names, body *measurePage, in asked) error {
	switch {
	case view.Estate == nil:
		body.Other = p.T("measures.attest.no_estate")
	case mine:
		form := h.attestForm(r, p, view, m, s, in)
		if owner.Responsible != r.Actor.ID {
			form.OnBehalf = p.T("measures.attest.on_behalf", "Name", people.of(r.Context(), owner.Responsible))
		}
		body.Form = form
	case owner.Responsible == "":
		body.Other = p.T("measures.attest.nobody")
	default:
		body.Other = p.T("measures.attest.other", "Name", people.of(r.Context(), owner.Responsible))
	}
	if !body.Full {
		return nil
	}
	return h.history(r, p, view, m.ID, people, body)
}

func (h *ownerPages) attestForm(r *web.Request, p *ui.Printer, view measure.View, m catalogue.Measure, s measure.Status, in asked) *attestForm {
	today := measure.Today(view, r.Now)
	f := &attestForm{
		Path: measurePath(m.ID) + "/attestations", Words: view.Registry.Catalogue.SentenceHash(m.ID), Accept: document.Accept,
		Day: ui.Field{Name: "observed_on", Type: "date", Label: p.T("measures.attest.day"), Help: p.T("measures.attest.day.help", "Span", p.Duration(m.Cadence)),
			Value: today.String(), Max: today.String(), Required: true},
		Note: ui.Field{Name: "note", Type: "textarea", Label: p.T("measures.attest.note"), Help: p.T("measures.attest.note.help"), MaxLength: 2000, Rows: 3},
	}
	var last []*measure.Attested
	if s.Attested != nil {
		last = s.Attested.Last
	}
	chosen := in.values["site"]
	for _, id := range view.Subjects[m.Per] {
		x := site{ID: id, Name: h.siteName(r.Context(), p, id), Chosen: slices.Contains(chosen, id)}
		if i := slices.IndexFunc(last, func(a *measure.Attested) bool { return a.Target == id }); i >= 0 {
			x.Note = p.T("measures.attest.site.until", "Day", p.Day(lastDay(last[i].ValidUntil)))
			if last[i].Refused {
				x.Note = p.T("measures.attest.site.refused", "Day", p.Day(last[i].ObservedAt))
			}
		}
		f.Sites = append(f.Sites, x)
	}
	if m.Per != "" && len(f.Sites) == 0 {
		f.SiteError = p.T("measures.attest.no_site")
	}
	if in.form != "attest" {
		return f
	}
	f.Day.Value, f.Note.Value = first(in.values["observed_on"]), first(in.values["note"])
	text, fix := p.Error(in.wrong)
	text = strings.TrimSpace(text + " " + fix)
	switch {
	case in.wrong.ID == "measure.attest_future", in.wrong.ID == "measure.attest_old", in.wrong.ID == "measure.attest_overruled", in.wrong.ID == "measure.date":
		f.Day.Error, f.Day.Focus = text, true
	case in.wrong.ID == "measure.attest_note":
		f.Note.Error, f.Note.Focus = text, true
	case in.wrong.ID == "measure.attest_no_target", in.wrong.ID == "measure.attest_targets":
		f.SiteError = text
	case strings.HasPrefix(in.wrong.ID, "document."), in.wrong.ID == "web.too_large":
		f.DocsError = text
	default:
		f.Alert = text
	}
	return f
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// history lists what was said, the last first.
func (h *ownerPages) history(r *web.Request, p *ui.Printer, view measure.View, id string, people *names, body *measurePage) error {
	before := r.URL.Query().Get("before")
	const shown = 10
	list, err := h.Owners.Attestations(r.Context(), id, before, shown+1)
	if err != nil {
		return err
	}
	if before != "" {
		body.Pager.Newer = measurePath(id)
	}
	if len(list) > shown {
		list = list[:shown]
		body.Pager.Older = measurePath(id) + "?before=" + list[shown-1].ID
	}
	var ids []string
	var persons []string
	for _, a := range list {
		ids = append(ids, a.ID)
		persons = append(persons, a.Person, a.OnBehalfOf)
	}
	people.learn(r.Context(), persons...)
	documents, err := h.Owners.Documents.ListAll(r.Context(), h.staff(), measure.DocumentOwner, ids...)
	if err != nil {
		return err
	}
	if r.Actor.May(actor.ReadChecks) {
		body.CSV = measurePath(id) + "/attestations.csv"
	}
	now := view.Registry.Catalogue.SentenceHash(id)
	for _, a := range list {
		x := said{Refused: a.Statement == measure.NoLongerSo, Changed: a.Words != now, Digest: a.Digest}
		x.Text = p.T("measures.said."+string(a.Statement), "Name", people.of(r.Context(), a.Person), "At", p.Instant(a.ReceivedAt))
		x.Details = append(x.Details, ui.Detail{Term: p.T("measures.observed"), Text: p.Day(a.ObservedOn.Start(p.Zone()))})
		if a.Statement == measure.Confirmed {
			x.Details = append(x.Details, ui.Detail{Term: p.T("measures.until"), Text: p.Day(lastDay(a.ValidUntil))})
		}
		if sites := h.siteNames(r.Context(), p, a.Targets); len(sites) > 0 {
			x.Details = append(x.Details, ui.Detail{Term: p.T("measures.sites"), Text: p.List(sites)})
		}
		if a.OnBehalfOf != "" {
			x.Details = append(x.Details, ui.Detail{Term: p.T("measures.on_behalf_of"), Text: people.of(r.Context(), a.OnBehalfOf)})
		}
		switch {
		case a.NoteErased:
			x.Details = append(x.Details, ui.Detail{Term: p.T("measures.note"), Text: p.T("measures.note.erased")})
		case a.Note != "":
			x.Details = append(x.Details, ui.Detail{Term: p.T("measures.note"), Text: a.Note})
		}
		integrity := ui.Detail{Term: p.T("measures.digest"), Digest: a.Digest}
		if !a.Intact() {
			integrity.Note = p.T("measures.not_intact")
		}
		x.Details = append(x.Details, integrity)
		for _, d := range documents[a.ID] {
			switch {
			case d.Erased:
				x.Erased++
			case d.Unreadable:
				x.Documents = append(x.Documents, ui.Link{Label: p.T("measures.document.unreadable"), Href: h.documentPath(a, d)})
			default:
				x.Documents = append(x.Documents, ui.Link{Label: d.Name + " (" + p.Bytes(d.Size) + ")", Href: h.documentPath(a, d)})
			}
		}
		body.Said = append(body.Said, x)
	}
	return nil
}

func (h *ownerPages) documentPath(a measure.Attestation, d document.Info) string {
	return measurePath(a.Measure) + "/attestations/" + a.ID + "/" + d.ID.String()
}

// forms are those by which it is decided who answers for a measure.
func (h *ownerPages) forms(r *web.Request, p *ui.Printer, view measure.View, owner measure.Assignment, mine bool, body *measurePage, in asked) error {
	path := measurePath(body.ID)
	assigns, delegates := r.Actor.May(actor.AssignMeasures), mine && owner.Responsible == r.Actor.ID
	if !assigns && !delegates {
		return nil
	}
	people, err := h.people(r.Context(), p)
	if err != nil {
		return err
	}
	deputyFields := func(prefix string, values map[string][]string, sent bool) []ui.Field {
		deputy, until := owner.Deputy, owner.DeputyUntil.String()
		if sent {
			deputy, until = first(values[prefix+"deputy"]), first(values[prefix+"until"])
		}
		return []ui.Field{
			{Name: prefix + "deputy", Type: "select", Label: p.T("measures.deputy"), Help: p.T("measures.deputy.help"), Options: choose(people, deputy)},
			{Name: prefix + "until", Type: "date", Label: p.T("measures.deputy.until"), Value: until, Min: measure.Today(view, r.Now).String()},
		}
	}
	if assigns {
		f := &assignForm{Path: path + "/owner", Seen: strconv.FormatInt(owner.ID, 10)}
		responsible := owner.Responsible
		if in.form == "owner" {
			responsible = first(in.values["responsible"])
		}
		f.Fields = append([]ui.Field{{Name: "responsible", Type: "select", Label: p.T("measures.responsible"), Options: choose(people, responsible)}}, deputyFields("", in.values, in.form == "owner")...)
		body.Assign = f
		placeAssignError(p, f, in, "owner", "")
	} else {
		f := &assignForm{Path: path + "/deputy", Fields: deputyFields("own_", in.values, in.form == "deputy")}
		body.Deputy = f
		placeAssignError(p, f, in, "deputy", "own_")
	}
	return nil
}

// placeAssignError shows what was wrong beside the field that it was in.
func placeAssignError(p *ui.Printer, f *assignForm, in asked, form, prefix string) {
	if in.form != form {
		return
	}
	text, fix := p.Error(in.wrong)
	text = strings.TrimSpace(text + " " + fix)
	field := map[string]string{
		"measure.deputy_until": prefix + "until", "measure.deputy_long": prefix + "until", "measure.date": prefix + "until",
		"measure.deputy_alone": prefix + "deputy", "measure.deputy_same": prefix + "deputy", "measure.no_owner": "responsible",
	}[in.wrong.ID]
	for i := range f.Fields {
		if f.Fields[i].Name == field {
			f.Fields[i].Error, f.Fields[i].Focus = text, true
			return
		}
	}
	f.Alert = text
}

// date reads a day of a form; the zero Date for none.
func date(s string) (calendar.Date, error) {
	if s = strings.TrimSpace(s); s == "" {
		return calendar.Date{}, nil
	}
	d, err := calendar.Parse(s)
	if err != nil {
		return d, errs.New(errs.Invalid, "measure.date", "This is not a day of the calendar.").WithFix("Write it like 2026-03-31.")
	}
	return d, nil
}

// again shows the page once more with the form that was sent, when the error is about it.
func (h *ownerPages) again(w http.ResponseWriter, r *web.Request, form string, err error, values map[string][]string) error {
	var known *errs.Error
	if _, ok := console.Shown(h.c.Printer(r), err); !ok || !errors.As(err, &known) {
		return err
	}
	return h.show(w, r, http.StatusUnprocessableEntity, asked{form, known, values})
}

func (h *ownerPages) attest(w http.ResponseWriter, r *web.Request) error {
	id := r.PathValue("id")
	values, files, err := document.ParseForm(w, r.Request)
	if values == nil {
		return err
	}
	in := measure.Attest{
		Measure: id, Statement: measure.Statement(values.Get("statement")), Targets: values["site"], Note: values.Get("note"), Words: values.Get("words"), Documents: files["documents"],
	}
	if err == nil {
		in.ObservedOn, err = date(values.Get("observed_on"))
	}
	if err == nil {
		_, err = h.Owners.Attest(r.Context(), r.Actor, in)
	}
	if err != nil {
		return h.again(w, r, "attest", err, values)
	}
	done := "measure_attested"
	if in.Statement == measure.NoLongerSo {
		done = "measure_refused"
	}
	return web.SeeOther(w, r, measurePath(id)+"?done="+done)
}

func (h *ownerPages) assign(w http.ResponseWriter, r *web.Request) error {
	if err := r.ParseForm(); err != nil {
		return errForm()
	}
	seen, err := strconv.ParseInt(r.PostForm.Get("seen"), 10, 64)
	if err != nil {
		return errForm()
	}
	in := measure.Assigned{Measure: r.PathValue("id"), Seen: seen, Responsible: r.PostForm.Get("responsible"), Deputy: r.PostForm.Get("deputy")}
	if in.DeputyUntil, err = date(r.PostForm.Get("until")); err == nil {
		err = h.Owners.Assign(r.Context(), r.Actor, in)
	}
	if err != nil {
		return h.again(w, r, "owner", err, r.PostForm)
	}
	return web.SeeOther(w, r, measurePath(in.Measure)+"?done=measure_assigned")
}

func (h *ownerPages) delegate(w http.ResponseWriter, r *web.Request) error {
	if err := r.ParseForm(); err != nil {
		return errForm()
	}
	id := r.PathValue("id")
	until, err := date(r.PostForm.Get("own_until"))
	if err == nil {
		err = h.Owners.Delegate(r.Context(), r.Actor, id, r.PostForm.Get("own_deputy"), until)
	}
	if err != nil {
		return h.again(w, r, "deputy", err, r.PostForm)
	}
	return web.SeeOther(w, r, measurePath(id)+"?done=measure_delegated")
}

// document gives back a document of an attestation.
func (h *ownerPages) document(w http.ResponseWriter, r *web.Request) error {
	info, content, err := h.Owners.Document(r.Context(), r.Actor, r.PathValue("id"), r.PathValue("attestation"), r.PathValue("document"))
	if err != nil {
		return err
	}
	document.Serve(w, info, content)
	return nil
}

func (h *ownerPages) attestationsCSV(w http.ResponseWriter, r *web.Request) error {
	id, before, over := r.PathValue("id"), "", false
	view, err := h.Owners.Runner.Effective(r.Context())
	if err != nil {
		return err
	}
	if _, ok := view.Registry.Catalogue.Measure(id); !ok {
		return errNoMeasure()
	}
	people := h.names(h.c.Printer(r))
	header := []string{"id", "measure", "statement", "sites", "person", "on_behalf_of", "observed_on", "received_at", "valid_until", "documents", "sentence", "digest", "intact"}
	return console.CSV(w, "attestations-"+id+".csv", header, func() ([][]string, error) {
		if over {
			return nil, nil
		}
		const batch = 200
		list, err := h.Owners.Attestations(r.Context(), id, before, batch)
		if err != nil {
			return nil, err
		}
		over = len(list) < batch
		rows := make([][]string, 0, len(list))
		for _, a := range list {
			rows = append(rows, []string{a.ID, a.Measure, string(a.Statement), strings.TrimSpace(strings.Join(a.Targets, " ")), people.of(r.Context(), a.Person), people.of(r.Context(), a.OnBehalfOf),
				a.ObservedOn.String(), console.Stamp(a.ReceivedAt), console.Stamp(a.ValidUntil), strconv.Itoa(len(a.Documents)), a.Words, a.Digest, strconv.FormatBool(a.Intact())})
			before = a.ID
		}
		return rows, nil
	})
}
