package replica

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"unicode/utf8"
)

// parseLeaf reads the line of a leaf as encoding/json does. Lines as Encode writes them, which are nearly all, it reads by itself, which takes a third of the time;
// whatever else it leaves to encoding/json.
func parseLeaf(line []byte) (Leaf, error) {
	if l, ok := plainLeaf(line); ok {
		return l, nil
	}
	var l Leaf
	err := json.Unmarshal(line, &l)
	return l, err
}

// plainLeaf reads seq, tree, index, entry and leaf in that order and form, and nothing else.
func plainLeaf(line []byte) (l Leaf, ok bool) {
	if !utf8.Valid(line) {
		return l, false
	}
	s := lineScan{rest: line, ok: true}
	s.word(`{"seq":`)
	l.Seq = s.number()
	s.word(`,"tree":`)
	l.Tree = s.text()
	s.word(`,"index":`)
	l.Index = s.number()
	s.word(`,"entry":`)
	l.Entry = s.number()
	s.word(`,"leaf":`)
	l.Bytes = s.text()
	s.word(`}`)
	return l, s.ok && len(s.rest) == 0
}

// lineScan takes a line from its beginning on, for as long as it is ok.
type lineScan struct {
	rest []byte
	ok   bool
}

func (s *lineScan) word(want string) {
	if s.ok = s.ok && bytes.HasPrefix(s.rest, []byte(want)); s.ok {
		s.rest = s.rest[len(want):]
	}
}

// number takes a whole number that is not negative and does not begin with a needless 0.
func (s *lineScan) number() (n int64) {
	i := 0
	for ; i < len(s.rest) && s.rest[i] >= '0' && s.rest[i] <= '9'; i++ {
		if n > (math.MaxInt64-9)/10 {
			s.ok = false
			return 0
		}
		n = n*10 + int64(s.rest[i]-'0')
	}
	s.ok = s.ok && i > 0 && (i == 1 || s.rest[0] != '0')
	s.rest = s.rest[i:]
	return n
}

// text takes a string in which nothing but quotation marks and backslashes is escaped.
func (s *lineScan) text() string {
	if !s.ok || len(s.rest) == 0 || s.rest[0] != '"' {
		s.ok = false
		return ""
	}
	s.rest = s.rest[1:]
	end, escapes := 0, 0
	for ; end < len(s.rest) && s.rest[end] != '"'; end++ {
		c := s.rest[end]
		if c == '\\' {
			if end, escapes = end+1, escapes+1; end == len(s.rest) || s.rest[end] != '"' && s.rest[end] != '\\' {
				s.ok = false
				return ""
			}
		} else if c < 0x20 {
			s.ok = false
			return ""
		}
	}
	if end == len(s.rest) {
		s.ok = false
		return ""
	}
	text := s.rest[:end]
	s.rest = s.rest[end+1:]
	if escapes == 0 {
		return string(text)
	}
	var out strings.Builder
	out.Grow(end - escapes)
	for i := bytes.IndexByte(text, '\\'); i >= 0; i = bytes.IndexByte(text, '\\') {
		out.Write(text[:i])
		out.WriteByte(text[i+1])
		text = text[i+2:]
	}
	out.Write(text)
	return out.String()
}
