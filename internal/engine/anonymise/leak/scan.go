package leak

import (
	"errors"
	"hash/maphash"
	"sync"
	"time"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/seen"
)

// A Type says how PostgreSQL writes the values of a column as text.
type Type uint8

// The types. What has no place of its own is Text: its text form is scanned as it stands.
const (
	Text   Type = iota // text, varchar, xml, hstore, ranges, composites, numbers and all else
	JSON               // json, jsonb: hits tell their path
	Array              // of anything: {a,"b c"}
	Bytea              // bytea in its hex format
	Schema             // a text of the schema: a default, a comment, the body of a function
)

// A Field is a column of the copy, or a text of its schema.
type Field struct {
	Table, Column string
	Type          Type
}

// Limits bound what one value may cost. What goes beyond them is reported as not scanned, and then the scan has not passed.
type Limits struct {
	Depth     int // encodings within each other
	Unbroken  int // bytes of a piece that cannot be divided: an encoded run, a zip file
	Inflated  int // bytes that come out of compressed ones, of one value
	Positions int // of each kind of hit, that the report tells
	Hits      int // kinds of hits that the report tells apart
}

// DefaultLimits are what the issue of anonymised copies asks for.
func DefaultLimits() Limits {
	return Limits{Depth: 4, Unbroken: 8 << 20, Inflated: 64 << 20, Positions: 5, Hits: 10_000}
}

// A Scan looks for the values of a set in a copy. Its methods may be called by several goroutines.
type Scan struct {
	set      *seen.Set
	limits   Limits
	canaries []Canary
	planted  map[seen.Key]int // which canary a key is of
	began    time.Time

	mu       sync.Mutex
	scanners []*Scanner
}

// New begins a scan. The canaries must have been added to the set before it was frozen.
func New(set *seen.Set, canaries []Canary, limits Limits) (*Scan, error) {
	s := &Scan{set: set, limits: limits, canaries: canaries, planted: map[seen.Key]int{}, began: time.Now()}
	p := set.Prober()
	for i, c := range canaries {
		if !p.Taken(c.Kind, []byte(c.Value)) {
			return nil, errors.New("a canary is not in the set of identifying values: add all of them before it is frozen")
		}
		keys := p.Keys(nil, c.Kind, []byte(c.Value))
		for _, k := range keys {
			s.planted[k] = i
		}
	}
	return s, nil
}

