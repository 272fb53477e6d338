package measure

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/job"
	"github.com/garant-project/garant/internal/pg"
)

// Problems that the runner itself reports, as message ids.
const (
	ProblemNotExamined = "measure.not_examined" // in scope, but the check did not look at it
	ProblemTimeout     = "measure.timeout"
	ProblemPanic       = "measure.panic"
	ProblemTooLarge    = "measure.too_large"
)

// maxRaw bounds what a finding may carry of its observation.
const maxRaw = 64 << 10

// Runner runs checks and stores what they saw.
type Runner struct {
	Registry *Registry // of the build
	DB       *pg.DB
	View     func(ctx context.Context) (View, error)
	Build    string
	Now      func() time.Time
	Log      *slog.Logger
	// Stored is told after a finding was stored, so that the annex can look at once; may be nil.
	Stored func()

	memory Memory
	busy   sync.Map // check id → *sync.Mutex: one run of a check at a time in this process
}

// Result is what a run left behind.
type Result struct {
	Check      Check
	Finding    Finding
	EvidenceID string
	Took       time.Duration
}

// Effective returns the estate in force with the registry that holds for it.
func (r *Runner) Effective(ctx context.Context) (View, error) {
	view, err := r.View(ctx)
	if view.Registry == nil {
		view.Registry = r.Registry
	}
	return view, err
}

// check finds a check of the annex in force.
func (r *Runner) check(ctx context.Context, id string) (Check, View, error) {
	view, err := r.Effective(ctx)
	if err != nil {
		return Check{}, view, err
	}
	c, err := view.Registry.Check(id)
	return c, view, err
}

// Run runs one check and stores its finding. The error is Conflict for a check whose findings are
// received from elsewhere.
func (r *Runner) Run(ctx context.Context, by actor.Actor, id string) (Result, error) {
	c, _, err := r.check(ctx, id)
	if err != nil {
		return Result{}, err
	}
	if c.Pushed {
		return Result{}, errs.New(errs.Conflict, "measure.pushed", "This check is not run here: its results are sent in.").
			WithFix("Send a result with garant evidence import, or wait for the witness.")
	}
	lock, _ := r.busy.LoadOrStore(id, &sync.Mutex{})
	lock.(*sync.Mutex).Lock()         //nolint:forcetypeassert // only this line stores
	defer lock.(*sync.Mutex).Unlock() //nolint:forcetypeassert // as above
	view, err := r.Effective(ctx)
	if err != nil {
		return Result{}, err
	}
	if view.Estate == nil {
		return Result{}, errs.New(errs.Conflict, "measure.no_estate", "No estate has been applied, so there is nothing to look at.").
			WithFix("Write garant.yaml and run garant estate apply.")
	}
	start := r.Now()
	finding := Observe(ctx, c, In{Estate: view.Estate, Now: start, Figures: view.Registry.Figures(view.Estate)}, r.Log)
	took := r.Now().Sub(start)
	if ctx.Err() != nil {
		return Result{}, ctx.Err()
	}
	_, valid := Cadence(c, view.Estate)
	ev, err := store(ctx, r.DB, by, observation{
		check: c, finding: finding, at: start, valid: valid, estate: view.Version,
		catalogue: view.Registry.Catalogue.Hash(), build: r.Build, now: r.Now,
	})
	if err != nil {
		return Result{}, err
	}
	if r.Stored != nil {
		r.Stored()
	}
	return Result{Check: c, Finding: finding, EvidenceID: ev, Took: took}, nil
}

