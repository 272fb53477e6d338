package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/plan"
	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/sqlname"
	"github.com/garant-project/garant/internal/token"
)

// Options say how a run behaves.
type Options struct {
	OnlyPrepare bool          // stop before the application notices anything
	LockTimeout time.Duration // how long a step may make others wait for its lock; 0: two seconds
	Patience    time.Duration // how long a step tries to get its lock; 0: ten minutes
	Batch       time.Duration // how long one batch of a fill may take; 0: half a second
	Report      func(Event)   // nil: nothing is told
}

// Event is what a run tells while it goes on.
type Event struct {
	Step   string `json:"step"` // id; empty: of the run as a whole
	Number int    `json:"number,omitempty"`
	Of     int    `json:"of,omitempty"`
	Kind   Kind   `json:"kind"`
	Text   string `json:"text"`
}

// Kind of an event.
type Kind string

// The kinds of events.
const (
	Begins   Kind = "begins"
	Progress Kind = "progress"
	Waits    Kind = "waits"
	Done     Kind = "done"
)

// Version is what package plan needs to know of schema garant, of this program and in a database.
func Version(ctx context.Context, conn *pgx.Conn, design string) (plan.Version, error) {
	drift, err := token.Drift(ctx, conn, token.Design(design))
	if err != nil {
		return plan.Version{}, err
	}
	var other bool
	if err = conn.QueryRow(ctx, `SELECT `+filler, state).Scan(&other); other {
		drift = append(drift, "function garant.fill()")
	}
	return plan.Version{Number: token.Version, Functions: token.Functions(token.Design(design)), Drift: drift}, pg.Wrap(err)
}

// Missing reads the database and tells which steps a manifest lacks there. known is false where it
// could not be seen whether columns are filled.
func Missing(ctx context.Context, conn *pgx.Conn, m *manifest.Manifest) (db *schema.Database, steps []plan.Step, known bool, err error) {
	db, err = schema.Read(ctx, conn)
	if err != nil {
		return nil, nil, false, err
	}
	filled, known, err := Filled(ctx, conn)
	if err != nil {
		return nil, nil, false, err
	}
	version, err := Version(ctx, conn, m.Design)
	if err != nil {
		return nil, nil, false, err
	}
	return db, plan.Steps(db, m, version, filled), known, nil
}

// run is one run of apply or undo.
type run struct {
	Options
	conn  *pgx.Conn
	super bool
	step  plan.Step
	n, of int
}

func (r *run) tell(kind Kind, format string, args ...any) {
	if r.Report != nil {
		r.Report(Event{Step: r.step.ID, Number: r.n, Of: r.of, Kind: kind, Text: fmt.Sprintf(format, args...)})
	}
}

func newRun(conn *pgx.Conn, o Options) *run {
	r := &run{Options: o, conn: conn}
	if r.LockTimeout <= 0 {
		r.LockTimeout = 2 * time.Second
	}
	if r.Patience <= 0 {
		r.Patience = 10 * time.Minute
	}
	if r.Batch <= 0 {
		r.Batch = 500 * time.Millisecond
	}
	return r
}

// alone takes the lock that one run at a time has, and runs fn.
func (r *run) alone(ctx context.Context, fn func() error) error {
	got, err := hold(ctx, r.conn)
	if err != nil {
		return err
	}
	if !got {
		return errs.New(errs.Conflict, "tenancy.apply.running", "Another apply or undo is at work on this database.").WithFix("Let it end, then run this again.")
	}
	defer release(context.WithoutCancel(ctx), r.conn)
	err = fn()
	if r.conn.IsClosed() { // the next run withdraws
		return err
	}
	return errors.Join(err, withdraw(context.WithoutCancel(ctx), r.conn))
}

