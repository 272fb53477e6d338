package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/token"
)

func tokenChecks() []Check {
	return []Check{
		{ID: "token.missing", Kind: Static, Severity: Critical, Title: "Schema garant is not there",
			Why: "Nothing verifies tokens: policies that call it fail, and others do not ask who the tenant is.", look: schemaMissing},
		{ID: "token.version", Kind: Static, Severity: Low, Title: "Schema garant is of another version than this program",
			Why: "Corrections of this version are not in force, or this program does not know what it looks at.", look: schemaVersion},
		{ID: "token.design_differs", Kind: Static, Severity: Medium, Title: "The tenant context is held otherwise than declared",
			Why: "The two designs resist other attacks and need other rights.", look: designDiffers},
		{ID: "token.owner", Kind: Static, Severity: Critical, Title: "Something in schema garant is not garant_sec’s",
			Why: "Its owner can replace it, and with it what a token is worth.", look: schemaOwner},
		{ID: "token.schema_acl", Kind: Static, Severity: Critical, Title: "Somebody may create objects in schema garant",
			Why: "A function put there under another signature is called instead of ours.", look: schemaACL},
		{ID: "token.table_acl", Kind: Static, Severity: Critical, Title: "Somebody has a right on a table of schema garant",
			Why: "Whoever reads the keys mints a token of any tenant; whoever writes them does too.", look: tableACL},
		{ID: "token.table_policy", Kind: Static, Severity: Critical, Title: "The keys or the events are not under their policy",
			Why: "The policy keeps them from who may read all data, and out of dumps.", look: tablePolicy},
		{ID: "token.function_acl", Kind: Static, Severity: Critical, Title: "Somebody may call a function of schema garant that is not theirs",
			Why: "Ending sessions, retiring keys and verifying without entering are the keeper’s and the functions’ own.", look: functionACL},
		{ID: "token.admitted", Kind: Static, Severity: Medium, Title: "A role may enter that the manifest does not name",
			Why: "With a token it is a tenant’s application, and nobody looked at what else it may do.", look: admitted},
		{ID: "token.not_admitted", Kind: Static, Severity: Medium, Title: "The application may not enter",
			Why: "Its logins cannot present a token: they see no rows.", look: notAdmitted},
		{ID: "token.function_changed", Kind: Static, Severity: Critical, Title: "A function of schema garant is not ours",
			Why: "It was changed after it was installed: what it lets through, nobody tested.", look: functionChanged},
		{ID: "token.stranger", Kind: Static, Severity: High, Title: "Schema garant holds something that is not ours",
			Why: "What stands there runs as garant_sec, or is called instead of ours.", look: stranger},
		{ID: "token.inbox", Kind: Static, Severity: High, Title: "Keys would stay in the inbox",
			Why: "The trigger that moves them to their table is not there or off: they stand where no policy keeps them.", look: inbox},
		{ID: "token.sec_role", Kind: Static, Severity: Critical, Title: "garant_sec has more than it needs",
			Why: "It owns the keys: it must be nobody’s login and no more than their owner.", look: secAttributes},
		{ID: "token.sec_members", Kind: Static, Severity: Critical, Title: "Somebody can become garant_sec",
			Why: "Its members read the keys and choose the tenant.", look: secMembers},
		{ID: "token.sec_groups", Kind: Static, Severity: Medium, Title: "garant_sec is a member of another role",
			Why: "Functions that run as garant_sec have that role’s rights; ending sessions is the only one they need.", look: secGroups},
		{ID: "token.keeper", Kind: Static, Severity: Critical, Title: "The application can become the keeper of keys",
			Why: "The keeper puts keys in: with a key of its own the application is any tenant.", look: keeper},
		{ID: "token.createrole", Kind: Static, Severity: High, Title: "A role can grant itself garant_sec",
			Why: "Before PostgreSQL 16, CREATEROLE makes itself a member of any role that is no superuser.", look: createRoles},
		{ID: "token.standing_pin", Kind: Static, Severity: Critical, Title: "A default gives every session a tenant",
			Why: "A context that stands in a role’s or database’s defaults holds without a token.", look: standingPin},
		{ID: "token.standing_pin_file", Kind: Static, Severity: Critical, Title: "The server’s configuration gives every session a tenant",
			Why: "A context that stands in postgresql.conf or by ALTER SYSTEM holds without a token.", look: standingPinFile},
		{ID: "token.pin_grant", Kind: Static, Severity: Critical, Title: "Somebody may set the tenant context",
			Why: "Only the functions of garant_sec set it, after they have verified a token; whoever else may, chooses the tenant.", look: pinGrant},
		{ID: "token.pin_missing", Kind: Static, Severity: Medium, Title: "garant_sec may not set the tenant context",
			Why: "In the pinned design no token is accepted then.", look: pinMissing},
		{ID: "token.key_missing", Kind: Static, Severity: Medium, Title: "The database has no key that is in force",
			Why: "No token is accepted. After a restore or a copy this is as it should be until a new key is put in.", look: keyMissing},
		{ID: "token.key_age", Kind: Static, Severity: Low, Title: "The key is old",
			Why: "The longer a key is in use, the more backups and hands it may have passed through.", look: keyAge},
		{ID: "token.key_copied", Kind: Static, Severity: High, Title: "The database holds keys of another database",
			Why: "It was copied with its keys: they left the database that they guard.", look: keyCopied},
		{ID: "token.two_phase", Kind: Static, Severity: Medium, Title: "What an ended session wrote can still be committed",
			Why: "PREPARE TRANSACTION takes a transaction out of its session: ending the session does not find it, and COMMIT PREPARED makes its writes count later.", look: twoPhase},
		{ID: "token.snapshot", Kind: Static, Severity: Medium, Title: "Transactions begin at a level that does not see the end of a session",
			Why: "In the statement design and above READ COMMITTED, a session that was ended and kept its ticket works on until its token expires.", look: oldSnapshot},
	}
}

