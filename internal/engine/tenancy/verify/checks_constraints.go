package verify

import (
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
)

func constraintChecks() []Check {
	return []Check{
		{ID: "constraints.unique_without_tenant", Kind: Static, Severity: Medium, Title: "A unique key tells what other tenants have",
			Why: "Uniqueness is checked past the policies: a refused insert says that some tenant has that value. Keys of random uuids are exempt, nobody guesses one.", look: uniqueKeys},
		{ID: "constraints.counted_key", Kind: Static, Severity: Low, Title: "A key from a sequence counts the rows of all tenants",
			Why: "The numbers that a tenant gets, and a refused insert of one, tell how many rows the others have made. They say nothing else.", look: countedKeys},
		{ID: "constraints.exclusion_without_tenant", Kind: Static, Severity: Medium, Title: "An exclusion tells what other tenants have",
			Why: "Exclusion is checked past the policies: a refused insert says that some tenant’s row overlaps.", look: exclusions},
		{ID: "constraints.fk_without_tenant", Kind: Static, Severity: High, Title: "A row can point at another tenant’s row",
			Why: "Foreign keys are checked past the policies: they accept another tenant’s key, and the errors tell which keys exist.", look: foreignKeys},
		{ID: "constraints.cascade_across", Kind: Static, Severity: Critical, Title: "A delete or update reaches another tenant’s rows",
			Why: "Referential actions run past the policies: one tenant’s delete deletes or changes what points at its row from another tenant.", look: cascades},
		{ID: "constraints.not_validated", Kind: Static, Severity: Low, Title: "A foreign key was never validated",
			Why: "Rows that were there before may break it: rows of one tenant that point at another’s.", look: notValidated},
		{ID: "constraints.index_invalid", Kind: Static, Severity: Low, Title: "An index was left unfinished",
			Why: "A CREATE INDEX CONCURRENTLY that failed leaves an index that no query uses, while every write pays for it.", look: invalidIndex},
		{ID: "constraints.sequence_exposed", Kind: Static, Severity: Low, Title: "The application reads or sets a sequence",
			Why: "The last value tells how much the others write, and setting it back makes their inserts fail.", look: sequences},
	}
}

// storing are the tenant tables with constraints of their own: a partition has its parent's.
func (j *judge) storing() []*target {
	return slices.DeleteFunc(j.guardedAndChildren(), func(t *target) bool { return t.rel.column(t.entry.Column) == nil })
}

func (j *judge) guardedAndChildren() []*target {
	var list []*target
	for _, t := range j.targets {
		if t.entry.Class == manifest.Tenant && (t.rel.kind == table || t.rel.kind == partitioned) {
			list = append(list, t)
		}
	}
	return list
}

// settable reports whether the application can choose the value of a column.
func (j *judge) settable(rel *relation, col *column) bool {
	for _, a := range j.apps {
		for _, privilege := range []string{"INSERT", "UPDATE"} {
			if _, ok := through(rel.acl, rel.owner, a.reach, privilege); ok {
				return true
			}
			if col == nil {
				if j.may(a, rel, privilege) {
					return true
				}
			} else if _, ok := through(col.acl, rel.owner, a.reach, privilege); ok {
				return true
			}
		}
	}
	// Through a parent too.
	return slices.ContainsFunc(rel.parents, func(id uint32) bool {
		parent := j.c.relations[id]
		return parent != nil && j.exposed(parent)
	})
}

func (j *judge) keysWithout(each func(t *target, i *index)) {
	for _, t := range j.storing() {
		for _, i := range t.rel.indexes {
			if !i.unique && !i.exclusion || i.inherited {
				continue
			}
			j.see()
			free := true
			for _, n := range i.columns {
				col := t.rel.number(n)
				if col != nil && (col.name == t.entry.Column || col.typ == "uuid" && !i.exclusion || col.always || !j.settable(t.rel, col)) {
					free = false
				}
			}
			if free {
				each(t, i)
			}
		}
	}
}

// counts reports whether a key is one column that a sequence fills.
func counts(t *target, i *index) bool {
	if i.exclusion || len(i.columns) != 1 {
		return false
	}
	col := t.rel.number(i.columns[0])
	return col != nil && col.serial
}

func countedKeys(j *judge) {
	j.keysWithout(func(t *target, i *index) {
		if counts(t, i) {
			j.found(i.printed, "It is unique over the rows of all tenants of "+t.rel.printed+", by a column that a sequence fills.",
				"ALTER TABLE "+t.rel.printed+" ALTER COLUMN "+t.rel.number(i.columns[0]).printed+" SET GENERATED ALWAYS; where it is an identity; else a key of uuids, or revoke INSERT and UPDATE of the column.")
		}
	})
}

func uniqueKeys(j *judge) {
	j.keysWithout(func(t *target, i *index) {
		if i.exclusion || counts(t, i) {
			return
		}
		columns := printedColumns(t.rel, i.columns)
		tenant := t.rel.column(t.entry.Column).printed
		drop := "DROP INDEX CONCURRENTLY " + i.printed
		if i.constraint {
			drop = "ALTER TABLE " + t.rel.printed + " DROP CONSTRAINT " + quote(i.name)
		}
		mend := "CREATE UNIQUE INDEX CONCURRENTLY ON " + t.rel.printed + " (" + strings.Join(append([]string{tenant}, columns...), ", ") + "); then " + drop + "; or accept it in the manifest where nobody can guess these keys."
		j.found(i.printed, "It is unique over the rows of all tenants of "+t.rel.printed+", by "+names(columns)+".", mend)
	})
}

