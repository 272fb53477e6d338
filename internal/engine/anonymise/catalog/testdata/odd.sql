-- A schema with everything that is odd. Run by a superuser in an empty database.
CREATE EXTENSION citext;
CREATE EXTENSION btree_gist;
CREATE SCHEMA "Odd Schema";
CREATE SCHEMA extra;
CREATE EXTENSION hstore SCHEMA extra;
CREATE TYPE public.mood AS ENUM ('glad', 'sad', 'it''s so');
CREATE TYPE public.full_address AS (street text, number int, postcode varchar(10));
CREATE DOMAIN public.short AS varchar(12) CHECK (VALUE <> '');
CREATE DOMAIN public.shorter AS public.short NOT NULL CHECK (length(VALUE) < 10);
CREATE DOMAIN public.words AS text[];
CREATE DOMAIN public.price AS numeric(8,2);

CREATE TABLE public.country (code char(2) PRIMARY KEY, label text NOT NULL UNIQUE);
COMMENT ON TABLE public.country IS 'ISO 3166';
INSERT INTO public.country VALUES ('BE', 'Belgium'), ('FR', 'France');

CREATE TABLE public.member (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	email citext NOT NULL UNIQUE,
	first_name varchar(40),
	last_name varchar(40),
	birth_date date CHECK (birth_date > '1900-01-01'),
	sex char(1) CHECK (sex IN ('M', 'F', 'X')),
	postcode text,
	country char(2) REFERENCES public.country,
	mobile text,
	feeling public.mood,
	feelings public.mood[],
	home public.full_address,
	nick public.shorter,
	tags public.words,
	nicks public.short[],
	emails text[],
	fee public.price,
	ratio numeric(4,-2),
	profile jsonb,
	remarks text,
	password_hash text,
	initials text GENERATED ALWAYS AS (left(first_name, 1) || left(last_name, 1)) STORED,
	last_ip inet,
	photo bytea,
	sponsor_id bigint,
	created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN public.member.remarks IS 'What was said on the phone';
ALTER TABLE public.member ADD FOREIGN KEY (sponsor_id) REFERENCES public.member;
CREATE UNIQUE INDEX ON public.member (lower(mobile)) WHERE country <> 'FR';
CREATE UNIQUE INDEX ON public.member (first_name, last_name, birth_date);
CREATE UNIQUE INDEX ON public.member (id, country);

-- Two tables that refer to each other.
CREATE TABLE public.team (id uuid PRIMARY KEY, name text, lead_id uuid);
CREATE TABLE public.person (id uuid PRIMARY KEY, family_name text NOT NULL, team_id uuid REFERENCES public.team DEFERRABLE);
ALTER TABLE public.team ADD FOREIGN KEY (lead_id) REFERENCES public.person;

-- A composite key, and one that refers to it.
CREATE TABLE public.visit (member_id bigint REFERENCES public.member, nr int, place text, PRIMARY KEY (member_id, nr));
CREATE TABLE public.note (id serial PRIMARY KEY, member_id bigint, nr int, said text, FOREIGN KEY (member_id, nr) REFERENCES public.visit);

CREATE TABLE public.booking (room int, during tstzrange, guest text, EXCLUDE USING gist (room WITH =, during WITH &&));

-- Partitions of two levels, in another order of columns.
CREATE TABLE public.event (at timestamptz NOT NULL, member_id bigint REFERENCES public.member, ip inet, payload jsonb) PARTITION BY RANGE (at);
CREATE TABLE public.event_2025 PARTITION OF public.event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE "Odd Schema"."event_2026" (payload jsonb, ip inet NOT NULL, member_id bigint, at timestamptz NOT NULL) PARTITION BY LIST (member_id);
ALTER TABLE public.event ATTACH PARTITION "Odd Schema"."event_2026" FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE "Odd Schema"."event_2026_1" PARTITION OF "Odd Schema"."event_2026" FOR VALUES IN (1);
CREATE TABLE "Odd Schema"."event_2026_d" PARTITION OF "Odd Schema"."event_2026" DEFAULT;
CREATE UNIQUE INDEX ON "Odd Schema"."event_2026_1" (ip);

-- Inheritance.
CREATE TABLE public.contact (id int PRIMARY KEY, phone text);
CREATE TABLE public.supplier (vat text UNIQUE) INHERITS (public.contact);

CREATE TABLE "Odd Schema"."T.x ""y" ("Column A" text, "true" boolean, "select" int UNIQUE, "é🙂" text, "line
break" text);
CREATE TABLE public.session (token text PRIMARY KEY, member_id bigint REFERENCES public.member ON DELETE CASCADE, expires_at timestamptz);
CREATE TABLE public.empty ();
CREATE UNLOGGED TABLE public.quick (k text PRIMARY KEY, h extra.hstore);
CREATE TABLE public.secret (id int PRIMARY KEY, owner text);
ALTER TABLE public.secret ENABLE ROW LEVEL SECURITY;
CREATE TABLE public.dropped (a int, gone text, b int);
ALTER TABLE public.dropped DROP COLUMN gone;
DO $$ BEGIN
	EXECUTE 'CREATE TABLE public.wide (' || (SELECT string_agg(format('c%s text', i), ', ') FROM generate_series(1, 300) i) || ')';
END $$;

-- What a copy does not carry.
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE public.remote (a int) SERVER nowhere;
CREATE PUBLICATION everything FOR ALL TABLES;
CREATE VIEW public.members AS SELECT id, email FROM public.member;
CREATE MATERIALIZED VIEW public.counts AS SELECT count(*) FROM public.member;
CREATE SCHEMA garant;
CREATE TABLE garant.key (secret text);
SELECT lo_create(0), lo_create(0);
