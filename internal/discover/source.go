package discover

import (
	"context"
	"crypto/x509"

	"github.com/garant-project/garant/internal/estate"
)

// Source is a kind of place where the systems of a company can be seen.
//
// Find looks at what the Ask names, through way and nothing else, and changes nothing. It ends
// when ctx does, and then gives what it has. A part that could not be seen is a Note; an error
// is for a source that could not look at all, is of package errs, and holds no secret. Equal
// answers of the network give equal results.
type Source interface {
	// Name is the source's name in notes: one word.
	Name() string
	// Asks says in one sentence whom the source will ask for this Ask, and for what; empty when
	// the Ask names nothing for it. It is shown before anything is asked.
	Asks(Ask) string
	Find(ctx context.Context, ask Ask, way Way) (Found, error)
}

// Ask is what the user named.
type Ask struct {
	Domains   []string   // as ParseDomain returns them
	Databases []Database // to be read
	Ports     Ports
	Trust     *x509.CertPool    // authorities besides the machine's; nil: none
	TrustFile string            // where they stand, as garant.yaml names it: "file:ca.pem"
	Progress  func(line string) // told what is going on; may be nil, is called from several goroutines
}

func (a Ask) progress(line string) {
	if a.Progress != nil {
		a.Progress(line)
	}
}

// Ports are where things usually answer.
type Ports struct{ HTTPS, HTTP, Postgres int }

// UsualPorts are 443, 80 and 5432.
func UsualPorts() Ports { return Ports{HTTPS: 443, HTTP: 80, Postgres: 5432} }

// Database is a PostgreSQL to read, and how garant.yaml will name its URL.
type Database struct {
	URL       string // with whatever secret it needs; never written or shown
	Reference string // "env:NAME" or "file:PATH"
}

// String hides the URL.
func (d Database) String() string { return "database " + d.Reference }

// GoString hides the URL.
func (d Database) GoString() string { return d.String() }

// Found is what a source found.
type Found struct {
	Proposals []Proposal
	Notes     []Note
}

// Note is something the reader must know that is no line of the estate: what could not be seen,
// what was left out, what was found beside.
type Note struct {
	About string // host, database or source
	Text  string // a sentence
}

// Sections of garant.yaml that sources propose items of.
const (
	Endpoints = "endpoints"
	Databases = "databases"
)

// Proposal is one item of a list of garant.yaml.
type Proposal struct {
	Section string // Endpoints, Databases
	Name    string // wish; the draft makes it a name, and unique
	Subject string // what it is, unique in its section: the address
	Saw     string // what was seen, one sentence
	Lines   []Line // after the name
	Off     string // why the whole item is written as a comment; empty: it is not
}

// Line is a key with its value and its reason.
type Line struct {
	Key   string
	Value any    // string, bool, []Item
	Why   string // why it is there, or what to decide; never empty
	Off   bool   // written as a comment, for the reader to take up
}

// Item is one entry of a list: a text, or keys with texts.
type Item struct {
	Text  string
	Pairs []Pair // win over Text
	Why   string // may be empty
	Off   bool   // written as a comment; a list of which all are Off has its key Off too
}

// Pair is a key with its text.
type Pair struct{ Key, Text string }

// Result is what came of looking.
type Result struct {
	Source    []byte         // garant.yaml
	Estate    *estate.Estate // the same, read back
	Sites     []string       // as given: for the register of sites, not for garant.yaml
	Proposals int            // items in force
	Off       int            // items written as comments
	Notes     []Note
}
