package sdktest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/tenant"
)

// Whatever the first thing is that is asked in a transaction that begins late, it sees its tenant's rows only, and the rest of the
// transaction too.
func TestInTxBegins(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		for _, mode := range modes {
			c := w.config(t)
			c.MaxConns = 1
			c.ConnConfig.DefaultQueryExecMode = mode
			p := open(t, c)
			for what, first := range map[string]func(pgx.Tx) error{
				"Exec": func(tx pgx.Tx) error {
					_, err := tx.Exec(ctx, `UPDATE shop.item SET name = name WHERE n = $1`, 1)
					return err
				},
				"Query":    func(tx pgx.Tx) error { r, err := tx.Query(ctx, count); r.Close(); return err },
				"QueryRow": func(tx pgx.Tx) error { return tx.QueryRow(ctx, count).Scan(new(int)) },
				"several": func(tx pgx.Tx) error {
					_, err := tx.Exec(ctx, `SET LOCAL statement_timeout = '10s'; SELECT 1`)
					return err
				},
				"options": func(tx pgx.Tx) error { return tx.QueryRow(ctx, count, pgx.QueryExecModeExec).Scan(new(int)) },
				"savepoint": func(tx pgx.Tx) error {
					return pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error { return tx.QueryRow(ctx, count).Scan(new(int)) })
				},
				"batch": func(tx pgx.Tx) error {
					var b pgx.Batch
					b.Queue(count)
					return tx.SendBatch(ctx, &b).Close()
				},
				"nothing": func(pgx.Tx) error { return nil },
			} {
				for _, x := range []struct {
					token tenant.Token
					rows  int
				}{{w.token(t, w.a), 3}, {w.token(t, w.b), 5}} {
					var n int
					err := tenant.InTx(ctx, p, x.token, func(tx pgx.Tx) error {
						if err := first(tx); err != nil {
							return err
						}
						return tx.QueryRow(ctx, count).Scan(&n)
					})
					if err != nil || n != x.rows {
						t.Errorf("%v, %s: %d rows, want %d (%v)", mode, what, n, x.rows, err)
					}
				}
			}
			givenBack(t, p)
		}
	})
}

// What goes wrong leaves nothing done and nothing open.
func TestInTxFails(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		p := w.one(t)
		good, ended := w.token(t, w.a), w.claims(w.a)
		if err := token.Revoke(ctx, w.super, ended.Session, ended.Expires); err != nil {
			t.Fatal(err)
		}
		revoked, err := w.key.Mint(ended)
		if err != nil {
			t.Fatal(err)
		}
		touch := func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE shop.item SET n = 100 WHERE n = $1`, 1)
			return err
		}
		for what, x := range map[string]struct {
			token tenant.Token
			do    func(pgx.Tx) error
			want  error
		}{
			"no token":        {tenant.Token{}, touch, tenant.ErrNoToken},
			"refused":         {revoked, touch, tenant.ErrRevoked},
			"refused query":   {revoked, func(tx pgx.Tx) error { return tx.QueryRow(ctx, count).Scan(new(int)) }, tenant.ErrRevoked},
			"refused, unsaid": {revoked, func(tx pgx.Tx) error { _ = touch(tx); return nil }, pgx.ErrTxCommitRollback},
			"refused twice":   {revoked, func(tx pgx.Tx) error { _ = touch(tx); return touch(tx) }, tenant.ErrRevoked},
			"failed, unsaid": {good, func(tx pgx.Tx) error {
				_, _ = tx.Exec(ctx, `SELECT 1 / $1::int`, 0)
				return nil
			}, pgx.ErrTxCommitRollback},
			"no syntax, unsaid": {good, func(tx pgx.Tx) error {
				_, _ = tx.Exec(ctx, `SELEC $1`, 0)
				_ = touch(tx)
				return nil
			}, pgx.ErrTxCommitRollback},
			"given up":   {good, func(tx pgx.Tx) error { return errors.Join(touch(tx), errGivenUp) }, errGivenUp},
			"ended":      {good, func(tx pgx.Tx) error { return errors.Join(tx.Commit(ctx), touch(tx)) }, pgx.ErrTxClosed},
			"ended once": {good, func(tx pgx.Tx) error { return errors.Join(touch(tx), tx.Rollback(ctx), touch(tx)) }, pgx.ErrTxClosed},
		} {
			if err := tenant.InTx(ctx, p, x.token, x.do); !errors.Is(err, x.want) {
				t.Errorf("%s: %v, want %v", what, err, x.want)
			}
			if n := scalar[int](t, tenant.QueryRow(ctx, p, good, `SELECT count(*) FROM shop.item WHERE n = $1`, 100)); n != 0 {
				t.Errorf("%s: %d rows were written", what, n)
			}
		}
		if err := tenant.InTxWith(ctx, p, good, pgx.TxOptions{BeginQuery: "SELECT 1"}, touch); err == nil {
			t.Error("what begins nothing is taken for a transaction")
		}
		err = tenant.InTxWith(ctx, p, good, pgx.TxOptions{IsoLevel: pgx.Serializable, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
			if level := scalar[string](t, tx.QueryRow(ctx, `SHOW transaction_isolation`)); level != "serializable" {
				t.Error(level)
			}
			return touch(tx)
		})
		if err == nil {
			t.Error("a transaction for reading writes")
		}
		givenBack(t, p)
	})
}

var errGivenUp = errors.New("given up")

// givenBack waits until a pool has all its connections: one that is closed goes back a moment later.
func givenBack(t *testing.T, p *pgxpool.Pool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); p.Stat().AcquiredConns() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d connections were kept", p.Stat().AcquiredConns())
		}
	}
}
