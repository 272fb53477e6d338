package discovertest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/garant-project/garant/internal/discover"
	"github.com/garant-project/garant/internal/estate"
)

// Subject is a source with the worlds it is tried in.
type Subject struct {
	Source  discover.Source
	Sound   func(testing.TB) World            // everything answers
	Partial func(testing.TB) World            // something is away: World.Missing
	Silent  func(testing.TB) World            // whoever is asked takes the question and never answers
	Hostile map[string]func(testing.TB) World // answers made to do harm
}

// World is what a source looks at.
type World struct {
	Ask     discover.Ask
	Way     discover.Way
	Secrets []string      // in the Ask or in what answers; nobody may see them
	State   func() string // differs if anything was changed; nil: there is nothing to change
	Missing string        // what a note must name
}

// Limits of the suite.
const (
	deadline = 700 * time.Millisecond
	slack    = 1500 * time.Millisecond
	patience = 30 * time.Second // for a world that answers
)

// aspect is one rule of the contract; it returns the faults.
type aspect struct {
	name string
	try  func(testing.TB, *trial) []string
}

// trial is a Subject with one look at each world, all at once: what several rules judge.
type trial struct {
	Subject
	looks map[string]look
}

func newTrial(t testing.TB, s Subject) *trial {
	worlds := map[string]func(testing.TB) World{"sound": s.Sound, "partial": s.Partial}
	for name, w := range s.Hostile {
		worlds["hostile: "+name] = w
	}
	r := &trial{Subject: s, looks: map[string]look{}}
	var mu sync.Mutex
	var all sync.WaitGroup
	for name, world := range worlds {
		w := world(t)
		all.Go(func() {
			l := find(patiently(t), s.Source, w)
			mu.Lock()
			defer mu.Unlock()
			r.looks[name] = l
		})
	}
	all.Wait()
	r.looks["silent"] = r.silence(t)
	return r
}

// silence is a look at the silent world, for a short time.
func (r *trial) silence(t testing.TB) look {
	w := r.Silent(t)
	before := settled()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	l := find(ctx, r.Source, w)
	l.left = leftovers(before)
	return l
}

func aspects() []aspect {
	return []aspect{
		{"says what it is", naming},
		{"explains a valid proposal", explains},
		{"finds the same again", deterministic},
		{"asks only what was named", modest},
		{"changes nothing", harmless},
		{"ends when told to", obedient},
		{"ends in time when nothing answers", punctual},
		{"tells what it could not see", candid},
		{"shows no secret", discreet},
		{"is not moved by hostile answers", steadfast},
	}
}

// Run holds a source to the contract.
func Run(t *testing.T, s Subject) {
	t.Helper()
	if s.Source == nil || s.Sound == nil || s.Partial == nil || s.Silent == nil || len(s.Hostile) == 0 {
		t.Fatal("the subject lacks a source or one of its worlds: nothing shows how it behaves there")
	}
	r := newTrial(t, s)
	for _, a := range aspects() {
		t.Run(a.name, func(t *testing.T) {
			for _, fault := range a.try(t, r) {
				t.Error(fault)
			}
		})
	}
}

// Faults returns what Run would report, by rule.
func Faults(t testing.TB, s Subject) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	r := newTrial(t, s)
	for _, a := range aspects() {
		if faults := a.try(t, r); len(faults) > 0 {
			all[a.name] = faults
		}
	}
	return all
}

// look is one Find with all that came of it.
type look struct {
	found  discover.Found
	err    error
	took   time.Duration
	lines  []string // of progress
	strays []string // what was asked that was not named
	world  World
	left   []string // what went on after the end
}

// find runs the source in a world. Its Way is watched and not guarded: what goes astray is seen.
func find(ctx context.Context, s discover.Source, w World) look {
	var l look
	var mu sync.Mutex
	ask := w.Ask
	ask.Progress = func(line string) {
		mu.Lock()
		defer mu.Unlock()
		l.lines = append(l.lines, line)
	}
	watched := &watch{way: w.Way, ask: w.Ask, resolved: map[netip.Addr]bool{}}
	start := time.Now()
	found, err := s.Find(ctx, ask, watched)
	mu.Lock()
	defer mu.Unlock()
	l.found, l.err, l.took, l.strays, l.world = found, err, time.Since(start), watched.seen(), w
	return l
}

func patiently(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func naming(t testing.TB, s *trial) (faults []string) {
	if name := s.Source.Name(); name == "" || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		faults = append(faults, fmt.Sprintf("its name is %q: one word", name))
	}
	if s.Source.Asks(s.Sound(t).Ask) == "" {
		faults = append(faults, "it does not say whom it asks")
	}
	if said := s.Source.Asks(discover.Ask{}); said != "" {
		faults = append(faults, fmt.Sprintf("named nothing, it would ask %q", said))
	}
	return faults
}

