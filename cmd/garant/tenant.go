package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/garant-project/garant/internal/app"
	"github.com/garant-project/garant/internal/discover"
	"github.com/garant-project/garant/internal/engine/tenancy/move"
	"github.com/garant-project/garant/internal/engine/tenancy/residence"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/token"
)

type tenantCmd struct {
	Move   tenantMoveCmd   `cmd:"" help:"Move a customer to a database of its own, or back, and prove that nothing was lost."`
	Erase  tenantEraseCmd  `cmd:"" help:"Take the customer's rows out of the database that it left, once proved."`
	Undo   tenantUndoCmd   `cmd:"" help:"Lead a move back, with what the customer changed since."`
	Status tenantStatusCmd `cmd:"" help:"List the moves out of a database and how far they are."`
}

// ends are the two databases of a move, as commands are told of them.
type ends struct {
	Tenant   string `arg:"" help:"The customer's key, as the database has it." placeholder:"TENANT"`
	From     string `required:"" help:"The database that the customer lives in: env:NAME, file:/PATH, or a URL." placeholder:"URL"`
	To       string `required:"" help:"The database that it is to live in; empty, or the one that it came from." placeholder:"URL"`
	Manifest string `help:"The manifest." default:"isolation.yaml" type:"path" placeholder:"FILE"`
	FromName string `help:"What Garant's estate calls the first: with both names, applications are told where the customer lives." placeholder:"NAME"`
	ToName   string `help:"What Garant's estate calls the second." placeholder:"NAME"`
	BinDir   string `help:"Directory of pg_dump and pg_restore (default: PATH)." type:"path" placeholder:"DIR"`
	JSON     bool   `help:"Print JSON, one object at the end."`
}

// mover opens the move for fn. Where both ends have names in the estate, Garant's own database
// tells applications where the customer lives.
func (e *ends) mover(ctx context.Context, c *cli, con console, change func(*move.Options), fn func(*move.Mover) error) error {
	g := guarded{Manifest: e.Manifest}
	m, err := g.needed()
	if err != nil {
		return err
	}
	if (e.FromName == "") != (e.ToName == "") {
		return errs.New(errs.Invalid, "tenant.names", "One of the databases has a name, the other none.").
			WithFix("Write both, --from-name and --to-name, as the estate has them; or neither, when no application asks Garant.")
	}
	o := move.Options{Tenant: e.Tenant, Manifest: m, BinDir: e.BinDir, By: shell().ID, Log: func(line string) {
		if !e.JSON {
			_, _ = fmt.Fprintln(con.out, line)
		}
	}}
	for _, x := range []struct {
		given, name, word string
		into              *move.Place
	}{{e.From, e.FromName, "source", &o.From}, {e.To, e.ToName, "target", &o.To}} {
		d, _, err := discover.ReadDatabase(x.given)
		if err != nil {
			return err
		}
		*x.into = move.Place{Name: x.name, DSN: d.URL}
		if x.name == "" {
			x.into.Name = x.word
		}
	}
	if change != nil {
		change(&o)
	}
	carry := func() error {
		mover, err := move.Open(ctx, o)
		if err != nil {
			return err
		}
		defer mover.Close()
		if err := fn(mover); err != nil {
			return err
		}
		if e.JSON {
			return json.NewEncoder(con.out).Encode(stateJSON(mover.State()))
		}
		return nil
	}
	if e.FromName == "" {
		return carry()
	}
	return c.withGarant(ctx, con, func(g *app.Garant) error {
		view, err := g.View(ctx)
		if err != nil {
			return err
		}
		for _, name := range []string{e.FromName, e.ToName} {
			known := false
			if view.Estate != nil {
				_, known = view.Estate.Database(name)
			}
			if !known {
				return errs.New(errs.NotFound, "tenant.no_database", fmt.Sprintf("The estate has no database %q.", name)).
					WithFix("Declare it in garant.yaml, under databases, and apply that first.")
			}
		}
		o.Routes = &residence.Store{DB: g.DB, By: shell()}
		return carry()
	})
}

type tenantMoveCmd struct {
	ends
	Workers  int           `help:"Tables copied at once." default:"2"`
	MaxPause time.Duration `help:"Longest time that the customer's writes may wait; then they go on, and the switch is tried again." default:"10s"`
	Patience time.Duration `help:"How long a lock is tried for." default:"1m"`
	Design   string        `help:"Design of a new target, pinned or statement (default: the source's)." enum:",pinned,statement" default:""`
}

// Help is shown below the flags.
func (*tenantMoveCmd) Help() string {
	return `Copies the customer's rows under a snapshot, follows what changes meanwhile, compares both databases by
checksum, makes the customer's writes wait for a moment, and switches. Other customers notice nothing. Cut
off or killed at any time, it goes on where it was when run again. The rows stay where they were until
garant tenant erase; until then garant tenant undo leads back. To bring a customer back, exchange the two.

Examples:
  garant tenant move 0198c2c1-… --from env:SHARED_URL --to env:ACME_URL
  garant tenant move 0198c2c1-… --from env:SHARED_URL --to env:ACME_URL --from-name production --to-name acme
  garant tenant move 0198c2c1-… --from env:ACME_URL --to env:SHARED_URL          back

docs/dedicated-hosting.md says what the roles of both databases need.`
}

