package console

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// historyDays is the length of the curve of the coverage.
const historyDays = 90

type deskPage struct {
	Lead    string
	Whose   []filter // all and the reader's own; empty: everything is the reader's own
	Teams   []filter
	CSV     string // empty: nothing is due
	Due     []deskRow
	Empty   ui.Empty
	Annex   bool // the reader sees what checks have seen
	Counts  map[ui.State]int
	Legend  []legend
	Chart   *chart // nil: no past to draw yet
	Latest  []latest
	Summary string // of the latest checks
}

// deskRow is one thing that is due.
type deskRow struct {
	console.Due
	UntilText string // the day; empty: none is set
	Late      bool
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

// mine is how the address names what is for the reader.
const mine = "mine"

// desk shows what is due, for whom, why and until when; to those who read checks also how the
// annex fares.
func (h *pages) desk(w http.ResponseWriter, r *web.Request) error {
	p := h.c.Printer(r)
	all, shown, err := h.deskList(r, p)
	if err != nil {
		return err
	}
	body := &deskPage{Counts: map[ui.State]int{}, Annex: r.Actor.May(actor.ReadChecks), Empty: h.emptyDesk(r, p, len(all) > 0)}
	for _, d := range shown {
		body.Due = append(body.Due, deskRow{Due: d, UntilText: dayOf(p, d.Until, r.Now), Late: !d.Until.IsZero() && !r.Now.Before(d.Until)})
	}
	if len(all) > 0 {
		body.CSV = deskAddress(console.DeskPath+"desk.csv", r.URL.Query().Get("whose"), r.URL.Query().Get("team"))
	}
	body.Lead = p.T("console.desk.lead", "Count", len(all))
	if body.Annex {
		if err := h.deskFilters(r, p, all, body); err != nil {
			return err
		}
		if err := h.coverage(r, p, body); err != nil {
			return err
		}
	}
	return h.write(w, "desk", h.c.Page(r, "console.desk.title", console.DeskPath, body))
}

// deskList lists what is due, and what the address leaves of it.
func (h *pages) deskList(r *web.Request, p *ui.Printer) (all, shown []console.Due, err error) {
	whose, team := r.URL.Query().Get("whose"), r.URL.Query().Get("team")
	if whose != "" && whose != mine || team != "" && !teamKey.MatchString(team) {
		return nil, nil, errs.New(errs.Invalid, "console.desk.filter", "There is no such selection.").WithFix("Choose one above the list.")
	}
	if all, err = h.c.Due(r, p); err != nil {
		return nil, nil, err
	}
	order(all)
	for _, d := range all {
		if (whose == "" || d.Mine) && (team == "" || slices.Contains(d.Teams, team)) {
			shown = append(shown, d)
		}
	}
	return all, shown, nil
}

var teamKey = regexp.MustCompile(`^[a-z][a-z0-9_]{0,60}$`)

// deskAddress is an address of the desk with its filters.
func deskAddress(path, whose, team string) string {
	q := url.Values{}
	if whose != "" {
		q.Set("whose", whose)
	}
	if team != "" {
		q.Set("team", team)
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// deskFilters makes the links that narrow the list, where there is something to choose between.
func (h *pages) deskFilters(r *web.Request, p *ui.Printer, all []console.Due, body *deskPage) error {
	whose, team := r.URL.Query().Get("whose"), r.URL.Query().Get("team")
	if len(all) == 0 {
		return nil
	}
	view, err := h.r.Effective(r.Context())
	if err != nil {
		return err
	}
	own, teams := 0, map[string]int{}
	for _, d := range all {
		if d.Mine {
			own++
		}
		for _, key := range d.Teams {
			teams[key]++
		}
	}
	body.Whose = []filter{
		{Label: p.T("console.desk.all"), Href: deskAddress(console.DeskPath, "", team), Count: len(all), Current: whose == ""},
		{Label: p.T("console.desk.mine"), Href: deskAddress(console.DeskPath, mine, team), Count: own, Current: whose == mine},
	}
	if team != "" && teams[team] == 0 {
		teams[team] = 0 // what was chosen is shown, so that it can be left
	}
	if len(teams) < 2 && team == "" {
		return nil
	}
	body.Teams = []filter{{Label: p.T("console.desk.teams"), Href: deskAddress(console.DeskPath, whose, ""), Count: len(all), Current: team == ""}}
	for _, key := range slices.Sorted(maps.Keys(teams)) {
		label := view.Registry.Catalogue.TeamName(p.Lang(), key)
		if label == "" {
			label = key
		}
		body.Teams = append(body.Teams, filter{Label: label, Href: deskAddress(console.DeskPath, whose, key), Count: teams[key], Current: key == team})
	}
	return nil
}

// emptyDesk says what to do where nothing waits, or where others have something that waits.
func (h *pages) emptyDesk(r *web.Request, p *ui.Printer, others bool) ui.Empty {
	e := ui.Empty{Icon: "check-circle", Title: p.T("console.desk.empty"), Text: p.T("console.desk.empty.text")}
	switch {
	case others:
		e = ui.Empty{Icon: "filter", Title: p.T("console.desk.none"), Text: p.T("console.desk.none.text"), Action: &ui.Button{Label: p.T("console.desk.show_all"), Href: console.DeskPath}}
	case !r.Actor.May(actor.ReadChecks):
		e.Text = p.T("console.desk.empty.own")
		if h.c.AnnexURL != "" {
			e.Action = &ui.Button{Label: p.T("console.desk.annex"), Href: h.c.AnnexURL, Icon: "scroll"}
		}
	}
	return e
}

// dayOf is the day by which something must be done: until the end of a day is on that day.
func dayOf(p *ui.Printer, until, now time.Time) string {
	if until.IsZero() {
		return ""
	}
	last := until.Add(-time.Microsecond)
	if p.ISODay(last) == p.ISODay(now) {
		return p.T("console.desk.today")
	}
	return p.Day(last)
}

// coverage fills in how the annex fares.
func (h *pages) coverage(r *web.Request, p *ui.Printer, body *deskPage) error {
	view, err := h.r.Effective(r.Context())
	if err != nil {
		return err
	}
	known, err := h.r.Known(r.Context(), h.staff())
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
	if public := body.Counts[ui.NotMet] + body.Counts[ui.Stale]; public > 0 {
		id := "console.desk.public"
		if view.Private {
			id = "console.desk.private"
		}
		body.Lead += " " + p.T(id, "Count", public)
	}
	if body.Chart, err = h.past(r, p, met, len(view.Registry.Catalogue.Measures)); err != nil {
		return err
	}
	return h.latest(r, p, body)
}

// deskCSV exports what is due, as far as the address leaves it.
func (h *pages) deskCSV(w http.ResponseWriter, r *web.Request) error {
	p := h.c.Printer(r)
	_, shown, err := h.deskList(r, p)
	if err != nil {
		return err
	}
	rows := make([][]string, 0, len(shown))
	for _, d := range shown {
		var lines []string
		for _, l := range d.Lines {
			lines = append(lines, strings.TrimSpace(l.Target+" "+l.Text))
		}
		rows = append(rows, []string{string(d.State), d.Tag, d.What, strings.Join(lines, "; "), d.Why, d.Next, d.Whom, strings.Join(d.Teams, " "),
			strconv.FormatBool(d.Mine), console.Stamp(d.Until), console.Stamp(d.Since), strconv.Itoa(d.Urgency), d.Href})
	}
	return console.CSV(w, "desk.csv", []string{"state", "tag", "what", "lines", "why", "next", "for", "teams", "mine", "until", "since", "urgency", "path"}, console.Once(rows))
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

// curve is how many measures were met at the end of each of some days, which no longer changes once
// they are over.
type curve struct {
	mu     sync.Mutex
	today  time.Time // its midnight; the last day is the one before
	counts []int     // today's at the end, not known
	known  int       // the first day of which something is known; len(counts): none
}

// settled is how long after midnight what was written before it can still come to light.
const settled = 5 * time.Minute

// before returns the curve of the days before the present one.
func (c *curve) before(ctx context.Context, on pg.Querier, now time.Time, zone *time.Location) (counts []int, known int, err error) {
	y, m, d := now.In(zone).Date()
	today := time.Date(y, m, d, 0, 0, 0, 0, zone)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts != nil && c.today.Equal(today) && c.today.Location().String() == zone.String() {
		return slices.Clone(c.counts), c.known, nil
	}
	changes, err := lastOfDay(ctx, on, today.AddDate(0, 0, 1-historyDays), today, zone)
	if err != nil {
		return nil, 0, err
	}
	byDay := map[int][]dayState{}
	first := historyDays + 1
	for _, x := range changes {
		byDay[x.Day] = append(byDay[x.Day], x)
		first = min(first, x.Day)
	}
	met := map[string]bool{}
	for day := 0; day <= historyDays; day++ {
		for _, x := range byDay[day] {
			met[x.Measure] = x.State == measure.Met
		}
		n := 0
		for _, yes := range met {
			if yes {
				n++
			}
		}
		if day > 0 {
			counts = append(counts, n)
		}
	}
	known = min(max(0, first-1), len(counts))
	if now.Sub(today) >= settled {
		c.today, c.counts, c.known = today, slices.Clone(counts), known
	}
	return counts, known, nil
}

// past draws how many measures were met at the end of each of the last days; today's are those
// that are met now. nil when nothing is known of any day before today.
func (h *pages) past(r *web.Request, p *ui.Printer, metNow, total int) (*chart, error) {
	counts, known, err := h.curve.before(r.Context(), h.staff(), r.Now, p.Zone())
	if err != nil {
		return nil, err
	}
	if known >= len(counts)-1 { // nothing is older than today
		return nil, nil //nolint:nilnil // nothing to draw
	}
	counts[len(counts)-1] = metNow
	return draw(p, counts, known, total), nil
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
