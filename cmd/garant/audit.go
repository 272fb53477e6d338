package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/app"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/engine/auditlog/replica"
	"github.com/garant-project/garant/internal/engine/auditlog/verify"
	"github.com/garant-project/garant/internal/errs"
)

type auditCmd struct {
	Status  auditStatusCmd  `cmd:"" help:"How the log is put in order, and how far it is in the second account."`
	Verify  auditVerifyCmd  `cmd:"" help:"Is the log what it was? Against the second account, or a bundle by itself."`
	Recover auditRecoverCmd `cmd:"" help:"Have the log go on after the database was restored, and list what was lost."`
}

// auditOutcome ends the program with the exit code of a verification.
type auditOutcome struct{ code int }

func (o *auditOutcome) Error() string { return "the log is not intact, or was not fully examined" }

type auditStatusCmd struct {
	JSON bool `help:"Print JSON."`
}

func (k *auditStatusCmd) Run(ctx context.Context, c *cli, con console) error {
	return c.withGarant(ctx, con, func(g *app.Garant) error {
		s, err := g.AuditStatus(ctx, shell())
		if err != nil {
			return err
		}
		if k.JSON {
			return json.NewEncoder(con.out).Encode(s)
		}
		return printAuditStatus(con.out, s)
	})
}

// longWait is how long an entry waits before it is said what holds it up.
const longWait = 5 * time.Second

