package verify

import (
	"testing"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
)

// TestSoundVariants: what people have in sound databases stays green.
func TestSoundVariants(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a few seconds")
	}
	w := newWorld(t)
	all := manifest.GrantWords()
	tenant := func(name, column string, kind string) manifest.Table {
		return manifest.Table{Schema: "customer", Name: name, Kind: kind, Class: manifest.Tenant, Column: column, Grants: all}
	}
	owned := func(name string) string {
		return `ALTER TABLE customer.` + name + ` OWNER TO shop_owner; GRANT SELECT, INSERT, UPDATE, DELETE ON customer.` + name + ` TO shop_rw;`
	}
	// records has a table recorded as a part of one of those that are, or as what inherits from it.
	records := func(table string, of int) (all string) {
		c := recorded()[of]
		c.Table = table
		if of == 0 {
			c.As, c.Keys = table, nil
		}
		for _, g := range c.Triggers() {
			all += g.SQL + ";"
		}
		return all
	}
	for _, v := range []struct {
		name, sql string
		declare   func(*manifest.Manifest)
	}{
		{"quoted names", `CREATE TABLE customer."Offene Posten" ("Mandant" uuid NOT NULL, "Nr." bigint NOT NULL, PRIMARY KEY ("Mandant", "Nr."));` + owned(`"Offene Posten"`) + guardTable(`customer."Offene Posten"`, `"Mandant"`, "uuid"),
			adds(tenant("Offene Posten", "Mandant", manifest.KindTable))},
		{"a domain over a domain", `CREATE DOMAIN customer.key AS uuid NOT NULL; CREATE DOMAIN customer.tenant AS customer.key; CREATE TABLE customer.note (tenant customer.tenant, id uuid PRIMARY KEY); CREATE INDEX ON customer.note (tenant);` + owned("note") + guardTable("customer.note", "tenant", "uuid"),
			adds(tenant("note", "tenant", manifest.KindTable))},
		{"partitions of partitions, by list and hash", `CREATE TABLE customer.hit (organisation_id uuid NOT NULL, day date NOT NULL, id uuid NOT NULL, PRIMARY KEY (organisation_id, day, id)) PARTITION BY HASH (organisation_id);
CREATE TABLE customer.hit_0 PARTITION OF customer.hit FOR VALUES WITH (MODULUS 2, REMAINDER 0) PARTITION BY RANGE (day); CREATE TABLE customer.hit_1 PARTITION OF customer.hit FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE customer.hit_0_all PARTITION OF customer.hit_0 DEFAULT;` + owned("hit") + `ALTER TABLE customer.hit_0 OWNER TO shop_owner; ALTER TABLE customer.hit_1 OWNER TO shop_owner; ALTER TABLE customer.hit_0_all OWNER TO shop_owner;` + guardTable("customer.hit", "organisation_id", "uuid"),
			adds(tenant("hit", "organisation_id", manifest.KindPartitioned), manifest.Table{Schema: "customer", Name: "hit_0", Kind: manifest.KindPartition, Class: manifest.Tenant, Column: "organisation_id"},
				manifest.Table{Schema: "customer", Name: "hit_1", Kind: manifest.KindPartition, Class: manifest.Tenant, Column: "organisation_id"}, manifest.Table{Schema: "customer", Name: "hit_0_all", Kind: manifest.KindPartition, Class: manifest.Tenant, Column: "organisation_id"})},
		{"keys of random uuids", `CREATE TABLE customer.file (id uuid PRIMARY KEY, organisation_id uuid NOT NULL, twin uuid UNIQUE); CREATE INDEX ON customer.file (organisation_id);` + owned("file") + guardTable("customer.file", "organisation_id", "uuid"),
			adds(tenant("file", "organisation_id", manifest.KindTable))},
		{"a key that the application cannot choose", `CREATE TABLE customer.log (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, organisation_id uuid NOT NULL, total numeric, twice numeric GENERATED ALWAYS AS (total * 2) STORED); CREATE INDEX ON customer.log (organisation_id);` + owned("log") + guardTable("customer.log", "organisation_id", "uuid"),
			adds(tenant("log", "organisation_id", manifest.KindTable))},
		{"partitions that the manifest does not name", `CREATE TABLE customer.event_none PARTITION OF customer.event DEFAULT PARTITION BY HASH (id); CREATE TABLE customer.event_none_0 PARTITION OF customer.event_none FOR VALUES WITH (MODULUS 1, REMAINDER 0);
ALTER TABLE customer.event_none OWNER TO shop_owner; ALTER TABLE customer.event_none_0 OWNER TO shop_owner;` + records("customer.event_none", 1) + records("customer.event_none_0", 1), nil},
		{"a range of one's own, with its constructors", `CREATE TYPE customer.days AS RANGE (subtype = date); CREATE TABLE customer.stay (organisation_id uuid NOT NULL, id uuid NOT NULL, during customer.days, PRIMARY KEY (organisation_id, id));` + owned("stay") + guardTable("customer.stay", "organisation_id", "uuid"),
			adds(tenant("stay", "organisation_id", manifest.KindTable))},
		{"an enumeration, an array, a range, an exclusion with the tenant", `CREATE EXTENSION btree_gist; CREATE TYPE customer.state AS ENUM ('open', 'shut'); CREATE TABLE customer.room (organisation_id uuid NOT NULL, id uuid NOT NULL, state customer.state NOT NULL, tags text[] NOT NULL, during tstzrange NOT NULL, j jsonb, b bytea, i inet,
PRIMARY KEY (organisation_id, id), EXCLUDE USING gist (organisation_id WITH =, during WITH &&));` + owned("room") + guardTable("customer.room", "organisation_id", "uuid"),
			adds(tenant("room", "organisation_id", manifest.KindTable))},
		{"a tenant policy that is restrictive beside the application's own", `CREATE TABLE customer.task (organisation_id uuid NOT NULL, id uuid NOT NULL, mine boolean, PRIMARY KEY (organisation_id, id));` + owned("task") + `ALTER TABLE customer.task ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON customer.task USING (true) WITH CHECK (true);
CREATE POLICY r ON customer.task AS RESTRICTIVE FOR SELECT TO app USING (organisation_id = (SELECT garant.tenant_uuid()));
CREATE POLICY i ON customer.task AS RESTRICTIVE FOR INSERT TO app WITH CHECK (organisation_id = (SELECT garant.writer_uuid()));
CREATE POLICY u ON customer.task AS RESTRICTIVE FOR UPDATE TO app USING (organisation_id = (SELECT garant.writer_uuid())) WITH CHECK (organisation_id = (SELECT garant.writer_uuid()));
CREATE POLICY d ON customer.task AS RESTRICTIVE FOR DELETE TO app USING (organisation_id = (SELECT garant.writer_uuid()))`,
			adds(tenant("task", "organisation_id", manifest.KindTable))},
		{"a narrower policy, and the owner's own", `ALTER POLICY tenant_update ON customer.invoice USING (total >= 0 AND organisation_id = (SELECT garant.writer_uuid())); CREATE POLICY owners ON customer.invoice TO shop_owner USING (true) WITH CHECK (true)`,
			nil},
		{"the comparison the other way round", `ALTER POLICY tenant_select ON customer.invoice USING ((SELECT garant.tenant_uuid()) = organisation_id)`, nil},
		{"a name of another tenant beside one's own", `CREATE TABLE customer.partner (organisation_id uuid NOT NULL, with_id uuid NOT NULL REFERENCES customer.organisation, PRIMARY KEY (organisation_id, with_id));` + owned("partner") + guardTable("customer.partner", "organisation_id", "uuid"),
			adds(tenant("partner", "organisation_id", manifest.KindTable))},
		{"a table by inheritance that nobody reaches by itself", `CREATE TABLE customer.member_old () INHERITS (customer.member); ALTER TABLE customer.member_old OWNER TO shop_owner;` + records("customer.member_old", 0),
			adds(manifest.Table{Schema: "customer", Name: "member_old", Kind: manifest.KindTable, Class: manifest.Tenant, Column: "organisation_id"})},
		{"a declared function with its owner's rights", `CREATE FUNCTION customer.find(text) RETURNS boolean LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS 'SELECT EXISTS (SELECT FROM customer.member WHERE email = $1)'; ALTER FUNCTION customer.find(text) OWNER TO shop_owner`,
			func(m *manifest.Manifest) {
				m.Around = append(m.Around, manifest.Path{Role: "shop_owner", Kind: "definer"})
			}},
		{"a function with its owner's rights that nobody may call", `CREATE FUNCTION internal.all_mails() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER AS 'SELECT email FROM customer.member'`, nil},
		{"rights on columns only", `REVOKE UPDATE ON customer.member FROM shop_rw; GRANT UPDATE (email) ON customer.member TO shop_rw; REVOKE SELECT ON reference.country FROM shop_rw; GRANT SELECT (code) ON reference.country TO app`,
			nil},
		{"a publication of shared tables, and one with a filter", `CREATE PUBLICATION countries FOR TABLE reference.country; CREATE PUBLICATION one FOR TABLE customer.organisation WHERE (id = '00000000-0000-0000-0000-000000000001')`, nil},
		{"a deferrable key and a unique index over the tenant", `CREATE TABLE customer.rank (organisation_id uuid NOT NULL, place integer NOT NULL, UNIQUE (organisation_id, place) DEFERRABLE INITIALLY DEFERRED); CREATE UNIQUE INDEX ON customer.rank (place, organisation_id);` + owned("rank") + guardTable("customer.rank", "organisation_id", "uuid"),
			adds(tenant("rank", "organisation_id", manifest.KindTable))},
	} {
		t.Run(v.name, func(t *testing.T) {
			w.t = t
			w.exec(w.super, v.sql)
			if v.declare != nil {
				v.declare(w.manifest)
				w.manifest.Sort()
			}
			wants(t, w.red())
		})
	}
	t.Run("all of them, attacked", func(t *testing.T) {
		w.t = t
		wants(t, redOf(t, w.whole(nil).Results))
	})
}