func exclusions(j *judge) {
	j.keysWithout(func(t *target, i *index) {
		if i.exclusion {
			j.found(i.printed, "It excludes over the rows of all tenants of "+t.rel.printed+".",
				"Make it again with "+t.rel.column(t.entry.Column).printed+" WITH = in front: ALTER TABLE "+t.rel.printed+" DROP CONSTRAINT "+quote(i.name)+", ADD EXCLUDE …;")
		}
	})
}

// crossing are foreign keys between tenant tables that do not carry the tenant along.
func (j *judge) crossing(each func(t, to *target, k *constraint)) {
	for _, t := range j.storing() {
		for _, k := range t.rel.constraints {
			to := j.byOID[k.references]
			if k.kind != "f" || k.inherited || to == nil || to.entry.Class != manifest.Tenant {
				continue
			}
			j.see()
			own, theirs := t.rel.column(t.entry.Column), to.rel.column(to.entry.Column)
			if theirs == nil || j.keyTable(to.rel) && !k.acts() {
				continue // naming another tenant beside one's own shows nothing of it
			}
			carried := false
			for i := range k.columns {
				carried = carried || k.columns[i] == own.number && k.referenced[i] == theirs.number
			}
			if !carried {
				each(t, to, k)
			}
		}
	}
}

// acts reports whether deleting or changing the referenced row changes those that point at it.
func (k *constraint) acts() bool {
	const changing = "cnd" // CASCADE, SET NULL, SET DEFAULT
	return strings.Contains(changing, k.onDelete) || strings.Contains(changing, k.onUpdate)
}

// actions writes the referential actions of a constraint.
func (k *constraint) actions() string {
	words := map[string]string{"c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT", "r": "RESTRICT"}
	s := ""
	if w := words[k.onDelete]; w != "" {
		s += " ON DELETE " + w
	}
	if w := words[k.onUpdate]; w != "" {
		s += " ON UPDATE " + w
	}
	return s
}

// composite is the foreign key with the tenant in front.
func composite(t, to *target, k *constraint) string {
	own, theirs := t.rel.column(t.entry.Column).printed, to.rel.column(to.entry.Column).printed
	columns, referenced := printedColumns(t.rel, k.columns), printedColumns(to.rel, k.referenced)
	there := strings.Join(append([]string{theirs}, referenced...), ", ")
	actions := k.actions()
	if k.onDelete == "n" || k.onDelete == "d" { // of the tenant nothing is to be set (PostgreSQL 15)
		actions = strings.Replace(actions, map[string]string{"n": "SET NULL", "d": "SET DEFAULT"}[k.onDelete], map[string]string{"n": "SET NULL", "d": "SET DEFAULT"}[k.onDelete]+" ("+strings.Join(columns, ", ")+")", 1)
	}
	return "CREATE UNIQUE INDEX CONCURRENTLY ON " + to.rel.printed + " (" + there + "); ALTER TABLE " + t.rel.printed + " ADD FOREIGN KEY (" +
		strings.Join(append([]string{own}, columns...), ", ") + ") REFERENCES " + to.rel.printed + " (" + there + ")" + actions + " NOT VALID; ALTER TABLE " +
		t.rel.printed + " DROP CONSTRAINT " + k.printed + ";"
}

func foreignKeys(j *judge) {
	j.crossing(func(t, to *target, k *constraint) {
		if !k.acts() {
			j.found("constraint "+k.printed+" on "+t.rel.printed, "It points at "+to.rel.printed+" without the tenant.", composite(t, to, k))
		}
	})
}

func cascades(j *judge) {
	j.crossing(func(t, to *target, k *constraint) {
		if k.acts() {
			j.found("constraint "+k.printed+" on "+t.rel.printed, "It points at "+to.rel.printed+" without the tenant, with "+strings.TrimSpace(k.actions())+".", composite(t, to, k))
		}
	})
}

func notValidated(j *judge) {
	for _, t := range j.storing() {
		for _, k := range t.rel.constraints {
			if k.inherited {
				continue
			}
			j.see()
			if !k.validated {
				j.found("constraint "+k.printed+" on "+t.rel.printed, "It is NOT VALID.", "ALTER TABLE "+t.rel.printed+" VALIDATE CONSTRAINT "+k.printed+";")
			}
		}
	}
}

func invalidIndex(j *judge) {
	for _, t := range j.storing() {
		for _, i := range t.rel.indexes {
			j.see()
			if !i.valid {
				j.found(i.printed, "It is not valid.", "REINDEX INDEX CONCURRENTLY "+i.printed+";")
			}
		}
	}
}

func sequences(j *judge) {
	for _, rel := range j.c.ordered() {
		if rel.kind != sequence || rel.extension || rel.schema.name == tenancyName {
			continue
		}
		if owned := j.byOID[rel.ownedBy]; owned != nil && owned.entry.Class == manifest.Shared {
			continue
		}
		j.see()
		by := map[uint32][]string{}
		for _, privilege := range []string{"SELECT", "UPDATE"} {
			for _, r := range j.rights(rel, privilege) {
				by[r.grantee] = append(by[r.grantee], privilege)
			}
		}
		for _, id := range sortedKeys(by) {
			list := strings.Join(by[id], ", ")
			j.found(rel.printed, j.c.nameOf(id)+" has "+list+"; USAGE is enough.", "REVOKE "+list+" ON SEQUENCE "+rel.printed+" FROM "+j.c.nameOf(id)+";")
		}
	}
}
