package leak

import (
	"bytes"
	"unicode/utf8"
)

const (
	certain = 64 // a run as long as this is encoded, whatever it decodes to
	minHex  = 12
)

// sextet is what a character of base64 stands for, in either alphabet; -1 for others.
func sextet(c byte) int { return int(sextets[c]) }

var sextets = func() (t [256]int8) {
	for i := range t {
		t[i] = -1
	}
	for i, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		t[c] = int8(i)
	}
	t['-'], t['_'] = 62, 63
	return t
}()

// appendBase64 decodes up to most characters; new lines do not count, and what is no base64 ends it.
func appendBase64(dst, run []byte, most int) []byte {
	var acc uint32
	bits := 0
	for _, c := range run {
		x := sextet(c)
		if x < 0 {
			if c == '\n' || c == '\r' || c == ' ' || c == '\t' {
				continue
			}
			break
		}
		if most == 0 {
			break
		}
		most--
		acc = acc<<6 | uint32(x)
		if bits += 6; bits >= 8 {
			bits -= 8
			dst = append(dst, byte(acc>>bits))
		}
	}
	return dst
}

// encoded tries whether the chunk text[start:end] is base64 or hexadecimal, or parts of it are. wrap is where a run of lines begins that it continues,
// -1 for none; next is where the text goes on. It returns
// where the run begins that goes on with the next line.
func (s *Scanner) encoded(text []byte, start, end, wrap, next int, c *context) int {
	for next > end && sextet(text[next-1]) >= 62 { // the next line begins with no letter
		next--
	}
	if end-start >= line && isBase64(text[start:end]) && next < len(text) && newLine(text[end:next]) {
		if wrap < 0 {
			return start
		}
		return wrap
	}
	if wrap >= 0 {
		if s.base64(text[wrap:end], wrap, c, false) || end-start < minEncoded {
			return -1
		}
	}
	for from := start; from < end; from++ {
		to := from
		for to < end && sextet(text[to]) >= 0 {
			to++
		}
		if to-from >= minEncoded {
			s.run(text[from:to], from, c)
		}
		from = to
	}
	return -1
}

// newLine reports whether there is one, and nothing but blanks besides.
func newLine(b []byte) bool {
	lines := 0
	for _, x := range b {
		switch x {
		case '\n':
			lines++
		case '\r', ' ', '\t':
		default:
			return false
		}
	}
	return lines == 1
}

// run tries a stretch of letters and digits with slashes and the like, then its parts between slashes, which may be those of a path, then what stands between the
// other signs of both alphabets.
func (s *Scanner) run(b []byte, at int, c *context) {
	if s.base64(b, at, c, true) {
		s.plain(b, at, c, true)
		return
	}
	for from := 0; from < len(b); from++ {
		to := from
		for to < len(b) && b[to] != '/' {
			to++
		}
		if part := b[from:to]; len(part) >= minEncoded {
			done := len(part) < len(b) && s.base64(part, at+from, c, true)
			s.plain(part, at+from, c, done)
		}
		from = to
	}
}

// plain tries the stretches of letters and digits alone: as hexadecimal, and as base64 unless that was found already.
func (s *Scanner) plain(b []byte, at int, c *context, done bool) {
	for from := 0; from < len(b); from++ {
		to := from
		for to < len(b) && b[to] != '/' && b[to] != '-' && b[to] != '_' && b[to] != '+' {
			to++
		}
		if part := b[from:to]; len(part) >= minEncoded && !s.hex(part, at+from, c) && !done && len(part) < len(b) {
			s.base64(part, at+from, c, true)
		}
		from = to
	}
}

