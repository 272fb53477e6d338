package catalogue

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/garant-project/garant/internal/errs"
)

// small is the least catalogue that has everything.
const small = `sections:
  - {id: 1, gdpr: [32(1)(a)]}
  - {id: 2, gdpr: [32(1)(b)]}
parameters:
  keep: {duration: 14d}
  copies: {count: 3}
  cipher: {text: AES-256}
  places: {list: [Namur, Gand]}
measures:
  - id: AAA-1
    section: 1
    kind: checked
    owner: ops
    operator: own
    facts: [aaa.seen]
    refs: {gdpr: [32(1)(a)], iso: [7.10]}
  - id: BBB-1
    section: 2
    kind: run
    owner: ops
    operator: supplier
    cadence: 90m
    refs: {gdpr: [25(1)]}
`

const smallFR = `sections: {1: Un titre, 2: Un autre}
teams: {ops: Exploitation}
measures:
  AAA-1:
    title: Copies gardées
    sentence: Nous gardons {copies|copie|copies} pendant {keep} à {places}.
    method: >-
      Garant en a vu {aaa.seen|copie|copies} sur {copies}.
  BBB-1:
    title: Chiffrement partout
    sentence: Tout est chiffré avec {cipher}.
    method: Une personne le confirme.
`

const smallEN = `sections: {1: A title, 2: Another}
teams: {ops: Operations}
measures:
  AAA-1:
    title: Copies kept
    sentence: For {keep}, we hold {copies|copy|copies} in {places}.
    method: Garant saw {aaa.seen|copy|copies} of {copies}.
  BBB-1:
    title: Encryption everywhere
    sentence: Everything is encrypted with {cipher}.
    method: A person confirms it.
`

func parseSmall(m, fr, en string) (*Catalogue, error) {
	return Parse([]byte(m), map[string][]byte{"fr": []byte(fr), "en": []byte(en)})
}

func TestParseSmall(t *testing.T) {
	c, err := parseSmall(small, smallFR, smallEN)
	if err != nil {
		t.Fatal(err)
	}
	want := []Measure{
		{ID: "AAA-1", Section: "1", Kind: Checked, Owner: "ops", Operator: Own, Facts: []string{"aaa.seen"},
			Refs: Refs{GDPR: []string{"32(1)(a)"}, ISO: []string{"7.10"}}},
		{ID: "BBB-1", Section: "2", Kind: Run, Owner: "ops", Operator: Supplier, Cadence: 90 * time.Minute,
			Refs: Refs{GDPR: []string{"25(1)"}}},
	}
	if diff := cmp.Diff(want, c.Measures); diff != "" {
		t.Error(diff)
	}
	if got := c.Words("fr", "AAA-1").Method; got[1] != (Segment{Name: "aaa.seen", One: "copie", Many: "copies"}) {
		t.Errorf("method %+v", got)
	}
	if c.Parameters["copies"].Count != 3 || c.SectionTitle("en", "2") != "Another" || c.TeamName("fr", "ops") != "Exploitation" {
		t.Errorf("%+v", c)
	}
}

