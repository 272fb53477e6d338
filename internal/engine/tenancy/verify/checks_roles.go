package verify

import (
	"slices"
	"strings"
)

func roleChecks() []Check {
	return []Check{
		{ID: "roles.missing", Kind: Static, Severity: High, Title: "A login role of the application does not exist",
			Why: "Nothing can be said of a role that is not there; the application signs in as another one, which nobody looks at.", look: missingRoles},
		{ID: "roles.superuser", Kind: Static, Severity: Critical, Title: "The application signs in as a superuser",
			Why: "No policy holds a superuser: every query reads and writes the rows of all tenants.", look: superuser},
		{ID: "roles.superuser_member", Kind: Static, Severity: Critical, Title: "The application can become a superuser",
			Why: "SET ROLE is enough, and no policy holds a superuser.", look: superuserMember},
		{ID: "roles.bypassrls", Kind: Static, Severity: Critical, Title: "The application goes past row-level security",
			Why: "BYPASSRLS leaves every policy out, for the role itself and for whoever can become it.", look: bypass},
		{ID: "roles.owner", Kind: Static, Severity: Critical, Title: "The application owns what it is to be kept from",
			Why: "Who owns a table may switch its policies off, and who owns a schema or the database may drop and replace what is in it.", look: owner},
		{ID: "roles.owner_member", Kind: Static, Severity: Critical, Title: "The application can act as an owner",
			Why: "A member of the owner may do what the owner may: switch policies off, drop and replace tables.", look: ownerMember},
		{ID: "roles.server_files", Kind: Static, Severity: Critical, Title: "The application can run programs or reach files on the server",
			Why:  "COPY … PROGRAM and the server’s files are every row of the cluster, whatever the policies say.",
			look: predefined("pg_execute_server_program", "pg_read_server_files", "pg_write_server_files")},
		{ID: "roles.all_data", Kind: Static, Severity: High, Title: "The application has a right on all data",
			Why:  "Every table is open to it, those that are private and those to come included; only policies are left between tenants.",
			look: predefined("pg_read_all_data", "pg_write_all_data")},
		{ID: "roles.sessions", Kind: Static, Severity: High, Title: "The application sees or ends other sessions",
			Why:  "The statements of other sessions show values of other tenants, statistics show their rows, and ending sessions stops their work.",
			look: predefined("pg_monitor", "pg_read_all_stats", "pg_read_all_settings", "pg_stat_scan_tables", "pg_signal_backend")},
		{ID: "roles.subscriptions", Kind: Static, Severity: High, Title: "The application has a power over the server’s operation",
			Why:  "Checkpoints, subscriptions and maintenance reach the rows or the work of all tenants.",
			look: predefined("pg_checkpoint", "pg_create_subscription", "pg_maintain", "pg_use_reserved_connections")},
		{ID: "roles.createrole", Kind: Static, Severity: Critical, Title: "The application may create roles",
			Why: "Before PostgreSQL 16, CREATEROLE grants itself any role that is no superuser, owners and garant_sec included; after, it still makes logins that nobody declared.", look: createRole},
		{ID: "roles.createdb", Kind: Static, Severity: Medium, Title: "The application may create databases",
			Why: "In a database of its own it owns everything, a place to carry rows to where no policy stands.", look: createDB},
		{ID: "roles.replication", Kind: Static, Severity: Critical, Title: "The application may replicate",
			Why: "Who replicates reads the write-ahead log: every row of every tenant.", look: replication},
		{ID: "roles.parameters", Kind: Static, Severity: High, Title: "The application may set a parameter that is a superuser’s",
			Why: "Such parameters load libraries, switch triggers and foreign keys off, or hold the tenant context itself.", look: parameters},
		{ID: "roles.defaults", Kind: Static, Severity: High, Title: "A default of the role or the database weakens tenancy",
			Why: "It is in force in every session before the first statement: other rights, foreign keys and triggers off, a schema of the session’s own in front.", look: defaults},
		{ID: "roles.session_undeclared", Kind: Static, Severity: Medium, Title: "Somebody is connected whom the manifest does not name",
			Why: "An application that signs in as another role than declared is held by nothing that was looked at here.", look: sessions},
	}
}

func missingRoles(j *judge) {
	for range j.m.App {
		j.see()
	}
	for _, name := range j.missing {
		j.found(quote(name), "The manifest names it under app, and the cluster has no such role.", "CREATE ROLE "+quote(name)+" LOGIN;")
	}
	for _, a := range j.apps {
		if !a.role.login {
			j.found(a.role.printed, "It cannot sign in: the application uses another role.", "ALTER ROLE "+a.role.printed+" LOGIN;")
		}
	}
}

