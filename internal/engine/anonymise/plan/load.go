package plan

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/names"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
	"github.com/garant-project/garant/internal/strictyaml"
)

// Load reads anonymise.yaml. name is what the file is called in mistakes. The error is an *estate.Problems.
func Load(name string, source []byte) (Plan, error) {
	r := &reader{Reader: strictyaml.NewReader(format(name)), specs: map[string]string{}}
	p := r.plan(source)
	if err := r.Err(); err != nil {
		return Plan{}, err
	}
	p.sort()
	return p, nil
}

// format is what anonymise.yaml is to the reader; name is what the file is called in mistakes.
func format(name string) strictyaml.Format {
	return strictyaml.Format{File: name, Begin: "anonymise: 1", Command: "garant anonymise plan", MiB: 32, Depth: 24, Text: 4000}
}

func (r *reader) plan(source []byte) Plan {
	p := Plan{LargeObjects: NoRows}
	root := r.Document(source)
	if root == nil {
		return p
	}
	f := r.Fields(root, "", "anonymise", "language", "country", "large_objects", "persons", "tables")
	r.Version(root, f, "plan")
	var languages []string
	for _, l := range names.Languages() {
		languages = append(languages, string(l))
	}
	p.Language = r.OneOf(r.Required(root, f, "", "language", "Write "+strictyaml.Listed(languages, "or")+"."), "language", languages...)
	if c := f["country"]; c != nil {
		if p.Country = r.Text(c, "country"); len(p.Country) != 2 || strings.ToUpper(p.Country) != p.Country {
			r.Add(c, "country", "This is not a country.", "Write two capitals, such as BE.")
		}
	}
	if o := f["large_objects"]; o != nil {
		p.LargeObjects = Rows(r.OneOf(o, "large_objects", string(AllRows), string(NoRows)))
	}
	r.Each(r.Required(root, f, "", "tables", "Name every table; garant anonymise plan writes the list."), "tables", func(k, v *yaml.Node) {
		if t, ok := r.table(k, v); ok {
			p.Tables = append(p.Tables, t)
		}
	})
	p.sort()
	r.Each(f["persons"], "persons", func(k, v *yaml.Node) {
		if i, ok := r.identity(k, v, &p); ok {
			p.Persons = append(p.Persons, i)
		}
	})
	return p
}

// tableName reads the name of a table that is the key of an entry.
func (r *reader) tableName(k *yaml.Node, at string) (catalog.Name, bool) {
	n, ok := catalog.ParseName(k.Value)
	if !ok {
		fix := `Write schema.table, each in double quotes when it has capitals or other characters: '"Odd Schema"."T.x"'.`
		if schema, table, cut := strings.Cut(k.Value, "."); cut && !strings.Contains(k.Value, `"`) {
			fix = "PostgreSQL keeps capitals and other characters in double quotes only: write '" + catalog.Name{Schema: schema, Table: table}.String() + "'."
		}
		r.Add(k, at, strictyaml.Shown(k.Value)+" is not the name of a table with its schema.", fix)
	}
	return n, ok
}

func (r *reader) table(k, v *yaml.Node) (Table, bool) {
	n, ok := r.tableName(k, "tables")
	if !ok {
		return Table{}, false
	}
	at := "tables." + n.String()
	t := Table{Name: n, Rows: AllRows, Line: k.Line}
	f := r.Fields(v, at, "rows", "subject", "reason", "question", "columns")
	if rows := f["rows"]; rows != nil {
		t.Rows = Rows(r.OneOf(rows, at+".rows", string(AllRows), string(NoRows)))
	}
	t.Subject = r.Text(f["subject"], at+".subject")
	t.Reason = r.Text(f["reason"], at+".reason")
	t.Question = r.Text(f["question"], at+".question")
	r.Each(f["columns"], at+".columns", func(k, v *yaml.Node) {
		t.Columns = append(t.Columns, r.column(k, v, at+"."+catalog.Quote(k.Value)))
	})
	if t.Subject != "" && t.Column(t.Subject) == nil {
		r.Add(f["subject"], at+".subject", "The table's entry has no column "+strictyaml.Shown(t.Subject)+".", "Name the column that tells which person a row speaks of, or remove the line.")
	}
	return t, true
}

