// Package personal says which columns of a database look like personal data of people, by
// their name and type alone: no row is ever read.
//
// Names are taken apart ("dateNaissance", "date_of_birth", "GEBURTSDATUM") and compared with the
// words of French, English, Dutch and German schemas. A word that means a person only in the
// table of a person ("name", "nom", "city") counts there alone. The answer is a suspicion: a
// company says otherwise with a label of its own (databases.labels in garant.yaml). What a
// column named "x17" holds stays unseen.
package personal

import (
	"slices"
	"strings"
	"sync"
	"unicode"
)

// Kind is the sort of personal data that a column seems to hold.
type Kind string

// The kinds.
const (
	Name       Kind = "name"
	Email      Kind = "email"
	Phone      Kind = "phone"
	Address    Kind = "address"
	Birth      Kind = "birth"
	NationalID Kind = "national_id" // of a person: national register, social security, passport, tax
	Bank       Kind = "bank"
	Health     Kind = "health"
	Origin     Kind = "origin" // gender, nationality, religion, family
	Network    Kind = "network"
	Image      Kind = "image" // photograph, signature
	Secret     Kind = "secret"
	FreeText   Kind = "free_text" // of a person's table: people write anything there
)

// Column is one column of a table or view.
type Column struct {
	Schema, Table, Name string
	Type                string // as format_type writes it: "character varying(80)", "date", "jsonb"
}

// Detect says what personal data a column seems to hold; false: none.
func Detect(c Column) (Kind, bool) {
	class := classify(c.Type)
	if class == other {
		return "", false
	}
	book := read()
	name, person := words(c.Name), book.ofPerson(words(c.Table))
	spoken := strings.Join(name, " ")
	if book.innocent[spoken] {
		return "", false
	}
	spoken = " " + spoken + " "
	for _, r := range book.rules {
		if class&r.types != 0 && (person || !r.personOnly) && r.matches(name, spoken) {
			return r.kind, true
		}
	}
	return "", false
}

// The classes of types.
const (
	other  = 0
	text   = 1 << iota // text, json, arrays of them
	number             // integers and decimals
	date
	moment // timestamps
	network
	bytes
)

// classify puts a type into a class. A domain or type of the database's own is taken for a text:
// what it is made of is not known here.
func classify(typ string) int {
	typ = strings.TrimSuffix(strings.ToLower(typ), "[]")
	if i := strings.IndexByte(typ, '('); i >= 0 {
		rest := ""
		if j := strings.IndexByte(typ, ')'); j > i {
			rest = typ[j+1:]
		}
		typ = typ[:i] + rest
	}
	switch typ {
	case "boolean", "uuid", "interval", "void", "oid", "xid", "point", "box", "money", "tsvector":
		return other
	case "smallint", "integer", "bigint", "numeric", "real", "double precision":
		return number
	case "date":
		return date
	case "inet", "cidr", "macaddr", "macaddr8":
		return network
	case "bytea":
		return bytes
	}
	if strings.HasPrefix(typ, "timestamp") || strings.HasPrefix(typ, "time ") {
		return moment
	}
	return text
}

// book is the rules, made ready once: a large database asks a hundred thousand times.
type book struct {
	rules    []rule
	persons  map[string]bool
	innocent map[string]bool
}

// read returns the book, which is never changed.
var read = sync.OnceValue(func() *book {
	set := func(words []string) map[string]bool {
		m := make(map[string]bool, len(words))
		for _, w := range words {
			m[w] = true
		}
		return m
	}
	b := &book{rules: rules(), persons: set(persons()), innocent: set(innocent())}
	for i := range b.rules {
		r := &b.rules[i]
		r.words = set(r.any)
		for j, p := range r.phrases {
			r.phrases[j] = " " + p + " "
		}
	}
	return b
})

// ofPerson reports whether a table is of persons.
func (b *book) ofPerson(table []string) bool {
	return slices.ContainsFunc(table, func(w string) bool { return b.persons[w] })
}

// rule is a set of words that tell of a kind.
type rule struct {
	kind       Kind
	types      int
	personOnly bool            // only in a table of persons
	any        []string        // words of which one is enough
	phrases    []string        // words that must follow one another
	words      map[string]bool // any, to look up
}

func (r rule) matches(name []string, spoken string) bool {
	return slices.ContainsFunc(name, func(w string) bool { return r.words[w] }) ||
		len(name) > 1 && slices.ContainsFunc(r.phrases, func(p string) bool { return strings.Contains(spoken, p) })
}

