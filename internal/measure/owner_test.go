package measure_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/directory/directorytest"
	"github.com/garant-project/garant/internal/document"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/measure/measuretest"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

// office is a company with people who answer for measures.
type office struct {
	*measure.Owners
	t     testing.TB
	db    *pg.DB
	dir   *directory.Directory
	view  measure.View
	ahead time.Duration
	lead  actor.Actor
	anna  actor.Actor
	ben   actor.Actor
	zone  *time.Location
}

func openOffice(t testing.TB) *office {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Brussels")
	if err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, db: pgtest.New(t), zone: zone}
	dir, box := directorytest.Open(t, o.db)
	o.dir = dir
	cat, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	o.Owners = &measure.Owners{Box: box, Documents: document.New(o.db, box), People: o.dir}
	reg, err := measure.NewRegistry(cat, o.Engine())
	if err != nil {
		t.Fatal(err)
	}
	o.view = measure.View{
		Estate:  &estate.Estate{Company: estate.Company{Name: "Ardoise Mécénat", Zone: zone}, Policy: estate.DefaultPolicy()},
		Version: 1, Subjects: map[string][]string{catalogue.PerSite: {"bruxelles", "liege"}},
	}
	o.Runner = &measure.Runner{
		Registry: reg, DB: o.db, Build: "test", Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Now().Add(o.ahead) },
		View: func(context.Context) (measure.View, error) { return o.view, nil },
	}
	o.lead, o.anna, o.ben = o.person("lead", actor.Lead), o.person("anna", actor.Member), o.person("ben", actor.Member)
	return o
}

func (o *office) person(name string, role actor.Role) actor.Actor {
	o.t.Helper()
	p, err := o.dir.AddPerson(context.Background(), actor.NewSystem("cli"), name+"@ardoise.example", name+" (exemple)", role, time.Now())
	if err != nil {
		o.t.Fatal(err)
	}
	return actor.Actor{Kind: actor.Person, ID: p.ID.String(), Name: p.Name, Role: role, Permissions: role.Permissions()}
}

func (o *office) today() calendar.Date { return calendar.Of(o.Runner.Now(), o.zone) }

// assign names who answers for a measure, with the last decision seen.
func (o *office) assign(id string, to actor.Actor, deputy ...any) error {
	now, err := measure.LoadAssignment(context.Background(), o.db.Pool(pg.Staff), id)
	if err != nil {
		o.t.Fatal(err)
	}
	in := measure.Assigned{Measure: id, Seen: now.ID, Responsible: to.ID}
	if len(deputy) == 2 {
		in.Deputy, in.DeputyUntil = deputy[0].(actor.Actor).ID, deputy[1].(calendar.Date)
	}
	return o.Assign(context.Background(), o.lead, in)
}

func (o *office) mustAssign(id string, to actor.Actor, deputy ...any) {
	o.t.Helper()
	if err := o.assign(id, to, deputy...); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) words(id string) string { return o.Runner.Registry.Catalogue.SentenceHash(id) }

// says attests what is usual, changed by change.
func (o *office) says(by actor.Actor, id string, change ...func(*measure.Attest)) (measure.Attestation, error) {
	in := measure.Attest{Measure: id, Statement: measure.Confirmed, ObservedOn: o.today(), Words: o.words(id)}
	for _, f := range change {
		f(&in)
	}
	return o.Attest(context.Background(), by, in)
}

func (o *office) mustSay(by actor.Actor, id string, change ...func(*measure.Attest)) measure.Attestation {
	o.t.Helper()
	a, err := o.says(by, id, change...)
	if err != nil {
		o.t.Fatal(err)
	}
	return a
}

// state derives a measure at a moment.
func (o *office) state(id string, at time.Time) (measure.State, string) {
	o.t.Helper()
	known, err := measure.Load(context.Background(), o.db.Pool(pg.Worker))
	if err != nil {
		o.t.Fatal(err)
	}
	s := o.Runner.Registry.Derive(id, o.view, known, at)
	return s.State, s.Reason
}

