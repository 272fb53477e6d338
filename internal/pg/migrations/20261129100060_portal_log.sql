-- +goose Up
-- A customer reads its own entries of the record, under its token: the policy that lets it see any comes with schema
-- garant (engine tenancy). It reads nothing else of the record as garant_portal: of its tree, who serves it asks for it
-- once the database has said whose token it is.
GRANT USAGE ON SCHEMA audit TO garant_portal, garant_public;
REVOKE SELECT ON audit.tree, audit.root_leaf, audit.tile, audit.checkpoint, audit.cosignature, audit.dropped FROM garant_portal;
REVOKE SELECT (generation, origin, key, began_at) ON audit.generation FROM garant_portal;
