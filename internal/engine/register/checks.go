package register

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/job"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
)

// Set holds one T for each check of this engine. Its literals are written without keys, so that a
// new check does not compile until it has a T everywhere one is due, fault injections included.
type Set[T any] struct {
	Office     T
	Owners     T
	Labels     T
	Media      T
	ClearDesk  T
	Telework   T
	Papers     T
	Continuity T
	NDA        T
	Suppliers  T
}

// All returns the set's members in the order of its fields.
func (s Set[T]) All() []T {
	return []T{s.Office, s.Owners, s.Labels, s.Media, s.ClearDesk, s.Telework, s.Papers, s.Continuity, s.NDA, s.Suppliers}
}

// Figures of the catalogue that the checks compare with; these hold where a run is given none.
const (
	graceFigure      = "register.acknowledgement.grace"
	onboardingFigure = "register.onboarding"
	onboarding       = 30 * 24 * time.Hour
)

// The pace of the checks: they read a database that is at hand.
const (
	every   = 10 * time.Minute
	valid   = time.Hour
	timeout = 30 * time.Second
)

// New returns the engine: its checks, its words and its work.
func New(r *Registers) measure.Engine {
	return measure.Engine{Name: "register", Checks: Checks(r).All(), Jobs: []job.Kind{r.purgeJob()}, Messages: Messages()}
}

// Checks returns the checks of this engine. They read as garant_checker, which sees no personal
// value.
func Checks(r *Registers) Set[measure.Check] {
	return Set[measure.Check]{
		r.check("register.office", "PHY-3", office, []string{Assets, Sites}, "examined", "sites"),
		r.check(ownersCheck, ownersMeasure, owners, []string{Assets, Persons}, "examined"),
		r.check("register.labels", "CLS-1", labels, []string{Assets, Documents}, "register.assets.labelled"),
		r.check("register.media", "PHY-9", media, []string{Assets}, "examined", "media"),
		r.policy("register.policy.clear_desk", "PHY-7"),
		r.policy("register.policy.telework", "PHY-8", "TEL-1"),
		r.policy("register.policy.papers", "PHY-9"),
		r.policy("register.plan.continuity", "BCP-1"),
		r.check("register.nda", "NDA-1", nda, []string{Persons}, "signed"),
		r.check("register.suppliers", "CON-1", supplied, []string{Suppliers}, "examined", "subprocessors"),
	}
}

// look is what one run of a check has seen.
type look struct {
	q       pg.Querier
	today   calendar.Date
	zone    *time.Location
	figures map[string]measure.Fact

	items []measure.Item
	more  map[string]int // problem → how many are not named
	raw   map[string]any
	facts map[string]measure.Fact
	none  bool // there is nothing to look at
}

const maxItems = 60

// fail notes that an entry is not as it should be. actual names the entry: an inventory number, a
// title, an id; never a person.
func (l *look) fail(register, problem, expected, actual string) {
	if l.more == nil {
		l.more = map[string]int{}
	}
	key := register + " " + problem
	if l.more[key]++; l.more[key] <= maxItems {
		l.items = append(l.items, measure.Item{Target: scope(register), Problem: problem, Expected: expected, Actual: actual})
	}
}

// figure is a length of time that the annex announces.
func (l *look) figure(name string, otherwise time.Duration) time.Duration {
	if f, ok := l.figures[name]; ok && f.Kind == measure.DurationFact && f.Duration > 0 {
		return f.Duration
	}
	return otherwise
}

// factName is the whole name of a fact of a check.
func factName(check, fact string) string {
	if strings.Contains(fact, ".") {
		return fact
	}
	return check + "." + fact
}

// scope is what a register is called among the targets of an estate.
func scope(register string) string { return measure.RegisterScope + register }

// check makes a check of a look at registers. Where one of them has no entry there is nothing to
// look at: an empty register proves nothing.
func (r *Registers) check(id, proves string, see func(context.Context, *look) error, registers []string, facts ...string) measure.Check {
	return r.make(id, []string{proves}, see, registers, facts...)
}

func (r *Registers) make(id string, proves []string, see func(context.Context, *look) error, registers []string, facts ...string) measure.Check {
	var targets, names []string
	for _, k := range registers {
		targets = append(targets, scope(k))
	}
	for _, f := range facts {
		names = append(names, factName(id, f))
	}
	return measure.Check{ID: id, Measures: proves, Every: every, Valid: valid, Timeout: timeout, OwnPace: true, Facts: names,
		Scope: func(e *estate.Estate) []string {
			if e.Company.Name == "" {
				return nil
			}
			return targets
		},
		Run: func(ctx context.Context, in measure.In) measure.Finding {
			if in.Estate.Company.Name == "" {
				return measure.Finding{Outcome: measure.NotApplicable}
			}
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			l := &look{q: r.DB.Pool(pg.Checker), zone: in.Estate.Company.Zone, today: calendar.Of(in.Now, in.Estate.Company.Zone), figures: in.Figures,
				raw: map[string]any{}, facts: map[string]measure.Fact{}}
			return l.finding(ctx, id, see, registers, targets)
		},
	}
}

