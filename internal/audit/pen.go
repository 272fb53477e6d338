package audit

import (
	"context"
	"crypto/hmac"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/internal/audit/leaf"
	"github.com/garant-project/garant/internal/audit/spans"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// Pen is what a process signs its entries with. It counts them, and tells in heartbeats which of them were committed: what
// somebody takes away before it is in a tree is missed by its number.
//
// The connections of a pg.DB carry it (Use), so that Record finds it wherever a transaction gets to.
type Pen struct {
	writer uuid.UUID
	key    []byte
	box    *crypt.Box
	now    func() time.Time

	telling sync.Mutex // held while one heartbeat is written
	mu      sync.Mutex
	n       int64                 // given last
	open    map[*pgx.Conn][]int64 // in transactions of which nobody knows yet how they end
	claimed spans.Set             // committed, and not told of yet
	spoke   int64
	spokeAt time.Time
}

const (
	beat      = time.Second      // between heartbeats, when there is something to tell
	beatAlone = 10 * time.Second // and when there is not
)

// NewPen makes a pen for this process.
func NewPen(box *crypt.Box, now func() time.Time) (*Pen, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	return &Pen{writer: id, key: Key(box, id.String()), box: box, now: now, open: map[*pgx.Conn][]int64{}}, nil
}

// Key is the key by which a writer signs. It comes from outside the database: of what is stored there it can only be told with the
// key provider's.
func Key(box *crypt.Box, writer string) []byte { return box.Index("audit.writer", []byte(writer)) }

// Use has the connections of a DB carry the pen.
func (p *Pen) Use(db *pg.DB) { db.Carry(p) }

// penOf is what a connection carries; nil: entries written on it are not signed.
func penOf(conn *pgx.Conn) *Pen {
	p, _ := pg.Carried(conn).(*Pen)
	return p
}

// take gives numbers to entries that are about to be written on a connection: the first of them.
func (p *Pen) take(conn *pgx.Conn, many int) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		if c.IsClosed() { // what became of them nobody knows: they are not claimed
			delete(p.open, c)
		}
	}
	first := p.n + 1
	for range many {
		p.n++
		p.open[conn] = append(p.open[conn], p.n)
	}
	return first
}

// Ended implements pg.Watcher.
func (p *Pen) Ended(conn *pgx.Conn, committed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if list, ok := p.open[conn]; ok {
		if committed {
			for _, n := range list {
				p.claimed.Add(n)
			}
		}
		delete(p.open, conn)
	}
}

// Run speaks, and sees that it is heard, until ctx ends.
func (p *Pen) Run(ctx context.Context, pool *pgxpool.Pool, failed func(error)) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for looked := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := p.Speak(ctx, pool)
		if err == nil && time.Since(looked) >= beatAlone {
			looked = time.Now()
			err = p.Heard(ctx, pool)
		}
		if err != nil && ctx.Err() == nil {
			failed(err)
		}
	}
}

// Speak tells of what was committed since it last did, if there is something to tell or a while has passed.
func (p *Pen) Speak(ctx context.Context, on *pgxpool.Pool) error { return p.speak(ctx, on, false) }

// End tells of the rest, and that no more is to come; nothing when nothing was ever written.
func (p *Pen) End(ctx context.Context, on *pgxpool.Pool) error { return p.speak(ctx, on, true) }

func (p *Pen) speak(ctx context.Context, on *pgxpool.Pool, last bool) error {
	p.telling.Lock()
	defer p.telling.Unlock()
	p.mu.Lock()
	if len(p.claimed) == 0 && (last && p.spoke == 0 && p.n == 0 || !last && time.Since(p.spokeAt) < beatAlone) {
		p.mu.Unlock()
		return nil
	}
	claimed := p.claimed
	p.claimed = nil
	below := p.n + 1
	for c, list := range p.open {
		if c.IsClosed() {
			delete(p.open, c)
			continue
		}
		below = min(below, list[0])
	}
	beat := Heartbeat{Writer: p.writer, N: p.spoke + 1, Below: below, Claimed: claimed.String(), Last: last, Written: p.now().UTC().Truncate(time.Microsecond)}
	p.mu.Unlock()
	_, err := on.Exec(ctx, `INSERT INTO audit.heartbeat (writer, n, below, claimed, last, written, mac) VALUES ($1, $2, $3, $4::text::int8multirange, $5, $6, $7)`,
		beat.Writer, beat.N, beat.Below, beat.Claimed, beat.Last, beat.Written, leaf.MAC(p.key, beat.said()))
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil { // it may have come to pass all the same: then it is told again, under the same number
		for _, s := range claimed {
			for n := s.From; n < s.Until; n++ {
				p.claimed.Add(n)
			}
		}
		return pg.Wrap(err)
	}
	p.spoke++
	p.spokeAt = time.Now()
	return nil
}

// Heartbeat is what a process says of what it wrote.
type Heartbeat struct {
	Writer  uuid.UUID
	N       int64
	Below   int64
	Claimed string // int8multirange as PostgreSQL writes it
	Last    bool
	Written time.Time
	MAC     []byte
}

func (h *Heartbeat) said() []byte {
	b := append([]byte("garant heartbeat v1\n"), h.Writer.String()...)
	for _, n := range []int64{h.N, h.Below, h.Written.UnixMicro()} {
		b = strconv.AppendInt(append(b, '\n'), n, 10)
	}
	b = append(append(b, '\n'), h.Claimed...)
	return strconv.AppendBool(append(b, '\n'), h.Last)
}