// guard is schema garant, nil when it is not there.
func (j *judge) guard() *schema {
	for _, s := range j.c.schemas {
		if s.name == tenancyName {
			return s
		}
	}
	return nil
}

func (j *judge) sec() *role { return j.c.byName[secRole] }

// guardFunctions and guardTables are what stands in schema garant.
func (j *judge) guardFunctions() []*function {
	return slices.DeleteFunc(j.c.orderedFunctions(), func(f *function) bool { return f.schema.name != tenancyName })
}

func (j *judge) guardTables() []*relation {
	return slices.DeleteFunc(j.c.ordered(), func(r *relation) bool { return r.schema.name != tenancyName })
}

// reinstall is the command that puts schema garant right.
func (j *judge) reinstall() string { return "garant isolation apply" }

// reinstalled is how functions of this version are put back where somebody changed them.
const reinstalled = "Find out who changed it; then garant isolation apply, and a new key: garant token rekey."

func schemaMissing(j *judge) {
	j.see()
	switch {
	case j.guard() == nil || len(j.guardFunctions()) == 0:
		j.found("schema garant", "The database does not have it.", j.reinstall())
	case j.sec() == nil:
		j.found(secRole, "The cluster has no such role.", j.reinstall())
	}
}

func schemaVersion(j *judge) {
	if j.guard() == nil {
		return
	}
	if why := j.c.hidden["garant.installed"]; why != "" {
		j.cannot(why)
		return
	}
	j.see()
	if v := j.c.tenancy.version; v != token.Version {
		j.found("schema garant", fmt.Sprintf("It is of version %d, this program knows %d.", v, token.Version), j.reinstall())
	}
}

func designDiffers(j *judge) {
	if j.guard() == nil || j.c.hidden["garant.installed"] != "" {
		return
	}
	j.see()
	if d := j.c.tenancy.design; d != j.m.Design {
		j.found("schema garant", "The manifest says "+j.m.Design+", the database has "+quote(d)+".", j.reinstall())
	}
}

