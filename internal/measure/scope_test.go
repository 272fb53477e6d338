package measure_test

import (
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
