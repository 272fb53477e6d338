package verify

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
)

// mutation breaks the sound database in one way and mends it again.
type mutation struct {
	check         string
	breaks, mends string // SQL of the superuser
	// declares changes what the manifest says instead, or as well.
	declares func(*manifest.Manifest)
	// during does what no statement can: it returns how to take it back.
	during func(*world) func()
	// with are checks that the same fault has to turn red as well.
	with []string
	// wide faults turn more red than is worth listing.
	wide bool
}

func sql(check, breaks, mends string, with ...string) mutation {
	return mutation{check: check, breaks: breaks, mends: mends, with: with}
}

func declared(check string, change func(*manifest.Manifest), with ...string) mutation {
	return mutation{check: check, declares: change, with: with}
}

// TestMutations breaks a real database in every way that the checks claim to see, and expects that
// check red, and no other.
func TestMutations(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a few seconds")
	}
	w := newWorld(t)
	wants(t, w.red())
	all := slices.Concat(roleMutations(), aroundMutations(), tableMutations(), policyMutations(), codeMutations(), constraintMutations(), sideMutations(), eventMutations(), tokenMutations(), acceptedMutations())
	for _, check := range Checks() {
		if check.Kind == Static && !slices.ContainsFunc(all, func(m mutation) bool { return m.check == check.ID }) {
			t.Errorf("no mutation turns %s red: nothing shows that it can come out false", check.ID)
		}
	}
	known := map[string]bool{}
	for _, check := range Checks() {
		known[check.ID] = true
	}
	for _, m := range all {
		t.Run(m.check+" "+short(m.breaks), func(t *testing.T) {
			if !known[m.check] {
				t.Fatalf("there is no check %s", m.check)
			}
			mutate(t, w, m)
		})
	}
	w.t = t
	wants(t, w.red()) // a mend that does not mend shows in what comes after it, at the latest here
}

func mutate(t *testing.T, w *world, m mutation) {
	t.Helper()
	w.t = t
	before := *w.manifest
	w.manifest.Tables, w.manifest.Around, w.manifest.App = slices.Clone(before.Tables), slices.Clone(before.Around), slices.Clone(before.App)
	now := w.now
	back := func() {}
	if m.breaks != "" {
		w.exec(w.super, m.breaks)
	}
	if m.declares != nil {
		m.declares(w.manifest)
		w.manifest.Sort()
	}
	if m.during != nil {
		back = m.during(w)
	}
	wants(t, w.red(), append([]string{m.check}, m.with...)...)
	back()
	*w.manifest, w.now = before, now
	if m.mends != "" {
		w.exec(w.super, m.mends)
	}
	if t.Failed() {
		wants(t, w.red())
	}
}

func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return s[:min(len(s), 70)]
}

// table changes the entry of a table in the manifest.
func entry(name string, change func(*manifest.Table)) func(*manifest.Manifest) {
	return func(m *manifest.Manifest) {
		for i := range m.Tables {
			if m.Tables[i].Name == name {
				change(&m.Tables[i])
			}
		}
	}
}

func adds(tables ...manifest.Table) func(*manifest.Manifest) {
	return func(m *manifest.Manifest) { m.Tables = append(m.Tables, tables...) }
}

func private(schema, name, kind string) manifest.Table {
	return manifest.Table{Schema: schema, Name: name, Kind: kind, Class: manifest.Private}
}

