package access

import (
	"encoding/pem"
	"testing"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/measuretest"
	"github.com/garant-project/garant/internal/pg/cluster"
)

func chain(certificates [][]byte) []byte {
	var text []byte
	for _, der := range certificates {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return text
}

// faults is every way in which a database is broken, for each check. The literal has no keys: a
// check without faults does not compile.
func (w *world) faults() Set[[]measuretest.Fault] {
	return Set[[]measuretest.Fault]{
		append(w.readerFaults(), w.blindFaults()...), append(w.privilegedFaults(), w.blindFaults()...),
		append(append(w.developerFaults(), w.hiddenFaults()...), w.blindFaults()...), append(w.transportFaults(), w.hiddenFaults()...),
		append(w.networkFaults(), w.hiddenFaults()...), append(w.labelFaults(), w.blindFaults()...),
	}
}

// TestFaults breaks a real database in every way that the checks claim to see.
func TestFaults(t *testing.T) {
	w := newWorld(t)
	for i, check := range Checks(Deps{}).All() {
		t.Run(check.ID, func(t *testing.T) {
			measuretest.Run(t, measuretest.Subject{Check: check, Estate: w.estate, Faults: w.faults().All()[i]})
		})
	}
}

func (w *world) fault(name string, want measure.Outcome, problem Problem, breaks, mends func()) measuretest.Fault {
	return measuretest.Fault{Name: name, Want: want, Item: measure.Item{Target: "production", Problem: string(problem)},
		Break: func(testing.TB) { breaks() }, Mend: func(testing.TB) { mends() }}
}

func (w *world) sql(name string, problem Problem, breaks, mends string) measuretest.Fault {
	return w.fault(name, measure.Fail, problem, func() { w.exec(breaks) }, func() { w.exec(mends) })
}

// declared changes what garant.yaml says rather than the database.
func (w *world) declared(name string, want measure.Outcome, problem Problem, change func(*estate.Database)) measuretest.Fault {
	sound := *w.database()
	return w.fault(name, want, problem, func() { change(w.database()) }, func() { *w.database() = sound })
}

func (w *world) hba(name string, want measure.Outcome, problem Problem, lines ...string) measuretest.Fault {
	mend := func() {}
	return w.fault(name, want, problem, func() { mend = w.rules(lines...) }, func() { mend() })
}

func (w *world) readerFaults() []measuretest.Fault {
	const p = Reader
	return []measuretest.Fault{
		w.sql("a right of its own", p, `GRANT SELECT ON customer.applicant TO metrics`, `REVOKE SELECT ON customer.applicant FROM metrics`),
		w.sql("a right on one column", p, `GRANT SELECT (email) ON customer.applicant TO metrics`, `REVOKE SELECT (email) ON customer.applicant FROM metrics`),
		w.sql("a membership", p, `GRANT app_rw TO metrics`, `REVOKE app_rw FROM metrics`),
		w.sql("a chain of memberships", p, `CREATE ROLE between NOLOGIN; GRANT app_rw TO between; GRANT between TO metrics`, `DROP ROLE between`),
		w.sql("a membership that is not inherited, by SET ROLE", p, `ALTER ROLE metrics NOINHERIT; GRANT app_rw TO metrics`, `REVOKE app_rw FROM metrics; ALTER ROLE metrics INHERIT`),
		w.sql("membership in another login", p, `GRANT cs_reader TO metrics`, `REVOKE cs_reader FROM metrics`),
		w.sql("ownership", p, `GRANT app_owner TO metrics`, `REVOKE app_owner FROM metrics`),
		w.sql("superuser", p, `ALTER ROLE metrics SUPERUSER`, `ALTER ROLE metrics NOSUPERUSER`),
		w.sql("superuser by membership", p, `GRANT `+cluster.SuperUser+` TO metrics`, `REVOKE `+cluster.SuperUser+` FROM metrics`),
		w.sql("pg_read_all_data", p, `GRANT pg_read_all_data TO metrics`, `REVOKE pg_read_all_data FROM metrics`),
		w.sql("programs on the server", p, `GRANT pg_execute_server_program TO metrics`, `REVOKE pg_execute_server_program FROM metrics`),
		w.sql("replication", p, `ALTER ROLE metrics REPLICATION`, `ALTER ROLE metrics NOREPLICATION`),
		w.sql("a trigger that sees what passes", p, `GRANT TRIGGER ON customer.applicant TO metrics`, `REVOKE TRIGGER ON customer.applicant FROM metrics`),
		w.sql("a view that reads it", p, `CREATE VIEW shop.v AS SELECT email AS contact FROM customer.applicant; GRANT SELECT ON shop.v TO metrics`, `DROP VIEW shop.v`),
		w.sql("a view over a view", p, `CREATE VIEW shop.v AS SELECT last_name AS a FROM customer.applicant; CREATE VIEW shop.w AS SELECT a AS b FROM shop.v; GRANT SELECT ON shop.w TO metrics`, `DROP VIEW shop.v CASCADE`),
		w.sql("a view of whole rows", p, `CREATE VIEW shop.v AS SELECT to_json(a) AS j FROM customer.applicant AS a; GRANT SELECT ON shop.v TO metrics`, `DROP VIEW shop.v`),
		w.sql("a materialised view", p, `CREATE MATERIALIZED VIEW shop.m AS SELECT email AS x FROM customer.applicant; GRANT SELECT ON shop.m TO metrics`, `DROP MATERIALIZED VIEW shop.m`),
		w.sql("a copy under another name", p, `CREATE TABLE shop.export AS SELECT email, id FROM customer.applicant; GRANT SELECT ON shop.export TO metrics`, `DROP TABLE shop.export`),
		w.sql("a partition", p, `CREATE TABLE customer.visitor (email text, at date) PARTITION BY RANGE (at); CREATE TABLE customer.visitor_1 PARTITION OF customer.visitor DEFAULT; GRANT SELECT ON customer.visitor_1 TO metrics`, `DROP TABLE customer.visitor`),
		w.sql("a function with its owner’s rights", p, `CREATE FUNCTION shop.f() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT email FROM customer.applicant LIMIT 1'`, `DROP FUNCTION shop.f`),
		w.sql("a function in standard SQL", p, `CREATE FUNCTION shop.f() RETURNS text SECURITY DEFINER BEGIN ATOMIC SELECT email FROM customer.applicant LIMIT 1; END`, `DROP FUNCTION shop.f`),
		w.sql("a function that builds statements", p, `CREATE FUNCTION shop.f(q text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS 'DECLARE r text; BEGIN EXECUTE q INTO r; RETURN r; END'`, `DROP FUNCTION shop.f`),
		w.sql("a function that asks by XML", p, `CREATE FUNCTION shop.f(q text) RETURNS xml LANGUAGE sql SECURITY DEFINER AS 'SELECT query_to_xml(q, true, true, q)'`, `DROP FUNCTION shop.f`),
		w.sql("a rule that answers with it", p, `CREATE TABLE shop.ping (n integer); CREATE RULE answer AS ON INSERT TO shop.ping DO ALSO SELECT email FROM customer.applicant; GRANT INSERT ON shop.ping TO metrics`, `DROP TABLE shop.ping`),
		w.sql("statistics of the columns", p, `GRANT SELECT ON pg_catalog.pg_statistic TO metrics`, `REVOKE SELECT ON pg_catalog.pg_statistic FROM metrics`),
		w.sql("a function that calls another", p, `CREATE FUNCTION customer.inner_one() RETURNS text LANGUAGE sql AS 'SELECT email FROM customer.applicant LIMIT 1';
			CREATE FUNCTION shop.f() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT customer.inner_one()'`, `DROP FUNCTION shop.f; DROP FUNCTION customer.inner_one`),
		w.sql("a right of PUBLIC", PublicReader, `GRANT USAGE ON SCHEMA customer TO PUBLIC; GRANT SELECT ON customer.applicant TO PUBLIC`, `REVOKE SELECT ON customer.applicant FROM PUBLIC; REVOKE USAGE ON SCHEMA customer FROM PUBLIC`),
		w.sql("a new login", p, `CREATE ROLE stranger LOGIN IN ROLE app_rw; GRANT CONNECT ON DATABASE shop TO stranger`, `REVOKE CONNECT ON DATABASE shop FROM stranger; DROP ROLE stranger`),
		w.sql("a developer", p, `GRANT CONNECT ON DATABASE shop TO developers; GRANT app_rw TO developers`, `REVOKE app_rw FROM developers; REVOKE CONNECT ON DATABASE shop FROM developers`),
		w.declared("a team that may not", measure.Fail, ReaderTeam, func(d *estate.Database) {
			d.Readers = []estate.Reader{d.Readers[0], {Role: "cs_reader", Team: "Sales"}}
		}),
		w.declared("a privileged holder that may not", measure.Fail, ReaderTeam, func(d *estate.Database) {
			d.Privileged = append([]estate.Privilege{{Role: "it_ops", Holder: "Sales", Why: "None"}}, d.Privileged[0], d.Privileged[2])
		}),
		w.fault("no personal data to be seen", measure.Error, PersonalDataUnseen, func() {
			w.exec(`ALTER TABLE customer.applicant RENAME TO a`)
			w.exec(`ALTER TABLE customer.a RENAME first_name TO a1; ALTER TABLE customer.a RENAME last_name TO a2; ALTER TABLE customer.a RENAME email TO a3; ALTER TABLE customer.a RENAME date_of_birth TO a4`)
		}, func() {
			w.exec(`ALTER TABLE customer.a RENAME a1 TO first_name; ALTER TABLE customer.a RENAME a2 TO last_name; ALTER TABLE customer.a RENAME a3 TO email; ALTER TABLE customer.a RENAME a4 TO date_of_birth`)
			w.exec(`ALTER TABLE customer.a RENAME TO applicant`)
		}),
	}
}

func (w *world) privilegedFaults() []measuretest.Fault {
	const p = Unregistered
	attribute := func(name string) measuretest.Fault {
		return w.sql(name, p, `ALTER ROLE metrics `+name, `ALTER ROLE metrics NO`+name)
	}
	power := func(name string) measuretest.Fault {
		return w.sql(name, p, `GRANT `+name+` TO metrics`, `REVOKE `+name+` FROM metrics`)
	}
	return []measuretest.Fault{
		attribute("SUPERUSER"), attribute("CREATEROLE"), attribute("CREATEDB"), attribute("BYPASSRLS"), attribute("REPLICATION"),
		power("pg_read_all_data"), power("pg_write_all_data"), power("pg_read_server_files"), power("pg_execute_server_program"), power("pg_monitor"),
		w.sql("a chain to a privileged role", p, `CREATE ROLE between NOLOGIN IN ROLE it_ops; GRANT between TO metrics`, `DROP ROLE between`),
		w.sql("owner of a table", p, `CREATE TABLE shop.own (); ALTER TABLE shop.own OWNER TO metrics`, `DROP TABLE shop.own`),
		w.sql("owner of a schema", p, `CREATE SCHEMA mine AUTHORIZATION metrics`, `DROP SCHEMA mine`),
		w.sql("owner of the database", p, `ALTER DATABASE shop OWNER TO metrics`, `ALTER DATABASE shop OWNER TO app_owner`),
		w.sql("a role without login", p, `CREATE ROLE hidden NOLOGIN CREATEROLE`, `DROP ROLE hidden`),
		w.sql("a registered role that is gone", Gone, `ALTER ROLE it_ops RENAME TO it_operations`, `ALTER ROLE it_operations RENAME TO it_ops`),
		w.sql("public schema", PublicCreate, `GRANT CREATE ON SCHEMA public TO PUBLIC`, `REVOKE CREATE ON SCHEMA public FROM PUBLIC`),
		w.sql("public database", PublicCreate, `GRANT CREATE ON DATABASE shop TO PUBLIC`, `REVOKE CREATE ON DATABASE shop FROM PUBLIC`),
	}
}

func (w *world) developerFaults() []measuretest.Fault {
	return []measuretest.Fault{
		w.sql("a membership of the group", DeveloperRole, `GRANT app_rw TO developers`, `REVOKE app_rw FROM developers`),
		w.sql("a membership of one", DeveloperRole, `GRANT cs_reader TO dev_anna`, `REVOKE cs_reader FROM dev_anna`),
		w.sql("a new member", DeveloperRole, `CREATE ROLE dev_bo LOGIN IN ROLE developers, app_rw`, `DROP ROLE dev_bo`),
		w.sql("a right on a table", DeveloperRight, `GRANT SELECT ON shop.product TO dev_anna`, `REVOKE SELECT ON shop.product FROM dev_anna`),
		w.sql("a right on a column", DeveloperRight, `GRANT SELECT (email) ON customer.applicant TO developers`, `REVOKE SELECT (email) ON customer.applicant FROM developers`),
		w.sql("a right on a schema", DeveloperRight, `GRANT USAGE ON SCHEMA shop TO developers`, `REVOKE USAGE ON SCHEMA shop FROM developers`),
		w.sql("a right on a function", DeveloperRight, `GRANT EXECUTE ON FUNCTION shop.price TO developers`, `REVOKE EXECUTE ON FUNCTION shop.price FROM developers`),
		w.sql("a right on what will be made", DeveloperRight, `ALTER DEFAULT PRIVILEGES FOR ROLE app_owner IN SCHEMA customer GRANT SELECT ON TABLES TO developers`, `ALTER DEFAULT PRIVILEGES FOR ROLE app_owner IN SCHEMA customer REVOKE SELECT ON TABLES FROM developers`),
		w.sql("CONNECT", DeveloperRight, `GRANT CONNECT ON DATABASE shop TO developers`, `REVOKE CONNECT ON DATABASE shop FROM developers`),
		w.sql("CONNECT, and a rule that lets in", DeveloperConnect, `GRANT CONNECT ON DATABASE shop TO developers`, `REVOKE CONNECT ON DATABASE shop FROM developers`),
		w.sql("CONNECT for PUBLIC", DeveloperConnect, `GRANT CONNECT ON DATABASE shop TO PUBLIC`, `REVOKE CONNECT ON DATABASE shop FROM PUBLIC`),
		w.sql("ownership of a table", DeveloperOwner, `CREATE TABLE shop.own (); ALTER TABLE shop.own OWNER TO dev_anna`, `DROP TABLE shop.own`),
		w.sql("ownership of the database", DeveloperOwner, `ALTER DATABASE shop OWNER TO developers`, `ALTER DATABASE shop OWNER TO app_owner`),
		w.sql("superuser", DeveloperPower, `ALTER ROLE dev_anna SUPERUSER`, `ALTER ROLE dev_anna NOSUPERUSER`),
		w.sql("CREATEROLE", DeveloperPower, `ALTER ROLE dev_anna CREATEROLE`, `ALTER ROLE dev_anna NOCREATEROLE`),
		w.hba("a rule by name", measure.Fail, DeveloperConnect, `hostssl shop dev_anna 10.0.0.0/8 scram-sha-256`, `hostssl shop developers 10.0.0.0/8 scram-sha-256`),
		w.hba("a rule for the group", measure.Fail, DeveloperConnect, `hostssl all +developers 10.0.0.0/8 scram-sha-256`),
		w.hba("a rule for one that is not there yet", measure.Fail, DeveloperConnect, `hostssl all dev_absent 10.0.0.0/8 scram-sha-256`),
		w.hba("trust", measure.Fail, Trust, `hostssl shop app 10.0.0.0/8 trust`),
		w.hba("trust on the socket", measure.Fail, Trust, `local all all trust`),
		w.declared("nobody said who develops", measure.Error, DevelopersUnnamed, func(d *estate.Database) { d.Developers = nil }),
	}
}

func (w *world) transportFaults() []measuretest.Fault {
	reload := `SELECT pg_reload_conf()`
	set := func(name string, problem Problem, setting, value string) measuretest.Fault {
		return w.fault(name, measure.Fail, problem,
			func() {
				w.exec(`ALTER SYSTEM SET ` + setting + ` = '` + value + `'`)
				w.exec(reload)
				w.exec(`SELECT pg_sleep(0.3)`)
			},
			func() { w.exec(`ALTER SYSTEM RESET ` + setting); w.exec(reload); w.exec(`SELECT pg_sleep(0.3)`) })
	}
	hidden := w.sql("the setting may not be read", SettingsHidden, `REVOKE pg_read_all_settings FROM garant_reader`, `GRANT pg_read_all_settings TO garant_reader`)
	hidden.Want = measure.Error
	return []measuretest.Fault{
		hidden,
		set("no TLS", NoTLS, "ssl", "off"),
		set("TLS 1.1", OldTLS, "ssl_min_protocol_version", "TLSv1.1"),
		w.hba("host", measure.Fail, PlainRule, `host shop app 10.0.0.0/8 scram-sha-256`),
		w.hba("host for one name only", measure.Fail, PlainRule, `host shop app 10.1.2.3/32 scram-sha-256`),
		w.hba("hostnossl", measure.Fail, PlainRule, `hostnossl all all samenet scram-sha-256`),
		w.hba("a rejection that is too narrow", measure.Fail, PlainRule, `hostnossl all all 10.0.0.0/16 reject`, `host all all 10.0.0.0/8 scram-sha-256`),
		w.hba("a rejection for others", measure.Fail, PlainRule, `hostnossl all metrics all reject`, `host all all 10.0.0.0/8 scram-sha-256`),
		w.hba("a rejection that comes too late", measure.Fail, PlainRule, `host all all 10.0.0.0/8 scram-sha-256`, `hostnossl all all all reject`),
	}
}

func (w *world) networkFaults() []measuretest.Fault {
	return []measuretest.Fault{
		w.hba("all addresses", measure.Fail, WholeInternet, `hostssl all all all scram-sha-256`),
		w.hba("0.0.0.0/0", measure.Fail, WholeInternet, `hostssl all all 0.0.0.0/0 scram-sha-256`),
		w.hba("0.0.0.0 with a mask", measure.Fail, WholeInternet, `hostssl all all 0.0.0.0 0.0.0.0 scram-sha-256`),
		w.hba("::/0", measure.Fail, WholeInternet, `hostssl all all ::/0 scram-sha-256`),
		w.hba("half of it", measure.Fail, WholeInternet, `hostssl all all 128.0.0.0/1 scram-sha-256`),
		w.hba("one name only", measure.Fail, WholeInternet, `hostssl shop app all cert`),
		w.hba("replication", measure.Fail, WholeInternet, `hostssl replication all all scram-sha-256`),
	}
}

func (w *world) labelFaults() []measuretest.Fault {
	return []measuretest.Fault{
		w.sql("a new column elsewhere", Unlabelled, `ALTER TABLE customer.organisation ADD contact_email text`, `ALTER TABLE customer.organisation DROP contact_email`),
		w.sql("a new table", Unlabelled, `CREATE TABLE shop.lead (email text)`, `DROP TABLE shop.lead`),
		w.sql("a materialised view", Unlabelled, `CREATE MATERIALIZED VIEW shop.m AS SELECT email FROM customer.applicant`, `DROP MATERIALIZED VIEW shop.m`),
		w.declared("a label taken away", measure.Fail, Unlabelled, func(d *estate.Database) {
			d.Labels = []estate.Label{{Columns: "customer.applicant.email", Class: "Confidential"}}
		}),
	}
}

// hiddenFaults are of the checks that need the rules of pg_hba.conf.
func (w *world) hiddenFaults() []measuretest.Fault {
	hidden := w.sql("the rules may not be read", RulesHidden, `REVOKE EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() FROM garant_reader`, `GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() TO garant_reader`)
	hidden.Want = measure.Error
	return []measuretest.Fault{hidden, w.hba("a line in error", measure.Error, RulesBroken, `hostssl all all nonsense/99 scram-sha-256`)}
}

// blindFaults hide the database.
func (w *world) blindFaults() []measuretest.Fault {
	sound := running.cluster.DSN("garant_reader", "shop")
	address := func(name string, problem Problem, url string) measuretest.Fault {
		return w.fault(name, measure.Error, problem, func() { w.address(url) }, func() { w.address(sound) })
	}
	return []measuretest.Fault{
		address("no address", BadAddress, ""),
		address("an address that is none", BadAddress, "https://db.example.test"),
		address("nobody there", Unreachable, "postgres://garant_reader@127.0.0.1:1/shop?sslmode=disable&connect_timeout=2"),
		address("another server is not verified", Unverified, "postgres://garant_reader:reader@db.example.test:5432/shop?sslmode=require"),
		address("plain text allowed", Unverified, "postgres://garant_reader:reader@db.example.test:5432/shop?sslmode=prefer"),
		address("a role that may not connect", Refused, running.cluster.DSN("dev_anna", "shop")),
		address("a database that is not there", Refused, running.cluster.DSN("garant_reader", "gone")),
		address("a neighbour", Impostor, running.cluster.DSN("garant_reader", "postgres")),
		w.declared("another system", measure.Error, Impostor, func(d *estate.Database) { d.System = "7312345678901234567" }),
		w.fault("a locked catalogue", measure.Error, Unreadable,
			func() { w.exec(`REVOKE SELECT ON pg_catalog.pg_auth_members FROM PUBLIC`) },
			func() { w.exec(`GRANT SELECT ON pg_catalog.pg_auth_members TO PUBLIC`) }),
	}
}
