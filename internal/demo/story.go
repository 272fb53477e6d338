package demo

import (
	"bytes"
	_ "embed"
	"strings"
	"text/template"
	"time"
)

//go:embed story/annex.yaml
var storyAnnex string

// Member is somebody of the example's staff. Names say what they do: nobody could take one for a
// person's.
type Member struct {
	Key   string // by which the story names them
	Email string
	Name  string
	Role  string // in Garant
}

// Lead and Second are the two whose word publishes the annex: one drafts, the other reviews.
const (
	Lead   = "security"
	Second = "management"
)

// Staff are the members of the example's staff who sign in to Garant, the lead first.
func Staff() []Member {
	return []Member{
		{Lead, "securite@ardoise.example", "Responsable sécurité (exemple)", "lead"},
		{Second, "direction@ardoise.example", "Direction (exemple)", "lead"},
		{"operations", "exploitation@ardoise.example", "Responsable de l’exploitation (exemple)", "operator"},
		{"development", "developpement@ardoise.example", "Responsable du développement (exemple)", "reader"},
		{"facilities", "accueil@ardoise.example", "Responsable des locaux (exemple)", "member"},
		{"people", "rh@ardoise.example", "Responsable des ressources humaines (exemple)", "member"},
		{"legal", "juridique@ardoise.example", "Responsable juridique (exemple)", "member"},
		{"customer_success", "clients@ardoise.example", "Responsable de la relation client (exemple)", "member"},
		{"developer", "dev@ardoise.example", "Développeuse (exemple)", "developer"},
		{"contractor", "prestataire@ardoise.example", "Prestataire de développement (exemple)", "member"},
	}
}

// Confirmed is a measure that the head of the team which owns it has confirmed.
type Confirmed struct {
	Measure string
	Days    int    // ago
	Note    string // for staff; the example speaks French at work
	Proof   string // text of a document; empty: none
	Refused bool   // "this is no longer so"
}

// Confirmations are what the example's staff have attested. One of them is due soon.
func Confirmations() []Confirmed {
	return []Confirmed{
		{Measure: "PHY-1", Days: 40, Note: "Plan des deux zones revu avec le gestionnaire.", Proof: "Plan des zones, bureau d’exemple : zone d’accueil, zone de travail."},
		{Measure: "PHY-2", Days: 352, Note: "Tour du bâtiment avec la société de gardiennage."},
		{Measure: "PHY-4", Days: 90, Note: "Badges recomptés : autant que de personnes présentes."},
		{Measure: "PHY-5", Days: 12, Note: "Registre d’accueil relu, toutes les visites sont closes."},
		{Measure: "PHY-6", Days: 120, Note: "Attestation du gestionnaire et exercice d’évacuation.", Proof: "Attestation d’exemple du gestionnaire du bâtiment."},
		{Measure: "PHY-7", Days: 18, Note: "Contrôle de dix postes un soir : rien à redire."},
		{Measure: "CON-1", Days: 70, Note: "Revue annuelle des sous-traitants et de leurs contrats."},
		{Measure: "ACC-8", Days: 60, Note: "Revue annuelle des droits, trois droits retirés."},
		{Measure: "ACC-15", Days: 75},
		{Measure: "RSK-1", Days: 150, Note: "Appréciation annuelle des risques.", Proof: "Appréciation des risques (exemple)."},
		{Measure: "RSK-2", Days: 150, Note: "Onze actions, dont deux en cours."},
		{Measure: "INC-1", Days: 45},
		{Measure: "AST-2", Days: 20},
		{Measure: "CHG-1", Days: 33},
		{Measure: "MED-1", Days: 200, Note: "Deux disques détruits par un prestataire.", Proof: "Certificat de destruction (exemple)."},
		{Measure: "ESC-1", Days: 80, Note: "Appel d’essai : tout le monde a répondu en vingt minutes."},
		{Measure: "BCP-2", Days: 210, Note: "Restauration complète sur un second site.", Proof: "Compte rendu de l’essai de reprise (exemple)."},
		{Measure: "LOG-6", Days: 15},
		{Measure: "END-1", Days: 30},
		{Measure: "NET-2", Days: 25},
		{Measure: "ACC-16", Days: 30},
		{Measure: "PRI-1", Days: 55},
		{Measure: "PWR-1", Days: 100, Note: "Certificat de l’hébergeur.", Proof: "Certificat d’exemple de l’hébergeur."},
		{Measure: "ORG-1", Days: 10, Note: "Revue de direction de la protection des données."},
		{Measure: "OWN-1", Days: 5},
	}
}

//go:embed story/arena.yaml
var storyArena string

// WithArena is the text of an annex with the measure that shows what the arena has counted, or without it. ok: the text has
// the place for it.
func WithArena(text string, open bool) (out string, ok bool) {
	const after = "\nparameters:"
	shown := strings.Contains(text, storyArena)
	switch {
	case shown == open:
		return text, true
	case shown:
		return strings.Replace(text, storyArena, "", 1), true
	case !strings.Contains(text, "\n  OWN-3:") && strings.Contains(text, "\nown:\n") && strings.Contains(text, after):
		return strings.Replace(text, after, storyArena+after, 1), true
	}
	return text, !open && !strings.Contains(text, "\n  OWN-3:")
}

// Annex is the example's annex.yaml; it is to be revised within the year.
func Annex(now time.Time) string {
	var b bytes.Buffer
	data := struct{ Revision string }{now.AddDate(1, 0, 0).Format(time.DateOnly)}
	if err := template.Must(template.New("annex.yaml").Parse(storyAnnex)).Execute(&b, data); err != nil {
		panic(err) // a template of our own over a date
	}
	return b.String()
}