func (o *office) expect(id string, at time.Time, state measure.State, reason string) {
	o.t.Helper()
	if s, r := o.state(id, at); s != state || r != reason {
		o.t.Errorf("%s: %s (%s), want %s (%s)", id, s, r, state, reason)
	}
}

// fails expects an error of an id.
func fails(t testing.TB, err error, id string) {
	t.Helper()
	var known *errs.Error
	if !errors.As(err, &known) || known.ID != id || known.Fix == "" {
		t.Errorf("%v, want %s with a next step", err, id)
	}
}

func refuse(in *measure.Attest) { in.Statement = measure.NoLongerSo }

// An owner confirms; the measure is met until the day one cadence later begins; refusing turns
// it at once; confirming again mends it.
func TestAttest(t *testing.T) {
	o := openOffice(t)
	ctx := context.Background()
	o.expect(whole, o.Runner.Now(), measure.Unproven, measure.ReasonUnattested)
	o.mustAssign(whole, o.anna)
	pdf, err := document.Receive("rapport.pdf", strings.NewReader("%PDF-1.7\n%%EOF\n"))
	if err != nil {
		t.Fatal(err)
	}
	a := o.mustSay(o.anna, whole, func(in *measure.Attest) {
		in.Note, in.Documents = "  Visite avec le gardien.\r\nTout est fermé. ", []*document.Upload{pdf}
	})
	now := o.Runner.Now()
	o.expect(whole, now, measure.Met, measure.ReasonAttested)
	end := calendar.Add(o.today(), calendar.Yearly(1)).Start(o.zone)
	o.expect(whole, end.Add(-time.Nanosecond), measure.Met, measure.ReasonAttested)
	o.expect(whole, end, measure.Stale, measure.ReasonAttestationExpired)

	list, err := o.Attestations(ctx, whole, "", 10)
	if err != nil || len(list) != 1 || list[0].Note != "Visite avec le gardien.\nTout est fermé." || !list[0].Intact() || list[0].Digest != a.Digest || list[0].ObservedOn != o.today() {
		t.Fatalf("%+v, %v", list, err)
	}
	_, content, err := o.Document(ctx, o.anna, whole, a.ID, list[0].Documents[0].ID)
	if err != nil || !strings.HasPrefix(string(content), "%PDF") {
		t.Errorf("%q, %v", content, err)
	}
	_, _, err = o.Document(ctx, o.lead, "PHY-2", a.ID, list[0].Documents[0].ID)
	fails(t, err, "document.none")
	_, _, err = o.Document(ctx, o.ben, whole, a.ID, list[0].Documents[0].ID)
	fails(t, err, "measure.not_owner")

	o.mustSay(o.anna, whole, refuse)
	o.expect(whole, o.Runner.Now(), measure.NotMet, measure.ReasonRefused)
	o.expect(whole, end.AddDate(9, 0, 0), measure.NotMet, measure.ReasonRefused)
	// What was seen before it was refused does not mend it.
	_, err = o.says(o.anna, whole, func(in *measure.Attest) { in.ObservedOn = o.today().AddDays(-1) })
	fails(t, err, "measure.attest_overruled")
	o.expect(whole, o.Runner.Now(), measure.NotMet, measure.ReasonRefused)
	o.mustSay(o.anna, whole)
	o.expect(whole, o.Runner.Now(), measure.Met, measure.ReasonAttested)

	// The page of the older ones.
	list, err = o.Attestations(ctx, whole, "", 1)
	if err != nil || len(list) != 1 || list[0].Statement != measure.Confirmed {
		t.Fatalf("%+v, %v", list, err)
	}
	if list, err = o.Attestations(ctx, whole, list[0].ID, 10); err != nil || len(list) != 2 || list[0].Statement != measure.NoLongerSo {
		t.Errorf("%+v, %v", list, err)
	}
	entries, err := audit.List(ctx, o.db.Pool(pg.Staff), audit.Filter{Action: "measure.attested"})
	if err != nil || len(entries) != 3 || entries[2].Detail["digest"] != a.Digest || entries[2].Actor.ID != o.anna.ID {
		t.Errorf("%+v, %v", entries, err)
	}
}