// Run brings a database to what the manifest says, and returns how many steps it did.
//
// Errors: Conflict while another run is at work; Invalid when the manifest does not cover the
// database, has doubts that block or names a role that no policy holds, and when rows contradict
// it; Denied when the role may not; Unavailable when a lock was not to be had, or the connection is
// gone. Whatever it is, what was done is recorded, and the next run goes on.
func Run(ctx context.Context, conn *pgx.Conn, m *manifest.Manifest, o Options) (done int, err error) {
	r := newRun(conn, o)
	err = r.alone(ctx, func() error {
		done, err = r.apply(ctx, m)
		return err
	})
	return done, err
}

func (r *run) apply(ctx context.Context, m *manifest.Manifest) (done int, err error) {
	// What somebody else changes while this runs is seen in the next round; the first may end with
	// the installation, after which there is a record to reckon with.
	for round := 1; ; round++ {
		db, steps, _, err := Missing(ctx, r.conn, m)
		if err != nil {
			return done, err
		}
		if r.OnlyPrepare {
			steps = slices.DeleteFunc(steps, func(s plan.Step) bool { return s.Phase == plan.Switch })
		}
		if refusals := append(plan.Refusals(db, m), rightsLacking(db, steps)...); len(refusals) > 0 {
			return done, refused(refusals)
		}
		if len(steps) == 0 {
			return done, nil
		}
		if round > 4 {
			return done, errs.New(errs.Conflict, "tenancy.apply.moving", fmt.Sprintf("The database changes while it is isolated: %d steps are missing still, the first: %s.", len(steps), steps[0].Title)).
				WithFix("Let migrations end, then run this again.")
		}
		me := db.Role(db.Me)
		r.super = me != nil && me.Super
		r.of = len(steps)
		for i, s := range steps {
			r.step, r.n = s, i+1
			if s.Phase == plan.Switch && (i == 0 || steps[i-1].Phase == plan.Prepare) {
				if err := r.keyed(ctx, db, m); err != nil {
					return done, err
				}
			}
			r.tell(Begins, "%s", s.Title)
			if err := r.do(ctx, m, s); err != nil {
				return done, err
			}
			done++
			r.tell(Done, "%s", s.Title)
			if s.Mode == plan.Install {
				break
			}
		}
	}
}

// keyed refuses to switch a running application to tokens while there is no key: it would see
// nothing from then on.
func (r *run) keyed(ctx context.Context, db *schema.Database, m *manifest.Manifest) error {
	keys, err := token.Keys(ctx, r.conn)
	if err != nil {
		return err
	}
	now := time.Now()
	if slices.ContainsFunc(keys, func(k token.KeyState) bool {
		return k.Database == db.Name && (k.Retires == nil || k.Retires.After(now))
	}) {
		return nil
	}
	for _, name := range m.App {
		if role := db.Role(name); role != nil && role.Sessions > 0 {
			return errs.New(errs.Conflict, "tenancy.apply.no_key", fmt.Sprintf("Everything is prepared, and not switched: %s is connected %d times, and without a key in this database no token lets it in.", name, role.Sessions)).
				WithFix("Put a key in and deploy the application with the SDK, or stop it; then run this again.")
		}
	}
	return nil
}

// rightsLacking says what the role that runs this cannot do.
func rightsLacking(db *schema.Database, steps []plan.Step) []string {
	me := db.Role(db.Me)
	if me == nil || me.Super {
		return nil
	}
	var all []string
	foreign := map[string]int{}
	for _, r := range db.Relations {
		if r.Owner != me.Name && !slices.Contains(me.MemberOf, r.Owner) {
			foreign[r.Owner]++
		}
	}
	for owner, n := range foreign {
		all = append(all, fmt.Sprintf("You sign in as %s, and %d tables belong to %s: sign in as a member of it, or as superuser.", me.Name, n, owner))
	}
	slices.Sort(all)
	for _, s := range steps {
		for _, role := range s.Needs {
			if !slices.ContainsFunc(append(me.MemberOf, me.Name), func(name string) bool { return sqlname.Quote(name) == role }) {
				all = append(all, fmt.Sprintf("Rights on %s were granted by %s, and only %s or a superuser can take them back: sign in as superuser, or as a member of it too.", s.Table, role, role))
			}
		}
	}
	if db.Design == "" && !me.Create {
		all = append(all, fmt.Sprintf("You sign in as %s, which may not make the roles that schema garant needs: sign in as a role with CREATEROLE that is a member of the owners of the tables, or as superuser.", me.Name))
	}
	return all
}

