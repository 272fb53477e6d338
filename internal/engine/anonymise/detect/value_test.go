package detect

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// brief writes what was found: kind "text" for each.
func brief(s string, found []Found) string {
	var out []string
	for _, f := range found {
		out = append(out, fmt.Sprintf("%s \"%s\"", f.Kind, s[f.Start:f.End]))
	}
	return strings.Join(out, ", ")
}

func TestDetectValue(t *testing.T) {
	for _, c := range []struct{ value, want string }{
		// E-mail addresses.
		{"jo.dubois@example.com", `email "jo.dubois@example.com"`},
		{"Écrivez à <zoé@exemple.example>, merci.", `email "zoé@exemple.example"`},
		{"mailto:a+b@mail.example.org?subject=x", `email "a+b@mail.example.org"`},
		{"next=/u?mail=jo%40example.com&x=1", `email "jo%40example.com"`},
		{"user@localhost", ``},
		{"a @ b", ``},
		// Telephone numbers in national forms.
		{"0470 12 34 56", `phone "0470 12 34 56"`},
		{"02/555 12 12", `phone "02/555 12 12"`},
		{"Rappelez-moi au 06.12.34.56.78 demain", `phone "06.12.34.56.78"`},
		{"+31 6 87654321", `phone "+31 6 87654321"`},
		{"0171/1234567", `phone "0171/1234567"`},
		{"+352 621 123 456", `phone "+352 621 123 456"`},
		{"621 123 456", `phone "621 123 456"`},
		{"076 345 67 89", `phone "076 345 67 89"`},
		{"call 020 7946 0123 today", `phone "020 7946 0123"`},
		{"(555) 010-0199", `phone "(555) 010-0199"`},
		{"212-555-0147", `phone "212-555-0147"`},
		{"0032470123456", `phone "0032470123456"`},
		{"+33\u00a06\u202f12\u00a034\u00a056\u00a078", "phone \"+33\u00a06\u202f12\u00a034\u00a056\u00a078\""},
		{"123456789", ``},
		{"2024-03-01 10:15:00", ``},
		{"order 2024-0017", ``},
		{"0191f8a0-7c11-7d3e-9a55-0b2f3c4d5e6f", ``},
		{"v1.2.3", ``},
		// IBANs.
		{"BE68 5390 0754 7034", `iban "BE68 5390 0754 7034"`},
		{"virement sur be68539007547034.", `iban "be68539007547034"`},
		{"FR1420041010050500013M02606", `iban "FR1420041010050500013M02606"`},
		{"BE68 5390 0754 7035", ``}, // check digits are wrong
		{"BE685390075470341", ``},   // too long for Belgium
		// Cards.
		{"4111 1111 1111 1111", `card "4111 1111 1111 1111"`},
		{"paid with 378282246310005", `card "378282246310005"`},
		{"4111 1111 1111 1112", ``},
		{"1111111111111117", ``}, // no network
		// National numbers.
		{"84.05.12-345.27", `national_number "84.05.12-345.27"`},
		{"84051234527", `national_number "84051234527"`},
		{"84051234528", ``},
		{"03.08.21-117.80", `national_number "03.08.21-117.80"`}, // born in 2003
		{"184057505612340", `national_number "184057505612340"`},
		{"291112A00400721", `national_number "291112A00400721"`}, // Corsica
		{"1 57 02 99 100 045 07", `national_number "1 57 02 99 100 045 07"`},
		{"184057505612341", ``},
		{"756.9217.0769.85", `national_number "756.9217.0769.85"`},
		{"536-90-4399", `national_number "536-90-4399"`},
		{"666-90-4399", ``},
		// Network.
		{"203.0.113.7", `ip "203.0.113.7"`},
		{"from 203.0.113.9:5432: refused", `ip "203.0.113.9"`},
		{"198.51.100.0/24", `ip "198.51.100.0/24"`},
		{"2001:db8::1f", `ip "2001:db8::1f"`},
		{"127.0.0.1", ``},
		{"10:15:00", ``},
		{"02:00:5e:10:00:01", `device "02:00:5e:10:00:01"`},
		{"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", `device "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"`},
		// Names.
		{"Élodie Lefèvre", `full_name "Élodie Lefèvre"`},
		{"E\u0301lodie Lefe\u0300vre", "full_name \"E\u0301lodie Lefe\u0300vre\""}, // decomposed
		{"MOREAU Maxime", `full_name "MOREAU Maxime"`},
		{"jan janssens", `full_name "jan janssens"`},
		{"Janssens, Jan", `full_name "Janssens, Jan"`},
		{"Sanne van den Berg", `full_name "Sanne van den Berg"`},
		{"Jürgen", `given_name "Jürgen"`},
		{"Vermeulen", `family_name "Vermeulen"`},
		{"J.-P. Dupont", `family_name "Dupont"`},
		{"Hier j’ai vu Élodie Lefèvre et Mme Quéméneur au marché.", `full_name "Élodie Lefèvre", family_name "Quéméneur"`},
		{"L’avis d’Élodie est reçu", `given_name "Élodie"`},
		{"Emily's order arrived", `given_name "Emily"`},
		{"Herr Dr. Weißenfels hat angerufen", `family_name "Weißenfels"`},
		{"Gisteren belde mevrouw De Smet over de levering", `family_name "De Smet"`},
		{"Please will you mark the grant page", ``},
		{"Rose is a colour", ``},
		{"Wasp Whitfieldson", ``},
		// Addresses.
		{"12 bis, rue de la Gare", `address "12 bis, rue de la Gare"`},
		{"rue de la Gare 12 bte 4, 1000 Bruxelles", `address "rue de la Gare 12 bte 4", postcode "1000", town "Bruxelles"`},
		{"Kerkstraat 12 bus 3, 9000 Gent", `address "Kerkstraat 12 bus 3", postcode "9000", town "Gent"`},
		{"Hauptstraße 5", `address "Hauptstraße 5"`},
		{"Am Lindenweg 3a wohnt er", `address "Lindenweg 3a"`},
		{"He lives at 12 High Street now", `address "12 High Street"`},
		{"12 avenue des tilleuls", `address "12 avenue des tilleuls"`},
		{"Apt 4", `address "Apt 4"`},
		{"B-1000 Bruxelles", `postcode "B-1000", town "Bruxelles"`},
		{"1012 AB", `postcode "1012 AB"`},
		{"SW1A 1AA", `postcode "SW1A 1AA"`},
		{"Utrecht", `town "Utrecht"`},
		{"il habite à Namur", `town "Namur"`},
		{"La Louvière", `town "La Louvière"`},
		{"la place est libre", ``},
		{"50.8503, 4.3517", `coordinates "50.8503, 4.3517"`},
		{"POINT(4.3517 50.8503)", `coordinates "4.3517 50.8503"`},
		// Births.
		{"née le 12/05/1984 à Namur", `birth_date "12/05/1984", town "Namur"`},
		{"DOB: 1984-05-12", `birth_date "1984-05-12"`},
		{"geboren op 12.5.1984", `birth_date "12.5.1984"`},
		{"livré le 12/05/2024", ``},
		// Secrets.
		{"$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy", `credential "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"`},
		{"$argon2id$v=19$m=65536,t=3", `credential "$argon2id$v=19$m=65536"`},
		{"pbkdf2_sha256$600000$abcdefgh$01234567=", `credential "pbkdf2_sha256$600000$abcdefgh$01234567="`},
		{"SCRAM-SHA-256$4096:c2FsdA==$a:b", `credential "SCRAM-SHA-256$4096:c2FsdA==$a:b"`},
		{"Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ", `credential "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ"`},
		{"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- rest", "credential \"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\""},
		{"-----BEGIN PUBLIC KEY-----\nMIIE", ``},
		{"postgres://app:s3cret@db.example/app", `credential "app:s3cret"`},
		{"https://app.example/reset?token=abcdef123456", `credential "https://app.example/reset?token=abcdef123456"`},
		{"key AKIAIOSFODNN7EXAMPLE here", `credential "AKIAIOSFODNN7EXAMPLE"`},
		// Pages of persons, handles, files.
		{"https://cdn.example.org/avatars/4411.png", `person_url "https://cdn.example.org/avatars/4411.png"`},
		{"https://social.example/@jdubois", `person_url "https://social.example/@jdubois"`},
		{"https://www.linkedin.com/in/emily-4411", `person_url "https://www.linkedin.com/in/emily-4411"`},
		{"https://docs.example.org/start", ``},
		{"merci @jdubois !", `username "@jdubois"`},
		{"data:image/png;base64,iVBORw0KGgo=", `file "data:image/png;base64,iVBORw0KGgo="`},
		{`\x` + strings.Repeat("4a", 40), `file "\x` + strings.Repeat("4a", 40) + `"`},
		{"", ``},
		{"\xff\xfe\x00", ``},
	} {
		if got := brief(c.value, DetectValue(c.value)); got != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.value, got, c.want)
		}
	}
}

