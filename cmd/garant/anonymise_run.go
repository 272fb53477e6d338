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

	"github.com/garant-project/garant/internal/discover"
	"github.com/garant-project/garant/internal/engine/anonymise/plan"
	anonymise "github.com/garant-project/garant/internal/engine/anonymise/run"
	"github.com/garant-project/garant/internal/errs"
)

// copying is how commands are told of the source and of what becomes of it.
type copying struct {
	From    string `required:"" help:"The source, as a role that may only read: env:NAME, file:/PATH, or a URL (others on this machine may see that one in the list of processes). A replica will do." placeholder:"URL"`
	File    string `help:"The plan (default: anonymise.yaml)." default:"anonymise.yaml" type:"path" placeholder:"FILE"`
	Workers int    `help:"How many tables, or pieces of them, at once (default: one for each processor, at most eight)." placeholder:"N"`
	MaxRow  int    `help:"The most that a row may have, in MB; larger ones stop the run (default: 16)." default:"16" placeholder:"MB"`
	JSON    bool   `help:"Print the report as JSON, and no progress."`

	PauseAbove  int           `help:"Wait while more sessions than this are at work on the source (default: never)." placeholder:"N"`
	PauseLag    time.Duration `help:"Wait while a replica is further behind than this (default: never)." placeholder:"TIME"`
	PauseAtMost time.Duration `help:"End the run when it has waited for so long altogether (default: 30m)." default:"30m" placeholder:"TIME"`
}

func (c *copying) options(con console, to string) (anonymise.Options, error) {
	o := anonymise.Options{Workers: c.Workers, Origin: anonymise.OriginHand, Pause: anonymise.Pause{Sessions: c.PauseAbove, Lag: c.PauseLag}, PauseAtMost: c.PauseAtMost}
	if c.MaxRow < 1 || c.MaxRow > 1024 {
		return o, errs.New(errs.Invalid, "anonymise.row", "A row may have 1 to 1024 MB.").WithFix("Correct --max-row.")
	}
	o.MaxRow = c.MaxRow << 20
	text, err := os.ReadFile(c.File)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return o, errs.New(errs.NotFound, "anonymise.plan", "There is no plan "+c.File+" here.").WithFix("Write one by garant anonymise plan, or name it by --file.")
	case err != nil:
		return o, errs.New(errs.Invalid, "anonymise.plan", "The plan cannot be read.").Wrap(err)
	}
	p, err := plan.Load(c.File, text)
	if err != nil {
		return o, err
	}
	o.Plan = &p
	for _, x := range []struct {
		given string
		into  *string
	}{{c.From, &o.Source}, {to, &o.Target}} {
		if *x.into, err = databaseURL(x.given); err != nil {
			return o, err
		}
	}
	if !c.JSON {
		o.Say = sayProgress(con.err)
	}
	return o, nil
}

func databaseURL(given string) (string, error) {
	d, _, err := discover.ReadDatabase(given)
	return d.URL, err
}

// sayProgress writes a line when a stage begins, and one a second while it lasts.
func sayProgress(w io.Writer) func(anonymise.Progress) {
	words := map[anonymise.Stage]string{
		anonymise.StageSchema: "schema: holding the plan against the source, then making the tables", anonymise.StageSet: "set: reading what identifies somebody", anonymise.StageCopy: "copy: rows replaced, scanned, written",
		anonymise.StageAfter: "after: indexes, keys, sequences, views, statistics", anonymise.StageProof: "proof: rows, schema, leaks, re-identification",
	}
	lines := make(chan anonymise.Progress, 64)
	go func() {
		var last time.Time
		var stage anonymise.Stage
		for p := range lines {
			switch {
			case p.Waiting != "":
				_, _ = fmt.Fprintln(w, "  waiting for the source: "+p.Waiting)
			case p.Stage != stage:
				stage = p.Stage
				_, _ = fmt.Fprintln(w, words[p.Stage])
			case p.All == 0:
			case time.Since(last) >= time.Second || p.Bytes >= p.All:
				last = time.Now()
				seconds := max(p.Elapsed.Seconds(), 0.001)
				_, _ = fmt.Fprintf(w, "  %3d %%  %d rows, %.0f MB at %.0f MB/s, %s\n", 100*p.Bytes/max(p.All, 1), p.Rows, float64(p.Bytes)/1e6, float64(p.Bytes)/1e6/seconds, p.Table)
			}
		}
	}()
	return func(p anonymise.Progress) {
		select {
		case lines <- p:
		default: // whoever reads is slow; the run is not
		}
	}
}

