package register

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/calendar"
)

// Type is what a field holds.
type Type string

// The types of fields. Values are kept as text in one form each; see parseValue.
const (
	Text      Type = "text"      // one line
	LongText  Type = "longtext"  // several lines
	Date      Type = "date"      // 2026-03-31
	Bool      Type = "bool"      // true or false
	Choice    Type = "choice"    // one of Options
	Number    Type = "number"    // a whole number
	Email     Type = "email"     // as typed; compared without capitals
	URL       Type = "url"       // http or https
	List      Type = "list"      // words, each matching Pattern: "a, b, c", sorted
	Reference Type = "reference" // an entry of the register To: its id
	Account   Type = "account"   // a person who signs in to Garant: their id in the directory
)

// Field is one field of a register. Its words are found by its key:
//
//	register.KEY.field.FIELD         label
//	register.KEY.field.FIELD.help    may be absent
//	register.option.VOCABULARY.X     each option of a choice
type Field struct {
	Key        string
	Type       Type
	Required   bool
	Unique     bool           // no two entries have the same
	Personal   bool           // sealed; shown to who may read persons
	Options    []string       // of a choice
	Vocabulary string         // of the words of the options; empty: KEY_FIELD of the register
	To         string         // of a reference: the key of a register
	Max        int            // letters; 0: 200, and 20 000 for a longtext
	Pattern    *regexp.Regexp // what a text, or each word of a list, must look like; nil: anything
	Fixed      bool           // set by the engine, not by people
}

// State is a stage of an entry's life.
type State struct {
	Key       string
	To        []string         // the states that may follow
	May       actor.Permission // who may bring an entry into it; empty: who may change the register
	Publishes bool             // of documents: coming into it adds a version, which people acknowledge
	Over      bool             // the entry is no longer in use: it is left out of lists unless asked for
}

// Rights are the permissions that a register asks for.
type Rights struct {
	Read     actor.Permission // to see entries; empty: actor.ReadRegisters
	Change   actor.Permission // to make and change them; empty: actor.ChangeRegisters
	Personal actor.Permission // to see personal fields; empty: actor.ReadPersons
}

// Retention says when an entry is erased: so long after a date that it holds.
type Retention struct {
	From  string // a date field; an entry without that date is kept
	After calendar.Cadence
}

// Reminder asks for something some time before the day that a field holds. Its words:
//
//	register.KEY.remind.FIELD        what is due, by Count
type Reminder struct {
	Field  string
	Before calendar.Cadence
}

// Definition declares a register, once, for lists, forms, history, CSV and the API. Its words:
//
//	register.KEY.title      the register's name: "Assets"
//	register.KEY.one        one entry: "asset"
//	register.KEY.about      what it is for, a sentence
//	register.KEY.new        the button that adds one
//	register.KEY.empty      said of a register without entries, with the next step
//	register.KEY.state.X    the name of each state
//	register.KEY.move.X     the button that brings an entry into a state
type Definition struct {
	Key       string
	Icon      string // of the navigation
	Label     string // the field by which an entry is called; it is sorted by it
	Fields    []Field
	States    []State // the first is that of a new entry
	Rights    Rights
	Retention *Retention
	Reminders []Reminder
	Columns   []string // of the list: fields, or "state"
	Filters   []string // of the list: choices, booleans and references, or "state"
	// Rule looks at an entry as a whole; may be nil. Personal values are not given to it.
	Rule func(v Values, state string) []Fault
}

// Values are the values of an entry by field, each in the one form of its type. A field
// without a value is absent.
type Values map[string]string

// Field returns the field of a key.
func (d *Definition) Field(key string) (Field, bool) {
	i := slices.IndexFunc(d.Fields, func(f Field) bool { return f.Key == key })
	if i < 0 {
		return Field{}, false
	}
	return d.Fields[i], true
}

// State returns the state of a key.
func (d *Definition) State(key string) (State, bool) {
	i := slices.IndexFunc(d.States, func(s State) bool { return s.Key == key })
	if i < 0 {
		return State{}, false
	}
	return d.States[i], true
}

