package workspace

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
)

// The bounds of a run.
const (
	every   = 15 * time.Minute
	valid   = 2 * time.Hour
	timeout = 4 * time.Minute
	perOne  = 3 * time.Minute // of one workspace

	future = 5 * time.Minute
	step   = time.Hour // in which ages are told

	// Kept is how long Google says that it keeps the logs of this check: six months (support.google.com/a/answer/7061566).
	Kept = 180 * 24 * time.Hour
)

// CheckID is the id of the check.
const CheckID = "auditlog.workspace"

// Facts are the names of what the check tells for sentences.
const (
	FactLogs = CheckID + ".logs"
	FactAge  = CheckID + ".age"
	FactKept = CheckID + ".kept"
)

// Set holds one T for each check. Its literals are written without keys, so that a new check does
// not compile until it has a T everywhere one is due, fault injections included.
type Set[T any] struct {
	Workspace T
}

// All returns the set's members in the order of its fields.
func (s Set[T]) All() []T { return []T{s.Workspace} }

// Workspaces looks at the workspaces of an estate. It remembers, in memory alone, since when it asks.
type Workspaces struct {
	http     http.RoundTripper
	tokenURL string
	endpoint string // of the Reports API; empty: Google's
	wait     func(context.Context, time.Duration) error

	mu    sync.Mutex
	since map[string]time.Time // first token that Google gave, by workspace and key
}

// New returns the check's state.
func New() *Workspaces {
	return &Workspaces{
		http: &http.Transport{
			Proxy: http.ProxyFromEnvironment, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 30 * time.Second, ForceAttemptHTTP2: true,
		},
		tokenURL: tokenURL, wait: pause, since: map[string]time.Time{},
	}
}

// Checks returns the check of this package.
func (w *Workspaces) Checks() Set[measure.Check] {
	return Set[measure.Check]{measure.Check{
		ID: CheckID, Measures: []string{"LOG-6"}, Every: every, Valid: valid, Timeout: timeout, OwnPace: true,
		Facts: []string{FactLogs, FactAge, FactKept},
		Scope: func(e *estate.Estate) []string {
			var names []string
			for _, one := range e.Workspaces {
				names = append(names, one.Name)
			}
			return names
		},
		Run: w.run,
	}}
}

func (w *Workspaces) run(ctx context.Context, in measure.In) measure.Finding {
	if len(in.Estate.Workspaces) == 0 {
		return measure.Finding{Outcome: measure.NotApplicable}
	}
	began := time.Now()
	f := measure.Finding{Outcome: measure.Pass}
	raw := map[string]any{}
	var logs []string
	var age time.Duration
	seen := 0
	for _, one := range in.Estate.Workspaces {
		l := &look{w: w, of: one, now: in.Now, since: func(t time.Time) time.Duration { return in.Now.Add(time.Since(began)).Sub(t) }}
		l.guarded(ctx)
		if measure.Look(&f, one.Name, l.items, func(i measure.Item) bool { return Problem(i.Problem).Blind() }) {
			seen++
			age = max(age, l.age)
			logs = append(logs, one.Names()...)
		}
		raw[one.Name] = map[string]any{"customer": one.Customer, "logs": one.Names()}
		f.Failed = append(f.Failed, l.items...)
	}
	if seen == len(in.Estate.Workspaces) {
		slices.Sort(logs)
		f.Facts = map[string]measure.Fact{
			FactLogs: measure.List(slices.Compact(logs)...), FactAge: measure.Span(max(step, (age + step - 1).Truncate(step))), FactKept: measure.Span(Kept),
		}
	}
	f.Raw, _ = json.Marshal(raw) // of names: cannot fail
	return f
}

// look is at one workspace.
type look struct {
	w     *Workspaces
	of    estate.Workspace
	now   time.Time
	since func(time.Time) time.Duration
	items []measure.Item
	age   time.Duration // greatest of the newest entries
}