// A refusal cannot be dated away: neither by a second one of an earlier day with a confirmation of a day between the
// two, nor by a confirmation of an earlier day behind one that mended it.
func TestRefusalDatedBack(t *testing.T) {
	o := openOffice(t)
	o.mustAssign(whole, o.anna)
	on := func(days int) func(*measure.Attest) {
		return func(in *measure.Attest) { in.ObservedOn = o.today().AddDays(days) }
	}
	o.mustSay(o.anna, whole, refuse)
	o.mustSay(o.anna, whole, refuse, on(-30))
	_, err := o.says(o.anna, whole, on(-10))
	fails(t, err, "measure.attest_overruled")
	o.expect(whole, o.Runner.Now(), measure.NotMet, measure.ReasonRefused)
	o.mustSay(o.anna, whole)
	_, err = o.says(o.anna, whole, on(-10))
	fails(t, err, "measure.attest_overruled")
	o.expect(whole, o.Runner.Now(), measure.Met, measure.ReasonAttested)
	// Of each site by itself.
	sites := func(names ...string) func(*measure.Attest) {
		return func(in *measure.Attest) { in.Targets = names }
	}
	o.mustAssign(perSite, o.anna)
	o.mustSay(o.anna, perSite, sites("liege"), refuse)
	o.mustSay(o.anna, perSite, sites("liege"), refuse, on(-30))
	o.mustSay(o.anna, perSite, sites("bruxelles"), on(-10))
	_, err = o.says(o.anna, perSite, sites("liege"), on(-10))
	fails(t, err, "measure.attest_overruled")
}

// A delegation that ends while the deputy's word is on its way ends it too.
func TestDelegationEndsMeanwhile(t *testing.T) {
	o := openOffice(t)
	ctx := context.Background()
	o.mustAssign(whole, o.anna, o.ben, o.today().AddDays(5))
	tx, err := o.db.Pool(pg.Staff).Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 8))", whole); err != nil { // as a decision about the measure does
		t.Fatal(err)
	}
	said := make(chan error, 1)
	go func() { _, err := o.says(o.ben, whole); said <- err }()
	waiting := func() (n int) {
		_ = o.db.Pool(pg.Staff).QueryRow(ctx, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())").Scan(&n)
		return n
	}
	for start := time.Now(); waiting() == 0 && time.Since(start) < 20*time.Second; {
		time.Sleep(10 * time.Millisecond)
	}
	if _, err := tx.Exec(ctx, "INSERT INTO measure.assignment (measure_id, responsible, assigned_by) VALUES ($1, $2, $3)", whole, o.anna.ID, "person:"+o.anna.ID); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	fails(t, <-said, "measure.assignment_changed")
	o.expect(whole, o.Runner.Now(), measure.Unproven, measure.ReasonUnattested)
}

func TestWhoMayAttest(t *testing.T) {
	o := openOffice(t)
	ctx := context.Background()
	try := func(by actor.Actor) error { _, err := o.says(by, whole); return err }
	fails(t, try(o.anna), "measure.not_owner") // nobody answers for it
	o.mustAssign(whole, o.anna, o.ben, o.today())
	fails(t, try(o.lead), "measure.not_owner") // a security lead may assign, not attest
	fails(t, try(actor.NewSystem("cli")), "measure.not_owner")
	auditor := o.anna
	auditor.Permissions = actor.Auditor.Permissions()
	fails(t, try(auditor), "measure.not_owner") // a token or a role without the right to own tasks

	a := o.mustSay(o.ben, whole) // the last day of the delegation counts
	if a.OnBehalfOf != o.anna.ID || a.Person != o.ben.ID {
		t.Errorf("%+v", a)
	}
	if _, ok := (measure.Assignment{Responsible: o.anna.ID, Deputy: o.ben.ID, DeputyUntil: o.today()}).May(o.ben.ID, o.today().AddDays(1)); ok {
		t.Error("the day after the delegation still counts")
	}
	// Who answered for it before does not any more.
	o.mustAssign(whole, o.ben)
	fails(t, try(o.anna), "measure.not_owner")
	entries, err := audit.List(ctx, o.db.Pool(pg.Staff), audit.Filter{Action: "measure.attested", ActorID: o.anna.ID})
	if err != nil || len(entries) != 3 || !entries[0].Refused || entries[0].Object.ID != whole {
		t.Errorf("%+v, %v", entries, err)
	}
}

