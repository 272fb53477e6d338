package sequence_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

func TestEntriesBecomeLeaves(t *testing.T) {
	w := newWorld(t)
	for i := range 700 {
		w.write(tenants[i%len(tenants)], strconv.Itoa(i))
		if i%97 == 0 {
			w.drain()
		}
	}
	w.speak()
	w.drain()
	w.sound()
	if got := w.anomalies(); len(got) != 0 {
		t.Errorf("noticed %v", got)
	}
	rows, err := w.super.Query(context.Background(), `SELECT entry, hash FROM audit.leaf WHERE seq % 41 = 0`)
	w.must(err)
	var entry int64
	var hash []byte
	places := map[int64]merkle.Hash{}
	_, err = pgx.ForEachRow(rows, []any{&entry, &hash}, func() error { places[entry] = merkle.Hash(hash); return nil })
	w.must(err)
	if len(places) < 10 {
		t.Fatalf("%d leaves looked at", len(places))
	}
	for entry, hash := range places {
		if w.leafOf(entry) != hash {
			t.Errorf("entry %d is another leaf when it is made again", entry)
		}
	}
	h, err := sequence.Look(context.Background(), w.db.Pool(pg.Worker), w.box)
	w.must(err)
	if h.Waiting != 0 || h.Leaves != 700 || h.Anomalies != 0 || h.Origin != "trust.example.com/log" {
		t.Errorf("%+v", h)
	}
}

func TestNotices(t *testing.T) {
	for name, c := range map[string]struct {
		kind string
		do   func(w *world)
	}{
		"edited before it is in a tree":    {sequence.Forged, func(w *world) { w.exec(`UPDATE audit.entry SET object_id = 'other' WHERE object_id = '3'`) }},
		"deleted before it is in a tree":   {sequence.Missing, func(w *world) { w.exec(`DELETE FROM audit.entry WHERE object_id = '3'`) }},
		"truncated before it is in a tree": {sequence.Missing, func(w *world) { w.exec(`TRUNCATE audit.entry`) }},
		"invented": {sequence.Unsigned, func(w *world) {
			w.exec(`INSERT INTO audit.entry (actor_kind, actor_id, action, outcome, object_kind, object_id) VALUES ('person', 'p9', 'thing.changed', 'permitted', 'thing', '9')`)
		}},
		"invented under a writer's name": {sequence.Forged, func(w *world) {
			w.exec(`INSERT INTO audit.entry (actor_kind, actor_id, action, outcome, object_kind, object_id, writer, n, written, mac) SELECT 'person', 'p9', 'thing.changed', 'permitted', 'thing', '9', writer, 99, written, mac FROM audit.entry LIMIT 1`)
		}},
		"copied": {sequence.Twice, func(w *world) {
			w.exec(`INSERT INTO audit.entry (actor_kind, actor_id, session, origin, action, outcome, object_kind, object_id, detail, writer, n, written, mac)
SELECT actor_kind, actor_id, session, origin, action, outcome, object_kind, object_id, detail, writer, n, written, mac FROM audit.entry WHERE object_id = '3'`)
		}},
		"a heartbeat deleted": {sequence.MissingHeartbeat, func(w *world) {
			w.speak()
			w.exec(`DELETE FROM audit.entry WHERE object_id = '3'; `)
			w.exec(`DELETE FROM audit.heartbeat`)
			w.write("", "later")
		}},
		"a heartbeat changed": {sequence.ForgedHeartbeat, func(w *world) {
			w.speak()
			w.exec(`UPDATE audit.heartbeat SET claimed = '{}'`)
			w.write("", "later")
		}},
		"a clock a day back": {sequence.OtherTime, func(w *world) {
			w.now = func() time.Time { return time.Now().Add(-24 * time.Hour) }
			w.write("", "later")
		}},
		"time changed": {sequence.OtherTime, func(w *world) { w.exec(`UPDATE audit.entry SET at = at - interval '1 hour' WHERE object_id = '3'`) }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for i := range 5 {
				w.write("", strconv.Itoa(i))
			}
			c.do(w)
			w.speak()
			w.drain()
			w.sound()
			if got := w.anomalies(); got[c.kind] == 0 {
				t.Errorf("noticed %v, not %s", got, c.kind)
			}
			before := w.anomalies()
			w.write("", "after")
			w.speak()
			w.drain()
			if c.kind != sequence.OtherTime && fmt.Sprint(before) != fmt.Sprint(w.anomalies()) {
				t.Errorf("noticed %v, then %v", before, w.anomalies())
			}
		})
	}
}

