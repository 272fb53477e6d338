package ui

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
)

// Spaces that do not break. French sets the narrow one before ; : ! ? % and between thousands;
// the other binds a number to its unit.
const (
	narrow = "\u202f"
	nbsp   = "\u00a0"
	minus  = "\u2212"
)

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// Printer writes words, figures and times in one language and zone. It holds no state and is
// safe for use from many goroutines.
type Printer struct {
	lang  string
	zone  *time.Location
	words map[string]message
}

// Lang is the language, "fr" or "en".
func (p *Printer) Lang() string { return p.lang }

// Zone is the zone of the times of day.
func (p *Printer) Zone() *time.Location { return p.zone }

// Has reports whether there are words for an id.
func (p *Printer) Has(id string) bool { _, ok := p.words[id]; return ok }

// Role is the word for a role; nothing for one that is not known.
func (p *Printer) Role(role actor.Role) string {
	if id := "ui.role." + string(role); p.Has(id) {
		return p.T(id)
	}
	return ""
}

var placeholder = regexp.MustCompile(`\{[A-Z][A-Za-z0-9]*\}`)

// T returns the text of an id with {Name} filled in. args are names and values in turn
// ("Name", "x", "Count", 3), or one map[string]any. Numbers, times, durations and lists of
// strings are written as the language writes them; a plural goes by Count.
//
// What has no words shows as ⟦id⟧, a placeholder without a value as ⟦Name⟧: ugly on purpose, so
// that tests find it before a reader does.
func (p *Printer) T(id string, args ...any) string {
	msg, ok := p.words[id]
	if !ok {
		return "⟦" + id + "⟧"
	}
	values := arguments(args)
	text := msg.other
	if msg.counts() {
		n, ok := whole(values["Count"])
		if !ok {
			return "⟦" + id + " Count⟧"
		}
		if p.singular(n) {
			text = msg.one
		}
	}
	return placeholder.ReplaceAllStringFunc(text, func(s string) string {
		name := s[1 : len(s)-1]
		v, ok := values[name]
		if !ok {
			return "⟦" + name + "⟧"
		}
		return p.value(v)
	})
}

func arguments(args []any) map[string]any {
	if len(args) == 1 {
		if m, ok := args[0].(map[string]any); ok {
			return m
		}
	}
	out := make(map[string]any, len(args)/2)
	for i := 0; i+1 < len(args); i += 2 {
		out[fmt.Sprint(args[i])] = args[i+1]
	}
	return out
}

func whole(v any) (int64, bool) {
	switch n := v.(type) {
	case int:
		return int64(n), true
	case int32:
		return int64(n), true
	case int64:
		return n, true
	}
	return 0, false
}

// value writes an argument of a message.
func (p *Printer) value(v any) string {
	if n, ok := whole(v); ok {
		return p.Number(n)
	}
	switch v := v.(type) {
	case string:
		return v
	case time.Duration:
		return p.Duration(v)
	case time.Time:
		return p.Instant(v)
	case []string:
		return p.List(v)
	case float64:
		return p.Decimal(v, -1)
	}
	return fmt.Sprint(v)
}

// Error returns what a reader may be shown of err: what happened, and the next step (may be
// empty). The words of the error's message id come first ("id" and "id.fix"); without them, its
// own English sentence.
func (p *Printer) Error(err error) (text, fix string) {
	var known *errs.Error
	if !errors.As(err, &known) {
		if errs.KindOf(err) == errs.Unavailable {
			return p.T("ui.error.timeout"), p.T("ui.error.timeout.fix")
		}
		return p.T("ui.error.internal"), p.T("ui.error.internal.fix")
	}
	if !p.Has(known.ID) {
		return known.Text, known.Fix
	}
	text = p.T(known.ID, known.Args)
	if p.Has(known.ID + ".fix") {
		fix = p.T(known.ID+".fix", known.Args)
	}
	return text, fix
}

// StateName is the word for a state; what is unknown is not proven.
func (p *Printer) StateName(s State) string { return p.T("ui.state." + string(s.known())) }

// KindName is the word for how a measure is carried out.
func (p *Printer) KindName(k Kind) string { return p.T("ui.kind." + string(k)) }

