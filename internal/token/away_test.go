package token

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/tenant"
)

// A tenant that is closed enters with no token, old or new; others do; what was open is ended by a
// sweep; opened again, it enters as before.
func TestTenantIsAway(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		installer := w.super
		if w.design == Statement {
			installer = w.connect("dba", "shop")
		}
		change := func(fn func(context.Context, pgx.Tx, tenant.ID) error, id tenant.ID) {
			t.Helper()
			if err := pg.InTx(ctx, installer, func(tx pgx.Tx) error { return fn(ctx, tx, id) }); err != nil {
				t.Fatal(err)
			}
		}
		old, open := w.token(w.a), w.begin(w.app())
		if err := enter(open, old.Bytes()); err != nil {
			t.Fatal(err)
		}
		change(Close, tenant.UUID(w.a))
		change(Close, tenant.UUID(w.a)) // twice is once
		w.wants(enter(w.begin(w.app()), old.Bytes()), tenant.ErrMoved)
		fresh := w.token(w.a)
		w.wants(enter(w.begin(w.app()), fresh.Bytes()), tenant.ErrMoved)
		other := w.token(w.b)
		if err := enter(w.begin(w.app()), other.Bytes()); err != nil {
			t.Fatal(err)
		}
		if n, err := Sweep(ctx, w.keeper); err != nil || n != 1 {
			t.Errorf("the sweep ended %d, %v", n, err)
		}
		if _, err := open.Exec(ctx, "SELECT 1"); err == nil {
			t.Error("a transaction that was open goes on")
		}
		change(Open, tenant.UUID(w.a))
		tx := w.begin(w.app())
		if err := enter(tx, old.Bytes()); err != nil || w.count(tx) != 3 {
			t.Error("the tenant does not come in again", err)
		}
	})
}

// What stands for a tenant is the same in Go and in SQL, for every type of key.
func TestStandsFor(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		text, err := tenant.Text("acmé")
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []tenant.ID{tenant.UUID(w.a), tenant.Int(-7), tenant.Int(42), text} {
			c := w.claims(w.a)
			c.Tenant = id
			token := w.mint(c)
			stands, who := standsFor(id)
			var got [16]byte
			if err := w.super.QueryRow(ctx, `SELECT garant.stands_for(encode(substr($1::bytea, 19, 2 + get_byte($1, 19)), 'hex'))`, token.Bytes()).Scan(&got); err != nil || got != stands {
				t.Errorf("%s: %x, not %x (%v)", id, stands, got, err)
			}
			if err := w.super.QueryRow(ctx, `SELECT encode(substr(sha256('tenant '::bytea || substr($1::bytea, 19, 40)), 1, 16), 'hex')::uuid`, token.Bytes()).Scan(&got); err != nil || got != stands {
				t.Errorf("%s: version 1 said %x, not %x (%v)", id, stands, got, err)
			}
			if want := fmt.Sprintf("%x", token.Bytes()[18:20+len(who)/2-2]); who != want {
				t.Errorf("%s: %s, not %s", id, who, want)
			}
		}
	})
}
