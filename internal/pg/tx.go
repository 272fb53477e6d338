package pg

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Beginner is a pool, a connection or a transaction.
type Beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// InTx runs fn in a transaction that commits when fn returns nil and rolls back otherwise.
// Errors come back through Wrap.
//
// The transaction begins with its first statement, and what is left for Later goes with the next statement or with the COMMIT: a
// change and its entry in the audit log take two round trips. One that asks nothing sends nothing.
func InTx(ctx context.Context, on Beginner, fn func(pgx.Tx) error) error {
	switch on := on.(type) {
	case *pgxpool.Pool:
		return Wrap(on.AcquireFunc(ctx, func(c *pgxpool.Conn) error { return inTx(ctx, c.Conn(), fn) }))
	case *pgxpool.Conn:
		return Wrap(inTx(ctx, on.Conn(), fn))
	case *pgx.Conn:
		return Wrap(inTx(ctx, on, fn))
	}
	return Wrap(pgx.BeginFunc(ctx, on, fn)) // a savepoint
}

// Later has a statement, of which nobody needs to know more than that it came to pass, go to the database with the next one of its transaction, or with the COMMIT: order is kept, and
// nothing is committed without it. If it fails, that is the error of what it went with. On what InTx did not begin it is executed at once.
func Later(ctx context.Context, on Execer, sql string, args ...any) error {
	t, ok := on.(*transaction)
	if !ok {
		_, err := on.Exec(ctx, sql, args...)
		return err
	}
	if t.err != nil {
		return t.err
	}
	if !goesAlong(args) {
		_, err := t.Exec(ctx, sql, args...)
		return err
	}
	t.later = append(t.later, &pgx.QueuedQuery{SQL: sql, Arguments: args})
	return nil
}

func inTx(ctx context.Context, conn *pgx.Conn, fn func(pgx.Tx) error) (err error) {
	t := &transaction{conn: conn}
	committed := false
	defer func() { // also when fn panics
		if e := t.Rollback(ctx); e != nil && err == nil && !committed {
			err = e
		}
		if w, ok := Carried(conn).(Watcher); ok && !committed { // nothing may have been sent that would have told
			w.Ended(conn, false)
		}
	}()
	if err := fn(t); err != nil {
		return err
	}
	err = t.Commit(ctx)
	committed = err == nil
	return err
}

// transaction is a pgx.Tx that sends as little as it can.
type transaction struct {
	conn  *pgx.Conn
	tx    pgx.Tx // nil: not begun
	later []*pgx.QueuedQuery
	err   error // why nothing goes on: something was lost that had to come to pass, or it has ended
	done  bool  // it has ended
}

// goesAlong reports whether a statement can be sent in a batch: it has no options of pgx, and is not several, which only one without arguments may be.
func goesAlong(args []any) bool {
	if len(args) == 0 {
		return false
	}
	switch args[0].(type) {
	case pgx.QueryExecMode, pgx.QueryResultFormats, pgx.QueryResultFormatsByOID:
		return false
	}
	return true
}

// waiting is a batch of what has to go before the next statement, and how many results come before its own.
func (t *transaction) waiting() (b *pgx.Batch, before int) {
	b = &pgx.Batch{}
	if t.tx == nil {
		b.BeginTx(pgx.TxOptions{})
	}
	b.QueuedQueries = append(b.QueuedQueries, t.later...)
	t.later = nil
	return b, b.Len()
}

// send sends a batch of waiting and reads what came of all before the statement itself.
func (t *transaction) send(ctx context.Context, b *pgx.Batch, before int) (pgx.BatchResults, error) {
	results := t.conn.SendBatch(ctx, b)
	if t.tx == nil {
		t.tx = results.Tx()
	}
	for range before {
		if _, err := results.Exec(); err != nil {
			return results, t.ended(results, err)
		}
	}
	return results, nil
}

// ended closes a batch. err is what is known to have gone wrong in it. A transaction that did not begin, or of which a statement was left that it was given, does not go on.
func (t *transaction) ended(results pgx.BatchResults, err error) error {
	if e := results.Close(); err == nil {
		err = e
	}
	if err != nil && t.err == nil && t.conn.PgConn().TxStatus() != 'E' { // there the database sees to it
		t.err = err
	}
	return err
}

// flush sends what waits.
func (t *transaction) flush(ctx context.Context) error {
	if t.err != nil || t.tx != nil && len(t.later) == 0 {
		return t.err
	}
	b, before := t.waiting()
	results, err := t.send(ctx, b, before)
	if err != nil {
		return err
	}
	return t.ended(results, nil)
}

// alone reports whether a statement needs nothing to go before it.
func (t *transaction) alone() bool { return t.tx != nil && len(t.later) == 0 }

