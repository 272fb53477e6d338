// Package job does work in the background, once.
//
// Serving roles put a line into job.outbox in the transaction of whatever asks for the work
// (Enqueue); they hold no right on the queue. The worker moves lines from the outbox to the
// queue (River) in one transaction, so that nothing is lost and nothing doubled when a process
// is killed in between.
//
// Recurring work has slots: the multiples of its period since the Unix epoch. A slot is taken
// once whatever the number of servers, by compare and swap in job.recurrence; River's election
// of a leader is a lease and no fence, so it is not relied on. Slots that passed while nobody
// ran are skipped, not made up for. When the clock has gone back behind a slot already taken,
// the slot of the new time is taken instead: work goes on, and still once per slot.
package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// Kind is a sort of work.
type Kind struct {
	Name     string        // "measure.run": stable, stored with queued work
	Timeout  time.Duration // of one attempt
	Attempts int           // 0: one; work that recurs is not worth repeating
	Work     func(ctx context.Context, args json.RawMessage) error
}

// Recurrence is work that is due again and again.
type Recurrence struct {
	Name  string // unique: "measure.run/endpoint.tls"
	Kind  string
	Args  any
	Every time.Duration
}

// Enqueue asks for work in the caller's transaction. args hold ids, no personal data.
func Enqueue(ctx context.Context, tx pg.Execer, kind string, args any) error {
	encoded, err := json.Marshal(args)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "INSERT INTO job.outbox (name, args) VALUES ($1, $2)", kind, encoded)
	return pg.Wrap(err)
}

// Worker takes work from the outbox and does it.
type Worker struct {
	pool   *pgxpool.Pool
	kinds  map[string]Kind
	log    *slog.Logger
	now    func() time.Time
	client *river.Client[pgx.Tx]
	due    func() []Recurrence
	stop   context.CancelFunc
	wg     sync.WaitGroup
	wake   chan struct{}
}

// Config says what a worker does.
type Config struct {
	Pool        *pgxpool.Pool // of pg.Worker
	Kinds       []Kind
	Recurrences func() []Recurrence // asked again at every tick: the estate may change
	Log         *slog.Logger
	Now         func() time.Time
	MaxWorkers  int // 0: 8
}

// task is what the queue carries: the name of a kind and its arguments.
type task struct {
	Name string          `json:"name"`
	Args json.RawMessage `json:"args"`
}

// Kind names the one job type that the queue knows of.
func (task) Kind() string { return "garant" }

type performer struct {
	river.WorkerDefaults[task]
	w *Worker
}

func (p *performer) Work(ctx context.Context, j *river.Job[task]) error {
	k, ok := p.w.kinds[j.Args.Name]
	if !ok {
		return river.JobCancel(fmt.Errorf("no work is called %q in this build", j.Args.Name))
	}
	err := k.Work(ctx, j.Args.Args)
	if err != nil {
		p.w.log.Error("job failed", "job.name", k.Name, "job.attempt", j.Attempt, "error.message", err.Error())
		// The queue stores errors: it gets the kind, not the cause.
		text, _ := errs.Sentence(err)
		return errors.New(text)
	}
	return nil
}

func (p *performer) Timeout(j *river.Job[task]) time.Duration {
	if k, ok := p.w.kinds[j.Args.Name]; ok && k.Timeout > 0 {
		return k.Timeout
	}
	return time.Minute
}

// New makes a worker; Start sets it going.
func New(cfg Config) (*Worker, error) {
	w := &Worker{pool: cfg.Pool, kinds: map[string]Kind{}, log: cfg.Log, now: cfg.Now, due: cfg.Recurrences, wake: make(chan struct{}, 1)}
	for _, k := range cfg.Kinds {
		if _, twice := w.kinds[k.Name]; twice {
			return nil, errs.New(errs.Internal, "job.twice", "The kind of work "+k.Name+" is registered twice.")
		}
		w.kinds[k.Name] = k
	}
	if cfg.MaxWorkers == 0 {
		cfg.MaxWorkers = 8
	}
	workers := river.NewWorkers()
	if err := river.AddWorkerSafely(workers, &performer{w: w}); err != nil {
		return nil, err
	}
	client, err := river.NewClient(riverpgxv5.New(cfg.Pool), &river.Config{
		Schema:                      pg.JobSchema,
		Queues:                      map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: cfg.MaxWorkers}},
		Workers:                     workers,
		FetchCooldown:               50 * time.Millisecond,
		FetchPollInterval:           500 * time.Millisecond,
		RescueStuckJobsAfter:        2 * time.Minute,
		JobTimeout:                  time.Minute,
		CompletedJobRetentionPeriod: 10 * time.Minute,
		CancelledJobRetentionPeriod: 24 * time.Hour,
		DiscardedJobRetentionPeriod: 24 * time.Hour,
		Logger:                      slog.New(slog.DiscardHandler), // its errors hold arguments; ours are logged above
	})
	if err != nil {
		return nil, err
	}
	w.client = client
	return w, nil
}