func roleMutations() []mutation {
	return []mutation{
		declared("roles.missing", func(m *manifest.Manifest) { m.App = append(m.App, "app_two") }),
		sql("roles.missing", `ALTER ROLE app NOLOGIN`, `ALTER ROLE app LOGIN`),
		sql("roles.superuser", `ALTER ROLE app SUPERUSER`, `ALTER ROLE app NOSUPERUSER`),
		sql("roles.superuser_member", `CREATE ROLE boss NOLOGIN; GRANT garant_superuser TO boss; GRANT boss TO app`, `DROP ROLE boss`),
		sql("roles.bypassrls", `ALTER ROLE app BYPASSRLS`, `ALTER ROLE app NOBYPASSRLS`),
		sql("roles.bypassrls", `CREATE ROLE wide NOLOGIN BYPASSRLS; GRANT wide TO app`, `DROP ROLE wide`, "around.bypass"),
		sql("roles.owner", `ALTER TABLE customer.invoice OWNER TO app`, `ALTER TABLE customer.invoice OWNER TO shop_owner; GRANT SELECT, INSERT, UPDATE, DELETE ON customer.invoice TO shop_rw`),
		sql("roles.owner", `ALTER SCHEMA customer OWNER TO app`, `ALTER SCHEMA customer OWNER TO shop_owner`),
		sql("roles.owner", `ALTER DATABASE shop OWNER TO app`, `ALTER DATABASE shop OWNER TO garant_superuser`),
		sql("roles.owner_member", `CREATE ROLE team NOLOGIN; GRANT shop_owner TO team; GRANT team TO app`, `DROP ROLE team`),
		sql("roles.owner_member", `ALTER ROLE app NOINHERIT; GRANT shop_owner TO app`, `REVOKE shop_owner FROM app; ALTER ROLE app INHERIT`),
		sql("roles.server_files", `GRANT pg_execute_server_program TO app`, `REVOKE pg_execute_server_program FROM app`),
		sql("roles.server_files", `GRANT pg_read_server_files TO shop_rw`, `REVOKE pg_read_server_files FROM shop_rw`),
		sql("roles.all_data", `GRANT pg_read_all_data TO app`, `REVOKE pg_read_all_data FROM app`),
		sql("roles.sessions", `GRANT pg_monitor TO app`, `REVOKE pg_monitor FROM app`),
		sql("roles.sessions", `GRANT pg_signal_backend TO app`, `REVOKE pg_signal_backend FROM app`),
		sql("roles.subscriptions", `GRANT pg_checkpoint TO app`, `REVOKE pg_checkpoint FROM app`),
		sql("roles.createrole", `ALTER ROLE app CREATEROLE`, `ALTER ROLE app NOCREATEROLE`),
		sql("roles.createdb", `ALTER ROLE app CREATEDB`, `ALTER ROLE app NOCREATEDB`),
		sql("roles.replication", `ALTER ROLE app REPLICATION`, `ALTER ROLE app NOREPLICATION`),
		sql("roles.parameters", `GRANT SET ON PARAMETER session_replication_role TO app`, `REVOKE SET ON PARAMETER session_replication_role FROM app`, "events.replica"),
		sql("roles.parameters", `GRANT ALTER SYSTEM ON PARAMETER work_mem TO PUBLIC`, `REVOKE ALTER SYSTEM ON PARAMETER work_mem FROM PUBLIC`),
		sql("roles.defaults", `ALTER ROLE app SET row_security = off`, `ALTER ROLE app RESET row_security`),
		sql("roles.defaults", `ALTER DATABASE shop SET search_path = pg_temp, customer`, `ALTER DATABASE shop RESET search_path`),
		sql("roles.defaults", `ALTER ROLE app IN DATABASE shop SET session_replication_role = replica`, `ALTER ROLE app IN DATABASE shop RESET session_replication_role`, "events.replica"),
		sql("roles.defaults", `ALTER ROLE app SET role = shop_rw`, `ALTER ROLE app RESET role`),
		sql("roles.defaults", `ALTER ROLE ALL SET lo_compat_privileges = on`, `ALTER ROLE ALL RESET lo_compat_privileges`),
		{check: "roles.session_undeclared", during: func(w *world) func() {
			conn := w.connect("visitor", "shop")
			return func() {
				_ = conn.Close(context.Background())
				w.until(`SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'visitor')`)
			}
		}},
	}
}

// until waits for what a statement asks.
func (w *world) until(sql string) {
	w.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var done bool
		if err := w.super.QueryRow(context.Background(), sql).Scan(&done); err != nil {
			w.t.Fatal(err)
		}
		if done {
			return
		}
	}
	w.t.Fatalf("never: %s", sql)
}

