package detect

import (
	"slices"
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

func codes(r Result) []Code {
	out := make([]Code, 0, len(r.Because))
	for _, b := range r.Because {
		out = append(out, b.Code)
	}
	return out
}

var (
	mails   = []string{"jo@example.com", "k@example.org", "z@example.net"}
	letters = []string{"Merci de me rappeler demain au sujet de mon dossier.", "Je vous écris pour la troisième fois ce mois-ci."}
	states  = []string{"active", "pending", "active", "done"}
	births  = []string{"1984-05-12", "1957-02-03", "2001-08-21"}
	digests = []string{"9f86d081884c7d659a2feaa0c55ad015", "3b7e151628aed2a6abf7158809cf4f3c"}
)

// TestReasons: each reason comes from a column that has it, is in the answer, and goes when what it rests on goes. A reason that nothing undoes would prove
// nothing.
func TestReasons(t *testing.T) {
	type change struct {
		column Column
		kind   personal.Kind // with Confidence Unknown where ask is set
		ask    bool
	}
	seen := map[Code]bool{}
	for _, c := range []struct {
		code         Code
		with, undone change
	}{
		{reasonName,
			change{Column{Name: "courriel", Type: "text"}, personal.Email, false},
			change{Column{Name: "xyzzy", Type: "text"}, personal.Text, true}},
		{reasonSilenced,
			change{Column{Name: "email_count", Type: "text"}, personal.None, false},
			change{Column{Name: "email", Type: "text"}, personal.Email, false}},
		{reasonPersons,
			change{Column{Table: "klanten", Name: "naam", Type: "text"}, personal.FullName, false},
			change{Column{Table: "xyzzy", Name: "naam", Type: "text"}, personal.FullName, true}},
		{reasonThings,
			change{Column{Table: "products", Name: "name", Type: "text"}, personal.None, false},
			change{Column{Table: "customers", Name: "name", Type: "text"}, personal.FullName, false}},
		{reasonNeighbours,
			change{Column{Table: "xyzzy", Name: "name", Type: "text", TableColumns: []string{"name", "birthdate"}}, personal.FullName, false},
			change{Column{Table: "xyzzy", Name: "name", Type: "text", TableColumns: []string{"name", "sku2"}}, personal.FullName, true}},
		{reasonComment,
			change{Column{Name: "xyzzy", Type: "text", Comment: "adresse e-mail du demandeur"}, personal.Email, false},
			change{Column{Name: "xyzzy", Type: "text", Comment: "voir le manuel"}, personal.Text, true}},
		{reasonType,
			change{Column{Name: "xyzzy", Type: "inet"}, personal.IP, false},
			change{Column{Name: "xyzzy", Type: "text"}, personal.Text, true}},
		{reasonUnknownType,
			change{Column{Name: "xyzzy", Type: "frobnitz"}, personal.Text, true},
			change{Column{Name: "xyzzy", Type: "interval"}, personal.None, false}},
		{reasonLabels,
			change{Column{Name: "xyzzy", Type: "xyzzy", Enum: []string{"homme", "femme"}}, personal.Sex, false},
			change{Column{Name: "xyzzy", Type: "xyzzy"}, personal.Text, true}},
		{reasonCheck,
			change{Column{Name: "xyzzy", Type: "text", Checks: []string{`CHECK (xyzzy ~ '^[^@]+@[^@]+$'::text)`}}, personal.Email, false},
			change{Column{Name: "xyzzy", Type: "text", Checks: []string{`CHECK (xyzzy <> ''::text)`}}, personal.Text, true}},
		{reasonReference,
			change{Column{Name: "xyzzy", Type: "text", References: "users.email"}, personal.Email, false},
			change{Column{Name: "xyzzy", Type: "text"}, personal.Text, true}},
		{reasonIdentifier,
			change{Column{Name: "stripe_customer_id", Type: "text"}, personal.Username, false},
			change{Column{Name: "stripe_customer", Type: "text"}, personal.FullName, false}},
		{reasonSamples,
			change{Column{Name: "xyzzy", Type: "text", Samples: mails}, personal.Email, false},
			change{Column{Name: "xyzzy", Type: "text", Samples: states}, personal.None, false}},
		{reasonWithin,
			change{Column{Name: "xyzzy", Type: "text", Samples: []string{"see jo@example.com about it please", "ok"}}, personal.Text, false},
			change{Column{Name: "xyzzy", Type: "text", Samples: []string{"ok", "no"}}, personal.None, false}},
		{reasonSentences,
			change{Column{Name: "xyzzy", Type: "text", Samples: letters}, personal.Text, false},
			change{Column{Name: "xyzzy", Type: "text", Samples: states}, personal.None, false}},
		{reasonCodes,
			change{Column{Name: "xyzzy", Type: "text", Samples: states}, personal.None, false},
			change{Column{Name: "xyzzy", Type: "text", Samples: []string{"Chaise pliante", "Table ronde"}}, personal.Text, true}},
		{reasonOpaque,
			change{Column{Name: "xyzzy", Type: "text", Samples: digests}, personal.Credential, true},
			change{Column{Name: "checksum", Type: "text", Samples: digests}, personal.None, false}},
		{reasonContradicts,
			change{Column{Name: "mail", Type: "text", Samples: states}, personal.Email, true},
			change{Column{Name: "mail", Type: "text", Samples: mails}, personal.Email, false}},
		{reasonBirthYears,
			change{Column{Name: "xyzzy", Type: "date", Samples: births}, personal.BirthDate, true},
			change{Column{Name: "xyzzy", Type: "date", Samples: []string{"2024-01-01", "2023-05-05", "2024-02-02"}}, personal.None, false}},
		{reasonNoSamples,
			change{Column{Name: "xyzzy", Type: "date"}, personal.BirthDate, true},
			change{Column{Name: "due_date", Type: "date"}, personal.None, false}},
		{reasonNotKnown,
			change{Column{Name: "xyzzy", Type: "text"}, personal.Text, true},
			change{Column{Name: "status", Type: "text"}, personal.None, false}},
		{reasonDocument,
			change{Column{Name: "xyzzy", Type: "jsonb"}, personal.Text, true},
			change{Column{Name: "xyzzy", Type: "bytea"}, personal.File, false}},
		{reasonPath,
			change{Column{Name: "xyzzy", Type: "jsonb", Samples: []string{`{"email":"jo@example.com"}`}}, personal.Text, false},
			change{Column{Name: "xyzzy", Type: "jsonb", Samples: []string{`{"enabled":true}`}}, personal.None, false}},
	} {
		seen[c.code] = true
		for i, ch := range []change{c.with, c.undone} {
			r := Detect(ch.column)
			if r.Kind != ch.kind || r.Question() != ch.ask {
				t.Errorf("%s, %d: %s %s because %v, want %s (question: %v)", c.code, i, r.Confidence, r.Kind, r.Because, ch.kind, ch.ask)
			}
			if has := slices.Contains(codes(r), c.code); has != (i == 0) {
				t.Errorf("%s, %d: reasons %v", c.code, i, codes(r))
			}
		}
	}
	for code, text := range sentences {
		if text[0] == "" || text[1] == "" || text[0] == text[1] {
			t.Errorf("%s: wants a sentence in both languages", code)
		}
		if !seen[code] && code != reasonMalformed && code != reasonKeys { // these two: TestDetectJSON
			t.Errorf("%s: no column shows it and none undoes it", code)
		}
		r := Reason{Code: code, Word: "mot", Hit: 3, Of: 4}
		for _, said := range []string{r.French(), r.English()} {
			if strings.Contains(said, "%") || said == "" {
				t.Errorf("%s: %q", code, said)
			}
		}
	}
}

// TestEachKind: every kind is found by a name alone, in at least two languages where it has them, never with more than Fair; and by samples alone, or by
// the type, where its values show it.
func TestEachKind(t *testing.T) {
	names := map[personal.Kind][]string{
		personal.GivenName:      {"first_name", "prénom", "voornaam", "Vorname"},
		personal.FamilyName:     {"lastName", "nom_de_famille", "achternaam", "Nachname"},
		personal.FullName:       {"full_name", "nom_complet", "volledige_naam", "Ansprechpartner"},
		personal.Username:       {"username", "nom_utilisateur", "gebruikersnaam", "benutzername"},
		personal.Email:          {"e-mail", "courriel", "emailadres", "E-Mail-Adresse"},
		personal.Phone:          {"phone_number", "numéro_téléphone", "gsm_nummer", "Telefonnummer"},
		personal.IBAN:           {"iban", "compte_bancaire", "rekeningnummer", "kontonummer"},
		personal.Card:           {"card_number", "numero_carte", "kaartnummer", "kreditkartennummer"},
		personal.NationalNumber: {"ssn", "numero_registre_national", "rijksregisternummer", "Steuer-ID", "niss", "bsn"},
		personal.IdentityPaper:  {"passport_no", "carte_identité", "nummerplaat", "Ausweisnummer"},
		personal.Address:        {"street_address", "rue", "straatnaam", "Straße", "Hausnummer"},
		personal.Postcode:       {"zip", "code_postal", "postcode", "PLZ"},
		personal.Town:           {"city", "ville", "gemeente", "Wohnort"},
		personal.Coordinates:    {"latitude", "coordonnées", "lengtegraad", "Breitengrad"},
		personal.IP:             {"ip", "adresse_ip", "ipAddress", "last_sign_in_ip"},
		personal.Device:         {"device_id", "user_agent", "imei", "cookie"},
		personal.BirthDate:      {"dob", "date_naissance", "geboortedatum", "Geburtsdatum"},
		personal.Sex:            {"gender", "sexe", "geslacht", "Geschlecht"},
		personal.Special:        {"religion", "groupe_sanguin", "vakbond", "Krankheit"},
		personal.Credential:     {"password_hash", "mot_de_passe", "wachtwoord", "Passwort", "otp_secret", "recovery_codes"},
		personal.PersonURL:      {"avatar_url", "photo", "profielfoto", "Profilbild"},
		personal.Text:           {"comment", "remarques", "opmerkingen", "Bemerkung"},
		personal.File:           {"attachment", "pièce_jointe", "bijlage", "Anhang"},
	}
	for _, k := range personal.Kinds() {
		if len(names[k]) < 4 {
			t.Errorf("%s: no names to try", k)
		}
		for _, name := range names[k] {
			if r := Detect(Column{Table: "xyzzy", Name: name, Type: "text"}); r.Kind != k || r.Question() || r.Confidence > Fair || r.Class != k.Class() {
				t.Errorf("%s: %q is %s (%s) because %v", k, name, r.Kind, r.Confidence, r.Because)
			}
		}
	}
	sets := map[string][]string{}
	for _, line := range corpusLines(t, "samples.txt") {
		name, values, _ := strings.Cut(line, " ")
		sets[name] = strings.Split(values, " | ")
	}
	for set, k := range map[string]personal.Kind{
		"email": personal.Email, "phone_be": personal.Phone, "phone_fr": personal.Phone, "phone_nl": personal.Phone, "phone_de": personal.Phone, "phone_ch": personal.Phone, "phone_uk": personal.Phone,
		"phone_us": personal.Phone, "phone_e164": personal.Phone, "iban": personal.IBAN, "card": personal.Card, "nrn": personal.NationalNumber, "nir": personal.NationalNumber, "ahv": personal.NationalNumber,
		"ssn": personal.NationalNumber, "full_fr": personal.FullName, "full": personal.FullName, "given_fr": personal.GivenName, "given_nl": personal.GivenName, "given_de": personal.GivenName,
		"family_fr": personal.FamilyName, "family_nl": personal.FamilyName, "family_de": personal.FamilyName, "family_en": personal.FamilyName, "address_fr": personal.Address, "address_nl": personal.Address,
		"street_fr": personal.Address, "street_de": personal.Address, "postcode_uk": personal.Postcode, "town_fr": personal.Town, "town_nl": personal.Town, "town_de": personal.Town, "ip": personal.IP, "ua": personal.Device,
		"mac": personal.Device, "bcrypt": personal.Credential, "jwt": personal.Credential, "pem": personal.Credential, "url_avatar": personal.PersonURL, "url_profile": personal.PersonURL, "handle": personal.Username,
		"sex_en": personal.Sex, "civility_fr": personal.Sex, "religion": personal.Special, "blood": personal.Special, "sentence_fr": personal.Text, "sentence_nl": personal.Text,
	} {
		if r := Detect(Column{Name: "xyzzy", Type: "text", Samples: sets[set]}); r.Kind != k {
			t.Errorf("samples %s: %s (%s) because %v, want %s", set, r.Kind, r.Confidence, r.Because, k)
		}
	}
}

// TestFalseFriends: names that hold a word of personal data and are none, and names that look harmless and are not.
func TestFalseFriends(t *testing.T) {
	for _, c := range []struct {
		table, name, typ string
		want             personal.Kind
	}{
		{"products", "name", "text", personal.None}, {"servers", "address", "text", personal.None}, {"llm_requests", "token_count", "integer", personal.None},
		{"settings", "mail_template", "text", personal.None}, {"users", "phone_verified", "boolean", personal.None}, {"users", "email_sent_at", "timestamp with time zone", personal.None},
		{"users", "password_changed_at", "timestamptz", personal.None}, {"orders", "state", "text", personal.None}, {"invoices", "number", "text", personal.None},
		{"users", "public_key", "text", personal.None}, {"countries", "name", "text", personal.None}, {"users", "avatar_content_type", "varchar", personal.None},
		{"users", "nb_emails", "integer", personal.None}, {"clients", "type_adresse", "text", personal.None}, {"users", "company_name", "text", personal.None},
		{"users", "city_id", "bigint", personal.None}, {"users", "id", "uuid", personal.None}, {"phone_numbers", "number", "text", personal.Phone},
		{"individuals", "nom", "text", personal.FullName}, {"users", "is_handicape", "boolean", personal.None}, {"users", "handicap", "boolean", personal.Special},
		{"patients", "diagnosis_id", "integer", personal.Special}, {"orders", "email", "text", personal.Email}, {"channel", "smtp_password", "bytea", personal.Credential},
	} {
		if r := Detect(Column{Table: c.table, Name: c.name, Type: c.typ}); r.Kind != c.want || r.Question() {
			t.Errorf("%s.%s %s: %s (%s) because %v, want %s", c.table, c.name, c.typ, r.Kind, r.Confidence, r.Because, c.want)
		}
	}
}

// TestFailsClosed: what is not understood is a question, whose kind is not harmless.
func TestFailsClosed(t *testing.T) {
	for _, c := range []Column{
		{Name: "xyzzy", Type: "text"}, {Name: "xyzzy", Type: "varchar(20)"}, {Name: "", Type: ""}, {Name: "xyzzy", Type: "text[]"}, {Name: "xyzzy", Type: "some_domain"}, {Name: "xyzzy", Type: "jsonb"},
		{Table: "xyzzy", Name: "name", Type: "text"}, {Name: "xyzzy", Type: "text", Samples: []string{"Foo Barbaz", "Quux Corge"}}, {Name: "status", Type: "text", Samples: letters},
		{Name: "label", Type: "text", Samples: []string{"jo@example.com called", "b"}}, {Name: "xyzzy", Type: "bigint", Samples: []string{"84051234527", "91113001209", "03082111780"}},
		{Name: "xyzzy", Type: "text", Samples: []string{""}}, {Name: "phase", Type: "phase", Enum: []string{"diabetes", "asthma"}},
	} {
		if r := Detect(c); !r.Question() || r.Kind == personal.None || r.Class == personal.Harmless {
			t.Errorf("%+v: %s %s because %v", c, r.Confidence, r.Kind, r.Because)
		}
	}
	for _, typ := range []string{"bytea", "inet", "macaddr", "point", "tsvector", "public.geometry(Point,4326)", "_inet"} {
		if r := Detect(Column{Name: "xyzzy", Type: typ}); r.Kind == personal.None {
			t.Errorf("%s is harmless", typ)
		}
	}
}

// TestSamplesAgree: a name and samples that agree give more than a name, and reasons hold no sample.
func TestSamplesAgree(t *testing.T) {
	alone := Detect(Column{Name: "email", Type: "text"})
	both := Detect(Column{Name: "email", Type: "text", Samples: mails})
	if alone.Confidence != Fair || both.Confidence != Strong {
		t.Errorf("%s and %s", alone.Confidence, both.Confidence)
	}
	for _, r := range both.Because {
		for _, m := range mails {
			if strings.Contains(r.French()+r.English()+r.Word, m) {
				t.Errorf("a reason holds a sample: %v", r)
			}
		}
	}
	if r := Detect(Column{Name: "sexe", Type: "bpchar", Checks: []string{`CHECK ((sexe = ANY (ARRAY['M'::bpchar, 'F'::bpchar])))`}}); r.Kind != personal.Sex || r.Confidence != Strong {
		t.Errorf("%s %s", r.Kind, r.Confidence)
	}
}

// TestSchemaAndUnique: a schema for logins makes a key a secret; a unique column that nobody understands may tell persons apart.
func TestSchemaAndUnique(t *testing.T) {
	for schema, want := range map[string]bool{"auth": false, "public": true} {
		if r := Detect(Column{Schema: schema, Table: "xyzzy", Name: "key", Type: "text"}); r.Kind != personal.Credential || r.Question() != want {
			t.Errorf("%s: %s %s", schema, r.Confidence, r.Kind)
		}
	}
	for _, unique := range []bool{false, true} {
		if r := Detect(Column{Name: "xyzzy", Type: "text", Unique: unique}); slices.Contains(r.Alternatives, personal.Username) != unique {
			t.Errorf("unique %v: %v", unique, r.Alternatives)
		}
	}
}

func TestDetectJSON(t *testing.T) {
	paths := map[string]Path{}
	for _, p := range DetectJSON([]string{
		`{"contact":{"email":"jo@example.com","name":"Emily Clarke","a.b":"x"},"items":[{"sku":"A1","note":"call 0470 12 34 56"},{"sku":"B2"}],"n":3,"ok":true,"nil":null,"jo@example.com":{"role":"admin"}}`,
		`{"contact":{"email":"k@example.org","phone":"+32470123456"},"tags":["x","y"],"k@example.org":{"role":"user"},"deep":[[{"ip":"203.0.113.7"}]]}`,
	}) {
		key := p.Path
		if p.Keys {
			key += " (keys)"
		}
		paths[key] = p
	}
	for path, want := range map[string]personal.Kind{
		"contact.email": personal.Email, "contact.name": personal.FullName, "contact.phone": personal.Phone, "items[].note": personal.Text, "items[].sku": personal.None, "n": personal.None,
		"ok": personal.None, "*.role": personal.None, "* (keys)": personal.Email, "deep[][].ip": personal.IP, "tags[]": personal.None, `contact."a.b"`: personal.Text,
	} {
		p, ok := paths[path]
		if !ok || p.Kind != want {
			t.Errorf("%s: %v %s because %v, want %s", path, ok, p.Kind, p.Because, want)
		}
		delete(paths, path)
	}
	if p := paths["nil"]; !p.Question() {
		t.Errorf("a path that was only ever null: %s %s", p.Confidence, p.Kind)
	}
	delete(paths, "nil")
	if len(paths) > 0 {
		t.Errorf("more paths: %v", paths)
	}
	for _, bad := range []string{`{"a":`, `{} {}`, "\x00", "", strings.Repeat("[", 70) + "1" + strings.Repeat("]", 70), `"` + strings.Repeat("a", longestJSON) + `"`} {
		got := DetectJSON([]string{bad})
		if len(got) != 1 || !got[0].Question() || got[0].Because[0].Code != reasonMalformed {
			t.Errorf("%.20q: %v", bad, got)
		}
	}
	if got := DetectJSON([]string{`"jo@example.com"`}); len(got) != 1 || got[0].Path != "" || got[0].Kind != personal.Email {
		t.Errorf("a document that is a string: %v", got)
	}
}
