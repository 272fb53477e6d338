package move

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/sqlname"
)

// copy brings over the rows of one snapshot, several tables at a time. Each table comes in one
// transaction of the target, which also says that it came. After a kill the rest follows from another
// snapshot: the journal, older than both, makes up for the difference.
func (m *Mover) copy(ctx context.Context) error {
	snapshot, finish, err := m.snapshot(ctx, m.src)
	if err != nil {
		return err
	}
	defer finish()
	work := make(chan *table, len(m.tables))
	for _, t := range m.tables {
		if t.tenant() || m.st.Fresh {
			work <- t
		}
	}
	close(work)
	var mu sync.Mutex
	var total int64
	err = m.parallel(ctx, func(ctx context.Context, from, to *pgx.Conn) error {
		if err := atSnapshot(ctx, from, snapshot); err != nil {
			return m.src.named(err)
		}
		for t := range work {
			n, err := m.copyTable(ctx, from, to, t)
			if err != nil {
				return err
			}
			mu.Lock()
			total += n
			m.report.rows.Store(total)
			m.o.Log(fmt.Sprintf("%s: %d rows.", t.qualified(), n))
			m.o.at("copied a table")
			mu.Unlock()
		}
		return nil
	})
	m.st.Rows = total
	return err
}

func (m *Mover) copyTable(ctx context.Context, from, to *pgx.Conn, t *table) (n int64, err error) {
	err = pg.InTx(ctx, to, func(tx pgx.Tx) error {
		if err := m.through(ctx, tx, m.dst); err != nil {
			return err
		}
		what := fmt.Sprintf("copied %d", t.id)
		if err := tx.QueryRow(ctx, `SELECT rows FROM garant_move.did WHERE move = $1 AND what = $2`, m.st.ID, what).Scan(&n); !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		out := `COPY (SELECT ` + list("t.", t.copied) + ` FROM ` + t.from() + ` t WHERE ` + t.of + `) TO STDOUT (FORMAT binary)`
		if n, err = m.bring(ctx, from, out, tx, t); err != nil {
			return m.atWhich(err, from, to)
		}
		_, err := tx.Exec(ctx, `INSERT INTO garant_move.did (move, what, rows) VALUES ($1, $2, $3)`, m.st.ID, what, n)
		return err
	})
	return n, m.dst.named(err)
}

// bring streams rows into a table. PostgreSQL takes no COPY into one on which policies hold the role
// that copies, even one that shows it everything: there, the rows go by a table of the transaction's own.
func (m *Mover) bring(ctx context.Context, from *pgx.Conn, out string, to pgx.Tx, t *table) (n int64, err error) {
	columns, into := list("", t.copied), t.qualified()
	var held bool
	if err := to.QueryRow(ctx, `SELECT row_security_active($1::regclass)`, into).Scan(&held); err != nil {
		return 0, err
	}
	if held {
		into = "pg_temp.garant_move_rows"
		if _, err := to.Exec(ctx, `CREATE TEMP TABLE garant_move_rows ON COMMIT DROP AS SELECT `+columns+` FROM `+t.qualified()+` WITH NO DATA`); err != nil {
			return 0, err
		}
	}
	if n, err = pipe(ctx, from.PgConn(), out, to.Conn().PgConn(), `COPY `+into+` (`+columns+`) FROM STDIN (FORMAT binary)`, &m.report.bytes); err != nil || !held {
		return n, err
	}
	if _, err = to.Exec(ctx, `INSERT INTO `+t.qualified()+` (`+columns+`) OVERRIDING SYSTEM VALUE SELECT `+columns+` FROM `+into); err == nil {
		_, err = to.Exec(ctx, `DROP TABLE `+into)
	}
	return n, err
}

// atWhich names the end at which a stream broke.
func (m *Mover) atWhich(err error, from, to *pgx.Conn) error {
	if from.IsClosed() && !to.IsClosed() {
		return m.src.named(err)
	}
	return m.dst.named(err)
}

// snapshot exports one of an end, which lasts until finish.
func (m *Mover) snapshot(ctx context.Context, e *end) (name string, finish func(), err error) {
	conn, err := e.another(ctx)
	if err != nil {
		return "", nil, err
	}
	finish = func() { hangUp(conn) }
	if _, err = conn.Exec(ctx, `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`); err == nil {
		err = conn.QueryRow(ctx, `SELECT pg_export_snapshot()`).Scan(&name)
	}
	if err != nil {
		finish()
		return "", nil, e.named(err)
	}
	return name, finish, nil
}

func atSnapshot(ctx context.Context, conn *pgx.Conn, name string) error {
	if _, err := conn.Exec(ctx, `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`); err != nil {
		return err
	}
	return pg.JoinSnapshot(ctx, conn, name)
}

