package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/garant-project/garant/internal/annex"
	"github.com/garant-project/garant/internal/app"
	"github.com/garant-project/garant/internal/demo"
	"github.com/garant-project/garant/internal/pg"
)

// The goals: how soon half of the requests for a page, of today and of the past, are answered.
const (
	pageGoal = 15 * time.Millisecond
	pastGoal = 50 * time.Millisecond
)

// pace is how a page is asked for: some rounds of a few requests to Garant and as many to the bare
// server, one after the other, so that both see the same machine.
const (
	rounds   = 8
	perRound = 4
	perPage  = 3 * time.Second // at most
)

// look is what else is said of the pages.
type look struct {
	dir        string // where the company is kept; empty: nowhere
	page       string // only pages with this in their address; empty: all
	profile    string // file for a profile of the processor; empty: none
	statements bool   // with how long each took
}

// companyPages measures every page of a Garant that guards a company of 500 persons with two years
// behind it, one reader at a time. The reference is a bare Go server that sends the same bytes.
func companyPages(ctx context.Context, out io.Writer, dir string, s size, look look) error {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
	if err := os.Setenv(demo.PortsVariable, "free"); err != nil {
		return err
	}
	if look.dir != "" {
		dir = look.dir
	}
	quiet := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	say("company: %d persons, %d assets, %d documents, %d suppliers, %d sites, %d days, %d entries of the record; load %s", s.persons, s.assets, s.documents, s.suppliers, s.sites, s.days, s.entries, load1())
	g, err := grow(ctx, app.Options{DataDir: filepath.Join(dir, "company"), Build: "bench", Log: quiet, Now: time.Now}, s, say)
	if err != nil {
		return err
	}
	defer g.close(context.WithoutCancel(ctx))
	if err := g.tellRows(ctx, say); err != nil {
		return err
	}
	reader := annex.NewReader(g.DB.Pool(pg.Public), g.Now, quiet)
	staff, public, err := g.Handlers(reader)
	if err != nil {
		return err
	}
	loops, stop := context.WithCancel(ctx)
	defer stop()
	if err := g.Publisher.Publish(ctx); err != nil {
		return err
	}
	if err := reader.Renew(ctx); err != nil {
		return err
	}
	go g.Publisher.Run(loops)
	go reader.Run(loops)
	m, err := g.meter(ctx, staff, public)
	if err != nil {
		return err
	}
	defer m.close()
	say("  at rest, publishing every second: %.1f ms of processor a second, database included", 1000*m.idle)
	list, err := g.pages(ctx, m)
	if err != nil {
		return err
	}
	if look.profile != "" {
		done, err := profiled(look.profile)
		if err != nil {
			return err
		}
		defer done()
	}
	say("\n%-36s %8s %7s %9s %9s %9s %6s %9s", "page", "bytes", "queries", "p50", "p99", "bare p50", "ratio", "CPU")
	var slow []string
	for _, p := range list {
		if !strings.Contains(p.name(), look.page) {
			continue
		}
		r, err := m.measure(ctx, p)
		if err != nil {
			return fmt.Errorf("%s: %w", p.path, err)
		}
		mark := ""
		if r.p50 > p.goal() {
			mark, slow = " !", append(slow, p.path)
		}
		say("%-36s %8d %7d %9s %9s %9s %6.0f %9s%s", p.name(), r.bytes, r.queries, r.p50.Round(10*time.Microsecond), r.p99.Round(10*time.Microsecond), r.bare.Round(time.Microsecond),
			float64(r.p50)/float64(r.bare), r.cpu.Round(10*time.Microsecond), mark)
		if look.statements {
			say("%s", r.statements)
		}
	}
	say("%d of %d pages over the goal (%s; %s for a day of the past) with load %s: %s", len(slow), len(list), pageGoal, pastGoal, load1(), strings.Join(slow, " "))
	return nil
}

// tellRows says how much there is.
func (g *grown) tellRows(ctx context.Context, say func(string, ...any)) error {
	var parts []string
	for _, table := range []string{"register.entry", "register.acknowledgement", "register.change", "directory.person", "measure.evidence", "measure.state_change", "measure.attestation", "annex.published", "annex.pulse", "audit.entry"} {
		n, err := g.text(ctx, "SELECT count(*)::text FROM "+table)
		if err != nil {
			return err
		}
		parts = append(parts, table+" "+n)
	}
	bytes, err := g.text(ctx, "SELECT pg_size_pretty(pg_database_size(current_database()))")
	say("  rows: %s; %s", strings.Join(parts, ", "), bytes)
	return err
}

// load1 is the machine's load over the last minute; empty where it is not told.
func load1() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}

