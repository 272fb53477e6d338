package verify

import (
	"context"
	"strconv"
	"time"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/token"
)

func codeMutations() []mutation {
	return []mutation{
		sql("code.view_definer", `ALTER VIEW customer.member_list SET (security_invoker = false)`, `ALTER VIEW customer.member_list SET (security_invoker = true)`),
		{check: "code.view_definer", breaks: `CREATE VIEW reference.sums AS SELECT total FROM internal.totals; ALTER VIEW reference.sums OWNER TO shop_owner; GRANT SELECT ON reference.sums TO app`,
			declares: adds(manifest.Table{Schema: "reference", Name: "sums", Kind: manifest.KindView, Class: manifest.Shared, Grants: []string{"SELECT"}}), mends: `DROP VIEW reference.sums`},
		{check: "code.view_definer", breaks: `CREATE FUNCTION internal.everybody() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog BEGIN ATOMIC SELECT email FROM customer.member; END;
CREATE VIEW reference.mails AS SELECT m FROM internal.everybody() AS m; GRANT SELECT ON reference.mails TO app`,
			declares: adds(manifest.Table{Schema: "reference", Name: "mails", Kind: manifest.KindView, Class: manifest.Shared, Grants: []string{"SELECT"}}), mends: `DROP VIEW reference.mails; DROP FUNCTION internal.everybody()`},
		sql("code.materialised_view", `GRANT SELECT ON internal.totals TO app`, `REVOKE SELECT ON internal.totals FROM app`),
		sql("code.definer_function", `CREATE FUNCTION customer.find(text) RETURNS SETOF uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS 'BEGIN RETURN QUERY SELECT id FROM customer.member WHERE email = $1; END'`, `DROP FUNCTION customer.find(text)`),
		sql("code.definer_function", `CREATE FUNCTION customer.find(text) RETURNS uuid LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog BEGIN ATOMIC SELECT id FROM customer.member WHERE email = $1; END`, `DROP FUNCTION customer.find(text)`),
		sql("code.definer_function", `CREATE FUNCTION customer.run(text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS 'BEGIN EXECUTE $1; END'`, `DROP FUNCTION customer.run(text)`),
		sql("code.definer_search_path", `CREATE FUNCTION customer.shout(text) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT upper($1)'`, `DROP FUNCTION customer.shout(text)`),
		sql("code.definer_trigger", `CREATE FUNCTION internal.watch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER watch BEFORE INSERT ON customer.invoice FOR EACH ROW EXECUTE FUNCTION internal.watch()`,
			`DROP TRIGGER watch ON customer.invoice; DROP FUNCTION internal.watch()`),
		sql("code.leakproof", `ALTER FUNCTION customer.plain(text) LEAKPROOF`, `ALTER FUNCTION customer.plain(text) NOT LEAKPROOF`),
		sql("code.rule", `CREATE RULE also AS ON INSERT TO customer.invoice DO ALSO INSERT INTO internal.job (what) VALUES ('invoice')`, `DROP RULE also ON customer.invoice`),
		sql("code.dblink", `CREATE EXTENSION dblink SCHEMA customer`, `DROP EXTENSION dblink`),
		sql("code.foreign_server", `CREATE EXTENSION postgres_fdw; CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw; GRANT USAGE ON FOREIGN SERVER elsewhere TO app`, `DROP EXTENSION postgres_fdw CASCADE`),
		sql("code.foreign_server", `CREATE EXTENSION postgres_fdw; CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw; CREATE USER MAPPING FOR app SERVER elsewhere`, `DROP EXTENSION postgres_fdw CASCADE`),
		sql("code.untrusted", `CREATE FUNCTION customer.pages(text) RETURNS float8 LANGUAGE c AS '$libdir/pgstattuple', 'pg_relpages'`, `DROP FUNCTION customer.pages(text)`),
		sql("code.server_functions", `GRANT EXECUTE ON FUNCTION pg_read_file(text) TO shop_rw`, `REVOKE EXECUTE ON FUNCTION pg_read_file(text) FROM shop_rw`),
		sql("code.server_functions", `GRANT EXECUTE ON FUNCTION lo_import(text) TO PUBLIC`, `REVOKE EXECUTE ON FUNCTION lo_import(text) FROM PUBLIC`),
		sql("code.catalogue", `GRANT SELECT ON pg_statistic TO app`, `REVOKE SELECT ON pg_statistic FROM app`),
		// The tables of pg_cron as version 1.6 makes them; the extension itself is another project's.
		{check: "code.cron", breaks: `CREATE SCHEMA cron; CREATE TABLE cron.job (jobid bigint PRIMARY KEY, schedule text NOT NULL, command text NOT NULL, nodename text, nodeport integer, database text NOT NULL, username text NOT NULL, active boolean, jobname text);
INSERT INTO cron.job VALUES (1, '0 3 * * *', 'VACUUM', 'localhost', 5432, 'shop', 'visitor', true, 'nightly')`, declares: adds(private("cron", "job", manifest.KindTable)), mends: `DROP SCHEMA cron CASCADE`},
	}
}

