// Package audit is the record of who did what.
//
// A permitted change and its entry commit together or not at all: Record takes the
// transaction of the change. A refused attempt is recorded in a transaction of its own by
// Refused. Serving roles may only insert; the number, the time and the transaction of an entry
// are given by the database and cannot be chosen. Entries hold ids, never names or values of
// personal data.
package audit

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// Object is what an action was done to.
type Object struct{ Kind, ID string }

// Entry is one line of the record.
type Entry struct {
	ID      int64
	At      time.Time
	Actor   actor.Actor // Kind, ID, Session and Origin only
	Action  string      // "estate.applied": object.past_participle
	Object  Object
	Refused bool
	Detail  map[string]any // ids, counts, names of fields; no personal data, no secret
}

// Record adds an entry in the transaction of the change it tells of.
func Record(ctx context.Context, tx pgx.Tx, by actor.Actor, action string, on Object, detail map[string]any) error {
	return insert(ctx, tx, by, action, on, "permitted", detail)
}

// Refused adds an entry for an attempt that was not allowed, in a transaction of its own.
func Refused(ctx context.Context, on pg.Execer, by actor.Actor, action string, object Object, detail map[string]any) error {
	return insert(ctx, on, by, action, Object{Kind: object.Kind, ID: recordable(object.ID)}, "refused", detail)
}

// May returns refused when an actor lacks a permission, after the attempt is recorded; that of nobody in particular is not.
func May(ctx context.Context, on pg.Execer, by actor.Actor, needed actor.Permission, action string, object Object, refused error) error {
	if by.May(needed) {
		return nil
	}
	if by.Kind == actor.Public {
		return refused
	}
	if err := Refused(ctx, on, by, action, object, map[string]any{"permission": string(needed)}); err != nil {
		return err
	}
	return refused
}

// maxTried is how many bytes of what somebody tried to reach are kept; an index entry of
// PostgreSQL takes a third of a page at most.
const maxTried = 500

// recordable makes what somebody wrote fit for the database, which takes no NUL, nothing that is
// not UTF-8 and no long keys: nobody escapes the record by how they write an address.
func recordable(id string) string {
	id = strings.ToValidUTF8(strings.ReplaceAll(id, "\x00", "\uFFFD"), "\uFFFD")
	if len(id) <= maxTried {
		return id
	}
	return strings.ToValidUTF8(id[:maxTried], "") + "…"
}

func insert(ctx context.Context, on pg.Execer, by actor.Actor, action string, object Object, outcome string, detail map[string]any) error {
	if by.ID == "" {
		return errs.New(errs.Internal, "audit.no_actor", "An action without an actor cannot be recorded, so it was not done.")
	}
	if detail == nil {
		detail = map[string]any{}
	}
	encoded, err := json.Marshal(detail)
	if err != nil {
		return errs.New(errs.Internal, "audit.detail", "The detail of an action cannot be recorded, so it was not done.").Wrap(err)
	}
	_, err = on.Exec(ctx, `INSERT INTO audit.entry (actor_kind, actor_id, session, origin, action, outcome, object_kind, object_id, detail)
VALUES ($1, $2, nullif($3, ''), nullif($4, ''), $5, $6, $7, $8, $9)`,
		by.Kind, by.ID, by.Session, by.Origin, action, outcome, object.Kind, object.ID, encoded)
	return pg.Wrap(err)
}

// Filter narrows a list of entries. Zero fields do not narrow.
type Filter struct {
	Object  Object
	ActorID string
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

const columns = `id, at, actor_kind, actor_id, coalesce(session, ''), coalesce(origin, ''), action, outcome = 'refused', object_kind, object_id, detail`

func scan(row pgx.CollectableRow) (e Entry, err error) {
	err = row.Scan(&e.ID, &e.At, &e.Actor.Kind, &e.Actor.ID, &e.Actor.Session, &e.Actor.Origin, &e.Action, &e.Refused, &e.Object.Kind, &e.Object.ID, &e.Detail)
	return e, err
}
