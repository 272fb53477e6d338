package leak

import (
	"bytes"
	"html"
	"sort"
	"unicode/utf16"
	"unicode/utf8"
)

// around is how much of the text beside an escape is looked at again with what it decodes to: more than any name, address or number is long.
const around = 256

// again scans the places where escape finds something to decode.
func (s *Scanner) again(text []byte, c *context, escape func(dst, text []byte, i int) ([]byte, int, coding)) {
	depth := c.depth + 1
	l := s.scratch(depth)
	out, marks := l.out[:0], l.marks[:0]
	var used coding
	nested := false // something is encoded again, and not only in two ways beside each other
	copied := 0
	for i := 0; i < len(text); {
		if b := text[i]; b != '%' && b != '&' && b != '\\' && b != '<' && b != '=' {
			i++
			continue
		}
		from := len(out)
		next, n, how := escape(out, text, i)
		if n == 0 {
			i++
			continue
		}
		decoded := next[from:]
		var buf [16]byte
		decoded = append(buf[:0], decoded...)
		start := max(copied, i-around)
		if copied > 0 && i-copied > 2*around { // the end of the place before
			out = append(append(out, text[copied:copied+around]...), 0)
		} else if copied > 0 {
			start = copied
		}
		out = append(out, text[start:i]...)
		mark := 2 * len(out)
		if len(decoded) == 0 {
			mark--
		}
		marks = append(marks, mark)
		out = append(out, decoded...)
		if last := text[i+n-1]; how&(entities|markup) == 0 && (nibble(last) >= 0 || 'g' <= last|0x20 && last|0x20 <= 'z') {
			marks = append(marks, 2*len(out)) // undecoded, the escape was a part of the word behind it
		}
		used |= how
		nested = nested || how != markup && (c.marks == nil || c.touches(i, i+n))
		i += n
		copied = i
	}
	l.out, l.marks = out, marks
	if len(marks) == 0 {
		return
	}
	out = append(out, text[copied:min(len(text), copied+around)]...)
	l.out = out
	if depth > s.limits.Depth {
		if nested {
			s.skip(c, tooDeep)
		}
		return
	}
	inner := context{field: c.field, chain: c.chain.and(used), depth: depth, offset: c.offset, marks: marks}
	s.text(out, &inner)
}

// touches reports whether what stands from one place to another was decoded, or need not be.
func (c *context) touches(from, to int) bool {
	if c.marks == nil {
		return to > c.done
	}
	i := sort.SearchInts(c.marks, 2*from)
	return i < len(c.marks) && c.marks[i] <= 2*to-2
}

func nibble(b byte) int {
	switch {
	case '0' <= b && b <= '9':
		return int(b - '0')
	case 'a' <= b && b <= 'f':
		return int(b-'a') + 10
	case 'A' <= b && b <= 'F':
		return int(b-'A') + 10
	}
	return -1
}

// number reads up to n hexadecimal digits, at least least.
func number(text []byte, least, most int) (r rune, n int) {
	for n < len(text) && n < most {
		d := nibble(text[n])
		if d < 0 {
			break
		}
		r = r<<4 | rune(d)
		n++
	}
	if n < least {
		return 0, 0
	}
	return r, n
}

// escape decodes what begins at text[i]; n is 0 when nothing does.
func (s *Scanner) escape(dst, text []byte, i int) (out []byte, n int, how coding) {
	rest := text[i+1:]
	switch text[i] {
	case '%':
		if len(rest) > 0 && rest[0] == 'u' {
			if r, n := number(rest[1:], 4, 4); n > 0 {
				return utf8.AppendRune(dst, r), n + 2, percent
			}
		}
		if r, n := number(rest, 2, 2); n > 0 {
			return append(dst, byte(r)), 3, percent
		}
	case '\\':
		out, n := backslash(dst, rest)
		return out, n, backslashes
	case '&':
		out, n := s.entity(dst, text[i:])
		return out, n, entities
	case '<':
		out, n := tag(dst, rest)
		return out, n, markup
	}
	return dst, 0, 0
}