func constraintMutations() []mutation {
	return []mutation{
		sql("constraints.unique_without_tenant", `CREATE UNIQUE INDEX by_email ON customer.member (email)`, `DROP INDEX customer.by_email`),
		sql("constraints.unique_without_tenant", `ALTER TABLE customer.member ADD CONSTRAINT by_email UNIQUE (email) DEFERRABLE`, `ALTER TABLE customer.member DROP CONSTRAINT by_email`),
		sql("constraints.unique_without_tenant", `CREATE UNIQUE INDEX by_email ON customer.member (lower(email)) WHERE email <> ''`, `DROP INDEX customer.by_email`),
		sql("constraints.counted_key", `ALTER TABLE customer.invoice ALTER COLUMN number SET GENERATED BY DEFAULT; CREATE UNIQUE INDEX by_number ON customer.invoice (number)`, `DROP INDEX customer.by_number; ALTER TABLE customer.invoice ALTER COLUMN number SET GENERATED ALWAYS`),
		sql("constraints.exclusion_without_tenant", `ALTER TABLE customer.invoice ADD CONSTRAINT once EXCLUDE USING gist (box(point(total::float8, 0), point(1, 1)) WITH &&)`, `ALTER TABLE customer.invoice DROP CONSTRAINT once`),
		sql("constraints.fk_without_tenant", `ALTER TABLE customer.invoice ADD CONSTRAINT whose FOREIGN KEY (member_id) REFERENCES customer.member (id)`, `ALTER TABLE customer.invoice DROP CONSTRAINT whose`),
		sql("constraints.cascade_across", `ALTER TABLE customer.invoice ADD CONSTRAINT whose FOREIGN KEY (member_id) REFERENCES customer.member (id) ON DELETE CASCADE`, `ALTER TABLE customer.invoice DROP CONSTRAINT whose`),
		sql("constraints.cascade_across", `ALTER TABLE customer.invoice ADD CONSTRAINT whose FOREIGN KEY (member_id) REFERENCES customer.member (id) ON UPDATE SET NULL`, `ALTER TABLE customer.invoice DROP CONSTRAINT whose`),
		sql("constraints.not_validated", `ALTER TABLE customer.invoice ADD CONSTRAINT whose FOREIGN KEY (organisation_id) REFERENCES customer.organisation (id) NOT VALID`, `ALTER TABLE customer.invoice DROP CONSTRAINT whose`),
		sql("constraints.index_invalid", `CREATE INDEX left_over ON customer.invoice (total); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'customer.left_over'::regclass`, `DROP INDEX customer.left_over`),
		sql("constraints.sequence_exposed", `GRANT SELECT ON SEQUENCE customer.ticket TO app`, `REVOKE SELECT ON SEQUENCE customer.ticket FROM app`),
		sql("constraints.sequence_exposed", `GRANT ALL ON SEQUENCE customer.invoice_number_seq TO shop_rw`, `REVOKE ALL ON SEQUENCE customer.invoice_number_seq FROM shop_rw`),
	}
}

