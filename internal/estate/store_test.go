package estate_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if worker := flag.Lookup("test.fuzzworker"); worker != nil && worker.Value.String() == "true" {
		os.Exit(m.Run()) // fuzzing needs no database
	}
	pgtest.Main(m)
}

func lead(id string) actor.Actor {
	return actor.Actor{Kind: actor.Person, ID: id, Name: "Never Recorded", Role: actor.Lead, Session: "s-" + id, Permissions: actor.Lead.Permissions()}
}

// bench is a database of the test's own, as garant_staff.
type bench struct {
	*testing.T
	db   *pg.DB
	pool *pgxpool.Pool
}

func newBench(t *testing.T) bench {
	db := pgtest.New(t)
	return bench{t, db, db.Pool(pg.Staff)}
}

func (b bench) apply(by actor.Actor, source string) estate.Version {
	b.Helper()
	v, err := estate.Apply(b.Context(), b.pool, by, []byte(source), estate.Files{})
	if err != nil {
		b.Fatal(err)
	}
	return v
}

func (b bench) pending() string {
	b.Helper()
	v, err := estate.Current(b.Context(), b.pool)
	if err != nil && !errs.Is(err, errs.NotFound) {
		b.Fatal(err)
	}
	return brief(v.Pending())
}

func (b bench) trail(id string) []string {
	b.Helper()
	entries, err := audit.List(b.Context(), b.pool, audit.Filter{Object: audit.Object{Kind: "estate", ID: id}})
	if err != nil {
		b.Fatal(err)
	}
	var lines []string
	for _, e := range entries {
		line := fmt.Sprintf("%s %s %s", e.Actor.ID, e.Action, map[bool]string{true: "refused", false: "permitted"}[e.Refused])
		if strings.Contains(fmt.Sprint(e), "Never Recorded") {
			b.Errorf("a name is in the record: %v", e)
		}
		lines = append(lines, line)
	}
	return lines
}

func (b bench) count(sql string) (n int) {
	b.Helper()
	if err := b.pool.QueryRow(b.Context(), sql).Scan(&n); err != nil {
		b.Fatal(err)
	}
	return n
}

const two = company + "endpoints:\n" + application + `  - name: office
    url: https://admin.ardoise.example
    environment: production
    audience: admin
`
const one = company + "endpoints:\n" + application

const officeGone = "removed endpoints.office [https://admin.ardoise.example → ] CRT-1 ENC-1 ENC-2\n"

func TestApply(t *testing.T) {
	b := newBench(t)
	if _, err := estate.Current(t.Context(), b.pool); !errs.Is(err, errs.NotFound) {
		t.Errorf("before anything was applied: %v", err)
	}
	if err := estate.Outdated(t.Context(), b.pool, "x"); !errs.Is(err, errs.NotFound) {
		t.Errorf("outdated before anything was applied: %v", err)
	}
	if b.pending() != "" {
		t.Errorf("pending before anything was applied: %s", b.pending())
	}
	first := b.apply(actor.NewSystem("cli"), one)
	if first.ID == 0 || first.Already || first.AppliedAt.IsZero() || len(first.Reductions) != 0 || first.AppliedBy.String() != "system:cli" {
		t.Errorf("the first version: %+v", first)
	}
	again := b.apply(lead("alice"), "# a comment\n"+one)
	if !again.Already || again.ID != first.ID || again.AppliedBy != first.AppliedBy || again.Source != one {
		t.Errorf("applied again: %+v", again)
	}
	second := b.apply(lead("alice"), two)
	if second.Already || second.ID <= first.ID || len(second.Reductions) != 0 {
		t.Errorf("the second version: %+v", second)
	}
	current, err := estate.Current(t.Context(), b.pool)
	if err != nil {
		t.Fatal(err)
	}
	sameTime := cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })
	sameZone := cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() })
	if diff := cmp.Diff(second, current, sameTime, sameZone); diff != "" {
		t.Error(diff)
	}
	if err := estate.Outdated(t.Context(), b.pool, second.Hash); err != nil {
		t.Error(err)
	}
	if err := estate.Outdated(t.Context(), b.pool, first.Hash); !errs.Is(err, errs.Conflict) {
		t.Errorf("an older file: %v", err)
	}
	list, err := estate.Versions(t.Context(), b.pool, 0, 0)
	if err != nil || len(list) != 2 || list[0].ID != second.ID || list[0].Source != "" || list[1].Hash != first.Hash {
		t.Errorf("the list: %+v, %v", list, err)
	}
	if list, err = estate.Versions(t.Context(), b.pool, second.ID, 1); err != nil || len(list) != 1 || list[0].ID != first.ID {
		t.Errorf("its next page: %+v, %v", list, err)
	}
	if diff := cmp.Diff([]string{"alice estate.applied permitted"}, b.trail(fmt.Sprint(second.ID))); diff != "" {
		t.Error(diff)
	}
}

