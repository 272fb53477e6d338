package move

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/sqlname"
	"github.com/garant-project/garant/internal/token"
)

// home is what a database keeps of moves, its source's or its target's. It stays when a move is over.
const homeSQL = `
CREATE SCHEMA IF NOT EXISTS garant_move;
REVOKE ALL ON SCHEMA garant_move FROM PUBLIC;
CREATE TABLE IF NOT EXISTS garant_move.move (
	id          uuid PRIMARY KEY,
	side        text NOT NULL CHECK (side IN ('from', 'to')), -- this database is; what is recorded at the source holds
	tenant      text NOT NULL,
	source      text NOT NULL,
	target      text NOT NULL,
	peer        text NOT NULL, -- system identifier and name of the database at the other end
	manifest    text NOT NULL, -- SHA-256
	fresh       boolean NOT NULL,
	step        text NOT NULL,
	rows        bigint NOT NULL DEFAULT 0,
	started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
	started_by  text NOT NULL,
	switched_at timestamptz,
	pause_ms    bigint NOT NULL DEFAULT 0,
	proof       jsonb,
	restore     text NOT NULL DEFAULT '',
	finished_at timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS move_open ON garant_move.move (tenant) WHERE finished_at IS NULL;
CREATE TABLE IF NOT EXISTS garant_move.gate ( -- what a tenant's writes are held to while triggers of a move are on
	tenant text PRIMARY KEY,
	state  text NOT NULL CHECK (state IN ('open', 'away')),
	move   uuid NOT NULL
);
CREATE TABLE IF NOT EXISTS garant_move.journal ( -- keys of rows that changed
	seq  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	move uuid NOT NULL,
	tab  smallint NOT NULL,
	key  text[] NOT NULL, -- empty: of a table without a key
	xid  xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX IF NOT EXISTS journal_move ON garant_move.journal (move, tab);
CREATE TABLE IF NOT EXISTS garant_move.did ( -- what is done at the target, in the transaction that did it
	move uuid NOT NULL,
	what text NOT NULL,
	rows bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (move, what)
);
CREATE TABLE IF NOT EXISTS garant_move.guarded ( -- the tables of the last move's manifest
	relation text PRIMARY KEY,
	class    text NOT NULL,
	col      text NOT NULL
);
CREATE OR REPLACE FUNCTION garant_move.keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION USING ERRCODE = '55006', MESSAGE = 'garant: rows of this table are being moved, it cannot be emptied now';
END
$$`

// claim makes this process the only one that moves the tenant, at either end, until it ends.
func (m *Mover) claim(ctx context.Context) error {
	for _, e := range []*end{m.src, m.dst} {
		if err := m.claimAt(ctx, e); err != nil {
			return err
		}
	}
	return m.src.conn.QueryRow(ctx, `SELECT hashtextextended('garant move gate ' || $1, 0)`, m.o.Tenant).Scan(&m.gateKey)
}

func (m *Mover) claimAt(ctx context.Context, e *end) error {
	var got bool
	if err := e.conn.QueryRow(ctx, `SELECT pg_try_advisory_lock(hashtextextended('garant move ' || $1, 0))`, m.o.Tenant).Scan(&got); err != nil {
		return e.named(pg.Wrap(err))
	}
	if !got {
		return errs.New(errs.Conflict, "move.running", "This tenant is being moved by another process, at the "+e.word+".").
			WithFix("Wait for it to end; if it was killed, its connection ends within moments.")
	}
	return nil
}

const readMove = `SELECT id, tenant, source, target, fresh, step, rows, started_at, started_by, switched_at, pause_ms, proof, restore, finished_at FROM garant_move.move`

func scanMove(row pgx.Row, s *State) error {
	var pause int64
	var proof []Sum
	err := row.Scan(&s.ID, &s.Tenant, &s.From, &s.To, &s.Fresh, &s.Step, &s.Rows, &s.StartedAt, &s.StartedBy, &s.SwitchedAt, &pause, &proof, &s.Restore, &s.FinishedAt)
	s.Pause, s.Proof = time.Duration(pause)*time.Millisecond, proof
	return err
}

