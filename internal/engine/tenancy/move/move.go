package move

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/tenant"
)

// Step is how far a move has come: what it says is done.
type Step string

// The steps.
const (
	Planned   Step = "planned"
	Prepared  Step = "prepared"
	Journaled Step = "journaled"
	Copied    Step = "copied"
	Equal     Step = "equal"
	Switched  Step = "switched"
	Opened    Step = "opened"
	Proved    Step = "proved"
	Erasing   Step = "erasing"
	Done      Step = "done"
	Undoing   Step = "undoing"
	Returned  Step = "returned" // undone as far as the tenant notices: it lives in the source again
	Undone    Step = "undone"
)

// Steps lists those of a move that goes well, in order.
func Steps() []Step {
	return []Step{Planned, Prepared, Journaled, Copied, Equal, Switched, Opened, Proved, Erasing, Done}
}

// Place is an end of a move.
type Place struct {
	Name string // as the estate calls it, or what people call it
	DSN  string // of an administrator there; a secret
}

// Options of a move.
type Options struct {
	Tenant   string // its key, as PostgreSQL prints it
	Manifest *manifest.Manifest
	From, To Place
	By       string        // who moves; recorded
	BinDir   string        // holds pg_dump and pg_restore; empty: searched for in PATH
	Workers  int           // tables copied at once; 2 unless told
	MaxPause time.Duration // longest time that writers wait; then they go on, and the move tries again later. 10 s unless told
	Patience time.Duration // how long a transaction of the tenant that does not end is waited for; 1 minute unless told
	Design   token.Design  // of a new target; empty: the source's. Policies are the same in both
	Routes   Routes        // who tells applications where the tenant is; may be nil
	Log      func(line string)

	at func(point string) // of tests: a kill -9 here does no harm
}

// Routes is told where a tenant is. What it is told again is the same as told once.
type Routes interface {
	// Route says that a tenant of database lives at place; paused: it is about to leave there.
	Route(ctx context.Context, r Route) error
	// Progress says how far a move is, again and again while it is under way.
	Progress(ctx context.Context, p Progress) error
}

// Route is where a tenant lives.
type Route struct {
	Database string // whose tenant it is: the name of the shared database
	Tenant   tenant.ID
	Place    string
	Paused   bool
	Move     uuid.UUID
	Step     Step
	By       string
}

// State is what is recorded of a move.
type State struct {
	ID         uuid.UUID
	Tenant     string
	From, To   string // names
	Fresh      bool   // the target's tables were made for it
	Step       Step
	StartedAt  time.Time
	StartedBy  string
	Rows       int64
	Pause      time.Duration // that writers of the tenant were made to wait; 0 before
	SwitchedAt *time.Time
	Proof      []Sum // as last found equal
	Restore    string
	FinishedAt *time.Time
}

// Mover carries out one move. It is for one goroutine.
type Mover struct {
	o        Options
	id       tenant.ID
	src, dst *end
	tables   []*table
	st       State
	gateKey  int64
	dumpFile string
	report   reporter
}

// Open signs in at both ends, refuses what cannot be moved, and records the move or finds the one
// that is under way. [Mover.Close] is to follow.
//
// Errors: Invalid for what cannot be moved, NotFound for a tenant without rows, Conflict for one
// that is being moved by somebody else or lives elsewhere, Unavailable for an end that does not answer.
func Open(ctx context.Context, o Options) (m *Mover, err error) {
	if o.Manifest == nil {
		return nil, errs.New(errs.Invalid, "move.manifest", "A move needs the manifest of the database.").WithFix("Name isolation.yaml: garant isolation plan writes it.")
	}
	id, err := tenant.ParseID(o.Manifest.Key.Type, o.Tenant)
	if err != nil {
		return nil, errs.New(errs.Invalid, "move.tenant", fmt.Sprintf("This is not the key of a tenant: the manifest says it is a %s.", o.Manifest.Key.Type)).
			WithFix("Write the key as the database has it, not the customer's name.")
	}
	o.Tenant = id.String()
	o.Workers = max(o.Workers, 0)
	if o.Workers == 0 {
		o.Workers = 2
	}
	if o.MaxPause <= 0 {
		o.MaxPause = 10 * time.Second
	}
	if o.Patience <= 0 {
		o.Patience = time.Minute
	}
	if o.Log == nil {
		o.Log = func(string) {}
	}
	if o.at == nil {
		o.at = func(string) {}
	}
	m = &Mover{o: o, id: id}
	defer func() {
		if err != nil {
			m.Close()
			m = nil
		}
	}()
	if m.src, err = signIn(ctx, o.From, "source"); err != nil {
		return m, err
	}
	if m.dst, err = signIn(ctx, o.To, "target"); err != nil {
		return m, err
	}
	if m.src.system == m.dst.system && m.src.db.Name == m.dst.db.Name {
		return m, errs.New(errs.Invalid, "move.same", "Source and target are the same database.").WithFix("Name the database that the tenant is to live in.")
	}
	if err := m.claim(ctx); err != nil {
		return m, err
	}
	return m, m.begin(ctx)
}

// Close signs out. The move goes on where it stands when it is opened again.
func (m *Mover) Close() {
	for _, e := range []*end{m.src, m.dst} {
		if e != nil {
			e.close()
		}
	}
	m.dropDump()
}

