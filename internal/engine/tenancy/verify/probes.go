package verify

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/tenant"
)

func probes() []Check {
	return slices.Concat(liveProbes(), rowProbes(), tokenProbes(), sessionProbes())
}

// attempt is one probe at work: what a login of the application tries, and what came of it.
type attempt struct {
	ctx context.Context
	*judge
	app  login
	live *liveStage    // of probes that only read
	copy *scratchStage // of probes that write
}

// liveStage is the database itself, as the application's role.
type liveStage struct {
	conn *pgx.Conn
	// become is what a transaction begins with, where conn signed in as somebody else.
	become  string
	through bool // an address of the application was given: perhaps a pooler's
	url     string
}

// scratchStage is a scratch copy with canary rows.
type scratchStage struct {
	*scratch
	*flock
	refused map[uint32]string
}

// failed notes that a probe could not be carried out: never a pass.
func (a *attempt) failed(what string, err error) {
	if a.blind == "" {
		a.cannot(what + ": " + plainError(err))
	}
}

// plainError says what a database answered, without a value.
func plainError(err error) string {
	if c := code(err); c != "" {
		return "SQLSTATE " + c
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return "out of time"
	}
	if err == nil {
		return "it was let through"
	}
	return "the connection was lost"
}

// code is the SQLSTATE of an error, empty when the database did not answer.
func code(err error) string { return pg.SQLState(err) }

// refusal reports whether an error is one of those by which the database is to refuse something.
func refusal(err error, codes ...string) bool { return slices.Contains(codes, code(err)) }

const denied = "42501" // insufficient_privilege: of rights and of policies alike

// probe runs the probes that were asked for, and says how the application's role was come by.
func probe(ctx context.Context, o Options, conn *pgx.Conn, j *judge) ([]Result, string, error) {
	stages, tried, err := liveStages(ctx, o, conn, j)
	if err != nil {
		return nil, "", err
	}
	defer func() {
		for _, s := range stages {
			if s.conn != conn {
				_ = s.conn.Close(context.WithoutCancel(ctx))
			}
		}
	}()
	var results []Result
	for _, check := range liveProbes() {
		results = append(results, tryLive(ctx, check, j, stages))
	}
	if o.Scratch {
		more, err := tryScratch(ctx, o, j)
		if err != nil {
			return nil, "", err
		}
		results = append(results, more...)
		tried += "; what writes was tried on a scratch copy"
	}
	return results, tried, nil
}

// liveStages finds a way to be each login of the application: by its own address, by SET SESSION
// AUTHORIZATION of a superuser, by SET ROLE of a member.
func liveStages(ctx context.Context, o Options, conn *pgx.Conn, j *judge) ([]*liveStage, string, error) {
	if o.AppURL != "" {
		app, err := connect(ctx, o.AppURL, "--app-url")
		if err != nil {
			return nil, "", err
		}
		return []*liveStage{{conn: app, through: true, url: o.AppURL}}, "signed in as the application", nil
	}
	var stages []*liveStage
	for _, a := range j.apps {
		become := "SET LOCAL ROLE " + a.role.printed
		if j.c.super {
			become = "SET LOCAL SESSION AUTHORIZATION " + a.role.printed
		}
		stages = append(stages, &liveStage{conn: conn, become: become})
	}
	if j.c.super {
		return stages, "took the application’s part by SET SESSION AUTHORIZATION: what its own defaults and a pooler change was not tried", nil
	}
	return stages, "took the application’s part by SET ROLE: what its own defaults and a pooler change was not tried", nil
}

// tryLive runs one probe as every login.
func tryLive(ctx context.Context, check Check, j *judge, stages []*liveStage) Result {
	j.begin()
	for i, s := range stages {
		a := &attempt{ctx: ctx, judge: j, live: s}
		if s.become != "" {
			a.app = j.apps[i]
		} else if n := slices.IndexFunc(j.apps, func(l login) bool { return l.role.name == s.conn.Config().User }); n >= 0 {
			a.app = j.apps[n]
		} else if len(j.apps) > 0 {
			a.app = j.apps[0] // probe.connected_as says so
		}
		check.probe(a)
	}
	if len(stages) == 0 {
		j.cannot("The cluster has no login role of the application.")
	}
	return j.result(check)
}

