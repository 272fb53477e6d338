package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/garant-project/garant/internal/app"
	"github.com/garant-project/garant/internal/engine/register"
	"github.com/garant-project/garant/internal/errs"
	pages "github.com/garant-project/garant/internal/web/console"
)

type registerCmd struct {
	List   registerListCmd   `cmd:"" help:"List the registers and how many entries each has."`
	Import registerImportCmd `cmd:"" help:"Read a CSV file into a register: all of it, or nothing."`
	Export registerExportCmd `cmd:"" help:"Write a register as CSV."`
}

type registerListCmd struct {
	JSON bool `help:"Print JSON."`
}

func (l *registerListCmd) Run(ctx context.Context, c *cli, con console) error {
	return c.withGarant(ctx, con, func(g *app.Garant) error {
		counts, err := g.Registers.Counts(ctx)
		if err != nil {
			return err
		}
		type line struct {
			Key     string `json:"key"`
			Name    string `json:"name"`
			Entries int    `json:"entries"`
		}
		var lines []line
		for _, d := range g.Registers.Definitions() {
			lines = append(lines, line{d.Key, g.Words("en", "register."+d.Key+".title"), counts[d.Key]})
		}
		if l.JSON {
			return json.NewEncoder(con.out).Encode(map[string]any{"registers": lines})
		}
		for _, one := range lines {
			_, _ = fmt.Fprintf(con.out, "%-12s %-14s %6d\n", one.Key, one.Name, one.Entries)
		}
		return nil
	})
}

type registerImportCmd struct {
	Key    string `arg:"" help:"Register: persons, teams, sites, assets, documents or suppliers."`
	File   string `arg:"" help:"CSV file, or - for standard input."`
	DryRun bool   `help:"Say what is wrong with the file and save nothing."`
	JSON   bool   `help:"Print JSON."`
}

// Help is shown below the flags.
func (*registerImportCmd) Help() string {
	return `The first line names the columns, by their names in French or English or by their codes. The encoding and
the separator are found out and said. Each line that is wrong is named; nothing is saved unless all are right.

Examples:
  garant register import persons staff.csv --dry-run
  garant register import assets inventory.csv

Exit code 2 when a line is wrong.`
}

func (i *registerImportCmd) Run(ctx context.Context, c *cli, con console) error {
	content, err := readFile(i.File)
	if err != nil {
		return err
	}
	return c.withGarant(ctx, con, func(g *app.Garant) error {
		report, err := g.Registers.Import(ctx, shell(), i.Key, content, i.DryRun, g.Now())
		if err != nil {
			return err
		}
		if err := i.print(con, g, report); err != nil {
			return err
		}
		switch {
		case report.Bad > 0:
			return errs.New(errs.Invalid, "register.import.bad_lines", counted(report.Bad, "line is", "lines are")+" wrong; nothing was saved.").WithFix("Correct them and import the file again.")
		case report.Lines == 0:
			return errs.New(errs.Invalid, "register.import.empty", "The file has no entry.").WithFix("Put one entry on each line below the first.")
		}
		return nil
	})
}

func (i *registerImportCmd) print(con console, g *app.Garant, report register.Report) error {
	p := g.Messages.For("en", nil)
	type fault struct {
		Line    int    `json:"line"`
		Column  string `json:"column,omitempty"`
		Problem string `json:"problem"`
		Value   string `json:"value,omitempty"`
	}
	faults := []fault{}
	for _, f := range report.Faults {
		faults = append(faults, fault{f.Line, f.Column, p.T(f.ID, f.Args), f.Value})
	}
	if i.JSON {
		return json.NewEncoder(con.out).Encode(map[string]any{"lines": report.Lines, "encoding": report.Encoding, "separator": report.Separator,
			"imported": report.Imported, "bad": report.Bad, "faults": faults})
	}
	separator := report.Separator
	if separator == "\t" {
		separator = "tabs"
	}
	_, _ = fmt.Fprintf(con.out, "%s read, %s, separated by %s\n", counted(report.Lines, "line", "lines"), report.Encoding, separator)
	for _, f := range faults {
		_, _ = fmt.Fprintf(con.out, "  line %d, %s: %s", f.Line, f.Column, f.Problem)
		if f.Value != "" {
			_, _ = fmt.Fprintf(con.out, " (%s)", f.Value)
		}
		_, _ = fmt.Fprintln(con.out)
	}
	switch {
	case report.Imported > 0:
		_, _ = fmt.Fprintf(con.out, "%s saved\n", counted(report.Imported, "entry", "entries"))
	case report.Bad == 0:
		_, _ = fmt.Fprintln(con.out, "all lines are right; nothing was saved")
	}
	return nil
}

// readFile reads a file to import, up to a byte more than may be imported.
func readFile(path string) ([]byte, error) {
	in := os.Stdin
	if path != "-" {
		f, err := os.Open(path) //nolint:gosec // whoever types the command names the file
		if err != nil {
			return nil, errs.New(errs.NotFound, "register.file", "The file cannot be read.").WithFix("Check its name and that you may read it.").Wrap(err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	content, err := io.ReadAll(io.LimitReader(in, register.MaxImport+1))
	if err != nil {
		return nil, errs.New(errs.Unavailable, "register.file", "The file cannot be read to its end.").WithFix("Try again.").Wrap(err)
	}
	return content, nil
}

type registerExportCmd struct {
	Key  string `arg:"" help:"Register: persons, teams, sites, assets, documents or suppliers."`
	File string `arg:"" optional:"" help:"File to write; standard output unless told."`
	All  bool   `help:"Entries out of use too."`
}

// Help is shown below the flags.
func (*registerExportCmd) Help() string {
	return `Writes what garant register import reads. What a spreadsheet would take for a formula is made harmless.

Example:
  garant register export assets assets.csv --all`
}

func (e *registerExportCmd) Run(ctx context.Context, c *cli, con console) (err error) {
	return c.withGarant(ctx, con, func(g *app.Garant) (err error) {
		q := register.Query{}
		if e.All {
			q.State = register.Any
		}
		header, next, err := g.Registers.Export(ctx, shell(), e.Key, q, g.Now())
		if err != nil {
			return err
		}
		out := con.out
		if e.File != "" && e.File != "-" {
			f, err := os.OpenFile(e.File, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
			if err != nil {
				return errs.New(errs.Unavailable, "register.file", "The file cannot be written.").WithFix("Choose another one.").Wrap(err)
			}
			defer func() {
				if closing := f.Close(); err == nil {
					err = closing
				}
			}()
			out = f
		}
		w := csv.NewWriter(out)
		w.UseCRLF = true
		rows := [][]string{header}
		for len(rows) > 0 {
			for _, row := range rows {
				if err := w.Write(pages.Guarded(row)); err != nil {
					return err
				}
			}
			if rows, err = next(); err != nil {
				return err
			}
		}
		w.Flush()
		return w.Error()
	})
}
