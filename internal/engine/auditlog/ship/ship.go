package ship

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/garant-project/garant/internal/engine/auditlog/ship/elastic"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
)

// lookEvery is how soon an applied estate changes what is shipped.
const lookEvery = 5 * time.Second

// Deps are what this needs of the house.
type Deps struct {
	DataDir string                                            // spools are kept below it
	Estate  func(ctx context.Context) (*estate.Estate, error) // that is in force; nil: none yet
	Tap     *Tap                                              // on Garant's own log; nil: it cannot be shipped
	Log     *slog.Logger                                      // may pass by Tap
	Now     func() time.Time
	Secrets func() []string // values that must not be in a line, besides those of the logs themselves; may be nil
}

// Ship ships logs and looks for canaries. It is safe for use by several at once.
type Ship struct {
	deps Deps
	host string
	pace pace

	mu      sync.Mutex
	running map[string]*running // by name of the log
	results map[string]Result   // by name of the log: the latest
}

type running struct {
	log  estate.Log
	stop context.CancelFunc
	done chan struct{}
}

// Result is what came of the latest canary of a log.
type Result struct {
	Log    string
	Kind   estate.LogKind
	At     time.Time
	Found  bool          // in time
	Took   time.Duration // from writing to finding; 0: it was not found
	Agreed time.Duration
}

// New returns it; nothing is shipped before Run.
func New(deps Deps) *Ship {
	host, _ := os.Hostname() // without one, lines do not say it
	return &Ship{deps: deps, host: host, pace: usualPace(), running: map[string]*running{}, results: map[string]Result{}}
}

// Run ships what the estate in force says, and follows when another is applied, until ctx ends. What is in memory then is put into the spool.
func (s *Ship) Run(ctx context.Context) error {
	defer s.stopAll()
	for {
		if e, err := s.deps.Estate(ctx); err == nil {
			s.follow(ctx, e)
		}
		if !sleep(ctx, s.pace.look) {
			return nil
		}
	}
}

// follow starts and stops shippers.
func (s *Ship) follow(ctx context.Context, e *estate.Estate) {
	want := map[string]estate.Log{}
	own := false
	if e != nil {
		for _, l := range e.Logs {
			if l.Ship == nil {
				continue
			}
			l.Kind, l.Field, l.Within, l.Line = "", "", 0, 0 // nothing that shipping depends on
			want[l.Name] = l
			own = own || l.Ship.File == ""
		}
	}
	s.mu.Lock()
	var ended []*running
	for name, r := range s.running {
		if l, ok := want[name]; !ok || !reflect.DeepEqual(l, r.log) {
			r.stop()
			ended = append(ended, r)
			delete(s.running, name)
		}
	}
	s.mu.Unlock()
	for _, r := range ended {
		<-r.done // it lets go of the spool
	}
	if s.deps.Tap != nil {
		s.deps.Tap.queue.turn(own)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if s.running[name] == nil {
			s.start(ctx, want[name])
		}
	}
}

func (s *Ship) start(ctx context.Context, l estate.Log) {
	one := &shipper{
		log: l, dir: spoolDir(s.deps.DataDir, l.Name), now: s.deps.Now, say: s.deps.Log, secrets: s.deps.Secrets, pace: s.pace,
		from: origin{dataset: l.Name, host: s.host, file: l.Ship.File},
	}
	if l.Ship.File == "" {
		if s.deps.Tap == nil {
			return
		}
		one.queue = s.deps.Tap.queue
	}
	ctx, stop := context.WithCancel(ctx)
	r := &running{log: l, stop: stop, done: make(chan struct{})}
	s.running[l.Name] = r
	go func() {
		defer close(r.done)
		one.run(ctx)
	}()
}

func (s *Ship) stopAll() {
	s.mu.Lock()
	list := slices.Collect(maps.Values(s.running))
	clear(s.running)
	s.mu.Unlock()
	for _, r := range list {
		r.stop()
		<-r.done
	}
}

// ships reports whether a log is shipped by this process.
func (s *Ship) ships(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running[name] != nil
}

// Results returns what came of the latest canary of each log since this process began, by name.
func (s *Ship) Results() []Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.results), func(a, b Result) int {
		if a.Log < b.Log {
			return -1
		}
		return 1
	})
}

// credentials reads what signs in.
func credentials(user string, password, apiKey estate.Secret) (u, p, k string, err error) {
	if !apiKey.IsZero() {
		k, err = apiKey.Reveal()
		return "", "", k, err
	}
	if !password.IsZero() {
		p, err = password.Reveal()
	}
	return user, p, "", err
}

// options reads the secrets of a search.
func options(search estate.LogSearch) (elastic.Options, error) {
	o := elastic.Options{TrustPEM: search.TrustPEM}
	var err error
	if o.URL, err = search.Where(); err != nil {
		return o, err
	}
	if !estate.SafeAddress(o.URL) {
		return o, errs.New(errs.Invalid, "auditlog.logs.unsafe", "The address of the search is not one of https.").WithFix("Write https://HOST:PORT where the reference leads to.")
	}
	o.User, o.Password, o.APIKey, err = credentials(search.User, search.Password, search.APIKey)
	return o, err
}
