package plan

import (
	"slices"
	"strings"
	"unicode"
)

// tenantWords are what tables of tenants are called, with how much the word alone says.
func tenantWords() map[string]float64 {
	return map[string]float64{
		"tenant": 10, "organization": 8, "organisation": 8, "org": 8, "company": 6, "account": 5, "workspace": 6, "customer": 5, "client": 4,
		"business": 4, "merchant": 4, "team": 3, "school": 3, "hospital": 3, "agency": 3, "association": 3, "foundation": 3, "municipality": 3, "firm": 3, "clinic": 3,
		"practice": 3, "shop": 3, "store": 2, "site": 2, "community": 2, "subscriber": 2, "project": 1.5, "environment": 1.5, "space": 1.5, "realm": 2, "instance": 1.5, "group": 1,
		"societe": 4, "entreprise": 5, "compte": 4, "etablissement": 3, "mandant": 4, "locataire": 5, "commune": 2, "bedrijf": 4, "klant": 4, "mandant_id": 1, "mandanten": 4, "firma": 4, "kunde": 4,
	}
}

// toolTables are those that tools of migration keep for themselves.
func toolTables() []string {
	return []string{"schema_migrations", "schema_migration", "schemamigrations", "_prisma_migrations", "goose_db_version", "flyway_schema_history", "django_migrations", "ar_internal_metadata",
		"knex_migrations", "knex_migrations_lock", "alembic_version", "databasechangelog", "databasechangeloglock", "migrations", "migration", "__efmigrationshistory", "gorp_migrations", "__drizzle_migrations",
		"typeorm_metadata", "atlas_schema_revisions", "sequelizemeta", "phinxlog", "doctrine_migration_versions", "data_migrations", "datamigration", "dbmate_migrations"}
}

// words takes an identifier apart: "organisationId", "ORGANISATION_ID", "organisation-id".
func words(name string) []string {
	var all []string
	var word strings.Builder
	end := func() {
		if word.Len() > 0 {
			all = append(all, word.String())
			word.Reset()
		}
	}
	runes := []rune(name)
	for i, c := range runes {
		switch {
		case !unicode.IsLetter(c) && !unicode.IsDigit(c):
			end()
			continue
		case unicode.IsUpper(c) && i > 0 && (unicode.IsLower(runes[i-1]) || unicode.IsDigit(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]) && unicode.IsUpper(runes[i-1])):
			end()
		}
		word.WriteRune(unicode.ToLower(c))
	}
	end()
	return all
}

// squeezed is a name without what its writers differ in: tenant_id, "tenantId", TENANTID.
func squeezed(name string) string { return strings.Join(words(name), "") }

// singular of an English or French plural, as far as names of tables need it.
func singular(word string) string {
	switch {
	case strings.HasSuffix(word, "ies") && len(word) > 4:
		return word[:len(word)-3] + "y"
	case strings.HasSuffix(word, "sses"):
		return word[:len(word)-2]
	case strings.HasSuffix(word, "s") && !strings.HasSuffix(word, "ss") && len(word) > 3:
		return word[:len(word)-1]
	}
	return word
}

// entity is what one row of a table is: the table's words, the last in the singular.
func entity(table string) []string {
	w := words(table)
	if len(w) > 0 {
		w[len(w)-1] = singular(w[len(w)-1])
	}
	return w
}

// weight of a table's name as that of tenants.
func weight(table string) float64 {
	w := entity(table)
	if len(w) == 0 {
		return 0
	}
	known := tenantWords()
	if len(w) == 1 {
		return known[w[0]]
	}
	// "customer_organisation" speaks of organisations, "account_setting" of settings.
	if found := known[strings.Join(w, "")]; found > 0 {
		return found
	}
	if slices.Contains([]string{"app", "saas", "core", "tbl", "t", "main", "user"}, w[0]) && len(w) == 2 {
		return known[w[1]] * 0.8
	}
	return known[w[len(w)-1]] * 0.4
}

// camel reports whether a name joins its words by capitals.
func camel(name string) bool {
	return !strings.Contains(name, "_") && strings.ContainsFunc(name, unicode.IsUpper)
}
