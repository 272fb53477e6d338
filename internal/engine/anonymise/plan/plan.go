// Package plan is what a copy does with each column, as anonymise.yaml says it.
package plan

import (
	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
)

// A Plan says for every column of a database what becomes of it in the copy.
type Plan struct {
	Language string     // of replacements where a column says none: fr-FR, nl-BE…
	Country  string     // of numbers without country code
	Tables   []Table    // sorted by name; a partitioned table once, by its root
	Persons  []Identity // what is measured of re-identification
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
	Name    catalog.Name
	Rows    Rows
	Subject string // the column that names the person a row speaks of; empty: none
	Columns []Column
	Line    int // in the file
}

// A Column is one column.
type Column struct {
	Name      string
	Type      string // as declared when the plan was made: another type stops the run
	Class     personal.Class
	Kind      personal.Kind
	Transform transform.Spec
	Reason    string // why, where it is not evident
	Question  string // what has to be answered before a copy is published; empty: nothing
	Line      int
}

// An Identity is a table of persons with the columns by which somebody could be singled out.
type Identity struct {
	Table     catalog.Name
	Quasi     []string
	Sensitive []string
	K         int // the smallest number of rows that may share their quasi-identifiers
	L         int // the least number of values of each sensitive column among them; 0: not asked
	Line      int
}