func explains(t testing.TB, s *trial) (faults []string) {
	l := s.looks["sound"]
	if l.err != nil {
		return []string{"it fails in a sound world: " + l.err.Error()}
	}
	if len(l.found.Proposals) == 0 {
		return []string{"it proposes nothing in a sound world"}
	}
	for _, p := range l.found.Proposals {
		if p.Section == "" || p.Name == "" || p.Subject == "" || p.Saw == "" {
			faults = append(faults, fmt.Sprintf("a proposal lacks its section, name, subject or what was seen: %+v", p))
		}
		for _, line := range p.Lines {
			if line.Key == "" || line.Why == "" {
				faults = append(faults, fmt.Sprintf("%s: the line %q has no reason", p.Subject, line.Key))
			}
		}
	}
	result, err := draft(l.found)
	if err != nil {
		return append(faults, "its proposal is no valid garant.yaml: "+err.Error())
	}
	if got, want := result.Proposals+result.Off, len(l.found.Proposals); got != want {
		faults = append(faults, fmt.Sprintf("%d of its %d proposals are in the draft; notes: %v", got, want, result.Notes))
	}
	return faults
}

func deterministic(t testing.TB, s *trial) (faults []string) {
	w := s.Sound(t)
	first := find(patiently(t), s.Source, w)
	slices.Reverse(w.Ask.Domains)
	slices.Reverse(w.Ask.Databases)
	for range 3 {
		again := find(patiently(t), s.Source, w)
		if !reflect.DeepEqual(first.found, again.found) {
			return []string{fmt.Sprintf("two looks at one world differ:\n%+v\n%+v", first.found, again.found)}
		}
	}
	return nil
}

func modest(_ testing.TB, s *trial) (faults []string) {
	for name, l := range s.looks {
		for _, stray := range l.strays {
			faults = append(faults, "in the world "+name+" it asked "+stray)
		}
	}
	slices.Sort(faults)
	return faults
}

func harmless(t testing.TB, s *trial) []string {
	w := s.Sound(t)
	if w.State == nil {
		return nil
	}
	before := w.State()
	find(patiently(t), s.Source, w)
	if after := w.State(); after != before {
		return []string{"it changed what it looked at: " + before + " became " + after}
	}
	return nil
}

func obedient(t testing.TB, s *trial) (faults []string) {
	w := s.Silent(t)
	before := settled()
	ctx, cancel := context.WithCancel(t.Context())
	timer := time.AfterFunc(200*time.Millisecond, cancel)
	defer timer.Stop()
	defer cancel()
	if l := find(ctx, s.Source, w); l.took > 200*time.Millisecond+slack {
		faults = append(faults, fmt.Sprintf("told to end, it went on for %s", l.took))
	}
	return append(faults, leftovers(before)...)
}

func punctual(_ testing.TB, s *trial) (faults []string) {
	l := s.looks["silent"]
	if l.took > deadline+slack {
		faults = append(faults, fmt.Sprintf("with %s to look, it took %s", deadline, l.took))
	}
	if len(l.found.Notes) == 0 && l.err == nil {
		faults = append(faults, "nothing answered, and it says nothing of that")
	}
	return append(faults, l.left...)
}

// settled counts what runs, once what ran before has had a moment to end.
func settled() int {
	least := runtime.NumGoroutine()
	for range 10 {
		time.Sleep(10 * time.Millisecond)
		least = min(least, runtime.NumGoroutine())
	}
	return least
}

// leftovers waits for what a source started to end.
func leftovers(before int) []string {
	end := time.Now().Add(slack)
	for runtime.NumGoroutine() > before {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<16)
			return []string{fmt.Sprintf("it left %d goroutines running:\n%s", runtime.NumGoroutine()-before, stacks[:runtime.Stack(stacks, true)])}
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

func candid(_ testing.TB, s *trial) []string {
	l := s.looks["partial"]
	if l.world.Missing == "" {
		return []string{"the partial world does not say what is missing in it"}
	}
	if len(l.found.Proposals) == 0 {
		return []string{"with a part away, it gives nothing of the rest"}
	}
	for _, n := range l.found.Notes {
		if strings.Contains(n.About+" "+n.Text, l.world.Missing) {
			return nil
		}
	}
	return []string{fmt.Sprintf("no note names %s, which was away: %+v", l.world.Missing, l.found.Notes)}
}

func discreet(_ testing.TB, s *trial) (faults []string) {
	for name, l := range s.looks {
		encoded, err := json.Marshal(l.found)
		if err != nil {
			return []string{"what it found cannot be encoded: " + err.Error()}
		}
		ask := l.world.Ask
		shown := string(encoded) + fmt.Sprintf("%+v %v %v %#v", l.found, l.lines, l.err, ask.Databases) + s.Source.Asks(ask)
		if result, err := draft(l.found); err == nil {
			shown += string(result.Source)
		}
		for _, secret := range l.world.Secrets {
			if strings.Contains(shown, secret) {
				faults = append(faults, "in the world "+name+" a secret is shown")
			}
		}
	}
	return faults
}

func steadfast(_ testing.TB, s *trial) (faults []string) {
	for name, l := range s.looks {
		if !strings.HasPrefix(name, "hostile") {
			continue
		}
		fault := func(format string, args ...any) {
			faults = append(faults, "in the world "+name+": "+fmt.Sprintf(format, args...))
		}
		if l.took >= patience {
			fault("it hung for %s", l.took)
		}
		for _, line := range append(texts(l.found), l.lines...) {
			if strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r) }) {
				fault("a character that nobody can see is shown: %q", line)
			}
		}
		result, err := draft(l.found)
		if err != nil {
			fault("what it found is no valid garant.yaml: %v", err)
			continue
		}
		for _, stray := range outsiders(result.Source, l.world.Ask) {
			fault("the draft declares %s, which was not named", stray)
		}
	}
	return faults
}

