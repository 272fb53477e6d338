package console

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// idle is how the address names checks that have nothing to look at in the estate.
const idle = "none"

type checksPage struct {
	Filters []filter
	Table   ui.Table
	CSV     string
}

// filter is a link to the checks of one state.
type filter struct {
	Label, Href string
	Count       int
	Current     bool
}

// stateOf is the state of a check as the address names it.
func stateOf(s measure.CheckStatus) string {
	if s.State == "" {
		return idle
	}
	return string(s.State)
}

// filtered reads the filter of the address and the statuses that it leaves.
func (h *pages) filtered(r *web.Request) (all, left []measure.CheckStatus, state string, err error) {
	state = strings.ToLower(r.URL.Query().Get("state"))
	if state != "" && !slices.Contains(checkStates(), state) {
		return nil, nil, "", errs.New(errs.Invalid, "console.check.state", "There is no such state.").WithFix("Choose one above the list of checks.")
	}
	if all, err = h.r.Statuses(r.Context()); err != nil {
		return nil, nil, "", err
	}
	for _, s := range all {
		if state == "" || stateOf(s) == state {
			left = append(left, s)
		}
	}
	return all, left, state, nil
}

// checkStates lists the states of checks in the order in which they matter.
func checkStates() []string {
	return []string{string(measure.NotMet), string(measure.Stale), string(measure.Unproven), string(measure.Met), idle}
}

func (h *pages) checks(w http.ResponseWriter, r *web.Request) error {
	all, left, state, err := h.filtered(r)
	if err != nil {
		return err
	}
	p := h.c.Printer(r)
	count := map[string]int{}
	for _, s := range all {
		count[stateOf(s)]++
	}
	body := &checksPage{CSV: console.ChecksPath + ".csv", Filters: []filter{{Label: p.T("console.checks.all"), Href: console.ChecksPath, Count: len(all), Current: state == ""}}}
	if state != "" {
		body.CSV += "?state=" + state
	}
	for _, s := range checkStates() {
		if count[s] == 0 && s != state {
			continue
		}
		label := p.T("console.check.idle")
		if s != idle {
			label = p.StateName(ui.State(s))
		}
		body.Filters = append(body.Filters, filter{Label: label, Href: console.ChecksPath + "?state=" + s, Count: count[s], Current: s == state})
	}
	slices.SortStableFunc(left, func(a, b measure.CheckStatus) int {
		return slices.Index(checkStates(), stateOf(a)) - slices.Index(checkStates(), stateOf(b))
	})
	body.Table = checkTable(p, left)
	return h.write(w, "checks", h.c.Page(r, "console.checks.title", console.ChecksPath, body))
}

func checkTable(p *ui.Printer, list []measure.CheckStatus) ui.Table {
	t := ui.Table{
		Caption: p.T("console.checks.caption"),
		Columns: []ui.Column{
			{Label: p.T("console.check.state.label")}, {Label: p.T("console.check.name")}, {Label: p.T("console.check.measures")},
			{Label: p.T("console.check.scope")}, {Label: p.T("console.check.last")}, {Label: p.T("console.check.next")},
		},
		Empty: &ui.Empty{Icon: "radar", Title: p.T("console.checks.empty"), Text: p.T("console.checks.empty.text"),
			Action: &ui.Button{Label: p.T("console.checks.all"), Href: console.ChecksPath}},
	}
	for _, s := range list {
		state := ui.Cell{State: ui.State(s.State)}
		if s.State == "" {
			state = ui.Cell{Chip: p.T("console.check.idle")}
		}
		last, next := ui.Cell{Text: p.T("console.check.never")}, ui.Cell{Text: "–"}
		if s.Current != nil {
			last = ui.Cell{Time: s.Current.ObservedAt}
		}
		if s.State != "" {
			next = ui.Cell{Due: s.NextAt}
		}
		t.Rows = append(t.Rows, []ui.Cell{
			state, {Link: &ui.Link{Label: name(p, s.Check), Href: checkPath(s.Check.ID)}, Note: reason(p, s.Reason)},
			{Text: strings.Join(s.Check.Measures, ", ")}, {Text: scope(p, s)}, last, next,
		})
	}
	return t
}

func (h *pages) checksCSV(w http.ResponseWriter, r *web.Request) error {
	_, left, _, err := h.filtered(r)
	if err != nil {
		return err
	}
	rows := make([][]string, 0, len(left))
	for _, s := range left {
		row := []string{s.Check.ID, stateOf(s), strings.TrimPrefix(s.Reason, "reason."), strings.Join(s.Check.Measures, " "),
			strconv.Itoa(examined(s)), strconv.Itoa(len(s.Scope)), "", "", "", "", "", ""}
		if c := s.Current; c != nil {
			row[6], row[7], row[8] = string(c.Finding.Outcome), console.Stamp(c.FirstAt), console.Stamp(c.ObservedAt)
			row[9], row[10], row[11] = console.Stamp(c.ValidUntil), c.EvidenceID, c.Digest
		}
		rows = append(rows, row)
	}
	return console.CSV(w, "checks.csv", []string{"check", "state", "reason", "measures", "examined", "declared", "outcome", "first_at", "observed_at", "valid_until", "evidence", "digest"}, console.Once(rows))
}
