package replica_test

import (
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/demo/servers/secondaccount"
	"github.com/garant-project/garant/internal/engine/auditlog/replica"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

func TestHold(t *testing.T) {
	w := newWorld(t)
	w.must(w.rep.Hold(t.Context())) // of nothing
	w.write(10)
	w.drain()
	w.must(w.rep.Hold(t.Context()))
	w.copy()
	w.must(w.rep.Hold(t.Context()))
	w.write(10)
	w.drain()
	w.must(w.rep.Hold(t.Context()))
}

// A bucket that cannot be asked holds up nobody, unless the database may be another.
func TestBlind(t *testing.T) {
	w := newWorld(t)
	w.must(w.account.Break(secondaccount.FaultDown))
	wantID(t, w.rep.Hold(t.Context()), errs.Unavailable, replica.IDBlind) // never compared
	w.must(w.account.Mend())
	w.write(10)
	w.drain()
	w.copy()
	w.must(w.account.Break(secondaccount.FaultDown))
	w.must(w.rep.Hold(t.Context()))
	w.exec("UPDATE auditlog.replica SET timeline = timeline - 1")
	wantID(t, w.rep.Hold(t.Context()), errs.Unavailable, replica.IDBlind)
	w.must(w.account.Mend())
	w.must(w.rep.Hold(t.Context()))
	w.must(w.account.Break(secondaccount.FaultDown))
	w.must(w.rep.Hold(t.Context())) // it was compared since
	w.exec("UPDATE auditlog.replica SET system = '1'")
	wantID(t, w.rep.Hold(t.Context()), errs.Unavailable, replica.IDBlind)
}

// A database that was set back: nothing is put in order until somebody has said so.
func TestSetBack(t *testing.T) {
	for _, same := range []bool{true, false} {
		w := newWorld(t)
		w.write(100)
		w.drain()
		w.copy()
		backup := w.backup()
		w.write(50)
		w.drain()
		w.copy()
		w.restore(backup, same)
		w.write(20)
		wantID(t, w.rep.Hold(t.Context()), errs.Conflict, replica.IDSetBack)
		wantID(t, w.rep.Drain(t.Context()), errs.Conflict, replica.IDSetBack)
		w.seq.Hold = w.rep.Hold
		ctx := t.Context()
		go w.seq.Run(ctx)
		time.Sleep(time.Second)
		if n := w.count("SELECT count(*) FROM audit.leaf"); n != 100 {
			t.Errorf("%d leaves: it went on", n)
		}
	}
}

// A database that was set back and went on by itself, further than the bucket.
func TestForked(t *testing.T) {
	w := newWorld(t)
	w.write(100)
	w.drain()
	w.copy()
	backup := w.backup()
	w.write(50)
	w.drain()
	w.copy()
	w.restore(backup, true)
	for range 20 {
		w.write(20)
		w.drain()
	}
	wantID(t, w.rep.Hold(t.Context()), errs.Conflict, replica.IDForked)
	r, err := w.rep.Recover(t.Context(), w.seq, by, "restored to 14:00\nafter the disk failed")
	w.must(err)
	if r.Generation != 2 || r.Lost != 50 || r.Before.Common.Seq != 100 || r.Before.Here.Seq != 500 || r.Before.There.Seq != 150 {
		t.Errorf("%+v", r)
	}
	w.copy()
	w.complete()
	if n := w.count("SELECT count(*) FROM audit.leaf JOIN audit.tree USING (tree) WHERE generation = 2"); n != 401 {
		t.Errorf("%d leaves were planted again, and the entry about it", n)
	}
}

func TestRecover(t *testing.T) {
	w := newWorld(t)
	w.write(100)
	w.drain()
	w.copy()
	if _, err := w.rep.Recover(t.Context(), w.seq, by, "because"); !errs.Is(err, errs.Conflict) {
		t.Fatalf("nothing to recover from: %v", err)
	}
	if _, err := w.rep.Recover(t.Context(), w.seq, by, " "); !errs.Is(err, errs.Invalid) {
		t.Fatalf("no reason: %v", err)
	}
	w.write(30) // in the backup, and not in order yet
	backup := w.backup()
	w.drain()
	w.copy()
	w.write(50)
	w.drain()
	w.copy()
	w.restore(backup, false)
	r, err := w.rep.Recover(t.Context(), w.seq, by, "restored to 14:00")
	w.must(err)
	if r.Generation != 2 || r.Lost != 50 || r.Before.Common.Seq != 100 || r.Before.There.Seq != 180 {
		t.Errorf("%+v", r)
	}
	w.must(w.rep.Hold(t.Context()))
	w.copy()
	w.complete()
	w.write(10)
	w.drain()
	w.copy()
	w.complete()
	if _, leaves := w.inBucket(2, false); len(leaves) != 41 {
		t.Errorf("%d leaves in the second generation", len(leaves))
	}
	lost, many, err := w.rep.Lost(t.Context(), 7)
	if err != nil || many != 50 || len(lost) != 7 || lost[0].Action != "thing.changed" || lost[0].At.IsZero() || lost[0].Actor != "person:p1" || lost[0].Entry != 131 || lost[0].Generation != 1 {
		t.Errorf("%d, %+v, %v", many, lost, err)
	}
	list, err := audit.List(t.Context(), w.db.Pool(pg.Staff), audit.Filter{Action: replica.Action})
	if err != nil || len(list) != 1 || list[0].Reason != "restored to 14:00" || list[0].Object.ID != "2" || list[0].Actor.ID != "p1" {
		t.Errorf("%+v %v", list, err)
	}
	var first string
	w.must(w.super.QueryRow(t.Context(), "SELECT text FROM audit.root_leaf JOIN audit.tree USING (tree) WHERE generation = 2 AND index = 0").Scan(&first))
	if !strings.HasPrefix(first, "garant/restored v1\ntrust.example.com/log ") || !strings.HasSuffix(first, "\nrestored to 14:00\n") {
		t.Errorf("%q", first)
	}
	// Again, to before the recovery: the database knows nothing of generation 2, and its number is not given twice.
	w.restore(backup, true)
	wantID(t, w.rep.Hold(t.Context()), errs.Conflict, replica.IDSetBack)
	r, err = w.rep.Recover(t.Context(), w.seq, by, "restored again")
	w.must(err)
	if r.Generation != 3 {
		t.Errorf("%+v", r)
	}
	w.copy()
	w.complete()
	w.must(w.rep.Hold(t.Context()))
}

// Whoever recovers and is killed before the entry about it is written: the next attempt writes it.
func TestRecoverKilled(t *testing.T) {
	w := newWorld(t)
	w.write(10)
	w.drain()
	_, err := w.seq.Restart(t.Context(), sequence.Restart{By: "person:p1", Reason: "restored", Before: []byte(`{"generation":1,"common":{"seq":0}}`), Line: "x\n"})
	w.must(err)
	if _, err := w.rep.Recover(t.Context(), w.seq, by, "again"); !errs.Is(err, errs.Conflict) {
		t.Error(err)
	}
	if n := w.count("SELECT count(*) FROM audit.entry WHERE action = $1 AND object_id = '2' AND reason = 'restored'", replica.Action); n != 1 {
		t.Errorf("%d entries", n)
	}
}

// A new database and the bucket of an old one.
func TestOtherLog(t *testing.T) {
	w := newWorld(t)
	w.write(10)
	w.drain()
	w.copy()
	other := newWorld(t)
	other.account = w.account
	other.rep = other.replica()
	wantID(t, other.rep.Hold(t.Context()), errs.Conflict, replica.IDOtherLog)
	other.write(1)
	other.drain()
	wantID(t, other.rep.Hold(t.Context()), errs.Conflict, replica.IDOtherLog)
	wantID(t, other.rep.Drain(t.Context()), errs.Conflict, replica.IDOtherLog)
}
