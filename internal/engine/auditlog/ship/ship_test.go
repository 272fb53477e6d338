package ship

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/engine/auditlog/ship/shiptest"
	"github.com/garant-project/garant/internal/engine/auditlog/ship/spool"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
)

func (w *world) look(kind int) measure.Finding {
	w.Helper()
	return measure.Observe(context.Background(), w.ship.Checks().All()[kind], measure.In{Estate: w.applied(), Now: w.now()}, slog.New(slog.DiscardHandler))
}

// TestFacts: what the annex quotes is what was seen.
func TestFacts(t *testing.T) {
	w := newWorld(t)
	f := w.look(1)
	if f.Outcome != measure.Pass || len(f.Scope) != 3 {
		t.Fatalf("%+v", f)
	}
	const id = "auditlog.application_logs"
	if f.Facts[id+".sources"].Count != 3 || f.Facts[id+".agreed"].Duration != agreed || f.Facts[id+".slowest"].Duration < time.Second || f.Facts[id+".slowest"].Duration > 2*time.Second || !strings.Contains(string(f.Raw), `"application":{"found":true,"product":"OpenSearch"}`) {
		t.Errorf("%+v", f.Facts)
	}
	w.cluster.Product = "elasticsearch"
	if f := w.look(0); f.Outcome != measure.Pass || !strings.Contains(string(f.Raw), "Elasticsearch") {
		t.Errorf("%+v", f)
	}
	results := w.ship.Results()
	if len(results) != 4 || results[0].Log != "application" || !results[0].Found || results[0].Took <= 0 || results[0].Took > agreed {
		t.Errorf("%+v", results)
	}
	w.cluster.Set(shiptest.Faults{Delay: agreed + agreed/5})
	if f := w.look(0); f.Outcome != measure.Fail || f.Facts["auditlog.system_logs.slowest"].Duration <= agreed {
		t.Errorf("%+v", f)
	}
	for d, want := range map[time.Duration]time.Duration{0: time.Second, time.Second: time.Second, 1001 * time.Millisecond: 2 * time.Second, 59 * time.Second: time.Minute, 301 * time.Second: 6 * time.Minute} {
		if got := round(d); got != want {
			t.Errorf("%s is rounded to %s, want %s", d, got, want)
		}
	}
}

// TestStorm: refusals, cut connections and documents refused alone hold a line up, and do not lose it; nor do searches that are refused for a while.
func TestStorm(t *testing.T) {
	w := newWorld(t)
	for _, f := range []shiptest.Faults{
		{BulkBusy: 3}, {BulkCut: 0.5}, {ItemBusy: 0.5}, {MaxRequest: 1000}, {Short: true}, {Busy: true}, {Cut: true},
	} {
		w.with(func(l *estate.Log) { l.Within = 3 * time.Second })
		w.cluster.Set(f)
		passing := time.AfterFunc(500*time.Millisecond, func() {
			if f.Short || f.Busy || f.Cut || f.MaxRequest > 0 {
				w.cluster.Set(shiptest.Faults{})
			}
		})
		if f := w.look(1); f.Outcome != measure.Pass {
			t.Errorf("%+v", f)
		}
		passing.Stop()
	}
	if n := len(w.documents("logs-own")); n < 7 {
		t.Errorf("%d documents", n)
	}
	for line, n := range w.messages("logs-own") {
		if strings.HasPrefix(line, "garantcanary") && n != 1 {
			t.Errorf("%q is in the index %d times", line, n)
		}
	}
}

