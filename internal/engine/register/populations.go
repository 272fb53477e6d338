package register

import (
	"context"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit/sample"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// changesKey is the key of the population of what was changed in a register. It is kept with samples.
const changesKey = "register_changes"

// population is what was changed in a register, for auditors to draw from. It tells which entry
// was changed, when and by whom, and no value.
func (h *pages) population() console.Population {
	return console.Population{
		Key: changesKey, Personal: true, List: listChanges, Records: h.changeRecords,
		Title: func(p *ui.Printer, key string) string {
			if d, err := h.r.Definition(key); err == nil {
				key = p.T(titleID(d))
			}
			return p.T("register.population", "Register", key)
		},
		Parts: func(r *web.Request, _ *ui.Printer) ([]string, error) {
			var keys []string
			for _, d := range h.r.Definitions() {
				if r.Actor.May(d.read()) {
					keys = append(keys, d.Key)
				}
			}
			return keys, nil
		},
	}
}

func errList(err error) error {
	return errs.New(errs.Internal, "sample.list", "The population cannot be listed.").Wrap(err)
}

func listChanges(ctx context.Context, on pg.Querier, s console.Span, after string, limit int) ([]string, error) {
	last := int64(0)
	if after != "" {
		var err error
		if last, err = strconv.ParseInt(after, 10, 64); err != nil {
			return nil, errList(err)
		}
	}
	rows, err := on.Query(ctx, `SELECT c.id::text AS n FROM register.change c JOIN register.entry e ON e.id = c.entry_id
WHERE e.register = $1 AND c.at >= $2 AND c.at < $3 AND c.id > $4 ORDER BY c.id LIMIT $5`, s.Part, s.From, s.Until, last, limit)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return ids, pg.Wrap(err)
}

// drawn is a change as samples know it.
type drawn struct {
	ID       int64
	Entry    uuid.UUID
	Register string
	Revision int64
	At       time.Time
	Kind     actor.Kind
	Actor    string
	Action   string
	Changes  map[string]Diff
}

func (h *pages) changeRecords(r *web.Request, p *ui.Printer, on pg.Querier, ids []string) ([]console.Record, error) {
	wanted := make([]int64, 0, len(ids))
	for _, id := range ids {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return nil, errList(err)
		}
		wanted = append(wanted, n)
	}
	rows, err := on.Query(r.Context(), `SELECT c.id, c.entry_id, e.register, c.revision, c.at, c.actor_kind, c.actor_id, c.action, c.changes
FROM register.change c JOIN register.entry e ON e.id = c.entry_id WHERE c.id = ANY($1) ORDER BY c.id`, wanted)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[drawn])
	if err != nil {
		return nil, pg.Wrap(err)
	}
	names := h.c.Names(r, p)
	out := make([]console.Record, 0, len(list))
	for _, c := range list {
		action, who := p.T("register.entry.action."+c.Action), names.Of(r.Context(), c.Kind, c.Actor)
		one := console.Record{
			ID: strconv.FormatInt(c.ID, 10), At: c.At, Title: p.T("register.population.change", "ID", console.ShortID(c.Entry.String()), "Action", action), Note: who,
			Digest: sample.DigestOf("register change", c.ID, c.Entry, c.Register, c.Revision, c.At, c.Kind, c.Actor, c.Action, c.Changes),
			Detail: []ui.Detail{
				{Term: p.T("register.entry.history.what"), Text: action},
				{Term: p.T("register.entry.history.who"), Text: who},
				{Term: p.T("register.population.entry"), Code: c.Entry.String()},
			},
		}
		if d, err := h.r.Definition(c.Register); err == nil && r.Actor.May(d.read()) {
			one.Href = entryPath(d, c.Entry.String())
		}
		out = append(out, one)
	}
	return out, nil
}
