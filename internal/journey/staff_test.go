package journey

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/text/encoding/charmap"
)

const (
	french  = "fr-BE,fr" // the browser adds the weights
	english = "en-GB,en"
)

// reception imports a list as a spreadsheet of Windows writes it, whose last line is wrong.
func reception(j *journey) {
	b := j.person("operations", "exploitation@ardoise.example", french)
	const list = "/registers/assets"
	b.visit(list)
	b.says("15 fiches")
	b.look("register", list)
	b.look("register-found", list+"?kind=laptop&state=in_use")
	b.look("register-none", list+"?q=introuvable")
	b.visit(list + "?lang=fr")
	b.follow(list + "/import")
	template := b.get(list + "/template.csv")
	if template.Status != 200 || !strings.Contains(template.Body, "Numéro") {
		b.Errorf("the template answers %+v", template)
	}

	good := "Numéro;Désignation;Nature;Responsable;Classification;Acquis le;Remarque\r\n" +
		"PC-21;Portable d’accueil;ordinateur portable;accueil@ardoise.example;interne;03/02/2026;reçu complet, état « neuf »\r\n" +
		"PC-22;Écran d’étage;autre;accueil@ardoise.example;interne;03/02/2026;\r\n"
	bad := good + "PC-23;Clé de l’équipe;support amovible;absente@ardoise.example;interne;31/02/2026;\r\n"
	sent := func(name, text, button string) {
		encoded, err := charmap.Windows1252.NewEncoder().String(text)
		path := filepath.Join(j.dir, name)
		if err == nil {
			err = os.WriteFile(path, []byte(encoded), 0o600)
		}
		if err != nil {
			b.Fatal(err)
		}
		b.attach(`main input[name="file"]`, path)
		b.press(`main form button[value="` + button + `"]`)
	}
	b.expect(list + "/import")
	sent("parc.csv", bad, "check")
	b.says("Windows-1252", "absente@ardoise.example", "31/02/2026", "ne correspond à aucune fiche", "n'est pas une date")
	b.examine("import-wrong")
	sent("parc.csv", bad, "import")
	b.says("absente@ardoise.example")
	if rows := strings.Count(b.get(list+"/export.csv").Body, "PC-2"); rows != 0 {
		b.Errorf("%d lines were imported of a file with a bad one", rows)
	}
	sent("parc.csv", good, "check")
	b.says("2")
	b.examine("import-right")
	sent("parc.csv", good, "import")
	if got := b.path(); got != list {
		b.Errorf("after the import the page is %s: %s", got, b.where())
	}
	b.says("17 fiches", "PC-22", "Écran d'étage")
	b.examine("import-done")

	out := b.get(list + "/export.csv")
	if out.Status != 200 || !strings.HasPrefix(out.Type, "text/csv") || !strings.Contains(out.Body, "reçu complet, état « neuf »") || !strings.Contains(out.Body, "Écran d’étage") {
		b.Errorf("the export answers %d, %s:\n%s", out.Status, out.Type, out.Body)
	}
	entry := eval[string](b, `[...document.querySelectorAll("main a")].find(a => a.innerText.trim() === "PC-21").getAttribute("href")`)
	b.look("entry", entry)
	b.look("entry-form", entry+"/edit")
	b.look("registers", "/registers")
	for _, register := range []string{"persons", "teams", "sites", "documents", "suppliers"} {
		b.glance("register-"+register, "/registers/"+register)
	}
	b.silent()
}

// acknowledge publishes a new version of a policy, which a member of staff then reads: they see what
// is theirs, and nothing else.
func acknowledge(lead *tab) {
	b := lead.person("member of staff", "dev@ardoise.example", french)
	b.visit("/")
	b.glance("desk-member-empty", "/")
	b.lacks(`nav a[href="/checks"]`)

	lead.visit("/registers/documents")
	document := eval[string](lead, `[...document.querySelectorAll("main a")].find(a => a.innerText.trim() === "Télétravail").getAttribute("href")`)
	lead.visit(document + "/edit")
	lead.fill("text", "Ne travaillez pas dans les lieux publics.\nChez vous, verrouillez l’écran quand vous vous éloignez.")
	lead.send(document)
	lead.has(`main form[action="` + document + `/state"]`)
	lead.glance("document-changed", document)
	lead.press(`main form[action="` + document + `/state"]:has(input[value="published"]) button`)
	lead.says("Développeuse (exemple)") // who has not read it yet
	lead.glance("document", document)

	b.visit("/")
	b.says("Télétravail")
	b.look("desk-member", "/")
	task := eval[string](b, `document.querySelector('main a[href^="/tasks/acknowledge/"]').getAttribute("href")`)
	b.follow(task)
	b.says("verrouillez l’écran quand vous vous éloignez")
	b.look("task", task)
	b.send(task)
	b.visit("/")
	b.silentOn("Télétravail")
	b.look("task-done", task)
	lead.visit(document + "?lang=en")
	lead.silentOn("Développeuse (exemple)")

	b.look("measures-member", "/measures")
	b.glance("measure-member", "/measures/PHY-8")
	b.denied("Accès refusé", "/annex", "/checks", "/checks/endpoint.tls", "/estate", "/people", "/record", "/audit", "/registers", "/registers/persons", document)
	b.look("denied", expected(b, "/people"))
	for _, path := range []string{"/checks/endpoint.tls/run", "/registers/assets", "/people", "/annex/text", "/measures/PHY-8/owner", "/audit"} {
		if a := b.post(path); a.Status != 403 {
			b.Errorf("a member of staff posts to %s: %d", path, a.Status)
		}
	}
	b.silent()
	lead.silent()
}

