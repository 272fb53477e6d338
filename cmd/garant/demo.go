package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/app"
	"github.com/garant-project/garant/internal/demo"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure"
)

type demoCmd struct {
	Start  demoRunCmd   `cmd:"" default:"withargs" name:"run" help:"Start the example (this is what garant demo does)."`
	Break  demoBreakCmd `cmd:"" help:"Give an endpoint, the database of customers (production), the developers' copy (copies), the audit log (record) or its second account (second-account) a fault, and watch sentences withdraw themselves."`
	Mend   demoMendCmd  `cmd:"" help:"Make what was broken in the running example sound again."`
	Status demoListCmd  `cmd:"" help:"Say what is broken in the running example, and by which fault."`
	Shell  demoShellCmd `cmd:"" help:"Open psql on the running example's database of customers, as its application or as a superuser, or on the developers' copy."`
}

type demoRunCmd struct {
	Once  bool          `help:"Run every check once, print what the annex says, and end."`
	JSON  bool          `help:"With --once: print JSON and nothing else." name:"json"`
	Every time.Duration `default:"5s" help:"How often the example's systems are looked at: often, so that a sentence is seen to withdraw itself; seldom spares a small machine."`
	Arena bool          `help:"Also open the arena: the application's database password, a login of one customer, a prize of the other."`
}

// Help is shown below the flags.
func (*demoRunCmd) Help() string {
	return `Starts a company that does not exist, with endpoints that really answer on 127.0.0.1, and a
Garant that guards it. One endpoint has a deliberate fault, which the annex shows.

  garant demo                        until Ctrl-C
  garant demo break application tls10
  garant demo mend application
  garant demo break production developer-grant
  garant demo break copies new-column
  garant demo break record edited-entry
  garant demo --arena                let anybody attack it
  garant demo shell                  psql, as the application
  garant demo --once --json --data DIR

GARANT_DEMO_PORTS=free in the environment makes a new example choose free ports instead of the usual.`
}

// Help is shown below the flags.
func (*demoCmd) Help() string {
	return `garant demo alone starts the example; garant demo run --help lists its flags.

Examples:
  garant demo                        until Ctrl-C
  garant demo break application tls10
  garant demo mend application
  garant demo --arena                let anybody attack it
  garant demo shell                  psql, as the application
  garant demo --once --json --data DIR`
}

func demoDir() string { return filepath.Join(filepath.Dir(app.DefaultDataDir()), "garant-demo") }

func (d *demoRunCmd) Run(ctx context.Context, c *cli, con console) error {
	o := c.options(con, demoDir())
	if d.Once {
		o = c.quiet(con, o)
	}
	example, err := app.OpenDemo(ctx, o, d.Every, d.Arena)
	if err != nil {
		return err
	}
	defer example.Close(context.WithoutCancel(ctx))
	if d.Once {
		return d.once(ctx, con, example)
	}
	if err := example.Control(); err != nil {
		return err
	}
	application, err := example.OpenApplication(ctx)
	if err != nil {
		return err
	}
	attack := ""
	if d.Arena {
		open, err := example.OpenArena(ctx)
		if err != nil {
			return err
		}
		attack = fmt.Sprintf("\n  Arena          %s\n                 %s\n", open.Origin, open.Recipe)
	}
	link, err := example.SignInLink(ctx)
	if err != nil {
		return err
	}
	same := ""
	if o.DataDir != demoDir() {
		same = "   (give the commands above the same --data)"
	}
	return example.Serve(ctx, func(a app.Addresses) {
		defer example.CompleteLater(ctx)
		signIn := "with the passkey that you registered"
		if link != "" {
			signIn = a.Console + link
		}
		_, _ = fmt.Fprintf(con.out, `
Garant is running with its example company, Ardoise Mécénat (which does not exist).

  Public annex   %s
  Console        %s
  Portal         %s   (a customer’s own activity log: open it from the application)
  Sign in once   %s
  Application    %s   (three customers, one in a database of its own; its login, %s, asks for no password)
  Developers     garant demo shell --copy   (psql on an anonymised copy, made again every minute)
%s
  Break something:  garant demo break application tls10
  Mend it:          garant demo mend application
  Take a wall down: garant demo break production dropped-policy
  Spoil the copy:   garant demo break copies leak
  Falsify the log:  garant demo break record edited-entry
  Cut off its copy: garant demo break second-account down
  Mail, as files:   %s
  Data:             %s%s
  Stop:             Ctrl-C

`, a.Annex, a.Console, a.Portal, signIn, application.Origin, application.Pages, attack, example.Company.Outbox(), o.DataDir, same)
	})
}

