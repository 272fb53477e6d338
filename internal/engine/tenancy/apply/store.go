package apply

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/tenancy/plan"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/token"
)

// state makes the record and the function that fills new columns; both belong to garant_sec, as
// everything in schema garant. It runs as garant_sec.
const state = `
CREATE TABLE IF NOT EXISTS garant.applied (
	id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	step       text NOT NULL,
	title      text NOT NULL,
	state      text NOT NULL CHECK (state IN ('started', 'done')),
	guard      boolean NOT NULL, -- is taken back as garant_sec
	sql        jsonb NOT NULL,
	undo       jsonb NOT NULL, -- groups of statements, each a transaction
	undone     integer NOT NULL DEFAULT 0, -- groups that were taken back already
	progress   jsonb NOT NULL DEFAULT '{}', -- of a fill: page reached, by oid of the table
	applied_by text NOT NULL DEFAULT session_user,
	started_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	done_at    timestamptz
);
` + token.Filler

// filler tells, of $1 as state has it, whether garant.fill is another function than that.
const filler = `EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.oid = pg_catalog.to_regprocedure('garant.fill()')
	AND NOT (pg_catalog.strpos($1, '$$' || p.prosrc || '$$') > 0 AND p.proconfig = '{"search_path=pg_catalog, pg_temp"}' AND NOT p.prosecdef))`

// capture is the function by whose triggers changes are recorded; NULL where schema garant is of an earlier version.
const capture = `pg_catalog.to_regprocedure('` + token.CaptureFunction + `')`

// hold takes the lock that one run at a time has, for the session.
func hold(ctx context.Context, conn *pgx.Conn) (got bool, err error) {
	err = conn.QueryRow(ctx, `SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended('garant isolation', 0))`).Scan(&got)
	return got, pg.Wrap(err)
}

// release gives the lock back; a connection that is gone has given it back already.
func release(ctx context.Context, conn *pgx.Conn) {
	_, _ = conn.Exec(ctx, `SELECT pg_catalog.pg_advisory_unlock(pg_catalog.hashtextextended('garant isolation', 0))`)
}

// asGuard runs fn as garant_sec, of whom the role is a member for the length of the transaction only.
func asGuard(ctx context.Context, tx pgx.Tx, fn func() error) error {
	var member bool
	if err := tx.QueryRow(ctx, `SELECT pg_catalog.pg_has_role(session_user, 'garant_sec', 'MEMBER') AND NOT (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = session_user)`).Scan(&member); err != nil {
		return err
	}
	if !member {
		if _, err := tx.Exec(ctx, `GRANT garant_sec TO CURRENT_USER`); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, `SET LOCAL ROLE garant_sec`); err != nil {
		return err
	}
	if err := fn(); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `RESET ROLE`); err != nil || member {
		return err
	}
	_, err := tx.Exec(ctx, `REVOKE garant_sec FROM CURRENT_USER`)
	return err
}

