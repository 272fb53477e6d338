package main

import (
	"context"
	"fmt"

	"github.com/garant-project/garant/internal/app"
)

type serveCmd struct{}

// Help is shown below the flags.
func (*serveCmd) Help() string {
	return `Starts the private PostgreSQL of the data directory (or goes to the one that garant.yaml names),
brings its schema up to date, and serves until it is told to stop (SIGINT, SIGTERM).

The log goes to standard error, one JSON line an event.`
}

func (*serveCmd) Run(ctx context.Context, c *cli, con console) error {
	g, err := app.Open(ctx, c.options(con, app.DefaultDataDir()))
	if err != nil && ctx.Err() != nil {
		return nil // told to stop while it started, and it has: no fault, and no start to look into
	}
	if err != nil {
		return err
	}
	defer g.Close(context.WithoutCancel(ctx))
	return g.Serve(ctx, func(a app.Addresses) {
		_, _ = fmt.Fprintf(con.out, "Console       %s\nPublic annex  %s\nPortal        %s\n", a.Console, a.Annex, a.Portal)
	})
}
