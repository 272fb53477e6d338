package access

import (
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/estate"
)

// developers looks for paths from the roles of development teams (SEG-5): what they can become,
// own, do or enter. Members of a declared group are developers too.
func developers(s *snapshot, d *estate.Database, _ *estate.Policy) *look {
	l := &look{count: map[string]int{"roles": len(d.Developers)}}
	if len(d.Developers) == 0 {
		l.add(DevelopersUnnamed, "developers: [ROLE, …]", "no role of a development team is declared")
	}
	trouble := s.readable()
	if trouble != nil {
		l.items = append(l.items, *trouble)
	}
	dev := s.developers(d.Developers)
	raw := []string{}
	for _, r := range dev {
		raw = append(raw, r.name)
		c := s.become(r)
		s.developer(l, r, c, dev)
		if trouble == nil && r.login && s.mayConnect(c) {
			if entry, ok := s.entry(r); ok {
				l.add(DeveloperConnect, "no CONNECT, or no rule that lets it in", r.name+": CONNECT on "+s.name+", "+entry.String())
			}
		}
	}
	if trouble == nil {
		for i, r := range s.rules {
			switch {
			case !r.admits():
			case r.method == "trust" && !s.shut(i, r.kind):
				l.add(Trust, "an authentication", r.String())
			default:
				// A rule made for a role that is not there yet, or that has no login today.
				for _, name := range d.Developers {
					named := slices.Contains(r.users, name) || slices.Contains(r.users, "+"+name)
					known := s.byName[name]
					reported := known != nil && known.login && s.mayConnect(s.become(known)) && slices.Contains(r.users, name)
					if named && !reported && (slices.Contains(r.databases, "all") || slices.Contains(r.databases, s.name)) {
						l.add(DeveloperConnect, "no rule that lets it in", name+": "+r.String())
					}
				}
			}
		}
	}
	l.raw = map[string]any{"developers": raw, "rules": len(s.rules)}
	return l
}

// developers returns the declared roles that are there, and their members, by name.
func (s *snapshot) developers(declared []string) []*role {
	var list []*role
	for _, r := range s.roles {
		c := s.membership(r)
		if slices.ContainsFunc(declared, func(name string) bool {
			g := s.byName[name]
			return g != nil && c[g.oid]
		}) {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *role) int { return strings.Compare(a.name, b.name) })
	return list
}

// membership is what a role is a member of as written down, whatever it could grant itself.
func (s *snapshot) membership(r *role) map[uint32]bool {
	set, queue := map[uint32]bool{r.oid: true}, []uint32{r.oid}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, id := range s.memberOf[at] {
			if !set[id] {
				set[id] = true
				queue = append(queue, id)
			}
		}
	}
	return set
}

// developer names what one role of a development team is, owns and may do.
func (s *snapshot) developer(l *look, r *role, c *closure, dev []*role) {
	var power []string
	for _, p := range []struct {
		has  bool
		name string
	}{{r.super, "superuser"}, {r.createRole, "CREATEROLE"}, {r.createDB, "CREATEDB"}, {r.bypassRLS, "BYPASSRLS"}, {r.replication, "REPLICATION"}} {
		if p.has {
			power = append(power, p.name)
		}
	}
	if len(power) > 0 {
		l.add(DeveloperPower, "no such attribute", r.name+": "+strings.Join(power, ", "))
	}
	for _, id := range c.order[1:] {
		if to := s.roles[id]; to != nil && !slices.Contains(dev, to) {
			l.add(DeveloperRole, "no membership", s.path(c, id))
			break // the nearest tells enough
		}
	}
	owns, rights := []string{}, []string{}
	if r.oid == s.owner {
		owns = append(owns, "database "+s.name)
	}
	for _, dep := range s.depends[r.oid] {
		switch {
		case dep.owner:
			owns = append(owns, dep.what)
		default:
			rights = append(rights, dep.what)
		}
	}
	owns, rights = slices.Compact(owns), slices.Compact(rights)
	if len(owns) > 0 {
		l.add(DeveloperOwner, "owner of nothing", r.name+": owner of "+some(owns))
	}
	if len(rights) > 0 {
		l.add(DeveloperRight, "no right", r.name+": a right on "+some(rights))
	}
}

// some writes the first of a list and how many follow.
func some(list []string) string {
	if len(list) > 2 {
		return list[0] + ", " + list[1] + " and " + number(len(list)-2) + " more"
	}
	return strings.Join(list, ", ")
}
