package journey

import (
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/demo/servers"
	"github.com/garant-project/garant/internal/discover/discovertest"
)

// The staff of a company that does not exist.
const (
	leadMail   = "securite@nuage.example"
	secondMail = "direction@nuage.example"
	ownerMail  = "accueil@nuage.example"
	ownerName  = "Responsable des locaux (exemple)"
)

// withdrawnWithin is how soon a sentence must be gone after its owner has said that it is no longer so, on
// a machine that has nothing else to do.
const withdrawnWithin = 10 * time.Second

// begin is the way of a company that has just heard of Garant: from garant init to a published annex.
func begin(j *journey) {
	hosts := discovertest.NewHosts(j.whole)
	answer := map[string][2]string{}
	for _, name := range []string{"app.nuage.example", "staging.nuage.example"} {
		s := hosts.Serve(j.whole, name)
		answer[name] = [2]string{s.Addr(), s.PlainAddr()}
		if strings.HasPrefix(name, "staging") {
			if err := s.Break(servers.FaultNoHSTS); err != nil {
				j.Fatal(err)
			}
		}
	}
	var reader, lead, second, owner *tab
	start := time.Now()
	j.step("garant init", func() { initialise(j, hosts, answer) })
	j.step("own findings", func() {
		lead = j.person("security lead of a new company", leadMail, english)
		lead.visit("/annex")
		lead.reloads("a measure met", row("ENC-1")+`.innerText.toLowerCase().includes("met")`)
		lead.reloads("a measure not met", row("ENC-2")+`.innerText.toLowerCase().includes("not met")`)
		lead.reloads("the certificates outside production met", `(w => w.includes("met") && !w.includes("not met"))(`+row("CRT-2")+`.innerText.toLowerCase())`)
		j.Logf("from garant init to the first findings of the own systems on screen: %v", time.Since(start).Round(100*time.Millisecond))
	})
	j.step("the private draft", func() {
		reader = j.machine("customer", j.annex, french)
		reader.lang = "fr"
		draft(lead, reader)
	})
	j.step("tailor", func() { tailor(lead) })
	j.step("name owners", func() { name(lead) })
	j.step("attest", func() { attestOne(lead) })
	j.step("propose, review, publish", func() {
		second = j.person("management", secondMail, french)
		publish(lead, second, reader)
	})
	j.Logf("from garant init to a published annex: %v", time.Since(start).Round(100*time.Millisecond))
	j.step("an owner's reminder", func() { owner = remind(j) })
	j.step("confirmed, withdrawn, confirmed", func() { confirm(owner, reader) })
	j.Logf("%d pages looked at, in %v of axe-core and %v of pictures", j.looks, j.spent.axe.Round(time.Second), j.spent.shots.Round(time.Second))
}

// row is the line of a measure in a table.
func row(measure string) string {
	return `[...document.querySelectorAll("main table tbody tr")].find(r => r.innerText.includes(` + quote(measure+" ") + `))`
}

// initialise does what the last lines of garant init say. answer is where the hosts answer: the running
// server asks the machine's resolver, which does not know their names.
func initialise(j *journey, hosts *discovertest.Hosts, answer map[string][2]string) {
	dir := scratch(j.whole)
	j.program.dir = filepath.Join(dir, "data")
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, hosts.CA.PEM(), 0o600); err != nil {
		j.Fatal(err)
	}
	said := j.garant(j.T, "init", "--company", "Nuage Exemple", "--country", "BE", "--language", "fr", "--language", "en", "--time-zone", daytime(j), "--contact", "dpo@nuage.example",
		"--domain", "nuage.example", "--trust", ca, "--resolver", hosts.Resolver.Address(), "--https-port", fmt.Sprint(hosts.Ports.HTTPS), "--http-port", fmt.Sprint(hosts.Ports.HTTP), "--yes")
	j.Logf("garant init says\n%s", said)
	j.config = filepath.Join(j.program.dir, "garant.yaml")
	ports := freePorts(j.T, 3)
	text, err := os.ReadFile(j.config)
	for name, address := range answer {
		url := regexp.MustCompile(`(?m)^( +)(url: https://` + regexp.QuoteMeta(name) + `(?s:.*?)plain_http: )\S+`)
		if !url.Match(text) {
			j.Fatalf("garant init has not found %s:\n%s", name, text)
		}
		text = url.ReplaceAll(text, fmt.Appendf(nil, "${1}connect: %s\n${1}${2}%s", address[0], address[1]))
	}
	if err == nil {
		err = os.WriteFile(j.config, fmt.Appendf(text, "\nlisten:\n  console: 127.0.0.1:%d\n  annex: 127.0.0.1:%d\n  portal: 127.0.0.1:%d\nmail:\n  from: Garant <garant@nuage.example>\n  outbox: outbox\n", ports[0], ports[1], ports[2]), 0o600)
	}
	if err != nil {
		j.Fatal(err)
	}
	j.garant(j.T, "estate", "apply")
	j.garant(j.T, "person", "add", leadMail, "Responsable sécurité (exemple)", "--role", "lead")
	j.garant(j.T, "person", "add", secondMail, "Direction (exemple)", "--role", "lead")
	j.garant(j.T, "person", "add", ownerMail, ownerName, "--role", "member")
	j.serve(j.whole)
}

