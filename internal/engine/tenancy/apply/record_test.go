package apply_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/internal/engine/tenancy/apply"
	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/tenancytest"
	"github.com/garant-project/garant/internal/errs"
)

// recording is the manifest with two tables whose changes are recorded, one of them partitioned over two levels.
func recording(t *testing.T, conn *pgx.Conn) *manifest.Manifest {
	t.Helper()
	m := decided(t, conn)
	m.Table("customer", "invoice").Record = &manifest.Record{Mode: manifest.RecordBut, Columns: []string{"total"}}
	m.Table("customer", "event").Record = &manifest.Record{Mode: manifest.RecordAll}
	m.Table("customer", "metric").Record = &manifest.Record{Mode: manifest.RecordAll}
	return m
}

// events takes what waits, in short.
func events(t *testing.T, keeper *pgx.Conn) string {
	t.Helper()
	rows, err := keeper.Query(context.Background(), `SELECT xid, id, mark::text, action || ' ' || object_kind || ' ' || coalesce(detail ->> 'changed', '') || ' ' || (tenant = $1) FROM garant.take_events(1000)`, tenancytest.B)
	if err != nil {
		t.Fatal(err)
	}
	var all, marks []string
	var xid, id int64
	var mark, brief string
	if _, err := pgx.ForEachRow(rows, []any{&xid, &id, &mark, &brief}, func() error {
		all, marks = append(all, brief), append(marks, mark)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	tenancytest.Exec(t, keeper, fmt.Sprintf(`SELECT garant.forget_events('{%s}', %d, %d)`, strings.Join(marks, ","), xid, id))
	return strings.Join(all, "; ")
}

// What the manifest has recorded is, whoever applies it, until undo takes it back; a second apply has nothing to do, and what somebody switched
// off, dropped or changed comes back.
func TestRecord(t *testing.T) {
	for _, role := range []string{tenancytest.Superuser(), "dba"} {
		t.Run(role, func(t *testing.T) {
			ctx := context.Background()
			super := tenancytest.Shop(t, tenancytest.Odd)
			tenancytest.Exec(t, super, "GRANT reporting, shop_owner TO dba")
			conn := tenancytest.Connect(t, role, "shop")
			m := recording(t, conn)
			applied(t, conn, m)
			mint := keyed(t)
			keeper := tenancytest.Connect(t, "keeper", "shop")
			events(t, keeper)
			if left := missing(t, conn, m); len(left) > 0 {
				t.Errorf("a second plan has steps: %v", left)
			}
			app := tenancytest.Connect(t, "app", "shop")
			write := func() string {
				t.Helper()
				tx, err := app.Begin(ctx)
				if err != nil {
					t.Fatal(err)
				}
				for _, sql := range []string{fmt.Sprintf(`SELECT garant.enter('\x%x')`, mint(tenancytest.B)), `UPDATE customer.invoice SET total = total + 1 WHERE id = (SELECT max(id) FROM customer.invoice)`,
					`INSERT INTO customer.event (id, at, what) VALUES (9000, '2026-05-05', 'x')`, `DELETE FROM customer.event WHERE id = 9000`} {
					if tag, err := tx.Exec(ctx, sql); err != nil || tag.RowsAffected() != 1 {
						t.Fatalf("%v %v in %s", tag, err, sql)
					}
				}
				if err := tx.Commit(ctx); err != nil {
					t.Fatal(err)
				}
				return events(t, keeper)
			}
			// The column total is told by its name only. The table's own trigger writes changed.
			const want = `row.updated customer.invoice ["total"] true; row.inserted customer.event  true; row.deleted customer.event  true`
			if got := write(); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if tenancytest.Value[bool](t, super, `SELECT has_function_privilege('dba', 'garant.capture()', 'EXECUTE')`) {
				t.Error("dba may make triggers that record after apply")
			}

			for what, sql := range map[string]string{
				"switched off":    `ALTER TABLE customer.event DISABLE TRIGGER garant_capture_insert`,
				"for replicas":    `ALTER TABLE customer.invoice ENABLE REPLICA TRIGGER garant_capture_update`,
				"dropped":         `DROP TRIGGER garant_capture_delete ON customer.event_old`,
				"changed":         `DROP TRIGGER garant_capture_insert ON customer.event; CREATE TRIGGER garant_capture_insert AFTER INSERT ON customer.event REFERENCING NEW TABLE AS garant_new FOR EACH STATEMENT EXECUTE FUNCTION garant.capture('', 'uuid', '{}', 'only', '{}', 'customer.event')`,
				"put aside":       `CREATE OR REPLACE FUNCTION customer.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; DROP TRIGGER garant_capture_delete ON customer.event; CREATE TRIGGER garant_capture_delete AFTER DELETE ON customer.event FOR EACH STATEMENT EXECUTE FUNCTION customer.nothing()`,
				"a new partition": `CREATE TABLE customer.metric_more PARTITION OF customer.metric FOR VALUES FROM ('2031-01-01') TO ('2032-01-01'); ALTER TABLE customer.metric_more OWNER TO shop_owner`,
			} {
				tenancytest.Exec(t, super, sql)
				if left := missing(t, conn, m); !strings.Contains(strings.Join(left, " "), "record:") {
					t.Errorf("%s: plan has %v", what, left)
				}
				applied(t, conn, m)
				if left := missing(t, conn, m); len(left) > 0 {
					t.Errorf("%s: a second plan has steps: %v", what, left)
				}
			}
			if got := write(); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			// Other columns, then nothing.
			m.Table("customer", "invoice").Record = &manifest.Record{Mode: manifest.RecordAll}
			m.Table("customer", "event").Record = nil
			applied(t, conn, m)
			if got := write(); got != `row.updated customer.invoice  true` {
				t.Error(got)
			}
			tenancytest.Exec(t, super, "DROP TABLE customer.metric_more; DROP FUNCTION customer.nothing() CASCADE")
			if _, err := apply.Undo(ctx, conn, apply.Options{}); err != nil {
				t.Fatal(err)
			}
			if n := tenancytest.Value[int](t, super, `SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'garant%'`); n != 0 {
				t.Errorf("%d triggers are left", n)
			}
		})
	}
}

// After undo the database is as it was, where nobody changed it in between.
func TestRecordUndone(t *testing.T) {
	super := tenancytest.Shop(t, tenancytest.Odd)
	before := tenancytest.Dump(t, "shop")
	applied(t, super, recording(t, super))
	if _, err := apply.Undo(context.Background(), super, apply.Options{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, tenancytest.Dump(t, "shop")); diff != "" {
		t.Error(diff)
	}
}

// What cannot be recorded is refused before anything is changed.
func TestRecordRefused(t *testing.T) {
	super := tenancytest.Shop(t, tenancytest.Odd)
	m := recording(t, super)
	m.Table("customer", "invoice").Record.Columns = []string{"ttl"}
	refused := func(want string) {
		t.Helper()
		if _, err := apply.Run(context.Background(), super, m, apply.Options{}); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), want) {
			t.Error(err)
		}
	}
	refused("customer.invoice: record names ttl, and the table has no such column.")
	m.Table("customer", "invoice").Record.Columns = []string{"total"}
	tenancytest.Exec(t, super, `CREATE TYPE customer.colour AS ENUM ('red'); CREATE FUNCTION customer.js(customer.colour) RETURNS json LANGUAGE sql AS $$ SELECT '1'::json $$; CREATE CAST (customer.colour AS json) WITH FUNCTION customer.js(customer.colour)`)
	refused("cast from customer.colour to json would run with the rights of garant_sec")
	var fault *pgconn.PgError
	if _, err := super.Exec(context.Background(), `SELECT FROM garant.installed`); !errors.As(err, &fault) {
		t.Error("something was installed", err)
	}
}
