package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/discover"
	"github.com/garant-project/garant/internal/engine/tenancy/apply"
	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/plan"
	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/sqlname"
)

type isolationCmd struct {
	Plan  isolationPlanCmd  `cmd:"" help:"Classify every table of a database and say what isolation needs of it; changes nothing in it."`
	Apply isolationApplyCmd `cmd:"" help:"Isolate a live database as a reviewed manifest says."`
	Undo  isolationUndoCmd  `cmd:"" help:"Take everything back that apply did."`

	Verify isolationVerifyCmd `cmd:"" help:"Hold a database to its manifest and attack it; changes nothing in it."`
	Checks isolationChecksCmd `cmd:"" help:"List what verify looks at, without a database."`

	Citus isolationCitusCmd `cmd:"" help:"Write the statements that spread the tables over the nodes of Citus; changes nothing."`
}

// guarded is how commands are told of a database.
type guarded struct {
	URL      string `name:"url" required:"" help:"The database: env:NAME, file:/PATH, or a URL (others on this machine may see that one in the list of processes)." placeholder:"URL"`
	Manifest string `help:"The manifest." default:"isolation.yaml" type:"path" placeholder:"FILE"`
	JSON     bool   `help:"Print JSON."`
}

// connect opens one connection. Its error says nothing of the URL.
func (g *guarded) connect(ctx context.Context) (*pgx.Conn, error) {
	return connect(ctx, g.URL, "garant isolation")
}

// connect opens one connection to a database as people write it, under a name that its administrators see. Its error says nothing of the URL.
func connect(ctx context.Context, written, application string) (*pgx.Conn, error) {
	d, _, err := discover.ReadDatabase(written)
	if err != nil {
		return nil, err
	}
	return dial(ctx, d.URL, application)
}

func dial(ctx context.Context, url, application string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errs.New(errs.Invalid, "cli.url", "The URL of the database cannot be read.").WithFix("Write postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full.")
	}
	config.RuntimeParams["application_name"] = application
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 10 * time.Second
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err = pg.Wrap(err); err == nil {
		return conn, nil
	}
	var e *errs.Error
	if errors.As(err, &e) {
		switch e.ID { // nobody tries again here, and the address was given by whoever reads this
		case "pg.unavailable":
			e.Fix = "See that it runs, and that host and port in the address are right and open from here."
		case "pg.refused":
			e.Fix = "Look at the name of the database and of the role in the address, at the role's password, its right to sign in and its line in pg_hba.conf."
		}
	}
	return nil, err
}

// read reads the manifest; nil when there is no such file.
func (g *guarded) read() (*manifest.Manifest, error) {
	source, err := os.ReadFile(g.Manifest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, errs.New(errs.Invalid, "isolation.manifest", "The manifest "+filepath.Base(g.Manifest)+" cannot be read.").WithFix("See that it is a file that you may read.").Wrap(err)
	}
	return manifest.Parse(source)
}

// needed reads a manifest that must be there.
func (g *guarded) needed() (*manifest.Manifest, error) {
	m, err := g.read()
	if err == nil && m == nil {
		return nil, errs.New(errs.NotFound, "isolation.no_manifest", "There is no manifest "+filepath.Base(g.Manifest)+" here.").WithFix("Run garant isolation plan --url URL, which writes it, and read it.")
	}
	return m, err
}

// declared reads a manifest that must be there and opens a connection to its database; done closes it.
func (g *guarded) declared(ctx context.Context) (m *manifest.Manifest, conn *pgx.Conn, done func(), err error) {
	if m, err = g.needed(); err != nil {
		return nil, nil, nil, err
	}
	if conn, err = g.connect(ctx); err != nil {
		return nil, nil, nil, err
	}
	return m, conn, func() { _ = conn.Close(context.WithoutCancel(ctx)) }, nil
}

type isolationPlanCmd struct {
	guarded
	Key      string   `help:"What tells tenants apart, when plan finds another: customer.organisation.id, or a column alone when tenants have no table." placeholder:"TABLE.COLUMN"`
	App      []string `help:"The role that the application signs in as; repeated." placeholder:"ROLE"`
	Design   string   `help:"pinned or statement, when not what applies here." enum:"pinned,statement," default:""`
	SQL      bool     `help:"Print the statements alone, as one script to read." name:"sql"`
	ExitCode bool     `help:"End with 3 when something is to be applied, decided or classified."`
}