type anonymiseRunCmd struct {
	copying
	To        string   `required:"" help:"A maintenance database, such as postgres, of the cluster for copies, which is not the source's; as a role that may make databases and end sessions there." placeholder:"URL"`
	Name      string   `required:"" help:"Under which the copy is served." placeholder:"NAME"`
	Developer []string `help:"Roles there that may work in the copy." placeholder:"ROLE"`
	BinDir    string   `help:"Directory of pg_dump and pg_restore (default: searched for)." type:"path" placeholder:"DIR"`
	Proof     bool     `help:"Make and prove the copy, and throw it away: for trying a plan."`
}

// Help is shown below the flags.
func (*anonymiseRunCmd) Help() string {
	return `Reads the source under one snapshot, replaces what the plan says on the way, scans everything that comes out for
values of the source, makes a whole database of it in another cluster, and proves it: rows, schema, keys,
leaks, re-identification. Only when every proof passes does the copy get its name, in one step; sessions at
the copy before are ended, and it stays as NAME_previous. What is not proven is thrown away, and the copy that
is served stays. What an earlier run left behind, if it was killed, is cleaned first.

Examples:
  garant anonymise run --from env:REPLICA_URL --to env:COPIES_URL --name shop_dev --developer dev
  garant anonymise run --from env:REPLICA_URL --to env:COPIES_URL --name shop_dev --proof --json > report.json

Exit code 0 when the copy is published (with --proof: proven); 3 when a proof failed; 2 when the plan does not
fit; 7 when a server does not answer or has no space left.`
}

// Run makes and publishes a copy.
func (k *anonymiseRunCmd) Run(ctx context.Context, con console) error {
	o, err := k.options(con, k.To)
	if err != nil {
		return err
	}
	o.Name, o.Developers, o.BinDir = k.Name, k.Developer, k.BinDir
	cleaned, err := anonymise.Mend(ctx, o.Target, o.Name)
	if err != nil {
		return err
	}
	r, err := anonymise.Copy(ctx, o) // the report tells how far it came
	defer func() { r.Close() }()
	var published *anonymise.Published
	if err == nil && r.Passed() && !k.Proof {
		published, err = anonymise.Publish(ctx, anonymise.PublishOptions{Target: o.Target, Report: r, Developers: k.Developer})
	}
	if err == nil && k.Proof {
		r.Close()
		_, err = anonymise.Clean(ctx, o.Target, o.Name)
	}
	if k.JSON {
		type answer struct {
			*anonymise.Report
			Passed     bool                    `json:"passed"`
			Anonymised bool                    `json:"anonymised"`
			Published  *anonymise.Published    `json:"published,omitempty"`
			Cleaned    []anonymise.Certificate `json:"cleaned,omitempty"`
		}
		if err := json.NewEncoder(con.out).Encode(answer{r, r.Passed(), r.Anonymised(), published, cleaned}); err != nil {
			return err
		}
	} else if err == nil {
		sayReport(con.out, r, "Not proven, and so not served:")
		if published != nil {
			_, _ = fmt.Fprintf(con.out, "Published as %s; the name was away for %s.\n", published.Database, published.Interrupt.Round(time.Millisecond))
			if published.Previous != "" {
				_, _ = fmt.Fprintf(con.out, "The copy before is %s; garant anonymise rollback serves it again.\n", published.Previous)
			}
		}
	}
	if err != nil && !k.JSON {
		sayQuestions(con.err, r.Questions)
	}
	switch {
	case err != nil:
		return err
	case !r.Passed():
		return &checkFailed{len(r.Problems)}
	}
	return nil
}

// sayReport writes what a report says; heading stands above what is wrong.
func sayReport(w io.Writer, r *anonymise.Report, heading string) {
	var rows int64
	for _, t := range r.Tables {
		rows += t.There
	}
	_, _ = fmt.Fprintf(w, "%d rows of %d tables in %.1f s; the source's snapshot was held for %.1f s.\n", rows, len(r.Tables), r.Seconds, r.SnapshotSeconds)
	if l := r.Leaks; l != nil {
		_, _ = fmt.Fprintf(w, "%d values (%.0f MB) scanned for %d ways of writing the source's: %d kinds of hits; %d of %d canaries found.\n",
			l.Values, float64(l.Bytes)/1e6, r.Set.Entries, len(l.Hits)+l.More, l.Recall.Found, l.Recall.Planted)
	}
	for _, m := range r.Persons {
		_, _ = fmt.Fprintf(w, "%s: the smallest of %d classes has %d persons.\n", m.Table, m.Classes.Classes, m.Classes.Smallest)
	}
	for _, l := range r.LeftOut {
		_, _ = fmt.Fprintln(w, "Left out: "+l)
	}
	if r.Anonymised() {
		_, _ = fmt.Fprintln(w, "Anonymised: nobody can be found again, from the copy or with a look into the source.")
	} else if len(r.Linkable) > 0 {
		var by []string
		for _, l := range r.Linkable[:min(3, len(r.Linkable))] {
			by = append(by, fmt.Sprintf("%s (%s)", l.Where, l.By))
		}
		_, _ = fmt.Fprintf(w, "Pseudonymised only: who may query the source leads rows back by %s", strings.Join(by, ", "))
		if more := len(r.Linkable) - 3; more > 0 {
			_, _ = fmt.Fprintf(w, " and %d other columns", more)
		}
		_, _ = fmt.Fprintln(w, ".")
	}
	if len(r.Problems) == 0 {
		return
	}
	_, _ = fmt.Fprintln(w, heading)
	for _, p := range r.Problems {
		_, _ = fmt.Fprintln(w, "  "+p)
	}
}

