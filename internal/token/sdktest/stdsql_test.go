package sdktest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/tenant"
	"github.com/garant-project/garant/tenant/stdsql"
)

func (w *world) openStd(t testing.TB, conns int) *sql.DB {
	db := stdsql.Open(w.config(t).ConnConfig)
	db.SetMaxOpenConns(conns)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// Every way of database/sql to a statement or a transaction needs a token, and there is none around.
func TestStdNeedsToken(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		db := w.openStd(t, 2)
		ctx := context.Background()
		with := stdsql.With(ctx, w.token(t, w.a))
		if err := db.PingContext(ctx); err != nil {
			t.Error("a ping needs none:", err)
		}
		prepared, err := db.PrepareContext(with, count)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = prepared.Close() }()
		held, err := db.Conn(with)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = held.Close() }()
		attempts := map[string]func() error{
			"Exec":             func() error { _, err := db.Exec(count); return err },
			"Query":            func() error { _, err := db.Query(count); return err }, //nolint:rowserrcheck,sqlclosecheck // there are none
			"QueryRow":         func() error { return db.QueryRow(count).Scan(new(int)) },
			"ExecContext":      func() error { _, err := db.ExecContext(ctx, count); return err },
			"Begin":            func() error { _, err := db.Begin(); return err },
			"BeginTx":          func() error { _, err := db.BeginTx(ctx, nil); return err },
			"prepared":         func() error { return prepared.QueryRow().Scan(new(int)) },
			"prepared context": func() error { _, err := prepared.ExecContext(ctx); return err },
			"Conn":             func() error { return held.QueryRowContext(ctx, count).Scan(new(int)) },
			"Conn.BeginTx":     func() error { _, err := held.BeginTx(ctx, nil); return err },
			"no token at all":  func() error { _, err := db.ExecContext(stdsql.With(ctx, tenant.Token{}), count); return err },
		}
		for name, attempt := range attempts {
			if err := attempt(); !errors.Is(err, tenant.ErrNoToken) {
				t.Errorf("%s: %v", name, err)
			}
		}
		// What Raw shows has no way around either: it holds nothing that is exported.
		if err := held.Raw(func(c any) error {
			v := reflect.ValueOf(c).Elem()
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() {
					t.Errorf("the connection shows %s", v.Type().Field(i).Name)
				}
			}
			if _, err := c.(driver.ExecerContext).ExecContext(ctx, count, nil); !errors.Is(err, tenant.ErrNoToken) {
				t.Error("raw:", err)
			}
			if _, err := c.(driver.Conn).Begin(); !errors.Is(err, tenant.ErrNoToken) { //nolint:staticcheck // the old way in is tried on purpose
				t.Error("raw:", err)
			}
			_, is := c.(interface{ Conn() *pgx.Conn })
			if is {
				t.Error("the connection of pgx is there to be used without a token")
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		if err := prepared.QueryRowContext(with).Scan(new(int)); err != nil {
			t.Error("with a token:", err)
		}
	})
}

func TestStd(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		db := w.openStd(t, 4)
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				of, want := w.a, 3
				if i%2 == 1 {
					of, want = w.b, 5
				}
				ctx := stdsql.With(context.Background(), w.token(t, of))
				for range 30 {
					var n int
					if err := db.QueryRowContext(ctx, count).Scan(&n); err != nil || n != want {
						t.Errorf("%d rows, %v; want %d", n, err, want)
					}
					if err := stdTx(ctx, db, want); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		if n := db.Stats().InUse; n != 0 {
			t.Errorf("%d connections were not given back", n)
		}
		w.atRest(t)
	})
}

func stdTx(ctx context.Context, db *sql.DB, want int) error {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, `INSERT INTO shop.item (name, n) VALUES ($1, $2)`, "new", 77); err != nil {
		return err
	}
	var n int
	// The transaction has its login: what another context carries does not matter.
	if err := tx.QueryRowContext(context.Background(), count).Scan(&n); err != nil || n != want+1 {
		return fmt.Errorf("%d rows, %w; want %d", n, err, want+1)
	}
	rows, err := tx.QueryContext(ctx, `SELECT id, name FROM shop.item ORDER BY id`)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for n = 0; rows.Next(); n++ {
		var id int64
		var name string
		if err := rows.Scan(&id, &name); err != nil || id == 0 || name == "" {
			return fmt.Errorf("row %d %q: %w", id, name, err)
		}
	}
	if n != want+1 {
		return fmt.Errorf("%d rows read, want %d", n, want+1)
	}
	return rows.Err()
}