// meter asks for pages.
type meter struct {
	staff, public, bare *httptest.Server
	client              *http.Client
	cookie              string
	hosts               map[string]string // by origin
	body                atomic.Pointer[sent]
	counts              *counter
	postgres            int // pid of the postmaster
	idle                float64
}

// sent is what the bare server sends.
type sent struct {
	kind string
	body []byte
}

func (g *grown) meter(ctx context.Context, staff, public http.Handler) (*meter, error) {
	m := &meter{counts: &counter{}}
	counted := func(h http.Handler) *httptest.Server {
		return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r.WithContext(pg.Traced(r.Context(), m.counts)))
		}))
	}
	m.staff, m.public = counted(staff), counted(public)
	m.bare = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s := m.body.Load()
		w.Header().Set("Content-Type", s.kind)
		_, _ = w.Write(s.body)
	}))
	m.hosts = map[string]string{m.staff.URL: g.Server.Hosts.Console, m.public.URL: g.Server.Hosts.Annex}
	m.client = &http.Client{
		Transport:     &http.Transport{DisableCompression: true, DialContext: (&net.Dialer{}).DialContext},
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	token, err := g.session(ctx)
	if err != nil {
		return nil, err
	}
	m.cookie = "garant=" + token + "; lang=fr"
	m.postgres = g.guest.Status().PID
	const quiet = 3 * time.Second
	idle, err := m.spent(func() error { time.Sleep(quiet); return nil })
	m.idle = idle / float64(quiet)
	return m, err
}

func (m *meter) close() {
	for _, s := range []*httptest.Server{m.staff, m.public, m.bare} {
		s.Close()
	}
}

// do sends one request and returns the answer.
func (m *meter) do(ctx context.Context, method, origin, path string, form url.Values) (answer, []byte, error) {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(ctx, method, origin+path, body)
	if err != nil {
		return answer{}, nil, err
	}
	if host := m.hosts[origin]; host != "" {
		r.Host = host
	}
	r.Header.Set("Cookie", m.cookie)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	res, err := m.client.Do(r)
	if err != nil {
		return answer{}, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Status, res.Header}, b, err
}

// answer is what a page was answered with, beside its bytes.
type answer struct {
	StatusCode int
	Status     string
	Header     http.Header
}

// figures are what was seen of a page.
type figures struct {
	bytes          int
	queries        int
	statements     string
	p50, p99, bare time.Duration
	cpu            time.Duration // of Garant and its database, a request
}

func (m *meter) measure(ctx context.Context, p address) (figures, error) {
	origin := m.staff.URL
	if p.public {
		origin = m.public.URL
	}
	get := func() (took time.Duration, err error) {
		began := time.Now()
		res, _, err := m.do(ctx, http.MethodGet, origin, p.path, nil)
		if err == nil && res.StatusCode != http.StatusOK {
			err = errors.New(res.Status)
		}
		return time.Since(began), err
	}
	var f figures
	for range 2 { // once for caches, once to look at
		m.counts.begin()
		res, body, err := m.do(ctx, http.MethodGet, origin, p.path, nil)
		if err != nil {
			return f, err
		}
		if res.StatusCode != http.StatusOK {
			return f, fmt.Errorf("%s: %s", res.Status, body[:min(len(body), 300)])
		}
		f.bytes, f.queries = len(body), m.counts.n()
		m.body.Store(&sent{res.Header.Get("Content-Type"), body})
	}
	var ours, theirs []time.Duration
	var spent float64
	for began := time.Now(); len(ours) < rounds*perRound && time.Since(began) < perPage; {
		computed, err := m.spent(func() error {
			for range perRound {
				took, err := get()
				if err != nil {
					return err
				}
				ours = append(ours, took)
			}
			return nil
		})
		if err != nil {
			return f, err
		}
		spent += computed
		for range perRound {
			begun := time.Now()
			if _, _, err := m.do(ctx, http.MethodGet, m.bare.URL, "/", nil); err != nil {
				return f, err
			}
			theirs = append(theirs, time.Since(begun))
		}
	}
	f.statements = m.counts.told(len(ours) + 1)
	slices.Sort(ours)
	slices.Sort(theirs)
	f.p50, f.p99, f.bare = result{took: ours}.exact(.5), result{took: ours}.exact(.99), result{took: theirs}.exact(.5)
	f.cpu = time.Duration(max(0, spent) / float64(len(ours)))
	return f, nil
}

// exact is at without rounding: a bare server answers within a hundred microseconds.
func (r result) exact(q float64) time.Duration { return r.took[int(float64(len(r.took)-1)*q)] }