// prepare makes the record where it is missing, and lets the role that runs this write it.
// installed is the step that put schema garant in.
func prepare(ctx context.Context, conn *pgx.Conn, installed *plan.Step) error {
	return pg.InTx(ctx, conn, func(tx pgx.Tx) error {
		var here bool
		if err := tx.QueryRow(ctx, `SELECT pg_catalog.to_regclass('garant.applied') IS NOT NULL AND pg_catalog.to_regprocedure('garant.fill()') IS NOT NULL
	AND pg_catalog.has_table_privilege('garant.applied', 'SELECT, INSERT, UPDATE, DELETE') AND pg_catalog.has_function_privilege('garant.fill()', 'EXECUTE')
	AND coalesce(pg_catalog.has_function_privilege(`+capture+`, 'EXECUTE'), true) AND NOT `+filler, state).Scan(&here); err != nil || here {
			return err
		}
		var me string
		var fresh, super bool
		if err := tx.QueryRow(ctx, `SELECT pg_catalog.quote_ident(r.rolname), r.rolsuper, pg_catalog.to_regclass('garant.applied') IS NULL FROM pg_catalog.pg_roles r WHERE r.rolname = current_user`).Scan(&me, &super, &fresh); err != nil {
			return err
		}
		return asGuard(ctx, tx, func() error {
			sqls := []string{state}
			if !super { // until the end of the run
				sqls = append(sqls, `GRANT SELECT, INSERT, UPDATE, DELETE ON garant.applied TO `+me, `GRANT EXECUTE ON FUNCTION garant.fill() TO `+me)
				var captures bool
				if err := tx.QueryRow(ctx, `SELECT `+capture+` IS NOT NULL`).Scan(&captures); err != nil {
					return err
				}
				if captures {
					sqls = append(sqls, `GRANT EXECUTE ON FUNCTION `+token.CaptureFunction+` TO `+me)
				}
			}
			for _, sql := range sqls {
				if _, err := tx.Exec(ctx, sql); err != nil {
					return err
				}
			}
			// Schema garant goes with undo where it came with this: it has no key yet.
			var keys int
			if err := tx.QueryRow(ctx, `SELECT count(*) FROM garant.key`).Scan(&keys); err != nil {
				return err
			}
			if fresh && keys == 0 {
				step := plan.Step{ID: installStep, Title: "Install schema garant"}
				if installed != nil {
					step.Title = installed.Title
				}
				return record(ctx, tx, step, "done")
			}
			return nil
		})
	})
}

// readable lets the role read the record, where there is one.
func readable(ctx context.Context, conn *pgx.Conn) error {
	var here bool
	if err := conn.QueryRow(ctx, `SELECT pg_catalog.to_regclass('garant.applied') IS NOT NULL`).Scan(&here); err != nil || !here {
		return pg.Wrap(err)
	}
	return prepare(ctx, conn, nil)
}

// withdraw takes back what prepare let the role that runs this do with the record: nobody has a
// right in schema garant between runs.
func withdraw(ctx context.Context, conn *pgx.Conn) error {
	return pg.InTx(ctx, conn, func(tx pgx.Tx) error {
		var me string
		var has bool
		if err := tx.QueryRow(ctx, `SELECT pg_catalog.quote_ident(current_user), EXISTS (SELECT FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a
	WHERE c.oid = pg_catalog.to_regclass('garant.applied') AND a.grantee = (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = current_user) AND a.grantee <> c.relowner)`).Scan(&me, &has); err != nil || !has {
			return err
		}
		return asGuard(ctx, tx, func() error {
			_, err := tx.Exec(ctx, `REVOKE ALL ON garant.applied FROM `+me+`; REVOKE ALL ON FUNCTION garant.fill() FROM `+me)
			var captures bool
			if err == nil {
				err = tx.QueryRow(ctx, `SELECT `+capture+` IS NOT NULL`).Scan(&captures)
			}
			if err == nil && captures {
				_, err = tx.Exec(ctx, `REVOKE ALL ON FUNCTION `+token.CaptureFunction+` FROM `+me)
			}
			return err
		})
	})
}

const installStep = "install"