// within runs fn in a transaction as the application that is rolled back. It changes nothing:
// the transaction is for reading.
func (s *liveStage) within(ctx context.Context, fn func(pgx.Tx) error) error {
	tx, err := s.conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	for _, sql := range []string{`SET LOCAL statement_timeout = '10s'`, `SET LOCAL lock_timeout = '2s'`, s.become} {
		if sql == "" {
			continue
		}
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return fn(tx)
}

// tryScratch makes a scratch copy and runs the probes that write.
func tryScratch(ctx context.Context, o Options, j *judge) ([]Result, error) {
	s, err := copyOf(ctx, o.URL, j.c, j.apps, token.Design(o.Manifest.Design), o.clusters)
	if err != nil {
		return nil, err
	}
	defer s.close(ctx)
	stage, copied, err := settleIn(ctx, s, o.Manifest, o.Now())
	if err != nil {
		return nil, err
	}
	return stage.try(ctx, copied, scratchProbes()), nil
}

// settleIn reads the copy and puts its canaries in.
func settleIn(ctx context.Context, s *scratch, m *manifest.Manifest, now time.Time) (*scratchStage, *judge, error) {
	c, err := catalogueOf(ctx, s.root)
	if err != nil {
		return nil, nil, pg.Wrap(err)
	}
	j := newJudge(c, m, now, DefaultMaxKeyAge)
	f, err := newFlock(ctx, s.root, j)
	if err != nil {
		return nil, nil, pg.Wrap(err)
	}
	refused, err := f.settle(ctx, s.root)
	if err != nil {
		return nil, nil, errs.New(errs.Internal, "tenancy.verify.canaries", "The scratch copy does not take canary rows.").Wrap(errors.New(plainError(err)))
	}
	return &scratchStage{scratch: s, flock: f, refused: refused}, j, nil
}

func scratchProbes() []Check { return slices.Concat(rowProbes(), tokenProbes(), sessionProbes()) }

// try runs probes on the copy, each as every login.
func (s *scratchStage) try(ctx context.Context, j *judge, checks []Check) []Result {
	var results []Result
	for _, check := range checks {
		j.begin()
		if len(j.apps) == 0 {
			j.cannot("The cluster has no login role of the application.")
		}
		for _, app := range j.apps {
			check.probe(&attempt{ctx: ctx, judge: j, app: app, copy: s})
		}
		results = append(results, j.result(check))
	}
	return results
}

// claims are of a canary's login that may write, for five minutes.
func (s *scratchStage) claims(owner string) tenant.Claims {
	return tenant.Claims{Tenant: s.id(owner), Session: uuid.New(), Kind: tenant.Probe, Access: tenant.Write, Expires: time.Now().Add(5 * time.Minute)}
}

// token mints a token of a canary.
func (s *scratchStage) token(owner string) []byte { return s.mint(s.claims(owner)) }

func (s *scratchStage) mint(c tenant.Claims) []byte {
	t, err := s.key.Mint(c)
	if err != nil {
		panic("verify: a token for a canary: " + err.Error()) // the claims are ours
	}
	return t.Bytes()
}

// how says in which way a transaction on the copy is had.
type how struct {
	token []byte // nil: none is presented
	quiet bool   // without triggers and foreign keys, so that only policies speak
	bare  bool   // without the company's triggers
}

// as runs fn as the application in a transaction on the copy that is rolled back. The copy's
// superuser takes the application's part, so that truth can ask past the policies in between.
func (a *attempt) as(h how, fn func(pgx.Tx) error) error {
	tx, err := a.copy.root.Begin(a.ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(a.ctx)) }()
	steps := []string{`SET LOCAL statement_timeout = '5s'`}
	if h.quiet {
		steps = append(steps, `SET LOCAL session_replication_role = replica`)
	}
	if h.bare {
		for _, t := range a.guardedAndChildren() {
			if len(t.rel.triggers) > 0 {
				steps = append(steps, "ALTER TABLE "+t.rel.printed+" DISABLE TRIGGER USER")
			}
		}
	}
	for _, sql := range append(steps, "SET LOCAL SESSION AUTHORIZATION "+a.app.role.printed) {
		if _, err := tx.Exec(a.ctx, sql); err != nil {
			return err
		}
	}
	if h.token != nil {
		if _, err := tx.Exec(a.ctx, `SELECT garant.enter($1)`, h.token); err != nil {
			return err
		}
	}
	return fn(tx)
}

// truth asks past the policies, in the application's transaction.
func (a *attempt) truth(tx pgx.Tx, sql string) (n int64, err error) {
	if _, err := tx.Exec(a.ctx, `SET LOCAL SESSION AUTHORIZATION DEFAULT`); err != nil {
		return 0, err
	}
	err = tx.QueryRow(a.ctx, sql).Scan(&n)
	if err == nil {
		_, err = tx.Exec(a.ctx, "SET LOCAL SESSION AUTHORIZATION "+a.app.role.printed)
	}
	return n, err
}

