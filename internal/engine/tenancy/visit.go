package tenancy

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/tenant"
)

// Visit is a customer at Garant for one request: it reads as garant_portal under its token, so that the database shows it
// the rows of that customer and of no other. It is a pg.Querier.
type Visit struct {
	Customer uuid.UUID // as Garant names it
	Database string    // that it belongs to
	Tenant   string    // its key there
	Session  uuid.UUID
	Subject  string // of a login: stands for who signed in; empty of others
	Expires  time.Time

	db    *tenant.DB
	t     *Tenancy
	by    actor.Actor
	token string
}

// Visit lets a token in: the database itself says whose it is. Errors: Denied of one that is none, has expired, or whose
// session was ended; Unavailable while too many were refused from one address.
func (t *Tenancy) Visit(ctx context.Context, by actor.Actor, token string) (*Visit, error) {
	v := &Visit{t: t, by: by, token: token}
	list, err := portal(ctx, t, by, token, func(row pgx.CollectableRow) (v Visit, err error) {
		err = row.Scan(&v.Customer, &v.Database, &v.Tenant)
		return v, err
	}, `SELECT c.customer, c.database, c.tenant FROM tenancy.customer AS c`)
	switch {
	case err != nil:
		return nil, err
	case len(list) != 1:
		return nil, errs.New(errs.Internal, "tenancy.portal_customer", "Who this customer is, is not known.")
	}
	v.Customer, v.Database, v.Tenant = list[0].Customer, list[0].Database, list[0].Tenant
	known, err := tenant.ParseToken(token) // it is valid: the database has let it in
	if err != nil {
		return nil, tenant.ErrInvalid
	}
	claims := known.Claims()
	v.Session, v.Expires = claims.Session, claims.Expires
	v.db = tenant.For(tenant.Single(t.DB.Pool(pg.Portal)), tenant.Fixed(known))
	if claims.Kind == tenant.Login {
		err = v.QueryRow(ctx, `SELECT coalesce((SELECT encode(m.subject, 'hex') FROM tenancy.minting AS m WHERE m.session = $1 AND m.subject IS NOT NULL ORDER BY m.at DESC LIMIT 1), '')`, v.Session).Scan(&v.Subject)
	}
	return v, pg.Wrap(err)
}

// Query is of pg.Querier.
func (v *Visit) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return v.db.Query(ctx, sql, args...)
}

// QueryRow is of pg.Querier.
func (v *Visit) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return v.db.QueryRow(ctx, sql, args...)
}

// Mintings is a page of the tokens that were minted for the customer, the last first, and the key of the next page.
func (v *Visit) Mintings(ctx context.Context, before string, limit int) ([]MintingSeen, string, error) {
	return v.t.mintingsSeen(ctx, v.by, v.token, before, limit)
}

// Jobs is a page of the customer's service jobs, those that end last first, and the key of the next page.
func (v *Visit) Jobs(ctx context.Context, before string, limit int) ([]JobSeen, string, error) {
	return v.t.jobsSeen(ctx, v.by, v.token, before, limit)
}

// PortalHeader is the header in which programs send the token of a customer.
const PortalHeader = portalHeader
