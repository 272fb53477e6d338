package leak

import (
	"strings"

	"github.com/garant-project/garant/internal/engine/anonymise/seen"
)

const (
	maxPath = 2 << 20 // of a document, that is read to tell the path of a hit
	maxKey  = 40
)

// path tells the path in the document that is being scanned of what stands at an offset: keys, [] for the elements of an array. A key that may be a value
// itself is *: one that is no plain name, or that holds digits or a value of the source.
func (s *Scanner) path(at int) string {
	if s.top == nil || at > min(len(s.top), maxPath) {
		return "…"
	}
	type frame struct {
		array    bool
		from, to int // of the key
	}
	var stack []frame
	var key [2]int
	doc := s.top
	for i := 0; i < at; i++ {
		switch doc[i] {
		case '{', '[':
			stack = append(stack, frame{array: doc[i] == '['})
		case '}', ']':
			if len(stack) > 0 {
				stack = stack[:len(stack)-1]
			}
		case '"':
			from := i + 1
			for i++; i < len(doc) && doc[i] != '"'; i++ {
				if doc[i] == '\\' {
					i++
				}
			}
			key = [2]int{from, min(i, len(doc))}
		case ':':
			if n := len(stack); n > 0 {
				stack[n-1].from, stack[n-1].to = key[0], key[1]
			}
		case ',':
			if n := len(stack); n > 0 {
				stack[n-1].from, stack[n-1].to = 0, 0
			}
		}
	}
	var b strings.Builder
	for _, f := range stack {
		switch {
		case f.array:
			b.WriteString("[]")
		case f.to > f.from:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.key(doc[f.from:f.to]))
		}
		if b.Len() > 200 {
			break
		}
	}
	return b.String()
}

func (s *Scanner) key(k []byte) string {
	if len(k) > maxKey {
		return "*"
	}
	for _, c := range k {
		if c != '_' && c != '-' && (c|0x20 < 'a' || c|0x20 > 'z') {
			return "*"
		}
	}
	var words [maxKey]seen.Word
	w := s.set.Words(words[:0], k, 0)
	for i := range w {
		var sum seen.Key
		for _, next := range w[i:] {
			sum += next.Key
			if _, ok := s.set.Find(sum); ok {
				return "*"
			}
		}
	}
	return string(k)
}
