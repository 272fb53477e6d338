package run

import (
	crand "crypto/rand"
	"fmt"
	"math/rand/v2"
	"strings"
)

// What order rows have in a copy would link them to those of the source: the tenth of a thousand customers is the tenth. So pieces of work are taken in random order, ranges of pages within each in another,
// and the rows of a block in a third. The seeds are drawn anew by each worker and kept nowhere.

// rangePages is how many pages of a piece are read in a row: a sixteenth, from 32 KB to 1 MB.
func rangePages(all int64) int64 { return min(128, max(4, all/16)) }

func newOrder() *rand.Rand {
	var seed [32]byte
	_, _ = crand.Read(seed[:])             // never fails
	return rand.New(rand.NewChaCha8(seed)) //nolint:gosec // ChaCha8 from a random seed
}

// rows selects the rows of a piece, by ranges of its pages in random order.
func (u *unit) rows(values string, order *rand.Rand) string {
	end := u.to
	if end == 0 {
		end = u.pages
	}
	size := rangePages(end - u.from)
	n, source := int((end-u.from)/size), sqlName(u.source)
	if n < 2 {
		return `SELECT ` + values + ` FROM ONLY ` + source + u.where()
	}
	parts := make([]string, 0, n)
	for _, i := range order.Perm(n) {
		one := unit{from: u.from + int64(i)*size, to: u.from + int64(i+1)*size}
		if i == n-1 {
			one.to = u.to
		}
		parts = append(parts, fmt.Sprintf("SELECT %s FROM ONLY %s%s", values, source, one.where()))
	}
	return strings.Join(parts, " UNION ALL ")
}

// span is where a row stands in a block.
type span struct{ from, to int }

// mix appends the rows of a block to dst in random order.
func mix(dst, block []byte, rows []span, order *rand.Rand) []byte {
	order.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	for _, r := range rows {
		dst = append(dst, block[r.from:r.to]...)
	}
	return dst
}
