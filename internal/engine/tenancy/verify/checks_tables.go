package verify

import (
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
)

func tableChecks() []Check {
	return []Check{
		{ID: "tables.unclassified", Kind: Static, Severity: High, Title: "A table is not classified",
			Why: "Nobody has said whose its rows are: it came after the manifest, and no policy was asked of it.", look: unclassified},
		{ID: "tables.undecided", Kind: Static, Severity: Medium, Title: "A class was not decided",
			Why: "The manifest still asks a question about the table; until somebody answers it, its class is a guess.", look: undecided},
		{ID: "tables.gone", Kind: Static, Severity: Low, Title: "A classified table is not there any more",
			Why: "A table made again under that name would be taken for the one that was looked at.", look: goneTables},
		{ID: "tables.kind_differs", Kind: Static, Severity: Medium, Title: "A relation is of another kind than declared",
			Why: "A view that stands where a table was classified is held by other rules than that table.", look: kindDiffers},
		{ID: "tables.key", Kind: Static, Severity: High, Title: "The key of tenants is not where the manifest says",
			Why: "Tokens name a tenant by this key; if its column is not there or of another type, policies compare with something else.", look: keyTable},
		{ID: "tables.rls_off", Kind: Static, Severity: Critical, Title: "Row-level security is off on a tenant table",
			Why: "Every policy on it is ignored: the application reads and writes the rows of all tenants.", look: rlsOff},
		{ID: "tables.rls_not_forced", Kind: Static, Severity: High, Title: "Row-level security does not bind the owner",
			Why: "What runs with the owner’s rights (functions, views, a migration that signs in as owner) sees the rows of all tenants.", look: rlsNotForced},
		{ID: "tables.no_policy", Kind: Static, Severity: Medium, Title: "A tenant table has no policy",
			Why: "Nobody gets a row: the application does not work, and the next hurried policy will be a wide one.", look: noPolicy},
		{ID: "tables.child_exposed", Kind: Static, Severity: Critical, Title: "A partition or child can be read past its parent’s policy",
			Why: "Policies of the parent bind queries on the parent; on the partition itself only its own do.", look: childExposed},
		{ID: "tables.column_missing", Kind: Static, Severity: Critical, Title: "A tenant table lacks the tenant’s column",
			Why: "Without it no policy can hold a row to its tenant but by following foreign keys, which is slow and easily wrong.", look: columnMissing},
		{ID: "tables.column_nullable", Kind: Static, Severity: High, Title: "The tenant’s column may be null",
			Why: "A row without a tenant belongs to nobody: it is lost to its tenant, and shows where a policy is careless about null.", look: columnNullable},
		{ID: "tables.column_default", Kind: Static, Severity: High, Title: "The tenant’s column has a default that is not the tenant",
			Why: "An insert that forgets the tenant gives the row to whom the default names; under a policy it fails, under a role that goes around it does not.", look: columnDefault},
		{ID: "tables.column_type", Kind: Static, Severity: High, Title: "The tenant’s column is of another type than the key",
			Why: "Comparing needs a cast: the index is not used, and some casts make two tenants one.", look: columnType},
		{ID: "tables.column_collation", Kind: Static, Severity: Critical, Title: "The tenant’s column calls different keys equal",
			Why: "Under a collation that is not deterministic, tenants whose keys differ in case or accents see each other’s rows.", look: columnCollation},
		{ID: "tables.column_unindexed", Kind: Static, Severity: Medium, Title: "No index begins with the tenant’s column",
			Why: "Each query reads the rows of all tenants to find one’s own: slow, and the time taken tells how much the others have.", look: columnUnindexed},
		{ID: "tables.column_updatable", Kind: Static, Severity: Critical, Title: "An update can give a row to another tenant",
			Why: "The policy of updates does not hold the new row to the tenant: a row, with what it says, is moved into another tenant’s data.", look: columnUpdatable},
		{ID: "tables.shared_writable", Kind: Static, Severity: High, Title: "The application may write a shared table",
			Why: "What one tenant’s session writes there, every other tenant reads and believes.", look: sharedWritable},
		{ID: "tables.grant_undeclared", Kind: Static, Severity: Medium, Title: "The application has a right that the manifest does not give",
			Why: "Somebody gave it by hand; what it opens was not reviewed.", look: grantUndeclared},
		{ID: "tables.private_granted", Kind: Static, Severity: High, Title: "The application has a right on a private table",
			Why: "Private tables have no policy, because the application is not to see them at all.", look: privateGranted},
		{ID: "tables.public_grant", Kind: Static, Severity: Medium, Title: "Everybody has a right on a tenant or private table",
			Why: "Every role of the cluster has it, those that nobody has made yet included.", look: publicGrant},
		{ID: "tables.grant_option", Kind: Static, Severity: Medium, Title: "The application may pass its rights on",
			Why: "With the grant option it gives other roles what it has, and the manifest no longer says who reads.", look: grantOption},
		{ID: "tables.truncate", Kind: Static, Severity: Critical, Title: "The application may truncate a table",
			Why: "Policies do not bind TRUNCATE: one statement deletes the rows of all tenants.", look: privilegeGranted("TRUNCATE", "It may empty the table of every tenant’s rows.")},
		{ID: "tables.trigger", Kind: Static, Severity: High, Title: "The application may put triggers on a table",
			Why: "A trigger of its own runs in the sessions of others, with their rights and their rows.", look: privilegeGranted("TRIGGER", "It may have code of its own run when others write.")},
		{ID: "tables.references", Kind: Static, Severity: Medium, Title: "The application may point foreign keys at a table",
			Why: "A foreign key is checked past the policies: it tells whether another tenant has a key.", look: privilegeGranted("REFERENCES", "It may ask by a foreign key which keys exist.")},
		{ID: "tables.default_privileges", Kind: Static, Severity: High, Title: "Tables to come will be open to the application",
			Why: "The next migration’s table is readable the moment it is made, before anybody has classified it or put a policy on it.", look: defaultPrivileges},
		{ID: "tables.foreign", Kind: Static, Severity: High, Title: "The application reads a foreign table",
			Why: "PostgreSQL holds no policy on foreign tables: it gives every row that the other side gives.", look: foreignTable},
		{ID: "tables.temporary", Kind: Static, Severity: Medium, Title: "The application may make temporary tables",
			Why: "A temporary table stands in front of yours under the same name and stays on the pooled connection for the next tenant.", look: temporary},
		{ID: "tables.schema_create", Kind: Static, Severity: High, Title: "The application may create objects in a schema",
			Why: "A table or function of its own, put where others look first, is taken for yours.", look: schemaCreate},
		{ID: "tables.database_create", Kind: Static, Severity: High, Title: "The application may create schemas and trusted extensions",
			Why: "In a schema of its own it owns what it makes, and no manifest names it.", look: databaseCreate},
	}
}

