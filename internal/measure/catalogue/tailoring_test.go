package catalogue

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/garant-project/garant/internal/errs"
)

// whole uses everything that a tailoring can say.
const whole = `# Ardoise Mécénat's own annex
company:
  legal_name: Ardoise Mécénat SRL
  address: Rue de l'Exemple 1, Bruxelles
  registration: BE 0000.000.000
  dpo: {email: dpo@ardoise.example, phone: +32 2 000 00 00}
  revision: 2027-11-12
parameters:
  backup.database.retention: 30d # our contract says so
  endpoint.tls.accepted: [TLS 1.3]
  own.training.period: {duration: 365d}
teams:
  platform: {fr: Plateforme, en: Platform}
measures:
  ENC-1:
    title: {fr: Chiffrement des échanges, en: Encrypted traffic}
    sentence:
      fr: "Tout échange passe par HTTPS : seule la version {endpoint.tls.accepted} est acceptée."
      en: All traffic uses HTTPS, and only {endpoint.tls.accepted} is accepted.
    owner: platform
    operator: supplier
  LOG-3:
    attested: true
    cadence: 180d
  BAK-4:
    excluded: {reason: {fr: "Nous n'utilisons pas Redis.", en: We do not use Redis.}}
  BAK-1:
    sentence:
      fr: "Les sauvegardes de la base sont gardées pendant {backup.database.retention}."
      en: Database backups are kept for {backup.database.retention}.
    drops:
      backup.database.interval: the supplier does not commit to a rhythm
own:
  OWN-1:
    section: 1.2
    kind: attested
    owner: security
    cadence: 365d
    refs: {gdpr: [32(1)(b)], iso: [6.3]}
    title: {fr: Formation, en: Training}
    sentence:
      fr: Chaque personne est formée au moins une fois par {own.training.period}.
      en: Every person is trained at least once per {own.training.period}.
    method:
      fr: Le service du personnel le confirme.
      en: Human Resources confirms it.
  OWN-2:
    section: 1.2
    kind: checked
    owner: platform
    checks: [vpn]
    facts: [own.vpn.users]
    refs: {gdpr: [32(1)(b)]}
    title: {fr: Accès à distance, en: Remote access}
    sentence: {fr: L'accès à distance passe par notre VPN., en: Remote access goes through our VPN.}
    method: {fr: "Garant interroge le pare-feu ({own.vpn.users|compte|comptes}).", en: "Garant asks the firewall ({own.vpn.users|account|accounts})."}
also:
  training: {fr: "Chacun est formé à l'arrivée.", en: Everybody is trained on arrival.}
`

func tailor(t testing.TB, text string) (*Catalogue, error) {
	t.Helper()
	doc, err := ParseTailoring([]byte(text))
	if err != nil {
		return nil, err
	}
	return load(t).Tailor(doc)
}