// parallel runs fn several times at once, each with a connection to either end; the first error stops all.
func (m *Mover) parallel(ctx context.Context, fn func(ctx context.Context, from, to *pgx.Conn) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for range m.o.Workers {
		wg.Go(func() {
			from, err := m.src.another(ctx)
			if err != nil {
				cancel(err)
				return
			}
			defer hangUp(from)
			to, err := m.dst.another(ctx)
			if err != nil {
				cancel(err)
				return
			}
			defer hangUp(to)
			if err := fn(ctx, from, to); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// round carries over what the journal of one end says: of every row named there, what stands there
// now. Doing it twice is doing it once. then, if not nil, is run while the snapshot lasts at which both ends are equal.
func (m *Mover) round(ctx context.Context, from, to *end, shared bool, then func(pgx.Tx) error) (rows int64, err error) {
	var seen string
	err = from.named(pgx.BeginTxFunc(ctx, from.conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(src pgx.Tx) error {
		dirty := map[int16]bool{}
		found, err := src.Query(ctx, `SELECT tab, count(*), pg_current_snapshot()::text FROM garant_move.journal WHERE move = $1 GROUP BY tab`, m.st.ID)
		if err != nil {
			return err
		}
		for found.Next() {
			var tab int16
			var n int64
			if err := found.Scan(&tab, &n, &seen); err != nil {
				found.Close()
				return err
			}
			dirty[tab] = true
			rows += n
		}
		m.report.behind.Store(rows)
		if err := found.Err(); err != nil {
			return err
		}
		if len(dirty) > 0 {
			few := rows <= fewKeys
			if err := byKey(ctx, src, few); err != nil {
				return err
			}
			err = m.tx(ctx, to, func(dst pgx.Tx) error {
				if err := byKey(ctx, dst, few); err != nil {
					return err
				}
				for _, t := range m.tables {
					if !dirty[t.id] || !t.tenant() && !shared {
						continue
					}
					if err := m.carry(ctx, src, dst, t); err != nil {
						return fmt.Errorf("%s: %w", t.qualified(), to.named(err))
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			m.o.at("carried over")
		}
		if then != nil {
			return then(src)
		}
		return nil
	}))
	if err != nil || seen == "" {
		return rows, err
	}
	// What was read is done with; what commits later under a lower number is left.
	return rows, m.tx(ctx, from, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM garant_move.journal WHERE move = $1 AND pg_visible_in_snapshot(xid, $2::pg_snapshot)`, m.st.ID, seen)
		return err
	})
}

// fewKeys are looked up one by one, so that what the pause lasts does not depend on how big the tables are.
const fewKeys = 20_000

// byKey keeps the planner from reading a whole table where an index leads to a few rows: it does
// not know yet how many keys a journal holds that was filled a moment ago.
func byKey(ctx context.Context, tx pgx.Tx, few bool) error {
	if !few {
		return nil
	}
	_, err := tx.Exec(ctx, `SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_material = off`)
	return err
}

// carry makes the rows of one table that the journal names equal to those at the source, and
// compares them before it lets them stand.
func (m *Mover) carry(ctx context.Context, src, dst pgx.Tx, t *table) error {
	mine := fmt.Sprintf(`FROM garant_move.journal j WHERE j.move = %s AND j.tab = %d`, sqlname.Literal(m.st.ID.String()), t.id)
	out := `COPY (SELECT ` + list("t.", t.copied) + ` FROM ` + t.from() + ` t WHERE ` + t.of
	remove := `DELETE FROM ` + t.from() + ` t WHERE ` + t.of
	there, here := t.from()+" t", t.from()+" t"
	if t.key != nil {
		if _, err := dst.Exec(ctx, `CREATE TEMP TABLE IF NOT EXISTS garant_move_key (key text[] NOT NULL) ON COMMIT DROP; TRUNCATE pg_temp.garant_move_key`); err != nil {
			return err
		}
		if _, err := pipe(ctx, src.Conn().PgConn(), `COPY (SELECT DISTINCT j.key `+mine+`) TO STDOUT (FORMAT binary)`,
			dst.Conn().PgConn(), `COPY pg_temp.garant_move_key (key) FROM STDIN (FORMAT binary)`, &m.report.bytes); err != nil {
			return err
		}
		if _, err := dst.Exec(ctx, `ANALYZE pg_temp.garant_move_key`); err != nil {
			return err
		}
		there = `pg_temp.garant_move_key k JOIN ` + t.from() + ` t ON ` + t.among()
		here = `(SELECT DISTINCT j.key ` + mine + `) k JOIN ` + t.from() + ` t ON ` + t.among()
		out = `COPY (SELECT ` + list("t.", t.copied) + ` FROM ` + here + ` WHERE ` + t.of
		remove = `DELETE FROM ` + t.from() + ` t USING pg_temp.garant_move_key k WHERE ` + t.among() + ` AND ` + t.of
	}
	if _, err := dst.Exec(ctx, remove); err != nil {
		return err
	}
	if _, err := m.bring(ctx, src.Conn(), out+`) TO STDOUT (FORMAT binary)`, dst, t); err != nil {
		return err
	}
	a, err := sumOf(ctx, src, t, here, t.of)
	if err != nil {
		return err
	}
	b, err := sumOf(ctx, dst, t, there, t.of)
	if err != nil {
		return err
	}
	if a != b {
		return unequal(t, a, b)
	}
	return nil
}

// catchUp carries over what changed until little is left, and little time goes by with it or no less
// than the time before: so long does the pause last for the changes that come behind.
func (m *Mover) catchUp(ctx context.Context, from, to *end) error {
	const little, brisk, patient = 1000, 300 * time.Millisecond, 20
	before := time.Duration(0)
	for last, i := int64(-1), 0; i < patient; i++ {
		began := time.Now()
		n, err := m.round(ctx, from, to, m.st.Fresh && from == m.src, nil)
		took := time.Since(began)
		if err != nil || n <= little && (took <= brisk || before > 0 && took > before*3/4) || last >= 0 && n >= last && i > 5 {
			return err
		}
		m.o.Log(fmt.Sprintf("%d changes carried over.", n))
		last, before = n, took
	}
	return nil
}

// sequences lets those of the target give numbers beyond what the source gave. Where numbers are
// keys among all tenants, the target gets a range of its own, so that the tenant can come back.
func (m *Mover) sequences(ctx context.Context, from, to *end) error {
	rows, err := from.conn.Query(ctx, sequencesSQL)
	if err != nil {
		return from.named(err)
	}
	theirs, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sequenceRow])
	if err != nil {
		return from.named(err)
	}
	if rows, err = to.conn.Query(ctx, sequencesSQL); err != nil {
		return to.named(err)
	}
	ours, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sequenceRow])
	if err != nil {
		return to.named(err)
	}
	have := map[string]sequenceRow{}
	for _, s := range ours {
		have[s.Name] = s
	}
	var nth int64
	if err := from.conn.QueryRow(ctx, `SELECT count(*) FROM garant_move.move WHERE side = 'from'`).Scan(&nth); err != nil {
		return from.named(err)
	}
	keys := m.sequencesOfKeys()
	for _, s := range theirs {
		at, there := have[s.Name]
		if !there {
			return errs.New(errs.Conflict, "move.sequence", "The target lacks the sequence "+s.Name+".").WithFix("Bring both to the same migration.")
		}
		value := s.Last
		switch {
		case s.Increment <= 0:
			continue
		case from == m.src && m.st.Fresh && keys[s.Name] && s.Type == "bigint" && nth<<apartBits > s.Last && nth < apartMost:
			value = nth << apartBits
		case !(m.st.Fresh && from == m.src) && s.Type == "bigint" && s.Last >= 1<<apartBits && at.Last < 1<<apartBits:
			continue // numbers from a range of its own
		}
		if value <= at.Last || value < s.First {
			continue
		}
		if _, err := to.conn.Exec(ctx, `SELECT setval($1::regclass, $2)`, s.Name, value); err != nil {
			return to.named(err)
		}
	}
	return nil
}

// A dedicated database numbers from a multiple of 2^40, of which JavaScript counts 2^13 exactly.
const (
	apartBits = 40
	apartMost = 1 << 12
)

type sequenceRow struct {
	Name, Type             string
	Last, First, Increment int64
}

const sequencesSQL = `SELECT quote_ident(schemaname) || '.' || quote_ident(sequencename), data_type::text, coalesce(last_value, min_value - 1), min_value, increment_by
FROM pg_sequences WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'garant', 'garant_move') AND schemaname !~ '^pg_temp' ORDER BY 1`

// sequencesOfKeys are those whose numbers tell rows apart among all tenants.
func (m *Mover) sequencesOfKeys() map[string]bool {
	found := map[string]bool{}
	for _, t := range m.tables {
		if !t.tenant() {
			continue
		}
		apart := false
		for _, x := range t.relation.Indexes {
			apart = apart || x.Unique && !slices.Contains(x.Columns, t.column)
		}
		if apart {
			for _, s := range t.relation.Sequences {
				found[sqlname.Qualified(s.Schema, s.Name)] = true
			}
		}
	}
	return found
}
