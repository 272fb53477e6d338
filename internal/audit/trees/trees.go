package trees

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// Root and Company are the names of trees; those of customers are TenantTree.
const (
	Root    = "root"
	Company = "company"
)

// TenantTree is the name of a customer's tree.
func TenantTree(id string) string { return "tenant/" + id }

// Generation is one origin of the log.
type Generation struct {
	Number  int
	Origin  string
	Key     string // verifier, as package note writes it
	BeganAt time.Time
}

// Generations lists the generations of the log, the newest first.
func Generations(ctx context.Context, on pg.Querier) ([]Generation, error) {
	rows, err := on.Query(ctx, `SELECT generation, origin, key, began_at FROM audit.generation ORDER BY generation DESC`)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Generation])
	return list, pg.Wrap(err)
}

// Tree is one tree of a generation, at a size.
type Tree struct {
	Generation Generation
	Name       string
	Size       int64

	// Keys is by which it is known what was dropped at the end of its time, which whoever dropped it has signed; nil: nothing was, and an entry that is
	// not there is missing.
	Keys *crypt.Box

	id    int
	most  int64 // the size that it had when it was opened
	on    pg.Querier
	ended *ended
}

func errNoTree() *errs.Error {
	return errs.New(errs.NotFound, "trees.none", "There is no such tree in the log.").
		WithFix("A tree begins with its first entry: look whether there is one, and whether the log has begun.")
}

var treeName = regexp.MustCompile(`^(root|company|tenant/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$`)

// Open finds a tree of a generation (0: the newest), as large as it is now.
func Open(ctx context.Context, on pg.Querier, generation int, name string) (*Tree, error) {
	if !treeName.MatchString(name) {
		return nil, errNoTree()
	}
	t := &Tree{Name: name, on: on, ended: &ended{}}
	err := on.QueryRow(ctx, `SELECT t.tree, t.size, g.generation, g.origin, g.key, g.began_at FROM audit.tree t JOIN audit.generation g USING (generation)
WHERE t.name = $2 AND g.generation = CASE $1::integer WHEN 0 THEN (SELECT max(generation) FROM audit.generation) ELSE $1 END`, generation, name).
		Scan(&t.id, &t.Size, &t.Generation.Number, &t.Generation.Origin, &t.Generation.Key, &t.Generation.BeganAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errNoTree()
	}
	t.most = t.Size
	return t, pg.Wrap(err)
}

// At is the tree as it was with fewer leaves.
func (t *Tree) At(size int64) (*Tree, error) {
	if size < 0 || size > t.most {
		return nil, errs.New(errs.Invalid, "trees.size", fmt.Sprintf("The tree never had %d leaves: it has %d.", size, t.most))
	}
	at := *t
	at.Size = size
	return &at, nil
}

// Origin is the tree's own, as its checkpoints begin.
func (t *Tree) Origin() string { return merkle.TreeOrigin(t.Generation.Origin, t.Name) }

// Hash is the root hash at its size.
func (t *Tree) Hash(ctx context.Context) (merkle.Hash, error) {
	return tlog.TreeHash(t.Size, t.Hashes(ctx))
}

// ProveInclusion proves that a leaf is in the tree.
func (t *Tree) ProveInclusion(ctx context.Context, index int64) (tlog.RecordProof, error) {
	if index < 0 || index >= t.Size {
		return nil, errBeyond(t.Size)
	}
	return tlog.ProveRecord(t.Size, index, t.Hashes(ctx))
}

// ProveConsistency proves that the tree holds what it held with fewer leaves, in the same places. From a tree without leaves there is nothing to prove.
func (t *Tree) ProveConsistency(ctx context.Context, from int64) (tlog.TreeProof, error) {
	if from < 0 || from > t.Size {
		return nil, errBeyond(t.Size)
	}
	if from == 0 {
		return tlog.TreeProof{}, nil
	}
	return tlog.ProveTree(t.Size, from, t.Hashes(ctx))
}

func errBeyond(size int64) *errs.Error {
	return errs.New(errs.NotFound, "trees.beyond", fmt.Sprintf("That is not in the tree, which has %d leaves.", size)).
		WithFix("Ask for what a checkpoint of the tree holds.")
}

// Signed is a signed checkpoint, with the lines of witnesses under it.
type Signed struct {
	merkle.Checkpoint
	Note     string
	Cosigned int // lines of witnesses
	At       time.Time
}

func errNotSigned() *errs.Error {
	return errs.New(errs.Unavailable, "trees.not_signed", "There is no such signed checkpoint of the log yet.").
		WithFix("Wait a moment and try again; if it stays so, look at the health of the log.")
}

// Latest is the newest signed checkpoint of the root log.
func (t *Tree) Latest(ctx context.Context) (Signed, error) {
	return t.signed(ctx, `SELECT size FROM audit.checkpoint WHERE tree = $1 ORDER BY size DESC LIMIT 1`, t.id)
}

