package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/leak"
	"github.com/garant-project/garant/internal/engine/anonymise/names"
	"github.com/garant-project/garant/internal/engine/anonymise/plan"
	"github.com/garant-project/garant/internal/engine/anonymise/reidentify"
	"github.com/garant-project/garant/internal/engine/anonymise/seen"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
	"github.com/garant-project/garant/internal/errs"
)

// Options say what to copy where, and how.
type Options struct {
	Source     string // address of the database, as a role that only reads
	Target     string // address of a maintenance database in another cluster, as a role that makes databases there
	Name       string // under which the copy will be served
	Plan       *plan.Plan
	Workers    int      // at once; 0: one for each processor, at most eight
	BinDir     string   // of pg_dump and pg_restore; empty: searched for
	MaxRow     int      // bytes that a row of the source may have in text form; 0: 16 MiB
	Developers []string // roles of the target that will use the copy
	Expected   Expected // of who answers at the addresses
	Origin     string   // what started the run: OriginSchedule, OriginHand or the name of somebody; empty: OriginHand
	Limits     leak.Limits
	Say        func(Progress) // nil: nobody listens; called by several at once
	Unproven   bool           // leave out the set and all proofs, for benchmarks: the report never passes, and the copy is dropped

	Pause       Pause         // when the source is busy
	PauseAtMost time.Duration // that all pauses of the run may take together, before it ends; 0: 30 minutes

	look     time.Duration // how often the load is looked at; 0: each second
	pages    int64         // of a piece of a big table; 0: unitPages
	patience time.Duration // how long a target that went away is waited for; 0: two minutes
}

// Expected is what the servers at the two addresses have to be; what is empty may be anything.
type Expected struct {
	Source, Target string // identifiers of the clusters
	Database       string // at the source
}

// collision is the error that another key may mend, retries how often one is tried.
const (
	collision = "anonymise.collision"
	retries   = 2
)

// Origins of runs that are no names.
const (
	OriginSchedule = "schedule" // nobody: it was due
	OriginHand     = "hand"     // somebody at a command line
)

// Stage is a part of a run.
type Stage string

// The stages, in order. Until StageCopy has ended nothing of the run can be resumed: its key is in memory only.
const (
	StageSchema Stage = "schema" // of the source, without indexes
	StageSet    Stage = "set"    // of identifying values
	StageCopy   Stage = "copy"   // of rows: replaced, scanned
	StageAfter  Stage = "after"  // indexes, constraints, sequences, views
	StageProof  Stage = "proof"
)

// Progress is how far a run is.
type Progress struct {
	Stage      Stage
	Table      string // that was worked on
	Rows       int64
	Bytes, All int64 // of the source's files; All 0: not known
	Elapsed    time.Duration
	Waiting    string // what the source is busy with, while the run pauses; empty: it goes on
}

// run is a run under way.
type run struct {
	o           Options
	source      *server
	target      *server
	programs    programs
	snapshot    *snapshot
	staging     *staging
	dump        *schemaDump
	layout      *layout
	relations   map[catalog.Name]relation
	counts      []counts
	canaries    []leak.Canary
	ordinal     atomic.Uint64
	plain       *plainTexts
	progress    *progress
	report      *Report
	guarded     bool // the source has a schema garant
	database    catalog.Database
	samples     plan.Samples
	paths       []plan.Problem // of samples, that the plan does not know
	asking      sync.Mutex
	load        *load
	now         atomic.Pointer[progress] // the stage's, for those who are no part of it
	sourceMajor string
}

// counts are the rows of a table.
type counts struct{ source, copied atomic.Int64 }

// progress adds up what workers did.
type progress struct {
	say        func(Progress)
	stage      Stage
	began      time.Time
	rows, done atomic.Int64
	all        atomic.Int64
}

func (p *progress) total(n int64) { p.all.Add(n) }

func (p *progress) did(table string, rows, bytes int64) {
	p.rows.Add(rows)
	p.done.Add(bytes)
	if p.say != nil {
		p.say(p.at(table))
	}
}

func (p *progress) at(table string) Progress {
	return Progress{Stage: p.stage, Table: table, Rows: p.rows.Load(), Bytes: p.done.Load(), All: p.all.Load(), Elapsed: time.Since(p.began)}
}

// stage runs a part of the run and notes how long it took.
func (r *run) stage(ctx context.Context, s Stage, fn func(context.Context) error) error {
	r.progress = &progress{say: r.o.Say, stage: s, began: time.Now()}
	r.now.Store(r.progress)
	if r.o.Say != nil {
		r.o.Say(Progress{Stage: s})
	}
	err := fn(ctx)
	r.report.Stages = append(r.report.Stages, StageReport{Stage: s, Seconds: time.Since(r.progress.began).Seconds(), Rows: r.progress.rows.Load(), Bytes: r.progress.done.Load()})
	if err != nil {
		r.report.Failed = s
	}
	return err
}