func TestApplyRefuses(t *testing.T) {
	b := newBench(t)
	reader := actor.Actor{Kind: actor.Person, ID: "rita", Permissions: actor.Reader.Permissions()}
	for _, by := range []actor.Actor{reader, actor.Anonymous("192.0.2.1"), {Kind: actor.Person, ID: "op", Permissions: actor.Operator.Permissions()}} {
		if _, err := estate.Apply(t.Context(), b.pool, by, []byte(one), nil); !errs.Is(err, errs.Denied) {
			t.Errorf("%s: %v", by.ID, err)
		}
	}
	if diff := cmp.Diff([]string{"op estate.applied refused", "anonymous estate.applied refused", "rita estate.applied refused"}, b.trail("new")); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"", "company: {}\n", one + "listen:\n  console: 0.0.0.0:80\n"} {
		var problems *estate.Problems
		if _, err := estate.Apply(t.Context(), b.pool, lead("alice"), []byte(bad), nil); !errors.As(err, &problems) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	// A change that cannot be recorded is not made.
	if _, err := estate.Apply(t.Context(), b.pool, actor.Actor{Kind: actor.System}, []byte(one), nil); err == nil {
		t.Error("an actor without a name applied an estate")
	}
	if n := b.count("SELECT count(*) FROM estate.version"); n != 0 {
		t.Errorf("%d versions were made", n)
	}
}

// TestReductionsLast: what was taken away stays pending through any number of versions, until
// it is put back or a second person confirms.
func TestReductionsLast(t *testing.T) {
	b := newBench(t)
	b.apply(lead("alice"), two)
	removed := b.apply(lead("alice"), one)
	if b.pending() != officeGone {
		t.Errorf("after the removal: %s", b.pending())
	}
	if r := removed.Pending()[0]; r.Version != removed.ID || !r.Since.Equal(removed.AppliedAt) || r.Target != "office" || !cmp.Equal(r.By, []string{"person:alice"}) {
		t.Errorf("the reduction: %+v", r)
	}
	// The same again, and again with something else on top.
	b.apply(lead("alice"), one)
	b.apply(lead("alice"), one+"  - {name: extra, url: https://extra.example, environment: production, audience: public}\n")
	later := b.apply(lead("bob"), one+"policy:\n  every: 30s\n")
	// extra, which came and went without ever being confirmed, is expected as well.
	extraGone := "removed endpoints.extra [https://extra.example → ] CRT-1 ENC-1 ENC-2\n"
	if b.pending() != extraGone+officeGone {
		t.Errorf("after more versions: %s", b.pending())
	}
	for _, r := range later.Pending() {
		want := estate.Reduction{Version: removed.ID, Since: removed.AppliedAt, By: []string{"person:alice"}}
		if r.Target == "extra" {
			want = estate.Reduction{Version: later.ID, Since: later.AppliedAt, By: []string{"person:bob"}}
		}
		if r.Version != want.Version || !r.Since.Equal(want.Since) || !cmp.Equal(r.By, want.By) {
			t.Errorf("%s is laid at the door of %v since version %d", r.Key, r.By, r.Version)
		}
	}
	// Putting another address under the old name is no way back; nor is the faster cadence a
	// licence to go back to the slower one.
	decoy := strings.Replace(two, "admin.ardoise", "decoy.ardoise", 1) + "  - {name: extra, url: https://extra.example, environment: production, audience: public}\n"
	b.apply(lead("bob"), decoy)
	want := "replaced endpoints.office.url [https://admin.ardoise.example → https://decoy.ardoise.example] CRT-1 ENC-1 ENC-2\n" +
		"slowed policy.every [30s → 1m] CRT-1 CRT-2 ENC-1 ENC-2\n"
	if b.pending() != want {
		t.Errorf("with a decoy: %s", b.pending())
	}
	// Everything put back clears it without anybody's word.
	b.apply(lead("bob"), two+"  - {name: extra, url: https://extra.example, environment: production, audience: public}\npolicy:\n  every: 30s\n")
	if b.pending() != "" {
		t.Errorf("with everything put back: %s", b.pending())
	}
	// And from there it starts anew.
	b.apply(lead("bob"), one)
	if !strings.Contains(b.pending(), officeGone) || !strings.Contains(b.pending(), extraGone) {
		t.Errorf("removed again: %s", b.pending())
	}
}

