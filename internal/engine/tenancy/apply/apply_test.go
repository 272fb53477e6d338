package apply_test

import (
	"context"
	"errors"
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

// counts are the rows of each table of customers that customer A sees, of those there are. Rows
// that name no customer (template 1, and what leads to it) are seen by nobody.
var counts = map[string][2]int{
	`customer.organisation`: {1, 2}, `customer."Member"`: {3, 5}, `customer.invoice`: {120, 200}, `customer.invoice_line`: {360, 600}, `"Odd Schema"."T.x y"`: {120, 200},
	`customer.event`: {60, 120}, `customer.event_note`: {60, 120}, `customer.metric`: {60, 100}, `customer.team`: {1, 2}, `customer.player`: {1, 2},
	`customer.document`: {2, 4}, `customer.contract`: {1, 2}, `customer.room`: {1, 2}, `customer.booking`: {1, 2}, `customer.legacy`: {1, 2},
	`customer.template`: {1, 2}, `customer.template_use`: {1, 2}, `customer.template_step`: {1, 1}, `customer.transfer`: {1, 1}, `customer.membership`: {0, 0}, `customer.mails`: {3, 5},
}

// isolates holds a database to which everything was applied to what was promised.
func isolates(t *testing.T, mint func(string) []byte) {
	t.Helper()
	ctx := context.Background()
	super := tenancytest.Connect(t, tenancytest.Superuser(), "shop")
	app := tenancytest.Connect(t, "app", "shop")
	for table, n := range counts {
		if all := tenancytest.Value[int](t, super, "SELECT count(*) FROM "+table); all != n[1] {
			t.Errorf("%s holds %d rows, not %d: it was changed", table, all, n[1])
		}
		as(t, app, nil, func(tx pgx.Tx) {
			if seen := tenancytest.Value[int](t, tx, "SELECT count(*) FROM "+table); seen != 0 {
				t.Errorf("%s shows %d rows without a token", table, seen)
			}
		})
		as(t, app, mint(tenancytest.A), func(tx pgx.Tx) {
			if seen := tenancytest.Value[int](t, tx, "SELECT count(*) FROM "+table); seen != n[0] {
				t.Errorf("%s shows %d of %d rows to A, not %d", table, seen, n[1], n[0])
			}
		})
	}
	// What the application did before it does still, without a word about the customer.
	as(t, app, mint(tenancytest.B), func(tx pgx.Tx) {
		for _, sql := range []string{
			`INSERT INTO customer."Member" (mail) VALUES ('new@example.test')`,
			`INSERT INTO customer.invoice (member_id, total) VALUES (11, 5)`,
			`INSERT INTO customer.invoice_line (invoice_id, nr, what) SELECT max(id), 1, 'x' FROM customer.invoice`,
			`INSERT INTO customer.metric (member_id, day, value) VALUES (11, '2026-05-05', 1)`,
			`INSERT INTO customer.event (id, at, what) VALUES (9000, '2026-05-05', 'x')`,
			`INSERT INTO "Odd Schema"."T.x y" (id, "ref ""q""") SELECT gen_random_uuid(), max(id) FROM customer.invoice`,
			`UPDATE customer.invoice SET total = total + 1 WHERE member_id = 11`,
			`DELETE FROM customer.invoice WHERE member_id = 12`,
		} {
			tag, err := tx.Exec(ctx, sql)
			if err != nil || tag.RowsAffected() == 0 {
				t.Errorf("%s: %v rows, %v", sql, tag.RowsAffected(), err)
			}
		}
		if n := tenancytest.Value[int](t, tx, `SELECT count(*) FROM "Odd Schema"."T.x y" WHERE "ref ""q""" IS NULL`); n != 40 {
			t.Errorf("%d links were emptied by the deletion, not 40", n)
		}
	})
	for what, sql := range map[string]string{
		"42501 a row of another customer":            `INSERT INTO customer."Member" ("organisationId", mail) VALUES ('` + tenancytest.A + `', 'x@y')`,
		"42501 a row given away":                     `UPDATE customer.invoice SET "organisation_id" = '` + tenancytest.A + `'`,
		"23503 a reference to another's member":      `INSERT INTO customer.invoice (member_id) VALUES (1)`,
		"23503 a reference to another's room":        `INSERT INTO customer.booking (id, building, nr) VALUES (gen_random_uuid(), 'x', 1)`,
		"42501 a partition":                          `SELECT FROM customer.event_old`,
		"42501 a partition below a partition":        `SELECT FROM customer.event_new_0`,
		"42501 a private table":                      `SELECT FROM customer.login`,
		"42501 a materialised view":                  `SELECT FROM customer.totals`,
		"42501 a temporary table":                    `CREATE TEMP TABLE x (i int)`,
		"42501 an object in a schema":                `CREATE TABLE reference.x (i int)`,
		"42501 truncate":                             `TRUNCATE customer.booking`,
		"42501 a shared table is only read":          `DELETE FROM reference.country`,
		"42501 a right on columns that was too much": `SELECT nextval('customer.invoice_id_seq'), setval('customer.invoice_id_seq', 1)`,
	} {
		as(t, app, mint(tenancytest.B), func(tx pgx.Tx) {
			_, err := tx.Exec(ctx, sql)
			var fault *pgconn.PgError
			if !errors.As(err, &fault) || fault.Code != what[:5] {
				t.Errorf("%s: %v", what, err)
			}
		})
	}
	as(t, app, mint(tenancytest.A), func(tx pgx.Tx) {
		if n := tenancytest.Value[int](t, tx, `SELECT n FROM customer.mail_count`); n != 3 {
			t.Errorf("a view over a view counts %d", n)
		}
		if s := tenancytest.Value[string](t, tx, `SELECT label FROM reference.countries`); s != "Belgium" {
			t.Error("a shared view is not read")
		}
		if n := tenancytest.Value[int](t, tx, `SELECT count(*) FROM customer.guarded`); n != 1 {
			t.Errorf("%d rows pass somebody's policy and the customer's, not 1", n)
		}
	})
}

func TestApply(t *testing.T) {
	super := tenancytest.Shop(t, tenancytest.Odd)
	before := tenancytest.Dump(t, "shop")
	m := decided(t, super)
	n := applied(t, super, m)
	t.Logf("%d steps", n)
	isolates(t, keyed(t))
	if left := missing(t, super, m); len(left) > 0 {
		t.Errorf("a second plan has steps: %v", left)
	}
	if again := applied(t, super, m); again != 0 {
		t.Errorf("a second apply did %d steps", again)
	}
	if changed := tenancytest.Value[int](t, super, "SELECT max(changed) FROM customer.invoice"); changed != 0 {
		t.Error("the trigger of the table ran for the filling of its new column")
	}
	// The owner's migrations are not held; reporting, who was not declared, sees nothing.
	tenancytest.Exec(t, super, "SET ROLE shop_owner")
	if n := tenancytest.Value[int](t, super, "SELECT count(*) FROM customer.invoice"); n != 200 {
		t.Errorf("the owner sees %d rows", n)
	}
	tenancytest.Exec(t, super, "INSERT INTO customer.invoice (member_id) VALUES (1); UPDATE customer.invoice SET total = 7; DELETE FROM customer.invoice WHERE total = 7 AND id > 200; RESET ROLE")
	if n := tenancytest.Value[int](t, tenancytest.Connect(t, "reporting", "shop"), "SELECT count(*) FROM customer.player"); n != 0 {
		t.Errorf("reporting sees %d rows", n)
	}

	if _, err := apply.Undo(context.Background(), super, apply.Options{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, tenancytest.Dump(t, "shop")); diff != "" {
		t.Errorf("undo brings back something else:\n%s", diff)
	}
	if n, err := apply.Undo(context.Background(), super, apply.Options{}); n != 0 || err != nil {
		t.Errorf("nothing is left to undo: %d, %v", n, err)
	}
}

// In design statement everything is done by a role that never was superuser.
func TestWithoutSuperuser(t *testing.T) {
	super := tenancytest.Shop(t, tenancytest.Odd)
	before := tenancytest.Dump(t, "shop")
	dba := tenancytest.Connect(t, "dba", "shop")
	m := decided(t, dba)
	if _, err := apply.Run(context.Background(), dba, m, apply.Options{}); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "Rights on customer.player were granted by reporting") {
		t.Fatal(err)
	}
	tenancytest.Exec(t, super, "GRANT reporting TO dba")
	if m.Design != manifest.Statement {
		t.Fatalf("plan chose %s for who is no superuser", m.Design)
	}
	applied(t, dba, m)
	isolates(t, keyed(t))
	if left := missing(t, dba, m); len(left) > 0 {
		t.Errorf("a second plan has steps: %v", left)
	}
	if tenancytest.Value[bool](t, dba, "SELECT pg_has_role('dba', 'garant_sec', 'MEMBER')") {
		t.Error("dba stayed a member of garant_sec")
	}
	if _, err := apply.Undo(context.Background(), dba, apply.Options{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, tenancytest.Dump(t, "shop")); diff != "" {
		t.Errorf("undo brings back something else:\n%s", diff)
	}
}

// The other design is another word in the manifest.
func TestChangeDesign(t *testing.T) {
	super := tenancytest.Shop(t, tenancytest.Odd)
	before := tenancytest.Dump(t, "shop")
	m := decided(t, super)
	applied(t, super, m)
	m.Design = manifest.Statement
	if n := applied(t, super, m); n == 0 || n > 5 {
		t.Errorf("%d steps to change the design", n)
	}
	isolates(t, keyed(t))
	if left := missing(t, super, m); len(left) > 0 {
		t.Errorf("a second plan has steps: %v", left)
	}
	if _, err := apply.Undo(context.Background(), super, apply.Options{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, tenancytest.Dump(t, "shop")); diff != "" {
		t.Errorf("undo brings back something else:\n%s", diff)
	}
}

// What somebody changed in schema garant is in the plan, and apply puts it back, with the policies and
// defaults that went along; keys and tokens stay.
func TestPutsBack(t *testing.T) {
	super := tenancytest.Shop(t, tenancytest.Odd)
	m := decided(t, super)
	applied(t, super, m)
	mint := keyed(t)
	for _, sql := range []string{
		`CREATE OR REPLACE FUNCTION garant.tenant_uuid() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE RETURN '` + tenancytest.B + `'::uuid;
ALTER TABLE garant.key DISABLE ROW LEVEL SECURITY; GRANT EXECUTE ON FUNCTION garant.retire(smallint, timestamptz) TO app`,
		`CREATE OR REPLACE FUNCTION garant.fill() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`,
		`DROP FUNCTION garant.enter(bytea); DROP FUNCTION garant.tenant_uuid() CASCADE; DROP FUNCTION garant.writer_uuid() CASCADE`,
	} {
		if _, err := super.Exec(context.Background(), sql); err != nil {
			t.Fatal(err)
		}
		if left := missing(t, super, m); len(left) == 0 {
			t.Errorf("nothing is planned after %s", sql)
		}
		applied(t, super, m)
		if left := missing(t, super, m); len(left) > 0 {
			t.Errorf("a second plan has steps: %v", left)
		}
	}
	isolates(t, mint)
}

func TestRefused(t *testing.T) {
	super := tenancytest.Shop(t, tenancytest.Odd)
	good := decided(t, super)
	for name, c := range map[string]struct {
		change func(*manifest.Manifest)
		sql    string
		undo   string
		want   string
	}{
		"doubts":       {change: func(m *manifest.Manifest) { m.Tables[3].Doubts = []string{"decide: is it?"} }, want: "decide: is it?"},
		"unclassified": {sql: "CREATE TABLE customer.fresh (id int)", undo: "DROP TABLE customer.fresh", want: "customer.fresh is not classified"},
		"gone": {change: func(m *manifest.Manifest) {
			m.Tables = append(m.Tables, manifest.Table{Schema: "customer", Name: "zz", Kind: "table", Class: manifest.Private})
		}, want: "customer.zz (line 0) is not in the database"},
		"another database": {change: func(m *manifest.Manifest) { m.Database = "other" }, want: "The manifest is of database other"},
		"no column":        {change: func(m *manifest.Manifest) { m.Table("customer", "legacy").Column = "tenant" }, want: "customer.legacy (line 0) has no column tenant"},
		"no way":           {change: func(m *manifest.Manifest) { m.Table("customer", "invoice").Via = []string{"total"} }, want: "via names total"},
		"no such key": {change: func(m *manifest.Manifest) {
			m.Table("customer", "invoice").Via = []string{"total = customer.nothing(id)"}
		}, want: "via says"},
		"superuser": {sql: "ALTER ROLE app SUPERUSER", undo: "ALTER ROLE app NOSUPERUSER", want: "is superuser"},
		"bypass":    {sql: "ALTER ROLE app BYPASSRLS", undo: "ALTER ROLE app NOBYPASSRLS", want: "has BYPASSRLS"},
		"owner":     {sql: "ALTER TABLE customer.team OWNER TO app", undo: "ALTER TABLE customer.team OWNER TO shop_owner", want: "owns customer.team"},
		"member":    {sql: "GRANT shop_owner TO shop_rw", undo: "REVOKE shop_owner FROM shop_rw", want: "is a member of shop_owner"},
		"reads all": {sql: "GRANT pg_read_all_data TO shop_rw", undo: "REVOKE pg_read_all_data FROM shop_rw", want: "is a member of pg_read_all_data"},
	} {
		m := *good
		m.Tables = append([]manifest.Table(nil), good.Tables...)
		if c.change != nil {
			c.change(&m)
		}
		if c.sql != "" {
			tenancytest.Exec(t, super, c.sql)
		}
		n, err := apply.Run(context.Background(), super, &m, apply.Options{})
		if n != 0 || !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %d steps, %v", name, n, err)
		}
		if c.undo != "" {
			tenancytest.Exec(t, super, c.undo)
		}
	}
	if tenancytest.Value[bool](t, super, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'garant')") {
		t.Error("something was changed")
	}
	// Who may not is told so before anything is done.
	_, err := apply.Run(context.Background(), tenancytest.Connect(t, "reporting", "shop"), good, apply.Options{})
	if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "belong to shop_owner") {
		t.Error(err)
	}
}

