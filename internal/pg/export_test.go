package pg

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/pressly/goose/v3"
)

// MigrateTo brings a database to an earlier schema, as an older build left it.
func MigrateTo(ctx context.Context, ownerDSN string, version int64) error {
	return withMigrations(ctx, ownerDSN, func(p *goose.Provider, _ *pgxpool.Pool) error {
		_, err := p.UpTo(ctx, version)
		return err
	})
}
