package detect

import "fmt"

// Code names what a reason says; its sentence stands in French and English below.
type Code string

// The reasons. What undoes each is shown in detect_test.go.
const (
	reasonName        Code = "name"         // the column's name holds a word of the vocabulary
	reasonSilenced    Code = "silenced"     // another word in the name says that it is only the type, the number, the time of it
	reasonPersons     Code = "persons"      // the table is one of persons
	reasonThings      Code = "things"       // the table is one of things
	reasonNeighbours  Code = "neighbours"   // columns beside it decide what the word means
	reasonComment     Code = "comment"      // the comment of the column holds a word of the vocabulary
	reasonType        Code = "type"         // the type decides
	reasonUnknownType Code = "unknown_type" // a type that is not known
	reasonLabels      Code = "labels"       // the labels of the enumeration, or the values that a check lists
	reasonCheck       Code = "check"        // the expression of a check
	reasonReference   Code = "reference"    // what the foreign key leads to
	reasonIdentifier  Code = "identifier"   // the name of an identifier
	reasonSamples     Code = "samples"      // samples are of this kind
	reasonWithin      Code = "within"       // samples hold this kind among other words
	reasonSentences   Code = "sentences"    // samples are sentences
	reasonCodes       Code = "codes"        // samples are codes, figures, dates
	reasonOpaque      Code = "opaque"       // samples look like secrets or digests
	reasonContradicts Code = "contradicts"  // samples contradict the name
	reasonBirthYears  Code = "birth_years"  // the days are spread over years in which people are born
	reasonNoSamples   Code = "no_samples"   // nothing to look at
	reasonNotKnown    Code = "not_known"    // no word of the name is known
	reasonDocument    Code = "document"     // a JSON document: judged by its paths
	reasonPath        Code = "path"         // a path of the document holds personal data
	reasonMalformed   Code = "malformed"    // a sample is no JSON, or too long or too deep
	reasonKeys        Code = "keys"         // keys of the document are data themselves
)

// Reason is why: an id, a word of the schema, a share of the samples. It never holds a value.
type Reason struct {
	Code Code
	Word string // of the name, the type, the path; or a kind
	Hit  int    // samples that say so
	Of   int    // samples looked at
}

var sentences = map[Code][2]string{
	reasonName:        {"« %s » dans le nom de la colonne", `"%s" in the column's name`},
	reasonSilenced:    {"« %s » dans le nom : ce n’est pas la donnée elle-même", `"%s" in the name: it is not the data itself`},
	reasonPersons:     {"la table « %s » parle de personnes", `table "%s" is about persons`},
	reasonThings:      {"la table « %s » parle de choses", `table "%s" is about things`},
	reasonNeighbours:  {"les colonnes voisines (%s) en donnent le sens", "the columns beside it (%s) tell what it means"},
	reasonComment:     {"« %s » dans le commentaire de la colonne", `"%s" in the column's comment`},
	reasonType:        {"le type %s", "the type %s"},
	reasonUnknownType: {"le type %s n’est pas connu", "the type %s is not known"},
	reasonLabels:      {"les valeurs que le type ou une contrainte énumère", "the values that the type or a check lists"},
	reasonCheck:       {"une contrainte de validation l’impose", "a check demands it"},
	reasonReference:   {"la clé étrangère mène à %s", "the foreign key leads to %s"},
	reasonIdentifier:  {"le nom est celui d’un identifiant", "the name is that of an identifier"},
	reasonSamples:     {"%[2]d échantillons sur %[3]d sont de ce genre (%[1]s)", "%[2]d of %[3]d samples are of this kind (%[1]s)"},
	reasonWithin:      {"%[2]d échantillons sur %[3]d en contiennent (%[1]s)", "%[2]d of %[3]d samples contain it (%[1]s)"},
	reasonSentences:   {"%[2]d échantillons sur %[3]d sont des phrases", "%[2]d of %[3]d samples are sentences"},
	reasonCodes:       {"%[2]d échantillons sur %[3]d sont des codes, des nombres ou des dates", "%[2]d of %[3]d samples are codes, figures or dates"},
	reasonOpaque:      {"%[2]d échantillons sur %[3]d ressemblent à un secret ou à une empreinte", "%[2]d of %[3]d samples look like a secret or a digest"},
	reasonContradicts: {"les échantillons contredisent le nom", "the samples contradict the name"},
	reasonBirthYears:  {"les dates s’étalent sur des années de naissance plausibles", "the dates are spread over plausible years of birth"},
	reasonNoSamples:   {"aucun échantillon à examiner", "there are no samples to look at"},
	reasonNotKnown:    {"aucun mot du nom n’est connu", "no word of the name is known"},
	reasonDocument:    {"un document JSON se juge par ses chemins", "a JSON document is judged by its paths"},
	reasonPath:        {"le chemin « %s » contient des données personnelles", `path "%s" holds personal data`},
	reasonMalformed:   {"un échantillon n’est pas du JSON, ou est trop long ou trop profond", "a sample is no JSON, or is too long or too deep"},
	reasonKeys:        {"des clés du document sont elles-mêmes des données", "keys of the document are data themselves"},
}

// French says the reason in French.
func (r Reason) French() string { return r.say(0) }

// English says the reason in English.
func (r Reason) English() string { return r.say(1) }

func (r Reason) String() string { return r.English() }

func (r Reason) say(language int) string {
	text := sentences[r.Code][language]
	switch r.Code {
	case reasonSamples, reasonWithin:
		return fmt.Sprintf(text, r.Word, r.Hit, r.Of)
	case reasonSentences, reasonCodes, reasonOpaque:
		return fmt.Sprintf(text, "", r.Hit, r.Of)
	case reasonName, reasonSilenced, reasonPersons, reasonThings, reasonNeighbours, reasonComment, reasonType, reasonUnknownType, reasonReference, reasonPath:
		return fmt.Sprintf(text, r.Word)
	default:
		return text
	}
}
