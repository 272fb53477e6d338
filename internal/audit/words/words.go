// Package words tells the words of an entry of the record apart, for whoever searches: what a reader types and what an entry holds
// become the same words here, and nowhere else.
//
//   - Case and accents do not count: “Créé” is found by “cree”.
//   - A word is a run of letters and digits. A UUID is one word, and its last eight characters are another: pages show those.
//   - Of detail, the names and the values are words.
//
// Proven by TestOf, TestQuery and FuzzQuery.
package words

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/google/uuid"
)

// The bounds: a longer word is cut, more words are left out.
const (
	longest   = 64  // characters
	mostOf    = 512 // of an entry
	mostAsked = 12
	shortID   = 8
)

// Of tells the words of texts apart, each once, in order.
func Of(texts ...string) []string {
	var out []string
	for _, t := range texts {
		out = appendWords(out, t)
	}
	return once(out, mostOf)
}

// OfEntry are the words that an entry is found by.
func OfEntry(object, reason, request string, detail map[string]any) []string {
	out := appendWords(appendWords(appendWords(nil, object), reason), request)
	return once(appendValues(out, detail), mostOf)
}

func once(list []string, most int) []string {
	slices.Sort(list)
	list = slices.Compact(list)
	return list[:min(len(list), most)]
}

func appendValues(out []string, v any) []string {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			out = appendValues(appendWords(out, name), value)
		}
	case []any:
		for _, value := range v {
			out = appendValues(out, value)
		}
	case string:
		out = appendWords(out, v)
	case nil, bool:
	default:
		b, _ := json.Marshal(v) // of a number, as it was read out of JSON
		out = appendWords(out, string(b))
	}
	return out
}

func appendWords(out []string, text string) []string {
	text = plain(text)
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' }) {
		if id, err := uuid.Parse(part); err == nil && len(part) == 36 {
			out = append(out, id.String(), part[len(part)-shortID:])
			continue
		}
		for word := range strings.SplitSeq(part, "-") {
			if word != "" {
				out = append(out, cut(word))
			}
		}
	}
	return out
}

// plain takes case and accents away.
func plain(s string) string {
	s = norm.NFKD.String(strings.ToLower(s))
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, s)
}

func cut(s string) string {
	if len(s) <= longest {
		return s
	}
	runes := []rune(s)
	return string(runes[:min(len(runes), longest)])
}

// Asked is what a reader searches for: entries that have all of the words. One that ended in * is the beginning of a word.
type Asked struct {
	whole, begin []string
}

// Ask reads what a reader typed; no words: there is nothing to search for.
func Ask(text string) (a Asked) {
	for _, part := range strings.Fields(text) {
		list := appendWords(nil, part)
		if body, ok := strings.CutSuffix(part, "*"); ok && body != "" && len(list) > 0 {
			a.begin, list = append(a.begin, list[len(list)-1]), list[:len(list)-1]
		}
		if len(list) == 2 && len(list[0]) == 36 { // the UUID says it all
			list = list[:1]
		}
		a.whole = append(a.whole, list...)
	}
	a.whole, a.begin = once(a.whole, mostAsked), once(a.begin, mostAsked)
	return a
}

// None reports that there are no words.
func (a Asked) None() bool { return len(a.whole) == 0 && len(a.begin) == 0 }

// Query writes it as PostgreSQL's tsquery. Words hold nothing but letters, digits and the hyphens of a UUID, which need no escape in quotes.
func (a Asked) Query() string {
	var parts []string
	for _, w := range a.whole {
		parts = append(parts, "'"+w+"'")
	}
	for _, w := range a.begin {
		parts = append(parts, "'"+w+"':*")
	}
	return strings.Join(parts, " & ")
}

// In reports whether words that were told apart have all that is asked for.
func (a Asked) In(list []string) bool {
	for _, w := range a.whole {
		if _, ok := slices.BinarySearch(list, w); !ok {
			return false
		}
	}
	for _, w := range a.begin {
		if i, _ := slices.BinarySearch(list, w); i == len(list) || !strings.HasPrefix(list[i], w) {
			return false
		}
	}
	return true
}
