package replica

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/engine/auditlog/worm"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// How often, how much, and for how long.
const (
	Every      = time.Second
	atOnce     = 8192                // leaves in an object, and lines of the root log
	bytesOnce  = 8 << 20             // of leaves in an object, before they are packed
	retry      = 2 * time.Second     // after a failure, and twice as long after each that follows
	mostRetry  = 30 * time.Second    //
	leader     = 0x6761_7264_7365_67 // advisory lock
	comparing  = 45 * time.Second    // how long bucket and database may take to be compared
	pruneEvery = time.Hour           //
)

// Anomalies that copying brings to light, beside those of package sequence.
const (
	AnomalyAltered  = "altered"          // an entry is not what its leaf holds
	AnomalyMissing  = "entry_missing"    // an entry of a leaf is not there
	AnomalyTile     = "tile_changed"     // a tile is not that of its hashes
	AnomalyOccupied = "object_in_bucket" // somebody else put an object where ours belongs
)

// The ids of this package's errors.
const (
	IDChanged  = "replica.changed"   // the database's root log is not the one that was signed
	IDSetBack  = "replica.set_back"  // the bucket has more than the database
	IDForked   = "replica.forked"    // they have different things
	IDOtherLog = "replica.other_log" // the bucket has another log
	IDLost     = "replica.lost"      // the bucket lacks what was put there
	IDBlind    = "replica.blind"     // the bucket cannot be asked, and the database may be another
)

// Replica copies the log into the second account. One a server; of all servers one works.
type Replica struct {
	DB     *pg.DB      // with the pool of pg.Worker
	Writer *worm.Store // puts; its Compare is Reader
	Reader *worm.Store // lists and reads
	Place  string      // which bucket it is: Place
	Box    *crypt.Box  // by which it is known what was dropped at the end of its time, as whoever dropped it has signed
	Now    func() time.Time
	Log    *slog.Logger

	interrupt func(step string) error // of tests
}

// Place names a bucket: what is in another one was not put into this one.
func Place(endpoint, region, bucket, prefix string) string {
	if endpoint == "" {
		endpoint = "s3." + region
	}
	return endpoint + "/" + bucket + "/" + prefix
}

func (r *Replica) pool() *pgxpool.Pool { return r.DB.Pool(pg.Worker) }

