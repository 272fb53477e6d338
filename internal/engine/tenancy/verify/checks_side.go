package verify

import (
	"regexp"
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
)

func sideChecks() []Check {
	return []Check{
		{ID: "side.publication", Kind: Static, Severity: Medium, Title: "A publication sends all tenants’ rows away",
			Why: "A subscriber gets every row, past the policies, to a place that this manifest does not hold.", look: publications},
		{ID: "side.slot", Kind: Static, Severity: Medium, Title: "A replication slot is kept for nobody who is declared",
			Why: "Behind a slot stands somebody who reads the write-ahead log: every row of every tenant.", look: slots},
		{ID: "side.large_objects", Kind: Static, Severity: Medium, Title: "The application may make large objects",
			Why: "No policy holds a large object: what one tenant’s session puts there, the next one reads, for both are the same role.", look: largeObjects},
		{ID: "side.large_objects_open", Kind: Static, Severity: High, Title: "The application reaches large objects that are there",
			Why: "No policy holds a large object; whoever knows or counts through the numbers reads them all.", look: largeObjectsOpen},
		{ID: "side.activity", Kind: Static, Severity: Medium, Title: "Sessions of the application see each other’s statements",
			Why: "pg_stat_activity shows the same role the text of every running statement, with the values that stand in it.", look: sharedActivity},
		{ID: "side.statements", Kind: Static, Severity: Medium, Title: "The application reads what an extension collects about all sessions",
			Why: "Collected statements, pages and buffers show what other tenants ask and have.", look: collectedStatements},
		{ID: "side.parameter_logging", Kind: Static, Severity: Medium, Title: "The server’s log takes parameters of statements",
			Why: "Tokens and values of all tenants stand in the log, for whoever reads it.", look: parameterLogging},
		{ID: "side.notify", Kind: Static, Severity: Low, Title: "A notification tells every tenant",
			Why: "Whoever may connect may LISTEN: what a trigger or function sends goes to the sessions of all tenants.", look: notifications},
	}
}

func publications(j *judge) {
	anyone := slices.ContainsFunc(j.m.Around, func(p manifest.Path) bool { return p.Kind == "replication" })
	for _, p := range j.c.pubs {
		j.see()
		if anyone {
			continue
		}
		var open []string
		for _, t := range p.tables {
			if at := j.byOID[t.relation]; !t.filtered && (at == nil || at.entry.Class != manifest.Shared) {
				open = append(open, j.c.relations[t.relation].printed)
			}
		}
		slices.Sort(open)
		switch {
		case p.all:
			j.found("publication "+p.printed, "It publishes all tables, those to come included.", "Declare the role that subscribes in the manifest under around with kind: replication, or: DROP PUBLICATION "+p.printed+";")
		case len(open) > 0:
			j.found("publication "+p.printed, "It publishes "+open[0]+more(len(open)-1)+" without a row filter.",
				"Declare the role that subscribes in the manifest under around with kind: replication, or: ALTER PUBLICATION "+p.printed+" DROP TABLE "+strings.Join(open, ", ")+";")
		}
	}
}

// more says that there are others.
func more(n int) string {
	if n == 0 {
		return ""
	}
	return " and " + number(int64(n)) + " more"
}

func slots(j *judge) {
	anyone := slices.ContainsFunc(j.m.Around, func(p manifest.Path) bool { return p.Kind == "replication" || p.Kind == "backup" })
	for _, name := range j.c.slots {
		j.see()
		if !anyone {
			j.found("slot "+name, "The manifest declares nobody who replicates or makes backups.", "Declare the role in the manifest under around with kind: replication, or: SELECT pg_drop_replication_slot(…);")
		}
	}
}

func largeObjects(j *judge) {
	for _, f := range j.c.orderedFunctions() {
		if !f.system || !slices.Contains(largeObjectFunctions(), f.name) {
			continue
		}
		j.see()
		for _, a := range j.apps {
			if id, ok := through(f.acl, f.owner, a.reach, "EXECUTE"); ok {
				j.limit(f.printed, a.role.printed+" may call it, by "+j.c.nameOf(id)+".", "REVOKE EXECUTE ON FUNCTION "+f.printed+" FROM "+j.c.nameOf(id)+";")
			}
		}
	}
}

