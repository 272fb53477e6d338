package page

import (
	"time"

	"github.com/garant-project/garant/internal/web/ui"
)

// Annex is the document at a moment.
type Annex struct {
	Company  Company
	Hash     string    // of the document, hexadecimal
	Version  int64     // number of the document
	Since    time.Time // when this version of the document was published
	At       time.Time // the moment of the past that is replayed; zero: now
	Last     time.Time // the latest look of any check; zero: none, or not known of the past
	Sections []Section
	JSON     string // path of the same for programs; empty: none
	Address  string // of this page on the public site, for the foot of printed pages
}

// Company is whose annex it is.
type Company struct {
	Name      string // as customers know it
	LegalName string // may be empty
	Contact   string // mail address for questions; may be empty
}

// Section is a chapter.
type Section struct {
	ID       string // "2.1"
	Title    string
	GDPR     []string // articles: "32(1)(b)"
	Measures []Measure
}

// Measure is one row of the annex, in the reader's language.
type Measure struct {
	ID       string
	Title    string
	Sentence []Span // empty: it cannot be said, and nothing is asserted
	Method   []Span // shown only while the measure is met
	State    ui.State
	Kind     ui.Kind
	Reason   string // message id of package measure, such as "reason.fail"

	Since      time.Time // of the state; zero: not known
	LastLook   time.Time // zero: never looked at, or not known of the past
	NextLook   time.Time // zero: none is planned
	ValidUntil time.Time // when the evidence expires; zero: there is none

	Examined int // systems really examined
	Expected int // systems declared; 0: none
	Reduced  bool

	Owner    string // team
	Supplier bool   // performed by a supplier and verified by us
	Refs     References
	Digests  []Digest
	Strip    []ui.Day // oldest first; empty: no history is shown
}

// References are texts that a measure relates to. They are pointers, not claims.
type References struct {
	GDPR []string // "32(1)(b)", "recital 26"
	ISO  []string // Annex A of ISO/IEC 27001:2022: "8.24"; "clause 6.1.2" of the standard itself
	CNIL []string // sheets of the guide of 2024
}

// Span is a piece of a sentence.
type Span struct {
	Text   string
	Fact   bool      // Text is a value, not words
	Source string    // id of the check that read it; empty: announced in the configuration
	At     time.Time // when it was last read
	Value  string    // as it was read, when Text says it otherwise; may be empty
}

// Digest names the evidence of one check.
type Digest struct {
	Check   string // id
	SHA256  string // of the evidence record, hexadecimal
	FirstAt time.Time
	Passed  bool
}

// Proof is what stands behind one measure.
type Proof struct {
	Company  Company
	Section  Section // its measures are not read
	Measure  Measure
	Every    time.Duration // how often it is looked at; 0: by hand
	History  []Change      // of this measure, newest first
	Commands []Command
	JSON     string    // path of the same for programs; empty: none
	Hash     string    // of the document
	Since    time.Time // when this version of the document was published
	At       time.Time // the moment of the past that is replayed; zero: now
	Address  string    // as in Annex
}

// Command is a line to be run by whoever wants to check for themselves.
type Command struct {
	Label string // what it does: a message id, or words in the reader's language
	Line  string
}

// Change is a change of state.
type Change struct {
	ID     string // of the measure
	Title  string
	At     time.Time
	From   ui.State // empty: the first state
	To     ui.State
	Reason string
}

// Changes lists changes of state, newest first.
type Changes struct {
	Company Company
	List    []Change
	From    time.Time // the oldest moment that the list goes back to; zero: the beginning
	JSON    string    // path of the same for programs; empty: none
	Address string    // as in Annex
}

// Unavailable is shown when the annex cannot be verified.
type Unavailable struct {
	Company Company
	Since   time.Time // zero: not known
}

// Failure is an error that a reader is told of.
type Failure struct {
	Company Company
	Status  int    // of HTTP
	Err     error  // only its words are shown, see ui.Printer.Error
	Request string // its id
}
