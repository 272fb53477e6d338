package directory

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/pg"
)

// Called is what a person is called.
type Called struct {
	Name       string
	Disabled   bool
	Unreadable bool // the name does not open; see the log
}

// Names returns what persons are called, all at once; those who are not there are left out. Needs
// actor.ReadPersons.
func (d *Directory) Names(ctx context.Context, by actor.Actor, ids []uuid.UUID) (map[uuid.UUID]Called, error) {
	if err := d.may(ctx, d.staff, by, actor.ReadPersons, "person.read", audit.Object{Kind: "person", ID: "*"}); err != nil {
		return nil, err
	}
	out := make(map[uuid.UUID]Called, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	rows, err := d.staff.Query(ctx, "SELECT p.id, p.name, p.disabled_at IS NOT NULL FROM directory.person p WHERE p.id = ANY ($1)", ids)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	type row struct {
		ID       uuid.UUID
		Name     []byte
		Disabled bool
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	if err != nil {
		return nil, pg.Wrap(err)
	}
	sealed := make([]crypt.Sealed, len(list))
	for i, p := range list {
		sealed[i] = crypt.Sealed{Subject: keySubject(p.ID), Field: "name", Value: p.Name}
	}
	opened, err := d.box.OpenAll(ctx, d.staff, sealed)
	if err != nil {
		return nil, err
	}
	for i, p := range list {
		out[p.ID] = Called{Name: string(opened[i].Plaintext), Disabled: p.Disabled, Unreadable: opened[i].Err != nil}
	}
	return out, nil
}
