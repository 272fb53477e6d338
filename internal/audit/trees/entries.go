package trees

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit/leaf"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// Leaf is a leaf of a tree.
type Leaf struct {
	Index   int64
	Entry   int64 // of the record; 0: a line of the root log, or a leaf of which nothing but its hash is kept
	Hash    merkle.Hash
	Bytes   []byte // what hashes to it; nil: dropped
	Dropped bool   // the entry is not there any more, at the end of its time

	said    leaf.Said // of an entry
	changes []byte    // sealed
	seq     int64
}

// ErrDropped is the id of the error for an entry that was dropped at the end of its time.
const ErrDropped = "trees.dropped"

func errDropped() *errs.Error {
	return errs.New(errs.NotFound, ErrDropped, "Entries of this part of the log were dropped at the end of their time; their hashes are still there.").
		WithFix("Read them in a bundle or an export that was made before.")
}

// atOnce is how many leaves are read with one question.
const atOnce = 1024

// Leaves reads the leaves [from, until), at most 1,024. Dropped ones are among them; one that was changed or is missing is an error.
func (t *Tree) Leaves(ctx context.Context, from, until int64) ([]Leaf, error) {
	if from < 0 || until < from || until > t.Size || until-from > atOnce {
		return nil, errBeyond(t.Size)
	}
	if from == until {
		return nil, nil
	}
	leaves, err := t.leaves(ctx, `index >= $2 AND index < $3`, from, until)
	if err != nil || int64(len(leaves)) == until-from {
		return leaves, err
	}
	indexes := make([]int64, 0, until-from)
	for i := from; i < until; i++ {
		indexes = append(indexes, i)
	}
	return t.whole(ctx, leaves, indexes)
}

// LeavesAt reads leaves by their indexes, which are in order; at most 1,024.
func (t *Tree) LeavesAt(ctx context.Context, indexes []int64) ([]Leaf, error) {
	if len(indexes) == 0 {
		return nil, nil
	}
	for i, index := range indexes {
		if index < 0 || index >= t.Size || i > 0 && index <= indexes[i-1] || len(indexes) > atOnce {
			return nil, errBeyond(t.Size)
		}
	}
	leaves, err := t.leaves(ctx, `index = ANY ($2)`, indexes)
	if err != nil || len(leaves) == len(indexes) {
		return leaves, err
	}
	return t.whole(ctx, leaves, indexes)
}

func errMissing(tree string, entry int64) *errs.Error {
	what := "A leaf of the tree " + tree
	if entry >= 0 {
		what = fmt.Sprintf("Entry %d", entry)
	}
	return errs.New(errs.Internal, "trees.missing", what+" is missing in the database, though nothing says that it was dropped: it was deleted.").
		WithFix("Run `garant audit verify`.")
}

func (t *Tree) leaves(ctx context.Context, where string, args ...any) ([]Leaf, error) {
	args = append([]any{t.id}, args...)
	if t.Name == Root {
		return t.rootLeaves(ctx, where, args)
	}
	rows, err := t.on.Query(ctx, `SELECT index, entry, hash, seq FROM audit.leaf WHERE tree = $1 AND `+where+` ORDER BY index`, args...) //nolint:gosec // where is a literal of this package
	if err != nil {
		return nil, pg.Wrap(err)
	}
	leaves, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l Leaf, err error) {
		var hash []byte
		err = row.Scan(&l.Index, &l.Entry, &hash, &l.seq)
		copy(l.Hash[:], hash)
		return l, err
	})
	if err != nil || len(leaves) == 0 {
		return nil, pg.Wrap(err)
	}
	return leaves, t.fill(ctx, leaves)
}

