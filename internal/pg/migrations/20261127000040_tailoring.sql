-- +goose Up
-- The company's own annex: what it changes of the catalogue, as a draft, as proposals of it to a
-- second person, and as published versions. Everything here is only ever added to: the draft in
-- force is the last one, a proposal is a revision of it, and what became of a proposal is a row
-- of its own. Whoever had a hand in a text never decides on it; the database holds that.

CREATE TABLE measure.annex_draft (
	revision  bigint PRIMARY KEY CHECK (revision > 0),
	text      text NOT NULL CHECK (octet_length(text) <= 1048576), -- annex.yaml, to the letter
	hash      text NOT NULL CHECK (hash ~ '^[0-9a-f]{64}$'),        -- hex SHA-256 of what it declares
	edited_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	edited_by text NOT NULL CHECK (edited_by ~ '^(person|system):.')
);
CREATE TABLE measure.annex_proposal (
	id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	revision    bigint NOT NULL REFERENCES measure.annex_draft,
	note        text NOT NULL CHECK (length(note) <= 1000),
	proposed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	proposed_by text NOT NULL CHECK (proposed_by ~ '^(person|system):.')
);
CREATE TABLE measure.annex_decision (
	proposal   bigint PRIMARY KEY REFERENCES measure.annex_proposal,
	outcome    text NOT NULL CHECK (outcome IN ('published', 'refused', 'withdrawn')),
	reason     text NOT NULL CHECK (length(reason) <= 1000),
	decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	decided_by text NOT NULL CHECK (decided_by ~ '^(person|system):.'),
	version    bigint UNIQUE,  -- of the published annex
	base_hash  text,           -- of the catalogue that it was tailored from
	hash       text,           -- of the catalogue that came of it
	changes    jsonb,          -- against the version before; null: that could not be read any more
	CHECK ((outcome = 'published') = (version IS NOT NULL AND base_hash ~ '^[0-9a-f]{64}$' AND hash ~ '^[0-9a-f]{64}$')),
	CHECK (outcome <> 'refused' OR reason <> '')
);
COMMENT ON COLUMN measure.annex_draft.edited_by IS 'person:ID or system:NAME';
GRANT SELECT ON measure.annex_draft, measure.annex_proposal, measure.annex_decision TO garant_staff, garant_worker;
GRANT INSERT (revision, text, hash, edited_by) ON measure.annex_draft TO garant_staff;
GRANT INSERT (revision, note, proposed_by) ON measure.annex_proposal TO garant_staff;
GRANT INSERT (proposal, outcome, reason, decided_by, version, base_hash, hash, changes) ON measure.annex_decision TO garant_staff;

-- +goose StatementBegin
CREATE FUNCTION measure.check_annex_draft() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(418464556408);
	IF NEW.revision <> (SELECT coalesce(max(d.revision), 0) + 1 FROM measure.annex_draft AS d) THEN
		RAISE EXCEPTION 'somebody else edited it' USING ERRCODE = 'check_violation', CONSTRAINT = 'annex_draft_next', TABLE = 'annex_draft';
	END IF;
	RETURN NEW;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION measure.check_annex_proposal() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(418464556408);
	IF EXISTS (SELECT FROM measure.annex_proposal AS p WHERE NOT EXISTS (SELECT FROM measure.annex_decision AS d WHERE d.proposal = p.id)) THEN
		RAISE EXCEPTION 'another waits' USING ERRCODE = 'check_violation', CONSTRAINT = 'annex_proposal_one', TABLE = 'annex_proposal';
	END IF;
	IF NEW.revision <> (SELECT max(d.revision) FROM measure.annex_draft AS d) THEN
		RAISE EXCEPTION 'not the draft in force' USING ERRCODE = 'check_violation', CONSTRAINT = 'annex_proposal_current', TABLE = 'annex_proposal';
	END IF;
	IF EXISTS (SELECT FROM measure.annex_decision AS d JOIN measure.annex_proposal AS p ON p.id = d.proposal WHERE d.version IS NOT NULL AND p.revision >= NEW.revision) THEN
		RAISE EXCEPTION 'published already' USING ERRCODE = 'check_violation', CONSTRAINT = 'annex_proposal_new', TABLE = 'annex_proposal';
	END IF;
	RETURN NEW;
END
$$;
-- +goose StatementEnd

-- Only a person publishes or refuses, and none who edited or proposed since the last publication.
-- +goose StatementBegin
CREATE FUNCTION measure.check_annex_decision() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
	proposed measure.annex_proposal;
	published bigint; -- the last revision that was
BEGIN
	PERFORM pg_advisory_xact_lock(418464556408);
	SELECT * INTO STRICT proposed FROM measure.annex_proposal WHERE id = NEW.proposal;
	SELECT coalesce(max(p.revision), 0) INTO published
		FROM measure.annex_decision AS d JOIN measure.annex_proposal AS p ON p.id = d.proposal WHERE d.version IS NOT NULL;
	IF NEW.outcome <> 'withdrawn' AND (NEW.decided_by !~ '^person:.'
		OR EXISTS (SELECT FROM measure.annex_draft AS d WHERE d.revision > published AND d.revision <= proposed.revision AND d.edited_by = NEW.decided_by)
		OR EXISTS (SELECT FROM measure.annex_proposal AS p WHERE p.revision > published AND p.proposed_by = NEW.decided_by)) THEN
		RAISE EXCEPTION 'not a second person' USING ERRCODE = 'check_violation', CONSTRAINT = 'annex_decision_second_person', TABLE = 'annex_decision';
	END IF;
	IF NEW.version <> (SELECT coalesce(max(d.version), 0) + 1 FROM measure.annex_decision AS d) THEN
		RAISE EXCEPTION 'not the next version' USING ERRCODE = 'check_violation', CONSTRAINT = 'annex_decision_next', TABLE = 'annex_decision';
	END IF;
	RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER check_annex_draft BEFORE INSERT ON measure.annex_draft
	FOR EACH ROW EXECUTE FUNCTION measure.check_annex_draft();
CREATE TRIGGER check_annex_proposal BEFORE INSERT ON measure.annex_proposal
	FOR EACH ROW EXECUTE FUNCTION measure.check_annex_proposal();
CREATE TRIGGER check_annex_decision BEFORE INSERT ON measure.annex_decision
	FOR EACH ROW EXECUTE FUNCTION measure.check_annex_decision();
