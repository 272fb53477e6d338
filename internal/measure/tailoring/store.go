package tailoring

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
)

// writersLock is held while a draft, a proposal or a decision is written: "annex" in ASCII, and the
// same number as in migration 20261127000040.
const writersLock = 0x616e6e6578

func lock(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "SELECT pg_catalog.pg_advisory_xact_lock($1)", writersLock)
	return pg.Wrap(err)
}

func identity(kept string) estate.Identity {
	kind, id, _ := strings.Cut(kept, ":")
	return estate.Identity{Kind: actor.Kind(kind), ID: id}
}

// Mark tells apart what was ever written of the annex: while it is the same, so is everything that
// this package reads. Rows are only added, by one writer at a time.
type Mark struct{ Revision, Proposal, Decisions, Version int64 } // the last of each, and how many decisions

// LastMark returns the mark of now, which costs less than to read what it stands for.
func LastMark(ctx context.Context, on pg.Querier) (m Mark, err error) {
	err = on.QueryRow(ctx, `SELECT coalesce((SELECT max(revision) FROM measure.annex_draft), 0), coalesce((SELECT max(id) FROM measure.annex_proposal), 0),
	count(*), coalesce(max(version), 0) FROM measure.annex_decision`).Scan(&m.Revision, &m.Proposal, &m.Decisions, &m.Version)
	return m, pg.Wrap(err)
}

func scanDraft(row pgx.CollectableRow) (d Draft, err error) {
	var by string
	err = row.Scan(&d.Revision, &d.Text, &d.Hash, &d.EditedAt, &by)
	d.EditedBy = identity(by)
	return d, err
}

func drafts(ctx context.Context, on pg.Querier, which string, args ...any) ([]Draft, error) {
	rows, err := on.Query(ctx, "SELECT revision, text, hash, edited_at, edited_by FROM measure.annex_draft "+which, args...) //nolint:gosec // constants of this file
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, scanDraft)
	return list, pg.Wrap(err)
}

// LastDraft returns the draft in force; the zero Draft when nobody has begun.
func LastDraft(ctx context.Context, on pg.Querier) (Draft, error) {
	list, err := drafts(ctx, on, "ORDER BY revision DESC LIMIT 1")
	if err != nil || len(list) == 0 {
		return Draft{}, err
	}
	return list[0], nil
}

// Draft returns the draft in force; the zero Draft when nobody has begun.
func (b *Book) Draft(ctx context.Context) (Draft, error) { return LastDraft(ctx, b.DB) }

// Revision returns an earlier state of the draft; 0 is the one before anybody began.
func (b *Book) Revision(ctx context.Context, revision int64) (Draft, error) {
	return revisionOf(ctx, b.DB, revision)
}

func revisionOf(ctx context.Context, on pg.Querier, revision int64) (Draft, error) {
	if revision == 0 {
		return Draft{}, nil
	}
	list, err := drafts(ctx, on, "WHERE revision = $1", revision)
	if err == nil && len(list) == 0 {
		err = errs.New(errs.NotFound, "tailoring.no_revision", "There is no such revision of the draft.").WithFix("Open the draft again.")
	}
	if err != nil {
		return Draft{}, err
	}
	return list[0], nil
}

func insertDraft(ctx context.Context, tx pgx.Tx, d *Draft) error {
	err := tx.QueryRow(ctx, "INSERT INTO measure.annex_draft (revision, text, hash, edited_by) VALUES ($1, $2, $3, $4) RETURNING edited_at",
		d.Revision, d.Text, d.Hash, d.EditedBy.String()).Scan(&d.EditedAt)
	return pg.Wrap(err)
}

func insertProposal(ctx context.Context, tx pgx.Tx, p *Proposal) error {
	err := tx.QueryRow(ctx, "INSERT INTO measure.annex_proposal (revision, note, proposed_by) VALUES ($1, $2, $3) RETURNING id, proposed_at",
		p.Draft.Revision, p.Note, p.By.String()).Scan(&p.ID, &p.At)
	switch {
	case pg.Violates(err, "annex_proposal_one"):
		return errs.New(errs.Conflict, "tailoring.waiting", "A proposal waits for its review already.").WithFix("Let it be reviewed, or withdraw it first.")
	case pg.Violates(err, "annex_proposal_new"):
		return errs.New(errs.Conflict, "tailoring.nothing_new", "The draft is published already: nothing in it is new.")
	}
	return pg.Wrap(err)
}

// proposals reads proposals with what became of them and whose hands were in them.
func proposals(ctx context.Context, on pg.Querier, which string, args ...any) ([]Proposal, error) {
	rows, err := on.Query(ctx, `WITH published AS (
	SELECT q.id, q.revision FROM measure.annex_decision AS e JOIN measure.annex_proposal AS q ON q.id = e.proposal WHERE e.version IS NOT NULL
)
SELECT p.id, p.proposed_at, p.proposed_by, p.note, d.revision, d.text, d.hash, d.edited_at, d.edited_by,
	ARRAY(SELECT e.edited_by FROM measure.annex_draft AS e WHERE e.revision > last.revision AND e.revision <= p.revision
		UNION SELECT q.proposed_by FROM measure.annex_proposal AS q WHERE q.revision > last.revision AND q.id <= p.id ORDER BY 1),
	coalesce(c.outcome, ''), coalesce(c.reason, ''), coalesce(c.decided_at, 'epoch'), coalesce(c.decided_by, '')
FROM measure.annex_proposal AS p
JOIN measure.annex_draft AS d ON d.revision = p.revision
LEFT JOIN measure.annex_decision AS c ON c.proposal = p.id
CROSS JOIN LATERAL (SELECT coalesce(max(published.revision), 0) AS revision FROM published WHERE published.id < p.id) AS last `+which, args...) //nolint:gosec // constants of this file
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Proposal, err error) {
		var by, editedBy, decidedBy string
		var hands []string
		var c Decision
		err = row.Scan(&p.ID, &p.At, &by, &p.Note, &p.Draft.Revision, &p.Draft.Text, &p.Draft.Hash, &p.Draft.EditedAt, &editedBy,
			&hands, &c.Outcome, &c.Reason, &c.At, &decidedBy)
		p.By, p.Draft.EditedBy, c.By = identity(by), identity(editedBy), identity(decidedBy)
		for _, h := range hands {
			p.Hands = append(p.Hands, identity(h))
		}
		if c.Outcome != "" {
			p.Decision = &c
		}
		return p, err
	})
	return list, pg.Wrap(err)
}

