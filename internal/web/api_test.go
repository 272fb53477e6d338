package web_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web"
)

func TestCallsNeedTheirPermission(t *testing.T) {
	type in struct {
		ID string `path:"id"`
	}
	type out struct {
		Body struct {
			By string `json:"by"`
		}
	}
	api := web.NewAPI("test", "1")
	web.Handle(api, web.Operation{ID: "get-thing", Method: "GET", Path: "/things/{id}", Summary: "x", Permission: actor.ReadChecks},
		func(_ context.Context, by actor.Actor, in *in) (*out, error) {
			if in.ID == "none" {
				return nil, errs.New(errs.NotFound, "thing.none", "There is no such thing.").WithFix("Ask for another.")
			}
			o := &out{}
			o.Body.By = by.ID
			return o, nil
		})
	with := func(who actor.Actor) *web.Site {
		return newSite(t, func(c *web.Config) { c.Auth = fakeAuth{who}; c.Routes = api.Routes() })
	}
	nobody := with(actor.Actor{})
	w := ask(nobody, "GET", "/api/v1/things/1")
	var p web.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); w.Code != 403 || err != nil || p.Code != "web.denied" || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("nobody: %d %s %v", w.Code, w.Body, err)
	}
	reader := with(actor.Actor{Kind: actor.Person, ID: "p", Permissions: actor.Reader.Permissions()})
	if w := ask(reader, "GET", "/api/v1/things/1"); w.Code != 200 || w.Body.String() != "{\"by\":\"p\"}\n" {
		t.Errorf("a reader: %d %s", w.Code, w.Body)
	}
	if w := ask(reader, "GET", "/api/v1/things/none"); w.Code != 404 {
		t.Errorf("absent: %d %s", w.Code, w.Body)
	}
	if w := ask(reader, "GET", "/api/v1/nowhere"); w.Code != 404 {
		t.Errorf("no such call: %d", w.Code)
	}
	var doc struct {
		OpenAPI string         `json:"openapi"`
		Paths   map[string]any `json:"paths"`
	}
	if w := ask(reader, "GET", "/api/v1/openapi.json"); w.Code != 200 || json.Unmarshal(w.Body.Bytes(), &doc) != nil || doc.Paths["/things/{id}"] == nil {
		t.Errorf("openapi: %d %s", w.Code, w.Body)
	}
	defer func() {
		if recover() == nil {
			t.Error("a call without a permission was accepted")
		}
	}()
	web.Handle(api, web.Operation{ID: "open", Method: "GET", Path: "/open", Summary: "x"}, func(context.Context, actor.Actor, *in) (*out, error) { return nil, nil })
}