// texts are the sentences of what was found; values are looked at in the file.
func texts(f discover.Found) []string {
	var list []string
	for _, p := range f.Proposals {
		list = append(list, p.Saw, p.Off)
		for _, l := range p.Lines {
			list = append(list, l.Why)
		}
	}
	for _, n := range f.Notes {
		list = append(list, n.About, n.Text)
	}
	return list
}

func draft(f discover.Found) (discover.Result, error) {
	return discover.Draft(Company(), f, estate.Dir("."), time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC))
}

// Company is the company of a fictitious draft.
func Company() discover.Answers {
	return discover.Answers{Company: "Ardoise Mécénat", Country: "BE", Languages: []string{"fr", "en"}, Zone: "Europe/Brussels", Contact: "dpo@ardoise.example"}
}

// outsiders are the hosts of a draft's endpoints that were not named.
func outsiders(source []byte, ask discover.Ask) []string {
	var doc struct {
		Endpoints []struct{ URL, Connect string } `yaml:"endpoints"`
	}
	if err := yaml.Unmarshal(source, &doc); err != nil {
		return []string{"what cannot be read: " + err.Error()}
	}
	var out []string
	for _, e := range doc.Endpoints {
		_, rest, _ := strings.Cut(e.URL, "://")
		rest, _, _ = strings.Cut(rest, "/")
		host := rest
		if h, _, err := net.SplitHostPort(rest); err == nil {
			host = h
		}
		if !named(host, ask) || e.Connect != "" {
			out = append(out, e.URL)
		}
	}
	return out
}

func named(host string, ask discover.Ask) bool {
	if slices.ContainsFunc(ask.Domains, func(d string) bool { return discover.Below(host, d) }) {
		return true
	}
	return slices.ContainsFunc(ask.Databases, func(d discover.Database) bool { return slices.Contains(d.Hosts(), host) })
}

// watch is a Way that notes what nobody named.
type watch struct {
	way discover.Way
	ask discover.Ask

	mu       sync.Mutex
	resolved map[netip.Addr]bool
	strays   []string
}

func (w *watch) stray(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.strays = append(w.strays, what)
}

func (w *watch) seen() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.strays)
	return slices.Compact(w.strays)
}

// Addresses looks up a name.
func (w *watch) Addresses(ctx context.Context, host string) ([]netip.Addr, string, error) {
	if !named(host, w.ask) {
		w.stray("the resolver for " + host)
		return nil, "", context.Canceled
	}
	addresses, canonical, err := w.way.Addresses(ctx, host)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range addresses {
		w.resolved[a] = true
	}
	return addresses, canonical, err
}

// Servers looks up mail and name servers.
func (w *watch) Servers(ctx context.Context, host string) ([]string, error) {
	if !named(host, w.ask) {
		w.stray("the resolver for " + host)
		return nil, context.Canceled
	}
	return w.way.Servers(ctx, host)
}

// Dial connects.
func (w *watch) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	allowed := false
	if to, err := netip.ParseAddrPort(address); err == nil && network == "tcp" {
		w.mu.Lock()
		allowed = w.resolved[to.Addr()]
		w.mu.Unlock()
	} else if network == "unix" {
		allowed = slices.ContainsFunc(w.ask.Databases, func(d discover.Database) bool {
			return slices.ContainsFunc(d.Hosts(), func(h string) bool { return strings.HasPrefix(address, h+"/") })
		})
	}
	if !allowed {
		w.stray(network + " " + address)
		return nil, context.Canceled
	}
	return w.way.Dial(ctx, network, address)
}
