package anonymise

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/internal/engine/anonymise/run"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/job"
	"github.com/garant-project/garant/internal/pg"
)

const (
	jobTend   = "anonymise.tend"
	tendEvery = 5 * time.Second  // how often it is asked whether a run is due
	longest   = 24 * time.Hour   // of a run
	retryMin  = 10 * time.Second // after a run that was no good
	retryMax  = 15 * time.Minute
)

type tendArgs struct {
	Database string `json:"database"`
}

func (a *Anonymise) jobs() []job.Kind {
	return []job.Kind{{Name: jobTend, Timeout: longest, Work: func(ctx context.Context, args json.RawMessage) error {
		var t tendArgs
		if err := json.Unmarshal(args, &t); err != nil {
			return err
		}
		return a.Tend(ctx, t.Database)
	}}}
}

// Recurrences are what is due again and again for an estate.
func (a *Anonymise) Recurrences(e *estate.Estate) []job.Recurrence {
	if e == nil {
		return nil
	}
	var list []job.Recurrence
	for _, d := range e.WithCopies() {
		list = append(list, job.Recurrence{Name: jobTend + "/" + d.Name, Kind: jobTend, Args: tendArgs{d.Name}, Every: tendEvery})
	}
	return list
}

// Tend has a copy of a database made when one is due, and sees to the developers' credentials. It returns at once when a run is under way, here or at
// another server. A run that is no good is noted and is no error: the checks report it.
func (a *Anonymise) Tend(ctx context.Context, database string) error {
	if _, busy := a.tending.LoadOrStore(database, true); busy {
		return nil
	}
	defer a.tending.Delete(database)
	d, pending, err := a.copied(ctx, database)
	if errs.Is(err, errs.NotFound) {
		return nil // no copies are made of it any more
	}
	if err != nil {
		return err
	}
	free, err := a.alone(ctx, database)
	if err != nil || free == nil {
		return err
	}
	defer free()
	if err := a.recover(ctx, &d); err != nil {
		if errors.Is(err, errAway) { // the checks report it
			return nil
		}
		return err
	}
	if err := a.issue(ctx, &d); err != nil {
		return err
	}
	last, err := lastRun(ctx, a.DB.Pool(pg.Worker), database)
	if err != nil || pending || !due(&d, last, a.Now()) {
		return err
	}
	return a.make(ctx, &d)
}

// due reports whether a run is to be begun. After one that was no good the next comes sooner, and at once when the plan is another.
func due(d *estate.Database, last *Run, now time.Time) bool {
	if last == nil || last.EndedAt == nil || now.Before(last.BeganAt) { // a clock that went back
		return true
	}
	every := d.Anonymised.Every
	if last.Outcome == Published {
		return now.Sub(last.BeganAt) >= every
	}
	if plan := planDigest(d.Anonymised); !bytes.Equal(plan[:], last.Plan) {
		return true
	}
	return now.Sub(*last.EndedAt) >= min(max(retryMin, every/10), retryMax)
}

// alone holds off every other server, for as long as the connection lives; nil: another one is at it.
func (a *Anonymise) alone(ctx context.Context, database string) (free func(), err error) {
	conn, err := a.DB.Pool(pg.Worker).Acquire(ctx)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	var got bool
	if err := conn.QueryRow(ctx, `SELECT pg_try_advisory_lock(hashtextextended('garant anonymise ' || $1, 0))`, database).Scan(&got); err != nil || !got {
		conn.Release()
		return nil, pg.Wrap(err)
	}
	return func() { letGo(ctx, conn, database) }, nil
}

func letGo(ctx context.Context, conn *pgxpool.Conn, database string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_unlock(hashtextextended('garant anonymise ' || $1, 0))`, database); err != nil {
		_ = conn.Conn().Close(ctx) // the lock goes with it
	}
	conn.Release()
}

// errAway says that the cluster for copies cannot be asked what became of a run.
var errAway = errors.New("the cluster for copies does not answer")

// recover finds the run that a server which is no more left behind: published, when its copy is served, else lost.
func (a *Anonymise) recover(ctx context.Context, d *estate.Database) error {
	pool := a.DB.Pool(pg.Worker)
	last, err := lastRun(ctx, pool, d.Name, Running)
	if err != nil || last == nil {
		return err
	}
	if last.Proof != "" {
		target, err := d.Anonymised.Target.Reveal()
		if err != nil {
			return err
		}
		have, err := run.List(ctx, target, last.Name)
		if err != nil {
			return errAway
		}
		for _, c := range have {
			if c.Run == last.Run && c.Proof == last.Proof && (c.State == run.Served || c.State == run.Previous) {
				return a.endedAs(ctx, d.Name, last.ID, Published, "", "", nil)
			}
		}
	}
	return a.endedAs(ctx, d.Name, last.ID, Lost, "anonymise.lost", a.words.For("en", time.UTC).T("anonymise.lost"), nil)
}

// planDigest is what a run notes of the plan that it was made by.
func planDigest(a *estate.Anonymised) [sha256.Size]byte { return sha256.Sum256(a.Plan) }

func newRun(d *estate.Database, now time.Time) (*Run, error) {
	id, err := uuid.NewV7()
	plan := planDigest(d.Anonymised)
	return &Run{ID: id, Database: d.Name, Name: d.Anonymised.Name, Origin: run.OriginSchedule, Plan: plan[:], BeganAt: now}, err
}
