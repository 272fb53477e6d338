package annex

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// RowsThen reads the last row of each measure at a moment.
const RowsThen = rowsThen

// PutDocument publishes a document as it is.
func PutDocument(ctx context.Context, pool *pgxpool.Pool, d Document) error {
	payload, err := json.Marshal(d)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(payload)
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		return insertDocument(ctx, tx, hex.EncodeToString(sum[:]), payload)
	})
}