// Run moves.
func (k *tenantMoveCmd) Run(ctx context.Context, c *cli, con console) error {
	return k.mover(ctx, c, con, func(o *move.Options) {
		o.Workers, o.MaxPause, o.Patience, o.Design = k.Workers, k.MaxPause, k.Patience, token.Design(k.Design)
	},
		func(m *move.Mover) error { return m.Run(ctx) })
}

type tenantEraseCmd struct {
	ends
	RestorePoint string `required:"" help:"From what the rows could be brought back: the backup, or the point in time; recorded." placeholder:"TEXT"`
}

// Help is shown below the flags.
func (*tenantEraseCmd) Help() string {
	return `Compares both databases once more, then takes the customer's rows out of the one that they left, in
batches, until none is there. After that nothing leads back but the restore point.

Example:
  garant tenant erase 0198c2c1-… --from env:SHARED_URL --to env:ACME_URL --restore-point "backup 2026-11-27 02:00"`
}

// Run erases.
func (k *tenantEraseCmd) Run(ctx context.Context, c *cli, con console) error {
	return k.mover(ctx, c, con, nil, func(m *move.Mover) error { return m.Erase(ctx, k.RestorePoint) })
}

type tenantUndoCmd struct{ ends }

// Help is shown below the flags.
func (*tenantUndoCmd) Help() string {
	return `Until the rows are erased. The databases are named as they were for the move.

Example:
  garant tenant undo 0198c2c1-… --from env:SHARED_URL --to env:ACME_URL`
}

// Run undoes.
func (k *tenantUndoCmd) Run(ctx context.Context, c *cli, con console) error {
	return k.mover(ctx, c, con, nil, func(m *move.Mover) error {
		if err := m.Undo(ctx); err != nil {
			return err
		}
		if !k.JSON {
			_, _ = fmt.Fprintln(con.out, "The customer lives where it did before.")
		}
		return nil
	})
}

type tenantStatusCmd struct {
	From string `required:"" help:"The database that the moves lead out of: env:NAME, file:/PATH, or a URL." placeholder:"URL"`
	JSON bool   `help:"Print JSON."`
}

// Help is shown below the flags.
func (*tenantStatusCmd) Help() string {
	return `Example:
  garant tenant status --from env:SHARED_URL`
}

// Run lists.
func (k *tenantStatusCmd) Run(ctx context.Context, con console) error {
	d, _, err := discover.ReadDatabase(k.From)
	if err != nil {
		return err
	}
	moves, err := move.List(ctx, move.Place{Name: "source", DSN: d.URL})
	if err != nil {
		return err
	}
	if k.JSON {
		all := []moveJSON{}
		for _, s := range moves {
			all = append(all, stateJSON(s))
		}
		return json.NewEncoder(con.out).Encode(all)
	}
	if len(moves) == 0 {
		_, _ = fmt.Fprintln(con.out, "No customer was moved out of this database.")
	}
	for _, s := range moves {
		printMove(con.out, s)
	}
	return nil
}

func printMove(out io.Writer, s move.State) {
	_, _ = fmt.Fprintf(out, "%s  %s → %s  %s", s.Tenant, s.From, s.To, s.Step)
	if s.SwitchedAt != nil {
		_, _ = fmt.Fprintf(out, "  switched %s, writes waited %d ms", s.SwitchedAt.UTC().Format("2006-01-02 15:04:05"), s.Pause.Milliseconds())
	}
	if s.Restore != "" {
		_, _ = fmt.Fprintf(out, "  restore point: %s", s.Restore)
	}
	_, _ = fmt.Fprintln(out)
}

// moveJSON is a move as programs read it.
type moveJSON struct {
	ID         string     `json:"id"`
	Tenant     string     `json:"tenant"`
	From       string     `json:"from"`
	To         string     `json:"to"`
	Step       move.Step  `json:"step"`
	Rows       int64      `json:"rows"`
	StartedAt  time.Time  `json:"started_at"`
	SwitchedAt *time.Time `json:"switched_at,omitempty"`
	PauseMS    int64      `json:"pause_ms"`
	Proof      []move.Sum `json:"proof"`
	Restore    string     `json:"restore_point,omitempty"`
	FinishedAt *time.Time `json:"finished_at,omitempty"`
}

func stateJSON(s move.State) moveJSON {
	return moveJSON{ID: s.ID.String(), Tenant: s.Tenant, From: s.From, To: s.To, Step: s.Step, Rows: s.Rows, StartedAt: s.StartedAt,
		SwitchedAt: s.SwitchedAt, PauseMS: s.Pause.Milliseconds(), Proof: s.Proof, Restore: s.Restore, FinishedAt: s.FinishedAt}
}