// A table made after apply is not for the application, though default rights said so before.
func TestNewTableIsNotGranted(t *testing.T) {
	super := tenancytest.Shop(t, tenancytest.Odd)
	applied(t, super, decided(t, super))
	mint := keyed(t)
	tenancytest.Exec(t, super, "SET ROLE shop_owner; CREATE TABLE customer.fresh AS SELECT 1 AS id; RESET ROLE")
	as(t, tenancytest.Connect(t, "app", "shop"), mint(tenancytest.A), func(tx pgx.Tx) {
		if _, err := tx.Exec(context.Background(), "SELECT FROM customer.fresh"); err == nil {
			t.Error("the application reads a table that nobody classified")
		}
	})
}

// Rows that contradict the manifest stop apply with the query that finds them; mended, it goes on.
func TestRowsThatContradict(t *testing.T) {
	super := tenancytest.Shop(t, tenancytest.Odd, "UPDATE customer.player SET team_id = 2 WHERE id = 1; DELETE FROM customer.reminder; INSERT INTO customer.reminder VALUES (1, 99999)")
	m := decided(t, super)
	for _, mend := range []string{"DELETE FROM customer.reminder", "UPDATE customer.player SET team_id = 1 WHERE id = 1"} {
		_, err := apply.Run(context.Background(), super, m, apply.Options{})
		_, fix := errs.Sentence(err)
		_, query, found := strings.Cut(fix, "these are they: ")
		if !errs.Is(err, errs.Invalid) || !found {
			t.Fatal(err, fix)
		}
		if n := tenancytest.Value[int](t, super, "SELECT count(*) FROM ("+query+") q"); n != 1 {
			t.Errorf("%s finds %d rows", query, n)
		}
		tenancytest.Exec(t, super, mend)
	}
	applied(t, super, m)
	if left := missing(t, super, m); len(left) > 0 {
		t.Error(left)
	}
}
