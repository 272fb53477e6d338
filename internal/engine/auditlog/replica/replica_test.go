package replica_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/retain"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/demo/servers/secondaccount"
	"github.com/garant-project/garant/internal/engine/auditlog/replica"
	"github.com/garant-project/garant/internal/engine/auditlog/worm"
	"github.com/garant-project/garant/internal/engine/auditlog/worm/wormtest"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

func TestCopies(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		w.write(250)
		w.drain()
		w.copy()
	}
	w.complete()
	s, err := w.rep.Status(t.Context())
	if err != nil || s.Backlog != 0 || s.Lag != 0 || s.LastPut.IsZero() || !s.Failing.IsZero() || s.Segments < 5 || s.Bytes == 0 || s.Compared.IsZero() || s.Seq != 1250 {
		t.Errorf("%+v, %v", s, err)
	}
	w.write(3)
	w.drain()
	time.Sleep(20 * time.Millisecond)
	if s, err = w.rep.Status(t.Context()); err != nil || s.Backlog != 3 || s.Lag < 10*time.Millisecond || s.Lag > time.Minute {
		t.Errorf("%+v, %v", s, err)
	}
	// What is sealed is there, as it stands in the database.
	_, leaves := w.inBucket(1, false)
	sealed := 0
	for _, l := range leaves {
		if l.Sealed == nil {
			continue
		}
		sealed++
		if n := w.count("SELECT count(*) FROM audit.entry WHERE id = $1 AND changes = $2", l.Entry, l.Sealed); n != 1 {
			t.Fatalf("what is sealed beside entry %d is another", l.Entry)
		}
	}
	if sealed != 125 {
		t.Errorf("%d sealed", sealed)
	}
	// Each object is under lock.
	reader := w.account.Verifier()
	objects := 0
	for item, err := range reader.List(t.Context(), "", "") {
		w.must(err)
		objects++
		if mode, until, err := reader.Retention(t.Context(), item.Key); err != nil || mode != worm.Compliance || until.Before(time.Now().Add(29*24*time.Hour)) {
			t.Fatalf("%s: %s until %v, %v", item.Key, mode, until, err)
		}
	}
	if int64(objects) != s.Objects {
		t.Errorf("%d objects are there, %d were counted", objects, s.Objects)
	}
}

// Tiles and bundles are those that a client of a transparency log asks for.
func TestTiles(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.write(700)
		w.drain()
		w.copy()
	}
	w.complete()
	reader := w.account.Verifier()
	_, leaves := w.inBucket(1, false)
	trees := 0
	for _, tenant := range tenants {
		name := "company"
		if tenant != "" {
			name = "tenant/" + tenant
		}
		for n := range int64(2) {
			tile, err := reader.GetFirst(t.Context(), replica.TilePath(1, name, 0, n), 8192)
			w.must(err)
			bundle, err := reader.GetFirst(t.Context(), replica.TilePath(1, name, -1, n), 1<<24)
			w.must(err)
			rest := bundle.Data
			for i := range 256 {
				many := int(binary.BigEndian.Uint16(rest))
				hash := tlog.RecordHash(rest[2 : 2+many])
				rest = rest[2+many:]
				if string(hash[:]) != string(tile.Data[32*i:32*i+32]) {
					t.Fatalf("%s: leaf %d of tile %d", name, i, n)
				}
			}
			trees++
		}
		if _, err := reader.GetFirst(t.Context(), replica.TilePath(1, name, 0, 2), 8192); !errs.Is(err, errs.NotFound) {
			t.Errorf("a tile that is not full: %v", err)
		}
	}
	if trees != 8 || len(leaves) != 2100 {
		t.Errorf("%d tiles, %d leaves", trees, len(leaves))
	}
	if got := replica.TilePath(2, "company", 1, 1234067); got != "g2/company/tile/1/x001/x234/067" {
		t.Error(got)
	}
}

// Kill it at every step, again and again: never a gap, an overlap or a double.
func TestKilledAtEveryStep(t *testing.T) {
	w := newWorld(t)
	killed := errors.New("killed")
	steps := []string{"planned", "tiles", "segment", "put", "noted"}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test
	met := map[string]int{}
	for round := range 40 {
		w.write(1 + random.IntN(200))
		w.drain()
		step := steps[round%len(steps)]
		rep := w.replica()
		rep.Interrupt(func(at string) error {
			if at == step {
				met[at]++
				return killed
			}
			return nil
		})
		if err := rep.Drain(t.Context()); err != nil && !errors.Is(err, killed) {
			t.Fatal(err)
		}
		if round%7 == 0 { // heads that nobody needs are forgotten meanwhile
			w.exec("DELETE FROM audit.checkpoint WHERE size < (SELECT max(size) FROM audit.checkpoint)")
		}
	}
	for _, step := range steps {
		if met[step] != 8 {
			t.Errorf("%s was met %d times", step, met[step])
		}
	}
	w.copy()
	w.complete()
	if got := w.anomalies(); len(got) != 0 {
		t.Errorf("noticed %v", got)
	}
}

