// Package names holds given names, family names, streets and towns from which replacements of personal data are drawn, in French, Dutch, German and
// English. The lists were written for this program and belong to nobody.
//
// Family names come in two kinds. The listed ones are borne by many people; a source of any size holds them. The composed ones, of a beginning and an
// ending that sound like the language, are mostly borne by nobody: with them a full name can be given that no person of the source has.
package names

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// A Language says from whose lists names are drawn: that of a language and a country.
type Language string

// The languages that there are lists for.
const (
	FrenchBelgium Language = "fr-BE"
	FrenchFrance  Language = "fr-FR"
	DutchBelgium  Language = "nl-BE"
	DutchHolland  Language = "nl-NL"
	German        Language = "de-DE"
	English       Language = "en-GB"
)

// Languages lists them all.
func Languages() []Language {
	return []Language{FrenchBelgium, FrenchFrance, DutchBelgium, DutchHolland, German, English}
}

// Parse reads a language as a plan writes it. A language alone stands for its greatest country.
func Parse(s string) (Language, error) {
	switch s {
	case "fr":
		return FrenchFrance, nil
	case "nl":
		return DutchHolland, nil
	case "de":
		return German, nil
	case "en":
		return English, nil
	}
	if l := Language(s); slices.Contains(Languages(), l) {
		return l, nil
	}
	return "", fmt.Errorf("there are no names for %q; the languages are %v", s, Languages())
}

// A Town is a place with one of its postcodes, which belong together.
type Town struct{ Name, Postcode string }

// Lists are the names of one language. They are shared: nobody writes to them.
type Lists struct {
	Language Language
	Female   []string
	Male     []string
	Family   []string
	Towns    []Town

	heads, tails         []string
	streets, ways, marks []string
	sentences            []string
}

// Of returns the lists of a language, those of France when there are none.
func Of(l Language) *Lists {
	all := read()
	if found, ok := all[l]; ok {
		return found
	}
	return all[FrenchFrance]
}

// Sex is what a given name says of its bearer.
type Sex uint8

// A name that is in both lists, or in none, says nothing.
const (
	Unknown Sex = iota
	Female
	Male
)

// Given returns the given names of a sex.
func (l *Lists) Given(s Sex) []string {
	if s == Male {
		return l.Male
	}
	return l.Female
}

// A Picker draws a number below n.
type Picker interface{ Below(n int) int }

// AppendComposed writes a family name made of a beginning and an ending.
func (l *Lists) AppendComposed(dst []byte, p Picker) []byte {
	head, tail := l.heads[p.Below(len(l.heads))], l.tails[p.Below(len(l.tails))]
	if head[len(head)-1] == tail[0] {
		tail = tail[1:]
	}
	return append(append(dst, head...), tail...)
}

// AppendStreet writes the name of a street, which need not be anywhere, with a house number as the country writes it.
func (l *Lists) AppendStreet(dst []byte, p Picker) []byte {
	number := 1 + p.Below(398)
	name, way, mark := l.streets[p.Below(len(l.streets))], l.ways[p.Below(len(l.ways))], l.marks[p.Below(len(l.marks))]
	switch l.Language {
	case FrenchFrance:
		dst = appendNumber(dst, number)
		dst = append(append(append(append(append(dst, ' '), way...), " des "...), mark...), name...)
	case FrenchBelgium:
		dst = append(append(append(append(dst, way...), " des "...), mark...), name...)
		dst = upperFirst(append(dst, ' '), len(way)+len(" des ")+len(mark)+len(name)+1)
		dst = appendNumber(dst, number)
	case English:
		dst = append(appendNumber(dst, number), ' ')
		dst = append(append(append(append(dst, mark...), name...), ' '), way...)
	default: // Dutch and German write name and way as one word, the number behind it
		dst = append(append(append(append(dst, mark...), name...), way...), ' ')
		dst = appendNumber(dst, number)
	}
	return dst
}

// upperFirst makes the letter that begins the last n bytes a capital; ways begin with letters of ASCII.
func upperFirst(b []byte, n int) []byte {
	if c := &b[len(b)-n]; 'a' <= *c && *c <= 'z' {
		*c -= 'a' - 'A'
	}
	return b
}