func refused(reasons []string) error {
	const most = 12
	text := fmt.Sprintf("Nothing was changed: %d things are to be settled first.", len(reasons))
	if len(reasons) == 1 {
		text = "Nothing was changed: one thing is to be settled first."
	}
	shown := reasons
	if len(shown) > most {
		shown = append(slices.Clone(shown[:most]), fmt.Sprintf("… and %d more.", len(reasons)-most))
	}
	return errs.New(errs.Invalid, "tenancy.apply.refused", text+"\n  - "+strings.Join(shown, "\n  - ")).
		With("count", len(reasons)).WithFix("Settle them in the manifest or in the database, then run this again; garant isolation plan shows them too.")
}

func (r *run) do(ctx context.Context, m *manifest.Manifest, s plan.Step) error {
	switch s.Mode {
	case plan.Install:
		if _, err := token.Install(ctx, r.conn, token.Design(m.Design)); err != nil {
			return err
		}
		return prepare(ctx, r.conn, &s)
	case plan.Alone:
		return r.outside(ctx, s)
	case plan.Batches:
		return r.fill(ctx, s)
	}
	if err := prepare(ctx, r.conn, nil); err != nil {
		return err
	}
	return r.patiently(ctx, s.Table, func() error {
		return pgx.BeginFunc(ctx, r.conn, func(tx pgx.Tx) error {
			if err := r.statements(ctx, tx, s.Guard, s.SQL); err != nil {
				return err
			}
			if table, found := strings.CutPrefix(s.ID, "column:"); found { // what an earlier column was filled with went with it
				if err := unfilled(ctx, tx, "fill:"+table); err != nil {
					return err
				}
			}
			return record(ctx, tx, s, "done")
		})
	})
}

// statements runs statements under the lock timeout.
func (r *run) statements(ctx context.Context, tx pgx.Tx, guard bool, all []string) error {
	if _, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL lock_timeout = '%dms'; SET LOCAL statement_timeout = 0; SET LOCAL search_path = pg_catalog", r.LockTimeout.Milliseconds())); err != nil {
		return err
	}
	each := func() error {
		for _, sql := range all {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	}
	if guard {
		return asGuard(ctx, tx, each)
	}
	return each()
}

