package anonymise

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/anonymise/run"
	"github.com/garant-project/garant/internal/pg"
)

// Outcome is how a run ended.
type Outcome string

// The outcomes.
const (
	Running   Outcome = "running"
	Published Outcome = "published"
	Stopped   Outcome = "stopped"  // the plan does not know or does not fit what the source has
	Unproven  Outcome = "unproven" // the copy was made, and a proof failed: it was thrown away
	Failed    Outcome = "failed"   // a server did not answer, had no space, was changed meanwhile
	Lost      Outcome = "lost"     // its server is no more
)

// Run is a run, as far as it is known.
type Run struct {
	ID          uuid.UUID   `json:"id"`
	Database    string      `json:"database"` // name in the estate
	Name        string      `json:"name"`     // of the copy
	Run         string      `json:"run,omitempty"`
	Origin      string      `json:"origin"`
	Plan        []byte      `json:"plan"` // SHA-256
	BeganAt     time.Time   `json:"began_at"`
	Stage       run.Stage   `json:"stage,omitempty"`
	Table       string      `json:"table,omitempty"` // that was worked on
	Rows        int64       `json:"rows"`
	Bytes, All  int64       `json:"-"`
	Waiting     bool        `json:"waiting,omitempty"`
	HeardAt     time.Time   `json:"heard_at"`
	EndedAt     *time.Time  `json:"ended_at,omitempty"`
	Outcome     Outcome     `json:"outcome"`
	Code        string      `json:"code,omitempty"`
	Said        string      `json:"said,omitempty"`
	SnapshotAt  *time.Time  `json:"snapshot_at,omitempty"`
	Anonymised  *bool       `json:"anonymised,omitempty"`
	Proof       string      `json:"proof,omitempty"`
	Report      *run.Report `json:"report,omitempty"` // of RunOf only
	Schema      Schema      `json:"-"`                // of RunOf only
	PublishedAt *time.Time  `json:"published_at,omitempty"`
}

// Schema is tables with their columns and types.
type Schema map[string]map[string]string

const runColumns = `r.id, r.database, r.name, r.run, r.origin, r.plan, r.began_at, r.stage, r.tables, r.rows, r.bytes, r.bytes_all, r.waiting, r.heard_at, r.ended_at, r.outcome, r.code, r.said, r.snapshot_at, r.anonymised, r.proof, r.published_at`

func (r *Run) fields() []any {
	return []any{&r.ID, &r.Database, &r.Name, &r.Run, &r.Origin, &r.Plan, &r.BeganAt, &r.Stage, &r.Table, &r.Rows, &r.Bytes, &r.All, &r.Waiting, &r.HeardAt, &r.EndedAt, &r.Outcome, &r.Code, &r.Said, &r.SnapshotAt,
		&r.Anonymised, &r.Proof, &r.PublishedAt}
}

func scanRun(row pgx.CollectableRow) (r Run, err error) {
	err = row.Scan(r.fields()...)
	return r, err
}

// runsOf lists the runs of a database, the latest first.
func runsOf(ctx context.Context, on pg.Querier, database string, limit int) ([]Run, error) {
	rows, err := on.Query(ctx, `SELECT `+runColumns+` FROM anonymise.run AS r WHERE r.database = $1 ORDER BY r.seq DESC LIMIT $2`, database, limit)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, scanRun)
	return list, pg.Wrap(err)
}

// lastRun is the latest run of a database with one of the outcomes (none named: any); nil: there is none.
func lastRun(ctx context.Context, on pg.Querier, database string, outcomes ...Outcome) (*Run, error) {
	rows, err := on.Query(ctx, `SELECT `+runColumns+` FROM anonymise.run AS r WHERE r.database = $1 AND ($2::text[] IS NULL OR r.outcome = ANY ($2)) ORDER BY r.seq DESC LIMIT 1`, database, outcomes)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	r, err := pgx.CollectExactlyOneRow(rows, scanRun)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return &r, pg.Wrap(err)
}

// runOf is a run with its report; nil: there is none.
func runOf(ctx context.Context, on pg.Querier, id uuid.UUID) (*Run, error) {
	return oneRun(ctx, on, `r.id = $1`, id)
}

// runNamed is the run of a database that made a copy; nil: none that is known.
func runNamed(ctx context.Context, on pg.Querier, database, name string) (*Run, error) {
	return oneRun(ctx, on, `r.database = $1 AND r.run = $2`, database, name)
}