// TestNeverBlocks: whoever logs does not wait for a cluster that hangs, nor for a spool that is full, nor for one that nobody reads; what there is no room for is counted.
func TestNeverBlocks(t *testing.T) {
	w := newWorld(t)
	w.cluster.Set(shiptest.Faults{BulkHang: true})
	measured := func(log *slog.Logger) time.Duration {
		began := time.Now()
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for i := range 5000 {
					log.Info("a line like many", "i", i, "padding", strings.Repeat("x", 200))
				}
			})
		}
		all.Wait()
		return time.Since(began)
	}
	bare := measured(slog.New(slog.NewJSONHandler(&lockedBuffer{}, nil)))
	tapped := measured(w.log)
	t.Logf("40000 lines: %s bare, %s with a cluster that hangs", bare, tapped)
	if tapped > 20*bare+2*time.Second {
		t.Errorf("40000 lines took %s, bare %s", tapped, bare)
	}
	w.until("losses are noted", func() bool {
		st, err := spool.ReadState(spoolDir(w.dir, "own"))
		return err == nil && st.Dropped > 0
	})
	if lines := strings.Count(w.out.String(), "a line like many"); lines != 40000 {
		t.Errorf("%d lines on standard error", lines)
	}
	w.stop() // with all that waits
	alone := NewTap(slog.NewJSONHandler(&lockedBuffer{}, nil))
	if took := measured(slog.New(alone)); took > 20*bare+2*time.Second {
		t.Errorf("a tap that nobody reads: %s", took)
	}
	if n := alone.queue.dropped.Load(); n == 0 || len(alone.queue.lines) > tapLines || alone.queue.bytes.Load() > tapBytes {
		t.Errorf("%d dropped, %d held", n, len(alone.queue.lines))
	}
}

// TestFull: at the limit the oldest lines are kept, the loss is told in the log itself, and a file waits instead of losing lines.
func TestFull(t *testing.T) {
	w := newWorld(t)
	w.cluster.Set(shiptest.Faults{BulkDenied: true})
	w.log.Info("the first line")
	for i := range 3000 {
		w.log.Info(fmt.Sprint("flood ", i, strings.Repeat(" more", 100)))
		time.Sleep(10 * time.Microsecond)
	}
	w.until("losses are noted", func() bool {
		st, err := spool.ReadState(spoolDir(w.dir, "own"))
		return err == nil && st.Dropped > 0
	})
	if size := w.diskUsed("own"); size > 1<<20+64<<10 {
		t.Errorf("%d bytes on disk", size)
	}
	w.cluster.Set(shiptest.Faults{})
	w.until("the oldest came through and the loss is told", func() bool {
		said := w.messages("logs-own")
		return said["the first line"] == 1 && said["log lines were left out for want of room"] > 0
	})
	if f := w.look(1); f.Outcome != measure.Fail || f.Failed[0].Problem != string(Dropped) {
		t.Errorf("%+v", f)
	}

	w.stop()
	w.with(func(l *estate.Log) {
		if l.Name == "worker" {
			ship := *l.Ship
			ship.Spool = 64 << 10 // the smallest
			l.Ship = &ship
		}
	})
	w.cluster.Set(shiptest.Faults{BulkDenied: true})
	w.start()
	var lines strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&lines, "worker line %d %s\n", i, strings.Repeat("x", 100))
	}
	w.must(os.WriteFile(w.path("worker.log"), []byte(lines.String()), 0o600))
	time.Sleep(300 * time.Millisecond)
	if size := w.diskUsed("worker"); size < 50<<10 || size > 100<<10 {
		t.Errorf("%d bytes on disk", size)
	}
	w.cluster.Set(shiptest.Faults{})
	w.until("every line came through", func() bool { return len(w.documents("logs-worker")) >= 2000 })
	for line, n := range w.messages("logs-worker") {
		if n != 1 {
			t.Errorf("%q is there %d times", line, n)
		}
	}
}

func (w *world) diskUsed(name string) (size int64) {
	w.Helper()
	entries, err := os.ReadDir(spoolDir(w.dir, name))
	w.must(err)
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			size += info.Size()
		}
	}
	return size
}

// TestSetAside: a line that the cluster will never take holds up no other, and stands where somebody finds it.
func TestSetAside(t *testing.T) {
	w := newWorld(t)
	w.log.Info("a number", "code", 1)
	w.until("the field is known", func() bool { return w.messages("logs-own")["a number"] == 1 })
	for i := range 20 {
		w.log.Info(fmt.Sprint("good ", i))
		w.log.Info("bad", "code", "teapot")
	}
	w.until("the good ones are there", func() bool {
		said := w.messages("logs-own")
		for i := range 20 {
			if said[fmt.Sprint("good ", i)] != 1 {
				return false
			}
		}
		return true
	})
	w.until("the bad ones are set aside", func() bool {
		st, err := spool.ReadState(spoolDir(w.dir, "own"))
		return err == nil && st.Refused == 20
	})
	aside, err := os.ReadFile(spoolDir(w.dir, "own") + "/refused.ndjson")
	if err != nil || strings.Count(string(aside), "document_parsing_exception") != 20 {
		t.Errorf("%v\n%s", err, aside)
	}
}

