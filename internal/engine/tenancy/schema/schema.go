package schema

import (
	"cmp"
	"slices"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/pg/sqlname"
	"github.com/garant-project/garant/internal/token"
)

// Database is what the catalogue of one database says.
type Database struct {
	Name          string
	Version       int // server_version_num
	Owner         string
	ACL           []Right
	Me            string // the role that read
	Roles         []*Role
	Namespaces    []*Namespace
	Relations     []*Relation // of the database's own schemas, sorted by schema and name
	Defaults      []DefaultRights
	Definers      []Definer
	Large         []Function // PostgreSQL's own that make large objects
	JSONCasts     []string   // to json or jsonb by a function of the database's own, as PostgreSQL prints them
	Publications  []string   // that send rows of own tables without a filter
	SetsPin       bool       // garant_sec may set backtrace_functions here
	Design        string     // of schema garant here; empty: not installed
	GarantVersion int
	Executes      []Right  // EXECUTE on the functions of schema garant: Object names them
	Extensions    []string // whose relations are left out
	Unseen        []string // what could not be seen, a sentence each
}

// Role is a role of the cluster.
type Role struct {
	Name                                         string
	Super, Bypass, Create, Replication, CanLogin bool
	MemberOf                                     []string // every role whose rights it can use, by inheritance or SET ROLE, itself not among them
	Sessions                                     int      // connections to this database at the moment
	Settings                                     []string // of the role for all databases: name=value
}

// Namespace is a schema of the database's own.
type Namespace struct {
	Name, Owner string
	ACL         []Right
}

// Right is one entry of an access list.
type Right struct {
	Grantee   string // empty: PUBLIC
	Grantor   string
	Privilege string
	Grantable bool
	Object    string // of a function: schema.name(types)
}

// DefaultRights are those that objects of a kind, made by a role, will have.
type DefaultRights struct {
	Role, Schema string // Schema empty: in all
	Kind         string // r: tables, S: sequences, f: functions
	ACL          []Right
}

// Definer is a function of the database's own that runs with its owner's rights.
type Definer struct {
	Schema, Name, Arguments, Owner string
}

// Function is one of PostgreSQL's own.
type Function struct {
	Name  string // pg_catalog.name(types)
	Owner string
	ACL   []Right
}

// Relation is a table, view, materialised view or foreign table.
type Relation struct {
	OID          uint32
	Schema, Name string
	Kind         string // of package manifest
	Owner        string
	RLS, Force   bool
	Invoker      bool // of a view: security_invoker
	InvokerSet   bool // of a view: security_invoker is written down, whatever it says
	Rows         float64
	Pages        int64
	Columns      []Column
	Indexes      []Index
	ForeignKeys  []ForeignKey
	Policies     []Policy
	Triggers     []Trigger
	ACL          []Right
	Explicit     bool               // ACL is written down in the catalogue, not PostgreSQL's default
	ColumnACL    map[string][]Right // by column
	Reads        []*Relation        // of a view: what its query names
	Sequences    []Sequence
	Parents      []*Relation // partition of, inherits from
	Children     []*Relation
	Bound        string // of a partition
	PartKey      []string
	Checks       map[string]bool // names of check constraints, and whether validated
}

// QualifiedName is the name as PostgreSQL prints it.
func (r *Relation) QualifiedName() string { return sqlname.Qualified(r.Schema, r.Name) }

// Column of a relation.
type Column struct {
	Name      string
	Type      string // as format_type prints it
	Base      string // of a domain: of the type below; else Type
	NotNull   bool
	Default   string // expression; empty: none
	Generated bool
	Identity  bool
	Local     bool // declared here, not only inherited
	Width     int  // bytes of a value on average, by ANALYZE; 0: not known, or not to be seen
}

// Index of a table. Columns is nil when an expression is among them.
type Index struct {
	Name       string
	Columns    []string
	Unique     bool
	Primary    bool
	Partial    bool
	Valid      bool
	Constraint string // that it serves; empty: none
	Immediate  bool
	Exclusion  bool
}

// ForeignKey of a table.
type ForeignKey struct {
	Name       string
	Columns    []string
	Target     *Relation
	Refers     []string
	OnUpdate   string // a, r, c, n, d as in pg_constraint
	OnDelete   string
	SetColumns []string // of SET NULL (…) and SET DEFAULT (…)
	Match      string   // s, f
	Deferrable bool
	Deferred   bool
	Validated  bool
	Definition string // as pg_get_constraintdef prints it
	Inherited  bool   // belongs to the same key of the partitioned parent
}

