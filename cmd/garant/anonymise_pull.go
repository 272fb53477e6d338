package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/subset"
	"github.com/garant-project/garant/internal/errs"
)

type anonymisePullCmd struct {
	From      string   `required:"" help:"The published copy, as a role that may read it: env:NAME, file:/PATH, or a URL (others on this machine may see that one in the list of processes)." placeholder:"URL"`
	To        string   `help:"The database to make, such as postgres:///shop_dev, as a role that may make databases there." placeholder:"URL"`
	Dir       string   `help:"A directory to write for pg_restore; without --to a server of PostgreSQL runs here for as long as that takes." type:"path" placeholder:"DIR"`
	Replace   bool     `help:"Replace the database or the directory when there is one already. Sessions at the database are ended."`
	Subset    string   `help:"A part of the copy, such as 5% (default: all of it)." placeholder:"P%" xor:"what"`
	Tenant    []string `help:"Keys of tenants, as the copy has them: all that is theirs." placeholder:"ID" xor:"what"`
	Where     []string `help:"Rows of a table by a condition: public.order: placed > '2026-01-01'. For several tables, several times." placeholder:"'TABLE: CONDITION'" sep:"none" xor:"what"`
	Tenants   string   `help:"The table of tenants (default: the one that is called tenant or tenants)." placeholder:"TABLE"`
	Whole     []string `help:"Tables that come whole, whatever their size." placeholder:"TABLE" sep:"none"`
	Small     int64    `help:"Tables of up to so many rows that depend on nothing larger come whole (default: 1000)." default:"1000" placeholder:"ROWS"`
	Reference []string `help:"What refers to another table without a foreign key: 'public.visit(ticket) -> public.ticket(id)', or with … when kind = 'T' at its end." placeholder:"REFERENCE" sep:"none"`
	Seed      string   `help:"Another seed chooses other rows; the same one, of the same copy, the same." placeholder:"TEXT"`
	Workers   int      `help:"How much is done at once (default: one for each processor, at most eight)." placeholder:"N"`
	BinDir    string   `help:"Directory of pg_dump and pg_restore (default: searched for)." type:"path" placeholder:"DIR"`
	JSON      bool     `help:"Print the report as JSON, and no progress."`
}

// Help is shown below the flags.
func (*anonymisePullCmd) Help() string {
	return `Rows bring what they refer to, small tables come whole, and with --subset and --tenant rows bring those that
cannot be without them; docs/anonymise-pull.md has the rules. Only a copy that was proven can be pulled;
production cannot. What has the name stays until the new database is whole.

Examples:
  garant anonymise pull --from env:COPY_URL --to postgres:///shop_dev --subset 5%
  garant anonymise pull --from env:COPY_URL --to postgres:///shop_dev --replace --tenant 42 --tenant 77
  garant anonymise pull --from env:COPY_URL --dir ./shop.dump --where "public.order: placed > '2026-01-01'"
  createdb shop_test && pg_restore --no-owner --dbname shop_test ./shop.dump

Exit code 5 when the database is no published copy; 6 when something is there already; 7 when a server does not
answer.`
}

// Run pulls.
func (k *anonymisePullCmd) Run(ctx context.Context, con console) error {
	o, err := k.options(con)
	if err != nil {
		return err
	}
	r, err := subset.Take(ctx, o)
	if err != nil {
		return err
	}
	if k.JSON {
		return json.NewEncoder(con.out).Encode(r)
	}
	sayPulled(con.out, r)
	return nil
}