func (l *look) finding(ctx context.Context, id string, see func(context.Context, *look) error, registers, targets []string) measure.Finding {
	blind := func() measure.Finding {
		f := measure.Finding{Outcome: measure.Error}
		for _, t := range targets {
			f.Failed = append(f.Failed, measure.Item{Target: t, Problem: "register.unreachable", Expected: "an answer of the database", Actual: "none"})
		}
		return f
	}
	empty, err := emptyRegister(ctx, l.q, registers)
	if err != nil {
		return blind()
	}
	if empty {
		return measure.Finding{Outcome: measure.NotApplicable}
	}
	if err := see(ctx, l); err != nil {
		return blind()
	}
	if l.none {
		return measure.Finding{Outcome: measure.NotApplicable}
	}
	f := measure.Finding{Outcome: measure.Pass, Scope: targets, Failed: l.items, Facts: map[string]measure.Fact{}}
	for name, fact := range l.facts {
		f.Facts[factName(id, name)] = fact
	}
	for key, n := range l.more {
		if n > maxItems {
			l.raw["not named: "+key] = n - maxItems
		}
	}
	if len(l.items) > 0 {
		f.Outcome = measure.Fail
	}
	if f.Raw, err = json.Marshal(l.raw); err != nil {
		return blind()
	}
	return f
}

// office looks for servers and storage at an office, and for such of which nobody knows where they
// stand.
func office(ctx context.Context, l *look) error {
	n, sites, err := countOffice(ctx, l.q)
	if err != nil {
		return err
	}
	if sites == 0 { // without an office there is none to look into
		l.none = true
		return nil
	}
	list, err := infrastructure(ctx, l.q)
	if err != nil {
		return err
	}
	for _, a := range list {
		switch a.Note {
		case "":
			l.fail(Assets, "register.office.unplaced", "a site", a.Name)
		case "office":
			l.fail(Assets, "register.office.found", "outside the offices", a.Name)
		}
	}
	l.raw["assets"], l.raw["offices"], l.raw["infrastructure"] = n, sites, len(list)
	l.facts["examined"], l.facts["sites"] = measure.Count(n), measure.Count(sites)
	return nil
}

func owners(ctx context.Context, l *look) error {
	n, err := countAssets(ctx, l.q)
	if err != nil {
		return err
	}
	if n == 0 {
		l.none = true
		return nil
	}
	list, err := ownerless(ctx, l.q, l.today)
	if err != nil {
		return err
	}
	for _, a := range list {
		l.fail(Assets, "register.owners."+a.Note, "an owner who is present", a.Name)
	}
	l.raw["assets"], l.raw["without"] = n, len(list)
	l.facts["examined"] = measure.Count(n)
	return nil
}

func labels(ctx context.Context, l *look) error {
	n, err := countAssets(ctx, l.q)
	if err != nil {
		return err
	}
	list, err := unlabelled(ctx, l.q)
	if err != nil {
		return err
	}
	without := 0
	for _, e := range list {
		l.fail(e.Note, "register.labels."+e.Note, "a class", e.Name)
		if e.Note == Assets {
			without++
		}
	}
	if n == 0 {
		l.none = true
		return nil
	}
	l.raw["assets"], l.raw["unlabelled"] = n, len(list)
	l.facts["register.assets.labelled"] = measure.Count(n - without)
	return nil
}

// media looks at removable media: encrypted, with a keeper who is present and a place to put
// them away.
func media(ctx context.Context, l *look) error {
	n, err := countAssets(ctx, l.q)
	if err != nil {
		return err
	}
	if n == 0 {
		l.none = true
		return nil
	}
	list, err := removable(ctx, l.q, l.today)
	if err != nil {
		return err
	}
	for _, m := range list {
		if m.Encrypted != "true" {
			l.fail(Assets, "register.media.unencrypted", "encrypted", m.Tag)
		}
		if !m.Kept {
			l.fail(Assets, "register.media.no_keeper", "a keeper who is present", m.Tag)
		}
		if m.Place == "" {
			l.fail(Assets, "register.media.no_place", "a storage place", m.Tag)
		}
	}
	l.raw["assets"], l.raw["media"] = n, len(list)
	l.facts["examined"], l.facts["media"] = measure.Count(n), measure.Count(len(list))
	return nil
}

func nda(ctx context.Context, l *look) error {
	since := l.today.AddDays(-int(l.figure(onboardingFigure, onboarding) / (24 * time.Hour)))
	n, signed, err := countSigned(ctx, l.q, l.today)
	if err != nil {
		return err
	}
	if n == 0 {
		l.none = true
		return nil
	}
	list, err := unsigned(ctx, l.q, l.today, since)
	if err != nil {
		return err
	}
	for _, p := range list {
		l.fail(Persons, "register.nda.unsigned", "signed by "+since.AddDays(int(l.figure(onboardingFigure, onboarding)/(24*time.Hour))).String(), "entry "+p.ID.String())
	}
	l.raw["present"], l.raw["signed"], l.raw["late"] = n, signed, len(list)
	l.facts["signed"] = measure.Count(signed)
	return nil
}

