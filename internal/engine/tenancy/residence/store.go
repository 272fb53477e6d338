package residence

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/engine/tenancy/move"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/tenant"
)

// Store is what Garant's own database says of where tenants live. It satisfies [move.Routes].
type Store struct {
	DB *pg.DB
	By actor.Actor // who tells; the audit names them
}

// Residence is where a tenant lives that has moved.
type Residence struct {
	Database string    `json:"database"`
	Tenant   tenant.ID `json:"-"`
	Place    string    `json:"place"`
	Paused   bool      `json:"paused"`
	Since    time.Time `json:"since"`
}

// Route records where a tenant lives, with its audit entry. A tenant that is at home again has no row.
func (s *Store) Route(ctx context.Context, r move.Route) error {
	return pg.InTx(ctx, s.DB.Pool(pg.Staff), func(tx pgx.Tx) error {
		was, err := s.where(ctx, tx, r.Database, r.Tenant, ` FOR UPDATE`)
		if err != nil {
			return err
		}
		if was.Place == r.Place && was.Paused == r.Paused {
			return nil
		}
		if r.Place == r.Database && !r.Paused {
			_, err = tx.Exec(ctx, `DELETE FROM hosting.residence WHERE database = $1 AND tenant_type = $2 AND tenant = $3`, r.Database, r.Tenant.Type(), r.Tenant.String())
		} else {
			_, err = tx.Exec(ctx, `INSERT INTO hosting.residence (database, tenant_type, tenant, place, paused, move) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (database, tenant_type, tenant) DO UPDATE SET place = excluded.place, paused = excluded.paused, move = excluded.move,
	since = CASE WHEN residence.place = excluded.place THEN residence.since ELSE clock_timestamp() END`, r.Database, r.Tenant.Type(), r.Tenant.String(), r.Place, r.Paused, r.Move)
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO hosting.told (database, tenant_type, tenant, place, paused, move, step, told_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			r.Database, r.Tenant.Type(), r.Tenant.String(), r.Place, r.Paused, r.Move, string(r.Step), string(s.By.Kind)+":"+s.By.ID); err != nil {
			return err
		}
		return audit.Record(ctx, tx, s.By, "tenant.routed", audit.Object{Kind: "tenant", ID: r.Tenant.String()},
			map[string]any{"database": r.Database, "place": r.Place, "paused": r.Paused, "move": r.Move.String(), "step": string(r.Step)})
	})
}

// Where tells where a tenant of a database lives: there, unless it moved. q is a pool of the staff's,
// the worker's or the checker's role, or a transaction of one: who mints a token asks in the same.
func Where(ctx context.Context, q pg.Querier, database string, id tenant.ID) (Residence, error) {
	return (&Store{}).where(ctx, q, database, id, "")
}

// Places answers who mints tokens.
type Places struct{}

// Place tells where a tenant of a database lives, and whether anything was ever told of it.
func (Places) Place(ctx context.Context, q pg.Querier, database string, id tenant.ID) (place string, told bool, err error) {
	err = q.QueryRow(ctx, `SELECT coalesce((SELECT place FROM hosting.residence WHERE database = $1 AND tenant_type = $2 AND tenant = $3), $1),
	EXISTS (SELECT FROM hosting.told WHERE database = $1 AND tenant_type = $2 AND tenant = $3)`, database, id.Type(), id.String()).Scan(&place, &told)
	return place, told, pg.Wrap(err)
}

func (s *Store) where(ctx context.Context, q pg.Querier, database string, id tenant.ID, lock string) (Residence, error) {
	r := Residence{Database: database, Tenant: id, Place: database}
	err := q.QueryRow(ctx, `SELECT place, paused, since FROM hosting.residence WHERE database = $1 AND tenant_type = $2 AND tenant = $3`+lock, database, id.Type(), id.String()).Scan(&r.Place, &r.Paused, &r.Since)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, nil
	}
	return r, pg.Wrap(err)
}

// Dedicated lists the tenants that live elsewhere than where they belong, by database and key.
func Dedicated(ctx context.Context, q pg.Querier) ([]Residence, error) {
	rows, err := q.Query(ctx, `SELECT database, tenant_type, tenant, place, paused, since FROM hosting.residence WHERE place <> database ORDER BY database, tenant_type, tenant`)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Residence, error) {
		var r Residence
		var typ, text string
		if err := row.Scan(&r.Database, &typ, &text, &r.Place, &r.Paused, &r.Since); err != nil {
			return r, err
		}
		id, err := tenant.ParseID(typ, text)
		if err != nil {
			return r, errs.New(errs.Internal, "residence.unreadable", "A residence names no tenant.").Wrap(err)
		}
		r.Tenant = id
		return r, nil
	})
	return list, pg.Wrap(err)
}
