package replica

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/note"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/leaf"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/engine/auditlog/worm"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// Before is what is known of a generation when another one begins: audit.generation.before.
type Before struct {
	Generation int   `json:"generation"`
	Here       Point `json:"here"`   // as the database had it
	There      Point `json:"there"`  // as the bucket has it
	Common     Point `json:"common"` // the last that both have
}

// Point is a place in a log.
type Point struct {
	Size int64  `json:"size"`
	Root []byte `json:"root,omitempty"`
	Seq  int64  `json:"seq"`
	Key  string `json:"key,omitempty"` // of the segment that ends there
}

// Recovered is what came of a recovery.
type Recovered struct {
	Generation int // that began
	Before     Before
	Lost       int // entries that only the second account still has
}

// Action is what the entry about a recovery says was done.
const Action = "audit_log.restored"

// Recover begins a new generation of the log after the database was restored: it finds how far both logs are the same, has seq begin anew there, and
// records it. Errors: Invalid without a reason; Conflict when there is nothing to recover from, or a server puts entries in order.
func (r *Replica) Recover(ctx context.Context, seq *sequence.Sequencer, by actor.Actor, reason string) (Recovered, error) {
	reason = strings.Join(strings.Fields(reason), " ")
	if reason == "" || len(reason) > 1000 {
		return Recovered{}, errs.New(errs.Invalid, "replica.reason", "A recovery needs a reason, of at most 1,000 bytes: it stays in the log.").
			WithFix("Say what was restored and why, such as --reason \"restored to 14:00 after the disk failed\".")
	}
	if err := r.unrecorded(ctx, by); err != nil {
		return Recovered{}, err
	}
	there, err := r.Compare(ctx)
	switch {
	case err == nil:
		return Recovered{}, errs.New(errs.Conflict, "replica.nothing", "The audit log of the database and that in the second account agree: there is nothing to recover from.")
	case !isID(err, IDSetBack) && !isID(err, IDForked):
		return Recovered{}, err
	}
	l, err := current(ctx, r.pool())
	if err != nil {
		return Recovered{}, err
	}
	number := l.generation + 1
	for { // a generation that the database does not know any more keeps its number
		s, err := Newest(ctx, r.Reader, number, nil, "")
		if err != nil {
			return Recovered{}, err
		}
		if s.Key == "" && !s.Foreign {
			break
		}
		number++
	}
	if there.Generation != l.generation {
		if there, err = Newest(ctx, r.Reader, l.generation, l.verifier, ""); err != nil {
			return Recovered{}, err
		}
	}
	before := Before{Generation: l.generation, There: point(there)}
	here, err := HeadAt(ctx, r.pool(), l.root, true, l.size)
	if err != nil {
		return Recovered{}, err
	}
	root := here.Root()
	before.Here = Point{Size: l.size, Root: root[:], Seq: l.seq}
	if before.Common, err = r.common(ctx, l); err != nil {
		return Recovered{}, err
	}
	said, err := json.Marshal(before)
	if err != nil {
		return Recovered{}, err
	}
	restart := sequence.Restart{
		By: string(by.Kind) + ":" + by.ID, Reason: reason, Before: said, Number: number, After: before.Common.Seq,
		Line: sequence.RestoredLine(l.origin, there.Size, base64.StdEncoding.EncodeToString(there.Root[:]), reason),
	}
	out := Recovered{Before: before}
	for until := time.Now().Add(10 * time.Second); ; { // servers that are held ask again and again
		if out.Generation, err = seq.Restart(ctx, restart); !errs.Is(err, errs.Conflict) || time.Now().After(until) {
			break
		}
		select {
		case <-ctx.Done():
			return out, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	if err != nil {
		return out, err
	}
	if err := r.unrecorded(ctx, by); err != nil {
		return out, err
	}
	if err := seq.Drain(ctx); err != nil && !errs.Is(err, errs.Conflict) { // a server may lead by now: it does the same
		return out, err
	}
	_, out.Lost, err = r.Lost(ctx, 0)
	return out, err
}

func point(s Standing) Point {
	return Point{Size: s.Size, Root: s.Root[:], Seq: s.Seq, Key: s.Key}
}

// unrecorded records that the present generation began after a recovery, if nobody did: whoever began it may have been killed.
func (r *Replica) unrecorded(ctx context.Context, by actor.Actor) error {
	return pg.InTx(ctx, r.DB.Pool(pg.Staff), func(tx pgx.Tx) error {
		var generation int
		var reason string
		var before []byte
		err := tx.QueryRow(ctx, `SELECT g.generation, g.reason, g.before FROM audit.cursor AS c JOIN audit.generation AS g ON g.generation = c.generation
WHERE g.before IS NOT NULL AND NOT EXISTS (SELECT FROM audit.entry AS e WHERE e.action = $1 AND e.object_kind = 'audit_log' AND e.object_id = g.generation::text)`, Action).Scan(&generation, &reason, &before)
		if err = pg.Wrap(err); errs.Is(err, errs.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		var b Before
		if err := json.Unmarshal(before, &b); err != nil {
			return err
		}
		return audit.Write(ctx, tx, audit.Event{By: by, Action: Action, On: audit.Object{Kind: "audit_log", ID: fmt.Sprint(generation)}, Reason: reason, Detail: map[string]any{
			"generation_before": b.Generation, "size_here": b.Here.Size, "size_there": b.There.Size, "size_common": b.Common.Size, "leaves_common": b.Common.Seq,
		}})
	})
}

// common finds the last segment in the bucket that the database agrees with. Where one agrees all before it do.
func (r *Replica) common(ctx context.Context, l log) (Point, error) {
	agrees := func(key string) (p Point, ok bool, err error) {
		o, err := r.Reader.GetFirst(ctx, key, worm.MaxPut)
		if err != nil {
			return p, false, ignoreMissing(err)
		}
		s, c, ok := check(key, o.Data, l.verifier)
		if !ok || s.To > l.size {
			return p, false, nil
		}
		head, err := HeadAt(ctx, r.pool(), l.root, true, s.To)
		if err != nil || head.Root() != c.Root {
			return p, false, err
		}
		return Point{Size: s.To, Root: c.Root[:], Seq: s.ToSeq, Key: key}, true, nil
	}
	var best Point
	// What the database remembers having put is a good place to begin.
	known := ""
	if last, err := newest(ctx, r.pool(), r.Place, l.generation, true); err == nil {
		p, ok, err := agrees(SegmentKey(l.generation, last.From, last.To))
		if err != nil {
			return best, err
		}
		if ok {
			best, known = p, p.Key
		}
	} else if !errs.Is(err, errs.NotFound) {
		return best, err
	}
	var keys []string
	for h, err := range r.Reader.Histories(ctx, SegmentPrefix(l.generation), known) {
		if err != nil {
			return best, err
		}
		if _, _, to, ok := ParseSegmentKey(h.Key); ok && to <= l.size {
			keys = append(keys, h.Key)
		}
	}
	for len(keys) > 0 {
		at := len(keys) / 2
		p, ok, err := agrees(keys[at])
		if err != nil {
			return best, err
		}
		if ok {
			best, keys = p, keys[at+1:]
			continue
		}
		keys = keys[:at]
	}
	return best, nil
}

func ignoreMissing(err error) error {
	if errs.Is(err, errs.NotFound) && !isID(err, worm.IDBucket) || isID(err, worm.IDTooLarge) {
		return nil
	}
	return err
}

// LostEntry is an entry that the second account has and the database has not.
type LostEntry struct {
	Generation int
	Entry      int64
	At         time.Time
	Tenant     string
	Action     string
	Actor      string // kind:id
	Object     string // kind/id
	Refused    bool
	Leaf       string // in full
}

// Lost lists entries that were lost by restores of the database, in the order of the log: at most so many of them, and how many there are.
func (r *Replica) Lost(ctx context.Context, most int) (list []LostEntry, many int, err error) {
	rows, err := r.pool().Query(ctx, `SELECT g.before, b.key FROM audit.generation AS g JOIN audit.generation AS b ON b.generation = (g.before ->> 'generation')::integer WHERE g.before IS NOT NULL ORDER BY g.generation`)
	if err != nil {
		return nil, 0, pg.Wrap(err)
	}
	type of struct {
		before []byte
		key    string
	}
	gone, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (o of, err error) {
		err = row.Scan(&o.before, &o.key)
		return o, err
	})
	if err != nil {
		return nil, 0, pg.Wrap(err)
	}
	for _, g := range gone {
		var b Before
		if err := json.Unmarshal(g.before, &b); err != nil {
			return nil, 0, err
		}
		verifier, err := note.NewVerifier(g.key)
		if err != nil {
			return nil, 0, errChanged("a key cannot be read")
		}
		for h, err := range r.Reader.Histories(ctx, SegmentPrefix(b.Generation), b.Common.Key) {
			if err != nil {
				return nil, 0, err
			}
			all, err := ReadSegment(ctx, r.Reader, h, verifier)
			if isID(err, IDSegment) {
				continue
			}
			if err != nil {
				return nil, 0, err
			}
			if all.To <= b.Common.Size {
				continue
			}
			missing, err := r.notHere(ctx, all.Leaves)
			if err != nil {
				return nil, 0, err
			}
			many += len(missing)
			for _, l := range missing[:min(len(missing), max(0, most-len(list)))] {
				list = append(list, lostEntry(b.Generation, l))
			}
		}
	}
	return list, many, nil
}

func lostEntry(generation int, l Leaf) LostEntry {
	e := LostEntry{Generation: generation, Entry: l.Entry, Leaf: l.Bytes}
	var p leaf.Parsed
	if json.Unmarshal([]byte(l.Bytes), &p) == nil {
		e.At, e.Tenant, e.Action, e.Refused = p.At, p.Said.Tenant, p.Said.Action, p.Said.Outcome == "refused"
		e.Actor, e.Object = p.Said.By.Kind+":"+p.Said.By.ID, p.Said.Object.Kind+"/"+p.Said.Object.ID
	}
	return e
}

// notHere lists the leaves that no tree of the database has.
func (r *Replica) notHere(ctx context.Context, list []Leaf) (missing []Leaf, err error) {
	for chunk := range slices.Chunk(list, atOnce) {
		ids := make([]int64, len(chunk))
		for i, l := range chunk {
			ids[i] = l.Entry
		}
		rows, err := r.pool().Query(ctx, `SELECT hash FROM audit.leaf WHERE entry = ANY ($1)`, ids)
		if err != nil {
			return nil, pg.Wrap(err)
		}
		here := map[string]bool{}
		var hash []byte
		if _, err := pgx.ForEachRow(rows, []any{&hash}, func() error { here[string(hash)] = true; return nil }); err != nil {
			return nil, pg.Wrap(err)
		}
		for _, l := range chunk {
			if h := l.LeafHash(); !here[string(h[:])] {
				missing = append(missing, l)
			}
		}
	}
	return missing, nil
}
