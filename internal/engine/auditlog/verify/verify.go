package verify

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/mod/sumdb/note"

	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/engine/auditlog/worm"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// Options say what is verified, and with what.
type Options struct {
	Database  *pgxpool.Pool // of a role that reads the record: pg.Staff or pg.Worker; nil: the bucket alone
	Bucket    *worm.Store   // with the verifier's credentials; nil: the database alone
	Box       *crypt.Box    // to verify what writers signed and what is sealed; nil: it is not
	Keys      []string      // of the log, from elsewhere than its database: pinned
	Witnesses []string      // keys of witnesses, as they are pinned in the estate
	Readers   int           // connections at once; 0: one for each processor, at most 4
	Now       func() time.Time
	Alone     bool // the database alone is meant: who asks looks at the second account by itself
}

// settled is how old what waits may be before it counts as not examined.
const settled = time.Minute

// samples is how many objects' retention is read back.
const samples = 40

// examiner is one verification.
type examiner struct {
	Options
	r    *Report
	main pgx.Tx
	name string // of its snapshot

	generations []*generation
	dropped     int64     // the last leaf that was dropped at the end of its time, as whoever dropped it has signed
	said        int64     // the last of which a row of audit.dropped says so
	before      time.Time // no entry that was dropped is as young as this; zero: nobody signed that
	began       int64     // entries after this one have to be signed
	cursor      int64     // the last leaf
	pinned      map[string][]note.Verifier
	bad         map[int64]bool // entries of which something was found already
	told        []told         // what the root log says that was noticed
	signing     bool           // an entry in a tree is signed
	left        map[int]int64  // of generations that ended with a restore, the last leaf that counts
	unsure      []Finding      // said only when nothing more exact is found of the same tree
}

// generation is one of a log.
type generation struct {
	number   int
	origin   string
	key      string
	verifier note.Verifier
	trees    map[int32]*tree
	root     *tree
	names    map[string]*tree
	first    int64 // the last leaf before its own
	last     int64 // its last leaf
	lastRow  int64 // the last that is there
	sizes    int64 // of all trees as their newest lines say
	line     int64 // the next line of the root log that is read
	written  written
	reason   string // why it began, where another was before it
	before   []byte // and what was known of that: JSON
	begins   string // the first line of its root log
}

// Verify looks at everything there is, and says what it found. An error says that it could not go on; what was examined is in the report
// all the same, which is then Incomplete at best.
func Verify(ctx context.Context, o Options) (Report, error) {
	began := time.Now()
	e := &examiner{Options: o, r: &Report{Findings: []Finding{}, NotExamined: []string{}, Notes: []string{}, Remains: []string{}}, left: map[int]int64{}, bad: map[int64]bool{}, pinned: map[string][]note.Verifier{}}
	if e.Now == nil {
		e.Now = time.Now
	}
	if e.Readers <= 0 {
		e.Readers = min(4, runtime.GOMAXPROCS(0))
	}
	err := e.run(ctx)
	if err != nil {
		e.r.skipped("The verification ended early: %s", plain(err))
	}
	e.trust() // however far it got
	e.r.Took = time.Since(began)
	e.settle()
	e.r.conclude()
	return *e.r, err
}

func plain(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimSuffix(strings.ReplaceAll(text, ".: ", ": "), ".") + "."
}

func (e *examiner) run(ctx context.Context) error {
	if e.Database == nil && e.Bucket == nil {
		return errs.New(errs.Invalid, "verify.nothing", "There is neither a database nor a second account to verify.").WithFix("Name at least one.")
	}
	for _, k := range e.Keys {
		v, err := note.NewVerifier(k)
		if err != nil {
			return errs.New(errs.Invalid, "verify.key", "A pinned key cannot be read.").WithFix("Write it as garant audit status shows it: NAME+HASH+KEY.")
		}
		e.pinned[v.Name()] = append(e.pinned[v.Name()], v)
	}
	switch {
	case e.Bucket == nil && e.Alone:
		e.r.Against = "the database alone"
	case e.Bucket == nil:
		e.r.Against = "the database alone"
		e.r.skipped("The second account: whoever holds the database and the log’s key can rewrite both, and nobody sees it here.")
	case e.Database == nil:
		e.r.Against = "the second account alone"
		e.r.skipped("The database.")
	default:
		e.r.Against = "the database against the second account"
	}
	if e.Database != nil {
		if err := e.database(ctx); err != nil {
			return err
		}
	}
	if e.Bucket != nil {
		if err := e.bucket(ctx); err != nil {
			return err
		}
	}
	e.r.remains("An application, or somebody at it, may have told Garant something untrue: the log says what it was told.")
	return nil
}

