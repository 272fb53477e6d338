package strictyaml

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

// Format says what a file is, for its bounds and for what is told of mistakes in it.
type Format struct {
	File    string // what it is called
	Begin   string // its first line: "isolation: 1"
	Command string // which writes it: "garant isolation plan"
	MiB     int    // how large it may be
	Depth   int    // how deep it may nest
	Text    int    // characters that a text may have
}

// Reader reads a file and collects its mistakes. A node that is nil is a key that is not there: it reads as nothing, and is no mistake.
type Reader struct {
	format Format
	found  []estate.Problem
}

// NewReader returns a reader for one file.
func NewReader(f Format) *Reader { return &Reader{format: f} }

// Add tells a mistake at the line of a node: its key, what is wrong and what to write instead.
func (r *Reader) Add(n *yaml.Node, key, text, fix string) { r.AddAt(n.Line, key, text, fix) }

// AddAt tells a mistake in a line.
func (r *Reader) AddAt(line int, key, text, fix string) {
	if strings.ContainsFunc(key, func(c rune) bool { return !unicode.IsPrint(c) }) { // names of the file, which a terminal could obey
		key = strings.Trim(strconv.Quote(key), `"`)
	}
	if len(r.found) < 10*estate.MaxProblems {
		r.found = append(r.found, estate.Problem{File: r.format.File, Line: max(line, 1), Key: key, Text: text, Fix: fix})
	}
}

// Mistakes is how many were told.
func (r *Reader) Mistakes() int { return len(r.found) }

// Err returns what was found as an *estate.Problems in the order of the lines, or nil.
func (r *Reader) Err() error {
	if len(r.found) == 0 {
		return nil
	}
	slices.SortStableFunc(r.found, func(a, b estate.Problem) int { return cmp.Compare(a.Line, b.Line) })
	most := min(len(r.found), estate.MaxProblems)
	return &estate.Problems{List: r.found[:most:most], More: len(r.found) - most}
}

// Document reads the text as one YAML mapping, nil when it is not.
func (r *Reader) Document(source []byte) *yaml.Node {
	if len(source) > r.format.MiB<<20 || !utf8.Valid(source) {
		r.AddAt(1, "", fmt.Sprintf("The file is not UTF-8 text of at most %d MiB.", r.format.MiB), "Let "+r.format.Command+" write it anew.")
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(source))
	var doc, second yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		r.AddAt(1, "", "The file is empty.", "Let "+r.format.Command+" write it.")
		return nil
	case err != nil:
		r.AddAt(lineOf(err), "", "This is not YAML that can be read.", "Look at this line and the one before: indentation by spaces, a text with a colon in quotes.")
		return nil
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		r.Add(&second, "", "A second document starts here.", "Remove the line --- and what follows it.")
		return nil
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		r.AddAt(1, "", "The file must be made of sections.", "Start with "+r.format.Begin+".")
		return nil
	}
	if !r.plain(doc.Content[0], 0) {
		return nil
	}
	return doc.Content[0]
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

// lineOf finds the line in a message of the YAML library, 1 when it names none.
func lineOf(err error) int {
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			return n
		}
	}
	return 1
}

// plain refuses anchors, aliases, tags and deep nesting: one value, one place.
func (r *Reader) plain(n *yaml.Node, depth int) bool {
	if n.Kind == yaml.AliasNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 || depth > r.format.Depth {
		r.Add(n, "", "Anchors, repetitions, tags and deep nesting are not used here.", "Write the value out; put a text that begins with *, & or ! in quotes.")
		return false
	}
	for _, c := range n.Content {
		if !r.plain(c, depth+1) {
			return false
		}
	}
	return true
}

// Each calls entry for the keys of a mapping with their values, whatever they are, and tells what is written twice.
func (r *Reader) Each(n *yaml.Node, at string, entry func(k, v *yaml.Node)) {
	switch {
	case n == nil:
	case n.Kind != yaml.MappingNode:
		r.Add(n, at, "Entries with a name, a colon and a value belong here.", "Write {} when there are none.")
	default:
		r.pairs(n, at, "entry", Shown, entry)
	}
}