// Two servers at the same time, and one that believes that it still leads.
func TestTwoServers(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for range 2 {
		rep := w.replica()
		group.Go(func() { rep.Run(ctx) })
	}
	other := w.replica()
	for range 12 {
		w.write(100)
		w.drain()
		if err := other.Drain(t.Context()); err != nil && !errs.Is(err, errs.Conflict) {
			t.Fatal(err)
		}
		time.Sleep(150 * time.Millisecond)
		// The leader's connection is cut: another one takes over while it is still putting.
		w.exec(`SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1685284199 AND granted`)
	}
	cancel()
	group.Wait()
	w.copy()
	w.complete()
}

// A server that was paused puts what another one has put and noted meanwhile.
func TestPausedServer(t *testing.T) {
	w := newWorld(t)
	w.write(50)
	w.drain()
	slow := w.replica()
	slow.Interrupt(func(at string) error {
		if at != "segment" {
			return nil
		}
		slow.Interrupt(nil)
		w.exec(`SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND objid = 1685284199 AND granted`)
		w.copy()
		w.write(10)
		w.drain()
		w.copy()
		return nil
	})
	if err := slow.Drain(t.Context()); err == nil {
		t.Error("a server without its lock noted a segment")
	}
	w.copy()
	w.complete()
}

func TestHangingBucket(t *testing.T) {
	w := newWorld(t)
	w.write(10)
	w.drain()
	w.copy()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { w.rep.Run(ctx) })
	w.must(w.account.Break(secondaccount.FaultHang))
	began := time.Now()
	for range 20 {
		w.write(5)
		w.drain()
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("writers and sequencer were held up for %v", took)
	}
	until := time.Now().Add(60 * time.Second)
	for {
		s, err := w.rep.Status(t.Context())
		w.must(err)
		if !s.Failing.IsZero() && s.Why != "" && s.Fix != "" && s.Lag > 0 && s.Backlog > 0 {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("nobody is told: %+v", s)
		}
		time.Sleep(200 * time.Millisecond)
	}
	w.must(w.account.Mend())
	for {
		s, err := w.rep.Status(t.Context())
		w.must(err)
		if s.Failing.IsZero() && s.Backlog == 0 {
			break
		}
		if time.Now().After(until.Add(60 * time.Second)) {
			t.Fatalf("it does not catch up: %+v", s)
		}
		time.Sleep(200 * time.Millisecond)
	}
	cancel()
	group.Wait()
	w.copy()
	w.complete()
}

// After days without the bucket most signed heads are forgotten: what lies between two of them is more than one object holds.
func TestBacklog(t *testing.T) {
	w := newWorld(t)
	w.write(100)
	w.drain()
	w.copy()
	for range 5 {
		w.write(5000)
		w.drain()
	}
	w.exec("DELETE FROM audit.checkpoint WHERE size < (SELECT max(size) FROM audit.checkpoint)")
	w.copy()
	w.complete()
	parts := 0
	for h, err := range w.account.Verifier().List(t.Context(), "g1/part/", "") {
		w.must(err)
		if !strings.HasPrefix(h.Key, "g1/part/") {
			t.Error(h.Key)
		}
		parts++
	}
	if parts < 3 {
		t.Errorf("%d parts", parts)
	}
	// With heads at hand a backlog is cut where they are.
	for range 4 {
		w.write(4000)
		w.drain()
	}
	w.copy()
	w.complete()
	if n := w.count("SELECT count(*) FROM auditlog.segment"); n < 4 {
		t.Errorf("%d segments", n)
	}
}

// A part that was put before a kill is found, though the entries behind it were changed since.
func TestKilledBetweenParts(t *testing.T) {
	w := newWorld(t)
	for range 4 {
		w.write(5000)
		w.drain()
	}
	w.exec("DELETE FROM audit.checkpoint WHERE size < (SELECT max(size) FROM audit.checkpoint)")
	killed := errors.New("killed")
	rep := w.replica()
	parts := 0
	rep.Interrupt(func(at string) error {
		if at == "part" {
			if parts++; parts == 2 {
				return killed
			}
		}
		return nil
	})
	if err := rep.Drain(t.Context()); !errors.Is(err, killed) {
		t.Fatal(err)
	}
	w.exec("UPDATE audit.entry SET reason = 'another' WHERE id = (SELECT min(id) FROM audit.entry)")
	w.copy()
	w.complete() // with what the entry was
	if got := w.anomalies(); got[replica.AnomalyAltered] != 1 {
		t.Errorf("noticed %v", got)
	}
}

