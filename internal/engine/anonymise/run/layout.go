package run

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/leak"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/plan"
	"github.com/garant-project/garant/internal/engine/anonymise/reidentify"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
	"github.com/garant-project/garant/internal/errs"
)

// table is a table of the copy: what the plan says of it, held against what the source is.
type table struct {
	name    catalog.Name
	sources []catalog.Name // the relations that hold its rows: itself, or the leaves of a partitioned one
	empty   bool           // rows stay behind
	columns []column       // those that are copied, in order
	subject int            // index of the column that names the person; -1: none
	attacks []attack
	names   bool // whether rows hold given, family or user names
}

// column is a column of the copy.
type column struct {
	name      string
	plan      plan.Column
	shape     transform.Column
	value     string // what is selected from the source
	replaced  bool   // by a transformer
	attacked  bool   // is one of the columns by which somebody might be found again
	shown     bool   // an attacker can make the shown value of the known one: generalised
	own       personal.Kind
	field     *leak.Field // nil: not scanned
	gathers   bool        // its values identify somebody
	sentences bool        // that may
	documents *paths      // what in its documents identifies somebody, or may
	ownField  *leak.Field
	ownPaths  *paths // names, towns and user names in its documents
}

// attack is the part of an identity that this table has.
type attack struct {
	identity int
	columns  []int
}

// layout is the whole copy.
type layout struct {
	tables     []table
	identities []plan.Identity
	persons    []reidentify.Table
	pages      int64 // of a piece of a big table; 0: unitPages
}

