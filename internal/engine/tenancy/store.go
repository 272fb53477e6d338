package tenancy

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/tenant"
)

// place is a guarded database as it was when it was given its first key.
type place struct {
	id              uuid.UUID
	database        string
	seq             int
	system, datname string
	audience        tenant.Audience
	openedAt        time.Time
	openedBy        string
	settledAt       *time.Time
}

// here reports whether there is one.
func (p place) here() bool { return p.seq > 0 }

const placeColumns = `p.id, p.database, p.seq, p.system, p.datname, p.audience, p.opened_at, p.opened_by, p.settled_at`

func scanPlace(row pgx.CollectableRow) (p place, err error) {
	var audience []byte
	err = row.Scan(&p.id, &p.database, &p.seq, &p.system, &p.datname, &audience, &p.openedAt, &p.openedBy, &p.settledAt)
	copy(p.audience[:], audience)
	return p, err
}

// lastPlace is the place of a name that holds; the zero place when there is none yet.
func lastPlace(ctx context.Context, on pg.Querier, database string) (place, error) {
	rows, err := on.Query(ctx, `SELECT `+placeColumns+` FROM tenancy.place AS p WHERE p.database = $1 ORDER BY p.seq DESC LIMIT 1`, database)
	if err != nil {
		return place{}, pg.Wrap(err)
	}
	p, err := pgx.CollectExactlyOneRow(rows, scanPlace)
	if errors.Is(err, pgx.ErrNoRows) {
		return place{}, nil
	}
	return p, pg.Wrap(err)
}

// insertPlace reports whether nobody else was first.
func insertPlace(ctx context.Context, tx pg.Execer, p place) (bool, error) {
	tag, err := tx.Exec(ctx, `INSERT INTO tenancy.place (id, database, seq, system, datname, audience, opened_by) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (database, seq) DO NOTHING`,
		p.id, p.database, p.seq, p.system, p.datname, p.audience[:], p.openedBy)
	return tag.RowsAffected() == 1, pg.Wrap(err)
}

func settlePlace(ctx context.Context, tx pg.Execer, id uuid.UUID) (bool, error) {
	tag, err := tx.Exec(ctx, `UPDATE tenancy.place SET settled_at = clock_timestamp() WHERE id = $1 AND settled_at IS NULL`, id)
	return tag.RowsAffected() == 1, pg.Wrap(err)
}

func installation(ctx context.Context, on pg.Querier) (id uuid.UUID, err error) {
	err = on.QueryRow(ctx, `SELECT i.id FROM tenancy.installation AS i`).Scan(&id)
	return id, pg.Wrap(err)
}

// Key is a key of a guarded database, without the key.
type Key struct {
	ID          byte       `json:"id"`
	MadeAt      time.Time  `json:"made_at"`
	MadeBy      string     `json:"made_by"`
	InstalledAt *time.Time `json:"installed_at,omitempty"` // it is in the database
	RetiresAt   *time.Time `json:"retires_at,omitempty"`   // from then on the database accepts no token of it
	RetiredAt   *time.Time `json:"retired_at,omitempty"`   // it was told so, and the moment is past
	urgent      bool
	sealed      []byte
}

// mints reports whether tokens are minted with it.
func (k Key) mints() bool { return k.InstalledAt != nil && k.RetiresAt == nil }

// coming reports whether it is on its way to the database.
func (k Key) coming() bool { return k.InstalledAt == nil && k.RetiresAt == nil }

// keysOf reads the keys of a place, the newest first. The checker sees nothing of what is sealed.
func keysOf(ctx context.Context, on pg.Querier, place uuid.UUID, whole bool) ([]Key, error) {
	more := `'', false, NULL::bytea`
	if whole {
		more = `k.made_by, k.urgent, k.sealed`
	}
	rows, err := on.Query(ctx, `SELECT k.id, k.made_at, k.installed_at, k.retires_at, k.retired_at, `+more+` FROM tenancy.key AS k WHERE k.place = $1 ORDER BY k.made_at DESC, k.id`, place) //nolint:gosec // constants
	if err != nil {
		return nil, pg.Wrap(err)
	}
	keys, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (k Key, err error) {
		var id int16
		err = row.Scan(&id, &k.MadeAt, &k.InstalledAt, &k.RetiresAt, &k.RetiredAt, &k.MadeBy, &k.urgent, &k.sealed)
		k.ID = byte(id) //nolint:gosec // 0 to 255, by the table's CHECK
		return k, err
	})
	return keys, pg.Wrap(err)
}

// insertKey reports whether no other key of the place is on its way, and none has that id.
func insertKey(ctx context.Context, tx pg.Execer, place uuid.UUID, id byte, sealed []byte, by string, urgent bool) (bool, error) {
	tag, err := tx.Exec(ctx, `INSERT INTO tenancy.key (place, id, sealed, made_by, urgent) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`, place, int16(id), sealed, by, urgent)
	return tag.RowsAffected() == 1, pg.Wrap(err)
}

// hasten makes the key that is on its way an urgent one.
func hasten(ctx context.Context, tx pg.Execer, place uuid.UUID) error {
	_, err := tx.Exec(ctx, `UPDATE tenancy.key SET urgent = true WHERE place = $1 AND installed_at IS NULL AND retires_at IS NULL`, place)
	return pg.Wrap(err)
}

