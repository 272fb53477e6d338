package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/garant-project/garant/internal/discover"
	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/verify"
)

type isolationVerifyCmd struct {
	URL      string        `name:"url" required:"" help:"The database: env:NAME, file:/PATH, or a URL (others on this machine may see that one in the list of processes)." placeholder:"URL"`
	Manifest string        `help:"The manifest." default:"isolation.yaml" type:"path" placeholder:"FILE"`
	AppURL   string        `name:"app-url" help:"The same database as the application reaches it, through its pooler if it has one." placeholder:"URL"`
	Scratch  bool          `help:"Also try what writes, on a scratch copy without rows that is made here and thrown away."`
	Format   string        `help:"text, json or sarif." enum:"text,json,sarif" default:"text"`
	FailOn   string        `help:"The least severity that counts for the exit code: critical, high, medium or low." enum:"critical,high,medium,low" default:"low"`
	Timeout  time.Duration `help:"How long the whole may take; then nothing is said of the database." default:"60s"`
}

// Help is shown below the flags.
func (*isolationVerifyCmd) Help() string {
	return `Holds the database to its manifest: reads the catalogue in one read-only transaction, and tries as the
application's role what an attacker would try, in transactions for reading that are rolled back. With
--scratch it also tries what writes, on a copy of the schema with two tenants that do not exist, in a
PostgreSQL of its own on this machine. Nothing is left behind.

Examples:
  garant isolation verify --url env:DATABASE_URL
  garant isolation verify --url env:DATABASE_URL --app-url env:APP_DATABASE_URL --scratch
  garant isolation verify --url env:DATABASE_URL --scratch --format sarif > isolation.sarif

Exit code 0 when every check passed; 3 when one came out false or could not look; 2 when what was given is
not valid; 7 when the database does not answer, the copy cannot be made or time ran out.`
}

func (k *isolationVerifyCmd) Run(ctx context.Context, con console) error {
	g := guarded{Manifest: k.Manifest}
	m, err := g.needed()
	if err != nil {
		return err
	}
	o := verify.Options{Manifest: m, Scratch: k.Scratch, Timeout: k.Timeout}
	for _, x := range []struct {
		given string
		into  *string
	}{{k.URL, &o.URL}, {k.AppURL, &o.AppURL}} {
		if x.given == "" {
			continue
		}
		d, _, err := discover.ReadDatabase(x.given)
		if err != nil {
			return err
		}
		*x.into = d.URL
	}
	report, err := verify.Run(ctx, o)
	if err != nil {
		return err
	}
	if err := k.print(con, report, m); err != nil {
		return err
	}
	if report.Clean(verify.Severity(k.FailOn)) {
		return nil
	}
	failed, _ := report.Count(verify.Fail)
	blind, _ := report.Count(verify.Error)
	return &checkFailed{failed + blind}
}

func (k *isolationVerifyCmd) print(con console, r *verify.Report, m *manifest.Manifest) error {
	switch k.Format {
	case "json":
		type answer struct {
			*verify.Report
			Clean bool `json:"clean"`
		}
		encoder := json.NewEncoder(con.out)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(answer{r, r.Clean(verify.Severity(k.FailOn))})
	case "sarif":
		return r.WriteSARIF(con.out, m, filepath.Base(k.Manifest), build())
	}
	return r.WriteText(con.out)
}

type isolationChecksCmd struct {
	JSON bool `help:"Print one JSON array."`
}

// Help is shown below the flags.
func (*isolationChecksCmd) Help() string {
	return `Lists what garant isolation verify looks at, without a database.`
}

func (k *isolationChecksCmd) Run(con console) error {
	checks := verify.Checks()
	if k.JSON {
		encoder := json.NewEncoder(con.out)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(checks)
	}
	for _, severity := range verify.Severities() {
		of := slices.DeleteFunc(slices.Clone(checks), func(c verify.Check) bool { return c.Severity != severity })
		_, _ = fmt.Fprintf(con.out, "%s (%d)\n", severity, len(of))
		for _, c := range of {
			kind := string(c.Kind)
			if c.Scratch {
				kind = "probe, on a scratch copy"
			}
			_, _ = fmt.Fprintf(con.out, "  %-36s %s [%s]\n", c.ID, c.Title, kind)
		}
	}
	return nil
}