// base64 decodes a run where that gives text or a file, or where the run is too long to be anything else, and scans it. What stands before a run
// without anything between may shift it by up to three characters.
func (s *Scanner) base64(b []byte, at int, c *context, phases bool) bool {
	var buf [12]byte
	shift, kind := 0, noise
	if !phases || !hopeless(b) {
		kind = sniff(appendBase64(buf[:0], b, 16))
	}
	for phases && kind == noise && shift < 3 && len(b) > minEncoded+shift {
		if shift++; !hopeless(b[shift:]) {
			kind = sniff(appendBase64(buf[:0], b[shift:], 16))
		}
	}
	if kind == noise {
		if shift = 0; len(b) < certain {
			return false
		}
	}
	l := s.inner(c, kind != noise)
	if l == nil {
		return false
	}
	l.out = appendBase64(l.out[:0], b[shift:], len(b))
	in := context{field: c.field, chain: c.chain.and(base64ed), depth: c.depth + 1, offset: c.offset + at}
	if c.touches(at, at+len(b)) {
		s.binary(l.out, &in)
	}
	return kind != noise
}

// hex decodes a run of hexadecimal digits.
func (s *Scanner) hex(b []byte, at int, c *context) bool {
	if len(b) > 2 && b[0] == '0' && b[1]|0x20 == 'x' {
		b, at = b[2:], at+2
	} else if b[0]|0x20 == 'x' {
		b, at = b[1:], at+1
	}
	b = b[:len(b)&^1]
	if len(b) < minHex {
		return false
	}
	for _, x := range b {
		if nibble(x) < 0 {
			return false
		}
	}
	var buf [16]byte
	kind := sniff(appendHex(buf[:0], b[:min(len(b), 32)]))
	if kind == noise && len(b) < 2*certain {
		return false
	}
	l := s.inner(c, kind != noise)
	if l == nil {
		return false
	}
	l.out = appendHex(l.out[:0], b)
	in := context{field: c.field, chain: c.chain.and(hexadecimal), depth: c.depth + 1, offset: c.offset + at}
	if c.touches(at, at+len(b)) {
		s.binary(l.out, &in)
	}
	return true
}

func appendHex(dst, b []byte) []byte {
	for i := 0; i+1 < len(b); i += 2 {
		dst = append(dst, byte(nibble(b[i])<<4|nibble(b[i+1])))
	}
	return dst
}

// inner gives the next level of encoding its means, nil when there is none: that counts as not scanned when something certainly is encoded there.
func (s *Scanner) inner(c *context, certain bool) *level {
	if c.depth >= s.limits.Depth {
		if certain {
			s.skip(c, tooDeep)
		}
		return nil
	}
	return s.scratch(c.depth + 1)
}

// What the beginning of decoded bytes looks like.
type looks uint8

const (
	noise looks = iota
	prose
	file // compressed, or UTF-16
)