func TestAttestBadInput(t *testing.T) {
	o := openOffice(t)
	for _, id := range []string{whole, perSite} {
		o.mustAssign(id, o.anna)
	}
	for name, c := range map[string]struct {
		id     string
		change func(*measure.Attest)
		want   string
	}{
		"tomorrow":            {whole, func(in *measure.Attest) { in.ObservedOn = o.today().AddDays(1) }, "measure.attest_future"},
		"no day":              {whole, func(in *measure.Attest) { in.ObservedOn = calendar.Date{} }, "measure.attest_future"},
		"older than a year":   {whole, func(in *measure.Attest) { in.ObservedOn = calendar.Nth(o.today(), calendar.Yearly(1), -1) }, "measure.attest_old"},
		"a changed sentence":  {whole, func(in *measure.Attest) { in.Words = "0" }, "measure.attest_text"},
		"neither yes nor no":  {whole, func(in *measure.Attest) { in.Statement = "" }, "measure.attest_statement"},
		"an endless note":     {whole, func(in *measure.Attest) { in.Note = strings.Repeat("é", 2001) }, "measure.attest_note"},
		"a note with a bell":  {whole, func(in *measure.Attest) { in.Note = "\a" }, "measure.attest_note"},
		"a site of the whole": {whole, func(in *measure.Attest) { in.Targets = []string{"liege"} }, "measure.attest_targets"},
		"no site":             {perSite, func(*measure.Attest) {}, "measure.attest_no_target"},
		"a site elsewhere":    {perSite, func(in *measure.Attest) { in.Targets = []string{"paris"} }, "measure.attest_targets"},
		"nothing for a site":  {perSite, func(in *measure.Attest) { in.Targets = []string{""} }, "measure.attest_targets"},
		"no such measure":     {"XYZ-9", func(*measure.Attest) {}, "measure.no_measure"},
	} {
		_, err := o.says(o.anna, c.id, c.change)
		if err == nil {
			t.Errorf("%s: taken", name)
			continue
		}
		fails(t, err, c.want)
	}
	for id := range map[string]bool{whole: true, perSite: true} {
		if list, err := o.Attestations(context.Background(), id, "", 10); err != nil || len(list) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
	}
	// A year ago and a day is the oldest that counts, for one day more.
	o.mustSay(o.anna, whole, func(in *measure.Attest) { in.ObservedOn = calendar.Nth(o.today(), calendar.Yearly(1), -1).AddDays(1) })
	// What nobody has to attest.
	o.mustAssign("PHY-4", o.anna)
	if m, _ := o.Runner.Registry.Catalogue.Measure("PHY-4"); !m.Attest {
		_, err := o.says(o.anna, "PHY-4")
		fails(t, err, "measure.attest_not_needed")
	}
}

func TestAttestForEachSite(t *testing.T) {
	o := openOffice(t)
	o.mustAssign(perSite, o.anna)
	sites := func(names ...string) func(*measure.Attest) { return func(in *measure.Attest) { in.Targets = names } }
	o.mustSay(o.anna, perSite, sites("liege"))
	o.expect(perSite, o.Runner.Now(), measure.Unproven, measure.ReasonNewScope)
	o.mustSay(o.anna, perSite, sites("bruxelles"))
	o.expect(perSite, o.Runner.Now(), measure.Met, measure.ReasonAttested)
	o.mustSay(o.anna, perSite, sites("liege"), refuse)
	o.expect(perSite, o.Runner.Now(), measure.NotMet, measure.ReasonRefused)
	o.mustSay(o.anna, perSite, sites("liege", "bruxelles", "liege"))
	o.expect(perSite, o.Runner.Now(), measure.Met, measure.ReasonAttested)
	o.view.Subjects[catalogue.PerSite] = append(o.view.Subjects[catalogue.PerSite], "namur")
	o.expect(perSite, o.Runner.Now(), measure.Unproven, measure.ReasonNewScope)
}

