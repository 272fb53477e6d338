// Package catalogue holds the annex as data: the measures, who owns and who operates each,
// the figures they promise, and what they say in each language.
//
// # What is true of every Catalogue
//
//   - Each measure has a title, a sentence and a method in each language.
//   - A sentence states no figure of its own: each is a parameter, so that it can be
//     configured, compared with what is read from the running system, and compared with what
//     a contract froze. Names that hold digits ("SAML 2.0") are on a short list.
//   - A sentence quotes parameters only, so that what is announced can always be read, proof
//     or not. A method may also quote the facts that its measure declares. Either may choose
//     between two words by such a fact: the stronger one is said while it is proven.
//   - All languages quote the same figures: no promise exists in one language only.
//   - No sentence hedges or boasts (see style.go).
//
// # Kinds
//
// A kind says the strongest thing that is honest about the whole sentence. Where the software
// enforces one half and can only look at the other ("sessions end" and "screens lock"), the
// measure is Checked. A measure whose check exists before the software that enforces it is
// Checked until then.
//
// # Hash
//
// Canonical writes everything above as one JSON text in the form of RFC 8785, and Hash is its
// SHA-256. Comments, indentation and line breaks of the files do not count; a letter does.
package catalogue

import (
	"embed"
	"slices"
	"time"

	"github.com/garant-project/garant/internal/errs"
)

// Kind is how a measure is carried out, from strongest to weakest.
type Kind string

// The kinds.
const (
	Enforced Kind = "enforced" // the software makes it so, or refuses what would break it
	Checked  Kind = "checked"  // a check reads a real system and can come out false
	Run      Kind = "run"      // a workflow makes people do it and shows what is overdue
	Attested Kind = "attested" // a named person confirms it; the confirmation expires
)

// The operators: who performs a measure.
const (
	Own      = "own"      // the company's own team
	Supplier = "supplier" // a supplier performs it, the company verifies
)

// Measure is one row of the annex.
type Measure struct {
	ID       string // "ENC-1"; never reused
	Section  string
	Kind     Kind
	Owner    string        // key of the team that answers for it
	Operator string        // Own or Supplier
	Cadence  time.Duration // longest time between two confirmations; 0 where checks set the pace
	Facts    []string      // facts that the method may quote
	Attest   bool          // an owner's attestation is needed, beside whatever checks there are
	Per      string        // PerSite: the attestation must cover each of them; empty: it covers the whole
	Excluded *Exclusion    // by the company, with a reason; nil: it applies
	Refs     Refs
}

// PerSite asks for an attestation of each site of the company.
const PerSite = "site"

// Exclusion says why a measure does not apply to a company. Who signed it, and when, is who
// published the version that holds it.
type Exclusion struct {
	Reason map[string]string // by language
}

// Refs are the texts that a measure relates to. They are pointers, not claims of conformity.
type Refs struct {
	GDPR []string // articles: "32(1)(b)", or "recital 26"
	ISO  []string // ISO/IEC 27001:2022 Annex A: "8.24", or "clause 6.1.2" of the standard itself
	CNIL []string // sheets of the CNIL's guide to the security of personal data, 2024
	// Clauses are headings of Annex III of the standard contractual clauses between controllers
	// and processors (Decision (EU) 2021/915), by the keys of Catalogue.Clauses. The sentence
	// stands below the first of them.
	Clauses []string `json:",omitempty"`
}

// Words are what a measure says in one language.
type Words struct {
	Title    string
	Sentence Text // the published text
	Method   Text // how it is proven, when it is
}

// The kinds of a Parameter.
const (
	CountKind    = "count"
	DurationKind = "duration"
	TextKind     = "text"
	ListKind     = "list"
)

// Parameter is a figure or a name that the annex announces. The field named by Kind holds it.
type Parameter struct {
	Name     string
	Kind     string
	Count    int64
	Duration time.Duration // whole seconds
	Text     string        // the same in every language
	List     []string
}

// Section is a chapter of the annex.
type Section struct {
	ID   string   // "1.1"
	GDPR []string // the articles that it answers
}

// Topic is something that readers ask besides.
type Topic struct {
	Key      string
	Measures []string // that answer it; none: the annex does not say
}

// Catalogue is one version of the annex. It is never changed after Parse, and is safe for
// use from many goroutines.
type Catalogue struct {
	Sections   []Section // in the order of the annex
	Measures   []Measure // in the order of the annex
	Parameters map[string]Parameter
	Clauses    []string // keys of the headings of Decision (EU) 2021/915, in its order
	Topics     []Topic  // in the order in which they are shown
	// Answers are what the company itself says of a topic, by topic and language. The catalogue
	// that the program carries has none.
	Answers map[string]map[string]string

	index     map[string]int
	languages map[string]language
	canonical []byte
	hash      string
	announced map[string]string // SentenceHash of each measure
	tailored  *tailored         // nil: as the program carries it
}

// language is one file of words.
type language struct {
	sections map[string]string
	teams    map[string]string
	measures map[string]Words
	clauses  map[string]string
	topics   map[string]string
}

//go:embed measures.yaml fr.yaml en.yaml
var files embed.FS

// Load returns the catalogue that the program carries. Each call reads it anew.
func Load() (*Catalogue, error) {
	words := map[string][]byte{}
	for _, lang := range []string{"en", "fr"} {
		b, err := files.ReadFile(lang + ".yaml")
		if err != nil {
			return nil, errs.New(errs.Internal, "catalogue.embedded", "The program lacks the words of its own annex.").Wrap(err)
		}
		words[lang] = b
	}
	measures, err := files.ReadFile("measures.yaml")
	if err != nil {
		return nil, errs.New(errs.Internal, "catalogue.embedded", "The program lacks its own annex.").Wrap(err)
	}
	return Parse(measures, words)
}

// Hash returns the version of the catalogue: the hexadecimal SHA-256 of Canonical.
func (c *Catalogue) Hash() string { return c.hash }

// Canonical returns the whole catalogue, every language included, as JSON in the form of
// RFC 8785, for whoever wants to compute Hash again. Durations are in seconds.
func (c *Catalogue) Canonical() []byte { return slices.Clone(c.canonical) }

// Measure returns a measure by its id.
func (c *Catalogue) Measure(id string) (Measure, bool) {
	i, ok := c.index[id]
	if !ok {
		return Measure{}, false
	}
	return c.Measures[i], true
}

// Words returns what a measure says in a language: for every measure and every one of
// Languages there is something, for anything else nothing.
func (c *Catalogue) Words(lang, id string) Words { return c.languages[lang].measures[id] }

// SectionTitle returns the title of a section in a language, or "" when there is none.
func (c *Catalogue) SectionTitle(lang, id string) string { return c.languages[lang].sections[id] }

// TeamName returns the name of a team in a language, or "" when there is none.
func (c *Catalogue) TeamName(lang, key string) string { return c.languages[lang].teams[key] }

// ClauseTitle returns our name of a heading of Decision (EU) 2021/915 in a language, or "".
func (c *Catalogue) ClauseTitle(lang, key string) string { return c.languages[lang].clauses[key] }

// Question returns what is asked of a topic in a language, or "" when there is none.
func (c *Catalogue) Question(lang, key string) string { return c.languages[lang].topics[key] }

// Languages returns the languages in which every measure speaks, sorted.
func (c *Catalogue) Languages() []string {
	return sortedKeys(c.languages)
}
