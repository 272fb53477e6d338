package audit

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg"
)

// Part is an action of the company's own, or of its customers: of users, and of applications that nobody signed in to. Applications choose the names of
// their actions, and their users how many there are: an auditor's sample of what the company did is not drawn from among those.
type Part struct {
	Action    string
	Customers bool
}

const ofCustomers = `(e.actor_kind = 'user' OR e.actor_kind = 'system' AND e.actor_id LIKE 'role:%')`

// IDs lists the numbers of the entries of a part that were made from one moment to before
// another, upwards: those above after.
func IDs(ctx context.Context, on pg.Querier, part Part, from, until time.Time, after int64, limit int) ([]int64, error) {
	rows, err := on.Query(ctx, `SELECT e.id FROM audit.entry e
WHERE e.action = $1 AND e.at >= $2 AND e.at < $3 AND e.id > $4 AND `+ofCustomers+` = $6 ORDER BY e.id LIMIT $5`, part.Action, from, until, after, limit, part.Customers)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	return ids, pg.Wrap(err)
}

// Load reads entries by their numbers; those that are not there are left out.
func Load(ctx context.Context, on pg.Querier, ids []int64) ([]Entry, error) {
	rows, err := on.Query(ctx, "SELECT "+columns+" FROM audit.entry WHERE id = ANY($1) ORDER BY id", ids)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	entries, err := pgx.CollectRows(rows, scan)
	return entries, pg.Wrap(err)
}

// probed is how many entries of an action are looked at from each end for one of customers.
const probed = 1000

// actionsSQL is one step of the index for each action, however many entries there are.
const actionsSQL = `WITH RECURSIVE a AS (
	(SELECT e.action FROM audit.entry e ORDER BY e.action LIMIT 1)
	UNION ALL
	SELECT (SELECT e.action FROM audit.entry e WHERE e.action > a.action ORDER BY e.action LIMIT 1) FROM a WHERE a.action IS NOT NULL
)`

// Actions lists the actions of which there are entries, sorted.
func Actions(ctx context.Context, on pg.Querier) ([]string, error) {
	rows, err := on.Query(ctx, actionsSQL+` SELECT a.action FROM a WHERE a.action IS NOT NULL ORDER BY a.action`)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return list, pg.Wrap(err)
}

// Parts lists the actions of which there are entries, sorted, each as the company's own, and as customers' where some of the oldest or the newest are theirs.
func Parts(ctx context.Context, on pg.Querier) ([]Part, error) {
	rows, err := on.Query(ctx, actionsSQL+` SELECT a.action, c.customers FROM a CROSS JOIN (VALUES (false), (true)) AS c (customers) WHERE a.action IS NOT NULL AND (NOT c.customers
	OR EXISTS (SELECT FROM (SELECT e.actor_kind, e.actor_id FROM audit.entry AS e WHERE e.action = a.action ORDER BY e.id DESC LIMIT $1) AS e WHERE `+ofCustomers+`)
	OR EXISTS (SELECT FROM (SELECT e.actor_kind, e.actor_id FROM audit.entry AS e WHERE e.action = a.action ORDER BY e.id LIMIT $1) AS e WHERE `+ofCustomers+`))
ORDER BY a.action, c.customers`, probed)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Part])
	return list, pg.Wrap(err)
}
