package access

import (
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/estate"
)

// powers are PostgreSQL's own roles whose members have privileged rights, with what they can.
func powers() map[string]string {
	return map[string]string{
		"pg_read_all_data": "reads every table", "pg_write_all_data": "writes every table", "pg_read_server_files": "reads files of the server",
		"pg_write_server_files": "writes files of the server", "pg_execute_server_program": "runs programs on the server", "pg_signal_backend": "ends sessions",
		"pg_read_all_stats": "reads what others ask", "pg_monitor": "reads what others ask", "pg_stat_scan_tables": "locks tables",
		"pg_maintain": "maintains every table", "pg_create_subscription": "copies from elsewhere",
	}
}

// power tells the privileged right of a role, with the path to it; empty: it has none.
func (s *snapshot) power(c *closure) string {
	for _, id := range c.order {
		r := s.roles[id]
		if r == nil {
			continue
		}
		var has []string
		if r.super {
			has = append(has, "superuser")
		}
		if r.createRole {
			has = append(has, "CREATEROLE")
		}
		if r.createDB {
			has = append(has, "CREATEDB")
		}
		if r.bypassRLS {
			has = append(has, "BYPASSRLS")
		}
		if r.replication {
			has = append(has, "REPLICATION")
		}
		if s.owners[id] || id == s.owner {
			has = append(has, "owner of objects")
		}
		if what := powers()[r.name]; what != "" && r.system() {
			has = append(has, what)
		}
		if len(has) > 0 {
			return s.path(c, id) + ": " + strings.Join(has, ", ")
		}
	}
	return ""
}

// privileged holds the roles with privileged rights to the register (ACC-5).
func privileged(s *snapshot, d *estate.Database, _ *estate.Policy) *look {
	l := &look{count: map[string]int{}}
	raw := map[string]string{}
	registered := func(name string) bool {
		return slices.ContainsFunc(d.Privileged, func(p estate.Privilege) bool { return p.Role == name })
	}
	var list []*role
	for _, r := range s.roles {
		if !r.system() {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *role) int { return strings.Compare(a.name, b.name) })
	for _, r := range list {
		what := s.power(s.become(r))
		if what == "" {
			continue
		}
		raw[r.name] = what
		l.count["roles"]++
		if !registered(r.name) {
			l.add(Unregistered, "in the register", what)
		}
	}
	for _, p := range d.Privileged {
		if s.byName[p.Role] == nil {
			l.add(Gone, "a role of the database", p.Role)
		}
	}
	var open []string
	for _, n := range s.schemas {
		if slices.Contains(n.grants["CREATE"], everybody) {
			open = append(open, n.name)
		}
	}
	slices.Sort(open)
	for _, name := range open {
		l.add(PublicCreate, "no CREATE for PUBLIC", "PUBLIC: CREATE on schema "+name)
	}
	if slices.Contains(s.grants["CREATE"], everybody) {
		l.add(PublicCreate, "no CREATE for PUBLIC", "PUBLIC: CREATE on database "+s.name)
	}
	l.raw = map[string]any{"privileged": raw, "registered": len(d.Privileged)}
	return l
}

// labels holds the columns with personal data to the classification (CLS-1).
func labels(s *snapshot, d *estate.Database, _ *estate.Policy) *look {
	l := &look{count: map[string]int{}}
	raw := map[string]int{}
	var relations []*relation
	for _, r := range s.relations {
		relations = append(relations, r)
	}
	slices.SortFunc(relations, func(a, b *relation) int { return strings.Compare(a.String(), b.String()) })
	for _, r := range relations {
		if r.kind == "v" || r.schema.name == systemSchema {
			continue // it holds nothing itself, or is the system's
		}
		for _, c := range r.columns {
			if !isPersonal(d, r, c) {
				continue
			}
			if slices.ContainsFunc(d.Labels, func(label estate.Label) bool { return label.Covers(r.schema.name, r.name, c.name) }) {
				l.count["columns"]++
				raw[r.String()]++
			} else {
				l.add(Unlabelled, "a class", r.String()+"."+c.name)
			}
		}
	}
	if l.count["columns"] == 0 && len(l.items) == 0 {
		l.add(PersonalDataUnseen, "columns with personal data", "none was told by name and type")
	}
	l.raw = map[string]any{"labelled": raw}
	return l
}
