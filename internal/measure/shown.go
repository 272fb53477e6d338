package measure

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Shown makes words of others fit to be shown in an item: printable, one line, of most bytes at
// the most.
func Shown(words string, most int) string {
	words = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, words))
	if len(words) <= most {
		return words
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(words[cut]) {
		cut--
	}
	return words[:cut] + "…"
}
