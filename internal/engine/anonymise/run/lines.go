package run

import (
	"bytes"
	"errors"
)

var errTruncated = errors.New("the source ended a row in the middle")

// lines is an io.Writer that hands on whole rows, without the end of the line.
type lines struct {
	row  func([]byte) error
	rest []byte
}

// Write implements io.Writer. PostgreSQL sends each row by itself, so that rest is seldom needed.
func (l *lines) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			l.rest = append(l.rest, p...)
			break
		}
		row := p[:i]
		if len(l.rest) > 0 {
			l.rest = append(l.rest, row...)
			row = l.rest
		}
		if err := l.row(row); err != nil {
			return 0, err
		}
		l.rest = l.rest[:0]
		p = p[i+1:]
	}
	return n, nil
}

func (l *lines) end() error {
	if len(l.rest) > 0 {
		return errTruncated
	}
	return nil
}

// pipe carries blocks from one goroutine to another that reads them.
type pipe struct {
	full, free chan []byte
	gone       chan struct{} // closed when nobody reads any more
	err        error         // set before full is closed
	block      []byte        // being read
	at         int
}

const blockSize = 128 << 10

func newPipe() *pipe {
	p := &pipe{full: make(chan []byte, 2), free: make(chan []byte, 4), gone: make(chan struct{})}
	for range 4 {
		p.free <- nil
	}
	return p
}

var (
	errGone    = errors.New("the target takes no more")
	errAborted = errors.New("the copy was broken off")
)

// take gives an empty block to fill.
func (p *pipe) take() []byte {
	b := <-p.free
	if cap(b) > 8*blockSize { // of one large row
		b = nil
	}
	if b == nil {
		b = make([]byte, 0, blockSize+blockSize/4)
	}
	return b[:0]
}

// give hands a block to the reader.
func (p *pipe) give(b []byte) error {
	select {
	case p.full <- b:
		return nil
	case <-p.gone:
		return errGone
	}
}

// close ends the stream, in error if err is not nil.
func (p *pipe) close(err error) {
	p.err = err
	close(p.full)
}

// Read implements io.Reader.
func (p *pipe) Read(b []byte) (int, error) {
	for p.at == len(p.block) {
		if p.block != nil {
			p.free <- p.block
		}
		block, ok := <-p.full
		if !ok {
			p.block, p.at = nil, 0
			return 0, p.err
		}
		p.block, p.at = block, 0
	}
	n := copy(b, p.block[p.at:])
	p.at += n
	return n, nil
}