func schemaOwner(j *judge) {
	s, sec := j.guard(), j.sec()
	if s == nil || sec == nil {
		return
	}
	j.see()
	wrong := func(what, printed string, owner uint32) {
		j.see()
		if owner != sec.oid {
			j.found(strings.ToLower(what)+" "+printed, j.c.nameOf(owner)+" owns it.", "ALTER "+what+" "+printed+" OWNER TO "+secRole+";")
		}
	}
	wrong("SCHEMA", s.printed, s.owner)
	for _, rel := range j.guardTables() {
		if rel.kind != sequence { // which goes with its table
			wrong("TABLE", rel.printed, rel.owner)
		}
	}
	for _, f := range j.guardFunctions() {
		wrong("FUNCTION", f.printed, f.owner)
	}
}

// extra lists grantees of an ACL, other than the owner and those that are allowed.
func (j *judge) extra(acl []grant, owner uint32, privilege string, allowed func(id uint32) bool) []uint32 {
	var list []uint32
	for _, g := range acl {
		if g.grantee != owner && g.privilege == privilege && !allowed(g.grantee) && !slices.Contains(list, g.grantee) {
			list = append(list, g.grantee)
		}
	}
	slices.Sort(list)
	return list
}

func nobody(uint32) bool { return false }

func schemaACL(j *judge) {
	s := j.guard()
	if s == nil {
		return
	}
	j.see()
	for _, id := range j.extra(s.acl, s.owner, "CREATE", nobody) {
		j.found("schema garant", j.c.nameOf(id)+" may create objects in it.", "REVOKE CREATE ON SCHEMA garant FROM "+j.c.nameOf(id)+";")
	}
}

func tableACL(j *judge) {
	for _, rel := range j.guardTables() {
		j.see()
		by := map[uint32][]string{}
		note := func(acl []grant) {
			for _, g := range acl {
				keeps := rel.name == "key_inbox" && g.privilege == "INSERT" && j.c.nameOf(g.grantee) == keeperRole
				tells := rel.name == "installed" && g.privilege == "SELECT"
				applies := strings.HasPrefix(rel.name, "applied") && g.grantee != everybody && !j.app(g.grantee) // apply's record, for who runs it
				if g.grantee != rel.owner && !keeps && !tells && !applies && !slices.Contains(by[g.grantee], g.privilege) {
					by[g.grantee] = append(by[g.grantee], g.privilege)
				}
			}
		}
		note(rel.acl)
		for _, col := range rel.columns {
			note(col.acl)
		}
		for _, id := range sortedKeys(by) {
			j.found(rel.printed, j.c.nameOf(id)+" has "+strings.Join(by[id], ", ")+".", "REVOKE ALL ON "+rel.printed+" FROM "+j.c.nameOf(id)+";")
		}
	}
}

func tablePolicy(j *judge) {
	sec := j.sec()
	for _, rel := range j.guardTables() {
		if !slices.Contains([]string{"event", "key", "revocation"}, rel.name) || sec == nil {
			continue
		}
		j.see()
		if !rel.rls || !rel.forced {
			j.found(rel.printed, "Row-level security is not forced on it.", "ALTER TABLE "+rel.printed+" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;")
		}
		for _, p := range rel.policies {
			if p.permissive && !slices.Equal(p.roles, []uint32{sec.oid}) {
				j.found("policy "+p.printed+" on "+rel.printed, "It is for others than garant_sec.", "DROP POLICY "+p.printed+" ON "+rel.printed+";")
			}
		}
	}
}

// signature is a function of schema garant as package token writes it.
func signature(f *function) string {
	return "garant." + f.name + "(" + strings.Join(f.arguments, ", ") + ")"
}

// callers says who may execute a function of schema garant besides its owner.
func (j *judge) callers(f *function) (public, keeper, apps bool) {
	switch f.name {
	case "version", "design", "session", "keys": // of keys only their ages
		return true, true, true
	case "retire", "revoke", "sweep", "try_event", "take_events", "forget_events", "events_waiting":
		return false, true, false
	}
	return false, false, slices.Contains(token.Functions(token.Design(j.m.Design)), signature(f))
}

