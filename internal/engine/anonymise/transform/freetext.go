package transform

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/garant-project/garant/internal/engine/anonymise/names"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// longest is how many words a value of the source may have to be recognised in a sentence: "Jean-Pierre Van den Berghe", a number written in groups.
const longest = 6

// freeText replaces what sentences mention: what the finder knows by its look, and what the source holds elsewhere. Each mention becomes what the
// transformer of its kind makes of it, as in a column of its own.
type freeText struct {
	env    Env
	finder Finder
	taken  Taken
	glance Glancer // nil: every word is looked up
	of     map[personal.Kind]Transformer
	limit  int
	found  []Mention
	words  []span
	all    []Mention
}

type span struct {
	start, end int
	capital    bool // begins with a capital, or holds a digit or an @
	number     bool // is digits and separators
	digits     int
	alphas     int // bytes of letters
	mail       bool
	// As Glancer says.
	words, known, telling int
	other                 bool
}

// Glancer is a Taken that can tell quickly what it need not be asked.
type Glancer interface {
	// Glance tells of what stands without blanks how many words it has, how many of them occur in names and addresses of the source, and how many of those say more than an
	// article or a title does; other, that it may be written in a way that the words do not show.
	Glance(token []byte) (words, known, telling int, other bool)
}

// Append implements Transformer.
func (t *freeText) Append(dst, value []byte, row Row) ([]byte, error) {
	t.all = t.all[:0]
	if t.finder != nil {
		t.found = t.finder.Find(t.found[:0], value)
	} else {
		t.found = t.found[:0]
	}
	at := 0
	for _, m := range t.found {
		if m.Start < at || m.End <= m.Start || m.End > len(value) {
			continue // a finder that overlaps or points outside
		}
		if t.taken != nil {
			t.look(value, at, m.Start)
		}
		t.all = append(t.all, m)
		at = m.End
	}
	if t.taken != nil {
		t.look(value, at, len(value))
	}
	start := len(dst)
	at = 0
	var err error
	for _, m := range t.all {
		tr := t.of[m.Kind]
		if tr == nil {
			continue // of a kind that is no identifier in a sentence
		}
		dst = appendValid(dst, value[at:m.Start])
		at = m.End
		if dst, err = tr.Append(dst, value[m.Start:m.End], row); errors.Is(err, ErrNull) {
			err = nil
		}
		if err != nil {
			return dst, err
		}
	}
	dst = appendValid(dst, value[at:])
	return cut(dst, start, t.limit), nil
}