func appendNumber(dst []byte, n int) []byte {
	if n >= 100 {
		dst = append(dst, byte('0'+n/100))
	}
	if n >= 10 {
		dst = append(dst, byte('0'+n/10%10))
	}
	return append(dst, byte('0'+n%10))
}

var read = sync.OnceValue(func() map[Language]*Lists {
	fr := Lists{
		Language: FrenchFrance, Female: words(frFemale), Male: words(frMale), Family: words(frFamily), Towns: towns(frTowns),
		heads: words(frHeads), tails: words(frTails), streets: words(frStreets), ways: parts(frWays), marks: parts(frMarks), sentences: parts(frSentences),
	}
	be := fr
	be.Language, be.Family, be.Towns = FrenchBelgium, words(beFamily), towns(beTowns)
	nl := Lists{
		Language: DutchHolland, Female: words(nlFemale), Male: words(nlMale), Family: words(nlFamily), Towns: towns(nlTowns),
		heads: words(nlHeads), tails: words(nlTails), streets: joined(nlStreets), ways: parts(nlWays), marks: parts(nlMarks), sentences: parts(nlSentences),
	}
	vl := nl
	vl.Language, vl.Towns = DutchBelgium, towns(vlTowns)
	de := Lists{
		Language: German, Female: words(deFemale), Male: words(deMale), Family: words(deFamily), Towns: towns(deTowns),
		heads: words(deHeads), tails: words(deTails), streets: joined(deStreets), ways: parts(deWays), marks: parts(deMarks), sentences: parts(deSentences),
	}
	en := Lists{
		Language: English, Female: words(enFemale), Male: words(enMale), Family: words(enFamily), Towns: towns(enTowns),
		heads: words(enHeads), tails: words(enTails), streets: words(enStreets), ways: parts(enWays), marks: parts(enMarks), sentences: parts(enSentences),
	}
	all := map[Language]*Lists{}
	for _, l := range []*Lists{&fr, &be, &nl, &vl, &de, &en} {
		all[l.Language] = l
	}
	return all
})

func words(s string) []string { return strings.Fields(s) }
func parts(s string) []string { return strings.Split(s, "|") }

// joined are the beginnings of words, which all are words that go on.
func joined(s string) []string { return words(s) }

func towns(s string) []Town {
	var all []Town
	for _, t := range parts(s) {
		at := strings.IndexFunc(t, func(r rune) bool { return '0' <= r && r <= '9' })
		if strings.LastIndex(t[:at], " ") != at-1 { // a British postcode begins with letters
			at = strings.LastIndex(t[:at], " ") + 1
		}
		all = append(all, Town{strings.TrimSpace(t[:at]), t[at:]})
	}
	return all
}

// SexOf tells what a given name, folded to small letters without accents and signs, says of its bearer.
func SexOf(folded []byte) Sex { return sexes()[string(folded)] }

// IsGiven reports whether a folded word is a given name of one of the lists.
func IsGiven(folded []byte) bool {
	_, ok := sexes()[string(folded)]
	return ok
}

var sexes = sync.OnceValue(func() map[string]Sex {
	all := map[string]Sex{}
	for _, l := range read() {
		for _, s := range []Sex{Female, Male} {
			for _, name := range l.Given(s) {
				key := Fold(name)
				if was, ok := all[key]; ok && was != s {
					all[key] = Unknown
				} else if !ok {
					all[key] = s
				}
			}
		}
	}
	return all
})

// Fold makes small letters and digits of a name, without accents, blanks and signs: Éloïse, ELOISE and "El-oise" become the same.
func Fold(name string) string { return string(AppendFold(nil, []byte(name))) }

// AppendFold does so without making a string. What is no letter of the Latin alphabet stays, in small; what is no UTF-8 stays as it is, so that
// different values stay different.
func AppendFold(dst, name []byte) []byte {
	for i := 0; i < len(name); {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			dst = append(dst, c)
			i++
			continue
		case 'A' <= c && c <= 'Z':
			dst = append(dst, c+'a'-'A')
			i++
			continue
		case c < utf8.RuneSelf:
			i++
			continue
		}
		r, n := utf8.DecodeRune(name[i:])
		if r == utf8.RuneError && n == 1 {
			dst = append(dst, c)
		} else {
			dst = appendPlain(dst, r)
		}
		i += n
	}
	return dst
}
