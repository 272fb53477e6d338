package measure

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/document"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/pg"
)

// maxDelegation is how long a deputy may stand in at most before somebody looks at it again.
const maxDelegation = 366 // days

// Assignment says who answers for a measure.
type Assignment struct {
	ID          int64  // 0: nobody was ever named
	Measure     string // id
	Responsible string // id of a person; empty: nobody
	Deputy      string // who may attest instead; empty: nobody
	DeputyUntil calendar.Date
	At          time.Time
	By          string // "person:ID" or "system:NAME"
}

// May reports whether a person may attest on a day, and on whose behalf.
func (a Assignment) May(person string, today calendar.Date) (onBehalfOf string, ok bool) {
	switch {
	case person == "" || a.Responsible == "":
		return "", false
	case person == a.Responsible:
		return "", true
	case person == a.Deputy && !today.After(a.DeputyUntil):
		return a.Responsible, true
	}
	return "", false
}

// People tells which persons still have an account.
type People interface {
	// Enabled returns, of the given ids, those of persons who are there and not disabled.
	Enabled(ctx context.Context, by actor.Actor, ids []uuid.UUID) (map[uuid.UUID]bool, error)
}

// Owners keeps who answers for each measure and what they say about it.
type Owners struct {
	Runner    *Runner
	Box       *crypt.Box
	Documents *document.Store
	People    People
}

// Assigned is what somebody decided about who answers for a measure.
type Assigned struct {
	Measure     string
	Seen        int64 // Assignment.ID that the decision was made on
	Responsible string
	Deputy      string
	DeputyUntil calendar.Date
}

// Assign names who answers for a measure, or nobody. Needs actor.AssignMeasures. The errors: Denied,
// NotFound for a measure that there is none of, Invalid for a person who has no account or a delegation
// that is past or too long, Conflict when somebody else decided meanwhile.
func (o *Owners) Assign(ctx context.Context, by actor.Actor, in Assigned) error {
	if !by.May(actor.AssignMeasures) {
		return o.refuse(ctx, by, "measure.assigned", in.Measure, map[string]any{"permission": string(actor.AssignMeasures)})
	}
	return o.assign(ctx, by, in, "measure.assigned")
}

// Delegate lets somebody attest instead of the actor, who answers for the measure, until a day;
// an empty deputy ends it. Needs actor.OwnTasks. The errors are those of Assign.
func (o *Owners) Delegate(ctx context.Context, by actor.Actor, measure, deputy string, until calendar.Date) error {
	now, err := LoadAssignment(ctx, o.pool(), measure)
	if err != nil {
		return err
	}
	if by.Kind != actor.Person || !by.May(actor.OwnTasks) || now.Responsible != by.ID {
		return o.refuse(ctx, by, "measure.delegated", measure, map[string]any{"reason": "not_owner"})
	}
	return o.assign(ctx, by, Assigned{Measure: measure, Seen: now.ID, Responsible: now.Responsible, Deputy: deputy, DeputyUntil: until}, "measure.delegated")
}

func (o *Owners) assign(ctx context.Context, by actor.Actor, in Assigned, action string) error {
	view, err := o.Runner.Effective(ctx)
	if err != nil {
		return err
	}
	if _, ok := view.Registry.Catalogue.Measure(in.Measure); !ok {
		return errNoMeasure()
	}
	if in.Deputy == "" {
		in.DeputyUntil = calendar.Date{}
	}
	if err := o.checkAssigned(ctx, view, in); err != nil {
		return err
	}
	return pg.InTx(ctx, o.pool(), func(tx pgx.Tx) error {
		before, err := lockAssignment(ctx, tx, in.Measure)
		if err != nil {
			return err
		}
		if before.ID != in.Seen {
			return errs.New(errs.Conflict, "measure.assignment_changed", "Somebody else has decided meanwhile who answers for this measure.").
				WithFix("Look at what holds now, then decide again.")
		}
		if before.Responsible == in.Responsible && before.Deputy == in.Deputy && before.DeputyUntil == in.DeputyUntil {
			return nil
		}
		if err := insertAssignment(ctx, tx, by, in); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, action, measureObject(in.Measure),
			said(map[string]any{"from": before.Responsible, "to": in.Responsible, "deputy": in.Deputy, "until": in.DeputyUntil.String()}))
	})
}