func (o Options) checked() (Options, error) {
	if err := checkName(o.Name); err != nil {
		return o, err
	}
	if o.Plan == nil {
		return o, errs.New(errs.Invalid, "anonymise.plan", "There is no plan.").WithFix("Write one by garant anonymise plan.")
	}
	if o.Plan.Language != "" {
		if _, err := names.Parse(o.Plan.Language); err != nil {
			return o, unknown(fmt.Sprintf("The language of the plan: %v.", err), "Correct it.")
		}
	}
	if o.Origin = cmp.Or(o.Origin, OriginHand); len(o.Origin) > 200 || !utf8.ValidString(o.Origin) || strings.ContainsFunc(o.Origin, unicode.IsControl) {
		return o, errs.New(errs.Invalid, "anonymise.origin", "What started the run is no name.").WithFix("Take up to 200 letters.")
	}
	if o.Workers <= 0 {
		o.Workers = min(8, runtime.GOMAXPROCS(0))
	}
	o.patience = cmp.Or(o.patience, 2*time.Minute)
	o.PauseAtMost, o.look = cmp.Or(o.PauseAtMost, 30*time.Minute), cmp.Or(o.look, time.Second)
	if o.Pause.Sessions < 0 || o.Pause.Lag < 0 || o.PauseAtMost < 0 {
		return o, errs.New(errs.Invalid, "anonymise.pause", "A pause begins above a number, and ends.").WithFix("Correct when the run is to wait for the source.")
	}
	if o.MaxRow <= 0 {
		o.MaxRow = 16 << 20
	}
	if o.Limits == (leak.Limits{}) {
		o.Limits = leak.DefaultLimits()
	}
	return o, nil
}

// Copy makes a copy of the source beside what is served, and proves it. Nothing is published: that is Publish's, which takes the report. The report is
// given with an error too, as far as the run went. A copy that is not proven is gone when Copy returns. When two values become one where the copy allows each once, everything begins again with
// another key, twice at most.
func Copy(ctx context.Context, o Options) (*Report, error) {
	var before []Attempt
	for {
		report, err := attempt(ctx, o, before)
		var e *errs.Error
		if !errors.As(err, &e) || e.ID != collision || len(before) == retries || ctx.Err() != nil {
			return report, err
		}
		before = append(before, Attempt{Run: report.Run, Began: report.Began, Seconds: report.Seconds, Error: report.Error})
	}
}

// attempt is one run, after others that came to nothing.
func attempt(ctx context.Context, o Options, before []Attempt) (report *Report, err error) {
	began := time.Now()
	r := &run{report: &Report{Name: o.Name, Began: began.UTC(), Before: before}}
	defer func() {
		if err != nil {
			r.report.Seconds = time.Since(began).Seconds()
			r.report.Error, _ = errs.Sentence(err)
		}
	}()
	if r.o, err = o.checked(); err != nil {
		return r.report, err
	}
	r.report.Origin, r.report.Plan = r.o.Origin, digest(r.o.Plan)
	if r.source, err = newServer(atSource, o.Source); err != nil {
		return r.report, err
	}
	if r.target, err = newServer(atTarget, o.Target); err != nil {
		return r.report, err
	}
	if r.target.config.Database == o.Name {
		return r.report, errs.New(errs.Invalid, "anonymise.address", "The address of the target names the copy itself.").WithFix("Name a database that is always there, such as postgres.")
	}
	if r.programs, err = findPrograms(ctx, o.BinDir); err != nil {
		return r.report, err
	}
	err = r.make(ctx)
	r.report.Seconds = time.Since(began).Seconds()
	if err != nil || !r.report.Passed() {
		if r.staging != nil {
			r.staging.drop()
		}
		return r.report, err
	}
	r.report.Database, r.report.Ended = r.staging.database, time.Now().UTC()
	if err = r.staging.leave(ctx, r.report.provenance()); err != nil {
		r.staging.drop()
		return r.report, err
	}
	r.report.held = r.staging.keeper
	return r.report, nil
}

