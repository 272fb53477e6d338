package access

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
)

func observe(t testing.TB, c measure.Check, e *estate.Estate) measure.Finding {
	t.Helper()
	return measure.Observe(context.Background(), c, measure.In{Estate: e, Now: time.Now()}, slog.New(slog.DiscardHandler))
}

// TestSoundVariants: what opens nothing is no fault, so that a fault that is told can be believed.
func TestSoundVariants(t *testing.T) {
	w := newWorld(t)
	checks := Checks(Deps{})
	for _, c := range []struct {
		name   string
		check  measure.Check
		breaks string
		mends  string
		rules  []string
		change func(*estate.Database)
	}{
		{name: "a right without USAGE", check: checks.Readers, breaks: `REVOKE USAGE ON SCHEMA customer FROM metrics; GRANT SELECT ON customer.applicant TO metrics`,
			mends: `REVOKE SELECT ON customer.applicant FROM metrics; GRANT USAGE ON SCHEMA customer TO metrics`},
		{name: "a right without CONNECT", check: checks.Readers, breaks: `GRANT SELECT ON customer.applicant TO dev_anna; GRANT USAGE ON SCHEMA customer TO dev_anna`,
			mends: `REVOKE SELECT ON customer.applicant FROM dev_anna; REVOKE USAGE ON SCHEMA customer FROM dev_anna`},
		{name: "a right on a column that is not personal", check: checks.Readers, breaks: `GRANT SELECT (score) ON customer.applicant TO metrics`, mends: `REVOKE SELECT (score) ON customer.applicant FROM metrics`},
		{name: "a role without login", check: checks.Readers, breaks: `CREATE ROLE idle NOLOGIN IN ROLE app_rw`, mends: `DROP ROLE idle`},
		{name: "a view with the rights of who asks", check: checks.Readers, breaks: `CREATE VIEW shop.v WITH (security_invoker = true) AS SELECT email FROM customer.applicant; GRANT SELECT ON shop.v TO metrics`, mends: `DROP VIEW shop.v`},
		{name: "a trigger function with its owner’s rights", check: checks.Readers, breaks: `CREATE FUNCTION shop.t() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN PERFORM email FROM customer.applicant; RETURN NEW; END'`, mends: `DROP FUNCTION shop.t`},
		{name: "a function that PUBLIC may not call", check: checks.Readers, breaks: `CREATE FUNCTION shop.f() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT email FROM customer.applicant LIMIT 1'; REVOKE EXECUTE ON FUNCTION shop.f FROM PUBLIC; GRANT EXECUTE ON FUNCTION shop.f TO app`, mends: `DROP FUNCTION shop.f`},
		{name: "a function with the rights of who calls", check: checks.Readers, breaks: `CREATE FUNCTION shop.f() RETURNS text LANGUAGE sql AS 'SELECT email FROM customer.applicant LIMIT 1'`, mends: `DROP FUNCTION shop.f`},
		{name: "a count over persons, said to be nothing personal", check: checks.Readers, breaks: `CREATE VIEW shop.v AS SELECT count(*) AS n FROM customer.applicant; GRANT SELECT ON shop.v TO metrics`, mends: `DROP VIEW shop.v`,
			change: func(d *estate.Database) {
				d.Labels = append([]estate.Label{{Columns: "shop.v.*", Class: "Public", Personal: estate.NotPersonal}}, d.Labels...)
			}},
		{name: "a table said to be nothing personal", check: checks.Readers, breaks: `CREATE TABLE shop.sender (email text); GRANT SELECT ON shop.sender TO metrics`, mends: `DROP TABLE shop.sender`,
			change: func(d *estate.Database) {
				d.Labels = append([]estate.Label{{Columns: "shop.sender.email", Class: "Public", Personal: estate.NotPersonal}}, d.Labels...)
			}},
		{name: "a public schema that may only be used", check: checks.Privileged, breaks: `GRANT USAGE ON SCHEMA public TO PUBLIC`, mends: `SELECT`},
		{name: "a developer who may connect and whom no rule lets in", check: checks.Developers, breaks: `SELECT`, mends: `SELECT`, rules: []string{"host all +developers all reject", "local all +developers reject"}},
		{name: "a rule shut by an earlier one", check: checks.Developers, breaks: `SELECT`, mends: `SELECT`, rules: []string{"host all all 10.0.0.0/8 reject", "host all all 10.1.0.0/16 trust"}},
		{name: "a rejection of plain text before", check: checks.Transport, breaks: `SELECT`, mends: `SELECT`, rules: []string{"hostnossl all all all reject", "host all all 10.0.0.0/8 scram-sha-256"}},
		{name: "plain text within the machine", check: checks.Transport, breaks: `SELECT`, mends: `SELECT`, rules: []string{"host all all 127.0.0.1/32 scram-sha-256", "host all all ::1/128 scram-sha-256"}},
		{name: "private networks", check: checks.Network, breaks: `SELECT`, mends: `SELECT`, rules: []string{"hostssl all all 10.0.0.0/8 cert", "hostssl all all 192.168.4.0 255.255.255.0 cert", "hostssl all all fd00::/8 cert", "hostssl all all samenet cert", "hostssl all app 198.51.100.7/32 cert"}},
		{name: "everything rejected", check: checks.Network, breaks: `SELECT`, mends: `SELECT`, rules: []string{"host all all all reject"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sound := *w.database()
			w.exec(c.breaks)
			mend := func() {}
			if len(c.rules) > 0 {
				mend = w.rules(c.rules...)
			}
			if c.change != nil {
				c.change(w.database())
			}
			f := observe(t, c.check, w.estate)
			*w.database() = sound
			mend()
			w.exec(c.mends)
			if f.Outcome != measure.Pass {
				t.Errorf("%s: %s %+v", c.check.ID, f.Outcome, f.Failed)
			}
		})
	}
}

