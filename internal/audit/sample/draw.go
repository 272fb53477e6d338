package sample

import (
	"container/heap"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/errs"
)

// Method is how items are chosen.
type Method string

// The methods; see the package comment.
const (
	Random     Method = "random"
	Systematic Method = "systematic"
)

// Methods lists the methods.
func Methods() []Method { return []Method{Random, Systematic} }

const (
	// MaxSize is the greatest size of a sample.
	MaxSize = 500
	// MaxPopulation is the greatest size of a population.
	MaxPopulation = 2_000_000

	batch = 2000 // ids read at a time
)

// List gives ids of a population in its order: those after one, the first for an empty one; none
// at the end.
type List func(ctx context.Context, after string, limit int) ([]string, error)

var seedForm = regexp.MustCompile(`^[0-9A-Za-z._-]{1,64}$`)

// NewSeed makes a seed that nobody could foresee.
func NewSeed() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails (crypto/rand, Go 1.24)
	return hex.EncodeToString(b)
}

// Frame is a population as it was found.
type Frame struct {
	Size   int64
	Digest string // hex SHA-256 over its ids, each with a line feed
}

// each hands over every id of a population in turn.
func each(ctx context.Context, list List, do func(i int64, id string)) (int64, error) {
	var n int64
	after := ""
	for {
		ids, err := list(ctx, after, batch)
		if err != nil {
			return n, err
		}
		for _, id := range ids {
			if id == "" || id == after || strings.ContainsAny(id, "\n\r") {
				return n, errs.New(errs.Internal, "sample.list", "The population cannot be listed.").Wrap(fmt.Errorf("place %d has no id of its own", n))
			}
			if n >= MaxPopulation {
				return n, errs.New(errs.Invalid, "sample.too_large", "This population is too large to draw from.").WithFix("Choose a shorter period.")
			}
			do(n, id)
			n, after = n+1, id
		}
		if len(ids) < batch {
			return n, nil
		}
	}
}

// FrameOf counts a population and computes its digest.
func FrameOf(ctx context.Context, list List) (Frame, error) {
	h := sha256.New()
	n, err := each(ctx, list, func(_ int64, id string) { h.Write([]byte(id + "\n")) })
	return Frame{Size: n, Digest: hex.EncodeToString(h.Sum(nil))}, err
}

// Since compares a population with how it was found once.
type Since struct {
	Same  bool  // the ids of then are there, in the same order, before all others
	Now   int64 // its size
	Grown int64 // how many came after; 0 unless Same
}

// Compare says what became of a population.
func Compare(ctx context.Context, list List, then Frame) (Since, error) {
	h := sha256.New()
	n, err := each(ctx, list, func(i int64, id string) {
		if i < then.Size {
			h.Write([]byte(id + "\n"))
		}
	})
	s := Since{Now: n, Same: n >= then.Size && hex.EncodeToString(h.Sum(nil)) == then.Digest}
	if s.Same {
		s.Grown = n - then.Size
	}
	return s, err
}

// choose draws ids from a population of a known size, in the order of the population.
func choose(ctx context.Context, list List, m Method, seed string, size int, n int64) ([]string, error) {
	if m == Systematic {
		return chooseEvery(ctx, list, seed, size, n)
	}
	var kept smallest
	_, err := each(ctx, list, func(i int64, id string) {
		c := candidate{rank: mac(seed, id), id: id, place: i}
		switch {
		case len(kept) < size:
			heap.Push(&kept, c)
		case c.less(kept[0]):
			kept[0] = c
			heap.Fix(&kept, 0)
		}
	})
	slices.SortFunc(kept, func(a, b candidate) int { return int(a.place - b.place) })
	ids := make([]string, 0, len(kept))
	for _, c := range kept {
		ids = append(ids, c.id)
	}
	return ids, err
}

func chooseEvery(ctx context.Context, list List, seed string, size int, n int64) ([]string, error) {
	step, start := Step(n, size), Start(seed, n, size)
	var ids []string
	_, err := each(ctx, list, func(i int64, id string) {
		if len(ids) < size && i >= start && (i-start)%step == 0 {
			ids = append(ids, id)
		}
	})
	return ids, err
}

// Step is the step of a systematic sample.
func Step(n int64, size int) int64 { return max(1, n/int64(max(1, size))) }

// Start is the first place of a systematic sample, counted from 0.
func Start(seed string, n int64, size int) int64 {
	return int64(binary.BigEndian.Uint64(mac(seed, "start"))>>8) % Step(n, size) //nolint:gosec // 56 bits
}

func mac(seed, text string) []byte {
	h := hmac.New(sha256.New, []byte(seed))
	h.Write([]byte(text))
	return h.Sum(nil)
}

// candidate is an id with its rank.
type candidate struct {
	rank  []byte
	id    string
	place int64
}

func (c candidate) less(d candidate) bool {
	if r := slices.Compare(c.rank, d.rank); r != 0 {
		return r < 0
	}
	return c.id < d.id
}

// smallest is a heap with the greatest of the smallest on top.
type smallest []candidate

func (s smallest) Len() int           { return len(s) }
func (s smallest) Less(i, j int) bool { return s[j].less(s[i]) }
func (s smallest) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }

// Push is heap.Interface's.
func (s *smallest) Push(x any) { *s = append(*s, x.(candidate)) } //nolint:forcetypeassert // only candidates are pushed

// Pop is heap.Interface's.
func (s *smallest) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}

// DigestOf is the hex SHA-256 over a JSON array of values: of a record, everything in it that must
// not change. Times are written in UTC.
func DigestOf(values ...any) string {
	for i, v := range values {
		if t, ok := v.(time.Time); ok {
			values[i] = t.UTC().Format(time.RFC3339Nano)
		}
	}
	b, err := json.Marshal(values)
	if err != nil {
		return "" // what cannot be written has no digest, and is not drawn
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
