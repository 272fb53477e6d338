package sequence

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/mod/sumdb/note"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// How often, how much, and for how long.
const (
	Every     = 200 * time.Millisecond
	batch     = 4000             // entries in one transaction
	telling   = 500              // heartbeats in one
	lookBack  = 1000             // leaves that are asked whether entries are signed already
	quiet     = time.Minute      // after which a line of time is added, if nothing else was
	sweep     = 5 * time.Minute  // between looks for what is kept no longer
	skew      = 10 * time.Second // between the writer's clock and the database's
	retry     = 2 * time.Second
	leader    = 0x6761_7264_6c6f_67 // advisory lock
	keySealed = "audit.log"         // subject and field under which signing keys are sealed
	mostTrees = 4096                // whose right edge is kept in memory
)

// Sequencer puts entries in order. One a server; of all servers one works.
type Sequencer struct {
	DB     *pg.DB // with the pool of pg.Checkpoint
	Box    *crypt.Box
	Origin string // of the first generation: a name as of a host with a path, without + and blanks
	Now    func() time.Time
	Log    *slog.Logger
	// Hold is asked before a leader's first batch, and may forbid it: the trees are behind what is known elsewhere. nil: nobody is asked.
	Hold func(ctx context.Context) error

	reached struct {
		generation int
		size       int64
	} // by the root log, as this process knows
	interrupt func(step string) error // of tests
}

// Run leads whenever nobody else does, until ctx ends.
func (s *Sequencer) Run(ctx context.Context) {
	for failing := false; ctx.Err() == nil; {
		err := s.lead(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			s.Log.Error("the audit log cannot be put in order", "error.message", err.Error())
		}
		failing = err != nil
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
	}
}