// TestPaths: an item shows the whole way, so that somebody can take it away.
func TestPaths(t *testing.T) {
	w := newWorld(t)
	checks := Checks(Deps{})
	for _, c := range []struct {
		check                measure.Check
		breaks, mends, shown string
	}{
		{checks.Readers, `GRANT CONNECT ON DATABASE shop TO developers; GRANT app_rw TO developers`, `REVOKE app_rw FROM developers; REVOKE CONNECT ON DATABASE shop FROM developers`,
			"dev_anna → developers → app_rw: SELECT on customer.applicant"},
		{checks.Readers, `GRANT SELECT (email) ON customer.applicant TO metrics`, `REVOKE SELECT (email) ON customer.applicant FROM metrics`, "metrics: SELECT (email) on customer.applicant"},
		{checks.Readers, `GRANT it_ops TO metrics`, `REVOKE it_ops FROM metrics`, "metrics → it_ops → pg_read_all_data: reads every table"},
		{checks.Readers, `GRANT USAGE ON SCHEMA customer TO PUBLIC; GRANT SELECT ON customer.applicant TO PUBLIC`, `REVOKE SELECT ON customer.applicant FROM PUBLIC; REVOKE USAGE ON SCHEMA customer FROM PUBLIC`, "metrics → PUBLIC: SELECT on customer.applicant"},
		{checks.Privileged, `GRANT it_ops TO metrics`, `REVOKE it_ops FROM metrics`, "metrics → it_ops → pg_read_all_data: reads every table"},
		{checks.Developers, `GRANT app_rw TO developers`, `REVOKE app_rw FROM developers`, "dev_anna → developers → app_rw"},
		{checks.Developers, `GRANT SELECT ON shop.product TO developers`, `REVOKE SELECT ON shop.product FROM developers`, "developers: a right on table shop.product"},
		{checks.Developers, `GRANT CONNECT ON DATABASE shop TO PUBLIC`, `REVOKE CONNECT ON DATABASE shop FROM PUBLIC`, "dev_anna: CONNECT on shop, pg_hba.conf line 2: local all all peer"},
		{checks.Labels, `CREATE TABLE shop.lead (email text)`, `DROP TABLE shop.lead`, "shop.lead.email"},
	} {
		w.exec(c.breaks)
		f := observe(t, c.check, w.estate)
		w.exec(c.mends)
		found := false
		for _, item := range f.Failed {
			found = found || item.Actual == c.shown
		}
		if !found {
			t.Errorf("%s: %q is not among %+v", c.check.ID, c.shown, f.Failed)
		}
	}
}

// TestFacts: the figures are of what was read.
func TestFacts(t *testing.T) {
	w := newWorld(t)
	for _, c := range Checks(Deps{}).All() {
		f := observe(t, c, w.estate)
		if f.Outcome != measure.Pass {
			t.Fatalf("%s: %+v", c.ID, f.Failed)
		}
		for _, name := range c.Facts {
			if f.Facts[name].Count == 0 {
				t.Errorf("%s is %+v", name, f.Facts[name])
			}
		}
		if strings.Contains(string(f.Raw), "reader@") || strings.Contains(string(f.Raw), "host=") {
			t.Errorf("%s shows the address: %s", c.ID, f.Raw)
		}
	}
	f := observe(t, Checks(Deps{}).Readers, w.estate)
	// The superuser, it_ops, app and cs_reader reach it; one table holds it.
	if f.Facts["access.readers.roles"].Count != 4 || f.Facts["access.readers.tables"].Count != 1 {
		t.Errorf("%+v %s", f.Facts, f.Raw)
	}
}

// TestTooLarge: what is beyond the bound was not looked at.
func TestTooLarge(t *testing.T) {
	w := newWorld(t)
	f := observe(t, Checks(Deps{Tables: 3}).Readers, w.estate)
	if f.Outcome != measure.Error || len(f.Failed) != 1 || f.Failed[0].Problem != string(TooLarge) || f.Failed[0].Expected != "at most 3 tables and views" {
		t.Errorf("%s %+v", f.Outcome, f.Failed)
	}
}

// TestReadsNothing: the role of the checks has no right on any table of the company, and their
// transaction could not write.
func TestReadsNothing(t *testing.T) {
	w := newWorld(t)
	var may int
	if err := w.super.QueryRow(context.Background(), `SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE n.nspname IN ('customer', 'shop') AND c.relkind IN ('r', 'v') AND has_table_privilege('garant_reader', c.oid, 'SELECT')`).Scan(&may); err != nil || may != 0 {
		t.Errorf("%d tables are open to the role of the checks: %v", may, err)
	}
}
