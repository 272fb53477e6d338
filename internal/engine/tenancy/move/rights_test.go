package move

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// A target without room says so, the tenant stays where it is, and the move goes on once there is room.
func TestTargetFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small disk takes root")
	}
	w := newWorld(t)
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "garant-small-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=14m"); err != nil {
		t.Skip("no right to mount on this machine: ", err)
	}
	root := w.connect(running.own, cluster.SuperUser, "postgres")
	t.Cleanup(func() {
		root := w.connect(running.own, cluster.SuperUser, "postgres")
		w.exec(root, "DROP DATABASE IF EXISTS shop WITH (FORCE)")
		w.exec(root, "DROP TABLESPACE IF EXISTS small")
		_ = syscall.Unmount(dir, 0)
	})
	if out, err := exec.CommandContext(ctx, "chown", running.own.Account(), dir).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	w.exec(root, "CREATE TABLESPACE small LOCATION '"+dir+"'")
	w.exec(root, "DROP DATABASE shop WITH (FORCE)")
	w.exec(root, "CREATE DATABASE shop TABLESPACE small")
	w.own = w.connect(running.own, cluster.SuperUser, "shop")
	w.exec(w.shared, "INSERT INTO shop.note SELECT '"+w.a.String()+"', string_agg(md5(random()::text), '') FROM generate_series(1, 400) s, generate_series(1, 1000) n GROUP BY s")
	m := w.open(w.out())
	err = m.Run(ctx)
	var e *errs.Error
	if !errors.As(err, &e) || e.ID != "pg.disk_full" || !strings.Contains(e.Text, "target") {
		t.Fatalf("%v %+v", err, e)
	}
	m.Close()
	if _, err := w.enter(running.shared, w.connect(running.shared, "app", "shop"), w.a); err != nil {
		t.Error("the tenant does not get in where it lives:", err)
	}
	if err := syscall.Mount("none", dir, "tmpfs", syscall.MS_REMOUNT, "size=200m"); err != nil {
		t.Fatal(err)
	}
	if m := w.run(w.out()); m.State().Step != Proved {
		t.Error(m.State().Step)
	}
	if a, b := w.digest(w.shared, w.a), w.digest(w.own, w.a); a["shop.note"] != b["shop.note"] {
		t.Error("rows differ")
	}
}

// owned gives all of the shop to shop_owner.
func (w *world) owned() {
	w.t.Helper()
	w.exec(w.shared, `ALTER SCHEMA shop OWNER TO shop_owner; ALTER SCHEMA "Odd Schema" OWNER TO shop_owner; ALTER SCHEMA secret OWNER TO shop_owner;
ALTER TABLE shop.country OWNER TO shop_owner; ALTER TABLE secret.internal OWNER TO shop_owner; ALTER VIEW shop.open OWNER TO shop_owner; ALTER MATERIALIZED VIEW secret.statistics OWNER TO shop_owner;
ALTER FUNCTION shop.touch() OWNER TO shop_owner; ALTER FUNCTION shop.log() OWNER TO shop_owner; ALTER TYPE shop.state OWNER TO shop_owner; ALTER DOMAIN shop.amount OWNER TO shop_owner;
GRANT USAGE ON SCHEMA garant TO shop_owner;
ALTER TABLE shop.event_old OWNER TO shop_owner; ALTER TABLE shop.event_new OWNER TO shop_owner`)
}

// Nobody needs to be superuser to move a tenant out: the owner of the tables with BYPASSRLS, and
// the owner of an empty database, both of whom may make roles.
func TestWithoutSuperuser(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	for _, c := range []*cluster.Cluster{running.shared, running.own} {
		root := w.connect(c, cluster.SuperUser, "postgres")
		w.exec(root, `DO $$ BEGIN
	IF to_regrole('shop_owner') IS NULL THEN CREATE ROLE shop_owner; END IF;
	IF to_regrole('garant_sec') IS NULL THEN CREATE ROLE garant_sec; END IF;
END $$;
DROP ROLE IF EXISTS mover; CREATE ROLE mover LOGIN CREATEROLE BYPASSRLS IN ROLE shop_owner; GRANT SET ON PARAMETER backtrace_functions TO garant_sec`)
		t.Cleanup(func() {
			root := w.connect(c, cluster.SuperUser, "postgres")
			w.exec(root, "DROP DATABASE IF EXISTS shop WITH (FORCE)")
			w.exec(root, "DROP ROLE mover")
		})
	}
	w.exec(w.shared, "ALTER DATABASE shop OWNER TO mover")
	w.owned()
	w.exec(w.own, "ALTER DATABASE shop OWNER TO mover")
	was := w.counts(w.shared, w.a)
	o := w.out()
	o.From.DSN, o.To.DSN = running.shared.DSN("mover", "shop"), running.own.DSN("mover", "shop")
	m := w.run(o)
	if m.src.replica || m.dst.replica {
		t.Error("the mover may switch triggers off: that proves little")
	}
	for name, n := range w.counts(w.own, w.a) {
		if n != was[name] {
			t.Errorf("%s: %d rows, not %d", name, n, was[name])
		}
	}
	if err := m.Undo(ctx); !errs.Is(err, errs.Denied) {
		t.Errorf("undone past triggers: %v", err)
	}
	if m.State().Step != Proved {
		t.Errorf("a refused undo leaves the move at %s", m.State().Step)
	}
	if err := m.Erase(ctx, "test"); err != nil {
		t.Fatal(err)
	}
	for name, n := range w.counts(w.shared, w.a) {
		if n != 0 {
			t.Errorf("%d rows are left in %s", n, name)
		}
	}
}
