package token

import (
	"context"
	"fmt"
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
