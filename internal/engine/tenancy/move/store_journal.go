package move

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/sqlname"
)

// short tells the triggers and functions of this move from those of others.
func (m *Mover) short() string { return hex.EncodeToString(m.st.ID[8:12]) }

// journal lets triggers write down what changes in the source, before the first row is copied.
func (m *Mover) journal(ctx context.Context) error { return m.watch(ctx, m.src, true) }

// watch puts the triggers on the tables of an end. Each has the gate in it, which lets the tenant's
// writes pass, wait or fail; of shared tables only what changed is written down.
func (m *Mover) watch(ctx context.Context, e *end, shared bool) error {
	for _, t := range m.tables {
		if !t.tenant() && !shared {
			continue
		}
		err := m.retry(ctx, func() error {
			return m.tx(ctx, e, func(tx pgx.Tx) error { return m.watchTable(ctx, tx, e, t) })
		})
		if err != nil {
			return err
		}
		m.o.at("watched " + e.word)
	}
	return nil
}

func (m *Mover) watchTable(ctx context.Context, tx pgx.Tx, e *end, t *table) error {
	if _, err := tx.Exec(ctx, brief); err != nil {
		return err
	}
	name := fmt.Sprintf("garant_move_%s", m.short())
	function := fmt.Sprintf("garant_move.t_%s_%d", m.short(), t.id)
	var here bool
	if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = $1::regclass AND tgname = $2)`, t.qualified(), name+"_t").Scan(&here); err != nil || here {
		return err
	}
	statements := []string{`CREATE OR REPLACE FUNCTION ` + function + `() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET intervalstyle = 'postgres' SET timezone = 'UTC' SET extra_float_digits = '1' SET bytea_output = 'hex' AS $garant$` + m.triggerBody(e, t) + `$garant$`}
	on := map[string]string{"i": "INSERT", "u": "UPDATE", "d": "DELETE"}
	column := sqlname.Quote(t.column)
	when := map[string]string{"i": "", "u": "", "d": ""}
	if t.tenant() {
		value := strings.TrimPrefix(t.of, "t."+column+" = ")
		when["i"] = " WHEN (NEW." + column + " = " + value + ")"
		when["u"] = " WHEN (OLD." + column + " = " + value + " OR NEW." + column + " = " + value + ")"
		when["d"] = " WHEN (OLD." + column + " = " + value + ")"
	}
	for _, op := range []string{"i", "u", "d"} {
		statements = append(statements,
			`CREATE TRIGGER `+name+"_"+op+` AFTER `+on[op]+` ON `+t.qualified()+` FOR EACH ROW`+when[op]+` EXECUTE FUNCTION `+function+`()`,
			`ALTER TABLE `+t.qualified()+` ENABLE ALWAYS TRIGGER `+name+"_"+op)
	}
	tables := t.parts()
	// The trigger that tells that all are there comes last.
	for i := len(tables) - 1; i >= 0; i-- {
		statements = append(statements, `CREATE TRIGGER `+name+`_t BEFORE TRUNCATE ON `+tables[i]+` FOR EACH STATEMENT EXECUTE FUNCTION garant_move.keep()`)
	}
	for _, sql := range statements {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// triggerBody is run once for each changed row. The advisory lock is what the pause takes for
// itself: lock queues are fair, so that the pause is not put off by writers that overlap. The row of the
// gate is locked besides, because a transaction with an older snapshot must not read that the gate is open.
func (m *Mover) triggerBody(e *end, t *table) string {
	var b strings.Builder
	fmt.Fprintf(&b, `
BEGIN
	IF current_setting('garant_move.applying', true) = %s AND pg_has_role(session_user, %s, 'MEMBER') THEN
		RETURN NULL;
	END IF;
`, sqlname.Literal(m.st.ID.String()), sqlname.Literal(e.db.Me))
	if t.tenant() {
		fmt.Fprintf(&b, `	PERFORM pg_advisory_xact_lock_shared(%d);
	PERFORM FROM garant_move.gate g WHERE g.tenant = %s AND g.state = 'open' FOR SHARE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'GT007', MESSAGE = 'garant: this tenant lives in another database', HINT = 'Ask where, and go on there.';
	END IF;
