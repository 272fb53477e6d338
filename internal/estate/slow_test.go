package estate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/estate"
)

// TestHostileSizes: a file of the greatest size is read or refused in moments, whatever is in it.
func TestHostileSizes(t *testing.T) {
	fill := func(s string) string { return strings.Repeat(s, (1<<20-200)/len(s)) }
	for name, source := range map[string]string{
		"late mistake":       company + fill("# nothing to see\n") + "policy:\n  every: 1m\n every: 2m\n",
		"late open quote":    company + "endpoints:\n" + fill("  - {name: a, url: b}\n") + "  - \"\n",
		"early open quote":   "company: \"\n" + fill("  - {name: a, url: b}\n"),
		"early open bracket": "company: [\n" + fill("  - {name: a, url: b},\n"),
		"brackets":           fill("["),
		"braces":             fill("{a:"),
		"question marks":     fill("? "),
		"dashes":             fill("- "),
		"sections":           fill("a:\n"),
		"one long line":      "company: " + fill("x"),
		"endpoints":          company + "endpoints:\n" + fill("  - {name: a, url: b}\n"),
		"anchors":            fill("- &a x\n"),
		"aliases":            "- &a x\n" + fill("- *a\n"),
		"empty lines":        fill("\n"),
		"tabs":               fill("\t\n") + "\tx",
	} {
		start := time.Now()
		if _, err := estate.Parse([]byte(source), estate.Files{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: %v", name, took)
		}
	}
}
