package verify

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/token"
)

// TestProbeMutations breaks a scratch copy in every way that the probes claim to see, and expects
// that probe red, and no other than those that the same fault has to turn red.
func TestProbeMutations(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a few seconds")
	}
	ctx := context.Background()
	w := newWorld(t)
	w.exec(w.super, `CREATE ROLE tester LOGIN`) // a role to be broken with
	t.Cleanup(func() { w.exec(w.connect(cluster.SuperUser, "postgres"), "DROP ROLE tester") })
	c, err := catalogueOf(ctx, w.super)
	if err != nil {
		t.Fatal(err)
	}
	j := newJudge(c, w.manifest, w.now(), DefaultMaxKeyAge)
	s, err := copyOf(ctx, running.DSN(cluster.SuperUser, "shop"), c, j.apps, token.Pinned, sharedCluster)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close(ctx) })
	stage, _, err := settleIn(ctx, s, w.manifest, w.now())
	if err != nil {
		t.Fatal(err)
	}
	look := func(t *testing.T) map[string][]string {
		t.Helper()
		c, err := catalogueOf(ctx, s.root)
		if err != nil {
			t.Fatal(err)
		}
		stage.j = newJudge(c, w.manifest, w.now(), DefaultMaxKeyAge)
		return redOf(t, stage.try(ctx, stage.j, scratchProbes()))
	}
	wants(t, look(t))
	all := probeMutations()
	for _, check := range scratchProbes() {
		if !slices.ContainsFunc(all, func(m mutation) bool { return m.check == check.ID }) {
			t.Errorf("no mutation turns %s red: nothing shows that it can come out false", check.ID)
		}
	}
	exec := func(t *testing.T, sql string) {
		t.Helper()
		if sql == "" {
			return
		}
		if _, err := s.root.Exec(ctx, sql); err != nil {
			// Several statements at once need the simple protocol.
			if _, err := s.root.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Fatalf("%v in %s", err, sql)
			}
		}
	}
	for _, m := range all {
		t.Run(m.check+" "+short(m.breaks), func(t *testing.T) {
			before := *w.manifest
			w.manifest.Tables = slices.Clone(before.Tables)
			exec(t, m.breaks)
			if m.declares != nil {
				m.declares(w.manifest)
				w.manifest.Sort()
			}
			red := look(t)
			if m.wide {
				red = map[string][]string{m.check: red[m.check]}
			}
			wants(t, red, append([]string{m.check}, m.with...)...)
			*w.manifest = before
			exec(t, m.mends)
			if m.wide || t.Failed() {
				wants(t, look(t))
			}
		})
	}
	wants(t, look(t)) // a mend that does not mend shows in what comes after it, at the latest here

	t.Run("what the manifest accepts", func(t *testing.T) {
		exec(t, `CREATE UNIQUE INDEX by_email ON customer.member (email)`)
		w.manifest.Accepted = []manifest.Acceptance{{Check: "constraints.unique_without_tenant", Objects: []string{"customer.by_email"}, Reason: "addresses are published anyway", By: "the architect", Date: "2026-11-27"}}
		wants(t, look(t))
		report := &Report{Database: "shop", Results: append(stage.j.static(Checks()), stage.try(ctx, stage.j, scratchProbes())...)}
		if n := report.Accepted(); n != 2 {
			t.Errorf("%d findings are accepted, of the check and of its probe", n)
		}
		var text, log strings.Builder
		if err := report.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		if err := report.WriteSARIF(&log, w.manifest, "isolation.yaml", "test"); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"ACCEPTED  constraints.unique_without_tenant", "addresses are published anyway (the architect, 2026-11-27)", "The manifest accepts 2 findings."} {
			if !strings.Contains(text.String(), want) {
				t.Errorf("the text lacks %q", want)
			}
		}
		if n := strings.Count(log.String(), `"justification": "addresses are published anyway (the architect, 2026-11-27)"`); n != 2 || strings.Count(log.String(), `"status": "accepted"`) != 2 {
			t.Errorf("%d results are suppressed", n)
		}
	})
}

