package personal

import (
	"slices"
	"strings"
	"testing"
)

func TestDetect(t *testing.T) {
	for line, want := range map[string]Kind{
		// schema.table.column type
		"customer.applicant.first_name text":                  Name,
		"customer.applicant.FirstName text":                   Name,
		"public.users.name character varying(80)":             Name,
		"public.personne.nom text":                            Name,
		"public.personne.prénom text":                         Name,
		"public.klanten.achternaam text":                      Name,
		"public.kunde.Nachname text":                          Name,
		"public.demande.nom_de_famille text":                  Name,
		"public.invoice.contact_name text":                    Name,
		"billing.invoice.contactEmail citext":                 Email,
		"public.t.e_mail text":                                Email,
		"public.t.courriel text":                              Email,
		"public.t.emails text[]":                              Email,
		"public.t.EMAIL_ADDRESS character varying(255)":       Email,
		"public.t.emailadres text":                            Email,
		"public.t.telefoonnummer text":                        Phone,
		"public.t.phone2 bigint":                              Phone,
		"public.t.gsm text":                                   Phone,
		"public.t.date_naissance date":                        Birth,
		"public.t.dateOfBirth timestamp without time zone":    Birth,
		"public.t.geburtsdatum date":                          Birth,
		"public.t.geboortedatum text":                         Birth,
		"public.patient.age integer":                          Birth,
		"public.t.niss character(11)":                         NationalID,
		"public.t.numero_de_securite_sociale text":            NationalID,
		"public.t.rijksregisternummer numeric(11,0)":          NationalID,
		"public.t.steuer_id text":                             NationalID,
		"public.t.iban text":                                  Bank,
		"public.t.compte_bancaire text":                       Bank,
		"public.t.kontonummer text":                           Bank,
		"public.t.billing_address jsonb":                      Address,
		"public.t.adresse text":                               Address,
		"public.t.anschrift text":                             Address,
		"public.applicant.ville text":                         Address,
		"public.applicant.postal_code character varying(10)":  Address,
		"public.session.ip inet":                              Network,
		"public.session.ip_address text":                      Network,
		"public.session.user_agent text":                      Network,
		"public.t.gender text":                                Origin,
		"public.t.nationalité text":                           Origin,
		"public.t.geslacht smallint":                          Origin,
		"public.t.diagnosis text":                             Health,
		"public.t.groupe_sanguin text":                        Health,
		"public.users.password_hash bytea":                    Secret,
		"public.users.mot_de_passe text":                      Secret,
		"public.member.signature bytea":                       Image,
		"public.t.photo bytea":                                Image,
		"customer.applicant.notes text":                       FreeText,
		"customer.applicant.motivation jsonb":                 FreeText,
		"public.utilisateurs.commentaire public.texte_libre":  FreeText,
		"public.product.name text":                            "",
		"customer.organisation.name text":                     "",
		"public.produit.nom text":                             "",
		"public.applicant.id uuid":                            "",
		"public.users.email_verified boolean":                 "",
		"public.users.email_sent_at timestamp with time zone": "",
		"public.setting.mail_server text":                     "",
		"public.map.street text":                              "",
		"public.release.notes text":                           "",
		"public.users.created_at timestamp with time zone":    "",
		"public.zip_archive.size bigint":                      "",
		"public.shipment.description text":                    "",
		"public.message.signature_algorithm text":             "",
		"public.release.signature bytea":                      "",
		"public.contract.signature_scan bytea":                Image,
		"public.t.telemetry text":                             "",
		"public.t.nominal numeric":                            "",
	} {
		where, typ, _ := strings.Cut(line, " ")
		part := strings.SplitN(where, ".", 3)
		kind, found := Detect(Column{Schema: part[0], Table: part[1], Name: part[2], Type: typ})
		if kind != want || found != (want != "") {
			t.Errorf("%s: %q, want %q", line, kind, want)
		}
	}
}

func TestWords(t *testing.T) {
	for name, want := range map[string][]string{
		"first_name": {"first", "name"}, "firstName": {"first", "name"}, "FIRST_NAME": {"first", "name"}, "userIPAddress": {"user", "ip", "address"},
		"numéro-de sécurité": {"numero", "securite"}, "address2": {"address"}, "Straße": {"strasse"}, "": nil, "__": nil, "HTTPServer": {"http", "server"},
	} {
		if got := words(name); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// TestRulesAreReachable: every word of a rule finds its column, so that none was misspelt into
// something that the taking apart of names never gives.
func TestRulesAreReachable(t *testing.T) {
	types := map[int]string{text: "text", number: "bigint", date: "date", network: "inet", bytes: "bytea"}
	for _, r := range rules() {
		for class, typ := range types {
			if r.types&class == 0 {
				continue
			}
			for _, w := range append(slices.Clone(r.any), r.phrases...) {
				if kind, ok := Detect(Column{Table: "person", Name: strings.ReplaceAll(w, " ", "_"), Type: typ}); !ok {
					t.Errorf("%s %s of %s is not seen (%s)", w, typ, r.kind, kind)
				}
			}
		}
	}
}

func FuzzDetect(f *testing.F) {
	f.Add("customer", "applicant", "e_mail", "text")
	f.Add("", "", "Ä\xffB", "numeric(")
	f.Fuzz(func(t *testing.T, schema, table, name, typ string) {
		kind, ok := Detect(Column{schema, table, name, typ})
		if ok != (kind != "") {
			t.Errorf("%q %v", kind, ok)
		}
	})
}