// make goes through the stages.
func (r *run) make(ctx context.Context) (err error) {
	if r.load, err = r.watch(ctx); err != nil {
		return err
	}
	defer func() {
		r.unwatch()
		if r.snapshot != nil {
			r.snapshot.release()
			r.report.SnapshotSeconds = r.snapshot.held.Seconds()
		}
		if r.dump != nil {
			r.dump.close()
		}
	}()
	if err := r.stage(ctx, StageSchema, r.schema); err != nil {
		return err
	}
	if r.o.Unproven {
		r.layout.unproven()
	} else if err := r.plantable(); err != nil {
		return err
	}
	builder := seen.NewBuilder()
	if err := r.stage(ctx, StageSet, func(ctx context.Context) error { return r.gather(ctx, builder) }); err != nil {
		builder.Discard()
		return err
	}
	set := builder.Freeze()
	defer func() { _ = set.Close() }()
	r.report.set(set.Stats(), len(r.canaries))
	scan, err := leak.New(set, r.canaries, r.o.Limits)
	if err != nil {
		return errs.New(errs.Internal, "anonymise.canary", "The canaries are not in the set.").Wrap(err)
	}
	attacks := make([]*reidentify.Attack, 0, len(r.layout.persons))
	for _, p := range r.layout.persons {
		a, err := reidentify.NewAttack(p.Quasi, reidentify.Limit/4)
		if err != nil {
			return errs.New(errs.Invalid, "anonymise.plan", "Re-identification cannot be measured.").Wrap(err)
		}
		attacks = append(attacks, a)
	}
	if err := r.stage(ctx, StageCopy, func(ctx context.Context) error {
		if err := r.copyRows(ctx, set, scan, attacks); err != nil {
			return err
		}
		if err := r.unchanged(ctx); err != nil {
			return err
		}
		return r.staging.settle(ctx)
	}); err != nil {
		return err
	}
	source, err := r.described(ctx)
	if err != nil {
		return err
	}
	r.snapshot.release()
	r.unwatch()
	if err := r.lasting(ctx, StageAfter, r.after); err != nil {
		return err
	}
	if r.o.Unproven {
		r.report.Problems = []string{"nothing was proven: this was a benchmark"}
		return nil
	}
	return r.lasting(ctx, StageProof, func(ctx context.Context) error { return r.prove(ctx, source, scan, attacks) })
}

// schema holds the plan against the source, takes the snapshot and makes the tables.
func (r *run) schema(ctx context.Context) (err error) {
	if err := r.load.wait(ctx); err != nil {
		return err
	}
	if err := r.questions(ctx); err != nil {
		return err
	}
	if err := r.load.wait(ctx); err != nil {
		return err
	}
	if r.snapshot, err = takeSnapshot(ctx, r.source); err != nil {
		return err
	}
	r.sourceMajor = major(r.snapshot.conn)
	db, err := catalog.Read(ctx, r.snapshot.tx)
	if err != nil {
		return failed(atSource, "Reading the catalogue", err)
	}
	if err := r.again(&db); err != nil {
		return err
	}
	r.samples = nil // they are values of the source, and no longer needed
	if r.layout, err = lay(r.o.Plan, &db); err != nil {
		return err
	}
	r.layout.pages = r.o.pages
	r.counts = make([]counts, len(r.layout.tables))
	for _, l := range r.o.Plan.Linkable(&db) {
		r.report.Linkable = append(r.report.Linkable, Linked{l.Where(), l.By})
	}
	if err := r.fits(); err != nil {
		return err
	}
	if r.relations, err = relations(ctx, r.snapshot.tx); err != nil {
		return failed(atSource, "Reading the catalogue", err)
	}
	there, err := r.target.connect(ctx, "")
	if err != nil {
		return err
	}
	defer hangUp(there)
	if err := r.apart(ctx, there); err != nil {
		return err
	}
	if err := r.roles(ctx, there); err != nil {
		return err
	}
	if r.dump, err = r.programs.dump(ctx, r.source, r.snapshot.name); err != nil {
		return err
	}
	r.dump.owner = owner
	r.report.LeftOut = append(r.report.LeftOut, r.dump.left...)
	r.report.LeftOut = append(r.report.LeftOut, db.Other...)
	if db.LargeObjects > 0 {
		r.report.LeftOut = append(r.report.LeftOut, fmt.Sprintf("%d large objects", db.LargeObjects))
	}
	if r.staging, err = newStaging(ctx, r.target, r.o.Name, r.snapshot.conn, r.report); err != nil {
		return err
	}
	r.report.Run = r.staging.id
	if err := r.stubs(ctx); err != nil {
		return err
	}
	if err := r.dump.restore(ctx, r.target, r.staging.database, "pre-data", 1); err != nil {
		return err
	}
	return r.inCopy(ctx, "Making the schema", func(conn *pgx.Conn) error { return unforce(ctx, conn) })
}

