package verify

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/token"
)

// everybody is the grantee of what is granted to PUBLIC; firstOfCompany the least oid that is not
// the system's own (FirstNormalObjectId), bootstrapRole the role that initdb makes.
const (
	everybody      = 0
	bootstrapRole  = 10
	firstOfCompany = 16384
)

// catalogue is what one database says of itself: names, rights and expressions, never a row of
// the company's. Names are kept as they are (for comparing) and as PostgreSQL prints them (for
// people and for SQL).
type catalogue struct {
	database, printed string // of the database
	owner             uint32
	acl               []grant
	version           int // server_version_num
	me                string
	super             bool // the role that looks is a superuser

	roles      map[uint32]*role
	byName     map[string]*role
	members    []membership
	schemas    map[uint32]*schema
	relations  map[uint32]*relation
	functions  map[uint32]*function
	extensions []extension
	languages  []language
	servers    []server
	defaults   []defaultACL
	pubs       []publication
	slots      []string
	settings   []roleSetting
	files      []fileSetting
	parameters []parameterGrant
	values     map[string]string // of pg_settings
	casts      []string          // to json or jsonb by a function that is not written in C
	large      []largeObject
	activity   []string // roles with a session in this database
	jobs       []job    // of pg_cron
	tenancy    tenancySchema

	hidden map[string]string // what could not be read → why
}

type role struct {
	oid           uint32
	name, printed string

	super, inherit, createRole, createDB, login, replication, bypassRLS bool
}

// system reports whether the role is one of PostgreSQL's own, other than the first superuser.
func (r *role) system() bool { return r.oid < firstOfCompany && r.oid != bootstrapRole }

type membership struct {
	group, member uint32
	admin         bool
	usable        bool // inherited or open to SET ROLE; always before version 16
}

type grant struct {
	grantee   uint32
	privilege string
	grantable bool
}

type schema struct {
	oid           uint32
	name, printed string
	owner         uint32
	acl           []grant
}

// Kinds of relations, as in pg_class.
const (
	table       = "r"
	partitioned = "p"
	view        = "v"
	matview     = "m"
	foreign     = "f"
	sequence    = "S"
)

type relation struct {
	oid           uint32
	schema        *schema
	name, printed string // printed: qualified and quoted
	kind          string
	owner         uint32
	rls, forced   bool
	invoker       bool // a view that reads with the rights of who asks
	populated     bool
	extension     bool // belongs to one
	partition     bool
	parents       []uint32
	ownedBy       uint32 // of a sequence: the table whose column it fills
	acl           []grant
	columns       []*column
	policies      []*policy
	indexes       []*index
	constraints   []*constraint
	triggers      []trigger
	rules         []string
	reads         []uint32 // of a view: relations and functions that its query names
}

func (r *relation) column(name string) *column {
	if i := slices.IndexFunc(r.columns, func(c *column) bool { return c.name == name }); i >= 0 {
		return r.columns[i]
	}
	return nil
}

func (r *relation) number(n int16) *column {
	if i := slices.IndexFunc(r.columns, func(c *column) bool { return c.number == n }); i >= 0 {
		return r.columns[i]
	}
	return nil
}

type column struct {
	number        int16
	name, printed string
	typ           string // of what a domain is made, without modifiers
	notNull       bool   // itself or by its domain
	value         string // the default, "" when there is none
	loose         bool   // its collation calls different strings equal
	serial        bool   // filled by a sequence
	always        bool   // GENERATED ALWAYS: an insert cannot choose it
	acl           []grant
}

type policy struct {
	name, printed string
	permissive    bool
	roles         []uint32 // everybody: PUBLIC
	command       string   // r, a, w, d, *
	using, check  string   // deparsed with nothing but pg_catalog in the search path
	reads         []uint32 // relations
	calls         []uint32 // functions
}

// of reports whether the policy is for a command: r, a, w or d.
func (p *policy) of(command string) bool { return p.command == "*" || p.command == command }

type index struct {
	name, printed          string
	unique, primary, valid bool
	inherited              bool // of a partition, which has it from its parent
	exclusion              bool
	partial                bool
	columns                []int16 // of the key; 0 stands for an expression
	constraint             bool
	method                 string
}

type constraint struct {
	name, printed string
	kind          string // f, c
	columns       []int16
	references    uint32
	referenced    []int16
	onUpdate      string
	onDelete      string
	validated     bool
	inherited     bool // of a partition, which has it from its parent
}

