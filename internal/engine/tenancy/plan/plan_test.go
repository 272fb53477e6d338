package plan_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/plan"
	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/engine/tenancy/tenancytest"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/token"
)

func TestMain(m *testing.M) { tenancytest.Main(m) }

func read(t testing.TB) *schema.Database {
	t.Helper()
	db, err := schema.Read(context.Background(), tenancytest.Connect(t, tenancytest.Superuser(), "shop"))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func propose(t testing.TB, db *schema.Database, before *manifest.Manifest, w plan.Wish) *plan.Proposal {
	t.Helper()
	p, err := plan.Propose(db, before, w)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The manifest of the odd database is written down, to be read.
func TestOddSchema(t *testing.T) {
	tenancytest.Shop(t, tenancytest.Odd)
	p := propose(t, read(t), nil, plan.Wish{})
	var b bytes.Buffer
	if err := p.Manifest.Write(&b); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/odd.yaml"
	if os.Getenv("GARANT_UPDATE") == "1" {
		if err := os.WriteFile(golden, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("GARANT_UPDATE=1 writes it anew:\n%s", diff)
	}
	if _, err := manifest.Parse(b.Bytes()); err != nil {
		t.Error(err)
	}
	if len(p.New)+len(p.Changed)+len(p.Gone) > 0 {
		t.Errorf("the first time something is new: %+v", p)
	}
}

// The same is found whoever reads the catalogue, in a transaction that writes nothing.
func TestAsAnybody(t *testing.T) {
	super := tenancytest.Shop(t, tenancytest.Odd)
	want := propose(t, read(t), nil, plan.Wish{Design: manifest.Pinned}).Manifest
	tenancytest.Exec(t, super, "ALTER ROLE reporting SET default_transaction_read_only = on")
	db, err := schema.Read(context.Background(), tenancytest.Connect(t, "reporting", "shop"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, propose(t, db, nil, plan.Wish{Design: manifest.Pinned}).Manifest); diff != "" {
		t.Error(diff)
	}
	if !slices.ContainsFunc(db.Unseen, func(s string) bool { return strings.Contains(s, "cannot be seen as reporting") }) {
		t.Errorf("what it cannot see is not said: %q", db.Unseen)
	}
}

// The reviewer's decisions stay; what is new, changed and gone is told, and nothing else.
func TestAgain(t *testing.T) {
	super := tenancytest.Shop(t, tenancytest.Odd)
	m := propose(t, read(t), nil, plan.Wish{App: []string{"app"}}).Manifest
	for i := range m.Tables {
		m.Tables[i].Doubts = nil
	}
	login := m.Table("customer", "login")
	login.Class, login.Grants, login.Reason = manifest.Shared, []string{"SELECT"}, "our own words"
	m.Around = []manifest.Path{{Role: "reporting", Kind: "bypass", Why: "the monthly report"}}

	p := propose(t, read(t), m, plan.Wish{})
	if diff := cmp.Diff(m, p.Manifest); diff != "" || len(p.New)+len(p.Changed)+len(p.Gone) > 0 {
		t.Errorf("nothing happened: %v %v %v\n%s", p.New, p.Changed, p.Gone, diff)
	}
	// Partitions come and go.
	tenancytest.Exec(t, super, "DROP TABLE customer.metric_all; CREATE TABLE customer.metric_2026 PARTITION OF customer.metric FOR VALUES FROM ('2026-01-01') TO ('2027-01-01'); GRANT SELECT ON customer.metric_2026 TO app")
	p = propose(t, read(t), m, plan.Wish{})
	if len(p.New)+len(p.Changed)+len(p.Gone) > 0 || len(plan.Refusals(read(t), m)) > 0 {
		t.Errorf("a partition is news: %v %v %v %v", p.New, p.Changed, p.Gone, plan.Refusals(read(t), m))
	}
	if !slices.ContainsFunc(plan.Steps(read(t), m, plan.Version{}, nil), func(s plan.Step) bool { return s.ID == "rights:customer.metric_2026" }) {
		t.Error("the application keeps a right on a new partition")
	}
	tenancytest.Exec(t, super, `SET ROLE shop_owner; CREATE TABLE customer.fresh (id int PRIMARY KEY, organisation_id uuid NOT NULL REFERENCES customer.organisation); DROP TABLE customer.remark;
		ALTER TABLE customer.legacy RENAME organisation_id TO org; DROP VIEW reference.countries; CREATE TABLE reference.countries (label text); RESET ROLE`)
	p = propose(t, read(t), m, plan.Wish{})
	if diff := cmp.Diff([][]string{{"customer.fresh"}, {"customer.legacy has no column organisation_id any more.", "reference.countries was a view and is a table."}, {"customer.remark"}}, [][]string{p.New, p.Changed, p.Gone}); diff != "" {
		t.Error(diff)
	}
	if f := p.Manifest.Table("customer", "fresh"); f.Class != manifest.Tenant || f.Column != "organisation_id" || len(f.Blocking()) != 1 {
		t.Errorf("%+v", f)
	}
	if l := p.Manifest.Table("customer", "login"); l.Class != manifest.Shared || l.Reason != "our own words" {
		t.Errorf("a decision is gone: %+v", l)
	}
	if !slices.ContainsFunc(plan.Refusals(read(t), m), func(s string) bool { return strings.Contains(s, "customer.fresh is not classified") }) {
		t.Error("what is not classified may be applied")
	}
}

// Each of these databases names its tenants in another way.
func TestFindsTheKey(t *testing.T) {
	super := tenancytest.Shop(t)
	for name, c := range map[string]struct {
		sql, key, typ string
		columns       map[string]string // of public tables; "+" before a column that is added
		wish          *manifest.Key
	}{
		"capitals": {sql: `CREATE TABLE "Tenants" ("Id" uuid PRIMARY KEY); CREATE TABLE "Orders" ("Id" int PRIMARY KEY, "TenantId" uuid NOT NULL); CREATE TABLE "Lines" ("Id" int, "OrderId" int NOT NULL REFERENCES "Orders")`,
			key: `public."Tenants"`, typ: "uuid", columns: map[string]string{"Orders": "TenantId", "Lines": "+TenantId"}},
		"numbers": {sql: `CREATE TABLE companies (id serial PRIMARY KEY); CREATE TABLE users (id int PRIMARY KEY, company_id int NOT NULL REFERENCES companies); CREATE TABLE posts (id int PRIMARY KEY, user_id int NOT NULL REFERENCES users); CREATE TABLE tags (post_id int NOT NULL REFERENCES posts, created_by int REFERENCES users)`,
			key: "public.companies", typ: "bigint", columns: map[string]string{"users": "company_id", "posts": "+company_id", "tags": "+company_id"}},
		"levels": {sql: `CREATE TABLE account (id text PRIMARY KEY); CREATE TABLE workspace (id text PRIMARY KEY, account_id text NOT NULL REFERENCES account); CREATE TABLE project (id text PRIMARY KEY, workspace_id text NOT NULL REFERENCES workspace); CREATE TABLE issue (id text PRIMARY KEY, project_id text NOT NULL REFERENCES project, workspace_id text NOT NULL REFERENCES workspace)`,
			key: "public.account", typ: "text", columns: map[string]string{"workspace": "account_id", "project": "+account_id", "issue": "+account_id"}},
		"a lower level, told": {sql: `CREATE TABLE account (id text PRIMARY KEY); CREATE TABLE workspace (id text PRIMARY KEY, account_id text NOT NULL REFERENCES account); CREATE TABLE issue (id text PRIMARY KEY, ws text NOT NULL REFERENCES workspace)`,
			key: "public.workspace", typ: "text", columns: map[string]string{"issue": "ws", "account": ""}, wish: &manifest.Key{Table: "public.workspace", Column: "id"}},
		"customers elsewhere": {sql: `CREATE TABLE a (tenant_id bigint NOT NULL, id int); CREATE TABLE b (tenant_id bigint NOT NULL, id int)`,
			key: "", typ: "bigint", columns: map[string]string{"a": "tenant_id", "b": "tenant_id"}},
		"users are not customers": {sql: `CREATE TABLE users (id uuid PRIMARY KEY); CREATE TABLE shops (id uuid PRIMARY KEY, owner_id uuid NOT NULL REFERENCES users); CREATE TABLE orders (id int PRIMARY KEY, shop_id uuid NOT NULL REFERENCES shops, created_by uuid NOT NULL REFERENCES users, updated_by uuid NOT NULL REFERENCES users);
			CREATE TABLE logs (id int, user_id uuid NOT NULL REFERENCES users, order_id int NOT NULL REFERENCES orders)`,
			key: "public.shops", typ: "uuid", columns: map[string]string{"orders": "shop_id", "logs": "+shop_id", "users": ""}},
		"french": {sql: `CREATE TABLE entreprises (id int PRIMARY KEY); CREATE TABLE factures (id int PRIMARY KEY, entreprise_id int NOT NULL REFERENCES entreprises); CREATE TABLE lignes (facture_id int NOT NULL REFERENCES factures)`,
			key: "public.entreprises", typ: "bigint", columns: map[string]string{"factures": "entreprise_id", "lignes": "+entreprise_id"}},
	} {
		tenancytest.Exec(t, super, "DROP SCHEMA public CASCADE; CREATE SCHEMA public; "+c.sql)
		m := propose(t, read(t), nil, plan.Wish{Key: c.wish}).Manifest
		if m.Key.Table != c.key || m.Key.Type != c.typ {
			t.Errorf("%s: the key is %+v", name, m.Key)
		}
		for table, column := range c.columns {
			e := m.Table("public", table)
			got := e.Column
			if e.Add {
				got = "+" + got
			}
			if got != column || (e.Class == manifest.Tenant) != (column != "") {
				t.Errorf("%s: %s is %s by %q, not by %q", name, table, e.Class, got, column)
			}
		}
	}
	tenancytest.Exec(t, super, "DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE TABLE measurement (id int, value int)")
	if _, err := plan.Propose(read(t), nil, plan.Wish{}); !errs.Is(err, errs.Invalid) {
		t.Errorf("nothing names tenants: %v", err)
	}
	if _, err := plan.Propose(read(t), nil, plan.Wish{Key: &manifest.Key{Table: "public.nothing", Column: "id"}}); !errs.Is(err, errs.Invalid) {
		t.Errorf("a key that is not there: %v", err)
	}
}

// A thousand tables are read, classified and planned within five seconds.
func TestThousandTables(t *testing.T) {
	var sql strings.Builder
	sql.WriteString("CREATE TABLE tenant (id uuid PRIMARY KEY);")
	for i := range 1000 {
		switch i % 4 {
		case 0:
			fmt.Fprintf(&sql, "CREATE TABLE t%d (id bigserial PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenant, a int, b text, c timestamptz DEFAULT now());", i)
		case 1, 2:
			fmt.Fprintf(&sql, "CREATE TABLE t%d (id bigserial PRIMARY KEY, up bigint NOT NULL REFERENCES t%d ON DELETE CASCADE, a int, b text);CREATE INDEX ON t%[1]d (up);", i, i-1)
		default:
			fmt.Fprintf(&sql, "CREATE TABLE t%d (id bigserial PRIMARY KEY, tenant_id uuid NOT NULL, x bigint REFERENCES t%d, y bigint REFERENCES t%d);CREATE VIEW v%[1]d AS SELECT id, y FROM t%[1]d;", i, i-1, i-3)
		}
	}
	super := tenancytest.Shop(t)
	for chunk := range strings.SplitSeq(sql.String(), ";") { // one transaction each: locks are counted
		if chunk != "" {
			tenancytest.Exec(t, super, chunk)
		}
	}
	began := time.Now()
	db := read(t)
	seen := time.Since(began)
	p := propose(t, db, nil, plan.Wish{})
	classified := time.Since(began)
	for i := range p.Manifest.Tables {
		p.Manifest.Tables[i].Doubts = nil
	}
	steps := plan.Steps(db, p.Manifest, plan.Version{Number: token.Version, Functions: token.Functions(token.Pinned)}, nil)
	refusals := plan.Refusals(db, p.Manifest)
	took := time.Since(began)
	t.Logf("%d relations: read after %s, classified after %s, %d steps after %s", len(db.Relations), seen.Round(time.Millisecond), classified.Round(time.Millisecond), len(steps), took.Round(time.Millisecond))
	if took > 5*time.Second {
		t.Errorf("%s is longer than 5 s", took)
	}
	if len(refusals) > 0 || len(steps) < 5000 {
		t.Errorf("%d steps, %v", len(steps), refusals)
	}
}

// Every step says what it locks, what it costs and what takes it back.
func TestStepsExplainThemselves(t *testing.T) {
	tenancytest.Shop(t, tenancytest.Odd)
	db := read(t)
	m := propose(t, db, nil, plan.Wish{App: []string{"app"}}).Manifest
	ids := map[string]bool{}
	last := plan.Prepare
	for _, s := range plan.Steps(db, m, plan.Version{Number: token.Version, Functions: token.Functions(token.Pinned)}, nil) {
		if s.Title == "" || s.Lock == "" || s.Cost == "" || s.Back == "" || len(s.SQL) == 0 && s.Mode != plan.Install {
			t.Errorf("%+v", s)
		}
		if ids[s.ID] {
			t.Errorf("two steps are called %s", s.ID)
		}
		if ids[s.ID] = true; last == plan.Switch && s.Phase == plan.Prepare {
			t.Errorf("%s prepares after the switch", s.ID)
		}
		last = s.Phase
	}
}

// Keys that look random are put to the reviewer, who confirms them; plan accepts nothing, and keeps what was accepted.
func TestRandomKeys(t *testing.T) {
	super := tenancytest.Shop(t, `CREATE TABLE organisation (id text PRIMARY KEY);
CREATE TABLE person (id text PRIMARY KEY, organisation_id text NOT NULL REFERENCES organisation, mail text UNIQUE);
CREATE TABLE tag (id varchar(26) PRIMARY KEY, organisation_id text NOT NULL REFERENCES organisation);
CREATE TABLE note (id text PRIMARY KEY, organisation_id text NOT NULL REFERENCES organisation);
INSERT INTO organisation SELECT left('c' || md5(n::text), 25) FROM generate_series(1, 2) AS n;
INSERT INTO person SELECT left('c' || md5(id || n), 25), id, id || n FROM organisation, generate_series(1, 100) AS n;
ANALYZE`)
	p := propose(t, read(t), nil, plan.Wish{})
	for _, want := range []string{
		"person: unique id over all tenants: the keys look random (id: 25 characters, as a cuid has). If nobody can guess them, confirm it under accepted: check constraints.unique_without_tenant, object public.person_pkey",
		"person: unique mail over all tenants (person_mail_key): an insert tells",
		"tag: unique id over all tenants: the keys look random (id: 26 characters, as a ULID has)",
		"note: unique id over all tenants: if nobody can guess these keys, confirm it under accepted",
	} {
		table, text, _ := strings.Cut(want, ": ")
		if !slices.ContainsFunc(p.Manifest.Table("public", table).Doubts, func(d string) bool { return strings.HasPrefix(d, text) }) {
			t.Errorf("%s has no doubt %q: %q", table, text, p.Manifest.Table("public", table).Doubts)
		}
	}
	if len(p.Manifest.Accepted) > 0 {
		t.Errorf("plan accepted %+v", p.Manifest.Accepted)
	}
	p.Manifest.Accepted = []manifest.Acceptance{{Check: "constraints.unique_without_tenant", Objects: []string{"public.person_pkey"}, Reason: "random", By: "the architect", Date: "2026-11-27"}}
	tenancytest.Exec(t, super, `CREATE TABLE late (id uuid PRIMARY KEY)`)
	if again := propose(t, read(t), p.Manifest, plan.Wish{}); len(again.Manifest.Accepted) != 1 {
		t.Error("what was accepted is forgotten")
	}
}

// A declared way around gets its policy where it has a right, and loses it with that.
func TestDeclaredWhereThereIsARight(t *testing.T) {
	super := tenancytest.Shop(t, `CREATE TABLE organisation (id uuid PRIMARY KEY); CREATE TABLE a (id uuid PRIMARY KEY, organisation_id uuid NOT NULL REFERENCES organisation); CREATE TABLE b (id uuid PRIMARY KEY, organisation_id uuid NOT NULL REFERENCES organisation);
GRANT SELECT ON a TO reporting; GRANT SELECT ON b TO PUBLIC`)
	m := propose(t, read(t), nil, plan.Wish{App: []string{"app"}}).Manifest
	m.Around = append(m.Around, manifest.Path{Role: "reporting", Kind: "bypass", Why: "the report"})
	declared := func(table string) string {
		for _, s := range plan.Steps(read(t), m, plan.Version{}, nil) {
			if s.ID == "policy:public."+table {
				sql := slices.DeleteFunc(slices.Clone(s.SQL), func(one string) bool { return !strings.Contains(one, plan.PolicyDeclared) })
				return strings.Join(sql, ";")
			}
		}
		return ""
	}
	if a, b := declared("a"), declared("b"); !strings.HasPrefix(a, "CREATE POLICY garant_declared ON public.a") || b != "" {
		t.Errorf("%q, %q", a, b)
	}
	tenancytest.Exec(t, super, declared("a")+"; REVOKE SELECT ON a FROM reporting")
	if a := declared("a"); a != "DROP POLICY garant_declared ON public.a" {
		t.Errorf("%q", a)
	}
}
