package endpoint

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/garant-project/garant/internal/engine/endpoint/tlsscan"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
)

// Deps is what the engine needs from outside. The zero value looks over the machine's network
// with the usual bounds.
type Deps struct {
	Dial       tlsscan.Dialer // nil: the machine's network
	Target     time.Duration  // longest time spent on one target; 0: 8 s
	Connection time.Duration  // longest time spent on one connection; 0: 3 s
}

// New returns the engine.
func New(deps Deps) measure.Engine {
	return measure.Engine{Name: "endpoint", Checks: Checks(deps).All(), Messages: Messages(), Parameters: parameters}
}

// The bounds of a run. The kernel replaces Every by the policy's.
const (
	every             = time.Minute
	valid             = 5 * time.Minute
	timeout           = 30 * time.Second
	targetTimeout     = 8 * time.Second
	connectionTimeout = 3 * time.Second
	atOnce            = 8        // targets looked at together
	maxRaw            = 64 << 10 // bytes of Finding.Raw
	maxActual         = 160      // bytes of what a stranger's words take in an item
)

// prober looks at targets within the bounds of Deps.
type prober struct {
	dial       tlsscan.Dialer
	target     time.Duration
	connection time.Duration
}

func newProber(d Deps) *prober {
	p := &prober{dial: d.Dial, target: cmp.Or(d.Target, targetTimeout), connection: cmp.Or(d.Connection, connectionTimeout)}
	if p.dial == nil {
		p.dial = (&net.Dialer{}).DialContext
	}
	return p
}

// look is what one probe of one target saw.
type look struct {
	items    []problemItem
	raw      any               // JSON of what was observed; no time of day, no duration
	versions []tlsscan.Version // accepted
	suites   []tlsscan.Suite   // accepted in TLS 1.2
	maxAge   time.Duration     // of a valid HSTS header
	expiry   time.Time         // of the served chain
	issuer   string            // organisation that issued the certificate
}

// problemItem is one thing that is wrong, or that could not be seen.
type problemItem struct {
	problem          Problem
	expected, actual string
}

func (l *look) add(p Problem, expected, actual string) {
	l.items = append(l.items, problemItem{problem: p, expected: expected, actual: clean(actual)})
}

// run looks at every target at once, at most atOnce at a time and each within its own time,
// and joins what was seen into one finding. A target that fails makes the finding Fail, else
// one that could not be seen makes it Error; only a whole scope, seen and right, passes.
func (p *prober) run(ctx context.Context, in measure.In, targets []*estate.Endpoint,
	probe func(context.Context, *estate.Endpoint, time.Time) *look, facts func([]*look) map[string]measure.Fact) measure.Finding {
	if len(targets) == 0 {
		return measure.Finding{Outcome: measure.NotApplicable}
	}
	looks := make([]*look, len(targets))
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i, e := range targets {
		wg.Go(func() {
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
			case <-ctx.Done():
				looks[i] = &look{}
				looks[i].add(Unreachable, "an answer", "no time was left to look")
				return
			}
			looks[i] = p.guarded(ctx, e, in.Now, probe)
		})
	}
	wg.Wait()
	return join(targets, looks, facts)
}

// guarded runs one probe within the time of one target. A panic, which only a fault of ours or
// of a parser we use can cause, blinds this target and no other.
func (p *prober) guarded(ctx context.Context, e *estate.Endpoint, now time.Time,
	probe func(context.Context, *estate.Endpoint, time.Time) *look) (l *look) {
	ctx, cancel := context.WithTimeout(ctx, p.target)
	defer cancel()
	defer func() {
		if recover() != nil {
			l = &look{}
			l.add(CheckBroken, "an observation", "the check itself failed")
		}
	}()
	return probe(ctx, e, now)
}

func join(targets []*estate.Endpoint, looks []*look, facts func([]*look) map[string]measure.Fact) measure.Finding {
	f := measure.Finding{Outcome: measure.Pass}
	raw := map[string]any{}
	var examined []*look
	for i, e := range targets {
		l := looks[i]
		raw[e.Name] = l.raw
		if measure.Look(&f, e.Name, l.items, func(i problemItem) bool { return i.problem.Blind() }) {
			examined = append(examined, l)
		}
		for _, it := range l.items {
			f.Failed = append(f.Failed, measure.Item{Target: e.Name, Problem: string(it.problem), Expected: it.expected, Actual: it.actual})
		}
	}
	slices.Sort(f.Scope)
	slices.SortStableFunc(f.Failed, func(a, b measure.Item) int {
		return cmp.Or(strings.Compare(a.Target, b.Target), strings.Compare(a.Problem, b.Problem))
	})
	if len(examined) > 0 {
		f.Facts = facts(examined)
	}
	f.Raw = encodeRaw(raw, f.Failed)
	return f
}

// encodeRaw writes the observations within maxRaw. If they are too many it keeps those of the
// targets with a problem, as many as fit, and the digest of the whole, by which two runs that
// saw the same are still seen to be equal.
func encodeRaw(raw map[string]any, failed []measure.Item) json.RawMessage {
	whole, err := json.Marshal(raw)
	if err != nil {
		return nil
	}
	if len(whole) <= maxRaw {
		return whole
	}
	sum := sha256.Sum256(whole)
	kept := map[string]any{}
	short := struct {
		Digest  string         `json:"sha256"`
		Targets int            `json:"targets"`
		Kept    map[string]any `json:"kept"`
	}{"sha256:" + hex.EncodeToString(sum[:]), len(raw), kept}
	size := 256
	for _, item := range failed {
		if _, done := kept[item.Target]; done {
			continue
		}
		one, err := json.Marshal(map[string]any{item.Target: raw[item.Target]})
		if err != nil || size+len(one) > maxRaw {
			continue
		}
		size += len(one)
		kept[item.Target] = raw[item.Target]
	}
	b, err := json.Marshal(short)
	if err != nil {
		return nil
	}
	return b
}

// plainAddress is where plain HTTP would answer.
func plainAddress(e *estate.Endpoint) string {
	if e.PlainHTTP != "" {
		return e.PlainHTTP
	}
	return net.JoinHostPort(e.Host, "80")
}

// clean makes words of others fit to be shown.
func clean(s string) string { return measure.Shown(s, maxActual) }