// sayQuestions writes what the plan leaves open beyond the first, which is in the error.
func sayQuestions(w io.Writer, questions []anonymise.Question) {
	for _, q := range questions[min(1, len(questions)):] {
		at := ""
		if q.Line > 0 {
			at = fmt.Sprintf("line %d: ", q.Line)
		}
		where := q.Table
		if q.Column != "" {
			where += "." + q.Column
		}
		if q.Path != "" {
			where += " " + q.Path
		}
		_, _ = fmt.Fprintf(w, "# %s%s: %s\n%s", at, where, q.Text, q.YAML)
	}
}

type anonymiseScanCmd struct {
	copying
	Copy string `required:"" help:"The copy, as a role that may read all of it." placeholder:"URL"`
}

// Help is shown below the flags.
func (*anonymiseScanCmd) Help() string {
	return `Looks for everything that identifies somebody in the source, as the plan says, in every value and in the schema of a
database that is said to be a copy, whatever made it. Changes nothing.

Example:
  garant anonymise scan --from env:REPLICA_URL --copy env:OLD_STAGING_URL

Exit code 0 when nothing was found and every canary was; 3 otherwise.`
}

// Run scans.
func (k *anonymiseScanCmd) Run(ctx context.Context, con console) error {
	o, err := k.options(con, k.Copy)
	if err != nil {
		return err
	}
	r, err := anonymise.Scan(ctx, o)
	if err != nil {
		return err
	}
	if k.JSON {
		if err := json.NewEncoder(con.out).Encode(r); err != nil {
			return err
		}
	} else {
		sayReport(con.out, r, "Not proven; found in the copy, or not as it should be:")
	}
	if !r.Passed() {
		return &checkFailed{len(r.Problems)}
	}
	return nil
}

// named is a copy, as commands are told of it.
type named struct {
	To   string `required:"" help:"The maintenance database of the cluster for copies." placeholder:"URL"`
	Name string `required:"" help:"Under which the copy is served." placeholder:"NAME"`
}

type anonymiseListCmd struct {
	named
	JSON bool `help:"Print one JSON array."`
}

// Run lists.
func (k *anonymiseListCmd) Run(ctx context.Context, con console) error {
	target, err := databaseURL(k.To)
	if err != nil {
		return err
	}
	all, err := anonymise.List(ctx, target, k.Name)
	if err != nil {
		return err
	}
	if k.JSON {
		if all == nil {
			all = []anonymise.Copied{}
		}
		return json.NewEncoder(con.out).Encode(all)
	}
	if len(all) == 0 {
		_, _ = fmt.Fprintln(con.err, "There is no copy "+k.Name+" there.")
	}
	for _, c := range all {
		of := "made by nobody's run"
		if c.Run != "" {
			of = "run " + c.Run + " (" + c.Origin + "), data of " + c.Began.UTC().Format(time.RFC3339)
		}
		_, _ = fmt.Fprintf(con.out, "%-8s %s, %.1f MB, %s\n", c.State, c.Database, float64(c.Bytes)/1e6, of)
	}
	return nil
}

type anonymiseRollbackCmd struct{ named }

// Help is shown below the flags.
func (*anonymiseRollbackCmd) Help() string {
	return `Gives the name to NAME_previous in one step; what was served takes that one's name. Sessions at both are ended. Where
Garant makes the copies, the next run publishes as ever.`
}

// Run goes back.
func (k *anonymiseRollbackCmd) Run(ctx context.Context, con console) error {
	target, err := databaseURL(k.To)
	if err != nil {
		return err
	}
	if err := anonymise.Rollback(ctx, target, k.Name); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(con.out, "%s is the copy before; the other one is %s_previous.\n", k.Name, k.Name)
	return nil
}
