package apply_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/tenancy/apply"
	"github.com/garant-project/garant/internal/engine/tenancy/tenancytest"
	"github.com/garant-project/garant/internal/errs"
)

// cutAfter runs apply or undo on a connection of its own, which the server terminates at an event.
func cutAfter(t *testing.T, super *pgx.Conn, run func(*pgx.Conn, apply.Options) error, at func(apply.Event) bool) error {
	t.Helper()
	conn := tenancytest.Connect(t, tenancytest.Superuser(), "shop")
	pid := conn.PgConn().PID()
	cut := false
	err := run(conn, apply.Options{Patience: 5 * time.Second, Report: func(e apply.Event) {
		if !cut && at(e) {
			cut = true
			tenancytest.Exec(t, super, fmt.Sprintf("SELECT pg_terminate_backend(%d)", pid))
			// Its end is seen by the next statement, and the lock is free.
			for tenancytest.Value[bool](t, super, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)", pid) {
				time.Sleep(time.Millisecond)
			}
		}
	}})
	_ = conn.Close(context.Background())
	return err
}

// Every step is cut off, one before it is done and the next after, of apply and then of undo; what
// comes out is what comes out without.
func TestCutOffAtEveryStep(t *testing.T) {
	if testing.Short() {
		t.Skip("cuts some hundreds of connections")
	}
	super := tenancytest.Shop(t, tenancytest.Odd)
	before := tenancytest.Dump(t, "shop")
	m := decided(t, super)
	applied(t, super, m)
	want := tenancytest.Dump(t, "shop")
	if _, err := apply.Undo(context.Background(), super, apply.Options{}); err != nil {
		t.Fatal(err)
	}

	forward := func(conn *pgx.Conn, o apply.Options) error {
		_, err := apply.Run(context.Background(), conn, m, o)
		return err
	}
	back := func(conn *pgx.Conn, o apply.Options) error {
		_, err := apply.Undo(context.Background(), conn, o)
		return err
	}
	// until cuts each run at its first new step, before one and after the next, until one ends by itself.
	until := func(run func(*pgx.Conn, apply.Options) error) (cuts int) {
		seen := map[string]bool{}
		for range 2000 {
			err := cutAfter(t, super, run, func(e apply.Event) bool {
				kind := []apply.Kind{apply.Begins, apply.Done}[len(seen)%2]
				if seen[e.Step] || e.Kind != kind && e.Kind != apply.Progress {
					return false
				}
				seen[e.Step] = true
				return true
			})
			if err == nil {
				return cuts
			}
			if !errs.Is(err, errs.Unavailable) {
				t.Fatal(err)
			}
			cuts++
		}
		t.Fatal("it does not get on")
		return 0
	}
	cuts := until(forward)
	t.Logf("apply was cut off %d times", cuts)
	if cuts < 120 {
		t.Errorf("only %d cuts", cuts)
	}
	if left := missing(t, super, m); len(left) > 0 {
		t.Error(left)
	}
	if diff := cmp.Diff(want, tenancytest.Dump(t, "shop")); diff != "" {
		t.Errorf("cut off, apply ends elsewhere:\n%s", diff)
	}
	isolates(t, keyed(t))
	cuts = until(back)
	t.Logf("undo was cut off %d times", cuts)
	if diff := cmp.Diff(before, tenancytest.Dump(t, "shop")); diff != "" {
		t.Errorf("cut off, undo brings back something else:\n%s", diff)
	}
}