// appendValid copies text that is valid UTF-8, without NUL.
func appendValid(dst, text []byte) []byte {
	if utf8.Valid(text) && !slices.Contains(text, 0) {
		return append(dst, text...)
	}
	for _, r := range string(text) {
		if r != 0 {
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}

// look finds values of the source between two places, the longest first.
func (t *freeText) look(value []byte, from, to int) {
	t.words = t.words[:0]
	for i := from; i < to; {
		n, blank := blankAt(value[i:to])
		if blank {
			i += n
			continue
		}
		w := span{start: i}
		for i < to {
			if n, blank = blankAt(value[i:to]); blank {
				break
			}
			i += n
		}
		w.end = i
		for w.start < w.end { // without the signs around a word
			if c := value[w.start]; 'a' <= c && c <= 'z' {
				break
			}
			r, n := utf8.DecodeRune(value[w.start:w.end])
			if unicode.IsLetter(r) || unicode.IsDigit(r) || r == '+' || r == utf8.RuneError {
				w.capital = unicode.IsUpper(r) || unicode.IsDigit(r) || r == '+'
				break
			}
			w.start += n
		}
		for w.end > w.start {
			if c := value[w.end-1]; 'a' <= c && c <= 'z' {
				break
			}
			r, n := utf8.DecodeLastRune(value[w.start:w.end])
			if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.M, r) || r == utf8.RuneError {
				break
			}
			w.end -= n
		}
		if w.start == w.end {
			continue
		}
		w.number = true
		for _, c := range value[w.start:w.end] {
			switch {
			case '0' <= c && c <= '9':
				w.capital = true
				w.digits++
				continue
			case c == '@' || c == '_':
				w.capital = true
				w.mail = w.mail || c == '@'
			}
			if c >= 'A' {
				w.number = false
				w.alphas++
			}
		}
		if t.glance != nil {
			w.words, w.known, w.telling, w.other = t.glance.Glance(value[w.start:w.end])
		}
		t.words = append(t.words, w)
	}
	for i := 0; i < len(t.words); i++ {
		w := t.words[i]
		most := min(longest, len(t.words)-i)
		if !w.capital {
			most = min(most, 2) // "jean dupont", and no single word that may be one of the language
		}
		for n := most; n >= 1; n-- {
			last := t.words[i+n-1]
			if n > 1 && !w.number && !last.capital && w.capital || last.end-w.start < 3 || n == 1 && !w.capital {
				continue // a name ends with a capital when it begins with one
			}
			if t.glance != nil && !likely(t.words[i:i+n]) {
				continue
			}
			if k, ok := t.kindOf(value[w.start:last.end], n); ok {
				t.all = append(t.all, Mention{w.start, last.end, k})
				i += n - 1
				break
			}
		}
	}
}

// blankAt tells how long the character is that a text begins with, and whether it is a blank.
func blankAt(text []byte) (n int, blank bool) {
	if c := text[0]; c < utf8.RuneSelf {
		return 1, c == ' ' || '\t' <= c && c <= '\r'
	}
	r, n := utf8.DecodeRune(text)
	return n, unicode.IsSpace(r)
}

// likely reports whether words may be a value of the source. It errs towards yes: what the source holds as a name or an address has all its words there, but for those in
// the middle of a full name; usernames, numbers and addresses of e-mail are told by how they look.
func likely(words []span) bool {
	var all span
	for i := range words {
		w := &words[i]
		all.digits += w.digits
		all.alphas += w.alphas
		all.words += w.words
		all.known += w.known
		all.telling += w.telling
		all.mail = all.mail || w.mail
		all.other = all.other || w.other
	}
	switch {
	case all.other || all.mail || all.digits > 0 && all.alphas == 0:
		return true
	case len(words) == 1:
		return all.digits > 0 || all.known > 0 || all.words > 1
	case all.digits >= 3 && all.digits+all.alphas <= 2*longestNumber:
		return true
	}
	return all.telling >= 2 || all.telling == 1 && all.known == all.words
}

// longestNumber is how many letters and digits an IBAN may have (ISO 13616).
const longestNumber = 34

// What words may be, by how they look: looking each up as every kind would cost too much.
var (
	asAddress = []personal.Kind{personal.Email, personal.Username}
	asNumber  = []personal.Kind{personal.NationalNumber, personal.Phone, personal.IBAN, personal.Card, personal.IdentityPaper, personal.IP}
	asMixed   = []personal.Kind{personal.IdentityPaper, personal.IBAN, personal.Username, personal.Device}
	asWords   = []personal.Kind{personal.FullName, personal.FamilyName, personal.Address}
	asPhrase  = []personal.Kind{personal.Address, personal.IBAN, personal.IdentityPaper}
	asWord    = []personal.Kind{personal.FamilyName, personal.GivenName, personal.Username}
)

// kindOf tells as what the source holds n words.
func (t *freeText) kindOf(value []byte, n int) (personal.Kind, bool) {
	digits, alphas := 0, 0
	kinds := asWord
	for _, c := range value {
		switch {
		case '0' <= c && c <= '9':
			digits++
		case c == '@':
			kinds = asAddress
		case c >= 'A':
			alphas++
		}
	}
	switch {
	case kinds[0] == personal.Email:
	case digits > 0 && alphas == 0:
		kinds = asNumber
	case digits > 0 && n == 1:
		kinds = asMixed
	case digits > 0:
		kinds = asPhrase
	case n > 1:
		kinds = asWords
	}
	for _, k := range kinds {
		if t.taken.Taken(k, value) {
			return k, true
		}
	}
	return "", false
}

// Close implements Transformer.
func (t *freeText) Close() error { return nil }

// mentioned are the kinds that are looked for in sentences.
var mentioned = []personal.Kind{
	personal.NationalNumber, personal.IBAN, personal.Card, personal.IdentityPaper, personal.Email, personal.Phone, personal.FullName, personal.FamilyName,
	personal.GivenName, personal.Username, personal.Address, personal.IP, personal.Device, personal.PersonURL, personal.BirthDate,
	personal.Credential, personal.Coordinates,
}

func makeFreeText(m *maker) (Transformer, error) {
	if m.text("replace", "mentions", "mentions", "all") == "all" {
		return &filler{lists: m.language(), mac: m.env.Key.mac("filler"), limit: m.limit()}, nil
	}
	if m.env.Finder == nil && m.env.Taken == nil {
		return nil, errors.New(`needs something that finds mentions; without, write replace: all`)
	}
	t := &freeText{env: m.env, finder: m.env.Finder, taken: m.env.Taken, of: map[personal.Kind]Transformer{}, limit: m.limit()}
	t.glance, _ = m.env.Taken.(Glancer)
	language := m.language().Language
	env := m.env
	env.Language = language
	for _, k := range mentioned {
		tr, err := make1(For(k), Column{Name: m.column.Name, Type: "text", Kind: k}, env)
		if err != nil {
			return nil, fmt.Errorf("for mentions of kind %s: %w", k, err)
		}
		t.of[k] = tr
	}
	if m.family != Text {
		return nil, errors.New("reads text; JSON documents have a transformer of their own")
	}
	return t, nil
}

// filler writes sentences that say nothing. How long the value is to the letter would tell whose it is to somebody who can ask production for lengths: only between which powers of two stays.
type filler struct {
	standing
	lists *names.Lists
	mac   *mac
	limit int
}

// Append implements Transformer.
func (t *filler) Append(dst, value []byte, _ Row) ([]byte, error) {
	n := letters(value)
	if n == 0 {
		return dst, nil
	}
	d := t.mac.draw(value, 0)
	least := 1 << (bits.Len(uint(n)) - 1) //nolint:gosec // lengths are not negative
	want := min(least+d.Below(least), t.limit)
	start, have := len(dst), 0
	for have < want {
		sentence := t.lists.Sentence(d)
		if have > 0 {
			dst = append(dst, ' ')
			have++
		}
		dst = append(dst, sentence...)
		have += utf8.RuneCountInString(sentence)
	}
	dst = cut(dst, start, want)
	for n := letters(dst[start:]); n < want; n++ { // a blank at the end was cut away
		dst = append(dst, '.')
	}
	return dst, nil
}