// snapshot opens a transaction that sees what main sees.
func (e *examiner) snapshot(ctx context.Context) (tx pgx.Tx, release func(), err error) {
	conn, err := e.Database.Acquire(ctx)
	if err != nil {
		return nil, nil, pg.Wrap(err)
	}
	tx, err = conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err == nil && e.name != "" {
		err = pg.JoinSnapshot(ctx, tx.Conn(), e.name)
	}
	if err == nil { // what it guesses of ranges of numbers is far too much, and it would compile each question
		_, err = tx.Exec(ctx, "SET LOCAL jit = off")
	}
	if err != nil {
		conn.Release()
		return nil, nil, pg.Wrap(err)
	}
	return tx, func() {
		ending, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = tx.Rollback(ending)
		conn.Release()
	}, nil
}

func (e *examiner) database(ctx context.Context) error {
	tx, release, err := e.snapshot(ctx)
	if err != nil {
		return err
	}
	defer release()
	e.main = tx
	if err := tx.QueryRow(ctx, "SELECT pg_export_snapshot()").Scan(&e.name); err != nil {
		return pg.Wrap(err)
	}
	if err := e.structure(ctx); err != nil {
		return err
	}
	empty, err := e.outline(ctx)
	if err != nil || empty {
		return err
	}
	matched := int64(0)
	for _, g := range e.generations {
		n, err := e.generation(ctx, g)
		matched += n
		if err != nil {
			return err
		}
	}
	for _, step := range []func(context.Context) error{
		func(ctx context.Context) error { return e.outside(ctx, matched) }, e.restored, e.claims, e.noticed, e.cosigned, e.drops,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if e.Box == nil {
		e.r.skipped("What writers signed, and what is sealed beside entries: that takes the key provider’s key.")
	}
	return nil
}

// outline reads what there is to verify; true: nothing.
func (e *examiner) outline(ctx context.Context) (empty bool, err error) {
	rows, err := e.main.Query(ctx, `SELECT generation, origin, key, reason, before FROM audit.generation ORDER BY generation`)
	if err != nil {
		return false, pg.Wrap(err)
	}
	e.generations, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (*generation, error) {
		g := &generation{trees: map[int32]*tree{}, names: map[string]*tree{}, written: written{}}
		return g, row.Scan(&g.number, &g.origin, &g.key, &g.reason, &g.before)
	})
	if err != nil {
		return false, pg.Wrap(err)
	}
	if err := e.main.QueryRow(ctx, `SELECT coalesce((SELECT max(seq) FROM audit.dropped), 0), coalesce((SELECT max(signed) FROM audit.began), 0), coalesce((SELECT max(seq) FROM audit.cursor), 0)`).Scan(&e.said, &e.began, &e.cursor); err != nil {
		return false, pg.Wrap(err)
	}
	e.dropped = e.said // without the key provider's key nobody can tell whether it is signed
	if e.Box != nil {
		g, err := sequence.Gone(ctx, e.main, e.Box)
		if err != nil {
			return false, err
		}
		e.dropped, e.before = g.Leaf, g.Before
	}
	if len(e.generations) == 0 {
		var entries, leaves int64
		if err := e.main.QueryRow(ctx, `SELECT (SELECT count(*) FROM audit.entry), (SELECT count(*) FROM audit.leaf)`).Scan(&entries, &leaves); err != nil {
			return false, pg.Wrap(err)
		}
		if leaves > 0 {
			e.r.find(Finding{Kind: Truncated, Index: -1, Text: "There are leaves, and no generation of the log that they are of: its rows were deleted."})
		}
		e.r.skipped("%d entries: nothing was put in order yet.", entries)
		return true, nil
	}
	var cursor *int
	if err := e.main.QueryRow(ctx, `SELECT max(generation) FROM audit.cursor`).Scan(&cursor); err != nil {
		return false, pg.Wrap(err)
	}
	if newest := e.generations[len(e.generations)-1]; cursor == nil || *cursor != newest.number {
		e.r.find(Finding{Kind: Head, Generation: newest.number, Index: -1, Text: "The cursor of the log is gone, or of another generation than the newest."})
	}
	for i, g := range e.generations {
		if g.number != i+1 && (i == 0 || g.number <= e.generations[i-1].number) {
			e.r.find(Finding{Kind: Head, Generation: g.number, Index: -1, Text: "Generations of the log are not in order."})
		}
		if g.verifier, err = e.verifier(g.number, g.origin, g.key); err != nil {
			return false, err
		}
		rows, err := e.main.Query(ctx, `SELECT tree, name, size, edge FROM audit.tree WHERE generation = $1`, g.number)
		if err != nil {
			return false, pg.Wrap(err)
		}
		list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*tree, error) {
			t := &tree{generation: g}
			return t, row.Scan(&t.id, &t.name, &t.size, &t.edge)
		})
		if err != nil {
			return false, pg.Wrap(err)
		}
		for _, t := range list {
			g.trees[t.id], g.names[t.name] = t, t
			if t.name == "root" {
				g.root = t
			}
		}
		if g.root == nil {
			e.r.find(Finding{Kind: Truncated, Generation: g.number, Tree: "root", Index: -1, Text: "The root log of the generation is gone."})
			g.root = &tree{generation: g, name: "root", id: -1}
			g.names["root"] = g.root
		}
	}
	// A generation's leaves come after those of the one before.
	for _, g := range e.generations {
		if err := e.main.QueryRow(ctx, `SELECT coalesce(min(f.low), 0), coalesce(max(f.high), 0) FROM (
	SELECT (SELECT l.seq FROM audit.leaf AS l WHERE l.tree = t.tree ORDER BY l.index LIMIT 1) AS low,
		(SELECT l.seq FROM audit.leaf AS l WHERE l.tree = t.tree ORDER BY l.index DESC LIMIT 1) AS high FROM audit.tree AS t WHERE t.generation = $1 AND t.name <> 'root') AS f`, g.number).Scan(&g.first, &g.last); err != nil {
			return false, pg.Wrap(err)
		}
	}
	before := int64(0)
	for i, g := range e.generations {
		g.first = before
		if i == len(e.generations)-1 {
			var last int64
			if err := e.main.QueryRow(ctx, `SELECT coalesce(max(seq), 0) FROM audit.leaf`).Scan(&last); err != nil {
				return false, pg.Wrap(err)
			}
			g.last, g.lastRow = max(last, e.cursor), last
		}
		g.last = max(g.last, g.first)
		if i < len(e.generations)-1 {
			g.lastRow = g.last
		}
		before = g.last
	}
	return false, nil
}

