package stdsql

import (
	"context"
	"database/sql"

	"github.com/garant-project/garant/tenant"
)

// Recorder is a [sql.Tx], or a connection of database/sql in a transaction.
type Recorder interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Record is [tenant.Record] for a transaction of database/sql.
func Record(ctx context.Context, tx Recorder, e tenant.Event) error {
	args, err := e.Arguments()
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, tenant.RecordSQL, args...)
	return tenant.Explain(err)
}
