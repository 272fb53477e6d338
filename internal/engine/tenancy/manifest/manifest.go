package manifest

import (
	"cmp"
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/pg/sqlname"
)

// FileName is what the manifest is called unless told otherwise.
const FileName = "isolation.yaml"

// Class says to whom the rows of a relation belong.
type Class string

// The classes.
const (
	Tenant  Class = "tenant"  // each row belongs to one tenant
	Shared  Class = "shared"  // the same for all tenants
	Private Class = "private" // not for the application at all
)

// Classes lists them in the order of the documentation.
func Classes() []Class { return []Class{Tenant, Shared, Private} }

// The designs of the tenant context.
const (
	Pinned    = "pinned"    // verified once per transaction; needs one grant by a superuser
	Statement = "statement" // verified in each statement; needs no superuser
)

// The kinds of relations.
const (
	KindTable       = "table"
	KindPartitioned = "partitioned"
	KindPartition   = "partition"
	KindView        = "view"
	KindMatview     = "matview"
	KindForeign     = "foreign"
)

// The types that a tenant's key can have.
const (
	TypeUUID   = "uuid"
	TypeBigint = "bigint"
	TypeText   = "text"
)

// Blocks begins a doubt that apply does not pass over.
const Blocks = "decide:"

// Manifest is what isolation.yaml declares.
type Manifest struct {
	Version  int          // 1
	Database string       // its name within the cluster
	Design   string       // Pinned or Statement
	Key      Key          // what the tenant of a token is
	App      []string     // login roles of the application: they get in with a token only
	Around   []Path       // declared ways around tenancy
	Accepted []Acceptance // findings of verify that somebody answers for
	Tables   []Table      // sorted by schema, name: every relation with rows of the database's own schemas
}

// Key is the column that tells tenants apart.
type Key struct {
	Table  string // as PostgreSQL prints it: customer.organisation; may be empty when tenants live elsewhere
	Column string
	Type   string // TypeUUID, TypeBigint or TypeText
}

// Path is a declared way around tenancy.
type Path struct {
	Role string
	Kind string // of Kinds
	Why  string
	Line int
}

// Acceptance says why findings of one check may stay.
type Acceptance struct {
	Check   string   // its id
	Objects []string // as verify prints them
	Reason  string
	By      string // who answers for it
	Date    string // as 2026-11-27
	Line    int
}

// Accepts returns what was said of a finding, nil when nothing was.
func (m *Manifest) Accepts(check, object string) *Acceptance {
	for i := range m.Accepted {
		if a := &m.Accepted[i]; a.Check == check && slices.Contains(a.Objects, object) {
			return a
		}
	}
	return nil
}

// PathKinds are the ways around tenancy that can be declared.
func PathKinds() []string {
	return []string{"owner", "bypass", "superuser", "backup", "replication", "definer"}
}

// Table is the classification of one relation.
type Table struct {
	Schema, Name string
	Kind         string // KindTable and so on
	Class        Class
	Column       string   // of a tenant table: the column with the tenant's key; may be empty of a view
	Add          bool     // the column is not there yet: apply adds and fills it
	Via          []string // of Add: foreign-key columns, one step each, to a table that has the key; a composite key's columns are joined by commas
	Reason       string   // why this class
	Doubts       []string // what plan could not decide: the reviewer's work
	Grants       []string // what the application may do: SELECT, INSERT, UPDATE, DELETE
	Record       *Record  // what of its changes becomes events; nil: nothing
	Line         int      // in the file; 0 when not read from one

	// Unowned: rows without a tenant are meant, and no tenant sees one; only where the application reads and writes nothing.
	// No file can say so: it is for Garant's own record.
	Unowned bool
}

// Record says what of a table's changes becomes events of the audit log.
type Record struct {
	Mode    string   // RecordAll, RecordOnly or RecordBut: of which columns the values are recorded; of the others, that they changed
	Columns []string // of RecordOnly and RecordBut, sorted
	Reads   bool     // the application says what it reads of the table: PostgreSQL has no trigger for it
}