// LatestCosigned is the newest signed checkpoint of the root log under which there are the lines of so many witnesses.
func (t *Tree) LatestCosigned(ctx context.Context, witnesses int) (Signed, error) {
	return t.signed(ctx, `SELECT s.size FROM audit.cosignature s JOIN audit.checkpoint k ON k.tree = s.tree AND k.size = s.size
WHERE s.tree = $1 GROUP BY s.size HAVING count(*) >= $2 ORDER BY s.size DESC LIMIT 1`, t.id, witnesses)
}

// SignedAt is the signed checkpoint of the root log at its size, while it is kept.
func (t *Tree) SignedAt(ctx context.Context) (Signed, error) {
	return t.signed(ctx, `SELECT $2::bigint`, t.id, t.Size)
}

func (t *Tree) signed(ctx context.Context, which string, args ...any) (s Signed, err error) {
	if t.Name != Root {
		return s, errs.New(errs.Internal, "trees.not_root", "Only the root log is signed as it grows.")
	}
	var root []byte
	var lines []string
	err = t.on.QueryRow(ctx, `SELECT c.size, c.root, c.note, c.at,
	coalesce((SELECT array_agg(s.line ORDER BY s.at, s.witness) FROM audit.cosignature s WHERE s.tree = c.tree AND s.size = c.size), '{}')
FROM audit.checkpoint c WHERE c.tree = $1 AND c.size = (`+which+`)`, args...).Scan(&s.Size, &root, &s.Note, &s.At, &lines)
	if errors.Is(err, pgx.ErrNoRows) {
		return s, errNotSigned()
	}
	if err != nil {
		return s, pg.Wrap(err)
	}
	text, _, err := merkle.SplitNote(s.Note)
	if err != nil {
		return s, err
	}
	if s.Checkpoint, err = merkle.ParseCheckpoint(text); err != nil {
		return s, err
	}
	if string(root) != string(s.Root[:]) || s.Origin != t.Generation.Origin {
		return s, errs.New(errs.Internal, "trees.checkpoint", "The signed checkpoint is not the one of its row: the database was changed.").
			WithFix("Run `garant audit verify`.")
	}
	for _, line := range lines {
		with, err := merkle.AddLines(s.Note, line)
		if err != nil { // no line of a note: whoever took it in should have looked, and readers pass over what they do not know
			continue
		}
		s.Note = with
		s.Cosigned++
	}
	return s, nil
}

// Head is the head of a tree as the root log holds it.
type Head struct {
	Index int64  // of the leaf of the root log
	Line  string // that leaf
	Size  int64
	Root  merkle.Hash
}

// HeadIn finds the newest head of the tree that the root log holds within its size.
func (t *Tree) HeadIn(ctx context.Context, root *Tree) (h Head, err error) {
	var hash []byte
	err = t.on.QueryRow(ctx, `SELECT index, text, hash FROM audit.root_leaf WHERE of = $1 AND tree = $2 AND index < $3 ORDER BY index DESC LIMIT 1`, t.id, root.id, root.Size).
		Scan(&h.Index, &h.Line, &hash)
	if errors.Is(err, pgx.ErrNoRows) {
		return h, errs.New(errs.Unavailable, "trees.no_head", "The root log holds no head of this tree yet.").
			WithFix("Wait a moment and try again.")
	}
	if err != nil {
		return h, pg.Wrap(err)
	}
	name, size, rootHash, ok := merkle.ParseTreeLine(h.Line)
	if leaf := tlog.RecordHash([]byte(h.Line)); !ok || name != t.Name || string(leaf[:]) != string(hash) {
		return h, errs.New(errs.Internal, "trees.head", "What the root log says of this tree was changed in the database.").
			WithFix("Run `garant audit verify`.")
	}
	h.Size, h.Root = size, rootHash
	return h, nil
}

// SignedBy makes a signed checkpoint of a tree other than the root log: of its newest head under a signed checkpoint of
// the root log. The signer's name must be the origin of the tree.
func (t *Tree) SignedBy(ctx context.Context, signer note.Signer) (string, error) {
	if signer.Name() != t.Origin() {
		return "", errs.New(errs.Internal, "trees.signer", "The key is of another tree.")
	}
	root, err := Open(ctx, t.on, t.Generation.Number, Root)
	if err != nil {
		return "", err
	}
	latest, err := root.Latest(ctx)
	if err != nil {
		return "", err
	}
	if root, err = root.At(latest.Size); err != nil {
		return "", err
	}
	head, err := t.HeadIn(ctx, root)
	if err != nil {
		return "", err
	}
	return merkle.Sign(merkle.Checkpoint{Origin: t.Origin(), Size: head.Size, Root: head.Root}, signer)
}
