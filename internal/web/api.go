package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
)

// APIPath is where the interface for programs lives on a site.
const APIPath = "/api/v1"

// API is the interface for programs: JSON over HTTP, described by OpenAPI 3.1 at
// /api/v1/openapi.json. Errors are problems (RFC 9457).
type API struct {
	mux     *http.ServeMux
	huma    huma.API
	streams []Route
}

// NewAPI makes an empty one.
func NewAPI(title, version string) *API {
	cfg := huma.DefaultConfig(title, version)
	cfg.OpenAPIPath = "/openapi"
	cfg.DocsPath = ""    // no third party's script on our pages
	cfg.SchemasPath = "" // all in one document
	cfg.CreateHooks = nil
	cfg.Servers = []*huma.Server{{URL: APIPath}}
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
	cfg.Security = []map[string][]string{{"token": {}}}
	mux := http.NewServeMux()
	return &API{mux: mux, huma: humago.New(mux, cfg)}
}

// Operation describes one call.
type Operation struct {
	ID, Method, Path, Summary string
	Permission                actor.Permission
	Status                    int    // of success; 0: 200
	About                     string // of a [Public] call: who may make it, where a permission would be named
}

// Handle adds a call. It panics on an operation without a permission: that is a mistake of the
// program, found by its first test.
func Handle[I, O any](a *API, op Operation, fn func(ctx context.Context, by actor.Actor, in *I) (*O, error)) {
	if op.Permission == "" {
		panic("web: the operation " + op.ID + " names no permission")
	}
	about, guard := op.About, huma.Middlewares(nil)
	if op.Permission != Public {
		about, guard = "Needs the permission "+string(op.Permission)+".", huma.Middlewares{permitted(op.Permission)}
	}
	huma.Register(a.huma, huma.Operation{
		OperationID: op.ID, Method: op.Method, Path: op.Path, Summary: op.Summary, DefaultStatus: op.Status,
		Description: about,
		Errors:      []int{http.StatusForbidden, http.StatusNotFound, http.StatusServiceUnavailable},
		Middlewares: guard,
	}, func(ctx context.Context, in *I) (*O, error) {
		req, ok := ctx.Value(requestKey{}).(*Request)
		if !ok {
			return nil, errs.New(errs.Internal, "web.api", "The call did not come through a site.")
		}
		out, err := fn(ctx, req.Actor, in)
		if err != nil {
			return nil, problem(err)
		}
		return out, nil
	})
}

// permitted refuses who lacks a permission, before anything of what they sent is read.
func permitted(needed actor.Permission) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		req, ok := ctx.Context().Value(requestKey{}).(*Request)
		if ok && req.Actor.May(needed) {
			next(ctx)
			return
		}
		if ok {
			req.refused(needed)
		}
		_, w := humago.Unwrap(ctx)
		WriteProblem(w, http.StatusForbidden, errs.New(errs.Denied, "web.denied", "This call needs the permission "+string(needed)+".").
			WithFix("Send a token that has it: Authorization: Bearer …"))
	}
}

// apiProblem is a Problem as huma wants errors.
type apiProblem struct{ Problem }

func (p apiProblem) Error() string                { return p.Title }
func (p apiProblem) GetStatus() int               { return p.Status }
func (p apiProblem) MarshalJSON() ([]byte, error) { return json.Marshal(p.Problem) }
func (p apiProblem) ContentType(_ string) string  { return "application/problem+json" }
func problem(err error) error                     { return apiProblem{ProblemOf(errs.HTTPStatus(err), err)} }

