-- +goose Up
-- The persons of the staff and their credentials.
--
-- Two roles share these tables and neither can do the other's work: garant_login verifies what
-- people present and keeps their own credentials, but adds and changes no person; garant_staff
-- manages persons, but reads no hash of a token and makes no session, passkey or code. Tokens,
-- links and codes are stored as SHA-256 only: they are 80 random bits or more, which no
-- dictionary holds and no machine counts through.

CREATE TABLE directory.person (
	id          uuid PRIMARY KEY,
	email_index bytea NOT NULL CHECK (octet_length(email_index) = 32), -- keyed hash of the normalised address
	email       bytea NOT NULL,                                        -- sealed, as name
	name        bytea NOT NULL,
	role        text NOT NULL CHECK (role <> ''),
	created_at  timestamptz NOT NULL,
	created_by  text NOT NULL,
	disabled_at timestamptz,
	CONSTRAINT person_email_once UNIQUE (email_index)
);
CREATE INDEX person_lead ON directory.person (id) WHERE role = 'lead' AND disabled_at IS NULL;
GRANT SELECT, INSERT ON directory.person TO garant_staff;
GRANT UPDATE (role, disabled_at) ON directory.person TO garant_staff;
GRANT SELECT (id, email_index, email, name, role, disabled_at) ON directory.person TO garant_login;

-- A one-time link that somebody allowed to made for a person.
CREATE TABLE directory.link (
	id         uuid PRIMARY KEY,
	hash       bytea NOT NULL CHECK (octet_length(hash) = 32),
	person_id  uuid NOT NULL REFERENCES directory.person,
	purpose    text NOT NULL CHECK (purpose IN ('sign_in', 'recover')),
	created_at timestamptz NOT NULL,
	created_by text NOT NULL,
	expires_at timestamptz NOT NULL CHECK (expires_at > created_at AND expires_at <= created_at + interval '1 day'),
	used_at    timestamptz,
	void_at    timestamptz, -- made worthless before it was used
	CONSTRAINT link_hash UNIQUE (hash)
);
CREATE INDEX link_person ON directory.link (person_id);
GRANT INSERT (id, hash, person_id, purpose, created_at, created_by, expires_at) ON directory.link TO garant_staff;
GRANT SELECT (id, person_id, purpose, created_at, created_by, expires_at, used_at, void_at) ON directory.link TO garant_staff;
GRANT UPDATE (void_at) ON directory.link TO garant_staff;
GRANT SELECT, DELETE ON directory.link TO garant_login;
GRANT UPDATE (used_at, void_at) ON directory.link TO garant_login;

CREATE TABLE directory.session (
	id           uuid PRIMARY KEY,
	hash         bytea NOT NULL CHECK (octet_length(hash) = 32),
	person_id    uuid NOT NULL REFERENCES directory.person,
	method       text NOT NULL CHECK (method IN ('link', 'recovery', 'passkey')),
	enrolled     boolean NOT NULL,       -- false: may only register a passkey
	opened_at    timestamptz NOT NULL,
	verified_at  timestamptz NOT NULL,   -- the person last proved presence with a passkey, or opened the session
	last_seen_at timestamptz NOT NULL,
	expires_at   timestamptz NOT NULL CHECK (expires_at > opened_at),
	ended_at     timestamptz,
	ended_reason text CHECK ((ended_at IS NULL) = (ended_reason IS NULL)),
	origin       text NOT NULL,
	agent        text NOT NULL CHECK (length(agent) <= 120),
	CONSTRAINT session_hash UNIQUE (hash)
);
CREATE INDEX session_person ON directory.session (person_id) WHERE ended_at IS NULL;
GRANT SELECT (id, person_id, method, enrolled, opened_at, verified_at, last_seen_at, expires_at, ended_at, ended_reason, origin, agent)
	ON directory.session TO garant_staff;
GRANT UPDATE (ended_at, ended_reason) ON directory.session TO garant_staff;
GRANT SELECT, DELETE ON directory.session TO garant_login;
GRANT INSERT (id, hash, person_id, method, enrolled, opened_at, verified_at, last_seen_at, expires_at, origin, agent)
	ON directory.session TO garant_login;
GRANT UPDATE (hash, enrolled, verified_at, last_seen_at, expires_at, ended_at, ended_reason) ON directory.session TO garant_login;