func (o *Owners) checkAssigned(ctx context.Context, view View, in Assigned) error {
	var ids []uuid.UUID
	for _, person := range []string{in.Responsible, in.Deputy} {
		if person == "" {
			continue
		}
		id, err := uuid.Parse(person)
		if err != nil {
			return errNoOwner()
		}
		ids = append(ids, id)
	}
	enabled, err := o.People.Enabled(ctx, keeper(), ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !enabled[id] {
			return errNoOwner()
		}
	}
	if in.Deputy == "" {
		return nil
	}
	today := calendar.Of(o.Runner.Now(), zoneOf(view))
	switch {
	case in.Responsible == "":
		return errs.New(errs.Invalid, "measure.deputy_alone", "A deputy stands in for somebody, and nobody answers for this measure.").WithFix("Name who answers for it first.")
	case in.Deputy == in.Responsible:
		return errs.New(errs.Invalid, "measure.deputy_same", "The deputy is the person who answers for the measure.").WithFix("Choose somebody else, or nobody.")
	case in.DeputyUntil.IsZero() || in.DeputyUntil.Before(today):
		return errs.New(errs.Invalid, "measure.deputy_until", "A delegation needs a last day that is still to come.").WithFix("Give the last day.")
	case in.DeputyUntil.Since(today) > maxDelegation:
		return errs.New(errs.Invalid, "measure.deputy_long", "A delegation lasts a year at most.").WithFix("Give an earlier last day, or name somebody else as responsible.")
	}
	return nil
}

// AssignTeam names one person for all measures of a team that need somebody and have nobody, and
// returns how many. Needs actor.AssignMeasures. The errors are those of Assign.
func (o *Owners) AssignTeam(ctx context.Context, by actor.Actor, team, responsible string) (int, error) {
	if !by.May(actor.AssignMeasures) {
		return 0, o.refuse(ctx, by, "measure.assigned", "*", map[string]any{"permission": string(actor.AssignMeasures)})
	}
	view, err := o.Runner.Effective(ctx)
	if err != nil {
		return 0, err
	}
	if responsible == "" {
		return 0, errNoOwner()
	}
	assignments, err := LoadAssignments(ctx, o.pool())
	if err != nil {
		return 0, err
	}
	named := 0
	for _, m := range view.Registry.Catalogue.Measures {
		a := assignments[m.ID]
		if m.Owner != team || !NeedsOwner(m) || a.Responsible != "" {
			continue
		}
		if err := o.assign(ctx, by, Assigned{Measure: m.ID, Seen: a.ID, Responsible: responsible}, "measure.assigned"); err != nil {
			return named, err
		}
		named++
	}
	return named, nil
}

// NeedsOwner reports whether somebody has to answer for a measure by name: it depends on people,
// and the company has not excluded it.
func NeedsOwner(m catalogue.Measure) bool {
	return m.Excluded == nil && (m.Attest || m.Kind == catalogue.Run || m.Kind == catalogue.Attested)
}

// keeper looks persons up on behalf of this package, for people who may not read the directory.
func keeper() actor.Actor { return actor.NewSystem("measures") }

func (o *Owners) pool() interface {
	pg.Querier
	pg.Execer
	pg.Beginner
} {
	return o.Runner.DB.Pool(pg.Staff)
}

// refuse records an attempt and returns what is said of it.
func (o *Owners) refuse(ctx context.Context, by actor.Actor, action, measure string, detail map[string]any) error {
	if err := audit.Refused(ctx, o.pool(), by, action, measureObject(measure), detail); err != nil {
		return err
	}
	if detail["reason"] == "not_owner" {
		return errs.New(errs.Denied, "measure.not_owner", "Only who answers for this measure, or their deputy, may do this.").
			WithFix("Ask the security lead to name you, or the person who answers for it to delegate to you.")
	}
	return errs.New(errs.Denied, "web.denied", "You are not allowed to do this.").WithFix("Ask the security lead for the permission.")
}

// said leaves out of the detail of an entry what there is nothing to say of.
func said(detail map[string]any) map[string]any {
	for name, v := range detail {
		if v == "" || v == 0 {
			delete(detail, name)
		}
	}
	return detail
}

func measureObject(id string) audit.Object { return audit.Object{Kind: "measure", ID: id} }

func zoneOf(v View) *time.Location {
	if v.Estate != nil && v.Estate.Company.Zone != nil {
		return v.Estate.Company.Zone
	}
	return time.UTC
}

func errNoMeasure() error {
	return errs.New(errs.NotFound, "measure.no_measure", "The annex has no such measure.").WithFix("Look for it in the list of measures.")
}

func errNoOwner() error {
	return errs.New(errs.Invalid, "measure.no_owner", "This person has no account that can be used.").WithFix("Choose somebody from the list.")
}
