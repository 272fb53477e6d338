package access

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/estate/personal"
)

// subject is something through which personal data is reached: a table, a view that reads one,
// or a function that reads one with the rights of its owner.
type subject struct {
	relation *relation
	function *function
	columns  map[int16]bool // of a relation: those that hold personal data; nil: all of them
}

func (t *subject) String() string {
	if t.function != nil {
		return t.function.String()
	}
	return t.relation.String()
}

func (t *subject) schema() *schema {
	if t.function != nil {
		return t.function.schema
	}
	return t.relation.schema
}

func (t *subject) owner() uint32 {
	if t.function != nil {
		return t.function.owner
	}
	return t.relation.owner
}

// isPersonal judges one column: by a label of the company when it decides, else by name and type.
func isPersonal(d *estate.Database, r *relation, c *column) bool {
	for _, l := range d.Labels {
		if l.Personal != estate.Undecided && l.Covers(r.schema.name, r.name, c.name) {
			return l.Personal == estate.IsPersonal
		}
	}
	_, found := personal.Detect(personal.Column{Schema: r.schema.name, Table: r.name, Name: c.name, Type: c.typ})
	return found
}

// cleared reports whether the company says of every column of a view that it holds nothing
// personal: of a count over persons, for instance.
func cleared(d *estate.Database, r *relation) bool {
	return len(r.columns) > 0 && !slices.ContainsFunc(r.columns, func(c *column) bool {
		return !slices.ContainsFunc(d.Labels, func(l estate.Label) bool {
			return l.Personal == estate.NotPersonal && l.Covers(r.schema.name, r.name, c.name)
		})
	})
}

// systemSchema is the schema of the system, of which only holders of values are read.
const systemSchema = "pg_catalog"

// subjects finds what personal data is reached through, by name. tables counts the tables among
// it that hold some.
func (s *snapshot) subjects(d *estate.Database) (list []*subject, tables int) {
	found := map[uint32]*subject{}
	for _, r := range s.relations {
		if r.schema.name == systemSchema {
			found[r.oid] = &subject{relation: r}
			continue
		}
		columns := map[int16]bool{}
		for _, c := range r.columns {
			if isPersonal(d, r, c) {
				columns[c.number] = true
			}
		}
		if len(columns) > 0 {
			found[r.oid] = &subject{relation: r, columns: columns}
			if r.kind != "v" {
				tables++
			}
		}
	}
	// Views over them, and views over those.
	for grown := true; grown; {
		grown = false
		for _, r := range s.relations {
			if known := found[r.oid]; len(r.reads) == 0 || r.schema.name == systemSchema || known != nil && known.columns == nil || cleared(d, r) {
				continue
			}
			if slices.ContainsFunc(r.reads, func(ref reference) bool {
				t := found[ref.relation]
				return t != nil && (ref.column == 0 || t.columns == nil || t.columns[ref.column])
			}) {
				found[r.oid], grown = &subject{relation: r}, true
			}
		}
	}
	for _, f := range s.readingFunctions(found) {
		found[f.oid] = &subject{function: f}
	}
	for _, t := range found {
		// Such a view gives nothing that its reader does not have anyway.
		if t.relation != nil && t.relation.kind == "v" && t.relation.invoker {
			continue
		}
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b *subject) int { return strings.Compare(a.String(), b.String()) })
	return list, tables
}

// fromText are the words by which a function runs statements that it makes from text, or reads
// files or large objects.
func fromText() []string {
	return []string{"execute", "query_to_xml", "table_to_xml", "schema_to_xml", "database_to_xml", "cursor_to_xml", "ts_stat", "dblink", "dblink_exec",
		"pg_read_file", "pg_read_binary_file", "lo_get", "loread", "lo_export", "pg_statistic", "pg_stats", "pg_largeobject"}
}

// word finds the names in the text of a function.
var word = regexp.MustCompile(`[\p{L}_][\p{L}\p{N}_$]*`)

// readingFunctions returns the functions with the rights of their owner that may read personal
// data: they name such a table or view, or a function that does, build statements from text, or
// are written in a language or at a length that is not read here.
func (s *snapshot) readingFunctions(found map[uint32]*subject) []*function {
	names := map[string]bool{}
	for _, t := range found {
		names[strings.ToLower(t.relation.name)] = true
	}
	reads := map[uint32]bool{}
	for grown := true; grown; {
		grown = false
		for _, f := range s.functions {
			if reads[f.oid] {
				continue
			}
			opaque := f.definer && (f.language != "sql" && f.language != "plpgsql" || len([]rune(f.source)) > maxSource)
			if opaque || slices.ContainsFunc(f.reads, func(id uint32) bool { return found[id] != nil || reads[id] }) ||
				slices.ContainsFunc(word.FindAllString(strings.ToLower(f.source), -1), func(w string) bool { return names[w] || f.definer && slices.Contains(fromText(), w) }) {
				reads[f.oid], grown = true, true
				names[strings.ToLower(f.name)] = true
			}
		}
	}
	var list []*function
	for _, f := range s.functions {
		if reads[f.oid] && f.definer && !f.trigger {
			list = append(list, f)
		}
	}
	return list
}