CREATE TABLE directory.passkey (
	id            uuid PRIMARY KEY,
	person_id     uuid NOT NULL REFERENCES directory.person,
	credential_id bytea NOT NULL,
	public_key    bytea NOT NULL,        -- COSE
	flags         smallint NOT NULL CHECK (flags & 4 = 4), -- authenticator flags at registration; user verified
	sign_count    bigint NOT NULL CHECK (sign_count >= 0),
	aaguid        uuid NOT NULL,
	transports    text[] NOT NULL,
	name          bytea NOT NULL,        -- sealed under the person's key
	created_at    timestamptz NOT NULL,
	last_used_at  timestamptz,
	suspect_at    timestamptz,           -- its counter went backwards: there may be a copy
	CONSTRAINT passkey_credential UNIQUE (credential_id)
);
CREATE INDEX passkey_person ON directory.passkey (person_id);
GRANT SELECT (id, person_id, created_at, last_used_at, suspect_at) ON directory.passkey TO garant_staff;
GRANT SELECT, DELETE ON directory.passkey TO garant_login;
GRANT INSERT (id, person_id, credential_id, public_key, flags, sign_count, aaguid, transports, name, created_at, last_used_at)
	ON directory.passkey TO garant_login;
GRANT UPDATE (flags, sign_count, last_used_at, suspect_at, name) ON directory.passkey TO garant_login;

CREATE TABLE directory.recovery_code (
	person_id  uuid NOT NULL REFERENCES directory.person,
	hash       bytea NOT NULL CHECK (octet_length(hash) = 32),
	created_at timestamptz NOT NULL,
	used_at    timestamptz,
	PRIMARY KEY (person_id, hash)
);
GRANT SELECT (person_id, created_at, used_at) ON directory.recovery_code TO garant_staff;
GRANT SELECT, DELETE ON directory.recovery_code TO garant_login;
GRANT INSERT (person_id, hash, created_at) ON directory.recovery_code TO garant_login;
GRANT UPDATE (used_at) ON directory.recovery_code TO garant_login;

CREATE TABLE directory.api_token (
	id           uuid PRIMARY KEY,
	hash         bytea NOT NULL CHECK (octet_length(hash) = 32),
	person_id    uuid NOT NULL REFERENCES directory.person,
	name         bytea NOT NULL,         -- sealed under the person's key
	scopes       text[] NOT NULL CHECK (cardinality(scopes) > 0),
	created_at   timestamptz NOT NULL,
	expires_at   timestamptz NOT NULL CHECK (expires_at > created_at AND expires_at <= created_at + interval '366 days'),
	last_used_at timestamptz,
	revoked_at   timestamptz,
	CONSTRAINT api_token_hash UNIQUE (hash)
);
CREATE INDEX api_token_person ON directory.api_token (person_id);
GRANT SELECT (id, person_id, scopes, created_at, expires_at, last_used_at, revoked_at) ON directory.api_token TO garant_staff;
GRANT UPDATE (revoked_at) ON directory.api_token TO garant_staff;
GRANT SELECT, DELETE ON directory.api_token TO garant_login;
GRANT INSERT (id, hash, person_id, name, scopes, created_at, expires_at) ON directory.api_token TO garant_login;
GRANT UPDATE (last_used_at, revoked_at) ON directory.api_token TO garant_login;

-- The server's half of a WebAuthn ceremony that has begun. Finishing it deletes the row first,
-- whatever comes of it.
CREATE TABLE directory.ceremony (
	hash       bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
	kind       text NOT NULL CHECK (kind IN ('register', 'login')),
	session_id uuid REFERENCES directory.session ON DELETE CASCADE,
	state      json NOT NULL,
	expires_at timestamptz NOT NULL,
	CHECK ((kind = 'register') = (session_id IS NOT NULL))
);
CREATE INDEX ceremony_expiry ON directory.ceremony (expires_at);
GRANT SELECT, INSERT, DELETE ON directory.ceremony TO garant_login;

-- Attempts in the running window, by keyed hash of what is limited: one count for all servers.
CREATE TABLE directory.throttle (
	key        bytea PRIMARY KEY CHECK (octet_length(key) = 32),
	started_at timestamptz NOT NULL,
	attempts   integer NOT NULL
);
CREATE INDEX throttle_started ON directory.throttle (started_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON directory.throttle TO garant_login;

-- What a person must be told about their own account.
CREATE TABLE directory.notice (
	id        uuid PRIMARY KEY,
	person_id uuid NOT NULL REFERENCES directory.person,
	kind      text NOT NULL CHECK (kind ~ '^[a-z_]+$'),
	at        timestamptz NOT NULL,
	seen_at   timestamptz
);
CREATE INDEX notice_unseen ON directory.notice (person_id, at) WHERE seen_at IS NULL;
GRANT SELECT, INSERT, DELETE ON directory.notice TO garant_login;
GRANT UPDATE (seen_at) ON directory.notice TO garant_login;
