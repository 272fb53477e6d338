package catalogue

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/garant-project/garant/internal/errs"
)

// maxFile is the largest file read, in bytes: the program's own are below 64 KiB.
const maxFile = 1 << 20

// maxProblems is how many problems are told at once.
const maxProblems = 20

// reader reads one file of strict YAML and collects what is wrong with it.
type reader struct {
	file     string
	problems *[]error
	at       string // what is being read, for problems: "measures.ENC-1.sentence.fr"; may be empty
}

// fail notes a problem. The message names the line; the id and the fix are for pages.
func (r *reader) fail(line int, id, text, fix string) {
	if len(*r.problems) >= maxProblems {
		return
	}
	e := bad(id, fmt.Sprintf("%s, line %d: %s.", r.file, line, text), fix).With("file", r.file).With("line", line)
	if r.at != "" {
		e = e.With("at", r.at)
	}
	*r.problems = append(*r.problems, e)
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

// root reads the one document of a file, which must be a mapping.
func (r *reader) root(b []byte) *yaml.Node {
	if len(b) > maxFile {
		r.fail(1, "catalogue.size", "the file is larger than 1 MiB", "Split nothing: an annex is far smaller. Look at what was pasted.")
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		r.broken(b, err)
		return nil
	}
	var second yaml.Node
	if err := dec.Decode(&second); err == nil {
		r.fail(second.Line, "catalogue.documents", "a second document begins", "Keep one document: remove the --- line.")
		return nil
	} else if !errors.Is(err, io.EOF) {
		r.broken(b, err)
		return nil
	}
	if !r.simple(&doc) {
		return nil
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		r.fail(max(doc.Line, 1), "catalogue.shape", "the file is not a list of keys", "Begin with a line such as “measures:”.")
		return nil
	}
	return doc.Content[0]
}

// broken notes what the YAML parser said. Its words stay in the cause.
func (r *reader) broken(b []byte, err error) {
	line, text, fix := 1, "this is not YAML", "Look at the indentation, the quotes and the colons of this line and the one before."
	if errors.Is(err, io.EOF) {
		text, fix = "the file is empty", "Write the catalogue in it."
	} else if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		if n, convErr := strconv.Atoi(m[1]); convErr == nil {
			line = n
			// The parser, unlike its scanner, counts lines from 0 (yaml.v3, parser.fail).
			if strings.Contains(err.Error(), "did not find expected") {
				line++
			}
			line = min(line, 1+bytes.Count(bytes.TrimRight(b, "\n"), []byte("\n")))
		}
	}
	if len(*r.problems) < maxProblems {
		e := errs.New(errs.Invalid, "catalogue.yaml", fmt.Sprintf("%s, line %d: %s.", r.file, line, text)).WithFix(fix)
		*r.problems = append(*r.problems, e.With("file", r.file).With("line", line).Wrap(err))
	}
}

// simple refuses what would let two places of a file be one: anchors, aliases and tags.
func (r *reader) simple(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		r.fail(n.Line, "catalogue.alias", "an anchor (&) or an alias (*) stands here", "Write the value out.")
		return false
	}
	if n.Style&yaml.TaggedStyle != 0 {
		r.fail(n.Line, "catalogue.tag", "a tag (!) stands here", "Remove the tag; put the value in quotes if it begins with !.")
		return false
	}
	for _, c := range n.Content {
		if !r.simple(c) {
			return false
		}
	}
	return true
}

// pair is a key and its value.
type pair struct {
	key   string
	line  int
	value *yaml.Node
}

// pairs returns the entries of a mapping in order, each key once. It returns false when n is
// no mapping.
func (r *reader) pairs(n *yaml.Node, what string) ([]pair, bool) {
	if n.Kind != yaml.MappingNode {
		r.fail(n.Line, "catalogue.shape", what+" is not a list of keys", "Write “key: value” lines below it, indented.")
		return nil, false
	}
	var out []pair
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode {
			r.fail(k.Line, "catalogue.shape", what+" has a key that is not a word", "Write “key: value”.")
			continue
		}
		if first, ok := seen[k.Value]; ok {
			r.fail(k.Line, "catalogue.duplicate", fmt.Sprintf("%s says %s twice (first on line %d)", what, k.Value, first), "Keep one of them.")
			continue
		}
		seen[k.Value] = k.Line
		out = append(out, pair{k.Value, k.Line, n.Content[i+1]})
	}
	return out, true
}

// fields returns the entries of a mapping whose keys are known.
func (r *reader) fields(n *yaml.Node, what string, known ...string) (map[string]*yaml.Node, bool) {
	ps, ok := r.pairs(n, what)
	if !ok {
		return nil, false
	}
	out := map[string]*yaml.Node{}
next:
	for _, p := range ps {
		for _, k := range known {
			if k == p.key {
				out[k] = p.value
				continue next
			}
		}
		r.fail(p.line, "catalogue.unknown_key", fmt.Sprintf("%s has no key %s", what, p.key), "Known keys: "+joined(known)+".")
	}
	return out, true
}

// items returns the entries of a sequence.
func (r *reader) items(n *yaml.Node, what string) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		r.fail(n.Line, "catalogue.shape", what+" is not a list", "Write “- ” before each entry, or [a, b].")
		return nil
	}
	return n.Content
}

// word returns a scalar as it is written: 7.10 stays "7.10".
func (r *reader) word(n *yaml.Node, what string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" || n.Value == "" {
		r.fail(n.Line, "catalogue.empty", what+" is empty or not a single value", "Write the value after the colon.")
		return "", false
	}
	return n.Value, true
}

// wordList returns a list of different scalars.
func (r *reader) wordList(n *yaml.Node, what string) []string {
	var out []string
	seen := map[string]bool{}
	for _, c := range r.items(n, what) {
		s, ok := r.word(c, "an entry of "+what)
		if !ok {
			continue
		}
		if seen[s] {
			r.fail(c.Line, "catalogue.duplicate", fmt.Sprintf("%s says %s twice", what, s), "Keep one of them.")
			continue
		}
		seen[s] = true
		out = append(out, s)
	}
	return out
}