func functionACL(j *judge) {
	for _, f := range j.guardFunctions() {
		j.see()
		public, keeps, apps := j.callers(f)
		for _, id := range j.extra(f.acl, f.owner, "EXECUTE", func(id uint32) bool {
			return public || keeps && j.c.nameOf(id) == keeperRole || slices.Contains([]string{"fill", "capture"}, f.name) && id != everybody && !j.app(id) || apps && id != everybody
		}) {
			j.found(f.printed, j.c.nameOf(id)+" may call it.", "REVOKE EXECUTE ON FUNCTION "+f.printed+" FROM "+j.c.nameOf(id)+";")
		}
	}
}

func admitted(j *judge) {
	owners := j.owners()
	for _, f := range j.guardFunctions() {
		if f.name != "enter" {
			continue
		}
		j.see()
		for _, id := range j.extra(f.acl, f.owner, "EXECUTE", func(id uint32) bool {
			r := j.c.roles[id]
			return id == everybody || j.app(id) || r != nil && (j.declared(r) || owners[id] != "" || r.name == secRole)
		}) {
			j.found(j.c.nameOf(id), "It may call "+f.printed+", and the manifest does not name it.", "Name it in the manifest under app, or: REVOKE EXECUTE ON FUNCTION "+f.printed+" FROM "+j.c.nameOf(id)+";")
		}
	}
}

func notAdmitted(j *judge) {
	for _, f := range j.guardFunctions() {
		if _, _, apps := j.callers(f); !apps {
			continue
		}
		for _, a := range j.apps {
			j.see()
			if _, ok := through(f.acl, f.owner, a.reach, "EXECUTE"); !ok && !a.role.super && !a.reach[f.owner] {
				j.found(a.role.printed, "It may not call "+f.printed+".", "GRANT EXECUTE ON FUNCTION "+f.printed+" TO "+a.role.printed+";")
			}
		}
	}
}

