package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/pg"
)

type connection = pgxpool.Conn

// things are what the application writes, and link is a log of entries like ours in which each holds the hash of the one before: as it is usually made.
const things = `
CREATE SCHEMA bench;
GRANT USAGE ON SCHEMA bench TO garant_staff;
CREATE TABLE bench.thing (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant uuid, name text NOT NULL, state text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE bench.link (LIKE audit.entry INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES, hash bytea NOT NULL);
CREATE SEQUENCE bench.link_number;
ALTER TABLE bench.link ALTER COLUMN id SET DEFAULT nextval('bench.link_number');
GRANT SELECT, INSERT ON bench.thing, bench.link TO garant_staff;
GRANT USAGE ON SEQUENCE bench.link_number TO garant_staff`

const thing = `INSERT INTO bench.thing (tenant, name, state) VALUES ($1, $2, 'new')`

// arm is one way of writing.
type arm struct {
	name string
	do   func(ctx context.Context, c *connection, n int) error
}

func (l *log) arms(tenants []string) []arm {
	row := func(ctx context.Context, on pg.Execer, n int) error {
		e := event(tenants, n)
		var tenant any
		if e.Tenant != "" {
			tenant = e.Tenant
		}
		_, err := on.Exec(ctx, thing, tenant, e.On.ID)
		return err
	}
	return []arm{
		{"bare", func(ctx context.Context, c *connection, n int) error { return row(ctx, c, n) }},
		{"record", func(ctx context.Context, c *connection, n int) error {
			return pg.InTx(ctx, c, func(tx pgx.Tx) error {
				if err := row(ctx, tx, n); err != nil {
					return err
				}
				return audit.Write(ctx, tx, event(tenants, n))
			})
		}},
		{"chain", func(ctx context.Context, c *connection, n int) error {
			return pg.InTx(ctx, c, func(tx pgx.Tx) error {
				if err := row(ctx, tx, n); err != nil {
					return err
				}
				return link(ctx, tx, event(tenants, n))
			})
		}},
		{"two", func(ctx context.Context, c *connection, n int) error {
			return pg.InTx(ctx, c, func(tx pgx.Tx) error {
				if err := row(ctx, tx, n); err != nil {
					return err
				}
				return row(ctx, tx, n)
			})
		}},
		{"once", func(ctx context.Context, c *connection, n int) error {
			e := event(tenants, n)
			var tenant any
			if e.Tenant != "" {
				tenant = e.Tenant
			}
			return pg.InTx(ctx, c, func(tx pgx.Tx) error {
				if err := pg.Later(ctx, tx, thing, tenant, e.On.ID); err != nil {
					return err
				}
				return audit.Write(ctx, tx, e)
			})
		}},
	}
}

// link adds an entry to the chain. The lock is held from here to the end of the transaction; it and the entry go to the server at once, so that it is held for no
// round trip too many.
func link(ctx context.Context, tx pgx.Tx, e audit.Event) error {
	detail := fmt.Sprintf(`{"fields":["name","state"],"number":%s}`, e.On.ID)
	said := sha256.Sum256([]byte(e.By.ID + e.Tenant + e.Action + e.On.Kind + e.On.ID + e.Request + detail))
	var tenant any
	if e.Tenant != "" {
		tenant = e.Tenant
	}
	var b pgx.Batch
	b.Queue(`SELECT pg_advisory_xact_lock(7)`)
	b.Queue(`INSERT INTO bench.link (actor_kind, actor_id, session, origin, action, outcome, object_kind, object_id, detail, tenant, request, promise, changes, subject, hash)
SELECT $1, $2, $3, $4, $5, 'permitted', $6, $7, $8, $9, $10, $11, ''::bytea, '', sha256(coalesce((SELECT l.hash FROM bench.link AS l ORDER BY l.id DESC LIMIT 1), ''::bytea) || $11)`,
		string(e.By.Kind), e.By.ID, e.By.Session, e.By.Origin, e.Action, e.On.Kind, e.On.ID, detail, tenant, e.Request, said[:])
	return tx.SendBatch(ctx, &b).Close()
}

// broken counts links that do not hold the hash of the one before: the reference is to be a chain, too.
const broken = `SELECT count(*) FROM (SELECT hash, promise, lag(hash, 1, ''::bytea) OVER (ORDER BY id) AS before FROM bench.link) AS l WHERE hash <> sha256(before || promise)`

