package main

import (
	"strings"
	"testing"
	"time"
)

// Each row is measured in both designs, near and far, and both sides read the same: measure fails where they do not.
func TestEveryRowIsMeasured(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	var out strings.Builder
	o := options{size: size{rows: 20_000, tenants: 10}, pairs: 10, time: 100 * time.Millisecond, trip: 200 * time.Microsecond}
	if err := run(t.Context(), &out, o); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, w := range works {
		if n := strings.Count(out.String(), "\n"+w.name+" "); n != 4 {
			t.Errorf("%s stands in %d tables, want 4:\n%s", w.name, n, out.String())
		}
	}
}

func TestMiddleAndMarks(t *testing.T) {
	if got := middle([]time.Duration{5, 1, 3}); got != 3 {
		t.Errorf("the middle of 1, 3, 5 is %d", got)
	}
	if mark(1.08, 1.08) != "held:" || mark(1.081, 1.08) != "MISSED:" {
		t.Error("a goal is held up to itself and no further")
	}
}