func printAuditStatus(out io.Writer, s app.AuditStatus) error {
	var b strings.Builder
	h := s.Sequence
	if !s.Begun {
		b.WriteString("Nothing was put in order yet: garant serve does that.\n")
	} else {
		fmt.Fprintf(&b, "The log %s, generation %d: %d entries in %d lines of the root log, last at %s.\n", h.Origin, h.Generation, h.Leaves, h.Size, h.At.Local().Format(time.DateTime))
		fmt.Fprintf(&b, "Its key, to be pinned elsewhere: %s\n", h.Key)
		if h.Waiting > 0 {
			fmt.Fprintf(&b, "Waiting to be put in order: %d, the oldest for %s.\n", h.Waiting, h.Oldest.Round(time.Millisecond))
		}
		for _, x := range h.Horizon {
			if h.Oldest < longWait { // whatever writes just now is open
				break
			}
			what := fmt.Sprintf("process %d", x.PID)
			if x.Prepared != "" {
				what = "prepared transaction " + x.Prepared
			}
			fmt.Fprintf(&b, "  Held up by an open transaction: %s of %s in the database %s.\n", what, x.Role, x.Database)
		}
		if h.Anomalies > 0 {
			fmt.Fprintf(&b, "What does not fit, and of which nobody has said what it was: %d. See Audit log, How it is kept, in the console.\n", h.Anomalies)
		}
	}
	c := s.Copy
	switch {
	case !s.Declared:
		b.WriteString("No second account is declared: who holds this database and the key can rewrite the log. docs/audit.md.\n")
	case c.LastPut.IsZero():
		fmt.Fprintf(&b, "Second account %s: nothing was put there yet.\n", c.Place)
	default:
		fmt.Fprintf(&b, "Second account %s: %d entries in %d segments, last put at %s.\n", c.Place, c.Seq, c.Segments, c.LastPut.Local().Format(time.DateTime))
	}
	if s.Declared && c.Backlog > 0 {
		fmt.Fprintf(&b, "  Not there yet: %d, the oldest for %s.\n", c.Backlog, c.Lag.Round(time.Millisecond))
	}
	if s.Declared && !c.Failing.IsZero() {
		fmt.Fprintf(&b, "  FAILING since %s: %s\n  %s\n", c.Failing.Local().Format(time.DateTime), c.Why, c.Fix)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

type auditVerifyCmd struct {
	Key          []string `help:"Key of the log, from elsewhere than its database: what garant audit status printed when all was well. Once for each generation." placeholder:"KEY" sep:"none"`
	Bundle       string   `help:"Verify a bundle by itself; needs no Garant and no network. - is standard input." placeholder:"FILE"`
	Witness      []string `help:"Key of a witness that must have cosigned; with --bundle." placeholder:"KEY" sep:"none"`
	Tree         string   `help:"Whose tree it has to be; with --bundle." placeholder:"company|tenant/UUID"`
	DatabaseOnly bool     `help:"Leave the second account out."`
	JSON         bool     `help:"Print JSON."`
}

// Help is shown below the flags.
func (*auditVerifyCmd) Help() string {
	return `Makes every leaf of every tree again from the entries, and compares: trees, tiles, checkpoints, signatures of
writers, cosignatures, and all of it with the second account.

Examples:
  garant audit verify --key 'trust.company.example/log+1a2b3c4d+AQ…'
  garant audit verify --bundle acme-2026.json --key 'trust.company.example/log+1a2b3c4d+AQ…'

Exit code 0: intact. 1: not intact; the first entry that is wrong is named. 2: something was not examined, or it
could not be begun.`
}

func (k *auditVerifyCmd) Run(ctx context.Context, c *cli, con console) error {
	if k.Bundle != "" {
		return k.bundle(con)
	}
	err := c.withGarant(ctx, con, func(g *app.Garant) error {
		r, err := g.VerifyAudit(ctx, shell(), k.Key, k.DatabaseOnly)
		if r.Against == "" { // it was not begun
			return err
		}
		if k.JSON {
			err = json.NewEncoder(con.out).Encode(r)
		} else {
			err = printVerified(con.out, &r)
		}
		if err == nil && r.ExitCode() != 0 {
			err = &auditOutcome{r.ExitCode()}
		}
		return err
	})
	var outcome *auditOutcome
	if err == nil || errors.As(err, &outcome) {
		return err
	}
	report(con, err)
	return &auditOutcome{2}
}

func printVerified(out io.Writer, r *verify.Report) error {
	var b strings.Builder
	switch r.Outcome {
	case verify.Intact:
		b.WriteString("INTACT. The log is what was put in order.\n")
	case verify.Broken:
		fmt.Fprintf(&b, "NOT INTACT. Findings: %d. The first:\n  %s: %s\n", r.Found, r.First.Kind, r.First.Text)
		if r.First.Tree != "" && r.First.Index >= 0 {
			fmt.Fprintf(&b, "  Place %d of the tree %s, generation %d.\n", r.First.Index, r.First.Tree, r.First.Generation)
		}
	default:
		b.WriteString("NOT FULLY EXAMINED. Nothing is wrong in what was looked at, but something was left out.\n")
	}
	list := func(title string, lines []string) {
		if len(lines) == 0 {
			return
		}
		b.WriteString("\n" + title + "\n")
		for _, l := range lines {
			b.WriteString("  " + l + "\n")
		}
	}
	var more []string
	for i, f := range r.Findings {
		if i > 0 && i <= 20 {
			more = append(more, string(f.Kind)+": "+f.Text)
		}
	}
	if n := r.Found - 21; n > 0 {
		more = append(more, fmt.Sprintf("and %d more.", n))
	}
	list("Also found:", more)
	list("Not examined:", r.NotExamined)
	fmt.Fprintf(&b, "\nLooked at: %s.\nTrust: %s.\n", r.Against, r.Trust)
	examined := make([]string, 0, len(r.Examined))
	for _, e := range r.Examined {
		examined = append(examined, fmt.Sprintf("%10d %s", e.N, e.What))
	}
	list("Examined:", examined)
	list("To know:", r.Notes)
	list("What remains possible:", r.Remains)
	fmt.Fprintf(&b, "\n%d entries in %s.\n", r.Entries, r.Took.Round(time.Millisecond))
	_, err := io.WriteString(out, b.String())
	return err
}

// bundle verifies a file, with nothing but what is pinned.
func (k *auditVerifyCmd) bundle(con console) error {
	in := io.Reader(os.Stdin)
	if k.Bundle != "-" {
		f, err := os.Open(k.Bundle)
		if err != nil {
			reason := "it cannot be opened"
			if errors.Is(err, fs.ErrNotExist) {
				reason = "there is no such file"
			}
			report(con, errs.New(errs.Invalid, "cli.bundle", "The bundle cannot be read: "+reason+".").WithFix("Check its path."))
			return &auditOutcome{2}
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	r, err := merkle.VerifyBundle(in, merkle.Pins{Logs: k.Key, Witnesses: k.Witness, Tree: k.Tree})
	var wrong *merkle.Problem
	if err != nil && !errors.As(err, &wrong) {
		report(con, err)
		return &auditOutcome{2}
	}
	code := 0
	switch {
	case wrong != nil:
		code = 1
	case !r.Verified():
		code = 2
	}
	if k.JSON {
		problem := ""
		if wrong != nil {
			problem = wrong.Error()
		}
		if err := json.NewEncoder(con.out).Encode(map[string]any{"verdict": r.Verdict(), "problem": problem, "report": r}); err != nil {
			return err
		}
	} else {
		var b strings.Builder
		b.WriteString(r.Verdict() + "\n")
		if wrong != nil {
			b.WriteString("  " + wrong.Error() + "\n")
			if wrong.Fix != "" {
				b.WriteString("  " + wrong.Fix + "\n")
			}
		}
		for _, s := range r.Checked {
			b.WriteString("  Checked: " + s.Text + "\n")
		}
		for _, s := range r.NotProven {
			b.WriteString("  Not proven: " + s.Text + "\n")
		}
		if _, err := io.WriteString(con.out, b.String()); err != nil {
			return err
		}
	}
	if code != 0 {
		return &auditOutcome{code}
	}
	return nil
}

type auditRecoverCmd struct {
	Reason string `help:"What was restored, and why: it stays in the log." placeholder:"WORDS"`
	List   bool   `help:"Only list what was lost by restores so far."`
	Most   int    `help:"How many lost entries are listed." default:"50"`
	JSON   bool   `help:"Print JSON."`
}

// Help is shown below the flags.
func (*auditRecoverCmd) Help() string {
	return `After a restore to an earlier moment the second account has more of the log than the database, and nothing is put
in order. This finds how far both are the same, has the log go on as a new generation with a key of its own,
records it, and lists the entries that only the second account still has.

Examples:
  garant audit recover --reason "restored to 14:00 after the disk failed"
  garant audit recover --list`
}

func (k *auditRecoverCmd) Run(ctx context.Context, c *cli, con console) error {
	if !k.List && strings.TrimSpace(k.Reason) == "" {
		return errs.New(errs.Invalid, "cli.reason", "A recovery needs a reason: it stays in the log.").WithFix(`Say what was restored and why: --reason "…". To see only what was lost: --list.`)
	}
	return c.withGarant(ctx, con, func(g *app.Garant) error {
		var done *replica.Recovered
		if !k.List {
			r, err := g.RecoverAudit(ctx, shell(), k.Reason)
			if err != nil {
				return err
			}
			done = &r
		}
		list, many, err := g.LostAudit(ctx, shell(), k.Most)
		if err != nil {
			return err
		}
		if k.JSON {
			return json.NewEncoder(con.out).Encode(map[string]any{"recovered": done, "lost": list, "lost_total": many})
		}
		return printRecovered(con.out, done, list, many)
	})
}

func printRecovered(out io.Writer, done *replica.Recovered, list []replica.LostEntry, many int) error {
	var b strings.Builder
	if done != nil {
		p := done.Before
		fmt.Fprintf(&b, "The log goes on as generation %d. Both accounts have the first %d entries of generation %d; the second account has %d.\n", done.Generation, p.Common.Seq, p.Generation, p.There.Seq)
		b.WriteString("Pin its key too: garant audit status prints it.\n")
	}
	if many == 0 {
		b.WriteString("No entry was lost.\n")
	} else {
		fmt.Fprintf(&b, "Entries that are in the second account only: %d. What they tell of may have to be done again.\n", many)
	}
	for _, e := range list {
		fmt.Fprintf(&b, "  %s  entry %d  %s  %s  %s\n", e.At.Local().Format(time.DateTime), e.Entry, e.Action, e.Object, e.Actor)
	}
	if n := many - len(list); n > 0 && len(list) > 0 {
		fmt.Fprintf(&b, "  and %d more: --most.\n", n)
	}
	_, err := io.WriteString(out, b.String())
	return err
}
