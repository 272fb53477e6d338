package detect

import (
	"unicode"
	"unicode/utf8"
)

// split cuts the name of a column or table into its words, folded: snake_case, kebab-case, camelCase, quoted names with blanks, digits apart.
func split(name string) []string {
	var words []string
	var word []byte
	flush := func() {
		if len(word) > 0 {
			words = append(words, string(word))
			word = word[:0]
		}
	}
	var before rune
	for i, r := range name {
		switch {
		case unicode.IsLetter(r):
			if unicode.IsUpper(r) && (unicode.IsLower(before) || unicode.IsUpper(before) && lowerFollows(name, i)) || unicode.IsDigit(before) {
				flush()
			}
			word = appendPlain(word, r)
		case unicode.Is(unicode.Mn, r): // an accent of the letter before
			continue
		case unicode.IsDigit(r):
			if !unicode.IsDigit(before) {
				flush()
			}
			word = utf8.AppendRune(word, r)
		default:
			flush()
		}
		before = r
	}
	flush()
	return words
}

// lowerFollows tells the last capital of an abbreviation from the first of a word: the P of "IPAddress" from its A.
func lowerFollows(name string, i int) bool {
	_, n := utf8.DecodeRuneInString(name[i:])
	next, _ := utf8.DecodeRuneInString(name[i+n:])
	return unicode.IsLower(next)
}
