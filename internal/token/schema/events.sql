-- The application's own events, of both designs. Run as garant_sec at each install and upgrade, after the design's own functions.
--
-- Who it was stands in the pin that enter left (enter.sql): session 8–39, type of the tenant's key 84–85, its length 86–87, the key from 88 on.
-- No event is of a tenant or a session that a caller chose.

-- tenant_of and form_of tell the tenant of a pin, as PostgreSQL prints its key, and the type of the key. The planner puts them in place of the call.
CREATE OR REPLACE FUNCTION garant.tenant_of(pin text) RETURNS text LANGUAGE sql STABLE
RETURN CASE substr(pin, 84, 2)
	WHEN '75' THEN substr(pin, 88, 32)::uuid::text
	WHEN '69' THEN ('x' || substr(pin, 88, 16))::bit(64)::bigint::text
	WHEN '74' THEN convert_from(decode(substr(pin, 88), 'hex'), 'UTF8') END;

CREATE OR REPLACE FUNCTION garant.form_of(pin text) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE substr(pin, 84, 2) WHEN '75' THEN 'uuid' WHEN '69' THEN 'bigint' WHEN '74' THEN 'text' END;

-- mark_of tells the mark of the n-th event that is told of a row of the outbox; of 0 the row's own.
CREATE OR REPLACE FUNCTION garant.mark_of(mark uuid, n integer) RETURNS uuid LANGUAGE sql IMMUTABLE
RETURN overlay(mark::text PLACING lpad(to_hex(n), 3, '0') FROM 34)::uuid;

-- readable makes a row so that its fields can be read. A column of type json may hold what is no character: \u0000, half of a pair, what the database's encoding
-- lacks. There, all that is written with \u stays so written. NULL: it is no row.
CREATE OR REPLACE FUNCTION garant.readable(of json) RETURNS json
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF json_typeof(of) = 'object' AND strpos(of::text, E'\\u') > 0 THEN
		IF regexp_replace(of::text, E'\\\\u[dD][89abAB]..\\\\u[dD][c-fC-F]..', '', 'g') ~ E'\\\\u(0000|[dD][89a-fA-F])' OR getdatabaseencoding() <> 'UTF8' AND of::text ~ E'\\\\u(?!00[0-7])' THEN
			RETURN regexp_replace(of::text, E'((^|[^\\\\])(\\\\\\\\)*)\\\\u', E'\\1\\\\\\\\u', 'g')::json;
		END IF;
	END IF;
	RETURN CASE json_typeof(of) WHEN 'object' THEN of END;
END
$$;

