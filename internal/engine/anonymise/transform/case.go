package transform

import (
	"unicode"
	"unicode/utf8"

	"github.com/garant-project/garant/internal/engine/anonymise/names"
)

// style is how a word is written: in capitals, in small letters, or with one capital at its beginning.
type style uint8

const (
	title style = iota
	lower
	upper
)

// styleOf tells the style of a word. ascii is true when it has no letter beyond ASCII.
func styleOf(word []byte) (s style, ascii bool) {
	ascii = true
	var letters, capitals int
	first := true
	s = title
	for i := 0; i < len(word); {
		r, n := rune(word[i]), 1
		if r >= utf8.RuneSelf {
			ascii = false
			r, n = utf8.DecodeRune(word[i:])
		}
		i += n
		if !unicode.IsLetter(r) {
			continue
		}
		letters++
		if unicode.IsUpper(r) {
			capitals++
		} else if first {
			s = lower
		}
		first = false
	}
	if letters >= 2 && capitals == letters {
		s = upper
	}
	return s, ascii
}

// appendStyled writes a name, which has a capital at its beginning, in a style; plain without accents.
func appendStyled(dst, name []byte, s style, plain bool) []byte {
	for i := 0; i < len(name); {
		r, n := rune(name[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(name[i:])
		}
		i += n
		switch {
		case s == lower:
			r = unicode.ToLower(r)
		case s == upper && r == 'ß':
			dst = append(dst, 'S', 'S')
			continue
		case s == upper:
			r = unicode.ToUpper(r)
		}
		if plain && r >= utf8.RuneSelf {
			if p := names.Plain(r); p != "" {
				dst = append(dst, p...)
				continue
			}
			r = '\''
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// cut shortens what stands behind start to n letters, without a blank at its end.
func cut(dst []byte, start, n int) []byte {
	if len(dst)-start <= n {
		return dst
	}
	end := start
	for range n {
		if end >= len(dst) {
			return dst
		}
		_, size := utf8.DecodeRune(dst[end:])
		end += size
	}
	for end > start && (dst[end-1] == ' ' || dst[end-1] == '-') {
		end--
	}
	return dst[:end]
}

// letters counts the letters of what varchar(n) counts.
func letters(b []byte) int { return utf8.RuneCount(b) }

// isWord reports whether the letter at the beginning of b belongs to a word, and its size. What is no UTF-8 belongs to one, so that it is replaced.
func isWord(b []byte) (bool, int) {
	c := b[0]
	if c < utf8.RuneSelf {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '\'', 1
	}
	r, n := utf8.DecodeRune(b)
	return r == utf8.RuneError || r == '’' || unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.M, r), n
}
