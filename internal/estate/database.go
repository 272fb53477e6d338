package estate

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Database is a PostgreSQL database under guard, with who may do what in it. It is what must be
// so; the checks of internal/engine/access compare it with what is.
type Database struct {
	Name         string
	URL          Secret // postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full, never in the file itself
	Database     string // its name within the cluster, so that an empty neighbour does not pass
	System       string // system identifier of the cluster (pg_control_system), so that a decoy does not pass
	Environment  Environment
	CustomerData bool        // it holds personal data of customers
	Readers      []Reader    // who may reach personal data
	Privileged   []Privilege // the register of privileged rights
	Developers   []string    // roles of development teams, logins and groups; none may have a path to it
	Labels       []Label     // which columns are classified, and how
	Tenancy      *Tenancy    // nil: it does not hold tenants apart
	Dedicated    *Dedicated  // nil: it is nobody's own
	Anonymised   *Anonymised // nil: no copies of it are made for developers
	Line         int         // in garant.yaml
}

// Reader is a role that may reach personal data, with the team or the service behind it.
type Reader struct {
	Role    string
	Team    string // of people; must be one of Policy.CustomerDataTeams
	Service string // a program; exactly one of Team and Service is set
}

// String names the role and who stands behind it.
func (r Reader) String() string {
	if r.Team != "" {
		return r.Role + " (team " + r.Team + ")"
	}
	return r.Role + " (service " + r.Service + ")"
}

// Privilege is an entry of the register of privileged rights.
type Privilege struct {
	Role    string
	Holder  string // the team of people that holds it
	Service string // the program that holds it; exactly one of Holder and Service is set
	Why     string // business justification
}

// String names the role and its holder.
func (p Privilege) String() string {
	if p.Holder != "" {
		return p.Role + " (" + p.Holder + ": " + p.Why + ")"
	}
	return p.Role + " (service " + p.Service + ": " + p.Why + ")"
}

// Label classifies columns: "customer.applicant.email", all of a table "customer.applicant.*",
// or all of a schema "customer.*.*".
type Label struct {
	Columns  string
	Class    string // a word of the company's classification scale
	Personal Verdict
}

// Verdict says whether columns hold personal data, where somebody decided it.
type Verdict string

// The verdicts.
const (
	Undecided   Verdict = "" // judged by name and type
	IsPersonal  Verdict = "personal"
	NotPersonal Verdict = "not personal"
)

// String names the columns, their class and the verdict.
func (l Label) String() string {
	if l.Personal == Undecided {
		return l.Columns + ": " + l.Class
	}
	return l.Columns + ": " + l.Class + " (" + string(l.Personal) + ")"
}

// Covers reports whether the label is on a column.
func (l Label) Covers(schema, table, column string) bool {
	part := strings.Split(l.Columns, ".")
	return len(part) == 3 && part[0] == schema && (part[1] == "*" || part[1] == table) && (part[2] == "*" || part[2] == column)
}

// Database returns the database of that name.
func (e *Estate) Database(name string) (Database, bool) {
	for _, d := range e.Databases {
		if d.Name == name {
			return d, true
		}
	}
	return Database{}, false
}