// Help is shown below the flags.
func (*isolationPlanCmd) Help() string {
	return `Reads the catalogue in one read-only transaction, never a row, as any role that may connect. The first
time it writes isolation.yaml; after that it keeps every decision in it and adds what is new.

Examples:
  garant isolation plan --url env:DATABASE_URL
  garant isolation plan --url env:DATABASE_URL --key customer.organisation.id --app shop
  garant isolation plan --url env:DATABASE_URL --sql > to-read.sql`
}

// planned is the answer of plan, for JSON.
type planned struct {
	Database string      `json:"database"`
	Manifest string      `json:"manifest"`
	Written  bool        `json:"written"`
	Design   string      `json:"design"`
	Why      string      `json:"why"`
	Key      string      `json:"key"`
	Count    counts      `json:"relations"`
	Notes    []string    `json:"notes"`
	New      []string    `json:"new"`
	Changed  []string    `json:"changed"`
	Gone     []string    `json:"gone"`
	Refusals []string    `json:"refusals"`
	Steps    []plan.Step `json:"steps"`
	Advice   []string    `json:"advice"`
}

type counts struct {
	Tenant  int `json:"tenant"`
	Shared  int `json:"shared"`
	Private int `json:"private"`
}

func (k *isolationPlanCmd) Run(ctx context.Context, con console) error {
	before, err := k.read()
	if err != nil {
		return err
	}
	wish := plan.Wish{App: k.App, Design: k.Design}
	if k.Key != "" {
		if wish.Key, err = readKey(k.Key); err != nil {
			return err
		}
	}
	if before != nil && (k.Key != "" || len(k.App) > 0 || k.Design != "") {
		return errs.New(errs.Conflict, "isolation.decided", "The manifest "+filepath.Base(k.Manifest)+" has decided on the key, the application's role and the design already.").
			WithFix("Change them there, or name another file with --manifest.")
	}
	conn, err := k.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	db, err := schema.Read(ctx, conn)
	if err != nil {
		return err
	}
	p, err := plan.Propose(db, before, wish)
	if err != nil {
		return err
	}
	out := planned{Database: db.Name, Manifest: k.Manifest, Design: p.Manifest.Design, Why: p.Why, Key: strings.TrimPrefix(p.Manifest.Key.Table+"."+p.Manifest.Key.Column, "."),
		Notes: p.Notes, New: p.New, Changed: p.Changed, Gone: p.Gone, Advice: plan.Advice(db, p.Manifest)}
	for _, t := range p.Manifest.Tables {
		switch t.Class {
		case manifest.Tenant:
			out.Count.Tenant++
		case manifest.Shared:
			out.Count.Shared++
		default:
			out.Count.Private++
		}
	}
	if before == nil || len(p.New)+len(p.Gone) > 0 {
		if p.Manifest, err = write(k.Manifest, p.Manifest); err != nil { // with the lines as written
			return err
		}
		out.Written = true
	}
	out.Refusals = plan.Refusals(db, p.Manifest)
	filled, known, err := apply.Filled(ctx, conn)
	if err != nil {
		return err
	}
	if !known {
		out.Notes = append(out.Notes, "The record of what was applied (garant.applied) may not be read as "+db.Me+": an added column counts as filled where an index begins with it.")
	}
	version, err := apply.Version(ctx, conn, p.Manifest.Design)
	if err != nil {
		return err
	}
	out.Steps = plan.Steps(db, p.Manifest, version, filled)
	for _, list := range []*[]string{&out.Notes, &out.New, &out.Changed, &out.Gone, &out.Refusals, &out.Advice} {
		if *list == nil {
			*list = []string{} // a list in JSON, too
		}
	}
	switch {
	case k.JSON:
		err = json.NewEncoder(con.out).Encode(out)
	case k.SQL:
		printSQL(con.out, out.Steps)
	default:
		k.print(con.out, out, before == nil)
	}
	if err == nil && k.ExitCode && len(out.Steps)+len(out.Refusals)+len(out.New)+len(out.Gone)+len(out.Changed) > 0 {
		return &checkFailed{1}
	}
	return err
}

// readKey reads --key: schema.table.column, or a column alone.
func readKey(written string) (*manifest.Key, error) {
	if !strings.Contains(written, ".") {
		return &manifest.Key{Column: strings.Trim(written, `"`)}, nil
	}
	i := strings.LastIndex(written, ".")
	k := &manifest.Key{Table: written[:i], Column: strings.Trim(written[i+1:], `"`)}
	if _, _, ok := sqlname.Split(k.Table); !ok {
		return nil, errs.New(errs.Invalid, "isolation.key", "This is not the name of a column with its table and schema.").
			WithFix(`Write --key customer.organisation.id; names with capitals in double quotes: '"public"."Tenant".id'.`)
	}
	return k, nil
}

