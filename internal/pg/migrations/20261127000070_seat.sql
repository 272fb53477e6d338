-- +goose Up
-- The auditor: a seat that ends, and samples of records with what was found in them.

-- seats -----------------------------------------------------------------------------------
ALTER TABLE directory.person
	ADD COLUMN access_until  timestamptz, -- from then on nothing of the person works; null: no end
	ADD COLUMN access_set_at timestamptz, -- when that end was set: the database's to say
	ADD CONSTRAINT person_seat_end CHECK (role <> 'auditor' OR access_until IS NOT NULL),
	ADD CONSTRAINT person_seat_length CHECK (access_until <= access_set_at + interval '366 days'),
	ADD CONSTRAINT person_seat_set CHECK ((access_until IS NULL) = (access_set_at IS NULL));
CREATE INDEX person_seat ON directory.person (access_until) WHERE access_until IS NOT NULL;
GRANT UPDATE (access_until) ON directory.person TO garant_staff;
GRANT SELECT (access_until) ON directory.person TO garant_login;

-- +goose StatementBegin
CREATE FUNCTION directory.set_seat() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	IF NEW.access_until IS NULL THEN
		NEW.access_set_at := NULL;
	ELSIF TG_OP = 'INSERT' OR NEW.access_until IS DISTINCT FROM OLD.access_until THEN
		NEW.access_set_at := clock_timestamp();
	ELSE
		NEW.access_set_at := OLD.access_set_at;
	END IF;
	RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER set_seat BEFORE INSERT OR UPDATE ON directory.person
	FOR EACH ROW EXECUTE FUNCTION directory.set_seat();

-- A seat that was seen to be over stays over, whatever a clock says afterwards: only another end
-- opens it again.
CREATE TABLE directory.seat_end (
	person_id    uuid NOT NULL REFERENCES directory.person,
	access_until timestamptz NOT NULL,
	ended_at     timestamptz NOT NULL,
	PRIMARY KEY (person_id, access_until),
	CHECK (ended_at >= access_until)
);
GRANT SELECT ON directory.seat_end TO garant_staff;
GRANT SELECT, INSERT ON directory.seat_end TO garant_login;

-- samples ---------------------------------------------------------------------------------
-- Rows of these tables are added and never changed.
CREATE TABLE audit.sample (
	id                uuid PRIMARY KEY,
	population        text NOT NULL CHECK (population ~ '^[a-z_]+$'),
	part              text NOT NULL,               -- the part of the population; empty: the whole
	period_from       timestamptz NOT NULL,
	period_until      timestamptz NOT NULL,        -- not part of it
	method            text NOT NULL CHECK (method IN ('random', 'systematic')),
	seed              text NOT NULL CHECK (seed ~ '^[0-9A-Za-z._-]{1,64}$'),
	size              integer NOT NULL CHECK (size BETWEEN 1 AND 500), -- as asked for
	population_size   bigint NOT NULL CHECK (population_size > 0),
	population_digest text NOT NULL CHECK (population_digest ~ '^[0-9a-f]{64}$'), -- over all ids, in order
	digest            text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),            -- over everything above and the items
	purpose           text NOT NULL CHECK (length(purpose) <= 500),
	drawn_at          timestamptz NOT NULL,
	drawn_by          text NOT NULL CHECK (drawn_by ~ '^(person|system):.'),
	CHECK (period_from < period_until AND period_until <= drawn_at)
);
CREATE TABLE audit.sample_item (
	sample_id uuid NOT NULL REFERENCES audit.sample,
	position  integer NOT NULL CHECK (position > 0),
	item_id   text NOT NULL CHECK (item_id <> ''),
	digest    text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'), -- over what the item held when it was drawn
	PRIMARY KEY (sample_id, position),
	UNIQUE (sample_id, item_id)
);
-- What an auditor found; the last row of an item counts, the others are its history.
CREATE TABLE audit.sample_note (
	id        uuid PRIMARY KEY,
	sample_id uuid NOT NULL,
	position  integer NOT NULL,
	result    text NOT NULL CHECK (result IN ('ok', 'exception', 'not_assessable')),
	note      text NOT NULL CHECK (length(note) <= 2000 AND (result = 'ok' OR note <> '')),
	noted_at  timestamptz NOT NULL,
	noted_by  text NOT NULL CHECK (noted_by ~ '^(person|system):.'),
	FOREIGN KEY (sample_id, position) REFERENCES audit.sample_item
);
CREATE INDEX sample_note_item ON audit.sample_note (sample_id, position, id);
GRANT SELECT, INSERT ON audit.sample, audit.sample_item, audit.sample_note TO garant_staff;
CREATE INDEX entry_action ON audit.entry (action, id);
CREATE INDEX evidence_order ON measure.evidence (check_id, id);