func sniff(b []byte) looks {
	if len(b) < 5 {
		return noise
	}
	if magic(b) != 0 || isUTF16(b) != 0 {
		return file
	}
	for i := 0; i < len(b); {
		c := b[i]
		if c < utf8.RuneSelf {
			if c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7f {
				return noise
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			if i > 0 && !utf8.FullRune(b[i:]) {
				return prose
			}
			return noise
		}
		i += n
	}
	return prose
}

// hopeless reports whether sniff will certainly find noise in a run of base64, by the first four bytes of it: most words and numbers are no base64.
func hopeless(run []byte) bool {
	if len(run) < 6 {
		return false
	}
	x := uint64(sextets[run[0]])<<30 | uint64(sextets[run[1]])<<24 | uint64(sextets[run[2]])<<18 | uint64(sextets[run[3]])<<12 | uint64(sextets[run[4]])<<6 | uint64(sextets[run[5]])
	b := [4]byte{byte(x >> 28), byte(x >> 20), byte(x >> 12), byte(x >> 4)}
	if b[0] == 0 || b[1] == 0 || b[2] == 0 || b[3] == 0 || b[0] >= 0xfe || magic(b[:]) != 0 { // perhaps UTF-16, or compressed
		return false
	}
	for i := 0; i < 4; i++ {
		switch c := b[i]; {
		case c < ' ' && c != '\n' && c != '\r' && c != '\t', c == 0x7f, c >= utf8.RuneSelf && c < 0xc2, c > 0xf4:
			return true
		case c >= utf8.RuneSelf:
			return i < 3 && b[i+1]&0xc0 != 0x80 // what follows sniff decides
		}
	}
	return false
}

// isUTF16 tells how many of a text's first bytes are its mark of byte order when it is UTF-16, by that mark or by every second byte being zero: 2 or 1 (none) with
// the sign of the byte order, positive when the lower comes first.
func isUTF16(b []byte) int {
	if len(b) < 6 {
		return 0
	}
	switch {
	case b[0] == 0xff && b[1] == 0xfe:
		return 2
	case b[0] == 0xfe && b[1] == 0xff:
		return -2
	}
	var zeros [2]int
	n := min(len(b)&^1, 64)
	for i := range n {
		if b[i] == 0 {
			zeros[i&1]++
		}
	}
	switch half := n / 2; {
	case zeros[1]*4 >= half*3 && zeros[0] == 0:
		return 1
	case zeros[0]*4 >= half*3 && zeros[1] == 0:
		return -1
	}
	return 0
}

// binary scans bytes: what is compressed is inflated, UTF-16 and Latin-1 are read as such, and all else as text with gaps.
func (s *Scanner) binary(b []byte, c *context) {
	c.binary = true
	if m := magic(b); m != 0 && c.done == 0 { // not in a later piece, which begins anywhere
		s.compressed(b, m, c)
		c.zip = m == zipped
	}
	if order := isUTF16(b); order != 0 {
		s.wide(b, order, c)
	}
	s.text(b, c)
	if !utf8.Valid(b[:len(b)-cutRune(b)]) && latin(b) {
		if l := s.inner(c, true); l != nil {
			l.out = l.out[:0]
			for _, x := range b {
				l.out = utf8.AppendRune(l.out, rune(x))
			}
			in := context{field: c.field, chain: c.chain.and(latin1), depth: c.depth + 1, offset: c.offset}
			s.text(l.out, &in)
		}
	}
}

// cutRune tells how many bytes at the end are the beginning of a character.
func cutRune(b []byte) int {
	for n := 1; n <= min(3, len(b)); n++ {
		if x := b[len(b)-n]; x >= 0xc0 {
			if !utf8.FullRune(b[len(b)-n:]) {
				return n
			}
			break
		}
	}
	return 0
}

// latin reports whether bytes may be text in Latin-1 or its like.
func latin(b []byte) bool {
	n, high := min(len(b), 4096), 0
	for _, c := range b[:n] {
		switch {
		case c < ' ' && c != '\n' && c != '\r' && c != '\t', c >= 0x7f && c < 0xa0:
			return false
		case c >= 0xa0:
			high++
		}
	}
	return high > 0 && high*2 < n
}

// wide scans UTF-16.
func (s *Scanner) wide(b []byte, order int, c *context) {
	l := s.inner(c, true)
	if l == nil {
		return
	}
	out := l.out[:0]
	var high rune
	for i := 0; i+1 < len(b); i += 2 {
		r := rune(b[i]) | rune(b[i+1])<<8
		if order < 0 {
			r = rune(b[i+1]) | rune(b[i])<<8
		}
		switch {
		case r >= 0xd800 && r < 0xdc00:
			high = r
			continue
		case r >= 0xdc00 && r < 0xe000:
			r = (high-0xd800)<<10 | (r - 0xdc00) + 0x10000
		}
		out = utf8.AppendRune(out, r)
	}
	l.out = out
	in := context{field: c.field, chain: c.chain.and(utf16ed), depth: c.depth + 1, offset: c.offset}
	s.text(out, &in)
}

// containers looks for compressed bytes within others.
func (s *Scanner) containers(b []byte, c *context) {
	for i := 1; i < len(b); {
		n := bytes.Index(b[i:], []byte("\x1f\x8b\x08"))
		if n < 0 {
			break
		}
		i += n
		i += max(s.compressed(b[i:], gzipped, c), 1)
	}
	if c.zip || len(b) == 0 {
		return
	}
	if n := bytes.Index(b[1:], []byte("PK\x03\x04")); n >= 0 {
		s.compressed(b[1+n:], zipped, c)
	}
}
