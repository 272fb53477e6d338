package move

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
)

// childVariable tells this test binary that it is a mover, to be killed on the way.
const childVariable = "GARANT_MOVE_CHILD"

// errand is what a child does, and where it kills itself.
type errand struct {
	Tenant   string
	Manifest []byte
	From, To Place
	BinDir   string
	Then     string // "", "erase", "undo"
	Point    string
	Nth      int
}

// child is a mover in a process of its own: it dies by SIGKILL at its point, or tells on standard
// output by which points it came.
func child() int {
	var e errand
	if err := json.Unmarshal([]byte(os.Getenv(childVariable)), &e); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	m, err := manifest.Parse(e.Manifest)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	seen := 0
	o := Options{Tenant: e.Tenant, Manifest: m, From: e.From, To: e.To, By: "test", BinDir: e.BinDir, Workers: 1, Patience: 10 * time.Second}
	o.at = func(point string) {
		fmt.Println(point)
		if point == e.Point {
			if seen++; seen == e.Nth {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
	}
	ctx := context.Background()
	mover, err := Open(ctx, o)
	if err == nil {
		defer mover.Close()
		switch e.Then {
		case "undo":
			err = mover.Undo(ctx)
		case "erase":
			if err = mover.Run(ctx); err == nil {
				err = mover.Erase(ctx, "test")
			}
		default:
			err = mover.Run(ctx)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// send runs an errand and returns the points it came by; killed says that it died as it was told.
func (w *world) send(e errand) (points []string, killed bool) {
	w.t.Helper()
	o := w.out()
	var b strings.Builder
	if err := w.m.Write(&b); err != nil {
		w.t.Fatal(err)
	}
	e.Tenant, e.Manifest = o.Tenant, []byte(b.String())
	if e.From.Name == "" {
		e.From, e.To = o.From, o.To
	}
	said, err := json.Marshal(e)
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.CommandContext(w.t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+string(said))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	points = strings.Split(strings.TrimSpace(string(out)), "\n")
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	killed = ok && status.Signaled() && status.Signal() == syscall.SIGKILL
	if err != nil && !killed {
		w.t.Fatalf("the mover failed at %v: %s", points[len(points)-1], stderr.String())
	}
	return points, killed
}

// settled waits until the server has noticed that killed movers are gone.
func (w *world) settled() {
	w.t.Helper()
	for range 100 {
		n := 0
		for _, c := range []string{"shared", "own"} {
			on := w.shared
			if c == "own" {
				on = w.own
			}
			n += w.one(on, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'garant tenant move'")
		}
		if n == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	w.t.Fatal("connections of a killed mover stay")
}

// places are the distinct points of a run, each with how often it was passed.
func places(points []string) (order []string, times map[string]int) {
	times = map[string]int{}
	for _, p := range points {
		if times[p] == 0 {
			order = append(order, p)
		}
		times[p]++
	}
	return order, times
}

// Killed at every point, first and in the middle, a move that is run again ends as one that was
// never killed: every row once, in the target only. Between the kill and the next run the tenant writes
// wherever it may, and nothing of that is lost.
func TestKilledEverywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	w := newWorld(t)
	points, _ := w.send(errand{Then: "erase"})
	order, times := places(points)
	if len(order) < 25 {
		t.Fatalf("the mover passes %d points only: %v", len(order), order)
	}
	for _, point := range order {
		for i, nth := range []int{1, times[point]/2 + 1} {
			if i > 0 && times[point] < 3 {
				continue
			}
			t.Run(fmt.Sprintf("%s %d", point, nth), func(t *testing.T) {
				w := newWorld(t)
				other := w.digest(w.shared, w.b)
				was := w.counts(w.shared, w.a)
				if _, killed := w.send(errand{Then: "erase", Point: point, Nth: nth}); !killed {
					t.Fatal("it was not killed")
				}
				w.settled()
				wrote := 0
				for range 3 { // where the tenant lives now, if anywhere
					if _, err := w.shared.Exec(t.Context(), "INSERT INTO shop.note VALUES ($1, 'between')", w.a); err == nil {
						wrote++
					}
				}
				home := w.one(w.shared, "SELECT count(*) FROM shop.note WHERE body = 'between'")
				if home != wrote {
					t.Fatalf("%d acknowledged, %d there", wrote, home)
				}
				if point == "done" { // the gate is open to owners again once nothing watches: to be found by the check
					w.exec(w.shared, "DELETE FROM shop.note WHERE body = 'between'")
					wrote = 0
				}
				w.send(errand{Then: "erase"})
				if point == "unwatched from" || point == "unwatched source" || point == "released" {
					w.exec(w.shared, "DELETE FROM shop.note WHERE body = 'between'")
					wrote = 0
				}
				now := w.counts(w.own, w.a)
				was["shop.note"] += wrote
				if !maps.Equal(was, now) {
					t.Errorf("before %v\nafter %v", was, now)
				}
				for name, n := range w.counts(w.shared, w.a) {
					if n != 0 {
						t.Errorf("%d rows are left in %s", n, name)
					}
				}
				if now := w.digest(w.shared, w.b); !maps.Equal(other, now) {
					t.Error("another tenant's rows changed")
				}
				if n := w.one(w.own, "SELECT count(*) FROM pg_constraint WHERE NOT convalidated"); n != 0 {
					t.Errorf("%d constraints are not validated", n)
				}
			})
		}
	}
}

// A move undone before its switch, killed at every point of the undoing, ends with the source as if
// nothing had been; what the tenant writes meanwhile stays.
func TestForgetKilledEverywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	trial := func(t *testing.T, point string, nth int) []string {
		w := newWorld(t)
		if _, killed := w.send(errand{Point: string(Equal), Nth: 1}); !killed {
			t.Fatal("it was not killed")
		}
		w.settled()
		want := w.counts(w.shared, w.a)
		points, killed := w.send(errand{Then: "undo", Point: point, Nth: nth})
		if point != "" {
			if !killed {
				t.Fatal("it was not killed")
			}
			w.settled()
			w.exec(w.shared, fmt.Sprintf("INSERT INTO shop.note VALUES ('%s', 'between')", w.a))
			want["shop.note"]++
			if w.one(w.shared, "SELECT count(*) FROM garant_move.move WHERE finished_at IS NULL") > 0 {
				w.send(errand{Then: "undo"})
			}
		}
		if now := w.counts(w.shared, w.a); !maps.Equal(want, now) {
			t.Errorf("at home %v, not %v", now, want)
		}
		if n := w.one(w.shared, "SELECT (SELECT count(*) FROM pg_trigger WHERE tgname ~ '^garant_move') + (SELECT count(*) FROM garant_move.journal) + (SELECT count(*) FROM garant_move.gate)"); n != 0 {
			t.Errorf("%d things of the move are left", n)
		}
		for name, n := range w.counts(w.own, w.a) {
			if n != 0 {
				t.Errorf("%d rows are left in %s of the target", n, name)
			}
		}
		return points
	}
	order, _ := places(trial(t, "", 0))
	for _, point := range order {
		t.Run(point, func(t *testing.T) { trial(t, point, 1) })
	}
}

// A move undone after its switch, killed at every point of the undoing, ends with the tenant at
// home and with what it did in the target.
func TestUndoKilledEverywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	trial := func(t *testing.T, point string, nth int) []string {
		w := newWorld(t)
		w.run(w.out()).Close()
		w.exec(w.own, fmt.Sprintf(`INSERT INTO shop.note VALUES ('%[1]s', 'there'); UPDATE shop.item SET name = 'changed' || id, parent = NULL WHERE tenant_id = '%[1]s' AND price < 5;
DELETE FROM "Odd Schema"."T.x" WHERE "tenantId" = '%[1]s' AND ratio = 'NaN'; INSERT INTO shop.item (tenant_id, name) VALUES ('%[1]s', 'new there')`, w.a))
		want, other := w.digest(w.own, w.a), w.digest(w.shared, w.b)
		points, killed := w.send(errand{Then: "undo", Point: point, Nth: nth})
		if point != "" {
			if !killed {
				t.Fatal("it was not killed")
			}
			w.settled()
			// The move's record may be closed already: then there is nothing to undo.
			if w.one(w.shared, "SELECT count(*) FROM garant_move.move WHERE finished_at IS NULL") > 0 {
				w.send(errand{Then: "undo"})
			}
		}
		if now := w.digest(w.shared, w.a); !maps.Equal(want, now) {
			t.Errorf("at home %v\nthere %v", now, want)
		}
		if now := w.digest(w.shared, w.b); !maps.Equal(other, now) {
			t.Error("another tenant's rows changed")
		}
		for name, n := range w.counts(w.own, w.a) {
			if n != 0 {
				t.Errorf("%d rows are left in %s of the target", n, name)
			}
		}
		tx, err := w.enter(runningShared(), w.connect(runningShared(), "app", "shop"), w.a)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), "INSERT INTO shop.note (tenant_id, body) VALUES ($1, 'home')", w.a); err != nil {
			t.Error(err)
		}
		_ = tx.Rollback(t.Context())
		return points
	}
	order, times := places(trial(t, "", 0))
	for _, point := range order {
		for i, nth := range []int{1, times[point]/2 + 1} {
			if i > 0 && times[point] < 3 {
				continue
			}
			t.Run(fmt.Sprintf("%s %d", point, nth), func(t *testing.T) { trial(t, point, nth) })
		}
	}
}
