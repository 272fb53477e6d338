package sdktest

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/tenant"
)

// A token that the database finds expired is replaced once, and the statement runs once.
func TestRenewal(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		p := w.one(t)
		for _, x := range []struct {
			late int // tokens that have expired before a good one comes
			want error
		}{{0, nil}, {1, nil}, {2, tenant.ErrExpired}} {
			for name, do := range map[string]func(*tenant.DB) error{
				"Exec": func(d *tenant.DB) error {
					_, err := d.Exec(ctx, `UPDATE shop.item SET n = n`)
					return err
				},
				"QueryRow": func(d *tenant.DB) error { return d.QueryRow(ctx, count).Scan(new(int)) },
				"Query": func(d *tenant.DB) error {
					rows, _ := d.Query(ctx, count)
					_, err := pgx.CollectRows(rows, pgx.RowTo[int])
					return err
				},
				"InTx": func(d *tenant.DB) error {
					return d.InTx(ctx, func(tx pgx.Tx) error { return tx.QueryRow(ctx, count).Scan(new(int)) })
				},
			} {
				asked := 0
				d := tenant.For(tenant.Single(p), tenant.Cache(tenant.SourceFunc(func(context.Context) (tenant.Token, error) {
					if asked++; asked <= x.late {
						return w.expired(t, w.a), nil
					}
					return w.token(t, w.a), nil
				})))
				if err := do(d); !errors.Is(err, x.want) || asked != min(x.late, 1)+1 {
					t.Errorf("%s, %d late: %v, asked %d times; want %v", name, x.late, err, asked, x.want)
				}
			}
		}
		d := tenant.For(tenant.Single(p), tenant.Fixed(w.expired(t, w.a)))
		if err := d.QueryRow(ctx, count).Scan(new(int)); !errors.Is(err, tenant.ErrExpired) {
			t.Error("a source of one token:", err)
		}
		if _, err := tenant.For(tenant.Single(p), tenant.Fixed(tenant.Token{})).Begin(ctx); !errors.Is(err, tenant.ErrNoToken) {
			t.Error("a source of none:", err)
		}
		down := errors.New("down")
		d = tenant.For(tenant.Single(p), tenant.SourceFunc(func(context.Context) (tenant.Token, error) { return tenant.Token{}, down }))
		if _, err := d.Exec(ctx, `SELECT 1`); !errors.Is(err, down) {
			t.Error(err)
		}
		stop := errors.New("stop")
		d = tenant.For(tenant.Single(p), tenant.Fixed(w.token(t, w.a)))
		if err := d.InTx(ctx, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `DELETE FROM shop.item`); err != nil {
				t.Error(err)
			}
			return stop
		}); !errors.Is(err, stop) {
			t.Error(err)
		}
		func() {
			defer func() { _ = recover() }()
			_ = d.InTx(ctx, func(tx pgx.Tx) error { _, _ = tx.Exec(ctx, `DELETE FROM shop.item`); panic("x") })
		}()
		if n := scalar[int](t, d.QueryRow(ctx, count)); n != 3 {
			t.Errorf("%d rows after what failed, want 3", n)
		}
		w.atRest(t, p)
	})
}