// The modes of a record.
const (
	RecordAll  = "all"
	RecordOnly = "only"
	RecordBut  = "but"
)

// GrantWords are the rights that the application can have on a relation, in the order they are written.
func GrantWords() []string { return []string{"SELECT", "INSERT", "UPDATE", "DELETE"} }

// QualifiedName is the name as PostgreSQL prints it.
func (t *Table) QualifiedName() string { return sqlname.Qualified(t.Schema, t.Name) }

// HoldsRows reports whether the relation stores rows of its own or, as a partitioned table,
// stands for those that do.
func (t *Table) HoldsRows() bool { return t.Kind != KindView }

// Blocking returns the doubts that apply does not pass over.
func (t *Table) Blocking() []string {
	var found []string
	for _, d := range t.Doubts {
		if strings.HasPrefix(d, Blocks) {
			found = append(found, d)
		}
	}
	return found
}

// Table returns the entry of a relation, nil when it is not classified.
func (m *Manifest) Table(schema, name string) *Table {
	i, found := slices.BinarySearchFunc(m.Tables, [2]string{schema, name}, func(t Table, at [2]string) int {
		return cmp.Or(cmp.Compare(t.Schema, at[0]), cmp.Compare(t.Name, at[1]))
	})
	if !found {
		return nil
	}
	return &m.Tables[i]
}

// Sort brings the lists of the manifest into the order in which they are written.
func (m *Manifest) Sort() {
	slices.SortFunc(m.Tables, func(a, b Table) int {
		return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name))
	})
	slices.Sort(m.App)
	slices.SortFunc(m.Around, func(a, b Path) int {
		return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.Kind, b.Kind))
	})
	slices.SortFunc(m.Accepted, func(a, b Acceptance) int {
		return cmp.Or(cmp.Compare(a.Check, b.Check), cmp.Compare(a.Date, b.Date), cmp.Compare(a.By, b.By), cmp.Compare(a.Reason, b.Reason))
	})
	for i := range m.Accepted {
		slices.Sort(m.Accepted[i].Objects)
	}
	for i := range m.Tables {
		slices.SortFunc(m.Tables[i].Grants, func(a, b string) int {
			return cmp.Compare(slices.Index(GrantWords(), a), slices.Index(GrantWords(), b))
		})
		if r := m.Tables[i].Record; r != nil {
			slices.Sort(r.Columns)
		}
	}
}

// Function is the function of schema garant that gives the tenant of the transaction, in the
// type of the key.
func (k Key) Function() string { return "garant.tenant_" + k.Type + "()" }

// Writer is the same for a transaction that may write: NULL under a token for reading.
func (k Key) Writer() string { return "garant.writer_" + k.Type + "()" }

// Value is the tenant of the transaction in the type of a column, for defaults. columnType is the
// column's type as format_type prints it, of a domain that of its base.
func (k Key) Value(columnType string) string { return k.fitted(k.Function(), columnType) }

// Policy is the expression of a tenant table's policy for reading. The function is called once
// in a statement.
func (k Key) Policy(column, columnType string) string {
	return sqlname.Quote(column) + " = (SELECT " + k.fitted(k.Function(), columnType) + ")"
}

// WritePolicy is the expression of a tenant table's policies for writing, for USING and WITH CHECK.
func (k Key) WritePolicy(column, columnType string) string {
	return sqlname.Quote(column) + " = (SELECT " + k.fitted(k.Writer(), columnType) + ")"
}

// fitted casts a call to the type of a column where PostgreSQL would not compare the two through an index.
func (k Key) fitted(call, columnType string) string {
	name, _, _ := strings.Cut(columnType, "(")
	switch {
	case name == k.Type,
		k.Type == TypeBigint && slices.Contains([]string{"smallint", "integer", "numeric"}, name),
		k.Type == TypeText && name == "character varying":
		return call
	}
	return "(" + call + ")::" + columnType
}
