// Package stdsql is package tenant for database/sql: a [sql.DB] each of whose statements and
// transactions runs under the login that the context carries, and none without.
//
//	db := stdsql.Open(config)
//	ctx = stdsql.With(ctx, token)
//	rows, err := db.QueryContext(ctx, "SELECT id, name FROM shop.item") // enters and reads in one round trip
//	tx, err := db.BeginTx(ctx, nil)                                     // enters in the round trip of BEGIN
//
// Methods without a context (db.Query, db.Begin) carry no token and are refused. A statement in a transaction runs under the
// transaction's login, whatever its own context carries.
package stdsql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/tenant"
	"github.com/garant-project/garant/tenant/internal/wire"
)

// Open is a database whose connections are made as config says. Nothing is asked of it yet.
func Open(config *pgx.ConnConfig) *sql.DB { return sql.OpenDB(connector{config.Copy()}) }

// With is a context for what runs under the login of a token.
func With(ctx context.Context, t tenant.Token) context.Context {
	return WithSource(ctx, tenant.Fixed(t))
}

// WithSource is [With] for a source of tokens, which is asked for each statement outside a transaction
// and for each transaction: see [tenant.Cache].
func WithSource(ctx context.Context, s tenant.Source) context.Context {
	return context.WithValue(ctx, sourceKey{}, s)
}

type sourceKey struct{}

type connector struct{ config *pgx.ConnConfig }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := pgx.ConnectConfig(ctx, c.config)
	if err != nil {
		return nil, err
	}
	return &conn{inner: inner}, nil
}

func (c connector) Driver() driver.Driver { return named{} }

// named is the driver as database/sql asks for it; connections come from connectors only.
type named struct{}

func (named) Open(string) (driver.Conn, error) {
	return nil, errors.New("tenant: open the database with stdsql.Open")
}

// conn is one connection. It keeps the pgx connection to itself: sql.Conn.Raw shows this one, which lets nobody in
// without a token either.
type conn struct {
	inner *pgx.Conn
	tx    pgx.Tx // what runs, if anything does
}

var (
	_ driver.ConnBeginTx        = (*conn)(nil)
	_ driver.ConnPrepareContext = (*conn)(nil)
	_ driver.ExecerContext      = (*conn)(nil)
	_ driver.QueryerContext     = (*conn)(nil)
	_ driver.NamedValueChecker  = (*conn)(nil)
	_ driver.Pinger             = (*conn)(nil)
	_ driver.SessionResetter    = (*conn)(nil)
	_ driver.Validator          = (*conn)(nil)
)

// enter does something under the token of the context; with the next token, once, when the first has
// expired. A connection that is spoilt is closed, and database/sql takes another.
func (c *conn) enter(ctx context.Context, do func(wire.Secret) error) error {
	if c.inner.IsClosed() {
		return driver.ErrBadConn
	}
	source, ok := ctx.Value(sourceKey{}).(tenant.Source)
	if !ok {
		return tenant.ErrNoToken
	}
	t, err := source.Token(ctx)
	if err != nil {
		return err
	}
	if err = c.under(ctx, t, do); !errors.Is(err, tenant.ErrExpired) {
		return err
	}
	cache, keeps := source.(interface{ Forget(tenant.Token) })
	if !keeps {
		return err
	}
	cache.Forget(t)
	next, renewed := source.Token(ctx)
	if renewed != nil {
		return errors.Join(err, renewed)
	}
	if next == t {
		return err
	}
	return c.under(ctx, next, do)
}

func (c *conn) under(ctx context.Context, t tenant.Token, do func(wire.Secret) error) error {
	if t.IsZero() {
		return tenant.ErrNoToken
	}
	err := tenant.Explain(do(wire.NewSecret(t.Bytes())))
	switch {
	case errors.Is(err, tenant.ErrCursor):
		// Somebody left a cursor open here. database/sql tries twice with a pooled connection, then makes a new one.
		_ = c.inner.Close(ctx)
		return driver.ErrBadConn
	case err != nil && pgconn.SafeToRetry(err):
		return driver.ErrBadConn
	}
	return err
}

// Begin carries no token.
func (c *conn) Begin() (driver.Tx, error) { return nil, tenant.ErrNoToken }

// BeginTx begins a transaction under the login of the context.
func (c *conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	var opts pgx.TxOptions
	switch sql.IsolationLevel(o.Isolation) {
	case sql.LevelDefault:
	case sql.LevelReadUncommitted:
		opts.IsoLevel = pgx.ReadUncommitted
	case sql.LevelReadCommitted:
		opts.IsoLevel = pgx.ReadCommitted
	case sql.LevelRepeatableRead, sql.LevelSnapshot:
		opts.IsoLevel = pgx.RepeatableRead
	case sql.LevelSerializable:
		opts.IsoLevel = pgx.Serializable
	default:
		return nil, fmt.Errorf("tenant: PostgreSQL has no isolation level %s", sql.IsolationLevel(o.Isolation))
	}
	if o.ReadOnly {
		opts.AccessMode = pgx.ReadOnly
	}
	err := c.enter(ctx, func(s wire.Secret) (err error) {
		c.tx, err = wire.Begin(ctx, c.inner, s, opts)
		return err
	})
	if err != nil {
		c.tx = nil
		return nil, err
	}
	return &tx{ctx, c}, nil
}

