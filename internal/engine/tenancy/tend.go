package tenancy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/job"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/token"
)

// tendEvery is how often each guarded database is looked after: how soon the transactions of an
// ended session, or of a token that has expired, are ended.
const tendEvery = 3 * time.Second

const (
	jobTend      = "tenancy.tend"
	jobPartition = "tenancy.partitions"
)

type tendArgs struct {
	Database string `json:"database"`
}

// jobs are the engine's kinds of work.
func (t *Tenancy) jobs() []job.Kind {
	return []job.Kind{
		{Name: jobTend, Timeout: 2 * reachTimeout, Work: func(ctx context.Context, args json.RawMessage) error {
			var a tendArgs
			if err := json.Unmarshal(args, &a); err != nil {
				return err
			}
			return t.Tend(ctx, a.Database)
		}},
		{Name: jobPartition, Timeout: time.Minute, Work: func(ctx context.Context, _ json.RawMessage) error {
			_, err := t.DB.Pool(pg.Worker).Exec(ctx, `SELECT tenancy.add_partitions()`)
			return pg.Wrap(err)
		}},
	}
}

// Recurrences are what is due again and again for an estate.
func (t *Tenancy) Recurrences(e *estate.Estate) []job.Recurrence {
	if e == nil {
		return nil
	}
	var list []job.Recurrence
	for _, d := range e.Guarded() {
		list = append(list, job.Recurrence{Name: jobTend + "/" + d.Name, Kind: jobTend, Args: tendArgs{d.Name}, Every: tendEvery})
	}
	if len(list) > 0 && t.Own != nil {
		list = append(list, job.Recurrence{Name: jobTend + "/" + Own, Kind: jobTend, Args: tendArgs{Own}, Every: tendEvery})
	}
	if len(list) > 0 {
		list = append(list, job.Recurrence{Name: jobPartition, Kind: jobPartition, Args: struct{}{}, Every: 12 * time.Hour})
	}
	return list
}

// Tend looks after one guarded database: makes and puts in its keys, retires them, delivers the
// ends of sessions, ends the transactions that outlived them, and notes what it saw. Trouble of the database is
// noted and is no error: the check reports it.
func (t *Tenancy) Tend(ctx context.Context, database string) error {
	// One that does not answer must not take every worker.
	if _, busy := t.tending.LoadOrStore(database, true); busy {
		return nil
	}
	defer t.tending.Delete(database)
	d, _, err := t.guarded(ctx, database)
	if err != nil {
		return nil //nolint:nilerr // it is not guarded any more: nothing is left to do
	}
	pool := t.DB.Pool(pg.Worker)
	reaching, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	k, err := t.reach(reaching, &d)
	if err != nil {
		return t.note(ctx, pool, &d, nil, err)
	}
	defer k.close(ctx)
	if err := t.tendKeys(reaching, pool, &d, k); err != nil {
		return t.note(ctx, pool, &d, k, err)
	}
	if err := t.deliver(reaching, pool, &d, k); err != nil {
		return t.note(ctx, pool, &d, k, err)
	}
	began := time.Now()
	ended, err := token.Sweep(reaching, k.Conn)
	if err != nil {
		return t.note(ctx, pool, &d, k, &trouble{CannotSweep, "ended sessions ended", sqlState(err)})
	}
	if err := t.swept(ctx, pool, &d, began); err != nil {
		return err
	}
	var problem Problem
	if !k.seen.sweeps {
		problem = CannotSweep
	}
	return saveStatus(ctx, pool, d.Name, t.Now(), problem, k, true, ended)
}

func (t *Tenancy) tendKeys(ctx context.Context, pool *pgxpool.Pool, d *estate.Database, k *keeper) error {
	p, _, problem, found, err := t.examine(ctx, pool, d, k, true)
	switch {
	case err != nil:
		return err
	case problem != "":
		return &trouble{problem, "keys of ours", found}
	case !p.here():
		if p, err = t.newPlace(ctx, pool, keeping(), p, d, "tenancy.place_opened"); err != nil {
			return err
		}
	}
	return t.advance(ctx, pool, keeping(), d, k, p)
}

// note keeps what is wrong with a database. An error that is not of the database is returned.
func (t *Tenancy) note(ctx context.Context, pool *pgxpool.Pool, d *estate.Database, k *keeper, err error) error {
	var x *trouble
	if !errors.As(err, &x) {
		return fmt.Errorf("tenancy: %s: %w", d.Name, err)
	}
	last, statusErr := statusOf(ctx, pool, d.Name)
	if statusErr != nil {
		return statusErr
	}
	if last.Trouble != x.problem && t.Log != nil {
		t.Log.Error("a guarded database is not as it should be", "database.name", d.Name, "error.code", string(x.problem), "error.message", x.Error())
	}
	return saveStatus(ctx, pool, d.Name, t.Now(), x.problem, k, false, 0)
}
