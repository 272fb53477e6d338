package console

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit/sample"
	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"

	"github.com/google/uuid"
)

type samplesPage struct {
	Table ui.Table
	Pager ui.Pager
	CSV   string
	Draw  []ui.Field
}

// sampleForm is what somebody wrote to draw a sample, with what is wrong with it.
type sampleForm struct {
	population, from, until, method, size, seed, purpose string
	wrong                                                map[string]string // field → what is wrong
}

func samplePath(id string) string { return AuditPath + "/" + id }

func (h *pages) samples(w http.ResponseWriter, r *web.Request) error {
	today := calendar.Of(r.Now, h.c.Printer(r).Zone())
	return h.showSamples(w, r, http.StatusOK, sampleForm{
		from: today.AddDays(-90).String(), until: today.String(), method: string(sample.Random), size: "25", population: r.URL.Query().Get("population"),
	})
}

func (h *pages) showSamples(w http.ResponseWriter, r *web.Request, status int, f sampleForm) error {
	before := r.URL.Query().Get("before")
	if _, err := uuid.Parse(before); before != "" && err != nil {
		return ErrBefore()
	}
	list, err := sample.Recent(r.Context(), h.DB.Pool(pg.Staff), before, pageSize+1)
	if err != nil {
		return err
	}
	p := h.c.Printer(r)
	body := &samplesPage{CSV: AuditPath + ".csv"}
	if before != "" {
		body.Pager.Newer = AuditPath
	}
	if len(list) > pageSize {
		list = list[:pageSize]
		body.Pager.Older = AuditPath + "?before=" + list[pageSize-1].ID
	}
	body.Table = h.sampleTable(r, p, list)
	if body.Draw, err = h.sampleFields(r, p, f); err != nil {
		return err
	}
	return h.write(w, status, "samples", h.c.Page(r, "console.sample.title", AuditPath, body))
}

func (h *pages) sampleTable(r *web.Request, p *ui.Printer, list []sample.Summary) ui.Table {
	names := h.c.Names(r, p)
	t := ui.Table{
		Caption: p.T("console.sample.caption"),
		Columns: []ui.Column{{Label: p.T("console.sample.drawn")}, {Label: p.T("console.sample.population")}, {Label: p.T("console.sample.period")},
			{Label: p.T("console.sample.size")}, {Label: p.T("console.sample.progress")}},
		Empty: &ui.Empty{Icon: "search", Title: p.T("console.sample.empty"), Text: p.T("console.sample.empty.text")},
	}
	for _, s := range list {
		progress := ui.Cell{Text: p.T("console.sample.noted", "Noted", s.Noted, "Drawn", s.Drawn)}
		if s.Excepted > 0 {
			progress.Chip = p.T("console.sample.exceptions", "Count", s.Excepted)
		}
		t.Rows = append(t.Rows, []ui.Cell{
			{Link: &ui.Link{Label: p.Instant(s.DrawnAt), Href: samplePath(s.ID)}, Note: names.kept(r, s.DrawnBy)},
			{Text: h.c.populationTitle(p, s.Order), Note: s.Purpose}, {Text: period(p, s.Order)},
			{Text: p.T("console.sample.of", "Drawn", s.Drawn, "Size", s.Frame.Size)}, progress,
		})
	}
	return t
}

// kept is the name of an actor as it is kept: "person:ID".
func (n *Names) kept(r *web.Request, by string) string {
	kind, id, _ := strings.Cut(by, ":")
	return n.Of(r.Context(), actor.Kind(kind), id)
}

// period is the days that a sample was drawn from.
func period(p *ui.Printer, o sample.Order) string {
	return p.T("console.sample.days", "From", p.Day(o.From), "To", p.Day(o.Until.Add(-1)))
}

func (h *pages) sampleFields(r *web.Request, p *ui.Printer, f sampleForm) ([]ui.Field, error) {
	list, err := h.c.choices(r, p)
	if err != nil {
		return nil, err
	}
	options := []ui.Option{{Label: p.T("ui.form.choose")}}
	for _, c := range list {
		options = append(options, ui.Option{Value: c.value(), Label: c.population.Title(p, c.part), Selected: c.value() == f.population})
	}
	var methods []ui.Option
	for _, m := range sample.Methods() {
		methods = append(methods, ui.Option{Value: string(m), Label: p.T("console.sample.method." + string(m)), Selected: string(m) == f.method})
	}
	today := calendar.Of(r.Now, p.Zone()).String()
	fields := []ui.Field{
		{Name: "population", Type: "select", Label: p.T("console.sample.population"), Options: options, Required: true},
		{Name: "from", Type: "date", Label: p.T("console.sample.from"), Value: f.from, Max: today, Required: true, Autocomplete: "off"},
		{Name: "until", Type: "date", Label: p.T("console.sample.until"), Value: f.until, Max: today, Required: true, Autocomplete: "off"},
		{Name: "method", Type: "select", Label: p.T("console.sample.method"), Options: methods, Required: true},
		{Name: "size", Type: "number", Label: p.T("console.sample.size.label"), Value: f.size, Min: "1", Max: strconv.Itoa(sample.MaxSize), Required: true, Autocomplete: "off"},
		{Name: "seed", Label: p.T("console.sample.seed"), Help: p.T("console.sample.seed.help"), Value: f.seed, MaxLength: 64, Autocomplete: "off"},
		{Name: "purpose", Type: "textarea", Label: p.T("console.sample.purpose"), Help: p.T("console.sample.purpose.help"), Value: f.purpose, MaxLength: 500, Rows: 2},
	}
	focus := false
	for i := range fields {
		if fields[i].Error = f.wrong[fields[i].Name]; fields[i].Error != "" && !focus {
			fields[i].Focus, focus = true, true
		}
	}
	return fields, nil
}