// List tells the moves out of a database, the last first.
func List(ctx context.Context, p Place) ([]State, error) {
	e, err := signIn(ctx, p, "source")
	defer e.close()
	if err != nil {
		return nil, err
	}
	var here bool
	if err := e.conn.QueryRow(ctx, `SELECT to_regclass('garant_move.move') IS NOT NULL`).Scan(&here); err != nil || !here {
		return nil, e.named(pg.Wrap(err))
	}
	rows, err := e.conn.Query(ctx, readMove+` WHERE side = 'from' ORDER BY started_at DESC LIMIT 100`)
	if err != nil {
		return nil, e.named(err)
	}
	all, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (State, error) {
		var s State
		err := scanMove(r, &s)
		return s, err
	})
	return all, e.named(err)
}

// begin finds the move that is under way, or records a new one after all that may be refused was.
func (m *Mover) begin(ctx context.Context) error {
	tables, err := m.survey(m.src.db)
	if err != nil {
		return err
	}
	m.tables = tables
	for _, e := range []*end{m.src, m.dst} {
		if err := m.retry(ctx, func() error { return run(ctx, e.conn, homeSQL) }); err != nil {
			return e.named(err)
		}
	}
	err = scanMove(m.src.conn.QueryRow(ctx, readMove+` WHERE tenant = $1 AND side = 'from' AND finished_at IS NULL`, m.o.Tenant), &m.st)
	if errors.Is(err, pgx.ErrNoRows) {
		return m.record(ctx)
	}
	if err != nil {
		return m.src.named(err)
	}
	var peer, sum string
	if err := m.src.conn.QueryRow(ctx, `SELECT peer, manifest FROM garant_move.move WHERE id = $1`, m.st.ID).Scan(&peer, &sum); err != nil {
		return m.src.named(err)
	}
	if peer != m.dst.identity() {
		return errs.New(errs.Conflict, "move.elsewhere", fmt.Sprintf("This tenant is on its way to %s, which is another database.", m.st.To)).
			WithFix("Finish that move or undo it first.")
	}
	if sum != m.manifestSum() {
		return errs.New(errs.Conflict, "move.manifest_changed", "The manifest is not the one that this move began with.").
			WithFix("Use that one, or undo the move first.")
	}
	m.o.From.Name, m.o.To.Name = m.st.From, m.st.To
	m.o.Log("Going on: " + m.sentence())
	return nil
}

func (e *end) identity() string { return e.system + " " + e.db.Name }

func (m *Mover) manifestSum() string {
	var b strings.Builder
	_ = m.o.Manifest.Write(&b) // a strings.Builder takes everything
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:])
}

