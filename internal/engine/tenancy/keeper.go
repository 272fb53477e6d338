package tenancy

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/token"
)

// reachTimeout is the longest time that one guarded database may take.
const reachTimeout = 8 * time.Second

// trouble is what is wrong with a guarded database, in words that hold no part of its address.
type trouble struct {
	problem          Problem
	expected, actual string
}

func (x *trouble) Error() string {
	return "the guarded database: " + string(x.problem) + ": expected " + x.expected + ", found " + x.actual
}

// said gives a trouble the words that people are shown.
func (t *Tenancy) said(x *trouble, database string) error {
	kind := errs.Unavailable
	if x.problem.Stops() || !x.problem.Blind() {
		kind = errs.Conflict
	}
	words := t.words.For("en", time.UTC)
	return errs.New(kind, string(x.problem), words.T(string(x.problem))).WithFix(words.T(string(x.problem)+".fix")).With("Database", database).Wrap(x)
}

// seen is what a guarded database shows to its keeper.
type seen struct {
	now             time.Time // there
	system, datname string
	installed       token.Installed
	keys            []token.KeyState
	sweeps          bool // ended sessions can be ended there
	powers          bool // the keeper has rights that it does not need
}

// keeper is a connection to a guarded database as a member of garant_keeper.
type keeper struct {
	*pgx.Conn
	seen seen
}

func (k *keeper) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = k.Close(ctx)
}

const addressForm = "postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full"

// reach signs in to a guarded database, which may be ours, and looks at it. The caller closes it. An error
// is a *trouble.
func (t *Tenancy) reach(ctx context.Context, d *estate.Database) (*keeper, error) {
	if d.Name == Own {
		return reachAt(ctx, d, t.Own.Keeper())
	}
	return reach(ctx, d)
}

func reach(ctx context.Context, d *estate.Database) (*keeper, error) {
	address, err := d.Tenancy.Keeper.Reveal()
	if err != nil {
		return nil, &trouble{BadAddress, addressForm, "the secret cannot be read"}
	}
	return reachAt(ctx, d, address)
}

func reachAt(ctx context.Context, d *estate.Database, address string) (*keeper, error) {
	cfg, err := pgx.ParseConfig(address)
	if err != nil || !strings.HasPrefix(address, "postgres://") && !strings.HasPrefix(address, "postgresql://") && !strings.Contains(address, "=") {
		return nil, &trouble{BadAddress, addressForm, "not an address of PostgreSQL"}
	}
	if !pg.Verified(cfg) {
		return nil, &trouble{Unverified, "sslmode=verify-full", "the server’s certificate is not verified"}
	}
	cfg.ConnectTimeout = 5 * time.Second
	cfg.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec // nothing stays prepared, so that a pooler between us does no harm
	cfg.RuntimeParams["application_name"] = "garant keeper"
	cfg.RuntimeParams["search_path"] = "pg_catalog"
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, connection(err)
	}
	k := &keeper{Conn: conn}
	if err := k.look(ctx, d); err != nil {
		k.close(ctx)
		var known *trouble
		if errors.As(err, &known) {
			return nil, known
		}
		return nil, &trouble{Unreadable, "the keys and the catalogue", sqlState(err)}
	}
	return k, nil
}

// look reads what the keeper may see, in one transaction that writes nothing. Nothing but its
// identity is asked of a database that is not the declared one.
func (k *keeper) look(ctx context.Context, d *estate.Database) error {
	return pgx.BeginTxFunc(ctx, k.Conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		s := &k.seen
		*s = seen{}
		if _, err := tx.Exec(ctx, `SELECT set_config('statement_timeout', '5000', true), set_config('lock_timeout', '2000', true)`); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, `SELECT clock_timestamp(), (SELECT system_identifier::text FROM pg_control_system()), current_database()::text,
	(SELECT rolsuper OR rolcreaterole OR rolbypassrls OR rolreplication FROM pg_roles WHERE rolname = current_user)`).Scan(&s.now, &s.system, &s.datname, &s.powers)
		if err != nil {
			return err
		}
		if s.system != d.System || s.datname != d.Database {
			return &trouble{Impostor, "system " + d.System + ", database " + d.Database, "system " + s.system + ", database " + clean(s.datname)}
		}
		if s.installed, err = token.Look(ctx, tx); err != nil {
			return err
		}
		if !s.installed.Here() {
			return &trouble{Absent, "schema garant", "none"}
		}
		if s.keys, err = token.Keys(ctx, tx); err != nil {
			return err
		}
		var guard bool
		err = tx.QueryRow(ctx, `SELECT has_function_privilege(current_user, 'garant.sweep()', 'EXECUTE') AND pg_has_role('garant_sec', 'pg_signal_backend', 'USAGE'),
	pg_has_role(current_user, 'garant_sec', 'MEMBER')`).Scan(&s.sweeps, &guard)
		s.powers = s.powers || guard
		return err
	})
}

// connection says why a database did not let us in.
func connection(err error) *trouble {
	var answer *pgconn.PgError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &answer):
		switch answer.Code[:2] {
		case "28", "3D", "42", "55":
			return &trouble{Refused, "a connection", "SQLSTATE " + answer.Code}
		}
		return &trouble{Unreachable, "a connection", "SQLSTATE " + answer.Code}
	case errors.As(err, &certificate):
		return &trouble{Unverified, "a certificate that verifies", "the server’s certificate does not verify"}
	case strings.Contains(err.Error(), "server refused TLS"):
		return &trouble{Unverified, "TLS", "the server refuses TLS"}
	}
	return &trouble{Unreachable, "a connection", "no answer"}
}

// sqlState is what may be said of an error of a guarded database.
func sqlState(err error) string {
	if state := pg.SQLState(err); state != "" {
		return "SQLSTATE " + state
	}
	return "the connection was lost"
}
