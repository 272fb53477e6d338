package ship

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/engine/auditlog/ship/shiptest"
	"github.com/garant-project/garant/internal/estate"
)

const (
	searchUser = "Basic cmVhZGVyOmh1bnRlcjI=" // reader:hunter2
	writeKey   = "ApiKey d3JpdGVy"
	agreed     = 1500 * time.Millisecond
)

// world is a company with logs of every kind: of containers, shipped by somebody else's shipper; of the application, which takes lines over HTTP; of a worker, a file that Garant
// ships; and Garant's own.
type world struct {
	testing.TB
	dir     string
	cluster *shiptest.Server
	app     *httptest.Server
	appSays atomic.Int64 // status; 0: 204
	vector  atomic.Bool  // somebody else's shipper runs
	mu      sync.Mutex
	estate  *estate.Estate // the logs of which are never changed in place
	tap     *Tap
	log     *slog.Logger
	ship    *Ship
	out     *lockedBuffer
	shift   atomic.Int64
	stop    func()
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

const declared = `company: {name: Ardoise Mécénat, country: BE, languages: [fr, en], time_zone: Europe/Brussels, contact: dpo@ardoise.example}
logs:
  - name: containers
    kind: system
    search: {url: env:SHIP_URL, index: 'logs-containers-*', user: reader, password: env:SHIP_PASSWORD}
    canary: {file: %[1]s/container.log}
  - name: application
    kind: application
    search: {url: env:SHIP_URL, index: logs-app, user: reader, password: env:SHIP_PASSWORD}
    canary: {http: '%[2]s/log', token: env:SHIP_TOKEN}
  - name: worker
    kind: application
    search: {url: env:SHIP_URL, index: logs-worker, user: reader, password: env:SHIP_PASSWORD}
    canary: {shipper: true}
    ship: {from: %[1]s/worker.log, into: logs-worker, api_key: env:SHIP_WRITE}
  - name: own
    kind: application
    search: {url: env:SHIP_URL, index: logs-own, user: reader, password: env:SHIP_PASSWORD}
    canary: {shipper: true}
    ship: {from: garant, into: logs-own, api_key: env:SHIP_WRITE, spool_mib: 1, redact: {fields: [applicant], patterns: ['BE\d{10}']}}
`

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{TB: t, dir: t.TempDir(), cluster: shiptest.Start(t), out: &lockedBuffer{}}
	w.cluster.Read, w.cluster.Write, w.cluster.Refresh = searchUser, writeKey, 20*time.Millisecond
	w.cluster.Create("logs-containers-1")
	w.app = httptest.NewServer(http.HandlerFunc(w.application))
	t.Cleanup(w.app.Close)
	for name, value := range w.sound() {
		w.setenv(name, value)
	}
	for _, name := range []string{"container.log", "worker.log"} {
		w.must(os.WriteFile(w.path(name), nil, 0o600))
	}
	e, err := estate.Parse(fmt.Appendf(nil, declared, w.dir, w.app.URL), estate.Files{})
	w.must(err)
	for i := range e.Logs {
		e.Logs[i].Within = agreed
	}
	w.estate = e
	w.tap = NewTap(slog.NewJSONHandler(w.out, nil))
	w.log = slog.New(w.tap)
	w.ship = New(Deps{
		DataDir: w.dir, Tap: w.tap, Log: w.log, Now: w.now,
		Estate:  func(context.Context) (*estate.Estate, error) { return w.applied(), nil },
		Secrets: func() []string { return []string{"a-secret-of-the-house"} },
	})
	w.ship.pace = pace{gather: 20 * time.Millisecond, bulk: 300 * time.Millisecond, first: 5 * time.Millisecond, longest: 50 * time.Millisecond, look: 20 * time.Millisecond, settle: 100 * time.Millisecond}
	w.vector.Store(true)
	w.follow()
	w.start()
	t.Cleanup(func() { w.stop() })
	return w
}

// with applies an estate in which something of a log is otherwise.
func (w *world) with(change func(*estate.Log)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := *w.estate
	next.Logs = slices.Clone(next.Logs)
	for i := range next.Logs {
		change(&next.Logs[i])
	}
	*w.estate = next
}

// applied is the estate in force.
func (w *world) applied() *estate.Estate {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := *w.estate
	return &e
}

func (w *world) sound() map[string]string {
	return map[string]string{"SHIP_URL": w.cluster.URL, "SHIP_PASSWORD": "hunter2", "SHIP_TOKEN": "open-sesame", "SHIP_WRITE": "d3JpdGVy"}
}

// setenv sets a variable for as long as the process lives: worlds do not run side by side.
func (w *world) setenv(name, value string) {
	w.Helper()
	if value == "" {
		w.must(os.Unsetenv(name)) //nolint:usetesting // a fault takes it away, a mending brings it back
		return
	}
	w.must(os.Setenv(name, value)) //nolint:usetesting // as above
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.shift.Load())) }

// start runs the shippers, and waits until they ship.
func (w *world) start() {
	w.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.ship.Run(ctx) }()
	var once sync.Once
	w.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				w.Error(err)
			}
		})
	}
	w.until("the shippers run", func() bool { return w.ship.ships("own") && w.ship.ships("worker") })
}

func (w *world) until(what string, so func() bool) {
	w.Helper()
	for end := time.Now().Add(20 * time.Second); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			w.Fatalf("never: %s", what)
		}
	}
}

// application logs what is posted to it, which comes into its index.
func (w *world) application(rw http.ResponseWriter, r *http.Request) {
	var posted struct {
		Message string `json:"message"`
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(body, &posted) != nil || r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer open-sesame" {
		rw.WriteHeader(http.StatusForbidden)
		return
	}
	if status := int(w.appSays.Load()); status != 0 {
		rw.Header().Set("Location", "/login")
		rw.WriteHeader(status)
		return
	}
	line, _ := json.Marshal(map[string]string{"@timestamp": time.Now().Format(time.RFC3339Nano), "message": posted.Message})
	w.cluster.Index("logs-app", fmt.Sprint(time.Now().UnixNano()), line)
	rw.WriteHeader(http.StatusNoContent)
}

// follow is somebody else's shipper of the containers' log, until the test ends.
func (w *world) follow() {
	stop, done := make(chan struct{}), make(chan struct{})
	w.Cleanup(func() { close(stop); <-done })
	go func() {
		defer close(done)
		var f *os.File
		var lines *bufio.Reader
		for n := 0; ; {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
			if f == nil {
				var err error
				if f, err = os.Open(w.path("container.log")); err != nil {
					f = nil
					continue
				}
				lines = bufio.NewReader(f)
			}
			line, err := lines.ReadBytes('\n')
			if err != nil && len(line) == 0 {
				is, _ := f.Stat()
				now, gone := os.Stat(w.path("container.log"))
				if !errors.Is(err, io.EOF) || gone != nil || !os.SameFile(is, now) { // or a directory
					_ = f.Close()
					f = nil
				}
				continue
			}
			if n++; w.vector.Load() {
				w.cluster.Index("logs-containers-1", fmt.Sprint("c", n, time.Now().UnixNano()), line)
			}
		}
	}()
}

func (w *world) documents(index string) map[string]json.RawMessage {
	docs, _ := w.cluster.Documents(index)
	return docs
}

// messages are those of an index, each with how many documents say it.
func (w *world) messages(index string) map[string]int {
	out := map[string]int{}
	for _, raw := range w.documents(index) {
		var doc struct {
			Message string `json:"message"`
		}
		w.must(json.Unmarshal(raw, &doc))
		out[doc.Message]++
	}
	return out
}