// What was rolled back, in whole or in part, is missed by nobody.
func TestRolledBackIsNotMissed(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	no := errors.New("no")
	for i := range 20 {
		err := pg.InTx(ctx, w.db.Pool(pg.Staff), func(tx pgx.Tx) error {
			record := func(tx pgx.Tx) error {
				return audit.Record(ctx, tx, by, "thing.changed", audit.Object{Kind: "thing", ID: strconv.Itoa(i)}, nil)
			}
			if err := record(tx); err != nil {
				return err
			}
			_ = pgx.BeginFunc(ctx, tx, func(inner pgx.Tx) error {
				w.must(record(inner))
				if i%3 == 0 {
					return no
				}
				return nil
			})
			if i%4 == 0 {
				return no
			}
			return record(tx)
		})
		if err != nil && !errors.Is(err, no) {
			// wrapped: only that it failed counts
			_ = err
		}
	}
	_ = audit.Refused(ctx, w.db.Pool(pg.Login), by, "not an action", audit.Object{Kind: "thing", ID: "x"}, nil)
	w.must(audit.Refused(ctx, w.db.Pool(pg.Login), by, "thing.tried", audit.Object{Kind: "thing", ID: "x"}, nil))
	w.must(w.pen.End(ctx, w.db.Pool(pg.Worker)))
	w.drain()
	w.sound()
	if got := w.anomalies(); len(got) != 0 {
		t.Errorf("noticed %v", got)
	}
	if n := w.count(`SELECT count(*) FROM audit.writer WHERE ended AND seen = '{}'`); n != 1 {
		t.Errorf("%d writers have said farewell", n)
	}
}

// A transaction that is left open holds the order up, and is named; what it wrote comes into its place later.
func TestLateCommit(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	w.drain()
	late, err := w.db.Pool(pg.Staff).Begin(ctx)
	w.must(err)
	w.must(audit.Record(ctx, late, by, "thing.changed", audit.Object{Kind: "thing", ID: "late"}, nil))
	for i := range 3 {
		w.write("", strconv.Itoa(i))
	}
	w.drain()
	h, err := sequence.Look(ctx, w.db.Pool(pg.Worker), w.box)
	w.must(err)
	if h.Waiting != 3 || len(h.Horizon) == 0 || h.Horizon[0].Role != "garant_staff" || h.Oldest <= 0 {
		t.Errorf("%+v", h)
	}
	w.must(late.Commit(ctx))
	w.speak()
	w.drain()
	w.sound()
	if n := w.count(`SELECT count(*) FROM audit.leaf`); n != 4 || len(w.anomalies()) != 0 {
		t.Errorf("%d leaves, noticed %v", n, w.anomalies())
	}
}