// Last returns the last proposal that was made, decided or not; nil when there was none.
func (b *Book) Last(ctx context.Context) (*Proposal, error) {
	list, err := proposals(ctx, b.DB, "ORDER BY p.id DESC LIMIT 1")
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// waiting locks out other writers and returns a proposal that nobody has decided on.
func waiting(ctx context.Context, tx pgx.Tx, id int64) (Proposal, error) {
	if err := lock(ctx, tx); err != nil {
		return Proposal{}, err
	}
	list, err := proposals(ctx, tx, "WHERE p.id = $1", id)
	switch {
	case err != nil:
		return Proposal{}, err
	case len(list) == 0:
		return Proposal{}, errs.New(errs.NotFound, "tailoring.no_proposal", "There is no such proposal.").WithFix("Look at what waits for a review.")
	case list[0].Decision != nil:
		return Proposal{}, errs.New(errs.Conflict, "tailoring.decided", "This proposal was decided on already.").WithFix("Look at what waits for a review now.")
	}
	return list[0], nil
}

type decision struct {
	proposal        int64
	outcome, reason string
	by              estate.Identity
	at              time.Time
	version         *int64
	base, hash      *string
	changes         []Difference
	comparable      bool
}

func insertDecision(ctx context.Context, tx pgx.Tx, d *decision) error {
	var changes []byte
	if d.version != nil && d.comparable {
		var err error
		if changes, err = json.Marshal(append([]Difference{}, d.changes...)); err != nil {
			return err
		}
	}
	err := tx.QueryRow(ctx, `INSERT INTO measure.annex_decision (proposal, outcome, reason, decided_by, version, base_hash, hash, changes)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING decided_at`,
		d.proposal, d.outcome, d.reason, d.by.String(), d.version, d.base, d.hash, changes).Scan(&d.at)
	return pg.Wrap(err)
}

func versions(ctx context.Context, on pg.Querier, whole bool, which string, args ...any) ([]Version, error) {
	content := "f.text"
	if !whole {
		content = "''"
	}
	rows, err := on.Query(ctx, `SELECT d.version, p.revision, `+content+`, d.hash, d.base_hash, p.proposed_at, p.proposed_by, p.note, d.decided_at, d.decided_by, d.reason, d.changes
FROM measure.annex_decision AS d
JOIN measure.annex_proposal AS p ON p.id = d.proposal
JOIN measure.annex_draft AS f ON f.revision = p.revision
WHERE d.version IS NOT NULL `+which, args...) //nolint:gosec // constants of this file
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (v Version, err error) {
		var proposedBy, by string
		var changes []byte
		if err = row.Scan(&v.Number, &v.Revision, &v.Text, &v.Hash, &v.BaseHash, &v.ProposedAt, &proposedBy, &v.Note, &v.At, &by, &v.Reason, &changes); err != nil {
			return v, err
		}
		v.ProposedBy, v.By = identity(proposedBy), identity(by)
		if v.Comparable = changes != nil; v.Comparable {
			err = json.Unmarshal(changes, &v.Changes)
		}
		return v, err
	})
	return list, pg.Wrap(err)
}

func oneVersion(ctx context.Context, on pg.Querier, which string, args ...any) (Version, error) {
	list, err := versions(ctx, on, true, which, args...)
	if err == nil && len(list) == 0 {
		err = errs.New(errs.NotFound, "tailoring.no_version", "No such version of the annex was published.").WithFix("Look in the list of versions.")
	}
	if err != nil {
		return Version{}, err
	}
	return list[0], nil
}

// LastPublished returns the version in force; errs.NotFound when none was published, and nothing
// may be shown to the public.
func LastPublished(ctx context.Context, on pg.Querier) (Version, error) {
	return oneVersion(ctx, on, "ORDER BY d.version DESC LIMIT 1")
}

// PublishedAt returns the version that was in force at a moment.
func PublishedAt(ctx context.Context, on pg.Querier, t time.Time) (Version, error) {
	return oneVersion(ctx, on, "AND d.decided_at <= $1 ORDER BY d.version DESC LIMIT 1", t)
}

// Published returns the version in force, as LastPublished does.
func (b *Book) Published(ctx context.Context) (Version, error) { return LastPublished(ctx, b.DB) }

// Version returns a published version by its number.
func (b *Book) Version(ctx context.Context, number int64) (Version, error) {
	return oneVersion(ctx, b.DB, "AND d.version = $1", number)
}

// Versions lists the published versions, the newest first, without their texts. before is the
// number to go on from; 0: the newest. limit is at most 200; 0: 50.
func (b *Book) Versions(ctx context.Context, before int64, limit int) ([]Version, error) {
	if limit <= 0 {
		limit = 50
	}
	return versions(ctx, b.DB, false, "AND ($1 = 0 OR d.version < $1) ORDER BY d.version DESC LIMIT $2", before, min(limit, 200))
}
