package run

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// application is how the servers know the connections of a run.
const application = "garant anonymise run"

// server is one of the two ends and how it is reached.
type server struct {
	at     end
	url    string
	config *pgx.ConnConfig
}

func newServer(at end, address string) (*server, error) {
	cfg, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, errs.New(errs.Invalid, "anonymise.address", fmt.Sprintf("The address of the %s cannot be read.", at)).WithFix("Write it as postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full.")
	}
	if at == atTarget && cfg.Database == "" {
		return nil, errs.New(errs.Invalid, "anonymise.address", "The address of the target names no database.").WithFix("Name one that is always there, such as postgres: from it the copies are made.")
	}
	cfg.ConnectTimeout = 10 * time.Second
	cfg.RuntimeParams = map[string]string{
		"application_name": application, "search_path": "pg_catalog", "client_encoding": "UTF8", "timezone": "UTC", "datestyle": "ISO, YMD", "intervalstyle": "postgres",
		"bytea_output": "hex", "extra_float_digits": "1", "xmloption": "content", "lc_monetary": "C", "statement_timeout": "0", "idle_in_transaction_session_timeout": "0",
		"client_min_messages": "error",
	}
	if at == atSource {
		cfg.RuntimeParams["default_transaction_read_only"] = "on"
		cfg.RuntimeParams["row_security"] = "off" // an error where a policy would hide rows
		cfg.RuntimeParams["lock_timeout"] = "10s"
	} else {
		cfg.RuntimeParams["synchronous_commit"] = "off"
	}
	return &server{at: at, url: address, config: cfg}, nil
}

// connect opens a connection to a database; empty: the one of the address.
func (s *server) connect(ctx context.Context, database string) (*pgx.Conn, error) {
	cfg := s.config.Copy()
	if database != "" {
		cfg.Database = database
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, failed(s.at, connecting, err)
	}
	return conn, nil
}

var secret = regexp.MustCompile(`(?i)\b(password|dbname)\s*=\s*('(\\.|[^'\\])*'|\S*)`)

// program tells how a program of PostgreSQL reaches a database: without the password, since everybody on the machine can read the arguments of programs.
func (s *server) program(database string) (address, password string) {
	if database == "" {
		database = s.config.Database
	}
	if u, err := url.Parse(s.url); err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql") {
		if u.User != nil {
			u.User = url.User(u.User.Username())
		}
		q := u.Query()
		q.Del("password")
		q.Del("dbname")
		u.RawQuery, u.Path = q.Encode(), "/"+database
		return u.String(), s.config.Password
	}
	return secret.ReplaceAllString(s.url, "") + " dbname='" + database + "'", s.config.Password
}

// hangUp closes a connection without waiting for a server that may be gone.
func hangUp(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// system is the number that initdb gave the cluster; replicas have that of their primary.
func system(ctx context.Context, conn *pgx.Conn) (int64, error) {
	var n int64
	err := conn.QueryRow(ctx, `SELECT system_identifier FROM pg_control_system()`).Scan(&n)
	return n, err
}

// snapshot is what the source held at one moment, for as long as it is needed and no longer.
type snapshot struct {
	conn  *pgx.Conn
	tx    pgx.Tx
	name  string
	since time.Time
	held  time.Duration // once it was let go
}

func takeSnapshot(ctx context.Context, s *server) (*snapshot, error) {
	conn, err := s.connect(ctx, "")
	if err != nil {
		return nil, err
	}
	snap := &snapshot{conn: conn, since: time.Now()}
	if snap.tx, err = conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}); err == nil {
		err = snap.tx.QueryRow(ctx, `SELECT pg_export_snapshot()`).Scan(&snap.name)
	}
	if err != nil {
		hangUp(conn)
		return nil, failed(s.at, "Taking a snapshot", err)
	}
	return snap, nil
}

// release lets the source's vacuum go on.
func (s *snapshot) release() {
	if s.held == 0 {
		hangUp(s.conn)
		s.held = time.Since(s.since)
	}
}

// under runs fn on a connection in a transaction that sees the snapshot. The transaction is short, so that the locks are.
func (s *snapshot) under(ctx context.Context, conn *pgx.Conn, fn func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if err := pg.JoinSnapshot(ctx, tx.Conn(), s.name); err != nil {
			return err
		}
		return fn(tx)
	})
}