// Run copies whenever nobody else does, until ctx ends.
func (r *Replica) Run(ctx context.Context) {
	wait := retry
	for failing := false; ctx.Err() == nil; {
		err := r.lead(ctx)
		if err != nil && ctx.Err() == nil {
			if !failing {
				r.Log.Error("the log cannot be copied into the second account", "error.message", err.Error())
			}
			_ = failed(ctx, r.pool(), r.Place, err) // when the database does not answer, nobody can be told through it
			wait = min(2*wait, mostRetry)
		}
		if err == nil {
			wait = retry
		}
		failing = err != nil
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// lead works for as long as it has the lock; nil: somebody else has it.
func (r *Replica) lead(ctx context.Context) error {
	return r.alone(ctx, func(conn *pgxpool.Conn) error {
		if err := r.compareNow(ctx); err != nil {
			return err
		}
		tick := time.NewTicker(Every)
		defer tick.Stop()
		pruned := time.Time{}
		for {
			for more := true; more; {
				var err error
				if more, err = r.round(ctx, conn); err != nil {
					return err
				}
			}
			if time.Since(pruned) > pruneEvery {
				pruned = time.Now()
				if err := prune(ctx, conn, r.Place); err != nil {
					return err
				}
			}
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	}, func() error { return nil })
}

// Drain copies everything that is signed, and returns; for tests and commands. Error Conflict: another server copies.
func (r *Replica) Drain(ctx context.Context) error {
	return r.alone(ctx, func(conn *pgxpool.Conn) error {
		if err := r.compareNow(ctx); err != nil {
			return err
		}
		for more := true; more; {
			var err error
			if more, err = r.round(ctx, conn); err != nil {
				return err
			}
		}
		return nil
	}, func() error { return errMoved() })
}

func (r *Replica) alone(ctx context.Context, fn func(*pgxpool.Conn) error, other func() error) error {
	conn, err := r.pool().Acquire(ctx)
	if err != nil {
		return pg.Wrap(err)
	}
	defer func() { // ended, after its lock was given free: the end alone is not seen at once
		c := conn.Hijack()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if c.PgConn().TxStatus() == 'I' {
			_, _ = c.Exec(ctx, "SELECT pg_advisory_unlock($1)", int64(leader))
		}
		_ = c.Close(ctx)
	}()
	var ours bool
	if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", int64(leader)).Scan(&ours); err != nil {
		return pg.Wrap(err)
	}
	if !ours {
		return other()
	}
	return fn(conn)
}

func (r *Replica) at(step string) error {
	if r.interrupt != nil {
		return r.interrupt(step)
	}
	return nil
}

// Status is how the copy stands, as who may read the record sees it.
func (r *Replica) Status(ctx context.Context) (Status, error) {
	return status(ctx, r.pool(), r.Place, r.Now())
}

// round copies one segment, and reports whether there is more.
func (r *Replica) round(ctx context.Context, conn *pgxpool.Conn) (more bool, err error) {
	l, err := current(ctx, conn)
	if errs.Is(err, errs.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	s, before, err := r.choose(ctx, conn, l)
	if err != nil || s.To == 0 {
		return false, err
	}
	if err := r.at("planned"); err != nil {
		return false, err
	}
	w := &writing{r: r, conn: conn, log: l, segment: s, grown: map[string]span{}}
	err = w.write(ctx, before)
	var taken *errOccupied
	if errors.As(err, &taken) {
		return r.elsewhere(ctx, conn, l, s, taken)
	}
	if err != nil {
		return false, err
	}
	if err := r.at("put"); err != nil {
		return false, err
	}
	if err := noted(ctx, conn, r.Place, l.generation, s, w.bytes, w.objects); err != nil {
		return false, err
	}
	if err := r.at("noted"); err != nil {
		return false, err
	}
	return l.size > s.To, nil
}

// choose says what is put next: what was planned and not noted, or something new, which is planned here. before is the root at its beginning;
// nil: unknown.
func (r *Replica) choose(ctx context.Context, conn *pgxpool.Conn, l log) (s segment, before []byte, err error) {
	last, err := newest(ctx, conn, r.Place, l.generation, false)
	if errs.Is(err, errs.NotFound) {
		last.Put = true
		if last.ToSeq, err = firstSeq(ctx, conn, l.generation); err != nil {
			return s, nil, err
		}
		begins, err := past(ctx, conn, l.generation)
		if err != nil {
			return s, nil, err
		}
		if len(begins) > 0 && last.ToSeq > 0 { // so that the segment says that leaves before it were dropped
			last.ToSeq--
		}
	}
	if err != nil {
		return s, nil, err
	}
	if !last.Put {
		s = last
		if previous, err := newest(ctx, conn, r.Place, l.generation, true); err == nil && previous.To == s.From {
			before = previous.Root
		} else if err != nil && !errs.Is(err, errs.NotFound) {
			return s, nil, err
		}
		return s, before, nil
	}
	s, err = next(ctx, conn, l, last.To, last.ToSeq)
	if errs.Is(err, errs.NotFound) {
		return segment{}, nil, nil
	}
	if err != nil {
		return s, nil, err
	}
	return s, last.Root, plan(ctx, conn, r.Place, l.generation, s)
}

// elsewhere is for a place that somebody else's object has: the segment gets another end, and so another name, once there is one.
func (r *Replica) elsewhere(ctx context.Context, conn *pgxpool.Conn, l log, s segment, taken *errOccupied) (bool, error) {
	if err := audit.Note(ctx, conn, AnomalyOccupied, "object "+taken.key, nil); err != nil {
		return false, err
	}
	now, err := next(ctx, conn, l, s.To, s.ToSeq)
	if errs.Is(err, errs.NotFound) {
		return false, taken
	}
	if err != nil {
		return false, err
	}
	now.From, now.FromSeq = s.From, s.FromSeq
	return true, replan(ctx, conn, r.Place, l.generation, s, now)
}

// errOccupied is for an object of somebody else where ours belongs.
type errOccupied struct {
	key string
	err error
}

func (e *errOccupied) Error() string { return e.err.Error() }
func (e *errOccupied) Unwrap() error { return e.err }

type span struct{ from, until int64 }

// writing is one segment on its way.
type writing struct {
	r    *Replica
	conn *pgxpool.Conn
	log
	segment
	grown   map[string]span // trees, by name: which leaves are new
	holes   bool            // leaves were dropped before they were copied
	parts   []PartRef
	bytes   int64
	objects int
}

// write puts a segment: its tiles, its parts, and itself.
func (w *writing) write(ctx context.Context, before []byte) error {
	c, err := merkle.Open(w.Note, w.verifier)
	if err != nil || c.Size != w.To || string(c.Root[:]) != string(w.Root) {
		return errChanged("a checkpoint is not signed by its key")
	}
	head, err := HeadAt(ctx, w.conn, w.root, true, w.From)
	if err != nil {
		return err
	}
	if h := head.Root(); before != nil && string(before) != string(h[:]) {
		return errChanged(fmt.Sprintf("what was copied before, up to line %d, is another now", w.From))
	}
	root, seq := w.From, w.FromSeq
	if w.From == 0 { // of what was dropped before there was a copy, the tiles
		begins, err := past(ctx, w.conn, w.generation)
		if err != nil {
			return err
		}
		for name, index := range begins {
			w.grown[name] = span{0, index}
		}
	}
	for {
		s := &Segment{Header: Header{Format: Format, Kind: KindPart, Origin: w.origin, Generation: w.generation, Key: w.key, From: root, FromSeq: seq}}
		if root < w.To {
			if s.Roots, err = rootLines(ctx, w.conn, w.log.root, root, w.To, atOnce); err != nil {
				return err
			}
		}
		for _, l := range s.Roots {
			head.Append(tlog.RecordHash([]byte(l.Text)))
		}
		root += int64(len(s.Roots))
		if root == w.To && seq < w.ToSeq {
			until := min(w.ToSeq, seq+atOnce)
			if s.Leaves, err = leaves(ctx, w.conn, w.r.Box, seq, until, bytesOnce); err != nil {
				return err
			}
			for i, l := range s.Leaves {
				if l.Seq != seq+1+int64(i) {
					return errChanged(fmt.Sprintf("leaf %d of all trees is missing", seq+1+int64(i)))
				}
			}
			if len(s.Leaves) == 0 {
				return errChanged("a leaf is missing")
			}
			if err := w.look(ctx, s.Leaves); err != nil {
				return err
			}
			seq = s.Leaves[len(s.Leaves)-1].Seq
		}
		s.To, s.ToSeq = root, seq
		if root < w.To || seq < w.ToSeq {
			if root, seq, err = w.part(ctx, s); err != nil {
				return err
			}
			continue
		}
		if head.Root() != c.Root {
			return errChanged(fmt.Sprintf("its lines up to %d have another root", w.To))
		}
		if w.To > w.From {
			w.grown["root"] = span{w.From, w.To}
		}
		if err := w.r.at("tiles"); err != nil {
			return err
		}
		if err := w.tiles(ctx); err != nil {
			return err
		}
		if err := w.r.at("segment"); err != nil {
			return err
		}
		s.Kind, s.From, s.FromSeq, s.Parts, s.Checkpoint = KindSegment, w.From, w.FromSeq, w.parts, w.Note
		return w.put(ctx, SegmentKey(w.generation, w.From, w.To), s)
	}
}

// look notes what is wrong with entries, and which leaves of trees are new.
func (w *writing) look(ctx context.Context, list []Leaf) error {
	holes := false
	for _, l := range list {
		if l.Tree == "" {
			holes = true
			continue
		}
		g, seen := w.grown[l.Tree]
		if !seen {
			g = span{l.Index, l.Index}
		}
		if l.Index < g.until || l.Index > g.until && !holes && !w.holes {
			return errChanged(fmt.Sprintf("leaf %d of the tree %s is missing", g.until, l.Tree))
		}
		w.holes = w.holes || holes
		w.grown[l.Tree] = span{g.from, l.Index + 1}
		kind := ""
		switch l.Gone {
		case Altered:
			kind = AnomalyAltered
		case Missing:
			kind = AnomalyMissing
		default:
			continue
		}
		if err := audit.Note(ctx, w.conn, kind, fmt.Sprintf("entry %d", l.Entry), map[string]any{"tree": l.Tree, "index": l.Index}); err != nil {
			return err
		}
	}
	return nil
}

// part puts a part, and says how far the one reaches that is there: an earlier attempt may have cut elsewhere.
func (w *writing) part(ctx context.Context, s *Segment) (root, seq int64, err error) {
	key := partKey(w.generation, w.segment.To, s.From, s.FromSeq)
	data, err := s.Encode()
	if err != nil {
		return 0, 0, err
	}
	if err := w.r.at("part"); err != nil {
		return 0, 0, err
	}
	if err := w.object(ctx, key, data); err != nil {
		if !isID(err, worm.IDConflict) {
			return 0, 0, err
		}
		there, readErr := w.r.Reader.GetFirst(ctx, key, worm.MaxPut)
		if readErr != nil {
			return 0, 0, readErr
		}
		if !w.same(s, there.Data) {
			return 0, 0, &errOccupied{key, err}
		}
		data = there.Data
	}
	sum := sha256.Sum256(data)
	w.parts = append(w.parts, PartRef{Key: key, SHA256: hex.EncodeToString(sum[:])})
	return s.To, s.ToSeq, nil
}

// put puts the segment itself. When one is there already with the same leaves it counts, whatever it was packed with.
func (w *writing) put(ctx context.Context, key string, s *Segment) error {
	data, err := s.Encode()
	if err != nil {
		return err
	}
	err = w.object(ctx, key, data)
	if !isID(err, worm.IDConflict) {
		return err
	}
	there, readErr := w.r.Reader.GetFirst(ctx, key, worm.MaxPut)
	if readErr != nil {
		return readErr
	}
	if !w.same(s, there.Data) {
		return &errOccupied{key, err}
	}
	return nil
}

// same reports whether an object holds what a segment does: the same range of the same log, the same lines and leaves.
func (w *writing) same(s *Segment, object []byte) bool {
	o, err := Decode(object)
	if err != nil || o.Kind != s.Kind || o.Origin != s.Origin || o.Generation != s.Generation || o.Key != s.Key || o.From != s.From || o.To != s.To || o.FromSeq != s.FromSeq || o.ToSeq != s.ToSeq ||
		len(o.Roots) != len(s.Roots) || len(o.Leaves) != len(s.Leaves) || len(o.Parts) != len(s.Parts) {
		return false
	}
	for i := range s.Roots {
		if o.Roots[i] != s.Roots[i] {
			return false
		}
	}
	for i := range s.Leaves {
		a, b := &o.Leaves[i], &s.Leaves[i]
		if a.Tree != b.Tree || a.Index != b.Index || a.Entry != b.Entry || a.LeafHash() != b.LeafHash() {
			return false
		}
	}
	for i := range s.Parts {
		if o.Parts[i] != s.Parts[i] {
			return false
		}
	}
	if s.Kind == KindPart {
		return true
	}
	c, err := o.Signed(w.verifier)
	return err == nil && string(c.Root[:]) == string(w.Root)
}

// object puts an object and counts it.
func (w *writing) object(ctx context.Context, key string, data []byte) error {
	if err := w.r.Writer.Put(ctx, key, data, w.r.Now()); err != nil {
		return err
	}
	w.bytes += int64(len(data))
	w.objects++
	return nil
}

func isID(err error, id string) bool {
	var e *errs.Error
	return errors.As(err, &e) && e.ID == id
}