// lead works for as long as it has the lock; nil: somebody else has it.
func (s *Sequencer) lead(ctx context.Context) error {
	conn, err := s.DB.Pool(pg.Checkpoint).Acquire(ctx)
	if err != nil {
		return pg.Wrap(err)
	}
	defer func() { release(conn) }()
	var ours bool
	if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", int64(leader)).Scan(&ours); err != nil || !ours {
		return pg.Wrap(err)
	}
	if s.Hold != nil {
		if err := s.Hold(ctx); err != nil {
			return err
		}
	}
	st, err := s.load(ctx, conn)
	if err != nil {
		return err
	}
	tick := time.NewTicker(Every)
	defer tick.Stop()
	for {
		for more := true; more; {
			if more, err = s.step(ctx, conn, st); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// release ends the connection, after its lock was given free: the end alone is not seen at once.
func release(conn *pgxpool.Conn) {
	c := conn.Hijack()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if c.PgConn().TxStatus() == 'I' {
		_, _ = c.Exec(ctx, "SELECT pg_advisory_unlock($1)", int64(leader))
	}
	_ = c.Close(ctx)
}

// Drain puts all in order that is committed, and returns; for tests and commands. Error Conflict: another server leads.
func (s *Sequencer) Drain(ctx context.Context) error {
	return s.alone(ctx, func(conn *pgxpool.Conn) error {
		st, err := s.load(ctx, conn)
		if err != nil {
			return err
		}
		for more := true; more; {
			if more, err = s.step(ctx, conn, st); err != nil {
				return err
			}
		}
		return nil
	})
}

// alone runs fn with the lock that a leader has.
func (s *Sequencer) alone(ctx context.Context, fn func(*pgxpool.Conn) error) error {
	conn, err := s.DB.Pool(pg.Checkpoint).Acquire(ctx)
	if err != nil {
		return pg.Wrap(err)
	}
	defer func() { release(conn) }()
	var ours bool
	if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", int64(leader)).Scan(&ours); err != nil {
		return pg.Wrap(err)
	}
	if !ours {
		return errs.New(errs.Conflict, "sequence.led", "A server puts the audit log in order at the moment.").WithFix("Stop it, or let it do this.")
	}
	return fn(conn)
}

func (s *Sequencer) at(step string) error {
	if s.interrupt != nil {
		return s.interrupt(step)
	}
	return nil
}

// cursor is how far the record is in trees.
type cursor struct {
	generation int
	xid        uint64
	entry      int64
	heard      uint64
	heartbeat  int64
	adopted    int64
	signed     int64
	seq        int64
	noted      int64 // anomalies up to this one are told in the root log
	system     string
	mac        []byte
}

// state is what a leader remembers. After an error it is loaded anew.
type state struct {
	cursor
	stood  cursor // as it is in the database
	origin string
	signer note.Signer
	root   *tree
	trees  map[string]*tree
	told   time.Time // when a line of time was added
	swept  time.Time

	writers map[string]*writer
	keys    map[string]key

	signing bool // a signed entry is in a tree: what is not signed and comes now is not from before

	also   []anomaly // noticed beside a batch
	others []anomaly // that others noted, of which the root log does not tell yet

	first string // line that the root log of a new generation begins with
	again bool   // these entries were judged when they were planted first
}

// load reads where the record is, makes the first generation, and adopts what came from another cluster. Where the record is is not believed
// when it is not signed, or of other trees than those that are there: then what is in no tree is taken anew, as from another cluster, so that nothing is passed over.
func (s *Sequencer) load(ctx context.Context, conn *pgxpool.Conn) (*state, error) {
	st := newState(cursor{})
	system, err := systemOf(ctx, conn)
	if err != nil {
		return nil, err
	}
	st.stood, err = readCursor(ctx, conn)
	if errs.Is(err, errs.NotFound) {
		if err := s.begin(ctx, conn, system); err != nil {
			return nil, err
		}
		st.stood, err = readCursor(ctx, conn)
	}
	if err != nil {
		return nil, err
	}
	st.cursor = st.stood
	if err := s.open(ctx, conn, st); err != nil {
		return nil, err
	}
	changed := !hmac.Equal(st.mac, s.mac(&st.cursor, &st.root.head))
	if changed {
		st.trees = map[string]*tree{}
		if err := lost(ctx, conn, &st.cursor); err != nil {
			return nil, err
		}
		if err := s.open(ctx, conn, st); err != nil {
			return nil, err
		}
		st.also = append(st.also, anomaly{CursorChanged, fmt.Sprintf("cursor, after leaf %d", st.seq), nil})
	}
	if size := st.root.head.Size; st.generation < s.reached.generation || st.generation == s.reached.generation && size < s.reached.size {
		if err := audit.Note(ctx, conn, SetBack, fmt.Sprintf("root log of %d lines, of which %d are there", s.reached.size, size), nil); err != nil {
			return nil, err
		}
		return nil, errSetBack()
	}
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM audit.leaf AS l JOIN audit.entry AS e ON e.id = l.entry WHERE l.seq > $1 AND e.writer IS NOT NULL)`, st.seq-lookBack).Scan(&st.signing); err != nil {
		return nil, pg.Wrap(err)
	}
	other := st.system != system
	if !other {
		if other, err = outOfTime(ctx, conn, st.cursor); err != nil {
			return nil, err
		}
	}
	if changed || other {
		if err := s.adopt(ctx, conn, st, system, other); err != nil {
			return nil, err
		}
	}
	s.reach(st)
	return st, nil
}

// reach remembers how much was signed.
func (s *Sequencer) reach(st *state) {
	s.reached.generation, s.reached.size = st.generation, st.root.head.Size
}

func newState(c cursor) *state {
	return &state{cursor: c, stood: c, trees: map[string]*tree{}, writers: map[string]*writer{}, keys: map[string]key{}}
}

// open reads the key and the trees of the generation.
func (s *Sequencer) open(ctx context.Context, on pg.Querier, st *state) error {
	g, err := generation(ctx, on, st.generation)
	if err != nil {
		return err
	}
	key, err := s.Box.Open(ctx, on, keySealed, keySealed, g.sealed)
	if err != nil {
		return err
	}
	if st.signer, err = note.NewSigner(string(key)); err != nil {
		return errs.New(errs.Internal, "sequence.key", "The key by which the log is signed cannot be used.").Wrap(err)
	}
	st.origin = g.origin
	st.root, err = s.tree(ctx, on, st, "root")
	return err
}

// begin makes the first generation, and the cursor. Where there is one already somebody took the cursor away: the new one is signed by nobody.
func (s *Sequencer) begin(ctx context.Context, conn *pgxpool.Conn, system string) error {
	return pg.InTx(ctx, conn, func(tx pgx.Tx) error {
		c := cursor{mac: []byte{}}
		if err := lost(ctx, tx, &c); err != nil {
			return err
		}
		c.system = system
		if c.generation > 0 {
			return firstCursor(ctx, tx, c)
		}
		st := newState(cursor{generation: 1, system: system})
		if err := s.newGeneration(ctx, tx, 1, Restart{By: "system:sequencer"}); err != nil {
			return err
		}
		if err := s.open(ctx, tx, st); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, `SELECT signed FROM audit.began`).Scan(&st.signed); err != nil { // entries that were there before need no signature
			return err
		}
		st.mac = s.mac(&st.cursor, &st.root.head)
		return firstCursor(ctx, tx, st.cursor)
	})
}

// newGeneration makes an origin and a key.
func (s *Sequencer) newGeneration(ctx context.Context, tx pgx.Tx, number int, r Restart) error {
	origin := s.Origin
	if number > 1 {
		origin += "/" + strconv.Itoa(number)
	}
	seed := make([]byte, 32)
	if _, err := rand.Read(seed); err != nil {
		return err
	}
	signer, verifier, err := merkle.NewKey(origin, seed)
	if err != nil {
		return err
	}
	sealed, err := s.Box.Seal(ctx, tx, keySealed, keySealed, []byte(signer))
	if err != nil {
		return err
	}
	return addGeneration(ctx, tx, number, origin, verifier, sealed, r.By, r.Reason, r.Before)
}
