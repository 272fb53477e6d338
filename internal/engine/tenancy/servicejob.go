package tenancy

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/tenant"
)

// JobState is what became of a service job.
type JobState string

// The states.
const (
	JobAsked     JobState = "asked" // waits for a second person
	JobAccepted  JobState = "accepted"
	JobRefused   JobState = "refused"
	JobWithdrawn JobState = "withdrawn"
	JobOver      JobState = "over" // its end has come
)

// Job is a service job: work that needs a tenant's data without a login of that tenant.
type Job struct {
	ID        uuid.UUID
	Database  string
	Name      string
	Why       string
	Write     bool
	Tenants   []string // keys, as PostgreSQL prints them
	AnyTenant bool     // whatever tenant
	EndsAt    time.Time
	AskedAt   time.Time
	AskedBy   string // estate.Identity.String
	State     JobState
	DecidedAt *time.Time
	DecidedBy string
	Reason    string // of who decided or withdrew
}

// Ask is what somebody asks for.
type Ask struct {
	Database  string
	Name      string
	Why       string
	Write     bool
	Tenants   []string
	AnyTenant bool
	EndsAt    time.Time
}

const (
	maxReason  = 1000
	maxTenants = 1000
)

var jobName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// AskJob asks for a service job. It needs a person with actor.ChangeTenancy; a second accepts it.
// The errors: Invalid for what is not understood (errs.Error.Args names the Field), Conflict while another job of that name
// is open.
func (t *Tenancy) AskJob(ctx context.Context, by actor.Actor, a Ask) (uuid.UUID, error) {
	const action = "service_job.asked"
	if err := t.mayPerson(ctx, by, actor.ChangeTenancy, action, object(clean(a.Database))); err != nil {
		return uuid.Nil, err
	}
	if a.Database == Own {
		return uuid.Nil, errs.New(errs.Denied, "tenancy.own_job", "What Garant knows of a customer is shown to a login of that customer.").WithFix("Ask for a job in a database of the estate.")
	}
	d, section, err := t.guarded(ctx, a.Database)
	if err != nil {
		return uuid.Nil, err
	}
	now := t.Now()
	invalid := func(field, id, text, fix string) (uuid.UUID, error) {
		return uuid.Nil, errs.New(errs.Invalid, id, text).WithFix(fix).With("Field", field)
	}
	if !jobName.MatchString(a.Name) {
		return invalid("name", "tenancy.job_name", "A job has a name of small letters, digits and hyphens, at most 63.", "Write one such as monthly-statement.")
	}
	a.Why = strings.TrimSpace(a.Why)
	if a.Why == "" || !text(a.Why) {
		return invalid("why", "tenancy.job_why", fmt.Sprintf("Say what the job is for, in at most %d characters.", maxReason), "Write it for who accepts it.")
	}
	if a.EndsAt.Sub(now) < time.Minute || a.EndsAt.Sub(now) > section.Job+24*time.Hour {
		e := errs.New(errs.Invalid, "tenancy.job_end", "A job ends between tomorrow and "+estate.FormatDuration(section.Job)+" from now.").WithFix("Choose a day between; when it comes, ask again.")
		return uuid.Nil, e.With("Field", "ends").With("Longest", section.Job)
	}
	if a.AnyTenant == (len(a.Tenants) > 0) || len(a.Tenants) > maxTenants {
		return invalid("tenants", "tenancy.job_tenants", fmt.Sprintf("A job is for the tenants that are listed, at most %d, or expressly for any.", maxTenants), "List their keys, or say any.")
	}
	keys := []string{}
	for _, key := range a.Tenants {
		id, err := tenant.ParseID(section.KeyType, strings.TrimSpace(key))
		if err != nil {
			e := errs.New(errs.Invalid, "tenancy.job_tenant_key", fmt.Sprintf("%q is not the key of a tenant: here, one is a %s.", clean(key), section.KeyType)).WithFix("Write each as the database prints it.")
			return uuid.Nil, e.With("Field", "tenants").With("Key", clean(key)).With("Type", section.KeyType)
		}
		if !slices.Contains(keys, id.String()) {
			keys = append(keys, id.String())
		}
	}
	id := uuid.Must(uuid.NewV7())
	err = pg.InTx(ctx, t.DB.Pool(pg.Staff), func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO tenancy.job (id, database, name, why, access, tenants, any_tenant, ends_at, asked_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			id, d.Name, a.Name, a.Why, access(a.Write), keys, a.AnyTenant, a.EndsAt, identity(by)); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, action, jobObject(id), map[string]any{"database": d.Name, "name": a.Name, "write": a.Write, "any_tenant": a.AnyTenant, "tenants": len(keys)})
	})
	switch {
	case pg.Violates(err, "job_open_once"):
		return uuid.Nil, errs.New(errs.Conflict, "tenancy.job_open", "A job of this name is open for this database.").WithFix("Withdraw it first, or choose another name.").With("Field", "name")
	case err != nil:
		return uuid.Nil, err
	}
	return id, nil
}