// fill reads the entries of leaves, and makes sure that they are what the tree holds.
func (t *Tree) fill(ctx context.Context, leaves []Leaf) error {
	ids, of := make([]int64, len(leaves)), make(map[int64]*Leaf, len(leaves))
	for i := range leaves {
		ids[i] = leaves[i].Entry
		of[ids[i]] = &leaves[i]
	}
	rows, err := t.on.Query(ctx, `SELECT `+columns+` FROM audit.entry AS e WHERE e.id = ANY ($1)`, ids)
	if err != nil {
		return pg.Wrap(err)
	}
	defer rows.Close()
	for rows.Next() {
		e, changes, err := scan(rows)
		if err != nil {
			return pg.Wrap(err)
		}
		l := of[e.ID]
		if l == nil || l.Bytes != nil { // two rows of one number: nothing but the primary key with the time forbids it
			return errEdited(e.ID)
		}
		l.Bytes, l.said, l.changes = e.Append(nil), e.Said, changes
		if tlog.RecordHash(l.Bytes) != l.Hash {
			return errEdited(e.ID)
		}
	}
	if err := rows.Err(); err != nil {
		return pg.Wrap(err)
	}
	for i := range leaves {
		l := &leaves[i]
		if l.Bytes != nil {
			continue
		}
		if l.Dropped, err = t.wasDropped(ctx, l.seq); err != nil {
			return err
		}
		if !l.Dropped {
			return errMissing(t.Name, l.Entry)
		}
	}
	return nil
}

// columns are what scan reads, of audit.entry AS e.
const columns = `e.id, e.at, e.actor_kind, e.actor_id, e.session, e.origin, e.action, e.outcome, e.object_kind, e.object_id, e.detail::text, e.tenant::text, e.reason, e.request, e.subject,
	e.promise, e.changes, e.occurred, e.writer::text, e.n, e.written, e.mac`

func errEdited(entry int64) *errs.Error {
	return errs.New(errs.Internal, "trees.edited", fmt.Sprintf("Entry %d is not what the tree holds: it was changed in the database.", entry)).
		WithFix("Run `garant audit verify`.")
}

func scan(row pgx.Rows, first ...any) (e leaf.Entry, changes []byte, err error) {
	var session, origin, tenant, reason, request, subject, writer *string
	var occurred, written *time.Time
	var n *int64
	var detail pgtype.Text
	s := &e.Said
	if err := row.Scan(append(first, &e.ID, &e.At, &s.ActorKind, &s.ActorID, &session, &origin, &s.Action, &s.Outcome, &s.ObjectKind, &s.ObjectID, &detail, &tenant, &reason, &request, &subject,
		&s.Promise, &changes, &occurred, &writer, &n, &written, &e.MAC)...); err != nil {
		return e, nil, err
	}
	s.Detail = []byte(detail.String)
	s.Session, s.Origin, s.Tenant, s.Reason, s.Request, s.Subject, s.Writer = value(session), value(origin), value(tenant), value(reason), value(request), value(subject), value(writer)
	s.Occurred, s.Written, s.N = value(occurred), value(written), value(n)
	return e, changes, nil
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func (t *Tree) rootLeaves(ctx context.Context, where string, args []any) ([]Leaf, error) {
	rows, err := t.on.Query(ctx, `SELECT index, text, hash FROM audit.root_leaf WHERE tree = $1 AND `+where+` ORDER BY index`, args...) //nolint:gosec // where is a literal of this package
	if err != nil {
		return nil, pg.Wrap(err)
	}
	leaves, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l Leaf, err error) {
		var hash []byte
		err = row.Scan(&l.Index, &l.Bytes, &hash)
		copy(l.Hash[:], hash)
		return l, err
	})
	for _, l := range leaves {
		if tlog.RecordHash(l.Bytes) != l.Hash {
			return nil, errs.New(errs.Internal, "trees.edited", fmt.Sprintf("Line %d of the root log is not what its tree holds: it was changed in the database.", l.Index)).
				WithFix("Run `garant audit verify`.")
		}
	}
	return leaves, pg.Wrap(err)
}

// EntryBundle is the leaves of a tile of level 0, each after its length: C2SP tlog-tiles. When one of them was dropped there is none (ErrDropped).
func (t *Tree) EntryBundle(ctx context.Context, n int64, wide int) ([]byte, error) {
	if wide < 1 || wide > merkle.TileWidth || wide > width(t.Size, place{0, n}) {
		return nil, errBeyond(t.Size)
	}
	leaves, err := t.Leaves(ctx, n*merkle.TileWidth, n*merkle.TileWidth+int64(wide))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, l := range leaves {
		if l.Dropped {
			return nil, errDropped()
		}
		if len(l.Bytes) > math.MaxUint16 {
			return nil, errs.New(errs.Internal, "trees.too_long", fmt.Sprintf("Leaf %d is too long for an entry bundle.", l.Index))
		}
		out.Write(binary.BigEndian.AppendUint16(nil, uint16(len(l.Bytes)))) //nolint:gosec // compared above
		out.Write(l.Bytes)
	}
	return out.Bytes(), nil
}
