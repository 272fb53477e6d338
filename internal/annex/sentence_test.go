package annex_test

import (
	"testing"
	"time"

	"github.com/garant-project/garant/internal/annex"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/web/ui"
)

// TestFillChooses: the stronger of two words is said while evidence says yes, and only then is it shown as something that a check saw.
func TestFillChooses(t *testing.T) {
	const text = "Copies are {copies.anonymised?anonymised|pseudonymised} by machine."
	words, err := ui.NewMessages(map[string][]byte{"en": []byte("x: x\n"), "fr": []byte("x: x\n")})
	if err != nil {
		t.Fatal(err)
	}
	seen := time.Date(2026, 11, 27, 6, 0, 0, 0, time.UTC)
	row := func(f measure.Fact) annex.Row {
		return annex.Row{State: measure.Met, Facts: map[string]measure.Fact{"copies.anonymised": f}, Sources: map[string]string{"copies.anonymised": "anonymise.copied"}}
	}
	const stronger, weaker = "Copies are anonymised by machine.", "Copies are pseudonymised by machine."
	for name, x := range map[string]struct {
		row  annex.Row
		want string
	}{
		"proven":                {row(measure.Proven(true)), stronger},
		"not proven":            {row(measure.Proven(false)), weaker},
		"a fact of another use": {row(measure.Count(1)), weaker},
		"no evidence":           {annex.Row{}, weaker},
	} {
		// What is announced never makes it stronger.
		spans, ok := annex.Fill(text, words.For("en", time.UTC), map[string]measure.Fact{"copies.anonymised": measure.Proven(true)}, x.row, seen)
		if got := annex.Plain(spans); !ok || got != x.want {
			t.Errorf("%s: %q, %v", name, got, ok)
		}
		if ok && (spans[1].Source != "") != (x.row.Facts != nil) {
			t.Errorf("%s: the word comes from %q", name, spans[1].Source)
		}
	}
}
