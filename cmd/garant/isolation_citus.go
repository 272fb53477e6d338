package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/garant-project/garant/internal/engine/tenancy/scale"
	"github.com/garant-project/garant/internal/engine/tenancy/schema"
)

type isolationCitusCmd struct{ guarded }

// Help is shown below the flags.
func (*isolationCitusCmd) Help() string {
	return `Reads the catalogue in one read-only transaction and writes, from the manifest, the statements that would
spread the tables over the nodes of Citus by the tenant's key: tables of tenants by their column,
shared ones on every node, private ones where they are. It changes nothing, and names what Citus would
refuse. docs/scale.md says what of the isolation holds there, and what was not tried.

Examples:
  garant isolation citus --url env:DATABASE_URL
  garant isolation citus --url env:DATABASE_URL > distribute.sql

Exit code 0 when nothing is in the way, 3 when something is.`
}

// Run plans the distribution.
func (k *isolationCitusCmd) Run(ctx context.Context, con console) error {
	m, conn, done, err := k.declared(ctx)
	if err != nil {
		return err
	}
	defer done()
	db, err := schema.Read(ctx, conn)
	if err != nil {
		return err
	}
	d := scale.Citus(db, m)
	if k.JSON {
		if d.Obstacles == nil {
			d.Obstacles = []scale.Obstacle{}
		}
		if err := json.NewEncoder(con.out).Encode(d); err != nil {
			return err
		}
	} else {
		for _, n := range d.Notes {
			_, _ = fmt.Fprintln(con.out, "-- "+n)
		}
		for _, o := range d.Obstacles {
			_, _ = fmt.Fprintf(con.out, "-- IN THE WAY  %s: %s.\n--             %s\n", o.Relation, o.Found, o.Fix)
		}
		if len(d.Obstacles) == 0 {
			for _, sql := range d.Statements {
				_, _ = fmt.Fprintln(con.out, sql+";")
			}
		}
	}
	if len(d.Obstacles) > 0 {
		return &checkFailed{len(d.Obstacles)}
	}
	return nil
}
