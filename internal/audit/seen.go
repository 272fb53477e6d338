package audit

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/garant-project/garant/internal/pg"
)

// Search narrows what a customer reads of its own entries. Zero fields do not narrow.
type Search struct {
	Object Object // ID alone without Kind does not narrow
	Actor  string // id
	Action string
	From   time.Time // written at or after
	Until  time.Time // written before
	Text   string    // part of what is not sealed: action, object, reason, request, detail; whatever its case
	Before int64     // id; the newest first
	After  int64     // id; with it the oldest come first
	Up     bool      // the oldest first, from the beginning
	Limit  int       // at most 1,000; 0: 50
}

// Seen returns entries as garant_portal may read them: under row-level security, so that they are those of the customer whose
// token on carries, and without the address that somebody came from. No condition here names a customer.
func Seen(ctx context.Context, on pg.Querier, s Search) ([]Entry, error) {
	if s.Limit <= 0 {
		s.Limit = 50
	}
	where, args := []string{"true"}, []any{min(s.Limit, 1000)}
	and := func(condition string, value any, given bool) {
		if given {
			args = append(args, value)
			where = append(where, strings.ReplaceAll(condition, "?", "$"+strconv.Itoa(len(args))))
		}
	}
	up := s.Up || s.After > 0
	and("object_kind = ?", s.Object.Kind, s.Object.Kind != "")
	and("object_id = ?", s.Object.ID, s.Object.Kind != "" && s.Object.ID != "")
	and("actor_id = ?", s.Actor, s.Actor != "")
	and("action = ?", s.Action, s.Action != "")
	and("at >= ?", s.From, !s.From.IsZero())
	and("at < ?", s.Until, !s.Until.IsZero())
	and("id < ?", s.Before, s.Before > 0)
	and("id > ?", s.After, up)
	and(`(strpos(lower(concat_ws(E'\n', action, object_kind, object_id, reason, request, actor_id)), lower(?)) > 0 OR strpos(lower(detail::text), lower(?)) > 0)`, s.Text, s.Text != "")
	order := "DESC"
	if up {
		order = "ASC"
	}
	rows, err := on.Query(ctx, `SELECT id, at, actor_kind, actor_id, coalesce(session, ''), action, outcome = 'refused', object_kind, object_id, detail,
coalesce(tenant::text, ''), coalesce(reason, ''), coalesce(request, ''), coalesce(subject, ''), coalesce(occurred, '-infinity'), changes, promise
FROM audit.entry WHERE `+strings.Join(where, " AND ")+` ORDER BY id `+order+` LIMIT $1`, args...) //nolint:gosec // conditions are literals of this function
	if err != nil {
		return nil, pg.Wrap(err)
	}
	entries, err := pgx.CollectRows(rows, scanSeen)
	return entries, pg.Wrap(err)
}

func scanSeen(row pgx.CollectableRow) (e Entry, err error) {
	var occurred pgtype.Timestamptz
	err = row.Scan(&e.ID, &e.At, &e.Actor.Kind, &e.Actor.ID, &e.Actor.Session, &e.Action, &e.Refused, &e.Object.Kind, &e.Object.ID, (*detail)(&e.Detail),
		&e.Tenant, &e.Reason, &e.Request, &e.Subject, &occurred, &e.sealed, &e.promise)
	if occurred.InfinityModifier == pgtype.Finite {
		e.Occurred = occurred.Time
	}
	e.Sealed = e.sealed != nil
	return e, err
}

// SeenActions lists the actions among the newest entries that on shows, sorted; at most look of them are looked at.
func SeenActions(ctx context.Context, on pg.Querier, look int) ([]string, error) {
	rows, err := on.Query(ctx, `SELECT DISTINCT n.action FROM (SELECT e.action FROM audit.entry AS e ORDER BY e.id DESC LIMIT $1) AS n ORDER BY n.action LIMIT 200`, look)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return list, pg.Wrap(err)
}

// Place is where an entry stands in a tree of the log.
type Place struct {
	Entry    int64
	Log      string // origin of the generation
	Position int64  // among the leaves of all trees
	Tree     string
	Index    int64
	Leaf     []byte
}

// Places tells where entries stand in the log, by their ids; those that are not in order yet are left out. on may read the leaves.
func Places(ctx context.Context, on pg.Querier, ids []int64) (map[int64]Place, error) {
	rows, err := on.Query(ctx, `SELECT DISTINCT ON (l.entry) l.entry, g.origin, l.seq, t.name, l.index, l.hash
FROM audit.leaf AS l JOIN audit.tree AS t ON t.tree = l.tree JOIN audit.generation AS g ON g.generation = t.generation WHERE l.entry = ANY ($1) ORDER BY l.entry, t.generation DESC`, ids)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Place])
	out := make(map[int64]Place, len(list))
	for _, p := range list {
		out[p.Entry] = p
	}
	return out, pg.Wrap(err)
}
