package trees

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/leaf"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// BundleOrder is what a bundle is to hold. Who may have it the caller has decided.
type BundleOrder struct {
	Generation int    // 0: the newest
	Tree       string // a customer's, or the company's

	// Entries, or those From a time Until another (either may be zero), by the clock of the database. None of it: the whole tree.
	Entries     []int64
	From, Until time.Time

	SinceLog, SinceTree int64 // sizes that the reader kept of an earlier bundle; 0: none

	Witnesses   int           // how many cosignatures are wanted; 0: one
	CosignedIn  time.Duration // a checkpoint that has them is taken when it is no more than this older than the newest; 0: an hour
	WitnessKeys []string      // to be named as hints

	Box  *crypt.Box // opens personal data; nil: it stays sealed
	Keys *crypt.Box // of Tree.Keys
	Now  func() time.Time
}

// BundleMade is what was written.
type BundleMade struct {
	Checkpoint    Signed
	Head          Head
	Leaves        int64 // dropped ones included
	Dropped       int64
	Opened        int64
	Erased        int64
	Unreadable    int64        // sealed under a key that was destroyed before its subject had another one, or changed: they are in it as sealed
	Log, TreeThen merkle.Point // to be kept
}

// mostSelected is how many entries a selection holds: each brings its own proof.
const mostSelected = 1_000_000

// Bundle writes a bundle: what a customer or an auditor verifies offline (merkle.VerifyBundle, docs/audit-bundle.md). What was written before an
// error is no bundle. It reads as garant_staff or garant_worker.
func Bundle(ctx context.Context, on pg.Querier, o BundleOrder, w io.Writer) (made BundleMade, err error) {
	if o.Tree == Root {
		return made, errs.New(errs.Invalid, "trees.root_bundle", "There are no bundles of the root log, which is public.").
			WithFix("Read it by its tiles.")
	}
	tree, err := Open(ctx, on, o.Generation, o.Tree)
	if err != nil {
		return made, err
	}
	tree.Keys = o.Keys
	root, err := Open(ctx, on, tree.Generation.Number, Root)
	if err != nil {
		return made, err
	}
	b := &bundling{order: o, on: on, made: &made}
	if err := b.choose(ctx, root, tree); err != nil {
		return made, err
	}
	h := merkle.BundleHead{
		Made: o.Now(), Key: tree.Generation.Key, Witnesses: o.WitnessKeys, Checkpoint: made.Checkpoint.Note, Tree: o.Tree, Point: made.TreeThen, Index: made.Head.Index, Line: made.Head.Line,
		Whole: len(o.Entries) == 0 && o.From.IsZero() && o.Until.IsZero(),
	}
	if h.Proof, err = b.root.ProveInclusion(ctx, made.Head.Index); err != nil {
		return made, err
	}
	if h.SinceLog, err = since(ctx, b.root, o.SinceLog); err != nil {
		return made, err
	}
	if h.SinceTree, err = since(ctx, b.tree, o.SinceTree); err != nil {
		return made, err
	}
	if h.Whole {
		return made, b.whole(ctx, w, h)
	}
	return made, b.selection(ctx, w, h)
}

type bundling struct {
	order BundleOrder
	on    pg.Querier
	root  *Tree // at the checkpoint
	tree  *Tree // as the root log knows it there
	made  *BundleMade
}

// choose finds the checkpoint that the bundle rests on, and the tree under it.
func (b *bundling) choose(ctx context.Context, root, tree *Tree) error {
	latest, err := root.Latest(ctx)
	if err != nil {
		return err
	}
	within := b.order.CosignedIn
	if within <= 0 {
		within = time.Hour
	}
	switch cosigned, err := root.LatestCosigned(ctx, max(1, b.order.Witnesses)); {
	case err == nil && latest.At.Sub(cosigned.At) <= within:
		latest = cosigned
	case err != nil && !errs.Is(err, errs.Unavailable):
		return err
	}
	if b.root, err = root.At(latest.Size); err != nil {
		return errAltered(Root)
	}
	head, err := tree.HeadIn(ctx, b.root)
	if err != nil {
		return err
	}
	if b.tree, err = tree.At(head.Size); err != nil {
		return errAltered(tree.Name)
	}
	hash, err := b.tree.Hash(ctx)
	if err != nil {
		return err
	}
	if hash != head.Root {
		return errAltered(b.tree.Name)
	}
	b.made.Checkpoint, b.made.Head = latest, head
	b.made.Log, b.made.TreeThen = merkle.Point{Size: latest.Size, Root: latest.Root}, merkle.Point{Size: head.Size, Root: head.Root}
	return nil
}

func errAltered(tree string) *errs.Error {
	return errs.New(errs.Internal, "trees.altered", "The hashes of the tree "+tree+" are not those of its signed head: the database was changed.").
		WithFix("Run `garant audit verify`.")
}

