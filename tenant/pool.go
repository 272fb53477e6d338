package tenant

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/tenant/internal/wire"
)

// Begin begins a transaction under a login, in one round trip. It sees and writes the rows of the token's
// tenant only. It is to be ended by Commit or Rollback, which give its connection back.
//
// The errors of the database's look at the token are those of [Explain]; they leave nothing open.
func Begin(ctx context.Context, pool *pgxpool.Pool, t Token) (*Tx, error) {
	return BeginTx(ctx, pool, t, pgx.TxOptions{})
}

// BeginTx is [Begin] with options. Above READ COMMITTED, too, the token is looked at before anything is read.
func BeginTx(ctx context.Context, pool *pgxpool.Pool, t Token, o pgx.TxOptions) (*Tx, error) {
	var tx *Tx
	err := on(ctx, pool, t, func(c *pgxpool.Conn) error {
		inner, err := wire.Begin(ctx, c.Conn(), t.secret(), o)
		if err == nil {
			tx = begun(inner, c)
		}
		return err
	})
	return tx, err
}

// Exec executes one statement under a login, which is a transaction by itself, in one round trip.
func Exec(ctx context.Context, pool *pgxpool.Pool, t Token, sql string, args ...any) (pgconn.CommandTag, error) {
	tag, said, err := execute(ctx, pool, t, sql, args)
	if err == nil {
		err = said
	}
	return tag, err
}

// execute is Exec. What the statement itself came to is the second result: there the token was let in, and nothing is to be said again.
func execute(ctx context.Context, pool *pgxpool.Pool, t Token, sql string, args []any) (tag pgconn.CommandTag, said, err error) {
	err = on(ctx, pool, t, func(c *pgxpool.Conn) (err error) {
		if tag, said, err = wire.Exec(ctx, c.Conn(), t.secret(), sql, args); err == nil {
			giveBack(ctx, c)
		}
		return err
	})
	return tag, Explain(said), err
}

// Query sends one query under a login, which is a transaction by itself, in one round trip. The rows
// are to be read to the end or closed; what the end of the transaction says is in their Err. As with pgx, rows are
// there to be read after an error too, and tell it again.
func Query(ctx context.Context, pool *pgxpool.Pool, t Token, sql string, args ...any) (pgx.Rows, error) {
	r, said, err := query(ctx, pool, t, sql, args)
	if err == nil {
		err = said
	}
	if err != nil {
		return noRows{err}, err
	}
	return rows{r}, nil
}

// query is Query, as execute is Exec.
func query(ctx context.Context, pool *pgxpool.Pool, t Token, sql string, args []any) (r *wire.Rows, said, err error) {
	err = on(ctx, pool, t, func(c *pgxpool.Conn) (err error) {
		r, said, err = wire.Query(ctx, c.Conn(), t.secret(), sql, args, func() { giveBack(ctx, c) })
		if said != nil {
			giveBack(ctx, c)
		}
		return err
	})
	return r, Explain(said), err
}

// QueryRow is [Query] for one row at most. What went wrong is told by its Scan, which has to be called.
func QueryRow(ctx context.Context, pool *pgxpool.Pool, t Token, sql string, args ...any) pgx.Row {
	r, _ := Query(ctx, pool, t, sql, args...) // the rows tell the error again
	return row{r}
}

// on does something on a connection of the pool, and gives the connection back when that fails. A connection on
// which somebody left a cursor open is closed, and another is taken.
func on(ctx context.Context, pool *pgxpool.Pool, t Token, do func(*pgxpool.Conn) error) error {
	if t.IsZero() {
		return ErrNoToken
	}
	for spoilt := int32(0); ; {
		c, err := pool.Acquire(ctx)
		if err != nil {
			return err
		}
		if err = do(c); err == nil {
			return nil
		}
		err = Explain(err)
		if !errors.Is(err, ErrCursor) {
			giveBack(ctx, c)
			return err
		}
		_ = c.Conn().Close(ctx)
		c.Release()
		// All that the pool has may be spoilt; a pooler may hand out the same again and again.
		if spoilt++; spoilt > pool.Stat().MaxConns() {
			return err
		}
	}
}

func begun(inner pgx.Tx, c *pgxpool.Conn) *Tx {
	w := watched{inner, new(atomic.Bool)}
	return &Tx{w, c, w.over}
}

// Tx is a transaction of one login. Two goroutines must not use it at once.
type Tx struct {
	transaction
	conn *pgxpool.Conn
	over *atomic.Bool
}

// transaction hides the field: who ended it there would keep the connection.
type transaction = pgx.Tx

// Commit commits, and gives the connection back.
func (tx *Tx) Commit(ctx context.Context) error {
	err := tx.transaction.Commit(ctx)
	tx.release(ctx)
	return err
}

// Rollback rolls back, and gives the connection back. After a Commit it does nothing and returns [pgx.ErrTxClosed].
func (tx *Tx) Rollback(ctx context.Context) error {
	err := tx.transaction.Rollback(ctx)
	tx.release(ctx)
	return err
}

func (tx *Tx) release(ctx context.Context) {
	if tx.conn != nil {
		tx.over.Store(true)
		giveBack(ctx, tx.conn)
		tx.conn = nil
	}
}

// giveBack gives a connection back to its pool, or closes it when a statement may have left something on it for the next
// tenant.
func giveBack(ctx context.Context, c *pgxpool.Conn) {
	if !c.Conn().IsClosed() && wire.Left(c.Conn()) {
		_ = c.Conn().Close(context.WithoutCancel(ctx))
	}
	c.Release() // destroys it unless it is idle
}

func (t Token) secret() wire.Secret { return wire.NewSecret(t.Bytes()) }

// rows explain what went wrong.
type rows struct{ *wire.Rows }

func (r rows) Err() error { return Explain(r.Rows.Err()) }

type noRows struct{ err error }

func (noRows) Close()                                       {}
func (r noRows) Err() error                                 { return r.err }
func (noRows) CommandTag() pgconn.CommandTag                { return pgconn.CommandTag{} }
func (noRows) FieldDescriptions() []pgconn.FieldDescription { return nil }
func (noRows) Next() bool                                   { return false }
func (r noRows) Scan(...any) error                          { return r.err }
func (r noRows) Values() ([]any, error)                     { return nil, r.err }
func (noRows) RawValues() [][]byte                          { return nil }
func (noRows) TypeMap() *pgtype.Map                         { return nil }
func (noRows) Conn() *pgx.Conn                              { return nil }

type row struct{ pgx.Rows }

func (r row) Scan(dest ...any) error {
	defer r.Close()
	for _, d := range dest {
		if _, lent := d.(*pgtype.DriverBytes); lent {
			return errors.New("tenant: pgtype.DriverBytes are lent until the row is closed, which QueryRow does at once: scan into []byte")
		}
	}
	if !r.Next() {
		if err := r.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	err := r.Rows.Scan(dest...)
	r.Close()
	if end := r.Err(); end != nil {
		return end
	}
	return err
}
