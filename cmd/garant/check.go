package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/app"
	"github.com/garant-project/garant/internal/measure"
)

type checkCmd struct {
	IDs  []string `arg:"" optional:"" name:"ID" help:"Checks to run, by id, or by the measure they prove: endpoint.tls, ENC-1. All, unless told."`
	JSON bool     `help:"Print JSON."`
	List bool     `help:"List the checks and run none."`
}

// Help is shown below the flags.
func (*checkCmd) Help() string {
	return `Looks at the systems that the estate declares, stores what was seen as evidence, and prints it.

Examples:
  garant check                   every check
  garant check ENC-1             those that prove ENC-1
  garant check endpoint.hsts --json

Exit code 3 when a check came out false or could not look, and when nothing was examined at all;
6 when garant.yaml is not the estate that was applied.`
}

// checkFailed ends a command whose checks did not all pass.
type checkFailed struct{ n int }

func (e *checkFailed) Error() string { return fmt.Sprintf("%d checks did not pass", e.n) }

func (k *checkCmd) Run(ctx context.Context, c *cli, con console) error {
	return c.withGarant(ctx, con, func(g *app.Garant) error {
		view, err := g.Runner.Effective(ctx)
		if err != nil {
			return err
		}
		if k.List {
			return listChecks(con, g, view.Registry, k.JSON)
		}
		checks, err := view.Registry.Select(k.IDs)
		if err != nil {
			return err
		}
		if len(k.IDs) == 0 { // what is sent in cannot be run
			checks = slices.DeleteFunc(checks, func(c measure.Check) bool { return c.Pushed })
		}
		if err := g.RefuseDrift(ctx); err != nil { // what passes is not what the file declares
			return err
		}
		var results []measure.Result
		failed, examined := 0, 0
		by := shell()
		for _, check := range checks {
			r, err := g.Runner.Run(ctx, by, check.ID)
			if err != nil {
				return err
			}
			results = append(results, r)
			examined += len(r.Finding.Scope)
			if r.Finding.Outcome == measure.Fail || r.Finding.Outcome == measure.Error {
				failed++
			}
			if !k.JSON {
				printResult(con, g, r)
			}
		}
		if err := g.Publisher.Publish(ctx); err != nil {
			return err
		}
		if k.JSON {
			if err := printResults(con, results); err != nil {
				return err
			}
		}
		if failed > 0 {
			return &checkFailed{failed}
		}
		if examined == 0 { // what looked at nothing has passed nothing
			_, _ = fmt.Fprintln(con.err, "garant: Nothing was examined: the estate declares no target for these checks.\n        Declare some in garant.yaml and run garant estate apply.")
			return &checkFailed{len(checks)}
		}
		return nil
	})
}

func listChecks(con console, g *app.Garant, reg *measure.Registry, asJSON bool) error {
	type line struct {
		ID       string   `json:"id"`
		Measures []string `json:"measures"`
		About    string   `json:"about"`
	}
	var lines []line
	for _, c := range reg.Checks() {
		about := c.Title["en"] // of those that the estate declares
		if about == "" && c.Title["fr"] == "" && g.Messages.Has("check."+c.ID+".about") {
			about = g.Words("en", "check."+c.ID+".about")
		} else if about == "" {
			about = c.Title["fr"]
		}
		lines = append(lines, line{c.ID, c.Measures, about})
	}
	if asJSON {
		return json.NewEncoder(con.out).Encode(map[string]any{"checks": lines})
	}
	for _, l := range lines {
		_, _ = fmt.Fprintf(con.out, "%-38s %-14s %s\n", l.ID, strings.Join(l.Measures, " "), l.About)
	}
	return nil
}

// printResult prints what a check saw. What several targets have in common is said once.
func printResult(con console, g *app.Garant, r measure.Result) {
	mark := map[measure.Outcome]string{measure.Pass: "pass ", measure.Fail: "FAIL ", measure.Error: "ERROR", measure.NotApplicable: "none "}[r.Finding.Outcome]
	_, _ = fmt.Fprintf(con.out, "%s  %-38s %-8s %d examined, %d ms\n", mark, r.Check.ID, strings.Join(r.Check.Measures, " "), len(r.Finding.Scope), r.Took.Milliseconds())
	failed := r.Finding.Failed
	for i, item := range failed {
		if i == 0 || failed[i-1].Target != item.Target || failed[i-1].Problem != item.Problem {
			_, _ = fmt.Fprintf(con.out, "       %s: %s\n", item.Target, g.Words("en", item.Problem))
		}
		switch {
		case item.Expected != "" && item.Actual != "":
			_, _ = fmt.Fprintf(con.out, "         expected %s, saw %s\n", item.Expected, item.Actual)
		case item.Expected != "":
			_, _ = fmt.Fprintf(con.out, "         expected %s\n", item.Expected)
		case item.Actual != "":
			_, _ = fmt.Fprintf(con.out, "         %s\n", item.Actual)
		}
		if i == len(failed)-1 || failed[i+1].Problem != item.Problem { // one way to mend all of these
			_, _ = fmt.Fprintf(con.out, "         → %s\n", g.Words("en", item.Problem+".fix"))
		}
	}
}

// counted writes a number with what it counts: "1 database", "2 databases".
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func printResults(con console, results []measure.Result) error {
	type line struct {
		ID       string          `json:"id"`
		Measures []string        `json:"measures"`
		Evidence string          `json:"evidence"`
		Finding  measure.Finding `json:"finding"`
		Millis   int64           `json:"ms"`
	}
	lines := make([]line, 0, len(results))
	for _, r := range results {
		lines = append(lines, line{r.Check.ID, r.Check.Measures, r.EvidenceID, r.Finding, r.Took.Milliseconds()})
	}
	return json.NewEncoder(con.out).Encode(map[string]any{"checks": lines})
}
