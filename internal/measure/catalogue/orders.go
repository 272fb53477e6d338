package catalogue

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// readClauses reads the keys of the headings of Decision (EU) 2021/915.
func (c *Catalogue) readClauses(r *reader, n *yaml.Node) {
	for _, key := range r.wordList(n, "clauses") {
		if !teamPattern.MatchString(key) {
			r.fail(n.Line, "catalogue.clause", "the key of a heading is not made of small letters, digits and _", "Use a key such as encryption.")
			continue
		}
		c.Clauses = append(c.Clauses, key)
	}
}

// readHeadings reads the headings that a measure relates to.
func (c *Catalogue) readHeadings(r *reader, n *yaml.Node, id string) []string {
	var out []string
	for _, key := range r.wordList(n, "clauses of "+id) {
		if !slices.Contains(c.Clauses, key) {
			r.fail(n.Line, "catalogue.clause", id+" relates to the heading "+key+", which is not declared", "Declare it under clauses, or correct the key.")
			continue
		}
		out = append(out, key)
	}
	return out
}

// readTopics reads what readers ask besides. It comes after the measures, which it names.
func (c *Catalogue) readTopics(r *reader, n *yaml.Node) {
	for _, item := range r.items(n, "also") {
		f, ok := r.fields(item, "a topic", "key", "measures")
		if !ok || !r.need(item, "a topic", f, "key", "measures") {
			continue
		}
		key, ok := r.word(f["key"], "the key of a topic")
		if !ok {
			continue
		}
		if !teamPattern.MatchString(key) {
			r.fail(f["key"].Line, "catalogue.topic", "the key of a topic is not made of small letters, digits and _", "Use a key such as location.")
			continue
		}
		if slices.Contains(c.topicKeys(), key) {
			r.fail(f["key"].Line, "catalogue.duplicate", "the topic "+key+" stands twice", "Keep one of them.")
			continue
		}
		t := Topic{Key: key}
		for _, id := range r.wordList(f["measures"], "the measures of "+key) {
			if _, known := c.Measure(id); !known {
				r.fail(f["measures"].Line, "catalogue.topic", "the topic "+key+" names "+id+", which is no measure", "Correct the id.")
				continue
			}
			t.Measures = append(t.Measures, id)
		}
		c.Topics = append(c.Topics, t)
	}
}

func (c *Catalogue) topicKeys() []string {
	out := make([]string, len(c.Topics))
	for i, t := range c.Topics {
		out[i] = t.Key
	}
	return out
}

// labels are words that a language must have for each known key, and for no other.
type labels struct {
	key, what string
	known     []string
	question  bool
}

// readLabels reads them. n is nil where the file has none, which is right where none is known.
func (c *Catalogue) readLabels(r *reader, lang string, root, n *yaml.Node, l labels) map[string]string {
	out := map[string]string{}
	if n == nil {
		if len(l.known) > 0 {
			r.fail(root.Line, "catalogue.missing", "the key "+l.key+" is missing", "Add it.")
		}
		return out
	}
	ps, ok := r.pairs(n, l.key)
	if !ok {
		return out
	}
	for _, p := range ps {
		if !slices.Contains(l.known, p.key) {
			r.fail(p.line, "catalogue.unknown_key", fmt.Sprintf("the %s %s is not in measures.yaml", l.what, p.key), "Remove it, or correct its key.")
			continue
		}
		out[p.key] = r.label(lang, p.value, "the "+l.what+" "+p.key)
		if l.question && out[p.key] != "" && !strings.HasSuffix(out[p.key], "?") {
			r.fail(p.line, "catalogue.question", "the topic "+p.key+" does not ask anything", "End it with a question mark.")
		}
	}
	for _, k := range l.known {
		if _, ok := out[k]; !ok {
			r.fail(n.Line, "catalogue.no_words", "the "+l.what+" "+k+" has no words", "Add them.")
		}
	}
	return out
}