func aroundMutations() []mutation {
	without := func(role string) func(*manifest.Manifest) {
		return func(m *manifest.Manifest) {
			m.Around = slices.DeleteFunc(m.Around, func(p manifest.Path) bool { return p.Role == role })
		}
	}
	and := func(role, kind string) func(*manifest.Manifest) {
		return func(m *manifest.Manifest) { m.Around = append(m.Around, manifest.Path{Role: role, Kind: kind}) }
	}
	return []mutation{
		sql("around.superuser", `CREATE ROLE chief SUPERUSER`, `DROP ROLE chief`),
		declared("around.superuser", without("garant_superuser")),
		sql("around.bypass", `ALTER ROLE visitor BYPASSRLS`, `ALTER ROLE visitor NOBYPASSRLS`),
		declared("around.bypass", without("backup")),
		declared("around.owner", without("shop_owner")),
		sql("around.owner", `CREATE ROLE anna LOGIN; GRANT shop_owner TO anna`, `DROP ROLE anna`),
		sql("around.replication", `ALTER ROLE visitor REPLICATION`, `ALTER ROLE visitor NOREPLICATION`),
		sql("around.reader", `GRANT pg_read_all_data TO visitor`, `REVOKE pg_read_all_data FROM visitor`),
		sql("around.reader", `GRANT SELECT (email) ON customer.member TO visitor`, `REVOKE SELECT (email) ON customer.member FROM visitor`),
		sql("around.reader", `GRANT shop_rw TO visitor`, `REVOKE shop_rw FROM visitor`),
		declared("around.gone", and("nobody_there", "owner")),
		declared("around.gone", and("visitor", "superuser")),
		declared("around.gone", and("visitor", "bypass")),
		declared("around.gone", and("visitor", "backup")),
		declared("around.gone", and("visitor", "replication")),
		declared("around.gone", and("visitor", "owner")),
		declared("around.gone", and("visitor", "definer")),
	}
}

