package tailoring_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/measure/tailoring"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func lead(id string) actor.Actor {
	return actor.Actor{Kind: actor.Person, ID: id, Name: "Never Recorded", Role: actor.Lead, Session: "s-" + id, Permissions: actor.Lead.Permissions()}
}

type bench struct {
	*testing.T
	db   *pg.DB
	book *tailoring.Book
}

func newBench(t *testing.T) bench {
	t.Helper()
	db := pgtest.New(t)
	base, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	return bench{t, db, &tailoring.Book{DB: db.Pool(pg.Staff), Base: base}}
}

func (b bench) revision() int64 {
	b.Helper()
	d, err := b.book.Draft(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return d.Revision
}

func (b bench) edit(by actor.Actor, text string) tailoring.Draft {
	b.Helper()
	d, err := b.book.Edit(b.Context(), by, b.revision(), text)
	if err != nil {
		b.Fatal(err)
	}
	return d
}

func (b bench) change(by actor.Actor, edits ...tailoring.Edit) tailoring.Draft {
	b.Helper()
	d, err := b.book.Change(b.Context(), by, b.revision(), edits...)
	if err != nil {
		b.Fatal(err)
	}
	return d
}

func (b bench) propose(by actor.Actor) tailoring.Proposal {
	b.Helper()
	p, err := b.book.Propose(b.Context(), by, b.revision(), "Please look")
	if err != nil {
		b.Fatal(err)
	}
	return p
}

func (b bench) publish(by actor.Actor, p tailoring.Proposal) tailoring.Version {
	b.Helper()
	v, err := b.book.Publish(b.Context(), by, p.ID, "")
	if err != nil {
		b.Fatal(err)
	}
	return v
}

func idOf(err error) string {
	var e *errs.Error
	if errors.As(err, &e) {
		return e.ID
	}
	return fmt.Sprint(err)
}

func (b bench) refused(err error, kind errs.Kind, id string) {
	b.Helper()
	if !errs.Is(err, kind) || idOf(err) != id {
		b.Errorf("%v (%s), want %s", err, idOf(err), id)
	}
}

func (b bench) trail(id string) []string {
	b.Helper()
	entries, err := audit.List(b.Context(), b.db.Pool(pg.Staff), audit.Filter{Object: audit.Object{Kind: "annex", ID: id}})
	if err != nil {
		b.Fatal(err)
	}
	var lines []string
	for _, e := range entries {
		if said := fmt.Sprint(e); strings.Contains(said, "Never Recorded") || strings.Contains(said, "secret words") {
			b.Errorf("the record holds words: %v", e)
		}
		lines = append(lines, fmt.Sprintf("%s %s %t", e.Actor.ID, e.Action, e.Refused))
	}
	return lines
}

const retention = "parameters:\n  backup.database.retention: 30d # agreed\n"

func TestFromDraftToPublished(t *testing.T) {
	b := newBench(t)
	ctx := b.Context()
	alice, bob := lead("alice"), lead("bob")
	if _, err := b.book.Published(ctx); !errs.Is(err, errs.NotFound) {
		t.Fatalf("published before anything was: %v", err)
	}
	if d, err := b.book.Draft(ctx); err != nil || d.Revision != 0 || d.Text != "" {
		t.Fatalf("%+v %v", d, err)
	}
	if last, err := b.book.Last(ctx); err != nil || last != nil {
		t.Fatalf("%+v %v", last, err)
	}
	_, err := b.book.Propose(ctx, alice, 0, "")
	b.refused(err, errs.Conflict, "tailoring.no_draft")

	b.edit(alice, retention)
	b.change(alice, tailoring.SetOwner("ENC-1", "security"))
	p := b.propose(alice)
	if p.HadAHand(bob) || !p.HadAHand(alice) {
		last, _ := b.book.Last(ctx)
		if !last.HadAHand(alice) || last.HadAHand(bob) {
			t.Errorf("hands: %v", last.Hands)
		}
	}
	b.change(bob, tailoring.SetOperator("ENC-1", catalogue.Supplier)) // after the proposal: not in it
	v := b.publish(bob, p)
	if v.Number != 1 || v.At.IsZero() || !v.Comparable || v.BaseHash != b.book.Base.Hash() || v.Hash == v.BaseHash {
		t.Errorf("%+v", v)
	}
	want := []tailoring.Difference{
		{Field: tailoring.FieldParameter, Name: "backup.database.retention", Kind: catalogue.DurationKind, Before: "31536000", After: "2592000", Effect: tailoring.Weakened},
		{Measure: "ENC-1", Field: tailoring.FieldOwner, Before: "operations", After: "security", Effect: tailoring.Changed},
	}
	if diff := cmp.Diff(want, v.Changes); diff != "" {
		t.Error(diff)
	}
	got, cat, err := b.book.Effective(ctx, b.db.Pool(pg.Worker))
	if err != nil || got.Number != 1 || cat.Hash() != v.Hash || cat.Parameters["backup.database.retention"].Duration != 30*24*time.Hour {
		t.Fatalf("%+v %v", got, err)
	}
	if m, _ := cat.Measure("ENC-1"); m.Operator != catalogue.Own || m.Owner != "security" {
		t.Errorf("what was edited after the proposal is published: %+v", m)
	}
	if diff := cmp.Diff(want, got.Changes); diff != "" {
		t.Error(diff)
	}

	// The next one: what Bob edited counts, so that Alice has to review.
	p = b.propose(bob)
	_, err = b.book.Publish(ctx, bob, p.ID, "")
	b.refused(err, errs.Denied, "tailoring.second_person")
	second := b.publish(alice, p)
	if second.Number != 2 || len(second.Changes) != 1 || second.Changes[0].Field != tailoring.FieldOperator {
		t.Errorf("%+v", second)
	}
	list, err := b.book.Versions(ctx, 0, 0)
	if err != nil || len(list) != 2 || list[0].Number != 2 || list[0].Text != "" || list[1].Number != 1 || list[1].Note != "Please look" {
		t.Errorf("%+v %v", list, err)
	}
	if older, err := b.book.Versions(ctx, 2, 10); err != nil || len(older) != 1 || older[0].Number != 1 {
		t.Errorf("%+v %v", older, err)
	}
	if one, err := b.book.Version(ctx, 1); err != nil || !strings.Contains(one.Text, "# agreed") {
		t.Errorf("%+v %v", one, err)
	}
	if past, err := tailoring.PublishedAt(ctx, b.db.Pool(pg.Staff), second.At.Add(-time.Microsecond)); err != nil || past.Number != 1 {
		t.Errorf("%+v %v", past, err)
	}
	_, err = b.book.Propose(ctx, alice, b.revision(), "")
	b.refused(err, errs.Conflict, "tailoring.nothing_new")
	if diff := cmp.Diff([]string{"bob annex.proposed false", "bob annex.edited false", "alice annex.proposed false", "alice annex.edited false", "alice annex.edited false"}, b.trail("draft")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"alice annex.published false"}, b.trail("2")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"bob annex.published true"}, b.trail(fmt.Sprintf("proposal-%d", p.ID))); diff != "" {
		t.Error(diff)
	}
}

