-- From version 1. It kept no hashes: those of sessions can be told, what stands for a tenant cannot, and is looked for in the table.
ALTER TABLE garant.revocation ADD hash integer;
UPDATE garant.revocation SET hash = hashtext(replace(session::text, '-', '')) WHERE until <> 'infinity';
UPDATE garant.key SET retires_at = 'infinity' WHERE retires_at IS NULL;
ALTER TABLE garant.key ALTER retires_at SET NOT NULL, ALTER retires_at SET DEFAULT 'infinity',
	ADD prefix bytea GENERATED ALWAYS AS ('\x01'::bytea || set_byte('\x00'::bytea, 0, id) || audience) STORED, ADD ended integer[] DEFAULT '{}';
