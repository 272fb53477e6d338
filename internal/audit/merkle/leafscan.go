package merkle

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/garant-project/garant/internal/audit/leaf"
)

// leafSays is what the verifier of a bundle looks at in a leaf.
type leafSays struct {
	id      int64
	at      time.Time
	tenant  string
	digest  string // of a detail that is too long for the leaf
	promise []byte
}

// parseLeaf reads a leaf; false: it is not written in the one form that package leaf describes. The text is UTF-8.
func parseLeaf(text []byte) (l leafSays, ok bool) {
	s := &leafScan{b: text}
	s.must(`{"v":1,"id":`)
	l.id = s.number()
	if s.has(`,"at":`) {
		l.at = s.time()
	}
	s.must(`,"said":{"by":{"kind":`)
	s.text()
	s.must(`,"id":`)
	s.text()
	s.member("session")
	s.member("origin")
	s.must(`}`)
	l.tenant = string(s.member("tenant"))
	s.member("action")
	s.member("outcome")
	s.must(`,"object":{"kind":`)
	s.text()
	s.must(`,"id":`)
	s.text()
	s.must(`}`)
	s.member("reason")
	s.member("request")
	if s.has(`,"detail":`) {
		s.detail()
	} else if l.digest = string(s.member("detail_digest")); l.digest != "" {
		s.check(len(l.digest) == 2*sha256.Size)
	}
	s.member("subject")
	if s.has(`,"promise":`) {
		l.promise = s.bytes()
	}
	for _, name := range []string{`,"occurred":`, `,"written":`} {
		if s.has(name) {
			s.time()
		}
	}
	if len(s.member("writer")) > 0 {
		s.must(`,"n":`)
		s.number()
	}
	s.must(`}`)
	if s.has(`,"mac":`) {
		s.bytes()
	}
	s.must(`}`)
	return l, !s.bad && len(s.b) == 0
}

// leafScan takes a leaf from its beginning on.
type leafScan struct {
	b   []byte // what is left
	bad bool
}

func (s *leafScan) check(ok bool) { s.bad = s.bad || !ok }

func (s *leafScan) has(what string) bool {
	if s.bad || len(s.b) < len(what) || string(s.b[:len(what)]) != what {
		return false
	}
	s.b = s.b[len(what):]
	return true
}

func (s *leafScan) must(what string) { s.check(s.has(what)) }

// member takes a member whose value is a string, if it is there; an empty one is not written.
func (s *leafScan) member(name string) []byte {
	n := len(name) + 4
	if s.bad || len(s.b) < n || s.b[0] != ',' || s.b[1] != '"' || string(s.b[2:n-2]) != name || s.b[n-2] != '"' || s.b[n-1] != ':' {
		return nil
	}
	s.b = s.b[n:]
	value := s.text()
	s.check(len(value) > 0)
	return value
}

// text takes a string, which is returned as it is written.
func (s *leafScan) text() []byte {
	if s.bad || len(s.b) < 2 || s.b[0] != '"' {
		s.bad = true
		return nil
	}
	for i := 1; i < len(s.b); i++ {
		switch c := s.b[i]; {
		case c == '"':
			value := s.b[1:i]
			s.b = s.b[i+1:]
			return value
		case c < 0x20:
			s.bad = true
			return nil
		case c == '\\':
			n := escaped(s.b[i:])
			if n == 0 {
				s.bad = true
				return nil
			}
			i += n - 1
		}
	}
	s.bad = true
	return nil
}

// escaped is how long an escape of a leaf is; 0: it is none.
func escaped(b []byte) int {
	if len(b) > 1 && (b[1] == '"' || b[1] == '\\') {
		return 2
	}
	hex := func(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }
	if len(b) > 5 && string(b[1:4]) == "u00" && (b[4] == '0' || b[4] == '1') && hex(b[5]) {
		return 6
	}
	return 0
}

// number takes a whole number that is not negative.
func (s *leafScan) number() (n int64) {
	i := 0
	for ; i < len(s.b) && i < 19 && s.b[i] >= '0' && s.b[i] <= '9'; i++ {
		n = n*10 + int64(s.b[i]-'0')
	}
	s.check(i > 0 && n >= 0 && (i == 1 || s.b[0] != '0'))
	s.b = s.b[i:]
	return n
}

func (s *leafScan) time() time.Time {
	raw := s.text()
	t, ok := parseTime(raw)
	s.check(ok && !t.IsZero())
	return t
}

// parseTime reads a time as leaf.AppendTime writes it; false: it is written otherwise, or there is no such time.
func parseTime(b []byte) (time.Time, bool) {
	const form = "0000-00-00T00:00:00.000000Z"
	if len(b) != len(form) || b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' || b[19] != '.' || b[26] != 'Z' {
		return time.Time{}, false
	}
	ok := true
	number := func(from, until int) (n int) {
		for _, c := range b[from:until] {
			ok = ok && c >= '0' && c <= '9'
			n = n*10 + int(c-'0')
		}
		return n
	}
	year, month, day := number(0, 4), time.Month(number(5, 7)), number(8, 10)
	hour, minute, second, micro := number(11, 13), number(14, 16), number(17, 19), number(20, 26)
	if !ok || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	t := time.Date(year, month, day, hour, minute, second, micro*1000, time.UTC)
	y, m, d := t.Date() // a day that there is not is taken for another
	return t, y == year && m == month && d == day
}

func (s *leafScan) bytes() []byte {
	raw, err := strictBase64.AppendDecode(nil, s.text())
	s.check(err == nil && len(raw) > 0)
	return raw
}

var strictBase64 = base64.StdEncoding.Strict() //nolint:gochecknoglobals // a constant that Go has no form for

// detail takes a JSON value as somebody wrote it, white space around it included.
func (s *leafScan) detail() {
	depth, i := 0, 0
	for quoted := false; i < len(s.b); i++ {
		c := s.b[i]
		switch {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case depth == 0 && (c == ',' || c == '}'):
			value := s.b[:i]
			s.b = s.b[i:]
			s.check(len(value) <= leaf.MaxDetail && !bytes.Equal(value, []byte("{}")) && json.Valid(value))
			return
		case c == '}' || c == ']':
			depth--
		}
	}
	s.bad = true
}
