package manifest_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
)

const good = `isolation: 1
database: app
design: pinned
key: {table: customer.organisation, column: id, type: uuid}
app: [app, "App 2"]
around:
  - {role: postgres, kind: superuser, why: the administrators}
accepted:
  - {check: constraints.unique_without_tenant, objects: [customer.b_key, 'customer."A_key"'], reason: "random: 25 characters", by: the architect, date: 2026-11-27}
tables:
  customer.organisation: {class: tenant, column: id, grants: [SELECT]}
  '"Odd Schema"."T.x"':
    class: tenant
    column: tenantId
    add: true
    via: [member_id, 'a,b']
    reason: "belongs to a member: see the keys"
    doubts: ["decide: is it?", other]
    grants: [DELETE, SELECT]
  customer.country: {class: shared, grants: [SELECT]}
  customer.secret: {class: private}
  customer.v: {kind: view, class: tenant}
`

func TestParse(t *testing.T) {
	m, err := manifest.Parse([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	want := &manifest.Manifest{
		Version: 1, Database: "app", Design: manifest.Pinned,
		Key:      manifest.Key{Table: "customer.organisation", Column: "id", Type: "uuid"},
		App:      []string{"App 2", "app"},
		Around:   []manifest.Path{{Role: "postgres", Kind: "superuser", Why: "the administrators", Line: 7}},
		Accepted: []manifest.Acceptance{{Check: "constraints.unique_without_tenant", Objects: []string{`customer."A_key"`, "customer.b_key"}, Reason: "random: 25 characters", By: "the architect", Date: "2026-11-27", Line: 9}},
		Tables: []manifest.Table{
			{Schema: "Odd Schema", Name: "T.x", Kind: "table", Class: manifest.Tenant, Column: "tenantId", Add: true, Via: []string{"member_id", "a,b"},
				Reason: "belongs to a member: see the keys", Doubts: []string{"decide: is it?", "other"}, Grants: []string{"SELECT", "DELETE"}, Line: 12},
			{Schema: "customer", Name: "country", Kind: "table", Class: manifest.Shared, Grants: []string{"SELECT"}, Line: 20},
			{Schema: "customer", Name: "organisation", Kind: "table", Class: manifest.Tenant, Column: "id", Grants: []string{"SELECT"}, Line: 11},
			{Schema: "customer", Name: "secret", Kind: "table", Class: manifest.Private, Line: 21},
			{Schema: "customer", Name: "v", Kind: "view", Class: manifest.Tenant, Line: 22},
		},
	}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Error(diff)
	}
	odd := m.Table("Odd Schema", "T.x")
	if odd == nil || len(odd.Blocking()) != 1 || m.Table("customer", "nothing") != nil {
		t.Errorf("%+v", odd)
	}
}

// What is written is read back, and written again the same.
func TestRoundTrip(t *testing.T) {
	m, err := manifest.Parse([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range []*manifest.Record{{Mode: manifest.RecordAll}, {Mode: manifest.RecordAll, Reads: true}, {Mode: manifest.RecordOnly}, {Mode: manifest.RecordOnly, Columns: []string{"a b", "c,d", "state"}}, {Mode: manifest.RecordBut, Columns: []string{"iban"}, Reads: true}, {Mode: manifest.RecordOnly, Reads: true}} {
		name := strings.Repeat("r", 1+len(m.Tables))
		m.Tables = append(m.Tables, manifest.Table{Schema: "recorded", Name: name, Kind: manifest.KindTable, Class: manifest.Private, Record: rec})
	}
	for i, odd := range []string{`a"b`, "a'b", "é ü", "no", "1", "null", "~", "-", ": ", "# x", "a: b", "[x]", "tab\there", "line\nbreak", "x\u2028y", "😀", `\`, "a #b", "1e3", "2020-01-01", "true", " lead", "<<", "0x1", "\x7f"} {
		m.Tables = append(m.Tables, manifest.Table{Schema: odd, Name: odd + "t", Kind: "table", Class: manifest.Tenant, Column: "c" + odd, Reason: odd + " r", Doubts: []string{"d " + odd}})
		if strings.TrimSpace(odd) == odd {
			m.Tables[len(m.Tables)-1].Reason = odd
		}
		if i == 0 {
			m.Database, m.App = odd, []string{odd, "app"}
		}
	}
	m.Sort()
	var first, second bytes.Buffer
	if err := m.Write(&first); err != nil {
		t.Fatal(err)
	}
	again, err := manifest.Parse(first.Bytes())
	if err != nil {
		t.Fatalf("%v\n%s", err, &first)
	}
	if diff := cmp.Diff(m, again, cmpopts.IgnoreFields(manifest.Table{}, "Line"), cmpopts.IgnoreFields(manifest.Path{}, "Line"), cmpopts.IgnoreFields(manifest.Acceptance{}, "Line")); diff != "" {
		t.Error(diff)
	}
	rand.Shuffle(len(again.Tables), func(i, j int) { again.Tables[i], again.Tables[j] = again.Tables[j], again.Tables[i] })
	if err := again.Write(&second); err != nil {
		t.Fatal(err)
	}
	if first.String() != second.String() {
		t.Error("the same manifest is written in two ways")
	}
}

// Each mistake is told with its line, its key and what to write instead.
func TestProblems(t *testing.T) {
	change := func(from, to string) string {
		if !strings.Contains(good, from) {
			t.Fatalf("%q is not in the good file", from)
		}
		return strings.Replace(good, from, to, 1)
	}
	for name, c := range map[string]struct {
		source, want string
	}{
		"record word":      {change("class: private", "class: private, record: some"), `tables.customer.secret.record: "some" is not known here.`},
		"record of both":   {change("class: private", "class: private, record: {columns: [a], not: [b]}"), "tables.customer.secret.record.not: "},
		"record nothing":   {change("class: private", "class: private, record: {reads: true}"), "Nothing says which columns are recorded."},
		"record twice":     {change("class: private", "class: private, record: {not: [a, a]}"), "tables.customer.secret.record[1]: "},
		"record list":      {change("class: private", "class: private, record: [a]"), "What is recorded of the table belongs here."},
		"record reads":     {change("class: private", "class: private, record: {not: [a], reads: maybe}"), "record.reads: True or false"},
		"record view":      {change("kind: view, class: tenant", "kind: view, class: tenant, record: all"), "Changes are recorded of tables only."},
		"record partition": {change("{class: private}", "{kind: partition, class: private, record: all}"), "recorded with the table that it is a part of"},
		"empty":            {"", "isolation.yaml:1: The file is empty."},
		"no yaml":          {"a: [", "isolation.yaml:1: This is not YAML"},
		"bad line":         {change("design: pinned", "design: pinned: x"), "isolation.yaml:3: This is not YAML"},
		"two documents":    {good + "---\na: 1\n", "A second document"},
		"version":          {change("isolation: 1", "isolation: 2"), "isolation.yaml:1: isolation: This version"},
		"unknown key":      {change("design:", "desing:"), "isolation.yaml:3: desing: There is no such key."},
		"missing":          {change("database: app\n", ""), "database: The key is missing."},
		"design":           {change("pinned", "pined"), `isolation.yaml:3: design: "pined" is not known here. Write pinned or statement.`},
		"key type":         {change("type: uuid", "type: int"), "key.type: "},
		"key column":       {change("column: id, type", "column: uid, type"), "Write the same column in both."},
		"key not there":    {change("table: customer.organisation", "table: customer.organization"), "isolation.yaml:4: key.table: "},
		"capitals":         {change("customer.secret", "customer.Secret"), `write 'customer."Secret"'.`},
		"no schema":        {change("customer.secret", "secret"), "isolation.yaml:21: tables: \"secret\" is not the name of a table with its schema."},
		"twice":            {change("customer.secret", "customer.country"), "isolation.yaml:21: tables.customer.country: The table is written twice; the first is on line 20."},
		"class":            {change("class: private", "class: secret"), "tables.customer.secret.class: "},
		"no column":        {change("{class: private}", "{class: tenant}"), "A tenant table needs the column"},
		"column of shared": {change("{class: private}", "{class: shared, column: x}"), "Only a tenant table"},
		"private grants":   {change("{class: private}", "{class: private, grants: [SELECT]}"), "A private table is not for the application"},
		"add without via":  {change("    via: [member_id, 'a,b']\n", ""), "Nothing says from where"},
		"via without add":  {change("    add: true\n", ""), "The way is for a column that apply is to add."},
		"grant":            {change("grants: [DELETE, SELECT]", "grants: [DELETE, TRUNCATE]"), "isolation.yaml:19: tables.\"Odd Schema\".\"T.x\".grants[1]: \"TRUNCATE\" is not known here."},
		"partition":        {change("{class: private}", "{kind: partition, class: shared, grants: [SELECT]}"), "A partition is reached through its parent"},
		"matview":          {change("{kind: view, class: tenant}", "{kind: matview, class: tenant, grants: [SELECT]}"), "PostgreSQL holds no policy on a materialised view"},
		"app around":       {change("role: postgres", "role: app"), "may not go around tenancy"},
		"no app":           {change(`[app, "App 2"]`, "[]"), "isolation.yaml:5: app: The list is empty."},
		"accepted twice":   {change("customer.b_key", "'customer.\"A_key\"'"), "is accepted twice. Keep one of them."},
		"accepted nothing": {change("[customer.b_key, 'customer.\"A_key\"']", "[]"), "isolation.yaml:9: accepted[0].objects: The list is empty."},
		"no day":           {change("2026-11-27", "yesterday"), "isolation.yaml:9: accepted[0].date: A day belongs here."},
		"nobody":           {change("by: the architect, ", ""), "accepted[0].by: The key is missing."},
		"anchor":           {change("{class: private}", "&x {class: private}"), "Anchors"},
		"number":           {change("database: app", "database: 12"), "A text belongs here, not a number"},
	} {
		m, err := manifest.Parse([]byte(c.source))
		var list *estate.Problems
		if m != nil || !errors.As(err, &list) || !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v, %v", name, m, err)
			continue
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q lacks %q", name, err, c.want)
		}
		for _, p := range list.List {
			if p.Line < 1 || p.Text == "" || p.Fix == "" {
				t.Errorf("%s: %+v says too little", name, p)
			}
		}
	}
}

func TestPolicyExpression(t *testing.T) {
	uuid, big, text := manifest.Key{Type: "uuid"}, manifest.Key{Type: "bigint"}, manifest.Key{Type: "text"}
	for _, c := range []struct {
		key  manifest.Key
		typ  string
		want string
	}{
		{uuid, "uuid", `"tenantId" = (SELECT garant.tenant_uuid())`},
		{uuid, "text", `"tenantId" = (SELECT (garant.tenant_uuid())::text)`},
		{uuid, "character(36)", `"tenantId" = (SELECT (garant.tenant_uuid())::character(36))`},
		{big, "integer", `"tenantId" = (SELECT garant.tenant_bigint())`},
		{text, "character varying(30)", `"tenantId" = (SELECT garant.tenant_text())`},
	} {
		if got := c.key.Policy("tenantId", c.typ); got != c.want {
			t.Errorf("%s over %s: %s, want %s", c.key.Type, c.typ, got, c.want)
		}
		if got, want := c.key.WritePolicy("tenantId", c.typ), strings.Replace(c.want, "garant.tenant_", "garant.writer_", 1); got != want {
			t.Errorf("%s over %s: %s, want %s", c.key.Type, c.typ, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Fuzz(func(t *testing.T, source []byte) {
		m, err := manifest.Parse(source)
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := m.Write(&b); err != nil {
			t.Fatal(err)
		}
		again, err := manifest.Parse(b.Bytes())
		if err != nil {
			t.Fatalf("%v\n%s", err, &b)
		}
		if diff := cmp.Diff(m, again, cmpopts.IgnoreFields(manifest.Table{}, "Line"), cmpopts.IgnoreFields(manifest.Path{}, "Line"), cmpopts.IgnoreFields(manifest.Acceptance{}, "Line"), cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	})
}