// fingerprint is what a function of schema garant is: its body and all that changes what it does.
func fingerprint(f *function) string {
	text := f.source
	if f.body != "" {
		text = flat(f.body)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%t %t %t %s\n%s\n%s", f.language, f.definer, f.volatile, f.leakproof, f.returns, strings.Join(f.config, "\n"), text))
	return hex.EncodeToString(sum[:8])
}

func functionChanged(j *judge) {
	if j.c.tenancy.version != token.Version || j.c.tenancy.design != j.m.Design {
		return // token.version and token.design_differs speak of it
	}
	known := fingerprints(j.m.Design)
	there := map[string]bool{}
	for _, f := range j.guardFunctions() {
		want := known[signature(f)]
		if want == "" {
			continue // token.stranger speaks of it
		}
		j.see()
		there[signature(f)] = true
		if fingerprint(f) != want {
			j.found(f.printed, "It is not the function that this version installs.", reinstalled)
		}
	}
	for _, s := range sortedKeys(known) {
		if !there[s] && s != fillFunction { // which apply makes when it needs it
			j.found(s, "The function is not there.", reinstalled)
		}
	}
}

// fillFunction fills columns that apply added.
const fillFunction = "garant.fill()"

// guardTableNames are the tables of schema garant, with the record that apply keeps there.
func guardTableNames() []string {
	return []string{"applied", "applied_id_seq", "ends", "event", "event_id_seq", "installed", "key", "key_inbox", "revocation"}
}

func stranger(j *judge) {
	if j.c.tenancy.version != token.Version || j.c.tenancy.design != j.m.Design {
		return
	}
	known := fingerprints(j.m.Design)
	for _, f := range j.guardFunctions() {
		j.see()
		if known[signature(f)] == "" {
			j.found(f.printed, "This version installs no such function.", "DROP FUNCTION "+f.printed+";")
		}
	}
	for _, rel := range j.guardTables() {
		j.see()
		if !slices.Contains(guardTableNames(), rel.name) {
			j.found(rel.printed, "This version installs no such table.", "DROP TABLE "+rel.printed+";")
		}
		for _, t := range rel.triggers {
			if t.name != "take_key" || rel.name != "key_inbox" {
				j.found("trigger "+t.printed+" on "+rel.printed, "This version installs no such trigger.", "DROP TRIGGER "+t.printed+" ON "+rel.printed+";")
			}
		}
		for _, name := range rel.rules {
			j.found("rule "+name+" on "+rel.printed, "This version installs no such rule.", "DROP RULE "+name+" ON "+rel.printed+";")
		}
	}
}

func inbox(j *judge) {
	for _, rel := range j.guardTables() {
		if rel.name != "key_inbox" {
			continue
		}
		j.see()
		if !slices.ContainsFunc(rel.triggers, func(t trigger) bool { return t.name == "take_key" && t.enabled }) {
			j.found(rel.printed, "Its trigger take_key is not there or off.", "ALTER TABLE "+rel.printed+" ENABLE TRIGGER take_key;")
		}
	}
}

func secAttributes(j *judge) {
	for _, name := range []string{secRole, keeperRole} {
		r := j.c.byName[name]
		if r == nil {
			continue
		}
		j.see()
		for _, x := range []struct {
			has        bool
			word, mend string
		}{{r.login, "LOGIN", "NOLOGIN"}, {r.super, "SUPERUSER", "NOSUPERUSER"}, {r.bypassRLS, "BYPASSRLS", "NOBYPASSRLS"}, {r.createRole, "CREATEROLE", "NOCREATEROLE"},
			{r.createDB, "CREATEDB", "NOCREATEDB"}, {r.replication, "REPLICATION", "NOREPLICATION"}} {
			if x.has {
				j.found(r.printed, "It has "+x.word+".", "ALTER ROLE "+r.printed+" "+x.mend+";")
			}
		}
	}
}

func secMembers(j *judge) {
	sec := j.sec()
	if sec == nil {
		return
	}
	j.see()
	for _, m := range j.c.members {
		if m.group == sec.oid {
			j.found(j.c.nameOf(m.member), "It is a member of garant_sec.", "REVOKE "+secRole+" FROM "+j.c.nameOf(m.member)+";")
		}
	}
}

func secGroups(j *judge) {
	sec := j.sec()
	if sec == nil {
		return
	}
	j.see()
	for _, m := range j.c.members {
		if m.member == sec.oid && j.c.nameOf(m.group) != "pg_signal_backend" {
			j.found(secRole, "It is a member of "+j.c.nameOf(m.group)+".", "REVOKE "+j.c.nameOf(m.group)+" FROM "+secRole+";")
		}
	}
}

func keeper(j *judge) {
	k := j.c.byName[keeperRole]
	for _, a := range j.apps {
		j.see()
		if k != nil && a.reach[k.oid] {
			j.found(a.role.printed, "It can become garant_keeper.", j.leave(a, k.oid))
		}
	}
}

func createRoles(j *judge) {
	if j.c.version >= 160000 {
		return
	}
	for _, r := range j.strangers() {
		j.see()
		if r.createRole && !r.super && !j.declared(r, "superuser") {
			j.found(r.printed, "It has CREATEROLE, on a version where that is every role but superusers.",
				"ALTER ROLE "+r.printed+" NOCREATEROLE; or name it in the manifest under around with kind: superuser.")
		}
	}
}

// holdsContext reports whether a setting is one that holds the tenant context.
func holdsContext(name string) bool {
	return slices.Contains(pinned(), name) || strings.HasPrefix(strings.ToLower(name), "garant.")
}

func standingPin(j *judge) {
	j.see()
	for _, s := range j.c.settings {
		if holdsContext(s.name) {
			j.found(s.printed(j.c), "It stands in the defaults.", s.reset(j.c))
		}
	}
}

func standingPinFile(j *judge) {
	if why := j.c.hidden["pg_file_settings"]; why != "" {
		if j.m.Design == string(token.Statement) {
			return // a ticket in a file is worth nothing: it is bound to a transaction
		}
		j.cannot(why + " GRANT SELECT ON pg_file_settings TO it, and EXECUTE ON FUNCTION pg_show_all_file_settings().")
		return
	}
	j.see()
	for _, s := range j.c.files {
		if holdsContext(s.name) && s.value != "" {
			j.found("setting "+s.name, "It stands in the server’s configuration.", "ALTER SYSTEM RESET "+s.name+"; or remove the line from the file, and SELECT pg_reload_conf();")
		}
	}
}

func pinGrant(j *judge) {
	sec := j.sec()
	for _, p := range j.c.parameters {
		if !holdsContext(p.name) {
			continue
		}
		j.see()
		for _, privilege := range []string{"SET", "ALTER SYSTEM"} {
			for _, id := range j.extra(p.acl, bootstrapRole, privilege, func(id uint32) bool { return sec != nil && id == sec.oid && privilege == "SET" }) {
				j.found("parameter "+p.name, j.c.nameOf(id)+" may "+privilege+" it.", "REVOKE "+privilege+" ON PARAMETER "+p.name+" FROM "+j.c.nameOf(id)+";")
			}
		}
	}
}

func pinMissing(j *judge) {
	sec := j.sec()
	if j.m.Design != string(token.Pinned) || sec == nil || j.guard() == nil {
		return
	}
	j.see()
	for _, p := range j.c.parameters {
		if slices.Contains(pinned(), p.name) && slices.ContainsFunc(p.acl, func(g grant) bool { return g.grantee == sec.oid && g.privilege == "SET" }) {
			return
		}
	}
	j.found(secRole, "It may not set "+pinned()[0]+".", token.PinnedNeeds+";")
}

// inForce are the keys of this database that accept tokens.
func (j *judge) inForce() []key {
	return slices.DeleteFunc(slices.Clone(j.c.tenancy.keys), func(k key) bool {
		return k.database != j.c.database || k.retires != nil && !k.retires.After(j.now)
	})
}

// keys reports whether the keys may be judged.
func (j *judge) keysSeen() bool {
	if j.guard() == nil {
		return false
	}
	if why := j.c.hidden["garant.keys"]; why != "" {
		j.cannot(why)
		return false
	}
	return true
}

func keyMissing(j *judge) {
	if !j.keysSeen() {
		return
	}
	j.see()
	if len(j.inForce()) == 0 {
		j.found("garant.key", "It holds no key in force for this database.", "Put a key in: garant token rekey.")
	}
}

func keyAge(j *judge) {
	if !j.keysSeen() {
		return
	}
	alive := j.inForce()
	if len(alive) == 0 {
		return
	}
	j.see()
	newest := slices.MaxFunc(alive, func(a, b key) int { return a.installed.Compare(b.installed) })
	if j.now.Sub(newest.installed) > j.maxKeyAge {
		j.found(fmt.Sprintf("key %d", newest.id), fmt.Sprintf("It has been in use for more than %d days, and none is newer.", int(j.maxKeyAge/(24*time.Hour))), "Change the key: garant token rotate.")
	}
}

func keyCopied(j *judge) {
	if !j.keysSeen() {
		return
	}
	j.see()
	for _, k := range j.c.tenancy.keys {
		if k.database != j.c.database {
			j.found(fmt.Sprintf("key %d", k.id), "It was put into another database than this one.", "As garant_sec: DELETE FROM garant.key WHERE database <> current_database();")
			return
		}
	}
}

func twoPhase(j *judge) {
	j.see()
	if v := j.c.values["max_prepared_transactions"]; v != "0" {
		j.found("max_prepared_transactions", "It is "+v+": sessions may prepare transactions for a later commit.", "ALTER SYSTEM RESET max_prepared_transactions; then remove it from postgresql.conf where it stands there, and start the server again.")
	}
}

// oldSnapshot looks at what sessions start with. What a session chooses for itself no catalogue shows.
func oldSnapshot(j *judge) {
	const name, seen = "default_transaction_isolation", "read committed"
	if j.m.Design != manifest.Statement && j.c.tenancy.design != manifest.Statement {
		return
	}
	for _, a := range j.apps {
		j.see()
		if v := j.effective(a.role, name); v != seen && v != "read uncommitted" { // which PostgreSQL takes for the same
			j.found(a.role.printed, "Its transactions begin as "+strings.ToUpper(v)+".", "ALTER ROLE "+a.role.printed+" IN DATABASE "+j.c.printed+" SET "+name+" = '"+seen+"';")
		}
	}
}