// A tenant key that is a number or a text is held, and attacked, like a uuid.
func TestOtherKeys(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a few seconds")
	}
	w := newWorld(t)
	for _, k := range []struct {
		key, column string
		attacked    bool
	}{{"bigint", "integer", false}, {"bigint", "bigint", true}, {"text", "text", false}, {"text", "varchar(38)", true}} {
		t.Run(k.key+" in "+k.column, func(t *testing.T) {
			w.t = t
			before := *w.manifest
			w.exec(w.super, `CREATE TABLE customer.account (id `+k.column+` PRIMARY KEY, name text NOT NULL); CREATE TABLE customer.entry (account_id `+k.column+` NOT NULL REFERENCES customer.account ON DELETE CASCADE, n integer NOT NULL, what text, PRIMARY KEY (account_id, n));
ALTER TABLE customer.account OWNER TO shop_owner; ALTER TABLE customer.entry OWNER TO shop_owner; GRANT SELECT, INSERT, UPDATE, DELETE ON customer.account, customer.entry TO shop_rw;`+
				guardTable("customer.account", "id", k.key)+guardTable("customer.entry", "account_id", k.key)+`DROP TABLE customer.organisation, customer.invoice, customer.event, customer.member CASCADE`)
			w.manifest.Key = manifest.Key{Table: "customer.account", Column: "id", Type: k.key}
			w.manifest.Tables = []manifest.Table{
				{Schema: "customer", Name: "account", Kind: manifest.KindTable, Class: manifest.Tenant, Column: "id", Grants: manifest.GrantWords()},
				{Schema: "customer", Name: "entry", Kind: manifest.KindTable, Class: manifest.Tenant, Column: "account_id", Grants: manifest.GrantWords()},
				{Schema: "reference", Name: "country", Kind: manifest.KindTable, Class: manifest.Shared, Grants: []string{"SELECT"}},
				{Schema: "reference", Name: "countries", Kind: manifest.KindView, Class: manifest.Shared, Grants: []string{"SELECT"}},
				{Schema: "internal", Name: "job", Kind: manifest.KindTable, Class: manifest.Private},
			}
			wants(t, w.red())
			if k.attacked {
				if k.key == "text" {
					wants(t, redOf(t, w.whole(nil).Results))
				}
				w.exec(w.super, `ALTER POLICY tenant_select ON customer.entry USING (true)`)
				red := redOf(t, w.whole(nil).Results)
				for _, id := range []string{"policies.always_true", "probe.reads", "probe.by_key", "probe.leaky_condition"} {
					if len(red[id]) == 0 {
						t.Errorf("%s is green", id)
					}
				}
			}
			*w.manifest = before
			w.exec(w.super, `DROP TABLE customer.account, customer.entry; CREATE TABLE customer.organisation (id uuid); CREATE TABLE customer.invoice (id uuid); CREATE TABLE customer.event (id uuid); CREATE TABLE customer.member (id uuid)`)
		})
	}
}