// record writes that a step has begun, or is done.
func record(ctx context.Context, tx pgx.Tx, s plan.Step, state string) error {
	sql, err := json.Marshal(append([]string{}, s.SQL...))
	if err != nil {
		return err
	}
	undo, err := json.Marshal(append([][]string{}, s.Undo...))
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO garant.applied (step, title, state, guard, sql, undo, done_at)
VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $3 = 'done' THEN pg_catalog.clock_timestamp() END)`, s.ID, s.Title, state, s.Guard, sql, undo)
	return err
}

// begun returns the record of a step that was begun and not finished: its id, 0 when there is none.
func begun(ctx context.Context, q pg.Querier, step string) (id int64, progress map[string]int64, err error) {
	err = q.QueryRow(ctx, `SELECT coalesce(max(a.id), 0), coalesce((array_agg(a.progress ORDER BY a.id DESC))[1], '{}') FROM garant.applied a WHERE a.step = $1 AND a.state = 'started'`, step).Scan(&id, &progress)
	return id, progress, err
}

func finish(ctx context.Context, q pg.Execer, id int64) error {
	_, err := q.Exec(ctx, `UPDATE garant.applied SET state = 'done', done_at = pg_catalog.clock_timestamp() WHERE id = $1`, id)
	return err
}

// reached writes how far a fill came.
func reached(ctx context.Context, q pg.Execer, id int64, progress map[string]int64) error {
	_, err := q.Exec(ctx, `UPDATE garant.applied SET progress = $2 WHERE id = $1`, id, progress)
	return err
}

// Filled tells which columns were filled to the end, by the id of the step; seen is false where
// this role may not read that.
func Filled(ctx context.Context, q pg.Querier) (filled map[string]bool, seen bool, err error) {
	err = q.QueryRow(ctx, `SELECT CASE WHEN pg_catalog.to_regclass('garant.applied') IS NULL THEN true ELSE pg_catalog.has_table_privilege('garant.applied', 'SELECT') END`).Scan(&seen)
	if err != nil || !seen {
		return nil, false, pg.Wrap(err)
	}
	filled = map[string]bool{}
	entries, err := list(ctx, q)
	for _, e := range entries {
		if e.state == "done" {
			filled[e.step] = true
		}
	}
	return filled, true, err
}

// entry is one row of the record.
type entry struct {
	id          int64
	step, title string
	state       string
	guard       bool
	undo        [][]string
	undone      int
}

// list reads the record, the newest first; nothing when there is none.
func list(ctx context.Context, q pg.Querier) ([]entry, error) {
	var here bool
	if err := q.QueryRow(ctx, `SELECT pg_catalog.to_regclass('garant.applied') IS NOT NULL`).Scan(&here); err != nil || !here {
		return nil, pg.Wrap(err)
	}
	rows, err := q.Query(ctx, `SELECT a.id, a.step, a.title, a.state, a.guard, a.undo, a.undone FROM garant.applied a ORDER BY a.id DESC`)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (entry, error) {
		var e entry
		err := row.Scan(&e.id, &e.step, &e.title, &e.state, &e.guard, &e.undo, &e.undone)
		return e, err
	})
	return found, pg.Wrap(err)
}

// blocks tells how many pages a table has.
func blocks(ctx context.Context, q pg.Querier, oid uint32) (n int64, err error) {
	err = q.QueryRow(ctx, `SELECT pg_catalog.pg_relation_size($1::oid::regclass) / pg_catalog.current_setting('block_size')::bigint`, oid).Scan(&n)
	return n, err
}

// blockers tells how many other connections hold a lock on a table, and how long the oldest of their transactions lasts.
func blockers(ctx context.Context, q pg.Querier, table string) (n int, seconds float64, err error) {
	err = q.QueryRow(ctx, `SELECT count(DISTINCT l.pid), coalesce(max(extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)), 0)::float8
FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.relation = pg_catalog.to_regclass($1) AND l.pid <> pg_catalog.pg_backend_pid() AND l.granted`, table).Scan(&n, &seconds)
	return n, seconds, err
}

// forget takes a step out of the record.
func forget(ctx context.Context, q pg.Execer, id int64) error {
	_, err := q.Exec(ctx, `DELETE FROM garant.applied WHERE id = $1`, id)
	return err
}

// came writes how many groups of a step were taken back.
func came(ctx context.Context, q pg.Execer, id int64, groups int) error {
	_, err := q.Exec(ctx, `UPDATE garant.applied SET undone = $2 WHERE id = $1`, id, groups)
	return err
}

// unfilled takes a fill out of the record that a new column makes again.
func unfilled(ctx context.Context, q pg.Execer, step string) error {
	_, err := q.Exec(ctx, `DELETE FROM garant.applied WHERE step = $1`, step)
	return err
}

// clearAway takes away the record and the function, where schema garant stays.
func clearAway(ctx context.Context, conn *pgx.Conn) error {
	return pg.InTx(ctx, conn, func(tx pgx.Tx) error {
		var here bool
		if err := tx.QueryRow(ctx, `SELECT pg_catalog.to_regclass('garant.applied') IS NOT NULL`).Scan(&here); err != nil || !here {
			return err
		}
		return asGuard(ctx, tx, func() error {
			_, err := tx.Exec(ctx, `DROP TABLE garant.applied; DROP FUNCTION garant.fill()`)
			return err
		})
	})
}
