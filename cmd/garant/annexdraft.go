package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/app"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/measure/tailoring"
)

type annexDraftCmd struct {
	Show   annexDraftShowCmd   `cmd:"" help:"Print where the draft stands and what it changes."`
	Import annexDraftImportCmd `cmd:"" help:"Put an annex.yaml in the place of the draft."`
	Export annexDraftExportCmd `cmd:"" help:"Print the draft as annex.yaml."`
}

type annexDraftShowCmd struct{}

func (*annexDraftShowCmd) Run(ctx context.Context, c *cli, con console) error {
	return c.withGarant(ctx, con, func(g *app.Garant) error {
		draft, err := g.Book.Draft(ctx)
		if err != nil {
			return err
		}
		if draft.Revision == 0 {
			_, err := fmt.Fprintln(con.out, "Nobody has begun a draft: the annex is the catalogue as it comes.")
			return err
		}
		_, _ = fmt.Fprintf(con.out, "Draft, revision %d, by %s on %s.\n", draft.Revision, draft.EditedBy, draft.EditedAt.UTC().Format(time.DateTime))
		last, err := g.Book.Last(ctx)
		if err != nil {
			return err
		}
		if last != nil && last.Decision == nil {
			_, _ = fmt.Fprintf(con.out, "Revision %d waits for its review, submitted by %s.\n", last.Draft.Revision, last.By)
		}
		return printDiff(ctx, con, g, "", "draft")
	})
}

type annexDraftImportCmd struct {
	File string `arg:"" help:"The annex.yaml to read; - for standard input."`
}

// Help is shown below the flags.
func (*annexDraftImportCmd) Help() string {
	return `The whole text is checked first, line by line; one that is wrong changes nothing.

Example:
  garant annex draft export > annex.yaml && $EDITOR annex.yaml && garant annex draft import annex.yaml`
}

func (a *annexDraftImportCmd) Run(ctx context.Context, c *cli, con console) error {
	text, err := readAnnex(a.File)
	if err != nil {
		return err
	}
	return c.withGarant(ctx, con, func(g *app.Garant) error {
		before, err := g.Book.Draft(ctx)
		if err != nil {
			return err
		}
		draft, err := g.Book.Edit(ctx, shell(), before.Revision, text)
		if err != nil {
			return err
		}
		if draft.Revision == before.Revision {
			_, err = fmt.Fprintln(con.out, "The draft says that already: nothing changed.")
			return err
		}
		_, err = fmt.Fprintf(con.out, "The draft is at revision %d. Nothing is public before a review: garant annex submit.\n", draft.Revision)
		return err
	})
}

// readAnnex reads a text that is no larger than a draft may be.
func readAnnex(file string) (string, error) {
	in := io.Reader(os.Stdin)
	if file != "-" {
		f, err := os.Open(file) //nolint:gosec // named by who types the command
		if err != nil {
			return "", errs.New(errs.NotFound, "cli.no_file", "There is no such file, or it cannot be read.").WithFix("Name an annex.yaml, or - for standard input.")
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	const most = 1 << 20
	b, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return "", errs.New(errs.Unavailable, "cli.read", "The file cannot be read to its end.").Wrap(err)
	}
	return strings.ReplaceAll(string(b), "\r\n", "\n"), nil
}

type annexDraftExportCmd struct{}

func (*annexDraftExportCmd) Run(ctx context.Context, c *cli, con console) error {
	return c.withGarant(ctx, con, func(g *app.Garant) error {
		draft, err := g.Book.Draft(ctx)
		if err != nil {
			return err
		}
		_, err = io.WriteString(con.out, draft.Text)
		return err
	})
}

type annexDiffCmd struct {
	From string `help:"Number of a version, draft, or catalogue (default: the published version)." placeholder:"VERSION"`
	To   string `help:"Number of a version, or draft." default:"draft" placeholder:"VERSION"`
}

// Help is shown below the flags.
func (*annexDiffCmd) Help() string {
	return `Examples:
  garant annex diff                     what the draft changes of the published annex
  garant annex diff --from 1 --to 2     what version 2 changed
  garant annex diff --from catalogue    everything that is your own`
}

func (a *annexDiffCmd) Run(ctx context.Context, c *cli, con console) error {
	return c.withGarant(ctx, con, func(g *app.Garant) error { return printDiff(ctx, con, g, a.From, a.To) })
}

// annexText is the text of a version, of the draft or of none.
func annexText(ctx context.Context, g *app.Garant, which string) (string, error) {
	switch which {
	case "":
		v, err := g.Book.Published(ctx)
		if errs.Is(err, errs.NotFound) {
			return "", nil
		}
		return v.Text, err
	case "catalogue":
		return "", nil
	case "draft":
		d, err := g.Book.Draft(ctx)
		return d.Text, err
	}
	number, err := strconv.ParseInt(which, 10, 64)
	if err != nil {
		return "", errs.New(errs.Invalid, "cli.version", "This is not the number of a version.").WithFix("Run garant annex versions to see them.")
	}
	v, err := g.Book.Version(ctx, number)
	return v.Text, err
}

func printDiff(ctx context.Context, con console, g *app.Garant, from, to string) error {
	var cats [2]*catalogue.Catalogue
	for i, which := range []string{from, to} {
		text, err := annexText(ctx, g, which)
		if err != nil {
			return err
		}
		if cats[i], err = g.Book.Tailor(text); err != nil {
			return err
		}
	}
	changes := tailoring.Diff(cats[0], cats[1])
	if len(changes) == 0 {
		_, err := fmt.Fprintln(con.out, "Nothing differs.")
		return err
	}
	for _, d := range changes {
		name := d.Field
		for _, part := range []string{d.Name, d.Lang} {
			if part != "" {
				name += " " + part
			}
		}
		if d.Measure != "" {
			name = d.Measure + " " + name
		}
		_, _ = fmt.Fprintf(con.out, "%-12s %s\n", d.Effect, name)
		for _, side := range []struct{ sign, text string }{{"-", d.Before}, {"+", d.After}} {
			if side.text != "" {
				_, _ = fmt.Fprintf(con.out, "             %s %s\n", side.sign, shown(d, side.text))
			}
		}
	}
	return nil
}

// shown writes a length of time as annex.yaml has it.
func shown(d tailoring.Difference, text string) string {
	if d.Kind == catalogue.DurationKind {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return tailoring.Span(time.Duration(n) * time.Second)
		}
	}
	return text
}