// TestParseRefuses breaks one thing at a time: each class of error is met, on its line, with
// a next step.
func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct {
		file, from, to string
		id             string
		line           int
	}{
		// the file
		{"m", small, "", "catalogue.yaml", 1},
		{"m", small, "a: [", "catalogue.yaml", 1},
		{"m", "  keep: {duration: 14d}", "  keep: {duration: 14d", "catalogue.yaml", 5},
		{"m", "measures:\n", "measures:\n\t- id: x\n", "catalogue.yaml", 10},
		{"m", small, "- a\n", "catalogue.shape", 1},
		{"m", small, small + "---\na: b\n", "catalogue.documents", 24},
		{"m", small, strings.Repeat("# a very long remark\n", 60000), "catalogue.size", 1},
		{"m", "places: {list: [Namur, Gand]}", "places: &x {list: [Namur, Gand]}", "catalogue.alias", 8},
		{"m", "gdpr: [25(1)]", "gdpr: *x", "catalogue.yaml", 1}, // the parser itself knows no such anchor
		{"m", "{text: AES-256}", "{text: !!str AES-256}", "catalogue.tag", 7},
		{"m", "parameters:", "parametres:", "catalogue.unknown_key", 4},
		{"m", "kind: run", "kinde: run", "catalogue.unknown_key", 19},
		{"m", "iso: [7.10]", "nist: [7.10]", "catalogue.unknown_key", 16},
		{"m", "{id: 1, gdpr: [32(1)(a)]}", "{id: 1, gdpr: [32(1)(a)], title: x}", "catalogue.unknown_key", 2},
		{"m", "kind: run", "kind: run\n    kind: run", "catalogue.duplicate", 20},
		{"m", "  copies: {count: 3}", "  keep: {count: 3}", "catalogue.duplicate", 6},
		{"m", "  copies:", "  [a]:", "catalogue.shape", 6},
		{"m", "sections:\n", "sections: 3\n#", "catalogue.yaml", 3},
		{"m", small, "sections: 3\nmeasures: []\n", "catalogue.shape", 1},
		{"m", small, "sections: []\n", "catalogue.missing", 1},
		{"m", small, "sections: []\nmeasures: []\n", "catalogue.missing", 2},
		// sections
		{"m", "{id: 2, gdpr: [32(1)(b)]}", "{id: 2}", "catalogue.missing", 3},
		{"m", "{id: 2, gdpr: [32(1)(b)]}", "{id: b, gdpr: [x]}", "catalogue.section_id", 3},
		{"m", "{id: 2, gdpr: [32(1)(b)]}", "{id: 1, gdpr: [x]}", "catalogue.duplicate", 3},
		{"m", "{id: 2, gdpr: [32(1)(b)]}", "{id: , gdpr: [x]}", "catalogue.empty", 3},
		// parameters
		{"m", "{duration: 14d}", "{duration: 14}", "catalogue.duration", 5},
		{"m", "{duration: 14d}", "{duration: 0d}", "catalogue.duration", 5},
		{"m", "{duration: 14d}", "{duration: -1d}", "catalogue.duration", 5},
		{"m", "{duration: 14d}", "{duration: 1y}", "catalogue.duration", 5},
		{"m", "{duration: 14d}", "{duration: 999999999d}", "catalogue.duration", 5},
		{"m", "{duration: 14d}", "{duration: [14d]}", "catalogue.empty", 5},
		{"m", "{duration: 14d}", "{duration: }", "catalogue.empty", 5},
		{"m", "{duration: 14d}", "14d", "catalogue.shape", 5},
		{"m", "{duration: 14d}", "{}", "catalogue.parameter_kind", 5},
		{"m", "{duration: 14d}", "{duration: 14d, count: 4}", "catalogue.parameter_kind", 5},
		{"m", "{duration: 14d}", "{span: 14d, duration: 14d}", "catalogue.unknown_key", 5},
		{"m", "{count: 3}", "{count: 3.5}", "catalogue.count", 6},
		{"m", "{count: 3}", "{count: -3}", "catalogue.count", 6},
		{"m", "{count: 3}", "{count: 0x3}", "catalogue.count", 6},
		{"m", "{count: 3}", "{count: 9007199254740993}", "catalogue.count", 6},
		{"m", "{text: AES-256}", "{text: '{keep}'}", "catalogue.parameter_text", 7},
		{"m", "{text: AES-256}", "{text: ' AES'}", "catalogue.parameter_text", 7},
		{"m", "{text: AES-256}", `{text: "a\nb"}`, "catalogue.parameter_text", 7},
		{"m", "{list: [Namur, Gand]}", "{list: []}", "catalogue.empty", 8},
		{"m", "{list: [Namur, Gand]}", "{list: [Namur, ~]}", "catalogue.empty", 8},
		{"m", "{list: [Namur, Gand]}", "{list: [Namur, Namur]}", "catalogue.duplicate", 8},
		{"m", "{list: [Namur, Gand]}", "{list: [Namur, '{']}", "catalogue.parameter_text", 8},
		{"m", "{list: [Namur, Gand]}", "{list: Namur}", "catalogue.shape", 8},
		{"m", "  copies:", "  Copies:", "catalogue.parameter_name", 6},
		// measures
		{"m", "id: BBB-1", "id: AAA-1", "catalogue.duplicate", 17},
		{"m", "id: BBB-1", "id: bbb", "catalogue.measure_id", 17},
		{"m", "id: BBB-1", "id: [BBB-1]", "catalogue.empty", 17},
		{"m", "- id: BBB-1\n    section: 2", "- section: 2", "catalogue.missing", 17},
		{"m", "    operator: supplier\n", "", "catalogue.missing", 17},
		{"m", "section: 2", "section: 3", "catalogue.section", 18},
		{"m", "kind: run", "kind: done", "catalogue.kind", 19},
		{"m", "owner: ops\n    operator: supplier", "owner: The Team\n    operator: supplier", "catalogue.team", 20},
		{"m", "operator: supplier", "operator: nobody", "catalogue.operator", 21},
		{"m", "    cadence: 90m\n", "", "catalogue.cadence", 17},
		{"m", "cadence: 90m", "cadence: often", "catalogue.duration", 22},
		{"m", "facts: [aaa.seen]", "facts: [Aaa Seen]", "catalogue.fact", 15},
		{"m", "facts: [aaa.seen]", "facts: [keep]", "catalogue.fact", 15},
		{"m", "facts: [aaa.seen]", "facts: [a, a]", "catalogue.duplicate", 15},
		{"m", "{gdpr: [25(1)]}", "{iso: [7.1]}", "catalogue.missing", 23},
		{"m", "{gdpr: [25(1)]}", "{gdpr: []}", "catalogue.empty", 23},
		{"m", "{gdpr: [25(1)]}", "[25(1)]", "catalogue.shape", 23},
		// words
		{"fr", smallFR, "", "catalogue.yaml", 1},
		{"fr", "teams: {ops: Exploitation}", "teams: {ops: Exploitation, ops: Autre}", "catalogue.duplicate", 2},
		{"fr", "teams: {ops: Exploitation}", "teams: {Ops: Exploitation, ops: Autre}", "catalogue.team", 2},
		{"fr", "teams: {ops: Exploitation}", "teams: {dev: Code}", "catalogue.team", 2},
		{"fr", "teams: {ops: Exploitation}", "teams: {ops: Exploitation, dev: Code}", "catalogue.languages_differ", 1},
		{"fr", "teams: {ops: Exploitation}\n", "", "catalogue.missing", 1},
		{"fr", "{1: Un titre, 2: Un autre}", "{1: Un titre}", "catalogue.no_words", 1},
		{"fr", "{1: Un titre, 2: Un autre}", "{1: Un titre, 2: Un autre, 3: De trop}", "catalogue.section", 1},
		{"fr", "  BBB-1:", "  CCC-1:", "catalogue.unknown_measure", 9},
		{"fr", smallFR[strings.Index(smallFR, "  BBB-1:"):], "", "catalogue.no_words", 4},
		{"fr", "    method: Une personne le confirme.\n", "", "catalogue.no_words", 9},
		{"fr", "    sentence: Tout est chiffré avec {cipher}.\n", "", "catalogue.no_words", 9},
		{"fr", "    title: Chiffrement partout\n", "", "catalogue.no_words", 9},
		{"fr", "title: Chiffrement partout", "title:", "catalogue.empty", 10},
		{"fr", "title: Chiffrement partout", "title: '{cipher} partout'", "catalogue.label", 10},
		{"fr", "title: Chiffrement partout", "title: Chiffrement partout.", "catalogue.label", 10},
		{"fr", "title: Chiffrement partout", "titre: Chiffrement partout", "catalogue.unknown_key", 10},
		{"fr", "Tout est chiffré avec {cipher}.", "Tout est chiffré avec {cipher.", "catalogue.text_brace", 11},
		{"fr", "Tout est chiffré avec {cipher}.", "Tout est chiffré avec {cypher}.", "catalogue.placeholder", 11},
		{"fr", "Tout est chiffré avec {cipher}.", "Tout est chiffré avec {aaa.seen}.", "catalogue.placeholder", 11},
		{"fr", "Tout est chiffré avec {cipher}.", "Tout est chiffré avec {cipher|clé|clés}.", "catalogue.placeholder", 11},
		{"fr", "Tout est chiffré avec {cipher}.", "Tout est chiffré.", "catalogue.languages_differ", 17},
		{"fr", "Tout est chiffré avec {cipher}.", "Tout est chiffré avec {cipher}", "catalogue.full_stop", 11},
		{"fr", "{aaa.seen|copie|copies} sur {copies}", "{aaa.unseen|copie|copies} sur {copies}", "catalogue.placeholder", 7},
		{"fr", "{aaa.seen|copie|copies} sur {copies}", "{aaa.seen|copie|copies}", "catalogue.languages_differ", 10},
		// style
		{"fr", "Tout est chiffré avec", "Tout est chiffré sous 14 jours avec", "catalogue.figure", 11},
		{"fr", "Tout est chiffré avec", "Tout est chiffré² avec", "catalogue.figure", 11},
		{"fr", "Tout est chiffré avec", "Tout en S34 est chiffré avec", "catalogue.figure", 11},
		{"fr", "Copies gardées", "Copies de 14 jours", "catalogue.figure", 5},
		{"fr", "Tout est chiffré avec", "Tout peut être chiffré avec", "catalogue.banned", 11},
		{"fr", "Tout est chiffré avec", "Tout est, dans la mesure du possible, chiffré avec", "catalogue.banned", 11},
		{"fr", "Tout est chiffré avec", "Tout est à l’État de l’art, chiffré avec", "catalogue.banned", 11},
		{"fr", "Tout est chiffré avec", "Régulièrement, tout est chiffré avec", "catalogue.banned", 11},
		{"en", "Everything is", "Everything may be", "catalogue.banned", 10},
		{"en", "sentence: Everything is", "sentence: >-\n      State-of-the-art all is", "catalogue.banned", 10},
		{"en", "Everything is", "Regularly everything is", "catalogue.banned", 10},
		{"en", "Everything is", "With best efforts, all is", "catalogue.banned", 10},
		{"en", "Everything is", "With military-grade care, all is", "catalogue.banned", 10},
		{"fr", "Tout est chiffré avec", "Tout est chiffré; avec", "catalogue.french_space", 11},
		{"fr", "Tout est chiffré avec", "Tout est chiffré ; avec", "catalogue.french_space", 11},
		{"fr", "Tout est chiffré avec", "Tout est chiffré\u00a0; avec", "catalogue.french_space", 11},
		{"fr", "Tout est chiffré avec", "Tout est « chiffré\u202f» avec", "catalogue.french_space", 11},
		{"fr", "Tout est chiffré avec", "Tout est «\u202fchiffré» avec", "catalogue.french_space", 11},
		{"fr", "Tout est chiffré avec", "Tout l'est, chiffré avec", "catalogue.quote", 11},
		{"fr", "Tout est chiffré avec", "Tout est chiffre\u0301 avec", "catalogue.composed", 11},
		{"fr", "Tout est chiffré avec", "Tout est... chiffré avec", "catalogue.ellipsis", 11},
		{"fr", "Tout est chiffré avec", "Tout est  chiffré avec", "catalogue.space", 11},
		{"fr", "Tout est chiffré avec", "Tout est , chiffré avec", "catalogue.space", 11},
		{"fr", "Tout est chiffré avec", "Tout est\u2003chiffré avec", "catalogue.space", 11},
		{"fr", "title: Chiffrement partout", "title: 'Chiffrement '", "catalogue.space", 10},
		{"en", "Everything is", "Everything ; is", "catalogue.space", 10},
		{"en", "Everything is", "Everything's", "catalogue.quote", 10},
	} {
		t.Run(fmt.Sprintf("%s %s %.40q", tt.file, tt.id, tt.to), func(t *testing.T) {
			in := map[string]string{"m": small, "fr": smallFR, "en": smallEN}
			in[tt.file] = replaceOnce(t, in[tt.file], tt.from, tt.to)
			c, err := parseSmall(in["m"], in["fr"], in["en"])
			if err == nil || c != nil {
				t.Fatalf("accepted (%v)", c)
			}
			var e *errs.Error
			if !errors.As(err, &e) {
				t.Fatalf("%T: %v", err, err)
			}
			file := map[string]string{"m": "measures.yaml", "fr": "fr.yaml", "en": "en.yaml"}[tt.file]
			if e.ID == "catalogue.languages_differ" {
				file = "measures.yaml"
			}
			if e.Kind != errs.Invalid || e.ID != tt.id || e.Args["line"] != tt.line || e.Args["file"] != file {
				t.Errorf("%v %s %v, want %s on line %d of %s\n%v", e.Kind, e.ID, e.Args, tt.id, tt.line, file, err)
			}
			if e.Fix == "" || !strings.HasPrefix(e.Text, fmt.Sprintf("%s, line %d: ", file, tt.line)) {
				t.Errorf("text %q, fix %q", e.Text, e.Fix)
			}
		})
	}
}

