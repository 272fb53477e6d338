package collect

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/token"
)

// trouble is what is wrong with a guarded database, in words that hold no part of its address.
type trouble struct {
	problem          Problem
	expected, actual string
}

func (x *trouble) Error() string {
	return string(x.problem) + ": expected " + x.expected + ", found " + x.actual
}

// keeper is a connection to a guarded database as a member of garant_keeper.
type keeper struct {
	*pgx.Conn
}

func (k *keeper) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = k.Conn.Close(ctx)
}

const addressForm = "postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full"

// reach signs in to a guarded database as its keeper. Nothing but its identity is asked of one that is not the declared one. An error
// is a *trouble.
func reach(ctx context.Context, d *estate.Database) (*keeper, error) {
	address, err := d.Tenancy.Keeper.Reveal()
	if err != nil {
		return nil, &trouble{BadAddress, addressForm, "the secret cannot be read"}
	}
	cfg, err := pgx.ParseConfig(address)
	if err != nil || !strings.HasPrefix(address, "postgres://") && !strings.HasPrefix(address, "postgresql://") && !strings.Contains(address, "=") {
		return nil, &trouble{BadAddress, addressForm, "not an address of PostgreSQL"}
	}
	if !pg.Verified(cfg) {
		return nil, &trouble{BadAddress, "sslmode=verify-full", "the server’s certificate is not verified"}
	}
	cfg.ConnectTimeout = 5 * time.Second
	cfg.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec // nothing stays prepared, so that a pooler between us does no harm
	for name, value := range map[string]string{"application_name": "garant events", "search_path": "pg_catalog", "statement_timeout": "30000", "lock_timeout": "5000"} {
		cfg.RuntimeParams[name] = value
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, &trouble{Unreachable, "a connection", state(err)}
	}
	k := &keeper{conn}
	if err := k.identify(ctx, d); err != nil {
		k.close()
		return nil, err
	}
	return k, nil
}

func (k *keeper) identify(ctx context.Context, d *estate.Database) error {
	var system, datname string
	if err := k.QueryRow(ctx, `SELECT (SELECT system_identifier::text FROM pg_control_system()), current_database()::text`).Scan(&system, &datname); err != nil {
		return &trouble{Unreadable, "its identity", state(err)}
	}
	if system != d.System || datname != d.Database {
		return &trouble{Impostor, "system " + d.System + ", database " + d.Database, "another database"}
	}
	is, err := token.Look(ctx, k.Conn)
	switch {
	case err != nil:
		return &trouble{Unreadable, "the version of schema garant", state(err)}
	case is.Version < token.Outbox:
		return &trouble{NoOutbox, "schema garant with an outbox", "none, or an earlier version"}
	}
	return nil
}

func (k *keeper) take(ctx context.Context) ([]token.Event, error) {
	events, err := token.TakeEvents(ctx, k.Conn, batch)
	if err != nil {
		return nil, &trouble{Unreadable, "the outbox", state(err)}
	}
	return events, nil
}

func (k *keeper) forget(ctx context.Context, events []token.Event) error {
	if _, err := token.ForgetEvents(ctx, k.Conn, events); err != nil {
		return &trouble{Unreadable, "an outbox that forgets", state(err)}
	}
	return nil
}

func (k *keeper) waiting(ctx context.Context) (int64, time.Duration, error) {
	n, oldest, err := token.EventsWaiting(ctx, k.Conn)
	if err != nil {
		return 0, 0, &trouble{Unreadable, "how many events wait", state(err)}
	}
	return n, oldest, nil
}

// state is what may be said of an error of a guarded database.
func state(err error) string {
	if s := pg.SQLState(err); s != "" {
		return "SQLSTATE " + s
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	return "no answer"
}