// TestLoweringStepByStep: each step is measured against what is expected, not against the step
// before, and everybody who took a step has a hand in it.
func TestLoweringStepByStep(t *testing.T) {
	b := newBench(t)
	hsts := func(s string) string { return one + "policy:\n  hsts_max_age: " + s + "\n" }
	b.apply(lead("alice"), hsts("365d"))
	b.apply(lead("alice"), hsts("300d"))
	v := b.apply(lead("bob"), hsts("30d"))
	if b.pending() != "weakened policy.hsts_max_age [365d → 30d] ENC-2\n" {
		t.Error(b.pending())
	}
	for _, who := range []string{"alice", "bob"} {
		if err := estate.Confirm(t.Context(), b.pool, lead(who), v.ID, "fine with me"); !errs.Is(err, errs.Denied) {
			t.Errorf("%s confirmed: %v", who, err)
		}
	}
	if err := estate.Confirm(t.Context(), b.pool, lead("carol"), v.ID, "the domain moves"); err != nil {
		t.Fatal(err)
	}
	// What was confirmed is expected from now on; less than that is a new reduction.
	b.apply(lead("alice"), hsts("30d")+"  every: 1m\n")
	if b.pending() != "" {
		t.Errorf("after the confirmation: %s", b.pending())
	}
	b.apply(lead("alice"), hsts("29d"))
	if b.pending() != "weakened policy.hsts_max_age [30d → 29d] ENC-2\n" {
		t.Error(b.pending())
	}
}

