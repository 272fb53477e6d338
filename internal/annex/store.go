package annex

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
)

// publishLock keeps publishers of other servers out for the length of a transaction.
const publishLock = 0x616e_6e65_78

// tryLock reports whether this transaction is the one publisher.
func tryLock(ctx context.Context, tx pgx.Tx) (mine bool, err error) {
	err = tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1)", publishLock).Scan(&mine)
	return mine, err
}

// pulse notes that somebody looks after the annex in this minute.
func pulse(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "INSERT INTO annex.pulse (minute) VALUES (date_trunc('minute', clock_timestamp())) ON CONFLICT DO NOTHING")
	return err
}

// insertDocument adds a version of the document unless it is the one in force, with what it
// changes.
func insertDocument(ctx context.Context, tx pgx.Tx, hash string, payload []byte) error {
	var id int64
	err := tx.QueryRow(ctx, `INSERT INTO annex.document (hash, payload) SELECT $1, $2
WHERE $1 IS DISTINCT FROM (SELECT hash FROM annex.document ORDER BY id DESC LIMIT 1) RETURNING id`, hash, string(payload)).Scan(&id)
	if err == pgx.ErrNoRows { //nolint:errorlint // returned bare by pgx
		return nil
	}
	if err != nil {
		return err
	}
	var earlier []byte
	err = tx.QueryRow(ctx, "SELECT payload::text FROM annex.document WHERE id < $1 ORDER BY id DESC LIMIT 1", id).Scan(&earlier)
	if err == pgx.ErrNoRows { //nolint:errorlint // returned bare by pgx
		return insertRevisions(ctx, tx, []Revision{{Kind: Published}})
	}
	if err != nil {
		return err
	}
	var before, after Document
	if err := errors.Join(json.Unmarshal(earlier, &before), json.Unmarshal(payload, &after)); err != nil {
		return err
	}
	return insertRevisions(ctx, tx, compareDocuments(before, after))
}

// insertRow adds a row of a measure, with what it changes of its scope. before is the row in
// force; nil: none.
func insertRow(ctx context.Context, tx pgx.Tx, id string, before, payload []byte) error {
	if _, err := tx.Exec(ctx, "INSERT INTO annex.published (measure_id, payload) VALUES ($1, $2)", id, string(payload)); err != nil {
		return err
	}
	revisions, err := compareRows(before, payload)
	if err != nil {
		return err
	}
	return insertRevisions(ctx, tx, revisions)
}

func insertRevisions(ctx context.Context, tx pgx.Tx, list []Revision) error {
	for _, r := range list {
		payload, err := json.Marshal(r.RevisionDetail)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "INSERT INTO annex.revision (kind, measure_id, payload) VALUES ($1, $2, $3)", r.Kind, r.Measure, string(payload)); err != nil {
			return err
		}
	}
	return nil
}

// insertHistory tells the public of a change of state, once.
func insertHistory(ctx context.Context, tx pgx.Tx, c measure.StateChange) error {
	_, err := tx.Exec(ctx, "INSERT INTO annex.history (id, measure_id, state, at, reason) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING", c.ID, c.Measure, c.State, c.At, c.Reason)
	return err
}

// setFreshness notes when each measure was last looked at, where that has moved.
func setFreshness(ctx context.Context, tx pgx.Tx, fresh map[string]Freshness) error {
	var ids []string
	var observed, until, next []time.Time
	for id, f := range fresh {
		ids, observed, until, next = append(ids, id), append(observed, f.ObservedAt), append(until, f.ValidUntil), append(next, f.NextAt)
	}
	_, err := tx.Exec(ctx, `INSERT INTO annex.freshness AS f (measure_id, observed_at, valid_until, next_at)
SELECT n.id, n.observed, n.until, n.next FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[]) AS n (id, observed, until, next)
WHERE NOT EXISTS (SELECT FROM annex.freshness k WHERE k.measure_id = n.id AND (k.observed_at, k.valid_until, k.next_at) = (n.observed, n.until, n.next))
ON CONFLICT (measure_id) DO UPDATE SET observed_at = excluded.observed_at, valid_until = excluded.valid_until, next_at = excluded.next_at
WHERE (f.observed_at, f.valid_until, f.next_at) IS DISTINCT FROM (excluded.observed_at, excluded.valid_until, excluded.next_at)`, ids, observed, until, next)
	return err
}

