-- The example's production database: organisations that give, applicants who ask, what they
-- ask for, and what the organisations are charged. Everybody in it is invented. Run once, as the
-- superuser; isolation.sql then holds the organisations apart.
--
-- Keys begin with the organisation: none is unique across organisations, so that a refusal never tells that
-- another has such a row, and no reference leads from one organisation to another.
REVOKE ALL ON DATABASE ardoise FROM PUBLIC;
GRANT CONNECT ON DATABASE ardoise TO app, cs_reader, it_ops, reporting, garant_reader, garant_keys, backup;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
SET LOCAL ROLE app_owner;

CREATE SCHEMA customer;
CREATE TABLE customer.organisation (
  id      bigint PRIMARY KEY,
  name    text NOT NULL,
  country char(2) NOT NULL,
  since   date NOT NULL
);
CREATE TABLE customer.field ( -- what a sponsorship can be for
  code    text PRIMARY KEY,
  name_fr text NOT NULL,
  name_en text NOT NULL
);
CREATE TABLE customer.member (
  organisation_id bigint NOT NULL REFERENCES customer.organisation,
  id              uuid NOT NULL DEFAULT gen_random_uuid(),
  first_name      text NOT NULL,
  last_name       text NOT NULL,
  email           text NOT NULL,
  role            text NOT NULL CHECK (role IN ('review', 'pay', 'read')),
  last_ip         inet,
  PRIMARY KEY (organisation_id, id),
  UNIQUE (organisation_id, email)
);
CREATE TABLE customer.applicant (
  organisation_id bigint NOT NULL REFERENCES customer.organisation,
  id              uuid NOT NULL DEFAULT gen_random_uuid(),
  first_name      text NOT NULL,
  last_name       text NOT NULL,
  email           text NOT NULL,
  phone           text,
  date_of_birth   date,
  street          text,
  postal_code     text,
  city            text,
  iban            text,
  motivation      text,
  PRIMARY KEY (organisation_id, id)
);
CREATE TABLE customer.application (
  organisation_id bigint NOT NULL,
  id              uuid NOT NULL DEFAULT gen_random_uuid(),
  applicant_id    uuid NOT NULL,
  field           text NOT NULL REFERENCES customer.field,
  subject         text NOT NULL,
  description     text NOT NULL,
  amount          numeric(12, 2) NOT NULL CHECK (amount > 0),
  status          text NOT NULL DEFAULT 'submitted' CHECK (status IN ('submitted', 'granted', 'refused', 'paid')),
  submitted_at    timestamptz NOT NULL DEFAULT now(),
  decided_at      timestamptz,
  decided_by      uuid,
  PRIMARY KEY (organisation_id, id),
  FOREIGN KEY (organisation_id, applicant_id) REFERENCES customer.applicant,
  FOREIGN KEY (organisation_id, decided_by) REFERENCES customer.member
);
CREATE INDEX ON customer.application (organisation_id, applicant_id);
CREATE INDEX ON customer.application (organisation_id, submitted_at DESC, id DESC);
CREATE TABLE customer.payment (
  organisation_id bigint NOT NULL,
  id              uuid NOT NULL DEFAULT gen_random_uuid(),
  application_id  uuid NOT NULL,
  amount          numeric(12, 2) NOT NULL CHECK (amount > 0),
  iban            text NOT NULL,
  member_id       uuid NOT NULL,
  paid_at         timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (organisation_id, id),
  UNIQUE (organisation_id, application_id), -- nothing is paid twice
  FOREIGN KEY (organisation_id, application_id) REFERENCES customer.application,
  FOREIGN KEY (organisation_id, member_id) REFERENCES customer.member
);
CREATE TABLE customer.event ( -- what happened to an application
  organisation_id bigint NOT NULL,
  id              uuid NOT NULL DEFAULT gen_random_uuid(),
  application_id  uuid NOT NULL,
  at              timestamptz NOT NULL DEFAULT clock_timestamp(),
  kind            text NOT NULL CHECK (kind IN ('submitted', 'granted', 'refused', 'paid')),
  member_id       uuid,
  note            text,
  PRIMARY KEY (organisation_id, id),
  FOREIGN KEY (organisation_id, application_id) REFERENCES customer.application,
  FOREIGN KEY (organisation_id, member_id) REFERENCES customer.member
);
CREATE INDEX ON customer.event (organisation_id, application_id);

CREATE SCHEMA billing;
CREATE TABLE billing.invoice (
  organisation_id bigint NOT NULL REFERENCES customer.organisation,
  number          text NOT NULL,
  billing_email   text NOT NULL,
  total           numeric(12, 2) NOT NULL,
  issued_on       date NOT NULL,
  PRIMARY KEY (organisation_id, number)
);
CREATE VIEW billing.monthly AS
  SELECT date_trunc('month', issued_on)::date AS month, count(*) AS invoices, sum(total) AS total FROM billing.invoice GROUP BY 1;

GRANT USAGE ON SCHEMA customer, billing TO app_rw;
GRANT SELECT ON customer.organisation, customer.field, customer.member, billing.invoice TO app_rw;
GRANT SELECT, INSERT ON customer.applicant, customer.payment, customer.event TO app_rw;
GRANT SELECT, INSERT, UPDATE ON customer.application TO app_rw;
GRANT USAGE ON SCHEMA customer TO cs_reader;
GRANT SELECT ON customer.organisation, customer.field, customer.applicant, customer.application TO cs_reader;
GRANT USAGE ON SCHEMA billing TO reporting;
GRANT SELECT ON billing.monthly TO reporting;

