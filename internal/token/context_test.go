package token

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/tenant"
)

// Without a token there is no row; with one there are those of its tenant, to read and to write.
func TestEnter(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		conn := w.app()
		if n := w.count(conn); n != 0 {
			t.Errorf("%d rows are seen without a token", n)
		}
		for _, c := range []struct {
			of   uuid.UUID
			rows int
		}{{w.a, 3}, {w.b, 5}} {
			tx := w.begin(conn)
			claims := w.claims(c.of)
			if err := enter(tx, w.mint(claims).Bytes()); err != nil {
				t.Fatal(err)
			}
			if n := w.count(tx); n != c.rows {
				t.Errorf("%d rows are seen, want %d", n, c.rows)
			}
			var session uuid.UUID
			if err := tx.QueryRow(ctx, `SELECT garant.session()`).Scan(&session); err != nil || session != uuid.UUID(claims.Session) {
				t.Errorf("session %v, %v; want %v", session, err, claims.Session)
			}
			if _, err := tx.Exec(ctx, `INSERT INTO shop.item (name) VALUES ('new')`); err != nil {
				t.Error("an insert without a tenant column:", err)
			}
			if n := w.count(tx); n != c.rows+1 {
				t.Errorf("%d rows after an insert, want %d", n, c.rows+1)
			}
			_ = tx.Rollback(ctx)
		}
		tx := w.begin(conn)
		if err := enter(tx, w.token(w.a).Bytes()); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO shop.item (tenant_id, name) VALUES ($1, 'theirs')`, w.b); err == nil {
			t.Error("a row of another tenant can be written")
		}
	})
}

// Keys of tenants are of three types; the functions of the others tell nothing.
func TestTypesOfKeys(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		text := func(s string) tenant.ID {
			id, err := tenant.Text(s)
			if err != nil {
				t.Fatal(err)
			}
			return id
		}
		id := uuid.New()
		for _, c := range []struct {
			id   tenant.ID
			want [3]string
		}{
			{tenant.UUID(id), [3]string{id.String(), "", ""}},
			{tenant.Int(42), [3]string{"", "42", ""}},
			{tenant.Int(-1 << 63), [3]string{"", "-9223372036854775808", ""}},
			{text("x"), [3]string{"", "", "x"}},
			{text("clq1a2b3c4d5e6f7g8h9i0j1k"), [3]string{"", "", "clq1a2b3c4d5e6f7g8h9i0j1k"}},
			{text("'; DROP TABLE \"é\\_%"), [3]string{"", "", "'; DROP TABLE \"é\\_%"}},
			{text(strings.Repeat("é", 19)), [3]string{"", "", strings.Repeat("é", 19)}},
		} {
			tx := w.begin(w.app())
			claims := w.claims(w.a)
			claims.Tenant = c.id
			if err := enter(tx, w.mint(claims).Bytes()); err != nil {
				t.Fatal(err)
			}
			var got [3]string
			if err := tx.QueryRow(context.Background(), `SELECT coalesce(garant.tenant_uuid()::text, ''), coalesce(garant.tenant_bigint()::text, ''), coalesce(garant.tenant_text(), '')`).
				Scan(&got[0], &got[1], &got[2]); err != nil || got != c.want {
				t.Errorf("%s %q: %q, %v; want %q", c.id.Type(), c.id, got, err, c.want)
			}
		}
	})
}

// A token for reading makes the transaction read only, and nothing the application may say makes it writable.
func TestReadOnly(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		claims := w.claims(w.a)
		claims.Access = tenant.Read
		for _, escape := range []string{
			``, `SET transaction_read_only = off`, `SET LOCAL transaction_read_only = off`, `SET TRANSACTION READ WRITE`, `SELECT set_config('transaction_read_only', 'off', true)`,
			`RESET transaction_read_only`, `RESET ALL`, `SAVEPOINT s; SET TRANSACTION READ WRITE`, `SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE`,
		} {
			conn := w.app()
			tx := w.begin(conn)
			if err := enter(tx, w.mint(claims).Bytes()); err != nil {
				t.Fatal(err)
			}
			if n := w.count(tx); n != 3 {
				t.Errorf("%d rows are read, want 3", n)
			}
			if _, err := tx.Exec(ctx, escape); err != nil {
				continue // refused
			}
			for _, write := range []string{
				`INSERT INTO shop.item (name) VALUES ('new')`, `INSERT INTO shop.item (name) SELECT set_config('transaction_read_only', 'on', true)`,
				`UPDATE shop.item SET name = 'new'`, `UPDATE shop.item SET name = set_config('transaction_read_only', 'on', true)`, `DELETE FROM shop.item`,
			} {
				sub, err := tx.Begin(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if tag, err := sub.Exec(ctx, write); err == nil && tag.RowsAffected() > 0 {
					t.Errorf("a token for reading writes after %q: %s", escape, write)
				}
				_ = sub.Rollback(ctx)
			}
		}
	})
}

func TestRefused(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		conn := w.app()
		refused := func(what string, token []byte, want error) {
			t.Helper()
			tx := w.begin(conn)
			defer func() { _ = tx.Rollback(context.Background()) }()
			if err := enter(tx, token); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
		good := w.token(w.a).Bytes()
		refused("nothing", nil, tenant.ErrInvalid)
		refused("empty", []byte{}, tenant.ErrInvalid)
		refused("half", good[:66], tenant.ErrInvalid)
		refused("one byte more", append(good[:len(good):len(good)], 0), tenant.ErrInvalid)
		refused("zeros", make([]byte, tenant.Size), tenant.ErrInvalid)
		for i := range good {
			for _, bit := range []byte{1, 128} {
				changed := append([]byte(nil), good...)
				changed[i] ^= bit
				refused("a changed bit", changed, tenant.ErrInvalid)
			}
		}
		other := w.newKey(1)
		forged, _ := other.Mint(w.claims(w.a))
		refused("another key, same id", forged.Bytes(), tenant.ErrInvalid)
		other.Audience = w.key.Audience
		forged, _ = other.Mint(w.claims(w.a))
		refused("another key, same audience", forged.Bytes(), tenant.ErrInvalid)
		elsewhere := w.key
		elsewhere.Audience = w.newKey(1).Audience
		forged, _ = elsewhere.Mint(w.claims(w.a))
		refused("this key, another database", forged.Bytes(), tenant.ErrInvalid)

		claims := w.claims(w.a)
		claims.Expires = time.Now().Add(-time.Millisecond)
		refused("expired", w.mint(claims).Bytes(), tenant.ErrExpired)

		if err := RetireKey(context.Background(), w.keeper, w.key.ID, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if err := enter(w.begin(w.app()), good); err != nil {
			t.Error("a key that retires later:", err)
		}
		if err := RetireKey(context.Background(), w.keeper, w.key.ID, time.Now()); err != nil {
			t.Fatal(err)
		}
		refused("a retired key", good, tenant.ErrInvalid)
		if err := RetireKey(context.Background(), w.keeper, w.key.ID, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		refused("a key that was to live again", good, tenant.ErrInvalid)
	})
}

// Two keys are live during a rotation.
func TestRotation(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		next := w.newKey(2)
		if err := InstallKey(ctx, w.keeper, w.key, nil); err == nil || !strings.Contains(err.Error(), "already") {
			t.Error("the same id twice:", err)
		}
		if err := InstallKey(ctx, w.keeper, next, nil); err != nil {
			t.Fatal(err)
		}
		fresh, _ := next.Mint(w.claims(w.b))
		for _, token := range []tenant.Token{w.token(w.a), fresh} {
			if err := enter(w.begin(w.app()), token.Bytes()); err != nil {
				t.Error(err)
			}
		}
		keys, err := Keys(ctx, w.keeper)
		if err != nil || len(keys) != 2 || keys[0].ID != 1 || keys[1].ID != 2 || keys[1].Audience != next.Audience || keys[0].Database != "shop" {
			t.Errorf("keys %+v, %v", keys, err)
		}
	})
}

// A copy of the database under another name has the key, and refuses the tokens until it is given its own.
func TestCopyRefuses(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		root := w.connect(cluster.SuperUser, "postgres")
		_ = w.super.Close(ctx)
		_ = w.keeper.Close(ctx)
		w.exec(root, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shop'`)
		time.Sleep(200 * time.Millisecond)
		w.exec(root, `CREATE DATABASE copy TEMPLATE shop`)
		t.Cleanup(func() {
			root := w.connect(cluster.SuperUser, "postgres")
			w.exec(root, `DROP DATABASE copy WITH (FORCE)`)
		})
		token := w.token(w.a).Bytes()
		if err := enter(w.begin(w.app()), token); err != nil {
			t.Error("at home:", err)
		}
		w.wants(enter(w.begin(w.connect("app", "copy")), token), tenant.ErrInvalid)
	})
}

