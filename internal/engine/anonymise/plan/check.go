package plan

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
)

// A Code says what sort of problem it is.
type Code string

// The problems.
const (
	NewTable    Code = "new_table"   // the plan does not know it
	NewColumn   Code = "new_column"  //
	NewPath     Code = "new_path"    // of a document
	GoneTable   Code = "gone_table"  // the database does not have it
	GoneColumn  Code = "gone_column" //
	TypeChanged Code = "type"        // it is not what it was when somebody looked
	Misfit      Code = "transformer" // does not fit the column
	Unanswered  Code = "question"    //
	Contradicts Code = "contradicts" // detection sees what needs more care than the plan takes
	Kept        Code = "kept"        // personal data stays as it is, and nobody says why
	KeyParts    Code = "foreign_key" // its two sides would no longer meet
	Unmeasured  Code = "persons"     // a quasi-identifier that is left is not measured
	Links       Code = "link"        // only of Plan.Linked: a row can be found in production
)

// A Problem keeps a copy from being made; one of code Links, from being called anonymised.
type Problem struct {
	Code   Code
	Table  catalog.Name
	Column string // empty: the table
	Path   string // of a document
	Line   int    // in the file; 0: nothing stands there
	Text   string // a sentence
	YAML   string // the lines to add or to put in their place, indented as in the file; empty: lines are to be removed, or a person must know
}

// Where names what the problem is about.
func (p Problem) Where() string {
	s := p.Table.String()
	if p.Column != "" {
		s += "." + catalog.Quote(p.Column)
	}
	if p.Path != "" {
		s += " " + p.Path
	}
	return s
}

func (p Problem) String() string {
	s := p.Where() + ": " + p.Text
	if p.Line > 0 {
		s = "line " + strconv.Itoa(p.Line) + ": " + s
	}
	return s
}

// Check holds the plan to a database without looking at its rows. Nothing means that a copy may be made.
func (p *Plan) Check(db *catalog.Database) []Problem { return p.CheckSamples(db, nil) }

// CheckSamples does the same and looks at samples too: whether they contradict a class, and what paths documents have.
func (p *Plan) CheckSamples(db *catalog.Database, samples Samples) []Problem {
	c := checker{plan: p, proposal: propose(db, samples, p)}
	c.run(db)
	return c.found
}

// Diff returns the plan with what a database needs beside it, and the problems that the old one has with it. Entries that still stand are untouched, those
// of what is gone are left out.
func Diff(old *Plan, db *catalog.Database, samples Samples) (Plan, []Problem) {
	c := checker{plan: old, proposal: propose(db, samples, old)}
	c.run(db)
	return c.proposal.plan(), c.found
}

type checker struct {
	plan     *Plan
	proposal *proposal
	found    []Problem
}

func (c *checker) add(p Problem) { c.found = append(c.found, p) }

func (c *checker) run(db *catalog.Database) {
	for _, d := range c.proposal.tables {
		c.table(d)
	}
	for i := range c.plan.Tables {
		t := &c.plan.Tables[i]
		if d := c.proposal.by[t.Name]; d != nil && d.src.Name == t.Name {
			continue
		}
		text := "The database has no such table; remove the entry."
		if there := db.Table(t.Name); there != nil && there.Partition != nil {
			text = "It is a partition of " + there.Partition.String() + ", whose entry speaks for it; remove this one."
		}
		c.add(Problem{Code: GoneTable, Table: t.Name, Line: t.Line, Text: text})
	}
	for _, d := range c.proposal.tables {
		c.foreign(d)
	}
	c.persons()
}

func (c *checker) table(d *draft) {
	before := c.plan.Table(d.src.Name)
	if before == nil {
		t := d.entry
		if t.Rows == NoRows {
			t.Columns, t.Subject = nil, ""
		}
		var b bytes.Buffer
		t.write(&b)
		c.add(Problem{Code: NewTable, Table: t.Name, Text: "The plan does not know the table.", YAML: b.String()})
		return
	}
	if before.Question != "" {
		c.add(Problem{Code: Unanswered, Table: before.Name, Line: before.Line, Text: before.Question})
	}
	for i := range before.Columns {
		e := &before.Columns[i]
		switch there := d.src.Column(e.Name); {
		case there == nil:
			c.add(Problem{Code: GoneColumn, Table: before.Name, Column: e.Name, Line: e.Line, Text: "The table has no such column; remove the entry."})
		case there.Generated:
			c.add(Problem{Code: GoneColumn, Table: before.Name, Column: e.Name, Line: e.Line, Text: "The column is generated from others, in the copy too; remove the entry."})
		}
	}
	if before.Rows == NoRows {
		return
	}
	for i := range d.entry.Columns {
		c.column(node{d, i}, before)
	}
}

