package manifest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/garant-project/garant/internal/pg/sqlname"
	"github.com/garant-project/garant/internal/strictyaml"
)

// maxIdent is the length of an identifier in bytes, PostgreSQL's NAMEDATALEN-1.
const maxIdent = 63

type reader struct{ *strictyaml.Reader }

// Parse reads isolation.yaml. The error is an *estate.Problems.
func Parse(source []byte) (*Manifest, error) {
	r := reader{strictyaml.NewReader(strictyaml.Format{
		File: FileName, Begin: "isolation: 1", Command: "garant isolation plan", MiB: 16, Depth: 8, Text: 2000,
	})}
	m := r.manifest(source)
	if err := r.Err(); err != nil {
		return nil, err
	}
	m.Sort()
	return m, nil
}

func (r reader) manifest(source []byte) *Manifest {
	root := r.Document(source)
	if root == nil {
		return nil
	}
	f := r.Fields(root, "", "isolation", "database", "design", "key", "app", "around", "accepted", "tables")
	m := &Manifest{Version: 1}
	r.Version(root, f, "manifest")
	m.Database = r.name(r.Required(root, f, "", "database", "Write the name of the database."), "database")
	m.Design = r.OneOf(r.Required(root, f, "", "design", "Write pinned, or statement where nobody is superuser."), "design", Pinned, Statement)
	m.Key = r.key(r.Required(root, f, "", "key", "Say what tells tenants apart: {table: customer.organisation, column: id, type: uuid}."))
	app := r.Required(root, f, "", "app", "Name the role that the application signs in as: [app].")
	for i, n := range r.List(app, "app", "Name the role that the application signs in as: [app].") {
		key := fmt.Sprintf("app[%d]", i)
		role := r.name(n, key)
		if role != "" && slices.Contains(m.App, role) {
			r.Add(n, key, strictyaml.Shown(role)+" is listed twice.", "Keep one of them.")
		}
		m.App = append(m.App, role)
	}
	if app != nil && app.Kind == yaml.SequenceNode && len(app.Content) == 0 {
		r.Add(app, "app", "The list is empty.", "Name the role that the application signs in as: [app].")
	}
	for i, n := range r.List(f["around"], "around", "List each way around tenancy: {role: postgres, kind: superuser, why: …}.") {
		m.Around = append(m.Around, r.path(n, fmt.Sprintf("around[%d]", i)))
	}
	for i, n := range r.List(f["accepted"], "accepted", "List what may stay: {check: constraints.unique_without_tenant, objects: [public.note_pkey], reason: …, by: …, date: 2026-11-27}.") {
		m.Accepted = append(m.Accepted, r.acceptance(n, fmt.Sprintf("accepted[%d]", i), m))
	}
	m.Tables = r.tables(r.Required(root, f, "", "tables", "Name every table with its class; garant isolation plan writes the list."), m)
	r.together(root, f, m)
	return m
}

// together holds what parts of the file say of one another.
func (r reader) together(root *yaml.Node, f map[string]*yaml.Node, m *Manifest) {
	for _, p := range m.Around {
		if p.Role != "" && slices.Contains(m.App, p.Role) {
			r.AddAt(p.Line, "around", strictyaml.Shown(p.Role)+" is the application's role, which may not go around tenancy.", "Remove it here, or name another role under app.")
		}
	}
	if m.Key.Table == "" || f["tables"] == nil {
		return
	}
	schema, name, _ := sqlname.Split(m.Key.Table)
	i := slices.IndexFunc(m.Tables, func(t Table) bool { return t.Schema == schema && t.Name == name })
	at := f["key"]
	if at == nil {
		at = root
	}
	switch {
	case i < 0:
		r.Add(at, "key.table", strictyaml.Shown(m.Key.Table)+" is not among the tables.", "Name the table that has one row for each tenant, or leave table out when it is in another database.")
	case m.Tables[i].Class == Tenant && m.Tables[i].Column != m.Key.Column:
		r.Add(at, "key.column", "The key is "+strictyaml.Shown(m.Key.Column)+", but the table's own entry says "+strictyaml.Shown(m.Tables[i].Column)+".", "Write the same column in both.")
	}
}