func TestTwoLeaders(t *testing.T) {
	w := newWorld(t)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for range 2 {
		running.Go(func() { w.sequencer().Run(ctx) })
	}
	for i := range 200 {
		w.write(tenants[i%len(tenants)], strconv.Itoa(i))
		if i%50 == 0 { // whoever leads loses its connection
			w.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'garant_checkpoint' AND datname = current_database()`)
		}
	}
	deadline := time.Now().Add(20 * time.Second)
	for w.count(`SELECT count(*) FROM audit.leaf`) < 200 && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond)
	}
	stop()
	running.Wait()
	w.drain()
	w.sound()
	if err := w.seq.Drain(context.Background()); err != nil {
		t.Errorf("nobody leads any more: %v", err)
	}
}

func TestDrainLeavesALeaderAlone(t *testing.T) {
	w := newWorld(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w.seq.Interrupt(func(string) error { once.Do(func() { close(entered); <-leave }); return nil })
	done := make(chan error)
	go func() { done <- w.seq.Drain(context.Background()) }()
	<-entered
	if err := w.sequencer().Drain(context.Background()); !errs.Is(err, errs.Conflict) {
		t.Errorf("a second leader: %v", err)
	}
	close(leave)
	w.must(<-done)
}

// schedules is how many random ones are tried: GARANT_SCHEDULES, for make soak.
func schedules(t *testing.T) int {
	if n, err := strconv.Atoi(os.Getenv("GARANT_SCHEDULES")); err == nil {
		return n
	}
	if testing.Short() {
		return 10
	}
	return 100
}

var errKilled = errors.New("killed")

// Writers and the sequencer are killed at random steps; whatever the schedule, an entry that was committed is a leaf once, and
// nothing is missed that was not taken away.
func TestNeverLostNorDoubled(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	for round := range schedules(t) {
		seed := uint64(time.Now().UnixNano())
		random := rand.New(rand.NewPCG(seed, uint64(round))) //nolint:gosec // a schedule
		var writers sync.WaitGroup
		var committed sync.Map
		for k := range 3 {
			tx, err := w.db.Pool(pg.Staff).Begin(ctx)
			w.must(err)
			delay, fate, many := time.Duration(random.IntN(3000))*time.Microsecond, random.IntN(4), 1+random.IntN(4)
			writers.Go(func() {
				for i := range many {
					_ = audit.Write(ctx, tx, audit.Event{By: by, Tenant: tenants[(k+i)%len(tenants)], Action: "thing.changed", On: audit.Object{Kind: "round", ID: fmt.Sprintf("%d/%d/%d", round, k, i)}})
				}
				time.Sleep(delay)
				switch fate {
				case 0:
					_ = tx.Rollback(ctx)
				case 1: // killed in the middle: the connection is cut
					_ = tx.Conn().PgConn().Conn().Close()
					_ = tx.Rollback(ctx)
				default:
					if tx.Commit(ctx) == nil {
						for i := range many {
							committed.Store(fmt.Sprintf("%d/%d/%d", round, k, i), true)
						}
					}
				}
			})
		}
		steps := []string{"read", "leaves", "tiles", "commit"}
		step, after := steps[random.IntN(len(steps))], random.IntN(3)
		seen := 0
		w.seq.Interrupt(func(at string) error {
			if at == step {
				if seen++; seen > after {
					return errKilled
				}
			}
			return nil
		})
		_ = w.seq.Drain(ctx)
		writers.Wait()
		if random.IntN(2) == 0 {
			w.speak()
		}
		w.seq.Interrupt(nil)
		w.drain()
		committed.Range(func(id, _ any) bool {
			if n := w.count(`SELECT count(*) FROM audit.leaf AS l JOIN audit.entry AS e ON e.id = l.entry WHERE e.object_kind = 'round' AND e.object_id = $1`, id); n != 1 {
				t.Fatalf("seed %d, round %d: %v is in %d leaves", seed, round, id, n)
			}
			return true
		})
	}
	w.speak()
	w.drain()
	w.sound()
	if got := w.anomalies(); len(got) != 0 {
		t.Errorf("noticed %v", got)
	}
}

// A database that turns up in another cluster has transaction numbers that say nothing there.
func TestAdopts(t *testing.T) {
	w := newWorld(t)
	for i := range 10 {
		w.write(tenants[i%len(tenants)], strconv.Itoa(i))
	}
	w.drain()
	for i := range 5 {
		w.write("", "unsequenced"+strconv.Itoa(i))
	}
	// As if its rows were of a cluster that was far ahead.
	w.exec(`UPDATE audit.entry SET xid = (pg_current_xact_id()::text::bigint + 1000000 + id)::text::xid8; UPDATE audit.cursor SET system = 'another'`)
	for i := range 5 {
		w.write("", "after"+strconv.Itoa(i))
	}
	w.drain()
	w.write("", "last")
	w.speak()
	w.drain()
	w.sound()
	if n := w.count(`SELECT count(*) FROM audit.leaf`); n != 21 {
		t.Errorf("%d leaves", n)
	}
	if got := w.anomalies(); len(got) != 1 || got[sequence.Adopted] != 1 {
		t.Errorf("noticed %v", got)
	}
	w.told(sequence.Adopted)
}

func TestRestart(t *testing.T) {
	w := newWorld(t)
	for i := range 300 {
		w.write(tenants[i%len(tenants)], strconv.Itoa(i))
	}
	w.drain()
	generation, err := w.seq.Restart(context.Background(), sequence.Restart{By: "person:p1", Reason: "restored", Before: []byte(`{"size":7}`), Line: sequence.RestoredLine("trust.example.com/log", 7, "x", "restored"), After: 250})
	w.must(err)
	w.write("", "new")
	w.speak()
	w.drain()
	if n := w.count(`SELECT count(*) FROM audit.leaf JOIN audit.tree USING (tree) WHERE generation = 2`); generation != 2 || n != 51 {
		t.Errorf("generation %d with %d leaves", generation, n)
	}
	var origin, first string
	w.must(w.super.QueryRow(context.Background(), `SELECT g.origin, l.text FROM audit.generation AS g JOIN audit.tree AS t USING (generation) JOIN audit.root_leaf AS l USING (tree) WHERE generation = 2 AND l.index = 0`).Scan(&origin, &first))
	if origin != "trust.example.com/log/2" || first != "garant/restored v1\ntrust.example.com/log 7 x\nrestored\n" {
		t.Errorf("%q begins with %q", origin, first)
	}
	if got := w.anomalies(); len(got) != 0 {
		t.Errorf("noticed %v", got)
	}
}

// Heartbeats are heard in the order of their transactions, also where a number gets another digit: 1000 comes after 999.
func TestHeartbeatsAcrossADigit(t *testing.T) {
	w := newWorld(t)
	now := w.count(`SELECT pg_current_xact_id()::text::bigint`)
	next := int64(1000)
	for next-now < 40 {
		next *= 10
	}
	// Each block with a handler is a transaction of its own, with a number of its own.
	w.exec(`CREATE TEMP TABLE used (n bigint)`)
	w.exec(fmt.Sprintf(`DO $$ BEGIN FOR i IN 1..%d LOOP BEGIN INSERT INTO used VALUES (i); EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$`, next-now-30))
	for i := range 40 {
		w.write("", strconv.Itoa(i))
		w.speak()
	}
	if n := w.count(`SELECT count(DISTINCT length(xid::text)) FROM audit.heartbeat`); n != 2 {
		t.Fatalf("heartbeats have numbers of %d lengths", n)
	}
	w.drain()
	w.sound()
	if got := w.anomalies(); len(got) != 0 {
		t.Errorf("noticed %v", got)
	}
}
