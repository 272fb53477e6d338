package measure

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// rollup is how long a run of equal findings goes on before evidence of it is written again.
const rollup = time.Hour

// Evidence is a stored finding. Its digest covers every field but ReceivedAt.
type Evidence struct {
	ID            string
	CheckID       string
	Kind          string // "finding": the first of a run of equal ones; "rollup": the run so far
	Outcome       Outcome
	Finding       Finding
	Source        []byte // the finding to the letter, as hashed
	Digest        string
	FirstAt       time.Time
	ObservedAt    time.Time
	Observations  int64
	ReceivedAt    time.Time
	ValidUntil    time.Time
	CatalogueHash string
	EstateVersion int64
	Build         string
}

// seal computes the digest: SHA-256 over a JSON array of the fields, the finding by its own hash.
func (e *Evidence) seal(contentHash string) {
	stamp := func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
	b, _ := json.Marshal([]any{ // of strings and numbers: cannot fail
		"garant evidence v1", e.ID, e.CheckID, e.Kind, e.Outcome, contentHash, stamp(e.FirstAt), stamp(e.ObservedAt),
		e.Observations, stamp(e.ValidUntil), e.CatalogueHash, e.EstateVersion, e.Build,
	})
	e.Digest = hexSum(b)
}

// Intact reports whether a row read back still has the digest that it was written with.
func (e Evidence) Intact() bool {
	again := e
	again.seal(hexSum(e.Source))
	return again.Digest == e.Digest
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// observation is what the runner hands to the store.
type observation struct {
	check     Check
	finding   Finding
	at        time.Time
	valid     time.Duration
	estate    int64
	catalogue string
	build     string
	now       func() time.Time // the clock of this machine, to compare with the database's
}

// store keeps an observation as garant_checker: it joins the run of equal findings or begins a
// new one. It returns the id of the last evidence row written.
func store(ctx context.Context, db *pg.DB, by actor.Actor, o observation) (evidenceID string, err error) {
	source, err := json.Marshal(o.finding)
	if err != nil {
		return "", errs.New(errs.Internal, "measure.finding", "The finding cannot be stored.").Wrap(err)
	}
	at := o.at.UTC().Truncate(time.Microsecond) // as PostgreSQL keeps it
	err = pg.InTx(ctx, db.Pool(pg.Checker), func(tx pgx.Tx) error {
		if err := sameTime(ctx, tx, o.now); err != nil {
			return err
		}
		// One writer for a check at a time, also before its first row is there.
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 7))", o.check.ID); err != nil {
			return err
		}
		last, err := lastRun(ctx, tx, o.check.ID)
		if err != nil {
			return err
		}
		// The same result is taken once more when another estate is in force: it is held to another scope.
		if o.check.Pushed && last != nil && (at.Before(last.observedAt) || at.Equal(last.observedAt) && last.estate == o.estate) {
			return errs.New(errs.Conflict, "measure.not_newer", "A result of that time or a later one is known already, so this one was not stored.").
				WithFix("Send the newest result.")
		}
		ev := &Evidence{
			CheckID: o.check.ID, Kind: "finding", Outcome: o.finding.Outcome, Source: source, FirstAt: at, ObservedAt: at, Observations: 1,
			ValidUntil: at.Add(o.valid).Truncate(time.Microsecond), CatalogueHash: o.catalogue, EstateVersion: o.estate, Build: o.build,
		}
		hash := hexSum(source)
		if outrun, err := last.outruns(ctx, tx, o, at); err != nil || outrun {
			if err == nil {
				err = insertEvidence(ctx, tx, by, ev, hash)
			}
			evidenceID = ev.ID
			return err
		}
		if last != nil && last.continues(hash, o, at) {
			ev.Kind, ev.FirstAt, ev.Observations = "rollup", last.firstAt, last.observations+1
			if at.Sub(last.writtenAt) < rollup {
				evidenceID = last.evidenceID
				return extend(ctx, tx, ev)
			}
		} else if last != nil && last.observations > last.writtenCount {
			if err := closeRun(ctx, tx, by, last); err != nil {
				return err
			}
		}
		if err := insertEvidence(ctx, tx, by, ev, hash); err != nil {
			return err
		}
		evidenceID = ev.ID
		return setCurrent(ctx, tx, ev, hash)
	})
	return evidenceID, err
}