func access(write bool) string {
	if write {
		return string(rune(tenant.Write))
	}
	return string(rune(tenant.Read))
}

func jobObject(id uuid.UUID) audit.Object { return audit.Object{Kind: "service_job", ID: id.String()} }

// text reports whether a note is one.
func text(s string) bool {
	return utf8.RuneCountInString(s) <= maxReason && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' })
}

// mayPerson is may for what only a person does.
func (t *Tenancy) mayPerson(ctx context.Context, by actor.Actor, needed actor.Permission, action string, on audit.Object) error {
	if err := t.may(ctx, by, needed, action, on); err != nil {
		return err
	}
	if by.Kind == actor.Person {
		return nil
	}
	if err := audit.Refused(ctx, t.DB.Pool(pg.Staff), by, action, on, map[string]any{"why": "not a person"}); err != nil {
		return err
	}
	return errs.New(errs.Denied, "tenancy.no_person", "Only a person asks for service jobs and decides on them.").WithFix("Sign in to the console and do it there.")
}

// AcceptJob lets tokens be minted for a job, until it ends or is withdrawn. It needs a person with
// actor.AcceptJobs who has not asked for it. anyTenant says again that it is for whatever tenant.
func (t *Tenancy) AcceptJob(ctx context.Context, by actor.Actor, id uuid.UUID, anyTenant bool) error {
	return t.decide(ctx, by, id, "service_job.accepted", "accepted", anyTenant, "")
}

// RefuseJob tells who asked that the job is not accepted, and why. It needs a person with
// actor.AcceptJobs who has not asked for it: who has, withdraws.
func (t *Tenancy) RefuseJob(ctx context.Context, by actor.Actor, id uuid.UUID, reason string) error {
	reason = strings.TrimSpace(reason)
	if reason == "" || !text(reason) {
		return errs.New(errs.Invalid, "tenancy.job_reason", fmt.Sprintf("Say why the job is not accepted, in at most %d characters.", maxReason)).With("Field", "reason")
	}
	return t.decide(ctx, by, id, "service_job.refused", "refused", false, reason)
}

func (t *Tenancy) decide(ctx context.Context, by actor.Actor, id uuid.UUID, action, outcome string, anyTenant bool, reason string) error {
	if err := t.mayPerson(ctx, by, actor.AcceptJobs, action, jobObject(id)); err != nil {
		return err
	}
	if _, err := t.jobOf(ctx, t.DB.Pool(pg.Staff), id); err != nil {
		return err
	}
	err := pg.InTx(ctx, t.DB.Pool(pg.Staff), func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO tenancy.job_decision (job, outcome, any_tenant, reason, decided_by) VALUES ($1, $2, $3, $4, $5)`, id, outcome, anyTenant, reason, identity(by)); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, action, jobObject(id), nil)
	})
	switch {
	case pg.Violates(err, "job_decision_second_person"):
		refused := errs.New(errs.Denied, "tenancy.second_person", "You asked for this job, so that somebody else has to decide on it.").WithFix("Ask another security lead.")
		if recordErr := audit.Refused(ctx, t.DB.Pool(pg.Staff), by, action, jobObject(id), map[string]any{"why": "not a second person"}); recordErr != nil {
			return recordErr
		}
		return refused
	case pg.Violates(err, "job_decision_any_tenant"):
		return errs.New(errs.Invalid, "tenancy.job_any", "This job is for whatever tenant, and that was not confirmed.").WithFix("Tick that it is meant, or refuse the job.").With("Field", "any")
	case pg.Violates(err, "job_decision_open"), pg.Violates(err, "job_decision_pkey"):
		return errs.New(errs.Conflict, "tenancy.job_closed", "This job does not wait for a decision any more.").WithFix("Reload the page.")
	}
	return err
}

// WithdrawJob ends a job, accepted or not: no token is minted for it any more, and the sessions of
// those that were are ended. It needs actor.ChangeTenancy.
func (t *Tenancy) WithdrawJob(ctx context.Context, by actor.Actor, id uuid.UUID, reason string) error {
	const action = "service_job.withdrawn"
	if err := t.may(ctx, by, actor.ChangeTenancy, action, jobObject(id)); err != nil {
		return err
	}
	reason = strings.TrimSpace(reason)
	if !text(reason) {
		return errs.New(errs.Invalid, "tenancy.reason", fmt.Sprintf("A reason has at most %d characters.", maxReason)).With("Field", "reason")
	}
	j, err := t.jobOf(ctx, t.DB.Pool(pg.Staff), id)
	if err != nil {
		return err
	}
	var ended int64
	err = pg.InTx(ctx, t.DB.Pool(pg.Staff), func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO tenancy.job_withdrawal (job, reason, withdrawn_by) VALUES ($1, $2, $3)`, id, reason, identity(by)); err != nil {
			return err
		}
		// Whoever was minting for it has committed: the trigger of the row above waited.
		tag, err := tx.Exec(ctx, `INSERT INTO tenancy.revocation (database, session, until, revoked_by, reason)
SELECT m.database, m.session, max(m.expires_at), $2, $3 FROM tenancy.minting AS m
WHERE m.job = $1 AND m.expires_at > clock_timestamp() AND m.at > clock_timestamp() - interval '25 hours' GROUP BY m.database, m.session
ON CONFLICT (database, session) DO NOTHING`, id, identity(by), reason)
		if err != nil {
			return err
		}
		ended = tag.RowsAffected()
		return audit.Record(ctx, tx, by, action, jobObject(id), map[string]any{"sessions_ended": ended})
	})
	if pg.Violates(err, "job_withdrawal_pkey") {
		return errs.New(errs.Conflict, "tenancy.job_closed", "This job was withdrawn already.")
	}
	if err != nil || ended == 0 {
		return err
	}
	_, err = t.deliverNow(ctx, j.Database)
	return err
}

