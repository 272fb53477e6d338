package demo

import (
	"fmt"
	"time"
)

// Kept is the entries of one register. A value that begins with "@" names an entry of another by
// what it is called, "#" an account by the key of its member.
type Kept struct {
	Register string
	Label    string // the field by which entries are called
	Entries  []map[string]string
}

// The people whom the example's faults are about.
const (
	contractor = "Prestataire de développement (exemple)" // has signed no confidentiality agreement: NDA-1
	leaver     = "Ancien collègue (exemple)"              // has left, and a laptop is still in their name: AST-1
	office     = "Bureau de Bruxelles (exemple)"
)

// Entries are what the example's registers hold at first, in an order in which what is named comes
// before what names it.
func Entries(now time.Time) []Kept {
	day := func(days int) string { return now.AddDate(0, 0, days).Format(time.DateOnly) }
	return []Kept{
		{"sites", "name", []map[string]string{
			{"name": office, "kind": "office", "address": "Rue de l’Exemple 1, 1000 Bruxelles", "zones": "Accueil\nEspace de travail\nLocal d’archives, fermé à clé", "review": day(200)},
			{"name": "Bureau de Liège (exemple)", "kind": "office", "address": "Quai de l’Exemple 2, 4000 Liège", "zones": "Accueil\nEspace de travail", "review": day(150)},
			{"name": "Centre de données (exemple)", "kind": "datacentre", "address": "Zone de l’Exemple 3, 7000 Mons", "zones": "Salle de l’hébergeur", "review": day(180)},
		}},
		{"teams", "name", teams()},
		{"persons", "name", persons(day)},
		{"assets", "tag", assets(day)},
		{"documents", "title", documents(day)},
		{"suppliers", "name", suppliers(day)},
	}
}

func teams() []map[string]string {
	var out []map[string]string
	for _, t := range [][2]string{
		{"security", "Sécurité"}, {"management", "Direction"}, {"operations", "IT Operations"}, {"development", "Développement"},
		{"facilities", "Services généraux"}, {"people", "Ressources humaines"}, {"legal", "Juridique"}, {"customer_success", "Customer Success"},
	} {
		out = append(out, map[string]string{"key": t[0], "name": t[1]})
	}
	return out
}

func persons(day func(int) string) []map[string]string {
	team := map[string]string{
		Lead: "Sécurité", Second: "Direction", "operations": "IT Operations", "development": "Développement", "facilities": "Services généraux",
		"people": "Ressources humaines", "legal": "Juridique", "customer_success": "Customer Success", "developer": "Développement", "contractor": "Développement",
	}
	var out []map[string]string
	for i, m := range Staff() {
		p := map[string]string{
			"name": m.Name, "email": m.Email, "kind": "employee", "team": "@" + team[m.Key], "site": "@" + office,
			"arrival": day(-900 + 40*i), "nda": day(-895 + 40*i), "account": "#" + m.Key,
		}
		if m.Name == contractor {
			p["kind"] = "contractor"
			p["arrival"] = day(-70)
			delete(p, "nda")
		}
		out = append(out, p)
	}
	return append(out, map[string]string{
		"name": leaver, "email": "ancien@ardoise.example", "kind": "employee", "team": "@Développement", "arrival": day(-1200), "nda": day(-1195), "leaving": day(-12),
	})
}

func assets(day func(int) string) []map[string]string {
	var out []map[string]string
	add := func(tag, name, kind, owner, class string, more ...string) {
		a := map[string]string{"tag": tag, "name": name, "kind": kind, "owner": "@" + owner, "class": class, "acquired": day(-400)}
		for i := 0; i+1 < len(more); i += 2 {
			a[more[i]] = more[i+1]
		}
		out = append(out, a)
	}
	for i, m := range Staff() {
		add(fmt.Sprintf("PC-%02d", i+1), "Portable", "laptop", m.Name, "internal", "encrypted", "true", "site", "@"+office)
	}
	operations := Staff()[2].Name
	add("PC-11", "Portable", "laptop", leaver, "internal", "encrypted", "true", "site", "@"+office)
	add("SRV-01", "Serveurs de l’application", "server", operations, "confidential", "encrypted", "true", "site", "@Centre de données (exemple)")
	add("SRV-02", "Base de données de production", "storage", operations, "confidential", "encrypted", "true", "site", "@Centre de données (exemple)")
	add("SVC-01", "Messagerie et bureautique", "service", operations, "internal")
	add("MED-01", "Clé de démarrage des postes", "removable_media", operations, "internal", "encrypted", "true", "keeper", "@"+operations, "place", "Armoire à clé, local d’archives", "site", "@"+office)
	return out
}

func documents(day func(int) string) []map[string]string {
	security, management := Staff()[0].Name, Staff()[1].Name
	document := func(title, kind, owner, measures, text string) map[string]string {
		return map[string]string{
			"title": title, "kind": kind, "owner": "@" + owner, "class": "internal", "measures": measures, "review": day(240), "acknowledge": "true", "text": text,
		}
	}
	return []map[string]string{
		document("Bureau propre et écran verrouillé", "policy", security, "PHY-7",
			"En quittant votre poste, verrouillez l’écran.\nLe soir, rien de confidentiel ne reste sur le bureau : papiers et supports vont sous clé."),
		document("Télétravail", "policy", security, "PHY-8, TEL-1",
			"Ne travaillez pas dans les lieux publics : on y lit par-dessus l’épaule et on y écoute.\nChez vous, fermez la session quand vous vous éloignez ; utilisez le réseau privé de l’entreprise."),
		document("Supports amovibles et papiers", "policy", security, "PHY-9",
			"Un support amovible est chiffré, a un gardien et un lieu de rangement.\nUn papier confidentiel est sous clé quand il ne sert pas ; il finit au destructeur."),
		document("Plan de continuité", "plan", management, "BCP-1",
			"Si le bureau est inaccessible : télétravail, appel de l’astreinte.\nSi l’hébergeur est indisponible : bascule sur la copie du second site, décidée par la direction."),
	}
}

func suppliers(day func(int) string) []map[string]string {
	legal := Staff()[6].Name
	return []map[string]string{
		{
			"name": "Hébergement Exemple SA", "country": "BE", "subprocessor": "true", "safeguard": "eea", "owner": "@" + legal,
			"purpose_fr": "Hébergement de l’application et de ses sauvegardes", "purpose_en": "Hosting of the application and its backups",
			"data_fr": "Toutes les données saisies dans l’application", "data_en": "All data entered in the application",
			"contract": day(-800), "dpa": day(-800), "assessed": day(-120), "review": day(245), "public_since": day(-800),
		},
		{
			"name": "Courrier Exemple SRL", "country": "FR", "subprocessor": "true", "safeguard": "eea", "owner": "@" + legal,
			"purpose_fr": "Envoi des courriels de l’application", "purpose_en": "Sending of the application’s e-mail",
			"data_fr": "Nom et adresse électronique des utilisateurs", "data_en": "Names and e-mail addresses of users",
			"contract": day(-500), "dpa": day(-500), "assessed": day(-90), "review": day(275), "public_since": day(-500),
		},
		{
			"name": "Gestion d’immeuble Exemple", "country": "BE", "subprocessor": "false", "owner": "@" + legal,
			"contract": day(-1000), "assessed": day(-60), "review": day(305), "note": "Entretien, gardiennage, exercices d’évacuation.",
		},
	}
}