// verifier is the key by which a generation's heads are held: the pinned one of its origin, or else its own word.
func (e *examiner) verifier(number int, origin, key string) (note.Verifier, error) {
	own, err := note.NewVerifier(key)
	if err != nil || own.Name() != origin {
		e.r.find(Finding{Kind: ReSigned, Generation: number, Index: -1, Text: "The key of the log in the database cannot be read, or is of another origin."})
		own = nil
	}
	pinned := e.pinned[origin]
	if len(pinned) == 0 {
		return own, nil
	}
	for i, k := range e.Keys {
		if k == key {
			return own, nil
		}
		_ = i
	}
	e.r.find(Finding{Kind: ReSigned, Generation: number, Index: -1, Text: fmt.Sprintf("The log %s has another key than the one that is pinned.", origin)})
	return pinned[0], nil
}

// trust says by what keys the log was held.
func (e *examiner) trust() {
	switch {
	case len(e.Keys) == 0:
		e.r.Trust = "first use: the log’s key was taken from what is verified, so that this proves no more than that all fits together. Pin it: --key"
		return
	default:
		e.r.Trust = fmt.Sprintf("pinned: keys of the log that came from elsewhere: %d", len(e.Keys))
	}
	for _, g := range e.generations {
		if len(e.pinned[g.origin]) == 0 {
			e.r.skipped("The key of generation %d (%s): it is not pinned.", g.number, g.origin)
		}
	}
}

// settle says what nothing more exact was found of.
func (e *examiner) settle() {
	for _, v := range e.unsure {
		exact := slices.ContainsFunc(e.r.Findings, func(f Finding) bool {
			return f.Kind != WrongMAC && f.Kind != Unclaimed && f.Kind != Noticed && // these explain no tree that is not that of its leaves
				f.Generation == v.Generation && (v.Tree == "" || f.Tree == v.Tree) && (v.Tree != "" || f.Tree != "")
		})
		if !exact {
			e.r.find(v)
		}
	}
}
