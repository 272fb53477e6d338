package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var who = actor.Actor{Kind: actor.Person, ID: "p1", Session: "s1", Origin: "127.0.0.1"}

func list(t *testing.T, db *pg.DB, f audit.Filter) []audit.Entry {
	t.Helper()
	entries, err := audit.List(context.Background(), db.Pool(pg.Staff), f)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestAnEntryLivesAndDiesWithItsChange(t *testing.T) {
	db := pgtest.New(t)
	ctx := context.Background()
	object := audit.Object{Kind: "thing", ID: "1"}
	change := func(fail bool) error {
		return pg.InTx(ctx, db.Pool(pg.Staff), func(tx pgx.Tx) error {
			if err := audit.Record(ctx, tx, who, "thing.changed", object, map[string]any{"field": "name"}); err != nil {
				return err
			}
			if fail {
				return errors.New("the change failed")
			}
			return nil
		})
	}
	if err := change(true); err == nil {
		t.Fatal("no error")
	}
	if entries := list(t, db, audit.Filter{Object: object}); len(entries) != 0 {
		t.Errorf("an entry of a change that was rolled back: %+v", entries)
	}
	if err := change(false); err != nil {
		t.Fatal(err)
	}
	entries := list(t, db, audit.Filter{Object: object})
	if len(entries) != 1 {
		t.Fatalf("%d entries", len(entries))
	}
	e := entries[0]
	if e.Actor.ID != "p1" || e.Actor.Session != "s1" || e.Action != "thing.changed" || e.Refused || e.Detail["field"] != "name" || e.At.IsZero() {
		t.Errorf("%+v", e)
	}
}

func TestNobodyActsUnnamed(t *testing.T) {
	db := pgtest.New(t)
	ctx := context.Background()
	err := pg.InTx(ctx, db.Pool(pg.Staff), func(tx pgx.Tx) error {
		return audit.Record(ctx, tx, actor.Actor{Kind: actor.Person}, "thing.changed", audit.Object{Kind: "thing", ID: "1"}, nil)
	})
	if !errs.Is(err, errs.Internal) {
		t.Errorf("an action without an actor: %v", err)
	}
	for _, action := range []string{"", "changed", "Thing.Changed", "thing.changed; drop"} {
		if err := audit.Refused(ctx, db.Pool(pg.Staff), who, action, audit.Object{Kind: "thing", ID: "1"}, nil); err == nil {
			t.Errorf("the action %q was accepted", action)
		}
	}
}

func TestListPagesAndFilters(t *testing.T) {
	db := pgtest.New(t)
	ctx := context.Background()
	for i := range 7 {
		by := who
		if i%2 == 1 {
			by.ID = "p2"
		}
		if err := audit.Refused(ctx, db.Pool(pg.Login), by, "thing.tried", audit.Object{Kind: "thing", ID: "1"}, nil); err != nil {
			t.Fatal(err)
		}
	}
	var seen []int64
	for before := int64(0); ; {
		page := list(t, db, audit.Filter{Before: before, Limit: 3})
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			if !e.Refused || (len(seen) > 0 && e.ID >= seen[len(seen)-1]) {
				t.Errorf("entry %+v after %v", e, seen)
			}
			seen = append(seen, e.ID)
		}
		before = seen[len(seen)-1]
	}
	if len(seen) != 7 {
		t.Errorf("%d of 7 entries", len(seen))
	}
	if got := list(t, db, audit.Filter{ActorID: "p2"}); len(got) != 3 {
		t.Errorf("%d of p2's 3", len(got))
	}
	if got := list(t, db, audit.Filter{Action: "thing.other"}); len(got) != 0 {
		t.Errorf("%d of none", len(got))
	}
}

func TestNobodyEscapesTheRecordByHowTheyWrite(t *testing.T) {
	db := pgtest.New(t)
	long := make([]byte, 9000)
	for i := range long { // of no pattern: an index would compress one
		long[i] = "abcdefghijklmnopqrstuvwxyz0123456789"[(i*i*7+i*31+i/36)%36]
	}
	for tried, kept := range map[string]string{
		"POST /people/\x00/role": "POST /people/\uFFFD/role", "POST /people/\xff": "POST /people/\uFFFD", string(long): string(long[:500]) + "…",
		strings.Repeat("é", 300) + "x": strings.Repeat("é", 250) + "…", "a" + strings.Repeat("é", 300): "a" + strings.Repeat("é", 249) + "…",
	} {
		if err := audit.Refused(context.Background(), db.Pool(pg.Staff), who, "thing.tried", audit.Object{Kind: "route", ID: tried}, nil); err != nil {
			t.Errorf("%.30q is not recorded: %v", tried, err)
			continue
		}
		if e := list(t, db, audit.Filter{Limit: 1})[0]; e.Object.ID != kept {
			t.Errorf("%.30q is recorded as %.60q", tried, e.Object.ID)
		}
	}
}

