package auditlog

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
)

// Scope is what the checks of the record examine.
const Scope = "record"

// Set holds one T for each check of this package. Its literals are written without keys, so that a
// new check does not compile until it has a T everywhere one is due, fault injections included.
type Set[T any] struct {
	Written   T
	Sequenced T
	Intact    T
	Copied    T
	SignIns   T
}

// All returns the set's members in the order of its fields.
func (s Set[T]) All() []T { return []T{s.Written, s.Sequenced, s.Intact, s.Copied, s.SignIns} }

// The bounds of the checks.
const (
	every     = time.Minute
	valid     = 10 * time.Minute
	timeout   = 20 * time.Second
	signedIn  = 30 * 24 * time.Hour // of which sign-ins are looked for
	mayWait   = 30 * time.Second    // an entry, before it is in a tree
	mayRest   = 3 * time.Minute     // the order, in which a line of time is added each minute
	mostItems = 12
	longItem  = 300

	allEvery   = 10 * time.Minute // between looks at everything: 200,000 entries take about a second
	allValid   = 12 * time.Hour
	allTimeout = 10 * time.Minute
	newest     = 2000 // entries that every look at the order makes again
	others     = 500
)

// Checks returns the checks of the record itself.
func (l *Log) Checks() Set[measure.Check] {
	check := func(id string, judge func(context.Context, *look) error, facts []string, proves ...string) measure.Check {
		for i, f := range facts {
			facts[i] = id + "." + f
		}
		return measure.Check{
			ID: id, Measures: proves, Every: every, Valid: valid, Timeout: timeout, Self: true, Facts: facts, Scope: scope,
			Run: func(ctx context.Context, in measure.In) measure.Finding {
				return run(ctx, in, id, scope(in.Estate), judge)
			},
		}
	}
	atLeisure := func(c measure.Check) measure.Check {
		c.Every, c.Valid, c.Timeout, c.OwnPace = allEvery, allValid, allTimeout, true
		return c
	}
	elsewhere := func(c measure.Check) measure.Check {
		judge := l.lookAtCopied
		c.Scope, c.Timeout, c.Self = copyScope, time.Minute, false
		c.Run = func(ctx context.Context, in measure.In) measure.Finding {
			return run(ctx, in, c.ID, copyScope(in.Estate), judge)
		}
		return c
	}
	return Set[measure.Check]{
		check("auditlog.written", l.lookAtWritten, nil, "LOG-1", "LOG-7", "ACC-6"),
		check("auditlog.sequenced", l.lookAtSequenced, []string{"leaves"}, "LOG-1", "ACC-6"),
		atLeisure(check("auditlog.intact", l.lookAtIntact, nil, "LOG-1", "ACC-6")),
		elsewhere(check("auditlog.copied", l.lookAtCopied, []string{"kept"}, "ACC-6")),
		check("auditlog.sign_ins", l.lookAtSignIns, []string{"counted"}, "LOG-7"),
	}
}

func scope(e *estate.Estate) []string {
	if e == nil || e.Company.Name == "" {
		return nil
	}
	return []string{Scope}
}

// look is at the record.
type look struct {
	target string
	estate *estate.Estate
	now    time.Time
	items  []measure.Item
	raw    map[string]any
	facts  map[string]measure.Fact
}

func (l *look) add(p Problem, expected, actual string) {
	if len(l.items) < mostItems {
		l.items = append(l.items, measure.Item{Target: l.target, Problem: string(p), Expected: expected, Actual: measure.Shown(actual, longItem)})
	}
}

// addError adds a problem of which an error tells more.
func (l *look) addError(p Problem, expected string, err error) {
	before := len(l.items)
	if l.add(p, expected, sentence(err)); len(l.items) > before {
		l.items[before].Said = errID(err)
	}
}

