package sdktest

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/tenant"
)

// moving is a source of one login, for either of two databases, each of which has a key of its own.
type moving struct {
	at  string
	by  map[string]*world
	of  uuid.UUID
	all testing.TB
}

func (m moving) Token(context.Context) (tenant.Token, error) {
	return m.by[m.at].mint(m.all, m.by[m.at].claims(m.of)), nil
}

func (m moving) At(database string) tenant.Source { m.at = database; return m }

// A tenant that has moved is followed: the statement that meets the closed door asks where it went, waits, gets a token for
// the database there, and runs.
func TestFollowsMove(t *testing.T) {
	ctx := context.Background()
	from, to := running.worlds[token.Pinned], running.worlds[token.Statement]
	place, asked := "shop", 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		if asked == 2 {
			_, _ = w.Write([]byte(`{"place":"shop","paused":true,"max_age":0}`))
			return
		}
		_, _ = w.Write([]byte(`{"place":"` + place + `","max_age":300}`))
	}))
	defer s.Close()
	places := &tenant.Places{
		Endpoint: tenant.Endpoint{URL: s.URL, APIToken: func(context.Context) (string, error) { return "x", nil }},
		Audience: "shop", Pools: map[string]*pgxpool.Pool{"shop": from.one(t), "own": to.one(t)},
	}
	if _, err := to.super.Exec(ctx, `INSERT INTO shop.item (tenant_id, name, n) SELECT $1, 'moved', n FROM generate_series(1, 4) AS n`, from.a); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = to.super.Exec(ctx, `DELETE FROM shop.item WHERE name = 'moved'`) })
	d := tenant.For(places, tenant.Cache(moving{"shop", map[string]*world{"shop": from, "own": to}, from.a, t}))
	if n := scalar[int](t, d.QueryRow(ctx, count)); n != 3 {
		t.Errorf("%d rows before, want 3", n)
	}
	door := func(do func(context.Context, pgx.Tx, tenant.ID) error) {
		if err := pg.InTx(ctx, from.super, func(tx pgx.Tx) error { return do(ctx, tx, tenant.UUID(from.a)) }); err != nil {
			t.Fatal(err)
		}
	}
	door(token.Close)
	t.Cleanup(func() { door(token.Open) })
	if _, err := tenant.Begin(ctx, places.Pools["shop"], from.token(t, from.a)); !errors.Is(err, tenant.ErrMoved) {
		t.Error("where it was:", err)
	}
	place = "own"
	for range 2 {
		if n := scalar[int](t, d.QueryRow(ctx, count)); n != 4 || asked != 3 {
			t.Errorf("%d rows after, asked %d times; want 4, 3", n, asked)
		}
	}
}

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