// Start begins to work and returns. Failures to reach the database are logged and retried.
func (w *Worker) Start(ctx context.Context) error {
	if err := w.client.Start(context.WithoutCancel(ctx)); err != nil {
		return pg.Wrap(err)
	}
	loop, stop := context.WithCancel(context.WithoutCancel(ctx))
	w.stop = stop
	w.wg.Go(func() { w.relay(loop) })
	w.wg.Go(func() { w.schedule(loop) })
	return nil
}

// Stop lets running work end, for as long as ctx allows, and then cuts it off.
func (w *Worker) Stop(ctx context.Context) {
	if w.stop == nil {
		return
	}
	w.stop()
	w.wg.Wait()
	if err := w.client.Stop(ctx); err != nil {
		cut, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = w.client.StopAndCancel(cut)
	}
}

// Wake makes the worker look at the outbox now rather than at its next tick.
func (w *Worker) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *Worker) relay(ctx context.Context) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for failing := false; ; {
		for {
			moved, err := w.move(ctx)
			failing = w.report(ctx, failing, "outbox", err)
			if err != nil || moved < moveBatch {
				break
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-w.wake:
		}
	}
}

const moveBatch = 200

// move takes lines from the outbox to the queue, in one transaction.
func (w *Worker) move(ctx context.Context) (moved int, err error) {
	err = pg.InTx(ctx, w.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `DELETE FROM job.outbox WHERE id IN (
	SELECT id FROM job.outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING name, args`, moveBatch)
		if err != nil {
			return err
		}
		tasks, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t task, err error) {
			err = row.Scan(&t.Name, &t.Args)
			return t, err
		})
		if err != nil || len(tasks) == 0 {
			return err
		}
		batch := make([]river.InsertManyParams, len(tasks))
		for i, t := range tasks {
			attempts := max(1, w.kinds[t.Name].Attempts)
			batch[i] = river.InsertManyParams{Args: t, InsertOpts: &river.InsertOpts{MaxAttempts: attempts}}
		}
		_, err = w.client.InsertManyTx(ctx, tx, batch)
		moved = len(tasks)
		return err
	})
	return moved, err
}

func (w *Worker) schedule(ctx context.Context) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for failing := false; ; {
		err := w.takeDue(ctx)
		failing = w.report(ctx, failing, "schedule", err)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// report logs the first of a series of failures, and its end.
func (w *Worker) report(ctx context.Context, failing bool, what string, err error) bool {
	switch {
	case ctx.Err() != nil:
	case err != nil && !failing:
		w.log.Error("jobs cannot be moved", "job.part", what, "error.message", err.Error())
	case err == nil && failing:
		w.log.Info("jobs move again", "job.part", what)
	}
	return err != nil
}

// takeDue takes every slot that has come and enqueues its work in the same transaction.
func (w *Worker) takeDue(ctx context.Context) error {
	due := w.due()
	if len(due) == 0 {
		return nil
	}
	names := make([]string, len(due))
	for i, r := range due {
		names[i] = r.Name
	}
	rows, err := w.pool.Query(ctx, "SELECT name, slot, seq FROM job.recurrence WHERE name = ANY ($1)", names)
	if err != nil {
		return pg.Wrap(err)
	}
	type mark struct {
		slot time.Time
		seq  int64
	}
	marks := map[string]mark{}
	var name string
	var m mark
	if _, err := pgx.ForEachRow(rows, []any{&name, &m.slot, &m.seq}, func() error { marks[name] = m; return nil }); err != nil {
		return pg.Wrap(err)
	}
	now := w.now()
	var took bool
	for _, r := range due {
		slot := Slot(now, r.Every)
		last, known := marks[r.Name]
		if known && !Due(last.slot, slot, r.Every) {
			continue
		}
		took = true
		if err := w.take(ctx, r, slot, last.seq, known); err != nil {
			return err
		}
	}
	if took {
		w.Wake()
	}
	return nil
}

func (w *Worker) take(ctx context.Context, r Recurrence, slot time.Time, seq int64, known bool) error {
	return pg.InTx(ctx, w.pool, func(tx pgx.Tx) error {
		sql := "UPDATE job.recurrence SET slot = $2, seq = seq + 1, taken_at = clock_timestamp() WHERE name = $1 AND seq = $3"
		if !known {
			sql = "INSERT INTO job.recurrence (name, slot, seq) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
		}
		tag, err := tx.Exec(ctx, sql, r.Name, slot, seq)
		if err != nil || tag.RowsAffected() == 0 { // another server was first
			return err
		}
		return Enqueue(ctx, tx, r.Kind, r.Args)
	})
}

// Slot returns the slot that a moment falls into.
func Slot(now time.Time, every time.Duration) time.Time {
	return time.Unix(0, now.UnixNano()-now.UnixNano()%int64(every)).UTC()
}

// Due reports whether slot is to be taken after last: it is later, or the clock went back by
// more than one period.
func Due(last, slot time.Time, every time.Duration) bool {
	return slot.After(last) || slot.Before(last.Add(-every))
}
