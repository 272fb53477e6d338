package residence

import (
	"context"
	"fmt"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/tenant"
)

// APIRoute is where a tenant lives, as SDKs read it.
type APIRoute struct {
	Place  string `json:"place" example:"acme" doc:"Name in the estate of the database with the tenant's rows: the audience to ask a token for"`
	Paused bool   `json:"paused" doc:"It is about to leave there: ask again in a moment"`
	MaxAge int    `json:"max_age" doc:"Seconds that the answer may be remembered; a database that a tenant left says so itself"`
}

// maxAge is how long an answer may be remembered. The database that a tenant left refuses it, so
// that an old answer leads to another question and never to old rows.
const maxAge = 30

// AddAPI adds the call that leads SDKs to a tenant's database. need is what a token must have to
// make it: the right to have tokens minted. key tells the type of the tenants' key of a database
// in the estate; false: there is no such database.
func AddAPI(a *web.API, need actor.Permission, db *pg.DB, key func(ctx context.Context, database string) (typ string, ok bool, err error)) {
	type in struct {
		Audience string `query:"audience" required:"true" doc:"Name in the estate of the database whose tenant it is" example:"production"`
		Type     string `query:"type" enum:"uuid,bigint,text" doc:"Of the tenant's key; as the database declares unless told"`
		Tenant   string `query:"tenant" required:"true" maxLength:"38" doc:"The tenant's key, as the database has it"`
	}
	type out struct {
		CacheControl string `header:"Cache-Control"`
		Body         APIRoute
	}
	web.Handle(a, web.Operation{ID: "route-tenant", Method: "GET", Path: "/tenant/route", Summary: "Where a tenant lives", Permission: need},
		func(ctx context.Context, by actor.Actor, in *in) (*out, error) {
			if !by.Minting.In(in.Audience) {
				return nil, errs.New(errs.Denied, "residence.bound", "This API token is not for that database.").WithFix("Use one that names it; the account page says what each is bound to.")
			}
			typ, ok, err := key(ctx, in.Audience)
			if err != nil {
				return nil, err
			}
			if !ok {
				return nil, errs.New(errs.NotFound, "residence.no_database", "The estate has no guarded database of that name.").WithFix("Name an entry of databases that has a section tenancy.")
			}
			if in.Type != "" && in.Type != typ {
				return nil, errs.New(errs.Invalid, "residence.key_type", fmt.Sprintf("Tenants of that database have a key of type %s.", typ)).WithFix("Send that, or leave type out.")
			}
			id, err := tenant.ParseID(typ, in.Tenant)
			if err != nil {
				return nil, errs.New(errs.Invalid, "residence.tenant", "This is not the key of a tenant.").WithFix("Send it as the database prints it.")
			}
			answer, err := Answer(ctx, db.Pool(pg.Staff), in.Audience, id)
			if err != nil {
				return nil, err
			}
			return &out{CacheControl: "no-store", Body: answer}, nil
		})
}

// Answer tells where a tenant of a database lives, as SDKs read it.
func Answer(ctx context.Context, q pg.Querier, database string, id tenant.ID) (APIRoute, error) {
	r, err := Where(ctx, q, database, id)
	if err != nil {
		return APIRoute{}, err
	}
	a := APIRoute{Place: r.Place, Paused: r.Paused, MaxAge: maxAge}
	if r.Paused {
		a.MaxAge = 0
	}
	return a, nil
}