`, m.gateKey, sqlname.Literal(m.o.Tenant))
	}
	write := func(row string) string {
		return fmt.Sprintf(`INSERT INTO garant_move.journal (move, tab, key) VALUES (%s, %d, %s);`, sqlname.Literal(m.st.ID.String()), t.id, t.keyText(row))
	}
	fmt.Fprintf(&b, `	IF TG_OP <> 'INSERT' THEN
		%s
	END IF;
	IF TG_OP = 'INSERT' OR TG_OP = 'UPDATE' AND %s IS DISTINCT FROM %s THEN
		%s
	END IF;
	RETURN NULL;
END
`, write("OLD"), t.keyText("OLD"), t.keyText("NEW"), write("NEW"))
	return b.String()
}

// unwatch takes the triggers of this move off an end, with what they wrote.
func (m *Mover) unwatch(ctx context.Context, e *end) error {
	for {
		var relation, name, kept string
		// Triggers that a partition has of its parent go with the parent's.
		rows, err := e.conn.Query(ctx, `SELECT t.tgrelid::regclass::text, quote_ident(t.tgname), t.tgname FROM pg_trigger t WHERE t.tgname LIKE 'garant\_move\_'||$1||'\_%' AND t.tgparentid = 0 ORDER BY 1, 2 LIMIT 1`, m.short())
		if err != nil {
			return e.named(err)
		}
		if !rows.Next() {
			rows.Close()
			if err := rows.Err(); err != nil {
				return e.named(err)
			}
			break
		}
		err = rows.Scan(&relation, &name, &kept)
		rows.Close()
		if err != nil {
			return e.named(err)
		}
		err = m.retry(ctx, func() error {
			return m.tx(ctx, e, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, brief); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, `DROP TRIGGER IF EXISTS `+name+` ON `+relation)
				return err
			})
		})
		if err != nil {
			return err
		}
	}
	m.o.at("unwatched " + e.word)
	return m.tx(ctx, e, func(tx pgx.Tx) error {
		for _, t := range m.tables {
			if _, err := tx.Exec(ctx, fmt.Sprintf(`DROP FUNCTION IF EXISTS garant_move.t_%s_%d()`, m.short(), t.id)); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `DELETE FROM garant_move.journal WHERE move = $1`, m.st.ID); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM garant_move.did WHERE move = $1`, m.st.ID)
		return err
	})
}

// watched sees that every table of the tenant still has its triggers, that they fire, and that they
// write the keys by which rows are carried over.
func (m *Mover) watched(ctx context.Context, e *end) error {
	rows, err := e.conn.Query(ctx, `SELECT t.tgrelid::regclass::text, t.tgenabled = 'A', p.prosrc FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
WHERE t.tgname ~ $1 AND t.tgparentid = 0`, "^garant_move_"+m.short()+"_[iud]$")
	if err != nil {
		return e.named(err)
	}
	type trigger struct {
		table string
		fires bool
		body  string
	}
	all, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (trigger, error) {
		var x trigger
		err := r.Scan(&x.table, &x.fires, &x.body)
		return x, err
	})
	if err != nil {
		return e.named(err)
	}
	for _, t := range m.tables {
		if !t.tenant() {
			continue
		}
		n := 0
		for _, x := range all {
			if x.table == t.qualified() && x.fires && x.body == m.triggerBody(e, t) {
				n++
			}
		}
		if n != 3 {
			return errs.New(errs.Conflict, "move.unwatched", fmt.Sprintf("The move's triggers on %s at the %s are gone, switched off or of another key: changes may be lost.", t.qualified(), e.word)).
				WithFix("Find out who did that, undo the move, begin again. A move goes on as the role that began it.")
		}
	}
	return nil
}

// waiting counts what is written down at an end and not carried over yet.
func (m *Mover) waiting(ctx context.Context, on pg.Querier, tenantOnly bool) (n int64, err error) {
	var ids []int16
	for _, t := range m.tables {
		if t.tenant() || !tenantOnly {
			ids = append(ids, t.id)
		}
	}
	err = on.QueryRow(ctx, `SELECT count(*) FROM garant_move.journal WHERE move = $1 AND tab = ANY ($2)`, m.st.ID, ids).Scan(&n)
	return n, err
}
