package tenancy

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
)

// KeyState is what a key does.
type KeyState string

// The states of keys.
const (
	KeyComing   KeyState = "coming"   // made, and on its way to the database
	KeyMints    KeyState = "mints"    // tokens are minted with it
	KeyRetiring KeyState = "retiring" // its last tokens are accepted still
	KeyRetired  KeyState = "retired"
)

// State is what the key does.
func (k Key) State() KeyState {
	switch {
	case k.RetiredAt != nil:
		return KeyRetired
	case k.RetiresAt != nil:
		return KeyRetiring
	case k.InstalledAt != nil:
		return KeyMints
	}
	return KeyComing
}

// Database is a guarded database with what is known of it.
type Database struct {
	Name     string     `json:"name"`
	Design   string     `json:"design"`
	KeyType  string     `json:"key_type"`
	Lifetime string     `json:"lifetime"`
	Rotate   string     `json:"rotate"`
	Trouble  Problem    `json:"trouble,omitempty"`
	LookedAt *time.Time `json:"looked_at,omitempty"`
	SweptAt  *time.Time `json:"swept_at,omitempty"`
	Ended    int64      `json:"ended"` // transactions that were ended
	Keys     []Key      `json:"keys"`  // of the place that it is, the newest first

	declared *estate.Tenancy
	minting  *estate.Tenancy // as far as nobody has to confirm it first
}

// Databases lists the guarded databases. It needs actor.ReadTenancy.
func (t *Tenancy) Databases(ctx context.Context, by actor.Actor) ([]Database, error) {
	if err := t.may(ctx, by, actor.ReadTenancy, "tenancy.read", audit.Object{Kind: "database", ID: "*"}); err != nil {
		return nil, err
	}
	view, err := t.View(ctx)
	if err != nil {
		return nil, err
	}
	guarded, err := t.guardedIn(ctx, view.Estate)
	if errs.Is(err, errs.NotFound) {
		guarded = guarded[:len(guarded)-1] // ours is not under guard, as the check says
	} else if err != nil {
		return nil, err
	}
	on := t.DB.Pool(pg.Staff)
	list := []Database{}
	for _, d := range guarded {
		s, err := statusOf(ctx, on, d.Name)
		if err != nil {
			return nil, err
		}
		p, keys, err := t.placeOf(ctx, on, d.Name)
		if err != nil {
			return nil, err
		}
		one := Database{
			Name: d.Name, Design: d.Tenancy.Design, KeyType: d.Tenancy.KeyType, Lifetime: estate.FormatDuration(d.Tenancy.Lifetime), Rotate: estate.FormatDuration(d.Tenancy.Rotate),
			Trouble: s.Trouble, SweptAt: s.SweptAt, Ended: s.Ended, Keys: append([]Key{}, keys...), declared: d.Tenancy, minting: d.Minting(view.Pending),
		}
		if !s.LookedAt.IsZero() {
			one.LookedAt = &s.LookedAt
		}
		if one.Trouble == "" && p.here() && (p.system != d.System || p.datname != d.Database) {
			one.Trouble = Moved
		}
		list = append(list, one)
	}
	return list, nil
}

func (t *Tenancy) placeOf(ctx context.Context, on pg.Querier, database string) (p place, keys []Key, err error) {
	if p, err = lastPlace(ctx, on, database); err != nil || !p.here() {
		return p, nil, err
	}
	keys, err = keysOf(ctx, on, p.id, true)
	return p, keys, err
}

// customer is what was minted for one tenant.
type customer struct {
	tenant string
	days   []int // oldest first
	total  int
	last   time.Time
}

// chartDays is how many days of mintings are drawn.
const chartDays = 30

// mintings counts what was minted for each tenant of a database in the last days, those with most
// first, and how many tenants there are besides. first is the beginning of the first day; days begin in
// the zone of it.
func mintings(ctx context.Context, on pg.Querier, database string, first time.Time, limit int) (list []customer, others int, err error) {
	rows, err := on.Query(ctx, `WITH day AS (
	SELECT m.tenant, (m.at AT TIME ZONE $3)::date - ($2 AT TIME ZONE $3)::date AS n, count(*) AS c, max(m.at) AS last
	FROM tenancy.minting AS m WHERE m.database = $1 AND m.at >= $2 GROUP BY 1, 2
), tenant AS (
	SELECT d.tenant, sum(d.c)::bigint AS total, max(d.last) AS last, array_agg(d.n ORDER BY d.n) AS ns, array_agg(d.c ORDER BY d.n) AS cs FROM day AS d GROUP BY d.tenant
) SELECT t.tenant, t.total, t.last, t.ns, t.cs, count(*) OVER () FROM tenant AS t ORDER BY t.total DESC, t.tenant LIMIT $4`, database, first, zoneName(first.Location()), limit)
	if err != nil {
		return nil, 0, pg.Wrap(err)
	}
	all := 0
	list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c customer, err error) {
		var ns []int
		var cs []int64
		if err := row.Scan(&c.tenant, &c.total, &c.last, &ns, &cs, &all); err != nil {
			return c, err
		}
		c.days = make([]int, chartDays)
		for i, n := range ns {
			if n >= 0 && n < chartDays {
				c.days[n] = int(cs[i])
			}
		}
		return c, nil
	})
	return list, max(0, all-len(list)), pg.Wrap(err)
}

// zoneName is a zone as PostgreSQL knows it.
func zoneName(zone *time.Location) string {
	if zone == nil || zone.String() == "Local" {
		return "UTC"
	}
	return zone.String()
}

// openSession is a session that has a token.
type openSession struct {
	id      uuid.UUID
	tenant  string
	kind    string
	job     string // name of the service job
	write   bool
	began   time.Time
	expires time.Time
	tokens  int
	ended   *time.Time
}

// sessions lists the sessions of a database that have a token now, or were ended while they had one; the
// newest first.
func sessions(ctx context.Context, on pg.Querier, database string, now time.Time, limit int) ([]openSession, error) {
	rows, err := on.Query(ctx, `SELECT m.session, min(m.tenant), min(m.kind), coalesce(min(j.name), ''), bool_or(m.access = 'w'), min(m.at), max(m.expires_at), count(*), min(r.revoked_at)
FROM tenancy.minting AS m LEFT JOIN tenancy.job AS j ON j.id = m.job LEFT JOIN tenancy.revocation AS r ON r.database = m.database AND r.session = m.session
WHERE m.database = $1 AND m.at > $2::timestamptz - interval '25 hours' GROUP BY m.session HAVING max(m.expires_at) > $2 ORDER BY max(m.at) DESC, m.session LIMIT $3`, database, now, limit)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s openSession, err error) {
		err = row.Scan(&s.id, &s.tenant, &s.kind, &s.job, &s.write, &s.began, &s.expires, &s.tokens, &s.ended)
		return s, err
	})
	return list, pg.Wrap(err)
}
