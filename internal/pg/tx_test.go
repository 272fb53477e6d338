package pg_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

// sent notes what goes to the database.
type sent struct{ list []string }

func (s *sent) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	s.list = append(s.list, d.SQL)
	return ctx
}

func (s *sent) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// heard is a watcher that notes what it is told.
type heard struct{ list []bool }

func (h *heard) Ended(_ *pgx.Conn, committed bool) { h.list = append(h.list, committed) }

// A transaction sends nothing until it has something to ask, and keeps the order of what it was given, whatever asks first and last.
func TestInTxKeepsOrder(t *testing.T) {
	db := pgtest.New(t)
	const add = `INSERT INTO job.outbox (name, args) VALUES ($1, '{}')`
	const names = `SELECT coalesce(string_agg(name, '' ORDER BY id), '') FROM job.outbox WHERE $1`
	ctx := context.Background()
	later := func(name string) func(pgx.Tx) error {
		return func(tx pgx.Tx) error { return pg.Later(ctx, tx, add, name) }
	}
	exec := func(name string) func(pgx.Tx) error {
		return func(tx pgx.Tx) error { _, err := tx.Exec(ctx, add, name); return err }
	}
	reads := func(want string) func(pgx.Tx) error {
		return func(tx pgx.Tx) error {
			var got string
			if err := tx.QueryRow(ctx, names, true).Scan(&got); err != nil || got != want {
				t.Errorf("read %q, want %q: %v", got, want, err)
			}
			rows, err := tx.Query(ctx, names, true)
			if err != nil {
				return err
			}
			if list, err := pgx.CollectRows(rows, pgx.RowTo[string]); err != nil || list[0] != want {
				t.Errorf("read %q, want %q: %v", list, want, err)
			}
			return nil
		}
	}
	query := func(tx pgx.Tx) error { // the first is a query of several rows, not read to the end
		rows, err := tx.Query(ctx, `SELECT g FROM generate_series(1, $1::int) AS g`, 1000)
		if err != nil {
			return err
		}
		rows.Next()
		rows.Close()
		return rows.Err()
	}
	none := func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT 1 WHERE $1`, false).Scan(new(int)); !errors.Is(err, pgx.ErrNoRows) {
			t.Errorf("of no row: %v", err)
		}
		return nil
	}
	several := func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO job.outbox (name, args) VALUES ('p', '{}'); INSERT INTO job.outbox (name, args) VALUES ('q', '{}')`)
		return err
	}
	save := func(tx pgx.Tx) error {
		_ = pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error { _ = exec("z")(tx); return errors.New("undone") })
		return pgx.BeginFunc(ctx, tx, exec("s"))
	}
	batch := func(tx pgx.Tx) error {
		var b pgx.Batch
		b.Queue(add, "b")
		return tx.SendBatch(ctx, &b).Close()
	}
	copied := func(tx pgx.Tx) error {
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"job", "outbox"}, []string{"name", "args"}, pgx.CopyFromRows([][]any{{"c", "{}"}}))
		return err
	}
	for _, c := range []struct {
		name string
		do   []func(pgx.Tx) error
		want string
	}{
		{"nothing", nil, ""},
		{"later alone", []func(pgx.Tx) error{later("a")}, "a"},
		{"a row and an entry", []func(pgx.Tx) error{exec("a"), later("b")}, "ab"},
		{"read in between", []func(pgx.Tx) error{later("a"), reads("a"), exec("b"), reads("ab"), later("c")}, "abc"},
		{"query first", []func(pgx.Tx) error{query, later("a"), query, exec("b")}, "ab"},
		{"none first", []func(pgx.Tx) error{none, later("a"), none}, "a"},
		{"several statements", []func(pgx.Tx) error{later("a"), several, later("b")}, "apqb"},
		{"several first", []func(pgx.Tx) error{several, later("b")}, "pqb"},
		{"savepoint", []func(pgx.Tx) error{later("a"), save, later("b")}, "asb"},
		{"savepoint first", []func(pgx.Tx) error{save, later("b")}, "sb"},
		{"batch", []func(pgx.Tx) error{later("a"), batch, later("d")}, "abd"},
		{"copied", []func(pgx.Tx) error{later("a"), copied, later("d")}, "acd"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := db.Pool(pg.Worker).Exec(ctx, `DELETE FROM job.outbox`); err != nil {
				t.Fatal(err)
			}
			if err := pg.InTx(ctx, db.Pool(pg.Worker), func(tx pgx.Tx) error {
				for _, do := range c.do {
					if err := do(tx); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			var got string
			if err := db.Pool(pg.Worker).QueryRow(ctx, names, true).Scan(&got); err != nil || got != c.want {
				t.Errorf("%q is there, want %q: %v", got, c.want, err)
			}
		})
	}
	var s sent
	if err := pg.InTx(pg.Traced(ctx, &s), db.Pool(pg.Worker), func(pgx.Tx) error { return nil }); err != nil || len(s.list) != 0 {
		t.Errorf("for nothing %q was sent: %v", s.list, err)
	}
	if err := pg.InTx(pg.Traced(ctx, &s), db.Pool(pg.Worker), func(tx pgx.Tx) error { return pg.Later(ctx, tx, add, "x") }); err != nil || !slices.Equal(s.list, []string{"begin", add, "commit"}) {
		t.Errorf("%q was sent: %v", s.list, err)
	}
}

// What was left for later and fails is nobody's to overlook: nothing of its transaction comes to pass, and who watches is told so.
func TestInTxLosesNothing(t *testing.T) {
	db := pgtest.New(t)
	ctx := context.Background()
	var h heard
	db.Carry(&h)
	const good = `INSERT INTO job.outbox (name, args) VALUES ($1, '{}')`
	const bad = `INSERT INTO job.outbox (name, args) VALUES ($1, NULL)`
	const unknown = `INSERT INTO job.outbox (nothing) VALUES ($1)`
	pool := db.Pool(pg.Worker)
	for name, do := range map[string]func(tx pgx.Tx) error{
		"with the commit": func(tx pgx.Tx) error { return pg.Later(ctx, tx, bad, "x") },
		"after a row": func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, good, "x")
			return errors.Join(err, pg.Later(ctx, tx, bad, "x"))
		},
		"unknown, with the commit": func(tx pgx.Tx) error { return pg.Later(ctx, tx, unknown, "x") },
		"unknown, after a row": func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, good, "x")
			return errors.Join(err, pg.Later(ctx, tx, unknown, "x"))
		},
		"unreadable argument": func(tx pgx.Tx) error { return pg.Later(ctx, tx, good, struct{ X chan int }{}) },
		"overlooked, first":   func(tx pgx.Tx) error { _, _ = tx.Exec(ctx, unknown, "x"); _, _ = tx.Exec(ctx, good, "x"); return nil },
		"overlooked, with another": func(tx pgx.Tx) error {
			_ = pg.Later(ctx, tx, good, struct{ X chan int }{})
			_, _ = tx.Exec(ctx, good, "x")
			return nil
		},
		"overlooked, in a query": func(tx pgx.Tx) error {
			_ = pg.Later(ctx, tx, bad, "x")
			_ = tx.QueryRow(ctx, `SELECT $1::int`, 1).Scan(new(int))
			return nil
		},
		"overlooked, of the query": func(tx pgx.Tx) error {
			_ = pg.Later(ctx, tx, good, "x")
			_ = tx.QueryRow(ctx, `SELECT 1 / $1::int`, 0).Scan(new(int))
			return nil
		},
		"overlooked, in several": func(tx pgx.Tx) error {
			_ = pg.Later(ctx, tx, bad, "x")
			_, _ = tx.Exec(ctx, `SELECT 1; SELECT 2`)
			return nil
		},
		"overlooked, by a savepoint":  func(tx pgx.Tx) error { _ = pg.Later(ctx, tx, bad, "x"); _, _ = tx.Begin(ctx); return nil },
		"then thought better of":      func(tx pgx.Tx) error { _ = pg.Later(ctx, tx, good, "x"); return errors.New("no") },
		"rolled back by hand":         func(tx pgx.Tx) error { _ = pg.Later(ctx, tx, good, "x"); return tx.Rollback(ctx) },
		"asked after it was rolled b": func(tx pgx.Tx) error { _ = tx.Rollback(ctx); return pg.Later(ctx, tx, good, "x") },
	} {
		t.Run(name, func(t *testing.T) {
			h.list = nil
			err := pg.InTx(ctx, pool, do)
			if err == nil {
				t.Error("it came to pass")
			}
			if len(h.list) == 0 || slices.Contains(h.list, true) {
				t.Errorf("was told %v", h.list)
			}
			var n int
			if err := pool.QueryRow(ctx, "SELECT count(*) FROM job.outbox").Scan(&n); err != nil || n != 0 {
				t.Errorf("%d rows, %v", n, err)
			}
		})
	}
	h.list = nil
	func() {
		defer func() { _ = recover() }()
		_ = pg.InTx(ctx, pool, func(tx pgx.Tx) error {
			_, _ = tx.Exec(ctx, good, "x")
			_ = pg.Later(ctx, tx, good, "x")
			panic("boom")
		})
	}()
	if slices.Contains(h.list, true) || len(h.list) == 0 {
		t.Errorf("after a panic: told %v", h.list)
	}
	h.list = nil
	if err := pg.InTx(ctx, pool, func(tx pgx.Tx) error { return pg.Later(ctx, tx, good, "x") }); err != nil || !slices.Equal(h.list, []bool{true}) {
		t.Errorf("told %v: %v", h.list, err)
	}
	var n int
	if err := pool.QueryRow(ctx, "SELECT count(*) FROM job.outbox").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d rows, %v", n, err)
	}
	for end := time.Now().Add(10 * time.Second); pool.Stat().AcquiredConns() != 0; time.Sleep(10 * time.Millisecond) { // one that is closed is given back beside us
		if time.Now().After(end) {
			t.Fatalf("%d connections are held", pool.Stat().AcquiredConns())
		}
	}
	// A context that ends takes its connection with it, not the next one's.
	ended, cancel := context.WithCancel(ctx)
	err := pg.InTx(ended, pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ended, good, "y")
		cancel()
		return errors.Join(err, pg.Later(ended, tx, good, "y"))
	})
	if err == nil {
		t.Error("a transaction whose context has ended came to pass")
	}
	if err := pool.QueryRow(ctx, "SELECT count(*) FROM job.outbox").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d rows, %v", n, err)
	}
	if err := pg.InTx(ctx, pool, func(tx pgx.Tx) error { _, err := tx.Exec(ctx, bad, "x"); return err }); !errs.Is(err, errs.Internal) || pg.SQLState(err) != "23502" {
		t.Errorf("what the database refused is told as %v", err)
	}
}
