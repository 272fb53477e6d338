-- +goose Up
-- What witnesses said, to the letter. Rows are added, never changed; the last of a key holds.

CREATE SCHEMA witness;
GRANT USAGE ON SCHEMA witness TO garant_staff, garant_worker, garant_checker;

CREATE TABLE witness.statement (
	id             uuid PRIMARY KEY,
	witness        text NOT NULL CHECK (witness <> ''),
	key            text NOT NULL CHECK (key ~ '^ed25519:'),
	sequence       bigint NOT NULL CHECK (sequence > 0),
	made_at        timestamptz NOT NULL,
	received_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
	statement      text NOT NULL CHECK (octet_length(statement) <= 65536),
	signature      text NOT NULL,
	estate_version bigint NOT NULL,
	UNIQUE (witness, key, sequence),
	CHECK (made_at <= received_at + interval '2 seconds')
);
GRANT SELECT ON witness.statement TO garant_staff, garant_worker, garant_checker;
GRANT INSERT (id, witness, key, sequence, made_at, statement, signature, estate_version) ON witness.statement TO garant_checker;
