package measure

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

const assignmentColumns = `id, measure_id, coalesce(responsible::text, ''), coalesce(deputy::text, ''), coalesce(deputy_until::text, ''), assigned_at, assigned_by`

func scanAssignment(row pgx.CollectableRow) (a Assignment, err error) {
	var until string
	err = row.Scan(&a.ID, &a.Measure, &a.Responsible, &a.Deputy, &until, &a.At, &a.By)
	if err == nil && until != "" {
		a.DeputyUntil, err = calendar.Parse(until)
	}
	return a, err
}

// LoadAssignments reads who answers for each measure now.
func LoadAssignments(ctx context.Context, on pg.Querier) (map[string]Assignment, error) {
	rows, err := on.Query(ctx, "SELECT DISTINCT ON (measure_id) "+assignmentColumns+" FROM measure.assignment ORDER BY measure_id, id DESC")
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, scanAssignment)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	all := make(map[string]Assignment, len(list))
	for _, a := range list {
		all[a.Measure] = a
	}
	return all, nil
}

// LoadAssignment reads who answers for a measure now; the zero Assignment of the measure when nobody
// was ever named.
func LoadAssignment(ctx context.Context, on pg.Querier, measure string) (Assignment, error) {
	list, err := AssignmentHistory(ctx, on, measure, 1)
	if err != nil || len(list) == 0 {
		return Assignment{Measure: measure}, err
	}
	return list[0], nil
}

// AssignmentHistory reads who answered for a measure, the last first.
func AssignmentHistory(ctx context.Context, on pg.Querier, measure string, limit int) ([]Assignment, error) {
	rows, err := on.Query(ctx, "SELECT "+assignmentColumns+" FROM measure.assignment WHERE measure_id = $1 ORDER BY id DESC LIMIT $2", measure, min(max(limit, 1), 200))
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, scanAssignment)
	return list, pg.Wrap(err)
}

// lockAssignment holds a measure for the transaction: one decision or statement about it at a time.
func lockAssignment(ctx context.Context, tx pgx.Tx, measure string) (Assignment, error) {
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 8))", measure); err != nil {
		return Assignment{}, err
	}
	return LoadAssignment(ctx, tx, measure)
}

func insertAssignment(ctx context.Context, tx pgx.Tx, by actor.Actor, in Assigned) error {
	_, err := tx.Exec(ctx, `INSERT INTO measure.assignment (measure_id, responsible, deputy, deputy_until, assigned_by)
VALUES ($1, nullif($2, '')::uuid, nullif($3, '')::uuid, nullif($4, '')::date, $5)`,
		in.Measure, in.Responsible, in.Deputy, in.DeputyUntil.String(), string(by.Kind)+":"+by.ID)
	return err
}

// loadAttested reads the last statement about each target of a measure, or of all measures when
// none is named.
func loadAttested(ctx context.Context, on pg.Querier, measure string) ([]*Attested, error) {
	rows, err := on.Query(ctx, `SELECT DISTINCT ON (a.measure_id, t.target) a.id, a.measure_id, t.target, a.statement = 'refused',
	a.observed_at, a.valid_until, a.received_at, a.words_hash, a.digest
FROM measure.attestation a CROSS JOIN LATERAL unnest(a.targets) AS t (target)
WHERE $1 = '' OR a.measure_id = $1
ORDER BY a.measure_id, t.target, a.n DESC`, measure)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*Attested, error) {
		var a Attested
		err := row.Scan(&a.ID, &a.Measure, &a.Target, &a.Refused, &a.ObservedAt, &a.ValidUntil, &a.ReceivedAt, &a.Sentence, &a.Digest)
		return &a, err
	})
	return list, pg.Wrap(err)
}

// refusedAfter reports whether one of the targets of an attestation was ever said to be no longer so as of a later day.
func refusedAfter(ctx context.Context, tx pgx.Tx, a *Attestation) (refused bool, err error) {
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM measure.attestation
WHERE measure_id = $1 AND statement = 'refused' AND targets && $2 AND observed_at > $3)`, a.Measure, a.Targets, a.ObservedAt).Scan(&refused)
	return refused, pg.Wrap(err)
}

func insertAttestation(ctx context.Context, tx pgx.Tx, a *Attestation, sealedNote []byte) error {
	documents, err := json.Marshal(a.Documents)
	if err != nil {
		return err
	}
	return tx.QueryRow(ctx, `INSERT INTO measure.attestation (id, measure_id, targets, statement, person_id, on_behalf_of, observed_on, observed_at, valid_until,
	note, documents, words_hash, catalogue_hash, estate_version, build, digest)