// attribute looks at each login of the application.
func (j *judge) attribute(has func(*role) bool, text, word string) {
	for _, a := range j.apps {
		j.see()
		if has(a.role) {
			j.found(a.role.printed, text, "ALTER ROLE "+a.role.printed+" "+word+";")
		}
	}
}

func superuser(j *judge) {
	j.attribute(func(r *role) bool { return r.super }, "It is a superuser.", "NOSUPERUSER")
}

func createDB(j *judge) {
	j.attribute(func(r *role) bool { return r.createDB }, "It has CREATEDB.", "NOCREATEDB")
}

func replication(j *judge) {
	j.attribute(func(r *role) bool { return r.replication }, "It has REPLICATION.", "NOREPLICATION")
}

func createRole(j *judge) {
	j.attribute(func(r *role) bool { return r.createRole }, "It has CREATEROLE.", "NOCREATEROLE")
	j.members(func(r *role) bool { return r.createRole && !r.super }, "It can become %s, which has CREATEROLE.")
}

func bypass(j *judge) {
	j.attribute(func(r *role) bool { return r.bypassRLS }, "It has BYPASSRLS.", "NOBYPASSRLS")
	j.members(func(r *role) bool { return r.bypassRLS && !r.super }, "It can become %s, which has BYPASSRLS.")
}

func superuserMember(j *judge) {
	for range j.apps {
		j.see()
	}
	j.members(func(r *role) bool { return r.super }, "It can become %s, a superuser.")
}

// members finds roles of a kind that a login can become.
func (j *judge) members(kind func(*role) bool, text string) {
	for _, a := range j.apps {
		for _, r := range j.c.orderedRoles() {
			if r.oid != a.role.oid && a.reach[r.oid] && kind(r) {
				j.found(a.role.printed, strings.Replace(text, "%s", r.printed, 1), j.leave(a, r.oid))
			}
		}
	}
}

// leave is what takes a login out of a role that it can become: the membership by which it starts.
func (j *judge) leave(a login, group uint32) string {
	for _, m := range j.c.members {
		if m.member == a.role.oid && (m.group == group || j.c.reach(m.group)[group]) {
			return "REVOKE " + j.c.nameOf(m.group) + " FROM " + a.role.printed + ";"
		}
	}
	return "Take " + a.role.printed + " out of " + j.c.nameOf(group) + "."
}

func predefined(groups ...string) func(*judge) {
	return func(j *judge) {
		for _, a := range j.apps {
			j.see()
			for _, name := range groups {
				if g := j.c.byName[name]; g != nil && a.reach[g.oid] {
					j.found(a.role.printed, "It is a member of "+name+".", j.leave(a, g.oid))
				}
			}
		}
	}
}

// possessions lists what roles own of the company's: relations, schemas, the database.
func (j *judge) possessions(of func(owner uint32) bool) []Finding {
	var list []Finding
	if of(j.c.owner) {
		list = append(list, Finding{Object: "database " + j.c.printed, Found: j.c.nameOf(j.c.owner), Mend: "ALTER DATABASE " + j.c.printed + " OWNER TO "})
	}
	for _, id := range sortedKeys(j.c.schemas) {
		if s := j.c.schemas[id]; s.name != "pg_catalog" && of(s.owner) {
			list = append(list, Finding{Object: "schema " + s.printed, Found: j.c.nameOf(s.owner), Mend: "ALTER SCHEMA " + s.printed + " OWNER TO "})
		}
	}
	for _, rel := range j.c.ordered() {
		if rel.kind != sequence && rel.schema.name != "pg_catalog" && of(rel.owner) {
			list = append(list, Finding{Object: rel.printed, Found: j.c.nameOf(rel.owner), Mend: "ALTER TABLE " + rel.printed + " OWNER TO "})
		}
	}
	return list
}

const someOwner = "an_owner_that_cannot_sign_in;"

func owner(j *judge) {
	for range j.targets {
		j.see()
	}
	for _, f := range j.possessions(j.app) {
		j.found(f.Object, f.Found+" owns it and is a login of the application.", f.Mend+someOwner)
	}
}

