package token

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/tenant"
)

// The attacks here are those of who says SQL of their own with a valid token of their own tenant, and wants
// to stay after its end, or who holds something that is no token of theirs: an old snapshot, a key that leaked.

// A ticket can be read back, and put on again after a savepoint gave up the locks by which a sweep finds its
// user. It opens nothing any more once its session, token, key or tenant has ended.
func TestTicketWithoutLocks(t *testing.T) {
	w := newWorld(t, Statement)
	ctx := context.Background()
	for what, end := range map[string]func(tenant.Claims){
		"the session": func(c tenant.Claims) { w.must(Revoke(ctx, w.keeper, c.Session, c.Expires)) },
		"the token":   func(c tenant.Claims) { time.Sleep(time.Until(c.Expires)) },
		"the key":     func(tenant.Claims) { w.must(RetireKey(ctx, w.keeper, w.key.ID, time.Now())) },
		"the tenant, which moved": func(c tenant.Claims) {
			w.must(pg.InTx(ctx, w.super, func(tx pgx.Tx) error { return Close(ctx, tx, c.Tenant) }))
		},
	} {
		t.Run(what, func(t *testing.T) {
			w.key = w.newKey(w.key.ID + 1)
			w.must(InstallKey(ctx, w.keeper, w.key, nil))
			w.must(pg.InTx(ctx, w.super, func(tx pgx.Tx) error { return Open(ctx, tx, tenant.UUID(w.a)) }))
			claims := w.claims(w.a)
			claims.Expires = time.Now().Add(2 * time.Second)
			tx := w.begin(w.app())
			w.run(tx, `SAVEPOINT s`)
			w.must(enter(tx, w.mint(claims).Bytes()))
			var ticket string
			w.must(tx.QueryRow(ctx, `SELECT current_setting('garant.context')`).Scan(&ticket))
			w.run(tx, `ROLLBACK TO s`)
			w.run(tx, `SELECT set_config('garant.context', '`+ticket+`', true)`)
			if n := w.count(tx); n != 3 {
				t.Fatalf("%d rows before the end, want 3: the attack is another now", n)
			}
			end(claims)
			if _, err := Sweep(ctx, w.keeper); err != nil {
				t.Fatal(err)
			}
			var n int
			if err := tx.QueryRow(ctx, `SELECT count(*) FROM shop.item`).Scan(&n); err == nil && n != 0 {
				t.Errorf("%d rows are seen after the end", n)
			}
			if tag, err := tx.Exec(ctx, `UPDATE shop.item SET name = name`); err == nil && tag.RowsAffected() != 0 {
				t.Errorf("%d rows are written after the end", tag.RowsAffected())
			}
		})
	}
}

// Transactions of one message have one timestamp, so that a ticket of the first is good in the second, where no
// locks are. It is not after the end of the session, nor in any transaction of another message.
func TestTicketOfOneMessage(t *testing.T) {
	w := newWorld(t, Statement)
	ctx := context.Background()
	for _, next := range []string{`COMMIT; BEGIN`, `COMMIT AND CHAIN`, `ROLLBACK AND CHAIN`} {
		conn, claims := w.app(), w.claims(w.a)
		_, err := conn.PgConn().Exec(ctx, fmt.Sprintf(`BEGIN; SELECT garant.enter('\x%x'); SELECT set_config('my.ticket', current_setting('garant.context'), false); SAVEPOINT s; %s; SELECT set_config('garant.context', current_setting('my.ticket'), false)`,
			w.mint(claims).Bytes(), strings.Replace(next, "ROLLBACK", "RELEASE s; ROLLBACK", 1))).ReadAll()
		w.must(err)
		w.must(Revoke(ctx, w.keeper, claims.Session, claims.Expires))
		if _, err := Sweep(ctx, w.keeper); err != nil {
			t.Fatal(err)
		}
		if n := w.count(conn); n != 0 {
			t.Errorf("%s: %d rows are seen after the end of the session", next, n)
		}
		if _, err := conn.Exec(ctx, `COMMIT AND CHAIN`); err != nil {
			t.Fatal(err)
		}
		if n := w.count(conn); n != 0 {
			t.Errorf("%s: %d rows are seen in the next transaction", next, n)
		}
	}
}

