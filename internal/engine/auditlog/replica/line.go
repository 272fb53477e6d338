package replica

import (
	"bytes"
	"encoding/json"
	"math"
	"unicode/utf8"
)

// leaf reads the line of a leaf as encoding/json does. Lines as Encode writes them, which are nearly all, it reads by itself, which takes a third of the time;
// whatever else it leaves to encoding/json.
func (s *lineScan) leaf(line []byte) (Leaf, error) {
	if l, ok := s.plain(line); ok {
		return l, nil
	}
	var l Leaf
	err := json.Unmarshal(line, &l)
	return l, err
}

// plain reads seq, tree, index, entry and leaf in that order and form, and nothing else.
func (s *lineScan) plain(line []byte) (l Leaf, ok bool) {
	if !utf8.Valid(line) {
		return l, false
	}
	s.rest, s.ok = line, true
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

// lineScan takes a line from its beginning on, for as long as it is ok, and then another.
type lineScan struct {
	rest []byte
	ok   bool
	out  []byte // of the string that is read
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
	rest := s.rest[1:]
	if cap(s.out) < len(rest) {
		s.out = make([]byte, len(rest))
	}
	out, to := s.out[:cap(s.out)], 0
	for i := 0; i < len(rest); i++ {
		c := rest[i]
		if c == '"' {
			s.rest = rest[i+1:]
			return string(out[:to])
		}
		if c == '\\' {
			if i++; i == len(rest) || rest[i] != '"' && rest[i] != '\\' {
				break
			}
			c = rest[i]
		} else if c < 0x20 {
			break
		}
		out[to] = c // what is between two escapes is a few bytes: to copy each stretch would cost more
		to++
	}
	s.ok = false
	return ""
}