func (r reader) key(n *yaml.Node) Key {
	if n == nil {
		return Key{}
	}
	f := r.Fields(n, "key", "table", "column", "type")
	var k Key
	if t := f["table"]; t != nil {
		k.Table = r.Short(t, "key.table", 2*maxIdent+10)
		if _, _, ok := sqlname.Split(k.Table); !ok && k.Table != "" {
			r.notQualified(t, "key.table", k.Table)
		}
	}
	k.Column = r.name(r.Required(n, f, "key", "column", "Write the column with the tenant's key, such as id."), "key.column")
	k.Type = r.OneOf(r.Required(n, f, "key", "type", "Write uuid, bigint or text."), "key.type", TypeUUID, TypeBigint, TypeText)
	return k
}

func (r reader) path(n *yaml.Node, at string) Path {
	f := r.Fields(n, at, "role", "kind", "why")
	return Path{
		Role: r.name(r.Required(n, f, at, "role", "Name the role."), at+".role"),
		Kind: r.OneOf(r.Required(n, f, at, "kind", "Write "+strictyaml.Listed(PathKinds(), "or")+"."), at+".kind", PathKinds()...),
		Why:  r.Text(r.Required(n, f, at, "why", "Say in a few words what the role is needed for."), at+".why"),
		Line: n.Line,
	}
}

// acceptance reads one entry; a finding is accepted once.
func (r reader) acceptance(n *yaml.Node, at string, m *Manifest) Acceptance {
	f := r.Fields(n, at, "check", "objects", "reason", "by", "date")
	a := Acceptance{
		Check:  r.Short(r.Required(n, f, at, "check", "Write the id that garant isolation verify prints, such as constraints.unique_without_tenant."), at+".check", maxIdent),
		Reason: r.Text(r.Required(n, f, at, "reason", "Say why it may stay."), at+".reason"),
		By:     r.Text(r.Required(n, f, at, "by", "Name who answers for it."), at+".by"),
		Line:   n.Line,
	}
	objects := r.Required(n, f, at, "objects", "List the objects as garant isolation verify prints them.")
	for i, o := range r.List(objects, at+".objects", "List the objects as garant isolation verify prints them.") {
		key := fmt.Sprintf("%s.objects[%d]", at, i)
		name := r.Text(o, key)
		if name != "" && (slices.Contains(a.Objects, name) || m.Accepts(a.Check, name) != nil) {
			r.Add(o, key, strictyaml.Shown(name)+" is accepted twice.", "Keep one of them.")
		}
		a.Objects = append(a.Objects, name)
	}
	if objects != nil && objects.Kind == yaml.SequenceNode && len(objects.Content) == 0 {
		r.Add(objects, at+".objects", "The list is empty.", "List the objects as garant isolation verify prints them, or remove the entry.")
	}
	switch on := r.Required(n, f, at, "date", "Write the day on which it was accepted, such as 2026-11-27."); {
	case on == nil:
	case on.Kind == yaml.ScalarNode:
		if _, err := time.Parse(time.DateOnly, on.Value); err == nil {
			a.Date = on.Value
			break
		}
		fallthrough
	default:
		r.Add(on, at+".date", "A day belongs here.", "Write it as 2026-11-27.")
	}
	return a
}

