package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// Options say what to look at, and how far to go.
type Options struct {
	URL      string // of the database under guard; its role reads the catalogue
	AppURL   string // of the same database, as the application signs in; empty: by SET ROLE from URL's role
	Manifest *manifest.Manifest
	System   string // identifier of the cluster (pg_control_system), so that a decoy does not pass; empty: any
	// Scratch has the probes that write run on a copy without rows, in a cluster of its own that is
	// thrown away. Without it nothing is tried that writes, and the report says so.
	Scratch   bool
	Timeout   time.Duration // of the whole; DefaultTimeout unless told
	MaxKeyAge time.Duration // DefaultMaxKeyAge unless told
	Now       func() time.Time

	clusters opener // where copies are made; nil: ownCluster
}

// Defaults of Options.
const (
	DefaultTimeout   = time.Minute
	DefaultMaxKeyAge = 90 * 24 * time.Hour
)

// Outcome of a check.
type Outcome string

// The outcomes. What could not look is never a pass.
const (
	Pass  Outcome = "pass"
	Fail  Outcome = "fail"
	Error Outcome = "error"
)

// Result is what one check saw.
type Result struct {
	Check
	Outcome  Outcome    `json:"outcome"`
	Examined int        `json:"examined"`
	Findings []Finding  `json:"findings"`
	Accepted []Accepted `json:"accepted,omitempty"`
	Error    string     `json:"error,omitempty"` // why it could not look
}

// Report is what was seen. It is the same, byte for byte, for a database that did not change.
type Report struct {
	Database string   `json:"database"`
	Design   string   `json:"design"`
	Looked   string   `json:"looked"` // by which role
	Tried    string   `json:"tried"`  // how the application's role was come by
	Scratch  bool     `json:"scratch"`
	Tables   int      `json:"tables"` // tenant tables that were held to the manifest
	Results  []Result `json:"results"`
}

// Count tells how many results have an outcome, how many findings they hold.
func (r *Report) Count(o Outcome) (results, findings int) {
	for _, one := range r.Results {
		if one.Outcome == o {
			results++
			findings += len(one.Findings)
		}
	}
	return results, findings
}

// Accepted tells how many findings the manifest accepts.
func (r *Report) Accepted() int {
	n := 0
	for _, one := range r.Results {
		n += len(one.Accepted)
	}
	return n
}

// Clean reports whether every check passed, of those that are at least that severe; and there was
// something to pass.
func (r *Report) Clean(from Severity) bool {
	return len(r.Results) > 0 && !slices.ContainsFunc(r.Results, func(one Result) bool {
		return one.Outcome == Error || one.Outcome != Pass && one.Severity.AtLeast(from)
	})
}

