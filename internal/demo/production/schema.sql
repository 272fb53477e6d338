-- The example's production database: organisations that give, applicants who ask, what they
-- ask for, and what the organisations are charged. Everybody in it is invented. Run once, as the superuser.
REVOKE ALL ON DATABASE ardoise FROM PUBLIC;
GRANT CONNECT ON DATABASE ardoise TO app, cs_reader, it_ops, reporting, garant_reader;
GRANT SELECT ON pg_catalog.pg_hba_file_rules TO garant_reader;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() TO garant_reader;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
SET LOCAL ROLE app_owner;

CREATE SCHEMA customer;
CREATE TABLE customer.organisation (
  id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name    text NOT NULL,
  country char(2) NOT NULL,
  since   date NOT NULL
);
CREATE TABLE customer.member (
  id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organisation_id bigint NOT NULL REFERENCES customer.organisation,
  first_name      text NOT NULL,
  last_name       text NOT NULL,
  email           text NOT NULL UNIQUE,
  password_hash   text NOT NULL,
  last_ip         inet
);
CREATE TABLE customer.applicant (
  id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organisation_id bigint NOT NULL REFERENCES customer.organisation,
  first_name      text NOT NULL,
  last_name       text NOT NULL,
  email           text NOT NULL,
  phone           text,
  date_of_birth   date,
  street          text,
  postal_code     text,
  city            text,
  iban            text,
  motivation      text
);
CREATE TABLE customer.application (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  applicant_id bigint NOT NULL REFERENCES customer.applicant,
  subject      text NOT NULL,
  amount       numeric(12, 2) NOT NULL CHECK (amount > 0),
  status       text NOT NULL CHECK (status IN ('draft', 'submitted', 'granted', 'refused')),
  submitted_at timestamptz
);
CREATE INDEX ON customer.applicant (organisation_id);
CREATE INDEX ON customer.application (applicant_id);

CREATE SCHEMA billing;
CREATE TABLE billing.invoice (
  id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organisation_id bigint NOT NULL REFERENCES customer.organisation,
  number          text NOT NULL UNIQUE,
  billing_email   text NOT NULL,
  total           numeric(12, 2) NOT NULL,
  issued_on       date NOT NULL
);
CREATE VIEW billing.monthly AS
  SELECT date_trunc('month', issued_on)::date AS month, count(*) AS invoices, sum(total) AS total FROM billing.invoice GROUP BY 1;

GRANT USAGE ON SCHEMA customer, billing TO app_rw;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA customer, billing TO app_rw;
GRANT USAGE ON SCHEMA customer TO cs_reader;
GRANT SELECT ON customer.organisation, customer.applicant, customer.application TO cs_reader;
GRANT USAGE ON SCHEMA billing TO reporting;
GRANT SELECT ON billing.monthly TO reporting;

INSERT INTO customer.organisation (name, country, since)
  SELECT 'Organisation exemple ' || n, (ARRAY['BE', 'FR', 'LU'])[n], date '2024-01-15' + n * 40 FROM generate_series(1, 3) AS n;
INSERT INTO customer.member (organisation_id, first_name, last_name, email, password_hash, last_ip)
  SELECT 1 + n % 3, 'Prénom', 'Membre ' || n, 'membre' || n || '@organisation.example', 'scrypt$exemple$' || md5(n::text), '192.0.2.1'::inet + n FROM generate_series(1, 9) AS n;
INSERT INTO customer.applicant (organisation_id, first_name, last_name, email, phone, date_of_birth, street, postal_code, city, iban, motivation)
  SELECT 1 + n % 3, 'Prénom', 'Exemple ' || n, 'personne' || n || '@mail.example', '+32 000 00 00 ' || lpad(n::text, 2, '0'), date '1970-01-01' + n * 97,
    'Rue de l''Exemple ' || n, '0000', 'Ville exemple', 'XX00 0000 0000 ' || lpad(n::text, 4, '0'), 'Texte inventé ' || n FROM generate_series(1, 60) AS n;
INSERT INTO customer.application (applicant_id, subject, amount, status, submitted_at)
  SELECT 1 + n % 60, 'Projet exemple ' || n, 250 + n * 15, (ARRAY['draft', 'submitted', 'granted', 'refused'])[1 + n % 4],
    CASE WHEN n % 4 > 0 THEN timestamptz '2026-03-01 09:00+00' + n * interval '7 hours' END FROM generate_series(1, 120) AS n;
INSERT INTO billing.invoice (organisation_id, number, billing_email, total, issued_on)
  SELECT 1 + n % 3, '2026-' || lpad(n::text, 4, '0'), 'comptabilite' || (1 + n % 3) || '@organisation.example', 120 + n * 10, date '2026-01-05' + n * 13 FROM generate_series(1, 24) AS n;
