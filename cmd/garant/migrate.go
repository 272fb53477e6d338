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
