package measure

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg"
)

// EvidenceIDs lists the evidence of a check that was observed from one moment to before another,
// in the order in which it was stored: those after one.
func EvidenceIDs(ctx context.Context, on pg.Querier, check string, from, until time.Time, after uuid.UUID, limit int) ([]uuid.UUID, error) {
	rows, err := on.Query(ctx, `SELECT e.id FROM measure.evidence e
WHERE e.check_id = $1 AND e.observed_at >= $2 AND e.observed_at < $3 AND e.id > $4 ORDER BY e.id LIMIT $5`, check, from, until, after, limit)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	return ids, pg.Wrap(err)
}

// EvidenceOf reads evidence by its ids; what is not there is left out.
func EvidenceOf(ctx context.Context, on pg.Querier, ids []uuid.UUID) ([]Evidence, error) {
	rows, err := on.Query(ctx, "SELECT "+evidenceColumns+" FROM measure.evidence WHERE id = ANY($1) ORDER BY id", ids)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, scanEvidence)
	return list, pg.Wrap(err)
}

// ChangeIDs lists the changes of state that were recorded from one moment to before another,
// upwards: those above after.
func ChangeIDs(ctx context.Context, on pg.Querier, from, until time.Time, after int64, limit int) ([]int64, error) {
	rows, err := on.Query(ctx, `SELECT s.id FROM measure.state_change s WHERE s.at >= $1 AND s.at < $2 AND s.id > $3 ORDER BY s.id LIMIT $4`, from, until, after, limit)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	return ids, pg.Wrap(err)
}

// Changes reads changes of state by their numbers; those that are not there are left out.
func Changes(ctx context.Context, on pg.Querier, ids []int64) ([]StateChange, error) {
	rows, err := on.Query(ctx, "SELECT s.id, s.measure_id, s.state, s.at, s.cause, s.reason FROM measure.state_change s WHERE s.id = ANY($1) ORDER BY s.id", ids)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, scanChange)
	return list, pg.Wrap(err)
}

// AttestationIDs lists the statements of owners that were received from one moment to before
// another, in the order in which they came: those after one, given by its id.
func AttestationIDs(ctx context.Context, on pg.Querier, from, until time.Time, after string, limit int) ([]string, error) {
	rows, err := on.Query(ctx, `SELECT a.id::text FROM measure.attestation a
WHERE a.received_at >= $1 AND a.received_at < $2 AND a.n > coalesce((SELECT b.n FROM measure.attestation b WHERE b.id = nullif($3, '')::uuid), 0)
ORDER BY a.n LIMIT $4`, from, until, after, limit)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return ids, pg.Wrap(err)
}

// AttestationsOf reads statements by their ids, without what their notes say; what is not there is
// left out.
func AttestationsOf(ctx context.Context, on pg.Querier, ids []uuid.UUID) ([]Attestation, error) {
	rows, err := on.Query(ctx, "SELECT "+attestationColumns+" FROM measure.attestation WHERE id = ANY($1) ORDER BY n", ids)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Attestation, error) {
		a, _, err := scanAttestation(row)
		return a, err
	})
	return list, pg.Wrap(err)
}
