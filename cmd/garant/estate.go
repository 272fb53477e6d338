package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/garant-project/garant/internal/app"
	"github.com/garant-project/garant/internal/estate"
)

type estateCmd struct {
	Validate estateValidateCmd `cmd:"" help:"Read a garant.yaml and say what is wrong with it, line by line."`
	Apply    estateApplyCmd    `cmd:"" help:"Put a garant.yaml in force as a new version of the estate."`
	Show     estateShowCmd     `cmd:"" help:"Print the garant.yaml in force."`
}

type estateValidateCmd struct {
	File string `arg:"" help:"The garant.yaml to read." type:"path"`
	JSON bool   `help:"Print JSON."`
}

// Help is shown below the flags.
func (*estateValidateCmd) Help() string {
	return `Needs no database and changes nothing.

Example:
  garant estate validate garant.yaml && garant estate apply garant.yaml`
}

func (v *estateValidateCmd) Run(con console) error {
	source, dir, err := estate.ReadSource(v.File)
	if err != nil {
		return err
	}
	e, _, err := estate.Validate(source, dir)
	if err != nil {
		return err
	}
	if v.JSON {
		return json.NewEncoder(con.out).Encode(map[string]any{"valid": true, "company": e.Company.Name, "endpoints": len(e.Endpoints), "databases": len(e.Databases)})
	}
	_, err = fmt.Fprintf(con.out, "%s is valid: %s, %s, %s.\n", estate.FileName, e.Company.Name,
		counted(len(e.Endpoints), "endpoint", "endpoints"), counted(len(e.Databases), "database", "databases"))
	return err
}

type estateApplyCmd struct {
	File string `arg:"" optional:"" help:"The garant.yaml to apply (default: the one given by --config or in the data directory)." type:"path"`
	JSON bool   `help:"Print JSON."`
}

// Help is shown below the flags.
func (*estateApplyCmd) Help() string {
	return `Checks the file, stores it as a new version and has everything looked at anew.

A version that removes a target or weakens a threshold takes effect at once, but the public
annex says "scope reduced" on the measures concerned until a second person confirms it in the
console.`
}

func (a *estateApplyCmd) Run(ctx context.Context, c *cli, con console) error {
	if a.File != "" {
		c.Config = a.File
	}
	return c.withGarant(ctx, con, func(g *app.Garant) error {
		applied, err := g.ApplyEstate(ctx, shell())
		if err != nil {
			return err
		}
		if a.JSON {
			return json.NewEncoder(con.out).Encode(applied)
		}
		_, err = fmt.Fprint(con.out, applied.String())
		return err
	})
}

type estateShowCmd struct{}

func (*estateShowCmd) Run(ctx context.Context, c *cli, con console) error {
	return c.withGarant(ctx, con, func(g *app.Garant) error {
		source, err := g.EstateSource(ctx)
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(con.out, source)
		return err
	})
}
