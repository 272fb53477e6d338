package anonymise

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/garant-project/garant/internal/engine/anonymise/run"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
)

// Set holds one T for each check of this engine. Its literals are written without keys, so that a
// new check does not compile until it has a T everywhere one is due, fault injections included.
type Set[T any] struct {
	Copied     T
	Available  T
	Unattended T
	Persons    T
	Classes    T
}

// All returns the set's members in the order of its fields.
func (s Set[T]) All() []T { return []T{s.Copied, s.Available, s.Unattended, s.Persons, s.Classes} }

// The bounds of a check. The kernel replaces every by the policy's, but for the two that ask something of the source: one reads
// samples, the other leaves a refused sign-in in its log.
const (
	every     = time.Minute
	valid     = 5 * time.Minute
	perOne    = 30 * time.Second // of one database
	ownEvery  = 10 * time.Minute
	ownValid  = time.Hour
	readFor   = 5 * time.Minute // of one source
	atOnce    = 4
	tries     = 3 // when the cluster for copies breaks off
	tryAgain  = 200 * time.Millisecond
	mostItems = 12  // of one problem
	longItem  = 300 // bytes of what an item says
)

// Checks returns the checks of this engine.
func (a *Anonymise) Checks() Set[measure.Check] {
	check := func(id, proves string, within time.Duration, judge func(context.Context, *look), sum func([]*look) map[string]measure.Fact, facts ...string) measure.Check {
		for i, f := range facts {
			facts[i] = id + "." + f
		}
		return measure.Check{
			ID: id, Measures: []string{proves}, Every: every, Valid: valid, Timeout: 2 * within, Scope: scope, Facts: facts,
			Run: func(ctx context.Context, in measure.In) measure.Finding {
				return a.each(ctx, in, id, within, judge, sum)
			},
		}
	}
	atLeisure := func(c measure.Check) measure.Check {
		c.Every, c.Valid, c.OwnPace = ownEvery, ownValid, true
		return c
	}
	return Set[measure.Check]{
		check("anonymise.copied", "SEG-6", perOne, a.lookAtCopied, sumCopied, "anonymised", "examined", "oldest"),
		atLeisure(check("anonymise.available", "SEG-7", perOne, a.lookAtAvailable, sumAvailable, "anonymised", "roles", "tables")),
		check("anonymise.unattended", "SEG-8", perOne, a.lookAtUnattended, sumUnattended, "anonymised", "published"),
		check("anonymise.persons", "ANO-1", perOne, a.lookAtPersons, sumPersons, "scanned", "canaries", "smallest"),
		// The sentence of CLS-1 is about more than copies, and must read well where there are none: no figure.
		atLeisure(check("anonymise.classes", "CLS-1", readFor, a.lookAtClasses, nil)),
	}
}

func scope(e *estate.Estate) []string {
	var names []string
	for _, d := range e.WithCopies() {
		names = append(names, d.Name)
	}
	return names
}

// look is at one database and its copies.
type look struct {
	d     *estate.Database
	now   time.Time
	items []measure.Item
	raw   map[string]any // what was observed, without times of day

	served     *run.Copied
	made       *Run // that made what is served, with its report; nil: none that is known
	anonymised bool // what is served may be called so
	count      map[string]int
}

func (l *look) add(p Problem, expected, actual string) {
	l.items = append(l.items, measure.Item{Target: l.d.Name, Problem: string(p), Expected: measure.Shown(expected, longItem), Actual: measure.Shown(actual, longItem)})
}

// several adds an item for each of what was seen, up to a number that can be read.
func several[T any](l *look, p Problem, expected string, list []T, actual func(T) string) {
	for i, one := range list {
		if i == mostItems {
			l.add(p, expected, fmt.Sprintf("and %d more", len(list)-i))
			return
		}
		l.add(p, expected, actual(one))
	}
}

func (l *look) blind() bool {
	return slices.ContainsFunc(l.items, func(i measure.Item) bool { return Problem(i.Problem).Blind() })
}

