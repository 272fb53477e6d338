package verify_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/retain"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/demo/servers/secondaccount"
	"github.com/garant-project/garant/internal/engine/auditlog/verify"
	"github.com/garant-project/garant/internal/pg"
)

func TestIntact(t *testing.T) {
	w := newWorld(t)
	for range 6 {
		w.write(300)
		w.must(w.pen.Speak(t.Context(), w.db.Pool(pg.Worker)))
		w.drain()
		w.copy()
	}
	r := w.verify(w.options())
	if r.Outcome != verify.Intact || r.ExitCode() != 0 || r.Entries != 1800 || !strings.HasPrefix(r.Trust, "pinned") || len(r.Remains) == 0 || r.First != nil {
		t.Errorf("%+v", r)
	}
	for _, what := range []string{"entries made again and compared with their leaves", "signatures of writers", "sealed changes held against their promise", "full tiles", "signed heads",
		"leaves in the second account", "leaves compared with the second account", "tiles in the second account", "retentions read back", "heartbeats of writers", "lines of the root log", "trees"} {
		if !slices.ContainsFunc(r.Examined, func(c verify.Counted) bool { return c.What == what && c.N > 0 }) {
			t.Errorf("%s were not examined: %+v", what, r.Examined)
		}
	}
}

// Whatever is left out is said, and keeps it from being intact.
func TestNotExamined(t *testing.T) {
	w := newWorld(t)
	w.write(30)
	w.drain()
	w.copy()
	for what, c := range map[string]struct {
		change func(*verify.Options)
		text   string
	}{
		"no bucket":     {func(o *verify.Options) { o.Bucket = nil }, "The second account"},
		"no database":   {func(o *verify.Options) { o.Database, o.Box = nil, nil }, "The database."},
		"no box":        {func(o *verify.Options) { o.Box = nil }, "What writers signed"},
		"another's pin": {func(o *verify.Options) { o.Keys = []string{anotherKey(t, "other.example/log")} }, "is not pinned"},
	} {
		o := w.options()
		c.change(&o)
		r := w.verify(o)
		if r.Outcome != verify.Incomplete || r.ExitCode() != 2 || !slices.ContainsFunc(r.NotExamined, func(s string) bool { return strings.Contains(s, c.text) }) {
			t.Errorf("%s: %+v", what, r)
		}
	}
	o := w.options()
	o.Keys = nil
	if r := w.verify(o); r.Outcome != verify.Intact || !strings.HasPrefix(r.Trust, "first use") {
		t.Errorf("no pin: %+v", r)
	}
	if _, err := verify.Verify(t.Context(), verify.Options{}); err == nil {
		t.Error("nothing was verified without an error")
	}
	// What waits for longer than a moment was not examined either.
	w.write(3)
	o = w.options()
	r := w.verify(o)
	if r.Outcome != verify.Intact || !slices.ContainsFunc(r.Remains, func(s string) bool { return strings.Contains(s, "3 entries of the last seconds") }) {
		t.Errorf("a moment: %+v", r)
	}
	o.Now = func() time.Time { return time.Now().Add(time.Hour) }
	if r := w.verify(o); r.Outcome != verify.Incomplete {
		t.Errorf("an hour: %+v", r)
	}
	w.drain()
	if r := w.verify(o); r.Outcome != verify.Incomplete || !slices.ContainsFunc(r.NotExamined, func(s string) bool { return strings.Contains(s, "not in the second account") }) {
		t.Errorf("not copied for an hour: %+v", r)
	}
	// It ended early, and says by which keys it held what it got to.
	if err := w.account.Break(secondaccount.FaultDown); err != nil {
		t.Fatal(err)
	}
	r, err := verify.Verify(t.Context(), w.options())
	if err == nil || r.Outcome != verify.Incomplete || !strings.HasPrefix(r.Trust, "pinned") || !slices.ContainsFunc(r.NotExamined, func(s string) bool {
		return strings.HasPrefix(s, "The verification ended early: ") && !strings.Contains(s, ".:")
	}) {
		t.Errorf("away: %v; %+v", err, r)
	}
}