// fits makes each transformer once, so that one that does not fit stops the run before anything is read.
func (r *run) fits() error {
	env := transform.Env{Key: transform.NewKey(), Finder: &finder{}, Language: names.Language(r.o.Plan.Language), Country: r.o.Plan.Country}
	defer env.Key.Erase()
	for i := range r.layout.tables {
		for j := range r.layout.tables[i].columns {
			c := &r.layout.tables[i].columns[j]
			tr, err := transform.New(c.plan.Transform, c.shape, env)
			if err != nil {
				return misfit(c, err)
			}
			if err := tr.Close(); err != nil {
				return misfit(c, err)
			}
		}
	}
	return nil
}

// apart notes what the source is, and refuses a target in its cluster or in a replica of it.
func (r *run) apart(ctx context.Context, target *pgx.Conn) error {
	here, err := system(ctx, r.snapshot.conn)
	if err != nil {
		return failed(atSource, "Asking which cluster it is", err)
	}
	there, err := system(ctx, target)
	if err != nil {
		return failed(atTarget, "Asking which cluster it is", err)
	}
	r.report.Source = SourceReport{System: strconv.FormatInt(here, 10)}
	if err := r.snapshot.tx.QueryRow(ctx, `SELECT current_database()`).Scan(&r.report.Source.Database); err != nil {
		return failed(atSource, "Asking which database it is", err)
	}
	for _, is := range [][3]string{
		{r.o.Expected.Source, r.report.Source.System, "the cluster of the source"}, {r.o.Expected.Database, r.report.Source.Database, "the database of the source"}, {r.o.Expected.Target, strconv.FormatInt(there, 10), "the cluster for copies"},
	} {
		if is[0] != "" && is[0] != is[1] {
			return errs.New(errs.Conflict, "anonymise.impostor", "What answers is not "+is[2]+" that is declared.").WithFix("Correct the address, or what garant.yaml says of the database.")
		}
	}
	if here == there {
		return errs.New(errs.Invalid, "anonymise.same_cluster", "The target is the cluster of the source.").WithFix("Name a server of its own for copies: whoever works there must have no way to production.")
	}
	return nil
}

// roles makes sure that those who shall use the copy exist.
func (r *run) roles(ctx context.Context, target *pgx.Conn) error {
	var missing []string
	if err := target.QueryRow(ctx, `SELECT ARRAY(SELECT r FROM unnest($1::text[]) r WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r))`, r.o.Developers).Scan(&missing); err != nil {
		return failed(atTarget, "Looking for roles", err)
	}
	if len(missing) > 0 {
		return errs.New(errs.Invalid, "anonymise.role", fmt.Sprintf("The target has no role %s.", missing[0])).WithFix("Make it there, or leave it out.")
	}
	return nil
}

// unchanged makes sure that the source's tables lie where they lay when the snapshot was taken: a table that was rewritten or truncated since shows a snapshot
// less than it held.
func (r *run) unchanged(ctx context.Context) error {
	conn, err := r.source.connect(ctx, "")
	if err != nil {
		return err
	}
	defer hangUp(conn)
	var now map[catalog.Name]relation
	if err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		now, err = relations(ctx, tx)
		return err
	}); err != nil {
		return failed(atSource, "Reading the catalogue again", err)
	}
	for name, was := range r.relations {
		if is, ok := now[name]; !ok || is.File != was.File {
			return errs.New(errs.Conflict, "anonymise.changed", fmt.Sprintf("The table %s was altered, truncated or rewritten while the copy was made.", name)).WithFix("Run again when the migration is done.")
		}
	}
	if r.o.Unproven {
		return nil
	}
	return r.count(ctx)
}

// count counts the rows that the snapshot shows, on another way than the copy took.
func (r *run) count(ctx context.Context) error {
	numbers := make([]int, len(r.layout.tables))
	for i := range numbers {
		numbers[i] = i
	}
	q := &queue[int]{all: numbers}
	return parallel(ctx, r.o.Workers, func(ctx context.Context, _ int) error {
		conn, err := r.source.connect(ctx, "")
		if err != nil {
			return err
		}
		defer hangUp(conn)
		for i, ok := q.take(); ok && ctx.Err() == nil; i, ok = q.take() {
			t := &r.layout.tables[*i]
			if t.empty {
				continue
			}
			if err := r.load.wait(ctx); err != nil {
				return err
			}
			if err := r.snapshot.under(ctx, conn, func(tx pgx.Tx) error {
				for _, s := range t.sources {
					var n int64
					if err := tx.QueryRow(ctx, `SELECT count(*) FROM ONLY `+sqlName(s)).Scan(&n); err != nil {
						return err
					}
					r.counts[*i].source.Add(n)
				}
				return nil
			}); err != nil {
				return failed(atSource, "Counting "+t.name.String(), err)
			}
		}
		return ctx.Err()
	})
}
