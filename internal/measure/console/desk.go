package console

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// historyDays is the length of the curve of the coverage.
const historyDays = 90

type deskPage struct {
	Lead    string
	Due     []console.Due
	Empty   ui.Empty
	Counts  map[ui.State]int
	Legend  []legend
	Chart   *chart // nil: no past to draw yet
	Latest  []latest
	Summary string // of the latest checks
}

// legend is a state with how many measures are in it.
type legend struct {
	State ui.State
	Count int
}

// latest is a check with when it was last seen.
type latest struct {
	Title, Href, Scope string
	State              ui.State
	At                 time.Time
}

// chart is the curve of met measures.
type chart struct {
	Label      string // the same in words
	Top        string // beside the highest line
	Line, Area string // paths
}

func (h *pages) desk(w http.ResponseWriter, r *web.Request) error {
	if !r.Actor.May(actor.ReadChecks) { // of the desk, what is theirs
		return web.SeeOther(w, r, console.MeasuresPath+"?show="+showMine)
	}
	p := h.c.Printer(r)
	due, err := h.c.Due(r, p)
	if err != nil {
		return err
	}
	order(due)
	body := &deskPage{Due: due, Counts: map[ui.State]int{}, Empty: ui.Empty{Icon: "check-circle", Title: p.T("console.desk.empty"), Text: p.T("console.desk.empty.text")}}
	view, err := h.r.Effective(r.Context())
	if err != nil {
		return err
	}
	known, err := measure.Load(r.Context(), h.staff())
	if err != nil {
		return err
	}
	met := 0
	for _, m := range view.Registry.Catalogue.Measures {
		state := view.Registry.Derive(m.ID, view, known, r.Now).State
		body.Counts[ui.State(state)]++
		if state == measure.Met {
			met++
		}
	}
	for _, s := range ui.States() {
		if n := body.Counts[s]; n > 0 {
			body.Legend = append(body.Legend, legend{s, n})
		}
	}
	public := body.Counts[ui.NotMet] + body.Counts[ui.Stale]
	body.Lead = p.T("console.desk.lead", "Count", len(due))
	if public > 0 {
		body.Lead += " " + p.T("console.desk.public", "Count", public)
	}
	past, err := h.past(r, p, met, len(view.Registry.Catalogue.Measures))
	if err != nil {
		return err
	}
	body.Chart = past
	if err := h.latest(r, p, body); err != nil {
		return err
	}
	return h.write(w, "desk", h.c.Page(r, "console.desk.title", console.DeskPath, body))
}

// latest fills in the checks that were seen last.
func (h *pages) latest(r *web.Request, p *ui.Printer, body *deskPage) error {
	all, err := h.r.Statuses(r.Context())
	if err != nil {
		return err
	}
	failing := 0
	var seen []measure.CheckStatus
	for _, s := range all {
		if s.Current == nil {
			continue
		}
		seen = append(seen, s)
		if s.Current.Finding.Outcome == measure.Fail {
			failing++
		}
	}
	slices.SortStableFunc(seen, func(a, b measure.CheckStatus) int { return b.Current.ObservedAt.Compare(a.Current.ObservedAt) })
	for _, s := range seen[:min(len(seen), 6)] {
		body.Latest = append(body.Latest, latest{
			Title: name(p, s.Check), Href: checkPath(s.Check.ID), State: ui.State(s.State), At: s.Current.ObservedAt,
			Scope: p.T("console.check.targets", "Count", len(s.Current.Finding.Scope)),
		})
	}
	body.Summary = p.T("console.desk.checks", "Count", len(all))
	if failing > 0 {
		body.Summary += p.T("console.desk.failing", "Count", failing)
	}
	return nil
}

// past draws how many measures were met at the end of each of the last days; today's are those
// that are met now. nil when nothing is known of any day before today.
func (h *pages) past(r *web.Request, p *ui.Printer, metNow, total int) (*chart, error) {
	zone := p.Zone()
	y, m, d := r.Now.In(zone).Date()
	from := time.Date(y, m, d-historyDays+1, 0, 0, 0, 0, zone)
	changes, err := lastOfDay(r.Context(), h.staff(), from, zone)
	if err != nil {
		return nil, err
	}
	byDay := map[int][]dayState{}
	first := historyDays + 1
	for _, c := range changes {
		byDay[c.Day] = append(byDay[c.Day], c)
		first = min(first, c.Day)
	}
	if first >= historyDays { // today is day 90, and nothing is older
		return nil, nil //nolint:nilnil // nothing to draw
	}
	met := map[string]bool{}
	counts := make([]int, 0, historyDays)
	for day := 0; day <= historyDays; day++ {
		n := 0
		for _, c := range byDay[day] {
			met[c.Measure] = c.State == measure.Met
		}
		for _, yes := range met {
			if yes {
				n++
			}
		}
		if day > 0 {
			counts = append(counts, n)
		}
	}
	counts[len(counts)-1] = metNow
	return draw(p, counts, max(0, first-1), total), nil
}

// The drawing, in units of its view box.
const (
	chartWidth  = 520.0
	chartTop    = 24.0
	chartBottom = 132.0
)

// draw makes the curve of counts, one a day, of at most total. Days before known are left out.
func draw(p *ui.Printer, counts []int, known, total int) *chart {
	c := &chart{Top: p.T("console.desk.measures", "Count", total)}
	var line strings.Builder
	step := chartWidth / float64(max(1, len(counts)-1))
	x := func(i int) float64 { return float64(i) * step }
	highest := 0
	for i := known; i < len(counts); i++ {
		verb := "L"
		if i == known {
			verb = "M"
		}
		highest = max(highest, counts[i])
		height := chartBottom - (chartBottom-chartTop)*float64(counts[i])/float64(max(1, total))
		fmt.Fprintf(&line, "%s%.1f %.1f", verb, x(i), height)
	}
	c.Line = line.String()
	c.Area = fmt.Sprintf("%sL%.1f %.0fL%.1f %.0fz", c.Line, x(len(counts)-1), chartBottom, x(known), chartBottom)
	c.Label = p.T("console.desk.curve", "Days", len(counts)-known, "First", counts[known], "Last", counts[len(counts)-1], "Highest", highest, "Total", total)
	return c
}
