package audit_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

// What is sealed beside one entry is not shown as what another changed, though both are of one subject and its key opens both.
func TestSwappedChanges(t *testing.T) {
	db := pgtest.New(t)
	ctx, staff := context.Background(), db.Pool(pg.Staff)
	provider, err := crypt.OpenKeyfile(ctx, staff, filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	box, err := crypt.NewBox(ctx, staff, provider)
	if err != nil {
		t.Fatal(err)
	}
	pen, err := audit.NewPen(box, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	pen.Use(db)
	object := audit.Object{Kind: "pupil", ID: "1"}
	for _, value := range []string{"granted", "withdrawn"} {
		err := pg.InTx(ctx, staff, func(tx pgx.Tx) error {
			return audit.Write(ctx, tx, audit.Event{By: who, Subject: "pupil/1", Action: "consent.changed", On: object, Changes: []audit.Change{{Field: "consent", After: &value}}})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	read := func() []audit.Entry {
		t.Helper()
		entries := list(t, db, audit.Filter{Object: object})
		if err := audit.Open(ctx, staff, box, entries); err != nil || len(entries) != 2 {
			t.Fatalf("%d entries, %v", len(entries), err)
		}
		return entries
	}
	for i, want := range []string{"withdrawn", "granted"} {
		if e := read()[i]; e.Unopened || len(e.Changes) != 1 || *e.Changes[0].After != want {
			t.Errorf("%+v", e)
		}
	}
	var name string
	if err := staff.QueryRow(ctx, "SELECT current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, pgtest.Superuser(t, name), `UPDATE audit.entry AS a SET changes = b.changes FROM audit.entry AS b WHERE a.object_id = '1' AND b.object_id = '1' AND a.id <> b.id`)
	for _, e := range read() {
		if !e.Unopened || !e.Sealed || e.Erased || len(e.Changes) != 0 {
			t.Errorf("swapped: %+v", e)
		}
	}
}
