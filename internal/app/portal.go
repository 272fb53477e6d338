package app

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit/trees"
	"github.com/garant-project/garant/internal/engine/auditlog/portal"
	"github.com/garant-project/garant/internal/engine/tenancy"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
)

// PortalOrigin is the address, as browsers write it, of the site where customers read their own activity log.
func (g *Garant) PortalOrigin() string {
	return g.origin(g.Server.Hosts.Portal, g.Server.Listen.Portal)
}

// portal is the customers' site, and their calls.
func (g *Garant) portal() (*portal.Portal, error) {
	return portal.New(portal.Deps{
		Enter: func(ctx context.Context, by actor.Actor, token string) (portal.Visitor, error) {
			v, err := g.Tenancy.Visit(ctx, by, token)
			if err != nil {
				return nil, err
			}
			return visitor{v}, nil
		},
		DB: g.DB, Box: g.Box, Messages: g.Messages, Zone: g.zone, Annex: g.AnnexOrigin(), HTTPS: g.https(), Build: g.Build, Now: g.Now, Log: g.Log,
		Company: func(ctx context.Context) string {
			if view, err := g.View(ctx); err == nil && view.Estate != nil {
				return view.Estate.Company.Name
			}
			return ""
		},
	})
}

// portalSite is where customers read their own activity log.
func (g *Garant) portalSite(metrics *web.Metrics) (site, error) {
	pages, err := g.portal()
	if err != nil {
		return site{}, err
	}
	handler, err := web.NewSite(web.Config{
		Name: "portal", Hosts: []string{g.Server.Hosts.Portal}, Routes: pages.Routes(), ErrorPage: pages.Error,
		Languages: g.languages(), HTTPS: g.https(), Proxies: g.Server.TrustedProxy, Log: g.Log, Metrics: metrics, Now: g.Now,
	})
	return site{name: "portal", address: g.Server.Listen.Portal, handler: handler, tls: true}, err
}

// visitor is a customer at Garant, as engine tenancy lets it in and the portal reads.
type visitor struct{ *tenancy.Visit }

func (v visitor) Who() portal.Who {
	return portal.Who{Customer: v.Customer, Database: v.Database, Tenant: v.Tenant, Session: v.Session, Subject: v.Subject, Expires: v.Expires}
}

func (v visitor) SignIns(ctx context.Context, before string, limit int) ([]portal.SignIn, string, error) {
	list, next, err := v.Mintings(ctx, before, limit)
	out := make([]portal.SignIn, len(list))
	for i, m := range list {
		out[i] = portal.SignIn{At: m.At, Expires: m.Expires, Database: m.Database, Kind: m.Kind, Purpose: m.Purpose, Access: m.Access, Session: m.Session, Subject: m.Subject, Ended: m.Ended}
	}
	return out, next, err
}

func (v visitor) Jobs(ctx context.Context, before string, limit int) ([]portal.Job, string, error) {
	list, next, err := v.Visit.Jobs(ctx, before, limit)
	out := make([]portal.Job, len(list))
	for i, j := range list {
		out[i] = portal.Job{Database: j.Database, Name: j.Name, Why: j.Why, Access: j.Access, Any: j.AnyTenant, AcceptedAt: j.AcceptedAt, EndsAt: j.EndsAt, WithdrawnAt: j.WithdrawnAt}
	}
	return out, next, err
}

// logRoutes are the root log on the public site: checkpoints and hashes, by which anybody can see that it only grows. Its lines are not public, but for the first of a
// generation, which says what it goes on from: they name the trees of customers, and when these grow. A generation is under its
// origin: HOST/log, and HOST/log/N of the later ones.
func (g *Garant) logRoutes() []web.Route {
	serve := func(generation int, prefix string) http.Handler {
		return http.StripPrefix(prefix, withoutLines(trees.Handler(trees.Serving{
			On: g.DB.Pool(pg.Public), Generation: generation, Tree: trees.Root,
			Failed: func(r *http.Request, err error) {
				g.Log.Error("a part of the root log cannot be served", "url.path", r.URL.Path, "error.message", err.Error())
			},
		})))
	}
	first := serve(1, "/log")
	return []web.Route{
		{Pattern: "GET /log/checkpoint", Permission: web.Public, Handler: web.Serve(first)},
		{Pattern: "GET /log/tile/{path...}", Permission: web.Public, Handler: web.Serve(first)},
		{Pattern: "GET /log/{generation}/{path...}", Permission: web.Public, Handler: func(w http.ResponseWriter, r *web.Request) error {
			text := r.PathValue("generation")
			n, err := strconv.ParseInt(text, 10, 32)
			if err != nil || n < 2 || strconv.FormatInt(n, 10) != text {
				return errs.New(errs.NotFound, "web.not_found", "There is no page at this address.")
			}
			serve(int(n), "/log/"+text).ServeHTTP(w, r.Request)
			return nil
		}},
	}
}

// firstLine is where the line is that a generation begins with.
const firstLine = "/tile/entries/000.p/1"

// withoutLines serves all of a log but its lines.
func withoutLines(log http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/tile/entries/") && r.URL.Path != firstLine {
			http.Error(w, "The lines of the root log name customers and are not public; its hashes are.", http.StatusForbidden)
			return
		}
		log.ServeHTTP(w, r)
	})
}
