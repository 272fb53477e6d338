package move

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/tenant"
)

// writer is an application that keeps writing under tokens of a tenant, and follows it to where it lives.
type writer struct {
	w       *world
	tenant  uuid.UUID
	conns   map[*cluster.Cluster]*pgx.Conn
	at      *cluster.Cluster
	acked   map[string]bool // notes that the database said are committed
	deleted map[string]bool
	longest time.Duration // that one write took, from the first attempt
	changed int
	cut     int // connections that the end which the tenant left has ended, while they asked to come in or were in
}

func (w *world) writer(of uuid.UUID) *writer {
	r := &writer{w: w, tenant: of, at: running.shared, acked: map[string]bool{}, deleted: map[string]bool{}, conns: map[*cluster.Cluster]*pgx.Conn{}}
	for _, c := range []*cluster.Cluster{running.shared, running.own} {
		if c == running.own && w.keys[c].ID == 0 {
			continue
		}
		r.conns[c] = w.connect(c, "app", "shop")
	}
	return r
}

// once writes: a note and an event are inserted, an item is changed, an older event goes. isolation
// differs from round to round.
func (r *writer) once(ctx context.Context, n int) error {
	id := uuid.New()
	began := time.Now()
	for {
		err := r.attempt(ctx, id, n)
		var state *pgconn.PgError
		switch {
		case err == nil:
			r.acked[id.String()] = true
			r.longest = max(r.longest, time.Since(began))
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, tenant.ErrMoved) || errors.As(err, &state) && state.Code == "GT007":
			if r.at == running.shared {
				r.at = running.own
			} else {
				r.at = running.shared
			}
			r.changed++
		case errors.As(err, &state) && state.Code == "57P01", errors.Is(err, errGone): // nothing was acknowledged
			r.conns[r.at] = nil
			r.cut++
			return nil
		case errors.As(err, &state) && (state.Code == "40001" || state.Code == "40P01"):
		default:
			return err
		}
		if time.Since(began) > 30*time.Second {
			return fmt.Errorf("nowhere to write for 30 s: %w", err)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// errGone is that of a connection which was ended before it was used: not every statement then says for what.
var errGone = errors.New("the connection is gone")

func (r *writer) attempt(ctx context.Context, id uuid.UUID, n int) error {
	if r.conns[r.at] == nil {
		r.conns[r.at] = r.w.connect(r.at, "app", "shop")
	}
	tx, err := r.w.enter(r.at, r.conns[r.at], r.tenant)
	if err != nil {
		var state *pgconn.PgError
		if r.conns[r.at].IsClosed() && !errors.Is(err, tenant.ErrMoved) && !errors.As(err, &state) {
			return errGone
		}
		return err
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	if _, err := tx.Exec(ctx, `INSERT INTO shop.note (tenant_id, body) VALUES ($1, $2)`, r.tenant, id.String()); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO shop.event (tenant_id, id, at) VALUES ($1, $2, '2026-03-01')`, r.tenant, id); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE shop.item SET price = price + 1 WHERE id = (SELECT min(id) FROM shop.item)`); err != nil {
		return err
	}
	if n%3 == 0 {
		if _, err := tx.Exec(ctx, `INSERT INTO shop.item (tenant_id, name) VALUES ($1, $2)`, r.tenant, id.String()); err != nil {
			return err
		}
	}
	return tx.Commit(ctx)
}

// While several writers hammer, the tenant moves out and back; every write that was acknowledged
// is found once, the price was counted up once for each, and the pause is short. Another tenant's writer is
// not disturbed.
func TestWritersDuringMove(t *testing.T) {
	w := newWorld(t)
	// The target's key is there before, as the estate's declaration of the database brings it about.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	before := w.price(w.shared, w.a)
	var wg sync.WaitGroup
	var stop atomic.Bool
	writers := []*writer{w.writer(w.a), w.writer(w.a), w.writer(w.a), w.writer(w.b)}
	for i, r := range writers {
		wg.Go(func() {
			for n := i; !stop.Load(); n++ {
				if err := r.once(ctx, n); err != nil && ctx.Err() == nil {
					t.Errorf("writer %d: %v", i, err)
					return
				}
				time.Sleep(3 * time.Millisecond) // two processors are the move's too
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	o := w.out()
	var once sync.Once
	o.at = func(p string) {
		if p == "before equal" { // the target is guarded: its key comes in, as Garant does once the database is declared
			once.Do(func() { w.newKey(running.own, w.own) })
		}
	}
	out := w.run(o)
	time.Sleep(300 * time.Millisecond)
	if err := out.Erase(ctx, "test"); err != nil {
		t.Fatal(err)
	}
	outPause := out.State().Pause
	out.Close()
	back := w.run(w.back())
	if err := back.Erase(ctx, "test"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	stop.Store(true)
	wg.Wait()
	t.Logf("pauses %v and %v; longest writes %v, other tenant %v", outPause, back.State().Pause, writers[0].longest, writers[3].longest)
	notes, events := w.times(w.shared, "SELECT body FROM shop.note"), w.times(w.shared, "SELECT id::text FROM shop.event")
	total := 0
	for i, r := range writers {
		total += len(r.acked)
		if i < 3 && r.changed < 2 {
			t.Errorf("writer %d never followed the tenant", i)
		}
		if most := map[bool]int{true: 2}[i < 3]; r.cut > most { // one a move; none of another tenant
			t.Errorf("writer %d was cut off %d times, want %d at most", i, r.cut, most)
		}
		for id := range r.acked {
			if notes[id] != 1 || events[id] != 1 {
				t.Fatalf("writer %d: %s is there %d and %d times", i, id, notes[id], events[id])
			}
		}
	}
	mine := total - len(writers[3].acked)
	if got := w.price(w.shared, w.a) - before; got != mine {
		t.Errorf("%d writes were acknowledged, the price was counted up %d times", mine, got)
	}
	if n := w.one(w.own, "SELECT count(*) FROM shop.note"); n != 0 {
		t.Errorf("%d notes are left in the database that the tenant left", n)
	}
	if mine < 50 {
		t.Errorf("only %d writes: that proves little", mine)
	}
	if writers[3].changed != 0 {
		t.Error("another tenant was sent away")
	}
}

// times counts how often each text comes in an answer.
func (w *world) times(on *pgx.Conn, sql string) map[string]int {
	w.t.Helper()
	rows, err := on.Query(context.Background(), sql)
	if err != nil {
		w.t.Fatal(err)
	}
	n := map[string]int{}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range all {
		n[s]++
	}
	return n
}

func (w *world) price(on *pgx.Conn, id uuid.UUID) int {
	w.t.Helper()
	return w.one(on, fmt.Sprintf("SELECT price::int FROM shop.item WHERE tenant_id = '%s' ORDER BY id LIMIT 1", id))
}

// A transaction of the tenant that stays open puts the switch off, and writers who come later wait
// no longer than the lock is waited for; it is never lost.
func TestLongTransaction(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	o := w.out()
	hold := w.connect(running.shared, "app", "shop")
	var tx pgx.Tx
	var once sync.Once
	var waited time.Duration
	o.at = func(p string) {
		if p != string(Equal) {
			return
		}
		once.Do(func() {
			var err error
			if tx, err = w.enter(running.shared, hold, w.a); err != nil {
				t.Error(err)
				return
			}
			if _, err := tx.Exec(ctx, "INSERT INTO shop.note (tenant_id, body) VALUES ($1, 'long')", w.a); err != nil {
				t.Error(err)
			}
			r := w.writer(w.a)
			go func() {
				time.Sleep(1500 * time.Millisecond)
				began := time.Now()
				if err := r.attempt(ctx, uuid.New(), 1); err != nil && !errors.Is(err, tenant.ErrMoved) {
					t.Error(err)
				}
				waited = time.Since(began)
				_ = tx.Commit(ctx)
			}()
		})
	}
	m := w.run(o)
	if m.State().Step != Proved || waited > 3*time.Second {
		t.Errorf("%s, a writer waited %v", m.State().Step, waited)
	}
	if n := w.one(w.own, "SELECT count(*) FROM shop.note WHERE body = 'long'"); n != 1 {
		t.Error("the long transaction is lost")
	}
}

// The application's role cannot pass the gate, nor write into the journal or read it; an older snapshot
// does not read that the gate is open.
func TestGateHolds(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	older, err := w.connect(running.shared, cluster.SuperUser, "shop").BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}) // no token: the gate alone
	if err != nil {
		t.Fatal(err)
	}
	if _, err := older.Exec(ctx, "SELECT count(*) FROM shop.country"); err != nil { // it is of before the triggers; they fire all the same
		t.Fatal(err)
	}
	w.run(w.out())
	var state *pgconn.PgError
	if _, err := older.Exec(ctx, "INSERT INTO shop.note (tenant_id, body) VALUES ($1, 'x')", w.a); !errors.As(err, &state) || state.Code != "GT007" && state.Code != "40001" {
		t.Errorf("through an old snapshot: %v", err)
	}
	_ = older.Rollback(ctx)
	app := w.connect(running.shared, "app", "shop")
	var move string
	if err := w.shared.QueryRow(ctx, "SELECT id::text FROM garant_move.move").Scan(&move); err != nil {
		t.Fatal(err)
	}
	// As if a token got in all the same: the gate holds by itself.
	w.exec(w.shared, "DELETE FROM garant.revocation")
	for _, iso := range []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable} {
		tx, err := w.enter(running.shared, app, w.a)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(ctx, "SELECT set_config('garant_move.applying', $1, true)", move); err != nil {
			t.Fatal(err)
		}
		var state *pgconn.PgError
		if _, err := tx.Exec(ctx, "INSERT INTO shop.note (tenant_id, body) VALUES ($1, 'x')", w.a); !errors.As(err, &state) || state.Code != "GT007" {
			t.Errorf("%s: %v", iso, err)
		}
		_ = tx.Rollback(ctx)
	}
	for _, sql := range []string{
		"INSERT INTO garant_move.journal (move, tab, key) VALUES (gen_random_uuid(), 0, '{}')", "SELECT * FROM garant_move.move", "UPDATE garant_move.gate SET state = 'open'",
		"SET session_replication_role = replica", "ALTER TABLE shop.note DISABLE TRIGGER ALL",
	} {
		if _, err := app.Exec(ctx, sql); err == nil {
			t.Errorf("the application may: %s", sql)
		}
	}
	if _, err := w.shared.Exec(ctx, "TRUNCATE shop.note"); err == nil {
		t.Error("a table of a move can be emptied")
	}
}

// Of two movers of one tenant one is refused, wherever the other leads; another tenant moves meanwhile.
func TestTwoAtOnce(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	m := w.open(w.out())
	for name, o := range map[string]Options{"the same": w.out(), "back": w.back()} {
		if _, err := Open(ctx, o); !errs.Is(err, errs.Conflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := m.Run(ctx); err != nil {
		t.Fatal(err)
	}
	m.Close()
	w.settled()
	// Another target, while the move is not over.
	w.exec(w.connect(running.own, cluster.SuperUser, "postgres"), "DROP DATABASE IF EXISTS second WITH (FORCE)")
	w.exec(w.connect(running.own, cluster.SuperUser, "postgres"), "CREATE DATABASE second")
	o := w.out()
	o.To = Place{"second", running.own.DSN(cluster.SuperUser, "second")}
	if _, err := Open(ctx, o); !errs.Is(err, errs.Conflict) {
		t.Errorf("to another target: %v", err)
	}
	o.Tenant = w.b.String()
	other := w.run(o)
	if other.State().Step != Proved {
		t.Error(other.State().Step)
	}
	if n := w.one(w.connect(running.own, cluster.SuperUser, "second"), "SELECT count(*) FROM shop.organisation"); n != 1 {
		t.Error("not its rows, or not only")
	}
}

// What cannot be carried is refused before anything is done.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	refused := func(name, want string, o Options) {
		t.Helper()
		m, err := Open(ctx, o)
		if err == nil {
			m.Close()
			t.Errorf("%s: not refused", name)
			return
		}
		var e *errs.Error
		if !errors.As(err, &e) || !strings.Contains(e.Text, want) || e.Fix == "" {
			t.Errorf("%s: %v, %+v", name, err, e)
		}
		if w.one(w.shared, "SELECT count(*) FROM pg_trigger WHERE tgname ~ '^garant_move'") != 0 {
			t.Errorf("%s: something was done", name)
		}
	}
	o := w.out()
	o.Tenant = "Acme"
	refused("a name for a key", "not the key of a tenant", o)
	o.Tenant = uuid.New().String()
	refused("nobody", "no row of this tenant", o)
	o = w.out()
	o.To = o.From
	refused("to itself", "the same database", o)
	o = w.out()
	o.To.DSN = "postgres://nobody@127.0.0.1:1/x?connect_timeout=2"
	refused("unreachable", "target", o)
	o.To.DSN = "not an address at all"
	refused("nonsense", "cannot be read", o)
	w.exec(w.shared, "CREATE TABLE shop.unknown (id int)")
	refused("unclassified", "shop.unknown is not classified", w.out())
	w.exec(w.shared, "DROP TABLE shop.unknown; ALTER TABLE shop.note ADD COLUMN secret int REFERENCES secret.internal")
	refused("to a private table", "secret.internal, which is private", w.out())
	w.exec(w.shared, fmt.Sprintf("ALTER TABLE shop.note DROP COLUMN secret; ALTER TABLE secret.internal ADD COLUMN org uuid REFERENCES shop.organisation; UPDATE secret.internal SET org = '%s'", w.a))
	refused("from a private table", "private table secret.internal", w.out())
	w.exec(w.shared, "ALTER TABLE secret.internal DROP COLUMN org")
	w.exec(w.own, "CREATE TABLE public.other (id int)")
	refused("occupied", "public.other", w.out())
	w.exec(w.own, "DROP TABLE public.other")
	// A role that does not see all rows would leave some behind.
	w.exec(w.shared, "DROP ROLE IF EXISTS mover; CREATE ROLE mover LOGIN; GRANT CREATE ON DATABASE shop TO mover; GRANT USAGE ON SCHEMA secret TO mover")
	o = w.out()
	o.From.DSN = running.shared.DSN("mover", "shop")
	m, err := Open(ctx, o)
	if err == nil {
		m.Close()
	}
	if !errs.Is(err, errs.Denied) {
		t.Errorf("a blind mover: %v", err)
	}
	w.exec(w.shared, "DROP SCHEMA IF EXISTS garant_move CASCADE; DROP OWNED BY mover; DROP ROLE mover")
	// A target that has rows of the tenant, or lacks rows that it refers to.
	w.run(w.out()).Close()
	w.settled()
	u := w.open(w.out())
	if err := u.Undo(ctx); err != nil {
		t.Fatal(err)
	}
	u.Close()
	w.exec(w.own, fmt.Sprintf("DROP SCHEMA garant_move CASCADE; INSERT INTO shop.organisation VALUES ('%s', 'there')", w.a))
	refused("rows are there", "rows of this tenant already", w.out())
	w.exec(w.own, fmt.Sprintf("DELETE FROM shop.organisation WHERE id = '%s'; DELETE FROM shop.country", w.a))
	m = w.open(w.out())
	if err := m.Run(ctx); !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "shop.country") {
		t.Errorf("a shared row is missing: %v", err)
	}
	if err := m.Undo(ctx); err != nil {
		t.Fatal(err)
	}
	w.exec(w.own, "INSERT INTO shop.country SELECT * FROM (VALUES ('BE', 'x'), ('FR', 'y')) v; ALTER TABLE shop.item DROP COLUMN big")
	m.Close()
	refused("another shape", "lacks the column big", w.out())
}

// What is altered during the move is found before the switch; a row changed past the triggers is
// found by its checksum, and the tenant stays where it is.
func TestTampering(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	tamper := func(point, sql, want string, mend string) {
		t.Helper()
		o := w.out()
		var once sync.Once
		o.at = func(p string) {
			if p == point {
				once.Do(func() { w.exec(w.connect(running.shared, cluster.SuperUser, "shop"), sql) })
			}
		}
		m := w.open(o)
		err := m.Run(ctx)
		if !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", sql, err)
		}
		if n := w.one(w.shared, "SELECT count(*) FROM garant_move.gate WHERE state = 'away'"); n != 0 {
			t.Errorf("%s: the tenant left", sql)
		}
		w.exec(w.shared, mend)
		if err := m.Undo(ctx); err != nil {
			t.Fatal(err)
		}
		m.Close()
		w.settled()
		root := w.connect(running.own, cluster.SuperUser, "postgres")
		w.exec(root, "DROP DATABASE shop WITH (FORCE)")
		w.exec(root, "CREATE DATABASE shop")
		w.own = w.connect(running.own, cluster.SuperUser, "shop")
	}
	tamper(string(Copied), fmt.Sprintf("ALTER TABLE shop.item DISABLE TRIGGER ALL; UPDATE shop.item SET price = 77 WHERE tenant_id = '%s'; ALTER TABLE shop.item ENABLE TRIGGER USER", w.a), "differ in shop.item", "")
	tamper(string(Copied), "ALTER TABLE shop.note ADD COLUMN late int", "late", "ALTER TABLE shop.note DROP COLUMN late")
	tamper(string(Equal), "ALTER TABLE shop.note DISABLE TRIGGER ALL", "switched off", "")
	tamper(string(Copied), "ALTER TABLE shop.trail DROP CONSTRAINT trail_pkey", "other keys", "ALTER TABLE shop.trail ADD PRIMARY KEY (id)")
	tamper(string(Equal), `DO $$ DECLARE f regprocedure; BEGIN FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'garant_move'::regnamespace AND proname ~ '^t_' LOOP
	EXECUTE format('CREATE OR REPLACE FUNCTION %s RETURNS trigger LANGUAGE plpgsql AS ''BEGIN RETURN NULL; END''', f); END LOOP; END $$`, "another key", "")
}
