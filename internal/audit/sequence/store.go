package sequence

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit/leaf"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

func errBroken(cause error) *errs.Error {
	return errs.New(errs.Internal, "sequence.broken", "What the database holds of a tree of the audit log does not fit together, so nothing is added to it.").
		WithFix("Run garant audit verify: it says what was changed. docs/audit.md.").Wrap(cause)
}

// errSetBack is what a leader finds that has signed more.
func errSetBack() *errs.Error {
	return errs.New(errs.Internal, "sequence.set_back", "There is less of the audit log than this server has signed itself: the database was set back, so nothing is put in order.").
		WithFix("If it was restored from a backup, run garant audit recover, or start the servers anew where there is no second account. If nobody did that, somebody rewrites the log: look at what witnesses have signed. docs/audit.md.")
}

// errMoved is what a leader finds that is none any more.
var errMoved = errs.New(errs.Conflict, "sequence.moved", "Another server has put entries in order meanwhile.")

// systemOf names the cluster and the database that transaction numbers belong to.
func systemOf(ctx context.Context, on pg.Querier) (system string, err error) {
	err = on.QueryRow(ctx, `SELECT system_identifier::text || '/' || (SELECT oid FROM pg_database WHERE datname = current_database()) FROM pg_control_system()`).Scan(&system)
	return system, pg.Wrap(err)
}

// horizon is the smallest transaction number that is still at work, or is to come; noted is the newest anomaly.
func horizon(ctx context.Context, on pg.Querier) (bound uint64, noted int64, err error) {
	var text string
	if err := on.QueryRow(ctx, `SELECT pg_snapshot_xmin(pg_current_snapshot())::text, (SELECT coalesce(max(a.id), 0) FROM audit.anomaly AS a)`).Scan(&text, &noted); err != nil {
		return 0, 0, pg.Wrap(err)
	}
	bound, err = strconv.ParseUint(text, 10, 64)
	return bound, noted, err
}

func xid(x uint64) string { return strconv.FormatUint(x, 10) }

func readCursor(ctx context.Context, on pg.Querier) (c cursor, err error) {
	var at, heard string
	err = on.QueryRow(ctx, `SELECT generation, xid::text, entry, heard::text, heartbeat, adopted, signed, seq, noted, system, mac FROM audit.cursor`).
		Scan(&c.generation, &at, &c.entry, &heard, &c.heartbeat, &c.adopted, &c.signed, &c.seq, &c.noted, &c.system, &c.mac)
	if err != nil {
		return c, pg.Wrap(err)
	}
	if c.xid, err = strconv.ParseUint(at, 10, 64); err != nil {
		return c, err
	}
	c.heard, err = strconv.ParseUint(heard, 10, 64)
	return c, err
}

// mac signs how far the order is, and of which trees, with a key from outside the database: who moves the cursor by hand, or puts back one of before,
// has none that fits. The system is not in it: what it says is held against the cluster itself.
func (s *Sequencer) mac(c *cursor, root *merkle.Head) []byte {
	hash := root.Root()
	return leaf.MAC(s.Box.Index("audit.cursor", nil), fmt.Appendf(nil, "garant cursor v1\n%d\n%d\n%d\n%d\n%d\n%d\n%d\n%d\n%d\n%d\n%x", c.generation, c.xid, c.entry, c.heard, c.heartbeat, c.adopted, c.signed, c.seq, c.noted, root.Size, hash[:]))
}

// firstCursor begins before everything. Where there is one nothing happens.
func firstCursor(ctx context.Context, on pg.Execer, c cursor) error {
	_, err := on.Exec(ctx, `INSERT INTO audit.cursor (generation, xid, entry, heard, heartbeat, adopted, signed, seq, noted, system, mac, at)
VALUES ($1, '0', 0, '0', 0, 0, $2, 0, 0, $3, $4, clock_timestamp()) ON CONFLICT DO NOTHING`, c.generation, c.signed, c.system, c.mac)
	return pg.Wrap(err)
}

// moveCursor moves it, when it is where it was.
func moveCursor(b *pgx.Batch, was, next cursor) {
	b.Queue(`UPDATE audit.cursor SET generation = $1, xid = $2::text::xid8, entry = $3, heard = $4::text::xid8, heartbeat = $5, adopted = $6, signed = $7, seq = $8, noted = $9, system = $10, mac = $11, at = clock_timestamp()
WHERE mac = $12 AND generation = $13 AND xid = $14::text::xid8 AND entry = $15 AND heard = $16::text::xid8 AND heartbeat = $17 AND adopted = $18 AND signed = $19 AND seq = $20 AND noted = $21`,
		next.generation, xid(next.xid), next.entry, xid(next.heard), next.heartbeat, next.adopted, next.signed, next.seq, next.noted, next.system, next.mac,
		was.mac, was.generation, xid(was.xid), was.entry, xid(was.heard), was.heartbeat, was.adopted, was.signed, was.seq, was.noted)
}

