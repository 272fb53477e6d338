package verify

import (
	"slices"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
)

// Severity says how bad it is when a check comes out false.
type Severity string

// The severities.
const (
	Critical Severity = "critical" // rows of another tenant can be read or changed now
	High     Severity = "high"     // one step away from that, or what keeps tenants apart is not what was declared
	Medium   Severity = "medium"   // something about other tenants shows, or the application does not work
	Low      Severity = "low"      // housekeeping
)

// Severities lists them, the worst first.
func Severities() []Severity { return []Severity{Critical, High, Medium, Low} }

// AtLeast reports whether s is as bad as other, or worse.
func (s Severity) AtLeast(other Severity) bool {
	return slices.Index(Severities(), s) <= slices.Index(Severities(), other)
}

// Kind says how a check looks.
type Kind string

// The kinds.
const (
	Static Kind = "static" // reads the catalogue
	Probe  Kind = "probe"  // tries it as the application's role
)

// Check is one thing that is looked at. Its ID is stable: pipelines and evidence name it.
type Check struct {
	ID       string   `json:"id"`
	Kind     Kind     `json:"kind"`
	Severity Severity `json:"severity"`
	Title    string   `json:"title"` // what is wrong when it comes out false
	Why      string   `json:"why"`   // what somebody can do then
	// Scratch: a probe that writes, which runs on a scratch copy only.
	Scratch bool `json:"scratch,omitempty"`

	look  func(*judge)
	probe func(*attempt)
	// accepted is the check whose accepted findings are this one's too.
	accepted string
}

// Checks lists all checks, sorted by area as the documentation is.
func Checks() []Check {
	return slices.Concat(roleChecks(), aroundChecks(), tableChecks(), policyChecks(), codeChecks(), constraintChecks(), sideChecks(), eventChecks(), tokenChecks(), acceptedChecks(), probes())
}

// Finding is one thing that is wrong: names of objects, never a value.
type Finding struct {
	Object string `json:"object"`         // as PostgreSQL prints it
	Found  string `json:"found"`          // a sentence
	Mend   string `json:"mend,omitempty"` // SQL, or what to do
}

// Accepted is a finding that somebody answers for in the manifest: it is counted and shown, and does not make a check fail.
type Accepted struct {
	Finding
	Reason string `json:"reason"`
	By     string `json:"by"`
	Date   string `json:"date"`
}

// target is a relation with what the manifest says of it.
type target struct {
	entry *manifest.Table
	rel   *relation
}

// login is a login role of the application with every role that it can act as.
type login struct {
	role  *role
	reach map[uint32]bool
}

// judge holds what checks look at, and takes what they find.
type judge struct {
	c       *catalogue
	m       *manifest.Manifest
	apps    []login
	missing []string  // login roles of the manifest that the cluster does not have
	targets []*target // relations of the manifest that are there, by printed name
	gone    []*manifest.Table
	byOID   map[uint32]*target

	accepted map[*manifest.Acceptance]map[string]bool // objects that were found, as accepted
	readings map[string]reading                       // of policy expressions, which many checks ask for

	findings  []Finding
	examined  int
	now       time.Time
	maxKeyAge time.Duration
	blind     string
	limited   bool // what was found nobody can mend without a superuser, and there is none
}

func newJudge(c *catalogue, m *manifest.Manifest, now time.Time, maxKeyAge time.Duration) *judge {
	j := &judge{c: c, m: m, now: now, maxKeyAge: maxKeyAge, byOID: map[uint32]*target{}, readings: map[string]reading{}, accepted: map[*manifest.Acceptance]map[string]bool{}}
	for _, name := range m.App {
		if r := c.byName[name]; r != nil {
			j.apps = append(j.apps, login{r, c.reach(r.oid)})
		} else {
			j.missing = append(j.missing, name)
		}
	}
	at := map[[2]string]*relation{}
	for _, rel := range c.relations {
		at[[2]string{rel.schema.name, rel.name}] = rel
	}
	for i := range m.Tables {
		entry := &m.Tables[i]
		rel := at[[2]string{entry.Schema, entry.Name}]
		if rel == nil || rel.kind == sequence {
			j.gone = append(j.gone, entry)
			continue
		}
		t := &target{entry, rel}
		j.targets = append(j.targets, t)
		j.byOID[rel.oid] = t
	}
	for _, rel := range c.ordered() {
		if root := c.root(rel); root != rel && j.byOID[rel.oid] == nil && j.byOID[root.oid] != nil { // partitions come and go without being named
			of := j.byOID[root.oid].entry
			t := &target{&manifest.Table{Schema: rel.schema.name, Name: rel.name, Kind: manifest.KindPartition, Class: of.Class, Column: of.Column}, rel}
			j.targets = append(j.targets, t)
			j.byOID[rel.oid] = t
		}
	}
	slices.SortFunc(j.targets, func(a, b *target) int { return strings.Compare(a.rel.printed, b.rel.printed) })
	return j
}