func unclassified(j *judge) {
	for _, rel := range j.c.ordered() {
		if rel.kind == sequence || rel.extension || rel.schema.name == "pg_catalog" || rel.schema.name == tenancyName {
			continue
		}
		if rel.schema.name == movesName && !j.exposed(rel) { // what moves of tenants keep, of which the application sees nothing
			continue
		}
		j.see()
		if j.byOID[rel.oid] == nil {
			text := "The manifest does not name it."
			if j.exposed(rel) {
				text += " The application has rights on it."
			}
			j.found(rel.printed, text, "REVOKE ALL ON "+rel.printed+" FROM "+j.everyApp()+"; then classify it: garant isolation plan.")
		}
	}
}

// everyApp lists the application's logins for a REVOKE.
func (j *judge) everyApp() string {
	list := []string{"PUBLIC"}
	for _, a := range j.apps {
		list = append(list, a.role.printed)
	}
	return strings.Join(list, ", ")
}

func undecided(j *judge) {
	for i := range j.m.Tables {
		t := &j.m.Tables[i]
		j.see()
		if len(t.Blocking()) > 0 {
			j.found(t.QualifiedName(), "The manifest asks a question about it that nobody has answered.", "Decide it in the manifest and remove the line that begins with "+manifest.Blocks)
		}
	}
}

func goneTables(j *judge) {
	for range j.m.Tables {
		j.see()
	}
	for _, t := range j.gone {
		j.found(t.QualifiedName(), "The manifest names it, and the database does not have it.", "Remove it from the manifest: garant isolation plan.")
	}
}

// kindOf is the kind of a relation in the words of the manifest.
func kindOf(rel *relation) string {
	switch rel.kind {
	case view:
		return manifest.KindView
	case matview:
		return manifest.KindMatview
	case foreign:
		return manifest.KindForeign
	case partitioned:
		return manifest.KindPartitioned
	}
	return manifest.KindTable
}