func (c *checker) column(n node, before *Table) {
	name := n.entry().Name
	e := before.Column(name)
	problem := Problem{Table: before.Name, Column: name}
	if e == nil {
		problem.Code, problem.Text, problem.YAML = NewColumn, "The plan does not know the column.", lines(n.entry())
		c.add(problem)
		return
	}
	problem.Line = e.Line
	if e.Type != n.column().Declared {
		problem.Code, problem.YAML = TypeChanged, lines(n.entry())
		problem.Text = "The type was " + e.Type + " and is " + n.column().Declared + "; look whether the entry still stands."
		if e.Type == "" {
			problem.Text = "The entry does not say the type."
		}
		c.add(problem)
		return
	}
	if e.Question != "" {
		answered := *e
		answered.Question = ""
		problem.Code, problem.Text, problem.YAML = Unanswered, e.Question+" Correct the entry and remove the question.", lines(&answered)
		c.add(problem)
	}
	for _, path := range e.Paths {
		if path.Question != "" {
			c.add(Problem{Code: Unanswered, Table: before.Name, Column: name, Path: path.Path, Line: path.Line, Text: path.Question + " Correct the path's entry and remove the question."})
		}
	}
	if err := c.proposal.maker.fits(e.Transform, n.t.src, n.column(), e.Kind); err != nil && e.Question == "" {
		problem.Code, problem.Text, problem.YAML = Misfit, "Transformer "+e.Transform.Name+": "+err.Error()+".", lines(c.better(n, *e, e.Kind))
		c.add(problem)
	}
	r := n.result()
	switch {
	case e.Reason != "" || e.Question != "":
	case e.Class != personal.Harmless && (e.Transform.Name == "keep"):
		problem.Code, problem.YAML = Kept, lines(c.better(n, *e, cmp.Or(e.Kind, personal.Text)))
		problem.Text = "Class " + string(e.Class) + " stays as it is; take a transformer, or say in reason why that is right."
		c.add(problem)
	case !r.Question() && classRank(r.Class) < classRank(e.Class) && e.Transform.Name != "json" && e.Transform.Name != "suppress":
		problem.Code, problem.YAML = Contradicts, lines(c.better(n, *e, r.Kind))
		problem.Text = "The plan says " + string(e.Class) + ", and this looks like " + string(r.Kind) + ": " + because(r) + " Correct the entry, or say in reason why it is right."
		c.add(problem)
	}
	c.paths(n, e)
}

// better is an entry with the transformer that fits the kind.
func (c *checker) better(n node, e Column, k personal.Kind) *Column {
	e.Kind, e.Class, e.Question = k, k.Class(), ""
	spec, ok := c.proposal.maker.choose(n.t.src, n.column(), k, n.t.entry.Subject != "")
	e.Transform, e.Paths = spec, nil
	if !ok {
		e.Question = "No transformer for " + string(k) + " is known to fit: write one, such as sql."
	}
	return &e
}

// classRank orders classes by the care that they need.
func classRank(c personal.Class) int {
	return slices.Index([]personal.Class{personal.Identifier, personal.Sensitive, personal.FreeText, personal.Quasi, personal.Harmless}, c)
}

// paths looks for paths of documents that the plan does not know.
func (c *checker) paths(n node, e *Column) {
	for _, m := range c.proposal.missing(n, e) {
		c.add(Problem{Code: NewPath, Table: n.t.src.Name, Column: e.Name, Path: m.note.Path, Line: e.Line, Text: "The plan does not know the path.", YAML: pathLines(m.spec, m.note)})
	}
}

// missingPath is a path of a document that an entry does not know, with what is proposed for it.
type missingPath struct {
	note Path
	spec transform.Spec
}

func (p *proposal) missing(n node, e *Column) (out []missingPath) {
	if e.Transform.Name != "json" {
		return nil
	}
	known, _ := e.Transform.Args["paths"].(map[string]any)
	for i := range n.result().Paths {
		found := &n.result().Paths[i]
		path, keys := documentPath(found)
		if keys || len(path) > longestPath || covered(known, path) {
			continue
		}
		m := missingPath{Path{Path: path, Kind: found.Kind}, p.maker.pathTransform(found.Kind, false)}
		if found.Question() {
			m.note.Question = ask(&found.Result)
		}
		out = append(out, m)
	}
	return out
}

// extend adds the paths that an entry does not know.
func (p *proposal) extend(n node) {
	e := n.entry()
	missing := p.missing(n, e)
	if len(missing) == 0 {
		return
	}
	known, _ := e.Transform.Args["paths"].(map[string]any)
	paths := maps.Clone(known)
	e.Paths = slices.Clone(e.Paths)
	for _, m := range missing {
		paths[m.note.Path] = m.spec
		if m.note.Kind != impliedKind(m.spec.Name) || m.note.Question != "" {
			e.Paths = append(e.Paths, m.note)
		}
	}
	sortPaths(e.Paths)
	e.Transform.Args = maps.Clone(e.Transform.Args)
	e.Transform.Args["paths"] = paths
}

