package catalogue

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/garant-project/garant/internal/errs"
)

// theHeadings are those of Annex III of Decision (EU) 2021/915, by our keys, in its order, with
// the measures that relate to each. A heading without any is one that this annex does not state.
const theHeadings = `
encryption: SEG-6 SEG-7 SEG-8 ANO-1 KEY-1 KEY-2 ENC-1 ENC-3 ENC-4
resilience: PHY-6 ACC-1 SEG-1 SEG-2 SEG-3 SEG-4 SEG-5 BCP-1 VUL-1 NDA-1 NET-1 END-1 BAK-7 PWR-1
recovery: BCP-1 BAK-1 BAK-2 BAK-3 BAK-4 BAK-5 BAK-6 BCP-2 ESC-1 BAK-7
review: ACC-8 RSK-1 RSK-2 BCP-2 ORG-1 VUL-1 NET-2
identification: ACC-1 ACC-2 ACC-3 ACC-4 ACC-5 ACC-7 ACC-8 ACC-9 ACC-10 ACC-11 ACC-12 ACC-13 ACC-14 ACC-15 SEG-2 SEG-5 ACC-16
transmission: CRT-1 CRT-2 ENC-1 ENC-2 SIG-1
storage: PHY-9 KEY-1 ENC-3 BAK-3 BAK-5 BAK-6 MED-1 END-1
premises: PHY-1 PHY-2 PHY-3 PHY-4 PHY-5 PHY-6 PHY-7 PHY-9
logging: ACC-6 ACC-7 LOG-1 LOG-2 LOG-3 LOG-4 LOG-5 LOG-6 LOG-7
configuration: KEY-2 ENC-2 PRI-1 CHG-1 ACC-16 NET-1 NET-2
governance: PHY-7 PHY-8 RSK-1 RSK-2 CLS-1 AST-1 ORG-1 INC-1 CON-1 AST-2 CHG-1 NDA-1 TEL-1 ESC-1
assurance: PWR-1
minimisation: SEG-4 SEG-6 SEG-7 SEG-8 ANO-1 PRI-1
quality:
retention: BAK-1 BAK-2 PRO-2
accountability: ACC-5 PRO-1 LOG-1 LOG-2 ORG-1 INC-1 CON-1 SIG-1
portability: MED-1 PRO-2`

func TestTheSeventeenHeadings(t *testing.T) {
	c := load(t)
	want := strings.Split(strings.TrimSpace(theHeadings), "\n")
	if len(want) != 17 || len(c.Clauses) != 17 {
		t.Fatalf("%d headings, and %d in this test", len(c.Clauses), len(want))
	}
	for i, line := range want {
		key, ids, _ := strings.Cut(line, ":")
		if c.Clauses[i] != key {
			t.Errorf("heading %d is %s, want %s", i+1, c.Clauses[i], key)
		}
		var got []string
		for _, m := range c.Measures {
			if slices.Contains(m.Refs.Clauses, key) {
				got = append(got, m.ID)
			}
		}
		if diff := cmp.Diff(strings.Join(strings.Fields(ids), " "), strings.Join(got, " ")); diff != "" {
			t.Error(key, diff)
		}
		for _, lang := range c.Languages() {
			if c.ClauseTitle(lang, key) == "" {
				t.Errorf("%s: the heading %s has no name", lang, key)
			}
		}
	}
	for _, m := range c.Measures {
		if len(m.Refs.Clauses) == 0 {
			t.Errorf("%s stands below no heading", m.ID)
		}
	}
}