// write puts the manifest in its place whole or not at all, and returns it as it is read there.
func write(path string, m *manifest.Manifest) (*manifest.Manifest, error) {
	var b bytes.Buffer
	if err := m.Write(&b); err != nil {
		return nil, err
	}
	if err := place(path, b.Bytes()); err != nil {
		return nil, errs.New(errs.Invalid, "isolation.write", "The manifest cannot be written to "+filepath.Base(path)+".").WithFix("Name a file in a directory that you may write, with --manifest.").Wrap(err)
	}
	return manifest.Parse(b.Bytes())
}

func place(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".garant-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	if err == nil {
		err = f.Chmod(0o644) //nolint:gosec // names of tables, to be read and kept with the source
	}
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}

func (k *isolationPlanCmd) print(out io.Writer, p planned, first bool) {
	pr := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) }
	list := func(title string, lines []string) {
		if len(lines) > 0 {
			pr("\n%s\n", title)
		}
		for _, l := range lines {
			pr("  - %s\n", l)
		}
	}
	pr("Database %s: tenants are told apart by %s.\n", p.Database, p.Key)
	pr("Design %s. %s\n", p.Design, p.Why)
	pr("Relations: %d tenant, %d shared, %d private.\n", p.Count.Tenant, p.Count.Shared, p.Count.Private)
	list("Notes", p.Notes)
	list("New since the manifest (no right of the application until reviewed)", p.New)
	list("Changed since the manifest", p.Changed)
	list("Gone since the manifest", p.Gone)
	list("To be settled before apply", p.Refusals)
	if len(p.Steps) > 0 {
		pr("\nSteps of apply\n")
	}
	for i, s := range p.Steps {
		if i == 0 || p.Steps[i-1].Phase != s.Phase {
			if s.Phase == plan.Prepare {
				pr("\n  Preparing: the application notices nothing.\n")
			} else {
				pr("\n  Switching: from here on the application sees rows with a token only.\n")
			}
		}
		pr("\n  %d. %s\n", i+1, s.Title)
		for _, sql := range s.SQL {
			pr("       %s;\n", sql)
		}
		pr("     lock: %s\n     cost: %s\n     undo: %s\n", s.Lock, s.Cost, s.Back)
	}
	list("What apply cannot do for you", p.Advice)
	pr("\n")
	switch {
	case first:
		pr("Wrote %s. Read it, answer its doubts, and run this again.\n", p.Manifest)
	case p.Written:
		pr("Wrote %s again: what is new has a doubt to answer.\n", p.Manifest)
	case len(p.Steps) == 0 && len(p.Refusals) == 0:
		pr("Nothing to do: the database is as the manifest says.\n")
	case len(p.Refusals) == 0:
		pr("Nothing was changed. garant isolation apply --manifest %s does these %s.\n", p.Manifest, counted(len(p.Steps), "step", "steps"))
	default:
		pr("Nothing was changed. %s first.\n", counted(len(p.Refusals), "thing is to be settled", "things are to be settled"))
	}
}

func printSQL(out io.Writer, steps []plan.Step) {
	for _, s := range steps {
		_, _ = fmt.Fprintf(out, "-- %s\n-- lock: %s\n-- cost: %s\n", s.Title, s.Lock, s.Cost)
		for _, sql := range s.SQL {
			_, _ = fmt.Fprintf(out, "%s;\n", sql)
		}
		_, _ = fmt.Fprintln(out)
	}
}

type isolationApplyCmd struct {
	guarded
	Prepare     bool          `help:"Stop before the application notices anything."`
	LockTimeout time.Duration `help:"How long a step may make others wait for its lock." default:"2s"`
	Patience    time.Duration `help:"How long a step tries to get its lock." default:"10m"`
}

// Help is shown below the flags.
func (*isolationApplyCmd) Help() string {
	return `Does what garant isolation plan prints, on a live database: in short transactions, with a limit on
every lock, each step recorded with what takes it back. Cut off, it goes on where it was when run again.
It needs a connection of its own: not through a pooler in transaction mode.

Examples:
  garant isolation apply --url env:DATABASE_URL --prepare     everything the application does not notice
  garant isolation apply --url env:DATABASE_URL               all; the application then needs tokens

Exit code 2 when the manifest does not cover the database or has doubts that block; 6 while another
apply is at work; 7 when a lock was not to be had.`
}

