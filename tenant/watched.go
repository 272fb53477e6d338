package tenant

import (
	"context"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/tenant/internal/wire"
)

// watched is a transaction that notes what is said in it, so that its connection is closed when something may be left
// there for the next tenant (package wire, left.go). Once it is over, and its connection perhaps another tenant's, nothing that was kept
// of it leads there.
type watched struct {
	pgx.Tx
	over *atomic.Bool // of the transaction and its savepoints
}

// said notes a statement, unless the transaction is over: then pgx refuses it.
func (w watched) said(sql string, args []any) {
	if !w.over.Load() {
		wire.Said(w.Tx.Conn(), sql, args)
	}
}

// Begin begins a savepoint.
func (w watched) Begin(ctx context.Context) (pgx.Tx, error) {
	inner, err := w.Tx.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return watched{inner, w.over}, nil
}

// Exec executes a statement; without arguments, it may be several.
func (w watched) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	w.said(sql, args)
	return w.Tx.Exec(ctx, sql, args...)
}

// Query sends a query.
func (w watched) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	w.said(sql, alone(args))
	return w.Tx.Query(ctx, sql, args...)
}

// QueryRow sends a query for one row at most.
func (w watched) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	w.said(sql, alone(args))
	return w.Tx.QueryRow(ctx, sql, args...)
}

// SendBatch sends several statements at once.
func (w watched) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	for _, q := range b.QueuedQueries {
		w.said(q.SQL, alone(q.Arguments))
	}
	return w.Tx.SendBatch(ctx, b)
}

// Prepare prepares a statement, which stays on the connection as long as it is open, for every tenant.
func (w watched) Prepare(ctx context.Context, name, sql string) (*pgconn.StatementDescription, error) {
	w.said(sql, alone(nil))
	return w.Tx.Prepare(ctx, name, sql)
}

// Conn is the connection; nil once the transaction is over. It is closed when the transaction ends: nobody sees what is said on it.
func (w watched) Conn() *pgx.Conn {
	if w.over.Load() {
		return nil
	}
	wire.Handed(w.Tx.Conn())
	return w.Tx.Conn()
}

// alone are the arguments of a text that the server takes for one statement, even when there are none.
func alone(args []any) []any { return append(args[:len(args):len(args)], nil) }
