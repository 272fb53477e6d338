package verify

import (
	"slices"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
)

func aroundChecks() []Check {
	return []Check{
		{ID: "around.superuser", Kind: Static, Severity: High, Title: "A superuser is not declared",
			Why: "A superuser reads and changes the rows of every tenant; the annex names each of them.", look: aroundSuperuser},
		{ID: "around.bypass", Kind: Static, Severity: High, Title: "A role with BYPASSRLS is not declared",
			Why: "It reads the rows of every tenant wherever it has a right; the annex names each such role.", look: aroundBypass},
		{ID: "around.owner", Kind: Static, Severity: High, Title: "An owner of tenants’ tables is not declared",
			Why: "An owner may switch policies off; whoever can become one is a way around tenancy that the annex has to name.", look: aroundOwner},
		{ID: "around.replication", Kind: Static, Severity: High, Title: "A role that replicates is not declared",
			Why: "The write-ahead log holds every row of every tenant.", look: aroundReplication},
		{ID: "around.reader", Kind: Static, Severity: Medium, Title: "A login that is not declared has a right on tenants’ tables",
			Why: "It is neither the application, which gets in with a token only, nor a way around that somebody answers for.", look: aroundReader},
		{ID: "around.gone", Kind: Static, Severity: Low, Title: "A declared way around is not there any more",
			Why: "A list with lines that mean nothing hides the line that means something.", look: aroundGone},
	}
}

// strangers are the roles of the company that are not the application's, nor Garant's owner of the
// schema garant.
func (j *judge) strangers() []*role {
	var list []*role
	for _, r := range j.c.orderedRoles() {
		if !r.system() && !j.app(r.oid) && r.name != secRole {
			list = append(list, r)
		}
	}
	return list
}

func (j *judge) declare(r *role, kind, text, mend string) {
	j.found(r.printed, text, "Name it in the manifest under around with kind: "+kind+", or: "+mend)
}

func aroundSuperuser(j *judge) {
	for _, r := range j.strangers() {
		j.see()
		if r.super && !j.declared(r, "superuser") {
			j.declare(r, "superuser", "It is a superuser, and the manifest does not name it as one.", "ALTER ROLE "+r.printed+" NOSUPERUSER;")
		}
	}
}

func aroundBypass(j *judge) {
	for _, r := range j.strangers() {
		j.see()
		if r.bypassRLS && !r.super && !j.declared(r, "bypass", "backup") {
			j.declare(r, "bypass", "It has BYPASSRLS, and the manifest names it neither as bypass nor as backup.", "ALTER ROLE "+r.printed+" NOBYPASSRLS;")
		}
	}
}

func aroundReplication(j *judge) {
	for _, r := range j.strangers() {
		j.see()
		if r.replication && !r.super && !j.declared(r, "replication", "backup") {
			j.declare(r, "replication", "It has REPLICATION, and the manifest names it neither as replication nor as backup.", "ALTER ROLE "+r.printed+" NOREPLICATION;")
		}
	}
}

// owners are the roles that own a relation which is not shared, each with the first of them.
func (j *judge) owners() map[uint32]string {
	list := map[uint32]string{}
	for _, t := range j.targets {
		if _, seen := list[t.rel.owner]; !seen && t.entry.Class != manifest.Shared {
			list[t.rel.owner] = t.rel.printed
		}
	}
	return list
}

// owns returns what a role that is no superuser owns, itself or by becoming the owner.
func (j *judge) owns(r *role, owners map[uint32]string) (what, as string) {
	if r.super {
		return "", ""
	}
	for _, id := range sortedKeys(j.c.reach(r.oid)) {
		if o := owners[id]; o != "" && (what == "" || id == r.oid) && !j.c.roles[id].super {
			what, as = o, j.c.nameOf(id)
		}
	}
	return what, as
}

