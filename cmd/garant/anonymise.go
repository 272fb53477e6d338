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
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/app"
	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/plan"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
)

type anonymiseCmd struct {
	Plan     anonymisePlanCmd     `cmd:"" help:"Propose what becomes of every column in a copy, or say what a migration needs; changes nothing in the database."`
	Run      anonymiseRunCmd      `cmd:"" help:"Copy a database so that nobody is in it, prove it, and serve it under its name."`
	Pull     anonymisePullCmd     `cmd:"" help:"Fill a database of your own with the published copy, or with a part of it in which all references hold."`
	Scan     anonymiseScanCmd     `cmd:"" help:"Look for the source's values in a copy, whoever made it; changes nothing."`
	List     anonymiseListCmd     `cmd:"" help:"List the databases of a copy: served, before, in the making."`
	Rollback anonymiseRollbackCmd `cmd:"" help:"Serve the copy before again."`
}

// copied are the flags that name a database and its plan.
type copied struct {
	Database string `help:"The database: env:NAME, file:/PATH, or a URL (others on this machine may see that one in the list of processes)." placeholder:"URL" xor:"source" required:""`
	Estate   string `help:"The database of this name in garant.yaml." placeholder:"NAME" xor:"source" required:""`
	File     string `help:"The plan (default: the one that garant.yaml names for --estate, else anonymise.yaml)." type:"path" placeholder:"FILE"`
}

// source gives the address of the database, and finds the plan where no file was named.
func (k *copied) source(c *cli, con console) (string, error) {
	var url string
	var err error
	if k.Database != "" {
		url, err = databaseURL(k.Database)
	} else {
		url, err = k.declared(c, con)
	}
	if k.File == "" {
		k.File = "anonymise.yaml"
	}
	return url, err
}

// declared gives the address of a database of garant.yaml: that of the copies' reader, where it says how copies are made, because the others need not see rows.
func (k *copied) declared(c *cli, con console) (string, error) {
	path := c.Config
	if path == "" {
		path = filepath.Join(c.options(con, app.DefaultDataDir()).DataDir, estate.FileName)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			path = estate.FileName
		}
	}
	source, dir, err := estate.ReadSource(path)
	if err != nil {
		return "", err
	}
	e, err := estate.Parse(source, dir)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(e.Databases, func(d estate.Database) bool { return d.Name == k.Estate })
	if i < 0 {
		return "", errs.New(errs.NotFound, "anonymise.no_database", "No database of garant.yaml has this name.").WithFix("Name one that stands under databases, or write --database env:NAME.")
	}
	made := e.Databases[i].Anonymised
	if made == nil {
		return e.Databases[i].URL.Reveal()
	}
	for name, content := range e.Files {
		if k.File == "" && bytes.Equal(content, made.Plan) {
			if k.File = name; !filepath.IsAbs(name) {
				k.File = filepath.Join(string(dir), name)
			}
		}
	}
	return made.Reader.Reveal()
}

// read reads the plan; nil when there is no such file.
func (k *copied) read() (*plan.Plan, error) {
	source, err := os.ReadFile(k.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, errs.New(errs.Invalid, "anonymise.plan", "The plan "+filepath.Base(k.File)+" cannot be read.").WithFix("See that it is a file that you may read.").Wrap(err)
	}
	p, err := plan.Load(filepath.Base(k.File), source)
	return &p, err
}

type anonymisePlanCmd struct {
	copied
	Diff      bool   `help:"Print the lines that the plan lacks, and write nothing; ends with 3 when there are any, or questions."`
	NoSamples bool   `help:"Do not look at rows: names, types, comments and constraints only."`
	Language  string `help:"Whose names and places a new plan takes: fr-FR, fr-BE, nl-BE, nl-NL, de-DE or en-GB." enum:"fr-FR,fr-BE,nl-BE,nl-NL,de-DE,en-GB" default:"fr-FR"`
	Country   string `help:"Of numbers without a country code, when not that of the language." placeholder:"BE"`
	Unlink    bool   `name:"unlinkable" help:"Also replace the keys, times, amounts and sentences by which somebody who can query production finds a row again."`
	JSON      bool   `help:"Print JSON."`
	ExitCode  bool   `help:"End with 3 when a copy could not be made with this plan."`
}

// Help is shown below the flags.
func (*anonymisePlanCmd) Help() string {
	return `Reads the catalogue in one read-only transaction, as any role that may connect, and a few rows of each
table that the role may read; what it reads it keeps to itself. The first time it writes anonymise.yaml; after that it
keeps every entry that still stands and adds what is new. Questions are yours: docs/anonymise.md says how.

Examples:
  garant anonymise plan --database env:DATABASE_URL --language fr-BE
  garant anonymise plan --database env:TEST_DATABASE_URL --no-samples --diff     in CI, on the migrated schema
  garant anonymise plan --estate production --diff
  garant anonymise plan --database env:DATABASE_URL --unlinkable                 so that the copy may be called anonymised

Exit code 3 with --diff or --exit-code when a copy could not be made with this plan; 2 when the plan has mistakes.`
}

