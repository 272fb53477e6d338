package token

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg"
)

// Event is what the outbox of a guarded database holds of one event.
type Event struct {
	XID, ID    int64
	Mark       uuid.UUID // one event in the world: after a restore xid and id come again
	At         time.Time // by the clock of that database
	Form       string    // of the tenant's key: uuid, bigint, text; empty: of no tenant
	Tenant     string    // its key, as PostgreSQL prints it
	Session    *uuid.UUID
	Kind       string // EventSaid and so on
	Action     string
	ObjectKind string
	ObjectID   string
	Before     []byte // JSON objects; nil: none
	After      []byte
	Detail     []byte
	Actor      string // what the application says of its user
	Login      string // that signed in to the database
	Acting     string // the role that it had taken
}

// The kinds of events.
const (
	EventSaid     = "said"
	EventRead     = "read"
	EventInsert   = "insert"
	EventUpdate   = "update"
	EventDelete   = "delete"
	EventTruncate = "truncate"
	EventCanary   = "canary" // made by TryEvent
)

// TakeEvents tells the oldest events that no open transaction can put one before, in the order of their transactions, until there are so many; what a
// statement wrote comes in pieces of up to a hundred rows, which are told whole. They stay until
// [ForgetEvents]. q is of a member of [Keeper].
func TakeEvents(ctx context.Context, q pg.Querier, about int) ([]Event, error) {
	rows, err := q.Query(ctx, `SELECT xid, id, mark, at, coalesce(form, ''), coalesce(tenant, ''), session, kind, action, coalesce(object_kind, ''), coalesce(object_id, ''), before, after, detail, coalesce(actor, ''), login, coalesce(acting, '')
FROM garant.take_events($1)`, about)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Event])
	return list, pg.Wrap(err)
}

// ForgetEvents takes events that [TakeEvents] told out of the outbox, and returns how many were there still: of a piece
// once all of it is named.
func ForgetEvents(ctx context.Context, q pg.Querier, events []Event) (gone int, err error) {
	if len(events) == 0 {
		return 0, nil
	}
	marks := make([]uuid.UUID, len(events))
	for i, e := range events {
		marks[i] = e.Mark
	}
	last := events[len(events)-1]
	err = q.QueryRow(ctx, `SELECT garant.forget_events($1, $2, $3)`, marks, last.XID, last.ID).Scan(&gone)
	return gone, pg.Wrap(err)
}

// EventsWaiting tells how many events are in the outbox, a million at most, and the age of the oldest by the clock of that database; zero
// when there is none.
func EventsWaiting(ctx context.Context, q pg.Querier) (waiting int64, oldest time.Duration, err error) {
	var seconds float64
	err = q.QueryRow(ctx, `SELECT waiting, coalesce(greatest(date_part('epoch', pg_catalog.clock_timestamp() - oldest), 0), 0) FROM garant.events_waiting()`).Scan(&waiting, &seconds)
	return waiting, time.Duration(seconds * float64(time.Second)), pg.Wrap(err)
}

// TryEvent makes an event of no tenant by which it is seen whether events arrive.
func TryEvent(ctx context.Context, q pg.Querier) (mark uuid.UUID, err error) {
	err = q.QueryRow(ctx, `SELECT garant.try_event()`).Scan(&mark)
	return mark, pg.Wrap(err)
}