// since proves that a tree goes on from a smaller one.
func since(ctx context.Context, t *Tree, size int64) (*merkle.SincePoint, error) {
	if size == 0 {
		return nil, nil
	}
	then, err := t.At(size)
	if size < 0 || size > t.Size || err != nil {
		return nil, errs.New(errs.Invalid, "trees.since", fmt.Sprintf("The log does not hold the %d entries that you kept: here it has %d.", size, t.Size)).
			WithFix("Ask again without what you kept. If it was of this log, keep it: the log was set back.")
	}
	p := &merkle.SincePoint{Point: merkle.Point{Size: size}}
	if p.Root, err = then.Hash(ctx); err != nil {
		return nil, err
	}
	p.Proof, err = t.ProveConsistency(ctx, size)
	return p, err
}

func (b *bundling) whole(ctx context.Context, w io.Writer, h merkle.BundleHead) (err error) {
	if h.Roots, err = b.roots(ctx); err != nil {
		return err
	}
	if merkle.RootOverTiles(h.Roots, h.Size) != h.Root {
		return errAltered(h.Tree)
	}
	out := merkle.NewBundleWriter(w, h)
	for from := int64(0); from < h.Size; from += atOnce {
		leaves, err := b.tree.Leaves(ctx, from, min(from+atOnce, h.Size))
		if err != nil {
			return err
		}
		opened, err := b.open(ctx, leaves)
		if err != nil {
			return err
		}
		for i := 0; i < len(leaves); i += merkle.TileWidth {
			until := min(i+merkle.TileWidth, len(leaves))
			if err := b.block(out, h.Roots[leaves[i].Index/merkle.TileWidth], leaves[i:until], opened[i:until]); err != nil {
				return err
			}
		}
	}
	return out.Close()
}

// block writes one tile's leaves.
func (b *bundling) block(out *merkle.BundleWriter, root merkle.Hash, leaves []Leaf, opened []merkle.BundleLeaf) error {
	hashes := make([]byte, 0, len(leaves)*tlog.HashSize)
	all := true
	for i := range leaves {
		hashes = append(hashes, leaves[i].Hash[:]...)
		all = all && leaves[i].Dropped
	}
	if merkle.TileRoot(hashes) != root {
		return errAltered(b.tree.Name)
	}
	if all {
		out.DroppedBlock()
		b.made.Leaves += int64(len(leaves))
		b.made.Dropped += int64(len(leaves))
		return nil
	}
	out.Block(hashes)
	for i := range opened {
		b.put(out, &opened[i])
	}
	return nil
}

func (b *bundling) put(out *merkle.BundleWriter, l *merkle.BundleLeaf) {
	b.made.Leaves++
	switch {
	case l.Dropped:
		b.made.Dropped++
	case l.Opened != nil:
		b.made.Opened++
	case l.Erased:
		b.made.Erased++
	}
	out.Leaf(l)
}

// roots reads the hashes over each 256 leaves, and makes the last one of what remains.
func (b *bundling) roots(ctx context.Context) ([]merkle.Hash, error) {
	full, rest := b.tree.Size/merkle.TileWidth, int(b.tree.Size%merkle.TileWidth)
	rows, err := b.on.Query(ctx, `SELECT root FROM audit.tile WHERE tree = $1 AND level = 0 AND n < $2 ORDER BY n`, b.tree.id, full)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	roots, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (h merkle.Hash, err error) {
		var raw []byte
		err = row.Scan(&raw)
		copy(h[:], raw)
		return h, err
	})
	if err != nil {
		return nil, pg.Wrap(err)
	}
	if int64(len(roots)) != full {
		return nil, errAltered(b.tree.Name)
	}
	if rest > 0 {
		last, err := b.tree.Tile(ctx, 0, full, rest)
		if err != nil {
			return nil, err
		}
		roots = append(roots, merkle.TileRoot(last))
	}
	return roots, nil
}

func (b *bundling) selection(ctx context.Context, w io.Writer, h merkle.BundleHead) error {
	indexes, err := b.selected(ctx)
	if err != nil {
		return err
	}
	if len(indexes) == 0 {
		return errs.New(errs.NotFound, "trees.nothing", "No entry of that time is under the signed checkpoint.").
			WithFix("Ask for another time.")
	}
	out := merkle.NewBundleWriter(w, h)
	hashes := b.tree.Hashes(ctx)
	for chunk := range slices.Chunk(indexes, atOnce) {
		leaves, err := b.tree.LeavesAt(ctx, chunk)
		if err != nil {
			return err
		}
		opened, err := b.open(ctx, leaves)
		if err != nil {
			return err
		}
		for i := range opened {
			l := &opened[i]
			if l.Proof, err = tlog.ProveRecord(h.Size, l.Index, hashes); err != nil {
				return err
			}
			if tlog.CheckRecord(l.Proof, h.Size, h.Root, l.Index, leaves[i].Hash) != nil {
				return errAltered(h.Tree)
			}
			b.put(out, l)
		}
	}
	return out.Close()
}

