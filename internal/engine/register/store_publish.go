package register

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/pg"
)

func latestVersion(ctx context.Context, q pg.Querier, document uuid.UUID) (n int, err error) {
	err = q.QueryRow(ctx, "SELECT coalesce(max(version), 0) FROM register.publication WHERE entry_id = $1", document).Scan(&n)
	return n, pg.Wrap(err)
}

func insertPublication(ctx context.Context, tx pgx.Tx, p Publication) error {
	_, err := tx.Exec(ctx, "INSERT INTO register.publication (entry_id, version, at, by, fields, digest) VALUES ($1, $2, $3, $4, $5, $6)",
		p.Document, p.Version, p.At, p.By, p.Values, p.Digest)
	return pg.Wrap(err)
}

// latestPublication reads the version in force; pgx.ErrNoRows when there is none, or when the
// document was withdrawn.
func latestPublication(ctx context.Context, q pg.Querier, document uuid.UUID) (p Publication, err error) {
	err = q.QueryRow(ctx, `SELECT p.entry_id, p.version, p.at, p.by, p.fields, p.digest FROM register.publication p JOIN register.entry e ON e.id = p.entry_id
WHERE p.entry_id = $1 AND e.state = 'published' AND e.deleted_at IS NULL ORDER BY p.version DESC LIMIT 1`, document).
		Scan(&p.Document, &p.Version, &p.At, &p.By, &p.Values, &p.Digest)
	return p, err
}

// personByAccount finds the entry that names an account; pgx.ErrNoRows.
func personByAccount(ctx context.Context, q pg.Querier, account uuid.UUID) (id uuid.UUID, err error) {
	err = q.QueryRow(ctx, "SELECT entry_id FROM register.unique_value WHERE register = 'persons' AND field = 'account' AND value = $1", []byte(account.String())).Scan(&id)
	return id, err
}

// inForce is the latest version of each published document that people acknowledge, with the
// teams that are asked to (none: everybody).
const inForce = `WITH in_force AS (
	SELECT DISTINCT ON (p.entry_id) p.entry_id, p.version, p.at, e.fields, string_to_array(nullif(e.fields ->> 'teams', ''), ', ') AS teams
	FROM register.publication p JOIN register.entry e ON e.id = p.entry_id
	WHERE e.register = 'documents' AND e.state = 'published' AND e.deleted_at IS NULL AND e.fields ->> 'acknowledge' = 'true'
	ORDER BY p.entry_id, p.version DESC)
`

// outstandingOf lists the versions that a person has not acknowledged yet.
func outstandingOf(ctx context.Context, q pg.Querier, person uuid.UUID, zone *time.Location) ([]Task, error) {
	rows, err := q.Query(ctx, inForce+`SELECT f.entry_id, coalesce(f.fields ->> 'title', ''), f.version, f.at, coalesce(e.fields ->> 'arrival', '')
FROM in_force f JOIN register.entry e ON e.id = $1 AND e.register = 'persons' AND e.deleted_at IS NULL
LEFT JOIN register.entry t ON t.id = (e.fields ->> 'team')::uuid
WHERE (f.teams IS NULL OR t.fields ->> 'key' = ANY (f.teams))
	AND NOT EXISTS (SELECT FROM register.acknowledgement a WHERE a.document_id = f.entry_id AND a.version = f.version AND a.person_id = $1)
ORDER BY f.at, f.entry_id`, person)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t Task, err error) {
		var arrival string
		if err := row.Scan(&t.Document, &t.Title, &t.Version, &t.At, &arrival); err != nil {
			return t, err
		}
		from := calendar.Of(t.At, zone)
		if d, err := calendar.Parse(arrival); err == nil && d.After(from) {
			from = d
		}
		t.Due = from.AddDays(int(Grace / (24 * time.Hour)))
		return t, nil
	})
	return list, pg.Wrap(err)
}

func acknowledgedAt(ctx context.Context, q pg.Querier, document uuid.UUID, version int, person uuid.UUID) (at time.Time, err error) {
	err = q.QueryRow(ctx, "SELECT at FROM register.acknowledgement WHERE document_id = $1 AND version = $2 AND person_id = $3", document, version, person).Scan(&at)
	if errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, nil
	}
	return at, pg.Wrap(err)
}

func insertAcknowledgement(ctx context.Context, tx pgx.Tx, document uuid.UUID, version int, person, account uuid.UUID, digest string, now time.Time) (added bool, err error) {
	tag, err := tx.Exec(ctx, `INSERT INTO register.acknowledgement (document_id, version, person_id, account_id, digest, at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING`, document, version, person, account, digest, now)
	return tag.RowsAffected() == 1, pg.Wrap(err)
}

// present is true of a person who has arrived and has not left: the last day still counts.
// $1 stands for the day.
const present = `p.register = 'persons' AND p.deleted_at IS NULL AND p.fields ->> 'arrival' <= $1
	AND (p.fields ->> 'leaving' IS NULL OR p.fields ->> 'leaving' >= $1)`

// askedFor calls found for each present person who is asked to acknowledge a version, with when
// they did.
func askedFor(ctx context.Context, q pg.Querier, document uuid.UUID, version int, today calendar.Date, found func(person uuid.UUID, at *time.Time)) error {
	rows, err := q.Query(ctx, `SELECT p.id, a.at FROM register.entry p
JOIN register.entry d ON d.id = $2
LEFT JOIN register.entry t ON t.id = (p.fields ->> 'team')::uuid
LEFT JOIN register.acknowledgement a ON a.document_id = $2 AND a.version = $3 AND a.person_id = p.id
WHERE `+present+` AND (nullif(d.fields ->> 'teams', '') IS NULL OR t.fields ->> 'key' = ANY (string_to_array(d.fields ->> 'teams', ', ')))
ORDER BY p.id`, today.String(), document, version)
	if err != nil {
		return pg.Wrap(err)
	}
	var person uuid.UUID
	var at *time.Time
	_, err = pgx.ForEachRow(rows, []any{&person, &at}, func() error { found(person, at); return nil })
	return pg.Wrap(err)
}
