package tenant

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/tenant/internal/wire"
)

// DB is the database as one login sees it: where its tenant's rows are, and tokens to be let in with. It
// is cheap to make, one for each request, and safe to use by several goroutines at once.
type DB struct {
	pools  Router
	tokens Source
}

// For is the database for the login whose tokens a source gives. With a [Cached] source a token that the database finds
// expired is replaced once, and with [Places] a tenant that has moved is followed, before anything was done. Where a tenant
// went its tokens are others: then the source is [Placed].
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

// InTx is [InTx].
func (d *DB) InTx(ctx context.Context, do func(pgx.Tx) error) error {
	return inTx(ctx, &late{enter: func(ctx context.Context, first func(*pgxpool.Conn, Token) error) error {
		return d.attempt(ctx, func(pool *pgxpool.Pool, t Token) error {
			return on(ctx, pool, t, func(c *pgxpool.Conn) error { return first(c, t) })
		})
	}}, do)
}

// Exec is [Exec].
func (d *DB) Exec(ctx context.Context, sql string, args ...any) (tag pgconn.CommandTag, err error) {
	var said error
	err = d.attempt(ctx, func(pool *pgxpool.Pool, t Token) (err error) {
		tag, said, err = execute(ctx, pool, t, sql, args)
		return err
	})
	if err == nil {
		err = said
	}
	return tag, err
}

// Query is [Query].
func (d *DB) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	var r *wire.Rows
	var said error
	err := d.attempt(ctx, func(pool *pgxpool.Pool, t Token) (err error) {
		r, said, err = query(ctx, pool, t, sql, args)
		return err
	})
	if err == nil {
		err = said
	}
	if err != nil {
		return noRows{err}, err
	}
	return rows{r}, nil
}

// QueryRow is [QueryRow].
func (d *DB) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	r, _ := d.Query(ctx, sql, args...) // the rows tell the error again
	return row{r}
}

// attempt does something where the tenant is, with a token; once more, at most, with the next token when the first has expired,
// and once more where the tenant went when it has moved. Either was refused before anything was done.
func (d *DB) attempt(ctx context.Context, do func(*pgxpool.Pool, Token) error) error {
	pool, tokens, t, err := d.find(ctx)
	for renewed, followed := false, false; err == nil; {
		err = do(pool, t)
		keep, keeps := tokens.(interface{ Forget(Token) })
		places, moves := d.pools.(interface{ Forget(ID) })
		switch {
		case keeps && !renewed && errors.Is(err, ErrExpired):
			renewed = true
			keep.Forget(t)
			next, missing := tokens.Token(ctx)
			if missing != nil {
				return errors.Join(err, missing)
			}
			if next == t || next.IsZero() {
				return err
			}
			t, err = next, nil
		case moves && !followed && errors.Is(err, ErrMoved):
			followed = true
			places.Forget(t.Claims().Tenant)
			if first, ok := d.tokens.(interface{ Forget(Token) }); ok {
				first.Forget(t) // it may be of where the tenant lived
			}
			pool, tokens, t, err = d.find(ctx)
		default:
			return err
		}
	}
	return err
}

// find tells the pool that leads to the tenant, and a token for the database there with the source it came from.
func (d *DB) find(ctx context.Context) (*pgxpool.Pool, Source, Token, error) {
	t, err := ask(ctx, d.tokens)
	if err == nil && t.IsZero() {
		err = ErrNoToken
	}
	if err != nil {
		return nil, nil, Token{}, err
	}
	where, asks := d.pools.(*Places)
	if !asks {
		pool, err := d.pools.Pool(ctx, t.Claims().Tenant)
		return pool, d.tokens, t, err
	}
	pool, database, err := where.Place(ctx, t.Claims().Tenant)
	tokens, placed := d.tokens.(Placed)
	if err != nil || database == where.Audience || !placed {
		return pool, d.tokens, t, err
	}
	there := tokens.At(database)
	if t, err = there.Token(ctx); err == nil && t.IsZero() {
		err = ErrNoToken
	}
	return pool, there, t, err
}