// Stream adds a call whose body is a file, of at most maxBody bytes, that fn reads as it comes; query
// says what its parameters are. Who may not make the call is told so before anything is read. What fn returns is
// sent as JSON. It panics as Handle does.
func Stream(a *API, op Operation, maxBody int64, query map[string]string, fn func(r *Request) (any, error)) {
	if op.Permission == "" {
		panic("web: the operation " + op.ID + " names no permission")
	}
	described := &huma.Operation{
		OperationID: op.ID, Method: op.Method, Path: op.Path, Summary: op.Summary,
		Description: "Needs the permission " + string(op.Permission) + ".",
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: "string", Format: "binary"}}}},
		Responses:   map[string]*huma.Response{strconv.Itoa(cmp.Or(op.Status, http.StatusOK)): {Description: "Taken"}, "default": {Description: "Error"}},
	}
	for _, part := range strings.Split(op.Path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			described.Parameters = append(described.Parameters, &huma.Param{Name: strings.TrimSuffix(name, "}"), In: "path", Required: true, Schema: &huma.Schema{Type: "string"}})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		described.Parameters = append(described.Parameters, &huma.Param{Name: name, In: "query", Description: query[name], Schema: &huma.Schema{Type: "string"}})
	}
	a.huma.OpenAPI().AddOperation(described)
	a.streams = append(a.streams, Route{
		Pattern: op.Method + " " + APIPath + op.Path, Permission: op.Permission, MaxBody: maxBody,
		Handler: func(w http.ResponseWriter, r *Request) error {
			// Longer than pages have: a hundred megabytes over a slow line.
			if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(streamTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
				return err
			}
			out, err := fn(r)
			if err != nil {
				var tooLarge *http.MaxBytesError
				if errors.As(err, &tooLarge) {
					err = errs.New(errs.Invalid, "web.too_large", "What was sent is larger than this address accepts.").Wrap(err)
				}
				WriteProblem(w, errs.HTTPStatus(err), err)
				return nil
			}
			return WriteJSON(w, cmp.Or(op.Status, http.StatusOK), out)
		},
	})
}

// Form adds a call whose body is a form, for protocols that say so and how errors look: fail answers with
// every error, that who calls lacks the permission included. fields says what the fields of the form
// are. It panics as Handle does.
func Form(a *API, op Operation, fields map[string]string, fn Handler, fail ErrorPage) {
	if op.Permission == "" {
		panic("web: the operation " + op.ID + " names no permission")
	}
	properties := map[string]*huma.Schema{}
	for name, about := range fields {
		properties[name] = &huma.Schema{Type: "string", Description: about}
	}
	a.huma.OpenAPI().AddOperation(&huma.Operation{
		OperationID: op.ID, Method: op.Method, Path: op.Path, Summary: op.Summary,
		Description: "Needs the permission " + string(op.Permission) + ".",
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/x-www-form-urlencoded": {Schema: &huma.Schema{Type: "object", Properties: properties}}}},
		Responses:   map[string]*huma.Response{strconv.Itoa(cmp.Or(op.Status, http.StatusOK)): {Description: "Taken"}, "default": {Description: "Error"}},
	})
	a.streams = append(a.streams, Route{Pattern: op.Method + " " + APIPath + op.Path, Permission: op.Permission, Handler: fn, Fail: fail})
}

// streamTime is how long a body of Stream may take to arrive.
const streamTime = 10 * time.Minute

// Routes is what a site must add. Each call looks at its own permission, so the route is open.
func (a *API) Routes() []Route {
	return append([]Route{{Pattern: APIPath + "/", Permission: Public, Handler: Serve(http.StripPrefix(APIPath, a.mux))}}, a.streams...)
}

// Download adds a call whose answer is a file, that fn writes as it comes; query says what its parameters are. Errors
// are problems as of all calls. It panics as Handle does.
func Download(a *API, op Operation, query map[string]string, fn Handler) {
	if op.Permission == "" {
		panic("web: the operation " + op.ID + " names no permission")
	}
	about := op.About
	if op.Permission != Public {
		about = "Needs the permission " + string(op.Permission) + "."
	}
	described := &huma.Operation{
		OperationID: op.ID, Method: op.Method, Path: strings.ReplaceAll(op.Path, "...}", "}"), Summary: op.Summary, Description: about,
		Responses: map[string]*huma.Response{
			strconv.Itoa(http.StatusOK): {Description: "The file", Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: "string", Format: "binary"}}}},
			"default":                   {Description: "Error"},
		},
	}
	for part := range strings.SplitSeq(op.Path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			described.Parameters = append(described.Parameters, &huma.Param{Name: strings.TrimSuffix(strings.TrimSuffix(name, "}"), "..."), In: "path", Required: true, Schema: &huma.Schema{Type: "string"}})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		described.Parameters = append(described.Parameters, &huma.Param{Name: name, In: "query", Description: query[name], Schema: &huma.Schema{Type: "string"}})
	}
	a.huma.OpenAPI().AddOperation(described)
	a.streams = append(a.streams, Route{Pattern: op.Method + " " + APIPath + op.Path, Permission: op.Permission, Handler: fn})
}
