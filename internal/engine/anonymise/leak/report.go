package leak

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/seen"
)

// A coding is a way in which a text may be encoded; several may be mixed in one.
type coding uint16

const (
	percent coding = 1 << iota
	entities
	backslashes
	markup
	quoted
	base64ed
	hexadecimal
	gzipped
	zlibbed
	zipped
	utf16ed
	latin1
)

var codingNames = []string{"percent", "entities", "escapes", "markup", "quoted-printable", "base64", "hex", "gzip", "zlib", "zip", "utf-16", "latin-1"}

// chain is how codings lie within each other, the outermost in the lowest bits.
type chain uint64

const codingBits = 12

func (c chain) and(step coding) chain {
	shift := 0
	for c>>shift != 0 {
		shift += codingBits
	}
	return c | chain(step)<<shift
}

func (c chain) String() string {
	var b strings.Builder
	for ; c != 0; c >>= codingBits {
		if b.Len() > 0 {
			b.WriteString(" > ")
		}
		sep := ""
		for i, name := range codingNames {
			if c>>i&1 != 0 {
				b.WriteString(sep)
				b.WriteString(name)
				sep = "+"
			}
		}
	}
	return b.String()
}

type hitKey struct {
	field *Field
	path  string
	kind  personal.Kind
	own   bool
	chain chain
}

type skipKey struct {
	field  *Field
	reason string
}

// places counts, and remembers the first.
type places struct {
	count int
	first []Position
}

func (p *places) add(pos Position, most int) {
	p.count++
	if len(p.first) < most {
		p.first = append(p.first, pos)
	}
}

func (p *places) join(o *places, most int) {
	p.count += o.count
	p.first = append(p.first, o.first[:min(len(o.first), most-len(p.first))]...)
}

// A Position says where in a column something is. It holds no value.
type Position struct {
	Row    uint64 // what Scanner.Row was told
	Offset int    // in the value; of what is encoded, where the encoded run begins
}

// A Hit is a value of the source that stands in the copy.
type Hit struct {
	Table, Column string
	Path          string // within a document; * for a key that may be a value itself
	Kind          personal.Kind
	Own           bool   // a name, town or user name in the row that it comes from; else one that must be nowhere
	Encoding      string // from the outside to the inside: "base64 > gzip"
	Count         int
	First         []Position
}

// A Skipped place could not be looked into. It counts as a leak would.
type Skipped struct {
	Table, Column string
	Reason        string
	Count         int
	First         []Position
}

// A Report tells what a scan found. It holds no value of the source.
type Report struct {
	Hits       []Hit
	More       int // hits of further kinds than are told apart
	NotScanned []Skipped
	Weak       int // times that a name, town or user name of the source stands in a row that is not its own
	Values     int
	Bytes      int64
	Elapsed    time.Duration
	Recall     Recall
}

// Rate is how many bytes a second were scanned, of all scanners together.
func (r *Report) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Bytes) / r.Elapsed.Seconds()
}

// Passed reports whether the scan proves that the copy holds no value of the source: it looked into everything, found nothing, and found all the canaries.
func (r *Report) Passed() bool {
	return len(r.Hits) == 0 && r.More == 0 && len(r.NotScanned) == 0 && r.Recall.Complete() && r.Values > 0
}

// hit notes a hit, unless it is a canary's, or was noted with another piece of the text or in its plain form.
func (s *Scanner) hit(c *context, k seen.Key, kind personal.Kind, own bool, from, to int) {
	if !c.touches(from, to) {
		return
	}
	s.noted++
	if i, ok := s.planted[k]; ok {
		s.found[i] = true
		return
	}
	at := c.offset
	if c.depth == 0 {
		at += from
	}
	key := hitKey{field: c.field, kind: kind, own: own, chain: c.chain}
	if c.field.Type == JSON {
		key.path = s.path(at)
	}
	p := s.hits[key]
	if p == nil {
		if len(s.hits) >= s.limits.Hits {
			s.more++
			return
		}
		p = new(places)
		s.hits[key] = p
	}
	p.add(Position{s.row, at}, s.limits.Positions)
}

func (s *Scanner) skip(c *context, reason string) {
	s.noted++
	key := skipKey{c.field, reason}
	p := s.skipped[key]
	if p == nil {
		p = new(places)
		s.skipped[key] = p
	}
	p.add(Position{s.row, c.offset}, s.limits.Positions)
}

// Report puts together what all scanners found, once they are done.
func (s *Scan) Report() *Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &Report{Elapsed: time.Since(s.began), Recall: Recall{Planted: len(s.canaries)}}
	hits, skipped, found := map[hitKey]*places{}, map[skipKey]*places{}, make([]bool, len(s.canaries))
	for _, sc := range s.scanners {
		for k, p := range sc.hits {
			join(hits, k, p, s.limits.Positions)
		}
		for k, p := range sc.skipped {
			join(skipped, k, p, s.limits.Positions)
		}
		for i, f := range sc.found {
			found[i] = found[i] || f
		}
		r.More += sc.more
		r.Weak += sc.weak
		r.Values += sc.values
		r.Bytes += sc.bytes
	}
	for k, p := range hits {
		r.Hits = append(r.Hits, Hit{k.field.Table, k.field.Column, k.path, k.kind, k.own, k.chain.String(), p.count, p.first})
	}
	for k, p := range skipped {
		r.NotScanned = append(r.NotScanned, Skipped{k.field.Table, k.field.Column, k.reason, p.count, p.first})
	}
	slices.SortFunc(r.Hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Encoding, b.Encoding))
	})
	slices.SortFunc(r.NotScanned, func(a, b Skipped) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Reason, b.Reason))
	})
	for i, f := range found {
		if f {
			r.Recall.Found++
		} else {
			r.Recall.Missing = append(r.Recall.Missing, Lost{s.canaries[i].Kind, s.canaries[i].Encoding})
		}
	}
	return r
}

func join[K comparable](all map[K]*places, k K, p *places, most int) {
	if all[k] == nil {
		all[k] = new(places)
	}
	all[k].join(p, most)
}
