package page

import (
	"strconv"
	"strings"

	"github.com/garant-project/garant/internal/web/ui"
)

// coverage is how many measures were in which state over time, drawn and told.
type coverage struct {
	Columns []string // names of the stretches of time
	Rows    []coverRow
	Table   *ui.Table
	Note    string
	Key     []ui.Pill
}

// coverRow is one kind, or all of them, over each stretch of time.
type coverRow struct {
	Label  string
	Now    string
	Charts []chart
}

// chart is a drawing of states stacked, a day a column.
type chart struct {
	Width, Height int
	Areas         []area
	Label         string // its text equivalent
	From, To      string
}

// area is what one state takes.
type area struct{ Class, Path string }

// stacked are the states from the ground up.
func stacked() []ui.State { return []ui.State{ui.Met, ui.Stale, ui.NotMet, ui.Unproven, ui.Excluded} }

// coverage draws the days of a page; nil: none is known.
func (t teller) coverage(v Changes) *coverage {
	if len(v.Recent) == 0 {
		return nil
	}
	stretches := [][]Day{v.Recent}
	c := &coverage{Columns: []string{t.T("annex.cover.recent", "Count", len(v.Recent))}, Note: t.T("annex.cover.note")}
	if len(v.Whole) > 0 {
		stretches = append(stretches, v.Whole)
		c.Columns = append(c.Columns, t.T("annex.cover.whole", "When", t.OnDay(v.Published)))
	}
	kinds := append([]ui.Kind{""}, ui.Kinds()...) // the empty one: all of them
	for _, k := range kinds {
		last := counted(v.Recent[len(v.Recent)-1], k)
		total := sum(last)
		if total == 0 {
			continue
		}
		r := coverRow{Label: t.T("annex.cover.all"), Now: t.T("annex.cover.now", "Count", last[ui.Met], "All", total)}
		if k != "" {
			r.Label = capital(t.KindName(k))
		}
		for _, days := range stretches {
			r.Charts = append(r.Charts, t.chart(r.Label, days, k))
		}
		c.Rows = append(c.Rows, r)
	}
	for _, s := range stacked() {
		c.Key = append(c.Key, t.Pill(s))
	}
	c.Table = t.figures(stretches[len(stretches)-1])
	return c
}

// counted is how many measures of a kind were in which state; the empty kind is all of them.
func counted(d Day, k ui.Kind) map[ui.State]int {
	out := map[ui.State]int{}
	for kind, states := range d.Count {
		if k != "" && kind != k {
			continue
		}
		for s, n := range states {
			out[known(s)] += n
		}
	}
	return out
}

func sum(count map[ui.State]int) (n int) {
	for _, v := range count {
		n += v
	}
	return n
}

func (t teller) chart(label string, days []Day, k ui.Kind) chart {
	c := chart{Width: len(days), Height: 1, From: t.Day(days[0].Date), To: t.Day(days[len(days)-1].Date)}
	floor, counts := make([]int, len(days)), make([]map[ui.State]int, len(days))
	for i, d := range days {
		counts[i] = counted(d, k)
		c.Height = max(c.Height, sum(counts[i]))
	}
	for _, s := range stacked() {
		top, drawn := make([]int, len(days)), false
		for i := range days {
			top[i] = floor[i] + counts[i][s]
			drawn = drawn || top[i] > floor[i]
		}
		if drawn {
			c.Areas = append(c.Areas, area{Class: s.Class(), Path: steps(floor, top, c.Height)})
		}
		floor = top
	}
	first, last := counts[0], counts[len(counts)-1]
	c.Label = t.T("annex.cover.label", "What", label, "From", c.From, "To", c.To,
		"Then", t.T("annex.cover.now", "Count", first[ui.Met], "All", sum(first)), "Now", t.T("annex.cover.now", "Count", last[ui.Met], "All", sum(last)))
	return c
}

// steps is the outline of an area between two heights, a unit a day.
func steps(floor, top []int, height int) string {
	var b strings.Builder
	b.WriteString("M0 " + strconv.Itoa(height-top[0]))
	along := func(level func(i int) int, order func(i int) int, unit string) {
		run := 0
		for i := range top {
			at := order(i)
			if i > 0 && level(at) != level(order(i-1)) {
				b.WriteString("h" + unit + strconv.Itoa(run) + "V" + strconv.Itoa(height-level(at)))
				run = 0
			}
			run++
		}
		b.WriteString("h" + unit + strconv.Itoa(run))
	}
	along(func(i int) int { return top[i] }, func(i int) int { return i }, "")
	b.WriteString("V" + strconv.Itoa(height-floor[len(floor)-1]))
	along(func(i int) int { return floor[i] }, func(i int) int { return len(top) - 1 - i }, "-")
	b.WriteString("z")
	return b.String()
}

// figures tells the same days as a table, in at most a dozen rows.
func (t teller) figures(days []Day) *ui.Table {
	table := &ui.Table{Caption: t.T("annex.cover.table"), Columns: []ui.Column{{Label: t.T("annex.cover.day")}}}
	for _, s := range ui.States() {
		table.Columns = append(table.Columns, ui.Column{Label: t.StateName(s), Numeric: true})
	}
	const most = 12
	step := (len(days)-1)/most + 1
	for i := len(days) - 1; i >= 0; i -= step {
		count := counted(days[i], "")
		row := []ui.Cell{{Text: t.Day(days[i].Date)}}
		for _, s := range ui.States() {
			row = append(row, ui.Cell{Text: t.Number(int64(count[s]))})
		}
		table.Rows = append(table.Rows, row)
	}
	return table
}
