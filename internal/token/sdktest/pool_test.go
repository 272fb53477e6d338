package sdktest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/tenant"
)

var modes = []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec}

// Whatever way the driver speaks, each tenant sees and writes its own rows, and the token goes the way of parameters.
func TestEveryMode(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		for _, mode := range modes {
			c := w.config(t)
			c.MaxConns = 1
			c.ConnConfig.DefaultQueryExecMode = mode
			p := open(t, c)
			for range 2 { // the second time everything is prepared
				for _, x := range []struct {
					of   uuid.UUID
					rows int
				}{{w.a, 3}, {w.b, 5}} {
					tk := w.token(t, x.of)
					if n := scalar[int](t, tenant.QueryRow(ctx, p, tk, count)); n != x.rows {
						t.Errorf("%v: %d rows, want %d", mode, n, x.rows)
					}
					rows, _ := tenant.Query(ctx, p, tk, `SELECT name FROM shop.item WHERE n > $1 ORDER BY n`, 1)
					names, err := pgx.CollectRows(rows, pgx.RowTo[string])
					if err != nil || len(names) != x.rows-1 {
						t.Errorf("%v: %q, %v", mode, names, err)
					}
					tag, err := tenant.Exec(ctx, p, tk, `UPDATE shop.item SET name = name WHERE n = $1`, 1)
					if err != nil || tag.RowsAffected() != 1 {
						t.Errorf("%v: %s, %v", mode, tag, err)
					}
					tx, err := tenant.Begin(ctx, p, tk)
					if err != nil {
						t.Fatalf("%v: %v", mode, err)
					}
					if _, err := tx.Exec(ctx, `INSERT INTO shop.item (name, n) VALUES ($1, $2)`, "new", 100); err != nil {
						t.Errorf("%v: %v", mode, err)
					}
					if n := scalar[int](t, tx.QueryRow(ctx, count)); n != x.rows+1 {
						t.Errorf("%v: %d rows, want %d", mode, n, x.rows+1)
					}
					if err := tx.Rollback(ctx); err != nil {
						t.Error(err)
					}
				}
			}
			if n := scalar[int](t, p.QueryRow(ctx, count)); n != 0 {
				t.Errorf("%v: %d rows without a token", mode, n)
			}
			w.atRest(t, p)
		}
		c := w.config(t)
		c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
		p := open(t, c)
		_, err := tenant.Begin(ctx, p, w.token(t, w.a))
		_, err2 := tenant.Exec(ctx, p, w.token(t, w.a), `SELECT 1`)
		if !errors.Is(err, tenant.ErrSimple) || !errors.Is(err2, tenant.ErrSimple) {
			t.Error("a token would stand in a statement's text:", err, err2)
		}
		w.atRest(t, p)
	})
}

// Entering costs no round trip of its own.
func TestRoundTrips(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeExec} {
			var count wires
			c := w.config(t)
			c.MaxConns = 1
			c.ConnConfig.DefaultQueryExecMode = mode
			c.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
				inner, err := (&net.Dialer{}).DialContext(ctx, network, addr)
				return wireConn{inner, &count}, err
			}
			p := open(t, c)
			tk := w.token(t, w.a)
			for _, x := range []struct {
				what string
				want int64
				do   func() error
			}{
				{"Begin", 1, func() error {
					tx, err := tenant.Begin(ctx, p, tk)
					if err == nil {
						before := count.trips.Load()
						err = tx.Rollback(ctx)
						count.trips.Store(before) // the end is another
					}
					return err
				}},
				{"Exec", 1, func() error {
					_, err := tenant.Exec(ctx, p, tk, `UPDATE shop.item SET n = n WHERE n = $1`, 1)
					return err
				}},
				{"QueryRow", 1, func() error {
					return tenant.QueryRow(ctx, p, tk, `SELECT id FROM shop.item WHERE n = $1`, 1).Scan(new(int64))
				}},
				{"InTx", 3, func() error { // two statements and COMMIT
					return tenant.InTx(ctx, p, tk, func(tx pgx.Tx) error {
						if err := tx.QueryRow(ctx, `SELECT id FROM shop.item WHERE n = $1`, 1).Scan(new(int64)); err != nil {
							return err
						}
						_, err := tx.Exec(ctx, `UPDATE shop.item SET n = n WHERE n = $1`, 1)
						return err
					})
				}},
				{"InTx without a statement", 0, func() error { return tenant.InTx(ctx, p, tk, func(pgx.Tx) error { return nil }) }},
			} {
				if err := x.do(); err != nil { // prepares
					t.Fatal(err)
				}
				count.trips.Store(0)
				if err := x.do(); err != nil {
					t.Fatal(err)
				}
				if n := count.trips.Load(); n != x.want {
					t.Errorf("%v: %s takes %d round trips, want %d", mode, x.what, n, x.want)
				}
			}
		}
	})
}

