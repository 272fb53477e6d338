package plan

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/garant-project/garant/internal/estate"
)

// Bounds of the file.
const (
	maxFile  = 32 << 20 // bytes
	maxText  = 4000     // characters of a text
	maxDepth = 24       // of YAML
)

// reader reads the file and collects its mistakes.
type reader struct {
	file  string
	found []estate.Problem
	specs map[string]string // transformers that were tried, with what is wrong
}

func (r *reader) add(n *yaml.Node, key, text, fix string) {
	if strings.ContainsFunc(key, func(c rune) bool { return !unicode.IsPrint(c) }) { // names of the file, which a terminal could obey
		key = strings.Trim(strconv.Quote(key), `"`)
	}
	if len(r.found) < 10*estate.MaxProblems {
		r.found = append(r.found, estate.Problem{File: r.file, Line: max(n.Line, 1), Key: key, Text: text, Fix: fix})
	}
}

// err returns what was found as an error, or nil.
func (r *reader) err() error {
	if len(r.found) == 0 {
		return nil
	}
	slices.SortStableFunc(r.found, func(a, b estate.Problem) int { return cmp.Compare(a.Line, b.Line) })
	most := min(len(r.found), estate.MaxProblems)
	return &estate.Problems{List: r.found[:most:most], More: len(r.found) - most}
}

// document reads the text as one YAML mapping, nil when it is not.
func (r *reader) document(source []byte) *yaml.Node {
	first := &yaml.Node{Line: 1}
	if len(source) > maxFile || !utf8.Valid(source) {
		r.add(first, "", "The file is not UTF-8 text of at most 32 MiB.", "Let garant anonymise plan write it anew.")
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(source))
	var doc, second yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		r.add(first, "", "The file is empty.", "Let garant anonymise plan write it.")
		return nil
	case err != nil:
		r.add(&yaml.Node{Line: lineOf(err)}, "", "This is not YAML that can be read.", "Look at this line and the one before: indentation by spaces, a text with a colon in quotes.")
		return nil
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		r.add(&yaml.Node{Line: second.Line}, "", "A second document starts here.", "Remove the line --- and what follows it.")
		return nil
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		r.add(first, "", "The file must be made of sections.", "Start with anonymise: 1.")
		return nil
	}
	if !r.plain(doc.Content[0], 0) {
		return nil
	}
	return doc.Content[0]
}

// lineOf finds the line in a message of the YAML library, 1 when it names none.
func lineOf(err error) int {
	if m := regexp.MustCompile(`line (\d+)`).FindStringSubmatch(err.Error()); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			return n
		}
	}
	return 1
}

// plain refuses anchors, aliases, tags and deep nesting: one value, one place.
func (r *reader) plain(n *yaml.Node, depth int) bool {
	if n.Kind == yaml.AliasNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 || depth > maxDepth {
		r.add(n, "", "Anchors, repetitions, tags and deep nesting are not used here.", "Write the value out; put a text that begins with *, & or ! in quotes.")
		return false
	}
	for _, c := range n.Content {
		if !r.plain(c, depth+1) {
			return false
		}
	}
	return true
}

// each calls entry for the keys of a mapping with their values, and tells what is written twice. No mapping at all is a mistake; nil is not.
func (r *reader) each(n *yaml.Node, at string, entry func(k, v *yaml.Node)) {
	switch {
	case n == nil:
		return
	case n.Kind != yaml.MappingNode:
		r.add(n, at, "Entries with a name, a colon and a value belong here.", "Write {} when there are none.")
		return
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		first, again := lines[k.Value]
		switch {
		case k.Kind != yaml.ScalarNode || k.Tag != "!!str":
			r.add(k, at, "The name of an entry is a text.", "Put it in quotes.")
		case again:
			r.add(k, at+"."+shown(k.Value), fmt.Sprintf("The entry is written twice; the first is on line %d.", first), "Keep one of them.")
		default:
			lines[k.Value] = k.Line
			entry(k, v)
		}
	}
}

// entry returns the values of a mapping by key, and the keys that are not known with their values, for somebody else to judge.
func (r *reader) entry(n *yaml.Node, at string, known ...string) (f map[string]*yaml.Node, others []*yaml.Node) {
	f = map[string]*yaml.Node{}
	if n.Kind != yaml.MappingNode {
		r.add(n, at, "Keys and values belong here.", "Write "+listed(known, "and")+" with a colon and the value.")
		return f, nil
	}
	r.each(n, at, func(k, v *yaml.Node) {
		if slices.Contains(known, k.Value) {
			f[k.Value] = v
		} else {
			others = append(others, k, v)
		}
	})
	return f, others
}

