package catalogue

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// theIDs are the rows that the product must carry out, in the order of the annex.
const theIDs = `
PHY-1 PHY-2 PHY-3 PHY-4 PHY-5 PHY-6 PHY-7 PHY-8 PHY-9
ACC-1 ACC-2 ACC-3 ACC-4 ACC-5 ACC-6 ACC-7 ACC-8 ACC-9 ACC-10 ACC-11 ACC-12 ACC-13 ACC-14 ACC-15
SEG-1 SEG-2 SEG-3 SEG-4 SEG-5 SEG-6 SEG-7 SEG-8
PRO-1 ANO-1
RSK-1 RSK-2
CLS-1 AST-1 CRT-1 CRT-2 KEY-1 KEY-2 ENC-1 ENC-2 ENC-3 ENC-4
LOG-1 LOG-2 LOG-3 LOG-4 LOG-5 LOG-6
BCP-1 BAK-1 BAK-2 BAK-3 BAK-4 BAK-5 BAK-6 BCP-2
ORG-1 INC-1 PRI-1 CON-1 AST-2 VUL-1 CHG-1 NDA-1 MED-1 TEL-1
ACC-16 LOG-7 NET-1 NET-2 END-1 ESC-1 BAK-7 PWR-1 PRO-2 SIG-1`

