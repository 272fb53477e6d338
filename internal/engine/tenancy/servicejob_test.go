package tenancy

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/tenant"
)

func (w *world) ask(change func(*Ask)) Ask {
	a := Ask{Database: "shop", Name: "monthly-statement", Why: "Statements of the month", Tenants: []string{w.a.String()}, EndsAt: w.now().Add(30 * 24 * time.Hour)}
	if change != nil {
		change(&a)
	}
	return a
}

func (w *world) serve(of uuid.UUID, read bool) (Minted, error) {
	return w.tenancy.Mint(context.Background(), w.app, Request{Database: "shop", Job: "monthly-statement", Tenant: of.String(), ReadOnly: read})
}

// A service job opens what a second person has accepted, for as long, and nothing else.
func TestServiceJobs(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.tend()
	wants := func(what string, err error, id string) {
		t.Helper()
		var e *errs.Error
		if id == "" && err != nil || id != "" && (!errors.As(err, &e) || e.ID != id) {
			t.Errorf("%s: %v, want %s", what, err, id)
		}
	}
	job, err := w.tenancy.AskJob(ctx, w.anna, w.ask(nil))
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.serve(w.a, true)
	wants("asked for only", err, "tenancy.job_not_accepted")
	wants("accepted by who asked", w.tenancy.AcceptJob(ctx, w.anna, job, false), "tenancy.second_person")
	wants("accepted by a program", w.tenancy.AcceptJob(ctx, actor.NewSystem("cli:root"), job, false), "tenancy.no_person")
	wants("accepted by an operator", w.tenancy.AcceptJob(ctx, actor.Actor{Kind: actor.Person, ID: uuid.NewString(), Permissions: actor.Operator.Permissions()}, job, false), "tenancy.denied")
	wants("accepted for any, which was not asked", w.tenancy.AcceptJob(ctx, w.bob, job, true), "tenancy.job_any")
	_, err = w.serve(w.a, true)
	wants("still asked for only", err, "tenancy.job_not_accepted")
	wants("accepted", w.tenancy.AcceptJob(ctx, w.bob, job, false), "")
	wants("accepted again", w.tenancy.AcceptJob(ctx, w.bob, job, false), "tenancy.job_closed")

	m, err := w.serve(w.a, true)
	if err != nil {
		t.Fatal(err)
	}
	if c := m.Token.Claims(); c.Kind != tenant.Service || uuid.UUID(c.Purpose) != job || c.Access != tenant.Read {
		t.Errorf("%+v", c)
	}
	w.opens(m, 3)
	again, err := w.serve(w.a, true)
	if err != nil || again.Token.Claims().Session == m.Token.Claims().Session {
		t.Errorf("two runs are one session: %v", err)
	}
	_, err = w.serve(w.b, true)
	wants("another tenant", err, "tenancy.job_tenant")
	_, err = w.serve(w.a, false)
	wants("to write", err, "tenancy.job_access")

	_, err = w.tenancy.AskJob(ctx, w.bob, w.ask(nil))
	wants("another of the name", err, "tenancy.job_open")
	open := w.inside(m)
	wants("withdrawn by who may not", w.tenancy.WithdrawJob(ctx, actor.Actor{Kind: actor.Person, ID: "x", Permissions: actor.Reader.Permissions()}, job, ""), "tenancy.denied")
	wants("withdrawn", w.tenancy.WithdrawJob(ctx, w.anna, job, "done"), "")
	wants("withdrawn again", w.tenancy.WithdrawJob(ctx, w.anna, job, ""), "tenancy.job_closed")
	if alive(open) {
		t.Error("its transaction goes on")
	}
	if _, err := w.rows(m); !errors.Is(err, tenant.ErrRevoked) {
		t.Errorf("its token: %v", err)
	}
	_, err = w.serve(w.a, true)
	wants("withdrawn", err, "tenancy.job_not_accepted")

	// For whatever tenant, said by both; to write; refused with a reason.
	anyone, err := w.tenancy.AskJob(ctx, w.bob, w.ask(func(a *Ask) { a.Tenants, a.AnyTenant, a.Write = nil, true, true }))
	if err != nil {
		t.Fatal(err)
	}
	wants("whatever tenant, not said again", w.tenancy.AcceptJob(ctx, w.anna, anyone, false), "tenancy.job_any")
	wants("refused without a reason", w.tenancy.RefuseJob(ctx, w.anna, anyone, " "), "tenancy.job_reason")
	wants("accepted", w.tenancy.AcceptJob(ctx, w.anna, anyone, true), "")
	if m, err = w.serve(w.b, false); err != nil {
		t.Fatal(err)
	}
	w.opens(m, 5)
	wants("withdrawn", w.tenancy.WithdrawJob(ctx, w.anna, anyone, ""), "")
	refused, err := w.tenancy.AskJob(ctx, w.anna, w.ask(nil))
	if err != nil {
		t.Fatal(err)
	}
	wants("refused", w.tenancy.RefuseJob(ctx, w.bob, refused, "not needed"), "")
	_, err = w.serve(w.a, true)
	wants("refused", err, "tenancy.job_not_accepted")
	wants("one that is none", w.tenancy.AcceptJob(ctx, w.bob, uuid.New(), false), "tenancy.no_job")

	jobs, err := jobsOf(ctx, w.db.Pool("garant_staff"), "shop", 10)
	if err != nil || len(jobs) != 3 {
		t.Fatalf("%d jobs, %v", len(jobs), err)
	}
	states := map[JobState]int{}
	for _, j := range jobs {
		states[j.State]++
	}
	if states[JobWithdrawn] != 2 || states[JobRefused] != 1 {
		t.Errorf("%v", states)
	}
}

