package sequence

import (
	"context"
	"crypto/hmac"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/leaf"
	"github.com/garant-project/garant/internal/pg"
)

// The kinds of what does not fit.
const (
	Unsigned         = "unsigned"          // an entry that no process signed
	Forged           = "forged"            // its MAC is not that of its writer
	Twice            = "twice"             // its writer's number was seen before
	Missing          = "missing"           // numbers that a writer says were committed, and that are not there
	OtherTime        = "other_time"        // its writer's clock and the database's are far apart
	ForgedHeartbeat  = "forged_heartbeat"  // of no process
	MissingHeartbeat = "missing_heartbeat" // a writer spoke, and it is not there
	WriterChanged    = "writer_changed"    // what is known of a writer is not what was written down of it
	Adopted          = "adopted"           // entries came from another cluster
)

type anomaly struct {
	kind, about string
	detail      map[string]any
}

// noticed is what one batch brought to light.
type noticed struct{ list []anomaly }

func (n *noticed) add(kind, about string, detail map[string]any) {
	n.list = append(n.list, anomaly{kind, about, detail})
}

func (n *noticed) write(b *pgx.Batch) {
	for _, a := range n.list {
		detail, _ := json.Marshal(a.detail) // numbers and texts
		b.Queue(`INSERT INTO audit.anomaly (kind, about, detail) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, a.kind, a.about, detail)
	}
}

// writer is what is known of a process that writes entries.
type writer struct {
	seen    spans
	spoke   int64
	below   int64
	ended   bool
	first   time.Time
	last    time.Time
	touched bool
	mac     []byte // as it was read
}

// How many writers, and keys of them, are remembered.
const (
	mostWriters = 10_000
	mostKeys    = 10_000
)

// key is that of a writer, and what verifies with it.
type key struct {
	secret []byte
	signer *leaf.Signer
}

func (s *Sequencer) key(st *state, writer string) key {
	k, ok := st.keys[writer]
	if !ok {
		if len(st.keys) >= mostKeys {
			clear(st.keys)
		}
		k.secret = audit.Key(s.Box, writer)
		k.signer = leaf.NewSigner(k.secret)
		st.keys[writer] = k
	}
	return k
}

// judge holds an entry against its writer; said is what that signed.
func (s *Sequencer) judge(st *state, e *leaf.Entry, said []byte, n *noticed) {
	about := "entry " + strconv.FormatInt(e.ID, 10)
	if e.Said.Writer == "" {
		if e.ID > st.signed || e.ID <= 0 || st.signing { // what is from before entries were signed came before all that are
			n.add(Unsigned, about, nil)
		}
		return
	}
	if !s.key(st, e.Said.Writer).signer.Signed(said, e.MAC) {
		n.add(Forged, about, nil)
		return // it says nothing of the writer that it names
	}
	if apart := e.At.Sub(e.Said.Written); apart > skew || apart < -skew {
		n.add(OtherTime, about, map[string]any{"apart_ms": apart.Milliseconds()})
	}
	st.signing = true
	w := st.writer(e.Said.Writer)
	w.touch(e.At)
	if e.Said.N < w.below || !w.seen.add(e.Said.N) {
		n.add(Twice, about, map[string]any{"writer": e.Said.Writer, "n": e.Said.N})
	}
}

func (st *state) writer(id string) *writer {
	w, ok := st.writers[id]
	if !ok {
		w = &writer{below: 1}
		st.writers[id] = w
	}
	return w
}

func (w *writer) touch(at time.Time) {
	w.touched = true
	if w.first.IsZero() || at.Before(w.first) {
		w.first = at
	}
	if at.After(w.last) {
		w.last = at
	}
}

// beat is a heartbeat as it is read.
type beat struct {
	id  int64
	xid uint64
	at  time.Time
	audit.Heartbeat
}

// hear holds what writers claim against what was seen.
func (s *Sequencer) hear(st *state, beats []beat, n *noticed) {
	for i := range beats {
		h := &beats[i]
		id := h.Writer.String()
		claimed, ok := parseSpans(h.Claimed)
		if !ok || !h.Signed(s.key(st, id).secret) {
			n.add(ForgedHeartbeat, fmt.Sprintf("heartbeat %d", h.id), map[string]any{"writer": id})
			continue
		}
		w := st.writer(id)
		w.touch(h.at)
		if h.N > w.spoke+1 {
			n.add(MissingHeartbeat, fmt.Sprintf("writer %s, heartbeats after %d and before %d", id, w.spoke, h.N), map[string]any{"writer": id, "heartbeats": h.N - w.spoke - 1})
		}
		for _, lost := range claimed.without(w.seen) {
			if lost.from < w.below { // told again: it was settled when it was told first
				lost.from = min(w.below, lost.until)
			}
			if lost.from < lost.until {
				n.add(Missing, fmt.Sprintf("writer %s, numbers %d to %d", id, lost.from, lost.until-1), map[string]any{"writer": id, "entries": lost.until - lost.from})
			}
		}
		w.spoke, w.below, w.ended = max(w.spoke, h.N), max(w.below, h.Below), w.ended || h.Last
		w.seen.cut(w.below)
	}
}

// meet reads what is known of the writers of a batch that are not remembered.
func (s *Sequencer) meet(ctx context.Context, on pg.Querier, st *state, rows []row, beats []beat, n *noticed) error {
	unknown := map[uuid.UUID]bool{}
	for i := range rows {
		if id := rows[i].Said.Writer; id != "" && st.writers[id] == nil {
			unknown[uuid.MustParse(id)] = true
		}
	}
	for i := range beats {
		if st.writers[beats[i].Writer.String()] == nil {
			unknown[beats[i].Writer] = true
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	if len(st.writers) > mostWriters {
		clear(st.writers) // all of it stands in the database
		return s.meet(ctx, on, st, rows, beats, n)
	}
	known, err := readWriters(ctx, on, slices.Collect(maps.Keys(unknown)))
	for _, id := range slices.Sorted(maps.Keys(known)) {
		if w := known[id]; !hmac.Equal(w.mac, s.known(id, w)) {
			n.add(WriterChanged, fmt.Sprintf("writer %s, after its heartbeat %d", id, w.spoke), map[string]any{"writer": id})
		}
	}
	maps.Copy(st.writers, known)
	return err
}

// known signs what is known of a writer.
func (s *Sequencer) known(id string, w *writer) []byte {
	return leaf.MAC(s.Box.Index("audit.writer.known", []byte(id)), fmt.Appendf(nil, "garant writer v1\n%s\n%s\n%d\n%d\n%t", id, w.seen, w.spoke, w.below, w.ended))
}

// writersTouched queues what became known of writers.
func (s *Sequencer) writersTouched(st *state, b *pgx.Batch) {
	for id, w := range st.writers {
		if !w.touched {
			continue
		}
		w.touched = false
		b.Queue(`INSERT INTO audit.writer (writer, seen, spoke, below, first_at, last_at, ended, mac) VALUES ($1, $2::text::int8multirange, $3, $4, $5, $6, $7, $8)
ON CONFLICT (writer) DO UPDATE SET seen = excluded.seen, spoke = excluded.spoke, below = excluded.below, last_at = greatest(writer.last_at, excluded.last_at), ended = excluded.ended, mac = excluded.mac`,
			uuid.MustParse(id), w.seen.String(), w.spoke, w.below, w.first, w.last, w.ended, s.known(id, w))
	}
}
