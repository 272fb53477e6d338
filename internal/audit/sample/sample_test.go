package sample_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/sample"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var auditor = actor.Actor{Kind: actor.Person, ID: uuid.NewString(), Role: actor.Auditor, Permissions: actor.Auditor.Permissions()}

// entries is the record's own entries as a population.
func entries(action string) sample.Source {
	return sample.Source{
		List: func(ctx context.Context, on pg.Querier, after string, limit int) ([]string, error) {
			rows, err := on.Query(ctx, "SELECT e.id::text FROM audit.entry e WHERE e.action = $1 AND e.id > coalesce(nullif($2, '')::bigint, 0) ORDER BY e.id LIMIT $3", action, after, limit)
			if err != nil {
				return nil, err
			}
			return pgx.CollectRows(rows, pgx.RowTo[string])
		},
		Digests: func(_ context.Context, _ pg.Querier, ids []string) (map[string]string, error) {
			out := map[string]string{}
			for _, id := range ids {
				sum := sha256.Sum256([]byte(id))
				out[id] = hex.EncodeToString(sum[:])
			}
			return out, nil
		},
	}
}

func record(t *testing.T, db *pg.DB, n int) {
	t.Helper()
	for range n {
		if err := audit.Refused(context.Background(), db.Pool(pg.Staff), actor.NewSystem("test"), "thing.done", audit.Object{Kind: "thing", ID: "1"}, nil); err != nil {
			t.Fatal(err)
		}
	}
}

func order(now time.Time) sample.Order {
	return sample.Order{Population: "entries", Part: "thing.done", From: now.Add(-time.Hour), Until: now.Add(-sample.Settled), Method: sample.Random, Seed: "2026-Q4", Size: 5, Purpose: "Are things done?"}
}

func ids(s sample.Sample) []string {
	var out []string
	for _, i := range s.Items {
		out = append(out, i.ID)
	}
	return out
}

func TestDraw(t *testing.T) {
	db := pgtest.New(t)
	ctx, staff, now := context.Background(), db.Pool(pg.Staff), time.Now()
	record(t, db, 40)
	first, err := sample.Draw(ctx, staff, auditor, order(now), entries("thing.done"), now)
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Items) != 5 || first.Frame.Size != 40 || !first.Intact() {
		t.Fatalf("drew %+v", first)
	}
	back, err := sample.Load(ctx, staff, first.ID)
	if err != nil || !back.Intact() || !slices.Equal(ids(back), ids(first)) || back.DrawnBy != "person:"+auditor.ID || back.Purpose != "Are things done?" {
		t.Fatalf("read back %+v, %v", back, err)
	}
	// The same seed over the same population gives the same, another seed does not.
	again, err := sample.Draw(ctx, staff, auditor, order(now), entries("thing.done"), now)
	if err != nil || !slices.Equal(ids(again), ids(first)) || again.Frame != first.Frame || again.ID == first.ID {
		t.Errorf("drawn again: %v, %v", ids(again), err)
	}
	o := order(now)
	o.Seed = ""
	if other, err := sample.Draw(ctx, staff, auditor, o, entries("thing.done"), now); err != nil || other.Seed == "" || slices.Equal(ids(other), ids(first)) {
		t.Errorf("with a seed of its own: %v, %v", ids(other), err)
	}
	// What came later is told apart from what vanished.
	list := func(ctx context.Context, after string, limit int) ([]string, error) {
		return entries("thing.done").List(ctx, staff, after, limit)
	}
	record(t, db, 3)
	if since, err := sample.Compare(ctx, list, first.Frame); err != nil || !since.Same || since.Grown != 3 {
		t.Errorf("grown: %+v, %v", since, err)
	}
	if _, err := pgtest.Superuser(t, staff.Config().ConnConfig.Database).Exec(ctx, "DELETE FROM audit.entry WHERE id = $1::bigint", first.Items[2].ID); err != nil {
		t.Fatal(err)
	}
	if since, err := sample.Compare(ctx, list, first.Frame); err != nil || since.Same {
		t.Errorf("one vanished: %+v, %v", since, err)
	}
	drawn, err := audit.List(ctx, staff, audit.Filter{Action: "sample.drawn"})
	if err != nil || len(drawn) != 3 || drawn[2].Object.ID != first.ID || drawn[2].Detail["digest"] != first.Digest || drawn[2].Actor.ID != auditor.ID {
		t.Errorf("recorded %+v, %v", drawn, err)
	}
}

