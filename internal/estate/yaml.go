package estate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxDepth is how deep garant.yaml may nest; the deepest it has to is 6.
const maxDepth = 20

// The sections of garant.yaml, by who reads them.
func estateSections() []string {
	return []string{"company", "endpoints", "databases", "checks", "imports", "witness", "audit", "logs", "cloud_logs", "workspace", "policy"}
}
func serverSections() []string {
	return []string{"database", "listen", "hosts", "tls", "trusted_proxy", "keys", "mail"}
}

// document reads the text of garant.yaml into its sections. It returns nil when the text is
// not YAML or uses what Garant refuses; then p holds why.
func (p *problems) document(source []byte) map[string]*yaml.Node {
	return p.sections(source, append(estateSections(), serverSections()...), estateSections())
}

// sections reads a text that is made of the known sections. few are those to start from.
func (p *problems) sections(source []byte, known, few []string) map[string]*yaml.Node {
	if !p.encoding(source) {
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(source))
	var doc yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		p.addAt(1, 1, "", "The file is empty.", "Start from the example in docs/garant.yaml.")
		return nil
	case err != nil:
		p.syntax(source, err)
		return nil
	}
	var second yaml.Node
	if err := decoder.Decode(&second); err == nil {
		p.addAt(second.Line, second.Column, "", "A second document starts here.", "Keep one document in the file: remove the line --- and what follows it.")
		return nil
	} else if !errors.Is(err, io.EOF) {
		p.syntax(source, err)
		return nil
	}
	if len(doc.Content) != 1 || !p.plain(doc.Content[0], 0) {
		return nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		p.add(root, "", "The file must be made of sections.", "Start a section with its name and a colon: "+join(few, "or")+".")
		return nil
	}
	return p.fields(root, "", known...)
}

// encoding refuses what is not plain UTF-8 text with the line breaks that editors count.
func (p *problems) encoding(source []byte) bool {
	const utf8Fix = "Save it as UTF-8 without a byte order mark."
	switch {
	case len(source) > MaxFile:
		p.addAt(1, 1, "", "The file is larger than 1 MiB.", "Keep only what Garant reads; certificates stand in files of their own.")
		return false
	case bytes.HasPrefix(source, []byte{0xFF, 0xFE}), bytes.HasPrefix(source, []byte{0xFE, 0xFF}):
		p.addAt(1, 1, "", "The file is in UTF-16.", utf8Fix)
		return false
	case bytes.HasPrefix(source, []byte{0xEF, 0xBB, 0xBF}):
		p.addAt(1, 1, "", "The file starts with a byte order mark.", utf8Fix)
		return false
	}
	before := len(p.found)
	line, column, indent := 1, 0, true
	for rest := source; len(rest) > 0 && len(p.found) == before; {
		r, size := utf8.DecodeRune(rest)
		column++
		switch {
		case r == utf8.RuneError && size == 1:
			p.addAt(line, column, "", "The file is not UTF-8 from here.", utf8Fix)
		case r == '\n':
			line, column, indent = line+1, 0, true
		case r == '\r':
			if len(rest) < 2 || rest[1] != '\n' {
				p.addAt(line, column, "", "A carriage return stands alone here.", "End lines with a line feed, or with carriage return and line feed.")
			}
		case r == '\t' && indent:
			if !blank(rest) {
				p.addAt(line, column, "", "The line is indented with a tab.", "Indent with spaces.")
			}
			indent = false // whatever follows, the line is judged: a line is read through once
		case r == '\t':
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029', r == '\uFEFF', r == '\uFFFE', r == '\uFFFF':
			p.addAt(line, column, "", fmt.Sprintf("The character U+%04X stands here, which nobody can see.", r), "Remove it.")
		case r != ' ':
			indent = false
		}
		rest = rest[size:]
	}
	return len(p.found) == before
}

// blank reports whether the line that text continues holds nothing more.
func blank(text []byte) bool {
	line, _, _ := bytes.Cut(text, []byte{'\n'})
	return len(bytes.TrimSpace(line)) == 0
}

// syntax tells of text that is not YAML. The library names the start of the surrounding block
// or no line at all; the line told is the first that cannot be read after those before it.
func (p *problems) syntax(source []byte, err error) {
	text, fix := explain(err.Error())
	p.addAt(firstBad(source), 0, "", text, fix)
}

