package move

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/tenant"
)

// managed makes dba the owner of a new database shop at each of some clusters: who may make roles, never was superuser, and is
// bound by policies.
func (w *world) managed(clusters ...*cluster.Cluster) {
	w.t.Helper()
	for _, c := range clusters {
		root := w.connect(c, cluster.SuperUser, "postgres")
		w.exec(root, "DROP DATABASE shop WITH (FORCE)")
		w.exec(root, "DROP ROLE IF EXISTS dba; CREATE ROLE dba LOGIN CREATEROLE")
		w.exec(root, "CREATE DATABASE shop OWNER dba")
		w.t.Cleanup(func() {
			root := w.connect(c, cluster.SuperUser, "postgres")
			w.exec(root, "DROP DATABASE IF EXISTS shop WITH (FORCE)")
			w.exec(root, `DO $$ BEGIN IF EXISTS (SELECT FROM pg_parameter_acl) THEN EXECUTE 'REVOKE ALL ON PARAMETER session_replication_role FROM dba'; END IF; END $$; DROP ROLE dba`)
		})
		conn := w.connect(c, cluster.SuperUser, "shop")
		w.exec(conn, "REVOKE TEMP ON DATABASE shop FROM PUBLIC")
		if c == running.shared {
			w.shared = conn
		} else {
			w.own = conn
		}
	}
}

// In design statement a tenant moves out, back and out again, and a move is undone, by somebody who never was superuser and whom
// policies hold: the owner of the tables, to whom they show all rows.
func TestDesignStatement(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	w.managed(running.shared, running.own)
	w.build(w.connect(running.shared, "dba", "shop"), token.Statement, "dba")
	w.newKey(running.shared, w.shared)
	o := w.out()
	o.From.DSN, o.To.DSN = running.shared.DSN("dba", "shop"), running.own.DSN("dba", "shop")
	back := o
	back.From, back.To = o.To, o.From
	was, other := w.digest(w.shared, w.a), w.digest(w.shared, w.b)
	inside := func(c *cluster.Cluster, want error) {
		t.Helper()
		tx, err := w.enter(c, w.connect(c, "app", "shop"), w.a)
		if !errors.Is(err, want) {
			t.Errorf("%v, not %v", err, want)
		}
		if err != nil {
			return
		}
		defer func() { _ = tx.Rollback(ctx) }()
		if _, err := tx.Exec(ctx, "INSERT INTO shop.item (name, price) VALUES ('new', 5)"); err != nil {
			t.Error(err)
		}
		var mine, all int
		if err := tx.QueryRow(ctx, "SELECT count(*) FILTER (WHERE tenant_id = $1), count(*) FROM shop.item", w.a).Scan(&mine, &all); err != nil || mine != 41 || all != 41 {
			t.Errorf("%d rows of its own of %d, %v", mine, all, err)
		}
	}

	// A tenant that writes while the rows go: what the owner is shown is carried over through policies too.
	r := w.writer(w.a)
	o.at = func(p string) {
		if p == string(Equal) {
			for n := range 3 {
				if err := r.attempt(ctx, w.b, n); err != nil && n == 0 {
					t.Error(err)
				}
			}
			w.exec(w.shared, fmt.Sprintf("DELETE FROM shop.note WHERE body = '%[1]s'; DELETE FROM shop.event WHERE id = '%[1]s'; DELETE FROM shop.item WHERE tenant_id = '%[2]s' AND name LIKE '%[1]s%%'", w.b, w.a))
			was = w.digest(w.shared, w.a)
		}
	}
	m := w.run(o)
	o.at = nil
	if m.dst.db.Design == "pinned" || w.one(w.own, "SELECT count(*) FROM garant.installed WHERE design = 'statement'") != 1 {
		t.Error("the target has another design")
	}
	for on, conn := range map[string]*pgx.Conn{"shared": w.shared, "own": w.own} {
		if n := w.one(conn, "SELECT count(*) FROM pg_roles WHERE rolname = 'dba' AND (rolsuper OR rolbypassrls)"); n != 0 {
			t.Errorf("%s: the mover is more than it should be", on)
		}
		if n := w.one(conn, "SELECT count(*) FROM pg_proc p, aclexplode(p.proacl) a WHERE p.oid = 'garant.fill()'::regprocedure AND a.grantee <> p.proowner"); n != 0 {
			t.Errorf("%s: %d may still make triggers of garant.fill", on, n)
		}
	}
	if now := w.digest(w.own, w.a); !maps.Equal(was, now) {
		t.Errorf("the target has other rows:\n%v\n%v", was, now)
	}
	w.newKey(running.own, w.own)
	inside(running.own, nil)
	inside(running.shared, tenant.ErrMoved)
	if err := m.Undo(ctx); !errs.Is(err, errs.Denied) || m.State().Step != Proved {
		t.Errorf("undone past triggers: %v", err)
	}
	if err := m.Erase(ctx, "test"); err != nil {
		t.Fatal(err)
	}
	m.Close()
	w.settled()
	if _, err := Open(ctx, back); !errs.Is(err, errs.Denied) {
		t.Errorf("back past triggers: %v", err)
	}
	for _, conn := range []*pgx.Conn{w.shared, w.own} {
		w.exec(conn, "GRANT SET ON PARAMETER session_replication_role TO dba")
	}
	w.settled()
	m = w.run(back)
	if err := m.Erase(ctx, "test"); err != nil {
		t.Fatal(err)
	}
	m.Close()
	w.settled()
	if now := w.digest(w.shared, w.a); !maps.Equal(was, now) {
		t.Errorf("what came back differs:\n%v\n%v", was, now)
	}
	inside(running.shared, nil)

	// Out again, and undone with what changed there.
	m = w.run(o)
	w.exec(w.own, fmt.Sprintf("UPDATE shop.item SET price = 9, parent = NULL WHERE tenant_id = '%[1]s' AND price < 5; INSERT INTO shop.note VALUES ('%[1]s', 'there')", w.a))
	want := w.digest(w.own, w.a)
	if err := m.Undo(ctx); err != nil {
		t.Fatal(err)
	}
	if now := w.digest(w.shared, w.a); !maps.Equal(want, now) {
		t.Errorf("at home %v\nthere %v", now, want)
	}
	if now := w.digest(w.shared, w.b); !maps.Equal(other, now) {
		t.Error("another tenant's rows changed")
	}
	inside(running.own, tenant.ErrMoved)
}

