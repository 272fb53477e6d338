package app

import (
	"context"
	"net/http"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/annex"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/engine/tenancy/residence"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/signin"
	"github.com/garant-project/garant/internal/web/ui"
)

// Handlers are what answers on the console and on the public annex, for who serves them otherwise
// than Serve does. The annex is read by reader, which the caller renews.
func (g *Garant) Handlers(reader *annex.Reader) (staff, public http.Handler, err error) {
	sites, err := g.sites(web.NewMetrics(), reader)
	if err != nil {
		return nil, nil, err
	}
	return sites[0].handler, sites[1].handler, nil
}

// sites are what this server listens for: the console, the annex, the customers' portal and, where it is asked for, what
// supervisors read.
func (g *Garant) sites(metrics *web.Metrics, reader *annex.Reader) ([]site, error) {
	metrics.Register(reader.Collector())
	staff, err := g.consoleSite(metrics, reader)
	if err != nil {
		return nil, err
	}
	public, err := g.annexSite(metrics, reader)
	if err != nil {
		return nil, err
	}
	customers, err := g.portalSite(metrics)
	if err != nil {
		return nil, err
	}
	sites := []site{staff, public, customers}
	if address := g.Server.Listen.Metrics; address != "" {
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", metrics.Handler())
		mux.Handle("GET /healthz", g.health(reader))
		sites = append(sites, site{name: "metrics", address: address, handler: mux})
	}
	return sites, nil
}

// annexSite is the public annex.
func (g *Garant) annexSite(metrics *web.Metrics, reader *annex.Reader) (site, error) {
	origin := g.AnnexOrigin()
	pages, err := annex.NewSite(reader, g.Messages, origin, g.Now)
	if err != nil {
		return site{}, err
	}
	handler, err := web.NewSite(web.Config{
		Name: "annex", Hosts: []string{g.Server.Hosts.Annex}, Routes: append(pages.Routes(), g.logRoutes()...), ErrorPage: pages.Fail,
		Languages: g.languages(), HTTPS: g.https(), Proxies: g.Server.TrustedProxy, Log: g.Log, Metrics: metrics, Now: g.Now,
	})
	return site{name: "annex", address: g.Server.Listen.Annex, handler: handler, tls: true}, err
}

// consoleSite is the staff's console, with the interface for programs.
func (g *Garant) consoleSite(metrics *web.Metrics, reader *annex.Reader) (site, error) {
	origin := g.ConsoleOrigin()
	dir, err := g.Directory(g.Server.Hosts.Console, origin)
	if err != nil {
		return site{}, err
	}
	chrome := g.chrome()
	enter, err := signin.New(signin.Config{
		Directory: dir, Messages: g.Messages, Zone: g.zone, HTTPS: g.https(), Home: "/", Now: g.Now,
		Frame: func(r *web.Request) ui.Page { return *chrome.Page(r, "signin.account.title", console.AccountPath, nil) },
	})
	if err != nil {
		return site{}, err
	}
	chrome.AddDue(g.Statements().Due())
	routes, err := g.consoleRoutes(chrome, dir, origin)
	if err != nil {
		return site{}, err
	}
	routes = append(routes, enter.Routes()...)
	customers, err := g.portal()
	if err != nil {
		return site{}, err
	}
	api := web.NewAPI("Garant", g.Build)
	g.Runner.AddAPI(api)
	g.Owners.AddAPI(api)
	g.Registers.AddAPI(api)
	g.Tenancy.AddAPI(api)
	g.Copies.AddAPI(api)
	customers.AddAPI(api)
	residence.AddAPI(api, actor.MintTokens, g.DB, g.tenantKey)
	g.Importer().AddAPI(api)
	g.Statements().AddAPI(api)
	reader.AddAPI(api, g.Messages)
	routes = append(routes, api.Routes()...)
	handler, err := web.NewSite(web.Config{
		Name: "console", Hosts: []string{g.Server.Hosts.Console}, Routes: routes, Auth: enter, SignInPath: signin.Path, ErrorPage: chrome.Error, Refused: g.refused,
		Languages: g.languages(), HTTPS: g.https(), Proxies: g.Server.TrustedProxy, Log: g.Log, Metrics: metrics, Now: g.Now,
	})
	return site{name: "console", address: g.Server.Listen.Console, handler: handler, tls: true}, err
}

// tenantKey is the type of the key of a guarded database's tenants; false: there is no such database.
func (g *Garant) tenantKey(ctx context.Context, database string) (string, bool, error) {
	v, err := g.View(ctx)
	if err != nil || v.Estate == nil {
		return "", false, err
	}
	d, ok := v.Estate.Database(database)
	if !ok || d.Tenancy == nil {
		return "", false, nil
	}
	return d.Tenancy.KeyType, true, nil
}

// refused records that somebody who is signed in tried what they may not do.
func (g *Garant) refused(r *web.Request, needed actor.Permission) {
	err := audit.Refused(r.Context(), g.DB.Pool(pg.Staff), r.Actor, "request.refused", audit.Object{Kind: "route", ID: r.Method + " " + r.URL.Path},
		map[string]any{"permission": string(needed), "request": r.ID})
	if err != nil {
		g.Log.Error("a refusal cannot be recorded", "trace.id", r.ID, "error.message", err.Error())
	}
}

// languages are those of the pages, the company's first.
func (g *Garant) languages() []string { return g.Messages.Languages() }