// audit gives an auditor a seat until a date, from which a sample is drawn; nothing can be changed
// from it, and after the date it is gone.
func audit(lead *tab) {
	const email = "audit@verification.example"
	lead.visit("/people?lang=en")
	lead.fill("name", "Auditor (example)")
	lead.fill("email", email)
	lead.choose("role", "auditor")
	lead.expect("/people")
	lead.send("/people") // without an end
	lead.sees("auditor")
	lead.has(`main .field-wrong [name="until"]`)
	lead.examine("seat-without-end")
	until := time.Now().AddDate(0, 0, 20)
	lead.fill("until", until.Format(time.DateOnly))
	lead.send("/people")
	person := lead.path()
	lead.says("Auditor (example)", until.Format("2 January 2006"))
	lead.look("seat", person)
	lead.send(person + "/link")
	link := oneTimeLink.FindString(eval[string](lead, "document.body.innerText"))

	b := lead.machine("auditor", lead.console, english)
	b.authenticator()
	b.enrol(link, nil, nil)
	b.look("desk-auditor", "/")
	b.look("audit", "/audit")
	b.visit("/audit?lang=en")
	b.choose("population", "attestations")
	b.fill("size", "5")
	b.fill("seed", "2026-autumn")
	b.fill("purpose", "Confirmations of the autumn (example)")
	b.send("/audit")
	sample := b.path()
	if !regexp.MustCompile(`^/audit/[0-9a-f-]{36}$`).MatchString(sample) {
		b.Fatalf("a sample is drawn at %s", b.where())
	}
	b.look("sample", sample)
	item := eval[string](b, `document.querySelector('main a[href^="`+sample+`/items/"]').getAttribute("href")`)
	b.visit(item + "?lang=en")
	b.fill("note", "Seen with the plan of the zones (example).")
	b.choose("result", eval[string](b, `document.querySelector('main select[name="result"]').options[1].value`))
	b.send(item)
	b.says("Seen with the plan of the zones (example).")
	b.look("sample-item", item)
	for path, holds := range map[string]string{"/paper.csv": "Seen with the plan of the zones (example).", "/paper.json": `"intact": true`, "/population.txt": "-"} {
		if a := b.get(sample + path); a.Status != 200 || !strings.Contains(a.Body, holds) {
			b.Errorf("%s answers %d:\n%.400s", path, a.Status, a.Body)
		}
	}

	for _, path := range []string{"/checks", "/estate", "/record", "/registers/assets", "/annex", "/annex/review", "/annex/parameters", "/measures/PHY-1"} {
		if a := b.get(path); a.Status != 200 {
			b.Errorf("an auditor reads %s: %d", path, a.Status)
		}
	}
	b.glance("annex-read-only", "/annex/PHY-8")
	b.denied("Access denied", "/registers/assets/new", "/registers/assets/import")
	for _, path := range []string{
		"/checks/endpoint.tls/run", "/registers/assets", "/registers/assets/import", "/people", person + "/role", person + "/seat", "/annex/text", "/annex/PHY-8", "/annex/BAK-4/include",
		"/annex/parameters", "/annex/company", "/annex/own", "/annex/review", "/measures/PHY-1/owner", "/measures/PHY-1/attestations", "/measures/team", "/estate/1/confirm",
	} {
		if a := b.post(path); a.Status != 403 {
			b.Errorf("an auditor posts to %s: %d", path, a.Status)
		}
	}
	b.silent()

	// Time is not to be wound forward in a running program; the day of the seat can be wound back.
	lead.database(lead.T, "UPDATE directory.person SET access_until = now() - interval '1 second' WHERE id = $1", strings.TrimPrefix(person, "/people/"))
	b.visit("/checks")
	if got := b.path(); got != "/sign-in" {
		b.Errorf("after its end, a seat shows %s", b.where())
	}
	b.examine("seat-over")
	b.click(`form[data-ceremony="login"] button`)
	b.has(`[role="alert"]`)
	if got := b.path(); got != "/sign-in" {
		b.Errorf("after its end, a seat signs in to %s", got)
	}
	b.mu.Lock()
	b.wrong = nil // the refused ceremony is told by the network as well
	b.mu.Unlock()
	lead.visit(person + "?lang=en")
	lead.says("Seat ended")
	lead.silent()
}