// lay holds a plan against the source. What the plan does not know, or knows otherwise, stops the run.
func lay(p *plan.Plan, db *catalog.Database) (*layout, error) {
	l := &layout{identities: p.Persons}
	if p.LargeObjects == plan.AllRows && db.LargeObjects > 0 {
		return nil, unknown("The plan wants large objects, which a copy does not carry.", "Write large_objects: none.")
	}
	byName := map[catalog.Name]*plan.Table{}
	for i := range p.Tables {
		byName[p.Tables[i].Name] = &p.Tables[i]
	}
	for _, t := range db.Planned() {
		known := byName[t.Name]
		if known == nil {
			return nil, unknown(fmt.Sprintf("The plan does not know the table %s.", t.Name), "Run garant anonymise plan --diff and add what it says.")
		}
		delete(byName, t.Name)
		one, err := l.table(known, t, db)
		if err != nil {
			return nil, err
		}
		l.tables = append(l.tables, one)
	}
	for name, t := range byName {
		return nil, unknown(fmt.Sprintf("The plan has a table %s (line %d), which the source has not.", name, t.Line), "Remove it from the plan.")
	}
	for i, id := range l.identities {
		if err := l.identity(i, &id); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func unknown(text, fix string) error {
	return errs.New(errs.Invalid, "anonymise.plan", text).WithFix(fix)
}

func (l *layout) table(p *plan.Table, t *catalog.Table, db *catalog.Database) (table, error) {
	out := table{name: t.Name, subject: -1, empty: p.Rows == plan.NoRows}
	if p.Rows != plan.NoRows && p.Rows != plan.AllRows {
		return out, unknown(fmt.Sprintf("The plan does not say what becomes of the rows of %s (line %d).", t.Name, p.Line), "Write rows: all, or rows: none.")
	}
	if p.Question != "" {
		return out, unknown(fmt.Sprintf("The plan leaves a question open at the table %s (line %d).", t.Name, p.Line), "Answer it in the plan, and remove the question.")
	}
	if slices.ContainsFunc(db.Partitioned, func(r catalog.Table) bool { return r.Name == t.Name }) {
		for i := range db.Tables {
			leaf := &db.Tables[i]
			if leaf.Partition != nil && *leaf.Partition == t.Name {
				if err := readable(leaf); err != nil {
					return out, err
				}
				out.sources = append(out.sources, leaf.Name)
			}
		}
	} else {
		if err := readable(t); err != nil {
			return out, err
		}
		out.sources = []catalog.Name{t.Name}
	}
	known := map[string]plan.Column{}
	for _, c := range p.Columns {
		known[c.Name] = c
	}
	for i := range t.Columns {
		c := &t.Columns[i]
		pc, ok := known[c.Name]
		delete(known, c.Name)
		if c.Generated && !ok {
			continue // the copy computes it anew
		}
		if !ok && out.empty {
			continue // no row of it is copied
		}
		switch {
		case !ok:
			return out, unknown(fmt.Sprintf("The plan does not know the column %s of %s.", catalog.Quote(c.Name), t.Name), "Run garant anonymise plan --diff and add what it says.")
		case pc.Type != c.Declared:
			return out, unknown(fmt.Sprintf("The column %s of %s is of type %s; the plan (line %d) was made for %s.", catalog.Quote(c.Name), t.Name, c.Declared, pc.Line, pc.Type), "Run garant anonymise plan --diff and look at it again.")
		case pc.Question != "", slices.ContainsFunc(pc.Paths, func(p plan.Path) bool { return p.Question != "" }):
			return out, unknown(fmt.Sprintf("The plan leaves a question open at the column %s of %s (line %d).", catalog.Quote(c.Name), t.Name, pc.Line), "Answer it in the plan: class, transform and reason; then remove the question.")
		case c.Generated:
			continue
		}
		if c.Name == p.Subject {
			out.subject = len(out.columns)
		}
		out.columns = append(out.columns, newColumn(t, c, pc))
	}
	for name, c := range known {
		return out, unknown(fmt.Sprintf("The plan has a column %s of %s (line %d), which the source has not.", catalog.Quote(name), t.Name, c.Line), "Remove it from the plan.")
	}
	if p.Subject != "" && out.subject < 0 {
		return out, unknown(fmt.Sprintf("The column %s, which names the person of %s (line %d), is not copied.", catalog.Quote(p.Subject), t.Name, p.Line), "Name another one.")
	}
	out.names = slices.ContainsFunc(out.columns, func(c column) bool { return c.own != "" && c.own != personal.Town })
	return out, nil
}

func readable(t *catalog.Table) error {
	switch {
	case t.Unreadable:
		return errs.New(errs.Denied, "anonymise.reader", fmt.Sprintf("The source does not let its reader read %s.", t.Name)).WithFix("Grant it SELECT there, or make it a member of pg_read_all_data.")
	case t.Filtered:
		return errs.New(errs.Denied, "anonymise.filtered", fmt.Sprintf("Row-level security hides rows of %s from the reader.", t.Name)).WithFix("Take a role with BYPASSRLS that may only read.")
	}
	return nil
}

func newColumn(t *catalog.Table, c *catalog.Column, p plan.Column) column {
	out := column{
		name: c.Name, plan: p, value: pgx.Identifier{c.Name}.Sanitize(),
		shape: plan.Target(t, c, p.Kind),
	}
	switch p.Transform.Name {
	case "keep":
	case "sql":
		if e, ok := transform.Expression(p.Transform); ok {
			out.value = "(" + e + ")"
		}
		out.shown = true
	case "suppress", "constant", "file": // the value does not matter: it stays where it is
		out.value = "CASE WHEN " + out.value + " IS DISTINCT FROM NULL THEN '' END"
		out.replaced, out.shown = true, true
	case "generalise":
		out.replaced, out.shown = true, true
	default:
		out.replaced = true
	}
	personally := p.Class != personal.Harmless
	if personally && ofRow(p.Kind) {
		out.own = p.Kind
	}
	out.gathers = personally && gathered(p.Kind)
	switch f := transform.FamilyOf(c.Type); {
	case p.Transform.Name == "json":
		out.documents = documentPaths(p, func(k personal.Kind, _ string) bool { return gathered(k) || k == personal.Text })
		out.ownPaths = documentPaths(p, func(k personal.Kind, transformer string) bool {
			return ofRow(k) && !slices.Contains([]string{"suppress", "constant", "file", "generalise"}, transformer) // they may show less of it, but of it
		})
		out.ownField = &leak.Field{Table: t.Name.String(), Column: c.Name + " (names in it)", Type: leak.Text}
	case !personally || out.gathers || p.Kind.Class() == personal.Quasi || p.Kind == personal.File:
	case f == transform.JSON:
		out.documents = everywhere()
	case f == transform.Text || f == transform.Array:
		out.sentences = true
	}
	if typ, ok := scanned(c, p); ok {
		out.field = &leak.Field{Table: t.Name.String(), Column: c.Name, Type: typ}
	}
	return out
}

// scanned tells whether and as what values of a column are scanned. Numbers and times are no text; they are scanned where a plan says that they stand for somebody.
func scanned(c *catalog.Column, p plan.Column) (leak.Type, bool) {
	switch f := transform.FamilyOf(c.Type); {
	case len(c.Labels) > 0:
		return 0, false // the schema has them, and is scanned
	case f == transform.Boolean, f == transform.Date, f == transform.Timestamp:
		return 0, false
	case f == transform.Integer, f == transform.Number:
		return leak.Text, p.Class != personal.Harmless && gathered(p.Kind)
	case f == transform.JSON:
		return leak.JSON, true
	case f == transform.Bytes:
		return leak.Bytea, true
	case strings.HasSuffix(c.Type, "[]"):
		return leak.Array, true
	}
	return leak.Text, true
}

// identity finds the columns by which somebody could be found again.
func (l *layout) identity(i int, id *plan.Identity) error {
	at := slices.IndexFunc(l.tables, func(t table) bool { return t.name == id.Table })
	if at < 0 || len(id.Quasi) == 0 || len(id.Quasi) > reidentify.MaxColumns {
		return unknown(fmt.Sprintf("The plan measures re-identification on %s (line %d), which cannot be.", id.Table, id.Line),
			fmt.Sprintf("Name a table of the source and one to %d of its columns.", reidentify.MaxColumns))
	}
	t := &l.tables[at]
	a := attack{identity: i}
	for _, name := range id.Quasi {
		c := slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
		if c < 0 {
			return unknown(fmt.Sprintf("The plan measures re-identification by the column %s of %s (line %d), which is not copied.", catalog.Quote(name), id.Table, id.Line), "Name another one.")
		}
		a.columns = append(a.columns, c)
		t.columns[c].attacked = true
	}
	t.attacks = append(t.attacks, a)
	person := ""
	if t.subject >= 0 {
		person = t.columns[t.subject].name
	}
	l.persons = append(l.persons, reidentify.Table{Schema: t.name.Schema, Name: t.name.Table, Quasi: id.Quasi, Sensitive: id.Sensitive, Person: person})
	return nil
}

// unproven forgets what is there for proofs alone.
func (l *layout) unproven() {
	l.persons = nil
	for i := range l.tables {
		t := &l.tables[i]
		t.attacks = nil
		for j := range t.columns {
			c := &t.columns[j]
			c.field, c.own, c.gathers, c.sentences, c.documents, c.ownPaths, c.attacked = nil, "", false, false, nil, nil, false
		}
	}
}

// list writes names of columns as SQL.
func (t *table) list() string {
	names := make([]string, 0, len(t.columns))
	for i := range t.columns {
		names = append(names, pgx.Identifier{t.columns[i].name}.Sanitize())
	}
	return strings.Join(names, ", ")
}

func sqlName(n catalog.Name) string { return pgx.Identifier{n.Schema, n.Table}.Sanitize() }

// reads tells whether rows of a table hold anything that goes into the set.
func (t *table) reads() bool {
	return slices.ContainsFunc(t.columns, func(c column) bool { return c.gathers || c.sentences || c.documents != nil })
}
