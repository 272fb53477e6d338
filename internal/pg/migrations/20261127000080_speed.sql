-- +goose Up
-- Indexes for what pages ask of years of rows.

-- The states of the last days.
CREATE INDEX state_change_at ON measure.state_change (at);
-- When each person was last seen, ended sessions included.
CREATE INDEX session_seen ON directory.session (person_id, last_seen_at DESC);
