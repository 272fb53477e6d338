package app

import (
	"context"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/annex"
	"github.com/garant-project/garant/internal/demo"
	"github.com/garant-project/garant/internal/engine/tenancy"
	"github.com/garant-project/garant/internal/pg"
)

// DemoDir is where the example lives in a data directory.
func DemoDir(dataDir string) string { return filepath.Join(dataDir, "demo") }

// Demo is the example company with a Garant that guards it.
type Demo struct {
	*Garant
	Company *demo.Company
	stop    func()

	application *demo.Application
	arena       *demo.Arena
	arenaShown  bool // the annex shows what the arena counts
	staff       map[string]actor.Actor
	later       *later // nil: everything is there
}

// OpenDemo starts the example's endpoints and opens Garant on them, which looks at them every so often. With arena the annex
// shows what the arena counts, which the caller opens next.
func OpenDemo(ctx context.Context, o Options, every time.Duration, arena bool) (*Demo, error) {
	d := &Demo{arenaShown: arena}
	if err := d.open(ctx, o, every); err != nil {
		d.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return d, nil
}

func (d *Demo) open(ctx context.Context, o Options, every time.Duration) (err error) {
	if err := makeDataDir(o.DataDir); err != nil {
		return err
	}
	if d.Company, err = demo.Open(ctx, DemoDir(o.DataDir), every, o.Log); err != nil {
		return err
	}
	if d.arenaShown {
		if err := d.Company.AwaitArena(); err != nil {
			return err
		}
	}
	o.Config = d.Company.ConfigPath()
	if d.Garant, err = Open(ctx, o); err != nil {
		return err
	}
	if err := d.Company.Wait(); err != nil {
		return err
	}
	applied, err := d.ApplyEstate(ctx, actor.NewSystem("demo"))
	if err != nil {
		return err
	}
	// The keys go in now: the first look of the checks finds them.
	for _, name := range []string{guardedDatabase, demo.OwnName, tenancy.Own} { // one that is not declared yet is left alone
		if err := d.Tenancy.Tend(ctx, name); err != nil {
			return err
		}
	}
	return d.tell(ctx, applied)
}

// Close stops everything, the endpoints last.
func (d *Demo) Close(ctx context.Context) {
	if d.stop != nil {
		d.stop()
	}
	if d.later != nil {
		d.later.end()
	}
	if d.arena != nil {
		d.arena.Close()
	}
	if d.application != nil {
		d.application.Close()
	}
	if d.Garant != nil {
		d.Garant.Close(ctx)
	}
	if d.Company != nil {
		d.Company.Close()
	}
}

// Look runs every check once, four at a time, and publishes what they saw.
func (g *Garant) Look(ctx context.Context, by actor.Actor) error {
	view, err := g.Runner.Effective(ctx)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for _, c := range view.Registry.Checks() {
		if c.Pushed {
			continue
		}
		group.Go(func() error {
			_, err := g.Runner.Run(ctx, by, c.ID)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return g.Publisher.Publish(context.WithoutCancel(ctx))
}

// Annex reads the published annex, as garant_public.
func (g *Garant) Annex(ctx context.Context) (*annex.Snapshot, error) {
	r := annex.NewReader(g.DB.Pool(pg.Public), g.Now, g.Log)
	if err := r.Renew(ctx); err != nil {
		return nil, err
	}
	return r.Now()
}

// Control takes orders to break and to mend the example until Close.
func (d *Demo) Control() (err error) {
	d.Company.Lend(hands{d})
	d.stop, err = d.Company.Control()
	return err
}