-- cut shortens what is long in the columns of a row, but for those to keep: it leaves the beginning, the length in bytes and the SHA-256 of the whole.
CREATE OR REPLACE FUNCTION garant.cut(of json, keep text[]) RETURNS json
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	RETURN (SELECT json_object_agg(e.key, CASE WHEN octet_length(e.value::text) <= 2048 OR e.key = ANY (keep) THEN e.value ELSE (
		SELECT CASE WHEN octet_length(l.v) <= 2048 THEN e.value ELSE json_build_object('begins', left(l.v, 200), 'bytes', octet_length(l.v), 'sha256', encode(sha256(convert_to(l.v, 'UTF8')), 'hex')) END
		FROM (SELECT e.value #>> '{}' AS v) l) END) FROM json_each(garant.readable(of)) e);
END
$$;

-- named makes one text of a row's primary key: of one column its value, of several a JSON array.
CREATE OR REPLACE FUNCTION garant.named(of json, keys text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	name text := CASE cardinality(keys) WHEN 0 THEN NULL WHEN 1 THEN of ->> keys[1] ELSE (SELECT jsonb_agg((of -> k)::jsonb ORDER BY n)::text FROM unnest(keys) WITH ORDINALITY AS u (k, n)) END;
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
	INSERT INTO garant.event AS e (entered, kind, action, object_kind, object_id, before, after, detail, actor)
	VALUES (pin, CASE WHEN action ~ '\.read$' THEN 'read' ELSE 'said' END, record.action, record.object_kind, record.object_id, record.before, record.after, record.detail, record.actor);
END
$$;

-- capture is what the triggers of captured tables run, once for each statement. Its arguments, as garant isolation apply writes them:
-- the table's column of tenants or '', the type of their keys, the columns that name a row within its tenant as an array, which columns' values are recorded
-- (all, only these, all but these), these columns as an array, and the name that the table is recorded under.
--
-- The application waits for it. So it only puts the rows down, a hundred to a row of the outbox, and told makes events of them when they are taken.
-- A value that is not to be recorded is not put down, but for that of a tenant or of a primary key, by which the row is named.
-- No value is longer than 2 KiB: none is nested so deep that it could not be read again.
-- Rows are turned into JSON as garant_sec: a cast to json by a function of somebody's own would run with its rights, and is refused.
CREATE OR REPLACE FUNCTION garant.capture() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on SET plan_cache_mode = force_generic_plan SET jit = off AS $$
DECLARE
	pin    text := garant.pin();
	kept   text[];
	hidden text[]; -- columns whose values are not put down; NULL: there are none
	gone   bigint;
	came   bigint;
BEGIN
	IF TG_OP = 'TRUNCATE' THEN
		INSERT INTO garant.event (entered, kind, action, object_kind) VALUES (pin, 'truncate', 'table.truncated', TG_ARGV[5]); -- of every tenant
		RETURN NULL;
	END IF;
	IF TG_ARGV[3] = 'all' THEN
		-- Most statements write few rows, which are one row of the outbox: this plan takes least to begin. Where there is a cast of somebody's own it finds no row to put down.
		CASE TG_OP
		WHEN 'INSERT' THEN
			INSERT INTO garant.event (entered, kind, action, object_kind, many, how, new)
			SELECT pin, 'insert', 'row.inserted', TG_ARGV[5], n.many, TG_ARGV, n.r
			FROM (SELECT count(x.r) AS many, json_agg(CASE WHEN octet_length(x.r::text) > 2048 THEN garant.cut(x.r, TG_ARGV[2]::text[] || TG_ARGV[0]) ELSE x.r END) AS r
				FROM (SELECT CASE WHEN NOT EXISTS (SELECT FROM pg_cast c WHERE c.oid >= 16384) THEN to_json(t) END AS r FROM garant_new t LIMIT 101) x) n
			WHERE n.many BETWEEN 1 AND 100;
		WHEN 'DELETE' THEN
			INSERT INTO garant.event (entered, kind, action, object_kind, many, how, old)
			SELECT pin, 'delete', 'row.deleted', TG_ARGV[5], o.many, TG_ARGV, o.r
			FROM (SELECT count(x.r) AS many, json_agg(CASE WHEN octet_length(x.r::text) > 2048 THEN garant.cut(x.r, TG_ARGV[2]::text[] || TG_ARGV[0]) ELSE x.r END) AS r
				FROM (SELECT CASE WHEN NOT EXISTS (SELECT FROM pg_cast c WHERE c.oid >= 16384) THEN to_json(t) END AS r FROM garant_old t LIMIT 101) x) o
			WHERE o.many BETWEEN 1 AND 100;
		ELSE -- old and new rows stand in the same order
			INSERT INTO garant.event (entered, kind, action, object_kind, many, how, old, new)
			SELECT pin, 'update', 'row.updated', TG_ARGV[5], n.many, TG_ARGV, o.r, n.r
			FROM (SELECT count(x.r) AS many, json_agg(CASE WHEN octet_length(x.r::text) > 2048 THEN garant.cut(x.r, TG_ARGV[2]::text[] || TG_ARGV[0]) ELSE x.r END) AS r
				FROM (SELECT CASE WHEN NOT EXISTS (SELECT FROM pg_cast c WHERE c.oid >= 16384) THEN to_json(t) END AS r FROM garant_old t LIMIT 101) x) o
			CROSS JOIN LATERAL (SELECT count(x.r) AS many, json_agg(CASE WHEN octet_length(x.r::text) > 2048 THEN garant.cut(x.r, TG_ARGV[2]::text[] || TG_ARGV[0]) ELSE x.r END) AS r
				FROM (SELECT CASE WHEN o.many > 0 THEN to_json(t) END AS r FROM garant_new t LIMIT 101) x) n
			WHERE o.many = n.many AND n.many BETWEEN 1 AND 100 AND o.r::text <> n.r::text;
		END CASE;
		IF FOUND THEN
			RETURN NULL;
		END IF;
	END IF;
	kept := TG_ARGV[2]::text[] || TG_ARGV[0];
	IF EXISTS (SELECT FROM pg_cast c WHERE c.oid >= 16384) THEN -- which most databases are done with
		IF EXISTS (SELECT FROM pg_cast c JOIN pg_proc p ON p.oid = c.castfunc JOIN pg_language l ON l.oid = p.prolang
			WHERE c.oid >= 16384 AND c.casttarget IN ('json'::regtype, 'jsonb'::regtype) AND l.lanname NOT IN ('c', 'internal')) THEN
			RAISE EXCEPTION USING ERRCODE = 'GT010', MESSAGE = 'garant: a cast to json by a function of this database would run with the rights of garant_sec',
				HINT = 'Drop the cast, or capture no table: garant isolation verify names it.';
		END IF;
	END IF;
	IF TG_ARGV[3] <> 'all' THEN
		hidden := ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = TG_RELID AND a.attnum > 0 AND NOT a.attisdropped
			AND (a.attname = ANY (TG_ARGV[4]::text[])) = (TG_ARGV[3] = 'but') AND a.attname <> ALL (kept));
	END IF;
	CASE TG_OP
	WHEN 'INSERT' THEN
		INSERT INTO garant.event (entered, kind, action, object_kind, many, how, new)
		SELECT pin, 'insert', 'row.inserted', TG_ARGV[5], count(*), TG_ARGV,
			json_agg(CASE WHEN octet_length(x.r::text) > 2048 THEN garant.cut(x.r, kept) ELSE x.r END)
		FROM (SELECT row_number() OVER () AS i, CASE WHEN hidden IS NULL THEN to_json(t) ELSE (to_jsonb(t) - hidden)::json END AS r FROM garant_new t OFFSET 0) x GROUP BY (x.i - 1) / 100 ORDER BY (x.i - 1) / 100;
	WHEN 'DELETE' THEN
		INSERT INTO garant.event (entered, kind, action, object_kind, many, how, old)
		SELECT pin, 'delete', 'row.deleted', TG_ARGV[5], count(*), TG_ARGV,
			json_agg(CASE WHEN octet_length(x.r::text) > 2048 THEN garant.cut(x.r, kept) ELSE x.r END)
		FROM (SELECT row_number() OVER () AS i, CASE WHEN hidden IS NULL THEN to_json(t) ELSE (to_jsonb(t) - hidden)::json END AS r FROM garant_old t OFFSET 0) x GROUP BY (x.i - 1) / 100 ORDER BY (x.i - 1) / 100;
	ELSE
		SELECT (SELECT count(*) FROM garant_old), (SELECT count(*) FROM garant_new) INTO gone, came;
		IF gone = came AND came <= 100 AND hidden IS NULL THEN -- old and new rows stand in the same order
			INSERT INTO garant.event (entered, kind, action, object_kind, many, how, old, new)
			SELECT pin, 'update', 'row.updated', TG_ARGV[5], came, TG_ARGV, o.r, n.r
			FROM (SELECT json_agg(CASE WHEN octet_length(x.r::text) > 2048 THEN garant.cut(x.r, kept) ELSE x.r END) AS r FROM (SELECT to_json(t) AS r FROM garant_old t OFFSET 0) x) o,
				(SELECT json_agg(CASE WHEN octet_length(x.r::text) > 2048 THEN garant.cut(x.r, kept) ELSE x.r END) AS r FROM (SELECT to_json(t) AS r FROM garant_new t OFFSET 0) x) n
			WHERE o.r::text <> n.r::text;
		ELSE
			-- Only where a partition's own trigger threw away what was to move into it an old row has no new one: then they are matched by their keys.
			INSERT INTO garant.event (entered, kind, action, object_kind, many, how, old, new, detail)
			SELECT pin, 'update', 'row.updated', TG_ARGV[5], count(*), TG_ARGV,
				json_agg(CASE WHEN octet_length(x.o::text) > 2048 THEN garant.cut(x.o, kept) ELSE x.o END), json_agg(CASE WHEN octet_length(x.n::text) > 2048 THEN garant.cut(x.n, kept) ELSE x.n END),
				CASE WHEN hidden IS NOT NULL THEN jsonb_agg(x.changed) END
			FROM (SELECT row_number() OVER () AS i, coalesce(o.r, (o.b - hidden)::json) AS o, coalesce(n.r, (n.b - hidden)::json) AS n,
					CASE WHEN hidden IS NOT NULL THEN ARRAY(SELECT k FROM unnest(hidden) k WHERE o.b -> k IS DISTINCT FROM n.b -> k) END AS changed
				FROM (SELECT q.r, q.b, CASE WHEN gone = came THEN q.i ELSE 0 END AS i, CASE WHEN gone = came THEN '' ELSE garant.named(garant.readable(coalesce(q.r, q.b::json)), TG_ARGV[2]::text[]) END AS k FROM (
						SELECT row_number() OVER () AS i, CASE WHEN hidden IS NULL THEN to_json(t) END AS r, CASE WHEN hidden IS NOT NULL THEN to_jsonb(t) END AS b FROM garant_old t OFFSET 0) q) o
					FULL JOIN (SELECT q.r, q.b, CASE WHEN gone = came THEN q.i ELSE 0 END AS i, CASE WHEN gone = came THEN '' ELSE garant.named(garant.readable(coalesce(q.r, q.b::json)), TG_ARGV[2]::text[]) END AS k FROM (
						SELECT row_number() OVER () AS i, CASE WHEN hidden IS NULL THEN to_json(t) END AS r, CASE WHEN hidden IS NOT NULL THEN to_jsonb(t) END AS b FROM garant_new t OFFSET 0) q) n ON n.i = o.i AND n.k = o.k
				WHERE o.r::text IS DISTINCT FROM n.r::text OR o.b IS DISTINCT FROM n.b OFFSET 0) x
			GROUP BY (x.i - 1) / 100 ORDER BY (x.i - 1) / 100;
		END IF;
	END CASE;
	RETURN NULL;
END
$$;

-- told makes events of a row of the outbox: of what capture put down one for each row that was written, and two for one that went from one tenant to another, each
-- of which is told of its own side. An event is of the tenant whose row it is; the session is that of who entered, if somebody had. Whoever writes
-- without having entered is named by the role that signed in. Numbers and marks are by the place of a row in what was put down.
CREATE OR REPLACE FUNCTION garant.told(e garant.event) RETURNS TABLE (n integer, form text, tenant text, object_id text, before json, after json, detail jsonb)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	theirs text := garant.form_of(e.entered); -- of the key of
	whose  text := garant.tenant_of(e.entered); -- the tenant for which somebody had entered
	owned  text := e.how[0];
	keys   text[] := e.how[2];
	mode   text := e.how[3];
	listed text[] := e.how[4];
BEGIN
	IF e.how IS NULL THEN
		RETURN QUERY SELECT 0, theirs, whose, e.object_id, e.before::json, e.after::json, e.detail;
		RETURN;
	END IF;
	RETURN QUERY
	SELECT s.n, CASE owned WHEN '' THEN theirs ELSE e.how[1] END, s.tenant, garant.named(coalesce(r.n, r.o), keys),
		CASE WHEN s.o THEN CASE WHEN octet_length(f.was::text) > 2048 THEN garant.cut(f.was, '{}') ELSE f.was END END,
		CASE WHEN s.n_ THEN CASE WHEN octet_length(f.is_::text) > 2048 THEN garant.cut(f.is_, '{}') ELSE f.is_ END END,
		nullif(jsonb_strip_nulls(jsonb_build_object('changed', CASE e.kind WHEN 'update' THEN f.names END, 'entered', CASE WHEN s.tenant <> whose THEN 'elsewhere' END)), '{}')
	FROM (
		SELECT x.i::integer AS i, garant.readable(x.o) AS o, garant.readable(x.n) AS n, coalesce(e.detail -> (x.i::integer - 1), '[]') AS changed
		FROM ROWS FROM (json_array_elements(e.old), json_array_elements(e.new)) WITH ORDINALITY AS x (o, n, i) OFFSET 0) r
	CROSS JOIN LATERAL (
		SELECT CASE WHEN r.o IS NOT NULL THEN json_object_agg(k.name, k.o ORDER BY k.name) FILTER (WHERE k.told) END AS was,
			CASE WHEN r.n IS NOT NULL THEN json_object_agg(k.name, k.n ORDER BY k.name) FILTER (WHERE k.told) END AS is_, jsonb_agg(k.name ORDER BY k.name) FILTER (WHERE NOT k.told) AS names
		FROM (
			SELECT coalesce(o.key, n.key) AS name, o.value AS o, n.value AS n, CASE mode WHEN 'all' THEN true ELSE (coalesce(o.key, n.key) = ANY (listed)) = (mode = 'only') END AS told
			FROM json_each(r.o) o FULL JOIN json_each(r.n) n ON n.key = o.key WHERE o.value::text IS DISTINCT FROM n.value::text
			UNION ALL SELECT h.name, NULL, NULL, false FROM jsonb_array_elements_text(r.changed) h (name)) k) f
	CROSS JOIN LATERAL (
		SELECT 2 * r.i - 2, CASE owned WHEN '' THEN whose ELSE coalesce(r.n, r.o) ->> owned END, true, true
		WHERE owned = '' OR r.n IS NULL OR r.o IS NULL OR r.o ->> owned IS NOT DISTINCT FROM r.n ->> owned
		UNION ALL SELECT 2 * r.i - 2, r.o ->> owned, true, false WHERE owned <> '' AND r.n IS NOT NULL AND r.o IS NOT NULL AND r.o ->> owned IS DISTINCT FROM r.n ->> owned
		UNION ALL SELECT 2 * r.i - 1, r.n ->> owned, false, true WHERE owned <> '' AND r.n IS NOT NULL AND r.o IS NOT NULL AND r.o ->> owned IS DISTINCT FROM r.n ->> owned) AS s (n, tenant, o, n_)
	WHERE r.o::text IS DISTINCT FROM r.n::text OR r.changed <> '[]';
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

-- take_events tells the oldest events, in the order of their transactions, until they are so many; what was put down together is told together. Only of
-- transactions before which none is open any more: so that none comes in behind those that were taken. What has the number of a transaction that is to come was brought here by a restore.
CREATE OR REPLACE FUNCTION garant.take_events(most integer)
RETURNS TABLE (xid bigint, id bigint, mark uuid, at timestamptz, form text, tenant text, session uuid, kind text, action text, object_kind text, object_id text, before json, after json, detail jsonb, actor text, login text, acting text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on AS $$
BEGIN
	RETURN QUERY SELECT e.xid::text::bigint, e.id * 1024 + t.n, garant.mark_of(e.mark, t.n), e.at, t.form, t.tenant, substr(e.entered, 8, 32)::uuid, e.kind, e.action, e.object_kind, t.object_id, t.before, t.after, t.detail, e.actor, e.login, e.acting
	FROM (
		SELECT i.xid, i.id, sum(i.many) OVER (ORDER BY i.xid, i.id) - i.many AS earlier
		FROM (SELECT o.xid, o.id, o.many FROM garant.event o WHERE o.xid < pg_snapshot_xmin(pg_current_snapshot()) OR o.xid >= pg_snapshot_xmax(pg_current_snapshot()) ORDER BY o.xid, o.id LIMIT greatest(most, 0)) i) w
	JOIN garant.event e ON e.xid = w.xid AND e.id = w.id CROSS JOIN LATERAL garant.told(e) t
	WHERE w.earlier < most ORDER BY e.xid, e.id, t.n;
END
$$;

-- forget_events deletes events by their marks, and returns how many there were. What was put down together goes once all of it is named.
CREATE OR REPLACE FUNCTION garant.forget_events(marks uuid[], upto_xid bigint, upto_id bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on AS $$
DECLARE
	gone bigint;
BEGIN
	WITH named AS (SELECT garant.mark_of(m, 0) AS mark, count(DISTINCT m) AS events FROM unnest(marks) m GROUP BY 1),
	forgotten AS (
		DELETE FROM garant.event e USING named n WHERE (e.xid, e.id) <= (upto_xid::text::xid8, upto_id / 1024) AND e.mark = n.mark AND n.events = (SELECT count(*) FROM garant.told(e))
		RETURNING n.events)
	SELECT coalesce(sum(f.events), 0) INTO gone FROM forgotten f;
	RETURN gone;
END
$$;

-- events_waiting tells how many events wait to be taken, of a million rows of the outbox at most, and since when.
CREATE OR REPLACE FUNCTION garant.events_waiting() RETURNS TABLE (waiting bigint, oldest timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = on AS $$
BEGIN
	RETURN QUERY SELECT coalesce(sum(e.many), 0)::bigint, min(e.at) FROM (SELECT i.many, i.at FROM garant.event i LIMIT 1000000) e;
END
$$;
