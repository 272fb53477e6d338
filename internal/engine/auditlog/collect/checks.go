package collect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/token"
)

// Set holds one T for each check of this package. Its literals are written without keys, so that a new check does not compile until it has a T
// everywhere one is due, fault injections included.
type Set[T any] struct {
	Events T
}

// All returns the set's members in the order of its fields.
func (s Set[T]) All() []T { return []T{s.Events} }

// The bounds of a run. The kernel replaces every by the policy's.
const (
	every     = 5 * time.Minute
	valid     = 15 * time.Minute
	timeout   = 2 * time.Minute
	perOne    = time.Minute // of one database
	agreedLag = time.Minute // from an event to the record
	arrives   = 30 * time.Second
	poll      = 200 * time.Millisecond
	mostItems = 12 // of one problem
	longItem  = 300
)

// CheckID is the check of what applications record.
const CheckID = "auditlog.events"

// Checks returns the check of this package. within is how long an event that the check makes may take to arrive; 0: half a minute.
func (c *Collector) Checks(within time.Duration) Set[measure.Check] {
	if within <= 0 {
		within = arrives
	}
	return Set[measure.Check]{measure.Check{
		ID: CheckID, Measures: []string{"LOG-5", "LOG-1"}, Every: every, Valid: valid, Timeout: timeout, OwnPace: true,
		Scope: func(e *estate.Estate) []string {
			var names []string
			for _, d := range e.Guarded() {
				names = append(names, d.Name)
			}
			return names
		},
		Run: func(ctx context.Context, in measure.In) measure.Finding { return c.look(ctx, in, within) },
	}}
}

// look is at one guarded database.
type look struct {
	d      *estate.Database
	items  []measure.Item
	tables int
}

func (l *look) add(p Problem, expected, actual string) {
	same := 0
	for _, i := range l.items {
		if i.Problem == string(p) {
			same++
		}
	}
	if same < mostItems {
		l.items = append(l.items, measure.Item{Target: l.d.Name, Problem: string(p), Expected: measure.Shown(expected, longItem), Actual: measure.Shown(actual, longItem)})
	}
}

func (c *Collector) look(ctx context.Context, in measure.In, within time.Duration) measure.Finding {
	list := in.Estate.Guarded()
	if len(list) == 0 {
		return measure.Finding{Outcome: measure.NotApplicable}
	}
	looks := make([]*look, len(list))
	var wg sync.WaitGroup
	for i := range list {
		looks[i] = &look{d: &list[i]}
		wg.Go(func() { c.guarded(ctx, looks[i], within) })
	}
	wg.Wait()
	f := measure.Finding{Outcome: measure.Pass}
	raw := map[string]any{}
	for _, l := range looks {
		if measure.Look(&f, l.d.Name, l.items, func(i measure.Item) bool { return Problem(i.Problem).Blind() }) {
			raw[l.d.Name] = map[string]any{"tables": l.tables}
		}
		f.Failed = append(f.Failed, l.items...)
	}
	if encoded, err := json.Marshal(raw); err == nil {
		f.Raw = encoded
	}
	return f
}

// guarded looks within its time. A panic, which only a fault of ours can cause, blinds this database and no other.
func (c *Collector) guarded(ctx context.Context, l *look, within time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, perOne)
	defer cancel()
	defer func() {
		if recover() != nil {
			l.items = nil
			l.add(CheckBroken, "an observation", "the check itself failed")
		}
	}()
	k, err := reach(ctx, l.d)
	if err != nil {
		l.trouble(err)
		return
	}
	defer k.close()
	if l.d.Tenancy.Manifest == nil {
		l.add(BadManifest, "a manifest", "none is declared")
		return
	}
	tables, wrong, err := c.Captures(ctx, k.Conn, l.d.Tenancy.Manifest)
	if err != nil {
		l.trouble(err)
		return
	}
	l.tables = tables
	if tables == 0 {
		l.add(NothingDeclared, "tables whose changes are recorded", "the manifest names none")
	}
	changed, err := token.Drift(ctx, k.Conn, token.Design(l.d.Tenancy.Design))
	if err != nil {
		l.trouble(err)
		return
	}
	for _, name := range changed {
		l.add(FunctionChanged, "as Garant installed it", name)
	}
	for _, w := range wrong {
		l.add(w.Problem, "as the manifest says", w.Object+": "+w.Found)
	}
	if c.lag(ctx, l); slices.ContainsFunc(l.items, func(i measure.Item) bool { return i.Problem == string(NeverYet) }) {
		return // it has just been declared: nothing is known yet of what arrives
	}
	c.portal(ctx, l)
	c.try(ctx, l, k, within)
}

