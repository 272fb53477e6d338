package sdktest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/tenant"
)

// takesOver prepares something else under the names of the application's statements: it leaves the names of what it
// sees in a setting of the session.
const takesOver = `DO $d$ DECLARE s text; BEGIN FOR s IN SELECT name FROM pg_prepared_statements WHERE statement LIKE '%shop.item%' LOOP
	EXECUTE 'DEALLOCATE ' || quote_ident(s);
	EXECUTE 'PREPARE ' || quote_ident(s) || $e$ AS SELECT length(set_config('leak.it', (SELECT string_agg(name, ',') FROM shop.item), false))::bigint$e$;
END LOOP; END $d$`

// What somebody with SQL of their own prepares under the name of one of the application's statements does not run with the
// next tenant's token on the same pool.
func TestPoisonedStatements(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		in := func(do func(tx pgx.Tx) error) func() error {
			return func() error {
				p := w.one(t)
				if n := scalar[int](t, tenant.QueryRow(ctx, p, w.token(t, w.a), count)); n != 3 { // prepared from now on
					t.Fatal(n)
				}
				tx, err := tenant.Begin(ctx, p, w.token(t, w.a))
				if err != nil {
					t.Fatal(err)
				}
				if err = do(tx); err == nil {
					err = tx.Commit(ctx)
				}
				_ = tx.Rollback(ctx) // nothing after Commit
				if n := scalar[int](t, tenant.QueryRow(ctx, p, w.token(t, w.b), count)); n != 5 {
					t.Errorf("the next tenant counts %d rows, want 5", n)
				}
				if again := tenant.InTx(ctx, p, w.token(t, w.a), do); (again == nil) != (err == nil) {
					t.Errorf("as the first statement: %v, not %v", again, err)
				}
				if n := scalar[int](t, tenant.QueryRow(ctx, p, w.token(t, w.b), count)); n != 5 {
					t.Errorf("the next tenant counts %d rows, want 5", n)
				}
				if said := scalar[string](t, tenant.QueryRow(ctx, p, w.token(t, w.a), `SELECT coalesce(current_setting('leak.it', true), '')`)); said != "" {
					t.Errorf("the next tenant told %s", said)
				}
				return err
			}
		}
		for name, attack := range map[string]func() error{
			"a block":            in(func(tx pgx.Tx) error { _, err := tx.Exec(ctx, takesOver); return err }),
			"behind a statement": in(func(tx pgx.Tx) error { _, err := tx.Exec(ctx, `SELECT 1; `+takesOver); return err }),
			"behind a comment":   in(func(tx pgx.Tx) error { _, err := tx.Exec(ctx, `/* /* */ SELECT */ `+takesOver); return err }),
			"as a query":         in(func(tx pgx.Tx) error { return tx.QueryRow(ctx, takesOver).Scan() }),
			"in a batch": in(func(tx pgx.Tx) error {
				var b pgx.Batch
				b.Queue(takesOver)
				return tx.SendBatch(ctx, &b).Close()
			}),
			"in a savepoint": in(func(tx pgx.Tx) error {
				return pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error { _, err := tx.Exec(ctx, takesOver); return err })
			}),
			"on the connection": in(func(tx pgx.Tx) error { _, err := tx.Conn().Exec(ctx, takesOver); return err }),
		} {
			if err := attack(); err != nil && name != "as a query" { // which has no rows
				t.Errorf("%s: %v", name, err)
			}
		}
		p := w.one(t)
		_ = scalar[int](t, tenant.QueryRow(ctx, p, w.token(t, w.a), count))
		if _, err := tenant.Exec(ctx, p, w.token(t, w.a), takesOver); err != nil {
			t.Fatal(err)
		}
		if n := scalar[int](t, tenant.QueryRow(ctx, p, w.token(t, w.b), count)); n != 5 {
			t.Errorf("after a single statement the next tenant counts %d rows, want 5", n)
		}
	})
}

// Ordinary statements cost no connection.
func TestConnectionIsKept(t *testing.T) {
	w := running.worlds[designs[0]]
	ctx := context.Background()
	p := w.one(t)
	pid := func() int { return scalar[int](t, tenant.QueryRow(ctx, p, w.token(t, w.a), `SELECT pg_backend_pid()`)) }
	was := pid()
	tx, err := tenant.Begin(ctx, p, w.token(t, w.a))
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{`SET LOCAL statement_timeout = '10s'`, `-- name: Touch :exec
UPDATE shop.item SET name = name`, `SELECT 1;`, `SAVEPOINT s`, `ROLLBACK TO s`} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	if n := scalar[int](t, tx.QueryRow(ctx, `SELECT length('a;b')`)); n != 3 {
		t.Error(n)
	}
	if err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error { _, err := tx.Exec(ctx, `DELETE FROM shop.item WHERE id = $1`, -1); return err }); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if now := pid(); now != was {
		t.Error("the connection was closed")
	}
}
