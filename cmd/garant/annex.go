package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/garant-project/garant/internal/annex"
	"github.com/garant-project/garant/internal/app"
	"github.com/garant-project/garant/internal/measure"
	annexes "github.com/garant-project/garant/internal/measure/tailoring/console"
	"github.com/garant-project/garant/internal/pg"
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
		view, err := g.View(ctx)
		if err != nil {
			return err
		}
		if view.Private {
			return a.private(ctx, con, g, view)
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

// private prints the annex of a company that has not published it.
func (a *annexShowCmd) private(ctx context.Context, con console, g *app.Garant, view measure.View) error {
	known, err := measure.Load(ctx, g.DB.Pool(pg.Staff))
	if err != nil {
		return err
	}
	type line struct {
		ID       string            `json:"id"`
		State    measure.State     `json:"state"`
		Reason   string            `json:"reason"`
		Sentence map[string]string `json:"sentence"`
	}
	cat, figures := view.Registry.Catalogue, view.Registry.Figures(view.Estate)
	var lines []line
	for _, m := range cat.Measures {
		s := view.Registry.Derive(m.ID, view, known, g.Now())
		l := line{ID: m.ID, State: s.State, Reason: s.Reason, Sentence: map[string]string{}}
		for _, lang := range cat.Languages() {
			l.Sentence[lang] = annexes.Fill(g.Messages.For(lang, time.UTC), cat.Words(lang, m.ID).Sentence, figures, s.Facts)
		}
		lines = append(lines, l)
	}
	if a.JSON {
		return json.NewEncoder(con.out).Encode(map[string]any{"private": true, "measures": lines})
	}
	_, _ = fmt.Fprintln(con.out, "Private: no version is published. This is the draft.")
	printer, counts := g.Messages.For(a.Lang, time.UTC), map[measure.State]int{}
	for _, l := range lines {
		counts[l.State]++
		if l.State == measure.Unproven && !a.All {
			continue
		}
		a.line(con, printer, l.ID, l.State, l.Sentence[a.Lang], l.Reason)
	}
	a.counts(con, printer, counts)
	return nil
}

func (a *annexShowCmd) line(con console, printer *ui.Printer, id string, state measure.State, sentence, reason string) {
	_, _ = fmt.Fprintf(con.out, "%-7s %s\n        %s\n", id, printer.StateName(ui.State(state)), sentence)
	if state != measure.Met {
		_, _ = fmt.Fprintf(con.out, "        %s\n", printer.T(reason))
	}
}

func (a *annexShowCmd) counts(con console, printer *ui.Printer, counts map[measure.State]int) {
	for _, state := range ui.States() {
		if n := counts[measure.State(state)]; n > 0 {
			_, _ = fmt.Fprintf(con.out, "%4d  %s\n", n, printer.StateName(state))
		}
	}
}

func (a *annexShowCmd) print(con console, g *app.Garant, s *annex.Snapshot) {
	printer := g.Messages.For(a.Lang, time.UTC)
	counts := map[measure.State]int{}
	for _, m := range s.Details(g.Messages, g.Now()) {
		counts[m.State]++
		if m.State == measure.Unproven && !a.All {
			continue
		}
		a.line(con, printer, m.ID, m.State, m.Sentence[a.Lang], m.Reason)
	}
	a.counts(con, printer, counts)
}