// A job that is not understood changes nothing.
func TestBadJobs(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	for name, c := range map[string]struct {
		change func(*Ask)
		id     string
	}{
		"a name with a blank":      {func(a *Ask) { a.Name = "a b" }, "tenancy.job_name"},
		"no name":                  {func(a *Ask) { a.Name = "" }, "tenancy.job_name"},
		"no reason":                {func(a *Ask) { a.Why = "  " }, "tenancy.job_why"},
		"a reason without end":     {func(a *Ask) { a.Why = strings.Repeat("x", 1001) }, "tenancy.job_why"},
		"no text":                  {func(a *Ask) { a.Why = "a\x00b" }, "tenancy.job_why"},
		"no tenants":               {func(a *Ask) { a.Tenants = nil }, "tenancy.job_tenants"},
		"any, and some":            {func(a *Ask) { a.AnyTenant = true }, "tenancy.job_tenants"},
		"a wildcard":               {func(a *Ask) { a.Tenants = []string{"*"} }, "tenancy.job_tenant_key"},
		"a tenant of another type": {func(a *Ask) { a.Tenants = []string{"42"} }, "tenancy.job_tenant_key"},
		"over already":             {func(a *Ask) { a.EndsAt = w.now().Add(-time.Hour) }, "tenancy.job_end"},
		"for years":                {func(a *Ask) { a.EndsAt = w.now().Add(400 * 24 * time.Hour) }, "tenancy.job_end"},
		"no such database":         {func(a *Ask) { a.Database = "other" }, "tenancy.no_database"},
	} {
		var e *errs.Error
		if _, err := w.tenancy.AskJob(ctx, w.anna, w.ask(c.change)); !errors.As(err, &e) || e.ID != c.id {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.tenancy.AskJob(ctx, actor.NewSystem("cli:root"), w.ask(nil)); !errs.Is(err, errs.Denied) {
		t.Errorf("by a program: %v", err)
	}
	if n := one[int](w, `SELECT count(*) FROM tenancy.job`); n != 0 {
		t.Errorf("%d jobs", n)
	}
}

// The database itself holds the rules, whatever of ours writes.
func TestServiceJobsInSQL(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.tend()
	m := w.mustLogin(w.a)
	_ = m
	job, err := w.tenancy.AskJob(ctx, w.anna, w.ask(nil))
	if err != nil {
		t.Fatal(err)
	}
	conn := w.connect("garant_staff", w.name)
	me := identity(w.anna)
	for what, sql := range map[string]string{
		"accepts their own":   `INSERT INTO tenancy.job_decision (job, outcome, any_tenant, reason, decided_by) VALUES ('` + job.String() + `', 'accepted', false, '', '` + me + `')`,
		"accepts as a system": `INSERT INTO tenancy.job_decision (job, outcome, any_tenant, reason, decided_by) VALUES ('` + job.String() + `', 'accepted', false, '', 'system:cli')`,
		"accepts the past":    `INSERT INTO tenancy.job_decision (job, outcome, any_tenant, reason, decided_by, decided_at) VALUES ('` + job.String() + `', 'accepted', false, '', 'person:x', now() - interval '1 year')`,
		"changes who asked":   `UPDATE tenancy.job SET asked_by = 'person:x'`,
		"changes a decision":  `UPDATE tenancy.job_decision SET outcome = 'accepted'`,
		"takes one away":      `DELETE FROM tenancy.job_withdrawal`,
		"an empty list":       `INSERT INTO tenancy.job (id, database, name, why, access, tenants, any_tenant, ends_at, asked_by) VALUES (gen_random_uuid(), 'shop', 'x', 'x', 'r', '{}', false, now() + interval '1 day', 'person:x')`,
		"asks as a system":    `INSERT INTO tenancy.job (id, database, name, why, access, tenants, any_tenant, ends_at, asked_by) VALUES (gen_random_uuid(), 'shop', 'x', 'x', 'r', '{}', true, now() + interval '1 day', 'system:x')`,
		"mints without a job": `INSERT INTO tenancy.minting (id, database, place, key_id, kind, tenant_type, tenant, session, job, access, expires_at, actor_kind, actor_id) SELECT gen_random_uuid(), database, place, key_id, 'service', tenant_type, tenant, gen_random_uuid(), '` + job.String() + `', access, expires_at, 'person', 'x' FROM tenancy.minting LIMIT 1`,
	} {
		if tag, err := conn.Exec(ctx, sql); err == nil {
			t.Errorf("%s: %s", what, tag)
		}
	}
	// Nobody accepts what was withdrawn.
	if err := w.tenancy.WithdrawJob(ctx, w.anna, job, ""); err != nil {
		t.Fatal(err)
	}
	if err := w.tenancy.AcceptJob(ctx, w.bob, job, false); !errs.Is(err, errs.Conflict) {
		t.Error(err)
	}
}
