package directory

import (
	"context"
	"math"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/pg"
)

// Enabled returns, of the given ids, those of persons who are there, not disabled, and no auditors:
// these answer for nothing. Needs actor.ReadPersons.
func (d *Directory) Enabled(ctx context.Context, by actor.Actor, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	if err := d.may(ctx, d.staff, by, actor.ReadPersons, "person.listed", audit.Object{Kind: "person", ID: "*"}); err != nil {
		return nil, err
	}
	rows, err := d.staff.Query(ctx, "SELECT id FROM directory.person WHERE id = ANY ($1) AND disabled_at IS NULL AND role <> 'auditor'", ids)
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

// Named is a person by name.
type Named struct {
	ID   uuid.UUID
	Name string
}

// maxRoster bounds a list to choose from.
const maxRoster = 2000

// Roster lists the persons who are not disabled by name alone, in the order they were added, at most
// 2,000; a name that does not open is left out. Needs actor.ReadPersons.
func (d *Directory) Roster(ctx context.Context, by actor.Actor) ([]Named, error) {
	list, err := d.named(ctx, by, false, maxRoster)
	return slices.DeleteFunc(list, func(n Named) bool { return n.Name == "" }), err
}

// Everybody lists all persons by name alone, in the order they were added, disabled ones too; a name
// that does not open is empty. Needs actor.ReadPersons.
func (d *Directory) Everybody(ctx context.Context, by actor.Actor) ([]Named, error) {
	return d.named(ctx, by, true, math.MaxInt32)
}

func (d *Directory) named(ctx context.Context, by actor.Actor, disabled bool, limit int) ([]Named, error) {
	if err := d.may(ctx, d.staff, by, actor.ReadPersons, "person.listed", audit.Object{Kind: "person", ID: "*"}); err != nil {
		return nil, err
	}
	rows, err := d.staff.Query(ctx, "SELECT id, name FROM directory.person WHERE $1 OR disabled_at IS NULL ORDER BY id LIMIT $2", disabled, limit)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	var sealed []crypt.Sealed
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (n Named, err error) {
		var name []byte
		err = row.Scan(&n.ID, &name)
		sealed = append(sealed, crypt.Sealed{Subject: keySubject(n.ID), Field: "name", Value: name})
		return n, err
	})
	if err != nil {
		return nil, pg.Wrap(err)
	}
	opened, err := d.box.OpenAll(ctx, d.staff, sealed)
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].Name = string(opened[i].Plaintext) // nothing where it does not open
	}
	return list, nil
}