func kindDiffers(j *judge) {
	for _, t := range j.targets {
		j.see()
		want, is := t.entry.Kind, kindOf(t.rel)
		if want == manifest.KindPartition {
			if len(t.rel.parents) > 0 {
				continue
			}
			want = "partition of another"
		}
		if want != is {
			j.found(t.rel.printed, "The manifest says "+want+", the database has a "+is+".", "Classify it again: garant isolation plan.")
		}
	}
}

func keyTable(j *judge) {
	if j.m.Key.Table == "" {
		return
	}
	j.see()
	for _, t := range j.targets {
		if t.rel.printed != j.m.Key.Table {
			continue
		}
		col := t.rel.column(j.m.Key.Column)
		switch {
		case col == nil:
			j.found(j.m.Key.Table, "It has no column "+quote(j.m.Key.Column)+".", "Correct key in the manifest.")
		case !sameFamily(col.typ, j.m.Key.Type) && t.entry.Class != manifest.Tenant: // of a tenant table tables.column_type speaks
			j.found(j.m.Key.Table, "Its column "+col.printed+" is of type "+col.typ+", the key is declared "+j.m.Key.Type+".", "Correct key in the manifest.")
		}
		return
	}
	if !slices.ContainsFunc(j.gone, func(t *manifest.Table) bool { return t.QualifiedName() == j.m.Key.Table }) { // else tables.gone speaks of it
		j.found(j.m.Key.Table, "The manifest does not classify it.", "Correct key in the manifest.")
	}
}

func rlsOff(j *judge) {
	for _, t := range j.guarded() {
		j.see()
		if !t.rel.rls && len(t.rel.parents) == 0 {
			j.found(t.rel.printed, "Its policies are not in force.", "ALTER TABLE "+t.rel.printed+" ENABLE ROW LEVEL SECURITY; ALTER TABLE "+t.rel.printed+" FORCE ROW LEVEL SECURITY;")
		}
	}
}

func rlsNotForced(j *judge) {
	for _, t := range j.guarded() {
		j.see()
		if t.rel.rls && !t.rel.forced {
			j.found(t.rel.printed, "Its policies do not bind "+j.c.nameOf(t.rel.owner)+".", "ALTER TABLE "+t.rel.printed+" FORCE ROW LEVEL SECURITY;")
		}
	}
}

func noPolicy(j *judge) {
	for _, t := range j.guarded() {
		j.see()
		if t.rel.rls && len(t.rel.policies) == 0 {
			j.found(t.rel.printed, "Row-level security is on and nothing says who sees what.", j.policySQL(t))
		}
	}
}

func childExposed(j *judge) {
	for _, t := range j.targets {
		if len(t.rel.parents) == 0 {
			continue
		}
		j.see()
		if !t.rel.rls && t.entry.Class == manifest.Tenant && j.exposed(t.rel) {
			j.found(t.rel.printed, "The application has rights on it, and its parent’s policies do not bind there.", "REVOKE ALL ON "+t.rel.printed+" FROM "+j.everyApp()+";")
		}
	}
}

// columned are the guarded tables with their tenant's column.
func (j *judge) columned(each func(*target, *column)) {
	for _, t := range j.guarded() {
		if col := t.rel.column(t.entry.Column); col != nil {
			j.see()
			each(t, col)
		}
	}
}

func columnMissing(j *judge) {
	for _, t := range j.guarded() {
		j.see()
		if t.rel.column(t.entry.Column) == nil {
			mend := "Correct column in the manifest, or add it with garant isolation apply."
			j.found(t.rel.printed, "It has no column "+quote(t.entry.Column)+".", mend)
		}
	}
}

func columnNullable(j *judge) {
	j.columned(func(t *target, col *column) {
		if !col.notNull && (!t.entry.Unowned || !slices.Equal(t.entry.Grants, []string{"SELECT"})) {
			j.found(t.rel.printed, "Its column "+col.printed+" may be null.", "ALTER TABLE "+t.rel.printed+" ALTER COLUMN "+col.printed+" SET NOT NULL;")
		}
	})
}

