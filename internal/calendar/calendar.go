// Package calendar reckons with days, months and years as people do: "review every year",
// "keep for two years after leaving", "due on 31 March". It knows no hours.
//
// # Rules
//
//   - A Date is a day of the calendar, in no zone. Only Of (which day is it there?) and Start
//     (when does that day begin there?) need one; a day that is an hour shorter or longer than
//     others is a day.
//   - A month is added by its number, and a day that the month lacks becomes its last one: a year
//     after 29 February is 28 February, a month after 31 January is 28 or 29 February.
//   - What recurs is reckoned from its first day and never from the last time, so that nothing
//     slides: every year from 29 February 2028 is 28 February in 2029, 2030 and 2031 and
//     29 February in 2032; every month from 31 January is the last day of each month.
package calendar

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// Date is a day of the Gregorian calendar. The zero Date is no day.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// layout is how a date is written everywhere: ISO 8601.
const layout = "2006-01-02"

// ErrDate is returned for a text that is not a day.
var ErrDate = errors.New("calendar: not a day written as 2026-03-31")

// ErrCadence is returned for a text that is not a cadence.
var ErrCadence = errors.New("calendar: not a cadence such as 30d, 2w, 6mo or 1y")

// Parse reads "2026-03-31". Days that there are not, as 2026-02-29, are refused.
func Parse(s string) (Date, error) {
	t, err := time.Parse(layout, s)
	if err != nil || t.Year() < 1 {
		return Date{}, ErrDate
	}
	return at(t), nil
}

// Of is the day that it is in a zone at a moment; a nil zone is UTC.
func Of(t time.Time, zone *time.Location) Date {
	if zone == nil {
		zone = time.UTC
	}
	return at(t.In(zone))
}

func at(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

// String writes "2026-03-31", and nothing for the zero Date.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return d.utc().Format(layout)
}

// IsZero reports whether d is no day.
func (d Date) IsZero() bool { return d == Date{} }

func (d Date) utc() time.Time { return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC) }

// Compare orders days: -1 when d is before other, 1 when it is after.
func (d Date) Compare(other Date) int { return d.utc().Compare(other.utc()) }

// Before reports whether d is before other.
func (d Date) Before(other Date) bool { return d.Compare(other) < 0 }

// After reports whether d is after other.
func (d Date) After(other Date) bool { return d.Compare(other) > 0 }

// AddDays returns the day n days later, or earlier when n is negative.
func (d Date) AddDays(n int) Date { return at(d.utc().AddDate(0, 0, n)) }

// Since returns how many days lie between an earlier day and d.
func (d Date) Since(earlier Date) int { return int(d.utc().Sub(earlier.utc()) / (24 * time.Hour)) }

// Start is the first moment of the day in a zone, also where clocks skip midnight.
func (d Date) Start(zone *time.Location) time.Time {
	if zone == nil {
		zone = time.UTC
	}
	t := time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, zone)
	if Of(t, zone) == d && Of(t.Add(-time.Nanosecond), zone) != d {
		return t
	}
	// Midnight is skipped or comes twice: the day begins somewhere within three hours of it.
	from := t.Add(-3 * time.Hour)
	for step := range 6 * 60 {
		if m := from.Add(time.Duration(step) * time.Minute); Of(m, zone) == d {
			return m
		}
	}
	return t
}

// End is the first moment after the day in a zone: what is due on d is overdue from then on.
func (d Date) End(zone *time.Location) time.Time { return d.AddDays(1).Start(zone) }

// Cadence is how often something comes back. The zero Cadence is never.
type Cadence struct {
	Years, Months, Days int
}

var cadence = regexp.MustCompile(`^([1-9][0-9]{0,3})(d|w|mo|y)$`)

// ParseCadence reads "30d", "2w", "6mo" or "1y".
func ParseCadence(s string) (Cadence, error) {
	m := cadence.FindStringSubmatch(s)
	if m == nil {
		return Cadence{}, ErrCadence
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return Cadence{}, ErrCadence
	}
	var c Cadence
	switch m[2] {
	case "d":
		c.Days = n
	case "w":
		c.Days = 7 * n
	case "mo":
		c.Months = n
	case "y":
		c.Years = n
	}
	return c, nil
}

// Yearly is every n years.
func Yearly(n int) Cadence { return Cadence{Years: n} }

// Monthly is every n months.
func Monthly(n int) Cadence { return Cadence{Months: n} }

// Daily is every n days.
func Daily(n int) Cadence { return Cadence{Days: n} }

// String writes a cadence as ParseCadence reads it; one of several units as "1y6mo".
func (c Cadence) String() string {
	s := ""
	for _, part := range []struct {
		n    int
		unit string
	}{{c.Years, "y"}, {c.Months, "mo"}, {c.Days, "d"}} {
		if part.n != 0 {
			s += fmt.Sprintf("%d%s", part.n, part.unit)
		}
	}
	return s
}

// IsZero reports whether c is never.
func (c Cadence) IsZero() bool { return c == Cadence{} }

// Add returns the day one cadence after d.
func Add(d Date, c Cadence) Date { return Nth(d, c, 1) }

// Nth returns the nth day of what recurs from its first day on: the 0th is the first day itself.
// A negative n goes back.
func Nth(first Date, c Cadence, n int) Date {
	months := int(first.Month) - 1 + n*(12*c.Years+c.Months)
	year := first.Year + months/12
	month := months % 12
	if month < 0 {
		month += 12
		year--
	}
	d := Date{year, time.Month(month + 1), first.Day}
	if last := lastDay(d.Year, d.Month); d.Day > last {
		d.Day = last
	}
	return d.AddDays(n * c.Days)
}

// Next returns the first day after a given one of what recurs from first on; first itself when
// that is still to come. It is the zero Date for a cadence of never that has passed.
func Next(first Date, c Cadence, after Date) Date {
	if first.After(after) {
		return first
	}
	if c.IsZero() {
		return Date{}
	}
	// A guess that is never too late, then one by one.
	longest := 366*c.Years + 31*c.Months + c.Days
	n := max(1, after.Since(first)/max(1, longest))
	for {
		if d := Nth(first, c, n); d.After(after) {
			return d
		}
		n++
	}
}

func lastDay(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}
