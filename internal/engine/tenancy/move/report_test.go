package move

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/garant-project/garant/internal/errs"
)

// told is what a mover told Garant.
type told struct {
	mu       sync.Mutex
	progress []Progress
	routes   []Route
	fails    bool
}

func (r *told) Route(_ context.Context, one Route) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.routes = append(r.routes, one)
	return nil
}

func (r *told) Progress(_ context.Context, p Progress) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress = append(r.progress, p)
	if r.fails {
		return errors.New("Garant is away")
	}
	return nil
}

func (r *told) last() Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.progress[len(r.progress)-1]
}

// A mover tells how far it is, why it stopped, and what it proved; that nobody listens stops nothing.
func TestReports(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	r := &told{}
	o := w.out()
	o.Routes = r
	o.at = func(p string) {
		if p == string(Copied) {
			w.exec(w.shared, "ALTER TABLE shop.note ADD COLUMN late int")
		}
	}
	m := w.open(o)
	if err := m.Run(ctx); !errs.Is(err, errs.Conflict) {
		t.Fatal(err)
	}
	if p := r.last(); p.Step != Copied || p.Failure == "" || p.Rows == 0 || p.Bytes < 300_000 || p.Database != "production" || p.ID.String() != w.a.String() || p.FinishedAt != nil {
		t.Errorf("%+v", p)
	}
	w.exec(w.shared, "ALTER TABLE shop.note DROP COLUMN late")
	m.Close()
	w.settled()
	r.fails, o.at = true, nil
	m = w.run(o)
	p := r.last()
	if p.Step != Proved || p.Failure != "" || p.Pause == 0 || p.SwitchedAt == nil || len(p.Proof) != len(tenantTables()) {
		t.Errorf("%+v", p)
	}
	if err := m.Erase(ctx, "test"); err != nil {
		t.Fatal(err)
	}
	if p := r.last(); p.Step != Done || p.FinishedAt == nil || p.Restore != "test" {
		t.Errorf("%+v", p)
	}
	if n := slices.IndexFunc(r.routes, func(one Route) bool { return one.Place == "acme" && !one.Paused }); n < 0 {
		t.Errorf("%+v", r.routes)
	}
}