func (r *reader) column(k, v *yaml.Node, at string) Column {
	c := Column{Name: k.Value, Class: personal.Harmless, Kind: personal.None, Line: k.Line}
	if v.Kind == yaml.ScalarNode {
		name, typ, _ := strings.Cut(r.Text(v, at), " ")
		c.Transform.Name, c.Type = name, typ
		switch {
		case name == "":
		case r.describe(v, at, name):
			r.try(v, at, c.Transform, typ)
		}
		return c
	}
	f, args := r.Entry(v, at, "class", "kind", "transform", "type", "reason", "question")
	if n := f["kind"]; n != nil {
		if kind, err := personal.ParseKind(r.Text(n, at+".kind")); err != nil {
			r.Add(n, at+".kind", "There is no such kind of personal data.", "Write "+kinds()+".")
		} else {
			c.Kind = kind
		}
	}
	c.Class = c.Kind.Class()
	if n := f["class"]; n != nil {
		class, err := personal.ParseClass(r.Text(n, at+".class"))
		if err != nil {
			r.Add(n, at+".class", "There is no such class.", "Write identifier, quasi_identifier, sensitive, free_text or harmless.")
		}
		c.Class = class
	} else if f["kind"] == nil {
		r.Add(v, at+".class", "The key is missing.", "Write identifier, quasi_identifier, sensitive, free_text or harmless.")
	}
	c.Type = r.Text(f["type"], at+".type")
	c.Reason = r.Text(f["reason"], at+".reason")
	c.Question = r.Text(f["question"], at+".question")
	c.Transform, c.Paths = r.spec(v, f, args, at, c.Type)
	return c
}

// spec reads a transformer with the arguments beside it, and tries whether it takes them.
func (r *reader) spec(v *yaml.Node, f map[string]*yaml.Node, args []*yaml.Node, at, typ string) (transform.Spec, []Path) {
	n := r.Required(v, f, at, "transform", "Name what replaces the value, such as email; keep leaves it as it is.")
	if n == nil {
		return transform.Spec{}, nil
	}
	s := transform.Spec{Name: r.Text(n, at+".transform")}
	if s.Name == "" || !r.describe(n, at+".transform", s.Name) {
		return s, nil
	}
	before := r.Mistakes()
	var paths []Path
	for i := 0; i+1 < len(args); i += 2 {
		k, v := args[i], args[i+1]
		if !r.takes(k, at, s.Name, k.Value) {
			continue
		}
		if s.Args == nil {
			s.Args = map[string]any{}
		}
		if s.Name == "json" && (k.Value == documentArguments[0] || k.Value == documentArguments[1]) {
			all := map[string]any{}
			r.Each(v, at+"."+k.Value, func(pk, pv *yaml.Node) {
				spec, note := r.path(pk, pv, at+"."+strictyaml.Shown(pk.Value))
				all[pk.Value] = spec
				note.Keys = k.Value == documentArguments[1]
				if note.Kind != impliedKind(spec.Name) || note.Reason != "" || note.Question != "" {
					paths = append(paths, note)
				}
			})
			s.Args[k.Value] = all
			continue
		}
		s.Args[k.Value] = r.value(v, at+"."+k.Value)
	}
	if r.Mistakes() == before {
		r.try(n, at, s, typ)
	}
	sortPaths(paths)
	return s, paths
}

// path reads what becomes of a path of a document: the name of a transformer, or more.
func (r *reader) path(k, v *yaml.Node, at string) (transform.Spec, Path) {
	note := Path{Path: k.Value, Line: k.Line}
	if v.Kind == yaml.ScalarNode {
		s := transform.Spec{Name: r.Text(v, at)}
		if s.Name != "" {
			r.describe(v, at, s.Name)
		}
		note.Kind = impliedKind(s.Name)
		return s, note
	}
	f, args := r.Entry(v, at, "kind", "transform", "reason", "question")
	s, notes := r.spec(v, f, args, at, "")
	for _, n := range notes {
		r.AddAt(n.Line, at, "A document within a document has no kinds, reasons and questions of its own.", "Write them beside the path of the document that holds it.")
	}
	note.Kind = impliedKind(s.Name)
	if n := f["kind"]; n != nil {
		kind, err := personal.ParseKind(r.Text(n, at+".kind"))
		if err != nil {
			r.Add(n, at+".kind", "There is no such kind of personal data.", "Write "+kinds()+".")
		}
		note.Kind = kind
	}
	note.Reason = r.Text(f["reason"], at+".reason")
	note.Question = r.Text(f["question"], at+".question")
	return s, note
}

func (r *reader) identity(k, v *yaml.Node, p *Plan) (Identity, bool) {
	n, ok := r.tableName(k, "persons")
	if !ok {
		return Identity{}, false
	}
	at := "persons." + n.String()
	f := r.Fields(v, at, "quasi", "sensitive", "k", "l", "small", "linked")
	i := Identity{Table: n, Line: k.Line}
	i.Quasi = r.list(r.Required(v, f, at, "quasi", "List the columns by which somebody could be found: [born, postcode, sex]."), at+".quasi")
	i.Sensitive = r.list(f["sensitive"], at+".sensitive")
	i.K = r.count(r.Required(v, f, at, "k", "Write how many rows must be alike at least: 5."), at+".k", 2)
	i.L = r.count(f["l"], at+".l", 2)
	i.Small, i.Linked = r.part(f["small"], at+".small"), r.part(f["linked"], at+".linked")
	t := p.Table(n)
	if t == nil {
		r.Add(k, at, "The table is not among the tables.", "Add its entry there, or remove this one.")
		return i, true
	}
	for _, list := range [][]string{i.Quasi, i.Sensitive} {
		for _, name := range list {
			if t.Column(name) == nil {
				r.Add(k, at, "The table's entry has no column "+strictyaml.Shown(name)+".", "Name columns that are there.")
			}
		}
	}
	return i, true
}

