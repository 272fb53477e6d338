package sequence_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/pg"
)

// A change and its entries that are sent at once come to pass together or not at all, and what came to pass is told of.
func TestEntriesGoWithTheirChange(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	w.exec(`CREATE TABLE audit.changed (n int PRIMARY KEY); GRANT INSERT ON audit.changed TO garant_staff`)
	name := "Ann"
	write := func(n int, events ...audit.Event) error {
		return pg.InTx(ctx, w.db.Pool(pg.Staff), func(tx pgx.Tx) error {
			if err := pg.Later(ctx, tx, `INSERT INTO audit.changed (n) VALUES ($1)`, n); err != nil {
				return err
			}
			return audit.Write(ctx, tx, events...)
		})
	}
	one := audit.Event{By: by, Action: "thing.changed", On: audit.Object{Kind: "thing", ID: "1"}}
	personal := one
	personal.Changes = []audit.Change{{Field: "name", After: &name}}
	many := make([]audit.Event, 1001)
	for i := range many {
		many[i] = one
	}
	w.must(write(1, one))
	w.must(write(2, one, personal))
	w.must(write(3, many...))
	w.must(write(4))
	if err := write(1, one); err == nil { // there is that row already
		t.Error("a change that failed was written")
	}
	bad := one
	bad.Action = "no action"
	if err := write(5, bad); err == nil {
		t.Error("an entry that the database refuses was written")
	}
	if changed, entries := w.count(`SELECT count(*) FROM audit.changed`), w.count(`SELECT count(*) FROM audit.entry`); changed != 4 || entries != 1004 {
		t.Errorf("%d changes and %d entries", changed, entries)
	}
	w.speak()
	w.drain()
	w.sound()
	if got := w.anomalies(); len(got) != 0 {
		t.Errorf("noticed %v", got)
	}
	// What is taken away before it is in a tree is missed, as of any other entry.
	w.must(write(7, one))
	w.exec(`DELETE FROM audit.entry WHERE id = (SELECT max(id) FROM audit.entry)`)
	w.speak()
	w.drain()
	if got := w.anomalies(); got["missing"] != 1 {
		t.Errorf("noticed %v", got)
	}
}