func TestTailoring(t *testing.T) {
	base := load(t)
	before := base.Hash()
	c, err := tailor(t, whole)
	if err != nil {
		t.Fatal(err)
	}
	if c.Hash() == before || c.BaseHash() != before || base.Hash() != before || base.Tailoring() != nil {
		t.Errorf("hash %s, of the base %s, before %s", c.Hash(), c.BaseHash(), before)
	}
	enc, _ := c.Measure("ENC-1")
	words := c.Words("fr", "ENC-1")
	if enc.Owner != "platform" || enc.Operator != Supplier || c.TeamName("en", "platform") != "Platform" || words.Title != "Chiffrement des échanges" {
		t.Errorf("ENC-1 is %+v %+v", enc, words)
	}
	if got := words.Sentence.String(); got != "Tout échange passe par HTTPS\u202f: seule la version {endpoint.tls.accepted} est acceptée." {
		t.Errorf("the sentence is not typeset: %q", got)
	}
	if words.Method.String() != base.Words("fr", "ENC-1").Method.String() {
		t.Error("the method of ENC-1 changed by itself")
	}
	if original, _ := base.Measure("ENC-1"); original.Owner != "operations" || base.TeamName("en", "platform") != "" || base.Words("fr", "ENC-1").Title == words.Title {
		t.Error("the base changed")
	}
	if got := c.Parameters["backup.database.retention"].Duration; got != 30*24*time.Hour || base.Parameters["backup.database.retention"].Duration == got {
		t.Errorf("retention is %v", got)
	}
	if got := c.Parameters["endpoint.tls.accepted"].List; !cmp.Equal(got, []string{"TLS 1.3"}) {
		t.Errorf("accepted is %v", got)
	}
	log, _ := c.Measure("LOG-3")
	if log.Kind != Attested || !log.Attest || log.Cadence != 180*24*time.Hour || !strings.Contains(c.Words("fr", "LOG-3").Method.String(), "expire d’elle-même") {
		t.Errorf("LOG-3 is %+v", log)
	}
	bak, _ := c.Measure("BAK-4")
	if bak.Excluded == nil || bak.Excluded.Reason["fr"] != "Nous n’utilisons pas Redis." {
		t.Errorf("BAK-4 is %+v", bak)
	}
	own, ok := c.Measure("OWN-1")
	if !ok || !own.Attest || own.Kind != Attested || own.Operator != Own || !c.IsOwn("OWN-1") || c.IsOwn("ENC-1") || c.IsOwn("X-1") {
		t.Errorf("OWN-1 is %+v", own)
	}
	if got := c.OwnChecks("OWN-2"); !cmp.Equal(got, []string{"vpn"}) {
		t.Errorf("checks are %v", got)
	}
	var order []string
	for i, m := range c.Measures {
		if found, _ := c.Measure(m.ID); found.ID != m.ID {
			t.Errorf("Measure(%s) is %s", m.ID, found.ID)
		}
		if m.Section == "1.2" && (i+1 == len(c.Measures) || c.Measures[i+1].Section != "1.2" || strings.HasPrefix(m.ID, "OWN")) {
			order = append(order, m.ID)
		}
	}
	if !cmp.Equal(order, []string{"OWN-1", "OWN-2"}) {
		t.Errorf("own measures end their section: %v", order)
	}
	if got := c.Answers["training"]["fr"]; got != "Chacun est formé à l’arrivée." || len(base.Answers) != 0 {
		t.Errorf("the answer is %q", got)
	}
	if id := c.Identity(); id.LegalName != "Ardoise Mécénat SRL" || id.DPO.Email != "dpo@ardoise.example" || id.Revision != "2027-11-12" {
		t.Errorf("the company is %+v", id)
	}
	if _, err := c.Tailor(c.Tailoring()); !errs.Is(err, errs.Internal) {
		t.Errorf("tailored twice: %v", err)
	}
}

func TestATailoringThatChangesNothing(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing yet\n", "measures: {}\n", "measures: {ENC-1: {}}\n", "own: {}\nalso: {}\n"} {
		c, err := tailor(t, text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if c.Hash() != load(t).Hash() {
			t.Errorf("%q changes the hash", text)
		}
	}
}

