package register

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/pg"
)

// storedRow is an entry as it is stored: without its personal values.
type storedRow struct {
	Entry
	sealed []byte
}

// written is what is stored of an entry.
type written struct {
	Entry
	open            Values
	sealed          []byte
	sortKey, search string
	purgeOn         *time.Time
}

const entryColumns = `e.id, e.register, e.revision, e.state, e.fields, e.sealed, e.created_at, e.created_by, e.updated_at, e.updated_by`

func scanRow(row pgx.Row) (r storedRow, err error) {
	err = row.Scan(&r.ID, &r.Register, &r.Revision, &r.State, &r.Values, &r.sealed, &r.CreatedAt, &r.CreatedBy, &r.UpdatedAt, &r.UpdatedBy)
	if r.Values == nil {
		r.Values = Values{}
	}
	return r, err
}

func collectRows(rows pgx.Rows) ([]storedRow, error) {
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (storedRow, error) { return scanRow(row) })
	return list, pg.Wrap(err)
}

// loadRow reads an entry; pgx.ErrNoRows when it is not there or was removed.
func loadRow(ctx context.Context, q pg.Querier, register string, id uuid.UUID, lock bool) (storedRow, error) {
	sql := "SELECT " + entryColumns + " FROM register.entry e WHERE e.register = $1 AND e.id = $2 AND e.deleted_at IS NULL"
	if lock {
		sql += " FOR UPDATE"
	}
	return scanRow(q.QueryRow(ctx, sql, register, id))
}

func insertRow(ctx context.Context, tx pgx.Tx, w written) error {
	_, err := tx.Exec(ctx, `INSERT INTO register.entry (id, register, revision, state, sort_key, search, fields, sealed, purge_on, created_at, created_by, updated_at, updated_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		w.ID, w.Register, w.Revision, w.State, w.sortKey, w.search, w.open, w.sealed, w.purgeOn, w.CreatedAt, w.CreatedBy, w.UpdatedAt, w.UpdatedBy)
	return pg.Wrap(err)
}

func updateRow(ctx context.Context, tx pgx.Tx, w written) error {
	_, err := tx.Exec(ctx, `UPDATE register.entry SET revision = $2, state = $3, sort_key = $4, search = $5, fields = $6, sealed = $7, purge_on = $8, updated_at = $9, updated_by = $10
WHERE id = $1`, w.ID, w.Revision, w.State, w.sortKey, w.search, w.open, w.sealed, w.purgeOn, w.UpdatedAt, w.UpdatedBy)
	return pg.Wrap(err)
}

// remove takes an entry out of its register, with its values and what it is found by.
func remove(ctx context.Context, tx pgx.Tx, id uuid.UUID, by string, now time.Time) error {
	for _, sql := range []string{
		"DELETE FROM register.unique_value WHERE entry_id = $1",
		"DELETE FROM register.reference WHERE entry_id = $1",
	} {
		if _, err := tx.Exec(ctx, sql, id); err != nil {
			return pg.Wrap(err)
		}
	}
	_, err := tx.Exec(ctx, `UPDATE register.entry SET revision = revision + 1, sort_key = '', search = '', sealed = NULL, purge_on = NULL, updated_at = $2, updated_by = $3, deleted_at = $2
WHERE id = $1`, id, now, by)
	return pg.Wrap(err)
}

// replaceUnique notes the unique value of a field in place of the one before; nil: there is
// none. It reports false, and notes nothing, when another entry has the value.
func replaceUnique(ctx context.Context, tx pgx.Tx, register, field string, id uuid.UUID, value []byte) (once bool, err error) {
	if _, err := tx.Exec(ctx, "DELETE FROM register.unique_value WHERE register = $1 AND field = $2 AND entry_id = $3", register, field, id); err != nil {
		return false, pg.Wrap(err)
	}
	if value == nil {
		return true, nil
	}
	tag, err := tx.Exec(ctx, "INSERT INTO register.unique_value (register, field, value, entry_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", register, field, value, id)
	return tag.RowsAffected() == 1, pg.Wrap(err)
}

func replaceReference(ctx context.Context, tx pgx.Tx, id uuid.UUID, field, target string) error {
	if _, err := tx.Exec(ctx, "DELETE FROM register.reference WHERE entry_id = $1 AND field = $2", id, field); err != nil {
		return pg.Wrap(err)
	}
	if target == "" {
		return nil
	}
	_, err := tx.Exec(ctx, "INSERT INTO register.reference (entry_id, field, target_id) VALUES ($1, $2, $3)", id, field, target)
	return pg.Wrap(err)
}

// countNaming counts the entries that name one.
func countNaming(ctx context.Context, q pg.Querier, id uuid.UUID) (n int, err error) {
	err = q.QueryRow(ctx, "SELECT count(*) FROM register.reference r JOIN register.entry e ON e.id = r.entry_id WHERE r.target_id = $1 AND e.deleted_at IS NULL", id).Scan(&n)
	return n, pg.Wrap(err)
}

// addChange adds a line to the history of an entry.
func addChange(ctx context.Context, tx pgx.Tx, by actor.Actor, e Entry, action string, changes map[string]Diff) error {
	if changes == nil {
		changes = map[string]Diff{}
	}
	encoded, err := json.Marshal(changes)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "INSERT INTO register.change (entry_id, revision, at, actor_kind, actor_id, action, changes) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		e.ID, e.Revision, e.UpdatedAt, by.Kind, by.ID, action, encoded)
	return pg.Wrap(err)
}

// existing finds the entries of a register among ids.
func existing(ctx context.Context, q pg.Querier, register string, ids []uuid.UUID) ([]uuid.UUID, error) {
	rows, err := q.Query(ctx, "SELECT id FROM register.entry WHERE register = $1 AND id = ANY ($2) AND deleted_at IS NULL", register, ids)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	return list, pg.Wrap(err)
}

// taken is a unique value that an entry has.
type taken struct {
	Field string
	Value []byte
	Entry uuid.UUID
}

// uniqueKeys are unique values to look up, each of a field.
type uniqueKeys struct {
	fields []string
	values [][]byte
}

func (k *uniqueKeys) add(field string, value []byte) {
	k.fields, k.values = append(k.fields, field), append(k.values, value)
}

// takenOf finds which of the values are unique values of a register. Each is looked up by the
// index, whatever the planner believes of a table that is being filled.
func takenOf(ctx context.Context, q pg.Querier, register string, keys uniqueKeys) ([]taken, error) {
	if len(keys.fields) == 0 {
		return nil, nil
	}
	rows, err := q.Query(ctx, `SELECT k.field, k.value, u.entry_id FROM unnest($2::text[], $3::bytea[]) AS k (field, value)
CROSS JOIN LATERAL (SELECT v.entry_id FROM register.unique_value v WHERE v.register = $1 AND v.field = k.field AND v.value = k.value LIMIT 1) u`,
		register, keys.fields, keys.values)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[taken])
	return list, pg.Wrap(err)
}

// countAll counts the entries of each register.
func countAll(ctx context.Context, db *pg.DB) (map[string]int, error) {
	rows, err := db.Pool(pg.Staff).Query(ctx, "SELECT register, count(*) FROM register.entry WHERE deleted_at IS NULL GROUP BY register")
	if err != nil {
		return nil, pg.Wrap(err)
	}
	out := map[string]int{}
	var register string
	var n int
	_, err = pgx.ForEachRow(rows, []any{&register, &n}, func() error { out[register] = n; return nil })
	return out, pg.Wrap(err)
}
