package tenancy

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web/ui"
	"github.com/garant-project/garant/tenant"
)

// Deps is what the engine needs from outside.
type Deps struct {
	DB   *pg.DB // with the pools of pg.Staff, pg.Worker, pg.Checker and pg.Portal
	Box  *crypt.Box
	View func(ctx context.Context) (measure.View, error)
	Now  func() time.Time
	Log  *slog.Logger
	Own  *OwnDatabase // nil: Garant's own database is not looked after
	// Residences are asked before a token is minted; nil: no tenant ever lives elsewhere than where it belongs.
	Residences Residences
}

// Residences knows where tenants live.
type Residences interface {
	// Place is the name in the estate of the database where a tenant of database lives; told: somebody said
	// so, now or earlier. Of a tenant of whom nothing was ever told it is database itself.
	Place(ctx context.Context, q pg.Querier, database string, id tenant.ID) (place string, told bool, err error)
}

// Tenancy mints, and keeps what that takes.
type Tenancy struct {
	Deps
	words   *ui.Messages // of this engine
	issuers *issuers
	failing *limiter
	tending sync.Map // names of the databases that this server looks after right now
}

// Open makes it. Nothing is asked of anybody yet.
func Open(deps Deps) (*Tenancy, error) {
	words, err := ui.NewMessages(Messages())
	if err != nil {
		return nil, err
	}
	return &Tenancy{Deps: deps, words: words, issuers: newIssuers(deps.Now), failing: newLimiter(maxFailures, time.Minute)}, nil
}

// New returns the engine.
func New(t *Tenancy) measure.Engine {
	return measure.Engine{Name: "tenancy", Checks: t.Checks().All(), Jobs: t.jobs(), Messages: Messages()}
}

// object is a guarded database, as the audit record has it.
func object(database string) audit.Object { return audit.Object{Kind: "database", ID: database} }

// may refuses who lacks a permission, and records the attempt.
func (t *Tenancy) may(ctx context.Context, by actor.Actor, needed actor.Permission, action string, on audit.Object) error {
	return audit.May(ctx, t.DB.Pool(pg.Staff), by, needed, action, on,
		errs.New(errs.Denied, "tenancy.denied", "You may not do this with guarded databases.").WithFix("Ask the security lead for the permission."))
}

// guarded is a database with tenancy, and what tokens are minted by there.
func (t *Tenancy) guarded(ctx context.Context, name string) (estate.Database, *estate.Tenancy, error) {
	if name == Own {
		d, err := t.own(ctx)
		return d, d.Tenancy, err
	}
	view, err := t.View(ctx)
	if err != nil {
		return estate.Database{}, nil, err
	}
	if view.Estate != nil {
		if d, ok := view.Estate.Database(name); ok && d.Tenancy != nil {
			return d, d.Minting(view.Pending), nil
		}
	}
	return estate.Database{}, nil, errs.New(errs.NotFound, "tenancy.no_database", fmt.Sprintf("No database %q with tenancy is declared.", clean(name))).
		WithFix("Write tenancy: for it in garant.yaml and apply it; docs/tenancy.md.").With("Name", clean(name))
}

// identity names who acts, as rows keep it.
func identity(by actor.Actor) string { return estate.Of(by).String() }

// keeping is who acts when nobody asked.
func keeping() actor.Actor { return actor.NewSystem("tenancy") }

// clean makes words of others fit to be shown.
func clean(s string) string { return measure.Shown(s, 120) }
