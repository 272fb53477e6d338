package run

import (
	"strings"
	"testing"
)

// What was made without proofs never passes, is gone when the run ends, and is not published by anybody who holds its report.
func TestUnprovenIsNeverServed(t *testing.T) {
	w := newWorld(t, 12)
	w.opt = func(o *Options) { o.Unproven = true }
	r, err := w.copy()
	w.must(err)
	if r.Passed() || r.Proven || r.Database != "" || r.Set.Entries != 0 || r.Leaks != nil || len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "nothing was proven") {
		t.Errorf("the report of an unproven copy is %+v", r)
	}
	w.only()
	if _, err := Publish(t.Context(), PublishOptions{Target: w.options().Target, Report: r}); err == nil {
		t.Error("an unproven copy is published")
	}
}
