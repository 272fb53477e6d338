package collect

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/job"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/token"
)

// Logins tells who a session of a guarded database is: what Garant knows of who asked for its token.
type Logins interface {
	// Subject names the login without personal data, such as a keyed hash, or "job:" and the id of an accepted job; "" where the session is
	// not known.
	Subject(ctx context.Context, database string, session uuid.UUID) (string, error)
}

// Captures looks at a guarded database's catalogue on a connection of its keeper, and tells how the recording of changes there differs from
// what its manifest asks for. tables is how many are asked for.
type Captures func(ctx context.Context, conn *pgx.Conn, manifest []byte) (tables int, wrong []Wrong, err error)

// Wrong is one thing that differs.
type Wrong struct {
	Problem       Problem // NotCaptured, CaptureOff, CaptureDiffers or WaysPast
	Object, Found string  // names of objects, never a value
}

// Deps are what collecting needs. All are required but Log.
type Deps struct {
	DB       *pg.DB // its worker's connections carry a pen
	View     func(ctx context.Context) (measure.View, error)
	Logins   Logins
	Captures Captures
	Now      func() time.Time
	Log      *slog.Logger
}

// Collector takes events of guarded databases.
type Collector struct {
	Deps
	busy sync.Map          // databases that are being emptied by this process
	at   func(step string) // for tests: called between steps
}

// New makes a collector.
func New(d Deps) *Collector { return &Collector{Deps: d, at: func(string) {}} }

// Engine returns the check and the jobs as an engine.
func (c *Collector) Engine() measure.Engine {
	return measure.Engine{Name: "collect", Checks: c.Checks(0).All(), Jobs: c.Jobs(), Messages: Messages()}
}

// The bounds of a round.
const (
	collectEvery = 2 * time.Second
	roundTimeout = time.Minute
	batch        = 200 // events of one transaction, of at most 150 KB each, and those of the piece that is begun
	keepMarks    = 400 * 24 * time.Hour
	forgetEvery  = time.Hour
)

const (
	jobCollect = "auditlog.collect"
	jobForget  = "auditlog.collected_forget"
)

type collectArgs struct {
	Database string `json:"database"`
}

// Jobs are the kinds of work.
func (c *Collector) Jobs() []job.Kind {
	return []job.Kind{
		{Name: jobCollect, Timeout: roundTimeout + 10*time.Second, Work: func(ctx context.Context, args json.RawMessage) error {
			var a collectArgs
			if err := json.Unmarshal(args, &a); err != nil {
				return err
			}
			_, err := c.Collect(ctx, a.Database)
			return err
		}},
		{Name: jobForget, Timeout: time.Minute, Work: func(ctx context.Context, _ json.RawMessage) error { return c.forgetMarks(ctx) }},
	}
}

// Recurrences are what is due again and again for an estate.
func (c *Collector) Recurrences(e *estate.Estate) []job.Recurrence {
	if e == nil {
		return nil
	}
	var list []job.Recurrence
	for _, d := range e.Guarded() {
		list = append(list, job.Recurrence{Name: jobCollect + "/" + d.Name, Kind: jobCollect, Args: collectArgs{d.Name}, Every: collectEvery})
	}
	if len(list) > 0 {
		list = append(list, job.Recurrence{Name: jobForget, Kind: jobForget, Args: struct{}{}, Every: forgetEvery})
	}
	return list
}

// Collect empties the outbox of a guarded database, and returns how many events were written into the record. Trouble of that database
// is noted and is no error: the check auditlog.events reports it. It does nothing for a database that is not guarded, or while another process
// is at it.
func (c *Collector) Collect(ctx context.Context, database string) (written int, err error) {
	if _, busy := c.busy.LoadOrStore(database, true); busy {
		return 0, nil
	}
	defer c.busy.Delete(database)
	view, err := c.View(ctx)
	if err != nil {
		return 0, err
	}
	if view.Estate == nil {
		return 0, nil
	}
	d, ok := view.Estate.Database(database)
	if !ok || d.Tenancy == nil {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, roundTimeout)
	defer cancel()
	k, err := reach(ctx, &d)
	if err != nil {
		return 0, c.note(ctx, d.Name, err)
	}
	defer k.close()
	for {
		events, err := k.take(ctx)
		if err != nil {
			return written, c.note(ctx, d.Name, err)
		}
		c.at("taken")
		if len(events) > 0 {
			n, ours, err := c.keep(ctx, &d, events)
			if err != nil || !ours {
				return written, err
			}
			written += n
			c.at("committed")
			if err := k.forget(ctx, events); err != nil {
				return written, c.note(ctx, d.Name, err)
			}
			c.at("forgotten")
		}
		if len(events) >= batch {
			continue
		}
		waiting, oldest, err := k.waiting(ctx)
		if err != nil {
			return written, c.note(ctx, d.Name, err)
		}
		if len(events) == 0 || waiting < batch { // few events come of many rows that were written and did not change
			return written, c.saw(ctx, d.Name, waiting, oldest)
		}
	}
}

