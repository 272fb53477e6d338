package verify

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSpans(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same draws each time
	for range 200 {
		var s spans
		there := map[int64]bool{}
		for range 60 {
			n := dice.Int64N(40)
			if s.add(n) == there[n] {
				t.Fatalf("%d in %v", n, s)
			}
			there[n] = true
		}
		for i := range s {
			if s[i].from >= s[i].until || i > 0 && s[i-1].until >= s[i].from {
				t.Fatalf("not in order and apart: %v", s)
			}
		}
		one := span{dice.Int64N(45), 0}
		one.until = one.from + dice.Int64N(10)
		var want, got []int64
		for n := int64(0); n < 60; n++ {
			if s.has(n) != there[n] {
				t.Fatalf("%d in %v", n, s)
			}
			if n >= one.from && n < one.until && !there[n] {
				want = append(want, n)
			}
		}
		for _, l := range s.lacks(one) {
			for n := l.from; n < l.until; n++ {
				got = append(got, n)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%v lacks %v of %v, want %v", s, got, one, want)
		}
	}
}
