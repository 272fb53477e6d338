package tenant

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// DB is the database as one login sees it: where its tenant's rows are, and tokens to be let in with. It
// is cheap to make, one for each request, and safe to use by several goroutines at once.
type DB struct {
	pools  Router
	tokens Source
}

// For is the database for the login whose tokens a source gives. With a [Cached] source a token that the database finds
// expired is replaced once, and with [Places] a tenant that has moved is followed, before anything was done.
func For(pools Router, tokens Source) *DB { return &DB{pools, tokens} }

// Begin is [Begin].
func (d *DB) Begin(ctx context.Context) (*Tx, error) { return d.BeginTx(ctx, pgx.TxOptions{}) }

// BeginTx is [BeginTx].
func (d *DB) BeginTx(ctx context.Context, o pgx.TxOptions) (tx *Tx, err error) {
	err = d.attempt(ctx, func(pool *pgxpool.Pool, t Token) (err error) {
		tx, err = BeginTx(ctx, pool, t, o)
		return err
	})
	return tx, err
}

// InTx does something in a transaction, which is committed when do returns nil, and else rolled back.
func (d *DB) InTx(ctx context.Context, do func(pgx.Tx) error) error {
	tx, err := d.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // nothing after Commit
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// Exec is [Exec].
func (d *DB) Exec(ctx context.Context, sql string, args ...any) (tag pgconn.CommandTag, err error) {
	err = d.attempt(ctx, func(pool *pgxpool.Pool, t Token) (err error) {
		tag, err = Exec(ctx, pool, t, sql, args...)
		return err
	})
	return tag, err
}

// Query is [Query].
func (d *DB) Query(ctx context.Context, sql string, args ...any) (rows pgx.Rows, err error) {
	err = d.attempt(ctx, func(pool *pgxpool.Pool, t Token) (err error) {
		rows, err = Query(ctx, pool, t, sql, args...) //nolint:sqlclosecheck // the caller's to close
		return err
	})
	if err != nil {
		return noRows{err}, err
	}
	return rows, nil
}

// QueryRow is [QueryRow].
func (d *DB) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	r, _ := d.Query(ctx, sql, args...) // the rows tell the error again
	return row{r}
}

// attempt does something where the tenant is, with a token; once more, at most, with the next token when the first has expired,
// and once more where the tenant went when it has moved. Either was refused before anything was done.
func (d *DB) attempt(ctx context.Context, do func(*pgxpool.Pool, Token) error) error {
	t, err := d.tokens.Token(ctx)
	if err != nil {
		return err
	}
	tokens, renews := d.tokens.(interface{ Forget(Token) })
	pools, asks := d.pools.(interface{ Forget(ID) })
	for {
		err := d.at(ctx, t, do)
		switch {
		case renews && errors.Is(err, ErrExpired):
			renews = false
			tokens.Forget(t)
			next, missing := d.tokens.Token(ctx)
			if missing != nil {
				return errors.Join(err, missing)
			}
			if next == t {
				return err
			}
			t = next
		case asks && errors.Is(err, ErrMoved):
			asks = false
			pools.Forget(t.Claims().Tenant)
		default:
			return err
		}
	}
}

func (d *DB) at(ctx context.Context, t Token, do func(*pgxpool.Pool, Token) error) error {
	if t.IsZero() {
		return ErrNoToken
	}
	pool, err := d.pools.Pool(ctx, t.Claims().Tenant)
	if err != nil {
		return err
	}
	return do(pool, t)
}
