package estate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// appliersLock is held while a version is applied or confirmed: "estate" in ASCII, and the same
// number as in migration 20261124000003.
const appliersLock = 0x657374617465

// maxReason is the greatest length of the reason of a confirmation, in characters.
const maxReason = 1000

// DB is what changes need: the pool of garant_staff.
type DB interface {
	pg.Beginner
	pg.Querier
	pg.Execer
}

// Version is one applied garant.yaml. It is never changed.
type Version struct {
	ID        int64
	Hash      string // Estate.Hash
	Source    string // garant.yaml, to the letter
	Files     Files  // what it names by file:
	AppliedAt time.Time
	AppliedBy Identity
	Estate    *Estate

	// Reductions is everything expected that this version does not give, those that earlier
	// versions left pending too. Confirmed says whether a second person has taken it upon them.
	Reductions []Reduction
	Confirmed  *Confirmation

	// Already is set by Apply when nothing was new: the version was in force before.
	Already bool
}

// Pending returns the reductions that nobody has confirmed.
func (v Version) Pending() []Reduction {
	if v.Confirmed != nil {
		return nil
	}
	return v.Reductions
}

// Confirmation is a second person's word that the reductions of a version are meant.
type Confirmation struct {
	At     time.Time
	By     Identity
	Reason string
}

// Apply makes source the estate. files gives what it names by file:, and is kept with it. It
// needs actor.ChangeEstate; one applier is let in at a time, and the audit row commits with the
// version. A source that declares what the version in force declares makes no new version.
// Mistakes come back as *Problems and change nothing.
func Apply(ctx context.Context, db DB, by actor.Actor, source []byte, files FileReader) (Version, error) {
	if !by.May(actor.ChangeEstate) {
		return Version{}, refuse(ctx, db, by, "estate.applied", "new", "permission",
			errs.New(errs.Denied, "estate.denied", "You may not change the estate.").WithFix("Ask a security lead."))
	}
	declaration, _, err := validate(source, files, "")
	if err != nil {
		return Version{}, err
	}
	v := Version{Hash: declaration.Hash, Source: string(source), Files: declaration.Files, AppliedBy: Identity{by.Kind, by.ID}, Estate: declaration}
	err = pg.InTx(ctx, db, func(tx pgx.Tx) error {
		if err := lock(ctx, tx); err != nil {
			return err
		}
		before, err := sinceWhole(ctx, tx)
		if err != nil {
			return err
		}
		changes := len(declaration.Endpoints)
		if len(before) > 0 {
			current := before[len(before)-1]
			if current.Hash == v.Hash {
				v = current
				v.Already = true
				return nil
			}
			v.Reductions = pending(append(before, v))
			changes = len(Diff(current.Estate, declaration))
		}
		if err := insert(ctx, tx, &v); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, "estate.applied", object(v.ID), map[string]any{
			"hash": v.Hash, "changes": changes, "reductions": keys(v.Reductions),
		})
	})
	if err != nil {
		return Version{}, err
	}
	return v, nil
}

// Confirm takes the reductions of the version in force upon by, for a reason that is kept. It
// needs actor.ChangeEstate and a person who had no hand in any of them; a part of Garant never
// confirms. From then on the version is what is expected.
func Confirm(ctx context.Context, db DB, by actor.Actor, version int64, reason string) error {
	const action = "estate.reduction_confirmed"
	denied := func(why string, err *errs.Error) error {
		return refuse(ctx, db, by, action, strconv.FormatInt(version, 10), why, err)
	}
	switch {
	case by.Kind != actor.Person:
		return denied("not a person", errs.New(errs.Denied, "estate.no_person", "Only a person can confirm that the scope is meant to shrink.").
			WithFix("Sign in to the console and confirm there."))
	case !by.May(actor.ChangeEstate):
		return denied("permission", errs.New(errs.Denied, "estate.denied", "You may not change the estate.").WithFix("Ask a security lead."))
	}
	reason = strings.TrimSpace(reason)
	if reason == "" || utf8.RuneCountInString(reason) > maxReason || !utf8.ValidString(reason) || strings.ContainsFunc(reason, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }) {
		return errs.New(errs.Invalid, "estate.reason", "A confirmation needs a reason of at most "+strconv.Itoa(maxReason)+" characters.").
			WithFix("Write why the reduction is meant.")
	}
	me := Identity{by.Kind, by.ID}.String()
	secondPerson := func() error {
		return errs.New(errs.Denied, "estate.second_person", "You had a hand in this reduction, so that somebody else has to confirm it.").
			WithFix("Ask another security lead.")
	}
	err := pg.InTx(ctx, db, func(tx pgx.Tx) error {
		if err := lock(ctx, tx); err != nil {
			return err
		}
		current, err := Current(ctx, tx)
		if err != nil {
			return err
		}
		switch {
		case current.ID != version:
			return errs.New(errs.Conflict, "estate.not_current", fmt.Sprintf("Version %d is not the one in force; that is %d.", version, current.ID)).
				With("version", version).With("current", current.ID).WithFix("Look at what is pending now, then confirm that.")
		case len(current.Pending()) == 0:
			return errs.New(errs.Conflict, "estate.nothing_pending", "Nothing is waiting to be confirmed.")
		case slices.ContainsFunc(current.Reductions, func(r Reduction) bool { return slices.Contains(r.By, me) }):
			return secondPerson()
		}
		if _, err := tx.Exec(ctx, `INSERT INTO estate.confirmation (version, confirmed_by, reason) VALUES ($1, $2, $3)`, version, me, reason); err != nil {
			if pg.Violates(err, "confirmation_second_person") {
				return secondPerson()
			}
			return pg.Wrap(err)
		}
		return audit.Record(ctx, tx, by, action, object(version), map[string]any{"reductions": keys(current.Reductions)})
	})
	var e *errs.Error
	if errors.As(err, &e) && e.ID == "estate.second_person" {
		return denied("not a second person", e)
	}
	return err
}

