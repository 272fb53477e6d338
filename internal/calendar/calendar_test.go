package calendar_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/garant-project/garant/internal/calendar"
)

func day(t testing.TB, s string) calendar.Date {
	t.Helper()
	d, err := calendar.Parse(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return d
}

func every(t testing.TB, s string) calendar.Cadence {
	t.Helper()
	c, err := calendar.ParseCadence(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return c
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestNth(t *testing.T) {
	for _, c := range []struct {
		first, every string
		n            int
		want         string
	}{
		{"2028-02-29", "1y", 1, "2029-02-28"},
		{"2028-02-29", "1y", 3, "2031-02-28"},
		{"2028-02-29", "1y", 4, "2032-02-29"}, // nothing slides to the 28th for ever
		{"2096-02-29", "1y", 4, "2100-02-28"}, // 2100 is no leap year
		{"2027-02-28", "1y", 1, "2028-02-28"}, // the 28th stays the 28th in a leap year
		{"2026-01-31", "1mo", 1, "2026-02-28"},
		{"2026-01-31", "1mo", 2, "2026-03-31"},
		{"2028-01-31", "1mo", 1, "2028-02-29"},
		{"2026-08-31", "6mo", 1, "2027-02-28"},
		{"2026-12-31", "2mo", 1, "2027-02-28"},
		{"2026-11-30", "3mo", -1, "2026-08-30"},
		{"2026-01-31", "1mo", -2, "2025-11-30"},
		{"2028-02-28", "1d", 1, "2028-02-29"},
		{"2026-03-28", "1d", 2, "2026-03-30"},
		{"2026-12-28", "2w", 1, "2027-01-11"},
		{"2026-05-05", "1y", 0, "2026-05-05"},
	} {
		if got := calendar.Nth(day(t, c.first), every(t, c.every), c.n).String(); got != c.want {
			t.Errorf("%s, the %dth of every %s: %s, want %s", c.first, c.n, c.every, got, c.want)
		}
	}
	if got := calendar.Add(day(t, "2028-02-29"), every(t, "1y")); got != day(t, "2029-02-28") {
		t.Errorf("a year after 29 February: %s", got)
	}
}

func TestNext(t *testing.T) {
	for _, c := range []struct{ first, every, after, want string }{
		{"2028-02-29", "1y", "2028-02-29", "2029-02-28"},
		{"2028-02-29", "1y", "2031-02-28", "2032-02-29"},
		{"2028-02-29", "1y", "2032-02-28", "2032-02-29"},
		{"2026-01-31", "1mo", "2026-02-28", "2026-03-31"},
		{"2026-01-31", "1mo", "2026-03-30", "2026-03-31"},
		{"2027-01-01", "1y", "2026-06-01", "2027-01-01"},
		{"1990-01-31", "1d", "2026-11-26", "2026-11-27"},
		{"1990-01-31", "1mo", "2026-11-26", "2026-11-30"},
	} {
		if got := calendar.Next(day(t, c.first), every(t, c.every), day(t, c.after)).String(); got != c.want {
			t.Errorf("every %s from %s, after %s: %s, want %s", c.every, c.first, c.after, got, c.want)
		}
	}
	if got := calendar.Next(day(t, "2026-01-01"), calendar.Cadence{}, day(t, "2026-06-01")); !got.IsZero() {
		t.Errorf("never comes back on %s", got)
	}
	// Next is the first day after: no multiple lies between, for years of days.
	first, c := day(t, "2027-12-31"), every(t, "1mo")
	for i := range 2000 {
		after := first.AddDays(i)
		next := calendar.Next(first, c, after)
		if !next.After(after) || next.Since(after) > 31 {
			t.Fatalf("after %s comes %s", after, next)
		}
	}
}

func TestDaysAndZones(t *testing.T) {
	brussels := zone(t, "Europe/Brussels")
	// 29 March 2026 has 23 hours there, 25 October 25.
	for _, c := range []struct {
		day   string
		hours float64
	}{{"2026-03-29", 23}, {"2026-10-25", 25}, {"2026-06-01", 24}} {
		d := day(t, c.day)
		if got := d.End(brussels).Sub(d.Start(brussels)).Hours(); got != c.hours {
			t.Errorf("%s lasts %v hours", c.day, got)
		}
		if calendar.Of(d.End(brussels).Add(-time.Second), brussels) != d || calendar.Of(d.End(brussels), brussels) == d {
			t.Errorf("%s does not end when it ends", c.day)
		}
	}
	// What is due every day is due every day over the change of clocks.
	d := day(t, "2026-03-28")
	for range 3 {
		next := calendar.Add(d, calendar.Daily(1))
		if next.Since(d) != 1 {
			t.Errorf("a day after %s is %s", d, next)
		}
		d = next
	}
	// Late in the evening in Brussels it is tomorrow already, though not in UTC.
	late := time.Date(2026, 11, 26, 23, 30, 0, 0, time.UTC)
	if got := calendar.Of(late, brussels).String(); got != "2026-11-27" {
		t.Errorf("in Brussels it is %s", got)
	}
	if got := calendar.Of(late, nil).String(); got != "2026-11-26" {
		t.Errorf("in UTC it is %s", got)
	}
	// In Cairo and in Santiago clocks skip midnight; in Havana it comes twice.
	for name, days := range map[string][]string{"Africa/Cairo": {"2026-04-24"}, "America/Santiago": {"2026-09-06"}, "America/Havana": {"2026-11-01", "2026-03-08"}} {
		z := zone(t, name)
		for _, s := range days {
			d := day(t, s)
			start := d.Start(z)
			if calendar.Of(start, z) != d || calendar.Of(start.Add(-time.Second), z) != d.AddDays(-1) {
				t.Errorf("%s: %s begins at %s", name, s, start)
			}
		}
	}
}

func TestParse(t *testing.T) {
	for _, s := range []string{"", "2026-02-29", "2026-13-01", "2026-00-10", "0000-01-01", "26-01-01", "2026-1-1", "2026-01-01T00:00:00Z", "31/03/2026", " 2026-01-01"} {
		if d, err := calendar.Parse(s); err == nil {
			t.Errorf("%q is taken for %s", s, d)
		}
	}
	for _, s := range []string{"", "d", "0d", "-1d", "1m", "1.5y", "y1", "1 y", "99999d", "1y6mo"} {
		if c, err := calendar.ParseCadence(s); err == nil {
			t.Errorf("%q is taken for %s", s, c)
		}
	}
	for _, s := range []string{"1d", "30d", "6mo", "1y"} {
		if got := every(t, s).String(); got != s {
			t.Errorf("%s is written %s", s, got)
		}
	}
	if got := every(t, "2w").String(); got != "14d" {
		t.Errorf("two weeks are written %s", got)
	}
}