// Receive stores a finding that was made elsewhere, with the time at which that was seen. It needs
// actor.ImportEvidence. The errors: Conflict for a check that is run here, for a finding from the
// future, and for one that is not newer than what is known.
func (r *Runner) Receive(ctx context.Context, by actor.Actor, id string, f Finding, observedAt time.Time) (Result, error) {
	object := audit.Object{Kind: "check", ID: id}
	if !by.May(actor.ImportEvidence) {
		if err := audit.Refused(ctx, r.DB.Pool(pg.Staff), by, "evidence.received", object, nil); err != nil {
			return Result{}, err
		}
		return Result{}, errs.New(errs.Denied, "web.denied", "You are not allowed to send in results.").WithFix("Ask the security lead for the permission.")
	}
	c, view, err := r.check(ctx, id)
	if err != nil {
		return Result{}, err
	}
	switch {
	case !c.Pushed:
		return Result{}, errs.New(errs.Conflict, "measure.not_pushed", "This check is run by Garant itself, so no result is taken for it.").
			WithFix("Run it with garant check " + c.ID + ".")
	case view.Estate == nil:
		return Result{}, errs.New(errs.Conflict, "measure.no_estate", "No estate has been applied, so there is nothing to look at.").
			WithFix("Write garant.yaml and run garant estate apply.")
	case observedAt.After(r.Now().Add(Skew)):
		return Result{}, errs.New(errs.Conflict, "measure.future", "This result says that it was observed in the future, so it was not stored.").
			WithFix("Set the clock of the machine that made it, and make it again.")
	}
	f = hold(c, f, c.Scope(view.Estate))
	ev, err := store(ctx, r.DB, by, observation{
		check: c, finding: f, at: observedAt, valid: c.Valid, estate: view.Version,
		catalogue: view.Registry.Catalogue.Hash(), build: r.Build, now: r.Now,
	})
	if err != nil {
		return Result{}, err
	}
	if r.Stored != nil {
		r.Stored()
	}
	return Result{Check: c, Finding: f, EvidenceID: ev}, nil
}

// Observe runs a check and holds its finding to the contract: a check that panics, takes too
// long, says nothing, or passes over less than its scope has not looked.
func Observe(ctx context.Context, c Check, in In, log *slog.Logger) (f Finding) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	scope := c.Scope(in.Estate)
	done := make(chan Finding, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				log.Error("check panicked", "check.id", c.ID, "error.stack_trace", string(debug.Stack()))
				done <- blind(ProblemPanic, scope)
			}
		}()
		done <- c.Run(ctx, in)
	}()
	grace := time.NewTimer(c.Timeout + 2*time.Second)
	defer grace.Stop()
	select {
	case f = <-done:
	case <-grace.C:
		f = blind(ProblemTimeout, scope)
	}
	return hold(c, f, scope)
}

func blind(problem string, scope []string) Finding {
	f := Finding{Outcome: Error}
	for _, t := range scope {
		f.Failed = append(f.Failed, Item{Target: t, Problem: problem})
	}
	return f
}

func hold(c Check, f Finding, scope []string) Finding {
	f.Scope = slices.Compact(slices.Sorted(slices.Values(f.Scope)))
	for name := range f.Facts {
		if !slices.Contains(c.Facts, name) {
			delete(f.Facts, name)
		}
	}
	if len(f.Raw) > maxRaw || (len(f.Raw) > 0 && !json.Valid(f.Raw)) {
		f.Raw = nil
		f.Outcome = Error
		f.Failed = append(f.Failed, Item{Problem: ProblemTooLarge})
	}
	if f.Outcome == Pass {
		if len(f.Failed) > 0 {
			f.Outcome = Fail
		}
		for _, t := range scope {
			if !slices.Contains(f.Scope, t) {
				f.Outcome = Error
				f.Failed = append(f.Failed, Item{Target: t, Problem: ProblemNotExamined})
			}
		}
	}
	if f.Outcome == Pass && len(f.Scope) == 0 {
		f.Outcome = NotApplicable
	}
	switch f.Outcome {
	case Pass, Fail, Error, NotApplicable:
	default:
		f.Outcome = Error
	}
	slices.SortFunc(f.Failed, func(a, b Item) int {
		return cmp.Or(strings.Compare(a.Target, b.Target), strings.Compare(a.Problem, b.Problem), strings.Compare(a.Actual, b.Actual))
	})
	return f
}

