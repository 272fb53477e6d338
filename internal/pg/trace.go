package pg

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Traced returns a context in which t is told of every statement that a pool of Open runs, for who
// counts or times them.
func Traced(ctx context.Context, t pgx.QueryTracer) context.Context {
	return context.WithValue(ctx, tracedKey{}, t)
}

type tracedKey struct{}

// tracer tells the tracer of a statement's context, where it has one.
type tracer struct{}

func (tracer) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if t, ok := ctx.Value(tracedKey{}).(pgx.QueryTracer); ok {
		return t.TraceQueryStart(ctx, conn, data)
	}
	return ctx
}

func (tracer) TraceQueryEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryEndData) {
	if t, ok := ctx.Value(tracedKey{}).(pgx.QueryTracer); ok {
		t.TraceQueryEnd(ctx, conn, data)
	}
	told(conn, data.CommandTag, data.Err)
}

func (tracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

// TraceBatchQuery tells of a statement that was sent with others as of any.
func (tracer) TraceBatchQuery(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchQueryData) {
	if t, ok := ctx.Value(tracedKey{}).(pgx.QueryTracer); ok {
		ctx = t.TraceQueryStart(ctx, conn, pgx.TraceQueryStartData{SQL: data.SQL, Args: data.Args})
		t.TraceQueryEnd(ctx, conn, pgx.TraceQueryEndData{CommandTag: data.CommandTag, Err: data.Err})
	}
	told(conn, data.CommandTag, data.Err)
}

func (tracer) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// told tells what a connection carries of the end of a transaction.
func told(conn *pgx.Conn, tag pgconn.CommandTag, err error) {
	w, ok := Carried(conn).(Watcher)
	if !ok {
		return
	}
	switch tag.String() {
	case "COMMIT":
		w.Ended(conn, err == nil)
	case "ROLLBACK", "PREPARE TRANSACTION": // of a savepoint too
		w.Ended(conn, false)
	}
}