// Values arrive as database/sql has them.
func TestStdTypes(t *testing.T) {
	w := running.worlds[designs[0]]
	db := w.openStd(t, 1)
	ctx := stdsql.With(context.Background(), w.token(t, w.a))
	when := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	row := db.QueryRowContext(ctx, `SELECT $1::bigint, 2::smallint, 1.5::float8, 12.34::numeric, true, 'x'::text, '\x0102'::bytea, $2::timestamptz, DATE '2026-03-01', $3::uuid, '{"a":1}'::jsonb, NULL::text, '{1,2}'::int[], '10.0.0.1'::inet, interval '1 hour'`, int64(7), when, w.a)
	var (
		i, s                                  int64
		f                                     float64
		num, text, id, js, array, ip, howlong string
		yes                                   bool
		b                                     []byte
		at, day                               time.Time
		none                                  sql.NullString
	)
	if err := row.Scan(&i, &s, &f, &num, &yes, &text, &b, &at, &day, &id, &js, &none, &array, &ip, &howlong); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintln(i, s, f, num, yes, text, len(b), at.Equal(when), day.Format(time.DateOnly), id == w.a.String(), js, none.Valid, array, ip, howlong)
	if want := "7 2 1.5 12.34 true x 2 true 2026-03-01 true {\"a\": 1} false {1,2} 10.0.0.1/32 01:00:00\n"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	rows, err := db.QueryContext(ctx, `SELECT id, name AS called FROM shop.item WHERE false`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	names, _ := rows.Columns()
	if fmt.Sprint(names) != "[id called]" || rows.Next() || rows.Err() != nil {
		t.Error(names, rows.Err())
	}
	if _, err := db.ExecContext(ctx, `SELECT 1`, sql.Named("x", 1)); err == nil {
		t.Error("a parameter with a name")
	}
}

// A context that ends takes its transaction with it; what was left behind does not reach the next; an expired token is
// replaced.
func TestStdEnds(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		db := w.openStd(t, 1)
		a, b := stdsql.With(context.Background(), w.token(t, w.a)), stdsql.With(context.Background(), w.token(t, w.b))
		short, stop := context.WithCancel(a)
		tx, err := db.BeginTx(short, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(short, `DELETE FROM shop.item`); err != nil {
			t.Fatal(err)
		}
		stop()
		n := 0
		for deadline := time.Now().Add(5 * time.Second); n != 3 && time.Now().Before(deadline); {
			if err := db.QueryRowContext(a, count).Scan(&n); err != nil {
				t.Fatal(err)
			}
		}
		if n != 3 {
			t.Errorf("%d rows after a transaction that was given up, want 3", n)
		}
		if tx, err = db.BeginTx(a, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(a, `DECLARE kept CURSOR WITH HOLD FOR SELECT name FROM shop.item`); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := db.QueryRowContext(b, count).Scan(&n); err != nil || n != 5 {
			t.Errorf("%d rows beside a cursor that was left open, %v; want 5", n, err)
		}
		for _, err := range []error{
			func() error {
				_, err := db.ExecContext(a, `INSERT INTO shop.item (name, n) VALUES ('twice', 1)`)
				return err
			}(),
			db.QueryRowContext(a, `INSERT INTO shop.item (name, n) VALUES ('twice', 1) RETURNING id`).Scan(new(int64)),
		} {
			if err == nil {
				t.Error("an error that comes with the end of the transaction is not told")
			}
		}
		_, err = db.ExecContext(stdsql.With(context.Background(), w.expired(t, w.a)), `SELECT 1`)
		if !errors.Is(err, tenant.ErrExpired) {
			t.Error(err)
		}
		asked := 0
		late := stdsql.WithSource(context.Background(), tenant.Cache(tenant.SourceFunc(func(context.Context) (tenant.Token, error) {
			if asked++; asked == 1 {
				return w.expired(t, w.a), nil
			}
			return w.token(t, w.a), nil
		})))
		if err := db.QueryRowContext(late, count).Scan(&n); err != nil || n != 3 || asked != 2 {
			t.Errorf("%d rows, %v, asked %d times", n, err, asked)
		}
		w.atRest(t)
	})
}
