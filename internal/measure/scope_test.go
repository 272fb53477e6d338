package measure_test

import (
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/measure"
)

func TestRegisterOf(t *testing.T) {
	for want, scope := range map[string][]string{"": {"application", "registers"}, "assets": {"application", "register:assets", "register:sites"}} {
		if got := measure.RegisterOf(scope); got != want {
			t.Errorf("%q: %q, not %q", scope, got, want)
		}
	}
}

// What hides a target is never a pass, and a fault of one target is not hidden by another's.
func TestLook(t *testing.T) {
	hides := func(problem string) bool { return problem == "away" }
	for name, c := range map[string]struct {
		met     [][]string
		outcome measure.Outcome
		scope   string
	}{
		"all is well":                    {[][]string{nil, nil}, measure.Pass, "a b"},
		"one is hidden":                  {[][]string{nil, {"away"}}, measure.Error, "a"},
		"a fault":                        {[][]string{{"old"}, nil}, measure.Fail, "a b"},
		"a fault, then one is hidden":    {[][]string{{"old"}, {"away"}}, measure.Fail, "a"},
		"one is hidden, then a fault":    {[][]string{{"away"}, {"old"}}, measure.Fail, "b"},
		"a fault where a part is hidden": {[][]string{{"away", "old"}, nil}, measure.Fail, "a b"},
		"all is hidden":                  {[][]string{{"away"}, {"away", "away"}}, measure.Error, ""},
	} {
		f := measure.Finding{Outcome: measure.Pass}
		for i, met := range c.met {
			target := string(rune('a' + i))
			if examined := measure.Look(&f, target, met, hides); examined != strings.Contains(c.scope, target) {
				t.Errorf("%s: %s is examined: %v", name, target, examined)
			}
		}
		if f.Outcome != c.outcome || strings.Join(f.Scope, " ") != c.scope {
			t.Errorf("%s: %s over %v", name, f.Outcome, f.Scope)
		}
	}
}