// rules are in the order in which they are asked: "email address" is an e-mail, "ip address" no
// address of a house.
func rules() []rule {
	return []rule{
		{kind: Network, types: text | network,
			any:     []string{"ip", "ipv", "ipaddress", "ipaddr", "remoteaddr", "useragent", "macaddress", "deviceid", "imei", "geolocation", "latitude", "longitude"},
			phrases: []string{"user agent", "remote addr", "mac address", "device id", "client host"}},
		{kind: Email, types: text,
			any:     []string{"email", "emails", "mail", "mails", "courriel", "emailaddress", "emailadres", "mailadresse", "mailadres", "emailadresse", "usermail"},
			phrases: []string{"e mail"}},
		{kind: Bank, types: text | number,
			any:     []string{"iban", "bban", "cardnumber", "creditcard", "kontonummer", "rekeningnummer", "bankaccount", "bankrekening", "bankverbindung", "rib"},
			phrases: []string{"bank account", "account holder", "compte bancaire", "numero compte", "credit card", "card number", "carte bancaire", "titulaire compte"}},
		{kind: NationalID, types: text | number,
			any: []string{"ssn", "niss", "insz", "nir", "bsn", "nin", "passport", "passeport", "paspoort", "reisepass", "rijksregisternummer", "rijksregisternr", "rijksregister", "nationalid", "personalausweis",
				"sozialversicherungsnummer", "svnr", "steuerid", "burgerservicenummer", "nrn", "ausweisnummer"},
			phrases: []string{"national id", "national number", "national register", "registre national", "numero national", "securite sociale", "social security", "tax id", "steuer id", "id card", "carte identite", "identity card", "numero fiscal", "driver license", "permis conduire"}},
		{kind: Birth, types: text | number | date | moment,
			any:     []string{"birthdate", "birthday", "birth", "dob", "born", "naissance", "geboortedatum", "geboorteplaats", "geburtsdatum", "geburtsort", "geburtstag", "geboorte", "geburt", "birthplace", "dateofbirth", "datenaissance"},
			phrases: nil},
		{kind: Birth, types: text | number, personOnly: true, any: []string{"age", "leeftijd", "alter"}},
		{kind: Phone, types: text | number,
			any:     []string{"phone", "phones", "telephone", "tel", "mobile", "gsm", "portable", "telefon", "telefoon", "telefoonnummer", "telefonnummer", "handy", "phonenumber", "cellphone", "fax", "msisdn", "whatsapp"},
			phrases: nil},
		{kind: Health, types: text | number | date,
			any: []string{"diagnosis", "diagnostic", "diagnose", "allergy", "allergies", "allergie", "allergien", "disability", "handicap", "medical", "medication", "medicament", "disease", "maladie", "ziekte", "krankheit", "illness", "bloodtype",
				"invalidite", "behinderung", "mutuelle", "krankenkasse", "ziekenfonds", "pregnant", "pregnancy", "grossesse"},
			phrases: []string{"blood type", "groupe sanguin", "etat sante"}},
		{kind: Origin, types: text | number,
			any: []string{"gender", "genre", "sexe", "geslacht", "geschlecht", "nationality", "nationalite", "nationaliteit", "nationalitat", "ethnicity", "religion", "religious", "confession", "civilite", "salutation", "anrede", "aanhef",
				"maritalstatus", "etatcivil", "familienstand", "burgerlijkestaat"},
			phrases: []string{"marital status", "etat civil", "burgerlijke staat", "trade union", "sexual orientation", "place birth"}},
		{kind: Origin, types: text | number, personOnly: true, any: []string{"sex", "income", "revenu", "salary", "salaire", "loon", "gehalt", "children", "enfants", "kinderen", "kinder", "spouse", "conjoint"}},
		{kind: Secret, types: text | bytes,
			any:     []string{"password", "passwd", "passwordhash", "passwort", "wachtwoord", "motdepasse", "otp", "totp", "passphrase"},
			phrases: []string{"mot passe", "recovery code"}},
		{kind: Image, types: text | bytes,
			any:     []string{"photo", "photograph", "portrait", "avatar", "selfie", "pasfoto", "passbild", "fingerprint", "biometric"},
			phrases: []string{"profile picture", "signature image", "signature scan", "image signature", "scan signature"}},
		// Elsewhere it is one of a program.
		{kind: Image, types: text | bytes, personOnly: true, any: []string{"signature", "handtekening", "unterschrift"}},
		{kind: Name, types: text,
			any: []string{"firstname", "lastname", "surname", "fullname", "middlename", "givenname", "familyname", "maidenname", "nickname", "prenom", "prenoms", "voornaam", "achternaam", "familienaam", "vorname", "nachname",
				"familienname", "geburtsname", "username", "patronyme", "kundenname", "klantnaam", "roepnaam", "meisjesnaam", "displayname", "initials", "tussenvoegsel", "forename", "beneficiary", "beneficiaire"},
			phrases: []string{"first name", "last name", "full name", "middle name", "given name", "family name", "maiden name", "nick name", "nom famille", "nom naissance", "nom complet", "nom usage", "volledige naam", "display name", "user name",
				"contact name", "nom contact", "naam contact", "person name", "customer name", "client name", "nom client", "applicant name", "author name", "sender name", "recipient name", "holder name", "signed by"}},
		{kind: Name, types: text, personOnly: true, any: []string{"name", "nom", "noms", "naam", "login", "pseudo", "label", "title", "titre"}},
		{kind: Address, types: text,
			any:     []string{"address", "addresses", "adresse", "adresses", "adres", "anschrift", "wohnort", "woonplaats", "homeaddress", "streetaddress", "huisnummer", "hausnummer", "housenumber", "domicile"},
			phrases: []string{"house number", "address line", "home town"}},
		{kind: Address, types: text | number, personOnly: true,
			any:     []string{"street", "rue", "straat", "strasse", "postcode", "postalcode", "zip", "zipcode", "plz", "city", "ville", "stad", "ort", "gemeente", "commune", "codepostal", "town", "location"},
			phrases: []string{"postal code", "code postal", "zip code", "post code"}},
		{kind: FreeText, types: text, personOnly: true,
			any: []string{"comment", "comments", "commentaire", "commentaires", "note", "notes", "remark", "remarks", "remarque", "remarques", "opmerking", "opmerkingen", "bemerkung", "bemerkungen", "message", "motivation", "biography", "bio", "biographie",
				"details", "profile", "profil", "cv", "resume", "description"}},
	}
}

