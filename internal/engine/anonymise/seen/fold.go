package seen

import (
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A class says what a character does to a word.
type class uint8

const (
	separator class = iota // ends it
	ignored                // is as if it were not there: marks, soft hyphens, zero-width characters
	letters                // goes on with letters
	digits                 // goes on with digits
)

// folded is one character after folding: its bytes from the second byte up, their number and the class in the lowest.
type folded uint64

func (f folded) class() class { return class(f >> 4 & 0xf) }
func (f folded) len() int     { return int(f & 0xf) }

const maxFolded = 7

func makeFolded(c class, b []byte) folded {
	for len(b) > maxFolded { // a word or a phrase in one character; none of them is part of a name
		_, n := utf8.DecodeLastRune(b)
		b = b[:len(b)-n]
	}
	f := folded(c)<<4 | folded(len(b))
	for i, x := range b {
		f |= folded(x) << (8 + 8*i)
	}
	return f
}

// tabled is where the table ends: Latin, Greek, Cyrillic, Hebrew, Arabic, the scripts of India, and all punctuation.
const tabled = 0x3000

var table = sync.OnceValue(func() *[tabled]folded {
	t := new([tabled]folded)
	for r := range rune(tabled) {
		t[r] = fold(r)
	}
	return t
})

// fold folds one character. What NFKD and case leave of letters with a stroke and of ligatures is spelled out.
func fold(r rune) folded {
	switch r {
	case 0x115f, 0x1160, 0x3164, 0xffa0: // fillers, letters by category
		return makeFolded(ignored, nil)
	}
	var buf [4]byte
	whole := buf[:utf8.EncodeRune(buf[:], r)]
	if d := norm.NFKD.Properties(whole).Decomposition(); d != nil && !unicode.Is(unicode.Hangul, r) { // whose syllables are words of a name already
		whole = d
	}
	var out [24]byte
	b, c := out[:0], ignored
	for i, n := 0, 0; i < len(whole); i += n {
		var x rune
		x, n = utf8.DecodeRune(whole[i:])
		switch {
		case unicode.In(x, unicode.Mn, unicode.Me, unicode.Cf):
		case x == 'ʼ' || x == 'ʻ' || x == 'ʹ' || x == 'ˈ': // letters by category, apostrophes by use
			if len(b) == 0 {
				c = separator
			}
		case unicode.Is(unicode.Nd, x):
			b, c = append(b, digit(x)), digits
		case unicode.IsLetter(x) || unicode.IsNumber(x) || x < 0x10000 && unicode.Is(unicode.Mc, x):
			b, c = appendLetter(b, unicode.ToLower(x)), letters
		case len(b) == 0:
			c = separator
		}
	}
	return makeFolded(c, b)
}

// digit tells the digit of any script: the decimal digits stand in runs of ten.
func digit(r rune) byte {
	if r < utf8.RuneSelf {
		return byte(r)
	}
	for _, x := range unicode.Nd.R16 {
		if rune(x.Lo) <= r && r <= rune(x.Hi) {
			return '0' + byte((r-rune(x.Lo))%10)
		}
	}
	for _, x := range unicode.Nd.R32 {
		if rune(x.Lo) <= r && r <= rune(x.Hi) {
			return '0' + byte((r-rune(x.Lo))%10)
		}
	}
	return '0'
}

func appendLetter(b []byte, r rune) []byte {
	switch r {
	case 'ß':
		return append(b, "ss"...)
	case 'æ':
		return append(b, "ae"...)
	case 'œ':
		return append(b, "oe"...)
	case 'þ':
		return append(b, "th"...)
	case 'ø':
		return append(b, 'o')
	case 'ł':
		return append(b, 'l')
	case 'đ', 'ð':
		return append(b, 'd')
	case 'ħ':
		return append(b, 'h')
	case 'ı':
		return append(b, 'i')
	case 'ŧ':
		return append(b, 't')
	case 'ŋ':
		return append(b, 'n')
	case 'ς':
		r = 'σ'
	}
	return utf8.AppendRune(b, r)
}

// ascii folds what prose mostly consists of: the lower-case letter or the digit, 0 for all else.
var ascii = func() (t [utf8.RuneSelf]byte) {
	for c := range byte(utf8.RuneSelf) {
		switch {
		case 'a' <= c && c <= 'z' || '0' <= c && c <= '9':
			t[c] = c
		case 'A' <= c && c <= 'Z':
			t[c] = c + 'a' - 'A'
		}
	}
	return t
}()

// foldAt folds the character at s[i], which is not ASCII, and tells how many bytes it takes.
func foldAt(s []byte, i int) (folded, int) { return foldWith(table(), s, i) }

func foldWith(t *[tabled]folded, s []byte, i int) (folded, int) {
	if c := s[i]; 0xc2 <= c && c < 0xe0 && i+1 < len(s) && s[i+1]&0xc0 == 0x80 { // two bytes: nearly all accents
		return t[rune(c&0x1f)<<6|rune(s[i+1]&0x3f)], 2
	}
	r, n := utf8.DecodeRune(s[i:])
	switch {
	case r == utf8.RuneError && n <= 1:
		return 0, 1
	case r < tabled:
		return t[r], n
	}
	return fold(r), n
}

// appendWord appends the folded word that stands in s[i:] behind any separators, and tells where it ends. It appends nothing at the end of s.
func appendWord(dst, s []byte, i int) ([]byte, int) {
	from := len(dst)
	for i < len(s) {
		if c := s[i]; c < utf8.RuneSelf {
			f := ascii[c]
			if f == 0 {
				if len(dst) > from {
					return dst, i
				}
			} else {
				dst = append(dst, f)
			}
			i++
			continue
		}
		f, n := foldAt(s, i)
		if f.class() == separator && len(dst) > from {
			return dst, i
		}
		for k := range f.len() {
			dst = append(dst, byte(f>>(8+8*k)))
		}
		i += n
	}
	return dst, i
}

// AppendFold appends the folded words of s with one blank between them.
func AppendFold(dst, s []byte) []byte {
	for i := 0; ; {
		n := len(dst)
		if n > 0 && i > 0 {
			dst = append(dst, ' ')
		}
		from := len(dst)
		dst, i = appendWord(dst, s, i)
		if len(dst) == from {
			return dst[:n]
		}
	}
}

// AppendGlued appends the folded letters and digits of s with nothing between them.
func AppendGlued(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if f := ascii[c]; f != 0 {
				dst = append(dst, f)
			}
			i++
			continue
		}
		f, n := foldAt(s, i)
		for k := range f.len() {
			dst = append(dst, byte(f>>(8+8*k)))
		}
		i += n
	}
	return dst
}

// AppendDigits appends the digits of s, of whatever script, and nothing else.
func AppendDigits(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if '0' <= c && c <= '9' {
				dst = append(dst, c)
			}
			i++
			continue
		}
		f, n := foldAt(s, i)
		if f.class() == digits {
			for k := range f.len() {
				dst = append(dst, byte(f>>(8+8*k)))
			}
		}
		i += n
	}
	return dst
}