// daytime is a zone in which it is day now: nobody is reminded at night.
func daytime(j *journey) string {
	for _, name := range []string{"Europe/Brussels", "America/New_York", "Pacific/Honolulu", "Asia/Tokyo", "Asia/Kolkata"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			j.Fatal(err)
		}
		if hour := time.Now().In(zone).Hour(); hour >= 8 && hour < 23 {
			return name
		}
	}
	return "UTC"
}

// draft reads the own annex before anybody else can.
func draft(b, reader *tab) {
	reader.expect("/")
	reader.visit("/")
	reader.says("Aucune annexe n'est encore publiée ici")
	reader.look("unpublished", expected(reader, "/"))

	b.visit("/")
	b.look("desk-first", "/")
	b.visit("/annex?lang=en")
	b.says("Private: not published", "See the fix", "Declare a site", "Name somebody")
	b.look("draft", "/annex")
	b.visit("/annex?lang=en")
	b.choose("waits", "attestation")
	b.press(`main form.filters button`)
	b.glance("draft-waits", eval[string](b, "location.pathname + location.search"))
	b.visit("/annex/ENC-2?lang=en")
	b.press(`main .page-head .buttons a`)
	b.says("no Strict-Transport-Security header", "Add the expected header")

	// Each site is confirmed by itself: there must be one.
	b.visit("/annex/PHY-1?lang=en")
	b.look("draft-measure", "/annex/PHY-1")
	b.visit("/registers/sites?lang=en")
	b.look("register-empty", "/registers/sites")
	b.visit("/registers/sites/new?lang=en")
	b.fill("name", "Bureau de Namur (exemple)")
	b.choose("kind", "office")
	b.fill("zones", "Accueil\nEspace de travail")
	b.send("/registers/sites")
	b.says("Bureau de Namur (exemple)")
	b.silent()
}

// tailor changes a sentence, a figure, and what the annex holds.
func tailor(b *tab) {
	const measure = "/annex/PHY-8"
	b.visit(measure + "?lang=en")
	b.fill("sentence.fr", "Notre politique de télétravail interdit de travailler dans les lieux publics.")
	b.fill("sentence.en", "Our remote working policy forbids working in public places.")
	b.press(`main form[action="` + measure + `"] button[value="preview"]`)
	b.says("Preview, not saved yet", "Our remote working policy forbids working in public places.")
	b.examine("tailor-preview")
	b.press(`main form[action="` + measure + `"] button[value="save"]`)
	b.says("The draft is saved. Nothing is public before a review.")
	b.visit("/annex/BAK-1?lang=en") // a sentence must not lose its figures unless somebody says why
	b.fill("sentence.en", "Database snapshots are taken and kept.")
	b.expect("/annex/BAK-1")
	b.press(`main form[action="/annex/BAK-1"] button[value="save"]`)
	b.says("Why the sentence no longer says")
	b.has("main .field-wrong")
	b.examine("tailor-dropped")

	b.visit("/annex/BAK-4?lang=en")
	b.fill("excluded.reason.fr", "Notre application n’utilise pas Redis.")
	b.fill("excluded.reason.en", "Our application does not use Redis.")
	b.send("/annex/BAK-4/exclude")
	b.says("This measure is excluded from the annex")
	b.look("tailor-excluded", "/annex/BAK-4")

	b.visit("/annex/RSK-1?lang=en") // no register carries it out here: a person answers for it
	b.tick(`main input[name="attested"]`)
	b.press(`main form[action="/annex/RSK-1"] button[value="save"]`)
	b.says("The draft is saved.")

	const figure = "p.backup.database.retention"
	b.visit("/annex/parameters?lang=en")
	b.fill(figure, "thirty days")
	b.expect("/annex/parameters")
	b.send("/annex/parameters")
	b.has(`main .field-wrong [name="` + figure + `"]`)
	b.examine("parameters-wrong")
	b.fill(figure, "30d")
	b.send("/annex/parameters")
	b.says("30 days", "weaker")
	b.look("parameters", "/annex/parameters")
	b.look("company", "/annex/company")
	b.glance("own", "/annex/own")
	b.glance("text", "/annex/text")
	b.silent()
}

