package audit

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/garant-project/garant/internal/audit/leaf"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// Filter narrows a list of entries. Zero fields do not narrow.
type Filter struct {
	Object  Object
	ActorID string
	Tenant  string // customer
	Action  string
	Without []string // actions to leave out, unless they were refused
	Before  int64    // id; for the next page
	Limit   int      // at most 200; 0: 50
}

// List returns entries, the newest first.
func List(ctx context.Context, on pg.Querier, f Filter) ([]Entry, error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	// Only what narrows is said, so that the index for it is found.
	where, args := []string{"true"}, []any{min(f.Limit, 200)}
	and := func(condition string, value any, given bool) {
		if given {
			args = append(args, value)
			where = append(where, condition+" $"+strconv.Itoa(len(args)))
		}
	}
	and("object_kind =", f.Object.Kind, f.Object.Kind != "")
	and("object_id =", f.Object.ID, f.Object.ID != "")
	and("actor_id =", f.ActorID, f.ActorID != "")
	and("tenant =", f.Tenant, f.Tenant != "")
	and("action =", f.Action, f.Action != "")
	if len(f.Without) > 0 {
		args = append(args, f.Without)
		where = append(where, "(outcome = 'refused' OR action <> ALL ($"+strconv.Itoa(len(args))+"))")
	}
	and("id <", f.Before, f.Before != 0)
	rows, err := on.Query(ctx, `SELECT `+columns+` FROM audit.entry
WHERE `+strings.Join(where, " AND ")+` ORDER BY id DESC LIMIT $1`, args...) //nolint:gosec // conditions are literals of this function
	if err != nil {
		return nil, pg.Wrap(err)
	}
	entries, err := pgx.CollectRows(rows, scan)
	return entries, pg.Wrap(err)
}

// Recent counts the entries of an action since a moment that were not refused, looking at no more than most of its newest.
func Recent(ctx context.Context, on pg.Querier, action string, since time.Time, most int) (n int, err error) {
	err = on.QueryRow(ctx, `SELECT count(*) FILTER (WHERE at > $2 AND outcome <> 'refused')
FROM (SELECT at, outcome FROM audit.entry WHERE action = $1 ORDER BY id DESC LIMIT $3) AS newest`, action, since, most).Scan(&n)
	return n, pg.Wrap(err)
}

const columns = `id, at, actor_kind, actor_id, coalesce(session, ''), coalesce(origin, ''), action, outcome = 'refused', object_kind, object_id, detail,
coalesce(tenant::text, ''), coalesce(reason, ''), coalesce(request, ''), coalesce(subject, ''), coalesce(occurred, '-infinity'), changes`

func scan(row pgx.CollectableRow) (e Entry, err error) {
	var occurred pgtype.Timestamptz
	err = row.Scan(&e.ID, &e.At, &e.Actor.Kind, &e.Actor.ID, &e.Actor.Session, &e.Actor.Origin, &e.Action, &e.Refused, &e.Object.Kind, &e.Object.ID, &e.Detail,
		&e.Tenant, &e.Reason, &e.Request, &e.Subject, &occurred, &e.sealed)
	if occurred.InfinityModifier == pgtype.Finite {
		e.Occurred = occurred.Time
	}
	e.Sealed = e.sealed != nil
	return e, err
}

// Open reads what is sealed beside entries: their Changes, or that they were Erased. Other errors are those of the box.
func Open(ctx context.Context, on pg.Querier, box *crypt.Box, entries []Entry) error {
	var values []crypt.Sealed
	var of []int
	for i, e := range entries {
		if e.sealed != nil {
			values, of = append(values, crypt.Sealed{Subject: e.Subject, Field: SealedField, Value: e.sealed}), append(of, i)
		}
	}
	opened, err := box.OpenAll(ctx, on, values)
	if err != nil {
		return err
	}
	for i, o := range opened {
		e := &entries[of[i]]
		if o.Err != nil {
			switch {
			case errs.Is(o.Err, errs.NotFound):
				e.Erased = true
			case errs.Is(o.Err, errs.Unavailable):
				return o.Err
			default:
				e.Unopened = true
			}
			continue
		}
		var s leaf.Sealed
		if err := json.Unmarshal(o.Plaintext, &s); err != nil {
			return errs.New(errs.Internal, "audit.sealed", "What is sealed beside an entry cannot be read.").Wrap(errors.New("no changes"))
		}
		e.Changes = s.Changes
	}
	return nil
}