// Current returns the version in force; errs.NotFound when none was ever applied.
func Current(ctx context.Context, on pg.Querier) (Version, error) {
	return one(ctx, on, "ORDER BY v.id DESC LIMIT 1")
}

// Mark tells versions in force apart: with the same mark, Current returns the same.
type Mark struct {
	Version   int64
	Confirmed bool // its reductions are
}

// InForce returns the mark of the version in force, which costs less than to read it; errs.NotFound
// when none was ever applied.
func InForce(ctx context.Context, on pg.Querier) (m Mark, err error) {
	err = on.QueryRow(ctx, `SELECT v.id, EXISTS (SELECT FROM estate.confirmation AS c WHERE c.version = v.id)
FROM estate.version AS v ORDER BY v.id DESC LIMIT 1`).Scan(&m.Version, &m.Confirmed)
	if errors.Is(err, pgx.ErrNoRows) {
		return m, none()
	}
	return m, pg.Wrap(err)
}

// At returns the version that was in force at a moment. What was confirmed later is confirmed
// in it.
func At(ctx context.Context, on pg.Querier, t time.Time) (Version, error) {
	return one(ctx, on, "WHERE v.applied_at <= $1 ORDER BY v.id DESC LIMIT 1", t)
}

// Get returns a version by its id, such as evidence names it.
func Get(ctx context.Context, on pg.Querier, id int64) (Version, error) {
	return one(ctx, on, "WHERE v.id = $1", id)
}

// Outdated tells whether a garant.yaml may be served: nil when hash is the one of the version in
// force, errs.Conflict when another is, errs.NotFound when none was ever applied.
func Outdated(ctx context.Context, on pg.Querier, hash string) error {
	var current string
	err := on.QueryRow(ctx, `SELECT hash FROM estate.version ORDER BY id DESC LIMIT 1`).Scan(&current)
	if errors.Is(err, pgx.ErrNoRows) {
		return none()
	}
	if err != nil {
		return pg.Wrap(err)
	}
	if current != hash {
		return errs.New(errs.Conflict, "estate.outdated", "This "+FileName+" is not the estate that was applied.").
			WithFix("Apply it with garant estate apply, or start with the one that is in force.")
	}
	return nil
}

// Versions lists versions, the newest first, without Source, Files and Estate. before is the id
// to go on from; 0: the newest. limit is at most 200; 0: 50.
func Versions(ctx context.Context, on pg.Querier, before int64, limit int) ([]Version, error) {
	if limit <= 0 {
		limit = 50
	}
	return collect(ctx, on, false, "WHERE $1 = 0 OR v.id < $1 ORDER BY v.id DESC LIMIT $2", before, min(limit, 200))
}

// sinceWhole returns the versions from the last of which nothing was pending, or that was
// confirmed, to the one in force; the oldest first.
func sinceWhole(ctx context.Context, on pg.Querier) ([]Version, error) {
	return collect(ctx, on, true, `WHERE v.id >= (
	SELECT coalesce(max(w.id), 0) FROM estate.version AS w
	WHERE w.reductions = '[]' OR EXISTS (SELECT FROM estate.confirmation AS d WHERE d.version = w.id))
ORDER BY v.id`)
}

func one(ctx context.Context, on pg.Querier, which string, args ...any) (Version, error) {
	versions, err := collect(ctx, on, true, which, args...)
	if err != nil {
		return Version{}, err
	}
	if len(versions) == 0 {
		return Version{}, none()
	}
	return versions[0], nil
}

