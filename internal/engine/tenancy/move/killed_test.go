package move

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
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

// kills are where movers are killed: with a sample, one move at each of its points, one after the other; else a move of its own at
// every point, the first time and in the middle.
func kills(t *testing.T, points []string, sample ...string) (moves [][]errand) {
	t.Helper()
	order, times := places(points)
	var one []errand
	for _, point := range order {
		first, middle := errand{Point: point, Nth: 1}, errand{Point: point, Nth: times[point]/2 + 1}
		switch {
		case slices.Contains(sample, point):
			one = append(one, middle)
		case len(sample) > 0:
		case times[point] < 3:
			moves = append(moves, []errand{first})
		default:
			moves = append(moves, []errand{first}, []errand{middle})
		}
	}
	if len(one) != len(sample) {
		t.Fatalf("the mover passes %v, and not all of %v", order, sample)
	}
	if len(one) > 0 {
		moves = append(moves, one)
	}
	return moves
}

func named(of []errand) string {
	if len(of) > 1 {
		return fmt.Sprintf("%d times", len(of))
	}
	return fmt.Sprintf("%s %d", of[0].Point, of[0].Nth)
}

// Killed at a point of every step and around the switch, again and again, a move ends as one that was
// never killed: every row once, in the target only. After each kill the tenant writes wherever it may,
// and nothing of that is lost.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	killed(t, "recorded from", "before prepared", "watched source", "copied a table", "before equal", "paused", "ready to switch", "switching", "admitted", "before proved", "erasing", "erased a batch", "unwatched target")
}

// TestSoakKilledEverywhere is TestKilled at every point, each with a move of its own.
func TestSoakKilledEverywhere(t *testing.T) {
	soaks(t)
	killed(t)
}

func soaks(t *testing.T) {
	t.Helper()
	if os.Getenv("GARANT_SOAK") == "" {
		t.Skip("takes minutes: GARANT_SOAK=1")
	}
}

func killed(t *testing.T, sample ...string) {
	points, _ := newWorld(t).send(errand{Then: "erase"})
	if order, _ := places(points); len(order) < 25 {
		t.Fatalf("the mover passes %d points only: %v", len(order), order)
	}
	if at := uncovered(points, sample); len(sample) > 0 && at != "" {
		t.Errorf("no point of the sample lies before %q", at)
	}
	for _, movers := range kills(t, points, sample...) {
		t.Run(named(movers), func(t *testing.T) {
			w := newWorld(t)
			other := w.digest(w.shared, w.b)
			was := w.counts(w.shared, w.a)
			for _, e := range movers {
				e.Then = "erase"
				if _, killed := w.send(e); !killed {
					t.Fatalf("it was not killed at %s", e.Point)
				}
				w.settled()
				open := e.Point == "done" || e.Point == "released" || e.Point == "unwatched source"
				for range 3 { // where the tenant lives now, if anywhere
					if _, err := w.shared.Exec(t.Context(), "INSERT INTO shop.note VALUES ($1, 'between')", w.a); err == nil && !open {
						was["shop.note"]++
					}
				}
				if open { // the gate is open to owners again once nothing watches: to be found by the check
					w.exec(w.shared, "DELETE FROM shop.note WHERE body = 'between'")
				}
			}
			w.send(errand{Then: "erase"})
			if now := w.counts(w.own, w.a); !maps.Equal(was, now) {
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

// uncovered is the first step that is reached without a point of the sample after the step before it; empty: there is none.
func uncovered(points, sample []string) string {
	next, met := Steps()[1:], false
	for _, p := range points {
		met = met || slices.Contains(sample, p)
		if len(next) > 0 && p == string(next[0]) {
			if !met {
				return p
			}
			next, met = next[1:], slices.Contains(sample, p)
		}
	}
	return ""
}

// A move undone before its switch, killed on the way of the undoing, ends with the source as if
// nothing had been; what the tenant writes meanwhile stays.
func TestForgetKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	forgetKilled(t, "undoing", "erased a batch", "unwatched target")
}

// TestSoakForgetKilledEverywhere is TestForgetKilled at every point.
func TestSoakForgetKilledEverywhere(t *testing.T) {
	soaks(t)
	forgetKilled(t)
}

func forgetKilled(t *testing.T, sample ...string) {
	trial := func(t *testing.T, movers ...errand) []string {
		w := newWorld(t)
		if _, killed := w.send(errand{Point: string(Equal), Nth: 1}); !killed {
			t.Fatal("it was not killed")
		}
		w.settled()
		want := w.counts(w.shared, w.a)
		for _, e := range movers {
			e.Then = "undo"
			if _, killed := w.send(e); !killed {
				t.Fatalf("it was not killed at %s", e.Point)
			}
			w.settled()
			w.exec(w.shared, fmt.Sprintf("INSERT INTO shop.note VALUES ('%s', 'between')", w.a))
			want["shop.note"]++
		}
		var points []string
		if w.one(w.shared, "SELECT count(*) FROM garant_move.move WHERE finished_at IS NULL") > 0 {
			points, _ = w.send(errand{Then: "undo"})
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
	for _, movers := range kills(t, trial(t), sample...) {
		t.Run(named(movers), func(t *testing.T) { trial(t, movers...) })
	}
}

// A move undone after its switch, killed on the way of the undoing, ends with the tenant at home and
// with what it did in the target.
func TestUndoKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	undoKilled(t, "undoing", "carried over", "ready to switch", "switching", "admitted", "erased a batch")
}

// TestSoakUndoKilledEverywhere is TestUndoKilled at every point.
func TestSoakUndoKilledEverywhere(t *testing.T) {
	soaks(t)
	undoKilled(t)
}

func undoKilled(t *testing.T, sample ...string) {
	trial := func(t *testing.T, movers ...errand) []string {
		w := newWorld(t)
		w.run(w.out()).Close()
		w.exec(w.own, fmt.Sprintf(`INSERT INTO shop.note VALUES ('%[1]s', 'there'); UPDATE shop.item SET name = 'changed' || id, parent = NULL WHERE tenant_id = '%[1]s' AND price < 5;
DELETE FROM "Odd Schema"."T.x" WHERE "tenantId" = '%[1]s' AND ratio = 'NaN'; INSERT INTO shop.item (tenant_id, name) VALUES ('%[1]s', 'new there')`, w.a))
		want, other := w.digest(w.own, w.a), w.digest(w.shared, w.b)
		for _, e := range movers {
			e.Then = "undo"
			if _, killed := w.send(e); !killed {
				t.Fatalf("it was not killed at %s", e.Point)
			}
			w.settled()
		}
		var points []string // the move's record may be closed already: then there is nothing to undo
		if w.one(w.shared, "SELECT count(*) FROM garant_move.move WHERE finished_at IS NULL") > 0 {
			points, _ = w.send(errand{Then: "undo"})
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
	for _, movers := range kills(t, trial(t), sample...) {
		t.Run(named(movers), func(t *testing.T) { trial(t, movers...) })
	}
}