// name gives owners to measures: a whole team's at once, and one alone.
func name(b *tab) {
	b.visit("/measures?lang=en")
	b.look("measures", "/measures")
	b.visit("/measures?lang=en")
	b.choose("team", "security")
	b.choose("person", "Responsable sécurité (exemple)")
	b.send("/measures/team")
	b.visit("/measures/PHY-1?lang=en")
	b.choose("responsible", ownerName)
	b.send("/measures/PHY-1/owner")
	b.says(ownerName)
	b.look("measure-owner", "/measures/PHY-1")
	b.silent()
}

// attestOne confirms a measure of one's own, with a document.
func attestOne(b *tab) {
	report := filepath.Join(b.dir, "appréciation.txt")
	if err := os.WriteFile(report, []byte("Appréciation des risques (exemple)."), 0o600); err != nil {
		b.Fatal(err)
	}
	b.visit("/")
	b.look("desk-owner", "/")
	const measure = "/measures/RSK-1"
	b.visit(measure + "?lang=en")
	b.says("Is this so?")
	b.look("measure-attest", measure)
	b.visit(measure + "?lang=en")
	b.fill("observed_on", time.Now().AddDate(-2, 0, 0).Format(time.DateOnly)) // holds for a year
	b.expect(measure + "/attestations")
	b.press(`main button[name="statement"][value="confirmed"]`)
	b.has(`main .field-wrong [name="observed_on"]`)
	b.examine("attest-wrong")
	b.fill("observed_on", time.Now().AddDate(0, 0, -3).Format(time.DateOnly))
	b.fill("note", "Yearly assessment (example).")
	b.attach(`main input[name="documents"]`, report)
	b.press(`main button[name="statement"][value="confirmed"]`)
	b.says("State: met", "Yearly assessment (example).", "appréciation.txt")
	b.look("measure-attested", measure)
	b.visit("/annex/RSK-1?lang=en")
	b.says("met")
	b.silent()
}

// publish proposes the draft; a second person reads the differences and publishes.
func publish(lead, second, reader *tab) {
	lead.visit("/annex/review?lang=en")
	lead.look("review-submit", "/annex/review")
	lead.visit("/annex/review?lang=en")
	lead.fill("note", "First version: backups of 30 days, no Redis.")
	lead.send("/annex/review")
	lead.says("The draft is submitted", "Direction (exemple)")
	lead.look("review-waits", "/annex/review")
	lead.lacks(`main form[action$="/publish"]`) // not by who wrote it

	reader.visit("/")
	reader.says("Aucune annexe n'est encore publiée ici")

	second.visit("/")
	second.press(`main a[href="/annex/review"]`)
	second.says("First version: backups of 30 days, no Redis.", "interdit de travailler dans les lieux publics", "30 jours", "Notre application n'utilise pas Redis.")
	second.has("main del")
	second.has("main ins")
	second.look("review-decide", "/annex/review")
	second.visit("/annex/review?lang=fr")
	second.fill("remark", "Relu en entier.")
	second.press(`main form[action$="/publish"] button`)
	second.says("L'annexe est publiée")
	second.look("draft-published", "/annex")
	second.glance("versions", "/annex/versions")
	second.glance("version", "/annex/versions/1")
	took := reader.reloads("published", `!!document.querySelector("article#ENC-1.annex-measure-met")`)
	reader.Logf("the public annex appeared %v after it was published", took.Round(10*time.Millisecond))
	reader.says("Nuage Exemple")
	reader.click(".annex-fold-excluded summary")
	reader.says("Notre application n'utilise pas Redis.")
	reader.glance("annex-new", "/")
	if doc := published(reader); doc["RSK-1"] != "met" || doc["BAK-4"] != "excluded" || doc["PHY-1"] != "unproven" || doc["ENC-2"] != "not_met" {
		reader.Errorf("published: RSK-1 %s, BAK-4 %s, PHY-1 %s, ENC-2 %s", doc["RSK-1"], doc["BAK-4"], doc["PHY-1"], doc["ENC-2"])
	}
	lead.silent()
	second.silent()
	reader.silent()
}

