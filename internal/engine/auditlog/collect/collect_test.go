package collect

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	osexec "os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

func text(s string) *string { return &s }

// An event becomes an entry of its customer, by the login of its session, with values that only the customer's key opens.
func TestWritten(t *testing.T) {
	w := newWorld(t)
	session := w.as(w.a, `INSERT INTO shop.item (name, price) VALUES ('Jean Dupont', 12.50)`, `UPDATE shop.item SET name = 'Jeanne Dupont', price = NULL`,
		`SELECT garant.record('application.decided', 'application', '17', '{"grant": true}', NULL, '{"note": "needs help"}', 'Ana Silva')`)
	pgtest.Exec(t, w.shop, `SET ROLE garant_keeper; RESET ROLE; TRUNCATE shop.item`)
	w.collect(4)
	got := w.entries()
	if len(got) != 4 {
		t.Fatalf("%+v", got)
	}
	customer := one[string](w, w.super, `SELECT tenancy.customer_of('shop', $1)::text`, w.a.String())
	by := actor.Actor{Kind: actor.User, ID: "login:shop:" + session.String()[:8], Session: session.String()}
	for i, want := range []audit.Entry{
		{Actor: by, Tenant: customer, Action: "row.inserted", Object: audit.Object{Kind: "shop.item", ID: "1"}, Detail: map[string]any{"database": "shop", "kind": "insert", "role": "app"},
			Changes: []audit.Change{{Field: "id", After: text("1")}, {Field: "name", After: text("Jean Dupont")}, {Field: "price", After: text("12.50")}, {Field: "tenant_id", After: text(w.a.String())}}},
		{Actor: by, Tenant: customer, Action: "row.updated", Object: audit.Object{Kind: "shop.item", ID: "1"}, Detail: map[string]any{"database": "shop", "kind": "update", "role": "app"},
			Changes: []audit.Change{{Field: "name", Before: text("Jean Dupont"), After: text("Jeanne Dupont")}, {Field: "price", Before: text("12.50")}}},
		{Actor: by, Tenant: customer, Action: "application.decided", Object: audit.Object{Kind: "application", ID: "17"}, Detail: map[string]any{"database": "shop", "kind": "said", "role": "app", "detail": map[string]any{"grant": true}},
			Changes: []audit.Change{{Field: "note", After: text("needs help")}, {Field: SaidOfUser, After: text("Ana Silva")}}},
		{Actor: actor.Actor{Kind: actor.System, ID: "role:" + cluster.SuperUser}, Action: "table.truncated", Object: audit.Object{Kind: "shop.item"}, Detail: map[string]any{"database": "shop", "kind": "truncate"}},
	} {
		g := got[i]
		if diff := cmp.Diff(want, audit.Entry{Actor: g.Actor, Tenant: g.Tenant, Action: g.Action, Object: g.Object, Detail: g.Detail, Changes: g.Changes}, cmpopts.IgnoreUnexported(audit.Entry{})); diff != "" {
			t.Error(diff)
		}
		if g.Occurred.IsZero() || time.Since(g.Occurred) > time.Minute {
			t.Errorf("%+v", g)
		}
	}
	// No value and nothing that was said of a person stands open in our database.
	for _, secret := range []string{"Dupont", "needs help", "Ana Silva"} {
		if n := one[int](w, w.super, `SELECT count(*) FROM audit.entry AS e WHERE strpos(e::text, $1) > 0`, secret); n != 0 {
			t.Errorf("%d entries hold %q open", n, secret)
		}
	}
	if n := one[int](w, w.shop, `SELECT count(*) FROM garant.event`); n != 0 {
		t.Errorf("%d events are left in the outbox", n)
	}
	w.collect(0)
	// With the customer's key gone nothing can be read any more, and the entries stand.
	if err := pg.InTx(context.Background(), w.db.Pool(pg.Staff), func(tx pgx.Tx) error {
		_, err := w.box.Forget(context.Background(), tx, audit.SubjectOf(customer))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, e := range w.entries()[:3] {
		if !e.Erased || len(e.Changes) > 0 {
			t.Errorf("%+v", e)
		}
	}
}

// Killed after any step, in the middle of several batches, and run again: every event is there once, in order.
// What PostgreSQL takes for JSON and nobody else reads, nested deeper than ten thousand, is written down as it stands, and holds nothing up.
func TestNestedTooDeep(t *testing.T) {
	w := newWorld(t)
	w.as(w.a, `SELECT garant.record('application.decided', 'application', '17', NULL, NULL, ('{"a":' || repeat('[', 10005) || repeat(']', 10005) || '}')::jsonb)`, `INSERT INTO shop.item (name) VALUES ('after it')`)
	w.collect(2)
	got := w.entries()
	if len(got) != 2 || len(got[0].Changes) != 1 || got[0].Changes[0].Field != Unread || got[0].Changes[0].After == nil || len(*got[0].Changes[0].After) < 20_010 {
		t.Fatalf("%d entries", len(got))
	}
}

func TestKilledAtEveryStep(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a few seconds")
	}
	w := newWorld(t)
	run := func(step int) (steps int) {
		t.Helper()
		told, err := json.Marshal(child{Garant: running.cluster.DSN("garant_staff", w.name), KeyFile: w.keyFile, Source: source(), Step: step})
		if err != nil {
			t.Fatal(err)
		}
		cmd := osexec.Command(os.Args[0], "-test.run=^TestChild$") //nolint:gosec // ourselves
		cmd.Env = append(os.Environ(), "GARANT_COLLECT_CHILD="+string(told))
		out, err := cmd.CombinedOutput()
		if killed := cmd.ProcessState.ExitCode() < 0; killed != (step > 0) || !killed && err != nil {
			t.Fatalf("step %d: %v: %s", step, err, out)
		}
		if at := strings.Index(string(out), "\nsteps "); at >= 0 {
			_, _ = fmt.Sscanf(string(out)[at:], "\nsteps %d", &steps)
		}
		return steps
	}
	fill := func() {
		w.as(w.a, fmt.Sprintf(`INSERT INTO shop.item (name) SELECT 'item ' || g FROM generate_series(1, %d) AS g`, 2*batch+10))
	}
	fill()
	all := run(0) // three batches
	if all < 10 {
		t.Fatalf("%d steps: the test looks at too little", all)
	}
	events := 2*batch + 10
	for step := 1; step <= all; step++ {
		fill()
		events += 2*batch + 10
		run(step)
		if step%2 == 0 {
			run(0)
		}
	}
	run(0)
	if n, ids := one[int](w, w.super, `SELECT count(*) FROM audit.entry WHERE action = 'row.inserted'`), one[int](w, w.super, `SELECT count(DISTINCT object_id) FROM audit.entry WHERE action = 'row.inserted'`); n != events || ids != events {
		t.Errorf("%d entries of %d rows, want %d", n, ids, events)
	}
	if n := one[int](w, w.super, `SELECT count(*) FROM (SELECT object_id::int - lag(object_id::int) OVER (ORDER BY id) AS d FROM audit.entry WHERE action = 'row.inserted') x WHERE d < 1`); n != 0 {
		t.Errorf("%d entries stand out of order", n)
	}
	if n := one[int](w, w.shop, `SELECT count(*) FROM garant.event`); n != 0 {
		t.Errorf("%d events are left", n)
	}
}

// Two servers, while the application writes and rolls back: nothing is lost and nothing doubled.
func TestTwoServers(t *testing.T) {
	w := newWorld(t)
	ctx, stop := context.WithCancel(context.Background())
	var servers, writers sync.WaitGroup
	for range 2 {
		c := w.server()
		servers.Go(func() {
			for ctx.Err() == nil {
				if _, err := c.Collect(context.Background(), "shop"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for n := range 3 {
		writers.Go(func() {
			for i := range 15 {
				w.as(w.a, fmt.Sprintf(`INSERT INTO shop.item (name) VALUES ('%d-%d')`, n, i), `SAVEPOINT s`, `INSERT INTO shop.item (name) VALUES ('never')`, `ROLLBACK TO s`)
			}
		})
	}
	writers.Wait()
	time.Sleep(300 * time.Millisecond)
	stop()
	servers.Wait()
	if _, err := w.c.Collect(context.Background(), "shop"); err != nil {
		t.Fatal(err)
	}
	if n, ids := one[int](w, w.super, `SELECT count(*) FROM audit.entry WHERE action = 'row.inserted'`), one[int](w, w.super, `SELECT count(DISTINCT object_id) FROM audit.entry WHERE action = 'row.inserted'`); n != 45 || ids != 45 {
		t.Errorf("%d entries of %d rows, want 45", n, ids)
	}
}

// A database that is set back gives events again that were taken, and new ones under numbers that were there before.
func TestSetBack(t *testing.T) {
	w := newWorld(t)
	root := w.connect(cluster.SuperUser, "postgres")
	w.as(w.a, `INSERT INTO shop.item (name) VALUES ('before')`)
	// A backup, with the event in the outbox.
	_ = w.shop.Close(context.Background())
	pgtest.Exec(t, root, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'shop'`)
	pgtest.Exec(t, root, `CREATE DATABASE backup TEMPLATE shop`)
	t.Cleanup(func() {
		pgtest.Exec(t, w.connect(cluster.SuperUser, "postgres"), `DROP DATABASE IF EXISTS backup WITH (FORCE)`)
	})
	w.collect(1)
	w.as(w.a, `INSERT INTO shop.item (name) VALUES ('lost with the restore')`)
	w.collect(1)
	taken := w.entries()
	pgtest.Exec(t, root, `DROP DATABASE shop WITH (FORCE); `)
	pgtest.Exec(t, root, `ALTER DATABASE backup RENAME TO shop`)
	w.shop = w.connect(cluster.SuperUser, "shop")
	// In the restored database another event has the number of the one that was taken last and is gone.
	pgtest.Exec(t, w.shop, `INSERT INTO garant.event (id, xid, kind, action, object_kind, object_id) OVERRIDING SYSTEM VALUE SELECT e.id + 1, e.xid, 'said', 'after.restore', 'x', 'y' FROM garant.event e`)
	w.collect(1)
	got := w.entries()
	if len(got) != 3 || got[2].Action != "after.restore" || got[0].ID != taken[0].ID || got[1].ID != taken[1].ID {
		t.Errorf("%+v", got)
	}
	w.collect(0)
}

// A guarded database that does not answer for days: nothing is lost, and the trouble is told once.
func TestAwayForDays(t *testing.T) {
	w := newWorld(t)
	w.as(w.a, `SELECT garant.record('first.said', NULL, NULL)`)
	pgtest.Exec(t, w.shop, `ALTER ROLE keeper NOLOGIN`)
	for range 3 {
		w.collect(0)
	}
	if w.trouble() != Unreachable {
		t.Error(w.trouble())
	}
	for range 5 {
		w.as(w.b, fmt.Sprintf(`SELECT garant.record('while.away', 'x', g::text) FROM generate_series(1, %d) AS g`, batch-20))
	}
	pgtest.Exec(t, w.shop, `ALTER ROLE keeper LOGIN`)
	w.collect(1 + 5*(batch-20))
	if w.trouble() != "" {
		t.Error(w.trouble())
	}
	s, err := Statuses(context.Background(), w.db.Pool(pg.Staff))
	if err != nil || len(s) != 1 || s[0].Events != int64(1+5*(batch-20)) || s[0].Waiting != 0 || s[0].Collected == nil {
		t.Errorf("%+v, %v", s, err)
	}
}

// Nothing is asked of a database that is not the declared one, and what has no outbox is told.
func TestImpostor(t *testing.T) {
	w := newWorld(t)
	w.as(w.a, `SELECT garant.record('first.said', NULL, NULL)`)
	for what, c := range map[string]struct {
		problem Problem
		breaks  func()
	}{
		"another system":   {Impostor, func() { w.estate.Databases[0].System = "1" }},
		"another database": {Impostor, func() { w.estate.Databases[0].Database = "other" }},
		"no keeper":        {Unreadable, func() { t.Setenv("GARANT_TEST_KEEPER", running.cluster.DSN("weak", "shop")) }},
		"no address":       {BadAddress, func() { t.Setenv("GARANT_TEST_KEEPER", "nonsense") }},
		"no outbox": {NoOutbox, func() {
			pgtest.Exec(t, w.shop, `UPDATE garant.installed SET version = 2`)
			t.Cleanup(func() {})
		}},
	} {
		c.breaks()
		w.collect(0)
		if w.trouble() != c.problem {
			t.Errorf("%s: %s", what, w.trouble())
		}
		w.estate = parse(t, source())
		t.Setenv("GARANT_TEST_KEEPER", running.cluster.DSN("keeper", "shop"))
		pgtest.Exec(t, w.shop, `UPDATE garant.installed SET version = 3`)
	}
	w.collect(1)
	if n, err := w.c.Collect(context.Background(), "elsewhere"); n != 0 || err != nil {
		t.Error("a database that is not declared:", n, err)
	}
}

// Marks go when no backup can bring their events back, and not before.
func TestMarksGo(t *testing.T) {
	w := newWorld(t)
	w.as(w.a, `SELECT garant.record('first.said', NULL, NULL)`)
	w.collect(1)
	count := func() int { return one[int](w, w.super, `SELECT count(*) FROM auditlog.collected_event`) }
	if err := w.c.forgetMarks(context.Background()); err != nil || count() != 1 {
		t.Error(err, count())
	}
	pgtest.Exec(t, w.super, `UPDATE auditlog.collected_event SET at = clock_timestamp() - interval '401 days'`)
	if err := w.c.forgetMarks(context.Background()); err != nil || count() != 0 {
		t.Error(err, count())
	}
}

// Nobody but the worker writes what was collected.
func TestRights(t *testing.T) {
	w := newWorld(t)
	for _, role := range pg.Roles() {
		for table, privilege := range map[string]string{"collected": "UPDATE", "collected_event": "DELETE"} {
			may := one[bool](w, w.super, `SELECT has_table_privilege($1, $2, $3)`, string(role), "auditlog."+table, privilege)
			if may != slices.Contains([]pg.Role{pg.Worker, pg.Owner}, role) {
				t.Errorf("%s has %s on %s: %t", role, privilege, table, may)
			}
		}
	}
}