func TestConfirm(t *testing.T) {
	b := newBench(t)
	first := b.apply(lead("alice"), two)
	if err := estate.Confirm(t.Context(), b.pool, lead("bob"), first.ID, "x"); !errs.Is(err, errs.Conflict) {
		t.Errorf("with nothing pending: %v", err)
	}
	v := b.apply(lead("alice"), one)
	for name, c := range map[string]struct {
		by      actor.Actor
		version int64
		reason  string
		want    errs.Kind
	}{
		"the applier":    {lead("alice"), v.ID, "x", errs.Denied},
		"another window": {actor.Actor{Kind: actor.Person, ID: "alice", Session: "other", Permissions: actor.Lead.Permissions()}, v.ID, "x", errs.Denied},
		"a job":          {actor.NewSystem("scheduler"), v.ID, "x", errs.Denied},
		"the cli":        {actor.NewSystem("cli"), v.ID, "x", errs.Denied},
		"an operator":    {actor.Actor{Kind: actor.Person, ID: "op", Permissions: actor.Operator.Permissions()}, v.ID, "x", errs.Denied},
		"nobody":         {actor.Anonymous("192.0.2.1"), v.ID, "x", errs.Denied},
		"no reason":      {lead("bob"), v.ID, " \n", errs.Invalid},
		"a long reason":  {lead("bob"), v.ID, strings.Repeat("é", 1001), errs.Invalid},
		"a nul":          {lead("bob"), v.ID, "a\x00b", errs.Invalid},
		"an old version": {lead("bob"), first.ID, "x", errs.Conflict},
		"a future one":   {lead("bob"), v.ID + 1, "x", errs.Conflict},
	} {
		if err := estate.Confirm(t.Context(), b.pool, c.by, c.version, c.reason); !errs.Is(err, c.want) {
			t.Errorf("%s: kind %v of %v", name, errs.KindOf(err), err)
		}
	}
	if b.pending() != officeGone {
		t.Errorf("after refusals: %s", b.pending())
	}
	refused := 0
	for _, line := range b.trail(fmt.Sprint(v.ID)) {
		if strings.HasSuffix(line, "estate.reduction_confirmed refused") {
			refused++
		}
	}
	if refused != 6 {
		t.Errorf("%d refusals recorded: %q", refused, b.trail(fmt.Sprint(v.ID)))
	}
	if err := estate.Confirm(t.Context(), b.pool, lead("bob"), v.ID, "  the office was closed  "); err != nil {
		t.Fatal(err)
	}
	current, err := estate.Current(t.Context(), b.pool)
	if err != nil || b.pending() != "" || current.Confirmed == nil || current.Confirmed.By.String() != "person:bob" || current.Confirmed.Reason != "the office was closed" || len(current.Reductions) != 1 {
		t.Errorf("after the confirmation: %+v, %v", current, err)
	}
	if err := estate.Confirm(t.Context(), b.pool, lead("carol"), v.ID, "x"); !errs.Is(err, errs.Conflict) {
		t.Errorf("twice: %v", err)
	}
	if trail := b.trail(fmt.Sprint(v.ID)); trail[0] != "bob estate.reduction_confirmed permitted" {
		t.Errorf("trail %q", trail)
	}
	// The removed endpoint is no longer expected; adding it and removing it again is new.
	b.apply(lead("bob"), one+"policy:\n  every: 1m\n")
	if b.pending() != "" {
		t.Errorf("after the next version: %s", b.pending())
	}
}

// TestCommandLineApplies: what was applied on the command line is confirmed by a person.
func TestCommandLineApplies(t *testing.T) {
	b := newBench(t)
	b.apply(actor.NewSystem("cli"), two)
	v := b.apply(actor.NewSystem("cli"), one)
	if err := estate.Confirm(t.Context(), b.pool, lead("alice"), v.ID, "agreed"); err != nil {
		t.Error(err)
	}
}

