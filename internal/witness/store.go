package witness

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// kept is a statement as it was received.
type kept struct {
	Statement
	Signed     Signed
	ReceivedAt time.Time
}

// last reads the last statement of a key; nil when there is none.
func last(ctx context.Context, on pg.Querier, name, key string) (*kept, error) {
	var k kept
	err := on.QueryRow(ctx, `SELECT statement, signature, received_at FROM witness.statement
WHERE witness = $1 AND key = $2 ORDER BY sequence DESC LIMIT 1`, name, key).Scan(&k.Signed.Statement, &k.Signed.Signature, &k.ReceivedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // said above
	}
	if err != nil {
		return nil, pg.Wrap(err)
	}
	if k.Statement, err = k.Signed.read(); err != nil {
		return nil, errs.New(errs.Internal, "witness.kept", "A kept statement of a witness cannot be read.").Wrap(err)
	}
	return &k, nil
}

// insert keeps a statement that was verified, as garant_checker. It is Conflict when another of the key is
// as new or newer.
func insert(ctx context.Context, tx pgx.Tx, by actor.Actor, s Statement, signed Signed, key string, estateVersion int64, disputed []string) error {
	// One writer for a witness at a time.
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 8))", s.Witness); err != nil {
		return pg.Wrap(err)
	}
	before, err := last(ctx, tx, s.Witness, key)
	if err != nil {
		return err
	}
	if before != nil && (s.Sequence <= before.Sequence || !s.MadeAt.After(before.MadeAt)) {
		return errs.New(errs.Conflict, "witness.replayed", "A statement of that time or a later one is known already, so this one was not taken.").
			WithFix("Send the newest statement.")
	}
	id := uuid.Must(uuid.NewV7()).String()
	if _, err := tx.Exec(ctx, `INSERT INTO witness.statement (id, witness, key, sequence, made_at, statement, signature, estate_version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, id, s.Witness, key, s.Sequence, s.MadeAt, signed.Statement, signed.Signature, estateVersion); err != nil {
		return pg.Wrap(err)
	}
	return audit.Record(ctx, tx, by, "witness.stated", audit.Object{Kind: "witness", ID: s.Witness},
		map[string]any{"statement": id, "sequence": s.Sequence, "document": s.Document, "disputed": disputed})
}
