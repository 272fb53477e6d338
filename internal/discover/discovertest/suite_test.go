package discovertest_test

import (
	"context"
	"maps"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/discover"
	"github.com/garant-project/garant/internal/discover/discovertest"
)

const (
	domain = "ardoise.example"
	secret = "s3cr3t"
)

// source is a source of which every part can be made wrong.
type source struct {
	asks string
	find func(context.Context, discover.Ask, discover.Way) (discover.Found, error)
}

func (source) Name() string { return "pretend" }
func (s source) Asks(a discover.Ask) string {
	if len(a.Domains) == 0 {
		return ""
	}
	return s.asks
}
func (s source) Find(ctx context.Context, a discover.Ask, way discover.Way) (discover.Found, error) {
	return s.find(ctx, a, way)
}

func good(ctx context.Context, a discover.Ask, way discover.Way) (discover.Found, error) {
	var f discover.Found
	for _, d := range slices.Sorted(slices.Values(a.Domains)) {
		for _, label := range []string{"app", "api"} {
			host := label + "." + d
			addresses, _, err := way.Addresses(ctx, host)
			switch {
			case err != nil:
				f.Notes = append(f.Notes, discover.Note{About: host, Text: "It could not be looked up."})
			case len(addresses) > 0:
				f.Proposals = append(f.Proposals, item(host))
			}
		}
	}
	return f, nil
}

func item(host string) discover.Proposal {
	return discover.Proposal{Section: discover.Endpoints, Name: host, Subject: "https://" + host, Saw: "it resolves", Lines: []discover.Line{
		{Key: "url", Value: "https://" + host, Why: "it resolves"}, {Key: "environment", Value: "production", Why: "decide"}, {Key: "audience", Value: "public", Why: "decide"}}}
}

// way answers for names below the domain.
type way struct {
	discover.Way
	lookup func(ctx context.Context, host string) error
}

func (w way) Addresses(ctx context.Context, host string) ([]netip.Addr, string, error) {
	if err := w.lookup(ctx, host); err != nil {
		return nil, "", err
	}
	return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, host, nil
}

func subject(s source, changed *atomic.Int64) discovertest.Subject {
	world := func(lookup func(context.Context, string) error) func(testing.TB) discovertest.World {
		return func(testing.TB) discovertest.World {
			return discovertest.World{Ask: discover.Ask{Domains: []string{domain, "mecenat.example"}}, Way: way{lookup: lookup}, Secrets: []string{secret}, Missing: "api." + domain,
				State: func() string { return strings.Repeat("x", int(changed.Load())) }}
		}
	}
	answers := func(context.Context, string) error { return nil }
	return discovertest.Subject{Source: s, Sound: world(answers),
		Partial: world(func(_ context.Context, host string) error {
			if host == "api."+domain {
				return context.DeadlineExceeded
			}
			return nil
		}),
		Silent:  world(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }),
		Hostile: map[string]func(testing.TB) discovertest.World{"any": world(answers)},
	}
}

// The suite passes what is right, and finds each way of being wrong.
func TestTheSuiteSeesWhatIsWrong(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for sources that do not end")
	}
	var changed, calls atomic.Int64
	with := func(change func(f *discover.Found)) func(context.Context, discover.Ask, discover.Way) (discover.Found, error) {
		return func(ctx context.Context, a discover.Ask, w discover.Way) (discover.Found, error) {
			f, err := good(ctx, a, w)
			if len(f.Proposals) > 0 {
				change(&f)
			}
			return f, err
		}
	}
	for name, c := range map[string]struct {
		source source
		rules  []string // that it breaks
	}{
		"right":        {source{"its resolver", good}, nil},
		"unnamed":      {source{"", good}, []string{"says what it is"}},
		"unexplained":  {source{"x", with(func(f *discover.Found) { f.Proposals[0].Lines[0].Why = "" })}, []string{"explains a valid proposal"}},
		"finds nought": {source{"x", with(func(f *discover.Found) { *f = discover.Found{} })}, []string{"explains a valid proposal", "tells what it could not see"}},
		"invalid":      {source{"x", with(func(f *discover.Found) { f.Proposals[0].Lines[1].Value = "prod" })}, []string{"explains a valid proposal"}},
		"unsteady": {source{"x", func(ctx context.Context, a discover.Ask, w discover.Way) (discover.Found, error) {
			f, err := good(ctx, a, w)
			if calls.Add(1)%2 == 0 {
				slices.Reverse(f.Proposals)
			}
			return f, err
		}}, []string{"finds the same again"}},
		"by the order of the question": {source{"x", func(ctx context.Context, a discover.Ask, w discover.Way) (f discover.Found, err error) {
			for _, d := range a.Domains {
				one, _ := good(ctx, discover.Ask{Domains: []string{d}}, w)
				f.Proposals, f.Notes = append(f.Proposals, one.Proposals...), append(f.Notes, one.Notes...)
			}
			return f, nil
		}}, []string{"finds the same again"}},
		"asks others": {source{"x", func(ctx context.Context, a discover.Ask, w discover.Way) (discover.Found, error) {
			_, _, _ = w.Addresses(ctx, "elsewhere.example")
			return good(ctx, a, w)
		}}, []string{"asks only what was named"}},
		"dials at random": {source{"x", func(ctx context.Context, a discover.Ask, w discover.Way) (discover.Found, error) {
			_, _ = w.Dial(ctx, "tcp", "192.0.2.9:443")
			return good(ctx, a, w)
		}}, []string{"asks only what was named"}},
		"changes things": {source{"x", func(ctx context.Context, a discover.Ask, w discover.Way) (discover.Found, error) {
			changed.Add(1)
			return good(ctx, a, w)
		}}, []string{"changes nothing"}},
		"deaf": {source{"x", func(ctx context.Context, a discover.Ask, w discover.Way) (discover.Found, error) {
			f, err := good(ctx, a, w)
			if ctx.Err() != nil {
				time.Sleep(3 * time.Second)
			}
			return f, err
		}}, []string{"ends when told to", "ends in time when nothing answers"}},
		"leaves work behind": {source{"x", func(ctx context.Context, a discover.Ask, w discover.Way) (discover.Found, error) {
			f, err := good(ctx, a, w)
			if ctx.Err() != nil {
				go time.Sleep(5 * time.Second)
			}
			return f, err
		}}, []string{"ends when told to", "ends in time when nothing answers"}},
		"hushes up": {source{"x", func(ctx context.Context, a discover.Ask, w discover.Way) (discover.Found, error) {
			f, err := good(ctx, a, w)
			f.Notes = nil
			return f, err
		}}, []string{"ends in time when nothing answers", "tells what it could not see"}},
		"tells a secret": {source{"x", with(func(f *discover.Found) { f.Proposals[0].Saw = "the password is " + secret })}, []string{"shows no secret"}},
		"repeats what it hears": {source{"x", with(func(f *discover.Found) {
			f.Notes = append(f.Notes, discover.Note{About: "x", Text: "it says \x1b[31m"})
		})},
			[]string{"is not moved by hostile answers"}},
		"declares strangers": {source{"x", with(func(f *discover.Found) { f.Proposals = append(f.Proposals, item("app.evil.example")) })}, []string{"is not moved by hostile answers"}},
	} {
		t.Run(name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			defer func() { // the next is not blamed for what this one left
				for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
				}
			}()
			faults := discovertest.Faults(t, subject(c.source, &changed))
			got := slices.Sorted(maps.Keys(faults))
			slices.Sort(c.rules)
			if !slices.Equal(got, c.rules) {
				t.Errorf("the suite finds %q, want %q\n%v", got, c.rules, faults)
			}
		})
	}
}
