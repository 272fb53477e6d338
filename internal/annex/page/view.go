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

	Order     Order
	Moment    string    // At as links carry it; empty: its day
	Until     time.Time // when a copy of this page stops speaking of the present; zero: not said
	Estate    int64     // version of the declared systems; 0: not said
	Catalogue string    // digest of the texts, hexadecimal; empty: not said
	Build     string    // of the program; empty: not said
	Topics    []Topic
}

// Order is how the measures are arranged.
type Order string

// The orders.
const (
	OwnOrder     Order = ""
	ClausesOrder Order = "clauses" // the headings of Annex III of Decision (EU) 2021/915
	ISOOrder     Order = "iso"     // the numbers of Annex A of ISO/IEC 27001:2022
)

// Orders lists the orders.
func Orders() []Order { return []Order{OwnOrder, ClausesOrder, ISOOrder} }

// Topic is something that readers ask besides.
type Topic struct {
	Question string
	Answer   string // the company's own words; may be empty
	Measures []Ref
	Mail     string // address that answers; may be empty
	Link     *ui.Link
}

// Ref points to a measure that stands elsewhere.
type Ref struct {
	ID    string
	Title string
	State ui.State
}

// Entry is a number of a standard, and the measures that relate to it.
type Entry struct {
	Number   string
	Measures []Ref
}

// Company is whose annex it is. What is empty is not shown.
type Company struct {
	Name      string // as customers know it
	LegalName string
	Country   string // in the reader's language
	Contact   string // mail address for questions
	DPO       string // mail address of the data protection officer
	Revised   time.Time

	Address      string
	Registration string
	Revision     time.Time // the next one
}

// Section is a chapter.
type Section struct {
	ID       string // "2.1"
	Title    string
	GDPR     []string // articles: "32(1)(b)"
	Measures []Measure

	Anchor string  // of its heading; empty: its ID
	Index  []Entry // numbers of a standard that belong to it
	Others []Ref   // measures that stand in another section and relate to this one too
	Silent bool    // the annex says nothing of it
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

	ByPeople  bool          // no check looks at it: its owner's word is the proof
	Outside   bool          // a reader can check it from outside
	Confirmed *Confirmation // by its owner; nil: not, or not any more
	Witness   *Witness      // somebody outside the company looked too
	Exclusion string        // why it is no commitment, in the company's words; may be empty
}

// Confirmation is a dated attestation. It names no person.
type Confirmation struct {
	At     time.Time
	Until  time.Time
	Digest string // hexadecimal
}

// Witness is somebody outside the company who confirmed a state.
type Witness struct {
	Name string
	At   time.Time
	Key  string // fingerprint
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

	Moment    string // as in Annex
	Estate    int64  // as in Annex
	Version   int64  // number of the document
	Revisions []Revision
}

// Command is a line to be run by whoever wants to check for themselves.
type Command struct {
	Label string // what it does: a message id, or words in the reader's language
	Line  string
}

// Change is a change of state.
type Change struct {
	Key    string // unlike that of any other change, for ever
	ID     string // of the measure
	Title  string
	At     time.Time
	From   ui.State // empty: the first state
	To     ui.State
	Reason string
}

// Revision is a change of what the annex says.
type Revision struct {
	Key   string // as in Change
	Kind  string // the words of package annex
	ID    string // of the measure; empty: of the whole annex
	Title string
	At    time.Time

	Effect        string // "weakened" or "strengthened": what the change means to readers; empty: neither
	Before, After string // the sentence; both empty: it is not what changed
	From, To      int64  // versions, or numbers of systems
	Fields        []Field
	Joined, Left  []Subprocessor
	Altered       []Subprocessor
}

// Field is one thing that reads differently. Name is a message id, or words of the reader.
type Field struct{ Name, Before, After string }

// Subprocessor is another company that processes data on behalf of this one, in the reader's
// language. What is empty is not shown.
type Subprocessor struct {
	Name, Country, Service, Data string
	Places                       []string
	Safeguard                    string
	Since                        time.Time
}

// Subprocessors is the list of them.
type Subprocessors struct {
	Company  Company
	Declared bool // there is a list, which may be empty
	List     []Subprocessor
	Changes  []Revision // of the list, newest first
	JSON     string
	Address  string
	Hash     string
	Since    time.Time
	At       time.Time
	Moment   string
}

// Verify is how readers check by themselves.
type Verify struct {
	Company  Company
	Items    []Outside
	Document string // command that computes the digest of the document again
	Hash     string
	Since    time.Time
	Address  string
	At       time.Time
	Moment   string
}

// Outside is a measure that can be checked from outside.
type Outside struct {
	Measure  Measure
	Commands []Command
}

// Changes lists changes, newest first.
type Changes struct {
	Company   Company
	List      []Change
	Revisions []Revision
	From      time.Time // the oldest moment that the list goes back to; zero: the beginning
	JSON      string    // path of the same for programs; empty: none
	Feed      string    // path of the Atom feed; empty: none
	Address   string    // as in Annex
	At        time.Time // the moment of the past that is replayed; zero: now
	Moment    string

	Recent    []Day // the last days, oldest first
	Whole     []Day // since the annex was published
	Published time.Time
}

// Day is how many measures of each kind were in which state.
type Day struct {
	Date  time.Time
	Count map[ui.Kind]map[ui.State]int
}

// Feed is the changes as a feed. Two calls with equal changes write equal bytes.
type Feed struct {
	Changes
	Origin    string // of the site, without a slash
	Authority string // of tag URIs (RFC 4151): a host of the company
	Begun     time.Time
	Self      string // path of the feed
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
