package catalog

import (
	"cmp"
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/pg/sqlname"
)

// A Name names a relation.
type Name struct{ Schema, Table string }

// String writes the name with quotes only where PostgreSQL would read another one without them. ParseName reads it back.
func (n Name) String() string { return Quote(n.Schema) + "." + Quote(n.Table) }

// Compare orders names as they are listed.
func (n Name) Compare(m Name) int {
	return cmp.Or(strings.Compare(n.Schema, m.Schema), strings.Compare(n.Table, m.Table))
}

// Quote writes an identifier for people, as in String.
func Quote(name string) string { return sqlname.Shown(name) }

// ParseName reads what String writes.
func ParseName(s string) (n Name, ok bool) {
	n.Schema, n.Table, ok = sqlname.Split(s)
	return n, ok
}

// A Table is a table or a leaf partition that holds rows, or, in Database.Partitioned, a partitioned table.
type Table struct {
	Name       Name
	Partition  *Name  // the root of the partitioned table that it is part of
	Inherits   []Name // tables whose columns it has by inheritance; partitions have none
	Comment    string
	Columns    []Column
	Key        []string   // columns of the primary key, in order
	Unique     [][]string // columns of each unique index, the primary key's included, in order of the index; none that has all columns of another
	Foreign    []Foreign  // those of partitioned tables above it included
	Rows       int64      // as the statistics estimate; -1: never analysed
	Bytes      int64      // of rows, without indexes
	Guarded    bool       // by row-level security: who reads it needs to pass
	Filtered   bool       // row-level security hides rows from the role that read the catalogue
	Unreadable bool       // the role that read the catalogue may not read all columns
}

// Column returns a column, nil when there is none of this name.
func (t *Table) Column(name string) *Column {
	i := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &t.Columns[i]
}

// A Column is a column of a table.
type Column struct {
	Name      string
	Type      string // format_type of the base type under domains, without modifier; of a type that an extension brought without its schema
	Declared  string // format_type as declared
	Length    int    // of varchar(n) and char(n)
	Precision int    // of numeric
	Scale     int
	NotNull   bool    // of the column or of its domain
	Unique    bool    // has a unique index, or shares one with others that is unique through all of them: different values must stay different
	Excluded  bool    // stands in an exclusion constraint
	Distinct  float64 // number of different values as the statistics know it; negative: as a part of the rows, which PostgreSQL writes from a tenth on; 0: not known
	Generated bool    // GENERATED ALWAYS AS … STORED: not copied
	Identity  bool
	Default   string // of a generated column, its expression
	Comment   string
	Labels    []string // of an enum, or of the elements of an array of them
	Fields    []Field  // of a composite type, or of the elements of an array of them
	Checks    []string // definitions of checks that name the column, domains' included
}

// A Field is an attribute of a composite type.
type Field struct{ Name, Type string }

// A Foreign is a foreign key.
type Foreign struct {
	Columns    []string
	To         Name
	ToColumns  []string
	Deferrable bool
}

// A Database is what was read under one snapshot.
type Database struct {
	Name         string
	Tables       []Table // sorted by name
	Partitioned  []Table // the roots, sorted by name; what any of their partitions asks of a column, theirs asks
	Sequences    []Name
	LargeObjects int64
	Other        []string // what the copy does not carry: foreign tables, subscriptions, publications…
}

// Table returns a table or a partitioned one, nil when there is none.
func (d *Database) Table(n Name) *Table {
	for _, list := range [][]Table{d.Tables, d.Partitioned} {
		if i, ok := slices.BinarySearchFunc(list, n, func(t Table, n Name) int { return t.Name.Compare(n) }); ok {
			return &list[i]
		}
	}
	return nil
}

// Planned lists the tables that a plan has to speak of, sorted by name: a partitioned table by its root, and not its partitions.
func (d *Database) Planned() []*Table {
	out := make([]*Table, 0, len(d.Tables))
	for i := range d.Tables {
		if d.Tables[i].Partition == nil {
			out = append(out, &d.Tables[i])
		}
	}
	for i := range d.Partitioned {
		out = append(out, &d.Partitioned[i])
	}
	slices.SortFunc(out, func(a, b *Table) int { return a.Name.Compare(b.Name) })
	return out
}
