package leak

import (
	"bufio"
	"bytes"
	"io"
)

const (
	piece   = 1 << 20 // of a long value that is scanned at once
	overlap = 1 << 10 // of it that is looked at again with the next: longer than any name, address or number
	line    = 60      // of base64, at least, when it is broken into lines
)

// pieces takes a long text in pieces of any size and scans it in pieces of its own.
type pieces struct {
	context context
	binary  bool
	buf     []byte
	from    int // where buf begins in the text
	done    int // of buf, reported before
	wait    int // length of buf before which it makes no sense to look again

	inflating *io.PipeWriter
	inflated  chan struct{}
}

func (p *pieces) begin(c context, binary bool) {
	*p = pieces{context: c, binary: binary, buf: p.buf[:0], wait: piece}
}

func (p *pieces) write(s *Scanner, b []byte) {
	for len(b) > 0 {
		if p.inflating != nil {
			_, _ = p.inflating.Write(b) // the reader drains what it does not understand
			return
		}
		n := min(len(b), max(p.wait+1-len(p.buf), 1))
		p.buf = append(p.buf, b[:n]...)
		b = b[n:]
		if len(p.buf) > p.wait {
			p.scan(s)
		}
	}
}

func (p *pieces) end(s *Scanner) {
	if p.inflating != nil {
		_ = p.inflating.Close()
		<-p.inflated
		p.inflating = nil
		return
	}
	if p.from == 0 && p.context.depth == 0 {
		s.top = p.buf
	}
	p.look(s, p.buf)
	if cap(p.buf) > 2*piece { // one very long value must not keep its memory
		p.buf = nil
	}
}

// look scans text, which begins where buf does.
func (p *pieces) look(s *Scanner, text []byte) {
	c := p.context
	c.offset += p.from
	c.done = p.done
	if p.binary {
		s.binary(text, &c)
	} else {
		s.text(text, &c)
	}
}

// scan scans as much of buf as can be divided from what follows.
func (p *pieces) scan(s *Scanner) {
	if p.binary && p.from == 0 {
		switch magic(p.buf) {
		case gzipped, zlibbed:
			p.inflate(s)
			return
		case zipped: // whose index stands at its end
			if len(p.buf) < s.limits.Unbroken {
				p.wait = min(2*p.wait, s.limits.Unbroken)
				return
			}
			s.skip(&p.context, unbroken)
		}
	}
	cut := len(p.buf) &^ 1
	if !p.binary {
		if cut = divide(p.buf); cut <= overlap {
			if len(p.buf) < s.limits.Unbroken {
				p.wait = min(2*p.wait, s.limits.Unbroken)
				return
			}
			s.skip(&p.context, unbroken)
			cut = len(p.buf)
		}
	}
	p.look(s, p.buf[:cut])
	keep := max(0, cut-overlap)
	p.done = cut - keep
	p.from += keep
	p.buf = append(p.buf[:0], p.buf[keep:]...)
	p.wait = max(piece, len(p.buf))
}

// divide tells where a text may be cut: behind a blank, and not within base64 that is broken into lines. It is 0 when there is no such place.
func divide(b []byte) int {
	cut := bytes.LastIndexAny(b[max(0, len(b)-1<<16):], " \t\n\r,;\"") + 1
	if cut == 0 {
		return 0
	}
	cut += max(0, len(b)-1<<16)
	for cut > 0 {
		end := bytes.TrimRight(b[:cut], "\r\n")
		from := bytes.LastIndexAny(end, " \t\n\r,;\":") + 1
		if len(end)-from < line || !isBase64(end[from:]) {
			break
		}
		cut = from
	}
	return cut
}

func isBase64(b []byte) bool {
	for _, c := range b {
		if sextet(c) < 0 {
			return false
		}
	}
	return true
}

// inflate hands what is in buf and what follows to a decompressor, which reads as fast as it is written.
func (p *pieces) inflate(s *Scanner) {
	r, w := io.Pipe()
	p.inflating, p.inflated = w, make(chan struct{})
	first, c := p.buf, p.context
	go func() {
		defer close(p.inflated)
		s.members(bufio.NewReader(r), &c)
	}()
	_, _ = w.Write(first)
	p.buf = p.buf[:0]
}

// members scans compressed files that stand one behind the other, then what follows them.
func (s *Scanner) members(r *bufio.Reader, c *context) {
	for {
		head, _ := r.Peek(4)
		if m := magic(head); m == gzipped || m == zlibbed {
			if !s.decompress(r, m, c) {
				s.skip(c, damaged)
				break
			}
			continue
		}
		rest := &s.levels[c.depth].pieces
		rest.begin(*c, true)
		rest.from = piece // not the beginning of anything
		for b := s.levels[c.depth].reading(); ; {
			n, err := r.Read(b)
			rest.write(s, b[:n])
			if err != nil {
				break
			}
		}
		rest.end(s)
		break
	}
	_, _ = io.Copy(io.Discard, r)
}

// hexed decodes the hex format of bytea on the way.
type hexed struct {
	seen int
	half int // the first digit of a byte whose second is to come, -1 when there is none
	buf  [4096]byte
}

// unhex writes the bytes of a bytea value.
func (s *Scanner) unhex(b []byte) {
	d := &s.digits
	if len(s.value.buf) == 0 && s.value.from == 0 && s.value.inflating == nil {
		*d = hexed{half: -1}
	}
	if d.seen == 0 && bytes.HasPrefix(b, []byte(`\x`)) {
		b = b[2:]
		d.seen = 2
	}
	n := 0
	for _, c := range b {
		x := nibble(c)
		switch {
		case x < 0:
			s.skip(&s.value.context, noHex)
			continue
		case d.half < 0:
			d.half = x
			continue
		}
		d.buf[n] = byte(d.half<<4 | x)
		d.half = -1
		if n++; n == len(d.buf) {
			s.value.write(s, d.buf[:n])
			n = 0
		}
	}
	s.value.write(s, d.buf[:n])
}