// TestDatabaseRefuses goes around the program, as garant_staff.
func TestDatabaseRefuses(t *testing.T) {
	b := newBench(t)
	b.apply(lead("alice"), two)
	first := b.apply(lead("alice"), one)
	second := b.apply(lead("bob"), one+"policy:\n  every: 2m\n")
	for _, c := range []struct {
		name, sql, constraint string
		role                  pg.Role
	}{
		{"change a version", "UPDATE estate.version SET reductions = '[]'", "", pg.Staff},
		{"remove a version", "DELETE FROM estate.version", "", pg.Staff},
		{"empty it", "TRUNCATE estate.version CASCADE", "", pg.Staff},
		{"choose the time", "INSERT INTO estate.version (hash, source, applied_by, applied_at) VALUES (repeat('a', 64), '', 'person:eve', '2020-01-01')", "", pg.Staff},
		{"choose the number", "INSERT INTO estate.version (id, hash, source, applied_by) OVERRIDING SYSTEM VALUE VALUES (1, repeat('a', 64), '', 'person:eve')", "", pg.Staff},
		{"change a confirmation", "UPDATE estate.confirmation SET reason = 'x'", "", pg.Staff},
		{"remove a confirmation", "DELETE FROM estate.confirmation", "", pg.Staff},
		{"no hash", "INSERT INTO estate.version (hash, source, applied_by) VALUES ('x', '', 'person:eve')", "version_hash", pg.Staff},
		{"nobody", "INSERT INTO estate.version (hash, source, applied_by) VALUES (repeat('a', 64), '', 'eve')", "version_applied_by", pg.Staff},
		{"no list", "INSERT INTO estate.version (hash, source, applied_by, reductions) VALUES (repeat('a', 64), '', 'person:eve', '{}')", "version_reductions", pg.Staff},
		{"confirm one's own", confirmation(second.ID, "person:bob"), "confirmation_second_person", pg.Staff},
		{"confirm one's own, earlier", confirmation(second.ID, "person:alice"), "confirmation_second_person", pg.Staff},
		{"confirm as a job", confirmation(second.ID, "system:scheduler"), "confirmation_by", pg.Staff},
		{"confirm what is past", confirmation(first.ID, "person:carol"), "confirmation_current", pg.Staff},
		{"drop the trigger", "ALTER TABLE estate.confirmation DISABLE TRIGGER ALL", "", pg.Staff},
		{"apply as worker", "INSERT INTO estate.version (hash, source, applied_by) VALUES (repeat('a', 64), '', 'person:eve')", "", pg.Worker},
		{"confirm as checker", confirmation(second.ID, "person:carol"), "", pg.Checker},
		{"read as public", "SELECT FROM estate.version", "", pg.Public},
		{"read as login", "SELECT FROM estate.version", "", pg.Login},
	} {
		_, err := b.db.Pool(c.role).Exec(t.Context(), c.sql)
		switch {
		case err == nil:
			t.Errorf("%s: done", c.name)
		case c.constraint != "" && !pg.Violates(err, c.constraint):
			t.Errorf("%s: %v", c.name, pg.Wrap(err))
		case c.constraint == "" && !errs.Is(pg.Wrap(err), errs.Denied):
			t.Errorf("%s: %v", c.name, pg.Wrap(err))
		}
	}
	if _, err := b.pool.Exec(t.Context(), confirmation(second.ID, "person:carol")); err != nil {
		t.Errorf("a second person: %v", pg.Wrap(err))
	}
	clean := b.apply(lead("alice"), two)
	if _, err := b.pool.Exec(t.Context(), confirmation(clean.ID, "person:carol")); !pg.Violates(err, "confirmation_pending") {
		t.Errorf("with nothing pending: %v", pg.Wrap(err))
	}
	// A reduction that names nobody is nobody's to confirm.
	if _, err := b.pool.Exec(t.Context(), `INSERT INTO estate.version (hash, source, applied_by, reductions) VALUES (repeat('a', 64), '', 'person:eve', '[{"kind": "removed"}]')`); err != nil {
		t.Fatal(err)
	}
	id := b.count("SELECT max(id) FROM estate.version")
	if _, err := b.pool.Exec(t.Context(), confirmation(int64(id), "person:carol")); !pg.Violates(err, "confirmation_second_person") {
		t.Errorf("a reduction without a name: %v", pg.Wrap(err))
	}
	// What the program did not write, it does not read as an estate.
	if _, err := estate.Current(t.Context(), b.pool); !errs.Is(err, errs.Internal) {
		t.Errorf("a version that is none: %v", err)
	}
	// The other roles read what their work needs.
	for _, role := range []pg.Role{pg.Worker, pg.Checker} {
		if _, err := estate.Get(t.Context(), b.db.Pool(role), clean.ID); err != nil {
			t.Errorf("%s: %v", role, err)
		}
	}
}

func confirmation(version int64, by string) string {
	return fmt.Sprintf("INSERT INTO estate.confirmation (version, confirmed_by, reason) VALUES (%d, '%s', 'x')", version, by)
}

