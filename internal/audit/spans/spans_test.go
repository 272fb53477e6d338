package spans

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSpans(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same draws each time
	for range 200 {
		var s Set
		there := map[int64]bool{}
		for range 60 {
			n := dice.Int64N(40)
			if s.Add(n) == there[n] {
				t.Fatalf("%d in %v", n, s)
			}
			there[n] = true
		}
		for i := range s {
			if s[i].From >= s[i].Until || i > 0 && s[i-1].Until >= s[i].From {
				t.Fatalf("not in order and apart: %v", s)
			}
		}
		one := Span{dice.Int64N(45), 0}
		one.Until = one.From + dice.Int64N(10)
		var want, got []int64
		for n := int64(0); n < 60; n++ {
			if s.Has(n) != there[n] {
				t.Fatalf("%d in %v", n, s)
			}
			if n >= one.From && n < one.Until && !there[n] {
				want = append(want, n)
			}
		}
		for _, l := range s.Lacks(one) {
			for n := l.From; n < l.Until; n++ {
				got = append(got, n)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%v lacks %v of %v, want %v", s, got, one, want)
		}
	}
}