func TestWhoMay(t *testing.T) {
	b := newBench(t)
	ctx := b.Context()
	reader := actor.Actor{Kind: actor.Person, ID: "rita", Permissions: actor.Reader.Permissions()}
	_, err := b.book.Edit(ctx, reader, 0, retention)
	b.refused(err, errs.Denied, "tailoring.denied")
	_, err = b.book.Change(ctx, reader, 0, tailoring.SetOwner("ENC-1", "security"))
	b.refused(err, errs.Denied, "tailoring.denied")
	_, err = b.book.Propose(ctx, reader, 0, "")
	b.refused(err, errs.Denied, "tailoring.denied")
	if b.revision() != 0 {
		t.Error("a reader edited")
	}
	shell := actor.NewSystem("cli:root")
	b.edit(shell, retention)
	p := b.propose(shell)
	_, err = b.book.Publish(ctx, shell, p.ID, "")
	b.refused(err, errs.Denied, "tailoring.no_person")
	b.refused(b.book.Refuse(ctx, shell, p.ID, "no"), errs.Denied, "tailoring.no_person")
	_, err = b.book.Publish(ctx, reader, p.ID, "")
	b.refused(err, errs.Denied, "tailoring.review_denied")
	b.refused(b.book.Withdraw(ctx, reader, p.ID), errs.Denied, "tailoring.denied")
	b.refused(b.book.Refuse(ctx, lead("bob"), p.ID, " "), errs.Invalid, "tailoring.no_refusal_reason")
	b.refused(b.book.Refuse(ctx, lead("bob"), p.ID, strings.Repeat("x", 1001)), errs.Invalid, "tailoring.note")
	if _, err := b.book.Published(ctx); !errs.Is(err, errs.NotFound) {
		t.Errorf("published: %v", err)
	}
	if got := b.trail(fmt.Sprintf("proposal-%d", p.ID)); len(got) != 4 {
		t.Errorf("refused attempts in the record: %v", got)
	}
	b.publish(lead("bob"), p)
}