func TestNamesWithDigitsPass(t *testing.T) {
	for _, s := range []string{"Connexion SAML 2.0 active avec", "Dans un compartiment S3, chiffré avec", "Selon ISO/IEC 27001 (Art. 32), chiffré avec"} {
		if _, err := parseSmall(small, replaceOnce(t, smallFR, "Tout est chiffré avec", s), smallEN); err != nil {
			t.Error(err)
		}
	}
}

// TestBannedWordsAreWholeWords: "maybe" holds "may" and "s’impute" no "peut".
func TestBannedWordsAreWholeWords(t *testing.T) {
	for _, s := range []string{"Dismay is", "Mayors encrypt what is"} {
		if _, err := parseSmall(small, smallFR, replaceOnce(t, smallEN, "Everything is", s)); err != nil {
			t.Error(err)
		}
	}
}

func TestProblemsComeTogether(t *testing.T) {
	fr := strings.NewReplacer("Tout est", "Tout peut être", "Copies gardées", "Copies de 3 jours").Replace(smallFR)
	_, err := parseSmall(small, fr, strings.ReplaceAll(smallEN, "title: Copies kept", "title:"))
	if err == nil || !errs.Is(err, errs.Invalid) {
		t.Fatal(err)
	}
	if got := strings.Count(err.Error(), "\n") + 1; got != 3 {
		t.Errorf("%d problems, want 3:\n%v", got, err)
	}
	many := small + strings.Repeat("  - id: bad\n", 100)
	if _, err := parseSmall(many, smallFR, smallEN); strings.Count(err.Error(), "\n")+1 != maxProblems {
		t.Errorf("%v", err)
	}
}