// sameTime refuses to store what was seen at a time that the database disagrees with.
func sameTime(ctx context.Context, tx pgx.Tx, now func() time.Time) error {
	var theirs time.Time
	if err := tx.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&theirs); err != nil {
		return err
	}
	if skew := now().Sub(theirs).Abs(); skew > Skew {
		return errs.New(errs.Unavailable, "measure.skew", "The clocks of this machine and of the database differ by "+skew.Round(time.Second).String()+", so nothing was stored.").
			WithFix("Set both clocks by NTP; checks go on by themselves.")
	}
	return nil
}

type run struct {
	checkID, evidenceID, hash, catalogue, build string
	firstAt, observedAt, validUntil, writtenAt  time.Time
	observations, writtenCount, estate          int64
}

func (l *run) continues(hash string, o observation, at time.Time) bool {
	return l.hash == hash && l.estate == o.estate && l.catalogue == o.catalogue && l.build == o.build && !at.Before(l.observedAt)
}

// outruns reports whether a pass comes too late to be told: another server, or somebody by hand, has looked
// later and not seen one. It is kept as evidence, and clears nothing. What comes late and is no pass is told: the
// next look decides.
func (l *run) outruns(ctx context.Context, tx pgx.Tx, o observation, at time.Time) (bool, error) {
	if l == nil || o.check.Pushed || l.estate != o.estate || !at.Before(l.observedAt) || o.finding.Outcome != Pass {
		return false, nil
	}
	var outcome Outcome
	err := tx.QueryRow(ctx, "SELECT outcome FROM measure.evidence WHERE id = $1", l.evidenceID).Scan(&outcome)
	return outcome != Pass, err
}

func lastRun(ctx context.Context, tx pgx.Tx, check string) (*run, error) {
	var l run
	err := tx.QueryRow(ctx, `SELECT check_id, evidence_id, content_hash, first_at, observed_at, valid_until, observations, written_at, written_count, estate_version, catalogue_hash, build
FROM measure.current WHERE check_id = $1`, check).
		Scan(&l.checkID, &l.evidenceID, &l.hash, &l.firstAt, &l.observedAt, &l.validUntil, &l.observations, &l.writtenAt, &l.writtenCount, &l.estate, &l.catalogue, &l.build)
	if err == pgx.ErrNoRows { //nolint:errorlint // returned bare by pgx
		return nil, nil //nolint:nilnil // no run yet
	}
	return &l, err
}

func extend(ctx context.Context, tx pgx.Tx, ev *Evidence) error {
	_, err := tx.Exec(ctx, `UPDATE measure.current SET observed_at = $2, valid_until = $3, observations = $4 WHERE check_id = $1`,
		ev.CheckID, ev.ObservedAt, ev.ValidUntil, ev.Observations)
	return err
}

// closeRun writes the last rollup of a run of findings that another ends.
func closeRun(ctx context.Context, tx pgx.Tx, by actor.Actor, l *run) error {
	var source []byte
	var outcome Outcome
	if err := tx.QueryRow(ctx, "SELECT finding::text, outcome FROM measure.evidence WHERE id = $1", l.evidenceID).Scan(&source, &outcome); err != nil {
		return err
	}
	ev := &Evidence{
		CheckID: l.checkID, Kind: "rollup", Outcome: outcome, Source: source, FirstAt: l.firstAt, ObservedAt: l.observedAt, Observations: l.observations,
		ValidUntil: l.validUntil, CatalogueHash: l.catalogue, EstateVersion: l.estate, Build: l.build,
	}
	return insertEvidence(ctx, tx, by, ev, l.hash)
}