func (k *isolationApplyCmd) Run(ctx context.Context, con console) error {
	m, conn, done, err := k.declared(ctx)
	if err != nil {
		return err
	}
	defer done()
	began := time.Now()
	n, err := apply.Run(ctx, conn, m, apply.Options{OnlyPrepare: k.Prepare, LockTimeout: k.LockTimeout, Patience: k.Patience, Report: reporter(con.out, k.JSON)})
	if err != nil {
		return err
	}
	if k.JSON {
		return json.NewEncoder(con.out).Encode(map[string]any{"kind": "end", "steps": n, "ms": time.Since(began).Milliseconds()})
	}
	switch {
	case n == 0:
		_, _ = fmt.Fprintln(con.out, "Nothing to do: the database is as the manifest says.")
	case k.Prepare:
		_, _ = fmt.Fprintf(con.out, "Prepared: %s in %s. The application notices nothing yet; without --prepare, apply switches it to tokens.\n", counted(n, "step", "steps"), time.Since(began).Round(time.Second))
	default:
		_, _ = fmt.Fprintf(con.out, "Isolated: %s in %s. garant isolation verify attacks it; garant isolation undo takes it back.\n", counted(n, "step", "steps"), time.Since(began).Round(time.Second))
	}
	return nil
}

// reporter prints what goes on: a line for each step, and while one lasts, at most one a second.
func reporter(out io.Writer, asJSON bool) func(apply.Event) {
	var last time.Time
	encoder := json.NewEncoder(out)
	return func(e apply.Event) {
		if e.Kind == apply.Progress && time.Since(last) < time.Second {
			return
		}
		last = time.Now()
		switch {
		case asJSON:
			_ = encoder.Encode(e)
		case e.Kind == apply.Begins:
			_, _ = fmt.Fprintf(out, "[%d/%d] %s\n", e.Number, e.Of, e.Text)
		case e.Kind == apply.Progress, e.Kind == apply.Waits:
			_, _ = fmt.Fprintf(out, "        %s\n", e.Text)
		}
	}
}

type isolationUndoCmd struct {
	URL         string        `name:"url" required:"" help:"The database: env:NAME, file:/PATH, or a URL." placeholder:"URL"`
	Yes         bool          `help:"Do it: without, undo says what it would do."`
	LockTimeout time.Duration `help:"How long a step may make others wait for its lock." default:"2s"`
	Patience    time.Duration `help:"How long a step tries to get its lock." default:"10m"`
	JSON        bool          `help:"Print JSON."`
}

// Help is shown below the flags.
func (*isolationUndoCmd) Help() string {
	return `Takes back what apply recorded in the database, the last first: policies, rights, keys, columns, and
schema garant with its keys where apply put it in. The application then sees every tenant's rows again.`
}

func (k *isolationUndoCmd) Run(ctx context.Context, con console) error {
	g := guarded{URL: k.URL}
	conn, err := g.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if !k.Yes {
		return k.show(ctx, con, conn)
	}
	n, err := apply.Undo(ctx, conn, apply.Options{LockTimeout: k.LockTimeout, Patience: k.Patience, Report: reporter(con.out, k.JSON)})
	if err != nil {
		return err
	}
	if k.JSON {
		return json.NewEncoder(con.out).Encode(map[string]any{"kind": "end", "steps": n})
	}
	if n == 0 {
		_, _ = fmt.Fprintln(con.out, "Nothing to undo: apply has recorded nothing in this database.")
		return nil
	}
	_, _ = fmt.Fprintf(con.out, "Taken back: %s. The database is as it was; nothing keeps tenants apart.\n", counted(n, "step", "steps"))
	return nil
}

func (k *isolationUndoCmd) show(ctx context.Context, con console, conn *pgx.Conn) error {
	taken, err := apply.Record(ctx, conn)
	if err != nil {
		return err
	}
	if k.JSON {
		return json.NewEncoder(con.out).Encode(map[string]any{"steps": taken})
	}
	for i, t := range taken {
		_, _ = fmt.Fprintf(con.out, "%d. Take back: %s\n", i+1, t.Title)
		for _, group := range t.Undo {
			for _, sql := range group {
				_, _ = fmt.Fprintf(con.out, "     %s;\n", sql)
			}
		}
	}
	if len(taken) == 0 {
		_, _ = fmt.Fprintln(con.out, "Nothing to undo: apply has recorded nothing in this database.")
		return nil
	}
	_, _ = fmt.Fprintln(con.out, "\nNothing was changed. With --yes these are taken back, and nothing keeps tenants apart any more.")
	return nil
}