func (r reader) tables(n *yaml.Node, m *Manifest) []Table {
	if n == nil || n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.Add(n, "tables", "Tables with their class belong here.", "Write one table a line: customer.member: {class: tenant, column: organisation_id, reason: …}.")
		return nil
	}
	var tables []Table
	lines := map[[2]string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode {
			r.Add(k, "tables", "The name of a table belongs here.", "Write it as schema.table.")
			continue
		}
		schema, name, ok := sqlname.Split(k.Value)
		if !ok {
			r.notQualified(k, "tables", k.Value)
			continue
		}
		key := "tables." + sqlname.Qualified(schema, name)
		if first, seen := lines[[2]string{schema, name}]; seen {
			r.Add(k, key, fmt.Sprintf("The table is written twice; the first is on line %d.", first), "Keep one of them.")
			continue
		}
		lines[[2]string{schema, name}] = k.Line
		t := r.table(v, key, m)
		t.Schema, t.Name, t.Line = schema, name, k.Line
		tables = append(tables, t)
	}
	return tables
}

func (r reader) notQualified(n *yaml.Node, key, written string) {
	fix := `Write schema.table, each in double quotes when it has capitals or other characters: '"Odd Schema"."T.x"'.`
	if strings.ToLower(written) != written && !strings.Contains(written, `"`) {
		if schema, name, ok := strings.Cut(written, "."); ok {
			fix = "PostgreSQL keeps capitals in double quotes only: write '" + sqlname.Qualified(schema, name) + "'."
		}
	}
	r.Add(n, key, strictyaml.Shown(written)+" is not the name of a table with its schema.", fix)
}

func (r reader) table(n *yaml.Node, at string, m *Manifest) Table {
	f := r.Fields(n, at, "kind", "class", "column", "add", "via", "reason", "doubts", "grants", "record")
	t := Table{Kind: KindTable}
	if k := f["kind"]; k != nil {
		t.Kind = r.OneOf(k, at+".kind", KindTable, KindPartitioned, KindPartition, KindView, KindMatview, KindForeign)
	}
	t.Class = Class(r.OneOf(r.Required(n, f, at, "class", "Write tenant, shared or private."), at+".class", string(Tenant), string(Shared), string(Private)))
	t.Column = r.name(f["column"], at+".column")
	if a := f["add"]; a != nil {
		if a.Kind != yaml.ScalarNode || a.Tag != "!!bool" {
			r.Add(a, at+".add", "True or false belongs here.", "Write add: true where apply is to add the column.")
		}
		t.Add = strings.EqualFold(a.Value, "true")
	}
	for i, v := range r.List(f["via"], at+".via", "List the foreign-key columns that lead to a table with the key: [member_id].") {
		t.Via = append(t.Via, r.Short(v, fmt.Sprintf("%s.via[%d]", at, i), 40*maxIdent))
	}
	t.Reason = r.Text(f["reason"], at+".reason")
	for i, v := range r.List(f["doubts"], at+".doubts", "List what is to be decided, or remove the line.") {
		t.Doubts = append(t.Doubts, r.Text(v, fmt.Sprintf("%s.doubts[%d]", at, i)))
	}
	for i, v := range r.List(f["grants"], at+".grants", "List what the application may do: [SELECT, INSERT, UPDATE, DELETE].") {
		key := fmt.Sprintf("%s.grants[%d]", at, i)
		g := r.OneOf(v, key, GrantWords()...)
		if g != "" && slices.Contains(t.Grants, g) {
			r.Add(v, key, g+" is listed twice.", "Keep one of them.")
		}
		t.Grants = append(t.Grants, g)
	}
	t.Record = r.record(f["record"], at+".record")
	r.consistent(n, f, at, t)
	return t
}

const recordForm = "Write record: all (the values of every column), names (only that they changed), or {columns: [name, state]} or {not: [iban]}, and reads: true where the application says what it reads."

