// Package search keeps what entries of the record are found by: their words, and which numbers the entries of each hour have. It
// follows the order of the record, as garant_worker, so that writing an entry waits for none of it; audit.List looks through what it has
// not come to by itself.
//
// # Invariants
//
//   - Every entry that has a leaf comes into both once, in the order of its leaves, whoever is killed when: where it is stands in the
//     transaction that goes on (TestKept, TestTwoKeepers).
//   - What was dropped at the end of its time has no words here either (TestDropped).
//
// # Threat model
//
// It is a convenience and proves nothing: whoever can write these tables can hide entries from searches by words or times, not from the
// trees, and not from lists by person, object or action.
package search

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/audit/words"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// How much at once, and how often.
const (
	atOnce = 1000
	every  = time.Second
	retry  = 10 * time.Second
)

// Keeper keeps them. One a server; of all servers one works at a time.
type Keeper struct {
	DB  *pg.DB // with the pool of pg.Worker
	Log *slog.Logger
}

// Run keeps them until ctx ends. It rests as long as it works, so that those who write have the database to themselves for half of the time.
func (k *Keeper) Run(ctx context.Context) {
	for failing := false; ctx.Err() == nil; {
		began := time.Now()
		more, err := k.Step(ctx)
		wait := every
		switch {
		case err != nil:
			if !failing && ctx.Err() == nil {
				k.Log.Error("what entries of the record are found by cannot be kept", "error.message", err.Error())
			}
			wait = retry
		case more:
			wait = time.Since(began)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// Drain keeps all that there is.
func (k *Keeper) Drain(ctx context.Context) error {
	for {
		if more, err := k.Step(ctx); err != nil || !more {
			return err
		}
	}
}

// hour is what is counted of one.
type hour struct {
	at                                time.Time
	entries, refused, least, greatest int64
}

// Step takes the next entries, and reports whether there may be more. Where another server is at it, nothing is done.
func (k *Keeper) Step(ctx context.Context) (more bool, err error) {
	err = pg.InTx(ctx, k.DB.Pool(pg.Worker), func(tx pgx.Tx) error {
		var seq, dropped int64
		err := tx.QueryRow(ctx, `SELECT seq, dropped FROM audit.searched FOR UPDATE SKIP LOCKED`).Scan(&seq, &dropped)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		last, n, err := k.take(ctx, tx, seq)
		if err != nil {
			return err
		}
		now, err := forget(ctx, tx, dropped)
		if err != nil || last == seq && now == dropped {
			return err
		}
		more = n == atOnce
		_, err = tx.Exec(ctx, `UPDATE audit.searched SET seq = $1, dropped = $2, at = clock_timestamp()`, last, now)
		return err
	})
	return more, pg.Wrap(err)
}

// take puts the entries of the leaves after seq where they belong, and returns the last of these leaves and how many they were.
func (k *Keeper) take(ctx context.Context, tx pgx.Tx, seq int64) (last int64, n int, err error) {
	rows, err := tx.Query(ctx, `SELECT l.seq, e.id, e.at, e.outcome = 'refused', e.object_id, coalesce(e.reason, ''), coalesce(e.request, ''), e.detail
FROM (SELECT seq, entry FROM audit.leaf WHERE seq > $1 ORDER BY seq LIMIT $2) AS l LEFT JOIN audit.entry AS e ON e.id = l.entry ORDER BY l.seq`, seq, atOnce)
	if err != nil {
		return seq, 0, err
	}
	last = seq
	var ids []int64
	var texts []string
	at, refused := map[int64]time.Time{}, map[int64]bool{}
	_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (none struct{}, err error) {
		var id *int64
		var when *time.Time
		var no *bool
		var object, reason, request *string
		var detail map[string]any
		if err := row.Scan(&last, &id, &when, &no, &object, &reason, &request, &detail); err != nil {
			return none, err
		}
		n++
		if id == nil { // dropped meanwhile
			return none, nil
		}
		if _, twice := at[*id]; !twice {
			ids, texts = append(ids, *id), append(texts, strings.Join(words.OfEntry(*object, *reason, *request, detail), " "))
			at[*id], refused[*id] = *when, *no
		}
		return none, nil
	})
	if err != nil || len(ids) == 0 {
		return last, n, err
	}
	// After a restore entries have another leaf: those are known, and not counted again.
	rows, err = tx.Query(ctx, `INSERT INTO audit.words (entry, words) SELECT u.id, array_to_tsvector(string_to_array(u.words, ' ')) FROM unnest($1::bigint[], $2::text[]) AS u(id, words)
ON CONFLICT DO NOTHING RETURNING entry`, ids, texts)
	if err != nil {
		return seq, 0, err
	}
	added, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return seq, 0, err
	}
	hours := map[time.Time]*hour{}
	for _, id := range added {
		start := at[id].UTC().Truncate(time.Hour)
		h := hours[start]
		if h == nil {
			h = &hour{at: start, least: id, greatest: id}
			hours[start] = h
		}
		h.entries++
		if refused[id] {
			h.refused++
		}
		h.least, h.greatest = min(h.least, id), max(h.greatest, id)
	}
	b := &pgx.Batch{}
	for _, h := range hours {
		b.Queue(`INSERT INTO audit.hour AS h (hour, entries, refused, least, greatest) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (hour) DO UPDATE SET entries = h.entries + excluded.entries, refused = h.refused + excluded.refused, least = least(h.least, excluded.least), greatest = greatest(h.greatest, excluded.greatest)`,
			h.at, h.entries, h.refused, h.least, h.greatest)
	}
	return last, n, tx.SendBatch(ctx, b).Close()
}

// forget takes out the words of entries that were dropped since it was last asked.
func forget(ctx context.Context, tx pgx.Tx, dropped int64) (now int64, err error) {
	if err := tx.QueryRow(ctx, `SELECT coalesce(max(id), 0) FROM audit.dropped`).Scan(&now); err != nil || now <= dropped {
		return dropped, err
	}
	// The numbers of what is left begin somewhere; around there some went and some stayed.
	const around = 100_000
	_, err = tx.Exec(ctx, `WITH first AS (SELECT coalesce((SELECT id FROM audit.entry ORDER BY id LIMIT 1), (SELECT max(entry) + 1 FROM audit.words), 0) AS id)
DELETE FROM audit.words AS w USING first AS f WHERE w.entry < f.id OR w.entry < f.id + $1 AND NOT EXISTS (SELECT FROM audit.entry AS e WHERE e.id = w.entry)`, around)
	return now, err
}

// Hour is how much was recorded in one.
type Hour struct {
	At               time.Time
	Entries, Refused int64
}

// Hours lists the hours since a moment in which something was recorded, the first one first.
func Hours(ctx context.Context, on pg.Querier, since time.Time) ([]Hour, error) {
	rows, err := on.Query(ctx, `SELECT hour, entries, refused FROM audit.hour WHERE hour >= $1 ORDER BY hour`, since.Truncate(time.Hour))
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Hour])
	return list, pg.Wrap(err)
}

// State is how far it is.
type State struct {
	Behind int64     // leaves whose entries are not taken yet
	At     time.Time // when it last went on
}

// Look tells how far it is.
func Look(ctx context.Context, on pg.Querier) (s State, err error) {
	err = on.QueryRow(ctx, `SELECT coalesce((SELECT c.seq FROM audit.cursor AS c), 0) - s.seq, s.at FROM audit.searched AS s`).Scan(&s.Behind, &s.At)
	if errs.Is(pg.Wrap(err), errs.NotFound) {
		return State{}, nil
	}
	s.Behind = max(0, s.Behind)
	return s, pg.Wrap(err)
}
