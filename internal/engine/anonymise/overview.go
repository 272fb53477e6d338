package anonymise

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/engine/anonymise/run"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
)

// What pages and programs read. No row of production is asked for, nor any of a copy.

// Summary is a run with those figures of its report that lists show.
type Summary struct {
	Run
	Copied    int64         // rows of the copy, once they were counted
	Links     int           // values by which somebody who may query production leads rows back
	Questions int           // that the plan left open
	Vacuum    time.Duration // for which the source's was held back
}

// Copy is a database of which copies are made, as far as it is known.
type Copy struct {
	Database string
	Served   *Summary  // the copy that was published last; nil: none yet
	Last     *Summary  // the last run that has ended; nil: none yet
	Going    *Summary  // the run that is under way; nil: none
	Recent   []Summary // the latest first
	Next     time.Time // when a run is due; zero: not before somebody has had their word

	waits    bool // for a second person
	declared *estate.Anonymised
}

// Standing is in one word how it is with a copy.
type Standing string

// The standings. A run that was no good has its outcome for a standing.
const (
	UpToDate Standing = "served"
	TooOld   Standing = "old"
	Waits    Standing = "waits" // for a second person's word
	NoneYet  Standing = "none"
	First    Standing = "first" // is being made
)

// Age is how old the data of the served copy is.
func (c *Copy) Age(now time.Time) (age time.Duration, known bool) {
	if c.Served == nil || c.Served.SnapshotAt == nil {
		return 0, false
	}
	return max(0, now.Sub(*c.Served.SnapshotAt)), true
}

// Bad reports whether the last run was no good: what is served is that of an earlier one.
func (c *Copy) Bad() bool { return c.Last != nil && c.Last.Outcome != Published }

// Standing says how it is with the copy.
func (c *Copy) Standing(now time.Time) Standing {
	age, known := c.Age(now)
	switch {
	case c.waits:
		return Waits
	case known && age > c.declared.MaxAge:
		return TooOld
	case c.Bad():
		return Standing(c.Last.Outcome)
	case known:
		return UpToDate
	case c.Going != nil:
		return First
	}
	return NoneYet
}

const (
	recentShown = 40
	runsShown   = 25
	certShown   = 25
)

// Copies lists the databases of which copies are made. It needs actor.ReadCopies.
func (a *Anonymise) Copies(ctx context.Context, by actor.Actor) ([]Copy, error) {
	if err := a.may(ctx, by, actor.ReadCopies, "copies.read", object("*")); err != nil {
		return nil, err
	}
	view, err := a.View(ctx)
	if err != nil || view.Estate == nil {
		return nil, err
	}
	var list []Copy
	for _, d := range view.Estate.WithCopies() {
		c, err := a.copyOf(ctx, d, d.CopyWaits(view.Pending))
		if err != nil {
			return nil, err
		}
		list = append(list, *c)
	}
	return list, nil
}

// CopyOf tells how it is with the copies of one database. It needs actor.ReadCopies.
func (a *Anonymise) CopyOf(ctx context.Context, by actor.Actor, database string) (*Copy, error) {
	if err := a.may(ctx, by, actor.ReadCopies, "copies.read", object(clean(database))); err != nil {
		return nil, err
	}
	d, waits, err := a.copied(ctx, database)
	if err != nil {
		return nil, err
	}
	return a.copyOf(ctx, &d, waits)
}

func (a *Anonymise) copyOf(ctx context.Context, d *estate.Database, waits bool) (*Copy, error) {
	pool := a.DB.Pool(pg.Staff)
	c := &Copy{Database: d.Name, waits: waits, declared: d.Anonymised}
	var err error
	if c.Recent, err = summaries(ctx, pool, d.Name, uuid.Nil, recentShown); err != nil {
		return nil, err
	}
	for i := range c.Recent {
		s := &c.Recent[i]
		switch {
		case s.Outcome == Running && i == 0:
			c.Going = s
			continue
		case c.Last == nil && s.Outcome != Running:
			c.Last = s
		}
		if c.Served == nil && s.Outcome == Published {
			c.Served = s
		}
	}
	if c.Served == nil && len(c.Recent) == recentShown { // it was long ago
		if c.Served, err = servedBefore(ctx, pool, d.Name); err != nil {
			return nil, err
		}
	}
	if !waits {
		c.Next = nextDue(d, c, a.Now())
	}
	return c, nil
}

