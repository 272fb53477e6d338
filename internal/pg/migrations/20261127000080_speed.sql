-- +goose Up
-- Indexes for what pages ask of years of rows.

-- The few assets that nobody owns, among thousands.
CREATE INDEX entry_ownerless ON register.entry (id)
	WHERE register = 'assets' AND deleted_at IS NULL AND state <> 'disposed' AND fields ->> 'owner' IS NULL;
-- Persons who are no more, and whom assets may still name.
CREATE INDEX entry_gone ON register.entry (register, id) WHERE deleted_at IS NOT NULL;
-- The record of one actor, whose kind readers do not say.
DROP INDEX audit.entry_actor;
CREATE INDEX entry_actor ON audit.entry (actor_id, id);
-- The states of the last days.
CREATE INDEX state_change_at ON measure.state_change (at);
-- When each person was last seen, ended sessions included.
CREATE INDEX session_seen ON directory.session (person_id, last_seen_at DESC);
