package detect

import (
	"strings"
	"sync"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// A subject is what a table, or a word, is about.
type subject uint8

const (
	ofNobodyKnows subject = iota
	ofPersons
	ofThings
	ofCompanies
	ofMachines
	ofMails
	ofPhones
	ofSecrets
	ofAddresses
)

// subjects tells what a table is about, by the words of its name. To add a word, add it to its line, folded, in the singular.
var subjects = sync.OnceValue(func() map[string]subject {
	words := map[string]subject{}
	for s, text := range map[subject]string{ //nolint:gosec // words, no credentials
		ofPersons: `user person people human individual individu customer client contact member patient employee staff candidate applicant student pupil teacher
			instructor instructeur administrateur gestionnaire expert agent author owner guest visitor attendee participant subscriber voter volunteer donor tenantmember
			actor artist driver doctor physician nurse provider relative spouse child parent guardian player athlete admin superadmin manager lead prospect recipient
			beneficiary insured passenger signatory witness speaker lawyer judge officer resident citizen follower friend profile identity
			utilisateur personne usager adherent salarie employe beneficiaire eleve etudiant enfant medecin assure candidat membre locataire proprietaire demandeur
			benevole donateur habitant electeur responsable titulaire abonne invite auteur
			gebruiker klant persoon persoonsgegeven medewerker werknemer leerling kind lid leden bewoner burger huurder eigenaar deelnemer vrijwilliger arts
			benutzer nutzer kunde mitarbeiter mitarbeitende mitarbeitenden personen mitglied mitglieder schueler lehrer arzt teilnehmer bewerber angestellte mieter einwohner buerger versicherter
			socpeople partnerperson crew colleague boss mother father sender approver assignee holder card`,
		ofThings: `product article item film movie book song category tag label genre role permission group feature flag setting config configuration option event webhook job task
			queue workflow step run plan price order line invoice payment shipment shipping refund return cart stock inventory variant sku taxon taxonomy property attribute type
			status state country language currency unit form survey question quota segment chart dashboard widget template rule policy procedure service zone region
			token key report export import migration version release tax rate discount promotion coupon rental asset project milestone repository branch commit package
			ticket board column channel topic post page menu theme layout emoji sticker game level quest badge achievement course lesson exam grade room building vehicle
			machine sensor film language integration application app oauthapplication resource scope concept drug program cohort relationship 
			presentation dossier demarche produit categorie commande facture paiement livraison etiquette evenement tache formulaire modele parametre
			bestelling factuur betaling artikel rechnung bestellung zahlung kategorie einstellung document fichier file attachment blob
			wordlist keyword metric measurement schedule cron filter term glossary announcement action chapter lease ticker dispatcher`,
		ofCompanies: `company companies organization organisation societe entreprise etablissement firm business bedrijf firma unternehmen vendor supplier fournisseur leverancier lieferant
			manufacturer brand merchant shop store magasin winkel laden school ecole university hospital hopital clinic bank association club team tenant workspace
			account department departement agency agence office bureau municipality gemeente commune partner soc thirdparty tiers division site`,
		ofMachines:  `server host node machine vm instance cluster database smtp imap pop ftp ldap mailserver endpoint gateway proxy router switch interface listener relay`,
		ofMails:     `mail email message mailing letter newsletter outbox inbound notification transfer correspondence courriel bericht nachricht`,
		ofPhones:    `phone telephone number tel sms call telefoon telefon`,
		ofSecrets:   `credential secret apikey password auth oauth totp otp twofactor vault keystore jwks mfa`,
		ofAddresses: `address adresse adres anschrift`,
	} {
		for w := range strings.FieldsSeq(text) {
			words[w] = s
		}
	}
	return words
})

// about reads a word, in the singular or the plural of the four languages.
func about(word string) subject {
	known := subjects()
	if s, ok := known[word]; ok {
		return s
	}
	for _, ending := range [...]string{"s", "es", "x", "en", "n", "e", "er"} {
		if stem, ok := strings.CutSuffix(word, ending); ok && len(stem) > 2 {
			if s, ok := known[stem]; ok {
				return s
			}
		}
	}
	if stem, ok := strings.CutSuffix(word, "ies"); ok {
		return known[stem+"y"]
	}
	return ofNobodyKnows
}

// A context is what stands around a column.
type context struct {
	table   subject
	word    string                   // of the table's name that says so
	mails   bool                     // a word of the table or a column beside it is about letters
	phones  bool                     // the table is about telephones
	secrets bool                     // the table is about secrets
	beside  map[personal.Kind]string // kinds of the columns beside, by their names alone, with a name each
	things  string                   // a column beside that only things have
	lives   bool                     // a column beside is a part of an address
}

// Names are the names of a table's columns, read once for all of them.
type Names struct {
	names  []string
	senses []sense
}

// NamesOf reads the names of a table's columns.
func NamesOf(columns []string) *Names {
	n := &Names{names: columns, senses: make([]sense, len(columns))}
	for i, name := range columns {
		n.senses[i] = read(split(name))
	}
	return n
}

func contextOf(c *Column) context {
	ctx := context{beside: map[personal.Kind]string{}}
	for _, w := range split(c.Schema) {
		ctx.secrets = ctx.secrets || w == "auth" || about(w) == ofSecrets
	}
	words := split(c.Table)
	for i := len(words) - 1; i >= 0; i-- {
		s := about(words[i])
		switch s {
		case ofMails:
			ctx.mails = true
		case ofPhones:
			ctx.phones = true
		case ofSecrets:
			ctx.secrets = true
		}
		if words[i] == "token" || words[i] == "tokens" || words[i] == "api" {
			ctx.secrets = true
		}
		if s == ofPersons && strings.HasPrefix(words[i], "client") && machine(words) {
			s = ofThings // of an API
		}
		if s != ofNobodyKnows && ctx.table == ofNobodyKnows {
			ctx.table, ctx.word = s, words[i]
		}
	}
	if joined := strings.Join(words, ""); ctx.table == ofNobodyKnows {
		if s := about(joined); s != ofNobodyKnows {
			ctx.table, ctx.word = s, joined
		}
	}
	beside := c.Beside
	if beside == nil {
		beside = NamesOf(c.TableColumns)
	}
	for i, name := range beside.names {
		if name == c.Name {
			continue
		}
		m := beside.senses[i]
		if m.known && !m.weak && !m.silent && m.kind != personal.None {
			if _, ok := ctx.beside[m.kind]; !ok {
				ctx.beside[m.kind] = name
			}
		}
		switch strings.ToLower(name) {
		case "sku", "price", "prix", "prijs", "preis", "stock", "quantity", "weight", "barcode", "ean", "isbn", "icon", "color", "colour", "couleur", "slug", "position", "manufacturer", "port", "hostname":
			ctx.things = name
		case "subject", "cc", "bcc", "body", "reply_to", "html_body", "text_body", "recipients", "message_id", "betreff", "onderwerp":
			ctx.mails = true
		}
		switch m.kind {
		case personal.Postcode, personal.Town, personal.Address:
			ctx.lives = ctx.lives || m.known && !m.silent && (!m.weak || m.kind == personal.Address)
		}
	}
	if ctx.table == ofAddresses {
		ctx.lives = true
	}
	if strings.HasPrefix(ctx.word, "account") { // of a company, or of the person whose login it is
		for _, k := range [...]personal.Kind{personal.Username, personal.GivenName, personal.FamilyName, personal.BirthDate} {
			if name, ok := ctx.beside[k]; ok {
				ctx.table, ctx.word = ofPersons, name
			}
		}
	}
	return ctx
}

// person tells whether a row is about a person, and the reason.
func (x *context) person() (bool, []Reason) {
	switch x.table {
	case ofPersons:
		return true, because(reasonPersons, x.word)
	case ofNobodyKnows, ofAddresses, ofMails, ofPhones, ofSecrets:
		for _, k := range [...]personal.Kind{personal.BirthDate, personal.GivenName, personal.FamilyName, personal.NationalNumber, personal.Email, personal.Phone, personal.Username, personal.Sex, personal.Card} {
			if name, ok := x.beside[k]; ok {
				return true, because(reasonNeighbours, name)
			}
		}
	}
	return false, nil
}

// thing tells whether a row is about a thing, a company or a machine, and the reason.
func (x *context) thing() (bool, []Reason) {
	switch x.table {
	case ofThings, ofCompanies, ofMachines:
		return true, because(reasonThings, x.word)
	case ofPersons:
		return false, nil
	}
	if x.things != "" {
		return true, because(reasonNeighbours, x.things)
	}
	return false, nil
}

// ofEvent tells the name of a day on which something happens to a thing: due_date, inschrijvingsdatum, valid_from.
func ofEvent(name string) bool {
	for _, w := range split(name) {
		switch w {
		case "at", "on", "since", "until", "from", "to", "le", "op", "am", "bis", "du", "au", "tot", "vanaf":
			return true
		}
		if strings.Contains(w, "date") || strings.Contains(w, "datum") || strings.HasSuffix(w, "dt") {
			return true
		}
	}
	return false
}