// An index that is being built when the connection is cut stays behind half done; the next run
// builds it again.
func TestCutOffInAnIndex(t *testing.T) {
	super := tenancytest.Shop(t, tenancytest.Odd)
	m := decided(t, super)
	// The build waits for transactions that began before it.
	old := tenancytest.Connect(t, tenancytest.Superuser(), "shop")
	tenancytest.Exec(t, old, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM pg_class")
	conn := tenancytest.Connect(t, tenancytest.Superuser(), "shop")
	pid := conn.PgConn().PID()
	watch := tenancytest.Connect(t, tenancytest.Superuser(), "shop")
	var once sync.Once
	_, err := apply.Run(context.Background(), conn, m, apply.Options{Report: func(e apply.Event) {
		if strings.HasPrefix(e.Step, "index:") && e.Kind == apply.Begins && strings.Contains(e.Text, "a key") {
			once.Do(func() {
				go func() {
					for range 1000 {
						time.Sleep(10 * time.Millisecond)
						var waits bool
						if watch.QueryRow(context.Background(), "SELECT EXISTS (SELECT FROM pg_index WHERE NOT indisvalid) AND EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event_type = 'Lock')", pid).Scan(&waits) == nil && waits {
							_, _ = watch.Exec(context.Background(), fmt.Sprintf("SELECT pg_terminate_backend(%d)", pid))
							return
						}
					}
				}()
			})
		}
	}})
	if !errs.Is(err, errs.Unavailable) {
		t.Fatal(err)
	}
	if n := tenancytest.Value[int](t, super, "SELECT count(*) FROM pg_index WHERE NOT indisvalid"); n != 1 {
		t.Fatalf("%d indexes are half done", n)
	}
	tenancytest.Exec(t, old, "ROLLBACK")
	for tenancytest.Value[bool](t, super, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)", pid) {
		time.Sleep(time.Millisecond)
	}
	applied(t, super, m)
	if n := tenancytest.Value[int](t, super, "SELECT count(*) FROM pg_index WHERE NOT indisvalid"); n != 0 {
		t.Errorf("%d indexes stay half done", n)
	}
	if left := missing(t, super, m); len(left) > 0 {
		t.Error(left)
	}
}

func TestTwoAtOnce(t *testing.T) {
	super := tenancytest.Shop(t, tenancytest.Odd)
	m := decided(t, super)
	other := tenancytest.Connect(t, tenancytest.Superuser(), "shop")
	var tried bool
	_, err := apply.Run(context.Background(), super, m, apply.Options{Report: func(e apply.Event) {
		if tried {
			return
		}
		tried = true
		if n, err := apply.Run(context.Background(), other, m, apply.Options{}); n != 0 || !errs.Is(err, errs.Conflict) {
			t.Errorf("a second apply: %d, %v", n, err)
		}
		if n, err := apply.Undo(context.Background(), other, apply.Options{}); n != 0 || !errs.Is(err, errs.Conflict) {
			t.Errorf("an undo beside it: %d, %v", n, err)
		}
	}})
	if err != nil || !tried {
		t.Fatal(tried, err)
	}
}

// A step that does not get its lock lets those pass who wait behind it, and tries again.
func TestBusyTable(t *testing.T) {
	super := tenancytest.Shop(t, tenancytest.Odd)
	m := decided(t, super)
	reader := tenancytest.Connect(t, tenancytest.Superuser(), "shop")
	tenancytest.Exec(t, reader, "BEGIN; SELECT FROM customer.invoice")
	var waits int
	o := apply.Options{LockTimeout: 50 * time.Millisecond, Patience: time.Second, Report: func(e apply.Event) {
		if e.Kind == apply.Waits {
			if waits++; waits == 1 {
				if tenancytest.Value[int](t, tenancytest.Connect(t, tenancytest.Superuser(), "shop"), "SELECT count(*) FROM customer.invoice") == 0 {
					t.Error("others do not read while apply waits")
				}
			}
		}
	}}
	_, err := apply.Run(context.Background(), super, m, o)
	if text, _ := errs.Sentence(err); !errs.Is(err, errs.Unavailable) || waits < 2 || !strings.Contains(text, "1 other connections hold it") {
		t.Fatal(waits, err)
	}
	go func() {
		time.Sleep(300 * time.Millisecond)
		_, _ = reader.Exec(context.Background(), "COMMIT")
	}()
	o.Patience = 10 * time.Second
	if _, err := apply.Run(context.Background(), super, m, o); err != nil {
		t.Fatal(err)
	}
}

