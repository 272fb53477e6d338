package pg

import (
	"context"

	"github.com/jackc/pgx/v5"
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
	if w, ok := Carried(conn).(Watcher); ok {
		switch data.CommandTag.String() {
		case "COMMIT":
			w.Ended(conn, data.Err == nil)
		case "ROLLBACK", "PREPARE TRANSACTION": // of a savepoint too
			w.Ended(conn, false)
		}
	}
}
