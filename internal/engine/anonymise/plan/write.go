package plan

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
	"github.com/garant-project/garant/internal/strictyaml"
)

const head = `# What becomes of every column in the anonymised copy. Written by garant anonymise plan; read it, correct
# it, keep it beside your migrations. garant anonymise plan --diff says what a migration needs here.
#
# class     identifier        leads to one person by itself     quasi_identifier  together with others
#           sensitive         says what would hurt              free_text         may hold anything
#           harmless          says nothing of a person
# kind      what a value is: email, iban, birth_date…
# transform what replaces it, its arguments beside it. docs/anonymise-transformers.md has the list.
#           keep bigint is short for a harmless column of type bigint that stays as it is.
# type      as it was when you looked: another type stops the copy until somebody has looked again.
# rows      none: the table is in the copy, and empty.
# subject   the column that names the person a row speaks of.
# reason    your words; they stay. A reason also answers for what detection would decide otherwise.
# question  what could not be decided. Correct the entry and remove the line: no copy is made before.
#
# A table, a column, a path of a document that is not in this file stops the copy.
`

// wide is how long a line may be.
const wide = 150

// Write gives the plan as sorted YAML: the same plan, the same bytes. Load reads it back.
func (p *Plan) Write() []byte {
	sorted := *p
	sorted.Tables, sorted.Persons = slices.Clone(p.Tables), slices.Clone(p.Persons)
	sorted.sort()
	var b bytes.Buffer
	b.WriteString(head)
	b.WriteString("anonymise: 1\n")
	b.WriteString("\n# Whose names, places and numbers replacements have, where a column says nothing else.\n")
	fmt.Fprintf(&b, "language: %s\n", strictyaml.Scalar(p.Language))
	if p.Country != "" {
		fmt.Fprintf(&b, "country: %s\n", strictyaml.Scalar(p.Country))
	}
	large := p.LargeObjects
	if large == "" {
		large = NoRows
	}
	fmt.Fprintf(&b, "large_objects: %s\n", large)
	if len(p.Persons) > 0 {
		b.WriteString("\n# Where persons could be found again by what is left of them: at least k rows must share their\n" +
			"# quasi-identifiers, with at least l values of each sensitive column among them.\npersons:\n")
		for _, i := range sorted.Persons {
			i.write(&b)
		}
	}
	sorted.summary(&b)
	if len(p.Tables) == 0 {
		b.WriteString("tables: {}\n")
		return b.Bytes()
	}
	b.WriteString("tables:\n")
	for _, t := range sorted.Tables {
		t.write(&b)
	}
	return b.Bytes()
}

// summary counts what the list holds.
func (p *Plan) summary(b *bytes.Buffer) {
	count := map[personal.Class]int{}
	columns := 0
	for _, t := range p.Tables {
		for _, c := range t.Columns {
			count[c.Class]++
			columns++
		}
	}
	fmt.Fprintf(b, "\n# %d tables, %d columns: %d identifiers, %d quasi-identifiers, %d sensitive, %d free text, %d harmless. Questions left: %d.\n", len(p.Tables), columns,
		count[personal.Identifier], count[personal.Quasi], count[personal.Sensitive], count[personal.FreeText], count[personal.Harmless], p.Questions())
}

func (i *Identity) write(b *bytes.Buffer) {
	f := fields{{"quasi", strictyaml.Flow(i.Quasi)}}
	if len(i.Sensitive) > 0 {
		f.add("sensitive", strictyaml.Flow(i.Sensitive))
	}
	f.add("k", strconv.Itoa(i.K))
	if i.L > 0 {
		f.add("l", strconv.Itoa(i.L))
	}
	if i.Small > 0 {
		f.add("small", decimal(i.Small))
	}
	if i.Linked > 0 {
		f.add("linked", decimal(i.Linked))
	}
	f.write(b, "  ", i.Table.String(), false)
}