func run(ctx context.Context, in measure.In, id string, targets []string, judge func(context.Context, *look) error) measure.Finding {
	if len(targets) == 0 {
		return measure.Finding{Outcome: measure.NotApplicable}
	}
	l := &look{target: targets[0], estate: in.Estate, now: in.Now, raw: map[string]any{}, facts: map[string]measure.Fact{}}
	if err := judge(ctx, l); err != nil {
		l.items = nil
		l.add(Unknown, "an answer", "Garant’s own database does not answer")
	}
	f := measure.Finding{Outcome: measure.Pass}
	if measure.Look(&f, l.target, l.items, func(i measure.Item) bool { return Problem(i.Problem).Blind() }) && f.Outcome == measure.Pass {
		f.Facts = map[string]measure.Fact{}
		for name, v := range l.facts {
			f.Facts[id+"."+name] = v
		}
	}
	f.Failed = l.items
	f.Raw, _ = json.Marshal(l.raw) // texts and numbers: cannot fail
	return f
}

// lookAtWritten sees who may do what to the record, and that nothing stands in its way.
func (l *Log) lookAtWritten(ctx context.Context, k *look) error {
	list, err := unsettled(ctx, l.DB.Pool(pg.Worker))
	if err != nil {
		return err
	}
	problems := map[string]Problem{"granted": Granted, "trigger": Trigger, "rule": Rule, "policy": Policy, "owner": OtherHand, "detached": Detached, "replaced": Replaced, "member": Member}
	for _, u := range list {
		k.add(problems[u.what], "none", u.actual)
	}
	k.raw["unsettled"] = len(list)
	return nil
}

// lookAtSequenced sees that entries come into their trees, and that what does so fits together.
func (l *Log) lookAtSequenced(ctx context.Context, k *look) error {
	pool := l.DB.Pool(pg.Worker)
	h, err := sequence.Look(ctx, pool, l.Box)
	if errs.Is(err, errs.NotFound) {
		k.add(NeverOrdered, "entries in order", "none ever was")
		return nil
	}
	if err != nil {
		return err
	}
	k.raw["generation"], k.raw["key"] = h.Generation, h.Key
	if still := k.now.Sub(h.At); still > mayRest {
		k.add(Stopped, "a line each minute", "none for "+still.Truncate(time.Second).String())
	}
	if h.Oldest > mayWait {
		waits := fmt.Sprintf("%d entries, the oldest for %s", h.Waiting, h.Oldest.Truncate(time.Second))
		if len(h.Horizon) > 0 {
			b := h.Horizon[0]
			who := fmt.Sprintf("%s in database %s, process %d", b.Role, b.Database, b.PID)
			if b.PID == 0 {
				who = fmt.Sprintf("the prepared transaction %q of %s in database %s", b.Prepared, b.Role, b.Database)
			}
			k.add(HeldUp, "no transaction that writes for longer than "+mayWait.String(), who+"; "+waits)
		} else {
			k.add(Behind, "at most "+mayWait.String(), waits)
		}
	}
	list, err := unanswered(ctx, pool, l.Box, mostItems)
	if err != nil {
		return err
	}
	for _, a := range list {
		k.add(DoesNotFit, "every entry as its writer signed it, once", a.Kind+": "+a.About)
	}
	looked, changed, err := sequence.Recheck(ctx, pool, l.Box, newest, others)
	if err != nil {
		return err
	}
	for _, c := range changed {
		what := "is another than the one that was signed"
		if c.Gone {
			what = "is gone"
		}
		k.add(Changed, "entries as they were signed", fmt.Sprintf("entry %d %s", c.Entry, what))
	}
	k.raw["looked"] = looked > 0
	k.facts["leaves"] = measure.Count(int(h.Leaves))
	return nil
}

// lookAtSignIns holds the sessions of staff against the entries that tell of them.
func (l *Log) lookAtSignIns(ctx context.Context, k *look) error {
	all, silent, err := signIns(ctx, l.DB.Pool(pg.Staff), k.now.Add(-signedIn), mostItems)
	if err != nil {
		return err
	}
	for _, id := range silent {
		k.add(NotRecorded, "an entry of each sign-in", "none of session "+id)
	}
	k.facts["counted"] = measure.Count(all)
	return nil
}
