package verify

import (
	"context"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/token"
)

// whole runs all checks and probes as the command does.
func (w *world) whole(change func(*Options)) *Report {
	w.t.Helper()
	o := w.options()
	o.Scratch = true
	if change != nil {
		change(&o)
	}
	r, err := Run(context.Background(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func TestWhole(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a few seconds")
	}
	for _, d := range []token.Design{token.Pinned, token.Statement} {
		t.Run(string(d), func(t *testing.T) {
			w := newWorldOf(t, d)
			begun := time.Now()
			r := w.whole(func(o *Options) { o.clusters = nil })
			t.Logf("%d checks in %s", len(r.Results), time.Since(begun).Round(time.Millisecond))
			wants(t, redOf(t, r.Results))
			examined(t, r.Results)
			w.manifest.Design = manifest.Pinned
		})
	}
}

// examined fails for a probe that saw nothing: it proves nothing.
func examined(t *testing.T, results []Result) {
	t.Helper()
	for _, r := range results {
		if r.Kind == Probe && r.Examined == 0 && r.ID != "probe.pooler_reset" && r.ID != "probe.partitions" {
			t.Errorf("%s tried nothing", r.ID)
		}
	}
}