func TestRefuseAndWithdraw(t *testing.T) {
	b := newBench(t)
	ctx := b.Context()
	alice, bob := lead("alice"), lead("bob")
	b.edit(alice, retention)
	first := b.propose(alice)
	_, err := b.book.Propose(ctx, alice, b.revision(), "")
	b.refused(err, errs.Conflict, "tailoring.waiting")
	if err := b.book.Refuse(ctx, bob, first.ID, "Retention must stay"); err != nil {
		t.Fatal(err)
	}
	last, err := b.book.Last(ctx)
	if err != nil || last.Decision == nil || last.Decision.Outcome != tailoring.Refused || last.Decision.Reason != "Retention must stay" || last.Decision.By.ID != "bob" {
		t.Errorf("%+v %v", last, err)
	}
	_, err = b.book.Publish(ctx, bob, first.ID, "")
	b.refused(err, errs.Conflict, "tailoring.decided")
	b.refused(b.book.Withdraw(ctx, alice, first.ID), errs.Conflict, "tailoring.decided")
	b.refused(b.book.Withdraw(ctx, alice, 999), errs.NotFound, "tailoring.no_proposal")

	second := b.propose(alice)
	if err := b.book.Withdraw(ctx, alice, second.ID); err != nil {
		t.Fatal(err)
	}
	// Withdrawing and having somebody else submit does not wash the first hand off.
	third := b.propose(bob)
	_, err = b.book.Publish(ctx, alice, third.ID, "")
	b.refused(err, errs.Denied, "tailoring.second_person")
	_, err = b.book.Publish(ctx, bob, third.ID, "")
	b.refused(err, errs.Denied, "tailoring.second_person")
	b.publish(lead("carol"), third)
}

// A hand stays on the text although somebody else wrote all of it anew.
func TestHandsAreCountedSinceThePublication(t *testing.T) {
	b := newBench(t)
	ctx := b.Context()
	alice, bob, carol := lead("alice"), lead("bob"), lead("carol")
	b.edit(bob, retention)
	b.edit(alice, "# all new\n")
	p := b.propose(alice)
	_, err := b.book.Publish(ctx, bob, p.ID, "")
	b.refused(err, errs.Denied, "tailoring.second_person")
	b.publish(carol, p)
	b.edit(alice, retention)
	b.publish(bob, b.propose(alice)) // Bob's hand was in the last one, not in this
}

