package plan

import (
	"slices"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
)

// FileName is what a plan is called unless told otherwise.
const FileName = "anonymise.yaml"

// A Plan says for every column of a database what becomes of it in the copy.
type Plan struct {
	Language     string     // of replacements where a column says none: fr-FR, nl-BE…
	Country      string     // of numbers without country code; empty: that of the language
	LargeObjects Rows       // NoRows unless somebody says otherwise
	Tables       []Table    // sorted by name; a partitioned table once, by its root
	Persons      []Identity // what is measured of re-identification; sorted by name
}

// Rows says what becomes of the rows of a table.
type Rows string

// The fates of rows.
const (
	AllRows Rows = "all"
	NoRows  Rows = "none" // the table is there, and empty: credentials, sessions, queues
)

// A Table is one table.
type Table struct {
	Name     catalog.Name
	Rows     Rows
	Subject  string // the column that names the person a row speaks of; empty: none
	Columns  []Column
	Reason   string // why, where it is not evident
	Question string // what has to be answered before a copy is published; empty: nothing
	Line     int    // in the file; 0 when not read from one
}

// A Column is one column.
type Column struct {
	Name      string
	Type      string // as declared when the plan was made: another type stops the run
	Class     personal.Class
	Kind      personal.Kind
	Transform transform.Spec // with the paths of a document as transform.Spec in its arguments
	Paths     []Path         // what is noted of the paths of a document beyond their transformer; sorted
	Reason    string
	Question  string
	Line      int
}

// A Path is what is noted of a path of a JSON document, or of the keys of an object.
type Path struct {
	Path     string // as transformer json writes it
	Keys     bool   // of the object's keys themselves
	Kind     personal.Kind
	Reason   string
	Question string
	Line     int
}

// An Identity is a table of persons with the columns by which somebody could be singled out.
type Identity struct {
	Table     catalog.Name
	Quasi     []string
	Sensitive []string
	K         int     // the smallest number of rows that may share their quasi-identifiers
	L         int     // the least number of values of each sensitive column among them; 0: not asked
	Small     float64 // part of the rows that may stand in smaller classes
	Linked    float64 // part of the rows that an attack may lead back to their person
	Line      int
}

// Table returns the entry of a table, nil when there is none.
func (p *Plan) Table(n catalog.Name) *Table {
	i, ok := slices.BinarySearchFunc(p.Tables, n, func(t Table, n catalog.Name) int { return t.Name.Compare(n) })
	if !ok {
		return nil
	}
	return &p.Tables[i]
}

// Column returns the entry of a column, nil when there is none.
func (t *Table) Column(name string) *Column {
	i := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &t.Columns[i]
}

// Questions counts what is still to be answered.
func (p *Plan) Questions() int {
	n := 0
	count := func(question string) {
		if question != "" {
			n++
		}
	}
	for _, t := range p.Tables {
		count(t.Question)
		for _, c := range t.Columns {
			count(c.Question)
			for _, path := range c.Paths {
				count(path.Question)
			}
		}
	}
	return n
}

// sort brings the lists into the order in which they are written. Columns stay in that of the table.
func (p *Plan) sort() {
	slices.SortFunc(p.Tables, func(a, b Table) int { return a.Name.Compare(b.Name) })
	slices.SortFunc(p.Persons, func(a, b Identity) int { return a.Table.Compare(b.Table) })
}

// Target is what transform.New is to be told of a column: what a run and a check must agree on. table is the root where there are partitions.
func Target(t *catalog.Table, c *catalog.Column, kind personal.Kind) transform.Column {
	out := transform.Column{
		Name: t.Name.String() + "." + catalog.Quote(c.Name), Type: c.Type, Length: c.Length, Precision: c.Precision, Scale: c.Scale,
		NotNull: c.NotNull, Unique: c.Unique, Labels: c.Labels, Kind: kind,
	}
	if transform.FamilyOf(c.Type) == transform.Array {
		out.Labels = nil // they are those of the elements
	}
	return out
}
