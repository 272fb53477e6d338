package verify_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/retain"
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
	if gone, err := retain.Drop(t.Context(), w.db, time.Now(), 60*24*time.Hour, nil); err != nil || gone != 600 {
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