// describe reports whether there is a transformer of this name.
func (r *reader) describe(n *yaml.Node, at, name string) bool {
	if _, ok := descriptions()[name]; ok {
		return true
	}
	var all []string
	for _, d := range transform.Descriptions() {
		all = append(all, d.Name)
	}
	r.Add(n, at, "There is no transformer "+strictyaml.Shown(name)+".", "Write "+strictyaml.Listed(all, "or")+".")
	return false
}

// takes reports whether a transformer has an argument.
func (r *reader) takes(n *yaml.Node, at, transformer, argument string) bool {
	d := descriptions()[transformer]
	var all []string
	for _, a := range d.Args {
		if a.Name == argument && argument != "reason" {
			return true
		}
		if a.Name != "reason" {
			all = append(all, a.Name)
		}
	}
	fix := "Remove it: " + transformer + " takes no arguments."
	if len(all) > 0 {
		fix = "The arguments of " + transformer + " are " + strictyaml.Listed(all, "and") + "."
	}
	r.Add(n, at+"."+strings.Trim(strictyaml.Shown(argument), `"`), "There is no such key here.", fix)
	return false
}

func kinds() string {
	var all []string
	for _, k := range personal.Kinds() {
		all = append(all, string(k))
	}
	return strictyaml.Listed(append(all, string(personal.None)), "or")
}

// try makes a transformer with its arguments for types that it fits, as long as one takes them. What it makes is thrown away; programs are not started.
func (r *reader) try(n *yaml.Node, at string, s transform.Spec, typ string) {
	key := value(s) + "\x00" + typ
	text, tried := r.specs[key]
	if !tried {
		text = tryArguments(s, typ)
		r.specs[key] = text
	}
	if text != "" {
		r.Add(n, at, "The transformer cannot be made: "+text+".", "docs/anonymise-transformers.md says what it takes.")
	}
}

// tryArguments says what is wrong with arguments whatever the column, empty when nothing is.
func tryArguments(s transform.Spec, typ string) string {
	if s.Name == "subprocess" {
		return subprocessArguments(s)
	}
	if s.Name == "keep" {
		return ""
	}
	d := descriptions()[s.Name]
	var first string
	for _, f := range append([]transform.Family{transform.FamilyOf(typ)}, d.Fits...) {
		example, ok := exampleOf(f, typ)
		if !ok {
			continue
		}
		t, err := transform.New(s, transform.Column{Name: "column", Type: example}, trial())
		if err == nil {
			_ = t.Close()
			return ""
		}
		if first == "" {
			first = strings.TrimPrefix(err.Error(), fmt.Sprintf("column: transformer %q: ", s.Name))
		}
	}
	return first
}

// exampleOf names a type of a family: the one that the plan names if it is of it.
func exampleOf(f transform.Family, typ string) (string, bool) {
	if typ != "" && transform.FamilyOf(typ) == f {
		return typ, true
	}
	switch f {
	case transform.Text:
		return "text", true
	case transform.Integer:
		return "bigint", true
	case transform.Number:
		return "numeric", true
	case transform.Boolean:
		return "boolean", true
	case transform.Date:
		return "date", true
	case transform.Timestamp:
		return "timestamp with time zone", true
	case transform.UUID:
		return "uuid", true
	case transform.Network:
		return "inet", true
	case transform.Hardware:
		return "macaddr", true
	case transform.JSON:
		return "jsonb", true
	case transform.Bytes:
		return "bytea", true
	case transform.Point:
		return "point", true
	}
	return "", false
}

// subprocessArguments looks at what a program is to be started with, without starting it.
func subprocessArguments(s transform.Spec) string {
	list, ok := s.Args["command"].([]any)
	for _, word := range list {
		text, is := word.(string)
		ok = ok && is && text != ""
	}
	if !ok || len(list) == 0 {
		return `takes the argument "command": a list of the program and its arguments`
	}
	if v, given := s.Args["timeout_ms"]; given {
		if n, is := v.(int); !is || n < 1 || n > 600_000 {
			return `argument "timeout_ms" is a whole number from 1 to 600000`
		}
	}
	return ""
}

// trial is an environment in which transformers can be made and tell nothing.
func trial() transform.Env { return transform.Env{Key: transform.NewKey(), Finder: nobody{}} }

type nobody struct{}

// Find implements transform.Finder.
func (nobody) Find(dst []transform.Mention, _ []byte) []transform.Mention { return dst }