func ownerMember(j *judge) {
	for range j.targets {
		j.see()
	}
	for _, a := range j.apps {
		owners := map[uint32]string{}
		for _, f := range j.possessions(func(id uint32) bool {
			return a.reach[id] && !j.app(id) && !j.c.roles[id].super && !j.c.roles[id].system()
		}) {
			for id := range a.reach {
				if j.c.nameOf(id) == f.Found && (owners[id] == "" || f.Object < owners[id]) {
					owners[id] = f.Object
				}
			}
		}
		for _, id := range sortedKeys(owners) {
			j.found(a.role.printed, "It can become "+j.c.nameOf(id)+", which owns "+owners[id]+".", j.leave(a, id))
		}
	}
}

func parameters(j *judge) {
	for _, a := range j.apps {
		j.see()
		for _, p := range j.c.parameters {
			if slices.Contains(pinned(), p.name) {
				continue // that one is token.pin_grant
			}
			for _, privilege := range []string{"SET", "ALTER SYSTEM"} {
				if id, ok := through(p.acl, bootstrapRole, a.reach, privilege); ok {
					j.found(a.role.printed, "It may "+privilege+" the parameter "+p.name+", by "+j.c.nameOf(id)+".",
						"REVOKE "+privilege+" ON PARAMETER "+p.name+" FROM "+j.c.nameOf(id)+";")
				}
			}
		}
	}
}

func defaults(j *judge) {
	for _, s := range j.c.settings {
		if s.role != everybody && !j.app(s.role) {
			continue
		}
		j.see()
		var wrong string
		switch s.name {
		case "row_security":
			if off(s.value) {
				wrong = "Sessions start with row_security off: queries fail, or see everything where a policy does not bind."
			}
		case "session_replication_role":
			if s.value != "origin" {
				wrong = "Sessions start as a replica: triggers and foreign keys do not fire."
			}
		case "role":
			wrong = "Sessions start as another role than the one that signed in."
		case "search_path":
			if first, _, _ := strings.Cut(s.value, ","); strings.Trim(strings.TrimSpace(first), `"`) == "pg_temp" {
				wrong = "Sessions look into their own temporary schema first, where a table can stand in for one of yours."
			}
		case "lo_compat_privileges":
			if !off(s.value) {
				wrong = "Large objects are open to everybody."
			}
		case "session_preload_libraries", "local_preload_libraries":
			if s.value != "" && s.value != `""` {
				wrong = "Sessions load a library before the first statement."
			}
		}
		if wrong != "" {
			j.found(s.printed(j.c), wrong, s.reset(j.c))
		}
	}
	if v, ok := j.c.values["lo_compat_privileges"]; ok && !off(v) && !slices.ContainsFunc(j.c.settings, func(s roleSetting) bool { return s.name == "lo_compat_privileges" }) {
		j.found("lo_compat_privileges", "Large objects are open to everybody.", "ALTER SYSTEM RESET lo_compat_privileges;")
	}
}

// off reports whether a boolean of a setting is false, as PostgreSQL reads it.
func off(value string) bool {
	return slices.Contains([]string{"off", "of", "false", "fals", "fal", "fa", "f", "no", "n", "0"}, strings.ToLower(value))
}

func (s roleSetting) printed(c *catalogue) string {
	what := "setting " + s.name
	if s.role != everybody {
		what += " of " + c.nameOf(s.role)
	}
	if s.database {
		what += " in database " + c.printed
	}
	return what
}

func (s roleSetting) reset(c *catalogue) string {
	switch {
	case s.role != everybody && s.database:
		return "ALTER ROLE " + c.nameOf(s.role) + " IN DATABASE " + c.printed + " RESET " + s.name + ";"
	case s.role != everybody:
		return "ALTER ROLE " + c.nameOf(s.role) + " RESET " + s.name + ";"
	case s.database:
		return "ALTER DATABASE " + c.printed + " RESET " + s.name + ";"
	}
	return "ALTER ROLE ALL RESET " + s.name + ";"
}

func sessions(j *judge) {
	keeper := j.c.byName[keeperRole]
	for _, name := range j.c.activity {
		j.see()
		r := j.c.byName[name]
		if r == nil || j.app(r.oid) || j.declared(r) || name == j.c.me || keeper != nil && j.c.reach(r.oid)[keeper.oid] {
			continue
		}
		j.found(r.printed, "It has a session in this database, and the manifest names it neither under app nor under around.",
			"Name it in the manifest, or: REVOKE CONNECT ON DATABASE "+j.c.printed+" FROM "+r.printed+";")
	}
}
