// Package wire speaks garant.enter on a connection of pgx: in the round trip of BEGIN, or in that of a single
// statement.
package wire

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// Secret is a token as an argument of a statement. Who traces statements sees that there is one, and no more.
type Secret struct{ b []byte }

// NewSecret wraps the bytes of a token.
func NewSecret(token []byte) Secret { return Secret{token} }

// BytesValue is how it travels, in the binary form.
func (s Secret) BytesValue() ([]byte, error) { return s.b, nil }

// TextValue is how it travels as a parameter where the driver does not know the types: [pgx.QueryExecModeExec].
func (s Secret) TextValue() (pgtype.Text, error) {
	return pgtype.Text{String: `\x` + hex.EncodeToString(s.b), Valid: true}, nil
}

// String redacts.
func (Secret) String() string { return "[token]" }

// Format redacts under every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// LogValue redacts.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText redacts, for tracers that write JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

const enter = "SELECT garant.enter($1)"

// The errors that are not the database's.
var (
	ErrSimple = errors.New("tenant: this connection sends parameters within the text of a statement, where a token would be read by others: set DefaultQueryExecMode to pgx.QueryExecModeExec, which works through every pooler")
	ErrBegin  = errors.New("tenant: BeginQuery did not begin a transaction")
	ErrOption = errors.New("tenant: a statement sent together with its token takes no options of pgx but a QueryRewriter: begin a transaction, and give them there")
)

// modeKey holds, in what a connection carries along, whether its parameters travel apart from statements.
const modeKey = "garant.tenant.apart"

// check refuses a connection on which a token would become text. Looking at the configuration copies all of it, so
// that it is done once.
func check(c *pgx.Conn) error {
	data := c.PgConn().CustomData()
	apart, known := data[modeKey].(bool)
	if !known {
		apart = c.Config().DefaultQueryExecMode != pgx.QueryExecModeSimpleProtocol
		data[modeKey] = apart
	}
	if !apart {
		return ErrSimple
	}
	return nil
}

// Begin begins a transaction and enters, in one round trip. After an error the connection is as it was, or closed.
func Begin(ctx context.Context, c *pgx.Conn, s Secret, o pgx.TxOptions) (pgx.Tx, error) {
	if err := check(c); err != nil {
		return nil, err
	}
	var b pgx.Batch
	b.BeginTx(o)
	b.Queue(enter, s)
	results := c.SendBatch(ctx, &b)
	tx := results.Tx()
	err := results.Close()
	if err == nil && c.PgConn().TxStatus() != 'T' {
		err = ErrBegin
	}
	if err != nil {
		undo(ctx, c)
		return nil, err
	}
	return tx, nil
}

// Started is a transaction whose first statement was sent with BEGIN and enter.
type Started struct {
	Tx      pgx.Tx // nil: it was not begun
	results pgx.BatchResults
	conn    *pgx.Conn
}

// Start begins a transaction, enters and sends a first statement, in one round trip. After an error the transaction was not
// begun, and the connection is as it was, or closed. Else the statement's results are to be taken by Exec or Query before anything
// else is sent.
func Start(ctx context.Context, c *pgx.Conn, s Secret, o pgx.TxOptions, sql string, args []any) (*Started, error) {
	if err := check(c); err != nil {
		return nil, err
	}
	var b pgx.Batch
	b.BeginTx(o)
	b.Queue(enter, s)
	b.Queue(sql, args...)
	results := c.SendBatch(ctx, &b)
	_, err := results.Exec()
	if err == nil {
		_, err = results.Exec()
	}
	if err != nil {
		_ = results.Close() // the same error
		undo(ctx, c)
		return nil, err
	}
	return &Started{results.Tx(), results, c}, nil
}

// Exec takes the results of the first statement.
func (s *Started) Exec() (pgconn.CommandTag, error) {
	tag, err := s.results.Exec()
	return tag, s.end(err)
}

