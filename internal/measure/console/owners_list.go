package console

import (
	"net/http"
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// What the list of measures shows, as its address names it, beside the states.
const (
	showMine    = "mine"    // the reader answers for them
	showDue     = "due"     // they wait for somebody's word
	showUnowned = "unowned" // they need somebody and have nobody
)

type measuresPage struct {
	Lead    string
	Filters []filter
	Table   ui.Table
	CSV     string
	Teams   []ui.Field // of the form that names one person for a team; none: not for this reader, or not needed
}

// row is a measure with everything that the list says of it.
type row struct {
	measure catalogue.Measure
	status  measure.Status
	task    *measure.Task // nil: nobody has to attest it
	owner   measure.Assignment
	mine    bool
	unowned bool
}

func (x row) shows(what string, r *web.Request) bool {
	switch what {
	case "":
		return true
	case showMine:
		return x.mine
	case showDue:
		return x.task != nil && x.task.Pending(r.Now)
	case showUnowned:
		return x.unowned
	}
	return string(x.status.State) == what
}

// rows reads every measure of the annex in force; of a draft, those that the reader may see.
func (h *ownerPages) rows(r *web.Request) ([]row, measure.View, error) {
	ctx := r.Context()
	tasks, view, err := h.Owners.Tasks(ctx, h.staff(), r.Now)
	if err != nil {
		return nil, view, err
	}
	known, err := h.Owners.Runner.Known(ctx, h.staff())
	if err != nil {
		return nil, view, err
	}
	assignments, err := h.Owners.Runner.Assignments(ctx, h.staff())
	if err != nil {
		return nil, view, err
	}
	unowned, err := h.unowned(r)
	if err != nil {
		return nil, view, err
	}
	var out []row
	for _, m := range view.Registry.Catalogue.Measures {
		x := row{measure: m, status: view.Registry.Derive(m.ID, view, known, r.Now), owner: assignments[m.ID]}
		if x.mine = own(r, x.owner, view); hidden(r, x.mine, view) {
			continue
		}
		x.unowned = slices.ContainsFunc(unowned, func(u measure.Unowned) bool { return u.Measure == m.ID })
		if i := slices.IndexFunc(tasks, func(t measure.Task) bool { return t.Measure.ID == m.ID }); i >= 0 {
			x.task = &tasks[i]
		}
		out = append(out, x)
	}
	return out, view, nil
}

// shown reads the filter of the address.
func shown(r *web.Request) (string, error) {
	what := strings.ToLower(r.URL.Query().Get("show")) // addresses are typed, too
	if what != "" && !slices.Contains(shows(), what) {
		return "", errs.New(errs.Invalid, "measures.list", "There is no such list.").WithFix("Choose one above the list of measures.")
	}
	return what, nil
}

func shows() []string {
	out := []string{showMine, showDue, showUnowned}
	for _, s := range ui.States() {
		out = append(out, string(s))
	}
	return out
}

func (h *ownerPages) measures(w http.ResponseWriter, r *web.Request) error {
	return h.showMeasures(w, r, http.StatusOK, "")
}

func (h *ownerPages) showMeasures(w http.ResponseWriter, r *web.Request, status int, wrong string) error {
	what, err := shown(r)
	if err != nil {
		return err
	}
	all, view, err := h.rows(r)
	if err != nil {
		return err
	}
	p := h.c.Printer(r)
	body := &measuresPage{Lead: p.T("measures.lead"), CSV: console.MeasuresPath + ".csv", Filters: []filter{{Label: p.T("measures.all"), Href: console.MeasuresPath, Count: len(all), Current: what == ""}}}
	if what != "" {
		body.CSV += "?show=" + what
	}
	for _, s := range shows() {
		n := 0
		for _, x := range all {
			if x.shows(s, r) {
				n++
			}
		}
		if n == 0 && s != what {
			continue
		}
		label := ""
		if id := "measures.show." + s; p.Has(id) {
			label = p.T(id)
		} else {
			label = p.StateName(ui.State(s))
		}
		body.Filters = append(body.Filters, filter{Label: label, Href: console.MeasuresPath + "?show=" + s, Count: n, Current: s == what})
	}
	body.Table = h.table(r, p, view, all, what)
	if r.Actor.May(actor.AssignMeasures) {
		if body.Teams, err = h.teamFields(r, p, view, all, wrong); err != nil {
			return err
		}
	}
	return h.c.Write(w, status, h.list, h.c.Page(r, "measures.title", console.MeasuresPath, body))
}

func (h *ownerPages) table(r *web.Request, p *ui.Printer, view measure.View, all []row, what string) ui.Table {
	t := ui.Table{
		Caption: p.T("measures.caption"),
		Columns: []ui.Column{{Label: p.T("measures.state")}, {Label: p.T("measures.measure")}, {Label: p.T("measures.owner")}, {Label: p.T("measures.until")}},
		Empty:   &ui.Empty{Icon: "scroll", Title: p.T("measures.empty"), Text: p.T("measures.empty.text"), Action: &ui.Button{Label: p.T("measures.all"), Href: console.MeasuresPath}},
	}
	people := h.names(p)
	for _, x := range all {
		if !x.shows(what, r) {
			continue
		}
		owner := ui.Cell{Text: "–"}
		switch {
		case x.owner.Responsible != "":
			owner = ui.Cell{Text: people.of(r.Context(), x.owner.Responsible)}
			if x.owner.Deputy != "" && !measure.Today(view, r.Now).After(x.owner.DeputyUntil) {
				owner.Note = p.T("measures.deputy.short", "Name", people.of(r.Context(), x.owner.Deputy))
			}
		case x.unowned:
			owner = ui.Cell{Chip: p.T("measures.unowned")}
		}
		until := ui.Cell{Text: "–"}
		if x.task != nil {
			until = ui.Cell{Text: p.T("measures.waits")}
			if !x.task.Due.IsZero() {
				until = ui.Cell{Text: p.Day(lastDay(x.task.Due))}
			}
		}
		t.Rows = append(t.Rows, []ui.Cell{
			{State: ui.State(x.status.State)},
			{Link: &ui.Link{Label: x.measure.ID + " · " + view.Registry.Catalogue.Words(p.Lang(), x.measure.ID).Title, Href: measurePath(x.measure.ID)}, Note: stateNote(p, x.status)},
			owner, until,
		})
	}
	return t
}

// teamFields are the form by which one person is named for all of a team's measures that nobody
// answers for.
func (h *ownerPages) teamFields(r *web.Request, p *ui.Printer, view measure.View, all []row, wrong string) ([]ui.Field, error) {
	count := map[string]int{}
	var teams []string
	for _, x := range all {
		if x.unowned && x.owner.Responsible == "" {
			if count[x.measure.Owner] == 0 {
				teams = append(teams, x.measure.Owner)
			}
			count[x.measure.Owner]++
		}
	}
	if len(teams) == 0 {
		return nil, nil
	}
	people, err := h.people(r.Context(), p)
	if err != nil {
		return nil, err
	}
	team := ui.Field{Name: "team", Type: "select", Label: p.T("measures.team"), Required: true}
	for _, key := range teams {
		team.Options = append(team.Options, ui.Option{Value: key, Label: p.T("measures.team.of", "Team", view.Registry.Catalogue.TeamName(p.Lang(), key), "Count", count[key])})
	}
	people[0].Label = p.T("measures.choose")
	return []ui.Field{team, {Name: "person", Type: "select", Label: p.T("measures.team.person"), Required: true, Options: people, Error: wrong}}, nil
}

func (h *ownerPages) assignTeam(w http.ResponseWriter, r *web.Request) error {
	if err := r.ParseForm(); err != nil {
		return errForm()
	}
	_, err := h.Owners.AssignTeam(r.Context(), r.Actor, r.PostForm.Get("team"), r.PostForm.Get("person"))
	if err == nil {
		return web.SeeOther(w, r, console.MeasuresPath+"?done=measures_assigned")
	}
	if text, ok := console.Shown(h.c.Printer(r), err); ok {
		return h.showMeasures(w, r, http.StatusUnprocessableEntity, text)
	}
	return err
}

func errForm() error {
	return errs.New(errs.Invalid, "console.form", "What was sent could not be read.").WithFix("Go back, reload the page and try again.")
}

func (h *ownerPages) csv(w http.ResponseWriter, r *web.Request) error {
	what, err := shown(r)
	if err != nil {
		return err
	}
	all, view, err := h.rows(r)
	if err != nil {
		return err
	}
	p := h.c.Printer(r)
	people := h.names(p)
	var rows [][]string
	for _, x := range all {
		if !x.shows(what, r) {
			continue
		}
		line := []string{
			x.measure.ID, view.Registry.Catalogue.Words(p.Lang(), x.measure.ID).Title, string(x.measure.Kind), string(x.status.State), strings.TrimPrefix(x.status.Reason, "reason."),
			view.Registry.Catalogue.TeamName(p.Lang(), x.measure.Owner), people.of(r.Context(), x.owner.Responsible), people.of(r.Context(), x.owner.Deputy), x.owner.DeputyUntil.String(), "", "",
		}
		if x.task != nil {
			line[9] = strings.TrimPrefix(x.task.Attested.Reason, "reason.")
			if !x.task.Due.IsZero() {
				line[10] = console.Stamp(x.task.Due)
			}
		}
		rows = append(rows, line)
	}
	return console.CSV(w, "measures.csv", []string{"measure", "title", "kind", "state", "reason", "team", "responsible", "deputy", "deputy_until", "attestation", "valid_until"}, console.Once(rows))
}

// details are the properties of a measure.
func (h *ownerPages) details(r *web.Request, p *ui.Printer, view measure.View, m catalogue.Measure, s measure.Status, owner measure.Assignment, people *names) []ui.Detail {
	ctx := r.Context()
	list := []ui.Detail{{Term: p.T("measures.kind"), Text: p.KindName(ui.Kind(m.Kind))}, {Term: p.T("measures.by_team"), Text: view.Registry.Catalogue.TeamName(p.Lang(), m.Owner)}}
	if measure.NeedsOwner(m) {
		responsible := ui.Detail{Term: p.T("measures.owner"), Text: p.T("measures.nobody.yet")}
		if owner.Responsible != "" {
			responsible = ui.Detail{Term: p.T("measures.owner"), Text: people.of(ctx, owner.Responsible), Note: p.T("measures.since", "Day", p.Day(owner.At))}
		}
		list = append(list, responsible)
		if owner.Deputy != "" {
			d := ui.Detail{Term: p.T("measures.deputy"), Text: people.of(ctx, owner.Deputy), Note: p.T("measures.deputy.last", "Day", p.Day(owner.DeputyUntil.Start(p.Zone())))}
			if measure.Today(view, r.Now).After(owner.DeputyUntil) {
				d.Note = p.T("measures.deputy.over")
			}
			list = append(list, d)
		}
	}
	if m.Cadence > 0 {
		list = append(list, ui.Detail{Term: p.T("measures.cadence"), Text: p.Duration(m.Cadence)})
	}
	if a := s.Attested; a != nil && m.Per != "" {
		confirmed := len(a.Targets) - len(a.Missing)
		for _, said := range a.Last {
			if said.Refused {
				confirmed--
			}
		}
		list = append(list, ui.Detail{Term: p.T("measures.sites"), Text: p.T("measures.sites.of", "Count", confirmed, "All", len(a.Targets)), Note: strings.Join(h.siteNames(ctx, p, a.Missing), ", ")})
	}
	switch {
	case s.ObservedAt.IsZero():
	case s.Reason == measure.ReasonRefused && len(s.Checks) == 0: // a no holds until it is taken back
		list = append(list, ui.Detail{Term: p.T("measures.observed"), Text: p.Day(s.ObservedAt)})
	case len(s.Checks) == 0: // people say days
		list = append(list, ui.Detail{Term: p.T("measures.observed"), Text: p.Day(s.ObservedAt)}, ui.Detail{Term: p.T("measures.until"), Text: p.Day(lastDay(s.ValidUntil))})
	default:
		list = append(list, ui.Detail{Term: p.T("measures.observed"), Time: s.ObservedAt}, ui.Detail{Term: p.T("measures.holds"), Time: s.ValidUntil})
	}
	return list
}
