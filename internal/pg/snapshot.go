package pg

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg/sqlname"
)

// JoinSnapshot makes the transaction that conn is in see what another session exported by
// pg_export_snapshot, before its first query. That session has to be in its transaction still: the error
// is pg.unavailable if it has ended, which PostgreSQL reports as a bad value or a wrong state.
func JoinSnapshot(ctx context.Context, conn *pgx.Conn, name string) error {
	_, err := conn.Exec(ctx, `SET TRANSACTION SNAPSHOT `+sqlname.Literal(name))
	var refused *pgconn.PgError
	if errors.As(err, &refused) && (refused.Code == "22023" || refused.Code == "55000") {
		return errs.New(errs.Unavailable, "pg.unavailable", "The database has ended the session that held the snapshot.").
			WithFix("Try again.").Wrap(errors.New("snapshot lost"))
	}
	return err
}