func columnDefault(j *judge) {
	j.columned(func(t *target, col *column) {
		if col.value == "" || j.keyTable(t.rel) || (strings.Contains(mask(col.value), j.m.Key.Function()) || strings.Contains(mask(col.value), j.m.Key.Writer())) && !strings.Contains(mask(strings.ToUpper(col.value)), "COALESCE(") {
			return
		}
		j.found(t.rel.printed, "Its column "+col.printed+" has a default that does not come from the tenant context.", "ALTER TABLE "+t.rel.printed+" ALTER COLUMN "+col.printed+" DROP DEFAULT;")
	})
}

// sameFamily reports whether a column's values compare with the key's without a cast that could
// lose something.
func sameFamily(column, key string) bool {
	switch key {
	case manifest.TypeBigint:
		return column == "bigint" || column == "integer" || column == "smallint"
	case manifest.TypeText:
		return column == "text" || column == "character varying"
	}
	return column == key
}

func columnType(j *judge) {
	j.columned(func(t *target, col *column) {
		if !sameFamily(col.typ, j.m.Key.Type) {
			j.found(t.rel.printed, "Its column "+col.printed+" is of type "+col.typ+", the tenants’ key of type "+j.m.Key.Type+".",
				"ALTER TABLE "+t.rel.printed+" ALTER COLUMN "+col.printed+" TYPE "+j.m.Key.Type+" USING "+col.printed+"::"+j.m.Key.Type+"; -- rewrites the table; drop and make its policies again")
		}
	})
}

func columnCollation(j *judge) {
	j.columned(func(t *target, col *column) {
		if col.loose {
			j.found(t.rel.printed, "The collation of its column "+col.printed+" is not deterministic.",
				"ALTER TABLE "+t.rel.printed+" ALTER COLUMN "+col.printed+` TYPE text COLLATE "C"; -- drop and make its policies again`)
		}
	})
}

func columnUnindexed(j *judge) {
	j.columned(func(t *target, col *column) {
		if !slices.ContainsFunc(t.rel.indexes, func(i *index) bool {
			return i.valid && !i.partial && len(i.columns) > 0 && i.columns[0] == col.number && (i.method == "btree" || i.method == "hash")
		}) {
			j.found(t.rel.printed, "It has no index that begins with "+col.printed+".", "CREATE INDEX CONCURRENTLY ON "+t.rel.printed+" ("+col.printed+");")
		}
	})
}

// granted finds rights of the application on a relation: words that are not in except.
func (j *judge) granted(t *target, words, except []string, text string) {
	by := map[uint32][]string{}
	for _, word := range words {
		if slices.Contains(except, word) {
			continue
		}
		for _, r := range j.rights(t.rel, word) {
			by[r.grantee] = append(by[r.grantee], word)
		}
	}
	for _, id := range sortedKeys(by) {
		list := strings.Join(by[id], ", ")
		j.found(t.rel.printed, text+" "+list+", by "+j.c.nameOf(id)+".", "REVOKE "+list+" ON "+t.rel.printed+" FROM "+j.c.nameOf(id)+";")
	}
}

func sharedWritable(j *judge) {
	for _, t := range j.targets {
		if t.entry.Class == manifest.Shared {
			j.see()
			j.granted(t, []string{"INSERT", "UPDATE", "DELETE"}, t.entry.Grants, "The application has")
		}
	}
}

func grantUndeclared(j *judge) {
	for _, t := range j.targets {
		words := manifest.GrantWords()
		switch {
		case t.entry.Class == manifest.Private || t.rel.kind == foreign || t.rel.kind == matview || len(t.rel.parents) > 0 && !t.rel.rls:
			continue // other checks speak of these
		case t.entry.Class == manifest.Shared:
			words = []string{"SELECT"}
		}
		j.see()
		j.granted(t, words, t.entry.Grants, "The application has")
	}
}

func privateGranted(j *judge) {
	for _, t := range j.targets {
		if t.entry.Class == manifest.Private && t.rel.kind != foreign && t.rel.kind != matview {
			j.see()
			j.granted(t, manifest.GrantWords(), nil, "The application has")
		}
	}
}

func publicGrant(j *judge) {
	for _, t := range j.targets {
		if t.entry.Class == manifest.Shared {
			continue
		}
		j.see()
		var words []string
		for _, g := range t.rel.acl {
			if g.grantee == everybody && slices.Contains(t.entry.Grants, g.privilege) { // else tables.grant_undeclared speaks of it
				words = append(words, g.privilege)
			}
		}
		slices.Sort(words)
		if len(words) > 0 {
			list := strings.Join(words, ", ")
			j.found(t.rel.printed, "PUBLIC has "+list+".", "REVOKE "+list+" ON "+t.rel.printed+" FROM PUBLIC; GRANT "+list+" ON "+t.rel.printed+" TO "+j.c.nameOf(j.firstApp())+";")
		}
	}
}