// record refuses what cannot be moved, and writes the move down at both ends.
func (m *Mover) record(ctx context.Context) error {
	m.st = State{ID: uuid.Must(uuid.NewV7()), Tenant: m.o.Tenant, From: m.o.From.Name, To: m.o.To.Name, Step: Planned, StartedBy: m.o.By}
	if err := m.refuseSource(ctx); err != nil {
		return err
	}
	if err := m.refuseTarget(ctx); err != nil {
		return err
	}
	for _, t := range m.tables {
		if t.tenant() && t.key == nil {
			m.o.Log(t.qualified() + " has no key: it is copied again whole, also while writes wait, whenever something in it changes. Give it a primary key if it is big.")
		}
	}
	for _, e := range []*end{m.dst, m.src} { // the source last: its record is the move
		side, peer := "to", m.src.identity()
		if e == m.src {
			side, peer = "from", m.dst.identity()
		}
		err := m.tx(ctx, e, func(tx pgx.Tx) error {
			if side == "to" { // left over by a move that was killed before its source knew of it
				if _, err := tx.Exec(ctx, `DELETE FROM garant_move.move WHERE tenant = $1 AND side = 'to' AND peer = $2 AND finished_at IS NULL`, m.o.Tenant, peer); err != nil {
					return err
				}
			}
			_, err := tx.Exec(ctx, `INSERT INTO garant_move.move (id, side, tenant, source, target, peer, manifest, fresh, step, started_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
				m.st.ID, side, m.o.Tenant, m.st.From, m.st.To, peer, m.manifestSum(), m.st.Fresh, string(Planned), m.o.By)
			if err != nil {
				return err
			}
			state := map[string]string{"from": "open", "to": "away"}[side]
			if _, err := tx.Exec(ctx, `INSERT INTO garant_move.gate (tenant, state, move) VALUES ($1, $2, $3) ON CONFLICT (tenant) DO UPDATE SET state = excluded.state, move = excluded.move`, m.o.Tenant, state, m.st.ID); err != nil {
				return err
			}
			return m.writeGuarded(ctx, tx)
		})
		if pg.SQLState(err) == "23505" {
			return errs.New(errs.Conflict, "move.other", "The "+e.word+" takes part in another move of this tenant.").WithFix("Finish that move or undo it first.")
		}
		if err != nil {
			return err
		}
		m.o.at("recorded " + side)
	}
	return m.src.named(scanMove(m.src.conn.QueryRow(ctx, readMove+` WHERE id = $1`, m.st.ID), &m.st))
}

func (m *Mover) writeGuarded(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `DELETE FROM garant_move.guarded`); err != nil {
		return err
	}
	for _, t := range m.tables {
		if _, err := tx.Exec(ctx, `INSERT INTO garant_move.guarded (relation, class, col) VALUES ($1, $2, $3)`, t.qualified(), string(t.class), t.column); err != nil {
			return err
		}
	}
	return nil
}

// step records how far the move is.
func (m *Mover) step(ctx context.Context, to Step) error {
	err := m.tx(ctx, m.src, func(tx pgx.Tx) error { return m.writeStep(ctx, tx, to) })
	if err == nil {
		m.st.Step = to
		m.report.note(m.st)
	}
	return err
}

func (m *Mover) writeStep(ctx context.Context, tx pgx.Tx, to Step) error {
	_, err := tx.Exec(ctx, `UPDATE garant_move.move SET step = $2, rows = $3, proof = $4, restore = $5, pause_ms = $6,
	switched_at = coalesce(switched_at, CASE WHEN $2 = 'switched' THEN clock_timestamp() END),
	finished_at = CASE WHEN $2 IN ('done', 'undone') THEN clock_timestamp() END WHERE id = $1`, m.st.ID, string(to), m.st.Rows, m.st.Proof, m.st.Restore, m.st.Pause.Milliseconds())
	return err
}

// did reports whether something is done at the target.
func (m *Mover) did(ctx context.Context, what string) (rows int64, done bool, err error) {
	err = m.dst.conn.QueryRow(ctx, `SELECT rows FROM garant_move.did WHERE move = $1 AND what = $2`, m.st.ID, what).Scan(&rows)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, false, nil
	}
	return rows, err == nil, m.dst.named(err)
}

func (m *Mover) markSQL(what string) string {
	return fmt.Sprintf(`INSERT INTO garant_move.did (move, what) VALUES (%s, %s)`, sqlname.Literal(m.st.ID.String()), sqlname.Literal(what))
}

// refuseSource refuses a tenant that is not here, and rows that would be left without what they refer to.
func (m *Mover) refuseSource(ctx context.Context) error {
	if m.src.db.Design == "" || m.src.db.GarantVersion != token.Version {
		return errs.New(errs.Invalid, "move.unguarded", "The source has no schema garant of this program's version.").WithFix("Apply the isolation first: garant isolation apply.")
	}
	if err := m.mayRead(ctx, m.src); err != nil {
		return err
	}
	var away bool
	if err := m.src.conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM garant_move.gate WHERE tenant = $1 AND state = 'away')`, m.o.Tenant).Scan(&away); err != nil {
		return m.src.named(err)
	}
	if away {
		return errs.New(errs.Conflict, "move.away", "This tenant lives in another database already.").WithFix("Name that one as the source.")
	}
	found := false
	for _, t := range m.tables {
		if !t.tenant() {
			continue
		}
		some, err := m.holds(ctx, m.src, t, t.of)
		if err != nil {
			return err
		}
		found = found || some
	}
	if !found {
		return errs.New(errs.NotFound, "move.nobody", "The source has no row of this tenant.").WithFix("Write its key as the database has it.")
	}
	for _, r := range m.src.db.Relations {
		for _, k := range r.ForeignKeys {
			if k.Inherited || m.class(r) != manifest.Private || k.Target == nil || m.class(k.Target) != manifest.Tenant {
				continue
			}
			if err := m.refuseReferred(ctx, r, k); err != nil {
				return err
			}
		}
	}
	return nil
}

// refuseReferred refuses rows of a private table that refer to rows which leave.
func (m *Mover) refuseReferred(ctx context.Context, r *schema.Relation, k schema.ForeignKey) error {
	root := k.Target.Root()
	for _, t := range m.tables {
		if t.relation != root {
			continue
		}
		var join []string
		for i := range k.Columns {
			join = append(join, "p."+sqlname.Quote(k.Columns[i])+" = t."+sqlname.Quote(k.Refers[i]))
		}
		var some bool
		sql := `SELECT EXISTS (SELECT FROM ` + r.QualifiedName() + ` p JOIN ` + k.Target.QualifiedName() + ` t ON ` + strings.Join(join, " AND ") + ` WHERE ` + t.of + `)`
		if err := m.src.conn.QueryRow(ctx, sql).Scan(&some); err != nil {
			return m.src.named(err)
		}
		if some {
			return errs.New(errs.Invalid, "move.referred", fmt.Sprintf("Rows of the private table %s refer to rows of the tenant, which leave.", r.QualifiedName())).
				WithFix("Class that table tenant, or remove those rows.")
		}
	}
	return nil
}

// holds reports whether a table has a row of a condition.
func (m *Mover) holds(ctx context.Context, e *end, t *table, where string) (some bool, err error) {
	err = e.conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM `+t.from()+` t WHERE `+where+`)`).Scan(&some)
	return some, e.named(pg.Wrap(err))
}

// mayRead sees that no policy hides rows from the mover: a row that it does not see would be left behind.
func (m *Mover) mayRead(ctx context.Context, e *end) error {
	for _, t := range m.tables {
		for _, part := range t.parts() {
			all, err := schema.Sees(ctx, e.conn, part, true)
			if err != nil {
				return e.named(err)
			}
			if !all {
				return blind(part, e)
			}
		}
	}
	return nil
}

// willRead sees the same of a target whose tables are still to be made: their policies will be those of the source.
func (m *Mover) willRead(ctx context.Context) error {
	var unbound bool
	if err := m.dst.conn.QueryRow(ctx, `SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user`).Scan(&unbound); err != nil || unbound {
		return m.dst.named(pg.Wrap(err))
	}
	for _, t := range m.tables {
		roles, needed, err := schema.ShownTo(ctx, m.src.conn, t.qualified())
		if err != nil {
			return m.src.named(err)
		}
		var one bool // that is the mover's there, or will be made and be its
		if err := m.dst.conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = ANY ($1) AND pg_has_role(oid, 'USAGE'))
	OR $2 = ANY ($1) AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = $2)`, roles, t.relation.Owner).Scan(&one); err != nil {
			return m.dst.named(pg.Wrap(err))
		}
		if needed && !one {
			return blind(t.qualified(), m.dst)
		}
	}
	return nil
}

