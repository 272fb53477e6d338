package app

import (
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/estate"
)

// Whoever loosens the plan of a copy is told that nothing is copied meanwhile; whoever loosens something else is not.
func TestAppliedSaysWhatWaits(t *testing.T) {
	const held = "No anonymised copy is made by it before that."
	for key, want := range map[string]bool{"databases.production.anonymised.plan": true, "databases.production.anonymised.place": true, "databases.production.anonymised.max_age": false, "policy.hsts_max_age": false} {
		a := Applied{Version: 2, New: true, Reductions: []estate.Reduction{{Kind: estate.Weakened, Key: key, From: "a", To: "b", Measures: []string{"SEG-8"}}}}
		if got := strings.Contains(a.String(), held); got != want {
			t.Errorf("%s: %s", key, a)
		}
	}
}
