package sponsorship

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/garant-project/garant/tenant"
)

// Exchanger gives tenant tokens for proofs of who somebody is. The errors wrap [ErrRefused] or
// [ErrUnavailable].
type Exchanger interface {
	// Exchange gives the token of the login that an ID token proves.
	Exchange(ctx context.Context, idToken string, access tenant.Access) (tenant.Token, error)
	// Job gives a token of a named service job, for a customer that accepted it.
	Job(ctx context.Context, purpose string, customer tenant.ID) (tenant.Token, error)
}

// What an exchanger answers when it gives no token.
var (
	ErrRefused     = errors.New("sponsorship: Garant gives no token for this login or job")
	ErrUnavailable = errors.New("sponsorship: the login, Garant or the database cannot be reached")
)

// Garant exchanges at a Garant server.
type Garant struct {
	Endpoint tenant.Endpoint // with this application's API token, which has the right to exchange
	Database string          // what Garant's estate calls the database
}

// Exchange is of [Exchanger].
func (g *Garant) Exchange(ctx context.Context, idToken string, access tenant.Access) (tenant.Token, error) {
	t, err := tenant.Exchange{
		Endpoint: g.Endpoint, Audience: g.Database, ReadOnly: access == tenant.Read,
		IDToken: func(context.Context) (string, error) { return idToken, nil },
	}.Token(ctx)
	return t, told(err)
}

// Job is of [Exchanger].
func (g *Garant) Job(ctx context.Context, purpose string, customer tenant.ID) (tenant.Token, error) {
	t, err := tenant.Job{Endpoint: g.Endpoint, Audience: g.Database, Purpose: purpose, Tenant: customer}.Token(ctx)
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