// What the database refuses has its own error, and leaves the connection as good as it was.
func TestRefusals(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		p := w.one(t)
		good := w.token(t, w.a)
		pid := scalar[int](t, tenant.QueryRow(ctx, p, good, `SELECT pg_backend_pid()`))
		ended := w.claims(w.a)
		if err := token.Revoke(ctx, w.super, ended.Session, ended.Expires); err != nil {
			t.Fatal(err)
		}
		other := w.key
		other.Secret[0] ^= 1
		forged, _ := other.Mint(w.claims(w.a))
		for _, x := range []struct {
			token tenant.Token
			want  error
		}{{tenant.Token{}, tenant.ErrNoToken}, {forged, tenant.ErrInvalid}, {w.expired(t, w.a), tenant.ErrExpired}, {w.mint(t, ended), tenant.ErrRevoked}} {
			_, err := tenant.Begin(ctx, p, x.token)
			_, err2 := tenant.Exec(ctx, p, x.token, `SELECT 1`)
			_, err3 := tenant.Query(ctx, p, x.token, `SELECT 1`) //nolint:sqlclosecheck // there are none
			err4 := tenant.QueryRow(ctx, p, x.token, `SELECT 1`).Scan(new(int))
			for i, err := range []error{err, err2, err3, err4} {
				if !errors.Is(err, x.want) {
					t.Errorf("%d: got %v, want %v", i, err, x.want)
				}
			}
			w.atRest(t, p)
		}
		tx, err := tenant.Begin(ctx, p, good)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(ctx, `SELECT garant.enter($1)`, w.token(t, w.b).Bytes()); !errors.Is(tenant.Explain(err), tenant.ErrOther) {
			t.Error("a second tenant in the transaction:", err)
		}
		if err := tx.Commit(ctx); !errors.Is(err, pgx.ErrTxCommitRollback) {
			t.Error(err)
		}
		if again := scalar[int](t, tenant.QueryRow(ctx, p, good, `SELECT pg_backend_pid()`)); again != pid {
			t.Error("a refusal cost the connection")
		}
	})
}

// Errors of statements, and those that only come with the end of the transaction, are told.
func TestErrorsOfStatements(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		p := w.one(t)
		tk := w.token(t, w.a)
		state := func(err error) string {
			var e *pgconn.PgError
			if errors.As(err, &e) {
				return e.Code
			}
			return fmt.Sprint(err)
		}
		const twice, syntax, zero = `INSERT INTO shop.item (name, n) VALUES ('twice', 1) RETURNING id`, `SELEC 1`, `SELECT 1 / (n - n) FROM shop.item`
		for _, x := range []struct{ sql, want string }{{twice, "23505"}, {syntax, "42601"}, {zero, "22012"}} {
			_, err := tenant.Exec(ctx, p, tk, x.sql)
			rows, err2 := tenant.Query(ctx, p, tk, x.sql)
			if err2 == nil {
				for rows.Next() {
				}
				err2 = rows.Err()
			}
			err3 := tenant.QueryRow(ctx, p, tk, x.sql).Scan(new(int64))
			for i, err := range []error{err, err2, err3} {
				if state(err) != x.want {
					t.Errorf("%d %s: %v, want %s", i, x.sql, err, x.want)
				}
			}
			w.atRest(t, p)
		}
		if err := tenant.QueryRow(ctx, p, tk, `SELECT id FROM shop.item WHERE n = 99`).Scan(new(int64)); !errors.Is(err, pgx.ErrNoRows) {
			t.Error("no row:", err)
		}
		if err := tenant.QueryRow(ctx, p, tk, `SELECT name FROM shop.item`).Scan(new(int64)); err == nil {
			t.Error("a text was read as a number")
		}
		if _, err := tenant.Exec(ctx, p, tk, `SELECT $1::int`, "x", "y"); err == nil {
			t.Error("two arguments for one parameter")
		}
		if _, err := tenant.Query(ctx, p, tk, `SELECT 1`, pgx.QueryExecModeSimpleProtocol); err == nil { //nolint:sqlclosecheck // there are none
			t.Error("an option was taken for an argument")
		}
		if _, err := tenant.BeginTx(ctx, p, tk, pgx.TxOptions{BeginQuery: "SELECT 1"}); err == nil {
			t.Error("no transaction was begun")
		}
		rows, err := tenant.Query(ctx, p, tk, `SELECT n FROM generate_series(1, 100000) AS n`)
		if err != nil || !rows.Next() {
			t.Fatal(err)
		}
		rows.Close() // in the middle
		if n := scalar[int](t, tenant.QueryRow(ctx, p, tk, count)); n != 3 {
			t.Errorf("%d rows, want 3: what failed was written", n)
		}
		w.atRest(t, p)
	})
}