func tableMutations() []mutation {
	return []mutation{
		sql("tables.unclassified", `CREATE TABLE customer.note (id bigint)`, `DROP TABLE customer.note`),
		sql("tables.unclassified", `CREATE SCHEMA hidden; CREATE VIEW hidden.all_members AS SELECT email FROM customer.member`, `DROP SCHEMA hidden CASCADE`),
		declared("tables.undecided", entry("country", func(e *manifest.Table) { e.Doubts = []string{manifest.Blocks + " whose is it?"} })),
		declared("tables.gone", adds(private("internal", "was_there", manifest.KindTable))),
		declared("tables.kind_differs", entry("countries", func(e *manifest.Table) { e.Kind = manifest.KindTable })),
		declared("tables.kind_differs", entry("job", func(e *manifest.Table) { e.Kind = manifest.KindPartition })),
		declared("tables.key", func(m *manifest.Manifest) { m.Key.Column = "uuid" }),
		declared("tables.key", func(m *manifest.Manifest) { m.Key.Table = "customer.tenant" }),
		sql("tables.rls_off", `ALTER TABLE customer.member DISABLE ROW LEVEL SECURITY`, `ALTER TABLE customer.member ENABLE ROW LEVEL SECURITY`),
		sql("tables.rls_off", `ALTER TABLE customer.event DISABLE ROW LEVEL SECURITY`, `ALTER TABLE customer.event ENABLE ROW LEVEL SECURITY`),
		sql("tables.rls_not_forced", `ALTER TABLE customer.member NO FORCE ROW LEVEL SECURITY`, `ALTER TABLE customer.member FORCE ROW LEVEL SECURITY`),
		sql("tables.no_policy", `DROP POLICY tenant_select ON customer.invoice; DROP POLICY tenant_insert ON customer.invoice; DROP POLICY tenant_update ON customer.invoice; DROP POLICY tenant_delete ON customer.invoice`,
			guardTable("customer.invoice", "organisation_id", "uuid")),
		sql("tables.child_exposed", `GRANT SELECT ON customer.event_old TO app`, `REVOKE SELECT ON customer.event_old FROM app`),
		{check: "tables.child_exposed", breaks: `GRANT SELECT ON customer.event_old TO app`, mends: `REVOKE SELECT ON customer.event_old FROM app`, // of a partition that the manifest does not name
			declares: func(m *manifest.Manifest) {
				m.Tables = slices.DeleteFunc(m.Tables, func(e manifest.Table) bool { return e.Name == "event_old" })
			}},
		{check: "tables.child_exposed", breaks: `CREATE TABLE customer.member_old () INHERITS (customer.member); ALTER TABLE customer.member_old OWNER TO shop_owner; GRANT SELECT ON customer.member_old TO shop_rw; CREATE INDEX ON customer.member_old (organisation_id)`,
			declares: adds(manifest.Table{Schema: "customer", Name: "member_old", Kind: manifest.KindTable, Class: manifest.Tenant, Column: "organisation_id", Grants: []string{"SELECT"}}), with: []string{"events.not_captured"}, mends: `DROP TABLE customer.member_old`},
		declared("tables.column_missing", entry("invoice", func(e *manifest.Table) { e.Column = "tenant_id" })),
		sql("tables.column_nullable", `ALTER TABLE customer.member ALTER COLUMN organisation_id DROP NOT NULL`, `ALTER TABLE customer.member ALTER COLUMN organisation_id SET NOT NULL`),
		sql("tables.column_default", `ALTER TABLE customer.member ALTER COLUMN organisation_id SET DEFAULT '00000000-0000-0000-0000-000000000001'`, `ALTER TABLE customer.member ALTER COLUMN organisation_id SET DEFAULT garant.tenant_uuid()`),
		sql("tables.column_default", `ALTER TABLE customer.member ALTER COLUMN organisation_id SET DEFAULT coalesce(garant.tenant_uuid(), gen_random_uuid())`, `ALTER TABLE customer.member ALTER COLUMN organisation_id SET DEFAULT garant.tenant_uuid()`),
		{check: "tables.column_type", breaks: `CREATE TABLE customer.tag (organisation_id text NOT NULL, word text NOT NULL, PRIMARY KEY (organisation_id, word)); ALTER TABLE customer.tag OWNER TO shop_owner;` + guardTable("customer.tag", "organisation_id", "uuid::text")[:0] +
			`ALTER TABLE customer.tag ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; GRANT SELECT ON customer.tag TO shop_rw; CREATE POLICY tenant_select ON customer.tag FOR SELECT TO app USING (organisation_id = (SELECT garant.tenant_uuid()::text))`,
			declares: adds(manifest.Table{Schema: "customer", Name: "tag", Kind: manifest.KindTable, Class: manifest.Tenant, Column: "organisation_id", Grants: []string{"SELECT"}}), mends: `DROP TABLE customer.tag`},
		{check: "tables.column_collation", breaks: `CREATE COLLATION customer.loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE customer.tag (organisation_id text COLLATE customer.loose NOT NULL, word text NOT NULL, PRIMARY KEY (organisation_id, word)); ALTER TABLE customer.tag OWNER TO shop_owner;
ALTER TABLE customer.tag ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; GRANT SELECT ON customer.tag TO shop_rw; CREATE POLICY tenant_select ON customer.tag FOR SELECT TO app USING (organisation_id = (SELECT garant.tenant_uuid()::text))`,
			declares: adds(manifest.Table{Schema: "customer", Name: "tag", Kind: manifest.KindTable, Class: manifest.Tenant, Column: "organisation_id", Grants: []string{"SELECT"}}), with: []string{"tables.column_type"}, mends: `DROP TABLE customer.tag; DROP COLLATION customer.loose`},
		sql("tables.column_unindexed", `CREATE TABLE internal.saved AS TABLE customer.event; ALTER TABLE customer.event DROP CONSTRAINT event_pkey; DROP TABLE internal.saved`, `ALTER TABLE customer.event ADD PRIMARY KEY (organisation_id, id, at)`, "events.differs"),
		sql("tables.column_updatable", `ALTER POLICY tenant_update ON customer.invoice WITH CHECK (true)`, `ALTER POLICY tenant_update ON customer.invoice WITH CHECK (organisation_id = (SELECT garant.writer_uuid()))`),
		sql("tables.shared_writable", `GRANT UPDATE ON reference.country TO shop_rw`, `REVOKE UPDATE ON reference.country FROM shop_rw`),
		sql("tables.shared_writable", `GRANT INSERT (name) ON reference.country TO app`, `REVOKE INSERT (name) ON reference.country FROM app`),
		declared("tables.grant_undeclared", entry("member", func(e *manifest.Table) { e.Grants = []string{"SELECT", "INSERT", "UPDATE"} })),
		sql("tables.grant_undeclared", `GRANT INSERT ON customer.member_list TO shop_rw`, `REVOKE INSERT ON customer.member_list FROM shop_rw`),
		sql("tables.private_granted", `GRANT SELECT (what) ON internal.job TO app`, `REVOKE SELECT (what) ON internal.job FROM app`),
		sql("tables.public_grant", `GRANT SELECT ON customer.member TO PUBLIC`, `REVOKE SELECT ON customer.member FROM PUBLIC`),
		sql("tables.grant_option", `GRANT SELECT ON customer.member TO app WITH GRANT OPTION`, `REVOKE SELECT ON customer.member FROM app`),
		sql("tables.truncate", `GRANT TRUNCATE ON customer.member TO shop_rw`, `REVOKE TRUNCATE ON customer.member FROM shop_rw`),
		sql("tables.trigger", `GRANT TRIGGER ON customer.member TO app`, `REVOKE TRIGGER ON customer.member FROM app`),
		sql("tables.references", `GRANT REFERENCES (id) ON customer.member TO app`, `REVOKE REFERENCES (id) ON customer.member FROM app`),
		sql("tables.default_privileges", `ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner GRANT SELECT ON TABLES TO shop_rw`, `ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner REVOKE SELECT ON TABLES FROM shop_rw`),
		sql("tables.default_privileges", `ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA customer GRANT INSERT ON TABLES TO PUBLIC`, `ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA customer REVOKE INSERT ON TABLES FROM PUBLIC`),
		{check: "tables.foreign", breaks: `CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw; CREATE FOREIGN TABLE reference.lines (line text) SERVER files OPTIONS (filename '/dev/null'); GRANT SELECT ON reference.lines TO app`,
			declares: adds(manifest.Table{Schema: "reference", Name: "lines", Kind: manifest.KindForeign, Class: manifest.Shared, Grants: []string{"SELECT"}}), mends: `DROP EXTENSION file_fdw CASCADE`},
		sql("tables.temporary", `GRANT TEMPORARY ON DATABASE shop TO PUBLIC`, `REVOKE TEMPORARY ON DATABASE shop FROM PUBLIC`),
		sql("tables.schema_create", `GRANT CREATE ON SCHEMA public TO PUBLIC`, `REVOKE CREATE ON SCHEMA public FROM PUBLIC`),
		sql("tables.database_create", `GRANT CREATE ON DATABASE shop TO app`, `REVOKE CREATE ON DATABASE shop FROM app`),
	}
}

