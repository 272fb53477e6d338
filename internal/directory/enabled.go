package directory

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/pg"
)

// Enabled returns, of the given ids, those of persons who are there and not disabled. Needs
// actor.ReadPersons.
func (d *Directory) Enabled(ctx context.Context, by actor.Actor, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	if err := d.may(ctx, d.staff, by, actor.ReadPersons, "person.listed", audit.Object{Kind: "person", ID: "*"}); err != nil {
		return nil, err
	}
	rows, err := d.staff.Query(ctx, "SELECT id FROM directory.person WHERE id = ANY ($1) AND disabled_at IS NULL", ids)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	there, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, pg.Wrap(err)
	}
	out := make(map[uuid.UUID]bool, len(there))
	for _, id := range there {
		out[id] = true
	}
	return out, nil
}