// Scanner gives one goroutine the means to scan.
func (s *Scan) Scanner() *Scanner {
	sc := &Scanner{
		set: s.set, prober: s.set.Prober(), limits: s.limits, planted: s.planted, found: make([]bool, len(s.canaries)),
		hits: map[hitKey]*places{}, skipped: map[skipKey]*places{}, entities: map[string]string{}, schema: map[string]*Field{},
		levels: make([]level, s.limits.Depth+2), seed: maphash.MakeSeed(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scanners = append(s.scanners, sc)
	return sc
}

// A Scanner scans values. It belongs to one goroutine, which calls Row, Own and Value or Write and End for each row.
type Scanner struct {
	set     *seen.Set
	prober  *seen.Prober
	limits  Limits
	planted map[seen.Key]int

	found    []bool // of the canaries
	hits     map[hitKey]*places
	skipped  map[skipKey]*places
	more     int // hits beyond the limit
	weak     int // words that are somebody's name, in a row that is not theirs
	values   int
	bytes    int64
	entities map[string]string
	schema   map[string]*Field

	row      uint64
	own      []ownKey
	noted    int              // hits, weak ones and places that were not scanned, of all values
	clean    [memory]recalled // short values in which nothing was found
	seed     maphash.Seed
	levels   []level
	inflated int // of the value that is being scanned

	field  *Field // of the value that is being scanned
	value  pieces
	digits hexed
	top    []byte // the value, when it is in memory from end to end
}

// level is what one depth of encoding needs to work with.
type level struct {
	words  []seen.Word
	out    []byte
	marks  []int
	read   []byte
	series series
	pieces pieces
}

// reading gives a buffer to read into.
func (l *level) reading() []byte {
	if l.read == nil {
		l.read = make([]byte, 32<<10)
	}
	return l.read
}

type ownKey struct {
	key  seen.Key
	kind personal.Kind
}

// Row begins the next row. position is its ordinal or a hash of its primary key, never a value.
func (s *Scanner) Row(position uint64) {
	s.row, s.own = position, s.own[:0]
}

// Own tells a value of the row's source that must not stand in the copy's row again: a given or family name, a town, a user name. Where it is found there, that is a hit.
func (s *Scanner) Own(kind personal.Kind, value []byte) {
	var buf [16]seen.Key
	for _, k := range s.prober.Keys(buf[:0], kind, value) {
		if k != 0 {
			s.own = append(s.own, ownKey{k, kind})
		}
	}
}

// Value scans a whole value in PostgreSQL's text form.
func (s *Scanner) Value(f *Field, value []byte) {
	if len(value) <= recallable && len(s.own) == 0 && f.Type != Bytea {
		s.short(f, value)
		return
	}
	s.Begin(f)
	if f.Type != Bytea && len(value) <= piece {
		s.bytes += int64(len(value))
		s.whole(value)
		return
	}
	s.Write(value)
	s.End()
}

// Of short values the last are remembered in which there was nothing: many columns have the same few.
const (
	memory     = 256
	recallable = 40
)

type recalled struct {
	text [recallable]byte
	size int8 // plus one, so that the zero value is none
}

// short scans a short value in a row with nothing of its own.
func (s *Scanner) short(f *Field, value []byte) {
	r := &s.clean[maphash.Bytes(s.seed, value)%memory]
	if int(r.size) == len(value)+1 && string(r.text[:len(value)]) == string(value) {
		s.values++
		s.bytes += int64(len(value))
		return
	}
	before := s.noted
	s.Begin(f)
	s.bytes += int64(len(value))
	s.whole(value)
	if s.noted == before {
		r.size = int8(len(value) + 1) //nolint:gosec // short
		copy(r.text[:], value)
	}
}

// Begin begins a value of any length, which Write and End scan in bounded memory.
func (s *Scanner) Begin(f *Field) {
	s.values++
	s.inflated = 0
	s.field, s.top = f, nil
	s.value.begin(context{field: f}, f.Type == Bytea)
}

// Write takes the next piece of the value that Begin began.
func (s *Scanner) Write(b []byte) {
	s.bytes += int64(len(b))
	if s.field.Type == Bytea {
		s.unhex(b)
		return
	}
	s.value.write(s, b)
}

// End scans what is left of the value.
func (s *Scanner) End() { s.value.end(s) }

// Text scans a text of the schema. origin says where it stands, in words of the catalogue: "comment on table orders".
func (s *Scanner) Text(origin string, text []byte) {
	f := s.schema[origin]
	if f == nil {
		f = &Field{Table: origin, Type: Schema}
		s.schema[origin] = f
	}
	s.Row(0)
	s.Value(f, text)
}

// whole scans a text that is in memory from end to end.
func (s *Scanner) whole(text []byte) {
	c := context{field: s.field}
	s.top = text
	if len(s.own) > 0 && len(text) < 1024 {
		s.same(text, &c)
	}
	s.text(text, &c)
}

// same looks whether a value as a whole is one of the row's own, which need not be long enough for evidence then.
func (s *Scanner) same(text []byte, c *context) {
	words := s.scratch(0).words[:0]
	words = s.set.Words(words, text, 0)
	if len(words) == 0 || len(words) > seen.MaxWords {
		return
	}
	var sum seen.Key
	for _, w := range words {
		sum += w.Key
	}
	if _, ok := s.set.Find(sum); ok {
		return // is found without being told
	}
	for _, o := range s.own {
		if o.key == sum {
			s.hit(c, sum, o.kind, true, 0, len(text))
			return
		}
	}
}

func (s *Scanner) scratch(depth int) *level {
	l := &s.levels[depth]
	if l.words == nil {
		l.words = make([]seen.Word, 0, 256)
	}
	return l
}

// context says of a text where it stands.
type context struct {
	field  *Field
	chain  chain
	depth  int
	offset int   // of the text, or of the encoded run that it was, in the value
	done   int   // hits that end here or before were reported with the piece before
	binary bool  // the text is bytes, in which files may stand
	zip    bool  // the text is a zip file, which was looked into
	marks  []int // where the text was decoded, when only hits that touch such a place are new: twice the place, less one where something was taken away
}
