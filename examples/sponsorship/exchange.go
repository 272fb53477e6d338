package sponsorship

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/garant-project/garant/tenant"
)

// Exchanger gives tenant tokens for proofs of who somebody is. The errors wrap [ErrRefused] or
// [ErrUnavailable].
type Exchanger interface {
	// Exchange gives the token of the login that an ID token proves, for a database; empty: the one that customers share.
	// Of a customer that lives in another the error wraps [*tenant.RefusedError], whose Place says which.
	Exchange(ctx context.Context, database, idToken string, access tenant.Access) (tenant.Token, error)
	// Job gives a token of a named service job, for a customer that accepted it, and a database as above.
	Job(ctx context.Context, database, purpose string, customer tenant.ID) (tenant.Token, error)
}

// placed is a source of tokens that can be asked for another database: so a login follows its customer there.
type placed func(ctx context.Context, database string) (tenant.Token, error)

// Token is of [tenant.Source].
func (p placed) Token(ctx context.Context) (tenant.Token, error) { return p(ctx, "") }

// At is of [tenant.Placed].
func (p placed) At(database string) tenant.Source {
	return tenant.SourceFunc(func(ctx context.Context) (tenant.Token, error) { return p(ctx, database) })
}

// store is the customers' data as the tokens of a source open it.
func (a *app) store(tokens placed) store { return store{tenant.For(a.Pools, tenant.Cache(tokens))} }

// What an exchanger answers when it gives no token.
var (
	ErrRefused     = errors.New("sponsorship: Garant gives no token for this login or job")
	ErrUnavailable = errors.New("sponsorship: the login, Garant or the database cannot be reached")
)

// Garant exchanges at a Garant server.
type Garant struct {
	Endpoint tenant.Endpoint // with this application's API token, which has the right to exchange
	Database string          // what Garant's estate calls the database that customers share
}

// Exchange is of [Exchanger].
func (g *Garant) Exchange(ctx context.Context, database, idToken string, access tenant.Access) (tenant.Token, error) {
	t, err := tenant.Exchange{
		Endpoint: g.Endpoint, Audience: cmp.Or(database, g.Database), ReadOnly: access == tenant.Read,
		IDToken: func(context.Context) (string, error) { return idToken, nil },
	}.Token(ctx)
	return t, told(err)
}

// Job is of [Exchanger].
func (g *Garant) Job(ctx context.Context, database, purpose string, customer tenant.ID) (tenant.Token, error) {
	t, err := tenant.Job{Endpoint: g.Endpoint, Audience: cmp.Or(database, g.Database), Purpose: purpose, Tenant: customer}.Token(ctx)
	return t, told(err)
}

// told tells a refusal of this login or job from all that may be otherwise in a moment.
func told(err error) error {
	var refusal *tenant.RefusedError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refusal) && refusal.Status == http.StatusBadRequest && refusal.Code == "invalid_grant":
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
