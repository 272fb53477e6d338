package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/search"
	"github.com/garant-project/garant/internal/pg"
)

const (
	persons = 2000
	actions = 40
	objects = 100_000
	clients = 200
)

// months makes the parts of a year that the database would have made one by one.
const months = `DO $$
DECLARE
	first timestamptz;
	part  text;
BEGIN
	FOR i IN 1..12 LOOP
		first := date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - make_interval(months => i);
		part := to_char(first AT TIME ZONE 'UTC', '"entry_"YYYY"_"MM');
		EXECUTE format('CREATE TABLE audit.%I (LIKE audit.entry INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)', part);
		EXECUTE format('ALTER TABLE audit.entry ATTACH PARTITION audit.%I FOR VALUES FROM (%L) TO (%L)', part, first, first + interval '1 month');
	END LOOP;
END $$`

// past is a year of entries: half of them of 20 persons, half of the others; likewise actions, objects and customers, some of which have many and most of which have few.
// $1 and $2 are the numbers from and until, $3 how many there are in all.
const past = `INSERT INTO audit.entry (at, actor_kind, actor_id, session, origin, action, outcome, object_kind, object_id, detail, tenant, reason, request)
SELECT now() - interval '1 year' + (n::float8 / $3) * interval '364 days', 'person', 'person-' || CASE WHEN h % 2 = 0 THEN (h / 2) % 20 ELSE (h / 2) % 2000 END, 'session-' || h % 50000, '192.0.2.7',
	'thing.' || (ARRAY['opened', 'changed', 'closed', 'read', 'sent', 'moved', 'copied', 'signed'])[1 + CASE WHEN h % 3 = 0 THEN 0 ELSE (h / 7) % 8 END] || CASE (h / 56) % 5 WHEN 0 THEN '' WHEN 1 THEN '_again' WHEN 2 THEN '_late' WHEN 3 THEN '_twice' ELSE '_early' END,
	CASE WHEN h % 100 = 0 THEN 'refused' ELSE 'permitted' END, 'thing', ((h / 11) % 100000)::text, json_build_object('number', n), CASE WHEN h % 10 <> 0 THEN ('00000000-0000-4000-8000-' || lpad((h / 13 % 200)::text, 12, '0'))::uuid END,
	CASE WHEN h % 20 = 0 THEN 'asked for by the owner in matter ' || h % 5000 END, 'request-' || h
FROM (SELECT n, (n * 2654435761) % 4294967296 AS h FROM generate_series($1::bigint, $2::bigint) AS n) AS g`

// ordered gives each entry a leaf, which is what words follow; putting in order is measured by part batch.
const ordered = `INSERT INTO audit.leaf (seq, tree, index, entry, hash) SELECT row_number() OVER (ORDER BY id), 1, row_number() OVER (ORDER BY id) - 1, id, sha256(id::text::bytea) FROM audit.entry;
UPDATE audit.cursor SET xid = pg_current_xact_id(), entry = 0, seq = (SELECT max(seq) FROM audit.leaf)`

// hashed is what past makes of a number.
func hashed(n int64) int64 { return n * 2654435761 % 4294967296 }

