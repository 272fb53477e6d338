package verify

import (
	"regexp"
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
)

func codeChecks() []Check {
	return []Check{
		{ID: "code.view_definer", Kind: Static, Severity: Critical, Title: "A view reads with its owner’s rights",
			Why: "The policies of the tables below are asked about the owner, not about who reads the view: it can show the rows of all tenants.", look: definerView},
		{ID: "code.materialised_view", Kind: Static, Severity: Critical, Title: "The application reads a materialised view of tenants’ rows",
			Why: "PostgreSQL holds no policy on materialised views: it holds a copy of all tenants’ rows, and shows it whole.", look: materialisedView},
		{ID: "code.definer_function", Kind: Static, Severity: Critical, Title: "A function reaches tenants’ tables with its owner’s rights",
			Why: "SECURITY DEFINER asks the policies about the owner: whatever the function returns or changes may be of any tenant.", look: definerFunction},
		{ID: "code.definer_search_path", Kind: Static, Severity: High, Title: "A function with its owner’s rights has no search path of its own",
			Why: "Whoever calls it chooses where its names are looked up, and has code of their own run with the owner’s rights.", look: definerSearchPath},
		{ID: "code.definer_trigger", Kind: Static, Severity: High, Title: "A trigger on a tenant table runs with its owner’s rights",
			Why: "A write of one tenant has code read and write the rows of all of them.", look: definerTrigger},
		{ID: "code.leakproof", Kind: Static, Severity: High, Title: "A function of your own is marked LEAKPROOF",
			Why: "PostgreSQL then runs it before the policy on the rows of all tenants; a message or an error of it carries values out.", look: leakproof},
		{ID: "code.rule", Kind: Static, Severity: High, Title: "A table has a rewrite rule",
			Why: "What a rule adds to a statement runs with the rights of the table’s owner.", look: rewriteRule},
		{ID: "code.dblink", Kind: Static, Severity: High, Title: "The application may open connections from inside the database",
			Why: "A connection of its own to the same server has another role, no policy and no token.", look: dblink},
		{ID: "code.foreign_server", Kind: Static, Severity: High, Title: "The application may use a foreign server",
			Why: "It reads there with the rights of the user mapping, past every policy here.", look: foreignServer},
		{ID: "code.untrusted", Kind: Static, Severity: High, Title: "The application calls a function in a language that nothing holds",
			Why: "Code in C or an untrusted language reads the server’s memory and files.", look: untrusted},
		{ID: "code.server_functions", Kind: Static, Severity: Critical, Title: "The application may call a function that is the administrators’",
			Why: "Such functions read files, large objects, the log or other sessions.", look: serverFunctions},
		{ID: "code.catalogue", Kind: Static, Severity: Critical, Title: "The application may read a closed part of the catalogue",
			Why: "Statistics hold values of all tenants’ rows, and other tables passwords and files.", look: closedCatalogue},
		{ID: "code.cron", Kind: Static, Severity: Medium, Title: "A scheduled job runs as a role that is not declared",
			Why: "It works on tenants’ rows at night, with rights that nobody wrote down.", look: cron},
	}
}

// readable are the views of a kind on which the application has a right.
func (j *judge) readable(kind string) []*target {
	var list []*target
	for _, t := range j.targets {
		if t.rel.kind == kind && j.exposed(t.rel) {
			list = append(list, t)
		}
	}
	return list
}

func definerView(j *judge) {
	for _, t := range j.readable(view) {
		j.see()
		if !t.rel.invoker && j.secret(t.rel.oid) {
			j.found(t.rel.printed, "It reads tenants’ rows with the rights of "+j.c.nameOf(t.rel.owner)+".", "ALTER VIEW "+t.rel.printed+" SET (security_invoker = true);")
		}
	}
}

func materialisedView(j *judge) {
	for _, t := range j.readable(matview) {
		j.see()
		if j.secret(t.rel.oid) {
			j.found(t.rel.printed, "It holds a copy of tenants’ rows, and the application may read it.", "REVOKE ALL ON "+t.rel.printed+" FROM "+j.everyApp()+";")
		}
	}
}

