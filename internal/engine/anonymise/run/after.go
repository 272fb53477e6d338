package run

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
)

// stubs makes, for as long as the schema is being made, functions where the source has those of the schemas garant and garant_move, so that what names them can be made; after drops
// them, and all that hangs on them.
func (r *run) stubs(ctx context.Context) error {
	rows, err := r.snapshot.tx.Query(ctx, `
SELECT format('CREATE FUNCTION %I.%I(%s) RETURNS %s LANGUAGE plpgsql %s AS $stub$BEGIN RAISE EXCEPTION ''not in a copy''; END$stub$', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid),
	CASE p.provolatile WHEN 'i' THEN 'IMMUTABLE' WHEN 's' THEN 'STABLE' ELSE '' END)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname IN ('garant', 'garant_move')
WHERE p.prokind = 'f' AND EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = p.oid AND d.deptype IN ('n', 'a'))
AND NOT EXISTS (SELECT FROM unnest(p.proargtypes::oid[] || p.prorettype) a JOIN pg_type t ON t.oid = a WHERE t.typnamespace <> 'pg_catalog'::regnamespace)`)
	if err != nil {
		return failed(atSource, "Reading the schema", err)
	}
	make, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return failed(atSource, "Reading the schema", err)
	}
	if err := r.snapshot.tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname IN ('garant', 'garant_move'))`).Scan(&r.guarded); err != nil {
		return failed(atSource, "Reading the schema", err)
	}
	if len(make) == 0 {
		return nil
	}
	return r.inCopy(ctx, "Making the schema", func(conn *pgx.Conn) error {
		for _, sql := range append([]string{`SET ROLE ` + owner, `CREATE SCHEMA garant`, `CREATE SCHEMA garant_move`}, make...) {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
}

// inCopy runs fn on a connection to the copy.
func (r *run) inCopy(ctx context.Context, what string, fn func(*pgx.Conn) error) error {
	conn, err := r.target.connect(ctx, r.staging.database)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	return failed(atTarget, what, fn(conn))
}

// after makes a database of the rows: indexes, keys, triggers, sequences, views, rights, statistics.
func (r *run) after(ctx context.Context) error {
	if len(r.report.Resumed) > 0 {
		if err := r.inCopy(ctx, "Completing the copy", func(conn *pgx.Conn) error { return r.dump.remaining(ctx, conn) }); err != nil {
			return err
		}
	}
	if err := r.dump.restore(ctx, r.target, r.staging.database, "post-data", max(2, r.o.Workers)); err != nil {
		return err
	}
	if err := r.dump.guard(ctx, r.target, r.staging.database); err != nil {
		return err
	}
	if err := r.inCopy(ctx, "Completing the copy", func(conn *pgx.Conn) error {
		for _, step := range []func(context.Context, *pgx.Conn) error{r.unguard, sequences, refresh, r.grant, closed} {
			if err := step(ctx, conn); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	if err := r.analyse(ctx); err != nil {
		return err
	}
	return r.staging.settle(ctx)
}

// unforce lets the copy's owner, who has to see what is proven, see all rows. Nobody else owns anything there: policies hold developers as before.
func unforce(ctx context.Context, conn *pgx.Conn) error {
	forced, err := collect[string](ctx, conn, `SELECT format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', oid::regclass) FROM pg_class WHERE relkind IN ('r', 'p') AND relforcerowsecurity`)
	if err != nil {
		return err
	}
	return execAll(ctx, conn, forced)
}

// unguard takes the stubs away with the policies, triggers and defaults that name them. A table that such a policy stood on, or that has none, then shows its rows: what is left of its policies was not
// made to stand alone.
func (r *run) unguard(ctx context.Context, conn *pgx.Conn) error {
	if !r.guarded {
		return nil
	}
	open, err := collect[string](ctx, conn, `SELECT format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', c.oid::regclass) FROM pg_class c
WHERE c.relkind IN ('r', 'p') AND c.relrowsecurity AND (NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid) OR EXISTS (
	SELECT FROM pg_policy p JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_proc'::regclass
	JOIN pg_proc f ON f.oid = d.refobjid JOIN pg_namespace n ON n.oid = f.pronamespace WHERE p.polrelid = c.oid AND n.nspname IN ('garant', 'garant_move')))`)
	if err != nil {
		return err
	}
	return execAll(ctx, conn, append(open, `DROP SCHEMA IF EXISTS garant, garant_move CASCADE`))
}

func collect[T any](ctx context.Context, conn *pgx.Conn, sql string, args ...any) ([]T, error) {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[T])
}