// keyInstalled notes that a key is in the database: it mints from now on, and the one before it
// retires when its last token ends, at once when the new one is urgent.
func keyInstalled(ctx context.Context, tx pg.Execer, place uuid.UUID, id byte) (bool, error) {
	tag, err := tx.Exec(ctx, `UPDATE tenancy.key SET installed_at = clock_timestamp() WHERE place = $1 AND id = $2 AND installed_at IS NULL AND retires_at IS NULL`, place, int16(id))
	if err != nil || tag.RowsAffected() == 0 {
		return false, pg.Wrap(err)
	}
	_, err = tx.Exec(ctx, `UPDATE tenancy.key AS k SET retires_at = clock_timestamp() + CASE WHEN n.urgent THEN interval '0' ELSE k.longest + $3::interval END
FROM tenancy.key AS n WHERE n.place = $1 AND n.id = $2 AND k.place = $1 AND k.id <> $2 AND k.installed_at IS NOT NULL AND k.retires_at IS NULL`, place, int16(id), retireMargin)
	return true, pg.Wrap(err)
}

// keyRetired notes that the database accepts no token of a key any more, and destroys the key.
func keyRetired(ctx context.Context, tx pg.Execer, place uuid.UUID, id byte) (bool, error) {
	tag, err := tx.Exec(ctx, `UPDATE tenancy.key SET retires_at = least(retires_at, clock_timestamp()), retired_at = clock_timestamp(), sealed = NULL WHERE place = $1 AND id = $2 AND retired_at IS NULL`, place, int16(id))
	return tag.RowsAffected() == 1, pg.Wrap(err)
}

// keysLeft destroys the keys of the places that a database was before.
func keysLeft(ctx context.Context, tx pg.Execer, now place) error {
	_, err := tx.Exec(ctx, `UPDATE tenancy.key AS k SET retires_at = least(k.retires_at, clock_timestamp()), retired_at = clock_timestamp(), sealed = NULL
FROM tenancy.place AS p WHERE p.id = k.place AND p.database = $1 AND p.seq < $2 AND k.retired_at IS NULL`, now.database, now.seq)
	return pg.Wrap(err)
}

// lengthen notes how long tokens of a key live.
func lengthen(ctx context.Context, tx pg.Execer, place uuid.UUID, id byte, life time.Duration) error {
	_, err := tx.Exec(ctx, `UPDATE tenancy.key SET longest = $3::interval WHERE place = $1 AND id = $2 AND longest < $3::interval`, place, int16(id), life)
	return pg.Wrap(err)
}

// minter is the key that mints for a database now, with its place.
type minter struct {
	place   place
	key     Key
	longest time.Duration
	trouble Problem // what was last seen there
}

// minterOf reads it in one question; the zero minter when there is none.
func minterOf(ctx context.Context, on pg.Querier, database string) (m minter, err error) {
	var audience []byte
	var id int16
	err = on.QueryRow(ctx, `SELECT `+placeColumns+`, k.id, k.installed_at, k.sealed, k.longest, coalesce(s.trouble, '')
FROM tenancy.place AS p JOIN tenancy.key AS k ON k.place = p.id AND k.installed_at IS NOT NULL AND k.retires_at IS NULL
LEFT JOIN tenancy.status AS s ON s.database = p.database
WHERE p.database = $1 AND p.seq = (SELECT max(l.seq) FROM tenancy.place AS l WHERE l.database = $1)`, database).
		Scan(&m.place.id, &m.place.database, &m.place.seq, &m.place.system, &m.place.datname, &audience, &m.place.openedAt, &m.place.openedBy, &m.place.settledAt,
			&id, &m.key.InstalledAt, &m.key.sealed, &m.longest, &m.trouble)
	if errors.Is(err, pgx.ErrNoRows) {
		return minter{}, nil
	}
	copy(m.place.audience[:], audience)
	m.key.ID = byte(id) //nolint:gosec // 0 to 255, by the table's CHECK
	return m, pg.Wrap(err)
}

// status is what was last seen of a guarded database.
type status struct {
	LookedAt time.Time
	Trouble  Problem
	Version  int
	Design   string
	SweptAt  *time.Time
	Ended    int64
}

func statusOf(ctx context.Context, on pg.Querier, database string) (s status, err error) {
	err = on.QueryRow(ctx, `SELECT s.looked_at, s.trouble, s.version, s.design, s.swept_at, s.ended FROM tenancy.status AS s WHERE s.database = $1`, database).
		Scan(&s.LookedAt, &s.Trouble, &s.Version, &s.Design, &s.SweptAt, &s.Ended)
	if errors.Is(err, pgx.ErrNoRows) {
		return status{}, nil
	}
	return s, pg.Wrap(err)
}

// saveStatus notes what was seen; swept: ended sessions were looked for, and so many ended.
func saveStatus(ctx context.Context, on pg.Execer, database string, now time.Time, trouble Problem, k *keeper, swept bool, ended int) error {
	var version int
	var design string
	if k != nil {
		version, design = k.seen.installed.Version, string(k.seen.installed.Design)
	}
	var sweptAt *time.Time
	if swept {
		sweptAt = &now
	}
	_, err := on.Exec(ctx, `INSERT INTO tenancy.status AS s (database, looked_at, trouble, version, design, swept_at, ended) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (database) DO UPDATE SET looked_at = $2, trouble = $3, version = CASE WHEN $8 THEN $4 ELSE s.version END, design = CASE WHEN $8 THEN $5 ELSE s.design END,
	swept_at = coalesce($6, s.swept_at), ended = s.ended + $7`, database, now, string(trouble), version, design, sweptAt, ended, k != nil)
	return pg.Wrap(err)
}
