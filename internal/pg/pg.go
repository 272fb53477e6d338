package pg

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/internal/errs"
)

// Role is a database role of Garant. roles.sql says what each may do.
type Role string

// The roles.
const (
	Owner   Role = "garant_owner"
	Staff   Role = "garant_staff"
	Login   Role = "garant_login"
	Public  Role = "garant_public"
	Portal  Role = "garant_portal"
	Worker  Role = "garant_worker"
	Checker Role = "garant_checker"

	Checkpoint Role = "garant_checkpoint"
	Retention  Role = "garant_retention"
)

// Roles lists every role, for peer maps and credentials.
func Roles() []Role { return append([]Role{Owner}, ServingRoles()...) }

// ServingRoles lists the roles that a running server connects as.
func ServingRoles() []Role {
	return []Role{Staff, Login, Public, Portal, Worker, Checker, Checkpoint, Retention}
}

// DSN tells how a role connects.
type DSN func(Role) string

// DB is one database seen through a pool for each role.
type DB struct {
	pools   map[Role]*pgxpool.Pool
	carried *carried
}

// Open makes a pool for each role and waits until the database answers as each of them.
func Open(ctx context.Context, dsn DSN, roles ...Role) (*DB, error) {
	db := &DB{pools: map[Role]*pgxpool.Pool{}, carried: &carried{}}
	for _, role := range roles {
		cfg, err := pgxpool.ParseConfig(dsn(role))
		if err != nil {
			db.Close()
			return nil, errs.New(errs.Invalid, "pg.dsn", fmt.Sprintf("The connection string of the database role %s cannot be read.", role)).
				WithFix("Write it as postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full.")
		}
		cfg.MaxConns = 6
		cfg.MaxConnLifetime = time.Hour
		cfg.MaxConnIdleTime = 5 * time.Minute
		cfg.ConnConfig.ConnectTimeout = 5 * time.Second
		cfg.ConnConfig.Tracer = tracer{}
		cfg.ConnConfig.RuntimeParams["application_name"] = string(role)
		cfg.ConnConfig.RuntimeParams["search_path"] = "pg_catalog"
		cfg.ConnConfig.RuntimeParams["timezone"] = "UTC"
		cfg.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
			conn.PgConn().CustomData()[carriedKey] = db.carried
			return nil
		}
		pool, err := pgxpool.NewWithConfig(ctx, cfg)
		if err != nil {
			db.Close()
			return nil, Wrap(err)
		}
		db.pools[role] = pool
		if err := pool.Ping(ctx); err != nil {
			db.Close()
			return nil, Wrap(err)
		}
	}
	return db, nil
}

// Pool returns the pool of a role. Asking for a role that Open was not given is a mistake in
// the wiring and panics.
func (db *DB) Pool(role Role) *pgxpool.Pool {
	pool, ok := db.pools[role]
	if !ok {
		panic("pg: no pool for " + string(role))
	}
	return pool
}

// Close closes every pool. A connection that does not come back within three seconds is left
// to the end of the process.
func (db *DB) Close() {
	var wg sync.WaitGroup
	for _, pool := range db.pools {
		wg.Go(pool.Close)
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(3 * time.Second):
	}
}

// Querier is what reads need: a pool, a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Execer is what statements that return no rows need: a pool, a connection or a transaction.
type Execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// Wrap cuts an error of the database down to what may be logged and gives it a kind. Errors
// that already have one pass through; nil stays nil.
func Wrap(err error) error {
	if err == nil {
		return nil
	}
	var known *errs.Error
	if errors.As(err, &known) {
		return err
	}
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		cause := &Fault{SQLState: pgErr.Code, Table: pgErr.TableName, Constraint: pgErr.ConstraintName}
		switch {
		case pgErr.Code == "42501":
			return errs.New(errs.Denied, "pg.denied", "The database refused the operation to this role.").Wrap(cause)
		case pgErr.Code == "53100":
			return errs.New(errs.Unavailable, "pg.disk_full", "The database has no space left on its disk.").
				WithFix("Free some space; Garant goes on by itself.").Wrap(cause)
		case pgErr.Code == "57014":
			return errs.New(errs.Unavailable, "pg.timeout", "The database took too long to answer.").WithFix("Try again.").Wrap(cause)
		case pgErr.Code[:2] == "57" || pgErr.Code[:2] == "53" || pgErr.Code[:2] == "08":
			return unavailable(cause)
		case pgErr.Code[:2] == "28" || pgErr.Code == "3D000":
			return errs.New(errs.Unavailable, "pg.refused", "The database refused the connection.").
				WithFix("Check the roles and credentials: docs/install.md lists them.").Wrap(cause)
		}
		return errs.New(errs.Internal, "pg.failed", "The database reported an error.").Wrap(cause)
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return errs.New(errs.NotFound, "not_found", "There is no such thing.").Wrap(pgx.ErrNoRows)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) || pgconn.SafeToRetry(err) || pgconn.Timeout(err) {
		return unavailable(errors.New("no connection"))
	}
	return unavailable(errors.New("connection lost"))
}

func unavailable(cause error) error {
	return errs.New(errs.Unavailable, "pg.unavailable", "The database does not answer.").
		WithFix("Garant tries again by itself; see docs/operate.md if it lasts.").Wrap(cause)
}

// Fault is what may be said of an error of the database: never a value.
type Fault struct{ SQLState, Table, Constraint string }

func (f *Fault) Error() string {
	s := "SQLSTATE " + f.SQLState
	if f.Table != "" {
		s += " table " + f.Table
	}
	if f.Constraint != "" {
		s += " constraint " + f.Constraint
	}
	return s
}

// InTheWay reports whether a statement was stopped only by somebody else's, and may come to pass when it is sent again: a
// lock that was not to be had in time, a deadlock, a serialisation failure.
func InTheWay(err error) bool {
	switch SQLState(err) {
	case "55P03", "40P01", "40001":
		return true
	}
	return false
}

// SQLState is the code of an error of the database, wrapped or not; empty: it is none.
func SQLState(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	var f *Fault
	if errors.As(err, &f) {
		return f.SQLState
	}
	return ""
}

// Violates reports whether err is a refusal by the named constraint.
func Violates(err error, constraint string) bool {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.ConstraintName == constraint
	}
	var f *Fault
	return errors.As(err, &f) && f.Constraint == constraint
}