func (p *Printer) singular(n int64) bool {
	return n == 1 || n == -1 || n == 0 && p.lang == "fr" // CLDR: French i = 0,1
}

// Number writes a whole number with its thousands apart: "1 234 567", "1,234,567".
func (p *Printer) Number(n int64) string {
	digits, sign := strconv.FormatInt(n, 10), ""
	if n < 0 {
		digits, sign = digits[1:], minus
	}
	return sign + p.thousands(digits)
}

func (p *Printer) thousands(digits string) string {
	sep := ","
	if p.lang == "fr" {
		sep = narrow
	}
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteString(sep)
		}
		b.WriteRune(d)
	}
	return b.String()
}

// Decimal writes a number with so many digits after the decimal sign, or as few as it takes
// when digits is negative: "1,8", "1.8".
func (p *Printer) Decimal(v float64, digits int) string {
	s, sign := strconv.FormatFloat(v, 'f', digits, 64), ""
	if rest, negative := strings.CutPrefix(s, "-"); negative {
		s, sign = rest, minus
	}
	units, fraction, broken := strings.Cut(s, ".")
	s = sign + p.thousands(units)
	if !broken {
		return s
	}
	if p.lang == "fr" {
		return s + "," + fraction
	}
	return s + "." + fraction
}

// Percent writes a share of one, without decimals: "97 %", "97%". It never rounds up to the
// whole: 99.6 of 100 are 99.
func (p *Printer) Percent(part, all int64) string {
	if all <= 0 {
		return "–"
	}
	n := p.Number(part * 100 / all)
	if p.lang == "fr" {
		return n + narrow + "%"
	}
	return n + "%"
}

// Bytes writes a size in decimal units: "1,2 Go", "1.2 GB".
func (p *Printer) Bytes(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	if p.lang == "fr" {
		units = []string{"o", "ko", "Mo", "Go", "To", "Po"}
	}
	v, i := float64(n), 0
	for v >= 999.5 && i < len(units)-1 {
		v, i = v/1000, i+1
	}
	digits := 0
	if i > 0 && v < 9.95 {
		digits = 1
	}
	return p.Decimal(v, digits) + nbsp + units[i]
}

// CountOf writes a number and the noun that fits it: "14 adresses". In French 0 is singular.
func (p *Printer) CountOf(n int64, one, many string) string {
	noun := many
	if p.singular(n) {
		noun = one
	}
	return p.Number(n) + nbsp + noun
}

// List writes "a, b et c", "a, b and c".
func (p *Printer) List(items []string) string {
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	last := len(items) - 1
	return strings.Join(items[:last], ", ") + " " + p.T("ui.list.and") + " " + items[last]
}

// Quote sets a text in the quotation marks of the language.
func (p *Printer) Quote(s string) string {
	if p.lang == "fr" {
		return "«" + narrow + s + narrow + "»"
	}
	return "“" + s + "”"
}

// Duration writes a length of time as a contract would, exactly: in one unit when that is whole
// ("14 jours", "1 an", "6 heures", "90 secondes"), else in short ones ("2 h 11 min"). Up to
// three days it counts hours and up to two minutes seconds, because laws and plans do (72
// hours); below two minutes it keeps a tenth of a second.
func (p *Printer) Duration(d time.Duration) string {
	if d < 0 {
		return minus + p.Duration(-d)
	}
	switch {
	case d < 2*time.Minute && d%time.Minute != 0 && d%time.Second != 0:
		return p.Decimal(d.Seconds(), 1) + nbsp + p.T("ui.short.s")
	case d >= year && d%year == 0:
		return p.unit("year", d/year)
	case (d > 3*day || d == day || d == 2*day || d == 3*day) && d%day == 0:
		return p.unit("day", d/day)
	case d >= time.Hour && d <= 3*day && d%time.Hour == 0:
		return p.unit("hour", d/time.Hour)
	case d >= time.Minute && d < 2*time.Hour && d%time.Minute == 0:
		return p.unit("minute", d/time.Minute)
	case d < 2*time.Minute:
		return p.unit("second", d/time.Second)
	}
	return p.mixed(d.Round(time.Second))
}

func (p *Printer) unit(name string, n time.Duration) string {
	return p.T("ui.unit."+name, "Count", int64(n))
}

