package app

import (
	"context"
	"sync"

	"github.com/garant-project/garant/internal/audit/search"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/pg"
)

// LogOrigin names the log of the record: where its root is published.
func (g *Garant) LogOrigin() string { return g.Server.Hosts.Annex + "/log" }

// Sequencer puts the entries of the record in order.
func (g *Garant) Sequencer() *sequence.Sequencer {
	return &sequence.Sequencer{DB: g.DB, Box: g.Box, Origin: g.LogOrigin(), Now: g.Now, Log: g.Log}
}

// keepRecord tells what this process has written, puts entries in order and keeps what they are found by, where no other server does.
func (g *Garant) keepRecord(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() {
		g.Pen.Run(ctx, g.DB.Pool(pg.Worker), func(err error) {
			g.Log.Error("what this process has recorded cannot be told", "error.message", err.Error())
		})
	})
	running.Go(func() { g.Sequencer().Run(ctx) })
	running.Go(func() { (&search.Keeper{DB: g.DB, Log: g.Log}).Run(ctx) })
	running.Wait()
}