// keep writes events into the record, in one transaction with their marks. ours is false while another process is at this database.
func (c *Collector) keep(ctx context.Context, d *estate.Database, events []token.Event) (written int, ours bool, err error) {
	subjects, err := c.subjects(ctx, d.Name, events)
	if err != nil {
		return 0, false, err
	}
	err = pg.InTx(ctx, c.DB.Pool(pg.Worker), func(tx pgx.Tx) error {
		written = 0
		if ours, err = lock(ctx, tx, d.Name); err != nil || !ours {
			return err
		}
		fresh, err := mark(ctx, tx, d.Name, events)
		if err != nil {
			return err
		}
		customers, err := customersOf(ctx, tx, d.Name, fresh)
		if err != nil {
			return err
		}
		var entries []audit.Event
		for _, e := range fresh {
			if e.Kind == token.EventCanary {
				continue // that it was marked is what it is for
			}
			entry, err := entryOf(d, e, subjects, customers)
			if err != nil {
				return err
			}
			entries = append(entries, entry)
		}
		if err := audit.Write(ctx, tx, entries...); err != nil {
			return err
		}
		written = len(entries)
		c.at("written")
		return advance(ctx, tx, d, events[len(events)-1], written)
	})
	return written, ours, err
}

// subjects tells who the sessions of events are.
func (c *Collector) subjects(ctx context.Context, database string, events []token.Event) (map[uuid.UUID]string, error) {
	known := map[uuid.UUID]string{}
	for _, e := range events {
		if e.Session == nil {
			continue
		}
		if _, seen := known[*e.Session]; seen {
			continue
		}
		subject, err := c.Logins.Subject(ctx, database, *e.Session)
		if err != nil {
			return nil, fmt.Errorf("auditlog: who a session of %s is: %w", database, err)
		}
		known[*e.Session] = cmp.Or(subject, "session:"+e.Session.String())
	}
	return known, nil
}

// entryOf makes an entry of an event. Who it was is what the database verified: the login of a token, or the role that signed in.
func entryOf(d *estate.Database, e token.Event, subjects map[uuid.UUID]string, customers map[string]string) (audit.Event, error) {
	entry := audit.Event{
		By: actor.Actor{Kind: actor.System, ID: "role:" + e.Login}, Action: e.Action, On: audit.Object{Kind: cmp.Or(e.ObjectKind, "database"), ID: e.ObjectID},
		Request: "event:" + e.Mark.String(), Occurred: e.At, Detail: map[string]any{"database": d.Name, "kind": e.Kind},
	}
	if e.ObjectKind == "" {
		entry.On.ID = d.Name
	}
	if e.Session != nil {
		entry.By = actor.Actor{Kind: actor.User, ID: subjects[*e.Session], Session: e.Session.String()}
		if e.Login != "" {
			entry.Detail["role"] = e.Login
		}
	}
	if e.Acting != "" {
		entry.Detail["acting"] = e.Acting
	}
	if e.Tenant != "" {
		entry.Tenant = customers[e.Tenant]
	}
	if len(e.Detail) > 0 {
		entry.Detail["detail"] = json.RawMessage(e.Detail)
	}
	changes, err := changesOf(e.Before, e.After)
	if err != nil {
		return entry, fmt.Errorf("auditlog: an event of %s: %w", d.Name, err)
	}
	if e.Actor != "" {
		changes = append(changes, audit.Change{Field: SaidOfUser, After: &e.Actor})
	}
	entry.Changes = changes
	return entry, nil
}

// SaidOfUser is the field of an entry's changes in which stands what the application says of its user, who is proven by the session.
const SaidOfUser = "garant.said_of_user"

// Unread is the field in which values stand as they came, where they are not read: they are nested too deep.
const Unread = "garant.unread"

// changesOf makes fields of two JSON objects, sorted by name. What is no string stands as JSON.
func changesOf(before, after []byte) ([]audit.Change, error) {
	var was, is map[string]json.RawMessage
	for from, to := range map[*map[string]json.RawMessage][]byte{&was: before, &is: after} {
		if len(to) > 0 {
			if err := json.Unmarshal(to, from); err != nil { // nested deeper than is read here: one such event may not hold up all others
				whole, err := json.Marshal(string(to))
				if err != nil {
					return nil, err
				}
				*from = map[string]json.RawMessage{Unread: whole}
			}
		}
	}
	var fields []string
	for _, m := range []map[string]json.RawMessage{was, is} {
		for f := range m {
			fields = append(fields, f)
		}
	}
	slices.Sort(fields)
	var changes []audit.Change
	for _, f := range slices.Compact(fields) {
		changes = append(changes, audit.Change{Field: f, Before: plain(was[f]), After: plain(is[f])})
	}
	return changes, nil
}

// plain is a value as text; nil for none, and for null.
func plain(v json.RawMessage) *string {
	text := strings.TrimSpace(string(v))
	if text == "" || text == "null" {
		return nil
	}
	var s string
	if json.Unmarshal(v, &s) == nil {
		return &s
	}
	return &text
}

// note keeps what is wrong with a database. An error that is not of the database is returned.
func (c *Collector) note(ctx context.Context, database string, err error) error {
	var x *trouble
	if !errors.As(err, &x) {
		return fmt.Errorf("auditlog: events of %s: %w", database, err)
	}
	was, err := c.troubled(context.WithoutCancel(ctx), database, x.problem)
	if err != nil {
		return err
	}
	if was != x.problem && c.Log != nil {
		c.Log.Error("events of a guarded database cannot be collected", "database.name", database, "error.code", string(x.problem), "error.message", x.Error())
	}
	return nil
}
