package token

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/tenant"
)

// However ends of sessions, of tenants and of keys, sweeps and new keys come together, and at whatever level of isolation: what was ended
// stays out, and each key says beside it what the table says.
func TestEndsOfAllKindsAtOnce(t *testing.T) {
	w := newWorld(t, Pinned)
	ctx := context.Background()
	var mu sync.Mutex
	ended, away := []tenant.Claims{}, map[tenant.ID]bool{}
	tenants := make([]tenant.ID, 4)
	for i := range tenants {
		tenants[i] = tenant.UUID(uuid.New())
	}
	until := time.Now().Add(3 * time.Second)
	var working sync.WaitGroup
	work := func(role string, do func(conn *pgx.Conn, i int)) {
		conn := w.connect(role, "shop")
		working.Add(1)
		go func() {
			defer working.Done()
			for i := 0; time.Now().Before(until); i++ {
				do(conn, i)
			}
		}()
	}
	for range 3 {
		work("keeper", func(conn *pgx.Conn, i int) {
			claims := w.claims(w.a)
			level := []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable}[i%3]
			expires := claims.Expires
			if i%4 == 0 {
				expires = time.Now().Add(-2 * time.Minute) // a row for the next sweep to forget
			}
			err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, `SELECT garant.session()`); err != nil { // takes the snapshot
					return err
				}
				time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond) //nolint:gosec // no secret
				return Revoke(ctx, tx, claims.Session, expires)
			})
			if err == nil && i%4 != 0 {
				mu.Lock()
				ended = append(ended, claims)
				mu.Unlock()
			} else if level == pgx.ReadCommitted && err != nil {
				t.Error(err)
			}
		})
	}
	work("keeper", func(conn *pgx.Conn, _ int) {
		if _, err := Sweep(ctx, conn); err != nil {
			t.Error(err)
		}
	})
	keys := []tenant.Key{w.key}
	work("keeper", func(conn *pgx.Conn, i int) {
		if i > 20 {
			time.Sleep(50 * time.Millisecond)
			return
		}
		k := w.newKey(byte(i + 2)) //nolint:gosec // few
		if err := InstallKey(ctx, conn, k, nil); err != nil {
			t.Error(err)
		}
		keys = append(keys, k)
		if i%3 == 1 {
			if err := RetireKey(ctx, conn, k.ID, time.Now().AddDate(0, 0, -2)); err != nil { // for the next sweep to forget
				t.Error(err)
			}
			keys = keys[:len(keys)-1]
		}
	})
	work(cluster.SuperUser, func(conn *pgx.Conn, i int) {
		id, change, closes := tenants[i%len(tenants)], Close, i%3 != 0
		if !closes {
			change = Open
		}
		if err := pg.InTx(ctx, conn, func(tx pgx.Tx) error { return change(ctx, tx, id) }); err != nil {
			t.Error(err)
		}
		away[id] = closes
	})
	working.Wait()
	if len(ended) < 10 || len(keys) < 3 {
		t.Fatalf("%d ends, %d keys: nothing was tried", len(ended), len(keys))
	}
	var wrong, kept int
	w.must(w.super.QueryRow(ctx, `SELECT count(*) FILTER (WHERE k.ended IS DISTINCT FROM NULL AND (SELECT array_agg(x ORDER BY x) FROM unnest(k.ended) x) IS DISTINCT FROM (SELECT array_agg(r.hash ORDER BY r.hash) FROM garant.revocation r)), count(*) FROM garant.key k`).Scan(&wrong, &kept))
	if wrong != 0 {
		t.Errorf("%d of %d keys say beside them what the table does not", wrong, kept)
	}
	app := w.app()
	for i, c := range ended {
		token, err := keys[i%len(keys)].Mint(c)
		w.must(err)
		if err := enter(app, token.Bytes()); err == nil {
			t.Fatalf("session %d of %d comes in after its end", i, len(ended))
		}
	}
	for id, gone := range away {
		c := w.claims(w.a)
		c.Tenant = id
		token, err := keys[len(keys)-1].Mint(c)
		w.must(err)
		want := error(nil)
		if gone {
			want = tenant.ErrMoved
		}
		w.wants(enter(app, token.Bytes()), want)
	}
	t.Log(len(ended), "ends,", len(keys), "keys")
}

// The level of isolation, which PostgreSQL 15 lets anybody reset in the middle of a transaction, does not make an old snapshot pass for a new one.
func TestLevelIsReset(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		for _, says := range []string{`RESET transaction_isolation`, `SELECT set_config('transaction_isolation', 'read committed', true)`, `SET TRANSACTION ISOLATION LEVEL READ COMMITTED`, `RESET ALL`} {
			ended := w.claims(w.a)
			tx, err := w.app().BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
			w.must(err)
			w.must(tx.QueryRow(ctx, `SELECT 1 FROM shop.item RIGHT JOIN (SELECT 1) AS x ON false`).Scan(new(int))) // takes the snapshot
			w.must(Revoke(ctx, w.keeper, ended.Session, ended.Expires))
			if _, err := Sweep(ctx, w.keeper); err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(ctx, says); err != nil {
				_ = tx.Rollback(ctx)
				continue // refused
			}
			if err := enter(tx, w.mint(ended).Bytes()); err == nil {
				t.Errorf("after %s an ended session comes in on an older snapshot", says)
			}
			_ = tx.Rollback(ctx)

			// One that has come in, without its locks, is at its end too.
			ended = w.claims(w.a)
			tx, err = w.app().BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
			w.must(err)
			w.run(tx, `SAVEPOINT s`)
			w.must(enter(tx, w.mint(ended).Bytes()))
			_, _ = tx.Exec(ctx, `SELECT set_config('my.ticket', current_setting('garant.context', true), false)`)
			w.run(tx, `ROLLBACK TO s`)
			if n := w.count(tx); n != 0 {
				t.Errorf("%d rows after the savepoint", n)
			}
			_ = tx.Rollback(ctx)
		}
	})
}