// A transaction is pgx's, savepoints and batches included, with the isolation that was asked for.
func TestTransactions(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		p := w.one(t)
		for _, level := range []pgx.TxIsoLevel{pgx.Serializable, pgx.RepeatableRead, pgx.ReadCommitted} {
			tx, err := tenant.BeginTx(ctx, p, w.token(t, w.a), pgx.TxOptions{IsoLevel: level, AccessMode: pgx.ReadWrite})
			if err != nil {
				t.Fatal(err)
			}
			var asPgx pgx.Tx = tx
			if got := scalar[string](t, asPgx.QueryRow(ctx, `SHOW transaction_isolation`)); got != string(level) {
				t.Errorf("isolation %s, want %s", got, level)
			}
			sub, err := asPgx.Begin(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := sub.Exec(ctx, `DELETE FROM shop.item`); err != nil {
				t.Error(err)
			}
			if err := sub.Rollback(ctx); err != nil {
				t.Error(err)
			}
			b := &pgx.Batch{}
			b.Queue(count).QueryRow(func(row pgx.Row) error {
				var n int
				err := row.Scan(&n)
				if n != 3 {
					t.Errorf("%d rows after a savepoint, want 3", n)
				}
				return err
			})
			if err := asPgx.SendBatch(ctx, b).Close(); err != nil {
				t.Error(err)
			}
			if n, err := asPgx.CopyFrom(ctx, pgx.Identifier{"shop", "item"}, []string{"name", "n"}, pgx.CopyFromRows([][]any{{"x", 1}})); err == nil {
				t.Errorf("%d rows copied: PostgreSQL has no COPY under row security", n)
			}
			if err := tx.Rollback(ctx); err != nil {
				t.Error(err)
			}
			if err := tx.Commit(ctx); !errors.Is(err, pgx.ErrTxClosed) {
				t.Error("a commit after the end:", err)
			}
		}
		w.atRest(t, p)
	})
}

// The two tenants at once on a small pool, contexts that end at any moment, transactions that are given up: nobody sees
// another's row, and nothing stays open.
func TestCrowd(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	both(t, func(t *testing.T, w *world) {
		p := open(t, w.config(t))
		until := time.Now().Add(3 * time.Second)
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				of, want := w.a, 3
				if i%2 == 1 {
					of, want = w.b, 5
				}
				dice := rand.New(rand.NewPCG(uint64(i), 1)) //nolint:gosec // which moment, not which secret
				for time.Now().Before(until) {
					ctx, cancel := context.Background(), context.CancelFunc(func() {})
					if dice.IntN(3) == 0 {
						ctx, cancel = context.WithTimeout(ctx, time.Duration(dice.IntN(4000))*time.Microsecond)
					}
					if n, err := crowdStep(ctx, p, w.token(t, of), dice); err == nil && n != want {
						t.Errorf("%d rows, want %d", n, want)
					} else if err != nil && ctx.Err() == nil {
						t.Error(err)
					}
					cancel()
				}
			})
		}
		all.Wait()
		w.atRest(t, p)
	})
}