// record reads what of a table's changes becomes events.
func (r reader) record(n *yaml.Node, at string) *Record {
	if n == nil {
		return nil
	}
	if n.Kind == yaml.ScalarNode {
		switch r.OneOf(n, at, RecordAll, "names") {
		case RecordAll:
			return &Record{Mode: RecordAll}
		case "names":
			return &Record{Mode: RecordOnly}
		}
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.Add(n, at, "What is recorded of the table belongs here.", recordForm)
		return nil
	}
	f := r.Fields(n, at, "columns", "not", "reads")
	rec := &Record{Mode: RecordOnly}
	list := f["columns"]
	switch {
	case list != nil && f["not"] != nil:
		r.Add(f["not"], at+".not", "Columns that are recorded and columns that are not are written both.", "Keep one of the two lists.")
	case list == nil && f["not"] == nil:
		r.Add(n, at, "Nothing says which columns are recorded.", recordForm)
	case list == nil:
		rec.Mode, list = RecordBut, f["not"]
		if len(list.Content) == 0 {
			rec.Mode = RecordAll
		}
	}
	for i, c := range r.List(list, at, "List the columns: [name, state].") {
		key := fmt.Sprintf("%s[%d]", at, i)
		name := r.name(c, key)
		if name != "" && slices.Contains(rec.Columns, name) {
			r.Add(c, key, strictyaml.Shown(name)+" is listed twice.", "Keep one of them.")
		}
		rec.Columns = append(rec.Columns, name)
	}
	if v := f["reads"]; v != nil {
		if v.Kind != yaml.ScalarNode || v.Tag != "!!bool" {
			r.Add(v, at+".reads", "True or false belongs here.", "Write reads: true where the application says what it reads.")
		}
		rec.Reads = strings.EqualFold(v.Value, "true")
	}
	return rec
}

// consistent holds what the keys of one table say of one another.
func (r reader) consistent(n *yaml.Node, f map[string]*yaml.Node, at string, t Table) {
	switch {
	case t.Class == Tenant && t.Column == "" && t.Kind != KindView && t.Kind != KindMatview && f["column"] == nil:
		r.Add(n, at, "A tenant table needs the column with the tenant's key.", "Write column: with its name, and add: true when apply is to add it.")
	case t.Class != Tenant && t.Class != "" && (t.Column != "" || t.Add || len(t.Via) > 0):
		r.Add(n, at, "Only a tenant table has a column, add or via.", "Remove them, or write class: tenant.")
	case t.Class == Private && len(t.Grants) > 0:
		r.Add(f["grants"], at+".grants", "A private table is not for the application: it has no grants.", "Remove the line, or choose another class.")
	case t.Add && t.Kind != KindTable && t.Kind != KindPartitioned && t.Kind != KindPartition:
		r.Add(n, at+".add", "A column can be added to tables only.", "Add it to the table that this one reads.")
	case t.Add && len(t.Via) == 0:
		r.Add(n, at, "Nothing says from where apply is to fill the new column.", "Write via: with the foreign-key columns that lead to a table with the key.")
	case len(t.Via) > 0 && !t.Add:
		r.Add(f["via"], at+".via", "The way is for a column that apply is to add.", "Write add: true, or remove the line.")
	case t.Record != nil && t.Kind == KindPartition:
		r.Add(f["record"], at+".record", "A partition is recorded with the table that it is a part of.", "Write the line in the entry of that table.")
	case t.Record != nil && t.Kind != KindTable && t.Kind != KindPartitioned:
		r.Add(f["record"], at+".record", "Changes are recorded of tables only.", "Write the line in the entries of the tables that this one reads.")
	case len(t.Grants) > 0 && t.Kind == KindPartition:
		r.Add(f["grants"], at+".grants", "A partition is reached through its parent, never by itself.", "Remove the line.")
	case len(t.Grants) > 0 && t.Kind == KindMatview && t.Class == Tenant:
		r.Add(f["grants"], at+".grants", "PostgreSQL holds no policy on a materialised view: granted, it would show every tenant.", "Remove the line and read it through a view that the owner keeps.")
	}
}

// name reads one identifier, as it is.
func (r reader) name(n *yaml.Node, key string) string {
	s := r.Short(n, key, maxIdent)
	if len(s) > maxIdent || strings.ContainsRune(s, 0) {
		r.Add(n, key, "No name in PostgreSQL is longer than 63 bytes.", "Write it as the catalogue has it.")
		return ""
	}
	return s
}