// covered reports whether the paths of a plan speak of a path of a document.
func covered(known map[string]any, path string) bool {
	steps := stepsOf(path)
	for p, v := range known {
		at := stepsOf(p)
		s, _ := v.(transform.Spec)
		whole := s.Name == "keep" || s.Name == "suppress" || s.Name == "file"
		if len(at) > len(steps) || len(at) < len(steps) && !whole {
			continue
		}
		match := true
		for i := range at {
			match = match && (at[i] == steps[i] || at[i] == "*" && steps[i] != "[]")
		}
		if match {
			return true
		}
	}
	return false
}

// stepsOf cuts a path into keys, with [] for the items of an array.
func stepsOf(path string) []string {
	var out []string
	if path == "$" {
		return nil
	}
	for rest := path; rest != ""; {
		switch {
		case strings.HasPrefix(rest, "[]"):
			out, rest = append(out, "[]"), rest[2:]
		case rest[0] == '.':
			rest = rest[1:]
		case rest[0] == '"':
			end := 1
			for end < len(rest) && rest[end] != '"' {
				if rest[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end+1, len(rest))
			out, rest = append(out, rest[:end]), rest[end:]
		default:
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			if end == 0 {
				end = 1
			}
			out, rest = append(out, rest[:end]), rest[end:]
		}
	}
	return out
}

// foreign holds the two sides of foreign keys together.
func (c *checker) foreign(d *draft) {
	from := c.plan.Table(d.src.Name)
	if from == nil || from.Rows == NoRows {
		return
	}
	for _, f := range d.src.Foreign {
		target := c.proposal.by[f.To]
		if target == nil {
			continue
		}
		to := c.plan.Table(target.src.Name)
		if to == nil {
			continue
		}
		for i := range f.Columns {
			a, b := from.Column(f.Columns[i]), to.Column(f.ToColumns[i])
			if a == nil {
				continue
			}
			here := Problem{Code: KeyParts, Table: from.Name, Column: a.Name, Line: a.Line}
			nulled := a.Transform.Name == "suppress" && !d.src.Column(a.Name).NotNull
			switch {
			case nulled:
			case to.Rows == NoRows:
				here.Text = "The column refers to " + to.Name.String() + ", of which no row is copied; copy its rows, empty this table as well, or take suppress."
				if !d.src.Column(a.Name).NotNull {
					one := *a
					one.Transform, one.Paths = transform.Spec{Name: "suppress"}, nil
					here.YAML = lines(&one)
				}
				c.add(here)
			case b == nil || a.Transform.Name == "sql" && b.Transform.Name == "sql":
			case value(a.Transform) != value(b.Transform):
				one := *a
				one.Transform, one.Paths = b.Transform, nil
				here.YAML = lines(&one)
				here.Text = fmt.Sprintf("The column refers to %s.%s (line %d), which becomes something else: %s instead of %s.", to.Name, catalog.Quote(b.Name), b.Line, value(b.Transform), value(a.Transform))
				c.add(here)
			}
		}
	}
}

// persons holds the list of what is measured to what is left of quasi-identifiers.
func (c *checker) persons() {
	wanted := c.proposal.persons()
	for _, w := range wanted {
		if t := c.plan.Table(w.Table); t == nil {
			continue // said already
		}
		had := c.plan.identity(w.Table)
		known := func(name string) bool { t := c.plan.Table(w.Table); return t.Column(name) != nil }
		w.Quasi, w.Sensitive = only(w.Quasi, known), only(w.Sensitive, known)
		if len(w.Quasi) == 0 || had != nil && slices.Equal(had.Quasi, w.Quasi) && slices.Equal(had.Sensitive, w.Sensitive) {
			continue
		}
		p := Problem{Code: Unmeasured, Table: w.Table, Text: "Somebody could be found again by " + strings.Join(w.Quasi, ", ") + ", which nothing measures; write this under persons."}
		if had != nil {
			p.Line = had.Line
			p.Text = "What is measured does not fit the columns; write this under persons."
		}
		var b bytes.Buffer
		w.write(&b)
		p.YAML = b.String()
		c.add(p)
	}
	for i := range c.plan.Persons {
		had := &c.plan.Persons[i]
		if !slices.ContainsFunc(wanted, func(w Identity) bool { return w.Table == had.Table }) && c.proposal.by[had.Table] != nil {
			c.add(Problem{Code: Unmeasured, Table: had.Table, Line: had.Line, Text: "Nothing that is measured under persons is left in the table; remove the entry there."})
		}
	}
}

func only(names []string, keep func(string) bool) (out []string) {
	for _, n := range names {
		if keep(n) {
			out = append(out, n)
		}
	}
	return out
}

// lines writes the entry of a column as it stands in the file.
func lines(e *Column) string {
	var b bytes.Buffer
	e.write(&b, "      ")
	return b.String()
}
