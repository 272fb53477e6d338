package app

import (
	"context"
	"time"

	"github.com/garant-project/garant/internal/document"
	"github.com/garant-project/garant/internal/engine/access"
	"github.com/garant-project/garant/internal/engine/anonymise"
	"github.com/garant-project/garant/internal/engine/auditlog"
	"github.com/garant-project/garant/internal/engine/auditlog/cloudtrail"
	"github.com/garant-project/garant/internal/engine/auditlog/collect"
	"github.com/garant-project/garant/internal/engine/auditlog/ship"
	"github.com/garant-project/garant/internal/engine/auditlog/stream"
	"github.com/garant-project/garant/internal/engine/auditlog/workspace"
	"github.com/garant-project/garant/internal/engine/endpoint"
	"github.com/garant-project/garant/internal/engine/own"
	"github.com/garant-project/garant/internal/engine/register"
	"github.com/garant-project/garant/internal/engine/scanner"
	"github.com/garant-project/garant/internal/engine/tenancy"
	"github.com/garant-project/garant/internal/engine/tenancy/hosting"
	"github.com/garant-project/garant/internal/engine/tenancy/isolation"
	"github.com/garant-project/garant/internal/engine/tenancy/residence"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/witness"
)

// Engines are those that look at the systems an estate declares. They need nothing of ours.
func Engines() []measure.Engine {
	return []measure.Engine{
		endpoint.New(endpoint.Deps{}),
		access.New(access.Deps{}),
		isolation.New(isolation.Deps{}),
		hosting.New(),
		own.New(),
		scanner.New(),
		{Name: "cloudtrail", Checks: cloudtrail.New().Checks().All(), Messages: cloudtrail.Messages()},
		{Name: "workspace", Checks: workspace.New().Checks().All(), Messages: workspace.Messages()},
	}
}

// engines is the one list of what carries measures out.
func (g *Garant) engines() ([]measure.Engine, error) {
	dir, err := g.Directory("", "")
	if err != nil {
		return nil, err
	}
	documents := document.New(g.DB, g.Box)
	g.Owners = &measure.Owners{Runner: g.Runner, Box: g.Box, Documents: documents, People: present{dir, g.DB, g.Now, g.zone}}
	g.Registers, err = register.Open(register.Deps{
		DB: g.DB, Box: g.Box, Directory: dir, Documents: documents, Zone: func(ctx context.Context) *time.Location { return g.zone(ctx) }, Now: g.Now,
	})
	if err != nil {
		return nil, err
	}
	if g.Tenancy, err = tenancy.Open(tenancy.Deps{DB: g.DB, Box: g.Box, View: g.View, Now: g.Now, Log: g.Log, Own: g.own(), Residences: residence.Places{}}); err != nil {
		return nil, err
	}
	if g.Copies, err = anonymise.Open(anonymise.Deps{DB: g.DB, Box: g.Box, View: g.View, Now: g.Now, Log: g.Log}); err != nil {
		return nil, err
	}
	g.Events = collect.New(collect.Deps{DB: g.DB, View: g.View, Logins: tenancy.Logins{DB: g.DB}, Captures: captures, Now: g.Now, Log: g.Log})
	g.Record = auditlog.Open(auditlog.Deps{DB: g.DB, Box: g.Box, View: g.View, Now: g.Now, Log: g.Log, Replica: g.AuditCopy.Replica})
	return append(Engines(),
		measure.Engine{Name: "measure", Checks: []measure.Check{g.Owners.Checks().Owners}},
		register.New(g.Registers),
		tenancy.New(g.Tenancy),
		anonymise.New(g.Copies),
		auditlog.New(g.Record),
		measure.Engine{Name: "stream", Checks: []measure.Check{g.Streams.Check()}, Messages: stream.Messages()},
		measure.Engine{Name: "ship", Checks: g.Ship.Checks().All(), Messages: ship.Messages()},
		g.Events.Engine(),
		witness.New(g.DB, g.Box),
	), nil
}

// subjects are what attestations have to cover one by one.
func (g *Garant) subjects(ctx context.Context) (map[string][]string, error) {
	sites, err := register.OpenSites(ctx, g.DB.Pool(pg.Worker))
	return map[string][]string{catalogue.PerSite: sites}, err
}

// newRegistry holds the engines' checks against the catalogue that this build carries.
func newRegistry(engines []measure.Engine) (*measure.Registry, error) {
	cat, err := catalogue.Load()
	if err != nil {
		return nil, err
	}
	return measure.NewRegistry(cat, engines...)
}