// One transaction serves one session.
func TestSecondTenant(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		tx := w.begin(w.app())
		first := w.token(w.a).Bytes()
		if err := enter(tx, first); err != nil {
			t.Fatal(err)
		}
		if err := enter(tx, first); err != nil {
			t.Error("the same again:", err)
		}
		reader := w.claims(w.a)
		reader.Access = tenant.Read
		for _, other := range []tenant.Token{w.token(w.b), w.token(w.a), w.mint(reader)} {
			sub, err := tx.Begin(ctx)
			if err != nil {
				t.Fatal(err)
			}
			w.wants(enter(sub, other.Bytes()), tenant.ErrOther)
			_ = sub.Rollback(ctx)
		}
		if n := w.count(tx); n != 3 {
			t.Errorf("%d rows afterwards, want 3", n)
		}
	})
}

// A savepoint gives back what was before it: no context, or the first one. What a rolled back part
// has read or opened is gone with it.
func TestSavepoints(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		tx := w.begin(w.app())
		if _, err := tx.Exec(ctx, `SAVEPOINT s`); err != nil {
			t.Fatal(err)
		}
		if err := enter(tx, w.token(w.a).Bytes()); err != nil {
			t.Fatal(err)
		}
		for _, sql := range []string{`DECLARE c CURSOR FOR SELECT name FROM shop.item`, `ROLLBACK TO s`} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				t.Fatal(err)
			}
		}
		if n := w.count(tx); n != 0 {
			t.Errorf("%d rows after a rollback to before, want 0", n)
		}
		if err := enter(tx, w.token(w.b).Bytes()); err != nil {
			t.Fatal(err)
		}
		if n := w.count(tx); n != 5 {
			t.Errorf("%d rows, want 5", n)
		}
		if _, err := tx.Exec(ctx, `FETCH ALL FROM c`); err == nil {
			t.Error("a cursor of the part that was rolled back is open")
		}
	})
}