func sideMutations() []mutation {
	return []mutation{
		sql("side.publication", `CREATE PUBLICATION everything FOR ALL TABLES`, `DROP PUBLICATION everything`),
		sql("side.publication", `CREATE PUBLICATION few FOR TABLE customer.member, reference.country`, `DROP PUBLICATION few`),
		{check: "side.slot", breaks: `SELECT pg_create_logical_replication_slot('left_over', 'pgoutput')`, mends: `SELECT pg_drop_replication_slot('left_over')`,
			declares: func(m *manifest.Manifest) { entryOfBackup(m).Kind = "bypass" }},
		sql("side.large_objects", `GRANT EXECUTE ON FUNCTION lo_create(oid) TO app`, `REVOKE EXECUTE ON FUNCTION lo_create(oid) FROM app`),
		sql("side.large_objects_open", `SELECT lo_create(4711); GRANT SELECT ON LARGE OBJECT 4711 TO shop_rw`, `SELECT lo_unlink(4711)`),
		sql("side.large_objects_open", `SELECT lo_create(4711); ALTER LARGE OBJECT 4711 OWNER TO app`, `SELECT lo_unlink(4711)`),
		sql("side.activity", `ALTER ROLE app SET track_activities = on`, `ALTER ROLE app SET track_activities = off`),
		sql("side.activity", `ALTER ROLE app IN DATABASE shop SET track_activities = on`, `ALTER ROLE app IN DATABASE shop RESET track_activities`),
		sql("side.statements", `CREATE EXTENSION pg_stat_statements`, `DROP EXTENSION pg_stat_statements`),
		sql("side.parameter_logging", `ALTER ROLE app SET log_parameter_max_length_on_error = 100`, `ALTER ROLE app RESET log_parameter_max_length_on_error`),
		sql("side.parameter_logging", `ALTER DATABASE shop SET log_min_duration_statement = 0; ALTER ROLE app SET log_parameter_max_length = 1024`, `ALTER DATABASE shop RESET log_min_duration_statement; ALTER ROLE app RESET log_parameter_max_length`),
		sql("side.notify", `CREATE FUNCTION customer.tell() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_notify('rows', 'x'); END $$`, `DROP FUNCTION customer.tell()`),
		sql("side.notify", `CREATE FUNCTION customer.tell() RETURNS void LANGUAGE sql AS 'NOTIFY rows'`, `DROP FUNCTION customer.tell()`),
	}
}

func entryOfBackup(m *manifest.Manifest) *manifest.Path {
	for i := range m.Around {
		if m.Around[i].Role == "backup" {
			return &m.Around[i]
		}
	}
	return nil
}

