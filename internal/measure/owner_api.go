package measure

import (
	"context"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
)

// APIAttestation is an attestation as programs read it. Notes and documents are for people: the page
// of the measure has them.
type APIAttestation struct {
	ID         string             `json:"id"`
	Measure    string             `json:"measure" example:"PHY-6"`
	Statement  Statement          `json:"statement" enum:"confirmed,refused"`
	Sites      []string           `json:"sites,omitempty" doc:"Of a measure that is attested for each site"`
	Person     string             `json:"person" doc:"Id of the person"`
	OnBehalfOf string             `json:"on_behalf_of,omitempty" doc:"Id of the person who answers for the measure, when a deputy attested"`
	ObservedOn string             `json:"observed_on" format:"date"`
	ReceivedAt time.Time          `json:"received_at"`
	ValidUntil time.Time          `json:"valid_until"`
	Documents  []AttestedDocument `json:"documents"`
	Sentence   string             `json:"sentence" doc:"SHA-256 of the sentence in every language with its figures"`
	Catalogue  string             `json:"catalogue"`
	Digest     string             `json:"digest"`
	Intact     bool               `json:"intact" doc:"The row still has the digest that it was written with"`
}

func apiAttestation(a Attestation) APIAttestation {
	out := APIAttestation{
		ID: a.ID, Measure: a.Measure, Statement: a.Statement, Person: a.Person, OnBehalfOf: a.OnBehalfOf, ObservedOn: a.ObservedOn.String(), ReceivedAt: a.ReceivedAt,
		ValidUntil: a.ValidUntil, Documents: a.Documents, Sentence: a.Words, Catalogue: a.CatalogueHash, Digest: a.Digest, Intact: a.Intact(),
	}
	for _, t := range a.Targets {
		if t != "" {
			out.Sites = append(out.Sites, t)
		}
	}
	return out
}

// APIOwner is who answers for a measure, as programs read and write it.
type APIOwner struct {
	Version     int64  `json:"version" doc:"Counts the decisions; send the one that yours is made on, 0 for the first"`
	Responsible string `json:"responsible,omitempty" doc:"Id of a person; empty: nobody"`
	Deputy      string `json:"deputy,omitempty" doc:"Id of a person who may attest instead"`
	DeputyUntil string `json:"deputy_until,omitempty" format:"date" doc:"Last day of the deputy"`
}

func apiOwner(a Assignment) APIOwner {
	return APIOwner{Version: a.ID, Responsible: a.Responsible, Deputy: a.Deputy, DeputyUntil: a.DeputyUntil.String()}
}