// selected finds the places of the entries that were asked for, in order.
func (b *bundling) selected(ctx context.Context) (indexes []int64, err error) {
	if len(b.order.Entries) > 0 {
		for ids := range slices.Chunk(b.order.Entries, atOnce) {
			if indexes, err = b.places(ctx, indexes, ids, true); err != nil {
				return nil, err
			}
		}
		slices.Sort(indexes)
		return slices.Compact(indexes), nil
	}
	sql := `SELECT id FROM audit.entry WHERE at >= $1 AND at < $2 AND id > $3 AND tenant IS NULL ORDER BY id LIMIT $4`
	args := []any{b.order.From, b.order.Until, int64(0), atOnce}
	if b.order.From.IsZero() {
		args[0] = time.Unix(0, 0)
	}
	if b.order.Until.IsZero() {
		args[1] = b.order.Now().Add(24 * time.Hour) // no clock is further ahead
	}
	if b.tree.Name != Company {
		sql = `SELECT id FROM audit.entry WHERE at >= $1 AND at < $2 AND id > $3 AND tenant = $5 ORDER BY id LIMIT $4`
		args = append(args, b.tree.Name[len("tenant/"):])
	}
	for {
		rows, err := b.on.Query(ctx, sql, args...)
		if err != nil {
			return nil, pg.Wrap(err)
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return nil, pg.Wrap(err)
		}
		if len(ids) == 0 {
			break
		}
		if indexes, err = b.places(ctx, indexes, ids, false); err != nil {
			return nil, err
		}
		args[2] = ids[len(ids)-1]
	}
	slices.Sort(indexes)
	return indexes, nil
}

// places finds the leaves of entries; those which came after the checkpoint are not among them, or, when all are wanted, an error.
func (b *bundling) places(ctx context.Context, indexes, ids []int64, all bool) ([]int64, error) {
	if len(indexes)+len(ids) > mostSelected {
		return nil, errs.New(errs.Invalid, "trees.too_many", fmt.Sprintf("A bundle of a selection holds at most %d entries.", mostSelected)).
			WithFix("Ask for a shorter time, or for the whole tree.")
	}
	rows, err := b.on.Query(ctx, `SELECT index, entry FROM audit.leaf WHERE tree = $1 AND entry = ANY ($2) AND index < $3`, b.tree.id, ids, b.tree.Size)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	found := map[int64]bool{}
	var index, entry int64
	_, err = pgx.ForEachRow(rows, []any{&index, &entry}, func() error {
		indexes = append(indexes, index)
		found[entry] = true
		return nil
	})
	if err != nil {
		return nil, pg.Wrap(err)
	}
	for _, id := range ids {
		if all && !found[id] {
			return nil, errs.New(errs.NotFound, "trees.no_entry", fmt.Sprintf("Entry %d is not under the signed checkpoint of this tree.", id)).
				WithFix("If it was just written, try again in a moment; otherwise it is another's.")
		}
	}
	return indexes, nil
}

// open makes the leaves of a bundle, with what is sealed beside them.
func (b *bundling) open(ctx context.Context, leaves []Leaf) ([]merkle.BundleLeaf, error) {
	out := make([]merkle.BundleLeaf, len(leaves))
	var values []crypt.Sealed
	var of []int
	for i := range leaves {
		l := &leaves[i]
		out[i] = merkle.BundleLeaf{Index: l.Index, Dropped: l.Dropped, Hash: l.Hash, Bytes: l.Bytes, Sealed: len(l.said.Promise) > 0}
		if len(l.said.Detail) > leaf.MaxDetail {
			if len(l.said.Detail) > merkle.LongestText {
				return nil, errs.New(errs.Invalid, "trees.too_long", fmt.Sprintf("Entry %d has more detail than a bundle holds.", l.Entry)).WithFix("Ask for other entries.")
			}
			out[i].Detail = l.said.Detail
		}
		if out[i].Sealed && b.order.Box != nil {
			values, of = append(values, crypt.Sealed{Subject: l.said.Subject, Field: audit.SealedField, Value: l.changes}), append(of, i)
		}
	}
	if len(values) == 0 {
		return out, nil
	}
	opened, err := b.order.Box.OpenAll(ctx, b.on, values)
	if err != nil {
		return nil, err
	}
	for i, plain := range opened {
		l := &out[of[i]]
		l.Sealed = false
		switch {
		case errs.Is(plain.Err, errs.NotFound):
			l.Erased = true
			continue
		case isUnreadable(plain.Err):
			l.Sealed = true
			b.made.Unreadable++
			continue
		case plain.Err != nil:
			return nil, plain.Err
		}
		l.Opened = &leaf.Sealed{}
		if err := json.Unmarshal(plain.Plaintext, l.Opened); err != nil || string(l.Opened.Promise()) != string(leaves[of[i]].said.Promise) {
			return nil, errs.New(errs.Internal, "trees.sealed", fmt.Sprintf("What is sealed beside entry %d is not what was promised: it was changed in the database.", leaves[of[i]].Entry)).
				WithFix("Run `garant audit verify`.")
		}
	}
	return out, nil
}

func isUnreadable(err error) bool {
	var e *errs.Error
	return errors.As(err, &e) && e.ID == "crypt.unreadable"
}
