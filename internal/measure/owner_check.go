package measure

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
)

// The problems that the check of owners reports, as message ids.
const (
	ProblemUnowned      = "measure.unowned"       // nobody answers for it
	ProblemOwnerAbsent  = "measure.owner_absent"  // who answers for it has no account any more
	ProblemOwnersUnseen = "measure.owners_unseen" // it could not be read who answers for what
)

// The check of owners, and the measure that it proves.
const (
	OwnersCheck   = "measure.owners"
	OwnersMeasure = "ORG-1"
)

// OwnersScope is what the check of owners examines: the measures of the company.
const OwnersScope = "measures"

// OwnersChecks are the checks of this package, by name for the suite of fault injections.
type OwnersChecks struct{ Owners Check }

// Checks makes the check that each measure which depends on people has somebody who answers for it
// and is still there. It reads the database as garant_checker, and the directory through People.
func (o *Owners) Checks() OwnersChecks {
	return OwnersChecks{Owners: Check{
		ID: OwnersCheck, Measures: []string{OwnersMeasure}, Every: 5 * time.Minute, Valid: time.Hour, Timeout: 20 * time.Second, Self: true, OwnPace: true,
		Scope: func(e *estate.Estate) []string {
			if e == nil || e.Company.Name == "" {
				return nil
			}
			return []string{OwnersScope}
		},
		Run: o.look,
	}}
}

func (o *Owners) look(ctx context.Context, in In) Finding {
	if in.Estate == nil || in.Estate.Company.Name == "" {
		return Finding{Outcome: NotApplicable}
	}
	problems, owned, err := o.Unowned(ctx, o.Runner.DB.Pool(pg.Checker))
	if err != nil {
		problem := ProblemOwnersUnseen
		if errs.Is(err, errs.Unavailable) && ctx.Err() != nil {
			problem = ProblemTimeout
		}
		return Finding{Outcome: Error, Failed: []Item{{Target: OwnersScope, Problem: problem}}}
	}
	f := Finding{Outcome: Pass, Scope: []string{OwnersScope}}
	raw := map[string]any{"owned": owned}
	for _, p := range problems {
		f.Outcome = Fail
		f.Failed = append(f.Failed, Item{Target: OwnersScope, Problem: p.Problem, Actual: p.Measure})
	}
	if owned == 0 && len(problems) == 0 {
		return Finding{Outcome: NotApplicable} // an annex without a measure that depends on people
	}
	f.Raw, _ = json.Marshal(raw) // of a number: cannot fail
	return f
}

// Unowned is a measure that nobody answers for.
type Unowned struct {
	Measure string
	Problem string // ProblemUnowned or ProblemOwnerAbsent
	Person  string // who answered for it and is gone
}

// Unowned returns the measures that need somebody and have nobody who is there, in the order of
// the annex, and how many have somebody.
func (o *Owners) Unowned(ctx context.Context, on pg.Querier) (list []Unowned, owned int, err error) {
	type found struct {
		list  []Unowned
		owned int
	}
	f, err := web.Once(ctx, unownedKey{}, func() (f found, err error) {
		f.list, f.owned, err = o.unowned(ctx, on)
		return f, err
	})
	return f.list, f.owned, err
}

type unownedKey struct{}

func (o *Owners) unowned(ctx context.Context, on pg.Querier) (list []Unowned, owned int, err error) {
	view, err := o.Runner.Effective(ctx)
	if err != nil {
		return nil, 0, err
	}
	assignments, err := o.Runner.Assignments(ctx, on)
	if err != nil {
		return nil, 0, err
	}
	var ids []uuid.UUID
	for _, a := range assignments {
		if id, err := uuid.Parse(a.Responsible); err == nil && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return cmp.Compare(a.String(), b.String()) })
	enabled, err := o.People.Enabled(ctx, keeper(), ids)
	if err != nil {
		return nil, 0, err
	}
	for _, m := range view.Registry.Catalogue.Measures {
		if !NeedsOwner(m) {
			continue
		}
		a := assignments[m.ID]
		id, parsed := uuid.Parse(a.Responsible)
		switch {
		case a.Responsible == "":
			list = append(list, Unowned{Measure: m.ID, Problem: ProblemUnowned})
		case parsed != nil || !enabled[id]:
			list = append(list, Unowned{Measure: m.ID, Problem: ProblemOwnerAbsent, Person: a.Responsible})
		default:
			owned++
		}
	}
	return list, owned, nil
}

// All lists the checks.
func (c OwnersChecks) All() []Check { return []Check{c.Owners} }

// Engine is what this package itself brings to the house. Runner may be set after.
func (o *Owners) Engine() Engine { return Engine{Name: "measure", Checks: o.Checks().All()} }
