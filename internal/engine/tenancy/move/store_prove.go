package move

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/sqlname"
)

// Sum stands for the rows of a table, in whatever order: how many, and two sums of 64 bits each of
// the SHA-256 of every row's text.
type Sum struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
	High  string `json:"high"`
	Low   string `json:"low"`
}

func sum(ctx context.Context, on pg.Querier, t *table, where string, args ...any) (Sum, error) {
	return sumOf(ctx, on, t, t.from()+` t`, where, args...)
}

// sumOf sums the rows of a table, called t, that come of a FROM clause.
func sumOf(ctx context.Context, on pg.Querier, t *table, from, where string, args ...any) (Sum, error) {
	s := Sum{Table: t.qualified()}
	err := on.QueryRow(ctx, `SELECT count(*), coalesce(sum(('x' || encode(substr(h.sha, 1, 8), 'hex'))::bit(64)::bigint), 0)::text,
	coalesce(sum(('x' || encode(substr(h.sha, 9, 8), 'hex'))::bit(64)::bigint), 0)::text
FROM (SELECT sha256(convert_to(ROW(`+list("t.", t.all)+`)::text, 'UTF8')) AS sha FROM `+from+` WHERE `+where+`) h`, args...).Scan(&s.Rows, &s.High, &s.Low)
	return s, err
}

func unequal(t *table, a, b Sum) error {
	return errs.New(errs.Conflict, "move.unequal", fmt.Sprintf("The ends differ in %s: %d rows and %d rows, with other checksums.", t.qualified(), a.Rows, b.Rows)).
		WithFix("Nothing was switched or erased. Somebody writes past the triggers, or the schema changed: find out who, undo the move, begin again.")
}

// equalise makes the target's keys and indexes, follows what changed, and compares every table at one snapshot.
func (m *Mover) equalise(ctx context.Context) error {
	if err := m.indexes(ctx); err != nil {
		return err
	}
	if err := m.watch(ctx, m.dst, false); err != nil {
		return err
	}
	if err := m.catchUp(ctx, m.src, m.dst); err != nil {
		return err
	}
	if err := m.sameShape(ctx); err != nil {
		return err
	}
	_, err := m.round(ctx, m.src, m.dst, m.st.Fresh, func(src pgx.Tx) error {
		var snapshot string
		if err := src.QueryRow(ctx, `SELECT pg_export_snapshot()`).Scan(&snapshot); err != nil {
			return err
		}
		return m.compare(ctx, snapshot, "", m.st.Fresh, nil)
	})
	if err != nil {
		return err
	}
	return m.references(ctx)
}

// sameShape refuses to go on when the tables at the ends are no longer alike.
func (m *Mover) sameShape(ctx context.Context) error {
	for _, e := range []*end{m.src, m.dst} {
		conn, err := e.another(ctx)
		if err != nil {
			return err
		}
		db, err := readSchema(ctx, conn)
		hangUp(conn)
		if err != nil {
			return e.named(err)
		}
		e.db = db
	}
	before := m.tables
	tables, err := m.survey(m.src.db)
	if err != nil {
		return err
	}
	_, bad := differences(tables, m.dst.db)
	if !slices.EqualFunc(tables, before, func(a, b *table) bool { return a.qualified() == b.qualified() && slices.Equal(a.key, b.key) }) {
		bad = append(bad, "there are other tables, or other keys, than when the move began")
	}
	if len(bad) > 0 {
		return errs.New(errs.Conflict, "move.changed", "The tables were altered during the move: "+strings.Join(bad, "; ")+".").
			WithFix("Alter the target in the same way and run the move again, or undo it.")
	}
	m.tables = tables
	return nil
}

// compare holds every table against its copy: each end at a snapshot, or as it is when nobody writes
// there. but leaves out rows that changed in the target; nil: none.
func (m *Mover) compare(ctx context.Context, here, there string, shared bool, but *except) error {
	work := make(chan *table, len(m.tables))
	for _, t := range m.tables {
		if t.tenant() || shared {
			work <- t
		}
	}
	close(work)
	var mu sync.Mutex
	var proof []Sum
	err := m.parallel(ctx, func(ctx context.Context, from, to *pgx.Conn) error {
		if here != "" {
			if err := atSnapshot(ctx, from, here); err != nil {
				return m.src.named(err)
			}
		}
		if there != "" {
			if err := atSnapshot(ctx, to, there); err != nil {
				return m.dst.named(err)
			}
		}
		for t := range work {
			which, whichThere := t.of, t.of
			if but != nil {
				which, whichThere = but.at(t, which, "$1"), but.at(t, whichThere, "")
			}
			a, b, err := m.both(ctx, from, to, t, which, whichThere, but)
			if err != nil {
				return err
			}
			if a != b {
				return unequal(t, a, b)
			}
			mu.Lock()
			proof = append(proof, a)
			mu.Unlock()
		}
		return nil
	})
	if err == nil {
		m.st.Proof = sorted(proof)
	}
	return err
}