func none() error {
	return errs.New(errs.NotFound, "estate.none", "No estate was applied yet.").WithFix("Run garant estate apply " + FileName + ".")
}

// collect reads versions; which is a constant of this package. Whole versions are parsed again
// from what was kept, so that they do not depend on the disk.
func collect(ctx context.Context, on pg.Querier, whole bool, which string, args ...any) ([]Version, error) {
	content := "v.source, v.files"
	if !whole {
		content = "'', '{}'::jsonb"
	}
	rows, err := on.Query(ctx, `SELECT v.id, v.hash, `+content+`, v.applied_at, v.applied_by, v.reductions,
	c.confirmed_at, coalesce(c.confirmed_by, ''), coalesce(c.reason, '')
FROM estate.version AS v LEFT JOIN estate.confirmation AS c ON c.version = v.id `+which, args...) //nolint:gosec // constants of this file
	if err != nil {
		return nil, pg.Wrap(err)
	}
	versions, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	for i := range versions {
		v := &versions[i]
		if !whole {
			v.Files = nil
			continue
		}
		v.Estate, err = Parse([]byte(v.Source), v.Files)
		if err != nil || v.Estate.Hash != v.Hash {
			return nil, errs.New(errs.Internal, "estate.unreadable_version", fmt.Sprintf("Version %d of the estate was kept in a form that this build does not read.", v.ID)).
				With("version", v.ID).WithFix("Start the build that applied it.")
		}
	}
	return versions, nil
}

func scan(row pgx.CollectableRow) (Version, error) {
	var (
		v                  Version
		files, reductions  []byte
		by, confirmedBy    string
		confirmedAt        *time.Time
		confirmationReason string
	)
	if err := row.Scan(&v.ID, &v.Hash, &v.Source, &files, &v.AppliedAt, &by, &reductions, &confirmedAt, &confirmedBy, &confirmationReason); err != nil {
		return v, err
	}
	v.AppliedBy = identity(by)
	if confirmedAt != nil {
		v.Confirmed = &Confirmation{At: *confirmedAt, By: identity(confirmedBy), Reason: confirmationReason}
	}
	if err := errors.Join(json.Unmarshal(files, &v.Files), json.Unmarshal(reductions, &v.Reductions)); err != nil {
		return v, errs.New(errs.Internal, "estate.unreadable_version", fmt.Sprintf("Version %d of the estate was kept in a form that this build does not read.", v.ID)).
			With("version", v.ID).WithFix("Start the build that applied it.")
	}
	v.own()
	return v, nil
}

// own fills in what a version could not know of itself before it was kept: its number and time.
func (v *Version) own() {
	for i := range v.Reductions {
		if r := &v.Reductions[i]; r.Version == 0 {
			r.Version, r.Since = v.ID, v.AppliedAt
		}
	}
}

func insert(ctx context.Context, tx pgx.Tx, v *Version) error {
	if v.Reductions == nil {
		v.Reductions = []Reduction{}
	}
	files, err := json.Marshal(v.Files)
	if err != nil {
		return err
	}
	reductions, err := json.Marshal(v.Reductions)
	if err != nil {
		return err
	}
	err = tx.QueryRow(ctx, `INSERT INTO estate.version (hash, source, files, applied_by, reductions) VALUES ($1, $2, $3, $4, $5) RETURNING id, applied_at`,
		v.Hash, v.Source, files, v.AppliedBy.String(), reductions).Scan(&v.ID, &v.AppliedAt)
	if err != nil {
		return pg.Wrap(err)
	}
	v.own()
	return nil
}

func lock(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "SELECT pg_catalog.pg_advisory_xact_lock($1)", appliersLock)
	return pg.Wrap(err)
}

// refuse records an attempt that is not allowed and returns why.
func refuse(ctx context.Context, db DB, by actor.Actor, action, id, why string, err *errs.Error) error {
	if recordErr := audit.Refused(ctx, db, by, action, audit.Object{Kind: "estate", ID: id}, map[string]any{"why": why}); recordErr != nil {
		return recordErr
	}
	return err
}

func object(version int64) audit.Object {
	return audit.Object{Kind: "estate", ID: strconv.FormatInt(version, 10)}
}

// keys lists what reductions are about, for the record.
func keys(reductions []Reduction) []string {
	list := make([]string, 0, len(reductions))
	for _, r := range reductions {
		list = append(list, r.Key)
	}
	return list
}

func identity(kept string) Identity {
	kind, id, _ := strings.Cut(kept, ":")
	return Identity{Kind: actor.Kind(kind), ID: id}
}
