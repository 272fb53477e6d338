package portal

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/trees"
	"github.com/garant-project/garant/internal/engine/auditlog/export"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
)

// tokenHeader carries the token of a customer.
const tokenHeader = "Garant-Tenant-Token" //nolint:gosec // the name of a header

// Paths of the calls.
const (
	apiTrail  = "/tenant/audit"
	apiExport = apiTrail + "/export"
	apiLog    = apiTrail + "/log"
)

const about = "Needs a token of a customer in the header " + tokenHeader + ", and shows what is that customer’s."

// AddAPI adds the calls for programs of customers. Whoever sends a token of a customer may make them: what they show is decided by
// the database.
func (p *Portal) AddAPI(a *web.API) {
	type ownEntriesIn struct {
		Token  string `header:"Garant-Tenant-Token" doc:"Of a customer, for the audience NAME@garant"`
		Text   string `query:"text" maxLength:"500" doc:"Part of what is not sealed"`
		Action string `query:"action" maxLength:"500"`
		Person string `query:"person" maxLength:"500" doc:"Id of who acted"`
		Object string `query:"object" maxLength:"500" doc:"KIND:ID, or KIND alone"`
		From   string `query:"from" doc:"Day (2026-03-01) in the company’s zone, that one included"`
		Until  string `query:"until" doc:"Day in the company’s zone, that one included"`
		Values bool   `query:"values" doc:"With personal data before and after; this is recorded"`
		Before string `query:"before" doc:"next of the page before"`
		Limit  int    `query:"limit" default:"50" minimum:"1" maximum:"200"`
	}
	type ownEntries struct {
		CacheControl string `header:"Cache-Control"`
		Body         struct {
			Entries []json.RawMessage `json:"entries" doc:"The newest first, each as in an export as JSON lines"`
			Next    string            `json:"next,omitempty" doc:"Key of the next page"`
		}
	}
	web.Handle(a, web.Operation{ID: "list-own-entries", Method: "GET", Path: apiTrail, Summary: "The activity log of a customer, the newest first", Permission: web.Public, About: about},
		func(ctx context.Context, by actor.Actor, in *ownEntriesIn) (*ownEntries, error) {
			v, err := p.Enter(ctx, by, in.Token)
			if err != nil {
				return nil, err
			}
			said := url.Values{"text": {in.Text}, "action": {in.Action}, "person": {in.Person}, "object": {in.Object}, "from": {in.From}, "until": {in.Until}, "before": {in.Before}}
			search, _, err := searchOf(said, p.zone(ctx))
			if err != nil {
				return nil, err
			}
			o := &ownEntries{CacheControl: "no-store"}
			o.Body.Entries, o.Body.Next, err = p.list(ctx, p.visitOf(v, by, nil), search, in.Limit, in.Values)
			return o, err
		})
	web.Download(a, web.Operation{ID: "export-own-entries", Method: "GET", Path: apiExport, Summary: "The activity log of a customer as a file", Permission: web.Public, About: about},
		map[string]string{
			"format": "csv, jsonl, ocsf (JSON lines of OCSF 1.6.0) or bundle (signed, to be verified offline)", "values": "true: with personal data before and after",
			"text": "As of " + apiTrail, "action": "As of " + apiTrail, "person": "As of " + apiTrail, "object": "As of " + apiTrail, "from": "As of " + apiTrail, "until": "As of " + apiTrail,
		},
		p.byHeader(func(w http.ResponseWriter, r *web.Request, v *visit) error {
			search, query, err := searchOf(r.URL.Query(), p.zone(r.Context()))
			if err != nil {
				return err
			}
			values, err := strconv.ParseBool(orFalse(r.URL.Query().Get("values")))
			if err != nil {
				return errs.New(errs.Invalid, "portal.values", "The field values is true or false.").WithFix("Leave it out for an export without personal data.")
			}
			return p.send(w, r, v, r.URL.Query().Get("format"), values, search, query)
		}))
	web.Download(a, web.Operation{ID: "read-own-log", Method: "GET", Path: apiLog + "/{generation}/{path...}", Summary: "The Merkle tree of a customer’s log, as C2SP tlog-tiles has it: tile/L/N, tile/entries/N", Permission: web.Public, About: about},
		nil, p.byHeader(p.tree))
}

func orFalse(s string) string {
	if s == "" {
		return "false"
	}
	return s
}

func (p *Portal) zone(ctx context.Context) *time.Location {
	if p.Zone != nil {
		return p.Zone(ctx)
	}
	return time.UTC
}

// byHeader lets a call be made by who shows a token in the header.
func (p *Portal) byHeader(call func(http.ResponseWriter, *web.Request, *visit) error) web.Handler {
	return func(w http.ResponseWriter, r *web.Request) error {
		v, err := p.Enter(r.Context(), r.Actor, r.Header.Get(tokenHeader))
		if err != nil {
			return err
		}
		return call(w, r, p.visitOf(v, r.Actor, nil))
	}
}

// list is a page of entries as JSON, and the key of the next page.
func (p *Portal) list(ctx context.Context, v *visit, search audit.Search, limit int, values bool) (list []json.RawMessage, next string, err error) {
	search.Limit = limit + 1
	if values {
		if err := p.record(ctx, v, audit.Event{Action: "trail.exported", On: trailOf(v), Detail: map[string]any{"format": "api", "values": true}}); err != nil {
			return nil, "", err
		}
	}
	lines, err := p.lines(ctx, v, search, values)
	if err != nil {
		return nil, "", err
	}
	if len(lines) > limit {
		lines = lines[:limit]
		next = strconv.FormatInt(lines[limit-1].Entry.ID, 10)
	}
	list = make([]json.RawMessage, len(lines))
	for i, l := range lines {
		if list[i], err = export.Render(export.JSON, l, export.Options{Values: values, Build: p.Build}); err != nil {
			return nil, "", err
		}
	}
	return list, next, nil
}

// tree serves the customer's tree. Whose it is the database has said.
func (p *Portal) tree(w http.ResponseWriter, r *web.Request, v *visit) error {
	generation, err := strconv.ParseInt(r.PathValue("generation"), 10, 32)
	if err != nil || generation <= 0 {
		return errs.New(errs.NotFound, "portal.generation", "There is no such generation of the log.").WithFix("Begin with 1.")
	}
	prefix := strings.TrimSuffix(r.URL.Path, "/"+r.PathValue("path"))
	http.StripPrefix(prefix, trees.Handler(trees.Serving{
		On: p.DB.Pool(pg.Staff), Generation: int(generation), Tree: trees.TenantTree(v.who.Customer.String()), Keys: p.Box,
		Failed: func(_ *http.Request, err error) {
			p.Log.Error("a part of a customer's log cannot be served", "trace.id", r.ID, "error.message", err.Error())
		},
	})).ServeHTTP(w, r.Request)
	return nil
}
