// Package catalog is what a database holds, as far as a copy of it must know: tables and their columns, keys, sequences, partitions, large objects.
package catalog

// A Name names a relation.
type Name struct{ Schema, Table string }

// String is the name as SQL has it without quotes, for people.
func (n Name) String() string { return n.Schema + "." + n.Table }

// A Table is a table or a leaf partition that holds rows.
type Table struct {
	Name      Name
	Partition *Name // the root of the partitioned table that it is part of
	Comment   string
	Columns   []Column
	Key       []string // columns of the primary key, in order
	Foreign   []Foreign
	Rows      int64 // as the statistics estimate; -1: never analysed
	Bytes     int64
	Guarded   bool // by row-level security: who reads it needs to pass
}

// A Column is a column of a table.
type Column struct {
	Name      string
	Type      string // format_type of the base type under domains, without modifier
	Declared  string // format_type as declared
	Length    int    // of varchar(n) and char(n)
	Precision int    // of numeric
	Scale     int
	NotNull   bool
	Unique    bool // has a unique index of its own
	Generated bool // GENERATED ALWAYS AS … STORED: not copied
	Identity  bool
	Default   string
	Comment   string
	Labels    []string // of an enum
	Checks    []string // definitions of checks that name the column, domains' included
}

// A Foreign is a foreign key.
type Foreign struct {
	Columns    []string
	To         Name
	ToColumns  []string
	Deferrable bool
}

// A Database is what was read under one snapshot.
type Database struct {
	Tables       []Table // sorted by name
	Sequences    []Name
	LargeObjects int64
	Other        []string // what the copy does not carry: foreign tables, subscriptions, publications…
}
