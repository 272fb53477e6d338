package ui

import (
	"embed"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

//go:embed messages/*.yaml
var messageFiles embed.FS

// languages are those the pages speak; the first is the default.
func languages() []string { return []string{"fr", "en"} }

// Messages are the words of the pages in every language. They are never changed once made and
// are safe for use from many goroutines.
type Messages struct {
	sets map[string]map[string]message // language → id → words
}

// message is one text: one and other of CLDR's plural categories, or other alone. French has a
// third, for exact millions, whose words differ only in written-out numbers, which we print in
// figures.
type message struct{ one, other string }

func (m message) counts() bool { return m.one != "" }

// NewMessages reads the words of this package and those that others bring: language → YAML of
// ids and texts, flat ("check.tls: …") or nested. A mapping with the keys one and other is a
// plural, chosen by the argument Count. French text is typeset (see Typeset) as it is read.
//
// It fails when YAML cannot be read, a text is empty, an id has two texts in one language, or a
// language lacks what another has. The error names the ids.
func NewMessages(extra ...map[string][]byte) (*Messages, error) {
	m := &Messages{sets: map[string]map[string]message{}}
	var problems []error
	for _, lang := range languages() {
		m.sets[lang] = map[string]message{}
		own, err := messageFiles.ReadFile("messages/" + lang + ".yaml")
		if err != nil {
			return nil, fmt.Errorf("ui: the words in %s: %w", lang, err)
		}
		problems = append(problems, m.add(lang, own))
		for _, e := range extra {
			problems = append(problems, m.add(lang, e[lang]))
		}
	}
	for _, e := range extra {
		for lang := range e {
			if m.sets[lang] == nil {
				problems = append(problems, fmt.Errorf("ui: words in %q, a language that no page speaks", lang))
			}
		}
	}
	problems = append(problems, m.parity())
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Messages) add(lang string, text []byte) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("ui: words in %s: %w", lang, err)
	}
	if len(doc.Content) == 0 {
		return nil
	}
	err := walk("", doc.Content[0], func(id string, msg message) error {
		msg = message{one: Typeset(lang, msg.one), other: Typeset(lang, msg.other)}
		if known, twice := m.sets[lang][id]; twice && known != msg {
			return fmt.Errorf("%s has two texts", id)
		}
		m.sets[lang][id] = msg
		return nil
	})
	if err != nil {
		return fmt.Errorf("ui: words in %s: %w", lang, err)
	}
	return nil
}

// walk reports every message below a node.
func walk(prefix string, node *yaml.Node, add func(string, message) error) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: ids and texts are expected", node.Line)
	}
	var problems []error
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		id := prefix + key.Value
		if seen[key.Value] {
			problems = append(problems, fmt.Errorf("line %d: %s comes twice", key.Line, id))
			continue
		}
		seen[key.Value] = true
		one, other, plural := pluralForms(value)
		var err error
		switch {
		case plural:
			if strings.TrimSpace(one) == "" || strings.TrimSpace(other) == "" {
				err = fmt.Errorf("%s lacks a form", id)
				break
			}
			err = add(id, message{one: one, other: other})
		case value.Kind == yaml.ScalarNode:
			if strings.TrimSpace(value.Value) == "" {
				err = fmt.Errorf("%s is empty", id)
				break
			}
			err = add(id, message{other: value.Value})
		default:
			problems = append(problems, walk(id+".", value, add))
			continue
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("line %d: %w", value.Line, err))
		}
	}
	return errors.Join(problems...)
}

// pluralForms returns the forms of a node whose keys are one and other, and nothing else.
func pluralForms(node *yaml.Node) (one, other string, ok bool) {
	if node.Kind != yaml.MappingNode || len(node.Content) != 4 {
		return "", "", false
	}
	form := map[string]string{}
	for i := 0; i < 4; i += 2 {
		if node.Content[i+1].Kind != yaml.ScalarNode {
			return "", "", false
		}
		form[node.Content[i].Value] = node.Content[i+1].Value
	}
	one, hasOne := form["one"]
	other, hasOther := form["other"]
	return one, other, hasOne && hasOther
}

// parity reports ids that a language lacks or counts differently.
func (m *Messages) parity() error {
	var problems []error
	for _, a := range languages() {
		for _, b := range languages() {
			for _, id := range slices.Sorted(maps.Keys(m.sets[a])) {
				there, ok := m.sets[b][id]
				switch {
				case !ok:
					problems = append(problems, fmt.Errorf("ui: %s has words in %s and none in %s", id, a, b))
				case there.counts() != m.sets[a][id].counts() && a < b:
					problems = append(problems, fmt.Errorf("ui: %s has plural forms in one of %s and %s only", id, a, b))
				}
			}
		}
	}
	return errors.Join(problems...)
}

// Languages lists the languages, the default first.
func (m *Messages) Languages() []string { return languages() }

// Has reports whether there are words for an id.
func (m *Messages) Has(id string) bool {
	_, ok := m.sets[languages()[0]][id]
	return ok
}

// IDs lists the ids, sorted.
func (m *Messages) IDs() []string { return slices.Sorted(maps.Keys(m.sets[languages()[0]])) }

// For returns a printer in a language, with times of day in zone. An unknown language is
// answered in French, a nil zone is UTC.
func (m *Messages) For(lang string, zone *time.Location) *Printer {
	if m.sets[lang] == nil {
		lang = languages()[0]
	}
	if zone == nil {
		zone = time.UTC
	}
	return &Printer{lang: lang, zone: zone, words: m.sets[lang]}
}

var (
	spaceBefore = regexp.MustCompile(`[ \x{00a0}\x{202f}]+([;:!?%»])`)
	spaceAfter  = regexp.MustCompile(`«[ \x{00a0}\x{202f}]*`)
	apostrophe  = regexp.MustCompile(`(\pL)'(\pL)`)
)

// Typeset sets plain text as the language's typography asks. In French: a space that stands
// before ; : ! ? % or » becomes a narrow one that does not break (U+202F), and so does the one
// after «; ' between letters becomes ’. Text that is already set is not changed; other
// languages get the apostrophe only.
func Typeset(lang, s string) string {
	if strings.Contains(s, "'") {
		for range 2 { // a letter between two apostrophes belongs to one match only
			s = apostrophe.ReplaceAllString(s, "${1}’${2}")
		}
	}
	if lang != "fr" {
		return s
	}
	s = spaceBefore.ReplaceAllString(s, narrow+"$1")
	return spaceAfter.ReplaceAllString(s, "«"+narrow)
}
