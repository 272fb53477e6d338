package measure

import (
	"context"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
)

// APICheck is a check as programs read it.
type APICheck struct {
	ID         string     `json:"id" example:"endpoint.tls"`
	Measures   []string   `json:"measures" example:"[\"ENC-1\"]"`
	State      State      `json:"state,omitempty"`
	Reason     string     `json:"reason"`
	Scope      []string   `json:"scope" doc:"Targets that the estate declares for it"`
	Finding    *Finding   `json:"finding,omitempty"`
	Evidence   string     `json:"evidence,omitempty" doc:"Id of the last evidence row"`
	Digest     string     `json:"digest,omitempty" doc:"SHA-256 of that row"`
	FirstAt    *time.Time `json:"first_at,omitempty" doc:"Since when findings have been equal"`
	ObservedAt *time.Time `json:"observed_at,omitempty"`
	ValidUntil *time.Time `json:"valid_until,omitempty"`
	NextAt     *time.Time `json:"next_at,omitempty"`
}

// Statuses derives the state of every check.
func (r *Runner) Statuses(ctx context.Context) ([]CheckStatus, error) {
	view, err := r.Effective(ctx)
	if err != nil {
		return nil, err
	}
	known, err := r.Known(ctx, r.DB.Pool(pg.Staff))
	if err != nil {
		return nil, err
	}
	now := r.Now()
	out := make([]CheckStatus, 0, len(view.Registry.checks))
	for _, c := range view.Registry.checks {
		out = append(out, DeriveCheck(c, view, known.Runs[c.ID], now))
	}
	return out, nil
}

// Status derives the state of one check.
func (r *Runner) Status(ctx context.Context, id string) (CheckStatus, error) {
	if _, _, err := r.check(ctx, id); err != nil {
		return CheckStatus{}, err
	}
	all, err := r.Statuses(ctx)
	for _, s := range all {
		if s.Check.ID == id {
			return s, err
		}
	}
	return CheckStatus{}, err
}

func apiCheck(s CheckStatus) APICheck {
	c := APICheck{ID: s.Check.ID, Measures: s.Check.Measures, State: s.State, Reason: s.Reason, Scope: s.Scope}
	if c.Scope == nil {
		c.Scope = []string{}
	}
	if cur := s.Current; cur != nil {
		c.Finding, c.Evidence, c.Digest = &cur.Finding, cur.EvidenceID, cur.Digest
		c.FirstAt, c.ObservedAt, c.ValidUntil, c.NextAt = &cur.FirstAt, &cur.ObservedAt, &cur.ValidUntil, &s.NextAt
	}
	return c
}

// AddAPI adds the calls on checks and their evidence.
func (r *Runner) AddAPI(a *web.API) {
	type none struct{}
	type byID struct {
		ID string `path:"id" example:"endpoint.tls"`
	}
	type checks struct {
		Body struct {
			Checks []APICheck `json:"checks"`
		}
	}
	web.Handle(a, web.Operation{ID: "list-checks", Method: "GET", Path: "/checks", Summary: "Every check and what it last saw", Permission: actor.ReadChecks},
		func(ctx context.Context, _ actor.Actor, _ *none) (*checks, error) {
			all, err := r.Statuses(ctx)
			out := &checks{}
			out.Body.Checks = make([]APICheck, 0, len(all))
			for _, s := range all {
				out.Body.Checks = append(out.Body.Checks, apiCheck(s))
			}
			return out, err
		})
	type check struct{ Body APICheck }
	web.Handle(a, web.Operation{ID: "get-check", Method: "GET", Path: "/checks/{id}", Summary: "One check and what it last saw", Permission: actor.ReadChecks},
		func(ctx context.Context, _ actor.Actor, in *byID) (*check, error) {
			s, err := r.Status(ctx, in.ID)
			return &check{apiCheck(s)}, err
		})
	type runOut struct {
		Body struct {
			Run string `json:"run" doc:"Id of the run, to follow at /runs/{id}"`
		}
	}
	web.Handle(a, web.Operation{ID: "run-check", Method: "POST", Path: "/checks/{id}/runs", Summary: "Run a check now", Permission: actor.RunChecks, Status: 202},
		func(ctx context.Context, by actor.Actor, in *byID) (*runOut, error) {
			id, err := r.Ask(ctx, by, in.ID)
			out := &runOut{}
			out.Body.Run = id
			return out, err
		})
	type asked struct {
		Body struct {
			ID         string     `json:"id"`
			Check      string     `json:"check"`
			AskedAt    time.Time  `json:"asked_at"`
			StartedAt  *time.Time `json:"started_at,omitempty"`
			FinishedAt *time.Time `json:"finished_at,omitempty"`
			Outcome    *string    `json:"outcome,omitempty"`
			Evidence   *string    `json:"evidence,omitempty"`
		}
	}
	web.Handle(a, web.Operation{ID: "get-run", Method: "GET", Path: "/runs/{id}", Summary: "How far a run that was asked for has come", Permission: actor.ReadChecks},
		func(ctx context.Context, _ actor.Actor, in *byID) (*asked, error) {
			run, err := LoadAsked(ctx, r.DB.Pool(pg.Staff), in.ID)
			out := &asked{}
			out.Body.ID, out.Body.Check, out.Body.AskedAt = run.ID, run.CheckID, run.AskedAt
			out.Body.StartedAt, out.Body.FinishedAt, out.Body.Outcome, out.Body.Evidence = run.StartedAt, run.FinishedAt, run.Outcome, run.EvidenceID
			return out, err
		})
	type evidence struct {
		Body struct {
			ID            string    `json:"id"`
			Check         string    `json:"check"`
			Kind          string    `json:"kind"`
			Finding       Finding   `json:"finding"`
			Digest        string    `json:"digest"`
			Intact        bool      `json:"intact" doc:"The row still has the digest that it was written with"`
			FirstAt       time.Time `json:"first_at"`
			ObservedAt    time.Time `json:"observed_at"`
			Observations  int64     `json:"observations"`
			ReceivedAt    time.Time `json:"received_at"`
			ValidUntil    time.Time `json:"valid_until"`
			Catalogue     string    `json:"catalogue"`
			EstateVersion int64     `json:"estate_version"`
			Build         string    `json:"build"`
		}
	}
	web.Handle(a, web.Operation{ID: "get-evidence", Method: "GET", Path: "/evidence/{id}", Summary: "One stored finding", Permission: actor.ReadChecks},
		func(ctx context.Context, _ actor.Actor, in *byID) (*evidence, error) {
			e, err := LoadEvidence(ctx, r.DB.Pool(pg.Staff), in.ID)
			out := &evidence{}
			b := &out.Body
			b.ID, b.Check, b.Kind, b.Finding, b.Digest, b.Intact = e.ID, e.CheckID, e.Kind, e.Finding, e.Digest, err == nil && e.Intact()
			b.FirstAt, b.ObservedAt, b.Observations, b.ReceivedAt, b.ValidUntil = e.FirstAt, e.ObservedAt, e.Observations, e.ReceivedAt, e.ValidUntil
			b.Catalogue, b.EstateVersion, b.Build = e.CatalogueHash, e.EstateVersion, e.Build
			return out, err
		})
}
