package transform

import (
	"slices"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// numberEntries are the transformers of numbers that stand for somebody.
func numberEntries() []entry {
	type k = personal.Kind
	return []entry{
		{Description{
			Name: "iban", Kinds: []k{personal.IBAN}, DefaultOf: []k{personal.IBAN}, Fits: []Family{Text}, Args: []Argument{argCountry}, Unique: true,
			Words: Words{"IBAN valide du même pays, d’aucune banque ; espaces gardés", "valid IBAN of the same country and of no bank; blanks kept"},
		}, makeIBAN},
		{Description{
			Name: "card", Kinds: []k{personal.Card}, DefaultOf: []k{personal.Card}, Fits: []Family{Text, Integer}, Args: []Argument{argUnique}, Unique: true,
			Words: Words{"numéro de carte valide (Luhn) qui commence comme un numéro d’essai de la même marque", "valid card number (Luhn) that begins like a test number of the same brand"},
		}, makeCard},
		{Description{
			Name: "national_number", Kinds: []k{personal.NationalNumber}, DefaultOf: []k{personal.NationalNumber}, Fits: []Family{Text, Integer}, Args: []Argument{argCountry, argUnique}, Unique: true,
			Words: Words{"numéro national ou NIR à clé valide, jamais attribué ; sexe et ponctuation gardés", "national number with valid check digits, given to nobody; sex and punctuation kept"},
		}, makeNational},
		{Description{
			Name: "identity_paper", Kinds: []k{personal.IdentityPaper}, DefaultOf: []k{personal.IdentityPaper}, Fits: []Family{Text}, Args: []Argument{argOf},
			Words: Words{"numéro de même forme, absent de la source", "number of the same shape that the source does not hold"},
		}, makeShape("identity paper", personal.IdentityPaper)},
	}
}

var (
	argOf = Argument{Name: "of", Words: Words{"domaine des valeurs : le même dans les colonnes qui doivent s’accorder ; à défaut, toute la base", "domain of the values: the same for columns that must agree; all of the database otherwise"}}
	argBy = Argument{Name: "by", Default: "value", Words: Words{"value : même valeur, même remplacement ; subject : même personne, commune et code postal assortis", "value: same value, same replacement; subject: same person, town and postcode that belong together"}}
)

// placeEntries are the transformers of places and of addresses on the network.
func placeEntries() []entry {
	type k = personal.Kind
	return []entry{
		{Description{
			Name: "address", Kinds: []k{personal.Address}, DefaultOf: []k{personal.Address}, Fits: []Family{Text}, Args: []Argument{argLanguage, argBy},
			Words: Words{"rue et numéro inventés, avec code postal et commune si la valeur en a ; absents de la source", "invented street and number, with postcode and town where the value has them; not in the source"},
		}, makeAddress},
		{Description{
			Name: "postcode", Kinds: []k{personal.Postcode}, DefaultOf: []k{personal.Postcode}, Fits: []Family{Text, Integer}, Args: []Argument{argLanguage, argBy},
			Words: Words{"code postal d’une autre commune", "postcode of another town"},
		}, makePostcode},
		{Description{
			Name: "town", Kinds: []k{personal.Town}, DefaultOf: []k{personal.Town}, Fits: []Family{Text}, Args: []Argument{argLanguage, argBy},
			Words: Words{"autre commune du pays", "another town of the country"},
		}, makeTown},
		{Description{
			Name: "coordinates", Kinds: []k{personal.Coordinates}, DefaultOf: []k{personal.Coordinates}, Fits: []Family{Text, Number, Point},
			Args:  []Argument{{Name: "millidegrees", Default: "100", Words: Words{"côté de la maille, en millièmes de degré (100 : environ 11 km du nord au sud)", "side of the cell in thousandths of a degree (100: about 11 km from north to south)"}}},
			Words: Words{"point quelconque de la même maille", "any point of the same cell of a grid"},
		}, makeCoordinates},
		{Description{
			Name: "ip", Kinds: []k{personal.IP}, DefaultOf: []k{personal.IP}, Fits: []Family{Text, Network}, Args: []Argument{argUnique}, Unique: true,
			Words: Words{"adresse d’une plage de documentation ; préfixe et port gardés ; toujours IPv6 en colonne unique", "address of a documentation range; prefix and port kept; always IPv6 in a unique column"},
		}, makeIP},
		{Description{
			Name: "device", Kinds: []k{personal.Device}, DefaultOf: []k{personal.Device}, Fits: []Family{Text, UUID, Hardware}, Unique: true,
			Words: Words{"identifiant de même forme : UUID, adresse MAC locale, lettres et chiffres", "identifier of the same shape: UUID, local MAC address, letters and digits"},
		}, makeDevice},
		{Description{
			Name: "url", Kinds: []k{personal.PersonURL}, DefaultOf: []k{personal.PersonURL}, Fits: []Family{Text}, Args: []Argument{argLanguage, argASCII}, Unique: true,
			Words: Words{"adresse web d’un domaine réservé ; schéma, profondeur et extension gardés", "web address in a reserved domain; scheme, depth and file ending kept"},
		}, makeURL},
	}
}

// plainEntries are the transformers that know nothing of what a value means.
func plainEntries() []entry {
	type k = personal.Kind
	all := personal.Kinds()
	return []entry{
		{Description{
			Name: "date_shift", Kinds: []k{personal.BirthDate}, Fits: []Family{Date, Timestamp, Text},
			Args: []Argument{
				{Name: "max_days", Default: "90", Words: Words{"décalage le plus grand, en jours", "largest shift, in days"}},
				{Name: "direction", Default: "both", Words: Words{"both, ou past : jamais dans l’avenir", "both, or past: never into the future"}},
			},
			Words: Words{"dates décalées d’un même écart pour chaque personne : ordre et durées gardés", "dates shifted by one span per person: order and intervals kept"},
		}, makeDateShift},
		{Description{
			Name: "generalise", Kinds: []k{personal.BirthDate, personal.Postcode, personal.Town, personal.Sex, personal.Special, personal.Coordinates}, DefaultOf: []k{personal.BirthDate},
			Fits: []Family{Text, Integer, Number, Date, Timestamp, Enum, Boolean}, Clear: true,
			Args: []Argument{
				{Name: "to", Default: "year", Words: Words{"dates : day, month, quarter, year, decade", "dates: day, month, quarter, year, decade"}},
				{Name: "band", Words: Words{"nombres : largeur des tranches", "numbers: width of the bands"}},
				{Name: "digits", Words: Words{"nombres : combien de premiers chiffres sont gardés, les autres deviennent 0", "numbers: how many of the first digits stay, the others become 0"}},
				{Name: "first", Words: Words{"texte : nombre de signes gardés au début", "text: how many signs at the beginning stay"}},
				{Name: "constant", Words: Words{"valeur unique", "one value for all"}},
			},
			Words: Words{"valeur plus grossière, partagée par plusieurs personnes", "coarser value that several people share"},
		}, makeGeneralise},
		{Description{
			Name: "suppress", Kinds: all, DefaultOf: []k{personal.Special, personal.Sex}, Fits: anything, MayBeNull: true,
			Args:  []Argument{{Name: "as", Default: "null", Words: Words{"null, ou empty : la valeur qui en dit le moins", "null, or empty: the value that says least"}}},
			Words: Words{"rien ne reste", "nothing stays"},
		}, makeSuppress},
		{Description{
			Name: "constant", Kinds: all, Fits: slices.DeleteFunc(slices.Clone(anything), func(f Family) bool { return f == Array || f == Other || f == JSON }),
			Args:  []Argument{{Name: "value", Needed: true, Words: Words{"la valeur", "the value"}}},
			Words: Words{"la même valeur partout", "the same value everywhere"},
		}, makeConstant},
		{Description{
			Name: "hash", Kinds: all, Fits: []Family{Text, Integer}, Args: []Argument{argOf}, Unique: true,
			Words: Words{"lettres pour lettres, chiffres pour chiffres ; deux valeurs différentes le restent", "letters for letters, digits for digits; different values stay different"},
		}, makeShape("hash")},
		{Description{
			Name: "rekey", Fits: []Family{Integer, Number, UUID, Text}, Args: []Argument{argOf}, Unique: true,
			Words: Words{"autre clé primaire, la même dans les colonnes qui s’y réfèrent", "another primary key, the same in columns that refer to it"},
		}, makeRekey},
		{Description{
			Name: "credential", Kinds: []k{personal.Credential}, DefaultOf: []k{personal.Credential}, Fits: []Family{Text, Bytes}, Args: []Argument{{Name: "unique", Default: "false", Words: Words{
				"ne pas vider, pour s’accorder avec une colonne unique", "empty none, to agree with a unique column"}}}, Unique: true,
			Words: Words{"secret vidé, ou de même forme et inutilisable", "secret emptied, or of the same form and useless"},
		}, makeCredential},
		{Description{
			Name: "file", Kinds: []k{personal.File}, DefaultOf: []k{personal.File}, Fits: []Family{Bytes, Text, JSON, Array}, MayBeNull: true,
			Words: Words{"contenu supprimé", "content dropped"},
		}, makeFile},
		{Description{
			Name: "keep", Fits: anything, Unique: true, Clear: true, Args: []Argument{{Name: "reason", Words: Words{"pourquoi", "why"}}},
			Words: Words{"valeur de la source, telle quelle", "the source's value as it is"},
		}, makeKeep},
	}
}

// compoundEntries are the transformers that use others, or leave the work to somebody else.
func compoundEntries() []entry {
	return []entry{
		{Description{
			Name: "free_text", Kinds: []personal.Kind{personal.Text, personal.Special}, DefaultOf: []personal.Kind{personal.Text}, Fits: []Family{Text},
			Args: []Argument{argLanguage, {Name: "replace", Default: "mentions", Words: Words{"mentions, ou all : phrases quelconques, longues à peu près comme elles l’étaient", "mentions, or all: sentences that say nothing, about as long"}}},
			Words: Words{
				"chaque mention remplacée comme dans sa propre colonne : valeurs de la source et formes reconnues", "each mention replaced as in a column of its own: values of the source and forms that are recognised",
			},
		}, makeFreeText},
		{Description{
			Name: "json", Fits: []Family{JSON, Text}, MayBeNull: false,
			Args: []Argument{
				{Name: "paths", Needed: true, Words: Words{"chemin : transformateur, par exemple contact.emails[].address: email", "path: transformer, such as contact.emails[].address: email"}},
				{Name: "keys", Words: Words{"objet : transformateur de ses clés", "object: transformer of its keys"}},
			},
			Words: Words{"document JSON, chemin par chemin ; un chemin inconnu arrête la copie", "JSON document, path by path; an unknown path stops the copy"},
		}, makeJSON},
		{Description{
			Name: "sql", Fits: anything, Unique: true, Clear: true,
			Args:  []Argument{{Name: "expression", Needed: true, Words: Words{"expression SQL sur les colonnes de la ligne, évaluée par la source", "SQL expression over the row's columns, evaluated by the source"}}},
			Words: Words{"expression SQL", "SQL expression"},
		}, makeSQL},
		{Description{
			Name: "subprocess", Fits: []Family{Text, Integer, Number, Boolean, Date, Timestamp, UUID, Network, Hardware, JSON, Enum}, Unique: true, Clear: true, MayBeNull: true,
			Args: []Argument{
				{Name: "command", Needed: true, Words: Words{"programme et arguments, en liste", "program and arguments, as a list"}},
				{Name: "timeout_ms", Default: "5000", Words: Words{"délai pour une valeur, en millisecondes", "time for one value, in milliseconds"}},
			},
			Words: Words{"programme qui lit et écrit une chaîne JSON par ligne", "program that reads and writes one JSON string per line"},
		}, makeProcess},
	}
}