// backslash decodes what follows one, in JSON, JavaScript, C and SQL.
func backslash(dst, rest []byte) ([]byte, int) {
	if len(rest) == 0 {
		return dst, 0
	}
	switch rest[0] {
	case 'u', 'U':
		if len(rest) > 2 && rest[1] == '{' {
			if r, n := number(rest[2:], 1, 6); n > 0 && len(rest) > 2+n && rest[2+n] == '}' {
				return utf8.AppendRune(dst, r), n + 4
			}
		}
		most := 4
		if rest[0] == 'U' {
			most = 8
		}
		r, n := number(rest[1:], most, most)
		if n == 0 {
			break
		}
		if utf16.IsSurrogate(r) && len(rest) >= 11 && rest[5] == '\\' && rest[6] == 'u' {
			if low, k := number(rest[7:], 4, 4); k > 0 {
				return utf8.AppendRune(dst, utf16.DecodeRune(r, low)), 12
			}
		}
		return utf8.AppendRune(dst, r), n + 2
	case 'x':
		if r, n := number(rest[1:], 2, 2); n > 0 {
			if end := 2 + n; n == 2 && (len(rest) < end || len(rest) <= 3 || nibble(rest[3]) < 0) { // not the format of bytea
				return append(dst, byte(r)), 4
			}
		}
		return dst, 0
	case 'n', 'r', 't', 'b', 'f', 'v':
		return append(dst, ' '), 2
	case '"', '\'', '\\', '/':
		return append(dst, rest[0]), 2
	case '0', '1', '2', '3': // octal, three digits: bytea's other format
		if len(rest) >= 3 && rest[1] >= '0' && rest[1] < '8' && rest[2] >= '0' && rest[2] < '8' {
			return append(dst, (rest[0]-'0')<<6|(rest[1]-'0')<<3|rest[2]-'0'), 4
		}
	}
	return dst, 0
}

const maxEntity = 32 // "&CounterClockwiseContourIntegral;"

// entity decodes one, at rest[0].
func (s *Scanner) entity(dst, rest []byte) ([]byte, int) {
	if len(rest) > 2 && rest[1] == '#' {
		var r rune
		n := 2
		if rest[2] == 'x' || rest[2] == 'X' {
			var k int
			if r, k = number(rest[3:], 1, 6); k == 0 {
				return dst, 0
			}
			n = 3 + k
		} else {
			for n < len(rest) && n < 10 && '0' <= rest[n] && rest[n] <= '9' {
				r = r*10 + rune(rest[n]-'0')
				n++
			}
			if n == 2 {
				return dst, 0
			}
		}
		if n < len(rest) && rest[n] == ';' {
			n++
		}
		return utf8.AppendRune(dst, r), n
	}
	n := 1
	for n < len(rest) && n < maxEntity && (nibble(rest[n]) >= 0 || 'g' <= rest[n]|0x20 && rest[n]|0x20 <= 'z') {
		n++
	}
	if n == 1 || n == len(rest) || rest[n] != ';' {
		return dst, 0
	}
	n++
	text, known := s.entities[view(rest[:n])]
	if !known {
		name := string(rest[:n])
		if text = html.UnescapeString(name); text == name {
			text = ""
		}
		if len(s.entities) < 4096 {
			s.entities[name] = text
		}
	}
	if text == "" {
		return dst, 0
	}
	return append(dst, text...), n
}

// tag takes one of HTML or XML away: of a paragraph, a line or a cell it leaves a blank, of what stands within a word nothing.
func tag(dst, rest []byte) ([]byte, int) {
	n := 0
	for n < len(rest) && n < 2*around && rest[n] != '>' && rest[n] != '<' {
		n++
	}
	if n == 0 || n == len(rest) || rest[n] != '>' {
		return dst, 0
	}
	name := bytes.TrimLeft(rest[:n], "/")
	k := 0
	for k < len(name) && (nibble(name[k]) >= 0 || 'g' <= name[k]|0x20 && name[k]|0x20 <= 'z') {
		k++
	}
	if k == 0 {
		return dst, 0
	}
	var low [8]byte
	for i := range min(k, len(low)) {
		low[i] = name[i] | 0x20
	}
	switch view(low[:min(k, len(low))]) {
	case "a", "abbr", "b", "big", "bdi", "bdo", "cite", "code", "del", "em", "font", "i", "ins", "kbd", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub",
		"sup", "tt", "u", "var", "wbr":
		return dst, n + 2
	}
	return append(dst, ' '), n + 2
}

// printable decodes quoted-printable.
func printable(dst, text []byte, i int) (out []byte, n int, how coding) {
	if text[i] != '=' {
		return dst, 0, 0
	}
	rest := text[i+1:]
	if r, n := number(rest, 2, 2); n > 0 {
		return append(dst, byte(r)), 3, quoted
	}
	if bytes.HasPrefix(rest, []byte("\r\n")) {
		return dst, 3, quoted
	}
	if bytes.HasPrefix(rest, []byte("\n")) {
		return dst, 2, quoted
	}
	return dst, 0, 0
}