// APITask is what somebody has to say next, as programs read it.
type APITask struct {
	Measure   string     `json:"measure"`
	Sentence  string     `json:"sentence" doc:"SHA-256 of what is to be attested; send it back"`
	State     State      `json:"state"`
	Reason    string     `json:"reason"`
	Sites     []string   `json:"sites,omitempty" doc:"Sites to be covered"`
	Missing   []string   `json:"missing,omitempty" doc:"Sites that no attestation covers"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	Pending   bool       `json:"pending" doc:"To be done now"`
}

func day8601(s string) (calendar.Date, error) {
	if s == "" {
		return calendar.Date{}, nil
	}
	d, err := calendar.Parse(s)
	if err != nil {
		return d, errs.New(errs.Invalid, "measure.date", "This is not a day of the calendar.").WithFix("Write it like 2026-03-31.")
	}
	return d, nil
}

// AddAPI adds the calls on owners, tasks and attestations.
func (o *Owners) AddAPI(a *web.API) {
	type ByMeasure struct {
		ID string `path:"id" example:"PHY-6"`
	}
	type attestation struct{ Body APIAttestation }
	type attestations struct {
		Body struct {
			Attestations []APIAttestation `json:"attestations"`
		}
	}
	type page struct {
		ByMeasure
		Before string `query:"before" doc:"Id of the last attestation of the page before"`
		Limit  int    `query:"limit" default:"50" minimum:"1" maximum:"200"`
	}
	web.Handle(a, web.Operation{ID: "list-attestations", Method: "GET", Path: "/measures/{id}/attestations", Summary: "What was attested of a measure, the last first", Permission: actor.ReadChecks},
		func(ctx context.Context, _ actor.Actor, in *page) (*attestations, error) {
			if err := o.there(ctx, in.ID); err != nil {
				return nil, err
			}
			list, err := o.Attestations(ctx, in.ID, in.Before, in.Limit)
			out := &attestations{}
			out.Body.Attestations = make([]APIAttestation, 0, len(list))
			for _, a := range list {
				out.Body.Attestations = append(out.Body.Attestations, apiAttestation(a))
			}
			return out, err
		})
	type attest struct {
		ByMeasure
		Body struct {
			Statement  Statement `json:"statement" enum:"confirmed,refused" doc:"refused: this is no longer so"`
			ObservedOn string    `json:"observed_on" format:"date" doc:"The day on which the person saw it"`
			Sentence   string    `json:"sentence" doc:"SHA-256 of the sentence that the person has read, as the tasks give it"`
			Sites      []string  `json:"sites,omitempty"`
			Note       string    `json:"note,omitempty" maxLength:"2000"`
		}
	}
	web.Handle(a, web.Operation{ID: "attest", Method: "POST", Path: "/measures/{id}/attestations", Summary: "Attest a measure, as the person who answers for it", Permission: actor.OwnTasks, Status: 201},
		func(ctx context.Context, by actor.Actor, in *attest) (*attestation, error) {
			on, err := day8601(in.Body.ObservedOn)
			if err != nil {
				return nil, err
			}
			a, err := o.Attest(ctx, by, Attest{Measure: in.ID, Statement: in.Body.Statement, Targets: in.Body.Sites, ObservedOn: on, Note: in.Body.Note, Words: in.Body.Sentence})
			return &attestation{apiAttestation(a)}, err
		})
	type owner struct{ Body APIOwner }
	web.Handle(a, web.Operation{ID: "get-owner", Method: "GET", Path: "/measures/{id}/owner", Summary: "Who answers for a measure", Permission: actor.ReadChecks},
		func(ctx context.Context, _ actor.Actor, in *ByMeasure) (*owner, error) {
			if err := o.there(ctx, in.ID); err != nil {
				return nil, err
			}
			now, err := LoadAssignment(ctx, o.pool(), in.ID)
			return &owner{apiOwner(now)}, err
		})
	type setOwner struct {
		ByMeasure
		Body APIOwner
	}
	web.Handle(a, web.Operation{ID: "set-owner", Method: "PUT", Path: "/measures/{id}/owner", Summary: "Name who answers for a measure", Permission: actor.AssignMeasures},
		func(ctx context.Context, by actor.Actor, in *setOwner) (*owner, error) {
			until, err := day8601(in.Body.DeputyUntil)
			if err != nil {
				return nil, err
			}
			if err := o.Assign(ctx, by, Assigned{Measure: in.ID, Seen: in.Body.Version, Responsible: in.Body.Responsible, Deputy: in.Body.Deputy, DeputyUntil: until}); err != nil {
				return nil, err
			}
			now, err := LoadAssignment(ctx, o.pool(), in.ID)
			return &owner{apiOwner(now)}, err
		})
	type tasks struct {
		Body struct {
			Tasks []APITask `json:"tasks"`
		}
	}
	web.Handle(a, web.Operation{ID: "list-tasks", Method: "GET", Path: "/tasks", Summary: "What the person of the token has to attest", Permission: actor.OwnTasks},
		func(ctx context.Context, by actor.Actor, _ *struct{}) (*tasks, error) {
			now := o.Runner.Now()
			all, view, err := o.Tasks(ctx, o.Runner.DB.Pool(pg.Staff), now)
			out := &tasks{}
			out.Body.Tasks = []APITask{}
			if err != nil || by.Kind != actor.Person {
				return out, err
			}
			for _, t := range Mine(all, by.ID, Today(view, now)) {
				task := APITask{Measure: t.Measure.ID, Sentence: view.Registry.Catalogue.SentenceHash(t.Measure.ID), State: t.Attested.State, Reason: t.Attested.Reason,
					Sites: t.Attested.Targets, Pending: t.Pending(now)}
				if t.Measure.Per != "" {
					task.Missing = t.Attested.Missing
				}
				if !t.Due.IsZero() {
					due := t.Due
					task.ExpiresAt = &due
				}
				out.Body.Tasks = append(out.Body.Tasks, task)
			}
			return out, nil
		})
}

// there refuses a measure that the annex does not have.
func (o *Owners) there(ctx context.Context, measure string) error {
	view, err := o.Runner.Effective(ctx)
	if err != nil {
		return err
	}
	if _, ok := view.Registry.Catalogue.Measure(measure); !ok {
		return errNoMeasure()
	}
	return nil
}