// nextDue is the first moment for which due says yes.
func nextDue(d *estate.Database, c *Copy, now time.Time) time.Time {
	if c.Going != nil || c.Last == nil || c.Last.EndedAt == nil || due(d, &c.Last.Run, now) {
		return now
	}
	if c.Last.Outcome == Published {
		return c.Last.BeganAt.Add(d.Anonymised.Every)
	}
	return c.Last.EndedAt.Add(min(max(retryMin, d.Anonymised.Every/10), retryMax))
}

// Runs lists runs of a database, the latest first; before: those that began before that one. It needs actor.ReadCopies.
func (a *Anonymise) Runs(ctx context.Context, by actor.Actor, database string, before uuid.UUID) (list []Summary, more bool, err error) {
	if err := a.may(ctx, by, actor.ReadCopies, "copies.read", object(clean(database))); err != nil {
		return nil, false, err
	}
	if list, err = summaries(ctx, a.DB.Pool(pg.Staff), database, before, runsShown+1); err != nil {
		return nil, false, err
	}
	if len(list) > runsShown {
		return list[:runsShown], true, nil
	}
	return list, false, nil
}

// RunOf is a run of a database with its report. It needs actor.ReadCopies.
func (a *Anonymise) RunOf(ctx context.Context, by actor.Actor, database string, id uuid.UUID) (*Run, error) {
	if err := a.may(ctx, by, actor.ReadCopies, "copies.read", object(clean(database))); err != nil {
		return nil, err
	}
	r, err := runOf(ctx, a.DB.Pool(pg.Staff), id)
	if err == nil && (r == nil || r.Database != database) {
		err = errs.New(errs.NotFound, "anonymise.no_run", "There is no such run of this database.").WithFix("Choose one from the list.")
	}
	return r, err
}

// Certificates lists what was destroyed of a database's copies, the latest first. It needs actor.ReadCopies.
func (a *Anonymise) Certificates(ctx context.Context, by actor.Actor, database string) ([]run.Certificate, error) {
	if err := a.may(ctx, by, actor.ReadCopies, "copies.read", object(clean(database))); err != nil {
		return nil, err
	}
	return certificatesOf(ctx, a.DB.Pool(pg.Staff), database, certShown)
}

// Changed is what a copy had otherwise than the one before.
type Changed struct {
	Run  uuid.UUID
	At   time.Time // when it was published
	List []Change
}

// Changes lists the copies of a database whose schema was another than that of the one before, the latest first. It needs actor.ReadCopies.
func (a *Anonymise) Changes(ctx context.Context, by actor.Actor, database string) ([]Changed, error) {
	if err := a.may(ctx, by, actor.ReadCopies, "copies.read", object(clean(database))); err != nil {
		return nil, err
	}
	return changed(ctx, a.DB.Pool(pg.Staff), database)
}

// Roles lists the developers' roles of a database with what is known of their credentials. It needs actor.ReadCopies.
func (a *Anonymise) Roles(ctx context.Context, by actor.Actor, database string) ([]Credential, error) {
	if err := a.may(ctx, by, actor.ReadCopies, "copies.read", object(clean(database))); err != nil {
		return nil, err
	}
	d, _, err := a.copied(ctx, database)
	if err != nil {
		return nil, err
	}
	have, err := credentialsOf(ctx, a.DB.Pool(pg.Staff), database)
	if err != nil {
		return nil, err
	}
	list := make([]Credential, 0, len(d.Anonymised.Developers))
	for _, role := range d.Anonymised.Developers {
		c := Credential{Role: role}
		if i := slices.IndexFunc(have, func(c Credential) bool { return c.Role == role }); i >= 0 {
			c = have[i]
		}
		list = append(list, c)
	}
	return list, nil
}