// pairs goes through a mapping whose keys are each called what, and shown so in mistakes.
func (r *Reader) pairs(n *yaml.Node, at, what string, shown func(string) string, entry func(k, v *yaml.Node)) {
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		first, again := lines[k.Value]
		switch {
		case k.Kind != yaml.ScalarNode || k.Tag != "!!str":
			r.Add(k, at, "The name of an entry is a text.", "Put it in quotes.")
		case again:
			r.Add(k, below(at, shown(k.Value)), fmt.Sprintf("The %s is written twice; the first is on line %d.", what, first), "Keep one of them.")
		default:
			lines[k.Value] = k.Line
			entry(k, v)
		}
	}
}

// below is the key of what stands in a section; the file itself has none.
func below(section, key string) string { return strings.TrimPrefix(section+"."+key, ".") }

// bare shows a key without quotes around it.
func bare(key string) string { return strings.Trim(Shown(key), `"`) }

// Entry returns the values of a mapping by key, and the keys that are not known with their values, for somebody else to judge.
func (r *Reader) Entry(n *yaml.Node, at string, known ...string) (f map[string]*yaml.Node, others []*yaml.Node) {
	f = map[string]*yaml.Node{}
	if n.Kind != yaml.MappingNode {
		r.Add(n, at, "Keys and values belong here.", "Write "+Listed(known, "and")+" with a colon and the value.")
		return f, nil
	}
	r.pairs(n, at, "key", bare, func(k, v *yaml.Node) {
		if slices.Contains(known, k.Value) {
			f[k.Value] = v
		} else {
			others = append(others, k, v)
		}
	})
	return f, others
}

// Fields returns the values of a mapping by key. Unknown keys are mistakes.
func (r *Reader) Fields(n *yaml.Node, at string, known ...string) map[string]*yaml.Node {
	f, others := r.Entry(n, at, known...)
	for i := 0; i+1 < len(others); i += 2 {
		r.Add(others[i], below(at, bare(others[i].Value)), "There is no such key.", "The keys here are "+Listed(known, "and")+".")
	}
	return f
}

// Required returns the value of a key that must be there.
func (r *Reader) Required(section *yaml.Node, f map[string]*yaml.Node, at, key, fix string) *yaml.Node {
	v := f[key]
	if v == nil && section.Kind == yaml.MappingNode {
		r.Add(section, below(at, key), "The key is missing.", fix)
	}
	return v
}

// Text reads a text, which may not be empty.
func (r *Reader) Text(n *yaml.Node, key string) string { return r.Short(n, key, r.format.Text) }

// Short reads a text of at most so many characters.
func (r *Reader) Short(n *yaml.Node, key string, most int) string {
	switch {
	case n == nil:
	case n.Kind != yaml.ScalarNode:
		r.Add(n, key, "A text belongs here.", "Write it on one line.")
	case n.Tag == "!!null" || strings.TrimSpace(n.Value) == "":
		r.Add(n, key, "The value is empty.", "Write one, or remove the line.")
	case n.Tag != "!!str":
		r.Add(n, key, "A text belongs here, not a number, a date or true and false.", "Put it in quotes if it is meant as text.")
	case strings.ContainsFunc(n.Value, func(c rune) bool { return unicode.Is(unicode.Bidi_Control, c) }):
		r.Add(n, key, "The text holds a character that changes the direction of writing and that nobody can see.", "Remove it.")
	case utf8.RuneCountInString(n.Value) > most:
		r.Add(n, key, fmt.Sprintf("The text is longer than %d characters.", most), "Shorten it.")
	default:
		return n.Value
	}
	return ""
}

// OneOf reads a word out of a few.
func (r *Reader) OneOf(n *yaml.Node, key string, words ...string) string {
	s := r.Text(n, key)
	if s != "" && !slices.Contains(words, s) {
		r.Add(n, key, Shown(s)+" is not known here.", "Write "+Listed(words, "or")+".")
		return ""
	}
	return s
}

// List returns the items of a list.
func (r *Reader) List(n *yaml.Node, key, fix string) []*yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.Add(n, key, "A list belongs here.", fix)
		return nil
	}
	return n.Content
}

// Version reads the line that a file of the format begins with. what is what the file holds: "manifest".
func (r *Reader) Version(root *yaml.Node, f map[string]*yaml.Node, what string) {
	key, version, _ := strings.Cut(r.format.Begin, ": ")
	v := r.Required(root, f, "", key, "Begin the file with "+r.format.Begin+".")
	if v != nil && (v.Kind != yaml.ScalarNode || v.Value != version) {
		r.Add(v, key, "This version of the "+what+" is not known.", "Write "+r.format.Begin+".")
	}
}
