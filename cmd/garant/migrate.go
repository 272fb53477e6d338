package main

import (
	"context"
	"fmt"

	"github.com/garant-project/garant/internal/app"
	"github.com/garant-project/garant/internal/pg"
)

type migrateCmd struct {
	Roles bool `help:"Print the SQL that makes the database roles, for the administrator of an external PostgreSQL, and stop."`
}

// Help is shown below the flags.
func (*migrateCmd) Help() string {
	return `garant serve does the same at its start.

Examples:
  garant migrate --roles | psql --dbname=postgres    once, as the database's administrator
  garant migrate --config /etc/garant/garant.yaml`
}

func (m *migrateCmd) Run(ctx context.Context, c *cli, con console) error {
	if m.Roles {
		_, err := fmt.Fprint(con.out, pg.RolesSQL())
		return err
	}
	taken, err := app.Migrate(ctx, c.quiet(con, c.options(con, app.DefaultDataDir())))
	if err != nil {
		return err
	}
	for _, step := range taken {
		_, _ = fmt.Fprintln(con.out, "applied", step.Name)
	}
	_, err = fmt.Fprintln(con.out, "The schema is up to date.")
	return err
}