// Who got hold of a key has until it is retired, and no longer: neither in what they left open nor with tickets made at home.
func TestLeakedKey(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		next := w.newKey(2)
		w.must(InstallKey(ctx, w.keeper, next, nil))
		claims := w.claims(w.b)
		claims.Expires = time.Now().AddDate(50, 0, 0)
		open, stays := w.begin(w.app()), w.begin(w.app())
		w.must(enter(open, w.mint(claims).Bytes()))
		claims.Expires = time.Now().AddDate(4, 0, 0)
		fresh, err := next.Mint(claims)
		w.must(err)
		w.must(enter(stays, fresh.Bytes()))
		w.must(RetireKey(ctx, w.keeper, w.key.ID, time.Now()))
		if n, err := Sweep(ctx, w.keeper); err != nil || n != 1 {
			t.Errorf("%d transactions of a retired key were ended, %v; want 1", n, err)
		}
		if err := open.QueryRow(ctx, `SELECT 1`).Scan(new(int)); err == nil {
			t.Error("a transaction of a retired key goes on")
		}
		if n := w.count(stays); n != 5 {
			t.Errorf("%d rows under the key that is there, want 5", n)
		}
		if w.design == Statement {
			tx := w.begin(w.app())
			for _, of := range []tenant.Key{next, w.key} { // the first shows that the forgery is a good one
				w.forge(tx, of, claims)
				if n := w.count(tx); (of.ID == next.ID) != (n == 5) {
					t.Errorf("%d rows are seen with a ticket forged with key %d", n, of.ID)
				}
			}
		}
	})
}

// forge sets a ticket of a key, as enter makes it.
func (w *world) forge(tx pgx.Tx, k tenant.Key, c tenant.Claims) {
	w.t.Helper()
	var began []byte
	var ends int64
	w.must(tx.QueryRow(context.Background(), `SELECT timestamptz_send(transaction_timestamp())`).Scan(&began))
	w.must(w.super.QueryRow(context.Background(), `SELECT last_value FROM garant.ends`).Scan(&ends))
	_, who := standsFor(c.Tenant)
	rest := hex.EncodeToString(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(ends)), 1<<62)) + //nolint:gosec // few
		"garant_" + hex.EncodeToString(c.Session[:]) + "6c" + strings.Repeat("0", 32) + "77_garant_" + who
	mac := hmac.New(sha256.New, k.Secret[:])
	mac.Write(began)
	mac.Write([]byte(rest))
	w.run(tx, `SELECT set_config('garant.context', '`+hex.EncodeToString(mac.Sum(nil))+rest+`', true)`)
}

// A young transaction can have an old snapshot, another's: it lets in no session and no key that ended since.
func TestImportedSnapshot(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		old, err := w.app().BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
		w.must(err)
		var snapshot string
		w.must(old.QueryRow(ctx, `SELECT pg_export_snapshot()`).Scan(&snapshot))
		comes := func(token tenant.Token, with string) error {
			tx, err := w.app().BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
			w.must(err)
			defer func() { _ = tx.Rollback(ctx) }()
			if with != "" {
				w.run(tx, `SET TRANSACTION SNAPSHOT '`+with+`'`)
			}
			return enter(tx, token.Bytes())
		}
		w.must(comes(w.token(w.a), snapshot)) // nothing has ended
		ended := w.claims(w.a)
		w.must(Revoke(ctx, w.keeper, ended.Session, ended.Expires))
		if _, err := Sweep(ctx, w.keeper); err != nil {
			t.Fatal(err)
		}
		w.wants(comes(w.mint(ended), snapshot), tenant.ErrSnapshot)
		w.wants(comes(w.mint(ended), ""), tenant.ErrRevoked)
		w.must(comes(w.token(w.a), ""))

		old, err = w.app().BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
		w.must(err)
		w.must(old.QueryRow(ctx, `SELECT pg_export_snapshot()`).Scan(&snapshot))
		w.must(RetireKey(ctx, w.keeper, w.key.ID, time.Now()))
		if _, err := Sweep(ctx, w.keeper); err != nil {
			t.Fatal(err)
		}
		w.wants(comes(w.token(w.a), snapshot), tenant.ErrSnapshot)
	})
}

// What ANALYZE samples is read by who may read all data.
func TestStatisticsHoldNoKey(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.must(InstallKey(context.Background(), w.keeper, w.newKey(2), nil)) // of a single row there is no histogram
		w.exec(w.super, `ANALYZE garant.key`)
		var text string
		w.must(w.connect("snoop", "shop").QueryRow(context.Background(), `SELECT string_agg(s::text, ' ') FROM pg_statistic s WHERE starelid = 'garant.key'::regclass`).Scan(&text))
		for name, s := range w.secrets(w.token(w.a)) {
			if strings.Contains(text, s) {
				t.Errorf("pg_statistic holds %s", name)
			}
		}
		if !strings.Contains(text, "{1,2}") {
			t.Error("pg_statistic was not read: ", text)
		}
	})
}

