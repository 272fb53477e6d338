package names

import (
	"unicode"
	"unicode/utf8"
)

// Base letters of U+00C0–U+017F, a blank where a letter becomes two or none; golang.org/x/text would decompose each value on the heap.
const (
	latin1 = "AAAAAA CEEEEIIIIDNOOOOO OUUUUY  aaaaaa ceeeeiiiidnooooo ouuuuy y"
	latinA = "AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIi  JjKkkLlLlLlLlLlNnNnNnnNnOoOoOo  RrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs"
)

// Plain tells the letters of ASCII that stand for a letter of the Latin alphabet, "" when there are none.
func Plain(r rune) string {
	switch {
	case r < utf8.RuneSelf:
		return ""
	case 0x300 <= r && r <= 0x36f:
		return ""
	case 0xc0 <= r && r <= 0xff && latin1[r-0xc0] != ' ':
		return latin1[r-0xc0 : r-0xc0+1]
	case 0x100 <= r && r <= 0x17f && latinA[r-0x100] != ' ':
		return latinA[r-0x100 : r-0x100+1]
	}
	switch r {
	case 'Æ':
		return "AE"
	case 'æ':
		return "ae"
	case 'Œ':
		return "OE"
	case 'œ':
		return "oe"
	case 'Ĳ':
		return "IJ"
	case 'ĳ':
		return "ij"
	case 'ß':
		return "ss"
	case 'ẞ':
		return "SS"
	case 'Þ':
		return "TH"
	case 'þ':
		return "th"
	case 'Ș':
		return "S"
	case 'ș':
		return "s"
	case 'Ț':
		return "T"
	case 'ț':
		return "t"
	}
	return ""
}

// appendPlain writes a letter beyond ASCII as AppendFold does.
func appendPlain(dst []byte, r rune) []byte {
	if p := Plain(r); p != "" {
		for i := range len(p) {
			dst = append(dst, p[i]|0x20)
		}
		return dst
	}
	switch {
	case unicode.Is(unicode.Mn, r):
		return dst
	case unicode.IsLetter(r), unicode.IsDigit(r):
		return utf8.AppendRune(dst, unicode.ToLower(r))
	}
	return dst
}