func tokenMutations() []mutation {
	return []mutation{
		sql("token.missing", `ALTER SCHEMA garant RENAME TO garant_gone`, `ALTER SCHEMA garant_gone RENAME TO garant`,
			"tables.unclassified", "tables.column_default", "policies.drift", "policies.check_weaker", "code.definer_function", "code.definer_trigger", "events.differs"),
		sql("token.version", `UPDATE garant.installed SET version = 0`, `UPDATE garant.installed SET version = `+strconv.Itoa(token.Version)),
		declared("token.design_differs", func(m *manifest.Manifest) { m.Design = manifest.Statement }),
		sql("token.owner", `ALTER FUNCTION garant.enter(bytea) OWNER TO shop_owner; GRANT EXECUTE ON FUNCTION garant.enter(bytea) TO garant_sec`, `REVOKE EXECUTE ON FUNCTION garant.enter(bytea) FROM garant_sec; ALTER FUNCTION garant.enter(bytea) OWNER TO garant_sec; GRANT EXECUTE ON FUNCTION garant.enter(bytea) TO shop_owner`),
		sql("token.owner", `ALTER TABLE garant.key OWNER TO visitor`, `ALTER TABLE garant.key OWNER TO garant_sec`, "token.key_missing", "token.key_age", "token.key_copied"),
		sql("token.schema_acl", `GRANT CREATE ON SCHEMA garant TO shop_owner`, `REVOKE CREATE ON SCHEMA garant FROM shop_owner`),
		sql("token.table_acl", `GRANT SELECT (inner_pad) ON garant.key TO visitor`, `REVOKE SELECT (inner_pad) ON garant.key FROM visitor`),
		sql("token.table_acl", `GRANT INSERT ON garant.key_inbox TO PUBLIC`, `REVOKE INSERT ON garant.key_inbox FROM PUBLIC`),
		sql("token.table_policy", `ALTER TABLE garant.key NO FORCE ROW LEVEL SECURITY`, `ALTER TABLE garant.key FORCE ROW LEVEL SECURITY`),
		sql("token.table_policy", `CREATE POLICY wide ON garant.revocation USING (true)`, `DROP POLICY wide ON garant.revocation`),
		sql("token.function_acl", `GRANT EXECUTE ON FUNCTION garant.take_key() TO app`, `REVOKE EXECUTE ON FUNCTION garant.take_key() FROM app`),
		sql("token.function_acl", `GRANT EXECUTE ON FUNCTION garant.revoke(uuid, timestamptz) TO PUBLIC`, `REVOKE EXECUTE ON FUNCTION garant.revoke(uuid, timestamptz) FROM PUBLIC`),
		sql("token.admitted", `GRANT EXECUTE ON FUNCTION garant.enter(bytea) TO visitor`, `REVOKE EXECUTE ON FUNCTION garant.enter(bytea) FROM visitor`),
		sql("token.not_admitted", `REVOKE EXECUTE ON FUNCTION garant.writer_uuid() FROM app`, `GRANT EXECUTE ON FUNCTION garant.writer_uuid() TO app`),
		sql("token.function_changed", `CREATE OR REPLACE FUNCTION garant.tenant_uuid() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE RETURN nullif(current_setting('backtrace_functions'), '')::uuid`,
			`CREATE OR REPLACE FUNCTION garant.tenant_uuid() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE RETURN nullif(split_part(current_setting('backtrace_functions'), '_garant_7510', 2), '')::uuid`),
		sql("token.function_changed", `ALTER FUNCTION garant.enter(bytea) RESET search_path`, `ALTER FUNCTION garant.enter(bytea) SET search_path = pg_catalog, pg_temp`),
		sql("token.function_changed", `ALTER FUNCTION garant.enter(bytea) SECURITY INVOKER`, `ALTER FUNCTION garant.enter(bytea) SECURITY DEFINER`),
		sql("token.stranger", `CREATE FUNCTION garant.enter(text) RETURNS void LANGUAGE sql AS ''; ALTER FUNCTION garant.enter(text) OWNER TO garant_sec; REVOKE ALL ON FUNCTION garant.enter(text) FROM PUBLIC`, `DROP FUNCTION garant.enter(text)`),
		sql("token.stranger", `CREATE TABLE garant.extra (id integer); ALTER TABLE garant.extra OWNER TO garant_sec`, `DROP TABLE garant.extra`),
		sql("token.inbox", `ALTER TABLE garant.key_inbox DISABLE TRIGGER take_key`, `ALTER TABLE garant.key_inbox ENABLE TRIGGER take_key`),
		sql("token.sec_role", `ALTER ROLE garant_sec LOGIN`, `ALTER ROLE garant_sec NOLOGIN`),
		sql("token.sec_role", `ALTER ROLE garant_keeper CREATEDB`, `ALTER ROLE garant_keeper NOCREATEDB`),
		sql("token.sec_members", `GRANT garant_sec TO visitor`, `REVOKE garant_sec FROM visitor`),
		sql("token.sec_groups", `GRANT pg_monitor TO garant_sec`, `REVOKE pg_monitor FROM garant_sec`),
		sql("token.keeper", `GRANT garant_keeper TO app`, `REVOKE garant_keeper FROM app`),
		sql("token.createrole", `ALTER ROLE visitor CREATEROLE`, `ALTER ROLE visitor NOCREATEROLE`),
		sql("token.standing_pin", `ALTER DATABASE shop SET backtrace_functions = '_garant_7510'`, `ALTER DATABASE shop RESET backtrace_functions`),
		sql("token.standing_pin", `ALTER ROLE visitor SET garant.context = 'x'`, `ALTER ROLE visitor RESET garant.context`),
		{check: "token.standing_pin_file", during: func(w *world) func() {
			w.exec(w.super, `ALTER SYSTEM SET backtrace_functions = '_garant_7510'`)
			return func() { w.exec(w.super, `ALTER SYSTEM RESET backtrace_functions`) }
		}},
		sql("token.pin_grant", `GRANT SET ON PARAMETER backtrace_functions TO app`, `REVOKE SET ON PARAMETER backtrace_functions FROM app`),
		sql("token.pin_grant", `GRANT ALTER SYSTEM ON PARAMETER backtrace_functions TO garant_sec`, `REVOKE ALTER SYSTEM ON PARAMETER backtrace_functions FROM garant_sec`),
		sql("token.pin_missing", `REVOKE SET ON PARAMETER backtrace_functions FROM garant_sec`, `GRANT SET ON PARAMETER backtrace_functions TO garant_sec`),
		{check: "token.key_missing", during: func(w *world) func() {
			w.exec(w.super, `UPDATE garant.key SET retires_at = now() - interval '1 second'`)
			return func() { w.exec(w.super, `UPDATE garant.key SET retires_at = 'infinity'`) }
		}},
		{check: "token.key_age", during: func(w *world) func() {
			w.now = func() time.Time { return time.Now().Add(91 * 24 * time.Hour) }
			return func() {}
		}},
		{check: "token.key_copied", during: func(w *world) func() {
			k := newKey(2)
			inner, outer := k.Pads()
			if _, err := w.super.Exec(context.Background(), `INSERT INTO garant.key (id, audience, database, inner_pad, outer_pad) VALUES (2, $1, 'origin', $2, $3)`, k.Audience[:], inner[:], outer[:]); err != nil {
				w.t.Fatal(err)
			}
			return func() { w.exec(w.super, `DELETE FROM garant.key WHERE id = 2`) }
		}},
		{check: "token.two_phase", during: func(w *world) func() { return w.elsewhere(map[string]string{"max_prepared_transactions": "5"}) }},
		{check: "token.snapshot", breaks: `ALTER ROLE app SET default_transaction_isolation = 'repeatable read'`, mends: `ALTER ROLE app RESET default_transaction_isolation`,
			declares: func(m *manifest.Manifest) { m.Design = manifest.Statement }, with: []string{"token.design_differs"}},
		{check: "token.snapshot", breaks: `ALTER DATABASE shop SET default_transaction_isolation = 'serializable'; ALTER ROLE app SET default_transaction_isolation = 'read uncommitted'; ALTER ROLE app IN DATABASE shop SET default_transaction_isolation = 'serializable'`,
			mends:    `ALTER DATABASE shop RESET default_transaction_isolation; ALTER ROLE app RESET default_transaction_isolation; ALTER ROLE app IN DATABASE shop RESET default_transaction_isolation`,
			declares: func(m *manifest.Manifest) { m.Design = manifest.Statement }, with: []string{"token.design_differs"}},
	}
}