func TestAppendFoundKeepsWhatWasThere(t *testing.T) {
	before := []Found{{Kind: personal.Text, Start: 7, End: 9}, {Kind: personal.Text, Start: 1, End: 2}}
	got := AppendFound(slices.Clone(before), "jo@example.com")
	if len(got) != 3 || got[0] != before[0] || got[1] != before[1] || got[2].Kind != personal.Email {
		t.Errorf("got %v", got)
	}
}

func TestFold(t *testing.T) {
	for _, c := range [][2]string{
		{"Élodie", "elodie"}, {"E\u0301lodie", "elodie"}, {"Weiß", "weiss"}, {"Œuvre", "oeuvre"}, {"L’Hôpital", "l'hopital"}, {"Çelik", "celik"}, {"ŁUKASZ", "lukasz"},
		{"İyi", "iyi"}, {"Ștefan", "stefan"}, {"Øster", "oster"}, {"Ünal  Öz", "unal oz"}, {"Жанна", "жанна"}, {"\xff", "\ufffd"},
	} {
		if got := fold(c[0]); got != c[1] {
			t.Errorf("%q is %q, not %q", c[0], got, c[1])
		}
	}
}

func TestSplit(t *testing.T) {
	for name, want := range map[string]string{
		"first_name": "first name", "firstName": "first name", "FirstName": "first name", "IPAddress": "ip address", "userIPAddress": "user ip address", "adresse IP": "adresse ip",
		"prénom": "prenom", "PRENOM": "prenom", "address2": "address 2", "auth__basic__username": "auth basic username", "e-mail": "e mail", "otp2fa": "otp 2 fa", "": "", "Größe": "grosse",
		"nomDeJeuneFille": "nom de jeune fille", "ÉtatCivil": "etat civil",
	} {
		if got := strings.Join(split(name), " "); got != want {
			t.Errorf("%q is %q, not %q", name, got, want)
		}
	}
}
