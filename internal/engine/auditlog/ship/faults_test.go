package ship

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/engine/auditlog/ship/shiptest"
	"github.com/garant-project/garant/internal/engine/auditlog/ship/spool"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/measuretest"
)

// faults is every way in which logs are broken, for each check. The literal has no keys: a check without faults does not compile.
func (w *world) faults() Set[[]measuretest.Fault] {
	return Set[[]measuretest.Fault]{
		append(w.searchFaults("logs:containers"), w.containerFaults()...),
		append(w.searchFaults("logs:application"), w.applicationFaults()...),
	}
}

func TestFaults(t *testing.T) {
	for i, name := range []string{"system", "application"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			measuretest.Run(t, measuretest.Subject{Check: w.ship.Checks().All()[i], Estate: w.estate, Faults: w.faults().All()[i], Now: w.now})
		})
	}
}

func (w *world) fault(name string, want measure.Outcome, target string, problem Problem, broken, mended func(testing.TB)) measuretest.Fault {
	return measuretest.Fault{Name: name, Want: want, Item: measure.Item{Target: target, Problem: string(problem)}, Break: broken, Mend: mended}
}

func (w *world) clustered(name string, want measure.Outcome, target string, problem Problem, f shiptest.Faults) measuretest.Fault {
	return w.fault(name, want, target, problem, func(testing.TB) { w.cluster.Set(f) }, func(testing.TB) { w.cluster.Set(shiptest.Faults{}) })
}

func (w *world) variable(name string, want measure.Outcome, target string, problem Problem, variable string, value func() string) measuretest.Fault {
	return w.fault(name, want, target, problem, func(testing.TB) { w.setenv(variable, value()) }, func(testing.TB) { w.setenv(variable, w.sound()[variable]) })
}

func (w *world) searchFaults(target string) []measuretest.Fault {
	const fail, blind = measure.Fail, measure.Error
	is := func(s string) func() string { return func() string { return s } }
	return []measuretest.Fault{
		w.clustered("swallowed", fail, target, NotFound, shiptest.Faults{Swallow: true}),
		w.clustered("delayed beyond the agreed time", fail, target, Late, shiptest.Faults{Delay: agreed + agreed/5}),
		w.clustered("delayed for ever", fail, target, NotFound, shiptest.Faults{Delay: time.Hour}),
		w.clustered("no right to search", blind, target, Denied, shiptest.Faults{Denied: true}),
		w.clustered("index missing", fail, target, NoIndex, shiptest.Faults{Missing: true}),
		w.clustered("sent on to a login page", blind, target, Redirected, shiptest.Faults{Redirect: true}),
		w.clustered("a page instead of an answer", blind, target, Unreadable, shiptest.Faults{Garbage: true}),
		w.clustered("JSON of something else that repeats the question", blind, target, Unreadable, shiptest.Faults{Foreign: true}),
		w.clustered("a shard is missing", fail, target, Partial, shiptest.Faults{Partial: true}),
		w.clustered("the search ran out of time", fail, target, Partial, shiptest.Faults{TimedOut: true}),
		w.clustered("too many requests", blind, target, Busy, shiptest.Faults{Busy: true}),
		w.clustered("connections that end", blind, target, Unreachable, shiptest.Faults{Cut: true}),
		w.clustered("connections that end from the second search", blind, target, Unreachable, shiptest.Faults{Cut: true, Honest: 1}),
		w.clustered("an echo", blind, target, Forged, shiptest.Faults{Echo: true}),
		w.clustered("an echo that begins late", fail, target, WrongLine, shiptest.Faults{Echo: true, Honest: 1}),
		w.clustered("an older canary, whatever is asked", blind, target, Forged, shiptest.Faults{Old: true}),
		w.clustered("an older canary, once the line is written", fail, target, WrongLine, shiptest.Faults{Old: true, Honest: 1}),
		w.clustered("a log of queries", fail, target, WrongLine, shiptest.Faults{Other: true}),
		w.variable("a password that was replaced", blind, target, Denied, "SHIP_PASSWORD", is("hunter3")),
		w.variable("no password", blind, target, BadSecret, "SHIP_PASSWORD", is("")),
		w.variable("a password that no header holds", blind, target, BadSecret, "SHIP_PASSWORD", is("a\nb")),
		w.variable("an address of plain HTTP", blind, target, BadSecret, "SHIP_URL", is("http://logs.ardoise.example:9200")),
		w.variable("nobody listens", blind, target, Unreachable, "SHIP_URL", func() string {
			gone := httptest.NewServer(nil)
			gone.Close()
			return gone.URL
		}),
		w.variable("a certificate of nobody", blind, target, Untrusted, "SHIP_URL", func() string {
			other := httptest.NewTLSServer(nil)
			w.Cleanup(other.Close)
			return other.URL
		}),
	}
}