// However the application enters and whatever it says then, as long as there is a context its end is found.
func TestLocksStay(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		for _, script := range []string{
			`SELECT garant.enter(%[1]s); SELECT pg_advisory_unlock_all()`,
			`SELECT garant.enter(%[1]s); SELECT pg_advisory_unlock_shared(((l.classid::bigint << 32) | l.objid::bigint)::bigint), pg_advisory_unlock_shared(l.classid::int, l.objid::int) FROM pg_locks l WHERE l.locktype = 'advisory' AND l.pid = pg_backend_pid() AND l.objid < 2147483648 AND l.classid < 2147483648`,
			`SAVEPOINT s; SELECT garant.enter(%[1]s); RELEASE s; SELECT pg_advisory_unlock_all()`,
			`SAVEPOINT s; SELECT garant.enter(%[1]s); SAVEPOINT r; SELECT garant.enter(%[1]s); ROLLBACK TO r`,
			`SELECT garant.enter(%[1]s); SAVEPOINT s; SELECT garant.enter(%[1]s); ROLLBACK TO s; RELEASE s`,
			`DO $d$ BEGIN PERFORM garant.enter(%[1]s); PERFORM 1 / 0; EXCEPTION WHEN others THEN NULL; END $d$`,
			`DO $d$ BEGIN BEGIN PERFORM garant.enter(%[1]s); EXCEPTION WHEN others THEN RAISE; END; PERFORM pg_advisory_unlock_all(); END $d$`,
			`CREATE FUNCTION pg_temp.f() RETURNS void LANGUAGE sql STABLE SET work_mem = '1MB' AS $f$ SELECT garant.enter(%[1]s) $f$; SELECT pg_temp.f()`,
			`PREPARE p AS SELECT garant.enter(%[1]s); EXECUTE p; DEALLOCATE ALL`,
			`SELECT garant.enter(%[1]s); SAVEPOINT s; RESET ALL; ROLLBACK TO s`,
			`SELECT garant.enter(%[1]s); SAVEPOINT s; DISCARD PLANS; SET LOCAL statement_timeout = 0; RELEASE s; UNLISTEN *`,
		} {
			claims := w.claims(w.a)
			conn := w.app()
			var pid int
			w.must(conn.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&pid))
			w.exec(conn, `BEGIN`)
			_, err := conn.Exec(ctx, fmt.Sprintf(script, fmt.Sprintf(`'\x%x'`, w.mint(claims).Bytes())))
			if err != nil {
				t.Errorf("%v in %s", err, script)
				continue
			}
			n := w.count(conn)
			w.must(Revoke(ctx, w.keeper, claims.Session, claims.Expires))
			swept, err := Sweep(ctx, w.keeper)
			if err != nil || n != 0 && swept != 1 || n == 0 && !strings.Contains(script, "1 / 0") {
				t.Errorf("%d rows are seen, %d transactions were ended, %v: %s", n, swept, err, script)
			}
			if n != 0 { // it is no longer there for the next sweep
				w.ends(pid)
			}
		}
	})
}

// ends waits until a backend has ended: being told to is not yet that.
func (w *world) ends(pid int) {
	w.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		var there bool
		w.must(w.super.QueryRow(context.Background(), `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)`, pid).Scan(&there))
		if !there {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("backend %d does not end", pid)
		}
	}
}

// DISCARD ALL, which gives up every advisory lock, cannot come after enter within its transaction.
func TestDiscardAll(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		conn := w.app()
		_, err := conn.PgConn().Exec(ctx, fmt.Sprintf(`SELECT garant.enter('\x%x'); DISCARD ALL`, w.token(w.a).Bytes())).ReadAll()
		if err == nil {
			t.Error("in one message")
		}
		_, err = conn.Exec(ctx, fmt.Sprintf(`DO $d$ BEGIN PERFORM garant.enter('\x%x'); EXECUTE 'DISCARD ALL'; END $d$`, w.token(w.a).Bytes()))
		if err == nil {
			t.Error("in a block")
		}
		p := conn.PgConn().StartPipeline(ctx)
		p.SendQueryParams(`SELECT garant.enter($1)`, [][]byte{w.token(w.a).Bytes()}, nil, []int16{1}, nil)
		p.SendQueryParams(`DISCARD ALL`, nil, nil, nil, nil)
		p.SendQueryParams(`SELECT 1`, nil, nil, nil, nil)
		w.must(p.Sync())
		if err := p.Close(); err == nil {
			t.Error("in a pipeline")
		}
	})
}

// RESET ALL throws the context away: without a token there is nothing then, and what was opened before keeps others out.
func TestThrownAway(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		tx := w.begin(w.app())
		w.must(enter(tx, w.token(w.a).Bytes()))
		w.run(tx, `DECLARE c CURSOR FOR SELECT name FROM shop.item`)
		w.run(tx, `RESET ALL`)
		if w.design == Statement {
			w.run(tx, `SET LOCAL garant.context = ''`) // RESET ALL knows nothing of settings that nobody defined
		}
		if n := w.count(tx); n != 0 {
			t.Errorf("%d rows are seen", n)
		}
		if err := enter(tx, w.token(w.b).Bytes()); !errors.Is(err, tenant.ErrCursor) {
			t.Error("another tenant beside a cursor of the first:", err)
		}
	})
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) run(tx pgx.Tx, sql string) {
	w.t.Helper()
	if _, err := tx.Exec(context.Background(), sql); err != nil {
		w.t.Fatalf("%v in %s", err, sql)
	}
}