// Every measure of the annex that is attested expires to the second under a clock that is moved,
// whatever the day it was seen on.
func TestEveryAttestationExpires(t *testing.T) {
	o := openOffice(t)
	n := 0
	for _, m := range o.Runner.Registry.Catalogue.Measures {
		if !m.Attest {
			continue
		}
		n++
		o.mustAssign(m.ID, o.anna)
		a := o.mustSay(o.anna, m.ID, func(in *measure.Attest) {
			in.ObservedOn = o.today().AddDays(-n) // another day for each
			if m.Per != "" {
				in.Targets = o.view.Subjects[m.Per]
			}
		})
		if want := calendar.Add(a.ObservedOn, measure.CadenceOf(m)).Start(o.zone); !a.ValidUntil.Equal(want) {
			t.Errorf("%s: valid until %v, want %v", m.ID, a.ValidUntil, want)
		}
		before := o.Runner.Registry.Derive(m.ID, o.view, o.known(m.ID), a.ValidUntil.Add(-time.Nanosecond))
		after := o.Runner.Registry.Derive(m.ID, o.view, o.known(m.ID), a.ValidUntil)
		if before.Attested.State != measure.Met || after.Attested.State != measure.Stale || after.Attested.Reason != measure.ReasonAttestationExpired {
			t.Errorf("%s: %+v, then %+v", m.ID, before.Attested, after.Attested)
		}
	}
	if n < 5 {
		t.Errorf("only %d measures are attested", n)
	}
}

func (o *office) known(string) measure.Known {
	o.t.Helper()
	known, err := measure.Load(context.Background(), o.db.Pool(pg.Worker))
	if err != nil {
		o.t.Fatal(err)
	}
	return known
}