INSERT INTO customer.organisation (id, name, country, since) VALUES
  (1, 'Brasserie de l’Exemple', 'BE', '2024-02-24'),
  (2, 'Assurances de l’Exemple', 'FR', '2024-04-04');
INSERT INTO customer.field (code, name_fr, name_en) VALUES
  ('culture', 'Culture', 'Culture'), ('education', 'Éducation', 'Education'), ('environment', 'Environnement', 'Environment'), ('sport', 'Sport', 'Sport');
-- The users of the example's login (demo.Users) have these ids.
INSERT INTO customer.member (organisation_id, id, first_name, last_name, email, role)
  SELECT o, ('00000000-0000-4000-8000-0000000000' || o || r)::uuid, (ARRAY['Instruction', 'Trésorerie', 'Consultation'])[r], '(exemple)',
    (ARRAY['instruction', 'tresorerie', 'consultation'])[r] || '@' || (ARRAY['brasserie', 'assurances'])[o] || '.example', (ARRAY['review', 'pay', 'read'])[r]
  FROM generate_series(1, 2) AS o, generate_series(1, 3) AS r;
INSERT INTO customer.applicant (organisation_id, id, first_name, last_name, email, phone, date_of_birth, street, postal_code, city, iban, motivation)
  SELECT 1 + n % 2, md5('applicant ' || n)::uuid, 'Prénom', 'Exemple ' || n, 'personne' || n || '@mail.example', '+32 000 00 00 ' || lpad(n::text, 2, '0'), date '1970-01-01' + n * 97,
    'Rue de l’Exemple ' || n, '0000', 'Ville exemple', 'XX00' || lpad(n::text, 12, '0'), 'Nous en avons besoin pour l’exemple n° ' || n || '.' FROM generate_series(1, 60) AS n;
INSERT INTO customer.application (organisation_id, id, applicant_id, field, subject, description, amount, status, submitted_at, decided_at, decided_by)
  SELECT 1 + n % 2, md5('application ' || n)::uuid, md5('applicant ' || 1 + (n - 1) % 60)::uuid, (ARRAY['sport', 'culture', 'education', 'environment'])[1 + k % 4],
    (ARRAY['Tournoi des jeunes', 'Concert de quartier', 'Ateliers de lecture', 'Potager partagé', 'Maillots de l’équipe', 'Fanfare du village', 'Cartes pour la classe', 'Haies le long du canal'])[1 + k % 8] || ' n° ' || n,
    'Une demande inventée, pour que l’application ait de quoi montrer. Elle porte le numéro ' || n || '.', 250 + n * 15, s, at, CASE WHEN s <> 'submitted' THEN at + interval '3 days' END,
    CASE WHEN s <> 'submitted' THEN ('00000000-0000-4000-8000-0000000000' || 1 + n % 2 || '1')::uuid END
  FROM generate_series(1, 120) AS n, LATERAL (SELECT (n - 1) / 2 AS k) AS pair,
    LATERAL (SELECT (ARRAY['submitted', 'granted', 'refused', 'paid', 'submitted', 'paid'])[1 + pair.k % 6] AS s, timestamptz '2026-03-01 09:00+00' + n * interval '7 hours' AS at) AS told;
INSERT INTO customer.event (organisation_id, id, application_id, at, kind)
  SELECT organisation_id, md5('event ' || id)::uuid, id, submitted_at, 'submitted' FROM customer.application;
INSERT INTO customer.event (organisation_id, id, application_id, at, kind, member_id, note)
  SELECT organisation_id, md5('decision ' || id)::uuid, id, decided_at, CASE status WHEN 'refused' THEN 'refused' ELSE 'granted' END, decided_by, CASE status WHEN 'refused' THEN 'Le budget de l’exemple est épuisé.' END
  FROM customer.application WHERE decided_at IS NOT NULL;
INSERT INTO customer.payment (organisation_id, id, application_id, amount, iban, member_id, paid_at)
  SELECT p.organisation_id, md5('payment ' || p.id)::uuid, p.id, p.amount, a.iban, ('00000000-0000-4000-8000-0000000000' || p.organisation_id || '2')::uuid, p.decided_at + interval '2 days'
  FROM customer.application p JOIN customer.applicant a USING (organisation_id) WHERE a.id = p.applicant_id AND p.status = 'paid';
INSERT INTO customer.event (organisation_id, id, application_id, at, kind, member_id)
  SELECT organisation_id, md5('paid ' || id)::uuid, application_id, paid_at, 'paid', member_id FROM customer.payment;
INSERT INTO billing.invoice (organisation_id, number, billing_email, total, issued_on)
  SELECT 1 + n % 2, '2026-' || lpad((1 + n / 2)::text, 4, '0'), 'comptabilite@' || (ARRAY['brasserie', 'assurances'])[1 + n % 2] || '.example', 120 + n * 10, date '2026-01-05' + n * 13 FROM generate_series(0, 23) AS n;
