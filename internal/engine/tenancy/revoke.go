package tenancy

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/token"
)

// Revoked says what the end of a session came to.
type Revoked struct {
	Databases []string // in which the session had tokens
	Ended     int      // transactions that were ended there and then
	Waiting   []string // databases that could not be reached: whoever looks after them delivers it
}

// Revoke ends a session for good: it is given no token again, the databases refuse those that it
// has, and what is open under them is ended. database narrows it to one; empty: all in which it was
// given tokens. It needs actor.ChangeTenancy. Repeating it is no error.
func (t *Tenancy) Revoke(ctx context.Context, by actor.Actor, session uuid.UUID, database, reason string) (Revoked, error) {
	const action = "tenant_session.revoked"
	on := audit.Object{Kind: "tenant_session", ID: session.String()}
	if err := t.may(ctx, by, actor.ChangeTenancy, action, on); err != nil {
		return Revoked{}, err
	}
	if reason = strings.TrimSpace(reason); !text(reason) {
		return Revoked{}, errs.New(errs.Invalid, "tenancy.reason", fmt.Sprintf("A reason has at most %d characters.", maxReason)).With("Field", "reason")
	}
	var out Revoked
	err := pg.InTx(ctx, t.DB.Pool(pg.Staff), func(tx pgx.Tx) error {
		// Whoever is minting for it, in whatever database, is waited for: what they minted is then seen.
		_, err := tx.Exec(ctx, `SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('tenancy session ' || $1::uuid::text, 0))`, session)
		if err != nil {
			return err
		}
		if out.Databases, err = databasesOf(ctx, tx, session, database); err != nil {
			return err
		}
		if len(out.Databases) == 0 {
			return errs.New(errs.NotFound, "tenancy.no_session", "No token was minted for this session.").WithFix("Copy it from the list of sessions of the database.")
		}
		first := 0
		for _, d := range out.Databases {
			fresh, err := insertRevocation(ctx, tx, d, session, identity(by), reason)
			if err != nil {
				return err
			}
			if fresh {
				first++
			}
		}
		if first == 0 {
			return nil
		}
		return audit.Record(ctx, tx, by, action, on, map[string]any{"databases": out.Databases})
	})
	if err != nil {
		return Revoked{}, err
	}
	for _, d := range out.Databases {
		ended, err := t.deliverNow(ctx, d)
		if err != nil {
			out.Waiting = append(out.Waiting, d)
		}
		out.Ended += ended
	}
	return out, nil
}

// databasesOf lists the databases in which a session has had tokens.
func databasesOf(ctx context.Context, on pg.Querier, session uuid.UUID, database string) ([]string, error) {
	rows, err := on.Query(ctx, `SELECT DISTINCT m.database FROM tenancy.minting AS m WHERE m.session = $1 AND ($2 = '' OR m.database = $2) ORDER BY m.database`, session, database)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return list, pg.Wrap(err)
}

// insertRevocation reports whether the session was not ended before.
func insertRevocation(ctx context.Context, tx pgx.Tx, database string, session uuid.UUID, by, reason string) (bool, error) {
	tag, err := tx.Exec(ctx, `INSERT INTO tenancy.revocation (database, session, until, revoked_by, reason)
SELECT $1, $2, coalesce(max(m.expires_at), clock_timestamp()), $3, $4 FROM tenancy.minting AS m WHERE m.database = $1 AND m.session = $2
ON CONFLICT (database, session) DO NOTHING`, database, session, by, reason)
	return tag.RowsAffected() == 1, pg.Wrap(err)
}

// deliverNow tells a database at once which sessions were ended, ends what is open of them, and
// looks again when no older snapshot can have let one in meanwhile. What fails here is taken up by
// who looks after the database.
func (t *Tenancy) deliverNow(ctx context.Context, database string) (ended int, err error) {
	d, _, err := t.guarded(ctx, database)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	k, err := t.reach(ctx, &d)
	if err != nil {
		return 0, err
	}
	defer k.close(ctx)
	pool := t.DB.Pool(pg.Staff)
	if err := t.deliver(ctx, pool, &d, k); err != nil {
		return 0, err
	}
	if ended, err = token.Sweep(ctx, k.Conn); err != nil {
		return 0, err
	}
	select {
	case <-time.After(token.Settled):
	case <-ctx.Done():
		return ended, nil // the next look settles it
	}
	began := time.Now()
	more, err := token.Sweep(ctx, k.Conn)
	if err != nil {
		return ended, nil //nolint:nilerr // delivered: the next look settles it
	}
	return ended + more, t.swept(ctx, pool, &d, began)
}

// deliver tells a database which sessions were ended. Telling it twice does no harm.
func (t *Tenancy) deliver(ctx context.Context, pool *pgxpool.Pool, d *estate.Database, k *keeper) error {
	rows, err := pool.Query(ctx, `SELECT r.session, r.until FROM tenancy.revocation AS r WHERE r.database = $1 AND r.delivered_at IS NULL AND r.settled_at IS NULL ORDER BY r.revoked_at LIMIT 1000`, d.Name)
	if err != nil {
		return pg.Wrap(err)
	}
	type end struct {
		session uuid.UUID
		until   time.Time
	}
	ends, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e end, err error) {
		err = row.Scan(&e.session, &e.until)
		return e, err
	})
	if err != nil {
		return pg.Wrap(err)
	}
	for _, e := range ends {
		if err := token.Revoke(ctx, k.Conn, e.session, e.until); err != nil {
			return there(err)
		}
		if _, err := pool.Exec(ctx, `UPDATE tenancy.revocation SET delivered_at = clock_timestamp() WHERE database = $1 AND session = $2 AND delivered_at IS NULL`, d.Name, e.session); err != nil {
			return pg.Wrap(err)
		}
	}
	return nil
}

// swept notes, after a sweep that began at a moment, which ends of sessions it cannot have missed for
// an older snapshot.
func (t *Tenancy) swept(ctx context.Context, pool *pgxpool.Pool, d *estate.Database, began time.Time) error {
	_, err := pool.Exec(ctx, `UPDATE tenancy.revocation SET settled_at = clock_timestamp() WHERE database = $1 AND settled_at IS NULL AND delivered_at < clock_timestamp() - $2::interval`, d.Name, token.Settled+time.Since(began))
	return pg.Wrap(err)
}
