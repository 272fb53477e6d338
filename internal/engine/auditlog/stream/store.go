package stream

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg"
)

// State is how far a stream is.
type State struct {
	Name        string
	Position    int64      // of the last entry that the receiver took; 0: none
	Sending     int64      // where the batch under way ends; 0: none is
	Sent        int64      // entries that it took, sent again or not
	SentAt      *time.Time // when it took the last batch
	FailedSince *time.Time // first of the attempts in a row that failed
	Problem     Problem    // what the last attempt met with; empty: nothing
	Said        string     // in a few words
}

const stateColumns = `name, position, sending, sent, sent_at, failed_since, problem, said`

func scanState(row pgx.CollectableRow) (st State, err error) {
	err = row.Scan(&st.Name, &st.Position, &st.Sending, &st.Sent, &st.SentAt, &st.FailedSince, &st.Problem, &st.Said)
	return st, err
}

// States lists how far the streams are, those that are not declared any more included, by name.
func States(ctx context.Context, on pg.Querier) ([]State, error) {
	rows, err := on.Query(ctx, `SELECT `+stateColumns+` FROM auditlog.stream ORDER BY name`)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, scanState)
	return list, pg.Wrap(err)
}

// state reads how far a stream is, and puts a new one down.
func (l *leader) state(ctx context.Context, name string) (st State, err error) {
	err = l.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, `INSERT INTO auditlog.stream (name) VALUES ($1) ON CONFLICT DO NOTHING`, name); err != nil {
			return err
		}
		rows, err := conn.Query(ctx, `SELECT `+stateColumns+` FROM auditlog.stream WHERE name = $1`, name)
		if err != nil {
			return err
		}
		st, err = pgx.CollectExactlyOneRow(rows, scanState)
		return err
	})
	return st, err
}

// begin notes where a batch ends, before it is sent.
func (l *leader) begin(ctx context.Context, st State, last int64) error {
	return l.swap(ctx, `UPDATE auditlog.stream SET sending = $3 WHERE name = $1 AND position = $2`, st.Name, st.Position, last)
}

// taken notes that the receiver took a batch.
func (l *leader) taken(ctx context.Context, st State, last int64, entries int, now time.Time) error {
	return l.swap(ctx, `UPDATE auditlog.stream SET position = $3, sending = 0, sent = sent + $4, sent_at = $5, failed_since = NULL, problem = '', said = '' WHERE name = $1 AND position = $2`,
		st.Name, st.Position, last, entries, now)
}

// clear notes that nothing is wrong any more.
func (l *leader) clear(ctx context.Context, st State) error {
	return l.swap(ctx, `UPDATE auditlog.stream SET failed_since = NULL, problem = '', said = '' WHERE name = $1 AND position = $2`, st.Name, st.Position)
}

// failed notes what an attempt met with.
func (l *leader) failed(ctx context.Context, st State, p Problem, said string, now time.Time) error {
	return l.swap(ctx, `UPDATE auditlog.stream SET failed_since = coalesce(failed_since, $5), problem = $3, said = $4 WHERE name = $1 AND position = $2`,
		st.Name, st.Position, p, said, now)
}

// swap changes the row of a stream that is where it was thought to be; when it is not, somebody else sends, and this server stops.
func (l *leader) swap(ctx context.Context, sql string, args ...any) error {
	return l.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		tag, err := conn.Exec(ctx, sql, args...)
		if err == nil && tag.RowsAffected() != 1 {
			return errLost
		}
		return err
	})
}