// Roles of PostgreSQL through which a member reads every table, or takes over the server.
func readsAll() []string {
	return []string{"pg_read_all_data", "pg_read_server_files", "pg_write_server_files", "pg_execute_server_program"}
}

// reach tells how a role reaches personal data, with the path: "dev_anna → app_rw: SELECT on
// customer.applicant"; empty: it does not.
func (s *snapshot) reach(c *closure, subjects []*subject) string {
	for _, id := range c.order {
		r := s.roles[id]
		if r == nil {
			continue
		}
		switch {
		case r.super:
			return s.path(c, id) + ": superuser"
		case r.replication:
			return s.path(c, id) + ": REPLICATION, which copies every table"
		case slices.Contains(readsAll(), r.name):
			return s.path(c, id) + ": reads every table"
		}
	}
	if len(subjects) == 0 || !s.mayConnect(c) {
		return ""
	}
	first, through, count := "", "", 0
	for _, t := range subjects {
		how, by := t.right(c)
		if how == "" || !t.open(c) {
			continue
		}
		if count++; count == 1 {
			first = how + " on " + t.String()
			through = s.path(c, by)
			if by == everybody {
				through = c.from.name + " → PUBLIC"
			}
		}
	}
	switch count {
	case 0:
		return ""
	case 1:
		return through + ": " + first
	}
	return fmt.Sprintf("%s: %s and %d more", through, first, count-1)
}

func (s *snapshot) mayConnect(c *closure) bool {
	_, granted := s.grants.to("CONNECT", c.set)
	return granted || c.set[s.owner]
}

// open reports whether a role may use the schema of a subject.
func (t *subject) open(c *closure) bool {
	_, granted := t.schema().grants.to("USAGE", c.set)
	return granted || c.set[t.schema().owner]
}

// right tells what gives a role the data: ownership or a privilege, and through which role.
// Whoever may put a trigger on a table sees what passes through it.
func (t *subject) right(c *closure) (how string, by uint32) {
	if c.set[t.owner()] {
		return "owner", t.owner()
	}
	if t.function != nil {
		if by, ok := t.function.grants.to("EXECUTE", c.set); ok {
			return "EXECUTE", by
		}
		return "", 0
	}
	privileges := []string{"SELECT", "TRIGGER"}
	if len(t.relation.reads) > 0 && t.relation.kind != "v" && t.relation.kind != "m" { // a rule that answers with what it reads
		privileges = append(privileges, "INSERT", "UPDATE", "DELETE")
	}
	for _, privilege := range privileges {
		if by, ok := t.relation.grants.to(privilege, c.set); ok {
			return privilege, by
		}
	}
	for _, column := range t.relation.columns {
		if t.columns != nil && !t.columns[column.number] {
			continue
		}
		if by, ok := column.grants.to("SELECT", c.set); ok {
			return "SELECT (" + column.name + ")", by
		}
	}
	return "", 0
}

// readers holds who reaches personal data to who is declared (ACC-2).
func readers(s *snapshot, d *estate.Database, policy *estate.Policy) *look {
	l := &look{count: map[string]int{}}
	subjects, tables := s.subjects(d)
	if tables == 0 {
		l.add(PersonalDataUnseen, "tables with personal data", "none was told by name and type")
	}
	teams := strings.Join(policy.CustomerDataTeams, ", ")
	type declared struct{ team, text string }
	allowed := map[string]declared{}
	for _, r := range d.Readers {
		allowed[r.Role] = declared{r.Team, r.String()}
		if r.Team != "" && !slices.Contains(policy.CustomerDataTeams, r.Team) {
			l.add(ReaderTeam, teams, r.String())
		}
	}
	for _, p := range d.Privileged {
		if _, both := allowed[p.Role]; !both {
			allowed[p.Role] = declared{p.Holder, p.Role + " (team " + p.Holder + ")"}
		}
	}
	raw := map[string]string{}
	for _, login := range s.logins() {
		how := s.reach(s.become(login), subjects)
		if how == "" {
			continue
		}
		raw[login.name] = how
		l.count["roles"]++
		who, known := allowed[login.name]
		isReader := slices.ContainsFunc(d.Readers, func(r estate.Reader) bool { return r.Role == login.name })
		switch {
		case !known:
			l.add(Reader, "declared, or without a path", how)
		case !isReader && who.team != "" && !slices.Contains(policy.CustomerDataTeams, who.team):
			l.add(ReaderTeam, teams, who.text)
		}
	}
	nobody := &closure{from: &role{name: "PUBLIC"}, set: map[uint32]bool{}}
	for _, t := range subjects {
		if how, by := t.right(nobody); how != "" && by == everybody && t.open(nobody) {
			l.add(PublicReader, "no right for PUBLIC", how+" on "+t.String())
		}
	}
	l.count["tables"] = tables
	l.raw = map[string]any{"reach": raw, "subjects": names(subjects)}
	return l
}

func names[T fmt.Stringer](list []T) []string {
	out := make([]string, 0, len(list))
	for _, one := range list {
		out = append(out, one.String())
	}
	return out
}
