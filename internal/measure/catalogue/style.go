package catalogue

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// nnbsp is U+202F, the narrow no-break space of French typography.
const nnbsp = '\u202f'

// names may hold digits in a text because they are names, not figures.
func names() []string {
	return []string{"SAML 2.0", "S3", "ISO/IEC 27001", "ISO 27001", "Art. 32", "article 32", "Article 32"}
}

// banned returns words that hedge, boast or mean nothing that a check could refute.
func banned(lang string) []string {
	switch lang {
	case "fr":
		return []string{"état de l'art", "régulièrement", "régulier", "réguliers", "régulière", "régulières", "peut", "peuvent",
			"pourra", "pourront", "dans la mesure du possible", "si possible", "meilleurs efforts", "de pointe",
			"de niveau militaire", "de qualité militaire", "le cas échéant"}
	case "en":
		return []string{"state of the art", "state-of-the-art", "regularly", "regular", "may", "might", "where possible",
			"where appropriate", "as appropriate", "best effort", "best efforts", "best-effort", "military grade", "military-grade",
			"cutting edge", "cutting-edge", "industry standard", "industry-standard"}
	}
	return nil
}

// plain is a text as it will roughly read: a letter stands for each value, and of a choice both words are there.
func (t Text) plain() string {
	var b strings.Builder
	for _, s := range t {
		switch {
		case !s.Placeholder():
			b.WriteString(s.Text)
		case s.Chooses():
			b.WriteString(s.Proven + " " + s.Else)
		case s.One == "":
			b.WriteString("x")
		default:
			b.WriteString("x" + string(nnbsp) + s.Many)
			if s.One != s.Many {
				b.WriteString(" x" + string(nnbsp) + s.One)
			}
		}
	}
	return b.String()
}

// flaw is what is wrong with the style of a text.
type flaw struct{ id, text, fix string }

// style returns what is wrong with a text in a language, or nil. Rules that belong to one
// language bind that language only.
func style(lang, s string) *flaw {
	for _, f := range []func(string, string) *flaw{figures, words, characters, spaces} {
		if found := f(lang, s); found != nil {
			return found
		}
	}
	return nil
}

// figures refuses digits outside the names that hold some.
func figures(_, s string) *flaw {
	for _, n := range names() {
		for from := 0; ; {
			i := strings.Index(s[from:], n)
			if i < 0 {
				break
			}
			i += from
			if boundary(s, i, i+len(n)) {
				s = s[:i] + s[i+len(n):]
				from = i
			} else {
				from = i + len(n)
			}
		}
	}
	if strings.ContainsFunc(s, unicode.IsNumber) {
		return &flaw{"catalogue.figure", "a literal figure stands in the text",
			"Make it a parameter and quote it as {name}."}
	}
	return nil
}

// words refuses what is banned, whatever the apostrophes, spaces and capitals.
func words(lang, s string) *flaw {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '’':
			return '\''
		case unicode.IsSpace(r):
			return ' '
		}
		return unicode.ToLower(r)
	}, s)
	for _, w := range banned(lang) {
		for from := 0; ; {
			i := strings.Index(s[from:], w)
			if i < 0 {
				break
			}
			i += from
			if boundary(s, i, i+len(w)) {
				return &flaw{"catalogue.banned", "the text says “" + w + "”, which no check can refute",
					"Say what is done, in the present."}
			}
			from = i + len(w)
		}
	}
	return nil
}

// boundary reports whether neither a letter nor a digit touches s[i:j] from outside.
func boundary(s string, i, j int) bool {
	touch := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }
	before, _ := utf8.DecodeLastRuneInString(s[:i]) // at an end: RuneError, which is neither
	after, _ := utf8.DecodeRuneInString(s[j:])
	return !touch(before) && !touch(after)
}

// characters refuses typewriter signs.
func characters(_, s string) *flaw {
	switch {
	case !norm.NFC.IsNormalString(s):
		return &flaw{"catalogue.composed", "an accent is written apart from its letter", "Save the text in Unicode form NFC."}
	case strings.ContainsAny(s, `'"`):
		return &flaw{"catalogue.quote", "a typewriter quote or apostrophe stands in the text", "Write ’, « » or “ ”."}
	case strings.Contains(s, "..."):
		return &flaw{"catalogue.ellipsis", "three dots stand in the text", "Write …, or end the sentence."}
	}
	return nil
}

// spaces holds each language to its rules for spaces around signs.
func spaces(lang, s string) *flaw {
	if s != strings.TrimSpace(s) {
		return &flaw{"catalogue.space", "a space stands at the beginning or the end of the text", "Remove it."}
	}
	const frFix = "Put a narrow no-break space (U+202F) before ; : ! ? % and inside « »."
	runes := []rune(s)
	at := func(i int) rune {
		if i < 0 || i >= len(runes) {
			return 0
		}
		return runes[i]
	}
	for i, r := range runes {
		prev := at(i - 1)
		switch {
		case unicode.IsSpace(r) && r != ' ' && r != '\u00a0' && r != nnbsp:
			return &flaw{"catalogue.space", "an unusual space stands in the text", "Write an ordinary space."}
		case unicode.IsSpace(r) && unicode.IsSpace(prev):
			return &flaw{"catalogue.space", "two spaces follow each other", "Remove one."}
		case strings.ContainsRune(",.)", r) && unicode.IsSpace(prev):
			return &flaw{"catalogue.space", "a space stands before a comma, a full stop or a bracket", "Remove it."}
		case lang == "fr" && strings.ContainsRune(";:!?%»", r) && prev != nnbsp && !strings.ContainsRune("!?", prev):
			return &flaw{"catalogue.french_space", "the space before a sign is not the French one", frFix}
		case lang == "fr" && r == '«' && at(i+1) != nnbsp:
			return &flaw{"catalogue.french_space", "the space after « is not the French one", frFix}
		case lang == "en" && strings.ContainsRune(";:!?%", r) && unicode.IsSpace(prev):
			return &flaw{"catalogue.space", "a space stands before a sign", "Remove it."}
		}
	}
	return nil
}
