-- +goose Up
-- Registers: typed lists with a life cycle. What a register's fields are is declared in the
-- program (internal/engine/register); here are their entries.
--
-- Personal values are sealed under a key of the entry's own (crypt.key, subject "register:ID"):
-- destroying the key erases them, in backups made later too. fields, search and sort_key never
-- hold a personal value, so that checks can read them.

CREATE SCHEMA register;
GRANT USAGE ON SCHEMA register TO garant_staff, garant_worker, garant_checker;

CREATE TABLE register.entry (
	id         uuid PRIMARY KEY,
	register   text NOT NULL CHECK (register ~ '^[a-z][a-z_]*$'),
	revision   bigint NOT NULL CHECK (revision > 0),
	state      text NOT NULL CHECK (state <> ''),
	sort_key   text COLLATE "C" NOT NULL,
	search     text COLLATE "C" NOT NULL,   -- what is looked for: letters without accents or capitals
	fields     jsonb NOT NULL CHECK (jsonb_typeof(fields) = 'object'),
	sealed     bytea,                       -- the personal values, as one sealed document
	purge_on   date,                        -- the day from which the entry is to be erased
	created_at timestamptz NOT NULL,
	created_by text NOT NULL,
	updated_at timestamptz NOT NULL,
	updated_by text NOT NULL,
	deleted_at timestamptz
);
CREATE INDEX entry_list ON register.entry (register, sort_key, id) WHERE deleted_at IS NULL;
CREATE INDEX entry_state ON register.entry (register, state) WHERE deleted_at IS NULL;
CREATE INDEX entry_purge ON register.entry (purge_on) WHERE purge_on IS NOT NULL;
GRANT SELECT, INSERT ON register.entry TO garant_staff;
GRANT UPDATE (revision, state, sort_key, search, fields, sealed, purge_on, updated_at, updated_by, deleted_at) ON register.entry TO garant_staff;
GRANT SELECT (id, register, revision, state, fields, purge_on, deleted_at) ON register.entry TO garant_worker;
GRANT SELECT (id, register, state, fields, deleted_at) ON register.entry TO garant_checker;

-- Values that may come once in a register: the value itself, or a keyed hash of a personal one.
CREATE TABLE register.unique_value (
	register text NOT NULL,
	field    text NOT NULL,
	value    bytea NOT NULL CHECK (octet_length(value) BETWEEN 1 AND 2000),
	entry_id uuid NOT NULL REFERENCES register.entry,
	CONSTRAINT unique_value_once PRIMARY KEY (register, field, value)
);
CREATE INDEX unique_value_entry ON register.unique_value (entry_id);
GRANT SELECT, INSERT, DELETE ON register.unique_value TO garant_staff;

-- Which entry names which, by which field.
CREATE TABLE register.reference (
	entry_id  uuid NOT NULL REFERENCES register.entry,
	field     text NOT NULL,
	target_id uuid NOT NULL REFERENCES register.entry,
	PRIMARY KEY (entry_id, field)
);
CREATE INDEX reference_target ON register.reference (target_id);
GRANT SELECT, INSERT, DELETE ON register.reference TO garant_staff;
GRANT SELECT ON register.reference TO garant_worker, garant_checker;

-- What was changed, when and by whom. Rows are only added; they go when the entry is purged.
CREATE TABLE register.change (
	id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	entry_id   uuid NOT NULL REFERENCES register.entry,
	revision   bigint NOT NULL,
	at         timestamptz NOT NULL,
	actor_kind text NOT NULL,
	actor_id   text NOT NULL,
	action     text NOT NULL CHECK (action IN ('created', 'imported', 'changed', 'moved', 'published', 'removed', 'purged', 'attached')),
	changes    jsonb NOT NULL DEFAULT '{}'  -- field → {from, to}; of a personal field the name alone
);
CREATE INDEX change_entry ON register.change (entry_id, id DESC);
GRANT SELECT ON register.change TO garant_staff;
GRANT INSERT (entry_id, revision, at, actor_kind, actor_id, action, changes) ON register.change TO garant_staff;

-- The versions of a document as they were published: what people acknowledge cannot change.
CREATE TABLE register.publication (
	entry_id uuid NOT NULL REFERENCES register.entry,
	version  integer NOT NULL CHECK (version > 0),
	at       timestamptz NOT NULL,
	by       text NOT NULL,
	fields   jsonb NOT NULL,
	digest   text NOT NULL,                 -- hex SHA-256 of what was published
	PRIMARY KEY (entry_id, version)
);
GRANT SELECT, INSERT ON register.publication TO garant_staff;
GRANT SELECT (entry_id, version, at, digest) ON register.publication TO garant_worker;
GRANT SELECT (entry_id, version, at, fields) ON register.publication TO garant_checker;

-- One person's word that a version was read.
CREATE TABLE register.acknowledgement (
	document_id uuid NOT NULL,
	version     integer NOT NULL,
	person_id   uuid NOT NULL REFERENCES register.entry, -- of the register of persons
	account_id  uuid NOT NULL,                           -- who was signed in
	digest      text NOT NULL,                           -- of what was shown
	at          timestamptz NOT NULL,
	PRIMARY KEY (document_id, version, person_id),
	FOREIGN KEY (document_id, version) REFERENCES register.publication
);
CREATE INDEX acknowledgement_person ON register.acknowledgement (person_id, at);
GRANT SELECT, INSERT ON register.acknowledgement TO garant_staff;
GRANT SELECT ON register.acknowledgement TO garant_worker;
GRANT SELECT (document_id, version, person_id, at) ON register.acknowledgement TO garant_checker;

-- purge erases an entry whose time has come: its key, its values, its history, what is attached to it. The worker may do
-- that and nothing else: an entry that is not due stays, whatever day the caller says it is.
-- +goose StatementBegin
CREATE FUNCTION register.purge(entry uuid, today date, now timestamptz) RETURNS boolean
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	was_revision bigint;
	of_register text;
BEGIN
	SELECT e.revision, e.register INTO was_revision, of_register FROM register.entry e
	WHERE e.id = entry AND e.purge_on IS NOT NULL AND e.purge_on <= LEAST(today, CURRENT_DATE + 1) FOR UPDATE;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	DELETE FROM crypt.key k WHERE k.subject = 'register:' || entry::text;
	DELETE FROM crypt.key k USING document.document f WHERE k.subject = 'document:' || f.id::text
		AND f.owner_kind = 'register.' || of_register AND f.owner_id = entry::text;
	DELETE FROM register.unique_value u WHERE u.entry_id = entry;
	DELETE FROM register.reference r WHERE r.entry_id = entry;
	DELETE FROM register.change c WHERE c.entry_id = entry;
	UPDATE register.entry e SET revision = e.revision + 1, sort_key = '', search = '', fields = '{}', sealed = NULL,
		purge_on = NULL, updated_at = now, updated_by = 'system:retention', deleted_at = COALESCE(e.deleted_at, now)
	WHERE e.id = entry;
	INSERT INTO register.change (entry_id, revision, at, actor_kind, actor_id, action)
	VALUES (entry, was_revision + 1, now, 'system', 'retention', 'purged');
	RETURN true;
END
$$;
-- +goose StatementEnd
GRANT EXECUTE ON FUNCTION register.purge(uuid, date, timestamptz) TO garant_worker;