// Days that come once in four years, and days of 23 and 25 hours.
func TestExpiry(t *testing.T) {
	zone := func(name string) *time.Location {
		z, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
	for _, c := range []struct {
		on, zone string
		every    time.Duration
		until    string
	}{
		{"2028-02-29", "Europe/Brussels", 365 * 24 * time.Hour, "2029-02-27T23:00:00Z"},
		{"2028-02-29", "Europe/Brussels", 4 * 365 * 24 * time.Hour, "2032-02-28T23:00:00Z"},
		{"2027-03-28", "Europe/Brussels", 24 * time.Hour, "2027-03-28T22:00:00Z"},       // 23 hours long
		{"2027-10-31", "Europe/Brussels", 24 * time.Hour, "2027-10-31T23:00:00Z"},       // 25 hours long
		{"2026-10-25", "Europe/Brussels", 365 * 24 * time.Hour, "2027-10-24T22:00:00Z"}, // winter time then, summer time still a year later
		{"2027-02-28", "Europe/Brussels", 365 * 24 * time.Hour, "2028-02-27T23:00:00Z"},
		{"2026-09-05", "America/Santiago", 24 * time.Hour, "2026-09-06T04:00:00Z"}, // clocks skip midnight: the day begins at one
		{"2026-12-31", "UTC", 30 * 24 * time.Hour, "2027-01-30T00:00:00Z"},
		{"2026-12-31", "UTC", 182 * 24 * time.Hour, "2027-07-01T00:00:00Z"},
		{"2026-11-27", "Pacific/Kiritimati", 365 * 24 * time.Hour, "2027-11-26T10:00:00Z"},
	} {
		on, err := calendar.Parse(c.on)
		if err != nil {
			t.Fatal(err)
		}
		got := measure.Expiry(on, measure.CadenceOf(catalogue.Measure{Cadence: c.every}), zone(c.zone))
		if got.Format(time.RFC3339) != c.until {
			t.Errorf("%s every %v in %s: until %s, want %s", c.on, c.every, c.zone, got.Format(time.RFC3339), c.until)
		}
	}
}

func TestAssign(t *testing.T) {
	o := openOffice(t)
	ctx := context.Background()
	tomorrow := o.today().AddDays(1)
	fails(t, o.Assign(ctx, o.anna, measure.Assigned{Measure: whole, Responsible: o.anna.ID}), "web.denied")
	for name, c := range map[string]struct {
		in   measure.Assigned
		want string
	}{
		"a stranger":       {measure.Assigned{Measure: whole, Responsible: uuid.Must(uuid.NewV7()).String()}, "measure.no_owner"},
		"no id":            {measure.Assigned{Measure: whole, Responsible: "anna"}, "measure.no_owner"},
		"no measure":       {measure.Assigned{Measure: "XYZ-1", Responsible: o.anna.ID}, "measure.no_measure"},
		"a lone deputy":    {measure.Assigned{Measure: whole, Deputy: o.ben.ID, DeputyUntil: tomorrow}, "measure.deputy_alone"},
		"oneself":          {measure.Assigned{Measure: whole, Responsible: o.anna.ID, Deputy: o.anna.ID, DeputyUntil: tomorrow}, "measure.deputy_same"},
		"without end":      {measure.Assigned{Measure: whole, Responsible: o.anna.ID, Deputy: o.ben.ID}, "measure.deputy_until"},
		"over":             {measure.Assigned{Measure: whole, Responsible: o.anna.ID, Deputy: o.ben.ID, DeputyUntil: o.today().AddDays(-1)}, "measure.deputy_until"},
		"for ever":         {measure.Assigned{Measure: whole, Responsible: o.anna.ID, Deputy: o.ben.ID, DeputyUntil: o.today().AddDays(400)}, "measure.deputy_long"},
		"not what is seen": {measure.Assigned{Measure: whole, Seen: 7, Responsible: o.anna.ID}, "measure.assignment_changed"},
	} {
		if err := o.Assign(ctx, o.lead, c.in); err == nil {
			t.Errorf("%s: taken", name)
		} else {
			fails(t, err, c.want)
		}
	}
	o.mustAssign(whole, o.anna)
	fails(t, o.Delegate(ctx, o.ben, whole, o.ben.ID, tomorrow), "measure.not_owner")
	if err := o.Delegate(ctx, o.anna, whole, o.ben.ID, tomorrow); err != nil {
		t.Fatal(err)
	}
	now, err := measure.LoadAssignment(ctx, o.db.Pool(pg.Checker), whole)
	if err != nil || now.Deputy != o.ben.ID || now.DeputyUntil != tomorrow || now.By != "person:"+o.anna.ID {
		t.Errorf("%+v, %v", now, err)
	}
	if err := o.Delegate(ctx, o.anna, whole, "", calendar.Date{}); err != nil {
		t.Fatal(err)
	}
	history, err := measure.AssignmentHistory(ctx, o.db.Pool(pg.Staff), whole, 10)
	if err != nil || len(history) != 3 || history[0].Deputy != "" || history[0].Responsible != o.anna.ID {
		t.Errorf("%+v, %v", history, err)
	}
	// All that a team has without an owner, and nothing else.
	n, err := o.AssignTeam(ctx, o.lead, "facilities", o.ben.ID)
	if err != nil || n == 0 {
		t.Fatalf("%d, %v", n, err)
	}
	if now, err = measure.LoadAssignment(ctx, o.db.Pool(pg.Staff), whole); err != nil || now.Responsible != o.anna.ID {
		t.Errorf("taken away: %+v, %v", now, err)
	}
	if again, err := o.AssignTeam(ctx, o.lead, "facilities", o.anna.ID); err != nil || again != 0 {
		t.Errorf("%d, %v", again, err)
	}
}

// Nobody changes what was said, or when it was received.
func TestAttestationRights(t *testing.T) {
	o := openOffice(t)
	o.mustAssign(whole, o.anna)
	o.mustSay(o.anna, whole)
	for role, statements := range map[pg.Role][]string{
		pg.Staff: {"UPDATE measure.attestation SET statement = 'refused'", "DELETE FROM measure.attestation", "UPDATE measure.assignment SET responsible = NULL", "DELETE FROM measure.assignment",
			"INSERT INTO measure.attestation (received_at, id) VALUES ('epoch', gen_random_uuid())", "INSERT INTO measure.reminder (measure_id, person_id, due) VALUES ('x', gen_random_uuid(), '')"},
		pg.Worker:  {"SELECT note FROM measure.attestation", "INSERT INTO measure.attestation (id) VALUES (gen_random_uuid())", "DELETE FROM measure.reminder"},
		pg.Checker: {"SELECT note FROM measure.attestation", "INSERT INTO measure.assignment (measure_id, assigned_by) VALUES ('x', 'system:x')"},
		pg.Login:   {"SELECT id FROM measure.attestation"}, pg.Public: {"SELECT id FROM measure.attestation"},
	} {
		for _, sql := range statements {
			_, err := o.db.Pool(role).Exec(context.Background(), sql)
			var refused *pgconn.PgError
			if !errors.As(err, &refused) || refused.Code != "42501" {
				t.Errorf("%s: %s: %v", role, sql, err)
			}
		}
	}
	// A row that somebody with more rights changes is found out.
	super := pgtest.Superuser(t, o.db.Pool(pg.Staff).Config().ConnConfig.Database)
	if _, err := super.Exec(context.Background(), "UPDATE measure.attestation SET valid_until = valid_until + interval '10 years'"); err != nil {
		t.Fatal(err)
	}
	list, err := o.Attestations(context.Background(), whole, "", 1)
	if err != nil || list[0].Intact() {
		t.Errorf("a changed row passes for whole: %+v, %v", list, err)
	}
}

// ownerFaults has one field for each check: one without faults does not compile.
type ownerFaults struct{ Owners []measuretest.Fault }

func TestOwnersFaults(t *testing.T) {
	o := openOffice(t)
	ctx := context.Background()
	for _, m := range o.Runner.Registry.Catalogue.Measures {
		if measure.NeedsOwner(m) {
			o.mustAssign(m.ID, o.anna)
		}
	}
	leaver := o.person("leaver", actor.Member)
	leaverID := uuid.MustParse(leaver.ID)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	item := func(problem string) measure.Item { return measure.Item{Target: "measures", Problem: problem} }
	faults := ownerFaults{[]measuretest.Fault{
		{Name: "nobody answers for a measure", Item: item(measure.ProblemUnowned),
			Break: func(testing.TB) { must(o.assign(whole, actor.Actor{})) }, Mend: func(testing.TB) { must(o.assign(whole, o.anna)) }},
		{Name: "who answers for it has left", Item: item(measure.ProblemOwnerAbsent),
			Break: func(testing.TB) {
				must(o.assign(whole, leaver))
				must(o.dir.Disable(ctx, actor.NewSystem("cli"), leaverID, time.Now()))
			},
			Mend: func(testing.TB) { must(o.assign(whole, o.anna)) }},
		{Name: "nobody can tell", Want: measure.Error, Item: item(measure.ProblemOwnersUnseen),
			Break: func(testing.TB) { o.People = nobody{} }, Mend: func(testing.TB) { o.People = o.dir }},
	}}
	measuretest.Run(t, measuretest.Subject{Check: o.Checks().Owners, Estate: o.view.Estate, Faults: faults.Owners})
}

// nobody is a directory that does not answer.
type nobody struct{}

func (nobody) Enabled(context.Context, actor.Actor, []uuid.UUID) (map[uuid.UUID]bool, error) {
	return nil, errs.New(errs.Unavailable, "pg.unavailable", "The database does not answer.")
}
