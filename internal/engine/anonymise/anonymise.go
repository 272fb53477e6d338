package anonymise

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
)

// Deps is what the engine needs from outside.
type Deps struct {
	DB     *pg.DB // with the pools of pg.Staff, pg.Worker and pg.Checker
	Box    *crypt.Box
	View   func(ctx context.Context) (measure.View, error)
	Now    func() time.Time
	Log    *slog.Logger
	BinDir string // of pg_dump and pg_restore; empty: searched for
}

// Anonymise has copies made, and keeps what is known of them.
type Anonymise struct {
	Deps
	words   *ui.Messages // of this engine
	tending sync.Map     // names of the databases that this server has a copy made of right now
}

// Open makes it. Nothing is asked of anybody yet.
func Open(deps Deps) (*Anonymise, error) {
	words, err := ui.NewMessages(Messages())
	if err != nil {
		return nil, err
	}
	return &Anonymise{Deps: deps, words: words}, nil
}

// New returns the engine.
func New(a *Anonymise) measure.Engine {
	return measure.Engine{Name: "anonymise", Checks: a.Checks().All(), Jobs: a.jobs(), Messages: Messages()}
}

// object is a database of which copies are made, as the audit record has it.
func object(database string) audit.Object { return audit.Object{Kind: "database", ID: database} }

// may refuses who lacks a permission, and records the attempt.
func (a *Anonymise) may(ctx context.Context, by actor.Actor, needed actor.Permission, action string, on audit.Object) error {
	return audit.May(ctx, a.DB.Pool(pg.Staff), by, needed, action, on,
		errs.New(errs.Denied, "anonymise.denied", "You may not do this with anonymised copies.").WithFix("Ask the security lead for the permission."))
}

// copied is a database of the estate of which copies are made. pending tells whether something of it waits for a second person's word, so that none
// may be made meanwhile.
func (a *Anonymise) copied(ctx context.Context, name string) (d estate.Database, pending bool, err error) {
	view, err := a.View(ctx)
	if err != nil {
		return estate.Database{}, false, err
	}
	if view.Estate != nil {
		if d, ok := view.Estate.Database(name); ok && d.Anonymised != nil {
			return d, d.CopyWaits(view.Pending), nil
		}
	}
	return estate.Database{}, false, errs.New(errs.NotFound, "anonymise.no_database", fmt.Sprintf("No copies are made of a database %q.", clean(name))).
		WithFix("Write anonymised: for it in garant.yaml and apply it; docs/anonymise-copies.md.").With("Name", clean(name))
}

// identity names who acts, as rows keep it.
func identity(by actor.Actor) string { return estate.Of(by).String() }

// making is who acts when the schedule does.
func making() actor.Actor { return actor.NewSystem("anonymise") }

// clean makes words of others fit to be shown.
func clean(s string) string { return measure.Shown(s, 120) }
