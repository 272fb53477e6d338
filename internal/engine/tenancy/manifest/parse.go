package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Bounds of the file.
const (
	maxFile  = 16 << 20 // bytes
	maxText  = 2000     // characters of a reason or a doubt
	maxIdent = 63       // bytes of an identifier, PostgreSQL's NAMEDATALEN-1
)

// reader reads the file and collects its mistakes.
type reader struct{ found []Problem }

// Parse reads isolation.yaml. The error is a *Problems.
func Parse(source []byte) (*Manifest, error) {
	r := &reader{}
	m := r.manifest(source)
	if err := r.err(); err != nil {
		return nil, err
	}
	m.Sort()
	return m, nil
}

func (r *reader) manifest(source []byte) *Manifest {
	root := r.document(source)
	if root == nil {
		return nil
	}
	f := r.fields(root, "", "isolation", "database", "design", "key", "app", "around", "accepted", "tables")
	m := &Manifest{Version: 1}
	if v := r.required(root, f, "", "isolation", "Begin the file with isolation: 1."); v != nil && (v.Kind != yaml.ScalarNode || v.Value != "1") {
		r.add(v, "isolation", "This version of the manifest is not known.", "Write isolation: 1.")
	}
	m.Database = r.name(r.required(root, f, "", "database", "Write the name of the database."), "database")
	m.Design = r.oneOf(r.required(root, f, "", "design", "Write pinned, or statement where nobody is superuser."), "design", Pinned, Statement)
	m.Key = r.key(r.required(root, f, "", "key", "Say what tells tenants apart: {table: customer.organisation, column: id, type: uuid}."))
	app := r.required(root, f, "", "app", "Name the role that the application signs in as: [app].")
	for i, n := range r.list(app, "app", "Name the role that the application signs in as: [app].") {
		key := fmt.Sprintf("app[%d]", i)
		role := r.name(n, key)
		if role != "" && slices.Contains(m.App, role) {
			r.add(n, key, shown(role)+" is listed twice.", "Keep one of them.")
		}
		m.App = append(m.App, role)
	}
	if app != nil && app.Kind == yaml.SequenceNode && len(app.Content) == 0 {
		r.add(app, "app", "The list is empty.", "Name the role that the application signs in as: [app].")
	}
	for i, n := range r.list(f["around"], "around", "List each way around tenancy: {role: postgres, kind: superuser, why: …}.") {
		m.Around = append(m.Around, r.path(n, fmt.Sprintf("around[%d]", i)))
	}
	for i, n := range r.list(f["accepted"], "accepted", "List what may stay: {check: constraints.unique_without_tenant, objects: [public.note_pkey], reason: …, by: …, date: 2026-11-27}.") {
		m.Accepted = append(m.Accepted, r.acceptance(n, fmt.Sprintf("accepted[%d]", i), m))
	}
	m.Tables = r.tables(r.required(root, f, "", "tables", "Name every table with its class; garant isolation plan writes the list."), m)
	r.together(root, f, m)
	return m
}

// together holds what parts of the file say of one another.
func (r *reader) together(root *yaml.Node, f map[string]*yaml.Node, m *Manifest) {
	for _, p := range m.Around {
		if p.Role != "" && slices.Contains(m.App, p.Role) {
			r.add(&yaml.Node{Line: p.Line}, "around", shown(p.Role)+" is the application's role, which may not go around tenancy.", "Remove it here, or name another role under app.")
		}
	}
	if m.Key.Table == "" || f["tables"] == nil {
		return
	}
	schema, name, _ := Split(m.Key.Table)
	i := slices.IndexFunc(m.Tables, func(t Table) bool { return t.Schema == schema && t.Name == name })
	at := f["key"]
	if at == nil {
		at = root
	}
	switch {
	case i < 0:
		r.add(at, "key.table", shown(m.Key.Table)+" is not among the tables.", "Name the table that has one row for each tenant, or leave table out when it is in another database.")
	case m.Tables[i].Class == Tenant && m.Tables[i].Column != m.Key.Column:
		r.add(at, "key.column", "The key is "+shown(m.Key.Column)+", but the table's own entry says "+shown(m.Tables[i].Column)+".", "Write the same column in both.")
	}
}