func largeObjectsOpen(j *judge) {
	for _, o := range j.c.large {
		j.see()
		for _, a := range j.apps {
			if id, ok := through(o.acl, o.owner, a.reach, "SELECT"); ok || a.reach[o.owner] {
				by := "it is theirs"
				if ok {
					by = "by " + j.c.nameOf(id)
				}
				j.found("large objects of "+j.c.nameOf(o.owner), a.role.printed+" reads them: "+by+".", "Move them into a bytea column of a tenant table, then SELECT lo_unlink(oid) FROM pg_largeobject_metadata WHERE …;")
			}
		}
	}
}

// effective returns what a session of a role starts with: its own setting in this database, its
// own, the database's, everybody's, the server's.
func (j *judge) effective(r *role, name string) string {
	value := j.c.values[name]
	rank := -1
	for _, s := range j.c.settings {
		if s.name != name || s.role != everybody && s.role != r.oid {
			continue
		}
		at := 0
		if s.database {
			at++
		}
		if s.role != everybody {
			at += 2
		}
		if at > rank {
			rank, value = at, s.value
		}
	}
	return value
}

func sharedActivity(j *judge) {
	for _, a := range j.apps {
		j.see()
		if !off(j.effective(a.role, "track_activities")) {
			j.limit(a.role.printed, "Its sessions show their statements to each other.", "ALTER ROLE "+a.role.printed+" SET track_activities = off; -- by a superuser")
		}
	}
}

func collectedStatements(j *judge) {
	for _, rel := range j.c.ordered() {
		if !rel.extension || rel.kind != view || !slices.Contains([]string{"pg_stat_statements", "pg_buffercache", "pg_stat_kcache", "pg_qualstats", "pg_wait_sampling_profile"}, rel.name) {
			continue
		}
		j.see()
		for _, r := range j.rights(rel, "SELECT") {
			if r.grantee == everybody || !j.c.roles[r.grantee].system() {
				j.found(rel.printed, "The application may read it, by "+j.c.nameOf(r.grantee)+".", "REVOKE SELECT ON "+rel.printed+" FROM "+j.c.nameOf(r.grantee)+";")
			}
		}
	}
}

func parameterLogging(j *judge) {
	for _, a := range j.apps {
		j.see()
		value := func(name string) string { return j.effective(a.role, name) }
		statements := value("log_statement") == "all" || value("log_statement") == "mod" || positive(value("log_min_duration_statement")) || positive(value("log_min_duration_sample")) ||
			!slices.Contains([]string{"0", "", "0.0"}, value("log_transaction_sample_rate"))
		if statements && value("log_parameter_max_length") != "0" {
			j.found(a.role.printed, "Statements are logged with their parameters.", "ALTER SYSTEM SET log_parameter_max_length = 0; SELECT pg_reload_conf();")
		}
		if v := value("log_parameter_max_length_on_error"); v != "0" && v != "" {
			j.found(a.role.printed, "Statements that fail are logged with their parameters.", "ALTER SYSTEM SET log_parameter_max_length_on_error = 0; SELECT pg_reload_conf();")
		}
	}
}

// positive reports whether a duration of a setting is in force: -1 is not.
func positive(v string) bool { return v != "" && !strings.HasPrefix(v, "-1") }

func notifications(j *judge) {
	sends := regexp.MustCompile(`(?i)\bpg_notify\s*\(|(?:^|[;\s])notify\s+["a-z_]`)
	for _, f := range j.c.orderedFunctions() {
		if f.system || f.extension || f.schema.name == tenancyName {
			continue
		}
		j.see()
		if sends.MatchString(f.source) {
			j.found(f.printed, "It sends a notification, which the sessions of all tenants can listen to.", "Send nothing but a number of a row of an outbox under a policy, and declare it; or read the outbox instead.")
		}
	}
}
