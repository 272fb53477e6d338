package sample

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg"
)

func insert(ctx context.Context, tx pgx.Tx, s *Sample) error {
	_, err := tx.Exec(ctx, `INSERT INTO audit.sample (id, population, part, period_from, period_until, method, seed, size,
	population_size, population_digest, digest, purpose, drawn_at, drawn_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		s.ID, s.Population, s.Part, s.From, s.Until, s.Method, s.Seed, s.Size, s.Frame.Size, s.Frame.Digest, s.Digest, s.Purpose, s.DrawnAt, s.DrawnBy)
	if err != nil {
		return err
	}
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"audit", "sample_item"}, []string{"sample_id", "position", "item_id", "digest"},
		pgx.CopyFromSlice(len(s.Items), func(i int) ([]any, error) {
			return []any{s.ID, s.Items[i].Position, s.Items[i].ID, s.Items[i].Digest}, nil
		}))
	return err
}

func insertNote(ctx context.Context, tx pgx.Tx, id string, n Note) error {
	_, err := tx.Exec(ctx, `INSERT INTO audit.sample_note (id, sample_id, position, result, note, noted_at, noted_by)
VALUES ($1, $2, $3, $4, $5, $6, $7)`, n.ID, id, n.Position, n.Result, n.Text, n.At, n.By)
	return err
}

const columns = `s.id, s.population, s.part, s.period_from, s.period_until, s.method, s.seed, s.size, s.population_size, s.population_digest,
	s.digest, s.purpose, s.drawn_at, s.drawn_by`

func scan(row pgx.CollectableRow) (s Sample, err error) {
	err = row.Scan(&s.ID, &s.Population, &s.Part, &s.From, &s.Until, &s.Method, &s.Seed, &s.Size, &s.Frame.Size, &s.Frame.Digest,
		&s.Digest, &s.Purpose, &s.DrawnAt, &s.DrawnBy)
	return s, err
}

// Load reads a sample with its items; errs.NotFound when there is none.
func Load(ctx context.Context, on pg.Querier, id string) (Sample, error) {
	if _, err := uuid.Parse(id); err != nil {
		return Sample{}, errNone()
	}
	rows, err := on.Query(ctx, "SELECT "+columns+" FROM audit.sample s WHERE s.id = $1", id)
	if err != nil {
		return Sample{}, pg.Wrap(err)
	}
	s, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return Sample{}, errNone()
	}
	if err != nil {
		return Sample{}, pg.Wrap(err)
	}
	rows, err = on.Query(ctx, "SELECT position, item_id, digest FROM audit.sample_item WHERE sample_id = $1 ORDER BY position", id)
	if err != nil {
		return Sample{}, pg.Wrap(err)
	}
	s.Items, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Item])
	return s, pg.Wrap(err)
}

// Summary is a sample in a list, with how far its items were looked at.
type Summary struct {
	Sample
	Drawn    int // items
	Noted    int // of them, those with a result
	Excepted int // of them, those whose last result is an exception
}

// Recent lists samples without their items, the newest first; before is the id to go on from,
// empty: the newest. limit is at most 200.
func Recent(ctx context.Context, on pg.Querier, before string, limit int) ([]Summary, error) {
	rows, err := on.Query(ctx, `SELECT `+columns+`,
	(SELECT count(*) FROM audit.sample_item i WHERE i.sample_id = s.id),
	(SELECT count(DISTINCT n.position) FROM audit.sample_note n WHERE n.sample_id = s.id),
	(SELECT count(*) FROM (SELECT DISTINCT ON (n.position) n.result FROM audit.sample_note n WHERE n.sample_id = s.id ORDER BY n.position, n.id DESC) AS last
		WHERE last.result = 'exception')
FROM audit.sample s WHERE $1 = '' OR s.id < nullif($1, '')::uuid ORDER BY s.id DESC LIMIT $2`, before, min(max(limit, 1), 200))
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s Summary, err error) {
		err = row.Scan(&s.ID, &s.Population, &s.Part, &s.From, &s.Until, &s.Method, &s.Seed, &s.Size, &s.Frame.Size, &s.Frame.Digest,
			&s.Digest, &s.Purpose, &s.DrawnAt, &s.DrawnBy, &s.Drawn, &s.Noted, &s.Excepted)
		return s, err
	})
	return list, pg.Wrap(err)
}

// Notes reads the notes of a sample, the oldest first.
func Notes(ctx context.Context, on pg.Querier, id string) ([]Note, error) {
	rows, err := on.Query(ctx, "SELECT id, position, result, note, noted_at, noted_by FROM audit.sample_note WHERE sample_id = $1 ORDER BY id", id)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Note])
	return list, pg.Wrap(err)
}