func execAll(ctx context.Context, conn *pgx.Conn, all []string) error {
	for _, sql := range all {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// room is how many values a sequence should have before it.
const room = 1 << 20

// sequences sets each sequence beyond what its columns hold in the copy. Where other keys were drawn from the whole range there is no beyond: then it goes on in the widest gap. Where
// the source's sequence stood is not told.
func sequences(ctx context.Context, conn *pgx.Conn) error {
	type use struct {
		Sequence, Table, Column string
		Increment, Most         int64
	}
	rows, err := conn.Query(ctx, `
SELECT u.seq::regclass::text, u.tab::regclass::text, quote_ident(a.attname), s.seqincrement,
	least(s.seqmax, CASE a.atttypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647 ELSE 9223372036854775807 END)
FROM (SELECT d.objid AS seq, d.refobjid AS tab, d.refobjsubid AS col FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
	UNION SELECT d.refobjid, e.adrelid, e.adnum FROM pg_depend d JOIN pg_attrdef e ON e.oid = d.objid WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass) u
JOIN pg_sequence s ON s.seqrelid = u.seq JOIN pg_attribute a ON a.attrelid = u.tab AND a.attnum = u.col AND NOT a.attisdropped AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype)
ORDER BY 1, 2, 3`)
	if err != nil {
		return err
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[use])
	if err != nil {
		return err
	}
	for i := 0; i < len(all); {
		var columns []string
		first := all[i]
		for ; i < len(all) && all[i].Sequence == first.Sequence; i++ {
			columns = append(columns, `SELECT `+all[i].Column+`::bigint AS v FROM `+all[i].Table+` WHERE `+all[i].Column+` IS NOT NULL`)
			first.Most = min(first.Most, all[i].Most)
		}
		values := strings.Join(columns, " UNION ALL ")
		last, beyond := `max(v)`, fmt.Sprintf(`max(v) < %d`, first.Most-min(room, first.Most/2))
		if first.Increment < 0 {
			last, beyond = `min(v)`, `true`
		}
		var at *int64
		var fine *bool
		if err := conn.QueryRow(ctx, `SELECT `+last+`, `+beyond+` FROM (`+values+`) x`).Scan(&at, &fine); err != nil {
			return err
		}
		if at == nil {
			continue
		}
		if fine != nil && !*fine {
			if err := conn.QueryRow(ctx, fmt.Sprintf(`SELECT v FROM (SELECT v, lead(v, 1, %d) OVER (ORDER BY v) - v AS gap FROM (%s) x WHERE v > 0) g ORDER BY gap DESC, v LIMIT 1`, first.Most, values)).Scan(&at); err != nil {
				return err
			}
		}
		if _, err := conn.Exec(ctx, `SELECT setval($1::text::regclass, $2, true)`, first.Sequence, *at); err != nil {
			return err
		}
	}
	return nil
}

// refresh computes the materialised views, those first that others read.
func refresh(ctx context.Context, conn *pgx.Conn) error {
	for {
		empty, err := collect[string](ctx, conn, `SELECT oid::regclass::text FROM pg_class WHERE relkind = 'm' AND NOT relispopulated ORDER BY oid`)
		if err != nil || len(empty) == 0 {
			return err
		}
		done := 0
		for _, name := range empty {
			if _, last := conn.Exec(ctx, `REFRESH MATERIALIZED VIEW `+name); last != nil {
				err = last
				continue
			}
			done++
		}
		if done == 0 {
			return err
		}
	}
}

// grant lets the developers' roles work in the copy, as they could not in production.
func (r *run) grant(ctx context.Context, conn *pgx.Conn) error {
	schemas, err := collect[string](ctx, conn, `SELECT quote_ident(nspname) FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'`)
	if err != nil {
		return err
	}
	for _, role := range r.o.Developers {
		to := pgx.Identifier{role}.Sanitize()
		for _, s := range schemas {
			for _, sql := range []string{`USAGE, CREATE ON SCHEMA `, `SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON ALL TABLES IN SCHEMA `, `ALL ON ALL SEQUENCES IN SCHEMA `, `EXECUTE ON ALL ROUTINES IN SCHEMA `} {
				if _, err := conn.Exec(ctx, `GRANT `+sql+s+` TO `+to); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// closed makes sure that whoever acts as the owner makes no schemas and no extensions, and that nothing belongs to the copier itself but extensions.
func closed(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, `DO $$ BEGIN EXECUTE format('REVOKE ALL ON DATABASE %I FROM `+owner+`', current_database()); END $$`); err != nil {
		return err
	}
	mine, err := collect[string](ctx, conn, `SELECT pg_describe_object(classid, objid, objsubid) FROM pg_shdepend s
WHERE classid <> 'pg_extension'::regclass AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = s.classid AND d.objid = s.objid AND d.deptype = 'e')
AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND refclassid = 'pg_authid'::regclass AND refobjid = (SELECT oid FROM pg_roles WHERE rolname = current_user) AND deptype = 'o' ORDER BY 1 LIMIT 1`)
	if err == nil && len(mine) > 0 {
		err = errs.New(errs.Internal, "anonymise.owner", "In the copy "+mine[0]+" belongs to the copier.")
	}
	return err
}

// analyse takes the statistics of all tables, several at once. Those of partitions are taken with what they are partitions of.
func (r *run) analyse(ctx context.Context) error {
	var tables []string
	if err := r.inCopy(ctx, "Completing the copy", func(conn *pgx.Conn) (err error) {
		tables, err = collect[string](ctx, conn, `SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'm', 'p') AND relpersistence <> 't' AND NOT relispartition AND NOT relisshared ORDER BY relkind = 'p' DESC, relpages DESC, oid`)
		return err
	}); err != nil {
		return err
	}
	q := &queue[string]{all: tables}
	return parallel(ctx, r.o.Workers, func(ctx context.Context, _ int) error {
		return r.inCopy(ctx, "Completing the copy", func(conn *pgx.Conn) error {
			for t, ok := q.take(); ok; t, ok = q.take() {
				if _, err := conn.Exec(ctx, `ANALYZE `+*t); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// notGuarded proves that the copy has nothing of Garant's own schemas.
func notGuarded(ctx context.Context, conn *pgx.Conn) error {
	var there bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname IN ('garant', 'garant_move'))`).Scan(&there); err != nil {
		return err
	}
	if there {
		return errs.New(errs.Internal, "anonymise.guarded", "The copy holds a schema of Garant's.")
	}
	return nil
}
