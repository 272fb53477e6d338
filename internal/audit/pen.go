package audit

import (
	"context"
	"crypto/hmac"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/internal/audit/leaf"
	"github.com/garant-project/garant/internal/crypt"
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
	claimed []span                // committed, and not told of yet
	spoke   int64
	spokeAt time.Time
}

// span is [from, until).
type span struct{ from, until int64 }

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
				p.claim(span{n, n + 1})
			}
		}
		delete(p.open, conn)
	}
}

// claim adds numbers to what is told of next, and keeps the list in order.
func (p *Pen) claim(s span) {
	i, _ := slices.BinarySearchFunc(p.claimed, s, func(a, b span) int { return int(a.from - b.from) })
	p.claimed = slices.Insert(p.claimed, i, s)
	if i+1 < len(p.claimed) && p.claimed[i].until == p.claimed[i+1].from {
		p.claimed[i].until = p.claimed[i+1].until
		p.claimed = slices.Delete(p.claimed, i+1, i+2)
	}
	if i > 0 && p.claimed[i-1].until == p.claimed[i].from {
		p.claimed[i-1].until = p.claimed[i].until
		p.claimed = slices.Delete(p.claimed, i, i+1)
	}
}

// Run speaks until ctx ends, and a last time then.
func (p *Pen) Run(ctx context.Context, pool *pgxpool.Pool, failed func(error)) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := p.Speak(ctx, pool); err != nil && ctx.Err() == nil {
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
	beat := Heartbeat{Writer: p.writer, N: p.spoke + 1, Below: below, Claimed: multirange(claimed), Last: last, Written: p.now().UTC().Truncate(time.Microsecond)}
	p.mu.Unlock()
	_, err := on.Exec(ctx, `INSERT INTO audit.heartbeat (writer, n, below, claimed, last, written, mac) VALUES ($1, $2, $3, $4::text::int8multirange, $5, $6, $7)`,
		beat.Writer, beat.N, beat.Below, beat.Claimed, beat.Last, beat.Written, leaf.MAC(p.key, beat.said()))
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil { // it may have come to pass all the same: then it is told again, under the same number
		for _, s := range claimed {
			p.claim(s)
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

// multirange writes spans as PostgreSQL writes an int8multirange.
func multirange(spans []span) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, s := range spans {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("[" + strconv.FormatInt(s.from, 10) + "," + strconv.FormatInt(s.until, 10) + ")")
	}
	b.WriteByte('}')
	return b.String()
}

// Signed reports whether a heartbeat is of the writer whose key it is.
func (h *Heartbeat) Signed(key []byte) bool {
	return hmac.Equal(leaf.MAC(key, h.said()), h.MAC)
}