func (w *world) containerFaults() []measuretest.Fault {
	const target = "logs:containers"
	return []measuretest.Fault{
		w.fault("the shipper stopped", measure.Fail, target, NotFound, func(testing.TB) { w.vector.Store(false) }, func(testing.TB) { w.vector.Store(true) }),
		w.fault("the file is gone", measure.Error, target, NoFile,
			func(testing.TB) { w.must(os.Remove(w.path("container.log"))) },
			func(testing.TB) { w.must(os.WriteFile(w.path("container.log"), nil, 0o600)) }),
		w.fault("a directory for a file", measure.Error, target, NoFile,
			func(testing.TB) {
				w.must(os.Remove(w.path("container.log")))
				w.must(os.Mkdir(w.path("container.log"), 0o700))
			},
			func(testing.TB) {
				w.must(os.Remove(w.path("container.log")))
				w.must(os.WriteFile(w.path("container.log"), nil, 0o600))
			}),
	}
}

func (w *world) applicationFaults() []measuretest.Fault {
	status := func(n int64) func(testing.TB) { return func(testing.TB) { w.appSays.Store(n) } }
	bulk := func(name string, f shiptest.Faults) measuretest.Fault {
		return w.clustered(name, measure.Fail, "logs:own", NotFound, f)
	}
	sound := func(testing.TB) {
		w.cluster.Set(shiptest.Faults{})
		w.shift.Add(int64(2 * lately)) // what was lost was lost long ago
	}
	// between stops the shippers, lets something happen, and starts them.
	between := func(do func()) {
		w.stop()
		do()
		w.start()
	}
	return []measuretest.Fault{
		w.fault("the application refuses", measure.Error, "logs:application", FarEndRefused, status(403), status(0)),
		w.fault("the application sends on", measure.Error, "logs:application", FarEndRefused, status(302), status(0)),
		w.variable("another token", measure.Error, "logs:application", FarEndRefused, "SHIP_TOKEN", func() string { return "x" }),
		w.variable("no token", measure.Error, "logs:application", BadSecret, "SHIP_TOKEN", func() string { return "" }),
		w.fault("the application is away", measure.Error, "logs:application", FarEndSilent,
			func(testing.TB) {
				w.with(func(l *estate.Log) {
					if l.Name == "application" {
						l.Canary.HTTP = "http://127.0.0.1:1/log"
					}
				})
			},
			func(testing.TB) {
				w.with(func(l *estate.Log) {
					if l.Name == "application" {
						l.Canary.HTTP = w.app.URL + "/log"
					}
				})
			}),
		w.fault("no server runs", measure.Error, "logs:own", NoShipper, func(testing.TB) { w.stop() }, func(testing.TB) { w.start() }),
		bulk("the cluster takes nothing", shiptest.Faults{BulkDenied: true}),
		bulk("the cluster hangs", shiptest.Faults{BulkHang: true}),
		bulk("a storm of refusals without end", shiptest.Faults{BulkBusy: 1 << 30}),
		bulk("each line is refused alone", shiptest.Faults{ItemBusy: 2}),
		w.fault("no room", measure.Fail, "logs:own", Dropped,
			func(testing.TB) {
				w.cluster.Set(shiptest.Faults{BulkHang: true})
				for range 3000 {
					w.log.Info(strings.Repeat("flood ", 200))
					time.Sleep(10 * time.Microsecond)
				}
				w.until("lines are dropped", func() bool { st, err := spool.ReadState(spoolDir(w.dir, "own")); return err == nil && st.Dropped > 0 })
			},
			func(t testing.TB) {
				w.cluster.Set(shiptest.Faults{})
				w.until("the flood is over", func() bool {
					w.log.Info("after the flood")
					said := w.messages("logs-own")
					return said["after the flood"] > 0 && said["log lines were left out for want of room"] > 0
				})
				time.Sleep(1100 * time.Millisecond) // losses are noted once a second
				sound(t)
			}),
		w.fault("a line that does not fit the index", measure.Fail, "logs:own", SetAside,
			func(testing.TB) {
				w.log.Info("a number", "http.response.status_code", 200)
				w.log.Info("a word", "http.response.status_code", "teapot")
				w.until("it is set aside", func() bool { st, err := spool.ReadState(spoolDir(w.dir, "own")); return err == nil && st.Refused > 0 })
			}, sound),
		w.fault("a file that went away", measure.Fail, "logs:worker", Missed,
			func(testing.TB) {
				between(func() { w.must(os.WriteFile(w.path("worker.log"), []byte("x\n"), 0o600)) })
				w.until("it is missed", func() bool { st, err := spool.ReadState(spoolDir(w.dir, "worker")); return err == nil && st.Missed > 0 })
			}, sound),
		w.fault("a disk that changes what it holds", measure.Fail, "logs:worker", Damaged,
			func(testing.TB) {
				w.cluster.Set(shiptest.Faults{BulkDenied: true})
				f, err := os.OpenFile(w.path("worker.log"), os.O_APPEND|os.O_WRONLY, 0)
				w.must(err)
				_, err = f.WriteString("held up\nheld up too\n")
				w.must(err)
				_ = f.Close()
				var segments []string
				w.until("it is in the spool", func() bool {
					segments, _ = filepath.Glob(filepath.Join(spoolDir(w.dir, "worker"), "*.seg"))
					content, _ := os.ReadFile(segments[len(segments)-1])
					return strings.Contains(string(content), "held up too")
				})
				between(func() {
					path := segments[len(segments)-1]
					content, err := os.ReadFile(path)
					w.must(err)
					w.must(os.WriteFile(path, []byte(strings.Replace(string(content), "held up too", "forged line", 1)), 0o600))
				})
				w.cluster.Set(shiptest.Faults{})
			}, sound),
		w.fault("a state that cannot be read", measure.Fail, "logs:worker", Damaged,
			func(testing.TB) {
				w.must(os.WriteFile(filepath.Join(spoolDir(w.dir, "worker"), "state.json"), []byte("{"), 0o600))
			},
			func(testing.TB) { w.must(os.Remove(filepath.Join(spoolDir(w.dir, "worker"), "state.json"))) }),
	}
}

func TestMessages(t *testing.T) {
	s := New(Deps{})
	measuretest.Words(t, Messages(), Problems(), s.Checks().All()...)
	measuretest.Listed(t, Problems())
}

// TestProblemsHaveFaults: no problem is claimed that no fault brings about.
func TestProblemsHaveFaults(t *testing.T) {
	w := &world{TB: t}
	brought := map[string]bool{}
	for _, list := range w.faults().All() {
		for _, f := range list {
			brought[f.Item.Problem] = true
		}
	}
	for _, p := range Problems() {
		if !brought[string(p)] && p != CheckBroken { // a panic is ours, and no state of a system
			t.Errorf("no fault brings about %s", p)
		}
	}
}
