-- +goose Up
-- What an API token that may have tokens of tenants minted is bound to: guarded databases by name, and by what right. A token
-- from before this was asked has none of the three, and is bound by its end alone.
ALTER TABLE directory.api_token
	ADD COLUMN mint_databases text[] CHECK (cardinality(mint_databases) > 0),
	ADD COLUMN mint_logins    boolean, -- in exchange for the ID tokens of logins
	ADD COLUMN mint_jobs      text[],  -- for service jobs of these names
	ADD CONSTRAINT api_token_minting CHECK (mint_databases IS NULL AND mint_logins IS NULL AND mint_jobs IS NULL
		OR mint_databases IS NOT NULL AND mint_logins IS NOT NULL AND mint_jobs IS NOT NULL
			AND (mint_logins OR cardinality(mint_jobs) > 0) AND 'tenancy:mint' = ANY (scopes));
GRANT SELECT (mint_databases, mint_logins, mint_jobs) ON directory.api_token TO garant_staff;
GRANT INSERT (mint_databases, mint_logins, mint_jobs) ON directory.api_token TO garant_login;

-- New ones are bound, whoever makes them.
-- +goose StatementBegin
CREATE FUNCTION directory.bind_minting() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	IF 'tenancy:mint' = ANY (NEW.scopes) AND NEW.mint_databases IS NULL THEN
		RAISE EXCEPTION 'a token that mints is bound' USING ERRCODE = 'check_violation', CONSTRAINT = 'api_token_bound', TABLE = 'api_token';
	END IF;
	RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER bound BEFORE INSERT ON directory.api_token FOR EACH ROW EXECUTE FUNCTION directory.bind_minting();
