package app

import (
	"context"
	"sync"
	"time"

	"github.com/garant-project/garant/internal/audit/retain"
	"github.com/garant-project/garant/internal/audit/search"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/engine/auditlog/replica"
	"github.com/garant-project/garant/internal/engine/auditlog/stream"
	"github.com/garant-project/garant/internal/engine/auditlog/worm"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
)

// LogOrigin names the log of the record: where its root is published.
func (g *Garant) LogOrigin() string { return g.Server.Hosts.Annex + "/log" }

// Sequencer puts the entries of the record in order.
func (g *Garant) Sequencer() *sequence.Sequencer {
	return &sequence.Sequencer{DB: g.DB, Box: g.Box, Origin: g.LogOrigin(), Now: g.Now, Log: g.Log, Hold: g.AuditCopy.Hold}
}

// retainEvery is how often it is looked for what is kept no longer.
const retainEvery = time.Hour

// keepRecord tells what this process has written, puts entries in order where no other server does, has them in the second account and
// with whom they are streamed to, and lets go of what was kept for its time.
func (g *Garant) keepRecord(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() {
		g.Pen.Run(ctx, g.DB.Pool(pg.Worker), func(err error) {
			g.Log.Error("what this process has recorded cannot be told", "error.message", err.Error())
		})
	})
	running.Go(func() { g.Sequencer().Run(ctx) })
	running.Go(func() { g.AuditCopy.Run(ctx) })
	running.Go(func() { g.Streams.Run(ctx) })
	running.Go(func() {
		if err := g.Ship.Run(ctx); err != nil && ctx.Err() == nil {
			g.Log.Error("logs cannot be shipped", "error.message", err.Error())
		}
	})
	running.Go(func() {
		tick := time.NewTicker(retainEvery)
		defer tick.Stop()
		for {
			if err := g.retain(ctx); err != nil && ctx.Err() == nil {
				g.Log.Error("the record cannot be kept for its time", "error.message", err.Error())
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	running.Go(func() { (&search.Keeper{DB: g.DB, Log: g.Log}).Run(ctx) })
	running.Wait()
}

// retain makes the parts of the months ahead, and drops what is older than the estate says.
func (g *Garant) retain(ctx context.Context) error {
	if _, err := retain.Months(ctx, g.DB, g.Now()); err != nil {
		return err
	}
	view, err := g.View(ctx)
	if err != nil || view.Estate == nil {
		return err
	}
	var held retain.Held
	if _, declared := view.Estate.AuditCopy(); declared {
		held = func(ctx context.Context) (int64, error) {
			r, err := g.AuditCopy.Replica(ctx)
			if err != nil {
				return 0, err
			}
			return r.Held(ctx)
		}
	}
	_, err = retain.Drop(ctx, g.DB, g.Box, g.Now(), view.Estate.AuditKeep, held)
	return err
}

// declaredStreams are those of the estate in force.
func (g *Garant) declaredStreams() []estate.Stream {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	view, err := g.View(ctx)
	if err != nil || view.Estate == nil {
		return nil
	}
	return view.Estate.Streams
}

// streamStores are the buckets of streams, opened once for each.
type streamStores struct {
	mu   sync.Mutex
	open map[string]*worm.Store
}

// store is the bucket of a stream.
func (s *streamStores) store(d estate.Stream) (stream.Putter, error) {
	access, err := d.AccessKey.Reveal()
	if err != nil {
		return nil, err
	}
	secret, err := d.SecretKey.Reveal()
	if err != nil {
		return nil, err
	}
	key := d.Endpoint + " " + d.Region + " " + d.Bucket + " " + d.Prefix + " " + access + " " + secret
	s.mu.Lock()
	defer s.mu.Unlock()
	if store, ok := s.open[key]; ok {
		return store, nil
	}
	store, err := worm.Open(worm.Config{
		Endpoint: d.Endpoint, Region: d.Region, Bucket: d.Bucket, Prefix: d.Prefix, Owner: d.Owner, PathStyle: d.PathStyle, CA: d.TrustPEM, Keep: d.Keep, AccessKey: access, SecretKey: secret,
	})
	if err != nil {
		return nil, err
	}
	if s.open == nil {
		s.open = map[string]*worm.Store{}
	}
	s.open[key] = store
	return store, nil
}

// inForce is the estate in force; nil: there is none.
func (g *Garant) inForce(ctx context.Context) (*estate.Estate, error) {
	view, err := g.View(ctx)
	if errs.Is(err, errs.NotFound) {
		return nil, nil
	}
	return view.Estate, err
}

// newAuditCopy keeps the log in the second account that the estate declares.
func (g *Garant) newAuditCopy() *replica.Keeper {
	return &replica.Keeper{DB: g.DB, Box: g.Box, Copy: g.declaredCopy, Now: g.Now, Log: g.Log}
}

// collect empties the outboxes of all guarded databases once.
func (g *Garant) collect(ctx context.Context) error {
	e, err := g.inForce(ctx)
	if err != nil || e == nil {
		return err
	}
	for _, d := range e.Guarded() {
		if _, err := g.Events.Collect(ctx, d.Name); err != nil {
			return err
		}
	}
	return nil
}
