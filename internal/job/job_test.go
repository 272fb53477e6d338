package job_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/job"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func start(t *testing.T, db *pg.DB, now func() time.Time, due func() []job.Recurrence, kinds ...job.Kind) *job.Worker {
	t.Helper()
	w, err := job.New(job.Config{Pool: db.Pool(pg.Worker), Kinds: kinds, Recurrences: due, Log: slog.New(slog.DiscardHandler), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		w.Stop(ctx)
	})
	return w
}

func none() []job.Recurrence { return nil }

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatal("never: " + what)
}

func TestEveryLineOfTheOutboxIsDoneOnce(t *testing.T) {
	db := pgtest.New(t)
	var mu sync.Mutex
	seen := map[int]int{}
	kind := job.Kind{Name: "count", Work: func(_ context.Context, raw json.RawMessage) error {
		var n int
		if err := json.Unmarshal(raw, &n); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		seen[n]++
		return nil
	}}
	start(t, db, time.Now, none, kind)
	start(t, db, time.Now, none, kind) // a second server
	const lines = 300
	for n := range lines {
		if err := job.Enqueue(context.Background(), db.Pool(pg.Staff), "count", n); err != nil {
			t.Fatal(err)
		}
	}
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(seen) }
	eventually(t, "all lines worked", func() bool { return count() == lines })
	time.Sleep(300 * time.Millisecond)
	mu.Lock()
	defer mu.Unlock()
	for n, times := range seen {
		if times != 1 {
			t.Errorf("line %d was done %d times", n, times)
		}
	}
}

func TestTwoServersTakeASlotOnce(t *testing.T) {
	db := pgtest.New(t)
	var runs atomic.Int64
	kind := job.Kind{Name: "tick", Work: func(context.Context, json.RawMessage) error { runs.Add(1); return nil }}
	var clock atomic.Int64
	clock.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	now := func() time.Time { return time.Unix(0, clock.Load()) }
	due := func() []job.Recurrence { return []job.Recurrence{{Name: "r", Kind: "tick", Every: time.Hour}} }
	for range 3 {
		start(t, db, now, due, kind)
	}
	step := func(d time.Duration, want int64) {
		t.Helper()
		clock.Add(int64(d))
		eventually(t, "the slot is taken", func() bool { return runs.Load() >= want })
		time.Sleep(1200 * time.Millisecond) // two ticks of every server
		if got := runs.Load(); got != want {
			t.Fatalf("after %v: %d runs, want %d", d, got, want)
		}
	}
	step(0, 1)
	step(time.Hour, 2)
	step(24*time.Hour, 3)  // the clock jumps a day: one run, not 24
	step(-24*time.Hour, 4) // and back: one run for the slot of the new time, none twice
	step(time.Minute, 4)
	step(time.Hour, 5)
}

func TestFailingWorkIsNotLostAndDoesNotStopOthers(t *testing.T) {
	db := pgtest.New(t)
	var done atomic.Int64
	start(t, db, time.Now, none,
		job.Kind{Name: "bad", Work: func(context.Context, json.RawMessage) error { panic("boom") }},
		job.Kind{Name: "good", Work: func(context.Context, json.RawMessage) error { done.Add(1); return nil }})
	for _, name := range []string{"bad", "unknown", "good"} {
		if err := job.Enqueue(context.Background(), db.Pool(pg.Worker), name, nil); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "good work done", func() bool { return done.Load() == 1 })
	eventually(t, "the rest given up", func() bool {
		var n int
		err := db.Pool(pg.Worker).QueryRow(context.Background(), "SELECT count(*) FROM river.river_job WHERE state IN ('discarded', 'cancelled')").Scan(&n)
		return err == nil && n == 2
	})
}

func TestSlot(t *testing.T) {
	at := time.Date(2026, 11, 24, 21, 4, 37, 0, time.UTC)
	if got := job.Slot(at, time.Minute); !got.Equal(at.Truncate(time.Minute)) {
		t.Errorf("slot %v", got)
	}
	last := job.Slot(at, time.Minute)
	for _, c := range []struct {
		slot time.Time
		want bool
	}{{last, false}, {last.Add(time.Minute), true}, {last.Add(-time.Minute), false}, {last.Add(-time.Hour), true}} {
		if got := job.Due(last, c.slot, time.Minute); got != c.want {
			t.Errorf("due %v: %v", c.slot.Sub(last), got)
		}
	}
}
