package tenant

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/tenant/internal/wire"
)

// InTx does something in a transaction under a login, which is committed when do returns nil, and else rolled back. The first
// statement begins the transaction and enters, in its own round trip: so that the token is looked at then, and nothing is sent, not even a
// BEGIN, by a transaction that asks nothing.
func InTx(ctx context.Context, pool *pgxpool.Pool, t Token, do func(pgx.Tx) error) error {
	return InTxWith(ctx, pool, t, pgx.TxOptions{}, do)
}

// InTxWith is [InTx] with options.
func InTxWith(ctx context.Context, pool *pgxpool.Pool, t Token, o pgx.TxOptions, do func(pgx.Tx) error) error {
	if t.IsZero() {
		return ErrNoToken
	}
	return inTx(ctx, &late{options: o, enter: func(ctx context.Context, first func(*pgxpool.Conn, Token) error) error {
		return on(ctx, pool, t, func(c *pgxpool.Conn) error { return first(c, t) })
	}}, do)
}

func inTx(ctx context.Context, tx *late, do func(pgx.Tx) error) error {
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // nothing after Commit
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// late is a transaction that begins with its first statement.
type late struct {
	options pgx.TxOptions
	// enter finds a connection and a token for first, anew while it is refused for a reason that another token or place mends.
	enter func(ctx context.Context, first func(*pgxpool.Conn, Token) error) error
	tx    *Tx   // nil: not begun
	err   error // why it could not begin, or [pgx.ErrTxClosed]
}

// begun begins the transaction by itself where it has not, for what cannot be sent along with it.
func (l *late) begun(ctx context.Context) error {
	if l.tx != nil || l.err != nil {
		return l.err
	}
	l.err = l.enter(ctx, func(c *pgxpool.Conn, t Token) error {
		inner, err := wire.Begin(ctx, c.Conn(), t.secret(), l.options)
		if err == nil {
			l.tx = begun(inner, c)
		}
		return err
	})
	return l.err
}

// start begins the transaction with a first statement, whose results take takes. What take says is the statement's own matter: the transaction has begun then.
func (l *late) start(ctx context.Context, sql string, args []any, take func(*wire.Started) error) (err error) {
	l.err = l.enter(ctx, func(c *pgxpool.Conn, t Token) error {
		wire.Said(c.Conn(), sql, alone(args))
		s, refused := wire.Start(ctx, c.Conn(), t.secret(), l.options, sql, args)
		if refused != nil {
			return refused
		}
		l.tx = begun(s.Tx, c)
		err = take(s)
		return nil
	})
	if l.err != nil {
		return l.err
	}
	return Explain(err)
}

// Exec executes a statement.
func (l *late) Exec(ctx context.Context, sql string, args ...any) (tag pgconn.CommandTag, err error) {
	if l.tx != nil || l.err != nil || !l.goesAlong(sql, args) {
		if err := l.begun(ctx); err != nil {
			return tag, err
		}
		return l.tx.Exec(ctx, sql, args...)
	}
	err = l.start(ctx, sql, args, func(s *wire.Started) (err error) {
		tag, err = s.Exec()
		return err
	})
	return tag, err
}

// Query sends a query.
func (l *late) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if l.tx != nil || l.err != nil || !l.goesAlong(sql, args) {
		if err := l.begun(ctx); err != nil {
			return noRows{err}, err
		}
		return l.tx.Query(ctx, sql, args...)
	}
	var found *wire.Rows
	err := l.start(ctx, sql, args, func(s *wire.Started) (err error) {
		found, err = s.Query()
		return err
	})
	if err != nil {
		return noRows{err}, err
	}
	return rows{found}, nil
}

// QueryRow sends a query for one row at most.
func (l *late) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	r, _ := l.Query(ctx, sql, args...) // the rows tell the error again
	return row{r}
}

// goesAlong reports whether a statement can be sent with what begins the transaction: it has no options of pgx, and is not several.
func (l *late) goesAlong(sql string, args []any) bool {
	if l.options.BeginQuery != "" {
		return false // which may begin nothing
	}
	if len(args) == 0 {
		return !wire.Several(sql)
	}
	switch args[0].(type) {
	case pgx.QueryExecMode, pgx.QueryResultFormats, pgx.QueryResultFormatsByOID:
		return false
	}
	return true
}

// Begin begins a savepoint.
func (l *late) Begin(ctx context.Context) (pgx.Tx, error) {
	if err := l.begun(ctx); err != nil {
		return nil, err
	}
	return l.tx.Begin(ctx)
}

// Commit commits what was begun.
func (l *late) Commit(ctx context.Context) error {
	switch {
	case l.tx != nil:
		return l.tx.Commit(ctx)
	case errors.Is(l.err, pgx.ErrTxClosed):
		return l.err
	case l.err != nil:
		return pgx.ErrTxCommitRollback
	}
	l.err = pgx.ErrTxClosed
	return nil
}

// Rollback rolls back what was begun.
func (l *late) Rollback(ctx context.Context) error {
	if l.tx != nil {
		return l.tx.Rollback(ctx)
	}
	if errors.Is(l.err, pgx.ErrTxClosed) {
		return l.err
	}
	l.err = pgx.ErrTxClosed
	return nil
}

// SendBatch sends several statements at once.
func (l *late) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if err := l.begun(ctx); err != nil {
		return pgx.FailedBatchResults(b, err)
	}
	return l.tx.SendBatch(ctx, b)
}

// CopyFrom copies rows into a table.
func (l *late) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, from pgx.CopyFromSource) (int64, error) {
	if err := l.begun(ctx); err != nil {
		return 0, err
	}
	return l.tx.CopyFrom(ctx, table, columns, from)
}

// Prepare prepares a statement.
func (l *late) Prepare(ctx context.Context, name, sql string) (*pgconn.StatementDescription, error) {
	if err := l.begun(ctx); err != nil {
		return nil, err
	}
	return l.tx.Prepare(ctx, name, sql)
}

// LargeObjects are those of the transaction, which has to have begun.
func (l *late) LargeObjects() pgx.LargeObjects {
	if l.begun(context.Background()) != nil {
		return pgx.LargeObjects{}
	}
	return l.tx.LargeObjects()
}

// Conn is the connection of a transaction that has begun. It is closed when the transaction ends.
func (l *late) Conn() *pgx.Conn {
	if l.begun(context.Background()) != nil {
		return nil
	}
	return l.tx.Conn()
}