func (j *judge) firstApp() uint32 {
	if len(j.apps) == 0 {
		return everybody
	}
	return j.apps[0].role.oid
}

func grantOption(j *judge) {
	for _, t := range j.targets {
		j.see()
		by := map[uint32]bool{}
		look := func(acl []grant) {
			for _, g := range acl {
				if g.grantable && g.grantee != t.rel.owner && slices.ContainsFunc(j.apps, func(a login) bool { return a.reach[g.grantee] }) {
					by[g.grantee] = true
				}
			}
		}
		look(t.rel.acl)
		for _, col := range t.rel.columns {
			look(col.acl)
		}
		for _, id := range sortedKeys(by) {
			j.found(t.rel.printed, j.c.nameOf(id)+" has rights with the grant option.", "REVOKE GRANT OPTION FOR ALL ON "+t.rel.printed+" FROM "+j.c.nameOf(id)+" CASCADE;")
		}
	}
}

func privilegeGranted(privilege, text string) func(*judge) {
	return func(j *judge) {
		for _, t := range j.targets {
			j.see()
			for _, r := range j.rights(t.rel, privilege) {
				j.found(t.rel.printed, j.c.nameOf(r.grantee)+" has "+privilege+". "+text, "REVOKE "+privilege+" ON "+t.rel.printed+" FROM "+j.c.nameOf(r.grantee)+";")
			}
		}
	}
}

func defaultPrivileges(j *judge) {
	for _, d := range j.c.defaults {
		if d.kind != "r" && d.kind != "n" {
			continue
		}
		j.see()
		by := map[uint32]bool{}
		for _, g := range d.acl {
			if g.grantee != d.owner && (g.grantee == everybody || slices.ContainsFunc(j.apps, func(a login) bool { return a.reach[g.grantee] })) {
				by[g.grantee] = true
			}
		}
		what, where := map[string]string{"r": "TABLES", "n": "SCHEMAS"}[d.kind], ""
		if d.schema != "" {
			where = " IN SCHEMA " + d.schema
		}
		for _, id := range sortedKeys(by) {
			j.found("default privileges of "+j.c.nameOf(d.owner)+strings.Replace(where, " IN SCHEMA", " in schema", 1), "What it makes will be open to "+j.c.nameOf(id)+".",
				"ALTER DEFAULT PRIVILEGES FOR ROLE "+j.c.nameOf(d.owner)+where+" REVOKE ALL ON "+what+" FROM "+j.c.nameOf(id)+";")
		}
	}
}

func foreignTable(j *judge) {
	for _, t := range j.targets {
		if t.rel.kind == foreign {
			j.see()
			j.granted(t, manifest.GrantWords(), nil, "The application has")
		}
	}
}

// onDatabase finds a privilege of the application on the database.
func (j *judge) onDatabase(privilege, text string) {
	for _, a := range j.apps {
		j.see()
		if id, ok := through(j.c.acl, j.c.owner, a.reach, privilege); ok {
			j.found("database "+j.c.printed, a.role.printed+text+", by "+j.c.nameOf(id)+".", "REVOKE "+privilege+" ON DATABASE "+j.c.printed+" FROM "+j.c.nameOf(id)+";")
		}
	}
}

func temporary(j *judge)      { j.onDatabase("TEMPORARY", " may make temporary tables") }
func databaseCreate(j *judge) { j.onDatabase("CREATE", " may create schemas and trusted extensions") }

func schemaCreate(j *judge) {
	for _, id := range sortedKeys(j.c.schemas) {
		s := j.c.schemas[id]
		if s.name == "pg_catalog" || s.name == tenancyName { // of schema garant token.schema_acl speaks
			continue
		}
		j.see()
		by := map[uint32]bool{}
		for _, a := range j.apps {
			if id, ok := through(s.acl, s.owner, a.reach, "CREATE"); ok {
				by[id] = true
			}
		}
		for _, id := range sortedKeys(by) {
			j.found("schema "+s.printed, j.c.nameOf(id)+" may create objects in it.", "REVOKE CREATE ON SCHEMA "+s.printed+" FROM "+j.c.nameOf(id)+";")
		}
	}
}