// DatabasesWhere returns the databases that are in, by name.
func (e *Estate) DatabasesWhere(in func(*Database) bool) []*Database {
	var list []*Database
	for i := range e.Databases {
		if in(&e.Databases[i]) {
			list = append(list, &e.Databases[i])
		}
	}
	slices.SortFunc(list, func(a, b *Database) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Declared returns what an estate declares of a target, whatever its kind, to be compared by
// reflect.DeepEqual with what another estate declares of it; nil: it declares none of that name.
// Where it stands in the file is no part of it.
func (e *Estate) Declared(name string) any {
	if ep, ok := e.Endpoint(name); ok {
		ep.Line = 0
		return ep
	}
	if d, ok := e.Database(name); ok {
		d.Line, d.URL.key = 0, ""
		if d.Tenancy != nil {
			t := *d.Tenancy
			t.Keeper.key, t.Application.key, t.Copy.key = "", "", ""
			d.Tenancy = &t
		}
		if d.Dedicated != nil {
			own := *d.Dedicated
			own.Counter.key, own.SharedCounter.key = "", ""
			d.Dedicated = &own
		}
		if d.Anonymised != nil {
			a := *d.Anonymised
			a.Reader.key, a.Target.key, a.Issuer.key = "", "", ""
			d.Anonymised = &a
		}
		return d
	}
	for _, c := range e.Checks {
		if c.Target() == name || c.Imported != nil && slices.Contains(c.Targets(), name) {
			return c.asks()
		}
	}
	for _, i := range e.Imports {
		if slices.Contains(i.Targets(), name) {
			return i.asks()
		}
	}
	for _, w := range e.Witnesses {
		if slices.Contains(w.Targets(), name) {
			return w.KeyText()
		}
		if w.Cosigner != "" && w.Log() == name {
			return w.Cosigner
		}
	}
	for _, l := range e.Logs {
		if l.Target() == name {
			return l.asks()
		}
	}
	return nil
}

func (p *parser) databases(n *yaml.Node) []Database {
	const at = "databases"
	items := p.list(n, at, "List each database with a name, a url, a database, a system, an environment and customer_data, or remove the section.")
	databases := make([]Database, 0, len(items))
	addresses := map[string]int{}
	var owns, copies []*yaml.Node
	for i, item := range items {
		key := fmt.Sprintf("%s[%d]", at, i)
		d, values := p.database(item, key)
		p.taken(values["name"], key, d.Name, "database", item.Line)
		if d.System != "" && d.Database != "" {
			address := d.System + "/" + d.Database
			if first, seen := addresses[address]; seen {
				p.add(values["database"], key+".database", fmt.Sprintf("The same database of the same system is declared on line %d.", first), "Keep one of them: a database counts once.")
			}
			addresses[address] = item.Line
		}
		databases = append(databases, d)
		owns, copies = append(owns, values["dedicated"]), append(copies, values["anonymised"])
	}
	p.dedicatedOf(databases, owns)
	p.copiesApart(databases, copies)
	return databases
}

func (p *parser) database(n *yaml.Node, at string) (Database, map[string]*yaml.Node) {
	d := Database{Line: n.Line}
	values := p.fields(n, at, "name", "url", "database", "system", "environment", "customer_data", "readers", "privileged", "developers", "labels", "tenancy", "dedicated", "anonymised")
	if values == nil {
		return d, nil
	}
	name := p.required(n, values, at, "name", "Give the database a short name that will not change, such as production.")
	if v, ok := p.text(name, at+".name"); ok {
		d.Name = p.targetName(name, at+".name", v)
	}
	address := p.required(n, values, at, "url", "Write env:NAME or file:/PATH; the address holds a password, so that it stands elsewhere.")
	d.URL = p.connection(address, at+".url")
	d.Database = p.identifier(p.required(n, values, at, "database", "Write its name within the cluster, as SELECT current_database() gives it."), at+".database")
	system := p.required(n, values, at, "system", "Write what SELECT system_identifier FROM pg_control_system() gives, in quotes.")
	d.System = p.systemIdentifier(system, at+".system")
	environment := p.required(n, values, at, "environment", "Write production or non-production.")
	if v, ok := p.oneOf(environment, at+".environment", "an environment", string(Production), string(NonProduction)); ok {
		d.Environment = Environment(v)
	}
	d.CustomerData, _ = p.boolean(p.required(n, values, at, "customer_data", "Write true when it holds personal data of customers, else false."), at+".customer_data")
	d.Readers = p.readers(values["readers"], at+".readers")
	d.Privileged = p.privileged(values["privileged"], at+".privileged")
	d.Developers = p.developers(values["developers"], at+".developers")
	for _, role := range d.Developers {
		if slices.ContainsFunc(d.Readers, func(r Reader) bool { return r.Role == role }) || slices.ContainsFunc(d.Privileged, func(r Privilege) bool { return r.Role == role }) {
			p.add(values["developers"], at+".developers", "The role "+quote(role)+" is of a development team, and has rights in this database.", "Take it out of one of the lists.")
		}
	}
	d.Labels = p.labels(values["labels"], at+".labels")
	d.Tenancy = p.tenancy(values["tenancy"], at+".tenancy", d.Database)
	d.Dedicated = p.dedicated(values["dedicated"], at+".dedicated")
	d.Anonymised = p.anonymised(values["anonymised"], at+".anonymised")
	return d, values
}

// targetName reads the name of a target that may be of any kind.
func (p *parser) targetName(n *yaml.Node, key, written string) string {
	if nameForm.MatchString(written) {
		return written
	}
	p.add(n, key, quote(written)+" is not a name.", "Use small letters, digits and hyphens, at most 63.")
	return ""
}

// taken holds that names of targets are unique, whatever the kind.
func (p *parser) taken(n *yaml.Node, at, name, kind string, line int) {
	if name == "" {
		return
	}
	if first, seen := p.names[name]; seen {
		p.add(n, at+".name", "The name "+quote(name)+" is taken by the "+first+".", "Names are unique: evidence is filed under them.")
	}
	p.names[name] = fmt.Sprintf("%s on line %d", kind, line)
}

// identifier reads a name of PostgreSQL: at most 63 bytes (NAMEDATALEN).
func (p *problems) identifier(n *yaml.Node, key string) string {
	name, ok := p.text(n, key)
	if ok && len(name) > 63 {
		p.add(n, key, "The name is longer than PostgreSQL has them.", "Write it as the database has it, at most 63 bytes.")
		return ""
	}
	return name
}

// systemIdentifier reads a number of 64 bits, which YAML may take for one or for a text.
func (p *problems) systemIdentifier(n *yaml.Node, key string) string {
	if n != nil && n.Kind == yaml.ScalarNode && n.Tag == "!!int" {
		p.add(n, key, "The identifier is a text, not a number.", "Put it in quotes.")
		return ""
	}
	value, ok := p.text(n, key)
	if ok && !systemForm.MatchString(value) {
		p.add(n, key, quote(value)+" is not the identifier of a PostgreSQL system.", "Write what SELECT system_identifier FROM pg_control_system() gives, in quotes.")
		return ""
	}
	return value
}

// role reads the role of an entry of a list, and holds that each stands there once.
func (p *parser) role(n *yaml.Node, values map[string]*yaml.Node, at string, seen map[string]bool) string {
	node := p.required(n, values, at, "role", "Write the name of the role in PostgreSQL.")
	role := p.identifier(node, at+".role")
	if role != "" && seen[role] {
		p.add(node, at+".role", "The role "+quote(role)+" is listed twice.", "Keep one of them.")
	}
	seen[role] = true
	return role
}

func (p *parser) readers(n *yaml.Node, at string) []Reader {
	var readers []Reader
	seen := map[string]bool{}
	for i, item := range p.list(n, at, "List each role that may reach personal data, with the team or the service behind it, or remove the key.") {
		key := fmt.Sprintf("%s[%d]", at, i)
		values := p.fields(item, key, "role", "team", "service")
		if values == nil {
			continue
		}
		r := Reader{Role: p.role(item, values, key, seen)}
		r.Team, _ = p.text(values["team"], key+".team")
		r.Service, _ = p.text(values["service"], key+".service")
		if (values["team"] == nil) == (values["service"] == nil) {
			p.add(item, key, "Who stands behind the role is told by a team or by a service.", "Write team: for people, or service: for a program.")
		}
		readers = append(readers, r)
	}
	return readers
}

func (p *parser) privileged(n *yaml.Node, at string) []Privilege {
	var list []Privilege
	seen := map[string]bool{}
	for i, item := range p.list(n, at, "List each privileged role with its holder and why, or remove the key.") {
		key := fmt.Sprintf("%s[%d]", at, i)
		values := p.fields(item, key, "role", "holder", "service", "why")
		if values == nil {
			continue
		}
		e := Privilege{Role: p.role(item, values, key, seen)}
		e.Holder, _ = p.text(values["holder"], key+".holder")
		e.Service, _ = p.text(values["service"], key+".service")
		if (values["holder"] == nil) == (values["service"] == nil) {
			p.add(item, key, "Who holds the role is told by a team or by a service.", "Write holder: for a team of people, or service: for a program.")
		}
		e.Why, _ = p.text(p.required(item, values, key, "why", "Write what the rights are needed for."), key+".why")
		list = append(list, e)
	}
	return list
}

func (p *parser) developers(n *yaml.Node, at string) []string {
	var roles []string
	for i, item := range p.list(n, at, "List the roles of development teams, or remove the key.") {
		key := fmt.Sprintf("%s[%d]", at, i)
		switch role := p.identifier(item, key); {
		case role == "":
		case slices.Contains(roles, role):
			p.add(item, key, "The role "+quote(role)+" is listed twice.", "Keep one of them.")
		default:
			roles = append(roles, role)
		}
	}
	return roles
}

func (p *parser) labels(n *yaml.Node, at string) []Label {
	var labels []Label
	seen := map[string]bool{}
	for i, item := range p.list(n, at, "List columns, such as customer.applicant.email, each with its class, or remove the key.") {
		key := fmt.Sprintf("%s[%d]", at, i)
		values := p.fields(item, key, "columns", "class", "personal")
		if values == nil {
			continue
		}
		var l Label
		node := p.required(item, values, key, "columns", "Write SCHEMA.TABLE.COLUMN, SCHEMA.TABLE.* or SCHEMA.*.*.")
		if v, ok := p.text(node, key+".columns"); ok {
			switch part := strings.Split(v, "."); {
			case len(part) != 3 || slices.Contains(part, "") || part[0] == "*" || part[1] == "*" && part[2] != "*" || strings.Contains(strings.Join(slices.DeleteFunc(part, func(s string) bool { return s == "*" }), ""), "*"):
				p.add(node, key+".columns", quote(v)+" names no columns.", "Write SCHEMA.TABLE.COLUMN, SCHEMA.TABLE.* or SCHEMA.*.*.")
			case seen[v]:
				p.add(node, key+".columns", quote(v)+" is listed twice.", "Keep one of them.")
			default:
				l.Columns, seen[v] = v, true
			}
		}
		l.Class, _ = p.text(p.required(item, values, key, "class", "Write the class, a word of your classification scale."), key+".class")
		if personal, ok := p.boolean(values["personal"], key+".personal"); ok {
			l.Personal = NotPersonal
			if personal {
				l.Personal = IsPersonal
			}
		}
		labels = append(labels, l)
	}
	return labels
}

func (p *parser) teams(n *yaml.Node, at string) []string {
	var teams []string
	for i, item := range p.list(n, at, "List the teams that may reach customers' personal data, such as [Customer Success].") {
		key := fmt.Sprintf("%s[%d]", at, i)
		switch team, ok := p.text(item, key); {
		case !ok:
		case slices.Contains(teams, team):
			p.add(item, key, quote(team)+" is listed twice.", "Keep one of them.")
		default:
			teams = append(teams, team)
		}
	}
	return teams
}
