package residence

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/tenancy/move"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// Progress keeps what a mover tells of its move. What comes late says nothing new of a move that is over.
func (s *Store) Progress(ctx context.Context, p move.Progress) error {
	proof := p.Proof
	if proof == nil {
		proof = []move.Sum{}
	}
	_, err := s.DB.Pool(pg.Staff).Exec(ctx, `INSERT INTO hosting.move (id, database, tenant_type, tenant, source, target, step, rows, bytes, rate, behind, pause_ms, proof, restore, failure, started_at, started_by, switched_at, finished_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
ON CONFLICT (id) DO UPDATE SET step = excluded.step, rows = greatest(move.rows, excluded.rows), bytes = greatest(move.bytes, excluded.bytes), rate = excluded.rate, behind = excluded.behind, pause_ms = excluded.pause_ms,
	proof = excluded.proof, restore = excluded.restore, failure = excluded.failure, switched_at = excluded.switched_at, finished_at = excluded.finished_at, heard_at = clock_timestamp()`,
		p.State.ID, p.Database, p.ID.Type(), p.ID.String(), p.From, p.To, string(p.Step), p.Rows, p.Bytes, p.Rate, p.Behind, p.Pause.Milliseconds(), proof, p.Restore, p.Failure, p.StartedAt, p.StartedBy, p.SwitchedAt, p.FinishedAt)
	return pg.Wrap(err)
}

// Moved is a move as its mover told of it last.
type Moved struct {
	move.State
	Database            string
	Bytes, Rate, Behind int64
	Failure             string
	HeardAt             time.Time
}

const readMoved = `SELECT id, database, tenant, source, target, step, rows, bytes, rate, behind, pause_ms, proof, restore, failure, started_at, started_by, switched_at, finished_at, heard_at FROM hosting.move`

func scanMoved(r pgx.CollectableRow) (Moved, error) {
	var m Moved
	var pause int64
	err := r.Scan(&m.ID, &m.Database, &m.Tenant, &m.From, &m.To, &m.Step, &m.Rows, &m.Bytes, &m.Rate, &m.Behind, &pause, &m.Proof, &m.Restore, &m.Failure, &m.StartedAt, &m.StartedBy, &m.SwitchedAt, &m.FinishedAt, &m.HeardAt)
	m.Pause = time.Duration(pause) * time.Millisecond
	return m, err
}

// Moves lists the moves of which Garant was told, those that are not over first, then the last.
func Moves(ctx context.Context, q pg.Querier, limit int) ([]Moved, error) {
	rows, err := q.Query(ctx, readMoved+` ORDER BY finished_at IS NOT NULL, started_at DESC LIMIT $1`, limit)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, scanMoved)
	return list, pg.Wrap(err)
}

// MoveOf finds a move.
func MoveOf(ctx context.Context, q pg.Querier, id uuid.UUID) (Moved, error) {
	rows, err := q.Query(ctx, readMoved+` WHERE id = $1`, id)
	if err != nil {
		return Moved{}, pg.Wrap(err)
	}
	m, err := pgx.CollectExactlyOneRow(rows, scanMoved)
	if errors.Is(err, pgx.ErrNoRows) {
		return m, errs.New(errs.NotFound, "residence.no_move", "Garant was told of no such move.").WithFix("Choose one from the list.")
	}
	return m, pg.Wrap(err)
}

// Told is what was told of where a tenant lives.
type Told struct {
	At     time.Time
	Place  string
	Paused bool
	Step   move.Step
	By     string // kind and id
}

// TellingsOf lists what was told during a move, the last first.
func TellingsOf(ctx context.Context, q pg.Querier, id uuid.UUID) ([]Told, error) {
	rows, err := q.Query(ctx, `SELECT at, place, paused, step, told_by FROM hosting.told WHERE move = $1 ORDER BY id DESC LIMIT 100`, id)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Told])
	return list, pg.Wrap(err)
}