// Run looks at a database. It changes nothing there: one transaction for reading the catalogue, and
// probes that are rolled back.
//
// The error says that it could not look: no connection, another database than the manifest's, no
// tenant table in the manifest, out of time. What single checks could not see stands in the report
// as Error, and the report is not clean.
func Run(ctx context.Context, o Options) (*Report, error) {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.MaxKeyAge <= 0 {
		o.MaxKeyAge = DefaultMaxKeyAge
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.clusters == nil {
		o.clusters = ownCluster
	}
	if !slices.ContainsFunc(o.Manifest.Tables, func(t manifest.Table) bool { return t.Class == manifest.Tenant && t.HoldsRows() }) {
		return nil, errs.New(errs.Invalid, "tenancy.verify.no_tenant_table", "The manifest names no table of tenants: there is nothing to hold apart.").
			WithFix("Let garant isolation plan write it, and review it.")
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	report, err := run(ctx, o)
	if deadline, _ := ctx.Deadline(); err != nil && !time.Now().Before(deadline) { // a connection may be given up for it before the context is
		return nil, errs.New(errs.Unavailable, "tenancy.verify.timeout", fmt.Sprintf("The look was not over after %s: nothing is said of the database.", o.Timeout)).
			WithFix("Give it more time with --timeout, or look at what keeps the database busy.").Wrap(err)
	}
	return report, err
}

func run(ctx context.Context, o Options) (*Report, error) {
	conn, err := connect(ctx, o.URL, "--url")
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	c, err := catalogueOf(ctx, conn)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	if c.database != o.Manifest.Database {
		return nil, errs.New(errs.Invalid, "tenancy.verify.other_database", fmt.Sprintf("The manifest is of database %s, the address leads to %s.", quote(o.Manifest.Database), c.printed)).
			WithFix("Give the address of the database that the manifest describes.")
	}
	if err := o.sameSystem(ctx, conn); err != nil {
		return nil, err
	}
	report := &Report{Database: c.database, Design: o.Manifest.Design, Looked: c.me, Scratch: o.Scratch}
	j := newJudge(c, o.Manifest, o.Now(), o.MaxKeyAge)
	report.Tables = len(j.guardedAndChildren())
	report.Results = j.static(Checks())
	probed, tried, err := probe(ctx, o, conn, j)
	if err != nil {
		return nil, err
	}
	report.Tried = tried
	report.Results = append(report.Results, probed...)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return report, nil
}

// sameSystem holds the cluster to the identifier that it is to have.
func (o Options) sameSystem(ctx context.Context, conn *pgx.Conn) error {
	if o.System == "" {
		return nil
	}
	var system string
	if err := conn.QueryRow(ctx, `SELECT system_identifier::text FROM pg_catalog.pg_control_system()`).Scan(&system); err != nil {
		return pg.Wrap(err)
	}
	if system != o.System {
		return errs.New(errs.Invalid, "tenancy.verify.other_system", "The database is of system "+system+", not of "+o.System+".").
			WithFix("Give the address of the database that is meant.")
	}
	return nil
}

// static runs the checks that judge the catalogue.
func (j *judge) static(checks []Check) []Result {
	var results []Result
	for _, check := range checks {
		if check.Kind != Static {
			continue
		}
		j.begin()
		check.look(j)
		results = append(results, j.result(check))
	}
	return results
}

// begin clears what the check before found.
func (j *judge) begin() { j.findings, j.examined, j.blind, j.limited = nil, 0, "", false }

// result puts together what a check found, sorted, each thing once.
func (j *judge) result(check Check) Result {
	findings := j.findings
	slices.SortFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Object, b.Object), cmp.Compare(a.Found, b.Found), cmp.Compare(a.Mend, b.Mend))
	})
	if j.limited {
		check.Severity = Low
	}
	left, accepted := j.accept(check, slices.Compact(findings))
	r := Result{Check: check, Outcome: Pass, Examined: j.examined, Findings: left, Accepted: accepted, Error: j.blind}
	switch {
	case j.blind != "":
		r.Outcome = Error
	case len(left) > 0:
		r.Outcome = Fail
	}
	if r.Findings == nil {
		r.Findings = []Finding{}
	}
	return r
}

// connect opens a connection as an address says, for reading the system's catalogue only.
func connect(ctx context.Context, url, option string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil { // its text quotes the address
		return nil, errs.New(errs.Invalid, "tenancy.verify.url", "The address of the database cannot be read.").
			WithFix("Write " + option + " as postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full.")
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec // behind a pooler no prepared statement stays
	cfg.RuntimeParams["application_name"] = "garant isolation verify"
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		var answer *pgconn.PgError
		if errors.As(err, &answer) {
			return nil, errs.New(errs.Unavailable, "tenancy.verify.refused", "The database refused the connection ("+answer.Code+").").
				WithFix("Check role, password and database of " + option + ".")
		}
		return nil, errs.New(errs.Unavailable, "tenancy.verify.unreachable", "The database does not answer.").WithFix("Check host and port of " + option + ".").Wrap(errors.New("no connection"))
	}
	return conn, nil
}

// catalogueOf reads the catalogue as one snapshot.
func catalogueOf(ctx context.Context, conn *pgx.Conn) (*catalogue, error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	for _, sql := range []string{`SET LOCAL search_path = pg_catalog`, `SET LOCAL lock_timeout = '2s'`, `SET LOCAL statement_timeout = '30s'`, `SET LOCAL row_security = on`} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return nil, err
		}
	}
	return read(ctx, tx)
}