// TestAppliersOneAtATime: of many appliers at once each is measured against the one before; the
// same file makes one version, and a removal among them is not lost.
func TestAppliersOneAtATime(t *testing.T) {
	b := newBench(t)
	b.apply(lead("alice"), two)
	var wg sync.WaitGroup
	fresh := make(chan estate.Version, 64)
	for i := range 12 {
		source := one + fmt.Sprintf("policy:\n  every: %ds\n", 10+i%4)
		wg.Go(func() {
			v, err := estate.Apply(context.WithoutCancel(t.Context()), b.pool, lead(fmt.Sprint("p", i)), []byte(source), nil)
			if err != nil {
				t.Error(err)
			} else if !v.Already {
				fresh <- v
			}
		})
	}
	wg.Wait()
	close(fresh)
	made := len(fresh)
	if n := b.count("SELECT count(*) FROM estate.version"); n != made+1 || made < 4 {
		t.Errorf("%d versions in the table, %d appliers made one", n, made)
	}
	if n := b.count("SELECT count(*) FROM audit.entry WHERE action = 'estate.applied'"); n != made+1 {
		t.Errorf("%d rows in the record", n)
	}
	if n := b.count(`SELECT count(*) FROM (SELECT hash = lag(hash) OVER (ORDER BY id) AS same FROM estate.version) AS v WHERE same`); n != 0 {
		t.Errorf("%d versions repeat the one before", n)
	}
	if !strings.HasPrefix(b.pending(), officeGone) {
		t.Errorf("pending: %s", b.pending())
	}
	// The confirmation of one of two people at once counts once.
	current, err := estate.Current(t.Context(), b.pool)
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan error, 2)
	for _, who := range []string{"carol", "dave"} {
		wg.Go(func() {
			results <- estate.Confirm(context.WithoutCancel(t.Context()), b.pool, lead(who), current.ID, "agreed")
		})
	}
	wg.Wait()
	if a, b := <-results, <-results; (a == nil) == (b == nil) || !errs.Is(errors.Join(a, b), errs.Conflict) {
		t.Errorf("two confirmations at once: %v, %v", a, b)
	}
}

// TestReplay reads past days from what was kept, with the files gone from the disk.
func TestReplay(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	ca := authority(t, "Ardoise")
	if err := os.WriteFile(dir+"/ca.pem", ca, 0o600); err != nil {
		t.Fatal(err)
	}
	source := []byte("# as agreed\r\n" + one + "    trust: file:ca.pem\n")
	first, err := estate.Apply(t.Context(), b.pool, lead("alice"), source, estate.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/ca.pem", authority(t, "Other"), 0o600); err != nil {
		t.Fatal(err)
	}
	second, err := estate.Apply(t.Context(), b.pool, lead("alice"), source, estate.Dir(dir))
	if err != nil || second.Already {
		t.Fatalf("the same text with another file: %+v, %v", second, err)
	}
	if len(second.Pending()) != 1 || second.Pending()[0].Kind != estate.TrustWidened {
		t.Errorf("another authority under the same name: %s", brief(second.Pending()))
	}
	if err := os.Remove(dir + "/ca.pem"); err != nil {
		t.Fatal(err)
	}
	past, err := estate.At(t.Context(), b.pool, second.AppliedAt.Add(-time.Microsecond))
	if err != nil || past.ID != first.ID || past.Source != string(source) || string(past.Estate.Endpoints[0].TrustPEM) != string(ca) || past.Estate.Hash != first.Hash {
		t.Errorf("the day before: %+v, %v", past, err)
	}
	if now, err := estate.At(t.Context(), b.pool, second.AppliedAt); err != nil || now.ID != second.ID {
		t.Errorf("the day itself: %+v, %v", now, err)
	}
	if _, err := estate.At(t.Context(), b.pool, first.AppliedAt.Add(-time.Second)); !errs.Is(err, errs.NotFound) {
		t.Errorf("before the first: %v", err)
	}
}
