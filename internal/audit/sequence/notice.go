package sequence

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/leaf"
	"github.com/garant-project/garant/internal/audit/spans"
	"github.com/garant-project/garant/internal/pg"
)

// The kinds of what does not fit.
const (
	Unsigned         = "unsigned"         // an entry that no process signed
	Forged           = "forged"           // its MAC is not that of its writer
	Twice            = "twice"            // its writer's number was seen before
	Missing          = "missing"          // numbers that a writer says were committed, and that are not there
	OtherTime        = "other_time"       // its writer's clock and the database's are far apart
	ForgedHeartbeat  = "forged_heartbeat" // of no process
	MissingHeartbeat = audit.MissingHeartbeat
	WriterChanged    = audit.WriterChanged
	CursorChanged    = "cursor_changed" // how far the order is was not written down by a sequencer, or not for these trees
	SetBack          = "set_back"       // there is less of the log than this process has signed
	ForgedDrop       = "forged_drop"    // it is said to have been dropped at the end of its time, by nobody
	Adopted          = "adopted"        // entries came from another cluster
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
		b.Queue(audit.NoteSQL, a.kind, a.about, a.detail)
	}
}

// writer is what is known of a process that writes entries.
type writer struct {
	audit.Written
	touched bool
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

// judge holds an entry against its writer; said is what that signed, and seq its leaf: somebody's word about it answers for no other of the same number.
func (s *Sequencer) judge(st *state, e *leaf.Entry, said []byte, seq int64, n *noticed) {
	about := fmt.Sprintf("entry %d, leaf %d", e.ID, seq)
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
	if e.Said.N < w.Below || !w.Seen.Add(e.Said.N) {
		n.add(Twice, about, map[string]any{"writer": e.Said.Writer, "n": e.Said.N})
	}
}

func (st *state) writer(id string) *writer {
	w, ok := st.writers[id]
	if !ok {
		w = &writer{}
		w.Below = 1
		st.writers[id] = w
	}
	return w
}

func (w *writer) touch(at time.Time) {
	w.touched = true
	if w.First.IsZero() || at.Before(w.First) {
		w.First = at
	}
	if at.After(w.Last) {
		w.Last = at
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
		claimed, ok := spans.Parse(h.Claimed)
		if !ok || !h.Signed(s.key(st, id).secret) {
			n.add(ForgedHeartbeat, fmt.Sprintf("heartbeat %d", h.id), map[string]any{"writer": id})
			continue
		}
		w := st.writer(id)
		w.touch(h.at)
		if h.N > w.Spoke+1 {
			n.add(MissingHeartbeat, fmt.Sprintf("writer %s, heartbeats after %d and before %d", id, w.Spoke, h.N), map[string]any{"writer": id, "heartbeats": h.N - w.Spoke - 1})
		}
		for _, lost := range claimed.Without(w.Seen) {
			if lost.From < w.Below { // told again: it was settled when it was told first
				lost.From = min(w.Below, lost.Until)
			}
			if lost.From < lost.Until {
				n.add(Missing, fmt.Sprintf("writer %s, numbers %d to %d", id, lost.From, lost.Until-1), map[string]any{"writer": id, "entries": lost.Until - lost.From})
			}
		}
		w.Spoke, w.Below, w.Ended = max(w.Spoke, h.N), max(w.Below, h.Below), w.Ended || h.Last
		w.Seen.Cut(w.Below)
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
	known, err := audit.ReadWriters(ctx, on, s.Box, slices.Collect(maps.Keys(unknown))...)
	for _, id := range slices.Sorted(maps.Keys(known)) {
		w := known[id]
		if !w.Signed {
			n.add(WriterChanged, fmt.Sprintf("writer %s, after its heartbeat %d", id, w.Spoke), map[string]any{"writer": id})
		}
		st.writers[id] = &writer{Written: *w}
	}
	return err
}

// writersTouched queues what became known of writers. Where that is not what was known before, the statement changes nothing, and it is read again.
func (s *Sequencer) writersTouched(st *state, b *pgx.Batch) {
	for id, w := range st.writers {
		if !w.touched {
			continue
		}
		was := w.Row
		w.touched, w.Row = false, []any{w.Seen.String(), w.Spoke, w.Below, w.First, w.Last, w.Ended, w.MAC(s.Box, id)}
		args := append([]any{uuid.MustParse(id)}, w.Row...)
		if was == nil {
			b.Queue(`INSERT INTO audit.writer (writer, seen, spoke, below, first_at, last_at, ended, mac) VALUES ($1, $2::text::int8multirange, $3, $4, $5, $6, $7, $8)`, args...)
			continue
		}
		b.Queue(`UPDATE audit.writer SET seen = $2::text::int8multirange, spoke = $3, below = $4, first_at = $5, last_at = $6, ended = $7, mac = $8
WHERE writer = $1 AND (seen::text, spoke, below, first_at, last_at, ended, mac) = ($9, $10, $11, $12, $13, $14, $15)`, append(args, was...)...)
	}
}
