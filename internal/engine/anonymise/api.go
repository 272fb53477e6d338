package anonymise

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/web"
)

// APICopy is how it is with the copies of a database, as programs read it.
type APICopy struct {
	Database   string     `json:"database" example:"production" doc:"Name in the estate"`
	Name       string     `json:"name" example:"shop_dev" doc:"Of the copy"`
	State      string     `json:"state" enum:"served,old,waits,none,first,stopped,unproven,failed,lost" doc:"served: young enough and the last run was good; old: older than agreed; stopped, unproven, failed, lost: what became of the last run, while the copy before is served"`
	Run        *uuid.UUID `json:"run,omitempty" doc:"That made the copy which is served"`
	SnapshotAt *time.Time `json:"snapshot_at,omitempty" doc:"The moment that its data are of"`
	AgeSeconds *int64     `json:"age_seconds,omitempty"`
	MaxAge     int64      `json:"max_age_seconds"`
	Anonymised *bool      `json:"anonymised,omitempty" doc:"Whether it may be called anonymised; else it is pseudonymised"`
	LastRun    *uuid.UUID `json:"last_run,omitempty" doc:"That has ended, whatever its outcome"`
	NextAt     *time.Time `json:"next_at,omitempty" doc:"When a run is due"`
}

// AddAPI adds the calls for programs.
func (a *Anonymise) AddAPI(api *web.API) {
	type in struct {
		Database string `path:"database" example:"production"`
	}
	type out struct{ Body APICopy }
	web.Handle(api, web.Operation{ID: "get-copy", Method: "GET", Path: "/copies/{database}", Summary: "The anonymised copy of a database: its state, its age, its run", Permission: actor.ReadCopies},
		func(ctx context.Context, by actor.Actor, in *in) (*out, error) {
			c, err := a.CopyOf(ctx, by, in.Database)
			if err != nil {
				return nil, err
			}
			return &out{c.api(a.Now())}, nil
		})
}

func (c *Copy) api(now time.Time) APICopy {
	out := APICopy{Database: c.Database, Name: c.declared.Name, State: string(c.Standing(now)), MaxAge: int64(c.declared.MaxAge / time.Second)}
	if age, known := c.Age(now); known {
		s := int64(age / time.Second)
		out.AgeSeconds, out.SnapshotAt, out.Run, out.Anonymised = &s, c.Served.SnapshotAt, &c.Served.ID, c.Served.Anonymised
	}
	if c.Last != nil {
		out.LastRun = &c.Last.ID
	}
	if !c.Next.IsZero() {
		out.NextAt = &c.Next
	}
	return out
}
