package app

import (
	"context"
	"net/url"
	"time"

	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/engine/anonymise"
	"github.com/garant-project/garant/internal/engine/auditlog"
	"github.com/garant-project/garant/internal/engine/register"
	"github.com/garant-project/garant/internal/engine/tenancy"
	"github.com/garant-project/garant/internal/engine/tenancy/isolation"
	"github.com/garant-project/garant/internal/measure"
	checks "github.com/garant-project/garant/internal/measure/console"
	annexes "github.com/garant-project/garant/internal/measure/tailoring/console"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// chrome is the frame of the console.
func (g *Garant) chrome() *console.Chrome {
	return &console.Chrome{
		Messages: g.Messages,
		Company: func(ctx context.Context) string {
			if view, err := g.View(ctx); err == nil && view.Estate != nil {
				return view.Estate.Company.Name
			}
			return ""
		},
		Zone:     g.zone,
		AnnexURL: g.AnnexOrigin(),
		Private: func(ctx context.Context) bool {
			view, err := g.View(ctx)
			return err == nil && view.Private && view.Outdated == nil
		},
		Target: target,
	}
}

// target names the registers, and the measures that people answer for, among what checks look at.
func target(p *ui.Printer, name string) (ui.Link, bool) {
	if name == measure.OwnersScope {
		return ui.Link{Label: p.T("measures.title"), Href: console.MeasuresPath}, true
	}
	key := measure.RegisterOf([]string{name})
	title := "register." + key + ".title"
	if key == "" || !p.Has(title) {
		return ui.Link{}, false
	}
	return ui.Link{Label: p.T(title), Href: register.Path + "/" + key}, true
}

// zone is the company's.
func (g *Garant) zone(ctx context.Context) *time.Location {
	if view, err := g.View(ctx); err == nil && view.Estate != nil && view.Estate.Company.Zone != nil {
		return view.Estate.Company.Zone
	}
	return time.UTC
}

// consoleRoutes are the pages of the console.
func (g *Garant) consoleRoutes(c *console.Chrome, dir *directory.Directory, origin string) ([]web.Route, error) {
	routes, err := console.Pages(c, console.Deps{
		DB: g.DB, Directory: dir, Box: g.Box,
		LinkURL: func(token string) string { return origin + linkPath + token },
		Changed: func() { g.views.reset(); g.Publisher.Wake() },
	})
	if err != nil {
		return nil, err
	}
	for _, pages := range []func() ([]web.Route, error){
		func() ([]web.Route, error) { return checks.Pages(c, g.Runner) },
		func() ([]web.Route, error) { return isolation.Pages(c, g.Runner) },
		func() ([]web.Route, error) { return annexes.Pages(c, g.tailoringPages(dir)) },
		func() ([]web.Route, error) { return tenancy.Pages(c, g.Tenancy) },
		func() ([]web.Route, error) { return anonymise.Pages(c, g.Copies) },
		func() ([]web.Route, error) { return auditlog.Pages(c, g.Record, g.Runner) },
		func() ([]web.Route, error) { return register.Pages(c, g.Registers) },
		func() ([]web.Route, error) { return g.ownerRoutes(c, dir) },
	} {
		more, err := pages()
		if err != nil {
			return nil, err
		}
		routes = append(routes, more...)
	}
	routes = append(routes, web.Route{Pattern: "GET /static/", Permission: web.Public, Handler: web.Serve(ui.Static())})
	for _, e := range g.Engines {
		routes = append(routes, e.Routes...)
	}
	c.Serves(routes)
	return routes, nil
}

// tailoringPages are what the pages of the company's own annex work with.
func (g *Garant) tailoringPages(dir *directory.Directory) annexes.Deps {
	return annexes.Deps{
		Book: g.Book, Runner: g.Runner, Directory: dir,
		Published: func() { g.views.reset(); g.Publisher.Wake() },
		Sites:     register.Path + "/" + register.Sites,
		Attest:    measurePath, Assign: measurePath,
		Unowned: func(ctx context.Context) (map[string]bool, error) {
			list, _, err := g.Owners.Unowned(ctx, g.DB.Pool(pg.Staff))
			out := make(map[string]bool, len(list))
			for _, u := range list {
				out[u.Measure] = true
			}
			return out, err
		},
	}
}

// measurePath is where a measure is attested, and where somebody is named who answers for it.
func measurePath(id string) string { return console.MeasuresPath + "/" + url.PathEscape(id) }
