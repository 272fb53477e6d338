package catalogue

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/garant-project/garant/internal/errs"
)

// Text is a sentence cut into what stands in it literally and what is filled in.
type Text []Segment

// Segment is a piece of a Text: either literal (Text set, the rest empty) or a placeholder
// (Name set). One and Many are the noun that follows a count; both are empty in a
// placeholder without a noun. French counts 0 and 1 as singular, English only 1. Proven and
// Else are words of which one is chosen by a fact that is true or not: Proven while evidence
// says so, Else whenever it does not, evidence or none.
type Segment struct {
	Text   string
	Name   string
	One    string
	Many   string
	Proven string
	Else   string
}

// Placeholder reports whether the segment is filled in.
func (s Segment) Placeholder() bool { return s.Name != "" }

// Chooses reports whether the segment is a choice of words.
func (s Segment) Chooses() bool { return s.Proven != "" }

// Names returns the names of the placeholders, in order of first appearance.
func (t Text) Names() []string {
	var names []string
	seen := map[string]bool{}
	for _, s := range t {
		if s.Placeholder() && !seen[s.Name] {
			seen[s.Name] = true
			names = append(names, s.Name)
		}
	}
	return names
}

// String writes the text as it stands in the file; ParseText reads it back unchanged.
func (t Text) String() string {
	var b strings.Builder
	for _, s := range t {
		switch {
		case !s.Placeholder():
			b.WriteString(s.Text)
		case s.Chooses():
			b.WriteString("{" + s.Name + "?" + s.Proven + "|" + s.Else + "}")
		case s.One == "":
			b.WriteString("{" + s.Name + "}")
		default:
			b.WriteString("{" + s.Name + "|" + s.One + "|" + s.Many + "}")
		}
	}
	return b.String()
}

// maxText is the longest text, in bytes.
const maxText = 4000

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$`)

// ParseText reads a text with placeholders:
//
//	text        = { literal | placeholder }
//	placeholder = "{" name "}" | "{" name "|" singular "|" plural "}" | "{" name "?" words "|" words "}"
//	name        = word { "." word }, of small letters, digits and "_"
//
// Nothing else is special and there is no escape: a brace or, inside a placeholder, a bar
// always means this, and so does a question mark before the first bar. Line breaks, control and
// invisible characters are refused, because what is signed must be what is read; so are texts
// over 4,000 bytes, which are no sentence.
func ParseText(s string) (Text, error) {
	t, f := parseText(s)
	if f != nil {
		return nil, bad(f.id, "This text cannot be read: "+f.text+".", f.fix)
	}
	return t, nil
}

func parseText(s string) (Text, *flaw) {
	if strings.TrimSpace(s) == "" {
		return nil, &flaw{"catalogue.text_empty", "the text is empty", "Write the sentence."}
	}
	if !utf8.ValidString(s) {
		return nil, &flaw{"catalogue.text_encoding", "the text is not valid UTF-8", "Save the file as UTF-8."}
	}
	if len(s) > maxText {
		return nil, &flaw{"catalogue.text_long", "the text is longer than 4,000 bytes", "Say one thing in one sentence."}
	}
	for _, r := range s {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return nil, &flaw{"catalogue.text_invisible", "the text holds a line break or an invisible character",
				"Write it as one paragraph, without control characters."}
		}
	}
	var t Text
	for s != "" {
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			return append(t, Segment{Text: s}), nil
		}
		if s[i] == '}' {
			return nil, &flaw{"catalogue.text_brace", "a } closes nothing", "Remove it, or write {name}."}
		}
		if i > 0 {
			t = append(t, Segment{Text: s[:i]})
		}
		s = s[i+1:]
		end := strings.IndexAny(s, "{}")
		if end < 0 || s[end] == '{' {
			return nil, &flaw{"catalogue.text_brace", "a { is not closed", "Write {name} or {name|singular|plural}."}
		}
		p, f := placeholder(s[:end])
		if f != nil {
			return nil, f
		}
		t = append(t, p)
		s = s[end+1:]
	}
	return t, nil
}

func placeholder(s string) (Segment, *flaw) {
	const fix = "Write {name}, {name|singular|plural} or {name?words while it is proven|other words}."
	name, choice, chooses := strings.Cut(s, "?")
	if chooses = chooses && !strings.Contains(name, "|"); chooses {
		s = name + "|" + choice
	}
	parts := strings.Split(s, "|")
	if chooses && len(parts) != 3 {
		return Segment{}, &flaw{"catalogue.text_placeholder", "a choice of words does not have two parts", fix}
	}
	if len(parts) != 1 && len(parts) != 3 {
		return Segment{}, &flaw{"catalogue.text_placeholder", "a placeholder has the wrong number of parts", fix}
	}
	if !namePattern.MatchString(parts[0]) {
		return Segment{}, &flaw{"catalogue.text_name", "a placeholder's name is not made of small letters, digits, _ and dots", fix}
	}
	p := Segment{Name: parts[0]}
	if len(parts) == 3 {
		for _, noun := range parts[1:] {
			if noun == "" || noun != strings.TrimSpace(noun) {
				return Segment{}, &flaw{"catalogue.text_noun", "a placeholder's noun is empty or has a space around it",
					"Write {name|singular|plural}; the space after the number is added for you."}
			}
		}
		if chooses {
			p.Proven, p.Else = parts[1], parts[2]
		} else {
			p.One, p.Many = parts[1], parts[2]
		}
	}
	return p, nil
}

// bad is a refusal without a place; the reader of a file adds the line.
func bad(id, text, fix string) *errs.Error { return errs.New(errs.Invalid, id, text).WithFix(fix) }
