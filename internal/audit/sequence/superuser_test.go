package sequence_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// told sees that the root log has a line of each anomaly, one only, and of a kind that is among them.
func (w *world) told(kind string) {
	w.t.Helper()
	rows, err := w.super.Query(context.Background(), `SELECT kind, about FROM audit.anomaly ORDER BY id`)
	w.must(err)
	var want []string
	for rows.Next() {
		var k, about string
		w.must(rows.Scan(&k, &about))
		want = append(want, merkle.NoticedLine(k, about))
		if k == kind {
			kind = ""
		}
	}
	w.must(rows.Err())
	if kind != "" {
		w.t.Errorf("noticed %v, not %s", w.anomalies(), kind)
	}
	for _, line := range want {
		if n := w.count(`SELECT count(*) FROM audit.root_leaf WHERE text = $1`, line); n != 1 {
			w.t.Errorf("%d lines of the root log say %q", n, line)
		}
	}
}

func errID(err error) string {
	var e *errs.Error
	if errors.As(err, &e) {
		return e.ID
	}
	return ""
}

// Whoever takes away all that a process says from some moment on is noticed by the process itself.
func TestNotHeard(t *testing.T) {
	const fresh = `UPDATE audit.writer SET last_at = clock_timestamp() + interval '1 hour'`
	for name, c := range map[string]struct{ kind, sql string }{
		"heartbeats taken away":                      {sequence.MissingHeartbeat, `DELETE FROM audit.heartbeat WHERE n > 1`},
		"and all that is known of the process":       {sequence.MissingHeartbeat, `DELETE FROM audit.heartbeat; DELETE FROM audit.writer`},
		"given a number that was read":               {sequence.MissingHeartbeat, `UPDATE audit.heartbeat SET xid = '3' WHERE n > 1`},
		"given a number that is never reached":       {sequence.MissingHeartbeat, `UPDATE audit.heartbeat SET xid = '999999999999' WHERE n > 1`},
		"given to another process":                   {sequence.MissingHeartbeat, `UPDATE audit.heartbeat SET writer = gen_random_uuid() WHERE n > 1`},
		"one of several":                             {sequence.MissingHeartbeat, `DELETE FROM audit.heartbeat WHERE n = 2`},
		"taken away, and the process kept fresh":     {sequence.WriterChanged, `DELETE FROM audit.heartbeat WHERE n > 1; ` + fresh},
		"taken away, and said to have been heard":    {sequence.WriterChanged, `DELETE FROM audit.heartbeat WHERE n > 1; UPDATE audit.writer SET spoke = 3`},
		"taken away, and another's row put in place": {sequence.WriterChanged, `DELETE FROM audit.heartbeat WHERE n > 1; UPDATE audit.writer AS w SET spoke = o.spoke, below = o.below, seen = o.seen, mac = o.mac FROM audit.writer AS o WHERE o.writer <> w.writer`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			ctx, pool := context.Background(), w.db.Pool(pg.Worker)
			mine := w.db
			w.db = w.connect(w.super.Config().Database)
			other := w.newPen(w.db)
			for range 5 {
				w.write("", "other")
				w.must(other.Speak(ctx, pool))
			}
			w.db = mine
			w.write("", "1")
			w.speak()
			w.drain()
			for i := range 2 {
				w.write("", strconv.Itoa(i))
				w.speak()
			}
			w.must(w.pen.Heard(ctx, pool)) // they wait to be heard
			w.run(c.sql)
			for range 2 {
				if err := w.pen.Heard(ctx, pool); errID(err) != "audit.unheard" {
					t.Errorf("heard: %v", err)
				}
			}
			if got := w.anomalies(); len(got) != 1 || got[c.kind] != 1 {
				t.Errorf("noticed %v", got)
			}
			w.drain()
			w.sound()
			w.told(c.kind)
		})
	}
}

