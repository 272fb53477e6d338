package console

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

type checkPage struct {
	About    string
	Run      *ui.Action
	Blind    *ui.Notice
	Self     bool
	Details  []ui.Detail
	Items    ui.Table
	Failing  bool
	Facts    []ui.Detail
	Evidence ui.Table
	Pager    ui.Pager
	CSV      string
	Past     *console.Past
}

func (h *pages) check(w http.ResponseWriter, r *web.Request) error {
	before := r.URL.Query().Get("before")
	if before != "" {
		if _, err := uuid.Parse(before); err != nil {
			return console.ErrBefore()
		}
	}
	s, err := h.r.Status(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	list, err := measure.ListEvidence(r.Context(), h.staff(), s.Check.ID, before, pageSize+1)
	if err != nil {
		return err
	}
	view, err := h.r.Effective(r.Context())
	if err != nil {
		return err
	}
	p := h.c.Printer(r)
	body := &checkPage{
		About: about(p, s.Check.ID), Run: runAction(r, p, s.Check), Self: s.Check.Self, Blind: blind(p, s),
		Details: h.checkDetails(p, s, view), CSV: checkPath(s.Check.ID) + "/evidence.csv",
	}
	if body.Run != nil {
		body.Run.Primary = true
	}
	if before != "" {
		body.Pager.Newer = checkPath(s.Check.ID)
	}
	if len(list) > pageSize {
		list = list[:pageSize]
		body.Pager.Older = checkPath(s.Check.ID) + "?before=" + list[pageSize-1].ID
	}
	body.Evidence = evidenceTable(p, list)
	if s.Current != nil {
		body.Failing = len(s.Current.Finding.Failed) > 0
		body.Items = h.itemTable(p, s.Current.Finding.Failed)
		body.Facts = factDetails(p, s.Current.Finding.Facts)
	}
	if body.Past, err = h.c.History(r, h.staff(), p, audit.Object{Kind: "check", ID: s.Check.ID}); err != nil {
		return err
	}
	page := h.c.Page(r, "console.checks.title", console.ChecksPath, body)
	page.Crumbs = []ui.Link{{Label: page.Title, Href: console.ChecksPath}, {Label: name(p, s.Check)}}
	page.Title = name(p, s.Check)
	return h.write(w, "check", page)
}

// blind says since when a check cannot look, and what it last saw.
func blind(p *ui.Printer, s measure.CheckStatus) *ui.Notice {
	if s.Current == nil || s.Current.Finding.Outcome != measure.Error {
		return nil
	}
	n := &ui.Notice{Tone: ui.Warning, Title: p.T("console.check.blind", "At", p.Instant(s.Current.FirstAt)), Text: p.T("console.check.blind.never")}
	if s.Current.Definite != "" {
		n.Text = p.T("console.check.blind.before", "Outcome", outcome(p, s.Current.Definite), "At", p.Instant(s.Current.DefiniteAt))
	}
	return n
}

// outcome is the word for what came of a look.
func outcome(p *ui.Printer, o measure.Outcome) string {
	if id := "console.outcome." + string(o); p.Has(id) {
		return p.T(id)
	}
	return string(o)
}

func (h *pages) checkDetails(p *ui.Printer, s measure.CheckStatus, view measure.View) []ui.Detail {
	state := ui.Detail{Term: p.T("console.check.state.label"), State: ui.State(s.State), Note: reason(p, s.Reason)}
	if s.State == "" {
		state.Text = p.T("console.check.idle")
	}
	var measures []string
	for _, id := range s.Check.Measures {
		measures = append(measures, id+" "+view.Registry.Catalogue.Words(p.Lang(), id).Title)
	}
	every, valid := measure.Cadence(s.Check, view.Estate)
	details := []ui.Detail{
		state,
		{Term: p.T("console.check.proves"), Text: strings.Join(measures, " · ")},
		{Term: p.T("console.check.id"), Code: s.Check.ID},
		{Term: p.T("console.check.every"), Text: p.Duration(every), Note: p.T("console.check.valid", "Span", p.Duration(valid))},
		{Term: p.T("console.check.scope"), Text: scope(p, s), Note: strings.Join(s.Scope, ", ")},
	}
	if c := s.Current; c != nil {
		details = append(details,
			ui.Detail{Term: p.T("console.check.last"), Time: c.ObservedAt},
			ui.Detail{Term: p.T("console.check.since"), Time: c.FirstAt, Note: p.T("console.check.observations", "Count", c.Observations)},
			ui.Detail{Term: p.T("console.check.until"), Time: c.ValidUntil})
	} else {
		details = append(details, ui.Detail{Term: p.T("console.check.last"), Text: p.T("console.check.never")})
	}
	if s.State != "" {
		details = append(details, ui.Detail{Term: p.T("console.check.next"), Time: s.NextAt})
	}
	return details
}

// itemTable lists what is not as it should be, with the next step of each.
func (h *pages) itemTable(p *ui.Printer, items []measure.Item) ui.Table {
	t := ui.Table{
		Caption: p.T("console.item.caption"),
		Columns: []ui.Column{{Label: p.T("console.item.target")}, {Label: p.T("console.item.problem")}, {Label: p.T("console.item.expected")}, {Label: p.T("console.item.actual")}},
		Empty:   &ui.Empty{Icon: "check-circle", Title: p.T("console.item.none")},
	}
	for _, item := range items {
		text, fix := problem(p, item.Problem)
		target := ui.Cell{Code: item.Target}
		if link, ok := h.c.TargetLink(p, item.Target); ok {
			target = ui.Cell{Link: &link, Note: item.Target}
		} else if item.Target == "" {
			target = ui.Cell{Text: p.T("console.item.all")}
		}
		t.Rows = append(t.Rows, []ui.Cell{target, {Strong: text, Note: fix}, seen(p, "", item.Expected), seen(p, item.Said, item.Actual)})
	}
	return t
}

// seen is what was expected or observed. It is kept as an engineer would write it, in English; sentences have words by their id.
func seen(p *ui.Printer, id, english string) (c ui.Cell) {
	if c.Text, c.Lang = p.Reason(id, english); c.Text == "" {
		return ui.Cell{Text: "–"}
	}
	return c
}

func factDetails(p *ui.Printer, facts map[string]measure.Fact) []ui.Detail {
	var details []ui.Detail
	for _, name := range slices.Sorted(maps.Keys(facts)) {
		term := name
		if id := "fact." + name; p.Has(id) {
			term = p.T(id)
		}
		details = append(details, ui.Detail{Term: term, Text: facts[name].Words(p, p.Instant)})
	}
	return details
}

func evidenceTable(p *ui.Printer, list []measure.Evidence) ui.Table {
	t := ui.Table{
		Caption: p.T("console.evidence.caption"),
		Columns: []ui.Column{{Label: p.T("console.evidence.observed")}, {Label: p.T("console.evidence.outcome")}, {Label: p.T("console.evidence.kind")}, {Label: p.T("console.evidence.observations"), Numeric: true}, {Label: p.T("console.evidence.digest")}},
		Empty:   &ui.Empty{Icon: "shield", Title: p.T("console.evidence.none"), Text: p.T("console.evidence.none.text")},
	}
	for _, e := range list {
		t.Rows = append(t.Rows, []ui.Cell{
			{Link: &ui.Link{Label: p.Instant(e.ObservedAt), Href: "/evidence/" + e.ID}}, {Text: outcome(p, e.Outcome)},
			{Text: kind(p, e.Kind)}, {Text: p.Number(e.Observations)}, {Code: e.Digest[:min(12, len(e.Digest))] + "…"},
		})
	}
	return t
}

// kind says what sort of evidence a row is.
func kind(p *ui.Printer, k string) string {
	if id := "console.evidence.kind." + k; p.Has(id) {
		return p.T(id)
	}
	return k
}

func (h *pages) evidenceCSV(w http.ResponseWriter, r *web.Request) error {
	s, err := h.r.Status(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	c := s.Check
	before, over := "", false
	header := []string{"id", "check", "kind", "outcome", "first_at", "observed_at", "observations", "received_at", "valid_until", "scope", "failed", "digest", "intact", "catalogue", "estate_version", "build"}
	return console.CSV(w, "evidence-"+c.ID+".csv", header, func() ([][]string, error) {
		if over {
			return nil, nil
		}
		const batch = 200
		list, err := measure.ListEvidence(r.Context(), h.staff(), c.ID, before, batch)
		if err != nil {
			return nil, err
		}
		over = len(list) < batch
		rows := make([][]string, 0, len(list))
		for _, e := range list {
			var failed []string
			for _, item := range e.Finding.Failed {
				failed = append(failed, strings.TrimSpace(item.Target+" "+item.Problem))
			}
			rows = append(rows, []string{e.ID, e.CheckID, e.Kind, string(e.Outcome), console.Stamp(e.FirstAt), console.Stamp(e.ObservedAt), strconv.FormatInt(e.Observations, 10),
				console.Stamp(e.ReceivedAt), console.Stamp(e.ValidUntil), strings.Join(e.Finding.Scope, " "), strings.Join(failed, "; "), e.Digest, strconv.FormatBool(e.Intact()),
				e.CatalogueHash, strconv.FormatInt(e.EstateVersion, 10), e.Build})
			before = e.ID
		}
		return rows, nil
	})
}