// A cursor of one tenant, kept open on a pooled connection, is not there for the next.
func TestCursors(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		conn := w.app()
		tx := w.begin(conn)
		if err := enter(tx, w.token(w.a).Bytes()); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(ctx, `DECLARE kept CURSOR WITH HOLD FOR SELECT name FROM shop.item`); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		tx = w.begin(conn)
		w.wants(enter(tx, w.token(w.b).Bytes()), tenant.ErrCursor)
		_ = tx.Rollback(ctx)
		if _, err := conn.Exec(ctx, `DISCARD ALL`); err != nil {
			t.Fatal(err)
		}
		if err := enter(w.begin(conn), w.token(w.b).Bytes()); err != nil {
			t.Error("after DISCARD ALL:", err)
		}
	})
}

// The end of a session ends what is open of it, and nothing else.
func TestRevocation(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		ended, other := w.claims(w.a), w.claims(w.a)
		open, stays := w.app(), w.app()
		tx, keeps := w.begin(open), w.begin(stays)
		if err := errors.Join(enter(tx, w.mint(ended).Bytes()), enter(keeps, w.mint(other).Bytes())); err != nil {
			t.Fatal(err)
		}
		if err := Revoke(ctx, w.keeper, ended.Session, ended.Expires); err != nil {
			t.Fatal(err)
		}
		if n, err := Sweep(ctx, w.keeper); err != nil || n != 1 {
			t.Fatalf("%d transactions ended, %v; want 1", n, err)
		}
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM shop.item`).Scan(new(int)); err == nil { // 57P01, or nobody there any more
			t.Error("a transaction of an ended session goes on")
		}
		if n := w.count(keeps); n != 3 {
			t.Errorf("another session of the tenant reads %d rows, want 3", n)
		}
		w.wants(enter(w.begin(w.app()), w.mint(ended).Bytes()), tenant.ErrRevoked)

		// A row is kept as long as a token could need it, and then forgotten.
		old := w.claims(w.a)
		if err := Revoke(ctx, w.keeper, old.Session, time.Now().Add(-2*time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := Sweep(ctx, w.keeper); err != nil {
			t.Fatal(err)
		}
		var rows int
		if err := w.super.QueryRow(ctx, `SELECT count(*) FROM garant.revocation`).Scan(&rows); err != nil || rows != 1 {
			t.Errorf("%d revocations are kept, %v; want 1", rows, err)
		}
	})
}

// A transaction ends with its token.
func TestExpiry(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		claims := w.claims(w.a)
		claims.Expires = time.Now().Add(1200 * time.Millisecond)
		tx := w.begin(w.app())
		if err := enter(tx, w.mint(claims).Bytes()); err != nil {
			t.Fatal(err)
		}
		if n, err := Sweep(ctx, w.keeper); err != nil || n != 0 {
			t.Fatalf("%d transactions ended before their time, %v", n, err)
		}
		time.Sleep(time.Until(claims.Expires) + 1100*time.Millisecond) // the sweep counts whole seconds
		if n, err := Sweep(ctx, w.keeper); err != nil || n != 1 {
			t.Fatalf("%d transactions ended, %v; want 1", n, err)
		}
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM shop.item`).Scan(new(int)); err == nil {
			t.Error("a transaction goes on after its token's end")
		}
	})
}