func TestHeard(t *testing.T) {
	w := newWorld(t)
	ctx, pool := context.Background(), w.db.Pool(pg.Worker)
	for i := range 4 {
		w.must(w.pen.Heard(ctx, pool))
		w.write("", strconv.Itoa(i))
		w.speak()
		w.must(w.pen.Heard(ctx, pool))
		w.drain()
		w.must(w.pen.Heard(ctx, pool))
	}
	w.exec(`DELETE FROM audit.heartbeat`) // after a day
	w.must(w.pen.Heard(ctx, pool))
	if got := w.anomalies(); len(got) != 0 {
		t.Errorf("noticed %v", got)
	}
}

// saved keeps how tables are, to put them back.
func (w *world) saved(tables ...string) (putBack func()) {
	w.t.Helper()
	for _, table := range tables {
		w.exec(`CREATE TABLE public.saved_` + table + ` AS SELECT * FROM audit.` + table)
	}
	return func() {
		w.t.Helper()
		w.exec(`SET session_replication_role = replica`)
		for _, table := range tables {
			w.exec(`DELETE FROM audit.` + table)
			w.exec(`INSERT INTO audit.` + table + ` OVERRIDING SYSTEM VALUE SELECT * FROM public.saved_` + table)
		}
		w.exec(`RESET session_replication_role`)
	}
}

func (w *world) run(sql string) {
	w.t.Helper()
	if _, err := w.super.PgConn().Exec(context.Background(), sql).ReadAll(); err != nil {
		w.t.Fatalf("%v in %s", err, sql)
	}
}

var cursorAttacks = map[string]string{
	"moved ahead":                       `UPDATE audit.cursor SET xid = pg_current_xact_id(), entry = 0`,
	"moved far ahead":                   `UPDATE audit.cursor SET xid = '999999999999'`,
	"moved back":                        `UPDATE audit.cursor SET xid = '3', entry = 0`,
	"heartbeats passed over":            `UPDATE audit.cursor SET heard = pg_current_xact_id(), heartbeat = 0`,
	"everything said to be adopted":     `UPDATE audit.cursor SET adopted = 1000000`,
	"unsigned entries allowed":          `UPDATE audit.cursor SET signed = 1000000`,
	"another number of the last leaf":   `UPDATE audit.cursor SET seq = seq + 5`,
	"anomalies said to be told":         `UPDATE audit.cursor SET noted = 1000`,
	"not signed":                        `UPDATE audit.cursor SET mac = ''`,
	"deleted":                           `DELETE FROM audit.cursor`,
	"deleted and put there from before": `DELETE FROM audit.cursor; INSERT INTO audit.cursor SELECT * FROM public.saved_cursor`,
}

// Whoever moves the cursor, or puts back one of before, has nothing passed over and nothing put in order twice; and it is noticed.
func TestCursorChanged(t *testing.T) {
	for name, sql := range cursorAttacks {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write("", "first")
			w.drain()
			w.saved("cursor")
			for i := range 5 {
				w.write(tenants[i%len(tenants)], strconv.Itoa(i))
			}
			w.speak()
			w.drain()
			for i := range 5 {
				w.write(tenants[i%len(tenants)], "waiting"+strconv.Itoa(i))
			}
			w.exec(`DELETE FROM audit.entry WHERE object_id = 'waiting3'`)
			w.speak()
			w.run(sql)
			w.write("", "after")
			w.drain()
			w.write("", "last")
			w.speak()
			w.drain()
			w.sound()
			if n := w.count(`SELECT count(*) FROM audit.leaf`); n != 12 {
				t.Errorf("%d leaves", n)
			}
			if got := w.anomalies(); len(got) != 2 || got[sequence.CursorChanged] != 1 || got[sequence.Missing] != 1 {
				t.Errorf("noticed %v", got)
			}
			w.told(sequence.CursorChanged)
		})
	}
}