func anotherKey(t *testing.T, origin string) string {
	t.Helper()
	_, key, err := merkle.NewKey(origin, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// A database without a log, and one that was restored and recovered.
func TestGenerations(t *testing.T) {
	w := newWorld(t)
	if r := w.verify(verify.Options{Database: w.db.Pool(pg.Staff), Bucket: w.account.Verifier(), Box: w.box}); r.Outcome != verify.Incomplete {
		t.Errorf("nothing: %+v", r)
	}
	w.write(100)
	w.drain()
	w.copy()
	backup := w.backup()
	w.write(50)
	w.drain()
	w.copy()
	w.restore(backup, false)
	r := w.verify(w.options())
	if r.Outcome != verify.Broken || r.First.Kind != verify.Truncated || r.First.Entry != 101 {
		t.Errorf("set back: %+v, %+v", r.First, r)
	}
	w.write(20)
	if _, err := w.rep.Recover(t.Context(), w.seq, by, "restored"); err != nil {
		t.Fatal(err)
	}
	w.drain()
	w.copy()
	o := w.options()
	if r = w.verify(o); r.Outcome != verify.Incomplete || !slices.ContainsFunc(r.NotExamined, func(s string) bool { return strings.Contains(s, "generation 2") }) {
		t.Errorf("the second key is not pinned: %+v", r)
	}
	var second string
	w.must(w.super.QueryRow(t.Context(), "SELECT key FROM audit.generation WHERE generation = 2").Scan(&second))
	o.Keys = append(o.Keys, second)
	if r = w.verify(o); r.Outcome != verify.Intact || !slices.ContainsFunc(r.Notes, func(s string) bool { return strings.Contains(s, "50 entries of generation 1 were lost") }) {
		t.Errorf("%+v, %+v", r.First, r)
	}
	// Who says that the restore left more behind than it did has what is still there compared with nothing.
	w.exec(`UPDATE audit.generation SET before = jsonb_set(before::jsonb, '{common,seq}', '90') WHERE generation = 2`)
	if r = w.verify(o); r.Outcome != verify.Broken || r.First.Kind != verify.Excused || r.First.Entry != 91 {
		t.Errorf("more said to be left behind: %+v, %+v", r.First, r)
	}
	// An entry of the first generation that is signed once and put in again is found among those of the second.
	w.again("")
	w.drain()
	if r = w.verify(o); !slices.ContainsFunc(r.Findings, func(f verify.Finding) bool { return f.Kind == verify.Inserted && f.Generation == 2 && f.Entry > 0 }) {
		t.Errorf("copied into the second generation: %+v", r.Findings)
	}
}

// What was dropped at the end of its time, and is told of by an entry, is no sign of anything.
func TestDropped(t *testing.T) {
	w := newWorld(t)
	w.write(900)
	w.exec("UPDATE audit.entry SET at = at - interval '100 days' WHERE id <= 600")
	w.write(300)
	w.drain()
	w.copy()
	if gone, err := retain.Drop(t.Context(), w.db, w.box, time.Now(), 60*24*time.Hour, nil); err != nil || gone != 600 {
		t.Fatalf("%d dropped: %v", gone, err)
	}
	w.drain()
	w.copy()
	r := w.verify(w.options())
	if r.Outcome != verify.Intact || r.Entries != 601 || !slices.ContainsFunc(r.Notes, func(s string) bool { return strings.HasPrefix(s, "600 entries from before") }) {
		t.Errorf("%+v, %+v", r.First, r)
	}
	w.exec("UPDATE audit.dropped SET entries = 599")
	if r = w.verify(w.options()); r.Outcome != verify.Broken || r.First.Kind != verify.Excused {
		t.Errorf("another number than the entry tells: %+v, %+v", r.First, r)
	}
}

// What somebody takes away besides what was dropped at the end of its time is found, whether it is said to have gone with it, or who drops was had to sign that.
func TestTakenAwayBesides(t *testing.T) {
	for name, forge := range map[string]func(*world){
		"told by the entry of another drop": func(w *world) {
			w.exec(`INSERT INTO audit.dropped (part, before, seq, entries, tree, size) SELECT d.part, d.before, 700, d.entries, d.tree, c.size FROM audit.dropped AS d, audit.checkpoint AS c ORDER BY c.size DESC LIMIT 1`)
		},
		"and at another time": func(w *world) {
			w.exec(`INSERT INTO audit.dropped (at, part, before, seq, entries, tree, size) SELECT '2020-06-01', '2020-01', '2020-01-01', 700, 100, d.tree, c.size FROM audit.dropped AS d, audit.checkpoint AS c ORDER BY c.size DESC LIMIT 1`)
		},
		"and signed": func(w *world) { // by who drops, because somebody made them older: only the second account knows better
			part := time.Now().AddDate(0, -3, 0).Format("2006-01")
			w.exec(`INSERT INTO audit.dropped (part, before, seq, entries, tree, size) SELECT $1, ($1 || '-01')::timestamptz, 700, 100, d.tree, c.size FROM audit.dropped AS d, audit.checkpoint AS c ORDER BY c.size DESC LIMIT 1`, part)
			w.must(pg.InTx(w.t.Context(), w.db.Pool(pg.Retention), func(tx pgx.Tx) error {
				return audit.Record(w.t.Context(), tx, actor.NewSystem("retention"), sequence.DroppedAction, audit.Object{Kind: "record", ID: part},
					map[string]any{"entries": 100, "leaf": 700, "checkpoint": w.count("SELECT size FROM audit.dropped WHERE seq = 700")})
			}))
			w.drain()
			w.copy()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write(900)
			w.exec("UPDATE audit.entry SET at = at - CASE WHEN id <= 600 THEN interval '200 days' ELSE interval '40 days' END")
			w.write(300)
			w.drain()
			w.copy()
			if gone, err := retain.Drop(t.Context(), w.db, w.box, time.Now(), 120*24*time.Hour, nil); err != nil || gone != 600 {
				t.Fatalf("%d dropped: %v", gone, err)
			}
			w.drain()
			w.copy()
			w.run("DELETE FROM audit.entry WHERE id > 600 AND id <= 700; TRUNCATE audit.heartbeat")
			forge(w)
			r := w.verify(w.options())
			if r.Outcome != verify.Broken || r.First.Kind != verify.Excused || r.First.Entry != 601 {
				t.Errorf("%s: %+v", r.Outcome, r.Findings[:min(3, len(r.Findings))])
			}
		})
	}
}

// A word about an anomaly counts by its signature, not because it is said to be from before a time that was dropped.
func TestOldWords(t *testing.T) {
	w := newWorld(t)
	w.write(30)
	w.exec("UPDATE audit.entry SET at = at - interval '200 days'")
	w.write(3)
	w.exec("DELETE FROM audit.entry WHERE id = 32")
	w.must(w.pen.Speak(t.Context(), w.db.Pool(pg.Worker)))
	w.drain()
	if gone, err := retain.Drop(t.Context(), w.db, w.box, time.Now(), 120*24*time.Hour, nil); err != nil || gone != 30 {
		t.Fatalf("%d dropped: %v", gone, err)
	}
	w.drain()
	o := w.options()
	o.Bucket, o.Now = nil, func() time.Time { return time.Now().AddDate(1, 0, 0) }
	w.run(`INSERT INTO audit.dropped (at, part, before, seq, entries, tree, size) SELECT now() + interval '200 days', '2020-01', now() + interval '100 days', 0, 5, tree, size FROM audit.dropped;
INSERT INTO audit.dropped (at, part, before, seq, entries, tree, size) SELECT now() + interval '300 days', part, now() + interval '201 days', 0, entries, tree, size FROM audit.dropped WHERE part <> '2020-01';
INSERT INTO audit.anomaly_word (anomaly, at, by, reason) SELECT id, now() + interval '1 day', 'person:p1', 'a test' FROM audit.anomaly; TRUNCATE audit.heartbeat`)
	if r := w.verify(o); r.Outcome != verify.Broken || !slices.ContainsFunc(r.Findings, func(f verify.Finding) bool { return f.Kind == verify.Noticed }) {
		t.Errorf("%s: %+v", r.Outcome, r.Findings)
	}
}
