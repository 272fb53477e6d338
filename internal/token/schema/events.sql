-- The application's own events, of both designs. Run as garant_sec at each install and upgrade, after the design's own functions.
--
-- Who it was stands in the pin that enter left (enter.sql): session 8–39, type of the tenant's key 84–85, its length 86–87, the key from 88 on.
-- No event is of a tenant or a session that a caller chose.

-- tenant_of tells the tenant of a pin, as PostgreSQL prints its key. The planner puts it in place of the call.
CREATE OR REPLACE FUNCTION garant.tenant_of(pin text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE substr(pin, 84, 2)
	WHEN '75' THEN substr(pin, 88, 32)::uuid::text
	WHEN '69' THEN ('x' || substr(pin, 88, 16))::bit(64)::bigint::text
	WHEN '74' THEN convert_from(decode(substr(pin, 88), 'hex'), 'UTF8') END;

-- cut shortens what is long in the columns of a row: it keeps the beginning, the length in bytes and the SHA-256 of the whole.
CREATE OR REPLACE FUNCTION garant.cut(of jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN (SELECT jsonb_object_agg(e.key, CASE WHEN octet_length(e.value #>> '{}') > 2048 THEN jsonb_build_object(
		'begins', left(e.value #>> '{}', 200), 'bytes', octet_length(e.value #>> '{}'), 'sha256', encode(sha256(convert_to(e.value #>> '{}', 'UTF8')), 'hex'))
		ELSE e.value END) FROM jsonb_each(of) e);
END
$$;

-- named makes one text of a row's primary key: of one column its value, of several a JSON array.
CREATE OR REPLACE FUNCTION garant.named(of jsonb, keys text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	name text := CASE cardinality(keys) WHEN 0 THEN NULL WHEN 1 THEN of ->> keys[1] ELSE (SELECT jsonb_agg(of -> k ORDER BY n)::text FROM unnest(keys) WITH ORDINALITY AS u (k, n)) END;
BEGIN
	RETURN CASE WHEN octet_length(name) > 400 THEN left(name, 80) || '…' || encode(sha256(convert_to(name, 'UTF8')), 'hex') ELSE name END;
END
$$;

-- record writes what the application says happened, for the login that entered. An action whose last word is read is a read.
-- What is not as it should be is told without being quoted.
CREATE OR REPLACE FUNCTION garant.record(action text, object_kind text, object_id text, detail jsonb DEFAULT NULL, before jsonb DEFAULT NULL, after jsonb DEFAULT NULL, actor text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on AS $$
DECLARE
	pin   text := garant.pin();
	wrong text;
BEGIN
	IF pin IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'GT008', MESSAGE = 'garant: nobody entered this transaction, so that nobody can have done anything in it', HINT = 'Call garant.enter first.';
	END IF;
	wrong := CASE
		WHEN action IS NULL OR octet_length(action) > 100 OR action !~ '^[a-z_]+(\.[a-z_]+)+$' THEN 'the action is not two or more words of a–z and _ with dots between them, of 100 characters at most'
		WHEN octet_length(object_kind) > 200 OR object_kind ~ '[\u0001-\u001f\u007f]' THEN 'the kind of the object is longer than 200 bytes, or holds control characters'
		WHEN octet_length(object_id) > 400 OR object_id ~ '[\u0001-\u001f\u007f]' THEN 'the id of the object is longer than 400 bytes, or holds control characters'
		WHEN octet_length(actor) > 200 OR actor ~ '[\u0001-\u001f\u007f]' THEN 'what is said of the user is longer than 200 bytes, or holds control characters'
		WHEN object_id IS NOT NULL AND object_kind IS NULL THEN 'there is the id of an object and not its kind'
		WHEN jsonb_typeof(detail) <> 'object' OR jsonb_typeof(before) <> 'object' OR jsonb_typeof(after) <> 'object' THEN 'detail, before and after are JSON objects'
		WHEN octet_length(detail::text) > 16384 OR octet_length(before::text) > 65536 OR octet_length(after::text) > 65536 THEN 'detail is longer than 16 KiB, or before or after than 64 KiB'
		END;
	IF wrong IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'GT009', MESSAGE = 'garant: this is no event: ' || wrong, HINT = 'See docs/events.md.';
	END IF;
	INSERT INTO garant.event AS e (form, tenant, session, kind, action, object_kind, object_id, before, after, detail, actor)
	VALUES (CASE substr(pin, 84, 2) WHEN '75' THEN 'uuid' WHEN '69' THEN 'bigint' ELSE 'text' END, garant.tenant_of(pin), substr(pin, 8, 32)::uuid,
		CASE WHEN action ~ '\.read$' THEN 'read' ELSE 'said' END, record.action, record.object_kind, record.object_id, record.before, record.after, record.detail, record.actor);
END
$$;

-- capture is what the triggers of captured tables run, once for each statement. Its arguments, as garant isolation apply writes them:
-- the table's column of tenants or '', the type of their keys, the columns that name a row within its tenant as an array, which columns' values are recorded
-- (all, only these, all but these), these columns as an array, and the name that the table is recorded under.
--
-- An event is of the tenant whose row it is; the session is that of who entered, if somebody had. Whoever writes without having
-- entered is named by the role that signed in. Rows are turned into JSON as garant_sec: a cast to json by a function of
-- somebody's own would run with its rights, and is refused.
CREATE OR REPLACE FUNCTION garant.capture() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on SET enable_nestloop = off SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
	pin     text := garant.pin();
	who     uuid := substr(pin, 8, 32)::uuid;
	theirs  text := garant.tenant_of(pin); -- the tenant of who entered
	typed   text := CASE substr(pin, 84, 2) WHEN '75' THEN 'uuid' WHEN '69' THEN 'bigint' WHEN '74' THEN 'text' END;
	owned   text := TG_ARGV[0];
	keys    text[] := TG_ARGV[2];
	mode    text := TG_ARGV[3];
	listed  text[] := TG_ARGV[4];
	printed text := coalesce(TG_ARGV[5], format('%I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME));
	aligned boolean;
BEGIN
	IF TG_OP = 'TRUNCATE' THEN
		INSERT INTO garant.event (session, kind, action, object_kind) VALUES (who, 'truncate', 'table.truncated', printed); -- of every tenant
		RETURN NULL;
	END IF;
	IF EXISTS (SELECT FROM pg_cast c JOIN pg_proc p ON p.oid = c.castfunc JOIN pg_language l ON l.oid = p.prolang
		WHERE c.oid >= 16384 AND c.casttarget IN ('json'::regtype, 'jsonb'::regtype) AND l.lanname NOT IN ('c', 'internal')) THEN
		RAISE EXCEPTION USING ERRCODE = 'GT010', MESSAGE = 'garant: a cast to json by a function of this database would run with the rights of garant_sec',
			HINT = 'Drop the cast, or capture no table: garant isolation verify names it.';
	END IF;
	IF owned <> '' THEN
		typed := TG_ARGV[1];
	END IF;
	CASE TG_OP
	WHEN 'INSERT' THEN
		INSERT INTO garant.event (form, tenant, session, kind, action, object_kind, object_id, after, detail)
		SELECT typed, x.tenant, who, 'insert', 'row.inserted', printed, CASE WHEN cardinality(keys) = 1 AND octet_length(x.r ->> keys[1]) <= 400 THEN x.r ->> keys[1] ELSE garant.named(x.r, keys) END,
			CASE WHEN pg_column_size(x.told) > 2048 THEN garant.cut(x.told) ELSE x.told END, CASE WHEN x.tenant <> theirs THEN '{"entered": "elsewhere"}'::jsonb END
		FROM (SELECT y.r, CASE WHEN owned = '' THEN theirs ELSE y.r ->> owned END AS tenant,
				CASE mode WHEN 'all' THEN y.r WHEN 'but' THEN y.r - listed ELSE (SELECT jsonb_object_agg(k, y.r -> k) FROM unnest(listed) k WHERE y.r ? k) END AS told
			FROM (SELECT to_jsonb(t) AS r FROM garant_new t OFFSET 0) y OFFSET 0) x;
	WHEN 'DELETE' THEN
		INSERT INTO garant.event (form, tenant, session, kind, action, object_kind, object_id, before, detail)
		SELECT typed, x.tenant, who, 'delete', 'row.deleted', printed, CASE WHEN cardinality(keys) = 1 AND octet_length(x.r ->> keys[1]) <= 400 THEN x.r ->> keys[1] ELSE garant.named(x.r, keys) END,
			CASE WHEN pg_column_size(x.told) > 2048 THEN garant.cut(x.told) ELSE x.told END, CASE WHEN x.tenant <> theirs THEN '{"entered": "elsewhere"}'::jsonb END
		FROM (SELECT y.r, CASE WHEN owned = '' THEN theirs ELSE y.r ->> owned END AS tenant,
				CASE mode WHEN 'all' THEN y.r WHEN 'but' THEN y.r - listed ELSE (SELECT jsonb_object_agg(k, y.r -> k) FROM unnest(listed) k WHERE y.r ? k) END AS told
			FROM (SELECT to_jsonb(t) AS r FROM garant_old t OFFSET 0) y OFFSET 0) x;
	ELSE
		-- Old and new rows stand in the same order. Only where a partition's own trigger threw away what was to move into it an old one has
		-- no new one: then they are told by their keys.
		aligned := (SELECT count(*) FROM garant_old) = (SELECT count(*) FROM garant_new);
		INSERT INTO garant.event (form, tenant, session, kind, action, object_kind, object_id, before, after, detail)
		SELECT typed, s.tenant, who, 'update', 'row.updated', printed, garant.named(coalesce(x.n, x.o), keys),
			CASE WHEN s.side <> 'new' THEN CASE WHEN pg_column_size(x.was) > 2048 THEN garant.cut(x.was) ELSE x.was END END,
			CASE WHEN s.side <> 'old' THEN CASE WHEN pg_column_size(x.became) > 2048 THEN garant.cut(x.became) ELSE x.became END END,
			nullif(jsonb_strip_nulls(jsonb_build_object('changed', x.names, 'entered', CASE WHEN s.tenant <> theirs THEN 'elsewhere' END)), '{}')
		FROM (
			SELECT c.o, c.n, (SELECT jsonb_object_agg(k, c.o -> k) FROM unnest(c.told) k) AS was, (SELECT jsonb_object_agg(k, c.n -> k) FROM unnest(c.told) k) AS became,
				(SELECT jsonb_agg(k ORDER BY k) FROM unnest(c.changed) k WHERE k <> ALL (c.told)) AS names
			FROM (
				SELECT d.o, d.n, d.changed, ARRAY(SELECT k FROM unnest(d.changed) k WHERE CASE mode WHEN 'all' THEN true WHEN 'but' THEN k <> ALL (listed) ELSE k = ANY (listed) END) AS told
				FROM (
					SELECT p.o, p.n, ARRAY(SELECT k FROM jsonb_object_keys(coalesce(p.n, p.o)) k WHERE p.o -> k IS DISTINCT FROM p.n -> k) AS changed
					FROM (
						SELECT o.r AS o, n.r AS n
						FROM (SELECT r, CASE WHEN aligned THEN i::text ELSE garant.named(r, keys) END AS i FROM (SELECT row_number() OVER () AS i, to_jsonb(t) AS r FROM garant_old t OFFSET 0) q) o
						FULL JOIN (SELECT r, CASE WHEN aligned THEN i::text ELSE garant.named(r, keys) END AS i FROM (SELECT row_number() OVER () AS i, to_jsonb(t) AS r FROM garant_new t OFFSET 0) q) n
							ON n.i = o.i OFFSET 0) p
					WHERE p.o IS DISTINCT FROM p.n OFFSET 0) d OFFSET 0) c OFFSET 0) x
		-- A row that goes from one tenant to another: each is told of its own side.
		CROSS JOIN LATERAL (
			SELECT CASE WHEN owned = '' THEN theirs ELSE coalesce(x.n, x.o) ->> owned END AS tenant, CASE WHEN x.n IS NULL THEN 'old' WHEN x.o IS NULL THEN 'new' ELSE 'both' END AS side
			WHERE owned = '' OR x.n IS NULL OR x.o IS NULL OR x.o ->> owned IS NOT DISTINCT FROM x.n ->> owned
			UNION ALL
			SELECT CASE e.side WHEN 'old' THEN x.o ->> owned ELSE x.n ->> owned END, e.side FROM unnest('{old,new}'::text[]) AS e (side)
			WHERE owned <> '' AND x.n IS NOT NULL AND x.o IS NOT NULL AND x.o ->> owned IS DISTINCT FROM x.n ->> owned) s;
	END CASE;
	RETURN NULL;
END
$$;

-- try_event makes an event by which it is seen, without writing to anybody's data, whether events arrive. It is of no tenant.
CREATE OR REPLACE FUNCTION garant.try_event() RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on AS $$
DECLARE
	made uuid;
BEGIN
	INSERT INTO garant.event AS e (kind, action) VALUES ('canary', 'events.tried') RETURNING e.mark INTO made;
	RETURN made;
END
$$;

-- take_events tells the oldest events, in the order of their transactions. Only of transactions before which none is open any more: so that
-- none comes in behind those that were taken. What has the number of a transaction that is to come was brought here by a restore.
CREATE OR REPLACE FUNCTION garant.take_events(most integer)
RETURNS TABLE (xid bigint, id bigint, mark uuid, at timestamptz, form text, tenant text, session uuid, kind text, action text, object_kind text, object_id text, before jsonb, after jsonb, detail jsonb, actor text, login text, acting text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on AS $$
BEGIN
	RETURN QUERY SELECT e.xid::text::bigint, e.id, e.mark, e.at, e.form, e.tenant, e.session, e.kind, e.action, e.object_kind, e.object_id, e.before, e.after, e.detail, e.actor, e.login, e.acting
	FROM garant.event e
	WHERE e.xid < pg_snapshot_xmin(pg_current_snapshot()) OR e.xid >= pg_snapshot_xmax(pg_current_snapshot())
	ORDER BY e.xid, e.id LIMIT greatest(most, 0);
END
$$;

-- forget_events deletes events by their marks, and returns how many there were.
CREATE OR REPLACE FUNCTION garant.forget_events(marks uuid[], upto_xid bigint, upto_id bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on AS $$
DECLARE
	gone bigint;
BEGIN
	DELETE FROM garant.event e WHERE (e.xid, e.id) <= (upto_xid::text::xid8, upto_id) AND e.mark = ANY (marks);
	GET DIAGNOSTICS gone = ROW_COUNT;
	RETURN gone;
END
$$;

-- events_waiting tells how many events wait to be taken, a million at most, and since when.
CREATE OR REPLACE FUNCTION garant.events_waiting() RETURNS TABLE (waiting bigint, oldest timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on AS $$
BEGIN
	RETURN QUERY SELECT count(*), min(e.at) FROM (SELECT i.at FROM garant.event i LIMIT 1000000) e;
END
$$;
