package mail

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg"
)

func insert(ctx context.Context, on pg.Execer, m Message, next time.Time) (bool, error) {
	tag, err := on.Exec(ctx, `INSERT INTO mail.message (id, template, person_id, due, args, expires_at, next_at)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (template, person_id, due) DO NOTHING`,
		m.ID, m.Template, m.Person, m.Due, m.Args, m.Expires, next)
	return tag.RowsAffected() == 1, pg.Wrap(err)
}

// insertDropped keeps that there was nothing to say, so that nobody asks again.
func insertDropped(ctx context.Context, on pg.Execer, m Message, now time.Time) error {
	_, err := on.Exec(ctx, `INSERT INTO mail.message (id, template, person_id, due, expires_at, state, next_at, problem, done_at)
VALUES ($1, $2, $3, $4, $5, 'dropped', $5, $6, $5) ON CONFLICT (template, person_id, due) DO NOTHING`,
		uuid.Must(uuid.NewV7()), m.Template, m.Person, m.Due, now, problemNothing)
	return pg.Wrap(err)
}

// asked lists the persons for whom a message was asked for already.
func asked(ctx context.Context, on pg.Querier, template, due string) (map[uuid.UUID]bool, error) {
	rows, err := on.Query(ctx, "SELECT person_id FROM mail.message WHERE template = $1 AND due = $2", template, due)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	out := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		out[id] = true
	}
	return out, pg.Wrap(err)
}

// forgetDigests removes digests of long ago: there is one for each person and day.
func forgetDigests(ctx context.Context, on pg.Execer, before time.Time) error {
	_, err := on.Exec(ctx, "DELETE FROM mail.message WHERE template = $1 AND created_at < $2 AND state IN ('sent', 'dropped')", digestTemplate, before)
	return pg.Wrap(err)
}

// claimed is a message that this process is sending.
type claimed struct {
	Message
	attempts int
}

// claim takes the message that has waited longest, until a time at which others may think this
// process dead; nil when none waits.
func claim(ctx context.Context, on pg.Querier, now, until time.Time) (*claimed, error) {
	var m claimed
	err := on.QueryRow(ctx, `UPDATE mail.message SET state = 'sending', attempts = attempts + 1, next_at = $2
WHERE id = (SELECT id FROM mail.message WHERE state IN ('waiting', 'sending') AND next_at <= $1 ORDER BY next_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, template, person_id, due, args, expires_at, attempts`, now, until).
		Scan(&m.ID, &m.Template, &m.Person, &m.Due, &m.Args, &m.Expires, &m.attempts)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // none waits
	}
	return &m, pg.Wrap(err)
}

func settle(ctx context.Context, on pg.Execer, id uuid.UUID, state, problem string, next time.Time, done *time.Time) error {
	_, err := on.Exec(ctx, `UPDATE mail.message SET state = $2, problem = nullif($3, ''), next_at = $4, done_at = $5 WHERE id = $1 AND state = 'sending'`, id, state, problem, next, done)
	return pg.Wrap(err)
}

// Sent is a message as the list of messages shows it.
type Sent struct {
	ID        uuid.UUID
	Template  string
	Person    uuid.UUID
	Due       string
	CreatedAt time.Time
	State     string // "waiting", "sending", "sent", "dropped", "failed"
	NextAt    time.Time
	Attempts  int
	Problem   string // message id
	DoneAt    time.Time
}

// list reads messages, the newest first, before the given one when before is not uuid.Nil; those of
// a state, when one is given.
func list(ctx context.Context, on pg.Querier, state string, before uuid.UUID, limit int) ([]Sent, error) {
	rows, err := on.Query(ctx, `SELECT id, template, person_id, due, created_at, state, next_at, attempts, coalesce(problem, ''), coalesce(done_at, 'epoch') FROM mail.message
WHERE ($1 = '' OR state = $1) AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`, state, nilOr(before), min(max(limit, 1), 200))
	if err != nil {
		return nil, pg.Wrap(err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Sent])
	return out, pg.Wrap(err)
}

func nilOr(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}

func countFailed(ctx context.Context, on pg.Querier) (n int, err error) {
	err = on.QueryRow(ctx, "SELECT count(*) FROM mail.message WHERE state = 'failed'").Scan(&n)
	return n, pg.Wrap(err)
}

// retry lets everything that failed be sent anew, and returns how many that are.
func retry(ctx context.Context, on pg.Execer, now, expires time.Time) (int64, error) {
	tag, err := on.Exec(ctx, "UPDATE mail.message SET state = 'waiting', next_at = $1, attempts = 0, expires_at = greatest(expires_at, $2) WHERE state = 'failed'", now, expires)
	return tag.RowsAffected(), pg.Wrap(err)
}

// preferences reads how a person wants to be written to.
func preferences(ctx context.Context, on pg.Querier, person uuid.UUID) (Preference, error) {
	p := Preference{Digest: true}
	err := on.QueryRow(ctx, "SELECT coalesce(language, ''), digest FROM mail.preference WHERE person_id = $1", person).Scan(&p.Language, &p.Digest)
	if errors.Is(err, pgx.ErrNoRows) {
		return p, nil
	}
	return p, pg.Wrap(err)
}

func setPreference(ctx context.Context, on pg.Execer, person uuid.UUID, p Preference) error {
	_, err := on.Exec(ctx, `INSERT INTO mail.preference (person_id, language, digest) VALUES ($1, nullif($2, ''), $3)
ON CONFLICT (person_id) DO UPDATE SET language = nullif($2, ''), digest = $3, changed_at = clock_timestamp()`, person, p.Language, p.Digest)
	return pg.Wrap(err)
}