func policyMutations() []mutation {
	// instead puts an expression in place of the sound one for reading.
	instead := func(check, e string, with ...string) mutation {
		return sql(check, `ALTER POLICY tenant_select ON customer.invoice USING (`+e+`)`, `ALTER POLICY tenant_select ON customer.invoice USING (organisation_id = (SELECT garant.tenant_uuid()))`, with...)
	}
	drop := `DROP POLICY extra ON customer.invoice`
	return []mutation{
		instead("policies.always_true", `true`),
		instead("policies.always_true", `organisation_id = organisation_id`),
		instead("policies.always_true", `1 = 1`),
		instead("policies.always_true", `true OR organisation_id = (SELECT garant.tenant_uuid())`),
		sql("policies.widening", `CREATE POLICY extra ON customer.invoice FOR SELECT USING (true)`, drop),
		sql("policies.widening", `CREATE POLICY extra ON customer.invoice FOR DELETE TO shop_rw USING (total = 0)`, drop),
		sql("policies.check_weaker", `ALTER POLICY tenant_insert ON customer.invoice WITH CHECK (true)`, `ALTER POLICY tenant_insert ON customer.invoice WITH CHECK (organisation_id = (SELECT garant.writer_uuid()))`),
		sql("policies.check_weaker", `CREATE POLICY extra ON customer.invoice TO app USING (organisation_id = (SELECT garant.writer_uuid())) WITH CHECK (total >= 0)`, drop),
		sql("policies.command_missing", `DROP POLICY tenant_delete ON customer.invoice`, `CREATE POLICY tenant_delete ON customer.invoice FOR DELETE TO app USING (organisation_id = (SELECT garant.writer_uuid()))`),
		{check: "policies.role_left_out", breaks: `CREATE ROLE app_two LOGIN IN ROLE shop_rw; ALTER ROLE app_two SET track_activities = off;
GRANT EXECUTE ON FUNCTION garant.enter(bytea), garant.tenant_uuid(), garant.tenant_bigint(), garant.tenant_text(), garant.writer_uuid(), garant.writer_bigint(), garant.writer_text(), garant.record(text, text, text, jsonb, jsonb, jsonb, text) TO app_two`,
			declares: func(m *manifest.Manifest) { m.App = append(m.App, "app_two") }, mends: `DROP OWNED BY app_two; DROP ROLE app_two`},
		instead("policies.user_setting", `organisation_id = current_setting('app.tenant')::uuid`),
		instead("policies.user_setting", `organisation_id = (SELECT nullif(current_setting('app.tenant', true), '')::uuid)`),
		instead("policies.user_setting", `organisation_id::text = current_user`),
		sql("policies.reader_writes", `ALTER POLICY tenant_delete ON customer.invoice USING (organisation_id = (SELECT garant.tenant_uuid()))`, `ALTER POLICY tenant_delete ON customer.invoice USING (organisation_id = (SELECT garant.writer_uuid()))`),
		sql("policies.reader_writes", `CREATE POLICY extra ON customer.invoice TO app USING (organisation_id = (SELECT garant.tenant_uuid()))`, drop),
		instead("policies.unwrapped", `organisation_id = garant.tenant_uuid()`),
		instead("policies.null_branch", `organisation_id = (SELECT garant.tenant_uuid()) OR (SELECT garant.tenant_uuid()) IS NULL`),
		instead("policies.null_branch", `organisation_id = coalesce((SELECT garant.tenant_uuid()), organisation_id)`),
		instead("policies.null_branch", `organisation_id IS NOT DISTINCT FROM (SELECT garant.tenant_uuid())`),
		instead("policies.null_branch", `CASE WHEN (SELECT garant.tenant_uuid()) IS NULL THEN true ELSE organisation_id = (SELECT garant.tenant_uuid()) END`),
		instead("policies.subquery_unprotected", `EXISTS (SELECT FROM internal.job AS j WHERE j.what = organisation_id::text)`),
		instead("policies.subquery_slow", `member_id IN (SELECT m.id FROM customer.member AS m)`),
		instead("policies.other_column", `member_id = (SELECT garant.tenant_uuid())`),
		sql("policies.application_function", `CREATE FUNCTION customer.allowed(uuid) RETURNS boolean LANGUAGE sql AS 'SELECT true'; ALTER FUNCTION customer.allowed(uuid) OWNER TO app;
ALTER POLICY tenant_select ON customer.invoice USING (organisation_id = (SELECT garant.tenant_uuid()) AND customer.allowed(member_id))`,
			`ALTER POLICY tenant_select ON customer.invoice USING (organisation_id = (SELECT garant.tenant_uuid())); DROP FUNCTION customer.allowed(uuid)`),
		instead("policies.drift", `organisation_id <> (SELECT garant.tenant_uuid())`),
		instead("policies.drift", `total > 100`),
		instead("policies.drift", `left(organisation_id::text, 3) = (SELECT left(garant.tenant_uuid()::text, 3))`),
		instead("policies.drift", `organisation_id::text::boolean = (SELECT garant.tenant_uuid()::text::boolean)`),
	}
}