// explain puts a message of the YAML library into words. It repeats nothing of the file.
func explain(message string) (text, fix string) {
	for _, e := range [...]struct{ has, text, fix string }{
		{"mapping values are not allowed", "A colon stands where no key can be.", "Check the indentation of this line and the one before; put a text that holds a colon and a space in quotes."},
		{"could not find expected ':'", "A key without its colon stands here or on the line before.", "Write it as key: value."},
		{"did not find expected key", "The line does not fit the lines above it.", "Indent it like the other keys of its section; quote a text as a whole or not at all."},
		{"did not find expected '-'", "The line does not fit the list above it.", "Start each item of a list with a dash, all equally indented."},
		{"cannot start any token", "A value starts with a character that YAML keeps for itself.", "Put the value in quotes."},
		{"unexpected end of stream", "A quotation mark is opened here and never closed.", "Close it on the same line."},
		{"unexpected document indicator", "A quotation mark is opened here and never closed.", "Close it on the same line."},
		{"',' or ']'", "A list in brackets is not closed, or lacks a comma.", "Write it as [one, two]."},
		{"',' or '}'", "A section in braces is not closed, or lacks a comma.", "Write one key a line instead."},
		{"unknown anchor", "A value starts with *, which would repeat another part of the file.", "Write the value out, or put it in quotes if the * belongs to it."},
		{"escape", "A backslash in double quotes starts nothing known.", "Use single quotes around a text with backslashes."},
		{"max depth", "The file nests too deep.", "Garant reads lists and sections at most six levels deep."},
		{"block scalar", "A text of several lines is not written as YAML has it.", "Write the value on one line."},
		{"indentation", "The indentation cannot be read.", "Indent with spaces, two for each level."},
		{"tag", "A value starts with !, which Garant does not use.", "Put the value in quotes if the ! belongs to it."},
		{"directive", "A line starts with %, which Garant does not use.", "Remove the line."},
		{"<document start>", "Something stands after the end of the document.", "Keep one document in the file."},
	} {
		if strings.Contains(message, e.has) {
			return e.text, e.fix
		}
	}
	return "This is not YAML that can be read.", "Compare the line and the one before with the example in docs/garant.yaml."
}

// firstBad returns the first line with which the text before it stops being YAML. Short files
// are tried line by line from the end; in long ones halving finds such a line too, though not
// always the first.
func firstBad(source []byte) int {
	ends := []int{0} // ends[n] is where the first n lines end
	for i, c := range source {
		if c == '\n' {
			ends = append(ends, i+1)
		}
	}
	if ends[len(ends)-1] < len(source) {
		ends = append(ends, len(source))
	}
	reads := func(lines int) bool {
		decoder := yaml.NewDecoder(bytes.NewReader(source[:ends[lines]]))
		for {
			var doc yaml.Node
			if err := decoder.Decode(&doc); err != nil {
				return errors.Is(err, io.EOF)
			}
		}
	}
	good, bad := 0, len(ends)-1
	for bad-good > 200 {
		if middle := good + (bad-good)/2; reads(middle) {
			good = middle
		} else {
			bad = middle
		}
	}
	for bad > good+1 && !reads(bad-1) {
		bad--
	}
	return max(bad, 1)
}

// plain refuses anchors, aliases, tags and deep nesting: one value, one place.
func (p *problems) plain(n *yaml.Node, depth int) bool {
	switch {
	case depth > maxDepth:
		p.add(n, "", "The file nests too deep.", "Garant reads lists and sections at most six levels deep.")
		return false
	case n.Kind == yaml.AliasNode:
		p.add(n, "", "A value starts with *, which repeats another part of the file.", "Write the value out: what is declared must be read in one place.")
		return false
	case n.Anchor != "":
		p.add(n, "", "A value starts with &, which names it for repetition.", "Remove the name: what is declared must be read in one place.")
		return false
	case n.Style&yaml.TaggedStyle != 0:
		p.add(n, "", "A value starts with !, which Garant does not use.", "Put the value in quotes if the ! belongs to it.")
		return false
	}
	ok := true
	for _, c := range n.Content {
		ok = p.plain(c, depth+1) && ok
	}
	return ok
}

// path joins the key of a section and of what is in it.
func path(section, key string) string {
	if section == "" {
		return key
	}
	return section + "." + key
}