func TestAlteredBeforeTheCopy(t *testing.T) {
	w := newWorld(t)
	w.write(20)
	w.drain()
	w.exec("UPDATE audit.entry SET reason = 'another' WHERE id = 3; DELETE FROM audit.entry WHERE id = 5; UPDATE audit.entry SET changes = changes || 'x' WHERE id = 11")
	w.copy()
	_, leaves := w.inBucket(1, true)
	if len(leaves) != 20 || leaves[3].Gone != replica.Altered || leaves[5].Gone != replica.Missing || leaves[4].Gone != "" {
		t.Errorf("%d leaves; %+v; %+v", len(leaves), leaves[3], leaves[5])
	}
	if got := w.anomalies(); got[replica.AnomalyAltered] != 1 || got[replica.AnomalyMissing] != 1 {
		t.Errorf("noticed %v", got)
	}
}

// A root log that is not the one that was signed is not copied.
func TestChangedRootLog(t *testing.T) {
	for what, sql := range map[string]string{
		"line":       "UPDATE audit.root_leaf SET text = replace(text, 'garant/tree v1', 'garant/tree v2') WHERE index = 0",
		"old line":   "UPDATE audit.root_leaf SET text = 'x', hash = sha256('x') WHERE index = 0",
		"checkpoint": "UPDATE audit.checkpoint SET root = sha256('x')",
		"note":       "UPDATE audit.checkpoint SET note = replace(note, 'trust.example.com/log', 'trust.example.com/lag')",
		"leaf":       "DELETE FROM audit.leaf WHERE seq = (SELECT max(seq) - 2 FROM audit.leaf)",
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			if what == "old line" {
				w.write(10)
				w.drain()
				w.copy()
			}
			w.write(10)
			w.drain()
			w.exec(sql)
			err := w.rep.Drain(t.Context())
			if what == "old line" {
				wantID(t, err, errs.Conflict, replica.IDForked)
				return
			}
			wantID(t, err, errs.Internal, replica.IDChanged)
			if n := w.count("SELECT count(*) FROM auditlog.segment WHERE put_at IS NOT NULL"); n != 0 {
				t.Errorf("%d segments", n)
			}
		})
	}
}

// Who stole the writer's credentials puts something where a segment belongs, and behind all segments.
func TestOccupied(t *testing.T) {
	w := newWorld(t)
	w.write(10)
	w.drain()
	w.copy()
	w.write(10)
	w.drain()
	last := w.count("SELECT max(size) FROM audit.checkpoint")
	first := w.count("SELECT max(to_size) FROM auditlog.segment")
	thief := w.account.Writer()
	w.must(thief.Put(t.Context(), replica.SegmentKey(1, first, last), []byte("nothing"), time.Now()))
	w.must(thief.Put(t.Context(), replica.SegmentKey(1, 900_000, 900_001), []byte("nothing"), time.Now()))
	if err := w.rep.Drain(t.Context()); !errs.Is(err, errs.Conflict) {
		t.Fatal(err)
	}
	w.write(10)
	w.drain()
	w.copy()
	if got := w.anomalies(); got[replica.AnomalyOccupied] != 1 {
		t.Errorf("noticed %v", got)
	}
	s, err := w.rep.Compare(t.Context())
	if err != nil || s.Size != w.count("SELECT size FROM audit.tree WHERE name = 'root'") {
		t.Errorf("%+v %v", s, err)
	}
	w.must(w.rep.Hold(t.Context()))
}

// Another bucket gets everything anew.
func TestAnotherBucket(t *testing.T) {
	w := newWorld(t)
	w.write(30)
	w.drain()
	w.copy()
	w.must(w.account.NewBucket(t.Context(), "another", true))
	to := func(c secondaccount.Credentials) worm.Config {
		config := w.account.Config(c)
		config.Bucket = "another"
		return config
	}
	reader := wormtest.Open(t, to(w.account.Account.Verifier()))
	config := to(w.account.Account.Writer())
	config.Compare = reader
	other := w.replica()
	other.Writer, other.Reader = wormtest.Open(t, config), reader
	// The same name with nothing behind it: what was put is gone.
	_, err := other.Compare(t.Context())
	wantID(t, err, errs.Conflict, replica.IDLost)
	wantID(t, other.Hold(t.Context()), errs.Conflict, replica.IDLost)
	wantID(t, other.Drain(t.Context()), errs.Conflict, replica.IDLost)
	// Under another name it is a new one.
	other.Place = "https://second.example/another/"
	w.must(other.Drain(t.Context()))
	s, err := replica.Newest(t.Context(), reader, 1, nil, "")
	if err != nil || s.Seq != 30 {
		t.Errorf("%+v %v", s, err)
	}
	w.complete()
}