func (r *reader) key(n *yaml.Node) Key {
	if n == nil {
		return Key{}
	}
	f := r.fields(n, "key", "table", "column", "type")
	var k Key
	if t := f["table"]; t != nil {
		k.Table = r.text(t, "key.table", 2*maxIdent+10)
		if _, _, ok := Split(k.Table); !ok && k.Table != "" {
			r.notQualified(t, "key.table", k.Table)
		}
	}
	k.Column = r.name(r.required(n, f, "key", "column", "Write the column with the tenant's key, such as id."), "key.column")
	k.Type = r.oneOf(r.required(n, f, "key", "type", "Write uuid, bigint or text."), "key.type", TypeUUID, TypeBigint, TypeText)
	return k
}

func (r *reader) path(n *yaml.Node, at string) Path {
	f := r.fields(n, at, "role", "kind", "why")
	return Path{
		Role: r.name(r.required(n, f, at, "role", "Name the role."), at+".role"),
		Kind: r.oneOf(r.required(n, f, at, "kind", "Write "+listed(PathKinds(), "or")+"."), at+".kind", PathKinds()...),
		Why:  r.text(r.required(n, f, at, "why", "Say in a few words what the role is needed for."), at+".why", maxText),
		Line: n.Line,
	}
}

// acceptance reads one entry; a finding is accepted once.
func (r *reader) acceptance(n *yaml.Node, at string, m *Manifest) Acceptance {
	f := r.fields(n, at, "check", "objects", "reason", "by", "date")
	a := Acceptance{
		Check:  r.text(r.required(n, f, at, "check", "Write the id that garant isolation verify prints, such as constraints.unique_without_tenant."), at+".check", maxIdent),
		Reason: r.text(r.required(n, f, at, "reason", "Say why it may stay."), at+".reason", maxText),
		By:     r.text(r.required(n, f, at, "by", "Name who answers for it."), at+".by", maxText),
		Line:   n.Line,
	}
	objects := r.required(n, f, at, "objects", "List the objects as garant isolation verify prints them.")
	for i, o := range r.list(objects, at+".objects", "List the objects as garant isolation verify prints them.") {
		key := fmt.Sprintf("%s.objects[%d]", at, i)
		name := r.text(o, key, maxText)
		if name != "" && (slices.Contains(a.Objects, name) || m.Accepts(a.Check, name) != nil) {
			r.add(o, key, shown(name)+" is accepted twice.", "Keep one of them.")
		}
		a.Objects = append(a.Objects, name)
	}
	if objects != nil && objects.Kind == yaml.SequenceNode && len(objects.Content) == 0 {
		r.add(objects, at+".objects", "The list is empty.", "List the objects as garant isolation verify prints them, or remove the entry.")
	}
	switch on := r.required(n, f, at, "date", "Write the day on which it was accepted, such as 2026-11-27."); {
	case on == nil:
	case on.Kind == yaml.ScalarNode:
		if _, err := time.Parse(time.DateOnly, on.Value); err == nil {
			a.Date = on.Value
			break
		}
		fallthrough
	default:
		r.add(on, at+".date", "A day belongs here.", "Write it as 2026-11-27.")
	}
	return a
}

func (r *reader) tables(n *yaml.Node, m *Manifest) []Table {
	if n == nil || n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.add(n, "tables", "Tables with their class belong here.", "Write one table a line: customer.member: {class: tenant, column: organisation_id, reason: …}.")
		return nil
	}
	var tables []Table
	lines := map[[2]string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode {
			r.add(k, "tables", "The name of a table belongs here.", "Write it as schema.table.")
			continue
		}
		schema, name, ok := Split(k.Value)
		if !ok {
			r.notQualified(k, "tables", k.Value)
			continue
		}
		key := "tables." + Qualified(schema, name)
		if first, seen := lines[[2]string{schema, name}]; seen {
			r.add(k, key, fmt.Sprintf("The table is written twice; the first is on line %d.", first), "Keep one of them.")
			continue
		}
		lines[[2]string{schema, name}] = k.Line
		t := r.table(v, key, m)
		t.Schema, t.Name, t.Line = schema, name, k.Line
		tables = append(tables, t)
	}
	return tables
}

func (r *reader) notQualified(n *yaml.Node, key, written string) {
	fix := `Write schema.table, each in double quotes when it has capitals or other characters: '"Odd Schema"."T.x"'.`
	if strings.ToLower(written) != written && !strings.Contains(written, `"`) {
		if schema, name, ok := strings.Cut(written, "."); ok {
			fix = "PostgreSQL keeps capitals in double quotes only: write '" + Qualified(schema, name) + "'."
		}
	}
	r.add(n, key, shown(written)+" is not the name of a table with its schema.", fix)
}