func (p *Printer) mixed(d time.Duration) string {
	var parts []string
	for _, u := range []struct {
		name string
		size time.Duration
	}{{"d", day}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}} {
		if u.name == "d" && d <= 3*day {
			continue
		}
		if n := d / u.size; n > 0 {
			parts = append(parts, p.Number(int64(n))+nbsp+p.T("ui.short."+u.name))
			d %= u.size
		}
	}
	return strings.Join(parts, nbsp)
}

// span writes about how long, in its greatest unit, rounded down.
func (p *Printer) span(d time.Duration) string {
	short := func(unit string, n time.Duration) string {
		return p.Number(int64(n)) + nbsp + p.T("ui.short."+unit)
	}
	switch {
	case d < time.Minute:
		return short("s", d/time.Second)
	case d < time.Hour:
		return short("min", d/time.Minute)
	case d < day:
		return short("h", d/time.Hour)
	case d < 2*year:
		return p.unit("day", d/day)
	}
	return p.unit("year", d/year)
}

// Elapsed writes about how long something has lasted: "214 jours", "3 h".
func (p *Printer) Elapsed(since, now time.Time) string { return p.span(max(0, now.Sub(since))) }

// Ago says how long ago something was: "il y a 3 min"; of what is to come, "dans 5 min". The
// zero time is "jamais".
func (p *Printer) Ago(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return p.T("ui.never")
	case d < -time.Second:
		return p.T("ui.in", "Span", p.span(-d))
	case d < time.Second:
		return p.T("ui.now")
	}
	return p.T("ui.ago", "Span", p.span(d))
}

// Until says when something is due, for the end of a sentence: "dans 12 min", "à 22 h",
// "demain à 6 h", "le 3 novembre 2027"; what is overdue is due "sans délai".
func (p *Printer) Until(t, now time.Time) string {
	switch d := t.Sub(now); {
	case d <= 0:
		return p.T("ui.until.now")
	case d < time.Hour:
		return p.T("ui.in", "Span", p.span(d))
	case p.sameDay(t, now):
		return p.T("ui.until.at", "Time", p.Clock(t))
	case p.sameDay(t, now.In(p.zone).AddDate(0, 0, 1)):
		return p.T("ui.until.tomorrow", "Time", p.Clock(t))
	}
	return p.OnDay(t)
}

func (p *Printer) sameDay(a, b time.Time) bool { return p.ISODay(a) == p.ISODay(b) }

// Clock writes a time of day: "21 h 04", "22 h"; "21:04".
func (p *Printer) Clock(t time.Time) string {
	t = t.In(p.zone)
	switch {
	case p.lang != "fr":
		return t.Format("15:04")
	case t.Minute() == 0:
		return strconv.Itoa(t.Hour()) + nbsp + "h"
	}
	return strconv.Itoa(t.Hour()) + nbsp + "h" + nbsp + t.Format("04")
}

// Day writes a day: "12 novembre 2026", "1er mars 2026"; "12 November 2026".
func (p *Printer) Day(t time.Time) string {
	return p.DayMonth(t) + " " + strconv.Itoa(t.In(p.zone).Year())
}

// DayMonth writes a day of a year that is understood: "12 novembre".
func (p *Printer) DayMonth(t time.Time) string {
	t = t.In(p.zone)
	d := strconv.Itoa(t.Day())
	if t.Day() == 1 && p.lang == "fr" {
		d = "1er"
	}
	return d + nbsp + p.T("ui.month."+strconv.Itoa(int(t.Month())))
}

// OnDay writes a day as part of a sentence: "le 12 novembre 2026", "on 12 November 2026".
func (p *Printer) OnDay(t time.Time) string { return p.T("ui.onday", "Day", p.Day(t)) }

// Instant writes a day and a time of day: "le 12 novembre 2026 à 21 h 04", "12 November 2026,
// 21:04".
func (p *Printer) Instant(t time.Time) string {
	return p.T("ui.instant", "Day", p.Day(t), "Time", p.Clock(t))
}

// ISO writes a moment for the datetime attribute of an element.
func (p *Printer) ISO(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// ISODay writes a day for a field of type date.
func (p *Printer) ISODay(t time.Time) string { return t.In(p.zone).Format(time.DateOnly) }