func aroundOwner(j *judge) {
	owners := j.owners()
	for _, r := range j.strangers() {
		j.see()
		what, as := j.owns(r, owners)
		switch {
		case what == "" || j.declared(r, "owner"):
		case as == r.printed:
			j.declare(r, "owner", "It owns "+what+", and the manifest does not name it as an owner.", "ALTER TABLE "+what+" OWNER TO "+someOwner)
		case r.login: // a group in between is nobody
			j.declare(r, "owner", "It can become "+as+", which owns "+what+", and the manifest does not name it as an owner.", "REVOKE "+as+" FROM "+r.printed+";")
		}
	}
}

func aroundReader(j *judge) {
	owners := j.owners()
	for _, r := range j.strangers() {
		if what, _ := j.owns(r, owners); !r.login || r.super || r.bypassRLS || what != "" || j.declared(r) {
			continue // the checks above speak of these
		}
		j.see()
		reach := j.c.reach(r.oid)
		for _, name := range []string{"pg_read_all_data", "pg_write_all_data"} {
			if g := j.c.byName[name]; g != nil && reach[g.oid] {
				j.declare(r, "backup", "It is a member of "+name+", and the manifest does not name it.", "REVOKE "+name+" FROM "+r.printed+";")
			}
		}
		as := login{r, reach}
		for _, t := range j.targets {
			if t.entry.Class == manifest.Shared || !slices.ContainsFunc(manifest.GrantWords(), func(p string) bool { return j.mayNotByPublic(as, t.rel, p) }) {
				continue
			}
			j.declare(r, "bypass", "It has rights on "+t.rel.printed+" and perhaps on more, and the manifest does not name it.", "REVOKE ALL ON "+t.rel.printed+" FROM "+r.printed+";")
			break
		}
	}
}

// mayNotByPublic is may, without what everybody has: that is a finding of its own.
func (j *judge) mayNotByPublic(as login, rel *relation, privilege string) bool {
	own := func(acl []grant) bool {
		id, ok := through(acl, rel.owner, as.reach, privilege)
		return ok && id != everybody
	}
	return own(rel.acl) || slices.ContainsFunc(rel.columns, func(col *column) bool { return own(col.acl) })
}

func aroundGone(j *judge) {
	owners := j.owners()
	for _, p := range j.m.Around {
		j.see()
		r := j.c.byName[p.Role]
		gone := ""
		switch {
		case r == nil:
			gone = "There is no such role."
		case p.Kind == "superuser" && !r.super:
			gone = "It is no superuser."
		case p.Kind == "bypass" && !r.bypassRLS && !r.super && !j.reads(r):
			gone = "It has neither BYPASSRLS nor a right on a tenant’s table."
		case p.Kind == "replication" && !r.replication && !r.super:
			gone = "It has no REPLICATION."
		case p.Kind == "owner":
			if what, _ := j.owns(r, owners); what == "" && !r.super && j.c.owner != r.oid {
				gone = "It owns no table of tenants."
			}
		case p.Kind == "backup" && !r.super && !r.bypassRLS && !r.replication && !j.reads(r):
			gone = "It has no right by which it could make a backup."
		case p.Kind == "definer" && !slices.ContainsFunc(j.c.orderedFunctions(), func(f *function) bool { return f.definer && f.owner == r.oid }):
			gone = "It owns no function that runs with its rights."
		}
		if gone != "" {
			j.found(quote(p.Role), gone+" The manifest declares it as "+p.Kind+".", "Remove the line from the manifest.")
		}
	}
}

// reads reports whether a role has a right on the rows of a relation that is not shared.
func (j *judge) reads(r *role) bool {
	as := login{r, j.c.reach(r.oid)}
	for _, name := range []string{"pg_read_all_data", "pg_write_all_data"} {
		if g := j.c.byName[name]; g != nil && as.reach[g.oid] {
			return true
		}
	}
	return slices.ContainsFunc(j.targets, func(t *target) bool {
		return t.entry.Class != manifest.Shared && slices.ContainsFunc(manifest.GrantWords(), func(p string) bool { return j.may(as, t.rel, p) })
	})
}