// Signed reports whether a heartbeat is of the writer whose key it is.
func (h *Heartbeat) Signed(key []byte) bool {
	return hmac.Equal(leaf.MAC(key, h.said()), h.MAC)
}

// Known is what is written down of a process: a row of audit.writer.
type Known struct {
	Seen        spans.Set // its numbers that are in trees, from Below on
	Spoke       int64     // how often
	Below       int64     // nothing with a smaller number is to come
	First, Last time.Time
	Ended       bool
}

// MAC signs what is known of a writer with a key from outside the database: who changes it by hand cannot.
func (k *Known) MAC(box *crypt.Box, writer string) []byte {
	return leaf.MAC(box.Index("audit.writer.known", []byte(writer)), fmt.Appendf(nil, "garant writer v2\n%s\n%s\n%d\n%d\n%d\n%d\n%t", writer, k.Seen, k.Spoke, k.Below, k.First.UnixMicro(), k.Last.UnixMicro(), k.Ended))
}

// Written is what is known of a writer as it stands in the database.
type Written struct {
	Known
	Signed bool
	Row    []any // all but the id, in the order of Known, and the MAC
}

// ReadWriters reads what is known of writers, by their ids.
func ReadWriters(ctx context.Context, on pg.Querier, box *crypt.Box, ids ...uuid.UUID) (map[string]*Written, error) {
	rows, err := on.Query(ctx, `SELECT writer::text, seen::text, spoke, below, first_at, last_at, ended, mac FROM audit.writer WHERE writer = ANY ($1)`, ids)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	found := map[string]*Written{}
	var id, seen string
	for rows.Next() {
		var w Written
		var first, last pgtype.Timestamptz // infinity is a time there, and was not signed
		var mac []byte
		if err := rows.Scan(&id, &seen, &w.Spoke, &w.Below, &first, &last, &w.Ended, &mac); err != nil {
			rows.Close()
			return nil, pg.Wrap(err)
		}
		w.First, w.Last = first.Time, last.Time
		w.Seen, _ = spans.Parse(seen) // what is none was not signed
		w.Signed, w.Row = hmac.Equal(mac, w.MAC(box, id)), []any{seen, w.Spoke, w.Below, first, last, w.Ended, mac}
		found[id] = &w
	}
	return found, pg.Wrap(rows.Err())
}

// What a process notices of how it is heard; the sequencer notices both too.
const (
	MissingHeartbeat = "missing_heartbeat" // a writer spoke, and it is not there
	WriterChanged    = "writer_changed"    // what is known of a writer is not what was written down of it
)

// NoteSQL notes once what does not fit: its kind, what it is about, and a detail or NULL. The root log tells of it with the next batch, and a person has to say what it was.
const NoteSQL = `INSERT INTO audit.anomaly (kind, about, detail) VALUES ($1, $2, coalesce($3, '{}'::json)) ON CONFLICT DO NOTHING`

// Note does that, as garant_worker or garant_checkpoint.
func Note(ctx context.Context, on pg.Execer, kind, about string, detail map[string]any) error {
	_, err := on.Exec(ctx, NoteSQL, kind, about, detail)
	return pg.Wrap(err)
}

// Heard holds what this process said of itself against what was heard of it, and against what is still to be heard, and notes what is
// gone: who takes away all that it says from some moment on leaves no later word by which a gap is seen.
func (p *Pen) Heard(ctx context.Context, on *pgxpool.Pool) error {
	p.telling.Lock()
	defer p.telling.Unlock()
	id := p.writer.String()
	kind, about := "", ""
	err := pgx.BeginTxFunc(ctx, on, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		found, err := ReadWriters(ctx, tx, p.box, p.writer)
		if err != nil {
			return err
		}
		w := found[id]
		if w == nil {
			w = &Written{Signed: true}
		}
		// One with a number of the past would be passed over, and one of a transaction that is still to come never be reached.
		var waiting int64
		if err := tx.QueryRow(ctx, `SELECT count(DISTINCT h.n) FROM audit.heartbeat AS h LEFT JOIN audit.cursor AS c ON true
WHERE h.writer = $1 AND h.n > $2 AND h.n <= $3 AND (h.xid, h.id) > (coalesce(c.heard, '0'), coalesce(c.heartbeat, 0)) AND h.xid < pg_snapshot_xmax(pg_current_snapshot())`, p.writer, w.Spoke, p.spoke).Scan(&waiting); err != nil {
			return err
		}
		switch {
		case !w.Signed:
			kind, about = WriterChanged, fmt.Sprintf("writer %s, after its heartbeat %d", id, w.Spoke)
		case w.Spoke+waiting < p.spoke:
			kind, about = MissingHeartbeat, fmt.Sprintf("writer %s, heartbeats after %d", id, w.Spoke)
		default:
			return nil
		}
		return Note(ctx, tx, kind, about, map[string]any{"writer": id})
	})
	if err == nil && kind != "" { // the log of the process is not in the database
		err = errs.New(errs.Conflict, "audit.unheard", "What this process said of its entries was changed, or taken away, before it was heard.").WithFix("Run garant audit verify, and find out who writes to the database.").With("kind", kind)
	}
	return pg.Wrap(err)
}
