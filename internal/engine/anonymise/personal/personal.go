// Package personal names the kinds of personal data that a column, a path of a JSON document or a piece of a sentence may hold, and says how each is
// to be treated unless a plan says otherwise. Detection finds kinds, plans record them, transformers and the leak scan go by them.
package personal

import "fmt"

// A Class says how far a value leads to a person.
type Class string

// The classes. Of two values, the one whose class comes first here needs more care.
const (
	Identifier Class = "identifier"       // leads to one person by itself: an e-mail address, a full name, an IBAN
	Sensitive  Class = "sensitive"        // says of a person what would hurt: health, opinions, secrets (GDPR art. 9, credentials)
	FreeText   Class = "free_text"        // sentences, documents, files: may hold anything
	Quasi      Class = "quasi_identifier" // leads to a person together with others: date of birth, postcode, sex
	Harmless   Class = "harmless"         // says nothing of a person
)

// A Kind is what a value is.
type Kind string

// The kinds.
const (
	None           Kind = "none"            // not personal
	GivenName      Kind = "given_name"      // one or several first names
	FamilyName     Kind = "family_name"     //
	FullName       Kind = "full_name"       // in any order, with titles
	Username       Kind = "username"        // a login name or handle, no e-mail address
	Email          Kind = "email"           //
	Phone          Kind = "phone"           // fixed or mobile, any notation
	IBAN           Kind = "iban"            // ISO 13616
	Card           Kind = "card"            // number of a payment card, ISO/IEC 7812
	NationalNumber Kind = "national_number" // of a person: Belgian national register number, French NIR, and their like
	IdentityPaper  Kind = "identity_paper"  // number of a passport, identity card, driving licence, car plate
	Address        Kind = "address"         // street and house number, or several lines
	Postcode       Kind = "postcode"        //
	Town           Kind = "town"            //
	Coordinates    Kind = "coordinates"     // of a place where somebody lives or was
	IP             Kind = "ip"              // v4 or v6, with or without prefix length
	Device         Kind = "device"          // identifier of a device, cookie, browser
	BirthDate      Kind = "birth_date"      //
	Sex            Kind = "sex"             // sex or gender, form of address
	Special        Kind = "special"         // special category: health, religion, union, orientation, origin (GDPR art. 9), convictions (art. 10)
	Credential     Kind = "credential"      // password, its hash, token, secret, recovery code, private key
	PersonURL      Kind = "person_url"      // address of a profile, a picture or a document of one person
	Text           Kind = "text"            // free text that may speak of anybody
	File           Kind = "file"            // bytes or a document that may hold anything
)

// Kinds lists all kinds but None, those that need more care first.
func Kinds() []Kind {
	return []Kind{
		Credential, NationalNumber, IBAN, Card, IdentityPaper, Email, Phone, FullName, FamilyName, GivenName, Username, Address, IP, Device, Coordinates, PersonURL,
		Special, File, Text, BirthDate, Postcode, Town, Sex,
	}
}

// Class tells the class that values of a kind have unless a plan says otherwise.
func (k Kind) Class() Class {
	switch k {
	case GivenName, FamilyName, FullName, Username, Email, Phone, IBAN, Card, NationalNumber, IdentityPaper, Address, IP, Device, Coordinates, PersonURL:
		return Identifier
	case Special, Credential:
		return Sensitive
	case Text, File:
		return FreeText
	case BirthDate, Postcode, Town, Sex:
		return Quasi
	default:
		return Harmless
	}
}

// ParseKind reads the name of a kind.
func ParseKind(name string) (Kind, error) {
	if Kind(name) == None {
		return None, nil
	}
	for _, k := range Kinds() {
		if string(k) == name {
			return k, nil
		}
	}
	return "", fmt.Errorf("%q is no kind of personal data; the kinds are %v", name, Kinds())
}

// ParseClass reads the name of a class.
func ParseClass(name string) (Class, error) {
	switch c := Class(name); c {
	case Identifier, Sensitive, FreeText, Quasi, Harmless:
		return c, nil
	}
	return "", fmt.Errorf("%q is no class; the classes are %s, %s, %s, %s and %s", name, Identifier, Quasi, Sensitive, FreeText, Harmless)
}