// fields returns the values of a section by key. Unknown and repeated keys are mistakes.
func (p *problems) fields(n *yaml.Node, at string, known ...string) map[string]*yaml.Node {
	if n.Kind != yaml.MappingNode {
		p.add(n, at, "Keys and values belong here, not "+kindOf(n)+".", "Write one key a line, indented: "+join(known, "and")+".")
		return nil
	}
	values, lines := make(map[string]*yaml.Node, len(known)), make(map[string]int, len(known))
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode {
			p.add(k, at, "A key must be one word.", "Write it as key: value.")
			continue
		}
		key := path(at, printable(k.Value))
		switch first, seen := lines[k.Value]; {
		case !slices.Contains(known, k.Value):
			p.unknown(k, key, at, known)
		case seen:
			p.add(k, key, fmt.Sprintf("The key is written twice; the first is on line %d.", first), "Keep one of them.")
		default:
			values[k.Value], lines[k.Value] = v, k.Line
		}
	}
	return values
}

func (p *problems) unknown(k *yaml.Node, key, at string, known []string) {
	text, kind := "There is no such key.", "keys here"
	if at == "" {
		text, kind = "There is no such section.", "sections"
	}
	switch near := nearest(k.Value, known); {
	case k.Value == "measures" && at == "":
		p.add(k, key, "The section is kept for later versions.", "Remove it.")
	case k.Value == "<<":
		p.add(k, at, "Sections cannot be merged into one another.", "Write the keys out.")
	case near != "":
		p.add(k, key, text, "Did you mean "+near+"?")
	default:
		p.add(k, key, text, "The "+kind+" are "+join(known, "and")+".")
	}
}

// required returns the value of a key that must be there.
func (p *problems) required(section *yaml.Node, values map[string]*yaml.Node, at, key, fix string) *yaml.Node {
	v, ok := values[key]
	if !ok && values != nil {
		p.add(section, path(at, key), "The key is missing.", fix)
	}
	return v
}

// text reads one line of text of at most 200 characters.
func (p *problems) text(n *yaml.Node, key string) (string, bool) {
	if n == nil {
		return "", false
	}
	value := strings.TrimSpace(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode:
		p.add(n, key, "A text belongs here, not "+kindOf(n)+".", "")
	case n.Tag == "!!null" || value == "":
		p.add(n, key, "The value is empty.", "Write one, or remove the line.")
	case n.Tag != "!!str":
		p.add(n, key, "A text belongs here, not "+kindOf(n)+".", "Put it in quotes if it is meant as text.")
	case strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) && r != '\u00A0' && r != '\u202F' }):
		p.add(n, key, "The text holds a line break or a character that nobody can see.", "Write it on one line.")
	case utf8.RuneCountInString(value) > 200:
		p.add(n, key, "The text is longer than 200 characters.", "Shorten it.")
	default:
		return value, true
	}
	return "", false
}

// oneOf reads a word out of a few. what says what the value is, with its article.
func (p *problems) oneOf(n *yaml.Node, key, what string, words ...string) (string, bool) {
	value, ok := p.text(n, key)
	if !ok {
		return "", false
	}
	if slices.Contains(words, value) {
		return value, true
	}
	fix := "Write " + join(words, "or") + "."
	if near := nearest(value, words); near != "" {
		fix = "Did you mean " + near + "? " + fix
	}
	p.add(n, key, quote(value)+" is not "+what+".", fix)
	return "", false
}

// list returns the items of a list, with the key of each.
func (p *problems) list(n *yaml.Node, key, fix string) []*yaml.Node {
	switch {
	case n == nil:
		return nil
	case n.Kind != yaml.SequenceNode:
		p.add(n, key, "A list belongs here, not "+kindOf(n)+".", fix)
		return nil
	case len(n.Content) == 0:
		p.add(n, key, "The list is empty.", fix)
		return nil
	}
	return n.Content
}

func (p *problems) boolean(n *yaml.Node, key string) (value, ok bool) {
	if n == nil {
		return false, false
	}
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
		p.add(n, key, "True or false belongs here, not "+kindOf(n)+".", "Write true or false.")
		return false, false
	}
	return strings.EqualFold(n.Value, "true"), true
}

// kindOf says what stands in a place, without showing it.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		switch n.Tag {
		case "!!null":
			return "nothing"
		case "!!bool":
			return "true or false"
		case "!!int", "!!float":
			return "a number"
		case "!!timestamp":
			return "a date"
		case "!!merge":
			return "a merge"
		}
	}
	return "a text"
}

// printable cuts a key of the file down to what a message may show.
func printable(key string) string {
	quoted := quote(key)
	if bare := quoted[1 : len(quoted)-1]; bare == key && key != "" {
		return key
	}
	return quoted
}

// declared gives a node as plain values, for the hash: keys in order, scalars as written.
func declared(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = declared(n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		l := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			l = append(l, declared(c))
		}
		return l
	}
	return n.Value
}