// definers are the functions of the company that run with rights which are not the application's.
func (j *judge) definers() []*function {
	return slices.DeleteFunc(j.c.orderedFunctions(), func(f *function) bool {
		return !f.definer || f.system || f.extension || f.schema.name == tenancyName || j.app(f.owner)
	})
}

// touches reports whether a function reaches relations that are not shared: by what it names, by
// statements that it puts together, or in a language that is not read here.
func (j *judge) touches(f *function) (text string, found bool) {
	for _, id := range f.reads {
		if j.secret(id) {
			if rel := j.c.relations[id]; rel != nil {
				return "It reads " + rel.printed + ".", true
			}
			return "It calls a function that reads tenants’ tables.", true
		}
	}
	if f.language != "sql" && f.language != "plpgsql" {
		return "What it does cannot be read: it is written in " + f.language + ".", true
	}
	source := strings.ToLower(f.source)
	for _, t := range j.targets {
		if t.entry.Class != manifest.Shared && word(source, strings.ToLower(t.rel.name)) {
			return "It names " + t.rel.printed + ".", true
		}
	}
	if f.language == "plpgsql" && regexp.MustCompile(`(?i)\bexecute\b`).MatchString(f.source) {
		return "It puts statements together that cannot be read here.", true
	}
	return "", false
}

// word reports whether a name stands in a text by itself.
func word(text, name string) bool {
	part := func(b byte) bool { return b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 0x80 }
	for from := 0; ; {
		i := strings.Index(text[from:], name)
		if i < 0 {
			return false
		}
		start, end := from+i, from+i+len(name)
		if (start == 0 || !part(text[start-1])) && (end == len(text) || !part(text[end])) {
			return true
		}
		from = start + 1
	}
}

func definerFunction(j *judge) {
	for _, f := range j.definers() {
		if _, ok := j.executes(f); !ok {
			continue
		}
		j.see()
		if text, found := j.touches(f); found && !j.declaredDefiner(f) {
			j.found(f.printed, text+" It runs with the rights of "+j.c.nameOf(f.owner)+".",
				"ALTER FUNCTION "+f.printed+" SECURITY INVOKER; or declare "+j.c.nameOf(f.owner)+" in the manifest under around with kind: definer.")
		}
	}
}

func (j *judge) declaredDefiner(f *function) bool {
	r := j.c.roles[f.owner]
	return r != nil && j.declared(r, "definer")
}

func definerSearchPath(j *judge) {
	for _, f := range j.definers() {
		if _, ok := j.executes(f); !ok {
			continue
		}
		j.see()
		if !slices.ContainsFunc(f.config, func(s string) bool { return strings.HasPrefix(s, "search_path=") }) {
			j.found(f.printed, "It is SECURITY DEFINER without SET search_path.", "ALTER FUNCTION "+f.printed+" SET search_path = "+f.schema.printed+", pg_temp;")
		}
	}
}

func definerTrigger(j *judge) {
	for _, t := range j.targets {
		if t.entry.Class != manifest.Tenant {
			continue
		}
		for _, tr := range t.rel.triggers {
			j.see()
			f := j.c.functions[tr.function]
			if f == nil || !f.definer || !tr.enabled || j.app(f.owner) || j.declaredDefiner(f) || f.schema.name == tenancyName { // token.function_changed speaks of ours
				continue
			}
			j.found("trigger "+tr.printed+" on "+t.rel.printed, "It runs "+f.printed+" with the rights of "+j.c.nameOf(f.owner)+".",
				"ALTER FUNCTION "+f.printed+" SECURITY INVOKER; or declare "+j.c.nameOf(f.owner)+" in the manifest under around with kind: definer.")
		}
	}
}

func leakproof(j *judge) {
	for _, f := range j.c.orderedFunctions() {
		if f.system || f.extension || f.schema.name == tenancyName {
			continue
		}
		j.see()
		if f.leakproof {
			j.found(f.printed, "It is marked LEAKPROOF.", "ALTER FUNCTION "+f.printed+" NOT LEAKPROOF;")
		}
	}
}