// TestRefusedInFront: a line for which something in front of the cluster refuses the whole request holds up no other. What refuses every request sets nothing aside.
func TestRefusedInFront(t *testing.T) {
	w := newWorld(t)
	w.cluster.Set(shiptest.Faults{BulkDenied: true})
	before := w.cluster.Requests()
	for i := range 30 {
		w.log.Info(fmt.Sprint("good ", i))
		if i%10 == 5 {
			w.log.Info("bad DROP TABLE")
		}
	}
	w.until("all is refused for a while", func() bool { return w.cluster.Requests() > before+15 })
	w.cluster.Set(shiptest.Faults{Forbidden: "DROP TABLE"})
	w.until("the good ones are there", func() bool {
		said := w.messages("logs-own")
		for i := range 30 {
			if said[fmt.Sprint("good ", i)] != 1 {
				return false
			}
		}
		return said["a log line was refused on its way to the index"] == 3
	})
	w.until("the bad ones are set aside", func() bool {
		st, err := spool.ReadState(spoolDir(w.dir, "own"))
		return err == nil && st.Refused == 3
	})
	aside, err := os.ReadFile(spoolDir(w.dir, "own") + "/refused.ndjson")
	if err != nil || strings.Count(string(aside), "request_refused") != 3 {
		t.Errorf("%v\n%s", err, aside)
	}
}

// TestRedacted: what must not be kept is neither in the index nor on the disk, of the log and of a file, and the name of the log is.
func TestRedacted(t *testing.T) {
	w := newWorld(t)
	w.log.Info("mail to une.personne@ardoise.example", "password", "hunter2-hunter2", "applicant", "Une Personne", slog.Group("http", "authorization", "Bearer abcdefghijklmnop"))
	w.log.Info("with a-secret-of-the-house and d3JpdGVy and BE0123456789 and BE71096123456769")
	w.must(os.WriteFile(w.path("worker.log"), []byte(`{"msg":"worker for une.personne@ardoise.example","level":"warn","time":"2026-11-27T10:00:00Z","user":{"email":"une.personne@ardoise.example"}}`+"\nplain password=hunter2-hunter2\n"+
		"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n-----END PRIVATE KEY-----\n"), 0o600))
	w.until("all is there", func() bool { return len(w.documents("logs-own")) >= 2 && len(w.documents("logs-worker")) >= 5 })
	var all strings.Builder
	for _, index := range []string{"logs-own", "logs-worker"} {
		for _, raw := range w.documents(index) {
			all.Write(raw)
		}
	}
	for _, log := range []string{"own", "worker"} {
		entries, err := os.ReadDir(spoolDir(w.dir, log))
		w.must(err)
		for _, e := range entries {
			content, err := os.ReadFile(spoolDir(w.dir, log) + "/" + e.Name())
			w.must(err)
			all.Write(content)
		}
	}
	for _, secret := range []string{"une.personne", "hunter2", "Une Personne", "abcdefghijklmnop", "a-secret-of-the-house", "d3JpdGVy", "0123456789", "096123456769", "MIIEvQ"} {
		if strings.Contains(all.String(), secret) {
			t.Errorf("%s was kept", secret)
		}
	}
	said := w.messages("logs-own")
	if said["mail to [redacted]"] != 1 || said["with [redacted] and [redacted] and [redacted] and [redacted]"] != 1 {
		t.Errorf("%v", said)
	}
	for _, raw := range w.documents("logs-worker") {
		var doc map[string]any
		w.must(json.Unmarshal(raw, &doc))
		if doc["event.dataset"] != "worker" || doc["log.file.path"] != w.path("worker.log") || doc["service.name"] != "worker" {
			t.Errorf("%s", raw)
		}
		if doc["message"] == "worker for [redacted]" && (doc["@timestamp"] != "2026-11-27T10:00:00Z" || doc["log.level"] != "warn") {
			t.Errorf("%s", raw)
		}
	}
}

