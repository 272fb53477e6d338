-- +goose Up
-- Versions of the estate: who may confirm a reduction is the database's to say as well.

ALTER TABLE estate.version
	ADD CONSTRAINT version_hash CHECK (hash ~ '^[0-9a-f]{64}$'),
	ADD CONSTRAINT version_applied_by CHECK (applied_by ~ '^(person|system):.'),
	ADD CONSTRAINT version_reductions CHECK (pg_catalog.jsonb_typeof(reductions) = 'array');
ALTER TABLE estate.confirmation
	ADD CONSTRAINT confirmation_by CHECK (confirmed_by ~ '^person:.');
CREATE INDEX version_applied_at ON estate.version (applied_at);

COMMENT ON COLUMN estate.version.hash IS 'hex SHA-256 of what garant.yaml declares of the estate, as written, and of the files it names; comments and server settings do not count';
COMMENT ON COLUMN estate.version.applied_by IS 'person:ID or system:NAME';
COMMENT ON COLUMN estate.version.reductions IS 'everything expected that this version does not give, of earlier versions too while nobody has confirmed it; by: who brought it about';

-- A confirmation is for the version in force, for something pending, and by a person who had no
-- hand in it. The lock is the one that appliers hold: a version cannot slip in between.
-- +goose StatementBegin
CREATE FUNCTION estate.check_confirmation() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
	current estate.version;
BEGIN
	PERFORM pg_advisory_xact_lock(111546548188261);
	SELECT * INTO STRICT current FROM estate.version ORDER BY id DESC LIMIT 1;
	IF NEW.version <> current.id THEN
		RAISE EXCEPTION 'not the version in force' USING ERRCODE = 'check_violation', CONSTRAINT = 'confirmation_current', TABLE = 'confirmation';
	END IF;
	IF current.reductions = '[]' THEN
		RAISE EXCEPTION 'nothing is pending' USING ERRCODE = 'check_violation', CONSTRAINT = 'confirmation_pending', TABLE = 'confirmation';
	END IF;
	IF EXISTS (SELECT FROM jsonb_array_elements(current.reductions) AS r WHERE NOT coalesce(jsonb_array_length(r -> 'by') > 0, false) OR r -> 'by' ? NEW.confirmed_by) THEN
		RAISE EXCEPTION 'not a second person' USING ERRCODE = 'check_violation', CONSTRAINT = 'confirmation_second_person', TABLE = 'confirmation';
	END IF;
	RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER check_confirmation BEFORE INSERT ON estate.confirmation
	FOR EACH ROW EXECUTE FUNCTION estate.check_confirmation();