func (t *Table) write(b *bytes.Buffer) {
	var f fields
	if t.Rows == NoRows {
		f.add("rows", string(NoRows))
	}
	if t.Subject != "" {
		f.add("subject", strictyaml.Scalar(t.Subject))
	}
	if t.Reason != "" {
		f.add("reason", strictyaml.Scalar(t.Reason))
	}
	if t.Question != "" {
		f.add("question", strictyaml.Scalar(t.Question))
	}
	if len(t.Columns) == 0 {
		f.write(b, "  ", t.Name.String(), t.Question != "")
		return
	}
	f.write(b, "  ", t.Name.String(), true)
	b.WriteString("    columns:\n")
	for _, c := range t.Columns {
		c.write(b, "      ")
	}
}

// short reports whether a transformer and a type say it all.
func (c *Column) short() bool {
	return c.Class == personal.Harmless && c.Kind == personal.None && len(c.Transform.Args) == 0 && c.Reason == "" && c.Question == ""
}

func (c *Column) write(b *bytes.Buffer, indent string) {
	if c.short() {
		fmt.Fprintf(b, "%s%s: %s\n", indent, strictyaml.Scalar(c.Name), strictyaml.Scalar(strings.TrimSpace(c.Transform.Name+" "+c.Type)))
		return
	}
	f := fields{{"class", strictyaml.Scalar(string(c.Class))}}
	if c.Kind != personal.None {
		f.add("kind", strictyaml.Scalar(string(c.Kind)))
	}
	f.add("transform", strictyaml.Scalar(c.Transform.Name))
	if c.Transform.Name == "json" {
		f.arguments(c.Transform, documentArguments...)
	} else {
		f.arguments(c.Transform)
	}
	if c.Type != "" {
		f.add("type", strictyaml.Scalar(c.Type))
	}
	if c.Reason != "" {
		f.add("reason", strictyaml.Scalar(c.Reason))
	}
	if c.Question != "" {
		f.add("question", strictyaml.Scalar(c.Question))
	}
	paths := c.documents(indent + "  ")
	f.write(b, indent, c.Name, c.Question != "" || len(paths) > 0)
	b.Write(paths)
}

// documents writes the paths of a document, one a line.
func (c *Column) documents(indent string) []byte {
	var b bytes.Buffer
	for _, argument := range documentArguments {
		all, ok := c.Transform.Args[argument].(map[string]any)
		if !ok || c.Transform.Name != "json" || len(all) == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s%s:\n", indent, argument)
		for _, path := range slices.Sorted(maps.Keys(all)) {
			spec, _ := all[path].(transform.Spec)
			note := c.note(path, argument == "keys")
			if note.Kind == impliedKind(spec.Name) && len(spec.Args) == 0 && note.Reason == "" && note.Question == "" {
				fmt.Fprintf(&b, "%s  %s: %s\n", indent, strictyaml.Scalar(path), strictyaml.Scalar(spec.Name))
				continue
			}
			var f fields
			if note.Kind != impliedKind(spec.Name) {
				f.add("kind", strictyaml.Scalar(string(note.Kind)))
			}
			f.add("transform", strictyaml.Scalar(spec.Name))
			f.arguments(spec)
			if note.Reason != "" {
				f.add("reason", strictyaml.Scalar(note.Reason))
			}
			if note.Question != "" {
				f.add("question", strictyaml.Scalar(note.Question))
			}
			f.write(&b, indent+"  ", path, note.Question != "")
		}
	}
	return b.Bytes()
}

// documentArguments are those of transformer json, which are written one path a line.
var documentArguments = []string{"paths", "keys"}

// note returns what is noted of a path.
func (c *Column) note(path string, keys bool) Path {
	for _, p := range c.Paths {
		if p.Path == path && p.Keys == keys {
			return p
		}
	}
	spec, _ := c.spec(path, keys)
	return Path{Path: path, Keys: keys, Kind: impliedKind(spec.Name)}
}

