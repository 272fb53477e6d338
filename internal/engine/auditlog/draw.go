package auditlog

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/audit/search"
	"github.com/garant-project/garant/internal/web/ui"
)

// drawing is bars over time, with its text equivalent.
type drawing struct {
	Label, About  string
	From, To      string
	Top           string // what the highest bar stands for
	Bars, Refused string // paths
	Width, Height int
}

// The size of a drawing, in units.
const (
	drawnHeight = 100
	drawnBar    = 4 // with a gap of 1
)

// volumeDays is how far back the volume is drawn.
const volumeDays = 7

// volume draws how much was recorded in each hour.
func volume(p *ui.Printer, list []search.Hour, now time.Time) *drawing {
	if len(list) == 0 {
		return nil
	}
	last := now.UTC().Truncate(time.Hour)
	const hours = volumeDays * 24
	first := last.Add(-(hours - 1) * time.Hour)
	most, all, refused := int64(0), int64(0), int64(0)
	var busiest time.Time
	for _, h := range list {
		if h.Entries > most {
			most, busiest = h.Entries, h.At
		}
		all, refused = all+h.Entries, refused+h.Refused
	}
	var bars, no strings.Builder
	for _, h := range list {
		at := int(h.At.Sub(first) / time.Hour)
		if at < 0 || at >= hours {
			continue
		}
		x := at * (drawnBar + 1)
		bar(&bars, x, h.Entries, most)
		if h.Refused > 0 {
			bar(&no, x, h.Refused, most)
		}
	}
	about := ""
	if refused > 0 {
		about = p.T("record_log.volume.about", "Count", refused)
	}
	return &drawing{
		Bars: bars.String(), Refused: no.String(), Width: hours*(drawnBar+1) - 1, Height: drawnHeight, From: p.Instant(first), To: p.T("record_log.now"), Top: p.T("record_log.volume.top", "Count", most),
		Label: p.T("record_log.volume.label", "Count", all, "Most", most, "When", p.Instant(busiest)), About: about,
	}
}

// bar draws one, at least one unit high.
func bar(b *strings.Builder, x int, n, most int64) {
	h := max(1, int(n*drawnHeight/max(1, most)))
	fmt.Fprintf(b, "M%d %dh%dv%dh-%dz", x, drawnHeight-h, drawnBar, h, drawnBar)
}

// lags draws how long entries waited for their signed head, a bar a round.
func lags(p *ui.Printer, list []round) *drawing {
	if len(list) < 2 {
		return nil
	}
	all := make([]time.Duration, len(list))
	for i, r := range list {
		all[i] = r.Lag
	}
	slices.Sort(all)
	most, middle := all[len(all)-1], all[len(all)/2]
	var bars strings.Builder
	for i, r := range list {
		bar(&bars, i*(drawnBar+1), int64(r.Lag), int64(max(most, time.Millisecond)))
	}
	return &drawing{
		Bars: bars.String(), Width: max(len(list), roundsShown/2)*(drawnBar+1) - 1, Height: drawnHeight, From: p.Instant(list[0].At), To: p.Instant(list[len(list)-1].At), Top: p.T("record_log.lag.top", "Lag", short(p, most)),
		Label: p.T("record_log.lag.label", "Count", len(list), "Middle", short(p, middle), "Most", short(p, most)), About: p.T("record_log.lag.about"),
	}
}

// short is a length of time as a reader takes it in: milliseconds below a second.
func short(p *ui.Printer, d time.Duration) string {
	if d < time.Second {
		return p.Number(d.Milliseconds()) + "\u00a0ms"
	}
	if d < time.Minute {
		return p.Decimal(math.Round(d.Seconds()*10)/10, -1) + "\u00a0s"
	}
	return p.Duration(d.Round(time.Second))
}
