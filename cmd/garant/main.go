// Command garant runs the annex of technical and organisational measures: it enforces,
// checks and publishes them.
//
// Exit codes: 0 done; 1 a fault of ours; 2 what was given is not valid; 3 a check came out
// false or could not look; 4 not found; 5 not allowed; 6 in conflict with what is there;
// 7 something needed does not answer.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // due dates are in the company's zone, whatever the machine has

	"github.com/alecthomas/kong"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/app"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
)

type cli struct {
	Data    string `help:"Data directory: keys and the private database." placeholder:"DIR" env:"GARANT_DATA"`
	Config  string `help:"Settings and estate (default: garant.yaml in the data directory)." placeholder:"FILE" type:"path" env:"GARANT_CONFIG"`
	Verbose bool   `help:"Say more in the log." short:"v"`

	Init      initCmd      `cmd:"" help:"Look at what you name and propose a garant.yaml that explains itself."`
	Serve     serveCmd     `cmd:"" help:"Run the console, the public annex and the checks."`
	Demo      demoCmd      `cmd:"" help:"Run Garant with the example company, whose endpoints really answer."`
	Check     checkCmd     `cmd:"" help:"Run checks now and say what they saw."`
	Annex     annexCmd     `cmd:"" help:"Read the annex."`
	Evidence  evidenceCmd  `cmd:"" help:"Take reports of scanners as evidence."`
	Estate    estateCmd    `cmd:"" help:"Validate, apply and read garant.yaml, the systems under guard."`
	Migrate   migrateCmd   `cmd:"" help:"Bring the database's schema up to this build."`
	Isolation isolationCmd `cmd:"" help:"Let the database itself keep customers apart: plan, apply, verify, undo."`
	Anonymise anonymiseCmd `cmd:"" help:"Copies of a database for developers, in which nobody is found again."`
	Token     tokenCmd     `cmd:"" help:"Keys and sessions of guarded databases; tokens for development."`
	Tenant    tenantCmd    `cmd:"" help:"Move customers to databases of their own, and back."`
	Register  registerCmd  `cmd:"" help:"Import and export the registers."`
	Audit     auditCmd     `cmd:"" help:"The audit log: how it stands, verify it, have it go on after a restore."`
	Person    personCmd    `cmd:"" help:"Add staff and give them links to sign in with."`
	Witness   witnessCmd   `cmd:"" help:"Look from elsewhere at what a Garant announces, and sign what is so."`
	Version   versionCmd   `cmd:"" help:"Print the version of this program."`
}

// console is what commands write to.
type console struct {
	out, err io.Writer
}

const description = `Garant runs the annex of technical and organisational measures (GDPR Art. 32).

First steps:
  garant demo                      a company that does not exist, with endpoints that do
  garant init                      a draft of your own garant.yaml, from what your systems show
  garant estate validate FILE      is this garant.yaml right?
  garant check                     look now; exit code 3 when a check comes out false
  garant annex show                what the annex says, and whether it is so

Exit codes: 0 done, 1 our fault, 2 not valid, 3 a check came out false, 4 not found,
5 not allowed, 6 conflict, 7 something needed does not answer. garant audit verify has its own.`

func main() {
	noCore()
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	var c cli
	parser, err := kong.New(&c, kong.Name("garant"), kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 96}), kong.Writers(stdout, stderr),
		kong.UsageOnError(), kong.Exit(func(code int) { panic(exit(code)) }), kong.Vars{"faults": faults()})
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "garant:", err)
		return 1
	}
	return parse(parser, &c, args, console{stdout, stderr})
}

// exit is how kong ends the program after printing help.
type exit int

func parse(parser *kong.Kong, c *cli, args []string, con console) (code int) {
	defer func() {
		if p := recover(); p != nil {
			e, ok := p.(exit)
			if !ok {
				panic(p)
			}
			code = int(e)
		}
	}()
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if err != nil {
		_, _ = fmt.Fprintf(con.err, "garant: %v\nRun garant --help for the commands, or garant COMMAND --help for one.\n", err)
		return errs.ExitCode(errs.New(errs.Invalid, "cli.usage", ""))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	k.BindTo(ctx, (*context.Context)(nil))
	k.Bind(con)
	err = k.Run(c)
	return report(con, err)
}

// report prints an error for people and maps it to an exit code.
func report(con console, err error) int {
	if err == nil {
		return 0
	}
	var failed *checkFailed
	if errors.As(err, &failed) {
		return 3
	}
	var verified *auditOutcome
	if errors.As(err, &verified) {
		return verified.code
	}
	var list *estate.Problems
	if errors.As(err, &list) {
		_, _ = fmt.Fprintln(con.err, list.Error())
		return errs.ExitCode(err)
	}
	if lines := annexProblems(err); len(lines) > 0 {
		_, _ = fmt.Fprintln(con.err, strings.Join(lines, "\n"))
		return errs.ExitCode(err)
	}
	text, fix := errs.Sentence(err)
	_, _ = fmt.Fprintln(con.err, "garant: "+text)
	if fix != "" {
		_, _ = fmt.Fprintln(con.err, "        "+fix)
	}
	if errs.KindOf(err) == errs.Internal { // whoever types commands is who has to mend it
		_, _ = fmt.Fprintln(con.err, "        Cause: "+err.Error())
	}
	return errs.ExitCode(err)
}

// options are what every command that opens the store needs.
func (c *cli) options(con console, defaultDir string) app.Options {
	dir := c.Data
	if dir == "" {
		dir = defaultDir
	}
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	level := slog.LevelInfo
	if c.Verbose {
		level = slog.LevelDebug
	}
	return app.Options{
		DataDir: dir, Config: c.Config, Build: build(), Now: time.Now,
		Log: app.NewLogger(con.err, level),
	}
}

// quiet turns the log down for commands that print an answer and end.
func (c *cli) quiet(con console, o app.Options) app.Options {
	if !c.Verbose {
		o.Log = app.NewLogger(con.err, slog.LevelError+4)
	}
	return o
}

// withGarant opens the store for a command and closes it again.
func (c *cli) withGarant(ctx context.Context, con console, fn func(*app.Garant) error) error {
	g, err := app.Open(ctx, c.quiet(con, c.options(con, app.DefaultDataDir())))
	if err != nil {
		return err
	}
	defer g.Close(context.WithoutCancel(ctx))
	return fn(g)
}

// shell is who runs the command line: the account of the machine.
func shell() actor.Actor {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	a := actor.NewSystem("cli:" + name)
	a.Origin = "cli"
	return a
}
