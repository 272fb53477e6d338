package access

import (
	"cmp"
	"slices"
	"strings"
)

// everybody is the grantee of what is granted to PUBLIC.
const everybody = 0

// firstOfCompany is the least oid that is not the system's own (FirstNormalObjectId); the role
// that initdb makes has 10.
const (
	bootstrapRole  = 10
	firstOfCompany = 16384
)

// snapshot is what the catalogue of one database says: names and rights, never a row.
type snapshot struct {
	system, name string
	owner        uint32
	version      int    // server_version_num
	me           string // the role that looks
	remote       bool   // we came over the network
	encrypted    bool   // and under TLS

	roles     map[uint32]*role
	byName    map[string]*role
	memberOf  map[uint32][]uint32 // by member
	owners    map[uint32]bool     // of the database or of something in it
	depends   map[uint32][]dependence
	grants    grants // on the database
	schemas   map[uint32]*schema
	relations map[uint32]*relation
	functions map[uint32]*function
	settings  map[string]string
	rulesSeen bool
	rules     []rule
}

func newSnapshot() *snapshot {
	return &snapshot{
		roles: map[uint32]*role{}, byName: map[string]*role{}, memberOf: map[uint32][]uint32{}, owners: map[uint32]bool{}, depends: map[uint32][]dependence{},
		grants: grants{}, schemas: map[uint32]*schema{}, relations: map[uint32]*relation{}, functions: map[uint32]*function{}, settings: map[string]string{},
	}
}

type role struct {
	oid  uint32
	name string

	super, inherit, createRole, createDB, login, replication, bypassRLS bool
}

// system reports whether a role is one of PostgreSQL's own, other than the first superuser.
func (r *role) system() bool { return r.oid < firstOfCompany && r.oid != bootstrapRole }

// dependence is something that a role owns, or has a right on.
type dependence struct {
	owner bool
	what  string // as pg_describe_object words it
}

// grants are the grantees by privilege.
type grants map[string][]uint32

func (g *grants) add(privilege string, grantee uint32) {
	if *g == nil {
		*g = grants{}
	}
	(*g)[privilege] = append((*g)[privilege], grantee)
}

// to returns the grantee within a set through which a privilege comes.
func (g grants) to(privilege string, set map[uint32]bool) (grantee uint32, ok bool) {
	for _, id := range slices.Sorted(slices.Values(g[privilege])) {
		if id == everybody || set[id] {
			return id, true
		}
	}
	return 0, false
}

type schema struct {
	oid    uint32
	name   string
	owner  uint32
	grants grants
}

type relation struct {
	oid     uint32
	schema  *schema
	name    string
	kind    string // r, p, v, m, f as in pg_class
	owner   uint32
	invoker bool // a view that reads with the rights of who asks
	grants  grants
	columns []*column
	reads   []reference // of views
}

func (r *relation) String() string { return r.schema.name + "." + r.name }

func (r *relation) column(n int16) *column {
	if i, found := slices.BinarySearchFunc(r.columns, n, func(c *column, n int16) int { return cmp.Compare(c.number, n) }); found {
		return r.columns[i]
	}
	return nil
}

type column struct {
	number int16
	name   string
	typ    string
	grants grants
}

// reference is what a view reads; column 0 is the whole relation.
type reference struct {
	relation uint32
	column   int16
}

type function struct {
	oid      uint32
	schema   *schema
	name     string
	owner    uint32
	definer  bool // runs with the rights of its owner
	trigger  bool // cannot be called
	language string
	source   string
	grants   grants
	reads    []uint32
}

func (f *function) String() string { return f.schema.name + "." + f.name + "()" }

// logins returns the roles that may sign in, by name.
func (s *snapshot) logins() []*role {
	var list []*role
	for _, r := range s.roles {
		if r.login {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *role) int { return strings.Compare(a.name, b.name) })
	return list
}

// closure is every role that a role can act as, with the step by which it is reached.
type closure struct {
	from  *role
	steps map[uint32]uint32 // role → the one before it
	order []uint32          // nearest first
	set   map[uint32]bool
}

// become follows memberships, inherited or by SET ROLE. Before version 16 CREATEROLE may grant
// itself every role but superusers.
func (s *snapshot) become(from *role) *closure {
	c := &closure{from: from, steps: map[uint32]uint32{}, set: map[uint32]bool{from.oid: true}, order: []uint32{from.oid}}
	for i := 0; i < len(c.order); i++ {
		at := c.order[i]
		next := slices.Sorted(slices.Values(s.memberOf[at]))
		if r := s.roles[at]; r != nil && r.createRole && s.version < 160000 {
			for _, other := range s.roles {
				if !other.super {
					next = append(next, other.oid)
				}
			}
			slices.SortFunc(next, func(a, b uint32) int { return strings.Compare(s.nameOf(a), s.nameOf(b)) })
		}
		// pg_database_owner has one member, who is not written down: the owner of the database.
		if at == s.owner {
			if implicit, ok := s.byName["pg_database_owner"]; ok {
				next = append(next, implicit.oid)
			}
		}
		for _, id := range next {
			if !c.set[id] {
				c.set[id], c.steps[id] = true, at
				c.order = append(c.order, id)
			}
		}
	}
	return c
}

// path writes how a role of the closure is reached: "dev_anna → developers → app_rw".
func (s *snapshot) path(c *closure, to uint32) string {
	var names []string
	for at := to; ; at = c.steps[at] {
		names = append(names, s.nameOf(at))
		if at == c.from.oid {
			break
		}
		if _, ok := c.steps[at]; !ok {
			break
		}
	}
	slices.Reverse(names)
	return strings.Join(names, " → ")
}

func (s *snapshot) nameOf(id uint32) string {
	if id == everybody {
		return "PUBLIC"
	}
	if r, ok := s.roles[id]; ok {
		return r.name
	}
	return "role " + number(int(id))
}