type annexSubmitCmd struct {
	Note string `help:"What changed and why, for the reviewer."`
}

// Help is shown below the flags.
func (*annexSubmitCmd) Help() string {
	return `Submits the draft as it is now. A person who had no hand in it reviews and publishes it in
the console; the command line never publishes.`
}

func (a *annexSubmitCmd) Run(ctx context.Context, c *cli, con console) error {
	return c.withGarant(ctx, con, func(g *app.Garant) error {
		draft, err := g.Book.Draft(ctx)
		if err != nil {
			return err
		}
		p, err := g.Book.Propose(ctx, shell(), draft.Revision, a.Note)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(con.out, "Revision %d waits for its review: %s/annex/review\n", p.Draft.Revision, g.ConsoleOrigin())
		return err
	})
}

type annexVersionsCmd struct {
	JSON bool `help:"Print JSON."`
}

func (a *annexVersionsCmd) Run(ctx context.Context, c *cli, con console) error {
	return c.withGarant(ctx, con, func(g *app.Garant) error {
		var all []tailoring.Version
		for before := int64(0); ; {
			list, err := g.Book.Versions(ctx, before, 200)
			if err != nil {
				return err
			}
			all = append(all, list...)
			if len(list) < 200 {
				break
			}
			before = list[len(list)-1].Number
		}
		if a.JSON {
			return json.NewEncoder(con.out).Encode(versionList(all))
		}
		if len(all) == 0 {
			_, err := fmt.Fprintln(con.out, "No version is published: the annex is private.")
			return err
		}
		for _, v := range all {
			weaker := 0
			for _, d := range v.Changes {
				if d.Effect == tailoring.Weakened {
					weaker++
				}
			}
			_, _ = fmt.Fprintf(con.out, "%4d  %s  %s  by %s, %d changes, %d weaker\n", v.Number, v.At.UTC().Format(time.DateTime), v.Hash[:12], v.By, len(v.Changes), weaker)
		}
		return nil
	})
}

// versionList is what programs are told of versions.
func versionList(all []tailoring.Version) []map[string]any {
	out := make([]map[string]any, 0, len(all))
	for _, v := range all {
		out = append(out, map[string]any{
			"version": v.Number, "hash": v.Hash, "catalogue": v.BaseHash, "published_at": v.At, "published_by": v.By.String(), "proposed_by": v.ProposedBy.String(), "note": v.Note, "changes": v.Changes,
		})
	}
	return out
}

// annexProblems returns what is wrong with a text of annex.yaml, line by line.
func annexProblems(err error) []string {
	var outdated *tailoring.Outdated
	if errors.As(err, &outdated) {
		err = outdated.Problems
	}
	var out []string
	for _, p := range catalogue.Problems(err) {
		if file, _ := p.Args["file"].(string); file == catalogue.TailoringFile {
			out = append(out, strings.TrimSpace(p.Text+" "+p.Fix))
		}
	}
	return out
}