// drawSample draws what a form asks for.
func (h *pages) drawSample(w http.ResponseWriter, r *web.Request) error {
	if err := form(r); err != nil {
		return err
	}
	get := r.PostForm.Get
	f := sampleForm{population: get("population"), from: get("from"), until: get("until"), method: get("method"), size: get("size"), seed: get("seed"), purpose: get("purpose")}
	s, err := h.draw(r, f)
	if err == nil {
		return web.SeeOther(w, r, samplePath(s.ID)+"?done=sample_drawn")
	}
	text, ok := Shown(h.c.Printer(r), err)
	var known *errs.Error
	if !ok || !errors.As(err, &known) {
		return err
	}
	field, ok := map[string]string{
		"sample.population": "population", "sample.empty": "population", "sample.too_large": "until", "sample.from": "from", "sample.period": "until", "sample.unsettled": "until",
		"sample.until": "until", "sample.method": "method", "sample.size": "size", "sample.seed": "seed", "sample.purpose": "purpose",
	}[known.ID]
	if !ok {
		return err
	}
	f.wrong = map[string]string{field: text}
	return h.showSamples(w, r, http.StatusUnprocessableEntity, f)
}

func (h *pages) draw(r *web.Request, f sampleForm) (sample.Sample, error) {
	p := h.c.Printer(r)
	chosen, err := h.c.chosen(r, p, f.population)
	if err != nil {
		return sample.Sample{}, err
	}
	from, err := calendar.Parse(f.from)
	if err != nil {
		return sample.Sample{}, errs.New(errs.Invalid, "sample.from", "This is not a date.").WithFix("Write it as year-month-day.").Wrap(err)
	}
	until, err := calendar.Parse(f.until)
	if err != nil {
		return sample.Sample{}, errs.New(errs.Invalid, "sample.until", "This is not a date.").WithFix("Write it as year-month-day.").Wrap(err)
	}
	size, err := strconv.Atoi(strings.TrimSpace(f.size))
	if err != nil {
		size = 0 // refused as such
	}
	o := sample.Order{
		Population: chosen.population.Key, Part: chosen.part, From: from.Start(p.Zone()), Until: until.End(p.Zone()),
		Method: sample.Method(f.method), Seed: strings.TrimSpace(f.seed), Size: size, Purpose: f.purpose,
	}
	if settled := r.Now.Add(-sample.Settled); o.Until.After(settled) { // today, as far as it has come
		o.Until = settled
	}
	return sample.Draw(r.Context(), h.DB.Pool(pg.Staff), r.Actor, o, chosen.source(r, p, spanOf(o)), r.Now)
}

func spanOf(o sample.Order) Span { return Span{Part: o.Part, From: o.From, Until: o.Until} }

func (h *pages) samplesCSV(w http.ResponseWriter, r *web.Request) error {
	before, over := "", false
	header := []string{"id", "drawn_at", "drawn_by", "population", "part", "from", "until", "method", "seed", "size", "population_size", "population_digest", "digest", "items", "noted", "exceptions", "purpose"}
	return CSV(w, "samples.csv", header, func() ([][]string, error) {
		if over {
			return nil, nil
		}
		const most = 200
		list, err := sample.Recent(r.Context(), h.DB.Pool(pg.Staff), before, most)
		if err != nil {
			return nil, err
		}
		over = len(list) < most
		rows := make([][]string, 0, len(list))
		for _, s := range list {
			rows = append(rows, []string{s.ID, Stamp(s.DrawnAt), s.DrawnBy, s.Population, s.Part, Stamp(s.From), Stamp(s.Until), string(s.Method), s.Seed, strconv.Itoa(s.Size),
				strconv.FormatInt(s.Frame.Size, 10), s.Frame.Digest, s.Digest, strconv.Itoa(s.Drawn), strconv.Itoa(s.Noted), strconv.Itoa(s.Excepted), s.Purpose})
			before = s.ID
		}
		return rows, nil
	})
}
