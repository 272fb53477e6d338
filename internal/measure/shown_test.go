package measure_test

import (
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/measure"
)

func TestShown(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                   "plain",
		" two\nlines\x00\x1b[31m": "two lines[31m",
		"invalid \xff\xfe":        "invalid",
		"direction \u202e turned": "direction  turned",
		strings.Repeat("é", 100):  strings.Repeat("é", 80) + "…",
	} {
		if got := measure.Shown(in, 160); got != want {
			t.Errorf("Shown(%q) = %q", in, got)
		}
	}
}