// tx is a transaction. Its end is sent even when its context has ended: database/sql rolls back then.
type tx struct {
	ctx  context.Context
	conn *conn
}

func (t *tx) Commit() error {
	inner := t.conn.tx
	t.conn.tx = nil
	return tenant.Explain(inner.Commit(t.ctx))
}

func (t *tx) Rollback() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), patience)
	defer cancel()
	inner := t.conn.tx
	t.conn.tx = nil
	return inner.Rollback(ctx)
}

// patience is how long the server is waited for where no context says it.
const patience = 5 * time.Second

// Prepare carries no context, and asks nothing of the database.
func (c *conn) Prepare(query string) (driver.Stmt, error) { return &stmt{c, query}, nil }

// PrepareContext remembers the statement: pgx prepares it when it is used, and keeps it prepared.
func (c *conn) PrepareContext(_ context.Context, query string) (driver.Stmt, error) {
	return &stmt{c, query}, nil
}

// ExecContext executes in the transaction that runs, or enters and executes in one round trip.
func (c *conn) ExecContext(ctx context.Context, query string, named []driver.NamedValue) (driver.Result, error) {
	args, err := positional(named)
	if err != nil {
		return nil, err
	}
	var tag pgconn.CommandTag
	if c.tx != nil {
		wire.Said(c.inner, query, args)
		tag, err = c.tx.Exec(ctx, query, args...)
	} else {
		var said error
		err = c.enter(ctx, func(s wire.Secret) (err error) {
			tag, said, err = wire.Exec(ctx, c.inner, s, query, args)
			return err
		})
		if err == nil {
			err = said
		}
	}
	if err != nil {
		return nil, tenant.Explain(err)
	}
	return driver.RowsAffected(tag.RowsAffected()), nil
}

// QueryContext asks in the transaction that runs, or enters and asks in one round trip.
func (c *conn) QueryContext(ctx context.Context, query string, named []driver.NamedValue) (driver.Rows, error) {
	args, err := positional(named)
	if err != nil {
		return nil, err
	}
	if c.tx != nil {
		wire.Said(c.inner, query, args)
		found, err := c.tx.Query(ctx, query, args...)
		if err != nil {
			return nil, tenant.Explain(err)
		}
		return begun(found)
	}
	var found *wire.Rows
	var said error
	err = c.enter(ctx, func(s wire.Secret) (err error) {
		found, said, err = wire.Query(ctx, c.inner, s, query, args, nil)
		return err
	})
	if err == nil {
		err = tenant.Explain(said)
	}
	if err != nil {
		return nil, err
	}
	return begun(found)
}

// CheckNamedValue lets everything through: pgx knows what it can send.
func (c *conn) CheckNamedValue(*driver.NamedValue) error { return nil }

// Ping looks whether the server answers. It needs no login, and sees nothing.
func (c *conn) Ping(ctx context.Context) error {
	if c.inner.IsClosed() {
		return driver.ErrBadConn
	}
	if err := c.inner.Ping(ctx); err != nil {
		_ = c.inner.Close(ctx)
		return driver.ErrBadConn
	}
	return nil
}

// ResetSession refuses a connection that is not at rest.
func (c *conn) ResetSession(context.Context) error {
	if !c.IsValid() {
		return driver.ErrBadConn
	}
	return nil
}

// IsValid tells whether the connection is at rest, and nothing can have been left on it for the next tenant.
func (c *conn) IsValid() bool {
	return !wire.Left(c.inner) && !c.inner.IsClosed() && !c.inner.PgConn().IsBusy() && c.inner.PgConn().TxStatus() == 'I'
}

// Close closes the connection.
func (c *conn) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return c.inner.Close(ctx)
}

func positional(named []driver.NamedValue) ([]any, error) {
	args := make([]any, len(named))
	for i, v := range named {
		if v.Name != "" {
			return nil, errors.New("tenant: PostgreSQL's parameters have numbers, no names")
		}
		args[i] = v.Value
	}
	return args, nil
}

// stmt is a statement that is prepared when it is used.
type stmt struct {
	conn  *conn
	query string
}

// Close has nothing to do.
func (s *stmt) Close() error { return nil }

// NumInput is not known.
func (s *stmt) NumInput() int { return -1 }

// Exec carries no context.
func (s *stmt) Exec([]driver.Value) (driver.Result, error) { return nil, tenant.ErrNoToken }

// Query carries no context.
func (s *stmt) Query([]driver.Value) (driver.Rows, error) { return nil, tenant.ErrNoToken }

// ExecContext executes it.
func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.conn.ExecContext(ctx, s.query, args)
}

// QueryContext asks it.
func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.conn.QueryContext(ctx, s.query, args)
}