// proveJob finds the job that a token is asked for. What it allows is held by the database when the
// token is recorded.
func (t *Tenancy) proveJob(ctx context.Context, d *estate.Database, name string, r right) (right, error) {
	r.kind = tenant.Service
	err := t.DB.Pool(pg.Staff).QueryRow(ctx, `SELECT j.id, j.ends_at FROM tenancy.job AS j JOIN tenancy.job_decision AS d ON d.job = j.id AND d.outcome = 'accepted'
WHERE j.database = $1 AND j.name = $2 AND j.ends_at > clock_timestamp() AND NOT EXISTS (SELECT FROM tenancy.job_withdrawal AS w WHERE w.job = j.id)
ORDER BY j.asked_at DESC LIMIT 1`, d.Name, name).Scan(&r.job, &r.ends)
	if errs.Is(pg.Wrap(err), errs.NotFound) {
		return r, errs.New(errs.Denied, "tenancy.job_not_accepted", "No job of this name is accepted for this database, or it is over.").
			WithFix("Ask for it in the console, and let a second person accept it.")
	}
	return r, pg.Wrap(err)
}

const jobColumns = `j.id, j.database, j.name, j.why, j.access = 'w', j.tenants, j.any_tenant, j.ends_at, j.asked_at, j.asked_by,
	CASE WHEN w.job IS NOT NULL THEN 'withdrawn' WHEN d.outcome = 'refused' THEN 'refused' WHEN j.ends_at <= clock_timestamp() THEN 'over' WHEN d.outcome = 'accepted' THEN 'accepted' ELSE 'asked' END,
	d.decided_at, coalesce(d.decided_by, ''), coalesce(nullif(w.reason, ''), d.reason, '')
FROM tenancy.job AS j LEFT JOIN tenancy.job_decision AS d ON d.job = j.id LEFT JOIN tenancy.job_withdrawal AS w ON w.job = j.id`

func scanJob(row pgx.CollectableRow) (j Job, err error) {
	err = row.Scan(&j.ID, &j.Database, &j.Name, &j.Why, &j.Write, &j.Tenants, &j.AnyTenant, &j.EndsAt, &j.AskedAt, &j.AskedBy, &j.State, &j.DecidedAt, &j.DecidedBy, &j.Reason)
	return j, err
}

func (t *Tenancy) jobOf(ctx context.Context, on pg.Querier, id uuid.UUID) (Job, error) {
	rows, err := on.Query(ctx, `SELECT `+jobColumns+` WHERE j.id = $1`, id)
	if err != nil {
		return Job{}, pg.Wrap(err)
	}
	j, err := pgx.CollectExactlyOneRow(rows, scanJob)
	if err = pg.Wrap(err); errs.Is(err, errs.NotFound) {
		return j, errs.New(errs.NotFound, "tenancy.no_job", "There is no such service job.").WithFix("Look for it on the page of its database.")
	}
	return j, err
}

// jobsOf lists the service jobs of a database: those that are open first, then the newest.
func jobsOf(ctx context.Context, on pg.Querier, database string, limit int) ([]Job, error) {
	rows, err := on.Query(ctx, `SELECT `+jobColumns+` WHERE j.database = $1
ORDER BY (w.job IS NULL AND d.outcome IS DISTINCT FROM 'refused' AND j.ends_at > clock_timestamp()) DESC, j.asked_at DESC LIMIT $2`, database, limit)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, scanJob)
	return list, pg.Wrap(err)
}

// jobsAsked lists the service jobs that wait for a second person.
func jobsAsked(ctx context.Context, on pg.Querier) ([]Job, error) {
	rows, err := on.Query(ctx, `SELECT `+jobColumns+` WHERE d.job IS NULL AND w.job IS NULL AND j.ends_at > clock_timestamp() ORDER BY j.asked_at LIMIT 200`)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, scanJob)
	return list, pg.Wrap(err)
}
