package isolation

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/measure"
)

func TestLive(t *testing.T) {
	w := newWorld(t)
	start := time.Now()
	f := measure.Observe(context.Background(), Checks(Deps{}).Live, measure.In{Estate: w.estate, Now: time.Now()}, slog.New(slog.DiscardHandler))
	t.Log(time.Since(start), f.Outcome, f.Facts)
	for _, i := range f.Failed {
		t.Errorf("%+v", i)
	}
	t.Logf("%s", w.manifest)
}