// outside runs a step that PostgreSQL does outside of transactions only. It is recorded before.
func (r *run) outside(ctx context.Context, s plan.Step) error {
	if err := prepare(ctx, r.conn, nil); err != nil {
		return err
	}
	id, _, err := r.begin(ctx, s)
	if err != nil {
		return err
	}
	// No lock timeout: the lock that it waits for is one behind which nobody else's reading or writing waits.
	err = r.patiently(ctx, s.Table, func() error {
		for _, sql := range append([]string{"SET statement_timeout = 0", "SET lock_timeout = 0"}, s.SQL...) {
			if _, err := r.conn.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return pg.Wrap(finish(ctx, r.conn, id))
}

// begin records a step before it is done, unless an earlier run did.
func (r *run) begin(ctx context.Context, s plan.Step) (id int64, progress map[string]int64, err error) {
	err = pg.InTx(ctx, r.conn, func(tx pgx.Tx) error {
		if id, progress, err = begun(ctx, tx, s.ID); err != nil || id > 0 {
			return err
		}
		if err := record(ctx, tx, s, "started"); err != nil {
			return err
		}
		id, progress, err = begun(ctx, tx, s.ID)
		return err
	})
	return id, progress, err
}

// fill gives a new column its values, some pages at a time.
func (r *run) fill(ctx context.Context, s plan.Step) error {
	if err := prepare(ctx, r.conn, nil); err != nil {
		return err
	}
	id, progress, err := r.begin(ctx, s)
	if err != nil {
		return err
	}
	if progress == nil {
		progress = map[string]int64{}
	}
	var rows int64
	for _, leaf := range s.Fill.Leaves {
		key := fmt.Sprint(leaf.OID)
		end, err := blocks(ctx, r.conn, leaf.OID)
		if err != nil {
			return r.explain(err)
		}
		step := int64(64)
		for at := progress[key]; at < end; {
			below := min(at+step, end)
			progress[key] = below
			began := time.Now()
			err := r.patiently(ctx, leaf.Name, func() error {
				return pgx.BeginFunc(ctx, r.conn, func(tx pgx.Tx) error {
					var all []string
					if r.super { // the table's own triggers are for changes that somebody makes
						all = append(all, "SET LOCAL session_replication_role = replica")
					}
					if err := r.statements(ctx, tx, false, all); err != nil {
						return err
					}
					tag, err := tx.Exec(ctx, s.Fill.Update(leaf.Name, at, below))
					if err != nil {
						return err
					}
					rows += tag.RowsAffected()
					return reached(ctx, tx, id, progress)
				})
			})
			if err != nil {
				return err
			}
			at = below
			if took := time.Since(began); took > r.Batch {
				step = max(step/2, 1)
			} else if took < r.Batch/3 {
				step = min(step*2, 1<<16)
			}
			r.tell(Progress, "%s: page %d of %d, %d rows written", leaf.Name, at, end, rows)
		}
	}
	return pg.Wrap(finish(ctx, r.conn, id))
}

// patiently runs fn until it gets its lock, with growing pauses, as long as patience lasts.
func (r *run) patiently(ctx context.Context, table string, fn func() error) error {
	pause, end := 250*time.Millisecond, time.Now().Add(r.Patience)
	for {
		err := fn()
		if !pg.InTheWay(err) {
			return r.explain(err)
		}
		n, seconds, lookErr := blockers(ctx, r.conn, table)
		if lookErr != nil {
			n = 0
		}
		if time.Now().Add(pause).After(end) {
			return errs.New(errs.Unavailable, "tenancy.apply.locked", fmt.Sprintf("%s could not be locked within %s: %d other connections hold it, the oldest transaction lasts %.0f s.", table, r.Patience, n, seconds)).
				WithFix("End long transactions on it (pg_stat_activity), or wait for a quieter hour; run this again, it goes on from here.").Wrap(pg.Wrap(err))
		}
		r.tell(Waits, "%s is busy (%d connections, oldest transaction %.0f s): trying again in %s", table, n, seconds, pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
		pause = min(pause*2, 15*time.Second)
	}
}

// explain says what the failure of a step means, with what the reader can do.
func (r *run) explain(err error) error {
	if err == nil {
		return nil
	}
	var fault *pgconn.PgError
	if !errors.As(err, &fault) {
		return pg.Wrap(err)
	}
	cause := pg.Wrap(err)
	switch {
	case r.step.Find != "" && (fault.Code == "23503" || fault.Code == "23514"):
		what := "Rows of " + r.step.Table + " refer to rows of another tenant."
		if fault.Code == "23514" {
			what = "Rows of " + r.step.Table + " lead to no tenant."
		}
		return errs.New(errs.Invalid, "tenancy.apply.rows", what+" Everything before this step stays done.").
			WithFix("Correct or remove the rows, then run this again; these are they: " + r.step.Find).Wrap(cause)
	case fault.Code == "42501":
		return errs.New(errs.Denied, "tenancy.apply.denied", "The database refused this step to your role: "+r.step.Title+".").
			WithFix("Sign in as superuser, or as a member of the owners of the tables, the schemas and the database.").Wrap(cause)
	}
	if errs.Is(cause, errs.Internal) {
		return errs.New(errs.Internal, "tenancy.apply.failed", "The database reported an error at this step: "+r.step.Title+".").
			WithFix("Everything before it stays done and recorded. Run the step's statement by hand to read the whole message (garant isolation plan prints it), mend the cause, and run this again.").Wrap(cause)
	}
	return cause
}