func rewriteRule(j *judge) {
	for _, t := range j.targets {
		if t.entry.Class == manifest.Private {
			continue
		}
		j.see()
		for _, name := range t.rel.rules {
			j.found("rule "+name+" on "+t.rel.printed, "What it adds runs with the rights of "+j.c.nameOf(t.rel.owner)+".", "DROP RULE "+name+" ON "+t.rel.printed+"; -- a trigger does the same with the rights of who writes")
		}
	}
}

func dblink(j *judge) {
	for _, f := range j.c.orderedFunctions() {
		if !f.extension || !strings.HasPrefix(f.name, "dblink") {
			continue
		}
		j.see()
		if id, ok := j.executes(f); ok {
			j.found(f.printed, "The application may call it, by "+j.c.nameOf(id)+".", "REVOKE EXECUTE ON FUNCTION "+f.printed+" FROM "+j.c.nameOf(id)+";")
		}
	}
}

func foreignServer(j *judge) {
	for _, s := range j.c.servers {
		j.see()
		for _, a := range j.apps {
			if id, ok := through(s.acl, s.owner, a.reach, "USAGE"); ok {
				j.found("server "+s.printed, a.role.printed+" may use it, by "+j.c.nameOf(id)+".", "REVOKE USAGE ON FOREIGN SERVER "+s.printed+" FROM "+j.c.nameOf(id)+";")
			} else if slices.ContainsFunc(s.mapped, func(id uint32) bool { return a.role.oid == id }) {
				j.found("server "+s.printed, a.role.printed+" has a user mapping on it.", "DROP USER MAPPING FOR "+a.role.printed+" SERVER "+s.printed+";")
			}
		}
	}
}

func untrusted(j *judge) {
	trusted := map[string]bool{"sql": true}
	for _, l := range j.c.languages {
		trusted[l.name] = l.trusted
	}
	for _, f := range j.c.orderedFunctions() {
		if f.system || f.extension || f.schema.name == tenancyName {
			continue
		}
		j.see()
		if id, ok := j.executes(f); ok && !trusted[f.language] {
			j.found(f.printed, "It is written in "+f.language+" and the application may call it, by "+j.c.nameOf(id)+".", "REVOKE EXECUTE ON FUNCTION "+f.printed+" FROM "+j.c.nameOf(id)+";")
		}
	}
}

// largeObjectFunctions make large objects, of which side.large_objects speaks.
func largeObjectFunctions() []string { return []string{"lo_creat", "lo_create", "lo_from_bytea"} }

func serverFunctions(j *judge) {
	for _, f := range j.c.orderedFunctions() {
		if !f.system || slices.Contains(largeObjectFunctions(), f.name) {
			continue
		}
		j.see()
		for _, a := range j.apps {
			if id, ok := through(f.acl, f.owner, a.reach, "EXECUTE"); ok && (id == everybody || !j.c.roles[id].system()) {
				j.found(f.printed, a.role.printed+" may call it, by "+j.c.nameOf(id)+".", "REVOKE EXECUTE ON FUNCTION "+f.printed+" FROM "+j.c.nameOf(id)+";")
			}
		}
	}
}

func closedCatalogue(j *judge) {
	for _, rel := range j.c.ordered() {
		if rel.schema.name != "pg_catalog" {
			continue
		}
		j.see()
		for _, privilege := range manifest.GrantWords() {
			for _, r := range j.rights(rel, privilege) {
				if r.grantee == everybody || !j.c.roles[r.grantee].system() {
					// SELECT on columns of pg_subscription and the like is PostgreSQL's own.
					j.found(rel.printed, "The application has "+privilege+", by "+j.c.nameOf(r.grantee)+".", "REVOKE "+privilege+" ON "+rel.printed+" FROM "+j.c.nameOf(r.grantee)+";")
				}
			}
		}
	}
}

func cron(j *judge) {
	if why := j.c.hidden["cron.job"]; why != "" {
		j.cannot(why)
		return
	}
	for _, job := range j.c.jobs {
		j.see()
		if r := j.c.byName[job.username]; r == nil || !j.declared(r) && !j.app(r.oid) {
			j.found("cron job "+number(job.id), "It runs as "+quote(job.username)+", which the manifest does not name.", "SELECT cron.unschedule("+number(job.id)+"); or declare the role in the manifest under around.")
		}
	}
}
