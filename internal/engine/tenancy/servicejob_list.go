package tenancy

import (
	"context"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/pg"
)

// maxJobs is how many jobs are listed: those that are open come first.
const maxJobs = 200

// Jobs lists the service jobs of a database: those that are open first, then the newest. It needs
// actor.ReadTenancy.
func (t *Tenancy) Jobs(ctx context.Context, by actor.Actor, database string) ([]Job, error) {
	if err := t.may(ctx, by, actor.ReadTenancy, "tenancy.read", object(clean(database))); err != nil {
		return nil, err
	}
	return jobsOf(ctx, t.DB.Pool(pg.Staff), database, maxJobs)
}
