package move

import (
	"context"
	"errors"
	"maps"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/tenant"
)

// A tenant with rows of every awkward kind moves out, is proved equal, leaves nothing behind, and
// comes back; the other tenant's rows are as they were.
func TestOddSchema(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	was, other := w.digest(w.shared, w.a), w.digest(w.shared, w.b)
	m := w.run(w.out())
	if st := m.State(); st.Step != Proved || len(st.Proof) != len(tenantTables()) || !st.Fresh || st.Pause == 0 || st.SwitchedAt == nil {
		t.Fatalf("%+v", st)
	}
	if now := w.digest(w.own, w.a); !maps.Equal(was, now) {
		t.Errorf("the target has other rows:\n%v\n%v", was, now)
	}
	if n := w.one(w.own, "SELECT count(*) FROM shop.country"); n != 2 {
		t.Error("shared rows are missing")
	}
	if n := w.one(w.own, "SELECT count(*) FROM secret.internal"); n != 0 {
		t.Error("private rows came along")
	}
	if n := w.one(w.own, "SELECT count(*) FROM shop.organisation"); n != 1 {
		t.Error("another tenant came along")
	}
	// All constraints, triggers, policies and rights are there, and hold.
	const shape = `SELECT hashtext(string_agg(x, '|' ORDER BY x)) FROM (
	SELECT conrelid::regclass || conname || pg_get_constraintdef(oid) || convalidated FROM pg_constraint WHERE connamespace::regnamespace::text IN ('shop', '"Odd Schema"', 'secret')
	UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal AND tgname !~ '^garant_move'
	UNION ALL SELECT polrelid::regclass || polname || pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polqual IS NOT NULL AND polrelid::regclass::text !~ '^garant'
	UNION ALL SELECT oid::regclass || relrowsecurity::text || relforcerowsecurity || relowner::regrole || coalesce((SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(relacl) a), '') FROM pg_class WHERE relnamespace::regnamespace::text IN ('shop', '"Odd Schema"', 'secret')
	UNION ALL SELECT obj_description(oid) FROM pg_constraint WHERE obj_description(oid) IS NOT NULL AND connamespace::regnamespace::text = 'shop') s (x)`
	if a, b := w.one(w.shared, shape), w.one(w.own, shape); a != b {
		t.Errorf("the schemas differ: %d %d", a, b)
	}
	// Tokens of one database are refused by the other, and the tenant by the source.
	w.newKey(running.own, w.own)
	appShared, appOwn := w.connect(running.shared, "app", "shop"), w.connect(running.own, "app", "shop")
	if _, err := w.enter(running.shared, appShared, w.a); !errors.Is(err, tenant.ErrMoved) {
		t.Errorf("at the source: %v", err)
	}
	w.keys[nil] = w.keys[running.shared]
	if _, err := w.enter(nil, appOwn, w.a); !errors.Is(err, tenant.ErrInvalid) {
		t.Errorf("a token of the source at the target: %v", err)
	}
	tx, err := w.enter(running.own, appOwn, w.a)
	if err != nil {
		t.Fatal(err)
	}
	var id int64
	if err := tx.QueryRow(ctx, "INSERT INTO shop.item (name, price) VALUES ('made there', 5) RETURNING id").Scan(&id); err != nil || id < 1<<apartBits {
		t.Errorf("id %d, %v", id, err)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	// Writes past the token, as an owner, do not come in at the source either.
	if _, err := w.shared.Exec(ctx, "INSERT INTO shop.note VALUES ($1, 'late')", w.a); err == nil {
		t.Error("an owner writes for a tenant that left")
	}
	if err := m.Erase(ctx, ""); !errs.Is(err, errs.Invalid) {
		t.Errorf("without a restore point: %v", err)
	}
	if err := m.Erase(ctx, "backup of tonight"); err != nil {
		t.Fatal(err)
	}
	m.Close()
	for name, n := range w.counts(w.shared, w.a) {
		if n != 0 {
			t.Errorf("%d rows are left in %s", n, name)
		}
	}
	if now := w.digest(w.shared, w.b); !maps.Equal(other, now) {
		t.Errorf("another tenant's rows changed:\n%v\n%v", other, now)
	}
	for on, conn := range map[string]*pgx.Conn{"shared": w.shared, "own": w.own} {
		if n := w.one(conn, "SELECT (SELECT count(*) FROM pg_trigger WHERE tgname ~ '^garant_move') + (SELECT count(*) FROM garant_move.journal) + (SELECT count(*) FROM pg_proc WHERE pronamespace = 'garant_move'::regnamespace AND proname <> 'keep')"); n != 0 {
			t.Errorf("%s: %d things of the move are left", on, n)
		}
	}
	moves, err := List(ctx, w.out().From)
	if err != nil || len(moves) != 1 || moves[0].Step != Done || moves[0].Restore != "backup of tonight" || moves[0].Pause == 0 || moves[0].FinishedAt == nil {
		t.Errorf("%+v, %v", moves, err)
	}
	// And back, beside the other tenant.
	was = w.digest(w.own, w.a)
	m = w.run(w.back())
	if err := m.Erase(ctx, "none needed"); err != nil {
		t.Fatal(err)
	}
	if now := w.digest(w.shared, w.a); !maps.Equal(was, now) {
		t.Errorf("what came back differs:\n%v\n%v", was, now)
	}
	if now := w.digest(w.shared, w.b); !maps.Equal(other, now) {
		t.Error("another tenant's rows changed")
	}
	if _, err := w.enter(running.own, appOwn, w.a); !errors.Is(err, tenant.ErrMoved) {
		t.Errorf("at the database that it left: %v", err)
	}
	tx, err = w.enter(running.shared, w.connect(running.shared, "app", "shop"), w.a)
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.QueryRow(ctx, "INSERT INTO shop.item (name, price) VALUES ('at home', 5) RETURNING id").Scan(&id); err != nil || id >= 1<<apartBits {
		t.Errorf("id %d, %v", id, err)
	}
	_ = tx.Rollback(ctx)
}