// planProblem is a problem for JSON.
type planProblem struct {
	Code  plan.Code `json:"code"`
	Where string    `json:"where"`
	Line  int       `json:"line,omitempty"`
	Text  string    `json:"text"`
	YAML  string    `json:"yaml,omitempty"`
}

func (k *anonymisePlanCmd) Run(ctx context.Context, c *cli, con console) error {
	url, err := k.source(c, con)
	if err != nil {
		return err
	}
	before, err := k.read()
	if err != nil {
		return err
	}
	if before == nil && k.Diff {
		return errs.New(errs.NotFound, "anonymise.no_plan", "There is no plan "+filepath.Base(k.File)+" here.").WithFix("Run garant anonymise plan without --diff, which writes it, and read it.")
	}
	conn, err := dial(ctx, url, "garant anonymise")
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var db catalog.Database
	err = pg.Wrap(pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) (err error) {
		db, err = catalog.Read(ctx, tx)
		return err
	}))
	if err != nil {
		return err
	}
	var samples plan.Samples
	var skipped []plan.Skipped
	if !k.NoSamples {
		if samples, skipped, err = plan.Sample(ctx, conn, &db); err != nil {
			return err
		}
	}
	var next plan.Plan
	var problems []plan.Problem
	if before == nil {
		next = plan.Propose(&db, samples, plan.Options{Language: k.Language, Country: k.Country})
	} else {
		next, problems = plan.Diff(before, &db, samples)
	}
	written := false
	if !k.Diff {
		if k.Unlink {
			next, _ = plan.Unlink(&next, &db)
		}
		if content := next.Write(); before == nil || len(problems) > 0 || k.Unlink {
			if err := place(k.File, content); err != nil {
				return errs.New(errs.Invalid, "anonymise.write", "The plan cannot be written to "+filepath.Base(k.File)+".").WithFix("Name a file in a directory that you may write, with --file.").Wrap(err)
			}
			written = true
			if next, err = plan.Load(filepath.Base(k.File), content); err != nil { // with the lines as written
				return err
			}
		}
		problems = next.CheckSamples(&db, samples)
	}
	linked := next.Linked(&db)
	if k.Unlink {
		problems, linked = append(problems, linked...), nil
	}
	if k.JSON {
		out := []planProblem{}
		for _, p := range problems {
			out = append(out, planProblem{p.Code, p.Where(), p.Line, p.Text, p.YAML})
		}
		err = json.NewEncoder(con.out).Encode(map[string]any{"database": db.Name, "tables": len(db.Planned()), "written": written, "skipped": len(skipped), "problems": out, "linkable": len(linked)})
	} else {
		k.print(con.out, &db, problems, linked, skipped, written)
	}
	if err == nil && len(problems) > 0 && (k.Diff || k.ExitCode) {
		return &checkFailed{1}
	}
	return err
}

func (k *anonymisePlanCmd) print(out io.Writer, db *catalog.Database, problems, linked []plan.Problem, skipped []plan.Skipped, written bool) {
	pr := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) }
	file := filepath.Base(k.File)
	if len(problems) > 0 {
		pr("# Database %s, %s:\n", db.Name, file)
	}
	var table catalog.Name
	for _, p := range problems {
		at := ""
		if p.Line > 0 {
			at = fmt.Sprintf("%s:%d: ", file, p.Line)
		}
		pr("# %s%s: %s\n", at, p.Where(), strings.ReplaceAll(p.Text, "\n", " "))
		if p.YAML == "" {
			continue
		}
		if p.Code != plan.NewTable && p.Code != plan.Unmeasured && p.Table != table {
			pr("%s", plan.Heading(p.Table))
			table = p.Table
		}
		if p.Path != "" {
			pr("%s", plan.PathHeading(p.Column))
		}
		pr("%s", p.YAML)
	}
	if len(skipped) > 0 {
		pr("# No rows were looked at in %s, such as %s: %s\n", counted(len(skipped), "table", "tables"), skipped[0].Table, skipped[0].Why)
	}
	if len(linked) > 0 {
		pr("# Who can query production finds rows again by %s, such as %s: pseudonymised, not anonymised. --unlinkable takes that away.\n", counted(len(linked), "value", "values"), linked[0].Where())
	}
	switch {
	case written && len(problems) > 0:
		pr("# Wrote %s: %s. Read it, and answer: no copy is made before.\n", file, counted(len(problems), "question is left", "questions are left"))
	case written:
		pr("# Wrote %s. Read it: it says what becomes of every column.\n", file)
	case len(problems) == 0:
		pr("# Nothing to do: %s covers the database.\n", file)
	default:
		pr("# %s before a copy can be made.\n", counted(len(problems), "thing is to be settled", "things are to be settled"))
	}
}
