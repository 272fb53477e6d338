package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/garant-project/garant/internal/app"
	"github.com/garant-project/garant/internal/engine/scanner"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure"
)

type evidenceCmd struct {
	Import evidenceImportCmd `cmd:"" help:"Take a report of a scanner as evidence."`
}

type evidenceImportCmd struct {
	Name       string `arg:"" help:"The import, as garant.yaml names it."`
	File       string `arg:"" help:"The report; - is standard input."`
	ObservedAt string `help:"When the report was made, for one that does not say so itself (2026-03-01T04:00:00Z)." placeholder:"TIME"`
	JSON       bool   `help:"Print JSON."`
}

// Help is shown below the flags.
func (*evidenceImportCmd) Help() string {
	return `Reads a report of Prowler, Trivy, Steampipe or Powerpipe, SARIF 2.1.0, or the JSON described in docs/imports.md,
holds it to what garant.yaml declares under imports, and stores what it says of each measure.

Examples:
  garant evidence import cloud prowler-output.ocsf.json
  trivy image --format json registry.example/app | garant evidence import image -
  garant evidence import pipe benchmark.json --observed-at 2026-03-01T04:00:00Z

Exit code 3 when the report says that something is wrong, or does not decide.`
}

func (k *evidenceImportCmd) Run(ctx context.Context, c *cli, con console) error {
	given, err := scanner.ParseObserved(k.ObservedAt)
	if err != nil {
		return err
	}
	report := io.Reader(os.Stdin)
	if k.File != "-" {
		f, err := os.Open(k.File)
		if err != nil {
			reason := "it cannot be opened"
			if errors.Is(err, fs.ErrNotExist) {
				reason = "there is no such file"
			}
			return errs.New(errs.Invalid, "cli.report", "The report cannot be read: "+reason+".").WithFix("Check its path.")
		}
		defer func() { _ = f.Close() }()
		report = f
	}
	return c.withGarant(ctx, con, func(g *app.Garant) error {
		if err := g.RefuseDrift(ctx); err != nil {
			return err
		}
		results, err := g.Importer().Import(ctx, shell(), k.Name, report, given)
		if err != nil {
			return err
		}
		if err := g.Publisher.Publish(ctx); err != nil {
			return err
		}
		failed := 0
		for _, r := range results {
			if r.Finding.Outcome != measure.Pass {
				failed++
			}
			if !k.JSON {
				printResult(con, g, r)
				_, _ = fmt.Fprintf(con.out, "       %s\n", r.Finding.Source)
			}
		}
		if k.JSON {
			if err := json.NewEncoder(con.out).Encode(map[string]any{"results": scanner.TakenOf(results)}); err != nil {
				return err
			}
		}
		if failed > 0 {
			return &checkFailed{failed}
		}
		return nil
	})
}
