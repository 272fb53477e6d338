package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/garant-project/garant/internal/annex"
	"github.com/garant-project/garant/internal/app"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/web/ui"
)

type annexCmd struct {
	Show     annexShowCmd     `cmd:"" help:"Print what the annex says now, and whether it is so."`
	Draft    annexDraftCmd    `cmd:"" help:"The company's own annex, as a private draft."`
	Diff     annexDiffCmd     `cmd:"" help:"Print what differs between two versions of the annex."`
	Submit   annexSubmitCmd   `cmd:"" help:"Submit the draft to a second person, who publishes it in the console."`
	Versions annexVersionsCmd `cmd:"" help:"List the published versions."`
}

type annexShowCmd struct {
	JSON bool   `help:"Print JSON."`
	Lang string `help:"Language of the sentences." enum:"fr,en" default:"en"`
	All  bool   `help:"Also print the measures that are not proven yet."`
}

// Help is shown below the flags.
func (*annexShowCmd) Help() string {
	return `Examples:
  garant annex show                    the measures that something proves or disproves
  garant annex show --all --lang fr    every measure, in French
  garant annex show --json`
}

func (a *annexShowCmd) Run(ctx context.Context, c *cli, con console) error {
	return c.withGarant(ctx, con, func(g *app.Garant) error {
		if err := g.Publisher.Publish(ctx); err != nil {
			return err
		}
		s, err := g.Annex(ctx)
		if err != nil {
			return err
		}
		if a.JSON {
			return json.NewEncoder(con.out).Encode(map[string]any{
				"company": s.Document.Company, "document": s.Hash, "version": s.Version, "since": s.Since, "measures": s.Details(g.Messages, g.Now()),
			})
		}
		a.print(con, g, s)
		return nil
	})
}

func (a *annexShowCmd) print(con console, g *app.Garant, s *annex.Snapshot) {
	printer := g.Messages.For(a.Lang, time.UTC)
	counts := map[measure.State]int{}
	for _, m := range s.Details(g.Messages, g.Now()) {
		counts[m.State]++
		if m.State == measure.Unproven && !a.All {
			continue
		}
		_, _ = fmt.Fprintf(con.out, "%-7s %s\n        %s\n", m.ID, printer.StateName(ui.State(m.State)), m.Sentence[a.Lang])
		if m.State != measure.Met {
			_, _ = fmt.Fprintf(con.out, "        %s\n", printer.T(m.Reason))
		}
	}
	for _, state := range ui.States() {
		if n := counts[measure.State(state)]; n > 0 {
			_, _ = fmt.Fprintf(con.out, "%4d  %s\n", n, printer.StateName(state))
		}
	}
}
