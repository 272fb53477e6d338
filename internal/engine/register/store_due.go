package register

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/pg"
)

// called is an entry by what it is called.
type called struct {
	ID   uuid.UUID
	Name string
	Note string
}

func collectCalled(rows pgx.Rows, err error) ([]called, error) {
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[called])
	return list, pg.Wrap(err)
}

// ownerless lists the assets, those disposed of left out, whose owner is missing or not present. It
// starts from those who are not present, who are few: assets are thousands.
func ownerless(ctx context.Context, q pg.Querier, today calendar.Date) ([]called, error) {
	return collectCalled(q.Query(ctx, `WITH absent AS (
	SELECT p.id FROM register.entry p WHERE p.register = 'persons' AND p.deleted_at IS NULL AND (`+present+`) IS NOT TRUE
	UNION ALL SELECT p.id FROM register.entry p WHERE p.register = 'persons' AND p.deleted_at IS NOT NULL)
SELECT a.id, coalesce(a.fields ->> 'tag', ''), 'missing' FROM register.entry a
WHERE a.register = 'assets' AND a.deleted_at IS NULL AND a.state <> 'disposed' AND a.fields ->> 'owner' IS NULL
UNION ALL
SELECT o.id, o.tag, 'absent' FROM absent
CROSS JOIN LATERAL (SELECT a.id, coalesce(a.fields ->> 'tag', '') AS tag FROM register.reference r JOIN register.entry a ON a.id = r.entry_id
	WHERE r.target_id = absent.id AND r.field = 'owner' AND a.register = 'assets' AND a.deleted_at IS NULL AND a.state <> 'disposed' OFFSET 0) AS o
ORDER BY 2, 1`, today.String()))
}

// leavers lists the persons whose last day is before a day and who are named by entries in use; over
// are the states out of use, each with its register: "assets/disposed".
func leavers(ctx context.Context, q pg.Querier, before calendar.Date, over []string) ([]Leaver, error) {
	rows, err := q.Query(ctx, `SELECT p.id, coalesce((p.fields ->> 'account')::uuid, '00000000-0000-0000-0000-000000000000'), p.fields ->> 'leaving', named.n, named.assets
FROM register.entry p
CROSS JOIN LATERAL (SELECT count(*) AS n, count(*) FILTER (WHERE e.register = 'assets' AND r.field = 'owner') AS assets FROM register.reference r JOIN register.entry e ON e.id = r.entry_id
	WHERE r.target_id = p.id AND e.deleted_at IS NULL AND e.register || '/' || e.state <> ALL ($2)) AS named
WHERE p.register = 'persons' AND p.deleted_at IS NULL AND p.fields ->> 'leaving' < $1 AND named.n > 0
ORDER BY 3, 1`, before.String(), over)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l Leaver, err error) {
		var day string
		if err := row.Scan(&l.Person, &l.Account, &day, &l.Entries, &l.Assets); err != nil {
			return l, err
		}
		l.Leaving, err = calendar.Parse(day)
		return l, err
	})
	return list, pg.Wrap(err)
}