func blind(table string, e *end) error {
	return errs.New(errs.Denied, "move.blind", fmt.Sprintf("Policies hide rows of %s from you at the %s.", table, e.word)).
		WithFix("Sign in as the owner of the tables, to whom garant isolation apply shows all rows, or with a role that has BYPASSRLS and is declared in the manifest: around.")
}

// refuseTarget decides whether the target's tables are to be made, and refuses what is in the way.
func (m *Mover) refuseTarget(ctx context.Context) error {
	if m.dst.db.Version/10000 < m.src.db.Version/10000 {
		return errs.New(errs.Invalid, "move.older", "The target is an older PostgreSQL than the source.").WithFix("Move to the same version or a newer one.")
	}
	var encodings [2]string
	for i, e := range []*end{m.src, m.dst} {
		if err := e.conn.QueryRow(ctx, `SELECT current_setting('server_encoding')`).Scan(&encodings[i]); err != nil {
			return e.named(err)
		}
	}
	if encodings[0] != encodings[1] {
		return errs.New(errs.Invalid, "move.encoding", fmt.Sprintf("The source is in %s, the target in %s.", encodings[0], encodings[1])).WithFix("Make the target with the same encoding.")
	}
	missing, bad := differences(m.tables, m.dst.db)
	m.st.Fresh = missing == len(m.tables)
	if m.st.Fresh {
		if len(m.dst.db.Relations) > 0 {
			return errs.New(errs.Invalid, "move.occupied", "The target has tables of something else: "+m.dst.db.Relations[0].QualifiedName()+".").
				WithFix("A dedicated database is for one tenant only: name an empty one.")
		}
		if err := m.mayGuard(ctx); err != nil {
			return err
		}
		return m.willRead(ctx)
	}
	if len(bad) > 0 {
		return errs.New(errs.Invalid, "move.differs", "The target's tables are not those of the source: "+strings.Join(bad, "; ")+".").
			WithFix("Bring both to the same migration, or name an empty database.")
	}
	return m.refuseJoined(ctx)
}