// lost reports whether the cluster for copies broke off, as it does for a moment when a copy is given its name and the sessions at the one before are ended.
func (l *look) lost() bool {
	return slices.ContainsFunc(l.items, func(i measure.Item) bool { return i.Problem == string(Unreachable) })
}

// each looks at every database of which copies are made, a few at a time.
func (a *Anonymise) each(ctx context.Context, in measure.In, id string, within time.Duration, judge func(context.Context, *look), sum func([]*look) map[string]measure.Fact) measure.Finding {
	list := in.Estate.WithCopies()
	if len(list) == 0 {
		return measure.Finding{Outcome: measure.NotApplicable}
	}
	looks := make([]*look, len(list))
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i, d := range list {
		looks[i] = &look{d: d, now: in.Now, raw: map[string]any{}, count: map[string]int{}}
		wg.Go(func() {
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
			case <-ctx.Done():
				looks[i].add(Unreachable, "an answer", "no time was left to look")
				return
			}
			ctx, cancel := context.WithTimeout(ctx, within)
			defer cancel()
			defer func() {
				if recover() != nil { // only a fault of ours can cause it: it blinds this database and no other
					looks[i].items = nil
					looks[i].add(CheckBroken, "an observation", "the check itself failed")
				}
			}()
			for try := range tries {
				if try > 0 {
					time.Sleep(tryAgain)
					looks[i] = &look{d: d, now: in.Now, raw: map[string]any{}, count: map[string]int{}}
				}
				if judge(ctx, looks[i]); !looks[i].lost() || ctx.Err() != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	f := measure.Finding{Outcome: measure.Pass}
	raw := map[string]any{}
	var seen []*look
	for _, l := range looks {
		if measure.Look(&f, l.d.Name, l.items, func(i measure.Item) bool { return Problem(i.Problem).Blind() }) {
			seen = append(seen, l)
		}
		raw[l.d.Name] = l.raw
		f.Failed = append(f.Failed, l.items...)
	}
	if sum != nil && len(seen) == len(looks) {
		f.Facts = map[string]measure.Fact{}
		for name, fact := range sum(seen) {
			f.Facts[id+"."+name] = fact
		}
	}
	f.Raw, _ = json.Marshal(raw) // of names and numbers: cannot fail
	return f
}

// arrive reaches the cluster for copies and finds out what is served there, by which run of ours. It reports whether there is
// something to be looked at; what keeps from it was added.
func (a *Anonymise) arrive(ctx context.Context, l *look) (copies []run.Copied, ok bool) {
	c := l.d.Anonymised
	target, err := c.Target.Reveal()
	if err != nil {
		l.add(BadAddress, "an address", "that of the target cannot be read")
		return nil, false
	}
	conn, err := connect(ctx, target, "")
	if err != nil {
		l.add(Unreachable, "an answer", "none of the cluster for copies"+state(err))
		return nil, false
	}
	defer hangUp(ctx, conn)
	var system string
	if err := conn.QueryRow(ctx, `SELECT system_identifier::text FROM pg_control_system()`).Scan(&system); err != nil {
		l.add(Unreachable, "an answer", "none of the cluster for copies"+state(err))
		return nil, false
	}
	if system != c.System {
		l.add(Impostor, c.System, system+" at the address of the target")
		return nil, false
	}
	if system == l.d.System {
		l.add(SameCluster, "a cluster of its own", "that of "+l.d.Name)
	}
	if copies, err = run.List(ctx, target, c.Name); err != nil {
		l.add(Unreachable, "the copies", "no list of them"+state(err))
		return nil, false
	}
	i := slices.IndexFunc(copies, func(c run.Copied) bool { return c.State == run.Served })
	if i < 0 {
		return copies, true
	}
	l.served = &copies[i]
	if l.made, err = a.maker(ctx, l.d, l.served); err != nil {
		l.add(Unknown, "the runs", "Garant’s own database does not answer")
		return nil, false
	}
	l.anonymised = l.made != nil && len(findable(l.d, l.made)) == 0
	return copies, true
}

// maker is the run that made a copy, when the copy bears its proof; nil: there is none.
func (a *Anonymise) maker(ctx context.Context, d *estate.Database, c *run.Copied) (*Run, error) {
	if c.Run == "" || c.Proof == "" {
		return nil, nil
	}
	r, err := runNamed(ctx, a.DB.Pool(pg.Checker), d.Name, c.Run)
	if err != nil || r == nil || r.Proof != c.Proof {
		return nil, err
	}
	return r, nil
}

// missing adds that nothing is served, or nothing that a run of ours made, and reports it.
func (l *look) missing() bool {
	switch {
	case l.served == nil:
		l.add(NoCopy, l.d.Anonymised.Name, "no database of this name")
	case l.made == nil:
		l.add(Foreign, "a copy that a run of Garant made", l.served.Database+": "+unknownRun(l.served))
	default:
		return false
	}
	return true
}

func unknownRun(c *run.Copied) string {
	if c.Run == "" {
		return "made by no run"
	}
	return "run " + c.Run + " is not known, or proved something else"
}

// lookAtCopied sees that copies are taken as agreed (SEG-6): the latest attempt was not stopped by what the plan does not know or by a
// proof that failed, and what is served is ours and young enough.
func (a *Anonymise) lookAtCopied(ctx context.Context, l *look) {
	last, err := lastRun(ctx, a.DB.Pool(pg.Checker), l.d.Name, Published, Stopped, Unproven)
	if err != nil {
		l.add(Unknown, "the runs", "Garant’s own database does not answer")
		return
	}
	if last != nil && last.Outcome != Published {
		if last, err = runOf(ctx, a.DB.Pool(pg.Checker), last.ID); err != nil || last == nil {
			l.add(Unknown, "the runs", "Garant’s own database does not answer")
			return
		}
		l.stopped(last)
	}
	if _, ok := a.arrive(ctx, l); ok && !l.missing() {
		l.raw["run"], l.raw["anonymised"] = l.served.Run, l.anonymised
		if l.now.Sub(l.began()) > l.d.Anonymised.MaxAge {
			l.add(OldCopy, "at most "+estate.FormatDuration(l.d.Anonymised.MaxAge), "older, from run "+l.served.Run)
		}
	}
	if len(l.items) == 0 {
		return
	}
	if _, pending, err := a.copied(ctx, l.d.Name); err == nil && pending { // what stopped a run may be mended, and this keeps the next from beginning
		l.add(PlanWaits, "a second person’s word", "none yet on the changed plan or place")
	}
}

// began is the moment of which the data are: as Garant knows it, whatever the database says of itself.
func (l *look) began() time.Time {
	if l.made == nil || l.made.SnapshotAt == nil {
		return time.Time{}
	}
	return *l.made.SnapshotAt
}

// stopped says what kept a run from publishing.
func (l *look) stopped(r *Run) {
	l.raw["stopped"] = string(r.Outcome)
	report := r.Report
	if report == nil {
		report = &run.Report{}
	}
	switch {
	case r.Outcome == Stopped && len(report.Questions) > 0:
		for i, q := range report.Questions {
			if i == mostItems {
				l.add(NotUnderstood, "a plan that knows it", fmt.Sprintf("and %d more", len(report.Questions)-i))
				break
			}
			l.add(NotUnderstood, oneLine(q.YAML), joined(questioned(q), q.Text))
		}
	case r.Outcome == Stopped:
		l.add(StoppedRun, "a copy", r.Said)
	default:
		var hits []string
		var persons []string
		if report.Leaks != nil {
			for _, h := range report.Leaks.Hits {
				hits = append(hits, joined(leakedAt(h.Table, h.Column, h.Path, h.Encoding), fmt.Sprintf("%d of kind %s", h.Count, h.Kind)))
			}
		}
		for _, m := range report.Persons {
			for _, p := range m.Problems {
				persons = append(persons, m.Table+": "+p)
			}
		}
		several(l, Leaked, "no value of production", hits, func(s string) string { return s })
		several(l, Recognisable, "within the thresholds of the plan", persons, func(s string) string { return s })
		if len(hits)+len(persons) == 0 {
			l.add(NotProven, "every proof", r.Said)
		}
	}
}

func questioned(q run.Question) string { return leakedAt(q.Table, q.Column, q.Path, "") }

// leakedAt names a place in a table.
func leakedAt(table, column, path, encoding string) string {
	s := table
	if column != "" {
		s += "." + column
	}
	if path != "" {
		s += " " + path
	}
	if encoding != "" {
		s += " (" + encoding + ")"
	}
	return s
}

func joined(where, what string) string { return where + ": " + what }

// oneLine writes lines of a plan in one.
func oneLine(yaml string) string {
	if yaml == "" {
		return "a plan that fits"
	}
	return strings.Join(strings.Fields(yaml), " ")
}

func sumCopied(looks []*look) map[string]measure.Fact {
	facts := map[string]measure.Fact{"examined": measure.Count(len(looks)), "anonymised": measure.Proven(allAnonymised(looks))}
	var oldest time.Time
	for _, l := range looks {
		began := l.began()
		if began.IsZero() {
			return facts
		}
		if oldest.IsZero() || began.Before(oldest) {
			oldest = began
		}
	}
	facts["oldest"] = measure.At(oldest)
	return facts
}

func allAnonymised(looks []*look) bool {
	return !slices.ContainsFunc(looks, func(l *look) bool { return !l.anonymised })
}

// lookAtUnattended sees that the schedule made and served every copy that is there (SEG-8).
func (a *Anonymise) lookAtUnattended(ctx context.Context, l *look) {
	copies, ok := a.arrive(ctx, l)
	if !ok {
		return
	}
	if l.served == nil {
		l.missing()
		return
	}
	last, err := lastRun(ctx, a.DB.Pool(pg.Checker), l.d.Name, Published)
	if err != nil {
		l.add(Unknown, "the runs", "Garant’s own database does not answer")
		return
	}
	for i := range copies {
		c := &copies[i]
		if c.State != run.Served && c.State != run.Previous {
			continue
		}
		made, err := a.maker(ctx, l.d, c)
		if err != nil {
			l.add(Unknown, "the runs", "Garant’s own database does not answer")
			return
		}
		switch {
		case made == nil:
			l.add(ByHand, "a run of the schedule", joined(c.Database, unknownRun(c)))
		case c.Origin != run.OriginSchedule || made.Origin != run.OriginSchedule:
			l.add(ByHand, "a run of the schedule", c.Database+": started by "+c.Origin)
		case made.Report == nil || made.Report.Plan != c.PlanDigest:
			l.add(ByHand, "the plan that the run was given", c.Database+": another plan")
		case c.Published.IsZero():
			l.add(Renamed, "a name that the run gave", c.Database+": the run did not publish it")
		case c.State == run.Served && c.Returned.IsZero() && made.Outcome == Published && last != nil && last.ID != made.ID:
			l.add(Renamed, "the copy of run "+last.Run, c.Database+": that of run "+c.Run)
		}
		l.raw[c.Database] = c.Run
	}
	if l.count["published"], err = publications(ctx, a.DB.Pool(pg.Checker), l.d.Name); err != nil {
		l.add(Unknown, "the runs", "Garant’s own database does not answer")
	}
}

func sumUnattended(looks []*look) map[string]measure.Fact {
	n := 0
	for _, l := range looks {
		n += l.count["published"]
	}
	return map[string]measure.Fact{"published": measure.Count(n), "anonymised": measure.Proven(allAnonymised(looks))}
}

// state says with what a database refused, for items.
func state(err error) string {
	if code := pg.SQLState(err); code != "" {
		return " (" + code + ")"
	}
	return ""
}