// count runs a statement in a savepoint and returns the rows that it touched, or its first column
// where it answers with one row.
func (a *attempt) count(tx pgx.Tx, sql string, args ...any) (int64, error) {
	sub, err := tx.Begin(a.ctx)
	if err != nil {
		return 0, err
	}
	rows, err := sub.Query(a.ctx, sql, args...)
	var n int64
	if err == nil {
		answered := false
		for rows.Next() {
			if values, verr := rows.Values(); verr == nil && len(values) > 0 {
				if v, ok := values[0].(int64); ok {
					n, answered = v, true
				}
			}
		}
		rows.Close()
		if err = rows.Err(); !answered {
			n = rows.CommandTag().RowsAffected()
		}
	}
	if err != nil {
		_ = sub.Rollback(a.ctx)
		return 0, err
	}
	return n, sub.Commit(a.ctx)
}

// refuses expects a statement to fail with one of the codes: found is called when it does not
// fail, and any other failure means that it could not be tried. What it did is undone.
func (a *attempt) refuses(tx pgx.Tx, sql string, codes []string, what string, found func()) {
	a.see()
	sub, err := tx.Begin(a.ctx)
	if err != nil {
		a.failed(what, err)
		return
	}
	_, err = sub.Exec(a.ctx, sql)
	_ = sub.Rollback(a.ctx)
	switch {
	case err == nil:
		found()
	case !refusal(err, codes...):
		a.failed(what, err)
	}
}

// signIn opens a real connection of the application to the copy.
func (a *attempt) signIn(fn func(*pgx.Conn) error) {
	conn, err := a.copy.scratch.app(a.ctx, a.app)
	if err != nil {
		a.failed("The application cannot sign in to the copy", err)
		return
	}
	defer func() { _ = conn.Close(context.WithoutCancel(a.ctx)) }()
	if _, err := conn.Exec(a.ctx, `SET statement_timeout = '5s'`); err != nil {
		a.failed("The application cannot begin", err)
		return
	}
	if err := fn(conn); err != nil {
		a.failed("The attempt could not be carried out", err)
	}
}

// canaried are the tenant tables with canary rows on which the application has a right; a table
// that took none makes the probe fail to look.
func (a *attempt) canaried(privilege string, each func(*target)) {
	for _, t := range a.guarded() {
		if t.rel.column(t.entry.Column) == nil || len(t.rel.parents) > 0 || !a.may(a.app, t.rel, privilege) {
			continue // of partitions and children probe.partitions speaks
		}
		if why := a.copy.refused[t.rel.oid]; why != "" {
			a.cannot(t.rel.printed + " cannot be tried: " + why + ".")
			continue
		}
		each(t)
	}
}

// of writes the condition that a row is an owner's.
func (a *attempt) of(t *target, owner string) string {
	col := t.rel.column(t.entry.Column)
	return col.printed + " = " + a.copy.value(t.rel, col.number, owner)
}

// here names what is tried, with the login where there are several.
func (a *attempt) here(printed string) string {
	if len(a.apps) > 1 {
		return printed + " as " + a.app.role.printed
	}
	return printed
}

// random returns bytes that are no token.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

// tenantNow is the expression that tells whether a transaction has a tenant.
func (a *attempt) tenantNow() string {
	return fmt.Sprintf(`SELECT count(*) FROM (SELECT garant.tenant_%s() AS t) AS x WHERE t IS NOT NULL`, a.m.Key.Type)
}

// readable are the relations of the manifest that the login may read.
func (a *attempt) mayRead() []*target {
	return slices.DeleteFunc(slices.Clone(a.targets), func(t *target) bool { return !a.may(a.app, t.rel, "SELECT") })
}

// visibleColumns are those that the login may read.
func (a *attempt) visibleColumns(rel *relation) []string {
	if _, ok := through(rel.acl, rel.owner, a.app.reach, "SELECT"); ok {
		var list []string
		for _, c := range rel.columns {
			list = append(list, c.printed)
		}
		return list
	}
	var list []string
	for _, c := range rel.columns {
		if _, ok := through(c.acl, rel.owner, a.app.reach, "SELECT"); ok {
			list = append(list, c.printed)
		}
	}
	return list
}

// marked writes a query that counts the rows of a relation in which a foreign canary shows.
func (a *attempt) marked(rel *relation) string {
	return "SELECT count(*) FROM (SELECT ROW(" + strings.Join(a.visibleColumns(rel), ", ") + ")::text AS r FROM " + rel.printed + ") AS x WHERE r LIKE '%" + canaryMark + ofB + "%' OR r LIKE '%" + canaryMark + ofPrivate + "%'"
}