// Address is how a role reaches the copy, without the password. It needs actor.ReadCopies.
func (a *Anonymise) Address(ctx context.Context, by actor.Actor, database, role string) (string, error) {
	if err := a.may(ctx, by, actor.ReadCopies, "copies.read", object(clean(database))); err != nil {
		return "", err
	}
	d, err := a.developers(ctx, database, role)
	if err != nil {
		return "", err
	}
	target, err := d.Anonymised.Target.Reveal()
	if err != nil {
		return "", err
	}
	return addressFor(target, role, "", d.Anonymised.Name)
}

const summaryColumns = runColumns + `,
	coalesce((SELECT sum((t ->> 'there')::bigint) FROM jsonb_array_elements(r.report -> 'tables') AS t), 0)::bigint,
	coalesce(jsonb_array_length(r.report -> 'linkable'), 0), coalesce(jsonb_array_length(r.report -> 'questions'), 0), coalesce((r.report ->> 'snapshot_seconds')::float8, 0)`

func scanSummary(row pgx.CollectableRow) (s Summary, err error) {
	var seconds float64
	err = row.Scan(append(s.fields(), &s.Copied, &s.Links, &s.Questions, &seconds)...)
	s.Vacuum = time.Duration(seconds * float64(time.Second))
	return s, err
}

func summaries(ctx context.Context, on pg.Querier, database string, before uuid.UUID, limit int) ([]Summary, error) {
	rows, err := on.Query(ctx, `SELECT `+summaryColumns+` FROM anonymise.run AS r WHERE r.database = $1
AND ($2::uuid = '00000000-0000-0000-0000-000000000000' OR (r.began_at, r.id) < (SELECT b.began_at, b.id FROM anonymise.run AS b WHERE b.id = $2 AND b.database = $1))
ORDER BY r.began_at DESC, r.id DESC LIMIT $3`, database, before, limit)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, scanSummary)
	return list, pg.Wrap(err)
}

func servedBefore(ctx context.Context, on pg.Querier, database string) (*Summary, error) {
	rows, err := on.Query(ctx, `SELECT `+summaryColumns+` FROM anonymise.run AS r WHERE r.database = $1 AND r.outcome = 'published' ORDER BY r.began_at DESC, r.id DESC LIMIT 1`, database)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	s, err := pgx.CollectExactlyOneRow(rows, scanSummary)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return &s, pg.Wrap(err)
}

// changed looks at the last copies, of which most have the schema of the one before: only what differs is read.
func changed(ctx context.Context, on pg.Querier, database string) ([]Changed, error) {
	rows, err := on.Query(ctx, `WITH last AS (
	SELECT r.id, r.began_at, r.published_at, r.schema, jsonb_hash_extended(r.schema, 0) AS hash FROM anonymise.run AS r
	WHERE r.database = $1 AND r.outcome = 'published' AND r.schema IS NOT NULL ORDER BY r.began_at DESC, r.id DESC LIMIT 100),
beside AS (SELECT l.id, l.began_at, l.published_at, l.schema, l.hash, lag(l.id) OVER w AS before, lag(l.hash) OVER w AS was FROM last AS l WINDOW w AS (ORDER BY l.began_at, l.id))
SELECT b.id, b.published_at, b.schema, r.schema FROM beside AS b JOIN anonymise.run AS r ON r.id = b.before WHERE b.hash <> b.was ORDER BY b.began_at DESC, b.id DESC LIMIT 5`, database)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c Changed, err error) {
		var after, before Schema
		err = row.Scan(&c.Run, &c.At, &after, &before)
		c.List = changes(before, after)
		return c, err
	})
	return list, pg.Wrap(err)
}
