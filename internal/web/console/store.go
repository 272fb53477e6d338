package console

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg"
)

// openSession is a session of somebody else, as those who manage persons see it. What gives
// access to it is not readable by garant_staff.
type openSession struct {
	ID         uuid.UUID
	Method     string
	Enrolled   bool
	OpenedAt   time.Time
	LastSeenAt time.Time
	Origin     string
	Agent      string
}

// openSessions lists the sessions of a person that still open something at a moment, the last
// seen first.
func openSessions(ctx context.Context, on pg.Querier, person uuid.UUID, idle time.Duration, now time.Time) ([]openSession, error) {
	rows, err := on.Query(ctx, `SELECT id, method, enrolled, opened_at, last_seen_at, origin, agent FROM directory.session
WHERE person_id = $1 AND ended_at IS NULL AND expires_at > $2 AND last_seen_at > $3
ORDER BY last_seen_at DESC, id DESC LIMIT 50`, person, now, now.Add(-idle))
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[openSession])
	return list, pg.Wrap(err)
}

// withoutPasskey lists the enabled persons who have no passkey, the first added first; countWithoutPasskey
// counts all of them.
func withoutPasskey(ctx context.Context, on pg.Querier, limit int) ([]uuid.UUID, error) {
	rows, err := on.Query(ctx, `SELECT p.id FROM directory.person p
WHERE p.disabled_at IS NULL AND NOT EXISTS (SELECT FROM directory.passkey k WHERE k.person_id = p.id) ORDER BY p.id LIMIT $1`, limit)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	return list, pg.Wrap(err)
}

func countWithoutPasskey(ctx context.Context, on pg.Querier) (n int, err error) {
	err = on.QueryRow(ctx, `SELECT count(*) FROM directory.person p
WHERE p.disabled_at IS NULL AND NOT EXISTS (SELECT FROM directory.passkey k WHERE k.person_id = p.id)`).Scan(&n)
	return n, pg.Wrap(err)
}

// countRoles counts the enabled persons of some roles.
func countRoles(ctx context.Context, on pg.Querier, roles []string) (n int, err error) {
	err = on.QueryRow(ctx, "SELECT count(*) FROM directory.person p WHERE p.disabled_at IS NULL AND p.role = ANY($1)", roles).Scan(&n)
	return n, pg.Wrap(err)
}

// personsEnding lists the persons whose ids end so, as lists show them to who may not read names.
func personsEnding(ctx context.Context, on pg.Querier, end string) ([]string, error) {
	rows, err := on.Query(ctx, `SELECT p.id::text FROM directory.person AS p WHERE right(p.id::text, 8) = $1 ORDER BY p.id LIMIT 20`, end)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return list, pg.Wrap(err)
}