// TestFollowsTheEstate: what is applied anew is shipped anew, and what is no longer declared is let go of.
func TestFollowsTheEstate(t *testing.T) {
	w := newWorld(t)
	w.log.Info("before")
	w.until("it is there", func() bool { return w.messages("logs-own")["before"] == 1 })
	next := *w.estate
	next.Logs = nil
	for _, l := range w.estate.Logs {
		if l.Name == "own" {
			ship := *l.Ship
			ship.Into = "logs-elsewhere"
			l.Ship = &ship
			next.Logs = append(next.Logs, l)
		}
	}
	applied := make(chan *estate.Estate, 1)
	applied <- &next
	now := w.applied()
	w.stop()
	w.ship.deps.Estate = func(context.Context) (*estate.Estate, error) {
		select {
		case now = <-applied:
		default:
		}
		return now, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.ship.Run(ctx) }()
	w.until("it is shipped", func() bool { return w.ship.ships("own") })
	w.log.Info("after")
	w.until("it is elsewhere", func() bool { return w.messages("logs-elsewhere")["after"] == 1 })
	if w.ship.ships("worker") || spool.Used(spoolDir(w.dir, "worker")) {
		t.Error("the worker’s log is still shipped")
	}
	applied <- &estate.Estate{}
	w.until("nothing is shipped", func() bool { return !w.ship.ships("own") && !spool.Used(spoolDir(w.dir, "own")) })
	w.log.Info("nobody ships this")
	w.until("nothing is held for nobody", func() bool { return len(w.tap.queue.lines) == 0 && w.tap.queue.bytes.Load() == 0 })
	cancel()
	w.must(<-done)
}

// TestStopped: what was logged before the end of the process is in the spool, and shipped by the next.
func TestStopped(t *testing.T) {
	w := newWorld(t)
	w.cluster.Set(shiptest.Faults{BulkDenied: true})
	for i := range 2000 {
		w.log.Info(fmt.Sprint("last words ", i))
	}
	w.stop()
	w.cluster.Set(shiptest.Faults{})
	w.start()
	w.until("all is there", func() bool {
		said := w.messages("logs-own")
		n := 0
		for line := range said {
			if strings.HasPrefix(line, "last words") {
				n++
			}
		}
		return n == 2000
	})
}

// TestTroubleIsSaid: a shipper that is held up says so, once, and that it goes on; nothing in it comes from the cluster.
func TestTroubleIsSaid(t *testing.T) {
	w := newWorld(t)
	w.cluster.Set(shiptest.Faults{BulkDenied: true})
	w.log.Info("held up")
	w.until("it is said", func() bool { return strings.Contains(w.out.String(), "shipping of a log is held up") })
	time.Sleep(200 * time.Millisecond)
	w.cluster.Set(shiptest.Faults{})
	w.until("it goes on", func() bool { return strings.Contains(w.out.String(), "shipping of a log goes on") })
	if n := strings.Count(w.out.String(), "is held up"); n != 1 {
		t.Errorf("said %d times", n)
	}
	for _, hidden := range []string{"as the test asks", "hunter2", w.cluster.URL, w.dir} {
		if strings.Contains(w.out.String(), hidden) {
			t.Errorf("%s stands in the log", hidden)
		}
	}
}

// TestCatalogueKnowsTheChecks: the measures that the checks name are the catalogue's.
func TestCatalogueKnowsTheChecks(t *testing.T) {
	known, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := measure.NewRegistry(known, measure.Engine{Name: "auditlog", Checks: New(Deps{}).Checks().All()}); err != nil {
		t.Fatal(err)
	}
	for _, c := range New(Deps{}).Checks().All() {
		if c.Timeout < estate.MaxLogWithin+mostExtra || c.Valid <= c.Every || !c.OwnPace {
			t.Errorf("%+v", c)
		}
	}
}