func insertEvidence(ctx context.Context, tx pgx.Tx, by actor.Actor, ev *Evidence, hash string) error {
	ev.ID = uuid.Must(uuid.NewV7()).String()
	ev.FirstAt, ev.ObservedAt, ev.ValidUntil = ev.FirstAt.UTC(), ev.ObservedAt.UTC(), ev.ValidUntil.UTC()
	ev.seal(hash)
	_, err := tx.Exec(ctx, `INSERT INTO measure.evidence (id, check_id, kind, outcome, finding, content_hash, digest, first_at, observed_at, observations, valid_until, catalogue_hash, estate_version, build)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		ev.ID, ev.CheckID, ev.Kind, ev.Outcome, string(ev.Source), hash, ev.Digest, ev.FirstAt, ev.ObservedAt, ev.Observations, ev.ValidUntil, ev.CatalogueHash, ev.EstateVersion, ev.Build)
	if err != nil {
		return err
	}
	return audit.Record(ctx, tx, by, "evidence.stored", audit.Object{Kind: "check", ID: ev.CheckID},
		map[string]any{"evidence": ev.ID, "digest": ev.Digest, "outcome": string(ev.Outcome), "observations": ev.Observations})
}

func setCurrent(ctx context.Context, tx pgx.Tx, ev *Evidence, hash string) error {
	definite := ev.Outcome != Error
	_, err := tx.Exec(ctx, `INSERT INTO measure.current AS c (check_id, evidence_id, content_hash, first_at, observed_at, valid_until, observations, written_at, written_count, estate_version, catalogue_hash, build, definite_id, definite_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $5, $7, $8, $9, $10, CASE WHEN $11 THEN $2::uuid END, CASE WHEN $11 THEN $5::timestamptz END)
ON CONFLICT (check_id) DO UPDATE SET evidence_id = $2, content_hash = $3, first_at = $4, observed_at = $5, valid_until = $6, observations = $7,
	written_at = $5, written_count = $7, estate_version = $8, catalogue_hash = $9, build = $10,
	definite_id = CASE WHEN $11 THEN $2::uuid ELSE c.definite_id END, definite_at = CASE WHEN $11 THEN $5::timestamptz WHEN c.definite_id = c.evidence_id THEN c.observed_at ELSE c.definite_at END`,
		ev.CheckID, ev.ID, hash, ev.FirstAt, ev.ObservedAt, ev.ValidUntil, ev.Observations, ev.EstateVersion, ev.CatalogueHash, ev.Build, definite)
	return err
}

// LoadCurrent reads the run of findings that each check is in.
func LoadCurrent(ctx context.Context, on pg.Querier) (map[string]*Current, error) {
	rows, err := on.Query(ctx, `SELECT c.check_id, c.evidence_id, e.digest, e.finding, c.first_at, c.observed_at, c.valid_until, c.observations,
	c.estate_version, c.catalogue_hash, c.build, coalesce(d.outcome, ''), coalesce(c.definite_at, 'epoch')
FROM measure.current c
JOIN measure.evidence e ON e.id = c.evidence_id
LEFT JOIN measure.evidence d ON d.id = c.definite_id`)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*Current, error) {
		var c Current
		err := row.Scan(&c.CheckID, &c.EvidenceID, &c.Digest, &c.Finding, &c.FirstAt, &c.ObservedAt, &c.ValidUntil, &c.Observations,
			&c.EstateVersion, &c.CatalogueHash, &c.Build, &c.Definite, &c.DefiniteAt)
		return &c, err
	})
	if err != nil {
		return nil, pg.Wrap(err)
	}
	current := make(map[string]*Current, len(all))
	for _, c := range all {
		current[c.CheckID] = c
	}
	return current, nil
}

const evidenceColumns = `id, check_id, kind, outcome, finding, finding::text, digest, first_at, observed_at, observations, received_at, valid_until, catalogue_hash, estate_version, build`

func scanEvidence(row pgx.CollectableRow) (e Evidence, err error) {
	err = row.Scan(&e.ID, &e.CheckID, &e.Kind, &e.Outcome, &e.Finding, &e.Source, &e.Digest, &e.FirstAt, &e.ObservedAt, &e.Observations,
		&e.ReceivedAt, &e.ValidUntil, &e.CatalogueHash, &e.EstateVersion, &e.Build)
	return e, err
}

// LoadEvidence reads one evidence row.
func LoadEvidence(ctx context.Context, on pg.Querier, id string) (Evidence, error) {
	none := errs.New(errs.NotFound, "measure.no_evidence", "There is no such evidence.").WithFix("Look for it on the page of its check.")
	if _, err := uuid.Parse(id); err != nil {
		return Evidence{}, none
	}
	rows, err := on.Query(ctx, "SELECT "+evidenceColumns+" FROM measure.evidence WHERE id = $1", id)
	if err != nil {
		return Evidence{}, pg.Wrap(err)
	}
	e, err := pgx.CollectExactlyOneRow(rows, scanEvidence)
	if errors.Is(err, pgx.ErrNoRows) {
		return Evidence{}, none
	}
	return e, pg.Wrap(err)
}

// ListEvidence reads the evidence of a check, the newest first, before the given row when
// before is not empty.
func ListEvidence(ctx context.Context, on pg.Querier, check, before string, limit int) ([]Evidence, error) {
	rows, err := on.Query(ctx, "SELECT "+evidenceColumns+` FROM measure.evidence
WHERE check_id = $1 AND ($2 = '' OR id < nullif($2, '')::uuid) ORDER BY id DESC LIMIT $3`, check, before, min(max(limit, 1), 200))
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, scanEvidence)
	return list, pg.Wrap(err)
}

// StateChange is a moment at which a measure changed state.
type StateChange struct {
	ID      int64
	Measure string
	State   State
	At      time.Time
	Cause   string
	Reason  string
}

// LastStates reads the last recorded state of each of the measures.
func LastStates(ctx context.Context, on pg.Querier, measures []string) (map[string]StateChange, error) {
	rows, err := on.Query(ctx, `SELECT s.id, s.measure_id, s.state, s.at, s.cause, s.reason
FROM unnest($1::text[]) AS m (id)
CROSS JOIN LATERAL (SELECT id, measure_id, state, at, cause, reason FROM measure.state_change
	WHERE measure_id = m.id ORDER BY id DESC LIMIT 1) AS s`, measures)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, scanChange)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	last := make(map[string]StateChange, len(list))
	for _, c := range list {
		last[c.Measure] = c
	}
	return last, nil
}

// AppendState records a change of state, as garant_worker.
func AppendState(ctx context.Context, tx pgx.Tx, c StateChange) (StateChange, error) {
	err := tx.QueryRow(ctx, "INSERT INTO measure.state_change (measure_id, state, cause, reason) VALUES ($1, $2, $3, $4) RETURNING id, at",
		c.Measure, c.State, c.Cause, c.Reason).Scan(&c.ID, &c.At)
	return c, pg.Wrap(err)
}

func scanChange(row pgx.CollectableRow) (c StateChange, err error) {
	err = row.Scan(&c.ID, &c.Measure, &c.State, &c.At, &c.Cause, &c.Reason)
	return c, err
}

func insertAsked(ctx context.Context, tx pgx.Tx, run, check string, by actor.Actor) error {
	_, err := tx.Exec(ctx, "INSERT INTO measure.run (id, check_id, asked_by) VALUES ($1, $2, $3)", run, check, by.ID)
	return err
}

func startAsked(ctx context.Context, on pg.Execer, run string) error {
	_, err := on.Exec(ctx, "UPDATE measure.run SET started_at = clock_timestamp() WHERE id = $1 AND started_at IS NULL", run)
	return pg.Wrap(err)
}

func finishAsked(ctx context.Context, on pg.Execer, run, outcome string, evidence *string) error {
	_, err := on.Exec(ctx, "UPDATE measure.run SET finished_at = clock_timestamp(), outcome = $2, evidence_id = $3 WHERE id = $1", run, outcome, evidence)
	return pg.Wrap(err)
}

// LoadAsked reads a run that somebody asked for.
func LoadAsked(ctx context.Context, on pg.Querier, runID string) (a Asked, err error) {
	none := errs.New(errs.NotFound, "measure.no_run", "There is no such run.").WithFix("Start one from the page of the check.")
	if _, err := uuid.Parse(runID); err != nil {
		return a, none
	}
	err = on.QueryRow(ctx, `SELECT id, check_id, asked_at, asked_by, started_at, finished_at, evidence_id, outcome FROM measure.run WHERE id = $1`, runID).
		Scan(&a.ID, &a.CheckID, &a.AskedAt, &a.AskedBy, &a.StartedAt, &a.FinishedAt, &a.EvidenceID, &a.Outcome)
	if errors.Is(err, pgx.ErrNoRows) {
		return a, none
	}
	return a, pg.Wrap(err)
}