VALUES ($1, $2, $3, $4, $5, nullif($6, '')::uuid, $7::text::date, $8, $9, $10, $11, $12, $13, $14, $15, $16) RETURNING received_at`,
		a.ID, a.Measure, a.Targets, a.Statement, a.Person, a.OnBehalfOf, a.ObservedOn.String(), a.ObservedAt, a.ValidUntil,
		sealedNote, documents, a.Words, a.CatalogueHash, a.EstateVersion, a.Build, a.Digest).Scan(&a.ReceivedAt)
}

// attestationOf reports whether an attestation is there and is of a measure.
func attestationOf(ctx context.Context, on pg.Querier, id, measure string) (ok bool, err error) {
	if known := uuid.Validate(id) == nil; !known {
		return false, nil
	}
	err = on.QueryRow(ctx, "SELECT EXISTS (SELECT FROM measure.attestation WHERE id = $1 AND measure_id = $2)", id, measure).Scan(&ok)
	return ok, pg.Wrap(err)
}

const attestationColumns = `id, measure_id, targets, statement, person_id, coalesce(on_behalf_of::text, ''), observed_on::text, observed_at, received_at, valid_until,
	note, documents, words_hash, catalogue_hash, estate_version, build, digest`

// scanAttestation reads a statement, with its note as it is sealed.
func scanAttestation(row pgx.CollectableRow) (a Attestation, sealed []byte, err error) {
	var on string
	err = row.Scan(&a.ID, &a.Measure, &a.Targets, &a.Statement, &a.Person, &a.OnBehalfOf, &on, &a.ObservedAt, &a.ReceivedAt, &a.ValidUntil,
		&sealed, &a.Documents, &a.Words, &a.CatalogueHash, &a.EstateVersion, &a.Build, &a.Digest)
	if err != nil {
		return a, nil, err
	}
	if len(sealed) > 0 {
		a.noteHash = hexSum(sealed)
	}
	a.ObservedOn, err = calendar.Parse(on)
	return a, sealed, err
}

// Attestations reads what was said about a measure, the last first, before the given row when before
// is not empty.
func (o *Owners) Attestations(ctx context.Context, measure, before string, limit int) ([]Attestation, error) {
	if before != "" {
		if _, err := uuid.Parse(before); err != nil {
			return nil, errs.New(errs.NotFound, "measure.no_attestation", "There is no such attestation.").WithFix("Look for it on the page of its measure.")
		}
	}
	rows, err := o.pool().Query(ctx, `SELECT `+attestationColumns+`
FROM measure.attestation
WHERE measure_id = $1 AND ($2 = '' OR n < (SELECT b.n FROM measure.attestation b WHERE b.id = nullif($2, '')::uuid)) ORDER BY n DESC LIMIT $3`,
		measure, before, min(max(limit, 1), 200))
	if err != nil {
		return nil, pg.Wrap(err)
	}
	var notes []crypt.Sealed
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Attestation, error) {
		a, sealed, err := scanAttestation(row)
		notes = append(notes, crypt.Sealed{Subject: noteSubject(a.ID), Field: noteField, Value: sealed})
		return a, err
	})
	if err != nil {
		return nil, pg.Wrap(err)
	}
	opened, err := o.Box.OpenAll(ctx, o.pool(), notes)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if notes[i].Value == nil {
			continue
		}
		list[i].Note, list[i].NoteErased = string(opened[i].Plaintext), opened[i].Err != nil
	}
	return list, nil
}

// insertReminder marks a reminder as given; false when it was already.
func insertReminder(ctx context.Context, tx pgx.Tx, measure, person, due string) (bool, error) {
	tag, err := tx.Exec(ctx, "INSERT INTO measure.reminder (measure_id, person_id, due) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", measure, person, due)
	return tag.RowsAffected() == 1, err
}

// assignedAt reads since when the person who answers for each measure has done so without a break.
func assignedAt(ctx context.Context, on pg.Querier) (map[string]time.Time, error) {
	rows, err := on.Query(ctx, `SELECT DISTINCT ON (a.measure_id) a.measure_id, min(a.assigned_at) OVER (PARTITION BY a.measure_id) FROM measure.assignment a
WHERE a.id > coalesce((SELECT max(b.id) FROM measure.assignment b WHERE b.measure_id = a.measure_id AND b.responsible IS DISTINCT FROM
	(SELECT c.responsible FROM measure.assignment c WHERE c.measure_id = a.measure_id ORDER BY c.id DESC LIMIT 1)), 0)`)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	since := map[string]time.Time{}
	var id string
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&id, &at}, func() error { since[id] = at; return nil })
	return since, pg.Wrap(err)
}