func load(t testing.TB) *Catalogue {
	t.Helper()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEveryRowIsThereInOrder(t *testing.T) {
	c := load(t)
	want := strings.Fields(theIDs)
	if len(want) != 80 {
		t.Fatalf("the list of this test has %d ids", len(want))
	}
	var got []string
	for _, m := range c.Measures {
		got = append(got, m.ID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, id := range want {
		if m, ok := c.Measure(id); !ok || m.ID != id {
			t.Errorf("Measure(%s) = %v, %v", id, m.ID, ok)
		}
	}
	if _, ok := c.Measure("ENC-9"); ok {
		t.Error("a measure that does not exist was found")
	}
}

func TestSectionsFollowTheAnnex(t *testing.T) {
	c := load(t)
	var got []string
	counts := map[string]int{}
	for _, s := range c.Sections {
		got = append(got, s.ID)
		if len(s.GDPR) == 0 {
			t.Errorf("section %s answers no article", s.ID)
		}
	}
	for _, m := range c.Measures {
		counts[m.Section]++
	}
	if diff := cmp.Diff([]string{"1.1", "1.2", "1.3", "1.4", "2", "2.1", "2.2", "3.1", "4", "5"}, got); diff != "" {
		t.Error(diff)
	}
	want := map[string]int{"1.1": 9, "1.2": 15, "1.3": 8, "1.4": 2, "2": 2, "2.1": 10, "2.2": 6, "3.1": 8, "4": 10, "5": 10}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Error(diff)
	}
}

// TestKinds holds each kind to what the rows of the product allow.
func TestKinds(t *testing.T) {
	want := map[Kind]string{
		Checked: `PHY-3 ACC-2 ACC-5 ACC-15 SEG-4 SEG-5 SEG-8 ANO-1 CLS-1 AST-1 CRT-1 CRT-2 ENC-1 ENC-2 ENC-3 LOG-3 LOG-6
			BAK-1 BAK-6 VUL-1 NDA-1 ACC-16 NET-1 NET-2 END-1 BAK-7`,
		Run:      `PHY-4 PHY-5 PHY-7 PHY-8 PHY-9 RSK-1 RSK-2 BCP-1 ORG-1 INC-1 CON-1 AST-2 MED-1 TEL-1 ESC-1`,
		Attested: `PHY-1 PHY-2 PHY-6 PWR-1`,
	}
	c := load(t)
	for _, m := range c.Measures {
		kind := Enforced
		for k, ids := range want {
			if slices.Contains(strings.Fields(ids), m.ID) {
				kind = k
			}
		}
		if m.Kind != kind {
			t.Errorf("%s is %s, want %s", m.ID, m.Kind, kind)
		}
		if people := m.Kind == Run || m.Kind == Attested || m.Attest; people != (m.Cadence > 0) {
			t.Errorf("%s is %s and has the cadence %s", m.ID, m.Kind, m.Cadence)
		}
	}
}

func TestOperatorsAsAgreedWithTheHost(t *testing.T) {
	suppliers := strings.Fields("PHY-6 KEY-1 KEY-2 ENC-4 LOG-6 BAK-1 BAK-2 BAK-3 BAK-4 BAK-5 BAK-6 PWR-1")
	for _, m := range load(t).Measures {
		want := Own
		if slices.Contains(suppliers, m.ID) {
			want = Supplier
		}
		if m.Operator != want {
			t.Errorf("%s is operated by %s, want %s", m.ID, m.Operator, want)
		}
	}
}

func TestFiguresOfTheAnnex(t *testing.T) {
	const day = 24 * time.Hour
	span := func(n string, d time.Duration) Parameter { return Parameter{Name: n, Kind: DurationKind, Duration: d} }
	want := []Parameter{
		{Name: "access.customer_data.teams", Kind: ListKind, List: []string{"Customer Success", "IT Operations"}},
		{Name: "endpoint.tls.accepted", Kind: ListKind, List: []string{"TLS 1.2", "TLS 1.3"}},
		{Name: "endpoint.certificate.accepted_issuers", Kind: ListKind, List: []string{"Let’s Encrypt"}},
		{Name: "storage.encryption", Kind: TextKind, Text: "AES-256"},
		span("access.review.period", 365*day), span("risk.assessment.period", 365*day),
		span("endpoint.hsts.required_max_age", 365*day), span("endpoint.certificate.remaining", 14*day),
		span("backup.database.interval", day), span("backup.database.retention", 365*day),
		span("backup.search.interval", time.Hour), span("backup.search.retention", 14*day),
		span("backup.search.extra_interval", 6*time.Hour), span("backup.search.extra_retention", 14*day),
		span("backup.cluster.interval", day), span("backup.cluster.retention", 14*day),
		span("continuity.test.period", 365*day), span("escalation.test.period", 365*day),
		span("incident.notice.authority", 72*time.Hour),
		span("register.acknowledgement.grace", 30*day), span("register.onboarding", 30*day),
	}
	c := load(t)
	if len(c.Parameters) != len(want) {
		t.Errorf("%d parameters, want %d", len(c.Parameters), len(want))
	}
	for _, p := range want {
		if diff := cmp.Diff(p, c.Parameters[p.Name]); diff != "" {
			t.Error(p.Name, diff)
		}
	}
}

// TestEveryValueIsQuoted finds parameters and facts that change nothing.
func TestEveryValueIsQuoted(t *testing.T) {
	c := load(t)
	for _, lang := range c.Languages() {
		quoted := map[string]bool{}
		for _, m := range c.Measures {
			w := c.Words(lang, m.ID)
			for _, name := range append(w.Sentence.Names(), w.Method.Names()...) {
				quoted[name] = true
			}
			for _, f := range m.Facts {
				chooses := slices.ContainsFunc(w.Sentence, func(s Segment) bool { return s.Chooses() && s.Name == f })
				if !chooses && !slices.Contains(w.Method.Names(), f) {
					t.Errorf("%s: the method of %s does not quote its fact %s", lang, m.ID, f)
				}
			}
			for _, s := range w.Sentence {
				if _, ok := c.Parameters[s.Name]; s.Placeholder() && !s.Chooses() && !ok {
					t.Errorf("%s: the sentence of %s quotes %s, which has no announced value", lang, m.ID, s.Name)
				}
			}
		}
		for name := range c.Parameters {
			if !quoted[name] {
				t.Errorf("%s: nothing quotes %s", lang, name)
			}
		}
	}
}

func TestFactsOfTheChecksThatExist(t *testing.T) {
	want := map[string][]string{
		"ACC-2": {"access.readers.examined", "access.readers.roles", "access.readers.tables"},
		"ACC-5": {"access.privileged.examined", "access.privileged.roles"},
		"SEG-1": {"isolation.live.tables", "isolation.live.examined"},
		"SEG-2": {"isolation.live.checks"},
		"SEG-3": {"hosting.dedicated", "hosting.places"},
		"SEG-5": {"access.developers.examined", "access.developers.roles"},
		"SEG-6": {"anonymise.copied.anonymised", "anonymise.copied.examined", "anonymise.copied.oldest"},
		"SEG-7": {"anonymise.available.anonymised", "anonymise.available.roles", "anonymise.available.tables"},
		"SEG-8": {"anonymise.unattended.anonymised", "anonymise.unattended.published"},
		"ANO-1": {"anonymise.persons.scanned", "anonymise.persons.canaries", "anonymise.persons.smallest"},
		"CLS-1": {"access.labels.examined", "access.labels.columns", "register.assets.labelled"},
		"NET-1": {"access.network.examined", "reach.examined", "reach.refused"},
		"ACC-6": {"auditlog.copied.kept"},
		"LOG-1": {"auditlog.sequenced.leaves"},
		"LOG-2": {"auditlog.cloud.trails", "auditlog.cloud.files", "auditlog.cloud.oldest", "auditlog.cloud.lag"},
		"LOG-6": {"auditlog.workspace.logs", "auditlog.workspace.age", "auditlog.workspace.kept"},
		"LOG-7": {"auditlog.sign_ins.counted"},
		"LOG-3": {"auditlog.system_logs.sources", "auditlog.system_logs.slowest", "auditlog.system_logs.agreed"},
		"LOG-4": {"auditlog.application_logs.sources", "auditlog.application_logs.slowest", "auditlog.application_logs.agreed"},
		"PHY-3": {"register.office.examined", "register.office.sites"},
		"PHY-7": {"register.policy.clear_desk.read", "register.policy.clear_desk.published"},
		"PHY-8": {"register.policy.telework.read", "register.policy.telework.published"},
		"PHY-9": {"register.policy.papers.read", "register.policy.papers.published", "register.media.examined", "register.media.media"},
		"AST-1": {"register.owners.examined"},
		"BCP-1": {"register.plan.continuity.read", "register.plan.continuity.published"},
		"CON-1": {"register.suppliers.examined", "register.suppliers.subprocessors"},
		"NDA-1": {"register.nda.signed"},
		"TEL-1": {"register.policy.telework.read", "register.policy.telework.published"},
		"ENC-1": {"endpoint.tls.examined", "endpoint.tls.versions", "endpoint.tls.suites", "endpoint.plainhttp.examined"},
		"ENC-2": {"endpoint.hsts.examined", "endpoint.hsts.max_age"},
		"CRT-1": {"endpoint.certificate.production.examined", "endpoint.certificate.production.next_expiry"},
		"CRT-2": {"endpoint.certificate.nonproduction.examined", "endpoint.certificate.nonproduction.next_expiry", "endpoint.certificate.nonproduction.issuers"},
	}
	for _, m := range load(t).Measures {
		if diff := cmp.Diff(want[m.ID], m.Facts); diff != "" {
			t.Error(m.ID, diff)
		}
	}
}

func TestWordsInBothLanguages(t *testing.T) {
	c := load(t)
	if diff := cmp.Diff([]string{"en", "fr"}, c.Languages()); diff != "" {
		t.Fatal(diff)
	}
	for _, lang := range c.Languages() {
		titles, sentences := map[string]string{}, map[string]string{}
		for _, m := range c.Measures {
			w := c.Words(lang, m.ID)
			if n := len(strings.Fields(w.Title)); n < 2 || n > 6 {
				t.Errorf("%s: the title of %s has %d words", lang, m.ID, n)
			}
			for what, text := range map[string]string{"sentence": w.Sentence.String(), "method": w.Method.String()} {
				if len(strings.Fields(text)) < 5 {
					t.Errorf("%s: the %s of %s is %q", lang, what, m.ID, text)
				}
				if strings.Contains(text, ". ") {
					t.Errorf("%s: the %s of %s is more than one sentence", lang, what, m.ID)
				}
				if r := []rune(text)[0]; r != '{' && strings.ToUpper(string(r)) != string(r) {
					t.Errorf("%s: the %s of %s begins with a small letter", lang, what, m.ID)
				}
			}
			if other, twice := titles[w.Title]; twice {
				t.Errorf("%s: %s and %s have the same title", lang, other, m.ID)
			}
			if other, twice := sentences[w.Sentence.String()]; twice {
				t.Errorf("%s: %s and %s say the same", lang, other, m.ID)
			}
			titles[w.Title], sentences[w.Sentence.String()] = m.ID, m.ID
			if c.TeamName(lang, m.Owner) == "" {
				t.Errorf("%s: the owner of %s has no name", lang, m.ID)
			}
		}
		for _, s := range c.Sections {
			if c.SectionTitle(lang, s.ID) == "" {
				t.Errorf("%s: section %s has no title", lang, s.ID)
			}
		}
	}
	for _, m := range c.Measures {
		if c.Words("fr", m.ID).Sentence.String() == c.Words("en", m.ID).Sentence.String() {
			t.Errorf("%s says the same in both languages", m.ID)
		}
	}
	if w := c.Words("nl", "ENC-1"); w.Title != "" || w.Sentence != nil {
		t.Error("a language that does not exist has words")
	}
}

// TestStyleOfTheFiles looks at the files themselves, with rules written apart from those of
// the package.
func TestStyleOfTheFiles(t *testing.T) {
	rules := map[string]map[string]string{
		"fr": {
			`[^\x{202f}!?][;:!?%»]`: "no narrow no-break space before a sign",
			`«[^\x{202f}]`:          "no narrow no-break space after «",
			`['"]`:                  "a typewriter sign",
			`(?i)(^|[^\pL])(état de l’art|régulièrement|peut|peuvent|dans la mesure du possible|de pointe)([^\pL]|$)`: "a banned word",
			`\d`: "a literal figure",
		},
		"en": {
			`\s[;:!?%]`: "a space before a sign",
			`['"]`:      "a typewriter sign",
			`(?i)\b(state[ -]of[ -]the[ -]art|regularly|may|best[ -]efforts?|military[ -]grade)\b`: "a banned word",
			`(?i)\b(organization|anonymiz|authoriz|catalog\b|license[sd]?\b|center\b)`:             "American spelling",
			`\d`: "a literal figure",
		},
	}
	name := regexp.MustCompile(`SAML 2\.0|\bS3\b`)
	value := regexp.MustCompile(`\{[^}|]*(\|[^}]*)?\}`)
	c := load(t)
	for lang, patterns := range rules {
		for _, m := range c.Measures {
			w := c.Words(lang, m.ID)
			for what, s := range map[string]string{"title": w.Title, "sentence": w.Sentence.String(), "method": w.Method.String()} {
				s = name.ReplaceAllString(value.ReplaceAllString(s, "x"), "N")
				for p, why := range patterns {
					if hit := regexp.MustCompile(p).FindString(s); hit != "" {
						t.Errorf("%s: the %s of %s: %s (%q)", lang, what, m.ID, why, hit)
					}
				}
			}
		}
	}
}

// TestAnonymisedIsSaidUnderItsCondition: data is called anonymised only where publication
// depends on the re-identification check, and, but for ANO-1, whose own condition it is, only while
// that is proven; else it is called pseudonymised.
func TestAnonymisedIsSaidUnderItsCondition(t *testing.T) {
	c := load(t)
	for lang, check := range map[string]string{"fr": "réidentification", "en": "re-identification"} {
		said := 0
		for _, m := range c.Measures {
			w := c.Words(lang, m.ID)
			if strings.Contains(strings.ToLower(w.Sentence.String()), "anonymis") {
				said++
				if !strings.Contains(w.Method.String(), check) {
					t.Errorf("%s: %s says anonymised and its method does not name the check of re-identification", lang, m.ID)
				}
			}
			plain := w.Title
			for _, s := range slices.Concat(w.Sentence, w.Method) {
				plain += s.Text
				if strings.Contains(s.Else, "anonymis") || strings.Contains(s.Proven, "anonymis") && "pseud"+strings.TrimPrefix(s.Proven, "an") != s.Else {
					t.Errorf("%s: %s chooses between %q and %q", lang, m.ID, s.Proven, s.Else)
				}
			}
			if m.ID != "ANO-1" && strings.Contains(strings.ToLower(plain), "anonymis") {
				t.Errorf("%s: %s says anonymised whether it is proven or not", lang, m.ID)
			}
		}
		if said == 0 {
			t.Errorf("%s: no sentence says anonymised", lang)
		}
	}
}

func TestReferencesEqualTheTable(t *testing.T) {
	f, err := os.Open("testdata/references.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := load(t)
	split := func(s string) []string {
		if s == "" {
			return nil
		}
		return strings.Split(s, ", ")
	}
	rows := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		rows++
		col := strings.Split(lines.Text(), "\t")
		for len(col) < 5 {
			col = append(col, "")
		}
		var want Refs
		for _, letter := range split(col[1]) {
			want.GDPR = append(want.GDPR, "32(1)("+letter+")")
		}
		want.GDPR = append(want.GDPR, split(strings.TrimSuffix(col[2], " for purge"))...)
		for _, n := range split(strings.TrimPrefix(col[3], "clauses ")) {
			if strings.HasPrefix(col[3], "clauses ") {
				n = "clause " + n
			}
			want.ISO = append(want.ISO, n)
		}
		want.CNIL = split(col[4])
		m, ok := c.Measure(col[0])
		m.Refs.Clauses = nil // of another list
		if !ok {
			t.Errorf("the table has %s, the catalogue has not", col[0])
			continue
		}
		if diff := cmp.Diff(want, m.Refs); diff != "" {
			t.Error(m.ID, diff)
		}
	}
	if rows != len(c.Measures) {
		t.Errorf("the table has %d rows, the catalogue %d measures", rows, len(c.Measures))
	}
}

func TestHash(t *testing.T) {
	c, again := load(t), load(t)
	if c.Hash() != again.Hash() || len(c.Hash()) != 64 {
		t.Errorf("hashes %s and %s", c.Hash(), again.Hash())
	}
	sum := sha256.Sum256(c.Canonical())
	if hex.EncodeToString(sum[:]) != c.Hash() {
		t.Error("the hash is not that of the canonical form")
	}
	var any map[string]any
	if err := json.Unmarshal(c.Canonical(), &any); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(any)
	if err != nil {
		t.Fatal(err)
	}
	// encoding/json sorts the keys of maps and escapes only <, > and & beyond RFC 8785.
	if string(b) != string(c.Canonical()) {
		t.Error("the canonical form changes when it is read and written")
	}

	c.Canonical()[0] = 'x'
	if c.Canonical()[0] != '{' {
		t.Error("the canonical form can be changed from outside")
	}

	measures, words := embedded(t)
	changes := map[string]func() (file, from, to string){
		"a letter of a French sentence": func() (string, string, string) { return "fr", "un sas", "deux sas" },
		"a letter of an English method": func() (string, string, string) { return "en", "spot checks", "spot tests" },
		"a title":                       func() (string, string, string) { return "en", "title: Clear desk", "title: Tidy desk" },
		"the title of a section":        func() (string, string, string) { return "fr", "2: Intégrité", "2: Risques" },
		"the name of a team":            func() (string, string, string) { return "fr", "legal: Juridique", "legal: Droit" },
		"a figure":                      func() (string, string, string) { return "", "duration: 6h", "duration: 5h" },
		"a cadence":                     func() (string, string, string) { return "", "cadence: 365d", "cadence: 364d" },
		"a kind":                        func() (string, string, string) { return "", "kind: checked", "kind: enforced" },
		"that it is attested":           func() (string, string, string) { return "", "    attest: true\n", "" },
		"what it is attested for":       func() (string, string, string) { return "", "    per: site\n", "" },
		"an owner":                      func() (string, string, string) { return "", "owner: people", "owner: legal" },
		"an operator":                   func() (string, string, string) { return "", "operator: supplier", "operator: own" },
		"a reference":                   func() (string, string, string) { return "", "iso: [7.1, 7.3]", "iso: [7.1]" },
		"a heading of a measure":        func() (string, string, string) { return "", "clauses: [resilience, assurance]", "clauses: [assurance]" },
		"the name of a heading":         func() (string, string, string) { return "en", "quality: Data quality", "quality: Quality" },
		"a question":                    func() (string, string, string) { return "en", "How are staff trained in", "How are staff versed in" },
		"what answers a question":       func() (string, string, string) { return "", "measures: [PRO-2, BAK-1]", "measures: [PRO-2]" },
	}
	seen := map[string]string{c.Hash(): "nothing"}
	for what, change := range changes {
		file, from, to := change()
		m, w := string(measures), map[string][]byte{"fr": words["fr"], "en": words["en"]}
		if file == "" {
			m = replaceOnce(t, m, from, to)
		} else {
			w[file] = []byte(replaceOnce(t, string(w[file]), from, to))
		}
		got, err := Parse([]byte(m), w)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if other, same := seen[got.Hash()]; same {
			t.Errorf("changing %s gives the hash of changing %s", what, other)
		}
		seen[got.Hash()] = what
	}
	got, err := Parse(append([]byte("# a remark\n\n"), measures...), words)
	if err != nil || got.Hash() != c.Hash() {
		t.Errorf("a remark changed the hash (%v)", err)
	}
}

func embedded(t testing.TB) (measures []byte, words map[string][]byte) {
	t.Helper()
	read := func(name string) []byte {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	return read("measures.yaml"), map[string][]byte{"fr": read("fr.yaml"), "en": read("en.yaml")}
}

func replaceOnce(t testing.TB, s, from, to string) string {
	t.Helper()
	if !strings.Contains(s, from) {
		t.Fatalf("the text does not hold %q", from)
	}
	return strings.Replace(s, from, to, 1)
}
