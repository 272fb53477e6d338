package strictyaml

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Shown writes a word of a file in a message: short, and with nothing a terminal would obey.
func Shown(s string) string {
	const most = 80
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return strconv.Quote(s)
}

// Listed writes words as "a, b or c".
func Listed(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " " + last + " " + words[len(words)-1]
}

// Flow writes a list of texts on one line.
func Flow(words []string) string {
	written := make([]string, len(words))
	for i, w := range words {
		written[i] = Scalar(w)
	}
	return "[" + strings.Join(written, ", ") + "]"
}

var plainScalar = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./() -]*[A-Za-z0-9_.)]$|^[a-z_]$`)

// Scalar writes a text so that YAML reads the same text, wherever it stands.
func Scalar(s string) string {
	if plainScalar.MatchString(s) && !meantOtherwise(s) {
		return s
	}
	if !strings.ContainsFunc(s, unseen) {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c < ' ' || c >= 0x7f && c <= 0x9f:
			fmt.Fprintf(&b, `\x%02x`, c)
		case c > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, c)
		case unseen(c):
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String() + `"`
}

// unseen tells characters that must be written by their number.
func unseen(c rune) bool {
	return c < ' ' || c >= 0x7f && c <= 0x9f || c == '\u2028' || c == '\u2029' || c == '\ufeff' || c > 0xffff
}

// meantOtherwise tells words that YAML takes for something else than text, or took in its version 1.1.
func meantOtherwise(s string) bool {
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "y", "n", "null":
		return true
	}
	return false
}