// The database itself refuses, whatever a server that was broken into would try as its role.
func TestTheDatabaseRefuses(t *testing.T) {
	b := newBench(t)
	ctx := b.Context()
	alice, bob := lead("alice"), lead("bob")
	b.edit(alice, retention)
	p := b.propose(alice)
	pool := b.db.Pool(pg.Staff)
	hash := strings.Repeat("a", 64)
	decide := func(by string, outcome string, version any) error {
		_, err := pool.Exec(ctx, `INSERT INTO measure.annex_decision (proposal, outcome, reason, decided_by, version, base_hash, hash) VALUES ($1, $2, 'x', $3, $4, $5, $5)`, p.ID, outcome, by, version, hash)
		return err
	}
	for _, c := range []struct {
		name, constraint string
		err              error
	}{
		{"self-review", "annex_decision_second_person", decide("person:alice", "published", 1)},
		{"self-refusal", "annex_decision_second_person", decide("person:alice", "refused", nil)},
		{"a part of Garant", "annex_decision_second_person", decide("system:cli:root", "published", 1)},
		{"nobody", "annex_decision_second_person", decide("person:", "published", 1)},
		{"a gap", "annex_decision_next", decide("person:bob", "published", 7)},
		{"published without a version", "annex_decision_check", decide("person:bob", "published", nil)},
		{"refused with a version", "annex_decision_check", decide("person:bob", "refused", 1)},
		{"an unknown outcome", "annex_decision_outcome_check", decide("person:bob", "lost", nil)},
	} {
		if !pg.Violates(c.err, c.constraint) {
			t.Errorf("%s: %v, want %s", c.name, c.err, c.constraint)
		}
	}
	_, err := pool.Exec(ctx, "INSERT INTO measure.annex_draft (revision, text, hash, edited_by) VALUES (9, '', $1, 'person:bob')", hash)
	if !pg.Violates(err, "annex_draft_next") {
		t.Errorf("a gap between revisions: %v", err)
	}
	_, err = pool.Exec(ctx, "INSERT INTO measure.annex_proposal (revision, note, proposed_by) VALUES (1, '', 'person:bob')")
	if !pg.Violates(err, "annex_proposal_one") {
		t.Errorf("two proposals: %v", err)
	}
	v := b.publish(bob, p)
	for _, role := range []pg.Role{pg.Staff, pg.Worker, pg.Checker, pg.Public, pg.Login} {
		for _, table := range []string{"annex_draft", "annex_proposal", "annex_decision"} {
			column := map[string]string{"annex_draft": "text", "annex_proposal": "note", "annex_decision": "reason"}[table]
			for _, statement := range []string{"UPDATE measure." + table + " SET " + column + " = 'x'", "DELETE FROM measure." + table, "TRUNCATE measure." + table} {
				if _, err := b.db.Pool(role).Exec(ctx, statement); !strings.Contains(fmt.Sprint(err), "42501") && !strings.Contains(fmt.Sprint(err), "25006") {
					t.Errorf("%s: %s: %v", role, statement, err)
				}
			}
		}
	}
	for _, role := range []pg.Role{pg.Checker, pg.Public, pg.Login} {
		if _, err := b.db.Pool(role).Exec(ctx, "SELECT text FROM measure.annex_draft"); !strings.Contains(fmt.Sprint(err), "42501") {
			t.Errorf("%s reads the draft: %v", role, err)
		}
	}
	if _, err := b.db.Pool(pg.Worker).Exec(ctx, "INSERT INTO measure.annex_draft (revision, text, hash, edited_by) VALUES (2, '', $1, 'person:bob')", hash); !strings.Contains(fmt.Sprint(err), "42501") {
		t.Errorf("the worker edits: %v", err)
	}
	if again, err := b.book.Published(ctx); err != nil || again.Hash != v.Hash {
		t.Errorf("%+v %v", again, err)
	}
}