// search measures lists of a year's record.
func (s *stand) search(ctx context.Context) error {
	l, err := s.newLog(ctx, "searched")
	if err != nil {
		return err
	}
	defer l.close()
	if err := l.exec(ctx, months); err != nil {
		return err
	}
	if err := l.seq.Drain(ctx); err != nil { // which begins the log
		return err
	}
	began := time.Now()
	keeper := search.Keeper{DB: l.dbs[0], Log: slog.New(slog.DiscardHandler)}
	const step = 250_000
	var took []time.Duration
	for _, do := range []func() error{
		func() error {
			for from := 1; from <= s.rows; from += step {
				if err := l.exec(ctx, past, from, min(from+step-1, s.rows), float64(s.rows)); err != nil {
					return err
				}
			}
			return nil
		},
		func() error { return l.exec(ctx, ordered) },
		func() error { return keeper.Drain(ctx) },
	} {
		since := time.Now()
		if err := do(); err != nil {
			return err
		}
		took = append(took, time.Since(since).Round(time.Second))
	}
	if err := l.exec(ctx, "VACUUM ANALYZE"); err != nil {
		return err
	}
	var size string
	if err := l.super.QueryRow(ctx, `SELECT pg_size_pretty(pg_database_size(current_database()))`).Scan(&size); err != nil {
		return err
	}
	if unknown, err := l.count(ctx, `SELECT count(*) FROM audit.entry AS e WHERE NOT EXISTS (SELECT FROM audit.words AS w WHERE w.entry = e.id)`); err != nil {
		return err
	} else if unknown > 0 {
		return fmt.Errorf("%d entries are found by none of their words", unknown)
	}
	s.say("  %d entries of a year, %s, ready after %s: written in %s, given leaves in %s, their words kept in %s", s.rows, size,
		time.Since(began).Round(time.Second), took[0], took[1], took[2])
	on := l.dbs[0].Pool(pg.Staff)
	nothing, err := asking(ctx, on, s.searches)
	if err != nil {
		return err
	}
	dice := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same draws each time
	draw := func(prefix string, n int) string { return fmt.Sprintf("%s%d", prefix, dice.IntN(n)) }
	first, err := l.count(ctx, `SELECT min(id) FROM audit.entry`)
	if err != nil {
		return err
	}
	before := func() int64 { return first + dice.Int64N(int64(s.rows)) }
	customer := func() string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", dice.IntN(clients)) }
	hour := func() time.Time { return time.Now().Add(-time.Duration(10+dice.IntN(8700)) * time.Hour) }
	action := func() string {
		return "thing." + []string{"opened", "changed", "closed", "read", "sent", "moved", "copied", "signed"}[dice.IntN(8)] + []string{"", "_again", "_late", "_twice", "_early"}[dice.IntN(5)]
	}
	for _, kind := range []struct {
		what   string
		filter func() audit.Filter
		empty  bool // nothing has to be found
	}{
		{"by person", func() audit.Filter { return audit.Filter{ActorID: draw("person-", persons)} }, false},
		{"by person, one of those who did most, from a place in the past on", func() audit.Filter { return audit.Filter{ActorID: draw("person-", 20), Before: before()} }, false},
		{"by object", func() audit.Filter { return audit.Filter{Object: audit.Object{Kind: "thing", ID: draw("", objects)}} }, false},
		{"by action", func() audit.Filter { return audit.Filter{Action: action()} }, false},
		{"by action and person", func() audit.Filter { return audit.Filter{Action: action(), ActorID: draw("person-", persons)} }, false},
		{"by customer", func() audit.Filter { return audit.Filter{Tenant: customer()} }, false},
		{"by customer and action", func() audit.Filter { return audit.Filter{Tenant: customer(), Action: action()} }, false},
		{"from a place in the past on, 200", func() audit.Filter { return audit.Filter{Before: before(), Limit: 200} }, false},
		{"the newest, without the commonest action", func() audit.Filter { return audit.Filter{Without: []string{"thing.opened"}} }, false},
		{"by a word that one in 20 has", func() audit.Filter { return audit.Filter{Text: "owner"} }, false},
		{"by the number of a matter in its reason", func() audit.Filter { return audit.Filter{Text: fmt.Sprintf("matter %d", 20*dice.IntN(250))} }, false},
		{"by a common word and a person who did much", func() audit.Filter { return audit.Filter{Text: "owner", ActorID: "person-10"} }, false},
		{"by a common word and a person who did much, and never with it", func() audit.Filter { return audit.Filter{Text: "owner", ActorID: "person-3"} }, true},
		{"by a common word, of a day", func() audit.Filter {
			from := hour()
			return audit.Filter{Text: "owner", From: from, Until: from.Add(24 * time.Hour)}
		}, false},
		{"by a word that nothing has", func() audit.Filter { return audit.Filter{Text: draw("nothing", objects)} }, true},
		{"by request", func() audit.Filter {
			return audit.Filter{Request: fmt.Sprintf("request-%d", hashed(1+dice.Int64N(int64(s.rows))))}
		}, false},
		{"of an hour", func() audit.Filter {
			from := hour()
			return audit.Filter{From: from, Until: from.Add(time.Hour)}
		}, false},
		{"of a day, refused or not the commonest action", func() audit.Filter {
			from := hour()
			return audit.Filter{From: from, Until: from.Add(24 * time.Hour), Without: []string{"thing.opened"}}
		}, false},
		{"of a person who did much, in a week", func() audit.Filter {
			from := hour()
			return audit.Filter{ActorID: draw("person-", 20), From: from, Until: from.Add(7 * 24 * time.Hour)}
		}, false},
		{"of a person who did nothing", func() audit.Filter { return audit.Filter{ActorID: draw("nobody-", persons)} }, true},
	} {
		var took []time.Duration
		found := 0
		for i := range s.searches + 10 { // the first are to warm up
			f := kind.filter()
			began := time.Now()
			list, err := audit.List(ctx, on, f)
			if err != nil {
				return fmt.Errorf("%s: %w", kind.what, err)
			}
			if i >= 10 {
				took = append(took, time.Since(began))
			}
			found += len(list)
		}
		if (found == 0) != kind.empty {
			return fmt.Errorf("%s: %d entries were found", kind.what, found)
		}
		p95 := at(0.95, took)
		s.add(figure{
			What: "search " + kind.what + ", p95", Value: p95, Unit: "ms", Reference: "a question of nothing", Of: at(0.95, nothing), Ratio: p95 / at(0.95, nothing),
			Note: fmt.Sprintf("p50 %s ms; of %s entries", number(at(0.5, took)), number(float64(s.rows))),
		}.atMost(p95, 200, "200 ms"))
	}
	return nil
}
