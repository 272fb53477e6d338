package transform

import "github.com/garant-project/garant/internal/engine/anonymise/personal"

var argASCII = Argument{Name: "ascii", Default: "false", Words: Words{"écrire sans accents", "write without accents"}}

func makeName(r role, kind personal.Kind) func(*maker) (Transformer, error) {
	return func(m *maker) (Transformer, error) {
		t := &nameTransformer{namer: m.namer(), role: r, limit: m.limit()}
		if kind != "" {
			t.whole = m.taken(kind)
		}
		return t, nil
	}
}

// personEntries are the transformers of names, addresses of e-mail and telephone numbers.
func personEntries() []entry {
	type k = personal.Kind
	return []entry{
		{Description{
			Name: "given_name", Kinds: []k{personal.GivenName}, DefaultOf: []k{personal.GivenName}, Fits: []Family{Text}, Args: []Argument{argLanguage, argASCII},
			Words: Words{"autre prénom, du même sexe quand le prénom le dit ; écriture gardée", "another given name, of the same sex where the name tells; written alike"},
		}, makeName(roleGiven, "")},
		{Description{
			Name: "family_name", Kinds: []k{personal.FamilyName}, DefaultOf: []k{personal.FamilyName}, Fits: []Family{Text}, Args: []Argument{argLanguage, argASCII},
			Words: Words{"autre nom de famille, que personne ne porte dans la source ; écriture gardée", "another family name, which nobody in the source bears; written alike"},
		}, makeName(roleFamily, personal.FamilyName)},
		{Description{
			Name: "full_name", Kinds: []k{personal.FullName, personal.GivenName, personal.FamilyName}, DefaultOf: []k{personal.FullName}, Fits: []Family{Text}, Args: []Argument{argLanguage, argASCII},
			Words: Words{"prénoms et noms, chacun comme dans sa propre colonne ; ordre, titres et écriture gardés", "given and family names, each as in a column of its own; order, titles and writing kept"},
		}, makeName(roleNone, personal.FullName)},
		{Description{
			Name: "username", Kinds: []k{personal.Username}, DefaultOf: []k{personal.Username}, Fits: []Family{Text}, Args: []Argument{argLanguage, argASCII}, Unique: true,
			Words: Words{"identifiant de connexion fait de noms et d’un suffixe unique", "user name made of names and a unique suffix"},
		}, makeUsername},
		{Description{
			Name: "email", Kinds: []k{personal.Email, personal.Username}, DefaultOf: []k{personal.Email}, Fits: []Family{Text}, Args: []Argument{argLanguage, argASCII}, Unique: true,
			Words: Words{"adresse unique dans un domaine réservé (example.org), noms accordés à ceux des autres colonnes", "unique address in a reserved domain (example.org), its names in step with other columns"},
		}, makeEmail},
		{Description{
			Name: "phone", Kinds: []k{personal.Phone}, DefaultOf: []k{personal.Phone}, Fits: []Family{Text, Integer}, Args: []Argument{argCountry, argUnique}, Unique: true,
			Words: Words{"numéro d’un bloc fictif ou non attribué du même pays, écrit de la même façon ; en colonne unique, sous l’indicatif réservé +999", "number of a fictional or unassigned block of the same country, written alike; under the reserved code +999 in a unique column"},
		}, makePhone},
	}
}
