package leak

import (
	"bytes"
	"net/netip"
	"unsafe"

	"github.com/garant-project/garant/internal/engine/anonymise/seen"
)

// minEncoded is the shortest run that is tried as base64: "a.b@c.be" without its padding.
const minEncoded = 11

// chunk is a stretch of text without blanks, quotation marks and brackets.
type chunk struct {
	start, end   int
	words        int
	figures, len int
	sum          seen.Key
	colons       int
	// Where parts of it begin, behind / = : and the like, and the sum of the words before: of the last few.
	parts  int
	starts [parts]int
	before [parts]seen.Key
}

// parts is how many parts of a chunk are looked up together, besides the whole.
const parts = 6

// text scans a text, then what is encoded within it.
func (s *Scanner) text(text []byte, c *context) {
	l := s.scratch(c.depth)
	l.series.reset()
	var (
		ring   [seen.MaxWords]seen.Key
		at     [seen.MaxWords]int32
		chain  int // words in a row that may belong to a name
		ch     = chunk{start: -1}
		prev   int // where the last word ended
		wrap   = -1
		before seen.Word
	)
	for {
		words := s.set.Words(l.words[:0], text, prev)
		for i := range words {
			w := &words[i]
			start := int(w.Start)
			brk, part, colons := start-prev == 1 && text[prev] == ' ', false, 0
			if !brk {
				part, brk, colons = between(text, prev, start)
			}
			if brk || ch.start < 0 {
				if ch.start >= 0 && (ch.words > 1 || ch.figures > 0 || ch.end-ch.start >= minEncoded-4 || wrap >= 0) {
					wrap = s.closeChunk(text, &ch, c, wrap, start)
				}
				ch = chunk{start: start}
			} else if part {
				ch.colons += colons
				s.closePart(text, &ch, c)
				ch.starts[ch.parts%parts], ch.before[ch.parts%parts] = start, ch.sum
				ch.parts++
			}
			end := int(w.End)
			ch.sum += w.Key
			ch.words++
			ch.len += int(w.Len)
			ch.figures += int(w.Digits)
			ch.end = end

			if alone, among := s.set.Role(w.Key); alone || among {
				if alone {
					s.find(c, w.Key, start, end)
				}
				if among {
					if chain > 0 && start-prev > 64 {
						chain = 0
					}
					ring[chain%seen.MaxWords], at[chain%seen.MaxWords] = w.Key, w.Start
					chain++
					sum := w.Key
					for n := 1; n < min(chain, seen.MaxWords); n++ {
						k := (chain - 1 - n) % seen.MaxWords
						sum += ring[k]
						s.find(c, sum, int(at[k]), end)
					}
				} else {
					chain = 0
				}
			} else {
				chain = 0
			}
			if w.Digits > 0 {
				s.group(text, &before, w, prev, c)
			} else if l.series.n > 0 {
				s.letters(text, w, prev, c)
			}
			prev, before = end, *w
		}
		if len(words) < cap(l.words) {
			break
		}
		if chain > 1<<20 {
			chain = 1<<10 + chain%seen.MaxWords
		}
	}
	if ch.start >= 0 {
		s.closeChunk(text, &ch, c, wrap, len(text))
	}
	found := signs(text)
	if found&signAt != 0 {
		for i := 0; ; i++ {
			n := bytes.IndexByte(text[i:], '@')
			if n < 0 {
				break
			}
			i += n
			s.mail(text, i, c)
		}
	}
	if found&signEscape != 0 {
		s.again(text, c, s.escape)
	}
	if found&signEquals != 0 {
		s.again(text, c, printable)
	}
	if c.binary {
		s.containers(text, c)
	}
}

// Signs by which it is known that something is to be looked for.
const (
	signAt     = 1 << iota
	signEscape // percent signs, entities, backslashes and tags, which one text may mix
	signEquals // quoted-printable, apart from them since its = is a character like others elsewhere
)

func signs(text []byte) (found int) {
	if len(text) > 128 {
		for i, c := range "@=%&\\<" {
			if bytes.IndexByte(text, byte(c)) >= 0 {
				found |= [...]int{signAt, signEquals, signEscape, signEscape, signEscape, signEscape}[i]
			}
		}
		return found
	}
	for _, c := range text {
		switch c {
		case '@':
			found |= signAt
		case '=':
			found |= signEquals
		case '%', '&', '\\', '<':
			found |= signEscape
		}
	}
	return found
}

// between looks at what stands between two words: whether it ends a chunk, or only a part of one.
func between(text []byte, from, to int) (part, brk bool, colons int) {
	for i := from; i < to; i++ {
		switch b := text[i]; b {
		case '/', '=', '&', '?', '#', '@', '\\', '+':
			part = true
		case ':':
			part = true
			colons++
		default:
			if seen.Breaks(b) || b >= 0x80 {
				return part, true, colons
			}
		}
	}
	return part, false, colons
}

// find looks a key up.
func (s *Scanner) find(c *context, k seen.Key, from, to int) {
	if e, ok := s.set.Find(k); ok {
		s.judge(c, k, e, e.Strict, from, to)
	}
}

