package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/garant-project/garant/internal/app"
	"github.com/garant-project/garant/internal/directory"
)

type personCmd struct {
	Add  personAddCmd  `cmd:"" help:"Add a member of staff."`
	Link personLinkCmd `cmd:"" help:"Make a one-time link by which somebody signs in and registers a passkey."`
	List personListCmd `cmd:"" help:"List the staff."`
}

type personAddCmd struct {
	Email string `arg:"" help:"E-mail address."`
	Name  string `arg:"" help:"Name, as colleagues write it."`
	Role  string `help:"member (own tasks only), reader (reads), auditor (reads until a day), operator (also runs checks) or lead (everything)." default:"reader"`
	Until string `help:"Last day of an auditor's seat, as year-month-day; at most a year from now." placeholder:"DATE"`
}

// Help is shown below the flags.
func (*personAddCmd) Help() string {
	return `Example:
  garant person add claire@company.example "Claire Dubois" --role lead
  garant person add audit@firm.example "Auditor of the firm" --role auditor --until 2027-03-31`
}

func (p *personAddCmd) Run(ctx context.Context, c *cli, con console) error {
	role, err := app.ParseRole(p.Role)
	if err != nil {
		return err
	}
	return c.withGarant(ctx, con, func(g *app.Garant) error {
		person, err := g.AddPersonUntil(ctx, shell(), p.Email, p.Name, role, p.Until)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(con.out, "Added as %s. Give them a link to sign in with: garant person link %s\n", person.Role, p.Email)
		return err
	})
}

type personLinkCmd struct {
	Email   string `arg:"" help:"E-mail address of somebody who was added."`
	Recover bool   `help:"For somebody who lost their passkeys: ends their sessions elsewhere."`
}

// Help is shown below the flags.
func (*personLinkCmd) Help() string {
	return `Examples:
  garant person link claire@company.example
  garant person link claire@company.example --recover`
}

func (p *personLinkCmd) Run(ctx context.Context, c *cli, con console) error {
	return c.withGarant(ctx, con, func(g *app.Garant) error {
		purpose := directory.SignIn
		if p.Recover {
			purpose = directory.Recover
		}
		path, link, err := g.Link(ctx, shell(), p.Email, purpose)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(con.out, "%s%s\nWorks once, until %s.\n", g.ConsoleOrigin(), path, link.ExpiresAt.Local().Format("15:04"))
		return err
	})
}

type personListCmd struct {
	JSON bool `help:"Print JSON."`
}

func (p *personListCmd) Run(ctx context.Context, c *cli, con console) error {
	return c.withGarant(ctx, con, func(g *app.Garant) error {
		people, err := g.People(ctx, shell())
		if err != nil {
			return err
		}
		if p.JSON {
			return json.NewEncoder(con.out).Encode(map[string]any{"people": people})
		}
		for _, one := range people {
			state := ""
			if !one.Until.IsZero() {
				state = "until " + one.Until.UTC().Format(time.RFC3339)
			}
			if !one.DisabledAt.IsZero() {
				state = "disabled"
			}
			_, _ = fmt.Fprintf(con.out, "%-9s %-32s %s %s\n", one.Role, one.Email, one.Name, state)
		}
		if len(people) == 0 {
			_, _ = fmt.Fprintln(con.out, "Nobody yet. Add the first with garant person add EMAIL NAME --role lead.")
		}
		return nil
	})
}