// refuseJoined refuses a target that has the tables, and perhaps other tenants, if rows could not
// come in without setting off what the application does with new rows.
func (m *Mover) refuseJoined(ctx context.Context) error {
	if m.dst.db.Design == "" || m.dst.db.GarantVersion != token.Version {
		return errs.New(errs.Invalid, "move.unguarded", "The target has no schema garant of this program's version.").WithFix("Apply the isolation there first: garant isolation apply.")
	}
	if !m.dst.replica {
		return errs.New(errs.Denied, "move.triggers", "The target's triggers would fire on what is copied, and its foreign keys could not be crossed.").
			WithFix("Have an administrator run there: GRANT SET ON PARAMETER session_replication_role TO " + sqlname.Quote(m.dst.db.Me) + ".")
	}
	if err := m.mayRead(ctx, m.dst); err != nil {
		return err
	}
	for _, t := range m.tables {
		var always string
		err := m.dst.conn.QueryRow(ctx, `SELECT coalesce(min(tgname), '') FROM pg_trigger WHERE tgrelid = $1::regclass AND tgenabled IN ('A', 'R') AND NOT tgisinternal AND tgname !~ '^garant_move_'`, t.qualified()).Scan(&always)
		if err != nil {
			return m.dst.named(err)
		}
		if always != "" {
			return errs.New(errs.Invalid, "move.always", fmt.Sprintf("The trigger %s of %s at the target fires whatever the session says.", sqlname.Quote(always), t.qualified())).
				WithFix("ALTER TABLE … ENABLE TRIGGER, so that it fires for ordinary sessions only.")
		}
		if !t.tenant() {
			continue
		}
		some, err := m.holds(ctx, m.dst, t, t.of)
		if err != nil {
			return err
		}
		if some {
			return errs.New(errs.Conflict, "move.there", fmt.Sprintf("The target has rows of this tenant already, in %s.", t.qualified())).
				WithFix("Find out whose they are; a move takes nothing away that it did not bring.")
		}
	}
	return nil
}