func probeMutations() []mutation {
	policy := func(check, name, e, sound string, with ...string) mutation {
		return sql(check, `ALTER POLICY `+name+` ON customer.invoice `+e, `ALTER POLICY `+name+` ON customer.invoice `+sound, with...)
	}
	const tenantIs, writerIs = `(organisation_id = (SELECT garant.tenant_uuid()))`, `(organisation_id = (SELECT garant.writer_uuid()))`
	// enter changes something of what garant.enter says.
	enter := func(check, from, to string, with ...string) mutation {
		change := func(from, to string) string {
			return `DO $x$ DECLARE was text := pg_get_functiondef('garant.enter(bytea)'::regprocedure); BEGIN
IF position($a$` + from + `$a$ IN was) = 0 THEN RAISE EXCEPTION 'garant.enter does not say this any more'; END IF; EXECUTE replace(was, $a$` + from + `$a$, $b$` + to + `$b$); END $x$`
		}
		return sql(check, change(from, to), change(to, from), with...)
	}
	seesAll := []string{"probe.by_key", "probe.copy_out", "probe.leaky_condition", "probe.parallel", "probe.generic_plan"}
	return []mutation{
		policy("probe.own_rows", "tenant_select", `USING (organisation_id = (SELECT garant.tenant_uuid()) AND total < 0)`, `USING `+tenantIs),
		policy("probe.reads", "tenant_select", `USING (true)`, `USING `+tenantIs, seesAll...),
		policy("probe.by_key", "tenant_select", `USING (organisation_id = (SELECT garant.tenant_uuid()) OR organisation_id <> (SELECT garant.tenant_uuid()))`, `USING `+tenantIs,
			"probe.reads", "probe.copy_out", "probe.leaky_condition", "probe.parallel", "probe.generic_plan"),
		policy("probe.insert", "tenant_insert", `WITH CHECK (true)`, `WITH CHECK `+writerIs, "probe.reading_token"),
		policy("probe.update_to", "tenant_update", `USING `+writerIs+` WITH CHECK (true)`, `USING `+writerIs+` WITH CHECK `+writerIs),
		sql("probe.update_of", `ALTER POLICY tenant_update ON customer.organisation USING (true) WITH CHECK (true); ALTER POLICY tenant_select ON customer.organisation USING (true)`,
			`ALTER POLICY tenant_update ON customer.organisation USING (id = (SELECT garant.writer_uuid())) WITH CHECK (id = (SELECT garant.writer_uuid())); ALTER POLICY tenant_select ON customer.organisation USING (id = (SELECT garant.tenant_uuid()))`,
			append([]string{"probe.reads", "probe.update_to", "probe.reading_token"}, seesAll...)...),
		policy("probe.delete_of", "tenant_delete", `USING (true)`, `USING `+writerIs, "probe.reading_token"),
		sql("probe.upsert", `CREATE UNIQUE INDEX by_email ON customer.member (email); ALTER POLICY tenant_update ON customer.member USING (true) WITH CHECK (true); ALTER POLICY tenant_select ON customer.member USING (true)`,
			`DROP INDEX customer.by_email; ALTER POLICY tenant_update ON customer.member USING (organisation_id = (SELECT garant.writer_uuid())) WITH CHECK (organisation_id = (SELECT garant.writer_uuid())); ALTER POLICY tenant_select ON customer.member USING (organisation_id = (SELECT garant.tenant_uuid()))`,
			append([]string{"probe.reads", "probe.views", "probe.update_to", "probe.update_of", "probe.unique", "probe.reading_token"}, seesAll...)...),
		sql("probe.unique", `CREATE UNIQUE INDEX by_email ON customer.member (email)`, `DROP INDEX customer.by_email`),
		sql("probe.foreign_key", `ALTER TABLE customer.invoice ADD CONSTRAINT whose FOREIGN KEY (member_id) REFERENCES customer.member (id) NOT VALID; ALTER TABLE customer.invoice DROP CONSTRAINT invoice_organisation_id_member_id_fkey`,
			`ALTER TABLE customer.invoice DROP CONSTRAINT whose; ALTER TABLE customer.invoice ADD FOREIGN KEY (organisation_id, member_id) REFERENCES customer.member (organisation_id, id) ON DELETE CASCADE`),
		sql("probe.cascade", `ALTER TABLE customer.invoice ADD CONSTRAINT whose FOREIGN KEY (member_id) REFERENCES customer.member (id) ON DELETE CASCADE; ALTER TABLE customer.invoice DROP CONSTRAINT invoice_organisation_id_member_id_fkey`,
			`ALTER TABLE customer.invoice DROP CONSTRAINT whose; ALTER TABLE customer.invoice ADD FOREIGN KEY (organisation_id, member_id) REFERENCES customer.member (organisation_id, id) ON DELETE CASCADE`, "probe.foreign_key"),
		sql("probe.truncate", `GRANT TRUNCATE ON customer.invoice TO app`, `REVOKE TRUNCATE ON customer.invoice FROM app`),
		sql("probe.copy_out", `ALTER TABLE customer.member DISABLE ROW LEVEL SECURITY`, `ALTER TABLE customer.member ENABLE ROW LEVEL SECURITY`,
			"probe.reads", "probe.by_key", "probe.insert", "probe.update_to", "probe.update_of", "probe.delete_of", "probe.views", "probe.leaky_condition", "probe.parallel", "probe.generic_plan", "probe.statistics", "probe.reading_token", "probe.upsert"),
		sql("probe.views", `ALTER VIEW customer.member_list SET (security_invoker = false); ALTER VIEW customer.member_list OWNER TO garant_scratch`, `ALTER VIEW customer.member_list OWNER TO shop_owner; ALTER VIEW customer.member_list SET (security_invoker = true)`),
		sql("probe.views", `CREATE MATERIALIZED VIEW internal.mails AS SELECT email FROM customer.member; ALTER VIEW reference.countries RENAME TO kept; CREATE VIEW reference.countries AS SELECT email AS code FROM internal.mails; GRANT SELECT ON reference.countries TO app`,
			`DROP MATERIALIZED VIEW internal.mails CASCADE; ALTER VIEW reference.kept RENAME TO countries`),
		sql("probe.partitions", `GRANT SELECT ON customer.event_old TO app; INSERT INTO customer.event VALUES ('0b000000-0000-4000-8000-00000000000b', 1, '2025-06-01', 'garantcanaryb1')`,
			`REVOKE SELECT ON customer.event_old FROM app; DELETE FROM customer.event_old`),
		sql("probe.functions", `CREATE FUNCTION customer.find(text) RETURNS SETOF text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS 'SELECT email FROM customer.member WHERE email LIKE $1'`, `DROP FUNCTION customer.find(text)`),
		policy("probe.leaky_condition", "tenant_select", `USING (true)`, `USING `+tenantIs, append([]string{"probe.reads"}, seesAll...)...),
		policy("probe.parallel", "tenant_select", `USING (true)`, `USING `+tenantIs, append([]string{"probe.reads"}, seesAll...)...),
		sql("probe.statistics", `ALTER TABLE customer.organisation DISABLE ROW LEVEL SECURITY`, `ALTER TABLE customer.organisation ENABLE ROW LEVEL SECURITY`,
			"probe.reads", "probe.by_key", "probe.copy_out", "probe.insert", "probe.update_to", "probe.update_of", "probe.delete_of", "probe.leaky_condition", "probe.parallel", "probe.generic_plan", "probe.reading_token"),
		{check: "probe.enters", breaks: `UPDATE garant.key SET retires_at = now() - interval '1 second'`, mends: `UPDATE garant.key SET retires_at = 'infinity'`, wide: true},
		enter("probe.expired_token", `WHEN substr(token, 93, 8) <= timestamptz_send(clock_timestamp() + interval '946684800 s') THEN`, `WHEN false THEN`),
		enter("probe.other_token", `k.prefix = substr(token, 1, 18)`, `length(k.audience) = 16`),
		enter("probe.changed_token", `sha256(sha256(k.outer_pad || sha256(k.inner_pad || substr(token, 1, 100)))) = sha256(substr(token, 101, 32))`, `(length(k.outer_pad) > 0)`, "probe.other_token"),
		enter("probe.revoked_token", `WHERE r.session IN (substr(pin, 8, 32)::uuid, garant.stands_for(who)) LIMIT 1`, `WHERE r.session IS NULL LIMIT 1`),
		enter("probe.second_tenant", `IF was <> pin AND starts_with(was, 'garant_') THEN`, `IF false THEN`),
		sql("probe.savepoint", `CREATE OR REPLACE FUNCTION garant.tenant_uuid() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE RETURN coalesce(nullif(split_part(current_setting('backtrace_functions'), '_garant_7510', 2), '')::uuid, '0b000000-0000-4000-8000-00000000000b')`,
			`CREATE OR REPLACE FUNCTION garant.tenant_uuid() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE RETURN nullif(split_part(current_setting('backtrace_functions'), '_garant_7510', 2), '')::uuid`, "probe.context_left", "probe.context_defaults"),
		enter("probe.open_cursor", `WHERE c.name <> ''`, `WHERE false`),
		enter("probe.context_left", `set_config('backtrace_functions', held, true)`, `set_config('backtrace_functions', held, false)`),
		enter("probe.keys_in_messages", `IF octet_length(token) = 132`, `RAISE DEBUG 'key %', (SELECT encode(inner_pad, 'hex') FROM garant.key); IF octet_length(token) = 132`),
		policy("probe.reading_token", "tenant_delete", `USING `+tenantIs, `USING `+writerIs),
		policy("probe.generic_plan", "tenant_select", `USING (true)`, `USING `+tenantIs, append([]string{"probe.reads"}, seesAll...)...),
		sql("probe.context_defaults", `GRANT SET, ALTER SYSTEM ON PARAMETER backtrace_functions TO app`, `REVOKE SET, ALTER SYSTEM ON PARAMETER backtrace_functions FROM app`),
		{check: "probe.session_authorization", breaks: `ALTER ROLE app SUPERUSER`, mends: `ALTER ROLE app NOSUPERUSER`, wide: true},
		sql("probe.temporary_table", `GRANT TEMPORARY ON DATABASE shop TO app`, `REVOKE TEMPORARY ON DATABASE shop FROM app`),
		sql("probe.create_objects", `GRANT CREATE ON SCHEMA customer TO app`, `REVOKE CREATE ON SCHEMA customer FROM app`),
		sql("probe.create_objects", `GRANT CREATE ON DATABASE shop TO app`, `REVOKE CREATE ON DATABASE shop FROM app`),
		{check: "probe.alter_tables", breaks: `GRANT shop_owner TO app`, mends: `REVOKE shop_owner FROM app`, wide: true},
		sql("probe.server_program", `GRANT pg_execute_server_program TO app`, `REVOKE pg_execute_server_program FROM app`),
		sql("probe.large_object", `GRANT EXECUTE ON FUNCTION lo_from_bytea(oid, bytea) TO app`, `REVOKE EXECUTE ON FUNCTION lo_from_bytea(oid, bytea) FROM app`),
		sql("probe.activity", `ALTER ROLE app SET track_activities = on`, `ALTER ROLE app SET track_activities = off`),
		sql("probe.sequences", `GRANT SELECT ON SEQUENCE customer.ticket TO app`, `REVOKE SELECT ON SEQUENCE customer.ticket FROM app`),
		sql("probe.shared_write", `GRANT INSERT ON reference.country TO app`, `REVOKE INSERT ON reference.country FROM app`),
		sql("probe.private_read", `GRANT USAGE ON SCHEMA internal TO app; GRANT SELECT ON internal.job TO app`, `REVOKE USAGE ON SCHEMA internal FROM app; REVOKE SELECT ON internal.job FROM app`),
	}
}