// statement_timestamp stands still while a batch waits: the wall clock counts.
func TestExpiryWithinStatement(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		claims := w.claims(w.a)
		claims.Expires = time.Now().Add(700 * time.Millisecond)
		tx := w.begin(w.app())
		_, err := tx.Exec(context.Background(), `SELECT garant.enter($1) FROM pg_sleep(1.5)`, w.mint(claims).Bytes())
		w.wants(tenant.Explain(err), tenant.ErrExpired)
	})
}

// Above READ COMMITTED the end of a session is not seen: enter early or not at all.
func TestSnapshots(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		for _, level := range []pgx.TxIsoLevel{pgx.RepeatableRead, pgx.Serializable} {
			ended := w.claims(w.a)
			tx, err := w.app().BeginTx(ctx, pgx.TxOptions{IsoLevel: level})
			if err != nil {
				t.Fatal(err)
			}
			if err := tx.QueryRow(ctx, `SELECT 1`).Scan(new(int)); err != nil { // takes the snapshot
				t.Fatal(err)
			}
			if err := Revoke(ctx, w.keeper, ended.Session, ended.Expires); err != nil {
				t.Fatal(err)
			}
			time.Sleep(Settled)
			w.wants(enter(tx, w.mint(ended).Bytes()), tenant.ErrSnapshot)
			_ = tx.Rollback(ctx)

			// Within the second it comes in, and is found by the second sweep.
			ended = w.claims(w.a)
			tx, err = w.app().BeginTx(ctx, pgx.TxOptions{IsoLevel: level})
			if err != nil {
				t.Fatal(err)
			}
			if err := tx.QueryRow(ctx, `SELECT 1`).Scan(new(int)); err != nil {
				t.Fatal(err)
			}
			if err := Revoke(ctx, w.keeper, ended.Session, ended.Expires); err != nil {
				t.Fatal(err)
			}
			if err := enter(tx, w.mint(ended).Bytes()); err != nil && !errors.Is(err, tenant.ErrSnapshot) {
				t.Error(err)
			} else if err == nil {
				time.Sleep(Settled)
				if n, err := Sweep(ctx, w.keeper); err != nil || n != 1 {
					t.Errorf("%d transactions ended, %v; want 1", n, err)
				}
			}
			_ = tx.Rollback(ctx)
		}
	})
}

