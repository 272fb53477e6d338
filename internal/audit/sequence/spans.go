package sequence

import (
	"slices"
	"strconv"
	"strings"
)

// span is [from, until).
type span struct{ from, until int64 }

// spans is a set of numbers, in order and apart from each other.
type spans []span

// add puts a number in and reports whether it was not there before.
func (s *spans) add(n int64) bool {
	list := *s
	i, _ := slices.BinarySearchFunc(list, n, func(a span, n int64) int {
		if a.until <= n {
			return -1
		}
		return 1
	}) // the first that ends after n
	if i < len(list) && list[i].from <= n {
		return false
	}
	before := i > 0 && list[i-1].until == n
	after := i < len(list) && list[i].from == n+1
	switch {
	case before && after:
		list[i-1].until = list[i].until
		list = slices.Delete(list, i, i+1)
	case before:
		list[i-1].until++
	case after:
		list[i].from--
	default:
		list = slices.Insert(list, i, span{n, n + 1})
	}
	*s = list
	return true
}

// cut takes away what is below a number.
func (s *spans) cut(below int64) {
	list := *s
	for len(list) > 0 && list[0].until <= below {
		list = list[1:]
	}
	if len(list) > 0 && list[0].from < below {
		list[0].from = below
	}
	*s = list
}

// without lists what of s is not in other.
func (s spans) without(other spans) (out spans) {
	for _, one := range s {
		from := one.from
		for _, o := range other {
			if o.until <= from || o.from >= one.until {
				continue
			}
			if o.from > from {
				out = append(out, span{from, o.from})
			}
			from = o.until
			if from >= one.until {
				break
			}
		}
		if from < one.until {
			out = append(out, span{from, one.until})
		}
	}
	return out
}

// String writes it as PostgreSQL writes an int8multirange.
func (s spans) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, one := range s {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("[" + strconv.FormatInt(one.from, 10) + "," + strconv.FormatInt(one.until, 10) + ")")
	}
	b.WriteByte('}')
	return b.String()
}

// parseSpans reads what PostgreSQL writes; false: it is another range.
func parseSpans(text string) (s spans, ok bool) {
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
		s = append(s, span{a, b})
	}
	return s, true
}
