package subset

import (
	"iter"
	"math/bits"

	"github.com/jackc/pgx/v5/pgtype"
)

// set is a set of rows of one relation, by their places in its file: one bit for each place that a page has, which is half a per cent of the file.
type set struct {
	width uint64 // places of a page, a multiple of 64
	words []uint64
	n     int64
}

// newSet makes a set for pages of a size. A row takes at least 28 bytes of a page with its pointer.
func newSet(blockSize int64) set {
	return set{width: (uint64(blockSize)/28 + 64) &^ 63} //nolint:gosec // 1 to 32 KiB
}

// add puts a row into the set. fits is false for a place that no page of a heap has.
func (s *set) add(r pgtype.TID) (added, fits bool) {
	if uint64(r.OffsetNumber) >= s.width {
		return false, false
	}
	at := uint64(r.BlockNumber)*s.width + uint64(r.OffsetNumber)
	if need := at/64 + 1; need > uint64(len(s.words)) {
		s.words = append(s.words, make([]uint64, need-uint64(len(s.words)))...)
	}
	mask := uint64(1) << (at % 64)
	if s.words[at/64]&mask != 0 {
		return false, true
	}
	s.words[at/64] |= mask
	s.n++
	return true, true
}

// rows gives the rows in the order in which they lie.
func (s *set) rows() iter.Seq[pgtype.TID] {
	return func(yield func(pgtype.TID) bool) {
		for i, w := range s.words {
			for ; w != 0; w &= w - 1 {
				at := uint64(i)*64 + uint64(bits.TrailingZeros64(w))                                                        //nolint:gosec // not negative
				if !yield(pgtype.TID{BlockNumber: uint32(at / s.width), OffsetNumber: uint16(at % s.width), Valid: true}) { //nolint:gosec // as they came in
					return
				}
			}
		}
	}
}