// found notes a finding; see, that something was looked at; cannot, that the check could not look.
func (j *judge) found(object, text, mend string) {
	j.findings = append(j.findings, Finding{object, text, mend})
}

func (j *judge) see() { j.examined++ }

func (j *judge) cannot(why string) { j.blind = why }

// limit finds what only a superuser can mend. Under design statement there is none: then it is told, as
// low, and stands in docs/isolation-verify.md.
func (j *judge) limit(object, text, mend string) {
	j.limited = j.m.Design == manifest.Statement
	j.found(object, text, mend)
}

// app reports whether a role is one of the application's logins.
func (j *judge) app(id uint32) bool {
	return slices.ContainsFunc(j.apps, func(a login) bool { return a.role.oid == id })
}

// declared reports whether the manifest names the role as a way around of one of the kinds; of
// any kind when none is given.
func (j *judge) declared(r *role, kinds ...string) bool {
	return slices.ContainsFunc(j.m.Around, func(p manifest.Path) bool {
		return p.Role == r.name && (len(kinds) == 0 || slices.Contains(kinds, p.Kind))
	})
}

// right is a privilege that a login of the application has.
type right struct {
	app     login
	grantee uint32 // by which it comes
	column  *column
}

// rights returns how the application comes by a privilege on a relation: one for each grantee.
func (j *judge) rights(rel *relation, privilege string) []right {
	var list []right
	seen := map[uint32]bool{}
	add := func(app login, acl []grant, col *column) {
		if id, ok := through(acl, rel.owner, app.reach, privilege); ok && !seen[id] {
			seen[id] = true
			list = append(list, right{app, id, col})
		}
	}
	for _, app := range j.apps {
		add(app, rel.acl, nil)
	}
	for _, app := range j.apps {
		for _, col := range rel.columns {
			add(app, col.acl, col)
		}
	}
	return list
}

// may reports whether a login has a privilege on a relation or on one of its columns.
func (j *judge) may(app login, rel *relation, privilege string) bool {
	if _, ok := through(rel.acl, rel.owner, app.reach, privilege); ok {
		return true
	}
	return slices.ContainsFunc(rel.columns, func(col *column) bool {
		_, ok := through(col.acl, rel.owner, app.reach, privilege)
		return ok
	})
}

// exposed reports whether the application has a right on the rows of a relation itself.
func (j *judge) exposed(rel *relation) bool {
	return slices.ContainsFunc(manifest.GrantWords(), func(p string) bool { return len(j.rights(rel, p)) > 0 })
}

// enters reports whether the application may use what is in a schema.
func (j *judge) enters(s *schema) bool {
	return slices.ContainsFunc(j.apps, func(a login) bool {
		_, ok := through(s.acl, s.owner, a.reach, "USAGE")
		return ok
	})
}

// executes returns the grantee by which the application may call a function.
func (j *judge) executes(f *function) (uint32, bool) {
	if f.trigger || !f.system && !j.enters(f.schema) {
		return 0, false
	}
	for _, a := range j.apps {
		if id, ok := through(f.acl, f.owner, a.reach, "EXECUTE"); ok {
			return id, true
		}
	}
	return 0, false
}

// child reports whether a table is read through its parent, and not by itself.
func (j *judge) child(rel *relation) bool { return len(rel.parents) > 0 && !j.exposed(rel) }

// guarded lists the tenant tables that must be under a policy: those that hold rows, less the
// partitions and children that nobody reaches but through their parent.
func (j *judge) guarded() []*target {
	var list []*target
	for _, t := range j.targets {
		if t.entry.Class == manifest.Tenant && (t.rel.kind == table || t.rel.kind == partitioned) && !j.child(t.rel) {
			list = append(list, t)
		}
	}
	return list
}

// keyTable reports whether the relation is the one with a row for each tenant.
func (j *judge) keyTable(rel *relation) bool { return j.m.Key.Table == rel.printed }

// secret reports whether a relation holds what the application must not see of other tenants: a
// table of tenants, a private one, or what reads one of them.
func (j *judge) secret(id uint32) bool { return j.secretWithin(id, map[uint32]bool{}) }

func (j *judge) secretWithin(id uint32, seen map[uint32]bool) bool {
	if seen[id] {
		return false
	}
	seen[id] = true
	if t := j.byOID[id]; t != nil && t.entry.Class != manifest.Shared && t.rel.kind != view && t.rel.kind != matview {
		return true
	}
	if f := j.c.functions[id]; f != nil {
		return f.definer && slices.ContainsFunc(f.reads, func(to uint32) bool { return j.secretWithin(to, seen) })
	}
	rel := j.c.relations[id]
	return rel != nil && slices.ContainsFunc(rel.reads, func(to uint32) bool { return j.secretWithin(to, seen) })
}

// names joins printed names for a sentence.
func names(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

// printedColumns names columns by their numbers; an expression is called one.
func printedColumns(rel *relation, numbers []int16) []string {
	var list []string
	for _, n := range numbers {
		if col := rel.number(n); col != nil {
			list = append(list, col.printed)
		} else {
			list = append(list, "an expression")
		}
	}
	return list
}