// A bucket that is declared after entries were dropped at the end of their time: their hashes are in tiles, and what came after is whole.
func TestDroppedBeforeTheCopy(t *testing.T) {
	w := newWorld(t)
	w.write(1300)
	w.drain()
	w.write(200)
	w.drain()
	w.exec(`INSERT INTO audit.dropped (part, before, seq, entries, tree, size) SELECT '2020-01', now() - interval '31 days', 1200, 1200, tree, max(size) FROM audit.checkpoint GROUP BY tree`)
	w.must(pg.InTx(t.Context(), w.db.Pool(pg.Retention), func(tx pgx.Tx) error {
		return audit.Record(t.Context(), tx, actor.NewSystem("retention"), sequence.DroppedAction, audit.Object{Kind: "record", ID: "2020-01"},
			map[string]any{"entries": 1200, "leaf": 1200, "checkpoint": w.count("SELECT size FROM audit.dropped")})
	}))
	w.exec(`DELETE FROM audit.leaf AS l USING audit.tree AS t WHERE t.tree = l.tree AND l.index < t.size / 256 * 256 AND l.seq <= 1200`)
	w.exec(`DELETE FROM audit.entry WHERE id <= 1200`)
	w.copy()
	size, leaves := w.inBucket(1, true)
	if size != w.count("SELECT size FROM audit.tree WHERE name = 'root'") || leaves[1400].Bytes == "" || leaves[1150].Gone != replica.Dropped || leaves[1150].Hash == nil {
		t.Errorf("%d lines, %+v, %+v", size, leaves[1400], leaves[1150])
	}
	reader := w.account.Verifier()
	for _, tenant := range tenants {
		name := "company"
		if tenant != "" {
			name = "tenant/" + tenant
		}
		if _, err := reader.GetFirst(t.Context(), replica.TilePath(1, name, 0, 0), 8192); err != nil {
			t.Error(name, err)
		}
	}
	w.write(100)
	w.drain()
	w.copy()
	if got := w.anomalies(); len(got) != 0 {
		t.Errorf("noticed %v", got)
	}
	w.must(w.rep.Hold(t.Context()))
}

// What somebody took away is missing in the second account, whatever audit.dropped says.
func TestForgedDrop(t *testing.T) {
	w := newWorld(t)
	w.write(30)
	w.drain()
	w.exec(`DELETE FROM audit.entry WHERE id = 5`)
	w.exec(`INSERT INTO audit.dropped (part, before, seq, entries, tree, size) SELECT '2020-01', '2020-01-01', 10, 1, tree, max(size) FROM audit.checkpoint GROUP BY tree`)
	w.copy()
	_, leaves := w.inBucket(1, true)
	if l := leaves[5]; l.Gone != replica.Missing || l.Hash == nil {
		t.Errorf("%+v", l)
	}
	if got := w.anomalies(); got[replica.AnomalyMissing] != 1 {
		t.Errorf("noticed %v", got)
	}
}

// What is to be dropped is in the second account because that says so, whatever the database says of what was put there.
func TestDropsWhatTheBucketHas(t *testing.T) {
	w := newWorld(t)
	const keep = 100 * 24 * time.Hour
	old := func(many int) {
		t.Helper()
		w.write(many)
		w.exec(`UPDATE audit.entry SET at = at - interval '200 days' WHERE NOT EXISTS (SELECT FROM audit.leaf AS l WHERE l.entry = id)`)
		w.drain()
	}
	drop := func() (int64, error) { return retain.Drop(t.Context(), w.db, w.box, time.Now(), keep, w.rep.Held) }
	old(30)
	w.copy()
	old(10)
	if gone, err := drop(); err != nil || gone != 0 {
		t.Errorf("not copied: %d, %v", gone, err)
	}
	w.exec(`UPDATE auditlog.segment SET to_seq = 1000`)
	if gone, err := drop(); err != nil || gone != 0 {
		t.Errorf("said to reach further: %d, %v", gone, err)
	}
	w.exec(`UPDATE auditlog.segment SET to_seq = 30`)
	w.exec(`INSERT INTO auditlog.segment (place, generation, from_size, to_size, from_seq, to_seq, root, note, put_at) SELECT place, generation, to_size, to_size + 1, to_seq, 1000, root, '', now() FROM auditlog.segment ORDER BY to_size DESC LIMIT 1`)
	gone, err := drop()
	wantID(t, err, errs.Conflict, replica.IDLost)
	if gone != 0 {
		t.Errorf("said to be there: %d", gone)
	}
	w.exec(`DELETE FROM auditlog.segment WHERE to_seq = 1000`)
	w.copy()
	if gone, err := drop(); err != nil || gone != 40 {
		t.Errorf("copied: %d, %v", gone, err)
	}
}
