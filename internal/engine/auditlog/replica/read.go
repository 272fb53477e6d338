package replica

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"golang.org/x/mod/sumdb/note"

	"github.com/garant-project/garant/internal/engine/auditlog/worm"
	"github.com/garant-project/garant/internal/errs"
)

// ReadSegment reads a segment that was listed, with its parts, as one, and opens its checkpoint. Error IDSegment: what stands there is none, or its parts are not
// those that it names.
func ReadSegment(ctx context.Context, bucket *worm.Store, h worm.History, by note.Verifier) (*Segment, error) {
	o, err := bucket.GetListed(ctx, h, worm.MaxPut)
	if err != nil {
		if isID(err, worm.IDTooLarge) {
			return nil, errSegment("too large")
		}
		return nil, err
	}
	s, _, ok := check(h.Key, o.Data, by)
	if !ok {
		return nil, errSegment("not signed by its log")
	}
	if len(s.Parts) == 0 {
		return s, nil
	}
	whole := &Segment{Header: s.Header, Checkpoint: s.Checkpoint}
	whole.Parts = nil
	root, seq := s.From, s.FromSeq
	for _, ref := range s.Parts {
		o, err := bucket.GetFirst(ctx, ref.Key, worm.MaxPut)
		if errs.Is(err, errs.NotFound) && !isID(err, worm.IDBucket) {
			return nil, errSegment("a part is missing")
		}
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(o.Data)
		if hex.EncodeToString(sum[:]) != ref.SHA256 {
			return nil, errSegment("a part is another")
		}
		p, err := Decode(o.Data)
		if err != nil {
			return nil, err
		}
		if p.Kind != KindPart || p.Origin != s.Origin || p.Generation != s.Generation || p.From != root || p.FromSeq != seq {
			return nil, errSegment("a part is of another segment")
		}
		root, seq = p.To, p.ToSeq
		whole.Roots, whole.Leaves = append(whole.Roots, p.Roots...), append(whole.Leaves, p.Leaves...)
	}
	whole.Roots, whole.Leaves = append(whole.Roots, s.Roots...), append(whole.Leaves, s.Leaves...)
	return whole, whole.dense()
}
