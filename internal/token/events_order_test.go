package token

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// An event is taken once no transaction is open that could put one before it, and forgotten by its mark alone.
func TestTakeInOrder(t *testing.T) {
	w := newWorld(t, Pinned)
	ctx := context.Background()
	w.capture(w.item())
	early := w.begin(w.app())
	w.must(enter(early, w.token(w.a).Bytes()))
	w.run(early, `SELECT garant.record('early.said', NULL, NULL)`)
	w.must(w.as(w.claims(w.b), `SELECT garant.record('late.said', NULL, NULL)`))
	if got := w.drain(); len(got) != 0 {
		t.Errorf("taken past an open transaction: %s", actions(got))
	}
	var waiting int
	var oldest *time.Time
	w.must(w.keeper.QueryRow(ctx, `SELECT waiting, oldest FROM garant.events_waiting()`).Scan(&waiting, &oldest))
	if waiting != 1 || oldest == nil || time.Since(*oldest) > time.Minute {
		t.Error(waiting, oldest)
	}
	w.must(early.Commit(ctx))
	list := taken(t, w.keeper)
	if actions(list) != "early.said late.said" {
		t.Error(actions(list))
	}
	// Forgetting one does not take along what stands before it.
	var n int
	w.must(w.keeper.QueryRow(ctx, `SELECT garant.forget_events($1, $2, $3)`, []uuid.UUID{list[1].Mark}, list[1].XID, list[1].ID).Scan(&n))
	if got := actions(taken(t, w.keeper)); n != 1 || got != "early.said" {
		t.Error(n, got)
	}
	// A prepared transaction holds back too.
	w.exec(w.super, `BEGIN; UPDATE shop.item SET name = 'p'; PREPARE TRANSACTION 'held'`)
	w.must(w.as(w.claims(w.a), `SELECT garant.record('after.prepared', NULL, NULL)`))
	if got := actions(taken(t, w.keeper)); got != "early.said" {
		t.Error(got)
	}
	w.exec(w.super, `COMMIT PREPARED 'held'`)
	if got := w.drain(); len(got) != 10 || got[9].Action != "after.prepared" {
		t.Error(actions(got))
	}
	// What a dump brought here, with numbers of transactions to come, is taken.
	w.exec(w.super, `ALTER TABLE garant.event DISABLE ROW LEVEL SECURITY; INSERT INTO garant.event (xid, kind, action) VALUES ('999999999999', 'said', 'from.elsewhere'); ALTER TABLE garant.event ENABLE ROW LEVEL SECURITY`)
	w.must(w.as(w.claims(w.a), `SELECT garant.record('now.said', NULL, NULL)`))
	if got := actions(w.drain()); got != "now.said from.elsewhere" {
		t.Error(got)
	}
	// A try leaves nothing where it was rolled back.
	for _, end := range []string{"ROLLBACK", "COMMIT"} {
		w.exec(w.keeper, "BEGIN")
		var mark uuid.UUID
		w.must(w.keeper.QueryRow(ctx, `SELECT garant.try_event()`).Scan(&mark))
		w.exec(w.keeper, end)
		got := w.drain()
		if len(got) != map[string]int{"ROLLBACK": 0, "COMMIT": 1}[end] || len(got) == 1 && (got[0].Kind != "canary" || got[0].Mark != mark || got[0].Tenant != "") {
			t.Errorf("%s: %+v", end, got)
		}
	}
}

// Keeper and application at once: nothing is lost and nothing doubled, whatever commits and rolls back in between.
func TestTakenOnceUnderLoad(t *testing.T) {
	w := newWorld(t, Pinned)
	ctx := context.Background()
	w.capture(w.item())
	const writers, each = 4, 60
	done := make(chan error, writers)
	for n := range writers {
		conn, c := w.app(), w.claims([]uuid.UUID{w.a, w.b}[n%2])
		minted := w.mint(c).Bytes()
		go func() {
			done <- func() error {
				for i := range each {
					tx, err := conn.Begin(ctx)
					if err != nil {
						return err
					}
					if err := enter(tx, minted); err != nil {
						return err
					}
					if _, err := tx.Exec(ctx, `INSERT INTO shop.item (name) VALUES ($1)`, fmt.Sprintf("w%d-%d", n, i)); err != nil {
						return err
					}
					if i%3 == 2 {
						err = tx.Rollback(ctx)
					} else {
						err = tx.Commit(ctx)
					}
					if err != nil {
						return err
					}
				}
				return nil
			}()
		}()
	}
	seen := map[uuid.UUID]bool{}
	var last event
	for left := writers; ; {
		list := w.drain()
		for _, e := range list {
			if seen[e.Mark] || e.XID < last.XID || e.XID == last.XID && e.ID <= last.ID {
				t.Fatalf("%+v after %+v", e, last)
			}
			seen[e.Mark], last = true, e
		}
		if left == 0 && len(list) == 0 {
			break
		}
		select {
		case err := <-done:
			w.must(err)
			left--
		default:
		}
	}
	if len(seen) != writers*each*2/3 {
		t.Errorf("%d events, want %d", len(seen), writers*each*2/3)
	}
}