// fields returns the values of a mapping by key. Unknown keys are mistakes.
func (r *reader) fields(n *yaml.Node, at string, known ...string) map[string]*yaml.Node {
	f, others := r.entry(n, at, known...)
	for i := 0; i+1 < len(others); i += 2 {
		r.add(others[i], strings.TrimPrefix(at+"."+strings.Trim(shown(others[i].Value), `"`), "."), "There is no such key.", "The keys here are "+listed(known, "and")+".")
	}
	return f
}

// required returns the value of a key that must be there.
func (r *reader) required(section *yaml.Node, f map[string]*yaml.Node, at, key, fix string) *yaml.Node {
	v := f[key]
	if v == nil && section.Kind == yaml.MappingNode {
		r.add(section, strings.TrimPrefix(at+"."+key, "."), "The key is missing.", fix)
	}
	return v
}

// optional reads a text that may be left out, but not be empty.
func (r *reader) optional(n *yaml.Node, key string) string {
	if n == nil {
		return ""
	}
	return r.text(n, key)
}

// text reads one text.
func (r *reader) text(n *yaml.Node, key string) string {
	switch {
	case n == nil:
	case n.Kind != yaml.ScalarNode:
		r.add(n, key, "A text belongs here.", "Write it on one line.")
	case n.Tag == "!!null" || strings.TrimSpace(n.Value) == "":
		r.add(n, key, "The value is empty.", "Write one, or remove the line.")
	case n.Tag != "!!str":
		r.add(n, key, "A text belongs here, not a number, a date or true and false.", "Put it in quotes if it is meant as text.")
	case strings.ContainsFunc(n.Value, func(c rune) bool { return unicode.Is(unicode.Bidi_Control, c) }):
		r.add(n, key, "The text holds a character that changes the direction of writing and that nobody can see.", "Remove it.")
	case utf8.RuneCountInString(n.Value) > maxText:
		r.add(n, key, fmt.Sprintf("The text is longer than %d characters.", maxText), "Shorten it.")
	default:
		return n.Value
	}
	return ""
}

// oneOf reads a word out of a few.
func (r *reader) oneOf(n *yaml.Node, key string, words ...string) string {
	s := r.text(n, key)
	if s != "" && !slices.Contains(words, s) {
		r.add(n, key, shown(s)+" is not known here.", "Write "+listed(words, "or")+".")
		return ""
	}
	return s
}

// list reads a list of texts.
func (r *reader) list(n *yaml.Node, key string) []string {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		r.add(n, key, "A list belongs here.", "Write it in brackets: [one, two].")
		return nil
	}
	var out []string
	for _, c := range n.Content {
		s := r.text(c, key)
		if slices.Contains(out, s) {
			r.add(c, key, shown(s)+" is listed twice.", "Keep one of them.")
		}
		out = append(out, s)
	}
	return out
}

// count reads a whole number that is not below least.
func (r *reader) count(n *yaml.Node, key string, least int) int {
	if n == nil {
		return 0
	}
	v, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || err != nil || v < least || v > 1_000_000 {
		r.add(n, key, fmt.Sprintf("A whole number of at least %d belongs here.", least), "Write it without quotes.")
	}
	return v
}

// part reads a share of the rows.
func (r *reader) part(n *yaml.Node, key string) float64 {
	if n == nil {
		return 0
	}
	v, err := strconv.ParseFloat(n.Value, 64)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!float" || err != nil || v < 0 || v >= 1 {
		r.add(n, key, "A part of the rows belongs here, from 0 to less than 1.", "Write it with a point: 0.01 is one row in a hundred.")
		return 0
	}
	return v
}

// value reads an argument of a transformer.
func (r *reader) value(n *yaml.Node, key string) any {
	switch n.Kind {
	case yaml.SequenceNode:
		list := []any{}
		for _, c := range n.Content {
			list = append(list, r.value(c, key))
		}
		return list
	case yaml.MappingNode:
		all := map[string]any{}
		r.each(n, key, func(k, v *yaml.Node) { all[k.Value] = r.value(v, key+"."+k.Value) })
		return all
	}
	switch n.Tag {
	case "!!bool":
		if b, err := strconv.ParseBool(n.Value); err == nil {
			return b
		}
	case "!!int":
		if i, err := strconv.Atoi(n.Value); err == nil {
			return i
		}
	case "!!float":
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil && f-f == 0 {
			return f
		}
	case "!!str":
		if strings.TrimSpace(n.Value) == "" {
			return n.Value
		}
		return r.text(n, key)
	}
	r.add(n, key, "This is not a text, a whole number, a number with a point, true or false.", "Put it in quotes if it is meant as text.")
	return nil
}

func sortPaths(p []Path) {
	slices.SortFunc(p, func(a, b Path) int {
		if a.Keys != b.Keys {
			if b.Keys {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Path, b.Path)
	})
}

// shown writes a word of the file in a message: short, and with nothing a terminal would obey.
func shown(s string) string {
	const most = 80
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return strconv.Quote(s)
}

// listed writes words as "a, b or c".
func listed(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " " + last + " " + words[len(words)-1]
}
