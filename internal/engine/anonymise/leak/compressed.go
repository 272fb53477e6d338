package leak

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
)

// magic tells by which method bytes are compressed, by how they begin; 0 when they are not.
func magic(b []byte) coding {
	switch {
	case len(b) < 4:
		return 0
	case b[0] == 0x1f && b[1] == 0x8b && b[2] == 8:
		return gzipped
	case b[0] == 'P' && b[1] == 'K' && b[2] == 3 && b[3] == 4:
		return zipped
	case b[0]&0x8f == 8 && b[1]&0x20 == 0 && (uint(b[0])<<8|uint(b[1]))%31 == 0 && (b[1] >= 0x80 || b[1] < ' ' || b[0] == 'x'): // RFC 1950
		return zlibbed
	}
	return 0
}

const (
	tooDeep   = "encoded more often within itself than is looked at"
	tooMuch   = "inflates to more than is looked at"
	damaged   = "compressed and damaged"
	unbroken  = "longer than is held in memory, and cannot be divided"
	noHex     = "not in the hex format of bytea"
	encrypted = "an encrypted zip file, or one compressed in a way that is not known"
)

// compressed scans what bytes inflate to, and tells how many of them it took, 0 when they are not compressed after all.
func (s *Scanner) compressed(b []byte, m coding, c *context) int {
	if m == zipped {
		s.archive(b, c)
		return len(b)
	}
	r := bytes.NewReader(b)
	if !s.decompress(r, m, c) {
		return 0
	}
	return len(b) - r.Len()
}

// decompress scans what comes out of r, and reports whether anything did.
func (s *Scanner) decompress(r io.Reader, m coding, c *context) bool {
	var z io.Reader
	var err error
	if m == gzipped {
		var g *gzip.Reader
		if g, err = gzip.NewReader(r); err == nil {
			g.Multistream(false) // what follows is looked at where this came from
		}
		z = g
	} else {
		z, err = zlib.NewReader(r)
	}
	if err != nil {
		return false
	}
	n, err := s.inflate(z, m, c)
	if err != nil && (m == gzipped && n > 0 || n > 256) { // two bytes that look like zlib's begin one in some thousand hashes
		s.skip(c, damaged)
	}
	return n > 0
}

// inflate scans what r gives.
func (s *Scanner) inflate(r io.Reader, m coding, c *context) (n int, err error) {
	if c.depth >= s.limits.Depth {
		s.skip(c, tooDeep)
		return 0, nil
	}
	l := s.scratch(c.depth + 1)
	buf := l.reading()
	l.pieces.begin(context{field: c.field, chain: c.chain.and(m), depth: c.depth + 1, offset: c.offset}, true)
	for {
		k, err := r.Read(buf)
		n += k
		if s.inflated += k; s.inflated > s.limits.Inflated {
			l.pieces.end(s)
			s.skip(c, tooMuch)
			return n, nil
		}
		l.pieces.write(s, buf[:k])
		if err != nil {
			l.pieces.end(s)
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return n, err
		}
	}
}

// archive scans the names and the files of a zip file.
func (s *Scanner) archive(b []byte, c *context) {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		s.skip(c, damaged)
		return
	}
	for _, f := range z.File {
		if c.depth < s.limits.Depth {
			in := context{field: c.field, chain: c.chain.and(zipped), depth: c.depth + 1, offset: c.offset}
			s.scratch(in.depth)
			s.text([]byte(f.Name), &in)
			s.text([]byte(f.Comment), &in)
		}
		if f.Flags&1 != 0 {
			s.skip(c, encrypted)
			continue
		}
		r, err := f.Open()
		if err != nil {
			s.skip(c, encrypted)
			continue
		}
		if _, err = s.inflate(r, zipped, c); err != nil {
			s.skip(c, damaged)
		}
		_ = r.Close()
		if s.inflated > s.limits.Inflated {
			return
		}
	}
}
