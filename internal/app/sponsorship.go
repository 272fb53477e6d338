package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/garant-project/garant/examples/sponsorship"
	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/demo"
	"github.com/garant-project/garant/internal/demo/arena"
	"github.com/garant-project/garant/internal/engine/tenancy"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/tenant"
)

// guardedDatabase is what the example's estate calls the database of its application.
const guardedDatabase = "production"

// tokens give the example's application its tenant tokens. It runs in this process, so that it asks the
// engine and not POST /api/v1/tenant/token, whose API token a person would have to make with their
// passkey; what is verified, minted and recorded is the same (decision 0130).
type tokens struct {
	tenancy *tenancy.Tenancy
	by      actor.Actor
}

func (d *Demo) tokens() tokens {
	return tokens{d.Tenancy, actor.NewSystem("sponsorship")}
}

// Exchange is of [sponsorship.Exchanger].
func (t tokens) Exchange(ctx context.Context, database, idToken string, access tenant.Access) (tenant.Token, error) {
	return t.mint(ctx, tenancy.Request{Database: cmp.Or(database, guardedDatabase), IDToken: idToken, ReadOnly: access == tenant.Read})
}

// Job is of [sponsorship.Exchanger].
func (t tokens) Job(ctx context.Context, database, purpose string, customer tenant.ID) (tenant.Token, error) {
	return t.mint(ctx, tenancy.Request{Database: cmp.Or(database, guardedDatabase), Job: purpose, Tenant: customer.String()})
}

func (t tokens) mint(ctx context.Context, r tenancy.Request) (tenant.Token, error) {
	m, err := t.tenancy.Mint(ctx, t.by, r)
	var known *errs.Error
	if errors.As(err, &known) {
		if place, ok := known.Args["Place"].(string); ok {
			err = &tenant.RefusedError{Status: http.StatusBadRequest, Code: "invalid_target", Description: known.Text, Place: place}
		}
	}
	switch {
	case err == nil:
		return m.Token, nil
	case errs.Is(err, errs.Denied), errs.Is(err, errs.Invalid):
		return tenant.Token{}, fmt.Errorf("%w: %w", sponsorship.ErrRefused, err)
	}
	return tenant.Token{}, fmt.Errorf("%w: %w", sponsorship.ErrUnavailable, err)
}

// jobLife is how long the example's service job is accepted for; it is asked for again at a start after that.
const jobLife = 80 * 24 * time.Hour

// accept lets the public forms of customers in a database run: one member of staff asks for the job, another accepts it.
func (d *Demo) accept(ctx context.Context, database string, customers []demo.Customer) error {
	lead, second := d.staff[demo.Lead], d.staff[demo.Second]
	ask := tenancy.Ask{
		Database: database, Name: sponsorship.Purpose, Write: true, EndsAt: d.Now().Add(jobLife),
		Why: "Le formulaire public par lequel on dépose une demande auprès d’un client : il lit la liste des domaines et ajoute une demande.",
	}
	for _, c := range customers {
		ask.Tenants = append(ask.Tenants, c.ID().String())
	}
	jobs, err := d.Tenancy.Jobs(ctx, second, database)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		switch {
		case j.Name != sponsorship.Purpose:
		case j.State == tenancy.JobAsked: // at a start that was cut off
			return d.Tenancy.AcceptJob(ctx, second, j.ID, false)
		case j.State == tenancy.JobAccepted && len(j.Tenants) < len(ask.Tenants): // of an example with fewer customers
			if err := d.Tenancy.WithdrawJob(ctx, lead, j.ID, "Un client de plus."); err != nil {
				return err
			}
			return d.request(ctx, ask)
		case j.State == tenancy.JobAccepted:
			return nil
		case j.State == tenancy.JobWithdrawn || j.State == tenancy.JobRefused: // somebody decided so: let it be
			return nil
		}
	}
	return d.request(ctx, ask)
}

func (d *Demo) request(ctx context.Context, ask tenancy.Ask) error {
	id, err := d.Tenancy.AskJob(ctx, d.staff[demo.Lead], ask)
	if err != nil {
		return err
	}
	return d.Tenancy.AcceptJob(ctx, d.staff[demo.Second], id, false)
}

// OpenApplication starts the example's application and its customers' login, until Close.
func (d *Demo) OpenApplication(ctx context.Context) (*demo.Application, error) {
	var err error
	if d.application == nil {
		d.application, err = d.Company.OpenApplication(ctx, d.tokens(), routes{d.Garant}, d.PortalOrigin())
	}
	return d.application, err
}

// OpenArena opens the arena, until Close. The application runs.
func (d *Demo) OpenArena(ctx context.Context) (*demo.Arena, error) {
	application, err := d.OpenApplication(ctx)
	if err != nil {
		return nil, err
	}
	d.arena, err = d.Company.OpenArena(ctx, application, d.tokens(), d.AnnexOrigin(), d.disputed)
	return d.arena, err
}

// disputed are the sentences of the annex that the arena puts to the test, as they are published.
func (d *Demo) disputed(ctx context.Context) ([]arena.Sentence, error) {
	s, err := d.Annex(ctx)
	if err != nil {
		return nil, err
	}
	var found []arena.Sentence
	for _, m := range s.List(d.Messages, d.Now()) {
		if m.ID == "SEG-1" || m.ID == "SEG-2" {
			found = append(found, arena.Sentence{ID: m.ID, State: string(m.State), Text: m.Sentence})
		}
	}
	return found, nil
}