// innocent lists names of columns that are told apart from what they resemble.
func innocent() []string {
	return []string{
		"email template", "mail template", "mail server", "mail host", "email subject", "mail subject", "email status", "mail status", "email type", "address type", "address id", "phone type",
		"signature algorithm", "password policy", "portable version", "email domain", "mail domain", "title id", "email count", "address count",
	}
}

// persons are words by which a table is one of persons.
func persons() []string {
	return []string{
		"person", "persons", "people", "user", "users", "applicant", "applicants", "candidate", "candidates", "customer", "customers", "client", "clients", "contact", "contacts", "employee", "employees", "member", "members",
		"patient", "patients", "student", "students", "pupil", "pupils", "beneficiary", "beneficiaries", "profile", "profiles", "account", "accounts", "subscriber", "subscribers", "staff", "author", "authors", "visitor", "visitors",
		"guest", "guests", "passenger", "passengers", "volunteer", "volunteers", "donor", "donors", "recipient", "recipients", "lead", "leads", "attendee", "attendees", "participant", "participants", "citizen", "citizens",
		"personne", "personnes", "utilisateur", "utilisateurs", "demandeur", "demandeurs", "candidat", "candidats", "salarie", "salaries", "employe", "employes", "membre", "membres", "eleve", "eleves", "etudiant", "etudiants",
		"beneficiaire", "beneficiaires", "profil", "compte", "comptes", "abonne", "abonnes", "auteur", "visiteur", "benevole", "benevoles", "donateur", "donateurs", "adherent", "adherents", "citoyen", "locataire", "locataires",
		"persoon", "personen", "gebruiker", "gebruikers", "aanvrager", "aanvragers", "klant", "klanten", "medewerker", "medewerkers", "werknemer", "lid", "leden", "leerling", "bewoner", "bewoners", "bezoeker", "vrijwilliger",
		"benutzer", "nutzer", "antragsteller", "kunde", "kunden", "mitarbeiter", "mitglied", "mitglieder", "schuler", "bewohner", "besucher", "spender", "ansprechpartner", "versicherte",
	}
}

// words takes a name apart: small letters without accents, split where the case, the sort of
// character or a separator says so. Little words between the others are left out.
func words(name string) []string {
	var parts []string
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			parts = append(parts, b.String())
			b.Reset()
		}
	}
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case unicode.IsUpper(r) && i > 0 && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsUpper(runes[i-1]) && unicode.IsLower(runes[i+1])):
			flush()
		case !unicode.IsLetter(r):
			flush() // a number tells nothing: "address2"
			continue
		}
		b.WriteString(plain(unicode.ToLower(r)))
	}
	flush()
	return slices.DeleteFunc(parts, func(w string) bool {
		return slices.Contains([]string{"de", "du", "d", "des", "la", "le", "l", "of", "the", "van", "het", "der", "die", "das"}, w)
	})
}

// plain writes a letter without its accent.
func plain(r rune) string {
	switch r {
	case 'à', 'á', 'â', 'ä', 'å', 'ã':
		return "a"
	case 'ç':
		return "c"
	case 'é', 'è', 'ê', 'ë':
		return "e"
	case 'î', 'ï', 'í', 'ì':
		return "i"
	case 'ñ':
		return "n"
	case 'ô', 'ö', 'ó', 'ò', 'õ':
		return "o"
	case 'ù', 'û', 'ü', 'ú':
		return "u"
	case 'ß':
		return "ss"
	case 'œ':
		return "oe"
	case 'æ':
		return "ae"
	}
	return string(r)
}