// jobRun is the work that this package brings to the queue.
const jobRun = "measure.run"

type runArgs struct {
	Check string `json:"check"`
	Run   string `json:"run,omitempty"` // id in measure.run, when somebody asked
}

// Jobs is the work of running checks. A run may last as long as the slowest of them, and a little
// for writing down what it saw.
func (r *Runner) Jobs() []job.Kind {
	longest := 2 * time.Minute
	if r.Registry != nil {
		for _, c := range r.Registry.checks {
			longest = max(longest, c.Timeout+10*time.Second)
		}
	}
	return []job.Kind{{Name: jobRun, Timeout: longest, Work: r.work}}
}

func (r *Runner) work(ctx context.Context, raw json.RawMessage) error {
	var args runArgs
	if err := json.Unmarshal(raw, &args); err != nil {
		return err
	}
	by := actor.NewSystem("scheduler")
	if args.Run == "" {
		_, err := r.Run(ctx, by, args.Check)
		if errors.Is(err, context.Canceled) {
			return nil // shutting down: the next slot looks again
		}
		return err
	}
	pool := r.DB.Pool(pg.Checker)
	if err := startAsked(ctx, pool, args.Run); err != nil {
		return err
	}
	result, err := r.Run(ctx, by, args.Check)
	outcome, evidence := string(result.Finding.Outcome), &result.EvidenceID
	if err != nil {
		outcome, evidence = "refused", nil
	}
	return errors.Join(err, finishAsked(context.WithoutCancel(ctx), pool, args.Run, outcome, evidence))
}

// Recurrences lists the checks that the estate gives something to look at, each at its cadence.
func (r *Runner) Recurrences(v View) []job.Recurrence {
	if v.Estate == nil {
		return nil
	}
	var due []job.Recurrence
	reg := v.Registry
	if reg == nil {
		reg = r.Registry
	}
	for _, c := range reg.checks {
		if c.Pushed || len(c.Scope(v.Estate)) == 0 {
			continue
		}
		every, _ := Cadence(c, v.Estate)
		// The version is part of the name: a newly applied estate is looked at at once.
		due = append(due, job.Recurrence{Name: fmt.Sprintf("%s/%s/%d", jobRun, c.ID, v.Version), Kind: jobRun, Args: runArgs{Check: c.ID}, Every: every})
	}
	return due
}

// Asked is a run that somebody asked for.
type Asked struct {
	ID         string
	CheckID    string
	AskedAt    time.Time
	AskedBy    string
	StartedAt  *time.Time
	FinishedAt *time.Time
	EvidenceID *string
	Outcome    *string
}

// Ask asks for a run of a check now, as a member of staff who may run checks.
func (r *Runner) Ask(ctx context.Context, by actor.Actor, id string) (runID string, err error) {
	c, _, err := r.check(ctx, id)
	if err != nil {
		return "", err
	}
	pool := r.DB.Pool(pg.Staff)
	object := audit.Object{Kind: "check", ID: c.ID}
	if !by.May(actor.RunChecks) {
		if err := audit.Refused(ctx, pool, by, "check.run_asked", object, nil); err != nil {
			return "", err
		}
		return "", errs.New(errs.Denied, "web.denied", "You are not allowed to run checks.").WithFix("Ask the security lead for the permission.")
	}
	runID = uuid.Must(uuid.NewV7()).String()
	err = pg.InTx(ctx, pool, func(tx pgx.Tx) error {
		if err := insertAsked(ctx, tx, runID, c.ID, by); err != nil {
			return err
		}
		if err := job.Enqueue(ctx, tx, jobRun, runArgs{Check: c.ID, Run: runID}); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, "check.run_asked", object, map[string]any{"run": runID})
	})
	return runID, err
}
