package filltest

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// rule knows a column by its name, its words joined by _.
type rule struct {
	column string
	kind   personal.Kind
	person bool // only in a table of persons
}

func rules() []rule {
	return []rule{
		{`(^|_)(count|counter|counts|enabled|verified|confirmed|at|type|kind|status|format|size|width|height|position|locale|language|template|domain|id|ids|key_id|version|visibility|color|count_.*)$`, personal.None, false},
		{`(^|_)(e_?mail|e_?mails|courriel|email_address|mail)$`, personal.Email, false},
		{`(^|_)(first_?names?|given_?name|prenoms?|voornaam|vorname|middle_name|forename)$`, personal.GivenName, false},
		{`(^|_)(last_?name|family_?name|sur_?name|nom_de_famille|achternaam|nachname)$`, personal.FamilyName, false},
		{`^nom$`, personal.FamilyName, true},
		{`(^|_)(full_?name|display_?name|contact_name|sender_name|author_name|user_name_full|recipient_name|customer_name|owner_name)$`, personal.FullName, false},
		{`^name$`, personal.FullName, true},
		{`^(user_?name|login|handle|nick_?name|screen_name|login_name)$`, personal.Username, true},
		{`(^|_)(phone|phone_?number|mobile|telephone|tel|gsm|fax|telefoon|telefon|cell)$`, personal.Phone, false},
		{`(^|_)iban$`, personal.IBAN, false},
		{`(^|_)(card_number|pan)$`, personal.Card, false},
		{`(^|_)(nir|niss|ssn|national_number|rijksregisternummer|numero_national)$`, personal.NationalNumber, false},
		{`(^|_)(address|address_?1|address_?2|address_line_?[12]|street|street_address|adresse|rue|line1|straat|adres)$`, personal.Address, false},
		{`(^|_)(postcode|postal_?code|zip|zip_?code|code_postal)$`, personal.Postcode, false},
		{`^(city|town|ville|commune|gemeente|ort)$`, personal.Town, false},
		{`(^|_)(ip|ip_?address|remote_ip|sign_in_ip|last_ip|client_ip)$`, personal.IP, false},
		{`(^|_)(birth_?date|date_of_birth|birthday|dob|date_de_naissance|birthdate)$`, personal.BirthDate, false},
		{`^(sex|gender|genre|geslacht|civility|civilite)$`, personal.Sex, false},
		{`(^|_)(avatar_url|profile_url|image_url|photo_url|avatar|homepage|picture)$`, personal.PersonURL, true},
		{`(^|_)(password|password_hash|encrypted_password|password_digest|token|secret|api_key|access_token|refresh_token|otp_secret|hashed_key|token_hash|backup_codes)$`, personal.Credential, false},
		{`^(body|content|message|notes?|comments?|remarks?|bio|about|feedback|explanation|motivation|motivations|reply|answer|review|error|error_message|observations?|commentaire)$`, personal.Text, false},
	}
}

// words writes a name in its words: passwordHash gives password_hash.
func words(name string) string {
	var b strings.Builder
	before := 'a'
	for i, c := range name {
		if unicode.IsUpper(c) && i > 0 && unicode.IsLower(before) {
			b.WriteByte('_')
		}
		if c == ' ' || c == '-' || c == '.' {
			c = '_'
		}
		b.WriteRune(unicode.ToLower(c))
		before = c
	}
	return b.String()
}

// personTable tells a table whose rows are persons.
func personTable(name string) bool {
	all := strings.Split(words(name), "_")
	last := strings.TrimSuffix(all[len(all)-1], "s")
	for _, w := range strings.Fields("user person people customer client member contact employee staff actor patient author individu citizen subscriber participant candidate donor visitor student teacher guest individual agent expert instructeur administrateur gestionnaire klant lid mitarbeiter kunde") {
		if last == w {
			return true
		}
	}
	return false
}

// meaning is what somebody who reads the schema would put into a column of text.
func (f *filler) meaning(table, column string) personal.Kind {
	w := words(column)
	for _, r := range f.rules {
		if r.pattern.MatchString(w) && (!r.person || personTable(table)) {
			return r.kind
		}
	}
	return personal.None
}

type compiled struct {
	pattern *regexp.Regexp
	kind    personal.Kind
	person  bool
}

func compile() (out []compiled) {
	for _, r := range rules() {
		out = append(out, compiled{regexp.MustCompile(r.column), r.kind, r.person})
	}
	return out
}
