CREATE SCHEMA shop;
CREATE TYPE shop.state AS ENUM ('open', 'paid', 'sent');
CREATE TYPE shop.place AS (street text, town text);
CREATE COLLATION shop.loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);

-- Small tables that depend on nothing, and one that depends on one of them.
CREATE TABLE shop.country (code char(2) PRIMARY KEY, label text NOT NULL);
CREATE TABLE shop.region (code text COLLATE shop.loose PRIMARY KEY, country char(2) NOT NULL REFERENCES shop.country);
CREATE TABLE shop.schema_migration (version bigint PRIMARY KEY);

-- A table that refers to itself, larger than what comes whole.
CREATE TABLE shop.product (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, label text NOT NULL, parent_id bigint REFERENCES shop.product, region text COLLATE shop.loose REFERENCES shop.region,
	states shop.state[] NOT NULL DEFAULT '{}', made shop.place, shout text GENERATED ALWAYS AS (upper(label)) STORED, kept boolean DEFAULT true);
ALTER TABLE shop.product DROP COLUMN kept;

CREATE TABLE shop.tenant (id uuid PRIMARY KEY, label text NOT NULL, favourite bigint REFERENCES shop.product);

-- Composite keys; a self reference and a cycle of two that rows may be without.
CREATE TABLE shop.member (tenant_id uuid NOT NULL REFERENCES shop.tenant, no integer NOT NULL, label text, referred_by integer, team_id bigint,
	PRIMARY KEY (tenant_id, no), FOREIGN KEY (tenant_id, referred_by) REFERENCES shop.member);
CREATE TABLE shop.team (id bigserial PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES shop.tenant, lead integer, FOREIGN KEY (tenant_id, lead) REFERENCES shop.member);
ALTER TABLE shop.member ADD FOREIGN KEY (team_id) REFERENCES shop.team;

-- Partitioned in two levels, referring and referred to; one partition has a foreign key of its own.
CREATE TABLE shop.purchase (id bigint NOT NULL, placed date NOT NULL, tenant_id uuid NOT NULL, member_no integer NOT NULL, state shop.state NOT NULL, audit_id bigint,
	PRIMARY KEY (id, placed), FOREIGN KEY (tenant_id, member_no) REFERENCES shop.member) PARTITION BY RANGE (placed);
CREATE TABLE shop.purchase_2025 PARTITION OF shop.purchase FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY RANGE (placed);
CREATE TABLE shop.purchase_2025_early PARTITION OF shop.purchase_2025 FOR VALUES FROM ('2025-01-01') TO ('2025-07-01');
CREATE TABLE shop.purchase_2025_late (audit_id bigint, state shop.state NOT NULL, member_no integer NOT NULL, id bigint NOT NULL, placed date NOT NULL, tenant_id uuid NOT NULL);
ALTER TABLE shop.purchase_2025 ATTACH PARTITION shop.purchase_2025_late FOR VALUES FROM ('2025-07-01') TO ('2026-01-01');
CREATE TABLE shop.purchase_2026 PARTITION OF shop.purchase FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE shop.audit (id bigint PRIMARY KEY, said text);
ALTER TABLE shop.purchase_2026 ADD FOREIGN KEY (audit_id) REFERENCES shop.audit;
CREATE TABLE shop.line (purchase_id bigint NOT NULL, placed date NOT NULL, nr integer NOT NULL, product_id bigint NOT NULL REFERENCES shop.product, price numeric(10, 2) CHECK (price >= 0),
	PRIMARY KEY (purchase_id, placed, nr), FOREIGN KEY (purchase_id, placed) REFERENCES shop.purchase DEFERRABLE INITIALLY DEFERRED);