func (l *look) add(p Problem, expected, actual string) {
	l.items = append(l.items, measure.Item{Target: l.of.Name, Problem: string(p), Expected: expected, Actual: measure.Shown(actual, 300)})
}

// guarded looks within its time. A panic, which only a fault of ours can cause, blinds this workspace and no other.
func (l *look) guarded(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, perOne)
	defer cancel()
	defer func() {
		if recover() != nil {
			l.items = nil
			l.add(CheckBroken, "an observation", "the check itself failed")
		}
	}()
	l.look(ctx)
}

func (l *look) look(ctx context.Context) {
	text, err := l.of.Key.Reveal()
	if err != nil {
		l.add(BadCredentials, "a key", "it cannot be read")
		return
	}
	key, err := parseKey(text)
	if err != nil {
		l.add(BadCredentials, "a key", errKey.Error())
		return
	}
	c, err := l.w.open(ctx, key, l.of.Admin, l.since)
	if err != nil {
		p, text := why(err)
		l.add(p, "a token", text)
		l.clock(c)
		return
	}
	first := l.first(key)
	for _, log := range l.of.Names() {
		limit := l.of.Applications[log]
		var ok bool
		if log == estate.TokenApplication {
			ok = l.canary(ctx, c, log, limit, first)
		} else {
			ok = l.fresh(ctx, c, log, limit)
		}
		if !ok {
			break
		}
	}
	l.clock(c)
}

func (l *look) clock(c *client) {
	if c.clock() > mostSkew {
		l.add(Clock, "at most "+mostSkew.String()+" apart", "the clocks are further apart")
	}
}

// first is when this process was first given a token for the key: before, it left nothing that Google could have recorded.
func (l *look) first(key serviceKey) time.Time {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	at := strings.Join([]string{l.of.Customer, l.of.Admin, key.ClientID}, "\x00")
	if t, ok := l.w.since[at]; ok && !t.After(l.now) {
		return t
	}
	l.w.since[at] = l.now
	return l.now
}

// fresh holds the newest entry of a log to its age. It reports whether going on makes sense.
func (l *look) fresh(ctx context.Context, c *client, log string, limit time.Duration) bool {
	e, ok, err := c.newest(ctx, log, l.of.Customer, l.now.Add(-limit))
	if err == nil && !ok {
		if e, ok, err = c.newest(ctx, log, l.of.Customer, time.Time{}); err == nil && !ok {
			l.add(Silent, "an entry of "+log, "none")
			return true
		}
	}
	if err != nil {
		return l.hidden(err, log)
	}
	return l.judge(e, log, limit)
}

// canary holds that Google recorded what this check did. Its own entries tell a log that lost something from one that nobody wrote.
func (l *look) canary(ctx context.Context, c *client, log string, limit time.Duration, first time.Time) bool {
	e, ok, err := c.own(ctx, log, l.of.Customer, l.now.Add(-limit))
	switch {
	case err != nil:
		return l.hidden(err, log)
	case ok:
		return l.judge(e, log, limit)
	case l.now.Sub(first) <= limit:
		l.add(Waiting, "an entry of this check in "+log, "none yet, within "+estate.FormatDuration(limit))
	default:
		l.add(Lost, "an entry of this check in "+log, "none for "+estate.FormatDuration(limit))
	}
	return true
}

func (l *look) judge(e entry, log string, limit time.Duration) bool {
	age := l.now.Sub(e.at)
	switch {
	case e.customer != l.of.Customer:
		l.add(Foreign, l.of.Customer, measure.Shown(e.customer, 40))
		return false
	case age < -future:
		l.add(Clock, "an entry of the past", "one of the future in "+log)
	case age > limit:
		l.add(Stale, log+" within "+estate.FormatDuration(limit), "the newest is of "+e.at.UTC().Format(time.RFC3339))
	default:
		l.age = max(l.age, age)
	}
	return true
}

// hidden says what an error means, and reports whether another log may still be seen.
func (l *look) hidden(err error, log string) bool {
	p, text := why(err)
	l.add(p, "the log "+log, text)
	return p == Denied
}