func (l *look) trouble(err error) {
	var x *trouble
	if !errors.As(err, &x) {
		x = &trouble{Unreadable, "its catalogue", "no answer"}
	}
	l.add(x.problem, x.expected, x.actual)
}

// lag holds the collection to what was agreed, by the clock of our database.
func (c *Collector) lag(ctx context.Context, l *look) {
	var rested, oldest float64
	err := c.DB.Pool(pg.Checker).QueryRow(ctx, `SELECT coalesce(date_part('epoch', clock_timestamp() - collected_at), 'infinity'), date_part('epoch', oldest) FROM auditlog.collected WHERE database = $1`, l.d.Name).Scan(&rested, &oldest)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		l.add(NeverYet, "collected within "+estate.FormatDuration(agreedLag), "never")
	case err != nil:
		l.add(Unknown, "how far the collection is", "Garant’s own database does not answer")
	case rested > agreedLag.Seconds():
		l.add(Late, "collected within "+estate.FormatDuration(agreedLag), "the outbox was last emptied longer ago")
	case oldest > agreedLag.Seconds():
		l.add(Late, "collected within "+estate.FormatDuration(agreedLag), "an event waits longer: a transaction is open in that cluster")
	}
}

// portal sees that customers can be shown what is recorded of them.
func (c *Collector) portal(ctx context.Context, l *look) {
	var may bool
	err := c.DB.Pool(pg.Checker).QueryRow(ctx, `SELECT has_column_privilege('garant_portal', 'audit.entry', 'action', 'SELECT') AND has_column_privilege('garant_portal', 'audit.entry', 'detail', 'SELECT')`).Scan(&may)
	if err != nil {
		l.add(Unknown, "what customers may read", "Garant’s own database does not answer")
	} else if !may {
		l.add(PortalBlind, "SELECT on audit.entry for garant_portal", "no right")
	}
}

// try makes two events of no tenant, one in a transaction that is rolled back, and looks whether just the other arrives.
func (c *Collector) try(ctx context.Context, l *look, k *keeper, within time.Duration) {
	var undone, done uuid.UUID
	rolled := errors.New("rolled back")
	err := pgx.BeginFunc(ctx, k.Conn, func(tx pgx.Tx) (err error) {
		if undone, err = token.TryEvent(ctx, tx); err == nil {
			err = rolled
		}
		return err
	})
	if errors.Is(err, rolled) {
		done, err = token.TryEvent(ctx, k.Conn)
	}
	if err != nil {
		l.add(Unreadable, "an event that is made", state(err))
		return
	}
	var got []uuid.UUID
	for end := time.Now().Add(within); ; {
		rows, err := c.DB.Pool(pg.Checker).Query(ctx, `SELECT mark FROM auditlog.collected_event WHERE mark = ANY ($1)`, []uuid.UUID{undone, done})
		if err == nil {
			got, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		}
		if err != nil {
			l.add(Unknown, "which events arrived", "Garant’s own database does not answer")
			return
		}
		if slices.Contains(got, done) || time.Now().After(end) || ctx.Err() != nil {
			break
		}
		select {
		case <-time.After(poll):
		case <-ctx.Done():
		}
	}
	if slices.Contains(got, undone) {
		l.add(Invented, "nothing of a transaction that was rolled back", "an event of it arrived")
	}
	if slices.Contains(got, done) {
		return
	}
	waiting, _, err := k.waiting(ctx)
	switch {
	case err != nil:
		l.trouble(err)
	case waiting > 0:
		l.add(Late, "arrived within "+estate.FormatDuration(within), fmt.Sprintf("not yet, and %d wait", waiting))
	default:
		l.add(Lost, "arrived within "+estate.FormatDuration(within), "gone from the outbox, and not in the record")
	}
}
