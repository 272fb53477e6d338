package app

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/engine/register"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
)

// present joins the directory with the register of persons: who answers for a measure must have an
// account and must not have left.
type present struct {
	directory *directory.Directory
	db        *pg.DB
	now       func() time.Time
	zone      func(ctx context.Context) *time.Location
}

var _ measure.People = present{}

// Enabled returns, of the given ids, those of persons who are there: with an account that is not
// disabled, and not past their last day.
func (p present) Enabled(ctx context.Context, by actor.Actor, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	there, err := p.directory.Enabled(ctx, by, ids)
	if err != nil {
		return nil, err
	}
	left, err := register.Left(ctx, p.db.Pool(pg.Staff), ids, calendar.Of(p.now(), p.zone(ctx)))
	for id := range left {
		delete(there, id)
	}
	return there, err
}