type trigger struct {
	name, printed string
	function      uint32
	enabled       bool
	is            token.FoundTrigger
}

type function struct {
	oid       uint32
	schema    *schema
	printed   string // with the types of its arguments
	name      string
	kind      string // f, p, a, w
	owner     uint32
	definer   bool
	leakproof bool
	config    []string
	language  string
	source    string
	body      string // of one in standard SQL, deparsed
	extension bool
	trigger   bool
	system    bool // in pg_catalog
	acl       []grant
	reads     []uint32
	arguments []string // the types
	setOf     bool
	returns   string
	volatile  bool
}

type extension struct{ name, printed string }

type language struct {
	name, printed string
	trusted       bool
	owner         uint32
}

type server struct {
	name, printed, wrapper string
	owner                  uint32
	acl                    []grant
	mapped                 []uint32 // roles with a user mapping; everybody: PUBLIC
}

type defaultACL struct {
	owner  uint32
	schema string // "" for all
	kind   string // r, S, f, T, n
	acl    []grant
}

type publication struct {
	name, printed string
	all           bool
	tables        []published
}

type published struct {
	relation uint32
	filtered bool
}

type roleSetting struct {
	role     uint32 // 0: every role
	database bool   // of this database only
	name     string
	value    string
}

type fileSetting struct{ name, value string }

type parameterGrant struct {
	name string
	acl  []grant
}

type largeObject struct {
	owner uint32
	acl   []grant
}

type job struct {
	id       int64
	username string
}

// tenancySchema is what stands in schema garant besides its objects.
type tenancySchema struct {
	version int
	design  string
	keys    []key
}

// key is what may be told of a key of tokens.
type key struct {
	id        int16
	database  string
	installed time.Time
	retires   *time.Time
}

// nameOf prints a role.
func (c *catalogue) nameOf(id uint32) string {
	if id == everybody {
		return "PUBLIC"
	}
	if r, ok := c.roles[id]; ok {
		return r.printed
	}
	return "a role that is gone"
}

// reach is every role that a role can act as: itself, what it is a member of by any number of
// steps, and the owner of the database where that is one of them. A superuser's reach is what is
// written down, not everything: that it is one is a finding of its own.
func (c *catalogue) reach(from uint32) map[uint32]bool {
	set := map[uint32]bool{from: true}
	for queue := []uint32{from}; len(queue) > 0; queue = queue[1:] {
		next := []uint32{}
		for _, m := range c.members {
			if m.member == queue[0] && m.usable {
				next = append(next, m.group)
			}
		}
		if queue[0] == c.owner {
			if implicit := c.byName["pg_database_owner"]; implicit != nil {
				next = append(next, implicit.oid)
			}
		}
		for _, id := range next {
			if !set[id] {
				set[id] = true
				queue = append(queue, id)
			}
		}
	}
	return set
}

// through returns the grantee within a set by which a privilege comes, PUBLIC last. Rights that
// the owner has as such are not counted: owning is a finding of its own.
func through(acl []grant, owner uint32, set map[uint32]bool, privilege string) (grantee uint32, ok bool) {
	public := false
	var best []uint32
	for _, g := range acl {
		switch {
		case g.privilege != privilege || g.grantee == owner && owner != everybody:
		case g.grantee == everybody:
			public = true
		case set[g.grantee]:
			best = append(best, g.grantee)
		}
	}
	if len(best) > 0 {
		return slices.Min(best), true
	}
	return everybody, public
}

// root is the partitioned table at the top that a partition belongs to, or the relation itself.
func (c *catalogue) root(rel *relation) *relation {
	for rel.partition && len(rel.parents) > 0 && c.relations[rel.parents[0]] != nil {
		rel = c.relations[rel.parents[0]]
	}
	return rel
}

// ordered returns the relations sorted by printed name.
func (c *catalogue) ordered() []*relation {
	return slices.SortedFunc(maps.Values(c.relations), func(a, b *relation) int { return strings.Compare(a.printed, b.printed) })
}

// orderedFunctions returns the functions sorted by printed name.
func (c *catalogue) orderedFunctions() []*function {
	return slices.SortedFunc(maps.Values(c.functions), func(a, b *function) int { return strings.Compare(a.printed, b.printed) })
}

// orderedRoles returns the roles sorted by printed name.
func (c *catalogue) orderedRoles() []*role {
	return slices.SortedFunc(maps.Values(c.roles), func(a, b *role) int { return strings.Compare(a.printed, b.printed) })
}
