package isolation

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/verify"
)

// ruin is a report in which every check fails on each of n tables.
func ruin(n int) report {
	m := &manifest.Manifest{Version: 1, Database: "shop", Design: manifest.Pinned}
	for i := range n {
		m.Tables = append(m.Tables, manifest.Table{Schema: "customer", Name: fmt.Sprintf("table_with_a_name_%04d", i), Kind: manifest.KindTable, Class: manifest.Tenant, Column: "organisation_id"})
	}
	r := &verify.Report{Database: "shop", Design: manifest.Pinned, Looked: "reader", Tables: n}
	for _, c := range verify.Checks() {
		one := verify.Result{Check: c, Outcome: verify.Fail, Examined: n}
		for _, t := range m.Tables {
			name := t.QualifiedName()
			one.Findings = append(one.Findings, verify.Finding{Object: "policy tenant_select on " + name, Found: "It is not the comparison of the tenant’s column with the tenant of the transaction.",
				Mend: "ALTER POLICY tenant_select ON " + name + " USING (organisation_id = (SELECT garant.tenant_uuid()));"})
		}
		r.Results = append(r.Results, one)
	}
	return report{r, m, "0123456789abcdef"}
}

// However much is wrong, evidence has room for it, says which tables, and counts what it leaves out.
func TestEvidenceHasRoom(t *testing.T) {
	for _, x := range []struct {
		name             string
		databases        int
		tables, failing  int
		findings, most   int // kept of each check
		named            int
		unnamed, digests bool
	}{
		{name: "a little", databases: 1, tables: 150, failing: 3, findings: 10, most: 10, named: 150},
		{name: "one check on every table", databases: 1, tables: 1000, failing: 1, findings: 1, most: 10, named: 1000},
		{name: "everything", databases: 1, tables: 150, failing: 1000, findings: 0, most: 1, named: 150},
		{name: "everything of two databases", databases: 2, tables: 150, failing: 1000, findings: 0, most: 1, named: 150},
		{name: "everything of four databases", databases: 4, tables: 150, failing: 1000, findings: 0, most: 1, unnamed: true},
		{name: "everything of 2,000 tables", databases: 1, tables: 2000, failing: 1000, most: 2, unnamed: true},
		{name: "everything of many databases", databases: 40, tables: 10, failing: 1000, digests: true},
	} {
		t.Run(x.name, func(t *testing.T) {
			reports := map[string]report{}
			for i := range x.databases {
				r := ruin(x.tables)
				for i := range r.Results {
					if i >= x.failing {
						r.Results[i].Outcome, r.Results[i].Findings = verify.Pass, nil
					}
				}
				reports[fmt.Sprintf("database-%d", i)] = r
			}
			raw := observe(reports)
			t.Log(len(raw))
			if len(raw) > maxRaw || !json.Valid(raw) {
				t.Fatalf("%d bytes", len(raw))
			}
			if string(raw) != string(observe(reports)) {
				t.Error("the same look does not leave the same evidence")
			}
			if digestOnly(raw) != x.digests {
				t.Fatalf("a digest only: %v", !x.digests)
			}
			o, ok := observedOf(raw, "database-0")
			if ok == x.digests {
				t.Fatalf("kept: %v", ok)
			}
			if x.digests {
				return
			}
			if room := maxRaw - len(raw); room > 2000 && x.failing > 3 {
				t.Errorf("%d bytes of room are left", room)
			}
			for _, c := range verify.Checks() {
				if one, ok := o.Results[c.ID]; ok && x.name == "everything" && c.Severity == verify.Critical && len(one.Findings) == 0 {
					t.Errorf("nothing is kept of %s, which is critical", c.ID)
				}
			}
			named := 0
			for _, list := range o.Trouble {
				named += len(list)
			}
			if named != x.named || (o.Unnamed == x.tables) != x.unnamed {
				t.Errorf("%d tables are named, %d counted", named, o.Unnamed)
			}
			if len(o.Passed)+len(o.Results) != len(verify.Checks()) {
				t.Errorf("%d checks passed, %d did not", len(o.Passed), len(o.Results))
			}
			for id, one := range o.Results {
				if len(one.Findings)+one.More != x.tables || len(one.Findings) < x.findings || len(one.Findings) > x.most {
					t.Errorf("%s: %d findings are kept, %d counted", id, len(one.Findings), one.More)
				}
			}
		})
	}
	if _, ok := observedOf([]byte(`{"other": {}}`), "shop"); ok {
		t.Error("a database that was not seen was read")
	}
	if _, ok := observedOf([]byte(`noise`), "shop"); ok || digestOnly([]byte("noise")) {
		t.Error("noise was read")
	}
}

