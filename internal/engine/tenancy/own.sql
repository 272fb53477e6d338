-- What lets customers read their rows of Garant's own database, and nobody's else. Schema garant is there.
-- Run by who may act as garant_owner; safe to run again.
DO $$
DECLARE
	t record;
BEGIN
	FOR t IN SELECT * FROM (VALUES ('tenancy.minting', 'customer'), ('tenancy.customer', 'customer'), ('tenancy.session_end', 'customer'), ('tenancy.customer_job', 'customer'),
			('hosting.residence', 'customer'), ('hosting.told', 'customer'), ('audit.entry', 'tenant')) AS v (name, whose) LOOP
		CONTINUE WHEN EXISTS (SELECT FROM pg_catalog.pg_policy WHERE polrelid = t.name::regclass AND polname = 'garant_select');
		EXECUTE 'CREATE POLICY garant_select ON ' || t.name || ' FOR SELECT TO garant_portal USING (' || t.whose || ' = (SELECT garant.tenant_uuid()))';
	END LOOP;
END
$$;