// both sums a table at either end, at the same time.
func (m *Mover) both(ctx context.Context, from, to *pgx.Conn, t *table, here, there string, but *except) (a, b Sum, err error) {
	other := make(chan error, 1)
	go func() {
		var err error
		b, err = sum(ctx, to, t, there)
		other <- m.dst.named(pg.Wrap(err))
	}()
	if but != nil && len(but.keys[t.id]) > 0 && t.key != nil {
		a, err = sumBut(ctx, from, t, here, but.keys[t.id])
	} else {
		a, err = sum(ctx, from, t, here)
	}
	if second := <-other; err == nil {
		err = second
	} else {
		err = m.src.named(pg.Wrap(err))
	}
	return a, b, err
}

// except is what changed in the target since the switch.
type except struct {
	move  string
	keys  map[int16][][]string
	whole map[int16]bool // tables without a key in which something changed
}

// at adds to a condition that a row is not among those that changed. param: keys are sent, not read in the journal.
func (x *except) at(t *table, where, param string) string {
	switch {
	case x.whole[t.id]:
		return "false"
	case len(x.keys[t.id]) == 0:
		return where
	case param != "":
		return where + ` AND NOT EXISTS (SELECT FROM pg_temp.garant_move_key k WHERE ` + t.among() + `)`
	}
	return where + fmt.Sprintf(` AND NOT EXISTS (SELECT FROM (SELECT DISTINCT j.key FROM garant_move.journal j WHERE j.move = %s AND j.tab = %d) k WHERE `, sqlname.Literal(x.move), t.id) + t.among() + `)`
}

// sumBut sums a table at the source without the rows of some keys. The keys are in the statement
// as one parameter, because a transaction that only reads makes no table.
func sumBut(ctx context.Context, on *pgx.Conn, t *table, where string, keys [][]string) (Sum, error) {
	flat := make([]string, 0, len(keys)*len(t.key))
	for _, k := range keys {
		flat = append(flat, k...)
	}
	n := len(t.key)
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf("($1::text[])[(i - 1) * %d + %d]", n, i+1)
	}
	sent := fmt.Sprintf(`(SELECT ARRAY[%s] AS key FROM generate_series(1, array_length($1::text[], 1) / %d) i)`, strings.Join(parts, ", "), n)
	return sum(ctx, on, t, strings.ReplaceAll(where, "pg_temp.garant_move_key k", sent+" k"), flat)
}

// references finds rows of the tenant in a target that was there before, whose foreign keys lead
// nowhere: they came in without being asked.
func (m *Mover) references(ctx context.Context) error {
	if m.st.Fresh {
		return nil
	}
	for _, t := range m.tables {
		r := m.dst.db.Relation(t.schema, t.name)
		if !t.tenant() || r == nil {
			continue
		}
		for _, k := range r.ForeignKeys {
			if k.Target == nil {
				continue
			}
			var filled, join []string
			for i := range k.Columns {
				filled = append(filled, "t."+sqlname.Quote(k.Columns[i])+" IS NOT NULL")
				join = append(join, "p."+sqlname.Quote(k.Refers[i])+" = t."+sqlname.Quote(k.Columns[i]))
			}
			where := t.of + " AND " + strings.Join(filled, " AND ") + ` AND NOT EXISTS (SELECT FROM ` + k.Target.QualifiedName() + ` p WHERE ` + strings.Join(join, " AND ") + `)`
			some, err := m.holds(ctx, m.dst, t, where)
			if err != nil {
				return err
			}
			if some {
				return errs.New(errs.Conflict, "move.dangling", fmt.Sprintf("Rows of the tenant refer by %s of %s to rows of %s that the target does not have.", sqlname.Quote(k.Name), t.qualified(), k.Target.QualifiedName())).
					WithFix("Bring the target's shared tables up to those of the source, then run the move again.")
			}
		}
	}
	return nil
}

// prove compares both ends after the switch: all but the rows that the tenant changed in the target since.
func (m *Mover) prove(ctx context.Context) error {
	if err := m.settle(ctx); err != nil {
		return err
	}
	there, finish, err := m.snapshot(ctx, m.dst)
	if err != nil {
		return err
	}
	defer finish()
	reader, err := m.dst.another(ctx)
	if err != nil {
		return err
	}
	defer hangUp(reader)
	if err := atSnapshot(ctx, reader, there); err != nil {
		return m.dst.named(err)
	}
	but := &except{move: m.st.ID.String(), keys: map[int16][][]string{}, whole: map[int16]bool{}}
	rows, err := reader.Query(ctx, `SELECT DISTINCT tab, key FROM garant_move.journal WHERE move = $1`, m.st.ID)
	if err != nil {
		return m.dst.named(err)
	}
	for rows.Next() {
		var tab int16
		var key []string
		if err := rows.Scan(&tab, &key); err != nil {
			rows.Close()
			return m.dst.named(err)
		}
		if len(key) == 0 {
			but.whole[tab] = true
			continue
		}
		but.keys[tab] = append(but.keys[tab], key)
	}
	if err := rows.Err(); err != nil {
		return m.dst.named(err)
	}
	here, finishHere, err := m.snapshot(ctx, m.src)
	if err != nil {
		return err
	}
	defer finishHere()
	return m.compare(ctx, here, there, false, but)
}
