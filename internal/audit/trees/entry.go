package trees

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// Proof is why an entry counts: its leaf is in its tree, the head of that tree is in the root log, and the head of the root log is signed.
// Each step was verified when the Proof was made; where one does not hold, the ones after it are empty.
type Proof struct {
	Tree   string
	Origin string // of the root log
	Key    string // that signs it, as the database has it: whoever pinned it compares
	Index  int64
	Hash   merkle.Hash // of the leaf, as the tree has it
	Leaf   []byte      // made again from the entry; nil: dropped, altered or missing

	Head      Head // of the tree, as the root log holds it
	Inclusion tlog.RecordProof
	RootProof tlog.RecordProof
	Signed    Signed

	Failed  Step  // the first step that does not hold; empty: all do
	Why     error // of that step
	Waiting bool  // it has no leaf yet, or no signed head holds it yet
	Dropped bool  // the entry went at the end of its time: its hash proves what is kept elsewhere
}

// Step is one step of a Proof.
type Step string

// The steps, in their order.
const (
	StepLeaf      Step = "leaf"      // the entry makes the leaf whose hash is in the tree
	StepInclusion Step = "inclusion" // the leaf is under the head of its tree
	StepRoot      Step = "root"      // that head is under the head of the root log
	StepSigned    Step = "signed"    // the head of the root log is signed by the key of the log
)

// Steps lists them.
func Steps() []Step { return []Step{StepLeaf, StepInclusion, StepRoot, StepSigned} }

// ProveEntry makes the proof of an entry at the newest signed checkpoint, and verifies each step of it. An error is that it could not be looked at; what does
// not hold is in the Proof. keys are those of Tree.Keys.
func ProveEntry(ctx context.Context, on pg.Querier, keys *crypt.Box, entry int64) (p Proof, err error) {
	var generation int
	var hash []byte
	err = on.QueryRow(ctx, `SELECT t.name, t.generation, l.index, l.hash FROM audit.leaf AS l JOIN audit.tree AS t ON t.tree = l.tree WHERE l.entry = $1 ORDER BY l.seq DESC LIMIT 1`, entry).
		Scan(&p.Tree, &generation, &p.Index, &hash)
	if errors.Is(err, pgx.ErrNoRows) {
		p.Waiting = true
		return p, nil
	}
	if err != nil {
		return p, pg.Wrap(err)
	}
	copy(p.Hash[:], hash)
	tree, err := Open(ctx, on, generation, p.Tree)
	if err != nil {
		return p, err
	}
	tree.Keys = keys
	root, err := Open(ctx, on, generation, Root)
	if err != nil {
		return p, err
	}
	p.Origin, p.Key = root.Generation.Origin, root.Generation.Key
	for _, step := range []struct {
		is Step
		do func() error
	}{
		{StepLeaf, func() error { return p.leaf(ctx, tree) }},
		{StepInclusion, func() error { return p.inclusion(ctx, root, tree) }},
		{StepRoot, func() error { return p.root(ctx, root) }},
		{StepSigned, p.signature},
	} {
		err := step.do()
		var e *errs.Error
		errors.As(err, &e)
		switch {
		case p.Waiting || e != nil && (e.ID == "trees.not_signed" || e.ID == "trees.no_head"):
			p.Waiting = true
			return p, nil
		case e != nil && (strings.HasPrefix(e.ID, "trees.") || strings.HasPrefix(e.ID, "merkle.")):
			p.Failed, p.Why = step.is, err
			return p, nil
		case err != nil: // the database could not be asked, which proves nothing
			return p, err
		}
	}
	return p, nil
}

func errProof(cause error) *errs.Error {
	return errs.New(errs.Internal, "trees.proof", "The proof does not lead to the hash that it has to lead to: the database was changed.").
		WithFix("Run `garant audit verify`.").Wrap(cause)
}

func (p *Proof) leaf(ctx context.Context, tree *Tree) error {
	leaves, err := tree.LeavesAt(ctx, []int64{p.Index})
	if err != nil {
		return err
	}
	p.Leaf, p.Dropped = leaves[0].Bytes, leaves[0].Dropped
	return nil
}

func (p *Proof) inclusion(ctx context.Context, root, tree *Tree) (err error) {
	if p.Signed, err = root.Latest(ctx); err != nil {
		return err
	}
	at, err := root.At(p.Signed.Size)
	if err != nil {
		return errProof(err)
	}
	if p.Head, err = tree.HeadIn(ctx, at); err != nil {
		return err
	}
	if p.Head.Size <= p.Index {
		p.Waiting = true
		return nil
	}
	if tree, err = tree.At(p.Head.Size); err != nil {
		return errProof(err)
	}
	if p.Inclusion, err = tree.ProveInclusion(ctx, p.Index); err != nil {
		return err
	}
	if err := tlog.CheckRecord(p.Inclusion, p.Head.Size, p.Head.Root, p.Index, p.Hash); err != nil {
		return errProof(err)
	}
	return nil
}

func (p *Proof) root(ctx context.Context, root *Tree) (err error) {
	if root, err = root.At(p.Signed.Size); err != nil {
		return errProof(err)
	}
	if p.RootProof, err = root.ProveInclusion(ctx, p.Head.Index); err != nil {
		return err
	}
	if err := tlog.CheckRecord(p.RootProof, p.Signed.Size, p.Signed.Root, p.Head.Index, tlog.RecordHash([]byte(p.Head.Line))); err != nil {
		return errProof(err)
	}
	return nil
}

func (p *Proof) signature() error {
	key, err := note.NewVerifier(p.Key)
	if err != nil {
		return errProof(err)
	}
	signed, err := merkle.Open(p.Signed.Note, key)
	if err == nil && (signed.Size != p.Signed.Size || signed.Root != p.Signed.Root || signed.Origin != p.Origin) {
		return errProof(nil)
	}
	return err
}