func TestTwoEditors(t *testing.T) {
	b := newBench(t)
	ctx := b.Context()
	alice, bob := lead("alice"), lead("bob")
	b.edit(alice, "# ours\n"+retention)
	seen := b.revision()

	// At different places both go through, and comments stay.
	if _, err := b.book.Change(ctx, alice, seen, tailoring.SetOwner("ENC-1", "security")); err != nil {
		t.Fatal(err)
	}
	d, err := b.book.Change(ctx, bob, seen, tailoring.SetOwner("ENC-2", "security"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# ours", "# agreed", "ENC-1", "ENC-2"} {
		if !strings.Contains(d.Text, want) {
			t.Errorf("%q is lost:\n%s", want, d.Text)
		}
	}
	// At the same place the second is told, with both texts.
	_, err = b.book.Change(ctx, bob, seen, tailoring.SetOwner("ENC-1", "management"))
	var conflict *tailoring.Conflict
	if !errors.As(err, &conflict) || !errs.Is(err, errs.Conflict) || !strings.Contains(conflict.Yours, "owner: management") || !strings.Contains(conflict.Theirs.Text, "owner: security") || conflict.Theirs.EditedBy.ID != "bob" {
		t.Errorf("%v %+v", err, conflict)
	}
	_, err = b.book.Edit(ctx, bob, seen, "# mine\n")
	if !errors.As(err, &conflict) || conflict.Yours != "# mine\n" || conflict.Theirs.Revision != d.Revision {
		t.Errorf("%v %+v", err, conflict)
	}
	_, err = b.book.Change(ctx, bob, 99, tailoring.SetOwner("ENC-1", "management"))
	b.refused(err, errs.NotFound, "tailoring.no_revision")
	_, err = b.book.Propose(ctx, alice, seen, "")
	b.refused(err, errs.Conflict, "tailoring.moved")

	// Many at once: each change is there, or its editor was told.
	var wg sync.WaitGroup
	var mu sync.Mutex
	told := map[string]bool{}
	base := b.revision()
	for i := range 12 {
		id := fmt.Sprintf("PHY-%d", i%6+1)
		team := []string{"legal", "people"}[i/6]
		wg.Go(func() {
			if _, err := b.book.Change(ctx, lead(team), base, tailoring.SetOwner(id, team)); err != nil {
				mu.Lock()
				defer mu.Unlock()
				told[id+team] = true
				if !errs.Is(err, errs.Conflict) {
					t.Errorf("%s: %v", id, err)
				}
			}
		})
	}
	wg.Wait()
	final, err := b.book.Draft(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cat, err := b.book.Tailor(final.Text)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		id := fmt.Sprintf("PHY-%d", i+1)
		m, _ := cat.Measure(id)
		if !told[id+"legal"] && m.Owner != "legal" || !told[id+"people"] && m.Owner != "people" {
			t.Errorf("%s is owned by %s and nobody was told: %v", id, m.Owner, told)
		}
	}
}

func TestEditsThatAreRefusedChangeNothing(t *testing.T) {
	b := newBench(t)
	ctx := b.Context()
	alice := lead("alice")
	b.edit(alice, retention)
	for name, text := range map[string]string{
		"a dropped fact": "measures: {ENC-1: {sentence: {fr: Tout est chiffré., en: All is encrypted.}}}\n",
		"no YAML":        "measures: [",
		"NUL":            "# \x00\nmeasures: {}\n",
		"too large":      "#" + strings.Repeat(" secret words", 1<<20/12) + "\n",
		"an unknown id":  "measures: {ENC-99: {owner: security}}\n",
	} {
		if _, err := b.book.Edit(ctx, alice, 1, text); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := b.book.Change(ctx, alice, 1, tailoring.SetOwner("ENC-1", "nobody"))
	if problems := catalogue.Problems(err); len(problems) != 1 || problems[0].ID != "tailoring.team_unknown" {
		t.Errorf("%v", err)
	}
	if d, err := b.book.Draft(ctx); err != nil || d.Revision != 1 || d.Text != retention {
		t.Errorf("%+v %v", d, err)
	}
	// What is said already makes no revision, and no hand.
	if d := b.change(lead("bob"), tailoring.SetParameter(b.book.Base.Parameters["backup.database.retention"], "30d")); d.Revision != 1 {
		t.Errorf("%+v", d)
	}
	if d := b.edit(lead("bob"), retention); d.Revision != 1 {
		t.Errorf("%+v", d)
	}
	if got := b.trail("draft"); len(got) != 1 {
		t.Errorf("the record: %v", got)
	}
}

// A text just below the limit is kept and read again to the letter.
func TestLargeText(t *testing.T) {
	b := newBench(t)
	text := retention
	line := "# " + strings.Repeat("é", 59) + "\n"
	text += strings.Repeat(line, (1<<20-len(text))/len(line))
	d := b.edit(lead("alice"), text)
	got, err := b.book.Revision(b.Context(), d.Revision)
	if err != nil || got.Text != text {
		t.Errorf("%d of %d bytes, %v", len(got.Text), len(text), err)
	}
	b.publish(lead("bob"), b.propose(lead("alice")))
}

// A transaction that is cut off leaves neither a change nor an entry of it.
func TestCutOff(t *testing.T) {
	b := newBench(t)
	alice, bob := lead("alice"), lead("bob")
	b.edit(alice, retention)
	p := b.propose(alice)
	for step := 1; step < 12; step++ {
		cut := &cutter{DB: b.db.Pool(pg.Staff), after: step}
		book := &tailoring.Book{DB: cut, Base: b.book.Base}
		_, err := book.Publish(b.Context(), bob, p.ID, "")
		_, published := b.book.Published(b.Context())
		trail := len(b.trail("1"))
		if err == nil {
			if published != nil || trail != 1 {
				t.Errorf("step %d: published without a trace: %v, %d", step, published, trail)
			}
			if step < 4 {
				t.Errorf("only %d statements", step)
			}
			return
		}
		if !errs.Is(published, errs.NotFound) || trail != 0 {
			t.Fatalf("step %d: half a publication: %v, %d entries, %v", step, published, trail, err)
		}
	}
	t.Error("it was never published")
}

// cutter ends the transaction's connection after so many statements.
type cutter struct {
	tailoring.DB
	after int
}

func (c *cutter) Begin(ctx context.Context) (pgx.Tx, error) {
	tx, err := c.DB.Begin(ctx)
	return &cutTx{Tx: tx, left: c.after}, err
}

type cutTx struct {
	pgx.Tx
	left int
}

func (c *cutTx) cut(ctx context.Context) {
	if c.left--; c.left == 0 {
		_, _ = c.Tx.Exec(ctx, "SELECT pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid())")
	}
}

func (c *cutTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	c.cut(ctx)
	return c.Tx.Exec(ctx, sql, args...)
}

func (c *cutTx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	c.cut(ctx)
	return c.Tx.Query(ctx, sql, args...)
}

func (c *cutTx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	c.cut(ctx)
	return c.Tx.QueryRow(ctx, sql, args...)
}

func (c *cutTx) Commit(ctx context.Context) error {
	c.cut(ctx)
	return c.Tx.Commit(ctx)
}

// A version of another build is told with its lines, and is never half in force.
func TestAnotherBuild(t *testing.T) {
	b := newBench(t)
	ctx := b.Context()
	alice, bob := lead("alice"), lead("bob")
	b.edit(alice, "# ours\n"+retention+"measures:\n  ENC-1: {owner: security}\n")
	b.publish(bob, b.propose(alice))
	other, err := catalogue.Parse([]byte(smallMeasures), map[string][]byte{"fr": []byte(smallFR), "en": []byte(smallEN)})
	if err != nil {
		t.Fatal(err)
	}
	newer := &tailoring.Book{DB: b.book.DB, Base: other}
	v, cat, err := newer.Effective(ctx, b.db.Pool(pg.Worker))
	var outdated *tailoring.Outdated
	if cat != nil || v.Number != 1 || !errors.As(err, &outdated) || !errs.Is(err, errs.Conflict) {
		t.Fatalf("%+v %v %v", v, cat, err)
	}
	for _, want := range []string{"annex.yaml, line 3:", "annex.yaml, line 5:", "ENC-1"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	// Its draft is refused as a whole until all of it is right, by small edits too.
	_, err = newer.Change(ctx, alice, 1, tailoring.SetOwner("AAA-1", "ops"))
	if len(catalogue.Problems(err)) != 2 {
		t.Errorf("%v", err)
	}
	_, err = newer.Propose(ctx, alice, 1, "")
	if !errs.Is(err, errs.Conflict) && !errs.Is(err, errs.Invalid) {
		t.Errorf("%v", err)
	}
	if _, err := newer.Edit(ctx, alice, 1, "measures: {AAA-1: {operator: supplier}}\n"); err != nil {
		t.Fatal(err)
	}
	p, err := newer.Propose(ctx, alice, 2, "")
	if err != nil {
		t.Fatal(err)
	}
	v, err = newer.Publish(ctx, bob, p.ID, "")
	if err != nil || v.Number != 2 || v.Comparable || v.Changes != nil {
		t.Errorf("changes against what cannot be read: %+v %v", v, err)
	}
	if v, err = newer.Published(ctx); err != nil || v.Comparable || v.Changes != nil {
		t.Errorf("%+v %v", v, err)
	}
}

const smallMeasures = `sections: [{id: 1, gdpr: [32(1)(a)]}]
measures:
  - {id: AAA-1, section: 1, kind: checked, owner: ops, operator: own, refs: {gdpr: [32(1)(a)]}}
`

const smallFR = `sections: {1: Un titre}
teams: {ops: Exploitation}
measures: {AAA-1: {title: Copies, sentence: Nous gardons des copies., method: Garant les compte.}}
`

const smallEN = `sections: {1: A title}
teams: {ops: Operations}
measures: {AAA-1: {title: Copies, sentence: We keep copies., method: Garant counts them.}}
`