// The same while a server leads, and with what is known of a writer.
func TestChangedWhileLeading(t *testing.T) {
	attacks := map[string][2]string{
		"writer kept fresh":   {sequence.WriterChanged, `UPDATE audit.writer SET last_at = clock_timestamp()`},
		"writer for ever":     {sequence.WriterChanged, `UPDATE audit.writer SET last_at = 'infinity'`},
		"writer's numbers":    {sequence.WriterChanged, `UPDATE audit.writer SET seen = '{[1,100)}'`},
		"writer taken away":   {sequence.MissingHeartbeat, `DELETE FROM audit.writer`},
		"writer of before":    {sequence.MissingHeartbeat, `DELETE FROM audit.writer; INSERT INTO audit.writer SELECT * FROM public.saved_writer`},
		"cursor moved ahead":  {sequence.CursorChanged, cursorAttacks["moved ahead"]},
		"cursor of before":    {sequence.CursorChanged, cursorAttacks["deleted and put there from before"]},
		"cursor taken away":   {sequence.CursorChanged, cursorAttacks["deleted"]},
		"cursor's signed":     {sequence.CursorChanged, cursorAttacks["unsigned entries allowed"]},
		"anomalies are found": {"somebody_else", `INSERT INTO audit.anomaly (kind, about) VALUES ('somebody_else', 'noted it')`},
	}
	for name, c := range attacks {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write("", "first")
			w.speak()
			w.drain()
			w.saved("cursor", "writer")
			ctx, stop := context.WithCancel(context.Background())
			done := make(chan struct{})
			go func() { defer close(done); w.seq.Run(ctx) }()
			defer func() { stop(); <-done }()
			inOrder := func(id string) {
				w.write("", id)
				w.speak()
				for until := time.Now().Add(30 * time.Second); w.count(`SELECT count(*) FROM audit.leaf AS l JOIN audit.entry AS e ON e.id = l.entry WHERE e.object_id = $1`, id) == 0; time.Sleep(20 * time.Millisecond) {
					if time.Now().After(until) {
						t.Fatalf("%s is not put in order", id)
					}
				}
			}
			inOrder("second")
			w.run(c[1])
			inOrder("third")
			stop()
			<-done
			w.drain()
			w.sound()
			w.told(c[0])
			if got := w.anomalies(); got[c[0]] != 1 {
				t.Errorf("noticed %v", got)
			}
		})
	}
}

// A server that has signed more than there is puts nothing in order any more. One that was started since cannot know (docs/audit.md).
func TestSetBackWhileRunning(t *testing.T) {
	w := newWorld(t)
	w.write("", "first")
	w.speak()
	w.drain()
	putBack := w.saved("cursor", "tree", "leaf", "root_leaf", "checkpoint", "writer", "heartbeat", "entry_rest")
	w.write("", "second")
	w.speak()
	w.drain()
	putBack()
	for range 2 {
		if err := w.seq.Drain(context.Background()); errID(err) != "sequence.set_back" {
			t.Fatalf("drained: %v", err)
		}
	}
	if got := w.anomalies(); len(got) != 1 || got[sequence.SetBack] != 1 {
		t.Errorf("noticed %v", got)
	}
	if err := w.pen.Heard(context.Background(), w.db.Pool(pg.Worker)); errID(err) != "audit.unheard" {
		t.Errorf("the process that wrote is still heard: %v", err)
	}
	w.seq = w.sequencer()
	w.drain()
	w.sound()
	w.told(sequence.SetBack)
}

// A database that was never in order before it came from another cluster.
func TestAdoptsAtFirst(t *testing.T) {
	w := newWorld(t)
	for i := range 10 {
		w.write(tenants[i%len(tenants)], strconv.Itoa(i))
	}
	w.speak()
	w.exec(`DELETE FROM audit.entry WHERE object_id = '7'`)
	w.exec(`UPDATE audit.entry SET xid = (pg_current_xact_id()::text::bigint + 1000000 + id)::text::xid8`)
	w.exec(`UPDATE audit.heartbeat SET xid = (pg_current_xact_id()::text::bigint + 1000000 + id)::text::xid8`)
	w.write("", "after")
	w.drain()
	w.write("", "last")
	w.speak()
	w.drain()
	w.sound()
	w.must(w.pen.Heard(context.Background(), w.db.Pool(pg.Worker)))
	if n := w.count(`SELECT count(*) FROM audit.leaf`); n != 11 {
		t.Errorf("%d leaves", n)
	}
	if got := w.anomalies(); len(got) != 2 || got[sequence.Adopted] != 1 || got[sequence.Missing] != 1 {
		t.Errorf("noticed %v", got)
	}
	w.told(sequence.Adopted)
}