// lastRows reads the payload last published of each measure, to the letter.
func lastRows(ctx context.Context, on pg.Querier, ids []string) (map[string][]byte, error) {
	rows, err := on.Query(ctx, `SELECT m.id, p.payload FROM unnest($1::text[]) AS m (id)
CROSS JOIN LATERAL (SELECT payload::text FROM annex.published WHERE measure_id = m.id ORDER BY id DESC LIMIT 1) AS p`, ids)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	var id, payload string
	_, err = pgx.ForEachRow(rows, []any{&id, &payload}, func() error { out[id] = []byte(payload); return nil })
	return out, err
}

// mark tells cheaply whether the projection has changed, and when it was last looked after.
func mark(ctx context.Context, on pg.Querier) (key string, pulse time.Time, err error) {
	err = on.QueryRow(ctx, `SELECT concat_ws('/', (SELECT max(id) FROM annex.published), (SELECT max(id) FROM annex.document), (SELECT max(id) FROM annex.history),
	(SELECT md5(string_agg(f::text, ',' ORDER BY measure_id)) FROM annex.freshness f)), coalesce((SELECT max(minute) FROM annex.pulse), 'epoch')`).Scan(&key, &pulse)
	return key, pulse, pg.Wrap(err)
}

// lookedAfter reports whether somebody looked after the annex at a moment.
func lookedAfter(ctx context.Context, on pg.Querier, at time.Time) (alive bool, err error) {
	err = on.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM annex.pulse WHERE minute BETWEEN $1::timestamptz - $2::interval AND $1)", at, deadAfter).Scan(&alive)
	return alive, pg.Wrap(err)
}

// load reads the projection as it stood at a moment; zero: as it stands.
func load(ctx context.Context, pool *pgxpool.Pool, kept *documents, at, now time.Time) (*Snapshot, error) {
	s := &Snapshot{Rows: map[string]Row{}, Fresh: map[string]Freshness{}, History: map[string][]Change{}}
	err := pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		limit := any(nil)
		if !at.IsZero() {
			limit = at
		}
		err := tx.QueryRow(ctx, `SELECT id, at, hash, (SELECT min(at) FROM annex.document) FROM annex.document
WHERE $1::timestamptz IS NULL OR at <= $1 ORDER BY id DESC LIMIT 1`, limit).Scan(&s.Version, &s.Since, &s.Hash, &s.Published)
		if err == pgx.ErrNoRows { //nolint:errorlint // returned bare by pgx
			return errs.New(errs.NotFound, "annex.none", "No annex had been published at that moment.").WithFix("Choose a later day.")
		}
		if err != nil {
			return err
		}
		d, err := kept.get(s.Version, func() (payload []byte, err error) {
			err = tx.QueryRow(ctx, "SELECT payload::text FROM annex.document WHERE id = $1", s.Version).Scan(&payload)
			return payload, err
		})
		if err != nil {
			return err
		}
		s.Document, s.source = d.Document, d.source
		ids := make([]string, len(s.Document.Measures))
		for i, m := range s.Document.Measures {
			ids[i] = m.ID
		}
		if err := loadRows(ctx, tx, s, ids, limit); err != nil {
			return err
		}
		if err := loadHistory(ctx, tx, s, ids, limit, now); err != nil {
			return err
		}
		if err := loadRevisions(ctx, tx, s, limit, now); err != nil {
			return err
		}
		return loadFreshness(ctx, tx, s)
	})
	return s, pg.Wrap(err)
}