func TestOrderOfMeasures(t *testing.T) {
	m := strings.Replace(strings.Replace(small, "section: 1\n", "section: x\n", 1), "section: 2", "section: 1", 1)
	m = strings.Replace(m, "section: x", "section: 2", 1)
	_, err := parseSmall(m, smallFR, smallEN)
	var e *errs.Error
	if !errors.As(err, &e) || e.ID != "catalogue.order" || e.Args["line"] != 17 {
		t.Errorf("%v", err)
	}
}

func TestLanguages(t *testing.T) {
	for id, words := range map[string]map[string][]byte{
		"catalogue.no_language": nil,
		"catalogue.language":    {"fr": []byte(smallFR), "../fr": []byte(smallFR)},
	} {
		_, err := Parse([]byte(small), words)
		var e *errs.Error
		if !errors.As(err, &e) || e.ID != id || e.Fix == "" {
			t.Errorf("%v, want %s", err, id)
		}
	}
	c, err := Parse([]byte(small), map[string][]byte{"nl": []byte(smallEN)})
	if err != nil || c.Words("nl", "BBB-1").Title == "" {
		t.Errorf("one language alone: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(small, smallFR)
	f.Add("sections: []\nmeasures: [{id: A}]", "measures: {A: {title: x}}")
	f.Add("a: &b [*b]", "? [x]: y")
	f.Fuzz(func(t *testing.T, m, fr string) {
		c, err := Parse([]byte(m), map[string][]byte{"fr": []byte(fr)})
		if err != nil {
			if c != nil || !errs.Is(err, errs.Invalid) {
				t.Fatalf("%v and %v", c, err)
			}
			return
		}
		for _, x := range c.Measures {
			if w := c.Words("fr", x.ID); w.Title == "" || len(w.Sentence) == 0 || len(w.Method) == 0 {
				t.Fatalf("%s has no words", x.ID)
			}
		}
		if len(c.Hash()) != 64 {
			t.Fatal("no hash")
		}
	})
}