// Query takes the rows of the first statement. They are to be closed before anything else is sent.
func (s *Started) Query() (*Rows, error) {
	rows, err := s.results.Query()
	if err != nil {
		rows.Close()
		return nil, s.end(err)
	}
	return &Rows{Rows: rows, end: s.end}, nil
}

// end reads what is left of the batch. A BeginQuery that began nothing left enter without a transaction.
func (s *Started) end(err error) error {
	end := s.results.Close()
	switch {
	case err != nil:
		return err
	case end == nil && s.conn.PgConn().TxStatus() != 'T':
		return ErrBegin
	}
	return end
}

// patience is how long a connection is given to come back to order when its user has gone.
const patience = 5 * time.Second

// undo ends what a failed attempt has left open, or closes the connection.
func undo(ctx context.Context, c *pgx.Conn) {
	if c.IsClosed() || c.PgConn().TxStatus() == 'I' && !c.PgConn().IsBusy() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if _, err := c.Exec(ctx, "rollback"); err != nil {
		_ = c.Close(ctx)
	}
}

// send enters and sends one statement: one implicit transaction, which ends when the results are closed.
func send(ctx context.Context, c *pgx.Conn, s Secret, sql string, args []any) (pgx.BatchResults, error) {
	if err := check(c); err != nil {
		return nil, err
	}
	if len(args) > 0 {
		switch args[0].(type) {
		case pgx.QueryExecMode, pgx.QueryResultFormats, pgx.QueryResultFormatsByOID:
			return nil, ErrOption
		}
	}
	if !plain(sql) { // which travels by itself
		Handed(c)
	}
	var b pgx.Batch
	b.Queue(enter, s)
	b.Queue(sql, args...)
	results := c.SendBatch(ctx, &b)
	if _, err := results.Exec(); err != nil {
		_ = results.Close() // the same error
		undo(ctx, c)
		return nil, err
	}
	return results, nil
}

// Exec enters and executes one statement in one round trip. What the statement itself came to is the second result; the third is why it
// was not let in.
func Exec(ctx context.Context, c *pgx.Conn, s Secret, sql string, args []any) (tag pgconn.CommandTag, said, err error) {
	results, err := send(ctx, c, s, sql, args)
	if err != nil {
		return tag, nil, err
	}
	tag, said = results.Exec()
	if end := results.Close(); said == nil {
		said = end // what was put off until the transaction's end
	}
	undo(ctx, c)
	return tag, said, nil
}

// Query enters and sends one query in one round trip. The rows are to be closed; only then has the
// transaction ended, and only then do they tell whether it went well. done is called once, after that; not when there
// is an error, of which there are two as with Exec.
func Query(ctx context.Context, c *pgx.Conn, s Secret, sql string, args []any, done func()) (found *Rows, said, err error) {
	results, err := send(ctx, c, s, sql, args)
	if err != nil {
		return nil, nil, err
	}
	rows, said := results.Query()
	if said != nil {
		rows.Close()
		_ = results.Close() // the same error
		undo(ctx, c)
		return nil, said, nil
	}
	return &Rows{Rows: rows, end: func(error) error {
		err := results.Close()
		undo(ctx, c)
		if done != nil {
			done()
		}
		return err
	}}, nil, nil
}

// Rows are those of one query and what comes after them in its round trip.
type Rows struct {
	pgx.Rows
	end    func(error) error
	err    error
	closed bool
}

// Next goes to the next row. After the last it closes.
func (r *Rows) Next() bool {
	if r.closed {
		return false
	}
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

// Close reads what is left and waits for the end of the round trip.
func (r *Rows) Close() {
	if r.closed {
		return
	}
	r.closed = true
	r.Rows.Close()
	r.err = r.end(r.Rows.Err())
}

// Err is the error of the query, or of what came after it.
func (r *Rows) Err() error {
	if err := r.Rows.Err(); err != nil {
		return err
	}
	return r.err
}