// A tenant of a pinned database gets one where nobody is superuser: in the design that can be had there, and by its word only.
func TestDesignOfTarget(t *testing.T) {
	w := newWorld(t)
	w.exec(w.connect(running.own, cluster.SuperUser, "postgres"), `DO $$ BEGIN
	IF to_regrole('garant_sec') IS NOT NULL THEN REVOKE SET ON PARAMETER backtrace_functions FROM garant_sec; END IF;
	IF to_regrole('shop_owner') IS NOT NULL THEN DROP ROLE shop_owner; END IF;
END $$`)
	w.managed(running.own)
	w.owned()
	was := w.digest(w.shared, w.a)
	o := w.out()
	o.To.DSN = running.own.DSN("dba", "shop")
	var e *errs.Error
	if _, err := Open(context.Background(), o); !errors.As(err, &e) || e.ID != "move.design" || !strings.Contains(e.Fix, "--design statement") {
		t.Fatalf("pinned without a superuser: %v", err)
	}
	if n := w.one(w.shared, "SELECT count(*) FROM garant_move.move"); n != 0 {
		t.Error("the move is recorded")
	}
	w.settled()
	o.Design = token.Statement
	w.run(o)
	if now := w.digest(w.own, w.a); !maps.Equal(was, now) {
		t.Errorf("the target has other rows:\n%v\n%v", was, now)
	}
	w.newKey(running.own, w.own)
	if _, err := w.enter(running.own, w.connect(running.own, "app", "shop"), w.a); err != nil {
		t.Error(err)
	}
}