// What a statement of many rows wrote is put down in pieces: each row is one event, with its own sides, number and mark; a piece is taken whole, and
// goes once all of it is named.
func TestManyRows(t *testing.T) {
	w := newWorld(t, Pinned)
	ctx := context.Background()
	w.exec(w.super, `CREATE TABLE shop.many (id int PRIMARY KEY, name text, secret text)`)
	for _, c := range []Capture{{Mode: CaptureAll}, {Mode: CaptureBut, Columns: []string{"secret"}}} {
		c.Table, c.Keys = "shop.many", []string{"id"}
		w.capture(c)
		for _, s := range []struct {
			sql  string
			want int
		}{
			{`INSERT INTO shop.many SELECT i, 'was ' || i, 'hush ' || i FROM generate_series(1, 250) i`, 250},
			{`UPDATE shop.many SET name = 'is ' || id WHERE id <= 100`, 100},
			{`UPDATE shop.many SET name = 'is ' || id`, 150}, // 100 are so already
			{`UPDATE shop.many SET secret = secret || '!' WHERE id > 30`, 220},
			{`UPDATE shop.many SET name = name`, 0},
			{`DELETE FROM shop.many`, 250},
		} {
			w.exec(w.super, s.sql)
			var kept int
			w.must(w.super.QueryRow(ctx, `SELECT count(*) FROM garant.event e WHERE e::text LIKE '%hush%'`).Scan(&kept))
			if c.Mode == CaptureBut && kept > 0 {
				t.Errorf("%s: %d rows of the outbox hold what is not recorded", s.sql, kept)
			}
			first := taken(t, w.keeper)
			seen, keys := map[uuid.UUID]bool{}, map[string]bool{}
			for i, e := range first {
				if seen[e.Mark] || keys[e.Key] || i > 0 && e.ID <= first[i-1].ID || strings.HasPrefix(s.sql, "INSERT") && e.Key != fmt.Sprint(i+1) {
					t.Fatalf("%s: %+v comes twice, or out of order", s.sql, e)
				}
				seen[e.Mark], keys[e.Key] = true, true
				if strings.Contains(s.sql, "'is '") && (e.Before != `{"name": "was `+e.Key+`"}` || e.After != `{"name": "is `+e.Key+`"}`) {
					t.Fatalf("%s: %+v", s.sql, e)
				}
			}
			if len(first) != s.want {
				t.Fatalf("%s, %s: %d events, want %d", c.Mode, s.sql, len(first), s.want)
			}
			// Taken a few at a time, and each but one of them forgotten: what comes again is what was there.
			for left := s.want; left > 0; {
				some, err := TakeEvents(ctx, w.keeper, 20)
				w.must(err)
				if len(some) == 0 || len(some) > 100 || !seen[some[0].Mark] {
					t.Fatalf("%s: %d events at a time", s.sql, len(some))
				}
				if n, err := ForgetEvents(ctx, w.keeper, some[1:]); err != nil || n != 0 {
					t.Fatalf("%s: %d events are forgotten with one that was not named, %v", s.sql, n, err)
				}
				n, err := ForgetEvents(ctx, w.keeper, some)
				if err != nil || n != len(some) {
					t.Fatalf("%s: %d events are forgotten of %d, %v", s.sql, n, len(some), err)
				}
				left -= n
			}
			if again := w.drain(); len(again) != 0 {
				t.Fatalf("%s: %d events are left", s.sql, len(again))
			}
		}
		for _, name := range CaptureTriggers() {
			w.exec(w.super, `DROP TRIGGER `+name+` ON shop.many`)
		}
	}
}

// What JSON may hold and PostgreSQL cannot turn into text or jsonb is recorded as it stands, and holds up nothing behind it.
func TestHardToRead(t *testing.T) {
	w := newWorld(t, Pinned)
	ctx := context.Background()
	w.exec(w.super, `CREATE TABLE shop.hard (id text PRIMARY KEY, doc json)`)
	w.capture(Capture{Table: "shop.hard", Keys: []string{"id"}})
	hard := []string{`{"a": "\\\u0000\\u0000"}`, `"\ud800"`, `"\ud83d\ude00"`, `1e999999`, `{"a": 1, "a": 2}`, `null`, strings.Repeat("[", 900) + strings.Repeat("]", 900), strings.Repeat("[", 3000) + strings.Repeat("]", 3000), `{"": 1}`}
	for i, doc := range hard {
		_, err := w.super.Exec(ctx, `INSERT INTO shop.hard VALUES ($1, $2)`, fmt.Sprint(i), doc)
		w.must(err)
	}
	w.exec(w.super, `INSERT INTO shop.hard VALUES (repeat('k', 2500), NULL); UPDATE shop.hard SET doc = '[]'; DELETE FROM shop.hard`)
	list, err := TakeEvents(ctx, w.keeper, 1000)
	w.must(err)
	if len(list) != 3*(len(hard)+1) {
		t.Fatalf("%d events", len(list))
	}
	for i, doc := range hard {
		got := string(list[i].After)
		if i < 2 { // what is no character stays as it was written
			doc = strings.NewReplacer(`\\\u`, `\\\\u`, `\\u`, `\\u`, `\u`, `\\u`).Replace(doc)
		}
		if len(doc) < 2048 && !strings.Contains(got, doc) || len(got) > 2048 {
			t.Errorf("%s became %s", doc, got)
		}
	}
	if long := list[len(hard)]; len(long.ObjectID) > 400 || len(long.After) > 1000 || long.ObjectID != list[2*len(hard)+1].ObjectID {
		t.Errorf("%+v", long)
	}
	if n, err := ForgetEvents(ctx, w.keeper, list); err != nil || n != len(list) {
		t.Error(n, err)
	}
}