// supplied looks at the suppliers in use: reviews, and what a sub-processor needs besides.
func supplied(ctx context.Context, l *look) error {
	list, err := suppliersInUse(ctx, l.q)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		l.none = true
		return nil
	}
	today, subs := l.today.String(), 0
	for _, s := range list {
		v := s.Values
		fail := func(problem, expected string) {
			l.fail(Suppliers, "register.suppliers."+problem, expected, v["name"])
		}
		switch {
		case v["review"] == "":
			fail("no_review", "a date of the next review")
		case v["review"] < today:
			fail("overdue", "a review by "+v["review"])
		}
		if v["subprocessor"] != "true" {
			continue
		}
		subs++
		if v["assessed"] == "" || v["assessed"] > today {
			fail("unassessed", "an assessment before it is engaged")
		}
		if v["dpa"] == "" || v["dpa"] > today {
			fail("no_dpa", "a signed data processing agreement")
		}
		if v["safeguard"] == "" {
			fail("no_safeguard", "a safeguard of the transfer")
		}
		if v["public_since"] == "" || v["public_since"] > today || v["public_until"] != "" && v["public_until"] < today {
			fail("not_public", "on the public list")
		}
	}
	l.raw["suppliers"], l.raw["subprocessors"] = len(list), subs
	l.facts["examined"], l.facts["subprocessors"] = measure.Count(len(list)), measure.Count(subs)
	return nil
}

// policy makes a check of the published documents that serve measures.
func (r *Registers) policy(id string, measures ...string) measure.Check {
	return r.make(id, measures, func(ctx context.Context, l *look) error { return policies(ctx, l, measures) },
		[]string{Documents, Persons}, "read", "published")
}

// policies looks at every document that serves one of the measures: published, with an owner who is
// present, its review not overdue, and read by everybody it concerns within the grace.
func policies(ctx context.Context, l *look, measures []string) error {
	fewest, latest := -1, time.Time{}
	for _, m := range measures {
		list, err := serving(ctx, l.q, m, l.today)
		if err != nil {
			return err
		}
		published := false
		for _, d := range list {
			published = published || d.Published
		}
		switch {
		case len(list) == 0:
			l.fail(Documents, "register.policy.none", "a published document that serves "+m, "none")
			continue
		case !published:
			l.fail(Documents, "register.policy.draft", "published", list[0].Title)
			continue
		}
		for _, d := range list {
			if !d.Published { // a draft beside what is published
				continue
			}
			read, err := l.document(ctx, d)
			if err != nil {
				return err
			}
			if fewest < 0 || read < fewest {
				fewest = read
			}
			if d.At.After(latest) {
				latest = d.At
			}
		}
	}
	if fewest >= 0 {
		l.facts["read"], l.facts["published"] = measure.Count(fewest), measure.At(latest)
	}
	l.items = distinct(l.items)
	return nil
}

// document looks at one published document and returns how many have read its version in force.
func (l *look) document(ctx context.Context, d servingDocument) (read int, err error) {
	if !d.Owned {
		l.fail(Documents, "register.policy.no_owner", "an owner who is present", d.Title)
	}
	switch {
	case d.Review == "":
		l.fail(Documents, "register.policy.no_review", "a date of the next review", d.Title)
	case d.Review < l.today.String():
		l.fail(Documents, "register.policy.overdue", "reviewed by "+d.Review, d.Title)
	}
	if !d.Acknowledge {
		l.fail(Documents, "register.policy.not_asked", "acknowledged by each person", d.Title)
		return 0, nil
	}
	asked, late := 0, 0
	days := int(l.figure(graceFigure, Grace) / (24 * time.Hour))
	deadline := l.today.AddDays(-days)
	for p, err := range askedWithArrival(ctx, l.q, d.ID, d.Version, l.today) {
		if err != nil {
			return 0, err
		}
		asked++
		from := calendar.Of(d.At, l.zone).String()
		if p.Arrival > from {
			from = p.Arrival
		}
		switch {
		case p.Acknowledged:
			read++
		case from < deadline.String():
			late++
		}
	}
	if asked == 0 {
		l.fail(Persons, "register.policy.nobody", "somebody who is concerned", d.Title)
	}
	if late > 0 {
		l.fail(Persons, "register.policy.unread", fmt.Sprintf("version %d acknowledged by all %d within %d days", d.Version, asked, days), fmt.Sprintf("%s: %d have not", d.Title, late))
	}
	l.raw[d.Title] = map[string]any{"version": d.Version, "asked": asked, "read": read, "late": late}
	return read, nil
}

// distinct leaves out what is said twice: a document may serve several measures.
func distinct(items []measure.Item) []measure.Item {
	seen := map[measure.Item]bool{}
	var out []measure.Item
	for _, i := range items {
		if !seen[i] {
			seen[i] = true
			out = append(out, i)
		}
	}
	return out
}
