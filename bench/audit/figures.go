package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// figure is something measured, beside what it is compared with.
type figure struct {
	Part  string  `json:"part"`
	What  string  `json:"what"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`

	Reference string  `json:"reference,omitempty"`
	Of        float64 `json:"reference_value,omitempty"` // in the same unit
	Ratio     float64 `json:"ratio,omitempty"`           // to the reference: the median of the rounds

	Goal string `json:"goal,omitempty"`
	Held *bool  `json:"held,omitempty"` // no goal: absent
	Note string `json:"note,omitempty"`
	Load string `json:"load"` // of the machine, over a minute, before the part
}

// add takes a figure.
func (s *stand) add(f figure) {
	f.Part, f.Load = s.part, s.load
	s.figures = append(s.figures, f)
	s.say("  %s", f.line())
}

// atLeast and atMost hold a value against a goal.
func (f figure) atLeast(is, goal float64, text string) figure {
	held := is >= goal
	f.Goal, f.Held = "≥ "+text, &held
	return f
}

func (f figure) atMost(is, goal float64, text string) figure {
	held := is <= goal
	f.Goal, f.Held = "≤ "+text, &held
	return f
}

func (f figure) line() string {
	return strings.Join(slices.DeleteFunc(f.cells(), func(c string) bool { return c == "" }), "  ")
}

func (f figure) cells() []string {
	cells := []string{f.What, number(f.Value) + " " + f.Unit, "", "", "", f.Note}
	if f.Reference != "" {
		cells[2] = f.Reference
		if f.Of != 0 {
			cells[2] += ": " + number(f.Of) + " " + f.Unit
		}
	}
	if f.Ratio != 0 {
		cells[3] = fmt.Sprintf("%.2f×", f.Ratio)
	}
	if f.Held != nil {
		cells[4] = map[bool]string{true: "held ", false: "MISSED "}[*f.Held] + f.Goal
	}
	return cells
}

// number writes three or four digits that count.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1000:
		digits := fmt.Sprintf("%.0f", v)
		for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
			digits = digits[:i] + "," + digits[i:]
		}
		return digits
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// print writes the table of all figures.
func (s *stand) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "part\twhat\tmeasured\treference in the same run\tratio\tgoal\tnote\tload")
	for _, f := range s.figures {
		_, _ = fmt.Fprintln(w, f.Part+"\t"+strings.Join(f.cells(), "\t")+"\t"+f.Load)
	}
	_ = w.Flush()
}

// middle is the median; of an even number the mean of the two.
func middle(all []float64) float64 {
	if len(all) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(all))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// at is the quantile of durations, in milliseconds: the nearest rank.
func at(q float64, all []time.Duration) float64 {
	if len(all) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(all))
	return float64(sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]) / float64(time.Millisecond)
}

// ratios divides round by round.
func ratios(a, b []float64) []float64 {
	all := make([]float64, len(a))
	for i := range a {
		all[i] = a[i] / b[i]
	}
	return all
}

// load1 is the machine's load over the last minute; empty where it is not told.
func load1() string {
	b, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(b), " ")
	return first
}
