package main

import (
	"context"
	"fmt"

	"github.com/garant-project/garant/internal/app"
	"github.com/garant-project/garant/internal/discover"
	"github.com/garant-project/garant/internal/engine/tenancy/verify"
	"github.com/garant-project/garant/internal/pg"
)

type migrateCmd struct {
	Roles  bool   `help:"Print the SQL that makes the database roles, for the administrator of an external PostgreSQL, and stop."`
	Guard  string `help:"env:NAME or file:PATH with the address of the administrator of an external PostgreSQL: put Garant's own database under guard, and stop."`
	Verify bool   `help:"Hold Garant's own database to what customers may read there."`
}

// Help is shown below the flags.
func (*migrateCmd) Help() string {
	return `garant serve does the same at its start.

Examples:
  garant migrate --roles | psql --dbname=postgres    once, as the database's administrator
  garant migrate --config /etc/garant/garant.yaml
  garant migrate --guard env:ADMIN_URL               then, as the same administrator; a private cluster does not need it
  garant migrate --verify                            exit code 3 when a check came out false or could not look`
}

func (m *migrateCmd) Run(ctx context.Context, c *cli, con console) error {
	if m.Roles {
		_, err := fmt.Fprint(con.out, pg.RolesSQL())
		return err
	}
	if m.Guard != "" {
		d, _, err := discover.ReadDatabase(m.Guard)
		if err != nil {
			return err
		}
		if err := app.Guard(ctx, d.URL); err != nil {
			return err
		}
		_, err = fmt.Fprintln(con.out, "Garant’s own database is under guard.")
		return err
	}
	o := c.quiet(con, c.options(con, app.DefaultDataDir()))
	taken, err := app.Migrate(ctx, o)
	if err != nil {
		return err
	}
	for _, step := range taken {
		_, _ = fmt.Fprintln(con.out, "applied", step.Name)
	}
	if _, err = fmt.Fprintln(con.out, "The schema is up to date."); err != nil || !m.Verify {
		return err
	}
	report, err := app.VerifyOwn(ctx, o)
	if err != nil {
		return err
	}
	if err := report.WriteText(con.out); err != nil || report.Clean(verify.Low) {
		return err
	}
	failed, _ := report.Count(verify.Fail)
	blind, _ := report.Count(verify.Error)
	return &checkFailed{failed + blind}
}