func TestDrawRefuses(t *testing.T) {
	db := pgtest.New(t)
	ctx, staff, now := context.Background(), db.Pool(pg.Staff), time.Now()
	record(t, db, 3)
	for id, change := range map[string]func(*sample.Order){
		"sample.population": func(o *sample.Order) { o.Population = "" },
		"sample.method":     func(o *sample.Order) { o.Method = "favourites" },
		"sample.size":       func(o *sample.Order) { o.Size = sample.MaxSize + 1 },
		"sample.seed":       func(o *sample.Order) { o.Seed = "x'; rm -rf" },
		"sample.period":     func(o *sample.Order) { o.From = o.Until },
		"sample.unsettled":  func(o *sample.Order) { o.Until = now },
		"sample.purpose":    func(o *sample.Order) { o.Purpose = strings.Repeat("x", 501) },
	} {
		o := order(now)
		change(&o)
		_, err := sample.Draw(ctx, staff, auditor, o, entries("thing.done"), now)
		wantID(t, err, id)
	}
	_, err := sample.Draw(ctx, staff, auditor, order(now), entries("nothing.done"), now)
	wantID(t, err, "sample.empty")
	reader := actor.Actor{Kind: actor.Person, ID: uuid.NewString(), Permissions: actor.Reader.Permissions()}
	_, err = sample.Draw(ctx, staff, reader, order(now), entries("thing.done"), now)
	wantID(t, err, "sample.denied")
	wantID(t, sample.AddNote(ctx, staff, reader, uuid.NewString(), 1, sample.OK, "", now), "sample.denied")
	if list, err := sample.Recent(ctx, staff, "", 10); err != nil || len(list) != 0 {
		t.Errorf("kept in spite of it: %d, %v", len(list), err)
	}
	refused, err := audit.List(ctx, staff, audit.Filter{ActorID: reader.ID})
	if err != nil || len(refused) != 2 || !refused[0].Refused {
		t.Errorf("refusals recorded: %+v, %v", refused, err)
	}
	for _, id := range []string{"", "x", uuid.NewString()} {
		_, err := sample.Load(ctx, staff, id)
		wantID(t, err, "sample.none")
	}
}