// drive has writers write for a while, and gives how many times they did in a second.
func drive(ctx context.Context, conns []*connection, d time.Duration, from *atomic.Int64, do func(context.Context, *connection, int) error) (float64, error) {
	var wg sync.WaitGroup
	var many atomic.Int64
	failed := make(chan error, len(conns))
	began := time.Now()
	for _, c := range conns {
		wg.Go(func() {
			for time.Since(began) < d {
				if err := do(ctx, c, int(from.Add(1))); err != nil {
					failed <- err
					return
				}
				many.Add(1)
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	select {
	case err := <-failed:
		return 0, err
	default:
		return float64(many.Load()) / took.Seconds(), nil
	}
}

// write compares the arms.
func (s *stand) write(ctx context.Context) error {
	l, err := s.newLog(ctx, "writes")
	if err != nil {
		return err
	}
	defer l.close()
	if err := l.exec(ctx, things); err != nil {
		return err
	}
	tenants := customers(20)
	arms := l.arms(tenants)
	l.start(ctx)
	for _, writers := range s.writers {
		conns, err := l.connections(ctx, writers)
		if err != nil {
			return err
		}
		rates, behind, err := l.compare(ctx, conns, arms)
		for _, c := range conns {
			c.Release()
		}
		if err != nil {
			return err
		}
		goal := map[bool]float64{true: 0.85, false: 0.8}[writers <= 8]
		bare, record, chain, two, once := rates[0], rates[1], rates[2], rates[3], rates[4]
		r := middle(ratios(record, bare))
		s.add(figure{
			What: fmt.Sprintf("row and entry in one transaction, %d writers", writers), Value: middle(record), Unit: "/s", Reference: "the row alone", Of: middle(bare), Ratio: r,
			Note: fmt.Sprintf("%d entries waited for their order at the end of a round at most", behind),
		}.atLeast(r, goal, fmt.Sprintf("%.2f×", goal)))
		r = middle(ratios(once, bare))
		s.add(figure{What: fmt.Sprintf("row and entry in one transaction and one round trip, %d writers", writers), Value: middle(once), Unit: "/s", Reference: "the row alone", Of: middle(bare), Ratio: r}.atLeast(r, goal, fmt.Sprintf("%.2f×", goal)))
		r = middle(ratios(once, chain))
		s.add(figure{What: fmt.Sprintf("the same, %d writers", writers), Value: middle(once), Unit: "/s", Reference: "entries chained under a lock", Of: middle(chain), Ratio: r}.atLeast(r, 8, "8×"))
		r = middle(ratios(record, chain))
		s.add(figure{What: fmt.Sprintf("row and entry, %d writers", writers), Value: middle(record), Unit: "/s", Reference: "entries chained under a lock", Of: middle(chain), Ratio: r}.atLeast(r, 8, "8×"))
		// What of the cost is that of a transaction of two statements, which whoever keeps a second row has.
		s.add(figure{What: fmt.Sprintf("row and entry, %d writers", writers), Value: middle(record), Unit: "/s", Reference: "two plain rows in one transaction", Of: middle(two), Ratio: middle(ratios(record, two))})
	}
	if err := l.settled(ctx); err != nil {
		return err
	}
	if err := l.halt(); err != nil {
		return err
	}
	if n, err := l.count(ctx, broken); err != nil || n != 0 {
		return fmt.Errorf("the reference is no chain: %d links of it are broken (%w)", n, err)
	}
	return l.sound(ctx)
}

// compare gives the rates of the arms by round. Before each arm all entries are in order, so that none works for another; behind is how many
// waited when an arm ended, at most.
func (l *log) compare(ctx context.Context, conns []*connection, arms []arm) (rates [][]float64, behind int64, err error) {
	var n atomic.Int64
	rates = make([][]float64, len(arms))
	for round := -1; round < l.s.rounds; round++ { // the first is to warm up
		d := l.s.time
		if round < 0 {
			d /= 3
		}
		for _, i := range turns(len(arms), max(0, round)) {
			if err := l.settled(ctx); err != nil {
				return nil, 0, err
			}
			rate, err := drive(ctx, conns, d, &n, arms[i].do)
			if err != nil {
				return nil, 0, fmt.Errorf("%s: %w", arms[i].name, err)
			}
			if round < 0 {
				continue
			}
			rates[i] = append(rates[i], rate)
			waiting, err := l.waiting(ctx)
			if err != nil {
				return nil, 0, err
			}
			behind = max(behind, waiting)
			l.s.say("  %d writers, round %d %-6s %8.0f/s  %d wait  load %s", len(conns), round+1, arms[i].name, rate, waiting, load1())
		}
	}
	return rates, behind, nil
}