// What reviewers ask and the annex's own order does not put in one place.
func TestTopics(t *testing.T) {
	c := load(t)
	var got []string
	for _, topic := range c.Topics {
		got = append(got, topic.Key)
		for _, lang := range c.Languages() {
			if !strings.HasSuffix(c.Question(lang, topic.Key), "?") {
				t.Errorf("%s: %s asks %q", lang, topic.Key, c.Question(lang, topic.Key))
			}
		}
	}
	want := []string{"retention", "location", "subprocessors", "penetration", "malware", "network", "training", "ai", "contact"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(c.Answers) != 0 {
		t.Error("the program's own catalogue answers for a company")
	}
}

// ordered is small with headings and topics.
func ordered() (m, fr, en string) {
	m = strings.Replace(small, "measures:\n", "clauses: [storage, quality]\nalso:\n  - {key: ai, measures: [BBB-1]}\nmeasures:\n", 1)
	m = strings.Replace(m, "{gdpr: [25(1)]}", "{gdpr: [25(1)], clauses: [storage]}", 1)
	fr = strings.Replace(smallFR, "measures:\n", "clauses: {storage: Stockage, quality: Qualité}\nalso:\n  ai: Avec quoi\u202f?\nmeasures:\n", 1)
	en = strings.Replace(smallEN, "measures:\n", "clauses: {storage: Storage, quality: Quality}\nalso:\n  ai: With what?\nmeasures:\n", 1)
	return m, fr, en
}

func TestOrdersAreRead(t *testing.T) {
	c, err := parseSmall(ordered())
	if err != nil {
		t.Fatal(err)
	}
	b, _ := c.Measure("BBB-1")
	if diff := cmp.Diff([]string{"storage"}, b.Refs.Clauses); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Topic{{Key: "ai", Measures: []string{"BBB-1"}}}, c.Topics); diff != "" {
		t.Error(diff)
	}
	if c.ClauseTitle("fr", "quality") != "Qualité" || c.Question("en", "ai") != "With what?" {
		t.Errorf("%q, %q", c.ClauseTitle("fr", "quality"), c.Question("en", "ai"))
	}
}

func TestOrdersAreRefused(t *testing.T) {
	for _, tt := range []struct {
		file, from, to string
		id             string
		line           int
	}{
		{"m", "[storage, quality]", "[storage, storage]", "catalogue.duplicate", 9},
		{"m", "[storage, quality]", "[storage, Quality]", "catalogue.clause", 9},
		{"m", "[storage, quality]", "storage", "catalogue.shape", 9},
		{"m", "clauses: [storage]", "clauses: [premises]", "catalogue.clause", 26},
		{"m", "clauses: [storage]", "clauses: storage", "catalogue.shape", 26},
		{"m", "measures: [BBB-1]", "measures: [CCC-1]", "catalogue.topic", 11},
		{"m", "measures: [BBB-1]", "measures: [BBB-1, BBB-1]", "catalogue.duplicate", 11},
		{"m", "{key: ai, measures: [BBB-1]}", "{key: ai}", "catalogue.missing", 11},
		{"m", "{key: ai, measures: [BBB-1]}", "{key: A I, measures: []}", "catalogue.topic", 11},
		{"m", "{key: ai, measures: [BBB-1]}", "{key: ai, measures: []}\n  - {key: ai, measures: []}", "catalogue.duplicate", 12},
		{"m", "{key: ai, measures: [BBB-1]}", "{key: ai, measures: [], answer: x}", "catalogue.unknown_key", 11},
		{"fr", "clauses: {storage: Stockage, quality: Qualité}\n", "", "catalogue.missing", 1},
		{"fr", ", quality: Qualité", "", "catalogue.no_words", 3},
		{"fr", ", quality: Qualité", ", quality: Qualité, premises: Lieux", "catalogue.unknown_key", 3},
		{"fr", "quality: Qualité", "quality: Qualité.", "catalogue.label", 3},
		{"fr", "also:\n  ai: Avec quoi\u202f?\n", "", "catalogue.missing", 1},
		{"fr", "Avec quoi\u202f?", "Avec quoi", "catalogue.question", 5},
		{"fr", "Avec quoi\u202f?", "Avec quoi ?", "catalogue.french_space", 5},
		{"en", "With what?", "With {keep}?", "catalogue.label", 5},
	} {
		t.Run(fmt.Sprintf("%s %s %.40q", tt.file, tt.id, tt.to), func(t *testing.T) {
			m, fr, en := ordered()
			in := map[string]string{"m": m, "fr": fr, "en": en}
			in[tt.file] = replaceOnce(t, in[tt.file], tt.from, tt.to)
			c, err := parseSmall(in["m"], in["fr"], in["en"])
			var e *errs.Error
			if c != nil || !errors.As(err, &e) {
				t.Fatalf("accepted, or %v", err)
			}
			if e.Kind != errs.Invalid || e.ID != tt.id || e.Args["line"] != tt.line || e.Fix == "" {
				t.Errorf("%s %v, want %s on line %d\n%v", e.ID, e.Args, tt.id, tt.line, err)
			}
		})
	}
}
