//go:build unix

package estate_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/estate"
)

// most is how many times the work of reading a plain file any other file of that size may cost; the
// dearest of those below cost four times as much.
const most = 15

// TestHostileSizes: a file of the greatest size is read or refused without much more work than a plain
// one, whatever is in it. Work is the time that the processor spent here, which other programs do not
// lengthen.
func TestHostileSizes(t *testing.T) {
	fill := func(s string) string { return strings.Repeat(s, (1<<20-200)/len(s)) }
	entries := fill("  - {name: a, url: b}\n")
	plain := work(t, "a plain file", company+"endpoints:\n"+entries, time.Hour)
	for name, source := range map[string]string{
		"late mistake":        company + fill("# nothing to see\n") + "policy:\n  every: 1m\n every: 2m\n",
		"late open quote":     company + "endpoints:\n" + entries + "  - \"\n",
		"early open quote":    "company: \"\n" + entries,
		"early open bracket":  "company: [\n" + fill("  - {name: a, url: b},\n"),
		"brackets":            fill("["),
		"braces":              fill("{a:"),
		"question marks":      fill("? "),
		"dashes":              fill("- "),
		"sections":            fill("a:\n"),
		"one long line":       "company: " + fill("x"),
		"anchors":             fill("- &a x\n"),
		"aliases":             "- &a x\n" + fill("- *a\n"),
		"empty lines":         fill("\n"),
		"tabs":                fill("\t\n") + "\tx",
		"tabs on one line":    fill("\t"),
		"tabs behind a space": fill(" \t"),
	} {
		took := work(t, name, source, most*plain)
		t.Logf("%s: %.2f times the work of a plain file", name, float64(took)/float64(plain))
	}
}

// work reads a file that is to be refused, and returns what the processor spent on it. It ends the test
// when that is more than allowed, without waiting for the end.
func work(t *testing.T, name, source string, allowed time.Duration) time.Duration {
	t.Helper()
	start, done := processor(t), make(chan error, 1)
	go func() {
		_, err := estate.Parse([]byte(source), estate.Files{})
		done <- err
	}()
	for {
		select {
		case err := <-done:
			if err == nil {
				t.Errorf("%s: accepted", name)
			}
			return processor(t) - start
		case <-time.After(20 * time.Millisecond):
			if spent := processor(t) - start; spent > allowed {
				t.Fatalf("%s: not read after %s of work; at most %s is allowed", name, spent, allowed)
			}
		}
	}
}

// processor is the time that the processor has spent on this program.
func processor(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