// What somebody took away is not what was dropped at the end of its time, whatever audit.dropped says.
func TestForgedDrop(t *testing.T) {
	for name, sql := range map[string]string{
		"invented": ``,
		"with an entry of one's own": `INSERT INTO audit.entry (actor_kind, actor_id, action, outcome, object_kind, object_id, detail, writer, n, written, mac)
SELECT 'system', 'retention', 'record.dropped', 'permitted', 'record', '2020-01', '{"entries":3,"checkpoint":1,"leaf":3}', writer, 99, written, mac FROM audit.entry LIMIT 1`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for i := range 5 {
				w.write("", strconv.Itoa(i))
			}
			w.speak()
			w.drain()
			if sql != "" {
				w.exec(sql)
			}
			w.exec(`INSERT INTO audit.dropped (part, before, seq, entries, tree, size) SELECT '2020-01', '2020-01-01', 3, 3, tree, 1 FROM audit.tree WHERE name = 'root'`)
			w.exec(`DELETE FROM audit.entry WHERE id <= 3`)
			w.drain()
			w.told(sequence.ForgedDrop)
			looked, changed, err := sequence.Recheck(context.Background(), w.db.Pool(pg.Worker), w.box, 100, 100)
			if err != nil || looked < 5 || len(changed) != 3 || !changed[0].Gone {
				t.Errorf("looked at %d, changed %v, %v", looked, changed, err)
			}
		})
	}
}

// A word counts for what it was said of, by whom, and as it was said.
func TestAnswered(t *testing.T) {
	w := newWorld(t)
	ctx, pool := context.Background(), w.db.Pool(pg.Worker)
	for i := range 2 {
		w.exec(`INSERT INTO audit.entry (actor_kind, actor_id, action, outcome, object_kind, object_id) VALUES ('person', 'p9', 'thing.changed', 'permitted', 'thing', $1)`, strconv.Itoa(i))
	}
	w.drain()
	var id int64
	said := sequence.Word{Kind: sequence.Unsigned, By: "person:p1", Reason: "a drill"}
	w.must(w.super.QueryRow(ctx, `SELECT id, about FROM audit.anomaly ORDER BY id LIMIT 1`).Scan(&id, &said.About))
	open := func(want int64, how string) {
		t.Helper()
		h, err := sequence.Look(ctx, pool, w.box)
		if err != nil || h.Anomalies != want {
			t.Errorf("%s: %d are open, %v", how, h.Anomalies, err)
		}
	}
	const insert = `INSERT INTO audit.anomaly_word (anomaly, by, reason, mac) VALUES ($1, $2, $3, $4)`
	w.exec(insert, id, said.By, said.Reason, []byte{})
	open(2, "signed by nobody")
	w.exec(`DELETE FROM audit.anomaly_word`)
	w.exec(insert, id, said.By, said.Reason, said.MAC(w.box))
	open(1, "answered")
	w.exec(`UPDATE audit.anomaly_word SET by = 'person:p2'`)
	open(2, "another said to have said it")
	w.exec(`UPDATE audit.anomaly_word SET by = 'person:p1', anomaly = (SELECT max(id) FROM audit.anomaly)`)
	open(2, "said of another")
	w.exec(`UPDATE audit.anomaly_word SET anomaly = $1`, id)
	open(1, "answered again")
	w.exec(`INSERT INTO audit.entry (id, actor_kind, actor_id, action, outcome, object_kind, object_id) SELECT min(id), 'person', 'p9', 'thing.changed', 'permitted', 'thing', 'again' FROM audit.entry`)
	w.drain()
	open(2, "another entry under the number of the one that was answered for")
}
