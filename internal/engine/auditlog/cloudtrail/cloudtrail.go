package cloudtrail

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
)

// The bounds of a run. The first one after a start reads everything, over several runs if there is much; a pass must outlive that.
const (
	every   = 5 * time.Minute
	valid   = 6 * time.Hour
	timeout = 4 * time.Minute
	reserve = 30 * time.Second // left of a run when no further day is begun

	again      = 24 * time.Hour // after which a day that was verified is read again
	overdue    = 48 * time.Hour // after which its verdict counts no more
	mostItems  = 12             // of one problem
	longItem   = 300            // bytes of what an item says
	mostBudget = 60_000         // requests of one run for days that are over
	atOnce     = 16             // requests
	lagStep    = 5 * time.Minute
)

// CheckID is the id of the check.
const CheckID = "auditlog.cloud"

// Facts are the names of what the check tells for sentences.
const (
	FactTrails = CheckID + ".trails" // how many
	FactFiles  = CheckID + ".files"  // log files of days that are over, each verified and equal to its copy
	FactLag    = CheckID + ".lag"    // at most this long from delivery to the copy, in steps of five minutes
	FactOldest = CheckID + ".oldest" // how far back the files go
)

// Set holds one T for each check. Its literals are written without keys, so that a new check does
// not compile until it has a T everywhere one is due, fault injections included.
type Set[T any] struct {
	Cloud T
}

// All returns the set's members in the order of its fields.
func (s Set[T]) All() []T { return []T{s.Cloud} }

// Trails verifies the trails of an estate. It remembers, in memory alone, what it has verified.
type Trails struct {
	http   http.RoundTripper
	budget int // requests of one run for days that are over

	mu     sync.Mutex
	memory map[string]*memory // by what identifies trail, copy and what they are held to
}

// New returns the check's state, which has verified nothing yet.
func New() *Trails {
	return &Trails{
		http: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DisableCompression: true, MaxIdleConnsPerHost: atOnce, IdleConnTimeout: time.Minute,
			TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 30 * time.Second, ForceAttemptHTTP2: true,
		},
		budget: mostBudget,
		memory: map[string]*memory{},
	}
}

// Checks returns the check of this package.
func (t *Trails) Checks() Set[measure.Check] {
	return Set[measure.Check]{measure.Check{
		ID: CheckID, Measures: []string{"LOG-2"}, Every: every, Valid: valid, Timeout: timeout, OwnPace: true,
		Facts: []string{FactTrails, FactFiles, FactLag, FactOldest},
		Scope: func(e *estate.Estate) []string {
			var names []string
			for _, c := range e.CloudLogs {
				names = append(names, c.Name)
			}
			return names
		},
		Run: t.run,
	}}
}

func (t *Trails) run(ctx context.Context, in measure.In) measure.Finding {
	list := in.Estate.CloudLogs
	if len(list) == 0 {
		return measure.Finding{Outcome: measure.NotApplicable}
	}
	began := time.Now()
	looks := make([]*look, len(list))
	var wg sync.WaitGroup
	for i, c := range list {
		l := &look{c: c, now: in.Now, mem: t.remember(c), budget: t.budget / len(list)}
		// The clock goes on while a run reads.
		l.clock = &skewed{RoundTripper: t.http, now: func() time.Time { return in.Now.Add(time.Since(began)) }}
		looks[i] = l
		wg.Go(func() { l.guarded(ctx) })
	}
	wg.Wait()
	f := measure.Finding{Outcome: measure.Pass}
	raw := map[string]any{}
	seen := 0
	facts := struct {
		files  int
		lag    time.Duration
		oldest time.Time
	}{}
	for _, l := range looks {
		if measure.Look(&f, l.c.Name, l.items, func(i measure.Item) bool { return Problem(i.Problem).Blind() }) {
			seen++
			facts.files += l.files
			facts.lag = max(facts.lag, l.lag)
			if facts.oldest.IsZero() || l.oldest.After(facts.oldest) { // as far as all of them go
				facts.oldest = l.oldest
			}
		}
		raw[l.c.Name] = map[string]any{"trail": l.c.Trail, "regions": l.regions, "days": l.days}
		f.Failed = append(f.Failed, l.items...)
	}
	if seen == len(looks) && !facts.oldest.IsZero() {
		f.Facts = map[string]measure.Fact{
			FactTrails: measure.Count(seen), FactFiles: measure.Count(facts.files), FactOldest: measure.At(facts.oldest),
			FactLag: measure.Span(max(lagStep, (facts.lag + lagStep - 1).Truncate(lagStep))),
		}
	}
	f.Raw, _ = json.Marshal(raw) // of names and numbers: cannot fail
	return f
}

// remember returns what is known of a trail as it is declared now: another bucket, another copy or another promise is verified from the start.
func (t *Trails) remember(c estate.CloudLog) *memory {
	c.Line, c.Reader, c.Copy.Reader = 0, estate.Secret{}, estate.Secret{}
	key, _ := json.Marshal(c) // of texts and times: cannot fail
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.memory[string(key)]
	if m == nil {
		m = &memory{days: map[day]*verdict{}, read: map[string]proof{}, digests: map[string]known{}}
		t.memory[string(key)] = m
	}
	return m
}

// memory is what this process has verified of a trail. It is lost with the process, which then reads everything again.
type memory struct {
	busy    sync.Mutex // one look at a time
	days    map[day]*verdict
	mu      sync.Mutex
	read    map[string]proof // files of the last days, by key
	digests map[string]known // by key
}

// Bounds of what is remembered of single files; beyond them the whole is forgotten and read again.
const (
	mostRead    = 200_000
	mostDigests = 2_000
	mostNames   = 128 // days whose log files are held by name, in one look
)

// day is a day of the chain of a region.
type day struct {
	chain string // prefix of the account's files, and region
	date  time.Time
}

// verdict is what was found on a day that is over.
type verdict struct {
	at    time.Time // when it was read
	files int
	items []measure.Item
}

// proof is what a file and its copy were, as listed, when both were read and found right.
type proof struct {
	hash       string // that the digest has
	here, copy object
	until      time.Time // the copy is locked
}

// known is a digest whose signature was verified.
type known struct {
	here   object
	digest *Digest
	raw    [32]byte
}

func (m *memory) proven(key, hash string, here, copied object) (proof, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.read[key]
	return p, ok && p.hash == hash && p.here.same(here) && p.copy.same(copied)
}

func (m *memory) prove(key string, p proof) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.read) >= mostRead {
		clear(m.read)
	}
	m.read[key] = p
}

func (m *memory) digest(key string, here object) (known, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.digests[key]
	return k, ok && k.here.same(here)
}

func (m *memory) keep(key string, k known) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.digests) >= mostDigests {
		clear(m.digests)
	}
	m.digests[key] = k
}

// due lists the days that have to be read, the newest first: those never read, those whose time has come, and those that were wrong.
func (m *memory) due(days []day, now time.Time) []day {
	var list []day
	for _, d := range days {
		if v := m.days[d]; v == nil || len(v.items) > 0 || now.Sub(v.at) >= again || now.Before(v.at) {
			list = append(list, d)
		}
	}
	slices.SortStableFunc(list, func(a, b day) int { // what was wrong first: it may be mended
		return wrong(m.days[b]) - wrong(m.days[a])
	})
	return list
}

func wrong(v *verdict) int {
	if v != nil && len(v.items) > 0 {
		return 1
	}
	return 0
}
