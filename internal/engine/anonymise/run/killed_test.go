package run

import (
	"errors"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg/cluster"
)

const cut = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name LIKE 'garant anonymise%'`

// TestConnectionsCut cuts all connections of a run in each of its stages, at either end: the copy that is served stays, and what may be left is cleaned.
func TestConnectionsCut(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, 12)
	first := w.published()
	target := developers.DSN("copier", "postgres")
	for _, stage := range []Stage{StageSchema, StageSet, StageCopy, StageAfter, StageProof} {
		for _, at := range []end{atSource, atTarget} {
			if at == atSource && (stage == StageAfter || stage == StageProof) {
				continue // the source is no longer needed
			}
			t.Run(string(stage)+" "+string(at), func(t *testing.T) {
				w.t = t
				c := map[end]*cluster.Cluster{atSource: production, atTarget: developers}[at]
				cutting := false
				w.say = func(p Progress) {
					if p.Stage != stage || cutting {
						return
					}
					cutting = true
					go func() { // until the run is over
						for range 200 {
							_ = execute(c.DSN(cluster.SuperUser, "postgres"), cut)
							time.Sleep(10 * time.Millisecond)
							if t.Context().Err() != nil {
								return
							}
						}
					}()
					time.Sleep(50 * time.Millisecond)
				}
				r, err := Copy(t.Context(), w.options())
				w.say = nil
				if err == nil {
					t.Fatalf("the run did not notice: %v", r.Problems)
				}
				var e *errs.Error
				if !errors.As(err, &e) {
					t.Errorf("%v has no kind", err)
				}
				unused := stage == StageSet && at == atTarget // is noticed later
				if r.Failed != stage && r.Run != "" && !unused {
					t.Errorf("ended in %q: %v", r.Failed, err)
				}
			})
			w.t = t
			time.Sleep(20 * time.Millisecond)
			if _, err := Clean(t.Context(), target, w.name); err != nil {
				t.Error(err)
			}
			w.only(w.name)
			if got := ask[int64](w, `SELECT count(*) FROM shop.customer`); got != 12 {
				t.Errorf("the copy that is served has %d customers", got)
			}
		}
	}
	have, err := List(t.Context(), target, w.name)
	w.must(err)
	if len(have) != 1 || have[0].Run != first.Run || have[0].State != Served {
		t.Errorf("served is %+v, want the run %s", have, first.Run)
	}
}