// spec returns the transformer of a path.
func (c *Column) spec(path string, keys bool) (transform.Spec, bool) {
	argument := documentArguments[0]
	if keys {
		argument = documentArguments[1]
	}
	all, _ := c.Transform.Args[argument].(map[string]any)
	s, ok := all[path].(transform.Spec)
	return s, ok
}

// descriptions are the transformers by name.
var descriptions = sync.OnceValue(func() map[string]transform.Description {
	all := map[string]transform.Description{}
	for _, d := range transform.Descriptions() {
		all[d.Name] = d
	}
	return all
})

// defaults are the transformers that serve kinds unless a plan says otherwise.
var defaults = sync.OnceValue(func() map[personal.Kind]transform.Spec {
	all := map[personal.Kind]transform.Spec{}
	for _, k := range personal.Kinds() {
		all[k] = transform.For(k)
	}
	return all
})

// impliedKind is the kind of a path that names a transformer and nothing else.
func impliedKind(transformer string) personal.Kind {
	if d := descriptions()[transformer]; len(d.DefaultOf) > 0 {
		return d.DefaultOf[0]
	}
	return personal.None
}

// fields are the keys of an entry with their values, written already.
type fields [][2]string

func (f *fields) add(key, value string) { *f = append(*f, [2]string{key, value}) }

// arguments adds those of a transformer, but for some.
func (f *fields) arguments(s transform.Spec, without ...string) {
	for _, name := range slices.Sorted(maps.Keys(s.Args)) {
		if !slices.Contains(without, name) {
			f.add(strictyaml.Scalar(name), value(s.Args[name]))
		}
	}
}

// write writes an entry on one line, or one key a line where it is long or must be seen.
func (f fields) write(b *bytes.Buffer, indent, name string, block bool) {
	var line strings.Builder
	for i, kv := range f {
		if i > 0 {
			line.WriteString(", ")
		}
		line.WriteString(kv[0] + ": " + kv[1])
	}
	fmt.Fprintf(b, "%s%s:", indent, strictyaml.Scalar(name))
	if !block && len(indent)+len(name)+line.Len() <= wide {
		fmt.Fprintf(b, " {%s}\n", line.String())
		return
	}
	b.WriteByte('\n')
	for _, kv := range f {
		fmt.Fprintf(b, "%s  %s: %s\n", indent, kv[0], kv[1])
	}
}

// value writes an argument as it may stand anywhere.
func value(v any) string {
	switch v := v.(type) {
	case string:
		return strictyaml.Scalar(v)
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return decimal(v)
	case []string:
		return strictyaml.Flow(v)
	case []any:
		written := make([]string, len(v))
		for i, e := range v {
			written[i] = value(e)
		}
		return "[" + strings.Join(written, ", ") + "]"
	case transform.Spec:
		if len(v.Args) == 0 {
			return strictyaml.Scalar(v.Name)
		}
		written := []string{"transform: " + strictyaml.Scalar(v.Name)}
		for _, k := range slices.Sorted(maps.Keys(v.Args)) {
			written = append(written, strictyaml.Scalar(k)+": "+value(v.Args[k]))
		}
		return "{" + strings.Join(written, ", ") + "}"
	case map[string]any:
		var written []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			written = append(written, strictyaml.Scalar(k)+": "+value(v[k]))
		}
		return "{" + strings.Join(written, ", ") + "}"
	}
	return strictyaml.Scalar(fmt.Sprint(v))
}

// decimal writes a number so that YAML reads it as one with a point.
func decimal(f float64) string {
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// Heading is what stands above the entry of a column in the file.
func Heading(table catalog.Name) string {
	return "  " + strictyaml.Scalar(table.String()) + ":\n    columns:\n"
}

// PathHeading is what stands above the paths of a column in the file.
func PathHeading(column string) string {
	return "      " + strictyaml.Scalar(column) + ":\n        paths:\n"
}
