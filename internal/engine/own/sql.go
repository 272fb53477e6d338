package own

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
)

const (
	statementTimeout = 20 * time.Second
	maxRows          = 1_000_000 // counted; more are "at least"
	maxValue         = 256       // characters of the value
)

type rawSQL struct {
	Database string `json:"database"`
	Columns  int    `json:"columns,omitempty"`
	Rows     *int64 `json:"rows,omitempty"`
	AtLeast  bool   `json:"at_least,omitempty"`
	SQLState string `json:"sqlstate,omitempty"`
}

// askDatabase asks the declared question in a transaction that cannot write.
func askDatabase(ctx context.Context, c estate.OwnCheck, in measure.In, s *seen) {
	raw := &rawSQL{Database: c.SQL.Database}
	s.raw = raw
	d, ok := in.Estate.Database(c.SQL.Database)
	if !ok {
		s.add(SQLUnreachable, "a declared database", "none of the name "+c.SQL.Database)
		return
	}
	url, err := d.URL.Reveal()
	if err != nil {
		s.add(SecretMissing, "the address of the database", "not to be had")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, sqlTimeout-2*time.Second)
	defer cancel()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		s.add(SQLUnreachable, "an address of PostgreSQL", "one that cannot be read")
		return
	}
	config.ConnectTimeout = 5 * time.Second
	config.DefaultQueryExecMode = pgx.QueryExecModeExec // one statement each
	config.RuntimeParams["application_name"] = "garant own check"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		s.add(SQLUnreachable, "a connection", "no connection"+state(err, raw))
		return
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		s.add(SQLUnreachable, "a transaction", "none"+state(err, raw))
		return
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if !known(ctx, tx, d, s, raw) {
		return
	}
	if err := ask(ctx, conn, tx, c, s, raw); err != nil {
		var e *pgconn.PgError
		switch {
		case errors.As(err, &e) && e.Code == "57014", errors.Is(err, context.DeadlineExceeded): // query_canceled
			raw.SQLState = "57014"
			s.add(SQLTimeout, "an answer within "+estate.FormatDuration(statementTimeout), "none")
		default:
			s.add(SQLRefused, "an answer", "an error"+state(err, raw))
		}
	}
}

// known holds that the database is the one declared, and bounds what it is asked.
func known(ctx context.Context, tx pgx.Tx, d estate.Database, s *seen, raw *rawSQL) bool {
	bounds := fmt.Sprintf("SELECT set_config('statement_timeout', '%d', true), set_config('lock_timeout', '2000', true), set_config('idle_in_transaction_session_timeout', '30000', true)", statementTimeout.Milliseconds())
	if _, err := tx.Exec(ctx, bounds); err != nil {
		s.add(SQLRefused, "a time limit", "an error"+state(err, raw))
		return false
	}
	var system, name string
	err := tx.QueryRow(ctx, "SELECT system_identifier::text, current_database()::text FROM pg_catalog.pg_control_system()").Scan(&system, &name)
	switch {
	case err != nil:
		s.add(SQLRefused, "the identifier of the system", "an error"+state(err, raw))
		return false
	case system != d.System || name != d.Database:
		s.add(SQLDecoy, d.Database+" of system "+d.System, name+" of system "+system)
		return false
	}
	return true
}

// ask prepares the question, which tells its columns and that it is one statement, and then counts
// its rows without fetching any, or fetches its one value.
func ask(ctx context.Context, conn *pgx.Conn, tx pgx.Tx, c estate.OwnCheck, s *seen, raw *rawSQL) error {
	description, err := conn.PgConn().Prepare(ctx, "own_check", c.SQL.Query, nil)
	if err != nil {
		return err
	}
	raw.Columns = len(description.Fields)
	if raw.Columns == 0 || len(description.ParamOIDs) > 0 {
		s.add(SQLShape, "rows, and no parameters", "a statement of another kind")
		return nil
	}
	if c.SQL.Rows != nil {
		return countRows(ctx, tx, c, s, raw)
	}
	return oneValue(ctx, tx, c, s, raw)
}

func countRows(ctx context.Context, tx pgx.Tx, c estate.OwnCheck, s *seen, raw *rawSQL) error {
	if _, err := tx.Exec(ctx, "DECLARE own_check NO SCROLL CURSOR FOR "+c.SQL.Query); err != nil {
		return err
	}
	// MOVE counts in the database: no row leaves it.
	tag, err := tx.Exec(ctx, "MOVE FORWARD "+strconv.Itoa(maxRows+1)+" FROM own_check")
	if err != nil {
		return err
	}
	rows := tag.RowsAffected()
	if rows > maxRows {
		rows, raw.AtLeast = maxRows, true
	}
	raw.Rows = &rows
	s.fact("rows", measure.Count(int(rows)))
	if raw.AtLeast {
		s.add(SQLShape, "at most "+strconv.Itoa(maxRows)+" rows", "more")
		return nil
	}
	if holds, ok := c.SQL.Rows.Holds(strconv.FormatInt(rows, 10)); !ok || !holds {
		s.add(SQLRows, "rows "+c.SQL.Rows.String(), strconv.FormatInt(rows, 10))
	}
	return nil
}

func oneValue(ctx context.Context, tx pgx.Tx, c estate.OwnCheck, s *seen, raw *rawSQL) error {
	if raw.Columns != 1 {
		s.add(SQLShape, "one column", strconv.Itoa(raw.Columns))
		return nil
	}
	rows, err := tx.Query(ctx, fmt.Sprintf("SELECT left(own.value::text, %d) FROM (%s\n) AS own (value) LIMIT 2", maxValue+1, c.SQL.Query))
	if err != nil {
		return err
	}
	values, err := pgx.CollectRows(rows, pgx.RowTo[*string])
	if err != nil {
		return err
	}
	if len(values) != 1 {
		s.add(SQLShape, "one row", map[bool]string{true: "none", false: "more than one"}[len(values) == 0])
		return nil
	}
	if values[0] == nil {
		s.add(SQLShape, "a value", "NULL")
		return nil
	}
	value := *values[0]
	if len([]rune(value)) > maxValue {
		s.add(SQLShape, "a value of at most "+strconv.Itoa(maxValue)+" characters", "a longer one")
		return nil
	}
	holds, ok := c.SQL.Value.Holds(value)
	switch {
	case !ok:
		s.add(SQLShape, "a number", value)
		return nil
	case !holds:
		s.add(SQLValue, c.SQL.Value.String(), value)
	}
	if n, err := strconv.ParseInt(value, 10, 64); err == nil {
		s.fact("value", measure.Fact{Kind: measure.CountFact, Count: n})
	} else {
		s.fact("value", measure.Text(clean(value)))
	}
	return nil
}

// state is the SQLSTATE of an error of the database, and nothing of its words.
func state(err error, raw *rawSQL) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		raw.SQLState = e.Code
		return " (SQLSTATE " + e.Code + ")"
	}
	return ""
}
