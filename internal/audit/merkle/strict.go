package merkle

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// strict reads JSON (RFC 8259) of which the members and their order are known: a member that is doubled, unknown or elsewhere is an error, as is
// whatever follows the value. It keeps nothing but the value that it reads, and no value is longer than asked for.
type strict struct {
	in     io.Reader
	window []byte // what was read ahead; taken from ahead on
	ahead  int
	ended  error // of in, when the window is used up
	at     int64 // bytes taken
	buf    []byte
	failed error // the first
}

func newStrict(r io.Reader) *strict { return &strict{in: r, window: make([]byte, 0, 1<<16)} }

// more reads ahead when everything was taken; false: there is nothing more, and ended says why.
func (s *strict) more() bool {
	for tries := 0; s.ahead == len(s.window); tries++ {
		if s.ended == nil && tries == 100 {
			s.ended = io.ErrNoProgress
		}
		if s.ended != nil {
			return false
		}
		n, err := s.in.Read(s.window[:cap(s.window)])
		s.window, s.ahead, s.ended = s.window[:n], 0, err
	}
	return true
}

// back gives back the byte that was taken last.
func (s *strict) back() { s.ahead--; s.at-- }

var errTruncated = errors.New("the file ends too early")

// formError is what is wrong with the form; other errors are those of what is read from.
type formError struct{ text string }

func (e *formError) Error() string { return e.text }

func formf(format string, args ...any) error { return &formError{fmt.Sprintf(format, args...)} }

// fail keeps the first error; reads after it give nothing.
func (s *strict) fail(err error) {
	if s.failed == nil {
		s.failed = err
	}
}

func (s *strict) unexpected(c byte, want string) {
	s.fail(formf("byte %d is %q where %s should be", s.at, c, want))
}

func (s *strict) next() byte {
	if s.failed != nil {
		return 0
	}
	if s.ahead == len(s.window) && !s.more() {
		if errors.Is(s.ended, io.EOF) {
			s.fail(errTruncated)
		} else {
			s.fail(s.ended)
		}
		return 0
	}
	c := s.window[s.ahead]
	s.ahead++
	s.at++
	return c
}

// peek is the next byte that is no white space, which stays.
func (s *strict) peek() byte {
	for {
		c := s.next()
		switch c {
		case ' ', '\t', '\n', '\r':
			continue
		}
		if s.failed == nil {
			s.back()
		}
		return c
	}
}

// delim takes one of the signs of JSON.
func (s *strict) delim(want byte) {
	if s.failed == nil && s.ahead < len(s.window) && s.window[s.ahead] == want { // nearly always
		s.ahead++
		s.at++
		return
	}
	if c := s.peek(); c != want {
		s.unexpected(c, strconv.QuoteRune(rune(want)))
		return
	}
	s.next()
}

// name takes the name of a member and what is around it; first: of an object.
func (s *strict) name(want string, first bool) {
	if !first {
		s.delim(',')
	}
	s.called(want)
}

func (s *strict) called(want string) {
	if got := s.bytes(100); s.failed == nil && string(got) != want {
		s.fail(formf("a member %q ends at byte %d where %q should be", got, s.at, want))
		return
	}
	s.delim(':')
}

// another takes a comma and the name of the member after it, or the end of the object.
func (s *strict) another() (name string, ok bool) {
	switch c := s.peek(); c {
	case '}':
		s.next()
		return "", false
	case ',':
		s.next()
		name = memberName(s.bytes(100))
		s.delim(':')
		return name, s.failed == nil
	default:
		s.unexpected(c, "a comma or the end of an object")
		return "", false
	}
}

// memberName is a name, without a copy of those that each leaf has.
func memberName(b []byte) string {
	switch string(b) {
	case "leaf":
		return "leaf"
	case "sealed":
		return "sealed"
	case "proof":
		return "proof"
	}
	return string(b)
}

func (s *strict) unknown(name string) {
	s.fail(formf("the member %.40q at byte %d is not known, doubled or in another place than it should be", name, s.at))
}

// list reads an array.
func (s *strict) list(each func(i int)) {
	s.delim('[')
	if s.peek() == ']' {
		s.next()
		return
	}
	for i := 0; s.failed == nil; i++ {
		each(i)
		switch c := s.peek(); c {
		case ',':
			s.next()
		case ']':
			s.next()
			return
		default:
			s.unexpected(c, "a comma or the end of an array")
		}
	}
}

