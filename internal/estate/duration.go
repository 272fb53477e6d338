package estate

import (
	"regexp"
	"strconv"
	"time"
)

const day = 24 * time.Hour

// units of durations in garant.yaml. A year is 365 days, a day 24 hours.
var units = [...]struct {
	name string
	is   time.Duration
}{{"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}

var durationForm = regexp.MustCompile(`^(0|[1-9][0-9]{0,9})([smhdwy])$`)

// ParseDuration reads a whole number and a unit: s, m, h, d, w (7 d) or y (365 d); at most 100 y.
func ParseDuration(s string) (time.Duration, bool) {
	m := durationForm.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return 0, false
	}
	unit := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": day, "w": 7 * day, "y": 365 * day}[m[2]]
	if n > int64(100*365*day/unit) {
		return 0, false
	}
	return time.Duration(n) * unit, true
}

// FormatDuration writes a duration as garant.yaml has it, in the largest unit that leaves no
// rest; a year is written in days.
func FormatDuration(d time.Duration) string {
	for _, u := range units {
		if d >= u.is && d%u.is == 0 {
			return strconv.FormatInt(int64(d/u.is), 10) + u.name
		}
	}
	return d.String()
}