func (r *reader) table(n *yaml.Node, at string, m *Manifest) Table {
	f := r.fields(n, at, "kind", "class", "column", "add", "via", "reason", "doubts", "grants")
	t := Table{Kind: KindTable}
	if k := f["kind"]; k != nil {
		t.Kind = r.oneOf(k, at+".kind", KindTable, KindPartitioned, KindPartition, KindView, KindMatview, KindForeign)
	}
	t.Class = Class(r.oneOf(r.required(n, f, at, "class", "Write tenant, shared or private."), at+".class", string(Tenant), string(Shared), string(Private)))
	t.Column = r.name(f["column"], at+".column")
	if a := f["add"]; a != nil {
		if a.Kind != yaml.ScalarNode || a.Tag != "!!bool" {
			r.add(a, at+".add", "True or false belongs here.", "Write add: true where apply is to add the column.")
		}
		t.Add = strings.EqualFold(a.Value, "true")
	}
	for i, v := range r.list(f["via"], at+".via", "List the foreign-key columns that lead to a table with the key: [member_id].") {
		t.Via = append(t.Via, r.text(v, fmt.Sprintf("%s.via[%d]", at, i), 40*maxIdent))
	}
	t.Reason = r.text(f["reason"], at+".reason", maxText)
	for i, v := range r.list(f["doubts"], at+".doubts", "List what is to be decided, or remove the line.") {
		t.Doubts = append(t.Doubts, r.text(v, fmt.Sprintf("%s.doubts[%d]", at, i), maxText))
	}
	for i, v := range r.list(f["grants"], at+".grants", "List what the application may do: [SELECT, INSERT, UPDATE, DELETE].") {
		key := fmt.Sprintf("%s.grants[%d]", at, i)
		g := r.oneOf(v, key, GrantWords()...)
		if g != "" && slices.Contains(t.Grants, g) {
			r.add(v, key, g+" is listed twice.", "Keep one of them.")
		}
		t.Grants = append(t.Grants, g)
	}
	r.consistent(n, f, at, t)
	return t
}

// consistent holds what the keys of one table say of one another.
func (r *reader) consistent(n *yaml.Node, f map[string]*yaml.Node, at string, t Table) {
	switch {
	case t.Class == Tenant && t.Column == "" && t.Kind != KindView && t.Kind != KindMatview && f["column"] == nil:
		r.add(n, at, "A tenant table needs the column with the tenant's key.", "Write column: with its name, and add: true when apply is to add it.")
	case t.Class != Tenant && t.Class != "" && (t.Column != "" || t.Add || len(t.Via) > 0):
		r.add(n, at, "Only a tenant table has a column, add or via.", "Remove them, or write class: tenant.")
	case t.Class == Private && len(t.Grants) > 0:
		r.add(f["grants"], at+".grants", "A private table is not for the application: it has no grants.", "Remove the line, or choose another class.")
	case t.Add && t.Kind != KindTable && t.Kind != KindPartitioned && t.Kind != KindPartition:
		r.add(n, at+".add", "A column can be added to tables only.", "Add it to the table that this one reads.")
	case t.Add && len(t.Via) == 0:
		r.add(n, at, "Nothing says from where apply is to fill the new column.", "Write via: with the foreign-key columns that lead to a table with the key.")
	case len(t.Via) > 0 && !t.Add:
		r.add(f["via"], at+".via", "The way is for a column that apply is to add.", "Write add: true, or remove the line.")
	case len(t.Grants) > 0 && t.Kind == KindPartition:
		r.add(f["grants"], at+".grants", "A partition is reached through its parent, never by itself.", "Remove the line.")
	case len(t.Grants) > 0 && t.Kind == KindMatview && t.Class == Tenant:
		r.add(f["grants"], at+".grants", "PostgreSQL holds no policy on a materialised view: granted, it would show every tenant.", "Remove the line and read it through a view that the owner keeps.")
	}
}

// document reads the text as one YAML mapping, nil when it is not.
func (r *reader) document(source []byte) *yaml.Node {
	first := &yaml.Node{Line: 1}
	if len(source) > maxFile || !utf8.Valid(source) {
		r.add(first, "", "The file is not UTF-8 text of at most 16 MiB.", "Let garant isolation plan write it anew.")
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(source))
	var doc, second yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		r.add(first, "", "The file is empty.", "Let garant isolation plan write it.")
		return nil
	case err != nil:
		r.add(&yaml.Node{Line: lineOf(err)}, "", "This is not YAML that can be read.", "Look at this line and the one before: indentation by spaces, a text with a colon in quotes.")
		return nil
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		r.add(&yaml.Node{Line: max(second.Line, 1)}, "", "A second document starts here.", "Remove the line --- and what follows it.")
		return nil
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		r.add(first, "", "The file must be made of sections.", "Start with isolation: 1.")
		return nil
	}
	if !r.plain(doc.Content[0], 0) {
		return nil
	}
	return doc.Content[0]
}