func TestListLeavesOut(t *testing.T) {
	db := pgtest.New(t)
	for _, action := range []string{"thing.tried", "thing.seen"} {
		if err := audit.Refused(context.Background(), db.Pool(pg.Login), who, action, audit.Object{Kind: "thing", ID: "1"}, nil); err != nil {
			t.Fatal(err)
		}
	}
	since := time.Now().Add(-time.Hour)
	for range 3 {
		if err := pg.InTx(context.Background(), db.Pool(pg.Login), func(tx pgx.Tx) error {
			return audit.Record(context.Background(), tx, who, "thing.seen", audit.Object{Kind: "thing", ID: "1"}, nil)
		}); err != nil {
			t.Fatal(err)
		}
	}
	if got := list(t, db, audit.Filter{Without: []string{"thing.seen", "thing.else"}}); len(got) != 2 || !got[0].Refused || !got[1].Refused {
		t.Errorf("%+v", got)
	}
	if got := list(t, db, audit.Filter{}); len(got) != 5 {
		t.Errorf("%d of 5", len(got))
	}
	for _, c := range []struct {
		since      time.Time
		most, want int
	}{{since, 10, 3}, {since, 2, 2}, {time.Now().Add(time.Hour), 10, 0}} {
		if n, err := audit.Recent(context.Background(), db.Pool(pg.Staff), "thing.seen", c.since, c.most); err != nil || n != c.want {
			t.Errorf("%d, %v; want %d", n, err, c.want)
		}
	}
}

// What an application says of numbers is shown as it was said, and does not keep anybody from reading the record.
func TestNumbersAreReadAsTheyWereSaid(t *testing.T) {
	db := pgtest.New(t)
	ctx := context.Background()
	object := audit.Object{Kind: "thing", ID: "1"}
	said := `{"exact":12345678901234567890.5,"far":1e400}`
	if err := pg.InTx(ctx, db.Pool(pg.Staff), func(tx pgx.Tx) error {
		return audit.Record(ctx, tx, who, "thing.changed", object, map[string]any{"detail": json.RawMessage(said)})
	}); err != nil {
		t.Fatal(err)
	}
	entries := list(t, db, audit.Filter{Object: object})
	if len(entries) != 1 {
		t.Fatalf("%d entries", len(entries))
	}
	if got, err := json.Marshal(entries[0].Detail["detail"]); err != nil || string(got) != said {
		t.Errorf("%s, %v", got, err)
	}
	if seen, err := audit.Seen(ctx, db.Pool(pg.Staff), audit.Search{Object: object}); err != nil || len(seen) != 1 {
		t.Errorf("%d entries, %v", len(seen), err)
	}
}

// A customer is shown its whole entries, in bundles too: they do not say from where somebody of the company worked.
func TestCustomersEntriesHoldNoAddressOfStaff(t *testing.T) {
	db := pgtest.New(t)
	ctx := context.Background()
	session := "0191d1a2-0000-7000-8000-000000000001"
	for _, c := range []struct {
		by     actor.Actor
		tenant string
		want   string
	}{
		{actor.Actor{Kind: actor.Person, ID: "p1", Session: session, Origin: "192.0.2.1"}, "0191d1a2-0000-7000-8000-000000000002", ""},
		{actor.Actor{Kind: actor.Person, ID: "p2", Session: session, Origin: "192.0.2.1"}, "", "192.0.2.1"},
		{actor.Actor{Kind: actor.Person, ID: "p3", Session: "token:" + session, Origin: "192.0.2.1"}, "0191d1a2-0000-7000-8000-000000000002", "192.0.2.1"}, // a program's
		{actor.Actor{Kind: actor.User, ID: "u1", Session: session, Origin: "192.0.2.1"}, "0191d1a2-0000-7000-8000-000000000002", "192.0.2.1"},              // the customer's own
	} {
		if err := pg.InTx(ctx, db.Pool(pg.Staff), func(tx pgx.Tx) error {
			return audit.Write(ctx, tx, audit.Event{By: c.by, Tenant: c.tenant, Action: "thing.changed", On: audit.Object{Kind: "thing", ID: c.by.ID}})
		}); err != nil {
			t.Fatal(err)
		}
		if e := list(t, db, audit.Filter{Object: audit.Object{Kind: "thing", ID: c.by.ID}}); len(e) != 1 || e[0].Actor.Origin != c.want || e[0].Actor.Session != c.by.Session {
			t.Errorf("%+v", e)
		}
	}
}
