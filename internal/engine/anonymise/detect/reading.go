package detect

import (
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// A reading is what the name of a column, with what stands around it, says.
type reading struct {
	kind       personal.Kind
	confidence Confidence
	because    []Reason
	others     []personal.Kind // what else it may be
	word       string          // of the vocabulary
	weak       bool
	silent     bool // a word beside it made it harmless
}

// A sense is what the words of a name say by themselves.
type sense struct {
	meaning
	word       string // as it stands in the vocabulary
	text       string // as it stands in the name
	start, end int    // words of the name
	known      bool
	torn       bool // a weak word, and the head of the name is harmless
}

// longestTerm is how many words of a name make one of the vocabulary.
const longestTerm = 5

// silentBefore are the words that make harmless what follows them: nb_emails, type_adresse, is_admin. Others only do after: email_count.
var silentBefore = []string{"nb", "nbr", "nombre", "aantal", "anzahl", "count", "type", "typ", "modele", "max", "min", "is", "has", "can", "show", "hide", "allow", "notify", "enable",
	"use", "statut", "status", "template", "sjabloon", "vorlage", "format", "envoi", "envoye", "total", "require", "requires"}

// read finds what the words of a name say: the term that is worth most, unless a word beside it makes it harmless.
func read(words []string) sense {
	dict := vocabulary()
	var terms []sense
	for i := 0; i < len(words); {
		n := min(longestTerm, len(words)-i)
		for ; n > 0; n-- {
			m, ok := dict[strings.Join(words[i:i+n], "")]
			if !ok && n > 1 && isDigit(words[i+n-1][0]) { // address 6
				m, ok = dict[strings.Join(words[i:i+n-1], "")]
			}
			if ok {
				terms = append(terms, sense{meaning: m, word: strings.Join(words[i:i+n], ""), text: strings.Join(words[i:i+n], "_"), start: i, end: i + n, known: true})
				break
			}
		}
		if n == 0 {
			n = 1
		}
		i += n
	}
	var best sense
	value := -1
	for _, t := range terms {
		if v := t.worth(); !t.silent && v >= value { // of two that are worth the same, the later: the head of an English name
			best, value = t, v
		}
	}
	for _, t := range terms { // the head of an English name stands last: avatar_content_type; a weak word before it may be that or nothing: location_incoterms
		if !best.known || t.start < best.end || t.kind != personal.None || t.silent {
			continue
		}
		if t.end-t.start > 1 {
			best = t
		} else if best.weak && t.end == len(words) {
			best.torn = true
		}
	}
	for _, t := range terms {
		if !t.silent || best.known && t.start < best.end && !slices.Contains(silentBefore, t.word) {
			continue
		}
		if !best.known || best.kind != personal.None || best.weak {
			text := t.text
			best = sense{meaning: meaning{kind: personal.None, silent: true}, word: t.word, text: text, known: true}
		}
		break
	}
	return best
}

// worth orders the terms of one name: an e-mail address of an emergency contact is an e-mail address.
func (t sense) worth() int {
	if t.weak {
		return 2
	}
	switch t.kind {
	case personal.None:
		if t.end-t.start > 1 {
			return 3
		}
		return 1
	case personal.Text, personal.File:
		return 4
	case personal.GivenName, personal.FamilyName, personal.FullName, personal.Username, personal.Town:
		return 5
	case personal.Address:
		return 6
	case personal.Special:
		return 7
	default:
		return 8
	}
}

// named reads the name of a column where it stands; then its foreign key, its comment and its checks.
func (x *context) named(c *Column, t typed) reading {
	words := split(c.Name)
	m := read(words)
	r := x.resolve(c, t, words, m)
	if to := c.References; to != "" && (r.confidence == Unknown || r.kind == personal.None || r.weak) {
		table, column, _ := strings.Cut(to, ".")
		if target := read(split(column)); target.known && !target.weak && !target.silent && target.kind != personal.None && t.family == ofText {
			return reading{kind: target.kind, confidence: Fair, because: because(reasonReference, table+"."+column), word: target.word}
		}
		return reading{kind: personal.None, confidence: Fair, because: because(reasonReference, table)}
	}
	if r.confidence <= Weak && c.Comment != "" {
		if said := read(split(c.Comment)); said.known && !said.weak && !said.silent && said.kind != personal.None && said.kind != r.kind {
			return reading{kind: said.kind, confidence: Weak, because: append(r.because, because(reasonComment, said.text)...), word: said.word, others: append(r.others, r.kind)}
		}
	}
	if r.confidence == Unknown {
		for _, check := range c.Checks {
			if strings.Contains(check, "@") && strings.Contains(check, "~") {
				return reading{kind: personal.Email, confidence: Weak, because: because(reasonCheck, "")}
			}
		}
	}
	return r
}

// resolve says what the words of a name mean where they stand.
func (x *context) resolve(c *Column, t typed, words []string, m sense) reading {
	switch {
	case m.known && m.silent:
		return reading{kind: personal.None, confidence: Fair, because: because(reasonSilenced, m.text), word: m.word, silent: true}
	case m.known && !m.weak && m.kind == personal.None:
		if t.family == ofText && isReference(words) {
			return x.reference(words)
		}
		return reading{kind: personal.None, confidence: Fair, because: because(reasonName, m.text), word: m.word}
	case isReference(words) && (!m.known || m.weak || m.end < len(words) && t.family == ofText && m.kind != personal.Special):
		return x.reference(words)
	case m.known && !m.weak:
		return x.strong(t, m)
	case m.torn:
		return reading{kind: m.kind, confidence: Unknown, because: because(reasonName, m.text), word: m.word, weak: true, others: []personal.Kind{personal.None}}
	case m.known:
		return x.weakly(words, m)
	}
	return reading{kind: personal.Text, confidence: Unknown, because: because(reasonNotKnown, ""), others: []personal.Kind{personal.None}}
}

// strong are the words that mean one thing, but for a few that the neighbours decide.
func (x *context) strong(t typed, m sense) reading {
	r := reading{kind: m.kind, confidence: Fair, because: because(reasonName, m.text), word: m.word}
	if m.word == "accountname" || m.word == "displayname" && x.table == ofThings {
		if thing, why := x.thing(); thing {
			return reading{kind: personal.None, confidence: Fair, because: append(r.because, why...), word: m.word}
		}
	}
	if m.word == "city" && x.table == ofNobodyKnows && t.family != ofText {
		r.confidence = Weak
	}
	return r
}

// isReference tells the name of an identifier: user_id, teamIds, account_uuid.
func isReference(words []string) bool {
	if len(words) == 0 {
		return false
	}
	switch words[len(words)-1] {
	case "id", "ids", "uuid", "guid", "sid", "rowid", "pk", "fk", "uuids":
		return true
	}
	return words[0] == "fk" || words[0] == "rowid"
}

// reference: the identifier of a row is harmless; one that another service gave to a person leads to that person.
func (x *context) reference(words []string) reading {
	r := reading{kind: personal.None, confidence: Fair, because: because(reasonIdentifier, "")}
	if len(words) < 2 || words[0] == "fk" {
		return r
	}
	outside := x.secrets && words[0] == "credential" // of a passkey
	for _, w := range words[:len(words)-1] {
		switch w {
		case "external", "provider", "google", "facebook", "github", "gitlab", "apple", "stripe", "slack", "azure", "ldap", "oauth", "openid", "idp", "saml", "france", "connect", "particulier",
			"keycloak", "auth", "auth0", "gateway", "remote", "foreign", "oidc", "microsoft", "linkedin", "twitter", "hubspot", "salesforce", "intercom", "extern", "externe":
			outside = true
		}
	}
	if !outside {
		return r
	}
	for _, w := range words[:len(words)-1] {
		if about(w) == ofPersons || w == "account" || w == "connect" || x.secrets {
			return reading{kind: personal.Username, confidence: Weak, because: append(r.because, because(reasonName, w)...), weak: true, others: []personal.Kind{personal.Device, personal.None}}
		}
	}
	return r
}

// weakly: words that mean something only where they stand.
func (x *context) weakly(words []string, m sense) reading {
	r := reading{kind: m.kind, confidence: Weak, because: because(reasonName, m.text), word: m.word, weak: true}
	person, persons := x.person()
	thing, things := x.thing()
	none := func(why []Reason) reading {
		return reading{kind: personal.None, confidence: Fair, because: append(r.because, why...), word: m.word, weak: true}
	}
	open := func(others ...personal.Kind) reading {
		r.confidence, r.others = Unknown, slices.Concat(others, []personal.Kind{personal.None})
		return r
	}
	is := func(k personal.Kind, c Confidence, why []Reason, others ...personal.Kind) reading {
		r.kind, r.confidence, r.because, r.others = k, c, append(r.because, why...), others
		return r
	}
	switch m.kind {
	case personal.FullName:
		return x.nameOf(words, m, r)
	case personal.Username:
		if m.word == "login" || m.word == "user" || strings.HasSuffix(m.word, "login") || m.word == "utilisateur" || m.word == "benutzer" || m.word == "gebruiker" {
			return is(personal.Username, Fair, nil, personal.Email)
		}
		if person {
			return is(personal.Username, Weak, persons, personal.NationalNumber, personal.None)
		}
		if thing && !x.secrets {
			return none(things)
		}
		return open()
	case personal.Address:
		if machine(words) || x.table == ofMachines {
			return none(because(reasonThings, "server"))
		}
		if m.word == "address" || m.word == "adresse" || m.word == "addr" {
			if x.mails && x.table == ofMails && !x.lives {
				return is(personal.Email, Weak, nil, personal.Address)
			}
			return is(personal.Address, Fair, nil)
		}
		if person {
			return is(personal.Town, Weak, persons, personal.Address, personal.None)
		}
		return open(personal.Town)
	case personal.Town:
		if x.lives && x.table != ofMachines {
			return is(personal.Town, Weak, because(reasonNeighbours, x.addressBeside()))
		}
		if person && (m.word == "ort" || m.word == "plaats") {
			return is(personal.Town, Weak, persons)
		}
		if thing {
			return none(things)
		}
		return open()
	case personal.Phone:
		if x.phones {
			return is(personal.Phone, Weak, because(reasonThings, x.word))
		}
		if thing {
			return none(things)
		}
		return open()
	case personal.Credential:
		for _, w := range words {
			switch w {
			case "api", "auth", "secret", "private", "webhook", "webhooks", "webservices", "encryption", "signing", "license", "activation", "access", "recovery", "verification", "confirmation",
				"reset", "invite", "invitation", "password", "token", "totp", "otp", "mfa", "session", "ssl", "ssh", "tls", "login":
				return is(personal.Credential, Fair, because(reasonName, w))
			}
		}
		if x.secrets {
			return is(personal.Credential, Weak, because(reasonThings, x.word))
		}
		if _, ok := x.beside[personal.Credential]; ok && m.word != "code" {
			return is(personal.Credential, Weak, because(reasonNeighbours, x.beside[personal.Credential]))
		}
		if thing && m.word != "hash" {
			return none(things)
		}
		return open()
	case personal.PersonURL:
		if person && m.end-m.start < len(words) { // resume_link, contact_form_url
			return open()
		}
		if person {
			return is(personal.PersonURL, Weak, persons, personal.None)
		}
		if thing {
			return none(things)
		}
		return open()
	case personal.BirthDate:
		return is(personal.BirthDate, Weak, nil)
	case personal.Text:
		if (m.word == "title" || m.word == "titel" || m.word == "titre") && person {
			for _, k := range [...]personal.Kind{personal.FamilyName, personal.GivenName} {
				if name, ok := x.beside[k]; ok {
					return is(personal.Sex, Weak, because(reasonNeighbours, name), personal.Text, personal.None)
				}
			}
		}
		return is(personal.Text, Weak, nil, personal.None)
	}
	return r
}

func (x *context) addressBeside() string {
	for _, k := range [...]personal.Kind{personal.Postcode, personal.Town, personal.Address} {
		if name, ok := x.beside[k]; ok {
			return name
		}
	}
	return x.word
}

// machine tells words that make an address one of a machine.
func machine(words []string) bool {
	for _, w := range words {
		switch w {
		case "imap", "smtp", "pop", "pop3", "ftp", "sftp", "ldap", "server", "host", "http", "https", "web", "contract", "bind", "listen", "memory", "bitcoin", "wallet", "ethereum", "rpc", "grpc", "db", "database", "redis", "oauth", "api", "rest", "saml":
			return true
		}
	}
	return false
}

// nameOf reads "name" and the words for a role: whose is it?
func (x *context) nameOf(words []string, m sense, r reading) reading {
	person, persons := x.person()
	thing, things := x.thing()
	plainName := m.word == "name" || m.word == "nom" || m.word == "naam" || m.word == "names" || m.word == "noms" || m.word == "namen"
	r.others = []personal.Kind{personal.Username, personal.Email, personal.None}
	if plainName {
		for i, w := range words {
			if i >= m.start && i < m.end {
				continue
			}
			switch about(w) {
			case ofPersons:
				r.confidence, r.because = Fair, append(r.because, because(reasonPersons, w)...)
				return r
			case ofThings, ofCompanies, ofMachines, ofMails, ofSecrets:
				if given, ok := x.beside[personal.GivenName]; ok && slices.Contains(split(given), w) { // entreprise_nom beside entreprise_prenom
					r.kind, r.confidence, r.because = personal.FamilyName, Fair, append(r.because, because(reasonNeighbours, given)...)
					return r
				}
				return reading{kind: personal.None, confidence: Fair, because: append(r.because, because(reasonThings, w)...), word: m.word, weak: true}
			}
			if known, ok := vocabulary()[w]; ok && known.kind == personal.None && !known.silent {
				return reading{kind: personal.None, confidence: Fair, because: append(r.because, because(reasonThings, w)...), word: m.word, weak: true}
			}
		}
		switch {
		case person:
			r.confidence, r.because = Fair, append(r.because, persons...)
			_, given := x.beside[personal.GivenName]
			if _, family := x.beside[personal.FamilyName]; given && !family {
				r.kind = personal.FamilyName
				r.because = append(r.because, because(reasonNeighbours, x.beside[personal.GivenName])...)
			} else if family && !given {
				r.others = append(r.others, personal.GivenName)
			}
			return r
		case thing:
			return reading{kind: personal.None, confidence: Fair, because: append(r.because, things...), word: m.word, weak: true}
		}
		r.confidence = Unknown
		return r
	}
	switch m.word {
	case "from", "to", "sender", "recipient", "recipients", "destinataire", "attn":
		if x.mails {
			r.kind, r.others = personal.Email, []personal.Kind{personal.FullName, personal.None}
			r.because = append(r.because, because(reasonThings, x.word)...)
			return r
		}
		if m.word == "from" || m.word == "to" {
			r.confidence = Unknown
		}
	case "prefix", "suffix", "letters":
		if !person {
			return reading{kind: personal.Text, confidence: Unknown, because: r.because, word: m.word, weak: true, others: r.others}
		}
		r.because = append(r.because, persons...)
	}
	return r
}
