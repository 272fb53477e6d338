// Package spans holds sets of numbers as PostgreSQL writes an int8multirange: what a process says that it wrote, and what was seen of it.
package spans

import (
	"slices"
	"strconv"
	"strings"
)

// Span is [From, Until).
type Span struct{ From, Until int64 }

// Set is a set of numbers, in order and apart from each other.
type Set []Span

// Add puts a number in and reports whether it was not there before.
func (s *Set) Add(n int64) bool {
	list := *s
	i, _ := slices.BinarySearchFunc(list, n, func(a Span, n int64) int {
		if a.Until <= n {
			return -1
		}
		return 1
	}) // the first that ends after n
	if i < len(list) && list[i].From <= n {
		return false
	}
	before := i > 0 && list[i-1].Until == n
	after := i < len(list) && list[i].From == n+1
	switch {
	case before && after:
		list[i-1].Until = list[i].Until
		list = slices.Delete(list, i, i+1)
	case before:
		list[i-1].Until++
	case after:
		list[i].From--
	default:
		list = slices.Insert(list, i, Span{n, n + 1})
	}
	*s = list
	return true
}

// Cut takes away what is below a number.
func (s *Set) Cut(below int64) {
	list := *s
	for len(list) > 0 && list[0].Until <= below {
		list = list[1:]
	}
	if len(list) > 0 && list[0].From < below {
		list[0].From = below
	}
	*s = list
}

// Without lists what of s is not in other.
func (s Set) Without(other Set) (out Set) {
	for _, one := range s {
		from := one.From
		for _, o := range other {
			if o.Until <= from || o.From >= one.Until {
				continue
			}
			if o.From > from {
				out = append(out, Span{from, o.From})
			}
			from = o.Until
			if from >= one.Until {
				break
			}
		}
		if from < one.Until {
			out = append(out, Span{from, one.Until})
		}
	}
	return out
}

// String writes it as PostgreSQL writes an int8multirange.
func (s Set) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, one := range s {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("[" + strconv.FormatInt(one.From, 10) + "," + strconv.FormatInt(one.Until, 10) + ")")
	}
	b.WriteByte('}')
	return b.String()
}

// Parse reads what PostgreSQL writes; false: it is another range.
func Parse(text string) (s Set, ok bool) {
	inside, ok := strings.CutPrefix(text, "{")
	if !ok {
		return nil, false
	}
	if inside, ok = strings.CutSuffix(inside, "}"); !ok {
		return nil, false
	}
	if inside == "" {
		return nil, true
	}
	for _, one := range strings.SplitAfter(inside, ")") {
		one = strings.TrimPrefix(one, ",")
		if one == "" {
			continue
		}
		from, until, found := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(one, "["), ")"), ",")
		a, err := strconv.ParseInt(from, 10, 64)
		b, err2 := strconv.ParseInt(until, 10, 64)
		if !found || err != nil || err2 != nil || a >= b {
			return nil, false
		}
		s = append(s, Span{a, b})
	}
	return s, true
}