// The application, which knows of nothing yet, writes all the while: nothing of it fails, and no
// row stays without its customer.
func TestWritersDuringPreparation(t *testing.T) {
	rows := 200_000
	if testing.Short() {
		rows = 20_000
	}
	super := tenancytest.Shop(t, tenancytest.Odd, fmt.Sprintf(`INSERT INTO customer.invoice (member_id, total) SELECT CASE g %% 2 WHEN 0 THEN 1 ELSE 11 END, g FROM generate_series(1, %d) g`, rows), "ANALYZE")
	m := decided(t, super)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var wg sync.WaitGroup
	var written, longest atomic.Int64
	for w := range 3 {
		conn := tenancytest.Connect(t, "app", "shop")
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				began := time.Now()
				sql := []string{
					fmt.Sprintf("WITH n AS (INSERT INTO customer.invoice (member_id, total) VALUES (%d, 1) RETURNING id) INSERT INTO customer.invoice_line SELECT id, 1, 'w' FROM n", []int{1, 2, 11}[w]),
					fmt.Sprintf("UPDATE customer.invoice SET total = total + 1 WHERE id = %d", 201+(i*7919+w)%rows),
					fmt.Sprintf("INSERT INTO customer.metric (member_id, day, value) VALUES (%d, '2026-06-01', 1)", []int{1, 2, 11}[w]),
				}[i%3]
				if _, err := conn.Exec(context.Background(), sql); err != nil {
					t.Errorf("the application fails: %s: %v", sql, err)
					return
				}
				written.Add(1)
				if took := time.Since(began).Milliseconds(); took > longest.Load() {
					longest.Store(took)
				}
			}
		})
	}
	began := time.Now()
	var batches int
	n, err := apply.Run(context.Background(), super, m, apply.Options{OnlyPrepare: true, Batch: 50 * time.Millisecond, LockTimeout: 200 * time.Millisecond, Report: func(e apply.Event) {
		if e.Kind == apply.Progress {
			batches++
		}
	}})
	took := time.Since(began)
	stop()
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d steps, %d batches over %d rows in %s beside %d writes, the longest of which took %d ms", n, batches, rows, took.Round(time.Millisecond), written.Load(), longest.Load())
	if written.Load() < 100 {
		t.Errorf("the application wrote %d times: it stood still", written.Load())
	}
	for _, table := range []string{"customer.invoice", "customer.invoice_line", "customer.metric"} {
		if left := tenancytest.Value[int](t, super, "SELECT count(*) FROM "+table+" t JOIN customer.\"Member\" m ON m.\"Id\" = "+map[string]string{
			"customer.invoice": "t.member_id", "customer.metric": "t.member_id", "customer.invoice_line": "(SELECT i.member_id FROM customer.invoice i WHERE i.id = t.invoice_id)",
		}[table]+" WHERE t.organisation_id IS DISTINCT FROM m.\"organisationId\""); left != 0 {
			t.Errorf("%d rows of %s are of no customer, or of another", left, table)
		}
	}
	// Nothing was switched: the application reads and writes as before.
	if tenancytest.Value[int](t, tenancytest.Connect(t, "app", "shop"), "SELECT count(*) FROM customer.invoice") < rows {
		t.Error("the application sees less than before")
	}
	steps := missing(t, super, m)
	if slices.ContainsFunc(steps, func(id string) bool {
		return strings.HasPrefix(id, "column:") || strings.HasPrefix(id, "fill:") || strings.HasPrefix(id, "index:")
	}) || len(steps) == 0 {
		t.Errorf("what is left: %v", steps)
	}
	// It is connected still, and no key would let it in.
	if n, err := apply.Run(context.Background(), super, m, apply.Options{}); n != 0 || !errs.Is(err, errs.Conflict) {
		t.Errorf("switched without a key: %d steps, %v", n, err)
	}
	keyed(t)
	applied(t, super, m)
}