// outOfTime reports whether the database has transaction numbers that are still to come in this cluster: they are of another one, in which it was before.
func outOfTime(ctx context.Context, on pg.Querier, c cursor) (other bool, err error) {
	err = on.QueryRow(ctx, `SELECT greatest($1::text::xid8, $2::text::xid8) >= pg_snapshot_xmax(pg_current_snapshot()) OR EXISTS (SELECT FROM audit.entry AS e
WHERE e.xid >= pg_snapshot_xmax(pg_current_snapshot()) AND (e.id > $3 OR NOT EXISTS (SELECT FROM audit.leaf AS l WHERE l.entry = e.id)))`, xid(c.xid), xid(c.heard), c.adopted).Scan(&other)
	return other, pg.Wrap(err)
}

// lost is where the order is, as far as it can be told without a cursor: all that is in no tree is still to be put in order, and nothing goes unsigned.
func lost(ctx context.Context, on pg.Querier, c *cursor) error {
	*c = cursor{system: c.system, mac: c.mac}
	return pg.Wrap(on.QueryRow(ctx, `SELECT coalesce((SELECT max(generation) FROM audit.generation), 0), greatest((SELECT max(seq) FROM audit.leaf), (SELECT max(seq) FROM audit.dropped), 0)`).Scan(&c.generation, &c.seq))
}

// readNoted reads anomalies that came since, and gives those of which the root log does not tell yet: others noted them.
func readNoted(ctx context.Context, on pg.Querier, st *state) (list []anomaly, last int64, err error) {
	rows, err := on.Query(ctx, `SELECT id, kind, about FROM audit.anomaly WHERE id > $1 ORDER BY id LIMIT $2`, st.noted, telling)
	if err != nil {
		return nil, 0, pg.Wrap(err)
	}
	if list, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (a anomaly, err error) { return a, r.Scan(&last, &a.kind, &a.about) }); err != nil {
		return nil, 0, pg.Wrap(err)
	}
	if rows, err = on.Query(ctx, `SELECT text FROM audit.root_leaf WHERE tree = $1 AND index >= $2`, st.root.id, st.root.head.Size-lookBack); err != nil {
		return nil, 0, pg.Wrap(err)
	}
	var line string
	_, err = pgx.ForEachRow(rows, []any{&line}, func() error {
		list = slices.DeleteFunc(list, func(a anomaly) bool { return merkle.NoticedLine(a.kind, a.about) == line })
		return nil
	})
	return list, last, pg.Wrap(err)
}

// runBatch sends what is queued. A statement that changes nothing was meant for what is not so any more.
func runBatch(ctx context.Context, tx pgx.Tx, b *pgx.Batch) error {
	r := tx.SendBatch(ctx, b)
	for range b.QueuedQueries {
		tag, err := r.Exec()
		if err == nil && tag.Update() && tag.RowsAffected() != 1 {
			err = errMoved
		}
		if err != nil {
			_ = r.Close()
			return pg.Wrap(err)
		}
	}
	return pg.Wrap(r.Close())
}

type generationRow struct {
	origin, key string
	sealed      []byte
}

func generation(ctx context.Context, on pg.Querier, number int) (g generationRow, err error) {
	err = on.QueryRow(ctx, `SELECT origin, key, sealed FROM audit.generation WHERE generation = $1`, number).Scan(&g.origin, &g.key, &g.sealed)
	return g, pg.Wrap(err)
}

func addGeneration(ctx context.Context, tx pgx.Tx, number int, origin, key string, sealed []byte, by, reason string, before []byte) error {
	var was any
	if before != nil {
		was = json.RawMessage(before)
	}
	_, err := tx.Exec(ctx, `INSERT INTO audit.generation (generation, origin, key, sealed, began_by, reason, before) VALUES ($1, $2, $3, $4, $5, $6, $7)`, number, origin, key, sealed, by, reason, was)
	return pg.Wrap(err)
}

const entryColumns = `e.id, e.xid::text, e.at, e.actor_kind, e.actor_id, coalesce(e.session, ''), coalesce(e.origin, ''), coalesce(e.tenant::text, ''), e.action, e.outcome, e.object_kind, e.object_id,
coalesce(e.reason, ''), coalesce(e.request, ''), e.detail::text, coalesce(e.subject, ''), e.promise, e.occurred, e.written, coalesce(e.writer::text, ''), coalesce(e.n, 0), e.mac`

func scanRow(r pgx.CollectableRow) (out row, err error) {
	var at, detail string
	var occurred, written pgtype.Timestamptz
	s := &out.Said
	err = r.Scan(&out.ID, &at, &out.At, &s.ActorKind, &s.ActorID, &s.Session, &s.Origin, &s.Tenant, &s.Action, &s.Outcome, &s.ObjectKind, &s.ObjectID,
		&s.Reason, &s.Request, &detail, &s.Subject, &s.Promise, &occurred, &written, &s.Writer, &s.N, &out.MAC)
	if err != nil {
		return out, err
	}
	s.Detail = []byte(detail)
	if occurred.Valid {
		s.Occurred = occurred.Time
	}
	if written.Valid {
		s.Written = written.Time
	}
	out.xid, err = strconv.ParseUint(at, 10, 64)
	return out, err
}