func (k *anonymisePullCmd) options(con console) (subset.Options, error) {
	o := subset.Options{Directory: k.Dir, Replace: k.Replace, Workers: k.Workers, BinDir: k.BinDir}
	s := subset.Subset{Kind: subset.All, Tenants: k.Tenant, TenantTable: k.Tenants, Whole: k.Whole, Small: k.Small, Seed: k.Seed}
	invalid := func(text, fix string) error { return errs.New(errs.Invalid, "anonymise.subset", text).WithFix(fix) }
	switch {
	case k.Subset != "":
		p, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(k.Subset), "%")), 64)
		if err != nil || !strings.HasSuffix(strings.TrimSpace(k.Subset), "%") {
			return o, invalid("A subset is a percentage.", "Write --subset 5%.")
		}
		s.Kind, s.Percent = subset.Percent, p
	case len(k.Tenant) > 0:
		s.Kind = subset.Tenants
	case len(k.Where) > 0:
		s.Kind = subset.Queries
	}
	for _, w := range k.Where {
		q, ok := readQuery(w)
		if !ok {
			return o, invalid("A condition does not name its table: "+w, "Write --where \"public.order: placed > '2026-01-01'\".")
		}
		s.Queries = append(s.Queries, q)
	}
	for _, text := range k.Reference {
		r, err := subset.ParseReference(text)
		if err != nil {
			return o, err
		}
		s.References = append(s.References, r)
	}
	if k.Small == 0 {
		s.Small = subset.NoneSmall
	}
	o.Subset = s
	var err error
	if o.Source, err = databaseURL(k.From); err == nil && k.To != "" {
		o.Target, err = databaseURL(k.To)
	}
	if !k.JSON {
		o.Say = sayPulling(con.err)
	}
	return o, err
}

// readQuery reads TABLE: CONDITION. A quoted name may have colons.
func readQuery(s string) (subset.Query, bool) {
	for i, c := range s {
		if c != ':' {
			continue
		}
		if n, ok := catalog.ParseName(strings.TrimSpace(s[:i])); ok {
			q := subset.Query{Table: n, Condition: strings.TrimSpace(s[i+1:])}
			return q, q.Condition != ""
		}
	}
	return subset.Query{}, false
}

// sayPulling writes a line when a stage begins, and one a second while rows are copied.
func sayPulling(w io.Writer) func(subset.Progress) {
	words := map[subset.Stage]string{
		subset.StageSchema: "schema: read from the copy, tables made", subset.StageChoose: "choose: rows, and what they refer to", subset.StageCopy: "copy: rows",
		subset.StageAfter: "after: keys, indexes, constraints, sequences, views, statistics", subset.StageDirectory: "directory: written by pg_dump",
	}
	lines := make(chan subset.Progress, 64)
	go func() {
		var last time.Time
		for p := range lines {
			switch {
			case p.Rows == 0 && p.All == 0:
				_, _ = fmt.Fprintln(w, words[p.Stage])
			case time.Since(last) < time.Second:
			case p.All == 0:
				last = time.Now()
				_, _ = fmt.Fprintf(w, "  %d rows so far\n", p.Rows)
			default:
				last = time.Now()
				_, _ = fmt.Fprintf(w, "  %3d %%  %d of %d rows\n", 100*p.Rows/p.All, p.Rows, p.All)
			}
		}
	}()
	return func(p subset.Progress) {
		select {
		case lines <- p:
		default: // whoever reads is slow; the pull is not
		}
	}
}

func sayPulled(w io.Writer, r *subset.Report) {
	width := 0
	for _, t := range r.Tables {
		width = max(width, len(t.Table))
	}
	for _, t := range r.Tables {
		_, _ = fmt.Fprintf(w, "%-*s %9d of %9d rows %6.1f %%  %s\n", width, t.Table, t.Rows, t.Of, t.Share, t.How)
	}
	for _, n := range r.Notes {
		_, _ = fmt.Fprintln(w, "Note: "+n)
	}
	for _, l := range r.LeftOut {
		_, _ = fmt.Fprintln(w, "Left out: "+l)
	}
	_, _ = fmt.Fprintf(w, "%d of %d rows (%.1f %%) in %.1f s, of the copy with data of %s.\n", r.Rows, r.Of, r.Share, r.Seconds, r.Data.UTC().Format("2006-01-02 15:04 UTC"))
	if r.Database != "" {
		_, _ = fmt.Fprintln(w, "The database "+r.Database+" is ready.")
	}
	if r.Directory != "" {
		_, _ = fmt.Fprintln(w, "The directory "+r.Directory+" is ready: pg_restore --no-owner --dbname=YOURS "+r.Directory)
	}
}