// Nothing of a context stays on the connection.
func TestNothingStays(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		for _, end := range []string{`COMMIT`, `ROLLBACK`, `COMMIT AND CHAIN`, `ROLLBACK AND CHAIN`, `SELECT 1/0`, `PREPARE TRANSACTION 'x'`, `RESET ALL`} {
			conn := w.app()
			if _, err := conn.Exec(ctx, `BEGIN`); err != nil {
				t.Fatal(err)
			}
			if err := enter(conn, w.token(w.a).Bytes()); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Exec(ctx, end); err != nil && end != `SELECT 1/0` {
				t.Fatalf("%s: %v", end, err)
			}
			switch end {
			case `PREPARE TRANSACTION 'x'`:
				w.exec(w.super, `ROLLBACK PREPARED 'x'`)
			case `SELECT 1/0`:
				w.exec(conn, `ROLLBACK`)
			}
			if n := w.count(conn); n != 0 && end != `RESET ALL` {
				t.Errorf("%d rows are seen after %s", n, end)
			} else if end == `RESET ALL` && n != 0 && n != 3 {
				t.Errorf("%d rows are seen after RESET ALL within the transaction", n)
			}
		}
	})
}

// A generic plan, made for one tenant, serves the next with its own rows.
func TestPlansAreOfNobody(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		conn := w.app()
		w.exec(conn, `SET plan_cache_mode = force_generic_plan; PREPARE q AS SELECT count(*) FROM shop.item WHERE id > 0`)
		for i := range 6 {
			of, want := w.a, 3
			if i%2 == 1 {
				of, want = w.b, 5
			}
			tx := w.begin(conn)
			if err := enter(tx, w.token(of).Bytes()); err != nil {
				t.Fatal(err)
			}
			var n int
			if err := tx.QueryRow(ctx, `EXECUTE q`).Scan(&n); err != nil || n != want {
				t.Errorf("%d rows, %v; want %d", n, err, want)
			}
			_ = tx.Rollback(ctx)
		}
	})
}

// Parallel workers see the same tenant.
func TestParallelWorkers(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		w.exec(w.super, `INSERT INTO shop.item (tenant_id, name) SELECT (SELECT tenant_id FROM shop.item ORDER BY id LIMIT 1), repeat('x', 100) FROM generate_series(1, 20000); ANALYZE shop.item`)
		conn := w.app()
		w.exec(conn, `SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2; SET enable_indexscan = off; SET enable_bitmapscan = off`)
		tx := w.begin(conn)
		if err := enter(tx, w.token(w.a).Bytes()); err != nil {
			t.Fatal(err)
		}
		rows, _ := tx.Query(ctx, `EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT count(*) FROM shop.item`)
		plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil || !strings.Contains(strings.Join(plan, "\n"), "Workers Launched: 2") {
			t.Errorf("no parallel plan: %v\n%s", err, strings.Join(plan, "\n"))
		}
		if n := w.count(tx); n != 20003 {
			t.Errorf("%d rows, want 20003", n)
		}
	})
}

// The offsets in the SQL are those of the codec.
func TestLayout(t *testing.T) {
	w := newWorld(t, Pinned)
	claims := w.claims(w.a)
	b := w.mint(claims).Bytes()
	if string(b[58:74]) != string(claims.Session[:]) || b[91] != 'w' || int64(binary.BigEndian.Uint64(b[92:100])) != claims.Expires.UnixMicro() { //nolint:gosec // as written
		t.Error("the layout of a token changed: change schema/functions.sql with it")
	}
}