// Policy of a table.
type Policy struct {
	Name       string
	Permissive bool
	Command    string // * r a w d
	Roles      []string
	Using      string
	Check      string
}

// Trigger of a table that somebody made.
type Trigger struct {
	Name     string
	OnUpdate bool
	Found    token.FoundTrigger // what it runs, and when

	Definition string // as pg_get_triggerdef prints it
}

// Sequence that a table's columns take values of.
type Sequence struct {
	Schema, Name string
	Identity     bool // needs no right of its own
	ACL          []Right
	Owner        string
}

// Relation returns the relation of a name, nil when there is none.
func (d *Database) Relation(schema, name string) *Relation {
	i, found := slices.BinarySearchFunc(d.Relations, [2]string{schema, name}, func(r *Relation, at [2]string) int {
		return cmp.Or(cmp.Compare(r.Schema, at[0]), cmp.Compare(r.Name, at[1]))
	})
	if !found {
		return nil
	}
	return d.Relations[i]
}

// Role returns a role, nil when there is none.
func (d *Database) Role(name string) *Role {
	for _, r := range d.Roles {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// Namespace returns an own schema, nil when there is none.
func (d *Database) Namespace(name string) *Namespace {
	for _, n := range d.Namespaces {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// Column returns a column, nil when there is none.
func (r *Relation) Column(name string) *Column {
	for i := range r.Columns {
		if r.Columns[i].Name == name {
			return &r.Columns[i]
		}
	}
	return nil
}

// Root is the topmost partitioned table that a partition belongs to, or the relation itself.
func (r *Relation) Root() *Relation {
	for r.Bound != "" && len(r.Parents) > 0 {
		r = r.Parents[0]
	}
	return r
}

// Leaves are the relations below that hold rows, itself among them where it does.
func (r *Relation) Leaves() []*Relation {
	var all []*Relation
	if r.Kind != manifest.KindPartitioned && !(r.Kind == manifest.KindPartition && len(r.Children) > 0) {
		all = append(all, r)
	}
	for _, c := range r.Children {
		all = append(all, c.Leaves()...)
	}
	return all
}

// Size adds up what the catalogue estimates of the rows and pages. known is false where a table
// was never counted (by VACUUM, ANALYZE or CREATE INDEX).
func (r *Relation) Size() (rows float64, pages int64, known bool) {
	known = true
	for _, l := range r.Leaves() {
		if l.Rows < 0 {
			known = false
		}
		rows += max(l.Rows, 0)
		pages += l.Pages
	}
	return rows, pages, known
}

// Holds tells whether a role, by itself or as PUBLIC, has a right on the relation, on it whole or
// on a column. Memberships are the caller's to follow.
func (r *Relation) Holds(role, privilege string) bool {
	if Has(r.ACL, role, privilege) {
		return true
	}
	for _, acl := range r.ColumnACL {
		if Has(acl, role, privilege) {
			return true
		}
	}
	return false
}

// Has tells whether an access list gives a right to exactly this grantee.
func Has(acl []Right, grantee, privilege string) bool {
	return slices.ContainsFunc(acl, func(r Right) bool { return r.Grantee == grantee && r.Privilege == privilege })
}

// UniqueOn returns a valid unique index on exactly these columns, in any order, that a foreign
// key can refer to.
func (r *Relation) UniqueOn(columns []string) *Index {
	want := slices.Sorted(slices.Values(columns))
	for i := range r.Indexes {
		x := &r.Indexes[i]
		if x.Unique && x.Valid && !x.Partial && x.Immediate && slices.Equal(slices.Sorted(slices.Values(x.Columns)), want) {
			return x
		}
	}
	return nil
}

// LedBy returns a valid index that begins with the column and leaves no row out.
func (r *Relation) LedBy(column string) *Index {
	for i := range r.Indexes {
		if x := &r.Indexes[i]; x.Valid && !x.Partial && len(x.Columns) > 0 && x.Columns[0] == column {
			return x
		}
	}
	return nil
}

// Primary returns the columns of the primary key.
func (r *Relation) Primary() []string {
	for _, x := range r.Indexes {
		if x.Primary {
			return x.Columns
		}
	}
	return nil
}

// String is the qualified name.
func (r *Relation) String() string { return r.QualifiedName() }

// NeverEmpty reports whether all these columns are NOT NULL.
func (r *Relation) NeverEmpty(columns []string) bool {
	return !slices.ContainsFunc(columns, func(name string) bool { c := r.Column(name); return c == nil || !c.NotNull })
}