// State tells what is recorded.
func (m *Mover) State() State { return m.st }

// Run moves the tenant: from wherever the move stands to the step [Proved]. The source's rows stay
// until [Mover.Erase].
func (m *Mover) Run(ctx context.Context) (err error) {
	end := m.reporting(ctx)
	defer func() { end(err) }()
	steps := map[Step]struct {
		to  Step
		run func(context.Context) error
	}{
		Planned:   {Prepared, m.prepare},
		Prepared:  {Journaled, m.journal},
		Journaled: {Copied, m.copy},
		Copied:    {Equal, m.equalise},
		Equal:     {Switched, m.change}, // records the step itself, in the commit that is the switch
		Switched:  {Opened, m.open},
		Opened:    {Proved, m.prove},
	}
	for {
		next, more := steps[m.st.Step]
		if !more {
			break
		}
		if err := next.run(ctx); err != nil {
			return err
		}
		m.o.at("before " + string(next.to))
		if m.st.Step != next.to {
			if err := m.step(ctx, next.to); err != nil {
				return err
			}
		}
		m.o.at(string(next.to))
		m.report.note(m.st)
		m.o.Log(m.sentence())
	}
	switch m.st.Step {
	case Proved, Erasing, Done:
		return nil
	case Undoing, Returned:
		return errs.New(errs.Conflict, "move.undoing", "This move is being undone.").WithFix("Finish that: garant tenant undo.")
	}
	return errs.New(errs.Conflict, "move.over", "This move was undone.").WithFix("Begin another.")
}

// Erase takes the tenant's rows out of the source, once more proved equal before the first goes.
// restore names what the source can be brought back from: the backup or the point in time.
func (m *Mover) Erase(ctx context.Context, restore string) (err error) {
	end := m.reporting(ctx)
	defer func() { end(err) }()
	switch m.st.Step {
	case Done:
		return nil
	case Proved:
		if restore == "" {
			return errs.New(errs.Invalid, "move.restore", "Nothing says from what the rows could be restored.").
				WithFix("Name the backup or the point in time: --restore-point.")
		}
		if err := m.prove(ctx); err != nil {
			return err
		}
		m.st.Restore = restore
		if err := m.step(ctx, Erasing); err != nil {
			return err
		}
	case Erasing:
	default:
		return errs.New(errs.Conflict, "move.unproved", fmt.Sprintf("The move stands at %q: nothing is erased before it is proved.", m.st.Step)).
			WithFix("Let it run to its end first: garant tenant move.")
	}
	m.o.at(string(Erasing))
	if err := m.erase(ctx, m.src); err != nil {
		return err
	}
	m.o.at("erased")
	if err := m.release(ctx); err != nil {
		return err
	}
	m.o.at("released")
	if err := m.step(ctx, Done); err != nil {
		return err
	}
	m.o.Log(m.sentence())
	return m.publish(ctx, m.o.To.Name, false)
}

// Undo leads back to before the move, with what the tenant changed in the target since.
func (m *Mover) Undo(ctx context.Context) (err error) {
	end := m.reporting(ctx)
	defer func() { end(err) }()
	switch {
	case m.st.Step == Undone:
		return nil
	case m.st.Step == Erasing || m.st.Step == Done:
		return errs.New(errs.Conflict, "move.erased", "The source's rows are gone, or going.").
			WithFix("Move the tenant back: garant tenant move, with source and target exchanged.")
	case m.st.SwitchedAt != nil && !m.src.replica:
		return errs.New(errs.Denied, "move.triggers", "The source's triggers would fire on what comes back.").
			WithFix("Have an administrator run there: GRANT SET ON PARAMETER session_replication_role TO the role that moves.")
	case m.st.Step != Undoing && m.st.Step != Returned:
		if err := m.step(ctx, Undoing); err != nil { // from here on it cannot go on forwards
			return err
		}
	}
	m.o.at(string(Undoing))
	if m.st.SwitchedAt == nil {
		return m.forget(ctx)
	}
	return m.lead(ctx)
}

// sentence says where the move stands, for people.
func (m *Mover) sentence() string {
	switch m.st.Step {
	case Prepared:
		return "The target has the tables, and no row of the tenant."
	case Journaled:
		return "What changes is written down from now on."
	case Copied:
		return fmt.Sprintf("%d rows are copied.", m.st.Rows)
	case Equal:
		return "The target equalled the source at one moment, by count and checksum of every table."
	case Switched:
		return fmt.Sprintf("The tenant has left the source; its writers waited %d ms.", m.st.Pause.Milliseconds())
	case Opened:
		return "The tenant lives in the target."
	case Proved:
		return "Both ends are equal but for what changed since. The source still has its rows: erase them, or undo."
	case Done:
		return "No row of the tenant is left in the source."
	}
	return "The move stands at " + string(m.st.Step) + "."
}

func (m *Mover) publish(ctx context.Context, place string, paused bool) error {
	if m.o.Routes == nil {
		return nil
	}
	err := m.o.Routes.Route(ctx, Route{Database: home(m.st), Tenant: m.id, Place: place, Paused: paused, Move: m.st.ID, Step: m.st.Step, By: m.o.By})
	if err != nil && !errors.Is(err, context.Canceled) {
		m.o.Log("The route is not published: " + err.Error())
	}
	return err
}
