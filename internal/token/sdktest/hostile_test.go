package sdktest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/tenant"
)

// However early or late its context ends, a transaction is done whole or not at all, and its connection serves the next tenant.
func TestInTxCancelled(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		p := w.one(t)
		t.Cleanup(func() {
			if _, err := w.super.Exec(context.Background(), `UPDATE shop.item SET name = 'a 1' WHERE name LIKE 'cut %'`); err != nil {
				t.Error(err)
			}
		})
		for i := range 40 {
			ctx, cancel := context.WithCancel(context.Background())
			timer := time.AfterFunc(time.Duration(i)*75*time.Microsecond, cancel)
			name := fmt.Sprintf("cut %s %d", w.design, i)
			err := tenant.InTx(ctx, p, w.token(t, w.a), func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, `UPDATE shop.item SET name = $1 WHERE n = 1`, name); err != nil {
					return err
				}
				return tx.QueryRow(ctx, count).Scan(new(int))
			})
			timer.Stop()
			cancel()
			if n := scalar[int](t, tenant.QueryRow(context.Background(), p, w.token(t, w.b), count)); n != 5 {
				t.Fatalf("the next tenant sees %d rows, want 5", n)
			}
			if now := scalar[string](t, tenant.QueryRow(context.Background(), p, w.token(t, w.a), `SELECT name FROM shop.item WHERE n = 1`)); err == nil && now != name {
				t.Errorf("%d: done, and not there", i)
			}
		}
		w.atRest(t, p)
	})
}

// A function that panics, exits its goroutine or leaves rows open leaves nothing done, and nothing for the next tenant.
func TestInTxLeftAlone(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		p := w.one(t)
		touch := func(tx pgx.Tx) {
			if _, err := tx.Exec(ctx, `UPDATE shop.item SET n = 200 WHERE n = $1`, 1); err != nil {
				t.Error(err)
			}
		}
		for what, do := range map[string]func(pgx.Tx) error{
			"panics":     func(tx pgx.Tx) error { touch(tx); panic("x") },
			"exits":      func(tx pgx.Tx) error { touch(tx); runtime.Goexit(); return nil },
			"first rows": func(tx pgx.Tx) error { _, err := tx.Query(ctx, `SELECT * FROM shop.item`); return err },            //nolint:sqlclosecheck // the attack
			"later rows": func(tx pgx.Tx) error { touch(tx); _, err := tx.Query(ctx, `SELECT * FROM shop.item`); return err }, //nolint:sqlclosecheck // the attack
			"a batch": func(tx pgx.Tx) error {
				touch(tx)
				var b pgx.Batch
				b.Queue(count)
				b.Queue(count)
				_ = tx.SendBatch(ctx, &b)
				return nil
			},
			"rows, panics": func(tx pgx.Tx) error { _, _ = tx.Query(ctx, `SELECT * FROM shop.item`); panic("x") }, //nolint:sqlclosecheck // the attack
			"a savepoint": func(tx pgx.Tx) error {
				sub, err := tx.Begin(ctx)
				if err != nil {
					return err
				}
				touch(sub)
				panic("x")
			},
		} {
			var done sync.WaitGroup
			var err error
			done.Add(1)
			go func() {
				defer done.Done()
				defer func() { _ = recover() }()
				err = errors.New("panicked or exited")
				err = tenant.InTx(ctx, p, w.token(t, w.a), do)
			}()
			done.Wait()
			if err == nil {
				t.Errorf("%s: committed", what)
			}
			w.atRest(t, p)
			if n := scalar[int](t, tenant.QueryRow(ctx, p, w.token(t, w.a), `SELECT count(*) FROM shop.item WHERE n = 200`)); n != 0 {
				t.Errorf("%s: %d rows were written", what, n)
			}
			if n := scalar[int](t, tenant.QueryRow(ctx, p, w.token(t, w.b), count)); n != 5 {
				t.Errorf("%s: the next tenant sees %d rows, want 5", what, n)
			}
		}
	})
}

// What is kept of a transaction that ended does not lead into the next tenant's on the same connection.
func TestEndedTxLeadsNowhere(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		for what, begin := range map[string]func(p *pgxpool.Pool, keep func(pgx.Tx)) error{
			"InTx": func(p *pgxpool.Pool, keep func(pgx.Tx)) error {
				return tenant.InTx(ctx, p, w.token(t, w.a), func(tx pgx.Tx) error { keep(tx); return tx.QueryRow(ctx, count).Scan(new(int)) })
			},
			"savepoint": func(p *pgxpool.Pool, keep func(pgx.Tx)) error {
				return tenant.InTx(ctx, p, w.token(t, w.a), func(tx pgx.Tx) error {
					sub, err := tx.Begin(ctx)
					keep(sub)
					return err
				})
			},
			"Begin": func(p *pgxpool.Pool, keep func(pgx.Tx)) error {
				tx, err := tenant.Begin(ctx, p, w.token(t, w.a))
				if err != nil {
					return err
				}
				keep(tx)
				return tx.Commit(ctx)
			},
		} {
			p := w.one(t)
			var kept pgx.Tx
			if err := begin(p, func(tx pgx.Tx) { kept = tx }); err != nil {
				t.Fatal(what, err)
			}
			next, err := tenant.Begin(ctx, p, w.token(t, w.b))
			if err != nil {
				t.Fatal(err)
			}
			pid := scalar[int](t, next.QueryRow(ctx, `SELECT pg_backend_pid()`))
			if err := kept.QueryRow(ctx, count).Scan(new(int)); err == nil {
				t.Errorf("%s: it answers", what)
			}
			if _, err := kept.Exec(ctx, `DO $d$ BEGIN END $d$`); err == nil {
				t.Errorf("%s: it executes", what)
			}
			if c := kept.Conn(); c != nil && !c.IsClosed() {
				var n int
				err := c.QueryRow(ctx, count).Scan(&n)
				t.Errorf("%s: its connection shows %d rows of the next tenant (%v)", what, n, err)
			}
			if err := next.Commit(ctx); err != nil {
				t.Error(err)
			}
			if now := scalar[int](t, tenant.QueryRow(ctx, p, w.token(t, w.b), `SELECT pg_backend_pid()`)); now != pid {
				t.Errorf("%s: what it says closes the next tenant's connection", what)
			}
		}
	})
}