func TestNotes(t *testing.T) {
	db := pgtest.New(t)
	ctx, staff, now := context.Background(), db.Pool(pg.Staff), time.Now()
	record(t, db, 10)
	s, err := sample.Draw(ctx, staff, auditor, order(now), entries("thing.done"), now)
	if err != nil {
		t.Fatal(err)
	}
	note := func(position int, r sample.Result, text string) error {
		return sample.AddNote(ctx, staff, auditor, s.ID, position, r, text, now)
	}
	wantID(t, note(1, "perfect", ""), "sample.result")
	wantID(t, note(1, sample.Exception, "  "), "sample.note_missing")
	wantID(t, note(1, sample.OK, strings.Repeat("é", 2001)), "sample.note")
	wantID(t, note(1, sample.OK, "a\x00b"), "sample.note")
	wantID(t, note(6, sample.OK, ""), "sample.none")
	wantID(t, sample.AddNote(ctx, staff, auditor, uuid.NewString(), 1, sample.OK, "", now), "sample.none")
	for _, err := range []error{note(1, sample.Exception, "<b>No approval</b>"), note(1, sample.OK, "Found it after all."), note(2, sample.NotAssessable, "Gone.")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	notes, err := sample.Notes(ctx, staff, s.ID)
	if err != nil || len(notes) != 3 || notes[0].Text != "<b>No approval</b>" || notes[1].Result != sample.OK || notes[2].By != "person:"+auditor.ID {
		t.Errorf("notes %+v, %v", notes, err)
	}
	list, err := sample.Recent(ctx, staff, "", 10)
	if err != nil || len(list) != 1 || list[0].Drawn != 5 || list[0].Noted != 2 || list[0].Excepted != 0 {
		t.Errorf("summary %+v, %v", list, err)
	}
	if err := note(2, sample.Exception, "Found, and wrong."); err != nil {
		t.Fatal(err)
	}
	if list, err := sample.Recent(ctx, staff, "", 10); err != nil || list[0].Excepted != 1 {
		t.Errorf("summary %+v, %v", list, err)
	}
}

// Nothing of a sample can be changed by a serving role, and what is added to it afterwards shows.
func TestSamplesAreKept(t *testing.T) {
	db := pgtest.New(t)
	ctx, staff, now := context.Background(), db.Pool(pg.Staff), time.Now()
	record(t, db, 10)
	s, err := sample.Draw(ctx, staff, auditor, order(now), entries("thing.done"), now)
	if err != nil {
		t.Fatal(err)
	}
	if err := sample.AddNote(ctx, staff, auditor, s.ID, 1, sample.OK, "", now); err != nil {
		t.Fatal(err)
	}
	for _, role := range pg.ServingRoles() {
		for _, sql := range []string{
			"UPDATE audit.sample SET seed = '1'", "DELETE FROM audit.sample", "UPDATE audit.sample_item SET item_id = '1'", "DELETE FROM audit.sample_item",
			"UPDATE audit.sample_note SET note = ''", "DELETE FROM audit.sample_note", "TRUNCATE audit.sample, audit.sample_item, audit.sample_note",
		} {
			if _, err := db.Pool(role).Exec(ctx, sql); !errs.Is(pg.Wrap(err), errs.Denied) && role != pg.Public {
				t.Errorf("%s as %s: %v", sql, role, err)
			}
		}
	}
	if _, err := staff.Exec(ctx, "INSERT INTO audit.sample_item VALUES ($1, 6, 'slipped in', repeat('a', 64))", s.ID); err != nil {
		t.Fatal(err)
	}
	if back, err := sample.Load(ctx, staff, s.ID); err != nil || back.Intact() {
		t.Errorf("an item that was slipped in is not seen: %v", err)
	}
	for name, sql := range map[string]string{
		"an exception without a word": "INSERT INTO audit.sample_note VALUES (gen_random_uuid(), '" + s.ID + "', 1, 'exception', '', now(), 'person:x')",
		"a result of one's own":       "INSERT INTO audit.sample_note VALUES (gen_random_uuid(), '" + s.ID + "', 1, 'fine', '', now(), 'person:x')",
	} {
		if _, err := staff.Exec(ctx, sql); err == nil {
			t.Errorf("%s was kept", name)
		}
	}
}

func wantID(t *testing.T, err error, id string) {
	t.Helper()
	var e *errs.Error
	if !errors.As(err, &e) || e.ID != id {
		t.Errorf("error %v, want %s", err, id)
	}
}

// What users and applications record under the name of an action of the company is not drawn with what the company did.
func TestCustomersAreApart(t *testing.T) {
	ctx := context.Background()
	db := pgtest.New(t)
	staff := db.Pool(pg.Staff)
	write := func(action string, by actor.Actor, tenant string) {
		t.Helper()
		if err := pg.InTx(ctx, staff, func(tx pgx.Tx) error {
			return audit.Write(ctx, tx, audit.Event{By: by, Tenant: tenant, Action: action, On: audit.Object{Kind: "thing", ID: "1"}})
		}); err != nil {
			t.Fatal(err)
		}
	}
	customer := uuid.NewString()
	write("grant.given", auditor, "")
	write("grant.given", auditor, customer) // a person of the company, for a customer
	for range 5 {
		write("grant.given", actor.Actor{Kind: actor.User, ID: "u1"}, customer)
		write("grant.given", actor.Actor{Kind: actor.System, ID: "role:shop"}, "")
	}
	write("order.sent", actor.Actor{Kind: actor.User, ID: "u1"}, customer)
	write("person.added", actor.NewSystem("test"), "")
	parts, err := audit.Parts(ctx, staff)
	want := []audit.Part{{Action: "grant.given"}, {Action: "grant.given", Customers: true}, {Action: "order.sent"}, {Action: "order.sent", Customers: true}, {Action: "person.added"}}
	if err != nil || !slices.Equal(parts, want) {
		t.Errorf("parts %v, %v", parts, err)
	}
	for part, many := range map[audit.Part]int{want[0]: 2, want[1]: 10, want[2]: 0, want[3]: 1, want[4]: 1} {
		ids, err := audit.IDs(ctx, staff, part, time.Now().Add(-time.Hour), time.Now().Add(time.Hour), 0, 100)
		if err != nil || len(ids) != many {
			t.Errorf("%v: %d entries, %v", part, len(ids), err)
		}
	}
}