// A finding is told of the relations that it names, and of no others.
func TestRelationsOfFindings(t *testing.T) {
	m := &manifest.Manifest{}
	for _, name := range []string{"order", "orders", "order_line", "Odd x", "line"} {
		m.Tables = append(m.Tables, manifest.Table{Schema: "shop", Name: name})
	}
	of := attribution(m)
	for _, x := range []struct{ check, object, found, want string }{
		{"tables.rls_off", "shop.orders", "", "shop.orders"},
		{"policies.drift", "policy p on shop.order_line", "", "shop.order_line"},
		{"tables.rls_off", `shop."Odd x"`, "", `shop."Odd x"`},
		{"tables.rls_off", `shop."order"`, "", `shop."order"`},
		{"constraints.fk_without_tenant", "constraint line_fk on shop.line", "It points at shop.orders without the tenant.", "shop.line"},
		{"constraints.unique_without_tenant", "shop.orders_number_key", "It is unique over the rows of all tenants of shop.orders, by number.", "shop.orders"},
		{"probe.reads", "shop.line as app", "It shows rows.", "shop.line"},
		{"code.definer_function", "shop.orders(integer)", "", ""},
		{"code.definer_function", "myshop.orders", "", ""},
		{"roles.owner_member", "app", "It can become app_owner, which owns shop.orders.", ""},
		{"probe.unique", "shop.orders_number_key", "It is of shop.orders.", "shop.orders"},
		{"tables.unclassified", "shop.export", "", ""},
	} {
		if got := strings.Join(of.relations(x.check, verify.Finding{Object: x.object, Found: x.found}), " "); got != x.want {
			t.Errorf("%s, %s: %q, want %q", x.check, x.object, got, x.want)
		}
	}
}

// What can be copied runs as it stands; what is advice stays in words.
func TestMends(t *testing.T) {
	for _, x := range []struct{ text, sql, words string }{
		{"ALTER TABLE a ENABLE ROW LEVEL SECURITY; ALTER TABLE a FORCE ROW LEVEL SECURITY;", "ALTER TABLE a ENABLE ROW LEVEL SECURITY;\nALTER TABLE a FORCE ROW LEVEL SECURITY;", ""},
		{`ALTER TABLE "x; y" ENABLE ROW LEVEL SECURITY; SELECT 'a; b';`, "ALTER TABLE \"x; y\" ENABLE ROW LEVEL SECURITY;\nSELECT 'a; b';", ""},
		{"DROP POLICY p ON a; -- or make it AS RESTRICTIVE", "DROP POLICY p ON a; -- or make it AS RESTRICTIVE", ""},
		{"REVOKE ALL ON a FROM app; then classify it: garant isolation plan.", "REVOKE ALL ON a FROM app;", "then classify it: garant isolation plan."},
		{"Name it in the manifest under around with kind: backup, or: REVOKE a FROM b;", "REVOKE a FROM b;", "Name it in the manifest under around with kind: backup"},
		{"Correct key in the manifest.", "", "Correct key in the manifest."},
		{"garant isolation apply", "garant isolation apply", ""},
		{"SELECT cron.unschedule(1); or declare the role in the manifest under around.", "SELECT cron.unschedule(1);", "or declare the role in the manifest under around."},
	} {
		if sql, words := mended(x.text); sql != x.sql || words != x.words {
			t.Errorf("%s:\n%q\n%q", x.text, sql, words)
		}
	}
}

// Every check has its title and its reason in French, and nothing else has.
func TestChecksHaveFrenchWords(t *testing.T) {
	french := string(read("verify.fr.yaml"))
	for _, c := range verify.Checks() {
		for _, id := range []string{c.ID, c.ID + ".why"} {
			if !strings.Contains(french, "\n  "+id+": ") {
				t.Errorf("messages/verify.fr.yaml has no words for %s", id)
			}
		}
		if !slices.Contains(areaOrder(), area(c.ID)) {
			t.Errorf("%s is of an area that the page does not know", c.ID)
		}
	}
}
