package seen

import (
	"bytes"
	"unicode/utf8"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// Around tells how far what may be an e-mail address reaches to both sides of the @ at text[at]. A new line within it does not end it: lines are
// broken there too. What belongs to the sentence around it may be part of it: LocalKey and DomainKey take any piece.
func Around(text []byte, at int) (from, to int) {
	for from = at; from > 0 && at-from < maxLocal; {
		c := text[from-1]
		if c < utf8.RuneSelf {
			if ascii[c] == 0 && !inLocal(c) {
				break
			}
			from--
			continue
		}
		r, n := utf8.DecodeLastRune(text[:from])
		if f := foldedRune(r); f.class() == separator {
			break
		}
		from -= n
	}
	for to = at + 1; to < len(text) && to-at < maxDomain; {
		c := text[to]
		if c < utf8.RuneSelf {
			if ascii[c] == 0 && c != '.' && c != '-' && c != '\n' && c != '\r' {
				break
			}
			to++
			continue
		}
		f, n := foldAt(text, to)
		if f.class() == separator {
			break
		}
		to += n
	}
	return from, to
}

const (
	maxLocal  = 96 // RFC 5321 has 64; invisible characters come on top
	maxDomain = 256
)

func inLocal(c byte) bool {
	switch c {
	case '.', '-', '_', '+', '\n', '\r':
		return true
	}
	return false
}

func foldedRune(r rune) folded {
	if r < tabled {
		return table()[r]
	}
	return fold(r)
}

// appendLocal folds what stands before the @: dots and the like do not count, nor does what follows a plus sign.
func appendLocal(dst, s []byte) []byte {
	if i := bytes.IndexByte(s, '+'); i > 0 {
		s = s[:i]
	}
	return AppendGlued(dst, s)
}

// LocalKey and DomainKey give the two halves of an e-mail address's key, which is their sum.
func (h hasher) LocalKey(s []byte) Key {
	var buf [maxLocal]byte
	return h.sum(tagLocal, appendLocal(buf[:0], s))
}

// DomainKey is described with LocalKey.
func (h hasher) DomainKey(s []byte) Key {
	var buf [maxDomain]byte
	return h.sum(tagDomain, AppendGlued(buf[:0], s))
}

// emails takes every address in the value.
func (f *former) emails(value []byte) Reason {
	found := false
	for at, c := range value {
		if c != '@' {
			continue
		}
		from, to := Around(value, at)
		local, domain := bytes.TrimRight(value[from:at], "\r\n"), value[at+1:to]
		if f.buf = appendLocal(f.buf[:0], local); len(f.buf) == 0 || bytes.IndexByte(domain, '.') <= 0 {
			continue
		}
		f.emit(f.LocalKey(local)+f.DomainKey(domain), personal.Email, markStrict)
		found = true
	}
	switch {
	case found:
		return Usable
	case len(bytes.TrimSpace(value)) == 0:
		return Empty
	default:
		return Malformed
	}
}

// A Dialled says how a phone number begins.
type Dialled uint8

// The beginnings.
const (
	Bare          Dialled = iota // without any prefix
	National                     // 0
	International                // + or 00
)

// Dial takes a phone number apart, given its digits and whether a plus sign stands before them: how it begins, the country's code where the
// number holds it, and the number within the country.
func Dial(digits []byte, plus bool) (how Dialled, code, national []byte) {
	switch {
	case plus && len(digits) > 0 && digits[0] != '0': // else the sign stands for a blank
		how = International
	case len(digits) > 2 && digits[0] == '0' && digits[1] == '0':
		how, digits = International, digits[2:]
	case len(digits) > 1 && digits[0] == '0':
		return National, nil, digits[1:]
	case len(digits) <= 10: // what is longer holds the country's code, without a prefix
		return Bare, nil, digits
	}
	code, national = SplitCode(digits)
	return how, code, national
}

// SplitCode takes the country's code off the number that it begins with; code is empty when there is no such country.
func SplitCode(digits []byte) (code, national []byte) {
	n := callingCode(digits)
	code, national = digits[:n], digits[n:]
	if n > 0 && len(national) > 0 && national[0] == '0' { // +32 (0)475
		national = national[1:]
	}
	return code, national
}

// callingCode tells how long the country's code is, by ITU-T E.164.
func callingCode(d []byte) int {
	if len(d) < 3 {
		return 0
	}
	switch two := int(d[0]-'0')*10 + int(d[1]-'0'); {
	case two < 10:
		return 0
	case d[0] == '1' || d[0] == '7':
		return 1
	case two == 20 || two == 27 || two == 28 || two >= 30 && two <= 34 || two == 36 || two >= 39 && two <= 41 || two >= 43 && two <= 49,
		two >= 51 && two <= 58, two >= 60 && two <= 66, two == 81 || two == 82 || two == 84 || two == 86, two >= 90 && two <= 95 || two == 98:
		return 2
	}
	return 3
}

// NationalKey and InternationalKey give the keys of a phone number: of its digits within the country, and of those behind the country's code.
func (h hasher) NationalKey(digits []byte) Key { return h.sum(tagNational, digits) }

// InternationalKey is described with NationalKey; code holds the country's code.
func (h hasher) InternationalKey(code, national []byte) Key {
	var buf [2 * maxPhone]byte
	return h.sum(tagInternational, append(append(buf[:0], code...), national...))
}

// phoneDigits appends the digits of the number that the value begins with, behind words, and tells whether a plus sign stands before them. An
// extension does not belong to it.
func phoneDigits(b, value []byte) (_ []byte, plus bool) {
	for i := 0; i < len(value); {
		c := value[i]
		f, n := folded(0), 1
		if c >= utf8.RuneSelf {
			f, n = foldAt(value, i)
		} else if x := ascii[c]; x >= 'a' {
			f = makeFolded(letters, nil)
		} else if x > 0 {
			f = makeFolded(digits, value[i:i+1])
		}
		switch {
		case f.class() == digits:
			for k := range f.len() {
				b = append(b, byte(f>>(8+8*k)))
			}
		case len(b) == 0:
			plus = plus || c == '+' || bytes.HasPrefix(value[i:], []byte("＋"))
		case len(b) >= minPhone && (f.class() == letters || c == ',' || c == ';' || c == '\n' || c == '#'):
			return b, plus
		}
		i += n
	}
	return b, plus
}

func (f *former) phone(value []byte) Reason {
	b, plus := phoneDigits(f.buf[:0], value)
	f.buf = b
	how, code, national := Dial(b, plus)
	switch {
	case len(b) == 0 && len(bytes.TrimSpace(value)) == 0:
		return Empty
	case len(b) == 0:
		return Malformed
	case len(national) < minPhone:
		return Short
	case len(national) > maxPhone:
		return Long
	case bytes.Count(national, national[:1]) == len(national):
		return Common
	}
	m := markStrict
	if how == Bare && len(code) == 0 {
		m |= markBare
	}
	f.emitNumber(f.NationalKey(national), personal.Phone, m, NationalNumbers, len(national))
	if len(code) > 0 {
		f.emitNumber(f.InternationalKey(code, national), personal.Phone, markStrict, InternationalNumbers, len(code)+len(national))
	}
	return Usable
}
