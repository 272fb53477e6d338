//go:build unix

package page

import (
	"bytes"
	"io"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/garant-project/garant/internal/web/ui"
)

// Writing the whole annex costs little. What it costs to parse the page it makes is the reference: writing
// takes about twice as much, some 7 ms of the 15 that a reader may wait. Twice the measures cost twice as much.
func TestSpeed(t *testing.T) {
	pages, words := samplePages(t)
	p := samplePage(t, words, "fr", "/")
	v := proven(t, words)
	var whole bytes.Buffer
	if err := pages.Annex(&whole, p, v); err != nil {
		t.Fatal(err)
	}
	var written, parsed time.Duration
	for range 15 { // in turns, so that both meet the same machine
		written += work(t, func() error { return pages.Annex(io.Discard, p, v) })
		parsed += work(t, func() error { _, err := html.Parse(bytes.NewReader(whole.Bytes())); return err })
	}
	ratio := float64(written) / float64(parsed)
	t.Logf("80 proven measures, %d bytes: written at %.1f times the work of parsing them", whole.Len(), ratio)
	if ratio > 5 {
		t.Errorf("writing the annex costs %.1f times the work of parsing it", ratio)
	}
	half, all, some := v, 0, 0
	half.Sections = slices.Clone(v.Sections)
	for i, section := range v.Sections {
		n := len(section.Measures)
		half.Sections[i].Measures = section.Measures[:n/2]
		all, some = all+n, some+n/2
	}
	allocated := func(v Annex) float64 {
		return testing.AllocsPerRun(3, func() { _ = pages.Annex(io.Discard, p, v) })
	}
	of, more := allocated(half), float64(all)/float64(some)
	if got := allocated(v) / of; got > 1.1*more {
		t.Errorf("%.2f times the measures allocate %.2f times as often", more, got)
	}
}

// proven is the worst case: every measure is proven, with its strip.
func proven(t *testing.T, words *ui.Messages) Annex {
	t.Helper()
	v := sampleAnnex(t, words, "fr")
	for i := range v.Sections {
		for j := range v.Sections[i].Measures {
			m := v.Sections[i].Measures[j]
			_, like := find(t, v, "ENC-1")
			like.ID, like.Title, like.Sentence, like.Refs = m.ID, m.Title, m.Sentence, m.Refs
			v.Sections[i].Measures[j] = like
		}
	}
	return v
}

// work is what the processor spends on doing something, which other programs do not lengthen.
func work(t *testing.T, do func() error) time.Duration {
	t.Helper()
	spent := func() time.Duration {
		var used syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
			t.Fatal(err)
		}
		return time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	start := spent()
	if err := do(); err != nil {
		t.Fatal(err)
	}
	return spent() - start
}

func BenchmarkAnnex(b *testing.B) {
	pages, words := samplePages(b)
	v, p := sampleAnnex(b, words, "fr"), samplePage(b, words, "fr", "/")
	for b.Loop() {
		if err := pages.Annex(io.Discard, p, v); err != nil {
			b.Fatal(err)
		}
	}
}