func TestHashOfATailoring(t *testing.T) {
	first, err := ParseTailoring([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	same, err := ParseTailoring([]byte("# another comment\n" + strings.Replace(whole, "# our contract says so", "", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if first.Hash() != same.Hash() {
		t.Error("comments change the hash")
	}
	// Whatever a reader could be shown changes the hash of the catalogue.
	before, err := tailor(t, whole)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{
		{"30d #", "31d #"}, {"[TLS 1.3]", "[TLS 1.2, TLS 1.3]"}, {"2027-11-12", "2027-11-13"}, {"Exemple 1", "Exemple 2"}, {"owner: platform\n    operator", "owner: security\n    operator"},
		{"cadence: 180d", "cadence: 181d"}, {"use Redis", "need Redis"}, {"trained on arrival", "trained early"}, {"checks: [vpn]", "checks: [vpn2]"}, {"en: Platform", "en: Platforms"},
		{"commit to a rhythm", "commit to it"}, {"asks the firewall", "questions the firewall"},
	} {
		text := strings.Replace(whole, c[0], c[1], 1)
		after, err := tailor(t, text)
		if err != nil {
			t.Fatal(err)
		}
		if text == whole || after.Hash() == before.Hash() {
			t.Errorf("%s → %s does not change the hash", c[0], c[1])
		}
	}
}

// bads are tailorings that are refused: with which problem, on which line, about what.
func TestRefusedTailorings(t *testing.T) {
	words := func(fr, en string) string {
		return fmt.Sprintf("measures:\n  ENC-1:\n    sentence:\n      fr: %q\n      en: %q\n", fr, en)
	}
	const goodFR, goodEN = "Seul {endpoint.tls.accepted} est accepté.", "Only {endpoint.tls.accepted} is accepted."
	if _, err := tailor(t, words(goodFR, goodEN)); err != nil {
		t.Fatal(err)
	}
	own := func(change func(string) string) string {
		return change("own:\n  OWN-1:\n    section: 1.2\n    kind: attested\n    owner: security\n    cadence: 365d\n    refs: {gdpr: [32(1)(b)]}\n" +
			"    title: {fr: Un titre, en: A title}\n    sentence: {fr: Nous le faisons., en: We do it.}\n    method: {fr: On le confirme., en: Somebody confirms it.}\n")
	}
	replace := func(from, to string) func(string) string {
		return func(s string) string { return strings.Replace(s, from, to, 1) }
	}
	if _, err := tailor(t, own(replace("", ""))); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text, id string
		line     int
		at       string
	}{
		"a fact dropped in both":  {words("Tout est chiffré.", "All is encrypted."), "tailoring.dropped", 4, "measures.ENC-1.sentence.fr"},
		"a fact dropped in one":   {words(goodFR, "All is encrypted."), "tailoring.dropped", 5, "measures.ENC-1.sentence.en"},
		"a literal figure":        {words("Seul {endpoint.tls.accepted} est accepté depuis 2 ans.", goodEN), "catalogue.figure", 4, "measures.ENC-1.sentence.fr"},
		"hedging":                 {words(goodFR, "Only {endpoint.tls.accepted} is accepted where possible."), "catalogue.banned", 5, "measures.ENC-1.sentence.en"},
		"a figure in one":         {words("Seul {endpoint.tls.accepted} est accepté, et {storage.encryption}.", goodEN), "tailoring.languages_differ", 5, "measures.ENC-1.sentence.en"},
		"no such figure":          {words("Seul {endpoint.tls.accepted} est accepté {tls.none}.", "Only {endpoint.tls.accepted} is accepted {tls.none}."), "catalogue.placeholder", 4, "measures.ENC-1.sentence.fr"},
		"a fact in a sentence":    {words("Seul {endpoint.tls.accepted} est accepté {endpoint.tls.suites}.", "Only {endpoint.tls.accepted} is accepted {endpoint.tls.suites}."), "catalogue.placeholder", 4, "measures.ENC-1.sentence.fr"},
		"one language only":       {"measures:\n  ENC-1:\n    sentence: {fr: \"" + goodFR + "\"}\n", "tailoring.language_missing", 3, "measures.ENC-1.sentence"},
		"a third language":        {"measures:\n  ENC-1:\n    title: {fr: Un titre, en: A title, nl: Een titel}\n", "tailoring.language_unknown", 3, "measures.ENC-1.title.nl"},
		"no full stop":            {words("Seul {endpoint.tls.accepted} est accepté", goodEN), "catalogue.full_stop", 4, "measures.ENC-1.sentence.fr"},
		"drops what is quoted":    {words(goodFR, goodEN) + "    drops: {endpoint.tls.accepted: no reason}\n", "tailoring.drops_nothing", 6, "measures.ENC-1.drops.endpoint.tls.accepted"},
		"drops without a reason":  {words("Tout est chiffré.", "All is encrypted.") + "    drops: {endpoint.tls.accepted: }\n", "catalogue.empty", 6, "measures.ENC-1.drops.endpoint.tls.accepted"},
		"a fact of an attested":   {"measures:\n  ENC-1:\n    attested: true\n    method:\n      fr: \"On compte {endpoint.tls.examined|adresse|adresses}.\"\n      en: \"We count {endpoint.tls.examined|address|addresses}.\"\n", "catalogue.placeholder", 5, "measures.ENC-1.method.fr"},
		"excluded, no reason":     {"measures:\n  BAK-4:\n    excluded: {}\n", "tailoring.no_reason", 3, "measures.BAK-4.excluded.reason"},
		"excluded, empty reason":  {"measures:\n  BAK-4:\n    excluded: {reason: {fr: \"\", en: \"\"}}\n", "catalogue.empty", 3, "measures.BAK-4.excluded.reason.fr"},
		"excluded, one language":  {"measures:\n  BAK-4:\n    excluded: {reason: {fr: Sans objet.}}\n", "tailoring.language_missing", 3, "measures.BAK-4.excluded.reason"},
		"excluded, just so":       {"measures:\n  BAK-4:\n    excluded: true\n", "catalogue.shape", 3, "measures.BAK-4.excluded"},
		"an unknown measure":      {"measures:\n  ENC-9: {owner: security}\n", "tailoring.measure_unknown", 2, "measures.ENC-9"},
		"an unknown team":         {"measures:\n  ENC-1: {owner: nobody}\n", "tailoring.team_unknown", 2, "measures.ENC-1.owner"},
		"an unknown operator":     {"measures:\n  ENC-1: {operator: robot}\n", "catalogue.operator", 2, "measures.ENC-1.operator"},
		"an unknown key":          {"measures:\n  ENC-1: {kind: enforced}\n", "catalogue.unknown_key", 2, "measures.ENC-1"},
		"attested, not a boolean": {"measures:\n  ENC-1: {attested: sometimes}\n", "tailoring.boolean", 2, "measures.ENC-1.attested"},
		"a cadence of no use":     {"measures:\n  ENC-1: {cadence: 30d}\n", "tailoring.cadence", 2, "measures.ENC-1.cadence"},
		"a duration as a number":  {"parameters:\n  backup.database.retention: 30\n", "catalogue.duration", 2, "parameters.backup.database.retention"},
		"a list for a duration":   {"parameters:\n  backup.database.retention: [30d]\n", "tailoring.parameter_kind", 2, "parameters.backup.database.retention"},
		"a text for a list":       {"parameters:\n  endpoint.tls.accepted: TLS 1.3\n", "tailoring.parameter_kind", 2, "parameters.endpoint.tls.accepted"},
		"a count for a duration":  {"parameters:\n  backup.database.retention: {count: 30}\n", "tailoring.parameter_kind", 2, "parameters.backup.database.retention"},
		"an unknown parameter":    {"parameters:\n  backup.nothing: 30d\n", "tailoring.parameter_unknown", 2, "parameters.backup.nothing"},
		"an own one without kind": {"parameters:\n  own.x: 30d\n", "tailoring.own_parameter_kind", 2, "parameters.own.x"},
		"braces in a parameter":   {"parameters:\n  storage.encryption: \"{x}\"\n", "catalogue.parameter_text", 2, "parameters.storage.encryption"},
		"an id of the catalogue":  {own(replace("OWN-1", "ENC-1")), "tailoring.own_id", 2, "own.ENC-1"},
		"an id of its family":     {own(replace("OWN-1", "ENC-77")), "tailoring.own_id", 2, "own.ENC-77"},
		"an id that is none":      {own(replace("OWN-1", "own1")), "catalogue.measure_id", 2, "own.own1"},
		"an own enforced one":     {own(replace("attested", "enforced")), "tailoring.own_kind", 4, "own.OWN-1.kind"},
		"checked by nothing":      {own(replace("kind: attested\n    owner: security\n    cadence: 365d", "kind: checked\n    owner: security")), "tailoring.no_check", 2, "own.OWN-1.checks"},
		"an own one for ever":     {own(replace("    cadence: 365d\n", "")), "catalogue.cadence", 2, "own.OWN-1.cadence"},
		"an own section":          {own(replace("1.2", "9.9")), "tailoring.section_unknown", 3, "own.OWN-1.section"},
		"an own one in one":       {own(replace(", en: We do it.", "")), "tailoring.language_missing", 9, "own.OWN-1.sentence"},
		"an own fact in a sentence": {own(func(s string) string {
			return strings.NewReplacer("    refs", "    facts: [own.x.y]\n    refs", "Nous le faisons.", `"Nous le faisons {own.x.y}."`, "We do it.", `"We do it {own.x.y}."`).Replace(s)
		}), "catalogue.placeholder", 10, "own.OWN-1.sentence.en"},
		"an own literal figure":  {own(replace("We do it.", "We do it 3 times.")), "catalogue.figure", 9, "own.OWN-1.sentence.en"},
		"no words":               {own(replace("    title: {fr: Un titre, en: A title}\n", "")), "catalogue.missing", 3, "own.OWN-1"},
		"an answer in one":       {"also:\n  training: {fr: Chacun est formé.}\n", "tailoring.language_missing", 2, "also.training"},
		"an answer that hedges":  {"also:\n  training: {fr: Chacun est formé., en: Everybody is trained regularly.}\n", "catalogue.banned", 2, "also.training.en"},
		"an answer nobody asks":  {"also:\n  weather: {fr: Beau., en: Fine.}\n", "tailoring.topic_unknown", 2, "also.weather"},
		"an answer that quotes":  {"also:\n  training: {fr: \"Chacun l'est {x}.\", en: Everybody is.}\n", "tailoring.reason_quotes", 2, "also.training.fr"},
		"an unknown heading":     {own(replace("refs: {gdpr: [32(1)(b)]", "refs: {gdpr: [32(1)(b)], clauses: [none]")), "tailoring.clause_unknown", 7, "own.OWN-1.refs"},
		"a day that is none":     {"company: {revision: 2027-02-30}\n", "tailoring.day", 1, "company.revision"},
		"no e-mail address":      {"company: {dpo: {email: dpo}}\n", "tailoring.email", 1, "company.dpo.email"},
		"a name of the officer":  {"company: {dpo: {name: X}}\n", "catalogue.unknown_key", 1, "company.dpo"},
		"an unknown section":     {"checks: {}\n", "catalogue.unknown_key", 1, ""},
		"a key twice":            {"also: {}\nalso: {}\n", "catalogue.duplicate", 2, ""},
		"an alias":               {"also:\n  a: &x {fr: Oui., en: Yes.}\n  b: *x\n", "catalogue.alias", 2, ""},
		"a tag":                  {"also: !!map {}\n", "catalogue.tag", 1, ""},
		"two documents":          {"also: {}\n---\nown: {}\n", "catalogue.documents", 2, ""},
		"no YAML":                {"measures: [\n", "catalogue.yaml", 1, ""},
		"a list":                 {"- a\n", "catalogue.shape", 1, ""},
		"an invisible character": {"company: {address: \"Rue\\u200b de l\"}\n", "catalogue.text_invisible", 1, ""},
		"a text over lines":      {"company:\n  address: |\n    Rue\n    Ville\n", "catalogue.text_invisible", 2, ""},
		"not UTF-8":              {"company: {address: \"\xff\"}\n", "tailoring.encoding", 1, ""},
		"too large":              {"# " + strings.Repeat("x", maxFile) + "\n", "catalogue.size", 1, ""},
	} {
		_, err := tailor(t, c.text)
		found := Problems(err)
		if len(found) == 0 {
			t.Errorf("%s: accepted (%v)", name, err)
			continue
		}
		line, at := Place(found[0])
		if found[0].ID != c.id || line != c.line || at != c.at {
			t.Errorf("%s: %s on line %d about %q, want %s on line %d about %q: %v", name, found[0].ID, line, at, c.id, c.line, c.at, err)
		}
		if !errs.Is(err, errs.Invalid) || found[0].Fix == "" || !strings.HasPrefix(found[0].Text, fmt.Sprintf("annex.yaml, line %d: ", c.line)) {
			t.Errorf("%s: %v", name, found[0])
		}
	}
}

func TestDropsWithAReason(t *testing.T) {
	const text = "measures:\n  ENC-1:\n    sentence: {fr: Tout est chiffré., en: All is encrypted.}\n    drops: {endpoint.tls.accepted: the supplier decides}\n"
	c, err := tailor(t, text)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Words("en", "ENC-1").Sentence.String(); got != "All is encrypted." {
		t.Errorf("the sentence is %q", got)
	}
}

// A text written for another build is refused whole, with the lines that no longer fit.
func TestTailoringOfAnotherBuild(t *testing.T) {
	doc, err := ParseTailoring([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	other, err := parseSmall(small, smallFR, smallEN)
	if err != nil {
		t.Fatal(err)
	}
	c, err := other.Tailor(doc)
	if c != nil || err == nil {
		t.Fatalf("a catalogue that has nothing of it: %v, %v", c, err)
	}
	var lines []int
	for _, p := range Problems(err) {
		line, _ := Place(p)
		lines = append(lines, line)
	}
	for i := 1; i < len(lines); i++ {
		if lines[i] < lines[i-1] {
			t.Errorf("problems are not in order: %v", lines)
		}
	}
	for _, want := range []int{9, 10, 15, 22, 25, 27, 35, 48, 58} { // parameters, measures, own measures' sections
		found := false
		for _, l := range lines {
			found = found || l == want
		}
		if !found {
			t.Errorf("nothing is said of line %d: %v\n%v", want, lines, err)
		}
	}
}

func TestManyProblemsAreToldOnce(t *testing.T) {
	var b strings.Builder
	b.WriteString("measures:\n")
	for i := range 20000 {
		fmt.Fprintf(&b, "  XXX-%d: {owner: security}\n", i+1)
	}
	_, err := tailor(t, b.String())
	if n := len(Problems(err)); n != maxProblems {
		t.Errorf("%d problems", n)
	}
}

func FuzzTailoring(f *testing.F) {
	f.Add(whole)
	f.Add("measures:\n  ENC-1:\n    sentence: {fr: x., en: y.}\n")
	base, err := Load()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := ParseTailoring([]byte(text))
		if err != nil {
			if doc != nil || len(Problems(err)) == 0 {
				t.Errorf("half a tailoring, or no reason: %v", err)
			}
			return
		}
		before := base.Hash()
		c, err := base.Tailor(doc)
		if (c == nil) == (err == nil) || base.Hash() != before {
			t.Errorf("half a catalogue: %v", err)
		}
		if err != nil {
			if len(Problems(err)) == 0 {
				t.Errorf("no reason: %v", err)
			}
			return
		}
		for _, m := range c.Measures {
			for _, lang := range c.Languages() {
				w := c.Words(lang, m.ID)
				if w.Title == "" || len(w.Sentence) == 0 || len(w.Method) == 0 || c.TeamName(lang, m.Owner) == "" {
					t.Fatalf("%s lacks words in %s", m.ID, lang)
				}
			}
		}
	})
}

// The example that the manual shows is one that works.
func TestExampleInTheManual(t *testing.T) {
	text, err := os.ReadFile("../../../docs/annex.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := tailor(t, string(text))
	if err != nil {
		t.Fatal(err)
	}
	if m, ok := c.Measure("OWN-1"); !ok || m.Kind != Attested || c.Identity().Revision != "2027-11-12" || len(c.Answers) != 1 {
		t.Errorf("%+v", m)
	}
}