// rowsNow and rowsThen read the last row of each measure, as things stand and as they stood at a
// moment: by published_measure and by published_moment, without a walk over what came after.
const (
	rowsNow = `SELECT p.payload FROM unnest($1::text[]) AS m (id)
CROSS JOIN LATERAL (SELECT payload FROM annex.published WHERE measure_id = m.id ORDER BY id DESC LIMIT 1) AS p`
	rowsThen = `SELECT p.payload FROM unnest($1::text[]) AS m (id)
CROSS JOIN LATERAL (SELECT payload FROM annex.published WHERE measure_id = m.id AND at <= $2 ORDER BY at DESC, id DESC LIMIT 1) AS p`
)

func loadRows(ctx context.Context, tx pgx.Tx, s *Snapshot, ids []string, limit any) error {
	sql, args := rowsNow, []any{ids}
	if limit != nil {
		sql, args = rowsThen, []any{ids, limit}
	}
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[Row])
	for _, row := range list {
		s.Rows[row.Measure] = row
	}
	return err
}

// mostRevisions is how many changes of the text one page tells of.
const mostRevisions = 300

// loadRevisions reads the revisions of the days that the history tells of, the newest first.
func loadRevisions(ctx context.Context, tx pgx.Tx, s *Snapshot, limit any, now time.Time) error {
	rows, err := tx.Query(ctx, `SELECT id, at, kind, measure_id, payload FROM annex.revision
WHERE at >= $1 AND ($2::timestamptz IS NULL OR at <= $2) ORDER BY at DESC, id DESC LIMIT $3`, now.AddDate(0, 0, -historyDays-1), limit, mostRevisions)
	if err != nil {
		return err
	}
	s.Revisions, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (r Revision, err error) {
		err = row.Scan(&r.ID, &r.At, &r.Kind, &r.Measure, &r.RevisionDetail)
		r.Effect = r.effect()
		return r, err
	})
	return err
}

func loadHistory(ctx context.Context, tx pgx.Tx, s *Snapshot, ids []string, limit any, now time.Time) error {
	rows, err := tx.Query(ctx, `SELECT h.id, h.measure_id, h.state, h.at, h.reason FROM annex.history h
WHERE h.at >= $1 AND ($2::timestamptz IS NULL OR h.at <= $2)
UNION ALL
SELECT b.id, b.measure_id, b.state, b.at, b.reason FROM unnest($3::text[]) AS m (id)
CROSS JOIN LATERAL (SELECT id, measure_id, state, at, reason FROM annex.history WHERE measure_id = m.id AND at < $1 ORDER BY at DESC, id DESC LIMIT 1) AS b
ORDER BY 1`, now.AddDate(0, 0, -historyDays-1), limit, ids)
	if err != nil {
		return err
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c Change, err error) {
		err = row.Scan(&c.ID, &c.Measure, &c.State, &c.At, &c.Reason)
		return c, err
	})
	for _, c := range list {
		s.History[c.Measure] = append(s.History[c.Measure], c)
	}
	return err
}

func loadFreshness(ctx context.Context, tx pgx.Tx, s *Snapshot) error {
	rows, err := tx.Query(ctx, "SELECT measure_id, observed_at, valid_until, next_at FROM annex.freshness")
	if err != nil {
		return err
	}
	var id string
	var f Freshness
	_, err = pgx.ForEachRow(rows, []any{&id, &f.ObservedAt, &f.ValidUntil, &f.NextAt}, func() error { s.Fresh[id] = f; return nil })
	return err
}

// since reads the changes of state after one, oldest first.
func since(ctx context.Context, on pg.Querier, id int64) ([]Change, error) {
	rows, err := on.Query(ctx, "SELECT id, measure_id, state, at, reason FROM annex.history WHERE id > $1 ORDER BY id", id)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c Change, err error) {
		err = row.Scan(&c.ID, &c.Measure, &c.State, &c.At, &c.Reason)
		return c, err
	})
	return list, pg.Wrap(err)
}
