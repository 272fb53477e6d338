-- +goose Up
-- What movers tell of their moves, for people: the move itself is recorded in the database that it leads out of.

CREATE TABLE hosting.move (
	id          uuid PRIMARY KEY,
	database    text NOT NULL,                -- name in the estate of the database whose tenant it is
	tenant_type text NOT NULL CHECK (tenant_type IN ('uuid', 'bigint', 'text')),
	tenant      text NOT NULL CHECK (octet_length(tenant) BETWEEN 1 AND 38),
	source      text NOT NULL,                -- names in the estate
	target      text NOT NULL,
	step        text NOT NULL,
	rows        bigint NOT NULL,              -- copied
	bytes       bigint NOT NULL,
	rate        bigint NOT NULL,              -- bytes a second, lately
	behind      bigint NOT NULL,              -- changes that were written down and waited for the last round
	pause_ms    bigint NOT NULL,
	proof       jsonb NOT NULL,               -- sums that were found equal at both ends
	restore     text NOT NULL,
	failure     text NOT NULL,                -- what the mover said when it stopped; empty: it did not
	started_at  timestamptz NOT NULL,
	started_by  text NOT NULL,
	switched_at timestamptz,
	finished_at timestamptz,
	heard_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX move_started ON hosting.move (started_at);
GRANT SELECT, INSERT, UPDATE (step, rows, bytes, rate, behind, pause_ms, proof, restore, failure, switched_at, finished_at, heard_at) ON hosting.move TO garant_staff, garant_worker;
GRANT SELECT ON hosting.move TO garant_checker;
