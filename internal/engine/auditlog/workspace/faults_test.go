package workspace

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/measuretest"
)

type world struct {
	t          *testing.T
	google     *google
	workspaces *Workspaces
	estate     *estate.Estate
	waited     []time.Duration
}

func newWorld(t *testing.T) *world {
	t.Helper()
	key, text := serviceAccount()
	t.Setenv("WORKSPACE_TEST_KEY", text)
	w := &world{t: t, google: newGoogle(t, &key.PublicKey), workspaces: New()}
	w.workspaces.tokenURL, w.workspaces.endpoint = w.google.URL+"/token", w.google.URL
	w.workspaces.wait = func(ctx context.Context, d time.Duration) error {
		w.waited = append(w.waited, d)
		return ctx.Err()
	}
	ago := func(d time.Duration) activity {
		return activity{at: time.Now().Add(-d), customer: customer, event: "something"}
	}
	w.google.logs["login"] = []activity{ago(3 * time.Hour), ago(30 * time.Hour)}
	w.google.logs["admin"] = []activity{ago(5 * 24 * time.Hour)}
	w.google.logs["token"] = []activity{ago(time.Minute), {time.Now().Add(-2 * time.Hour), customer, "activity", clientID}}
	var err error
	w.estate, err = estate.Parse([]byte(`company: {name: Ardoise, country: BE, languages: [fr, en], time_zone: Europe/Brussels, contact: dpo@ardoise.example}
workspace:
  - name: google
    customer: `+customer+`
    admin: `+admin+`
    key: env:WORKSPACE_TEST_KEY
    applications: {token: 6h, login: 1d, admin: 14d}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) look() measure.Finding {
	w.t.Helper()
	return w.lookAt(time.Now())
}

func (w *world) lookAt(now time.Time) measure.Finding {
	w.t.Helper()
	return measure.Observe(context.Background(), w.workspaces.Checks().Workspace, measure.In{Estate: w.estate, Now: now}, slog.New(slog.DiscardHandler))
}

func (w *world) fault(name string, p Problem, brk func(g *google)) measuretest.Fault {
	want := measure.Fail
	if p.Blind() {
		want = measure.Error
	}
	var was map[string][]activity
	var transport http.RoundTripper
	var since map[string]time.Time
	return measuretest.Fault{
		Name: name, Want: want, Item: measure.Item{Target: "google", Problem: string(p)},
		Break: func(testing.TB) {
			w.google.mu.Lock()
			defer w.google.mu.Unlock()
			was, transport, since = maps.Clone(w.google.logs), w.workspaces.http, maps.Clone(w.workspaces.since)
			brk(w.google)
		},
		Mend: func(testing.TB) {
			g := w.google
			g.mu.Lock()
			defer g.mu.Unlock()
			g.logs, g.customer, g.records = was, customer, true
			g.tokenError, g.apiStatus, g.apiReason, g.fails, g.retryAfter, g.denied, g.skew = "", 0, "", 0, "", "", 0
			w.workspaces.http, w.workspaces.since = transport, since
			_, text := serviceAccount()
			w.t.Setenv("WORKSPACE_TEST_KEY", text)
		},
	}
}

func (w *world) faults() Set[[]measuretest.Fault] {
	api := func(status int, reason string) func(*google) {
		return func(g *google) { g.apiStatus, g.apiReason, g.fails = status, reason, -1 }
	}
	tokens := func(code string) func(*google) { return func(g *google) { g.tokenError, g.fails = code, -1 } }
	key := func(with func(string) string) func(*google) {
		return func(*google) {
			_, text := serviceAccount()
			w.t.Setenv("WORKSPACE_TEST_KEY", with(text))
		}
	}
	nothing := func(g *google) { g.records, g.logs["token"] = false, g.logs["token"][len(g.logs["token"])-2:] }
	unrecorded := func(g *google) {
		nothing(g)
		g.logs["token"] = []activity{{time.Now(), customer, "activity", "another-client"}}
	}
	return Set[[]measuretest.Fault]{[]measuretest.Fault{
		w.fault("the key is no key", BadCredentials, key(func(string) string { return "{}" })),
		w.fault("the key is cut off", BadCredentials, key(func(s string) string { return strings.Replace(s, "-----END", "-----", 1) })),
		w.fault("the key was deleted at Google", BadCredentials, tokens("invalid_grant")),
		w.fault("tokens are refused", BadCredentials, api(http.StatusUnauthorized, "authError")),
		w.fault("no delegation", NotDelegated, tokens("unauthorized_client")),
		w.fault("no privilege", Denied, api(http.StatusForbidden, "forbidden")),
		w.fault("one log is kept back", Denied, func(g *google) { g.denied = "login" }),
		w.fault("too many requests", Throttled, api(http.StatusTooManyRequests, "rateLimitExceeded")),
		w.fault("the quota is used up", Throttled, api(http.StatusForbidden, "quotaExceeded")),
		w.fault("too many tokens", Throttled, tokens("rate_limit_exceeded")),
		w.fault("Google is down", Unreachable, api(http.StatusServiceUnavailable, "backendError")),
		w.fault("no tokens are given", Unreachable, tokens("internal_failure")),
		w.fault("a redirect to somewhere else", Unreachable, api(http.StatusFound, "moved")),
		w.fault("our clock is two minutes late", Clock, func(g *google) { g.skew = 2 * time.Minute }),
		w.fault("an entry of the future", Clock, func(g *google) {
			g.logs["login"] = []activity{{time.Now().Add(time.Hour), customer, "login_success", ""}}
		}),
		w.fault("the first visit is not recorded yet", Waiting, func(g *google) {
			unrecorded(g)
			clear(w.workspaces.since)
		}),
		w.fault("the check itself fails", CheckBroken, func(*google) { w.workspaces.http = panicking{} }),
		w.fault("another customer answers", Foreign, func(g *google) {
			g.logs["login"] = []activity{{time.Now(), "C0decoy00", "login_success", ""}}
		}),
		w.fault("another customer answers, with our client", Foreign, func(g *google) {
			g.logs["token"] = []activity{{time.Now(), "C0decoy00", "activity", clientID}}
			g.customer = "C0decoy00"
		}),
		w.fault("nothing new in a log", Stale, func(g *google) { g.logs["login"] = g.logs["login"][1:] }),
		w.fault("a log is empty", Silent, func(g *google) { g.logs["admin"] = nil }),
		w.fault("what the check does is not recorded", Lost, func(g *google) {
			unrecorded(g)
			for at := range w.workspaces.since {
				w.workspaces.since[at] = time.Now().Add(-7 * time.Hour)
			}
		}),
		w.fault("the newest entry of our own is too old", Lost, func(g *google) {
			nothing(g)
			g.logs["token"] = []activity{{time.Now().Add(-7 * time.Hour), customer, "activity", clientID}}
			for at := range w.workspaces.since {
				w.workspaces.since[at] = time.Now().Add(-7 * time.Hour)
			}
		}),
	}}
}

type panicking struct{}

func (panicking) RoundTrip(*http.Request) (*http.Response, error) { panic("a fault of ours") }

func TestFaults(t *testing.T) {
	w := newWorld(t)
	for i, check := range w.workspaces.Checks().All() {
		t.Run(check.ID, func(t *testing.T) {
			w.t = t
			measuretest.Run(t, measuretest.Subject{Check: check, Estate: w.estate, Faults: w.faults().All()[i]})
		})
	}
}

func TestEveryProblemHasAFault(t *testing.T) {
	shown := map[string]bool{}
	for _, faults := range newWorld(t).faults().All() {
		for _, f := range faults {
			shown[f.Item.Problem] = true
		}
	}
	for _, p := range Problems() {
		if !shown[string(p)] {
			t.Errorf("no fault brings about %s", p)
		}
	}
}

func TestWords(t *testing.T) {
	measuretest.Words(t, Messages(), Problems(), New().Checks().All()...)
	measuretest.Listed(t, Problems())
}

// TestFacts: ages are told in hours, so that equal findings stay equal; the kept time is Google's word.
func TestFacts(t *testing.T) {
	w := newWorld(t)
	f := w.look()
	if f.Outcome != measure.Pass {
		t.Fatalf("%s %+v", f.Outcome, f.Failed)
	}
	if age := f.Facts[FactAge].Duration; age != 5*24*time.Hour+step || f.Facts[FactKept].Duration != Kept || !slices.Equal(f.Facts[FactLogs].List, []string{"admin", "login", "token"}) {
		t.Errorf("facts: %+v", f.Facts)
	}
	if w.google.granted != 1 {
		t.Errorf("%d tokens for one look", w.google.granted)
	}
	w.look()
	if w.google.granted != 2 { // each look is a visit that Google records
		t.Errorf("%d tokens for two looks", w.google.granted)
	}
}

// TestPages: a page without entries is not the end.
func TestPages(t *testing.T) {
	w := newWorld(t)
	w.google.emptyFirst = true
	if f := w.look(); f.Outcome != measure.Pass {
		t.Errorf("%s %+v", f.Outcome, f.Failed)
	}
}

// TestRetries: what Google asks to be patient with is asked again, after the time that it says, and never for longer than makes sense.
func TestRetries(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		after  string
		fails  int
		want   measure.Outcome
		waits  []time.Duration
	}{
		"backed off":           {http.StatusServiceUnavailable, "", 2, measure.Pass, []time.Duration{time.Second, 2 * time.Second}},
		"told how long":        {http.StatusTooManyRequests, "7", 1, measure.Pass, []time.Duration{7 * time.Second}},
		"told to come in time": {http.StatusTooManyRequests, "3600", 1, measure.Error, nil},
		"told a day gone by":   {http.StatusTooManyRequests, "Fri, 02 Jan 2026 03:04:05 GMT", 1, measure.Pass, []time.Duration{0}},
		"refused for good":     {http.StatusForbidden, "", 1, measure.Error, nil},
	} {
		w := newWorld(t)
		w.google.apiStatus, w.google.apiReason, w.google.retryAfter, w.google.fails = c.status, "forbidden", c.after, c.fails
		if f := w.look(); f.Outcome != c.want || !slices.Equal(w.waited, c.waits) {
			t.Errorf("%s: %s %+v, waited %v", name, f.Outcome, f.Failed, w.waited)
		}
	}
}

// TestNothingPersonal: of what Google answers, and of the key, nothing that names somebody is in a finding.
func TestNothingPersonal(t *testing.T) {
	w := newWorld(t)
	for _, f := range w.faults().Workspace {
		f.Break(t)
		found := w.look()
		f.Mend(t)
		for _, i := range found.Failed {
			if text := i.Expected + i.Actual; strings.Contains(text, admin) || strings.Contains(text, email) || strings.Contains(text, "PRIVATE") || strings.Contains(text, "ya29") {
				t.Errorf("%s: %+v", f.Name, i)
			}
		}
		if bytes.Contains(found.Raw, []byte(admin)) {
			t.Errorf("%s: %s", f.Name, found.Raw)
		}
	}
}