-- Cycles that no row can be without: of two tables, of three, and of a table with itself.
CREATE TABLE shop.husband (id integer PRIMARY KEY, wife_id integer NOT NULL);
CREATE TABLE shop.wife (id integer PRIMARY KEY, husband_id integer NOT NULL REFERENCES shop.husband DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE shop.husband ADD FOREIGN KEY (wife_id) REFERENCES shop.wife DEFERRABLE INITIALLY DEFERRED;
CREATE TABLE shop.ring_a (id integer PRIMARY KEY, next integer NOT NULL);
CREATE TABLE shop.ring_b (id integer PRIMARY KEY, next integer NOT NULL);
CREATE TABLE shop.ring_c (id integer PRIMARY KEY, next integer NOT NULL REFERENCES shop.ring_a DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE shop.ring_a ADD FOREIGN KEY (next) REFERENCES shop.ring_b DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE shop.ring_b ADD FOREIGN KEY (next) REFERENCES shop.ring_c DEFERRABLE INITIALLY DEFERRED;
CREATE TABLE shop."Odd ""Näme" ("a b" text PRIMARY KEY, "x." text NOT NULL REFERENCES shop."Odd ""Näme" DEFERRABLE INITIALLY DEFERRED, "select" integer);

-- What names its parent by type and number; the second may be without.
CREATE TABLE shop.ticket (id bigint PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES shop.tenant);
CREATE TABLE shop.comment (id bigint PRIMARY KEY, commentable_type text NOT NULL, commentable_id bigint NOT NULL, said text);
CREATE TABLE shop.attachment (id bigint PRIMARY KEY, owner_type varchar(40), owner_id bigint);
-- What refers without a foreign key.
CREATE TABLE shop.visit (id bigint PRIMARY KEY, ticket bigint NOT NULL);

-- No key; row-level security; inheritance; nothing.
CREATE TABLE shop.log (tenant_id uuid NOT NULL REFERENCES shop.tenant, said text);
CREATE TABLE shop.guarded (id integer PRIMARY KEY, tenant_id uuid REFERENCES shop.tenant);
ALTER TABLE shop.guarded ENABLE ROW LEVEL SECURITY;
ALTER TABLE shop.guarded FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON shop.guarded TO "app role" USING (id < 3);
CREATE TABLE shop.event (id integer, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE shop.login (ip inet) INHERITS (shop.event);
CREATE TABLE shop.empty (id integer PRIMARY KEY, product_id bigint NOT NULL REFERENCES shop.product);
CREATE TABLE shop.nothing ();

CREATE INDEX ON shop.purchase (tenant_id, member_no);
CREATE VIEW shop.open AS SELECT * FROM shop.purchase WHERE state = 'open';
CREATE MATERIALIZED VIEW shop.spent AS SELECT purchase_id, sum(price) AS total FROM shop.line GROUP BY 1;
CREATE UNIQUE INDEX ON shop.spent (purchase_id);
CREATE FUNCTION shop.stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no trigger may fire while rows are copied'; END $$;
CREATE SEQUENCE shop.alone INCREMENT BY -5 MAXVALUE 1000 START 900;
COMMENT ON COLUMN shop.member.label IS 'made up';

INSERT INTO shop.country SELECT chr(65 + n / 26) || chr(65 + n % 26), 'country ' || n FROM generate_series(0, 59) n;
INSERT INTO shop.region SELECT 'Region ' || code, code FROM shop.country;
INSERT INTO shop.schema_migration SELECT 20250000 + n FROM generate_series(1, 200) n;
INSERT INTO shop.product (label, parent_id, region, states, made) SELECT 'product ' || n, CASE WHEN n > 10 AND n % 3 = 0 THEN n / 3 END,
	CASE n % 4 WHEN 0 THEN NULL ELSE 'REGION ' || chr(65 + n % 60 / 26) || chr(65 + n % 60 % 26) END, (ARRAY['{}', '{open,sent}'])[1 + n % 2]::shop.state[], ROW(E'tab\there', 'line' || E'\n' || 'break')::shop.place FROM generate_series(1, 3000) n;
INSERT INTO shop.tenant SELECT md5(n::text)::uuid, 'tenant ' || n, CASE WHEN n % 2 = 0 THEN n END FROM generate_series(1, 40) n;
INSERT INTO shop.member (tenant_id, no, label, referred_by) SELECT md5((1 + n % 40)::text)::uuid, n, 'member ' || n, CASE WHEN n > 400 AND n % 5 = 0 THEN n - 400 END FROM generate_series(1, 2000) n;
INSERT INTO shop.team (tenant_id, lead) SELECT md5((1 + n % 40)::text)::uuid, CASE WHEN n % 3 > 0 THEN n END FROM generate_series(1, 120) n;
UPDATE shop.member m SET team_id = t.id FROM (SELECT DISTINCT ON (tenant_id) * FROM shop.team ORDER BY tenant_id, id) t WHERE t.tenant_id = m.tenant_id AND m.no % 4 = 0;
INSERT INTO shop.audit SELECT n, 'audit ' || n FROM generate_series(1, 2500) n;
INSERT INTO shop.purchase SELECT n, date '2025-02-01' + n % 600, m.tenant_id, m.no, (ARRAY['open', 'paid', 'sent'])[1 + n % 3]::shop.state, CASE WHEN date '2025-02-01' + n % 600 >= '2026-01-01' THEN 1 + n % 2500 END
	FROM generate_series(1, 6000) n JOIN shop.member m ON m.no = 1 + n % 2000;
INSERT INTO shop.line SELECT id, placed, nr, 1 + (id * 7 + nr) % 3000, (id % 100)::numeric / 3 FROM shop.purchase, generate_series(1, 3) nr;
BEGIN;
INSERT INTO shop.husband SELECT n, 1 + n % 1500 FROM generate_series(1, 1500) n;
INSERT INTO shop.wife SELECT n, 1 + (n + 1498) % 1500 FROM generate_series(1, 1500) n;
INSERT INTO shop.ring_a SELECT n, n FROM generate_series(1, 1200) n;
INSERT INTO shop.ring_b SELECT n, n FROM generate_series(1, 1300) n;
INSERT INTO shop.ring_c SELECT n, 1 + (n - 2 + n % 2 * 2) % 1200 FROM generate_series(1, 1300) n;
INSERT INTO shop."Odd ""Näme" SELECT E'k\\' || n, E'k\\' || n / 2, n FROM generate_series(0, 1400) n;
COMMIT;
INSERT INTO shop.ticket SELECT n, md5((1 + n % 40)::text)::uuid FROM generate_series(1, 2000) n;
INSERT INTO shop.comment SELECT n, (ARRAY['Shop::Ticket', 'Product', 'Gone', 'App\Models\Ticket'])[1 + n % 4], 1 + n % 2000, 'said ' || n FROM generate_series(1, 4000) n;
INSERT INTO shop.attachment SELECT n, CASE n % 3 WHEN 0 THEN 'comment' WHEN 1 THEN 'products' END, CASE n % 3 WHEN 0 THEN 1 + n % 4000 WHEN 1 THEN 1 + n % 2999 END FROM generate_series(1, 2400) n;
INSERT INTO shop.visit SELECT n, 1 + n % 2000 FROM generate_series(1, 3000) n;
INSERT INTO shop.log SELECT md5((1 + n % 40)::text)::uuid, CASE WHEN n % 2 = 0 THEN 'same' ELSE 'said ' || n END FROM generate_series(1, 3000) n;
INSERT INTO shop.guarded SELECT n, CASE WHEN n % 2 = 0 THEN md5((1 + n % 40)::text)::uuid END FROM generate_series(1, 1500) n;
INSERT INTO shop.event SELECT n FROM generate_series(1, 2000) n;
INSERT INTO shop.login SELECT n, now(), '192.0.2.1' FROM generate_series(1, 2000) n;
INSERT INTO shop.nothing SELECT FROM generate_series(1, 3);
CREATE TRIGGER stop BEFORE INSERT ON shop.member FOR EACH ROW EXECUTE FUNCTION shop.stop();
SELECT setval('shop.alone', 700), setval('shop.team_id_seq', 5000);
REFRESH MATERIALIZED VIEW shop.spent;
ANALYZE;