func crowdStep(ctx context.Context, p *pgxpool.Pool, tk tenant.Token, dice *rand.Rand) (n int, err error) {
	switch dice.IntN(3) {
	case 0:
		return n, tenant.QueryRow(ctx, p, tk, count).Scan(&n)
	case 1:
		rows, err := tenant.Query(ctx, p, tk, `SELECT id FROM shop.item`)
		if err != nil {
			return 0, err
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		return len(ids), err
	}
	tx, err := tenant.Begin(ctx, p, tk)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	if err := tx.QueryRow(ctx, count).Scan(&n); err != nil {
		return 0, err
	}
	if dice.IntN(2) == 0 {
		_, err = tx.Exec(ctx, `SELECT pg_sleep(0.001)`)
	}
	if err == nil {
		err = tx.Commit(ctx)
	}
	return n, err
}

// A server that ends a connection in the middle costs that transaction and no more.
func TestBrokenConnections(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		p := open(t, w.config(t))
		tk := w.token(t, w.a)
		kill := func(pid int) {
			if !scalar[bool](t, w.super.QueryRow(ctx, `SELECT pg_terminate_backend($1, 5000)`, pid)) {
				t.Fatal("the backend does not end")
			}
		}
		tx, err := tenant.Begin(ctx, p, tk)
		if err != nil {
			t.Fatal(err)
		}
		kill(scalar[int](t, tx.QueryRow(ctx, `SELECT pg_backend_pid()`)))
		if err := tx.Commit(ctx); err == nil {
			t.Error("a commit went through a connection that is gone")
		}
		w.atRest(t, p)
		if _, err := tenant.Exec(ctx, p, tk, `SELECT pg_terminate_backend(pg_backend_pid())`); err == nil {
			t.Error("a statement ended its own connection without an error")
		}
		rows, err := tenant.Query(ctx, p, tk, `SELECT CASE WHEN n = 50000 THEN pg_terminate_backend(pg_backend_pid()) END FROM generate_series(1, 100000) AS n`)
		if err == nil {
			for rows.Next() {
			}
			err = rows.Err()
		}
		if err == nil {
			t.Error("a query whose connection ended has no error")
		}
		w.atRest(t, p)
		if n := scalar[int](t, tenant.QueryRow(ctx, p, tk, count)); n != 3 {
			t.Errorf("%d rows afterwards, want 3", n)
		}
	})
}

// What one tenant leaves on a pooled connection does not reach the next, and does not lock it out.
func TestLeftBehind(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		p := w.one(t)
		tx, err := tenant.Begin(ctx, p, w.token(t, w.a))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(ctx, `DECLARE kept CURSOR WITH HOLD FOR SELECT name FROM shop.item`); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		if n := scalar[int](t, tenant.QueryRow(ctx, p, w.token(t, w.b), count)); n != 5 {
			t.Errorf("%d rows, want 5", n)
		}
		if _, err := tenant.Exec(ctx, p, w.token(t, w.b), `FETCH ALL FROM kept`); err == nil {
			t.Error("another tenant's cursor is there to be read")
		}
		// The application ends the transaction behind the SDK's back: what follows has no tenant.
		tx, err = tenant.Begin(ctx, p, w.token(t, w.a))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Conn().Exec(ctx, `COMMIT; BEGIN`); err != nil {
			t.Fatal(err)
		}
		if n := scalar[int](t, tx.QueryRow(ctx, count)); n != 0 {
			t.Errorf("%d rows in a transaction that nobody entered", n)
		}
		_ = tx.Rollback(ctx)
		w.atRest(t, p)
	})
}

// A token for reading reads.
func TestReadOnly(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		p := w.one(t)
		c := w.claims(w.a)
		c.Access = tenant.Read
		reader := w.mint(t, c)
		if n := scalar[int](t, tenant.QueryRow(ctx, p, reader, count)); n != 3 {
			t.Errorf("%d rows, want 3", n)
		}
		if _, err := tenant.Exec(ctx, p, reader, `DELETE FROM shop.item`); err == nil {
			t.Error("a token for reading writes")
		}
		if tag, err := tenant.Exec(ctx, p, w.token(t, w.a), `UPDATE shop.item SET n = n`); err != nil || tag.RowsAffected() != 3 {
			t.Error("what a reader leaves behind hinders the next:", tag, err)
		}
	})
}