// lineOf finds the line in a message of the YAML library, 1 when it names none.
func lineOf(err error) int {
	if m := regexp.MustCompile(`line (\d+)`).FindStringSubmatch(err.Error()); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			return n
		}
	}
	return 1
}

// plain refuses anchors, aliases, tags and deep nesting: one value, one place.
func (r *reader) plain(n *yaml.Node, depth int) bool {
	if n.Kind == yaml.AliasNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 || depth > 8 {
		r.add(n, "", "Anchors, repetitions, tags and deep nesting are not used here.", "Write the value out; put a text that begins with *, & or ! in quotes.")
		return false
	}
	for _, c := range n.Content {
		if !r.plain(c, depth+1) {
			return false
		}
	}
	return true
}

// fields returns the values of a mapping by key. Unknown and repeated keys are mistakes.
func (r *reader) fields(n *yaml.Node, at string, known ...string) map[string]*yaml.Node {
	values := map[string]*yaml.Node{}
	if n.Kind != yaml.MappingNode {
		r.add(n, at, "Keys and values belong here.", "Write "+listed(known, "and")+" with a colon and the value.")
		return values
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		key := strings.TrimPrefix(at+"."+k.Value, ".")
		switch {
		case !slices.Contains(known, k.Value):
			r.add(k, strings.TrimPrefix(at+"."+strings.Trim(shown(k.Value), `"`), "."), "There is no such key.", "The keys here are "+listed(known, "and")+".")
		case values[k.Value] != nil:
			r.add(k, key, fmt.Sprintf("The key is written twice; the first is on line %d.", values[k.Value].Line), "Keep one of them.")
		default:
			values[k.Value] = v
		}
	}
	return values
}

// required returns the value of a key that must be there.
func (r *reader) required(section *yaml.Node, f map[string]*yaml.Node, at, key, fix string) *yaml.Node {
	v := f[key]
	if v == nil && section.Kind == yaml.MappingNode {
		r.add(section, strings.TrimPrefix(at+"."+key, "."), "The key is missing.", fix)
	}
	return v
}

// text reads one line of text.
func (r *reader) text(n *yaml.Node, key string, most int) string {
	if n == nil {
		return ""
	}
	switch {
	case n.Kind != yaml.ScalarNode:
		r.add(n, key, "A text belongs here.", "Write it on one line.")
	case n.Tag == "!!null" || strings.TrimSpace(n.Value) == "":
		r.add(n, key, "The value is empty.", "Write one, or remove the line.")
	case n.Tag != "!!str":
		r.add(n, key, "A text belongs here, not a number, a date or true and false.", "Put it in quotes if it is meant as text.")
	case strings.ContainsFunc(n.Value, func(c rune) bool { return unicode.Is(unicode.Bidi_Control, c) }):
		r.add(n, key, "The text holds a character that changes the direction of writing and that nobody can see.", "Remove it.")
	case utf8.RuneCountInString(n.Value) > most:
		r.add(n, key, fmt.Sprintf("The text is longer than %d characters.", most), "Shorten it.")
	default:
		return n.Value
	}
	return ""
}

// name reads one identifier, as it is.
func (r *reader) name(n *yaml.Node, key string) string {
	s := r.text(n, key, maxIdent)
	if len(s) > maxIdent || strings.ContainsRune(s, 0) {
		r.add(n, key, "No name in PostgreSQL is longer than 63 bytes.", "Write it as the catalogue has it.")
		return ""
	}
	return s
}

// oneOf reads a word out of a few.
func (r *reader) oneOf(n *yaml.Node, key string, words ...string) string {
	s := r.text(n, key, maxText)
	if s != "" && !slices.Contains(words, s) {
		r.add(n, key, shown(s)+" is not known here.", "Write "+listed(words, "or")+".")
		return ""
	}
	return s
}

// list returns the items of a list.
func (r *reader) list(n *yaml.Node, key, fix string) []*yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.add(n, key, "A list belongs here.", fix)
		return nil
	}
	return n.Content
}