// remind waits for the letter that an owner gets, and follows its link.
func remind(j *journey) *tab {
	b := j.person("owner", ownerMail, french)
	b.visit("/")
	b.look("desk-of-an-owner", "/")
	b.press(`.sidebar form[action="/sign-out"] button`)
	// Every quarter of an hour it is looked who is to be reminded; this one was, before there were owners.
	j.database(j.T, "DELETE FROM job.recurrence WHERE name = 'measure.remind'")
	letter, begin := "", time.Now()
	for letter == "" {
		if time.Since(begin) > 2*patience {
			j.Fatalf("no letter came\n%s", &j.said)
		}
		time.Sleep(200 * time.Millisecond)
		letter = post(j, ownerMail)
	}
	j.Logf("the reminder came %v after it was due:\n%s", time.Since(begin).Round(100*time.Millisecond), letter)
	link := ""
	for _, word := range strings.Fields(letter) {
		if strings.HasSuffix(word, "/measures/PHY-1") {
			link = word
		}
	}
	if link == "" || !strings.HasPrefix(link, j.console) {
		j.Fatalf("the letter leads to %q", link)
	}
	b.visit(link) // signed out: the passkey first, then on to where the letter leads
	b.click(`form[data-ceremony="login"] button`)
	b.has(`form[action="/measures/PHY-1/attestations"]`)
	b.silent()
	return b
}

// post reads the reminder in the outbox to somebody; empty: there is none yet.
func post(j *journey, to string) string {
	files, _ := filepath.Glob(filepath.Join(j.program.dir, "outbox", "*.eml"))
	for _, f := range files {
		file, err := os.Open(f)
		if err != nil {
			j.Fatal(err)
		}
		m, err := mail.ReadMessage(file)
		if err != nil {
			j.Fatal(err)
		}
		subject, _ := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		var text []byte
		if text, err = body(m); err == nil {
			err = file.Close()
		}
		if err != nil {
			j.Fatal(err)
		}
		if strings.Contains(m.Header.Get("To"), to) && strings.Contains(string(text), "/measures/") && m.Header.Get("List-Unsubscribe") == "" {
			return subject + "\n\n" + string(text)
		}
	}
	return ""
}

// body reads a text as it was before it travelled.
func body(m *mail.Message) ([]byte, error) {
	switch strings.ToLower(m.Header.Get("Content-Transfer-Encoding")) {
	case "quoted-printable":
		return io.ReadAll(quotedprintable.NewReader(m.Body))
	case "base64":
		return io.ReadAll(base64.NewDecoder(base64.StdEncoding, m.Body))
	}
	return io.ReadAll(m.Body)
}

// confirm says that a sentence is so, that it is no longer so, and that it is so again.
func confirm(owner, reader *tab) {
	say := func(statement, note string) {
		owner.visit("/measures/PHY-1")
		owner.tick(`main input[name="site"]`)
		owner.fill("note", note)
		owner.press(`main button[name="statement"][value="` + statement + `"]`)
	}
	const met, refused = `!!document.querySelector("article#PHY-1.annex-measure-met")`, `!!document.querySelector("article#PHY-1.annex-measure-not_met .annex-sentence-quoted")`
	within := func(what, script string) {
		took := reader.reloads(what, script)
		reader.Logf("%s on the public page after %v", what, took.Round(10*time.Millisecond))
		reader.holds(what, took, withdrawnWithin)
	}
	owner.look("owner-measure", "/measures/PHY-1")
	owner.visit("/measures/PHY-1")
	owner.expect("/measures/PHY-1/attestations")
	owner.press(`main button[name="statement"][value="confirmed"]`) // for no site
	owner.has("main fieldset.field-wrong")
	owner.examine("attest-no-site")
	reader.visit("/")
	say("confirmed", "Plan des zones revu sur place (exemple).")
	owner.says("Plan des zones revu sur place (exemple).")
	within("the sentence asserted", met)
	reader.glance("proof-attested", "/m/PHY-1")
	reader.visit("/")
	say("refused", "Une porte ne ferme plus (exemple).")
	within("the sentence withdrawn", refused)
	owner.look("owner-refused", "/measures/PHY-1")
	reader.says("Nous annoncions", "a déclaré que ce n'est plus le cas")
	reader.silentOn("porte ne ferme plus", ownerName)
	reader.glance("annex-refused", "/")
	reader.glance("proof-refused", "/m/PHY-1")
	reader.visit("/")
	say("confirmed", "Porte réparée (exemple).")
	within("the sentence asserted again", met)
	owner.visit("/")
	owner.silentOn("PHY-1")
	owner.glance("owner-desk-done", "/")
	reader.glance("changes-attested", "/changes")
	owner.silent()
	reader.silent()
}