// end makes sure that nothing follows.
func (s *strict) end() {
	for s.failed == nil {
		if !s.more() {
			if !errors.Is(s.ended, io.EOF) {
				s.fail(s.ended)
			}
			return
		}
		switch c := s.next(); c {
		case ' ', '\t', '\n', '\r':
		default:
			s.unexpected(c, "the end of the file")
		}
	}
}

func (s *strict) word(want string) {
	s.peek()
	for i := range len(want) {
		if c := s.next(); c != want[i] {
			s.unexpected(c, want)
			return
		}
	}
}

// num reads a number that is whole and not negative, without sign, fraction or exponent.
func (s *strict) num() (n int64) {
	c := s.peek()
	if c < '0' || c > '9' {
		s.unexpected(c, "a number")
		return 0
	}
	for digits := 0; ; digits++ {
		c = s.next()
		if s.failed != nil {
			return 0
		}
		if c < '0' || c > '9' {
			s.back()
			if c == '.' || c == 'e' || c == 'E' {
				s.unexpected(c, "a whole number")
			}
			return n
		}
		if digits > 17 || digits == 1 && n == 0 {
			s.fail(formf("the number at byte %d is too large or begins with 0", s.at))
			return 0
		}
		n = n*10 + int64(c-'0')
	}
}

// str reads a string of at most so many bytes.
func (s *strict) str(most int) string { return string(s.bytes(most)) }

// bytes reads a string; it is good until the next one is read.
func (s *strict) bytes(most int) []byte {
	s.delim('"')
	s.buf = s.buf[:0]
	for s.failed == nil {
		if len(s.buf) > most {
			s.fail(formf("a string before byte %d is longer than %d bytes", s.at, most))
			break
		}
		if s.run(); len(s.buf) > most {
			continue
		}
		switch c := s.next(); {
		case s.failed != nil:
		case c == '"':
			if !utf8.Valid(s.buf) {
				s.fail(formf("a string before byte %d is not UTF-8", s.at))
				break
			}
			return s.buf
		case c == '\\':
			s.escape()
		case c < 0x20:
			s.unexpected(c, "a character of a string")
		default:
			s.buf = append(s.buf, c)
		}
	}
	return nil
}

// run takes what is in the window of a string, with the escapes that are one sign, up to its end or something else.
func (s *strict) run() {
	ahead := s.window[s.ahead:]
	buf := slices.Grow(s.buf, len(ahead))
	to, n := buf[len(buf):cap(buf)], 0
	taken := 0
	for n < len(ahead) {
		c := ahead[n]
		if c == '"' || c < 0x20 {
			break
		}
		if c == '\\' {
			if n++; n == len(ahead) || ahead[n] != '"' && ahead[n] != '\\' {
				n--
				break
			}
			c = ahead[n]
		}
		to[taken] = c // most runs between escapes are a few bytes long: to copy each would cost more
		taken++
		n++
	}
	s.buf = buf[:len(buf)+taken]
	s.ahead += n
	s.at += int64(n)
}

func (s *strict) escape() {
	switch c := s.next(); c {
	case '"', '\\', '/':
		s.buf = append(s.buf, c)
	case 'b':
		s.buf = append(s.buf, '\b')
	case 'f':
		s.buf = append(s.buf, '\f')
	case 'n':
		s.buf = append(s.buf, '\n')
	case 'r':
		s.buf = append(s.buf, '\r')
	case 't':
		s.buf = append(s.buf, '\t')
	case 'u':
		r := s.hex()
		if utf16.IsSurrogate(r) {
			if s.next() != '\\' || s.next() != 'u' {
				s.unexpected('\\', "the second half of a character")
				return
			}
			if r = utf16.DecodeRune(r, s.hex()); r == utf8.RuneError {
				s.fail(formf("no character before byte %d", s.at))
			}
		}
		s.buf = utf8.AppendRune(s.buf, r)
	default:
		s.unexpected(c, "an escape of JSON")
	}
}

func (s *strict) hex() (r rune) {
	for range 4 {
		c := s.next()
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			s.unexpected(c, "a hexadecimal digit")
		}
	}
	return r
}