func (d *demoRunCmd) once(ctx context.Context, con console, example *app.Demo) error {
	if err := example.Complete(ctx); err != nil {
		return err
	}
	stop, err := example.Alive(ctx)
	if err != nil {
		return err
	}
	defer stop()
	if err := example.Look(ctx, actor.NewSystem("demo")); err != nil {
		return err
	}
	s, err := example.Annex(ctx)
	if err != nil {
		return err
	}
	list := s.List(example.Messages, example.Now())
	if d.JSON {
		return json.NewEncoder(con.out).Encode(map[string]any{"measures": list})
	}
	for _, m := range list {
		if m.State != measure.Unproven {
			_, _ = fmt.Fprintf(con.out, "%-8s %-8s %s\n", m.ID, m.State, m.Sentence["en"])
		}
	}
	return nil
}

type demoBreakCmd struct {
	Endpoint string `arg:"" help:"Its name, as garant demo status prints it."`
	Fault    string `arg:"" help:"What to break. ${faults}."`
}

func (b *demoBreakCmd) Run(c *cli, con console) error {
	return order(c, con, demo.Order{Do: "break", Endpoint: b.Endpoint, Fault: b.Fault})
}

type demoMendCmd struct {
	Endpoint string `arg:"" help:"Its name, as garant demo status prints it."`
}

func (m *demoMendCmd) Run(c *cli, con console) error {
	return order(c, con, demo.Order{Do: "mend", Endpoint: m.Endpoint})
}

type demoShellCmd struct {
	Copy      bool     `help:"In the developers' anonymised copy, as a developer, with what Garant issued." xor:"who"`
	Superuser bool     `xor:"who" help:"As the cluster's superuser, for whom no row is hidden; else as the application, with its password."`
	Args      []string `arg:"" optional:"" passthrough:"" help:"Further arguments of psql."`
}

// Help is shown below the flags.
func (*demoShellCmd) Help() string {
	return `Runs psql, which comes with PostgreSQL.

Examples:
  garant demo shell
  garant demo shell --superuser
  garant demo shell --copy
  garant demo shell -- -c 'SELECT count(*) FROM customer.application'`
}

// Run lets psql take this terminal, and ends as it does.
func (s *demoShellCmd) Run(ctx context.Context, c *cli, con console) error {
	a, err := demo.Send(app.DemoDir(c.options(con, demoDir()).DataDir), demo.Order{Do: "shell", Superuser: s.Superuser, Copy: s.Copy})
	if err != nil {
		return err
	}
	psql, err := exec.LookPath("psql")
	if err != nil {
		return errs.New(errs.Unavailable, "demo.no_psql", "psql is not there.").WithFix("Install PostgreSQL's client (Debian: postgresql-client), or connect with: " + a.Connect).Wrap(err)
	}
	cmd := exec.CommandContext(ctx, psql, append([]string{a.Connect}, slices.DeleteFunc(s.Args, func(arg string) bool { return arg == "--" })...)...) //nolint:gosec // what the running example says, and what was typed
	cmd.Env = os.Environ()
	if a.Password != "" {
		cmd.Env = append(cmd.Env, "PGPASSWORD="+a.Password)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, con.out, con.err
	cmd.Cancel = func() error { return nil } // Ctrl-C is psql's
	if err := cmd.Run(); err != nil {
		return errs.New(errs.Unavailable, "demo.psql", "psql ended with an error.").WithFix("It said why above.").Wrap(err)
	}
	return nil
}

type demoListCmd struct{}

func (*demoListCmd) Run(c *cli, con console) error { return order(c, con, demo.Order{Do: "list"}) }

func order(c *cli, con console, o demo.Order) error {
	answer, err := demo.Send(app.DemoDir(c.options(con, demoDir()).DataDir), o)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(con.out, answer)
	return err
}

func faults() string { return strings.Join(demo.FaultsByName(), "; ") }