// publishes reports whether versions of its entries are published.
func (d *Definition) publishes() bool {
	return slices.ContainsFunc(d.States, func(s State) bool { return s.Publishes })
}

// personal reports whether any of its fields is sealed.
func (d *Definition) personal() bool {
	return slices.ContainsFunc(d.Fields, func(f Field) bool { return f.Personal })
}

// Read is the permission to see entries.
func (d *Definition) read() actor.Permission { return cmp.Or(d.Rights.Read, actor.ReadRegisters) }

func (d *Definition) change() actor.Permission {
	return cmp.Or(d.Rights.Change, actor.ChangeRegisters)
}

func (d *Definition) readPersonal() actor.Permission {
	return cmp.Or(d.Rights.Personal, actor.ReadPersons)
}

// maxLetters is the longest value of a field.
func (f Field) maxLetters() int {
	switch {
	case f.Max > 0:
		return f.Max
	case f.Type == LongText:
		return 20_000
	}
	return 200
}

// vocabulary is where the words of a field's options are.
func (d *Definition) vocabulary(f Field) string { return cmp.Or(f.Vocabulary, d.Key+"_"+f.Key) }

var keyForm = regexp.MustCompile(`^[a-z][a-z_]*$`)

// check says what is wrong with a definition; others are the keys of all registers.
func (d *Definition) check(others []string) error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("register %q: "+format, append([]any{d.Key}, args...)...)
	}
	if !keyForm.MatchString(d.Key) || len(d.Fields) == 0 || len(d.States) == 0 || d.Icon == "" {
		return wrong("it lacks a key, an icon, fields or states")
	}
	seen := map[string]bool{ // words of addresses and pages
		"state": true, "id": true, "revision": true, "q": true, "due": true, "after": true, "done": true, "lang": true, "content": true, "file": true}
	for _, f := range d.Fields {
		switch {
		case !keyForm.MatchString(f.Key) || seen[f.Key]:
			return wrong("the field %q has no key of its own", f.Key)
		case (f.Type == Choice) != (len(f.Options) > 0):
			return wrong("the field %q has options without being a choice, or the other way round", f.Key)
		case (f.Type == Reference) != (f.To != ""):
			return wrong("the field %q leads nowhere", f.Key)
		case f.To != "" && !slices.Contains(others, f.To):
			return wrong("the field %q leads to %q, which is no register", f.Key, f.To)
		case f.Personal && (f.Type == Reference || f.Type == Choice || f.Type == Bool):
			return wrong("the field %q is personal and could not be filtered by", f.Key)
		case f.Unique && f.Type != Text && f.Type != Email && f.Type != URL && f.Type != Account:
			return wrong("the field %q cannot be unique", f.Key)
		}
		seen[f.Key] = true
	}
	if f, ok := d.Field(d.Label); !ok || f.Type != Text || !f.Required {
		return wrong("its entries are called by %q, which is no text that each has", d.Label)
	}
	for _, s := range d.States {
		if s.Publishes && d.Key != Documents {
			return wrong("the state %q publishes, which only documents are", s.Key)
		}
		for _, to := range s.To {
			if _, ok := d.State(to); !ok {
				return wrong("the state %q leads to %q, which is none", s.Key, to)
			}
		}
	}
	for _, c := range d.Columns {
		if _, ok := d.Field(c); !ok && c != "state" {
			return wrong("the list shows %q, which is no field", c)
		}
	}
	for _, c := range d.Filters {
		f, ok := d.Field(c)
		if c != "state" && (!ok || f.Personal || f.Type != Choice && f.Type != Bool && f.Type != Reference) {
			return wrong("the list cannot be narrowed by %q", c)
		}
	}
	for _, r := range d.Reminders {
		if f, ok := d.Field(r.Field); !ok || f.Type != Date || f.Personal {
			return wrong("it reminds of %q, which is no date that can be read", r.Field)
		}
	}
	if r := d.Retention; r != nil {
		if f, ok := d.Field(r.From); !ok || f.Type != Date || f.Personal || r.After.IsZero() {
			return wrong("it keeps entries by %q, which is no date that can be read", r.From)
		}
	}
	return nil
}