// apart looks up what must stand by itself: a character that was decoded beside it counts as well.
func (s *Scanner) apart(c *context, k seen.Key, from, to int) {
	if c.marks != nil {
		from, to = from-2, to+1
	}
	s.find(c, k, from, to)
}

// judge decides what an entry that was found means here.
func (s *Scanner) judge(c *context, k seen.Key, e seen.Entry, strict bool, from, to int) {
	if strict {
		s.hit(c, k, e.Kind, false, from, to)
		return
	}
	for _, o := range s.own {
		if o.key == k {
			s.hit(c, k, e.Kind, true, from, to)
			return
		}
	}
	if c.touches(from, to) {
		s.weak++
		s.noted++
	}
}

// closeChunk looks a chunk up, and its parts, and tries whether it is encoded. next is where the text goes on. It returns where a run begins that
// goes on in the next line, -1 when there is none.
func (s *Scanner) closeChunk(text []byte, ch *chunk, c *context, wrap, next int) int {
	if ch.words > 1 || ch.figures > 0 {
		s.closePart(text, ch, c)
		if ch.colons > 1 {
			s.colons(text, ch, c)
		}
	}
	for ch.end < len(text) && (text[ch.end] == '=' || sextet(text[ch.end]) >= 62) {
		ch.end++
	}
	for ch.start > 0 && sextet(text[ch.start-1]) >= 62 {
		ch.start--
	}
	if ch.end-ch.start < minEncoded && wrap < 0 {
		return -1
	}
	return s.encoded(text, ch.start, ch.end, wrap, next, c)
}

// closePart looks up the stretches of a chunk that end where it has come to.
func (s *Scanner) closePart(text []byte, ch *chunk, c *context) {
	if ch.words > 1 || ch.figures > 0 {
		s.apart(c, ch.sum, ch.start, ch.end)
	}
	for i := max(0, ch.parts-parts); i < ch.parts; i++ {
		s.apart(c, ch.sum-ch.before[i%parts], ch.starts[i%parts], ch.end)
	}
}

// colons looks for an IP address of version 6, perhaps behind "ip=" or before "/64".
func (s *Scanner) colons(text []byte, ch *chunk, c *context) {
	b := text[ch.start:ch.end]
	for from := 0; from < len(b); {
		to := from
		for to < len(b) && (nibble(b[to]) >= 0 || b[to] == ':' || b[to] == '.') {
			to++
		}
		if n := bytes.Count(b[from:to], []byte(":")); to-from < 64 && (n > 5 || n > 1 && (bytes.Contains(b[from:to], []byte("::")) || to == len(b) || from == 0)) {
			at, end := ch.start+from, ch.start+to
			for at >= 2 && text[at-1] == ':' && text[at-2] == ':' && from == 0 { // "::1"
				at -= 2
			}
			if to == len(b) && bytes.HasPrefix(text[end:], []byte("::")) {
				end += 2
			}
			s.version6(bytes.TrimRight(text[at:end], "."), at, c)
		}
		from = to + 1
	}
}

func (s *Scanner) version6(b []byte, at int, c *context) {
	for tries := 0; tries < 2; tries++ {
		if n := bytes.Count(b, []byte(":")); n < 6 && !bytes.Contains(b, []byte("::")) || n > 8 {
			return // a time of day
		}
		if a, err := netip.ParseAddr(view(b)); err == nil {
			s.find(c, s.set.IPKey(a), at, at+len(b))
			return
		}
		// "Adresse:2a02:…": what stands before the first colon may be letters of another word.
		i := bytes.IndexByte(b, ':')
		if i < 0 {
			return
		}
		b, at = b[i+1:], at+i+1
	}
}

// view is b as a string for a call that does not keep it.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// mail looks at what stands around an @, whatever of the sentence touches it.
func (s *Scanner) mail(text []byte, at int, c *context) {
	from, to := seen.Around(text, at)
	if from == at || to == at+1 {
		return
	}
	const pieces = 8
	var locals, domains [pieces]seen.Key
	var starts, ends [pieces]int
	nl, nd := 0, 0
	for i := at - 1; i >= from && nl < pieces; i-- {
		if i == from || joins(text[i-1]) && !joins(text[i]) {
			k := i
			locals[nl], starts[nl] = s.set.LocalKey(text[k:at]), k
			nl++
		}
	}
	dots := 0
	for i := at + 2; i <= to && nd < pieces; i++ {
		if i < to && !joins(text[i]) {
			continue
		}
		if dots > 0 && !joins(text[i-1]) {
			domains[nd], ends[nd] = s.set.DomainKey(text[at+1:i]), i
			nd++
		}
		dots++
	}
	for i := range nl {
		for j := range nd {
			s.find(c, locals[i]+domains[j], starts[i], ends[j])
		}
	}
}

func joins(b byte) bool {
	switch b {
	case '.', '-', '_', '+', '\n', '\r':
		return true
	}
	return false
}
