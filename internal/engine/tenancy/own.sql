-- What lets customers read their rows of Garant's own database, and nobody's else. Schema garant is there.
-- Run by who may act as garant_owner; safe to run again.
DO $$
DECLARE
	t text;
BEGIN
	FOREACH t IN ARRAY ARRAY['tenancy.minting', 'tenancy.customer', 'tenancy.session_end', 'tenancy.customer_job', 'hosting.residence', 'hosting.told'] LOOP
		CONTINUE WHEN EXISTS (SELECT FROM pg_catalog.pg_policy WHERE polrelid = t::regclass AND polname = 'garant_select');
		EXECUTE 'CREATE POLICY garant_select ON ' || t || ' FOR SELECT TO garant_portal USING (customer = (SELECT garant.tenant_uuid()))';
	END LOOP;
END
$$;