func acceptedMutations() []mutation {
	accepts := func(check, object string) func(*manifest.Manifest) {
		return func(m *manifest.Manifest) {
			m.Accepted = append(m.Accepted, manifest.Acceptance{Check: check, Objects: []string{object}, Reason: "random", By: "the architect", Date: "2026-11-27"})
		}
	}
	return []mutation{
		declared("accepted.gone", accepts("constraints.unique_without_tenant", "customer.by_email")),
		declared("accepted.refused", accepts("tables.rls_of", "customer.member")),
		declared("accepted.refused", accepts("probe.unique", "customer.by_email")),
		{check: "accepted.refused", breaks: `ALTER TABLE customer.member DISABLE ROW LEVEL SECURITY`, mends: `ALTER TABLE customer.member ENABLE ROW LEVEL SECURITY`,
			declares: accepts("tables.rls_off", "customer.member"), with: []string{"tables.rls_off"}},
	}
}

func eventMutations() []mutation {
	again := func(c token.Capture) string {
		var all string
		for _, g := range c.Triggers() {
			all += "DROP TRIGGER IF EXISTS " + g.Name + " ON " + c.Table + "; " + g.SQL + "; "
		}
		return all
	}
	member, partition := recorded()[0], recorded()[2]
	other, named := member, member
	other.Columns, named.As = nil, "customer.organisation"
	return []mutation{
		sql("events.not_captured", `DROP TRIGGER garant_capture_delete ON customer.member`, again(member)),
		sql("events.partition", `DROP TRIGGER garant_capture_truncate ON customer.event_old`, again(partition)),
		declared("events.not_captured", entry("invoice", func(e *manifest.Table) { e.Record = &manifest.Record{Mode: manifest.RecordAll} })),
		sql("events.disabled", `ALTER TABLE customer.member DISABLE TRIGGER garant_capture_update`, `ALTER TABLE customer.member ENABLE TRIGGER garant_capture_update`),
		sql("events.disabled", `ALTER TABLE customer.event ENABLE REPLICA TRIGGER garant_capture_insert`, `ALTER TABLE customer.event ENABLE TRIGGER garant_capture_insert`),
		sql("events.differs", again(other), again(member)),
		sql("events.differs", again(named), again(member)),
		sql("events.differs", `CREATE FUNCTION internal.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; DROP TRIGGER garant_capture_insert ON customer.member;
CREATE TRIGGER garant_capture_insert AFTER INSERT ON customer.member FOR EACH STATEMENT EXECUTE FUNCTION internal.nothing()`, again(member)+`DROP FUNCTION internal.nothing()`),
		declared("events.differs", entry("member", func(e *manifest.Table) { e.Record = &manifest.Record{Mode: manifest.RecordAll} })),
		declared("events.undeclared", entry("member", func(e *manifest.Table) { e.Record = nil })),
		sql("events.replica", `ALTER DATABASE shop SET session_replication_role = local`, `ALTER DATABASE shop RESET session_replication_role`, "roles.defaults"),
		sql("events.replica", `GRANT SET ON PARAMETER session_replication_role TO visitor`, `REVOKE SET ON PARAMETER session_replication_role FROM visitor`),
		sql("events.cast", `CREATE TYPE internal.colour AS ENUM ('red'); CREATE FUNCTION internal.js(internal.colour) RETURNS json LANGUAGE sql AS 'SELECT NULL::json'; CREATE CAST (internal.colour AS json) WITH FUNCTION internal.js(internal.colour)`,
			`DROP TYPE internal.colour CASCADE`),
		sql("token.function_changed", `ALTER FUNCTION garant.capture() SECURITY INVOKER`, `ALTER FUNCTION garant.capture() SECURITY DEFINER`),
		sql("token.table_acl", `GRANT SELECT ON garant.event TO visitor`, `REVOKE SELECT ON garant.event FROM visitor`),
		sql("token.table_policy", `ALTER TABLE garant.event NO FORCE ROW LEVEL SECURITY`, `ALTER TABLE garant.event FORCE ROW LEVEL SECURITY`),
		sql("token.function_acl", `GRANT EXECUTE ON FUNCTION garant.take_events(integer) TO visitor`, `REVOKE EXECUTE ON FUNCTION garant.take_events(integer) FROM visitor`),
		sql("token.function_acl", `GRANT EXECUTE ON FUNCTION garant.capture() TO app`, `REVOKE EXECUTE ON FUNCTION garant.capture() FROM app`),
	}
}