// readEntries reads what is to be put in order next: of transactions that have ended.
func readEntries(ctx context.Context, on pg.Querier, c cursor, bound uint64, most int) ([]row, error) {
	rows, err := on.Query(ctx, `SELECT `+entryColumns+` FROM audit.entry AS e
WHERE (e.xid, e.id) > ($1::text::xid8, $2) AND e.xid < $3::text::xid8
	AND (e.id > $4 OR NOT EXISTS (SELECT FROM audit.leaf AS l WHERE l.entry = e.id))
ORDER BY e.xid, e.id LIMIT $5`, xid(c.xid), c.entry, xid(bound), c.adopted, most)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, scanRow)
	return list, pg.Wrap(err)
}

func readHeartbeats(ctx context.Context, on pg.Querier, c cursor, bound uint64, most int) ([]beat, error) {
	// Without h. the order would be that of the text, in which 1000 comes before 999.
	return heartbeats(ctx, on, `WHERE (h.xid, h.id) > ($1::text::xid8, $2) AND h.xid < $3::text::xid8 ORDER BY h.xid, h.id LIMIT $4`, xid(c.heard), c.heartbeat, xid(bound), most)
}

func heartbeats(ctx context.Context, on pg.Querier, which string, args ...any) ([]beat, error) {
	rows, err := on.Query(ctx, `SELECT h.id, h.xid::text, h.at, h.writer, h.n, h.below, h.claimed::text, h.last, h.written, h.mac FROM audit.heartbeat AS h `+which, args...)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (h beat, err error) {
		var at string
		if err = r.Scan(&h.id, &at, &h.at, &h.Writer, &h.N, &h.Below, &h.Claimed, &h.Last, &h.Written, &h.MAC); err != nil {
			return h, err
		}
		h.xid, err = strconv.ParseUint(at, 10, 64)
		return h, err
	})
	return list, pg.Wrap(err)
}

type leafRow struct {
	seq   int64
	tree  int32
	index int64
	entry int64
	hash  merkle.Hash
}

func addLeaves(ctx context.Context, tx pgx.Tx, leaves []leafRow) error {
	if len(leaves) == 0 {
		return nil
	}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"audit", "leaf"}, []string{"seq", "tree", "index", "entry", "hash"}, pgx.CopyFromSlice(len(leaves), func(i int) ([]any, error) {
		l := &leaves[i]
		return []any{l.seq, l.tree, l.index, l.entry, l.hash[:]}, nil
	}))
	return pg.Wrap(err)
}

// rootLeaves are lines that are added to the root log.
type rootLeaves struct {
	tree   int32
	from   int64
	lines  []string
	of     []*int32
	hashes []merkle.Hash
}

func (r *rootLeaves) add(line string, of *int32) {
	r.lines, r.of, r.hashes = append(r.lines, line), append(r.of, of), append(r.hashes, tlog.RecordHash([]byte(line)))
}

func (r *rootLeaves) write(ctx context.Context, tx pgx.Tx) error {
	if len(r.lines) == 0 {
		return nil
	}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"audit", "root_leaf"}, []string{"tree", "index", "text", "hash", "of"}, pgx.CopyFromSlice(len(r.lines), func(i int) ([]any, error) {
		return []any{r.tree, r.from + int64(i), r.lines[i], r.hashes[i][:], r.of[i]}, nil
	}))
	return pg.Wrap(err)
}

// keptFor is how long what was heard is kept.
const keptFor = 24 * time.Hour

func forget(ctx context.Context, on pg.Execer, c cursor) error {
	if _, err := on.Exec(ctx, `DELETE FROM audit.heartbeat WHERE (xid, id) <= ($1::text::xid8, $2) AND at < clock_timestamp() - $3::interval`, xid(c.heard), c.heartbeat, keptFor); err != nil {
		return pg.Wrap(err)
	}
	if _, err := on.Exec(ctx, `DELETE FROM audit.writer WHERE ended AND last_at < clock_timestamp() - 7 * $1::interval`, keptFor); err != nil {
		return pg.Wrap(err)
	}
	_, err := on.Exec(ctx, `DELETE FROM audit.checkpoint AS c WHERE c.at < clock_timestamp() - $1::interval
	AND EXISTS (SELECT FROM audit.checkpoint AS later WHERE later.tree = c.tree AND later.size > c.size AND date_trunc('hour', later.at) = date_trunc('hour', c.at))
	AND NOT EXISTS (SELECT FROM audit.cosignature AS s WHERE s.tree = c.tree AND s.size = c.size)
	AND NOT EXISTS (SELECT FROM audit.dropped AS d WHERE d.tree = c.tree AND d.size = c.size)`, keptFor)
	return pg.Wrap(err)
}
