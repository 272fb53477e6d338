package move

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// end is one database of a move, signed in to.
type end struct {
	Place
	word    string // "source" or "target"
	config  *pgx.ConnConfig
	conn    *pgx.Conn
	db      *schema.Database // as last read
	system  string
	replica bool // may switch triggers and foreign keys off for its own session
}

func signIn(ctx context.Context, p Place, word string) (*end, error) {
	e := &end{Place: p, word: word}
	var err error
	if e.config, err = pgx.ParseConfig(p.DSN); err != nil {
		return e, errs.New(errs.Invalid, "move.dsn", "The address of the "+word+" cannot be read.").
			WithFix("Write it as postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full.")
	}
	e.config.ConnectTimeout = 10 * time.Second
	// One text for a value, whatever the server, the database or the role prefer: checksums compare it.
	for k, v := range map[string]string{
		"application_name": "garant tenant move", "search_path": "pg_catalog", "timezone": "UTC", "datestyle": "ISO, YMD", "intervalstyle": "postgres",
		"extra_float_digits": "1", "bytea_output": "hex", "statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "0",
		"default_transaction_isolation": "read committed", "default_transaction_read_only": "off", "client_encoding": "UTF8",
	} {
		e.config.RuntimeParams[k] = v
	}
	if e.conn, err = e.another(ctx); err != nil {
		return e, err
	}
	if e.db, err = schema.Read(ctx, e.conn); err != nil {
		return e, e.named(err)
	}
	err = e.conn.QueryRow(ctx, `SELECT (SELECT system_identifier::text FROM pg_control_system()), pg_is_in_recovery(),
	has_parameter_privilege('session_replication_role', 'SET')`).Scan(&e.system, new(bool), &e.replica)
	if err != nil {
		return e, e.named(pg.Wrap(err))
	}
	return e, nil
}

// another signs in once more.
func (e *end) another(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, e.config)
	if err != nil {
		return nil, e.named(pg.Wrap(err))
	}
	return conn, nil
}

func (e *end) close() {
	if e.conn != nil {
		hangUp(e.conn)
	}
}

// hangUp closes a connection without waiting long for a server that may be gone.
func hangUp(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// named says at which end an error happened.
func (e *end) named(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var known *errs.Error
	if err = pg.Wrap(err); errors.As(err, &known) {
		text := strings.TrimSuffix(known.Text, ".")
		if !strings.Contains(text, e.word) {
			text = "At the " + e.word + " of the move: " + text
		}
		return errs.New(known.Kind, known.ID, text+".").WithFix(fixFor(known)).Wrap(known.Err)
	}
	return err
}

func fixFor(e *errs.Error) string {
	switch e.ID {
	case "pg.disk_full":
		return "Make room there, then run the move again: it goes on where it stood."
	case "pg.unavailable", "pg.timeout":
		return "See that it answers, then run the move again: it goes on where it stood."
	case "pg.refused":
		return "Check the address, the role and its password."
	case "pg.denied":
		return "Sign in as the owner of the tables, or as an administrator: docs/dedicated-hosting.md says what it needs."
	}
	return e.Fix
}

// revive signs in again where a connection was lost or given up with a pause.
func (m *Mover) revive(ctx context.Context) error {
	for _, e := range []*end{m.src, m.dst} {
		if !e.conn.IsClosed() {
			continue
		}
		var err error
		if e.conn, err = e.another(ctx); err != nil {
			return err
		}
		if err := m.patiently(ctx, func() error { return m.claimAt(ctx, e) }); err != nil {
			return err
		}
	}
	return nil
}

// retry runs fn until it gets the locks that it waits for briefly, for as long as m.o.Patience.
func (m *Mover) retry(ctx context.Context, fn func() error) error {
	for began := time.Now(); ; {
		err := fn()
		if !pg.InTheWay(err) {
			return pg.Wrap(err)
		}
		if time.Since(began) > m.o.Patience {
			return errs.New(errs.Unavailable, "move.busy", "A transaction that does not end keeps the move waiting.").
				WithFix("Look in pg_stat_activity for what is open for long, end it, then run the move again: it goes on where it stood.").Wrap(pg.Wrap(err))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// brief bounds how long statements of a transaction wait for a lock, so that others never wait behind them for longer.
const brief = `SET LOCAL lock_timeout = '1s'`

// tx runs fn in a transaction at this end, on its first connection, with triggers that let the mover through.
func (m *Mover) tx(ctx context.Context, e *end, fn func(pgx.Tx) error) error {
	return e.named(pg.InTx(ctx, e.conn, func(tx pgx.Tx) error {
		if err := m.through(ctx, tx, e); err != nil {
			return err
		}
		return fn(tx)
	}))
}

// through lets a transaction past the gate and, where it may, past triggers and foreign keys.
func (m *Mover) through(ctx context.Context, tx pgx.Tx, e *end) error {
	if _, err := tx.Exec(ctx, `SELECT set_config('garant_move.applying', $1, true)`, m.st.ID.String()); err != nil {
		return err
	}
	if e.replica {
		_, err := tx.Exec(ctx, `SET LOCAL session_replication_role = replica`)
		return err
	}
	return nil
}

// run sends statements that were written for people, as one transaction.
func run(ctx context.Context, conn *pgx.Conn, sql string) error {
	return conn.PgConn().Exec(ctx, sql).Close()
}

// pipe streams rows from a COPY TO at one end into a COPY FROM at the other, and counts them; their bytes in sent.
func pipe(ctx context.Context, from *pgconn.PgConn, out string, to *pgconn.PgConn, in string, sent *atomic.Int64) (int64, error) {
	return stream(
		func(w io.Writer) error { _, err := from.CopyTo(ctx, counting{w, sent}, out); return err },
		func(r io.Reader) (int64, error) { tag, err := to.CopyFrom(ctx, r, in); return tag.RowsAffected(), err })
}

// counting counts what is written to a writer.
type counting struct {
	io.Writer
	sent *atomic.Int64
}

func (c counting) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.sent.Add(int64(n))
	return n, err
}