func oneRun(ctx context.Context, on pg.Querier, where string, args ...any) (*Run, error) {
	rows, err := on.Query(ctx, `SELECT `+runColumns+`, r.report, r.schema FROM anonymise.run AS r WHERE `+where+` ORDER BY r.seq DESC LIMIT 1`, args...)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	r, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (r Run, err error) {
		err = row.Scan(append(r.fields(), &r.Report, &r.Schema)...)
		return r, err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return &r, pg.Wrap(err)
}

func insertRun(ctx context.Context, on pg.Execer, r *Run) error {
	_, err := on.Exec(ctx, `INSERT INTO anonymise.run (id, database, name, origin, plan, began_at, heard_at) VALUES ($1, $2, $3, $4, $5, $6, $6)`, r.ID, r.Database, r.Name, r.Origin, r.Plan, r.BeganAt)
	return pg.Wrap(err)
}

// heard notes how far a run is.
func heard(ctx context.Context, on pg.Execer, id uuid.UUID, p run.Progress, now time.Time) error {
	_, err := on.Exec(ctx, `UPDATE anonymise.run SET stage = $2, tables = $3, rows = $4, bytes = $5, bytes_all = $6, waiting = $7, heard_at = $8 WHERE id = $1 AND outcome = 'running'`,
		id, p.Stage, p.Table, p.Rows, p.Bytes, p.All, p.Waiting != "", now)
	return pg.Wrap(err)
}

// proven notes what a run proved, before its copy is served.
func proven(ctx context.Context, on pg.Execer, id uuid.UUID, report *run.Report, schema Schema) error {
	encoded, err := json.Marshal(report)
	if err != nil {
		return err
	}
	_, err = on.Exec(ctx, `UPDATE anonymise.run SET run = $2, snapshot_at = $3, anonymised = $4, proof = $5, report = $6, schema = $7 WHERE id = $1 AND outcome = 'running'`,
		id, report.Run, report.Began, report.Anonymised(), report.Proof(), encoded, schema)
	return pg.Wrap(err)
}

// ended notes how a run ended; report: nil, or one of a run that made nothing.
func ended(ctx context.Context, on pg.Execer, id uuid.UUID, o Outcome, code, said string, report *run.Report, now time.Time) error {
	var encoded []byte
	if report != nil {
		var err error
		if encoded, err = json.Marshal(report); err != nil {
			return err
		}
	}
	_, err := on.Exec(ctx, `UPDATE anonymise.run SET outcome = $2, code = $3, said = $4, report = coalesce($5, report), ended_at = greatest($6, began_at), heard_at = greatest($6, heard_at), published_at = CASE WHEN $2 = 'published' THEN $6::timestamptz END WHERE id = $1 AND outcome = 'running'`,
		id, o, code, said, encoded, now)
	return pg.Wrap(err)
}

func insertCertificates(ctx context.Context, on pg.Execer, database string, list []run.Certificate) error {
	for _, c := range list {
		var began *time.Time
		if !c.Began.IsZero() {
			began = &c.Began
		}
		if _, err := on.Exec(ctx, `INSERT INTO anonymise.certificate (database, copy, run, began_at, bytes, destroyed_at, reason) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			database, c.Database, c.Run, began, c.Bytes, c.Destroyed, c.Reason); err != nil {
			return pg.Wrap(err)
		}
	}
	return nil
}

func certificatesOf(ctx context.Context, on pg.Querier, database string, limit int) ([]run.Certificate, error) {
	rows, err := on.Query(ctx, `SELECT c.copy, c.run, coalesce(c.began_at, '0001-01-01Z'), c.bytes, c.destroyed_at, c.reason FROM anonymise.certificate AS c WHERE c.database = $1 ORDER BY c.destroyed_at DESC, c.id DESC LIMIT $2`, database, limit)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c run.Certificate, err error) {
		err = row.Scan(&c.Database, &c.Run, &c.Began, &c.Bytes, &c.Destroyed, &c.Reason)
		return c, err
	})
	return list, pg.Wrap(err)
}

// Credential is what a developers' role signs in with, without the password.
type Credential struct {
	Role      string     `json:"role"`
	IssuedAt  time.Time  `json:"issued_at"`
	IssuedBy  string     `json:"issued_by"`
	SettledAt *time.Time `json:"settled_at,omitempty"` // the cluster has it
	sealed    []byte
}

const credentialColumns = `c.role, c.issued_at, c.issued_by, c.settled_at, c.sealed` //nolint:gosec // names of columns

func scanCredential(row pgx.CollectableRow) (c Credential, err error) {
	err = row.Scan(&c.Role, &c.IssuedAt, &c.IssuedBy, &c.SettledAt, &c.sealed)
	return c, err
}

func credentialsOf(ctx context.Context, on pg.Querier, database string) ([]Credential, error) {
	rows, err := on.Query(ctx, `SELECT `+credentialColumns+` FROM anonymise.credential AS c WHERE c.database = $1 ORDER BY c.role`, database)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, scanCredential)
	return list, pg.Wrap(err)
}

// putCredential keeps a password that the cluster does not have yet.
func putCredential(ctx context.Context, tx pg.Execer, database, role string, sealed []byte, by string) error {
	_, err := tx.Exec(ctx, `INSERT INTO anonymise.credential (database, role, sealed, issued_by) VALUES ($1, $2, $3, $4)
ON CONFLICT (database, role) DO UPDATE SET sealed = EXCLUDED.sealed, issued_by = EXCLUDED.issued_by, issued_at = clock_timestamp(), settled_at = NULL`, database, role, sealed, by)
	return pg.Wrap(err)
}

// settleCredential notes that the cluster has a password, unless it was replaced meanwhile.
func settleCredential(ctx context.Context, on pg.Execer, database string, c Credential) error {
	_, err := on.Exec(ctx, `UPDATE anonymise.credential SET settled_at = clock_timestamp() WHERE database = $1 AND role = $2 AND sealed = $3`, database, c.Role, c.sealed)
	return pg.Wrap(err)
}

// publications counts the copies of a database that were published.
func publications(ctx context.Context, on pg.Querier, database string) (n int, err error) {
	err = on.QueryRow(ctx, `SELECT count(*) FROM anonymise.run AS r WHERE r.database = $1 AND r.outcome = 'published'`, database).Scan(&n)
	return n, pg.Wrap(err)
}
