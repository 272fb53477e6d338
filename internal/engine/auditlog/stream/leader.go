package stream

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// leader is the right to send. It lasts as long as its connection, which holds the lock.
type leader struct {
	mu   sync.Mutex
	conn *pgx.Conn
	lost bool
}

// The database answers in this time, or is taken to be lost.
const answerIn = 5 * time.Second

const lockKey = `hashtextextended('garant audit streams', 0)`

// lead takes the right to send; nil: another server has it.
func (s *Streams) lead(ctx context.Context) (*leader, error) {
	pooled, err := s.DB.Pool(pg.Worker).Acquire(ctx)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	var got bool
	err = pooled.QueryRow(ctx, `SELECT pg_try_advisory_lock(`+lockKey+`)`).Scan(&got)
	if err == nil && !got {
		pooled.Release()
		return nil, nil
	}
	l := &leader{conn: pooled.Hijack()} // held for long: the pool makes another
	if err != nil {                     // it may have the lock all the same
		l.close()
		return nil, pg.Wrap(err)
	}
	return l, nil
}

var errLost = errs.New(errs.Unavailable, "auditlog.stream_lead", "This server does not send the streams of the audit log any more.")

// do uses the connection. Any failure of it ends the right to send: what was written then is not known.
func (l *leader) do(ctx context.Context, use func(context.Context, *pgx.Conn) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost {
		return errLost
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerIn)
	defer cancel()
	if err := use(ctx, l.conn); err != nil {
		l.lost = true
		return pg.Wrap(err)
	}
	return nil
}

// leads reports whether the connection still holds the lock.
func (l *leader) leads(ctx context.Context) bool {
	held := false
	err := l.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted
AND classid = (`+lockKey+` >> 32 & 4294967295)::oid AND objid = (`+lockKey+` & 4294967295)::oid)`).Scan(&held)
	})
	return err == nil && held
}

func (l *leader) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = true
	ctx, cancel := context.WithTimeout(context.Background(), answerIn)
	defer cancel()
	_ = l.conn.Close(ctx)
}
