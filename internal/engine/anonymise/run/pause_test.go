package run

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// crowd is at work in production until it is sent home.
func (w *world) crowd(n int) (home func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range n {
		conn, err := pgx.Connect(ctx, production.DSN("app", w.database))
		if err != nil {
			w.t.Error(err)
			break
		}
		wg.Go(func() {
			_, _ = conn.Exec(ctx, `SELECT pg_sleep(60)`)
			_ = conn.Close(context.Background())
		})
	}
	home = sync.OnceFunc(func() { cancel(); wg.Wait() })
	w.t.Cleanup(home)
	return home
}

func TestRunWaitsForABusySource(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, 12)
	w.exec(`CREATE TABLE shop.slow (id int, filler text); INSERT INTO shop.slow SELECT n, repeat('x', 10000) FROM generate_series(1, 400) n`)
	w.plan = w.proposed()
	w.column("slow", "id").Transform = spec("sql", "expression", "CASE WHEN pg_sleep(0.02) IS NOT NULL THEN id END")
	w.opt = func(o *Options) { o.Pause, o.look = Pause{Sessions: 3}, 20*time.Millisecond }
	w.stopped(errs.Denied, "does not see what others do")
	super := production.DSN(cluster.SuperUser, "postgres")
	w.must(execute(super, `GRANT pg_read_all_stats TO reader`))
	defer func() { _ = execute(super, `REVOKE pg_read_all_stats FROM reader`) }()

	written := func() (n int64) {
		w.t.Helper()
		conn, err := pgx.Connect(context.Background(), developers.DSN(cluster.SuperUser, "postgres"))
		w.must(err)
		defer func() { _ = conn.Close(context.Background()) }()
		w.must(conn.QueryRow(context.Background(), `SELECT coalesce(sum(tuples_processed), 0)::bigint FROM pg_stat_progress_copy WHERE starts_with(datname, $1)`, w.name).Scan(&n))
		return n
	}
	reading := func() (yes bool) {
		w.t.Helper()
		conn, err := pgx.Connect(context.Background(), production.DSN(cluster.SuperUser, "postgres"))
		w.must(err)
		defer func() { _ = conn.Close(context.Background()) }()
		w.must(conn.QueryRow(context.Background(), `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = $1 AND state = 'active' AND query LIKE 'COPY%pg_sleep(0.02)%')`, w.database).Scan(&yes))
		return yes
	}
	var once sync.Once
	var still sync.WaitGroup
	var home func()
	var mu sync.Mutex
	var waits []string
	w.say = func(p Progress) {
		mu.Lock()
		defer mu.Unlock()
		if p.Waiting != "" {
			waits = append(waits, string(p.Stage)+": "+p.Waiting)
		}
		if p.Stage == StageCopy {
			once.Do(func() {
				still.Go(func() {
					for !reading() || written() == 0 { // until the table that is long is being read
						time.Sleep(10 * time.Millisecond)
					}
					home = w.crowd(5)
					time.Sleep(500 * time.Millisecond)
					first := written()
					time.Sleep(500 * time.Millisecond)
					if second := written(); first == 0 || first == 400 || second != first {
						t.Errorf("while it should wait, the run went from row %d to %d", first, second)
					}
					home()
				})
			})
		}
	}
	r, err := w.copy()
	still.Wait()
	w.must(err)
	if !r.Passed() || r.Pauses != 1 || r.PausedSeconds < 0.9 {
		t.Errorf("%d pauses of %.1f s, %v", r.Pauses, r.PausedSeconds, r.Problems)
	}
	if len(waits) != 1 || !strings.HasPrefix(waits[0], "copy: ") || !strings.HasSuffix(waits[0], " sessions at work, more than 3") {
		t.Errorf("said %q", waits)
	}
	r.Close()
	_, err = Clean(t.Context(), developers.DSN("copier", "postgres"), w.name)
	w.must(err)

	w.say, w.opt = nil, func(o *Options) {
		o.Pause, o.look, o.PauseAtMost = Pause{Sessions: 3}, 20*time.Millisecond, 300*time.Millisecond
	}
	home = w.crowd(5)
	w.stopped(errs.Unavailable, "too busy for 300ms", "sessions at work")
	home()
	w.published()
}