// Nothing that one tenant puts on a connection, by whatever statement, is there for the next.
func TestNothingIsLeft(t *testing.T) {
	w := running.worlds[designs[0]]
	ctx := context.Background()
	for i, leave := range []string{
		`SELECT name INTO TEMP mine FROM shop.item`,
		`SELECT name INTO/**/pg_temp.mine FROM shop.item`,
		`WITH x AS (SELECT name FROM shop.item) SELECT name INTO TEMPORARY TABLE mine FROM x`,
		`(SELECT name INTO TEMP mine FROM shop.item)`,
		`SELECT set_config('left.it', string_agg(name, ','), false) FROM shop.item`,
		`SELECT set_config('datestyle', 'ISO, DMY', false)`,
		`SELECT U&"set\005Fconfig"('datestyle', 'ISO, DMY', false)`,
		`UPDATE pg_settings SET setting = 'ISO, DMY' WHERE name = 'DateStyle'`,
		`SELECT query_to_xml('SELECT set' || '_config(''datestyle'', ''ISO, DMY'', false)', true, true, '')`,
		`SELECT * FROM ts_stat('SELECT set' || '_config(''datestyle'', ''ISO, DMY'', false)::tsvector')`,
	} {
		for how, say := range map[string]func(p *pgxpool.Pool) error{
			"InTx": func(p *pgxpool.Pool) error {
				return tenant.InTx(ctx, p, w.token(t, w.a), func(tx pgx.Tx) error { _, err := tx.Exec(ctx, leave); return err })
			},
			"later": func(p *pgxpool.Pool) error {
				return tenant.InTx(ctx, p, w.token(t, w.a), func(tx pgx.Tx) error {
					if _, err := tx.Exec(ctx, `SELECT 1`); err != nil {
						return err
					}
					_, err := tx.Exec(ctx, leave)
					return err
				})
			},
			"alone": func(p *pgxpool.Pool) error { _, err := tenant.Exec(ctx, p, w.token(t, w.a), leave); return err },
		} {
			if i > 2 && how != "InTx" {
				continue
			}
			p := w.one(t)
			if err := say(p); err != nil && !strings.Contains(err.Error(), "tsvector") {
				t.Log(how, leave, err)
			}
			if got := scalar[string](t, tenant.QueryRow(ctx, p, w.token(t, w.b), `SELECT coalesce(to_regclass('pg_temp.mine')::text, '') || coalesce(current_setting('left.it', true), '') || CASE WHEN current_setting('datestyle') LIKE '%DMY' THEN 'dates' ELSE '' END`)); got != "" {
				t.Errorf("%s: after %s the next tenant finds %s", how, leave, got)
			}
		}
	}
}

// A statement is not said twice because what it raises looks like a refusal of its token.
func TestStatementsAreSaidOnce(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		if _, err := w.super.Exec(ctx, `CREATE SEQUENCE shop.said; SELECT nextval('shop.said'); GRANT ALL ON shop.said TO app; CREATE FUNCTION shop.refuse(code text) RETURNS void LANGUAGE plpgsql AS $f$
BEGIN PERFORM nextval('shop.said'); RAISE EXCEPTION USING ERRCODE = code, MESSAGE = 'no token'; END $f$; GRANT EXECUTE ON FUNCTION shop.refuse(text) TO app`); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = w.super.Exec(ctx, `DROP FUNCTION shop.refuse(text); DROP SEQUENCE shop.said`) })
		p := w.one(t)
		var asked atomic.Int64
		db := tenant.For(tenant.Single(p), tenant.Cache(tenant.SourceFunc(func(context.Context) (tenant.Token, error) { asked.Add(1); return w.token(t, w.a), nil })))
		pid := func() int { return scalar[int](t, tenant.QueryRow(ctx, p, w.token(t, w.a), `SELECT pg_backend_pid()`)) }
		was := pid()
		for _, code := range []string{"GT001", "GT002", "GT003", "GT005", "GT007"} {
			for how, say := range map[string]func() error{
				"first": func() error {
					return db.InTx(ctx, func(tx pgx.Tx) error { _, err := tx.Exec(ctx, `SELECT shop.refuse($1)`, code); return err })
				},
				"alone": func() error { _, err := db.Exec(ctx, `SELECT shop.refuse($1)`, code); return err },
				"query": func() error { return db.QueryRow(ctx, `SELECT 1 FROM shop.refuse($1)`, code).Scan(new(int)) },
			} {
				before := scalar[int64](t, w.super.QueryRow(ctx, `SELECT last_value FROM shop.said`))
				err := say()
				var e *pgconn.PgError
				if !errors.As(err, &e) || e.Code != code {
					t.Errorf("%s %s: %v", how, code, err)
				}
				after := scalar[int64](t, w.super.QueryRow(ctx, `SELECT last_value FROM shop.said`))
				if after-before > 1 {
					t.Errorf("%s %s: it was said %d times", how, code, after-before)
				}
			}
		}
		if now := pid(); now != was {
			t.Error("a statement has the pool close its connections")
		}
	})
}