// Exec executes a statement.
func (t *transaction) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if t.err != nil {
		return pgconn.CommandTag{}, t.err
	}
	if t.alone() || !goesAlong(args) {
		if err := t.flush(ctx); err != nil {
			return pgconn.CommandTag{}, err
		}
		return t.tx.Exec(ctx, sql, args...)
	}
	b, before := t.waiting()
	b.Queue(sql, args...)
	results, err := t.send(ctx, b, before)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := results.Exec()
	return tag, t.ended(results, err)
}

// Query sends a query.
func (t *transaction) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if t.err != nil {
		return noRows(t.err)
	}
	if t.alone() || !goesAlong(args) {
		if err := t.flush(ctx); err != nil {
			return noRows(err)
		}
		return t.tx.Query(ctx, sql, args...)
	}
	b, before := t.waiting()
	b.Queue(sql, args...)
	results, err := t.send(ctx, b, before)
	if err != nil {
		return noRows(err)
	}
	found, err := results.Query()
	if err != nil {
		return noRows(t.ended(results, err))
	}
	return &rows{Rows: found, results: results, of: t}, nil
}

// QueryRow sends a query for one row at most.
func (t *transaction) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if t.err == nil && t.alone() {
		return t.tx.QueryRow(ctx, sql, args...)
	}
	r, _ := t.Query(ctx, sql, args...) // the rows tell the error again
	return row{r}
}

// Begin begins a savepoint.
func (t *transaction) Begin(ctx context.Context) (pgx.Tx, error) {
	if err := t.flush(ctx); err != nil {
		return nil, err
	}
	return t.tx.Begin(ctx)
}

// Commit sends what waits with the COMMIT.
func (t *transaction) Commit(ctx context.Context) error {
	switch {
	case t.done:
		return t.err
	case t.err != nil:
		_ = t.Rollback(ctx)
		return pgx.ErrTxCommitRollback
	case t.tx == nil && len(t.later) == 0:
		t.end()
		return nil
	case t.alone():
		t.end()
		return t.tx.Commit(ctx)
	}
	b, before := t.waiting()
	b.Queue("commit")
	results, err := t.send(ctx, b, before)
	if err != nil {
		return err
	}
	tag, err := results.Exec()
	if err = t.ended(results, err); err != nil {
		return err
	}
	t.end()
	if tag.String() == "ROLLBACK" {
		return pgx.ErrTxCommitRollback
	}
	return nil
}

// Rollback undoes what was begun. What does not end a transaction ends its connection.
func (t *transaction) Rollback(ctx context.Context) error {
	if t.done {
		return t.err
	}
	t.end()
	if t.tx == nil || t.conn.PgConn().TxStatus() == 'I' {
		return nil
	}
	return t.tx.Rollback(ctx)
}

// end has nothing be sent any more.
func (t *transaction) end() { t.err, t.later, t.done = pgx.ErrTxClosed, nil, true }

// SendBatch sends several statements at once.
func (t *transaction) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if err := t.flush(ctx); err != nil {
		return pgx.FailedBatchResults(b, err)
	}
	return t.tx.SendBatch(ctx, b)
}

// CopyFrom copies rows into a table.
func (t *transaction) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, from pgx.CopyFromSource) (int64, error) {
	if err := t.flush(ctx); err != nil {
		return 0, err
	}
	return t.tx.CopyFrom(ctx, table, columns, from)
}

// Prepare prepares a statement.
func (t *transaction) Prepare(ctx context.Context, name, sql string) (*pgconn.StatementDescription, error) {
	if err := t.flush(ctx); err != nil {
		return nil, err
	}
	return t.tx.Prepare(ctx, name, sql)
}

// LargeObjects are those of the transaction, which has to have begun.
func (t *transaction) LargeObjects() pgx.LargeObjects {
	if t.tx == nil {
		return pgx.LargeObjects{}
	}
	return t.tx.LargeObjects()
}

// Conn is the connection, to tell what it carries: a statement that is sent on it may stand outside the transaction.
func (t *transaction) Conn() *pgx.Conn { return t.conn }

// rows are those of a statement that was sent with others.
type rows struct {
	pgx.Rows
	results pgx.BatchResults
	of      *transaction
	closed  bool
	err     error
}

func (r *rows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

func (r *rows) Close() {
	if r.closed {
		return
	}
	r.closed = true
	r.Rows.Close()
	r.err = r.of.ended(r.results, r.Rows.Err())
}

func (r *rows) Err() error {
	if r.err != nil {
		return r.err
	}
	return r.Rows.Err()
}

// row is the first of some rows.
type row struct{ pgx.Rows }

func (r row) Scan(dest ...any) error {
	defer r.Close()
	if !r.Next() {
		if err := r.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := r.Rows.Scan(dest...); err != nil {
		return err
	}
	r.Close()
	return r.Err()
}

// noRows are what pgx gives for a query that failed.
func noRows(err error) (pgx.Rows, error) {
	return pgx.FailedBatchResults(&pgx.Batch{}, err).Query()
}
